"""Reads Silicon Labs Network Analyzer's sessions: .isd (a ZIP archive) and the text log that is inside.

A line of the log is `[time in µs] …`: time, duration, type, name and sequence in the first brackets, who heard or sent
in the second, the octets of a debug channel message in the third. Types 0x…29 and 0x…2A are what an EFR32 sent and
received: F8, FC or F0; the PHR; frame with FCS; F9, FA, FD or FE; then, to be read backwards: configuration octet,
status, radio info, and before them RSSI and radio configuration. Type 0x…25 is an EM35x's.

A transmission is in the log as often as nodes heard it; copies within half a millisecond are left out. The FCS is
judged from the octets: the logs hold cut and joined ones.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from typing import Any, Final

from hanscope.captures.batch import Fcs, Notes, RecordBatch
from hanscope.captures.foreign import MOST_INTERFACES, Found, Unreadable, chunks, described, lines, whole
from hanscope.captures.sniffers.base import LARGEST_PSDU, LARGEST_SUN_PSDU, Heard
from hanscope.captures.sniffers.channels import CHANNELS_2_4_GHZ, Channel, of_gb863_index
from hanscope.captures.source import Source
from hanscope.dissectors.fcs import crc16

MAGIC: Final = b"PK\x03\x04"
LOG_MAGIC: Final = b"# (c) Ember - InSight Desktop"
VERSION: Final = ".emberVersion"
_LOG: Final = "event.log"
_INFO: Final = "info.file"
_SEGMENTS: Final = "segments.file"
_MOST_SEGMENTS: Final = 1000
_LONGEST: Final = 16_384
_INFO_SIZE: Final = 65_536
_LINE: Final = re.compile(rb"\[(-?\d{1,18}) \d+ (\d{1,10}) .*?\] \[(.*?)\] \[([0-9A-Fa-f ]*)\]")
_REAL_TIME: Final = re.compile(rb"^realTime=(\d{1,15})\s*$", re.MULTILINE)

EFR_TX: Final = 0x29
EFR_RX: Final = 0x2A
EM350_RX: Final = 0x25
_COPY_NS: Final = 500_000
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,  # among them: an encrypted member, a method that is not implemented
    EOFError,
    OSError,
    LookupError,
    ValueError,
)
"""What `zipfile` raises for damaged archives."""


def read_session(source: Source, notes: Notes) -> Generator[RecordBatch]:
    """A .isd file."""
    yield from chunks(_Log(notes).session(source), notes)


def read_log(source: Source, notes: Notes) -> Generator[RecordBatch]:
    """The text log by itself; its times count from the start of the session, here from 1970 on."""
    yield from chunks(_Log(notes).frames(lines(source, _LONGEST), 0), notes)


class _Log:
    """Reads the lines of a session; remembers who was in it and what was heard just now."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._nodes: dict[bytes, int] = {}
        self._recent: dict[bytes, tuple[int, bytes]] = {}
        """By octets: when they were last heard, and by whom."""

    def session(self, source: Source) -> Iterator[Found]:
        try:
            with zipfile.ZipFile(io.BytesIO(whole(source))) as archive:
                names = set(archive.namelist())
                if VERSION not in names or _LOG not in names:
                    raise Unreadable(
                        "the archive", "this is a ZIP archive, but no Silicon Labs session; unpack it first"
                    )
                begin_ns = _real_time_ns(archive) if _INFO in names else 0
                for name in _segments(archive, names):
                    with archive.open(name) as segment:
                        yield from self.frames(_text(segment, name), begin_ns)
        except _ZIP_ERRORS as error:
            raise Unreadable("the archive", f"it cannot be unpacked ({error})") from None

    def frames(self, text: Iterator[tuple[int, bytes]], begin_ns: int) -> Iterator[Found]:
        for at, line in text:
            if not line.strip() or line.startswith(b"#"):
                continue
            match = _LINE.match(line)
            if match is None:
                raise Unreadable(f"octet {at}", "a line of the log is no event: the file is damaged here")
            time_us, kind, node, digits = match.groups()
            heard = _heard(int(kind), digits)
            if heard is None:
                continue
            time_ns = begin_ns + int(time_us) * 1000
            if not self._is_copy(heard.octets + heard.trailer, time_ns, node):
                yield Found(time_ns, heard, self._interface(node))

    def _interface(self, node: bytes) -> int:
        if node not in self._nodes:
            if len(self._nodes) == MOST_INTERFACES:
                return MOST_INTERFACES - 1
            name = node.decode("ascii", "replace")[:64]
            self._nodes[node] = described(self._notes, name, "Silicon Labs Network Analyzer")
        return self._nodes[node]

    def _is_copy(self, octets: bytes, time_ns: int, node: bytes) -> bool:
        """Whether another node heard (or sent) the same at this time."""
        if len(self._recent) > 1024:
            self._recent = {one: last for one, last in self._recent.items() if time_ns - last[0] < _COPY_NS}
        last = self._recent.get(octets)
        if last is not None and last[1] != node and abs(time_ns - last[0]) < _COPY_NS:
            return True
        if len(self._recent) <= 1024:
            self._recent[octets] = time_ns, node
        return False


