"""Third Reality's container: 152 octets in front of the OTA file, which begin with a SHA-512 of all that follows it."""

from hashlib import sha512
from typing import Final

from hanscope.dissectors.images.format import Format, Judgement, checked, compared
from hanscope.dissectors.images.octets import View

NAME: Final = "Third Reality"
PREFIX: Final = 152
HASH: Final = 64
HASHES: Final = "container hashes"


@checked(HASHES)
def check(view: View) -> Judgement:
    told, found = bytes(view.take(0, HASH)), sha512(view.take(HASH, view.size)).digest()
    return compared(HASHES, f"SHA-512 of {view.size - HASH:,} octets", told, found, (view.span(0, view.size),))


FORMAT: Final = Format(
    name=NAME,
    vendors="Third Reality",
    signature="152 octets in front of the OTA file",
    checks=("container hashes: SHA-512 of everything behind its 64 octets",),
    limitations="The other 88 octets are not looked at.",
    source="zigpy; none in a survey of 1,242 files",
)
