import struct
from pathlib import Path

import pytest
from capture_files import FRAME, pcap_header, pcap_record, read, tshark_times

from hanscope.captures.batch import CaptureError, Fault
from hanscope.captures.files import open_capture


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_resolutions(tmp_path: Path, order: str, magic: int, unit: int) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(
        pcap_header(order, magic) + pcap_record(1_700_000_000, 999_999, order=order) + pcap_record(5, 6, b"ab", order)
    )
    capture, found = read(path)
    assert found == [(1_700_000_000 * 10**9 + 999_999 * unit, 10, FRAME), (5 * 10**9 + 6 * unit, 2, b"ab")]
    assert [time for time, _, _ in found] == tshark_times(path)
    assert (capture.format, capture.compressed, capture.faults) == ("pcap", False, [])
    assert [one.link_type for one in capture.interfaces] == [195]


def test_the_upper_bits_of_the_link_type_are_the_fcs_length(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_header(link=0x140000C3) + pcap_record(1))
    (described,) = read(path)[0].interfaces
    assert (described.link_type, described.fcs_length) == (195, 2)


def test_a_million_microseconds_are_a_second(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_header() + pcap_record(1, 2_500_000))
    assert read(path)[1][0][0] == 3_500_000_000


def test_lengths_that_contradict_each_other_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_header(snap=4) + pcap_record(1, original=3) + pcap_record(2, original=200) + pcap_record(3))
    capture, found = read(path)
    assert [(original, len(octets)) for _, original, octets in found] == [(3, 10), (200, 10), (10, 10)]
    assert not capture.faults


@pytest.mark.parametrize("order", "<>")
def test_an_impossible_length_ends_the_file_there(tmp_path: Path, order: str) -> None:
    path = tmp_path / "capture.pcap"
    sound = pcap_header(order) + b"".join(pcap_record(n, order=order) for n in range(5))
    path.write_bytes(sound + struct.pack(order + "IIII", 6, 0, 262_145, 262_145) + bytes(300_000))
    capture, found = read(path)
    assert len(found) == 5
    assert capture.faults == [
        Fault(f"octet {len(sound)}", "a record claims 262145 octets, more than 262144: the file is damaged here")
    ]


def test_the_longest_record_is_read(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_header() + pcap_record(1, octets=b"x" * 262_144) + pcap_record(2))
    assert [len(octets) for _, _, octets in read(path)[1]] == [262_144, 10]


def test_cut_at_every_octet_gives_the_records_that_tshark_gives(tmp_path: Path) -> None:
    whole = pcap_header() + b"".join(pcap_record(n, n, FRAME[: 3 + n]) for n in range(4))
    path = tmp_path / "capture.pcap"
    ends = [24, 24 + 19, 24 + 19 + 20, 24 + 19 + 20 + 21, len(whole)]
    for size in range(4, len(whole) + 1):
        path.write_bytes(whole[:size])
        capture, found = read(path)
        assert len(found) == sum(end <= size for end in ends[1:]), size
        assert [fault.where for fault in capture.faults] == (
            [] if size in ends else [f"octet {max((end for end in ends if end <= size), default=size)}"]
        )
        if size % 5 == 0:
            assert [time for time, _, _ in found] == tshark_times(path), size


def test_the_modified_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_header(magic=0xA1B2CD34) + pcap_record(1))
    with pytest.raises(CaptureError, match="modified kind; convert it"):
        open_capture(path)


def test_chunks_join_and_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    count = 200_000
    path.write_bytes(pcap_header() + b"".join(pcap_record(n, 0, FRAME + bytes(n % 70)) for n in range(count)))
    seen = 0
    with open_capture(path) as capture:
        for batch in capture:
            assert batch.first_number == seen + 1
            assert (batch.time_ns // 10**9 == range(seen, seen + len(batch))).all()
            assert (batch.captured == 10 + batch.time_ns // 10**9 % 70).all()
            assert len(batch) < 100_000
            assert not batch.buffer[-256:].any()
            seen += len(batch)
        assert capture.octets_read == capture.octets_total == path.stat().st_size
    assert seen == count
