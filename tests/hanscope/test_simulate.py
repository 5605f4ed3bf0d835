"""`hanscope simulate`, and what the other commands make of its captures."""

import json

import pytest

from hanscope.__main__ import main


def run(*arguments):
    return main([str(argument) for argument in arguments])


def outcome(*arguments):
    """The exit code, however the command ends."""
    try:
        return run(*arguments)
    except SystemExit as end:
        return end.code


@pytest.fixture
def capture(tmp_path):
    return tmp_path / "x.pcapng"


def test_the_list_names_every_scenario_and_every_fault(capsys):
    from hanscope.captures.simulator.faults import FAULTS  # noqa: PLC0415 - only here
    from hanscope.captures.simulator.updates import UPDATE_SCENARIOS  # noqa: PLC0415 - only here

    assert run("simulate", "--list") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert {line.split()[0].partition(":")[0] for line in lines} > {*UPDATE_SCENARIOS, *FAULTS, "demo", "benchmark"}
    assert max(map(len, lines)) <= 80


def test_a_capture_comes_with_its_truth_and_its_keys_and_is_analyzed_with_them(capture, capsys):
    assert run("simulate", "ppmid-update", "--fault", "lost-blocks:5%", "--seed", 3, "-o", capture) == 0
    shown = capsys.readouterr().out
    assert "PPMID" in shown
    assert ": confirmed" in shown
    assert f"hanscope analyze {capture} --keys {capture}.keys.toml" in shown
    truth = json.loads((capture.parent / "x.pcapng.json").read_text())
    assert truth["faults"] == ["lost-blocks:5%"]
    assert {one.name for one in capture.parent.iterdir()} == {"x.pcapng", "x.pcapng.json", "x.pcapng.keys.toml"}

    assert run("transfers", capture, "--keys", f"{capture}.keys.toml", "--format", "jsonl", "--no-progress") == 0
    (transfer,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (transfer["complete"], transfer["sha256"]) == (True, truth["updates"][0]["image"]["sha256"])


def test_credentials_verify_the_messages_and_images_are_those_that_were_offered(capture, capsys):
    words = ("--activation", "future", "--credentials", "--images")
    assert run("simulate", "gsme-update", *words, "-o", capture) == 0
    capsys.readouterr()
    beside = [f"{capture}.{ending}" for ending in ("keys.toml", "certificates", "private-keys.json")]
    options = [
        word for pair in zip(("--keys", "--certificates", "--private-keys"), beside, strict=True) for word in pair
    ]
    run("analyze", capture, *options, "--format", "json", "--no-progress")
    found = json.loads(capsys.readouterr().out)
    assert len(found["messages"]) == 8
    for message in found["messages"]:
        assert {message["signature"]["outcome"], message["mac"]["outcome"]} in ({"valid"}, {"valid", "absent"})
    (image,) = (capture.parent / "x.pcapng.images").iterdir()
    assert run("image", image, "--format", "jsonl") == 0
    checked = json.loads(capsys.readouterr().out)
    truth = json.loads((capture.parent / "x.pcapng.json").read_text())
    assert checked["manufacturer_image_sha256"] == truth["updates"][0]["image"]["manufacturer_image_sha256"]


def test_nothing_is_overwritten_unasked(capture, capsys):
    assert run("simulate", "ihd-update", "-o", capture) == 0
    before = capture.read_bytes()
    capsys.readouterr()
    assert outcome("simulate", "ihd-update", "--seed", 1, "-o", capture) == 2
    assert "--force overwrites it" in capsys.readouterr().err
    assert capture.read_bytes() == before
    assert run("simulate", "ihd-update", "--seed", 1, "--force", "-o", capture) == 0
    assert capture.read_bytes() != before
    capture.unlink()
    assert outcome("simulate", "ihd-update", "-o", capture) == 2, "the truth of another capture is there"


def test_credentials_and_images_of_another_run_are_not_left_behind(capture, capsys):
    words = ("simulate", "ihd-update", "--credentials", "--images", "-o", capture)
    assert run(*words) == 0
    capture.unlink()
    for ending in ("json", "keys.toml", "private-keys.json"):
        capture.with_name(f"x.pcapng.{ending}").unlink()
    assert outcome(*words) == 2, "the folders are there"
    assert "--force overwrites it" in capsys.readouterr().err
    certificates = capture.with_name("x.pcapng.certificates")
    before = {one.name for one in certificates.iterdir()}
    assert run(*words, "--seed", 9, "--force") == 0
    after = {one.name for one in certificates.iterdir()}
    assert len(after) == len(before)
    assert after != before
    assert len(list(capture.with_name("x.pcapng.images").iterdir())) == 1
    capture.with_name("y.pcapng.json").mkdir()
    assert outcome("simulate", "ihd-update", "--force", "-o", capture.with_name("y.pcapng")) == 2
    assert "this is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "name a SCENARIO"),
        (("esme-update",), "-o FILE"),
        (("nonsense", "-o", "OUT.pcap"), "no scenario 'nonsense'; there are: esme-update"),
        (("esme-update", "--fault", "gremlins", "-o", "OUT.pcap"), "no fault 'gremlins'"),
        (("esme-update", "--fault", "lost-blocks:7", "-o", "OUT.pcap"), "write it as 5% or 0.05"),
        (("esme-update", "--size", "3", "-o", "OUT.pcap"), "out of range"),
        (("esme-update", "--activation", "soon", "-o", "OUT.pcap"), "no activation 'soon'"),
        (("esme-update", "-o", "OUT.zip"), "must end in .pcapng or .pcap"),
        (("esme-update", "-o", "none/OUT.pcap"), "cannot be written or does not exist"),
        (("demo", "--size", "9000", "-o", "OUT.pcapng"), "--size is not for demo"),
        (("demo", "-o", "OUT.pcap"), "the demo is a .pcapng file"),
        (("benchmark", "-o", "OUT.pcapng"), "the benchmark is a .pcap file"),
        (("esme-update", "--frames", "9", "-o", "OUT.pcap"), "--frames is for benchmark, not for esme-update"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys, words, why):
    monkeypatch.chdir(tmp_path)
    assert outcome("simulate", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_part_of_a_capture(capture, monkeypatch, capsys):
    def fills_the_disk(_scenario, path, **_options):
        path.write_bytes(b"part of a capture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hanscope.captures.simulator.scenarios.simulate", fills_the_disk)
    assert outcome("simulate", "esme-update", "-o", capture) == 2
    assert capsys.readouterr().err == f"hanscope: {capture}: cannot be written: No space left on device\n"
    assert not capture.exists()


def test_the_other_scenarios_are_there_too(tmp_path, capsys):
    assert run("simulate", "benchmark", "--frames", 500, "-o", tmp_path / "b.pcap") == 0
    assert run("simulate", "demo", "-o", tmp_path / "d.pcapng") == 0
    assert "500 frames" in capsys.readouterr().out
    assert json.loads((tmp_path / "d.pcapng.json").read_text())["scenario"] == "demo"


def test_images_are_of_the_kind_that_their_devices_take(capture, capsys):
    checks = {}
    for scenario in ("ihd-update", "esme-update", "ppmid-update"):
        assert run("simulate", scenario, "--images", "--force", "-o", capture) == 0
        (image,) = (capture.parent / "x.pcapng.images").iterdir()
        capsys.readouterr()
        assert run("image", image, "--format", "jsonl") == 0
        found = json.loads(capsys.readouterr().out)
        checks[found["layout"]] = {one["name"]: one["outcome"] for one in found["checks"]}
        image.unlink()
    assert checks["zigbee-elements"]["integrity code"] == "valid"
    assert checks.keys() == {"zigbee-elements", "gbcs-signed", "gbcs-plain"}
    assert not any("invalid" in outcomes.values() for outcomes in checks.values())
