import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from capture_files import FRAME, block, interface, option, packet, read, section, tshark_times
from hypothesis import given
from hypothesis import strategies as st

from hanscope.captures import pcapng
from hanscope.captures.batch import NO_INTERFACE, Comment, Fault, Interface, Secret
from hanscope.captures.files import open_capture

START = section() + interface()
S = 10**9


def reading(path: Path, content: bytes):
    path.write_bytes(content)
    return read(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.pcapng"


@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders(path: Path, order: str) -> None:
    content = section(order) + interface(order=order) + packet(1_700_000_000_123_456, order=order) * 3
    capture, found = reading(path, content)
    assert found == [(1_700_000_000_123_456_000, 10, FRAME)] * 3
    assert [time for time, _, _ in found] == tshark_times(path)
    assert (capture.format, capture.faults) == ("pcapng", [])


def test_sections_of_both_byte_orders_with_their_own_interfaces(path: Path) -> None:
    content = b""
    for index, order in enumerate("<><<>>" * 4):
        content += section(order) + interface(195, order=order) + interface(230 + index, order=order)
        content += packet(S * index, index=1, order=order) + packet(S * index + 1, index=0, order=order)
    capture, found = reading(path, content)
    assert [time for time, _, _ in found] == tshark_times(path)
    assert [one.link_type for one in capture.interfaces] == [n for index in range(24) for n in (195, 230 + index)]
    with open_capture(path) as again:
        interfaces = np.concatenate([batch.interface for batch in again])
    assert interfaces.tolist() == [n for index in range(24) for n in (2 * index + 1, 2 * index)]


def test_interfaces_may_come_late(path: Path) -> None:
    capture, found = reading(path, START + packet(1) + interface(283) + packet(2, index=1) + packet(3))
    assert len(found) == 3
    assert [one.link_type for one in capture.interfaces] == [195, 283]


def test_an_interface_is_described_by_its_options(path: Path) -> None:
    options = option(2, b"wpan0") + option(3, b"kitchen") + option(9, b"\x09") + option(13, b"\x10")
    options += option(14, struct.pack("<q", -3600)) + option(1, b"left") + option(1, b"right")  # no end of options
    capture, found = reading(path, section(options=option(1, b"whole")) + interface(195, options, snap=77) + packet(7))
    assert capture.interfaces == [Interface(0, 195, 77, "wpan0", "kitchen", 9, -3600, 16)]
    assert capture.comments == [Comment(0, "whole"), Comment(0, "left"), Comment(0, "right")]
    assert found[0][0] == 7 - 3600 * S


@given(
    ticks=st.integers(0, 2**64 - 1) | st.integers(0, 2**53),
    resolution=st.integers(0, 255),
    offset=st.integers(-(2**31), 2**31) | st.just(0),
)
def test_time_stamps_of_every_resolution_are_exact(ticks: int, resolution: int, offset: int) -> None:
    unit = Fraction(1, 2 ** (resolution & 0x7F)) if resolution & 0x80 else Fraction(1, 10**resolution)
    exact = (ticks * unit + offset) * S // 1
    described = Interface(0, 195, resolution=resolution, offset_s=offset)
    found = pcapng._interface_times(np.array([ticks, 0], np.uint64), described).tolist()
    assert found[1] == offset * S
    if abs(exact) < (pcapng._LATEST_S - 1) * S:
        assert found[0] == exact
    else:
        assert abs(found[0]) >= (pcapng._LATEST_S - 1) * S


@pytest.mark.parametrize("resolution", [0, 3, 6, 7, 9, 0x80, 0x8A, 0x94])
@pytest.mark.parametrize("offset", [0, 100])
def test_time_stamps_agree_with_tshark(path: Path, resolution: int, offset: int) -> None:
    options = option(9, bytes([resolution])) + option(14, struct.pack("<q", offset)) + option(0, b"")
    content = section() + interface(195, options) + packet(1_234_567_891) + packet(5)
    assert [time for time, _, _ in reading(path, content)[1]] == tshark_times(path)


def test_simple_packets_have_no_time_and_are_cut_to_the_snapshot_length(path: Path) -> None:
    simple = block(3, struct.pack("<I", 10) + FRAME[:4])
    _, found = reading(path, section() + interface(snap=4) + simple + interface(snap=9) + simple)
    assert found == [(0, 10, FRAME[:4])] * 2
    _, found = reading(path, START + block(3, struct.pack("<I", 10) + FRAME) + packet(1))
    assert found == [(0, 10, FRAME), (1000, 10, FRAME)]


def test_the_obsolete_packet_block(path: Path) -> None:
    body = struct.pack("<HHIIII", 1, 7, 1, 2, 10, 12) + FRAME + bytes(2)
    options = option(1, b"old") + option(2, struct.pack("<I", 1 << 24))
    capture, found = reading(path, START + interface(230) + block(2, body + options) + packet(1))
    assert found == [((2**32 + 2) * 1000, 12, FRAME), (1000, 10, FRAME)]
    assert [time for time, _, _ in found] == tshark_times(path)
    assert capture.comments == [Comment(1, "old")]
    with open_capture(path) as again:
        (batch,) = again
    assert batch.crc_error is not None
    assert batch.crc_error.tolist() == [True, False]
    assert batch.interface.tolist() == [1, 0]


def test_comments_and_crc_marks_of_packets(path: Path) -> None:
    error = option(2, struct.pack("<I", 1 << 24 | 1))
    content = START + packet(1) + packet(2, options=option(1, "größer".encode()) + error + option(1, b"second"))
    content += packet(3, options=option(2, bytes(4)) + option(0, b"") + option(1, b"after the end"))
    content += packet(4, options=option(4, bytes(8)) + option(1, b"fourth") + option(0, b""))
    content += packet(5, options=struct.pack("<HH", 1, 500))  # longer than its block
    capture, found = reading(path, content)
    assert len(found) == 5
    assert capture.comments == [Comment(2, "größer"), Comment(2, "second"), Comment(4, "fourth")]
    assert capture.notes.comment_count == 3
    with open_capture(path) as again:
        (batch,) = again
    assert batch.crc_error is not None
    assert batch.crc_error.tolist() == [False, True, False, False, False]


def test_comments_are_counted_and_the_first_kept(path: Path) -> None:
    capture, _ = reading(path, START + packet(1, options=option(1, b"x" * 5_000)) * 1_500)
    assert (capture.notes.comment_count, len(capture.comments)) == (1_500, 1_000)
    assert len(capture.comments[0].text) == 4_096


def test_keys_are_read_from_secrets(path: Path) -> None:
    key = bytes(range(16))
    blocks = block(10, struct.pack("<II", 0x5A4E574B, 18) + key + struct.pack("<H", 0x1A62))
    blocks += block(10, struct.pack("<II", 0x5A415053, 22) + key[::-1] + struct.pack("<HHH", 0x1A62, 1, 0xFFFE))
    blocks += block(10, struct.pack("<II", 0x544C534B, 5) + b"tls..") * 2
    blocks += block(10, struct.pack("<II", 0x5A4E574B, 17) + key + b"\0")
    capture, found = reading(path, section() + blocks + interface() + packet(1))
    assert capture.secrets == [Secret("nwk", key, 0x1A62), Secret("aps", key[::-1], 0x1A62, (1, 0xFFFE))]
    assert capture.notes.other_secrets == {0x544C534B: 2, 0x5A4E574B: 1}
    assert len(found) == 1
    assert not capture.faults


def test_keys_are_read_from_big_endian_sections(path: Path) -> None:
    secret = struct.pack(">II", 0x5A4E574B, 18) + bytes(16) + b"\x62\x1a"
    capture, _ = reading(path, section(">") + block(10, secret, ">"))
    assert capture.secrets == [Secret("nwk", bytes(16), 0x1A62)]


def test_other_blocks_are_passed_over_or_numbered_as_wireshark_does(path: Path) -> None:
    content = START + packet(1) + block(5, bytes(20)) + block(4, bytes(8)) + block(0x777, bytes(40)) * 2 + packet(2)
    custom = block(0xBAD, struct.pack("<I", 1) + b"abcd") + block(0x40000BAD, struct.pack("<I", 1) + b"abcd")
    capture, found = reading(path, content + custom + packet(3))
    assert [time for time, _, _ in found] == [1000, 2000, 0, 0, 3000]
    # tshark 4.6 shows the time of the record before where there is none
    assert tshark_times(path) in ([1000, 2000, 0, 0, 3000], [1000, 2000, 2000, 2000, 3000])
    assert capture.notes.skipped_blocks == {4: 1, 5: 1, 0x777: 2}
    with open_capture(path) as again:
        (batch,) = again
    assert batch.interface.tolist() == [0, 0, NO_INTERFACE, NO_INTERFACE, 0]


def test_a_block_of_many_megabytes_is_not_held(path: Path) -> None:
    capture, found = reading(path, START + packet(1) + block(0x777, bytes(20_000_000)) + packet(2))
    assert len(found) == 2
    assert not capture.faults
    assert capture.notes.skipped_blocks == {0x777: 1}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (packet(9, index=1), "names an interface that the file has not described"),
        (block(2, struct.pack("<HHIIII", 1, 0, 0, 0, 0, 0)), "names an interface"),
        (packet(9)[:-4] + struct.pack("<I", 20), "two lengths of a block differ"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 20, 20) + FRAME), "longer than its block"),
        (block(2, struct.pack("<HHIIII", 0, 0, 0, 0, 20, 20) + FRAME), "longer than its block"),
        (block(3, struct.pack("<I", 20) + FRAME), "longer than its block"),
        (block(6, b""), "too short for its type"),
        (block(1, b""), "too short for its type"),
        (block(10, struct.pack("<II", 0x5A4E574B, 99) + bytes(20)), "longer than their block"),
        (struct.pack("<II", 0x777, 0) + bytes(60), "claims 0 octets"),
        (struct.pack("<II", 0x777, 8) + bytes(60), "claims 8 octets"),
        (struct.pack("<II", 0x777, 134_348_836) + bytes(60), "claims 134348836 octets"),
        (struct.pack("<II", 0x777, 2_000_000) + bytes(60), "ends inside a block"),
        (struct.pack("<II", 6, 2_000_000) + bytes(60), "claims 2000000 octets"),
        (section(version=(2, 0)), "version 2.0"),
        (section(version=(1, 1)), "version 1.1"),
        (block(0x0A0D0D0A, bytes(16)), "no byte-order magic"),
        (section() + packet(9), "names an interface"),
        (section() + block(3, struct.pack("<I", 10) + FRAME), "names an interface"),
    ],
)
def test_damage_ends_the_file_there(path: Path, damage: bytes, words: str) -> None:
    sound = START + packet(1) + packet(2)
    capture, found = reading(path, sound + damage + packet(3))
    assert [time for time, _, _ in found] == [1000, 2000] == tshark_times(path)
    (fault,) = capture.faults
    assert words in fault.what
    assert len(sound) <= int(fault.where.removeprefix("octet ")) <= len(sound) + 28


