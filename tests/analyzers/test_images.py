import json
import random
import re
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import image_files
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from gbcs_parties import SIGNS, SUPPLIER, key_of, organisation, pem

from hanscope.analyzers.certificates import Certificates, read_certificates
from hanscope.analyzers.images import examine
from hanscope.analyzers.results import Image
from hanscope.dissectors.crypto.binary_curves import SECT163K1, SECT283K1
from hanscope.dissectors.crypto.mmo import mmo
from hanscope.dissectors.gbcs.crypto import sign
from hanscope.dissectors.images.elements import MOST_ELEMENTS
from hanscope.dissectors.images.gbcs import build_gb_image
from hanscope.dissectors.images.ota_file import Tag, build_element, build_ota_file

IDENTITY: dict[str, Any] = {"manufacturer_code": 0x1168, "image_type": 0x0001, "file_version": 0x01020304}
SIMPLE = build_ota_file(**IDENTITY, elements=[(Tag.UPGRADE_IMAGE, bytes(range(200)))])

# A file of suite 1 and one of suite 2 with certificates of test authorities, and one with an integrity code: octets
# made with an independent implementation.
SIGNED_1 = bytes.fromhex(
    "1ef1ee0b000138000000681101000403020102005349474e45442054455354000000000000000000000000000000000000000000cc000000"
    "0000 20000000 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "0200 30000000 03045fdfc8d85ffb8b3993cb72ddcaa55f00b3e87d6d000000000000000154455354534543410109000600000000 0000"
    "0100 32000000 0100000000000000 0211e1a8583183e04fe401178fcf4efddd137db9e2"
    "00aa63834d3b089b06dd4636cb898422f660f752bf"
)
SIGNED_2 = bytes.fromhex(
    "1ef1ee0b000138000000681101000403020102005349474e4544205445535400000000000000000000000000000000000000000004010000"
    "0000 20000000 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "0600 4a000000 0084a933b37f018dec0d081112131415161718005292a38affffffff0a0b0c0d0e0f10"
    "128803076277e2f7e2252b16a0e92b6e8771bb3f207946cbd4a45d9a9df6edab8c796a48e89dec"
    "0500 50000000 12100f0e0d0c0b0a"
    "0077ef60a9417444b6942c7dd87b2f44815e1be2758bf23b12a04e2ec0ae655046a664d8"
    "0070fcc11bccc8685a6c66d0a60c8dd9d0db6cfbecf4aa6084c296aa42a0c11c981daeb7"
)
WITH_CODE = bytes.fromhex(
    "1ef1ee0b00013800000068110100040302010200494e5445475249545920544553540000000000000000000000000000000000005c000000"
    "0000 08000000 0011223344556677   0300 10000000 fe8705b29b44d5ea1c3f8c2e3c5e2f8b"
)

MANUFACTURER_IMAGE = b"CriticalSoftware sample firmware image_" * 6 + b"\n"
MANUFACTURER_IMAGE_HASH = "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"
GB_IDENTITY: dict[str, Any] = {
    "manufacturer_code": 0x121D,
    "file_version": 0xACDCACDC,
    "header_string": b"I am a GFI ESME[] firmware image",
    "hardware_versions": (0x1111, 0x1211),
}
SIGNATURE = sha256(b"r").digest() + sha256(b"s").digest()
ESME = build_gb_image(MANUFACTURER_IMAGE, SIGNATURE, image_type=0x0000, **GB_IDENTITY)
PPMID = build_gb_image(MANUFACTURER_IMAGE, None, image_type=0x0084, **GB_IDENTITY)


def outcomes(image: Image) -> dict[str, str]:
    return {check.name: check.outcome for check in image.checks}


def detail(image: Image, name: str) -> str:
    return next(check.detail for check in image.checks if check.name == name)


def flip(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 0x01]) + octets[at + 1 :]


# Header


def test_plain_file() -> None:
    image = examine(SIMPLE, file="a.ota")
    assert image.layout == "zigbee-elements"
    assert (image.file, image.size, image.header_offset, image.partial, image.error) == ("a.ota", 262, 0, False, None)
    assert image.sha256 == sha256(SIMPLE).hexdigest()
    assert [(e.tag, e.name, e.offset, e.length) for e in image.elements] == [(0, "Upgrade image", 62, 200)]
    assert outcomes(image) == {
        "magic": "valid",
        "header": "valid",
        "total size": "valid",
        "elements": "valid",
        "integrity code": "unknown",
        "signature": "unknown",
        "content": "unknown",
    }


def test_header_fields_of_the_gb_sample() -> None:
    header = examine(ESME).header
    assert header is not None
    assert header.header_length == 60
    assert header.field_control == 4
    assert (header.manufacturer_code, header.image_type, header.file_version) == (0x121D, 0x0000, 0xACDCACDC)
    assert (header.stack_version, header.total_image_size) == (2, 361)
    assert header.header_string == "I am a GFI ESME[] firmware image"
    assert (header.minimum_hardware_version, header.maximum_hardware_version) == (0x1111, 0x1211)
    assert (header.security_credential_version, header.destination_eui64) == (None, None)


def test_destination_is_shown_as_an_eui64() -> None:
    header = examine(build_ota_file(**IDENTITY, upgrade_file_destination=0x000D6F000A9069E0, body=b"x")).header
    assert header is not None
    assert header.destination_eui64 == "00:0d:6f:00:0a:90:69:e0"


