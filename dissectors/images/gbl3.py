"""GBL version 3, the upgrade image of Silicon Labs' Gecko bootloader (UG266, UG489).

Little-endian tags: u32 tag, u32 length, data. The header tag comes first, the end tag with the CRC-32 last; what
follows it is padding.
"""

import zlib
from collections.abc import Iterator
from contextlib import suppress
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

MAGIC: Final = bytes.fromhex("eb17a603")
HEAD: Final = 8
MOST_TAGS: Final = 100_000

ENCRYPTED: Final = 0x00000001
SIGNED: Final = 0x00000100
END: Final = 0xFC0404FC
ENCRYPTION_HEADER: Final = 0xFB0505FB
SIGNATURE: Final = 0xF70A0AF7
TAGS: Final = {
    0x03A617EB: "header",
    0xF50909F5: "bootloader",
    0xF40A0AF4: "application",
    0xF60808F6: "metadata",
    0xFE0101FE: "program",
    0xFD0303FD: "erase and program",
    0xFD0505FD: "program, LZ4",
    0xFD0707FD: "program, LZMA",
    0x5EA617EB: "secure element upgrade",
    0x76A617EB: "version dependency",
    ENCRYPTION_HEADER: "encryption header",
    0xFA0606FA: "encryption parameters",
    0xF90707F9: "encrypted data",
    SIGNATURE: "ECDSA signature",
    0xF30B0BF3: "certificate",
    END: "end",
}
_PACKED: Final = {0xFD0505FD: "LZ4", 0xFD0707FD: "LZMA"}


def read(view: View, _context: Context) -> Inner | None:
    if not near(view.peek(0, 4), MAGIC):
        return None
    tags = _known_tags(view)
    flags = int.from_bytes(view.peek(12, 16), "little")
    encrypted = bool(flags & ENCRYPTED) or ENCRYPTION_HEADER in tags
    signed = bool(flags & SIGNED) or SIGNATURE in tags
    kinds = [
        *(["encrypted"] if encrypted else []),
        *(["signed"] if signed else []),
        *(packing for tag, packing in _PACKED.items() if tag in tags),
    ]
    checks = [_crc(view)]
    if signed:
        checks.append(unverifiable("ECDSA P-256 with the vendor's key, which is not in the file", "GBL signature"))
    if encrypted:
        checks.append(unverifiable("opaque: encrypted (AES-CCM) with the vendor's key"))
    return Inner(", ".join(["GBL 3", " and ".join(kinds)]) if kinds else "GBL 3, plain", tuple(checks))


def walk(view: View) -> Iterator[tuple[int, int, int]]:
    """Tag, offset of its data and their length, up to the end tag, which must be there."""
    at = 0
    for _ in range(MOST_TAGS):
        tag, length = view.u32(at), view.u32(at + 4)
        if tag == END and length != 4:
            raise BrokenError(f"the end tag at octet {view.start + at:,} has {length:,} octets, not 4")
        yield tag, at + HEAD, length
        if tag == END:
            return
        at += HEAD + length
    raise BrokenError(f"no end tag among the first {MOST_TAGS:,} tags")


def _known_tags(view: View) -> frozenset[int]:
    """The kinds of tags as far as they can be followed."""
    tags: set[int] = set()
    with suppress(BrokenError, NotCapturedError):
        tags.update(tag for tag, _, _ in walk(view) if tag in TAGS)
    return frozenset(tags)


@checked("GBL CRC-32")
def _crc(view: View) -> Judgement:
    *_, (_, at, _) = walk(view)
    end = at + 4
    what = f"CRC-32 of octets {view.start:,} to {view.start + at - 1:,}{behind(view, end)}"
    return compared("GBL CRC-32", what, view.u32(at), zlib.crc32(view.take(0, at)), (view.span(0, end),))


FORMAT: Final = InnerFormat(
    name="GBL 3",
    vendors="Silicon Labs (EFR32): IKEA, Namron, NodOn, Salus and many others",
    signature="`eb 17 a6 03` at the start",
    checks=(
        "GBL CRC-32: the end tag's CRC over everything before it; padding behind it is not covered",
        "GBL signature: said to be there, never verified",
        "content: opaque when encrypted",
    ),
    limitations="The keys of encryption and signature are the vendors'. Packed programs are not unpacked.",
    source="Silicon Labs UG266 and UG489; all 451 files of a survey of 1,242 hold their CRC",
    read=read,
)