def test_cut_at_every_octet_gives_the_records_that_tshark_gives(path: Path) -> None:
    blocks = [section(), interface(), packet(1, FRAME[:3]), packet(2), block(5, bytes(20)), packet(3)]
    ends = np.cumsum([len(one) for one in blocks]).tolist()
    whole = b"".join(blocks)
    for size in range(4, len(whole) + 1):
        capture, found = reading(path, whole[:size])
        complete = sum(end <= size for end in ends)
        assert len(found) == sum(one[0] == 6 for one in blocks[:complete]), size
        if size in ends:
            assert not capture.faults
        else:
            assert capture.faults == [Fault(f"octet {[0, *ends][complete]}", capture.faults[0].what)]
        if size % 9 == 0 and complete:  # of half a section header, tshark thinks that it is no capture
            assert [time for time, _, _ in found] == tshark_times(path), size


def test_chunks_join_whatever_lies_between_them(path: Path) -> None:
    parts = [START]
    expected: list[int] = []
    for n in range(120_000):
        order = ">" if n >= 99_999 else "<"
        if n % 50_000 == 49_999:
            parts.append(section(order) + interface(order=order))
        if n % 997 == 0:
            parts.append(block(5, bytes(20), order))
        parts.append(packet(n, FRAME + bytes(n % 60), order=order))
        expected.append(n * 1000)
    path.write_bytes(b"".join(parts))
    with open_capture(path) as capture:
        batches = list(capture)
    assert len(batches) > 1
    assert np.concatenate([batch.time_ns for batch in batches]).tolist() == expected
    assert (np.concatenate([batch.captured for batch in batches]) == 10 + np.arange(120_000) % 60).all()
    assert [batch.first_number for batch in batches] == np.cumsum([1, *map(len, batches[:-1])]).tolist()
    assert [one.index for one in capture.interfaces] == [0, 1, 2]
    assert {batch.file_offset for batch in batches[:1]} == {0}
    again = batches[1].detached().attached()
    assert (again.buffer == batches[1].buffer).all()


@pytest.mark.parametrize("cut", range(4, 28))
def test_section_header_that_is_not_all_there_yet_is_no_other_version(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(section()[:cut])
    capture, records = read(path)
    assert (records, [fault.what for fault in capture.faults]) == ([], ["the file ends inside a block"])
