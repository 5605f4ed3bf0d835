"""The ZigBee Cluster Library (07-5123, chapter 2): frame header, general commands, and where cluster commands register.

Own layers, because Scapy's cannot be read without an APS header (fault Z2), have 8 of 23 general commands (L5) with
untyped values (L6), read a reportable change where there is none (L4), name cluster commands from the general table
(L8), have a `direction` that no one can read (L12), and know no command of the OTA cluster. See `values` for the faults
in attribute values.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final, TypeVar

from scapy.fields import BitField, ByteEnumField, ByteField, XByteField, XLEShortField
from scapy.packet import Packet

from hanscope.dissectors.codes import Status
from hanscope.dissectors.fields import DerivedBitEnum, DerivedBits, DerivedOctet, RecordsToEnd, cluster_of, given
from hanscope.dissectors.layer import Layer, Undissected, When
from hanscope.dissectors.zigbee.values import (
    DataType,
    UnknownDataTypeError,
    Value,
    pack_value,
    take_integer,
    unpack_value,
)


class ZclFrameType(IntEnum):
    """Frame types (2.4.1.1.1)."""

    GENERAL = 0
    CLUSTER_SPECIFIC = 1


_cluster_commands: dict[tuple[int, int], dict[bool, type[Layer]]] = {}
"""By (cluster, command), then by direction."""
_places: dict[type[Packet], tuple[bool, int]] = {}
"""Direction and command identifier of each registered class."""

_L = TypeVar("_L", bound=type[Layer])


def cluster_command(cluster: int, command: int, *, server_to_client: bool) -> Callable[[_L], _L]:
    """Registers a layer as the payload of a cluster's command.

    The direction bit is looked at only where it decides between two layers: real devices set it wrong.
    """

    def register(cls: _L) -> _L:
        _cluster_commands.setdefault((cluster, command), {})[server_to_client] = cls
        _places[cls] = (server_to_client, command)
        return cls

    return register


def cluster_commands() -> Iterator[tuple[int, int, bool, type[Layer]]]:
    """All registered commands, in order: cluster, identifier, whether the server sends it, layer."""
    for (cluster, command), by_direction in sorted(_cluster_commands.items()):
        for server_to_client, layer in sorted(by_direction.items()):
            yield cluster, command, server_to_client, layer


def registered_commands() -> Iterator[tuple[int, int, bool, type[Layer]]]:
    """Every cluster command that has a layer: cluster, command, whether the server sends it, layer; in this order."""
    for (cluster, command), by_direction in sorted(_cluster_commands.items()):
        for server_to_client, layer in sorted(by_direction.items()):
            yield cluster, command, server_to_client, layer


_attribute_names: dict[tuple[int, bool], Mapping[int, str]] = {}
"""By cluster and whether the attribute is the server's."""
_GLOBAL_ATTRIBUTES: Final = {0xFFFD: "CLUSTER_REVISION", 0xFFFE: "ATTRIBUTE_REPORTING_STATUS"}
"""Attributes that every cluster has on both sides (2.3.4.3)."""


def name_attributes(cluster: int, names: Mapping[int, str] | type[IntEnum], *, of_server: bool) -> None:
    """Registers the names of a cluster's attributes, of its server or of its client side."""
    table = names if isinstance(names, Mapping) else {member.value: member.name for member in names}
    _attribute_names[cluster, of_server] = table


def consecutive(first: int, names: str) -> dict[int, str]:
    """Numbers from `first` on for names that are separated by white space: how tables of attributes are written."""
    return dict(enumerate(names.split(), first))


def attribute_name(cluster: int, attribute_id: int, *, of_server: bool) -> str | None:
    """What the cluster's specification calls an attribute; `None` if it has no such attribute on that side."""
    own = _attribute_names.get((cluster, of_server), {}).get(attribute_id)
    return own or _GLOBAL_ATTRIBUTES.get(attribute_id)


