"""Layers read straight from octets: what their declarations say, without making packets.

A Scapy packet takes ten times as long as the few fields of a GBCS message need. `read` follows the same `fields_desc`
with the same strictness as `hanscope.dissectors.layer.Layer` does, so that the layers stay the only definition; a test
holds the two together. Conditions, lengths and payload classes get a `View` where Scapy would give them the packet.
"""

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any, NamedTuple, Protocol

from scapy.fields import BitEnumField, BitField, ConditionalField, Field, StrField, StrFixedLenField, StrLenField
from scapy.packet import Packet

from hanscope.dissectors.fields import ListOf, Record
from hanscope.dissectors.layer import IfRoom, Layer, MalformedError, ToEnd, Undissected

_Size = Callable[["View", bytes, int, int], int]
"""Octets of a field that begins at an offset, in a layer that has octets up to another; more than there are if it does
not fit."""
_Value = Callable[["View", bytes, int, int], Any]
"""What a field means that lies in octets [start, stop)."""


class SelfMeasuring(Protocol):
    """A field whose own first octets tell its size."""

    def size_in(self, octets: bytes, at: int, stop: int) -> int:
        """Octets of the field at `at`; more than there are up to `stop` if it does not fit, or can not be."""
        ...


class Bits(NamedTuple):
    """A field that is bits of an octet: its value is `octet >> shift & mask`."""

    field: Any
    shift: int
    mask: int


class Step:
    """How one field, or one octet of bit fields, is read: its declaration, laid out for speed."""

    __slots__ = (
        "bits",
        "condition",
        "field",
        "is_shown_as_it_is",
        "name",
        "optional",
        "size",
        "unpack",
        "value",
        "width",
    )

    def __init__(self, described: Any) -> None:
        fld: Any = described.fld if isinstance(described, ConditionalField) else described
        self.field = fld
        self.name = str(fld.name)
        self.condition: Callable[[Any], bool] | None = described.cond if fld is not described else None
        self.optional = isinstance(described, IfRoom)
        kind: Any = type(fld)
        self.is_shown_as_it_is = kind.i2h is Field.i2h
        """Whether reading it from a packet gives what is inside."""
        self.bits: list[Bits] = []
        self.width = 0
        """Octets, if `size` is `None`."""
        self.size: _Size | None = None
        self.unpack: Callable[[bytes, int], tuple[Any, ...]] | None = None
        """For numbers, which are most fields; else there is `value`."""
        self.value: _Value = _octets
        if isinstance(fld, BitField | BitEnumField):
            self.width = 1
            return
        self.size = _size(fld)
        if self.size is not None:
            if isinstance(fld, ListOf):
                self.value = _elements(fld)
            return
        self.width = int(fld.sz)
        if kind.getfield is Field.getfield and kind.m2i is Field.m2i:
            self.unpack = Struct(fld.fmt).unpack_from
        else:
            self.value = lambda view, octets, start, stop: fld.getfield(view, octets[start:stop])[1]


def _size(fld: Any) -> _Size | None:
    """How to tell the size of a field that has not always the same."""
    if isinstance(fld, ToEnd):
        keep = fld.keep
        return lambda _, __, at, stop: stop - at - keep if stop - at >= keep else stop - at + 1
    if isinstance(fld, StrLenField | StrFixedLenField):
        length_from: Any = fld.length_from
        return lambda view, _, __, ___: length_from(view)
    if isinstance(fld, ListOf):
        count_from: Any = fld.count_from
        width = fld.field.sz
        if count_from is None:
            raise AssertionError(f"{fld.name}: a list without a count")
        return lambda view, _, __, ___: count_from(view) * width
    if isinstance(fld, StrField):
        if not hasattr(fld, "size_in"):
            raise AssertionError(f"{fld.name}: does not tell its size")
        measure: SelfMeasuring = fld  # pyright: ignore[reportAssignmentType] -- as was just seen
        return lambda _, octets, at, stop: measure.size_in(octets, at, stop)
    return None


def _octets(_: "View", octets: bytes, start: int, stop: int) -> bytes:
    return octets[start:stop]


def _elements(fld: ListOf) -> _Value:
    """The elements of a list with a count before it: layers, or values."""
    width = fld.field.sz
    if isinstance(fld.field, Record):
        cls = fld.field.layer
        return lambda _, octets, start, stop: [read(cls, octets, at, at + width) for at in range(start, stop, width)]
    element = Step(fld.field)
    unpack = element.unpack
    if unpack is not None:
        return lambda _, octets, start, stop: [unpack(octets, at)[0] for at in range(start, stop, width)]
    value = element.value
    return lambda view, octets, start, stop: [value(view, octets, at, at + width) for at in range(start, stop, width)]


