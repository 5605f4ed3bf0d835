"""How far an update came, and why not further: from what is proven last back to the offer.

A device is only said to have failed where something it did or did not do shows that. Where the capture could have
missed what matters, the update is undecided, or stands where it was last seen, and what is missing is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hanscope.analyzers.results import VersionClaim
from hanscope.analyzers.updates.case import Case, Judgement, distributed_at, utc
from hanscope.analyzers.updates.claims import OUTCOMES, PROXY
from hanscope.analyzers.updates.delivery import distribution, offer, verification
from hanscope.analyzers.updates.orders import Order
from hanscope.analyzers.updates.readings import AlertCode, Kind, Outcome
from hanscope.analyzers.updates.signs import (
    OFFER,
    SECOND,
)

GRACE_NS: Final = 120 * SECOND
"""So long after its time what was ordered may still happen."""
SETTLING_NS: Final = 20 * SECOND
"""So long after an order a device may still say that it runs the old firmware."""


def judge(case: Case) -> Judgement:
    """The state of an update."""
    for look in _LOOKS:
        found = look(case)
        if found is not None:
            return found
    return Judgement(
        "undecided",
        "The capture holds too little of this update to tell how far it came.",
        missing=("a transfer of the image, or a whole message about it",),
    )


def _confirmation(case: Case) -> Judgement | None:  # noqa: PLR0911 -- the rules in their order
    # Without its transfer, what the device said on activating is all that tells the image's version: no proof of it.
    own = OUTCOMES if case.named_version is not None else OUTCOMES | {"CS09 alert"}
    reads = [one for one in case.versions if one.when == "after" and one.said_by not in own]
    if not reads:
        return _runs_it(case)
    if case.version is None:
        return None
    last, new = reads[-1], case.version
    before = next((one for one in reversed(case.versions) if one.when == "before"), None)
    told = f"0x{last.version:08x} ({_source(last)})"
    if last.version == new:
        if before is not None and before.version == new and _reported(case) is None:
            return None
        return Judgement("confirmed", f"The device runs the image's version {told}.")
    if last.said_by == PROXY:
        return None
    if (before is None and case.named_version is None) or (before is not None and last.version != before.version):
        return Judgement(
            "activated",
            f"The device runs {'another version than before, ' if before else 'version '}{told}, not 0x{new:08x}.",
            missing=("whether that is the image: devices may count versions otherwise than files do",),
        )
    return None if case.refused_to_activate else _still_old(case, last, told, known=before is not None)


def _still_old(case: Case, last: VersionClaim, told: str, *, known: bool) -> Judgement | None:
    """The device names another version than the image's; `known`: the same as before."""
    order, reported = case.order, _reported(case)
    acted_on = order is not None and order.fate not in ("unanswered", "refused")
    came_back = case.restarted(order) if order is not None and acted_on else None
    if reported is not None or came_back is not None:
        after = reported or "it was back after the order, as after a restart"
        return Judgement(
            "failed",
            f"The device {'still ' if known else ''}runs version {told} although {after}.",
            "confirmation",
            "version-unchanged",
        )
    if order is not None and order.fate == "pending" and last.time > order.takes_effect + SETTLING_NS:
        if order.mode == "unknown" or (order.due and not case.all_of_hub(order.time, order.takes_effect)):
            return Judgement(
                "undecided",
                f"The device was ordered to activate the image and still runs version {told}; some of what was sent "
                "to it was missed.",
                missing=("whether the order was for later, was cancelled, or another took its place",),
            )
        return Judgement(
            "failed",
            f"The device was ordered to activate the image and still runs version {told}.",
            "activation",
            "never-activated",
        )
    return None


def _runs_it(case: Case) -> Judgement | None:
    """How the device came to the version that it names was not heard, but it did not run it before."""
    reads = [one for one in case.versions if one.said_by not in {*OUTCOMES, "CS09 alert", PROXY}]
    if not reads or reads[-1].version != case.named_version:
        return None
    last = reads[-1]
    course = case.story.course
    loaded = course is not None and last.time > course.last_ns
    told = f"The device runs the image's version 0x{last.version:08x} ({_source(last)})"
    if loaded or any(one.version != last.version for one in reads):
        return Judgement("confirmed", f"{told}.")
    offered = [one.time_ns for one in case.story.signs if one.command == OFFER and one.status == 0]
    if course is None and offered and offered[0] < reads[0].time:
        missing = ("what the device did on the offer, and the version that it named before",)
        return Judgement("undecided", f"{told}, which it had been offered.", missing=missing)
    return None


def _reported(case: Case) -> str | None:
    """That the device said that it activated the image."""
    order = case.order
    if order is not None and order.fate == "carried out":
        return "it said that the activation succeeded"
    if any(one.code == 0 for one in case.said(Kind.ACTIVATED)):
        return "its CS09 alert said that the activation succeeded"
    if any(one.code == AlertCode.VERSION_CHANGED for one in case.said(Kind.CHANGED)):
        return "it said that its firmware had changed (8F43)"
    return None


