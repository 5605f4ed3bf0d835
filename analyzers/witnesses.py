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

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from hanscope.analyzers.filling import (
    Comparison,
    FileOctets,
    Held,
    Identity,
    Other,
    SideBySide,
    compare,
    identity,
    side_by_side,
)
from hanscope.analyzers.results import Analysis, Check, Image, Message, Outcome, Transfer, Witness
from hanscope.analyzers.transfers import TransferRecord, first_block
from hanscope.dissectors.images import gbcs, ota_file
from hanscope.dissectors.images.ota_file import OtaFileError

if TYPE_CHECKING:
    from hanscope.analyzers.references import Given, ListedHash, Reference
    from hanscope.analyzers.updates.readings import Reading

MOST_HEADERS: Final = 8
"""OTA headers of a file that are tried to lay it beside an image."""
MOST_ALIGNMENTS: Final = 24
LARGEST_HASHED: Final = 16 << 20
"""Octets of a reference that is looked into."""
MOST_ELEMENTS_HASHED: Final = 8
MOST_FRAMES: Final = 20
MOST_NAMED: Final = 3
_OFFER: Final = "server offered "
_CODE: Final = re.compile("(?:0x)?([0-9a-f]{1,8}|[0-9a-f]{2}(?:[ :.-][0-9a-f]{2}){1,3})")
_QUERY: Final = re.compile("client asked for a newer image, has 0x([0-9a-f]{4})/0x([0-9a-f]{4})/0x([0-9a-f]{8})")


@dataclass(eq=False)
class _Subject:
    """An image that is asked about."""

    image: Image
    held: Held | None
    """The octets that the capture, or the file, itself has."""
    octets: Callable[[], bytes]
    """All octets, those filled in too; what is missing is zero."""
    record: TransferRecord | None = None
    side: SideBySide = field(default_factory=SideBySide)
    missing: Sequence[tuple[int, int]] = ()
    """Ranges that `octets` lacks."""
    said: dict[str, str] = field(default_factory=dict[str, str])
    """SHA-256 values that messages say the image has, and who says so: they hold whatever was not captured."""

    @property
    def identity(self) -> Identity | None:
        if self.record is not None:
            return identity(self.record.transfer)
        header = self.image.header
        return None if header is None else (header.manufacturer_code, header.image_type, header.file_version)

    @property
    def size_is_known(self) -> bool:
        """A filled image has the size that its lenders tell, if its own transfer does not."""
        return self.record is None or self.record.transfer.image_size is not None or bool(self.image.filled_ranges)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 values of the image and of the parts that a hash may be of, and what each is of."""
        if not self.size_is_known:
            return {}
        return _hashes(self.image, self.octets(), self.missing)

    @cached_property
    def hashes_with_later_octets(self) -> dict[str, str]:
        """As `hashes`, of the image that a device has which kept the last value of every octet, not the first."""
        stored = None if self.record is None else self.record.image
        if stored is None or not stored.later or not self.hashes:
            return {}
        octets = bytearray(self.octets())
        for at, values in stored.later:
            end = min(at + len(values), len(octets))
            octets[at:end] = values[: max(end - at, 0)]
        return _hashes(self.image, bytes(octets), self.missing)

    def rests_on(self) -> str:
        """In words, from whom octets were filled in; empty if none were."""
        names = list(dict.fromkeys(part.transfer_id for part in self.image.filled_ranges))
        return f"; rests on octets that only {_and(names)} brought" if names else ""

    def lacks(self) -> str:
        """Why there is no hash."""
        if not self.size_is_known:
            return "the size of the image is not known"
        if self.missing:
            start, end = self.missing[0]
            more = f" and {len(self.missing) - 1:,} more ranges" if len(self.missing) > 1 else ""
            return f"octets {start:,} to {end - 1:,}{more} were not captured"
        if self.image.partial:
            return "the image is not whole"
        return "which octets are the Manufacturer Image is not known"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


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
    from_outside = _from_outside(subjects, given)
    images = {
        subject.image.transfer_id: replace(
            subject.image, witnesses=(*_from_capture(subject, heard), *from_outside[id(subject)])
        )
        for subject in subjects
    }
    return replace(analysis, images=tuple(images.get(image.transfer_id, image) for image in analysis.images))


def compared_with(image: Image, octets: bytes, given: Given) -> Image:
    """The image of a file, with what a reference and a list of hashes say of it."""
    if image.error is not None and image.header is None and not octets:
        return image
    subject = _Subject(image, FileOctets(octets), lambda: octets)
    return replace(image, witnesses=(*image.witnesses, *_from_outside([subject], given)[id(subject)]))


def _of_transfer(
    image: Image, record: TransferRecord, side: SideBySide, examine: Callable[[TransferRecord], Image | None]
) -> _Subject:
    stored, gaps = record.image, record.transfer.missing_ranges
    filled = side.filled
    if filled is not None and (again := examine(filled.record)) is not None:
        stored, gaps = filled.record.image, filled.record.transfer.missing_ranges
        lenders = list(dict.fromkeys(part.transfer_id for part in filled.ranges))
        image = replace(again, filled_ranges=filled.ranges, checks=_marked(image.checks, again.checks, lenders))
    return _Subject(
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
    note = f" (rests on octets that only {_and(lenders)} brought)"
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
                if (told := _QUERY.fullmatch(event.what)) is not None:
                    manufacturer, image_type, version = (int(digits, 16) for digits in told.groups())
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


def _from_capture(subject: _Subject, heard: _Heard) -> Iterator[Witness]:
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


def _query_response(subject: _Subject, transfer: Transfer) -> Iterator[Witness]:
    """The server's offer, held against the header: that is a check of the image already."""
    offers = [event for event in transfer.events if event.what.startswith(_OFFER)]
    check = next((one for one in subject.image.checks if one.name == "query response"), None)
    if offers and check is not None:
        yield Witness(
            source="query response",
            outcome=check.outcome,
            said=offers[-1].what.removeprefix("server "),
            detail=check.detail,
            frames=tuple(event.frame for event in offers[:MOST_FRAMES]),
        )


