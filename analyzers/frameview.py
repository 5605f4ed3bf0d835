"""One frame in full: every layer as a tree with the octets it lies in, down to what was encrypted, fragmented or
tunnelled; the keys that opened it; the message and the transfer that it is part of.

Here Scapy reads it: the frame is taken through the dissector once more, alone and with an engine that knows nothing, so
that no cap on kinds of frames applies.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from scapy.packet import Packet

from hanscope.analyzers.dissect import Dissector
from hanscope.analyzers.framefields import SECRET
from hanscope.analyzers.frames import FCS, MESSAGE, FrameReader, Frames, Passage, Sight, alone
from hanscope.analyzers.keys import KnownKey
from hanscope.analyzers.messages import part_of
from hanscope.analyzers.reassembly import Incomplete
from hanscope.analyzers.results import MessagePart, Result
from hanscope.captures.batch import Fcs
from hanscope.dissectors.columns.engine import Engine, entries
from hanscope.dissectors.fields import ListOf, cluster_of
from hanscope.dissectors.gbcs.layers import AttributeName, LayerNodes
from hanscope.dissectors.gbcs.walk import Bits, Part, Step, Walked
from hanscope.dissectors.layer import LayerTrace, MalformedError, Trace, Undissected, tracing
from hanscope.dissectors.zigbee.zcl import Zcl, attribute_name, of_server

ON_AIR: Final = "frame"
HIDDEN: Final = "**"
"""Stands for an octet of a key."""


class FrameError(ValueError):
    """There is no such frame; the message says so in one line."""


class FrameOctets(Result, frozen=True, kw_only=True):
    """Octets that layers lie in."""

    name: str
    """"frame", "opened NWK payload", "opened APS payload", "reassembled message"."""
    octets: str
    """Hexadecimal digits; `**` for each octet of a key, unless keys were asked for."""


class FrameLayer(Result, frozen=True, kw_only=True):
    """One layer of a frame."""

    layer: str
    octets: int
    """Which of `FrameView.octets` it lies in."""
    start: int
    stop: int
    fields: tuple[MessagePart, ...]


class FrameKey(Result, frozen=True, kw_only=True):
    """A key that opened a frame."""

    layer: Literal["NWK", "APS"]
    kind: str
    fingerprint: str
    source: str


class FrameReassembly(Result, frozen=True, kw_only=True):
    """The fragmented message that a frame is part of."""

    frames: tuple[int, ...]
    """That carried its fragments, each where it was heard first."""
    whole_in: int | None
    """The frame with which it was whole; `None`: it never was."""
    fragments: int | None
    """How many it has; `None`: the first is missing, which tells."""


class FrameView(Result, frozen=True, kw_only=True):
    """Everything about one frame."""

    schema: Literal["hanscope.frame/1"] = "hanscope.frame/1"
    number: int
    time: int
    """Unix nanoseconds."""
    length: int
    """Octets without FCS."""
    fcs: Literal["valid", "invalid", "not captured"]
    channel: int | None
    rssi_dbm: float | None
    lqi: int | None
    octets: tuple[FrameOctets, ...]
    layers: tuple[FrameLayer, ...]
    keys: tuple[FrameKey, ...]
    shut: tuple[str, ...]
    """Why it, or a part of it, stayed shut."""
    reassembly: FrameReassembly | None
    transfers: tuple[str, ...]
    """`Transfer.id` of the transfers it belongs to."""
    problems: tuple[str, ...]


def view(reader: FrameReader, number: int, *, show_keys: bool = False) -> FrameView:
    """One frame. Raises `FrameError` if there is no 802.15.4 frame with this number."""
    incomplete: list[Incomplete] = []
    seen: _Seen | None = None
    message: _Message | None = None
    last = 0
    for passage in reader.passages(incomplete.append):
        numbers = passage.batch.number
        last = int(numbers[-1]) if len(numbers) else last
        row = int(np.searchsorted(numbers, number))
        if row < len(numbers) and numbers[row] == number:
            seen = _Seen.of(passage, row, reader)
        message = message or _message(passage, number)
    if seen is None:
        raise FrameError(f"there is no IEEE 802.15.4 frame {number:,}; the last one is {last:,}")
    stages = list(seen.stages)
    if message is not None:
        stages.append(_Stage(MESSAGE, message.octets))
    trees = _Trees(show_keys=show_keys)
    for stage in stages:
        trees.add(stage)
    return FrameView(
        number=number,
        time=seen.time_ns,
        length=len(seen.octets),
        fcs=seen.fcs,
        channel=seen.channel,
        rssi_dbm=seen.rssi_dbm,
        lqi=seen.lqi,
        octets=tuple(trees.octets(seen.octets)),
        layers=tuple(trees.layers),
        keys=seen.keys,
        shut=seen.shut,
        reassembly=_reassembly(message, incomplete, number),
        transfers=seen.transfers,
        problems=(*seen.problems, *trees.problems),
    )


class _Stage(NamedTuple):
    """What a stage of the dissector got."""

    name: str
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the dissector says about one frame."""

    octets: bytes
    time_ns: int
    fcs: Literal["valid", "invalid", "not captured"]
    channel: int | None
    rssi_dbm: float | None
    lqi: int | None
    stages: tuple[_Stage, ...]
    keys: tuple[FrameKey, ...]
    shut: tuple[str, ...]
    transfers: tuple[str, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, passage: Passage, row: int, reader: FrameReader) -> "_Seen":
        batch = alone(passage.batch, row)
        sight = Sight()
        Dissector(Engine(), reader.ring, passage.dissector.addresses, sight).dissect(batch)
        table = Frames(batch, sight, 0, reader.ring, reader.analysis.transfers, None)
        transfer, fcs = table.column("transfer").values[0], int(passage.batch.fcs[row])
        problems = [
            "the FCS is wrong: what follows was read from damaged octets" if fcs == Fcs.INVALID else "",
            "the capture holds only the beginning of the frame" if batch.truncated[0] else "",
        ]
        return cls(
            octets=batch.frame(0),
            time_ns=int(batch.time_ns[0]),
            fcs=FCS[Fcs(fcs)],
            channel=_known(int(batch.channel[0])),
            rssi_dbm=None if np.isnan(batch.rssi_dbm[0]) else float(batch.rssi_dbm[0]),
            lqi=_known(int(batch.lqi[0])),
            stages=tuple(_stages(sight)),
            keys=tuple(_key(key, nwk=nwk) for key, _, nwk in sight.keys),
            shut=tuple(why for _, why in sight.shut_because(reader.ring)),
            transfers=tuple(transfer.split()),
            problems=tuple(filter(None, problems)),
        )


