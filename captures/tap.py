"""Frames as records of link type 283 (IEEE 802.15.4 TAP): what live captures and conversions are written as.

Before each frame stand what is known of it (channel, strength, quality), behind it its FCS. Where a device kept the FCS
to itself but said that it was right, the FCS is computed, which gives the octets that were on the air. Where it said
that it was wrong, those octets are not known: the right ones stand there inverted, so that every reader finds the frame
damaged, as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import Fcs, FrameBatch, Int64s, RecordBatch
from hanscope.captures.linklayer import Decisions
from hanscope.captures.sniffers.base import Heard
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.writer import prefixed, tap_headers
from hanscope.dissectors import fcs
from hanscope.dissectors.columns.rows import SLACK, Octets, distinct, rows

FCS_LENGTH: Final = 2
_KEEPS_FCS: Final = ("fcs", "by-frame")
"""Trailers that are the FCS as it was received."""


@dataclass(frozen=True, slots=True)
class TapRecords:
    """Records ready to be written; positions in `buffer`."""

    buffer: Octets
    at: Int64s
    length: Int64s


def of_heard(
    times_ns: Sequence[int],
    frames: Sequence[Heard],
    tuned: Channel | None,
    *,
    first_number: int,
    interface: Sequence[int] | None = None,
) -> RecordBatch:
    """Frames that a sniffer delivered, as records; `tuned`: where it listened, for frames that do not say.

    `interface`: of each frame; if not given, there is one.
    """
    channels = [frame.channel or tuned for frame in frames]
    parts = [frame.octets + frame.trailer.ljust(FCS_LENGTH, b"\0") for frame in frames]
    size = np.array([len(part) for part in parts], np.int64)
    made = _records(
        np.frombuffer(b"".join(parts) + bytes(SLACK), np.uint8),
        np.cumsum(size) - size,
        size - FCS_LENGTH,
        np.array([frame.fcs for frame in frames], np.uint8),
        np.array([bool(frame.trailer) for frame in frames], np.bool_),
        np.array([np.nan if frame.rssi_dbm is None else frame.rssi_dbm for frame in frames], np.float32),
        np.array([-1 if frame.lqi is None else frame.lqi for frame in frames], np.int16),
        np.array([-1 if channel is None else channel.number for channel in channels], np.int16),
        np.array([0 if channel is None else channel.page for channel in channels], np.int16),
    )
    return RecordBatch(
        first_number,
        np.array(times_ns, np.int64),
        np.concatenate([made.buffer, np.zeros(SLACK, np.uint8)]),
        made.at,
        made.length,
        made.length,
        np.zeros(len(frames), np.uint16) if interface is None else np.array(interface, np.uint16),
        size=len(made.buffer),
    )


def of_frames(batch: FrameBatch, decisions: Decisions) -> TapRecords:
    """Frames of any capture."""
    kept = np.zeros(len(batch), np.bool_)
    for index in distinct(batch.source).tolist():
        kept |= (batch.source == index) & (decisions[index].trailer in _KEEPS_FCS)
    return _records(
        batch.buffer, batch.at, batch.length, batch.fcs, kept, batch.rssi_dbm, batch.lqi, batch.channel, batch.page
    )


def _records(
    buffer: Octets,
    at: Int64s,
    length: Int64s,
    state: NDArray[np.uint8],
    kept: NDArray[np.bool_],
    rssi_dbm: NDArray[np.float32],
    lqi: NDArray[np.int16],
    channel: NDArray[np.int16],
    page: NDArray[np.int16],
) -> TapRecords:
    """`kept`: the two octets behind the frame are its FCS as it was received."""
    count = len(at)
    body = int(length.max(initial=0)) + FCS_LENGTH
    table = rows(buffer, at, body)
    table[np.arange(body) >= length[:, None]] = 0
    checked = state != Fcs.NOT_CAPTURED
    ends = np.where(checked, length + FCS_LENGTH, length)
    flat = np.concatenate([table.reshape(-1), np.zeros(SLACK, np.uint8)])
    places = np.arange(count, dtype=np.int64) * body
    right = fcs.remainders(flat, places, length + FCS_LENGTH)
    written = np.where(state == Fcs.VALID, right, ~right)
    received = rows(buffer, at + length, FCS_LENGTH).view("<u2")[:, 0]
    written = np.where(kept & (state == Fcs.INVALID), received, written)
    for index in (0, 1):
        flat[(places + length + index)[checked]] = (written >> 8 * index & 0xFF).astype(np.uint8)[checked]
    return _grouped(flat, places, ends, checked, rssi_dbm, lqi, channel, np.maximum(page, 0))


def _grouped(
    buffer: Octets,
    at: Int64s,
    length: Int64s,
    checked: NDArray[np.bool_],
    rssi_dbm: NDArray[np.float32],
    lqi: NDArray[np.int16],
    channel: NDArray[np.int16],
    page: NDArray[np.int16],
) -> TapRecords:
    """Headers differ in which fields they have: frames with equal ones are made together."""
    shape = checked * 1 + (~np.isnan(rssi_dbm)) * 2 + (channel >= 0) * 4 + (lqi >= 0) * 8
    pieces: list[Octets] = []
    places, lengths = np.empty(len(at), np.int64), np.empty(len(at), np.int64)
    done = 0
    for kind in distinct(shape).tolist():
        mine = np.flatnonzero(shape == kind)
        head = tap_headers(
            len(mine),
            fcs_type=kind & 1,
            rssi_dbm=rssi_dbm[mine] if kind & 2 else None,
            channel=channel[mine] if kind & 4 else None,
            page=page[mine],
            lqi=lqi[mine] if kind & 8 else None,
        )
        made, begin, size = prefixed(head, buffer, at[mine], length[mine])
        places[mine], lengths[mine] = begin + done, size
        done += len(made)
        pieces.append(made)
    return TapRecords(np.concatenate(pieces) if pieces else np.zeros(0, np.uint8), places, lengths)