def test_header_string_cannot_command_a_terminal() -> None:
    header = examine(build_ota_file(**IDENTITY, header_string=b"a\x1b[2J\xff", body=b"x")).header
    assert header is not None
    assert header.header_string == r"a\x1b[2J\xff"


@pytest.mark.parametrize(
    ("at", "octets", "words"),
    [
        (4, "0002", "version 0x0200"),
        (6, "3700", "too few"),
        (8, "0400", "too few"),
        (8, "0800", "reserved bits"),
        (10, "ffff", "manufacturer code 0xffff"),
        (12, "ffff", "image type 0xffff"),
        (12, "c4ff", "image type 0xffc4 is reserved"),
        (14, "ffffffff", "file version"),
        (18, "0400", "stack version"),
        (52, "37000000", "ends inside the header"),
    ],
)
def test_header_that_breaks_a_rule_is_invalid(at: int, octets: str, words: str) -> None:
    new = bytes.fromhex(octets)
    image = examine(SIMPLE[:at] + new + SIMPLE[at + len(new) :])
    assert outcomes(image)["header"] == "invalid"
    assert words in detail(image, "header")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"hardware_versions": (2, 1)}, "minimum hardware version"), ({"security_credential_version": 4}, "credential")],
)
def test_optional_field_that_breaks_a_rule_is_invalid(arguments: dict[str, Any], words: str) -> None:
    image = examine(build_ota_file(**IDENTITY, **arguments, elements=[(0, b"x")]))
    assert outcomes(image)["header"] == "invalid"
    assert words in detail(image, "header")


def test_longer_header_than_its_flags_need_is_accepted() -> None:
    longer = (
        SIMPLE[:6] + b"\x3a\x00" + SIMPLE[8:52] + (len(SIMPLE) + 2).to_bytes(4, "little") + b"\xaa\xbb" + SIMPLE[56:]
    )
    image = examine(longer)
    assert outcomes(image)["header"] == outcomes(image)["elements"] == "valid"
    assert "2 of them reserved extension" in detail(image, "header")


@pytest.mark.parametrize("octets", [b"", b"\x1e\xf1", b"hello, world", bytes(10_000)])
def test_other_files_are_no_images(octets: bytes) -> None:
    image = examine(octets)
    assert image.header is None
    assert image.layout == "opaque"
    assert outcomes(image) == {"magic": "invalid"}
    assert image.error is not None


def test_file_that_ends_inside_its_header() -> None:
    image = examine(ESME[:58])
    assert outcomes(image) == {"magic": "valid", "header": "invalid"}
    assert image.error == "the file ends inside the header, at octet 58"


# Size, containers, nested files


def test_truncated_file() -> None:
    image = examine(SIMPLE[:-10])
    assert outcomes(image)["total size"] == outcomes(image)["elements"] == "invalid"
    assert "ends 10 octets before" in detail(image, "total size")
    assert "inside element 0 at octet 56" in detail(image, "elements")


@pytest.mark.parametrize("final", [0, 0xFFFFFFFF])
def test_crc_behind_the_file_is_recognised(final: int) -> None:
    crc = (zlib.crc32(SIMPLE) ^ final).to_bytes(4, "little")
    assert outcomes(examine(SIMPLE + crc))["total size"] == "valid"
    damaged = examine(flip(SIMPLE, 100) + crc)
    assert outcomes(damaged)["total size"] == "invalid"
    assert "not its CRC-32" in detail(damaged, "total size")


def test_unexplained_octets_behind_the_file_are_invalid() -> None:
    image = examine(SIMPLE + bytes(range(7)))
    assert outcomes(image)["total size"] == "invalid"
    assert "7 more octets follow: nothing explains them" in detail(image, "total size")


@pytest.mark.parametrize(("filling", "told"), [(b"\xff" * 4, "4 more octets follow"), (b"\0", "1 more octet follows")])
def test_filling_behind_the_file_is_named_and_no_crc(filling: bytes, told: str) -> None:
    image = examine(SIMPLE + filling)
    assert outcomes(image)["total size"] == "invalid"
    assert "trailing CRC-32" not in outcomes(image)
    assert image.container is None
    expected = f"{told}: filling of 0x{filling[0]:02x} that the header does not count"
    assert detail(image, "total size").endswith(expected)


def test_legrand_container() -> None:
    image = examine(len(SIMPLE).to_bytes(4, "little") + SIMPLE + bytes(17))
    assert image.header_offset == 4
    assert outcomes(image)["container"] == outcomes(image)["total size"] == "valid"
    assert image.elements[0].offset == 4 + 62


def test_prefix_that_tells_another_length_is_unknown() -> None:
    image = examine((5).to_bytes(4, "little") + SIMPLE)
    assert outcomes(image)["container"] == "unknown"
    assert "they say 5, the header 262" in detail(image, "container")


def test_ngis_container_that_contradicts_the_file_is_invalid() -> None:
    front = b"NGIS" + bytes(12) + (30).to_bytes(4, "little") + len(SIMPLE).to_bytes(4, "little") + bytes(8)
    image = examine(front + SIMPLE + bytes(512))
    assert image.header_offset == 32
    assert outcomes(image)["container"] == "invalid"
    assert outcomes(image)["total size"] == "valid"


def test_unknown_container_is_unknown() -> None:
    image = examine(b"\xa5" * 4096 + SIMPLE)
    assert image.header_offset == 4096
    assert outcomes(image)["container"] == "unknown"
    assert examine(b"\xa5" * 4097 + SIMPLE).header is None


def test_magic_without_a_header_is_no_beginning() -> None:
    image = examine(b"\x1e\xf1\xee\x0b".rjust(50, b"x") * 3 + SIMPLE)
    assert image.header_offset == 150


