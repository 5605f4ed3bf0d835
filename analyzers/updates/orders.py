"""Orders to activate an image, and what came of each (GBCS 11.5; ZCL 11.13.9 for Upgrade End Responses).

A CS06 command is answered at once with its outcome, or with NULL if it is for later or cancels; what is for later is
reported by alert 00CA, which quotes the command's counter. A later order takes the place of one that is pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from hanscope.analyzers.results import ActivationOrder
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.readings import Kind, Outcome, Reading
from hanscope.analyzers.updates.signs import SECOND, UPGRADE, Sign

WAIT_FOREVER: Final = 0xFFFFFFFF
Mode = Literal["immediate", "future dated", "cancellation", "unknown"]
Fate = Literal["carried out", "refused", "pending", "cancelled", "replaced", "unanswered", "accepted"]
LONGEST_DELAY_NS: Final = 366 * 86_400 * SECOND
"""What an Upgrade End Response asks for beyond this is a clock that nobody set."""


class Order(msgspec.Struct, eq=False):
    """One order, of which not every part need have been heard."""

    time: int
    mode: Mode
    command: Reading | None = None
    sign: Sign | None = None
    answers: list[Reading] = msgspec.field(default_factory=list[Reading])
    alerts: list[Reading] = msgspec.field(default_factory=list[Reading])
    counter: int | None = None
    due: int | None = None
    fate: Fate = "unanswered"

    @property
    def frame(self) -> int:
        """The last of the order itself."""
        if self.sign is not None:
            return self.sign.frame
        return max(self.command.message.frames, default=0) if self.command else 0

    @property
    def outcome(self) -> int | None:
        """The last that the device said about it."""
        return next((one.code for one in reversed([*self.answers, *self.alerts]) if one.code is not None), None)

    @property
    def settled(self) -> int | None:
        """When the device said so."""
        return next((one.time for one in reversed([*self.answers, *self.alerts]) if one.code is not None), None)

    @property
    def takes_effect(self) -> int:
        """When the new firmware should begin to run."""
        return self.settled or self.due or self.time

    @property
    def sha256(self) -> str | None:
        return None if self.command is None else self.command.sha256

    def result(self) -> ActivationOrder:
        """For the report."""
        readings = [one for one in (self.command, *self.answers, *self.alerts) if one is not None]
        frames = readings[0].message.frames if readings else ()
        return ActivationOrder(
            by="CS06" if self.sign is None else "Upgrade End Response",
            mode=self.mode,
            time=self.time,
            frames=frames if self.sign is None else (self.sign.frame,),
            message_id=None if self.command is None else self.command.id,
            originator_counter=self.counter,
            sha256=self.sha256,
            due=self.due,
            fate=self.fate,
            outcome=outcome_words(self.outcome),
        )


def outcome_words(code: int | None) -> str | None:
    """What activateImageResponseCode means."""
    if code is None:
        return None
    return Outcome(code).words if code in set(Outcome) else f"outcome {code}"


def orders_of(story: Story, *, by_command: bool) -> list[Order]:
    """The orders of a story in order of time.

    `by_command`: the device is one that CS06 activates, so that an Upgrade End Response orders nothing.
    """
    found = sorted(_commanded(story), key=lambda one: one.time)
    if not by_command:
        found = sorted([*found, *_told(story)], key=lambda one: one.time)
    for place, order in enumerate(found):
        order.fate = _fate(order, found[place + 1 :])
    return found


def _commanded(story: Story) -> Iterator[Order]:
    """A command that is heard again is the same order; one of which only the answer was heard is an order too.

    What does not tell its counter, because its part was not heard, is about nobody knows which order.
    """
    orders: dict[int, Order] = {}
    for reading in story.readings:
        if reading.kind not in (Kind.ORDER, Kind.ANSWER, Kind.DATED) or reading.counter is None:
            continue
        order = orders.get(reading.counter)
        if order is None:
            order = orders[reading.counter] = Order(reading.way.started, "unknown", counter=reading.counter)
        if reading.kind is Kind.ORDER:
            order.command = order.command or reading
            order.due = reading.due
            if reading.whole:
                later: Mode = "future dated" if reading.due is not None else "immediate"
                order.mode = "cancellation" if reading.cancels else later
        elif reading.kind is Kind.ANSWER:
            order.answers.append(reading)
        else:
            order.alerts.append(reading)
            order.due = order.due or reading.due
            order.mode = "future dated"
    yield from orders.values()


def _told(story: Story) -> Iterator[Order]:
    """Upgrade End Responses that say when."""
    for sign in story.signs:
        if sign.command != UPGRADE or sign.upgrade_time in (WAIT_FOREVER, -1):
            continue
        delay = max(sign.upgrade_time - max(sign.current_time, 0), 0) * SECOND
        due = sign.time_ns + delay if 0 < delay <= LONGEST_DELAY_NS else None
        yield Order(sign.time_ns, "future dated" if due else "immediate", sign=sign, due=due)


def _fate(order: Order, later: list[Order]) -> Fate:
    if order.outcome is not None:
        return "carried out" if order.outcome == 0 else "refused"
    following = next((one for one in later if one.outcome is None or one.outcome == 0), None)
    if order.mode == "cancellation":
        return "accepted" if order.answers else "unanswered"
    if order.sign is None and not order.answers and order.mode != "future dated":
        return "unanswered"
    if following is not None and (order.mode in ("future dated", "unknown") or order.sign is not None):
        return "cancelled" if following.mode == "cancellation" else "replaced"
    return "pending" if order.answers or order.sign is not None else "unanswered"
