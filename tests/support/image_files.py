"""Small images of every format, put together from the formats' descriptions and not with the code under test."""

import bz2
import gzip
import hashlib
import lzma
import random
import struct
import zlib

from hanscope.dissectors.images.ota_file import build_ota_file

MANUFACTURER, IMAGE_TYPE, FILE_VERSION = 0x1168, 0x0123, 0x01020304
_chance = random.Random(20)
CODE = bytes(_chance.choice(b"\x00\x10\x20\x46\x68\xb5\xbd\xf0\xff\x01\x02\x03") for _ in range(3000))
"""What looks like code: not evenly spread."""
RANDOM = _chance.randbytes(3000)


def ota(*values: bytes, tag: int = 0x0000, manufacturer: int = MANUFACTURER, body: bytes = b"") -> bytes:
    return build_ota_file(
        manufacturer_code=manufacturer,
        image_type=IMAGE_TYPE,
        file_version=FILE_VERSION,
        elements=[(tag, value) for value in values],
        body=body,
    )


def u16(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}H", *numbers)


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def gbl3(*, flags: int = 0, tags: tuple[tuple[int, bytes], ...] = ((0xFE0101FE, u32(0x4000) + CODE),)) -> bytes:
    octets = bytes.fromhex("eb17a603") + u32(8, 0x03000000, flags)
    octets += b"".join(u32(tag, len(data)) + data for tag, data in tags)
    octets += bytes.fromhex("fc0404fc04000000")
    return octets + u32(zlib.crc32(octets))


def gbl4() -> bytes:
    inner = u32(0x2B03032B, 4, 7) + u32(0x3B02023B, len(CODE)) + CODE
    return bytes.fromhex("eb17a684") + u32(len(inner)) + inner


def ebl(*, encrypted: bool = False) -> bytes:
    if encrypted:
        octets = bytes.fromhex("fb05 0006 0201 0001 e350 fa06 0010") + RANDOM[:16] + bytes.fromhex("f907 0800")
        octets += RANDOM[:0x800]
    else:
        octets = bytes.fromhex("0000 008c 0202 e350 00400040") + bytes(132) + bytes.fromhex("fe01 0804 00004000")
        octets += CODE[:0x800]
    octets += bytes.fromhex("fc040004")
    return (octets + u32(zlib.crc32(octets))).ljust(2496, b"\xff")


def telink(*, mark: int = 8) -> bytes:
    octets = bytearray(CODE)
    octets[mark : mark + 4] = b"KNLT"
    octets[0x18:0x1C] = u32(len(octets) + 4)
    return bytes(octets) + u32(zlib.crc32(octets) ^ 0xFFFFFFFF)


def telink_encrypted() -> bytes:
    body = bytes.fromhex("00f0") + u32(2048) + b"\x01\x0c" + RANDOM[:2048]
    return ota(body=body)


def ti_oad(*, chip: bytes = b"CC26x2R1", length: int | None = None, content: bytes = CODE) -> bytes:
    header = bytes.fromhex("0301f7ffffff0700ffffffff") + u32(44 + len(content) if length is None else length)
    covered = header + bytes(16) + content
    return chip + u32(zlib.crc32(covered)) + covered


def ti_8051() -> bytes:
    octets = bytearray(b"\xff" * 0x98 + CODE)
    for vector in (0x00, 0x03, 0x2B, 0x43, 0x7B):
        octets[vector : vector + 3] = b"\x02\x12\x34"
    octets[0x8C:0x98] = u32(len(octets)) + u16(MANUFACTURER, IMAGE_TYPE) + u32(FILE_VERSION)
    crc = 0
    for at, octet in enumerate(octets):
        if 0x88 <= at < 0x8C:
            continue
        for bit in range(7, -1, -1):
            high = crc & 0x8000
            crc = (crc << 1 | octet >> bit & 1) & 0xFFFF
            crc ^= 0x1021 if high else 0
    octets[0x88:0x8A] = u16(crc)
    return bytes(octets)


def nxp(*, encrypted: bool = False) -> bytes:
    content = RANDOM if encrypted else CODE
    words = [0x040101B8, 0x201, 0x223, 0x9211, 0x9229, 0x9219, 0x9221]
    end = 64 + len(content)
    octets = u32(*words, -sum(words) % 2**32, 0x98447902, end) + bytes(24) + content
    return octets + (RANDOM[:32] if encrypted else u32(0xBB0110BB) + bytes(28))


