"""The column engine reads what Scapy reads: through the production path, at every stage, for whole, damaged and hostile
frames."""

import random
from pathlib import Path

import numpy as np
import pytest
from commands import frames as command_frames
from equality import assert_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import HUE, PLAIN_APS, PLAIN_NWK_COMMANDS, SMART_ENERGY, octets, packed

from hanscope.captures.batch import Fcs
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import decide, frames
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.columns.layout import Layout, dump, load
from hanscope.dissectors.columns.stage import LAYOUT_CAP, Stage

CAPTURES = (
    "catsniffer-ota.tap.pcap",
    "hue-association.tap.pcap",
    "hue-ota-ti-metadata.pcapng",
    "join-authenticate.pcap",
    "legrand-page-requests.pcap",
    "silabs-application-link-key.pcapng",
    "silabs-install-code-join.pcapng",
    "silabs-network-key-update.pcapng",
    "silabs-secured-rejoin.pcapng",
    "touchlink.tap.pcap",
    "zigator-02-mac-testing.pcap",
    "zigator-03-nwk-testing.pcap",
    "zigator-04-aps-testing.pcap",
    "zigator-08-thr-testing.pcap",
)

SEEDS = {
    "Mac": [octets(frame)[:-2] for frame in HUE + SMART_ENERGY]
    + [octets("030801ffffffff07"), octets("63886f5b4a0000341204")],
    "Nwk": [octets(frame)[9:-2] for frame in HUE + SMART_ENERGY if len(frame) > 20],
    "NwkCommand": [octets(frame) for frame in PLAIN_NWK_COMMANDS],
    "Aps": [octets(frame) for frame in PLAIN_APS],
}


@pytest.mark.parametrize("stage", SEEDS)
def test_columns_equal_scapy_on_frames_of_every_kind(stage: str) -> None:
    sifted, compared = assert_equal(stage, Engine(), SEEDS[stage] * 3)
    assert not len(sifted.loose)
    assert compared > 10 * len(SEEDS[stage])


@pytest.mark.parametrize("stage", SEEDS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), extra=st.lists(st.binary(max_size=130), max_size=20))
def test_columns_equal_scapy_on_mutated_and_random_frames(stage: str, seed: int, extra: list[bytes]) -> None:
    dice = random.Random(seed)
    inputs = extra + [mutated(dice.choice(SEEDS[stage]), dice) for _ in range(40)]
    assert_equal(stage, Engine(), inputs)


def mutated(frame: bytes, dice: random.Random) -> bytes:
    """The frame cut, extended, or with some octets changed."""
    kind = dice.randrange(4)
    if kind == 0:
        return frame[: dice.randrange(len(frame) + 1)]
    if kind == 1:
        return frame + dice.randbytes(dice.randrange(1, 20))
    changed = bytearray(frame)
    for _ in range(dice.randrange(1, 4)):
        # The headers decide the layout, so they are hit more often than the rest.
        changed[dice.randrange(min(len(frame), 24) if dice.random() < 0.8 else len(frame))] = dice.randrange(256)
    return bytes(changed)


def test_columns_equal_scapy_on_every_command_of_every_cluster() -> None:
    inputs = command_frames(0) + command_frames(1)
    sifted, compared = assert_equal("Aps", Engine(), inputs)
    assert not len(sifted.loose)
    assert compared > 10 * len(inputs)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_columns_equal_scapy_on_mutated_commands_of_every_cluster(seed: int) -> None:
    dice = random.Random(seed)
    inputs = command_frames(seed)
    assert_equal("Aps", Engine(), [mutated(dice.choice(inputs), dice) for _ in range(60)])


@pytest.mark.parametrize("name", CAPTURES)
def test_columns_equal_scapy_on_real_captures(data: Path, name: str) -> None:
    engine = Engine()
    compared = 0
    with open_capture(data / "captures" / name) as capture:
        decisions = {}
        for records in capture:
            decisions = decide(records, capture.interfaces, decisions)
            batch = frames(records, decisions)
            good = np.flatnonzero(batch.fcs != Fcs.INVALID)[:1500]
            inputs = [batch.frame(int(row)) for row in good]
            sifted, count = assert_equal("Mac", engine, inputs)
            compared += count
            inner = [
                inputs[int(row)][group.layout.payload_at :]
                for group in sifted.groups
                if group.layout.next_stage == "Nwk"
                for row in group.index
            ]
            compared += assert_equal("Nwk", engine, inner)[1]
    assert compared > 50


def test_a_known_layout_needs_no_specimen() -> None:
    first = Engine()
    for stage, inputs in SEEDS.items():
        assert_equal(stage, first, inputs)
    kept = load(dump(dict(first.layouts()), "mark"), "mark")
    second = Engine(kept)
    for stage, inputs in SEEDS.items():
        assert_equal(stage, second, inputs)
    assert sum(len(layouts) for layouts in first.learned.values()) > 30
    assert second.learned == {}


def test_what_one_engine_learned_another_knows() -> None:
    first, second = Engine(), Engine()
    assert_equal("Aps", first, SEEDS["Aps"])
    second.know(first.learned)
    before = len(second.aps.learned)
    assert_equal("Aps", second, SEEDS["Aps"])
    assert len(second.aps.learned) == before == len(first.aps.learned)


def test_layouts_of_other_layers_are_not_believed() -> None:
    kept = dump(dict(Engine().layouts()), "mark")
    assert load(kept, "another mark") == {}
    assert load(kept[:-1], "mark") == {}
    assert load(b"", "mark") == {}


def test_counters_make_no_layouts() -> None:
    frame = octets(SMART_ENERGY[0])[9:-2]
    inputs = [frame[:7] + bytes([n]) + frame[8:9] + n.to_bytes(4, "little") + frame[13:] for n in range(200)]
    sifted, _ = assert_equal("Nwk", Engine(), inputs)
    assert [len(group) for group in sifted.groups] == [200]


def test_kinds_beyond_the_cap_stay_loose_and_room_is_made_between_batches() -> None:
    made = 0

    def recorder(frame: bytes) -> Layout:
        nonlocal made
        made += 1
        return Layout(frame[:4] and b"\xff" * 4, frame[:4], 4, False, ("X",), {}, None, 4, None)

    stage = Stage("X", recorder)
    inputs = [n.to_bytes(4, "big") + b"rest" for n in range(LAYOUT_CAP + 500)]
    sifted = stage.sift(*packed(inputs))
    assert len(sifted.groups) == LAYOUT_CAP
    assert len(sifted.loose) == 500
    assert made == LAYOUT_CAP
    again = stage.sift(*packed(inputs))
    assert len(again.groups) == LAYOUT_CAP
    assert sorted(np.concatenate([again.loose, *(group.index for group in again.groups)])) == list(range(len(inputs)))


def test_frames_without_a_whole_control_field_are_loose() -> None:
    sifted = Engine().mac.sift(*packed([b"", b"\x41", octets(HUE[2])[:-2]]))
    assert list(sifted.loose) == [0, 1]
    assert [list(group.index) for group in sifted.groups] == [[2]]
