"""What all sniffers have in common: the frames they deliver, what they count, how they fail, and when a frame was."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple, Protocol

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.channels import CHANNELS_2_4_GHZ, PAGE_2_4_GHZ, Channel

SECOND: Final = 1_000_000_000
LARGEST_PSDU: Final = 127
"""Octets of a frame with its FCS on 2.4 GHz (802.15.4 aMaxPhyPacketSize)."""
LARGEST_SUN_PSDU: Final = 2047
"""The same where the PHY header has two octets (802.15.4 SUN PHYs)."""
DRIFT_PPM: Final = 100.0
"""A clock that differs more from the host's is told: 802.15.4 allows 40 ppm, a computer's is little better."""
CLOCKS: Final = 256
"""Devices in one stream whose clocks are followed; those of others count by their frames' arrival."""
POLL_S: Final = 0.1
"""How long `Sniffer.read` waits for frames."""


class SnifferError(Exception):
    """A sniffer cannot be used, or not any longer. `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


class Unplugged(SnifferError):  # noqa: N818 -- an end, not a mistake
    """The device went away while it was used: what it delivered until then stands."""


def on_2_4_ghz(name: str, channel: Channel | None) -> Channel:
    """The channel that a sniffer is to listen on (none: the first), which is one that hears 2.4 GHz only."""
    if channel is not None and channel.page != PAGE_2_4_GHZ:
        raise SnifferError(f"{name} cannot hear channel {channel}", "it hears 2.4 GHz, channels 11 to 26")
    return channel or Channel(CHANNELS_2_4_GHZ[0])


class Heard(NamedTuple):
    """A frame as a sniffer delivers it."""

    octets: bytes
    """The frame without its FCS."""
    fcs: Fcs
    ticks: int | None = None
    """The device's clock, as it stands in the record; `None`: it has none, and the host's time of arrival counts."""
    rssi_dbm: float | None = None
    lqi: int | None = None
    channel: Channel | None = None
    """`None`: the one that the sniffer was tuned to."""
    trailer: bytes = b""
    """The FCS as it was received; empty when the device keeps it to itself."""
    device: int = 0
    """Which of several devices that send into one stream, each with its own clock."""


@dataclass(slots=True)
class Counts:
    """What came from a sniffer beside good frames."""

    frames: int = 0
    """Delivered, bad ones included."""
    bad_fcs: int = 0
    corrupt: int = 0
    """Stretches of octets that are no record: damaged, or the rest of a record that was lost."""
    ignored: int = 0
    """Records that are no frames: clock ticks, texts, answers."""
    lost: int = 0
    """Frames or records that the device says it could not deliver."""
    clock_resets: int = 0
    """How often the device's clock began anew."""

    def add(self, frames: list[Heard]) -> None:
        self.frames += len(frames)
        self.bad_fcs += sum(one.fcs == Fcs.INVALID for one in frames)

    def problems(self) -> list[str]:
        """What went wrong, in words; empty if nothing did."""
        named = {
            "with a wrong FCS": self.bad_fcs,
            "stretches of damaged data": self.corrupt,
            "lost by the device": self.lost,
            "restarts of the device's clock": self.clock_resets,
        }
        return [f"{count} {what}" for what, count in named.items() if count]


class Decoder(Protocol):
    """Turns what a device sends into frames, in pieces of any size."""

    counts: Counts

    def feed(self, octets: bytes) -> list[Heard]:
        """The frames that these octets complete."""
        ...


class Timebase(NamedTuple):
    """How a device counts time."""

    ticks_per_second: int
    period: int
    """Ticks until its counter begins at 0 again."""


MICROSECONDS_32: Final = Timebase(1_000_000, 1 << 32)
MICROSECONDS_48: Final = Timebase(1_000_000, 1 << 48)
MICROSECONDS_64: Final = Timebase(1_000_000, 1 << 64)

_EARLY_NS: Final = 2 * SECOND
"""A device that is suddenly so far ahead of the host, or behind itself, has restarted."""
_WINDOW_NS: Final = 30 * SECOND


