"""The air: what it takes to get messages from one node to another, and what a sniffer hears of it.

A *message* is what an application or a network layer has to say. On its way it becomes

* one or more *attempts* of the APS layer (the second has a new NWK sequence number and new frame counters),
* each of them one or more *hops* (each with the transmitter's own MAC sequence number and NWK frame counter),
* each of them one or more *copies* of the same octets (MAC retries), and a MAC acknowledgement.

Messages are handed in as columns (`Air.send`), a window of some minutes at a time; nothing that begins in a window
reaches into the next one. `Air.flush` puts the window in order, gives every counter its value and returns the frames.

Times are those of 2.4 GHz (IEEE 802.15.4 10.2 and 12): an octet 32 µs, acknowledgement 192 µs after the frame; or of
Great Britain's sub-GHz bands (ZigBee 05-3474 annex D): an octet 80 µs, acknowledgement 500 µs after the frame.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator.han import Han
from hanscope.captures.simulator.kinds import ACK, POLL, Kind
from hanscope.captures.simulator.render import append_fcs, render
from hanscope.captures.simulator.stamp import Hop, Stamp
from hanscope.dissectors.columns.rows import Octets

Int64s = NDArray[np.int64]

SECOND: Final = 1_000_000_000
"""In nanoseconds."""
OCTET_NS: Final = 32_000
SYNCHRONISATION: Final = 6
"""Octets before the PSDU: preamble, start of frame delimiter, length."""
TURNAROUND_NS: Final = 192_000
ACK_WAIT_NS: Final = 864_000
BACKOFF_NS: Final = 320_000
ACK_NS: Final = (SYNCHRONISATION + 5) * OCTET_NS
SUB_GHZ_OCTET_NS: Final = 80_000
SUB_GHZ_SYNCHRONISATION: Final = 12
"""Preamble, start of frame delimiter and PHY header."""
SUB_GHZ_TURNAROUND_NS: Final = 500_000
SUB_GHZ_ACK_WAIT_NS: Final = 1_450_000
HOP_NS: Final = 9_000_000
"""From the beginning of one hop to the next, or to the answer."""
APS_RETRY_NS: Final = 1_600_000_000
"""apscAckWaitDuration."""
MAXIMUM_COPIES: Final = 4
"""One and macMaxFrameRetries."""
CHECKPOINT: Final = 0x1000
"""A node keeps its frame counter in flash so often, and goes on from there after it booted."""
BROADCAST: Final = -1
"""As a destination: all nodes."""
NONE: Final = -1
WIDTH: Final = 128
"""Octets of a row that holds any PSDU."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How good the air and the sniffer's place in it are; shares of 1."""

    damaged: float = 0.0
    """Frames that everybody receives with a wrong FCS; who wants an acknowledgement sends again."""
    resent: float = 0.0
    """Acknowledged frames that only the receiver did not hear at first."""
    aps_retried: float = 0.0
    """Messages whose APS acknowledgement does not come at first."""
    missed: float = 0.0
    """Frames that only the sniffer does not hear."""
    garbled: float = 0.0
    """Frames that only the sniffer receives with a wrong FCS."""
    deaf: tuple[tuple[float, float], ...] = ()
    """Times, in seconds since the beginning, in which the sniffer hears nothing."""


@dataclass(frozen=True, slots=True)
class _Phy:
    """Times of a physical layer."""

    octet_ns: int
    synchronisation: int
    turnaround_ns: int
    ack_wait_ns: int

    @property
    def ack_ns(self) -> int:
        return (self.synchronisation + 5) * self.octet_ns


