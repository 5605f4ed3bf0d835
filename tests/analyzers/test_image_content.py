"""Every format of content: told by what it is, checked by its own rules, never believed beyond them."""

import binascii
import lzma
import random
import subprocess
import sys
import time
import zlib
from hashlib import sha256

import image_files
import pytest
from msgspec.structs import replace

from hanscope.analyzers.images import examine
from hanscope.analyzers.results import Image
from hanscope.dissectors.images import compressed
from hanscope.dissectors.images.format import Context
from hanscope.dissectors.images.octets import Octets
from hanscope.dissectors.images.registry import FORMATS, recognise
from hanscope.dissectors.images.tags import MOST_TAGS

FILES = {name: image_files.ota(content) for name, content in image_files.CONTENTS.items()}
FILES["Telink, encrypted"] = image_files.telink_encrypted()
ALL = {**FILES, **image_files.CONTAINERS}
VALID = {
    "GBL 3, plain": "GBL CRC-32",
    "GBL 3, encrypted": "GBL CRC-32",
    "GBL 3, signed": "GBL CRC-32",
    "GBL 3, encrypted and signed": "GBL CRC-32",
    "GBL 3, LZMA": "GBL CRC-32",
    "GBL 4": "GBL 4 container",
    "EBL, plain": "EBL CRC-32",
    "EBL, encrypted": "EBL CRC-32",
    "EBL, plain + EBL, plain": "EBL CRC-32 of what is behind",
    "Telink, plain": "Telink CRC-32",
    "TI OAD, CC26x2R1": "OAD CRC-32",
    "8051 code (CC253x), with TI preamble": "TI CRC-16",
    "NXP JN518x/K32W, plain": "NXP vector checksum",
    "JN516x/JN517x": "JN516x length",
    "Hue SBL": "Hue record length",
    "OSRAM (TI), plain": "OSRAM length",
    "XZ > text": "XZ stream",
    "XZ > Bouffalo boot image": "Bouffalo flash configuration CRC-32",
    "gzip > Telink, plain": "gzip stream",
    "bzip2 > Telink, plain": "bzip2 stream",
    "zlib > ESP-IDF application": "ESP SHA-256",
    "LZMA > Telink, plain": "Telink CRC-32",
    "ESP-IDF application": "ESP SHA-256",
    "MCUboot": "MCUboot hash",
    "nested OTA file > Telink, plain": "nested OTA file",
    "nested OTA file > GBL 3, plain": "nested OTA file",
    "U-Boot image": "U-Boot data CRC-32",
    "PNG picture": "PNG CRC-32",
    "Intel HEX": "Intel HEX checksums",
    "S-records": "S-record checksums",
}
STRUCTURE = {"magic", "header", "total size", "elements"}


def outcomes(image: Image) -> dict[str, str]:
    return {check.name: check.outcome for check in image.checks}


def detail(image: Image, name: str) -> str:
    return next(check.detail for check in image.checks if check.name == name)


def flipped(octets: bytes, at: int, bit: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1 << bit]) + octets[at + 1 :]


@pytest.mark.parametrize("name", FILES)
def test_content_is_recognised(name: str) -> None:
    image = examine(FILES[name])
    assert image.inner_format == name
    assert image.elements[0].format == name
    assert "invalid" not in outcomes(image).values()


@pytest.mark.parametrize(("name", "check"), VALID.items())
def test_check_of_good_content_is_valid(name: str, check: str) -> None:
    assert outcomes(examine(FILES[name]))[check] == "valid"


@pytest.mark.parametrize("name", [name for name in FILES if name not in VALID])
def test_content_without_a_check_is_unknown(name: str) -> None:
    found = outcomes(examine(FILES[name]))
    # LZMA's and the boot block's are there, but say less than valid.
    assert {outcome for check, outcome in found.items() if check not in STRUCTURE} <= {"unknown", "valid"}
    assert "unknown" in {found.get("content"), found.get("LZMA stream"), found.get("OAD CRC-32")}


@pytest.mark.parametrize("name", ALL)
def test_flipped_bit_under_a_check_makes_it_invalid(name: str) -> None:
    chance = random.Random(name)
    octets = ALL[name]
    for check in examine(octets).checks:
        for start, end in check.covers:
            places = {start, end - 1, *(chance.randrange(start, end) for _ in range(30))}
            for at in places:
                image = examine(flipped(octets, at, chance.randrange(8)))
                assert outcomes(image).get(check.name) == "invalid", (check.name, at)


