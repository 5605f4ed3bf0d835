"""Image Block Request and Response (OTA 6.10.6, 6.10.8)."""

from typing import Final

import numpy as np

from hanscope.analyzers.results import Transfer
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Hit, ItemRule, Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.rules.terms import REQUEST, RESPONSE, server_answering
from hanscope.dissectors.codes import OtaCommand, Status

BLOCKS: Final = f"{REQUEST} || {RESPONSE}"
DEVICE_SPECIFIC: Final = 0xFFC0
"""Image types from here on are configuration, logs and the like (ZCL 11.4.2.6)."""


def _answered_twice(t: Rows) -> Mask:
    """An answer that is not the first to its request, nor the same as that."""
    first = t.of(t.asked_block_row).answer_row
    other = t.of(first)
    differs = (other.status != t.status) | (other.file_offset != t.file_offset) | (other.data_size != t.data_size)
    return (first >= 0) & (first < t.index) & (other.asked_block_row == t.asked_block_row) & differs


def _since_offer(t: Rows) -> Quiet:
    """All of the client since the offer; nothing if its sequence number is the one after that of the offer's query."""
    following = ((t.zcl_sequence - t.of(t.offer_row).zcl_sequence) & 0xFF) == 1
    return Quiet("client", np.where(following, t.index, t.offer_row))


def _interleaved(t: Rows) -> Mask:
    """Back at the image before the last one, while neither was finished."""
    before = t.of(t.prior_row).prior_row
    back = (t.prior_row >= 0) & (before >= 0) & (t.of(before).image == t.image)
    files = np.maximum(t.image_type, t.of(t.prior_row).image_type) < DEVICE_SPECIFIC
    return back & files & (t.end_request_row < before)


def _conflicts(transfer: Transfer, _: Facts) -> list[Hit]:
    return [
        Hit((kept, other), transfer.id, detail=f"octets {start:,} to {end - 1:,} came with two values")
        for start, end, kept, other in transfer.conflicts
    ]


def _end_not_fetched(transfer: Transfer, facts: Facts) -> list[Hit]:
    """The client asked for no more after its last request that was heard, nor unheard."""
    if transfer.end_status != 0 or not (transfer.block_requests or transfer.page_requests):
        return []
    client, talk = facts.client(transfer), facts.talk(transfer)
    until = min(transfer.ended, facts.evidence.last_ns(client))
    if facts.evidence.missed(client, talk.last_ns, until, talk.last_frame, transfer.last_frame).missing:
        return []
    return [
        Hit((transfer.last_frame,), transfer.id, detail=f"octets {gap.start:,} to {gap.end - 1:,} of the image")
        for gap in transfer.missing_ranges
        if gap.end == transfer.image_size and gap.reason == "never requested"
    ]


