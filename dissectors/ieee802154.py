"""IEEE 802.15.4 MAC frames (2006, chapter 7; for frame version 2: 2015, chapter 7), without the FCS.

Own layers, because Scapy's read a destination that is not there (faults M1, M2), use the 2006 addressing rule for
version 2 (M3, M4), read a suppressed sequence number and frame counter (M5, M12), ignore information elements (M6),
take enhanced beacons and acknowledgements for old ones (M7, M8), read frames whose format they do not know (M9, M10,
M17), take a MIC for payload (M13) and an encrypted command for a plain one (M14), lose the GTS list (M15), take every
beacon for ZigBee's (M16) and every payload for what a global setting says (M22), accept lists and addresses that are
cut short (M19), and do not set the command identifier when they build (M23).
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    LEIntField,
    StrLenField,
    XByteField,
    XLEIntField,
    XLEShortField,
)
from scapy.packet import NoPayload, Packet

from hanscope.dissectors.fields import (
    DerivedBitEnum,
    DerivedBits,
    DerivedOctet,
    DerivedOctetEnum,
    EUI64Field,
    ListOf,
    Octets,
    Record,
    capability_information,
    count_of,
    given,
    identifier_in,
)
from hanscope.dissectors.layer import IfRoom, Layer, ToEnd, Undissected, When
from hanscope.dissectors.zigbee.nwk import Nwk, ZigbeeBeacon

MOST_ELEMENTS: Final = 32
"""Information elements of one frame that are read; what is behind them stays `Undissected`."""


class MacFrameType(IntEnum):
    """Frame types (7.2.1.1)."""

    BEACON = 0
    DATA = 1
    ACKNOWLEDGEMENT = 2
    COMMAND = 3
    RESERVED = 4
    MULTIPURPOSE = 5
    FRAGMENT = 6
    EXTENDED = 7


class AddressingMode(IntEnum):
    """Addressing modes (7.2.1.6)."""

    NONE = 0
    RESERVED = 1
    SHORT = 2
    EXTENDED = 3


class FrameVersion(IntEnum):
    """Frame versions (7.2.1.7)."""

    IEEE_2003 = 0
    IEEE_2006 = 1
    IEEE_2015 = 2
    RESERVED = 3


class MacSecurityLevel(IntEnum):
    """Security levels (7.6.2.2.1)."""

    NONE = 0
    MIC_32 = 1
    MIC_64 = 2
    MIC_128 = 3
    ENC = 4
    ENC_MIC_32 = 5
    ENC_MIC_64 = 6
    ENC_MIC_128 = 7


class KeyIdentifierMode(IntEnum):
    """How the key is named (7.6.2.2.2)."""

    IMPLICIT = 0
    INDEX = 1
    SOURCE_4 = 2
    SOURCE_8 = 3


def _frame_type(layer: Any) -> int:
    if layer.haslayer(MacBeacon):
        return MacFrameType.BEACON
    if layer.haslayer(MacCommand):
        return MacFrameType.COMMAND
    bare = isinstance(layer.payload, NoPayload) and not (_DESTINATION(layer) or _SOURCE(layer))
    return MacFrameType.ACKNOWLEDGEMENT if bare else MacFrameType.DATA


_DESTINATION: Final = given("destination_short", "destination_extended")
_SOURCE: Final = given("source_short", "source_extended")


def _mode(side: str) -> Any:
    """The addressing mode of a side from the address that it was given."""
    short, extended = given(f"{side}_short"), given(f"{side}_extended")

    def derive(layer: Any) -> int:
        if extended(layer):
            return AddressingMode.EXTENDED
        return AddressingMode.SHORT if short(layer) else AddressingMode.NONE

    return derive


def _general(layer: Any) -> bool:
    """Whether the frame has the general format; others have their own frame control, or none that is known."""
    return layer.frame_type < MacFrameType.RESERVED and layer.frame_version != FrameVersion.RESERVED


def _numbered(layer: Any) -> bool:
    if not _general(layer):
        return False
    return layer.frame_version != FrameVersion.IEEE_2015 or not layer.sequence_number_suppression


def _addressed(layer: Any) -> bool:
    """Whether the extent of the addresses is known."""
    return _general(layer) and AddressingMode.RESERVED not in (
        layer.destination_addressing_mode,
        layer.source_addressing_mode,
    )


def _has_destination_pan(layer: Any) -> bool:
    """2006, 7.2.1.5.2; for version 2 table 7-2 of 2015."""
    if not _addressed(layer):
        return False
    destination, source = layer.destination_addressing_mode, layer.source_addressing_mode
    if layer.frame_version != FrameVersion.IEEE_2015:
        return destination != AddressingMode.NONE
    if destination == AddressingMode.NONE:
        return source == AddressingMode.NONE and bool(layer.pan_id_compression)
    if source == AddressingMode.NONE or destination == source == AddressingMode.EXTENDED:
        return not layer.pan_id_compression
    return True


def _has_source_pan(layer: Any) -> bool:
    if not _addressed(layer) or layer.source_addressing_mode == AddressingMode.NONE or layer.pan_id_compression:
        return False
    return (
        layer.frame_version != FrameVersion.IEEE_2015
        or not layer.destination_addressing_mode == layer.source_addressing_mode == AddressingMode.EXTENDED
    )


def _has(side: str, mode: AddressingMode) -> Any:
    return lambda p: _addressed(p) and getattr(p, f"{side}_addressing_mode") == mode


def _secured(layer: Any) -> bool:
    """Whether an auxiliary security header follows that this layer can read: version 0 has another one."""
    return _addressed(layer) and bool(layer.security_enabled) and layer.frame_version != FrameVersion.IEEE_2003


def _counted(layer: Any) -> bool:
    if not _secured(layer):
        return False
    return layer.frame_version != FrameVersion.IEEE_2015 or not layer.frame_counter_suppression


class Mac(Layer):
    """A MAC frame: the PSDU without its FCS.

    Of frame version 3, of frame types above 3 and behind the reserved addressing mode, nothing is guessed.
    """

    begins_stage = True
    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved", 0, 1),
        BitField("pan_id_compression", 0, 1),
        BitField("ack_request", 0, 1),
        BitField("frame_pending", 0, 1),
        BitField("security_enabled", 0, 1),
        DerivedBitEnum("frame_type", _frame_type, 3, MacFrameType),
        DerivedBitEnum("source_addressing_mode", _mode("source"), 2, AddressingMode),
        BitEnumField("frame_version", FrameVersion.IEEE_2003, 2, FrameVersion),
        DerivedBitEnum("destination_addressing_mode", _mode("destination"), 2, AddressingMode),
        DerivedBits("ie_present", lambda p: isinstance(p.payload, HeaderInformationElement)),
        BitField("sequence_number_suppression", 0, 1),
        When(ByteField("sequence_number", 0), _numbered),
        When(XLEShortField("destination_pan_id", None), _has_destination_pan),
        When(XLEShortField("destination_short", None), _has("destination", AddressingMode.SHORT)),
        When(EUI64Field("destination_extended"), _has("destination", AddressingMode.EXTENDED)),
        When(XLEShortField("source_pan_id", None), _has_source_pan),
        When(XLEShortField("source_short", None), _has("source", AddressingMode.SHORT)),
        When(EUI64Field("source_extended"), _has("source", AddressingMode.EXTENDED)),
        When(BitField("security_reserved", 0, 1), _secured),
        When(BitField("asn_in_nonce", 0, 1), _secured),
        When(BitField("frame_counter_suppression", 0, 1), _secured),
        When(BitEnumField("key_identifier_mode", KeyIdentifierMode.IMPLICIT, 2, KeyIdentifierMode), _secured),
        When(BitEnumField("security_level", MacSecurityLevel.ENC_MIC_32, 3, MacSecurityLevel), _secured),
        When(LEIntField("frame_counter", 0), _counted),
        When(
            XLEIntField("key_source_short", 0),
            lambda p: _secured(p) and p.key_identifier_mode == KeyIdentifierMode.SOURCE_4,
        ),
        When(
            EUI64Field("key_source_extended", 0),
            lambda p: _secured(p) and p.key_identifier_mode == KeyIdentifierMode.SOURCE_8,
        ),
        When(
            ByteField("key_index", 0),
            lambda p: _secured(p) and p.key_identifier_mode != KeyIdentifierMode.IMPLICIT,
        ),
    ]

    def may_end_bare(self) -> bool:
        # A coordinator that has nothing for a polling device sends an empty data frame.
        return self.frame_type != MacFrameType.COMMAND

    def payload_class(self) -> type[Packet]:
        if not _addressed(self) or (self.security_enabled and not _secured(self)):
            return Undissected
        if self.frame_version == FrameVersion.IEEE_2015 and self.ie_present:
            return HeaderInformationElement
        return self.behind_header()

    def behind_header(self) -> type[Packet]:
        """What follows the header, or the header information elements."""
        if self.frame_version != FrameVersion.IEEE_2015 and self.frame_type in _OPEN:
            return self.content()
        return _protected(self) or self.content()

    def content(self) -> type[Packet]:
        """What the frame carries."""
        if self.frame_type == MacFrameType.DATA:
            return Nwk
        if self.frame_type == MacFrameType.COMMAND:
            return MacCommand
        if self.frame_type == MacFrameType.BEACON and self.frame_version != FrameVersion.IEEE_2015:
            return MacBeacon
        return Undissected


_OPEN: Final = (MacFrameType.BEACON, MacFrameType.COMMAND)
"""Frames up to 2006 whose payload begins with fields that are never encrypted: a beacon's before its own payload, and a
command's identifier (2006, 7.5.8). From 2015 on, all of it is."""


