"""Reads Daintree Sensor Network Analyzer's .dcf files: text, one line a frame.

`#Format=4`, other lines with `#`, then: number, seconds.fraction, length, octets in hexadecimal, LQI, 1, RSSI,
channel, … The octets end with two that stand for the FCS and are not it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final

from hanscope.captures.batch import Fcs, Notes, RecordBatch
from hanscope.captures.foreign import Found, chunks, described, lines
from hanscope.captures.sniffers.base import LARGEST_SUN_PSDU, SECOND, Heard
from hanscope.captures.sniffers.channels import Channel, all_channels
from hanscope.captures.source import Source

MAGIC: Final = b"#Format=4"
_LONGEST: Final = 2 * LARGEST_SUN_PSDU + 512
_RECORD: Final = re.compile(
    rb"(\d{1,10}) (\d{1,10})\.(\d{1,6}) (\d{1,4}) ([0-9a-fA-F]+) (\d{1,3}) \d+ (-?\d{1,3}) (\d{1,2})\b"
)
_PLACEHOLDER: Final = 2
_CHANNELS: Final = frozenset(all_channels())


def read(source: Source, notes: Notes) -> Generator[RecordBatch]:
    described(notes, "Daintree", "Daintree Sensor Network Analyzer")
    yield from chunks(_frames(source), notes)


def _frames(source: Source) -> Iterator[Found]:
    for line in lines(source, _LONGEST):
        if not line.text or line.text.startswith(b"#"):
            continue
        match = _RECORD.match(line.text)
        if match is None:
            raise line.unreadable("a line is no Daintree record")
        _, seconds, fraction, length, digits, lqi, rssi, number = match.groups()
        if len(digits) != 2 * int(length) or int(length) <= _PLACEHOLDER:
            raise line.unreadable("a record's length and its octets disagree")
        time_ns = int(seconds) * SECOND + int(fraction.ljust(9, b"0"))
        channel = Channel(int(number))
        heard = Heard(
            bytes.fromhex(digits.decode())[:-_PLACEHOLDER],
            Fcs.NOT_CAPTURED,
            None,
            float(rssi),
            min(int(lqi), 255),
            channel if channel in _CHANNELS else None,
        )
        yield Found(time_ns, heard)
