"""When a frame was, from a counter that wraps, stands still or begins anew."""

import pytest

from hanscope.captures.sniffers.base import MICROSECONDS_64, Clock, Timebase

SECOND = 1_000_000_000
TI = Timebase(32_000_000, 1 << 32)
WALL = 1_700_000_000 * SECOND


def told(clock: Clock, device_ns: int, host_ns: int | None = None) -> int:
    """Seconds, as nanoseconds, after the wall clock's time at host time 0."""
    ticks = device_ns * clock.base.ticks_per_second // SECOND % clock.base.period
    host = device_ns if host_ns is None else host_ns
    return clock.time_ns(ticks, host, WALL + host) - WALL


def test_distances_are_those_of_the_device() -> None:
    clock = Clock(TI)
    assert [told(clock, at, at + 7_000_000) for at in (0, 1000, 2_000_000)] == [7_000_000, 7_001_000, 9_000_000]


def test_frames_a_little_out_of_order_are_no_wrap() -> None:
    clock = Clock(TI)
    assert [told(clock, at) for at in (5_000_000, 4_000_000, 6_000_000)] == [5_000_000, 4_000_000, 6_000_000]


@pytest.mark.parametrize("silence_s", [100, 140, 300, 3600, 86_400])
def test_silence_of_several_wraps_is_counted_by_the_host(silence_s: int) -> None:
    clock = Clock(TI)
    told(clock, 0)
    assert told(clock, silence_s * SECOND, silence_s * SECOND + 3_000_000) == silence_s * SECOND


def test_late_arrival_is_no_jump() -> None:
    clock = Clock(TI)
    times = [(0, 0), (10_000_000, 5 * SECOND), (4 * SECOND, 5 * SECOND), (6 * SECOND, 6 * SECOND)]
    assert [told(clock, device, host) for device, host in times] == [device for device, _ in times]
    assert clock.resets == 0


def test_frames_that_waited_together_before_the_first_was_read_are_no_restart() -> None:
    clock = Clock(TI)
    waited = [told(clock, device, 5 * SECOND) for device in (0, SECOND, 4 * SECOND)]
    assert [at - waited[0] for at in waited] == [0, SECOND, 4 * SECOND]
    assert told(clock, 6 * SECOND, 6 * SECOND) - waited[0] == 6 * SECOND
    assert clock.resets == 0


@pytest.mark.parametrize("base", [TI, MICROSECONDS_64])
@pytest.mark.parametrize("before_s", [20, 100, 1000])
def test_device_that_restarts_begins_a_new_epoch_at_the_hosts_time(base: Timebase, before_s: int) -> None:
    clock = Clock(base)
    told(clock, 0)
    told(clock, (before_s - 1) * SECOND)
    told(clock, before_s * SECOND)
    assert told(clock, SECOND // 2, (before_s + 1) * SECOND) == (before_s + 1) * SECOND
    assert told(clock, SECOND, (before_s + 1) * SECOND + SECOND // 2) == (before_s + 1) * SECOND + SECOND // 2
    assert clock.resets == 1


def test_drift_is_told_and_not_corrected() -> None:
    clock = Clock(TI)
    for second in range(600):
        device = second * SECOND
        assert told(clock, device, device + second * 40_000 + second % 5 * 1_000_000) == device
    assert clock.drift_ppm == pytest.approx(40, abs=2)
