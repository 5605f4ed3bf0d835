"""Analysis while the frames come: the same path as for a file, with a picture of it now and then.

The result is that of the file which was recorded: where keys came late, that file is read a second time, as always.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from msgspec.structs import replace

from hanscope.analyzers.analysis import AnalysisRun, analyze_input
from hanscope.analyzers.dissect import Dissected
from hanscope.analyzers.inputs import Input, OneCapture, Readable, RecordChunk, count_interfaces, uninterrupted
from hanscope.analyzers.keys import KeyRing
from hanscope.analyzers.listening import Listening
from hanscope.analyzers.network import Transmitters
from hanscope.analyzers.results import Capture, CaptureInterface, Fault
from hanscope.analyzers.rules.engine import RuleEngine
from hanscope.analyzers.transfers import Progress, TransferBuilder
from hanscope.captures.batch import Secret
from hanscope.captures.linklayer import Decisions, decide, link_type_name
from hanscope.captures.live import Feed

PICTURE_S: Final = 0.5
"""How often a picture is made."""
DEVICES_SHOWN: Final = 12
_RATE_S: Final = 5.0
"""Over how long the rate of frames is told."""
_PACE_NS: Final = 60 * 10**9
"""Over how much of the capture's time the pace of a transfer is told."""


@dataclass(frozen=True, slots=True)
class Loading:
    """A firmware transfer that is under way."""

    progress: Progress
    pace: float | None
    """Octets a second over the last minute; `None`: there is too little to tell."""

    @property
    def left_s(self) -> float | None:
        """Until the end, at this pace."""
        if not self.pace or self.progress.image_size is None:
            return None
        return (self.progress.image_size - self.progress.received_bytes) / self.pace


