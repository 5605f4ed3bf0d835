"""The image integrity code (tag 0003, ZCL 11.4.3.4): AES-MMO over the file up to the code.

What exactly is covered differs between manufacturers; each of 105 real files matched exactly one of these:

    A   up to the element (ubisys, Innr, Bosch; ZBOSS)
    B   up to the code, tag and length of the element included (NodOn; BeeStack)
    C   as A, with a length of 16 bits in the padding even for long files (Develco)
"""

from typing import Final

from hanscope.dissectors.crypto.mmo import Mmo
from hanscope.dissectors.images import ota_file
from hanscope.dissectors.images.format import Format, Judgement, Ranges, near
from hanscope.dissectors.images.octets import Octets
from hanscope.dissectors.images.ota_file import Element, Tag

NAME: Final = "integrity code"
LENGTH: Final = 16
LARGEST_HASHED: Final = 8 << 20
"""Octets that a code may cover: AES-MMO takes about 2 s for these."""
_HEAD: Final = ota_file.build_element(Tag.IMAGE_INTEGRITY_CODE, bytes(LENGTH))[: ota_file.ELEMENT_HEAD_LENGTH]


def check(source: Octets, offset: int, elements: tuple[Element, ...]) -> Judgement:
    """`elements` as far as they could be followed; damage must not hide the code, so the end is searched too."""
    codes = [element for element in elements if element.tag == Tag.IMAGE_INTEGRITY_CODE]
    code = codes[-1] if codes else _at_the_end(source, offset)
    if code is None:
        return Judgement(NAME, "unknown", "the file carries none")
    which = f" (the last of {len(codes)} codes)" if len(codes) > 1 else ""
    return _check(source, offset, code, which)


def _check(source: Octets, offset: int, code: Element, which: str) -> Judgement:
    if code.length != LENGTH:
        return Judgement(NAME, "invalid", f"it has {code.length:,} octets instead of 16")
    reason = source.lacks(offset, code.end)
    if reason is not None:
        return Judgement(NAME, "unknown", reason)
    if bytes(source.read(code.start, code.offset)) != _HEAD:
        return Judgement(NAME, "invalid", "one bit of the element's tag or length is wrong")
    if code.start - offset > LARGEST_HASHED:
        detail = f"it covers more than {LARGEST_HASHED:,} octets, which would take too long"
        return Judgement(NAME, "unknown", detail)
    variant = _variant(source, offset, code)
    if variant is None:
        detail = f"it is not the AES-MMO of the file in any of the three known ways{which}"
        return Judgement(NAME, "invalid", detail)
    detail, covers = variant
    return Judgement(NAME, "valid", detail + which, covers)


def _at_the_end(source: Octets, offset: int) -> Element | None:
    """An element with the head of a code, or one that is a bit off, at the end of the file or before a CRC."""
    for end in (source.size, source.size - ota_file.CRC_LENGTH):
        start = end - LENGTH - ota_file.ELEMENT_HEAD_LENGTH
        if start < offset + ota_file.SMALLEST_HEADER or source.lacks(start, end) is not None:
            continue
        if near(bytes(source.read(start, start + ota_file.ELEMENT_HEAD_LENGTH)), _HEAD):
            return Element(Tag.IMAGE_INTEGRITY_CODE, end - LENGTH, LENGTH)
    return None


def _variant(source: Octets, offset: int, code: Element) -> tuple[str, Ranges] | None:
    """In which of the ways the code belongs to the octets before it."""
    told = bytes(source.read(code.offset, code.end))
    without_head = ((offset, code.start), (code.offset, code.end))
    mmo = Mmo().update(source.read(offset, code.start))
    if told == mmo.digest():
        return "variant A: AES-MMO of the file up to the element", without_head
    if told == mmo.digest_with_short_length():
        return "variant C: as A, with a length of 16 bits in the padding", without_head
    if told == mmo.update(source.read(code.start, code.offset)).digest():
        return "variant B: AES-MMO of the file up to the code, its tag and length included", ((offset, code.end),)
    return None


FORMAT: Final = Format(
    name="Image integrity code",
    vendors="ubisys, Innr, Bosch, NodOn, Develco",
    signature="element 0003 of 16 octets",
    checks=("integrity code: AES-MMO over the file up to the element (A, C) or to the code (B)",),
    limitations=f"Files of more than {LARGEST_HASHED >> 20} MiB are not hashed. The exact wording of the "
    "specification is UNCONFIRMED; any of the three ways is accepted.",
    source="ZCL 11.4.3.4; 105 files of a survey of 1,242, each of which matches exactly one way",
)
