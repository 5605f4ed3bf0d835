"""Images of NXP's Cortex-M chips: JN518x, K32W (and LPC, whose rule it is).

The first eight words are the vector table's beginning; the eighth is chosen so that their sum is 0. At 32 stands the
marker 98447902 and behind it the offset of the boot block, which begins with BB0110BB unless it is encrypted.
"""

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
from hanscope.dissectors.images.unnamed import looks_random

MARKER: Final = (0x98447902).to_bytes(4, "little")
MARKER_AT: Final = 32
BOOT_BLOCK_AT: Final = 36
BOOT_BLOCK_MARKER: Final = (0xBB0110BB).to_bytes(4, "little")
CHECKSUM_AT: Final = 28
RAM: Final = range(0x02000000, 0x20100000)
FLASH_END: Final = 0x00100000
_CHECK: Final = "NXP vector checksum"


def read(view: View, _context: Context) -> Inner | None:
    begin = view.peek(0, MARKER_AT)
    if len(begin) < MARKER_AT:
        return None
    words = [int.from_bytes(begin[at : at + 4], "little") for at in range(0, MARKER_AT, 4)]
    marked = near(view.peek(MARKER_AT, MARKER_AT + 4), MARKER)
    if not marked and not _adds_up(words):
        return None
    encrypted = looks_random(view.sub(1 << 10))
    # Without the marker a damaged table would not be recognised any more: then it vouches for nothing.
    checks = [_checksum(view, marked=marked), *([_boot_block(view)] if marked else [])]
    if encrypted:
        checks.append(unverifiable("opaque: encrypted; only the beginning is plain"))
    else:
        checks.append(unverifiable("no check of the whole content is known"))
    return Inner(f"NXP JN518x/K32W, {'encrypted' if encrypted else 'plain'}", tuple(checks))


def _adds_up(words: list[int]) -> bool:
    """Whether it is a vector table (stack in RAM, Thumb code in flash) and adds up to 0."""
    stack, reset = words[:2]
    return stack % 4 == 0 and stack in RAM and reset % 2 == 1 and reset < FLASH_END and sum(words) % (1 << 32) == 0


@checked(_CHECK)
def _checksum(view: View, *, marked: bool) -> Judgement:
    told = view.u32(CHECKSUM_AT)
    found = -sum(view.u32(at) for at in range(0, CHECKSUM_AT, 4)) % (1 << 32)
    covers = (view.span(0, MARKER_AT),) if marked else ()
    return compared(_CHECK, "the first eight words add up to 0", told, found, covers)


@checked("NXP boot block")
def _boot_block(view: View) -> Judgement:
    at = view.u32(BOOT_BLOCK_AT)
    begin = bytes(view.take(at, at + 4))
    place = f"the header puts it at octet {at:,} of the image"
    if begin == BOOT_BLOCK_MARKER:
        return Judgement("NXP boot block", "valid", f"{place}; there it is", ())
    if looks_random(view.sub(1 << 10)):
        return Judgement("NXP boot block", "unknown", f"{place}, {view.size - at:,} before the end; encrypted")
    return Judgement("NXP boot block", "unknown", f"{place}; {begin.hex(' ')} stands there, not bb 10 01 bb")


FORMAT: Final = InnerFormat(
    name="NXP JN518x/K32W",
    vendors="NXP (JN5188, JN5189, K32W0x1): Lumi (Aqara) and others",
    signature="`02 79 44 98` at octet 32; or a vector table that begins in RAM and whose first eight words add up to 0",
    checks=(
        "NXP vector checksum: the first eight words add up to 0 (32 octets, no more)",
        "NXP boot block: is where the header says",
        "content: opaque when encrypted; otherwise no check of the whole is known",
    ),
    limitations="The checksum says nothing of what follows the first 32 octets. Signatures are not looked at.",
    source="NXP's SDKs for these chips; all 86 files of a survey of 1,242 hold the checksum",
    read=read,
)
