"""Upgrade End Request and Response, and what follows them (OTA 6.10.9, 6.7.3)."""

from typing import Final

import numpy as np

from hanscope.analyzers.results import Transfer, Update
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Hit, ItemRule, Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.rules.terms import (
    DEFAULT,
    END_REQUEST,
    END_RESPONSE,
    FOREVER,
    OTA,
    QUERY,
    REQUEST,
    RESPONSE,
    odd_clock,
    server_answering,
)
from hanscope.analyzers.silences import left_off
from hanscope.analyzers.tables import Column
from hanscope.dissectors.codes import OtaCommand, Status
from hanscope.dissectors.eui64 import eui64

UPGRADED: Final = frozenset({"waiting", "upgrading", "ended"})


def _too_early(t: Rows) -> Mask:
    """A whole block or more of the image was never asked for."""
    prior = t.of(t.prior_row)
    mine = (t.status == 0) & t.next_number & (t.prior_row >= 0) & (prior.image == t.image)
    return mine & (t.offered_size > 0) & (t.reach + np.maximum(prior.data_size, 1) <= t.offered_size)


def _unanswered(t: Rows) -> Mask:
    row = t.end_request_row
    return (t.of(row).status == 0) & (t.elapsed(row) >= int(t.limits.response_seconds * SECOND))


def _another_identity(t: Rows, row: Column) -> Mask:
    """Not the identity of the other row, and no wildcard for it."""
    other = t.of(row)
    manufacturer = (t.manufacturer_code != 0xFFFF) & (other.manufacturer_code != t.manufacturer_code)
    image_type = (t.image_type != 0xFFFF) & (other.image_type != t.image_type)
    version = (t.file_version != FOREVER) & (other.file_version != t.file_version)
    return (row >= 0) & (other.file_version >= 0) & (manufacturer | image_type | version)


def _upgraded_by_now(t: Rows) -> Mask:
    """Queries after the time of an upgrade, with some patience."""
    row = t.end_response_row
    now, then = t.of(row, 0).current_time, t.of(row, FOREVER).request_time
    due = np.clip(np.where(now > 0, then - now, then), 0, 10_000_000) + t.limits.activation_seconds
    return t.same_kind(row) & (then != FOREVER) & (t.elapsed(row) >= due * SECOND)


def _version_before(t: Rows) -> Column:
    """The version that the client named before the Upgrade End Response."""
    return t.of(t.of(t.end_response_row).query_row).file_version


def _said_nothing(t: Rows) -> Mask:
    """No default response to an Upgrade End Response that asks for one."""
    row = t.end_response_row
    asks = (t.of(row).disable_default_response == 0) & t.unicast
    answers = t.default_response & (t.answered == 7)
    return asks & ~answers & (t.elapsed(row) >= int(t.limits.response_seconds * SECOND))


def _default_not_wanted(t: Rows) -> Mask:
    """SUCCESS although the command forbade it; a failed Upgrade End Request has no other answer."""
    return (
        (t.status == 0)
        & (t.of(t.told_row).disable_default_response == 1)
        & (t.answered != OtaCommand.UPGRADE_END_REQUEST)
    )


def _rebooted_early(transfer: Transfer, facts: Facts) -> list[Hit]:
    if transfer.end_status != 0 or transfer.upgrade_at is not None:
        return []
    who, server = facts.client(transfer), facts.server(transfer)
    for jump in facts.evidence.jumps(who):
        quiet = facts.evidence.missed(server, transfer.ended, jump.after_ns, transfer.last_frame, jump.frame)
        later = jump.before_ns >= transfer.ended and jump.frame > transfer.last_frame
        if later and quiet.verdict == "captured":
            return [Hit((transfer.last_frame, jump.frame), transfer.id)]
    return []


def _before_time(update: Update, facts: Facts) -> list[Hit]:
    """A restart between the order and its time."""
    told = [order for order in update.orders if order.by == "Upgrade End Response" and order.due is not None]
    name = update.device.eui64
    client = facts.evidence.find(update.pan_id, update.device.short, eui64(name) if name else 0)
    return [
        Hit((*order.frames, jump.frame), *_about(update), f"{(order.due - jump.after_ns) / SECOND:.0f} s early")
        for order in told
        for jump in facts.evidence.jumps(client)
        if order.due is not None
        if order.time < jump.before_ns and jump.after_ns < order.due - int(facts.limits.activation_seconds * SECOND)
    ]


