"""Reads the classic capture file format (draft-ietf-opsawg-pcap): a 24-octet header, then records.

Lenient where Wireshark is: any version, lengths above the snapshot length, an original length below the captured one,
microseconds of a million and more (they count as seconds). A captured length above 262,144 octets is damage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import Fault, Interface, Notes, RecordBatch
from hanscope.captures.source import Source
from hanscope.captures.walk import WINDOW, Chain, walk
from hanscope.dissectors.columns.rows import Octets, rows

MAGICS: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""First four octets: byte order, and nanoseconds in a unit of the time stamps' fraction."""
MODIFIED: Final = (b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34")
"""First four octets of the "modified" format, whose records have longer headers."""
LARGEST: Final = 262_144
"""Octets of a record's data; more is damage."""
_FILE_HEADER: Final = 24
_RECORD_HEADER: Final = 16
SMALLEST_CHUNK: Final = 1 << 20
LARGEST_CHUNK: Final = 8 << 20


def read(source: Source, notes: Notes) -> Generator[RecordBatch]:
    """The records of a pcap file, whose magic has been seen; `notes` gets the interface and faults."""
    header = bytearray(_FILE_HEADER)
    got = source.fill(memoryview(header))
    order, unit = MAGICS[bytes(header[:4])]
    if got < _FILE_HEADER:
        notes.faults.append(Fault(f"octet {got}", source.fault or "the file ends inside its header"))
        return
    snap_length, link = struct.unpack(order + "16xII", header)
    # The upper bits of the link type word: f (4 bits) FCS length in 16-bit words, r, P (bit 26: f is valid)
    fcs_length = 2 * (link >> 28) if link >> 26 & 1 else None
    notes.interfaces.append(
        Interface(0, link & 0xFFFF, snap_length, resolution=6 if unit == 1000 else 9, fcs_length=fcs_length)
    )
    word = np.dtype(order + "u4")
    wanted = source.records * 76
    rest = np.zeros(0, np.uint8)
    number = 1
    while True:
        begin = source.position - len(rest)
        buffer, stop = source.chunk(rest, wanted)
        chain = Chain(_RECORD_HEADER, 8, word, _RECORD_HEADER, 0, LARGEST, _likely(buffer[:4].tobytes(), order))
        at, end = walk(buffer, 0, stop, chain)
        if len(at):
            fields = rows(buffer, at, _RECORD_HEADER).view(word).astype(np.int64)
            yield RecordBatch(
                number,
                fields[:, 0] * 1_000_000_000 + fields[:, 1] * unit,
                buffer,
                at + _RECORD_HEADER,
                fields[:, 2],
                fields[:, 3],
                np.zeros(len(at), np.uint16),
                source.path,
                begin,
                stop,
            )
            number += len(at)
            wanted = min(max(source.records * end // len(at), SMALLEST_CHUNK), LARGEST_CHUNK)
        fault = _fault(buffer[end:stop], order)
        rest = buffer[end:stop].copy()
        del buffer
        if fault is None and source.peek(1):
            continue
        if fault is None and len(rest):
            fault = source.fault or f"the file ends inside record {number}"
        elif fault is None:
            fault = source.fault
        if fault is not None:
            notes.faults.append(Fault(f"octet {begin + end}", fault))
        return


def _likely(seconds: bytes, order: str) -> Callable[[Octets], NDArray[np.bool_]]:
    """Tells where records probably begin, for a chunk whose first record has these seconds (as in the file)."""
    # By significance, 0 the lowest: where the octets of a little- or big-endian word stand
    place = (0, 1, 2, 3) if order == "<" else (3, 2, 1, 0)
    day, years = seconds[place[2]], seconds[place[3]]  # units of 18 hours and 194 days

    def likely(window: Octets) -> NDArray[np.bool_]:
        def octet(index: int) -> Octets:
            return window[:, index : index + WINDOW]

        found = octet(place[3]) == years
        found &= octet(place[2]) - np.uint8(day) <= 1
        for length_at in (8, 12):
            found &= octet(length_at + place[3]) == 0
            found &= octet(length_at + place[2]) == 0
        found &= octet(8 + place[0]) != 0
        found &= octet(4 + place[3]) <= 0x3B  # the fraction is below 10^9
        return found

    return likely


def _fault(rest: Octets, order: str) -> str | None:
    """Why the record that `rest` begins with is impossible, if it is."""
    if len(rest) < _RECORD_HEADER:
        return None
    (length,) = struct.unpack(order + "8xI4x", rest[:_RECORD_HEADER].tobytes())
    return (
        f"a record claims {length} octets, more than {LARGEST}: the file is damaged here" if length > LARGEST else None
    )
