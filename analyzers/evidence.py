"""Did the sniffer miss it, or did the device not do it? (ZigBee 05-3474, 4.3.1: NWK frame counters)

Every secured NWK frame carries a counter of the device that transmitted it on this hop, one more each time. A step of
more than one between two frames that were heard is therefore a number of frames that were *not captured*; no step over
a time in which something was due says that it was *not sent*. Not counted as loss:

* the same counter again: a MAC retry, or the same frame in a second capture;
* a lower counter, followed by the higher ones again: a frame that came out of order, or a replay (`late`);
* a jump to just beyond a multiple of 0x400 (so of 0x1000 and 0x10000 too), or one that no radio could have made in the
  time: the device *rebooted*, for devices keep only every so-manieth counter in flash;
* a beginning near 0: the device was reset, joined anew, or got a new key (`restart`).

The other numbers are second opinions. *MAC sequence numbers* settle what a jump was: where they went on by as many
frames as the counter did, frames were missed; after a reboot they begin anywhere. They say no more than that, as polls,
beacons and unsecured frames take numbers too and 256 of them are few. *ZCL sequence numbers* tell that a client sent no
request between two (`rows.OtaRows.next_number`), and with *APS counters* which frames repeat a message of which the
first sending was missed (`copy`, `late_copy`). A gap is never explained away by APS counters that go on: fragments of
one message share a number, acknowledgements take none, and stacks count by device or by partner; what was missed may be
the rest of the very answer that is looked for. There the verdict stays: undecided.

A frame that was heard but stayed encrypted was captured, and yet it may be what is looked for: it leaves an absence
undecided, but is not counted as missed.

`hearing_of` compresses the counters of one batch, where it is dissected; `Evidence` joins batches in capture order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.context import Context
from hanscope.analyzers.coverage import among
from hanscope.analyzers.network import numbered
from hanscope.analyzers.results import CaptureQuality, QualityPeriod
from hanscope.dissectors.columns.rows import Index, ascending
from hanscope.dissectors.eui64 import eui64_text

SECOND: Final = 1_000_000_000
PERIOD_NS: Final = 60 * SECOND
PERIODS_KEPT: Final = 240
"""Periods of one capture; when there would be more, each becomes twice as long."""
TRANSMITTERS_KEPT: Final = 2000
GAPS_KEPT: Final = 1 << 19
"""Of all transmitters together; the oldest go first, and nothing is concluded about their time any more."""

CHECKPOINT: Final = 0x400
"""What devices store of their counter in flash is a multiple of this."""
CHECKPOINT_SLACK: Final = 16
"""Frames after a reboot that may be missed."""
SMALLEST_JUMP: Final = 64
"""Smaller jumps to a multiple are taken for missed frames."""
FASTEST: Final = 400
"""Frames a second that one transmitter may send at 250 kbit/s."""
RESTART_BELOW: Final = 0x400
GOES_ON: Final = 8
"""Frames in a row that show that a counter goes on from where it fell to."""
RESTART_STEP: Final = 64
"""How far a counter falls at a restart, at least; less is a frame that came out of order."""

GAP: Final = 0
REBOOT: Final = 1
RESTART: Final = 2
UNREADABLE: Final = 3
"""Frames that were heard and stayed encrypted: from the first of them to the last."""

_SHORT_ONLY: Final = 0xFFFF_FFFF << 32


def transmitter(pan_id: int, short: int, eui64: int) -> int:
    """What names a transmitter: its EUI-64, or its PAN and short address while that is not known."""
    return eui64 or (_SHORT_ONLY | (pan_id & 0xFFFF) << 16 | (short & 0xFFFF))


def transmitters(pan_id: Index, short: Index, eui64: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`transmitter` for columns."""
    if eui64.all():
        return eui64
    alone = np.uint64(_SHORT_ONLY) | ((pan_id & 0xFFFF) << 16 | (short & 0xFFFF)).astype(np.uint64)
    return np.where(eui64 != 0, eui64, alone)


