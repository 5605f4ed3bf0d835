"""How far an update came, and why not further: from what is proven last back to the offer.

A device is only said to have failed where something it did or did not do shows that. Where the capture could have
missed what matters, the update is undecided, or stands where it was last seen, and what is missing is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from hanscope.analyzers.gb_images import SIGNATURE
from hanscope.analyzers.results import Cause, HashClaim, Transfer, UpdateStage, UpdateState, VersionClaim
from hanscope.analyzers.tables import DEFAULT_RESPONSE
from hanscope.analyzers.updates.claims import OUTCOMES, PROXY
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.orders import Order
from hanscope.analyzers.updates.readings import AlertCode, Kind, Outcome, Reading, TransferResult
from hanscope.analyzers.updates.roles import Role
from hanscope.analyzers.updates.signs import (
    ABORT,
    BLOCK,
    BLOCK_REQUEST,
    CLOCKS_NS,
    END,
    OFFER,
    PAGE_REQUEST,
    QUERY,
    SECOND,
    Return,
)

WHOLE: Final = frozenset({"downloaded", "ended", "waiting", "upgrading", "more-needed"})
"""States of a transfer whose client has all of the image."""
GRACE_NS: Final = 120 * SECOND
"""So long after its time what was ordered may still happen."""
PATIENCE_NS: Final = 30 * SECOND
"""A capture that ends sooner says nothing about what did not follow."""
SETTLING_NS: Final = 20 * SECOND
"""So long after an order a device may still say that it runs the old firmware."""


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
    own = OUTCOMES if case.story.identity is not None else OUTCOMES | {"CS09 alert"}
    reads = [one for one in case.versions if one.when == "after" and one.said_by not in own]
    if not reads or case.version is None:
        return None
    last, new = reads[-1], case.version
    before = next((one for one in reversed(case.versions) if one.when == "before"), None)
    reported = _reported(case)
    told = f"0x{last.version:08x} ({_source(last)})"
    if last.version == new:
        if before is not None and before.version == new and reported is None:
            return None
        return Judgement("confirmed", f"The device runs the image's version {told}.")
    if last.said_by == PROXY:
        return None
    if (before is None and case.story.identity is None) or (before is not None and last.version != before.version):
        return Judgement(
            "activated",
            f"The device runs {'another version than before, ' if before else 'version '}{told}, not 0x{new:08x}.",
            missing=("whether that is the image: devices may count versions otherwise than files do",),
        )
    order = case.order
    came_back = None if order is None else case.restarted(order)
    if reported is not None or came_back is not None:
        after = reported or "it was back after the order, as after a restart"
        return Judgement(
            "failed",
            f"The device {'still ' if before else ''}runs version {told} although {after}.",
            "confirmation",
            "version-unchanged",
        )
    if order is not None and order.fate == "pending" and last.time > order.takes_effect + SETTLING_NS:
        return Judgement(
            "failed",
            f"The device was ordered to activate the image and still runs version {told}.",
            "activation",
            "never-activated",
        )
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
    alerts = case.said(Kind.ACTIVATED)
    if alerts and alerts[-1].code not in (0, None):
        return Judgement(
            "failed",
            f"The device said that it could not activate the image (CS09, {alerts[-1].id}).",
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
        return _refused(case, order)
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
    if order.sign is not None or any(not one.whole and one.way.started > due for one in case.story.readings):
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


def utc(time_ns: int) -> str:
    """A moment as people write it; one that no calendar holds as the number it is."""
    try:
        return datetime.fromtimestamp(time_ns // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"


def _refused(case: Case, order: Order) -> Judgement:
    """An order to which the device answered that it did not carry it out."""
    whole = distributed_at(case.story)
    ready = case.said(Kind.RECEIPT)
    early = not any(one.way.started < order.takes_effect for one in ready) and (
        whole is None or order.takes_effect < whole
    )
    if order.outcome in (Outcome.NO_IMAGE_HELD, Outcome.HASH_MISMATCH) and early and case.story.transfers:
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


def _verification(case: Case) -> Judgement | None:
    """The device's own word about the image, unless it began to load it again after that."""
    said = [one for one in case.story.readings if one.kind in (Kind.RECEIPT, Kind.CARRIED)]
    last = said[-1] if said else None
    rejected = [one for one in case.story.transfers if one.state == "rejected"]
    again = case.story.transfers[-1] if case.story.transfers else None
    if last is not None and not (again is not None and again.started > last.time):
        if last.kind is Kind.CARRIED:
            return _carried(case, last)
        if last.code == AlertCode.VERIFICATION_FAILED:
            return Judgement(
                "failed",
                f"The device found the image not genuine (8F1C, {last.id}).",
                "verification",
                _rejection(case, rejected[-1] if rejected else again),
            )
        if last.code == AlertCode.VERIFICATION_SUCCESSFUL:
            return _received(case, last)
    if again is not None and again.state == "rejected":
        return Judgement(
            "failed",
            "The device loaded the image and rejected it as invalid (Upgrade End Request INVALID_IMAGE).",
            "verification",
            _rejection(case, again),
        )
    return None


