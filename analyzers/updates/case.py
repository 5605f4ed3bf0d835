"""What a judgement on an update rests on: its story, orders and witnesses, and what follows from them at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import msgspec

from hanscope.analyzers.evidence import Evidence
from hanscope.analyzers.results import Cause, HashClaim, UpdateStage, UpdateState, VersionClaim
from hanscope.analyzers.silences import left_off, stopped
from hanscope.analyzers.updates.claims import OUTCOMES
from hanscope.analyzers.updates.gathering import ANSWER_NS, Story
from hanscope.analyzers.updates.orders import Order
from hanscope.analyzers.updates.readings import Kind, Reading
from hanscope.analyzers.updates.roles import Role
from hanscope.analyzers.updates.signs import (
    CLOCKS_NS,
    QUERY,
    SECOND,
    Ending,
    Return,
)
from hanscope.dissectors.eui64 import eui64

NO_VERSION: Final = 0xFFFFFFFF
"""Of an image that nobody offered (ZCL 11.13.3)."""
MESSAGE_FRAMES: Final = 2
"""A signed GBCS message has more octets than one frame takes."""
WHOLE: Final = frozenset({"downloaded", "ended", "waiting", "upgrading", "more-needed"})
"""States of a transfer whose client has all of the image."""


class Judgement(NamedTuple):
    """Where an update stands."""

    state: UpdateState
    reason: str
    failed_at: UpdateStage | None = None
    cause: Cause | None = None
    missing: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True):
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
    def named_version(self) -> int | None:
        """That its transfer names; `None` where no image was offered, or no transfer heard."""
        identity = self.story.identity
        return None if identity is None or identity.file_version == NO_VERSION else identity.file_version

    @property
    def version(self) -> int | None:
        """That the image brings."""
        if (named := self.named_version) is not None:
            return named
        told = [
            one.version for one in self.versions if one.said_by in (*OUTCOMES, "CS09 alert") and one.when == "after"
        ]
        return told[-1] if told else None

    def said(self, kind: Kind) -> list[Reading]:
        return [one for one in self.story.readings if one.kind is kind]

    @property
    def refused_to_activate(self) -> Reading | None:
        """The device's last word about the activation, if it is that it failed (CS09)."""
        alerts = self.said(Kind.ACTIVATED)
        return alerts[-1] if alerts and alerts[-1].code not in (0, None) else None

    def returned(self, time_ns: int, frame: int) -> Return | None:
        """When the device was there again after that; `frame` decides where clocks only tell seconds."""
        since = time_ns, frame
        return next((one for one in self.story.returns if (one.time_ns, one.frame) > since), None)

    def left_off(self) -> bool:
        """Whether the device did not go on with its last transfer, heard or unheard."""
        story = self.story
        return story.talk is None or story.evidence is None or left_off(story.evidence, story.talk)

    def given_up(self, back: Return) -> bool:
        """Whether the last transfer was not finished unheard, neither until the device was back nor after that."""
        story = self.story
        if story.talk is None or story.evidence is None:
            return True
        until_then = stopped(story.evidence, story.talk, (back.time_ns, back.frame))
        return until_then and stopped(story.evidence, story.talk)

    def parting_heard(self) -> bool:
        """Whether neither of the two can have said unheard, in the seconds after the last of it, why it ends.

        That takes a frame of each: a request and its refusal, or a word of the client and its answer. Only after a page
        request the server speaks unasked.
        """
        story = self.story
        if story.talk is None or story.evidence is None:
            return True
        talk, since, frame = story.talk, story.talk.last_ns, story.talk.last_frame
        telling = (talk.server,) if talk.transfer.page_requests else (talk.client, talk.server)
        found = (story.evidence.missed(who, since, since + ANSWER_NS, frame) for who in telling)
        return any(one.verdict == "captured" for one in found)

    def server_heard(self, ending: Ending) -> bool:
        """Whether fewer frames of the server were missed than the device asked for at last."""
        story = self.story
        if story.talk is None or story.evidence is None:
            return True
        until = min(ending.last_ns + ANSWER_NS, story.captured_until)
        found = story.evidence.missed(story.talk.server, ending.answered_ns, until, ending.answered_frame)
        if found.verdict == "unknown":  # never heard again: silent, if it was heard well until then
            heard, missed = story.evidence.share(story.talk.server, 0, ending.last_ns)
            return heard > missed
        return found.missing < ending.unanswered

    def all_of_hub(self, since: int, until: int) -> bool:
        """Whether no message was missed in a time of whoever hands the device its image and its orders."""
        return self._all_of("hub", since, until)

    def all_of_device(self, since: int) -> bool:
        """The same of the device, from then to where it was heard last."""
        return self._all_of("device", since, self.story.captured_until)

    def _all_of(self, who: Literal["device", "hub"], since: int, until: int) -> bool:
        evidence = self.story.evidence
        if evidence is None:
            return True  # nobody counted
        names = [one for one in self._names(evidence, who) if evidence.last_ns(one) >= since]
        found = [evidence.missed(one, since, min(until, evidence.last_ns(one))) for one in names]
        few = MESSAGE_FRAMES if self.by_command else 1
        return bool(found) and all(one.verdict != "unknown" and one.missing < few for one in found)

    def _names(self, evidence: Evidence, who: Literal["device", "hub"]) -> set[int]:
        """As transmitters."""
        story = self.story
        if story.talk is not None:
            return {story.talk.client if who == "device" else story.talk.server}
        ends = {end for one in story.readings for end in (one.way.sender, one.way.receiver)}
        return {
            evidence.find(story.pan_id, end.short, eui64(end.eui64) if end.eui64 else 0)
            for end in ends
            if (end.eui64 == story.device.eui64) == (who == "device")
        }

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