class Hearing(msgspec.Struct, frozen=True):
    """What one batch tells about its transmitters: one row each, then one row for each gap, then for each period."""

    who: NDArray[np.uint64]
    pan_id: Index
    short: Index
    first_counter: Index
    last_counter: Index
    first_sequence: Index
    """MAC sequence numbers of the first and the last frame; -1: none."""
    last_sequence: Index
    first_ns: Index
    last_ns: Index
    first_frame: Index
    last_frame: Index
    heard: Index
    """Different counters that were heard."""
    again: Index
    """Frames with the counter of the one before."""
    late: Index
    old: Index
    """Of these, the ones that are far behind."""
    unreadable: Index
    """Frames of which the header was heard, and the content stayed encrypted."""
    gap_of: Index
    """Row of its transmitter; ascending."""
    gap_kind: NDArray[np.uint8]
    gap_before_ns: Index
    """The last frame before the gap, and the first after it."""
    gap_after_ns: Index
    gap_before_frame: Index
    gap_after_frame: Index
    gap_missing: Index
    """Frames that were not captured, or not readable; 0 for reboots and restarts."""
    period_of: Index
    period: Index
    """Minutes since 1970."""
    period_heard: Index
    period_missing: Index
    late_frames: Index
    """The first few of the old frames, and whose they are."""
    late_of: Index


LATE_KEPT: Final = 64
STRAGGLING: Final = 16
"""How far behind a frame may be that only came out of order, or from a second sniffer."""


def hearing_of(context: Context, hop_eui64: NDArray[np.uint64], unread: Index) -> Hearing | None:
    """The counters of a batch. `hop_eui64`: of each frame's transmitter, 0 unknown; `unread`: frames that stayed
    encrypted.
    """
    rows = np.flatnonzero((context.nwk_frame_counter >= 0) & ((hop_eui64 != 0) | (context.mac_source >= 0)))
    if not len(rows):
        return None
    rows = rows[ascending(context.number[rows])]
    who = transmitters(context.pan_id[rows], context.mac_source[rows], hop_eui64[rows])
    member, first = numbered(who)
    order = ascending(member.astype(np.int64))
    rows, member = rows[order], member[order]
    mine, counter = member.astype(np.int64), context.nwk_frame_counter[rows]
    time_ns, number = context.time_ns[rows], context.number[rows]
    many = len(first)
    begins = np.append(True, mine[1:] != mine[:-1])
    step = np.append(0, counter[1:] - counter[:-1])
    epoch = np.cumsum(begins | _restarts(counter, step, begins), dtype=np.int64)
    place = (epoch << 33) | counter
    before = np.append(-1, np.maximum.accumulate(place)[:-1])
    fresh = place > before
    shut = among(number, unread) if len(unread) else np.zeros(len(rows), np.bool_)
    unreadable = np.bincount(mine[shut], minlength=many)
    again = np.bincount(mine[place == before], minlength=many)
    behind = np.flatnonzero(place < before)
    late = np.bincount(mine[behind], minlength=many)
    # What a batch ends with may be the beginning of a counter that begins anew.
    last = np.append(begins[1:], True)[behind] & (counter[behind] < RESTART_BELOW)
    behind = behind[(before[behind] - place[behind] > STRAGGLING) & ~last]
    old = np.bincount(mine[behind], minlength=many)
    late_at = behind[:LATE_KEPT]
    kept = np.flatnonzero(fresh)
    mine, counter, epoch = mine[kept], counter[kept], epoch[kept]
    time_ns, number = time_ns[kept], number[kept]
    heads = np.flatnonzero(np.append(True, mine[1:] != mine[:-1]))
    tails = np.append(heads[1:], len(mine)) - 1
    sequence = context.mac_sequence[rows[kept]]
    missing, kind = _gaps(counter, time_ns, epoch, mine, sequence)
    gaps = np.flatnonzero((missing > 0) | (kind > GAP))
    shut, shut_until = _runs(shut[kept], gaps, heads)
    entries = ascending(np.concatenate([gaps * 2, shut * 2 + 1]))
    begin = np.concatenate([gaps - 1, shut])[entries]
    end = np.concatenate([gaps, shut_until])[entries]
    entry_kind = np.concatenate([kind[gaps], np.full(len(shut), UNREADABLE, np.uint8)])[entries]
    entry_missing = np.concatenate([missing[gaps], shut_until - shut + 1])[entries]
    minute = time_ns // PERIOD_NS
    spans = np.append(0, np.flatnonzero((minute[1:] != minute[:-1]) | (mine[1:] != mine[:-1])) + 1)
    return Hearing(
        who=who[order[kept[heads]]],
        pan_id=context.pan_id[rows[kept[heads]]],
        short=context.mac_source[rows[kept[tails]]],
        first_counter=counter[heads],
        last_counter=counter[tails],
        first_sequence=sequence[heads],
        last_sequence=sequence[tails],
        first_ns=time_ns[heads],
        last_ns=time_ns[tails],
        first_frame=number[heads],
        last_frame=number[tails],
        heard=tails - heads + 1,
        again=again,
        late=late,
        old=old,
        unreadable=unreadable,
        gap_of=mine[end],
        gap_kind=entry_kind,
        gap_before_ns=time_ns[begin],
        gap_after_ns=time_ns[end],
        gap_before_frame=number[begin],
        gap_after_frame=number[end],
        gap_missing=entry_missing,
        period_of=mine[spans],
        period=minute[spans],
        period_heard=np.diff(np.append(spans, len(mine))),
        period_missing=np.add.reduceat(missing, spans),
        late_frames=context.number[rows[late_at]],
        late_of=member[late_at].astype(np.int64),
    )


