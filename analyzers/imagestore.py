"""Where image octets wait: one anonymous temporary file for all transfers of an analysis, so that memory stays flat.

Blocks come in as a log (`BLOCK` records in the order heard; their octets already lie in the file), and are put together
once, when nothing more can come: `assemble`. The first value heard of an octet is kept, a later one that differs is a
conflict. Only octets that are there take space, wherever a hostile file offset says that they belong.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import IO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.coverage import NOTHING, Intervals, Positions
from hanscope.dissectors.columns.rows import distinct, rows

Octets = NDArray[np.uint8]
BLOCK: Final = np.dtype(
    [
        ("row", "<i8"),  # place in the order of all messages
        ("frame", "<i8"),
        ("at", "<i8"),  # where its octets lie in the store
        ("offset", "<u4"),
        ("length", "<u2"),
        ("sequence", "u1"),  # ZCL
        ("copy", "?"),  # a message heard before (retry, relay): compared, not counted
    ]
)
CONFLICTS_LISTED: Final = 100
WINDOW: Final = 4 << 20
"""Octets of the store that are looked at together."""


class ImageStore:
    """An append-only temporary file that no other process can see. It goes when the store is closed or forgotten."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def append(self, values: NDArray[np.generic]) -> int:
        """Write an array's octets; returns where they begin."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the store
            weakref.finalize(self, self._file.close)
        at = self._end
        self._file.seek(at)
        self._file.write(np.ascontiguousarray(values).view(np.uint8).data)
        self._end += values.nbytes
        return at

    def read(self, at: int, size: int) -> Octets:
        """`size` octets from `at` on, as an array of its own."""
        values = np.empty(size, np.uint8)
        if size:
            if self._file is None or at + size > self._end:
                raise ValueError(f"the store holds no octets {at} to {at + size}")
            self._file.seek(at)
            self._file.readinto(values.data)  # pyright: ignore[reportAttributeAccessIssue] -- temporary files have it
        return values

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._end = 0


class StoredImage(msgspec.Struct, frozen=True, eq=False):
    """A rebuilt image, whole or in parts, in the store."""

    store: ImageStore
    size: int
    """Octets of the image, or as far as anything is known of it; never more than the builder's limit."""
    covered: Intervals
    at: int
    provenance_at: int
    provenance_runs: int
    translate: Callable[[int], int] | None = None
    """From frames of the input, which the store has, to those of captures, which results name."""
    later: tuple[tuple[int, bytes], ...] = ()
    """Octets that came with other values after those that were kept: position and values. None if there were too many
    to list."""

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Octets [start, end) of the image; those that are missing are zero."""
        start, end = max(start, 0), self.size if end is None else min(end, self.size)
        inside = self.covered.between(start, end)
        before = int(self.covered.count_below(np.array([start]))[0])
        octets = self.store.read(self.at + before, inside.octets).data
        parts: list[bytes | memoryview] = []
        position = start
        taken = 0
        for low, high in inside.pairs():
            parts += (bytes(low - position), octets[taken : taken + high - low])
            position, taken = high, taken + high - low
        return b"".join((*parts, bytes(max(end - position, 0))))

    @property
    def reach(self) -> int:
        """Behind this octet nothing is there, however large the image is said to be."""
        return int(self.covered.ends[-1]) if len(self.covered) else 0

    def window(self, start: int, end: int) -> tuple[Octets, NDArray[np.bool_]]:
        """Octets [start, end), those that are missing as zero, and which of them are there."""
        here = self.covered.mask(start, end)
        octets = np.zeros(len(here), np.uint8)
        before = int(self.covered.count_below(np.array([start]))[0])
        octets[here] = self.store.read(self.at + before, int(np.count_nonzero(here)))
        return octets, here

    def provenance(self) -> tuple[Positions, Positions, Positions]:
        """(start, end, frame) of every run of octets that one frame brought, ascending; together they are `covered`."""
        values = self.store.read(self.provenance_at, self.provenance_runs * 24).view(np.int64)
        starts, ends, frames = values.reshape(3, -1)
        if self.translate is not None:
            frames = np.array([self.translate(frame) for frame in frames.tolist()], np.int64)
        return starts, ends, frames

    def frames_at(self, positions: Positions) -> NDArray[np.int64]:
        """The frame that brought each of these octets, all of which are there."""
        starts, _, frames = self.provenance()
        return frames[np.searchsorted(starts, positions, side="right") - 1]


class Assembly(msgspec.Struct, eq=False):
    """What a log of blocks comes to. `packed` holds the octets of `covered`, one range after the other."""

    covered: Intervals
    packed: Octets
    starts: Positions
    ends: Positions
    frames: Positions
    repeated: int
    """Messages that only brought what was there already, with equal values."""
    conflicting: int
    """Octets that came with different values."""
    conflicts: list[tuple[int, int, int, int]]
    """(start, end, frame kept, frame that differs); the first hundred."""
    later: list[tuple[int, bytes]]
    """Of each of these the position, and the octets that were not kept."""
    refused: int
    """Octets at or beyond the limit."""

    def octets(self, start: int, end: int) -> bytes | None:
        """Octets [start, end), or `None` when they are not all there."""
        home = int(np.searchsorted(self.covered.starts, start, side="right")) - 1
        if home < 0 or self.covered.ends[home] < end:
            return None
        at = int(self.covered.count_below(np.array([start]))[0])
        return self.packed[at : at + end - start].tobytes()

    def keep(self, store: ImageStore, size: int) -> StoredImage:
        """Write the image, of `size` octets, to the store."""
        inside = self.starts < size
        ends = np.minimum(self.ends[inside], size)
        covered = self.covered.below(size)
        at = store.append(self.packed[: covered.octets])
        runs_at = store.append(np.stack((self.starts[inside], ends, self.frames[inside])))
        later = tuple(self.later) if len(self.later) < CONFLICTS_LISTED else ()
        return StoredImage(store, size, covered, at, runs_at, len(ends), later=later)


def assemble(store: ImageStore, blocks: NDArray[np.void], limit: int) -> Assembly:
    """Put the blocks of one attempt together; nothing at or beyond octet `limit` is taken."""
    offset = blocks["offset"].astype(np.int64)
    wanted = offset + blocks["length"]
    end = np.minimum(wanted, limit)
    refused = int(np.where(blocks["copy"], 0, wanted - np.maximum(end, offset)).sum())
    inside = end > offset
    if not inside.all():
        blocks, offset, end = blocks[inside], offset[inside], end[inside]
    covered = Intervals.of(offset, end) if len(blocks) else NOTHING
    place = covered.count_below(offset)
    log = _Log(store, blocks, offset, end - offset, place, np.zeros(covered.octets, np.uint8))
    order = np.argsort(offset, kind="stable")
    sorted_offset = offset[order]
    heads = np.flatnonzero(np.append(True, sorted_offset[1:] != sorted_offset[:-1])[: len(order)])
    first = order[heads]
    owner = np.empty(len(order), np.int64)
    owner[order] = np.repeat(first, np.diff(np.append(heads, len(order))))
    if (offset[first][1:] < end[first][:-1]).any() or (end > end[owner]).any():
        starts, ends, frames = log.paint()
    else:
        log.place_and_compare(owner)
        starts, ends, frames = offset[first], end[first], blocks["frame"][first]
    conflicting = 0 if log.differs is None else int(log.differs.sum())
    return Assembly(
        covered, log.packed, starts, ends, frames, log.repeated, conflicting, log.conflicts, log.later, refused
    )


class _Log(msgspec.Struct, eq=False):
    store: ImageStore
    blocks: NDArray[np.void]
    offset: Positions
    length: Positions
    place: Positions
    """Where in `packed` each block belongs."""
    packed: Octets
    repeated: int = 0
    conflicts: list[tuple[int, int, int, int]] = msgspec.field(default_factory=list[tuple[int, int, int, int]])
    later: list[tuple[int, bytes]] = msgspec.field(default_factory=list[tuple[int, bytes]])
    differs: NDArray[np.bool_] | None = None
    """Which octets of `packed` came with another value as well."""

    def windows(self) -> Iterator[tuple[slice, Octets, Positions]]:
        """Blocks that lie near each other in the store: which, the octets, and where in these each one begins."""
        at = np.ascontiguousarray(self.blocks["at"])
        stop = at + self.length
        begin = 0
        while begin < len(at):
            base = int(at[begin])
            after = max(begin + 1, int(np.searchsorted(at, base + WINDOW)))
            yield (
                slice(begin, after),
                self.store.read(base, int(stop[begin:after].max()) - base),
                at[begin:after] - base,
            )
            begin = after

    def place_and_compare(self, owner: Positions) -> None:
        """The usual case: a block is new, or within one that was there before (`owner`)."""
        new = owner == np.arange(len(owner))
        for window, octets, at in self.windows():
            length, place = self.length[window], self.place[window]
            for size in distinct(length).tolist():
                these = np.flatnonzero((length == size) & new[window])
                _pieces(self.packed, size)[place[these]] = _pieces(octets, size)[at[these]]
            # All new blocks of the window stand now; a repetition is never in an earlier window than its owner.
            repeated = np.flatnonzero(~new[window])
            for size in distinct(length[repeated]).tolist():
                these = repeated[length[repeated] == size]
                differ = rows(self.packed, place[these], size) != rows(octets, at[these], size)
                bad = differ.any(axis=1)
                these += window.start
                self.repeated += int((~bad & ~self.blocks["copy"][these]).sum())
                if bad.any():
                    row, column = np.nonzero(differ)
                    values = rows(octets, at[these - window.start], size)[row, column]
                    self._conflict(self.place[these][row] + column, these[row], owner[these][row], column, values)

    def paint(self) -> tuple[Positions, Positions, Positions]:
        """The general case, octet by octet: blocks overlap in parts. Returns the provenance."""
        owner = np.full(len(self.packed), -1, np.int32)
        where = np.zeros(len(self.packed), np.int64)
        for window, octets, at in self.windows():
            length = self.length[window]
            for begin in range(0, len(length), 8192):
                part = slice(begin, begin + 8192)
                heads = np.cumsum(length[part]) - length[part]
                inner = np.arange(int(length[part].sum())) - np.repeat(heads, length[part])
                who = np.repeat(np.arange(window.start, window.stop)[part], length[part])
                to = self.place[who] + inner
                value = octets[np.repeat(at[part], length[part]) + inner]
                free = np.flatnonzero(owner[to] < 0)[::-1]  # backwards, so that the first heard is written last
                owner[to[free]] = who[free]
                self.packed[to[free]] = value[free]
                where[to[free]] = self.offset[who[free]] + inner[free]
                differ = self.packed[to] != value
                own = np.add.reduceat(owner[to] == who, heads, dtype=np.int64)
                bad = np.add.reduceat(differ, heads, dtype=np.int64)
                self.repeated += int(((own == 0) & (bad == 0) & ~self.blocks["copy"][window][part]).sum())
                if differ.any():
                    kept = owner[to[differ]].astype(np.int64)
                    self._conflict(to[differ], who[differ], kept, inner[differ], value[differ])
        heads = np.flatnonzero(np.append(True, (owner[1:] != owner[:-1]) | (where[1:] != where[:-1] + 1))[: len(owner)])
        tails = np.append(heads[1:], len(owner)) - 1
        return where[heads], where[tails] + 1, self.blocks["frame"][owner[heads]]

    def _conflict(self, to: Positions, who: Positions, kept: Positions, inner: Positions, values: Octets) -> None:
        """Octets `to` (places in `packed`) of blocks `who` (octets `inner` of them) differ from those of `kept`."""
        if self.differs is None:
            self.differs = np.zeros(len(self.packed), np.bool_)
        self.differs[to] = True
        position = self.offset[who] + inner
        heads = np.flatnonzero(
            np.append(True, (who[1:] != who[:-1]) | (kept[1:] != kept[:-1]) | (position[1:] != position[:-1] + 1))
        )
        tails = np.append(heads[1:], len(position)) - 1
        for head, tail in zip(heads.tolist(), tails.tolist(), strict=True):
            if len(self.conflicts) >= CONFLICTS_LISTED:
                return
            frames = self.blocks["frame"]
            self.conflicts.append(
                (int(position[head]), int(position[tail]) + 1, int(frames[kept[head]]), int(frames[who[head]]))
            )
            self.later.append((int(position[head]), values[head : tail + 1].tobytes()))


def _pieces(octets: Octets, size: int) -> NDArray[np.void]:
    """A view of the `size` octets from each position on: assigned as one piece each."""
    return np.ndarray((len(octets) - size + 1,), f"V{size}", octets, strides=(1,))
