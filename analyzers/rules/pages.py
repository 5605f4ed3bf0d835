"""Image Page Request and the blocks that answer it (OTA 6.10.7)."""

from typing import Final

import numpy as np

from hanscope.analyzers.rules.model import Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.rules.terms import PAGE, RESPONSE, server_answering
from hanscope.dissectors.codes import OtaCommand

MILLISECOND: Final = 1_000_000


def _outside(t: Rows) -> Mask:
    page = t.of(t.asked_page_row)
    return (t.file_offset < page.file_offset) | (t.file_offset >= page.file_offset + page.page_size)


def _too_close(t: Rows) -> Mask:
    """Blocks of one page, straight from the server."""
    page = t.asked_page_row
    same = (t.of(t.block_row).asked_page_row == page) & (t.mac_source == t.nwk_source)
    spacing = t.of(page).response_spacing * MILLISECOND
    return same & (t.elapsed(t.block_row) < spacing * (1 - t.limits.spacing_tolerance))


def _incomplete(t: Rows) -> Mask:
    """Fewer blocks than the page has, its part behind the end of the image left out; but some."""
    page = t.of(t.prior_row)
    left = page.offered_size - page.file_offset
    octets = np.where(left > 0, np.minimum(page.page_size, left), 0)
    due = -(-octets // np.maximum(page.data_size, 1))
    return (page.blocks_of_page > 0) & (page.blocks_of_page < due)


def _again(t: Rows) -> Mask:
    prior = t.of(t.prior_row)
    same = t.same_image & (prior.command == OtaCommand.IMAGE_PAGE_REQUEST) & (prior.file_offset == t.file_offset)
    return same & (prior.zcl_sequence != t.zcl_sequence) & (t.wait_row < 0)


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
        among=0x04,
        finds=lambda t: (t.surplus != 0) | (t.page_size == 0) | (t.data_size == 0),
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
        among="page_block",
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
        among="page_block",
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
        among="page_block",
        finds=lambda t: t.ack_request == 1,
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
        detail="page from offset {other_file_offset}",
        beside=lambda t: t.prior_row,
        among="after_page",
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
        among="skip",
        finds=lambda t: t.command == OtaCommand.IMAGE_PAGE_REQUEST,
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
        detail="page from offset {file_offset}",
        beside=lambda t: t.prior_row,
        among="page_request",
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
        detail="page from offset {other_file_offset}",
        beside=lambda t: t.prior_row,
        among="overdue",
        finds=lambda t: t.of(t.prior_row).page_request,
        unless_missed=server_answering,
        delivered=lambda t: t.prior_row,
    ),
)
