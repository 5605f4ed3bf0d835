"""Runs a HAN window by window and writes down what a sniffer hears, and what really happened."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hanscope.captures.simulator.air import SECOND, WIDTH, Air, Frames, Noise
from hanscope.captures.simulator.background import Background
from hanscope.captures.simulator.firmware import TAG, Update
from hanscope.captures.simulator.han import Han
from hanscope.captures.simulator.house import NOTE, House
from hanscope.captures.simulator.truth import Blocks, Missed, Truth, UpdateTruth
from hanscope.captures.simulator.tunnels import FIRST_TAG, Conversation

QUIET_NS: Final = 3 * SECOND
"""At the end of a window nothing new begins, so that nothing reaches into the next one."""
START_NS: Final = 1_767_225_600 * SECOND
"""2026-01-01."""


class Writer(Protocol):
    """What takes the frames: `PcapWriter` and `PcapngWriter` do."""

    def write(self, time_ns: ArrayLike, buffer: NDArray[np.uint8], at: ArrayLike, length: ArrayLike) -> None: ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is to happen."""

    name: str
    seed: int
    han: Han
    updates: Sequence[Iterator[Update]]
    """For each device that updates itself: its updates, one after the other."""
    noise: Noise
    window_s: int
    story: Callable[[Air], None] | None = None
    """What else is sent, once, in the first window."""
    conversation: Conversation | None = None
    """What is said through tunnels, in the first window too."""
    house: House | None = None
    """Whole updates, in one window that is as long as they take."""
    faults: tuple[str, ...] = ()
    """As they were written."""


def run(scenario: Scenario, writer: Writer, *, frames: int | None = None, seconds: int | None = None) -> Truth:
    """Simulates so many frames in the capture, or so many seconds; a house takes the time it takes.

    `ValueError` if that is nothing or without end.
    """
    if scenario.house is None and ((frames is None) == (seconds is None) or (frames or seconds or 0) < 1):
        raise ValueError("say how many frames, or how many seconds, are wanted: 1 or more")
    one = _Run(scenario, writer)
    if scenario.story is not None:
        scenario.story(one.air)
    return one.until(frames, seconds) if scenario.house is None else one.of_house(scenario.house)


