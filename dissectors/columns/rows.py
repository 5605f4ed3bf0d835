"""Gathering: fixed-width pieces of a flat buffer, wherever they begin.

A buffer that frames are gathered from has `SLACK` readable octets behind its last frame, so that a row may reach past
the end of a short frame; what lies there is for the caller to ignore.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SLACK: Final = 256
"""Octets that may be read behind the end of any frame."""

Octets = NDArray[np.uint8]
Index = NDArray[np.int64]


def rows(buffer: Octets, at: Index, width: int) -> Octets:
    """`width` octets from each position: uint8 (n, width), contiguous. Octets beyond the end of `buffer` are zero.

    An overlapping view of opaque items is indexed, so that each row is one copy of memory and not `width` of them.
    """
    if not len(at) or not width:
        return np.zeros((len(at), width), np.uint8)
    if int(at.max()) + width > len(buffer):
        buffer = np.concatenate([buffer, np.zeros(width, np.uint8)])
    items = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))
    return items[at].view(np.uint8).reshape(len(at), width)


def numbers(table: Octets, start: int, size: int, *, little: bool) -> NDArray[Any]:
    """Column of unsigned integers of 1, 2, 4 or 8 octets at `start` of each row, without copying where that is
    possible.
    """
    count, width = table.shape
    if size in (1, 2, 4, 8):
        return np.ndarray((count,), f"{'<' if little else '>'}u{size}", table, start, (width,))
    out = np.zeros(count, np.uint64)
    places = range(size) if little else range(size - 1, -1, -1)
    for shift, place in enumerate(places):
        out |= table[:, start + place].astype(np.uint64) << np.uint64(8 * shift)
    return out


def padded(buffer: Octets, at: Index, length: Index, width: int) -> Octets:
    """As `rows`, with zeros behind each frame's end."""
    table = rows(buffer, at, width)
    table[np.arange(width) >= length[:, None]] = 0
    return table


def ascending(values: NDArray[np.int64]) -> NDArray[np.intp]:
    """A stable order that sorts the values; 16-bit ranges go through radix sort, several times faster than others."""
    if len(values) and int(values.max()) - (least := int(values.min())) < 65536:
        return np.argsort((values - least).astype(np.uint16), kind="stable")
    return np.argsort(values, kind="stable")


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The different values, ascending. (`np.unique` hashes, which takes longer, and imports `numpy.ma`.)"""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """Integers in the smallest type that holds them all: what is sent to another process is made small."""
    if not len(values):
        return values
    low, high = int(values.min()), int(values.max())
    return values.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)), copy=False)
