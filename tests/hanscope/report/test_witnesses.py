"""What the report for people tells of witnesses: those that spoke, and what would be one."""

import io

import pytest

from hanscope.analyzers import results
from hanscope.report import terminal


@pytest.fixture
def told(made):
    """The report of one image, as one line."""

    def report(*witnesses, **changes):
        page = io.StringIO()
        image = made.image(witnesses=witnesses, **changes)
        terminal.show_images([image], terminal.console_for(page))
        return " ".join(page.getvalue().split())

    return report


def witness(source, outcome="valid", said="it", detail="agrees", **fields):
    return results.Witness(source=source, outcome=outcome, said=said, detail=detail, **fields)


NEEDED = "no independent witness of its octets"


def test_without_a_witness_it_is_told_what_would_be_one(told):
    assert NEEDED in told()
    assert NEEDED in told(witness("version read"), witness("OTA header"), witness("query response"))
    assert NEEDED in told(witness("receipt alert", "unknown", "M4 alert 0x8F72", "not compared: 3 octets"))
    assert NEEDED not in told(witness("receipt alert"))
    unsure = witness("receipt alert", "unknown", "M4 alert 0x8F72", "not compared: 3 octets")
    assert "whoever has the missing octets would let the hash be compared" in told(unsure, partial=True)
    assert NEEDED not in told(transfer_id=None, file="a.ota"), "files are not asked for more"


def test_what_checks_tell_already_is_not_told_twice(told):
    assert "OTA header: " not in told(witness("OTA header", "invalid", "another"))


def test_a_witness_that_could_not_be_compared_says_why(told):
    text = told(witness("receipt alert", "unknown", "M4 alert 0x8F72", "not compared: octets 3 to 4 were not captured"))
    assert "unknown receipt alert: M4 alert 0x8F72: not compared: octets 3 to 4 were not captured" in text


def test_a_version_that_was_only_read_before_is_no_news(told):
    assert "version read" not in told(witness("version read", "unknown", "the device ran 0x01 before (an OTA query)"))
    assert "version read" in told(witness("version read", "unknown", "the device ran 0x01 after (an OTA query)"))


def test_transfers_that_agree_share_a_line_and_one_that_does_not_has_its_own(told):
    agreeing = [witness("other transfer", said=f"T{n}: device {n}", compared_octets=n * 1000) for n in (2, 3, 4)]
    other = witness(
        "other transfer",
        "invalid",
        "T5: device 5",
        "4 of 9 octets differ",
        differing_octets=4,
        differences=(
            results.Difference(start=5, end=6, frame=1, other_frame=2),
            results.Difference(start=1000, end=1003, frame=1, other_frame=2),
        ),
    )
    text = told(*agreeing, other)
    assert "valid other transfer: T2, T3, T4 were given the same octets, wherever two were heard" in text
    assert "(at least 2,000 octets each)" in text
    assert (
        "INVALID other transfer: T5: device 5: 4 of 9 octets differ: 5 (frames 1, 2), 1,000 to 1,002 (frames 1, 2)"
        in text
    )


def test_very_many_witnesses_are_counted(told):
    text = told(*(witness("receipt alert", "invalid", f"M{n}") for n in range(40)))
    assert "M11:" in text
    assert "M12:" not in text
    assert "and 28 more" in text


def test_what_was_filled_is_told_by_lender(told):
    ranges = [
        results.FilledRange(start=at, end=at + 10, transfer_id=name, first_frame=1, last_frame=2)
        for at, name in ((0, "T2"), (40, "T3"), (90, "T2"))
    ]
    assert "filled 30 octets in 3 ranges: 20 from T2, 10 from T3" in told(filled_ranges=tuple(ranges))


def test_who_agrees_is_told_beside_what_the_checks_cover(told):
    assert " agree" not in told(vouched_octets=0)
    agreeing = witness("receipt alert"), witness("activation order"), witness("other transfer", "unknown")
    text = told(*agreeing, vouched_octets=0)
    assert "no check of its own covers its content; receipt alert and activation order agree" in text
    assert "; hash list agrees" in told(witness("hash list"), vouched_octets=10)
