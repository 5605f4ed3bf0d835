"""Whether an image was offered, reached its device and was found genuine there; and if not, why not.

A silence is a device's or server's failure only where something else shows that: requests that nobody acknowledged, a
restart, frames of the device that went on, or the frame counters of a server that sent nothing in return.
"""

from __future__ import annotations

from typing import Final

from hanscope.analyzers.gb_images import SIGNATURE
from hanscope.analyzers.results import Cause, Transfer
from hanscope.analyzers.tables import DEFAULT_RESPONSE
from hanscope.analyzers.updates.case import WHOLE, Case, Judgement, distributed_at
from hanscope.analyzers.updates.claims import PROXY
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.readings import AlertCode, Kind, Reading, TransferResult
from hanscope.analyzers.updates.signs import (
    BLOCK,
    BLOCK_REQUEST,
    END,
    OFFER,
    PAGE_REQUEST,
    QUERY,
    SECOND,
    Ending,
    status_of,
)
from hanscope.dissectors.codes import Status

PATIENCE_NS: Final = 30 * SECOND
"""A capture that ends sooner says nothing about what did not follow."""


def verification(case: Case) -> Judgement | None:
    """The device's own word about the image, unless it began to load it again after that."""
    said = [one for one in case.story.readings if one.kind in (Kind.RECEIPT, Kind.CARRIED)]
    last = said[-1] if said else None
    rejected = [one for one in case.story.transfers if one.state == "rejected"]
    again = case.story.transfers[-1] if case.story.transfers else None
    if last is not None and not (again is not None and again.started > last.time):
        if last.kind is Kind.CARRIED:
            return _carried(case, last)
        if last.code == AlertCode.VERIFICATION_FAILED:
            cause = _rejection(case, rejected[-1] if rejected else again)
            return Judgement(
                "failed",
                f"The device found the image not genuine (8F1C, {last.id}){_CLUES.get(cause, '')}.",
                "verification",
                cause,
            )
        if last.code == AlertCode.VERIFICATION_SUCCESSFUL:
            return _received(case, last)
    if again is not None and again.state == "rejected":
        return _rejected(case, again)
    return None


_CLUES: Final[dict[Cause, str]] = {
    "two-servers": "; its blocks came from two servers",
    "image-corrupted": "; what it got is not what was to be sent",
    "image-rejected-bad": "; checks of the image say the same",
    "image-rejected-good": ", although nothing is wrong with the image as far as it can be checked",
}
"""What bears out a rejection."""


def _rejected(case: Case, transfer: Transfer) -> Judgement:
    cause = _rejection(case, transfer)
    part = _part(case, transfer)
    clue = _CLUES.get(cause, "")
    if (versions := _hardware(case.story)) is not None and cause == "wrong-hardware":
        own, low, high = versions
        clue = f": its hardware is version 0x{own:04x}, the image is for 0x{low:04x} to 0x{high:04x}"
    told = f"rejected the image as invalid after {part}" if part else "loaded the image and rejected it as invalid"
    reason = f"The device {told} (Upgrade End Request INVALID_IMAGE){clue}."
    return Judgement("failed", reason, "verification", cause)


def _part(case: Case, transfer: Transfer) -> str:
    """How much of the image the device had, if that was not all of it."""
    got, size = transfer.delivered_bytes, transfer.image_size
    if size is None or got >= size or transfer.complete:
        return ""
    least = "" if case.left_off() else "at least "
    return f"{least}{got:,} of {size:,} octets"


def _received(case: Case, receipt: Reading) -> Judgement:
    told = "The device has the image and found it genuine (8F72)"
    if any(one.fate == "cancelled" for one in case.orders):
        return Judgement("receipt given", f"{told}; its activation was ordered and cancelled.")
    if not _listened(case, receipt.time):
        return Judgement("receipt given", f"{told}; then the capture ends.", missing=("an activation command (CS06)",))
    if not case.all_of_hub(receipt.time, case.story.captured_until):
        return Judgement(
            "receipt given",
            f"{told}; until the end of the capture no order to activate it was heard.",
            "activation order",
            "never-activated",
            ("an activation command (CS06): some of what was sent to the device after that was missed",),
        )
    return Judgement(
        "receipt given",
        f"{told}; until the end of the capture nobody ordered its activation.",
        "activation order",
        "never-activated",
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
            found = distribution(case)
            text, stage, cause = "the transfer failed", "distribution", found.cause if found else None
        case _:
            return None
    return Judgement(
        "failed", f"The Communications Hub said that {text} (CCS08, {alert.id}).", stage, cause or "inconclusive"
    )


def _rejection(case: Case, transfer: Transfer | None) -> Cause:  # noqa: PLR0911 -- the rules in their order
    """Why a device rejected an image, as far as the image itself and the operator's references tell."""
    story, image = case.story, case.story.image
    if _servers(story) > 1:
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
    """The device told its hardware version, and it is outside of what the image's header says."""
    versions = _hardware(story)
    return versions is not None and not versions[1] <= versions[0] <= versions[2]


def _hardware(story: Story) -> tuple[int, int, int] | None:
    """The device's hardware version as it told it, and the lowest and highest that the image is for."""
    header = story.image.header if story.image else None
    hardware = [sign.hardware_version for sign in story.signs if sign.command == QUERY and sign.hardware_version >= 0]
    if header is None or not hardware:
        return None
    low, high = header.minimum_hardware_version, header.maximum_hardware_version
    return None if low is None or high is None else (hardware[-1], low, high)


def distribution(case: Case) -> Judgement | None:  # noqa: PLR0911 -- one line for each state
    """How far the blocks of the last attempt came."""
    story = case.story
    if not story.transfers:
        return None
    last = story.transfers[-1]
    if distributed_at(story) is not None and last.state in WHOLE:
        return _whole(case)
    match last.state:
        case "offered" if story.unreadable > 1:
            return _stopped(case, last)
        case "offered" if case.left_off():
            return Judgement("offered", "The server offered the image; the device asked for none of it.")
        case "offered":
            return Judgement(
                "offered",
                "The server offered the image; no request for it was heard.",
                missing=("what the device sent after the offer",),
            )
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
        if sign.status == Status.ABORT
        and (sign.command == BLOCK or sign.answered in (BLOCK_REQUEST, PAGE_REQUEST, END))
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
            f"How the transfer went on is not shown: {text}.",
            missing=("what the device and the server did after that",),
        )
    return Judgement("failed", f"The transfer stopped: {text}.", "distribution", cause)


