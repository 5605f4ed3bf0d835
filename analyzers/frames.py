"""Every frame of a capture, one row each: its layers, any field of them, which keys opened it or why it stayed shut.

A capture is read whole first (`hanscope.analyzers.analysis`), so that keys and addresses that it tells late are known
from the first frame on; then batch by batch once more, with somebody looking over the dissector's shoulder.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers import layoutcache
from hanscope.analyzers.addresses import AddressBook
from hanscope.analyzers.analysis import AnalysisRun, analyze
from hanscope.analyzers.dissect import Dissector
from hanscope.analyzers.filters import Column
from hanscope.analyzers.framefields import (
    COMPUTED,
    SECRET,
    describe,
    field_of,
    fields_of,
    is_short_address,
    kind_of,
    number_in,
    slots_of,
    value_text,
)
from hanscope.analyzers.inputs import Progress, Readable
from hanscope.analyzers.keys import KeyRing, KnownKey
from hanscope.analyzers.opening import Reason
from hanscope.analyzers.reassembly import Incomplete, Messages, Reassembler
from hanscope.analyzers.results import Analysis, Transfer
from hanscope.captures.batch import CaptureError, Fcs, FrameBatch
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import Decisions, decide, frames
from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.columns.layout import Layout, Slot
from hanscope.dissectors.columns.rows import Index, distinct
from hanscope.dissectors.columns.stage import Group, Sifted
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.fields import RecordsToEnd
from hanscope.dissectors.zigbee.zcl import AttributeRecord, attribute_name, of_server

MESSAGE: Final = "Message"
"""The stage of APS frames that were put together from fragments; it follows those of `Observer.sifted`."""
MOST_RECORDS: Final = 8
"""Elements of a list that `info` shows."""
LONGEST_OCTETS: Final = 16
"""Octets that `info` shows; of more it tells the number."""
_LARGEST_COUNT: Final = 1 << 32
"""Larger attribute values may be addresses."""
FCS: Final[dict[Fcs, Literal["valid", "invalid", "not captured"]]] = {
    Fcs.INVALID: "invalid",
    Fcs.VALID: "valid",
    Fcs.NOT_CAPTURED: "not captured",
}


@dataclass(slots=True)
class Sight:
    """What an observer saw of one batch; see `hanscope.analyzers.dissect.Observer`."""

    sifts: list[tuple[str, Sifted, Index]] = field(default_factory=list[tuple[str, Sifted, Index]])
    """Stage, frames, frame number of each row."""
    keys: list[tuple[KnownKey, Index, bool]] = field(default_factory=list[tuple[KnownKey, Index, bool]])
    """Key, frames that it opened, whether at the NWK layer."""
    reasons: list[tuple[str, Index, NDArray[Any]]] = field(default_factory=list[tuple[str, Index, NDArray[Any]]])
    """Layer, frames, `Reason` of each."""

    def begin(self, batch: FrameBatch) -> None:  # noqa: ARG002 -- as the protocol has it
        self.sifts, self.keys, self.reasons = [], [], []

    def sifted(self, stage: str, sifted: Sifted, number: Index) -> None:
        self.sifts.append((stage, sifted, number))

    def opened(self, key: KnownKey, number: Index, *, nwk: bool) -> None:
        self.keys.append((key, number, nwk))

    def shut(self, layer: str, number: Index, reason: NDArray[np.uint8] | NDArray[np.int64]) -> None:
        self.reasons.append((layer, number, reason))

    def shut_because(self, ring: KeyRing) -> Iterator[tuple[Index, str]]:
        """Frames that stayed shut, by reason in words."""
        for layer, number, reason in self.reasons:
            keys = len(ring.network if layer == "NWK" else ring.link)
            for code in distinct(reason[reason != Reason.OPENED]):
                yield number[reason == code], f"{layer}: {Reason(int(code)).text(keys)}"


@dataclass(frozen=True, slots=True)
class Passage:
    """One batch on its way through the dissector."""

    batch: FrameBatch
    sight: Sight
    dissector: Dissector
    messages: Messages | None
    """Put together from fragments, the last of which is in this batch."""


class FrameReader:
    """The frames of one capture, read with everything that the whole of it teaches; made by `open_frames`."""

    def __init__(self, path: str, run: AnalysisRun) -> None:
        self.analysis: Analysis = run.analysis
        self.ring = run.ring
        self._path = path
        self._sightings = run.sightings

    def tables(self, *, octets: bool = True) -> Iterator[Frames]:
        """The frames, in batches, in capture order; without `octets` they only tell how many octets there were where
        fields have no other value. Raises `CaptureError`.
        """
        origin: int | None = None
        for passage in self.passages():
            if origin is None and len(passage.batch):
                origin = int(passage.batch.time_ns[0])
            yield Frames(
                passage.batch,
                passage.sight,
                origin or 0,
                self.ring,
                self.analysis.transfers,
                passage.messages,
                octets=octets,
            )

    def passages(self, given_up: Callable[[Incomplete], None] | None = None) -> Iterator[Passage]:
        """The batches; `given_up` gets the sets of fragments that stayed incomplete."""
        engine = Engine(layoutcache.load())
        book = AddressBook()
        book.tell(self._sightings)
        reassembler = Reassembler(given_up)
        decisions: Decisions = {}
        sight = Sight()
        dissector = Dissector(engine, self.ring, book, sight)
        with open_capture(self._path) as capture:
            for records in capture:
                decisions = decide(records, capture.interfaces, decisions)
                batch = frames(records, decisions)
                found = dissector.dissect(batch)
                messages = None if found.fragments is None else reassembler.feed(found.fragments)
                if messages is not None:
                    sifted = engine.aps.sift(messages.buffer, messages.at, messages.length)
                    sight.sifted(MESSAGE, sifted, messages.context.number)
                yield Passage(batch, replace(sight), dissector, messages)  # the next batch begins with new lists
        reassembler.finish()


@contextmanager
def open_frames(
    path: str,
    *,
    keys: KeyRing,
    progress: Callable[[Progress], None] | None = None,
    processes: int | None = None,
) -> Generator[FrameReader]:
    """A capture (`-`: standard input), analyzed, for reading its frames. Raises `CaptureError`."""
    with Readable(path) as readable:
        try:
            run = analyze([readable.path], keys=keys, progress=progress, processes=processes)
        except CaptureError as error:
            raise CaptureError(str(error).replace(readable.path, readable.shown)) from None
        yield FrameReader(readable.path, run)


def alone(batch: FrameBatch, row: int) -> FrameBatch:
    """One frame of a batch as a batch of its own, to be read even if its FCS is wrong."""
    one = slice(row, row + 1)
    columns = {
        name: getattr(batch, name)[one] for name in batch.__struct_fields__ if name not in {"buffer", "other_frames"}
    }
    if columns["fcs"][0] == Fcs.INVALID:
        columns["fcs"] = np.array([Fcs.NOT_CAPTURED], np.uint8)
    return msgspec.structs.replace(batch, other_frames=0, **columns)


@dataclass(frozen=True, slots=True)
class _Place:
    """A group of one stage, and the rows of the table that its frames have."""

    stage: str
    group: Group
    rows: Index


class Frames:
    """The frames of one batch, as columns (a `filters.Table`)."""

    def __init__(
        self,
        batch: FrameBatch,
        sight: Sight,
        origin_ns: int,
        ring: KeyRing,
        transfers: Sequence[Transfer],
        messages: Messages | None,
        *,
        octets: bool = True,
    ) -> None:
        self._batch = batch
        self._octets = octets
        self._sight = sight
        self._origin_ns = origin_ns
        self._ring = ring
        self._transfers = transfers
        self._messages = messages
        self._columns: dict[str, Column] = {}
        self._places: list[_Place] = []
        self._layers = _LayerNames(len(batch))
        for stage, sifted, number in sight.sifts:
            rows = self._rows(number)
            for group in sifted.groups:
                self._places.append(_Place(stage, group, rows[group.index]))
                self._layers.add(stage, group.layout, rows[group.index])
            short = sifted.length[sifted.loose] < 2
            self._layers.end(rows[sifted.loose[short]], "Malformed")
            self._layers.end(rows[sifted.loose[~short]], "Unsorted")

    def __len__(self) -> int:
        return len(self._batch)

    def _rows(self, number: Index) -> Index:
        return np.searchsorted(self._batch.number, number).astype(np.int64)

    def column(self, name: str) -> Column:
        """A field by its name (`framefields`). Raises `FilterError` if there is none of this name."""
        if name not in self._columns:
            describe(name)
            self._columns[name] = self._computed(name) if name in COMPUTED else self._field(slots_of(name))
        return self._columns[name]

    def short_addresses(self) -> set[int]:
        """Of the devices that these frames speak of."""
        return {
            address
            for place in self._places
            for name, slot in place.group.layout.slots.items()
            if slot.kind == "uint" and is_short_address(name)
            for address in distinct(place.group.uint(name)).tolist()
        }

    # What is computed.

    def _computed(self, name: str) -> Column:
        batch = self._batch
        made: dict[str, Callable[[], Column]] = {
            "number": lambda: self._every(batch.number),
            "length": lambda: self._every(batch.length),
            "time": lambda: self._every(batch.time_ns),
            "elapsed": lambda: self._every((batch.time_ns - self._origin_ns) / 1e9),
            "channel": lambda: Column(batch.channel, batch.channel >= 0),
            "lqi": lambda: Column(batch.lqi, batch.lqi >= 0),
            "rssi_dbm": lambda: Column(batch.rssi_dbm, ~np.isnan(batch.rssi_dbm)),
            "fcs": lambda: _texts([FCS[Fcs(code)] for code in batch.fcs.tolist()]),
            "source": lambda: self._end("source"),
            "destination": lambda: self._end("destination"),
            "layers": self._layers.column,
            "layer": self._layers.innermost,
            "info": self._info,
            "malformed": self._malformed,
            "nwk.key": lambda: self._opened(nwk=True),
            "aps.key": lambda: self._opened(nwk=False),
            "key": self._keys,
            "shut": self._shut,
            "fragments": self._fragments,
            "transfer": self._transfer,
        }
        return made[name]()

    def _every(self, values: NDArray[Any]) -> Column:
        return Column(values, np.ones(len(self), np.bool_))

    def _keys(self) -> Column:
        both = zip(self.column("nwk.key").values, self.column("aps.key").values, strict=True)
        return _texts([" ".join(filter(None, pair)) for pair in both])

    def _end(self, side: str) -> Column:
        """Where a frame comes from or goes to in the network, or else on its hop."""
        out = [""] * len(self)
        for name in (f"nwk.{side}", f"mac.{side}", f"mac.{side}_eui64"):
            values, there = self.column(name)
            text = eui64_text if name.endswith("eui64") else "0x{:04x}".format
            for row in np.flatnonzero(there):
                out[row] = out[row] or text(int(values[row]))
        return _texts(out)

    def _malformed(self) -> Column:
        out = [""] * len(self)
        for place in self._places:
            if place.group.layout.malformed:
                for row in place.rows:
                    out[row] = place.group.layout.malformed
        return _texts(out)

    def _opened(self, *, nwk: bool) -> Column:
        out = [""] * len(self)
        for key, number, at_nwk in self._sight.keys:
            if at_nwk == nwk:
                for row in self._rows(number):
                    out[row] = key.fingerprint
        return _texts(out)

    def _shut(self) -> Column:
        out = [""] * len(self)
        for number, why in self._sight.shut_because(self._ring):
            for row in self._rows(number):
                out[row] = why
        return _texts(out)

    def _fragments(self) -> Column:
        out = [""] * len(self)
        if self._messages is not None:
            for row, carried in zip(self._rows(self._messages.context.number), self._messages.frames, strict=True):
                out[row] = " ".join(map(str, carried))
        return _texts(out)

    def _transfer(self) -> Column:
        out = [""] * len(self)
        for transfer in self._transfers:
            for row in np.flatnonzero(self._of_transfer(transfer)):
                out[row] = f"{out[row]} {transfer.id}".lstrip()
        return _texts(out)

    def _of_transfer(self, transfer: Transfer) -> NDArray[np.bool_]:
        """The frames of the OTA cluster that go between a transfer's two ends while it lasts, about its image."""
        number = self._batch.number
        mask = (number >= transfer.first_frame) & (number <= transfer.last_frame)
        if not mask.any():
            return mask
        ends = transfer.client.short, transfer.server.short
        source, destination = self.column("nwk.source"), self.column("nwk.destination")
        there_and_back = [(source.values == one) & (destination.values == other) for one, other in (ends, ends[::-1])]
        mask &= source.there & destination.there & (there_and_back[0] | there_and_back[1])
        for name, wanted, needed in (
            ("pan", transfer.pan_id, True),
            ("aps.cluster", Cluster.OTA_UPGRADE, True),
            ("ota.manufacturer_code", transfer.manufacturer_code, False),
            ("ota.image_type", transfer.image_type, False),
        ):
            values, there = self.column(name)
            mask &= (there & (values == wanted)) if needed else (~there | (values == wanted))
        return mask

    # The fields of the layers.

    def _field(self, slots: Sequence[str]) -> Column:
        """The first of several fields that a frame has."""
        there = np.zeros(len(self), np.bool_)
        parts: list[tuple[Index, NDArray[Any]]] = []
        for name in slots:
            for place in self._places:
                slot = place.group.layout.slots.get(name)
                fresh = np.flatnonzero(~there[place.rows]) if slot is not None else ()
                if slot is not None and len(fresh):
                    values = _slot_values(place.group, name, slot, octets=self._octets)
                    parts.append((place.rows[fresh], values[fresh]))
                    there[place.rows[fresh]] = True
        if any(values.dtype == object for _, values in parts):
            merged = np.full(len(self), "", object)
        else:
            signed = any(values.dtype.kind == "i" for _, values in parts)
            merged = np.zeros(len(self), np.int64 if signed else np.uint64)
        for rows, values in parts:
            merged[rows] = values
        return Column(merged, there)

    def _info(self) -> Column:
        """What the innermost layer says, in short."""
        innermost = np.full(len(self), -1, np.int64)
        for number, place in enumerate(self._places):
            innermost[place.rows] = number
        out = np.full(len(self), "", object)
        for number, place in enumerate(self._places):
            mine = np.flatnonzero(innermost[place.rows] == number)
            if len(mine):
                out[place.rows[mine]] = _told(place.group, mine, octets=self._octets)
        for column, lead in ((self.column("shut"), ""), (self.column("malformed"), "ends inside ")):
            rows = np.flatnonzero(column.there)
            out[rows] = [f"{lead}{text}" for text in column.values[rows]]
        out[self._layers.ending("Unsorted")] = "one of too many kinds of frames; `hanscope frame` reads it"
        out[self._batch.fcs == Fcs.INVALID] = "the FCS is wrong"
        return _texts(list(out))