def _about(update: Update) -> tuple[str | None, str | None]:
    transfer = update.transfer_ids[-1] if update.transfer_ids else None
    return transfer, None if transfer else update.id


def _again(transfer: Transfer, facts: Facts) -> list[Hit]:
    earlier = [one for one in facts.story(transfer) if one.ended <= transfer.started and one.state in UPGRADED]
    return [Hit((transfer.first_frame,), transfer.id)] if earlier and transfer.block_responses > FEW_BLOCKS else []


FEW_BLOCKS: Final = 5


def _stalled(transfer: Transfer, facts: Facts) -> list[Hit]:
    """Silent although the client goes on talking, and it cannot have gone on unheard."""
    if transfer.state != "stalled":
        return []
    talk = facts.talk(transfer)
    return [Hit((talk.last_frame,), transfer.id)] if facts.heard_after(talk) and left_off(facts.evidence, talk) else []


def _restarted(transfer: Transfer, facts: Facts) -> list[Hit]:
    """An attempt that was given up for another at the same image, from the same server."""
    earlier = [one for one in facts.story(transfer) if one.server == transfer.server and one.started < transfer.started]
    if not earlier or earlier[-1].state != "superseded" or not facts.begun(transfer):
        return []
    return [Hit((earlier[-1].last_frame, transfer.first_frame), transfer.id)]