def _received(case: Case, receipt: Reading) -> Judgement:
    told = "The device has the image and found it genuine (8F72)"
    if any(one.fate == "cancelled" for one in case.orders):
        return Judgement("receipt given", f"{told}; its activation was ordered and cancelled.")
    if not _listened(case, receipt.time):
        return Judgement("receipt given", f"{told}; then the capture ends.", missing=("an activation command (CS06)",))
    return Judgement(
        "receipt given",
        f"{told}; until the end of the capture nobody ordered its activation.",
        "activation order",
        "never-activated",
        ("an activation command (CS06)",),
    )


def _listened(case: Case, since: int) -> bool:
    """Whether the capture went on long enough for what follows to be heard."""
    return case.story.captured_until - since >= PATIENCE_NS


def _carried(case: Case, alert: Reading) -> Judgement | None:
    """The Communications Hub's alert about a transfer (CCS08)."""
    match alert.code:
        case TransferResult.IMAGE_DISCARDED:
            text, stage, cause = "the image was discarded", "verification", "image-discarded"
        case TransferResult.HARDWARE_VERSION_MISMATCH:
            text, stage, cause = "the image is for other hardware", "verification", "wrong-hardware"
        case TransferResult.TRANSFER_FAILURE:
            found = _distribution(case)
            text, stage, cause = "the transfer failed", "distribution", found.cause if found else None
        case _:
            return None
    return Judgement(
        "failed", f"The Communications Hub said that {text} (CCS08, {alert.id}).", stage, cause or "inconclusive"
    )


def _rejection(case: Case, transfer: Transfer | None) -> Cause:  # noqa: PLR0911 -- the rules in their order
    """Why a device rejected an image, as far as the image itself and the operator's references tell."""
    story, image = case.story, case.story.image
    if len({one.server.eui64 or one.server.short for one in story.transfers}) > 1:
        return "two-servers"
    if _for_other_hardware(story):
        return "wrong-hardware"
    said = {one.said_by: one.sha256 for one in case.hashes}
    rebuilt, calculated = said.get("rebuilt image"), said.get("8F1C alert")
    if (transfer is not None and transfer.conflicting_bytes) or (rebuilt and calculated and rebuilt != calculated):
        return "image-corrupted"
    if image is None or image.partial:
        return "inconclusive"
    if any(one.outcome == "invalid" for one in image.checks):
        return "image-rejected-bad"
    references = [one.outcome for one in image.witnesses if one.source in ("reference file", "hash list")]
    if "invalid" in references:
        return "image-corrupted"
    proven = any(one.outcome == "valid" and one.name == SIGNATURE for one in image.checks)
    return "image-rejected-good" if proven or "valid" in references else "inconclusive"


def _for_other_hardware(story: Story) -> bool:
    header = story.image.header if story.image else None
    hardware = [sign.hardware_version for sign in story.signs if sign.command == QUERY and sign.hardware_version >= 0]
    if header is None or not hardware:
        return False
    low, high = header.minimum_hardware_version, header.maximum_hardware_version
    return low is not None and high is not None and not low <= hardware[-1] <= high


def _distribution(case: Case) -> Judgement | None:  # noqa: PLR0911 -- one line for each state
    story = case.story
    if not story.transfers:
        return None
    last = story.transfers[-1]
    if distributed_at(story) is not None and last.state in WHOLE:
        return _whole(case)
    match last.state:
        case "offered":
            return Judgement("offered", "The server offered the image; the device asked for none of it.")
        case "refused":
            return Judgement("refused", _refusal(story), "offer", "image-refused")
        case "downloading":
            return Judgement("distributing", _running(story), "distribution", "still-running", ("the rest of it",))
        case "superseded":
            return Judgement(
                "failed", "The device gave the transfer up for another image.", "distribution", "inconclusive"
            )
        case "aborted":
            return _aborted(case, last)
        case _:
            return _stopped(case, last)


def _running(story: Story) -> str:
    silent = story.ending.unanswered if story.ending else 0
    asked = f"; the server had not answered the device's last {silent} requests" if silent > 1 else ""
    return f"The transfer was still running when the capture ended{asked}."


