"""The network layer (ZigBee Specification 05-3474, chapter 3): beacon payload, frame header, commands.

Own layers, because Scapy's skip the multicast control octet, so that everything behind it slides (fault N1), call the
end device initiator bit reserved (N2), read frames of other protocol versions, Green Power and Thread among them, as
if they were ZigBee PRO (N3, N4, M22), leave counts and presence bits of built frames as they are (N7, N8), accept lists
that are cut short (N9), and read the beacon's transmit offset big-endian (B1).
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    LEThreeBytesField,
    SignedByteField,
    XByteField,
    XLEShortField,
)
from scapy.packet import Packet

from hanscope.dissectors.fields import (
    DerivedBitEnum,
    DerivedBits,
    DerivedOctet,
    DerivedOctetEnum,
    EUI64Field,
    ListOf,
    Record,
    capability_information,
    count_of,
    given,
    identifier_in,
)
from hanscope.dissectors.layer import IfRoom, Layer, Undissected, When
from hanscope.dissectors.zigbee.aps import Aps, InterPanAps
from hanscope.dissectors.zigbee.security import NwkSecurity

PRO: Final = 2
"""The protocol version of ZigBee 2007 and PRO."""


class ZigbeeBeacon(Layer):
    """The payload of a beacon behind protocol id 0 (3.6.7)."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("protocol_version", PRO, 4),
        BitField("stack_profile", 2, 4),
        BitField("end_device_capacity", 0, 1),
        BitField("device_depth", 0, 4),
        BitField("router_capacity", 0, 1),
        BitField("reserved", 0, 2),
        EUI64Field("extended_pan_id", 0),
        LEThreeBytesField("tx_offset", 0xFFFFFF),
        ByteField("update_id", 0),
    ]


class NwkFrameType(IntEnum):
    """Frame types (3.3.1.1.1)."""

    DATA = 0
    COMMAND = 1
    RESERVED = 2
    INTER_PAN = 3


class DiscoverRoute(IntEnum):
    """Discover route (3.3.1.1.3)."""

    SUPPRESS = 0
    ENABLE = 1
    FORCE = 3


def _frame_type(layer: Any) -> int:
    if isinstance(layer.payload, InterPanAps):
        return NwkFrameType.INTER_PAN
    return NwkFrameType.COMMAND if layer.haslayer(NwkCommand) else NwkFrameType.DATA


def _full(layer: Any) -> bool:
    """Whether more than the frame control follows that this layer can read."""
    return layer.protocol_version == PRO and layer.frame_type != NwkFrameType.INTER_PAN


class Nwk(Layer):
    """The NWK header (3.3.1). Of another protocol version, and of inter-PAN frames, only the frame control is read."""

    begins_stage = True
    fields_desc: ClassVar[list[Any]] = [
        BitEnumField("discover_route", DiscoverRoute.SUPPRESS, 2, DiscoverRoute),
        BitField("protocol_version", PRO, 4),
        DerivedBitEnum("frame_type", _frame_type, 2, NwkFrameType),
        BitField("reserved", 0, 2),
        BitField("end_device_initiator", 0, 1),
        DerivedBits("source_eui64_present", given("source_eui64")),
        DerivedBits("destination_eui64_present", given("destination_eui64")),
        DerivedBits("source_route", lambda p: bool(p.getfieldval("relays")) or given("relay_index")(p)),
        DerivedBits("security", lambda p: isinstance(p.payload, NwkSecurity)),
        DerivedBits("multicast", given("multicast_mode", "non_member_radius", "maximum_non_member_radius")),
        When(XLEShortField("destination", 0), _full),
        When(XLEShortField("source", 0), _full),
        When(ByteField("radius", 30), _full),
        When(ByteField("sequence_number", 0), _full),
        When(EUI64Field("destination_eui64"), lambda p: _full(p) and p.destination_eui64_present),
        When(EUI64Field("source_eui64"), lambda p: _full(p) and p.source_eui64_present),
        When(BitField("maximum_non_member_radius", None, 3), lambda p: _full(p) and p.multicast),
        When(BitField("non_member_radius", None, 3), lambda p: _full(p) and p.multicast),
        When(BitField("multicast_mode", None, 2), lambda p: _full(p) and p.multicast),
        When(DerivedOctet("relay_count", count_of("relays")), lambda p: _full(p) and p.source_route),
        When(ByteField("relay_index", None), lambda p: _full(p) and p.source_route),
        When(
            ListOf("relays", XLEShortField("relay", 0), lambda p: p.relay_count),
            lambda p: _full(p) and p.source_route,
        ),
    ]

    def payload_class(self) -> type[Packet]:
        if self.protocol_version != PRO or self.frame_type == NwkFrameType.RESERVED:
            return Undissected
        if self.frame_type == NwkFrameType.INTER_PAN:
            return InterPanAps
        if self.security:
            return NwkSecurity
        return Aps if self.frame_type == NwkFrameType.DATA else NwkCommand


