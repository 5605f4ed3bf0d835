"""When somebody was listening: silence counts only while a capture ran that would have heard something."""

from collections.abc import Sequence
from typing import Final, NamedTuple

GAP_NS: Final = 60 * 10**9
"""A capture that begins so soon after another goes on with it."""


class Span(NamedTuple):
    """When one capture ran."""

    first_ns: int
    last_ns: int
    pans: frozenset[int] | None
    """The networks that it heard; `None`: it is the only capture, so it stands for all."""


class Listening:
    """When captures ran."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = sorted(spans, key=lambda span: (span.first_ns, span.last_ns))

    def until(self, pan_id: int, time_ns: int) -> int:
        """Until when a network was listened to without a gap, from a time on."""
        end = time_ns
        for span in self._spans:
            if (span.pans is None or pan_id in span.pans) and span.first_ns <= end + GAP_NS:
                end = max(end, span.last_ns)
        return end
