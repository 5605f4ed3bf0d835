"""The base of all our Scapy layers, and the trace that lets the column engine learn from one dissection.

A `Layer` is an ordinary Scapy packet that

* is strict: a field that does not fit into the frame makes the layer `Malformed`, never a shorter value;
* never guesses in silence: octets that no layer claims are `Undissected`;
* can be watched: inside `tracing()` it writes down where every field lay and which fields were read to decide the
  layout. That is all the column engine (`hanscope.dissectors.columns`) knows about any protocol.

For this to be sound a layer decides its shape by reading *fields* (its own or its underlayer's) and by `IfRoom`, and by
nothing else: no globals, no peeking at raw octets, no state kept in fields.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

from scapy.fields import (
    ConditionalField,
    FieldListField,
    PacketListField,
    StrField,
    StrFixedLenField,
    StrLenField,
    _BitField,  # pyright: ignore[reportPrivateUsage] -- the common base of BitField and BitEnumField
)
from scapy.packet import NoPayload, Packet


class MalformedError(ValueError):
    """A frame ends before a field that its own header promises."""

    def __init__(self, layer: str, field_name: str) -> None:
        super().__init__(f"{layer}: the frame ends inside {field_name}")
        self.layer = layer
        self.field_name = field_name


@dataclass(slots=True)
class Span:
    """Where one field lay in the frame that was traced: octets [start, stop), and bits of them if `bits` is set."""

    field: Any
    start: int
    stop: int
    bits: tuple[int, int] | None = None
    """(shift, width) within the octet, counted from its least significant bit."""


@dataclass(slots=True)
class LayerTrace:
    """What the dissection of one layer did."""

    layer: "Layer"
    start: int
    spans: dict[str, Span] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    """Names of the fields that somebody read to decide the layout."""
    failed: bool = False


@dataclass(slots=True)
class Trace:
    """What the dissection of one frame did: the input from which `columns` makes a layout."""

    total: int
    """Octets of the frame."""
    stages: tuple[type[Packet], ...] = ()
    """Layer classes at which dissection stops, because another stage of the engine begins there."""
    layers: list[LayerTrace] = field(default_factory=list)
    next_stage: type[Packet] | None = None
    exact: bool = False
    """Only frames of exactly this length can share the layout."""
    least: int = 0
    """Frames that share the layout have at least this many octets."""


_trace: ContextVar[Trace | None] = ContextVar("_trace", default=None)


@contextmanager
def tracing(trace: Trace | None) -> Generator[None]:
    """Layers that are dissected inside write into `trace` (`None`: they do not)."""
    token = _trace.set(trace)
    try:
        yield
    finally:
        _trace.reset(token)


class _WatchedFields(dict[str, Any]):
    """A layer's `fields`, which notes the names that are read. Every way to read a Scapy field ends here."""

    __slots__ = ("reads",)

    def __init__(self, reads: set[str]) -> None:
        super().__init__()
        self.reads = reads

    def __getitem__(self, name: str) -> Any:
        self.reads.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.reads.add(name)
        return super().get(name, default)


class ToEnd(StrField):
    """All octets up to the end of the frame, except the last `keep` (which the following field takes)."""

    __slots__ = ("keep",)

    def __init__(self, name: str, default: bytes = b"", keep: int = 0) -> None:
        super().__init__(name, default)
        self.keep = keep

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002 -- Scapy's signature
        cut = len(s) - self.keep
        return s[cut:], s[:cut]


class When(ConditionalField):
    """A field that is there when fields before it say so."""

    def __init__(self, fld: Any, cond: Callable[[Any], bool]) -> None:
        super().__init__(fld, cond)


class IfRoom(ConditionalField):
    """A field that is there when `cond` holds and the frame still has room for it.

    For fields that older revisions leave out, or that real devices promise and do not send. When building, the
    field is written if it has a value.
    """

    def __init__(self, fld: Any, cond: Callable[[Any], bool] = lambda _: True) -> None:
        super().__init__(fld, cond)

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        return s if val is None else self.fld.addfield(pkt, s, val)

    def i2len(self, pkt: Packet, x: Any) -> int:
        return 0 if x is None else self.fld.i2len(pkt, x)


def _missing(fld: Any, s: Any, pkt: Packet) -> bool:
    """Whether a field of known size does not fit into what is left."""
    if isinstance(fld, _BitField):
        rest, bit = s if isinstance(s, tuple) else (s, 0)
        return 8 * len(rest) - bit < fld.size
    if isinstance(fld, ToEnd):
        return len(s) < fld.keep
    if isinstance(fld, StrLenField | StrFixedLenField):
        length_from: Any = fld.length_from
        return len(s) < length_from(pkt)
    if isinstance(fld, FieldListField) and fld.count_from is not None:
        return len(s) < fld.count_from(pkt) * fld.field.sz
    if isinstance(fld, FieldListField | PacketListField | StrField):
        return False
    return len(s) < fld.sz


