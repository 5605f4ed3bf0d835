"""The octets of a capture file, from a path or standard input, plain or gzip: read once, from beginning to end."""

import os
import stat
import zlib
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from hanscope.captures.batch import CaptureError
from hanscope.dissectors.columns.rows import SLACK, Octets

RECORDS: Final = 65_536
"""Records of a chunk, about: what a chunk costs beside its frames then hardly counts."""
_PIECE: Final = 1 << 16
"""Octets of compressed input that are taken at once."""
_INFLATED: Final = 1 << 20
"""Octets that one step of decompression gives, at most."""
_GZIP: Final = b"\x1f\x8b"


class Source:
    """An opened capture file. Reading never raises: it ends, and `fault` says why if that was not the file's end."""

    def __init__(self, path: Path | str, name: str | None = None, records: int = RECORDS) -> None:
        """`name`: what messages call it, if not by its path; `records`: of a chunk, about. Raises `CaptureError` when
        there is nothing to read.
        """
        self.records = records
        standard_input = str(path) == "-"
        self.name = name or ("standard input" if standard_input else str(path))
        self.position = 0
        """Octets handed out, after decompression."""
        self._ahead = b""
        self._inflated: _Inflated | None = None
        try:
            file = 0 if standard_input else str(path)
            self._raw = _Raw(FileIO(file, "rb", closefd=not standard_input, opener=self.opened))
        except FileNotFoundError:
            raise CaptureError(f"{self.name}: there is no such file; check the name") from None
        except IsADirectoryError:
            raise CaptureError(f"{self.name}: this is a folder; name the capture file in it") from None
        except PermissionError:
            raise CaptureError(f"{self.name}: no permission to read it; run as its owner or change its mode") from None
        except (OSError, ValueError) as error:
            raise CaptureError(f"{self.name}: cannot be opened ({error}); check the name") from None
        status = os.fstat(self._raw.file.fileno())
        self.octets_total = status.st_size if stat.S_ISREG(status.st_mode) else None
        """Size of the file; `None` for a pipe."""
        self.compressed = self.peek(2) == _GZIP
        if self.compressed:
            self._inflated, self._ahead = _Inflated(self._raw, self._ahead), b""
        again = self.octets_total is not None and not self.compressed and not standard_input
        self.path = str(Path(path).absolute()) if again else None
        """Where a worker can read the same octets; `None` for a pipe or a compressed file."""

    @staticmethod
    def opened(path: str, flags: int) -> int:
        """Opens the file, as `os.open` does."""
        return os.open(path, flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.file.close()

    @property
    def octets_read(self) -> int:
        """Octets taken from the file so far, before decompression."""
        return self._raw.octets_read

    @property
    def fault(self) -> str | None:
        """Why the octets ended before the file did."""
        return self._raw.fault or (self._inflated.fault if self._inflated else None)

    def peek(self, count: int) -> bytes:
        """The next octets, which stay to be read; fewer at the end of the file."""
        more = bytearray(max(count - len(self._ahead), 0))
        self._ahead += more[: self._read(memoryview(more))]
        return self._ahead[:count]

    def fill(self, target: memoryview) -> int:
        """Read octets into `target`; returns how many, fewer than asked for only at the end."""
        got = min(len(self._ahead), len(target))
        target[:got] = self._ahead[:got]
        self._ahead = self._ahead[got:]
        got += self._read(target[got:])
        self.position += got
        return got

    def chunk(self, rest: Octets, size: int) -> tuple[Octets, int]:
        """A buffer of `rest` and what follows, up to `size` octets and the slack; and how many octets there are."""
        buffer = np.empty(size + SLACK, np.uint8)
        buffer[: len(rest)] = rest
        stop = len(rest) + self.fill(buffer[len(rest) : size].data)
        buffer[stop:] = 0
        return buffer[: stop + SLACK], stop

    def skip(self, count: int) -> int:
        """Pass over octets; returns how many there were."""
        waste = memoryview(bytearray(min(count, _INFLATED)))
        left = count
        while left and (got := self.fill(waste[: min(left, len(waste))])):
            left -= got
        return count - left

    def _read(self, target: memoryview) -> int:
        stream = self._inflated or self._raw
        got = 0
        while got < len(target) and (more := stream.readinto(target[got:])):
            got += more
        return got


class _Raw:
    """A file whose errors are its end."""

    def __init__(self, file: FileIO) -> None:
        self.file = file
        self.octets_read = 0
        self.fault: str | None = None

    def readinto(self, target: memoryview) -> int:
        try:
            got = self.file.readinto(target) or 0
        except OSError as error:
            self.fault = f"the file cannot be read on: {error.strerror}"
            return 0
        self.octets_read += got
        return got


class _Inflated:
    """The content of a gzip file of any number of members (RFC 1952), as far as it is sound."""

    def __init__(self, raw: _Raw, head: bytes) -> None:
        self.fault: str | None = None
        self._raw = raw
        self._input = head
        self._output = b""
        self._inflater = zlib.decompressobj(wbits=31)

    def readinto(self, target: memoryview) -> int:
        while not self._output and self.fault is None and self._more_input():
            self._inflate()
        got = min(len(self._output), len(target))
        target[:got] = self._output[:got]
        self._output = self._output[got:]
        return got

    def _more_input(self) -> bool:
        """Whether there is input for the inflater, a new one if a member has ended."""
        if not self._inflater.eof:
            self._input = self._input or self._piece()
            if not self._input:
                self.fault = "the gzip data are cut short"
            return bool(self._input)
        while not (rest := self._input.lstrip(b"\0")):  # zeros may fill up the file after a member
            self._input = self._piece()
            if not self._input:
                return False
        self._input = rest if len(rest) >= len(_GZIP) else rest + self._piece()
        if not self._input.startswith(_GZIP):
            self.fault = "octets that are not gzip follow the compressed capture"
            return False
        self._inflater = zlib.decompressobj(wbits=31)
        return True

    def _piece(self) -> bytes:
        piece = bytearray(_PIECE)
        return bytes(piece[: self._raw.readinto(memoryview(piece))])

    def _inflate(self) -> None:
        before = self._inflater.copy()
        try:
            self._output = self._inflater.decompress(self._input, _INFLATED)
        except zlib.error as error:
            self.fault = f"the gzip data are damaged ({error})"
            self._output = until_damage(before, self._input)
            return
        self._input = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail


def until_damage(inflater: "zlib._Decompress", octets: bytes, most: int = _INFLATED) -> bytes:  # pyright: ignore[reportPrivateUsage] -- its only name
    """What an inflater gives before it fails: it keeps back the output of the call that fails, so feed it singly.

    A little above `most` octets is enough.
    """
    found = bytearray()
    with suppress(zlib.error):
        for octet in octets:
            found += inflater.decompress(bytes([octet]))
            if len(found) > most:
                break
    return bytes(found)
