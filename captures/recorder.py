"""Writes a live capture as pcapng: what was handed over is in the file at once, so that nothing but the moment is lost
when the program dies; a new file begins when one has become large or old.
"""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np

from hanscope.captures.batch import RecordBatch, Secret
from hanscope.captures.linklayer import TAP
from hanscope.captures.writer import PcapngWriter

_WINDOWS_PIPES: Final = "\\\\.\\pipe\\"
"""What is there must be opened once and not be looked at before."""


class RecordingError(Exception):
    """A capture cannot be written, or not any further; the message is one line: what, where, how to mend it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new file begins; 0: never for this reason."""

    octets: int = 0
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.octets or self.seconds)


class _Whole:
    """A file to which every write is given to the system whole and at once."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.octets = 0

    def write(self, octets: bytes | memoryview) -> int:
        view = memoryview(octets).cast("B")
        done = 0
        try:
            while done < len(view):
                done += os.write(self.descriptor, view[done:])
        except OSError:
            self._take_back(done)
            raise
        self.octets += done
        return done

    def _take_back(self, octets: int) -> None:
        """What was half written when the disk was full: the file ends with the last whole write."""
        if octets and stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.octets)
                os.lseek(self.descriptor, self.octets, os.SEEK_SET)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        os.close(self.descriptor)


def _is_special(path: Path) -> bool:
    """Whether this is a pipe or a device."""
    return path.exists() and not path.is_file() and not path.is_dir()


class Recorder:
    """The files of one live capture. Each holds an interface description, so that each can be read by itself.

    The first is opened when its interface is described, and not before: a sniffer that cannot begin costs no file.
    """

    def __init__(
        self,
        path: Path,
        *,
        rotation: Rotation = Rotation(),
        force: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises `RecordingError` when a file is there already (unless `force`) or its folder cannot be written."""
        self._base = path
        self._rotation = rotation
        self._force = force
        self._monotonic = monotonic
        self._described: list[tuple[str, str]] = []
        self._file: _Whole | None = None
        self._writer: PcapngWriter | None = None
        self._began = 0.0
        self._received = np.zeros(0, np.int64)
        """Frames of each interface in the present file."""
        self._last_ns = 0
        self._closed = False
        self.lost = 0
        """Frames that the sniffer says it lost, for the statistics at the end of a file."""
        self.paths: list[Path] = []
        if not str(path).startswith(_WINDOWS_PIPES):
            self._check()

    def interface(self, name: str, description: str) -> None:
        """Describe where the next frames come from; before the first frame of it. Raises `RecordingError`."""
        with self._explaining():
            self._opened().interface(TAP, name, description)
        self._described.append((name, description))
        self._received = np.append(self._received, 0)

    @property
    def described(self) -> int:
        """Interfaces that have been described."""
        return len(self._described)

    def secret(self, secret: Secret) -> None:
        """Put a key into the file, before the frames that it opens. Raises `RecordingError`."""
        with self._explaining():
            self._opened().secret(secret)

    def write(self, records: RecordBatch) -> None:
        """Take in records; they are in the file when this returns. Raises `RecordingError`."""
        with self._explaining():
            if self._received.any() and self._over():
                self._rotate()
            one = records
            self._opened().write(one.time_ns, one.buffer, one.at, one.captured, one.original, interface=one.interface)
        if len(records):
            self._received += np.bincount(records.interface, minlength=len(self._described))
            self._last_ns = int(records.time_ns[-1])

    def close(self) -> None:
        """Finish the file. Raises `RecordingError`."""
        self._closed = True
        self._finish()

    def _finish(self) -> None:
        file, writer, self._file, self._writer = self._file, self._writer, None, None
        if file is None:
            return
        try:
            if writer is not None and self._received.any():
                for index, received in enumerate(self._received.tolist()):
                    writer.statistics(index, self._last_ns, received, self.lost if index == 0 else 0)
        except BrokenPipeError:
            pass  # who read has had enough
        except OSError as error:
            raise self._failed(error) from error
        finally:
            file.close()

    def _opened(self) -> PcapngWriter:
        if self._closed:
            raise RecordingError(f"{self._base}: the capture is closed; begin a new one")
        return self._writer or self._open()

    def _over(self) -> bool:
        old = self._rotation.seconds and self._monotonic() - self._began >= self._rotation.seconds
        large = self._rotation.octets and self._file is not None and self._file.octets >= self._rotation.octets
        return bool(old or large)

    def _rotate(self) -> None:
        self._finish()
        writer = self._open()
        for name, description in self._described:
            writer.interface(TAP, name, description)

    def _check(self) -> None:
        """Says before the capture what would be a pity to find out during it."""
        folder, there = self._base.parent, [self._base]
        written = self._base if _is_special(self._base) and not self._rotation else folder
        if not folder.is_dir() or not os.access(written, os.W_OK):
            raise RecordingError(f"{self._base}: its folder cannot be written or does not exist; name another")
        if self._rotation:
            numbered = f"{glob.escape(self._base.stem)}_{'[0-9]' * 5}{glob.escape(self._suffix)}"
            there = sorted(folder.glob(numbered))
        for path in there:
            if path.is_dir():
                raise RecordingError(f"{path}: this is a folder; name a file in it")
            if path.is_file() and not self._force:
                raise _there(path)

    @property
    def _suffix(self) -> str:
        return self._base.suffix or ".pcapng"

    def _open(self) -> PcapngWriter:
        path = self._base
        if self._rotation:
            path = path.with_name(f"{path.stem}_{len(self.paths) + 1:05d}{self._suffix}")
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        # What Wireshark hands over is written to, not replaced.
        flags |= os.O_TRUNC if self._force or _is_special(path) else os.O_EXCL
        try:
            file = _Whole(os.open(path, flags, 0o666))
        except FileExistsError:
            raise _there(path) from None
        self.paths.append(path)
        self._file = file
        self._writer = writer = PcapngWriter(cast("BinaryIO", file))
        self._received[:], self._began = 0, self._monotonic()
        return writer

    @contextmanager
    def _explaining(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> RecordingError:
        return RecordingError(f"{self._base}: cannot be written ({error.strerror}); name a file on another disk")


def _there(path: Path) -> RecordingError:
    return RecordingError(f"{path}: it is there already; name another file or add --force")
