"""Whatever is wrong with the input, a user sees a report or one line, never a traceback, and the exit code tells."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from oracles import SMART_ENERGY, octets

from hanscope.__main__ import main

KEYS = ("--key", "network:000102030405060708090A0B0C0D0E0F", "--key", "link:86D58AAA998E2FAEFAF9FEF49606543A")


def capture() -> bytes:
    """The Smart Energy frames as a pcap file."""
    out = bytes.fromhex("d4c3b2a1020004000000000000000000ffff0000c3000000")
    for second, frame in enumerate(map(octets, SMART_ENERGY[:4]), 1):
        head = (second, 0, len(frame), len(frame))
        out += b"".join(number.to_bytes(4, "little") for number in head) + frame
    return out


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_a_capture_cut_at_every_octet_is_reported_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = capture()
    path = tmp_path / "cut.pcap"
    # Where a record ends nothing is missing.
    ends = {24, *(24 + sum(16 + len(octets(one)) for one in SMART_ENERGY[: n + 1]) for n in range(4))}
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        code, out, err = run(capsys, "analyze", str(path), "--no-progress", "--format", "json", *KEYS)
        assert code == (0 if size in ends else 3), size
        (read,) = json.loads(out)["captures"]
        assert bool(read["faults"]) == (code == 3)
        assert read["frames"] == sum(end <= size for end in ends - {24})
        assert err.count("\n") == (size < 4), "only a file of which nothing can be read is told about beside the report"


@pytest.mark.parametrize("command", ["analyze", "frames", "keys"])
@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", 3, "is empty"),
        (b"just some text\n", 3, "not a capture file"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), 3, "zstd"),
        (bytes.fromhex("1ef1ee0b00013800"), 3, "an OTA image; `hanscope image` checks it"),
        (bytes.fromhex("df090100000000000003e8"), 3, "a GBCS message; `hanscope gbcs` decodes it"),
        (capture()[:20] + bytes.fromhex("01000000") + capture()[24:], 3, "link type 1"),
    ],
)
def test_a_file_that_is_no_802_15_4_capture_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, content: bytes, code: int, says: str
) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(content)
    found, out, err = run(capsys, command, str(path), "--no-progress")
    assert found == code
    assert says in " ".join((out + err).split())


def test_missing_and_wrong_keys_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "home.pcap"
    path.write_bytes(capture())
    code, out, _ = run(capsys, "analyze", str(path), "--no-progress")
    assert code == 4
    assert "no key is known for it" in " ".join(out.split())
    code, out, _ = run(capsys, "analyze", str(path), "--no-progress", "--key", "00" * 16)
    assert code == 4
    assert "the only key does not open it" in " ".join(out.split())
    assert run(capsys, "analyze", str(path), "--no-progress", *KEYS)[0] == 0


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "analyze", str(tmp_path / "nothing.pcap"))
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "no such file" in err


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/null"])
def test_a_device_that_gives_no_capture_is_not_read_to_its_end(capsys: pytest.CaptureFixture[str], device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"there is no {device}")
    code, out, err = run(capsys, "analyze", device, "--no-progress")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert err.startswith(f"hanscope: {device}: ")


def piped(tmp_path: Path, *words: str) -> "subprocess.Popen[bytes]":
    """A process that analyzes its standard input; its temporary files are to lie in `tmp_path`."""
    command = [sys.executable, "-P", "-m", "hanscope", *words, "--no-progress", *KEYS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, **pipes)


@pytest.mark.parametrize("form", [bytes, gzip.compress])
def test_a_pipe_is_read_as_the_file_would_be(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    process = piped(tmp_path, "analyze", "-", "--format", "json")
    out, err = process.communicate(form(capture()), timeout=60)
    assert (process.returncode, err) == (0, b"")
    (read,) = json.loads(out)["captures"]
    assert (read["path"], read["frames"], read["faults"]) == ("standard input", 4, [])
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_the_reading_of_a_pipe_with_a_report(tmp_path: Path) -> None:
    process = piped(tmp_path, "analyze", "-", "--format", "json")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(capture())
    process.stdin.flush()
    opened = Path(f"/proc/{process.pid}/fd")
    if not opened.exists():
        process.kill()
        pytest.skip("this system does not show the files that a process has open")
    deadline = time.monotonic() + 60
    while not any(str(tmp_path) in str(_where(one)) for one in opened.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    document = json.loads(process.stdout.read())
    assert process.wait(60) == 130
    assert (document["interrupted"], document["captures"][0]["frames"]) == (True, 4)
    process.communicate()


def _where(opened: Path) -> Path | None:
    try:
        return opened.readlink()
    except OSError:  # closed meanwhile
        return None


@pytest.mark.parametrize("words", [("--help",), ("rules",)])
def test_a_full_disk_behind_standard_output_is_one_line(words: tuple[str, ...]) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-P", "-m", "hanscope", *words]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_a_full_folder_of_temporary_files_is_one_line() -> None:
    limit = (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    command = [sys.executable, "-P", "-m", "hanscope", "analyze", "-"]
    done = subprocess.run(
        command,
        input=capture(),
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        check=False,
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)
    assert b"standard input: cannot be copied to the folder of temporary files" in done.stderr


NO_NAME = "a" * 300
"""Longer than any file system takes."""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("analyze", NO_NAME), 3),
        (("frames", NO_NAME), 3),
        (("crosscheck", NO_NAME), 3),
        (("image", "CAPTURE", "-o", NO_NAME), 2),
        (("keys", "CAPTURE", "--embed", NO_NAME), 2),
        (("convert", "CAPTURE", NO_NAME), 2),
        (("simulate", "esme-update", "-o", f"{NO_NAME}.pcap"), 2),
    ],
)
def test_a_name_that_no_system_takes_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(capture())
    found, out, err = run(capsys, *(str(path) if word == "CAPTURE" else word for word in words))
    assert (found, out, err.count("\n")) == (code, "", 1)


@pytest.mark.parametrize("words", [("gbcs", "FOLDER"), ("gbcs", "00", "--certificates", "FOLDER")])
def test_pipes_in_a_folder_are_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    _, out, err = run(capsys, *(str(tmp_path) if word == "FOLDER" else word for word in words))
    assert "the folder holds no files" in out + err or "no certificate in it" in out + err
