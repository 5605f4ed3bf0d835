"""Several captures as one stream of frames: in the order in which they were sent, each transmission once.

The rules (sniffers that heard the same network):

* Every capture's times are read on the clock of a reference capture (`captures.clocks`). Captures that have no frames
  in common are ordered by their own times. The frames of one capture keep the order in which they stand in it.
* Copies of one transmission are frames of different captures with the same octets at nearly the same time. Where
  clocks agree within half a millisecond that tells copies from retries, which begin later than that (802.15.4
  7.5.6.4.3: 864 us after the end of the frame at the earliest). Where they do not, the first of one capture's close
  repetitions is the first of the other's, the second the second, and so on. Frames with a wrong FCS are never copies.
* Of the copies the best is kept (right FCS, strongest, first capture), at the time of the first capture that has it.
* Between copies the clocks agree exactly, by definition; what only one capture heard is put in its place between them.
* Frames of the stream are numbered from 1; `Numbering` knows which record of which capture each one is.

Memory holds a chunk or two of each capture that is running at the time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import Fcs, FrameBatch, Int64s, Secret
from hanscope.captures.clocks import Clock, Hashes, Onward, Survey, clocks, hashed
from hanscope.captures.files import CaptureFile, open_capture
from hanscope.captures.linklayer import Decision, Decisions, decide, frames
from hanscope.captures.source import RECORDS
from hanscope.dissectors.columns.rows import SLACK, Octets, distinct, narrowed, padded

CLOSE_NS: Final = 500_000
"""Copies of one transmission are at most this far apart, on clocks that agree …"""
LOOSE_NS: Final = 50_000_000
"""… and on any others."""
FEWEST: Final = 4096
"""Frames that are worth being handed on, as long as more will come."""
MOST_WAITING: Final = 1 << 17
"""Frames of one capture that wait for others', at most about."""
RUNS_LISTED: Final = 20
"""Runs of frames that only one capture heard, of which the longest are listed."""
_LONG_NS: Final = 3600 * 10**9
"""A chunk's last time is not believed when it is so much later than the one before it."""
_FAR: Final = np.iinfo(np.int64).max // 2


@dataclass(slots=True)
class Counts:
    """What one capture of several came to."""

    frames: int = 0
    other_frames: int = 0
    bad_fcs: int = 0
    unchecked_fcs: int = 0
    first_ns: int | None = None
    """By the capture's own clock."""
    last_ns: int | None = None
    common: int = 0
    """Frames that another capture holds too."""
    kept: int = 0
    """Of these, those that stand for all copies."""
    alone: int = 0
    """Frames, but those with a wrong FCS, that no other capture holds."""
    alone_beside: int = 0
    """Of these, those during the time of another capture with common frames."""
    runs: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """The longest runs of these: how many frames, the first, the last."""

    def add(self, batch: FrameBatch) -> None:
        self.frames += len(batch)
        self.other_frames += batch.other_frames
        self.bad_fcs += int((batch.fcs == Fcs.INVALID).sum())
        self.unchecked_fcs += int((batch.fcs == Fcs.NOT_CAPTURED).sum())
        if len(batch):
            first, last = int(batch.time_ns.min()), int(batch.time_ns.max())
            self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
            self.last_ns = last if self.last_ns is None else max(last, self.last_ns)

    def compare(self, number: Int64s, alone: NDArray[np.bool_], beside: NDArray[np.bool_]) -> None:
        """Takes in the next frames: which of them nobody else heard, and where another could have."""
        alone_beside = alone & beside
        self.alone += int(alone.sum())
        self.alone_beside += int(alone_beside.sum())
        edges = np.flatnonzero(np.diff(np.concatenate(([False], alone_beside, [False])).astype(np.int8)))
        begin, end = edges[::2], edges[1::2]
        longest = np.argsort(begin - end, kind="stable")[:RUNS_LISTED]
        self.runs += zip(
            (end - begin)[longest].tolist(),
            number[begin[longest]].tolist(),
            number[end[longest] - 1].tolist(),
            strict=True,
        )
        self.runs = sorted(self.runs, key=lambda run: (-run[0], run[1]))[:RUNS_LISTED]


