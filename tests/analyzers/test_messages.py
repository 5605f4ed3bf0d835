"""Messages as results: what stands in them, verified or not, and what is no message."""

import json
from pathlib import Path

import msgspec
import pytest

from hanscope.analyzers.certificates import Certificates, PrivateKeys, read_certificates, read_private_keys
from hanscope.analyzers.messages import Credentials, examine
from hanscope.analyzers.results import MessagePart

RESPONSE = bytes.fromhex(
    "dd000000000000451100000000df090200000000000003e80800db1234567890a00890b3d51f30010000"
    "0002005911da200003e800000109040123abcd010100003ba27aac07f946bfd463702f"
)


@pytest.fixture(scope="module")
def credentials(data: Path) -> Credentials:
    folder = data / "gbcs-messages"
    return Credentials(
        read_certificates([folder / "certificates"]), read_private_keys([folder / "test-party-keys.json"])
    )


def part(message, name: str) -> MessagePart:
    waiting = [message.payload]
    while waiting:
        one = waiting.pop()
        if one.name == name:
            return one
        waiting.extend(one.parts)
    raise AssertionError(name)


def test_decoded_without_credentials():
    message = examine(RESPONSE, frames=(3, 5))
    assert message.frames == (3, 5)
    assert message.use_case == "ECS52 Read ESME/Comms Hub Firmware Version"
    assert (message.originator, message.target) == ("00:db:12:34:56:78:90:a0", "90:b3:d5:1f:30:01:00:00")
    assert part(message, "firmware version").value == "0123abcd"
    assert (message.signature.outcome, message.mac.outcome) == ("absent", "unknown")
    assert message.octets == RESPONSE.hex()


def test_verified_with_credentials(credentials):
    assert examine(RESPONSE, credentials=credentials).mac.outcome == "valid"
    changed = RESPONSE[:60] + bytes([RESPONSE[60] ^ 1]) + RESPONSE[61:]
    assert examine(changed, credentials=credentials).mac.outcome == "invalid"


def test_unknown_names_what_is_missing():
    message = examine(RESPONSE, credentials=Credentials(Certificates(), PrivateKeys()))
    assert message.mac.outcome == "unknown"
    assert "00:db:12:34:56:78:90:a0" in message.mac.detail


def test_encrypted_parts_are_opened_and_their_plaintext_decoded(credentials, data):
    folder = data / "gbcs-messages" / "messages"
    opened = 0
    for file in sorted(folder.glob("*/*RESPONSE*")):
        octets = bytes.fromhex("".join(file.read_text("ascii").split()))
        message = examine(octets, credentials=credentials)
        for verdict in message.encrypted_parts:
            opened += 1
            assert verdict.outcome == "valid", file.name
            assert message.problems == ()
        if message.encrypted_parts:
            assert '"plaintext":' in msgspec.json.encode(message.payload).decode()
    assert opened > 20


def test_what_is_no_message_has_an_error():
    message = examine(RESPONSE[:30], frames=(7,))
    assert message.error is not None
    assert "ends inside" in message.error
    assert (message.frames, message.payload, message.octets) == ((7,), None, RESPONSE[:30].hex())


def test_result_is_json_with_octets_as_digits():
    message = json.loads(msgspec.json.encode(examine(RESPONSE)))
    assert message["trailers"][-1] == {"name": "MAC", "start": 65, "stop": 77, "value": RESPONSE[-12:].hex()}
