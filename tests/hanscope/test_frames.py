"""`hanscope frames` and `hanscope frame`, as people and scripts use them."""

import json
import subprocess
import sys

import pytest
from capture_files import pcap_header, pcap_record
from oracles import HUE, SMART_ENERGY, octets

from hanscope.__main__ import main

NETWORK = "network:000102030405060708090A0B0C0D0E0F"
LINK = "link:86D58AAA998E2FAEFAF9FEF49606543A"
KEYS = ("--key", NETWORK, "--key", LINK)


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "house.pcap"
    records = [pcap_record(1_772_359_200 + at, 250_000, octets(one)) for at, one in enumerate(SMART_ENERGY)]
    path.write_bytes(pcap_header() + b"".join(records))
    return path


def run(*arguments):
    return main([str(argument) for argument in arguments])


def hanscope(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "hanscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=60,
        **options,
    )


def test_frames_are_listed_one_a_line(capture, capsys):
    assert run("frames", capture, *KEYS) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["number", "elapsed", "source", "destination", "layer", "info"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6", "7"]
    assert lines[0].split()[1:5] == ["0.000000", "0x1234", "0x0000", "ImageBlockRequest"]
    assert lines[0].endswith(
        "manufacturer_code=0x1168, image_type=0x0001, file_version=0x01020304, file_offset=0, maximum_data_size=40"
    )
    assert lines[1].split()[1:] == ["1.000000", "Mac", "frame_type=ACKNOWLEDGEMENT,", "sequence_number=81"]
    assert "status=WAIT_FOR_DATA" in lines[4]


def test_a_filter_chooses_frames_and_columns_choose_fields(capture, capsys):
    assert run("frames", capture, *KEYS, "--filter", 'ota.status == "WAIT_FOR_DATA"', "--columns",
               "number,time,aps.counter,nwk.source_eui64,NwkSecurity.source_eui64,pan") == 0  # fmt: skip
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        "number", "time", "aps.counter", "nwk.source_eui64", "NwkSecurity.source_eui64", "pan"]  # fmt: skip
    assert line.split() == ["5", "2026-03-01T10:00:04.250000Z", "19", "00:15:8d:00:00:c0:ff:ee",
                            "00:15:8d:00:00:c0:ff:ee", "0x4a5b"]  # fmt: skip


def test_no_more_frames_than_the_limit(capture, capsys):
    assert run("frames", capture, *KEYS, "--limit", 2) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_filter_that_nothing_fulfils_gives_the_heading_alone(capture, capsys):
    assert run("frames", capture, *KEYS, "--filter", "number == 99") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_jsonl_is_one_object_a_frame(capture, capsys):
    assert run("frames", capture, *KEYS, "--format", "jsonl") == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["number"] for one in objects] == [1, 2, 3, 4, 5, 6, 7]
    assert objects[0] | {"info": "", "key": "", "length": 0} == {
        "number": 1, "time": 1_772_359_200_250_000_000, "length": 0, "fcs": "valid", "pan": 0x4A5B,
        "mac.source": 0x1234, "mac.destination": 0, "mac.sequence": 0x51,
        "nwk.source": 0x1234, "nwk.destination": 0, "nwk.sequence": 0x21, "nwk.frame_counter": 0x3001,
        "aps.counter": 0x11, "aps.cluster": 0x19, "aps.profile": 0x0109, "zcl.sequence": 0x42, "zcl.command": 3,
        "layer": "ImageBlockRequest",
        "layers": ["Mac", "Nwk", "NwkSecurity", "Aps", "ApsSecurity", "Zcl", "ImageBlockRequest"],
        "info": "", "key": "", "shut": None, "fragments": None, "transfer": "T1",
    }  # fmt: skip
    assert objects[1]["nwk.source"] is None


