import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from capture_files import FRAME, pcap_header, pcap_record, read, tshark_times

from hanscope.captures.batch import CaptureError
from hanscope.captures.files import open_capture

SMALL = pcap_header() + b"".join(pcap_record(n) for n in range(3))


def told(path: Path) -> str:
    with pytest.raises(CaptureError) as error:
        open_capture(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(f"{path}: ")


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert told(path) == "there is no such file; check the name"
    assert told(tmp_path) == "this is a folder; name the capture file in it"
    for content, words in [
        (b"", "the file is empty"),
        (b"hello\n", "not a capture file"),
        (b"\xd4\xc3", "not a capture file"),
        (bytes.fromhex("28b52ffd2404"), "this is compressed with zstd; decompress it first"),
        (bytes.fromhex("04224d18644040"), "this is compressed with lz4"),
        (bytes.fromhex("fd377a585a000004"), "this is compressed with xz"),
        (b"PK\x03\x04....", "it is cut short or damaged; unpack it first"),
        (b"SQLite format 3\x00...", "the database cannot be read on"),
        (gzip.compress(b"hello\n"), "not a capture file"),
        (gzip.compress(b""), "the file is empty"),
        (gzip.compress(SMALL)[:5], "the gzip data are cut short"),
    ]:
        path.write_bytes(content)
        assert words in told(path)


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(gzip.compress(SMALL))
    capture, found = read(path)
    assert [octets for _, _, octets in found] == [FRAME] * 3
    assert (capture.compressed, capture.faults) == (True, [])
    assert capture.octets_read == capture.octets_total == path.stat().st_size


@pytest.mark.parametrize("padding", [b"", b"\0", bytes(100_000)])
def test_gzip_of_several_members_is_one_file(tmp_path: Path, padding: bytes) -> None:
    path = tmp_path / "capture.pcap.gz"
    path.write_bytes(gzip.compress(SMALL[:50]) + gzip.compress(SMALL[50:]) + padding)
    capture, found = read(path)
    assert (len(found), capture.faults) == (3, [])


def test_damaged_gzip_gives_everything_before_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap.gz"
    sound = gzip.compress(SMALL)
    path.write_bytes(sound + b"garbage")
    capture, found = read(path)
    assert (len(found), [fault.what for fault in capture.faults]) == (
        3,
        ["octets that are not gzip follow the compressed capture"],
    )
    path.write_bytes(sound[:-8] + bytes([sound[-8] ^ 1]) + sound[-7:])  # the check sum
    capture, found = read(path)
    assert len(found) == 3
    assert "gzip data are damaged" in capture.faults[0].what
    for size in range(30, len(sound)):
        path.write_bytes(sound[:size])
        try:
            capture, found = read(path)
        except CaptureError:
            continue
        assert [fault.what for fault in capture.faults] == ["the gzip data are cut short"]
        assert [time for time, _, _ in found] == [n * 10**9 for n in range(len(found))]
    assert len(found) == 3  # only the trailer is missing


def test_standard_input(tmp_path: Path) -> None:
    words = (
        "import sys; from hanscope.captures.files import open_capture; c = open_capture('-'); print(sum(map(len, c)))"
    )
    for content in (SMALL, gzip.compress(SMALL)):
        done = subprocess.run([sys.executable, "-c", words], input=content, capture_output=True, check=True)
        assert done.stdout == b"3\n"


def test_a_worker_reads_the_octets_again(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(SMALL)
    with open_capture(path) as capture:
        (batch,) = capture
    detached = batch.detached()
    assert len(detached.buffer) == 0
    attached = detached.attached()
    assert (attached.buffer == batch.buffer).all()
    path.write_bytes(SMALL[:-1])
    with pytest.raises(CaptureError, match="became shorter"):
        detached.attached()
    path.unlink()
    with pytest.raises(CaptureError, match="No such file"):
        detached.attached()


def test_what_cannot_be_read_again_keeps_its_octets(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(gzip.compress(SMALL))
    with open_capture(path) as capture:
        (batch,) = capture
    assert batch.detached() is batch
    assert batch.attached() is batch


def test_real_captures_have_the_records_that_tshark_finds(data: Path) -> None:
    paths = sorted([*(data / "captures").glob("*.pcap"), *(data / "captures").glob("*.pcapng")])
    assert len(paths) > 20
    for path in paths:
        capture, found = read(path)
        assert not capture.faults, path.name
        assert [time for time, _, _ in found] == tshark_times(path), path.name
