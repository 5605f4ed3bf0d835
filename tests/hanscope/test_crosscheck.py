"""`hanscope crosscheck`: its reports and exit codes, and the documentation of what it compares."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hanscope.__main__ import main
from hanscope.analyzers import crosscheck as module
from hanscope.captures.samples import DEMO, DEMO_KEYS
from hanscope.crosscheckdocs import page

tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


@pytest.fixture
def run(capsys):
    """Runs `hanscope crosscheck …` and returns exit code, standard output and standard error."""

    def crosscheck(*arguments: object) -> tuple[int, str, str]:
        code = main(["crosscheck", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return crosscheck


@tshark
def test_agreement(run):
    code, out, err = run(DEMO, "--keys", DEMO_KEYS)
    assert (code, err) == (0, "")
    assert out.startswith("OK: no unexplained difference in ")
    assert "ack-format" in out


@tshark
def test_an_unexplained_difference(run, monkeypatch):
    monkeypatch.setattr(module, "FAULTS", ())
    code, out, _ = run(DEMO, "--keys", DEMO_KEYS)
    assert code == 1
    assert out.startswith("PROBLEM: ")
    assert "differences without a known reason in" in out.splitlines()[0]
    assert "zbee_aps.ack_format (Aps.ack_format, InterPanAps.ack_format)" in " ".join(out.split())
    assert "more difference" in out


@tshark
def test_redacted_differences_have_no_values(run, monkeypatch):
    monkeypatch.setattr(module, "FAULTS", ())
    code, out, _ = run(DEMO, "--keys", DEMO_KEYS, "--format", "jsonl", "--redact")
    assert code == 1
    differences = [one for one in map(json.loads, out.splitlines()) if "ours" in one]
    assert differences
    assert {value for one in differences for value in (*one["ours"], *one["tshark"])} == {"(left out)"}


@tshark
def test_json(run, tmp_path):
    file = tmp_path / "result.json"
    code, out, _ = run(DEMO, "--keys", DEMO_KEYS, "--format", "json", "--output", file)
    assert (code, out) == (0, "")
    result = json.loads(file.read_text("utf-8"))
    assert result["schema"] == "hanscope.crosscheck/1"
    assert result["unexplained"] == 0
    explained = {one["fault"]: one["differences"] for one in result["explanations"]}
    assert explained["ack-format"] >= len([one for one in result["differences"] if one["fault"] == "ack-format"]) > 0


@tshark
def test_json_lines(run):
    code, out, _ = run(DEMO, "--keys", DEMO_KEYS, "--format", "jsonl")
    assert code == 0
    total, *differences = map(json.loads, out.splitlines())
    assert total["differences"] == total["one_sided"] == []
    assert {one["fault"] for one in differences} == {one["fault"] for one in total["explanations"]}
    assert {"frame", "field", "columns", "ours", "tshark", "fault"} == set(differences[0])


@tshark
def test_a_damaged_capture_is_reported_and_ends_with_3(run, tmp_path):
    part = tmp_path / "part.pcapng"
    part.write_bytes(Path(DEMO).read_bytes()[:50_000])
    code, out, _ = run(part, "--keys", DEMO_KEYS)
    assert code == 3
    assert "fault: octet " in out


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("missing.pcap", 3, "there is no such file"),
        ("text.pcap", 3, "not a capture file"),
        ("-", 2, "it has to be a file"),
    ],
)
@tshark
def test_what_cannot_be_compared_is_one_line(run, tmp_path, monkeypatch, name, code, said):
    monkeypatch.chdir(tmp_path)
    Path("text.pcap").write_text("no capture", "utf-8")
    done, out, err = run(name)
    assert (done, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1


def test_without_tshark(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = run(DEMO)
    assert (code, out) == (3, "")
    assert err.startswith("hanscope: tshark: not found; install it (apt install tshark, ")
    assert err.count("\n") == 1


def test_pyshark_is_imported_only_where_it_is_needed():
    script = "import sys, hanscope.analyzers.crosscheck, hanscope.cli; print('pyshark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_documentation_says_what_is_compared():
    shown = (Path(__file__).parents[2] / "docs" / "crosscheck.md").read_text("utf-8")
    assert shown.partition(" -->\n")[2] == page()
