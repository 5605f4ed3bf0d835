"""The application support sub-layer (ZigBee Specification 05-3474, 2.2.5 and 4.4.10): header, fragments, commands.

Own layers, because Scapy's read fragments as whole ZCL frames (fault A1), miss the block number of a reserved
fragmentation value (A2), the extended header of commands (A3) and the group of an acknowledgement (A5), slide on
indirect delivery (A4) and on inter-PAN frames (A6), set the security bit of every built frame (A7) and not the frame
type (A8), take every profile for ZCL (A9), give Switch Key eight octets (C1), read a key of an unknown type (C2),
name key type 2 wrong (C3), and mix the tunnelled frame with the tunnel (C5).
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import BitEnumField, BitField, ByteEnumField, ByteField, XByteField, XLEShortField
from scapy.packet import Packet

from hanscope.dissectors.codes import ZCL_PROFILES, Cluster, Profile
from hanscope.dissectors.fields import (
    DerivedBitEnum,
    DerivedBits,
    DerivedOctetEnum,
    EUI64Field,
    LECodeField,
    Octets,
    given,
    identifier_in,
)
from hanscope.dissectors.layer import Layer, ToEnd, Undissected, When
from hanscope.dissectors.zigbee.security import ApsSecurity
from hanscope.dissectors.zigbee.zcl import Zcl
from hanscope.dissectors.zigbee.zdp import Zdp


class ApsFrameType(IntEnum):
    """Frame types (2.2.5.1.1.1)."""

    DATA = 0
    COMMAND = 1
    ACKNOWLEDGEMENT = 2
    INTER_PAN = 3


class DeliveryMode(IntEnum):
    """Delivery modes (2.2.5.1.1.2)."""

    UNICAST = 0
    INDIRECT = 1
    """Gone since ZigBee 2007. Older revisions disagree about the endpoints, so nothing behind it is read."""
    BROADCAST = 2
    GROUP = 3


class Fragmentation(IntEnum):
    """Fragmentation (2.2.5.1.8.1)."""

    NONE = 0
    FIRST = 1
    LATER = 2


def _frame_type(layer: Any) -> int:
    if isinstance(layer, InterPanAps):
        return ApsFrameType.INTER_PAN
    if layer.haslayer(ApsCommand):
        return ApsFrameType.COMMAND
    return ApsFrameType.ACKNOWLEDGEMENT if given("ack_bitfield")(layer) else ApsFrameType.DATA


def _addressed(layer: Any) -> bool:
    """Whether endpoints, cluster and profile are there: in data, and in what acknowledges data."""
    if layer.frame_type == ApsFrameType.DATA:
        return layer.delivery_mode != DeliveryMode.INDIRECT
    if layer.frame_type == ApsFrameType.ACKNOWLEDGEMENT:
        return not layer.ack_format and layer.delivery_mode != DeliveryMode.INDIRECT
    return False


def _readable(layer: Any) -> bool:
    """Whether a counter follows: not in inter-PAN frames, nor where indirect delivery hides what comes first."""
    if layer.frame_type == ApsFrameType.INTER_PAN:
        return False
    return (
        layer.frame_type == ApsFrameType.COMMAND
        or bool(layer.frame_type == ApsFrameType.ACKNOWLEDGEMENT and layer.ack_format)
        or _addressed(layer)
    )


def _extended(layer: Any) -> bool:
    return _readable(layer) and bool(layer.extended_header)


def _grouped(layer: Any) -> bool:
    if layer.frame_type == ApsFrameType.INTER_PAN:
        return layer.delivery_mode == DeliveryMode.GROUP
    return _addressed(layer) and layer.delivery_mode == DeliveryMode.GROUP


def _clustered(layer: Any) -> bool:
    return layer.frame_type == ApsFrameType.INTER_PAN or _addressed(layer)


_PROFILES: Final[dict[int, type[Layer]]] = {Profile.ZIGBEE_DEVICE: Zdp, **dict.fromkeys(ZCL_PROFILES, Zcl)}


class Aps(Layer):
    """The APS header (2.2.5.1)."""

    begins_stage = True
    fields_desc: ClassVar[list[Any]] = [
        DerivedBits("extended_header", given("fragmentation", "block_number", "ack_bitfield")),
        BitField("ack_request", 0, 1),
        DerivedBits("security", lambda p: isinstance(p.payload, ApsSecurity)),
        BitField("ack_format", 0, 1),
        DerivedBitEnum(
            "delivery_mode",
            lambda p: DeliveryMode.GROUP if given("group_address")(p) else DeliveryMode.UNICAST,
            2,
            DeliveryMode,
        ),
        DerivedBitEnum("frame_type", _frame_type, 2, ApsFrameType),
        When(ByteField("destination_endpoint", 1), lambda p: _addressed(p) and p.delivery_mode != DeliveryMode.GROUP),
        When(XLEShortField("group_address", None), _grouped),
        When(LECodeField("cluster", 0, Cluster), _clustered),
        When(LECodeField("profile", Profile.HOME_AUTOMATION, Profile), _clustered),
        When(ByteField("source_endpoint", 1), _addressed),
        When(ByteField("counter", 0), _readable),
        When(BitField("extended_reserved", 0, 6), _extended),
        When(BitEnumField("fragmentation", None, 2, Fragmentation), _extended),
        When(ByteField("block_number", None), lambda p: _extended(p) and p.fragmentation),
        When(
            XByteField("ack_bitfield", None),
            lambda p: _extended(p) and p.fragmentation and p.frame_type == ApsFrameType.ACKNOWLEDGEMENT,
        ),
    ]

    def payload_class(self) -> type[Packet]:
        if not _readable(self) and self.frame_type != ApsFrameType.INTER_PAN:
            return Undissected
        if self.security:
            return ApsSecurity
        if self.frame_type == ApsFrameType.ACKNOWLEDGEMENT:
            return Undissected
        if _extended(self) and self.fragmentation in (Fragmentation.FIRST, Fragmentation.LATER):
            return Fragment
        return ApsCommand if self.frame_type == ApsFrameType.COMMAND else _PROFILES.get(self.profile, Undissected)


class InterPanAps(Aps):
    """The APS header of an inter-PAN frame (annex B), which has no endpoints and no counter.

    No stage begins here: such a frame comes from outside the network and is none of its APS frames.
    """

    begins_stage = False

    def payload_class(self) -> type[Packet]:
        return super().payload_class() if self.frame_type == ApsFrameType.INTER_PAN else Undissected


class Fragment(Layer):
    """One block of a fragmented payload; means something only when all are together."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("octets")]


