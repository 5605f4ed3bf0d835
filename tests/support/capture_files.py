"""Makes capture files octet by octet, and reads files and tshark's view of them into plain lists."""

import struct
from pathlib import Path

from oracles import tshark

from hanscope.captures.batch import FrameBatch
from hanscope.captures.files import CaptureFile, open_capture
from hanscope.captures.linklayer import Decisions, decide, frames

FRAME = bytes.fromhex("030806ffffffff07c231")
"""A beacon request with its FCS."""

Record = tuple[int, int, bytes]
"""Time in nanoseconds, original length, octets."""


def pcap_header(order: str = "<", magic: int = 0xA1B2C3D4, link: int = 195, snap: int = 65_535) -> bytes:
    return struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, snap, link)


def pcap_record(
    seconds: int, fraction: int = 0, octets: bytes = FRAME, order: str = "<", original: int | None = None
) -> bytes:
    size = len(octets) if original is None else original
    return struct.pack(order + "IIII", seconds, fraction, len(octets), size) + octets


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", options: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options, order)


def interface(link: int = 195, options: bytes = b"", order: str = "<", snap: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def packet(
    ticks: int,
    octets: bytes = FRAME,
    index: int = 0,
    *,
    options: bytes = b"",
    order: str = "<",
    original: int | None = None,
) -> bytes:
    size = len(octets) if original is None else original
    head = struct.pack(order + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), size)
    return block(6, head + octets + bytes(-len(octets) % 4) + options, order)


def read(path: Path) -> tuple[CaptureFile, list[Record]]:
    found: list[Record] = []
    with open_capture(path) as capture:
        for batch in capture:
            assert batch.first_number == len(found) + 1
            columns = (batch.time_ns, batch.original, batch.at, batch.captured)
            for time, original, at, size in zip(*(column.tolist() for column in columns), strict=True):
                found.append((time, original, batch.buffer[at : at + size].tobytes()))
    return capture, found


def gathered(path: Path) -> tuple[CaptureFile, list[FrameBatch]]:
    """The 802.15.4 frames of a capture, chunk by chunk."""
    found: list[FrameBatch] = []
    decisions: Decisions = {}
    with open_capture(path) as capture:
        for records in capture:
            decisions = decide(records, capture.interfaces, decisions)
            found.append(frames(records, decisions))
    return capture, found


def tshark_times(path: Path) -> list[int]:
    """Nanoseconds of each record as tshark reads the file; 0 for records without time."""
    times: list[int] = []
    for (text,) in tshark("-r", path, "-T", "fields", "-e", "frame.time_epoch"):
        seconds, _, fraction = text.partition(".")
        times.append(int(seconds) * 10**9 + int(fraction) if text else 0)
    return times
