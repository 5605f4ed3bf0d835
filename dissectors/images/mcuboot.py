"""Images for MCUboot: header, image, protected and other type-length-values.

Magic 96f3b83d, header size u16 at 8, size of protected TLVs u16 at 10, image size u32 at 12. The TLVs begin with 6907
(protected ones, before them, with 6908) and their total length; type 10 is the SHA-256 over header, image and protected
TLVs.
"""

from collections.abc import Iterator
from hashlib import sha256, sha512
from typing import Final

from hanscope.dissectors.images.filling import behind
from hanscope.dissectors.images.format import (
    Context,
    Inner,
    InnerFormat,
    Judgement,
    checked,
    compared,
    near,
    unverifiable,
)
from hanscope.dissectors.images.octets import BrokenError, View
from hanscope.dissectors.images.unnamed import looks_random

MAGIC: Final = (0x96F3B83D).to_bytes(4, "little")
TLV_MAGIC: Final = 0x6907
HEADER: Final = 32
MOST_TLVS: Final = 64
SHA256: Final = 0x10
SHA512: Final = 0x12
ENCRYPTED_FLAGS: Final = 0x04 | 0x08
_CHECK: Final = "MCUboot hash"


def read(view: View, _context: Context) -> Inner | None:
    if not near(view.peek(0, 4), MAGIC):
        return None
    if int.from_bytes(view.peek(16, 20), "little") & ENCRYPTED_FLAGS and looks_random(view.sub(HEADER)):
        # The hash is that of the plain text.
        return Inner("MCUboot, encrypted", (unverifiable("opaque: encrypted with a key that is not in the file"),))
    return Inner("MCUboot", (_hash(view),))


@checked(_CHECK)
def _hash(view: View) -> Judgement:
    end = view.u16(8) + view.u32(12) + view.u16(10)
    for kind, at, length in _tlvs(view, end):
        hashed = {SHA256: sha256, SHA512: sha512}.get(kind)
        if hashed is None:
            continue
        told, found = bytes(view.take(at, at + length)), hashed(view.take(0, end)).digest()
        covers = (view.span(0, end), view.span(at, at + length))
        return compared(
            _CHECK, f"SHA-{8 * len(found)} of {end:,} octets{behind(view, at + length)}", told, found, covers
        )
    return Judgement(_CHECK, "unknown", "none of its TLVs is a hash that is known")


def _tlvs(view: View, at: int) -> Iterator[tuple[int, int, int]]:
    if view.u16(at) != TLV_MAGIC:
        raise BrokenError(f"no TLVs at octet {view.start + at:,}, where the image should end")
    end = at + view.u16(at + 2)
    at += 4
    for _ in range(MOST_TLVS):
        if at + 4 > end:
            return
        length = view.u16(at + 2)
        yield view.u16(at), at + 4, length
        at += 4 + length


FORMAT: Final = InnerFormat(
    name="MCUboot",
    vendors="Nordic, Zephyr and others",
    signature="`3d b8 f3 96` at the start",
    checks=("MCUboot hash: SHA-256 or SHA-512 over header, image and protected TLVs",),
    limitations="Signatures are not verified. "
    "The hash of an encrypted image, being that of its plain text, is not tried.",
    source="MCUboot's design document; none in a survey of 1,242 files",
    read=read,
)