def _protected(mac: Any) -> type[Layer] | None:
    """The layer that holds an encrypted payload and its MIC; `None` if there is no protection."""
    if mac is None or not _secured(mac) or mac.security_level == MacSecurityLevel.NONE:
        return None
    return _SECURED[mac.security_level]


def _mac(layer: Any) -> tuple[Any, int]:
    """The MAC header above an information element, and how many elements lie between."""
    between = 0
    while layer is not None and not isinstance(layer, Mac):
        layer = layer.underlayer
        between += 1
    return layer, between


class HeaderInformationElement(Layer):
    """One header information element (2015, 7.4.2). Its `element_id` is split by the octets' border."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("element_id_low", 0, 1),
        DerivedBits("length", count_of("content"), 7),
        BitField("type", 0, 1),
        BitField("element_id_high", 0, 7),
        When(StrLenField("content", b"", length_from=lambda p: p.length), lambda p: p.type == 0),
    ]

    @property
    def element_id(self) -> int:
        return self.element_id_high << 1 | self.element_id_low

    def may_end_bare(self) -> bool:
        return True

    def payload_class(self) -> type[Packet]:
        mac, count = _mac(self)
        if mac is None or self.type != 0 or count >= MOST_ELEMENTS:
            return Undissected
        if self.element_id_high != _TERMINATION_HIGH:
            return HeaderInformationElement
        if self.element_id_low:
            return mac.behind_header()
        behind = mac.behind_header()
        return behind if behind in _SECURED.values() else PayloadInformationElement


_TERMINATION_HIGH: Final = 0x3F
"""Element ids 7E (payload elements follow) and 7F (the payload follows)."""
_PAYLOAD_TERMINATION: Final = 0xF


class PayloadInformationElement(Layer):
    """One payload information element (2015, 7.4.3)."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctet("length_low", lambda p: count_of("content")(p) & 0xFF),
        BitField("type", 1, 1),
        BitField("group_id", 0, 4),
        DerivedBits("length_high", lambda p: count_of("content")(p) >> 8, 3),
        When(
            StrLenField("content", b"", length_from=lambda p: p.length_high << 8 | p.length_low),
            lambda p: p.type == 1,
        ),
    ]

    def may_end_bare(self) -> bool:
        return True

    def payload_class(self) -> type[Packet]:
        mac, count = _mac(self)
        if mac is None or self.type != 1 or count >= MOST_ELEMENTS:
            return Undissected
        return mac.content() if self.group_id == _PAYLOAD_TERMINATION else PayloadInformationElement


