import io
import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from hanscope.__main__ import main
from hanscope.analyzers import results
from hanscope.analyzers.analysis import AnalysisRun
from hanscope.captures.files import CaptureError
from hanscope.captures.simulator.parties import write_credentials
from hanscope.captures.simulator.scenarios import benchmark, simulate
from hanscope.export import ExportError
from hanscope.report.json import shipped_schema

KEY = "00112233445566778899aabbccddeeff"
EMPTY_PCAP = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 c3000000")
"""A pcap header (little-endian, microseconds, link type 195) without a record."""


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "house.pcap"
    path.write_bytes(EMPTY_PCAP)
    return path


@pytest.fixture
def analyzed(monkeypatch, made):
    """Stands in for the analyzers: set `analysis` (or an exception), read `calls`."""

    class Analyzed:
        analysis = made.analysis()
        records = ()
        calls: list[dict] = []  # noqa: RUF012 - one object a test

    state = Analyzed()
    state.calls = []

    def analyze(paths, **options):
        state.calls.append({"paths": list(paths), **options})
        if isinstance(state.analysis, BaseException):
            raise state.analysis
        return AnalysisRun(analysis=state.analysis, records=state.records)

    module = ModuleType("hanscope.analyzers.analysis")
    module.analyze = analyze
    monkeypatch.setitem(sys.modules, "hanscope.analyzers.analysis", module)
    return state


@pytest.fixture
def validator():
    return jsonschema.Draft202012Validator(json.loads(shipped_schema()))


