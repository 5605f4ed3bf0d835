"""`hanscope convert`."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from capture_files import pcap_header, pcap_record
from typer.testing import CliRunner

from hanscope.cli import app


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap_header() + pcap_record(1) * 3)
    return path


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["convert", *map(str, words)])
    return done.exit_code, done.output


def piped(octets: bytes, out: object) -> "subprocess.CompletedProcess[bytes]":
    words = [sys.executable, "-P", "-m", "hanscope", "convert", "-", str(out)]
    return subprocess.run(words, input=octets, capture_output=True, check=False)


def test_convert_tells_what_it_wrote(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run(capture, out) == (0, f"{out}: 3 frames of {capture} (pcap)\n")
    assert out.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_convert_never_overwrites_unasked(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    out.write_bytes(b"mine")
    code, text = run(capture, out)
    assert (code, out.read_bytes()) == (2, b"mine")
    assert "--force" in text
    assert run(capture, out, "--force")[0] == 0


def test_convert_of_a_damaged_capture_writes_what_can_be_read(capture: Path, tmp_path: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-3])
    code, text = run(capture, tmp_path / "out.pcapng")
    assert code == 3
    assert "2 frames" in text
    assert "what comes before it was converted" in text


def test_convert_from_and_to_pipes(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    run(capture, out)
    for packed in (capture.read_bytes(), gzip.compress(capture.read_bytes())):
        done = piped(packed, "-")
        assert (done.returncode, done.stdout) == (0, out.read_bytes())
        assert done.stderr == b"-: 3 frames of standard input (pcap)\n"
    done = piped(b"hello", tmp_path / "none")
    assert (done.returncode, done.stderr[:25], (tmp_path / "none").exists()) == (3, b"hanscope: standard input:", False)


def test_convert_writes_to_a_device_without_being_forced(capture: Path) -> None:
    assert run(capture, os.devnull) == (0, f"{os.devnull}: 3 frames of {capture} (pcap)\n")
    assert Path(os.devnull).is_char_device()
    if Path("/dev/full").is_char_device():
        assert run(capture, "/dev/full") == (
            2,
            "hanscope: /dev/full: cannot be written: No space left on device\n",
        )


def test_convert_of_what_is_no_capture_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"hello")
    assert run(path, tmp_path / "out.pcapng")[0] == 3
    assert list(tmp_path.iterdir()) == [path]
