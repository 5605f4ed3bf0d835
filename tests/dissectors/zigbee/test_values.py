"""Typed values of attributes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanscope.dissectors.layer import MalformedError
from hanscope.dissectors.zigbee.values import (
    Array,
    DataType,
    Structure,
    UnknownDataTypeError,
    Value,
    pack_value,
    unpack_value,
)

EXAMPLES: list[tuple[int, str, Value]] = [
    (0x00, "", None),
    (0xFF, "", None),
    (0x08, "7f", 0x7F),
    (0x0F, "0102030405060708", 0x0807060504030201),
    (0x10, "01", 1),
    (0x19, "0180", 0x8001),
    (0x20, "ff", 255),
    (0x22, "010203", 0x030201),
    (0x25, "010203040506", 0x060504030201),
    (0x28, "ff", -1),
    (0x2A, "ffffff", -1),
    (0x2C, "0000000080", -(1 << 39)),
    (0x2F, "feffffffffffffff", -2),
    (0x31, "3412", 0x1234),
    (0x38, "003c", 1.0),
    (0x39, "0000c03f", 1.5),
    (0x3A, "000000000000f8bf", -1.5),
    (0x38, "017c", bytes.fromhex("017c")),
    (0x41, "03 00ff80", bytes.fromhex("00ff80")),
    (0x41, "ff", None),
    (0x42, "00", ""),
    (0x42, "04 6dc3bc32", "mü2"),
    (0x42, "02 fffe", b"\xff\xfe"),
    (0x43, "0200 0102", b"\x01\x02"),
    (0x44, "0300 616263", "abc"),
    (0x44, "ffff", None),
    (0x48, "20 0200 0102", Array(0x20, (1, 2))),
    (0x48, "20 ffff", Array(0x20, None)),
    (0x48, "48 0100 21 0100 3412", Array(0x48, (Array(0x21, (0x1234,)),))),
    (0x50, "42 0200 0161 0162", Array(0x42, ("a", "b"))),
    (0x51, "20 0000", Array(0x20, ())),
    (0x4C, "0200 20 05 42 0161", Structure(((0x20, 5), (0x42, "a")))),
    (0x4C, "ffff", None),
    (0xE2, "0000002f", 0x2F000000),
    (0xE8, "1900", 0x19),
    (0xF0, "8877665544332211", 0x1122334455667788),
    (0xF1, "000102030405060708090a0b0c0d0e0f", bytes(range(16))),
]


@pytest.mark.parametrize(("data_type", "text", "value"), EXAMPLES)
def test_values_are_read_and_built(data_type: int, text: str, value: Value) -> None:
    octets = bytes.fromhex(text)
    assert unpack_value(data_type, octets + b"rest") == (value, b"rest")
    assert pack_value(data_type, value) == octets


@pytest.mark.parametrize(("data_type", "text"), [(kind, text) for kind, text, _ in EXAMPLES if text])
def test_a_value_that_is_cut_short_is_malformed(data_type: int, text: str) -> None:
    for length in range(len(bytes.fromhex(text))):
        with pytest.raises(MalformedError):
            unpack_value(data_type, bytes.fromhex(text)[:length])


def test_every_type_of_the_library_is_known() -> None:
    for data_type in DataType:
        try:
            unpack_value(data_type, bytes(16))
        except MalformedError:
            pytest.fail(data_type.name)


@pytest.mark.parametrize("data_type", [0x01, 0x11, 0x32, 0x45, 0x60, 0xF2])
def test_the_size_of_an_unknown_type_is_not_guessed(data_type: int) -> None:
    with pytest.raises(UnknownDataTypeError):
        unpack_value(data_type, bytes(10))
    with pytest.raises(UnknownDataTypeError):
        pack_value(data_type, 1)


def test_elements_without_octets_cannot_fill_the_memory() -> None:
    with pytest.raises(MalformedError):
        unpack_value(0x48, bytes.fromhex("00 feff"))


def test_collections_cannot_be_nested_without_end() -> None:
    with pytest.raises(MalformedError):
        unpack_value(0x48, bytes.fromhex("480100") * 1000)


@pytest.mark.parametrize(
    ("data_type", "value"),
    [(0x20, 256), (0x20, -1), (0x20, "a"), (0x28, 128), (0x42, "a" * 255), (0x42, 5), (0x48, 1), (0x00, 1)],
)
def test_a_value_that_does_not_fit_its_type_is_refused(data_type: int, value: Value) -> None:
    with pytest.raises((ValueError, OverflowError)):
        pack_value(data_type, value)


def test_a_nan_that_can_be_kept_is_a_number() -> None:
    value, _ = unpack_value(0x39, bytes.fromhex("0000c07f"))
    assert isinstance(value, float)
    assert math.isnan(value)


@given(data_type=st.sampled_from(list(DataType)), octets=st.binary(max_size=60))
def test_whatever_can_be_read_builds_the_same_octets(data_type: DataType, octets: bytes) -> None:
    try:
        value, rest = unpack_value(data_type, octets)
    except (MalformedError, UnknownDataTypeError):
        return
    assert pack_value(data_type, value) + rest == octets
