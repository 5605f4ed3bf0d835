"""How the clocks of captures differ that heard the same network: estimated from frames that both heard.

A frame that occurs exactly once in each of two captures, octet for octet, was most likely the same transmission:
secured NWK frames carry a frame counter and a MIC, so they never come again but as a retry or a replay, which then
occurs twice. A capture's sample (`Survey`) keeps frames by their hash, so that samples of any two captures hold the
same frames whatever their sizes are, in bounded memory.

The difference of two clocks is a line (offset and drift) with a correction on it that changes with time: temperature
moves quartzes. Both are medians, so that a few false matches do no harm. Computers set their clocks: from there on the
line lies elsewhere. Where a clock is set back the same times come twice; `Onward` makes them go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import Fcs, FrameBatch, Int64s
from hanscope.dissectors.columns.rows import Octets, distinct, padded

Hashes = NDArray[np.uint64]

SAMPLED: Final = 1 << 17
"""Frames of one capture that are kept to compare with other captures', at most about."""
LEAST_OCTETS: Final = 20
"""Shorter frames say too little to be told apart from others: polls, acknowledgements, beacon requests."""
LEAST_MATCHES: Final = 3
FARTHEST_PPM: Final = 200
"""Two quartzes of 100 ppm each; a drift beyond that is no drift."""
_STEP_NS: Final = 5_000_000
"""A difference that changes by less than this, or than eight times the usual, is no clock that was set."""
_MOST_STEP_NS: Final = 5_000_000_000
"""One that changes by more than this is, however usual that is."""
_BACK_NS: Final = 100_000_000
"""A time that is earlier by this than the one before it is of a clock that was set back, or wild."""
_RETRY_NS: Final = 500_000
"""Repetitions come later than this (802.15.4 7.5.6.4.3)."""
_WIDEST_NS: Final = 1_000_000_000
"""Matches that lie farther apart agree on no clock; some sniffers write down whole seconds."""
_LIFTS: Final = 256
"""A clock that is set back more often is none."""
_LONGEST_NS: Final = 10 * 366 * 86_400 * 10**9
_SMOOTH: Final = 7
"""Matches of which the median is taken to tell a clock that was set from false matches."""
_SEGMENT: Final = 4
"""Matches that agree, from which a clock was set and is not just wrong."""
_PIECE_NS: Final = 600 * 10**9
_PIECE: Final = 64
"""Matches from which one correction is made, or those of ten minutes."""
_SLOPES: Final = 4096
_PAIRS: Final = 8
"""Times as many as captures: pairs of captures that are compared, at most."""
_COPIES: Final = 8
"""Captures with the same frame that are looked for together."""
_HASHED: Final = 256
"""Octets of a frame that go into its hash; only sub-GHz PHYs have longer ones."""
PANS: Final = 256
"""PANs of one capture that are noted."""
_FACTORS: Final = np.random.Generator(np.random.PCG64(0x48414E)).integers(0, 1 << 64, _HASHED // 4 + 1, np.uint64) | 1


def hashed(buffer: Octets, at: Int64s, length: Int64s) -> Hashes:
    """A 64-bit hash of each frame's octets (multilinear, then mixed). Equal hashes are a hint, no proof."""
    width = min(-(-int(length.max(initial=4)) // 4) * 4, _HASHED)
    words = padded(buffer, at, np.minimum(length, width), width).view("<u4")
    total = length.astype(np.uint64) * _FACTORS[-1]
    for column in range(words.shape[1]):
        total += words[:, column] * _FACTORS[column]
    total ^= total >> np.uint64(32)
    total *= _FACTORS[0]
    total ^= total >> np.uint64(29)
    return total


class Onward:
    """A capture's times as if its clock had never been set back: what comes after that comes 1 ms later.

    Only for files with one interface. Several deliver in turns, each a little late, which looks the same.
    """

    def __init__(self) -> None:
        self.lifts: list[tuple[int, int]] = []
        """From which time on (as it is read here), and by how much times are later than the clock said."""
        self._lift = 0
        self._before: Int64s = np.zeros(0, np.int64)
        """The last two times."""
        self._source: int | None = None

    def read(self, batch: FrameBatch) -> Int64s:
        """The times of the next frames."""
        sources = distinct(batch.source).tolist()
        if sources and self._source is None:
            self._source = sources[0]
        if any(source != self._source for source in sources):
            self._source = -1
        known = len(self._before)
        times = np.concatenate((self._before, batch.time_ns))
        self._before = times[-2:]
        lift = np.full(len(times), self._lift)
        if self._source != -1:
            for at in (np.flatnonzero(times[1:] < times[:-1] - _BACK_NS) + 1).tolist():
                if at >= known and _set_back(times, at):
                    self._set(lift, times, at)
        return (times + lift)[known:]

    def _set(self, lift: Int64s, times: Int64s, at: int) -> None:
        by = int(times[at - 1] - times[at]) + 1_000_000
        if len(self.lifts) < _LIFTS and by + self._lift < _LONGEST_NS:
            self._lift += by
            lift[at:] += by
            self.lifts.append((int(times[at] + lift[at]), by))


def _set_back(times: Int64s, at: int) -> bool:
    """Whether all times are earlier from here on, and not just this one, or just that before it later."""
    low = at + 1 < len(times) and times[at + 1] >= times[at - 1] - _BACK_NS
    high = at > 1 and times[at] >= times[at - 2] - _BACK_NS
    return not low and not high


@dataclass(slots=True)
class Survey:
    """What a first look at a capture tells: when it was running, whom it heard, and a sample of its frames."""

    octets: int = 0
    """Of the capture, decompressed or not: how much there is to read."""
    frames: int = 0
    first_ns: int | None = None
    """By its own clock, made to go on, as are all times here."""
    last_ns: int | None = None
    pans: dict[int, int] = field(default_factory=dict[int, int])
    """Data frames by destination PAN."""
    onward: Onward = field(default_factory=Onward)
    _hashes: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    _times: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    _limit: int = (1 << 64) - 1
    """Hashes up to here are in the sample."""

    def add(self, batch: FrameBatch) -> None:
        if not len(batch):
            return
        self.frames += len(batch)
        time_ns = self.onward.read(batch)
        first, last = int(time_ns.min()), int(time_ns.max())
        self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        self.last_ns = last if self.last_ns is None else max(last, self.last_ns)
        head = padded(batch.buffer, batch.at, batch.length, 5)
        good = (batch.fcs != Fcs.INVALID) & ~batch.truncated & (head[:, 0] & 7 == 1)
        named = np.flatnonzero(good & (head[:, 1] & 0x0C != 0))
        pan_id = head[named, 3].astype(np.int64) | head[named, 4].astype(np.int64) << 8
        for pan in distinct(pan_id)[:PANS].tolist():
            if pan in self.pans or len(self.pans) < PANS:
                self.pans[pan] = self.pans.get(pan, 0) + int((pan_id == pan).sum())
        chosen = np.flatnonzero(good & (batch.length >= LEAST_OCTETS))
        hashes = hashed(batch.buffer, batch.at[chosen], batch.length[chosen])
        few = hashes <= np.uint64(self._limit)
        self._hashes = np.concatenate((self._hashes, hashes[few]))
        self._times = np.concatenate((self._times, time_ns[chosen[few]]))
        if len(self._hashes) > SAMPLED:
            self._thin_out()

    def _thin_out(self) -> None:
        """Makes the sample small again: of a frame that came often two are enough, then fewer hashes are kept."""
        order = np.argsort(self._hashes, kind="stable")
        hashes = self._hashes[order]
        wanted = order[np.append([True, True], hashes[2:] != hashes[:-2])]
        self._hashes, self._times = self._hashes[wanted], self._times[wanted]
        while len(self._hashes) > SAMPLED // 2:
            self._limit >>= 1
            few = self._hashes <= np.uint64(self._limit)
            self._hashes, self._times = self._hashes[few], self._times[few]

    def sample(self) -> tuple[Hashes, Int64s]:
        """Hashes, ascending, of frames that were heard once, and when."""
        order = np.argsort(self._hashes, kind="stable")
        hashes, times = self._hashes[order], self._times[order]
        fresh = np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]
        once = fresh & np.append(fresh[1:], True)[: len(hashes)]
        return hashes[once], times[once]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """From one clock to another."""

    origin: int
    """Where the line is anchored, nanoseconds of the first clock."""
    offset: int
    """The second clock less the first, there."""
    slope: float
    knots: NDArray[np.float64]
    """Nanoseconds after the origin …"""
    corrections: NDArray[np.float64]
    """… and what has to be added to the line there, nanoseconds."""
    spread_ns: int
    """Nineteen of twenty common frames lie within this."""
    matches: int
    steps: tuple[tuple[int, int], ...] = ()
    """When, by the first clock, and by how much the second was set against it; what is more than the line tells."""

    def read(self, time_ns: Int64s) -> Int64s:
        """What the second clock shows when the first shows `time_ns`."""
        after = (time_ns - self.origin).astype(np.float64)
        fine = after * self.slope + np.interp(after, self.knots, self.corrections)
        return time_ns + self.offset + np.rint(fine).astype(np.int64)


def fitted(own: Int64s, other: Int64s, set_back: Sequence[int] = ()) -> Fit | None:
    """How to get from the first clock to the second, from what both showed at the same frames.

    `set_back`: when the first was. `None`: too few of the matches agree with each other.
    """
    if len(own) < LEAST_MATCHES:
        return None
    order = np.argsort(own, kind="stable")
    own, other = own[order], other[order]
    origin, offset = int(own[0]), _middle(other - own)
    after = (own - origin).astype(np.float64)
    rest = (other - own - offset).astype(np.float64)
    known = np.array(set_back, np.int64) - origin
    segments = _segments(after, rest, known)
    count = sum(map(len, segments))
    if count < LEAST_MATCHES or 2 * count < len(own):
        return None
    longest = max(segments, key=lambda one: after[one[-1]] - after[one[0]])
    slope = _slope(after[longest], rest[longest])
    knots, corrections, edges = _line(segments, after, rest - slope * after, known)
    sound = np.concatenate(segments)
    misfit = np.abs(rest[sound] - slope * after[sound] - np.interp(after[sound], knots, corrections))
    # A frame and its repetition, of which each capture has one, are no match.
    misfit = misfit[misfit <= max(_RETRY_NS, 8 * float(np.quantile(misfit, 0.75)))]
    spread_ns = int(np.quantile(misfit, 0.95))
    if spread_ns > _WIDEST_NS:
        return None
    steps = tuple((origin + int(knots[at]), round(corrections[at] - corrections[at - 1])) for at in edges)
    return Fit(origin, offset, slope, knots, corrections, spread_ns, len(misfit), steps)


def _line(
    segments: Sequence[Int64s], after: NDArray[np.float64], level: NDArray[np.float64], set_back: Int64s
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Knots and corrections, and at which knots a clock was set: there is another one just before each."""
    knots: list[float] = []
    corrections: list[float] = []
    edges: list[int] = []
    last = 0.0
    for one in segments:
        where, what = _pieces(after[one], level[one])
        if knots:
            edge = _edge(last, float(after[one[0]]), set_back)
            edges.append(len(knots) + 1)
            knots += [edge - 1, edge]
            corrections += [corrections[-1], what[0]]
        knots += where
        corrections += what
        last = float(after[one[-1]])
    return np.array(knots), np.array(corrections), edges


def _middle(times: Int64s) -> int:
    """A median that is exact however large the numbers are."""
    return int(np.partition(times, len(times) // 2)[len(times) // 2])


def _edge(last: float, first: float, set_back: Int64s) -> float:
    """When a clock was set that was still as before at `last` and was not any more at `first`."""
    known = set_back[(set_back > last) & (set_back <= first)]
    return float(known[-1]) if len(known) else max(last + 1, last + (first - last) // 2)


def _segments(after: NDArray[np.float64], rest: NDArray[np.float64], set_back: Int64s) -> list[Int64s]:
    """Matches that agree with those beside them, by the times between which neither clock was set."""
    window = min(_SMOOTH, (len(rest) - 1) | 1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(rest, window // 2, mode="edge"), window)
    smooth = np.median(around, axis=1)
    away = np.abs(rest - smooth)
    least = min(max(_STEP_NS, 8 * float(np.quantile(away, 0.75))), _MOST_STEP_NS)
    room = least + FARTHEST_PPM * 1e-6 * np.diff(after)
    told = np.isin(np.arange(1, len(after)), np.searchsorted(after, set_back))
    breaks = np.flatnonzero((np.abs(np.diff(smooth)) > room) | told) + 1
    parts = [part for part in np.split(np.arange(len(after)), breaks) if len(part) >= min(_SEGMENT, len(after))]
    parts = [sound for part in parts if len(sound := part[away[part] <= least])]
    joined: list[Int64s] = []
    for part in parts:
        if joined and not told[joined[-1][-1] : part[0]].any():
            last, first = joined[-1][-_SMOOTH:], part[:_SMOOTH]
            apart = abs(float(np.median(rest[first]) - np.median(rest[last])))
            if apart <= least + FARTHEST_PPM * 1e-6 * (after[first[-1]] - after[last[0]]):
                joined[-1] = np.concatenate((joined[-1], part))
                continue
        joined.append(part)
    return joined


def _slope(after: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """The median slope between matches an eighth of the way apart; 0 if it is more than a quartz can be off."""
    apart = max(len(after) // 8, 1)
    begin = np.linspace(0, len(after) - 1 - apart, max(min(len(after) - apart, _SLOPES), 0)).astype(np.int64)
    width = after[begin + apart] - after[begin]
    begin, width = begin[width > 0], width[width > 0]
    if not len(begin):
        return 0.0
    slope = float(np.median((rest[begin + apart] - rest[begin]) / width))
    return slope if abs(slope) <= FARTHEST_PPM * 1e-6 else 0.0


def _pieces(after: NDArray[np.float64], level: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Medians over neighbouring matches: where, and how much."""
    knots: list[float] = []
    corrections: list[float] = []
    begin = 0
    while begin < len(after):
        end = min(begin + _PIECE, int(np.searchsorted(after, after[begin] + _PIECE_NS, side="right")))
        if len(after) - end < LEAST_MATCHES:
            end = len(after)
        end = max(end, min(begin + LEAST_MATCHES, len(after)))
        knots.append(float(np.median(after[begin:end])))
        corrections.append(float(np.median(level[begin:end])))
        begin = end
    return knots, corrections


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """A capture's clock beside that of the capture which is the reference of all that heard common frames."""

    reference: int
    """Index of the capture whose clock is used; its own: nothing is known about its clock, or it is the reference."""
    fit: Fit | None = None
    """From its own clock to the reference's."""

    def read(self, time_ns: Int64s) -> Int64s:
        """What the reference's clock shows when this one shows `time_ns`."""
        return time_ns if self.fit is None else self.fit.read(time_ns)

    @property
    def spread_ns(self) -> int:
        return 0 if self.fit is None else self.fit.spread_ns


def clocks(surveys: Sequence[Survey]) -> list[Clock]:
    """A clock for each capture.

    The first of those that hang together is their reference. One after the other is compared with all that have been
    before, those with the most common frames first.
    """
    samples = [survey.sample() for survey in surveys]
    common = _neighbours(samples)
    found: dict[int, Clock] = {}
    for root in range(len(surveys)):
        if root in found:
            continue
        found[root] = Clock(root)
        waiting = {other: count for other, count in common[root].items() if other not in found}
        while waiting:
            one = max(waiting, key=lambda index: (waiting[index], -index))
            del waiting[one]
            others = [other for other in common[one] if other in found and found[other].reference == root]
            own, theirs = _matches(samples, one, others, found)
            fit = fitted(own, theirs, [at for at, _ in surveys[one].onward.lifts])
            if fit is None:
                continue
            found[one] = Clock(root, fit)
            for other, count in common[one].items():
                if other not in found:
                    waiting[other] = waiting.get(other, 0) + count
    return [found[index] for index in range(len(surveys))]


def _neighbours(samples: Sequence[tuple[Hashes, Int64s]]) -> list[dict[int, int]]:
    """For each capture those that have frames in common with it, and how many; of many captures the best pairs."""
    hashes = np.concatenate([hashes for hashes, _ in samples])
    owner = np.concatenate([np.full(len(hashes), index) for index, (hashes, _) in enumerate(samples)])
    order = np.lexsort((owner, hashes))
    hashes, owner = hashes[order], owner[order]
    count = len(samples)
    totals = np.zeros(count * count, np.int64)
    for apart in range(1, min(count, _COPIES)):
        same = np.flatnonzero(hashes[apart:] == hashes[:-apart])
        totals += np.bincount(owner[same] * count + owner[same + apart], minlength=count * count)
    found: list[dict[int, int]] = [{} for _ in samples]
    for pair in np.argsort(-totals, kind="stable")[: _PAIRS * count].tolist():
        one, other = divmod(pair, count)
        if totals[pair]:
            found[one][other] = found[other][one] = int(totals[pair])
    return found


def _matches(
    samples: Sequence[tuple[Hashes, Int64s]], one: int, others: Sequence[int], clocks: Mapping[int, Clock]
) -> tuple[Int64s, Int64s]:
    """When a capture heard the frames that any of the others has too, by its own clock and by the reference's."""
    pairs = [_common(samples[one], samples[other]) for other in others]
    own = np.concatenate([mine for mine, _ in pairs])
    theirs = np.concatenate([clocks[other].read(times) for other, (_, times) in zip(others, pairs, strict=True)])
    first = np.unique(own, return_index=True)[1]
    return own[first], theirs[first]


def _common(one: tuple[Hashes, Int64s], other: tuple[Hashes, Int64s]) -> tuple[Int64s, Int64s]:
    """When each of two captures heard the frames that both have."""
    place = np.searchsorted(other[0], one[0])
    place[place == len(other[0])] = 0
    same = other[0][place] == one[0] if len(other[0]) else np.zeros(len(one[0]), np.bool_)
    return one[1][same], other[1][place[same]]