class GeneralCommand(IntEnum):
    """General commands (2.5)."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING_CONFIGURATION = 0x08
    READ_REPORTING_CONFIGURATION_RESPONSE = 0x09
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER_ATTRIBUTES = 0x0C
    DISCOVER_ATTRIBUTES_RESPONSE = 0x0D
    READ_ATTRIBUTES_STRUCTURED = 0x0E
    WRITE_ATTRIBUTES_STRUCTURED = 0x0F
    WRITE_ATTRIBUTES_STRUCTURED_RESPONSE = 0x10
    DISCOVER_COMMANDS_RECEIVED = 0x11
    DISCOVER_COMMANDS_RECEIVED_RESPONSE = 0x12
    DISCOVER_COMMANDS_GENERATED = 0x13
    DISCOVER_COMMANDS_GENERATED_RESPONSE = 0x14
    DISCOVER_ATTRIBUTES_EXTENDED = 0x15
    DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE = 0x16


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRecord:
    """One attribute in a command: its value, or the status that came instead."""

    attribute_id: int
    status: int | None = None
    """Only Read Attributes Response has one."""
    data_type: int | None = None
    value: Value = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatus:
    """What became of a write: of one attribute, or of all (`attribute_id` is `None`)."""

    status: int
    attribute_id: int | None = None


def _typed(octets: bytes, attribute_id: int, status: int | None, rest: bytes) -> tuple[Any, bytes]:
    data_type, rest = take_integer(rest, 1, "data type")
    try:
        value, rest = unpack_value(data_type, rest)
    except UnknownDataTypeError:
        return Undissected(octets), b""
    return AttributeRecord(attribute_id=attribute_id, status=status, data_type=data_type, value=value), rest


def _unpack_attribute(octets: bytes) -> tuple[Any, bytes]:
    attribute_id, rest = take_integer(octets, 2, "attribute identifier")
    return _typed(octets, attribute_id, None, rest)


def _unpack_read(octets: bytes) -> tuple[Any, bytes]:
    attribute_id, rest = take_integer(octets, 2, "attribute identifier")
    status, rest = take_integer(rest, 1, "status")
    if status != Status.SUCCESS:
        return AttributeRecord(attribute_id=attribute_id, status=status), rest
    return _typed(octets, attribute_id, status, rest)


def _pack_attribute(record: AttributeRecord) -> bytes:
    packed = record.attribute_id.to_bytes(2, "little")
    if record.status is not None:
        packed += bytes([record.status])
    if record.data_type is not None:
        packed += bytes([record.data_type]) + pack_value(record.data_type, record.value)
    return packed


def _unpack_write_status(octets: bytes) -> tuple[WriteStatus, bytes]:
    status, rest = take_integer(octets, 1, "status")
    if status == Status.SUCCESS and not rest:
        return WriteStatus(status=status), rest
    attribute_id, rest = take_integer(rest, 2, "attribute identifier")
    return WriteStatus(status=status, attribute_id=attribute_id), rest


def _pack_write_status(record: WriteStatus) -> bytes:
    attribute = b"" if record.attribute_id is None else record.attribute_id.to_bytes(2, "little")
    return bytes([record.status]) + attribute


_FROM_OWNER: Final = (
    GeneralCommand.READ_ATTRIBUTES_RESPONSE,
    GeneralCommand.WRITE_ATTRIBUTES_RESPONSE,
    GeneralCommand.CONFIGURE_REPORTING_RESPONSE,
    GeneralCommand.READ_REPORTING_CONFIGURATION_RESPONSE,
    GeneralCommand.REPORT_ATTRIBUTES,
    GeneralCommand.DISCOVER_ATTRIBUTES_RESPONSE,
    GeneralCommand.WRITE_ATTRIBUTES_STRUCTURED_RESPONSE,
    GeneralCommand.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE,
)
"""Commands that the side sends whose attributes they name; the others are sent to that side."""


def of_server(zcl: Any) -> bool:
    """Whether the attributes in a general command are the server's, by the command and its direction."""
    return bool(zcl.server_to_client) == (zcl.command_identifier in _FROM_OWNER)


class AttributeRecords(RecordsToEnd):
    """Records that each have an `attribute_id`, or are one; they show with the attribute's name."""

    def i2repr(self, pkt: Packet | None, x: bytes | None) -> str:
        return "[" + ", ".join(_named(pkt, record) for record in self.i2h(pkt, x)) + "]"


