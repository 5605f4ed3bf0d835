"""Typed values of ZCL attributes (ZigBee Cluster Library 07-5123, 2.6.2).

Scapy's read the length of long strings big-endian (fault L1), take the invalid length for a real one (L2), give up at
arrays and structures (L3), keep values as octets (L6) and accept values that are cut short (L7).
"""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hanscope.dissectors.layer import MalformedError


class DataType(IntEnum):
    """Data types (2.6.2.1)."""

    NO_DATA = 0x00
    DATA8 = 0x08
    DATA16 = 0x09
    DATA24 = 0x0A
    DATA32 = 0x0B
    DATA40 = 0x0C
    DATA48 = 0x0D
    DATA56 = 0x0E
    DATA64 = 0x0F
    BOOLEAN = 0x10
    BITMAP8 = 0x18
    BITMAP16 = 0x19
    BITMAP24 = 0x1A
    BITMAP32 = 0x1B
    BITMAP40 = 0x1C
    BITMAP48 = 0x1D
    BITMAP56 = 0x1E
    BITMAP64 = 0x1F
    UINT8 = 0x20
    UINT16 = 0x21
    UINT24 = 0x22
    UINT32 = 0x23
    UINT40 = 0x24
    UINT48 = 0x25
    UINT56 = 0x26
    UINT64 = 0x27
    INT8 = 0x28
    INT16 = 0x29
    INT24 = 0x2A
    INT32 = 0x2B
    INT40 = 0x2C
    INT48 = 0x2D
    INT56 = 0x2E
    INT64 = 0x2F
    ENUM8 = 0x30
    ENUM16 = 0x31
    SEMI_PRECISION = 0x38
    SINGLE_PRECISION = 0x39
    DOUBLE_PRECISION = 0x3A
    OCTET_STRING = 0x41
    CHARACTER_STRING = 0x42
    LONG_OCTET_STRING = 0x43
    LONG_CHARACTER_STRING = 0x44
    ARRAY = 0x48
    STRUCTURE = 0x4C
    SET = 0x50
    BAG = 0x51
    TIME_OF_DAY = 0xE0
    DATE = 0xE1
    UTC_TIME = 0xE2
    CLUSTER_ID = 0xE8
    ATTRIBUTE_ID = 0xE9
    BACNET_OID = 0xEA
    IEEE_ADDRESS = 0xF0
    SECURITY_KEY = 0xF1
    UNKNOWN = 0xFF


@dataclass(frozen=True, slots=True)
class Array:
    """The value of an array, a set or a bag; `elements` is `None` where the length says "invalid"."""

    element_type: int
    elements: "tuple[Value, ...] | None"


@dataclass(frozen=True, slots=True)
class Structure:
    """The value of a structure: each element with its own type."""

    elements: "tuple[tuple[int, Value], ...]"


Value = int | float | str | bytes | None | Array | Structure
"""Integers (also booleans, bitmaps, enumerations, times and addresses), floats, text, octets; `None`: no data or an
invalid length. Text that is not UTF-8, and a NaN other than the usual one, stay octets."""


class UnknownDataTypeError(ValueError):
    """A data type whose size nobody knows, so that nothing behind it can be read."""

    def __init__(self, data_type: int) -> None:
        super().__init__(f"data type {data_type:#04x}")


_RANGES: Final = (DataType.DATA8, DataType.BITMAP8, DataType.UINT8, DataType.INT8)
_INTEGER_SIZES: Final[dict[int, int]] = {
    **{first + n: n + 1 for first in _RANGES for n in range(8)},
    DataType.BOOLEAN: 1,
    DataType.ENUM8: 1,
    DataType.ENUM16: 2,
    DataType.TIME_OF_DAY: 4,
    DataType.DATE: 4,
    DataType.UTC_TIME: 4,
    DataType.CLUSTER_ID: 2,
    DataType.ATTRIBUTE_ID: 2,
    DataType.BACNET_OID: 4,
    DataType.IEEE_ADDRESS: 8,
}
_SIGNED: Final = range(DataType.INT8, DataType.INT64 + 1)
_FLOATS: Final[dict[int, struct.Struct]] = {
    DataType.SEMI_PRECISION: struct.Struct("<e"),
    DataType.SINGLE_PRECISION: struct.Struct("<f"),
    DataType.DOUBLE_PRECISION: struct.Struct("<d"),
}
_STRING_LENGTH_SIZES: Final[dict[int, int]] = {
    DataType.OCTET_STRING: 1,
    DataType.CHARACTER_STRING: 1,
    DataType.LONG_OCTET_STRING: 2,
    DataType.LONG_CHARACTER_STRING: 2,
}
_TEXT: Final = (DataType.CHARACTER_STRING, DataType.LONG_CHARACTER_STRING)
_ARRAYS: Final = (DataType.ARRAY, DataType.SET, DataType.BAG)
_EMPTY: Final = (DataType.NO_DATA, DataType.UNKNOWN)
_INVALID_COUNT: Final = 0xFFFF
_DEEPEST: Final = 15
"""Nesting of collections that the library allows at most (2.6.2.16)."""


