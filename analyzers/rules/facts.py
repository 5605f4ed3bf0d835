"""What the rules about results have at hand: the analysis, and what follows from it for one item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hanscope.analyzers.results import Analysis, Message, Transfer
from hanscope.analyzers.rules.limits import Limits

if TYPE_CHECKING:
    from hanscope.analyzers.evidence import Evidence
    from hanscope.analyzers.rules.model import Hit, Over, Profile


@dataclass(frozen=True)
class Facts:
    """One analysis."""

    analysis: Analysis
    evidence: Evidence
    limits: Limits
    profile: Profile

    def hits(self, over: Over, finds: Callable[[Any, Facts], Iterable[Hit]]) -> Iterator[Hit]:
        """What a rule finds in all items of a kind."""
        for item in self._items(over):
            yield from finds(item, self)

    def _items(self, over: Over) -> Iterable[Any]:
        match over:
            case "transfer":
                return self.analysis.transfers
            case "image":
                return self.analysis.images
            case "message":
                return self.analysis.messages
            case "exchange":
                return self.analysis.exchanges
            case "tunnel":
                return self.analysis.tunnels
            case "capture":
                return (self.analysis,)

    @cached_property
    def messages(self) -> dict[str, Message]:
        """By their ids."""
        return {message.id: message for message in self.analysis.messages if message.id is not None}

    @cached_property
    def transfers(self) -> dict[str, Transfer]:
        return {transfer.id: transfer for transfer in self.analysis.transfers}
