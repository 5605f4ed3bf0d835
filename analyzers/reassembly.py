"""APS fragments to whole messages (ZigBee 05-3474 2.2.8.4.5), across batches.

All fragments of a message share addresses, endpoints, cluster, profile and APS counter. The first tells how many there
are. The counter wraps after 256 messages, so a set that stays incomplete is given up after `PATIENCE_NS`, or when a
first fragment with other octets begins a new message under the same counter.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from hanscope.analyzers.context import Context
from hanscope.analyzers.dissect import Fragments
from hanscope.dissectors.columns.rows import SLACK, Index, Octets

PATIENCE_NS: Final = 10_000_000_000
OPEN_SETS: Final = 4096
"""Incomplete sets held at most; the oldest is given up first."""


@dataclass(slots=True)
class _Set:
    began_ns: int
    secured: bool
    total: int | None = None
    blocks: dict[int, bytes] = field(default_factory=dict[int, bytes])
    done: bool = False


@dataclass(frozen=True, slots=True)
class Messages:
    """Reassembled APS frames: as if they had never been fragmented."""

    context: Context
    """Of the fragment that completed each."""
    buffer: Octets
    at: Index
    length: Index
    aps_secured: tuple[bool, ...]


class Reassembler:
    """Collects fragments in capture order."""

    def __init__(self) -> None:
        self.complete = 0
        self.incomplete = 0
        """Sets that were given up."""
        self._open: dict[bytes, _Set] = {}

    @property
    def pending(self) -> int:
        """Sets that are still waiting for fragments."""
        return sum(not one.done for one in self._open.values())

    def feed(self, fragments: Fragments) -> Messages | None:
        """Takes the fragments of one batch; returns the messages that they complete."""
        context = fragments.context
        ends: list[int] = []
        whole: list[bytes] = []
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
                now - known.began_ns > PATIENCE_NS or (first and known.blocks.get(0, octets) != octets)
            ):
                self._give_up(identity)
                known = None
            if known is None:
                if len(self._open) >= OPEN_SETS:
                    self._give_up(next(iter(self._open)))
                known = self._open[identity] = _Set(now, bool(fragments.aps_secured[row]))
            if known.done:
                continue
            if first:
                known.total = block
                block = 0
            known.blocks.setdefault(block, octets)
            if known.total is not None and all(index in known.blocks for index in range(known.total)):
                whole.append(header + b"".join(known.blocks[index] for index in range(known.total)))
                ends.append(row)
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
            aps_secured=tuple(bool(fragments.aps_secured[row]) for row in ends),
        )

    def _give_up(self, identity: bytes) -> None:
        if not self._open.pop(identity).done:
            self.incomplete += 1
