"""Rebuilt images against tshark's own reassembly of APS fragments (facts on ZigBee, 2.6)."""

from pathlib import Path

import numpy as np
import pytest
from oracles import key_option, tshark

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing

NETWORK_KEY = bytes.fromhex("f0ff6193c6880d107f540a4179ca7ea5")
"""That the capture gives away itself; tshark is told, so that it need not learn it."""
_FIELDS = ("frame.number", "zbee_zcl_general.ota.file.offset", "zbee_zcl_general.ota.image.data")


@pytest.fixture(scope="module")
def blocks_of_tshark(data: Path) -> list[tuple[int, int, bytes]]:
    """(frame, file offset, octets) of every Image Block Response SUCCESS that tshark puts together from fragments."""
    rows = tshark(
        "-r",
        data / "captures" / "catsniffer-ota.tap.pcap",
        *key_option(NETWORK_KEY),
        *key_option(next(iter(WELL_KNOWN))),
        "-Y",
        "zbee_zcl_general.ota.cmd.srv_tx.id == 5 && zbee_zcl_general.ota.status == 0",
        "-T",
        "fields",
        *(word for field in _FIELDS for word in ("-e", field)),
    )
    return [(int(frame), int(offset), bytes.fromhex(octets.replace(":", ""))) for frame, offset, octets in rows]


def test_the_image_that_tshark_reassembles_is_ours_octet_for_octet(
    data: Path, blocks_of_tshark: list[tuple[int, int, bytes]]
) -> None:
    assert len(blocks_of_tshark) == 2474
    octets: dict[int, int] = {}
    frames: dict[int, int] = {}
    for frame, offset, block in blocks_of_tshark:
        for position, value in enumerate(block, offset):
            assert octets.setdefault(position, value) == value
            frames.setdefault(position, frame)
    assert len(octets) == 551_702
    run = analyze([str(data / "captures" / "catsniffer-ota.tap.pcap")], keys=KeyRing())
    (stored,) = [record.image for record in run.records if record.image is not None]
    assert stored.size == 618_536
    ours, here = stored.window(0, stored.size)
    assert np.flatnonzero(here).tolist() == sorted(octets)
    assert ours[here].tolist() == [octets[position] for position in sorted(octets)]
    assert stored.frames_at(np.flatnonzero(here)).tolist() == [frames[position] for position in sorted(octets)]
