"""ubisys' images: `FRS0` packages, and files whose first element F7BD lists and signs the parts of the file.

F7BD, 160 octets: records of 24 (offset in the file u32, tag u16, flags u16, 16 octets of hash), then 64 octets of
signature. The image itself is encrypted; the image integrity code (tag 0003) covers all of it.
"""

from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, near, unverifiable
from hanscope.dissectors.images.octets import View
from hanscope.dissectors.images.unnamed import looks_random

MAGIC: Final = b"FRS0"
MANUFACTURER: Final = 0x10F2
LIST_TAG: Final = 0xF7BD
IMAGE_TAG: Final = 0x0000
RECORD: Final = 24
SIGNATURE_LENGTH: Final = 64
_CHECK: Final = "ubisys list"


def read(view: View, context: Context) -> Inner | None:
    if near(view.peek(0, 4), MAGIC):
        return Inner("ubisys FRS0", (unverifiable("opaque: encrypted; no check is known"),))
    if context.manufacturer_code != MANUFACTURER:
        return None
    if context.tag == LIST_TAG:
        signature = unverifiable("64 octets; the vendor's key is not in the file", "ubisys signature")
        return Inner("ubisys list of parts, signed", (_list(view), signature))
    if context.tag == IMAGE_TAG and looks_random(view):
        return Inner("ubisys, encrypted", (unverifiable("opaque: encrypted; see the integrity code"),))
    return None


@checked(_CHECK)
def _list(view: View) -> Judgement:
    """Whether the octets are whole records; what the hashes cover is not known."""
    end = view.size - SIGNATURE_LENGTH
    if end <= 0 or end % RECORD:
        return Judgement(_CHECK, "unknown", f"{view.size:,} octets are no whole number of records and a signature")
    parts = [f"0x{view.u16(at + 4):04x} at {view.u32(at):,}" for at in range(0, min(end, 8 * RECORD), RECORD)]
    return Judgement(_CHECK, "unknown", f"{', '.join(parts)}; how their hashes are made is not known")


FORMAT: Final = InnerFormat(
    name="ubisys",
    vendors="ubisys",
    signature="`FRS0` at the start; or manufacturer 0x10F2 with element F7BD or an image of high entropy",
    checks=("content: opaque; newer files carry the image integrity code, which covers them",),
    limitations="Hashes and signature of the list of parts are not verified.",
    source="78 files of a survey of 1,242 (23 FRS0, 55 with integrity code)",
    read=read,
)
