"""The live view, on a terminal and in a log."""

import io
from dataclasses import replace

import pytest

from hanscope.analyzers.live import Loading, Picture, Talking
from hanscope.analyzers.results import Party
from hanscope.analyzers.transfers import Progress
from hanscope.captures.sniffers.base import Counts
from hanscope.report.live import LiveView

PICTURE = Picture(
    name="cc2531 at 1-2.3",
    tuned="channel 15 (2425 MHz)",
    elapsed_s=75.0,
    frames=12_345,
    rate=164.6,
    bad_fcs=7,
    shut=3,
    devices=(
        Talking(0x7C31, 0, 0, 3442, -60.2, 104.6),
        Talking(0x7C31, -1, 0x00DE4D0002441602, 2, None, None),
    ),
    device_count=5,
    loading=(
        Loading(
            Progress(Party(short=0x8401, eui64="00:de:4d:00:02:44:16:02"), 0x7C31, 0x10DE, 1, 0x200, 5000, 20_000), 500
        ),
        Loading(Progress(Party(short=0x8402, eui64=None), 0x7C31, 0x10DE, 1, 0x200, 900, None), None),
    ),
    findings=(("blocks-restart", 2, "block 0 again \x1b[31m"),),
    path="house.pcapng",
)


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("_plain")
def test_view_on_a_terminal() -> None:
    page = _Terminal()
    with LiveView(page, Counts(bad_fcs=7, lost=1)) as view:
        view(PICTURE)
        drawn = page.getvalue()
    for words in (
        "cc2531 at 1-2.3  channel 15 (2425 MHz)  1 min 15 s  > house.pcapng",
        "165 frames/s  12,345 frames  5 devices",
        "3 encrypted frames that no key opens; 7 with a wrong FCS; 1 lost by the device",
        "00:de:4d:00:02:44:16:02",
        " 25 %",
        "30 s",
        "0x8402 in PAN 0x7c31",
        "blocks-restart x2: block 0 again",
        "0x7C31   0x0000",
        "and 3 more",
    ):
        assert words in drawn, words
    assert "\x1b[31m" not in drawn
    assert max(len(line) for line in drawn.splitlines() if "\x1b" not in line) <= 80


@pytest.mark.usefixtures("_plain")
@pytest.mark.parametrize("width", [40, 50, 66, 79, 80, 120])
def test_narrow_terminal_has_device_progress_and_time_left(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    page = _Terminal()
    with LiveView(page) as view:
        view(PICTURE)
        lines = page.getvalue().splitlines()
    (row,) = [line for line in lines if "00:de:4d:00:02:44:16:02" in line and "%" in line]
    assert "25 %" in row
    assert "30 s" in row
    assert len(row) <= width
    assert ("10de 0001 00000200" in row, "━" in row) == (width >= 80, width >= 66)


@pytest.mark.usefixtures("_plain")
def test_flat_terminal_shows_what_it_has_room_for_and_is_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "6")
    page = _Terminal()
    with LiveView(page) as view:
        view(PICTURE)
        drawn = page.getvalue()
    assert drawn.count("\n") < 6
    assert page.getvalue()[len(drawn) :].count("\n") <= 6


class _Broken(_Terminal):
    def write(self, text: str) -> int:  # noqa: ARG002 -- as of any stream
        raise OSError(5, "Input/output error")


@pytest.mark.usefixtures("_plain")
def test_terminal_that_goes_away_does_not_matter() -> None:
    page = _Terminal()
    with LiveView(page) as view:
        view(PICTURE)
        page.__class__ = _Broken
        view(PICTURE)
        view(PICTURE)


@pytest.mark.usefixtures("_plain")
def test_view_in_a_log_is_a_line_now_and_then() -> None:
    page = io.StringIO()
    with LiveView(page) as view:
        view(PICTURE)
        view(PICTURE)
    assert page.getvalue() == (
        "cc2531 at 1-2.3, channel 15 (2425 MHz), 1 min 15 s; 12,345 frames, 165 a second; 7 damaged; "
        "3 encrypted without a key; "
        "00:de:4d:00:02:44:16:02 loads 5,000 of 20,000 octets, 500 octets/s, 30 s left; "
        "0x8402 in PAN 0x7c31 loads 900 octets\n"
    )


@pytest.mark.usefixtures("_plain")
def test_more_broken_rules_than_are_shown_are_counted() -> None:
    page = _Terminal()
    findings = tuple((f"rule-{number:02d}", number, "so") for number in range(1, 12))
    with LiveView(page) as view:
        view(replace(PICTURE, findings=findings))
        drawn = page.getvalue()
    assert "rule-08 x8: so" in drawn
    assert "rule-09" not in drawn
    assert "and 3 rules more" in drawn
