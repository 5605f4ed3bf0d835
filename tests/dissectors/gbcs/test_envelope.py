"""The envelope: layers that build and dissect, the plain record, and blocks of large messages."""

import random

import pytest
from scapy.packet import Packet

from hanscope.dissectors.gbcs import envelope
from hanscope.dissectors.gbcs.envelope import (
    BlockTransfer,
    Envelope,
    EnvelopeError,
    GroupingHeader,
    Mac,
    MacHeader,
    RoutingHeader,
    ber_length,
    layer_for,
    parse,
    parse_block,
    reassemble,
)
from hanscope.dissectors.gbcs.node import uncovered, unnamed
from hanscope.dissectors.layer import Malformed, MalformedError, Undissected, layers_of

# The worked examples of the reference messages.
READ_FIRMWARE_VERSION = bytes.fromhex(
    "dd000000000000471100000000df090100000000000003e80890b3d51f300100000800db1234567890a0"
    "00020059 13 d9200003e800010100010000000201ff02 0100 00 a25a51a93bafa5c9e2b224bd"
)
ACTIVATE_FIRMWARE = bytes.fromhex(
    "dd000000000000819c1100000000df090100000000000003e80890b3d51f300100000800db1234567890a000020012"
    "2830260420aa758690730934ff0685aa758690730934ff0685657788990011223344556677020203e8"
    "40af91963ab479bfc2cc602fd2cb9a313898d2a4837f938c21baf6e1185979abaa"
    "fe5d8e343af3d7d099ed6156c8739083639612fcda4755a2fe32751f5003a920"
    "9f872c379f4fe0e370440625"
)
ACTIVATE_RESPONSE = bytes.fromhex(
    "df090200000000000003e80800db1234567890a00890b3d51f30010000"
    "0c07df0101ff000000008000ff0200120b300902010004040123abce"
    "40262d16311034c2465617df623b05bf5e070f0c1103435c3050b172473b5eb2f0"
    "498c500a315efd2a641a39f6fdc26889f741b60a5c3b3125b99f71f532facc85"
)
READ_PPMID_VERSION = bytes.fromhex(
    "dd000000000000461100000000df090100000000000005140890b3d51f300000020800db1234567890a4"
    "0012012990b3d51f3001000000000000000003e802050000bdc5e70406017d96ee0f9759"
)
SUPPLIER, ESME = 0x90B3D51F30010000, 0x00DB1234567890A0
FIRST_BLOCK = (
    bytes.fromhex(
        "dd090100000000000003e8 0890b3d51f30010000 0800db1234567890a0 00 020059 00 3c 00 00000000 e0 01 0001 0000 30"
    )
    + READ_FIRMWARE_VERSION[:48]
)
LAST_BLOCK = (
    bytes.fromhex(
        "dd090100000000000003e8 0890b3d51f30010000 0800db1234567890a0 00 020059 00 2b 00 00000000 e0 81 0002 0000 1f"
    )
    + READ_FIRMWARE_VERSION[48:]
)


def test_layers_build_the_worked_examples():
    read = (
        MacHeader()
        / GroupingHeader(
            originator_counter=1000,
            originator="90:b3:d5:1f:30:01:00:00",
            target=ESME,
            message_code=0x0059,
            content=bytes.fromhex("d9200003e800010100010000000201ff020100"),
        )
        / Mac(mac=READ_FIRMWARE_VERSION[-12:])
    )
    assert bytes(read) == READ_FIRMWARE_VERSION
    answer = GroupingHeader(
        cra_flag=2,
        originator_counter=1000,
        originator=ESME,
        target=SUPPLIER,
        date_time=bytes.fromhex("07df0101ff000000008000ff"),
        message_code=0x0012,
        content=bytes.fromhex("300902010004040123abce"),
        signature=ACTIVATE_RESPONSE[-64:],
    )
    assert bytes(answer) == ACTIVATE_RESPONSE


def test_supplementary_party_is_built_into_other_information():
    layers = (
        MacHeader()
        / GroupingHeader(
            originator_counter=1300,
            originator=0x90B3D51F30000002,
            target=0x00DB1234567890A4,
            message_code=0x0129,
            supplementary_remote_party=SUPPLIER,
            supplementary_remote_party_counter=1000,
            content=b"\x05\x00",
        )
        / Mac(mac=READ_PPMID_VERSION[-12:])
    )
    assert bytes(layers) == READ_PPMID_VERSION