def _ota_header(subject: _Subject, transfer: Transfer) -> Witness:
    header = subject.image.header
    named = _named(identity(transfer))
    if header is None:
        return Witness(
            source="OTA header", outcome="unknown", said="nothing", detail="no whole OTA header was captured"
        )
    told = header.manufacturer_code, header.image_type, header.file_version
    agrees = told == identity(transfer)
    detail = "the blocks are named the same" if agrees else f"the blocks are named {named}"
    return Witness(
        source="OTA header",
        outcome="valid" if agrees else "invalid",
        said=f"{_named(told)}, {header.total_image_size:,} octets",
        detail=detail + subject.rests_on() * _head_is_filled(subject),
        frames=() if subject.held is None else _frames_of(subject, header_end=header.header_length),
    )


def _head_is_filled(subject: _Subject) -> bool:
    header = subject.image.header
    end = subject.image.header_offset + (0 if header is None else header.header_length)
    return any(part.start < end for part in subject.image.filled_ranges)


def _frames_of(subject: _Subject, *, header_end: int) -> tuple[int, ...]:
    """The frames that brought the header."""
    stored = None if subject.record is None else subject.record.image
    if stored is None:
        return ()
    offset = subject.image.header_offset
    starts, ends, frames = stored.provenance()
    inside = frames[(starts < offset + header_end) & (ends > offset)]
    return tuple(dict.fromkeys(inside.tolist()))[:MOST_FRAMES]


def _named(one: Identity) -> str:
    return f"0x{one[0]:04x}/0x{one[1]:04x}/0x{one[2]:08x}"


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
        detail = f"its size is {theirs:,} octets there and {mine:,} here" + _difference(found)
    elif found.differing:
        detail = _difference(found).removeprefix("; ")
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
        frames=_differing_frames(found),
        compared_octets=found.common,
        differing_octets=found.differing,
        differences=found.differences,
    )


