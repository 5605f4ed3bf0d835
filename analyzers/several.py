"""Several captures as one input: see `hanscope.captures.merge` for how they become one stream of frames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import numpy as np

from hanscope.analyzers import results
from hanscope.analyzers.dissect import Dissected
from hanscope.analyzers.inputs import POOL_FROM, Progress, Readable, Tell, faults, interfaces
from hanscope.analyzers.listening import Listening, Span
from hanscope.analyzers.results import FRAMES_APART, Capture, Merging
from hanscope.captures.batch import CaptureError, FrameBatch, Secret
from hanscope.captures.clocks import Survey
from hanscope.captures.files import CaptureFile
from hanscope.captures.merge import MergedCapture, Stream, surveyed

HEARD: Final = 3
"""Data frames of a PAN from which a capture counts as listening to it."""
_LONG_NS: Final = 60 * 10**9
"""A drift is told of captures that ran this long."""
_NEAR_NS: Final = 10 * 10**9
"""How long nothing was heard after the reference's clock was set back is guessed; another clock was not set by that."""


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """Frames of several captures."""

    batch: FrameBatch

    def frames(self) -> FrameBatch:
        return self.batch

    def detached(self) -> "FrameChunk":
        return self


def survey_all(readables: Sequence[Readable], surveys: list[Survey], progress: Tell | None) -> None:
    """Has a first look at each capture; `surveys` grows by one for each. Raises `CaptureError`."""
    for readable in readables:

        def tell(capture: CaptureFile, survey: Survey, name: str = readable.shown) -> None:
            if progress is not None:
                progress(Progress(name, capture.octets_read, capture.octets_total, survey.frames, second_pass=False))

        try:
            surveys.append(surveyed(readable.path, tell))
        except CaptureError as error:
            raise CaptureError(str(error).replace(readable.path, readable.shown)) from None


class SeveralCaptures:
    """Captures that were surveyed, as one input."""

    def __init__(self, readables: Sequence[Readable], surveys: Sequence[Survey]) -> None:
        self.name = f"{len(readables)} captures"
        self._shown = [readable.shown for readable in readables]
        # Whoever was impatient with the first look sees captures of which nothing is known.
        self._surveys = [*surveys, *(Survey() for _ in readables[len(surveys) :])]
        self._merged = MergedCapture([readable.path for readable in readables], self._surveys)
        self.translate: Callable[[int], int] | None = self._translated

    def __enter__(self) -> "SeveralCaptures":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._merged.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[FrameChunk]:
        for batch in self._merged:
            yield FrameChunk(batch)

    @property
    def octets_read(self) -> int:
        return self._merged.octets_read

    @property
    def octets_total(self) -> int | None:
        return sum(survey.octets for survey in self._surveys)

    @property
    def large(self) -> bool:
        return sum(survey.octets for survey in self._surveys) >= POOL_FROM

    @property
    def secrets(self) -> Sequence[Secret]:
        return self._merged.secrets

    def _translated(self, number: int) -> int:
        place, record = self._merged.numbering.record(number)
        return self._merged.order[place] * FRAMES_APART + record

    def captures(self, total: Dissected) -> tuple[Capture, ...]:  # noqa: ARG002 -- as of one capture
        by_index = dict(zip(self._merged.order, self._merged.streams, strict=True))
        return tuple(self._capture(index, by_index[index]) for index in range(len(self._shown)))

    def listening(self, total: Dissected) -> Listening:  # noqa: ARG002 -- as of one capture
        return Listening(
            [
                Span(*stream.span, frozenset(pan for pan, count in self._surveys[index].pans.items() if count >= HEARD))
                for index, stream in zip(self._merged.order, self._merged.streams, strict=True)
            ]
        )

    def _capture(self, index: int, stream: Stream) -> Capture:
        counts, file = stream.counts, stream.capture
        base = index * FRAMES_APART
        return Capture(
            path=self._shown[index],
            format="unknown" if file is None else file.format,
            compressed=file is not None and file.compressed,
            frames=counts.frames,
            other_frames=counts.other_frames,
            bad_fcs=counts.bad_fcs,
            unchecked_fcs=counts.unchecked_fcs,
            started=counts.first_ns,
            ended=counts.last_ns,
            interfaces=() if file is None else interfaces(file, stream.decisions, stream.per_interface),
            comments=0 if file is None else file.notes.comment_count,
            faults=() if file is None else faults(file),
            frame_base=base,
            merging=Merging(
                clock=self._clock(index, stream),
                clock_settings=self._settings(index, stream),
                common_frames=counts.common,
                kept_frames=counts.kept,
                only_here=counts.alone,
                only_here_during_others=counts.alone_beside,
                only_here_runs=tuple((many, base + first, base + last) for many, first, last in counts.runs),
            ),
        )

    def _clock(self, index: int, stream: Stream) -> results.Clock | None:
        survey = self._surveys[index]
        fit = stream.clock.fit
        if fit is None or survey.first_ns is None or survey.last_ns is None:
            return None
        begin = survey.first_ns - int(stream.clock.read(np.array([survey.first_ns]))[0])
        length = survey.last_ns - survey.first_ns
        return results.Clock(
            reference=self._shown[self._merged.order[stream.clock.reference]],
            offset_ns=begin,
            drift_ppm=-1e6 * fit.slope if length >= _LONG_NS else None,
            spread_ns=fit.spread_ns,
            matches=fit.matches,
        )

    def _settings(self, index: int, stream: Stream) -> tuple[results.ClockSetting, ...]:
        """When a capture's clock was set: back, as its own times tell, or anyhow, as those of others do."""
        found = {when: -by for when, by in self._surveys[index].onward.lifts}
        reference = self._surveys[self._merged.order[stream.clock.reference]]
        theirs = [when for when, _ in reference.onward.lifts]
        for when, by in stream.clock.fit.steps if stream.clock.fit is not None else ():
            if abs(by) >= _NEAR_NS or all(abs(_about(stream, when) - one) >= _NEAR_NS for one in theirs):
                found[when] = found.get(when, 0) - by
        return tuple(results.ClockSetting(time=_about(stream, when), by_ns=by) for when, by in sorted(found.items()))


def _about(stream: Stream, when: int) -> int:
    """On the reference's clock: in the middle between the last that was heard before and the first after."""
    before, after = stream.clock.read(np.array([when - 1, when])).tolist()
    return before + (after - before) // 2
