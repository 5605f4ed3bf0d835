"""Compressed content: XZ, gzip, zlib, bzip2, LZMA, and those that are named only (LZ4, Zstandard, ZIP).

What is unpacked is looked at in turn. Output is counted, not kept beyond its first part, and stops at a cap: a bomb
costs a fraction of a second.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from hanscope.dissectors.images.filling import behind
from hanscope.dissectors.images.format import (
    MOST_DEPTH,
    Context,
    Inner,
    InnerFormat,
    Judgement,
    Ranges,
    checked,
    compared,
    near,
    unverifiable,
)
from hanscope.dissectors.images.octets import BrokenError, Octets, View

MOST_UNPACKED: Final = 16 << 20
"""Octets: no device that takes such images has more."""
KEPT: Final = 2 << 20
STEP: Final = 1 << 16
MOST_MEMORY: Final = 96 << 20
"""For a dictionary."""
TOLD_BY: Final = 1 << 10
"""Octets of a zlib stream that must unpack before it is taken for one: its signature is short."""
MOST_IDLE: Final = 3
"""Times that an unpacker may give nothing and take nothing."""
_ERRORS: Final = (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class _Inflater:
    """zlib's object with the manners of the others: it takes up again what it left."""

    def __init__(self, window_bits: int) -> None:
        self._object = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max(0, max_length))


class _Unpacked(msgspec.Struct, frozen=True):
    begin: bytes
    """The first octets of what came out."""
    octets: int
    """Of all that came out."""
    end: int
    """Octets of the input that belong to the stream."""


_Coverage = Callable[[int], Ranges]
"""Which octets of a stream that ends at an offset its check vouches for, bit by bit."""


class _TooMuchError(Exception):
    """The cap was reached."""


def _unpack(unpacker: _Unpacker, packed: bytes) -> _Unpacked:
    """All of a stream. Raises _TooMuchError, BrokenError or the library's errors."""
    kept = bytearray()
    octets = 0
    data = packed
    idle = 0
    while not unpacker.eof:
        out = unpacker.decompress(data, STEP)
        data = b""
        octets += len(out)
        kept += out[: max(0, KEPT - len(kept))]
        if octets > MOST_UNPACKED:
            raise _TooMuchError
        idle = 0 if out else idle + 1
        if idle == MOST_IDLE and not unpacker.eof:
            raise BrokenError("the stream does not end")
    return _Unpacked(bytes(kept), octets, len(packed) - len(unpacker.unused_data))


# XZ


XZ_MAGIC: Final = bytes.fromhex("fd377a585a00")
XZ_END: Final = b"YZ"
XZ_HASH: Final = 32
XZ_CHECKS: Final = {0: "none", 1: "CRC-32", 4: "CRC-64", 10: "SHA-256"}


def _xz_unpacker() -> _Unpacker:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


def read_xz(view: View, context: Context) -> Inner | None:
    if not near(view.peek(0, len(XZ_MAGIC)), XZ_MAGIC):
        return None
    kind = int.from_bytes(view.peek(7, 8), "big") & 0x0F
    check = XZ_CHECKS.get(kind, f"check {kind}") if kind else None
    inner = _unpacked("XZ", view, context, _xz_unpacker(), check, lambda end: ((0, end),))
    whole = inner.checks[0].outcome != "invalid"
    hashed = (_xz_hash(view, whole=whole),) if _has_xz_hash(view) else ()
    return replace(inner, checks=(*inner.checks, *hashed))


def _has_xz_hash(view: View) -> bool:
    """Whether the stream ends 32 octets before the end, even if one bit of its last two octets is wrong."""
    end = view.size - XZ_HASH
    return near(view.peek(end - 2, end), XZ_END) and not near(view.peek(view.size - 2, view.size), XZ_END)


@checked("XZ SHA-256")
def _xz_hash(view: View, *, whole: bool) -> Judgement:
    end = view.size - XZ_HASH
    told, found = bytes(view.take(end, view.size)), sha256(view.take(0, end)).digest()
    if whole and told != found and not near(told, found):
        return unverifiable("32 octets behind the stream are not its SHA-256", "XZ SHA-256")
    return compared("XZ SHA-256", "SHA-256 of the stream, behind it", told, found, (view.span(0, view.size),))


# gzip, bzip2, zlib, LZMA

GZIP_MAGIC: Final = bytes.fromhex("1f8b08")
GZIP_HEADER: Final = 10
LZMA_PROPERTIES: Final = 0x5D
"""The usual ones: lc 3, lp 0, pb 2."""
LZMA_DICTIONARIES: Final = {*(1 << bits for bits in range(12, 27)), *(3 << bits for bits in range(11, 26))}
"""Octets: sizes that tools choose."""


