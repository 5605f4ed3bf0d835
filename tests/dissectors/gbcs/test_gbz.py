"""GBZ payloads: against the official messages, tshark's dissector of them, and the vectors of the facts."""

from pathlib import Path
from typing import Any

import pytest
from capture_files import pcap_header, pcap_record
from oracles import tshark

from hanscope.dissectors.gbcs import crypto, gbz
from hanscope.dissectors.gbcs.envelope import Envelope, parse
from hanscope.dissectors.gbcs.node import Decryptor, Node, problems, uncovered, unnamed, walk

COMMAND, RESPONSE, ALERT = 1, 2, 3

VERSION_COMMAND = "0109 01 01 0702 0005 000000 0602"
VERSION_RESPONSE = "0109 01 01 0702 000c 080001 0602 00 41 04 0123abcd"
FUTURE_DATED = "0109 01 01 0705 0015 010006 00000000 804a371c 90888138 940c ffffffff"
ENCRYPTED = (
    "0109 01 03 0702 0031 00 00 180001 002a 31 00000000"
    "4b711a713941afcd706623d5612f7115956ef8966230013aae c45dbf90313ae26fce17334e"
)
ENCRYPTION_KEY = bytes.fromhex("5352af3bbb1a8883a0a62a340eea440a")
GSME = 0x00DB1234567890A1
"""Facts on GBCS, sections 2.5 and 3.2: worked examples E, H and F."""
RECEIPT = "0109 01 8f72 1c374a80 0920" + 32 * "a1"
CARRIED_OUT = "0109 01 8f66 38818890 0e 006c 00000000000003e9 0705 01 06"


def decoded(payload: str | bytes, flag: int = COMMAND, decrypt: Decryptor = lambda _: None) -> Node:
    """The tree of a payload in the middle of a message."""
    octets = payload if isinstance(payload, bytes) else bytes.fromhex(payload)
    tree = gbz.decode(b"\xdf\xdf\xdf" + octets + b"\x00", 3, 3 + len(octets), flag, decrypt)
    assert uncovered(tree) == []
    assert (tree.start, tree.stop) == (3, 3 + len(octets))
    return tree


def named(tree: Node, name: str) -> list[Node]:
    return [node for node in walk(tree) if node.name == name]


def one(tree: Node, name: str) -> Node:
    (found,) = named(tree, name)
    return found


def opened(part: bytes) -> bytes | None:
    return crypto.decrypt(ENCRYPTION_KEY, GSME, part)


@pytest.fixture(scope="module")
def messages(data: Path) -> list[Envelope]:
    """The official messages whose payload is GBZ."""
    paths = sorted((data / "gbcs-messages" / "messages").rglob("*.HEX"))
    envelopes = [parse(bytes.fromhex(path.read_text())) for path in paths]
    return [message for message in envelopes if message.payload.of(message.octets)[:2] == b"\x01\x09"]


def tree_of(message: Envelope) -> Node:
    return gbz.decode(message.octets, *message.payload, message.cra_flag)


def test_a_firmware_version_is_asked_for_and_read() -> None:
    asked = decoded(VERSION_COMMAND)
    assert (one(asked, "cluster").value, one(asked, "cluster").text) == (0x0702, "METERING")
    assert one(asked, "attribute_id").value == 0x0206
    assert problems(asked) == []
    told = decoded(VERSION_RESPONSE, RESPONSE)
    assert (one(told, "value").value, one(told, "value").text) == (bytes.fromhex("0123abcd"), "0x0123abcd")
    assert "FIRMWARE_VERSION" in one(told, "attribute_id").text
    assert one(told, "status").text == "SUCCESS"
    refused = decoded("0109 01 01 0702 0006 080001 0602 c0", RESPONSE)
    assert one(refused, "status").text == "HARDWARE_FAILURE"
    assert problems(refused) == []


