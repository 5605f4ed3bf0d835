"""Terms that rules of several groups are made of."""

from typing import Final

import numpy as np

from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Mask, Quiet
from hanscope.analyzers.rules.rows import SAME_MESSAGE_NS, Rows
from hanscope.analyzers.tables import Column

NOTIFY: Final = "zbee_zcl_general.ota.cmd.srv_tx.id == 0x00"
QUERY: Final = "zbee_zcl_general.ota.cmd.srv_rx.id == 0x01"
OFFER: Final = "zbee_zcl_general.ota.cmd.srv_tx.id == 0x02"
REQUEST: Final = "zbee_zcl_general.ota.cmd.srv_rx.id == 0x03"
PAGE: Final = "zbee_zcl_general.ota.cmd.srv_rx.id == 0x04"
RESPONSE: Final = "zbee_zcl_general.ota.cmd.srv_tx.id == 0x05"
END_REQUEST: Final = "zbee_zcl_general.ota.cmd.srv_rx.id == 0x06"
END_RESPONSE: Final = "zbee_zcl_general.ota.cmd.srv_tx.id == 0x07"
DEFAULT: Final = "zbee_zcl.cmd.id == 0x0b && zbee_aps.cluster == 0x0019"
OTA: Final = "zbee_zcl_general.ota"

SINCE_2000: Final = 946_684_800
"""Seconds from 1970 to the beginning of ZigBee's time (ZCL 10.2)."""
FOREVER: Final = 0xFFFFFFFF


def server_answering(t: Rows, row: str = "prior_row") -> Quiet:
    """All that the server sent while an answer to another row was due.

    That row may be a repetition, of which the first sending was missed and answered. If its number tells that no
    question was missed before it, that can only have been after the question before, or the answer to that.
    """
    asked = getattr(t, row)
    question = t.of(asked)
    before = t.of(question.latest_row)
    next_one = (question.latest_row >= 0) & (((question.zcl_sequence - before.zcl_sequence) & 0xFF) == 1)
    earlier = np.where(
        before.answer_row < asked, np.maximum(before.answer_row, question.latest_row), question.latest_row
    )
    since = np.where(next_one, earlier, asked)
    early_ns = np.where(next_one, 0, SAME_MESSAGE_NS)
    limit_ns = question.time_ns - t.of(since).time_ns + early_ns + int(t.limits.response_seconds * SECOND)
    return Quiet("server", since, limit_ns, early_ns)


def odd_clock(t: Rows) -> Mask:
    """A current time that is neither 0 (relative times) nor that of the capture."""
    odd = t.current_time > 0
    said = np.flatnonzero(odd)
    captured = t.time_ns[said] // SECOND - SINCE_2000
    odd[said] = np.abs(t.current_time[said] - captured) > t.limits.clock_seconds
    return odd


def misaddressed(t: Rows, row: Column) -> Mask:
    """Endpoints that are not those of the request, swapped."""
    other = t.of(row)
    whole = (other.destination_endpoint != 0xFF) & (t.destination_endpoint >= 0)  # 0xFF: to all endpoints
    back = other.source_endpoint != t.destination_endpoint
    return whole & (back | (other.destination_endpoint != t.source_endpoint))
