"""`hanscope rules`, and the options of `hanscope analyze` that choose rules."""

import json
import shutil
import subprocess

import pytest

from hanscope.__main__ import main
from hanscope.analyzers.rules.catalogue import RULES
from hanscope.captures.simulator.scenarios import simulate


@pytest.fixture
def run(capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A capture of a client that does not wait, and the options that open it."""
    path = tmp_path_factory.mktemp("house") / "house.pcapng"
    truth = simulate("zigbee-update", path, seed=3, faults=("rate-limit-ignored",), size=4000)
    links = [node.link_key for node in truth.han.nodes if node.link_key]
    keys = [f"network:{truth.han.network_key.hex()}", *(f"link:{key.hex()}" for key in links)]
    return [str(path), *(part for key in keys for part in ("--key", key))]


def found(output: str) -> list[str]:
    return [finding["rule"] for finding in json.loads(output)["findings"]]


def test_rules_lists_every_rule(run) -> None:
    code, out, _ = run("rules")
    assert code == 0
    for rule in RULES:
        assert rule in out


def test_one_rule_is_explained(run) -> None:
    code, out, _ = run("rules", "ota.block.offset-mismatch")
    rule = RULES["ota.block.offset-mismatch"]
    assert code == 0
    told = " ".join(out.split())
    for said in (rule.title, rule.explanation, rule.advice, rule.fires, rule.silent, rule.clause, "zbee_zcl"):
        assert " ".join(said.split()) in told


def test_beginnings_choose_and_json_has_the_records(run) -> None:
    code, out, _ = run("rules", "ota.wait", "--format", "json")
    entries = json.loads(out)
    assert code == 0
    assert {entry["id"] for entry in entries} == {rule for rule in RULES if rule.startswith("ota.wait")}
    _, lines, _ = run("rules", "ota.wait", "--format", "jsonl")
    assert [json.loads(line) for line in lines.splitlines()] == entries


def test_unknown_rule_is_a_usage_error_in_one_line(run) -> None:
    code, out, err = run("rules", "ota.nothing")
    assert (code, out) == (2, "")
    assert err == "hanscope: no rule begins with 'ota.nothing'; `hanscope rules` lists them\n"


def test_select_and_ignore_choose_findings_and_with_them_the_exit_code(run, house) -> None:
    code, out, _ = run("analyze", *house, "--format", "json")
    assert code == 1
    assert "ota.wait.ignored" in found(out)
    code, out, _ = run("analyze", *house, "--format", "json", "--ignore", "ota.wait")
    assert code == 0
    assert not any(rule.startswith("ota.wait") for rule in found(out))
    code, out, _ = run("analyze", *house, "--format", "json", "--select", "ota.wait.ignored")
    assert (code, set(found(out))) == (1, {"ota.wait.ignored"})


def test_thresholds_come_from_a_file(run, house, tmp_path) -> None:
    patient = tmp_path / "patient.toml"
    patient.write_text("early_seconds = 100000\n")
    code, out, _ = run("analyze", *house, "--format", "json", "--thresholds", str(patient))
    assert (code, "ota.wait.ignored" in found(out)) == (0, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--select", "ota.nothing"], "--select ota.nothing: no rule begins so; see `hanscope rules`"),
        (["--ignore", "x"], "--ignore x: no rule begins so; see `hanscope rules`"),
        (["--thresholds", "{file}"], "--thresholds {file}: Object contains unknown field `no_such_limit`"),
    ],
)
def test_a_wrong_choice_is_told_before_the_work(run, house, tmp_path, options: list[str], said: str) -> None:
    file = tmp_path / "limits.toml"
    file.write_text("no_such_limit = 1\n")
    code, out, err = run("analyze", *house, *(option.format(file=file) for option in options))
    assert (code, out, err) == (2, "", f"hanscope: {said.format(file=file)}\n")


def test_the_report_shows_findings_and_capture_quality(run, house) -> None:
    _, out, _ = run("analyze", *house)
    assert "ota.wait.ignored" in out
    assert "Next: The server may refuse it for that" in " ".join(out.split())
    assert "Capture quality" in out


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_takes_the_filters_of_all_rules(house) -> None:
    whole = " || ".join(dict.fromkeys(f"({rule.filter})" for rule in RULES.values()))
    done = subprocess.run(
        ["tshark", "-r", house[0], "-Y", whole, "-c", "1"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "syntax" in done.stderr) == (0, False), done.stderr


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_the_filter_of_a_finding_shows_its_frames(run, house) -> None:
    _, out, _ = run("analyze", *house, "--format", "json", "--select", "ota.wait.ignored")
    finding = json.loads(out)["findings"][0]
    done = subprocess.run(
        ["tshark", "-r", house[0], "-Y", finding["filter"], "-T", "fields", "-e", "frame.number"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(line) for line in done.stdout.split()] == sorted(finding["frames"])
