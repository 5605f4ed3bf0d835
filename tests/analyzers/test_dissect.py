"""A batch is dissected whatever its frames hold: nothing raises, every frame is counted, what is whole is read."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import PLAIN_APS, PLAIN_NWK_COMMANDS, SMART_ENERGY_FRAMES, SMART_ENERGY_KEYS, batch, octets

from hanscope.analyzers.dissect import Dissected, Dissector, Shut, Tally
from hanscope.analyzers.keys import KeyRing, KnownKey
from hanscope.analyzers.opening import Reason
from hanscope.analyzers.tables import DEFAULT_RESPONSE
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.crypto.ccm import seal_one

NETWORK, LINK = SMART_ENERGY_KEYS
RING = KeyRing((KnownKey("network", NETWORK, "n"), KnownKey("link", LINK, "l")))
MAC = octets("6188515b4a00003412")
DATA = octets("0800 0000 3412 1e07")
COMMAND = octets("0900 0000 3412 1e07")
ENGINE = Engine()
"""One for all tests: what it has learned must not matter."""


def dissect(*frames: bytes) -> Dissected:
    return Dissector(ENGINE, RING).dissect(batch(frames))


def sealed(plain: bytes, counter: int = 1, header: bytes = b"\x08\x02\x00\x00\x34\x12\x1e\x07") -> bytes:
    """A NWK frame under the network key, from device 0x1234."""
    eui64 = (0x00158D0000123456).to_bytes(8, "little")
    auxiliary = counter.to_bytes(4, "little") + eui64 + b"\0"
    body = seal_one(NETWORK, eui64 + counter.to_bytes(4, "little") + b"\x2d", header + b"\x2d" + auxiliary, plain)
    return MAC + header + b"\x28" + auxiliary + body


def mutated(frame: bytes, dice: random.Random) -> bytes:
    kind = dice.randrange(3)
    if kind == 0 or not frame:
        return frame[: dice.randrange(len(frame) + 1)]
    changed = bytearray(frame + dice.randbytes(dice.randrange(6)) if kind == 1 else frame)
    for _ in range(dice.randrange(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), extra=st.lists(st.binary(max_size=127), max_size=10))
def test_no_frame_upsets_the_others(seed: int, extra: list[bytes]) -> None:
    dice = random.Random(seed)
    frames = list(extra)
    for _ in range(30):
        aps = mutated(octets(dice.choice(PLAIN_APS)), dice)
        frames.append(dice.choice((MAC + DATA + aps, sealed(aps, dice.randrange(2**32)))))
        command = mutated(octets(dice.choice(PLAIN_NWK_COMMANDS)), dice)
        frames.append(sealed(command, dice.randrange(2**32), b"\x09\x02" + DATA[2:]))
        frames.append(mutated(dice.choice(frames), dice))
    whole = len(frames)
    frames += SMART_ENERGY_FRAMES
    result = dissect(*frames)
    assert result.frames == len(frames)
    mine = result.ota.number > whole
    # A mutated frame may have carried a key or begun a set of fragments; the frames behind it read as they always do.
    assert result.ota.command[mine].tolist() == [3, 5, 5, 6, 7]
    assert result.tallies["Mac"].frames + result.tallies["Mac"].malformed + result.loose >= len(SMART_ENERGY_FRAMES)


def test_every_ota_command_becomes_a_row() -> None:
    carriers = [octets(aps) for aps in PLAIN_APS if " 1900 " in aps and aps.startswith(("00", "40"))]
    table = dissect(*(MAC + DATA + aps for aps in carriers)).ota
    assert len(table) == len(carriers)
    assert set(table.command.tolist()) == {0, 1, 2, 3, 4, 5, 6, 7, DEFAULT_RESPONSE}
    rows = {int(command): row for row, command in reversed(list(enumerate(table.command.tolist())))}
    assert (table.payload_type[rows[0]], table.query_jitter[rows[0]]) == (0, 100)
    assert (table.file_version[rows[1]], table.field_control[rows[1]]) == (0x01001A00, 0)
    assert table.status[rows[2]] == 0x98
    assert (table.page_size[rows[4]], table.response_spacing[rows[4]], table.data_size[rows[4]]) == (256, 200, 64)
    assert (table.status[rows[6]], table.manufacturer_code[rows[6]]) == (0, 0x1168)
    assert (table.current_time[rows[7]], table.request_time[rows[7]]) == (0x2F000000, 0xFFFFFFFF)
    assert (table.answered[rows[DEFAULT_RESPONSE]], table.status[rows[DEFAULT_RESPONSE]]) == (0, 0)


def test_a_frame_that_ends_too_early_is_malformed_at_its_layer() -> None:
    result = dissect(MAC + DATA + octets("40 01 1900 0901 01 12 19 42 05 00 6811"), MAC + DATA[:5])
    assert result.tallies["ImageBlockResponse"] == Tally(0, 1, 1)
    assert result.tallies["Nwk"] == Tally(1, 1, 2)


def test_a_key_that_a_batch_teaches_opens_what_came_before() -> None:
    ring = KeyRing((KnownKey("link", LINK, "l"),))
    transport = octets("01 55 05 01") + NETWORK + octets("00 563412 00008d1500 eeffc000008d1500")
    result = Dissector(ENGINE, ring).dissect(batch((*SMART_ENERGY_FRAMES, MAC + DATA + transport)))
    assert [key.octets for key in result.learned] == [NETWORK]
    assert result.shut == {}
    assert len(result.ota) == 5


def test_a_transport_key_of_an_unknown_type_teaches_nothing() -> None:
    result = dissect(MAC + DATA + octets("01 55 05 07") + bytes(40))
    assert result.learned == ()
    assert result.tallies["TransportKey"].frames == 1


def test_a_tunnelled_command_is_opened_too() -> None:
    """ZigBee 05-3474 4.4.10.6: the inner frame is an APS frame of its own."""
    inner = octets("01 42 08 04")
    result = dissect(MAC + DATA + octets("01 42 0e 8567e7feff5f3250") + inner)
    assert result.tallies["Tunnel"].frames == 1
    assert result.tallies["RequestKey"].frames == 1


def test_a_secured_inter_pan_frame_stays_shut_beside_ordinary_ones() -> None:
    header = octets("018801 621affff 621a3412 0b00 23 1900 0501")
    inter_pan = [header + bytes([control]) + bytes(30) for control in (0x00, 0x20, 0x02)]
    result = dissect(*inter_pan, *SMART_ENERGY_FRAMES)
    assert result.shut == {Shut("APS", 0x1A62, Reason.INTER_PAN): [3, 1]}
    assert result.ota.command.tolist() == [3, 5, 5, 6, 7]
