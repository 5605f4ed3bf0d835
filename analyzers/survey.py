"""Which networks there are: a sniffer listens on one channel after the other, and sends nothing.

A network is a PAN id on a channel. Beacons (802.15.4 7.3.1, with ZigBee's payload: 05-3474 3.6.7) tell its extended PAN
id and whether devices may join; they come only when somebody asks for them, so a network may be found without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from hanscope.analyzers import layoutcache
from hanscope.analyzers.network import traffic_of
from hanscope.analyzers.results import Result
from hanscope.captures.batch import Fcs, FrameBatch, Interface
from hanscope.captures.linklayer import TAP, decide, frames
from hanscope.captures.sniffers.base import Dated, Sniffer
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.tap import of_heard
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.eui64 import eui64_text

DWELL_S: Final = 2.0
NETWORKS: Final = 1000
"""Networks of one channel that are told apart."""
DEVICES: Final = 1000
"""Devices of one network that are told apart."""
_BROADCAST: Final = 0xFFFF


class Network(Result, frozen=True, kw_only=True):
    """A network that was heard."""

    page: int
    channel: int
    pan_id: int
    extended_pan_id: str | None
    """`None`: no beacon was heard."""
    joining: bool | None
    """Whether a beacon said that devices may join."""
    frames: int
    devices: int
    """Transmitters."""
    rssi_dbm: float | None
    """Of the strongest transmitter, on average."""


class Heard(Result, frozen=True, kw_only=True):
    """What was heard on a channel."""

    page: int
    channel: int
    frequency_mhz: float
    seconds: float
    frames: int
    bad_fcs: int
    networks: tuple[Network, ...]


@dataclass(slots=True)
class _Net:
    frames: int = 0
    devices: dict[tuple[int, int], list[float]] = field(default_factory=dict[tuple[int, int], list[float]])
    """By short address and EUI-64: sum and count of the strength."""
    extended_pan_id: int | None = None
    joining: bool | None = None


@dataclass(slots=True)
class _Ear:
    """What has been heard on one channel."""

    channel: Channel
    seconds: float = 0.0
    frames: int = 0
    bad_fcs: int = 0
    networks: dict[int, _Net] = field(default_factory=dict[int, _Net])

    def hear(self, batch: FrameBatch, engine: Engine) -> None:
        self.frames += len(batch)
        good = np.flatnonzero(batch.fcs != Fcs.INVALID)
        self.bad_fcs += len(batch) - len(good)
        mac = engine.mac.sift(batch.buffer, batch.at[good], batch.length[good])
        traffic = traffic_of(batch, good, mac)
        for at in range(len(traffic)):
            net = self._network(int(traffic.pan_id[at]))
            if net is None:
                continue
            net.frames += int(traffic.frames[at])
            who = int(traffic.short[at]), int(traffic.eui64[at])
            if who in net.devices or len(net.devices) < DEVICES:
                strength = net.devices.setdefault(who, [0.0, 0.0])
                strength[0] += float(traffic.rssi_sum[at])
                strength[1] += float(traffic.rssi_count[at])
        for group in mac.groups:
            slots = group.layout.slots
            if "ZigbeeBeacon.extended_pan_id" not in slots or "Mac.source_pan_id" not in slots:
                continue
            pans = group.uint("Mac.source_pan_id").tolist()
            extended = group.uint("ZigbeeBeacon.extended_pan_id").tolist()
            permits = group.uint("MacBeacon.association_permit").tolist()
            for pan_id, extended_pan_id, permit in zip(pans, extended, permits, strict=True):
                if (net := self._network(pan_id)) is not None:
                    net.extended_pan_id, net.joining = extended_pan_id, bool(permit)

    def _network(self, pan_id: int) -> _Net | None:
        if pan_id < 0 or pan_id == _BROADCAST:
            return None
        if pan_id not in self.networks and len(self.networks) >= NETWORKS:
            return None
        return self.networks.setdefault(pan_id, _Net())

    def result(self) -> Heard:
        found = sorted(self.networks.items(), key=lambda item: -item[1].frames)
        return Heard(
            page=self.channel.page,
            channel=self.channel.number,
            frequency_mhz=self.channel.frequency_mhz,
            seconds=round(self.seconds, 3),
            frames=self.frames,
            bad_fcs=self.bad_fcs,
            networks=tuple(self._result(pan_id, net) for pan_id, net in found),
        )

    def _result(self, pan_id: int, net: _Net) -> Network:
        strengths = [total / count for total, count in net.devices.values() if count]
        return Network(
            page=self.channel.page,
            channel=self.channel.number,
            pan_id=pan_id,
            extended_pan_id=None if net.extended_pan_id is None else eui64_text(net.extended_pan_id),
            joining=net.joining,
            frames=net.frames,
            devices=len(net.devices),
            rssi_dbm=max(strengths, default=None),
        )


def survey(
    sniffer: Sniffer,
    channels: Sequence[Channel],
    *,
    dwell_s: float = DWELL_S,
    stopped: Callable[[], bool] = lambda: False,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Heard]:
    """Listens on each channel for so long and tells what it heard there. Raises `SnifferError`."""
    engine = Engine(layoutcache.load())
    try:
        for place, channel in enumerate(channels):
            if place:
                sniffer.tune(channel)
            else:
                sniffer.begin(channel)
            ear = _Ear(channel)
            begun = monotonic()
            while monotonic() - begun < dwell_s and not stopped():
                dated = sniffer.dated()
                if dated.frames:
                    ear.hear(_batch(dated, channel), engine)
            ear.seconds = monotonic() - begun
            if ear.frames or not stopped():
                yield ear.result()
            if stopped():
                return
    finally:
        sniffer.close()


def _batch(dated: Dated, channel: Channel) -> FrameBatch:
    records = of_heard(dated.times_ns, dated.frames, channel, first_number=1)
    return frames(records, decide(records, [Interface(0, TAP)]))
