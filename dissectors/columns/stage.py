"""Stages: sorting frames into layouts, and reading the fields of all frames of a layout at once.

A frame is sorted by its first 16 bits through a table, which leaves a few candidate layouts; their further guards are
compared as masked words, the most frequent candidate first. Dissection is deterministic, so at most one layout fits and
the order is a matter of speed only. A frame that nothing fits is a specimen for a new layout, up to `LAYOUT_CAP` of
them; beyond it stays *loose*: counted, and left to Scapy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.columns.layout import Layout, Slot
from hanscope.dissectors.columns.rows import Index, Octets, distinct, numbers, rows

LAYOUT_CAP: Final = 1024
"""Layouts a stage keeps. Real networks need some dozens; hostile ones could make any number."""

MOST_SETS: Final = 60_000
"""Candidate sets that are kept between batches."""
UNASKED: Final = -1
_EVERY: Final = np.arange(65536, dtype=np.uint16)

Recorder = Callable[[bytes], Layout | None]
_HITS: Final = attrgetter("hits")


class _Guard:
    """A layout as it is compared: the masked words behind the first 16 bits, and how often it fitted."""

    __slots__ = ("_words", "hits", "layout", "mask16", "value16")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.hits = 0
        self.mask16 = int.from_bytes(layout.mask[:2], "little")
        self.value16 = int.from_bytes(layout.value[:2], "little")
        self._words: list[tuple[int, int, int, int]] | None = None

    @property
    def words(self) -> list[tuple[int, int, int, int]]:
        """(octet, size 1 or 8, mask, value). Of many known layouts a capture asks few for them."""
        if self._words is None:
            self._words = _masked_words(self.layout.mask, self.layout.value)
        return self._words

    def fits_length(self, length: Index) -> NDArray[np.bool_]:
        return length == self.layout.least if self.layout.exact else length >= self.layout.least

    def fits(self, buffer: Octets, at: Index, length: Index, *, head: bool) -> NDArray[np.bool_]:
        """Which frames are of this kind; `head`: the first 16 bits are compared too."""
        ok = self.fits_length(length)
        if head and self.mask16:
            ok &= (_words(buffer, at, 2) & np.uint16(self.mask16)) == np.uint16(self.value16)
        for octet, size, mask, value in self.words:
            kind = np.uint8 if size == 1 else np.uint64
            ok &= (_words(buffer, at + octet, size) & kind(mask)) == kind(value)
        return ok


def _masked_words(mask: bytes, value: bytes) -> list[tuple[int, int, int, int]]:
    words: list[tuple[int, int, int, int]] = []
    at = 2
    while at < len(mask):
        if not mask[at]:
            at += 1
        elif any(mask[at + 1 : at + 8]):
            part, wanted = mask[at : at + 8].ljust(8, b"\0"), value[at : at + 8].ljust(8, b"\0")
            words.append((at, 8, int.from_bytes(part, "little"), int.from_bytes(wanted, "little")))
            at += 8
        else:
            words.append((at, 1, mask[at], value[at]))
            at += 1
    return words


def _words(buffer: Octets, at: Index, size: int) -> NDArray[Any]:
    """Unsigned little-endian integers of 1, 2 or 8 octets at the positions."""
    if size == 1:
        return buffer[at]
    view = np.ndarray((max(len(buffer) - size + 1, 0),), f"<u{size}", buffer, strides=(1,))
    return view[at]


class Group(msgspec.Struct):
    """Frames of one layout."""

    layout: Layout
    index: Index
    """Which rows of the stage's input they are."""
    at: Index
    length: Index
    buffer: Octets
    _rows: Octets | None = None

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: NDArray[np.intp]) -> Group:
        """Some of the frames."""
        return Group(self.layout, self.index[which], self.at[which], self.length[which], self.buffer)

    def rows(self, width: int) -> Octets:
        """The first `width` octets of each frame, (n, width); octets behind a frame's end are arbitrary."""
        if self._rows is None or self._rows.shape[1] < width:
            reach = max(
                (slot.start + slot.size for slot in self.layout.slots.values() if slot.kind == "uint"), default=8
            )
            self._rows = rows(self.buffer, self.at, -(-max(width, reach) // 8) * 8)
        return self._rows

    def uint(self, name: str) -> NDArray[Any]:
        """A number field of every frame; its dtype is as wide as the field is. `KeyError` if the layout has none."""
        slot = self.layout.slots[name]
        if slot.kind != "uint":
            raise KeyError(name)
        if slot.start < 0:
            table = rows(self.buffer, self.at + self.length + slot.start, slot.size)
            column = numbers(table, 0, slot.size, little=slot.little)
        else:
            column = numbers(self.rows(slot.start + slot.size), slot.start, slot.size, little=slot.little)
        if slot.bits:
            column = (column >> slot.shift) & ((1 << slot.bits) - 1)
        return column

    def octets(self, name: str) -> Octets:
        """A field of fixed width as (n, width) octets."""
        slot = self.layout.slots[name]
        if slot.kind != "octets":
            raise KeyError(name)
        start = self.at + slot.start if slot.start >= 0 else self.at + self.length + slot.start
        return rows(self.buffer, start, slot.size)

    def extent(self, name: str) -> tuple[Index, Index]:
        """Where a field lies in the buffer, and its length, for every frame; for fields that reach to the end."""
        slot = self.layout.slots[name]
        start = self.at + slot.start
        if slot.kind == "rest":
            return start, self.length - slot.start - slot.size
        return start, np.full(len(self), slot.size, np.int64)


class Frames(NamedTuple):
    """Where frames lie in a buffer, and which rows of the caller's they are."""

    row: Index
    at: Index
    length: Index

    def take(self, which: NDArray[np.intp] | slice) -> Frames:
        """Some of the frames."""
        return Frames(self.row[which], self.at[which], self.length[which])


class Sifted(msgspec.Struct):
    """The frames of a stage's input, sorted by layout."""

    buffer: Octets
    at: Index
    length: Index
    groups: list[Group]
    loose: Index
    """Rows that no layout fits: left to Scapy."""

    def __len__(self) -> int:
        return len(self.at)

    def with_slot(self, name: str, kind: str = "uint") -> Iterator[Group]:
        for group in self.groups:
            slot: Slot | None = group.layout.slots.get(name)
            if slot is not None and slot.kind == kind:
                yield group

    def column(self, name: str, absent: int = -1) -> NDArray[np.int64]:
        """A number field over all rows, `absent` where a frame has no such field.

        Fields of 8 octets wrap into the sign; use `wide` for them.
        """
        out = np.full(len(self), absent, np.int64)
        for group in self.with_slot(name):
            out[group.index] = group.uint(name)
        return out

    def wide(self, name: str) -> NDArray[np.uint64]:
        """As `column`, for 8-octet fields: uint64, 0 where absent."""
        out = np.zeros(len(self), np.uint64)
        for group in self.with_slot(name):
            out[group.index] = group.uint(name)
        return out


class Stage:
    """One stage of the engine and the layouts it knows."""

    def __init__(self, name: str, recorder: Recorder, known: Iterable[Layout] = ()) -> None:
        self.name = name
        self.learned: list[Layout] = []
        """Layouts recorded by this object, as opposed to given as known."""
        self._recorder = recorder
        self._guards = [_Guard(layout) for layout in known]
        self._sets: list[list[_Guard]] = []
        """Candidates that some first 16 bits leave."""
        self._set_of: dict[tuple[int, ...], int] = {}
        self._table = np.full(65536, UNASKED, np.int32)
        """Which set the first 16 bits of a frame leave; filled in as they turn up."""

    @property
    def layouts(self) -> list[Layout]:
        """Every known layout, the most used first."""
        return [guard.layout for guard in sorted(self._guards, key=_HITS, reverse=True)]

    def know(self, layouts: Iterable[Layout]) -> None:
        """Takes over layouts that another object of the same stage recorded."""
        mine = {(guard.layout.mask, guard.layout.value, guard.layout.least) for guard in self._guards}
        for layout in layouts:
            if (layout.mask, layout.value, layout.least) not in mine and len(self._guards) < LAYOUT_CAP:
                self.learned.append(layout)
                self._add(_Guard(layout))

    def _add(self, guard: _Guard) -> None:
        self._guards.append(guard)
        self._table[(_EVERY & np.uint16(guard.mask16)) == np.uint16(guard.value16)] = UNASKED

    def _kinds(self, head: NDArray[np.uint16]) -> NDArray[Any]:
        """The number of the candidate set of each frame, by its first 16 bits; 16 bits wide, which sort fastest."""
        kinds = self._table[head]
        if (kinds == UNASKED).any():
            for bits in distinct(head[kinds == UNASKED]).tolist():
                fitting = [guard for guard in self._guards if bits & guard.mask16 == guard.value16]
                known = self._set_of.setdefault(tuple(map(id, fitting)), len(self._sets))
                if known == len(self._sets):
                    self._sets.append(fitting)
                self._table[bits] = known
            kinds = self._table[head]
        return kinds.astype(np.uint16) if len(self._sets) <= 65536 else kinds

    def _trim(self) -> None:
        """Between batches: at the cap the rarest three quarters go, so that new kinds find room again."""
        if len(self._guards) >= LAYOUT_CAP:
            self._guards = sorted(self._guards, key=_HITS, reverse=True)[: LAYOUT_CAP // 4]
        elif len(self._sets) < MOST_SETS:
            return
        self._sets, self._set_of = [], {}
        self._table[:] = UNASKED

    def sift(self, buffer: Octets, at: Index, length: Index) -> Sifted:
        """Sorts frames; `buffer` reaches `rows.SLACK` octets behind each."""
        self._trim()
        members: dict[int, tuple[_Guard, list[Frames]]] = {}
        loose: list[Index] = []
        fresh: list[_Guard] = []
        kinds = self._kinds(_words(buffer, at, 2))
        order = np.argsort(kinds, kind="stable")
        if int(length.min(initial=2)) < 2:
            loose.append(np.flatnonzero(length < 2))
            order = order[length[order] >= 2]
        kinds, frames = kinds.take(order), Frames(order, at.take(order), length.take(order))
        for start, stop in pairwise([0, *(np.flatnonzero(kinds[1:] != kinds[:-1]) + 1).tolist(), len(kinds)]):
            rest = frames.take(slice(start, stop))
            if not len(rest.row):
                break
            candidates = self._sets[kinds[start]]
            candidates.sort(key=_HITS, reverse=True)
            for head, guards in ((False, candidates), (True, fresh)):
                for guard in guards:
                    if not len(rest.row):
                        break
                    rest = self._claim(guard, buffer, rest, members, head=head)
            while len(rest.row):
                guard = self._learn(buffer, rest)
                if guard is None:
                    loose.append(rest.row if len(self._guards) >= LAYOUT_CAP else rest.row[:1])
                    rest = rest.take(slice(len(loose[-1]), None))
                    continue
                fresh.append(guard)
                rest = self._claim(guard, buffer, rest, members, head=True)
        groups = [_group(guard, parts, buffer) for guard, parts in members.values()]
        return Sifted(buffer, at, length, groups, np.concatenate(loose) if loose else np.zeros(0, np.int64))

    @staticmethod
    def _claim(
        guard: _Guard, buffer: Octets, rest: Frames, members: dict[int, tuple[_Guard, list[Frames]]], *, head: bool
    ) -> Frames:
        """Puts the frames of `rest` that fit into their group; returns the others."""
        ok = guard.fits(buffer, rest.at, rest.length, head=head)
        count = int(np.count_nonzero(ok))
        if not count:
            return rest
        mine, others = rest, rest.take(slice(0))
        if count < len(ok):
            mine, others = rest.take(np.flatnonzero(ok)), rest.take(np.flatnonzero(~ok))
        guard.hits += count
        members.setdefault(id(guard), (guard, []))[1].append(mine)
        return others

    def _learn(self, buffer: Octets, rest: Frames) -> _Guard | None:
        """The layout of the first of these frames."""
        if len(self._guards) >= LAYOUT_CAP:
            return None
        one = rest.take(slice(1))
        octets = buffer[one.at[0] : one.at[0] + one.length[0]].tobytes()
        layout = self._recorder(octets)
        if layout is None:
            return None
        guard = _Guard(layout)
        if not guard.fits(buffer, one.at, one.length, head=True)[0]:
            raise AssertionError(f"{self.name}: a layout does not fit its own specimen {octets.hex()}")
        self.learned.append(layout)
        self._add(guard)
        return guard


def _group(guard: _Guard, parts: list[Frames], buffer: Octets) -> Group:
    row, at, length = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    return Group(guard.layout, row, at, length, buffer)
