"""EBL, the upgrade image of Silicon Labs' (Ember's) older bootloaders (UG103.6).

Big-endian tags: u16 tag, u16 length, data; but the CRC-32 in the end tag is little-endian. Plain images begin with the
header tag 0000, encrypted ones with FB05. Filled up with FF, mostly to a multiple of 64 octets.
"""

import zlib
from collections.abc import Iterator
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
from hanscope.dissectors.images.octets import BrokenError, View

HEAD: Final = 4
MOST_TAGS: Final = 50_000
SIGNATURE: Final = 0xE350
HEADER: Final = 0x0000
ENCRYPTION_HEADER: Final = 0xFB05
END: Final = 0xFC04
TAGS: Final = {
    HEADER: "header",
    0xFE01: "program",
    0x02FE: "manufacturing program",
    0xFD03: "erase and program",
    0xF608: "metadata",
    END: "end",
    ENCRYPTION_HEADER: "encryption header",
    0xFA06: "encryption parameters",
    0xF907: "encrypted data",
    0xF709: "MAC",
}


def read(view: View, _context: Context) -> Inner | None:
    # The tag and the signature E350 inside it: 32 bits in all, of which one may be wrong.
    if near(view.peek(0, 2) + view.peek(6, 8), bytes.fromhex("0000e350")):
        return Inner("EBL, plain", (_crc(view),))
    if near(view.peek(0, 2) + view.peek(8, 10), bytes.fromhex("fb05e350")):
        return Inner("EBL, encrypted", (_crc(view), unverifiable("opaque: encrypted (AES-CCM) with the vendor's key")))
    return None


def walk(view: View) -> Iterator[tuple[int, int, int]]:
    """Tag, offset of its data and their length, up to the end tag, which must be there."""
    at = 0
    for _ in range(MOST_TAGS):
        tag, length = view.u16(at, "big"), view.u16(at + 2, "big")
        if tag == END and length != 4:
            raise BrokenError(f"the end tag at octet {view.start + at:,} has {length:,} octets, not 4")
        if tag not in TAGS:
            raise BrokenError(f"0x{tag:04x} at octet {view.start + at:,} is no tag of EBL")
        yield tag, at + HEAD, length
        if tag == END:
            return
        at += HEAD + length
    raise BrokenError(f"no end tag among the first {MOST_TAGS:,} tags")


@checked("EBL CRC-32")
def _crc(view: View) -> Judgement:
    *_, (_, at, _) = walk(view)
    end = at + 4
    what = f"CRC-32 of octets {view.start:,} to {view.start + at - 1:,}{behind(view, end)}"
    return compared("EBL CRC-32", what, view.u32(at), zlib.crc32(view.take(0, at)), (view.span(0, end),))


FORMAT: Final = InnerFormat(
    name="EBL",
    vendors="Silicon Labs and Ember (EM35x, early EFR32): IKEA, LEDVANCE, Salus, Sengled and others",
    signature="plain: `00 00` at the start and `e3 50` at octet 6; encrypted: `fb 05` and `e3 50` at octet 8",
    checks=(
        "EBL CRC-32: the end tag's CRC over everything before it; filling behind it is not covered",
        "content: opaque when encrypted",
    ),
    limitations="The key of encryption is the vendor's; its MAC is not verified. The CRC of the application address "
    "table is not looked at, being covered by that of the file.",
    source="Silicon Labs UG103.6; all 116 files of a survey of 1,242 hold their CRC",
    read=read,
)