def test_json_is_one_document(capture, capsys):
    assert run("frames", capture, *KEYS, "--format", "json", "--columns", "number,layer") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hanscope.frames/1"
    assert document["frames"][1] == {"number": 2, "layer": "Mac"}
    assert run("frames", capture, *KEYS, "--format", "json", "--filter", "number > 99") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--filter", "nwk.sorce == 1"), "--filter: column 1: there is no field 'nwk.sorce'; near it are nwk.source"),
        (("--filter", "number = 1"), "--filter: column 8: to compare, write =="),
        (("--columns", "number,layr"), "--columns: there is no field 'layr'; near it are layer"),
        (("--columns", " , "), "--columns: names no column"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(capture, capsys, options, said):
    assert run("frames", capture, *options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err


def test_encrypted_frames_without_a_key_are_listed_and_code_4(capture, capsys):
    assert run("frames", capture, "--columns", "number,shut") == 4
    assert "1  NWK: no key is known for it" in capsys.readouterr().out


def test_a_capture_that_is_not_there_is_code_3(tmp_path, capsys):
    assert run("frames", tmp_path / "nothing.pcap") == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert run("frame", tmp_path / "nothing.pcap", 1) == 3


def test_a_damaged_capture_is_listed_as_far_as_it_goes_and_code_3(capture, capsys):
    capture.write_bytes(capture.read_bytes()[:-10])
    assert run("frames", capture, *KEYS, "--columns", "number") == 3
    captured = capsys.readouterr()
    assert captured.out.split() == ["number", "1", "2", "3", "4", "5", "6"]
    assert str(capture) in captured.err


def test_standard_input_can_be_read_twice(capture):
    with capture.open("rb") as stream:
        done = hanscope("frames", "-", *KEYS, "--columns", "number,layer", stdin=stream)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[1].split() == ["1", "ImageBlockRequest"]


def test_a_fault_of_standard_input_is_not_that_of_a_temporary_file():
    done = hanscope("frames", "-", input=b"no capture at all, whatever it may be")
    assert done.returncode == 3
    assert b"/tmp" not in done.stderr
    assert b"standard input" in done.stderr


def test_a_pipe_that_is_closed_early_ends_quietly(capture):
    process = subprocess.Popen(
        [sys.executable, "-m", "hanscope", "frames", str(capture), *KEYS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert error == b""
    assert process.returncode == 141


def test_in_a_pipe_there_is_no_colour(capture):
    for command in (("frames", capture), ("frame", capture, 1)):
        assert b"\x1b" not in hanscope(*command, *KEYS).stdout


def test_output_goes_to_a_file(capture, tmp_path, capsys):
    assert run("frames", capture, *KEYS, "--format", "jsonl", "--output", tmp_path / "out.jsonl") == 0
    assert capsys.readouterr().out == ""
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 7


def test_one_frame_in_full(capture, capsys):
    assert run("frame", capture, 1, *KEYS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Frame 1  2026-03-01T10:00:00.250000Z"
    assert "  part of transfer T1" in lines
    assert [line for line in lines if line.startswith("opened")] == ["opened NWK payload", "opened APS payload"]
    assert "  68 11                       manufacturer_code: 0x1168" in lines
    assert "  56 34 12 00 00 8d 15 00     source_eui64: 00:15:8d:00:00:12:34:56" in lines
    assert "  00 00 00 00                 file_offset: 0" in lines


def test_one_frame_as_json(capture, capsys):
    assert run("frame", capture, 1, *KEYS, "--format", "json") == 0
    one = json.loads(capsys.readouterr().out)
    assert one["schema"] == "hanscope.frame/1"
    assert one["octets"][2] == {"name": "opened APS payload", "octets": "0142030068110100040302010000000028"}
    assert one["layers"][-1]["layer"] == "ImageBlockRequest"
    assert {"name": "image_type", "start": 6, "stop": 8, "value": 1, "text": "0x1"} in one["layers"][-1]["fields"]


def test_a_frame_that_is_not_there_is_code_2(capture, capsys):
    assert run("frame", capture, 8, *KEYS) == 2
    assert "there is no IEEE 802.15.4 frame 8; the last one is 7" in capsys.readouterr().err


def test_a_frame_that_stays_shut_says_so(capture, capsys):
    assert run("frame", capture, 1) == 4
    assert "  shut  NWK: no key is known for it" in capsys.readouterr().out.splitlines()


def test_hostile_texts_do_not_steer_the_terminal(tmp_path, capsys):
    # A Report Attributes of the Basic cluster whose manufacturer's name would clear the screen.
    name = b"\x1b[2J"
    report = (
        f"618801341201000200 0800 0100 0200 1e07 00 01 0000 0401 01 55 18 07 0a 0400 42 {len(name):02x} {name.hex()}"
    )
    path = tmp_path / "hostile.pcap"
    frames = [*(octets(one)[:-2] for one in HUE[1:]), octets(report)]
    path.write_bytes(pcap_header(link=230) + b"".join(pcap_record(at, octets=one) for at, one in enumerate(frames)))
    run("frames", path)
    run("frame", path, 6)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "MANUFACTURER_NAME=" in out


# What is left out.

REVEALING = ("00:15:8d:00:00:c0:ff:ee", "00158d0000c0ffee", "eeffc000008d1500", "0x1234", "4660")
"""The address of the device, as people write it, as digits, on the air, and as a number."""


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_redacted_frames_tell_no_address_and_no_key(capture, capsys, form):
    columns = "number,source,destination,mac.source,nwk.source,NwkSecurity.source_eui64,key,layer,info"
    plain = ("frames", capture, *KEYS, "--format", form, "--columns", columns)
    assert run(*plain) == 0
    out = capsys.readouterr().out
    assert "00:15:8d:00:00:c0:ff:ee" in out
    assert ("4660" if form != "text" else "0x1234") in out
    assert run(*plain, "--redact") == 0
    out = capsys.readouterr().out
    assert [word for word in REVEALING if word in out] == []
    assert "02:00:00:00:00:00:00:01" in out
    assert "key-0001" in out
    assert "ImageBlockRequest" in out


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_redacted_frame_tells_what_it_is_and_not_whose(capture, capsys, form):
    for number in range(1, 8):
        assert run("frame", capture, number, *KEYS, "--format", form, "--redact") == 0
        out = capsys.readouterr().out
        assert [word for word in REVEALING if word in out] == []
        assert "Mac" in out
    assert run("frame", capture, 1, *KEYS, "--redact") == 0
    out = capsys.readouterr().out
    assert "source_short: 0x0001" in out
    assert "file_offset: 0" in out or "file_offset" in out
    assert run("frame", capture, 1, "--redact", "--show-keys") == 2