class Numbering:
    """Which record of which capture each frame of a merged stream is."""

    def __init__(self) -> None:
        self._starts: list[int] = [1]
        self._parts: list[tuple[NDArray[np.generic], NDArray[np.generic], Int64s]] = []

    def __len__(self) -> int:
        return self._starts[-1] - 1

    def add(self, capture: Int64s, number: Int64s, captures: int) -> None:
        """The next frames of the stream."""
        least = np.full(captures, _FAR)
        np.minimum.at(least, capture, number)
        self._parts.append((narrowed(capture), narrowed(number - least[capture]), least))
        self._starts.append(self._starts[-1] + len(number))

    def record(self, number: int) -> tuple[int, int]:
        """Capture and record of a frame of the stream, whose number is one of those given."""
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        captures, numbers, least = self._parts[part]
        at = number - self._starts[part]
        capture = int(captures[at])
        return capture, int(numbers[at]) + int(least[capture])


def surveyed(path: str, tell: Callable[[CaptureFile, Survey], None]) -> Survey:
    """A first look at a capture. Raises `CaptureError`; `tell` hears how far it is."""
    survey = Survey()
    decisions: Decisions = {}
    with open_capture(path) as capture:
        for records in capture:
            decisions = decide(records, capture.interfaces, decisions)
            survey.add(frames(records, decisions))
            survey.octets = capture.octets_read
            tell(capture, survey)
    return survey


class _Waiting(NamedTuple):
    """Frames of one capture that have been read and not handed on."""

    batch: FrameBatch
    time_ns: Int64s
    """On the reference's clock."""
    key: Int64s
    """The same, but never less than that of the frame before."""
    hashes: Hashes
    gone: NDArray[np.bool_]
    """Handed on already, as copies of a frame that was."""


class Stream:
    """One capture on its way into the merged stream. It is opened when its time comes."""

    def __init__(self, path: str, index: int, clock: Clock, survey: Survey) -> None:
        self.path = path
        self.index = index
        self.clock = clock
        self.counts = Counts()
        self.per_interface: dict[int, int] = {}
        self.decisions: Decisions = dict[int, Decision]()
        self.capture: CaptureFile | None = None
        self.ended = False
        self._onward = Onward()
        self.span = (
            (0, 0)
            if survey.first_ns is None or survey.last_ns is None
            else (int(clock.read(np.array([survey.first_ns]))[0]), int(clock.read(np.array([survey.last_ns]))[0]))
        )
        """When it ran, on the reference's clock."""
        self.reach = self.span[0] if survey.frames else -_FAR
        """Frames yet to be read have this key or a later one."""
        self._waiting: list[_Waiting] = []

    def close(self) -> None:
        if self.capture is not None:
            self.capture.__exit__(None, None, None)

    @property
    def waiting(self) -> int:
        return sum(len(one.key) for one in self._waiting)

    def load(self) -> None:
        """Reads the next chunk. Raises `CaptureError` when the file has gone."""
        if self.capture is None:
            self.capture = open_capture(self.path, records=RECORDS // 2)  # those of others are in memory too
        records = next(iter(self.capture), None)
        if records is None:
            self.ended, self.reach = True, _FAR
            self.close()
            return
        self.decisions = decide(records, self.capture.interfaces, self.decisions)
        for interface, count in enumerate(np.bincount(records.interface)):
            if count:
                self.per_interface[interface] = self.per_interface.get(interface, 0) + int(count)
        batch = frames(records, self.decisions)
        self.counts.add(batch)
        if not len(batch):
            return
        time_ns = self.clock.read(self._onward.read(batch))
        key = np.maximum.accumulate(np.maximum(_steady(time_ns), self.reach))
        self.reach = int(key[-1])
        hashes = hashed(batch.buffer, batch.at, batch.length)
        self._waiting.append(_Waiting(batch, time_ns, key, hashes, np.zeros(len(key), np.bool_)))

    def count(self, limit: int) -> int:
        """How many of the frames that were read have at most this key."""
        return sum(int(np.searchsorted(one.key, limit, side="right")) for one in self._waiting)

    def before(self, limit: int) -> _Waiting | None:
        """The frames that were read and have a key below the limit."""
        if len(self._waiting) > 1:
            self._waiting = [_one(self._waiting)]
        if not self._waiting:
            return None
        count = int(np.searchsorted(self._waiting[0].key, limit))
        return _part(self._waiting[0], slice(count)) if count else None

    def drop(self, gone: NDArray[np.bool_]) -> None:
        """The first of the waiting frames, as many as `gone` is long, have been handed on where it says so."""
        if not self._waiting:
            return
        (waiting,) = self._waiting
        waiting.gone[: len(gone)] |= gone
        left = np.flatnonzero(~waiting.gone)
        self._waiting = [_part(waiting, slice(int(left[0]), None))] if len(left) else []


def _steady(time_ns: Int64s) -> Int64s:
    """With the middle between its neighbours for a single time that does not lie between them."""
    steady = time_ns.copy()
    if len(time_ns) > 1:
        before, here, after = time_ns[:-2], time_ns[1:-1], time_ns[2:]
        wild = (before <= after) & ((here < before) | (here > after))
        steady[1:-1] = np.where(wild, before + (after - before) // 2, here)
        steady[0] = min(time_ns[0], time_ns[1])
        if time_ns[-1] - steady[-2] > _LONG_NS:
            steady[-1] = steady[-2]
    return steady


_BY_FRAME: Final = tuple(name for name in FrameBatch.__struct_fields__ if name not in {"buffer", "other_frames"})


def _columns(batch: FrameBatch, which: slice | Int64s) -> dict[str, NDArray[np.generic]]:
    return {name: getattr(batch, name)[which] for name in _BY_FRAME}


def _part(waiting: _Waiting, which: slice) -> _Waiting:
    batch = waiting.batch
    return _Waiting(
        FrameBatch(buffer=batch.buffer, **_columns(batch, which)),  # pyright: ignore[reportArgumentType] -- by name
        waiting.time_ns[which],
        waiting.key[which],
        waiting.hashes[which],
        waiting.gone[which],
    )


def _one(parts: Sequence[_Waiting]) -> _Waiting:
    """Waiting frames one after the other, their octets in one buffer."""
    buffer, shifts = _joined_buffers([part.batch for part in parts])
    columns = {
        name: np.concatenate([getattr(part.batch, name) for part in parts]) for name in _BY_FRAME if name != "at"
    }
    at = np.concatenate([part.batch.at + shift for part, shift in zip(parts, shifts, strict=True)])
    return _Waiting(
        FrameBatch(buffer=buffer, at=at, **columns),  # pyright: ignore[reportArgumentType] -- by name
        np.concatenate([part.time_ns for part in parts]),
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.gone for part in parts]),
    )