class Layer(Packet):
    """A protocol layer that is strict and can be traced; see the module."""

    begins_stage: ClassVar[bool] = False
    """Whether the column engine sorts frames anew at this layer."""

    def do_dissect(self, s: bytes) -> bytes:  # noqa: C901 -- one loop, as in Scapy; every branch is a kind of field
        trace = _trace.get()
        mine: LayerTrace | None = None
        if trace is not None:
            mine = LayerTrace(self, trace.total - len(s))
            self.fields = _WatchedFields(mine.reads)
            trace.layers.append(mine)
        self.raw_packet_cache = None
        self.raw_packet_cache_fields = {}
        self.explicit = 1
        rest: Any = s
        open_octets = 0
        for described in self.fields_desc:
            fld = self._wanted(described, rest)
            if fld is None:
                continue
            if _missing(fld, rest, self):
                if trace is not None and mine is not None:
                    trace.exact = mine.failed = True
                raise MalformedError(str(self.name), fld.name)
            if trace is None:
                after, value = fld.getfield(self, rest)
            else:
                # Elements of lists are looked at one by one, on demand; their reads are no business of this layout.
                with tracing(None):
                    after, value = fld.getfield(self, rest)
            if isinstance(fld, ToEnd):
                open_octets = len(value)
            if mine is not None and trace is not None:
                mine.spans[fld.name] = self._span(fld, trace.total, rest, after)
            dict.__setitem__(self.fields, fld.name, value)
            rest = after
        if isinstance(rest, tuple):  # a fault of the declaration, not of the frame
            raise AssertionError(f"{self.name}: bit fields do not end on an octet")  # noqa: TRY004
        if trace is not None:
            trace.least = max(trace.least, trace.total - len(rest) - open_octets)
        return rest

    def _wanted(self, described: Any, rest: Any) -> Any:
        """The field itself, or `None` if this frame has none here."""
        if not isinstance(described, ConditionalField):
            return described
        if not described.cond(self):
            return None
        if isinstance(described, IfRoom) and _missing(described.fld, rest, self):
            if (trace := _trace.get()) is not None:
                trace.exact = True
            return None
        return described.fld

    @staticmethod
    def _span(fld: Any, total: int, before: Any, after: Any) -> Span:
        if isinstance(fld, _BitField):
            left, bit = before if isinstance(before, tuple) else (before, 0)
            start = total - len(left)
            if bit + fld.size > 8:
                raise AssertionError(f"{fld.name}: bit fields must not cross an octet")
            return Span(fld, start, start + 1, (8 - bit - fld.size, fld.size))
        return Span(fld, total - len(before), total - len(after))

    def do_dissect_payload(self, s: bytes) -> None:
        trace = _trace.get()
        if not s and trace is not None and not self._ends_open():
            trace.exact = True
        if not s and self.may_end_bare():
            return
        cls = self.guess_payload_class(s)
        if not s:
            if not cls.fields_desc:
                self._add_empty(cls)
            elif _needs_octets(cls):
                self._add_malformed(cls)
            return
        if trace is not None:
            trace.least = max(trace.least, trace.total - len(s) + 1)
            if cls in trace.stages:
                trace.next_stage = cls
                self.add_payload(Undissected(s, _internal=1, _underlayer=self))
                return
        try:
            payload = cls(s, _internal=1, _underlayer=self)
        except MalformedError as error:
            payload = _malformed(s, error)
        self.add_payload(payload)

    def _add_empty(self, cls: type[Packet]) -> None:
        """Puts a payload class on record that has no fields: a command whose identifier says all."""
        payload = cls(_internal=1, _underlayer=self)
        payload.dissect(b"")
        self.add_payload(payload)

    def _add_malformed(self, cls: type[Packet]) -> None:
        """Puts a payload class that has not got a single octet on record."""
        try:
            cls(_internal=1, _underlayer=self).dissect(b"")
        except MalformedError as error:
            self.add_payload(_malformed(b"", error))

    def _ends_open(self) -> bool:
        """Whether a field took all that was left, so that length decides nothing."""
        return any(
            isinstance(fld.fld if isinstance(fld, ConditionalField) else fld, ToEnd) and fld.name in self.fields
            for fld in self.fields_desc
        )

    def guess_payload_class(self, payload: bytes) -> type[Packet]:  # noqa: ARG002 -- octets are not to be peeked at
        return self.payload_class()

    def may_end_bare(self) -> bool:
        """Whether a frame may end behind this layer although by its fields a payload would have to follow."""
        return False

    def payload_class(self) -> type[Packet]:
        """What follows this layer, by its fields and those of the layers below it."""
        return Undissected


class Undissected(Layer):
    """Octets that no layer claims."""

    name = "Undissected"
    fields_desc: ClassVar[list[Any]] = [ToEnd("octets")]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes | None]:
        return s, None


class Malformed(Packet):
    """What stands in the place of a layer whose frame ends too early."""

    name = "Malformed"
    fields_desc: ClassVar[list[Any]] = [StrField("octets", b""), StrField("layer", b""), StrField("field", b"")]

    def self_build(self) -> bytes:
        return self.fields.get("octets", b"")


def _malformed(octets: bytes, error: MalformedError) -> Packet:
    with tracing(None):
        return Malformed(octets=octets, layer=error.layer, field=error.field_name)


def _needs_octets(cls: type[Packet]) -> bool:
    """Whether a layer can not be empty: by its first field."""
    first = cls.fields_desc[0] if cls.fields_desc else None
    if isinstance(first, ToEnd):
        return first.keep > 0
    return first is not None and not isinstance(first, ConditionalField)


def layers_of(packet: Packet) -> Iterator[Packet]:
    """The layers of a packet, outermost first."""
    while not isinstance(packet, NoPayload):
        yield packet
        packet = packet.payload