def read_others(view: View, context: Context) -> Inner | None:
    begin = view.peek(0, 4)
    if near(begin[:3], GZIP_MAGIC):
        return _unpacked("gzip", view, context, _Inflater(31), "CRC-32", _of_gzip(view))
    if begin[:3] == b"BZh" and view.peek(4, 10) == bytes.fromhex("314159265359"):
        # Its level and unused selectors may differ without any harm.
        return _unpacked("bzip2", view, context, bz2.BZ2Decompressor(), "CRC-32", lambda _: ())
    if _is_zlib(view):
        return _unpacked("zlib", view, context, _Inflater(15), "Adler-32", _of_zlib)
    if _is_lzma(view):
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=MOST_MEMORY)
        return _unpacked("LZMA", view, context, unpacker, None, lambda _: ())
    for magic, name in _NAMED_ONLY.items():
        if begin == magic:
            return Inner(name, (unverifiable("opaque: not unpacked"),))
    return None


def _of_gzip(view: View) -> _Coverage:
    """Neither the header's time and names nor the bits that fill the last octet are covered."""
    if view.peek(3, 4) != b"\0":
        return lambda end: ((end - 8, end),)
    return lambda end: ((0, 3), (GZIP_HEADER, end - 9), (end - 8, end))


def _of_zlib(end: int) -> Ranges:
    """Its beginning tells that it is one; the bits that fill the last octet are not covered."""
    return ((TOLD_BY, end - 5), (max(TOLD_BY, end - 4), end))


_NAMED_ONLY: Final = {
    bytes.fromhex("04224d18"): "LZ4",
    bytes.fromhex("28b52ffd"): "Zstandard",
    b"PK\x03\x04": "ZIP",
}
_ZLIB_HEADS: Final = {b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"}


def _is_zlib(view: View) -> bool:
    if view.peek(0, 2) not in _ZLIB_HEADS:
        return False
    begin = view.peek(0, min(TOLD_BY, view.size))
    try:
        out = zlib.decompressobj().decompress(begin, STEP)
    except zlib.error:
        return False
    return len(out) >= len(begin) // 2


def _is_lzma(view: View) -> bool:
    """Properties, a size of dictionary that tools choose, and content that can be unpacked."""
    begin = view.peek(0, min(view.size, 1 << 12))
    if len(begin) < 64 or begin[0] != LZMA_PROPERTIES or int.from_bytes(begin[1:5], "little") not in LZMA_DICTIONARIES:
        return False
    try:
        out = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=MOST_MEMORY).decompress(begin, STEP)
    except lzma.LZMAError:
        return False
    return len(out) >= 64


def _unpacked(
    name: str, view: View, context: Context, unpacker: _Unpacker, check: str | None, coverage: _Coverage
) -> Inner:
    if context.depth >= MOST_DEPTH:
        return Inner(name, (unverifiable("wrapped too often to be looked into"),))
    found: list[_Unpacked] = []
    judged = _unpack_check(view, f"{name} stream", unpacker, check, coverage, found)
    if not found:
        return Inner(name, (judged,))
    return Inner(name, (judged,), Octets(found[0].begin).view(), in_file=False)


def _unpack_check(
    view: View, name: str, unpacker: _Unpacker, check: str | None, coverage: _Coverage, found: list[_Unpacked]
) -> Judgement:
    """Unpacks everything; what came out goes into `found`."""

    @checked(name)
    def unpack(view: View) -> Judgement:
        result = _unpack(unpacker, bytes(view.take(0, view.size)))
        found.append(result)
        what = f"{result.end:,} octets unpack to {result.octets:,}{behind(view, result.end)}"
        if check is None:
            return Judgement(name, "unknown", f"{what}; it carries no check")
        covers = tuple(view.span(start, end) for start, end in coverage(result.end) if start < end)
        return Judgement(name, "valid", f"{what}; {check} holds", covers)

    try:
        return unpack(view)
    except _TooMuchError:
        return Judgement(name, "unknown", f"it unpacks to more than {MOST_UNPACKED:,} octets, which was given up")
    except MemoryError:
        return Judgement(name, "unknown", "unpacking it takes more memory than is allowed")
    except _ERRORS as error:
        if "emory" in str(error):
            return Judgement(name, "unknown", "unpacking it takes more memory than is allowed")
        return Judgement(name, "invalid", f"cannot be unpacked: {str(error) or type(error).__name__}")


XZ: Final = InnerFormat(
    name="XZ",
    vendors="Third Reality and others",
    signature="`fd 37 7a 58 5a 00` at the start",
    checks=(
        "XZ stream: its CRC-32s, and the CRC-32, CRC-64 or SHA-256 of the content; padding is not covered",
        "XZ SHA-256: of the stream, in 32 octets behind it (Third Reality)",
    ),
    limitations=f"Content of more than {MOST_UNPACKED >> 20} MiB is not unpacked.",
    source="The .xz file format 1.2; all 30 files of a survey of 1,242 hold",
    read=read_xz,
)
OTHERS: Final = InnerFormat(
    name="compressed",
    vendors="any",
    signature="those of gzip, bzip2, zlib, LZMA, LZ4, Zstandard, ZIP; zlib and LZMA only if their beginning unpacks",
    checks=("gzip, bzip2 and zlib stream: the CRC-32 or Adler-32 of the content", "LZMA stream: unpacks, no check"),
    limitations="LZ4, Zstandard and ZIP are named only. "
    f"Content of more than {MOST_UNPACKED >> 20} MiB is not unpacked.",
    source="RFC 1950, RFC 1952, bzip2 and LZMA formats",
    read=read_others,
)
