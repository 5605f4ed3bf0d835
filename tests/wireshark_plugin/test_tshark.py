"""The plugin inside tshark: the same transfers, progress, gaps and hashes as `hanscope analyze` has."""

import json
import os
import random
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.crosscheck import options_for
from hanscope.analyzers.keys import KeyRing, load_key_file, parse_key
from hanscope.analyzers.rules.catalogue import RULES
from hanscope.captures.simulator.scenarios import benchmark
from hanscope.wireshark import plugin_script

pytestmark = pytest.mark.usefixtures("lua_in_tshark")

SAMPLES = Path(__file__).parents[2] / "captures" / "samples"
NOBODY = {"HOME": "/nowhere", "WIRESHARK_CONFIG_DIR": "/nowhere"}
"""No plugins and preferences of whoever runs the tests."""
SCRIPT = f"lua_script:{plugin_script()}"


def tshark(capture, options, *words):
    done = subprocess.run(
        ["tshark", "-n", "-r", capture, *options, "-X", SCRIPT, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **NOBODY},
    )
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
    assert complaints == []
    assert done.returncode == 0
    return done.stdout


def rows(capture, options, *fields, passes=(), keep="hanscope"):
    chosen = [word for field in fields for word in ("-e", field)]
    text = tshark(capture, options, *passes, "-Y", keep, "-T", "fields", *chosen)
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in text.splitlines()]


@dataclass(frozen=True)
class Case:
    """A capture, what hanscope says about it, and what tshark has to be told."""

    path: Path
    analysis: Any
    options: list[str]

    @classmethod
    def of(cls, path: Path, ring: KeyRing) -> "Case":
        return cls(path, analyze([str(path)], keys=ring, processes=1).analysis, options_for(str(path), keys=ring))


def key(text):
    return KeyRing().plus(parse_key(text))


@pytest.fixture(scope="module")
def demo():
    return Case.of(SAMPLES / "demo.pcapng", load_key_file(SAMPLES / "demo.keys.toml"))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "many.pcap"
    truth = benchmark(path, frames=6_000, seed=4)
    ring = KeyRing().plus(parse_key(f"network:{truth.han.network_key.hex()}"))
    for node in truth.han.nodes:
        if node.link_key:
            ring = ring.plus(parse_key(f"link:{node.link_key.hex()}"))
    return Case.of(path, ring)


REAL = {
    "catsniffer-ota.tap.pcap": KeyRing(),
    "legrand-page-requests.pcap": key("network:bd4bee1a2f9d58e90ba1300ad59bfad6"),
    "hue-ota-ti-metadata.pcapng": key("814286865dc1c8b2c8cbc52e5d65d1b8"),
    "hue-association.tap.pcap": key("link:814286865dc1c8b2c8cbc52e5d65d1b8"),
}


def by_identity(transfer):
    client = transfer["client"]
    kind = transfer["manufacturer_code"], transfer["image_type"], transfer["file_version"]
    return client["eui64"] or client["short"], *kind, transfer["attempt"]


ALIKE = (
    *("id", "image_size", "received_bytes", "missing_ranges", "conflicting_bytes", "state", "complete", "sha256"),
    *("first_frame", "last_frame", "block_requests", "block_responses", "page_requests", "wait_responses"),
    *("upgrade_at", "client", "server"),
)


def assert_same_transfers(case):
    report = json.loads(tshark(case.path, case.options, "-o", "hanscope.report:TRUE", "-q"))
    plain = json.loads(msgspec.json.encode(case.analysis))
    images = {image["transfer_id"]: image for image in plain["images"]}
    ours = {by_identity(one): one for one in plain["transfers"]}
    theirs = {by_identity(_complete(one)): one for one in report["transfers"]}
    assert theirs.keys() == ours.keys()
    assert ours
    for identity, one in ours.items():
        other = _complete(theirs[identity])
        assert {name: other.get(name) for name in ALIKE} == {name: one[name] for name in ALIKE}
        image = images.get(one["id"], {})
        if not image.get("filled_ranges"):  # with octets of other attempts, which the plugin does not join
            assert other.get("manufacturer_image_sha256") == image.get("manufacturer_image_sha256")
    return report


