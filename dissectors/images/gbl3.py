"""GBL version 3, the upgrade image of Silicon Labs' Gecko bootloader (UG266, UG489).

Little-endian tags: u32 tag, u32 length, data. The header tag comes first, the end tag with the CRC-32 last; what
follows it is padding.
"""

from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, near, unverifiable
from hanscope.dissectors.images.octets import View
from hanscope.dissectors.images.tags import TagFormat, Tags, check_crc, content_behind, contents, follow

MAGIC: Final = bytes.fromhex("eb17a603")

ENCRYPTED: Final = 0x00000001
SIGNED: Final = 0x00000100
APPLICATION: Final = 0xF40A0AF4
END: Final = 0xFC0404FC
ENCRYPTION_HEADER: Final = 0xFB0505FB
SIGNATURE: Final = 0xF70A0AF7
CONTENTS: Final = {
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
}
_FORM: Final = TagFormat(octets=4, order="little", end=END)
_PACKED: Final = {0xFD0505FD: "LZ4", 0xFD0707FD: "LZMA"}


def read(view: View, _context: Context) -> Inner | None:
    if not near(view.peek(0, 4), MAGIC):
        return None
    tags = follow(view, _FORM)
    counts = tags.counts
    names = {**CONTENTS, APPLICATION: f"{CONTENTS[APPLICATION]}{_version(view, tags)}"}
    flags = int.from_bytes(view.peek(12, 16), "little")
    encrypted = bool(flags & ENCRYPTED) or ENCRYPTION_HEADER in counts
    signed = bool(flags & SIGNED) or SIGNATURE in counts
    told = [
        *(["encrypted"] if encrypted else []),
        *(["signed"] if signed else []),
        *(packing for tag, packing in _PACKED.items() if tag in counts),
    ]
    checks = [check_crc(view, tags, "GBL CRC-32", contents(tags, names))]
    if signed:
        checks.append(unverifiable("ECDSA P-256 with the vendor's key, which is not in the file", "GBL signature"))
    if encrypted:
        checks.append(unverifiable("opaque: encrypted (AES-CCM) with the vendor's key"))
    return Inner(f"GBL 3, {' and '.join(told) or 'plain'}", tuple(checks), behind=content_behind(view, tags))


def _version(view: View, tags: Tags) -> str:
    place = next((at for tag, at, length in tags.found if tag == APPLICATION and length >= 8), None)
    octets = b"" if place is None else view.peek(place + 4, place + 8)
    return f" of version 0x{int.from_bytes(octets, 'little'):08x}" if octets else ""


FORMAT: Final = InnerFormat(
    name="GBL 3",
    vendors="Silicon Labs (EFR32): IKEA, Namron, NodOn, Salus and many others",
    signature="`eb 17 a6 03` at the start",
    checks=(
        "GBL CRC-32: the end tag's CRC over everything before it; what stands behind it is not covered, but named",
        "GBL signature: said to be there, never verified",
        "content: opaque when encrypted",
    ),
    limitations="The keys of encryption and signature are the vendors'. Packed programs are not unpacked.",
    source="Silicon Labs UG266 and UG489; all 451 files of a survey of 1,242 hold their CRC",
    read=read,
)
