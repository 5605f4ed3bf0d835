"""Whatever a file holds: reading it ends, raises nothing but `CaptureError`, and gives frames within their buffer."""

import gzip
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from capture_files import FRAME, block, interface, option, packet, pcap_header, pcap_record, section
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanscope.captures.batch import CaptureError
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import Decisions, decide, frames

TAP = bytes.fromhex("00001c000000010001000000010004000000 00c203000300 0d000000".replace(" ", ""))
SEEDS = {
    "pcap": pcap_header() + b"".join(pcap_record(n, n, FRAME) for n in range(20)),
    "pcap-tap": pcap_header(">", link=283) + b"".join(pcap_record(n, n, TAP + FRAME, ">") for n in range(20)),
    "pcap-215": pcap_header(link=215) + pcap_record(1, 1, bytes(4) + b"\xa7\x0a" + FRAME) * 10,
    "pcap-147": pcap_header(link=147)
    + pcap_record(1, 1, bytes([0, len(FRAME) + 9]) + bytes(17) + bytes([len(FRAME)]) + FRAME) * 10,
    "pcapng": section(options=option(1, b"comment"))
    + interface(195, option(9, b"\x09") + option(2, b"name"))
    + packet(1, options=option(1, b"comment") + option(2, struct.pack("<I", 1 << 24)))
    + block(10, struct.pack("<II", 0x5A4E574B, 18) + bytes(18))
    + interface(283)
    + packet(2, TAP + FRAME, 1) * 3
    + block(3, struct.pack("<I", 10) + FRAME)
    + block(2, struct.pack("<HHIIII", 0, 0, 0, 5, 10, 10) + FRAME + bytes(2) + option(1, b"old"))
    + block(0xBAD, bytes(8))
    + section(">")
    + interface(230, order=">")
    + packet(3, FRAME[:-2], order=">") * 5,
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=5),
    cut=st.floats(0, 1) | st.just(1.0),
)
def test_damaged_files_are_read_as_far_as_they_go(
    seed: str, pack: Callable[[bytes], bytes], changes: list[tuple[float, bytes]], cut: float
) -> None:
    content = bytearray(pack(SEEDS[seed]))
    for where, octets in changes:
        at = int(where * (len(content) - 4))
        content[at : at + len(octets)] = octets
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "capture")
        path.write_bytes(content[: int(cut * len(content))])
        decisions: Decisions = {}
        count = 0
        with suppress(CaptureError), open_capture(path) as capture:
            for batch in capture:
                assert batch.first_number == count + 1
                count += len(batch)
                decisions = decide(batch, capture.interfaces, decisions)
                found = frames(batch, decisions)
                assert len(found) + found.other_frames == len(batch)
                assert (found.length >= 0).all()
                assert (found.at + found.length <= len(found.buffer)).all()
                assert (np.diff(found.number) > 0).all()
