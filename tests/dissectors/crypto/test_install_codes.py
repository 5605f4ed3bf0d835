"""Install codes: the worked examples of the Base Device Behavior specification, and what is refused."""

import pytest

from hanscope.dissectors.crypto.install_codes import InstallCodeError, install_code_crc, link_key

CODES = [
    ("83FED3407A93", "2B70", "CD4FA064773F46941EC986C09963D1A8"),
    ("83FED3407A939723", "97FC", "850BE0BF5B369AC441280A53265DB167"),
    ("83FED3407A939723A5C639B2", "AD8B", "C2B323EFC9FCA1D9657E32A0E5C2AAF3"),
    ("83FED3407A939723A5C639B26916D505", "C3B5", "66B6900981E1EE3CA4206B6B861C02BB"),
]


@pytest.mark.parametrize(("code", "crc", "key"), CODES)
def test_a_code_of_every_length_gives_the_documented_key(code: str, crc: str, key: str) -> None:
    assert install_code_crc(bytes.fromhex(code)).hex().upper() == crc
    assert link_key(bytes.fromhex(code + crc)).hex().upper() == key


@pytest.mark.parametrize(("code", "crc", "key"), CODES)
def test_every_wrong_bit_is_noticed(code: str, crc: str, key: str) -> None:
    octets = bytes.fromhex(code + crc)
    for bit in range(8 * len(octets)):
        wrong = (int.from_bytes(octets, "big") ^ 1 << bit).to_bytes(len(octets), "big")
        with pytest.raises(InstallCodeError, match="CRC"):
            link_key(wrong)


def test_the_crc_is_that_of_x25() -> None:
    assert install_code_crc(b"123456789") == (0x906E).to_bytes(2, "little"), "the check value of CRC-16/X-25"


@pytest.mark.parametrize("length", [0, 1, 2, 7, 9, 16, 17, 19, 40])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(InstallCodeError, match=rf"has 8, 10, 14, 18 octets, this has {length}$"):
        link_key(bytes(length))