class ApsCommandIdentifier(IntEnum):
    """APS commands (4.4.10)."""

    SKKE_1 = 0x01
    SKKE_2 = 0x02
    SKKE_3 = 0x03
    SKKE_4 = 0x04
    TRANSPORT_KEY = 0x05
    UPDATE_DEVICE = 0x06
    REMOVE_DEVICE = 0x07
    REQUEST_KEY = 0x08
    SWITCH_KEY = 0x09
    INITIATOR_CHALLENGE = 0x0A
    RESPONDER_CHALLENGE = 0x0B
    INITIATOR_MAC_AND_DATA = 0x0C
    RESPONDER_MAC_AND_DATA = 0x0D
    TUNNEL = 0x0E
    VERIFY_KEY = 0x0F
    CONFIRM_KEY = 0x10
    RELAY_DOWNSTREAM = 0x11
    RELAY_UPSTREAM = 0x12


class KeyType(IntEnum):
    """What a key is for (4.4.10.1.1)."""

    TRUST_CENTER_MASTER = 0
    STANDARD_NETWORK = 1
    APPLICATION_MASTER = 2
    APPLICATION_LINK = 3
    TRUST_CENTER_LINK = 4
    HIGH_SECURITY_NETWORK = 5


class RequestedKeyType(IntEnum):
    """The keys that may be asked for (4.4.10.5.1)."""

    APPLICATION_LINK = 2
    TRUST_CENTER_LINK = 4


_NETWORK_KEYS: Final = (KeyType.STANDARD_NETWORK, KeyType.HIGH_SECURITY_NETWORK)
_APPLICATION_KEYS: Final = (KeyType.APPLICATION_MASTER, KeyType.APPLICATION_LINK)


class Skke(Layer):
    """What the four steps of symmetric-key key establishment look like: a challenge, or a proof."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("initiator_eui64", 0),
        EUI64Field("responder_eui64", 0),
        Octets("data", 16),
    ]


class Skke1(Skke):
    """The initiator's challenge."""


class Skke2(Skke):
    """The responder's challenge."""


class Skke3(Skke):
    """The initiator's proof."""


class Skke4(Skke):
    """The responder's proof."""


