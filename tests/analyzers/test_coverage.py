"""The interval map against sets of octets, and the reasons for missing ranges against the table in the module."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hanscope.analyzers.coverage import Intervals, latest_cover, missing

ranges = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda one: (one[0], one[0] + one[1])), max_size=12
)


def arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def octets(pairs: list[tuple[int, int]]) -> set[int]:
    return {octet for start, end in pairs for octet in range(start, end)}


@given(ranges)
def test_union_holds_the_octets_of_all_ranges_in_as_few_as_possible(pairs):
    union = Intervals.of(*arrays(pairs))
    assert octets(union.pairs()) == octets(pairs)
    assert union.octets == len(octets(pairs))
    assert all(end < start for (_, end), (start, _) in zip(union.pairs(), union.pairs()[1:], strict=False))


@given(ranges, ranges)
def test_union_of_two_maps(one, other):
    assert octets(Intervals.of(*arrays(one)).union(Intervals.of(*arrays(other))).pairs()) == octets(one + other)


@given(ranges, st.integers(0, 80))
def test_gaps_are_what_is_not_covered(pairs, size):
    gaps = Intervals.of(*arrays(pairs)).gaps(size)
    assert octets(gaps.pairs()) == set(range(size)) - octets(pairs)


@given(ranges, st.lists(st.integers(0, 80), max_size=9))
def test_cutting_keeps_the_octets_and_leaves_no_edge_inside_a_piece(pairs, edges):
    pieces = Intervals.of(*arrays(pairs)).cut(np.array(edges, np.int64))
    assert octets(pieces.pairs()) == octets(pairs)
    assert not any(start < edge < end for start, end in pieces.pairs() for edge in edges)


@given(ranges, st.lists(st.integers(0, 80), min_size=1, max_size=9))
def test_counting_below_positions(pairs, positions):
    counted = Intervals.of(*arrays(pairs)).count_below(np.array(positions))
    assert counted.tolist() == [sum(octet < position for octet in octets(pairs)) for position in positions]


@given(ranges, ranges)
def test_latest_cover_is_the_last_range_over_a_piece(pairs, asked):
    starts, ends = arrays(asked)
    pieces = Intervals.of(*arrays(pairs)).cut(np.append(starts, ends))
    expected = [
        max((i for i, (a, b) in enumerate(asked) if a <= start and end <= b), default=-1)
        for start, end in pieces.pairs()
    ]
    assert latest_cover(pieces, starts, ends).tolist() == expected


def test_latest_cover_by_long_ranges_over_many_pieces():
    covered = Intervals.of(np.arange(0, 1000, 2), np.arange(1, 1000, 2))
    starts, ends = np.array([0, 300, 100]), np.array([1000, 700, 401])
    found = latest_cover(covered.gaps(1000).cut(np.append(starts, ends)), starts, ends)
    assert found.tolist() == [0] * 50 + [2] * 150 + [1] * 150 + [0] * 150


def test_strip_shows_whole_part_and_nothing():
    covered = Intervals.of(np.array([0, 650]), np.array([320, 655]))
    assert covered.strip(1280) == "#" * 16 + "." * 16 + "+" + "." * 31
    assert Intervals.of(np.array([0]), np.array([3])).strip(3) == "#" * 64
    assert covered.strip(0) == "." * 64


def reasons(covered: list[tuple[int, int]], size: int, asked: list[tuple[int, int]], first: int = 0):
    return missing(Intervals.of(*arrays(covered)), size, *arrays(asked), first)


def test_a_later_request_proves_what_lies_before_it():
    assert reasons([(0, 50)], 200, [(0, 50), (50, 100), (100, 150)]) == [
        (50, 100, "answered but not captured"),
        (100, 150, "requested and never answered"),
        (150, 200, "never requested"),
    ]


def test_asking_again_takes_the_proof_back():
    assert reasons([(0, 50)], 200, [(0, 50), (50, 100), (100, 150), (50, 100)]) == [
        (50, 150, "requested and never answered"),
        (150, 200, "never requested"),
    ]


def test_a_forward_skip_is_the_sniffers_loss_but_not_below_the_first_offset():
    assert reasons([(62, 70), (200, 250)], 250, [(62, 70), (200, 250)], first=62) == [
        (0, 62, "never requested"),
        (70, 200, "answered but not captured"),
    ]


def test_the_next_page_proves_the_page_before_but_nothing_of_itself():
    assert reasons([(0, 64), (128, 192)], 768, [(0, 256), (256, 512)]) == [
        (64, 128, "answered but not captured"),
        (192, 256, "answered but not captured"),
        (256, 512, "requested and never answered"),
        (512, 768, "never requested"),
    ]


def test_a_single_request_for_a_later_hole_proves_the_earlier_hole_of_the_page():
    assert reasons([(0, 64), (128, 192)], 256, [(0, 256), (192, 256)]) == [
        (64, 128, "answered but not captured"),
        (192, 256, "requested and never answered"),
    ]


@given(ranges, ranges, st.integers(1, 70))
def test_reasons_follow_the_table_octet_by_octet(covered, asked, size):
    first = min([start for start, _ in covered + asked], default=0)
    have = octets(covered)
    expected = {}
    for octet in set(range(size)) - have:
        over = [i for i, (start, end) in enumerate(asked) if start <= octet < end]
        later = asked[over[-1] + 1 if over else 0 :]
        if octet >= first and any(start > octet for start, _ in later):
            expected[octet] = "answered but not captured"
        else:
            expected[octet] = "requested and never answered" if over else "never requested"
    found = {octet: why for start, end, why in reasons(covered, size, asked, first) for octet in range(start, end)}
    assert found == expected
