# ruff: noqa: ARG002 -- Scapy calls its fields with arguments that these have no use for
"""Field classes that the layers share and that Scapy lacks.

All integers of IEEE 802.15.4 and ZigBee are little-endian. Control fields are declared bit by bit, from the most
significant bit of each octet down, so that a layout depends on exactly the bits that were read.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, Literal

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    Field,
    FieldListField,
    LEShortEnumField,
    LEShortField,
    StrFixedLenField,
    StrLenField,
)
from scapy.packet import Packet

from hanscope.dissectors.eui64 import eui64, eui64_text
from hanscope.dissectors.layer import IfRoom, Layer, Malformed, MalformedError, ToEnd, When

_NO_LIMIT: Final = 1 << 16
"""Scapy refuses lists of more than 100 elements; here the frame's end is the limit."""


class EUI64Field(Field[Any, Any]):
    """An EUI-64, eight octets little-endian: an integer inside, `00:0d:6f:00:0a:90:69:e0` for people.

    Scapy's own shows an address below 2^16 as if it were a short one (fault M20).
    """

    def __init__(self, name: str, default: int | str | None = None, order: str = "<") -> None:
        """`order` is `>` in the few places that have the most significant octet first."""
        super().__init__(name, default, f"{order}Q")

    def h2i(self, pkt: Packet | None, x: int | str | None) -> int | None:
        return eui64(x) if isinstance(x, str) else x

    def i2h(self, pkt: Packet | None, x: int | None) -> str | None:
        return None if x is None else eui64_text(x)

    def i2repr(self, pkt: Packet | None, x: int | None) -> str:
        return str(self.i2h(pkt, x))


class IntegerField(Field[Any, Any]):
    """An unsigned integer of a size that Scapy has no field for; `order` is `<` or `>`."""

    __slots__ = ["order"]

    def __init__(self, name: str, default: int | None, size: int, order: Literal["<", ">"] = "<") -> None:
        super().__init__(name, default, f"{size}s")
        self.order: Literal["little", "big"] = "little" if order == "<" else "big"

    def m2i(self, pkt: Packet | None, x: bytes) -> int:
        return int.from_bytes(x, self.order)

    def i2m(self, pkt: Packet | None, x: int | None) -> bytes:
        return (x or 0).to_bytes(self.sz, self.order)


class LECodeField(LEShortEnumField):
    """A 16-bit code with names; one without a name shows in hexadecimal."""

    def _i2repr(self, pkt: Packet | None, x: int) -> str:
        return f"{x:#06x}"


class Octets(StrFixedLenField):
    """So many octets without inner structure: a key, a hash, a MIC."""

    def __init__(self, name: str, length: int) -> None:
        super().__init__(name, None, length)

    def i2repr(self, pkt: Packet | None, v: bytes | None) -> str:
        return "None" if v is None else v.hex()


class _Derived:
    """A field that follows from the rest of its layer: what is built if it was left `None`, and what reading it gives.

    `derive` gets the layer. It may look at the payload's class and at `given(...)`, not at fields that depend on it.
    """

    __slots__ = ()
    derive: Callable[[Any], int]

    def _value(self, pkt: Packet | None, x: Any) -> Any:
        return int(self.derive(pkt)) if x is None and pkt is not None else x

    def i2h(self, pkt: Packet | None, x: Any) -> Any:
        return self._value(pkt, x)

    def i2m(self, pkt: Packet | None, x: Any) -> Any:
        return self._value(pkt, x) or 0

    def i2repr(self, pkt: Packet | None, x: Any) -> Any:
        return super().i2repr(pkt, self._value(pkt, x))  # pyright: ignore[reportAttributeAccessIssue] -- the mixin's other half has it


class DerivedBits(_Derived, BitField):
    """Bits of an octet that are derived if left `None`."""

    __slots__ = ["derive"]

    def __init__(self, name: str, derive: Callable[[Any], int], size: int = 1) -> None:
        super().__init__(name, None, size)
        self.derive = derive


class DerivedBitEnum(_Derived, BitEnumField):
    """Named bits of an octet that are derived if left `None`."""

    __slots__ = ["derive"]

    def __init__(self, name: str, derive: Callable[[Any], int], size: int, enum: type[IntEnum]) -> None:
        super().__init__(name, None, size, enum)
        self.derive = derive


class DerivedOctet(_Derived, ByteField):
    """An octet that is derived if left `None`."""

    __slots__ = ["derive"]

    def __init__(self, name: str, derive: Callable[[Any], int]) -> None:
        super().__init__(name, None)
        self.derive = derive


class DerivedShort(_Derived, LEShortField):
    """16 bits that are derived if left `None`."""

    __slots__ = ["derive"]

    def __init__(self, name: str, derive: Callable[[Any], int]) -> None:
        super().__init__(name, None)
        self.derive = derive


class DerivedOctetEnum(_Derived, ByteEnumField):
    """A named octet that is derived if left `None`."""

    __slots__ = ["derive"]

    def __init__(self, name: str, derive: Callable[[Any], int], enum: type[IntEnum]) -> None:
        super().__init__(name, None, enum)
        self.derive = derive


def given(*names: str) -> Callable[[Any], bool]:
    """Whether any of these fields has a value: what a presence bit is derived from."""
    return lambda layer: any(layer.getfieldval(name) is not None for name in names)


def count_of(name: str) -> Callable[[Any], int]:
    """How many elements, or octets, a field has: what a count is derived from."""
    return lambda layer: len(layer.getfieldval(name) or ())


def records_in(name: str) -> Callable[[Any], int]:
    """How many records a `RecordsToEnd` has: what a count is derived from."""
    return lambda layer: len(getattr(layer, name))


