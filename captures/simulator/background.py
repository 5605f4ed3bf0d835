"""What goes on in a HAN beside firmware updates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import HOP_NS, SECOND, Air
from hanscope.captures.simulator.han import HUB, Role

LINK_STATUS_S: Final = 15
BEACON_S: Final = 97
REPORT_S: Final = 10
GAS_REPORT_S: Final = 120
PRICE_S: Final = 30
ROUTE_RECORD_S: Final = 60
POLL_S: Final = 5


Times = NDArray[np.int64]
Interval = tuple[int, int]
"""[begin, end) in nanoseconds since the start."""


@dataclass(slots=True)
class Silence:
    """When nodes, by index, do not do what they always do."""

    reports: dict[int, list[Interval]] = field(default_factory=dict[int, list[Interval]])
    """No application traffic."""
    everything: dict[int, list[Interval]] = field(default_factory=dict[int, list[Interval]])


def _outside(times: Times, intervals: Sequence[Interval]) -> Times:
    for begin, end in intervals:
        times = times[(times < begin) | (times >= end)]
    return times


class Background:
    """The routine of every node; each kind of event comes at its own period, a little early or late."""

    def __init__(self, air: Air, silence: Silence | None = None) -> None:
        self._air = air
        self._silence = Silence() if silence is None else silence
        self._summation = air.rng.integers(1_000_000, 9_000_000, len(air.han.nodes))

    def advance(self, begin_ns: int, until_ns: int) -> None:
        """Everything that begins in [begin, until)."""
        air = self._air
        for number, node in enumerate(air.han.nodes):
            times = partial(self._times, number, begin_ns, until_ns)
            said = partial(self._said, number, begin_ns, until_ns)
            if node.router:
                neighbours = tuple(
                    one.short for other, one in enumerate(air.han.nodes) if one.router and other != number
                )
                air.send(kinds.link_status(neighbours), times(LINK_STATUS_S), number)
            if node.sleepy:
                air.poll(times(POLL_S), number)
            if node.role is Role.HUB:
                asked = times(BEACON_S)
                air.send(kinds.BEACON_REQUEST, asked, len(air.han.nodes) - 1)
                air.send(kinds.BEACON, asked + HOP_NS, HUB, association_permit=0)
            elif node.role is Role.ESME:
                self._report(number, said(REPORT_S))
            elif node.role is Role.GSME:
                self._report(number, said(GAS_REPORT_S))
            elif node.role in (Role.PPMID, Role.IHD):
                air.send(kinds.publish_price(kinds.security_of(node)), said(PRICE_S), HUB, number)
            if node.parent != HUB:
                relay = air.han.nodes[node.parent].short
                air.send(kinds.route_record((relay,)), times(ROUTE_RECORD_S), number, HUB)

    def _said(self, number: int, begin_ns: int, until_ns: int, period_s: int) -> Times:
        """When something of this period is said, which may be suspended."""
        return _outside(self._times(number, begin_ns, until_ns, period_s), self._silence.reports.get(number, ()))

    def _times(self, number: int, begin_ns: int, until_ns: int, period_s: int) -> Times:
        """When something of this period happens at a node."""
        period = period_s * SECOND
        phase = number * 1_370_000_000 % period
        first = -(-(begin_ns - phase) // period) * period + phase
        times = np.arange(first, until_ns, period)
        late = self._air.rng.integers(0, period // 8, len(times))
        return _outside(np.minimum(times + late, until_ns - 1), self._silence.everything.get(number, ()))

    def _report(self, number: int, at: Times) -> None:
        air = self._air
        used = self._summation[number] + np.cumsum(air.rng.integers(0, 40, len(at)))
        if len(used):
            self._summation[number] = used[-1]
        kind = kinds.metering_report(kinds.security_of(air.han.nodes[number]))
        record = np.zeros((len(at), 9), np.uint8)
        record[:, :3] = np.frombuffer(kinds.SUMMATION_HEAD, np.uint8)
        record[:, 3:] = used.astype("<u8").reshape(-1, 1).view(np.uint8)[:, :6]
        air.send(kind, at, number, HUB, attributes=record)