def _named(layer: Packet | None, record: Any) -> str:
    attribute_id = record if isinstance(record, int) else getattr(record, "attribute_id", None)
    zcl = layer.underlayer if layer is not None else None
    if attribute_id is None or not isinstance(zcl, Zcl) or zcl.manufacturer_specific:
        return repr(record)
    name = attribute_name(cluster_of(zcl), attribute_id, of_server=of_server(zcl))
    return repr(record) if name is None else f"{name} {record!r}"


class ReadAttributes(Layer):
    """2.5.1."""

    fields_desc: ClassVar[list[Any]] = [
        AttributeRecords(
            "attribute_ids",
            lambda octets: take_integer(octets, 2, "attribute identifier"),
            lambda number: number.to_bytes(2, "little"),
        ),
    ]


class ReadAttributesResponse(Layer):
    """2.5.2."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("attributes", _unpack_read, _pack_attribute)]


class WriteAttributes(Layer):
    """2.5.3."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("attributes", _unpack_attribute, _pack_attribute)]


class WriteAttributesUndivided(WriteAttributes):
    """2.5.4."""


class WriteAttributesResponse(Layer):
    """2.5.5; one status for all if everything was written."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("statuses", _unpack_write_status, _pack_write_status)]


class WriteAttributesNoResponse(WriteAttributes):
    """2.5.6."""


class ReportingDirection(IntEnum):
    """Which side of a report is configured (2.5.7.1.2)."""

    SEND = 0
    """The receiver of the command is to report the attribute."""
    RECEIVE = 1
    """The receiver of the command is to expect reports of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingConfiguration:
    """How an attribute is reported: intervals and timeout in seconds, or the status that came instead."""

    direction: int
    attribute_id: int
    status: int | None = None
    """Only Read Reporting Configuration Response has one."""
    data_type: int | None = None
    minimum_interval: int | None = None
    maximum_interval: int | None = None
    reportable_change: Value = None
    """Only of analog data types."""
    timeout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedAttribute:
    """An attribute whose reporting is asked for, or what became of its configuration.

    If all of a configuration succeeded, one status stands for all and there is nothing else.
    """

    status: int | None = None
    direction: int | None = None
    attribute_id: int | None = None


_ANALOG: Final = frozenset(
    {
        *range(DataType.UINT8, DataType.INT64 + 1),
        *range(DataType.SEMI_PRECISION, DataType.DOUBLE_PRECISION + 1),
        *range(DataType.TIME_OF_DAY, DataType.UTC_TIME + 1),
    }
)
"""Types whose values have differences, so that a reportable change follows (2.5.7.1.7)."""


def _unpack_configuration(octets: bytes) -> tuple[Any, bytes]:
    direction, rest = take_integer(octets, 1, "direction")
    attribute_id, rest = take_integer(rest, 2, "attribute identifier")
    return _configured(octets, direction, attribute_id, None, rest)


def _unpack_read_configuration(octets: bytes) -> tuple[Any, bytes]:
    status, rest = take_integer(octets, 1, "status")
    direction, rest = take_integer(rest, 1, "direction")
    attribute_id, rest = take_integer(rest, 2, "attribute identifier")
    if status != Status.SUCCESS:
        return ReportingConfiguration(direction=direction, attribute_id=attribute_id, status=status), rest
    return _configured(octets, direction, attribute_id, status, rest)


def _configured(octets: bytes, direction: int, attribute_id: int, status: int | None, rest: bytes) -> tuple[Any, bytes]:
    if direction == ReportingDirection.RECEIVE:
        timeout, rest = take_integer(rest, 2, "timeout")
        record = ReportingConfiguration(direction=direction, attribute_id=attribute_id, status=status, timeout=timeout)
        return record, rest
    data_type, rest = take_integer(rest, 1, "data type")
    if direction != ReportingDirection.SEND or data_type not in frozenset(DataType):
        return Undissected(octets), b""
    minimum, rest = take_integer(rest, 2, "minimum interval")
    maximum, rest = take_integer(rest, 2, "maximum interval")
    change: Value = None
    if data_type in _ANALOG:
        change, rest = unpack_value(data_type, rest)
    record = ReportingConfiguration(
        direction=direction,
        attribute_id=attribute_id,
        status=status,
        data_type=data_type,
        minimum_interval=minimum,
        maximum_interval=maximum,
        reportable_change=change,
    )
    return record, rest