@pytest.mark.parametrize("name", ALL)
def test_no_bit_at_all_makes_an_exception(name: str) -> None:
    chance = random.Random(name)
    for _ in range(60):
        octets = bytearray(ALL[name])
        for _ in range(chance.choice([1, 1, 3, 20])):
            octets[chance.randrange(min(len(octets), chance.choice([80, 200, 5000])))] = chance.randrange(256)
        image = examine(bytes(octets))
        assert {check.outcome for check in image.checks} <= {"valid", "invalid", "unknown"}


@pytest.mark.parametrize("name", ALL)
def test_every_truncation_is_told_and_none_raises(name: str) -> None:
    octets = ALL[name]
    for length in {*range(min(200, len(octets))), *range(200, len(octets), 61)}:
        found = outcomes(examine(octets[:length]))
        assert "invalid" in found.values()
        assert found.get("total size") in {"invalid", None}


@pytest.mark.parametrize("name", ALL)
def test_holes_leave_checks_unknown(name: str) -> None:
    chance = random.Random(name)
    octets = ALL[name]
    for _ in range(40):
        start = chance.randrange(len(octets))
        end = min(len(octets), start + chance.choice([1, 8, 300]))
        lost = bytearray(octets)
        lost[start:end] = bytes(end - start)
        assert "invalid" not in outcomes(examine(bytes(lost), missing=[(start, end)])).values()


def test_every_check_covers_octets_of_the_file() -> None:
    for octets in ALL.values():
        for check in examine(octets).checks:
            assert all(0 <= start < end <= len(octets) for start, end in check.covers)


def test_every_format_is_met_by_these_tests() -> None:
    met = {known.name for known, _ in (recognise(Octets(c).view(), Context()) for c in image_files.CONTENTS.values())}
    beside = {"manufacturers' elements", "Hue SBL", "8051 code (CC253x)"}  # they need the OTA header
    assert met | beside == {known.name for known in FORMATS}


# Containers


@pytest.mark.parametrize("name", image_files.CONTAINERS)
def test_containers(name: str) -> None:
    image = examine(image_files.CONTAINERS[name])
    assert image.container == name
    assert image.inner_format == "GBL 3, plain"
    assert {outcome for check, outcome in outcomes(image).items() if check not in {"integrity code", "signature"}} == {
        "valid"
    }


def test_hashes_of_the_ikea_container_tell_which_block_is_damaged() -> None:
    octets = image_files.CONTAINERS["IKEA NGIS"]
    offset = examine(octets).header_offset
    image = examine(flipped(octets, offset + 1030, 3))
    assert outcomes(image)["container hashes"] == "invalid"
    assert f"1 of 7 SHA-256 are not those of their blocks (at octet {offset + 1024:,})" in detail(
        image, "container hashes"
    )


# What is vouched for


def test_vouched_octets_are_those_of_hashes_and_not_of_fields() -> None:
    gbl = image_files.CONTENTS["GBL 3, plain"]
    assert examine(FILES["GBL 3, plain"]).vouched_octets == len(gbl)
    assert examine(FILES["Hue SBL"]).vouched_octets == 0
    assert examine(FILES["opaque: plain code or data"]).vouched_octets == 0
    whole = examine(image_files.CONTAINERS["trailing CRC-32"])
    assert whole.header is not None
    assert whole.vouched_octets == whole.header.total_image_size


def test_unpacked_content_vouches_for_no_octets_of_the_file() -> None:
    checks = {check.name: check for check in examine(FILES["LZMA > Telink, plain"]).checks}
    assert checks["LZMA stream"].outcome == "unknown"
    assert checks["Telink CRC-32"].outcome == "valid"
    assert checks["Telink CRC-32"].covers == ()


# Several elements


def test_several_elements_with_one_kind_of_check_are_valid_only_together() -> None:
    good, bad = image_files.telink(), flipped(image_files.telink(), 100, 1)
    image = examine(image_files.ota(good, good))
    assert [element.format for element in image.elements] == ["Telink, plain"] * 2
    assert outcomes(image)["Telink CRC-32"] == "valid"
    assert detail(image, "Telink CRC-32").endswith("(in 2 elements)")
    image = examine(image_files.ota(good, bad))
    assert outcomes(image)["Telink CRC-32"] == "invalid"
    assert detail(image, "Telink CRC-32").endswith("(element 1)")


def test_content_behind_the_elements_is_named_too() -> None:
    second = image_files.CONTENTS["AVR code"]
    image = examine(image_files.ota(image_files.gbl3(), body=second))
    assert image.inner_format == "GBL 3, plain + AVR code"
    assert outcomes(image)["elements"] == "invalid"
    assert outcomes(image)["GBL CRC-32"] == "valid"


