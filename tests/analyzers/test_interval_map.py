"""The map of an image's octets, from messages to results, against octet by octet in plain Python.

Random blocks, overlaps, conflicts, sizes that change under way, the last octet missing; and the sets of octets that the
map is made of.
"""

import random
from hashlib import sha256
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hanscope.analyzers.coverage import Intervals
from hanscope.analyzers.imagestore import ImageStore
from hanscope.analyzers.results import Transfer
from hanscope.analyzers.tables import ABSENT, OtaTable
from hanscope.analyzers.transfers import TransferBuilder, TransferRecord

SECOND = 1_000_000_000
TRUTH = random.Random(11).randbytes(400)
CLIENT, SERVER = (7, 0x000D6F000A9069E0), (0, 0x0022A40000000001)
PAGE, OFFER, BLOCK, END = 0x04, 0x02, 0x05, 0x06

Step = tuple[int, int, bytes]
"""A command; its offset, size or status; its octets."""


def rebuilt(steps: list[Step]) -> TransferRecord:
    """What a capture of a client comes to that asks for one page of 64 KiB and is given blocks in any order."""
    rows = [(PAGE, 0, b""), *steps]
    at = np.cumsum([0, *(len(data) for _, _, data in rows)])[:-1]

    def column(command: int) -> list[int]:
        return [number if what == command else ABSENT for what, number, _ in rows]

    by_server = [what in (OFFER, BLOCK) for what, _, _ in rows]
    block = [what == BLOCK for what, _, _ in rows]
    columns: dict[str, Any] = {
        "number": list(range(1, len(rows) + 1)),
        "time_ns": [index * SECOND for index in range(len(rows))],
        "pan_id": [1] * len(rows),
        "nwk_source": [(SERVER if own else CLIENT)[0] for own in by_server],
        "nwk_destination": [(CLIENT if own else SERVER)[0] for own in by_server],
        "source_eui64": [(SERVER if own else CLIENT)[1] for own in by_server],
        "destination_eui64": [(CLIENT if own else SERVER)[1] for own in by_server],
        "aps_counter": [index % 256 for index in range(len(rows))],
        "zcl_sequence": [1] * len(rows),
        "command": [what for what, _, _ in rows],
        "manufacturer_code": [0x1001] * len(rows),
        "image_type": [1] * len(rows),
        "file_version": [5] * len(rows),
        "status": [number if what == END else 0 if what in (OFFER, BLOCK) else ABSENT for what, number, _ in rows],
        "image_size": column(OFFER),
        "file_offset": [number if what in (BLOCK, PAGE) else ABSENT for what, number, _ in rows],
        "data_size": [len(data) if own else 64 for own, (_, _, data) in zip(block, rows, strict=True)],
        "page_size": [0xFFFF if what == PAGE else ABSENT for what, _, _ in rows],
        "data_at": at,
        "data_length": [len(data) for _, _, data in rows],
    }
    data = b"".join(data for _, _, data in rows)
    builder = TransferBuilder(ImageStore())
    builder.feed(OtaTable.of(len(rows), np.frombuffer(data, np.uint8), **columns))
    (one,) = builder.finish()
    return one


def model(steps: list[Step]) -> tuple[dict[int, tuple[int, int]], set[int], int | None]:
    """position: (value, frame), the first heard; the positions that came with other values; the size."""
    octets: dict[int, tuple[int, int]] = {}
    conflicts: set[int] = set()
    size: int | None = None
    for frame, (what, number, data) in enumerate(steps, 2):
        if what == OFFER:
            size = number
        for position, value in enumerate(data, number):
            if octets.setdefault(position, (value, frame))[0] != value:
                conflicts.add(position)
    if size is None and all(position in octets for position in range(56)):
        header = bytes(octets[position][0] for position in range(56))
        if header[:4] == bytes.fromhex("1ef1ee0b"):
            size = int.from_bytes(header[52:56], "little")
    return octets, conflicts, size


def holes(transfer: Transfer) -> set[int]:
    return {octet for gap in transfer.missing_ranges for octet in range(gap.start, gap.end)}


