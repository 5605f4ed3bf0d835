"""Pictures, as the element Picture data (tag 0004, ZCL 11.4.3) is meant to hold: PNG with its check, others by name.

PNG (ISO/IEC 15948): `89 50 4e 47 0d 0a 1a 0a`, then chunks: length u32 big-endian, type 4, data, CRC-32 of type and
data; IEND is the last.
"""

import zlib
from typing import Final

from hanscope.dissectors.images.filling import behind
from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, near, unverifiable
from hanscope.dissectors.images.octets import BrokenError, View
from hanscope.dissectors.images.ota_file import Tag

PNG_MAGIC: Final = bytes.fromhex("89504e470d0a1a0a")
LAST: Final = b"IEND"
HEAD: Final = 8
CRC_LENGTH: Final = 4
MOST_CHUNKS: Final = 10_000
_NAMED_ONLY: Final = {bytes.fromhex("ffd8ff"): "JPEG picture", b"GIF8": "GIF picture", b"BM": "BMP picture"}
_CHECK: Final = "PNG CRC-32"


def read(view: View, context: Context) -> Inner | None:
    if near(view.peek(0, len(PNG_MAGIC)), PNG_MAGIC):
        return Inner("PNG picture", (_chunks(view),))
    if context.tag != Tag.PICTURE_DATA:
        return None
    for magic, name in _NAMED_ONLY.items():
        if view.peek(0, len(magic)) == magic:
            return Inner(name, (unverifiable("it carries no check"),))
    return None


@checked(_CHECK)
def _chunks(view: View) -> Judgement:
    at = len(PNG_MAGIC)
    for number in range(1, MOST_CHUNKS + 1):
        end = at + HEAD + view.u32(at, "big")
        kind = bytes(view.take(at + 4, at + HEAD))
        if zlib.crc32(view.take(at + 4, end)) != view.u32(end, "big"):
            raise BrokenError(f"the CRC-32 of chunk {number:,}, at octet {view.start + at:,}, is wrong")
        at = end + CRC_LENGTH
        if kind == LAST:
            detail = f"CRC-32 of each of {number:,} chunks{behind(view, at)}"
            return Judgement(_CHECK, "valid", detail, (view.span(len(PNG_MAGIC), at),))
    raise BrokenError(f"more than {MOST_CHUNKS:,} chunks")


FORMAT: Final = InnerFormat(
    name="pictures",
    vendors="any",
    signature="PNG: `89 50 4e 47 0d 0a 1a 0a`; in the element Picture data also JPEG, GIF and BMP by theirs",
    checks=("PNG CRC-32: of every chunk, up to the last",),
    limitations="JPEG, GIF and BMP are named only.",
    source="ISO/IEC 15948 (PNG); none in the survey",
    read=read,
)
