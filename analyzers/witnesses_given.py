"""What references and lists of hashes say of an image: the operator's own knowledge of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.attempts import Identity
from hanscope.analyzers.filling import Comparison, FileOctets, compare
from hanscope.analyzers.results import Outcome, Witness
from hanscope.analyzers.witnesses_subject import Subject, and_, difference, differing_frames, hashes_of
from hanscope.dissectors.images import ota_file
from hanscope.dissectors.images.ota_file import OtaFileError

if TYPE_CHECKING:
    from hanscope.analyzers.references import Given, ListedHash, Reference

MOST_HEADERS: Final = 8
"""OTA headers of a file that are tried to lay it beside an image."""
MOST_ALIGNMENTS: Final = 24
LARGEST_HASHED: Final = 16 << 20
"""Octets of a reference that is looked into."""
MOST_NAMED: Final = 3
_CODE: Final = re.compile("(?:0x)?([0-9a-f]{1,8}|[0-9a-f]{2}(?:[ :.-][0-9a-f]{2}){1,3})")


def from_outside(subjects: Sequence[Subject], given: Given | None) -> dict[int, list[Witness]]:
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
        claimed = {one.sha256 for subject in subjects for _, one in listed.matches(subject)}
        others = {one.identity for one in subjects if not listed.matches(one)}
        alone = len(others) == 1 and listed.asks_for_more_than(claimed)
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
            named = Identity(header.manufacturer_code, header.image_type, header.file_version)
            found.append((at, named, header.total_image_size))
        at = octets.find(ota_file.MAGIC, at + 1)
    return found


def _reference(subject: Subject, reference: Reference, headers: _Headers) -> Witness:
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
        f"it is another image: {named}" if named and subject.identity not in (None, named) else "",
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
        frames=differing_frames(found),
        compared_octets=found.common,
        differing_octets=found.differing,
        differences=found.differences,
    )


def _said_of_reference(subject: Subject, reference: Reference) -> str:
    """Whether messages say the hash of the reference: that tells of the octets too that were not captured."""
    if not subject.said or reference.missing or len(reference.octets) > LARGEST_HASHED:
        return ""
    from hanscope.analyzers.images import examine  # noqa: PLC0415 -- only where a reference and a hash are

    hashes = hashes_of(examine(reference.octets), reference.octets, ())
    told = [f"{what} in it has the hash of {subject.said[one]}" for one, what in hashes.items() if one in subject.said]
    return "; ".join(told) or f"nothing in it has the hash of {and_(list(subject.said.values())[:MOST_NAMED])}"


def _known_size(subject: Subject) -> int | None:
    return subject.image.size if subject.record is None else subject.record.transfer.image_size


def _compared(subject: Subject, found: Comparison, known: int | None) -> str:
    if not found.common:
        return "not compared: no octet of the image lies where the reference has any"
    if found.differing:
        ranges = len(found.differences)
        more = "at least " if found.differing > sum(one.end - one.start for one in found.differences) else ""
        told = f" in {more}{ranges:,} {'range' if ranges == 1 else 'ranges'}"
        return difference(found).removeprefix("; ").replace(" differ,", f" differ{told},")
    if known is not None and found.common >= known:
        return f"all {found.common:,} octets are equal"
    heard = "that were heard " if subject.record is not None else ""
    missing = f"; {known - found.common:,} were not compared" if known is not None else ""
    return f"all {found.common:,} octets {heard}are equal{missing}"


def _aligned(subject: Subject, reference: Reference, headers: _Headers) -> tuple[int, Comparison]:
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
        found = compare(held, FileOctets(reference.octets, shift, reference.missing))
        if found.common == held.covered.octets and not found.differing:
            return shift, found
        tried.append((shift, found))
    most = max(found.common for _, found in tried)
    fit = [(shift, found) for shift, found in tried if 2 * found.common >= most]
    return min(fit, key=lambda one: one[1].differing / max(one[1].common, 1))


def _readable(subject: Subject) -> bytes:
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

    def asks_for_more_than(self, claimed: set[str]) -> bool:
        """Whether a hash was given by itself that is none of these."""
        return any(one.sha256 not in claimed for one in self._asked_for)

    def matches(self, subject: Subject) -> list[tuple[str, ListedHash]]:
        """What of the image has which of the hashes."""
        return [(what, one) for digest, what in subject.hashes.items() for one in self._by_hash.get(digest, ())]

    def witness(self, subject: Subject, *, alone: bool) -> Witness | None:
        """`alone`: all images without a match are one, so that a hash that no other has must mean it."""
        matches = self.matches(subject)
        if matches:
            what, first = matches[0]
            names = list(dict.fromkeys(f"{one.name} ({one.where})".lstrip() for _, one in matches))
            more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
            comma = ", " if first.name else " "
            said = f"{first.sha256}{comma}{'; '.join(names[:MOST_NAMED])}{more}"
            otherwise = min((_listed_otherwise(subject, one) for _, one in matches), key=len)
            return self._said(said, "valid", f"it is the SHA-256 of {what}{subject.rests_on()}{otherwise}")
        said = "1 hash was given" if self._count == 1 else f"{self._count:,} hashes were given"
        if not subject.hashes or subject.missing:
            return self._said(said, "unknown", f"not compared: {subject.lacks()}{self._said_and_listed(subject)}")
        own = subject.image.manufacturer_image_sha256 or next(iter(subject.hashes))
        none = "it is not of this image" if self._count == 1 else "none of them is of this image"
        if alone:
            return self._said(said, "invalid", f"{none}; {subject.hashes[own]} has {own}")
        meant = self._meant(subject)
        if len({one.sha256 for one in meant}) == 1:
            where = f"{meant[0].name} should have {meant[0].sha256} ({meant[0].where})"
            return self._said(said, "invalid", f"{where}; {subject.hashes[own]} has {own}")
        models = f"; {len(meant):,} have its manufacturer and version, of several models" if meant else ""
        return self._said(said, "unknown", f"{none}{models}; {subject.hashes[own]} has {own}")

    def _said_and_listed(self, subject: Subject) -> str:
        """What the list has under the hashes that messages say."""
        known = [
            f"; the hash of {who} is listed{one.name and f' as {one.name}'} ({one.where})"
            for digest, who in subject.said.items()
            for one in self._by_hash.get(digest, ())[:1]
        ]
        return "".join(known[:MOST_NAMED])

    def _meant(self, subject: Subject) -> list[ListedHash]:
        """The entries that name this image's manufacturer code and file version: no image tells its model."""
        if subject.identity is None:
            return []
        manufacturer, _, version = subject.identity
        return [one for one in self._named if (_code(one.manufacturer), _code(one.version)) == (manufacturer, version)]

    @staticmethod
    def _said(said: str, outcome: Outcome, detail: str) -> Witness:
        return Witness(source="hash list", outcome=outcome, said=said, detail=detail)


def _listed_otherwise(subject: Subject, one: ListedHash) -> str:
    """That it is listed under another manufacturer or version than the image's, where these are told in full."""
    if subject.identity is None:
        return ""
    manufacturer, _, version = subject.identity
    told = [("manufacturer", one.manufacturer, manufacturer, 4), ("version", one.version, version, 8)]
    return "".join(
        f"; the list has it as {what} {text}, the image says 0x{known:0{digits}x}"
        for what, text, known, digits in told
        if len(text.lower().removeprefix("0x")) == digits and _code(text) not in {None, known}
    )


def _code(text: str) -> int | None:
    """A number that is written in hexadecimal digits, as codes and versions are; if they are grouped, by octets."""
    written = _CODE.fullmatch(text.lower())
    return None if written is None else int(re.sub("[ :.-]", "", written.group(1)), 16)