def _aborted(case: Case, last: Transfer) -> Judgement:
    story = case.story
    by_server = [
        sign
        for sign in story.signs
        if sign.status == ABORT and (sign.command == BLOCK or sign.answered in (BLOCK_REQUEST, PAGE_REQUEST, END))
    ]
    if not by_server:
        text, cause = _silence(case, last)
        why = f": {text}" if cause not in ("inconclusive", "client-stalled") else ""
        cause = cause if why else "inconclusive"
        return Judgement("failed", f"The device aborted the transfer{why}.", "distribution", cause)
    if story.impatience > 1:
        text = f"the device had asked {story.impatience} times before the time was over that it was told to wait"
        return Judgement("failed", f"The server aborted the transfer; {text}.", "distribution", "rate-limited")
    return Judgement(
        "failed", "The server aborted the transfer: it gives the image no more.", "distribution", "image-discarded"
    )


def _stopped(case: Case, last: Transfer) -> Judgement:
    text, cause = _silence(case, last)
    if cause == "inconclusive":
        return Judgement(
            "undecided",
            f"The transfer stopped, and the capture does not show why: {text}.",
            missing=("what the device and the server did after that",),
        )
    return Judgement("failed", f"The transfer stopped: {text}.", "distribution", cause)


def _silence(  # noqa: C901, PLR0911 -- the rules in their order
    case: Case, last: Transfer
) -> tuple[str, Cause]:
    """Why blocks stopped to flow."""
    story, ending = case.story, case.story.ending
    came_back = case.returned(last.ended, last.last_frame)
    if len({one.server.eui64 or one.server.short for one in story.transfers}) > 1:
        return "two servers answered the device", "two-servers"
    if came_back is not None:
        return f"the device was away ({came_back.how}) and did not go on", "client-rebooted"
    if story.unreadable > 1 and story.server_unreadable > 1:
        many = story.unreadable + story.server_unreadable
        return f"no key opens what the device and its server sent after that ({many} frames)", "inconclusive"
    if story.unreadable > 1:
        return f"no key opens what the device sent after that ({story.unreadable} frames)", "wrong-key"
    if ending is None:
        return "what was said last belongs to another image", "inconclusive"
    if ending.unheard and 2 * ending.unheard >= ending.unanswered:
        return "nobody near acknowledged the device's last requests, which it repeated", "radio-link-lost"
    if ending.unheard_by_client:
        return "the device did not acknowledge the last block, which was repeated", "radio-link-lost"
    if ending.unanswered > 1:
        return f"the server did not answer the device's last {ending.unanswered} requests", "server-silent"
    if ending.unanswered == 1 and story.all_heard:
        return "the server did not answer the device's last request", "server-silent"
    if ending.unanswered == 1:
        return "the answer to the device's last request was not heard", "inconclusive"
    if story.heard_after:
        return "the device asked for no more octets although it was heard", "client-stalled"
    return "nothing more was heard of the device", "inconclusive"


def _refusal(story: Story) -> str:
    for sign in story.signs:
        if sign.command == DEFAULT_RESPONSE and sign.answered == OFFER and sign.status:
            return f"The device did not want the image: it answered the offer with status 0x{sign.status:02x}."
    return "The offer was refused."


def _whole(case: Case) -> Judgement:
    if case.by_command:
        return Judgement(
            "distributed",
            "The device has the whole image; what it thinks of it was not heard.",
            missing=(_unheard(case, "the receipt alert (8F72 or 8F1C) and an activation command (CS06)"),),
        )
    last = case.story.transfers[-1]
    if last.state == "more-needed":
        return Judgement("distributed", "The device has the image and asks for another one before it upgrades.")
    if case.role.flow == "PPMID":
        wanted = "an Upgrade End Response that says when, a restart, or the activation alert (CS09)"
    else:
        wanted = "an Upgrade End Response that says when, a restart, or a query with the new version"
    if last.state == "waiting" and _listened(case, last.ended):
        return Judgement(
            "distributed",
            "The device has the whole image and was told to wait; nobody told it to upgrade until the capture's end.",
            "activation",
            "never-activated",
            (wanted,),
        )
    return Judgement(
        "distributed", "The device has the whole image; that it was to upgrade was not heard.", missing=(wanted,)
    )


def _unheard(case: Case, what: str) -> str:
    """Something that only GBCS messages tell."""
    if case.story.readings:
        return what
    why = f"; {case.shut}" if case.shut else "; no GBCS message about its firmware is in the capture"
    return f"{what}{why}"


def _offer(case: Case) -> Judgement | None:
    if not case.story.refusals:
        return None
    return Judgement("refused", "The server had no newer image for the device.", "offer", "image-refused")


_LOOKS: Final[tuple[Callable[[Case], Judgement | None], ...]] = (
    _confirmation,
    _activation,
    _order,
    _verification,
    _distribution,
    _offer,
)