class Clock:
    """Unix time of frames from a device's counter, which wraps.

    The distance of two frames is exactly what the device counted. The host's clock decides only how often the counter
    wrapped in between, which needs no more precision than half a period, and where the first frame lies. What a device
    counts differently from the host (`drift_ppm`) is told and not corrected: corrected times would no longer be those
    that the device measured.
    """

    def __init__(self, base: Timebase) -> None:
        self.base = base
        self.resets = 0
        self._last: int | None = None
        """Ticks without wraps, from the first frame on."""
        self._raw = 0
        self._arrived = 0
        self._began = 0
        """When the first frame of this epoch arrived."""
        self._anchor_ns = 0
        """Unix time of tick 0 of the count without wraps."""
        self._lead: int | None = None
        """Least difference of host and device in this epoch: the host's latency is never negative."""
        self._window: tuple[int, int] | None = None
        """Device time at which this window began, and the least difference in it."""
        self._first: tuple[int, int] | None = None
        self._latest: tuple[int, int] | None = None

    def time_ns(self, ticks: int, arrived_ns: int, wall_ns: int) -> int:
        """Unix time of a frame: `arrived_ns` by a clock that never steps, `wall_ns` the Unix time at that moment."""
        ticks %= self.base.period
        if self._last is None:
            return self._begin(ticks, arrived_ns, wall_ns)
        gap = arrived_ns - self._arrived
        expected = gap * self.base.ticks_per_second // SECOND
        step = (ticks - self._raw) % self.base.period
        step += self.base.period * round((expected - step) / self.base.period)
        moved = step * SECOND // self.base.ticks_per_second
        late = (self._arrived - self._nanoseconds(self._last)) - (self._lead or 0)
        # How late the first frame came shows only when others come: those that waited with it are not ahead.
        ahead = moved - gap > late + _EARLY_NS and arrived_ns != self._began
        if moved < -_EARLY_NS or ahead:
            self.resets += 1
            return self._begin(ticks, arrived_ns, wall_ns)
        self._last += step
        self._raw, self._arrived = ticks, arrived_ns
        device_ns = self._nanoseconds(self._last)
        self._observe(device_ns, arrived_ns - device_ns)
        return self._anchor_ns + device_ns

    @property
    def drift_ppm(self) -> float | None:
        """How much faster (negative: slower) the host counts; `None` before there is half a minute to compare."""
        if self._first is None or self._latest is None or self._latest[0] - self._first[0] < _WINDOW_NS:
            return None
        return 1e6 * (self._latest[1] - self._first[1]) / (self._latest[0] - self._first[0])

    def _begin(self, ticks: int, arrived_ns: int, wall_ns: int) -> int:
        self._last, self._raw, self._arrived, self._began = ticks, ticks, arrived_ns, arrived_ns
        device_ns = self._nanoseconds(ticks)
        self._anchor_ns = wall_ns - device_ns
        self._lead, self._window, self._first, self._latest = arrived_ns - device_ns, None, None, None
        return wall_ns

    def _nanoseconds(self, ticks: int) -> int:
        return ticks * SECOND // self.base.ticks_per_second

    def _observe(self, device_ns: int, lead: int) -> None:
        self._lead = lead if self._lead is None else min(self._lead, lead)
        if self._window is None or device_ns - self._window[0] > _WINDOW_NS:
            if self._window is not None:
                self._first, self._latest = self._first or self._window, self._window
            self._window = device_ns, lead
        else:
            self._window = self._window[0], min(self._window[1], lead)


@dataclass(slots=True)
class Dated:
    """Frames with their Unix times."""

    times_ns: list[int] = field(default_factory=list[int])
    frames: list[Heard] = field(default_factory=list[Heard])


class Sniffer(ABC):
    """A device or stream in use: `begin`, then `read` again and again, at last `close`."""

    model: ClassVar[str]
    """Its name in the command line."""
    timebase: ClassVar[Timebase | None] = None
    """`None`: frames carry no time, the host's counts."""

    def __init__(self) -> None:
        self.name = self.model
        """Which one it is: model and port."""
        self.channel: Channel | None = None
        self.monotonic_ns: Callable[[], int] = time.monotonic_ns
        self.wall_ns: Callable[[], int] = time.time_ns
        self._clocks: dict[int, Clock] = {}
        """By device."""
        self._latest = 0

    @property
    @abstractmethod
    def counts(self) -> Counts: ...

    @abstractmethod
    def begin(self, channel: Channel | None) -> None:
        """Open the device and have it listen. `None`: whatever channel it or its stream has."""

    @abstractmethod
    def tune(self, channel: Channel) -> None:
        """Listen on another channel from now on."""

    @abstractmethod
    def read(self) -> list[Heard]:
        """Frames that have come, after `POLL_S` at the latest. Raises `Unplugged` when the device is gone."""

    @abstractmethod
    def close(self) -> None:
        """Have the device rest and let go of it; never fails, may be called twice."""

    def problems(self) -> list[str]:
        """What went wrong, in words; empty if nothing did."""
        drift = max((clock.drift_ppm or 0.0 for clock in self._clocks.values()), key=abs, default=0.0)
        if abs(drift) <= DRIFT_PPM:
            return self.counts.problems()
        way = "slow" if drift > 0 else "fast"
        return [*self.counts.problems(), f"its clock is {abs(drift):.0f} ppm {way} (times are the sniffer's)"]

    def dated(self) -> Dated:
        """`read`, and when each frame was. Times of a device without a clock do not go backwards."""
        frames = self.read()
        if not frames:
            return Dated()
        arrived, wall = self.monotonic_ns(), self.wall_ns()
        times: list[int] = []
        for frame in frames:
            clock = None if frame.ticks is None else self._clock(frame.device)
            if clock is None or frame.ticks is None:
                self._latest = max(self._latest, wall)
            else:
                self._latest = clock.time_ns(frame.ticks, arrived, wall)
            times.append(self._latest)
        self.counts.clock_resets = sum(clock.resets for clock in self._clocks.values())
        return Dated(times, frames)

    def _clock(self, device: int) -> Clock | None:
        """`None`: frames tell no times, or there are too many clocks."""
        if self.timebase is not None and device not in self._clocks and len(self._clocks) < CLOCKS:
            self._clocks[device] = Clock(self.timebase)
        return self._clocks.get(device)
