"""Comments on packets: what tshark reads back, and that nothing else changes."""

import io
import shutil
import struct
import subprocess

import pytest

from hanscope.captures.batch import Secret
from hanscope.captures.comments import LONGEST, write_commented
from hanscope.captures.files import open_capture
from hanscope.captures.writer import PcapngWriter, PcapWriter

FRAME = bytes.fromhex("030806ffffffff07c231")


def pcapng(path, comment=""):
    with PcapngWriter(path) as writer:
        writer.interface(195)
        for number in range(1, 6):
            writer.frame(number * 10**9, FRAME, comment=comment if number == 2 else "")
    return path


def pcap(path):
    with PcapWriter(path, 195) as writer:
        for number in range(1, 6):
            writer.frame(number * 10**9, FRAME)
    return path


def written(path, comments, secrets=()):
    out = io.BytesIO()
    result = write_commented(path, out, comments, secrets)
    return out.getvalue(), result


def read_back(octets, tmp_path):
    path = tmp_path / "back.pcapng"
    path.write_bytes(octets)
    with open_capture(path) as capture:
        records = [(int(batch.first_number), len(batch)) for batch in capture]
        assert capture.faults == []
        return sum(many for _, many in records), {one.number: one.text for one in capture.comments}, capture.secrets


@pytest.mark.parametrize("make", [pcapng, pcap])
def test_comments_are_read_back_with_their_frames(make, tmp_path):
    octets, result = written(make(tmp_path / "x"), {1: "first", 5: "the\nlast – ✓"})
    assert result == (2, 0, 0)
    frames, comments, _ = read_back(octets, tmp_path)
    assert frames == 5
    assert {number: text for number, text in comments.items() if number} == {1: "first", 5: "the\nlast – ✓"}


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (apt install tshark)")
def test_tshark_shows_them(tmp_path):
    octets, _ = written(pcapng(tmp_path / "x", comment="old"), {2: "new", 4: "four"})
    path = tmp_path / "y.pcapng"
    path.write_bytes(octets)
    words = [
        "tshark",
        "-r",
        path,
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "frame.comment",
        "-e",
        "frame.time_epoch",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[1] for row in rows] == ["", "new,old", "", "four", ""]
    assert [float(row[2]) for row in rows] == [1, 2, 3, 4, 5]


def test_without_comments_a_pcapng_file_is_copied_octet_by_octet(tmp_path):
    path = pcapng(tmp_path / "x", comment="kept")
    octets, result = written(path, {})
    assert result == (0, 0, 0)
    assert octets == path.read_bytes()


def test_big_endian_sections_and_unknown_blocks(tmp_path):
    def block(kind, body):
        size = struct.pack(">I", len(body) + 12)
        return struct.pack(">I", kind) + size + body + size

    frame = struct.pack(">IIIII", 0, 0, 5, len(FRAME), len(FRAME)) + FRAME + bytes(2)
    path = tmp_path / "x"
    path.write_bytes(
        block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, 92))
        + block(1, struct.pack(">HHI", 195, 0, 0))
        + block(0x0BAD1DEA, b"what?!.!")
        + block(6, frame)
        + block(3, struct.pack(">I", len(FRAME)) + FRAME + bytes(2))
    )
    octets, result = written(path, {1: "here", 2: "no room", 9: "not there"})
    assert result == (1, 2, 0)
    frames, comments, _ = read_back(octets, tmp_path)
    assert frames == 2
    assert comments[1] == "here"
    assert b"what?!.!" in octets


def test_secrets_go_before_the_packets(tmp_path):
    secret = Secret("nwk", bytes(range(16)), 0x1234)
    for make in (pcapng, pcap):
        octets, _ = written(make(tmp_path / make.__name__), {1: "x"}, [secret])
        assert list(read_back(octets, tmp_path)[2]) == [secret]


def test_long_comments_are_cut_and_damaged_files_are_copied_to_their_end(tmp_path):
    path = pcapng(tmp_path / "x")
    octets, _ = written(path, {3: "é" * LONGEST})
    assert len(octets) < path.stat().st_size + LONGEST + 16
    for cut in range(48, path.stat().st_size, 7):
        short = tmp_path / "short"
        short.write_bytes(path.read_bytes()[:cut])
        octets, result = written(short, {1: "x", 5: "y"})
        assert sum(result) == 2
        assert len(octets) >= cut
