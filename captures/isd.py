"""Reads Silicon Labs Network Analyzer's sessions: .isd (a ZIP archive) and the text log that is inside.

A line of the log is `[time in µs] …`: time, duration, type, name and sequence in the first brackets, who heard or sent
in the second, the octets of a debug channel message in the third (`hanscope.captures.sniffers.silabs` has their form).

A transmission is in the log as often as nodes heard it; copies within half a millisecond are left out.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, nullcontext, suppress
from typing import Any, Final

from hanscope.captures.batch import Notes, RecordBatch
from hanscope.captures.foreign import LARGEST, MOST_INTERFACES, Found, Line, Unreadable, chunks, described, lines, whole
from hanscope.captures.sniffers.base import Heard
from hanscope.captures.sniffers.silabs import heard
from hanscope.captures.source import Source, until_damage

MAGIC: Final = b"PK\x03\x04"
VERSION: Final = ".emberVersion"
_LOG: Final = "event.log"
_INFO: Final = "info.file"
_SEGMENTS: Final = "segments.file"
_MOST_SEGMENTS: Final = 1000
_LONGEST: Final = 16_384
_INFO_SIZE: Final = 65_536
_LINE: Final = re.compile(rb"\[(-?\d{1,18}) \d+ (\d{1,10}) .*?\] \[(.*?)\] \[([0-9A-Fa-f ]*)\]")
_REAL_TIME: Final = re.compile(rb"^realTime=(\d{1,15})\s*$", re.MULTILINE)

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
"""What stands before a member of an archive: …, flags, method, …, packed size, …, lengths of name and extra field."""
_MOST_MEMBERS: Final = 64

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
            with _archive(whole(source)) as archive:
                yield from self._logs(archive)
        except _ZIP_ERRORS as error:
            raise Unreadable("the archive", f"it cannot be unpacked ({str(error) or 'it is cut short'})") from None

    def _logs(self, archive: zipfile.ZipFile | _Torn) -> Iterator[Found]:
        torn = isinstance(archive, _Torn)
        names = set(archive.namelist())
        if VERSION not in names or _LOG not in names:
            what = "it is cut short or damaged" if torn else "this is a ZIP archive, but no Silicon Labs session"
            raise Unreadable("the archive", f"{what}; unpack it first")
        begin_ns = _real_time_ns(archive) if _INFO in names else 0
        for name in _segments(archive, names):
            with archive.open(name) as segment, suppress(Unreadable) if torn else nullcontext():
                yield from self.frames(_text(segment, name), begin_ns)
        if torn:
            untold = "" if _INFO in names else "; times count from its start, which is not told"
            raise Unreadable("the archive", f"it is cut short or damaged; what could be unpacked was read{untold}")

    def frames(self, text: Iterator[Line], begin_ns: int) -> Iterator[Found]:
        for line in text:
            if not line.text.strip() or line.text.startswith(b"#"):
                continue
            match = _LINE.match(line.text)
            if match is None:
                raise line.unreadable("a line of the log is no event")
            time_us, kind, node, digits = match.groups()
            frame = _event(int(kind), digits)
            if frame is None:
                continue
            time_ns = begin_ns + int(time_us) * 1000
            if not self._is_copy(frame.octets + frame.trailer, time_ns, node):
                yield Found(time_ns, frame, self._interface(node))

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


class _Torn(ExitStack):
    """An archive that is cut short or damaged: its members by the headers before them (APPNOTE 4.3.7), each as far as
    it can be unpacked.
    """

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self._members: dict[str, bytes] = {}
        at, left = 0, LARGEST
        for _ in range(_MOST_MEMBERS):
            if len(octets) < at + _LOCAL.size:
                break
            _, _, flags, method, _, _, _, size, _, name_length, extra_length = _LOCAL.unpack_from(octets, at)
            begin = at + _LOCAL.size + name_length + extra_length
            name = octets[at + _LOCAL.size : begin - extra_length].decode("ascii", "replace")
            packed = octets[begin:]
            if flags & 1 or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                break
            unpacked = packed[:size] if method == zipfile.ZIP_STORED else _inflated(packed, left)
            self._members.setdefault(name, unpacked)
            left -= len(unpacked)
            at = octets.find(MAGIC, begin)
            if at < 0 or left <= 0:
                break

    def namelist(self) -> list[str]:
        return list(self._members)

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self._members[name])


def _inflated(packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)
    except zlib.error:
        return until_damage(zlib.decompressobj(-zlib.MAX_WBITS), packed, most)


def _archive(octets: bytes) -> zipfile.ZipFile | _Torn:
    with suppress(*_ZIP_ERRORS):
        archive = zipfile.ZipFile(io.BytesIO(octets))
        if archive.testzip() is None:
            return archive
    return _Torn(octets)


def _real_time_ns(archive: zipfile.ZipFile | _Torn) -> int:
    with archive.open(_INFO) as info:
        match = _REAL_TIME.search(info.read(_INFO_SIZE))
    return int(match[1]) * 1_000_000 if match else 0


def _segments(archive: zipfile.ZipFile | _Torn, names: set[str]) -> list[str]:
    """The parts of the log, in order: the last word of each line of the list."""
    if _SEGMENTS not in names:
        return [_LOG]
    with archive.open(_SEGMENTS) as listed:
        told = listed.read(_INFO_SIZE).decode("utf-8", "replace").split()
    found = [line.rsplit(":", 1)[-1] for line in told[:_MOST_SEGMENTS]]
    return [name for name in dict.fromkeys(found) if name in names] or [_LOG]


def _text(segment: Any, name: str) -> Iterator[Line]:
    buffered = io.BufferedReader(segment)  # by itself a member's `readline` gives what it happens to have inflated
    at = 0
    while text := buffered.readline(_LONGEST):
        ended = text.endswith(b"\n")
        if not ended and len(text) == _LONGEST:
            raise Unreadable(f"{name}, octet {at}", f"a line is longer than {_LONGEST} octets: it is damaged here")
        yield Line(f"{name}, octet {at}", text, ended=ended)
        at += len(text)


def _event(kind: int, digits: bytes) -> Heard | None:
    """The frame in an event; `None` for events that carry none."""
    try:
        return heard(kind & 0xFFFF, bytes.fromhex(digits.decode()))
    except ValueError:
        return None
