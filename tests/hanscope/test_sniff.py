"""`hanscope sniff`, as a program of its own, with an emulated sniffer on a serial port."""

import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sniffer_emulators as emulators
from capture_files import pcap_header, pcap_record
from live_play import scenario
from oracles import tshark
from sniffer_emulators import OnAir, Pty, back_to_back

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import KeyRing

DATA = bytes.fromhex("618801221100000100") + bytes(100)
HANSCOPE = (sys.executable, "-P", "-m", "hanscope")


def at_pace(frames: Iterator[OnAir], played: list[int]) -> Iterator[OnAir]:
    """In real time, as fast as the radio goes."""
    begun = time.monotonic_ns()
    first = None
    for frame in frames:
        first = frame.time_ns if first is None else first
        ahead = frame.time_ns - first - (time.monotonic_ns() - begun)
        if ahead > 0:
            time.sleep(ahead / 1e9)
        played.append(time.monotonic_ns())
        yield frame


def started(*words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*HANSCOPE, "sniff", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path: Path, octets: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and path.stat().st_size >= octets:
            return
        time.sleep(0.05)
    pytest.fail(f"{path} did not grow to {octets} octets")


class Paced(emulators.NrfDevice):
    at_once = 1


def test_killed_capture_holds_everything_up_to_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    played: list[int] = []
    with Pty(Paced(at_pace(back_to_back([DATA] * 100_000), played))) as port:
        program = started("nrf52840", "--port", port.path, "--channel", "15", "-w", path, "--no-view")
        wait_for(path, 100_000)
        program.send_signal(signal.SIGKILL)
        killed = time.monotonic_ns()
        program.communicate()
    told = tshark("-r", path, "-T", "fields", "-e", "frame.len")
    assert len(told) >= sum(at <= killed - 10**9 for at in played) > 100
    assert analyze([str(path)], keys=KeyRing()).analysis.captures[0].faults == ()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_the_report_of_the_file(tmp_path: Path, end: signal.Signals) -> None:
    frames, keys = scenario()
    path, key_file = tmp_path / "out.pcapng", tmp_path / "keys.toml"
    key_file.write_text("".join(f'[[{key.kind}]]\nkey = "{key.octets.hex()}"\n' for key in keys.keys))
    with Pty(emulators.NrfDevice(frames)) as port:
        words = ("--port", port.path, "-c", 15, "-w", path, "--keys", key_file, "--format", "json")
        program = started("nrf52840", *words)
        wait_for(path, 150_000)
        while not port.device.over:
            time.sleep(0.1)
        time.sleep(0.5)
        program.send_signal(end)
        out, err = program.communicate(timeout=60)
    live = json.loads(out)
    assert live["captures"][0]["frames"] == len(frames)
    assert live["transfers"][0]["complete"]
    assert f"{path}: written" in err
    assert "Traceback" not in err
    again = subprocess.run(
        [*HANSCOPE, "analyze", path, "--keys", key_file, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(again.stdout) == live
    assert program.returncode == again.returncode


def test_unplugging_ends_with_a_sentence_and_the_report(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    port = Pty(emulators.NrfDevice(back_to_back([DATA] * 100_000)))
    with port:
        program = started("nrf52840", "--port", port.path, "-w", path, "--no-view")
        wait_for(path, 50_000)
        port.unplug()
        out, err = program.communicate(timeout=60)
    assert program.returncode == 3
    assert f"hanscope: {port.path}: it was unplugged; plug it in and start again" in err
    assert "frames" in out


def test_what_cannot_begin_is_one_line(tmp_path: Path) -> None:
    taken = tmp_path / "taken.pcapng"
    taken.write_bytes(b"mine")
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(pcap_header()))
    for words, code, told in [
        (("nrf52840", "--port", "/dev/hanscope-has-none"), 3, "there is no such port"),
        (("cc2532",), 2, "there is no sniffer"),
        (("nrf52840", "--channel", "27"), 2, "there is no channel 27"),
        (("nrf52840", "--follow"), 2, "--follow is for file:PATH"),
        (("zep", "--rotate-time", "5"), 2, "belong to --write"),
        (("zep", "--port", "127.0.0.1:0", "-w", taken), 2, "it is there already"),
        ((f"file:{tmp_path / 'none'}",), 3, "there is no such file"),
        ((f"file:{taken}",), 3, "not pcap or pcapng"),
        ((f"file:{packed}", "--follow"), 3, "compressed; only what is written plainly can be followed"),
        (("nrf52840", "--port", "/dev/null"), 3, "/dev/null: this is no serial port"),
        (("nrf52840", "--port", "/dev/hanscope-has-none", "-w", taken, "--force"), 3, "there is no such port"),
        (("nrf52840", "--port", "/dev/hanscope-has-none", "-w", tmp_path / "new"), 3, "there is no such port"),
        (("nrf52840", "-w", "-"), 2, "standard output is for the report"),
    ]:
        program = started(*words)
        _, err = program.communicate(timeout=60)
        assert (program.returncode, told in err, err.count("\n")) == (code, True, 1), err
    assert taken.read_bytes() == b"mine"
    assert not (tmp_path / "new").exists(), "a capture that cannot begin leaves no file in its own way"


def test_rotation_begins_files_that_stand_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with Pty(emulators.NrfDevice(back_to_back([DATA] * 20_000))) as port:
        words = ("--port", port.path, "-w", path, "--rotate-size", "1", "--no-view")
        program = started("nrf52840", *words)
        while not port.device.over:
            time.sleep(0.1)
        time.sleep(0.5)
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=60)
    files = sorted(tmp_path.iterdir())
    assert [one.name for one in files] == [f"out_{number:05d}.pcapng" for number in range(1, len(files) + 1)]
    assert len(files) >= 2
    counts = [len(tshark("-r", one, "-T", "fields", "-e", "frame.len")) for one in files]
    assert sum(counts) == 20_000
    assert all(one.stat().st_size >= 2**20 for one in files[:-1])


def test_pipe_is_captured_and_analyzed(tmp_path: Path) -> None:
    frames, _ = scenario()
    path = tmp_path / "out.pcapng"
    with Pty(emulators.NrfDevice(frames)) as port:
        program = started("nrf52840", "--port", port.path, "-w", path, "--no-view", "--duration", 3)
        program.communicate(timeout=60)
    read, write = os.pipe()
    copy = tmp_path / "copy.pcapng"
    words = [*HANSCOPE, "sniff", "-", "-w", copy, "--no-view", "--format", "json"]
    with subprocess.Popen(words, stdin=read, stdout=subprocess.PIPE, text=True) as program:
        os.close(read)
        octets = path.read_bytes()
        for at in range(0, len(octets), 50_000):
            os.write(write, octets[at : at + 50_000])
        os.close(write)
        out, _ = program.communicate(timeout=60)
    assert json.loads(out)["captures"][0]["frames"] == len(frames)
    assert len(tshark("-r", copy, "-T", "fields", "-e", "frame.len")) == len(frames)


def test_pipe_to_which_nobody_writes_ends_with_ctrl_c(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = started(f"file:{fifo}")
    assert program.stderr is not None
    program.stderr.readline()  # the first line of the view: it waits
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (3, f"hanscope: {fifo}: nothing came; check what writes it\n")


def test_damage_in_what_is_recorded_anew_is_told(tmp_path: Path) -> None:
    path, out = tmp_path / "cut.pcap", tmp_path / "out.pcapng"
    path.write_bytes((pcap_header() + pcap_record(1) * 3)[:-1])
    program = started(f"file:{path}", "-w", out, "--no-view")
    _, err = program.communicate(timeout=60)
    assert program.returncode == 3
    assert "the file ends inside record 3" in err
    assert len(tshark("-r", out, "-T", "fields", "-e", "frame.len")) == 2


def test_nothing_heard_is_told_with_what_to_do() -> None:
    with Pty(emulators.NrfDevice()) as port:
        program = started("nrf52840", "--port", port.path, "-c", 20, "--no-view", "--duration", 0.3)
        _, err = program.communicate(timeout=60)
    assert program.returncode == 0
    assert "nothing was heard on channel 20; `hanscope survey` finds channels in use" in err


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "2>/dev/full"])
def test_closed_outputs_do_not_end_the_capture(tmp_path: Path, closed: str) -> None:
    path = tmp_path / "out.pcapng"
    with Pty(Paced(at_pace(back_to_back([DATA] * 100_000), []))) as port:
        words = ("sniff", "nrf52840", "--port", port.path, "-w", str(path), "--duration", "1")
        command = f"exec {shlex.join([*HANSCOPE, *words])} {closed}"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert len(tshark("-r", path, "-T", "fields", "-e", "frame.len")) > 50


@pytest.mark.parametrize("form", ["text", "json"])
def test_report_to_a_full_disk_is_one_line(form: str) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    with Pty(emulators.NrfDevice(back_to_back([DATA] * 2000))) as port, Path("/dev/full").open("w") as full:
        words = [*HANSCOPE, "sniff", "nrf52840", "--port", port.path, "--duration", "0.3", "--no-view"]
        done = subprocess.run(
            [*words, "--format", form], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("hanscope: standard output")
    assert "cannot be written (No space left on device); have " in done.stderr