def _known(number: int) -> int | None:
    return number if number >= 0 else None


def _stages(sight: Sight) -> Iterator[_Stage]:
    for name, sifted, _ in sight.sifts:
        if len(sifted):
            at, length = int(sifted.at[0]), int(sifted.length[0])
            yield _Stage(name, sifted.buffer[at : at + length].tobytes())


def _key(key: KnownKey, *, nwk: bool) -> FrameKey:
    return FrameKey(layer="NWK" if nwk else "APS", kind=key.kind, fingerprint=key.fingerprint, source=key.source)


class _Message(NamedTuple):
    """A message that was put together from fragments."""

    frames: tuple[int, ...]
    whole_in: int
    octets: bytes


def _message(passage: Passage, number: int) -> _Message | None:
    """The message that a frame carried a fragment of, if it became whole in this batch."""
    messages = passage.messages
    if messages is not None:
        for row, carried in enumerate(messages.frames):
            if number in carried:
                at, length = int(messages.at[row]), int(messages.length[row])
                whole_in = int(messages.context.number[row])
                return _Message(carried, whole_in, messages.buffer[at : at + length].tobytes())
    return None


def _reassembly(message: _Message | None, incomplete: list[Incomplete], number: int) -> FrameReassembly | None:
    if message is not None:
        return FrameReassembly(frames=message.frames, whole_in=message.whole_in, fragments=len(message.frames))
    for one in incomplete:
        if number in one.frames.values():
            return FrameReassembly(frames=tuple(sorted(one.frames.values())), whole_in=None, fragments=one.total)
    return None


@dataclass(slots=True)
class _Source:
    """Octets that layers lie in, while they are collected."""

    name: str
    octets: bytes
    secret: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


