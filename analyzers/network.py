"""Who transmits in a capture, how often and how well it was heard."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import FrameBatch
from hanscope.dissectors.columns.rows import Index, distinct
from hanscope.dissectors.columns.stage import Sifted


class Traffic(msgspec.Struct, frozen=True):
    """Transmitters of one batch, one row each. A transmitter is a PAN and a short address, or an EUI-64 (short -1)."""

    pan_id: Index
    short: Index
    eui64: NDArray[np.uint64]
    frames: Index
    first_frame: Index
    last_frame: Index
    lqi_sum: NDArray[np.float64]
    lqi_count: Index
    rssi_sum: NDArray[np.float64]
    rssi_count: Index
    data_requests: Index

    def __len__(self) -> int:
        return len(self.pan_id)


def traffic_of(batch: FrameBatch, frame: Index, mac: Sifted) -> Traffic:
    """Counts the transmitters of a batch. `frame`: the batch's row of each row of `mac`."""
    pan, short, eui64, rows, polls = [], [], [], [], []
    for group in mac.groups:
        slots = group.layout.slots
        if "Mac.source_short" not in slots and "Mac.source_extended" not in slots:
            continue
        count = len(group)
        name = "Mac.source_pan_id" if "Mac.source_pan_id" in slots else "Mac.destination_pan_id"
        pan.append(group.uint(name).astype(np.int64) if name in slots else np.full(count, -1, np.int64))
        if "Mac.source_short" in slots:
            short.append(group.uint("Mac.source_short").astype(np.int64))
            eui64.append(np.zeros(count, np.uint64))
        else:
            short.append(np.full(count, -1, np.int64))
            eui64.append(group.uint("Mac.source_extended").astype(np.uint64))
        rows.append(frame[group.index])
        is_poll = "MacCommand.command_identifier" in slots
        polls.append(group.uint("MacCommand.command_identifier") == 4 if is_poll else np.zeros(count, np.bool_))
    if not rows:
        none = np.zeros(0, np.int64)
        floats = np.zeros(0, np.float64)
        return Traffic(none, none, none.astype(np.uint64), none, none, none, floats, none, floats, none, none)
    pan_id, shorts, eui64s = np.concatenate(pan), np.concatenate(short), np.concatenate(eui64)
    row, poll = np.concatenate(rows), np.concatenate(polls)
    key = (pan_id.astype(np.uint64) << np.uint64(17)) ^ (shorts + 1).astype(np.uint64)
    extended = shorts < 0
    if extended.any():
        key[extended] = eui64s[extended] | np.uint64(1 << 63)
    member, first = numbered(key)
    count = len(first)
    number = batch.number[row]
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, member, number)
    highest = np.zeros(count, np.int64)
    np.maximum.at(highest, member, number)
    lqi, rssi = batch.lqi[row], batch.rssi_dbm[row]
    has_lqi, has_rssi = lqi >= 0, ~np.isnan(rssi)
    return Traffic(
        pan_id=pan_id[first],
        short=shorts[first],
        eui64=eui64s[first],
        frames=np.bincount(member, minlength=count),
        first_frame=lowest,
        last_frame=highest,
        lqi_sum=np.bincount(member[has_lqi], lqi[has_lqi], count).astype(np.float64),
        lqi_count=np.bincount(member[has_lqi], minlength=count),
        rssi_sum=np.bincount(member[has_rssi], rssi[has_rssi], count).astype(np.float64),
        rssi_count=np.bincount(member[has_rssi], minlength=count),
        data_requests=np.bincount(member[poll], minlength=count),
    )


def numbered(key: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A small number for each key, and a row of each number's key.

    A few transmitters send nearly everything, so those of a sample are looked for before the rest is sorted.
    """
    known = distinct(key[:: max(len(key) // 512, 1)])
    member = np.searchsorted(known, key)
    member[member == len(known)] = 0
    strange = known[member] != key
    if strange.any():
        known = distinct(np.concatenate((known, key[strange])))
        member = np.searchsorted(known, key)
    first = np.empty(len(known), np.intp)
    first[member] = np.arange(len(key))
    return member, first


class Heard(msgspec.Struct):
    """One transmitter over the whole capture."""

    frames: int = 0
    first_frame: int = 0
    last_frame: int = 0
    lqi_sum: float = 0.0
    lqi_count: int = 0
    rssi_sum: float = 0.0
    rssi_count: int = 0
    data_requests: int = 0

    def add(self, other: Heard) -> None:
        """Adds what was heard of it elsewhere."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_frame = min(self.first_frame, other.first_frame)
        self.last_frame = max(self.last_frame, other.last_frame)


_SUMS: Final = tuple(name for name in Heard.__struct_fields__ if name not in {"first_frame", "last_frame"})


class Transmitters:
    """Adds up the traffic of all batches, for up to `LIMIT` transmitters."""

    LIMIT = 10_000

    def __init__(self) -> None:
        self.heard: dict[tuple[int, int, int], Heard] = {}
        """By (PAN id, short address or -1, EUI-64 or 0)."""
        self.ignored = 0
        """Frames of transmitters beyond the limit."""

    def add(self, traffic: Traffic) -> None:
        for at in range(len(traffic)):
            who = int(traffic.pan_id[at]), int(traffic.short[at]), int(traffic.eui64[at])
            if who not in self.heard and len(self.heard) >= self.LIMIT:
                self.ignored += int(traffic.frames[at])
                continue
            here = Heard(
                **{name: getattr(traffic, name)[at].item() for name in _SUMS},
                first_frame=int(traffic.first_frame[at]),
                last_frame=int(traffic.last_frame[at]),
            )
            if who in self.heard:
                self.heard[who].add(here)
            else:
                self.heard[who] = here
