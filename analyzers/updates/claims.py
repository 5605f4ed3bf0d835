"""What the witnesses of an update say, and whether they agree: hashes of the Manufacturer Image, firmware versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, Literal, NamedTuple

from hanscope.analyzers.results import Check, HashClaim, VersionClaim
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.orders import Order
from hanscope.analyzers.updates.readings import AlertCode, Code, Kind, Reading
from hanscope.analyzers.updates.signs import QUERY

SaidBy = Literal[
    "OTA query",
    "ECS52 response",
    "GCS38 response",
    "GCS38 response of a gas proxy",
    "CS08 response",
    "CS09 alert",
    "CS06 response",
    "00CA alert",
]
_READ_BY: Final[dict[int | None, SaidBy]] = {
    Code.ECS52: "ECS52 response",
    Code.GCS38: "GCS38 response",
    Code.CS08: "CS08 response",
}
OUTCOMES: Final = frozenset[SaidBy]({"CS06 response", "00CA alert"})
"""What tells the version at the moment of the activation, which is no proof that it runs afterwards."""
PROXY: Final[SaidBy] = "GCS38 response of a gas proxy"
_WILDCARD: Final = 0xFFFFFFFF


class _Said(NamedTuple):
    by: SaidBy
    version: int
    time: int
    frames: tuple[int, ...]
    message_id: str | None


def versions_of(story: Story, turn: int | None) -> tuple[VersionClaim, ...]:
    """Which version runs, by everybody who said so, in order of time; `turn`: when the new one should begin to."""
    said = [
        _Said("OTA query", sign.identity.file_version, sign.time_ns, (sign.frame,), None)
        for sign in story.signs
        if sign.command == QUERY and sign.identity.file_version not in (_WILDCARD, -1)
    ]
    said += [one for reading in story.readings if (one := _version(reading)) is not None]
    said += [_of(reading, PROXY, reading.version) for reading in story.mirrored if reading.version is not None]
    return tuple(
        VersionClaim(
            said_by=one.by,
            version=one.version,
            when="before" if turn is None or one.time < turn else "after",
            time=one.time,
            frames=one.frames,
            message_id=one.message_id,
        )
        for one in sorted(said, key=lambda one: one.time)
    )


def _version(reading: Reading) -> _Said | None:
    if reading.version is None:
        return None
    match reading.kind:
        case Kind.VERSION:
            by = _READ_BY.get(reading.message.message_code)
        case Kind.ACTIVATED:
            by = "CS09 alert"
        case Kind.ANSWER:
            by = "CS06 response"
        case Kind.DATED:
            by = "00CA alert"
        case _:
            by = None
    return None if by is None else _of(reading, by, reading.version)


def _of(reading: Reading, by: SaidBy, version: int) -> _Said:
    return _Said(by, version, reading.time, reading.message.frames, reading.id)


def hashes_of(story: Story) -> tuple[HashClaim, ...]:
    """The Manufacturer Image Hash, by everybody who said one, in order of time."""
    claims: list[HashClaim] = []
    image = story.image
    if image is not None and image.manufacturer_image_sha256 and image.transfer_id:
        transfer = next(one for one in story.transfers if one.id == image.transfer_id)
        claims.append(
            HashClaim(
                said_by="rebuilt image",
                sha256=image.manufacturer_image_sha256,
                time=transfer.ended,
                frames=(transfer.first_frame, transfer.last_frame),
                source=transfer.id,
            )
        )
    for reading in story.readings:
        if reading.sha256 is None:
            continue
        failed = reading.code == AlertCode.VERIFICATION_FAILED
        alert: Literal["8F1C alert", "8F72 alert"] = "8F1C alert" if failed else "8F72 alert"
        claims.append(
            HashClaim(
                said_by="CS06 command" if reading.kind is Kind.ORDER else alert,
                sha256=reading.sha256,
                time=reading.time,
                frames=reading.message.frames,
                source=reading.id,
            )
        )
    return tuple(sorted(claims, key=lambda one: one.time))


def checks_of(
    story: Story, hashes: Sequence[HashClaim], versions: Sequence[VersionClaim], orders: Sequence[Order]
) -> tuple[Check, ...]:
    """Each witness against each other. What did not speak is no check; of what spoke in part the outcome is unknown."""
    return (*_hash_checks(story, hashes), *_version_checks(story, versions, orders), *_signature_checks(story))


def _hash_checks(story: Story, hashes: Sequence[HashClaim]) -> Iterator[Check]:
    last = {one.said_by: one for one in hashes}
    for one, other in combinations(last.values(), 2):
        same = one.sha256 == other.sha256
        yield Check(
            name=f"hash: {one.said_by} and {other.said_by}",
            outcome="valid" if same else "invalid",
            detail=f"{one.source} and {other.source} {'agree' if same else 'differ'}: {one.sha256[:12]}..."
            + ("" if same else f" and {other.sha256[:12]}..."),
        )
    if last and "rebuilt image" not in last:
        told = ", ".join(last)
        why = "no transfer of it is in the capture" if story.identity is None else "the capture does not hold all of it"
        yield Check(name=f"hash: rebuilt image and {told}", outcome="unknown", detail=f"{why}")


def _version_checks(story: Story, versions: Sequence[VersionClaim], orders: Sequence[Order]) -> Iterator[Check]:
    if story.identity is None:
        return
    expected = story.identity.file_version
    succeeded = {reading.id for order in orders if order.fate == "carried out" for reading in _readings(order)}
    succeeded |= {reading.id for reading in story.readings if reading.kind is Kind.ACTIVATED and reading.code == 0}
    for claim in versions:
        outcome = claim.said_by in OUTCOMES or claim.said_by == "CS09 alert"
        if claim.message_id not in succeeded if outcome else claim.when == "before":
            continue
        same = claim.version == expected
        source = f" ({claim.message_id})" if claim.message_id else ""
        yield Check(
            name=f"version: {claim.said_by}",
            outcome="valid" if same else "invalid",
            detail=f"0x{claim.version:08x}{source} is {'' if same else 'not '}the image's version"
            + ("" if same else f" 0x{expected:08x}"),
        )


def _signature_checks(story: Story) -> Iterator[Check]:
    """Who signed what decides the story, as far as certificates were at hand."""
    for reading in story.readings:
        signature = reading.message.signature
        if signature.outcome == "valid" or signature.outcome == "invalid":  # noqa: PLR1714 -- pyright narrows this
            name = f"signature: {reading.message.use_case} {reading.id}"
            yield Check(name=name, outcome=signature.outcome, detail=signature.detail)


def _readings(order: Order) -> list[Reading]:
    return [*order.answers, *order.alerts]
