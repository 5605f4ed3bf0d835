"""Terms that rules of several groups are made of."""

from typing import Final

import numpy as np

from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Mask, Quiet
from hanscope.analyzers.rules.rows import OtaRows
from hanscope.analyzers.tables import DEFAULT_RESPONSE, Column

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

NOTIFIES: Final = frozenset({0x00})
QUERIES: Final = frozenset({0x01})
OFFERS: Final = frozenset({0x02})
PAGES: Final = frozenset({0x04})
END_REQUESTS: Final = frozenset({0x06})
END_RESPONSES: Final = frozenset({0x07})
DEFAULTS: Final = frozenset({DEFAULT_RESPONSE})
"""Commands at which a rule is asked."""

SINCE_2000: Final = 946_684_800
"""Seconds from 1970 to the beginning of ZigBee's time (ZCL 10.2)."""
FOREVER: Final = 0xFFFFFFFF


def server_answering(t: OtaRows, row: str = "prior_row") -> Quiet:
    """All that the server sent while an answer to another row was due."""
    return Quiet("server", getattr(t, row), int(t.limits.response_seconds * SECOND))


def any_wait(t: OtaRows) -> bool:
    return bool(t.wait.any())


def any_period(t: OtaRows) -> bool:
    return bool((t.minimum_block_period > 0).any())


def any_page(t: OtaRows) -> bool:
    return bool(t.page_request.any())


def odd_clock(t: OtaRows) -> Mask:
    """A current time that is neither 0 (relative times) nor that of the capture."""
    odd = t.current_time > 0
    said = np.flatnonzero(odd)
    captured = t.time_ns[said] // SECOND - SINCE_2000
    odd[said] = np.abs(t.current_time[said] - captured) > t.limits.clock_seconds
    return odd


def misaddressed(t: OtaRows, row: Column) -> Mask:
    """Endpoints that are not those of the request, swapped."""
    whole = (t.at(t.destination_endpoint, row) != 0xFF) & (t.destination_endpoint >= 0)  # 0xFF: to all endpoints
    back = t.at(t.source_endpoint, row) != t.destination_endpoint
    return (row >= 0) & whole & (back | (t.at(t.destination_endpoint, row) != t.source_endpoint))
