"""What readers of other programs' capture files have in common: their frames become records of link type 283.

Each reader gives frames one by one as `Found`; `chunks` puts them together. What cannot be read becomes a fault, and
what comes before it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Final, NamedTuple

from hanscope.captures.batch import Fault, Interface, Notes, RecordBatch
from hanscope.captures.linklayer import TAP
from hanscope.captures.sniffers.base import Heard
from hanscope.captures.source import Source
from hanscope.captures.tap import of_heard

AT_ONCE: Final = 8192
"""Frames of a chunk."""
LARGEST: Final = 1 << 29
"""Octets of a file that has to be in memory."""
MOST_INTERFACES: Final = 1024
LATEST_NS: Final = 1 << 62
"""Unix nanoseconds: the year 2116."""


class Found(NamedTuple):
    """A frame and when it was."""

    time_ns: int
    heard: Heard
    interface: int = 0


class Unreadable(Exception):  # noqa: N818 -- the end of what can be read, not of the program
    """From here on nothing can be read: (where, what)."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(what)
        self.fault = Fault(where, what)


Reader = Callable[[Source, Notes], Generator[RecordBatch]]


def chunks(found: Iterator[Found], notes: Notes) -> Generator[RecordBatch]:
    """The frames as chunks; `Unreadable` ends them and becomes a fault."""
    number = 1
    believable = _believable(found)
    while True:
        batch: list[Found] = []
        over = False
        try:
            batch.extend(islice(believable, AT_ONCE))
        except Unreadable as error:
            notes.faults.append(error.fault)
            over = True
        if batch:
            times_ns, frames, interface = zip(*batch, strict=True)
            yield of_heard(times_ns, frames, None, first_number=number, interface=interface)
            number += len(batch)
        if over or len(batch) < AT_ONCE:
            return


def _believable(found: Iterator[Found]) -> Iterator[Found]:
    """Frames up to the first whose time is beyond what a capture can hold."""
    for number, one in enumerate(found, 1):
        if abs(one.time_ns) > LATEST_NS:
            raise Unreadable(f"frame {number}", "its time is centuries away: the file is damaged here")
        yield one


def described(notes: Notes, name: str, description: str) -> int:
    """A further interface; returns its index (the last one again when there are too many)."""
    if len(notes.interfaces) < MOST_INTERFACES:
        notes.interfaces.append(Interface(len(notes.interfaces), TAP, name=name, description=description, resolution=9))
    return len(notes.interfaces) - 1


class Line(NamedTuple):
    """A line of a text file."""

    where: str
    text: bytes
    """Without its end."""
    ended: bool = True
    """Whether it has one."""

    def unreadable(self, what: str) -> Unreadable:
        """`what` is wrong with it, unless it is only the beginning of a line."""
        what = f"{what}: the file is damaged here" if self.ended else "the file ends inside a line"
        return Unreadable(self.where, what)


def lines(source: Source, longest: int) -> Iterator[Line]:
    """The lines of a text file; raises `Unreadable` at one that is too long."""
    piece = bytearray(1 << 16)
    rest, at = b"", 0
    while got := source.fill(memoryview(piece)):
        *whole, rest = (rest + piece[:got]).split(b"\n")
        for line in whole:
            yield Line(f"octet {at}", line.rstrip(b"\r"))
            at += len(line) + 1
        if len(rest) > longest:
            raise Unreadable(f"octet {at}", f"a line is longer than {longest} octets: the file is damaged here")
    if source.fault:
        raise Unreadable(f"octet {at}", source.fault)
    if rest:
        yield Line(f"octet {at}", rest.rstrip(b"\r"), ended=False)


def whole(source: Source) -> bytes:
    """All octets; raises `Unreadable` when they are too many to be held."""
    content = bytearray()
    piece = bytearray(1 << 20)
    while got := source.fill(memoryview(piece)):
        content += piece[:got]
        if len(content) > LARGEST:
            raise Unreadable(f"octet {LARGEST}", f"the file is larger than {LARGEST >> 20} MiB; split it first")
    return bytes(content)
