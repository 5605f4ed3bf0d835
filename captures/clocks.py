"""How the clocks of captures differ that heard the same network: estimated from frames that both heard.

A frame that occurs exactly once in each of two captures, octet for octet, was most likely the same transmission:
secured NWK frames carry a frame counter and a MIC, so they never come again but as a retry or a replay, which then
occurs twice. A capture's sample (`Survey`) keeps frames by their hash, so that samples of any two captures hold the
same frames whatever their sizes are, in bounded memory.

The difference of two clocks is a line (offset and drift) with a correction on it that changes with time: temperature
moves quartzes, and computers set their clocks. Both are medians, so that a few false matches do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_STEP_NS: Final = 30 * 10**9
"""By how much a clock may have been set while the capture ran."""
_PIECE_NS: Final = 600 * 10**9
_PIECE: Final = 64
"""Matches from which one correction is made, or those of ten minutes."""
_SLOPES: Final = 4096
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


@dataclass(slots=True)
class Survey:
    """What a first look at a capture tells: when it was running, whom it heard, and a sample of its frames."""

    octets: int = 0
    """Of the capture, decompressed or not: how much there is to read."""
    frames: int = 0
    first_ns: int | None = None
    """By its own clock, as is the sample."""
    last_ns: int | None = None
    pans: dict[int, int] = field(default_factory=dict[int, int])
    """Data frames by destination PAN."""
    _hashes: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    _times: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    _limit: int = (1 << 64) - 1
    """Hashes up to here are in the sample."""

    def add(self, batch: FrameBatch) -> None:
        if not len(batch):
            return
        self.frames += len(batch)
        first, last = int(batch.time_ns.min()), int(batch.time_ns.max())
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
        self._times = np.concatenate((self._times, batch.time_ns[chosen[few]]))
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

    def read(self, time_ns: Int64s) -> Int64s:
        """What the second clock shows when the first shows `time_ns`."""
        after = (time_ns - self.origin).astype(np.float64)
        fine = after * self.slope + np.interp(after, self.knots, self.corrections)
        return time_ns + self.offset + np.rint(fine).astype(np.int64)


def fitted(own: Int64s, other: Int64s) -> Fit | None:
    """How to get from the first clock to the second, from what both showed at the same frames.

    `None`: too few of the matches agree with each other.
    """
    if len(own) < LEAST_MATCHES:
        return None
    order = np.argsort(own, kind="stable")
    own, other = own[order], other[order]
    offset = int(np.median(other - own - (other[0] - own[0]))) + int(other[0] - own[0])
    origin = int(own[0])
    after = (own - origin).astype(np.float64)
    rest = (other - own - offset).astype(np.float64)
    sound = np.abs(rest) <= _STEP_NS + FARTHEST_PPM * 1e-6 * after[-1]
    if 2 * int(sound.sum()) < len(own) or int(sound.sum()) < LEAST_MATCHES:
        return None
    after, rest = after[sound], rest[sound]
    slope = _slope(after, rest)
    level = rest - slope * after
    knots, corrections = _pieces(after, level)
    misfit = np.abs(level - np.interp(after, knots, corrections))
    spread = int(np.quantile(misfit, 0.95))
    return Fit(origin, offset, slope, knots, corrections, spread, len(after))


def _slope(after: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """The median slope between matches that lie an eighth of the way apart, so that a clock that was set once harms
    few of them; 0 if it is more than a quartz can be off.
    """
    apart = max(len(after) // 8, 1)
    begin = np.linspace(0, len(after) - 1 - apart, min(len(after) - apart, _SLOPES)).astype(np.int64)
    width = after[begin + apart] - after[begin]
    begin, width = begin[width > 0], width[width > 0]
    if not len(begin):
        return 0.0
    slope = float(np.median((rest[begin + apart] - rest[begin]) / width))
    return slope if abs(slope) <= FARTHEST_PPM * 1e-6 else 0.0


def _pieces(after: NDArray[np.float64], level: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
    return np.array(knots), np.array(corrections)


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """A capture's clock beside that of the capture which is the reference of all that heard common frames."""

    reference: int
    """Index of the capture whose clock is used; its own: nothing is known about its clock, or it is the reference."""
    steps: tuple[Fit, ...] = ()
    """From its own clock to the reference's, maybe through those of other captures."""

    def read(self, time_ns: Int64s) -> Int64s:
        """What the reference's clock shows when this one shows `time_ns`."""
        for step in self.steps:
            time_ns = step.read(time_ns)
        return time_ns

    @property
    def spread_ns(self) -> int:
        return max((step.spread_ns for step in self.steps), default=0)

    @property
    def matches(self) -> int:
        return min((step.matches for step in self.steps), default=0)


def clocks(surveys: Sequence[Survey]) -> list[Clock]:
    """A clock for each capture.

    Captures are tied together two by two, those with the most common frames first; the reference of those that hang
    together is the first of them.
    """
    samples = [survey.sample() for survey in surveys]
    ties: dict[int, dict[int, tuple[Fit, Fit]]] = {}
    group = list(range(len(surveys)))
    for one, other in _neighbours(samples)[: 8 * len(surveys)]:
        if group[one] == group[other]:
            continue
        times = _common(samples[one], samples[other])
        there, back = fitted(*times), fitted(*times[::-1])
        if there is None or back is None:
            continue
        ties.setdefault(one, {})[other] = there, back
        ties.setdefault(other, {})[one] = back, there
        low, high = sorted((group[one], group[other]))
        group = [low if mark == high else mark for mark in group]
    found: dict[int, Clock] = {}
    for root in range(len(surveys)):
        if root in found:
            continue
        found[root] = Clock(root)
        reached = [root]
        for here in reached:  # grows while it is walked
            for beyond, (_, back) in sorted(ties.get(here, {}).items()):
                if beyond not in found:
                    found[beyond] = Clock(root, (back, *found[here].steps))
                    reached.append(beyond)
    return [found[index] for index in range(len(surveys))]


def _neighbours(samples: Sequence[tuple[Hashes, Int64s]]) -> list[tuple[int, int]]:
    """Pairs of captures that have frames in common, those with the most first."""
    hashes = np.concatenate([hashes for hashes, _ in samples])
    owner = np.concatenate([np.full(len(hashes), index) for index, (hashes, _) in enumerate(samples)])
    order = np.lexsort((owner, hashes))
    hashes, owner = hashes[order], owner[order]
    same = np.flatnonzero(hashes[1:] == hashes[:-1])
    pair = owner[same] * len(samples) + owner[same + 1]
    pairs = distinct(pair)
    counts = np.bincount(np.searchsorted(pairs, pair), minlength=len(pairs))
    return [divmod(one, len(samples)) for one in pairs[np.lexsort((pairs, -counts))].tolist()]


def _common(one: tuple[Hashes, Int64s], other: tuple[Hashes, Int64s]) -> tuple[Int64s, Int64s]:
    """When each of two captures heard the frames that both have."""
    place = np.searchsorted(other[0], one[0])
    place[place == len(other[0])] = 0
    same = other[0][place] == one[0] if len(other[0]) else np.zeros(len(one[0]), np.bool_)
    return one[1][same], other[1][place[same]]
