"""The Key Establishment cluster 0x0800 (Smart Energy 07-5356, annex C): how two devices agree on a link key.

Each side shows an implicit certificate, an ephemeral point and a proof. The certificates of both cryptographic suites
are taken apart: suite 1 (curve sect163k1) and suite 2 (sect283k1). Inside them the most significant octet comes first.
"""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import BitField, ByteEnumField, ByteField, XIntField, XLongField
from scapy.packet import Packet

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import EUI64Field, IntegerField, LECodeField, Octets
from hanscope.dissectors.layer import Layer, ToEnd, Undissected
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class KeyEstablishmentAttribute(IntEnum):
    """Attributes of both sides."""

    SUPPORTED_KEY_ESTABLISHMENT_SUITES = 0x0000
    """A bit for each `KeyEstablishmentSuite`."""


name_attributes(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentAttribute, of_server=True)
name_attributes(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentAttribute, of_server=False)


class KeyEstablishmentCommand(IntEnum):
    """Commands; each identifier means the same in both directions."""

    INITIATE = 0x00
    EPHEMERAL_DATA = 0x01
    CONFIRM_KEY_DATA = 0x02
    TERMINATE = 0x03


class KeyEstablishmentSuite(IntEnum):
    """Cryptographic suites."""

    SUITE_1 = 0x0001
    """ECMQV with ECQV certificates on sect163k1."""
    SUITE_2 = 0x0002
    """The same on sect283k1."""


class TerminateStatus(IntEnum):
    """Why an establishment ended."""

    UNKNOWN_ISSUER = 1
    BAD_KEY_CONFIRM = 2
    BAD_MESSAGE = 3
    NO_RESOURCES = 4
    UNSUPPORTED_SUITE = 5
    INVALID_CERTIFICATE = 6


class CertificateSuite1(Layer):
    """An implicit certificate of suite 1, 48 octets.

    The attributes are the issuer's; those of test certificates begin with the profile.
    """

    fields_desc: ClassVar[list[Any]] = [
        Octets("public_reconstruction_key", 22),
        EUI64Field("subject", 0, ">"),
        Octets("issuer", 8),
        Octets("profile_attribute_data", 10),
    ]


class Curve(IntEnum):
    """Curves that suite 2's certificates name."""

    SECT283K1 = 0x0D


class HashAlgorithm(IntEnum):
    """Hash algorithms that suite 2's certificates name."""

    AES_MMO = 0x08


class CertificateSuite2(Layer):
    """An implicit certificate of suite 2, 74 octets.

    `valid_from` is in seconds since 1970, `valid_to` in seconds from then on; FFFFFFFF is for ever.
    """

    fields_desc: ClassVar[list[Any]] = [
        ByteField("certificate_type", 0),
        XLongField("serial_number", 0),
        ByteEnumField("curve", Curve.SECT283K1, Curve),
        ByteEnumField("hash_algorithm", HashAlgorithm.AES_MMO, HashAlgorithm),
        Octets("issuer", 8),
        IntegerField("valid_from", 0, 5, ">"),
        XIntField("valid_to", 0xFFFFFFFF),
        EUI64Field("subject", 0, ">"),
        BitField("key_usage_signature", 1, 1),
        BitField("key_usage_reserved_high", 0, 3),
        BitField("key_usage_agreement", 1, 1),
        BitField("key_usage_reserved_low", 0, 3),
        Octets("public_reconstruction_key", 37),
    ]


_CERTIFICATES = {
    KeyEstablishmentSuite.SUITE_1: CertificateSuite1,
    KeyEstablishmentSuite.SUITE_2: CertificateSuite2,
}


class _Initiate(Layer):
    """The certificate is the layer that follows; its form is the suite's. Times in seconds."""

    fields_desc: ClassVar[list[Any]] = [
        LECodeField("suite", KeyEstablishmentSuite.SUITE_1, KeyEstablishmentSuite),
        ByteField("ephemeral_data_generate_time", 0),
        ByteField("confirm_key_generate_time", 0),
    ]

    def payload_class(self) -> type[Packet]:
        return _CERTIFICATES.get(self.suite, Undissected)


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.INITIATE, server_to_client=False)
class InitiateKeyEstablishmentRequest(_Initiate):
    """Sent by the initiator."""


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.INITIATE, server_to_client=True)
class InitiateKeyEstablishmentResponse(_Initiate):
    """Sent by the responder."""


class _EphemeralData(Layer):
    """A compressed point: 22 octets in suite 1, 37 in suite 2; the command does not say which."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("ephemeral_data")]


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.EPHEMERAL_DATA, server_to_client=False)
class EphemeralDataRequest(_EphemeralData):
    """The initiator's point, QEU."""


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.EPHEMERAL_DATA, server_to_client=True)
class EphemeralDataResponse(_EphemeralData):
    """The responder's point, QEV."""


class _ConfirmKey(Layer):
    fields_desc: ClassVar[list[Any]] = [Octets("secure_message_authentication_code", 16)]


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.CONFIRM_KEY_DATA, server_to_client=False)
class ConfirmKeyDataRequest(_ConfirmKey):
    """The initiator's proof, MACU."""


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.CONFIRM_KEY_DATA, server_to_client=True)
class ConfirmKeyDataResponse(_ConfirmKey):
    """The responder's proof, MACV."""


class _Terminate(Layer):
    """`wait_time` in seconds, until which there should be no new attempt."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", TerminateStatus.UNKNOWN_ISSUER, TerminateStatus),
        ByteField("wait_time", 0),
        LECodeField("suite", KeyEstablishmentSuite.SUITE_1, KeyEstablishmentSuite),
    ]


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.TERMINATE, server_to_client=False)
class TerminateKeyEstablishmentClientToServer(_Terminate):
    """Sent by the initiator."""


@cluster_command(Cluster.KEY_ESTABLISHMENT, KeyEstablishmentCommand.TERMINATE, server_to_client=True)
class TerminateKeyEstablishmentServerToClient(_Terminate):
    """Sent by the responder."""