def identifier_in(table: Mapping[int, type[Packet]], otherwise: int = 0) -> Callable[[Any], int]:
    """The identifier under which `table` lists the class of the layer's payload."""

    def derive(layer: Any) -> int:
        kind = type(layer.payload)
        return next((identifier for identifier, cls in table.items() if cls is kind), otherwise)

    return derive


def capability_information() -> list[Any]:
    """The fields of the octet in which a joining device says what it can (IEEE 802.15.4-2006, 7.3.1.2).

    MAC, NWK and ZDP commands all carry it.
    """
    return [
        BitField("allocate_address", 0, 1),
        BitField("security_capability", 0, 1),
        BitField("capability_reserved", 0, 2),
        BitField("receiver_on_when_idle", 0, 1),
        BitField("mains_powered", 0, 1),
        BitField("full_function_device", 0, 1),
        BitField("alternate_coordinator", 0, 1),
    ]


def string(name: str) -> list[Any]:
    """A string and, before it, the octet that tells its length; FF there means that there is none."""
    length = f"{name}_length"
    return [DerivedOctet(length, count_of(name)), StrLenField(name, b"", length_from=_string_size(length))]


def _string_size(length: str) -> Callable[[Any], int]:
    return lambda layer: _size_of_string(getattr(layer, length))


def _size_of_string(length: int) -> int:
    return 0 if length == 0xFF else length


def trailing(*fields: Any) -> list[Any]:
    """Fields that later revisions put behind a command: each is there only if the one before it is."""
    return [
        IfRoom(fld) if before is None else IfRoom(fld, _present(before.name))
        for before, fld in zip((None, *fields), fields, strict=False)
    ]


def trailing_string(name: str, behind: str | None = None) -> list[Any]:
    """As `trailing`, a string; `behind` names the field without which it is not there either."""
    length, value = string(name)
    present = (lambda _: True) if behind is None else _present(behind)
    return [
        _LengthIfGiven(length, name, present),
        When(value, lambda layer: length.name in layer.fields or name in layer.fields),
    ]


def _present(name: str) -> Callable[[Any], bool]:
    return lambda layer: name in layer.fields


class _LengthIfGiven(IfRoom):
    """The length of a string that may be left out; built if the string has a value."""

    def __init__(self, fld: DerivedOctet, of: str, cond: Callable[[Any], bool]) -> None:
        super().__init__(fld, cond)
        self.of = of

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        return self.fld.addfield(pkt, s, val) if val is not None or pkt.getfieldval(self.of) else s


class ListOf(FieldListField):
    """As many elements of fixed size as a count before them says (fault N9: Scapy's accepts fewer)."""

    def __init__(self, name: str, element: Field[Any, Any], count_from: Callable[[Any], int]) -> None:
        super().__init__(name, [], element, count_from=count_from, max_count=_NO_LIMIT)


class Record(Field[Any, Any]):
    """An element of a `ListOf` that has fields itself: a `Layer` of `size` octets."""

    __slots__ = ["layer"]

    def __init__(self, layer: type[Layer], size: int) -> None:
        super().__init__(layer.__name__, None, f"{size}s")
        self.layer = layer

    def getfield(self, pkt: Packet | None, s: bytes) -> tuple[bytes, Packet]:
        return s[self.sz :], self.layer(s[: self.sz])

    def addfield(self, pkt: Packet | None, s: bytes, val: Any) -> bytes:
        return s + bytes(val)


class RecordsToEnd(ToEnd):
    """Records up to the end of the frame: octets inside, taken apart only when somebody looks (`layer.name_of_field`).

    So all frames with such a list share one layout, whatever their length. A record that is cut short becomes a
    last element of class `Malformed`, with its octets.
    """

    __slots__ = ["pack", "unpack"]

    def __init__(self, name: str, unpack: Callable[[bytes], tuple[Any, bytes]], pack: Callable[[Any], bytes]) -> None:
        """`unpack` takes a record off the front and returns it with what is left; it raises `MalformedError`."""
        super().__init__(name)
        self.unpack = unpack
        self.pack = pack

    def h2i(self, pkt: Packet | None, x: bytes | Sequence[Any] | None) -> bytes:
        if x is None or isinstance(x, bytes):
            return x or b""
        return b"".join(bytes(record) if isinstance(record, Packet) else self.pack(record) for record in x)

    def any2i(self, pkt: Packet | None, x: bytes | Sequence[Any] | None) -> bytes:
        return self.h2i(pkt, x)

    def i2h(self, pkt: Packet | None, x: bytes | None) -> list[Any]:
        records: list[Any] = []
        rest = x or b""
        while rest:
            try:
                record, left = self.unpack(rest)
            except MalformedError as error:
                record, left = Malformed(octets=rest, layer=error.layer, field=error.field_name), b""
            records.append(record)
            if len(left) >= len(rest):
                raise AssertionError(f"{self.name}: a record without octets")
            rest = left
        return records

    def i2repr(self, pkt: Packet | None, x: bytes | None) -> str:
        return repr(self.i2h(pkt, x))


class LayersToEnd(RecordsToEnd):
    """Records up to the end of the frame that are layers: of fixed size or with counts and lengths in them."""

    __slots__ = ["layer"]

    def __init__(self, name: str, layer: type[Layer]) -> None:
        super().__init__(name, lambda octets: _front(layer, octets), bytes)
        self.layer = layer


def _front(cls: type[Layer], octets: bytes) -> tuple[Packet, bytes]:
    """A layer off the front of `octets`, and what is left."""
    layer = cls()
    return layer, layer.do_dissect(octets)


def cluster_of(layer: Packet) -> int:
    """The cluster in the APS header right below a layer; -1 if there is none, as when the layer stands alone."""
    cluster = getattr(layer.underlayer, "cluster", None)
    return -1 if cluster is None else cluster