def _complete(one):
    """JSON of the plugin leaves out what is nothing."""
    for party in (one["client"], one["server"]):
        party.setdefault("eui64", None)
    return one


def test_transfers_of_the_demo_are_those_of_the_analysis(demo):
    assert_same_transfers(demo)


def test_transfers_of_many_updates_are_those_of_the_analysis(many):
    assert_same_transfers(many)


@pytest.mark.parametrize("name", REAL)
def test_transfers_of_real_captures_are_those_of_the_analysis(name, data):
    assert_same_transfers(Case.of(data / "captures" / name, REAL[name]))


def test_fields_tell_progress_frame_by_frame(demo):
    fields = ("frame.number", "hanscope.transfer", "hanscope.received", "hanscope.progress", "hanscope.offset")
    found = rows(demo.path, demo.options, *fields)
    last = {row["hanscope.transfer"]: row for row in found if row["hanscope.received"]}
    wanted = {one.received_bytes for one in demo.analysis.transfers}
    assert {int(row["hanscope.received"]) for row in last.values()} == wanted
    for row in last.values():
        sizes = [
            one.image_size for one in demo.analysis.transfers if one.received_bytes == int(row["hanscope.received"])
        ]
        assert float(row["hanscope.progress"]) == pytest.approx(
            100 * int(row["hanscope.received"]) / sizes[0], abs=0.01
        )


def test_two_passes_tell_all_and_count_nothing_twice(demo):
    fields = ("frame.number", "hanscope.transfer", "hanscope.received", "hanscope.request_in", "hanscope.response_in")
    more = ("hanscope.state", "hanscope.sha256")
    once = rows(demo.path, demo.options, *fields)
    twice = rows(demo.path, demo.options, *fields, *more, passes=("-2", "-R", "frame"))
    bare = rows(demo.path, demo.options, *fields, passes=("-2",))
    assert [row["hanscope.received"] for row in once] == [row["hanscope.received"] for row in twice]
    assert [row["hanscope.received"] for row in once] == [row["hanscope.received"] for row in bare]
    answered = {row["frame.number"]: row["hanscope.response_in"] for row in twice if row["hanscope.response_in"]}
    requests = {
        row["hanscope.request_in"]: row["frame.number"] for row in reversed(twice) if row["hanscope.request_in"]
    }
    assert answered == requests
    assert answered
    hashes = {row["hanscope.sha256"] for row in twice} - {""}
    assert hashes == {one.sha256 for one in demo.analysis.transfers if one.sha256}
    states = {row["hanscope.transfer"]: row["hanscope.state"] for row in twice if row["hanscope.state"]}
    # A frame's field cannot know of the silence that comes after it.
    until_then = {"stalled": "downloading"}
    assert sorted(states.values()) == sorted(until_then.get(one.state, one.state) for one in demo.analysis.transfers)


def test_a_display_filter_does_not_hide_frames_from_the_plugin(demo):
    whole = rows(demo.path, demo.options, "frame.number", "hanscope.received")
    some = rows(demo.path, demo.options, "frame.number", "hanscope.received", keep="hanscope && frame.number > 1000")
    assert some == [row for row in whole if int(row["frame.number"]) > 1000]


def test_frames_that_a_read_filter_drops_lend_nothing_to_those_with_their_numbers(demo):
    passes = ("-2", "-R", "hanscope.progress > 50")
    twice = rows(demo.path, demo.options, "frame.number", "hanscope.progress", passes=passes, keep="frame")
    once = rows(demo.path, demo.options, "hanscope.progress", keep="hanscope.progress > 50")
    assert [row["hanscope.progress"] for row in twice] == [row["hanscope.progress"] for row in once]
    without = ("-2", "-R", "!hanscope")
    assert rows(demo.path, demo.options, "hanscope.progress", passes=without) == []


def test_expert_items_are_told_though_no_field_of_ours_is_named(demo):
    rules = rows(demo.path, demo.options, "frame.number", "hanscope.rule", keep="hanscope.rule")
    assert rules
    experts = rows(demo.path, demo.options, "frame.number", "_ws.expert.message", keep="_ws.expert")
    told = {row["frame.number"]: row["_ws.expert.message"] for row in experts}
    assert all(told.get(row["frame.number"]) for row in rules)


