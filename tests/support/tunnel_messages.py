"""GBCS messages of the facts on GBCS (sections 1.5 to 1.9: official test data), and keys for a simulated HAN."""

from pathlib import Path
from typing import Final

from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.captures.simulator.truth import Truth

ECS52_COMMAND: Final = bytes.fromhex(
    "dd000000000000471100000000df090100000000000003e80890b3d51f300100000800db1234567890a00002005913d9200003e8000101000100"
    "00000201ff02010000a25a51a93bafa5c9e2b224bd"
)
ECS52_RESPONSE: Final = bytes.fromhex(
    "dd000000000000451100000000df090200000000000003e80800db1234567890a00890b3d51f300100000002005911da200003e8000001090401"
    "23abcd010100003ba27aac07f946bfd463702f"
)
CS06_COMMAND: Final = bytes.fromhex(
    "dd000000000000819c1100000000df090100000000000003e80890b3d51f300100000800db1234567890a000020012283026"
    "0420aa758690730934ff0685aa758690730934ff0685657788990011223344556677020203e840"
    "af91963ab479bfc2cc602fd2cb9a313898d2a4837f938c21baf6e1185979abaa"
    "fe5d8e343af3d7d099ed6156c8739083639612fcda4755a2fe32751f5003a9209f872c379f4fe0e370440625"
)
CS06_RESPONSE: Final = bytes.fromhex(
    "df090200000000000003e80800db1234567890a00890b3d51f300100000c07df0101ff000000008000ff02001"
    "20b300902010004040123abce40"
    "262d16311034c2465617df623b05bf5e070f0c1103435c3050b172473b5eb2f0498c500a315efd2a641a39f6fdc26889f741b60a5c3b3125b99f"
    "71f532facc85"
)
CS08_COMMAND: Final = bytes.fromhex(
    "dd000000000000461100000000df090100000000000005140890b3d51f300000020800db1234567890a40012012990b3d51f3001000000000000"
    "000003e802050000bdc5e70406017d96ee0f9759"
)
CS08_RESPONSE: Final = bytes.fromhex(
    "dd0000000000004f1100000000df090200000000000005140800db1234567890a40890b3d51f300000020012012990b3d51f3001000000000000"
    "000003e80b300904040123abcd020100000da6f255e953f315b792d962"
)
ECS52_BLOCKS: Final = (
    bytes.fromhex("dd090100000000000003e80890b3d51f300100000800db1234567890a000020059003c0000000000e0010001000030")
    + ECS52_COMMAND[:48],
    bytes.fromhex("dd090100000000000003e80890b3d51f300100000800db1234567890a000020059002b0000000000e081000200001f")
    + ECS52_COMMAND[48:],
)
"""Section 1.9: the command of section 1.5 in blocks of 48 and 31 octets, as tshark accepted them."""


def of_gas_meter(message: bytes) -> bytes:
    """The ECS52 messages as those of GCS38 with a gas meter: other target and message code (and so no valid MAC)."""
    device, code = bytes.fromhex("00db1234567890a0"), bytes.fromhex("020059")
    assert message.count(device) == message.count(code) == 1
    return message.replace(device, bytes.fromhex("00db1234567890a1")).replace(code, bytes.fromhex("020084"))


LITERALS: Final = (ECS52_COMMAND, ECS52_RESPONSE, CS06_COMMAND, CS06_RESPONSE, CS08_COMMAND, CS08_RESPONSE)


def official(data: Path, pattern: str = "*") -> list[bytes]:
    """Messages of the official test data, by the names of their files."""
    files = sorted((data / "gbcs-messages" / "messages").rglob(f"{pattern}.HEX"))
    assert files
    return [bytes.fromhex("".join(file.read_text().split())) for file in files]


def ring_of(truth: Truth) -> KeyRing:
    """All keys of a simulated HAN."""
    ring = KeyRing().plus(parse_key(f"network:{truth.han.network_key.hex()}"))
    for node in truth.han.nodes:
        if node.link_key:
            ring = ring.plus(parse_key(f"link:{node.link_key.hex()}"))
    return ring
