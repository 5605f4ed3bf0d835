"""The octets of an image, which of them are not there, and views of parts of them.

Formats read through a `View`: a read that meets octets which were not captured raises `NotCapturedError`, one beyond
the end `BrokenError`; `format.checked` turns these into *unknown* and *invalid*.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Literal

Order = Literal["little", "big"]


class NotCapturedError(Exception):
    """Octets that are needed were not captured; says which."""


class BrokenError(Exception):
    """The octets are not the structure that they should be; says why."""


class Octets:
    """The octets of a file or of an image rebuilt from a capture, with the ranges [start, end) that it lacks.

    `open_ended`: nobody knows its size, so that more may belong to it.
    """

    def __init__(
        self, octets: bytes | memoryview, missing: Sequence[tuple[int, int]] = (), *, open_ended: bool = False
    ) -> None:
        self.octets = memoryview(octets)
        self.open_ended = open_ended
        ranges = _merged(missing)
        self.size = max(len(octets), ranges[-1][1]) if ranges else len(octets)
        # Nothing may stand where a rebuilt image lacks its end, not even filling octets.
        self.missing = _merged((*ranges, (len(octets), self.size)))
        self._ends = [end for _, end in self.missing]

    @property
    def partial(self) -> bool:
        return bool(self.missing) or self.open_ended

    def lacks(self, start: int, end: int) -> str | None:
        """Which octets of [start, end) were not captured, in words; `None` if all were, or the file simply ends."""
        if not self.partial or start >= end:
            return None
        at = bisect_right(self._ends, start)
        if at < len(self.missing) and self.missing[at][0] < end:
            first, stop = self.missing[at]
            if stop - first == 1:
                return f"octet {first:,} was not captured"
            return f"octets {first:,} to {stop - 1:,} were not captured"
        if end > self.size:
            return f"the octets from {self.size:,} on were not captured"
        return None

    def read(self, start: int, end: int) -> memoryview:
        return self.octets[start:end]

    def view(self, start: int = 0, end: int | None = None) -> "View":
        return View(self, start, self.size if end is None else end)


class View:
    """Octets [start, end) of an image, or as far as the file goes. Offsets count from its start."""

    def __init__(self, source: Octets, start: int, end: int) -> None:
        self.source = source
        self.start = start
        # Of a partial image nobody knows where it ends but those who ask for this view.
        self.end = max(start, end if source.partial else min(end, source.size))
        self.size = self.end - start

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where [start, end) of the view lies in the file."""
        return self.start + start, self.start + end

    def sub(self, start: int, end: int | None = None) -> "View":
        stop = self.size if end is None else min(end, self.size)
        return View(self.source, self.start + start, self.start + max(start, stop))

    def lacks(self, start: int, end: int) -> str | None:
        return self.source.lacks(*self.span(start, min(end, self.size)))

    def take(self, start: int, end: int) -> memoryview:
        """Raises NotCapturedError or BrokenError unless all of it is there."""
        if not 0 <= start <= end <= self.size:
            raise BrokenError(f"the data end with octet {self.end - 1:,}, octet {self.start + end - 1:,} is needed")
        reason = self.lacks(start, end)
        if reason is not None:
            raise NotCapturedError(reason)
        return self.source.read(*self.span(start, end))

    def peek(self, start: int, end: int) -> bytes:
        """The octets if all of them are there, else nothing: for recognising what this is."""
        if not 0 <= start <= end <= self.size or self.lacks(start, end) is not None:
            return b""
        return bytes(self.source.read(*self.span(start, end)))

    def number(self, at: int, octets: int, order: Order = "little") -> int:
        return int.from_bytes(self.take(at, at + octets), order)

    def u8(self, at: int) -> int:
        return self.number(at, 1)

    def u16(self, at: int, order: Order = "little") -> int:
        return self.number(at, 2, order)

    def u32(self, at: int, order: Order = "little") -> int:
        return self.number(at, 4, order)


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges in order, joined where they touch; empty ones are left out."""
    merged: list[tuple[int, int]] = []
    for first, end in sorted((max(0, first), end) for first, end in ranges):
        if end <= first:
            continue
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged
