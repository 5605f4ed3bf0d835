"""Which frames of a capture are asked for, and what of each; and the frames that fulfil it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.filters import Filter, FilterError, parse
from hanscope.analyzers.framefields import describe
from hanscope.analyzers.frames import FrameReader, Frames


class Chosen(NamedTuple):
    """Frames of one batch that are to be shown."""

    table: Frames
    rows: NDArray[np.intp]


class Wanted(NamedTuple):
    """Which frames, and what of them."""

    filter: Filter | None
    columns: tuple[str, ...]
    limit: int | None


def wanted(expression: str | None, columns: str | None, limit: int | None, default: Sequence[str]) -> Wanted:
    """Understands the options. Raises `FilterError`, whose message names the option."""
    try:
        condition = None if expression is None else parse(expression, describe)
    except FilterError as error:
        raise FilterError(f"--filter: {error}") from None
    names = tuple(default) if columns is None else tuple(name.strip() for name in columns.split(",") if name.strip())
    if not names:
        raise FilterError("--columns: names no column; write for example --columns number,layer,info")
    try:
        for name in names:
            describe(name)
    except FilterError as error:
        raise FilterError(f"--columns: {error}") from None
    return Wanted(condition, names, limit)


def chosen(reader: FrameReader, wanted: Wanted, *, octets: bool = True) -> Iterator[Chosen]:
    """The frames that are wanted, in batches, no more than are; `octets` as in `FrameReader.tables`."""
    left = wanted.limit
    for table in reader.tables(octets=octets):
        rows = np.arange(len(table)) if wanted.filter is None else np.flatnonzero(wanted.filter.mask(table))
        rows = rows if left is None else rows[:left]
        if len(rows):
            yield Chosen(table, rows)
        if left is not None:
            left -= len(rows)
            if left <= 0:
                return