def test_record_of_a_critical_command():
    found = parse(ACTIVATE_FIRMWARE)
    assert (found.cra_flag, found.originator_counter, found.message_code) == (1, 1000, 0x0012)
    assert (found.originator, found.target) == (SUPPLIER, ESME)
    assert found.date_time is None
    assert found.payload == (48, 88)
    assert found.signature == (89, 153)
    assert found.mac == (153, 165)
    assert found.signed == (15, 88)
    assert found.authenticated == (14, 153)
    assert found.mac_prefix == bytes.fromhex("110000000000")
    assert found.invocation_counter == bytes(4)
    assert found.problems == ()
    assert not found.is_pre_command


def test_record_of_a_response_without_mac():
    found = parse(ACTIVATE_RESPONSE)
    assert found.mac_header is None
    assert found.mac is None
    assert found.mac_prefix == b""
    assert found.date_time == bytes.fromhex("07df0101ff000000008000ff")
    assert found.signature == (58, 122)


def test_pre_command_ends_behind_its_payload():
    found = parse(ACTIVATE_FIRMWARE[14:88])
    assert found.is_pre_command
    assert found.signature_length is None
    assert found.problems == ()
    assert parse(ACTIVATE_FIRMWARE[14:88] + b"\0").is_pre_command


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (SUPPLIER.to_bytes(8, "big"), (SUPPLIER, None, None, None)),
        (SUPPLIER.to_bytes(8, "big") + bytes(7) + b"\5", (SUPPLIER, 5, None, None)),
        (SUPPLIER.to_bytes(8, "big") + bytes(7) + b"\5" + bytes(7) + b"\6", (SUPPLIER, 5, 6, None)),
        (
            SUPPLIER.to_bytes(8, "big") + bytes(7) + b"\5" + b"\x30\x82" + bytes(400),
            (SUPPLIER, 5, None, b"\x30\x82" + bytes(400)),
        ),
    ],
)
def test_every_form_of_other_information(extra: bytes, expected: tuple[object, ...]):
    head = ACTIVATE_RESPONSE[:29] + b"\0"
    found = parse(head + ber_length(2 + len(extra)) + b"\0\x34" + extra + b"\x02\x05\x00\x00")
    assert (
        found.supplementary_remote_party,
        found.supplementary_remote_party_counter,
        found.supplementary_originator_counter,
        found.key_agreement_certificate,
    ) == expected
    assert found.problems == ()


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (ACTIVATE_FIRMWARE[:1] + b"\x01" + ACTIVATE_FIRMWARE[2:], "transaction id length"),
        (ACTIVATE_FIRMWARE[:9] + b"\x10" + ACTIVATE_FIRMWARE[10:], "security control"),
        (ACTIVATE_FIRMWARE[:13] + b"\x01" + ACTIVATE_FIRMWARE[14:], "invocation counter"),
        (ACTIVATE_FIRMWARE[:16] + b"\x04" + ACTIVATE_FIRMWARE[17:], "CRA flag"),
        (ACTIVATE_FIRMWARE[:8] + b"\x9d" + ACTIVATE_FIRMWARE[9:], "156 octets follow"),
        (ACTIVATE_FIRMWARE + b"\0", "no length in the headers covers"),
        (ACTIVATE_FIRMWARE[:-1], "ends before its MAC"),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_still_read(octets: bytes, problem: str):
    found = parse(octets)
    assert any(problem in one for one in found.problems)
    assert found.message_code == 0x0012


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "not with nothing"),
        (b"\x01\x02", "not with 01 02"),
        (FIRST_BLOCK, "one block of a larger message"),
        (ACTIVATE_FIRMWARE[:20], "GroupingHeader: the message ends inside Originator Counter"),
        (ACTIVATE_FIRMWARE[:60], "GroupingHeader: the message ends inside payload"),
        (ACTIVATE_FIRMWARE[:7] + b"\x80" + ACTIVATE_FIRMWARE[8:], "MacHeader: the message ends inside length"),
    ],
)
def test_octets_that_are_no_message_say_why(octets: bytes, why: str):
    with pytest.raises(EnvelopeError, match=why):
        parse(octets)


