"""Recording: what was handed over is in the file, and files begin anew when they should."""

import resource
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from capture_files import gathered, read
from msgspec.structs import replace
from oracles import tshark_text

from hanscope.captures.batch import Fcs, RecordBatch
from hanscope.captures.recorder import Recorder, RecordingError, Rotation
from hanscope.captures.sniffers.base import Heard
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.tap import of_heard

B = bytes.fromhex("030806ffffffff07")
NORDIC_TAP = bytes.fromhex("03000300 0f000000 0a000100 dc000000")
"""The end of the TAP header that Nordic's own extcap writes for channel 15 and LQI 220."""


def batch(number: int, count: int = 1) -> RecordBatch:
    heard = Heard(B, Fcs.VALID, None, -39.0, 220)
    return of_heard([number * 10**9] * count, [heard] * count, Channel(15), first_number=number)


def test_records_are_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    recorder = Recorder(path)
    recorder.interface("cc2531 at 1-2", "channel 15")
    recorder.write(batch(1))
    recorder.write(batch(2))
    capture, records = read(path)
    assert [time for time, _, _ in records] == [10**9, 2 * 10**9]
    assert records[0][2].endswith(NORDIC_TAP + B + b"\xc2\x31")
    assert (capture.interfaces[0].name, capture.interfaces[0].link_type) == ("cc2531 at 1-2", 283)
    recorder.close()
    recorder.close()


def test_statistics_at_the_end_are_read_by_wireshark(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    recorder = Recorder(path)
    recorder.interface("x", "")
    recorder.lost = 3
    recorder.write(batch(1, 5))
    recorder.close()
    assert "1" in tshark_text("-r", path, "-c", "1", "-T", "fields", "-e", "frame.number")
    tail = path.read_bytes()[-64:]
    assert (5).to_bytes(8, "little") in tail
    assert (3).to_bytes(8, "little") in tail


def test_rotation_by_time(tmp_path: Path) -> None:
    clock = [0.0]
    recorder = Recorder(tmp_path / "out.pcapng", rotation=Rotation(seconds=60), monotonic=lambda: clock[0])
    recorder.interface("x", "")
    for number in range(1, 7):
        clock[0] = number * 25.0
        recorder.write(batch(number))
    recorder.close()
    assert [path.name for path in recorder.paths] == [f"out_0000{number}.pcapng" for number in (1, 2, 3)]
    assert [len(read(path)[1]) for path in recorder.paths] == [2, 3, 1]


def test_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    path.write_bytes(b"mine")
    with pytest.raises(RecordingError, match="--force"):
        Recorder(path)
    assert path.read_bytes() == b"mine"
    recorder = Recorder(path, force=True)
    assert path.read_bytes() == b"mine", "nothing is lost before there is something to write"
    recorder.interface("x", "")
    assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


@pytest.mark.parametrize("name", ["out_00007.pcapng", "out_00001.pcapng"])
def test_rotation_begins_only_where_no_name_is_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(RecordingError, match=f"{name}: it is there already"):
        Recorder(tmp_path / "out.pcapng", rotation=Rotation(octets=1))
    Recorder(tmp_path / "out.pcapng")


def test_folder_that_is_not_there_is_told_before_the_capture(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="its folder cannot be written or does not exist"):
        Recorder(tmp_path / "none" / "out.pcapng")
    with pytest.raises(RecordingError, match="this is a folder"):
        Recorder(tmp_path)


def test_frames_keep_their_interface(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    recorder = Recorder(path)
    recorder.interface("one", "")
    recorder.interface("other", "")
    first, second = batch(1, 3), batch(2)
    recorder.write(replace(first, interface=np.array([0, 1, 1], np.uint16)))
    recorder.write(replace(second, interface=np.array([1], np.uint16)))
    recorder.close()
    _, (records,) = gathered(path)
    assert records.source.tolist() == [0, 1, 1, 1]
    tail = path.read_bytes()[-128:]
    assert tail.index((1).to_bytes(8, "little")) < tail.index((3).to_bytes(8, "little"))


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_full_disk_is_one_line() -> None:
    with pytest.raises(RecordingError, match="cannot be written \\(No space left on device\\)"):
        Recorder(Path("/dev/full")).interface("x", "")


@pytest.mark.parametrize("spare", [0, 1, 100, 143])
def test_file_on_a_full_disk_ends_with_a_whole_record(tmp_path: Path, spare: int) -> None:
    """The limit of a file's size stands for the end of the disk."""
    path = tmp_path / "out.pcapng"
    recorder = Recorder(path)
    recorder.interface("x", "")
    recorder.write(batch(1, 5))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + spare, before[1]))
    try:
        with pytest.raises(RecordingError, match=r"out\.pcapng: cannot be written \(File too large\); name a file on"):
            recorder.write(batch(2, 2))
        with suppress(RecordingError):  # there may be room for the statistics
            recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    capture, records = read(path)
    assert (len(records), capture.faults) == (5, [])


def test_damaged_frame_without_its_fcs_is_damaged_for_every_reader() -> None:
    heard = Heard(B, Fcs.INVALID, None, -39.0, 220)
    records = of_heard([0], [heard], None, first_number=1)
    octets = records.buffer[records.at[0] :][: records.captured[0]].tobytes()
    assert octets.endswith(B + bytes([0xC2 ^ 0xFF, 0x31 ^ 0xFF]))
    received = Heard(B, Fcs.INVALID, trailer=b"\x12\x34")
    records = of_heard([0], [received], None, first_number=1)
    assert records.buffer[records.at[0] :][: records.captured[0]].tobytes().endswith(B + b"\x12\x34")