def _device(transfer: Transfer) -> str:
    return transfer.client.eui64 or f"0x{transfer.client.short:04x}"


def _difference(found: Comparison) -> str:
    if not found.differing:
        return ""
    first = found.differences[0]
    frames = [str(frame) for frame in (first.frame, first.other_frame) if frame is not None]
    where = f" ({'frame' if len(frames) == 1 else 'frames'} {' and '.join(frames)})" if frames else ""
    return f"; {found.differing:,} of {found.common:,} octets differ, the first at offset {first.start:,}{where}"


def _differing_frames(found: Comparison) -> tuple[int, ...]:
    frames = (frame for one in found.differences for frame in (one.frame, one.other_frame) if frame is not None)
    return tuple(dict.fromkeys(frames))[:MOST_FRAMES]


# Hashes


def _hashes(image: Image, octets: bytes, missing: Sequence[tuple[int, int]]) -> dict[str, str]:
    """SHA-256 of everything in an image that somebody might hash, and what each is of; the likeliest name wins."""
    found: dict[str, str] = {}
    for start, end, what in _parts(image, len(octets)):
        if not any(low < end and start < high for low, high in missing):
            found.setdefault(sha256(memoryview(octets)[start:end]).hexdigest(), what)
    return found


def _parts(image: Image, size: int) -> Iterator[tuple[int, int, str]]:
    """Ranges [start, end) of an image that somebody might hash."""
    header = image.header
    if header is not None and image.header_offset + header.total_image_size <= size:
        file, end = image.header_offset, image.header_offset + header.total_image_size
        start, behind = file + header.header_length, end - gbcs.TRAILER_LENGTH
        if image.layout == "gbcs-signed":
            yield start, behind, "the Manufacturer Image"
        elif image.layout == "gbcs-plain":
            yield start, end, "the Manufacturer Image"
        else:
            yield start, end, "what follows the OTA header"
            if behind > start:
                yield start, behind, "what follows the OTA header, without the last 66 octets"
        for element in image.elements[:MOST_ELEMENTS_HASHED]:
            if element.offset + element.length <= size:
                yield element.offset, element.offset + element.length, f"the element {element.name}"
        if (file, end) != (0, size):
            yield file, end, "the OTA file without what surrounds it"
    if size:
        yield 0, size, "the whole file"


def _ordered_and_calculated(subject: _Subject, transfer: Transfer, readings: Iterable[Reading]) -> Iterator[Witness]:
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
    return {digest: _and(names[:MOST_NAMED]) for digest, names in said.items()}


def _proven(message: Message) -> str:
    """That a message is genuine, where that was verified."""
    proofs = {"signature": message.signature.outcome, "MAC": message.mac.outcome}
    return "".join(f", {name} {outcome}" for name, outcome in proofs.items() if outcome in ("valid", "invalid"))


def _hash_said(subject: _Subject, transfer: Transfer, one: Reading, digest: str) -> tuple[Outcome, str]:
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


# What was given


def _from_outside(subjects: Sequence[_Subject], given: Given | None) -> dict[int, list[Witness]]:
    """What references and lists of hashes say, by the `id` of the subject."""
    found: dict[int, list[Witness]] = {id(subject): [] for subject in subjects}
    if given is None:
        return found
    for reference in given.references:
        headers = _headers(reference.octets)
        identities = {named for _, named, _ in headers}
        concerned = [one for one in subjects if one.identity in identities] or list(subjects)
        for subject in concerned:
            found[id(subject)].append(_reference(subject, reference, headers))
    if given.hashes:
        listed = _Listed(given.hashes)
        alone = len({one.identity for one in subjects if not listed.matches(one)}) == 1
        for subject in subjects:
            if (witness := listed.witness(subject, alone=alone)) is not None:
                found[id(subject)].append(witness)
    return found


_Headers = Sequence[tuple[int, Identity, int]]
"""Where OTA headers stand, their identity and their total image size."""


