"""Devices and what they are, against what the simulator made them."""

from pathlib import Path
from typing import Literal

import pytest

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.simulator.truth import Truth
from hanscope.dissectors.eui64 import eui64_text


def ring_of(truth: Truth) -> KeyRing:
    keys = [f"network:{truth.han.network_key.hex()}"]
    keys += [f"link:{one.link_key.hex()}" for one in truth.han.nodes if one.link_key]
    return KeyRing().plus(key for text in keys for key in parse_key(text))


@pytest.mark.parametrize("scope", ["all", "transfers"])
def test_devices_of_a_house_are_what_their_messages_show(tmp_path: Path, scope: Literal["all", "transfers"]) -> None:
    path = tmp_path / "house.pcapng"
    truth = simulate("house-update", path, seed=3, size=2_000)
    analysis = analyze([str(path)], keys=ring_of(truth), processes=1, scope=scope).analysis
    found = {one.eui64: (one.role, bool(one.evidence)) for one in analysis.devices}
    updating = {one.device for one in truth.devices}
    for number, node in enumerate(truth.han.nodes):
        kind = "Communications Hub" if node.short == 0 else node.role if number in updating else "unknown"
        if scope == "transfers" and number in updating:
            kind = "OTA client"
        assert found[eui64_text(node.eui64)] == (kind, True)


def test_the_coordinator_of_any_other_network_is_no_communications_hub(tmp_path: Path) -> None:
    path = tmp_path / "home.pcapng"
    truth = simulate("zigbee-update", path, seed=3, size=2_000)
    roles = {one.short: one.role for one in analyze([str(path)], keys=ring_of(truth), processes=1).analysis.devices}
    assert roles[0] == "OTA server"
    assert "OTA client" in roles.values()
