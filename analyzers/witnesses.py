"""What independent witnesses say of an image (facts of ZCL 11.13, GBCS 3.4 to 3.6 and section 11).

| witness | what it says | compared with |
|---|---|---|
| Query Next Image Response | identity and size | the OTA header |
| OTA header | identity | what the blocks are named |
| other transfers of the image | the octets that another device, or the same once more, was given | octet by octet |
| 8F72, 8F1C | the Manufacturer Image Hash that the device calculated | the hash of what was heard |
| CS06 | the Manufacturer Image Hash that the supplier ordered to activate | the hash of what was heard |
| version reads (ECS52, GCS38, CS08, CS06 and CS09 outcomes, OTA queries) | what the device runs | the file version |
| a reference file | the octets | octet by octet, where there are any |
| a list of hashes | hashes, and what they stand for | hash of the Manufacturer Image or of the file |

A witness that agrees proves no more than what was compared, and says what that was. What rests on octets that another
transfer filled in says so. A comparison that cannot be made is unknown, with the reason.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from hanscope.analyzers.attempts import Identity
from hanscope.analyzers.filling import FileOctets, Other, SideBySide, identity, side_by_side
from hanscope.analyzers.results import Analysis, Check, Image, Message, Outcome, Transfer, Witness
from hanscope.analyzers.transfers import TransferRecord, first_block
from hanscope.analyzers.witnesses_given import MOST_NAMED, from_outside
from hanscope.analyzers.witnesses_subject import (
    MOST_FRAMES,
    Subject,
    and_,
    difference,
    differing_frames,
)

if TYPE_CHECKING:
    from hanscope.analyzers.partial_files import Examined
    from hanscope.analyzers.references import Given
    from hanscope.analyzers.updates.readings import Reading


def corroborated(
    analysis: Analysis,
    records: Sequence[TransferRecord],
    given: Given | None,
    examine: Callable[[TransferRecord], Image | None],
) -> Analysis:
    """The analysis with its images filled from one another, and with what all witnesses say of them.

    `examine` makes the `Image` of a record; a filled image is examined again as if its octets were the transfer's own.
    """
    if not analysis.images:
        return analysis
    by_id = {record.transfer.id: record for record in records}
    sides = side_by_side(records)
    subjects = [
        _of_transfer(image, by_id[image.transfer_id], sides.get(image.transfer_id, SideBySide()), examine)
        for image in analysis.images
        if image.transfer_id in by_id
    ]
    heard = _Heard(analysis)
    for subject in subjects if given is not None else ():
        if subject.record is not None:
            subject.said = _hashes_said(heard.concerning(subject.record.transfer))
    outside = from_outside(subjects, given)
    images = {
        subject.image.transfer_id: replace(
            subject.image, witnesses=(*_from_capture(subject, heard), *outside[id(subject)])
        )
        for subject in subjects
    }
    return replace(analysis, images=tuple(images.get(image.transfer_id, image) for image in analysis.images))


def compared_with(files: Sequence[Examined], given: Given) -> list[Image]:
    """The images of files, with what references and lists of hashes say of them."""
    subjects = [_of_file(file) if file.octets else None for file in files]
    found = from_outside([one for one in subjects if one is not None], given)
    return [
        file.image if subject is None else replace(file.image, witnesses=tuple(found[id(subject)]))
        for file, subject in zip(files, subjects, strict=True)
    ]


def _of_file(file: Examined) -> Subject:
    held = FileOctets(file.octets, missing=file.missing)
    return Subject(file.image, held, lambda: file.octets, missing=file.missing)


def _of_transfer(
    image: Image, record: TransferRecord, side: SideBySide, examine: Callable[[TransferRecord], Image | None]
) -> Subject:
    stored, gaps = record.image, record.transfer.missing_ranges
    filled = side.filled
    if filled is not None and (again := examine(filled.record)) is not None:
        stored, gaps = filled.record.image, filled.record.transfer.missing_ranges
        lenders = list(dict.fromkeys(part.transfer_id for part in filled.ranges))
        image = replace(again, filled_ranges=filled.ranges, checks=_marked(image.checks, again.checks, lenders))
    return Subject(
        image,
        record.image,
        lambda: b"" if stored is None else stored.read(),
        record,
        side,
        [(gap.start, gap.end) for gap in gaps],
    )


def _marked(own: Sequence[Check], filled: Sequence[Check], lenders: Sequence[str]) -> tuple[Check, ...]:
    """The checks of a filled image; those that come out otherwise than without the filling say what they rest on."""
    known = set(own)
    note = f" (rests on octets that only {and_(lenders)} brought)"
    return tuple(
        check if check in known or check.outcome == "unknown" else replace(check, detail=check.detail + note)
        for check in filled
    )


# What the capture itself has


_Told = tuple[int, int, tuple[int, ...], str]
"""When a device said what version it runs, which, in what frames, and in what kind of message."""


class _Client(msgspec.Struct, eq=False):
    """What was heard of one client."""

    began: list[int] = msgspec.field(default_factory=list[int])
    """When it began to load images, in order."""
    queries: dict[tuple[int, int], list[_Told]] = msgspec.field(default_factory=dict[tuple[int, int], list[_Told]])
    """By manufacturer code and image type."""


class _Heard:
    """What was said about firmware besides the transfers' blocks."""

    def __init__(self, analysis: Analysis) -> None:
        self._clients: dict[tuple[int, str | int], _Client] = {}
        for transfer in analysis.transfers:
            client = self._clients.setdefault(_client(transfer), _Client())
            if transfer.received_bytes or transfer.block_requests or transfer.page_requests:
                client.began.append(transfer.started)
            for event in transfer.events:
                if event.kind == "query" and event.image is not None:
                    manufacturer, image_type, version = event.image
                    heard = (event.time, version, (event.frame,), "an OTA query")
                    client.queries.setdefault((manufacturer, image_type), []).append(heard)
        for client in self._clients.values():
            client.began.sort()
        self._readings: dict[str, list[Reading]] = {}
        if any(message.carriage is not None for message in analysis.messages):
            from hanscope.analyzers.updates.readings import readings  # noqa: PLC0415 -- only where tunnels are

            for reading in readings(analysis.messages):
                self._readings.setdefault(reading.device, []).append(reading)

    def concerning(self, transfer: Transfer) -> list[Reading]:
        """What was said of the image of this transfer: from its beginning until the client begins to load another."""
        began = self._clients[_client(transfer)].began
        following = bisect_right(began, transfer.started)
        end = began[following] if following < len(began) else None
        return [
            one
            for one in self._readings.get(transfer.client.eui64 or "", ())
            if transfer.started <= one.time and (end is None or one.time < end)
        ]

    def versions(self, transfer: Transfer) -> list[_Told]:
        """All that the client ever said of what it runs, in order."""
        found = list(self._clients[_client(transfer)].queries.get(identity(transfer)[:2], ()))
        found += [
            (one.time, one.version, one.message.frames, f"{one.id} {one.message.use_case or ''}".strip())
            for one in self._readings.get(transfer.client.eui64 or "", ())
            if one.version is not None and _tells_version(one)
        ]
        return sorted(found)