class _Run:
    def __init__(self, scenario: Scenario, writer: Writer) -> None:
        self.scenario = scenario
        self.writer = writer
        self.air = Air(scenario.han, np.random.default_rng([scenario.seed]), START_NS, scenario.noise)
        house = scenario.house
        self.background = Background(self.air, None if house is None else house.silence)
        self.running: list[Update | None] = [next(updates, None) for updates in scenario.updates]
        self.known: dict[int, Update] = {one.number: one for one in self.running if one is not None}
        self.frames = 0
        self.damaged: list[NDArray[np.int64]] = []
        self.missed: list[Missed] = []
        self.blocks: list[Blocks] = []
        self.pieces: dict[int, int] = {}
        """Of each piece of a message the first frame that carries it."""
        self.notes: dict[int, int] = {}
        """Of each note the first frame of the message that it is about."""
        self.replayed: list[NDArray[np.int64]] = []

    def until(self, frames: int | None, seconds: int | None) -> Truth:
        if self.scenario.conversation is not None:
            self.scenario.conversation.begin(self.air)
        begin = 0
        while (frames is None or self.frames < frames) and (seconds is None or begin < seconds * SECOND):
            end = begin + self.scenario.window_s * SECOND
            self._window(begin, end - QUIET_NS)
            self._record(self.air.flush(), None if frames is None else frames - self.frames)
            begin = end
        return self._truth()

    def of_house(self, house: House) -> Truth:
        house.begin(self.air)
        self._window(0, house.end_ns)
        self._record(house.heard_by_sniffer(self.air.flush()), None)
        return self._truth()

    def _window(self, begin: int, until: int) -> None:
        self.background.advance(begin, until)
        for place, updates in enumerate(self.scenario.updates):
            while (update := self.running[place]) is not None:
                update.advance(self.air, until)
                if not update.over:
                    break
                self.running[place] = following = next(updates, None)
                if following is not None:
                    following.next_ns = max(following.next_ns, update.next_ns)
                    self.known[following.number] = following

    def _record(self, window: Frames, most: int | None) -> None:
        """Writes the window, or its first `most` captured frames, and notes which blocks were in it."""
        if most is not None:
            window = window.first(int(np.searchsorted(np.cumsum(window.captured), most)) + 1)
        captured = window.captured
        rows = np.flatnonzero(captured)
        self.writer.write(window.time_ns[rows], window.octets.reshape(-1), rows * WIDTH, window.length[rows])
        number = self.frames + np.cumsum(captured)
        self.damaged.append(number[captured & ~window.intact])
        number[~captured | ~window.intact] = 0
        self.replayed.append(number[(window.transmitter < 0) & captured])
        for row in np.flatnonzero((window.tag >= NOTE) & (number > 0)).tolist():
            self.notes.setdefault(int(window.tag[row]) - NOTE, int(number[row]))
        blocks = np.flatnonzero((window.tag >= 0) & (window.tag < NOTE))
        update, offset = np.divmod(window.tag[blocks], TAG)
        self.blocks.append(Blocks(*(column.astype(np.uint32) for column in (number[blocks], update, offset))))
        for row in np.flatnonzero((window.tag <= FIRST_TAG) & (number > 0)).tolist():
            self.pieces.setdefault(FIRST_TAG - int(window.tag[row]), int(number[row]))
        missed = ~captured
        self.missed.append(Missed(window.time_ns[missed], window.transmitter[missed], window.frame_counter[missed]))
        self.frames += len(rows)

    def _truth(self) -> Truth:
        scenario, house = self.scenario, self.scenario.house
        blocks = _joined(Blocks, self.blocks)
        told: dict[str, Any] = {}
        if house is not None:
            messages, devices = house.conclude(blocks, self.pieces, self.notes)
            told = {
                "messages": messages,
                "devices": devices,
                "faults": scenario.faults,
                "parties": house.parties,
                "replayed": tuple(np.concatenate(self.replayed).tolist()),
                "wrong_keys": tuple(house.wrong_keys),
                "wan_messages": tuple(house.wan),
            }
        elif scenario.conversation is not None:
            told = {"messages": scenario.conversation.truth(self.pieces)}
        sent = set(np.unique(blocks.update).tolist()) & self.known.keys()
        return Truth(
            scenario=scenario.name,
            seed=scenario.seed,
            han=scenario.han,
            frames=self.frames,
            damaged=np.concatenate(self.damaged),
            missed=_joined(Missed, self.missed),
            updates=tuple(_update_truth(self.known[number], blocks) for number in sorted(sent)),
            blocks=blocks,
            **told,
        )


def _update_truth(update: Update, blocks: Blocks) -> UpdateTruth:
    size, block = update.firmware.size, update.habits.block
    mine = blocks.update == update.number
    begins = np.arange(0, size, block)
    sent = np.isin(begins, blocks.offset[mine])
    heard = np.isin(begins, blocks.offset[mine & (blocks.frame > 0)])
    edges = np.flatnonzero(np.diff(np.r_[False, ~heard, False].astype(np.int8)))
    bounds = np.minimum(edges * block, size).reshape(-1, 2).tolist()
    return UpdateTruth(
        number=update.number,
        client=update.client,
        firmware=update.firmware,
        outcome="complete" if sent.all() else "unfinished",
        received=min(int(sent.sum()) * block, size),
        missing=tuple((start, stop) for start, stop in bounds),
    )


_Columns = TypeVar("_Columns", Blocks, Missed)


def _joined(kind: type[_Columns], parts: list[_Columns]) -> _Columns:
    return kind(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(kind)))