class _LayerNames:
    """The layers of each frame, outermost first; frames with the same layers share one tuple."""

    def __init__(self, count: int) -> None:
        self._code = np.zeros(count, np.int64)
        self._names: list[tuple[str, ...]] = [()]
        self._codes: dict[tuple[str, ...], int] = {(): 0}

    def add(self, stage: str, layout: Layout, rows: Index) -> None:
        """What a stage found behind what the stages before it found."""
        layers = layout.layers + (("Malformed",) if layout.malformed else ())
        if stage in {"OpenedAps", MESSAGE}:  # their header is the one that is there already
            layers = layers[1:]
        self._extend(rows, layers, in_place=stage not in {"Mac", "Nwk"})

    def end(self, rows: Index, name: str) -> None:
        """Frames that could not be read any further."""
        self._extend(rows, (name,), in_place=False)

    def _extend(self, rows: Index, layers: tuple[str, ...], *, in_place: bool) -> None:
        before = self._code[rows]
        for code in distinct(before):
            names = self._names[code]
            if in_place and names and names[-1] in {"SecuredPayload", "Fragment"}:
                names = names[:-1]
            whole = names + layers
            if whole not in self._codes:
                self._codes[whole] = len(self._names)
                self._names.append(whole)
            self._code[rows[before == code]] = self._codes[whole]

    def column(self) -> Column:
        names = np.empty(len(self._names), object)
        names[:] = self._names
        return Column(names[self._code], self._code > 0)

    def innermost(self) -> Column:
        last = np.array([names[-1] if names else "" for names in self._names], object)
        return Column(last[self._code], self._code > 0)

    def ending(self, name: str) -> NDArray[np.bool_]:
        return np.array([names[-1:] == (name,) for names in self._names], np.bool_)[self._code]


