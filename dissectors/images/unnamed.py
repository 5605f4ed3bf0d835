"""What no format claims: told apart as far as statistics honestly can, by looking at a sample.

Encrypted or well compressed octets are spread evenly: 8 bits an octet. Code and tables have 5 to 7.2.
"""

import math
from typing import Final

import numpy as np

from hanscope.dissectors.images.filling import filled_with
from hanscope.dissectors.images.format import Context, Inner, InnerFormat, octets_told, unverifiable
from hanscope.dissectors.images.octets import View

SAMPLE: Final = 1 << 14
"""Octets of each of the three places that are looked at."""
ENOUGH: Final = 1 << 10
FILLER: Final = 8
"""Octets: so few that are equal are no filler yet."""
EVEN: Final = 0.12
"""Bits that evenly spread octets may have less than as many random ones."""


def read(view: View, context: Context) -> Inner:
    """Always recognises it: as opaque."""
    del context
    sample = sampled(view)
    size = octets_told(view.size)
    if not sample:
        return Inner("opaque: not captured", (unverifiable(view.lacks(0, view.size) or "there is no content"),))
    if len(sample) >= FILLER and (filler := filled_with(sample)) is not None and len(sample) == view.size:
        return Inner("filler", (unverifiable(f"{size}, all 0x{filler:02x}"),))
    if len(sample) < ENOUGH:
        return Inner("opaque", (unverifiable(f"opaque: {size}, too few to say more of"),))
    bits = entropy(sample)
    told = f"{bits:.2f} bits of entropy an octet"
    if _is_even(sample, bits):
        return Inner("opaque: encrypted or compressed", (unverifiable(f"opaque: {told}; nothing names the format"),))
    if not sample.translate(None, _TEXT):
        return Inner("text", (unverifiable("printable text; nothing names the format"),))
    detail = f"opaque: {told}, so neither encrypted nor compressed as a whole; nothing names the format"
    return Inner("opaque: plain code or data", (unverifiable(detail),))


_TEXT: Final = bytes((*b"\t\n\r", *range(0x20, 0x7F)))


def looks_random(view: View) -> bool:
    """Whether the octets look encrypted or compressed."""
    sample = sampled(view)
    return len(sample) >= ENOUGH and _is_even(sample, entropy(sample))


def sampled(view: View) -> bytes:
    """Octets from the beginning, the middle and the end, as far as they were captured."""
    if view.size <= 3 * SAMPLE:
        return view.peek(0, view.size) or _captured(view)
    middle = view.size // 2
    places = (0, middle, view.size - SAMPLE)
    return b"".join(view.peek(at, at + SAMPLE) for at in places) or _captured(view)


def _captured(view: View, most: int = 3 * SAMPLE) -> bytes:
    """The first octets that are there."""
    found = bytearray()
    at = 0
    for first, end in (*view.source.missing, (view.end, view.end)):
        stop = min(first - view.start, view.size)
        if stop > at:
            found += view.peek(at, min(stop, at + most - len(found)))
        at = max(at, end - view.start)
        if len(found) >= most or at >= view.size:
            break
    return bytes(found)


def entropy(octets: bytes) -> float:
    """Bits an octet."""
    counts = np.bincount(np.frombuffer(octets, np.uint8))
    shares = counts[counts > 0] / len(octets)
    return -float((shares * np.log2(shares)).sum())


def _is_even(sample: bytes, bits: float) -> bool:
    # Few random octets do not reach 8 bits: about (256 - 1) / (2 n ln 2) are missing.
    expected = 8 - 255 / (2 * len(sample) * math.log(2))
    return bits >= expected - EVEN


FORMAT: Final = InnerFormat(
    name="opaque",
    vendors="any",
    signature="nothing else fits",
    checks=("content: unknown, with the entropy that a sample has",),
    limitations="Encrypted and compressed octets cannot be told apart without a signature.",
    source="statistics",
    read=read,
)
