"""Several transfers of one image, side by side: what they agree and differ in, and holes of one filled from others.

An image is the same for every device that is given it: manufacturer code, image type and file version name it (ZCL
11.4.2). So what one device received tells what another was sent while the sniffer was deaf. The rules:

* Transfers are compared where both have octets, each pair once; of one image at most `MOST_OTHERS` with each, those
  with the most octets first.
* A transfer whose octets, or whose size, contradict another's takes nothing from it.
* A transfer whose own size is not known lends octets if none of them lies beyond the image's size. An image whose size
  is not known has the size that all its lenders agree on, if none of its own octets lies beyond that.
* A transfer that has no octet in common with this one lends only if the server is the same, or if it is an earlier one
  of the same client, which then went on with what it had: two servers may have different files of one name.
* Octets on which two lenders disagree are not filled.
* What was filled stays marked: which range, from which transfer, in which of its frames. `Transfer.missing_ranges`
  stays what the capture shows of the transfer itself: that an octet was sent to another device does not prove that
  this one received it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from hanscope.analyzers.attempts import Identity
from hanscope.analyzers.coverage import NOTHING, Intervals, Positions
from hanscope.analyzers.imagestore import ImageStore, Octets, StoredImage
from hanscope.analyzers.results import Difference, FilledRange, MissingRange, Transfer
from hanscope.analyzers.transfers import TransferRecord

MOST_OTHERS: Final = 8
MOST_COMPARISONS: Final = 4096
"""Of an analysis: a client that starts over a thousand times makes a million pairs."""
MOST_FILLED: Final = 16 << 20
"""Octets that are filled in one image at most."""
MOST_PUT_TOGETHER: Final = 256 << 20
"""Octets of all images of an analysis that are filled: what they say of their size may be anything."""
MOST_DIFFERENCES: Final = 100
WINDOW: Final = 4 << 20
"""Octets that are compared at once."""

Frames = NDArray[np.int64]


class Held(Protocol):
    """Octets that are compared: of a rebuilt image or of a file."""

    @property
    def covered(self) -> Intervals: ...

    def window(self, start: int, end: int) -> tuple[Octets, NDArray[np.bool_]]: ...

    def frames_at(self, positions: Positions) -> Frames | None: ...


class FileOctets(msgspec.Struct, frozen=True, eq=False):
    """Octets of a file, as if octet `shift` of it were octet 0 of an image."""

    octets: bytes | memoryview
    shift: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges [start, end) of the file that are no octets of an image."""

    @property
    def covered(self) -> Intervals:
        missing = np.array(self.missing, np.int64).reshape(-1, 2)
        there = Intervals.of(missing[:, 0], missing[:, 1]).gaps(len(self.octets))
        return Intervals.of(np.maximum(there.starts - self.shift, 0), np.maximum(there.ends - self.shift, 0))

    def window(self, start: int, end: int) -> tuple[Octets, NDArray[np.bool_]]:
        here = self.covered.mask(start, end)
        octets = np.zeros(len(here), np.uint8)
        first, last = max(start + self.shift, 0), max(end + self.shift, 0)
        part = np.frombuffer(self.octets[first:last], np.uint8)
        at = first - (start + self.shift)
        octets[at : at + len(part)] = part
        return octets, here

    def frames_at(self, positions: Positions) -> None:
        """None: files do not come in frames."""


class Comparison(msgspec.Struct, frozen=True):
    """Two images, octet by octet, where both have octets."""

    common: int
    """Octets that both have."""
    differing: int
    differences: tuple[Difference, ...]
    """The first hundred ranges."""

    def turned(self) -> Comparison:
        """The same, seen from the other image."""
        turned = (replace(one, frame=one.other_frame, other_frame=one.frame) for one in self.differences)
        return Comparison(self.common, self.differing, tuple(turned))


def compare(one: Held, other: Held, *, listed: int = MOST_DIFFERENCES) -> Comparison:
    """Two images octet by octet; of the ranges that differ the first `listed` are told."""
    common = one.covered.intersection(other.covered)
    differing, differences = 0, list[Difference]()
    for start, end in _windows(common):
        left, here = one.window(start, end)
        right, there = other.window(start, end)
        where = np.flatnonzero(here & there & (left != right)) + start
        differing += len(where)
        if len(where) and len(differences) < listed:
            differences += _runs(where, one.frames_at(where), other.frames_at(where), listed - len(differences))
    return Comparison(common.octets, differing, tuple(differences))


