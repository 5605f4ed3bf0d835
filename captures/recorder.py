"""Writes a live capture as pcapng: what was handed over is in the file at once, so that nothing but the moment is lost
when the program dies; a new file begins when one has become large or old.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from hanscope.captures.batch import RecordBatch, Secret
from hanscope.captures.linklayer import TAP
from hanscope.captures.writer import PcapngWriter

SECOND: Final = 1_000_000_000


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
        while done < len(view):
            done += os.write(self.descriptor, view[done:])
        self.octets += done
        return done

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        os.close(self.descriptor)


class Recorder:
    """The files of one live capture. Each holds an interface description, so that each can be read by itself."""

    def __init__(
        self,
        path: Path,
        *,
        rotation: Rotation = Rotation(),
        force: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises `RecordingError` when the file is there already (unless `force`) or cannot be written."""
        self._base = path
        self._rotation = rotation
        self._force = force
        self._monotonic = monotonic
        self._described: list[tuple[str, str]] = []
        self._file: _Whole | None = None
        self._writer: PcapngWriter | None = None
        self._began = 0.0
        self._frames = 0
        self._last_ns = 0
        self.lost = 0
        """Frames that the sniffer says it lost, for the statistics at the end of a file."""
        self.paths: list[Path] = []
        self._open()

    def interface(self, name: str, description: str) -> None:
        """Describe where the next frames come from; before the first frame of it."""
        self._described.append((name, description))
        self._opened().interface(TAP, name, description)

    @property
    def described(self) -> int:
        """Interfaces that have been described."""
        return len(self._described)

    def secret(self, secret: Secret) -> None:
        """Put a key into the file, before the frames that it opens."""
        self._opened().secret(secret)

    def write(self, records: RecordBatch) -> None:
        """Take in records; they are in the file when this returns. Raises `RecordingError`."""
        try:
            if self._frames and self._over():
                self._rotate()
            interface = int(records.interface[0]) if len(records) else 0
            self._opened().write(
                records.time_ns, records.buffer, records.at, records.captured, records.original, interface=interface
            )
        except OSError as error:
            raise self._failed(error) from error
        self._frames += len(records)
        if len(records):
            self._last_ns = int(records.time_ns[-1])

    def close(self) -> None:
        """Finish the file. Raises `RecordingError`."""
        file, writer, self._file, self._writer = self._file, self._writer, None, None
        if file is None or writer is None:
            return
        try:
            for index in range(len(self._described) if self._frames else 0):
                received = self._frames if len(self._described) == 1 else 0
                writer.statistics(index, self._last_ns, received, self.lost)
        except BrokenPipeError:
            pass  # who read has had enough
        except OSError as error:
            raise self._failed(error) from error
        finally:
            file.close()

    def _opened(self) -> PcapngWriter:
        if self._writer is None:
            raise RecordingError(f"{self._base}: the capture is closed; begin a new one")
        return self._writer

    def _over(self) -> bool:
        old = self._rotation.seconds and self._monotonic() - self._began >= self._rotation.seconds
        large = self._rotation.octets and self._file is not None and self._file.octets >= self._rotation.octets
        return bool(old or large)

    def _rotate(self) -> None:
        self.close()
        self._open()
        for name, description in self._described:
            self._opened().interface(TAP, name, description)

    def _open(self) -> None:
        path = self._base
        if self._rotation:
            path = path.with_name(f"{path.stem}_{len(self.paths) + 1:05d}{path.suffix or '.pcapng'}")
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        # A pipe or a device (as Wireshark hands over) is written to, not replaced.
        flags |= os.O_TRUNC if self._force or (path.exists() and not path.is_file()) else os.O_EXCL
        try:
            self._file = _Whole(os.open(path, flags, 0o666))
            self._writer = PcapngWriter(cast("BinaryIO", self._file))
        except FileExistsError:
            raise RecordingError(f"{path}: it is there already; name another file or add --force") from None
        except OSError as error:
            raise self._failed(error) from error
        self.paths.append(path)
        self._frames, self._began = 0, self._monotonic()

    def _failed(self, error: OSError) -> RecordingError:
        return RecordingError(f"{self._base}: cannot be written ({error.strerror}); name a file on another disk")