_2_4_GHZ: Final = _Phy(OCTET_NS, SYNCHRONISATION, TURNAROUND_NS, ACK_WAIT_NS)
_SUB_GHZ: Final = _Phy(SUB_GHZ_OCTET_NS, SUB_GHZ_SYNCHRONISATION, SUB_GHZ_TURNAROUND_NS, SUB_GHZ_ACK_WAIT_NS)


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a window, as columns in order of time; those that the sniffer missed too."""

    time_ns: Int64s
    octets: Octets
    """(n, 128), PSDU with FCS."""
    length: Int64s
    captured: NDArray[np.bool_]
    intact: NDArray[np.bool_]
    """The FCS is right."""
    transmitter: Int64s
    tag: Int64s
    """What the sender noted, else -1."""
    frame_counter: Int64s
    """Of the NWK auxiliary header, else -1."""

    def first(self, count: int) -> "Frames":
        """The first frames."""
        return Frames(**{one.name: getattr(self, one.name)[:count] for one in fields(self)})


@dataclass(slots=True)
class _Group:
    """All messages of one kind in a window."""

    kind: Kind
    number: int
    count: int = 0
    parts: list[tuple[int, dict[str, Any]]] = field(default_factory=list[tuple[int, dict[str, Any]]])

    def add(self, count: int, columns: dict[str, Any]) -> Int64s:
        """Appends messages; returns their rows."""
        self.parts.append((count, columns))
        self.count += count
        return np.arange(self.count - count, self.count)

    def taken(self, rows: Int64s) -> dict[str, NDArray[Any]]:
        """The columns at these rows."""
        return {
            name: np.concatenate(
                [np.broadcast_to(part[name], (count, *np.shape(part[name])[1:])) for count, part in self.parts]
            )[rows]
            for name in self.parts[0][1]
        }


class _Table:
    """Rows that are collected as columns."""

    def __init__(self, *names: str) -> None:
        self._parts: dict[str, list[Int64s]] = {name: [] for name in names}
        self.count = 0

    def add(self, count: int, **columns: Any) -> Int64s:
        """Appends rows; returns their numbers."""
        for name, parts in self._parts.items():
            parts.append(np.broadcast_to(np.asarray(columns[name], np.int64), (count,)))
        self.count += count
        return np.arange(self.count - count, self.count)

    def columns(self) -> dict[str, Int64s]:
        return {name: np.concatenate(parts) if parts else np.zeros(0, np.int64) for name, parts in self._parts.items()}


@dataclass(frozen=True, slots=True)
class _Window:
    """What was sent in a window: messages, their attempts, and these attempts' turns to transmit, in order of time."""

    groups: tuple[_Group, ...]
    messages: dict[str, Int64s]
    attempts: dict[str, Int64s]
    turns: dict[str, Int64s]
    message: Int64s
    """Of each turn."""
    reboots: list[tuple[int, int]]

    def by_kind(self, of: Callable[[Kind], int]) -> Int64s:
        """A property of the kinds, to be indexed with a group's number."""
        return np.array([of(group.kind) for group in self.groups], np.int64)

    def which(self, test: Callable[[Kind], bool]) -> NDArray[np.bool_]:
        """Which messages are of such a kind."""
        return self.by_kind(test)[self.messages["group"]] > 0