def _windows(wanted: Intervals) -> Iterator[tuple[int, int]]:
    """[start, end) of at most `WINDOW` octets each, which together hold all that is wanted and little besides."""
    start = 0
    while len(rest := wanted.between(start, np.iinfo(np.int64).max)):
        start = int(rest.starts[0])
        last = int(np.searchsorted(rest.starts, start + WINDOW)) - 1
        end = min(start + WINDOW, int(rest.ends[last]))
        yield start, end
        start = end


def _runs(where: Positions, here: Frames | None, there: Frames | None, most: int) -> list[Difference]:
    """Positions that differ, as ranges of the same frames."""
    changes = where[1:] != where[:-1] + 1
    for frames in (here, there):
        if frames is not None:
            changes |= frames[1:] != frames[:-1]
    heads = np.append(0, np.flatnonzero(changes) + 1)
    tails = np.append(heads[1:], len(where)) - 1
    return [
        Difference(
            start=int(where[head]),
            end=int(where[tail]) + 1,
            frame=None if here is None else int(here[head]),
            other_frame=None if there is None else int(there[head]),
        )
        for head, tail in zip(heads[:most].tolist(), tails[:most].tolist(), strict=True)
    ]


def identity(transfer: Transfer) -> Identity:
    return Identity(transfer.manufacturer_code, transfer.image_type, transfer.file_version)


class Other(msgspec.Struct, frozen=True, eq=False):
    """Another transfer of the same image, compared with one."""

    record: TransferRecord
    comparison: Comparison
    sizes: tuple[int, int] | None
    """What the two transfers take for the size of the image, if that is not the same."""

    @property
    def contradicts(self) -> bool:
        return self.sizes is not None or self.comparison.differing > 0


class Filled(msgspec.Struct, frozen=True, eq=False):
    """A transfer's image with holes filled from other transfers."""

    record: TransferRecord
    """As if the octets were its own: to be examined, not to be reported."""
    ranges: tuple[FilledRange, ...]
    starts: Positions
    """Which frame (`frames`) of which transfer (`transfers`) brought octets [start, end), own ones too; ascending."""
    ends: Positions
    frames: Frames
    transfers: tuple[str, ...]


class SideBySide(msgspec.Struct, frozen=True, eq=False):
    """What the other transfers of an image come to for one transfer."""

    others: tuple[Other, ...] = ()
    not_compared: int = 0
    """Other transfers of the image that were left out."""
    filled: Filled | None = None
    left_unfilled: bool = False
    """Others have octets that it lacks, but there is too much to fill."""


def side_by_side(records: Iterable[TransferRecord]) -> dict[str, SideBySide]:
    """By transfer id, for transfers that have company: what the others of the same image say and fill."""
    groups: dict[Identity, list[TransferRecord]] = {}
    for record in records:
        if record.image is not None and record.transfer.received_bytes:
            groups.setdefault(identity(record.transfer), []).append(record)
    compared = _Compared()
    found: dict[str, SideBySide] = {}
    room = MOST_PUT_TOGETHER
    for group in groups.values():
        if len(group) == 1:
            continue
        largest = sorted(group, key=lambda one: -one.transfer.received_bytes)[: MOST_OTHERS + 1]
        for record in group:
            others = compared.with_others(record, largest)
            offer = _offered(record, [other.record for other in others if _lends(record.transfer, other)])
            filled = None
            if offer is not None and offer.size <= room and offer.usable.octets <= MOST_FILLED:
                filled = _filled(offer)
                room -= offer.size if filled is not None else 0
            unfilled = offer is not None and filled is None and offer.too_much(room)
            found[record.transfer.id] = SideBySide(others, len(group) - 1 - len(others), filled, unfilled)
    return found


def _lends(transfer: Transfer, other: Other) -> bool:
    if other.contradicts:
        return False
    that = other.record.transfer
    if other.comparison.common:
        return True
    if that.pan_id != transfer.pan_id:
        return False
    went_on = that.client == transfer.client and that.started <= transfer.started
    return went_on or that.server == transfer.server