def _texts(texts: Sequence[str]) -> Column:
    """A column of texts; an empty one is none."""
    values = np.empty(len(texts), object)
    values[:] = texts
    return Column(values, values != "")


def _octets_of(group: Group, name: str, which: NDArray[np.intp]) -> list[bytes]:
    """The octets of a field, in some frames of a group."""
    slot = group.layout.slots[name]
    at, length = group.at, group.length
    start = at + slot.start if slot.start >= 0 else at + length + slot.start
    size = length - slot.start - slot.size if slot.kind == "rest" else np.full(len(group), slot.size)
    return [group.buffer[start[one] : start[one] + size[one]].tobytes() for one in which]


def _slot_values(group: Group, name: str, slot: Slot, *, octets: bool) -> NDArray[Any]:
    """A field of a whole group: unsigned numbers, numbers with a sign, or texts."""
    if slot.kind == "uint":
        return group.uint(name).astype(np.uint64)
    every = np.arange(len(group))
    found = _octets_of(group, name, every)
    if slot.kind == "opaque" and kind_of(field_of(name)) == "number":
        numbers = [number_in(field_of(name), one) for one in found]
        return np.array([0 if one is None else one for one in numbers], np.int64)
    values = np.empty(len(group), object)
    values[:] = [_hidden(one) if name in SECRET else one.hex() if octets else _amount(one) for one in found]
    return values


