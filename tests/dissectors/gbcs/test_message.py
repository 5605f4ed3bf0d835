"""Whole messages: the official reference messages decoded to the last octet, and broken ones that break nothing."""

import random

import pytest

from hanscope.dissectors.gbcs.codes import USE_CASES, CraFlag
from hanscope.dissectors.gbcs.envelope import EnvelopeError
from hanscope.dissectors.gbcs.message import decode
from hanscope.dissectors.gbcs.node import Node, uncovered, unnamed, walk


def find(node: Node, name: str) -> Node:
    return next(one for one in walk(node) if one.name == name)


def test_reference_messages_are_decoded_to_the_last_octet(messages: dict[str, bytes]):
    for name, octets in messages.items():
        found = decode(octets)
        assert (found.tree.start, found.tree.stop) == (0, len(octets))
        assert found.problems == (), name
        assert unnamed(found.tree) == [], name
        assert uncovered(found.tree) == [], name


def test_leaves_are_the_message_octet_by_octet(messages: dict[str, bytes]):
    for octets in list(messages.values())[::7]:
        leaves = [one for one in walk(decode(octets).tree) if not one.children or one.plaintext is not None]
        assert b"".join(octets[leaf.start : leaf.stop] for leaf in leaves) == octets


def test_commands_and_responses_have_the_use_case_that_their_file_is_named_after(messages: dict[str, bytes]):
    others: set[str] = set()
    for name, octets in messages.items():
        envelope = decode(octets).envelope
        use_case = USE_CASES[envelope.message_code].name
        named = name.split("_")[0]
        if envelope.cra_flag != CraFlag.ALERT and use_case and not named.startswith(use_case):
            others.add(f"{named} is {use_case}")
    # Unjoining under method B, with the message code of the other methods: so it is in the reference set.
    assert others == {"CS04B is CS04AC"}


def test_flipped_bits_and_cut_messages_never_crash(messages: dict[str, bytes]):
    dice = random.Random(7)
    decoded = 0
    for octets in list(messages.values())[::11]:
        for _ in range(60):
            changed = bytearray(octets)
            at = dice.randrange(8 * len(changed))
            changed[at // 8] ^= 1 << at % 8
            if dice.random() < 0.2:
                del changed[dice.randrange(len(changed)) :]
            try:
                found = decode(bytes(changed))
            except EnvelopeError:
                continue
            decoded += 1
            assert uncovered(found.tree) == []
    assert decoded > 1000


@pytest.mark.parametrize("payload", [b"", b"\x01\x09", b"\xd9", b"\x30", b"\x30\x80", b"\xff" * 5, bytes(3)])
@pytest.mark.parametrize("flag", [0, 1, 2, 3])
def test_odd_payloads_are_a_problem_and_no_crash(payload: bytes, flag: int):
    head = bytes.fromhex(f"df09{flag:02x}00000000000003e80890b3d51f300100000800db1234567890a000020012")
    found = decode(head + bytes([len(payload)]) + payload + b"\0")
    assert found.problems != ()
    assert uncovered(found.tree) == []


def test_encrypted_parts_are_handed_out_and_opened():
    octets = bytes.fromhex(
        "df09020000000000000003"
        "0800db1234567890a0"
        "0890b3d51f30010000"
        "00"
        "020027"
        + "6eda200003e8000001020201010202160202050909040000000000000003e8"[:-2]
        + "090800db1234567890a0090890b3d51f30010000090002021602020209010209"
        + "00092b3100000000e3035372ddd0648adedb866dff001f09450debd034c36c6101dc1d3cb50d35311b344436f883010300"
        + "00"
    )
    found = decode(octets)
    assert len(found.encrypted) == 1
    opened = decode(octets, {found.encrypted[0]: bytes.fromhex("020106 0000000a")}.get)
    assert find(opened.tree, "double-long-unsigned 1").value == 10
