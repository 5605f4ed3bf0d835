"""Frames while they come: from a sniffer, a file that grows or a pipe. Ten times a second there is a batch.

A thread of its own reads and records, so that neither a slow analysis nor a slow terminal makes a sniffer's few octets
of buffer run over. Whoever analyzes takes what has come (`Feed.batches`) in its own time.
"""

from __future__ import annotations

import os
import select
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from hanscope.captures import pcap, pcapng
from hanscope.captures.batch import CaptureError, Interface, Notes, RecordBatch
from hanscope.captures.files import Format
from hanscope.captures.linklayer import TAP, Decisions, decide, frames
from hanscope.captures.recorder import Recorder, RecordingError
from hanscope.captures.sniffers.base import Heard, Sniffer, SnifferError
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.source import Source
from hanscope.captures.tap import of_frames, of_heard
from hanscope.dissectors.columns.rows import SLACK, Octets

BATCH_S: Final = 0.1
UNSURE_S: Final = 10.0
"""How long the first records of an interface are kept back when they do not tell what its frames end with."""
PIPES: Final = os.name == "posix"
"""Whether `select` can wait for a pipe."""
_JOINED: Final = 1 << 16
"""Frames that are handed on at once when whoever takes them has fallen behind."""


class Feed(ABC):
    """Something that delivers frames as they come. Begin it, take its batches, stop it."""

    format: Format = "pcapng"

    def __init__(self, name: str, recorder: Recorder | None) -> None:
        self.name = name
        self.recorder = recorder
        self.notes = Notes()
        self.frames = 0
        self.failure: SnifferError | RecordingError | CaptureError | None = None
        """Why it ended, if not because it was told to or because there is no more."""
        self.defect: BaseException | None = None
        self._stopping = threading.Event()
        self._come = threading.Condition()
        self._waiting: deque[RecordBatch] = deque()
        self._over = False
        self._thread = threading.Thread(target=self._work, name=f"hanscope {name}", daemon=True)

    @property
    def path(self) -> str | None:
        """A file in which everything is that came: what a second reading reads. `None`: there is none."""
        recorded = [] if self.recorder is None else self.recorder.paths
        return str(recorded[0]) if len(recorded) == 1 and recorded[0].is_file() else None

    @property
    def interfaces(self) -> list[Interface]:
        """Where the records of the batches come from."""
        return self.notes.interfaces

    def begin(self) -> None:
        """Open what is to be read, and read it from now on. Raises `SnifferError`, `CaptureError`, `RecordingError`."""
        self._thread.start()

    @property
    def tuned(self) -> str:
        """Where it listens, in words; empty where that is not known."""
        return ""

    @property
    def begun(self) -> bool:
        return self._thread.ident is not None

    @property
    def nothing_heard(self) -> str:
        """What to say where no frame came; empty where that has been told."""
        return ""

    def stop(self) -> None:
        """Have it end; what has come until then can still be taken. May be called from a signal handler."""
        self._stopping.set()

    def batches(self, wait_s: float = BATCH_S) -> Iterator[RecordBatch | None]:
        """What comes, in order; `None` where nothing came for `wait_s`. Ends with the feed."""
        while True:
            with self._come:
                if not self._waiting and not self._over:
                    self._come.wait(wait_s)
                taken: list[RecordBatch] = []
                while self._waiting and sum(map(len, taken)) < _JOINED:
                    taken.append(self._waiting.popleft())
                self._come.notify()
                over = self._over and not self._waiting
            if taken:
                yield joined(taken)
            elif not over:
                yield None
            if over:
                self._thread.join()
                if self.defect is not None:
                    raise self.defect
                return

    def _hand_on(self, records: RecordBatch) -> None:
        self.frames += len(records)
        with self._come:
            self._waiting.append(records)
            self._come.notify()

    def _await_room(self) -> None:
        """Until what has been handed on is mostly taken, or until told to end."""
        with self._come:
            while sum(map(len, self._waiting)) >= _JOINED and not self._stopping.is_set():
                self._come.wait(BATCH_S)

    def _work(self) -> None:
        try:
            self._run()
        except (SnifferError, RecordingError, CaptureError) as error:
            self.failure = error
        except BaseException as error:  # noqa: BLE001 -- raised again by whoever takes the batches
            self.defect = error
        finally:
            try:
                if self.recorder is not None:
                    self.recorder.close()
            except RecordingError as error:
                self.failure = self.failure or error
            with self._come:
                self._over = True
                self._come.notify()

    @abstractmethod
    def _run(self) -> None:
        """Read until there is no more or `_stopping` is set."""