def _headers(octets: bytes) -> _Headers:
    found: list[tuple[int, Identity, int]] = []
    at = octets.find(ota_file.MAGIC)
    while at >= 0 and len(found) < MOST_HEADERS:
        try:
            header = ota_file.parse_header(memoryview(octets)[at:])
        except OtaFileError:
            header = None
        if header is not None and header.header_version == ota_file.HEADER_VERSION:
            named = header.manufacturer_code, header.image_type, header.file_version
            found.append((at, named, header.total_image_size))
        at = octets.find(ota_file.MAGIC, at + 1)
    return found


def _reference(subject: _Subject, reference: Reference, headers: _Headers) -> Witness:
    """The image beside a reference file."""
    size = f"{len(reference.octets):,} octets"
    if subject.held is None or not len(subject.held.covered):
        return Witness(
            source="reference file",
            outcome="unknown",
            said=f"{reference.name}, {size}",
            detail="not compared: no octet of the image was captured",
        )
    shift, found = _aligned(subject, reference, headers)
    known = _known_size(subject)
    reached = next((total for at, _, total in headers if at == shift), len(reference.octets) - shift)
    named = next((one for at, one, _ in headers if at == shift), None)
    other_size = known is not None and known not in (reached, len(reference.octets) - shift)
    details = [
        f"it is another image: {_named(named)}" if named and subject.identity not in (None, named) else "",
        f"it has {reached:,} octets, the image {known:,}" if other_size else "",
        _compared(subject, found, known),
        _said_of_reference(subject, reference) if found.common and not found.differing else "",
    ]
    outcome = "unknown" if not found.common else "invalid" if found.differing or other_size else "valid"
    behind = f", from octet {shift:,} on" if shift else ""
    return Witness(
        source="reference file",
        outcome=outcome,
        said=f"{reference.name}, {size}{behind}",
        detail="; ".join(filter(None, details)),
        frames=_differing_frames(found),
        compared_octets=found.common,
        differing_octets=found.differing,
        differences=found.differences,
    )


def _said_of_reference(subject: _Subject, reference: Reference) -> str:
    """Whether messages say the hash of the reference: that tells of the octets too that were not captured."""
    if not subject.said or len(reference.octets) > LARGEST_HASHED:
        return ""
    from hanscope.analyzers.images import examine  # noqa: PLC0415 -- only where a reference and a hash are

    hashes = _hashes(examine(reference.octets), reference.octets, ())
    told = [f"{what} in it has the hash of {subject.said[one]}" for one, what in hashes.items() if one in subject.said]
    return "; ".join(told) or f"nothing in it has the hash of {_and(list(subject.said.values())[:MOST_NAMED])}"


def _known_size(subject: _Subject) -> int | None:
    return subject.image.size if subject.record is None else subject.record.transfer.image_size


def _compared(subject: _Subject, found: Comparison, known: int | None) -> str:
    if not found.common:
        return "not compared: no octet of the image lies where the reference has any"
    if found.differing:
        ranges = len(found.differences)
        more = "at least " if found.differing > sum(one.end - one.start for one in found.differences) else ""
        told = f" in {more}{ranges:,} {'range' if ranges == 1 else 'ranges'}"
        return _difference(found).removeprefix("; ").replace(" differ,", f" differ{told},")
    if known is not None and found.common >= known:
        return f"all {found.common:,} octets are equal"
    heard = "that were heard " if subject.record is not None else ""
    missing = f"; {known - found.common:,} were not compared" if known is not None else ""
    return f"all {found.common:,} octets {heard}are equal{missing}"


