"""What an analysis reads: one capture here, several as one stream in `hanscope.analyzers.several`."""

import os
import select
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from os import fdopen
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

import msgspec
import numpy as np

from hanscope.analyzers.dissect import Dissected
from hanscope.analyzers.listening import Listening, Span
from hanscope.analyzers.results import Capture, CaptureInterface, Fault
from hanscope.captures.batch import CaptureError, FrameBatch, RecordBatch, Secret
from hanscope.captures.files import CaptureFile, kind_of, open_capture
from hanscope.captures.linklayer import Decision, Decisions, decide, frames, link_type_name

POOL_FROM: Final = 24 << 20
"""Octets from which more than one process is worth its start."""
STANDARD_INPUT: Final = 0
"""Its file descriptor."""
_PIECE: Final = 1 << 20
"""Octets that are taken from a pipe at once, at most."""
_BEGINNING: Final = 4096
"""Octets by which it shows whether a pipe gives a capture, gzip or not."""
_LAST_SECONDS: Final = 0.3
"""For which more is waited for after Ctrl-C."""


class Progress(msgspec.Struct, frozen=True):
    """How far the reading of a capture is."""

    path: str
    octets_done: int
    octets_total: int | None
    frames: int
    second_pass: bool


Tell = Callable[[Progress], None]


class Readable:
    """A capture that can be read twice: standard input and pipes are copied to a temporary file while they are waited
    for, if they begin as a capture does.

    Ctrl-C ends the copying; what has come by then can be read, and `interrupted` says so.
    """

    def __init__(self, path: str) -> None:
        self.shown = "standard input" if path == "-" else path
        self.path = path
        self.interrupted = False
        self._copy: Path | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> "Readable":
        if self.path == "-" or is_pipe(self.path):
            try:
                with _opened(self.path, self.shown) as pipe:
                    self._take(pipe)
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # what did not fit is tried once more
                self._file.close()
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)

    def _take(self, pipe: FileIO) -> None:
        """Copies all that comes. Raises `CaptureError`."""
        try:
            descriptor, name = tempfile.mkstemp(prefix="hanscope-")
            self._copy, self.path = Path(name), name
            file = self._file = fdopen(descriptor, "wb")
            if (proc := Path(f"/proc/{os.getpid()}/fd/{descriptor}")).exists():
                self._copy.unlink()  # then nothing stays behind, however this process ends
                self._copy, self.path = None, str(proc)
            for piece in self._pieces(pipe):
                before = file.tell()
                file.write(piece)
                if before < _BEGINNING:
                    file.flush()
                    if before + len(piece) >= _BEGINNING:
                        kind_of(self.path, self.shown)
            file.flush()
        except OSError as error:
            where = f"cannot be copied to the folder of temporary files ({error.strerror or error})"
            raise CaptureError(f"{self.shown}: {where}; TMPDIR names another") from None
        try:
            kind_of(self.path, self.shown)
        except CaptureError:
            if self.interrupted:  # too early
                raise KeyboardInterrupt from None
            raise

    def _pieces(self, pipe: FileIO) -> Iterator[bytes]:
        try:
            while piece := pipe.read(_PIECE):
                yield piece
        except KeyboardInterrupt:
            self.interrupted = True
            # Whoever writes into the pipe has mostly been told to end too, and writes the last of it.
            while select.select([pipe], (), (), _LAST_SECONDS)[0] and (piece := pipe.read(_PIECE)):
                yield piece
        except OSError as error:
            raise CaptureError(f"{self.shown}: cannot be read on: {error.strerror}; copy or record it again") from None


def _opened(path: str, shown: str) -> FileIO:
    try:
        return FileIO(STANDARD_INPUT if path == "-" else path, "rb", closefd=path != "-")
    except OSError as error:
        raise CaptureError(f"{shown}: cannot be opened ({error.strerror}); check the name") from None


