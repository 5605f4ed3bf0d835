"""What stands behind the end of a format, or instead of content: filling octets, or something else."""

from typing import Final

from hanscope.dissectors.images.format import octets_told
from hanscope.dissectors.images.octets import View

ERASED: Final = b"\xff"
"""What flash memory holds that nobody wrote: images are filled up with it before the next one begins."""
SHORTEST: Final = 64
"""Octets: fewer hold no image."""


def behind(view: View, end: int) -> str:
    """What follows octet `end` of the view, in words that continue a sentence; nothing if nothing follows."""
    length = view.size - end
    if length <= 0:
        return ""
    rest = view.peek(end, view.size)
    if not rest:
        return f"; behind it: {octets_told(length)}, not all captured"
    filler = filled_with(rest)
    if filler is not None:
        return f"; behind it, not covered: {octets_told(length)} of 0x{filler:02x}"
    return f"; behind it, not covered: {octets_told(length)} of other data"


def something_behind(view: View, end: int) -> View | None:
    """What follows octet `end` of the view, and the filling there, if it is more than filling."""
    if view.size - end < SHORTEST:
        return None
    rest = view.peek(end, view.size)
    if filled_with(rest) is not None:
        return None
    return view.sub(end + len(rest) - len(rest.lstrip(ERASED)))


def padded_with(octets: bytes) -> int | None:
    """As `filled_with`, if it is what files are padded with."""
    filler = filled_with(octets)
    return filler if filler in {0x00, 0xFF} else None


def filled_with(octets: bytes) -> int | None:
    """The octet of which all of them are copies."""
    return octets[0] if octets and octets.count(octets[0]) == len(octets) else None
