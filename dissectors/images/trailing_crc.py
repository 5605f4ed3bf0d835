"""A CRC-32 of the OTA file, little-endian, in the 4 octets behind it, as some manufacturers append it."""

import zlib
from typing import Final

from hanscope.dissectors.images.format import Format, Judgement, checked
from hanscope.dissectors.images.octets import View

NAME: Final = "trailing CRC-32"
LENGTH: Final = 4


@checked(NAME)
def check(view: View) -> Judgement:
    """The view ends with the CRC."""
    end = view.size - LENGTH
    crc, told = zlib.crc32(view.take(0, end)), view.u32(end)
    covers = (view.span(0, view.size),)
    if told == crc:
        return Judgement(NAME, "valid", "its CRC-32 follows the file", covers)
    if told == crc ^ 0xFFFFFFFF:
        return Judgement(NAME, "valid", "its CRC-32 (without the final inversion) follows the file", covers)
    return Judgement(
        NAME, "invalid", "what follows the file is not its CRC-32, as which some manufacturers append 4 octets"
    )


FORMAT: Final = Format(
    name=NAME,
    vendors="Salus (0x1078, 0x120B), 0x1124, SberDevices (0x152F, without final inversion)",
    signature="4 octets behind the OTA file",
    checks=("trailing CRC-32: over the OTA file, with or without the final inversion",),
    limitations="Other kinds of CRC in that place would be called wrong.",
    source="50 files of a survey of 1,242, all of which hold",
)
