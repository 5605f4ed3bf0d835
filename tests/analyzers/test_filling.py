"""Transfers of one image side by side, and holes filled from others, against octet by octet in plain Python."""

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_records import in_blocks, record

from hanscope.analyzers import filling
from hanscope.analyzers.filling import FileOctets, compare, side_by_side
from hanscope.analyzers.imagestore import ImageStore
from hanscope.analyzers.results import Party

IMAGE = random.Random(5).randbytes(200)

blocks = st.lists(st.tuples(st.integers(0, 70), st.binary(min_size=1, max_size=12), st.integers(1, 500)), max_size=8)
SOURCE = bytes(range(1, 90))
true_blocks = st.lists(
    st.tuples(st.integers(0, 70), st.integers(1, 12), st.integers(1, 500), st.booleans()), max_size=8
).map(lambda rows: [(at, SOURCE[at : at + n - 1] + (b"\xff" if bad else SOURCE[at + n - 1 : at + n]), f)
                    for at, n, f, bad in rows])  # fmt: skip


def octets_of(rows: list[tuple[int, bytes, int]], size: int | None) -> dict[int, tuple[int, int]]:
    """position: (value, frame), the first heard."""
    found: dict[int, tuple[int, int]] = {}
    for at, data, frame in rows:
        for position, value in enumerate(data, at):
            if size is None or position < size:
                found.setdefault(position, (value, frame))
    return found


@pytest.mark.parametrize("window", [7, 1 << 22])
@settings(max_examples=100, deadline=None)
@given(st.one_of(blocks, true_blocks), st.one_of(blocks, true_blocks))
def test_comparison_equals_octet_by_octet(window, left, right):
    one, other = record("T1", left, 80).image, record("T2", right, 80).image
    if one is None or other is None:
        return
    here, there = octets_of(left, 80), octets_of(right, 80)
    common = here.keys() & there.keys()
    differ = {position for position in common if here[position][0] != there[position][0]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "WINDOW", window)
        found = compare(one, other, listed=1000)
    assert (found.common, found.differing) == (len(common), len(differ))
    listed = [position for run in found.differences for position in range(run.start, run.end)]
    assert sorted(listed) == sorted(differ)
    assert listed == sorted(listed)
    for run in found.differences:
        assert {here[position][1] for position in range(run.start, run.end)} == {run.frame}
        assert {there[position][1] for position in range(run.start, run.end)} == {run.other_frame}


