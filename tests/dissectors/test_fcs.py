import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import HUE, SMART_ENERGY

from hanscope.dissectors.fcs import crc16, remainders, valid


@pytest.mark.parametrize(
    ("frame", "fcs"),
    [
        ("030806ffffffff07", "c231"),  # a beacon request, from a real capture
        ("020006", "8ed0"),
        ("020093", "aa13"),
    ],
)
def test_known_frames_have_their_fcs(frame: str, fcs: str) -> None:
    assert crc16(bytes.fromhex(frame)).to_bytes(2, "little").hex() == fcs
    assert crc16(bytes.fromhex(frame + fcs)) == 0


def column(frames: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    length = np.array([len(frame) for frame in frames], np.int64)
    return np.frombuffer(b"".join(frames), np.uint8), np.cumsum(length) - length, length


def bitwise(octets: bytes) -> int:
    """The CRC as 802.15.4 7.2.10 draws it: a shift register, least significant bit first."""
    register = 0
    for octet in octets:
        for bit in range(8):
            feedback = (octet >> bit ^ register) & 1
            register = register >> 1 ^ (0x8408 if feedback else 0)
    return register


@given(st.lists(st.binary(max_size=140), max_size=30), st.integers(0, 3))
def test_columns_agree_with_the_shift_register(frames: list[bytes], gap: int) -> None:
    buffer, at, length = column([bytes(gap), *frames])
    found = remainders(np.concatenate([buffer, np.zeros(2, np.uint8)]), at[1:], length[1:])
    for frame, value in zip(frames, found.tolist(), strict=True):
        if len(frame) >= 2:
            assert value == bitwise(frame[:-2]) ^ int.from_bytes(frame[-2:], "little")


def test_every_length_is_valid_with_its_fcs_and_invalid_with_any_bit_flipped() -> None:
    random = np.random.default_rng(1)
    sound = [body + bitwise(body).to_bytes(2, "little") for body in (random.bytes(n) for n in [*range(1, 140), 2047])]
    assert valid(*column(sound)).all()
    broken: list[bytes] = []
    for frame in sound:
        bit = int(random.integers(8 * len(frame)))
        broken.append((int.from_bytes(frame, "big") ^ 1 << bit).to_bytes(len(frame), "big"))
    assert not valid(*column(broken)).any()


def test_order_and_number_of_frames_do_not_matter() -> None:
    random = np.random.default_rng(2)
    bodies = [random.bytes(int(n)) for n in random.integers(1, 126, 20_000)]
    frames = [body + crc16(body).to_bytes(2, "little") for body in bodies]
    damaged = random.random(len(frames)) < 0.3
    frames = [bytes([frame[0] ^ 1]) + frame[1:] if bad else frame for frame, bad in zip(frames, damaged, strict=True)]
    assert (valid(*column(frames)) == ~damaged).all()


def test_two_octets_of_zero_leave_the_fcs_to_put_there() -> None:
    buffer, at, length = column([bytes.fromhex("030806ffffffff070000"), bytes.fromhex("0200060000")])
    assert [value.to_bytes(2, "little").hex() for value in remainders(buffer, at, length).tolist()] == ["c231", "8ed0"]


def test_what_cannot_hold_a_frame_and_an_fcs_is_not_valid() -> None:
    assert not valid(*column([b"", b"\0", b"\0\0"])).any()
    assert len(valid(*column([]))) == 0


@pytest.mark.parametrize("frame", HUE + SMART_ENERGY)
def test_frames_that_were_on_the_air_end_with_their_fcs(frame: str) -> None:
    octets = bytes.fromhex(frame)
    assert crc16(octets[:-2]).to_bytes(2, "little") == octets[-2:]