def _source(claim: VersionClaim) -> str:
    return f"{claim.said_by} {claim.message_id}" if claim.message_id else claim.said_by


def _activation(case: Case) -> Judgement | None:
    if (alert := case.refused_to_activate) is not None:
        return Judgement(
            "failed",
            f"The device said that it could not activate the image (CS09, {alert.id}).",
            "activation",
            "activation-refused",
        )
    unread = ("no firmware version was read afterwards",)
    if (reported := _reported(case)) is not None:
        return Judgement("activated", f"The new firmware runs: {reported}.", missing=unread)
    order = case.order
    if order is None or case.by_command or (came_back := case.restarted(order)) is None:
        return None
    return Judgement(
        "activated",
        f"After it was told to upgrade, the device was back: {came_back.how}.",
        missing=unread,
    )


def _order(case: Case) -> Judgement | None:  # noqa: PLR0911 -- the rules in their order
    order = case.order
    if order is None:
        return None
    if order.fate == "refused":
        rejected = case.said(Kind.RECEIPT)[-1:]
        later = any(one.code == AlertCode.VERIFICATION_FAILED and one.time > order.time for one in rejected)
        return None if later else _refused(case, order)
    if order.fate == "unanswered":
        return Judgement(
            "activation ordered",
            "The activation was ordered (CS06), and no answer was heard.",
            missing=("the response to the CS06 command, or a version that was read after it",),
        )
    due = order.due
    if due is None:
        return Judgement(
            "activation ordered",
            f"The device was told to upgrade; nothing shows whether it did{_last_word(case, order)}.",
            missing=("a restart of the device, or a version that was read after it",),
        )
    if case.story.captured_until < due + GRACE_NS:
        return Judgement(
            "activation ordered",
            f"The activation is ordered for {utc(due)}, and the capture ends before it could show.",
            missing=("the time after that",),
        )
    later = any(not one.whole and one.way.started > due for one in case.story.readings)
    heard = case.all_of_hub(order.time, due) and case.all_of_device(due)
    if order.sign is not None or later or not heard:
        return Judgement(
            "undecided",
            f"The activation was ordered for {utc(due)}; what came of it was not heard{_last_word(case, order)}.",
            missing=(f"{'a restart' if order.sign else 'the alert 00CA'}, or a version that was read after that",),
        )
    return Judgement(
        "failed",
        f"The activation was accepted for {utc(due)}; nothing came of it in the {_span(case, due)} after that.",
        "activation",
        "never-activated",
    )


def _last_word(case: Case, order: Order) -> str:
    """What the device last said that it runs, if it said so after an order, too soon to decide anything."""
    said = [one for one in case.versions if one.time >= order.time and one.said_by not in OUTCOMES]
    return f" (soon after the order it ran 0x{said[-1].version:08x})" if said else ""


def _span(case: Case, since: int) -> str:
    return f"{(case.story.captured_until - since) // (60 * SECOND)} minutes"


def _too_early(case: Case, order: Order) -> bool:
    """Whether the device did not have all of the image yet; it cannot have got the rest unheard."""
    story, whole = case.story, distributed_at(case.story)
    if not story.transfers or any(one.way.started < order.takes_effect for one in case.said(Kind.RECEIPT)):
        return False
    if whole is not None:
        return order.takes_effect < whole
    went_on = story.course is not None and story.course.last_ns > order.takes_effect
    return order.outcome == Outcome.NO_IMAGE_HELD or went_on or case.left_off()


def _refused(case: Case, order: Order) -> Judgement:
    """An order to which the device answered that it did not carry it out."""
    if order.outcome in (Outcome.NO_IMAGE_HELD, Outcome.HASH_MISMATCH) and _too_early(case, order):
        found = distribution(case)
        if found is not None and found.state == "failed":  # an order in time would have been no better
            return found
        return Judgement(
            "failed",
            "The activation was ordered before the device had the whole image, so it held none to activate.",
            "activation order",
            "activation-too-early",
        )
    if order.outcome == Outcome.NO_IMAGE_HELD:
        return Judgement(
            "failed",
            "The activation was ordered, and the device said that it holds no image.",
            "activation",
            "image-discarded",
        )
    if order.outcome == Outcome.HASH_MISMATCH:
        known = [one for one in case.hashes if one.said_by in ("rebuilt image", "8F72 alert")]
        same = order.sha256 is not None and any(one.sha256 == order.sha256 for one in known)
        detail = "although it is that of the image that it has" if same else "it is not that of the image that it has"
        return Judgement(
            "failed",
            f"The device refused the activation: the ordered hash does not match, {detail}.",
            "activation" if same else "activation order",
            "inconclusive" if same else "wrong-hash-ordered",
        )
    return Judgement("failed", "The device answered that the activation failed.", "activation", "activation-refused")


_LOOKS: Final[tuple[Callable[[Case], Judgement | None], ...]] = (
    _confirmation,
    _activation,
    _order,
    verification,
    distribution,
    offer,
)
