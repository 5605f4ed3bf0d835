"""EUI-64s and short addresses over time: learned from every frame that tells both, asked for by frames that tell one.

NWK and auxiliary security headers tell with nearly every frame, so of them only what is new becomes a `Sighting`.
What a command tells is always one: it is rare, and says who told whom.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers import results
from hanscope.dissectors.columns.rows import Index, distinct
from hanscope.dissectors.eui64 import eui64_text

PANS: Final = 64
"""PANs for which addresses are kept; a table of 65,536 short addresses each."""
NEWS: Final = 65_536
"""Sightings that are kept at most, over all batches."""
SIGHTINGS: Final = 2048
"""Sightings of one kind that are taken in from one batch."""
MEANINGS: Final = 256
"""EUI-64s that one short address may have had, to choose from by time."""
_NOBODY: Final = 0xFFF8
"""Short addresses from here on are broadcasts."""
_NO_EUI64: Final = np.uint64(0xFFFFFFFFFFFFFFFF)


class Told(IntEnum):
    """Where the two addresses of a device stood together."""

    NWK_HEADER = 0
    AUXILIARY_HEADER = 1
    """Its EUI-64; its short address was the MAC source's, since it was the hop's transmitter."""
    ASSOCIATION_RESPONSE = 2
    REJOIN_RESPONSE = 3
    DEVICE_ANNOUNCE = 4
    NWK_ADDRESS_RESPONSE = 5
    IEEE_ADDRESS_RESPONSE = 6
    UPDATE_DEVICE = 7

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ").replace("nwk", "NWK").replace("ieee", "IEEE")


IMPLIED: Final = frozenset({Told.NWK_HEADER, Told.AUXILIARY_HEADER})
"""What tells with every frame."""


class Sighting(NamedTuple):
    """A frame told that a short address belongs to an EUI-64."""

    pan_id: int
    short: int
    eui64: int
    number: int
    """The frame."""
    time_ns: int
    told: Told


class Evidence(msgspec.Struct, frozen=True):
    """Rows that tell a short address and an EUI-64 each; one that lacks either (or is a broadcast) tells nothing."""

    told: Told
    pan_id: Index
    short: Index
    eui64: NDArray[np.uint64]
    number: Index
    time_ns: Index

    def useful(self) -> NDArray[np.bool_]:
        known = (self.eui64 != 0) & (self.eui64 != _NO_EUI64)
        return known & (self.short >= 0) & (self.short < _NOBODY) & (self.pan_id >= 0)


class AddressBook:
    """Which EUI-64 each short address of each PAN belongs to, and since which frame."""

    def __init__(self) -> None:
        self._tables: dict[int, NDArray[np.uint64]] = {}
        """By PAN: the EUI-64 heard last for each short address."""
        self._meanings: dict[tuple[int, int], list[tuple[int, int]]] = {}
        """By PAN and short address: (frame, EUI-64), ascending."""
        self._ambiguous: dict[int, NDArray[np.bool_]] = {}
        """By PAN: short addresses that belonged to several EUI-64s."""
        self._news: list[Sighting] = []
        self._told = 0
        self._changes = 0

    def __len__(self) -> int:
        """How often a short address got a meaning that was new so far."""
        return self._changes

    def _table(self, pan_id: int) -> NDArray[np.uint64] | None:
        if pan_id not in self._tables and len(self._tables) < PANS:
            self._tables[pan_id] = np.zeros(65_536, np.uint64)
        return self._tables.get(pan_id)

    def learn(self, *evidence: Evidence) -> None:
        """Takes in what frames told, in their order."""
        rows: dict[int, list[tuple[Evidence, NDArray[np.intp]]]] = {}
        for one in evidence:
            for pan, mine in _by_pan(one.pan_id, one.useful()):
                rows.setdefault(pan, []).append((one, mine))
        for pan, parts in rows.items():
            table = self._table(pan)
            if table is None:
                continue
            in_question = np.zeros(65_536, np.bool_)
            for one, mine in parts:
                short = one.short[mine]
                differs = table[short] != one.eui64[mine]
                if one.told not in IMPLIED or differs.any():
                    in_question[short if one.told not in IMPLIED else short[differs]] = True
            if in_question.any():
                few = [(one, mine[in_question[one.short[mine]]]) for one, mine in parts]
                self._take(pan, table, few)

    def _take(self, pan: int, table: NDArray[np.uint64], parts: Sequence[tuple[Evidence, NDArray[np.intp]]]) -> None:
        """Takes in all rows about some short addresses."""
        number, short, time_ns = (
            np.concatenate([getattr(one, name)[rows] for one, rows in parts]) for name in ("number", "short", "time_ns")
        )
        eui64 = np.concatenate([one.eui64[rows] for one, rows in parts])
        told = np.concatenate([np.full(len(rows), one.told) for one, rows in parts])
        order = np.lexsort((told, number, short))
        begins = np.append(True, short[order][1:] != short[order][:-1])
        before = np.where(begins, table[short[order]], np.roll(eui64[order], 1))
        news = order[(eui64[order] != before) | ~np.isin(told[order], list(IMPLIED))]
        for row in news[np.lexsort((told[news], number[news]))][:SIGHTINGS].tolist():
            sighting = Sighting(
                pan, int(short[row]), int(eui64[row]), int(number[row]), int(time_ns[row]), Told(int(told[row]))
            )
            self._enter(table, sighting)
            if self._told < NEWS:
                self._told += 1
                self._news.append(sighting)

    def _enter(self, table: NDArray[np.uint64], sighting: Sighting) -> None:
        self._changes += int(table[sighting.short]) != sighting.eui64
        table[sighting.short] = sighting.eui64
        meanings = self._meanings.setdefault((sighting.pan_id, sighting.short), [])
        entry = sighting.number, sighting.eui64
        if len(meanings) >= MEANINGS or entry in meanings:
            return
        insort(meanings, entry)
        if any(eui64 != sighting.eui64 for _, eui64 in meanings):
            self._ambiguous.setdefault(sighting.pan_id, np.zeros(65_536, np.bool_))[sighting.short] = True

    def tell(self, sightings: Iterable[Sighting]) -> None:
        """Takes over what another book learned."""
        for one in sightings:
            table = self._table(one.pan_id)
            if table is not None:
                self._enter(table, one)

    def news(self) -> tuple[Sighting, ...]:
        """What was learned since the last call."""
        news, self._news = tuple(self._news), []
        return news

    def fill(self, pan_id: Index, short: Index, eui64: NDArray[np.uint64], number: Index) -> NDArray[np.uint64]:
        """`eui64` with what the book knows wherever it is 0: what was true at the frame `number`."""
        missing = (eui64 == 0) & (short >= 0) & (short < _NOBODY)
        if not missing.any():
            return eui64
        out = eui64.copy()
        for pan, mine in _by_pan(pan_id, missing):
            table = self._tables.get(pan)
            if table is None:
                continue
            out[mine] = table[short[mine]]
            if pan in self._ambiguous:
                unsure = mine[self._ambiguous[pan][short[mine]]]
                for one in distinct(short[unsure])[:SIGHTINGS].tolist():
                    theirs = unsure[short[unsure] == one]
                    out[theirs] = _at_the_time(self._meanings[pan, one], number[theirs])
        return out


def _at_the_time(meanings: Sequence[tuple[int, int]], number: Index) -> NDArray[np.uint64]:
    """The EUI-64 at each frame: the one told last until then, or else the first that was told at all."""
    since = np.array([frame for frame, _ in meanings], np.int64)
    which = np.maximum(np.searchsorted(since, number, side="right") - 1, 0)
    return np.array([eui64 for _, eui64 in meanings], np.uint64)[which]


def _by_pan(pan_id: Index, which: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.intp]]]:
    """The chosen rows, by PAN."""
    rows = np.flatnonzero(which)
    if not len(rows):
        return []
    pans = pan_id[rows]
    if (pans == pans[0]).all():
        return [(int(pans[0]), rows)]
    return [(int(pan), rows[pans == pan]) for pan in distinct(pans)[:1000]]


class Meaning(msgspec.Struct):
    """What a short address meant from a frame on, until the next one."""

    first: Sighting
    instead_of: int | None
    """EUI-64 that the short address belonged to before."""
    before: int | None
    """Short address that the device had before."""
    told: dict[Told, int]
    """The first frame of each kind that told it."""


class AddressHistory:
    """The addresses of one capture over time.

    Sightings may come twice and in any order, as several processes and a second reading give them.
    """

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        self.meanings: list[Meaning] = []
        self._of_short: dict[tuple[int, int], list[Meaning]] = {}
        of_device: dict[tuple[int, int], int] = {}
        for one in sorted(set(sightings), key=_by_frame):
            theirs = self._of_short.setdefault((one.pan_id, one.short), [])
            known = theirs[-1].first.eui64 if theirs else None
            if known == one.eui64:
                if one.told not in IMPLIED:
                    theirs[-1].told.setdefault(one.told, one.number)
                continue
            before = of_device.get((one.pan_id, one.eui64))
            meaning = Meaning(one, known, before if before != one.short else None, {one.told: one.number})
            of_device[one.pan_id, one.eui64] = one.short
            theirs.append(meaning)
            self.meanings.append(meaning)

    def eui64(self, pan_id: int, short: int, number: int) -> int | None:
        """Whose short address it was at a frame; before it was told, whose it was first."""
        theirs = self._of_short.get((pan_id, short))
        if not theirs:
            return None
        at = bisect_right(theirs, number, key=_begin)
        return theirs[max(at - 1, 0)].first.eui64

    def results(self) -> Iterator[results.AddressEvent]:
        """Each time when a short address got another meaning."""
        for meaning in self.meanings:
            one = meaning.first
            yield results.AddressEvent(
                frame=one.number,
                time=one.time_ns,
                pan_id=one.pan_id,
                short=one.short,
                eui64=eui64_text(one.eui64),
                told_by=tuple(results.Teller(source=told.words, frame=frame) for told, frame in meaning.told.items()),
                instead_of=None if meaning.instead_of is None else eui64_text(meaning.instead_of),
                before=None if meaning.before is None else results.FormerAddress(short=meaning.before),
            )


def _begin(meaning: Meaning) -> int:
    return meaning.first.number


def _by_frame(one: Sighting) -> tuple[int, int]:
    return one.number, one.told