RULES: Final = (
    RowRule(
        id="ota.end.too-early",
        source="E01",
        severity="error",
        clause="OTA 6.10.9",
        title="Success reported before the last block",
        explanation="The client reported a whole image although it had not asked for all of it.",
        advice="What it stored can not be whole: see what was stored there before.",
        filter=END_REQUEST,
        fires="Upgrade End Request SUCCESS at half of the image, every frame of the client captured",
        silent="the same with frames of the client missed before it",
        detail="octets 0 to {reach} of {offered_size} were asked for",
        beside=lambda t: t.prior_row,
        among="end_request",
        finds=_too_early,
        unless_missed=lambda t: Quiet("client", t.prior_row),
    ),
    RowRule(
        id="ota.end.status",
        source="E02",
        severity="error",
        clause="OTA 6.10.9",
        title="Upgrade End Request with a status that is not allowed",
        explanation="Only SUCCESS, INVALID_IMAGE, REQUIRE_MORE_IMAGE and ABORT are allowed in an Upgrade End Request.",
        advice="Ask the client's maker what the status means.",
        filter=END_REQUEST,
        fires="status 0x94",
        silent="status 0x96",
        detail="status 0x{status:02x}",
        among="end_request",
        finds=lambda t: (
            (t.status > 0)
            & (t.status != Status.ABORT)
            & (t.status != Status.INVALID_IMAGE)
            & (t.status != Status.REQUIRE_MORE_IMAGE)
        ),
    ),
    RowRule(
        id="ota.end.rejected",
        source="E03",
        severity="warning",
        clause="OTA 6.10.9",
        title="Client rejected the image",
        explanation="The client ended the download with INVALID_IMAGE: it had it, and did not accept it.",
        advice="Compare with the checks of the rebuilt image: signature, hash, hardware version.",
        filter=END_REQUEST,
        fires="status 0x96",
        silent="status 0x00",
        among="end_request",
        finds=lambda t: t.status == Status.INVALID_IMAGE,
    ),
    RowRule(
        id="ota.end.aborted",
        source="E03",
        severity="warning",
        clause="OTA 6.10.9",
        title="Client gave the download up",
        explanation="The client ended the download with ABORT.",
        advice="See what went before: unanswered requests, waits, a reboot.",
        filter=END_REQUEST,
        fires="status 0x95",
        silent="status 0x99",
        detail="octets 0 to {reach} of {offered_size} had been asked for",
        among="end_request",
        finds=lambda t: t.status == Status.ABORT,
    ),
    RowRule(
        id="ota.end.more-needed",
        source="E03",
        severity="note",
        clause="OTA 6.10.9",
        title="Client needs another image first",
        explanation="The client ended the download with REQUIRE_MORE_IMAGE.",
        advice="Normal for devices that are upgraded in parts.",
        filter=END_REQUEST,
        fires="status 0x99",
        silent="status 0x00",
        among="end_request",
        finds=lambda t: t.status == Status.REQUIRE_MORE_IMAGE,
    ),
    RowRule(
        id="ota.end.other-image",
        source="E05",
        severity="error",
        clause="OTA 6.10.9",
        title="Upgrade End Request for another version",
        explanation="The version in the Upgrade End Request is not that of the image that the client was loading.",
        advice="See which image the client really stored.",
        filter=END_REQUEST,
        fires="blocks of version 5, then an Upgrade End Request for version 6",
        silent="the same with frames of the client missed in between",
        detail="loaded 0x{other_file_version:08x}, ended 0x{file_version:08x}",
        beside=lambda t: t.prior_row,
        among="end_request",
        finds=lambda t: (
            t.same_kind(t.prior_row) & (t.file_version >= 0) & (t.of(t.prior_row).file_version != t.file_version)
        ),
        unless_missed=lambda t: Quiet("client", t.prior_row),
    ),
    RowRule(
        id="ota.end.unanswered",
        source="E06",
        severity="warning",
        clause="OTA 6.10.9",
        title="Server did not answer an Upgrade End Request",
        explanation="The client reported a whole image, and the server sent no answer.",
        advice="The client waits for the order to upgrade: look at the server.",
        filter=END_REQUEST,
        fires="SUCCESS, acknowledged, no answer, every frame of the server captured",
        silent="the same with an Upgrade End Response",
        beside=lambda t: t.end_request_row,
        among="end_overdue",
        finds=_unanswered,
        unless_missed=lambda t: server_answering(t, "end_request_row"),
        delivered=lambda t: t.end_request_row,
    ),
    RowRule(
        id="ota.end.wrong-answer",
        source="E06",
        severity="warning",
        clause="OTA 6.10.9",
        title="Failed download answered with an Upgrade End Response",
        explanation="A failed Upgrade End Request is to be answered with a default response.",
        advice="A client may take it for the order to upgrade: mend the server.",
        filter=END_RESPONSE,
        fires="INVALID_IMAGE answered with an Upgrade End Response",
        silent="INVALID_IMAGE answered with a default response",
        beside=lambda t: t.asked_row,
        among="end_response",
        finds=lambda t: (t.of(t.asked_row).command == OtaCommand.UPGRADE_END_REQUEST) & (t.of(t.asked_row).status > 0),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.end.identity-mismatch",
        source="E07",
        severity="error",
        clause="OTA 6.10.9.6",
        title="Upgrade End Response for another image",
        explanation="Manufacturer, type or version of the response are not those of the request.",
        advice="The client drops it, or upgrades to the wrong image: mend the server.",
        filter=END_RESPONSE,
        fires="version 6 in the answer to an Upgrade End Request for version 5",
        silent="the wildcard 0xffffffff in the answer",
        detail="asked about 0x{other_file_version:08x}, answered 0x{file_version:08x}",
        beside=lambda t: t.asked_row,
        among="end_response",
        finds=lambda t: (
            (t.of(t.asked_row).command == OtaCommand.UPGRADE_END_REQUEST) & _another_identity(t, t.asked_row)
        ),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.end.times",
        source="E08",
        severity="warning",
        clause="OTA 6.10.9.6",
        title="Upgrade time before the current time",
        explanation="The upgrade time lies before the current time and is not 0, so it is not clear what is meant.",
        advice="Clients upgrade at once; see whether that is meant.",
        filter=END_RESPONSE,
        fires="current time 1000, upgrade time 900",
        silent="current time 1000, upgrade time 1000",
        detail="current time {current_time}, upgrade time {request_time}",
        among="end_response",
        finds=lambda t: (t.request_time > 0) & (t.request_time < t.current_time),
    ),
    RowRule(
        id="ota.end.clock",
        source="E08",
        severity="note",
        clause="OTA 6.10.9.6, Time",
        title="Server's clock is far from the capture's",
        explanation="The current time of an Upgrade End Response is neither 0 nor the time of the capture.",
        advice="Clients with a clock of their own may upgrade at another time than meant.",
        filter=END_RESPONSE,
        confidence="probable",
        fires="current time 0x12345",
        silent="current time of the capture",
        detail="current time {current_time} s after 2000",
        among="end_response",
        finds=odd_clock,
    ),
    ItemRule(
        id="ota.end.early-reboot",
        source="E09",
        severity="error",
        clause="OTA 6.10.9",
        title="Client rebooted before it was told to",
        explanation="The client reported a whole image and rebooted, although no Upgrade End Response had come.",
        advice="See whether it had been told by other means (an activation command, a button).",
        filter=END_REQUEST,
        confidence="probable",
        fires="Upgrade End Request, then a jump of the client's frame counter, every frame of the server captured",
        silent="the same with frames of the server missed in between",
        profile="zigbee",
        over="transfer",
        finds=_rebooted_early,
    ),
    ItemRule(
        id="ota.end.before-time",
        source="E10",
        severity="warning",
        clause="OTA 6.10.9.6",
        title="Client rebooted before the time of its upgrade",
        explanation="The client was told a time at which to upgrade, and restarted before it.",
        advice="See which version it runs now; else its clock is wrong, or it restarted for another reason.",
        filter=END_RESPONSE,
        confidence="probable",
        over="update",
        fires="told to upgrade in 300 s, a jump of its frame counter after 100 s",
        silent="told to upgrade in 60 s, a jump of its frame counter after 100 s",
        finds=_before_time,
    ),
    RowRule(
        id="ota.end.repeated-early",
        source="E11",
        severity="note",
        clause="OTA 6.10.9.6",
        title="Client asks again and again when to upgrade",
        explanation="The client was told to wait for a further command, and repeats its request within minutes.",
        advice="Stacks ask every 60 minutes; costs airtime only.",
        filter=END_REQUEST,
        fires="Upgrade End Request a minute after it was told to wait",
        silent="an hour after it was told to wait",
        beside=lambda t: t.end_response_row,
        among="end_request",
        finds=lambda t: (
            (t.of(t.end_response_row).request_time == FOREVER)
            & (t.end_request_row >= 0)
            & (t.end_request_row < t.end_response_row)
            & (t.of(t.end_request_row).image == t.image)
            & (t.elapsed(t.end_response_row) < int(t.limits.end_repeat_seconds * SECOND))
        ),
    ),
    RowRule(
        id="ota.end.version-unchanged",
        source="E13",
        severity="warning",
        clause="OTA 6.7.3",
        title="The old version still runs after the upgrade",
        explanation="After the time of the upgrade the client still names the version that it had before.",
        advice="The upgrade failed or was rolled back: see the client's log, and the image's checks.",
        filter=QUERY,
        confidence="probable",
        fires="Upgrade End Response for version 5, and two minutes later a query that says 4, as before",
        silent="a query two minutes later that says 5",
        detail="it names 0x{file_version:08x}, 0x{other_file_version:08x} was to be installed",
        beside=lambda t: t.end_response_row,
        among="query",
        finds=lambda t: (
            _upgraded_by_now(t)
            & (_version_before(t) == t.file_version)
            & (t.of(t.end_response_row).file_version != t.file_version)
        ),
    ),
    RowRule(
        id="ota.end.version-other",
        source="E13",
        severity="note",
        clause="OTA 6.7.3",
        title="Another version runs after the upgrade",
        explanation="After the upgrade the client names a version that is neither the old one nor the image's.",
        advice="Some makers number the running version otherwise than the file: compare the release parts.",
        filter=QUERY,
        confidence="probable",
        fires="Upgrade End Response for version 5, and two minutes later a query that says 9",
        silent="a query two minutes later that says 5",
        detail="it names 0x{file_version:08x}, 0x{other_file_version:08x} was to be installed",
        beside=lambda t: t.end_response_row,
        among="query",
        finds=lambda t: (
            _upgraded_by_now(t)
            & (_version_before(t) != t.file_version)
            & (t.of(t.end_response_row).file_version != t.file_version)
            & (t.query_row < t.end_response_row)
        ),
    ),
    ItemRule(
        id="ota.session.downloaded-again",
        source="E14",
        severity="warning",
        clause="OTA",
        title="The same image downloaded again",
        explanation="The client downloads an image that it had already downloaded to the end.",
        advice="See why it was not installed: the version that the client names before and after.",
        filter=REQUEST,
        confidence="probable",
        fires="a whole download with SUCCESS, and a second one of the same version",
        silent="a whole download with SUCCESS, and one of the next version",
        over="transfer",
        finds=_again,
    ),
    ItemRule(
        id="ota.session.stalled",
        source="E15",
        severity="warning",
        clause="OTA 6.10",
        title="Download stopped half-way",
        explanation="The client asks for no more blocks although it is still there and heard.",
        advice="See the last requests: unanswered, refused, or simply not made.",
        filter=REQUEST,
        fires="requests up to the middle, then minutes of other frames of the client",
        silent="the same with so many frames of both missed that the rest may be among them",
        over="transfer",
        finds=_stalled,
    ),
    ItemRule(
        id="ota.session.restarted",
        source="B05",
        severity="note",
        clause="OTA 6.7.2",
        title="Download begun anew",
        explanation="The client gave up a download half-way and began again at the beginning.",
        advice="Some clients do so after a single timeout; see what went before.",
        filter=REQUEST,
        over="transfer",
        fires="offsets 0, 50, 100, and then 0 again",
        silent="offsets 0, 50, 50, 100",
        finds=_restarted,
    ),
    RowRule(
        id="ota.session.server-aborted",
        source="B14",
        severity="warning",
        clause="OTA 6.10.8",
        title="Server aborted the download",
        explanation="The server answered a block request with ABORT.",
        advice="See why the server dropped the image: replaced, discarded, or out of order.",
        filter=RESPONSE,
        fires="an Image Block Response with status 0x95",
        silent="an Image Block Response with status 0x97",
        detail="offset {other_file_offset} was asked for",
        beside=lambda t: t.asked_row,
        among="block_response",
        finds=lambda t: t.status == Status.ABORT,
    ),
    RowRule(
        id="ota.end.no-default-response",
        source="D01",
        severity="warning",
        clause="ZCL 2.5.12",
        title="Default response missing",
        explanation="The client did not answer an Upgrade End Response that asks for a default response.",
        advice="The server may repeat it; tell the client's maker.",
        filter=END_RESPONSE,
        fires="an acknowledged Upgrade End Response with disable-default-response clear, and no answer",
        silent="the same with the bit set",
        beside=lambda t: t.end_response_row,
        among="after_end_response",
        finds=_said_nothing,
        unless_missed=lambda t: Quiet("client", t.end_response_row, int(t.limits.response_seconds * SECOND)),
        received=lambda t: t.end_response_row,
    ),
    RowRule(
        id="ota.default.not-wanted",
        source="D02",
        severity="warning",
        clause="ZCL 2.5.12",
        title="Default response that was not wanted",
        explanation="A default response with SUCCESS answers a command that had disabled it.",
        advice="Costs airtime; tell the maker of whoever sent it.",
        filter=DEFAULT,
        fires="SUCCESS to a block response with disable-default-response set",
        silent="SUCCESS to a block response with the bit clear",
        beside=lambda t: t.told_row,
        among="default_response",
        finds=_default_not_wanted,
    ),
    RowRule(
        id="ota.default.to-default",
        source="D02",
        severity="warning",
        clause="ZCL 2.5.12",
        title="Default response to a default response",
        explanation="A default response must never be answered by one.",
        advice="Two such devices answer each other for ever: tell the maker.",
        filter=DEFAULT,
        fires="default response to command 0x0b",
        silent="default response to command 0x02",
        among="default_response",
        finds=lambda t: t.answered == 0x0B,
    ),
    RowRule(
        id="ota.direction",
        source="D03",
        severity="warning",
        clause="ZCL 2.4.1.1.3",
        title="Direction bit contradicts the role",
        explanation="The direction bit says server to client where the client speaks, or the other way round.",
        advice="Strict receivers drop such frames; tell the maker.",
        filter=OTA,
        fires="the client's default response to an Image Notify with the bit set",
        silent="the same with the bit clear",
        detail="direction bit {from_server}",
        among="message",
        finds=lambda t: (t.from_server >= 0) & (t.from_server != t.by_server) & _known_speaker(t),
    ),
    RowRule(
        id="ota.sequence-constant",
        source="D04",
        severity="note",
        clause="ZCL 2.4.1.3",
        title="Sequence number does not change",
        explanation="Two requests for different blocks carry the same ZCL sequence number.",
        advice="Answers can not be told apart by it; tell the client's maker.",
        filter=REQUEST,
        fires="offset 0 and offset 50 with sequence number 1",
        silent="offset 0 with sequence number 1, offset 50 with 2",
        beside=lambda t: t.prior_row,
        among="request",
        finds=lambda t: (
            t.same_image
            & (t.file_offset != t.of(t.prior_row).file_offset)
            & (t.zcl_sequence == t.of(t.prior_row).zcl_sequence)
        ),
        unless_missed=lambda t: Quiet("client", t.prior_row),
    ),
)


def _known_speaker(t: Rows) -> Mask:
    """Who speaks follows from the command, or from what a default response answers."""
    return (t.command < 10) | ((t.answered >= 0) & (t.answered < 10))