@pytest.mark.parametrize("window", [7, 1 << 22])
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(true_blocks, blocks), st.sampled_from([60, 75, 75, 75, None])), min_size=2, max_size=5)
)
def test_filling_equals_octet_by_octet(window, heard):
    store = ImageStore()
    records = [record(f"T{number}", rows, size, store) for number, (rows, size) in enumerate(heard, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "WINDOW", window)
        found = side_by_side(records)
    octets = {one.transfer.id: octets_of(rows, size) for one, (rows, size) in zip(records, heard, strict=True)}
    sizes = {one.transfer.id: one.transfer.image_size for one in records}
    for one in records:
        name, own, size = one.transfer.id, octets[one.transfer.id], one.transfer.image_size
        expected: dict[int, tuple[int, str, int]] = {}
        agreeing = [
            other
            for other in records
            if other is not one
            and octets[other.transfer.id]
            and (size is None or sizes[other.transfer.id] in (None, size))
            and all(octets[other.transfer.id].get(at, value)[0] == value[0] for at, value in own.items())
        ]
        told = {sizes[other.transfer.id] for other in agreeing} - {None}
        if own and size is None and len(told) == 1 and max(own) < max(told):
            (size,) = told
        if own and size is not None:
            lenders = [
                other
                for other in records
                if other is not one
                and octets[other.transfer.id]
                and sizes[other.transfer.id] in (None, size)
                and max(octets[other.transfer.id]) < size
                and all(octets[other.transfer.id].get(at, value)[0] == value[0] for at, value in own.items())
            ]
            lenders.sort(key=lambda other: (other.transfer.first_frame, other.transfer.id))
            for position in set(range(size)) - own.keys():
                lent = [(octets[other.transfer.id][position], other.transfer.id) for other in lenders
                        if position in octets[other.transfer.id]]  # fmt: skip
                if lent and len({value for (value, _), _ in lent}) == 1:
                    (value, frame), lender = lent[0]
                    expected[position] = value, lender, frame
        filled = found[name].filled if name in found else None
        if not expected:
            assert filled is None
            continue
        assert filled is not None
        assert filled.record.image is not None
        image = filled.record.image.read()
        assert image == bytes((own | expected).get(at, (0,))[0] for at in range(size))
        marked = {at: part.transfer_id for part in filled.ranges for at in range(part.start, part.end)}
        assert marked == {at: lender for at, (_, lender, _) in expected.items()}
        for part in filled.ranges:
            frames = [expected[at][2] for at in range(part.start, part.end)]
            assert (part.first_frame, part.last_frame) == (min(frames), max(frames))
        came = {
            at: (frame, lender)
            for start, end, frame, lender in zip(
                filled.starts.tolist(), filled.ends.tolist(), filled.frames.tolist(), filled.transfers, strict=True
            )
            for at in range(start, end)
        }
        assert came == {at: (frame, name) for at, (_, frame) in own.items()} | {
            at: (frame, lender) for at, (_, lender, frame) in expected.items()
        }
        missing = {at for gap in filled.record.transfer.missing_ranges for at in range(gap.start, gap.end)}
        assert missing == set(range(size)) - own.keys() - expected.keys()


def test_holes_of_two_devices_fill_each_other() -> None:
    store = ImageStore()
    one = record("T1", in_blocks(IMAGE, first_frame=100, without=[3, 4]), len(IMAGE), store)
    two = record("T2", in_blocks(IMAGE, first_frame=300, without=[0, 12]), len(IMAGE), store)
    found = side_by_side([one, two])
    filled = found["T1"].filled
    assert filled is not None
    assert filled.record.image is not None
    assert filled.record.image.read() == IMAGE
    assert [(part.start, part.end, part.transfer_id, part.first_frame, part.last_frame) for part in filled.ranges] == [
        (48, 80, "T2", 303, 304)
    ]
    assert filled.record.transfer.missing_ranges == ()
    assert [(gap.start, gap.end) for gap in one.transfer.missing_ranges] == [(48, 80)], "stays what was heard"
    (other,) = found["T2"].others
    assert (other.record.transfer.id, other.comparison.common, other.contradicts) == ("T1", 200 - 32 - 24, False)


def test_a_contradiction_is_told_with_both_frames_and_nothing_is_taken() -> None:
    wrong = IMAGE[:20] + b"\x00\x01" + IMAGE[22:]
    one = record("T1", in_blocks(IMAGE, first_frame=100, without=[5]), len(IMAGE))
    two = record("T2", in_blocks(wrong, first_frame=300), len(IMAGE))
    found = side_by_side([one, two])["T1"]
    assert found.filled is None
    (other,) = found.others
    assert other.contradicts
    (difference,) = other.comparison.differences
    assert (difference.start, difference.end, difference.frame, difference.other_frame) == (20, 22, 101, 301)


def test_images_of_another_size_lend_nothing() -> None:
    one = record("T1", in_blocks(IMAGE, first_frame=100, without=[5]), len(IMAGE))
    two = record("T2", in_blocks(IMAGE, first_frame=300), len(IMAGE) + 4)
    found = side_by_side([one, two])["T1"]
    assert found.filled is None
    assert found.others[0].sizes == (200, 204)


def test_other_identities_have_nothing_to_do_with_each_other() -> None:
    one = record("T1", in_blocks(IMAGE, first_frame=100, without=[5]), len(IMAGE))
    two = record("T2", in_blocks(IMAGE, first_frame=300), len(IMAGE), file_version=0x01020305)
    assert side_by_side([one, two]) == {}


def test_another_device_of_another_server_lends_only_where_something_shows_that_the_files_are_the_same() -> None:
    def filled(**changes: Party) -> list[bool]:
        one = record("T1", in_blocks(IMAGE[:96], first_frame=100), len(IMAGE))
        two = record("T2", [(96, IMAGE[96:], 300)], len(IMAGE), **changes)
        return [side.filled is not None for side in side_by_side([one, two]).values()]

    elsewhere = Party(short=0x77, eui64="00:0d:6f:00:00:00:00:77")
    assert filled() == [True, True], "the same server"
    the_same = Party(short=1, eui64="00:15:8d:00:00:00:00:01")
    assert filled(server=elsewhere, client=the_same) == [False, True], "it went on with what it had"
    assert filled(server=elsewhere) == [False, False]


def test_octets_that_two_lenders_have_differently_stay_holes() -> None:
    wrong = IMAGE[:81] + b"\x00" + IMAGE[82:]
    one = record("T1", in_blocks(IMAGE, first_frame=100, without=[5]), len(IMAGE))
    two = record("T2", in_blocks(IMAGE, first_frame=300), len(IMAGE))
    three = record("T3", in_blocks(wrong, first_frame=500), len(IMAGE))
    filled = side_by_side([one, two, three])["T1"].filled
    assert filled is not None
    assert [(part.start, part.end) for part in filled.ranges] == [(80, 81), (82, 96)]
    assert [(gap.start, gap.end) for gap in filled.record.transfer.missing_ranges] == [(81, 82)]


def test_of_very_many_transfers_some_are_compared_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MOST_COMPARISONS", 20)
    store = ImageStore()
    records = [record(f"T{number}", [(0, IMAGE[:16], number)], len(IMAGE), store) for number in range(1, 31)]
    found = side_by_side(records)
    assert all(len(one.others) + one.not_compared == 29 for one in found.values())
    assert len(found["T1"].others) == filling.MOST_OTHERS
    assert sum(len(one.others) for one in found.values()) <= 40


@pytest.mark.parametrize("limit", ["MOST_FILLED", "MOST_PUT_TOGETHER"])
def test_more_than_can_be_filled_is_left_and_told(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(filling, limit, 15)
    one = record("T1", in_blocks(IMAGE, first_frame=100, without=[5]), len(IMAGE))
    two = record("T2", in_blocks(IMAGE, first_frame=300), len(IMAGE))
    found = side_by_side([one, two])
    assert (found["T1"].filled, found["T1"].left_unfilled) == (None, True)
    assert not found["T2"].left_unfilled, "it lacks nothing"


def test_thousands_of_attempts_with_sizes_that_nobody_can_have_take_no_time() -> None:
    store = ImageStore()
    records = [
        record(f"T{number}", [(number % 7 * 16, IMAGE[:16], number)], 1 << 20, store) for number in range(1, 3000)
    ]
    began = time.perf_counter()
    found = side_by_side(records)
    assert time.perf_counter() - began < 20
    assert len(found) == 2999
    assert any(one.left_unfilled for one in found.values())


def test_a_file_is_compared_where_it_is_shifted_to() -> None:
    image = record("T1", in_blocks(IMAGE, first_frame=100, without=[0]), len(IMAGE)).image
    assert image is not None
    changed = IMAGE[:100] + bytes([IMAGE[100] ^ 1]) + IMAGE[101:]
    behind = FileOctets(b"1234" + changed, shift=4)
    found = compare(image, behind)
    assert (found.common, found.differing) == (184, 1)
    assert [(one.start, one.end, one.frame, one.other_frame) for one in found.differences] == [(100, 101, 106, None)]
    cut = FileOctets(IMAGE[10:50], shift=-10)
    assert compare(image, cut) == filling.Comparison(34, 0, ())
    assert compare(cut, cut).common == 40
    assert len(FileOctets(b"", 3).covered) == 0
    assert compare(image, FileOctets(IMAGE, missing=((20, 100), (110, 120)))).common == 184 - 74 - 10 - 6
    holed = FileOctets(b"12" + IMAGE, shift=2, missing=((0, 5), (7, 9)))
    assert holed.covered.pairs() == [(3, 5), (7, len(IMAGE))]
    assert holed.window(2, 8)[0][[1, 2, 5]].tolist() == [IMAGE[3], IMAGE[4], IMAGE[7]]
    assert np.array_equal(cut.window(0, 12)[1], [False] * 10 + [True] * 2)


def test_an_image_whose_size_is_not_known_takes_it_from_those_that_agree_on_one() -> None:
    store = ImageStore()
    late = record("T1", in_blocks(IMAGE, first_frame=100, without=[0, 1, 12]), None, store)
    two = record("T2", in_blocks(IMAGE, first_frame=300, without=[11]), len(IMAGE), store)
    filled = side_by_side([late, two])["T1"].filled
    assert filled is not None
    assert filled.record.image is not None
    assert filled.record.image.read() == IMAGE
    assert (filled.record.transfer.missing_ranges, late.transfer.image_size) == ((), None)
    assert filled.record.transfer.image_size == len(IMAGE), "it is whole"
    three = record("T3", in_blocks(IMAGE[:192], first_frame=500), 192, store)
    assert side_by_side([late, two, three])["T1"].filled is None, "two sizes are told"
    beyond = record("T4", in_blocks(IMAGE[:64], first_frame=500), len(IMAGE) + 50, store)
    (gap,) = side_by_side([late, beyond])["T1"].filled.record.transfer.missing_ranges  # pyright: ignore[reportOptionalMemberAccess]
    assert (gap.start, gap.end, gap.reason) == (192, 250, "never requested")
