"""`hanscope survey`."""

import json

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
