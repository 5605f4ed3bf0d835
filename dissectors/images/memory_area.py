"""An image as Atmel's BitCloud has it (Legrand, Insta, dresden elektronik): u32 place, u32 length, content, 1 octet.

The content of Legrand's and Insta's is a whole OTA file (with 64 octets more behind it in one of Legrand's);
dresden elektronik's begins with `ed fe fe ca`. An OTA file that is the content by itself is taken as well.
"""

from typing import Final

from hanscope.dissectors.images import ota_file
from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, near, unverifiable
from hanscope.dissectors.images.octets import View

AROUND: Final = ota_file.NESTED_HEAD_LENGTH + ota_file.NESTED_SUFFIX_LENGTH
SIGNATURE_LENGTH: Final = 64
"""Octets that Legrand has behind the nested file, by their number a signature."""
PLACE_BITS: Final = 0xFFFF_0000
DRESDEN: Final = bytes.fromhex("edfefeca")
NESTED: Final = "nested OTA file"
_CHECK: Final = "length of the memory area"


def read(view: View, _context: Context) -> Inner | None:
    at = ota_file.NESTED_HEAD_LENGTH
    if near(view.peek(0, 4), ota_file.MAGIC):
        return Inner(NESTED, (), view)
    begin = view.peek(at, at + 4)
    if near(begin, ota_file.MAGIC):
        content = view.sub(at, max(at, view.size - ota_file.NESTED_SUFFIX_LENGTH))
        # Its lengths are compared by whoever reads that file.
        return Inner(NESTED, (), content)
    if near(begin, DRESDEN):
        hidden = unverifiable("opaque: encrypted; no check is known")
        return Inner("dresden elektronik, encrypted", (_length(view), hidden))
    head = ota_file.parse_nested_head(view.peek(0, at)) if view.peek(0, at) else None
    if head is None or head.kind & PLACE_BITS or head.length != view.size - AROUND or not head.length:
        return None
    return Inner("memory area", (), view.sub(at, at + head.length))


@checked(_CHECK)
def _length(view: View) -> Judgement:
    told = view.u32(4)
    if told == view.size - AROUND:
        covers = (view.span(4, 8),)
        return Judgement(_CHECK, "valid", f"{told:,} octets, {AROUND} less than the element", covers)
    # One real file is little to call others wrong by.
    outcome = "invalid" if (told ^ view.size - AROUND).bit_count() == 1 else "unknown"
    return Judgement(_CHECK, outcome, f"{told:,} octets, {view.size - AROUND:,} would fill the element")


FORMAT: Final = InnerFormat(
    name="memory area",
    vendors="Atmel BitCloud: Legrand, Insta (Gira, Jung), dresden elektronik",
    signature="u32, u32 and then `1e f1 ee 0b` (a nested OTA file) or `ed fe fe ca`; or a length 9 less than the "
    "whole; or `1e f1 ee 0b` at the start",
    checks=(
        "length of the memory area: 9 less than the element's",
        "nested OTA file: the length is 9 less than the element's, and the file fills it, or all but 64 octets",
        "nested OTA file without a head in front of it: its own size is the element's",
    ),
    limitations="How the last octet is computed is not known.",
    source="50 nested files of a survey of 1,242; a captured transfer of Legrand",
    read=read,
)
