"""Image Notify, Query Next Image Request and Response (OTA 6.10.3 to 6.10.5)."""

from typing import Final

import numpy as np

from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.rules.terms import (
    DEFAULT,
    NOTIFY,
    OFFER,
    QUERY,
    misaddressed,
)
from hanscope.analyzers.tables import Column
from hanscope.dissectors.codes import OtaCommand, Status

TOGETHER_NS: Final = 60 * SECOND
"""A notify and an offer that are further apart may have nothing to do with each other."""


def _reaction(t: Rows, row: Column) -> Quiet:
    return Quiet("client", row, int(t.limits.reaction_seconds * SECOND))


def _long_ago(t: Rows, row: Column) -> Mask:
    return t.elapsed(row) >= int(t.limits.reaction_seconds * SECOND)


def _announced_row(t: Rows) -> Column:
    """The latest notify that named a version, to this client or to all."""
    to_all = np.where(t.of(t.broadcast_row).payload_type == 3, t.broadcast_row, -1)
    return np.where(t.of(t.naming_row).number >= t.of(to_all).number, t.naming_row, to_all)


def _other_than_announced(t: Rows) -> Mask:
    row = _announced_row(t)
    said = t.of(row).file_version
    return t.same_kind(row) & (t.elapsed(row) <= TOGETHER_NS) & (said != 0xFFFFFFFF) & (said != t.file_version)


def _not_taken(t: Rows) -> Mask:
    row = t.offer_row
    open_still = (row >= 0) & (t.query_response_row == row) & (t.prior_row < row) & (t.client_row < row)
    asked = t.of(row).asked_row
    newer = (asked >= 0) & (t.of(row).file_version != t.of(asked).file_version)
    return open_still & newer & _long_ago(t, row)


def _unanswered_notify(t: Rows) -> Mask:
    row = t.notify_row
    return (row >= 0) & (t.client_row < row) & _long_ago(t, row)


