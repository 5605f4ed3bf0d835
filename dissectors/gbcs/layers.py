"""What layers declare, as nodes: a leaf for every field, at its place in the message.

`walk` reads the octets as the layers say, so that these stay the only definition of the ZigBee commands inside GBCS
messages.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from hanscope.dissectors.codes import Status
from hanscope.dissectors.fields import LayersToEnd, ListOf, RecordsToEnd, cluster_of
from hanscope.dissectors.gbcs.codes import ALERTS
from hanscope.dissectors.gbcs.node import Node, Value, undecoded
from hanscope.dissectors.gbcs.snapshots import snapshot_class
from hanscope.dissectors.gbcs.walk import Part, Step, Walked, read, walk
from hanscope.dissectors.layer import Layer, MalformedError, Undissected
from hanscope.dissectors.zigbee.values import DataType
from hanscope.dissectors.zigbee.zcl import AttributeRecord, Zcl

AttributeName = Callable[[int], str | None]
"""What a cluster calls the attribute with this identifier."""

_EPOCH: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_MANY: Final = 4096
"""Texts that are kept, since the same few values come again and again."""
_NOW: Final = 0
_NEVER: Final = 0xFFFFFFFF


def time_text(seconds: int) -> str:
    """A ZigBee time, seconds since 2000 (UTC): "2030-01-15 09:00:00Z"."""
    return f"{datetime.fromtimestamp(_EPOCH + seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


def field_time_text(seconds: int) -> str:
    """A time in a command or component: all zeros mean now, all ones no time (which cancels, or leaves an end open)."""
    return {_NOW: "now", _NEVER: "no time"}.get(seconds) or time_text(seconds)


class Trace(NamedTuple):
    """How a layer and its payload lie in octets, as far as they reach."""

    layers: list[Walked]


def trace_of(cls: type[Layer], octets: bytes, underlayer: Any = None) -> tuple[Trace, str | None]:
    """How a layer and its payload lie in `octets`; and what kept them from reaching further."""
    layers, problem = walk(cls, octets, underlayer)
    return Trace(layers), None if problem is None else str(problem)


class LayerNodes:
    """Makes nodes of layers that were read from `octets`, whose first octet is octet `base` of the message."""

    def __init__(self, octets: bytes, base: int, attribute_name: AttributeName = lambda _: None) -> None:
        self._octets = octets
        self._base = base
        self._attribute_name = attribute_name

    def of_fields(self, walked: Walked, stop: int) -> tuple[Node, ...]:
        """The fields of one layer, which ends at `stop`."""
        nodes = [self._part(walked, part) for part in walked.parts if part.stop > part.start]
        if walked.stop < stop:
            nodes.append(self.undecoded(walked.stop, stop, f"{walked.view.name} ends inside a field"))
        return tuple(nodes)

    def undecoded(self, start: int, stop: int, why: str) -> Node:
        """Octets [start, stop) that no field claims."""
        found = undecoded(self._octets, start, stop, why)
        return Node(found.name, self._base + start, self._base + stop, found.value, problem=why)

    def _node(self, name: str, start: int, stop: int, value: Value, text: str = "", *children: Node) -> Node:
        return Node(name, self._base + start, self._base + stop, value, text, children)

    def _part(self, walked: Walked, part: Part) -> Node:
        step, start, stop, value = part
        fld = step.field
        if step.bits:
            name = "frame_control" if walked.layer is Zcl else _names(step)
            return self._node(name, start, stop, value, _bits_text(step, value))
        if fld.name == "snapshot_payload":
            return self._snapshot(walked.view, start, stop)
        if isinstance(fld, RecordsToEnd):
            return self._node(fld.name, start, stop, None, "", *self._records(fld, start, stop))
        if isinstance(fld, ListOf):
            return self._node(fld.name, start, stop, None, "", *self._elements(fld, start, value))
        return self._value(fld, start, stop, value)

    def _snapshot(self, command: Any, start: int, stop: int) -> Node:
        cls = snapshot_class(cluster_of(command.underlayer or command), command)
        octets = self._octets[start:stop]
        if cls is None:
            return self._node("snapshot_payload", start, stop, octets)
        trace, problem = trace_of(cls, octets)
        inner = LayerNodes(octets, self._base + start)
        first = inner.of_fields(trace.layers[0], len(octets) if len(trace.layers) == 1 else trace.layers[1].start)
        rest = [inner.undecoded(one.start, len(octets), "more than the snapshot has") for one in trace.layers[1:]]
        node = self._node("snapshot_payload", start, stop, None, cls.__name__, *first, *rest)
        return replace(node, problem=problem)

    def _value(self, fld: Any, start: int, stop: int, value: Any) -> Node:
        text = _characters(value) if isinstance(value, bytes) else _value_text(fld, value)
        return self._node(fld.name, start, stop, value, text)

    def _elements(self, fld: ListOf, start: int, elements: Sequence[Any]) -> Iterator[Node]:
        """The elements of a list with a count before it."""
        size = fld.field.sz
        for at, element in enumerate(elements):
            place = start + at * size
            if isinstance(element, Walked):
                yield self._record_layer(element, place + size)
            else:
                yield self._value(fld.field, place, place + size, element)

    def _records(self, fld: RecordsToEnd, start: int, stop: int) -> Iterator[Node]:
        """The records of a list that goes up to the end."""
        at = start
        while at < stop:
            if isinstance(fld, LayersToEnd):
                record = read(fld.layer, self._octets, at, stop)
                if record.problem is None:
                    at = record.stop
                    yield self._record_layer(record, at)
                    continue
                yield self.undecoded(at, stop, str(record.problem))
                return
            try:
                record, left = fld.unpack(self._octets[at:stop])
            except MalformedError as error:
                yield self.undecoded(at, stop, str(error))
                return
            end = stop - len(left)
            yield self._record(fld.name, record, at, end)
            at = end

    def _record(self, of: str, record: Any, start: int, stop: int) -> Node:
        if isinstance(record, Undissected):
            return self.undecoded(start, stop, "a data type that is not known")
        if isinstance(record, AttributeRecord):
            return self._attribute(record, start, stop)
        if isinstance(record, int):
            text = (self._attribute_name(record) or "") if of == "attribute_ids" else ""
            return self._node(of.removesuffix("s"), start, stop, record, text)
        parts = {part.name: getattr(record, part.name) for part in fields(record)} if is_dataclass(record) else {}
        text = ", ".join(f"{name}={value}" for name, value in parts.items() if value is not None)
        return self._node(type(record).__name__, start, stop, self._octets[start:stop], text)

    def _record_layer(self, record: Walked, stop: int) -> Node:
        fields = self.of_fields(record, stop)
        return self._node(record.layer.__name__, record.start, stop, None, "", *fields)

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


@lru_cache(_MANY)
def _value_text(fld: Any, value: Any) -> str:
    """How a value reads; empty where the value says it all."""
    if fld.sz == 4 and fld.name.endswith("time"):
        return field_time_text(value)
    if fld.name == "event_id" and value in ALERTS:
        return ALERTS[value]
    text = str(fld.i2repr(None, value))
    return "" if text == str(value) else text


@cache
def _names(step: Step) -> str:
    return ", ".join(bits.field.name for bits in step.bits)


@lru_cache(_MANY)
def _bits_text(step: Step, octet: int) -> str:
    """The fields that share an octet, and their values."""
    shown = ((fld, octet >> shift & mask) for fld, shift, mask in step.bits)
    return ", ".join(f"{fld.name}={fld.i2repr(None, value)}" for fld, value in shown)


@lru_cache(_MANY)
def _enumerated(codes: Any, number: int) -> str:
    return codes(number).name if number in frozenset(codes) else "unknown"


def _characters(octets: bytes) -> str:
    """Octets as text, if they look like text."""
    return octets.decode("ascii") if octets.isascii() and octets.decode("ascii").isprintable() else ""