class _Compared:
    """Comparisons of pairs, each made once."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], Comparison] = {}

    def with_others(self, record: TransferRecord, largest: Sequence[TransferRecord]) -> tuple[Other, ...]:
        others = [one for one in largest if one is not record][:MOST_OTHERS]
        found: list[Other] = []
        for other in others:
            comparison = self._pair(record, other)
            if comparison is not None:
                found.append(Other(other, comparison, _sizes(record.transfer, other.transfer)))
        found.sort(key=lambda one: (one.record.transfer.first_frame, one.record.transfer.id))
        return tuple(found)

    def _pair(self, one: TransferRecord, other: TransferRecord) -> Comparison | None:
        """`None` when there were too many already."""
        assert one.image is not None  # noqa: S101 -- of the group
        assert other.image is not None  # noqa: S101 -- of the group
        names = one.transfer.id, other.transfer.id
        if (known := self._pairs.get((names[1], names[0]))) is not None:
            return known.turned()
        if len(self._pairs) >= MOST_COMPARISONS:
            return None
        self._pairs[names] = compare(one.image, other.image)
        return self._pairs[names]


def _sizes(one: Transfer, other: Transfer) -> tuple[int, int] | None:
    if one.image_size is None or other.image_size is None or one.image_size == other.image_size:
        return None
    return one.image_size, other.image_size


# Filling


class _Offer(msgspec.Struct, frozen=True, eq=False):
    """Octets that an image lacks and others have."""

    record: TransferRecord
    own: StoredImage
    size: int
    lent: Sequence[tuple[TransferRecord, StoredImage]]
    usable: Intervals

    def too_much(self, room: int) -> bool:
        return self.size > room or self.usable.octets > MOST_FILLED


def _offered(record: TransferRecord, lenders: Sequence[TransferRecord]) -> _Offer | None:
    """What others have of the transfer's holes; `None` when that is nothing."""
    own, size = record.image, _size(record, lenders)
    if own is None or size is None:
        return None
    holes = own.covered.gaps(size)
    lent = [(one, one.image) for one in lenders if one.image is not None and _fits(one.image, size)]
    usable = NOTHING
    for _, image in lent:
        usable = usable.union(image.covered.intersection(holes))
    return _Offer(record, own, size, lent, usable) if len(usable) else None


def _size(record: TransferRecord, lenders: Sequence[TransferRecord]) -> int | None:
    """The size of the image that can be put together; `None` if it is not known, or beyond the builder's limit."""
    told = [record] if record.transfer.image_size is not None else lenders
    sizes = {one.transfer.image_size: one.image.size for one in told if one.transfer.image_size and one.image}
    if len(sizes) != 1:
        return None
    ((size, kept),) = sizes.items()
    own = record.image
    return size if size <= kept and own is not None and _fits(own, size) else None


def _filled(offer: _Offer) -> Filled | None:
    """The image with what others have of its holes; `None` when they disagree in all of that."""
    owner = _owners(offer.usable, [image for _, image in offer.lent])
    parts = [_Part(offer.record.transfer.id, offer.own, offer.own.covered)]
    for index, (lender, image) in enumerate(offer.lent):
        if len(pieces := _pieces(offer.usable, owner == index)):
            parts.append(_Part(lender.transfer.id, image, pieces))
    return _put_together(offer.record, offer.size, parts) if len(parts) > 1 else None


def _fits(lender: StoredImage, size: int) -> bool:
    return not len(lender.covered) or int(lender.covered.ends[-1]) <= size


def _owners(usable: Intervals, lenders: Sequence[Held]) -> NDArray[np.int16]:
    """For each octet of `usable`, in order, the first lender that has it; -1 where lenders disagree."""
    owner = np.full(usable.octets, -1, np.int16)
    value = np.zeros(usable.octets, np.uint8)
    disputed = np.zeros(usable.octets, np.bool_)
    for index, lender in enumerate(lenders):
        for start, end in _windows(usable.intersection(lender.covered)):
            wanted = usable.mask(start, end)
            octets, here = lender.window(start, end)
            octets, here = octets[wanted], here[wanted]
            first = int(usable.count_below(np.array([start]))[0])
            place = slice(first, first + len(octets))
            had = owner[place] >= 0
            disputed[place] |= here & had & (value[place] != octets)
            new = here & ~had
            value[place][new] = octets[new]
            owner[place][new] = index
    owner[disputed] = -1
    return owner


