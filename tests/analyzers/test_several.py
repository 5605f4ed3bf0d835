"""Several captures of one network are one: what comes out is what one sniffer that heard it all would have given."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sniffed import clock, missing, sniffed

from hanscope.analyzers import analysis as module
from hanscope.analyzers import inputs
from hanscope.analyzers.analysis import AnalysisRun, analyze
from hanscope.analyzers.keys import KeyRing, KnownKey, parse_key
from hanscope.analyzers.renumber import renumbered
from hanscope.analyzers.results import FRAMES_APART, Analysis, Merging, Transfer
from hanscope.captures.simulator.demo import demo
from hanscope.captures.simulator.scenarios import benchmark, simulate

SECOND = 10**9
FRAMES = 30_000
LEGRAND = KnownKey("network", bytes.fromhex("bd4bee1a2f9d58e90ba1300ad59bfad6"), "test")


def ring_of(path: Path | str) -> KeyRing:
    truth = json.loads(Path(f"{path}.json").read_text())
    ring = KeyRing().plus(parse_key(f"network:{truth['network_key']}"))
    for device in truth["devices"]:
        if device["link_key"]:
            ring = ring.plus(parse_key(f"link:{device['link_key']}"))
    return ring


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, KeyRing]:
    path = tmp_path_factory.mktemp("several") / "home.pcap"
    benchmark(path, frames=FRAMES, seed=11)
    return str(path), ring_of(path)


TIMES = frozenset(
    {"started", "ended", "time", "until", "waited_ns", "latency", "duration_ns", "blocks_per_s", "octets_per_s"}
)


def told(analysis: Analysis, left_out: frozenset[str] = frozenset()) -> object:
    """What an analysis says of the network, whichever capture it has it from."""
    nowhere = renumbered(analysis, lambda _: 0)
    built = msgspec.to_builtins(msgspec.structs.replace(nowhere, captures=(), keys=()))
    return without(built, left_out | {"lqi", "rssi_dbm", "filter"})


def without(one: object, left_out: frozenset[str]) -> object:
    if isinstance(one, dict):
        return {name: without(inner, left_out) for name, inner in one.items() if name not in left_out}
    return [without(inner, left_out) for inner in one] if isinstance(one, list | tuple) else one


def merging(analysis: Analysis, index: int) -> Merging:
    found = analysis.captures[index].merging
    assert found is not None
    return found


def test_two_sniffers_with_losses_are_one_that_misses_what_both_missed(
    home: tuple[str, KeyRing], tmp_path: Path
) -> None:
    path, ring = home
    one_heard, two_heard = missing(0.15, 1), missing(0.2, 2)
    one = sniffed(path, tmp_path / "one.pcap", one_heard)
    two = sniffed(path, tmp_path / "two.pcap", two_heard, clock(-3600 * SECOND, 35, 40_000, 1_767_225_600 * SECOND))
    both = sniffed(path, tmp_path / "both.pcap", lambda number: one_heard(number) | two_heard(number))
    expected = analyze([both], keys=ring).analysis
    found = analyze([one, two], keys=ring).analysis
    assert told(found, TIMES) == told(expected, TIMES)
    assert [abs(a.started - b.started) < 100_000 for a, b in zip(found.transfers, expected.transfers, strict=True)]
    first, second = merging(found, 0), merging(found, 1)
    assert first.clock is None
    assert second.clock is not None
    assert second.clock.offset_ns == pytest.approx(-3600 * SECOND, abs=100_000)
    assert second.clock.drift_ppm == pytest.approx(35, abs=1)
    assert second.clock.spread_ns < 40_000
    assert first.common_frames == second.common_frames
    assert 0.66 * FRAMES < first.common_frames < 0.7 * FRAMES
    assert first.kept_frames + second.kept_frames == first.common_frames
    alone = one_heard(np.arange(1, FRAMES + 1)) & ~two_heard(np.arange(1, FRAMES + 1))
    assert 0.98 * alone.sum() < first.only_here <= alone.sum(), "but those with a wrong FCS"


def test_a_transfer_that_neither_holds_whole_is_whole(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    path, ring = home
    whole = analyze([path], keys=ring).analysis
    one = sniffed(path, tmp_path / "one.pcap", lambda number: number % 7 != 0)
    two = sniffed(path, tmp_path / "two.pcap", lambda number: number % 7 != 1)
    alone = analyze([one], keys=ring).analysis
    assert sum(transfer.complete for transfer in alone.transfers) < sum(one.complete for one in whole.transfers)
    found = analyze([one, two], keys=ring).analysis
    assert [one.sha256 for one in found.transfers] == [one.sha256 for one in whole.transfers]
    assert told(found, TIMES) == told(whole, TIMES)


def test_frames_are_those_of_the_captures(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    path, ring = home
    one = sniffed(path, tmp_path / "one.pcap", lambda number: number <= 12_000)
    two = sniffed(path, tmp_path / "two.pcap", lambda number: number > 12_000)
    whole = analyze([path], keys=ring)
    found = analyze([one, two], keys=ring)
    assert [capture.frame_base for capture in found.analysis.captures] == [0, FRAMES_APART]

    def as_in_whole(frame: int) -> int:
        return frame if frame < FRAMES_APART else frame - FRAMES_APART + 12_000

    for part, all_of_it in zip(found.analysis.transfers, whole.analysis.transfers, strict=True):
        assert [as_in_whole(event.frame) for event in part.events] == [event.frame for event in all_of_it.events]
        assert as_in_whole(part.first_frame) == all_of_it.first_frame
        assert as_in_whole(part.last_frame) == all_of_it.last_frame
    frames = [provenance(run) for run in (found, whole)]
    assert [as_in_whole(frame) for frame in frames[0]] == frames[1]
    assert max(frames[0]) > FRAMES_APART > min(frames[0])


def provenance(run: AnalysisRun) -> list[int]:
    """The frames that brought the images."""
    images = [record.image for record in run.records if record.image is not None]
    return [frame for image in images for frame in image.provenance()[2].tolist()]


@pytest.mark.parametrize("cuts", [[15_000], [4000, 4001, 20_000]])
def test_files_that_were_split_are_one(home: tuple[str, KeyRing], tmp_path: Path, cuts: list[int]) -> None:
    path, ring = home
    whole = analyze([path], keys=ring).analysis
    parts: list[str] = []
    for begin, end in zip([0, *cuts], [*cuts, FRAMES], strict=True):
        part = sniffed(path, tmp_path / f"{begin}.pcap", lambda n, begin=begin, end=end: (n > begin) & (n <= end))
        parts.append(part)
    packed = tmp_path / "packed.pcap.gz"
    packed.write_bytes(gzip.compress(Path(parts[0]).read_bytes(), 1))
    parts[0] = str(packed)
    for given in (parts, parts[::-1]):
        found = analyze(given, keys=ring).analysis
        assert told(found) == told(whole)
        assert found.keys[0].nwk_frames == whole.keys[0].nwk_frames
    assert all(merging(found, index).clock is None for index in range(len(parts)))


def test_the_order_of_the_captures_changes_only_the_frames_names(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    path, ring = home
    one = sniffed(path, tmp_path / "one.pcap", missing(0.3, 3))
    two = sniffed(path, tmp_path / "two.pcap", missing(0.3, 4), clock(20 * SECOND, 0, 5_000_000))
    forth, back = analyze([one, two], keys=ring).analysis, analyze([two, one], keys=ring).analysis
    other = (FRAMES_APART, 0)

    def swapped(frame: int) -> int:
        return frame % FRAMES_APART + other[frame // FRAMES_APART]

    assert told(forth) == told(back)
    assert [swapped(one.first_frame) for one in forth.transfers] == [one.first_frame for one in back.transfers]


def test_any_number_of_processes_concludes_the_same(
    home: tuple[str, KeyRing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ring = home
    one = sniffed(path, tmp_path / "one.pcap", missing(0.3, 3))
    two = sniffed(path, tmp_path / "two.pcap", missing(0.3, 4), clock(5000))
    monkeypatch.setattr("hanscope.captures.merge.FEWEST", 1000)
    monkeypatch.setattr("hanscope.captures.merge.RECORDS", 4000)
    monkeypatch.setattr("hanscope.captures.pcap.SMALLEST_CHUNK", 100_000)
    alone = analyze([one, two], keys=ring, processes=1).analysis
    monkeypatch.setattr("hanscope.analyzers.several.POOL_FROM", 0)
    assert analyze([one, two], keys=ring, processes=3).analysis == alone


def test_one_capture_twice_is_one(home: tuple[str, KeyRing]) -> None:
    path, ring = home
    once, twice = analyze([path], keys=ring).analysis, analyze([path, path], keys=ring).analysis
    assert twice.transfers == once.transfers
    assert twice.devices == once.devices
    assert merging(twice, 1).only_here == 0


def test_sniffers_that_stamp_late_still_agree(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    """Host-stamped: up to 15 ms late."""
    path, ring = home
    one = sniffed(path, tmp_path / "one.pcap", missing(0.1, 5))
    two = sniffed(
        path, tmp_path / "two.pcap", missing(0.1, 6), clock(40 * SECOND, -80, 15_000_000, 1_767_225_600 * SECOND)
    )
    one_heard, two_heard = missing(0.1, 5), missing(0.1, 6)
    both = sniffed(path, tmp_path / "both.pcap", lambda number: one_heard(number) | two_heard(number))
    found, expected = analyze([one, two], keys=ring).analysis, analyze([both], keys=ring).analysis
    assert summary(found.transfers) == summary(expected.transfers)


def summary(transfers: Sequence[Transfer]) -> list[tuple[object, ...]]:
    return [
        (one.client, one.file_version, one.state, one.received_bytes, one.missing_ranges, one.sha256, one.end_status)
        for one in transfers
    ]


def test_captures_of_different_networks_do_not_disturb_each_other(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    """The neighbour's capture begins later and goes on longer: an unfinished transfer has not stalled because of it."""
    path, ring = home
    neighbour = tmp_path / "neighbour.pcap"
    demo(neighbour)
    begin = sniffed(path, tmp_path / "begin.pcap", lambda number: number <= 9000)
    later = sniffed(neighbour, tmp_path / "later.pcap", clock=clock(100 * SECOND))
    apart = [analyze([one], keys=ring).analysis for one in (begin, later)]
    found = analyze([begin, later], keys=ring).analysis
    expected = [one for alone in apart for one in alone.transfers]
    assert sorted(summary(found.transfers), key=repr) == sorted(summary(expected), key=repr)
    assert "downloading" in {one.state for one in apart[0].transfers}
    assert sum(len(one.devices) for one in apart) == len(found.devices)


