"""Images of Telink's chips (TLSR82xx, B91), plain and encrypted.

Plain: `5d 02` at 6, `KNLT` at 8 (RISC-V chips, B91 and later, at 0x20), size u32 at 0x18; the last 4 of these octets
are the CRC-32 of all before, without the final inversion. Encrypted: the OTA element F000 has two octets between length
and data, which the length does not count (the second says how many octets pad the last block); AES-128-ECB.
"""

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
from hanscope.dissectors.images.octets import BrokenError, View

MAGIC: Final = b"KNLT"
MAGIC_AT: Final = (0x08, 0x20)
SIZE_AT: Final = 0x18
SMALLEST: Final = 0x24


def read(view: View, context: Context) -> Inner | None:
    if context.telink_encrypted:
        hidden = unverifiable("opaque: encrypted (AES-128-ECB) with the vendor's key; its CRC is inside")
        return Inner("Telink, encrypted", (hidden,))
    if any(near(view.peek(at, at + 4), MAGIC) for at in MAGIC_AT):
        return Inner("Telink, plain", (_crc(view),))
    return None


@checked("Telink CRC-32")
def _crc(view: View) -> Judgement:
    size = view.u32(SIZE_AT)
    if not SMALLEST <= size <= view.size:
        raise BrokenError(f"it says that it has {size:,} octets, there are {view.size:,}")
    end = size - 4
    what = f"CRC-32 (without final inversion) of {end:,} octets{behind(view, size)}"
    found = zlib.crc32(view.take(0, end)) ^ 0xFFFFFFFF
    return compared("Telink CRC-32", what, view.u32(end), found, (view.span(0, size),))


FORMAT: Final = InnerFormat(
    name="Telink",
    vendors="Telink: Sonoff, Tuya, pvvx and others",
    signature="plain: `KNLT` at octet 8 or 0x20; encrypted: a single element F000 with two octets that its length "
    "leaves out",
    checks=(
        "Telink CRC-32: over as many octets as octet 0x18 says, less 4",
        "content: opaque when encrypted",
    ),
    limitations="The AES keys are the vendors'; the key of Telink's examples opened none of 47 files.",
    source="Telink's Zigbee SDK; 170 of 171 plain files of a survey of 1,242 hold their CRC",
    read=read,
)