def test_times_in_commands_are_readable() -> None:
    tree = decoded(FUTURE_DATED)
    assert one(tree, "implementation_date_time").text == "2030-01-15 09:00:00Z"
    assert one(tree, "command_identifier").text == "ChangePaymentMode"
    now, never = FUTURE_DATED.replace("90888138", "00000000"), FUTURE_DATED.replace("90888138", "ffffffff")
    assert one(decoded(now), "implementation_date_time").text == "now"
    assert one(decoded(never), "implementation_date_time").text == "no time"


def test_a_distribution_receipt_names_the_image() -> None:
    for code in ("8f72", "8f1c"):
        tree = decoded(RECEIPT.replace("8f72", code), ALERT)
        assert one(tree, "manufacturer_image_hash").value == 32 * b"\xa1"
        assert one(tree, "time").text == "2015-01-01 00:00:00Z"
        assert problems(tree) == []
    assert one(decoded(RECEIPT, ALERT), "alert_code").text == "Firmware Verification Successful"


def test_an_alert_names_the_command_that_was_carried_out() -> None:
    tree = decoded(CARRIED_OUT, ALERT)
    assert one(tree, "message_code").value == 0x006C
    assert one(tree, "originator_counter").value == 1001
    assert one(tree, "zcl_command").text == "ChangePaymentMode"
    assert problems(tree) == []


@pytest.mark.parametrize(
    ("payload", "name", "value"),
    [
        ("0109 00 810e 1c374a80", "alert_code", 0x810E),
        ("0109 01 81a0 1c374a80 0007", "issue_code", 7),
        ("0109 01 8161 1c374a80 0002", "user_interface_command", 2),
    ],
)
def test_other_alerts_are_named(payload: str, name: str, value: int) -> None:
    tree = decoded(payload, ALERT)
    assert one(tree, name).value == value
    assert problems(tree) == []


def test_an_encrypted_part_is_located_and_its_octets_are_handed_out() -> None:
    asked: list[bytes] = []

    def closed(part: bytes) -> None:
        asked.append(part)

    tree = decoded(ENCRYPTED, RESPONSE, closed)
    part = one(tree, gbz.ENCRYPTED)
    assert asked == [bytes.fromhex(ENCRYPTED)[-42:]]
    assert part.stop - part.start == 42
    assert one(tree, "tag").value == bytes.fromhex("c45dbf90313ae26fce17334e")
    assert one(tree, "command_identifier").text == "ReadAttributesResponse"
    assert (problems(tree), unnamed(tree)) == ([], [])


def test_an_opened_part_shows_what_was_in_it() -> None:
    tree = decoded(ENCRYPTED, RESPONSE, opened)
    part = one(tree, gbz.ENCRYPTED)
    assert part.plaintext == bytes.fromhex("0203c0 01030022010000 0003003001 00000025393000000000")
    assert [node.text for node in named(tree, "status")] == ["HARDWARE_FAILURE", "SUCCESS", "SUCCESS", "SUCCESS"]
    assert [(node.start, node.stop, node.value) for node in named(tree, "value")][-1] == (19, 25, 12345)
    assert problems(tree) == []


def test_all_official_messages_are_named_to_the_last_octet(messages: list[Envelope]) -> None:
    assert len(messages) > 180
    for message in messages:
        tree = tree_of(message)
        assert (tree.start, tree.stop) == message.payload
        assert (problems(tree), unnamed(tree), uncovered(tree)) == ([], [], [])


TSHARK_FIELDS = {
    "extended_header_control": ("extended_header_control",),
    "extended_header_cluster": ("cluster",),
    "extended_header_length": ("length",),
    "transaction": ("transaction_sequence_number",),
    "command_id": ("command_identifier", "zcl_command"),
    "additional_frame_counter": ("frame_counter",),
    "length_of_ciphered_information": ("ciphered_length",),
    "encrypted_payload": ("ciphertext",),
    "mac": ("tag",),
    "alert_code": ("alert_code",),
    "message_code": ("message_code",),
    "firmware_hash": ("manufacturer_image_hash",),
}
"""What tshark calls a field, and what we do."""


