"""The elements that follow the header of an OTA file (ZCL 11.4.3): tag u16, length u32, value, back to back."""

from typing import Final

import msgspec
from msgspec.structs import replace

from hanscope.dissectors.images import ota_file
from hanscope.dissectors.images.format import octets_told
from hanscope.dissectors.images.octets import Octets
from hanscope.dissectors.images.ota_file import Element, Tag

MOST_ELEMENTS: Final = 10_000


class Walk(msgspec.Struct, frozen=True):
    """How far elements could be followed from the end of the header."""

    elements: tuple[Element, ...]
    ends: bool | None
    """Whether they end exactly at the total size; `None`: not known."""
    detail: str
    telink_encrypted: bool = False
    """The only element is Telink's encrypted form, with 2 octets that its length does not count."""
    cut: Element | None = None
    """The element that reaches beyond the end, if that is what stopped the walk."""


class _WalkStopsError(Exception):
    """Elements cannot be followed further: there are none (`ends` False) or it is not known (`ends` None)."""

    def __init__(self, detail: str, *, ends: bool | None = False, cut: Element | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.ends = ends
        self.cut = cut


def walk(source: Octets, start: int, end: int) -> Walk:
    """Follow elements from `start`, strictly, to `end`, which must be hit exactly."""
    if start >= end:
        return Walk((), ends=False, detail="no element follows the header")
    elements: list[Element] = []
    position = start
    try:
        while position < end:
            elements.append(_next_element(source, len(elements), position, end))
            position = elements[-1].end
    except _WalkStopsError as stop:
        if not _is_telink_encrypted(elements, end):
            return Walk(tuple(elements), stop.ends, stop.detail, cut=stop.cut)
        data = replace(elements[0], offset=elements[0].offset + ota_file.TELINK_INFORMATION_LENGTH)
        detail = "1 element, in Telink's encrypted form: its length leaves out 2 octets between it and the data"
        return Walk((data,), ends=True, detail=detail, telink_encrypted=True)
    count = "1 element ends" if len(elements) == 1 else f"{len(elements):,} elements end"
    return Walk(tuple(elements), ends=True, detail=f"{count} exactly at the total size")


def end_of_elements(source: Octets, start: int) -> int:
    """Where the last element ends that lies within the file, whatever size the header tells."""
    elements = walk(source, start, source.size).elements
    return elements[-1].end if elements else start


def _next_element(source: Octets, index: int, position: int, end: int) -> Element:
    """The element at `position`, which must lie within `end` and, unless parts are known to lack, within the file."""
    where = f"element {index:,} at octet {position:,}"
    head_end = position + ota_file.ELEMENT_HEAD_LENGTH
    if index == MOST_ELEMENTS:
        raise _WalkStopsError(f"more than {MOST_ELEMENTS:,} elements", ends=None)
    if head_end > end:
        be = "is" if end - position == 1 else "are"
        raise _WalkStopsError(
            f"{octets_told(end - position)} {be} left over at octet {position:,}, too few for an element"
        )
    reason = source.lacks(position, head_end)
    if reason is not None:
        raise _WalkStopsError(reason, ends=None)
    if head_end > source.size:
        raise _WalkStopsError(f"the file ends before {where}")
    element = ota_file.read_element(source.octets, position)
    described = f"{where} (tag 0x{element.tag:04x}, {octets_told(element.length)})"
    if element.end > end:
        detail = f"{described} would end {octets_told(element.end - end)} beyond the total size"
        raise _WalkStopsError(detail, cut=element)
    if element.tag == Tag.UPGRADE_IMAGE and element.length == 0:
        raise _WalkStopsError(f"{described} is an Upgrade image without content")
    if element.end > source.size and not source.partial:
        raise _WalkStopsError(f"the file ends inside {described}", cut=element)
    return element


def _is_telink_encrypted(elements: list[Element], end: int) -> bool:
    return (
        len(elements) == 1
        and elements[0].tag == ota_file.FIRST_MANUFACTURER_TAG
        and elements[0].length > 0
        and elements[0].length % ota_file.TELINK_CIPHER_BLOCK == 0
        and end - elements[0].end == ota_file.TELINK_INFORMATION_LENGTH
    )
