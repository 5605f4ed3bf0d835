"""Bulk CCM* equals `cryptography`'s AESCCM."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given, settings
from hypothesis import strategies as st

from hanscope.dissectors.crypto import ccm
from hanscope.dissectors.crypto.ccm import BulkCcm, Nonces, open_one, seal_one

KEY = bytes(range(16))


def frames(count: int, header: int, width: int, seed: int) -> tuple[Nonces, np.ndarray, np.ndarray, np.ndarray]:
    """Random nonces, headers, bodies, and lengths, longest first."""
    dice = np.random.default_rng(seed)
    nonces = Nonces(
        dice.integers(0, 2**64, count, np.uint64),
        dice.integers(0, 2**32, count, np.uint64),
        dice.integers(0, 2**8, count, np.uint64),
    )
    length = np.sort(dice.integers(0, width + 1, count))[::-1].copy()
    return (
        nonces,
        dice.integers(0, 256, (count, header), np.uint8),
        dice.integers(0, 256, (count, width), np.uint8),
        length,
    )


def nonce(nonces: Nonces, row: int) -> bytes:
    return (
        int(nonces.eui64[row]).to_bytes(8, "little")
        + int(nonces.frame_counter[row]).to_bytes(4, "little")
        + bytes([int(nonces.control[row])])
    )


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), header=st.integers(0, 64), blocks=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_bulk_equals_cryptography(count: int, header: int, blocks: int, seed: int) -> None:
    nonces, head, plain, length = frames(count, header, 16 * blocks, seed)
    sealed, mic = BulkCcm(KEY).encrypt(nonces, head, plain, length)
    aesccm = AESCCM(KEY, tag_length=4)
    for row in range(count):
        expected = aesccm.encrypt(nonce(nonces, row), plain[row, : length[row]].tobytes(), head[row].tobytes() or None)
        assert sealed[row, : length[row]].tobytes() + mic[row].tobytes() == expected
    opened, ok = BulkCcm(KEY).decrypt(nonces, head, sealed, length, mic)
    assert ok.all()
    for row in range(count):
        assert opened[row, : length[row]].tobytes() == plain[row, : length[row]].tobytes()


def test_a_changed_octet_anywhere_breaks_the_mic_of_its_frame_only() -> None:
    nonces, head, plain, length = frames(50, 22, 96, 7)
    length[:] = 96
    sealed, mic = BulkCcm(KEY).encrypt(nonces, head, plain, length)
    for table, row, column in ((head, 3, 0), (head, 4, 21), (sealed, 5, 0), (sealed, 6, 95), (mic, 7, 3)):
        table[row, column] ^= 1
    _, ok = BulkCcm(KEY).decrypt(nonces, head, sealed, length, mic)
    assert sorted(np.flatnonzero(~ok)) == [3, 4, 5, 6, 7]


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nonces, head, plain, length = frames(500, 30, 80, 1)
    whole = BulkCcm(KEY).encrypt(nonces, head, plain, length)
    monkeypatch.setattr(ccm, "SLICE", 64)
    sliced = BulkCcm(KEY).encrypt(nonces, head, plain, length)
    within = np.arange(80) < length[:, None]
    assert (whole[0][within] == sliced[0][within]).all()
    assert (whole[1] == sliced[1]).all()


def test_frames_that_are_not_longest_first_are_refused() -> None:
    nonces, head, plain, length = frames(5, 8, 32, 1)
    with pytest.raises(ValueError, match="longest first"):
        BulkCcm(KEY).decrypt(nonces, head, plain, np.arange(5), plain[:, :4])
    assert length[0] >= length[-1]


def test_one_frame_opens_only_with_its_key_and_whole_mic() -> None:
    sealed = seal_one(KEY, bytes(13), b"header", b"plain")
    assert open_one(KEY, bytes(13), b"header", sealed) == b"plain"
    assert open_one(bytes(16), bytes(13), b"header", sealed) is None
    assert open_one(KEY, bytes(13), b"header", sealed[:3]) is None
