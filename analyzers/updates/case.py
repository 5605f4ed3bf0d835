"""What a judgement on an update rests on: its story, orders and witnesses, and what follows from them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from hanscope.analyzers.results import Cause, HashClaim, UpdateStage, UpdateState, VersionClaim
from hanscope.analyzers.updates.claims import OUTCOMES
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.orders import Order
from hanscope.analyzers.updates.readings import Kind, Reading
from hanscope.analyzers.updates.roles import Role
from hanscope.analyzers.updates.signs import (
    CLOCKS_NS,
    QUERY,
    SECOND,
    Return,
)

WHOLE: Final = frozenset({"downloaded", "ended", "waiting", "upgrading", "more-needed"})
"""States of a transfer whose client has all of the image."""


class Judgement(NamedTuple):
    """Where an update stands."""

    state: UpdateState
    reason: str
    failed_at: UpdateStage | None = None
    cause: Cause | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What a judgement rests on."""

    story: Story
    role: Role
    orders: Sequence[Order]
    hashes: Sequence[HashClaim]
    versions: Sequence[VersionClaim]
    shut: str | None
    """What encrypted traffic could not be opened, if any."""

    @property
    def by_command(self) -> bool:
        return by_command(self.role)

    @property
    def order(self) -> Order | None:
        """The one that counts: the last that nobody took back."""
        live = [one for one in self.orders if one.mode != "cancellation" and one.fate not in ("cancelled", "replaced")]
        return live[-1] if live else None

    @property
    def version(self) -> int | None:
        """That the image brings."""
        if self.story.identity is not None:
            return self.story.identity.file_version
        told = [
            one.version for one in self.versions if one.said_by in (*OUTCOMES, "CS09 alert") and one.when == "after"
        ]
        return told[-1] if told else None

    def said(self, kind: Kind) -> list[Reading]:
        return [one for one in self.story.readings if one.kind is kind]

    def returned(self, time_ns: int, frame: int) -> Return | None:
        """When the device was there again after that; `frame` decides where clocks only tell seconds."""
        since = time_ns, frame
        return next((one for one in self.story.returns if (one.time_ns, one.frame) > since), None)

    def restarted(self, order: Order) -> Return | None:
        """When the device was there again after it was to carry out an order."""
        if order.due is not None:
            return self.returned(order.due - CLOCKS_NS, 0)
        return self.returned(order.time, order.frame)


def by_command(role: Role) -> bool:
    """Whether devices of that role activate images by CS06 (ESME, GSME, HCALCS)."""
    return role.flow in ("ESME/GSME", "HCALCS")


def turn_of(story: Story, orders: Sequence[Order]) -> int | None:
    """From when on the new firmware may run: the order's time, or else when the device had the image, or said so."""
    live = [one for one in orders if one.mode != "cancellation" and one.fate not in ("cancelled", "replaced")]
    if live:
        return live[-1].takes_effect
    said = (one.time for one in story.readings if one.kind in (Kind.RECEIPT, Kind.ACTIVATED, Kind.CHANGED))
    return distributed_at(story) or next(said, None) or _ran(story)


def _ran(story: Story) -> int | None:
    """When the blocks of an image ended of which only the device's later queries show that it had got all."""
    if story.course is None or story.identity is None:
        return None
    end, new = story.course.last_ns, story.identity.file_version
    queries = [one for one in story.signs if one.command == QUERY]
    before = any(one.time_ns < end and one.identity.file_version != new for one in queries)
    return end if before and any(one.time_ns > end and one.identity.file_version == new for one in queries) else None


def distributed_at(story: Story) -> int | None:
    """When the device had all of the image."""
    done = [one for one in story.transfers if one.state in WHOLE]
    if not done:
        return None
    return story.course.last_ns if story.course else done[-1].ended


def utc(time_ns: int) -> str:
    """A moment as people write it; one that no calendar holds as the number it is."""
    try:
        return datetime.fromtimestamp(time_ns // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"