class MacSecuredPayload(Layer):
    """A payload that is only encrypted (level 4)."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("ciphertext")]


class MacSecuredPayload32(Layer):
    """A payload with a MIC of 4 octets; at level 1 the `ciphertext` is plain."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("ciphertext", keep=4), Octets("mic", 4)]


class MacSecuredPayload64(Layer):
    """A payload with a MIC of 8 octets; at level 2 the `ciphertext` is plain."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("ciphertext", keep=8), Octets("mic", 8)]


class MacSecuredPayload128(Layer):
    """A payload with a MIC of 16 octets; at level 3 the `ciphertext` is plain."""

    fields_desc: ClassVar[list[Any]] = [ToEnd("ciphertext", keep=16), Octets("mic", 16)]


_SECURED: Final[dict[int, type[Layer]]] = {
    MacSecurityLevel.MIC_32: MacSecuredPayload32,
    MacSecurityLevel.MIC_64: MacSecuredPayload64,
    MacSecurityLevel.MIC_128: MacSecuredPayload128,
    MacSecurityLevel.ENC: MacSecuredPayload,
    MacSecurityLevel.ENC_MIC_32: MacSecuredPayload32,
    MacSecurityLevel.ENC_MIC_64: MacSecuredPayload64,
    MacSecurityLevel.ENC_MIC_128: MacSecuredPayload128,
}


class GtsDescriptor(Layer):
    """One guaranteed time slot (2006, 7.2.2.1.3)."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("device_short", 0),
        BitField("length", 0, 4),
        BitField("starting_slot", 0, 4),
    ]