def _by_layers(octets: bytes) -> dict[str, object] | None:
    """The numbers of an envelope as the Scapy layers have them; `None` for what they cannot read."""
    try:
        layers = list(layers_of(layer_for(octets)(octets)))
    except MalformedError:
        return None
    if layers and isinstance(layers[0], Undissected | RoutingHeader):
        return None
    grouping = next((layer for layer in layers if isinstance(layer, GroupingHeader)), None)
    if grouping is None:
        return None
    names = set(Envelope.__struct_fields__)
    return {name: value for name, value in grouping.fields.items() if name in names - {"signature_length"}} | {
        "payload": grouping.content,
        "mac": next((layer.mac for layer in layers if isinstance(layer, Mac)), None),
        "surplus": next((layer.octets for layer in layers if isinstance(layer, Undissected | Malformed)), b""),
    }


def _by_record(octets: bytes) -> dict[str, object] | None:
    try:
        found = parse(octets)
    except EnvelopeError:
        return None
    return {name: getattr(found, name) for name in Envelope.__struct_fields__} | {
        "payload": found.payload.of(octets),
        "signature": b"" if found.signature is None else found.signature.of(octets),
        "date_time": found.date_time or b"",
        "mac": None if found.mac is None else found.mac.of(octets),
        "surplus": b"" if found.surplus is None else found.surplus.of(octets),
    }


def test_record_and_layers_agree_on_mutated_messages(messages: dict[str, bytes]):
    dice = random.Random(4)
    compared = 0
    for original in [*list(messages.values())[::23], READ_PPMID_VERSION]:
        for octets in (original, *(_mutated(original, dice) for _ in range(40))):
            layers, record = _by_layers(octets), _by_record(octets)
            assert (layers is None) == (record is None)
            if layers is not None and record is not None:
                compared += 1
                assert {name: record[name] for name in layers} == layers
    assert compared > 300


def _mutated(octets: bytes, dice: random.Random) -> bytes:
    changed = bytearray(octets)
    at = dice.randrange(min(len(changed), 80))
    changed[at] ^= 1 << dice.randrange(8)
    return bytes(changed[: dice.choice([len(changed)] * 3 + [dice.randrange(len(changed))])])


def test_reference_messages_are_built_again_from_their_layers(messages: dict[str, bytes]):
    for octets in messages.values():
        packet: Packet = layer_for(octets)(octets)
        packet.clear_cache()
        assert bytes(packet) == octets


def test_reference_messages_are_covered_to_the_last_octet(messages: dict[str, bytes]):
    for name, octets in messages.items():
        found = parse(octets)
        assert found.problems == (), name
        ends = [0]
        for node in (*found.headers, *found.trailers):
            assert uncovered(node) == []
            assert unnamed(node) == []
            ends += [node.start, node.stop]
        gap = (found.payload.start, found.payload.stop)
        # Every part begins where the one before ends, but for the payload between headers and trailers.
        pairs = list(zip(ends[0::2], ends[1::2], strict=False))
        assert all(one == other or (one, other) == gap for one, other in pairs), name
        assert ends[-1] == len(octets) or gap[1] == len(octets), name


def test_tshark_reads_the_same_envelopes(messages: dict[str, bytes], tshark_gbcs):
    kept = [one for one in messages.values() if not parse(one).is_pre_command]  # tshark finds those malformed
    rows = tshark_gbcs(
        kept,
        [
            "gbcs_message.grouping_header.cra_flag",
            "gbcs_message.grouping_header.originator_counter",
            "gbcs_message.grouping_header.business_originator_id",
            "gbcs_message.grouping_header.business_target_id",
            "gbcs_message.grouping_header.message_code",
            "gbcs_message.grouping_header.supplementary_remote_party_id",
            "gbcs_message.krp",
            "gbcs_message.mac",
        ],
    )
    assert len(rows) == len(kept)
    for octets, row in zip(kept, rows, strict=True):
        found = parse(octets)
        party = found.supplementary_remote_party
        assert [int(row[0], 0), int(row[1]), int(row[4], 0)] == [
            found.cra_flag,
            found.originator_counter,
            found.message_code,
        ]
        assert row[2] == found.originator.to_bytes(8, "big").hex(":")
        assert row[3] == found.target.to_bytes(8, "big").hex(":")
        assert row[5] == ("" if party is None else party.to_bytes(8, "big").hex(":"))
        assert row[6].replace(":", "") == ("" if found.signature is None else found.signature.of(octets).hex())
        assert row[7].replace(":", "") == ("" if found.mac is None else found.mac.of(octets).hex())


