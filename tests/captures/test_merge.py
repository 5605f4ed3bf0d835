"""Several captures as one stream: every transmission once, in the order in which they were sent."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from capture_files import pcap_header, pcap_record

from hanscope.captures import merge
from hanscope.captures.batch import CaptureError, FrameBatch
from hanscope.captures.merge import MergedCapture, Numbering, surveyed
from hanscope.dissectors.fcs import crc16

MILLISECOND = 10**6
SECOND = 10**9
START = 1_767_225_600


def frame(number: int, size: int = 40) -> bytes:
    """A MAC data frame, its octets made from a number, with its FCS."""
    body = bytes.fromhex("6188") + struct.pack("<BHHH", number & 0xFF, 0x1234, 1, 2)
    body += np.random.default_rng(number).bytes(size - len(body))
    return body + crc16(body).to_bytes(2, "little")


Heard = tuple[int, bytes]
"""Nanoseconds after the start, and a frame."""


def capture(path: Path, heard: Sequence[Heard]) -> str:
    head = pcap_header(magic=0xA1B23C4D)
    path.write_bytes(head + b"".join(pcap_record(START + at // SECOND, at % SECOND, octets) for at, octets in heard))
    return str(path)


def merged(*paths: str) -> tuple[list[tuple[int, int, int, bytes]], MergedCapture]:
    """(capture, record, nanoseconds after the start, octets) of each frame of the stream."""
    found: list[tuple[int, int, int, bytes]] = []
    with MergedCapture(paths, [surveyed(path, lambda _capture, _survey: None) for path in paths]) as whole:
        for batch in whole:
            for index, number in enumerate(batch.number.tolist()):
                place, record = whole.numbering.record(number)
                time = int(batch.time_ns[index]) - START * SECOND
                found.append((whole.order[place], record, time, batch.frame(index)))
        assert len(found) == len(whole.numbering)
        return found, whole


def order(found: list[tuple[int, int, int, bytes]]) -> list[tuple[int, int]]:
    return [(place, record) for place, record, _, _ in found]


def conversation(count: int = 60, apart: int = 10 * MILLISECOND) -> list[Heard]:
    return [(number * apart, frame(number)) for number in range(count)]


def test_what_two_heard_is_one_frame_and_holes_are_filled(tmp_path: Path) -> None:
    heard = conversation()
    one = capture(tmp_path / "one", [heard[n] for n in range(60) if n % 5])
    two = capture(tmp_path / "two", [(at + 3 * SECOND, octets) for n, (at, octets) in enumerate(heard) if n % 7])
    found, whole = merged(one, two)
    assert [octets for *_, octets in found] == [octets[:-2] for n, (_, octets) in enumerate(heard) if n % 35]
    reference = whole.order[0]
    assert [time for *_, time, _ in found] == pytest.approx(
        [at + 3 * SECOND * reference for n, (at, _) in enumerate(heard) if n % 35], abs=1000
    )
    counts = {whole.order[stream.index]: stream.counts for stream in whole.streams}
    assert (counts[0].common, counts[1].common) == (41, 41)
    assert counts[0].kept + counts[1].kept == 41
    assert (counts[0].alone, counts[1].alone) == (7, 10)


def test_the_order_of_the_captures_does_not_matter(tmp_path: Path) -> None:
    heard = conversation()
    one = capture(tmp_path / "one", heard[:50])
    two = capture(tmp_path / "two", [(at - SECOND, octets) for at, octets in heard[10:]])
    three = capture(tmp_path / "three", [(at + 400, octets) for at, octets in heard[::2]])
    forth, _ = merged(one, two, three)
    back, _ = merged(three, two, one)
    assert [(2 - place, *rest) for place, *rest in back] == [(place, *rest) for place, *rest in forth]
    assert len(forth) == 60


def test_a_retry_is_no_copy(tmp_path: Path) -> None:
    """The same octets 1.5 ms later: two transmissions, both heard by both, or the second by one alone."""
    heard = conversation()
    twice = sorted(heard + [(at + 1_500_000, octets) for at, octets in heard[20:24]])
    one = capture(tmp_path / "one", twice)
    two = capture(tmp_path / "two", [moment for moment in twice if moment[0] != heard[22][0] + 1_500_000])
    found, _ = merged(one, two)
    assert len(found) == 64


def test_retries_stay_apart_on_clocks_that_jitter(tmp_path: Path) -> None:
    """Stamps that come up to 20 ms late: the k-th of one belongs to the k-th of the other."""
    heard = conversation(400, 30 * MILLISECOND)
    twice = sorted(heard + [(at + 2 * MILLISECOND, octets) for at, octets in heard[20:60]])
    random = np.random.default_rng(4)
    one = capture(tmp_path / "one", twice)
    late = np.maximum.accumulate([at + int(random.integers(0, 20 * MILLISECOND)) for at, _ in twice])
    two = capture(tmp_path / "two", [(int(at), octets) for at, (_, octets) in zip(late, twice, strict=True)])
    found, whole = merged(one, two)
    assert whole.window_ns > merge.CLOSE_NS
    assert [octets for *_, octets in found] == [octets[:-2] for _, octets in twice]


def test_frames_of_one_alone_stand_between_the_right_ones_on_clocks_that_jitter(tmp_path: Path) -> None:
    """Frames 5 ms apart, stamps up to 15 ms late, every fourth heard by one alone, every fourth by the other alone."""
    heard = conversation(800, 5 * MILLISECOND)
    random = np.random.default_rng(5)
    one = capture(tmp_path / "one", [moment for n, moment in enumerate(heard) if n % 4 != 1])
    rest = [moment for n, moment in enumerate(heard) if n % 4 != 3]
    late = np.maximum.accumulate([at + int(random.integers(0, 15 * MILLISECOND)) for at, _ in rest])
    two = capture(tmp_path / "two", [(int(at), octets) for at, (_, octets) in zip(late, rest, strict=True)])
    found, _ = merged(one, two)
    assert [octets for *_, octets in found] == [octets[:-2] for _, octets in heard]


def test_captures_without_common_frames_are_ordered_by_time(tmp_path: Path) -> None:
    heard = conversation()
    first, last = capture(tmp_path / "first", heard[:20]), capture(tmp_path / "last", heard[20:])
    found, whole = merged(last, first)
    assert order(found) == [(1, n) for n in range(1, 21)] + [(0, n) for n in range(1, 41)]
    assert [stream.clock.fit for stream in whole.streams] == [None, None]


def test_frames_with_a_wrong_fcs_are_nobodys_copies(tmp_path: Path) -> None:
    heard = conversation()
    broken = [
        (at, octets if n != 30 else octets[:-1] + bytes([octets[-1] ^ 1])) for n, (at, octets) in enumerate(heard)
    ]
    found, _ = merged(capture(tmp_path / "one", broken), capture(tmp_path / "two", broken))
    assert len(found) == 61
    mixed, _ = merged(capture(tmp_path / "one", broken), capture(tmp_path / "two", heard))
    assert len(mixed) == 61, "the good copy fills the hole, the broken one is still counted as broken"


def test_frames_with_equal_hashes_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = capture(tmp_path / "one", conversation(20))
    two = capture(tmp_path / "two", [(at + 100_000, frame(n + 100)) for n, (at, _) in enumerate(conversation(20))])
    monkeypatch.setattr(merge, "hashed", lambda _buffer, at, _length: np.zeros(len(at), np.uint64))
    found, _ = merged(one, two)
    assert len(found) == 40


def test_the_copy_with_the_best_signal_is_kept(tmp_path: Path) -> None:
    """TAP captures: the second heard the first half louder."""

    def tap(octets: bytes, rssi_dbm: float) -> bytes:
        return struct.pack("<BBHHHBBBBHHf", 0, 0, 20, 0, 1, 1, 0, 0, 0, 1, 4, rssi_dbm) + octets

    paths: list[str] = []
    for name, louder in (("one", range(20, 40)), ("two", range(20))):
        records = [
            pcap_record(START, at, tap(octets, -40 if n in louder else -70))
            for n, (at, octets) in enumerate(conversation(40))
        ]
        (tmp_path / name).write_bytes(pcap_header(magic=0xA1B23C4D, link=283) + b"".join(records))
        paths.append(str(tmp_path / name))
    found, _ = merged(*paths)
    assert [place for place, *_ in found] == [1] * 20 + [0] * 20


def stream(paths: Sequence[str]) -> list[FrameBatch]:
    with MergedCapture(paths, [surveyed(path, lambda _capture, _survey: None) for path in paths]) as whole:
        return list(whole)


def test_small_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = conversation(3000, 3 * MILLISECOND)
    random = np.random.default_rng(6)
    one = capture(tmp_path / "one", [moment for moment in heard if random.random() > 0.3])
    two = capture(tmp_path / "two", [(at + 77_000, octets) for at, octets in heard if random.random() > 0.3])
    three = capture(tmp_path / "three", heard[1000:1200])
    at_once, _ = merged(one, two, three)
    monkeypatch.setattr("hanscope.captures.merge.RECORDS", 100)
    monkeypatch.setattr("hanscope.captures.pcap.SMALLEST_CHUNK", 2000)
    monkeypatch.setattr(merge, "FEWEST", 40)
    piecemeal, _ = merged(one, two, three)
    assert [one[3] for one in piecemeal] == [one[3] for one in at_once]
    assert order(piecemeal) == order(at_once)
    batches = stream([one, two, three])
    assert len(batches) > 30
    assert max(len(batch) for batch in batches) < 400
    assert np.concatenate([batch.number for batch in batches]).tolist() == list(range(1, len(at_once) + 1))


def test_a_clock_that_stands_still_is_no_reason_to_hold_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All times 0: what waits stays small, and nothing is lost."""
    monkeypatch.setattr("hanscope.captures.merge.RECORDS", 100)
    monkeypatch.setattr("hanscope.captures.pcap.SMALLEST_CHUNK", 2000)
    monkeypatch.setattr(merge, "MOST_WAITING", 200)
    still = capture(tmp_path / "still", [(0, octets) for _, octets in conversation(1500)])
    other = capture(tmp_path / "other", [(0, frame(n + 5000)) for n in range(1500)])
    batches = stream([still, other])
    assert sum(len(batch) for batch in batches) == 3000
    assert max(len(batch) for batch in batches) < 600


