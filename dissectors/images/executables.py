"""Files that tools make and that nobody should ship inside an OTA file: ELF, Intel HEX, S-records, U-Boot images."""

import zlib
from collections.abc import Callable
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

ELF_MAGIC: Final = b"\x7fELF"
UBOOT_MAGIC: Final = bytes.fromhex("27051956")
UBOOT_HEADER: Final = 64
HEX_DIGITS: Final = b"0123456789ABCDEFabcdef"
LARGEST_TEXT: Final = 16 << 20
_HEX: Final = "Intel HEX checksums"
_SREC: Final = "S-record checksums"
_UBOOT_HEADER: Final = "U-Boot header CRC-32"
_UBOOT_DATA: Final = "U-Boot data CRC-32"


def read(view: View, _context: Context) -> Inner | None:
    begin = view.peek(0, 16)
    if begin[:4] == ELF_MAGIC:
        return Inner("ELF", (unverifiable("it carries no check"),))
    if near(begin[:4], UBOOT_MAGIC):
        return Inner("U-Boot image", (_uboot_header(view), _uboot_data(view)))
    if begin[:1] == b":" and len(begin) == 16 and all(octet in HEX_DIGITS for octet in begin[1:9]):
        return Inner("Intel HEX", (_records(view, _HEX, _ends_intel_hex),))
    if begin[:2] in {b"S0", b"S1", b"S2", b"S3"} and len(begin) == 16 and all(one in HEX_DIGITS for one in begin[2:12]):
        return Inner("S-records", (_records(view, _SREC, _ends_s_records),))
    return None


@checked(_UBOOT_HEADER)
def _uboot_header(view: View) -> Judgement:
    header = bytearray(view.take(0, UBOOT_HEADER))
    told = int.from_bytes(header[4:8], "big")
    header[4:8] = bytes(4)
    return compared(_UBOOT_HEADER, "CRC-32 of 64 octets", told, zlib.crc32(header), (view.span(0, UBOOT_HEADER),))


@checked(_UBOOT_DATA)
def _uboot_data(view: View) -> Judgement:
    end = UBOOT_HEADER + view.u32(12, "big")
    what = f"CRC-32 of {end - UBOOT_HEADER:,} octets{behind(view, end)}"
    covers = (view.span(UBOOT_HEADER, end), view.span(24, 28))
    return compared(_UBOOT_DATA, what, view.u32(24, "big"), zlib.crc32(view.take(UBOOT_HEADER, end)), covers)


def _records(view: View, name: str, ends: Callable[[bytes], bool | None]) -> Judgement:
    """Every line of a text is a record that `ends` takes. Vouches for no octets: upper and lower case differ in a bit
    and not in meaning.
    """

    @checked(name)
    def check(view: View) -> Judgement:
        if view.size > LARGEST_TEXT:
            return Judgement(name, "unknown", f"more than {LARGEST_TEXT:,} octets of text")
        records = bytes(view.take(0, view.size)).split()
        for number, record in enumerate(records, 1):
            last = ends(record)
            if last is None:
                raise BrokenError(f"record {number:,} is none, or its sum is wrong")
            if last:
                return Judgement(name, "valid", f"{number:,} records, up to the one that ends the file")
        raise BrokenError(f"{len(records):,} records, and none ends the file")

    return check(view)


def _ends_intel_hex(record: bytes) -> bool | None:
    """Whether it is the last record, of type 1; `None`: it is none, or does not add up to 0."""
    octets = _octets(record[1:])
    if record[:1] != b":" or len(octets) < 5 or len(octets) != octets[0] + 5 or sum(octets) % 256:
        return None
    return octets[3] == 1


def _ends_s_records(record: bytes) -> bool | None:
    """Whether it is the last record, S7, S8 or S9; `None`: it is none, or does not add up to FF."""
    octets = _octets(record[2:])
    if record[:1] != b"S" or len(octets) < 3 or len(octets) != octets[0] + 1 or sum(octets) % 256 != 0xFF:
        return None
    return record[1:2] in {b"7", b"8", b"9"}


def _octets(digits: bytes) -> bytes:
    """Nothing if they are no hexadecimal digits."""
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


FORMAT: Final = InnerFormat(
    name="executables",
    vendors="any",
    signature="`7f 45 4c 46` (ELF), `27 05 19 56` (U-Boot), `:` or `S0` to `S3` and hexadecimal digits",
    checks=(
        "U-Boot header CRC-32, U-Boot data CRC-32",
        "Intel HEX checksums: each record adds up to 0, and one ends the file",
        "S-record checksums: each record adds up to FF, and one ends the file",
    ),
    limitations="ELF is named only.",
    source="ELF specification; Intel's hexadecimal object file format; Motorola's S-record format; U-Boot's image.h; "
    "none in the survey",
    read=read,
)
