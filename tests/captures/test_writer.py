import io
from pathlib import Path

import numpy as np
import pytest
from capture_files import FRAME, read, tshark_times
from oracles import packed, tshark

from hanscope.captures.batch import Comment, Secret
from hanscope.captures.linklayer import TAP
from hanscope.captures.writer import PcapngWriter, PcapWriter, prefixed, tap_headers

S = 10**9


def some(count: int) -> tuple[np.ndarray, list[bytes]]:
    random = np.random.default_rng(3)
    return 1_700_000_000 * S + np.arange(count) * 1_234_567, [
        random.bytes(int(n)) for n in random.integers(0, 140, count)
    ]


def test_pcap_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    times, octets = some(70_000)
    with PcapWriter(path, 230) as writer:
        writer.write(times, *packed(octets))
        writer.frame(5, b"last")
        writer.write([6], *packed([b"cut"]), original=[30])
        writer.write([], *packed([]))
    capture, found = read(path)
    assert [one.link_type for one in capture.interfaces] == [230]
    assert found[:-2] == [(time, len(body), body) for time, body in zip(times.tolist(), octets, strict=True)]
    assert found[-2:] == [(5, 4, b"last"), (6, 30, b"cut")]
    assert not capture.faults


def test_pcapng_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    times, octets = some(70_000)
    secrets = [Secret("nwk", bytes(range(16)), 0x1A62), Secret("aps", bytes(16), 0x1A62, (0, 0x1234))]
    with PcapngWriter(path, comment="made by a test") as writer:
        writer.interface(230, "one", "the first")
        for secret in secrets:
            writer.secret(secret)
        writer.write(times, *packed(octets), comments=[(69_999, "x" * 7), (9, "größer"), (0, "here"), (9, "twice")])
        writer.interface(195, "two")
        writer.frame(7, FRAME, interface=1, comment="single")
        writer.write([8, 9], *packed([b"cut", FRAME]), original=[30, 10], interface=1)
    capture, found = read(path)
    assert [(one.link_type, one.name, one.description) for one in capture.interfaces] == [
        (230, "one", "the first"),
        (195, "two", ""),
    ]
    assert found[:-3] == [(time, len(body), body) for time, body in zip(times.tolist(), octets, strict=True)]
    assert found[-3:] == [(7, 10, FRAME), (8, 30, b"cut"), (9, 10, FRAME)]
    assert capture.secrets == secrets
    assert capture.comments == [
        Comment(0, "made by a test"),
        Comment(1, "here"),
        Comment(10, "größer"),
        Comment(10, "twice"),
        Comment(70_000, "x" * 7),
        Comment(70_001, "single"),
    ]
    assert not capture.faults


def test_tshark_reads_both(tmp_path: Path) -> None:
    times, octets = some(300)
    path = tmp_path / "capture"
    with PcapWriter(path) as writer:
        writer.write(times, *packed(octets))
    assert tshark_times(path) == times.tolist()
    with PcapngWriter(path) as writer:
        writer.interface()
        writer.write(times, *packed(octets), comments=[(3, "hello")])
        writer.secret(Secret("nwk", bytes(16), 1))
    assert tshark_times(path) == times.tolist()
    assert tshark("-r", path, "-Y", "frame.comment", "-T", "fields", "-e", "frame.number", "-e", "frame.comment") == [
        ["4", "hello"]
    ]


def test_tap_headers_tell_tshark_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    buffer, at, length = packed([FRAME] * 3)
    head = tap_headers(3, rssi_dbm=[-60.5, -61, -62], channel=[11, 15, 26], page=28, lqi=200)
    with PcapWriter(path, TAP) as writer:
        writer.write([1, 2, 3], *prefixed(head, buffer, at, length))
        writer.write([4], *prefixed(tap_headers(1, fcs_type=0), *packed([FRAME[:-2]])))
    fields = ("rss", "ch_num", "ch_page", "lqi", "fcs_type")
    words = [word for field in fields for word in ("-e", f"wpan-tap.{field}")]
    assert tshark("-r", path, "-T", "fields", *words, "-e", "wpan.fcs_ok", "-e", "wpan.cmd") == [
        ["-60.5", "11", "28", "200", "1", "1", "0x07"],
        ["-61", "15", "28", "200", "1", "1", "0x07"],
        ["-62", "26", "28", "200", "1", "1", "0x07"],
        ["", "", "", "", "0", "1", "0x07"],
    ]


def test_a_file_that_was_given_open_stays_open() -> None:
    file = io.BytesIO()
    with PcapWriter(file) as writer:
        writer.frame(1, FRAME)
    assert len(file.getvalue()) == 24 + 16 + 10


def test_packets_need_their_interface() -> None:
    writer = PcapngWriter(io.BytesIO())
    with pytest.raises(ValueError, match="interface 0 has not been described"):
        writer.frame(1, FRAME)
