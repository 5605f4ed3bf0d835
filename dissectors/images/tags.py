"""Images that are a row of tags, lengths and data, and end with a tag whose 4 octets are the CRC-32 of all before."""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from hanscope.dissectors.images.filling import behind, something_behind
from hanscope.dissectors.images.format import Judgement, checked, compared
from hanscope.dissectors.images.octets import BrokenError, NotCapturedError, Order, View

CRC_LENGTH: Final = 4
MOST_TAGS: Final = 5_000
"""Real images have up to a hundred."""


class TagFormat(msgspec.Struct, frozen=True):
    """How tags and lengths are written."""

    octets: int
    """Of a tag, and of a length."""
    order: Order
    end: int
    """The tag that ends the image."""


class Tags(msgspec.Struct, frozen=True):
    """The tags as far as they can be followed."""

    found: tuple[tuple[int, int, int], ...]
    """Tag, offset of its data and their length."""
    stopped: BrokenError | NotCapturedError | None
    """Why there is no end tag."""

    @property
    def counts(self) -> Counter[int]:
        return Counter(tag for tag, _, _ in self.found)

    @property
    def end(self) -> int | None:
        """Where the image ends."""
        return None if self.stopped else self.found[-1][1] + CRC_LENGTH


def follow(view: View, form: TagFormat) -> Tags:
    """All tags from the start of the view to the end tag; those that nobody knows are passed over."""
    found: list[tuple[int, int, int]] = []
    try:
        found.extend(_followed(view, form))
    except (BrokenError, NotCapturedError) as stopped:
        return Tags(tuple(found), stopped)
    return Tags(tuple(found), None)


def _followed(view: View, form: TagFormat) -> Iterator[tuple[int, int, int]]:
    at, half = 0, form.octets
    for _ in range(MOST_TAGS):
        head = view.take(at, at + 2 * half)
        tag, length = int.from_bytes(head[:half], form.order), int.from_bytes(head[half:], form.order)
        if tag == form.end and length != CRC_LENGTH:
            raise BrokenError(f"the end tag at octet {view.start + at:,} has {length:,} octets, not {CRC_LENGTH}")
        yield tag, at + 2 * half, length
        if tag == form.end:
            return
        at += 2 * half + length
    raise BrokenError(f"no end tag among the first {MOST_TAGS:,} tags")


def check_crc(view: View, tags: Tags, name: str, contents: str = "") -> Judgement:
    """The CRC-32 of the end tag, little-endian."""

    @checked(name)
    def check(view: View) -> Judgement:
        if tags.stopped is not None:
            raise tags.stopped
        at = tags.found[-1][1]
        end = at + CRC_LENGTH
        told = f" ({contents})" if contents else ""
        what = f"CRC-32 of octets {view.start:,} to {view.start + at - 1:,}{told}{behind(view, end)}"
        return compared(name, what, view.u32(at), zlib.crc32(view.take(0, at)), (view.span(0, end),))

    return check(view)


def contents(tags: Tags, names: Mapping[int, str]) -> str:
    """What the image holds, by the names of its tags; "erase and program x 12"."""
    counted = {names[tag]: count for tag, count in tags.counts.items() if tag in names}
    told = [f"{name} x {count:,}" if count > 1 else name for name, count in counted.items()]
    return ", ".join(told) or "no content"


def content_behind(view: View, tags: Tags) -> View | None:
    """What follows the image, if it is more than filling."""
    return None if tags.end is None else something_behind(view, tags.end)