def _hidden(key: bytes) -> str:
    return f"(key {KnownKey('link', key, '').fingerprint})"


# What a frame says, in short.

_HEADERS: Final = {
    "Mac": ("frame_type", "sequence_number"),
    "Nwk": ("frame_type", "sequence_number"),
    "Aps": ("frame_type", "counter", "cluster", "block_number", "ack_bitfield"),
    "Zcl": ("frame_type", "transaction_sequence_number", "command_identifier"),
}
"""Of these layers, where they are the innermost, only some fields are told."""


def _told(group: Group, which: NDArray[np.intp], *, octets: bool) -> list[str]:
    layout = group.layout
    layer = layout.layers[-1] if layout.layers else ""
    parts = [
        [f"{name}={text}" for text in _field_texts(group, f"{layer}.{name}", which, LONGEST_OCTETS if octets else 0)]
        for name in _HEADERS.get(layer, fields_of(layer))
        if f"{layer}.{name}" in layout.slots and _worth_telling(name)
    ]
    return [", ".join(row) for row in zip(*parts, strict=True)] if parts else [""] * len(which)


def _worth_telling(name: str) -> bool:
    return "reserved" not in name and not name.endswith("_present")


def _field_texts(group: Group, name: str, which: NDArray[np.intp], longest: int) -> list[str]:
    """`longest`: octets of a field that are shown; of a longer one only how many there are."""
    slot, fld = group.layout.slots[name], field_of(name)
    if slot.kind == "uint":
        values = group.uint(name)[which]
        told = {value: value_text(fld, value) for value in distinct(values).tolist()}
        return [told[value] for value in values.tolist()]
    octets = _octets_of(group, name, which)
    if name in SECRET:
        return [_hidden(one) for one in octets]
    if isinstance(fld, RecordsToEnd):
        namers = _namers(group, which)
        return [_records_text(fld, one, namer, longest) for one, namer in zip(octets, namers, strict=True)]
    if slot.kind == "opaque" and (numbers := [number_in(fld, one) for one in octets]) and None not in numbers:
        return [str(number) for number in numbers]
    nothing = "[]" if fld.islist else "(0 octets)"
    return [_octets_text(one, longest) if one else nothing for one in octets]