RULES: Final = (
    RowRule(
        id="ota.notify.length",
        source="N01",
        severity="error",
        clause="OTA 6.10.3",
        title="Image Notify of the wrong length",
        explanation="The length of an Image Notify does not fit its payload type, or the type is reserved.",
        advice="Clients drop such a notify: mend the server.",
        filter=NOTIFY,
        fires="payload type 4",
        silent="payload type 3 with manufacturer, type and version",
        detail="payload type {payload_type}",
        among="notify",
        finds=lambda t: (t.surplus != 0) | (t.payload_type > 3),
    ),
    RowRule(
        id="ota.notify.jitter",
        source="N02",
        severity="warning",
        clause="OTA 6.10.3",
        title="Query jitter out of range",
        explanation="The query jitter of an Image Notify is not between 1 and 100.",
        advice="Clients drop such a notify: mend the server.",
        filter=NOTIFY,
        fires="jitter 0",
        silent="jitter 100",
        detail="jitter {query_jitter}",
        among="notify",
        finds=lambda t: (t.query_jitter >= 0) & ((t.query_jitter == 0) | (t.query_jitter > 100)),
    ),
    RowRule(
        id="ota.notify.unicast-type",
        source="N03",
        severity="note",
        clause="OTA 6.10.3",
        title="Unicast Image Notify names an image",
        explanation="An Image Notify to one client should only carry the jitter; the client ignores the rest.",
        advice="Common and harmless.",
        filter=NOTIFY,
        fires="payload type 3 to one client",
        silent="payload type 3 to all",
        detail="payload type {payload_type}",
        among="notify",
        finds=lambda t: t.unicast & (t.payload_type >= 1) & (t.payload_type <= 3),
    ),
    RowRule(
        id="ota.notify.unanswered",
        source="N04",
        severity="warning",
        clause="OTA 6.10.3",
        title="Client did not react to an Image Notify",
        explanation="The client acknowledged an Image Notify to it alone, and sent neither a query nor an error.",
        advice="See whether the client's OTA cluster is enabled and whether it accepts this server.",
        filter=NOTIFY,
        fires="a notify that was acknowledged, then nothing from the client, all of whose frames were captured",
        silent="the same, with a query",
        beside=lambda t: t.notify_row,
        among="notify_or_end",
        finds=_unanswered_notify,
        unless_missed=lambda t: _reaction(t, t.notify_row),
        received=lambda t: t.notify_row,
    ),
    RowRule(
        id="ota.notify.broadcast-answered",
        source="N05",
        severity="warning",
        clause="ZCL 2.5.12",
        title="Default response to a broadcast",
        explanation="The client answered an Image Notify that went to all with a default response.",
        advice="Tell the client's maker: with many clients this floods the channel.",
        filter=DEFAULT,
        fires="default response to command 00 with the sequence number of a broadcast notify",
        silent="the same to a notify to this client",
        beside=lambda t: t.broadcast_row,
        among="default_response",
        finds=lambda t: (
            ~t.by_server
            & (t.answered == 0)
            & (t.told_row < 0)
            & (t.broadcast_row >= 0)
            & (t.of(t.broadcast_row).zcl_sequence == t.zcl_sequence)
            & (t.elapsed(t.broadcast_row) <= int(t.limits.response_seconds * SECOND))
        ),
        unless_missed=lambda t: Quiet("server", t.broadcast_row),
    ),
    RowRule(
        id="ota.notify.own-version-queried",
        source="N06",
        severity="note",
        clause="OTA 6.10.3",
        title="Query after a notify of the running version",
        explanation="A client asked right after a broadcast notify that named the very version it runs.",
        advice="It should have ignored the notify; a query of its own accord may have come by chance.",
        filter=QUERY,
        confidence="probable",
        fires="broadcast notify of version 5, query within 5 s that says version 5",
        silent="broadcast notify of version 5, query that says version 4",
        beside=lambda t: t.broadcast_row,
        among="query",
        finds=lambda t: (
            t.same_kind(t.broadcast_row)
            & (t.of(t.broadcast_row).payload_type == 3)
            & (t.of(t.broadcast_row).file_version == t.file_version)
            & (t.elapsed(t.broadcast_row) <= int(t.limits.response_seconds * SECOND))
        ),
    ),
    RowRule(
        id="ota.notify.other-version-offered",
        source="N08",
        severity="warning",
        clause="OTA 6.10.3, 6.10.5",
        title="Another version offered than announced",
        explanation="The Image Notify named one version, and the Query Next Image Response offers another.",
        advice="Harmless to the client that asked; others may not ask at all: mend the server.",
        filter=f"({NOTIFY}) || ({OFFER})",
        fires="version 6 is announced, version 5 offered",
        silent="version 5 is announced and offered",
        detail="announced 0x{other_file_version:08x}, offered 0x{file_version:08x}",
        confidence="probable",
        beside=_announced_row,
        among="offer",
        finds=_other_than_announced,
    ),
    RowRule(
        id="ota.query.length",
        source="Q01",
        severity="error",
        clause="OTA 6.10.4",
        title="Query of the wrong length",
        explanation="The field control of a Query Next Image Request promises other fields than it has, or has "
        "reserved bits.",
        advice="Tell the client's maker.",
        filter=QUERY,
        fires="bit 0 of the field control is set, and no hardware version follows",
        silent="bit 0 is set, and a hardware version follows",
        detail="field control 0x{field_control:02x}, {length}",
        among="query",
        finds=lambda t: (
            (t.surplus != 0)
            | ((t.field_control >= 0) & (t.field_control & 0xFE != 0))
            | ((t.field_control == 1) & (t.hardware_version < 0))
        ),
    ),
    RowRule(
        id="ota.offer.status",
        source="Q02",
        severity="error",
        clause="OTA 6.10.5",
        title="Query answered with a status that is not allowed",
        explanation="Only SUCCESS, NO_IMAGE_AVAILABLE and NOT_AUTHORIZED are allowed in a Query Next Image Response.",
        advice="Clients call it malformed; where it means that there is no image, the server should say 0x98.",
        filter=OFFER,
        fires="status 0x95",
        silent="status 0x98",
        detail="status 0x{status:02x}",
        among="query_response",
        finds=lambda t: (t.status > 0) & (t.status != Status.NO_IMAGE_AVAILABLE) & (t.status != Status.NOT_AUTHORIZED),
    ),
    RowRule(
        id="ota.offer.length",
        source="Q03",
        severity="error",
        clause="OTA 6.10.5",
        title="Query Next Image Response of the wrong length",
        explanation="A Query Next Image Response has 13 octets with SUCCESS and 1 otherwise.",
        advice="Mend the server.",
        filter=OFFER,
        fires="SUCCESS, and two octets too many",
        silent="SUCCESS with 13 octets",
        detail="{length}",
        among="query_response",
        finds=lambda t: t.surplus != 0,
    ),
    RowRule(
        id="ota.offer.other-kind",
        source="Q04",
        severity="error",
        clause="OTA 6.10.5",
        title="Image for another product offered",
        explanation="Manufacturer or image type of the offer are not those of the query.",
        advice="A client that takes it may break: mend the server.",
        filter=OFFER,
        fires="image type 0x0202 is offered for a query of 0x0101",
        silent="image type 0x0101 is offered for a query of 0x0101",
        detail="asked for image type 0x{other_image_type:04x}, offered 0x{image_type:04x}",
        beside=lambda t: t.asked_row,
        among="offer",
        finds=lambda t: (t.asked_row >= 0) & ~t.same_kind(t.asked_row),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.offer.sequence",
        source="Q05",
        severity="warning",
        clause="ZCL 2.4.1.3",
        title="Answer with a sequence number of its own",
        explanation="The Query Next Image Response does not carry the sequence number of the query.",
        advice="Strict clients drop it: mend the server.",
        filter=OFFER,
        fires="query 0, response 195",
        silent="query 0, response 0",
        detail="the query has {other_zcl_sequence}, the response {zcl_sequence}",
        beside=lambda t: t.query_row,
        among="query_response",
        finds=lambda t: (
            (t.asked_row < 0)
            & (t.query_row >= 0)
            & (t.query_response_row < t.query_row)
            & (t.elapsed(t.query_row) <= int(t.limits.response_seconds * SECOND))
        ),
        unless_missed=lambda t: Quiet("client", t.query_row),
    ),
    RowRule(
        id="ota.answer.endpoints",
        source="Q06",
        severity="warning",
        clause="ZCL 2.4",
        title="Answer between other endpoints",
        explanation="The answer does not go back from the endpoint that was asked to the one that asked.",
        advice="Many clients drop it: mend the server.",
        filter="zbee_zcl_general.ota",
        fires="a query from endpoint 2 to 1, answered from 1 to 3",
        silent="a query from endpoint 2 to 1, answered from 1 to 2",
        detail="from endpoint {source_endpoint} to {destination_endpoint}",
        beside=lambda t: t.asked_row,
        among="answer",
        finds=lambda t: misaddressed(t, t.asked_row),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.offer.same-version",
        source="Q07",
        severity="note",
        clause="OTA 6.10.5",
        title="The running version is offered",
        explanation="The server offers the version that the client already runs.",
        advice="Allowed (a reinstallation); see whether it is meant.",
        filter=OFFER,
        fires="version 5 for a client that runs 5",
        silent="version 5 for a client that runs 4",
        detail="version 0x{file_version:08x}",
        beside=lambda t: t.asked_row,
        among="offer",
        finds=lambda t: t.same_kind(t.asked_row) & (t.of(t.asked_row).file_version == t.file_version),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.offer.downgrade",
        source="Q08",
        severity="warning",
        clause="OTA 6.10.5, policy",
        title="An older version is offered",
        explanation="The server offers a version that is lower than the one the client runs.",
        advice="See whether the downgrade is meant; clients may refuse it.",
        filter=OFFER,
        fires="version 5 for a client that runs 6",
        silent="version 5 for a client that runs 4",
        detail="it runs 0x{other_file_version:08x}, offered is 0x{file_version:08x}",
        beside=lambda t: t.asked_row,
        among="offer",
        finds=lambda t: t.same_kind(t.asked_row) & (t.of(t.asked_row).file_version > t.file_version),
        unless_missed=lambda t: Quiet("client", t.asked_row),
    ),
    RowRule(
        id="ota.offer.declined",
        source="Q09",
        severity="warning",
        clause="OTA 6.10.5",
        title="Client declined the offer",
        explanation="The client answered an offer with an error.",
        advice="The status tells why: 0x85 or 0x80 the state or the form, 0x89 no room, 0x8a the same version.",
        filter=DEFAULT,
        fires="default response 0x85 to a SUCCESS",
        silent="default response 0x80 to a status that is no offer",
        detail="status 0x{status:02x}",
        beside=lambda t: t.offer_row,
        among="default_response",
        finds=lambda t: (
            ~t.by_server
            & (t.answered == OtaCommand.QUERY_NEXT_IMAGE_RESPONSE)
            & (t.status > 0)
            & (t.offer_row >= 0)
            & (t.offer_row == t.query_response_row)
        ),
    ),
    RowRule(
        id="ota.offer.not-taken",
        source="Q09",
        severity="warning",
        clause="OTA 6.10.5",
        title="Client did not begin the download",
        explanation="The client acknowledged an offer of another version, and asked for no block of it.",
        advice="See whether the client has room, and whether it accepts this image.",
        filter=OFFER,
        fires="an offer that was acknowledged, then nothing from the client, all of whose frames were captured",
        silent="the same, with a block request",
        detail="version 0x{other_file_version:08x}",
        beside=lambda t: t.offer_row,
        among="query_or_end",
        finds=_not_taken,
        unless_missed=lambda t: _reaction(t, t.offer_row),
        received=lambda t: t.offer_row,
    ),
    RowRule(
        id="ota.query.often",
        source="Q10",
        severity="note",
        clause="OTA 6.10.4, policy",
        title="Client asks for images often",
        explanation="The client asks again soon after an answer, and nothing called for it.",
        advice="Costs airtime; see whether the client reboots or forgets the answer.",
        filter=QUERY,
        confidence="probable",
        fires="two queries a minute apart, the first one answered",
        silent="two queries ten minutes apart",
        beside=lambda t: t.query_row,
        among="query",
        finds=lambda t: (
            t.same_kind(t.query_row)
            & (t.query_response_row > t.query_row)
            & (t.notify_row < t.query_row)
            & (t.of(t.broadcast_row).number < t.of(t.query_row).number)
            & (t.prior_row < t.query_row)
            & (t.end_request_row < t.query_row)
            & (t.elapsed(t.query_row) < int(t.limits.query_seconds * SECOND))
        ),
    ),
    RowRule(
        id="ota.query.hardware-changed",
        source="Q11",
        severity="warning",
        clause="OTA 6.10.4",
        title="Client names another hardware version",
        explanation="The hardware version in a client's queries for one image type changed.",
        advice="Either two devices share an address, or the client's record of its hardware is not reliable.",
        filter=QUERY,
        fires="hardware version 1, then 2",
        silent="hardware version 1, then 1",
        detail="0x{other_hardware_version:04x}, then 0x{hardware_version:04x}",
        beside=lambda t: t.query_row,
        among="query",
        finds=lambda t: (
            t.same_kind(t.query_row)
            & (t.hardware_version >= 0)
            & (t.of(t.query_row).hardware_version >= 0)
            & (t.of(t.query_row).hardware_version != t.hardware_version)
        ),
    ),
    RowRule(
        id="ota.offer.wildcard",
        source="Q13",
        severity="error",
        clause="ZCL 11.4",
        title="Wildcards in an offer",
        explanation="Manufacturer, image type or version of an offer are wildcards, which name no image.",
        advice="Mend the server.",
        filter=OFFER,
        fires="image type 0xffff",
        silent="image type 0x0101",
        detail="image type 0x{image_type:04x}, version 0x{file_version:08x}",
        among="offer",
        finds=lambda t: (t.manufacturer_code == 0xFFFF) | (t.image_type == 0xFFFF) | (t.file_version == 0xFFFFFFFF),
    ),
)
