"""Response times and stalls (values of stacks and policy, not of the specification)."""

from typing import Final

from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.rules.terms import OTA, REQUEST
from hanscope.dissectors.codes import OtaCommand


def _late(t: Rows) -> Mask:
    """The first answer to a request, and not a block of a page."""
    asked = t.of(t.asked_row)
    late = t.elapsed(t.asked_row) > int(t.limits.response_seconds * SECOND)
    return t.by_server & late & (asked.answer_row == t.index) & (asked.command != OtaCommand.IMAGE_PAGE_REQUEST)


def _stall(t: Rows) -> Mask:
    quiet = t.elapsed(t.prior_row) > int(t.limits.stall_seconds * SECOND)
    unfinished = (t.offered_size < 0) | (t.reach_before < t.offered_size)
    return t.same_image & quiet & unfinished & (t.wait_row < 0) & (t.end_request_row < t.prior_row)


RULES: Final = (
    RowRule(
        id="ota.timing.late-answer",
        source="T01",
        severity="warning",
        clause="stacks",
        title="Late answer",
        explanation="The server took longer to answer than clients usually wait.",
        advice="Clients ask again meanwhile, and may take the late answer for that of the repetition.",
        filter=OTA,
        fires="an answer after 6 s",
        silent="an answer after 4 s",
        detail="the request has sequence number {zcl_sequence}",
        beside=lambda t: t.asked_row,
        among="answer",
        finds=_late,
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.timing.stall",
        source="T02",
        severity="warning",
        clause="policy",
        title="Download paused",
        explanation="The client made a pause in mid-transfer that nobody had asked for.",
        advice="See whether it rebooted, was asleep, or was busy; sleepy devices of GB HANs do so by design.",
        filter=REQUEST,
        profile="zigbee",
        fires="three minutes between two requests, every frame of the client captured",
        silent="three minutes after WAIT_FOR_DATA with 180 s",
        detail="it went on at offset {file_offset}",
        beside=lambda t: t.prior_row,
        among="request",
        finds=_stall,
        unless_missed=lambda t: Quiet("client", t.prior_row),
    ),
)
