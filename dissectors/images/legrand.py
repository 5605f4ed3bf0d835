"""Legrand's container: the length of the OTA file u32, little-endian, in front of it, and 17 octets behind it."""

from typing import Final

from hanscope.dissectors.images.format import Format, Judgement, checked
from hanscope.dissectors.images.octets import View

NAME: Final = "Legrand"
PREFIX: Final = 4
SUFFIX: Final = 17
CONTAINER: Final = "container"


@checked(CONTAINER)
def check(view: View, size: int) -> Judgement:
    """`size` is that of the OTA file as its header tells it."""
    told = view.u32(0)
    if told == size:
        return Judgement(
            CONTAINER, "valid", "Legrand's length prefix tells the size of the file", (view.span(0, PREFIX),)
        )
    detail = f"4 octets come first, as in Legrand's files; they say {told:,}, the header {size:,}"
    return Judgement(CONTAINER, "invalid" if (told ^ size).bit_count() == 1 else "unknown", detail)


FORMAT: Final = Format(
    name=NAME,
    vendors="Legrand",
    signature="4 octets in front of the OTA file",
    checks=("container: the prefix is the size of the OTA file",),
    limitations="What the 17 octets behind the file are is not known.",
    source="one file of a survey of 1,242",
)