def _aligned(subject: _Subject, reference: Reference, headers: _Headers) -> tuple[int, Comparison]:
    """Which octet of the reference is octet 0 of the image, and the comparison there.

    Containers in front, and files nested in files, shift one against the other: OTA headers of both are laid upon each
    other in all ways, and the one with the fewest differences counts, of those that compare at least half of what the
    best does.
    """
    held = subject.held
    assert held is not None  # noqa: S101 -- asked before
    theirs = [at for at, _, _ in headers]
    mine = [0, *(at for at, _, _ in _headers(_readable(subject)))]
    if subject.image.header is not None:
        mine.insert(0, subject.image.header_offset)
    shifts = list(dict.fromkeys([*(there - here for here in mine for there in theirs), 0]))[:MOST_ALIGNMENTS]
    tried: list[tuple[int, Comparison]] = []
    for shift in shifts:
        found = compare(held, FileOctets(reference.octets, shift))
        if found.common == held.covered.octets and not found.differing:
            return shift, found
        tried.append((shift, found))
    most = max(found.common for _, found in tried)
    fit = [(shift, found) for shift, found in tried if 2 * found.common >= most]
    return min(fit, key=lambda one: one[1].differing / max(one[1].common, 1))


def _readable(subject: _Subject) -> bytes:
    """The beginning of the image, where headers of nested files may stand."""
    assert subject.held is not None  # noqa: S101 -- asked before
    return subject.held.window(0, 1 << 20)[0].tobytes()


class _Listed:
    """The hashes that were given."""

    def __init__(self, hashes: Sequence[ListedHash]) -> None:
        self._by_hash: dict[str, list[ListedHash]] = {}
        for one in hashes:
            self._by_hash.setdefault(one.sha256, []).append(one)
        self._asked_for = [one for one in hashes if one.asked_for]
        self._named = [one for one in hashes if one.manufacturer or one.version]
        self._count = len(self._by_hash)

    def matches(self, subject: _Subject) -> list[tuple[str, ListedHash]]:
        """What of the image has which of the hashes."""
        return [(what, one) for digest, what in subject.hashes.items() for one in self._by_hash.get(digest, ())]

    def witness(self, subject: _Subject, *, alone: bool) -> Witness | None:
        """`alone`: all images without a match are one, so that a hash that was given must mean it."""
        matches = self.matches(subject)
        if matches:
            what, first = matches[0]
            names = list(dict.fromkeys(f"{one.name} ({one.where})".lstrip() for _, one in matches))
            more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
            said = f"{first.sha256}, {'; '.join(names[:MOST_NAMED])}{more}"
            return self._said(said, "valid", f"it is the SHA-256 of {what}{subject.rests_on()}")
        said = "1 hash was given" if self._count == 1 else f"{self._count:,} hashes were given"
        if not subject.hashes or subject.missing:
            return self._said(said, "unknown", f"not compared: {subject.lacks()}{self._said_and_listed(subject)}")
        own = subject.image.manufacturer_image_sha256 or next(iter(subject.hashes))
        if self._asked_for and alone:
            return self._said(said, "invalid", f"none of them is of this image; {subject.hashes[own]} has {own}")
        if (meant := self._meant(subject)) is not None:
            where = f"{meant.name} should have {meant.sha256} ({meant.where})"
            return self._said(said, "invalid", f"{where}; {subject.hashes[own]} has {own}")
        return self._said(said, "unknown", f"none of them is of this image; {subject.hashes[own]} has {own}")

    def _said_and_listed(self, subject: _Subject) -> str:
        """What the list has under the hashes that messages say."""
        known = [
            f"; the hash of {who} is listed{one.name and f' as {one.name}'} ({one.where})"
            for digest, who in subject.said.items()
            for one in self._by_hash.get(digest, ())[:1]
        ]
        return "".join(known[:MOST_NAMED])

    def _meant(self, subject: _Subject) -> ListedHash | None:
        """An entry that names this image's manufacturer code and file version."""
        if subject.identity is None:
            return None
        manufacturer, _, version = subject.identity
        return next(
            (one for one in self._named if (_code(one.manufacturer), _code(one.version)) == (manufacturer, version)),
            None,
        )

    @staticmethod
    def _said(said: str, outcome: Outcome, detail: str) -> Witness:
        return Witness(source="hash list", outcome=outcome, said=said, detail=detail)


def _code(text: str) -> int | None:
    """A number that is written in hexadecimal digits, as codes and versions are; if they are grouped, by octets."""
    written = _CODE.fullmatch(text.lower())
    return None if written is None else int(re.sub("[ :.-]", "", written.group(1)), 16)
