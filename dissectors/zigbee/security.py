"""The auxiliary security header of NWK and APS frames (ZigBee Specification 05-3474, 4.5.1).

Own layers, because Scapy's splits the MIC off by the security level on the air, which is always 0 there: its `data`
is ciphertext and MIC together and its `mic` empty (fault S1), a MIC longer than what is left is accepted (S2), and
nothing can follow it (S3).
"""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import BitEnumField, BitField, ByteField, LEIntField
from scapy.packet import Packet

from hanscope.dissectors.fields import DerivedBitEnum, DerivedBits, EUI64Field, Octets, given
from hanscope.dissectors.layer import Layer, ToEnd, When


class SecurityLevel(IntEnum):
    """Levels; on the air the field is 0 and every network of ZigBee PRO uses `ENC_MIC_32`."""

    NONE = 0
    MIC_32 = 1
    MIC_64 = 2
    MIC_128 = 3
    ENC = 4
    ENC_MIC_32 = 5
    ENC_MIC_64 = 6
    ENC_MIC_128 = 7


class KeyIdentifier(IntEnum):
    """Which key protects the frame."""

    DATA = 0
    """The link key itself."""
    NETWORK = 1
    KEY_TRANSPORT = 2
    KEY_LOAD = 3


class SecurityHeader(Layer):
    """What both headers have in common."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved", 0, 2),
        DerivedBits("extended_nonce", given("source_eui64")),
        DerivedBitEnum(
            "key_identifier",
            lambda p: KeyIdentifier.NETWORK if given("key_sequence_number")(p) else KeyIdentifier.DATA,
            2,
            KeyIdentifier,
        ),
        BitEnumField("security_level", 0, 3, SecurityLevel),
        LEIntField("frame_counter", 0),
        When(EUI64Field("source_eui64"), lambda p: p.extended_nonce),
        When(ByteField("key_sequence_number", None), lambda p: p.key_identifier == KeyIdentifier.NETWORK),
    ]

    def payload_class(self) -> type[Packet]:
        if self.security_level in (SecurityLevel.NONE, SecurityLevel.ENC_MIC_32):
            return SecuredPayload
        return UnsupportedSecuredPayload


class NwkSecurity(SecurityHeader):
    """The header of a secured NWK frame; its source is the last hop, not the originator."""


class ApsSecurity(SecurityHeader):
    """The header of a secured APS frame; without `source_eui64` the nonce takes the originator's."""


class SecuredPayload(Layer):
    """What AES-CCM* with a 4-octet MIC made of a payload."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("ciphertext", keep=4), Octets("mic", 4)]


class UnsupportedSecuredPayload(Layer):
    """A payload under a security level that ZigBee PRO does not use."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("octets")]
