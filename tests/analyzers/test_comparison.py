"""Attempts at one image side by side."""

from typing import Any

from msgspec.structs import replace
from transfer_records import in_blocks, record

from hanscope.analyzers.comparison import comparisons_of
from hanscope.analyzers.results import MissingRange, Transfer

IMAGE = bytes(range(256)) * 4


def transfer(name: str, stop: int = len(IMAGE), **changes: Any) -> Transfer:
    one = record(name, in_blocks(IMAGE[:stop], first_frame=100), len(IMAGE)).transfer
    return replace(one, **changes)


def never_requested(start: int) -> tuple[MissingRange, ...]:
    return (MissingRange(start=start, end=len(IMAGE), reason="never requested"),)


def test_one_attempt_is_not_compared():
    assert comparisons_of([transfer("T1"), transfer("T2", file_version=9)]) == ()


def test_offers_are_not_compared():
    assert comparisons_of([transfer("T1"), transfer("T2", state="offered")]) == ()


def test_rows_say_where_each_stopped_and_how_fast_it_went():
    half = transfer("T2", 512, missing_ranges=never_requested(512), state="stalled", repeated_requests=3)
    (one,) = comparisons_of([transfer("T1"), half])
    assert [row.reached for row in one.transfers] == [1024, 512]
    assert one.transfers[1].repeated_requests == 3
    assert one.transfers[0].duration_ns == 63 * 10**9
    assert one.transfers[0].octets_per_s == 1024 / 63
    assert one.remarks == ()


def test_what_only_the_sniffer_missed_counts_as_reached():
    deaf = transfer("T2", 512)
    assert deaf.missing_ranges[0].reason == "answered but not captured"
    (one,) = comparisons_of([transfer("T1"), deaf])
    assert one.transfers[1].reached == 1024


def test_a_clock_that_hardly_moves_gives_no_rate():
    begun = transfer("T1").started
    (one,) = comparisons_of([transfer("T1", ended=begun + 1), transfer("T2")])
    assert [row.octets_per_s is None for row in one.transfers] == [True, False]


def test_different_devices_that_end_at_one_octet_are_remarked():
    gaps = never_requested(512)
    (one,) = comparisons_of([transfer(name, 512, missing_ranges=gaps, state="stalled") for name in ("T1", "T2")])
    assert one.remarks == ("T1 and T2, of different devices, end at octet 512: look at the file itself.",)


def test_two_attempts_of_one_device_at_one_octet_are_not():
    first = transfer("T1", 512, missing_ranges=never_requested(512), state="superseded")
    (one,) = comparisons_of([first, replace(first, id="T2", attempt=2)])
    assert one.remarks == ()


def test_a_slow_attempt_and_different_sizes_are_remarked():
    slow = transfer("T3", ended=transfer("T3").started + 1000 * 10**9, image_size=2048)
    (one,) = comparisons_of([transfer("T1"), transfer("T2"), slow])
    assert one.image_size is None
    assert one.remarks == (
        "The same image was offered with different sizes: 1,024, 2,048 octets.",
        "T3 went at 1 octets/s, the middle one at 16; it asked 0 times again and was told to wait 0 times.",
    )