def test_a_field_says_the_same_alone_and_among_all(demo):
    alone = rows(demo.path, demo.options, "frame.number", "hanscope.offset.expected", keep="hanscope.offset.expected")
    details = tshark(demo.path, demo.options, "-Y", "hanscope.offset.expected", "-V")
    assert re.findall(r"Expected offset: (\d+)", details) == [row["hanscope.offset.expected"] for row in alone]
    assert alone


def test_progress_stands_in_the_info_column_when_asked_for(demo):
    words = ("-Y", "hanscope.progress", "-o", "hanscope.info:TRUE")
    lines = tshark(demo.path, demo.options, *words).splitlines()
    assert lines
    assert all(re.search(r"\[transfer \d+, \d+ %\]$", line) for line in lines)


HOSTILE = {
    0x0019: (
        "091f000364de10000003020002",
        "01fa0101de100000020200020100",
        "19fa0200de10000003020002409c0000",
        "01fb0303de100000030200020000000040000000000000000000f401",
        "19fb0500de1000000302000200000000081ef1ee0b00010038",
        "19fc059700000000e8030000f401",
        "01fd0401de1000000302000200000000408000000a00",
        "01fe0600de10000003020002",
        "19fe07de1000000302000200000000ffffffff",
        "18ff0b0395",
    ),
    0x0704: ("01010200000000" + "dd00000000000000" * 4, "09010101000000" + "df" * 40),
}
"""Commands of the OTA and the tunnelling cluster, to be mutilated."""


def plain_frame(dice, number):
    """A frame without security, whose command is mutilated."""
    cluster = dice.choice((0x0019, 0x0019, 0x0019, 0x0704))
    command = bytearray.fromhex(dice.choice(HOSTILE[cluster]))
    for _ in range(dice.randrange(4)):
        command[dice.randrange(len(command))] = dice.choice((0x00, 0xFF, dice.randrange(256)))
    command = command[: dice.randrange(len(command) + 1)] if dice.random() < 0.4 else command
    ends = dice.sample((0x0000, 0x1234, 0xFFFF), 2)
    mac = struct.pack("<HBHHH", 0x8841, number % 256, 0x1A62, *ends)
    nwk = struct.pack("<HHHBB", 0x0008, *ends, 30, number % 256)
    aps = struct.pack("<BBHHBB", 0, 1, cluster, 0x0109, 1, number % 256)
    return (mac + nwk + aps + bytes(command))[: dice.choice((127, 127, 127, dice.randrange(9, 60)))]


def test_mutilated_frames_break_nothing(tmp_path):
    dice = random.Random(8)
    frames = [plain_frame(dice, number) for number in range(3_000)]
    capture = tmp_path / "mutilated.pcap"
    heads = [struct.pack("<IIII", 1_000_000 + i, 0, len(frame), len(frame)) for i, frame in enumerate(frames)]
    capture.write_bytes(
        struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 230)
        + b"".join(head + frame for head, frame in zip(heads, frames, strict=True))
    )
    every = [word for name in ("transfer", "state", "missing", "sha256", "rule") for word in ("-e", f"hanscope.{name}")]
    for words in (("-V",), ("-T", "fields", *every), ("-2", "-R", "frame", "-T", "fields", *every)):
        told = tshark(capture, [], *words)
        assert "Lua Error" not in told
        assert told.count("hanscope") + told.count("\t") > 1_000
    assert json.loads(tshark(capture, [], "-o", "hanscope.report:TRUE", "-q"))["transfers"]


def test_rules_of_the_plugin_are_hanscopes_rules():
    text = (plugin_script().parent / "hanscope_rules.lua").read_text()
    ranks = ["note", "warning", "error"]
    declared = dict(re.findall(r'rule\("([a-z.-]+)", "(\w+)"', text))
    assert len(declared) > 20
    for rule, severity in declared.items():
        assert ranks.index(severity) <= ranks.index(RULES[rule].severity), rule
