"""The updates in the terminal report and in the verdict, for simulated HANs."""

import io
import json
from pathlib import Path

import pytest

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.analyzers.results import Analysis
from hanscope.captures.simulator.scenarios import simulate
from hanscope.report import terminal, updates, words
from hanscope.report.json import document


def simulated(folder: Path, scenario: str, *faults: str) -> Analysis:
    truth = simulate(scenario, folder / "house.pcapng", seed=1, faults=faults, size=5_000)
    ring = KeyRing().plus(parse_key(f"network:{truth.han.network_key.hex()}"))
    for node in truth.han.nodes:
        if node.link_key:
            ring = ring.plus(parse_key(f"link:{node.link_key.hex()}"))
    return analyze([str(folder / "house.pcapng")], keys=ring, processes=1).analysis


def section(analysis: Analysis) -> str:
    stream = io.StringIO()
    updates.show(terminal.Page(terminal.console_for(stream)), analysis)
    return stream.getvalue()


@pytest.fixture
def confirmed(tmp_path: Path) -> Analysis:
    return simulated(tmp_path, "esme-update")


def test_an_update_is_told_from_the_offer_to_the_confirmation(confirmed: Analysis) -> None:
    text = section(confirmed)
    (update,) = confirmed.updates
    assert text.startswith(f"Updates  1\n  U1  {update.device.eui64}  ESME\n")
    stages = [line.strip() for line in text.splitlines() if line.startswith(" " * 7) and line[7] != " "]
    assert [one for one in stages if one.partition(" (")[0] in {"offer", "activation order", "confirmation"}] == [
        "offer (ECS52, service request 11.2)",
        "offer (CS05b, service request 11.1)",
        "activation order (CS06, service request 11.3)",
        "confirmation (ECS52, service request 11.2)",
        "confirmation",
    ]
    assert "\n     confirmed: The device runs the image's version 0x" in text
    assert "\n     order by CS06: immediate, carried out (success)\n" in text
    assert "\n     valid   hash: rebuilt image and 8F72 alert: " in text
    assert "invalid" not in text
    assert "missing" not in text


def test_it_fits_a_pipe_of_80_columns(confirmed: Analysis) -> None:
    lines = section(confirmed).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.isascii() for line in lines)


def test_the_verdict_speaks_of_the_update_and_is_good_when_it_is_confirmed(confirmed: Analysis) -> None:
    tone, sentences = words.verdict(confirmed)
    name = f"ESME {confirmed.updates[0].device.eui64}"
    assert (tone, sentences[0]) == ("good", f"The firmware update of {name} is confirmed.")
    assert sentences[1].startswith("The device runs the image's version 0x")


def test_a_failed_update_says_where_and_why(tmp_path: Path) -> None:
    analysis = simulated(tmp_path, "esme-update", "server-silent")
    text = " ".join(section(analysis).split())
    assert "failed at distribution (server-silent): The transfer stopped: the server did not answer" in text
    tone, sentences = words.verdict(analysis)
    assert tone == "bad"
    assert sentences[0].endswith(" failed.")
    assert sentences[2].startswith("The capture holds ")


def test_several_updates_are_counted_and_the_worst_are_told_first(tmp_path: Path) -> None:
    tone, sentences = words.verdict(simulated(tmp_path, "house-update", "stalled-client@HCALCS"))
    assert (tone, sentences[0]) == ("bad", "5 firmware updates: 4 confirmed, 1 failed.")
    assert sentences[1].startswith("HCALCS ")


def test_an_ihd_is_shown_outside_of_the_mandated_flows(tmp_path: Path) -> None:
    text = " ".join(section(simulated(tmp_path, "ihd-update")).split())
    assert "IHD manufacturer 0x10de" in text
    assert "outside of the mandated flows: the firmware of an in-home display" in text


def test_without_updates_there_is_no_section(made) -> None:
    assert section(made.analysis()) == ""


def test_the_json_has_all_of_it(confirmed: Analysis) -> None:
    (update,) = json.loads(document(confirmed))["updates"]
    assert (update["id"], update["flow"], update["state"], update["cause"]) == ("U1", "ESME/GSME", "confirmed", None)
    assert {claim["sha256"] for claim in update["hashes"]} == {update["orders"][0]["sha256"]}
    assert [step["service_request"] for step in update["steps"] if step["use_case"] == "CS06"] == ["11.3", "11.3"]