def _octets_text(octets: bytes, longest: int) -> str:
    return octets.hex() if len(octets) <= longest else _amount(octets)


def _amount(octets: bytes) -> str:
    return f"({len(octets)} octets)"


_Namer = Callable[[int], str | None]


def _namers(group: Group, which: NDArray[np.intp]) -> list[_Namer]:
    """For each frame, what its cluster calls attributes."""
    layout = group.layout
    if not layout.has("Zcl") or "Aps.cluster" not in layout.slots or "Zcl.manufacturer_code" in layout.slots:
        return [lambda _: None] * len(which)
    columns = [
        group.uint(name)[which].tolist() for name in ("Aps.cluster", "Zcl.server_to_client", "Zcl.command_identifier")
    ]
    return [_namer(*row) for row in zip(*columns, strict=True)]


def _namer(cluster: int, server_to_client: int, command: int) -> _Namer:
    header = SimpleNamespace(server_to_client=server_to_client, command_identifier=command)
    server = of_server(header)
    return lambda attribute_id: attribute_name(cluster, attribute_id, of_server=server)


def _records_text(fld: RecordsToEnd, octets: bytes, namer: _Namer, longest: int) -> str:
    records = fld.i2h(None, octets)
    told = [_record_text(record, namer, longest) for record in records[:MOST_RECORDS]]
    more = [f"and {len(records) - MOST_RECORDS} more"] if len(records) > MOST_RECORDS else []
    return "[" + ", ".join(told + more) + "]"


def _record_text(record: Any, namer: _Namer, longest: int) -> str:
    attribute_id = record if isinstance(record, int) else getattr(record, "attribute_id", None)
    if attribute_id is None:
        return type(record).__name__
    name = namer(attribute_id) or f"0x{attribute_id:04x}"
    if not isinstance(record, AttributeRecord):
        return name
    if record.data_type is None:
        return f"{name}: status 0x{record.status or 0:02x}"
    value = record.value
    if not longest and (not isinstance(value, int | float) or value >= _LARGEST_COUNT):
        return f"{name}=(left out)"  # a text or an address
    return f"{name}={value.hex() if isinstance(value, bytes) else value}"
