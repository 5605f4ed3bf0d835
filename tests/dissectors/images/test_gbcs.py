from hashlib import sha256

import pytest

from hanscope.dissectors.images.gbcs import (
    P256_ORDER,
    Trailer,
    build_gb_image,
    build_trailer,
    manufacturer_image_hash,
    parse_trailer,
)
from hanscope.dissectors.images.ota_file import OtaFileError, parse_header

# The sample of service request 11.1 in the DUIS templates: its header, its Manufacturer Image and that one's hash.
SAMPLE_HEADER = bytes.fromhex("1ef1ee0b 0001 3c00 0400 1d12 0000 dcacdcac 0200") + (
    b"I am a GFI ESME[] firmware image" + bytes.fromhex("69010000 1111 1112")
)
SAMPLE_MANUFACTURER_IMAGE = b"CriticalSoftware sample firmware image_" * 6 + b"\n"
SAMPLE_HASH = "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"
SIGNATURE = sha256(b"r").digest() + sha256(b"s").digest()


def build_sample(signature: bytes | None = SIGNATURE, image_type: int = 0x0000) -> bytes:
    return build_gb_image(
        SAMPLE_MANUFACTURER_IMAGE,
        signature,
        manufacturer_code=0x121D,
        image_type=image_type,
        file_version=0xACDCACDC,
        header_string=b"I am a GFI ESME[] firmware image",
        hardware_versions=(0x1111, 0x1211),
    )


def test_manufacturer_image_hash_of_the_sample() -> None:
    assert manufacturer_image_hash(SAMPLE_MANUFACTURER_IMAGE).hex() == SAMPLE_HASH


def test_built_image_equals_the_sample() -> None:
    assert build_sample() == SAMPLE_HEADER + SAMPLE_MANUFACTURER_IMAGE + b"\x00\x40" + SIGNATURE
    assert len(build_sample()) == 361


def test_image_without_signature_has_no_trailer() -> None:
    image = build_sample(None, image_type=0x0084)
    assert len(image) == parse_header(image).total_image_size == 295
    assert image.endswith(SAMPLE_MANUFACTURER_IMAGE)


def test_trailer_round_trip() -> None:
    assert parse_trailer(memoryview(build_trailer(SIGNATURE))) == Trailer(SIGNATURE)


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x00\x40" + bytes(63), b"\x00\x40" + bytes(65), b"\x01\x40" + bytes(64), b"\x00\x41" + bytes(64)],
)
def test_other_octets_are_no_trailer(octets: bytes) -> None:
    assert parse_trailer(octets) is None


def test_signature_of_another_length_is_refused() -> None:
    with pytest.raises(OtaFileError, match="64 octets, not 63"):
        build_trailer(bytes(63))


@pytest.mark.parametrize(
    ("r", "s", "possible"),
    [
        (1, 1, True),
        (P256_ORDER - 1, 1, True),
        (0, 1, False),
        (1, 0, False),
        (P256_ORDER, 1, False),
        (1, P256_ORDER, False),
    ],
)
def test_numbers_a_signature_can_have(r: int, s: int, possible: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert Trailer(r.to_bytes(32, "big") + s.to_bytes(32, "big")).signature_possible is possible
