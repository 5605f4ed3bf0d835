"""Dates and times as DLMS and ZigBee write them."""

import pytest

from hanscope.dissectors.gbcs.times import date_time_text, is_date_time, utc_text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("07df0101ff000000008000ff", "2015-01-01 00:00:00"),
        ("07ee010fff090000008000ff", "2030-01-15 09:00:00"),
        ("07ee010f02090000008000ff", "2030-01-15 Tuesday 09:00:00"),
        ("ffff0afe07020000ff8000ff", "*-10-last Sunday 02:00:00"),
        ("07df0101ff00000000ffc400", "2015-01-01 00:00:00 UTC+60 min"),
        ("07df0101ff00000000800004", "2015-01-01 00:00:00 (clock status 04: different clock base)"),
        ("07df0101ff00000032800000", "2015-01-01 00:00:00.50"),
        ("0000000000000000008000ff", "immediately (no date)"),
        ("ffffffffffffffffff8000ff", "never (cancelled)"),
    ],
)
def test_date_time(octets: str, text: str):
    assert is_date_time(bytes.fromhex(octets))
    assert date_time_text(bytes.fromhex(octets)) == text


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "48656c6c6f20576f726c6421",
        "07df0d01ff000000008000ff",
        "07df0101ff180000008000ff",
        "07df0101ff000000007fffff",
    ],
)
def test_what_is_no_date_time(octets: str):
    assert not is_date_time(bytes.fromhex(octets))


def test_utc_counts_from_the_year_2000():
    assert utc_text(0) == "2000-01-01 00:00:00 UTC"
    assert utc_text(0x38818890) == "2030-01-15 09:00:00 UTC"
    assert utc_text(0xFFFFFFFF) == "2136-02-07 06:28:15 UTC"
