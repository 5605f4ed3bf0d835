"""WAIT_FOR_DATA and the minimum block period (OTA 6.10.8, 6.7.10).

The period counts in milliseconds or, in revision 2 of the cluster, in seconds. The smaller unit is taken here, so that
nobody is blamed who counts in the other.
"""

from typing import Final

import numpy as np

from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.rules.terms import REQUEST, RESPONSE, odd_clock
from hanscope.analyzers.tables import Column
from hanscope.dissectors.codes import OtaCommand

WAIT: Final = f"{RESPONSE} && zbee_zcl_general.ota.status == 0x97"
MILLISECOND: Final = 1_000_000


def _early(t: Rows) -> Mask:
    wait = t.of(t.wait_row).wait_s
    tolerance = np.maximum(t.limits.early_seconds, t.limits.early_share * wait)
    return t.elapsed(t.wait_row) < (wait - tolerance) * SECOND


def _period_share(t: Rows) -> Column:
    """How much of the period that the client itself names has passed, over its last two intervals; 1 if none counts.

    Two, as a frame that the radio delayed makes one interval longer and the next one shorter.
    """
    prior = t.of(t.prior_row)
    before = t.of(prior.prior_row)
    period = np.minimum(t.minimum_block_period, before.minimum_block_period) * MILLISECOND
    alike = t.same_image & (prior.command == OtaCommand.IMAGE_BLOCK_REQUEST) & (before.image == t.image)
    counts = alike & (period > 0) & (t.wait_row < 0) & (prior.wait_row < 0)
    return np.where(counts, t.elapsed(prior.prior_row) / np.maximum(2 * period, 1), 1.0)


RULES: Final = (
    RowRule(
        id="ota.wait.ignored",
        source="W01",
        severity="error",
        clause="OTA 6.10.8",
        title="Client did not wait",
        explanation="The client got WAIT_FOR_DATA and asked again before the time was over.",
        advice="The server may refuse it for that: tell the client's maker.",
        filter=f"({REQUEST}) || ({WAIT})",
        fires="told to wait 60 s (acknowledged), asked again after 10 s",
        silent="told to wait 60 s, asked again after 60 s",
        detail="told to wait {other_wait_s} s, asked again after {waited_s} s",
        beside=lambda t: t.wait_row,
        among="after_wait",
        finds=_early,
        unless_missed=lambda t: Quiet("server", t.prior_row),
        received=lambda t: t.wait_row,
    ),
    RowRule(
        id="ota.wait.other-offset",
        source="W02",
        severity="warning",
        clause="OTA 6.10.8",
        title="Another block asked for after a wait",
        explanation="After WAIT_FOR_DATA the client has to repeat its request, and asked for another offset.",
        advice="See whether it comes back for the block that it left out.",
        filter=REQUEST,
        fires="told to wait at offset 50, then offset 100",
        silent="told to wait at offset 50, then offset 50",
        detail="offset {file_offset}",
        beside=lambda t: t.prior_row,
        among="after_wait",
        finds=lambda t: t.file_offset != t.of(t.prior_row).file_offset,
        unless_missed=lambda t: Quiet("client", t.prior_row),
        received=lambda t: t.wait_row,
    ),
    RowRule(
        id="ota.wait.times",
        source="W03",
        severity="error",
        clause="OTA 6.10.8",
        title="Impossible waiting time",
        explanation="The request time of WAIT_FOR_DATA lies before the current time, or more than a day after it.",
        advice="Clients wait some minutes of their own choice: mend the server.",
        filter=WAIT,
        fires="current time 1000, request time 900",
        silent="current time 0, request time 60",
        detail="current time {current_time}, request time {request_time}",
        among="wait",
        finds=lambda t: (t.wait_s < 0) | (t.wait_s > t.limits.longest_wait_seconds),
    ),
    RowRule(
        id="ota.wait.clock",
        source="W04",
        severity="note",
        clause="OTA 6.10.8, Time",
        title="Server's clock is far from the capture's",
        explanation="The current time of a WAIT_FOR_DATA is neither 0 nor the time of the capture.",
        advice="Clients with a clock of their own may wait longer or shorter than meant.",
        filter=WAIT,
        confidence="probable",
        fires="current time 0x12345",
        silent="current time 0",
        detail="current time {current_time} s after 2000",
        among="wait",
        finds=odd_clock,
    ),
    RowRule(
        id="ota.wait.too-fast",
        source="W05",
        severity="warning",
        clause="OTA 6.7.10, 6.10.6",
        title="Block requests faster than the minimum block period",
        explanation="The client asks for blocks faster than the minimum block period that its own requests name.",
        advice="The server may refuse it for that: tell the client's maker.",
        filter=REQUEST,
        fires="period 1000 ms, three requests 700 ms apart",
        silent="period 1000 ms, three requests 1000 ms apart",
        detail="period {minimum_block_period} ms",
        beside=lambda t: t.prior_row,
        among="with_period",
        finds=lambda t: (_period_share(t) < 1 - t.limits.period_tolerance) & (_period_share(t) >= MUCH),
    ),
    RowRule(
        id="ota.wait.much-too-fast",
        source="W05",
        severity="error",
        clause="OTA 6.7.10, 6.10.6",
        title="Minimum block period ignored",
        explanation="The client asks for blocks in less than half of the minimum block period that its requests name.",
        advice="The server may refuse it for that: tell the client's maker.",
        filter=REQUEST,
        fires="period 1000 ms, three requests 100 ms apart",
        silent="period 1000 ms, three requests 700 ms apart",
        detail="period {minimum_block_period} ms",
        beside=lambda t: t.prior_row,
        among="with_period",
        finds=lambda t: _period_share(t) < MUCH,
    ),
    RowRule(
        id="ota.wait.period-not-taken",
        source="W06",
        severity="warning",
        clause="OTA 6.10.6",
        title="New minimum block period not taken over",
        explanation="The server set a longer minimum block period, and the client's requests still name a shorter one.",
        advice="The server will go on refusing: tell the client's maker.",
        filter=REQUEST,
        fires="period 500 was set (acknowledged), the next request says 0",
        silent="period 500 was set, the next request says 500",
        detail="it names {minimum_block_period}, {other_minimum_block_period} was set",
        beside=lambda t: t.any_wait_row,
        among="with_period",
        finds=lambda t: (t.any_wait_row >= 0) & (t.minimum_block_period < t.of(t.any_wait_row).minimum_block_period),
        unless_missed=lambda t: Quiet("server", t.any_wait_row),
        received=lambda t: t.any_wait_row,
    ),
    RowRule(
        id="ota.wait.length",
        source="W07",
        severity="note",
        clause="OTA 6.10.8",
        title="WAIT_FOR_DATA without a period",
        explanation="The client knows the minimum block period, and the server's WAIT_FOR_DATA leaves it out.",
        advice="An older revision of the cluster; the period counts as 0.",
        filter=WAIT,
        fires="a request with bit 1 set, WAIT_FOR_DATA of 9 octets",
        silent="a request with bit 1 set, WAIT_FOR_DATA of 11 octets",
        beside=lambda t: t.asked_row,
        among="wait",
        finds=lambda t: (
            (t.minimum_block_period < 0)
            & (t.of(t.asked_row).command == OtaCommand.IMAGE_BLOCK_REQUEST)
            & (t.of(t.asked_row, 0).field_control & 2 != 0)
        ),
    ),
)
MUCH: Final = 0.5
