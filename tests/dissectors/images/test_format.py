import pytest

from hanscope.dissectors.images.filling import behind, filled_with
from hanscope.dissectors.images.format import Judgement, checked, compared, near
from hanscope.dissectors.images.octets import Octets, View
from hanscope.dissectors.images.unnamed import entropy, looks_random, sampled


@pytest.mark.parametrize(
    ("octets", "found"),
    [(b"KNLT", True), (b"KNLU", True), (b"JNLT", True), (b"KNLW", False), (b"KNL", False), (b"", False)],
)
def test_signature_may_have_one_wrong_bit(octets: bytes, found: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert near(octets, b"KNLT") is found


def test_check_of_what_is_not_there_is_invalid_and_of_a_hole_unknown() -> None:
    @checked("sum")
    def check(view: View) -> Judgement:
        return compared("sum", "sum of four octets", view.u8(4), sum(view.take(0, 4)), (view.span(0, 5),))

    good = b"\x01\x02\x03\x04\x0a"
    assert check(Octets(good).view()) == Judgement("sum", "valid", "sum of four octets", ((0, 5),))
    wrong = check(Octets(good[:4] + b"\x0b").view())
    assert (wrong.outcome, wrong.covers) == ("invalid", ())
    assert wrong.detail == "sum of four octets: it says 0x0000000b, the octets give 0x0000000a"
    assert check(Octets(good[:3]).view()).outcome == "invalid"
    assert check(Octets(good, [(2, 3)]).view()) == Judgement("sum", "unknown", "octet 2 was not captured")


def test_only_ranges_of_valid_checks_that_are_more_than_fields_vouch() -> None:
    assert Judgement("a", "valid", "", ((0, 4), (10, 26))).vouches == ((10, 26),)
    assert Judgement("a", "invalid", "", ((10, 26),)).vouches == ()


def test_what_stands_behind_is_told() -> None:
    assert behind(Octets(b"abc").view(), 3) == ""
    assert behind(Octets(b"abc\xff\xff").view(), 3) == "; behind it, not covered: 2 octets of 0xff"
    assert behind(Octets(b"abcd").view(), 3) == "; behind it, not covered: 1 octet of 0x64"
    assert behind(Octets(b"abcde").view(), 3) == "; behind it, not covered: 2 octets of other data"
    assert behind(Octets(b"abcde", [(4, 5)]).view(), 3) == "; behind it: 2 octets, not all captured"
    assert filled_with(b"") is None


def test_entropy() -> None:
    assert entropy(bytes(100)) == 0
    assert entropy(bytes(range(256))) == 8
    assert entropy(b"ab" * 50) == 1


def test_sample_is_taken_from_what_was_captured() -> None:
    holed = Octets(bytes(1000) + b"x" * 1000, [(500, 1500)])
    assert sampled(holed.view()) == bytes(500) + b"x" * 500
    assert sampled(holed.view(600, 1400)) == b""
    assert not looks_random(holed.view())