def is_pipe(path: str) -> bool:
    """Whether it is there, and neither a file nor a folder."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # whoever opens it says why it cannot be read
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


class Chunk(Protocol):
    """A piece of the input, as it goes to whoever dissects it."""

    def frames(self) -> FrameBatch: ...

    def detached(self) -> "Chunk":
        """Small, to be sent to another process."""
        ...


class Input(Protocol):
    """What is read, once, from beginning to end; used as a context."""

    name: str
    translate: Callable[[int], int] | None
    """From a frame's number in this input to how results name it; `None`: they are the same."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Chunk]: ...

    @property
    def octets_read(self) -> int: ...

    @property
    def octets_total(self) -> int | None: ...

    @property
    def large(self) -> bool:
        """Whether more than one process is worth it."""
        ...

    @property
    def secrets(self) -> Sequence[Secret]:
        """Keys that came with the captures, as far as they have been read."""
        ...

    def captures(self, total: Dissected) -> tuple[Capture, ...]:
        """What was read; `total`: what came of it."""
        ...

    def listening(self, total: Dissected) -> Listening: ...


class Opening(Protocol):
    """Opens the input, as often as it is read."""

    @property
    def again(self) -> bool:
        """Whether it can be read a second time."""
        ...

    def prepare(self) -> None:
        """Whatever has to be known before the first reading."""
        ...

    def open(self) -> Input: ...


class RecordChunk(msgspec.Struct, frozen=True):
    """Records of one capture file, of which a worker reads the octets itself where it can."""

    records: RecordBatch
    decisions: Decisions

    def frames(self) -> FrameBatch:
        return frames(self.records.attached(), self.decisions)

    def detached(self) -> "RecordChunk":
        return RecordChunk(self.records.detached(), self.decisions)


class OneCapture:
    """One capture file."""

    translate: Callable[[int], int] | None = None

    def __init__(self, readable: Readable) -> None:
        self.name = readable.shown
        self._capture = open_capture(readable.path, readable.shown)
        self._decisions: Decisions = dict[int, Decision]()
        self._per_interface: dict[int, int] = {}

    def __enter__(self) -> "OneCapture":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[RecordChunk]:
        """The chunks, with the decisions about their interfaces."""
        for records in self._capture:
            self._decisions = decide(records, self._capture.interfaces, self._decisions)
            count_interfaces(records, self._per_interface)
            yield RecordChunk(records, self._decisions)

    @property
    def octets_read(self) -> int:
        return self._capture.octets_read

    @property
    def octets_total(self) -> int | None:
        return self._capture.octets_total

    @property
    def large(self) -> bool:
        return (self.octets_total or 0) >= POOL_FROM and not self._capture.compressed

    @property
    def secrets(self) -> Sequence[Secret]:
        return self._capture.secrets

    def captures(self, total: Dissected) -> tuple[Capture, ...]:
        file = self._capture
        return (
            Capture(
                path=self.name,
                format=file.format,
                compressed=file.compressed,
                frames=total.frames,
                other_frames=total.other_frames,
                bad_fcs=total.bad_fcs,
                unchecked_fcs=total.unchecked_fcs,
                started=total.first_ns,
                ended=total.last_ns,
                interfaces=interfaces(file, self._decisions, self._per_interface),
                comments=file.notes.comment_count,
                faults=faults(file),
            ),
        )

    def listening(self, total: Dissected) -> Listening:
        return uninterrupted(total)


def uninterrupted(total: Dissected) -> Listening:
    """One capture that listened from its first frame to its last."""
    if total.first_ns is None or total.last_ns is None:
        return Listening(())
    return Listening((Span(total.first_ns, total.last_ns, None),))


def count_interfaces(records: RecordBatch, counts: dict[int, int]) -> None:
    """Adds the records of each interface."""
    for index, count in enumerate(np.bincount(records.interface)):
        if count:
            counts[index] = counts.get(index, 0) + int(count)


def interfaces(file: CaptureFile, decisions: Decisions, counts: Mapping[int, int]) -> tuple[CaptureInterface, ...]:
    return tuple(
        CaptureInterface(
            index=index,
            link_type=file.interfaces[index].link_type,
            link_type_name=link_type_name(file.interfaces[index].link_type),
            frames=counts[index],
            trailer=decision.trailer,
            evidence=decision.evidence,
        )
        for index, decision in sorted(decisions.items())
    )


def faults(file: CaptureFile) -> tuple[Fault, ...]:
    return tuple(Fault(where=fault.where, what=fault.what) for fault in file.faults)