def hanscope(*arguments, **options):
    """The real thing, as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hanscope", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def run(*arguments):
    return main([str(argument) for argument in arguments])


def of_type(validator, name):
    """The schema of one kind of result."""
    definitions = validator.schema["$defs"]
    return validator.evolve(schema=definitions[name] | {"$defs": definitions})


# The report and its forms


def test_analyze_prints_the_verdict_first(analyzed, capture, capsys):
    assert run("analyze", capture) == 0
    assert capsys.readouterr().out.startswith("OK: The firmware transfer is complete.\n")
    assert analyzed.calls[0]["paths"] == [str(capture)]


def test_transfers_prints_transfers_and_no_devices(analyzed, capture, capsys):
    assert run("transfers", capture) == 0
    out = capsys.readouterr().out
    assert "\nTransfers  1\n" in out
    assert "Devices" not in out


@pytest.mark.parametrize("command", ["analyze", "transfers"])
def test_json_is_the_analysis(analyzed, capture, capsys, *, validator, rich_analysis, command):
    analyzed.analysis = rich_analysis
    run(command, capture, "--format", "json")
    document = json.loads(capsys.readouterr().out)
    validator.validate(document)
    assert [transfer["id"] for transfer in document["transfers"]] == ["T1", "T2"]


def test_jsonl_of_transfers_is_one_transfer_a_line(analyzed, capture, capsys, validator, rich_analysis):
    analyzed.analysis = rich_analysis
    run("transfers", capture, "--format", "jsonl")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == ["T1", "T2"]
    for line in lines:
        validator.evolve(schema=validator.schema["$defs"]["Transfer"] | {"$defs": validator.schema["$defs"]}).validate(
            line
        )


def test_jsonl_of_analyze_names_the_sections(analyzed, capture, capsys):
    run("analyze", capture, "--format", "jsonl")
    sections = [json.loads(line)["section"] for line in capsys.readouterr().out.splitlines()]
    assert sections == ["analysis", "captures", "layers", "devices", "devices", "keys", "transfers", "images"]


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_output_goes_to_a_file_plain_and_whole(analyzed, capture, capsys, tmp_path, form):
    run("analyze", capture, "--format", form)
    printed = capsys.readouterr().out
    assert run("analyze", capture, "--format", form, "--output", tmp_path / "report") == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "report").read_text("utf-8") == printed


@pytest.mark.parametrize("form", ["html", "junit", "sarif", "markdown"])
def test_a_planned_format_is_refused_by_name(analyzed, capture, capsys, form):
    assert run("analyze", capture, "--format", form) == 2
    assert f"{form} reports are not there yet; there are text, json, jsonl" in capsys.readouterr().err
    assert analyzed.calls == []


def test_an_unknown_format_is_wrong_usage(analyzed, capture, capsys):
    assert run("analyze", capture, "--format", "xml") == 2
    assert "there is no format 'xml'" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_redacted_reports_tell_no_address(analyzed, capture, capsys, *, rich_analysis, made, form):
    analyzed.analysis = rich_analysis
    run("analyze", capture, "--format", form, "--redact")
    out = capsys.readouterr().out
    for told in (made.METER, made.HUB, "0x3c4d", str(0x3C4D), "0badcafe"):
        assert told not in out
    assert "02:00:00:00:00:00:00:01" in out


# Options


def test_keys_come_from_the_file_and_the_command_line(analyzed, capture, tmp_path):
    (tmp_path / "keys.toml").write_text(f'[[network]]\nkey = "{KEY}"\npan_id = 0x1a2b\n')
    run("analyze", capture, "--keys", tmp_path / "keys.toml", "--key", f"link:{KEY}", "--key", "ff" * 16)
    ring = analyzed.calls[0]["keys"].keys
    assert [(key.kind, key.octets.hex(), key.pan_id) for key in ring] == [
        ("network", KEY, 0x1A2B),
        ("link", KEY, None),
        ("network", "ff" * 16, None),
        ("link", "ff" * 16, None),
    ]


def test_options_reach_the_analysis(analyzed, capture):
    run("analyze", capture, "--processes", "3", "--show-keys")
    assert analyzed.calls[0]["processes"] == 3
    assert analyzed.calls[0]["show_keys"] is True
    assert analyzed.calls[0]["progress"] is None  # standard error is no terminal here


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--key", "abc"], "32 hexadecimal digits"),
        (["--keys", "/no/such/keys.toml"], "/no/such/keys.toml: No such file"),
        (["--redact", "--show-keys"], "contradict"),
        (["--output", "/no/such/folder/report"], "its folder cannot be written or does not exist"),
        (["--output", "/"], "this is a folder"),
        (["--processes", "0"], "--processes"),
        (["--fail-on", "fatal"], "--fail-on"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_usage_is_found_before_the_work(analyzed, capture, capsys, arguments, says):
    assert run("analyze", capture, *arguments) == 2
    assert says in capsys.readouterr().err
    assert analyzed.calls == []


def test_a_report_never_overwrites_an_input(analyzed, capture, capsys):
    assert run("analyze", capture, "--output", capture) == 2
    assert "this is an input" in capsys.readouterr().err
    assert capture.read_bytes() == EMPTY_PCAP


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("hanscope ")


# Exit codes


def finding(severity):
    return results.Finding(
        rule="R", severity=severity, clause="c", explanation="e", frames=(), transfer_id=None
    )  # fmt: skip


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [("error", None, 1), ("warning", None, 0), ("warning", "warning", 1), ("note", "note", 1), ("note", "warning", 0)],
)
def test_findings_at_or_above_the_gate_are_1(analyzed, capture, made, *, severity, fail_on, code):
    analyzed.analysis = made.analysis(findings=(finding(severity),))
    assert run("analyze", capture, *(["--fail-on", fail_on] if fail_on else [])) == code


def test_the_input_comes_before_the_keys_and_the_keys_before_findings(analyzed, capture, made):
    shut = results.Unopened(layer="NWK", pan_id=1, reason="no key for this PAN", frames=1, first_frame=1)
    fault = results.Fault(where="frame 12", what="cut short")
    broken = made.capture(faults=(fault,))
    all_three = {"findings": (finding("error"),), "unopened": (shut,), "keys": ()}
    for sections, code in (
        ({**all_three, "captures": (broken,)}, 3),
        (all_three, 4),
        ({**all_three, "keys": (made.key(),)}, 1),
        ({**all_three, "captures": (broken,), "interrupted": True}, 130),
    ):
        analyzed.analysis = made.analysis(**sections)
        assert run("analyze", capture) == code


def test_an_interrupted_analysis_is_still_reported(analyzed, capture, capsys, made):
    analyzed.analysis = made.analysis(interrupted=True)
    assert run("analyze", capture) == 130
    out = capsys.readouterr().out
    assert "Reading was interrupted" in out
    assert "\nTransfers  1\n" in out


def test_ctrl_c_before_there_is_anything_is_one_line(analyzed, capture, capsys):
    analyzed.analysis = KeyboardInterrupt()
    assert run("analyze", capture) == 130
    assert capsys.readouterr() == ("", "hanscope: interrupted before there was anything to report\n")


def test_a_defect_is_one_line_that_says_what_was_being_done(analyzed, capture, capsys):
    analyzed.analysis = ZeroDivisionError("division by\nzero")
    assert run("analyze", capture) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"while reading {capture}" in err
    assert r"ZeroDivisionError: division by\nzero" in err
    assert "Please report" in err


def test_a_defect_shows_its_traceback_when_asked(analyzed, capture, capsys, monkeypatch):
    monkeypatch.setenv("HANSCOPE_DEBUG", "1")
    analyzed.analysis = ZeroDivisionError("division by zero")
    assert run("analyze", capture) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


# Input that cannot be read


def test_an_unreadable_input_is_one_line_and_3(analyzed, capsys, tmp_path):
    for name, content in (("text.txt", b"hello, this is no capture"), ("empty.pcap", b"")):
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path / "text.txt", tmp_path / "empty.pcap", tmp_path / "absent.pcap", tmp_path):
        assert run("analyze", path) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"hanscope: {path}: ")
        assert err.count("\n") == 1
    assert analyzed.calls == []


def test_what_can_be_read_is_reported_beside_what_cannot(analyzed, capture, capsys, tmp_path):
    assert run("analyze", tmp_path / "absent.pcap", capture) == 3
    out, err = capsys.readouterr()
    assert analyzed.calls[0]["paths"] == [str(capture)]
    assert "Transfers  1" in out
    assert "Fault in" in out
    assert err.count("\n") == 1


def test_a_capture_of_another_link_type_is_3(analyzed, capture, made):
    analyzed.analysis = made.analysis(captures=(made.capture(frames=0, other_frames=7),), transfers=(), images=())
    assert run("analyze", capture) == 3


def test_a_capture_without_a_frame_is_no_fault(analyzed, capture, made):
    analyzed.analysis = made.analysis(captures=(made.capture(frames=0),), transfers=(), images=())
    assert run("analyze", capture) == 0


def test_json_stays_json_when_nothing_can_be_read(analyzed, capsys, tmp_path, validator):
    path = tmp_path / "absent.pcap"
    assert run("analyze", path, "--format", "json") == 3
    document = json.loads(capsys.readouterr().out)
    validator.validate(document)
    assert [entry["path"] for entry in document["captures"]] == [str(path)]
    assert document["captures"][0]["faults"][0]["where"] == str(path)


def test_a_pipe_without_a_capture_is_one_line_and_3(analyzed, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    analyzed.analysis = CaptureError("standard input: the file is empty")
    assert run("analyze", "-") == 3
    assert capsys.readouterr() == ("", "hanscope: standard input: the file is empty\n")


def test_standard_input_is_read_once(analyzed, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run("analyze", "-", "-") == 2
    assert "standard input can be given once" in capsys.readouterr().err


def test_a_named_pipe_is_not_touched_before_the_analysis(analyzed, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert run("analyze", tmp_path / "fifo") == 0  # looking into it would wait for ever
    assert analyzed.calls[0]["paths"] == [str(tmp_path / "fifo")]


# Export


def test_export_says_what_was_not_written_and_why(analyzed, capture, capsys, made, tmp_path):
    gap = results.MissingRange(start=0, end=2048, reason="never requested")
    transfer = made.transfer(complete=False, state="stalled", received_bytes=0, missing_ranges=(gap,), sha256=None)
    analyzed.analysis = made.analysis(transfers=(transfer,))
    assert run("transfers", capture, "--export", tmp_path / "images") == 0
    out = capsys.readouterr().out
    assert f"Export to {tmp_path / 'images'}" in out.replace("\n", "")
    assert "T1 not written: no octet of the image is in the capture" in out


def test_a_refused_export_still_gives_the_report(analyzed, capture, capsys, tmp_path, monkeypatch):
    def refuses(*args, **options):
        raise ExportError("a.ota exists already; nothing was written. --force overwrites")

    monkeypatch.setattr("hanscope.export.export", refuses)
    assert run("transfers", capture, "--export", tmp_path) == 2
    out, err = capsys.readouterr()
    assert "Transfers  1" in out
    assert err == f"hanscope: --export {tmp_path}: a.ota exists already; nothing was written. --force overwrites\n"


def test_what_is_wrong_with_the_folder_of_an_export_is_told_before_anything_is_read(capture, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert run("transfers", capture, "--export", tmp_path / "file") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"hanscope: --export {tmp_path / 'file'}: cannot be made: File exists\n")


def test_export_does_not_disturb_json(analyzed, capture, capsys, tmp_path):
    assert run("transfers", capture, "--format", "json", "--export", tmp_path / "images") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["transfers"]
    assert "T1 not written" in err


def test_partial_without_export_is_wrong_usage(analyzed, capture, capsys):
    for option in ("--partial", "--filled", "--force"):
        assert run("transfers", capture, option) == 2
        assert "belong to --export DIR" in capsys.readouterr().err


def test_a_real_partial_image_is_the_vendors_file_wherever_the_map_says_so(data, capsys, tmp_path):
    capture = data / "captures" / "hue-ota-ti-metadata.pcapng"
    key = "814286865dc1c8b2c8cbc52e5d65d1b8"
    run("transfers", capture, "--key", key, "--export", tmp_path / "images", "--partial")
    assert "(18.66%)" in capsys.readouterr().out
    octets = next((tmp_path / "images").glob("*_100b-010c-01001a02_*.partial.bin")).read_bytes()
    beside = json.loads(next((tmp_path / "images").glob("*.partial.map.json")).read_bytes())
    vendors = (data / "captures" / "hue-ota-ti-metadata.reference.zigbee").read_bytes()
    assert len(octets) == len(vendors)
    assert all(octets[start:end] == vendors[start:end] for start, end, _ in beside["runs"])
    assert sum(end - start for start, end, _ in beside["runs"]) == beside["received_bytes"]
    assert not any(any(octets[start:end]) for start, end, _ in beside["missing_ranges"])


def test_an_exported_partial_image_is_not_taken_for_a_whole_one(data, capsys, tmp_path):
    key, capture = "bd4bee1a2f9d58e90ba1300ad59bfad6", data / "captures" / "legrand-page-requests.pcap"
    run("transfers", capture, "--key", key, "--export", tmp_path, "--partial")
    capsys.readouterr()
    path = next(tmp_path.glob("*.partial.bin"))
    assert run("image", path, "--reference", path, "--format", "json") == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert (image["partial"], image["sha256"], image["error"]) == (True, None, None)
    assert [check["outcome"] for check in image["checks"]] == ["unknown"] * len(image["checks"])
    assert image["witnesses"][0]["detail"].startswith("all 190,552 octets are equal; 32,575 were not compared")
    path.with_suffix(".map.json").unlink()
    assert run("image", path) == 1
    assert "it is looked at as it stands" in capsys.readouterr().err


# What images are held against


def test_references_and_hashes_reach_the_analysis(analyzed, capture, capsys, tmp_path):
    (tmp_path / "a.ota").write_bytes(b"image")
    (tmp_path / "list.csv").write_text(f"manufacturer,hash\n1168,{'a1' * 32}\n1169,nothing\n")
    words = "--reference", tmp_path / "a.ota", "--hash", "b2" * 32, "--hash-list", tmp_path / "list.csv"
    for command in ("analyze", "transfers"):
        assert run(command, capture, *words) == 0
        given = analyzed.calls[-1]["given"]
        assert [one.octets for one in given.references] == [b"image"]
        assert [(one.sha256, one.asked_for) for one in given.hashes] == [("b2" * 32, True), ("a1" * 32, False)]
        assert f"hanscope: {tmp_path / 'list.csv'} line 3: 'nothing' is no SHA-256\n" in capsys.readouterr().err
    assert run("analyze", capture) == 0
    assert analyzed.calls[-1]["given"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--reference", "absent.ota"), "absent.ota: cannot be read: No such file or directory"),
        (("--hash", "12"), "'12' is no SHA-256: 64 hexadecimal digits are needed"),
        (("--hash-list", "absent.csv"), "absent.csv: cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("command", ["analyze", "transfers", "image"])
def test_what_cannot_be_held_against_is_wrong_usage(analyzed, capture, capsys, command, words, says):
    assert run(command, capture, *words) == 2
    assert says in capsys.readouterr().err
    assert analyzed.calls == []


@pytest.mark.parametrize(("source", "code"), [("reference file", 1), ("hash list", 1), ("other transfer", 0)])
def test_an_image_that_is_not_what_was_expected_is_1(analyzed, capture, capsys, made, source, code):
    witness = results.Witness(source=source, outcome="invalid", said="vendor.ota", detail="2 of 9 octets differ")
    analyzed.analysis = made.analysis(images=(made.image(witnesses=(witness,)),))
    assert run("analyze", capture) == code
    assert "Independent witnesses disagree with 1 image." in capsys.readouterr().out.replace("\n  ", " ")
    run("transfers", capture)
    assert ("vendor.ota: 2 of 9 octets differ" in capsys.readouterr().out) == (source != "other transfer")


def test_a_file_is_held_against_a_reference(capsys, tmp_path, made):
    (tmp_path / "a.ota").write_bytes(made.IMAGE)
    (tmp_path / "b.ota").write_bytes(made.IMAGE[:1000] + b"!" + made.IMAGE[1001:])
    run("image", tmp_path / "a.ota", "--reference", tmp_path / "b.ota", "--format", "jsonl")
    (witness,) = json.loads(capsys.readouterr().out)["witnesses"]
    assert (witness["outcome"], witness["differences"]) == ("invalid", [[1000, 1001, None, None]])


def test_a_real_capture_is_held_against_the_vendors_file(data, capsys):
    capture = data / "captures" / "hue-ota-ti-metadata.pcapng"
    key = "814286865dc1c8b2c8cbc52e5d65d1b8"
    vendors = data / "captures" / "hue-ota-ti-metadata.reference.zigbee"
    without = run("transfers", capture, "--key", key)
    assert run("transfers", capture, "--key", key, "--reference", vendors) == without
    assert "all 49,918 octets that were heard are equal; 217,534 were not compared" in " ".join(
        capsys.readouterr().out.split()
    )
    other = next((data / "ota-images").glob("ClimaxTechnology*"))
    assert run("analyze", capture, "--key", key, "--reference", other) == 1
    assert "it is another image" in capsys.readouterr().out


# Images


def test_a_real_image_is_checked(data, capsys):
    path = next((data / "ota-images").glob("ClimaxTechnology*"))
    assert run("image", path, "--format", "json") == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["file"] == str(path)
    assert image["sha256"] == sha256(path.read_bytes()).hexdigest()


def test_an_authorising_signature_is_verified_with_certificates(capsys, tmp_path):
    truth = simulate("esme-update", tmp_path / "house.pcapng", seed=1, size=4000)
    write_credentials(list(truth.parties), tmp_path / "certificates", tmp_path / "keys.json")
    (tmp_path / "meter.ota").write_bytes(truth.devices[0].firmware.octets)
    words = "image", tmp_path / "meter.ota", "--certificates", tmp_path / "certificates", "--format", "jsonl"
    assert run(*words) == 0
    checks = {check["name"]: check["outcome"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["authorising signature"] == "valid"


def test_the_signature_of_an_ota_file_is_verified_with_a_ca_key(capsys, tmp_path):
    # Made with an independent implementation; the same as in tests/analyzers/test_images.py.
    signed = bytes.fromhex(
        "1ef1ee0b000138000000681101000403020102005349474e45442054455354000000000000000000000000000000000000000000cc0000"
        "00000020000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f020030000000"
        "03045fdfc8d85ffb8b3993cb72ddcaa55f00b3e87d6d000000000000000154455354534543410109000600000000000001003200000001"
        "000000000000000211e1a8583183e04fe401178fcf4efddd137db9e200aa63834d3b089b06dd4636cb898422f660f752bf"
    )
    (tmp_path / "signed.ota").write_bytes(signed)
    assert run("image", tmp_path / "signed.ota", "--ca-key", "0200fde8a7f3d1084224962a4e7c54e69ac3f04da6b8") == 0
    assert "verified with a given CA key" in " ".join(capsys.readouterr().out.split())
    for wrong in ("00", "zz"):
        assert run("image", tmp_path / "signed.ota", "--ca-key", wrong) == 2
        assert "22 or 37 octets" in capsys.readouterr().err


def test_every_image_has_its_line_in_order_even_when_it_cannot_be_read(capsys, tmp_path, validator):
    (tmp_path / "a.ota").write_bytes(b"no OTA file")
    files = [tmp_path / "absent.ota", tmp_path / "a.ota", tmp_path]
    assert run("image", *files, "--format", "jsonl") == 3
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == [str(file) for file in files]
    assert lines[0]["error"] == "cannot be read: No such file or directory"
    assert lines[2]["error"].startswith("cannot be read: it is a folder")
    assert f"hanscope: {files[0]}: cannot be read: No such file or directory\n" in err
    for line in lines:
        validator.evolve(schema=validator.schema["$defs"]["Image"] | {"$defs": validator.schema["$defs"]}).validate(
            line
        )


def test_an_image_beyond_the_limit_is_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("hanscope.commands.image.LARGEST_IMAGE", 2**20)
    (tmp_path / "large.ota").write_bytes(bytes(2**20 + 1))
    assert run("image", tmp_path / "large.ota") == 3
    assert "larger than 1 MiB" in capsys.readouterr().err


# The process: what only shows from outside


def test_help_is_quick_and_imports_nothing_heavy():
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import scapy.all"], check=False, capture_output=True)
    scapy_s = time.perf_counter() - began
    times = []
    for _ in range(3):
        began = time.perf_counter()
        done = hanscope("--help")
        times.append(time.perf_counter() - began)
        assert done.returncode == 0
    assert min(times) < scapy_s / 4
    code = "import sys; from hanscope.__main__ import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr.split()
    assert not {"scapy", "numpy", "polars", "cryptography", "msgspec", "rich", "construct"} & set(loaded)


def test_a_capture_whose_layouts_are_known_is_analyzed_without_scapy(tmp_path):
    han = benchmark(tmp_path / "updates.pcap", frames=2_000).han
    keys = [han.network_key, *(node.link_key for node in han.nodes if node.link_key)]
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from hanscope.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["analyze", tmp_path / "updates.pcap", "--format", "json", *(f"--key={key.hex()}" for key in keys)]
    environment = {**os.environ, "HANSCOPE_CACHE": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code, *words], check=False, capture_output=True, text=True, env=environment
        )
        for _ in range(2)
    )
    assert json.loads(second.stdout)["transfers"]
    assert first.stdout == second.stdout
    assert "scapy" in first.stderr.split()
    assert not {"scapy", "rich", "polars"} & set(second.stderr.split())


@pytest.mark.parametrize("command", [[], ["analyze"], ["transfers"], ["image"]])
def test_help_teaches_by_example(capsys, command):
    assert run(*command, "--help") == 0
    out = capsys.readouterr().out
    assert f"  hanscope {command[0] if command else 'demo'} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_closed_pipe_ends_silently(capture):
    for form in ("text", "json"):
        process = subprocess.Popen(
            [sys.executable, "-m", "hanscope", "analyze", capture, "--format", form],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.close()
        with process.stderr:
            assert process.stderr.read() == b""
        assert process.wait() == 141


def test_ctrl_c_while_waiting_for_a_pipe_ends_with_130():
    process = subprocess.Popen(
        [sys.executable, "-m", "hanscope", "analyze", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)  # it is waiting for standard input by now
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path):
    done = hanscope("analyze", os.fsdecode(bytes(tmp_path) + b"/bad\xff\x1b.pcap"), env=os.environ | {"LC_ALL": "C"})
    assert done.returncode == 3
    assert r"bad\udcff\x1b.pcap" in done.stderr


def test_the_demo_needs_nothing():
    from hanscope import captures  # noqa: PLC0415 - where the sample lies
    from hanscope.commands import demo  # noqa: PLC0415 - where the sample lies

    if not (Path(captures.__path__[0]) / demo.DEMO_CAPTURE).is_file():
        pytest.skip("the sample is not there yet")
    done = hanscope("demo")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "Try next" in done.stdout


def test_doctor_is_content_to_tell(capsys):
    assert run("doctor") == 0
    assert "Python 3." in capsys.readouterr().out
