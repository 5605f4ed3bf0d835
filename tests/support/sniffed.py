"""What another sniffer made of a capture: frames that it missed, a clock of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.files import open_capture
from hanscope.captures.writer import PcapWriter

Int64s = NDArray[np.int64]


def sniffed(
    source: Path | str,
    target: Path,
    heard: Callable[[Int64s], NDArray[np.bool_]] = lambda number: number > 0,
    clock: Callable[[Int64s], Int64s] = lambda time_ns: time_ns,
) -> str:
    """Writes the records of a capture whose numbers were `heard` to a pcap file, with the times that `clock` gives."""
    with open_capture(source) as capture:
        writer: PcapWriter | None = None
        for records in capture:
            writer = writer or PcapWriter(target, capture.interfaces[0].link_type)
            these = heard(records.first_number + np.arange(len(records)))
            writer.write(
                clock(records.time_ns[these]),
                records.buffer,
                records.at[these],
                records.captured[these],
                records.original[these],
            )
        assert writer is not None
        writer.close()
    return str(target)


def missing(share: float, seed: int, count: int = 1 << 20) -> Callable[[Int64s], NDArray[np.bool_]]:
    """A sniffer that misses a share of the frames."""
    lucky = np.random.default_rng(seed).random(count) >= share
    return lambda number: lucky[number]


def clock(
    offset_ns: int = 0, ppm: float = 0.0, jitter_ns: int = 0, origin_ns: int = 0, seed: int = 0
) -> Callable[[Int64s], Int64s]:
    """A clock that is ahead, gains, and stamps frames late by up to `jitter_ns`; none of them before another."""
    random = np.random.default_rng(seed)

    def read(time_ns: Int64s) -> Int64s:
        gained = ((time_ns - origin_ns) * (ppm * 1e-6)).astype(np.int64)
        late = random.integers(0, jitter_ns, len(time_ns), endpoint=True)
        return np.maximum.accumulate(time_ns + offset_ns + gained + late)

    return read