def _pieces(usable: Intervals, chosen: NDArray[np.bool_]) -> Intervals:
    """The octets of `usable` that are chosen, as ranges."""
    edges = np.diff(np.concatenate(([0], chosen.view(np.int8), [0])))
    heads, tails = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    begins = np.append(0, np.cumsum(usable.ends - usable.starts))
    inner = begins[1:-1]
    # A run of chosen octets may span several ranges of `usable`: cut it where one of them ends.
    cut = Intervals(heads, tails).cut(inner)
    home = np.searchsorted(begins, cut.starts, side="right") - 1
    shift = usable.starts[home] - begins[home]
    return Intervals(cut.starts + shift, cut.ends + shift)


class _Part(msgspec.Struct, frozen=True, eq=False):
    """What one transfer gives to an image."""

    transfer_id: str
    image: StoredImage
    pieces: Intervals

    def runs(self) -> tuple[Positions, Positions, Frames]:
        """Its provenance within the pieces."""
        starts, ends, frames = self.image.provenance()
        runs = Intervals(starts, ends)
        inside = runs.intersection(self.pieces)
        return inside.starts, inside.ends, frames[np.searchsorted(starts, inside.starts, side="right") - 1]


def _put_together(record: TransferRecord, size: int, parts: Sequence[_Part]) -> Filled:
    own, *lent = parts
    covered = NOTHING
    for part in parts:
        covered = covered.union(part.pieces)
    runs = [part.runs() for part in parts]
    starts, ends, frames = (np.concatenate(columns) for columns in zip(*runs, strict=True))
    order = np.argsort(starts, kind="stable")
    names = [part.transfer_id for part, (begin, _, _) in zip(parts, runs, strict=True) for _ in range(len(begin))]
    starts, ends, frames = starts[order], ends[order], frames[order]
    store = own.image.store
    at = _write(store, covered, parts)
    image = StoredImage(store, size, covered, at, store.append(np.stack((starts, ends, frames))), len(starts))
    ranges = [one for part, run in zip(lent, runs[1:], strict=True) for one in _ranges(part, *run)]
    ranges.sort(key=lambda one: one.start)
    still_missing = _still_missing(record.transfer, own.image.size, covered, size)
    substitute = replace(record.transfer, image_size=size, missing_ranges=still_missing)
    return Filled(
        record=TransferRecord(substitute, image),
        ranges=tuple(ranges),
        starts=starts,
        ends=ends,
        frames=frames,
        transfers=tuple(names[index] for index in order.tolist()),
    )


def _write(store: ImageStore, covered: Intervals, parts: Sequence[_Part]) -> int:
    """Put the octets of all parts into the store, in order; where they begin."""
    at: int | None = None
    for start, end in _windows(covered):
        octets = np.zeros(end - start, np.uint8)
        for part in parts:
            wanted = part.pieces.mask(start, end)
            octets[wanted] = part.image.window(start, end)[0][wanted]
        written = store.append(octets[covered.mask(start, end)])
        at = written if at is None else at
    return at or 0


def _ranges(part: _Part, starts: Positions, ends: Positions, frames: Frames) -> Iterator[FilledRange]:
    """The pieces of a lender, each with the first and the last of the frames that brought it."""
    for start, end in part.pieces.pairs():
        low = int(np.searchsorted(ends, start, side="right"))
        these = frames[low : int(np.searchsorted(starts, end, side="left"))]
        yield FilledRange(
            start=start,
            end=end,
            transfer_id=part.transfer_id,
            first_frame=int(these.min()),
            last_frame=int(these.max()),
        )


def _still_missing(transfer: Transfer, reached: int, covered: Intervals, size: int) -> tuple[MissingRange, ...]:
    """What no transfer has, with the reasons of this one. `reached`: what lies behind was never asked for, if only
    others tell that the image goes on there.
    """
    holes = covered.gaps(size)
    gaps = [*transfer.missing_ranges, MissingRange(start=reached, end=size, reason="never requested")]
    return tuple(
        MissingRange(start=start, end=end, reason=gap.reason)
        for gap in gaps
        for start, end in holes.between(gap.start, gap.end).pairs()
    )
