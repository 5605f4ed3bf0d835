"""`hanscope gbcs`: every way to give messages, both reports, and the exit codes."""

import base64
import io
import json
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from hanscope.__main__ import main
from hanscope.report.json import shipped_schema

READ_VERSION = (
    "dd000000000000471100000000df090100000000000003e80890b3d51f300100000800db1234567890a0"
    "0002005913d9200003e800010100010000000201ff02010000a25a51a93bafa5c9e2b224bd"
)
READ_PPMID = (
    "dd000000000000461100000000df090100000000000005140890b3d51f300000020800db1234567890a4"
    "0012012990b3d51f3001000000000000000003e802050000bdc5e70406017d96ee0f9759"
)
BLOCK = "dd090100000000000003e80890b3d51f300100000800db1234567890a000020059000c0000000000e0010001000000"


@pytest.fixture
def run(capsys):
    """Runs `hanscope gbcs …` and returns exit code, standard output and standard error."""

    def gbcs(*arguments: object) -> tuple[int, str, str]:
        code = main(["gbcs", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return gbcs


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_hexadecimal_digits_on_the_command_line(run):
    code, out, _ = run(READ_VERSION, "--format", "jsonl")
    (message,) = lines(out)
    assert code == 0
    assert message["message_code"] == 0x0059
    assert message["use_case"] == "ECS52 Read ESME/Comms Hub Firmware Version"
    assert (message["cra_flag"], message["originator_counter"]) == (1, 1000)
    assert message["originator"] == "90:b3:d5:1f:30:01:00:00"
    assert message["target"] == "00:db:12:34:56:78:90:a0"
    assert message["signature"]["outcome"] == "absent"
    assert message["mac"]["outcome"] == "unknown"
    assert message["payload"]["name"] == "DLMS access-request"
    assert message["frames"] == []
    assert message["octets"] == READ_VERSION
    assert message["error"] is None


@pytest.mark.parametrize(
    "contents",
    [
        READ_VERSION.encode(),
        READ_VERSION.upper().encode() + b"\r\n",
        f"{READ_VERSION[:60]}\n  {READ_VERSION[60:90]}\n\n{READ_VERSION[90:]}".encode(),
        " ".join(READ_VERSION[at : at + 2] for at in range(0, len(READ_VERSION), 2)).encode(),
        f"GBCS:DATA#0:{len(READ_VERSION) // 2}:{READ_VERSION}".encode(),
        bytes.fromhex(READ_VERSION),
    ],
)
def test_every_way_to_write_one_message(run, tmp_path, contents):
    file = tmp_path / "message"
    file.write_bytes(contents)
    code, out, _ = run(file, "--format", "jsonl")
    assert code == 0
    assert [message["octets"] for message in lines(out)] == [READ_VERSION]


def test_many_messages_in_the_order_given(run, tmp_path):
    (tmp_path / "text").write_text(f"{READ_VERSION}\n{READ_PPMID}\n", "ascii")
    (tmp_path / "binary").write_bytes(bytes.fromhex(READ_PPMID + READ_VERSION))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.hex").write_text(READ_PPMID, "ascii")
    (folder / "a.hex").write_text(READ_VERSION, "ascii")
    code, out, _ = run(tmp_path / "text", READ_PPMID, folder, tmp_path / "binary", "--format", "jsonl")
    assert code == 0
    read, ppmid = 0x0059, 0x0129
    assert [one["message_code"] for one in lines(out)] == [read, ppmid, ppmid, read, ppmid, ppmid, read]
    assert [Path(one["file"]).name for one in lines(out)] == [
        "text:1",
        "text:2",
        "argument 2",
        "a.hex",
        "b.hex",
        "binary",
        "binary",
    ]


def test_standard_input(run, monkeypatch, tmp_path):
    file = tmp_path / "piped"
    file.write_text(READ_PPMID, "ascii")
    with file.open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        monkeypatch.setattr("hanscope.analyzers.message_inputs.STANDARD_INPUT", stream.fileno())
        code, out, _ = run("-", "--format", "jsonl")
    assert code == 0
    assert [(one["file"], one["message_code"]) for one in lines(out)] == [("-", 0x0129)]


def test_what_is_no_message_has_a_line_with_the_error(run, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "prose").write_text("not a message\n", "ascii")
    (tmp_path / "noise").write_bytes(bytes(range(128, 200)))
    (tmp_path / "folder").mkdir()
    inputs = [READ_VERSION[:60], BLOCK, "zz", *(tmp_path / name for name in ("empty", "prose", "noise", "folder"))]
    code, out, _ = run(*inputs, READ_VERSION, "--format", "jsonl")
    assert code == 3
    found = lines(out)
    assert len(found) == len(inputs) + 1
    for message, why in zip(
        found,
        (
            "the message ends inside",
            "one block of a larger message",
            "not hexadecimal digits",
            "nothing in it",
            "neither binary nor hexadecimal",
            "begins with",
            "no files",
        ),
        strict=False,
    ):
        assert why in message["error"]
        assert message["payload"] is None
    assert found[-1]["error"] is None


def test_report_for_people_shows_the_tree(run):
    code, out, _ = run(READ_VERSION)
    assert code == 0
    assert "ECS52 Read ESME/Comms Hub Firmware Version: command" in out
    assert "request 1: GET firmware version: value" in out
    assert "MAC: unknown" in out


def test_report_for_people_says_what_is_no_message(run):
    code, out, _ = run("df09")
    assert code == 3
    assert "the message ends inside" in out


def test_json_follows_the_schema(run):
    code, out, _ = run(READ_VERSION, "df09", "--format", "json")
    assert code == 3
    document = json.loads(out)
    jsonschema.validate(document, json.loads(shipped_schema()))
    assert len(document["messages"]) == 2


def test_redacted_report_has_no_address(run):
    code, out, _ = run(READ_VERSION, "--redact", "--format", "jsonl")
    assert code == 0
    plain = out.replace(":", "")
    assert "90b3d51f30010000" not in plain
    assert "00db1234567890a0" not in plain


def test_reference_messages_verify(run, data):
    folder = data / "gbcs-messages"
    keys = ("--certificates", folder / "certificates", "--private-keys", folder / "test-party-keys.json")
    code, out, _ = run(folder / "messages", *keys, "--format", "jsonl")
    assert code == 0
    found = lines(out)
    assert len(found) == len(list((folder / "messages").glob("*/*")))
    assert not [one["file"] for one in found if one["error"] or one["problems"]]
    for what in ("signature", "mac"):
        assert set(Counter(one[what]["outcome"] for one in found)) == {"valid", "absent"}
    assert {part["outcome"] for one in found for part in one["encrypted_parts"]} == {"valid"}


def test_message_with_another_mac_is_invalid(run, data):
    folder = data / "gbcs-messages"
    keys = ("--certificates", folder / "certificates", "--private-keys", folder / "test-party-keys.json")
    code, out, _ = run(READ_VERSION[:-1] + "c", *keys, "--format", "jsonl")
    assert code == 1
    assert lines(out)[0]["mac"]["outcome"] == "invalid"


def test_activation_is_told_with_readable_dates_and_versions(run, data):
    code, out, _ = run(data / "gbcs-messages" / "messages" / "11.3_CS06")
    assert code == 0
    assert "executionDateTime: 2030-01-15 09:00:00" in out
    assert "0x0123abcf" in out


def in_base64(message: str, width: int = 1000) -> str:
    encoded = base64.b64encode(bytes.fromhex(message)).decode()
    return "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))


@pytest.mark.parametrize(
    ("contents", "codes"),
    [
        (in_base64(READ_VERSION), [0x59]),
        (in_base64(READ_VERSION, 64), [0x59]),
        (f"{in_base64(READ_VERSION)}\n{in_base64(READ_PPMID)}\n", [0x59, 0x129]),
        (f"<r:GBCSPayload>\n{in_base64(READ_PPMID, 76)}\n</r:GBCSPayload>\n<r:x>3w</r:x>", [0x129]),
        (f'[{{"payload": "{in_base64(READ_VERSION)}"}}, {{"payload": "{in_base64(READ_PPMID)}"}}]', [0x59, 0x129]),
        (f"{READ_VERSION}\n{in_base64(READ_PPMID)}", [0x59, None]),
    ],
)
def test_messages_in_base64_are_found_in_whatever_text_they_stand(run, tmp_path, contents, codes):
    path = tmp_path / "response.xml"
    path.write_text(contents)
    code, out, _ = run(path, "--format", "jsonl")
    assert [one["message_code"] for one in lines(out)] == codes
    assert code == (3 if None in codes else 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_texts_of_windows_programs_are_read(run, tmp_path, encoding):
    path = tmp_path / "message.txt"
    path.write_text(READ_VERSION, encoding)
    assert run(path)[0] == 0