def _pack_configuration(record: ReportingConfiguration) -> bytes:
    packed = b"" if record.status is None else bytes([record.status])
    packed += bytes([record.direction]) + record.attribute_id.to_bytes(2, "little")
    if record.data_type is not None:
        packed += bytes([record.data_type])
    for seconds in (record.minimum_interval, record.maximum_interval, record.timeout):
        packed += b"" if seconds is None else seconds.to_bytes(2, "little")
    if record.data_type in _ANALOG:
        packed += pack_value(record.data_type, record.reportable_change)
    return packed


def _unpack_reported(octets: bytes) -> tuple[ReportedAttribute, bytes]:
    direction, rest = take_integer(octets, 1, "direction")
    attribute_id, rest = take_integer(rest, 2, "attribute identifier")
    return ReportedAttribute(direction=direction, attribute_id=attribute_id), rest


def _unpack_reporting_status(octets: bytes) -> tuple[ReportedAttribute, bytes]:
    status, rest = take_integer(octets, 1, "status")
    if status == Status.SUCCESS and not rest:
        return ReportedAttribute(status=status), rest
    direction, rest = take_integer(rest, 1, "direction")
    attribute_id, rest = take_integer(rest, 2, "attribute identifier")
    return ReportedAttribute(status=status, direction=direction, attribute_id=attribute_id), rest


def _pack_reported(record: ReportedAttribute) -> bytes:
    packed = bytes(part for part in (record.status, record.direction) if part is not None)
    return packed + (b"" if record.attribute_id is None else record.attribute_id.to_bytes(2, "little"))


class ConfigureReporting(Layer):
    """2.5.7."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("configurations", _unpack_configuration, _pack_configuration)]


class ConfigureReportingResponse(Layer):
    """2.5.8; one status for all if everything was configured."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("statuses", _unpack_reporting_status, _pack_reported)]


class ReadReportingConfiguration(Layer):
    """2.5.9."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("attributes", _unpack_reported, _pack_reported)]


class ReadReportingConfigurationResponse(Layer):
    """2.5.10."""

    fields_desc: ClassVar[list[Any]] = [
        AttributeRecords("configurations", _unpack_read_configuration, _pack_configuration)
    ]


class ReportAttributes(Layer):
    """2.5.11."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("attributes", _unpack_attribute, _pack_attribute)]


class DefaultResponse(Layer):
    """2.5.12; `command_identifier` is the command that is answered."""

    fields_desc: ClassVar[list[Any]] = [
        XByteField("command_identifier", 0),
        ByteEnumField("status", Status.SUCCESS, Status),
    ]


