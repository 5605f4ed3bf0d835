"""Runs a HAN window by window and writes down what a sniffer hears, and what really happened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hanscope.captures.simulator.air import WIDTH, Air, Frames, Noise
from hanscope.captures.simulator.background import Background
from hanscope.captures.simulator.firmware import TAG, Update
from hanscope.captures.simulator.han import Han
from hanscope.captures.simulator.truth import BLOCK_DTYPE, Truth, UpdateTruth

SECOND: Final = 1_000_000_000
QUIET_NS: Final = 3 * SECOND
"""At the end of a window nothing new begins, so that nothing reaches into the next one."""
START_NS: Final = 1_767_225_600 * SECOND
"""2026-01-01."""
UNIX_TO_ZIGBEE_S: Final = 946_684_800
"""ZigBee counts seconds from 2000 on."""


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
    background: bool = True
    story: Any = None
    """Called with the `Air` before the first window, for what happens only once."""


def run(scenario: Scenario, writer: Writer, *, frames: int | None = None, seconds: int | None = None) -> Truth:
    """Simulates so many frames in the capture, or so many seconds."""
    return _Run(scenario, writer).until(frames, seconds)


class _Run:
    def __init__(self, scenario: Scenario, writer: Writer) -> None:
        self.scenario = scenario
        self.writer = writer
        self.air = Air(scenario.han, np.random.default_rng([scenario.seed]), START_NS, scenario.noise)
        self.background = Background(self.air) if scenario.background else None
        self.running: list[Update | None] = [next(updates, None) for updates in scenario.updates]
        self.known: dict[int, Update] = {one.number: one for one in self.running if one is not None}
        self.frames = self.damaged = self.missed = 0
        self.blocks: list[NDArray[Any]] = []

    def until(self, frames: int | None, seconds: int | None) -> Truth:
        if self.scenario.story is not None:
            self.scenario.story(self.air)
        begin = 0
        while (frames is None or self.frames < frames) and (seconds is None or begin < seconds * SECOND):
            end = begin + self.scenario.window_s * SECOND
            self._window(begin, end - QUIET_NS)
            self._record(self.air.flush(), None if frames is None else frames - self.frames)
            begin = end
        return self._truth()

    def _window(self, begin: int, until: int) -> None:
        if self.background is not None:
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
        number = np.where(captured & window.intact, self.frames + np.cumsum(captured), 0)
        blocks = np.flatnonzero(window.tag >= 0)
        noted = np.empty(len(blocks), BLOCK_DTYPE)
        noted["frame"] = number[blocks]
        noted["update"], noted["offset"] = np.divmod(window.tag[blocks], TAG)
        self.blocks.append(noted)
        self.frames += len(rows)
        self.damaged += int((captured & ~window.intact).sum())
        self.missed += int((~captured).sum())

    def _truth(self) -> Truth:
        blocks = np.concatenate(self.blocks)
        return Truth(
            scenario=self.scenario.name,
            seed=self.scenario.seed,
            han=self.scenario.han,
            frames=self.frames,
            damaged=self.damaged,
            missed=self.missed,
            updates=tuple(_update_truth(update, blocks) for _, update in sorted(self.known.items())),
            blocks=blocks,
        )


def _update_truth(update: Update, blocks: NDArray[Any]) -> UpdateTruth:
    size, block = update.firmware.size, update.habits.block
    mine = blocks[blocks["update"] == update.number]
    begins = np.arange(0, size, block)
    sent = np.isin(begins, mine["offset"])
    heard = np.isin(begins, mine["offset"][mine["frame"] > 0])
    edges = np.flatnonzero(np.diff(np.r_[False, ~heard, False].astype(np.int8)))
    bounds = np.minimum(edges * block, size).reshape(-1, 2).tolist()
    if update.stage == "stuck":
        outcome = "stuck"
    else:
        outcome = "complete" if sent.all() else "unfinished"
    return UpdateTruth(
        client=update.client,
        firmware=update.firmware,
        outcome=outcome,
        received=min(int(sent.sum()) * block, size),
        missing=tuple((start, stop) for start, stop in bounds),
    )
