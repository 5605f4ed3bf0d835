"""One attempt of a simulated device to load its image: what it asked for, what it got, what the capture shows of it."""

from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np

from hanscope.captures.simulator.truth import AttemptTruth, Blocks, Hole, Reason

NEVER: Final[Reason] = "never requested"
UNANSWERED: Final[Reason] = "requested and never answered"
UNCAPTURED: Final[Reason] = "answered but not captured"

_SIZE_ENDS: Final = 56
"""Octets of an OTA header up to the total image size (ZCL 11.4.2)."""


@dataclass(frozen=True, slots=True)
class _Request:
    start: int
    end: int
    note: int
    page: bool
    readable: bool
    """With the keys that the HAN has."""


@dataclass(slots=True)
class Attempt:
    """One attempt while it runs."""

    number: int
    server: int
    size: int
    block: int
    began_ns: int | None = None
    ended_ns: int = 0
    requests: list[_Request] = field(default_factory=list[_Request])
    got: set[int] = field(default_factory=set[int])
    """Offsets of the blocks that the device has."""
    misplaced: set[int] = field(default_factory=set[int])
    """Offsets of blocks that were sent although others had been asked for."""
    end_status: int | None = None
    end_note: int | None = None
    offers: list[int] = field(default_factory=list[int])
    """Notes of the offers that it follows."""

    def ask(self, start: int, length: int, note: int, at_ns: int, *, page: bool = False, readable: bool = True) -> None:
        """Notes a request."""
        self.began_ns = at_ns if self.began_ns is None else self.began_ns
        self.requests.append(_Request(start, start + length, note, page, readable))

    def truth(self, start_ns: int, blocks: Blocks, heard: dict[int, int]) -> AttemptTruth:
        """`start_ns`: Unix time of the start; `heard`: the first intact frame of each note that has one."""
        mine = (blocks.update == self.number) & (blocks.frame > 0)
        captured: dict[int, int] = {}
        for frame, offset in zip(blocks.frame[mine].tolist(), blocks.offset[mine].tolist(), strict=True):
            captured[offset] = max(captured.get(offset, 0), frame)
        reader = _Reader(self, captured, heard)
        lost = [start for start in range(0, self.size, self.block) if start not in captured]
        began = self.ended_ns if self.began_ns is None else self.began_ns
        return AttemptTruth(
            number=self.number,
            server=self.server,
            started_ns=start_ns + began,
            ended_ns=start_ns + self.ended_ns,
            requested_from=min((request.start for request in self.requests), default=0),
            size_shown=any(note in heard for note in self.offers) or set(self._blocks_of_size()) <= captured.keys(),
            requests=len(self.requests),
            received=self._ranges(sorted(self.got)),
            missing=self._holes([(start, reader.reason(start, self._end(start))) for start in lost]),
            missing_really=self._holes([(start, self._reason(start)) for start in lost]),
            end_status=self.end_status,
        )

    def _blocks_of_size(self) -> range:
        """The blocks that hold the header up to the size of the image."""
        return range(0, _SIZE_ENDS, self.block)

    def _end(self, start: int) -> int:
        return min(start + self.block, self.size)

    def _reason(self, start: int) -> Reason:
        """Why the capture lacks this block, for who was there."""
        if start in self.got:
            return UNCAPTURED
        return UNANSWERED if any(one.start <= start < one.end for one in self.requests) else NEVER

    def _ranges(self, starts: list[int]) -> tuple[tuple[int, int], ...]:
        return tuple((hole.start, hole.end) for hole in self._holes([(start, NEVER) for start in starts]))

    def _holes(self, blocks: list[tuple[int, Reason]]) -> tuple[Hole, ...]:
        """Blocks in ascending order, those that touch and have one reason as one."""
        runs = groupby(enumerate(blocks), lambda one: (one[1][0] - one[0] * self.block, one[1][1]))
        holes: list[Hole] = []
        for (_, reason), run in runs:
            starts = [start for _, (start, _) in run]
            holes.append(Hole(starts[0], self._end(starts[-1]), reason))
        return tuple(holes)


class _Reader:
    """What the captured frames of an attempt prove (facts of ZCL 11.13.8: a client asks for what it has not yet)."""

    def __init__(self, attempt: Attempt, captured: dict[int, int], heard: dict[int, int]) -> None:
        asked = [(heard[one.note], one) for one in attempt.requests if one.readable and one.note in heard]
        self._frames = np.array([frame for frame, _ in asked], np.int64)
        self._starts = np.array([one.start for _, one in asked], np.int64)
        self._ends = np.array([one.end for _, one in asked], np.int64)
        paging = any(one.page for _, one in asked)
        proofs = [] if paging else [(at, frame) for at, frame in captured.items() if at not in attempt.misplaced]
        ended = heard.get(attempt.end_note, 0) if attempt.end_note is not None and not attempt.end_status else 0
        if ended:
            proofs.append((attempt.size, ended))
        self._reached = np.append(self._starts, [at for at, _ in proofs]).astype(np.int64)
        self._reached_at = np.append(self._frames, [frame for _, frame in proofs]).astype(np.int64)
        self._floor = min([*self._starts.tolist(), *captured], default=0)

    def reason(self, start: int, end: int) -> Reason:
        if start < self._floor:
            return NEVER
        covering = self._frames[(self._starts <= start) & (self._ends > start)]
        last = int(covering.max(initial=0))
        if ((self._reached >= end) & (self._reached_at > last)).any():
            return UNCAPTURED
        return UNANSWERED if len(covering) else NEVER
