"""Files of images that were rebuilt in part: the map beside them tells which octets they lack.

`hanscope transfers --export DIR --partial` writes them, with zeros where octets are missing: read without its map, such
a file would look like a whole image with damage.
"""

from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from hanscope.analyzers.results import Image, MissingRange

NAMED: Final = frozenset({".partial", ".filled"})
"""Parts of the name of a file that has a map."""


class PartialFileError(Exception):
    """What a file lacks cannot be told; the message is one line that says why."""


class Holes(NamedTuple):
    """What a file lacks."""

    missing: tuple[tuple[int, int], ...] = ()
    """Ranges [start, end)."""
    open_ended: bool = False
    """Nobody knows the size of the image, so that it may lack its end too."""


class Examined(NamedTuple):
    """A file that was looked at, to be held against others."""

    image: Image
    octets: bytes
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges [start, end) that it lacks."""


class _Map(msgspec.Struct, frozen=True):
    """What is needed of a map."""

    schema: Literal["hanscope.partial/1", "hanscope.filled/1"]
    size: int
    missing_ranges: tuple[MissingRange, ...]
    image_size: int | msgspec.UnsetType | None = msgspec.UNSET


def holes_of(path: Path, size: int) -> Holes:
    """What the file of `size` octets lacks, by its map; ordinary files lack nothing. Raises `PartialFileError`."""
    if not NAMED & set(path.suffixes):
        return Holes()
    beside = path.with_suffix(".map.json")
    try:
        told = msgspec.json.decode(beside.read_bytes(), type=_Map)
    except OSError as error:
        raise PartialFileError(
            f"{beside}: cannot be read: {error.strerror}; what {path.name} lacks is not known"
        ) from None
    except msgspec.DecodeError as error:
        raise PartialFileError(f"{beside}: is no map of a partial image: {error}") from None
    if told.size != size:
        raise PartialFileError(f"{beside}: is the map of {told.size:,} octets, {path.name} has {size:,}")
    missing = tuple((one.start, one.end) for one in told.missing_ranges)
    if not all(0 <= start < end <= size for start, end in missing):
        raise PartialFileError(f"{beside}: says that octets are missing where {path.name} has none")
    return Holes(missing, told.image_size is None)