def test_nested_file_is_named() -> None:
    head = (0x1000).to_bytes(4, "little") + len(SIMPLE).to_bytes(4, "little")
    outer = build_ota_file(**IDENTITY, elements=[(0, head + SIMPLE + b"\0")])
    image = examine(outer)
    assert outcomes(image)["nested OTA file"] == "valid"
    assert "octet 70: manufacturer 0x1168" in detail(image, "nested OTA file")
    assert outcomes(examine(flip(outer, 66)))["nested OTA file"] == "invalid"


# Query Next Image Response


def test_query_response_that_agrees() -> None:
    image = examine(SIMPLE, expected_size=262, expected_identity=(0x1168, 1, 0x01020304))
    assert outcomes(image)["query response"] == "valid"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"expected_size": 263}, "image size: 263 was offered, the header says 262"),
        ({"expected_identity": (0x1169, 1, 0x01020304)}, "manufacturer code: 0x1169"),
        ({"expected_identity": (0x1168, 2, 0x01020304)}, "image type: 0x0002"),
        ({"expected_identity": (0x1168, 1, 0x01020305)}, "file version: 0x01020305"),
    ],
)
def test_query_response_that_differs(arguments: dict[str, Any], words: str) -> None:
    image = examine(SIMPLE, **arguments)
    assert outcomes(image)["query response"] == "invalid"
    assert words in detail(image, "query response")


def test_query_response_without_a_header_is_unknown() -> None:
    assert outcomes(examine(b"x", expected_size=1))["query response"] == "unknown"


# Elements


def test_element_that_overruns_says_where() -> None:
    image = examine(build_ota_file(**IDENTITY, body=build_element(0, b"abc") + bytes.fromhex("0cf0 ffffff7f") + b"x"))
    assert image.layout == "opaque"
    assert outcomes(image)["elements"] == "invalid"
    assert "element 1 at octet 65 (tag 0xf00c, 2,147,483,647 octets)" in detail(image, "elements")


def test_file_that_ends_between_two_elements() -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(0, b"abc"), (0xF000, b"de")])[:65])
    assert detail(image, "elements") == "the file ends before element 1 at octet 65"
    assert len(image.elements) == 1


@pytest.mark.parametrize("left", range(1, 6))
def test_octets_too_few_for_an_element_are_no_success(left: int) -> None:
    image = examine(build_ota_file(**IDENTITY, body=build_element(0, b"abc") + bytes(left)))
    assert image.layout == "opaque"
    told = "1 octet is" if left == 1 else f"{left} octets are"
    assert f"{told} left over at octet 65" in detail(image, "elements")


@pytest.mark.parametrize("body", [b"", bytes(6), bytes(60)])
def test_nothing_and_zeros_are_no_elements(body: bytes) -> None:
    image = examine(build_ota_file(**IDENTITY, body=body))
    assert image.layout == "opaque"
    assert outcomes(image)["elements"] == "invalid"


def test_reserved_tag_is_told() -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(0xCDEF, bytes(17)), (0, b"image")]))
    assert outcomes(image)["elements"] == "valid"
    assert "reserved tags: 0xcdef" in detail(image, "elements")


def test_element_of_a_length_it_cannot_have_is_invalid() -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(0, b"image"), (Tag.IMAGE_INTEGRITY_CODE, bytes(15))]))
    assert outcomes(image)["elements"] == outcomes(image)["integrity code"] == "invalid"


def test_walk_over_too_many_elements_stops() -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(0xF000, b"")] * (MOST_ELEMENTS + 1)))
    assert outcomes(image)["elements"] == "unknown"
    assert len(image.elements) == MOST_ELEMENTS


def test_many_problems_make_no_endless_detail() -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(Tag.ECDSA_CERTIFICATE_1, b"")] * 5000))
    assert outcomes(image)["elements"] == "invalid"
    assert len(detail(image, "elements")) < 1000


def test_telink_encrypted_element() -> None:
    body = build_element(0xF000, bytes(32))
    image = examine(build_ota_file(**IDENTITY, body=body[:6] + b"\x01\x0c" + body[6:]))
    assert image.layout == "zigbee-elements"
    assert [(e.tag, e.offset, e.length) for e in image.elements] == [(0xF000, 64, 32)]
    assert "Telink" in detail(image, "elements")


# Integrity code and signature


def test_integrity_code_variant_a() -> None:
    image = examine(WITH_CODE)
    assert outcomes(image)["integrity code"] == "valid"
    assert "variant A" in detail(image, "integrity code")


def test_integrity_code_variant_b() -> None:
    image = examine(WITH_CODE[:-16] + bytes.fromhex("9495bdc468f8215f1669879008ccf7bc"))
    assert outcomes(image)["integrity code"] == "valid"
    assert "variant B" in detail(image, "integrity code")


@pytest.mark.parametrize("at", [*range(10, 52), *range(62, 70), *range(76, 92)])
def test_integrity_code_of_a_damaged_file_is_invalid(at: int) -> None:
    assert outcomes(examine(flip(WITH_CODE, at)))["integrity code"] == "invalid"


def test_integrity_code_over_too_much_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanscope.dissectors.images.integrity_code.LARGEST_HASHED", 69)
    assert outcomes(examine(WITH_CODE))["integrity code"] == "unknown"


