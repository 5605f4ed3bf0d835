"""Simulated tunnels: blocks as the documents have them, and what is on the air as tshark reads it."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from oracles import key_option, tshark
from tunnel_messages import CS06_COMMAND, ECS52_BLOCKS, ECS52_COMMAND, ECS52_RESPONSE, LITERALS, of_gas_meter

from hanscope.captures.simulator.air import Noise
from hanscope.captures.simulator.han import Role
from hanscope.captures.simulator.scenarios import gbcs, simulate
from hanscope.captures.simulator.truth import Truth
from hanscope.captures.simulator.tunnels import blocks_of
from hanscope.dissectors.gbcs.envelope import EnvelopeError, parse

GAS = [of_gas_meter(ECS52_COMMAND), of_gas_meter(ECS52_RESPONSE)]


def fields(path: Path, truth: Truth, condition: str, *names: str) -> list[list[str]]:
    keys = [truth.han.network_key, *(node.link_key for node in truth.han.nodes)]
    options = [word for key in keys if key for word in key_option(key)]
    wanted = [word for name in names for word in ("-e", name)]
    return tshark("-r", path, *options, "-Y", condition, "-T", "fields", *wanted)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    path = tmp_path_factory.mktemp("tunnels") / "house.pcapng"
    noise = Noise(damaged=0.01, resent=0.05, aps_retried=0.05)
    return path, gbcs(path, [*LITERALS, *GAS], seed=2, noise=noise, largest=150, block=60)


def test_blocks_are_those_of_the_documents() -> None:
    assert blocks_of(parse(ECS52_COMMAND), 48) == list(ECS52_BLOCKS)


def test_every_device_that_a_message_names_is_there(house: tuple[Path, Truth]) -> None:
    _, truth = house
    roles = {node.eui64: node.role for node in truth.han.nodes}
    assert roles[0x00DB1234567890A1] is Role.GSME
    assert roles[0x00DB1234567890A0] is roles[0x00DB1234567890A4] is Role.ESME
    assert {truth.han.nodes[one.device].eui64 for one in truth.messages} <= roles.keys()
    assert Counter(one.octets for one in truth.messages) == Counter([*LITERALS, *GAS])
    assert [one.blocks for one in truth.messages if one.octets == CS06_COMMAND] == [3]


def test_tshark_reads_every_frame(house: tuple[Path, Truth]) -> None:
    path, truth = house
    condition = "_ws.malformed || zbee_sec.encrypted_payload || _ws.expert.severity >= 0x00600000"
    assert [int(row[0]) for row in fields(path, truth, condition, "frame.number")] == truth.damaged.tolist()


def test_tunnels_are_opened_and_closed_by_the_hub_but_by_a_gas_meter_itself(house: tuple[Path, Truth]) -> None:
    path, truth = house
    names = ("cmd.srv_rx.id", "protocol_id", "max_in_transfer_size")
    rows = fields(
        path, truth, "zbee_zcl_se.tun.cmd.srv_rx.id <= 1", "zbee_nwk.src", *(f"zbee_zcl_se.tun.{one}" for one in names)
    )
    asked: dict[int, set[int]] = defaultdict(set)
    for source, command, protocol, size in rows:
        asked[int(command, 0)].add(int(source, 0))
        if int(command, 0) == 0:
            assert (int(protocol, 0), int(size, 0)) == (6, 1500)
    (gas,) = [node.short for node in truth.han.nodes if node.role is Role.GSME]
    assert asked == {0: {0, gas}, 1: {0, gas}}, "Request Tunnel and Close Tunnel"


def test_a_gas_meters_messages_have_its_header(house: tuple[Path, Truth]) -> None:
    path, truth = house
    rows = fields(path, truth, "gbcs_tunnel", "zbee_nwk.src", "gbcs_tunnel.command", "gbcs_tunnel.remaining")
    (gas,) = [node.short for node in truth.han.nodes if node.role is Role.GSME]
    seen = {(int(source, 0) == gas, int(command, 0), remaining) for source, command, remaining in rows}
    assert seen == {(True, 1, ""), (False, 2, "0"), (True, 3, "")}


def test_the_truth_tells_what_the_sniffer_did_not_hear(tmp_path: Path) -> None:
    path = tmp_path / "deaf.pcapng"
    truth = gbcs(path, [CS06_COMMAND], noise=Noise(deaf=((2.0, 2.5),)))
    (message,) = truth.messages
    assert 0 < message.lost < 3
    assert (len(message.frames), message.complete) == (3 - message.lost, False)


def test_what_is_no_message_cannot_be_carried(tmp_path: Path) -> None:
    with pytest.raises(EnvelopeError):
        gbcs(tmp_path / "x.pcapng", [b"\x00"])
    with pytest.raises(ValueError, match="nothing to carry"):
        simulate("gbcs", tmp_path / "x.pcapng")
    assert simulate("gbcs", tmp_path / "y.pcapng", messages=[ECS52_COMMAND]).messages[0].complete
