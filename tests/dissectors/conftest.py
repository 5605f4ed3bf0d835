"""What the tests of the layers share."""

import struct
from collections.abc import Callable

import pytest
from oracles import tshark_table
from scapy.packet import Packet

from hanscope.dissectors.layer import layers_of


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", "").replace("|", ""))


@pytest.fixture(scope="session")
def dissect() -> Callable[[type[Packet], str], list[Packet]]:
    """Dissects hexadecimal text and returns the layers, having checked that they build the same octets again."""

    def run(cls: type[Packet], text: str) -> list[Packet]:
        packet = cls(octets(text))
        packet.clear_cache()
        assert bytes(packet) == octets(text)
        assert bytes(packet.copy()) == octets(text)
        return list(layers_of(packet))

    return run


@pytest.fixture(scope="session")
def tshark(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[bytes], list[str]], list[list[str]]]:
    """Has tshark read MAC frames (no FCS, PAN 1234 is ZigBee) and returns the texts of these fields, a row a frame."""
    folder = tmp_path_factory.mktemp("tshark")

    def run(frames: list[bytes], fields: list[str]) -> list[list[str]]:
        file = folder / "frames.pcap"
        header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 230)
        records = (struct.pack("<IIII", n, 0, len(f), len(f)) + f for n, f in enumerate(frames))
        file.write_bytes(header + b"".join(records))
        return tshark_table(fields, "-r", file, "--disable-protocol", "lwm", "-d", "wpan.panid==0x1234,zbee_nwk")

    return run