class TransportKey(Layer):
    """4.4.10.1; of an unknown key type only the type is read."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("key_type", KeyType.STANDARD_NETWORK, KeyType),
        When(Octets("key", 16), lambda p: p.key_type <= max(KeyType)),
        When(ByteField("key_sequence_number", 0), lambda p: p.key_type in _NETWORK_KEYS),
        When(
            EUI64Field("destination_eui64", 0),
            lambda p: p.key_type <= max(KeyType) and p.key_type not in _APPLICATION_KEYS,
        ),
        When(
            EUI64Field("source_eui64", 0),
            lambda p: p.key_type <= max(KeyType) and p.key_type not in _APPLICATION_KEYS,
        ),
        When(EUI64Field("partner_eui64", 0), lambda p: p.key_type in _APPLICATION_KEYS),
        When(ByteField("initiator_flag", 0), lambda p: p.key_type in _APPLICATION_KEYS),
    ]


class UpdateDeviceStatus(IntEnum):
    """What became of a device (4.4.10.2.3)."""

    SECURED_REJOIN = 0
    UNSECURED_JOIN = 1
    LEFT = 2
    TRUST_CENTER_REJOIN = 3


class UpdateDevice(Layer):
    """4.4.10.2."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("device_eui64", 0),
        XLEShortField("device_short", 0),
        ByteEnumField("status", 0, UpdateDeviceStatus),
    ]


class RemoveDevice(Layer):
    """4.4.10.3."""

    fields_desc: ClassVar[list[Any]] = [EUI64Field("target_eui64", 0)]


class RequestKey(Layer):
    """4.4.10.4; a partner is named only when an application link key is asked for."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("key_type", RequestedKeyType.TRUST_CENTER_LINK, RequestedKeyType),
        When(EUI64Field("partner_eui64", 0), lambda p: p.key_type == RequestedKeyType.APPLICATION_LINK),
    ]


class SwitchKey(Layer):
    """4.4.10.5."""

    fields_desc: ClassVar[list[Any]] = [ByteField("key_sequence_number", 0)]


class Tunnel(Layer):
    """4.4.10.6; `tunnelled_frame` is a whole secured APS frame, to be dissected with `Aps`."""

    fields_desc: ClassVar[list[Any]] = [EUI64Field("destination_eui64", 0), ToEnd("tunnelled_frame")]


class VerifyKey(Layer):
    """4.4.10.7."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("key_type", KeyType.TRUST_CENTER_LINK, KeyType),
        EUI64Field("source_eui64", 0),
        Octets("hash", 16),
    ]


class ApsStatus(IntEnum):
    """Statuses of the APS sub-layer (2.2.9)."""

    SUCCESS = 0x00
    ASDU_TOO_LONG = 0xA0
    DEFRAG_DEFERRED = 0xA1
    DEFRAG_UNSUPPORTED = 0xA2
    ILLEGAL_REQUEST = 0xA3
    INVALID_BINDING = 0xA4
    INVALID_GROUP = 0xA5
    INVALID_PARAMETER = 0xA6
    NO_ACK = 0xA7
    NO_BOUND_DEVICE = 0xA8
    NO_SHORT_ADDRESS = 0xA9
    NOT_SUPPORTED = 0xAA
    SECURED_LINK_KEY = 0xAB
    SECURED_NWK_KEY = 0xAC
    SECURITY_FAIL = 0xAD
    TABLE_FULL = 0xAE
    UNSECURED = 0xAF
    UNSUPPORTED_ATTRIBUTE = 0xB0


class ConfirmKey(Layer):
    """4.4.10.8."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", ApsStatus.SUCCESS, ApsStatus),
        ByteEnumField("key_type", KeyType.TRUST_CENTER_LINK, KeyType),
        EUI64Field("destination_eui64", 0),
    ]


APS_COMMANDS: Final[dict[int, type[Layer]]] = {
    ApsCommandIdentifier.SKKE_1: Skke1,
    ApsCommandIdentifier.SKKE_2: Skke2,
    ApsCommandIdentifier.SKKE_3: Skke3,
    ApsCommandIdentifier.SKKE_4: Skke4,
    ApsCommandIdentifier.TRANSPORT_KEY: TransportKey,
    ApsCommandIdentifier.UPDATE_DEVICE: UpdateDevice,
    ApsCommandIdentifier.REMOVE_DEVICE: RemoveDevice,
    ApsCommandIdentifier.REQUEST_KEY: RequestKey,
    ApsCommandIdentifier.SWITCH_KEY: SwitchKey,
    ApsCommandIdentifier.TUNNEL: Tunnel,
    ApsCommandIdentifier.VERIFY_KEY: VerifyKey,
    ApsCommandIdentifier.CONFIRM_KEY: ConfirmKey,
}


class ApsCommand(Layer):
    """An APS command (4.4.10)."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctetEnum("command_identifier", identifier_in(APS_COMMANDS), ApsCommandIdentifier),
    ]

    def payload_class(self) -> type[Packet]:
        return APS_COMMANDS.get(self.command_identifier, Undissected)
