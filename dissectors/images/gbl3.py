"""GBL version 3, the upgrade image of Silicon Labs' Gecko bootloader (UG266, UG489).

Little-endian tags: u32 tag, u32 length, data. The header tag comes first, the end tag with the CRC-32 last; what
follows it is padding.
"""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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
CRC_LENGTH: Final = 4
MOST_TAGS: Final = 50_000

ENCRYPTED: Final = 0x00000001
SIGNED: Final = 0x00000100
HEADER: Final = 0x03A617EB
APPLICATION: Final = 0xF40A0AF4
END: Final = 0xFC0404FC
ENCRYPTION_HEADER: Final = 0xFB0505FB
SIGNATURE: Final = 0xF70A0AF7
TAGS: Final = {
    HEADER: "header",
    0xF50909F5: "bootloader",
    APPLICATION: "application",
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
_FRAME: Final = {HEADER, END}
_PACKED: Final = {0xFD0505FD: "LZ4", 0xFD0707FD: "LZMA"}


@dataclass(frozen=True, slots=True)
class _Tags:
    """The tags as far as they can be followed."""

    found: tuple[tuple[int, int, int], ...]
    """Tag, offset of its data and their length."""
    stopped: BrokenError | NotCapturedError | None
    """Why there is no end tag."""

    @property
    def kinds(self) -> dict[int, int]:
        """How often each tag is there that is known."""
        return Counter(tag for tag, _, _ in self.found if tag in TAGS)


def read(view: View, _context: Context) -> Inner | None:
    if not near(view.peek(0, 4), MAGIC):
        return None
    tags = _walk(view)
    kinds = tags.kinds
    flags = int.from_bytes(view.peek(12, 16), "little")
    encrypted = bool(flags & ENCRYPTED) or ENCRYPTION_HEADER in kinds
    signed = bool(flags & SIGNED) or SIGNATURE in kinds
    told = [
        *(["encrypted"] if encrypted else []),
        *(["signed"] if signed else []),
        *(packing for tag, packing in _PACKED.items() if tag in kinds),
    ]
    checks = [_crc(view, tags)]
    if signed:
        checks.append(unverifiable("ECDSA P-256 with the vendor's key, which is not in the file", "GBL signature"))
    if encrypted:
        checks.append(unverifiable("opaque: encrypted (AES-CCM) with the vendor's key"))
    return Inner(f"GBL 3, {' and '.join(told) or 'plain'}", tuple(checks))


def _walk(view: View) -> _Tags:
    found: list[tuple[int, int, int]] = []
    try:
        found.extend(_followed(view))
    except (BrokenError, NotCapturedError) as stopped:
        return _Tags(tuple(found), stopped)
    return _Tags(tuple(found), None)


def _followed(view: View) -> Iterator[tuple[int, int, int]]:
    """Up to the end tag, which must be there."""
    at = 0
    for _ in range(MOST_TAGS):
        tag, length = view.u32(at), view.u32(at + 4)
        if tag == END and length != CRC_LENGTH:
            raise BrokenError(f"the end tag at octet {view.start + at:,} has {length:,} octets, not {CRC_LENGTH}")
        yield tag, at + HEAD, length
        if tag == END:
            return
        at += HEAD + length
    raise BrokenError(f"no end tag among the first {MOST_TAGS:,} tags")


@checked("GBL CRC-32")
def _crc(view: View, tags: _Tags) -> Judgement:
    if tags.stopped is not None:
        raise tags.stopped
    _, at, _ = tags.found[-1]
    end = at + CRC_LENGTH
    what = f"CRC-32 of octets {view.start:,} to {view.start + at - 1:,} ({_contents(view, tags)}){behind(view, end)}"
    return compared("GBL CRC-32", what, view.u32(at), zlib.crc32(view.take(0, at)), (view.span(0, end),))


def _contents(view: View, tags: _Tags) -> str:
    """What the tags are, with the version of the application."""
    told: list[str] = []
    for tag, count in tags.kinds.items():
        if tag in _FRAME:
            continue
        version = next((view.u32(at + 4) for one, at, length in tags.found if one == tag and length >= 8), None)
        of_version = f" of version 0x{version:08x}" if tag == APPLICATION and version is not None else ""
        told.append(f"{TAGS[tag]}{of_version}" + (f" x {count:,}" if count > 1 else ""))
    return ", ".join(told) or "no content"


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
