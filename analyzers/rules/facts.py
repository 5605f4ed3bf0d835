"""What the rules about results have at hand: the analysis, and what follows from it for one item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hanscope.analyzers.results import Analysis, Message, Party, Transfer
from hanscope.analyzers.rules.limits import Limits
from hanscope.dissectors.eui64 import eui64

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

    def client(self, transfer: Transfer) -> int:
        """What names the client as a transmitter."""
        return self._who(transfer.pan_id, transfer.client)

    def server(self, transfer: Transfer) -> int:
        return self._who(transfer.pan_id, transfer.server)

    def _who(self, pan_id: int, party: Party) -> int:
        return self.evidence.find(pan_id, party.short, eui64(party.eui64) if party.eui64 else 0)

    @staticmethod
    def same_client(one: Transfer, other: Transfer) -> bool:
        if one.client.eui64 is not None and other.client.eui64 is not None:
            return one.client.eui64 == other.client.eui64
        return (one.pan_id, one.client.short) == (other.pan_id, other.client.short)

    @staticmethod
    def same_image(one: Transfer, other: Transfer) -> bool:
        return (one.manufacturer_code, one.image_type, one.file_version) == (
            other.manufacturer_code,
            other.image_type,
            other.file_version,
        )

    def same_story(self, one: Transfer, other: Transfer) -> bool:
        """Two attempts of one client at one image."""
        return one.id != other.id and self.same_client(one, other) and self.same_image(one, other)

    @cached_property
    def messages(self) -> dict[str, Message]:
        """By their ids."""
        return {message.id: message for message in self.analysis.messages if message.id is not None}

    @cached_property
    def transfers(self) -> dict[str, Transfer]:
        return {transfer.id: transfer for transfer in self.analysis.transfers}