def _real_time_ns(archive: zipfile.ZipFile) -> int:
    with archive.open(_INFO) as info:
        match = _REAL_TIME.search(info.read(_INFO_SIZE))
    return int(match[1]) * 1_000_000 if match else 0


def _segments(archive: zipfile.ZipFile, names: set[str]) -> list[str]:
    """The parts of the log, in order: the last word of each line of the list."""
    if _SEGMENTS not in names:
        return [_LOG]
    with archive.open(_SEGMENTS) as listed:
        told = listed.read(_INFO_SIZE).decode("utf-8", "replace").split()
    found = [line.rsplit(":", 1)[-1] for line in told[:_MOST_SEGMENTS]]
    return [name for name in dict.fromkeys(found) if name in names] or [_LOG]


def _text(segment: Any, name: str) -> Iterator[tuple[int, bytes]]:
    buffered = io.BufferedReader(segment)  # by itself a member's `readline` gives what it happens to have inflated
    at = 0
    while line := buffered.readline(_LONGEST):
        if not line.endswith(b"\n") and len(line) == _LONGEST:
            raise Unreadable(f"{name}, octet {at}", f"a line is longer than {_LONGEST} octets: it is damaged here")
        yield at, line
        at += len(line)


def _heard(kind: int, digits: bytes) -> Heard | None:
    """The frame in an event; `None` for events that carry none."""
    message = kind & 0xFFFF
    if message not in (EFR_TX, EFR_RX, EM350_RX):
        return None
    try:
        octets = bytes.fromhex(digits.decode())
    except ValueError:
        return None
    return _em350(octets) if message == EM350_RX else _efr(octets, received=message == EFR_RX)


_STARTS: Final = (0xF8, 0xFC, 0xF0)
_ENDS: Final = (0xF9, 0xFA, 0xFD, 0xFE)
_CONFIGURATIONS: Final = {1: 0, 2: 1, 3: 2, 5: 0, 6: 1, 7: 2}
"""Octets of radio configuration by the length of what stands before the radio info of a received frame; of a sent one
one octet, the RSSI, is not there."""
_GB863: Final = 5
_GB915: Final = 6


def _efr(octets: bytes, *, received: bool) -> Heard | None:
    if len(octets) < 8 or octets[0] not in _STARTS:
        return None
    configuration, index = octets[-1], octets[-3] & 0x3F
    variable = configuration >> 3 & 7
    end = len(octets) - 4 - variable
    if end < 4 or octets[end] not in _ENDS:
        return None
    told = octets[end + 1 : end + 1 + variable]
    places = _CONFIGURATIONS.get(variable if received else variable + 1, 0)
    radio = told[-places] if places and len(told) >= places else 0
    header = 4 if radio & 0x40 else 2 if radio & 0x80 else 1
    psdu = octets[1 + header : end]
    if not 2 < len(psdu) <= (LARGEST_PSDU if header == 1 else LARGEST_SUN_PSDU):
        return None
    rssi = None
    if received and told:
        rssi = float(int.from_bytes(told[:1], "little", signed=True) - (50 if configuration & 7 == 1 else 0))
    return _judged(psdu, rssi, None, _channel(radio & 7, index))


def _channel(radio: int, index: int) -> Channel | None:
    if radio == _GB863:
        return of_gb863_index(index)
    if radio == _GB915:
        return Channel(index, 31) if index < 27 else None
    return Channel(11 + index) if radio == 0 and 11 + index in CHANNELS_2_4_GHZ else None


def _em350(octets: bytes) -> Heard | None:
    """Length, frame with its FCS, LQI, RSSI, (channel - 11) · 16."""
    length = octets[0] if octets else 0
    psdu, tail = octets[1 : 1 + length], octets[1 + length :]
    if not 2 < len(psdu) <= LARGEST_PSDU or len(tail) < 3:
        return None
    rssi = float(int.from_bytes(tail[1:2], "little", signed=True))
    return _judged(psdu, rssi, tail[0], Channel(11 + (tail[2] >> 4)))


def _judged(psdu: bytes, rssi_dbm: float | None, lqi: int | None, channel: Channel | None) -> Heard:
    state = Fcs.VALID if crc16(psdu) == 0 else Fcs.INVALID
    return Heard(psdu[:-2], state, None, rssi_dbm, lqi, channel, psdu[-2:])
