"""EBL, the upgrade image of Silicon Labs' (Ember's) older bootloaders (UG103.6).

Big-endian tags: u16 tag, u16 length, data; but the CRC-32 in the end tag is little-endian. Plain images begin with the
header tag 0000, encrypted ones with FB05. Filled up with FF, mostly to a multiple of 64 octets.
"""

from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, near, unverifiable
from hanscope.dissectors.images.octets import View
from hanscope.dissectors.images.tags import TagFormat, check_crc, content_behind, contents, follow

END: Final = 0xFC04
CONTENTS: Final = {
    0xFE01: "program",
    0x02FE: "manufacturing program",
    0xFD03: "erase and program",
    0xF608: "metadata",
    0xF907: "encrypted data",
    0xF709: "MAC",
}
"""Tags; besides there are the headers (0000, FB05), parameters of the encryption (FA06) and the end."""
_FORM: Final = TagFormat(octets=2, order="big", end=END)


def read(view: View, _context: Context) -> Inner | None:
    # The tag and the signature E350 inside it: 32 bits in all, of which one may be wrong.
    plain = near(view.peek(0, 2) + view.peek(6, 8), bytes.fromhex("0000e350"))
    if not plain and not near(view.peek(0, 2) + view.peek(8, 10), bytes.fromhex("fb05e350")):
        return None
    tags = follow(view, _FORM)
    crc = check_crc(view, tags, "EBL CRC-32", contents(tags, CONTENTS))
    behind = content_behind(view, tags)
    if plain:
        return Inner("EBL, plain", (crc,), behind=behind)
    hidden = unverifiable("opaque: encrypted (AES-CCM) with the vendor's key")
    return Inner("EBL, encrypted", (crc, hidden), behind=behind)


FORMAT: Final = InnerFormat(
    name="EBL",
    vendors="Silicon Labs and Ember (EM35x, early EFR32): IKEA, LEDVANCE, Salus, Sengled and others",
    signature="plain: `00 00` at the start and `e3 50` at octet 6; encrypted: `fb 05` and `e3 50` at octet 8",
    checks=(
        "EBL CRC-32: the end tag's CRC over everything before it; what stands behind it is not covered, but named",
        "content: opaque when encrypted",
    ),
    limitations="The key of encryption is the vendor's; its MAC is not verified. The CRC of the application address "
    "table is not looked at, being covered by that of the file.",
    source="Silicon Labs UG103.6; all 116 files of a survey of 1,242 hold their CRC",
    read=read,
)