def _silence(case: Case, last: Transfer) -> tuple[str, Cause]:
    """Why blocks stopped to flow."""
    story, ending = case.story, case.story.ending
    came_back = case.returned(last.ended, last.last_frame)
    if came_back is not None:
        if case.given_up(came_back):
            return f"the device was away ({came_back.how}) and did not go on", "client-rebooted"
        return "what was sent before the device was back was captured in part only", "inconclusive"
    if story.unreadable > 1 and story.server_unreadable > 1:
        many = story.unreadable + story.server_unreadable
        return f"no key opens what the device and its server sent after that ({many} frames)", "inconclusive"
    if story.unreadable > 1:
        return f"no key opens what the device sent after that ({story.unreadable} frames)", "wrong-key"
    if ending is None:
        return "what was said last belongs to another image", "inconclusive"
    return _unanswered(case, ending) or _unasked(case)


def _unanswered(  # noqa: PLR0911 -- the rules in their order
    case: Case, ending: Ending
) -> tuple[str, Cause] | None:
    """Requests or blocks that nobody took, and requests without an answer."""
    if ending.unheard and 2 * ending.unheard >= ending.unanswered:
        return "nobody near acknowledged the device's last requests, which it repeated", "radio-link-lost"
    if ending.unheard_by_client and not case.story.heard_after:
        return "the device did not acknowledge the last block, which was repeated", "radio-link-lost"
    if not ending.unanswered:
        return None
    if ending.unanswered > 1 and 2 * ending.repeated >= ending.unanswered:
        return (
            "most of the device's last requests were sent again, so the server may not have heard them",
            "inconclusive",
        )
    if not case.server_heard(ending):
        return "answers to the device's last requests may have been missed", "inconclusive"
    if ending.unanswered > 1:
        return f"the server did not answer the device's last {ending.unanswered} requests", "server-silent"
    if case.story.all_heard:
        return "the server did not answer the device's last request", "server-silent"
    return "the answer to the device's last request was not heard", "inconclusive"


def _unasked(case: Case) -> tuple[str, Cause]:
    """The device did not go on asking, as far as it was heard."""
    if not case.story.heard_after:
        return "nothing more was heard of the device", "inconclusive"
    if not case.left_off():
        return "more was sent than was captured, and the rest of the image may be among it", "inconclusive"
    if not case.parting_heard():
        return "some of what was sent just after that was missed, and with it perhaps a word why", "inconclusive"
    if _servers(case.story) > 1:
        return "two servers had answered the device, and it asked neither for more octets", "two-servers"
    return "the device asked for no more octets although it was heard", "client-stalled"


def _servers(story: Story) -> int:
    """How many servers the device loaded the image from."""
    return len({one.server.eui64 or one.server.short for one in story.transfers})


def _refusal(story: Story) -> str:
    for sign in story.signs:
        if sign.command == DEFAULT_RESPONSE and sign.answered == OFFER and sign.status:
            return f"The device did not want the image: it answered the offer with {status_of(sign)}."
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


def offer(case: Case) -> Judgement | None:
    """Queries that the server declined are all that there is."""
    if not case.story.refusals:
        return None
    ran = {one.version: one for one in case.versions if one.said_by != PROXY}
    if len(ran) > 1:
        (*_, old), new = list(ran)[:-1], list(ran)[-1]
        return Judgement(
            "undecided",
            f"The device ran version 0x{old:08x} and now runs 0x{new:08x}; how it got that was not captured.",
            missing=("the transfer of the image",),
        )
    answers = [sign for sign in case.story.signs if sign.command == OFFER and sign.status]
    reason = "The server had no newer image for the device."
    if answers and answers[-1].status != Status.NO_IMAGE_AVAILABLE:
        reason = f"The server answered the device's query with {status_of(answers[-1])}, and offered no image."
    return Judgement("refused", reason, "offer", "image-refused")
