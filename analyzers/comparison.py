"""All attempts at one image side by side: where each stopped, how fast it went, how often it had to ask again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hanscope.analyzers.results import ComparedTransfer, Comparison, Transfer
from hanscope.analyzers.silences import reached

SECOND: Final = 1_000_000_000
SHORTEST_NS: Final = 1_000_000
"""Of a rate: the clocks of some captures stand still."""
MOST_COMPARED: Final = 200
"""Transfers of one image."""
SLOWER: Final = 2.0
"""An attempt that takes so many times as long for an octet as the median one is named."""
_MOVED: Final = frozenset({"offered", "refused"})


def comparisons_of(transfers: Sequence[Transfer]) -> tuple[Comparison, ...]:
    """One for each image that more than one attempt loaded octets of, in order of the first attempt."""
    images: dict[tuple[int, int, int], list[Transfer]] = {}
    for one in transfers:
        if one.state not in _MOVED and len(some := images.setdefault(_image(one), [])) < MOST_COMPARED:
            some.append(one)
    return tuple(_comparison(some) for some in images.values() if len(some) > 1)


def _image(transfer: Transfer) -> tuple[int, int, int]:
    return transfer.manufacturer_code, transfer.image_type, transfer.file_version


def _comparison(transfers: Sequence[Transfer]) -> Comparison:
    rows = tuple(_row(one) for one in transfers)
    sizes = {one.image_size for one in transfers if one.image_size is not None}
    first = transfers[0]
    return Comparison(
        manufacturer_code=first.manufacturer_code,
        image_type=first.image_type,
        file_version=first.file_version,
        image_size=sizes.pop() if len(sizes) == 1 else None,
        transfers=rows,
        remarks=(*_different_sizes(transfers), *_same_stop(transfers, rows), *_slow(rows)),
    )


def _row(transfer: Transfer) -> ComparedTransfer:
    duration = transfer.ended - transfer.started
    return ComparedTransfer(
        transfer_id=transfer.id,
        client=transfer.client,
        attempt=transfer.attempt,
        reached=reached(transfer),
        state=transfer.state,
        duration_ns=duration,
        octets_per_s=transfer.received_bytes * SECOND / duration if duration >= SHORTEST_NS else None,
        block_requests=transfer.block_requests,
        repeated_requests=transfer.repeated_requests,
        waits=transfer.wait_responses,
        pauses=len(transfer.resumptions),
    )


def _different_sizes(transfers: Sequence[Transfer]) -> Iterator[str]:
    sizes = sorted({one.image_size for one in transfers if one.image_size is not None})
    if len(sizes) > 1:
        yield f"The same image was offered with different sizes: {', '.join(f'{one:,}' for one in sizes)} octets."


def _same_stop(transfers: Sequence[Transfer], rows: Sequence[ComparedTransfer]) -> Iterator[str]:
    """Attempts of different devices that end at the same octet before the end."""
    stopped: dict[int, list[ComparedTransfer]] = {}
    for transfer, row in zip(transfers, rows, strict=True):
        if 0 < row.reached < (transfer.image_size or 0):
            stopped.setdefault(row.reached, []).append(row)
    for octet, some in sorted(stopped.items()):
        if len({(one.client.eui64, one.client.short) for one in some}) > 1:
            yield f"{_names(some)}, of different devices, end at octet {octet:,}: look at the file itself."


def _slow(rows: Sequence[ComparedTransfer]) -> Iterator[str]:
    paces = sorted(one.octets_per_s for one in rows if one.octets_per_s)
    if len(paces) < 3:
        return
    median = paces[len(paces) // 2]
    for one in rows:
        if one.octets_per_s and one.octets_per_s * SLOWER < median:
            yield (
                f"{one.transfer_id} went at {one.octets_per_s:,.0f} octets/s, the middle one at {median:,.0f}; it "
                f"asked {one.repeated_requests:,} times again and was told to wait {one.waits:,} times."
            )


def _names(rows: Sequence[ComparedTransfer]) -> str:
    *some, last = [one.transfer_id for one in rows]
    return f"{', '.join(some)} and {last}" if some else last