@pytest.mark.parametrize(("octets", "words"), [(SIGNED_1, "suite 1"), (SIGNED_2, "suite 2")])
def test_signature_is_there_and_not_verified(octets: bytes, words: str) -> None:
    image = examine(octets)
    assert image.layout == "zigbee-elements"
    assert outcomes(image)["signature"] == "unknown"
    assert words in detail(image, "signature")
    assert "with signing certificate; not verified: no CA key" in detail(image, "signature")


def test_signer_is_shown_as_an_eui64() -> None:
    assert "signer 00:00:00:00:00:00:00:01" in detail(examine(SIGNED_1), "signature")


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ([(1, bytes(50)), (5, bytes(80))], "both suites"),
        ([(2, bytes(48))], "without a signature"),
        ([(1, bytes(50)), (2, bytes(48))], "not the last element"),
        ([(1, bytes(50)), (1, bytes(50))], "2 signatures"),
        ([(2, bytes(48)), (2, bytes(48)), (1, bytes(50))], "2 signing certificates"),
        ([(5, bytes(50))], "length"),
    ],
)
def test_signature_of_a_wrong_structure_is_invalid(elements: list[tuple[int, bytes]], words: str) -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(0, b"image"), *elements]))
    assert outcomes(image)["signature"] == "invalid"
    assert words in detail(image, "signature")


# Great Britain


def test_signed_gb_image() -> None:
    image = examine(ESME)
    assert image.layout == "gbcs-signed"
    assert image.elements == ()
    assert image.manufacturer_image_sha256 == MANUFACTURER_IMAGE_HASH
    assert outcomes(image) == {
        "magic": "valid",
        "header": "valid",
        "total size": "valid",
        "GB layout": "valid",
        "GB header": "valid",
        "authorising signature": "unknown",
    }
    assert "octets 60 to 294 (235)" in detail(image, "GB layout")


def test_impossible_authorising_signature_is_invalid() -> None:
    image = examine(ESME[:-64] + bytes(64))
    assert image.layout == "gbcs-signed"
    assert outcomes(image)["authorising signature"] == "invalid"


def test_ppmid_image_is_plain_and_not_certain() -> None:
    image = examine(PPMID)
    assert image.layout == "gbcs-plain"
    assert image.manufacturer_image_sha256 == MANUFACTURER_IMAGE_HASH
    assert outcomes(image)["GB layout"] == "unknown"
    assert "UNCONFIRMED" in detail(image, "GB layout")


def test_meter_image_without_trailer_is_opaque() -> None:
    image = examine(build_gb_image(MANUFACTURER_IMAGE, None, image_type=0x0000, **GB_IDENTITY))
    assert image.layout == "opaque"
    assert image.manufacturer_image_sha256 is None
    assert "no 00 40" in detail(image, "GB layout")


@pytest.mark.parametrize("image_type", [0x0084, 0x1011])
def test_image_without_elements_is_opaque(image_type: int) -> None:
    # As an ESP application comes: right behind a header of 56 octets.
    body = bytes.fromhex("e904021f") + bytes(200)
    image = examine(build_ota_file(manufacturer_code=0x1001, image_type=image_type, file_version=1, body=body))
    assert image.layout == "opaque"
    assert image.manufacturer_image_sha256 is None
    assert outcomes(image)["elements"] == "invalid"
    assert outcomes(image)["GB layout"] == "unknown"


def test_trailer_without_a_manufacturer_image_is_opaque() -> None:
    assert examine(build_gb_image(b"", SIGNATURE, image_type=0, **GB_IDENTITY)).layout == "opaque"


def test_trailer_inside_an_element_decides_nothing() -> None:
    image = examine(build_ota_file(**IDENTITY, elements=[(0, MANUFACTURER_IMAGE + b"\x00\x40" + SIGNATURE)]))
    assert image.layout == "zigbee-elements"
    assert outcomes(image)["GB layout"] == "unknown"


# Partial images


def test_hole_leaves_what_needs_it_unknown() -> None:
    image = examine(flip(WITH_CODE, 65), transfer_id="T1", missing=[(64, 68)])
    assert (image.transfer_id, image.partial, image.sha256) == ("T1", True, None)
    assert outcomes(image)["elements"] == "valid"
    assert outcomes(image)["integrity code"] == "unknown"
    assert detail(image, "integrity code") == "octets 64 to 67 were not captured"


def test_hole_behind_the_integrity_code_does_not_matter() -> None:
    code_first = build_ota_file(**IDENTITY, elements=[(3, bytes(16)), (0xF000, bytes(40))])
    code_first = code_first[:62] + mmo(code_first[:56]) + code_first[78:]
    assert outcomes(examine(code_first, missing=[(90, 100)]))["integrity code"] == "valid"


def test_missing_element_head_stops_the_walk_without_a_verdict() -> None:
    image = examine(SIGNED_1, missing=[(94, 95)])
    assert image.layout == "opaque"
    assert outcomes(image)["elements"] == "unknown"
    assert [e.tag for e in image.elements] == [0]
    assert detail(image, "elements") == "octet 94 was not captured"


def test_hole_in_the_manufacturer_image_leaves_its_hash_open() -> None:
    image = examine(ESME, missing=[(100, 110)])
    assert image.layout == "gbcs-signed"
    assert image.manufacturer_image_sha256 is None


def test_hash_does_not_need_the_signature_to_be_right_but_the_trailer_to_be_there() -> None:
    image = examine(ESME, missing=[(340, 361)])
    assert image.layout == "opaque"
    assert image.manufacturer_image_sha256 is None
    assert detail(image, "GB layout") == "octets 340 to 360 were not captured"


