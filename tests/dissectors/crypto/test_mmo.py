import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanscope.dissectors.crypto.mmo import (
    Mmo,
    hmac_mmo,
    key_load_key,
    key_transport_key,
    mmo,
    verify_key_hash,
)

WELL_KNOWN = b"ZigBeeAlliance09"


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # ZigBee specification, annex C.5
        ("c0", "ae3a102a28d43ee0d4a09e22788b206c"),
        ("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "a7977e88bc0b61e8210827109a228f2d"),
        # Install codes with their CRC and the link keys they stand for (Smart Energy profile, 5.4.8.1)
        ("83fed3407a932b70", "cd4fa064773f46941ec986c09963d1a8"),
        ("83fed3407a93972397fc", "850be0bf5b369ac441280a53265db167"),
        ("83fed3407a939723a5c639b2ad8b", "c2b323efc9fca1d9657e32a0e5c2aaf3"),
        ("83fed3407a939723a5c639b26916d505c3b5", "66b6900981e1ee3ca4206b6b861c02bb"),
    ],
)
def test_hash_of_published_vectors(message: str, digest: str) -> None:
    assert mmo(bytes.fromhex(message)).hex() == digest


def test_keys_derived_from_the_well_known_link_key() -> None:
    assert key_transport_key(WELL_KNOWN).hex() == "4bab0f173e1434a2d572e1c1ef478782"
    assert key_load_key(WELL_KNOWN).hex() == "c5a47035c332ccbf251571d8baded188"


def test_key_transport_key_of_light_link() -> None:
    # It opens the Transport-Key of a real Hue join.
    link_key = bytes.fromhex("814286865dc1c8b2c8cbc52e5d65d1b8")
    assert key_transport_key(link_key).hex() == "b60463aac8b663dfb08c7674f23beb7f"


def test_short_keys_are_zero_padded() -> None:
    assert hmac_mmo(b"\x01\x02", b"m") == hmac_mmo(b"\x01\x02".ljust(16, b"\0"), b"m")


def test_keys_longer_than_a_block_are_hashed() -> None:
    long = bytes(range(40))
    assert hmac_mmo(long, b"m") == hmac_mmo(mmo(long), b"m")


@given(st.binary(max_size=100), st.lists(st.integers(0, 100), max_size=4))
def test_pieces_hash_as_the_whole(message: bytes, cuts: list[int]) -> None:
    hasher = Mmo()
    places = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    for start, end in pairwise(places):
        hasher.update(memoryview(message)[start:end])
        hasher.digest()
    assert hasher.digest() == mmo(message)


@pytest.mark.parametrize(("octets", "same"), [(8191, True), (8192, False)])
def test_padding_takes_its_long_form_from_65536_bits_on(octets: int, same: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    hasher = Mmo().update(bytes(octets))
    assert (hasher.digest() == hasher.digest_with_short_length()) is same


def test_verify_key_hashes_of_a_real_join(data: Path) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark, which opens the capture, is not installed")
    keys = (WELL_KNOWN.hex(), "66b6900981e1ee3ca4206b6b861c02bb")
    options = [part for key in keys for part in ("-o", f'uat:zigbee_pc_keys:"{key}","Normal",""')]
    capture = data / "captures" / "silabs-install-code-join.pcapng"
    fields = ["-T", "fields", "-e", "zbee_aps.cmd.key", "-e", "zbee_aps.cmd.key_hash"]
    chosen = ["-Y", "zbee_aps.cmd.id == 0x0f or (zbee_aps.cmd.id == 0x05 and zbee_aps.cmd.key_type == 0x04)"]
    run = subprocess.run(
        [tshark, "-r", capture, *options, *chosen, *fields], capture_output=True, text=True, check=True
    )
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    given_keys = [bytes.fromhex(key) for key, _ in rows if key]
    assert len(given_keys) == 2
    assert [verify_key_hash(key).hex() for key in given_keys] == [proof for _, proof in rows if proof]
