"""Images of Bouffalo Lab's chips (BL602, BL702): `BFNP`, then records with a CRC-32 each.

Header of 176 octets: `FCFG` at 8 (flash configuration, 84 octets, CRC-32), `PCFG` (clock configuration, 8 octets, later
chips 12 to 24, CRC-32), boot configuration, SHA-256; `ef be ad de` stands where no CRC of the whole header was written.
"""

import zlib
from typing import Final

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
from hanscope.dissectors.images.octets import View

MAGIC: Final = b"BFNP"
RECORDS: Final = {"flash": (12, (84,)), "clock": (104, (8, 12, 16, 20, 24))}
"""Where they lie behind their marks, and how many octets they may have."""


def read(view: View, _context: Context) -> Inner | None:
    if not near(view.peek(0, 4), MAGIC):
        return None
    checks = [_record(view, name) for name in RECORDS]
    return Inner("Bouffalo boot image", (*checks, unverifiable("no check of the content is known")))


@checked("Bouffalo header CRC-32")
def _record(view: View, name: str) -> Judgement:
    at, lengths = RECORDS[name]
    tried = [_crc(view, f"Bouffalo {name} configuration CRC-32", at, at + length) for length in lengths]
    return next((one for one in tried if one.outcome == "valid"), tried[0])


def _crc(view: View, check: str, at: int, end: int) -> Judgement:
    found = zlib.crc32(view.take(at, end))
    return compared(check, f"CRC-32 of {end - at} octets", view.u32(end), found, (view.span(at, end + 4),))


FORMAT: Final = InnerFormat(
    name="Bouffalo boot image",
    vendors="Bouffalo Lab (BL602, BL702): Third Reality and others, inside XZ",
    signature="`BFNP` at the start",
    checks=("Bouffalo flash and clock configuration CRC-32: of 84 and of 8 octets of the header",),
    limitations="The SHA-256 of the content that the header has room for is not looked at.",
    source="Bouffalo SDK; worked out on a real file",
    read=read,
)
