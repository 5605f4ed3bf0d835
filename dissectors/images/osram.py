"""OSRAM's images for TI chips: `LVRM` at 28 of the image, and elements FF01, FF3E and FF46 that end in a CRC-32.

That CRC begins with 0 and is not inverted at the end; it covers the element's octets before it.
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

MAGIC: Final = b"LVRM"
MAGIC_AT: Final = 28
LENGTH_AT: Final = 8
AROUND: Final = 32
MANUFACTURERS: Final = {0x110C, 0x1189, 0xBBAA}
RECORDS: Final = {0xFF01: "device record", 0xFF3E: "configuration record", 0xFF46: "record", 0xFF47: "record"}
LARGEST_RECORD: Final = 1 << 12
CRC_POLYNOMIAL: Final = 0xEDB88320
_CHECK: Final = "OSRAM CRC-32"
_LENGTH: Final = "OSRAM length"


def read(view: View, context: Context) -> Inner | None:
    if near(view.peek(MAGIC_AT, MAGIC_AT + 4), MAGIC):
        return Inner("OSRAM (TI), plain", (_length(view), unverifiable("no check of the content is known")))
    record = RECORDS.get(context.tag or 0)
    if record is not None and context.manufacturer_code in MANUFACTURERS and 8 <= view.size <= LARGEST_RECORD:
        return Inner(f"OSRAM {record}", (_crc(view),))
    return None


@checked(_CHECK)
def _crc(view: View) -> Judgement:
    at = view.size - 4
    told, found = view.u32(at), zlib.crc32(view.take(0, at), 0xFFFFFFFF) ^ 0xFFFFFFFF
    if told != found and not _one_bit_apart(told ^ found, at):
        # One real file is little to call others wrong by.
        return unverifiable("its last 4 octets are not the CRC-32 that ends such elements in a known file", _CHECK)
    what = f"CRC-32 (from 0, without inversion) of {at:,} octets"
    return compared(_CHECK, what, told, found, (view.span(0, view.size),))


def _one_bit_apart(difference: int, octets: int) -> bool:
    """Whether one wrong bit, of the CRC or of so many octets before it, explains the difference of two CRC-32."""
    if difference.bit_count() == 1:
        return True
    syndrome = CRC_POLYNOMIAL
    for _ in range(8 * octets):
        if syndrome == difference:
            return True
        syndrome = syndrome >> 1 ^ (CRC_POLYNOMIAL if syndrome & 1 else 0)
    return False


@checked(_LENGTH)
def _length(view: View) -> Judgement:
    told = view.u32(LENGTH_AT) + AROUND
    if told == view.size:
        return Judgement(_LENGTH, "valid", f"the image has the {told:,} octets that it says")
    return Judgement(_LENGTH, "unknown", f"perhaps {told:,} octets; there are {view.size:,}")


FORMAT: Final = InnerFormat(
    name="OSRAM",
    vendors="OSRAM, LEDVANCE (TI chips)",
    signature="`LVRM` at octet 28; elements FF01, FF3E, FF46 and FF47 of these manufacturers",
    checks=(
        "OSRAM length: at octet 8 of the image",
        "OSRAM CRC-32: the last four octets of the elements FF01, FF3E and FF46",
        "content: of the image itself no check is known",
    ),
    limitations="Length and CRC were worked out on one real file, so a CRC is invalid only if one bit explains it.",
    source="25 files of a survey of 1,242",
    read=read,
)
