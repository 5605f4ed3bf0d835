"""What Scapy layers dissect, as nodes: a leaf for every field, at its place in the message.

The places come from the trace that `hanscope.dissectors.layer` writes while it dissects, so that the layers stay the
only definition of the ZigBee commands inside GBCS messages.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace
from scapy.packet import Packet

from hanscope.dissectors.fields import ListOf, Record, RecordsToEnd, cluster_of
from hanscope.dissectors.gbcs.codes import ALERTS
from hanscope.dissectors.gbcs.node import Node, Value, undecoded
from hanscope.dissectors.gbcs.snapshots import snapshot_class
from hanscope.dissectors.layer import Layer, LayerTrace, Malformed, MalformedError, Span, Trace, Undissected, tracing
from hanscope.dissectors.zigbee.codes import Status
from hanscope.dissectors.zigbee.values import DataType
from hanscope.dissectors.zigbee.zcl import AttributeRecord, Zcl

AttributeName = Callable[[int], str | None]
"""What a cluster calls the attribute with this identifier."""

_EPOCH: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_NOW: Final = 0
_NEVER: Final = 0xFFFFFFFF


def time_text(seconds: int) -> str:
    """A ZigBee time, seconds since 2000 (UTC): "2030-01-15 09:00:00Z"."""
    return f"{datetime.fromtimestamp(_EPOCH + seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


def field_time_text(seconds: int) -> str:
    """A time in a command or component: all zeros mean now, all ones no time (which cancels, or leaves an end open)."""
    return {_NOW: "now", _NEVER: "no time"}.get(seconds) or time_text(seconds)


def trace_of(cls: type[Layer], octets: bytes, underlayer: Any = None) -> tuple[Trace, str | None]:
    """How a layer and its payload lie in `octets`, as far as they reach; and what kept them from reaching further."""
    trace = Trace(len(octets))
    try:
        with tracing(trace):
            packet: Any = cls(octets, _underlayer=underlayer)
    except MalformedError as error:
        return trace, str(error)
    while packet.payload:
        packet = packet.payload
    if not isinstance(packet, Malformed):
        return trace, None
    return trace, str(MalformedError(packet.layer.decode(), packet.field.decode()))


class LayerNodes:
    """Makes nodes of layers that were traced in `octets`, whose first octet is octet `base` of the message."""

    def __init__(self, octets: bytes, base: int, attribute_name: AttributeName = lambda _: None) -> None:
        self._octets = octets
        self._base = base
        self._attribute_name = attribute_name

    def of_fields(self, traced: LayerTrace, stop: int) -> tuple[Node, ...]:
        """The fields of one layer, which ends at `stop`."""
        nodes: list[Node] = []
        bits: list[Span] = []
        at = traced.start
        for span in traced.spans.values():
            at = span.stop
            if span.bits is None:
                if span.stop > span.start:
                    nodes.append(self._field(traced.layer, span))
                continue
            bits.append(span)
            if span.bits[0] == 0:  # down to the least significant bit
                nodes.append(self._bits(traced.layer, bits))
                bits = []
        if at < stop:
            nodes.append(self.undecoded(at, stop, f"{traced.layer.name} ends inside a field"))
        return tuple(nodes)

    def undecoded(self, start: int, stop: int, why: str) -> Node:
        """Octets [start, stop) that no field claims."""
        found = undecoded(self._octets, start, stop, why)
        return Node(found.name, self._base + start, self._base + stop, found.value, problem=why)

    def _node(self, name: str, start: int, stop: int, value: Value, text: str = "", *children: Node) -> Node:
        return Node(name, self._base + start, self._base + stop, value, text, children)

    def _bits(self, layer: Packet, spans: list[Span]) -> Node:
        """One leaf for the fields that share an octet."""
        start = spans[0].start
        shown = {span.field.name: span.field.i2repr(layer, layer.fields[span.field.name]) for span in spans}
        text = ", ".join(f"{name}={value}" for name, value in shown.items())
        name = "frame_control" if isinstance(layer, Zcl) else ", ".join(shown)
        return self._node(name, start, start + 1, self._octets[start], text)

    def _field(self, layer: Packet, span: Span) -> Node:
        fld: Any = span.field
        value = layer.fields[fld.name]
        if fld.name == "snapshot_payload":
            return self._snapshot(layer, span)
        if isinstance(fld, RecordsToEnd):
            return self._node(fld.name, span.start, span.stop, None, "", *self._records(fld, span))
        if isinstance(fld, ListOf):
            return self._node(fld.name, span.start, span.stop, None, "", *self._elements(layer, fld, span))
        return self._value(layer, fld, fld.name, span.start, span.stop, value)

    def _snapshot(self, layer: Packet, span: Span) -> Node:
        cls = snapshot_class(cluster_of(layer.underlayer or layer), layer)
        octets = self._octets[span.start : span.stop]
        if cls is None:
            return self._node("snapshot_payload", span.start, span.stop, octets)
        trace, problem = trace_of(cls, octets)
        inner = LayerNodes(octets, self._base + span.start)
        first = inner.of_fields(trace.layers[0], len(octets) if len(trace.layers) == 1 else trace.layers[1].start)
        rest = [inner.undecoded(one.start, len(octets), "more than the snapshot has") for one in trace.layers[1:]]
        node = self._node("snapshot_payload", span.start, span.stop, None, cls.__name__, *first, *rest)
        return replace(node, problem=problem)

    def _value(self, layer: Packet, fld: Any, name: str, start: int, stop: int, value: Any) -> Node:
        if isinstance(value, bytes):
            return self._node(name, start, stop, value, _characters(value))
        if fld.sz == 4 and name.endswith("time"):
            text = field_time_text(value)
        elif name == "event_id" and value in ALERTS:
            text = ALERTS[value]
        else:
            text = str(fld.i2repr(layer, value))
        return self._node(name, start, stop, value, "" if text == str(value) else text)

    def _elements(self, layer: Packet, fld: Any, span: Span) -> Iterator[Node]:
        """The elements of a list with a count before it."""
        size = fld.field.sz
        for number, value in enumerate(layer.fields[fld.name]):
            start = span.start + number * size
            if isinstance(fld.field, Record):
                yield self._record_layer(value, start, start + size)
            else:
                yield self._value(layer, fld.field, fld.field.name, start, start + size, value)

    def _records(self, fld: RecordsToEnd, span: Span) -> Iterator[Node]:
        """The records of a list that goes up to the end."""
        at = span.start
        while at < span.stop:
            rest = self._octets[at : span.stop]
            try:
                record, left = fld.unpack(rest)
            except MalformedError as error:
                yield self.undecoded(at, span.stop, str(error))
                return
            end = span.stop - len(left)
            yield self._record(fld.name, record, at, end)
            at = end

    def _record(self, of: str, record: Any, start: int, stop: int) -> Node:
        if isinstance(record, Undissected):
            return self.undecoded(start, stop, "a data type that is not known")
        if isinstance(record, Layer):
            return self._record_layer(record, start, stop)
        if isinstance(record, AttributeRecord):
            return self._attribute(record, start, stop)
        if isinstance(record, int):
            text = (self._attribute_name(record) or "") if of == "attribute_ids" else ""
            return self._node(of.removesuffix("s"), start, stop, record, text)
        parts = {part.name: getattr(record, part.name) for part in fields(record)} if is_dataclass(record) else {}
        text = ", ".join(f"{name}={value}" for name, value in parts.items() if value is not None)
        return self._node(type(record).__name__, start, stop, self._octets[start:stop], text)

    def _record_layer(self, record: Layer, start: int, stop: int) -> Node:
        trace = Trace(stop - start)
        with tracing(trace):
            type(record)().do_dissect(self._octets[start:stop])
        inner = LayerNodes(self._octets[start:stop], self._base + start)
        return self._node(type(record).__name__, start, stop, None, "", *inner.of_fields(trace.layers[0], stop - start))

    def _attribute(self, record: AttributeRecord, start: int, stop: int) -> Node:
        name = self._attribute_name(record.attribute_id) or ""
        at = start + 2
        parts = [self._node("attribute_id", start, at, record.attribute_id, name)]
        if record.status is not None:
            parts.append(self._node("status", at, at + 1, record.status, _enumerated(Status, record.status)))
            at += 1
        if record.data_type is not None:
            parts.append(self._node("data_type", at, at + 1, record.data_type, _enumerated(DataType, record.data_type)))
            at += 1
        if at < stop:
            parts.append(self._attribute_value(record, name, at, stop))
        return self._node("attribute", start, stop, None, name, *parts)

    def _attribute_value(self, record: AttributeRecord, name: str, start: int, stop: int) -> Node:
        value = record.value
        if isinstance(value, bytes):
            version = "FIRMWARE_VERSION" in name and len(value) == 4
            return self._node("value", start, stop, value, f"0x{value.hex()}" if version else _characters(value))
        if isinstance(value, int) and record.data_type == DataType.UTC_TIME:
            return self._node("value", start, stop, value, field_time_text(value))
        if isinstance(value, int | str):
            return self._node("value", start, stop, value)
        return self._node("value", start, stop, self._octets[start:stop], repr(value))


def _enumerated(codes: Any, number: int) -> str:
    return codes(number).name if number in frozenset(codes) else "unknown"


def _characters(octets: bytes) -> str:
    """Octets as text, if they look like text."""
    return octets.decode("ascii") if octets.isascii() and octets.decode("ascii").isprintable() else ""