def test_end_that_was_not_captured_is_no_truncation() -> None:
    image = examine(SIMPLE[:200], missing=[(200, 262)])
    assert image.size == 262
    assert outcomes(image)["total size"] == outcomes(image)["elements"] == "valid"
    shorter = examine(SIMPLE[:200], missing=[(100, 110)])
    assert outcomes(shorter)["total size"] == "unknown"
    assert "the octets from 200 on were not captured" in detail(shorter, "total size")


@pytest.mark.parametrize("hole", [(0, 1), (3, 4), (0, 62)])
def test_missing_beginning_is_unknown_not_invalid(hole: tuple[int, int]) -> None:
    image = examine(SIMPLE, missing=[hole], expected_size=262)
    assert image.header is None
    assert image.error is None
    assert set(outcomes(image).values()) == {"unknown"}


@pytest.mark.parametrize("hole", [(4, 5), (40, 60), (55, 56), (58, 59)])
def test_missing_part_of_the_header_is_unknown(hole: tuple[int, int]) -> None:
    image = examine(ESME, missing=[hole])
    assert image.header is None
    assert image.error is None
    assert outcomes(image) == {"magic": "valid", "header": "unknown"}


def test_nested_file_is_found_though_its_client_never_fetched_the_outer_header() -> None:
    head = (0x1000).to_bytes(4, "little") + len(SIMPLE).to_bytes(4, "little")
    outer = build_ota_file(**IDENTITY, elements=[(0, head + SIMPLE + b"\0")])
    image = examine(bytes(62) + outer[62:], missing=[(0, 62), (len(outer) - 1, len(outer))])
    assert outcomes(image) == {"magic": "unknown", "nested OTA file": "unknown"}
    assert image.inner_format == "nested OTA file > opaque"
    assert "octet 70 (manufacturer 0x1168" in detail(image, "nested OTA file")


@pytest.mark.parametrize(
    "octets", [SIMPLE, SIGNED_1, WITH_CODE, ESME, PPMID, SIMPLE + zlib.crc32(SIMPLE).to_bytes(4, "little")]
)
def test_holes_never_make_a_good_image_invalid(octets: bytes) -> None:
    chance = random.Random(1)
    usual = outcomes(examine(octets))
    for _ in range(300):
        holes = [sorted((chance.randrange(len(octets) + 1), chance.randrange(len(octets) + 1))) for _ in range(2)]
        rebuilt = bytearray(octets)
        for start, end in holes:
            rebuilt[start:end] = bytes(end - start)
        image = examine(bytes(rebuilt), missing=[(start, end) for start, end in holes])
        found = outcomes(image)
        allowed = {name for name, outcome in usual.items() if outcome == "invalid"}
        assert {name for name, outcome in found.items() if outcome == "invalid"} <= allowed


# Real files


INNER_FORMATS = {
    "Telink": "Telink, plain",
    "Telink AES,": "Telink, encrypted",
    "GBL plain": "GBL 3, plain",
    "GBL encrypted": "GBL 3, encrypted",
    "GBL encrypted+signed": "GBL 3, encrypted and signed",
    "GBL signed": "GBL 3, signed",
    "EBL": "EBL, plain",
    "EBL-encrypted": "EBL, encrypted",
    "NXP JN518x/K32W": "NXP JN518x/K32W, encrypted",
    "JN516x/JN517x (magic": "JN516x/JN517x",
    "nested OTA": "nested OTA file > opaque: encrypted or compressed",
    "XZ(unknown, plain)": "XZ > Bouffalo boot image",
    "OSRAM/TI preamble": "OSRAM (TI), plain",
    "ubisys FRS0": "ubisys FRS0",
    "Hue/Atmel SBL": "Hue SBL",
    "8051 (CC253x)": "8051 code (CC253x)",
    "TI-OAD CC26x2R1": "TI OAD, CC26x2R1",
    "TI-OAD CC13x2R1": "TI OAD, CC13x2R1, packed",
    "ARM Cortex-M": "Arm Cortex-M code",
    "none": "Arm Cortex-M code",
    "unknown, plain": "Arm Cortex-M code behind 16 octets",
    "element overrun": "GBL 3, encrypted, cut off",
}
"""How the index of the real files names inner formats, and how they are named here."""
SURER = {
    "ClimaxTechnology--12128": "8051 code (CC253x), with TI preamble",
    "Datek--dimmerpille": "GBL 3, plain + AVR code",
    "DresdenElektronik--1135-0004": "dresden elektronik, encrypted",
    "NodOn--128b-4002": "GBL 3, signed and LZMA",
    "Ubisys--10F2-7B2A": "ubisys, encrypted",
}
"""Files of which more is told than in the index."""
WITH_CHECKS = ("GBL 3", "EBL", "Telink, plain", "TI OAD, CC26x2R1", "XZ", "8051 code (CC253x), with")
"""What begins so carries a CRC over nearly all of it, which holds in all of these files but the truncated one."""


def real_files(data: Path) -> dict[str, tuple[Path, str, str, str, str]]:
    """Name: path, container, element walk, extra octets and tags of interest, as the index of the images tells them."""
    folder = data / "ota-images"
    return {name: (folder / name, *row[:3], row[4]) for name, row in index_of(folder).items()}


def index_of(folder: Path) -> dict[str, tuple[str, str, str, str, str]]:
    """Name: container, element walk, extra octets, inner format, tags of interest."""
    rows = re.findall(
        r"^\| (\S.*?) \| (\d+) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$",
        (folder / "INDEX.md").read_text(),
        re.MULTILINE,
    )
    return {name: (container, walk, extra, inner, tags) for name, _, container, walk, extra, inner, tags in rows}


