"""Elements that manufacturers define: who uses which tag for what, as far as it is known."""

from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, octets_told, unverifiable
from hanscope.dissectors.images.octets import View

LARGEST: Final = 4096
"""Octets; larger ones are content, which other formats may know."""
HUE_PARTS: Final = range(0xF100, 0xF200)
TAGS: Final[dict[tuple[int, int], str]] = {
    (0x117C, 0xFFBF): "IKEA, 64 octets (a signature by its size; UNCONFIRMED)",
    (0x117C, 0xFFBE): "IKEA, code",
    (0x10F2, 0xF7BD): "ubisys, list of parts",
    (0x1015, 0xF000): "Develco, 18 octets of 0",
    (0x1015, 0xF001): "Develco, 2 octets and 16 of a hash (UNCONFIRMED)",
    (0x115F, 0xCDEF): "Lumi, 17 octets before the image",
    (0x115F, 0xF001): "Lumi, image of a second processor",
    (0x1246, 0xF002): "Danfoss, 64 octets (a signature by its size; UNCONFIRMED)",
    (0x110C, 0xFF01): "OSRAM, device record",
    (0x110C, 0xFF3E): "OSRAM, configuration record",
    (0x110C, 0xFF46): "OSRAM, record",
    (0x1189, 0xFF01): "LEDVANCE, device record",
    (0x1189, 0xFF3E): "LEDVANCE, configuration record",
    (0x1189, 0xFF46): "LEDVANCE, record",
    (0x152F, 0xFF01): "SberDevices, 18 octets of FF",
}


def tag_use(manufacturer_code: int, tag: int) -> str | None:
    """What a manufacturer's element is known to be."""
    if manufacturer_code == 0x100B and tag in HUE_PARTS:
        return "Signify, a further record"
    return TAGS.get((manufacturer_code, tag))


def read(view: View, context: Context) -> Inner | None:
    use = None if context.tag is None else tag_use(context.manufacturer_code, context.tag)
    if use is None or view.size > LARGEST:
        return None
    return Inner(use, (unverifiable(f"{octets_told(view.size)}; how to check them is not known"),))


FORMAT: Final = InnerFormat(
    name="manufacturers' elements",
    vendors="IKEA, ubisys, Develco, Lumi, Danfoss, OSRAM, LEDVANCE, Signify, SberDevices",
    signature="manufacturer code and tag",
    checks=("content: no check is known",),
    limitations="Named only.",
    source="tags met in a survey of 1,242 files",
    read=read,
)
