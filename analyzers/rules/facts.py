"""What the rules about results have at hand: the analysis, and what follows from it for one item."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hanscope.analyzers.results import AddressEvent, Analysis, KeyEvent, Message, Party, Transfer, Tunnel, Update
from hanscope.analyzers.rules.limits import Limits
from hanscope.analyzers.silences import Course, Talk, talk
from hanscope.dissectors.eui64 import eui64

if TYPE_CHECKING:
    from hanscope.analyzers.evidence import Evidence
    from hanscope.analyzers.rules.model import Hit, Over, Profile
    from hanscope.analyzers.updates.readings import Reading
    from hanscope.dissectors.gbcs.codes import UseCase


NEAREST: Final = 16
"""Attempts before and after one that it is held against: hostile frames make thousands."""


def _story_keys(transfer: Transfer) -> Iterator[tuple[object, ...]]:
    """The image with each of the client's names: whatever is of the same story has one of them too."""
    image = transfer.manufacturer_code, transfer.image_type, transfer.file_version
    yield image, transfer.pan_id, transfer.client.short
    if transfer.client.eui64 is not None:
        yield image, transfer.client.eui64


class Facts(msgspec.Struct, frozen=True, dict=True):
    """One analysis."""

    analysis: Analysis
    evidence: Evidence
    limits: Limits
    profile: Profile
    hardware: Mapping[tuple[int, int, int], int]
    """The hardware version that a client named in a query: by PAN, client and image type."""
    courses: Mapping[tuple[int, int, tuple[int, int, int]], Course]
    """When blocks of an image flowed to a device: by PAN, client and image."""

    def hits(self, over: Over, finds: Callable[[Any, Facts], Iterable[Hit]]) -> Iterator[Hit]:
        """What a rule finds in all items of a kind."""
        for item in self._items(over):
            yield from finds(item, self)

    def _items(self, over: Over) -> Iterable[Any]:
        return (self.analysis,) if over == "capture" else getattr(self.analysis, f"{over}s")

    def client(self, transfer: Transfer) -> int:
        """What names the client as a transmitter."""
        return self._who(transfer.pan_id, transfer.client)

    def server(self, transfer: Transfer) -> int:
        return self._who(transfer.pan_id, transfer.server)

    def talk(self, transfer: Transfer) -> Talk:
        """The transfer with what it rests on, up to its last request or block."""
        image = transfer.manufacturer_code, transfer.image_type, transfer.file_version
        course = self.courses.get((transfer.pan_id, transfer.client.short, image))
        return talk(transfer, self.client(transfer), self.server(transfer), course)

    def heard_after(self, talk: Talk) -> bool:
        """Whether the client transmitted anything after its last request or block; sleepy ones only poll."""
        last_frame = self._heard.get((talk.transfer.pan_id, talk.transfer.client.short), 0)
        return self.evidence.last_ns(talk.client) > talk.last_ns or last_frame > talk.last_frame

    @cached_property
    def _heard(self) -> dict[tuple[int, int | None], int]:
        return {(one.pan_id, one.short): one.last_frame for one in self.analysis.devices}

    def _who(self, pan_id: int, party: Party) -> int:
        return self.evidence.find(pan_id, party.short, eui64(party.eui64) if party.eui64 else 0)

    @staticmethod
    def begun(transfer: Transfer) -> bool:
        """Whether anything was asked for."""
        return bool(transfer.block_requests or transfer.page_requests)

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

    def story(self, transfer: Transfer) -> list[Transfer]:
        """The other attempts of its client at its image, in order; of very many the nearest."""
        at = self._places[transfer.id]
        near: set[int] = set()
        for key in _story_keys(transfer):
            places = self._stories[key]
            middle = bisect_left(places, at)
            near.update(places[max(middle - NEAREST, 0) : middle + NEAREST])
        others = (self.analysis.transfers[place] for place in sorted(near - {at}))
        return [one for one in others if self.same_client(one, transfer) and self.same_image(one, transfer)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {transfer.id: at for at, transfer in enumerate(self.analysis.transfers)}

    @cached_property
    def _stories(self) -> dict[tuple[object, ...], list[int]]:
        """Which attempts have a key."""
        found: dict[tuple[object, ...], list[int]] = {}
        for at, transfer in enumerate(self.analysis.transfers):
            for key in _story_keys(transfer):
                found.setdefault(key, []).append(at)
        return found

    @cached_property
    def ended_ns(self) -> int | None:
        """When the last capture ended."""
        return max((one.ended for one in self.analysis.captures if one.ended is not None), default=None)

    @staticmethod
    def use_case(message_code: int | None) -> UseCase | None:
        from hanscope.dissectors.gbcs.codes import USE_CASES  # noqa: PLC0415 -- of captures with GBCS messages

        return USE_CASES.get(message_code) if message_code is not None else None

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """What the messages say about firmware."""
        from hanscope.analyzers.updates.readings import readings  # noqa: PLC0415 -- of captures with GBCS messages

        return tuple(readings(self.analysis.messages))

    @staticmethod
    def alert_code(message: Message) -> int | None:
        from hanscope.analyzers.updates.readings import number_of  # noqa: PLC0415 -- of captures with GBCS messages

        return number_of(message.payload, "alert code", "alert_code", "alertCode")

    @cached_property
    def readdressed(self) -> dict[str, list[AddressEvent]]:
        """When devices got another short address than they had, by EUI-64."""
        found: dict[str, list[AddressEvent]] = {}
        for event in self.analysis.addresses:
            if event.before is not None:
                found.setdefault(event.eui64, []).append(event)
        return found

    @cached_property
    def key_switches(self) -> dict[int, list[KeyEvent]]:
        """The Switch-Key commands of each PAN."""
        found: dict[int, list[KeyEvent]] = {}
        for event in self.analysis.key_events:
            if event.what == "Switch-Key":
                found.setdefault(event.pan_id, []).append(event)
        return found

    @cached_property
    def update_of(self) -> dict[str, Update]:
        """By the ids of the messages that belong to it."""
        return {name: update for update in self.analysis.updates for name in update.message_ids}

    @cached_property
    def tunnels(self) -> dict[str, Tunnel]:
        return {tunnel.id: tunnel for tunnel in self.analysis.tunnels}

    @cached_property
    def messages(self) -> dict[str, Message]:
        """By their ids."""
        return {message.id: message for message in self.analysis.messages if message.id is not None}

    @cached_property
    def transfers(self) -> dict[str, Transfer]:
        return {transfer.id: transfer for transfer in self.analysis.transfers}