def jn516x() -> bytes:
    header = bytes.fromhex("123456781122334455667788 0801") + bytes(18) + struct.pack(">I", 80 + len(CODE))
    return header + bytes(80 - len(header)) + CODE


def hue() -> bytes:
    head = b"\x2a\x00" + struct.pack(">H", IMAGE_TYPE) + b"\x00" + bytes(range(8))
    return head + (len(RANDOM)).to_bytes(3, "big") + RANDOM + bytes(64 - len(head) - 3)


def osram() -> bytes:
    return bytes(8) + u32(32 + len(CODE) - 32) + bytes(16) + b"LVRM" + CODE


def xz(content: bytes = CODE, check: int = lzma.CHECK_CRC32) -> bytes:
    return lzma.compress(content, check=check)


def bouffalo() -> bytes:
    flash, clock = bytes(range(84)), bytes(range(8))
    octets = b"BFNP" + u32(1) + b"FCFG" + flash + u32(zlib.crc32(flash)) + b"PCFG" + clock + u32(zlib.crc32(clock))
    return octets + bytes(176 - len(octets)) + CODE


def esp_idf() -> bytes:
    first, second = bytes.fromhex("3254cdab") + CODE[:1000], CODE[:501]
    octets = b"\xe9\x02\x02\x1f" + u32(0x40800000) + bytes(15) + b"\x01"
    octets += u32(0x42000020, len(first)) + first + u32(0x40800000, len(second)) + second
    checksum = 0xEF
    for octet in first + second:
        checksum ^= octet
    octets += bytes(15 - len(octets) % 16) + bytes([checksum])
    return octets + hashlib.sha256(octets).digest()


def mcuboot(*, flags: int = 0, content: bytes = CODE) -> bytes:
    header = u32(0x96F3B83D, 0) + u16(32, 0) + u32(len(content), flags) + bytes(12)
    digest = hashlib.sha256(header + CODE).digest()
    return header + content + u16(0x6907, 4 + 4 + 32) + u16(0x10, 32) + digest


def memory_area(content: bytes) -> bytes:
    return u32(0x1000, len(content)) + content + b"\x5a"


def uboot() -> bytes:
    header = struct.pack(">7I", 0x27051956, 0, 1, len(CODE), 0, 0, zlib.crc32(CODE)) + bytes(36)
    return header[:4] + struct.pack(">I", zlib.crc32(header)) + header[8:] + CODE


def intel_hex() -> bytes:
    lines: list[str] = []
    for at in range(0, 1600, 16):
        record = bytes([16]) + struct.pack(">H", at) + b"\x00" + CODE[at : at + 16]
        lines.append(f":{record.hex().upper()}{-sum(record) % 256:02X}")
    return ("\r\n".join([*lines, ":00000001FF"]) + "\r\n").encode()