def take(octets: bytes, size: int, what: str) -> tuple[bytes, bytes]:
    """The first `size` octets and the rest; `MalformedError` if there are not so many."""
    if len(octets) < size:
        raise MalformedError("Value", what)
    return octets[:size], octets[size:]


def take_integer(octets: bytes, size: int, what: str) -> tuple[int, bytes]:
    """An unsigned little-endian integer of `size` octets and the rest; `MalformedError` if cut short."""
    raw, rest = take(octets, size, what)
    return int.from_bytes(raw, "little"), rest


def unpack_value(data_type: int, octets: bytes, depth: int = 0) -> tuple[Value, bytes]:  # noqa: PLR0911 -- one for each family of types
    """A value of this type from the front of `octets`, and the rest.

    `MalformedError` if it is cut short, `UnknownDataTypeError` if the type is none of the library's.
    """
    if data_type in _EMPTY:
        return None, octets
    if size := _INTEGER_SIZES.get(data_type):
        raw, rest = take(octets, size, "integer")
        return int.from_bytes(raw, "little", signed=data_type in _SIGNED), rest
    if data_type == DataType.SECURITY_KEY:
        return take(octets, 16, "key")
    if form := _FLOATS.get(data_type):
        raw, rest = take(octets, form.size, "float")
        number: float = form.unpack(raw)[0]
        return (raw if math.isnan(number) and raw != form.pack(math.nan) else number), rest
    if size := _STRING_LENGTH_SIZES.get(data_type):
        return _unpack_string(data_type, octets, size)
    if depth >= _DEEPEST:
        raise MalformedError("Value", "a collection nested too deep")
    if data_type in _ARRAYS:
        return _unpack_array(octets, depth)
    if data_type == DataType.STRUCTURE:
        return _unpack_structure(octets, depth)
    raise UnknownDataTypeError(data_type)


def _unpack_string(data_type: int, octets: bytes, size: int) -> tuple[str | bytes | None, bytes]:
    length, rest = take_integer(octets, size, "string length")
    if length == (1 << 8 * size) - 1:
        return None, rest
    raw, rest = take(rest, length, "string")
    if data_type in _TEXT:
        try:
            return raw.decode(), rest
        except UnicodeDecodeError:
            pass
    return raw, rest


def _unpack_array(octets: bytes, depth: int) -> tuple[Array, bytes]:
    element_type, rest = take_integer(octets, 1, "element type")
    count, rest = take_integer(rest, 2, "element count")
    if count == _INVALID_COUNT:
        return Array(element_type, None), rest
    if count and element_type in _EMPTY:
        raise MalformedError("Value", "elements without octets")
    elements: list[Value] = []
    for _ in range(count):
        value, rest = unpack_value(element_type, rest, depth + 1)
        elements.append(value)
    return Array(element_type, tuple(elements)), rest


def _unpack_structure(octets: bytes, depth: int) -> tuple[Structure | None, bytes]:
    count, rest = take_integer(octets, 2, "element count")
    if count == _INVALID_COUNT:
        return None, rest
    elements: list[tuple[int, Value]] = []
    for _ in range(count):
        element_type, rest = take_integer(rest, 1, "element type")
        value, rest = unpack_value(element_type, rest, depth + 1)
        elements.append((element_type, value))
    return Structure(tuple(elements)), rest


def pack_value(data_type: int, value: Value) -> bytes:  # noqa: PLR0911 -- one for each family of types
    """The octets of a value; `ValueError`, `OverflowError` or `UnknownDataTypeError` if it cannot be of this type."""
    if isinstance(value, int | float) and (form := _FLOATS.get(data_type)):
        return form.pack(value)
    if isinstance(value, int) and (size := _INTEGER_SIZES.get(data_type)):
        return value.to_bytes(size, "little", signed=data_type in _SIGNED)
    if size := _STRING_LENGTH_SIZES.get(data_type):
        return _pack_string(value, size)
    if isinstance(value, bytes) and (data_type in _FLOATS or data_type == DataType.SECURITY_KEY):
        return value
    if isinstance(value, Array) and data_type in _ARRAYS:
        count = _INVALID_COUNT if value.elements is None else len(value.elements)
        packed = (pack_value(value.element_type, element) for element in value.elements or ())
        return bytes([value.element_type]) + count.to_bytes(2, "little") + b"".join(packed)
    if isinstance(value, Structure) and data_type == DataType.STRUCTURE:
        packed = (bytes([kind]) + pack_value(kind, element) for kind, element in value.elements)
        return len(value.elements).to_bytes(2, "little") + b"".join(packed)
    if value is None and data_type == DataType.STRUCTURE:
        return _INVALID_COUNT.to_bytes(2, "little")
    if value is None and data_type in _EMPTY:
        return b""
    if data_type not in frozenset(DataType):
        raise UnknownDataTypeError(data_type)
    raise ValueError(f"{value!r} is no value of {DataType(data_type).name}")


def _pack_string(value: Value, size: int) -> bytes:
    invalid = (1 << 8 * size) - 1
    if value is None:
        return invalid.to_bytes(size, "little")
    raw = value.encode() if isinstance(value, str) else value
    if not isinstance(raw, bytes) or len(raw) >= invalid:
        raise ValueError(f"{value!r} does not fit into a string of this type")
    return len(raw).to_bytes(size, "little") + raw
