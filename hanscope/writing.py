"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, octets: bytes) -> None:
    """Writes a file so that it is there whole or not at all. Raises `OSError`."""
    with written_atomically(path) as file:
        file.write(octets)


@contextmanager
def written_atomically(path: Path, *, private: bool = False) -> Generator[BinaryIO]:
    """A file that gets its name when all of it is written, and vanishes when that fails. Raises `OSError`.

    A device or a pipe is written to: it is never replaced by a file. `private`: its owner alone can read it.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        if not private:
            Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