class SnifferFeed(Feed):
    """A sniffer, on one channel or on several in turn."""

    def __init__(self, sniffer: Sniffer, channel: Channel | None, recorder: Recorder | None) -> None:
        super().__init__(sniffer.name, recorder)
        self.sniffer = sniffer
        self._channel = channel

    def begin(self) -> None:
        self.sniffer.begin(self._channel)
        self.name = self.sniffer.name
        self.notes.interfaces.append(Interface(0, TAP, name=self.name, description=self.tuned, resolution=9))
        try:
            if self.recorder is not None and not self.recorder.described:
                self.recorder.interface(self.name, self.tuned)
        except RecordingError:
            self.sniffer.close()
            raise
        super().begin()

    @property
    def tuned(self) -> str:
        heard = self.sniffer.channel
        return "" if heard is None else f"channel {heard} ({heard.frequency_mhz:g} MHz)"

    @property
    def nothing_heard(self) -> str:
        """What a capture without frames may mean."""
        if self.sniffer.channel is None:
            return "nothing came; check that its sender is on and sends here"
        return f"nothing was heard on channel {self.sniffer.channel}; `hanscope survey` finds channels in use"

    def _run(self) -> None:
        number = 1
        times: list[int] = []
        heard: list[Heard] = []
        due = time.monotonic() + BATCH_S
        try:
            while not self._stopping.is_set():
                dated = self.sniffer.dated()
                times += dated.times_ns
                heard += dated.frames
                if time.monotonic() >= due:
                    number += self._batch(times, heard, number)
                    times, heard = [], []
                    due = time.monotonic() + BATCH_S
        finally:
            try:
                self._batch(times, heard, number)
            finally:
                self.sniffer.close()

    def _batch(self, times: Sequence[int], heard: Sequence[Heard], number: int) -> int:
        if not heard:
            return 0
        records = of_heard(times, heard, self.sniffer.channel, first_number=number)
        if self.recorder is not None:
            self.recorder.lost = self.sniffer.counts.lost
            self.recorder.write(records)
        self._hand_on(records)
        return len(records)


class FileFeed(Feed):
    """A pcap or pcapng file, from its beginning and on as it grows, or a pipe; recorded anew where that is wanted."""

    def __init__(self, path: str, recorder: Recorder | None, *, follow: bool) -> None:
        super().__init__("standard input" if path == "-" else path, recorder)
        self._path = path
        self._follow = follow
        self._written: list[Interface] = []
        """As they are in the recording."""
        self._source: _Growing | None = None

    def begin(self) -> None:
        if self._path == "-" or (Path(self._path).exists() and not Path(self._path).is_file()):
            if not PIPES:
                raise CaptureError(
                    f"{self.name}: on Windows pipes cannot be followed; write to a file and follow that "
                    "(file:PATH --follow)"
                )
        else:
            with Source(self._path) as source:
                if self._follow and source.compressed:
                    raise CaptureError(f"{source.name}: compressed; only what is written plainly can be followed")
                if len(head := source.peek(4)) == 4 or not self._follow:
                    _check_head(source.name, head)
        super().begin()

    @property
    def path(self) -> str | None:
        if self.recorder is not None:
            return super().path
        gone = self._source is not None and self._source.gone
        return None if self._path == "-" or gone or not Path(self._path).is_file() else self._path

    @property
    def interfaces(self) -> list[Interface]:
        return self.notes.interfaces if self.recorder is None else self._written

    def _run(self) -> None:
        with _Growing(self._path, self._stopping, follow=self._follow) as source:
            self._source = source
            for records, decisions in self._judged(_reader(source, self.notes)):
                if self.recorder is None:
                    self._hand_on(records)
                else:
                    self._record(self.recorder, records, decisions)
                self._await_room()  # a file can be read much faster than analyzed, and need not fit into memory
        if self.notes.faults and not self.frames and not self._stopping.is_set():
            raise CaptureError(f"{self.name}: {self.notes.faults[0].what}")

    def _judged(self, batches: Iterator[RecordBatch]) -> Iterator[tuple[RecordBatch, Decisions]]:
        """Keeps back the first records of an interface until they tell what its frames end with, as in a file."""
        decisions: Decisions = {}
        held: RecordBatch | None = None
        since = 0.0
        for records in batches:
            since = since if held else time.monotonic()
            held = joined([held, records]) if held else records
            found = decide(held, self.notes.interfaces, decisions)
            sure = all(one.sure or index in decisions for index, one in found.items())
            if sure or time.monotonic() - since > UNSURE_S:
                yield held, found
                decisions, held = found, None
        if held:
            yield held, decide(held, self.notes.interfaces, decisions)

    def _record(self, recorder: Recorder, records: RecordBatch, decisions: Decisions) -> None:
        """Writes the frames, and hands on what was written."""
        batch = frames(records, decisions)
        made = of_frames(batch, decisions)
        for one in self.notes.interfaces[len(self._written) :]:
            recorder.interface(one.name, one.description)
            self._written.append(Interface(one.index, TAP, name=one.name, description=one.description, resolution=9))
        row = batch.number - records.first_number
        written = RecordBatch(
            self.frames + 1,
            batch.time_ns,
            np.concatenate([made.buffer, np.zeros(SLACK, np.uint8)]),
            made.at,
            made.length,
            made.length + np.where(batch.truncated, records.original[row] - records.captured[row], 0),
            batch.source.astype(np.uint16),
            size=len(made.buffer),
        )
        if len(written):
            recorder.write(written)
            self._hand_on(written)


