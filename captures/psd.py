"""Reads TI SmartRF Packet Sniffer's .psd files (user's manual SWRU187): records of a fixed size without a file header.

Info (bit 0: the length counts what follows the frame, 1: correlation used, 2: incomplete, 3: overflow), number (4, from
1), time (8, 32 MHz ticks that rise across wraps), length (2), payload, zeros up to the record's size. The payload is as
from a CC2531: PSDU length, frame, RSSI, CRC flag with correlation.

The ticks count from the start of the capture, which the file does not tell: times are from 1970 on.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from typing import Final

from hanscope.captures.batch import Fcs, Notes, RecordBatch
from hanscope.captures.foreign import Found, Unreadable, chunks, described
from hanscope.captures.sniffers.base import LARGEST_PSDU, Heard
from hanscope.captures.sniffers.ti import TRAILER, with_metadata
from hanscope.captures.source import Source

RECORD: Final = 151
"""Octets of a record of 802.15.4; those of other radios have other sizes."""
HEAD: Final = RECORD + 5
"""Octets by which such a file is known: a record and the next one's number."""
_HEADER: Final = struct.Struct("<BIQH")
_INFO_BITS: Final = 0x1F


def is_psd(head: bytes) -> bool:
    """Whether a file begins with the records 1 and 2, or with record 1 and what is left of the next."""
    if len(head) < RECORD:
        return False
    info, number, _, length = _HEADER.unpack_from(head)
    zeros = head[_HEADER.size + length : RECORD]
    if info & ~_INFO_BITS or number != 1 or not 1 <= length <= RECORD - _HEADER.size or any(zeros):
        return False
    return b"\x02\x00\x00\x00".startswith(head[RECORD + 1 : HEAD])


def read(source: Source, notes: Notes) -> Generator[RecordBatch]:
    described(notes, "TI Packet Sniffer", "TI SmartRF Packet Sniffer; no channel, times from the start of the capture")
    yield from chunks(_frames(source), notes)


def _frames(source: Source) -> Iterator[Found]:
    record = bytearray(RECORD)
    at = 0
    while (got := source.fill(memoryview(record))) == RECORD:
        info, _, ticks, length = _HEADER.unpack_from(record)
        if info & ~_INFO_BITS or length > RECORD - _HEADER.size:
            raise Unreadable(f"octet {at}", f"a record claims {length} octets: the file is damaged here")
        payload = bytes(record[_HEADER.size : _HEADER.size + length])
        if not payload or payload[0] != length - 1 or length - 1 > LARGEST_PSDU:
            raise Unreadable(f"octet {at}", "a record's two lengths disagree: the file is damaged here")
        # What is too short for a frame is kept as a bad one, so that frames have the numbers that they have there.
        heard = with_metadata(payload[1:]) if length > TRAILER else Heard(b"", Fcs.INVALID)
        yield Found(ticks * 1000 // 32, heard)
        at += RECORD
    if got or source.fault:
        raise Unreadable(f"octet {at}", source.fault or "the file ends inside a record")