class DiscoverAttributes(Layer):
    """2.5.13."""

    fields_desc: ClassVar[list[Any]] = [XLEShortField("start_attribute_id", 0), ByteField("maximum_identifiers", 0xFF)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredAttribute:
    """An attribute that a device has."""

    attribute_id: int
    data_type: int
    access: int | None = None
    """Bit 0: readable, 1: writable, 2: reportable; only Discover Attributes Extended tells."""


def _unpack_discovered(octets: bytes) -> tuple[DiscoveredAttribute, bytes]:
    attribute_id, rest = take_integer(octets, 2, "attribute identifier")
    data_type, rest = take_integer(rest, 1, "data type")
    return DiscoveredAttribute(attribute_id=attribute_id, data_type=data_type), rest


def _unpack_discovered_extended(octets: bytes) -> tuple[DiscoveredAttribute, bytes]:
    attribute_id, rest = take_integer(octets, 2, "attribute identifier")
    data_type, rest = take_integer(rest, 1, "data type")
    access, rest = take_integer(rest, 1, "access")
    return DiscoveredAttribute(attribute_id=attribute_id, data_type=data_type, access=access), rest


def _pack_discovered(record: DiscoveredAttribute) -> bytes:
    access = b"" if record.access is None else bytes([record.access])
    return record.attribute_id.to_bytes(2, "little") + bytes([record.data_type]) + access


class DiscoverAttributesResponse(Layer):
    """2.5.14; `discovery_complete` is 1 if there are no further ones."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("discovery_complete", 1),
        AttributeRecords("attributes", _unpack_discovered, _pack_discovered),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredAttribute:
    """An attribute, or an element inside it: named in a read, given a value in a write, or what became of a write.

    `indexes` leads from the attribute down to the element. If all of a write succeeded, one status stands for all.
    """

    status: int | None = None
    attribute_id: int | None = None
    action: int = 0
    """0: this element; of sets and bags 1: add, 2: remove (2.5.16.1.3)."""
    indexes: tuple[int, ...] = ()
    data_type: int | None = None
    value: Value = None


def _unpack_selector(octets: bytes) -> tuple[tuple[int, tuple[int, ...]], bytes]:
    indicator, rest = take_integer(octets, 1, "selector")
    indexes: list[int] = []
    for _ in range(indicator & 0x0F):
        index, rest = take_integer(rest, 2, "index")
        indexes.append(index)
    return (indicator >> 4, tuple(indexes)), rest


def _unpack_read_structured(octets: bytes) -> tuple[StructuredAttribute, bytes]:
    attribute_id, rest = take_integer(octets, 2, "attribute identifier")
    (action, indexes), rest = _unpack_selector(rest)
    return StructuredAttribute(attribute_id=attribute_id, action=action, indexes=indexes), rest


def _unpack_write_structured(octets: bytes) -> tuple[Any, bytes]:
    attribute_id, rest = take_integer(octets, 2, "attribute identifier")
    (action, indexes), rest = _unpack_selector(rest)
    data_type, rest = take_integer(rest, 1, "data type")
    try:
        value, rest = unpack_value(data_type, rest)
    except UnknownDataTypeError:
        return Undissected(octets), b""
    record = StructuredAttribute(
        attribute_id=attribute_id, action=action, indexes=indexes, data_type=data_type, value=value
    )
    return record, rest


def _unpack_structured_status(octets: bytes) -> tuple[StructuredAttribute, bytes]:
    status, rest = take_integer(octets, 1, "status")
    if status == Status.SUCCESS and not rest:
        return StructuredAttribute(status=status), rest
    attribute_id, rest = take_integer(rest, 2, "attribute identifier")
    (action, indexes), rest = _unpack_selector(rest)
    return StructuredAttribute(status=status, attribute_id=attribute_id, action=action, indexes=indexes), rest


def _pack_structured(record: StructuredAttribute) -> bytes:
    packed = b"" if record.status is None else bytes([record.status])
    if record.attribute_id is not None:
        packed += record.attribute_id.to_bytes(2, "little") + bytes([record.action << 4 | len(record.indexes)])
        packed += b"".join(index.to_bytes(2, "little") for index in record.indexes)
    if record.data_type is not None:
        packed += bytes([record.data_type]) + pack_value(record.data_type, record.value)
    return packed


class ReadAttributesStructured(Layer):
    """2.5.15."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("attributes", _unpack_read_structured, _pack_structured)]


class WriteAttributesStructured(Layer):
    """2.5.16."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("attributes", _unpack_write_structured, _pack_structured)]


class WriteAttributesStructuredResponse(Layer):
    """2.5.17; one status for all if everything was written."""

    fields_desc: ClassVar[list[Any]] = [AttributeRecords("statuses", _unpack_structured_status, _pack_structured)]


class DiscoverCommands(Layer):
    """What all requests for commands look like."""

    fields_desc: ClassVar[list[Any]] = [XByteField("start_command_id", 0), ByteField("maximum_identifiers", 0xFF)]


class DiscoverCommandsResponse(Layer):
    """What all lists of commands look like; `discovery_complete` is 1 if there are no further ones."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("discovery_complete", 1),
        RecordsToEnd(
            "command_ids",
            lambda octets: take_integer(octets, 1, "command"),
            lambda number: number.to_bytes(1, "little"),
        ),
    ]


class DiscoverCommandsReceived(DiscoverCommands):
    """2.5.18."""


class DiscoverCommandsReceivedResponse(DiscoverCommandsResponse):
    """2.5.19."""


class DiscoverCommandsGenerated(DiscoverCommands):
    """2.5.20."""


class DiscoverCommandsGeneratedResponse(DiscoverCommandsResponse):
    """2.5.21."""


class DiscoverAttributesExtended(DiscoverAttributes):
    """2.5.22."""


