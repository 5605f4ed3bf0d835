"""Images as they should be, and transfers as ZCL 11.13 wants them, read back from the frames."""

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from hanscope.captures.simulator.air import Air, Noise
from hanscope.captures.simulator.firmware import SUPPLIER, Firmware, Habits, Update
from hanscope.captures.simulator.han import Han, Node, Role
from hanscope.dissectors.images.ota_file import parse_header

HAN = Han(
    (Node(Role.HUB, 0x00DE4D0000000001, 0x0000), Node(Role.ESME, 0x00DE4D0000000002, 0x2222)),
    network_key=bytes(range(16)),
    pan_id=0x1234,
    extended_pan_id=1,
)
FIRMWARE = Firmware(manufacturer_code=0x10DE, image_type=1, file_version=7, size=1000, text="demo")
HOUR = 3600 * 10**9


def test_an_image_says_of_itself_what_it_is() -> None:
    header = parse_header(FIRMWARE.octets)
    assert (header.manufacturer_code, header.image_type, header.file_version) == (0x10DE, 1, 7)
    assert header.total_image_size == len(FIRMWARE.octets) == FIRMWARE.size
    assert header.header_string.rstrip(b"\0") == b"demo"


def test_the_trailer_is_a_genuine_signature_of_the_manufacturer_image() -> None:
    image = FIRMWARE.octets
    assert image[-66:-64] == b"\0\x40"
    signature = utils.encode_dss_signature(int.from_bytes(image[-64:-32], "big"), int.from_bytes(image[-32:], "big"))
    public = ec.derive_private_key(SUPPLIER, ec.SECP256R1()).public_key()
    public.verify(signature, image[60:-66], ec.ECDSA(hashes.SHA256()))


def test_other_versions_are_other_octets_and_the_same_version_the_same() -> None:
    later = Firmware(manufacturer_code=0x10DE, image_type=1, file_version=8, size=1000, text="demo")
    assert later.octets[60:-66] != FIRMWARE.octets[60:-66]
    assert Firmware(0x10DE, 1, 7, 1000, "demo").sha256 == FIRMWARE.sha256


def sent(update: Update) -> dict[str, list[dict[str, int]]]:
    """The commands that an update sends until it is over, by kind, in order."""
    air = Air(HAN, np.random.default_rng(3), 0, Noise())
    update.advance(air, HOUR)
    found: dict[str, list[dict[str, int]]] = {}
    for group in air._groups.values():
        columns = group.taken(np.arange(group.count))
        found.setdefault(group.kind.name, []).extend(
            {name.partition(".")[2]: value[row] for name, value in columns.items()} for row in range(group.count)
        )
    return found


def offsets(commands: list[dict[str, int]]) -> list[int]:
    return sorted(int(command["file_offset"]) for command in commands)


def test_an_update_asks_for_every_block_once_and_then_ends() -> None:
    update = Update(1, FIRMWARE, Habits(block=64, pace_ns=10**8), 0, 0)
    commands = sent(update)
    assert update.stage == "complete"
    assert offsets(commands["image block request"]) == list(range(0, 1000, 64))
    data = sorted(commands["image block response"], key=lambda command: command["file_offset"])
    assert b"".join(bytes(command["image_data"]) for command in data) == FIRMWARE.octets
    assert [len(commands[name]) for name in ("image notify", "upgrade end request", "upgrade end response")] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("habit", "answer", "answers"),
    [
        ("told_to_wait", "image block response: wait", 16),
        ("unanswered", "", 0),
        ("unheard", "image block response", 32),
    ],
)
def test_a_block_that_goes_wrong_is_asked_for_again(habit: str, answer: str, answers: int) -> None:
    update = Update(1, FIRMWARE, Habits(block=64, pace_ns=10**8, **{habit: 1.0}), 0, 0)
    commands = sent(update)
    assert update.stage == "complete"
    assert offsets(commands["image block request"]) == sorted([*range(0, 1000, 64)] * 2)
    assert len(commands.get(answer, ())) == answers


def test_an_update_goes_on_where_the_last_window_ended() -> None:
    update = Update(1, FIRMWARE, Habits(block=64, pace_ns=10**8), 0, 0)
    air = Air(HAN, np.random.default_rng(3), 0, Noise())
    reached = []
    for end in range(10**9, 12 * 10**9, 10**9):
        update.advance(air, end)
        reached.append(update.offset)
        air.flush()
    assert update.stage == "complete"
    assert reached == sorted(reached)
    assert len(set(reached)) >= 3