class MacBeacon(Layer):
    """A beacon of frame versions 0 and 1 (2006, 7.2.2.1); version 2 has enhanced beacons without these fields."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("superframe_order", 15, 4),
        BitField("beacon_order", 15, 4),
        BitField("association_permit", 0, 1),
        BitField("pan_coordinator", 0, 1),
        BitField("superframe_reserved", 0, 1),
        BitField("battery_life_extension", 0, 1),
        BitField("final_cap_slot", 15, 4),
        BitField("gts_permit", 0, 1),
        BitField("gts_reserved", 0, 4),
        DerivedBits("gts_descriptor_count", count_of("gts_list"), 3),
        When(BitField("gts_directions_reserved", 0, 1), lambda p: p.gts_descriptor_count),
        When(BitField("gts_directions", 0, 7), lambda p: p.gts_descriptor_count),
        ListOf("gts_list", Record(GtsDescriptor, 3), lambda p: p.gts_descriptor_count),
        BitField("pending_reserved_high", 0, 1),
        DerivedBits("pending_extended_count", count_of("pending_extended"), 3),
        BitField("pending_reserved_low", 0, 1),
        DerivedBits("pending_short_count", count_of("pending_short"), 3),
        ListOf("pending_short", XLEShortField("short", 0), lambda p: p.pending_short_count),
        ListOf("pending_extended", EUI64Field("extended", 0), lambda p: p.pending_extended_count),
    ]

    def may_end_bare(self) -> bool:
        return True

    def payload_class(self) -> type[Packet]:
        return _protected(_mac(self)[0]) or BeaconPayload


class BeaconPayload(Layer):
    """A beacon's payload: the octet that says whose it is."""

    fields_desc: ClassVar[list[Any]] = [ByteField("protocol_id", 0)]

    def payload_class(self) -> type[Packet]:
        return ZigbeeBeacon if self.protocol_id == 0 else Undissected


class MacCommandIdentifier(IntEnum):
    """MAC commands (2006, 7.3)."""

    ASSOCIATION_REQUEST = 0x01
    ASSOCIATION_RESPONSE = 0x02
    DISASSOCIATION_NOTIFICATION = 0x03
    DATA_REQUEST = 0x04
    PAN_ID_CONFLICT = 0x05
    ORPHAN_NOTIFICATION = 0x06
    BEACON_REQUEST = 0x07
    COORDINATOR_REALIGNMENT = 0x08
    GTS_REQUEST = 0x09


class AssociationStatus(IntEnum):
    """Whether a device may join (7.3.2.3)."""

    SUCCESS = 0
    PAN_AT_CAPACITY = 1
    ACCESS_DENIED = 2


class AssociationRequest(Layer):
    """7.3.1."""

    fields_desc: ClassVar[list[Any]] = capability_information()


class AssociationResponse(Layer):
    """7.3.2."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("assigned_short", 0xFFFF),
        ByteEnumField("status", AssociationStatus.SUCCESS, AssociationStatus),
    ]


class DisassociationNotification(Layer):
    """7.3.3; reason 1: the coordinator wants it, 2: the device wants it."""

    fields_desc: ClassVar[list[Any]] = [ByteField("reason", 0)]


class CoordinatorRealignment(Layer):
    """7.3.8; the channel page is left out if it is the current one."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("new_pan_id", 0),
        XLEShortField("coordinator_short", 0),
        ByteField("channel", 0),
        XLEShortField("assigned_short", 0xFFFF),
        IfRoom(ByteField("channel_page", None)),
    ]


class GtsRequest(Layer):
    """7.3.9."""

    fields_desc: ClassVar[list[Any]] = [XByteField("gts_characteristics", 0)]


MAC_COMMANDS: Final[dict[int, type[Layer]]] = {
    MacCommandIdentifier.ASSOCIATION_REQUEST: AssociationRequest,
    MacCommandIdentifier.ASSOCIATION_RESPONSE: AssociationResponse,
    MacCommandIdentifier.DISASSOCIATION_NOTIFICATION: DisassociationNotification,
    MacCommandIdentifier.COORDINATOR_REALIGNMENT: CoordinatorRealignment,
    MacCommandIdentifier.GTS_REQUEST: GtsRequest,
}
"""The commands that carry something; the others are nothing but their identifier."""


class MacCommand(Layer):
    """A MAC command (2006, 7.3)."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctetEnum("command_identifier", identifier_in(MAC_COMMANDS), MacCommandIdentifier),
    ]

    def payload_class(self) -> type[Packet]:
        return _protected(_mac(self)[0]) or MAC_COMMANDS.get(self.command_identifier, Undissected)