def test_real_files_are_what_their_index_says(data: Path) -> None:
    files = real_files(data)
    assert len(files) == 35
    for name, (path, container, walk, extra, tags) in files.items():
        image = examine(path.read_bytes(), file=name)
        found = outcomes(image)
        assert image.header is not None, name
        assert image.header.header_version == 0x0100, name
        assert found["magic"] == found["header"] == "valid", name
        assert (image.header_offset > 0) == (container != "plain"), name
        assert image.container == {"plain": "trailing CRC-32" if extra == "4" else None}.get(container, "IKEA NGIS")
        assert found.get("container", "valid") == found.get("container hashes", "valid") == "valid", name
        walked = walk in {"ok", "telink-aes"}
        assert (image.layout == "zigbee-elements") == walked, name
        assert found["elements"] == ("valid" if walked else "invalid"), name
        if extra != "other":
            assert found["total size"] == "valid", name
            assert image.size - image.header_offset - image.header.total_image_size == int(extra), name
        else:
            assert found["total size"] == "invalid", name
        if walked:
            assert ({e.tag for e in image.elements} & {1, 2, 3, 4, 5, 6}) == ({int(tags)} if tags else set()), name
        if tags == "3":
            assert found["integrity code"] == "valid", name
        assert image.manufacturer_image_sha256 is None, name


def test_inner_formats_of_real_files(data: Path) -> None:
    folder = data / "ota-images"
    for name, (_, walk, _, inner, _) in index_of(folder).items():
        image = examine((folder / name).read_bytes())
        surer = next((told for begin, told in SURER.items() if name.startswith(begin)), None)
        assert image.inner_format == (surer or INNER_FORMATS[inner]), name
        assert image.inner_format is not None
        assert image.header is not None
        if image.inner_format.startswith(WITH_CHECKS) and walk == "ok":
            assert image.vouched_octets > 0.94 * image.header.total_image_size, name
        failed = {check.name for check in image.checks if check.outcome == "invalid"}
        truncated = {"total size", "elements", "GBL CRC-32"}
        assert failed == (
            truncated if name.startswith("ONOKOM") else {"elements"} if walk.startswith("overrun") else set()
        )


def test_flipped_bits_of_real_files(data: Path) -> None:
    """Under a valid check any changed bit makes it invalid; elsewhere none makes an exception."""
    chance = random.Random(4)
    reference = data / "captures" / "hue-ota-ti-metadata.reference.zigbee"
    for path in [*(path for path, *_ in real_files(data).values()), reference]:
        octets = path.read_bytes()
        for check in examine(octets).checks:
            spans = [span for span in check.covers if check.outcome == "valid"]
            for start, end in chance.sample(spans, min(3, len(spans))):
                for at in {start, chance.randrange(start, min(end, start + chance.choice([64, 1 << 20])))}:
                    changed = bytearray(octets)
                    changed[at] ^= 1 << chance.randrange(8)
                    assert outcomes(examine(changed)).get(check.name) == "invalid", (path.name, check.name, at)
        examine(flip(octets, chance.randrange(len(octets))))


@pytest.mark.parametrize(("maker", "variant"), [("Ubisys", "A"), ("NodOn", "B"), ("Develco", "C")])
def test_integrity_codes_of_real_files(data: Path, maker: str, variant: str) -> None:
    chance = random.Random(2)
    seen = 0
    for name, (path, *_, tags) in real_files(data).items():
        if tags != "3" or not name.startswith(maker):
            continue
        octets = path.read_bytes()
        assert f"variant {variant}" in detail(examine(octets), "integrity code"), name
        assert outcomes(examine(flip(octets, chance.randrange(300, len(octets) - 100))))["integrity code"] == "invalid"
        seen += 1
    assert seen


def test_overruns_of_real_files_say_where(data: Path) -> None:
    files = real_files(data)
    for name, (path, _, walk, _, _) in files.items():
        place = re.fullmatch(r"overrun at (element \d)", walk)
        if place:
            assert place[1] in detail(examine(path.read_bytes()), "elements"), name


def test_reference_file_of_the_hue_transfer(data: Path) -> None:
    octets = (data / "captures" / "hue-ota-ti-metadata.reference.zigbee").read_bytes()
    image = examine(octets, expected_size=267_452, expected_identity=(0x100B, 0x010C, 0x01001A02))
    assert image.layout == "zigbee-elements"
    assert outcomes(image)["query response"] == outcomes(image)["total size"] == "valid"
    assert image.elements[0].tag == 0xF000


def test_nested_and_signed_real_files(data: Path) -> None:
    files = real_files(data)
    insta = next(path for name, (path, *_) in files.items() if name.startswith("Insta"))
    assert outcomes(examine(insta.read_bytes()))["nested OTA file"] == "valid"
    signed = next(path for _, (path, *_, tags) in files.items() if tags == "5")
    image = examine(signed.read_bytes())
    assert outcomes(image)["signature"] == "unknown"
    assert "signer 00:0d:6f:00:00:19:8b:36, without signing certificate" in detail(image, "signature")


def test_damaged_real_files_never_raise(data: Path) -> None:
    chance = random.Random(3)
    for path, *_ in real_files(data).values():
        octets = path.read_bytes()[:3000]
        for _ in range(20):
            damaged = bytearray(octets[: chance.randrange(len(octets) + 1)])
            for _ in range(chance.randrange(8) if damaged else 0):
                damaged[chance.randrange(min(len(damaged), chance.choice([64, 3000])))] = chance.randrange(256)
            holes = [(chance.randrange(3000), chance.randrange(6000)) for _ in range(chance.randrange(3))]
            image = examine(bytes(damaged), missing=holes)
            assert image.partial == any(start < end for start, end in holes)
            assert outcomes(image).get("integrity code") != "valid"


