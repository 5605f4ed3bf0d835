"""The report for people, on a terminal and in a pipe; `analysis.txt` and `analysis.piped.txt` are what it looks like.

After a wanted change: HANSCOPE_GOLDEN=write pytest tests/hanscope/report/test_terminal.py, and look at the difference.
"""

import io
import os
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from hanscope.analyzers import results
from hanscope.report import terminal

HERE = Path(__file__).parent


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding that can be read back."""

    def __init__(self, encoding="utf-8", *, tty=True):
        super().__init__(io.BytesIO(), encoding=encoding)
        self._tty = tty

    def isatty(self):
        return self._tty

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def report(analysis, stream=None):
    stream = stream or Terminal(tty=False)
    terminal.show_analysis(analysis, terminal.console_for(stream))
    return stream.text()


def without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(("name", "tty"), [("analysis.txt", True), ("analysis.piped.txt", False)])
def test_the_report_is_as_it_was(rich_analysis, name, tty):
    text = without_colours(report(rich_analysis, Terminal(tty=tty)))
    if os.environ.get("HANSCOPE_GOLDEN") == "write":
        (HERE / name).write_text(text, "utf-8")
    assert text == (HERE / name).read_text("utf-8")


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("tty", [True, False])
def test_no_line_is_wider_than_the_terminal(rich_analysis, monkeypatch, columns, tty):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = without_colours(report(rich_analysis, Terminal(tty=tty))).splitlines()
    assert max(map(len, lines)) <= {40: 80, 80: 80, 200: 100}[columns]


def test_a_column_that_is_too_wide_is_wrapped_between_words():
    stream = io.StringIO()
    page = terminal.Page(Console(file=stream, width=40))
    page.table(["what", ">octets", "name"], [["one two three four five six", "5", "seven eight nine ten eleven"]])
    assert stream.getvalue().splitlines() == [
        "  what                    octets  name",
        "  one two three four           5  seven",
        "  five six                        eight",
        "                                  nine",
        "                                  ten",
        "                                  eleven",
    ]


def test_a_pipe_gets_plain_ascii(rich_analysis):
    text = report(rich_analysis)
    assert text.isascii()
    assert "\x1b" not in text


def test_a_pipe_has_one_fact_a_line_for_grep(made, rich_analysis):
    lines = report(rich_analysis).splitlines()
    assert any(re.fullmatch(r"  0x1a2b  0x3c4d  00:15:8d:00:00:c0:ff:ee +1,234 .* OTA client", line) for line in lines)
    assert "     state stalled" in lines
    assert f"     sha256 {made.transfer().sha256}" in lines


def test_lines_have_no_trailing_blanks(rich_analysis):
    assert not [line for line in report(rich_analysis).splitlines() if line != line.rstrip()]


def test_a_terminal_gets_foreground_colours_that_can_be_read_on_white_and_black(rich_analysis):
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", report(rich_analysis, Terminal())))
    assert codes
    # 0 off, 1 bold, 31 red, 32 green, 33 yellow, 36 cyan: no background, no white, no black, no bright (or bold) yellow
    assert {part for code in codes for part in code.split(";")} <= {"0", "1", "31", "32", "33", "36"}
    assert "1;33" not in codes


def test_no_color_is_honoured(rich_analysis, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in report(rich_analysis, Terminal())


def test_a_terminal_that_cannot_draw_gets_ascii(rich_analysis):
    text = report(rich_analysis, Terminal("latin-1"))
    assert "#" * 64 in without_colours(text)
    assert "█" in report(rich_analysis, Terminal("utf-8"))


def test_the_verdict_comes_first(made, rich_analysis):
    assert report(rich_analysis).startswith("PROBLEM: 1 of 2 firmware transfers is complete.\n")
    assert without_colours(report(made.analysis(), Terminal())).startswith("✓ The firmware transfer is complete.\n")


def test_text_from_a_capture_cannot_steer_the_terminal(made):
    header = msgspec.structs.replace(made.image().header, header_string="\x1b[31m[bold]evil[/bold]\r\n\u202e")
    analysis = made.analysis(images=(made.image(header=header),), captures=(made.capture(path="a\x07[red]b"),))
    text = report(analysis, Terminal())
    assert r"\x1b[31m[bold]evil[/bold]\r\n\u202e" in without_colours(text)
    assert r"a\x07[red]b" in without_colours(text)
    assert "\x07" not in text
    assert "\u202e" not in text


def test_long_lists_are_capped_and_say_so(made):
    gaps = tuple(results.MissingRange(start=2 * n, end=2 * n + 1, reason="never requested") for n in range(300))
    events = tuple(results.TransferEvent(time=n, frame=n, what="step") for n in range(300))
    transfers = tuple(made.transfer(id=f"T{n}") for n in range(60))
    lengthy = made.transfer(missing_ranges=gaps, events=events, complete=False)
    text = report(made.analysis(transfers=(lengthy, *transfers), devices=(made.device(),) * 99))
    assert "300 octets in 300 ranges: 300 never requested" in text
    assert "... and 292 more ranges" in text
    assert "... 276 more steps" in text
    assert "... and 49 more devices" in text
    assert "... and 11 more transfers" in text


def test_a_story_over_midnight_tells_the_dates(made):
    day = 86_400 * 10**9
    events = (results.TransferEvent(time=0, frame=1, what="a"), results.TransferEvent(time=day, frame=2, what="b"))
    text = report(made.analysis(transfers=(made.transfer(events=events),)))
    assert "1970-01-01T00:00:00Z  frame 1  a" in text
    assert "1970-01-02T00:00:00Z  frame 2  b" in text


def test_findings_and_diagnoses_are_shown_with_their_frames(made):
    finding = results.Finding(
        rule="OTA-001",
        severity="warning",
        clause="ZCL 11.13",
        explanation="Too fast.",
        frames=tuple(range(1, 9)),
        transfer_id="T1",
    )
    text = report(made.analysis(findings=(finding,), diagnoses=(made.diagnosis(),)))
    assert (
        """
  warning  OTA-001  T1
     Too fast. (ZCL 11.13)
     frames 1, 2, 3, 4, 5 and 3 more
"""
        in text
    )
    assert (
        """
  U1 (T1)  client-stalled, probable
     The battery was low.
     The device said so.
     Next: Change it.
     frame 7
"""
        in text
    )


def test_an_image_that_cannot_be_read_says_why(made):
    stream = Terminal(tty=False)
    broken = made.image(file="meter.ota", transfer_id=None, error="cannot be read: Permission denied")
    terminal.show_images([broken], terminal.console_for(stream))
    assert stream.text() == "Images  1\n  meter.ota\n     cannot be read: Permission denied\n"


def test_of_several_files_all_are_told_and_those_that_failed_again_at_the_end(made):
    stream = Terminal(tty=False)
    check = results.Check(name="elements", outcome="invalid", detail="")
    failed = made.image(file="b.ota", transfer_id=None, checks=(check,))
    broken = made.image(file="c.ota", transfer_id=None, error="the file is empty")
    good = made.image(file="a.ota", transfer_id=None, checks=(msgspec.structs.replace(check, outcome="valid"),))
    terminal.show_images([*[good] * terminal.MOST, failed, broken], terminal.console_for(stream))
    report = stream.text()
    assert report.count("\n  a.ota\n") == terminal.MOST
    assert report.endswith(
        """
Overview  52 files
  50 in which no check failed; in 50 of them no check covers the content
  1 in which a check failed
    b.ota: elements
  1 that could not be read as an OTA file
    c.ota: the file is empty
"""
    )
