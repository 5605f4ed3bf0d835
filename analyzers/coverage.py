"""Which octets of an image are there, and why the others are not.

`Intervals` is a set of octet positions as disjoint half-open ranges in two arrays; everything here works on whole
arrays.

Why octets are missing (facts of ZCL 11.13.8: a client asks for the next block when it has the one before). For a
missing octet x, with all requests of one attempt in the order in which they were heard:

| the last request that covers x | after that request (or at all, if there is none) | reason |
|---|---|---|
| any or none | x lies below the first offset that the client ever asked for | never requested |
| any or none | the client asked for something beyond x, or ended with SUCCESS | answered but not captured |
| there is one | nothing that lies beyond x | requested and never answered |
| none | nothing that lies beyond x | never requested |

A request that covers x again takes back what went before: the client did not have x then. A page request covers its
page; the client going on to a later page, or to a later hole of the same page, is the proof that it has what lies
before. Asking for something beyond x without any request for x means that the sniffer missed request and answer, for
the clients that exist go through a file in order.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.columns.rows import distinct

Positions = NDArray[np.int64]
Reason = Literal["never requested", "requested and never answered", "answered but not captured"]
REASONS: Final[tuple[Reason, ...]] = ("never requested", "requested and never answered", "answered but not captured")
STRIP_CELLS: Final = 64


class Intervals(msgspec.Struct, frozen=True, eq=False):
    """Disjoint ranges [start, end) in ascending order, none of them empty. `of` also joins those that touch."""

    starts: Positions
    ends: Positions

    @classmethod
    def of(cls, starts: Positions, ends: Positions) -> Intervals:
        """The union of any ranges; empty ones are left out."""
        some = ends > starts
        if not some.all():
            starts, ends = starts[some], ends[some]
        if not len(starts):
            return NOTHING
        if (starts[1:] < starts[:-1]).any():
            order = np.argsort(starts, kind="stable")
            starts, ends = starts[order], ends[order]
        reach = np.maximum.accumulate(ends)
        heads = np.flatnonzero(starts[1:] > reach[:-1]) + 1
        return cls(starts[np.append(0, heads)], reach[np.append(heads, len(starts)) - 1])

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def octets(self) -> int:
        return int((self.ends - self.starts).sum())

    def pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def union(self, other: Intervals) -> Intervals:
        return Intervals.of(np.append(self.starts, other.starts), np.append(self.ends, other.ends))

    def intersection(self, other: Intervals) -> Intervals:
        """What is in both, cut where either has a boundary."""
        pieces = self.cut(np.concatenate((other.starts, other.ends)))
        home = np.searchsorted(other.starts, pieces.starts, side="right") - 1
        inside = home >= 0
        inside[inside] = other.ends[home[inside]] >= pieces.ends[inside]
        return Intervals(pieces.starts[inside], pieces.ends[inside])

    def below(self, end: int) -> Intervals:
        """What lies before `end`."""
        return Intervals.of(np.minimum(self.starts, end), np.minimum(self.ends, end))

    def between(self, start: int, end: int) -> Intervals:
        """What lies within [start, end)."""
        end = max(start, end)
        low = int(np.searchsorted(self.ends, start, side="right"))
        high = max(int(np.searchsorted(self.starts, end, side="left")), low)
        return Intervals(np.maximum(self.starts[low:high], start), np.minimum(self.ends[low:high], end))

    def mask(self, start: int, end: int) -> NDArray[np.bool_]:
        """For each position in [start, end) whether it is in the set."""
        inside = self.between(start, end)
        edges = np.zeros(max(end - start, 0) + 1, np.int8)
        edges[inside.starts - start] = 1
        edges[inside.ends - start] -= 1  # where one range ends and the next begins nothing changes
        return np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)

    def gaps(self, size: int) -> Intervals:
        """What of [0, size) is not in the set."""
        inside = self.below(size)
        return Intervals.of(np.append(0, inside.ends), np.append(inside.starts, size))

    def cut(self, edges: Positions) -> Intervals:
        """The same octets, in pieces that no edge lies inside of."""
        edges = distinct(edges)
        if not len(self):
            return self
        home = np.searchsorted(self.starts, edges, side="right") - 1
        edges = edges[(home >= 0) & (edges > self.starts[home]) & (edges < self.ends[home])]
        return Intervals(np.sort(np.append(self.starts, edges)), np.sort(np.append(self.ends, edges)))

    def count_below(self, positions: Positions) -> Positions:
        """How many octets of the set lie before each position."""
        before = np.append(0, np.cumsum(self.ends - self.starts))
        index = np.searchsorted(self.starts, positions, side="right")
        if not len(self):
            return before[index]
        return before[index] - np.maximum(self.ends[index - 1] - positions, 0) * (index > 0)

    def strip(self, size: int) -> str:
        """Coverage of [0, size) in 64 characters: `#` all there, `+` part, `.` nothing."""
        if size <= 0:
            return "." * STRIP_CELLS
        cells = np.arange(STRIP_CELLS + 1, dtype=np.int64) * size // STRIP_CELLS
        first, last = cells[:-1], np.maximum(cells[1:], cells[:-1] + 1)
        here = self.count_below(last) - self.count_below(first)
        return "".join(np.where(here == 0, ".", np.where(here == last - first, "#", "+")).tolist())


NOTHING: Final = Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64))


def among(values: Positions, others: Positions) -> NDArray[np.bool_]:
    """Which of the values are also among the others."""
    ordered = np.append(np.sort(others), np.iinfo(np.int64).max)
    return ordered[np.searchsorted(ordered, values)] == values


def latest_cover(pieces: Intervals, starts: Positions, ends: Positions) -> Positions:
    """For each piece the index of the last range [starts, ends) that covers it, or -1.

    No range may begin or end inside a piece. A range over many pieces is noted as two overlapping spans of a power of
    two; these are then halved down to single pieces, so that the work is (pieces + ranges) x log(pieces) whatever the
    ranges are.
    """
    latest = np.full(len(pieces), -1, np.int64)
    low = np.searchsorted(pieces.starts, starts, side="left")
    high = np.searchsorted(pieces.ends, ends, side="right")
    index = np.flatnonzero(high > low)
    low, high = low[index], high[index]
    level = np.frexp((high - low).astype(np.float64))[1] - 1
    for power in range(int(level.max(initial=-1)), -1, -1):
        half = 1 << power
        if half < len(latest):  # what spans 2 x half pieces spans half of them from here, and half from there
            np.maximum(latest[half:], latest[:-half].copy(), out=latest[half:])
        chosen = level == power
        np.maximum.at(latest, low[chosen], index[chosen])
        np.maximum.at(latest, high[chosen] - half, index[chosen])
    return latest


def missing(
    covered: Intervals, size: int, starts: Positions, ends: Positions, first_offset: int
) -> list[tuple[int, int, Reason]]:
    """The octets of [0, size) that are not covered, each range with its reason.

    `starts` and `ends` are what the client asked for, in order; a range that is empty only proves that the client had
    come so far (an Upgrade End Request SUCCESS, or the answer to a request that was not heard).
    """
    holes = covered.gaps(size)
    if not len(holes):
        return []
    pieces = holes.cut(np.concatenate((starts, ends, [first_offset])))
    last = latest_cover(pieces, starts, ends)
    came_to = np.append(np.maximum.accumulate(starts[::-1])[::-1], -1)
    went_on = (came_to[last + 1] >= pieces.ends) & (pieces.starts >= first_offset)
    reason = np.where(went_on, 2, np.where((last >= 0) & (pieces.starts >= first_offset), 1, 0))
    heads = np.flatnonzero((reason[1:] != reason[:-1]) | (pieces.starts[1:] != pieces.ends[:-1])) + 1
    heads = np.append(0, heads)
    tails = np.append(heads[1:], len(pieces)) - 1
    return [
        (start, end, REASONS[why])
        for start, end, why in zip(
            pieces.starts[heads].tolist(), pieces.ends[tails].tolist(), reason[heads].tolist(), strict=True
        )
    ]
