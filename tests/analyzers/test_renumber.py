"""Frames of a merged stream become frames of captures wherever a result names one."""

from typing import get_type_hints

import msgspec
import pytest

from hanscope.analyzers import results
from hanscope.analyzers.renumber import frame_label, renumbered
from hanscope.analyzers.results import FRAMES_APART, Frame, FrameText, Result, TransferEvent, Unopened
from hanscope.report.words import frame


class Inner(Result, frozen=True, kw_only=True):
    """Of the test's result."""

    frame: Frame
    other: int


class Outer(Result, frozen=True, kw_only=True):
    """Every way in which a result may name frames."""

    one: Frame
    perhaps: Frame | None
    frames: tuple[Frame, ...]
    pairs: tuple[tuple[int, Frame], ...]
    inner: Inner | None
    many: tuple[Inner, ...]
    text: FrameText
    maybe_text: FrameText | None
    plain: str
    count: int


def test_every_way_to_name_a_frame_is_found() -> None:
    given = Outer(
        one=1,
        perhaps=2,
        frames=(3, 4),
        pairs=((5, 6),),
        inner=Inner(frame=7, other=7),
        many=(Inner(frame=8, other=8), Inner(frame=9, other=9)),
        text="frame 12 (Transport-Key), frames 13, 14 to 16 and 17; 18 octets",
        maybe_text="frame 19 of 20",
        plain="frame 21",
        count=22,
    )
    found = renumbered(given, lambda number: number + 100)
    assert found == Outer(
        one=101,
        perhaps=102,
        frames=(103, 104),
        pairs=((5, 106),),
        inner=Inner(frame=107, other=7),
        many=(Inner(frame=108, other=8), Inner(frame=109, other=9)),
        text="frame 112 (Transport-Key), frames 113, 114 to 116 and 117; 18 octets",
        maybe_text="frame 119 of 20",
        plain="frame 21",
        count=22,
    )


def test_nothing_stays_nothing() -> None:
    given = Outer(
        one=1, perhaps=None, frames=(), pairs=(), inner=None, many=(), text="", maybe_text=None, plain="", count=0
    )
    found = renumbered(given, lambda number: number + 1)
    assert (found.perhaps, found.inner, found.maybe_text) == (None, None, None)


def test_frames_of_further_captures_are_told_apart() -> None:
    assert [frame_label(number) for number in (12, FRAMES_APART + 12, 2 * FRAMES_APART + 3456)] == [
        "12",
        "2:12",
        "3:3456",
    ]
    assert [frame(number) for number in (12, 1234, FRAMES_APART + 1234)] == ["12", "1,234", "2:1,234"]
    event = TransferEvent(time=0, frame=5, what="")
    assert renumbered(event, lambda number: FRAMES_APART + number).frame == FRAMES_APART + 5
    unopened = Unopened(layer="NWK", pan_id=1, reason="", frames=5, first_frame=5)
    assert renumbered(unopened, lambda number: 2 * number) == msgspec.structs.replace(unopened, first_frame=10)


RESULTS = [kind for kind in vars(results).values() if isinstance(kind, type) and issubclass(kind, Result)]


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_fields_that_are_named_after_frames_are_marked(kind: type[Result]) -> None:
    """A field that was forgotten would show numbers that mean nothing to people as soon as there are two captures."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        plain = get_type_hints(kind)[name]
        if (name == "frame" or name.endswith("_frame")) and plain in (int, int | None):
            assert hint in (Frame, Frame | None), f"{kind.__name__}.{name}: results.Frame"
        if (name == "frames" or name.endswith("_frames")) and plain == tuple[int, ...]:
            assert hint == tuple[Frame, ...], f"{kind.__name__}.{name}: tuple[results.Frame, ...]"
