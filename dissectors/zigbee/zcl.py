"""The ZigBee Cluster Library (07-5123, chapter 2): frame header, general commands, and where cluster commands register.

Own layers, because Scapy's cannot be read without an APS header (fault Z2), have 8 of 23 general commands (L5) with
untyped values (L6), name cluster commands from the general table (L8), have a `direction` that no one can read (L12),
and know no command of the OTA cluster. See `values` for the faults in attribute values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final, TypeVar

from hanscope.dissectors.fields import DerivedBitEnum, DerivedBits, DerivedOctet, RecordsToEnd, cluster_of, given
from hanscope.dissectors.layer import Layer, Undissected, When
from hanscope.dissectors.zigbee.codes import Status
from hanscope.dissectors.zigbee.values import (
    UnknownDataTypeError,
    Value,
    pack_value,
    take_integer,
    unpack_value,
)
from scapy.fields import BitField, ByteEnumField, ByteField, XByteField, XLEShortField
from scapy.packet import Packet


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


class ReadAttributes(Layer):
    """2.5.1."""

    fields_desc: ClassVar[list[Any]] = [
        RecordsToEnd(
            "attribute_ids",
            lambda octets: take_integer(octets, 2, "attribute identifier"),
            lambda number: number.to_bytes(2, "little"),
        ),
    ]


class ReadAttributesResponse(Layer):
    """2.5.2."""

    fields_desc: ClassVar[list[Any]] = [RecordsToEnd("attributes", _unpack_read, _pack_attribute)]


class WriteAttributes(Layer):
    """2.5.3."""

    fields_desc: ClassVar[list[Any]] = [RecordsToEnd("attributes", _unpack_attribute, _pack_attribute)]


class WriteAttributesUndivided(WriteAttributes):
    """2.5.4."""


class WriteAttributesResponse(Layer):
    """2.5.5; one status for all if everything was written."""

    fields_desc: ClassVar[list[Any]] = [RecordsToEnd("statuses", _unpack_write_status, _pack_write_status)]


class WriteAttributesNoResponse(WriteAttributes):
    """2.5.6."""


class ReportAttributes(Layer):
    """2.5.11."""

    fields_desc: ClassVar[list[Any]] = [RecordsToEnd("attributes", _unpack_attribute, _pack_attribute)]


class DefaultResponse(Layer):
    """2.5.12; `command_identifier` is the command that is answered."""

    fields_desc: ClassVar[list[Any]] = [
        XByteField("command_identifier", 0),
        ByteEnumField("status", Status.SUCCESS, Status),
    ]


GENERAL_COMMANDS: Final[dict[int, type[Layer]]] = {
    GeneralCommand.READ_ATTRIBUTES: ReadAttributes,
    GeneralCommand.READ_ATTRIBUTES_RESPONSE: ReadAttributesResponse,
    GeneralCommand.WRITE_ATTRIBUTES: WriteAttributes,
    GeneralCommand.WRITE_ATTRIBUTES_UNDIVIDED: WriteAttributesUndivided,
    GeneralCommand.WRITE_ATTRIBUTES_RESPONSE: WriteAttributesResponse,
    GeneralCommand.WRITE_ATTRIBUTES_NO_RESPONSE: WriteAttributesNoResponse,
    GeneralCommand.REPORT_ATTRIBUTES: ReportAttributes,
    GeneralCommand.DEFAULT_RESPONSE: DefaultResponse,
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
