"""EUI-64s and short addresses: learned from every frame that tells both, asked for by frames that tell only one."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.columns.rows import Index, distinct

PANS: Final = 64
"""PANs for which addresses are kept; a table of 65,536 short addresses each."""
NEWS: Final = 65_536
"""Sightings that are kept at most, over all batches."""


SIGHTINGS: Final = 2048
"""New sightings of one PAN that are taken in from one batch."""


class Sighting(NamedTuple):
    """A frame told that a short address belongs to an EUI-64."""

    pan_id: int
    short: int
    eui64: int
    number: int
    """The frame."""


class AddressBook:
    """The last EUI-64 heard for each short address of each PAN."""

    def __init__(self) -> None:
        self._tables: dict[int, NDArray[np.uint64]] = {}
        self._news: list[Sighting] = []
        self._count = 0

    def __len__(self) -> int:
        """How many sightings there were so far."""
        return self._count

    def _table(self, pan_id: int) -> NDArray[np.uint64] | None:
        if pan_id not in self._tables and len(self._tables) < PANS:
            self._tables[pan_id] = np.zeros(65_536, np.uint64)
        return self._tables.get(pan_id)

    def learn(self, pan_id: Index, short: Index, eui64: NDArray[np.uint64], number: Index) -> None:
        """Notes which short address belongs to which EUI-64; rows without one of them (or with a broadcast) teach
        nothing.
        """
        useful = (
            (eui64 != 0) & (eui64 != np.uint64(0xFFFFFFFFFFFFFFFF)) & (short >= 0) & (short < 0xFFF8) & (pan_id >= 0)
        )
        for pan, mine in _by_pan(pan_id, useful):
            table = self._table(pan)
            if table is None:
                continue
            new = mine[table[short[mine]] != eui64[mine]]
            # Each turn takes in one sighting and leaves the rows that tell something else.
            for _ in range(SIGHTINGS):
                if not len(new):
                    break
                row = int(new[0])
                sighting = Sighting(pan, int(short[row]), int(eui64[row]), int(number[row]))
                table[sighting.short] = sighting.eui64
                if self._count < NEWS:
                    self._count += 1
                    self._news.append(sighting)
                new = new[1:]
                new = new[table[short[new]] != eui64[new]]

    def tell(self, sightings: tuple[Sighting, ...]) -> None:
        """Takes over what another book learned."""
        for one in sightings:
            table = self._table(one.pan_id)
            if table is not None and int(table[one.short]) != one.eui64:
                table[one.short] = one.eui64
                self._count += 1

    def news(self) -> tuple[Sighting, ...]:
        """What was learned since the last call."""
        news, self._news = tuple(self._news), []
        return news

    def fill(self, pan_id: Index, short: Index, eui64: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """`eui64` with what the book knows wherever it is 0."""
        missing = (eui64 == 0) & (short >= 0) & (short < 0xFFF8)
        if not missing.any():
            return eui64
        out = eui64.copy()
        for pan, mine in _by_pan(pan_id, missing):
            table = self._tables.get(pan)
            if table is not None:
                out[mine] = table[short[mine]]
        return out


def _by_pan(pan_id: Index, which: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.intp]]]:
    """The chosen rows, by PAN."""
    rows = np.flatnonzero(which)
    if not len(rows):
        return []
    pans = pan_id[rows]
    if (pans == pans[0]).all():
        return [(int(pans[0]), rows)]
    return [(int(pan), rows[pans == pan]) for pan in distinct(pans)[:1000]]
