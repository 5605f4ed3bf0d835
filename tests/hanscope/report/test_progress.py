import io
import re
from dataclasses import dataclass

import pytest

from hanscope.report import progress


@dataclass
class Told:
    path: str = "/captures/house.pcapng"
    octets_done: int = 50
    octets_total: int | None = 100
    frames: int = 26_775
    second_pass: bool = False


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock to be set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return now


def test_quick_work_shows_nothing(clock):
    stream = Terminal()
    with progress.ProgressBar(stream) as bar:
        bar(Told())
        clock[0] = 0.9
        bar(Told())
    assert stream.getvalue() == ""


def test_many_files_are_counted(clock):
    stream = Terminal()
    with progress.ProgressBar(stream) as bar:
        bar.file(0, 1200, "a/first.ota")
        clock[0] = 1.1
        bar.file(300, 1200, "a/meter.ota")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "25%" in shown
    assert "300 of 1,200 files" in shown
    assert "meter.ota" in shown
    assert "first.ota" not in shown


def test_work_of_more_than_a_second_is_shown(clock):
    stream = Terminal()
    with progress.ProgressBar(stream) as bar:
        clock[0] = 1.1
        bar(Told(path="a/[red]\x1b.pcap", second_pass=True))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "50%" in shown
    assert "26,775 frames" in shown
    assert r"[red]\x1b.pcap, again with the keys found" in shown


def test_an_unknown_size_is_no_obstacle(clock):
    stream = Terminal()
    with progress.ProgressBar(stream) as bar:
        clock[0] = 1.1
        bar(Told(octets_total=None))
    assert "26,775 frames" in stream.getvalue()