def test_content_of_a_cut_element_is_named() -> None:
    image = examine(image_files.ota(image_files.gbl3())[:1000])
    assert image.inner_format == "GBL 3, plain, cut off"
    assert outcomes(image)["GBL CRC-32"] == "invalid"
    assert "right behind the header" not in detail(image, "elements")


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "the file is empty"),
        (
            image_files.gbl3(),
            "eb 17 a6 03: GBL 3, plain, without the OTA file that it would come in; 1e f1 ee 0b is not",
        ),
        (bytes.fromhex("0a0d0d0a") * 9, "begins with 0a 0d 0d 0a: a capture; `hanscope analyze` reads those"),
        (b"%PDF-1.4" * 999, "begins with 25 50 44 46; 1e f1 ee 0b is not in its first 4,096 octets"),
    ],
)
def test_what_is_no_ota_file_is_told_by_what_it_is(octets: bytes, told: str) -> None:
    image = examine(octets)
    assert image.header is None
    assert told in str(image.error)


def test_octets_too_few_for_an_element_are_no_content() -> None:
    image = examine(image_files.ota(image_files.gbl3(), body=b"abc"))
    assert outcomes(image)["elements"] == "invalid"
    assert image.inner_format == "GBL 3, plain"


def test_telink_of_the_newer_chips() -> None:
    octets = image_files.ota(image_files.telink(mark=0x20))
    image = examine(octets)
    assert image.inner_format == "Telink, plain"
    assert outcomes(image)["Telink CRC-32"] == "valid"
    assert outcomes(examine(flipped(octets, 62 + 0x20, 0)))["Telink CRC-32"] == "invalid"


def test_lzma_that_tells_its_size_and_has_a_small_dictionary() -> None:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 14}]
    packed = bytearray(lzma.compress(image_files.telink(), format=lzma.FORMAT_ALONE, filters=filters))
    packed[5:13] = len(image_files.telink()).to_bytes(8, "little")
    assert examine(image_files.ota(bytes(packed))).inner_format == "LZMA > Telink, plain"


def test_sums_of_s_records() -> None:
    octets = image_files.CONTENTS["S-records"]
    assert (
        outcomes(examine(image_files.ota(octets.replace(b"7C2A\r", b"7C2B\r", 1))))["S-record checksums"] == "invalid"
    )
    without_end = octets[: octets.index(b"S9")]
    assert "none ends the file" in detail(examine(image_files.ota(without_end)), "S-record checksums")


def test_a_nested_file_of_another_size_than_its_element() -> None:
    inner = image_files.ota(image_files.gbl3())
    behind = examine(image_files.ota(inner + bytes(5)))
    assert outcomes(behind)["nested OTA file"] == "unknown"
    assert "5 octets follow it that nothing explains" in detail(behind, "nested OTA file")
    assert outcomes(examine(image_files.ota(inner[:-5])))["nested OTA file"] == "invalid"


def test_content_right_behind_the_header_is_named() -> None:
    image = examine(image_files.ota(body=image_files.esp_idf()))
    assert image.layout == "opaque"
    assert image.inner_format == "ESP-IDF application"
    assert outcomes(image)["ESP SHA-256"] == "valid"
    assert detail(image, "elements").endswith("right behind the header stands: ESP-IDF application")


def test_elements_of_manufacturers_have_names() -> None:
    image = examine(image_files.ota(bytes(64), tag=0xF002, manufacturer=0x1246))
    assert image.elements[0].name == "Danfoss, 64 octets (a signature by its size; UNCONFIRMED)"
    image = examine(image_files.ota(bytes(64), tag=0xF002))
    assert image.elements[0].name == "Manufacturer specific"


