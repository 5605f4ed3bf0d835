"""An image that witnesses are asked about: its octets, its hashes, and the words for how it compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Final

import msgspec

from hanscope.analyzers.attempts import Identity
from hanscope.analyzers.filling import Comparison, Held, SideBySide, identity
from hanscope.analyzers.results import Image
from hanscope.analyzers.transfers import TransferRecord
from hanscope.dissectors.images import gbcs

MOST_ELEMENTS_HASHED: Final = 8
MOST_FRAMES: Final = 20


class Subject(msgspec.Struct, eq=False, dict=True):
    """An image that is asked about."""

    image: Image
    held: Held | None
    """The octets that the capture, or the file, itself has."""
    octets: Callable[[], bytes]
    """All octets, those filled in too; what is missing is zero."""
    record: TransferRecord | None = None
    side: SideBySide = msgspec.field(default_factory=SideBySide)
    missing: Sequence[tuple[int, int]] = ()
    """Ranges that `octets` lacks."""
    said: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """SHA-256 values that messages say the image has, and who says so: they hold whatever was not captured."""

    @property
    def identity(self) -> Identity | None:
        if self.record is not None:
            return identity(self.record.transfer)
        header = self.image.header
        return None if header is None else Identity(header.manufacturer_code, header.image_type, header.file_version)

    @property
    def size_is_known(self) -> bool:
        """A filled image has the size that its lenders tell, if its own transfer does not."""
        return self.record is None or self.record.transfer.image_size is not None or bool(self.image.filled_ranges)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 values of the image and of the parts that a hash may be of, and what each is of."""
        if not self.size_is_known:
            return {}
        return hashes_of(self.image, self.octets(), self.missing)

    @cached_property
    def hashes_with_later_octets(self) -> dict[str, str]:
        """As `hashes`, of the image that a device has which kept the last value of every octet, not the first."""
        stored = None if self.record is None else self.record.image
        if stored is None or not stored.later or not self.hashes:
            return {}
        octets = bytearray(self.octets())
        for at, values in stored.later:
            end = min(at + len(values), len(octets))
            octets[at:end] = values[: max(end - at, 0)]
        return hashes_of(self.image, bytes(octets), self.missing)

    def rests_on(self) -> str:
        """In words, from whom octets were filled in; empty if none were."""
        names = list(dict.fromkeys(part.transfer_id for part in self.image.filled_ranges))
        return f"; rests on octets that only {and_(names)} brought" if names else ""

    def lacks(self) -> str:
        """Why there is no hash."""
        if not self.size_is_known:
            return "the size of the image is not known"
        if self.missing:
            start, end = self.missing[0]
            left = len(self.missing) - 1
            more = f" and {left:,} more range{'s' if left > 1 else ''}" if left else ""
            return f"octets {start:,} to {end - 1:,}{more} were not captured"
        if self.image.partial:
            return "the image is not whole"
        return "which octets are the Manufacturer Image is not known"


def and_(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def hashes_of(image: Image, octets: bytes, missing: Sequence[tuple[int, int]]) -> dict[str, str]:
    """SHA-256 of everything in an image that somebody might hash, and what each is of; the likeliest name wins."""
    found: dict[str, str] = {}
    for start, end, what in _parts(image, len(octets)):
        if not any(low < end and start < high for low, high in missing):
            found.setdefault(sha256(memoryview(octets)[start:end]).hexdigest(), what)
    return found


def _parts(image: Image, size: int) -> Iterator[tuple[int, int, str]]:
    """Ranges [start, end) of an image that somebody might hash."""
    header = image.header
    if header is not None and image.header_offset + header.total_image_size <= size:
        file, end = image.header_offset, image.header_offset + header.total_image_size
        start, behind = file + header.header_length, end - gbcs.TRAILER_LENGTH
        if image.layout == "gbcs-signed":
            yield start, behind, "the Manufacturer Image"
        elif image.layout == "gbcs-plain":
            yield start, end, "the Manufacturer Image"
        else:
            yield start, end, "what follows the OTA header"
            if behind > start:
                yield start, behind, "what follows the OTA header, without the last 66 octets"
        for element in image.elements[:MOST_ELEMENTS_HASHED]:
            begin, stop = element.offset, element.offset + element.length
            if stop <= size:
                yield begin, stop, f"the element {element.name}"
                if stop - gbcs.TRAILER_LENGTH > begin:
                    yield begin, stop - gbcs.TRAILER_LENGTH, f"the element {element.name}, without its last 66 octets"
        if (file, end) != (0, size):
            yield file, end, "the OTA file without what surrounds it"
    if size:
        yield 0, size, "the whole file"


# In words


def difference(found: Comparison) -> str:
    if not found.differing:
        return ""
    first = found.differences[0]
    frames = [str(frame) for frame in (first.frame, first.other_frame) if frame is not None]
    where = f" ({'frame' if len(frames) == 1 else 'frames'} {' and '.join(frames)})" if frames else ""
    return f"; {found.differing:,} of {found.common:,} octets differ, the first at offset {first.start:,}{where}"


def differing_frames(found: Comparison) -> tuple[int, ...]:
    frames = (frame for one in found.differences for frame in (one.frame, one.other_frame) if frame is not None)
    return tuple(dict.fromkeys(frames))[:MOST_FRAMES]