def test_what_nobody_listened_to_is_no_silence(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    """Two captures of one network, a day apart: the transfer of the first may have gone on."""
    path, ring = home
    begin = sniffed(path, tmp_path / "begin.pcap", lambda number: number <= 9000)
    end = sniffed(path, tmp_path / "end.pcap", lambda number: number > 29_000, clock(86_400 * SECOND))
    running = [one.id for one in analyze([begin], keys=ring).analysis.transfers if one.state == "downloading"]
    found = analyze([begin, end], keys=ring).analysis
    assert running
    assert {one.state for one in found.transfers if one.id in running} <= {"downloading", "superseded"}


def test_a_key_that_one_capture_teaches_opens_the_other(data: Path, tmp_path: Path) -> None:
    """The Transport-Keys are in the middle one of three parts."""
    path = data / "captures" / "catsniffer-ota.tap.pcap"
    whole = analyze([str(path)], keys=KeyRing()).analysis
    parts = [
        sniffed(
            path, tmp_path / f"{index}.pcap", lambda number, bounds=bounds: (number >= bounds[0]) & (number < bounds[1])
        )
        for index, bounds in enumerate([(1, 100), (100, 20_000), (20_000, 10**6)])
    ]
    found = analyze(parts, keys=KeyRing()).analysis
    assert told(found) == told(whole)
    assert [key.nwk_frames for key in found.keys] == [key.nwk_frames for key in whole.keys]
    late = analyze([parts[2], parts[0], parts[1]], keys=KeyRing()).analysis
    assert told(late) == told(whole)
    heard = {key.source for key in late.keys if "Transport-Key" in key.source}
    assert heard == {"frame 3:9 (Transport-Key)", "frame 3:24 (Transport-Key)"}


def test_a_real_capture_heard_twice_with_losses_is_the_whole_one(data: Path, tmp_path: Path) -> None:
    path = data / "captures" / "legrand-page-requests.pcap"
    ring = KeyRing((LEGRAND,))
    whole = analyze([str(path)], keys=ring).analysis
    one = sniffed(path, tmp_path / "one.pcap", lambda number: number % 3 != 0)
    two = sniffed(path, tmp_path / "two.pcap", lambda number: number % 3 != 1, clock(77 * SECOND, 20, 0))
    found = analyze([one, two], keys=ring).analysis
    assert summary(found.transfers) == summary(whole.transfers)
    assert found.captures[1].merging is not None


def test_faults_and_empty_captures_stay_with_their_file(home: tuple[str, KeyRing], tmp_path: Path) -> None:
    path, ring = home
    content = Path(path).read_bytes()
    cut, empty = tmp_path / "cut.pcap", tmp_path / "empty.pcap"
    cut.write_bytes(content[:-7])
    empty.write_bytes(content[:24])
    found = analyze([str(empty), path, str(cut)], keys=ring).analysis
    assert [len(capture.faults) for capture in found.captures] == [0, 0, 1]
    assert [capture.frames for capture in found.captures] == [0, FRAMES, FRAMES - 1]
    assert told(found) == told(analyze([path], keys=ring).analysis)


def test_standard_input_may_be_one_of_them(
    home: tuple[str, KeyRing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ring = home
    one = sniffed(path, tmp_path / "one.pcap", lambda number: number <= 12_000)
    two = sniffed(path, tmp_path / "two.pcap", lambda number: number > 12_000)
    with Path(two).open("rb") as piped:
        monkeypatch.setattr(inputs, "STANDARD_INPUT", piped.fileno())
        found = analyze([one, "-"], keys=ring).analysis
    assert [capture.path for capture in found.captures] == [one, "standard input"]
    assert told(found) == told(analyze([path], keys=ring).analysis)


@pytest.mark.parametrize("calls", [1, 4])
def test_an_interrupted_reading_tells_what_it_had(
    home: tuple[str, KeyRing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """In the first look at the captures, or in the reading itself."""
    path, ring = home
    one = sniffed(path, tmp_path / "one.pcap", lambda number: number <= 12_000)
    two = sniffed(path, tmp_path / "two.pcap", lambda number: number > 12_000)
    left = [calls]

    def impatient(_: inputs.Progress) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr("hanscope.captures.merge.FEWEST", 1000)
    found = analyze([one, two], keys=ring, progress=impatient).analysis
    assert found.interrupted
    assert [capture.path for capture in found.captures] == [one, two]
    assert bool(found.layers) == (calls > 1)


def test_one_capture_alone_needs_none_of_this(home: tuple[str, KeyRing], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("hanscope.analyzers.several.SeveralCaptures.__init__", never)
    monkeypatch.setattr("hanscope.analyzers.renumber.renumbered", never)
    path, ring = home
    (capture,) = module.analyze([path], keys=ring).analysis.captures
    assert (capture.frame_base, capture.merging) == (0, None)


@pytest.mark.parametrize("scenario", ["house-update", "gsme-update", "sub-ghz-update"])
def test_updates_are_told_from_two_sniffers_as_from_one(scenario: str, tmp_path: Path) -> None:
    """Each missed a quarter; what both missed, the one has missed too."""
    path = tmp_path / "house.pcap"
    truth = simulate(scenario, path, seed=5, size=6000)
    keys = [f"network:{truth.han.network_key.hex()}"]
    keys += [f"link:{node.link_key.hex()}" for node in truth.han.nodes if node.link_key]
    ring = KeyRing()
    for key in keys:
        ring = ring.plus(parse_key(key))
    one_heard, two_heard = missing(0.25, 7), missing(0.25, 8)
    one = sniffed(path, tmp_path / "one.pcap", one_heard)
    two = sniffed(path, tmp_path / "two.pcap", two_heard, clock(9 * SECOND, -25, 1000, 1_767_225_600 * SECOND))
    both = sniffed(path, tmp_path / "both.pcap", lambda number: one_heard(number) | two_heard(number))
    found, expected = analyze([two, one], keys=ring).analysis, analyze([both], keys=ring).analysis
    assert [update.state for update in found.updates] == [update.state for update in expected.updates]
    assert found.updates
    assert told(found, TIMES | {"quality"}) == told(expected, TIMES | {"quality"})


@pytest.mark.parametrize("by", [3 * SECOND, -3 * SECOND])
def test_a_clock_that_is_set_while_a_sniffer_runs_is_followed_and_told(by: int, tmp_path: Path) -> None:
    path = tmp_path / "house.pcap"
    truth = simulate("esme-update", path, seed=6, size=8000)
    ring = ring_of(path)
    length = int(analyze([str(path)], keys=ring).analysis.captures[0].ended or 0) - 1_767_225_600 * SECOND
    middle = 1_767_225_600 * SECOND + length // 2
    ahead = clock(9 * SECOND, -25, 0, 1_767_225_600 * SECOND)
    good = np.ones(truth.frames + 1, np.bool_)
    good[truth.damaged] = False
    one_heard, two_heard = missing(0.25, 9), missing(0.25, 10)
    one = sniffed(path, tmp_path / "one.pcap", lambda number: one_heard(number) | ~two_heard(number) | ~good[number])
    two = sniffed(
        path,
        tmp_path / "two.pcap",
        lambda number: two_heard(number) & good[number],
        lambda time_ns: ahead(time_ns) + np.where(time_ns < middle, 0, by),
    )
    found, expected = analyze([two, one], keys=ring).analysis, analyze([str(path)], keys=ring).analysis
    assert told(found, TIMES | {"quality"}) == told(expected, TIMES | {"quality"})
    one_clock, two_clock = merging(found, 1), merging(found, 0)
    assert (one_clock.clock, one_clock.clock_settings) == (None, ())
    assert two_clock.clock is not None
    assert two_clock.clock.offset_ns == pytest.approx(9 * SECOND, abs=100_000)
    assert two_clock.clock.drift_ppm == pytest.approx(-25, abs=0.1)
    (setting,) = two_clock.clock_settings
    assert setting.by_ns == pytest.approx(by, abs=100_000)
    assert abs(setting.time - middle) < SECOND
