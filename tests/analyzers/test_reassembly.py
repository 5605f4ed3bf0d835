"""APS fragments become whole messages, across batches, and only what belongs together is joined."""

import numpy as np
from msgspec.structs import replace

from hanscope.analyzers.context import Context
from hanscope.analyzers.dissect import Fragments
from hanscope.analyzers.reassembly import OPEN_SETS, Reassembler

HEADER = bytes.fromhex("40051900040105d6")
SECOND = 1_000_000_000


def fragments(*rows: tuple[bytes, int, bool, int, bytes]) -> Fragments:
    """Rows of (header, block, first, time in s, octets), frames numbered from 1."""
    count = len(rows)
    column = np.zeros(count, np.int64)
    context = Context(
        number=np.arange(1, count + 1),
        time_ns=np.array([int(row[3] * SECOND) for row in rows]),
        pan_id=column,
        mac_source=column,
        mac_sequence=column,
        nwk_source=column,
        nwk_destination=column + 5,
        nwk_sequence=column,
        nwk_frame_counter=column,
        source_eui64=column.astype(np.uint64),
        destination_eui64=column.astype(np.uint64),
    )
    width = max(len(row[4]) for row in rows)
    octets = np.zeros((count, width), np.uint8)
    for at, row in enumerate(rows):
        octets[at, : len(row[4])] = np.frombuffer(row[4], np.uint8)
    return Fragments(
        context=context,
        header=np.array([list(row[0]) for row in rows], np.uint8),
        header_length=np.full(count, len(HEADER)),
        first=np.array([row[2] for row in rows]),
        block=np.array([row[1] for row in rows]),
        aps_secured=np.zeros(count, np.bool_),
        octets=octets,
        length=np.array([len(row[4]) for row in rows]),
    )


def first(total: int, octets: bytes, at: float = 0, header: bytes = HEADER) -> tuple[bytes, int, bool, int, bytes]:
    return header, total, True, at, octets  # pyright: ignore[reportReturnType] -- seconds may be broken


def later(block: int, octets: bytes, at: float = 0, header: bytes = HEADER) -> tuple[bytes, int, bool, int, bytes]:
    return header, block, False, at, octets  # pyright: ignore[reportReturnType]


def messages(reassembler: Reassembler, given: Fragments) -> list[tuple[int, bytes]]:
    """(completing frame, whole APS frame) of what is completed."""
    found = reassembler.feed(given)
    if found is None:
        return []
    return [
        (int(number), found.buffer[at : at + length].tobytes())
        for number, at, length in zip(found.context.number, found.at, found.length, strict=True)
    ]


def test_fragments_in_any_order_make_one_message() -> None:
    rows = [later(2, b"CC"), first(3, b"AAAA"), later(1, b"BBBB"), later(1, b"BBBB")]
    assert messages(Reassembler(), fragments(*rows)) == [(3, HEADER + b"AAAABBBBCC")]


def test_a_message_may_span_batches() -> None:
    reassembler = Reassembler()
    assert messages(reassembler, fragments(first(2, b"AA"))) == []
    assert reassembler.pending == 1
    assert messages(reassembler, fragments(later(1, b"BB", 1))) == [(1, HEADER + b"AABB")]
    assert (reassembler.complete, reassembler.incomplete, reassembler.pending) == (1, 0, 0)


def test_a_repeated_fragment_does_not_complete_a_message_twice() -> None:
    rows = [first(2, b"AA"), later(1, b"BB"), later(1, b"BB", 1), first(2, b"AA", 2)]
    assert len(messages(Reassembler(), fragments(*rows))) == 1


def test_other_counters_do_not_blend() -> None:
    other = HEADER[:-1] + b"\xd7"
    rows = [first(2, b"AA"), first(2, b"aa", header=other), later(1, b"bb", header=other), later(1, b"BB")]
    assert messages(Reassembler(), fragments(*rows)) == [(3, other + b"aabb"), (4, HEADER + b"AABB")]


def test_the_ack_request_bit_may_differ_within_a_message() -> None:
    assert messages(Reassembler(), fragments(first(2, b"AA"), later(1, b"BB", header=b"\0" + HEADER[1:]))) == [
        (2, b"\0" + HEADER[1:] + b"AABB")
    ]


def test_the_same_counter_later_is_another_message() -> None:
    reassembler = Reassembler()
    rows = [first(2, b"AA"), first(2, b"XX", 80), later(1, b"YY", 80)]
    assert messages(reassembler, fragments(*rows)) == [(3, HEADER + b"XXYY")]
    assert reassembler.incomplete == 1


def test_another_first_fragment_under_the_same_counter_begins_anew() -> None:
    rows = [first(3, b"AA"), later(1, b"BB"), first(2, b"XX", 1), later(1, b"YY", 1)]
    assert messages(Reassembler(), fragments(*rows)) == [(4, HEADER + b"XXYY")]


def test_no_more_sets_than_the_limit_are_held() -> None:
    reassembler = Reassembler()
    one = fragments(first(2, b"AA"))
    for pan in range(OPEN_SETS + 10):
        reassembler.feed(replace(one, context=replace(one.context, pan_id=np.array([pan]))))
    assert reassembler.pending == OPEN_SETS
    assert reassembler.incomplete == 10