def _restarts(counter: Index, step: Index, begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a counter begins anew: it falls and goes on from there. (Old frames among new ones do not go on.)"""
    restarts = np.zeros(len(counter), np.bool_)
    falls = np.flatnonzero((step < -RESTART_STEP) & ~begins)
    if not len(falls):
        return restarts
    behind = falls[:, None] + np.arange(1, GOES_ON + 1)
    inside = behind < len(counter)
    behind = np.minimum(behind, len(counter) - 1)
    going_on = inside & ~begins[behind] & (step[behind] >= 0) & (step[behind] <= RESTART_BELOW)
    far = going_on.all(axis=1)
    near_0 = going_on[:, 0] & (counter[falls] < RESTART_BELOW) & (counter[behind[:, 0]] < counter[falls - 1])
    restarts[falls[far | near_0]] = True
    return restarts


def _runs(unread: NDArray[np.bool_], gaps: Index, heads: Index) -> tuple[Index, Index]:
    """The first and the last frame of each run of frames that could not be read, without a gap inside."""
    if not unread.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    begins = np.append(True, unread[1:] != unread[:-1])
    begins[gaps] = begins[heads] = True
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(unread)) - 1
    mine = unread[starts]
    return starts[mine], ends[mine]


def _gaps(
    counter: Index, time_ns: Index, epoch: Index, mine: Index, sequence: Index
) -> tuple[Index, NDArray[np.uint8]]:
    """For each frame: how many were missed before it, and what kind of step it was."""
    missing = np.append(1, counter[1:] - counter[:-1]) - 1
    other = np.append(True, mine[1:] != mine[:-1])
    kind = np.zeros(len(counter), np.uint8)
    kind[(np.append(True, epoch[1:] != epoch[:-1])) & ~other] = RESTART
    missing[other | (kind == RESTART)] = 0
    far = np.flatnonzero(missing >= SMALLEST_JUMP)
    if len(far):
        elapsed_ns, steps = time_ns[far] - time_ns[far - 1], _steps(sequence[far - 1], sequence[far])
        jumped = far[rebooted(counter[far], missing[far], elapsed_ns, steps)]
        kind[jumped] = REBOOT
        missing[jumped] = 0
    return missing, kind


def _steps(before: Index, after: Index) -> Index:
    """How far MAC sequence numbers went on, from 0 to 255; -1: not known."""
    return np.where((before >= 0) & (after >= 0), (after - before) & 0xFF, -1)


def rebooted(counter: Index, missing: Index, elapsed_ns: Index, steps: Index) -> NDArray[np.bool_]:
    """Which jumps of a counter (to `counter`, over `missing` frames) are reboots and not missed frames.

    `steps`: how far the MAC sequence number went on; as far as the counter if frames were missed.
    """
    checkpoint = (counter % CHECKPOINT <= CHECKPOINT_SLACK) & (steps != (missing + 1) & 0xFF)
    impossible = missing > FASTEST * (elapsed_ns / SECOND + 1)
    return (missing >= SMALLEST_JUMP) & (checkpoint | impossible)


class Listening(NamedTuple):
    """Whether all was captured that a transmitter sent in some time."""

    verdict: Literal["captured", "missed", "unknown"]
    missing: int = 0
    """Frames at most, if some were missed."""


UNKNOWN: Final = Listening("unknown")
CAPTURED: Final = Listening("captured")


class Jump(NamedTuple):
    """A reboot or a restart of a transmitter, somewhere between two frames."""

    kind: Literal["reboot", "restart"]
    before_ns: int
    after_ns: int
    frame: int
    """The first after it."""


class _Track(msgspec.Struct):
    """One transmitter over the whole capture."""

    pan_id: int
    short: int
    first_ns: int
    known_from_ns: int
    first_frame: int
    last_ns: int
    last_frame: int
    last_counter: int
    last_sequence: int = -1
    heard: int = 0
    missing: int = 0
    gap_count: int = 0
    again: int = 0
    late: int = 0
    old: int = 0
    unreadable: int = 0
    reboots: int = 0
    restarts: int = 0
    parts: list[NDArray[np.int64]] = msgspec.field(default_factory=list[NDArray[np.int64]])
    """Gaps, a part for each batch, as columns: times before and after, missing, kind, frames before and after."""
    ends: list[int] = msgspec.field(default_factory=list[int])
    """Of each part, when its last gap ends."""
    periods: dict[int, list[int]] = msgspec.field(default_factory=dict[int, list[int]])
    late_frames: list[int] = msgspec.field(default_factory=list[int])

    def between(self, start_ns: int, end_ns: int) -> Iterator[NDArray[np.int64]]:
        """The gaps that this time touches, part by part."""
        for at in range(bisect_left(self.ends, start_ns), len(self.parts)):
            part = self.parts[at]
            first = int(np.searchsorted(part[1], start_ns, "left"))
            stop = int(np.searchsorted(part[0], end_ns, "right"))
            if first >= stop:
                return
            yield part[:, first:stop]


def _rebooted(track: _Track, hearing: Hearing, at: int, missing: int) -> bool:
    """Whether the transmitter rebooted between the last batch and this one."""
    here = slice(at, at + 1)
    elapsed_ns = hearing.first_ns[here] - track.last_ns
    steps = _steps(np.array([track.last_sequence]), hearing.first_sequence[here])
    return bool(rebooted(hearing.first_counter[here], np.array([missing]), elapsed_ns, steps)[0])


class Evidence:
    """Joins the counters of batches, in capture order, and answers questions about them."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._by_short: dict[tuple[int, int], int] = {}
        self._kept: deque[tuple[_Track, int]] = deque()
        self._gaps = 0
        self._period_ns = PERIOD_NS
        self.ignored = 0
        """Transmitters beyond what is kept."""

    def feed(self, hearing: Hearing | None) -> None:
        """Take in the next batch."""
        if hearing is None:
            return
        edges = np.searchsorted(hearing.gap_of, np.arange(len(hearing.who) + 1))
        tracks: list[_Track | None] = []
        for at, who in enumerate(hearing.who.tolist()):
            track = self._tracks.get(who)
            if track is None and len(self._tracks) >= TRANSMITTERS_KEPT:
                self.ignored += 1
                tracks.append(None)
                continue
            gaps = slice(int(edges[at]), int(edges[at + 1]))
            columns = np.stack(
                [
                    hearing.gap_before_ns[gaps],
                    hearing.gap_after_ns[gaps],
                    hearing.gap_missing[gaps],
                    hearing.gap_kind[gaps].astype(np.int64),
                    hearing.gap_before_frame[gaps],
                    hearing.gap_after_frame[gaps],
                ]
            )
            track = self._joined(track, hearing, at, columns, who)
            tracks.append(track)
        for at, period, heard, missing in zip(
            hearing.period_of.tolist(),
            hearing.period.tolist(),
            hearing.period_heard.tolist(),
            hearing.period_missing.tolist(),
            strict=True,
        ):
            if (track := tracks[at]) is not None:
                self._count(track, period * PERIOD_NS, heard, missing)
        for at, frame in zip(hearing.late_of.tolist(), hearing.late_frames.tolist(), strict=True):
            if (track := tracks[at]) is not None and len(track.late_frames) < LATE_KEPT:
                track.late_frames.append(frame)
        self._forget()

    def _joined(self, track: _Track | None, hearing: Hearing, at: int, columns: NDArray[np.int64], who: int) -> _Track:
        first_ns, counter = int(hearing.first_ns[at]), int(hearing.first_counter[at])
        first_frame = int(hearing.first_frame[at])
        place = int(hearing.pan_id[at]), int(hearing.short[at])
        if track is None:
            track = self._tracks[who] = _Track(
                *place, first_ns, first_ns, first_frame, first_ns, first_frame, counter - 1
            )
        if place[1] >= 0:
            track.short = place[1]
            self._by_short[place] = who
        step = counter - track.last_counter
        heard = int(hearing.heard[at])
        if -RESTART_STEP <= step <= 0:  # what the batch begins with is a repetition, or out of order
            heard -= 1
            track.again += step == 0
            track.late += step < 0
            self._count(track, first_ns, -1, 0)
        if step > 1 or step < -RESTART_STEP:
            missing, kind = step - 1, GAP
            if step < 0:
                missing, kind = 0, RESTART
            elif _rebooted(track, hearing, at, missing):
                missing, kind = 0, REBOOT
            seam = [track.last_ns, first_ns, missing, kind, track.last_frame, first_frame]
            columns = np.concatenate([np.array(seam).reshape(6, 1), columns], axis=1)
            if missing:
                self._count(track, first_ns, 0, missing)
        if columns.shape[1]:
            track.parts.append(columns)
            track.ends.append(int(columns[1, -1]))
            self._kept.append((track, columns.shape[1]))
            self._gaps += columns.shape[1]
        kinds = columns[3]
        track.missing += int(columns[2, kinds == GAP].sum())
        track.gap_count += int((kinds == GAP).sum())
        track.reboots += int((kinds == REBOOT).sum())
        track.restarts += int((kinds == RESTART).sum())
        track.heard += heard
        track.again += int(hearing.again[at])
        track.late += int(hearing.late[at])
        track.old += int(hearing.old[at])
        track.unreadable += int(hearing.unreadable[at])
        restarted = bool((kinds == RESTART).any())
        last = int(hearing.last_counter[at])
        track.last_counter = last if restarted else max(track.last_counter, last)
        if heard:
            track.last_ns = max(track.last_ns, int(hearing.last_ns[at]))
            track.last_frame = int(hearing.last_frame[at])
            track.last_sequence = int(hearing.last_sequence[at])
        return track

    def _count(self, track: _Track, time_ns: int, heard: int, missing: int) -> None:
        entry = track.periods.setdefault(time_ns // self._period_ns, [0, 0])
        entry[0] += heard
        entry[1] += missing
        if not any(entry):
            del track.periods[time_ns // self._period_ns]
        while len(track.periods) > PERIODS_KEPT:
            self._period_ns *= 2
            for one in self._tracks.values():
                halved: dict[int, list[int]] = {}
                for period, (many, lost) in one.periods.items():
                    into = halved.setdefault(period // 2, [0, 0])
                    into[0] += many
                    into[1] += lost
                one.periods = halved

    def _forget(self) -> None:
        """Drop the oldest gaps beyond what is kept."""
        while self._gaps > GAPS_KEPT and self._kept:
            track, many = self._kept.popleft()
            self._gaps -= many
            track.known_from_ns = track.ends.pop(0)
            track.parts.pop(0)

    def find(self, pan_id: int, short: int, eui64: int) -> int:
        """What names the device as a transmitter here, whichever of its addresses was heard."""
        who = transmitter(pan_id, short, eui64)
        return who if who in self._tracks else self._by_short.get((pan_id, short), who)

    def last_ns(self, who: int) -> int:
        """When the transmitter was heard last; before 1970 if it never was."""
        track = self._tracks.get(who)
        return track.last_ns if track is not None else -1

    def missed(
        self, who: int, start_ns: int, end_ns: int, start_frame: int | None = None, end_frame: int | None = None
    ) -> Listening:
        """Whether everything that a transmitter sent from `start_ns` to `end_ns` was captured and could be read.

        Frames say it more exactly than times, which some sniffers write down in whole seconds.
        """
        track = self._tracks.get(who)
        if track is None or track.known_from_ns > start_ns or track.last_ns < end_ns:
            return UNKNOWN
        missing = 0
        for gaps in track.between(start_ns, end_ns):
            first = 0 if start_frame is None else int(np.searchsorted(gaps[5], start_frame, "right"))
            stop = gaps.shape[1] if end_frame is None else int(np.searchsorted(gaps[4], end_frame, "left"))
            kinds = gaps[3, first:stop]
            if ((kinds == REBOOT) | (kinds == RESTART)).any():
                return UNKNOWN
            missing += int(gaps[2, first:stop].sum())
        return Listening("missed", missing) if missing else CAPTURED

    def share(self, who: int, start_ns: int, end_ns: int) -> tuple[int, int]:
        """Frames heard and frames missed of a transmitter in the periods that lie wholly in this time."""
        track = self._tracks.get(who)
        if track is None:
            return 0, 0
        first, stop = -(-start_ns // self._period_ns), end_ns // self._period_ns
        inside = [counts for period, counts in track.periods.items() if first <= period < stop]
        return sum(heard for heard, _ in inside), sum(missing for _, missing in inside)

    def unread(self, who: int, start_ns: int, end_ns: int) -> int:
        """Frames of a transmitter that were heard and stayed encrypted, of runs that reach into this time."""
        track = self._tracks.get(who)
        if track is None:
            return 0
        total = 0
        for gaps in track.between(start_ns, end_ns):
            inside = (gaps[3] == UNREADABLE) & (gaps[1] > start_ns) & (gaps[0] < end_ns)
            total += int(gaps[2, inside].sum())
        return total

    def jumps(self, who: int) -> list[Jump]:
        """Reboots and restarts of a transmitter in order."""
        track = self._tracks.get(who)
        if track is None:
            return []
        return [
            Jump("reboot" if kind == REBOOT else "restart", before, after, frame)
            for gaps in track.parts
            for before, after, _, kind, _, frame in gaps[:, (gaps[3] == REBOOT) | (gaps[3] == RESTART)].T.tolist()
        ]

    def replays(self) -> Iterator[tuple[int, tuple[int, ...], int]]:
        """Transmitters with frames far below the counter they had reached; the first of the frames; how many."""
        for who, track in self._tracks.items():
            if track.old:
                yield who, tuple(track.late_frames), track.old

    def quality(self) -> tuple[CaptureQuality, ...]:
        """How much of each transmitter was captured, in all and over time."""
        found = sorted(self._tracks.items(), key=lambda item: (item[1].pan_id, item[1].short, item[0]))
        return tuple(self._quality(who, track) for who, track in found)

    def _quality(self, who: int, track: _Track) -> CaptureQuality:
        total = track.heard + track.missing
        return CaptureQuality(
            pan_id=track.pan_id,
            short=track.short if track.short >= 0 else None,
            eui64=eui64_text(who) if who < _SHORT_ONLY else None,
            heard=track.heard,
            missed=track.missing,
            gaps=track.gap_count,
            missed_share=track.missing / total if total else 0.0,
            repeated=track.again,
            late=track.late,
            unreadable=track.unreadable,
            reboots=track.reboots,
            restarts=track.restarts,
            period_ns=self._period_ns,
            periods=tuple(
                QualityPeriod(started=period * self._period_ns, heard=heard, missed=missing)
                for period, (heard, missing) in sorted(track.periods.items())
            ),
        )