class DiscoverAttributesExtendedResponse(Layer):
    """2.5.23."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("discovery_complete", 1),
        AttributeRecords("attributes", _unpack_discovered_extended, _pack_discovered),
    ]


GENERAL_COMMANDS: Final[dict[int, type[Layer]]] = {
    GeneralCommand.READ_ATTRIBUTES: ReadAttributes,
    GeneralCommand.READ_ATTRIBUTES_RESPONSE: ReadAttributesResponse,
    GeneralCommand.WRITE_ATTRIBUTES: WriteAttributes,
    GeneralCommand.WRITE_ATTRIBUTES_UNDIVIDED: WriteAttributesUndivided,
    GeneralCommand.WRITE_ATTRIBUTES_RESPONSE: WriteAttributesResponse,
    GeneralCommand.WRITE_ATTRIBUTES_NO_RESPONSE: WriteAttributesNoResponse,
    GeneralCommand.CONFIGURE_REPORTING: ConfigureReporting,
    GeneralCommand.CONFIGURE_REPORTING_RESPONSE: ConfigureReportingResponse,
    GeneralCommand.READ_REPORTING_CONFIGURATION: ReadReportingConfiguration,
    GeneralCommand.READ_REPORTING_CONFIGURATION_RESPONSE: ReadReportingConfigurationResponse,
    GeneralCommand.REPORT_ATTRIBUTES: ReportAttributes,
    GeneralCommand.DEFAULT_RESPONSE: DefaultResponse,
    GeneralCommand.DISCOVER_ATTRIBUTES: DiscoverAttributes,
    GeneralCommand.DISCOVER_ATTRIBUTES_RESPONSE: DiscoverAttributesResponse,
    GeneralCommand.READ_ATTRIBUTES_STRUCTURED: ReadAttributesStructured,
    GeneralCommand.WRITE_ATTRIBUTES_STRUCTURED: WriteAttributesStructured,
    GeneralCommand.WRITE_ATTRIBUTES_STRUCTURED_RESPONSE: WriteAttributesStructuredResponse,
    GeneralCommand.DISCOVER_COMMANDS_RECEIVED: DiscoverCommandsReceived,
    GeneralCommand.DISCOVER_COMMANDS_RECEIVED_RESPONSE: DiscoverCommandsReceivedResponse,
    GeneralCommand.DISCOVER_COMMANDS_GENERATED: DiscoverCommandsGenerated,
    GeneralCommand.DISCOVER_COMMANDS_GENERATED_RESPONSE: DiscoverCommandsGeneratedResponse,
    GeneralCommand.DISCOVER_ATTRIBUTES_EXTENDED: DiscoverAttributesExtended,
    GeneralCommand.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE: DiscoverAttributesExtendedResponse,
}
_places.update({cls: (False, command) for command, cls in GENERAL_COMMANDS.items()})


def _place(layer: Any) -> tuple[bool, int]:
    return _places.get(type(layer.payload), (False, 0))


def _frame_type(layer: Any) -> int:
    kind = type(layer.payload)
    general = kind not in _places or kind in GENERAL_COMMANDS.values()
    return ZclFrameType.GENERAL if general else ZclFrameType.CLUSTER_SPECIFIC


class Zcl(Layer):
    """The ZCL header (2.4.1); the cluster is named by the APS header."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved", 0, 3),
        BitField("disable_default_response", 0, 1),
        DerivedBits("server_to_client", lambda p: _place(p)[0]),
        DerivedBits("manufacturer_specific", given("manufacturer_code")),
        DerivedBitEnum("frame_type", _frame_type, 2, ZclFrameType),
        When(XLEShortField("manufacturer_code", None), lambda p: p.manufacturer_specific),
        ByteField("transaction_sequence_number", 0),
        DerivedOctet("command_identifier", lambda p: _place(p)[1]),
    ]

    def payload_class(self) -> type[Packet]:
        if self.frame_type == ZclFrameType.GENERAL:
            return GENERAL_COMMANDS.get(self.command_identifier, Undissected)
        if self.frame_type != ZclFrameType.CLUSTER_SPECIFIC or self.manufacturer_specific:
            return Undissected
        by_direction = _cluster_commands.get((cluster_of(self), self.command_identifier), {})
        if len(by_direction) > 1:
            return by_direction[bool(self.server_to_client)]
        return next(iter(by_direction.values()), Undissected)