def block(offset: int, length: int, *, wrong: bool = False) -> Step:
    data = bytearray(TRUTH[offset : offset + length])
    if wrong:
        data[length // 2] ^= 0xFF
    return BLOCK, offset, bytes(data)


blocks = st.builds(block, st.integers(0, 300), st.integers(1, 90), wrong=st.sampled_from([False, False, False, True]))
offers = st.integers(0, 390).map(lambda size: (OFFER, size, b""))
SUCCESS: list[Step] = [(END, 0, b"")]
IN_ORDER = [block(offset, 40) for offset in range(0, 400, 40)]


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.lists(st.one_of(blocks, blocks, blocks, offers), min_size=1, max_size=30),
        st.tuples(st.permutations(IN_ORDER), st.lists(st.one_of(blocks, offers), max_size=5)).map(
            lambda both: [*both[0], *both[1]]
        ),
    ).filter(lambda steps: any(what == BLOCK for what, _, _ in steps)),
    st.sampled_from([SUCCESS, []]),
)
@example([(OFFER, 400, b""), *IN_ORDER[:-1], block(360, 39)], SUCCESS)
@example([(OFFER, 400, b""), *IN_ORDER, (OFFER, 399, b"")], SUCCESS)
@example([*IN_ORDER[::-1], (OFFER, 401, b"")], [])
@example([(OFFER, 0, b""), *IN_ORDER], [])
@example([(OFFER, 400, b""), *IN_ORDER, block(399, 1, wrong=True)], SUCCESS)
def test_the_map_equals_octet_by_octet(steps: list[Step], end_of_it: list[Step]) -> None:
    steps = [*steps, *end_of_it]
    octets, conflicts, size = model(steps)
    one = rebuilt(steps)
    transfer = one.transfer
    end = max(octets) + 1 if size is None else size
    inside = {position for position in octets if position < end}
    assert transfer.image_size == size
    assert transfer.received_bytes == len(inside)
    assert holes(transfer) == set(range(end)) - inside
    reason = "answered but not captured" if end_of_it else "requested and never answered"
    assert {gap.reason for gap in transfer.missing_ranges} <= {reason}
    assert transfer.conflicting_bytes == len(conflicts)
    listed = {position for start, stop, _, _ in transfer.conflicts for position in range(start, stop)}
    assert listed == conflicts
    assert transfer.complete == (bool(size) and len(inside) == size)
    image = bytes(octets[position][0] if position in inside else 0 for position in range(end))
    assert transfer.sha256 == (sha256(image).hexdigest() if transfer.complete else None)
    if not inside:
        assert one.image is None
        return
    assert one.image is not None
    assert one.image.read() == image
    brought: dict[int, int] = {}
    for start, stop, frame in zip(*(column.tolist() for column in one.image.provenance()), strict=True):
        brought |= dict.fromkeys(range(start, stop), frame)
    assert brought == {position: octets[position][1] for position in inside}
    assert transfer.strip.count("#") == 64 if transfer.complete else True


ranges = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda one: (one[0], one[0] + one[1])), max_size=12
)


def intervals(pairs: list[tuple[int, int]]) -> Intervals:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return Intervals.of(both[:, 0].copy(), both[:, 1].copy())


def positions(pairs: list[tuple[int, int]]) -> set[int]:
    return {octet for start, end in pairs for octet in range(start, end)}


@given(ranges, ranges)
def test_intersection_is_what_is_in_both(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    both = intervals(one).intersection(intervals(other))
    assert positions(both.pairs()) == positions(one) & positions(other)
    assert both.octets == len(positions(one) & positions(other))


@given(ranges, st.integers(0, 80), st.integers(0, 80))
def test_what_lies_between_and_its_mask(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    wanted = positions(pairs) & set(range(start, end))
    assert positions(intervals(pairs).between(start, end).pairs()) == wanted
    mask = intervals(pairs).mask(start, end)
    assert {start + int(index) for index in np.flatnonzero(mask)} == wanted
    assert len(mask) == max(end - start, 0)


@given(ranges, st.lists(st.integers(0, 80), max_size=5), st.integers(0, 80), st.integers(0, 80))
def test_the_mask_of_ranges_that_touch(pairs: list[tuple[int, int]], edges: list[int], start: int, end: int) -> None:
    cut = intervals(pairs).cut(np.array(edges, np.int64))
    assert np.array_equal(cut.mask(start, end), intervals(pairs).mask(start, end))
