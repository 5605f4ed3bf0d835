import pytest

from hanscope.dissectors.images.octets import BrokenError, NotCapturedError, Octets

TEN = Octets(bytes(range(10)))
HOLED = Octets(bytes(range(10)), [(4, 6), (12, 15)])


def test_view_counts_from_its_start() -> None:
    view = TEN.view(2, 8)
    assert bytes(view.take(0, 3)) == b"\x02\x03\x04"
    assert view.u16(1) == 0x0403
    assert view.u16(1, "big") == 0x0304
    assert view.u32(2, "big") == 0x04050607
    assert view.span(1, 3) == (3, 5)
    assert bytes(view.sub(1, 3).take(0, 2)) == b"\x03\x04"


@pytest.mark.parametrize(("start", "end"), [(0, 7), (6, 7), (-1, 2), (3, 2)])
def test_what_is_not_there_cannot_be_taken(start: int, end: int) -> None:
    view = TEN.view(2, 8)
    with pytest.raises(BrokenError):
        view.take(start, end)
    assert view.peek(start, end) == b""


def test_view_ends_where_the_file_does() -> None:
    assert TEN.view(5, 99).size == 5
    assert TEN.view(50, 99).size == 0
    assert TEN.view(3).sub(2, 99).size == 5
    assert TEN.view(3).sub(9).size == 0


def test_view_of_a_partial_image_ends_where_it_is_told() -> None:
    assert (HOLED.size, HOLED.partial) == (15, True)
    assert HOLED.missing == [(4, 6), (10, 15)]
    assert HOLED.view(8, 14).size == 6


def test_hole_cannot_be_taken_and_says_where_it_is() -> None:
    view = HOLED.view(2)
    assert bytes(view.take(0, 2)) == b"\x02\x03"
    with pytest.raises(NotCapturedError, match="octets 4 to 5 were not captured"):
        view.take(0, 3)
    assert view.peek(0, 3) == b""
    assert HOLED.lacks(0, 4) is None
    assert Octets(b"abc", [(1, 2)]).lacks(0, 3) == "octet 1 was not captured"
    assert HOLED.lacks(15, 16) == "the octets from 15 on were not captured"
    assert TEN.lacks(5, 50) is None
