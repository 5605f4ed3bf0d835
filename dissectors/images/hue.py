"""Signify's images for its secure bootloader (Atmel and others): records of a header and encrypted content.

`2a 00`, image type u16 big-endian, `00`, nine octets that were not worked out, length u24 big-endian at 13; 64 octets
of record come on top of that length. Some files have such a record right behind the OTA header, without an element.
"""

from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, near, unverifiable
from hanscope.dissectors.images.octets import View

LENGTH_AT: Final = 13
AROUND: Final = 64
SIGNIFY: Final = 0x100B
_CHECK: Final = "Hue record length"


def read(view: View, context: Context) -> Inner | None:
    begin = view.peek(0, 5)
    expected = b"\x2a\x00" + context.image_type.to_bytes(2, "big") + b"\x00"
    usual = begin[:3] == b"\x2a\x00\x01" and context.manufacturer_code == SIGNIFY
    if not (near(begin, expected) or usual):
        return None
    return Inner("Hue SBL", (_length(view), unverifiable("opaque: encrypted and signed with Signify's keys")))


@checked(_CHECK)
def _length(view: View) -> Judgement:
    told = view.number(LENGTH_AT, 3, "big") + AROUND
    if told == view.size:
        return Judgement(_CHECK, "valid", "the record is as long as it says")
    return Judgement(_CHECK, "unknown", f"perhaps {told:,} octets; there are {view.size:,}")


FORMAT: Final = InnerFormat(
    name="Hue SBL",
    vendors="Signify (Philips Hue)",
    signature="`2a 00`, the image type in big-endian order, `00`",
    checks=("Hue record length: agrees with the element", "content: opaque, encrypted and signed"),
    limitations="The length's place was worked out on real files; one that disagrees is no failure.",
    source="29 files of a survey of 1,242 (Signify documents nothing)",
    read=read,
)
