"""The table of frames on a terminal and in a pipe, and one frame in full."""

import io

import pytest
from capture_files import pcap_header, pcap_record
from oracles import SMART_ENERGY, SMART_ENERGY_KEYS, octets
from rich.console import Console

from hanscope.analyzers.framechoice import chosen, wanted
from hanscope.analyzers.frames import open_frames
from hanscope.analyzers.frameview import view
from hanscope.analyzers.keys import KeyRing, KnownKey
from hanscope.report.frames import show_frame, show_frames
from hanscope.report.terminal import console_for

COLUMNS = ("number", "layer", "info")


@pytest.fixture
def reader(tmp_path):
    path = tmp_path / "house.pcap"
    path.write_bytes(
        pcap_header() + b"".join(pcap_record(at, octets=octets(one)) for at, one in enumerate(SMART_ENERGY))
    )
    network, link = SMART_ENERGY_KEYS
    ring = KeyRing().plus([KnownKey("network", network, "test"), KnownKey("link", link, "test")])
    with open_frames(str(path), keys=ring) as opened:
        yield opened


class Terminal(io.StringIO):
    def isatty(self):
        return True


def table(reader, console):
    show_frames(chosen(reader, wanted(None, None, None, COLUMNS)), COLUMNS, console)
    return console.file.getvalue().splitlines()


def test_lines_are_whole_in_a_pipe_and_cut_on_a_terminal(reader):
    whole = table(reader, console_for(io.StringIO()))
    cut = table(reader, Console(file=Terminal(), force_terminal=True, width=40, color_system=None))
    assert max(map(len, whole)) > 80
    assert [line[:40] for line in whole] == cut


def test_columns_are_aligned(reader):
    heading, *lines = table(reader, console_for(io.StringIO()))
    place = heading.index("info")
    assert all(line[place - 2 : place] == "  " and line[place] != " " for line in lines)


def test_colours_are_on_a_terminal_only_and_not_with_no_color(reader, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    one = view(reader, 1)
    coloured, plain = console_for(Terminal()), console_for(io.StringIO())
    for console in (coloured, plain):
        show_frame(one, console)
    assert "\x1b[" in coloured.file.getvalue()
    assert "\x1b[" not in plain.file.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    without = console_for(Terminal())
    show_frame(one, without)
    assert "\x1b[3" not in without.file.getvalue()


def test_octets_stand_beside_their_fields(reader):
    console = console_for(io.StringIO())
    show_frame(view(reader, 4), console)
    lines = console.file.getvalue().splitlines()
    start = next(at for at, line in enumerate(lines) if line.endswith("image_data"))
    shown = "".join(line.removesuffix("image_data") for line in lines[start : start + 5])
    assert octets(shown) == octets("1ef1ee0b00013800000068110100040302010200" + b"GBCS DEMO METER FIRM".hex())