def test_osram_record() -> None:
    record = b"\x01\x00\x00\x00"
    octets = record + (zlib.crc32(record, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "little")
    assert octets.hex() == "010000006567bcb8"  # as in a real file
    image = examine(image_files.ota(octets, tag=0xFF46, manufacturer=0x110C))
    assert image.inner_format == "OSRAM record"
    assert outcomes(image)["OSRAM CRC-32"] == "valid"
    for at in range(64):
        changed = flipped(octets, at // 8, at % 8)
        damaged = examine(image_files.ota(changed, tag=0xFF46, manufacturer=0x110C))
        assert outcomes(damaged)["OSRAM CRC-32"] == "invalid"
    # Other elements may end otherwise.
    other = examine(image_files.ota(bytes(range(20)), tag=0xFF46, manufacturer=0x110C))
    assert outcomes(other)["OSRAM CRC-32"] == "unknown"


# Formats' oddities


def test_padding_behind_an_image_is_told_and_not_covered() -> None:
    image = examine(image_files.ota(image_files.gbl3() + b"\xff\xff"))
    assert outcomes(image)["GBL CRC-32"] == "valid"
    assert "behind it, not covered: 2 octets of 0xff" in detail(image, "GBL CRC-32")


def test_content_behind_an_image_is_named() -> None:
    image = examine(image_files.ota(image_files.ebl().rstrip(b"\xff") + image_files.telink()))
    assert image.inner_format == "EBL, plain + Telink, plain"
    assert outcomes(image)["EBL CRC-32"] == outcomes(image)["Telink CRC-32 of what is behind"] == "valid"
    many = examine(image_files.ota(image_files.gbl3() * 50))
    assert many.inner_format == " + ".join(["GBL 3, plain"] * 4)


def test_gbl_without_its_end_tag_is_invalid() -> None:
    image = examine(image_files.ota(image_files.gbl3()[:-12]))
    assert outcomes(image)["GBL CRC-32"] == "invalid"


def test_gbl_tag_that_nobody_knows_is_skipped() -> None:
    image = examine(image_files.ota(image_files.gbl3(tags=((0x12345678, b"new"), (0xFE0101FE, image_files.CODE)))))
    assert outcomes(image)["GBL CRC-32"] == "valid"


def test_ti_image_of_another_ota_header_is_not_checked() -> None:
    name, inner = recognise(Octets(image_files.ti_8051()).view(), Context(manufacturer_code=1))
    assert (name.name, inner.name) == ("8051 code (CC253x)", "8051 code (CC253x)")
    assert [check.outcome for check in inner.checks] == ["unknown"]


def test_ti_crc_with_zero_bits_appended() -> None:
    octets = bytearray(image_files.ti_8051())
    octets[0x88:0x8A] = binascii.crc_hqx(octets[:0x88] + octets[0x8C:], 0).to_bytes(2, "little")
    image = examine(image_files.ota(bytes(octets)))
    assert "with 16 zero bits appended" in detail(image, "TI CRC-16")
    octets[0x88:0x8A] = b"\xff\xff"
    assert outcomes(examine(image_files.ota(bytes(octets))))["TI CRC-16"] == "unknown"


def test_ti_length_of_something_else_is_unknown() -> None:
    image = examine(image_files.ota(image_files.ti_8051() + bytes(100)))
    assert outcomes(image)["TI CRC-16"] == "unknown"


def test_gbl_says_what_it_holds() -> None:
    application = image_files.u32(1, 0x01020304, 0) + bytes(16)
    octets = image_files.gbl3(tags=((0xF40A0AF4, application), (0xFE0101FE, b"a" * 9), (0xFE0101FE, b"b" * 9)))
    told = detail(examine(image_files.ota(octets)), "GBL CRC-32")
    assert "(application of version 0x01020304, program x 2)" in told


def test_oad_length_that_is_wrong_over_plain_content_is_invalid() -> None:
    image = examine(image_files.ota(image_files.ti_oad(length=9000)))
    assert outcomes(image)["OAD CRC-32"] == "invalid"


def test_sha256_behind_an_xz_stream() -> None:
    stream = image_files.xz()
    image = examine(image_files.ota(stream + sha256(stream).digest()))
    assert outcomes(image)["XZ SHA-256"] == "valid"
    assert "XZ SHA-256" not in outcomes(examine(image_files.ota(stream)))
    assert outcomes(examine(image_files.ota(stream + bytes(32))))["XZ SHA-256"] == "unknown"


def test_boot_block_that_is_elsewhere_is_unknown() -> None:
    octets = bytearray(image_files.nxp())
    octets[36:40] = image_files.u32(64)
    assert outcomes(examine(image_files.ota(bytes(octets))))["NXP boot block"] == "unknown"


@pytest.mark.parametrize(("behind", "outcome"), [(0, "valid"), (64, "valid"), (5, "unknown")])
def test_octets_behind_a_nested_file(behind: int, outcome: str) -> None:
    """64 in a captured transfer of Legrand's: head 223,056, nested file 222,992, element 223,065 octets."""
    octets = image_files.memory_area(image_files.ota(image_files.telink()) + image_files.RANDOM[:behind])
    image = examine(image_files.ota(octets))
    assert image.inner_format == "nested OTA file > Telink, plain"
    assert outcomes(image)["nested OTA file"] == outcome
    assert outcomes(image)["Telink CRC-32"] == "valid"


def test_nested_file_that_is_longer_than_its_place_is_invalid() -> None:
    nested = image_files.ota(image_files.telink())
    octets = bytearray(image_files.memory_area(nested))
    octets[60:64] = image_files.u32(len(nested) + 1)
    assert outcomes(examine(image_files.ota(bytes(octets))))["nested OTA file"] == "invalid"


# Bombs


def bomb(octets: int) -> bytes:
    return lzma.compress(bytes(octets))


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(bomb(compressed.MOST_UNPACKED + 100_000), id="xz"),
        pytest.param(zlib.compress(bytes(compressed.MOST_UNPACKED + 100_000)), id="zlib"),
    ],
)
def test_bomb_is_given_up(packed: bytes) -> None:
    began = time.monotonic()
    image = examine(image_files.ota(packed))
    (name,) = [check for check in outcomes(image) if check.endswith("stream")]
    assert outcomes(image)[name] == "unknown"
    assert "given up" in detail(image, name)
    assert time.monotonic() - began < 5