def _joined_buffers(batches: Sequence[FrameBatch]) -> tuple[Octets, list[int]]:
    """The octets of batches in one buffer, and how far each one's are shifted in it."""
    pieces: list[Octets] = []
    shifts: list[int] = []
    size = 0
    for batch in batches:
        begin = int(batch.at.min(initial=len(batch.buffer)))
        end = int((batch.at + batch.length).max(initial=0))
        piece = batch.buffer[min(begin, end) : end]
        shifts.append(size - min(begin, end))
        pieces.append(piece)
        size += len(piece)
    return np.concatenate((*pieces, np.zeros(SLACK, np.uint8))), shifts


class _Copies(NamedTuple):
    """For each of the frames that are looked at together."""

    leader: Int64s
    """The frame that comes first among its copies; itself, if it has none."""
    size: Int64s
    """How many copies there are of it."""

    @classmethod
    def none(cls, count: int) -> _Copies:
        return cls(np.arange(count), np.ones(count, np.int64))


@dataclass(slots=True)
class _Together:
    """Frames of several captures that are looked at together, one capture's after the other's."""

    stream: Int64s
    row: Int64s
    time_ns: Int64s
    key: Int64s
    hashes: Hashes
    gone: NDArray[np.bool_]
    batch: FrameBatch

    @classmethod
    def of(cls, parts: Sequence[tuple[int, _Waiting]]) -> _Together:
        waiting = _one([part for _, part in parts])
        lengths = [len(part.key) for _, part in parts]
        return cls(
            np.repeat([stream for stream, _ in parts], lengths),
            np.concatenate([np.arange(length) for length in lengths]),
            waiting.time_ns,
            waiting.key,
            waiting.hashes,
            waiting.gone,
            waiting.batch,
        )

    def copies(self, window_ns: int) -> _Copies:
        """Which frames are copies of one transmission."""
        leader, size = _Copies.none(len(self.key))
        sound = np.flatnonzero(~self.gone & (self.batch.fcs != Fcs.INVALID) & ~self.batch.truncated)
        order = sound[np.lexsort((self.stream[sound], self.key[sound], self.hashes[sound]))]
        near = (self.hashes[order[1:]] == self.hashes[order[:-1]]) & (
            self.key[order[1:]] - self.key[order[:-1]] <= window_ns
        )
        if not near.any():
            return _Copies(leader, size)
        some = np.append(near, False) | np.append(False, near)
        cluster = np.cumsum(np.append(True, ~near))[some]
        order = order[some]
        # The first of one capture's in a cluster belongs to the first of the other's, and so on.
        rank = _rank(cluster, self.stream[order])
        by_rank = np.lexsort((self.key[order], rank, cluster))
        order, cluster, rank = order[by_rank], cluster[by_rank], rank[by_rank]
        head = np.append(True, (cluster[1:] != cluster[:-1]) | (rank[1:] != rank[:-1]))
        first = order[np.flatnonzero(head)[np.cumsum(head) - 1]]
        true = (self.key[order] - self.key[first] <= window_ns) & self._same_octets(order, first)
        members, first = order[true], first[true]
        leader[members] = first
        count = np.bincount(first, minlength=len(leader))
        size[members] = count[first]
        return _Copies(leader, size)

    def _same_octets(self, one: Int64s, other: Int64s) -> NDArray[np.bool_]:
        batch = self.batch
        same = (one == other) | (batch.length[one] == batch.length[other])
        asked = np.flatnonzero(same & (one != other))
        length = batch.length[one[asked]]
        width = int(length.max(initial=0))
        pair = [padded(batch.buffer, batch.at[which[asked]], length, width) for which in (one, other)]
        same[asked] = (pair[0] == pair[1]).all(axis=1)
        return same

    def align(self, copies: _Copies) -> None:
        """Puts each capture's frames where they belong between the copies that it shares with those before it."""
        shared = np.flatnonzero(copies.size > 1)
        when = np.full(len(self.key), _FAR)
        """By leader: the time of the copies, on the first capture's clock."""
        for stream in np.flatnonzero(np.bincount(self.stream)).tolist():
            mine = shared[self.stream[shared] == stream]
            leader = copies.leader[mine]
            known = when[leader] != _FAR
            if known.any():
                every = np.flatnonzero(self.stream == stream)
                anchors = np.searchsorted(every, mine[known])
                key = _placed(self.key[every], anchors, when[leader[known]])
                self.time_ns[every] += key - self.key[every]
                self.key[every] = key
            fresh = mine[~known]
            when[copies.leader[fresh]] = self.key[fresh]

    def first(self, copies: _Copies) -> Int64s:
        """For each frame, that of its copies which the first capture has."""
        place = self.stream * len(self.key) + self.row
        lowest = np.full(len(self.key), _FAR)
        np.minimum.at(lowest, copies.leader, place)
        found = np.empty(len(self.key), np.int64)
        here = np.flatnonzero(place == lowest[copies.leader])
        found[copies.leader[here]] = here
        return found[copies.leader]

    def best(self, copies: _Copies) -> NDArray[np.bool_]:
        """The frames that stand for all copies of theirs: a right FCS, then the strongest, then the first capture's."""
        keep = copies.size == 1
        shared = np.flatnonzero(~keep)
        batch = self.batch
        rank = np.lexsort(
            (
                self.stream[shared],
                -batch.lqi[shared].astype(np.int64),
                -np.nan_to_num(batch.rssi_dbm[shared], nan=-1000.0),
                batch.fcs[shared] != Fcs.VALID,
                copies.leader[shared],
            )
        )
        shared = shared[rank]
        leader = copies.leader[shared]
        keep[shared[np.append(True, leader[1:] != leader[:-1])[: len(shared)]]] = True
        return keep