def _reader(source: _Growing, notes: Notes) -> Generator[RecordBatch]:
    head = source.peek(4)
    _check_head(source.name, head)
    return pcapng.read(source, notes) if head == pcapng.MAGIC else pcap.read(source, notes)


def _check_head(name: str, head: bytes) -> None:
    if not head:
        raise CaptureError(f"{name}: nothing came; check what writes it")
    if head not in pcap.MAGICS and head != pcapng.MAGIC:
        raise CaptureError(f"{name}: not pcap or pcapng; only these can be followed")


class _Growing(Source):
    """A file that may become longer, or a pipe: chunks are what is there, and its end is when it was told so."""

    def __init__(self, path: str, stopping: threading.Event, *, follow: bool) -> None:
        self._stopping = stopping
        self._follow = follow
        self.gone = False
        """What is at this path is not what was read."""
        super().__init__(path)

    @staticmethod
    def opened(path: str, flags: int) -> int:
        """Without waiting for somebody who writes to a pipe: that may take until it was told to stop."""
        return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))

    def chunk(self, rest: Octets, size: int) -> tuple[Octets, int]:
        """Not more than can be had without waiting (but something, as `peek` was asked before)."""
        wanted = max(size - len(rest), 1)
        piece = memoryview(bytearray(wanted))
        ahead = min(len(self._ahead), wanted)
        piece[:ahead] = self._ahead[:ahead]
        self._ahead = self._ahead[ahead:]
        got = ahead + (self._read_once(piece[ahead:]) if ahead < wanted else 0)
        self.position += got
        buffer = np.zeros(len(rest) + got + SLACK, np.uint8)
        buffer[: len(rest)] = rest
        buffer[len(rest) : len(rest) + got] = np.frombuffer(piece[:got], np.uint8)
        return buffer, len(rest) + got

    def _read_once(self, target: memoryview) -> int:
        """What is there, without waiting."""
        descriptor = self._raw.file.fileno()
        if self.octets_total is None and not select.select([descriptor], [], [], 0)[0]:
            return 0
        return (self._inflated or self._raw).readinto(target)

    def _read(self, target: memoryview) -> int:
        """Waits for all of it, until the end or until it was told to stop."""
        got = 0
        while got < len(target) and not self._stopping.is_set():
            if self.octets_total is None and not select.select([self._raw.file.fileno()], [], [], BATCH_S)[0]:
                continue
            more = (self._inflated or self._raw).readinto(target[got:])
            got += more
            if not more:
                if not self._follow or self.octets_total is None or self.gone:
                    break
                if not self._is_gone():  # else what came before it went is read still
                    self._stopping.wait(BATCH_S)
        return got

    def _is_gone(self) -> bool:
        """Whether nothing more can come, because who writes has begun anew."""
        ours = os.fstat(self._raw.file.fileno())
        try:
            named = Path(self.name).stat()
        except OSError:
            return False  # removed or renamed: it may still be written to
        if not os.path.samestat(ours, named):
            self._raw.fault = "another file has taken its place; what is in that one is not here"
        elif ours.st_size < self._raw.octets_read:
            self._raw.fault = "the file was begun anew by who writes it; what came then is not here"
        self.gone = self._raw.fault is not None
        return self.gone


def joined(batches: Sequence[RecordBatch]) -> RecordBatch:
    """Consecutive batches as one."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]
    begins = np.cumsum([0, *(len(one.buffer) for one in batches[:-1])])
    errors = [np.zeros(len(one), np.bool_) if one.crc_error is None else one.crc_error for one in batches]
    return RecordBatch(
        first.first_number,
        np.concatenate([one.time_ns for one in batches]),
        np.concatenate([one.buffer for one in batches]),
        np.concatenate([one.at + begin for one, begin in zip(batches, begins, strict=True)]),
        np.concatenate([one.captured for one in batches]),
        np.concatenate([one.original for one in batches]),
        np.concatenate([one.interface for one in batches]),
        crc_error=np.concatenate(errors) if any(one.crc_error is not None for one in batches) else None,
    )