# ECDSA signatures with the key of the certificate authority


CA_KEYS = {
    1: bytes.fromhex("0200fde8a7f3d1084224962a4e7c54e69ac3f04da6b8"),
    2: bytes.fromhex("0207a445022d9f39f49bdc38380026a27a9e0a1799313ab28c5c1a1c6b605154db1dff6752"),
}
SIGNED = {1: SIGNED_1, 2: SIGNED_2}


@pytest.mark.parametrize("suite", SIGNED)
def test_signature_verifies_with_the_key_of_the_authority(suite: int) -> None:
    octets = SIGNED[suite]
    image = examine(octets, ca_keys=list(CA_KEYS.values()))
    assert outcomes(image)["signature"] == "valid"
    assert "verified with a given CA key" in detail(image, "signature")
    assert image.vouched_octets == len(octets)


def test_issuer_of_the_certificate_is_told() -> None:
    assert 'issuer "TESTSECA"' in detail(examine(SIGNED_1, ca_keys=[CA_KEYS[1]]), "signature")


@pytest.mark.parametrize("suite", SIGNED)
def test_any_changed_bit_breaks_a_verified_signature(suite: int) -> None:
    chance = random.Random(suite)
    octets = SIGNED[suite]
    heads = {at for element in examine(octets).elements for at in range(element.offset - 6, element.offset)}
    for at in sorted(heads | {*range(0, 60, 3), *range(60, len(octets), 7 * suite)}):
        changed = octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(8)]) + octets[at + 1 :]
        image = examine(changed, ca_keys=[CA_KEYS[suite]])
        assert outcomes(image)["signature"] == "invalid", at


@pytest.mark.parametrize("suite", SIGNED)
def test_signature_under_another_authority_is_invalid(suite: int) -> None:
    curve = {1: SECT163K1, 2: SECT283K1}[suite]
    other = curve.compress(curve.generator)
    image = examine(SIGNED[suite], ca_keys=[other])
    assert outcomes(image)["signature"] == "invalid"
    assert "does not verify with the given CA key" in detail(image, "signature")
    assert outcomes(examine(SIGNED[suite], ca_keys=[other, CA_KEYS[suite]]))["signature"] == "valid"


@pytest.mark.parametrize("key", [b"", bytes(22), b"\x02" * 37, b"\x04" + bytes(64)])
def test_ca_key_that_is_none_is_not_enough(key: bytes) -> None:
    assert outcomes(examine(SIGNED_1, ca_keys=[key]))["signature"] in {"unknown", "invalid"}


@pytest.mark.parametrize(
    ("suite", "at", "words"),
    [
        (1, 125, "another device's"),
        (2, 109, "not those of suite 2"),
        (2, 136, "not for signing"),
        (1, 100, "no point of the curve"),
    ],
)
def test_certificate_that_cannot_be_the_signers_is_invalid(suite: int, at: int, words: str) -> None:
    octets = SIGNED[suite][:at] + bytes([SIGNED[suite][at] ^ 0x80]) + SIGNED[suite][at + 1 :]
    image = examine(octets)
    assert outcomes(image)["signature"] == "invalid"
    assert words in detail(image, "signature")


def test_hole_leaves_a_signature_unverified() -> None:
    assert outcomes(examine(SIGNED_1, missing=[(70, 71)], ca_keys=[CA_KEYS[1]]))["signature"] == "unknown"


# Authorising signatures of GB images with certificates of suppliers


def certificates_of(folder: Path, *parties: tuple[int, str]) -> Certificates:
    for eui64, role in parties:
        certificate = pem(organisation(eui64, role, SIGNS, key_of(eui64)))
        (folder / f"{eui64:016x}-ds.pem").write_bytes(certificate)
    return read_certificates([folder])


def signed_image(eui64: int) -> bytes:
    signature = sign(key_of(eui64), MANUFACTURER_IMAGE)
    return build_gb_image(MANUFACTURER_IMAGE, signature, image_type=0x0000, **GB_IDENTITY)


