"""The conversation in the terminal report, and `hanscope analyze` with certificates, for a simulated HAN."""

import io
import json
from pathlib import Path

import pytest
from tunnel_messages import (
    CS06_COMMAND,
    CS06_RESPONSE,
    CS08_COMMAND,
    ECS52_COMMAND,
    ECS52_RESPONSE,
    of_gas_meter,
)

from hanscope.captures.simulator.air import Noise
from hanscope.captures.simulator.scenarios import gbcs
from hanscope.captures.simulator.truth import Truth
from hanscope.cli import app
from hanscope.report import conversation, terminal

MESSAGES = [CS06_COMMAND, CS06_RESPONSE, CS08_COMMAND, of_gas_meter(ECS52_COMMAND), of_gas_meter(ECS52_RESPONSE)]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return simulated(tmp_path, Noise())


def simulated(folder: Path, noise: Noise) -> Path:
    path = folder / "house.pcapng"
    (folder / "keys.toml").write_text(keys(gbcs(path, MESSAGES, noise=noise)))
    return path


def keys(truth: Truth) -> str:
    """The key file of a simulated HAN."""
    links = [f'[[link]]\nkey = "{node.link_key.hex()}"' for node in truth.han.nodes if node.link_key]
    return "\n".join([f'[[network]]\nkey = "{truth.han.network_key.hex()}"', *links])


def analyzed(house: Path, capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[str, str]:
    with pytest.raises(SystemExit) as end:
        app(["analyze", str(house), "--keys", str(house.parent / "keys.toml"), *map(str, words)])
    assert end.value.code in (None, 0, 1), "1: messages that are not genuine are findings"
    told = capsys.readouterr()
    return told.out, told.err


def section(text: str) -> str:
    begin = text.index("Conversation")
    return " ".join(text[begin : text.index("\nKeys", begin)].split())


def test_each_device_has_its_messages_with_answers(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = analyzed(house, capsys)
    told = section(out)
    assert told.startswith("Conversation 5 GBCS messages through 3 tunnels 00:db:12:34:56:78:90:a0 tunnel 2 closed")
    assert "to in 530 ms CS06 Activate Firmware: command, counter 1000" in told
    assert "from CS06 Activate Firmware: response, counter 1000" in told
    assert "to no CS08 Read PPMID/HCALCS Firmware Version: command, counter 1300" in told
    assert "1 to the client, 1 GET," in told
    assert "valid" not in told, "nobody gave certificates"


def test_what_is_incomplete_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house = simulated(tmp_path, Noise(deaf=((2.42, 2.5),)))
    out, _ = analyzed(house, capsys)
    assert (
        "CS06 Activate Firmware: command, counter 1000; incomplete: APS fragment 2 of 3 is not in the capture"
        in section(out)
    )


def test_certificates_and_keys_decide(house: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data / "gbcs-messages"
    options = ("--certificates", folder / "certificates", "--private-keys", folder / "test-party-keys.json")
    out, _ = analyzed(house, capsys, *options)
    told = section(out)
    assert "CS06 Activate Firmware: command, counter 1000; signature valid, MAC valid" in told
    assert "MAC invalid" in told, "the gas meter's were changed"
    out, _ = analyzed(house, capsys, *options, "--format", "json")
    found = json.loads(out)
    assert found["messages"][0]["use_case"] == "CS06 Activate Firmware"
    first, *_ = found["exchanges"]
    assert (first["commands"], len(first["responses"])) == (["M1"], 1)
    assert {one["state"] for one in found["tunnels"]} == {"closed"}


def test_without_tunnels_there_is_no_conversation(made) -> None:
    page = io.StringIO()
    conversation.show(terminal.Page(terminal.console_for(page)), made.analysis())
    assert page.getvalue() == ""
