"""`hanscope keys`: the ledger and its events, captures that carry their keys, and Wireshark's table."""

import json
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

import jsonschema
import pytest
from oracles import SMART_ENERGY, SMART_ENERGY_KEYS, octets, tshark

from hanscope.__main__ import main
from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import KeyRing, load_key_file, parse_key
from hanscope.analyzers.results import Analysis
from hanscope.captures.files import open_capture
from hanscope.captures.writer import PcapWriter
from hanscope.report.json import shipped_schema

INSTALL = "install:83FED3407A939723A5C639B26916D505C3B5"
ZLL = "link:814286865dc1c8b2c8cbc52e5d65d1b8"
LEGRAND = "network:bd4bee1a2f9d58e90ba1300ad59bfad6"
NETWORK, LINK = (key.hex() for key in SMART_ENERGY_KEYS)

CAPTURES = {
    "silabs-application-link-key.pcapng": (),
    "silabs-install-code-join.pcapng": (INSTALL,),
    "silabs-network-key-update.pcapng": (),
    "hue-association.tap.pcap": (ZLL,),
    "hue-ota-ti-metadata.pcapng": (ZLL,),
    "legrand-page-requests.pcap": (LEGRAND,),
}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def words(keys: Iterable[str]) -> list[str]:
    return [word for key in keys for word in ("--key", key)]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The Smart Energy frames, one a second."""
    path = tmp_path / "house.pcap"
    with PcapWriter(path) as writer:
        for second, frame in enumerate(SMART_ENERGY, 1):
            writer.frame(second * 10**9, octets(frame))
    return path


def opened(analysis: Analysis) -> dict[tuple[str, str], tuple[int, int, int | None]]:
    return {
        (key.kind, key.fingerprint): (key.nwk_frames, key.aps_frames, key.first_frame)
        for key in analysis.keys
        if key.nwk_frames or key.aps_frames
    }


def times(path: Path) -> list[list[str]]:
    return tshark("-r", path, "-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch", "-e", "frame.len")


@pytest.mark.parametrize("name", CAPTURES)
def test_an_embedded_capture_opens_without_keys(data: Path, tmp_path: Path, name: str) -> None:
    source, out = data / "captures" / name, tmp_path / "with-keys.pcapng"
    assert run("keys", source, *words(CAPTURES[name]), "--embed", out, "--output", tmp_path / "report") == 0
    ring = KeyRing().plus(key for text in CAPTURES[name] for key in parse_key(text))
    before = analyze([str(source)], keys=ring).analysis
    after = analyze([str(out)], keys=KeyRing()).analysis
    assert opened(after) == opened(before)
    assert after.unopened == before.unopened
    assert after.transfers == before.transfers
    assert [event.frame for event in after.key_events] == [event.frame for event in before.key_events]
    mine, theirs = times(out), times(source)
    assert len(mine) == len(theirs) > 0
    assert [(number, float(time), length) for number, time, length in mine] == [
        (number, float(time), length) for number, time, length in theirs
    ]


def test_the_embedded_keys_say_where_they_belong(house: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run("keys", house, "--key", NETWORK, "--key", LINK, "--embed", out, "--output", tmp_path / "report") == 0
    with open_capture(out) as capture:
        assert sum(len(records) for records in capture) == len(SMART_ENERGY)
    assert [(one.kind, one.key.hex(), one.pan_id, one.devices) for one in capture.secrets] == [
        ("nwk", NETWORK, 0x4A5B, ()),
        ("aps", LINK, 0x4A5B, (0x0000, 0x1234)),
    ]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_well_known_key_is_not_embedded(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run("keys", data / "captures/silabs-secured-rejoin.pcapng", "--embed", out, "--output", tmp_path / "r") == 0
    with open_capture(out) as capture:
        for _ in capture:
            pass
    assert b"ZigBeeAlliance09" not in {one.key for one in capture.secrets}
    assert len(capture.secrets) == 3


@pytest.mark.parametrize("name", ["silabs-install-code-join.pcapng", "legrand-page-requests.pcap"])
def test_tshark_decrypts_with_the_written_table(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, folder = data / "captures" / name, tmp_path / "wireshark"
    folder.mkdir()
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(folder))
    question = ("-r", source, "-Y", "zbee.sec.key", "-T", "fields", "-e", "frame.number")
    assert tshark(*question) == []
    table = folder / "zigbee_pc_keys"
    assert run("keys", source, *words(CAPTURES[name]), "--wireshark", table, "--output", tmp_path / "report") == 0
    ring = KeyRing().plus(key for text in CAPTURES[name] for key in parse_key(text))
    keys = analyze([str(source)], keys=ring).analysis.keys
    assert len(tshark(*question)) >= max(key.nwk_frames for key in keys)
    assert stat.S_IMODE(table.stat().st_mode) == 0o600


def test_wiresharks_table_comes_back_with_kinds_and_scopes(data: Path, tmp_path: Path) -> None:
    source, table = data / "captures/silabs-network-key-update.pcapng", tmp_path / "zigbee_pc_keys"
    assert run("keys", source, "--wireshark", table, "--output", tmp_path / "report") == 0
    known = analyze([str(source)], keys=KeyRing()).ring
    read = load_key_file(table)
    scopes = {(key.kind, key.octets, key.pan_id, key.devices) for key in read.keys}
    assert {(key.kind, key.octets, key.pan_id, key.devices) for key in known.keys} <= scopes
    again = analyze([str(source)], keys=read).analysis
    assert opened(again) == opened(analyze([str(source)], keys=KeyRing()).analysis)


def test_tsharks_own_table_is_taken(house: Path, tmp_path: Path) -> None:
    table = tmp_path / "zigbee_pc_keys"
    table.write_text(
        "# This file is automatically generated, DO NOT MODIFY.\n"
        f'"{bytes.fromhex(NETWORK).hex(":")}","Normal","network"\n'
        f'"{bytes.fromhex(LINK)[::-1].hex(":")}","Reverse","the meter\'s"\n'
    )
    assert run("keys", house, "--keys", table, "--format", "json", "--output", tmp_path / "report") == 0
    report = json.loads((tmp_path / "report").read_text())
    assert report["unopened"] == []
    assert [(one["kind"], one["nwk_frames"], one["aps_frames"]) for one in report["keys"]] == [
        ("network", 6, 0),
        ("link", 0, 5),
    ]


# The report.


def test_the_report_tells_keys_events_reasons_and_addresses(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", data / "captures/silabs-network-key-update.pcapng", "--no-progress") == 0
    out = capsys.readouterr().out
    for said in (
        "Keys  named by",
        "567dd7b1  network   64",
        "What became of them",
        "Switch-Key: the network goes on with",
        "Addresses",
        "association response (10)",
    ):
        assert said in out
    assert "c316f44d7bed3903" not in out, "no key is shown unless asked for"


def test_what_stays_shut_has_its_reason(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", house) == 4
    assert "no key is known for it" in capsys.readouterr().out
    assert run("keys", house, "--key", f"network:{NETWORK}") == 0
    out = capsys.readouterr().out
    assert "APS" in out
    assert "no key is known for it" in out


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_the_json_follows_the_schema(data: Path, capsysbinary: pytest.CaptureFixture[bytes], form: str) -> None:
    assert run("keys", data / "captures/silabs-application-link-key.pcapng", "--format", form) == 0
    out = capsysbinary.readouterr().out
    if form == "json":
        document = json.loads(out)
        jsonschema.Draft202012Validator(json.loads(shipped_schema())).validate(document)
        assert (len(document["key_events"]), len(document["addresses"]), document["transfers"]) == (14, 3, [])
    else:
        sections = [json.loads(line)["section"] for line in out.splitlines()]
        assert (sections.count("key_events"), sections.count("addresses")) == (14, 3)


def test_a_redacted_report_tells_no_address_and_no_fingerprint(
    data: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    name = data / "captures/silabs-hashed-link-keys.pcapng"
    for form in ("text", "json"):
        assert run("keys", name, "--redact", "--format", form) == 0
        out = capsysbinary.readouterr().out.decode()
        for told in ("50:32:5f", "2114e3a6", "0x254f", str(0x254F), "6eb32dfb"):
            assert told not in out


# What is refused.


def test_nothing_is_overwritten_without_force(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "taken"
    for option in ("--embed", "--wireshark"):
        taken.write_text("mine")
        assert run("keys", house, "--key", NETWORK, option, taken) == 2
        assert f"{option} {taken}: the file is there already; name another or add --force" in capsys.readouterr().err
        assert taken.read_text() == "mine"
        assert run("keys", house, "--key", NETWORK, option, taken, "--force") == 0
        assert taken.read_bytes() != b"mine"


def test_the_capture_itself_is_never_the_target(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = house.read_bytes()
    assert run("keys", house, "--key", NETWORK, "--embed", house, "--force") == 2
    assert "this is an input" in capsys.readouterr().err
    assert house.read_bytes() == before


def test_other_impossible_targets_are_refused_before_the_work(
    house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, why in ((tmp_path, "this is a folder"), (tmp_path / "no" / "where", "its folder cannot be written")):
        assert run("keys", house, "--embed", target) == 2
        assert why in capsys.readouterr().err
    assert run("keys", "-", "--embed", tmp_path / "out") == 2
    assert "cannot be standard input" in capsys.readouterr().err


def test_without_a_key_that_opened_something_nothing_is_embedded(
    house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("keys", house, "--embed", tmp_path / "out.pcapng", "--wireshark", tmp_path / "table") == 4
    assert "no key opened anything" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [house]


def test_a_wrong_install_code_is_one_line(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", house, "--key", INSTALL[:-1]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run("keys", house, "--key", f"{INSTALL[:-1]}6") == 2
    assert "CRC of the install code" in capsys.readouterr().err


def test_tshark_counts_the_secrets(house: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run("keys", house, "--key", NETWORK, "--key", LINK, "--embed", out, "--output", tmp_path / "report") == 0
    try:
        told = subprocess.run(["capinfos", out], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("capinfos is not installed")
    assert "Number of decryption secrets in file: 2" in told