class Shape:
    """The steps of a layer."""

    __slots__ = ("fields", "layer", "steps", "title")

    def __init__(self, layer: type[Packet]) -> None:
        self.layer: Any = layer
        self.title = str(layer().name)
        self.steps: list[Step] = []
        self.fields: dict[str, Any] = {}
        bit = 8
        for described in layer.fields_desc:
            fld: Any = described.fld if isinstance(described, ConditionalField) else described
            self.fields[fld.name] = fld
            if not isinstance(fld, BitField | BitEnumField):
                self.steps.append(Step(described))
                continue
            if bit == 8:
                bit = 0
                self.steps.append(Step(described))
            bit += fld.size
            if bit > 8 or fld is not described:
                raise AssertionError(f"{fld.name}: bit fields must not cross an octet, and are always there")
            self.steps[-1].bits.append(Bits(fld, 8 - bit, (1 << fld.size) - 1))


shape_of = cache(Shape)
"""The shape of a layer; there are as many as layers."""


class View:
    """A layer that was read, as conditions, lengths and payload classes look at a packet: its fields by their names."""

    def __init__(self, shape: Shape, underlayer: Any) -> None:
        self.shape = shape
        self.name = shape.title
        self.underlayer = underlayer
        self.fields: dict[str, Any] = {}
        """Those that are there, as they are inside."""

    def __getattr__(self, name: str) -> Any:
        """A field that is not there, or shows as something else than it is inside."""
        fld = self.shape.fields.get(name)
        if fld is None:
            raise AttributeError(name)
        shown = fld.i2h(self, self.getfieldval(name))
        if name in self.fields:
            self.__dict__[name] = shown
        return shown

    def getfieldval(self, name: str) -> Any:
        """A field as it is inside; its default if it is not there. The name is Scapy's."""
        return self.fields.get(name, self.shape.fields[name].default)

    def payload_class(self) -> type[Packet]:
        return self.shape.layer.payload_class(self)


class Part(NamedTuple):
    """Where one field, or one octet of bit fields, lies: octets [start, stop)."""

    step: Step
    start: int
    stop: int
    value: Any
    """As it is inside a packet; of bit fields the octet, of records up to the end their octets."""


class Walked(NamedTuple):
    """One layer that was read."""

    layer: type[Packet]
    view: View
    start: int
    stop: int
    """Where its last field ends."""
    parts: list[Part]
    problem: MalformedError | None
    """What kept it from being read to its end."""


def read(cls: type[Packet], octets: bytes, start: int, stop: int, underlayer: Any = None) -> Walked:
    """A layer that begins at `start` and may have octets up to `stop`, without its payload."""
    shape = shape_of(cls)
    view = View(shape, underlayer)
    held, shown = view.fields, view.__dict__
    parts: list[Part] = []
    at = start
    for step in shape.steps:
        if step.condition is not None and not step.condition(view):
            continue
        end = at + (step.width if step.size is None else step.size(view, octets, at, stop))
        if end > stop:
            if step.optional:
                continue
            return Walked(cls, view, start, at, parts, MalformedError(shape.title, step.name))
        if step.bits:
            value = octets[at]
            for fld, shift, mask in step.bits:
                held[fld.name] = shown[fld.name] = value >> shift & mask
        else:
            value = step.value(view, octets, at, end) if step.unpack is None else step.unpack(octets, at)[0]
            held[step.name] = value
            if step.is_shown_as_it_is:
                shown[step.name] = value
        parts.append(Part(step, at, end, value))
        at = end
    return Walked(cls, view, start, at, parts, None)


def walk(cls: type[Layer], octets: bytes, underlayer: Any = None) -> tuple[list[Walked], MalformedError | None]:
    """A layer and the layers of its payload, as far as the octets reach; and what kept them from reaching further.

    For layers that choose their payload by fields, as those of ZCL do: what lies below is a `View` of a layer, not one.
    """
    total = len(octets)
    layers = [read(cls, octets, 0, total, underlayer)]
    while True:  # no layer can follow itself, so that declarations end this
        last = layers[-1]
        if last.problem is not None or last.layer is Undissected:
            return layers, last.problem
        at = last.stop
        if at == total and last.view.shape.layer.may_end_bare(last.view):
            return layers, None
        payload = read(last.view.payload_class(), octets, at, total, last.view)
        if at == total and not _is_on_record(payload):
            return layers, None
        layers.append(payload)


def _is_on_record(empty: Walked) -> bool:
    """Whether a layer without octets counts: it has no fields, or its first one, that is always there, is missing."""
    steps = empty.view.shape.steps
    return not steps or (steps[0].condition is None and empty.problem is not None)
