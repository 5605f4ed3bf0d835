"""Images of NXP's (Jennic's) JN516x and JN517x: big-endian, with a header of 80 octets.

`12 34 56 78 11 22 33 44 55 66 77 88`, then at 32 the length u32; a copy of the OTA header mostly follows at 80. Some
tools swap the octets of each word.
"""

from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, near, unverifiable
from hanscope.dissectors.images.octets import View
from hanscope.dissectors.images.unnamed import looks_random

MAGIC: Final = bytes.fromhex("123456781122334455667788")
SWAPPED: Final = bytes.fromhex("785634124433221188776655")
HEADER: Final = 128
LENGTH_AT: Final = 32
_CHECK: Final = "JN516x length"


def read(view: View, _context: Context) -> Inner | None:
    begin = view.peek(0, len(MAGIC))
    swapped = near(begin, SWAPPED)
    if not swapped and not near(begin, MAGIC):
        return None
    encrypted = looks_random(view.sub(HEADER))
    name = f"JN516x/JN517x{', words swapped' if swapped else ''}{', encrypted' if encrypted else ''}"
    content = unverifiable("opaque: encrypted" if encrypted else "no check of the content is known")
    return Inner(name, (content,) if swapped else (_length(view), content))


@checked(_CHECK)
def _length(view: View) -> Judgement:
    told = view.u32(LENGTH_AT, "big")
    if told == view.size:
        return Judgement(_CHECK, "valid", f"the image's header says {told:,} octets, as there are")
    return Judgement(_CHECK, "unknown", f"the image's header says {told:,} octets, there are {view.size:,}")


FORMAT: Final = InnerFormat(
    name="JN516x/JN517x",
    vendors="NXP, formerly Jennic (JN5168, JN5169, JN5179): Lumi, Perenio and others",
    signature="`12 34 56 78 11 22 33 44 55 66 77 88` at the start; also with each word's octets swapped",
    checks=("JN516x length: the header's length is that of the image", "content: no check is known"),
    limitations="What a length that differs means is not known, so it is no failure. "
    "That an image is encrypted is told by its entropy.",
    source="56 files of a survey of 1,242; the place of the length was worked out on a real file",
    read=read,
)
