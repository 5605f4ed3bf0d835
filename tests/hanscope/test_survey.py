"""`hanscope survey`."""

import json
import signal
import subprocess
import sys
import time

import pytest
import sniffer_emulators as emulators
from sniffer_emulators import Pty, back_to_back
from typer.testing import CliRunner

from hanscope.cli import app

BEACON = bytes.fromhex("008054e14d0000ffcf0000002284c9924d9a3f75e1c2ffffff00")


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["survey", *map(str, words)])
    return done.exit_code, done.stdout_bytes.decode() + done.stderr


def test_survey_lists_networks() -> None:
    with Pty(emulators.NrfDevice(back_to_back([BEACON] * 3))) as port:
        code, text = run("nrf52840", "--port", port.path, "-c", "15", "-c", "20", "--dwell", "0.3")
    assert code == 0
    assert text.splitlines() == [
        "channel 15 (2425 MHz): 3 frames",
        "  PAN 0x4de1, extended c2:e1:75:3f:9a:4d:92:c9, 1 device, 3 frames, strongest -60 dBm, open for joining",
        "channel 20 (2450 MHz): nothing",
        "1 network on 2 of 2 channels",
    ]


def test_survey_as_json_lines() -> None:
    with Pty(emulators.NrfDevice(back_to_back([BEACON]))) as port:
        code, text = run("nrf52840", "--port", port.path, "-c", "15", "--dwell", "0.3", "--format", "jsonl")
    (heard,) = map(json.loads, text.splitlines())
    assert (code, heard["channel"], heard["networks"][0]["pan_id"]) == (0, 15, 0x4DE1)


def test_survey_refuses_what_cannot_be() -> None:
    assert run("zep")[0] == 2
    assert run("cc2532")[0] == 2
    code, text = run("cc2531", "--sub-ghz")
    assert (code, "2.4 GHz only" in text) == (2, True)
    assert run("nrf52840", "--port", "/dev/hanscope-has-none")[0] == 3


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_survey_that_is_ended_tells_what_it_heard_and_lets_the_device_rest(end: signal.Signals) -> None:
    with Pty(emulators.NrfDevice(back_to_back([BEACON] * 3))) as port:
        words = [sys.executable, "-P", "-m", "hanscope", "survey", "nrf52840", "--port", port.path, "--dwell", "0.2"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            first = program.stdout.readline()
            program.send_signal(end)
            out, err = program.communicate(timeout=30)
        waited = time.monotonic() + 5
        while port.device.listening and time.monotonic() < waited:
            time.sleep(0.02)
    assert (program.returncode, first, err) == (0, "channel 11 (2405 MHz): 3 frames\n", "")
    assert out.splitlines()[-1].startswith("1 network on ")
    assert out.splitlines()[-1].endswith(" of 16 channels")
    assert not port.device.listening


def test_survey_of_sub_ghz_channels_names_page_and_frequency() -> None:
    with Pty(emulators.Ps2SubGhzDevice(back_to_back([BEACON] * 3))) as port:
        code, text = run("packet-sniffer-2", "--port", port.path, "-c", "28/3", "-c", "29/8", "--dwell", "0.3")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "channel 28/3 (863.85 MHz): 3 frames"
    assert lines[-2:] == ["channel 29/8 (875.65 MHz): nothing", "1 network on 2 of 2 channels"]
