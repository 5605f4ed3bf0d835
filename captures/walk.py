"""Finds the records of a capture file's chunk: a chain in which each record's length tells where the next begins.

Following the chain link by link costs Python half a microsecond a record. Here many stretches ("lanes") of the chunk
are followed at once: for each lane a start is guessed, all lanes advance in lockstep as NumPy columns, and afterwards
the whole chain is proven from its true beginning. What is not proven (a wrong guess, a damaged record) is walked link
by link, so that the result never depends on a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import Int64s
from hanscope.dissectors.columns.rows import Octets, rows

LANE: Final = 4096
"""Octets of a lane."""
WINDOW: Final = 256
"""Octets at the beginning of a lane in which its first record is looked for."""
HEADER: Final = 32
"""Octets after the window that the guess may look at."""
_FEWEST_LANES: Final = 8
_STRIDE: Final = 8
"""Steps between two looks at which lanes have arrived."""


class Chain(msgspec.Struct, frozen=True):
    """How the records of a format are chained."""

    header: int
    """Octets of a record's header, which must be there before the length can be trusted."""
    length_at: int
    """Where in the header the length word stands."""
    word: np.dtype[np.uint32]
    """The length word: `<u4` or `>u4`."""
    extra: int
    """What is added to the length word to reach the next record."""
    least: int
    """The length word is at least this …"""
    largest: int
    """… and at most this; anything else is damage."""
    likely: Callable[[Octets], NDArray[np.bool_]]
    """For the windows of all lanes (n × (WINDOW + HEADER) octets): where a record may begin (n × WINDOW)."""


def walk(buffer: Octets, start: int, stop: int, chain: Chain) -> tuple[Int64s, int]:
    """Positions of the whole records in `buffer[start:stop]`, and where the first octet after them is.

    What begins there is a record that is cut off by `stop` or whose length is impossible. `buffer` goes on for
    `rows.SLACK` octets after `stop`.
    """
    if stop - start < chain.header:
        return np.zeros(0, np.int64), start
    word = np.ndarray((len(buffer) - chain.length_at - 3,), chain.word, buffer, chain.length_at, (1,))
    guessed = _lanes(buffer, word, start, stop, chain)
    length = word[guessed].astype(np.int64)
    after = guessed + length + chain.extra
    sound = (length >= chain.least) & (length <= chain.largest) & (after <= stop)
    linked = sound.copy()
    linked[:-1] &= after[:-1] == guessed[1:]
    linked[-1] = False
    breaks = np.flatnonzero(~linked)

    found: list[Int64s] = []
    here, index = start, 0
    while True:
        if index < len(guessed) and guessed[index] == here:
            last = int(breaks[np.searchsorted(breaks, index)])
            if not sound[last]:
                found.append(guessed[index:last])
                here = int(guessed[last])
                break
            found.append(guessed[index : last + 1])
            here, index = int(after[last]), last + 1
        single: list[int] = []
        goal = int(guessed[index]) if index < len(guessed) else stop
        while here != goal and here + chain.header <= stop:
            if here > goal:
                index += int(np.searchsorted(guessed[index:], here))
                goal = int(guessed[index]) if index < len(guessed) else stop
                continue
            size = int(word[here])
            if not chain.least <= size <= chain.largest or here + size + chain.extra > stop:
                goal = -1
                break
            single.append(here)
            here += size + chain.extra
        found.append(np.array(single, np.int64))
        if here != goal or index >= len(guessed):
            break
    return np.concatenate(found), here


def _lanes(buffer: Octets, word: NDArray[np.uint32], start: int, stop: int, chain: Chain) -> Int64s:
    """Positions that are probably records, in order, `start` the first."""
    stop -= chain.header - 1  # a record's header fits only before this
    origins = np.arange(start + LANE, stop - WINDOW, LANE, dtype=np.int64)
    if len(origins) < _FEWEST_LANES:
        return np.array([start], np.int64)
    likely = chain.likely(rows(buffer, origins, WINDOW + HEADER))
    first = likely.argmax(axis=1)
    hit = likely[np.arange(len(origins)), first]
    here = np.concatenate([np.array([start], np.int64), (origins + first)[hit]])
    limit = np.concatenate([here[1:], np.array([stop], np.int64)])
    found: list[Int64s] = []
    while len(here) >= _FEWEST_LANES:
        steps = np.empty((_STRIDE, len(here)), np.int64)
        for step in steps:
            step[:] = here
            here = here + word[here]
            here += chain.extra
            np.minimum(here, stop, out=here)
        found.append(steps[steps < limit])
        going = (here < limit) & (here > steps[-1])
        here, limit = here[going], limit[going]
    found.append(here)
    result = np.concatenate(found)
    result.sort()
    return result