# General Block Transfer


def test_block_is_built_and_read():
    routing = {"originator_counter": 1000, "originator": SUPPLIER, "target": ESME, "message_code": 0x59}
    packet = RoutingHeader(**routing) / BlockTransfer(
        last_block=1, block_number=2, block_data=READ_FIRMWARE_VERSION[48:]
    )
    assert bytes(packet) == LAST_BLOCK
    block = parse_block(LAST_BLOCK)
    assert block.key == (SUPPLIER, ESME, 1, 1000, 0x59)
    assert (block.number, block.acknowledged, block.last) == (2, 0, True)
    assert block.data == READ_FIRMWARE_VERSION[48:]


def test_blocks_in_any_order_and_twice_come_to_the_message():
    first, last = parse_block(FIRST_BLOCK), parse_block(LAST_BLOCK)
    for blocks in ([first, last], [last, first], [first, first, last, first]):
        assert reassemble(blocks).message == READ_FIRMWARE_VERSION


def test_missing_blocks_are_named():
    last = parse_block(LAST_BLOCK)
    found = reassemble([last])
    assert (found.message, found.missing, found.last_seen) == (None, (1,), True)
    found = reassemble([parse_block(FIRST_BLOCK)])
    assert (found.message, found.missing, found.last_seen) == (None, (), False)


def test_blocks_that_contradict_each_other_make_no_message():
    first = parse_block(FIRST_BLOCK)
    other = parse_block(FIRST_BLOCK[:-1] + b"\xff")
    found = reassemble([first, other, parse_block(LAST_BLOCK)])
    assert (found.message, found.conflicting) == (None, (1,))


def test_acknowledgements_carry_nothing():
    empty = FIRST_BLOCK[:34] + b"\x0c" + FIRST_BLOCK[35:46] + b"\0"
    assert parse_block(empty).data == b""
    assert reassemble([parse_block(empty)]).message is None


def test_tshark_reassembles_our_blocks(messages: dict[str, bytes], tshark_gbcs):
    octets = max(messages.values(), key=len)
    whole = parse(octets)
    pieces = [octets[at : at + 1200] for at in range(0, len(octets), 1200)]
    routing = {
        "cra_flag": whole.cra_flag,
        "originator_counter": whole.originator_counter,
        "originator": whole.originator,
        "target": whole.target,
        "message_code": whole.message_code,
    }
    blocks = [
        bytes(
            RoutingHeader(**routing)
            / BlockTransfer(block_number=number, last_block=int(number == len(pieces)), block_data=piece)
        )
        for number, piece in enumerate(pieces, 1)
    ]
    assert reassemble(map(parse_block, blocks)).message == octets
    rows = tshark_gbcs(blocks, ["gbcs_message.gbt_header.block_number", "gbcs_message.gbt.reassembled.length"])
    assert [int(row[0]) for row in rows] == list(range(1, len(pieces) + 1))
    assert rows[-1][1] == str(len(octets))


def test_octets_that_are_no_block_say_why():
    for octets in (
        b"",
        ACTIVATE_FIRMWARE,
        FIRST_BLOCK[:40],
        FIRST_BLOCK[:30],
        FIRST_BLOCK[:40] + b"\0" + FIRST_BLOCK[41:],
    ):
        with pytest.raises(EnvelopeError):
            parse_block(octets)


def test_length_octets_keep_how_they_were_written():
    octets = ACTIVATE_FIRMWARE[14:44] + b"\x81\x02" + ACTIVATE_FIRMWARE[45:88]
    assert bytes(GroupingHeader(octets).copy()) == octets
    assert any("shortest form" in problem for problem in parse(octets).problems)
    assert envelope.ber_length(0x1234) == b"\x82\x12\x34"