def test_one_wild_time_stamp_does_not_disturb_the_order(tmp_path: Path) -> None:
    heard = conversation()
    wild = [
        (at if n not in (20, 40) else (0 if n == 20 else 10**6 * SECOND), octets)
        for n, (at, octets) in enumerate(heard)
    ]
    one = capture(tmp_path / "one", wild[::2])
    two = capture(tmp_path / "two", heard[1::2])
    found, _ = merged(one, two)
    assert [octets for *_, octets in found] == [octets[:-2] for _, octets in heard]


def test_a_file_that_goes_away_is_told(tmp_path: Path) -> None:
    one, two = capture(tmp_path / "one", conversation()), capture(tmp_path / "two", conversation())
    surveys = [surveyed(path, lambda _capture, _survey: None) for path in (one, two)]
    Path(two).unlink()
    with MergedCapture([one, two], surveys) as whole, pytest.raises(CaptureError, match="no such file"):
        list(whole)


def test_numbering_knows_where_each_frame_came_from() -> None:
    numbering = Numbering()
    numbering.add(np.array([0, 1, 0, 1]), np.array([1, 70_000, 2, 70_002]), 3)
    numbering.add(np.array([2, 2]), np.array([5, 10**9]), 3)
    assert [numbering.record(number) for number in range(1, 7)] == [
        (0, 1),
        (1, 70_000),
        (0, 2),
        (1, 70_002),
        (2, 5),
        (2, 10**9),
    ]
    assert len(numbering) == 6
