"""TI's OAD images (CC13x2, CC26x2 and later): the image header of SimpleLink's over-the-air download.

Identification 8 (the chip family), CRC-32 u32 at 8 over everything from octet 12 on, length u32 at 24.
"""

import re
import zlib
from typing import Final

from hanscope.dissectors.images.filling import behind
from hanscope.dissectors.images.format import (
    Context,
    Inner,
    InnerFormat,
    Judgement,
    checked,
    compared,
    near,
    unverifiable,
)
from hanscope.dissectors.images.octets import BrokenError, NotCapturedError, View
from hanscope.dissectors.images.unnamed import looks_random

CRC_AT: Final = 8
COVERED_FROM: Final = 12
LENGTH_AT: Final = 24
HEADER: Final = 44
_CHIP: Final = re.compile(rb"CC[12][0-9x]x?[0-9x]R[0-9]|OAD (?:IMG|NVM).")
_USUAL: Final = (b"CC26x2R1", b"CC13x2R1", b"CC26x4R1", b"CC13x4R1", b"CC23x0R5", b"CC26x3R1", b"CC13x1R3")


def read(view: View, _context: Context) -> Inner | None:
    chip = view.peek(0, 8)
    if not (_CHIP.fullmatch(chip) or any(near(chip, usual) for usual in _USUAL)):
        return None
    name = f"TI OAD, {''.join(chr(octet) if 0x20 <= octet < 0x7F else '?' for octet in chip)}"
    check = _crc(view)
    if check.outcome == "invalid" and _holds_packed_content(view):
        detail = (
            f"its length {view.u32(LENGTH_AT):,} is that of something else than the {view.size:,} octets here, "
            "which are encrypted or compressed: there is nothing to compute the CRC-32 of"
        )
        return Inner(f"{name}, packed", (Judgement(check.name, "unknown", detail), unverifiable("opaque")))
    return Inner(name, (check,))


def _holds_packed_content(view: View) -> bool:
    length = view.peek(LENGTH_AT, LENGTH_AT + 4)
    return int.from_bytes(length, "little") > view.size and looks_random(view.sub(HEADER))


@checked("OAD CRC-32")
def _crc(view: View) -> Judgement:
    length = view.u32(LENGTH_AT)
    if length > view.size and (reason := view.lacks(HEADER, view.size)) is not None:
        raise NotCapturedError(
            reason
        )  # of packed content the length says more, and whether it is packed its octets say
    if not HEADER <= length <= view.size:
        raise BrokenError(f"it says that it has {length:,} octets, there are {view.size:,}")
    what = f"CRC-32 of octets {COVERED_FROM} to {length - 1:,} of the image{behind(view, length)}"
    covers = (view.span(CRC_AT, length),)
    return compared("OAD CRC-32", what, view.u32(CRC_AT), zlib.crc32(view.take(COVERED_FROM, length)), covers)


FORMAT: Final = InnerFormat(
    name="TI OAD",
    vendors="Texas Instruments (CC13x2, CC26x2): JetHome, Sonoff and others",
    signature="the chip family as text at the start, `CC26x2R1` for example",
    checks=("OAD CRC-32: over octets 12 to the length at octet 24",),
    limitations="Some vendors pack the content and leave the header as it was: then the CRC cannot be computed. "
    "Segments and signatures are not looked at.",
    source="TI SimpleLink SDK, OAD image header; two files of a survey of 1,242 hold their CRC, two are packed",
    read=read,
)
