"""Raw images of TI's 8051 chips (CC2530, CC2531, CC2538's forerunners): code from address 0 on.

Interrupt vectors at 0, 3, 11, 19 …: `02 hi lo` (LJMP). At 0x88: CRC-16 and its shadow, u16 each; at 0x8C: program
length u32, manufacturer u16, image type u16, version u32. The CRC has the polynomial 1021 and leaves its own four
octets out and begins with 0; some tools append 16 zero bits, some do not.
"""

import binascii
from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, compared, unverifiable
from hanscope.dissectors.images.octets import BrokenError, View

LJMP: Final = 0x02
VECTORS: Final = (0x03, *range(0x0B, 0x8B, 8))
CRC_AT: Final = 0x88
PREAMBLE_AT: Final = 0x8C
CODE_FROM: Final = 0x98
NONE: Final = 0xFFFFFFFF
_NOT_WRITTEN: Final = {0x0000, 0xFFFF}


def read(view: View, context: Context) -> Inner | None:
    if not _has_vectors(view.peek(0, CODE_FROM)):
        return None
    length = int.from_bytes(view.peek(PREAMBLE_AT, PREAMBLE_AT + 4), "little")
    if length == NONE:
        return Inner("8051 code (CC253x)", (unverifiable("no CRC stands at 0x88, where TI's tools put one"),))
    if not _names_image(view, context):
        return Inner("8051 code (CC253x)", (unverifiable("no check is known; there is no TI preamble at 0x8c"),))
    return Inner("8051 code (CC253x), with TI preamble", (_crc(view),))


def _has_vectors(begin: bytes) -> bool:
    """At least two jumps among the vectors, one of them at 0 unless a bit of it is wrong, and nothing odd between."""
    if len(begin) < CODE_FROM:
        return False
    jumps = [at for at in VECTORS if begin[at] == LJMP]
    empty = [at for at in VECTORS if begin[at : at + 3] == b"\xff\xff\xff"]
    return (begin[0] ^ LJMP).bit_count() <= 1 and len(jumps) >= 2 and len(jumps) + len(empty) >= len(VECTORS) - 4


def _names_image(view: View, context: Context) -> bool:
    """Whether the preamble is one: two of three numbers are those of the OTA header."""
    preamble = view.peek(PREAMBLE_AT + 4, CODE_FROM)
    told = tuple(int.from_bytes(preamble[at:to], "little") for at, to in ((0, 2), (2, 4), (4, 8)))
    expected = (context.manufacturer_code, context.image_type, context.file_version)
    return sum(a == b for a, b in zip(told, expected, strict=True)) >= 2


@checked("TI CRC-16")
def _crc(view: View) -> Judgement:
    length, told = view.u32(PREAMBLE_AT), view.u16(CRC_AT)
    if length != view.size and (length ^ view.size).bit_count() > 1:
        return unverifiable(f"the preamble says {length:,} octets, there are {view.size:,}", "TI CRC-16")
    if length > view.size:
        raise BrokenError(f"the preamble says {length:,} octets, there are {view.size:,}")
    if told in _NOT_WRITTEN:
        return unverifiable(f"0x{told:04x} stands where the CRC would be: it was not written", "TI CRC-16")
    covered = bytes(view.take(0, CRC_AT)) + bytes(view.take(PREAMBLE_AT, length))
    what = f"CRC-16 of {length:,} octets, without its own"
    covers = (view.span(0, CRC_AT + 2), view.span(PREAMBLE_AT, length))
    if told == binascii.crc_hqx(covered, 0):
        return Judgement("TI CRC-16", "valid", f"{what}, with 16 zero bits appended", covers)
    # The other way nothing is appended: the last two octets are added as they are.
    found = binascii.crc_hqx(covered[:-2], 0) ^ int.from_bytes(covered[-2:], "big")
    return compared("TI CRC-16", what, told, found, covers)


FORMAT: Final = InnerFormat(
    name="8051 code (CC253x)",
    vendors="Texas Instruments (CC2530, CC2531): Climax, Develco and others",
    signature="`02` (LJMP) at the start and at interrupt vectors (3, 11, 19 …)",
    checks=("TI CRC-16: at octet 0x88, over as many octets as the preamble at 0x8c says, without those of the CRC",),
    limitations="Only where the preamble at 0x8c names the image as the OTA header does. "
    "A CRC of 16 bits misses one random change in 65,536.",
    source="TI Z-Stack; CRC rule worked out on a real file",
    read=read,
)
