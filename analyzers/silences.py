"""Whether a download that was not heard to go on really stopped: what may have gone on unheard is counted.

Each block of an image takes a frame of the client and one of the server. Where fewer frames of one of them were missed
than the rest of the image takes, the download was not finished unheard. Where more were missed, nobody knows.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple, Protocol

from hanscope.analyzers.evidence import SECOND, Evidence
from hanscope.analyzers.results import Transfer

CAUTION: Final = 2
"""Blocks may become so many times as large as they were."""

PATIENCE_NS: Final = 30 * SECOND


def reached(transfer: Transfer) -> int:
    """Where what the client has ends: octets that only the sniffer missed count as had."""
    lacking = [one for one in transfer.missing_ranges if one.reason != "answered but not captured"]
    end = transfer.image_size
    if end is None:
        end = max([transfer.received_bytes, *(one.end for one in transfer.missing_ranges)])
    while lacking and lacking[-1].end >= end:
        end = lacking.pop().start
    return end


def blocks_to_go(transfer: Transfer) -> int:
    """How many blocks the client had to fetch yet, at least; 1: only to say that it is done, or nobody knows."""
    if transfer.image_size is None or not transfer.received_bytes:
        return 1
    block = CAUTION * transfer.received_bytes / max(transfer.block_responses - transfer.duplicate_blocks, 1)
    return max(int((transfer.image_size - reached(transfer)) / block), 1)


class Talk(NamedTuple):
    """A download as far as it was heard."""

    transfer: Transfer
    client: int
    """What names the two as transmitters."""
    server: int
    last_ns: int
    """Of its last request or block."""
    last_frame: int


class Course(Protocol):
    """When the blocks of an image flowed to one device."""

    last_ns: int
    last_frame: int


def talk(transfer: Transfer, client: int, server: int, course: Course | None) -> Talk:
    """A transfer may go on beyond its blocks: with queries, even after the upgrade."""
    if course is None:
        return Talk(transfer, client, server, transfer.ended, transfer.last_frame)
    last = min(course.last_ns, transfer.ended), min(course.last_frame, transfer.last_frame)
    return Talk(transfer, client, server, *last)


def stopped(evidence: Evidence, talk: Talk, until: tuple[int, int] | None = None) -> bool:
    """Whether the download was not finished unheard between its last request or block and a moment, given as time and
    frame; else until its client was heard last.

    A client that rebooted may have sent any number of frames until then: there its server's frames decide.
    """
    since, since_frame = talk.last_ns, talk.last_frame
    end_ns, end_frame = until if until is not None else (evidence.last_ns(talk.client), None)
    edges = [
        (jump.after_ns, jump.frame)
        for jump in evidence.jumps(talk.client)
        if jump.frame > since_frame and (end_frame is None or jump.frame < end_frame)
    ]
    unheard: float = 0
    for edge_ns, edge_frame in (*edges, (end_ns, end_frame)):
        span = since, edge_ns, since_frame, edge_frame
        of_client = _missed(evidence, talk.client, span)
        if talk.transfer.page_requests and of_client:
            of_client = inf  # one frame asks for many blocks
        unheard += min(of_client, _missed(evidence, talk.server, span))
        since, since_frame = edge_ns, edge_frame or since_frame
    return unheard < blocks_to_go(talk.transfer)


def left_off(evidence: Evidence, talk: Talk) -> bool:
    """Whether one of the two was heard long enough after the last request to know that the client did not go on."""
    if evidence.last_ns(talk.client) - talk.last_ns > PATIENCE_NS and stopped(evidence, talk):
        return True
    until = evidence.last_ns(talk.server)
    span = talk.last_ns, until, talk.last_frame, None
    return until - talk.last_ns > PATIENCE_NS and _missed(evidence, talk.server, span) < blocks_to_go(talk.transfer)


def _missed(evidence: Evidence, who: int, span: tuple[int, int, int, int | None]) -> float:
    """How many frames of a transmitter were missed, or could not be read, in a time."""
    found = evidence.missed(who, *span)
    return inf if found.verdict == "unknown" else found.missing
