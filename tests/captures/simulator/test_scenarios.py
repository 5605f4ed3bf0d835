"""Whole captures, as tshark reads them, against what the simulator says really happened."""

import hashlib
import json
import tomllib
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from oracles import key_option, tshark

from hanscope.captures.simulator.demo import demo, demo_keys
from hanscope.captures.simulator.han import Role
from hanscope.captures.simulator.kinds import WELL_KNOWN_KEY
from hanscope.captures.simulator.scenarios import benchmark, simulate
from hanscope.captures.simulator.truth import Truth

FRAMES = 8000
Run = tuple[Path, Truth]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("benchmark") / "benchmark.pcap"
    return path, benchmark(path, frames=FRAMES, seed=5)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("demo") / "demo.pcapng"
    return path, demo(path)


@pytest.fixture(params=["measured", "shown"])
def either(request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(request.param)


def all_keys(truth: Truth) -> list[str]:
    keys = [WELL_KNOWN_KEY, truth.han.network_key, *(node.link_key for node in truth.han.nodes)]
    return [word for key in keys if key for word in key_option(key)]


def fields(path: Path, keys: list[str], condition: str, *names: str) -> list[list[str]]:
    wanted = [word for name in names for word in ("-e", name)]
    return tshark("-r", path, *keys, "-Y", condition, "-T", "fields", *wanted)


TROUBLE = "_ws.malformed || zbee_sec.encrypted_payload || _ws.expert.severity >= 0x00400000"


def test_tshark_complains_of_nothing_but_the_damaged_frames(either: Run) -> None:
    path, truth = either
    assert len(truth.damaged)
    troubled = [int(number) for (number,) in fields(path, all_keys(truth), TROUBLE, "frame.number")]
    assert troubled == truth.damaged.tolist()


def test_every_block_is_where_the_truth_says_and_makes_the_image(measured: Run) -> None:
    path, truth = measured
    ota = [f"zbee_zcl_general.ota.{name}" for name in ("image.type", "file.version", "file.offset", "image.data")]
    rows = fields(path, all_keys(truth), ota[-1], "frame.number", "zbee_nwk.dst", *ota)
    places = {}
    images: dict[tuple[int, ...], dict[int, bytes]] = defaultdict(dict)
    for frame, *identity, offset, data in rows:
        key = tuple(int(one, 0) for one in identity)
        images[key][int(offset, 0)] = bytes.fromhex(data.replace(":", ""))
        places[int(frame)] = (key, int(offset, 0))
    said = {
        update.number: (
            truth.han.nodes[update.client].short,
            update.firmware.image_type,
            update.firmware.file_version,
        )
        for update in truth.updates
    }
    heard = truth.blocks.frame > 0
    assert places == {
        frame: (said[update], offset)
        for frame, update, offset in zip(
            truth.blocks.frame[heard].tolist(),
            truth.blocks.update[heard].tolist(),
            truth.blocks.offset[heard].tolist(),
            strict=True,
        )
    }
    whole = 0
    for update in truth.updates:
        blocks = images[said[update.number]]
        octets = bytearray(update.firmware.size)
        for offset, data in blocks.items():
            octets[offset : offset + len(data)] = data
        for start, stop in update.missing:
            octets[start:stop] = update.firmware.octets[start:stop]
        assert hashlib.sha256(octets).hexdigest() == update.firmware.sha256
        assert sum(map(len, blocks.values())) == update.firmware.size - sum(b - a for a, b in update.missing)
        whole += not update.missing
    assert whole >= 2


def test_the_benchmark_has_the_mix_it_promises(measured: Run) -> None:
    path, truth = measured
    wanted = ("wpan.frame_type", "wpan.cmd", "zbee.sec.key_id", "frame.time_epoch", "frame.len")
    rows = fields(path, all_keys(truth), "frame", *wanted)
    assert len(rows) == truth.frames == FRAMES
    kinds = np.array([int(row[0], 0) for row in rows])
    assert 0.47 < np.mean(kinds == 2) < 0.51
    assert 0.03 < np.mean([row[1] in ("4", "0x04") for row in rows]) < 0.06
    assert 0.43 < np.mean(["0x01" in row[2] for row in rows]) < 0.48
    assert 0.30 < np.mean(["0x00" in row[2] for row in rows]) < 0.38
    assert 0.001 < len(truth.damaged) / FRAMES < 0.006
    assert (kinds == 0).any()
    times = [row[3] for row in rows]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert {119, 126, 127} <= {int(row[4]) for row in rows} <= set(range(5, 128))


def test_the_truth_beside_the_benchmark_says_the_same(measured: Run) -> None:
    path, truth = measured
    written = json.loads(Path(f"{path}.json").read_text())
    assert (written["frames"], written["damaged"], written["missed"]) == (FRAMES, len(truth.damaged), 0)
    assert [image["sha256"] for image in written["images"]] == [update.firmware.sha256 for update in truth.updates]
    assert {image["outcome"] for image in written["images"]} == {"complete", "unfinished"}


def test_the_same_seed_gives_the_same_octets_and_another_seed_others(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.pcap", "two.pcap", "three.pcap")]
    for path, seed in zip(paths, (5, 5, 6), strict=True):
        simulate("benchmark", path, seed=seed, frames=1500)
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second
    assert first != third


def test_the_demo_opens_with_its_key_file_and_what_it_carries(shown: Run) -> None:
    path, truth = shown
    keys = [bytes.fromhex(entry["key"]) for entry in tomllib.loads(demo_keys(truth))["link"]]
    assert truth.han.network_key not in keys
    (ppmid,) = (node for node in truth.han.nodes if node.role is Role.PPMID)
    assert ppmid.link_key not in keys
    options = [word for key in (WELL_KNOWN_KEY, *keys) for word in key_option(key)]
    troubled = [int(number) for (number,) in fields(path, options, TROUBLE, "frame.number")]
    assert troubled == truth.damaged.tolist()


def test_the_demo_tells_of_two_successes_and_two_failures(shown: Run) -> None:
    _, truth = shown
    told = {truth.han.nodes[one.device].role: (one.state, one.failed_at, one.cause) for one in truth.devices}
    assert told == {
        Role.ESME: ("failed", "activation order", "wrong-hash-ordered"),
        Role.HCALCS: ("confirmed", None, None),
        Role.PPMID: ("confirmed", None, None),
        Role.GSME: ("failed", "distribution", "server-silent"),
    }
    missing = {truth.han.nodes[one.device].role: one.attempts[-1].missing for one in truth.devices}
    assert not any(holes for role, holes in missing.items() if role is not Role.GSME)
    assert [hole.reason for hole in missing[Role.GSME]] == [
        "answered but not captured",
        "requested and never answered",
        "never requested",
    ]


def test_gaps_in_frame_counters_are_the_frames_that_the_sniffer_missed(shown: Run) -> None:
    path, truth = shown
    meter = [node.role for node in truth.han.nodes].index(Role.GSME)
    rows = fields(path, all_keys(truth), f"wpan.src16 == {truth.han.nodes[meter].short}", "zbee.sec.counter")
    captured = {int(row[0].split(",")[0]) for row in rows if row[0]}
    mine = truth.missed.transmitter == meter
    missed = set(truth.missed.frame_counter[mine].tolist()) - {-1}
    assert missed
    gaps = set(range(min(captured), max(captured))) - captured
    assert missed <= gaps
    assert len(gaps - missed) <= len(truth.damaged)


def test_an_unknown_scenario_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are: benchmark, demo"):
        simulate("nonsense", tmp_path / "x.pcap")
    with pytest.raises(ValueError, match="of a length of your choice"):
        simulate("demo", tmp_path / "x.pcapng", frames=7)
    with pytest.raises(ValueError, match="1 or more"):
        simulate("benchmark", tmp_path / "x.pcap", frames=0)
