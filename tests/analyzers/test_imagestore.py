"""Images put together from logs of blocks, against octet by octet in plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanscope.analyzers import imagestore
from hanscope.analyzers.imagestore import BLOCK, ImageStore, assemble

LIMIT = 200


def log(store: ImageStore, blocks: list[tuple[int, bytes, bool]]) -> np.ndarray:
    records = np.zeros(len(blocks), BLOCK)
    for index, (offset, data, copy) in enumerate(blocks):
        at = store.append(np.frombuffer(data, np.uint8))
        records[index] = (index, 1000 + index, at, offset, len(data), index % 256, copy)
    return records


blocks = st.lists(
    st.tuples(st.integers(0, 210), st.binary(min_size=1, max_size=20), st.booleans()),
    max_size=25,
)
same_size = st.lists(
    st.tuples(st.integers(0, 12).map(lambda n: n * 16), st.binary(min_size=16, max_size=16), st.booleans()),
    max_size=25,
)


@pytest.mark.parametrize("window", [1, 1 << 22])
@settings(max_examples=150, deadline=None)
@given(st.one_of(blocks, same_size))
def test_assembly_equals_octet_by_octet(window, blocks):
    image, frames, conflicts, repeated, refused = {}, {}, set(), 0, 0
    for index, (offset, data, copy) in enumerate(blocks):
        news = differs = 0
        for position, value in enumerate(data, offset):
            if position >= LIMIT:
                refused += not copy
            elif position not in image:
                image[position], frames[position] = value, 1000 + index
                news += 1
            elif image[position] != value:
                conflicts.add(position)
                differs += 1
        repeated += not (news or differs or copy or offset >= LIMIT)
    store = ImageStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagestore, "WINDOW", window)
        found = assemble(store, log(store, blocks), LIMIT)
    assert (found.repeated, found.conflicting, found.refused) == (repeated, len(conflicts), refused)
    kept = found.keep(store, LIMIT)
    assert kept.read() == bytes(image.get(position, 0) for position in range(LIMIT))
    brought = {}
    for start, end, frame in zip(*(column.tolist() for column in kept.provenance()), strict=True):
        brought |= dict.fromkeys(range(start, end), frame)
    assert brought == frames
    listed = {position for start, end, *_ in found.conflicts for position in range(start, end)}
    assert listed == conflicts
    assert [(start, end) for start, end, *_ in found.conflicts] == [(at, at + len(v)) for at, v in found.later]
    for (start, end, _, other), (_, values) in zip(found.conflicts, found.later, strict=True):
        offset, data, _ = blocks[other - 1000]
        assert values == data[start - offset : end - offset]
    for start, end, first, other in found.conflicts:
        assert all(frames[position] == first for position in range(start, end))
        offset, data, _ = blocks[other - 1000]
        assert all(data[position - offset] != image[position] for position in range(start, end))


def test_conflicts_are_listed_up_to_a_hundred_and_counted_beyond():
    store = ImageStore()
    first = [(n * 4, b"abcd", False) for n in range(150)]
    found = assemble(store, log(store, first + [(n * 4, b"abCd", False) for n in range(150)]), 1 << 20)
    assert (found.conflicting, len(found.conflicts)) == (150, 100)
    assert found.conflicts[0] == (2, 3, 1000, 1150)


def test_a_size_smaller_than_what_came_cuts_the_image_and_its_provenance():
    store = ImageStore()
    kept = assemble(store, log(store, [(0, b"abcd", False), (4, b"efgh", False)]), 1 << 20).keep(store, 6)
    assert kept.read() == b"abcdef"
    assert [column.tolist() for column in kept.provenance()] == [[0, 4], [4, 6], [1000, 1001]]


def test_far_octets_take_no_space_between():
    store = ImageStore()
    found = assemble(store, log(store, [(0, b"abcd", False), (0xFFFFFFF0, b"efgh", False)]), 1 << 40)
    assert found.packed.tobytes() == b"abcdefgh"
    assert found.covered.pairs() == [(0, 4), (0xFFFFFFF0, 0xFFFFFFF4)]


def test_the_store_says_what_it_does_not_hold():
    store = ImageStore()
    store.append(np.arange(4, dtype=np.uint8))
    assert store.read(1, 3).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="holds no octets 2 to 6"):
        store.read(2, 4)
    store.close()
    with pytest.raises(ValueError, match="holds no octets 0 to 1"):
        store.read(0, 1)


def test_what_an_image_claims_to_be_costs_nothing_until_it_is_read():
    store = ImageStore()
    kept = assemble(store, log(store, [(0, b"abcd", False), (8, b"efgh", False)]), 1 << 40).keep(store, 1 << 39)
    assert kept.reach == 12
    assert kept.read(end=kept.reach) == b"abcd\0\0\0\0efgh"
    assert (kept.read(2, 9), kept.read(3, 3), kept.read(9, 2)) == (b"cd\0\0\0\0e", b"", b"")
    assert kept.read(1 << 38, (1 << 38) + 3) == bytes(3)
