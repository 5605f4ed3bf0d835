from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hanscope.dissectors.images.ota_file import (
    Header,
    OtaFileError,
    Tag,
    build_element,
    build_header,
    build_ota_file,
    length_by_field_control,
    parse_header,
    read_element,
    tag_name,
)

# A file with every part as the clause has it; written by hand, field by field.
SIGNED_TEST = bytes.fromhex(
    "1ef1ee0b 0001 3800 0000 6811 0100 04030201 0200"
    "5349474e45442054455354000000000000000000000000000000000000000000 cc000000"
)
EVERYTHING = bytes.fromhex(
    "1ef1ee0b 0001 4500 0700 1d12 8400 dcacdcac 0200"
    "4e414d4500000000000000000000000000000000000000000000000000000000 45000000"
    "03 e069900a006f0d00 1111 1112"
)


def test_header_without_optional_fields() -> None:
    header = parse_header(SIGNED_TEST)
    assert header == Header(
        header_version=0x0100,
        header_length=56,
        field_control=0,
        manufacturer_code=0x1168,
        image_type=0x0001,
        file_version=0x01020304,
        stack_version=2,
        header_string=b"SIGNED TEST".ljust(32, b"\0"),
        total_image_size=204,
    )


def test_header_with_every_optional_field() -> None:
    header = parse_header(memoryview(EVERYTHING))
    assert header.security_credential_version == 3
    assert header.upgrade_file_destination == 0x000D6F000A9069E0
    assert (header.minimum_hardware_version, header.maximum_hardware_version) == (0x1111, 0x1211)
    assert header.extension == b""


@pytest.mark.parametrize("octets", [SIGNED_TEST, EVERYTHING])
def test_header_builds_what_it_parsed(octets: bytes) -> None:
    assert build_header(parse_header(octets)) == octets


def test_reserved_extension_is_kept_apart_from_the_fields() -> None:
    longer = SIGNED_TEST[:6] + b"\x3a\x00" + SIGNED_TEST[8:] + b"\xaa\xbb" + b"rest"
    header = parse_header(longer)
    assert header.extension == b"\xaa\xbb"
    assert build_header(header) == longer[:58]


def test_promised_field_without_room_in_the_header_is_absent() -> None:
    # Field control promises hardware versions, the header length says 56: what follows is an element.
    header = parse_header(SIGNED_TEST[:8] + b"\x04\x00" + SIGNED_TEST[10:] + bytes(8))
    assert header.minimum_hardware_version is None
    assert header.maximum_hardware_version is None


@pytest.mark.parametrize("length", range(69))
def test_cut_header_is_refused(length: int) -> None:
    with pytest.raises(OtaFileError):
        parse_header(EVERYTHING[:length])


def test_other_file_identifier_is_refused() -> None:
    with pytest.raises(OtaFileError):
        parse_header(b"\x1f" + SIGNED_TEST[1:])


@pytest.mark.parametrize(
    ("control", "length"), [(0, 56), (1, 57), (4, 60), (5, 61), (2, 64), (3, 65), (6, 68), (7, 69), (0xFFF8, 56)]
)
def test_length_follows_from_field_control(control: int, length: int) -> None:
    assert length_by_field_control(control) == length


def test_built_file_equals_one_written_by_hand() -> None:
    built = build_ota_file(
        manufacturer_code=0x1168,
        image_type=1,
        file_version=0x01020304,
        header_string=b"INTEGRITY TEST",
        elements=[(Tag.UPGRADE_IMAGE, bytes.fromhex("0011223344556677")), (Tag.IMAGE_INTEGRITY_CODE, bytes(16))],
    )
    assert built == bytes.fromhex(
        "1ef1ee0b00013800000068110100040302010200494e544547524954592054455354"
        "0000000000000000000000000000000000005c000000"
        "0000 08000000 0011223344556677 0300 10000000"
    ) + bytes(16)


FILES = st.fixed_dictionaries(
    {
        "manufacturer_code": st.integers(0, 0xFFFF),
        "image_type": st.integers(0, 0xFFFF),
        "file_version": st.integers(0, 0xFFFFFFFF),
        "stack_version": st.integers(0, 0xFFFF),
        "header_string": st.binary(max_size=32),
        "security_credential_version": st.none() | st.integers(0, 0xFF),
        "upgrade_file_destination": st.none() | st.integers(0, 2**64 - 1),
    }
)


@given(
    FILES,
    st.none() | st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=5),
)
def test_built_files_parse_back(
    values: dict[str, Any], hardware: tuple[int, int] | None, elements: list[tuple[int, bytes]]
) -> None:
    built = build_ota_file(**values, hardware_versions=hardware, elements=elements)
    header = parse_header(built)
    assert header.total_image_size == len(built)
    assert (header.minimum_hardware_version, header.maximum_hardware_version) == (hardware or (None, None))
    padded = {**values, "header_string": values["header_string"].ljust(32, b"\0")}
    assert {name: getattr(header, name) for name in values} == padded
    position, found = header.header_length, []
    while position < len(built):
        element = read_element(built, position)
        found.append((element.tag, built[element.offset : element.end]))
        position = element.end
    assert found == elements


def test_element_tells_where_its_value_lies() -> None:
    element = read_element(b"xx" + build_element(0xF001, b"value"), 2)
    assert (element.tag, element.start, element.offset, element.length, element.end) == (0xF001, 2, 8, 5, 13)


def test_cut_element_head_is_refused() -> None:
    with pytest.raises(OtaFileError, match="octet 1"):
        read_element(bytes(6), 1)


def test_values_that_do_not_fit_are_refused() -> None:
    header = parse_header(SIGNED_TEST)
    with pytest.raises(OtaFileError):
        build_header(replace(header, image_type=0x10000))
    with pytest.raises(OtaFileError):
        build_ota_file(manufacturer_code=1, image_type=1, file_version=1, header_string=bytes(33))


def test_names_of_tags() -> None:
    assert tag_name(0x0003) == "Image integrity code"
    assert tag_name(0x0007) == tag_name(0xEFFF) == "Reserved"
    assert tag_name(0xF000) == "Manufacturer specific"
