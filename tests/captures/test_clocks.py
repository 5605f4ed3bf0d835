"""Clocks of sniffers: what two captures have in common tells how they differ."""

import numpy as np
import pytest
from msgspec.structs import replace

from hanscope.captures.batch import FrameBatch
from hanscope.captures.clocks import SAMPLED, Clock, Onward, Survey, clocks, fitted, hashed

SECOND = 10**9
START = 1_767_225_600 * SECOND


def times(count: int = 2000, seed: int = 1) -> np.ndarray:
    """Half an hour of frames."""
    return START + np.sort(np.random.default_rng(seed).integers(0, 1800 * SECOND, count))


def test_offset_and_drift_are_found_to_the_microsecond() -> None:
    own = times()
    other = own - 7 * SECOND - ((own - START) * 60e-6).astype(np.int64)
    fit = fitted(own, other)
    assert fit is not None
    assert np.abs(fit.read(own) - other).max() < 1000
    assert fit.slope == pytest.approx(-60e-6, rel=1e-4)
    assert fit.spread_ns < 1000
    assert fit.matches == 2000


def test_late_stamps_and_false_matches_do_little_harm() -> None:
    random = np.random.default_rng(2)
    own = times()
    other = own + 3600 * SECOND + random.integers(0, 10_000_000, len(own))
    other[::7] = START + random.integers(0, 10**6, len(own[::7])) * SECOND
    fit = fitted(own, other)
    assert fit is not None
    error = np.abs(fit.read(own) - own - 3600 * SECOND - 5_000_000)
    assert np.quantile(error, 0.99) < 2_000_000
    assert 3_000_000 < fit.spread_ns < 12_000_000


