"""tshark's view of a frame as a tree, to compare places as well as values."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest


@dataclass(frozen=True, slots=True)
class Shown:
    """A field that tshark shows: octets [start, stop) of the frame, its name and its text."""

    start: int
    stop: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownFrame:
    fields: tuple[Shown, ...]
    malformed: bool


@pytest.fixture(scope="session")
def tshark_tree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[bytes]], list[ShownFrame]]:
    """Has tshark read MAC frames (no FCS, PAN 1234 is ZigBee)."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    folder = tmp_path_factory.mktemp("tshark")

    def run(frames: list[bytes]) -> list[ShownFrame]:
        file: Path = folder / "frames.pcap"
        header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 230)
        records = (struct.pack("<IIII", n, 0, len(f), len(f)) + f for n, f in enumerate(frames))
        file.write_bytes(header + b"".join(records))
        words = ["-n", "-r", str(file), "--disable-protocol", "lwm", "-d", "wpan.panid==0x1234,zbee_nwk", "-T", "pdml"]
        done = subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=120)
        packets = ElementTree.fromstring(done.stdout).findall("packet")  # noqa: S314 -- tshark's own output
        assert len(packets) == len(frames)
        return [_shown(packet) for packet in packets]

    return run


def _shown(packet: ElementTree.Element) -> ShownFrame:
    fields: list[Shown] = []
    for element in packet.iter("field"):
        start, size = int(element.get("pos", "0")), int(element.get("size", "0"))
        fields.append(Shown(start, start + size, element.get("name", ""), element.get("show", "")))
    malformed = any("malformed" in str(element.get("name")) for element in packet.iter())
    return ShownFrame(tuple(fields), malformed)