def _client(transfer: Transfer) -> tuple[int, str | int]:
    return transfer.pan_id, transfer.client.eui64 or transfer.client.short


def _tells_version(reading: Reading) -> bool:
    """Whether the version is the one that the device runs: a hub's CCS08 has that of the image."""
    from hanscope.analyzers.updates.readings import Kind  # noqa: PLC0415 -- only where tunnels are

    return reading.kind in {Kind.VERSION, Kind.ANSWER, Kind.DATED, Kind.ACTIVATED}


def _from_capture(subject: Subject, heard: _Heard) -> Iterator[Witness]:
    assert subject.record is not None  # noqa: S101 -- of a transfer
    transfer = subject.record.transfer
    yield from _query_response(subject, transfer)
    yield _ota_header(subject, transfer)
    lenders = {part.transfer_id for part in subject.image.filled_ranges}
    for other in subject.side.others:
        lends = other.record.transfer.id in lenders
        if (witness := _other_transfer(transfer, other, lends=lends)) is not None:
            yield witness
    if subject.side.not_compared:
        detail = f"not compared: {subject.side.not_compared:,} more are beyond what is compared at most"
        yield Witness(source="other transfer", outcome="unknown", said="more transfers of this image", detail=detail)
    if subject.side.left_unfilled:
        detail = "its holes are left: there is more to fill than is filled at most"
        yield Witness(source="other transfer", outcome="unknown", said="octets that are missing here", detail=detail)
    yield from _ordered_and_calculated(subject, transfer, heard.concerning(transfer))
    yield from _versions(transfer, heard.versions(transfer))


