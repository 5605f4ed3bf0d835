"""IKEA's container for signed files: `NGIS`, little-endian.

Length of the rest of the header u32 at 12, offset of the OTA file u32 at 16, its size u32 at 20, offset of the
signature u32 at 24, octets of a block u32 at 32, number of blocks u32 at 36; then a SHA-256 for each block of the file.
512 octets of RSA signature follow the file.
"""

from hashlib import sha256
from typing import Final

from hanscope.dissectors.images.format import Format, Judgement, checked, near, octets_told
from hanscope.dissectors.images.octets import BrokenError, View

NAME: Final = "IKEA NGIS"
MAGIC: Final = b"NGIS"
OFFSET_AT: Final = 16
SIZE_AT: Final = 20
BLOCK_AT: Final = 32
COUNT_AT: Final = 36
HASHES_AT: Final = 40
HASH: Final = 32
SIGNATURE_LENGTH: Final = 512
MOST_BLOCKS: Final = 4096
HASHES: Final = "container hashes"
CONTAINER: Final = "container"


def is_there(view: View) -> bool:
    return near(view.peek(0, 4), MAGIC)


def offset_told(view: View) -> int:
    """Where it says that the OTA file is; 0 if that cannot be read."""
    return int.from_bytes(view.peek(OFFSET_AT, OFFSET_AT + 4), "little")


@checked(CONTAINER)
def check(view: View, offset: int, size: int) -> Judgement:
    """`offset` and `size` are those of the OTA file as its header tells them."""
    problems: list[str] = []
    if bytes(view.take(0, 4)) != MAGIC:
        problems.append("one bit of NGIS is wrong")
    if view.u32(OFFSET_AT) != offset:
        problems.append(f"the NGIS container puts the file at octet {view.u32(OFFSET_AT):,}, it is at {offset:,}")
    if view.u32(SIZE_AT) != size:
        problems.append(f"the NGIS container says {view.u32(SIZE_AT):,} octets, the header {size:,}")
    if problems:
        return Judgement(CONTAINER, "invalid", "; ".join(problems))
    covers = (view.span(0, 4), view.span(OFFSET_AT, SIZE_AT + 4))
    return Judgement(CONTAINER, "valid", "IKEA's NGIS container tells the place and size of the file", covers)


@checked(HASHES)
def check_hashes(view: View, offset: int) -> Judgement:
    size, block, count = view.u32(SIZE_AT), view.u32(BLOCK_AT), view.u32(COUNT_AT)
    if not block or not 0 < count <= MOST_BLOCKS or -(-size // block) != count:
        detail = f"{count:,} hashes of blocks of {octets_told(block)} do not fit {octets_told(size)}"
        return Judgement(HASHES, "unknown", detail)
    if HASHES_AT + count * HASH > offset:
        raise BrokenError(f"{count:,} hashes do not fit in front of octet {offset:,}")
    wrong: list[int] = []
    for number in range(count):
        told = bytes(view.take(HASHES_AT + number * HASH, HASHES_AT + (number + 1) * HASH))
        begin = offset + number * block
        if sha256(view.take(begin, min(begin + block, offset + size))).digest() != told:
            wrong.append(number)
    if wrong:
        places = ", ".join(f"{offset + number * block:,}" for number in wrong[:4])
        detail = f"{len(wrong):,} of {count:,} SHA-256 are not those of their blocks (at octet {places})"
        return Judgement(HASHES, "invalid", detail)
    covers = (view.span(HASHES_AT, HASHES_AT + count * HASH), view.span(offset, offset + size))
    what = f"SHA-256 of {count:,} blocks of {octets_told(block)}"
    return Judgement(HASHES, "valid", what, covers)


FORMAT: Final = Format(
    name=NAME,
    vendors="IKEA",
    signature="`NGIS` at the start of the file",
    checks=(
        "container: place and size of the OTA file",
        "container hashes: a SHA-256 for each block of the OTA file, which cover all of it",
    ),
    limitations="The RSA signature behind the file is not verified: IKEA's key is not public. "
    "That the signature is over the hashes is UNCONFIRMED.",
    source="zigpy; hashes worked out on two real files, whose 28 blocks hold; 6 files of a survey of 1,242",
)
