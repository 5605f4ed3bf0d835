"""Application images of Espressif's chips (ESP-IDF).

`e9`, number of segments u8, …, entry u32 at 4; header of 24 octets, the last of which says whether a SHA-256 is
appended. Segments: address u32, length u32, data. Then filling, so that the checksum (XOR of all segment data, from EF)
is the last octet of a unit of 16; then the SHA-256 over everything before it.
"""

from hashlib import sha256
from typing import Final

import msgspec

from hanscope.dissectors.images.filling import behind
from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, Ranges, checked, compared, near
from hanscope.dissectors.images.octets import BrokenError, View

MAGIC: Final = 0xE9
HEADER: Final = 24
SEGMENT_HEAD: Final = 8
MOST_SEGMENTS: Final = 16
SEED: Final = 0xEF
UNIT: Final = 16
HASH_FLAG_AT: Final = 23
DESCRIPTION_AT: Final = 32
DESCRIPTION: Final = bytes.fromhex("3254cdab")
"""Of the application, at the start of the first segment; older images have none."""
_XOR: Final = "ESP checksum"
_HASH: Final = "ESP SHA-256"


class _Segments(msgspec.Struct, frozen=True):
    data: Ranges
    checksum_at: int


def read(view: View, _context: Context) -> Inner | None:
    begin = view.peek(0, HEADER)
    described = near(view.peek(DESCRIPTION_AT, DESCRIPTION_AT + 4), DESCRIPTION)
    if len(begin) < HEADER or not (_is_header(begin) or (described and near(begin[:1], bytes([MAGIC])))):
        return None
    return Inner("ESP-IDF application", (_checksum(view), _hash(view)))


def _is_header(begin: bytes) -> bool:
    """The magic, a possible number of segments, flash mode and an entry point in a chip's code memory."""
    entry = int.from_bytes(begin[4:8], "little")
    return begin[0] == MAGIC and 1 <= begin[1] <= MOST_SEGMENTS and begin[2] <= 5 and entry >> 24 in {0x40, 0x42, 0x4F}


def _segments(view: View) -> _Segments:
    count = view.u8(1)
    if not 1 <= count <= MOST_SEGMENTS:
        raise BrokenError(f"{count} segments, where 1 to {MOST_SEGMENTS} can be")
    at = HEADER
    data: list[tuple[int, int]] = []
    for _ in range(count):
        start = at + SEGMENT_HEAD
        at = start + view.u32(at + 4)
        if at > view.size:
            raise BrokenError(f"a segment ends {at - view.size:,} octets beyond the data")
        data.append((start, at))
    return _Segments(tuple(data), at // UNIT * UNIT + UNIT - 1)


@checked(_XOR)
def _checksum(view: View) -> Judgement:
    segments = _segments(view)
    told = view.u8(segments.checksum_at)
    folded = SEED
    for start, end in segments.data:
        folded ^= _xor(bytes(view.take(start, end)))
    covers = (
        *(view.span(start, end) for start, end in segments.data),
        view.span(segments.checksum_at, segments.checksum_at + 1),
    )
    return compared(_XOR, f"XOR of the data of {len(segments.data)} segments", told, folded, covers)


def _xor(octets: bytes) -> int:
    """All octets XORed, by halving: folding whole numbers is fast."""
    while len(octets) > 1:
        half = (len(octets) + 1) // 2
        folded = int.from_bytes(octets[:half], "little") ^ int.from_bytes(octets[half:], "little")
        octets = folded.to_bytes(half, "little")
    return octets[0] if octets else 0


@checked(_HASH)
def _hash(view: View) -> Judgement:
    end = _segments(view).checksum_at + 1
    flag, left = view.u8(HASH_FLAG_AT), view.size - end
    if flag == 0 and left != 32:
        return Judgement(_HASH, "unknown", f"the image carries none{behind(view, end)}")
    if flag != 1:
        return Judgement(_HASH, "invalid", f"octet {HASH_FLAG_AT} says {flag}, and {left} octets follow the checksum")
    what = f"SHA-256 of {end:,} octets{behind(view, end + 32)}"
    told, found = bytes(view.take(end, end + 32)), sha256(view.take(0, end)).digest()
    return compared(_HASH, what, told, found, (view.span(0, end + 32),))


FORMAT: Final = InnerFormat(
    name="ESP-IDF application",
    vendors="Espressif (ESP32-H2, ESP32-C6)",
    signature="`e9`, 1 to 16 segments, entry point in code memory; or an application description at octet 32",
    checks=("ESP checksum: XOR of all segment data", "ESP SHA-256: of everything before it, where it is appended"),
    limitations="Signatures of secure boot are not verified; encrypted images are opaque.",
    source="ESP-IDF Programming Guide, App Image Format; 4 files of a survey of 1,242 hold",
    read=read,
)