class NwkCommandIdentifier(IntEnum):
    """NWK commands (3.4)."""

    ROUTE_REQUEST = 0x01
    ROUTE_REPLY = 0x02
    NETWORK_STATUS = 0x03
    LEAVE = 0x04
    ROUTE_RECORD = 0x05
    REJOIN_REQUEST = 0x06
    REJOIN_RESPONSE = 0x07
    LINK_STATUS = 0x08
    NETWORK_REPORT = 0x09
    NETWORK_UPDATE = 0x0A
    END_DEVICE_TIMEOUT_REQUEST = 0x0B
    END_DEVICE_TIMEOUT_RESPONSE = 0x0C
    LINK_POWER_DELTA = 0x0D
    NETWORK_COMMISSIONING_REQUEST = 0x0E
    NETWORK_COMMISSIONING_RESPONSE = 0x0F


class ManyToOne(IntEnum):
    """Many-to-one (3.4.1.3.1)."""

    NO = 0
    WITH_ROUTE_RECORD = 1
    WITHOUT_ROUTE_RECORD = 2


class RouteRequest(Layer):
    """3.4.1."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved_high", 0, 1),
        BitField("multicast", 0, 1),
        DerivedBits("destination_eui64_present", given("destination_eui64")),
        BitEnumField("many_to_one", ManyToOne.NO, 2, ManyToOne),
        BitField("reserved_low", 0, 3),
        ByteField("route_request_identifier", 0),
        XLEShortField("destination", 0),
        ByteField("path_cost", 0),
        When(EUI64Field("destination_eui64"), lambda p: p.destination_eui64_present),
    ]


class RouteReply(Layer):
    """3.4.2."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved_high", 0, 1),
        BitField("multicast", 0, 1),
        DerivedBits("responder_eui64_present", given("responder_eui64")),
        DerivedBits("originator_eui64_present", given("originator_eui64")),
        BitField("reserved_low", 0, 4),
        ByteField("route_request_identifier", 0),
        XLEShortField("originator", 0),
        XLEShortField("responder", 0),
        ByteField("path_cost", 0),
        When(EUI64Field("originator_eui64"), lambda p: p.originator_eui64_present),
        When(EUI64Field("responder_eui64"), lambda p: p.responder_eui64_present),
    ]


class NetworkStatusCode(IntEnum):
    """Why a route or a frame failed (3.4.3.3.1)."""

    NO_ROUTE = 0x00
    TREE_LINK_FAILURE = 0x01
    NON_TREE_LINK_FAILURE = 0x02
    LOW_BATTERY = 0x03
    NO_ROUTING_CAPACITY = 0x04
    NO_INDIRECT_CAPACITY = 0x05
    INDIRECT_TRANSACTION_EXPIRY = 0x06
    TARGET_UNAVAILABLE = 0x07
    TARGET_UNALLOCATED = 0x08
    PARENT_LINK_FAILURE = 0x09
    VALIDATE_ROUTE = 0x0A
    SOURCE_ROUTE_FAILURE = 0x0B
    MANY_TO_ONE_ROUTE_FAILURE = 0x0C
    ADDRESS_CONFLICT = 0x0D
    VERIFY_ADDRESSES = 0x0E
    PAN_ID_UPDATE = 0x0F
    NETWORK_ADDRESS_UPDATE = 0x10
    BAD_FRAME_COUNTER = 0x11
    BAD_KEY_SEQUENCE_NUMBER = 0x12
    UNKNOWN_COMMAND = 0x13


class NetworkStatus(Layer):
    """3.4.3; the unknown command's identifier came with revision 22."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", 0, NetworkStatusCode),
        XLEShortField("network_address", 0),
        IfRoom(XByteField("unknown_command", None), lambda p: p.status == NetworkStatusCode.UNKNOWN_COMMAND),
    ]


class Leave(Layer):
    """3.4.4."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("remove_children", 0, 1),
        BitField("request", 0, 1),
        BitField("rejoin", 0, 1),
        BitField("reserved", 0, 5),
    ]


class RouteRecord(Layer):
    """3.4.5."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctet("relay_count", count_of("relays")),
        ListOf("relays", XLEShortField("relay", 0), lambda p: p.relay_count),
    ]


class RejoinRequest(Layer):
    """3.4.6."""

    fields_desc: ClassVar[list[Any]] = capability_information()


class RejoinResponse(Layer):
    """3.4.7; the status is one of the MAC's association."""

    fields_desc: ClassVar[list[Any]] = [XLEShortField("network_address", 0xFFFF), ByteField("status", 0)]