def _query_response(subject: Subject, transfer: Transfer) -> Iterator[Witness]:
    """The server's offer, held against the header: that is a check of the image already."""
    offers = [event for event in transfer.events if event.kind == "offer"]
    check = next((one for one in subject.image.checks if one.name == "query response"), None)
    if offers and check is not None:
        yield Witness(
            source="query response",
            outcome=check.outcome,
            said=offers[-1].what,
            detail=check.detail,
            frames=tuple(event.frame for event in offers[:MOST_FRAMES]),
        )


def _ota_header(subject: Subject, transfer: Transfer) -> Witness:
    header = subject.image.header
    named = identity(transfer)
    if header is None:
        return Witness(
            source="OTA header", outcome="unknown", said="nothing", detail="no whole OTA header was captured"
        )
    told = Identity(header.manufacturer_code, header.image_type, header.file_version)
    agrees = told == named
    detail = "the blocks are named the same" if agrees else f"the blocks are named {named}"
    return Witness(
        source="OTA header",
        outcome="valid" if agrees else "invalid",
        said=f"{told}, {header.total_image_size:,} octets",
        detail=detail + subject.rests_on() * _head_is_filled(subject),
        frames=() if subject.held is None else _frames_of(subject, header_end=header.header_length),
    )


def _head_is_filled(subject: Subject) -> bool:
    header = subject.image.header
    end = subject.image.header_offset + (0 if header is None else header.header_length)
    return any(part.start < end for part in subject.image.filled_ranges)


def _frames_of(subject: Subject, *, header_end: int) -> tuple[int, ...]:
    """The frames that brought the header."""
    stored = None if subject.record is None else subject.record.image
    if stored is None:
        return ()
    offset = subject.image.header_offset
    starts, ends, frames = stored.provenance()
    inside = frames[(starts < offset + header_end) & (ends > offset)]
    return tuple(dict.fromkeys(inside.tolist()))[:MOST_FRAMES]


def _other_transfer(transfer: Transfer, other: Other, *, lends: bool) -> Witness | None:
    """What another transfer says; nothing if no octet was heard in both, it does not contradict and lends nothing."""
    that, found = other.record.transfer, other.comparison
    who = (
        f"attempt {that.attempt} of the same device"
        if _client(that) == _client(transfer)
        else f"device {_device(that)}"
    )
    said = f"{that.id}: {who} was given this image"
    if other.sizes is not None:
        mine, theirs = other.sizes
        detail = f"its size is {theirs:,} octets there and {mine:,} here" + difference(found)
    elif found.differing:
        detail = difference(found).removeprefix("; ")
    elif found.common:
        detail = f"all {found.common:,} octets that were heard in both are equal"
        if lends and transfer.image_size is None and that.image_size is not None:
            detail += f"; the size of {that.image_size:,} octets is only told there"
    elif lends:
        detail = "not compared: no octet was heard in both; that what it fills belongs here says only its name"
    else:
        return None
    return Witness(
        source="other transfer",
        outcome="invalid" if other.contradicts else "valid" if found.common else "unknown",
        said=said,
        detail=detail,
        frames=differing_frames(found),
        compared_octets=found.common,
        differing_octets=found.differing,
        differences=found.differences,
    )


def _device(transfer: Transfer) -> str:
    return transfer.client.eui64 or f"0x{transfer.client.short:04x}"


# Hashes