def test_authorising_signature_of_a_supplier(tmp_path: Path) -> None:
    octets = signed_image(SUPPLIER)
    image = examine(octets, certificates=certificates_of(tmp_path, (SUPPLIER, "02")))
    assert outcomes(image)["authorising signature"] == "valid"
    assert detail(image, "authorising signature") == (
        "signed by 90:b3:d5:1f:30:01:00:00 (supplier): ECDSA P-256 over the Manufacturer Image"
    )
    assert image.vouched_octets == len(MANUFACTURER_IMAGE) + 64
    for check in image.checks:
        for start, end in check.covers:
            for at in {start, end - 1, (start + end) // 2}:
                damaged = examine(flip(octets, at), certificates=certificates_of(tmp_path))
                assert outcomes(damaged).get(check.name) == "invalid", (check.name, at)


def test_authorising_signature_inside_an_element(tmp_path: Path) -> None:
    content = signed_image(SUPPLIER)[60:]
    octets = build_ota_file(**IDENTITY, elements=[(0, content)])
    assert "authorising signature" not in outcomes(examine(octets))
    given = certificates_of(tmp_path, (SUPPLIER, "02"))
    image = examine(octets, certificates=given)
    assert image.layout == "zigbee-elements"
    assert "not confirmed" in detail(image, "GB layout")
    assert outcomes(image)["authorising signature"] == "valid"
    assert image.manufacturer_image_sha256 == sha256(MANUFACTURER_IMAGE).hexdigest()
    assert image.vouched_octets == len(MANUFACTURER_IMAGE) + 64
    damaged = examine(flip(octets, 100), certificates=given)
    assert outcomes(damaged)["authorising signature"] == "invalid"
    assert damaged.manufacturer_image_sha256 is None


def test_authorising_signature_of_nobody_known_is_invalid(tmp_path: Path) -> None:
    image = examine(signed_image(SUPPLIER + 1), certificates=certificates_of(tmp_path, (SUPPLIER, "02")))
    assert outcomes(image)["authorising signature"] == "invalid"
    assert "not that of 90:b3:d5:1f:30:01:00:00 (supplier)" in detail(image, "authorising signature")


def test_authorising_signature_of_another_role_is_invalid(tmp_path: Path) -> None:
    image = examine(signed_image(SUPPLIER), certificates=certificates_of(tmp_path, (SUPPLIER, "03")))
    assert outcomes(image)["authorising signature"] == "invalid"
    assert "who is no supplier" in detail(image, "authorising signature")


def test_without_the_certificate_of_a_supplier_nothing_is_verified(tmp_path: Path) -> None:
    given = certificates_of(tmp_path, (SUPPLIER + 5, "03"))
    assert outcomes(examine(signed_image(SUPPLIER), certificates=given))["authorising signature"] == "unknown"
    assert outcomes(examine(signed_image(SUPPLIER)))["authorising signature"] == "unknown"


def test_authorising_signature_over_a_hole_is_unknown(tmp_path: Path) -> None:
    given = certificates_of(tmp_path, (SUPPLIER, "02"))
    image = examine(signed_image(SUPPLIER), missing=[(100, 101)], certificates=given)
    assert outcomes(image)["authorising signature"] == "unknown"
    assert "octet 100 was not captured" in detail(image, "authorising signature")


def test_authorising_signature_with_the_parties_of_the_reference_messages(data: Path) -> None:
    folder = data / "gbcs-messages"
    given = read_certificates([folder / "certificates"])
    keys = json.loads((folder / "test-party-keys.json").read_text())
    (value,) = [
        key["private_value"] for key in keys if (key["party"], key["usage"]) == (f"{SUPPLIER:016x}", "digitalSignature")
    ]
    signature = sign(ec.derive_private_key(int(value, 16), ec.SECP256R1()), MANUFACTURER_IMAGE)
    octets = build_gb_image(MANUFACTURER_IMAGE, signature, image_type=0x0000, **GB_IDENTITY)
    image = examine(octets, certificates=given)
    assert outcomes(image)["authorising signature"] == "valid"
    assert outcomes(examine(flip(octets, 200), certificates=given))["authorising signature"] == "invalid"


# The header of GB images


def test_gb_header_like_the_samples_is_valid() -> None:
    for octets in (ESME, PPMID):
        assert outcomes(examine(octets))["GB header"] == "valid"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_type": 0x0002}, "no COSEM device type"),
        ({"security_credential_version": 3}, "a security credential version"),
        ({"upgrade_file_destination": 5}, "for one device only"),
        ({"stack_version": 1}, "stack version 0x0001"),
        ({"hardware_versions": None}, "no hardware versions"),
    ],
)
def test_gb_header_unlike_the_samples_is_no_failure(arguments: dict[str, Any], words: str) -> None:
    given = {**GB_IDENTITY, "image_type": 0, "body": MANUFACTURER_IMAGE + b"\x00\x40" + SIGNATURE, **arguments}
    image = examine(build_ota_file(**given))
    assert image.layout == "gbcs-signed"
    assert outcomes(image)["GB header"] == "unknown"
    assert words in detail(image, "GB header")
    assert "UNCONFIRMED" in detail(image, "GB header")


def test_signed_image_of_a_ppmid_is_unusual() -> None:
    image = examine(build_gb_image(MANUFACTURER_IMAGE, SIGNATURE, image_type=0x0084, **GB_IDENTITY))
    assert outcomes(image)["GB header"] == "unknown"
    assert "a PPMID's image has not" in detail(image, "GB header")


def test_forced_replacement_is_only_noted() -> None:
    body = MANUFACTURER_IMAGE + b"\x01\x40" + SIGNATURE
    image = examine(build_ota_file(**{**GB_IDENTITY, "image_type": 2}, body=body))
    assert image.layout == "opaque"
    assert "UNCONFIRMED" in detail(image, "GB layout")


def test_manufacturer_image_of_a_known_format_is_named() -> None:
    octets = build_gb_image(image_files.gbl3(), SIGNATURE, image_type=0, **GB_IDENTITY)
    image = examine(octets)
    assert image.layout == "gbcs-signed"
    assert image.inner_format == "GBL 3, plain"
    assert outcomes(image)["GBL CRC-32"] == "valid"


def test_an_image_of_unknown_size_that_ends_inside_its_header_is_not_found_broken():
    octets = bytes.fromhex("1ef1ee0b 0001 3800 0000 0110 0101 05000000 0200") + bytes(18)
    image = examine(octets, transfer_id="T1", open_ended=True)
    assert [(check.name, check.outcome) for check in image.checks] == [("magic", "valid"), ("header", "unknown")]
    assert (image.partial, image.sha256, image.error) == (True, None, None)
    assert examine(octets).checks[1].outcome == "invalid"