def _placed(key: Int64s, anchors: Int64s, when: Int64s) -> Int64s:
    """Ascending times, moved so that those at `anchors` are `when` and the others stay between them."""
    when = np.maximum.accumulate(when)
    begin = int(key[0])
    shift = np.interp(
        (key - begin).astype(np.float64),
        (key[anchors] - begin).astype(np.float64),
        (when - key[anchors]).astype(np.float64),
    )
    moved = key + np.rint(shift).astype(np.int64)
    edges = np.concatenate(([-_FAR], when, [_FAR]))
    after = np.searchsorted(anchors, np.arange(len(key)), side="right")
    moved = np.clip(moved, edges[after], edges[after + 1] - 1)
    moved[anchors] = when
    return np.maximum.accumulate(moved)


def _rank(cluster: Int64s, stream: Int64s) -> Int64s:
    """How many rows with the same cluster and stream come before each."""
    order = np.lexsort((stream, cluster))
    head = np.append(True, (cluster[order[1:]] != cluster[order[:-1]]) | (stream[order[1:]] != stream[order[:-1]]))
    begin = np.flatnonzero(head)[np.cumsum(head) - 1]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - begin
    return rank


class MergedCapture:
    """Several captures as one: iterate over it, once, for its frames.

    `order`: the captures in the order that decides where nothing else does, the largest first; `streams` and
    `numbering` count in it, so that it does not matter in which order the captures were given.
    """

    def __init__(self, paths: Sequence[str], surveys: Sequence[Survey]) -> None:
        self.order = sorted(range(len(paths)), key=lambda index: _standing(surveys[index], paths[index]))
        ranked = [surveys[index] for index in self.order]
        tied = clocks(ranked)
        self.window_ns = min(max(CLOSE_NS, 4 * max(clock.spread_ns for clock in tied)), LOOSE_NS)
        self.numbering = Numbering()
        self.secrets: list[Secret] = []
        self.streams = [
            Stream(paths[index], place, clock, survey)
            for place, (index, clock, survey) in enumerate(zip(self.order, tied, ranked, strict=True))
        ]
        self._interfaces: dict[tuple[int, int], int] = {}

    def __enter__(self) -> MergedCapture:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self.streams:
            stream.close()

    @property
    def octets_read(self) -> int:
        return sum(stream.capture.octets_read for stream in self.streams if stream.capture is not None)

    def __iter__(self) -> Generator[FrameBatch]:
        while True:
            behind = min(self.streams, key=lambda stream: (stream.reach, stream.index))
            if behind.ended:
                yield from self._handed_on(_FAR, _FAR, 1)
                return
            behind.load()
            if behind.capture is not None:
                known = set(self.secrets)
                self.secrets += [secret for secret in behind.capture.secrets if secret not in known]
            limit = min(stream.reach for stream in self.streams)
            if behind.waiting > MOST_WAITING and behind.reach == limit:  # its clock stands still, or nearly
                yield from self._handed_on(limit + 1, limit, 1)
            elif limit < _FAR:
                yield from self._handed_on(limit, limit - 2 * self.window_ns, FEWEST)

    def _handed_on(self, limit: int, cut: int, least: int) -> Generator[FrameBatch]:
        """The frames up to `cut`, if there are at least so many; those below `limit` may be copies of them."""
        if sum(stream.count(cut) for stream in self.streams) < least:
            return
        parts = [(stream.index, part) for stream in self.streams if (part := stream.before(limit)) is not None]
        together = _Together.of(parts)
        copies = together.copies(self.window_ns) if len(parts) > 1 else _Copies.none(len(together.key))
        due = ~together.gone & (together.key[copies.leader] <= cut)
        if self.window_ns > CLOSE_NS and len(parts) > 1:
            together.align(copies)
        kept = together.best(copies) & due
        for stream in self.streams:
            mine = np.flatnonzero(together.stream == stream.index)
            if len(mine):
                stream.drop(due[mine])
                self._count(stream, together, copies, mine[due[mine]], kept)
        rows = np.flatnonzero(kept)
        stand_in = together.first(copies)[rows]
        order = np.lexsort((together.row[stand_in], together.stream[stand_in], together.key[stand_in]))
        if len(rows):
            yield self._batch(together, rows[order], stand_in[order])

    def _count(
        self, stream: Stream, together: _Together, copies: _Copies, mine: Int64s, kept: NDArray[np.bool_]
    ) -> None:
        """Adds up what of one capture's frames others heard too."""
        common = copies.size[mine] > 1
        stream.counts.common += int(common.sum())
        stream.counts.kept += int((common & kept[mine]).sum())
        beside = np.zeros(len(mine), np.bool_)
        for other in self.streams:
            if other is not stream and other.clock.reference == stream.clock.reference:
                beside |= (together.key[mine] >= other.span[0]) & (together.key[mine] <= other.span[1])
        alone = ~common & (together.batch.fcs[mine] != Fcs.INVALID)
        stream.counts.compare(together.batch.number[mine], alone, beside)

    def _batch(self, together: _Together, rows: Int64s, stand_in: Int64s) -> FrameBatch:
        batch = together.batch
        stream, number = together.stream[rows], batch.number[rows]
        begin = len(self.numbering) + 1
        self.numbering.add(stream, number, len(self.streams))
        source = np.empty(len(rows), np.uint16)
        interfaces = stream * (1 << 16) + batch.source[rows]
        for one in distinct(interfaces).tolist():
            known = self._interfaces.setdefault(divmod(one, 1 << 16), len(self._interfaces))
            source[interfaces == one] = min(known, 0xFFFE)
        columns = _columns(batch, rows) | {
            "number": np.arange(begin, begin + len(rows)),
            "time_ns": together.time_ns[stand_in],
            "source": source,
        }
        return FrameBatch(buffer=batch.buffer, **columns)  # pyright: ignore[reportArgumentType] -- by name


def _standing(survey: Survey, path: str) -> tuple[int, int, str]:
    return -survey.frames, survey.first_ns or 0, path