class Air:
    """The medium of one HAN, and every node's counters."""

    def __init__(self, han: Han, rng: np.random.Generator, start_ns: int, noise: Noise) -> None:
        self.han = han
        self.rng = rng
        self.noise = noise
        self.start_ns = start_ns
        self.busy_until_ns = 0
        """Since the start; the last frame has ended."""
        count = len(han.nodes)
        self._mac = rng.integers(0, 256, count)
        self._nwk = rng.integers(0, 256, count)
        self._nwk_counter = rng.integers(0x1000, 0x40000, count)
        self._aps = rng.integers(0, 256, count)
        self._aps_counter = rng.integers(0x1000, 0x40000, count)
        self._zcl = rng.integers(0, 256, count)
        self._stamp = Stamp(han)
        self._phy = _SUB_GHZ if han.page else _2_4_GHZ
        self._switches: list[int] = []
        self._begin()

    def _begin(self) -> None:
        self._groups: dict[Kind, _Group] = {}
        self._messages = _Table("group", "row", "origin", "target", "answers", "tag")
        self._attempts = _Table("message")
        self._turns = _Table("wanted", "attempt", "transmitter", "receiver", "hop", "heard", "pending")
        self._reboots: list[tuple[int, int]] = []

    # -- what nodes do -------------------------------------------------------------------------------------------------

    def send(
        self,
        kind: Kind,
        at_ns: Any,
        source: int,
        destination: int = BROADCAST,
        *,
        answers: Int64s | int = NONE,
        tag: Any = NONE,
        heard: bool = True,
        repeats: int = 0,
        acknowledgement: dict[str, Any] | None = None,
        **columns: Any,
    ) -> Int64s:
        """Hands over messages of one kind, to be sent at `at_ns` (since the start) or as soon as the air is free.

        `answers`: the messages whose ZCL sequence number (or, for an APS acknowledgement, APS counter) they repeat.
        `answers` of a later fragment: the message that the first fragment is. `acknowledgement`: columns of the APS
        acknowledgement.
        `heard=False`: nobody receives them, so that they are sent four times and nobody acknowledges.
        `repeats`: so often they are sent again because no APS acknowledgement comes.
        `columns`: values of fields that differ from the kind's specimen; all messages of a kind in a window give
        the same fields. Returns the messages' numbers.
        """
        at = np.atleast_1d(np.asarray(at_ns, np.int64))
        messages = self._message(kind, len(at), source, destination, answers=answers, tag=tag, columns=columns)
        arrived = self._attempt(kind, messages, at, source, destination, heard=heard)
        for repeat in range(1, repeats + 1):
            self._attempt(kind, messages, at + repeat * APS_RETRY_NS, source, destination, heard=heard)
        if kind.aps_ack is None or not heard:
            return messages
        again = self.rng.random(len(at)) < self.noise.aps_retried
        if again.any():
            second = self._attempt(kind, messages[again], at[again] + APS_RETRY_NS, source, destination, heard=True)
            arrived[again] = second
        self.send(kind.aps_ack, arrived, destination, source, answers=messages, **acknowledgement or {})
        return messages

    def poll(self, at_ns: Any, node: int, *, pending: bool = False) -> None:
        """A sleepy node asks its parent for data; `pending`: the parent has some."""
        at = np.atleast_1d(np.asarray(at_ns, np.int64))
        parent = self.han.nodes[node].parent
        attempts = self._attempts.add(len(at), message=self._message(POLL, len(at), node, parent, columns={}))
        self._turn(at, attempts, node, parent, pending=pending)

    def reboot(self, at_ns: int, node: int) -> None:
        """From then on the node's frame counter goes on from the next multiple of `CHECKPOINT`."""
        self._reboots.append((at_ns, node))

    def switch_key(self, at_ns: int) -> None:
        """From then on everybody uses the next of the network's later keys."""
        self._switches.append(at_ns)

    def _message(
        self,
        kind: Kind,
        count: int,
        source: int,
        target: int,
        *,
        answers: Int64s | int = NONE,
        tag: Any = NONE,
        columns: dict[str, Any],
    ) -> Int64s:
        group = self._groups.setdefault(kind, _Group(kind, len(self._groups)))
        rows = group.add(count, {kind.slot(name): value for name, value in columns.items()})
        return self._messages.add(
            count, group=group.number, row=rows, origin=source, target=target, answers=answers, tag=tag
        )

    def _turn(
        self,
        at: Int64s,
        attempts: Int64s,
        transmitter: int,
        receiver: int,
        hop: int = 0,
        *,
        heard: bool = True,
        pending: bool = False,
    ) -> None:
        self._turns.add(
            len(at),
            wanted=at,
            attempt=attempts,
            transmitter=transmitter,
            receiver=receiver,
            hop=hop,
            heard=heard,
            pending=pending,
        )

    def _attempt(
        self, kind: Kind, messages: Int64s, at: Int64s, source: int, destination: int, *, heard: bool
    ) -> Int64s:
        """One attempt for each message; returns when it will have arrived."""
        attempts = self._attempts.add(len(at), message=messages)
        if destination == BROADCAST:
            self._turn(at, attempts, source, NONE)
            relays = [node for node, one in enumerate(self.han.nodes) if kind.relayed and one.router and node != source]
            for relay in relays:
                self._turn(at + self.rng.integers(HOP_NS, 3 * HOP_NS, len(at)), attempts, relay, NONE, 1)
            return at + 4 * HOP_NS
        for hop, (transmitter, receiver) in enumerate(self.han.path(source, destination)):
            if self.han.nodes[receiver].sleepy and heard:
                asked = at + self.rng.integers(HOP_NS, 6 * HOP_NS, len(at))
                self.poll(asked, receiver, pending=True)
                at = asked + HOP_NS // 2
            self._turn(at, attempts, transmitter, receiver, hop, heard=heard)
            at = at + HOP_NS
            if not heard:
                break
        return at

    # -- what becomes of it --------------------------------------------------------------------------------------------

    def flush(self) -> Frames:
        """Everything that was sent since the last call, as frames."""
        window = self._close()
        turns, message = window.turns, window.message
        group = window.messages["group"][message]
        length = window.by_kind(len)[group]
        timing = self._timing(turns, length, window.which(Kind.mac_ack)[message])
        counters = self._counters(window, timing.start)
        rows = self._octets(window, counters, np.searchsorted(self._switches, timing.start, side="right"))

        count = timing.copies + timing.acked
        of = np.repeat(np.arange(len(count)), count)
        position = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
        is_ack = position == timing.copies[of]
        frames = rows[of]
        frames[is_ack, : len(ACK)] = _acks(counters.mac_sequence[of][is_ack], turns["pending"][of][is_ack])
        length = np.where(is_ack, len(ACK), length[of])
        for_good = np.where(is_ack, timing.copies[of] - 1, position)
        time = timing.start[of] + for_good * timing.step[of]
        time[is_ack] += timing.duration[of][is_ack] + self._phy.turnaround_ns
        damaged = timing.damaged[of] & (position == 0)
        damaged |= is_ack & self._chance(len(of), self.noise.damaged)
        damaged |= self._chance(len(of), self.noise.garbled)
        self._damage(frames, length, np.flatnonzero(damaged))
        nothing = np.int64(NONE)
        return Frames(
            time_ns=self.start_ns + time,
            octets=frames,
            length=length,
            captured=self._captured(time),
            intact=~damaged,
            transmitter=np.where(is_ack, turns["receiver"][of], turns["transmitter"][of]),
            tag=np.where(is_ack, nothing, window.messages["tag"][message][of]),
            frame_counter=np.where(is_ack, nothing, counters.nwk_frame_counter[of]),
        )

    def _close(self) -> _Window:
        """Ends the window."""
        turns = self._turns.columns()
        order = np.argsort(turns["wanted"], kind="stable")
        turns = {name: column[order] for name, column in turns.items()}
        attempts = self._attempts.columns()
        window = _Window(
            groups=tuple(self._groups.values()),
            messages=self._messages.columns(),
            attempts=attempts,
            turns=turns,
            message=attempts["message"][turns["attempt"]],
            reboots=self._reboots,
        )
        self._begin()
        return window

    def _chance(self, count: int, share: float) -> NDArray[np.bool_]:
        return self.rng.random(count) < share if share else np.zeros(count, np.bool_)

    def _timing(self, turns: dict[str, Int64s], length: Int64s, confirmed: NDArray[np.bool_]) -> "_Timing":
        """When each turn begins: in order, as soon as it is wanted and the air is free."""
        count = len(length)
        heard = turns["heard"] > 0
        acked = confirmed & heard
        damaged = self._chance(count, self.noise.damaged)
        again = acked & (damaged | self._chance(count, self.noise.resent))
        copies = 1 + again.astype(np.int64) + (again & self._chance(count, 0.1))
        copies[confirmed & ~heard] = MAXIMUM_COPIES
        phy = self._phy
        duration = (phy.synchronisation + length) * phy.octet_ns
        step = duration + phy.ack_wait_ns + self.rng.integers(1, 8, count) * BACKOFF_NS
        span = (copies - 1) * step + duration + acked * (phy.turnaround_ns + phy.ack_ns)
        span += self.rng.integers(2, 10, count) * BACKOFF_NS
        before = np.cumsum(span) - span
        start = np.maximum.accumulate(np.maximum(turns["wanted"], self.busy_until_ns) - before) + before
        if count:
            self.busy_until_ns = int(start[-1] + span[-1])
        return _Timing(start, duration, step, copies, acked.astype(np.int64), damaged)

    def _counters(self, window: _Window, start: Int64s) -> "_Counters":
        """Gives every counter its value, in the order in which things go on the air."""
        turns, origin, answers = window.turns, window.messages["origin"], window.messages["answers"]
        first = turns["attempt"][turns["hop"] == 0]
        whose = window.attempts["message"][first]
        by_time = whose[np.sort(np.unique(whose, return_index=True)[1])]

        def of_attempts(state: Int64s, which: NDArray[np.bool_], modulus: int) -> Int64s:
            """A counter of the originator that every attempt takes on; of each turn."""
            values = np.full(len(window.attempts["message"]), NONE, np.int64)
            mine = which[whose]
            values[first[mine]] = _next(state, origin[whose[mine]], modulus)
            return values[turns["attempt"]]

        def of_messages(state: Int64s, which: NDArray[np.bool_], *repeating: NDArray[np.bool_]) -> Int64s:
            """A counter that messages take on, unless they repeat that of the message they answer; of each turn."""
            values = np.full(len(origin), NONE, np.int64)
            mine = by_time[which[by_time]]
            values[mine] = _next(state, origin[mine], 256)
            for repeats in repeating:  # fragments before what acknowledges them
                values[repeats] = values[answers[repeats]]
            return values[window.message]

        has_zcl = window.which(Kind.has_zcl)
        return _Counters(
            mac_sequence=_next(self._mac, turns["transmitter"], 256),
            nwk_sequence=of_attempts(self._nwk, window.which(Kind.has_nwk), 256),
            nwk_frame_counter=self._nwk_frame_counters(window, start),
            aps_counter=of_messages(
                self._aps,
                window.which(Kind.counts_aps),
                window.which(lambda kind: kind.continues),
                window.which(Kind.acknowledges),
            ),
            aps_frame_counter=of_attempts(self._aps_counter, window.which(Kind.secures_aps), 1 << 32),
            zcl_sequence=of_messages(self._zcl, has_zcl & (answers == NONE), has_zcl & (answers != NONE)),
        )

    def _nwk_frame_counters(self, window: _Window, start: Int64s) -> Int64s:
        """Of each turn; every transmitter has its own, which jumps when it boots."""
        transmitter = window.turns["transmitter"]
        secured = window.which(Kind.secures_nwk)[window.message]
        values = np.full(len(transmitter), NONE, np.int64)
        values[secured] = _next(self._nwk_counter, transmitter[secured], 1 << 32)
        for at_ns, node in window.reboots:
            later = np.flatnonzero(secured & (transmitter == node) & (start >= at_ns))
            jump = CHECKPOINT - int(values[later].min(initial=self._nwk_counter[node])) % CHECKPOINT
            values[later] += jump
            self._nwk_counter[node] += jump
        return values

    def _octets(self, window: _Window, counters: "_Counters", key: Int64s) -> Octets:
        """Every turn's frame, (n, 128); `key`: the network key of each."""
        groups, messages, turns, message = window.groups, window.messages, window.turns, window.message
        out = np.zeros((len(message), WIDTH), np.uint8)
        which = messages["group"][message]
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(len(groups) + 1))
        for group, begin, end in zip(groups, bounds[:-1], bounds[1:], strict=True):
            rows = order[begin:end]
            mine = message[rows]
            hop = Hop(
                transmitter=turns["transmitter"][rows],
                receiver=turns["receiver"][rows],
                origin=messages["origin"][mine],
                target=messages["target"][mine],
                number=turns["hop"][rows],
                mac_sequence=counters.mac_sequence[rows],
                nwk_sequence=counters.nwk_sequence[rows],
                nwk_frame_counter=counters.nwk_frame_counter[rows],
                aps_counter=counters.aps_counter[rows],
                aps_frame_counter=counters.aps_frame_counter[rows],
                zcl_sequence=counters.zcl_sequence[rows],
                key=key[rows],
            )
            columns = group.taken(messages["row"][mine])
            out[rows, : len(group.kind.specimen)] = self._stamp.frames(group.kind, hop, columns)
        return out

    def _damage(self, frames: Octets, length: Int64s, rows: Int64s) -> None:
        """Changes one octet of each of these rows, which no FCS overlooks."""
        place = self.rng.integers(0, length[rows])
        frames[rows, place] ^= self.rng.integers(1, 256, len(rows), np.uint8)

    def _captured(self, time: Int64s) -> NDArray[np.bool_]:
        captured = ~self._chance(len(time), self.noise.missed)
        for begin, end in self.noise.deaf:
            captured &= (time < begin * SECOND) | (time >= end * SECOND)
        return captured


@dataclass(frozen=True, slots=True)
class _Timing:
    start: Int64s
    duration: Int64s
    step: Int64s
    """From one copy to the next."""
    copies: Int64s
    acked: Int64s
    damaged: NDArray[np.bool_]
    """The first copy is."""


@dataclass(frozen=True, slots=True)
class _Counters:
    mac_sequence: Int64s
    nwk_sequence: Int64s
    nwk_frame_counter: Int64s
    aps_counter: Int64s
    aps_frame_counter: Int64s
    zcl_sequence: Int64s


def _acks(sequence: Int64s, pending: Int64s) -> Octets:
    """MAC acknowledgements."""
    acks = render(ACK.specimen, len(sequence), {"Mac.sequence_number": sequence, "Mac.frame_pending": pending})
    append_fcs(acks)
    return acks


def _next(state: Int64s, nodes: Int64s, modulus: int) -> Int64s:
    """The next value of each node's counter, in the order given; `state` (by node) goes on."""
    order = np.argsort(nodes, kind="stable")
    counts = np.bincount(nodes, minlength=len(state))
    rank = np.empty(len(nodes), np.int64)
    rank[order] = np.arange(len(nodes)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = (state[nodes] + rank) % modulus
    state += counts
    return values
