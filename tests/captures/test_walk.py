import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanscope.captures import pcap, pcapng, walk
from hanscope.captures.batch import SLACK

WORDS = {"<": np.dtype("<u4"), ">": np.dtype(">u4")}


def link_by_link(octets: bytes, start: int, order: str, kind: walk.Chain) -> tuple[list[int], int]:
    """The plain way: what `walk` must give."""
    found: list[int] = []
    while start + kind.header <= len(octets):
        (length,) = struct.unpack_from(order + "I", octets, start + kind.length_at)
        if not kind.least <= length <= kind.largest or start + length + kind.extra > len(octets):
            break
        found.append(start)
        start += length + kind.extra
    return found, start


def walked(octets: bytes, start: int, kind: walk.Chain) -> tuple[list[int], int]:
    at, end = walk.walk(np.frombuffer(octets + bytes(SLACK), np.uint8), start, len(octets), kind)
    return at.tolist(), end


def pcap_records(random: np.random.Generator, order: str, count: int, seconds: int) -> bytes:
    out: list[bytes] = []
    for _ in range(count):
        seconds += int(random.integers(0, 3) == 0)
        size = int(random.choice([3, 5, 40, 90, 127]))
        head = struct.pack(order + "IIII", seconds, int(random.integers(1_000_000)), size, size)
        out.append(head + bytes(random.integers(0, 4, size, dtype=np.uint8)))  # many zeros: they look like headers
    return b"".join(out)


def pcapng_blocks(random: np.random.Generator, order: str, count: int) -> bytes:
    out: list[bytes] = []
    for _ in range(count):
        size = int(random.choice([3, 5, 40, 90, 127]))
        kind = int(random.choice([6, 6, 6, 6, 6, 5, 6, 6, 0x777]))
        length = 32 + (size + 3 & ~3)
        body = struct.pack(order + "IIIIIII", kind, length, 0, 395_000, int(random.integers(2**32)), size, size)
        data = bytes(random.integers(0, 7, size, dtype=np.uint8)) + bytes(-size % 4)
        out.append(body + data + struct.pack(order + "I", length))
    return b"".join(out)


def chain_of(form: str, order: str, octets: bytes) -> walk.Chain:
    if form == "pcap":
        return walk.Chain(16, 8, WORDS[order], 16, 0, pcap.LARGEST, pcap._likely(octets[:4], order))
    likely = pcapng._likely_little if order == "<" else pcapng._likely_big
    return walk.Chain(12, 4, WORDS[order], 0, 12, 1 << 27, likely)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([0, 1, 50, 1_500]),
    start=st.sampled_from([0, 0, 7]),
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    cut=st.floats(0, 1),
)
def test_the_records_of_a_damaged_chunk_are_those_of_the_plain_loop(
    *, form: str, order: str, seed: int, count: int, start: int, damage: list[tuple[float, int]], cut: float
) -> None:
    random = np.random.default_rng(seed)
    seconds = [0, 65_500, 1_700_000_000][seed % 3]
    if form == "pcap":
        octets = bytearray(bytes(start) + pcap_records(random, order, count, seconds))
    else:
        octets = bytearray(bytes(start) + pcapng_blocks(random, order, count))
    for where, value in damage:
        if octets:
            octets[int(where * (len(octets) - 1))] = value
    if seed % 2:
        octets = octets[: int(cut * len(octets))]
    content = bytes(octets)
    kind = chain_of(form, order, content[start:].ljust(4, b"\0"))
    assert walked(content, start, kind) == link_by_link(content, start, order, kind)


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_lanes_find_nearly_all_records_of_a_sound_chunk(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain loop would give the same result, twenty times slower: see that it is not what did the work."""
    random = np.random.default_rng(5)
    make = {"pcap": lambda: pcap_records(random, "<", 30_000, 1_700_000_000)}.get(
        form, lambda: pcapng_blocks(random, "<", 30_000)
    )
    octets = make()
    guessed: list[int] = []
    lanes = walk._lanes

    def counting(*words: object) -> np.ndarray:
        found = lanes(*words)
        guessed.append(len(found))
        return found

    monkeypatch.setattr(walk, "_lanes", counting)
    found, end = walked(octets, 0, chain_of(form, "<", octets))
    assert (len(found), end) == (30_000, len(octets))
    assert guessed[0] >= 29_000


def test_a_length_of_zero_in_pcapng_ends_the_walk() -> None:
    random = np.random.default_rng(6)
    octets = pcapng_blocks(random, "<", 3_000)
    middle = link_by_link(octets, 0, "<", chain_of("pcapng", "<", octets))[0][1_500]
    octets = octets[: middle + 4] + bytes(4) + octets[middle + 8 :]
    found, end = walked(octets, 0, chain_of("pcapng", "<", octets))
    assert (len(found), end) == (1_500, middle)
