"""APS fragments to whole messages (ZigBee 05-3474 2.2.8.4.5), across batches.

All fragments of a message share addresses, endpoints, cluster, profile and APS counter. The first tells how many there
are. The counter wraps after 256 messages, so a set that stays incomplete is given up after `PATIENCE_NS` without a
fragment, or when a first fragment with other octets begins a new message under the same counter.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.context import Context
from hanscope.analyzers.dissect import Fragments
from hanscope.dissectors.columns.rows import SLACK, Index, Octets

PATIENCE_NS: Final = 10_000_000_000
OPEN_SETS: Final = 4096
"""Incomplete sets held at most; the oldest is given up first."""


class Incomplete(msgspec.Struct):
    """Fragments of one message; when they are handed on, some are missing."""

    pan_id: int
    source: int
    """Short address."""
    destination: int
    source_eui64: int
    """0: not known."""
    destination_eui64: int
    header: bytes
    """The APS header as it would be without fragmentation."""
    secured: bool
    began_ns: int
    heard_ns: int
    """When the last of its fragments came."""
    total: int | None = None
    """`None`: the first fragment is missing, which tells."""
    blocks: dict[int, bytes] = msgspec.field(default_factory=dict[int, bytes])
    frames: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    """By block, the first frame that it was heard in."""
    done: bool = False


class Messages(msgspec.Struct, frozen=True):
    """Reassembled APS frames: as if they had never been fragmented."""

    context: Context
    """Of the fragment that completed each."""
    buffer: Octets
    at: Index
    length: Index
    aps_secured: NDArray[np.bool_]
    began_ns: tuple[int, ...]
    """When the first fragment heard of each came."""
    frames: tuple[tuple[int, ...], ...]
    """That carried each: one for each fragment, in which it was heard first; ascending."""


class Reassembler:
    """Collects fragments in capture order.

    `given_up` gets the sets that stayed incomplete, after `finish` all of them.
    """

    def __init__(self, given_up: Callable[[Incomplete], None] | None = None) -> None:
        self.complete = 0
        self.incomplete = 0
        """Sets that were given up."""
        self._open: dict[bytes, Incomplete] = {}
        self._given_up = given_up

    @property
    def pending(self) -> int:
        """Sets that are still waiting for fragments."""
        return sum(not one.done for one in self._open.values())

    def feed(self, fragments: Fragments) -> Messages | None:
        """Takes the fragments of one batch; returns the messages that they complete."""
        context = fragments.context
        ends: list[int] = []
        whole: list[bytes] = []
        complete: list[Incomplete] = []
        lead = np.stack((context.pan_id, context.nwk_source, context.nwk_destination), axis=1)
        for row in range(len(fragments)):
            header = fragments.header[row, : fragments.header_length[row]].tobytes()
            # The control octet is no part of the identity: its ack request bit may differ within a message.
            identity = lead[row].tobytes() + header[1:]
            now = int(context.time_ns[row])
            block = int(fragments.block[row])
            octets = fragments.octets[row, : fragments.length[row]].tobytes()
            first = bool(fragments.first[row])
            known = self._open.get(identity)
            if known is not None and (
                now - known.heard_ns > PATIENCE_NS or (first and known.blocks.get(0, octets) != octets)
            ):
                self._give_up(identity)
                known = None
            if known is None:
                if len(self._open) >= OPEN_SETS:
                    self._give_up(next(iter(self._open)))
                known = self._open[identity] = _begun(fragments, row, header)
            known.heard_ns = now
            if known.done:
                continue
            if first:
                known.total = block
                block = 0
            known.blocks.setdefault(block, octets)
            known.frames.setdefault(block, int(context.number[row]))
            if known.total is not None and all(index in known.blocks for index in range(known.total)):
                whole.append(header + b"".join(known.blocks[index] for index in range(known.total)))
                ends.append(row)
                complete.append(known)
                known.done = True
                known.blocks.clear()
                self.complete += 1
        if not ends:
            return None
        lengths = np.array([len(message) for message in whole], np.int64)
        return Messages(
            context=context.take(np.array(ends)),
            buffer=np.frombuffer(b"".join(whole) + bytes(SLACK), np.uint8),
            at=np.cumsum(lengths) - lengths,
            length=lengths,
            aps_secured=fragments.aps_secured[ends],
            began_ns=tuple(one.began_ns for one in complete),
            frames=tuple(tuple(sorted(one.frames.values())) for one in complete),
        )

    def finish(self) -> None:
        """Gives up whatever is still waiting: the capture has ended."""
        for identity in list(self._open):
            self._give_up(identity)

    def _give_up(self, identity: bytes) -> None:
        known = self._open.pop(identity)
        if known.done:
            return
        self.incomplete += 1
        if self._given_up is not None:
            self._given_up(known)


def _begun(fragments: Fragments, row: int, header: bytes) -> Incomplete:
    context = fragments.context
    now = int(context.time_ns[row])
    return Incomplete(
        pan_id=int(context.pan_id[row]),
        source=int(context.nwk_source[row]),
        destination=int(context.nwk_destination[row]),
        source_eui64=int(context.source_eui64[row]),
        destination_eui64=int(context.destination_eui64[row]),
        header=header,
        secured=bool(fragments.aps_secured[row]),
        began_ns=now,
        heard_ns=now,
    )
