"""What the tests of GBCS messages share."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from oracles import tshark_table


@pytest.fixture(scope="session")
def messages(data: Path) -> dict[str, bytes]:
    """The official reference messages that are at hand, by file name."""
    files = sorted((data / "gbcs-messages" / "messages").glob("*/*.HEX"))
    assert len(files) >= 692
    return {file.name: bytes.fromhex("".join(file.read_text("ascii").split())) for file in files}


@pytest.fixture(scope="session")
def tshark_gbcs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[bytes], list[str]], list[list[str]]]:
    """Has tshark's GBCS dissector read messages and returns the texts of these fields, a row a message."""
    folder = tmp_path_factory.mktemp("tshark-gbcs")

    def run(octets: list[bytes], fields: list[str]) -> list[list[str]]:
        file = folder / "messages.pcap"
        records = [struct.pack("<IIII", at, 0, len(one), len(one)) + one for at, one in enumerate(octets)]
        file.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 147) + b"".join(records))
        dissector = 'uat:user_dlts:"User 0 (DLT=147)","gbcs_message","0","","0",""'
        return tshark_table(fields, "-r", file, "-o", dissector)

    return run
