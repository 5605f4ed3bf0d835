"""Image Page Request and the blocks that answer it (OTA 6.10.7)."""

from typing import Final

import numpy as np

from hanscope.analyzers.rules.model import Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import OtaRows
from hanscope.analyzers.rules.terms import PAGE, PAGES, RESPONSE, any_page, server_answering
from hanscope.analyzers.tables import Column

MILLISECOND: Final = 1_000_000


def _outside(t: OtaRows) -> Mask:
    page = t.asked_page_row
    start = t.at(t.file_offset, page)
    return t.block & (page >= 0) & ((t.file_offset < start) | (t.file_offset >= start + t.at(t.page_size, page)))


def _too_close(t: OtaRows) -> Mask:
    """Blocks of one page, straight from the server."""
    before = t.last(t.block)
    page = t.asked_page_row
    same = t.block & (page >= 0) & (t.at(t.asked_page_row, before) == page) & (t.mac_source == t.nwk_source)
    spacing = t.at(t.response_spacing, page) * MILLISECOND
    return same & (t.elapsed(before) < spacing * (1 - t.limits.spacing_tolerance))


def _blocks_due(t: OtaRows, page: Column) -> Column:
    """How many blocks a page has, its part behind the end of the image left out."""
    size = t.at(t.page_size, page, 0)
    left = t.at(t.offered_size, page) - t.at(t.file_offset, page)
    octets = np.where(left > 0, np.minimum(size, left), 0)
    return -(-octets // np.maximum(t.at(t.data_size, page), 1))


def _incomplete(t: OtaRows) -> Mask:
    """At the next request: fewer blocks than the page has, but some."""
    page = t.prior_row
    of_page = np.where(t.block & (t.asked_page_row >= 0), t.asked_page_row, 0)
    came = np.bincount(of_page, t.block & (t.asked_page_row >= 0), minlength=len(t))
    came = t.at(came.astype(np.int64), page, 0)
    return t.request & (page >= 0) & (t.at(t.command, page) == 0x04) & (came > 0) & (came < _blocks_due(t, page))


def _again(t: OtaRows) -> Mask:
    prior = t.prior_row
    same = t.same_image & (t.at(t.command, prior) == 0x04) & (t.at(t.file_offset, prior) == t.file_offset)
    return t.page_request & same & (t.at(t.zcl_sequence, prior) != t.zcl_sequence) & (t.wait_row < 0)


RULES: Final = (
    RowRule(
        id="ota.page.request",
        source="P01",
        severity="error",
        clause="OTA 6.10.7",
        title="Malformed page request",
        explanation="An Image Page Request has the wrong length, or asks for pages or blocks of no octets.",
        advice="Tell the client's maker.",
        filter=PAGE,
        fires="page size 0",
        silent="page size 256",
        detail="page size {page_size}, blocks of {data_size}, {length}",
        at=PAGES,
        finds=lambda t: t.said(0x04) & ((t.surplus != 0) | (t.page_size == 0) | (t.data_size == 0)),
    ),
    RowRule(
        id="ota.page.block-outside",
        source="P02",
        severity="error",
        clause="OTA 6.10.7",
        title="Block outside of the page",
        explanation="A block with the sequence number of a page request lies outside of that page.",
        advice="A client that does not check the offset stores a corrupt image: mend the server.",
        filter=RESPONSE,
        fires="offset 512 for a page from 0 to 255",
        silent="offset 192 for a page from 0 to 255",
        detail="offset {file_offset}, page from {other_file_offset}",
        beside=lambda t: t.asked_page_row,
        applies=any_page,
        finds=_outside,
        unless_missed=lambda t: Quiet("client", t.asked_page_row),
    ),
    RowRule(
        id="ota.page.too-fast",
        source="P03",
        severity="warning",
        clause="OTA 6.10.7",
        title="Blocks of pages follow too closely",
        explanation="The server sends the blocks of pages faster than the response spacing that the client asked for.",
        advice="The client may lose blocks: mend the server.",
        filter=RESPONSE,
        tolerated="fast_pages",
        confidence="probable",
        fires="spacing 200 ms, blocks 50 ms apart, eleven times",
        silent="spacing 200 ms, blocks 250 ms apart",
        beside=lambda t: t.asked_page_row,
        applies=any_page,
        finds=_too_close,
    ),
    RowRule(
        id="ota.page.ack-asked",
        source="P04",
        severity="note",
        clause="OTA 6.10.7",
        title="Blocks of a page ask for acknowledgements",
        explanation="The blocks of a page are to be sent without a request for an APS acknowledgement.",
        advice="Works, but costs the airtime that pages are to save.",
        filter=RESPONSE,
        fires="a block of a page with the bit set",
        silent="a block of a page with the bit clear",
        beside=lambda t: t.asked_page_row,
        applies=any_page,
        finds=lambda t: t.block & (t.asked_page_row >= 0) & (t.ack_request == 1),
    ),
    RowRule(
        id="ota.page.incomplete",
        source="P05",
        severity="warning",
        clause="OTA 6.10.7",
        title="Server sent only a part of a page",
        explanation="The server sent fewer blocks than the page has, and nothing of it was missed.",
        advice="The client has to fetch the rest block by block; look at the server's load.",
        filter=RESPONSE,
        fires="three of four blocks, then the next request, every frame of the server captured",
        silent="the same with a gap in the server's frame counter",
        beside=lambda t: t.prior_row,
        applies=any_page,
        finds=_incomplete,
        unless_missed=lambda t: Quiet("server", t.prior_row),
    ),
    RowRule(
        id="ota.page.skipped",
        source="P06",
        severity="error",
        clause="OTA 6.10.7",
        title="Client skipped a part of the image between pages",
        explanation="A page begins behind all that the client had asked for, and it sent no request in between.",
        advice="What it skipped can not be in its memory; see whether it comes back for it before the end.",
        filter=PAGE,
        fires="a page from 0 to 255, then one from 512 on, every frame of the client captured",
        silent="the same with a gap in the client's frame counter",
        detail="offset {file_offset} follows offset {other_file_offset}",
        beside=lambda t: t.prior_row,
        at=PAGES,
        finds=lambda t: t.skip & t.page_request,
        unless_missed=lambda t: Quiet("client", t.prior_row),
    ),
    RowRule(
        id="ota.page.repeated",
        source="P07",
        severity="note",
        clause="stack timers",
        title="Page asked for again",
        explanation="The client asks for the same page with a new sequence number: all of it was lost, or none sent.",
        advice="A few are normal on a busy channel.",
        filter=PAGE,
        fires="the same page with sequence numbers 7 and 8",
        silent="the same page twice with sequence number 7",
        beside=lambda t: t.prior_row,
        at=PAGES,
        finds=_again,
        unless_missed=lambda t: Quiet("server", t.prior_row),
    ),
    RowRule(
        id="ota.page.repeated-often",
        source="P07",
        severity="warning",
        clause="stack timers",
        title="Pages asked for again and again",
        explanation="The client asked for pages again more often than a few lost frames explain.",
        advice="See whether the server supports pages, and the link quality of the client.",
        filter=PAGE,
        tolerated="page_repeats",
        fires="four repetitions",
        silent="three repetitions",
        finds="ota.page.repeated",
    ),
    RowRule(
        id="ota.page.unanswered",
        source="P10",
        severity="warning",
        clause="OTA 6.10.7",
        title="Server did not answer a page request",
        explanation="The server got an Image Page Request and sent neither blocks nor an error.",
        advice="A server without page support has to say so (UNSUP_COMMAND): mend the server.",
        filter=PAGE,
        fires="a page request that was acknowledged, no answer, every frame of the server captured",
        silent="the same with a default response",
        beside=lambda t: t.prior_row,
        applies=any_page,
        finds=lambda t: t.overdue & t.page_request[t.prior_row],
        unless_missed=server_answering,
        delivered=lambda t: t.prior_row,
    ),
)