@dataclass(frozen=True, slots=True)
class Talking:
    """A device that was heard."""

    pan_id: int
    short: int
    """-1: only its EUI-64 is known."""
    eui64: int
    frames: int
    rssi_dbm: float | None
    lqi: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to see at a moment."""

    name: str
    tuned: str
    """The channel, in words; empty where it is not known."""
    elapsed_s: float
    frames: int
    rate: float
    """Frames a second."""
    bad_fcs: int
    shut: int
    """Encrypted frames that no key opened."""
    devices: tuple[Talking, ...]
    """Those that said most, most first."""
    device_count: int
    loading: tuple[Loading, ...]
    findings: tuple[tuple[str, int, str], ...]
    """Rule, how often, the last one in words."""
    path: str | None


@dataclass(slots=True)
class _Seen:
    """What the analysis let see last."""

    total: Dissected = field(default_factory=Dissected)
    transmitters: Transmitters = field(default_factory=Transmitters)
    transfers: TransferBuilder | None = None
    rules: RuleEngine | None = None


class LiveAnalysis:
    """Analyzes what a feed delivers until it ends; `show` gets a picture twice a second."""

    def __init__(
        self,
        feed: Feed,
        show: Callable[[Picture], None] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._show = show
        self._monotonic = monotonic
        self._seen = _Seen()
        self._begun = monotonic()
        self._due = self._begun
        self._counted: deque[tuple[float, int]] = deque()
        self._paces: dict[tuple[Any, ...], deque[tuple[int, int]]] = {}
        self._opened = False

    def run(self, keys: KeyRing, **options: Any) -> AnalysisRun:
        """`options`: as of `analyze`. What ended the feed, if not the end of it, stands in `Feed.failure`."""
        return analyze_input(self, keys=keys, watch=self._watch, **options)

    # As what `analyze_input` opens:

    @property
    def again(self) -> bool:
        return self._feed.path is not None

    def prepare(self) -> None:
        """Nothing has come yet."""

    def open(self) -> Input:
        if self._opened:
            return OneCapture(Readable(self._feed.path or ""))
        self._opened = True
        return _LiveInput(self._feed, self._tick)

    def _watch(
        self, total: Dissected, transmitters: Transmitters, transfers: TransferBuilder, rules: RuleEngine
    ) -> None:
        self._seen = _Seen(total, transmitters, transfers, rules)

    def _tick(self) -> None:
        now = self._monotonic()
        if self._show is None or now < self._due:
            return
        self._due = now + PICTURE_S
        self._show(self._picture(now))

    def _picture(self, now: float) -> Picture:
        seen = self._seen
        self._counted.append((now, seen.total.frames))
        while self._counted[0][0] < now - _RATE_S:
            self._counted.popleft()
        then, before = self._counted[0]
        found = {} if seen.rules is None else seen.rules.so_far()
        return Picture(
            name=self._feed.name,
            tuned=self._feed.tuned,
            elapsed_s=now - self._begun,
            frames=seen.total.frames,
            rate=(seen.total.frames - before) / (now - then) if now > then else 0.0,
            bad_fcs=seen.total.bad_fcs,
            shut=sum(count for count, _ in seen.total.shut.values()),
            devices=_talking(seen.transmitters),
            device_count=len(seen.transmitters.heard),
            loading=tuple(self._loading(seen)),
            findings=tuple((rule, count, words) for rule, (count, words) in sorted(found.items())),
            path=self._feed.path,
        )

    def _loading(self, seen: _Seen) -> Iterator[Loading]:
        if seen.transfers is None:
            return
        at = seen.total.last_ns or 0
        paces: dict[tuple[Any, ...], deque[tuple[int, int]]] = {}
        for one in seen.transfers.progress():
            key = (one.pan_id, one.client, one.manufacturer_code, one.image_type, one.file_version)
            course = paces[key] = self._paces.get(key, deque[tuple[int, int]]())
            if course and course[-1][1] > one.received_bytes:
                course.clear()  # it has begun anew
            course.append((at, one.received_bytes))
            while course[0][0] < at - _PACE_NS:
                course.popleft()
            (then, before), (last, now) = course[0], course[-1]
            yield Loading(one, (now - before) * 1e9 / (last - then) if last - then >= 1e9 else None)
        self._paces = paces


def _talking(transmitters: Transmitters) -> tuple[Talking, ...]:
    most = sorted(transmitters.heard.items(), key=lambda item: -item[1].frames)[:DEVICES_SHOWN]
    return tuple(
        Talking(
            pan_id,
            short,
            eui64,
            heard.frames,
            heard.rssi_sum / heard.rssi_count if heard.rssi_count else None,
            heard.lqi_sum / heard.lqi_count if heard.lqi_count else None,
        )
        for (pan_id, short, eui64), heard in most
    )


class _LiveInput:
    """What a feed delivers, as an input."""

    translate: Callable[[int], int] | None = None
    octets_read = 0
    octets_total: int | None = None
    large = False

    def __init__(self, feed: Feed, tick: Callable[[], None]) -> None:
        self.name = feed.name
        self._feed = feed
        self._tick = tick
        self._decisions: Decisions = dict[int, Any]()
        self._per_interface: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.stop()

    def __iter__(self) -> Iterator[RecordChunk]:
        for records in self._feed.batches():
            self._tick()
            if records is not None:
                self._decisions = decide(records, self._feed.interfaces, self._decisions)
                count_interfaces(records, self._per_interface)
                yield RecordChunk(records, self._decisions)
        self._tick()

    @property
    def secrets(self) -> Sequence[Secret]:
        return self._feed.notes.secrets

    def captures(self, total: Dissected) -> tuple[Capture, ...]:
        path = self._feed.path
        if path is not None:
            with OneCapture(Readable(path)) as recorded:
                next(iter(recorded), None)
                (capture,) = recorded.captures(total)
            told = {one.index: one for one in capture.interfaces}
            return (replace(capture, interfaces=self._interfaces(told), **self._beside()),)
        return (
            Capture(
                path=self.name,
                format="pcapng",
                compressed=False,
                frames=total.frames,
                other_frames=total.other_frames,
                bad_fcs=total.bad_fcs,
                unchecked_fcs=total.unchecked_fcs,
                started=total.first_ns,
                ended=total.last_ns,
                interfaces=self._interfaces({}),
                **self._beside(),
            ),
        )

    def _beside(self) -> dict[str, Any]:
        """What the stream itself told. What was recorded has neither comments nor faults."""
        if self._feed.recorder is not None:
            return {"comments": 0, "faults": ()}
        notes = self._feed.notes
        faults = tuple(Fault(where=fault.where, what=fault.what) for fault in notes.faults)
        return {"comments": notes.comment_count, "faults": faults}

    def _interfaces(self, recorded: dict[int, CaptureInterface]) -> tuple[CaptureInterface, ...]:
        """As a reading of the recorded file tells it; for interfaces that turned up later, as it was decided here."""
        described = self._feed.interfaces
        return tuple(
            replace(recorded[index], frames=self._per_interface[index])
            if index in recorded
            else CaptureInterface(
                index=index,
                link_type=described[index].link_type,
                link_type_name=link_type_name(described[index].link_type),
                frames=self._per_interface[index],
                trailer=decision.trailer,
                evidence=decision.evidence,
            )
            for index, decision in sorted(self._decisions.items())
        )

    def listening(self, total: Dissected) -> Listening:
        return uninterrupted(total)