def _ordered_and_calculated(subject: Subject, transfer: Transfer, readings: Iterable[Reading]) -> Iterator[Witness]:
    """Hashes of 8F72 and 8F1C alerts and of CS06 commands."""
    for one in readings:
        if one.sha256 is None:
            continue
        alert = one.code is not None
        outcome, detail = _hash_said(subject, transfer, one, one.sha256)
        yield Witness(
            source="receipt alert" if alert else "activation order",
            outcome=outcome,
            said=f"{one.id} {f'alert 0x{one.code:04X} of' if alert else 'CS06 for'} {one.device}"
            f"{_proven(one.message)}, hash {one.sha256}",
            detail=detail,
            frames=one.message.frames[:MOST_FRAMES],
        )


def _hashes_said(readings: Iterable[Reading]) -> dict[str, str]:
    """The hashes of genuine messages, and in words who says them."""
    said: dict[str, list[str]] = {}
    for one in readings:
        if one.sha256 is not None and "invalid" not in (one.message.signature.outcome, one.message.mac.outcome):
            what = "CS06" if one.code is None else f"alert 0x{one.code:04X}"
            said.setdefault(one.sha256, []).append(f"{one.id} ({what})")
    return {digest: and_(names[:MOST_NAMED]) for digest, names in said.items()}


def _proven(message: Message) -> str:
    """That a message is genuine, where that was verified."""
    proofs = {"signature": message.signature.outcome, "MAC": message.mac.outcome}
    return "".join(f", {name} {outcome}" for name, outcome in proofs.items() if outcome in ("valid", "invalid"))


def _hash_said(subject: Subject, transfer: Transfer, one: Reading, digest: str) -> tuple[Outcome, str]:
    if "invalid" in (one.message.signature.outcome, one.message.mac.outcome):
        return "unknown", "not believed: the message is not genuine"
    part = subject.hashes.get(digest)
    own = subject.image.manufacturer_image_sha256
    if part is not None:
        refused = "; so the device refuses the very image that was heard" if one.code == _VERIFICATION_FAILED else ""
        # A device calculates its hash of what it has itself.
        received = ", so this device received them too" if one.code is not None and subject.rests_on() else ""
        return "valid", f"it is the SHA-256 of {part}{subject.rests_on()}{received}{refused}"
    if own is None:
        return "unknown", f"not compared: {subject.lacks()}"
    if one.time < transfer.ended:
        return "unknown", "another hash, while the image was still being loaded: it may mean another image"
    detail = f"the Manufacturer Image that was heard has {own}{subject.rests_on()}"
    if digest in subject.hashes_with_later_octets:
        detail += (
            "; with the values that came later, where octets came with different ones, it has the hash that is said"
        )
    return "invalid", detail


_VERIFICATION_FAILED: Final = 0x8F1C


def _versions(transfer: Transfer, told: Sequence[_Told]) -> Iterator[Witness]:
    """What the device said it runs, before the transfer and after it."""
    began = first_block(transfer)
    since = transfer.started if began is None else began.time
    before = next((one for one in reversed(told) if one[0] < since), None)
    after = [one for one in told if one[0] >= transfer.ended and one is not before]
    if before is None and not after:
        return
    parts = [f"0x{before[1]:08x} before ({before[3]})"] if before else []
    last = after[-1] if after else None
    if last is not None:
        parts.append(f"0x{last[1]:08x} after ({last[3]})")
    if last is None:
        outcome, detail = "unknown", "no version was heard after the transfer"
    elif last[1] == transfer.file_version:
        outcome, detail = "valid", "the device runs the version of this image"
        if before is not None and before[1] == transfer.file_version:
            detail += ", as it did before"
    else:
        outcome, detail = "unknown", f"this image is 0x{transfer.file_version:08x}: not activated, as far as was heard"
    frames = [frame for one in (before, last) if one is not None for frame in one[2]]
    yield Witness(
        source="version read",
        outcome=outcome,
        said=f"the device ran {', '.join(parts)}",
        detail=detail,
        frames=tuple(dict.fromkeys(frames))[:MOST_FRAMES],
    )