@pytest.mark.parametrize("by", [2 * SECOND, -2 * SECOND, SECOND // 10, 86_400 * SECOND])
def test_a_clock_that_is_set_meanwhile_is_followed(by: int) -> None:
    own = times()
    other = own + 5 * SECOND + np.where(own - START < 900 * SECOND, 0, by) + ((own - START) * 40e-6).astype(np.int64)
    other[::9] += 3600 * SECOND
    fit = fitted(own, other)
    assert fit is not None
    right = np.arange(len(own)) % 9 != 0
    assert np.abs(fit.read(own) - other)[right].max() < 1000
    assert fit.slope == pytest.approx(40e-6, rel=1e-3)
    ((when, much),) = fit.steps
    assert own[own - START < 900 * SECOND][-1] < when <= own[own - START >= 900 * SECOND][0]
    assert much == pytest.approx(by, abs=1000)


def test_of_six_frames_three_may_be_before_a_clock_was_set_if_more_are_not_needed() -> None:
    """Too few to tell a clock that was set from false matches: what most say stands."""
    own = START + np.arange(9) * SECOND
    fit = fitted(own, own + np.where(np.arange(9) < 3, 0, 60 * SECOND))
    assert fit is not None
    assert np.abs(fit.read(own[3:]) - own[3:] - 60 * SECOND).max() < 1000
    assert (fit.matches, fit.steps) == (6, ())


def one_after_the_other(stamps: np.ndarray, size: int) -> tuple[np.ndarray, Onward]:
    found = Onward()
    frames = data_frames(len(stamps))
    parts = [slice(begin, begin + size) for begin in range(0, len(stamps), size)]
    return np.concatenate([found.read(batch(frames[part], stamps[part])) for part in parts]), found


@pytest.mark.parametrize("size", [1000, 7])
def test_a_clock_that_is_set_back_goes_on(size: int) -> None:
    stamps = START + np.arange(100) * SECOND // 10
    stamps[40:] -= 2 * SECOND
    stamps[80:] -= 3600 * SECOND
    read, onward = one_after_the_other(stamps, size)
    assert (read[:40] == stamps[:40]).all()
    assert (np.diff(read) == np.where(np.isin(np.arange(99), [39, 79]), SECOND // 1000, SECOND // 10)).all()
    assert onward.lifts == [
        (int(read[40]), 19 * SECOND // 10 + SECOND // 1000),
        (int(read[80]), 3600 * SECOND - SECOND // 10 + SECOND // 1000),
    ]


def test_wild_stamps_are_no_clock_that_was_set_back() -> None:
    stamps = START + np.arange(100) * SECOND // 10
    stamps[20], stamps[40], stamps[60] = 0, START + 10**6 * SECOND, START
    read, onward = one_after_the_other(stamps, 1000)
    assert (read == stamps).all()
    assert onward.lifts == []


def test_interfaces_that_deliver_in_turns_are_no_clock_that_was_set_back() -> None:
    stamps = START + np.arange(100) * SECOND // 10
    turns = np.arange(100) // 4 % 2
    made = batch(data_frames(100), stamps - turns * SECOND)
    found = Onward()
    assert (found.read(replace(made, source=turns.astype(np.uint16))) == made.time_ns).all()


def test_a_crystal_that_warms_up_is_followed() -> None:
    own = times(20_000)
    other = own + (5_000_000 * np.sin((own - START) / (1800 * SECOND) * np.pi)).astype(np.int64)
    fit = fitted(own, other)
    assert fit is not None
    assert np.abs(fit.read(own) - other).max() < 500_000


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_matches_are_none(count: int) -> None:
    assert fitted(times(count), times(count)) is None


def test_matches_that_contradict_each_other_are_none() -> None:
    random = np.random.default_rng(3)
    assert fitted(times(), START + random.integers(0, 10**6, 2000) * SECOND) is None


def test_replays_of_what_another_file_holds_are_no_common_frames() -> None:
    """The end of one file again in the next one: seconds later, some more, some less."""
    own = times(6)
    assert fitted(own, own - np.array([2, 8, 3, 7, 5, 6]) * SECOND) is None


def batch(frames: list[bytes], time_ns: np.ndarray) -> FrameBatch:
    length = np.array([len(frame) for frame in frames])
    count = len(frames)
    return FrameBatch(
        number=np.arange(1, count + 1),
        time_ns=time_ns.astype(np.int64),
        buffer=np.frombuffer(b"".join(frames) + bytes(256), np.uint8),
        at=np.cumsum(length) - length,
        length=length,
        fcs=np.ones(count, np.uint8),
        rssi_dbm=np.full(count, np.nan, np.float32),
        lqi=np.full(count, -1, np.int16),
        channel=np.full(count, -1, np.int16),
        page=np.full(count, -1, np.int16),
        source=np.zeros(count, np.uint16),
        truncated=np.zeros(count, np.bool_),
    )


def data_frames(count: int, seed: int = 0) -> list[bytes]:
    """MAC data frames of PAN 0x1234, no two alike."""
    random = np.random.default_rng(seed)
    head = bytes.fromhex("6188003412")
    return [head + random.bytes(int(length)) for length in random.integers(20, 100, count)]


def survey(frames: list[bytes], time_ns: np.ndarray) -> Survey:
    found = Survey()
    for begin in range(0, len(frames), 1000):
        found.add(batch(frames[begin : begin + 1000], time_ns[begin : begin + 1000]))
    return found


def test_captures_that_hang_together_get_one_reference() -> None:
    """The third has frames in common with the second only."""
    frames, when = data_frames(3000), times(3000)
    one = survey(frames[:2000], when[:2000])
    two = survey(frames[1000:], when[1000:] + 5 * SECOND)
    three = survey(frames[2500:], when[2500:] - 9 * SECOND)
    stranger = survey(data_frames(500, seed=9), times(500))
    found = clocks([one, two, three, stranger])
    assert [clock.reference for clock in found] == [0, 0, 0, 3]
    assert [clock.fit.matches if clock.fit else 0 for clock in found] == [0, 1000, 500, 0]
    for clock, shift in zip(found, (0, 5, -9, 0), strict=True):
        assert np.abs(clock.read(when + shift * SECOND) - when).max() < 1000


def test_a_survey_knows_span_and_networks() -> None:
    found = survey(data_frames(50), times(50))
    assert (found.frames, found.pans) == (50, {0x1234: 50})
    assert (found.first_ns, found.last_ns) == (times(50)[0], times(50)[-1])


def test_samples_stay_small_and_stay_comparable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanscope.captures.clocks.SAMPLED", 512)
    assert SAMPLED > 512
    frames, when = data_frames(8000), times(8000)
    flood = [frames[0]] * 4000
    large, small = survey([*frames, *flood], np.append(when, np.full(4000, when[-1]))), survey(frames[:300], when[:300])
    assert 128 <= len(large.sample()[0]) <= 512
    common = np.isin(small.sample()[0], large.sample()[0])
    assert 1 <= common.sum() <= 100
    assert (
        hashed(*(getattr(batch(frames[:1], when), name) for name in ("buffer", "at", "length")))[0]
        not in large.sample()[0]
    ), "it occurs more than once"


def test_hashes_tell_frames_apart() -> None:
    base = bytes(range(120))
    variants = [base, base[:-1]] + [
        base[:at] + bytes([base[at] ^ 1 << bit]) + base[at + 1 :] for at in range(120) for bit in range(8)
    ]
    variants += [bytes(length) for length in range(1, 127)]
    one = batch(variants, np.arange(len(variants)))
    assert len(np.unique(hashed(one.buffer, one.at, one.length))) == len(variants)


def test_a_clock_without_steps_is_the_reference() -> None:
    assert Clock(0).read(np.array([1, 2])).tolist() == [1, 2]
    assert Clock(0).spread_ns == 0
