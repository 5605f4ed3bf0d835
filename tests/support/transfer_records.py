"""Transfers with images put together from blocks, as the builder makes them, without a capture."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from hanscope.analyzers.imagestore import BLOCK, ImageStore, assemble
from hanscope.analyzers.results import MissingRange, Party, Transfer
from hanscope.analyzers.transfers import TransferRecord

LIMIT = 1 << 20
HUB = "00:0d:6f:00:0a:90:69:e0"


def record(
    name: str,
    blocks: Iterable[tuple[int, bytes, int]],
    size: int | None,
    store: ImageStore | None = None,
    **changes: Any,
) -> TransferRecord:
    """A transfer of an image of `size` octets, of which blocks (offset, octets, frame) were heard."""
    store = store or ImageStore()
    heard = list(blocks)
    log = np.zeros(len(heard), BLOCK)
    for index, (offset, data, frame) in enumerate(heard):
        log[index] = (index, frame, store.append(np.frombuffer(data, np.uint8)), offset, len(data), index % 256, False)
    found = assemble(store, log, LIMIT)
    end = int(found.covered.ends.max(initial=0)) if size is None else size
    covered = found.covered.below(end)
    frames = [frame for _, _, frame in heard] or [1]
    fields: dict[str, Any] = {
        "id": name,
        "attempt": 1,
        "client": Party(short=int(name[1:]), eui64=f"00:15:8d:00:00:00:00:{int(name[1:]):02x}"),
        "server": Party(short=0, eui64=HUB),
        "pan_id": 0x4A5B,
        "manufacturer_code": 0x1168,
        "image_type": 0x0001,
        "file_version": 0x01020304,
        "image_size": size,
        "image_size_source": "unknown" if size is None else "query response",
        "received_bytes": covered.octets,
        "missing_ranges": tuple(
            MissingRange(start=start, end=stop, reason="answered but not captured")
            for start, stop in covered.gaps(end).pairs()
        ),
        "conflicting_bytes": found.conflicting,
        "conflicts": tuple(found.conflicts),
        "state": "ended",
        "complete": size is not None and covered.octets == size,
        "sha256": None,
        "first_frame": min(frames),
        "last_frame": max(frames),
        "started": min(frames) * 10**9,
        "ended": max(frames) * 10**9,
        "block_requests": len(heard),
        "block_responses": len(heard),
        "page_requests": 0,
        "wait_responses": 0,
        "waited_ns": 0,
        "repeated_requests": 0,
        "duplicate_blocks": 0,
        "resumptions": (),
        "end_status": 0,
        "upgrade_at": None,
        "requested_from": 0,
        "events": (),
        "strip": "#" * 64,
    }
    return TransferRecord(Transfer(**(fields | changes)), found.keep(store, end) if covered.octets else None)


def in_blocks(octets: bytes, *, first_frame: int, without: Iterable[int] = (), length: int = 16) -> list[Any]:
    """An image in blocks, one a frame; `without` the blocks of these numbers."""
    left_out = set(without)
    return [
        (at, octets[at : at + length], first_frame + index)
        for index, at in enumerate(range(0, len(octets), length))
        if index not in left_out
    ]
