"""What a simulated HAN carries is found byte for byte, with its frames; a loss makes just its message incomplete."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from oracles import key_option, tshark_text
from tunnel_messages import (
    CS06_COMMAND,
    CS06_RESPONSE,
    ECS52_BLOCKS,
    ECS52_COMMAND,
    ECS52_RESPONSE,
    LITERALS,
    of_gas_meter,
    official,
    ring_of,
)

from hanscope.analyzers import inputs
from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.reassembly import Incomplete
from hanscope.analyzers.results import Analysis
from hanscope.analyzers.tables import TunnelTable
from hanscope.analyzers.tunnels import Carried, Carrier, Tunnel, TunnelBuilder
from hanscope.captures.batch import RecordBatch
from hanscope.captures.simulator.air import Noise
from hanscope.captures.simulator.scenarios import gbcs
from hanscope.captures.simulator.truth import Truth
from hanscope.dissectors.zigbee.aps import Aps
from hanscope.dissectors.zigbee.clusters.tunneling import TransferDataClientToServer
from hanscope.dissectors.zigbee.zcl import Zcl

SECOND = 1_000_000_000
SMALL = {"largest": 300, "block": 150}
"""Limits with which many messages go in blocks."""
RETRIES = Noise(damaged=0.01, resent=0.05, aps_retried=0.05)
"""Everything is sent again now and then, and nothing is lost."""

# Rows of a table.

REQUEST, CLOSE, DATA, ERROR = range(4)
CLOSURE = 6
HUB, METER = 0, 0x1234


class Heard:
    """Makes rows of commands between the hub (client) and a meter (server), one a second."""

    def __init__(self) -> None:
        self.rows: list[dict[str, int | bytes]] = []

    def __call__(self, command: int, *, from_server: bool = False, data: bytes = b"", **columns: int) -> "Heard":
        number = len(self.rows) + 1
        source, destination = (METER, HUB) if from_server else (HUB, METER)
        named = {
            "number": number,
            "time_ns": number * SECOND,
            "pan_id": 1,
            "nwk_source": source,
            "nwk_destination": destination,
            "aps_counter": number % 256,
            "zcl_sequence": number % 256,
            "from_server": int(from_server),
            "command": command,
            "data": data,
        }
        self.rows.append(named | columns)
        return self

    def data(self, octets: bytes, *, from_server: bool = False, tunnel_id: int = 7, **columns: int) -> "Heard":
        command = DATA - from_server
        return self(command, from_server=from_server, data=octets, tunnel_id=tunnel_id, **columns)

    def again(self, **columns: int) -> "Heard":
        """The last row once more: the same command in another frame."""
        number = len(self.rows) + 1
        self.rows.append(self.rows[-1] | {"number": number, "time_ns": number * SECOND} | columns)
        return self

    def table(self) -> TunnelTable:
        octets = [bytes(row["data"]) for row in self.rows]  # pyright: ignore[reportArgumentType]
        length = np.array([len(one) for one in octets])
        names = {name for row in self.rows for name in row} - {"data"}
        columns = {name: [row.get(name, -1) for row in self.rows] for name in names}
        return TunnelTable.of(
            len(self.rows),
            np.frombuffer(b"".join(octets), np.uint8),
            data_at=np.cumsum(length) - length,
            data_length=length,
            **columns,
        )

    def built(self, batches: int = 1) -> tuple[list[Tunnel], list[Carried]]:
        builder = TunnelBuilder()
        table = self.table()
        for part in np.array_split(np.arange(len(table)), batches):
            builder.feed(table.take(part), {})
        return builder.finish()


def opened() -> Heard:
    """A tunnel that was asked for and given."""
    heard = Heard()(
        REQUEST, protocol_id=6, manufacturer_code=0xFFFF, flow_control_support=0, maximum_incoming_transfer_size=1500
    )
    return heard(REQUEST, from_server=True, status=0, tunnel_id=7, maximum_incoming_transfer_size=1400, zcl_sequence=1)


def told(tunnel: Tunnel) -> list[str]:
    return [event.what for event in tunnel.events]


# The life of tunnels.


def test_a_tunnel_lives_from_its_request_to_its_end() -> None:
    heard = opened().data(ECS52_COMMAND).data(ECS52_RESPONSE, from_server=True)(CLOSE, tunnel_id=7)
    (tunnel,), (command, response) = heard.built()
    assert (tunnel.client.short, tunnel.server.short, tunnel.tunnel_id, tunnel.state) == (HUB, METER, 7, "closed")
    assert (tunnel.protocol_id, tunnel.manufacturer_code, tunnel.flow_control) == (6, 0xFFFF, False)
    assert (tunnel.client_maximum, tunnel.server_maximum) == (1500, 1400)
    assert (tunnel.to_server, tunnel.to_client, tunnel.first_frame, tunnel.last_frame) == (1, 1, 1, 5)
    assert told(tunnel) == ["requested", "opened", "closed by the client"]
    assert (command.octets, command.sender.short, command.frames) == (ECS52_COMMAND, HUB, (3,))
    assert (response.octets, response.sender.short, response.frames) == (ECS52_RESPONSE, METER, (4,))
    assert (command.began_ns, command.tunnel, response.tunnel) == (3 * SECOND, tunnel, tunnel)


def test_refusals_are_one_entry_until_a_tunnel_is_given() -> None:
    heard = Heard()
    for status in (1, 2, 9):
        heard(REQUEST, protocol_id=6)(REQUEST, from_server=True, status=status, tunnel_id=0xFFFF)
    (refused,), _ = heard.built()
    assert (refused.state, refused.tunnel_id) == ("refused", None)
    assert told(refused)[1::2] == ["refused: busy", "refused: no more tunnel ids", "refused: status 0x09"]
    (given,), _ = heard(REQUEST, protocol_id=6)(REQUEST, from_server=True, status=0, tunnel_id=3).built()
    assert (given.state, given.tunnel_id, len(given.events)) == ("open", 3, 8)


def test_who_asks_again_gets_the_same_tunnel() -> None:
    heard = opened()(REQUEST, protocol_id=6)(REQUEST, from_server=True, status=0, tunnel_id=7)
    (tunnel,), _ = heard.built()
    assert told(tunnel) == ["requested", "opened", "requested", "given again"]


def test_after_its_end_the_identifier_means_another_tunnel() -> None:
    heard = opened()(CLOSURE, from_server=True, tunnel_id=7).data(ECS52_COMMAND)
    heard(REQUEST, protocol_id=6)(REQUEST, from_server=True, status=0, tunnel_id=7).data(CS06_COMMAND)
    (first, second), messages = heard.built()
    assert told(first) == ["requested", "opened", "closed by the server", "data of the client after it was closed"]
    assert (first.state, second.state) == ("closed", "open")
    assert [message.tunnel for message in messages] == [first, second]


def test_a_request_that_nobody_answers_and_a_tunnel_whose_opening_was_not_heard() -> None:
    (one, other), _ = Heard()(REQUEST, protocol_id=6).data(ECS52_COMMAND).built()
    assert (one.state, one.tunnel_id) == ("requested", None)
    assert (other.state, other.tunnel_id, other.heard_open) == ("open", 7, False)


def test_refused_and_acknowledged_data_are_told() -> None:
    heard = opened().data(ECS52_COMMAND)
    heard(ERROR - 1, from_server=True, tunnel_id=7, status=2)(ERROR, tunnel_id=7, status=0)
    heard(3, from_server=True, tunnel_id=7, octets_left=100)(5, tunnel_id=7, octets_left=9)
    (tunnel,), _ = heard.built()
    assert told(tunnel)[2:] == [
        "data refused by the server: data overflow",
        "data refused by the client: no such tunnel",
        "the server acknowledged data, 100 octets left",
        "the client is ready for data, 9 octets left",
    ]


def test_what_tunnels_of_other_protocols_carry_is_no_message() -> None:
    heard = Heard()(REQUEST, protocol_id=1)(REQUEST, from_server=True, status=0, tunnel_id=7).data(ECS52_COMMAND)
    (tunnel,), messages = heard.built()
    assert (tunnel.protocol_id, tunnel.to_server, messages) == (1, 1, [])


# What they carry.


def test_a_command_heard_several_times_counts_once() -> None:
    heard = opened().data(ECS52_COMMAND).again().again(nwk_sequence=5)
    (tunnel,), messages = heard.built()
    assert (tunnel.to_server, [message.frames for message in messages]) == (1, [(3,)])


def test_the_same_message_in_a_new_command_is_sent_again() -> None:
    heard = opened().data(ECS52_COMMAND).data(ECS52_COMMAND)
    assert [message.frames for message in heard.built()[1]] == [(3,), (4,)]


def test_a_gas_meters_header_is_taken_off() -> None:
    heard = opened().data(b"\x01").data(b"\x02\x05" + ECS52_COMMAND, from_server=True).data(b"\x03" + ECS52_RESPONSE)
    heard.data(b"\x02\x00", from_server=True).data(b"\x02", from_server=True).data(b"").data(b"\x03")
    (tunnel,), messages = heard.built()
    assert tunnel.fetches == 1
    assert [(one.octets, one.gas_command, one.remaining) for one in messages] == [
        (ECS52_COMMAND, "GET-RESPONSE", 5),
        (ECS52_RESPONSE, "PUT", None),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1), (1, 1, 0)])
@pytest.mark.parametrize("header", [b"", b"\x03"])
def test_blocks_make_the_message_in_any_order(order: Sequence[int], header: bytes) -> None:
    heard = opened()
    for place in order:
        heard.data(header + ECS52_BLOCKS[place])
    for batches in (1, 3):
        _, (message,) = heard.built(batches)
        assert (message.octets, message.why, message.blocks) == (ECS52_COMMAND, None, 2)
        assert message.frames == tuple(range(3, 3 + len(order)))


def test_blocks_of_another_direction_or_message_are_kept_apart() -> None:
    other = ECS52_BLOCKS[1].replace(bytes.fromhex("00000000000003e8"), bytes.fromhex("00000000000003e9"), 1)
    heard = opened().data(ECS52_BLOCKS[0]).data(ECS52_BLOCKS[1], from_server=True).data(other)
    messages = heard.built()[1]
    assert [message.why for message in messages] == [
        "the last block is not in the capture",
        "block 1 is not in the capture",
        "block 1 is not in the capture",
    ]
    assert messages[0].octets == ECS52_COMMAND[:48]
    assert messages[2].identity is not None
    assert (messages[2].identity.message_code, messages[2].identity.originator_counter) == (0x59, 1001)


def test_blocks_sent_once_more_are_no_other_message() -> None:
    heard = opened().data(ECS52_BLOCKS[0]).data(ECS52_BLOCKS[1]).data(ECS52_BLOCKS[0])
    assert len(heard.built()[1]) == 1
    assert [one.octets for one in heard.data(ECS52_BLOCKS[1]).built()[1]] == [ECS52_COMMAND] * 2


def test_contradictory_blocks_make_no_message() -> None:
    broken = ECS52_BLOCKS[0][:-1] + b"\x00"
    _, (message,) = opened().data(ECS52_BLOCKS[0]).data(broken).data(ECS52_BLOCKS[1]).built()
    assert message.why == "block 1 is contradictory"


def test_a_broken_block_header_is_told() -> None:
    _, (message,) = opened().data(ECS52_BLOCKS[0][:20]).built()
    assert message.octets == ECS52_BLOCKS[0][:20]
    assert message.why


# Incomplete sets of fragments.


def fragments(data: bytes, missing: set[int], at: int = 3, size: int = 60) -> Incomplete:
    """Transfer Data of the hub to the meter, cut into fragments of which some are missing."""
    aps = Aps(cluster=0x0704, profile=0x0109, counter=9)
    whole = bytes(aps / Zcl() / TransferDataClientToServer(tunnel_id=7, transfer_data=data))
    header, payload = whole[:8], whole[8:]
    cut = dict(enumerate(payload[start : start + size] for start in range(0, len(payload), size)))
    there = {number: octets for number, octets in cut.items() if number not in missing}
    return Incomplete(
        pan_id=1,
        source=HUB,
        destination=METER,
        source_eui64=0,
        destination_eui64=5,
        header=header,
        secured=True,
        began_ns=at * SECOND,
        heard_ns=at * SECOND + 1,
        total=None if 0 in missing else len(cut),
        blocks=there,
        frames={number: 100 + number for number in there},
    )


def test_an_incomplete_set_says_what_is_missing_and_whose_it_is() -> None:
    builder = TunnelBuilder()
    builder.feed(opened().table(), {})
    builder.broken(fragments(CS06_COMMAND, {1}))
    (tunnel,), (message,) = builder.finish()
    assert message.why == "APS fragment 2 of 3 is not in the capture"
    assert message.octets == CS06_COMMAND[:55]
    assert message.identity is not None
    assert tuple(message.identity) == (1, 0x0012, 0x90B3D51F30010000, 0x00DB1234567890A0, 1000)
    assert (message.tunnel, message.frames, message.receiver.eui64) == (tunnel, (100, 102), 5)


def test_a_beginning_that_is_too_short_names_nobody() -> None:
    builder = TunnelBuilder()
    builder.broken(fragments(CS06_COMMAND, {1, 2, 3}, size=45))
    _, (message,) = builder.finish()
    assert message.why == "APS fragments 2 to 4 of 4 are not in the capture"
    assert message.identity is None


def test_a_set_without_its_beginning_is_told_alone() -> None:
    builder = TunnelBuilder()
    builder.broken(fragments(CS06_COMMAND, {0}))
    _, (message,) = builder.finish()
    assert message.why == "the first APS fragment, which tells what it is, is not in the capture"
    assert (message.octets, message.tunnel, message.identity) == (b"", None, None)


def test_an_incomplete_block_is_reported_with_its_message() -> None:
    builder = TunnelBuilder()
    builder.feed(opened().data(ECS52_BLOCKS[0]).table(), {})
    builder.broken(fragments(ECS52_BLOCKS[1], {1}, at=4))
    _, (message,) = builder.finish()
    assert message.why == "block 2: APS fragment 2 of 2 is not in the capture"
    assert (message.octets, message.blocks, message.frames) == (ECS52_COMMAND[:48], 2, (3, 100))


def test_a_set_without_beginning_goes_with_the_one_message_that_lacks_a_block_then() -> None:
    for at, alone in ((2, False), (4, True), (200, True)):
        builder = TunnelBuilder()
        builder.feed(opened().data(ECS52_BLOCKS[1]).table(), {})
        builder.broken(fragments(ECS52_BLOCKS[0], {0}, at=at))
        _, messages = builder.finish()
        assert len(messages) == 1 + alone, at
    builder = TunnelBuilder()
    builder.feed(opened().data(ECS52_BLOCKS[1]).table(), {})
    builder.broken(fragments(ECS52_BLOCKS[0], {0}, at=2))
    _, (message,) = builder.finish()
    assert message.why == (
        "block 1 is not in the capture; what came in frame 101 without its beginning may have been of it"
    )


def test_fragments_of_other_clusters_are_none_of_it() -> None:
    builder = TunnelBuilder()
    other = fragments(CS06_COMMAND, {1})
    other.header = other.header.replace(b"\x04\x07", b"\x19\x00")
    builder.broken(other)
    assert builder.finish() == ([], [])


def test_nothing_that_comes_through_a_tunnel_is_fatal() -> None:
    dice = random.Random(4)
    whole = [*LITERALS, *ECS52_BLOCKS, b"\x02\x01" + ECS52_BLOCKS[0], b"\x03" + CS06_RESPONSE]
    heard = opened()
    builder = TunnelBuilder()
    for _ in range(3000):
        octets = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(4)):
            octets[dice.randrange(min(len(octets), 60))] = dice.randrange(256)
        cut = bytes(octets[: dice.randrange(len(octets) + 1)])
        from_server = dice.random() < 0.5
        command = dice.choice((DATA - from_server, DATA - from_server, 0, 1, 2, 3, 4, 5, 6, 7, 255))
        heard(command, from_server=from_server, data=cut, tunnel_id=dice.randrange(9), status=dice.randrange(4))
        if dice.random() < 0.2:
            builder.broken(fragments(cut, set(dice.choices(range(4), k=2)), size=dice.randrange(20, 61)))
    builder.feed(heard.table(), {})
    tunnels, messages = builder.finish()
    assert tunnels
    assert len(messages) > 300


def test_reassembled_commands_name_all_their_frames() -> None:
    builder = TunnelBuilder()
    builder.feed(opened().data(ECS52_COMMAND).table(), {3: Carrier(SECOND // 2, (1, 2, 3))})
    _, (message,) = builder.finish()
    assert (message.frames, message.began_ns, message.ended_ns) == ((1, 2, 3), SECOND // 2, 3 * SECOND)


# The simulated HAN, from the capture to the messages.


def found(path: Path, truth: Truth, **options: int) -> Analysis:
    return analyze([str(path)], keys=ring_of(truth), **options).analysis  # pyright: ignore[reportArgumentType]


def carried(analysis: Analysis) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((one.octets, one.frames) for one in analysis.messages if one.carriage and one.carriage.complete)


def sent(truth: Truth) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((one.octets.hex(), one.frames) for one in truth.messages if one.complete)


def test_the_messages_of_the_documents_come_through_byte_for_byte(tmp_path: Path) -> None:
    gas = [of_gas_meter(ECS52_COMMAND), of_gas_meter(ECS52_COMMAND), of_gas_meter(ECS52_RESPONSE)]
    for name, limits in (("whole", {}), ("blocks", {"largest": 100, "block": 48})):
        path = tmp_path / f"{name}.pcapng"
        truth = gbcs(path, [*LITERALS, *gas], **limits)
        analysis = found(path, truth)
        assert len(sent(truth)) == len(LITERALS) + len(gas)
        assert carried(analysis) == sent(truth)
        ways = [one.carriage for one in analysis.messages if one.carriage]
        assert [way.remaining for way in ways if way.gas_command == "GET-RESPONSE"] == [1, 0]
        assert sum(way.blocks > 0 for way in ways) == (
            len([one for one in LITERALS if len(one) > 100]) if limits else 0
        )
        assert {tunnel.state for tunnel in analysis.tunnels} == {"closed"}
        assert [(tunnel.client.short == 0) for tunnel in analysis.tunnels].count(False) == 1, "the gas meter's"


@pytest.fixture(scope="module")
def everything(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """All official messages, with retries everywhere."""
    path = tmp_path_factory.mktemp("gbcs") / "all.pcapng"
    return path, gbcs(path, official(data), seed=3, noise=RETRIES)


def test_every_official_message_comes_through_byte_for_byte(everything: tuple[Path, Truth]) -> None:
    path, truth = everything
    analysis = found(path, truth)
    assert sent(truth).total() == len(truth.messages) > 600
    assert sum(one.blocks > 0 for one in truth.messages) >= 3
    assert carried(analysis) == sent(truth)
    assert len(analysis.messages) == len(truth.messages), "nothing was found twice"
    assert not any(one.error for one in analysis.messages)


@pytest.mark.parametrize("frames", [7, 1000])
def test_where_batches_end_changes_nothing(
    everything: tuple[Path, Truth], monkeypatch: pytest.MonkeyPatch, frames: int, data: Path, tmp_path: Path
) -> None:
    path, truth = everything
    if frames < 100:  # takes its time
        path = tmp_path / "some.pcapng"
        truth = gbcs(path, official(data, "*CS06*"), seed=3, noise=RETRIES, **SMALL)
    whole = found(path, truth)
    chunks = inputs.OneCapture.__iter__

    def small(self: inputs.OneCapture) -> Iterator[inputs.RecordChunk]:
        for chunk in chunks(self):
            records = chunk.records
            for start in range(0, len(records), frames):
                part = slice(start, start + frames)
                cut = RecordBatch(
                    first_number=records.first_number + start,
                    time_ns=records.time_ns[part],
                    buffer=records.buffer,
                    at=records.at[part],
                    captured=records.captured[part],
                    original=records.original[part],
                    interface=records.interface[part],
                )
                yield inputs.RecordChunk(cut, chunk.decisions)

    monkeypatch.setattr(inputs.OneCapture, "__iter__", small)
    cut = found(path, truth)
    assert carried(cut) == sent(truth)
    assert (cut.messages, cut.tunnels, cut.exchanges) == (whole.messages, whole.tunnels, whole.exchanges)


def test_several_processes_find_the_same(everything: tuple[Path, Truth], monkeypatch: pytest.MonkeyPatch) -> None:
    path, truth = everything
    alone = found(path, truth, processes=1)
    monkeypatch.setattr(inputs, "POOL_FROM", 0)
    assert found(path, truth, processes=2) == alone


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lost_frames_make_exactly_their_messages_incomplete(data: Path, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "lost.pcapng"
    noise = Noise(damaged=0.003, resent=0.02, aps_retried=0.02, missed=0.01)
    truth = gbcs(path, official(data)[seed::4], seed=seed, noise=noise, **SMALL)
    analysis = found(path, truth)
    affected = Counter(one.frames for one in truth.messages if not one.complete and one.frames)
    assert affected.total() > 5
    assert carried(analysis) == sent(truth)
    incomplete = [one for one in analysis.messages if one.carriage and not one.carriage.complete]
    assert Counter(one.frames for one in incomplete) == affected
    by_frames = {one.frames: one for one in truth.messages}
    for message in incomplete:
        assert message.error is not None
        assert "not in the capture" in message.error
        assert by_frames[message.frames].octets.hex().startswith(message.octets)


def test_the_end_of_the_capture_leaves_its_message_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    truth = gbcs(path, [CS06_COMMAND], noise=Noise())
    first, last = truth.messages[0].frames[0], truth.messages[0].frames[-1]
    assert first < last
    cut = path.read_bytes()
    starts = [at for at in range(0, len(cut) - 4, 4) if cut[at : at + 4] == b"\x06\x00\x00\x00"]
    path.write_bytes(cut[: starts[last - 1]])
    (message,) = found(path, truth).messages
    assert message.error == "incomplete: APS fragment 3 of 3 is not in the capture"
    assert (message.use_case, message.frames) == ("CS06 Activate Firmware", truth.messages[0].frames[:-1])


# tshark, which reassembles fragments and dissects GBCS too.


def test_tshark_finds_the_same_messages_in_the_same_frames(everything: tuple[Path, Truth]) -> None:
    path, truth = everything
    words = [word for key in _keys(truth) for word in key_option(key)]
    text = tshark_text("-r", path, *words, "-Y", "gbcs_message", "-T", "json", "-x", "-j", "frame gbcs_message")
    theirs: dict[int, str] = {}
    for packet in json.loads(text):
        layers = packet["_source"]["layers"]
        theirs[int(layers["frame"]["frame.number"])] = layers["gbcs_message_raw"][0]
    ours = {max(one.frames): one.octets for one in found(path, truth).messages}
    assert len(ours) > 600
    assert {frame: theirs.get(frame) for frame in ours} == ours
    blocks = {octets for octets in theirs.values() if octets.startswith("dd09")}
    assert set(theirs.values()) - blocks == set(ours.values())


def test_tshark_reads_the_same_headers(everything: tuple[Path, Truth]) -> None:
    """A known fault of tshark 4.0.17: a pre-command, which ends behind its payload, is malformed to it."""
    path, truth = everything
    words = [word for key in _keys(truth) for word in key_option(key)]
    names = ("message_code", "cra_flag", "originator_counter", "business_originator_id", "business_target_id")
    fields = ["frame.number", "_ws.malformed", *(f"gbcs_message.grouping_header.{name}" for name in names)]
    wanted = [word for name in fields for word in ("-e", name)]
    rows = tshark_text("-r", path, *words, "-Y", fields[2], "-T", "fields", *wanted).splitlines()
    theirs = {int(frame): told for frame, *told in (row.split("\t") for row in rows)}
    for message in found(path, truth).messages:
        malformed, code, flag, counter, *parties = theirs[max(message.frames)]
        assert (int(code, 0), int(flag, 0)) == (message.message_code, message.cra_flag)
        assert int(counter, 0) == message.originator_counter
        assert parties == [message.originator, message.target]
        assert bool(malformed) == (not message.trailers), "a pre-command"


def test_tshark_puts_the_same_blocks_together(tmp_path: Path) -> None:
    """One message at a time: tshark 4.0.17 tells block transfers apart by the originator and the last octet of its
    counter only, so that it mixes up those of different commands.
    """
    path = tmp_path / "blocks.pcapng"
    truth = gbcs(path, [CS06_COMMAND], largest=100, block=48, noise=Noise())
    words = [word for key in _keys(truth) for word in key_option(key)]
    fields = ("frame.number", "gbcs_message.gbt.reassembled.length", "gbcs_message.grouping_header.message_code")
    wanted = [word for name in fields for word in ("-e", name)]
    rows = tshark_text("-r", path, *words, "-Y", fields[1], "-T", "fields", *wanted).splitlines()
    (message,) = found(path, truth).messages
    assert message.octets == CS06_COMMAND.hex()
    ((frame, length, code),) = [row.split("\t") for row in rows]
    assert (int(frame), int(length), int(code, 0)) == (max(message.frames), len(CS06_COMMAND), 0x0012)


def _keys(truth: Truth) -> list[bytes]:
    return [truth.han.network_key, *(node.link_key for node in truth.han.nodes if node.link_key)]