class LinkStatusEntry(Layer):
    """One neighbour in a Link Status."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("network_address", 0),
        BitField("reserved_high", 0, 1),
        BitField("outgoing_cost", 0, 3),
        BitField("reserved_low", 0, 1),
        BitField("incoming_cost", 0, 3),
    ]


class LinkStatus(Layer):
    """3.4.8."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved", 0, 1),
        BitField("last_frame", 1, 1),
        BitField("first_frame", 1, 1),
        DerivedBits("entry_count", count_of("entries"), 5),
        ListOf("entries", Record(LinkStatusEntry, 3), lambda p: p.entry_count),
    ]


class NetworkReport(Layer):
    """3.4.9; the only report there is, type 0, lists the PAN ids in conflict."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("report_type", 0, 3),
        DerivedBits("report_information_count", count_of("pan_ids"), 5),
        EUI64Field("extended_pan_id", 0),
        When(
            ListOf("pan_ids", XLEShortField("pan_id", 0), lambda p: p.report_information_count),
            lambda p: p.report_type == 0,
        ),
    ]


class NetworkUpdate(Layer):
    """3.4.10; the only update there is, type 0, names the new PAN id."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("update_type", 0, 3),
        DerivedBits("update_information_count", count_of("new_pan_ids"), 5),
        EUI64Field("extended_pan_id", 0),
        ByteField("update_id", 0),
        When(
            ListOf("new_pan_ids", XLEShortField("pan_id", 0), lambda p: p.update_information_count),
            lambda p: p.update_type == 0,
        ),
    ]


class EndDeviceTimeoutRequest(Layer):
    """3.4.11; a timeout of 0 is 10 s, of n is 2^n minutes."""

    fields_desc: ClassVar[list[Any]] = [ByteField("requested_timeout", 0), ByteField("configuration", 0)]


class EndDeviceTimeoutResponse(Layer):
    """3.4.12."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("status", 0),
        BitField("reserved", 0, 5),
        BitField("power_negotiation", 0, 1),
        BitField("timeout_request_keep_alive", 0, 1),
        BitField("data_poll_keep_alive", 0, 1),
    ]


class LinkPowerDeltaEntry(Layer):
    """One neighbour in a Link Power Delta."""

    fields_desc: ClassVar[list[Any]] = [XLEShortField("network_address", 0), SignedByteField("power_delta_db", 0)]


class LinkPowerDelta(Layer):
    """3.4.13; type 0 is a notification, 1 a request, 2 a response."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("delta_type", 0),
        DerivedOctet("entry_count", count_of("entries")),
        ListOf("entries", Record(LinkPowerDeltaEntry, 3), lambda p: p.entry_count),
    ]


NWK_COMMANDS: Final[dict[int, type[Layer]]] = {
    NwkCommandIdentifier.ROUTE_REQUEST: RouteRequest,
    NwkCommandIdentifier.ROUTE_REPLY: RouteReply,
    NwkCommandIdentifier.NETWORK_STATUS: NetworkStatus,
    NwkCommandIdentifier.LEAVE: Leave,
    NwkCommandIdentifier.ROUTE_RECORD: RouteRecord,
    NwkCommandIdentifier.REJOIN_REQUEST: RejoinRequest,
    NwkCommandIdentifier.REJOIN_RESPONSE: RejoinResponse,
    NwkCommandIdentifier.LINK_STATUS: LinkStatus,
    NwkCommandIdentifier.NETWORK_REPORT: NetworkReport,
    NwkCommandIdentifier.NETWORK_UPDATE: NetworkUpdate,
    NwkCommandIdentifier.END_DEVICE_TIMEOUT_REQUEST: EndDeviceTimeoutRequest,
    NwkCommandIdentifier.END_DEVICE_TIMEOUT_RESPONSE: EndDeviceTimeoutResponse,
    NwkCommandIdentifier.LINK_POWER_DELTA: LinkPowerDelta,
}


class NwkCommand(Layer):
    """A NWK command, as the payload of a plain frame or as opened plaintext on its own."""

    begins_stage = True
    fields_desc: ClassVar[list[Any]] = [
        DerivedOctetEnum("command_identifier", identifier_in(NWK_COMMANDS), NwkCommandIdentifier),
    ]

    def payload_class(self) -> type[Packet]:
        return NWK_COMMANDS.get(self.command_identifier, Undissected)