def test_components_are_as_tshark_reads_them(messages: list[Envelope], tmp_path: Path) -> None:
    complete = [message for message in messages if not message.is_pre_command]
    capture = tmp_path / "messages.pcap"
    capture.write_bytes(pcap_header(link=147) + b"".join(pcap_record(0, octets=message.octets) for message in complete))
    rows = tshark(
        *("-r", capture, "-T", "fields", "-o", 'uat:user_dlts:"User 0 (DLT=147)","gbcs_message","0","","0",""'),
        *(word for name in TSHARK_FIELDS for word in ("-e", f"gbcs_gbz.{name}")),
    )
    for message, row in zip(complete, rows, strict=True):
        inside = ("GBZ", "component", gbz.ENCRYPTED)  # and not inside the ZCL commands
        nodes = [child for node in walk(tree_of(message)) if node.name in inside for child in node.children]
        for ours, theirs in zip(TSHARK_FIELDS.values(), row, strict=True):
            values = [node.value for node in nodes if node.name in ours]
            assert [_number(text) for text in theirs.split(",") if text] == values


def _number(text: str) -> Any:
    """A value as tshark writes it: a number, or octets."""
    return bytes.fromhex(text) if len(text) > 20 else int(text, 0)


@pytest.mark.parametrize(
    ("payload", "flag", "problem"),
    [
        ("0109 02" + VERSION_COMMAND[7:], COMMAND, "2 components promised, 1 found"),
        ("0109 01 00 0702 0005 000000 0602", COMMAND, "marked as the last component: none of 1"),
        ("0109 01 01 0702 0006 000000 0602", COMMAND, "6 octets promised, 5 left"),
        ("0109 01 01 0702 0000", COMMAND, "ends before the ZCL header"),
        ("0109 01 01 0702 0002 0000", COMMAND, "ends inside command_identifier"),
        ("0109 01 01 0702 0003 000000 0602", COMMAND, "ends inside the header of a component"),
        ("0109 01 01 0702 0004 010077 ff", COMMAND, "command 0x77 of METERING is not known"),
        ("0109 01 01 0702 0006 00000b 00c0 ff", COMMAND, "more octets than the command has"),
        ("0109 01 01 0705 0013 010006 00000000 804a371c 90888138 940c ffff", COMMAND, "ends inside"),
        ("0109 01 01 0702 0008 080001 0602 00 99 00", RESPONSE, "a data type that is not known"),
        ("0109 01 03 0702 000c 00 00 180001 0005 31 00000000", RESPONSE, "an encrypted part of 5 octets can not be"),
        ("0109 01 03 0702 0007 00 00 180001 00ff", RESPONSE, "an encrypted part of 255 octets can not be"),
        ("0109 01 8f72 1c374a80 0920 aabb", ALERT, "ends inside manufacturer_image_hash"),
        ("0109 01 9999 1c374a80 aabb", ALERT, "ends inside the header of a component"),
        ("0109", COMMAND, "ends inside number_of_components"),
    ],
)
def test_what_does_not_fit_is_said(payload: str, flag: int, problem: str) -> None:
    tree = decoded(payload, flag)
    assert any(problem in said for said in problems(tree)), problems(tree)


def test_another_profile_is_said() -> None:
    assert one(decoded("0104 00"), "profile").text == "not Smart Energy"


def test_no_flipped_bit_and_no_cut_breaks_the_tree() -> None:
    vectors = [(one, COMMAND) for one in (VERSION_COMMAND, FUTURE_DATED)] + [
        (one, ALERT) for one in (RECEIPT, CARRIED_OUT)
    ]
    for text, flag in [*vectors, (VERSION_RESPONSE, RESPONSE), (ENCRYPTED, RESPONSE)]:
        payload = bytes.fromhex(text)
        for bit in range(8 * len(payload)):
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            decoded(bytes(damaged), flag)
        for length in range(len(payload)):
            decoded(payload[:length], flag)


def test_no_plaintext_breaks_the_tree() -> None:
    for plaintext in (b"", b"\x02", b"\x02\x03\x00", bytes(300), bytes(range(256))):
        tree = decoded(ENCRYPTED, RESPONSE, lambda _, plaintext=plaintext: plaintext)
        assert one(tree, gbz.ENCRYPTED).plaintext == plaintext