def test_dictionary_that_is_too_large_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}]
    packed = lzma.compress(image_files.CODE, filters=filters)
    image = examine(image_files.ota(packed))
    assert outcomes(image)["XZ stream"] == "unknown"
    assert "memory" in detail(image, "XZ stream")


def test_many_packed_elements_are_not_all_unpacked() -> None:
    packed = image_files.xz(bytes(4_000_000))
    began = time.monotonic()
    image = examine(image_files.ota(*[packed] * 200))
    assert len(image.elements) == 200
    assert time.monotonic() - began < 5


def test_formats_within_formats_end_somewhere() -> None:
    octets = image_files.telink()
    for _ in range(20):
        octets = image_files.memory_area(image_files.ota(image_files.xz(octets)))
    image = examine(image_files.ota(octets))
    assert image.inner_format is not None
    assert len(image.inner_format) < 200


def test_formats_document_themselves() -> None:
    for known in FORMATS:
        for text in (known.name, known.vendors, known.signature, known.limitations, known.source, *known.checks):
            assert text
            assert text == text.strip()
        assert replace(known) == known


def test_analysis_without_an_image_imports_no_format() -> None:
    program = "import sys, hanscope.analyzers.analysis; print([m for m in sys.modules if '.dissectors.images' in m])"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tags_without_end_are_given_up() -> None:
    tags = ((0xFE0101FE, b""),) * (MOST_TAGS + 1)
    image = examine(image_files.ota(image_files.gbl3(tags=tags)))
    assert outcomes(image)["GBL CRC-32"] == "invalid"
    assert "no end tag among the first 5,000 tags" in detail(image, "GBL CRC-32")


def test_a_length_that_differs_is_wrong_only_if_one_bit_explains_it() -> None:
    content = bytes.fromhex("edfefeca") + image_files.RANDOM
    area = bytearray(image_files.memory_area(content))
    assert outcomes(examine(image_files.ota(bytes(area))))["length of the memory area"] == "valid"
    area[5] ^= 4
    assert outcomes(examine(image_files.ota(bytes(area))))["length of the memory area"] == "invalid"
    area[4] ^= 1
    assert outcomes(examine(image_files.ota(bytes(area))))["length of the memory area"] == "unknown"


@pytest.mark.parametrize("length", [8, 12, 20])
def test_clock_configurations_of_bouffalos_chips(length: int) -> None:
    octets = bytearray(image_files.bouffalo())
    octets[104 : 104 + length + 4] = bytes(range(length)) + zlib.crc32(bytes(range(length))).to_bytes(4, "little")
    name = "Bouffalo clock configuration CRC-32"
    assert outcomes(examine(image_files.ota(bytes(octets))))[name] == "valid"
    assert outcomes(examine(image_files.ota(flipped(bytes(octets), 104, 0))))[name] == "invalid"


def test_packed_content_that_was_not_captured_makes_no_crc_wrong() -> None:
    octets = FILES["TI OAD, CC13x2R1, packed"]
    image = examine(octets, missing=[(120, len(octets))])
    assert outcomes(image)["OAD CRC-32"] == "unknown"
    assert "were not captured" in detail(image, "OAD CRC-32")


def test_pictures_are_named_in_elements_for_pictures() -> None:
    for begin, name in ((b"\xff\xd8\xff\xe0", "JPEG picture"), (b"GIF89a", "GIF picture"), (b"BM", "BMP picture")):
        content = begin + image_files.RANDOM
        assert examine(image_files.ota(content, tag=4)).inner_format == name
        assert examine(image_files.ota(content)).inner_format == "opaque: encrypted or compressed"
