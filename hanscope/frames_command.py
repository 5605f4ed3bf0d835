"""`hanscope frames` and `hanscope frame`: what is asked for, and the frames that fulfil it."""

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Final, NamedTuple

import numpy as np

from hanscope.analyzers.filters import Filter, FilterError, parse
from hanscope.analyzers.framefields import describe
from hanscope.analyzers.frames import FrameReader, open_frames
from hanscope.analyzers.keys import KeyRing
from hanscope.report.frames import Chosen
from hanscope.report.progress import ProgressBar

FOR_PEOPLE: Final = ("number", "elapsed", "source", "destination", "layer", "info")
FOR_SCRIPTS: Final = (
    "number", "time", "length", "fcs", "pan",
    "mac.source", "mac.destination", "mac.sequence",
    "nwk.source", "nwk.destination", "nwk.sequence", "nwk.frame_counter",
    "aps.counter", "aps.cluster", "aps.profile",
    "zcl.sequence", "zcl.command",
    "layer", "layers", "info", "key", "shut", "fragments", "transfer",
)  # fmt: skip


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


@contextmanager
def opened(path: str, keys: KeyRing, *, progress: bool, processes: int | None) -> Generator[FrameReader]:
    """A capture, read once, for its frames. Raises `CaptureError`."""
    with ExitStack() as stack:
        with ProgressBar(sys.stderr) if progress else nullcontext() as bar:
            reader = stack.enter_context(open_frames(path, keys=keys, progress=bar, processes=processes))
        yield reader


def chosen(reader: FrameReader, wanted: Wanted) -> Iterator[Chosen]:
    """The frames that are wanted, in batches, no more than are."""
    left = wanted.limit
    for table in reader.tables():
        rows = np.arange(len(table)) if wanted.filter is None else np.flatnonzero(wanted.filter.mask(table))
        rows = rows if left is None else rows[:left]
        if len(rows):
            yield Chosen(table, rows)
        if left is not None:
            left -= len(rows)
            if left <= 0:
                return