RULES: Final = (
    RowRule(
        id="ota.block.request-length",
        source="B01",
        severity="warning",
        clause="OTA 6.10.6",
        title="Block request of the wrong length",
        explanation="The field control of an Image Block Request promises other fields than the request has.",
        advice="Tell the client's maker; the mandatory fields were used as they are.",
        filter=REQUEST,
        fires="bit 1 of the field control is set, and no MinimumBlockPeriod follows",
        silent="bit 1 is set, and two octets follow",
        detail="field control 0x{field_control:02x}, {length}",
        among=0x03,
        finds=lambda t: (
            (t.surplus != 0) | ((t.field_control & 2 != 0) & (t.field_control >= 0) & (t.minimum_block_period < 0))
        ),
    ),
    RowRule(
        id="ota.block.other-image",
        source="B02",
        severity="error",
        clause="OTA 6.10.6",
        title="Block of an image that was not offered",
        explanation="The client asks for another version of the image than the server has just offered it.",
        advice="Compare the two versions; look for a client that mixes up its stored and the offered identity.",
        filter=REQUEST,
        fires="version 5 is offered and version 6 asked for, with every frame of the server in between captured",
        silent="the same with frames of the server missed in between: another offer may be among them",
        detail="offered version 0x{other_file_version:08x}, asked for version 0x{file_version:08x}",
        beside=lambda t: t.offer_row,
        among="first_request",
        finds=lambda t: t.same_kind(t.offer_row) & (t.of(t.offer_row).file_version != t.file_version),
        unless_missed=lambda t: Quiet("server", t.offer_row),
    ),
    RowRule(
        id="ota.block.late-start",
        source="B03",
        severity="note",
        clause="OTA 6.10.6, 6.7.2",
        title="Download does not begin at offset 0",
        explanation="The first block that the client asks for after the offer is not the first of the image.",
        advice="Normal if it resumes a download from before the capture; the image's beginning is then not in it.",
        filter=REQUEST,
        confidence="probable",
        fires="offset 62 right after the offer",
        silent="offset 0 right after the offer",
        detail="it began at offset {file_offset}",
        beside=lambda t: t.offer_row,
        among="first_request",
        finds=lambda t: (t.offered_size > 0) & (t.file_offset > 0),
        unless_missed=_since_offer,
    ),
    RowRule(
        id="ota.block.skipped",
        source="B04",
        severity="error",
        clause="OTA 6.10.6",
        title="Client skipped a part of the image",
        explanation="The client asks for an offset beyond all that it had asked for, and sent no request in between.",
        advice="What it skipped can not be in its memory; see whether it comes back for it before the end.",
        filter=REQUEST,
        fires="offset 100 after 50 octets at 0, every frame of the client captured",
        silent="the same with a gap in the client's frame counter",
        detail="offset {file_offset} follows offset {other_file_offset}",
        beside=lambda t: t.prior_row,
        among="skip",
        finds=lambda t: t.command == OtaCommand.IMAGE_BLOCK_REQUEST,
        unless_missed=lambda t: Quiet("client", t.prior_row),
    ),
    RowRule(
        id="ota.block.repeated",
        source="B05",
        severity="note",
        clause="OTA 6.10.6",
        title="Block asked for again",
        explanation="The client asks for the same offset with a new sequence number: it did not get, or not take, the "
        "answer.",
        advice="A few are normal on a busy channel; look at the link quality of the client when there are many.",
        filter=REQUEST,
        fires="offset 50 with sequence number 7 and then 8",
        silent="offset 50 twice with sequence number 7 (a retry of the APS layer)",
        detail="offset {file_offset}",
        beside=lambda t: t.prior_row,
        among="again",
        finds=lambda t: t.wait_row < 0,
        unless_missed=lambda t: Quiet("server", t.prior_row),
    ),
    RowRule(
        id="ota.block.repeated-often",
        source="B05",
        severity="warning",
        clause="OTA 6.10.6",
        title="Blocks asked for again and again",
        explanation="The client asked for blocks again more often than a few lost frames explain.",
        advice="See whether it is one offset (file or server at fault) or many (radio link of the client).",
        filter=REQUEST,
        fires="eleven repetitions in one transfer",
        silent="ten repetitions in one transfer",
        tolerated="repeated_requests",
        finds="ota.block.repeated",
    ),
    RowRule(
        id="ota.block.size-zero",
        source="B06",
        severity="error",
        clause="OTA 6.10.6",
        title="Block of no octets asked for",
        explanation="The maximum data size of an Image Block Request is 0, so no answer can carry data.",
        advice="Tell the client's maker.",
        filter=f"{REQUEST} && zbee_zcl_general.ota.max_data_size == 0",
        fires="maximum data size 0",
        silent="maximum data size 1",
        among="request",
        finds=lambda t: t.data_size == 0,
    ),
    RowRule(
        id="ota.block.size-changes",
        source="B06",
        severity="warning",
        clause="OTA 6.10.6",
        title="Block size keeps changing",
        explanation="The client changes the size of the blocks it asks for time and again before the end of the image.",
        advice="Often a client that adapts to a bad link, or that loses its place; see which blocks it got.",
        filter=REQUEST,
        tolerated="size_changes",
        confidence="probable",
        fires="sizes 64 and 32 in turn, eleven changes",
        silent="one change from 8 to 64, and a shorter last block",
        detail="{other_data_size} octets, then {data_size}",
        beside=lambda t: t.prior_row,
        among="block_request",
        finds=lambda t: (
            t.same_image
            & (t.of(t.prior_row).command == OtaCommand.IMAGE_BLOCK_REQUEST)
            & (t.of(t.prior_row).data_size != t.data_size)
            & (t.file_offset + t.data_size != t.offered_size)
            & (t.of(t.prior_row).file_offset + t.of(t.prior_row).data_size != t.offered_size)
        ),
    ),
    RowRule(
        id="ota.block.request-beyond-end",
        source="B07",
        severity="error",
        clause="OTA 6.10.6",
        title="Block behind the end of the image asked for",
        explanation="The offset of the request is at or behind the image size that was offered.",
        advice="Compare the size in the Query Next Image Response with the one in the OTA header.",
        filter=REQUEST,
        fires="offset 1000 of an image of 1000 octets",
        silent="offset 999 of an image of 1000 octets",
        detail="offset {file_offset} of {offered_size} octets",
        beside=lambda t: t.offer_row,
        among="request",
        finds=lambda t: (t.offered_size > 0) & (t.file_offset >= t.offered_size),
    ),
    RowRule(
        id="ota.block.too-long",
        source="B08",
        severity="error",
        clause="OTA 6.10.8",
        title="Block longer than asked for",
        explanation="The server sent more octets than the request allowed.",
        advice="The client may overrun its buffer or drop the block: mend the server.",
        filter=RESPONSE,
        fires="64 octets come where at most 50 were asked for",
        silent="50 octets come where at most 50 were asked for",
        detail="{data_size} octets came, at most {other_data_size} were asked for",
        beside=lambda t: t.asked_row,
        among="block",
        finds=lambda t: (t.asked_row >= 0) & (t.data_size > t.of(t.asked_row).data_size),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.block.beyond-end",
        source="B08",
        severity="error",
        clause="OTA 6.10.8",
        title="Block reaches behind the end of the image",
        explanation="The server sent octets behind the image size that it had offered.",
        advice="Compare the size in the Query Next Image Response with the one in the OTA header.",
        filter=RESPONSE,
        fires="octets 980 to 1029 of an image of 1000",
        silent="octets 980 to 999 of an image of 1000",
        detail="octets {file_offset} on, {data_size} of them, of {offered_size}",
        beside=lambda t: t.offer_row,
        among="block",
        finds=lambda t: (t.offered_size > 0) & (t.file_offset + t.data_size > t.offered_size),
    ),
    RowRule(
        id="ota.block.data-length",
        source="B09",
        severity="error",
        clause="OTA 6.10.8",
        title="Block has not the octets it says",
        explanation="The data size of an Image Block Response differs from the octets that follow it, or is 0.",
        advice="The MIC was good, so the server built it so: mend the server.",
        filter=RESPONSE,
        fires="data size 50, 40 octets follow",
        silent="data size 50, 50 octets follow",
        detail="data size {data_size}, {data_length} octets follow",
        among="block",
        finds=lambda t: (t.data_length != t.data_size) | (t.data_size == 0),
    ),
    RowRule(
        id="ota.block.offset-mismatch",
        source="B10",
        severity="error",
        clause="OTA 6.10.8",
        title="Block at another offset than asked for",
        explanation="The server answered a request with octets of another place in the image.",
        advice="A client that does not check the offset stores a corrupt image: mend the server.",
        filter=BLOCKS,
        fires="offset 100 comes where 50 was asked for",
        silent="offset 100 comes as part of a page from 50 on",
        detail="offset {other_file_offset} was asked for, {file_offset} came",
        beside=lambda t: t.asked_block_row,
        among="block",
        finds=lambda t: (t.asked_block_row >= 0) & (t.of(t.asked_block_row).file_offset != t.file_offset),
        unless_missed=lambda t: Quiet("client", t.asked_block_row),
    ),
    RowRule(
        id="ota.block.sequence",
        source="Q05",
        severity="warning",
        clause="ZCL 2.4.1.3",
        title="Blocks with sequence numbers of their own",
        explanation="The Image Block Response does not carry the sequence number of the request.",
        advice="Strict clients drop it: mend the server.",
        filter=BLOCKS,
        fires="request 4, response 195 with the octets asked for",
        silent="request 4, response 4",
        detail="the request has {other_zcl_sequence}, the response {zcl_sequence}",
        beside=lambda t: t.latest_row,
        among="unasked_block",
        finds=lambda t: (
            (t.of(t.latest_row).command == OtaCommand.IMAGE_BLOCK_REQUEST)
            & (t.of(t.latest_row).image == t.image)
            & (t.of(t.latest_row).file_offset == t.file_offset)
            & (t.elapsed(t.latest_row) <= int(t.limits.response_seconds * SECOND))
        ),
        unless_missed=lambda t: Quiet("client", t.latest_row),
    ),
    RowRule(
        id="ota.block.identity-mismatch",
        source="B11",
        severity="error",
        clause="OTA 6.10.8",
        title="Block of another image than asked for",
        explanation="Manufacturer, image type or version of an Image Block Response differ from those of the request.",
        advice="The server mixes up two images: mend the server.",
        filter=BLOCKS,
        fires="version 6 comes where version 5 was asked for",
        silent="version 5 comes where version 5 was asked for",
        detail="version 0x{other_file_version:08x} was asked for, 0x{file_version:08x} came",
        beside=lambda t: t.asked_row,
        among="block",
        finds=lambda t: (t.asked_row >= 0) & (t.of(t.asked_row).image != t.image),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.block.shorter",
        source="B12",
        severity="note",
        clause="OTA 6.10.8",
        title="Blocks shorter than asked for",
        explanation="The server sends fewer octets than the client would take, before the end of the image.",
        advice="Allowed; it makes the download longer.",
        filter=RESPONSE,
        fires="32 octets come where 50 were asked for, in mid-image",
        silent="20 octets come where 50 were asked for, at the end of the image",
        detail="{other_data_size} octets were asked for, {data_size} came",
        beside=lambda t: t.asked_block_row,
        among="block",
        finds=lambda t: (
            (t.asked_block_row >= 0)
            & (t.offered_size > 0)
            & (t.data_size < t.of(t.asked_block_row).data_size)
            & (t.file_offset + t.data_size < t.offered_size)
        ),
        unless_missed=lambda t: Quiet("client", t.asked_block_row),
    ),
    ItemRule(
        id="ota.block.conflict",
        source="B13",
        severity="error",
        clause="integrity",
        title="The same octets came with two values",
        explanation="Two blocks of one transfer have different octets at the same place of the image.",
        advice="Both were genuine, so the server changed or mixed up the file; do not trust the image.",
        filter=RESPONSE,
        fires="offset 0 comes twice, with one octet changed",
        silent="offset 0 comes twice with equal octets",
        over="transfer",
        finds=_conflicts,
    ),
    RowRule(
        id="ota.block.status",
        source="B14",
        severity="error",
        clause="OTA 6.10.8",
        title="Image Block Response with a status it must not have",
        explanation="Only SUCCESS, ABORT and WAIT_FOR_DATA are allowed in an Image Block Response.",
        advice="The server should answer errors with a default response.",
        filter=RESPONSE,
        fires="status 0x98",
        silent="status 0x95 (ABORT)",
        detail="status 0x{status:02x}",
        among="block_response",
        finds=lambda t: (t.status > 0) & (t.status != Status.ABORT) & (t.status != Status.WAIT_FOR_DATA),
    ),
    RowRule(
        id="ota.block.unanswered",
        source="B15",
        severity="warning",
        clause="OTA 6.10.6, 6.10.8",
        title="Server did not answer a block request",
        explanation="The server got an Image Block Request and sent nothing in return.",
        advice="Look at the server: storage, load, or an image that it dropped.",
        filter=REQUEST,
        fires="a request that was acknowledged, no answer, and every frame of the server captured",
        silent="the same with a gap in the server's frame counter",
        detail="offset {other_file_offset}",
        beside=lambda t: t.prior_row,
        among="overdue",
        finds=lambda t: t.of(t.prior_row).block_request,
        unless_missed=server_answering,
        delivered=lambda t: t.prior_row,
    ),
    RowRule(
        id="ota.block.answered-twice",
        source="B15",
        severity="error",
        clause="OTA 6.10.6, 6.10.8",
        title="Two different answers to one block request",
        explanation="The server answered one Image Block Request twice, and not with the same.",
        advice="The client can not know which one holds: mend the server.",
        filter=BLOCKS,
        fires="offset 0 and then offset 50 under one sequence number",
        silent="offset 0 twice under one sequence number",
        detail="offset {other_file_offset} was asked for",
        beside=lambda t: t.asked_block_row,
        among="block_response",
        finds=_answered_twice,
        unless_missed=lambda t: Quiet("client", t.asked_block_row),
    ),
    ItemRule(
        id="ota.block.end-not-fetched",
        source="B16",
        severity="error",
        clause="OTA 6.10.8",
        title="The last octets of the image were never fetched",
        explanation="The client ended the download with success before it had asked for the end of the image.",
        advice="Harmless where a container's padding is left out; else the stored image is not whole.",
        filter=BLOCKS,
        fires="last request shortened to end one octet before the image does, then SUCCESS",
        silent="last request ends with the image, or frames of the client were missed after it",
        over="transfer",
        finds=_end_not_fetched,
    ),
    RowRule(
        id="ota.block.default-response-invited",
        source="B17",
        severity="note",
        clause="ZCL 2.4.1.1.4",
        title="Server's answers ask for default responses",
        explanation="The server's responses have disable-default-response clear, so each may cost one frame more.",
        advice="Allowed; set the bit in responses to save airtime.",
        filter=RESPONSE,
        fires="an Image Block Response with the bit clear",
        silent="an Image Block Response with the bit set",
        among="response",
        finds=lambda t: t.disable_default_response == 0,
    ),
    RowRule(
        id="ota.block.images-interleaved",
        source="B18",
        severity="warning",
        clause="OTA 6.10",
        title="One client loads two images in turn",
        explanation="The client goes back and forth between two images without ending one of them.",
        advice="Most clients have room for one image only: see whether both are whole in the end.",
        filter=REQUEST,
        fires="requests for versions 5, 6, 5",
        silent="requests for version 5, an Upgrade End Request, then version 6",
        detail="0x{other_file_version:08x}, then 0x{file_version:08x} again",
        beside=lambda t: t.prior_row,
        among="first_request",
        finds=_interleaved,
    ),
)