class _Trees:
    """Makes the trees of the layers, stage by stage."""

    def __init__(self, *, show_keys: bool) -> None:
        self.layers: list[FrameLayer] = []
        self.problems: list[str] = []
        self._show_keys = show_keys
        self._sources: list[_Source] = []

    def octets(self, whole: bytes) -> Iterator[FrameOctets]:
        for source in self._sources or [_Source(ON_AIR, whole)]:
            digits = [f"{octet:02x}" for octet in source.octets]
            for start, stop in source.secret:
                digits[start:stop] = [HIDDEN] * (stop - start)
            yield FrameOctets(name=source.name, octets="".join(digits))

    def add(self, stage: _Stage) -> None:
        """The layers of a stage, in the place of what they were opened or put together from."""
        traced = _traced(stage)
        layers, octets = traced.layers, stage.octets
        starts = [one.start for one in layers]
        stops = [*starts[1:], len(octets)]
        if traced.next_stage is not None:
            layers = layers[:-1]
        base = self._based(stage, stops[0] if stops else 0)
        for place, one in enumerate(layers):
            if place or stage.name not in {"OpenedAps", MESSAGE}:  # whose header is there already
                self._layer(one, octets, stops[place], base)
        if not layers:
            self.problems.append(f"{len(octets)} octets are too short for the {stage.name} stage")

    def _based(self, stage: _Stage, header: int) -> int:
        """Finds or makes the octets that a stage lies in; returns where in them its first octet is."""
        opened = bool(self.layers) and self.layers[-1].layer == "SecuredPayload"
        if stage.name == "Mac":
            self._sources.append(_Source(ON_AIR, stage.octets))
            return 0
        if stage.name in {"OpenedAps", MESSAGE}:
            name = "opened APS payload" if stage.name == "OpenedAps" else "reassembled message"
            self._sources.append(_Source(name, stage.octets[header:]))
            return -header
        if opened:
            self._sources.append(_Source("opened NWK payload", stage.octets))
            return 0
        return len(self._sources[-1].octets) - len(stage.octets)

    def _layer(self, traced: LayerTrace, octets: bytes, stop: int, base: int) -> None:
        layer, name = traced.layer, type(traced.layer).__name__
        nodes = LayerNodes(octets, base, _namer(layer)).of_fields(_walked(traced, octets), stop)
        parts = [part_of(node) for node in nodes]
        if not self._show_keys:
            parts = [self._without_key(name, part) for part in parts]
        self.layers.append(
            FrameLayer(
                layer=name,
                octets=len(self._sources) - 1,
                start=base + traced.start,
                stop=base + stop,
                fields=tuple(parts),
            )
        )
        if traced.failed:
            self.problems.append(f"the frame ends inside {name}")
        if isinstance(layer, Undissected) and stop > traced.start:
            self.problems.append(f"no layer claims the last {stop - traced.start} octets")

    def _without_key(self, layer: str, part: MessagePart) -> MessagePart:
        if f"{layer}.{part.name}" not in SECRET or not isinstance(part.value, str):
            return part
        self._sources[-1].secret.append((part.start, part.stop))
        fingerprint = KnownKey("link", bytes.fromhex(part.value), "").fingerprint
        return MessagePart(part.name, part.start, part.stop, None, f"(key {fingerprint})")


def _traced(stage: _Stage) -> Trace:
    """How Scapy reads what a stage got, up to where the next stage begins."""
    classes = entries()
    trace = Trace(len(stage.octets), tuple(classes.values()))
    with tracing(trace), suppress(MalformedError):  # the trace says where
        classes.get(stage.name, classes["Aps"])(stage.octets)
    return trace


def _walked(traced: LayerTrace, octets: bytes) -> Walked:
    """A layer that Scapy dissected as one that was walked, which is what nodes are made of."""
    layer: Any = traced.layer
    parts: list[Part] = []
    bits: list[Bits] = []
    stop = traced.start
    for name, span in traced.spans.items():
        stop = span.stop
        if span.bits is None:
            step = Step(span.field)
            is_list = isinstance(span.field, ListOf)
            value = step.value(layer, octets, span.start, stop) if is_list else layer.fields[name]
            parts.append(Part(step, span.start, stop, value))
            continue
        shift, width = span.bits
        bits.append(Bits(span.field, shift, (1 << width) - 1))
        if shift == 0:  # down to the least significant bit
            step = Step(bits[0].field)
            step.bits, bits = bits, []
            parts.append(Part(step, span.start, stop, octets[span.start]))
    return Walked(type(layer), layer, traced.start, stop, parts, None)


def _namer(layer: Packet) -> AttributeName:
    """What the cluster of a ZCL command calls attributes."""
    zcl: Any = layer.underlayer
    if not isinstance(zcl, Zcl) or zcl.manufacturer_specific:
        return lambda _: None
    cluster, server = cluster_of(zcl), of_server(zcl)
    return lambda attribute_id: attribute_name(cluster, attribute_id, of_server=server)