def png() -> bytes:
    rows = b"".join(b"\0" + RANDOM[16 * row : 16 * row + 16] for row in range(16))
    octets = bytes.fromhex("89504e470d0a1a0a")
    for kind, data in (
        (b"IHDR", struct.pack(">2I5B", 16, 16, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        octets += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return octets


def cortex_m(prefix: bytes = b"") -> bytes:
    return prefix + u32(0x20008000, 0x08004101, 0x08004111, 0x08004121, 0x08004131) + CODE


def ngis(file: bytes, block: int = 512) -> bytes:
    blocks = [file[at : at + block] for at in range(0, len(file), block)]
    offset = 40 + 32 * len(blocks)
    fields = u32(12, 2010, offset - 12, offset, len(file), offset + len(file), 11, block, len(blocks))
    return b"NGIS" + fields + b"".join(hashlib.sha256(one).digest() for one in blocks) + file + RANDOM[:512]


def legrand(file: bytes) -> bytes:
    return u32(len(file)) + file + RANDOM[:17]


def third_reality(file: bytes) -> bytes:
    rest = bytes(88) + file
    return hashlib.sha512(rest).digest() + rest


CONTENTS = {
    "GBL 3, plain": gbl3(),
    "GBL 3, encrypted": gbl3(flags=1, tags=((0xFB0505FB, b""), (0xFA0606FA, RANDOM[:16]), (0xF90707F9, RANDOM))),
    "GBL 3, signed": gbl3(flags=0x100, tags=((0xFE0101FE, CODE), (0xF70A0AF7, RANDOM[:64]))),
    "GBL 3, encrypted and signed": gbl3(flags=0x101, tags=((0xF90707F9, RANDOM), (0xF70A0AF7, RANDOM[:64]))),
    "GBL 3, LZMA": gbl3(tags=((0xFD0707FD, u32(0x4000) + RANDOM),)),
    "GBL 4": gbl4(),
    "EBL, plain": ebl(),
    "EBL, encrypted": ebl(encrypted=True),
    "Telink, plain": telink(),
    "EBL, plain + EBL, plain": ebl() + ebl(),
    "TI OAD, CC26x2R1": ti_oad(),
    "TI OAD, CC13x2R1, packed": ti_oad(chip=b"CC13x2R1", length=9000, content=RANDOM),
    "8051 code (CC253x), with TI preamble": ti_8051(),
    "NXP JN518x/K32W, plain": nxp(),
    "NXP JN518x/K32W, encrypted": nxp(encrypted=True),
    "JN516x/JN517x": jn516x(),
    "JN516x/JN517x, words swapped": bytes.fromhex("785634124433221188776655") + CODE,
    "Hue SBL": hue(),
    "OSRAM (TI), plain": osram(),
    "XZ > text": xz(b"nothing to see here, move along. " * 100),
    "XZ > Bouffalo boot image": xz(bouffalo(), lzma.CHECK_SHA256),
    "Bouffalo boot image": bouffalo(),
    "gzip > Telink, plain": gzip.compress(telink(), mtime=0),
    "bzip2 > Telink, plain": bz2.compress(telink()),
    "zlib > ESP-IDF application": zlib.compress(esp_idf()),
    "LZMA > Telink, plain": lzma.compress(telink(), format=lzma.FORMAT_ALONE),
    "LZ4": bytes.fromhex("04224d18") + RANDOM,
    "Zstandard": bytes.fromhex("28b52ffd") + RANDOM,
    "ZIP": b"PK\x03\x04" + RANDOM,
    "ESP-IDF application": esp_idf(),
    "MCUboot": mcuboot(),
    "MCUboot, encrypted": mcuboot(flags=4, content=RANDOM),
    "nested OTA file > Telink, plain": memory_area(ota(telink())),
    "nested OTA file > opaque: encrypted or compressed": memory_area(ota(body=RANDOM)),
    "nested OTA file > GBL 3, plain": ota(gbl3()),
    "memory area > opaque: encrypted or compressed": memory_area(RANDOM),
    "dresden elektronik, encrypted": memory_area(bytes.fromhex("edfefeca") + RANDOM),
    "ubisys FRS0": b"FRS0" + RANDOM,
    "PNG picture": png(),
    "ELF": b"\x7fELF\x01\x01\x01" + bytes(9) + CODE,
    "U-Boot image": uboot(),
    "Intel HEX": intel_hex(),
    "S-records": b"S00600004844521B\r\n" + b"S1130000285F245F2212226A000424290008237C2A\r\n" * 40 + b"S9030000FC\r\n",
    "Arm Cortex-M code": cortex_m(),
    "Arm Cortex-M code behind 16 octets": cortex_m(RANDOM[:16]),
    "AVR code": bytes.fromhex("0c948000") + bytes.fromhex("0c940000") * 24 + CODE,
    "opaque: encrypted or compressed": RANDOM,
    "opaque: plain code or data": CODE,
    "filler": b"\xff" * 2000,
    "text": b"nothing to see here, move along. " * 100,
    "opaque": b"few",
}
"""Content of an Upgrade image element by the name of its format."""
CONTAINERS = {
    "IKEA NGIS": ngis(ota(gbl3())),
    "Legrand": legrand(ota(gbl3())),
    "Third Reality": third_reality(ota(gbl3())),
    "trailing CRC-32": ota(gbl3()) + u32(zlib.crc32(ota(gbl3()))),
}
