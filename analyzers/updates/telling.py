"""The updates of an analysis as results: each device's story, judged, with its timeline and its witnesses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from hanscope.analyzers.evidence import Evidence
from hanscope.analyzers.results import Analysis, Distribution, Update
from hanscope.analyzers.updates.case import Case, by_command, turn_of
from hanscope.analyzers.updates.claims import checks_of, hashes_of, versions_of
from hanscope.analyzers.updates.gathering import Story, gathered
from hanscope.analyzers.updates.judging import judge
from hanscope.analyzers.updates.orders import orders_of
from hanscope.analyzers.updates.readings import readings
from hanscope.analyzers.updates.roles import role_of
from hanscope.analyzers.updates.signs import MOST_SIGNS, OFFER, SECOND, Signs
from hanscope.analyzers.updates.timeline import steps_of

MOST_UPDATES: Final = 10_000
"""More than captures of anything but nonsense hold."""
SHORTEST_S: Final = 0.001
"""Of a rate: the clocks of some captures stand still."""
BEGINNING_NS: Final = 60 * SECOND
"""A transfer that is met so soon after the capture's beginning, and not at its own, had begun before."""
_WILDCARD: Final = 0xFFFFFFFF


def updates_of(analysis: Analysis, signs: Signs, evidence: Evidence | None = None) -> tuple[Update, ...]:
    """Every device's updates, in order of their first sign; `signs` and `evidence` are of the same captures."""
    stories = gathered(analysis, signs, tuple(readings(analysis.messages)), evidence)
    kept = stories[:MOST_UPDATES]
    judged = [_update(one, f"U{number}", analysis, signs.dropped) for number, one in enumerate(kept, 1)]
    told = list(_same_fault(judged, analysis))
    if untold := len(stories) - len(kept):
        told[-1] = msgspec.structs.replace(told[-1], missing=(*told[-1].missing, f"{untold:,} more updates: too many"))
    return tuple(told)


def _update(story: Story, name: str, analysis: Analysis, dropped: int) -> Update:
    role = role_of(story, analysis.tunnels)
    orders = orders_of(story, by_command=by_command(role))
    turn = turn_of(story, orders)
    hashes, versions = hashes_of(story), versions_of(story, turn)
    found = judge(Case(story, role, orders, hashes, versions, _shut(analysis, story.pan_id)))
    if found.state in ("activated", "confirmed"):
        for order in orders:
            if order.sign is not None and order.fate == "pending":
                order.fate = "carried out"
    elif found.cause == "activation-refused":
        for order in orders:
            if order.sign is not None and order.fate == "pending":
                order.fate = "refused"
    steps = steps_of(story, role, turn)
    identity = story.identity
    messages = [*story.readings, *story.mirrored]
    transfers = [*story.transfers, *story.refusals]
    return Update(
        id=name,
        device=story.device,
        pan_id=story.pan_id,
        role=role.name,
        role_evidence=role.evidence,
        flow=role.flow,
        outside=role.outside,
        manufacturer_code=identity.manufacturer_code if identity else None,
        image_type=identity.image_type if identity else None,
        file_version=identity.file_version if identity and identity.file_version != _WILDCARD else None,
        transfer_ids=tuple(one.id for one in transfers),
        message_ids=tuple(one.id for one in messages),
        state=found.state,
        failed_at=found.failed_at,
        cause=found.cause,
        reason=found.reason,
        missing=(*found.missing, *_unheard(story, analysis, dropped)),
        started=min([one.time for one in steps], default=story.started),
        ended=max([one.until or one.time for one in steps], default=story.started),
        steps=steps,
        distribution=_distribution(story),
        orders=tuple(order.result() for order in orders),
        hashes=hashes,
        versions=versions,
        checks=checks_of(story, hashes, versions, orders),
    )


def _unheard(story: Story, analysis: Analysis, dropped: int) -> Iterator[str]:
    """Parts of the story that lie outside of the capture, or of what can be kept of it."""
    if dropped:
        yield f"{dropped:,} OTA commands beyond the first {MOST_SIGNS:,}"
    if story.identity is None:
        yield "the transfer of the image: it is not in the capture"
    elif story.transfers and (octets := _begun_before(story, analysis)):
        yield f"the beginning of the transfer, {octets:,} octets: the capture begins after it"


def _begun_before(story: Story, analysis: Analysis) -> int:
    """Octets of the image that were loaded before the capture began, as far as that shows."""
    first = story.transfers[0]
    gap = first.missing_ranges[0] if first.missing_ranges else None
    if not first.flowed or gap is None or gap.start or gap.reason != "never requested":
        return 0
    began = min((one.started for one in analysis.captures if one.started is not None), default=first.started)
    offered = any(one.command == OFFER and not one.status and one.time_ns <= story.begun for one in story.signs)
    return 0 if offered or first.started - began >= BEGINNING_NS else gap.end


def _shut(analysis: Analysis, pan_id: int) -> str | None:
    """What of a PAN's traffic no key opened."""
    shut = sum(one.frames for one in analysis.unopened if one.pan_id in (pan_id, None))
    return f"no key opened {shut:,} encrypted frames of its network" if shut else None


def _distribution(story: Story) -> Distribution | None:
    flowed = [one for one in story.transfers if one.flowed]
    if not flowed:
        return None
    started = story.course.first_ns if story.course else min(one.started for one in flowed)
    ended = story.course.last_ns if story.course else max(one.ended for one in flowed)
    octets = sum(one.delivered_bytes for one in flowed)
    blocks = sum(one.block_responses for one in flowed)
    seconds = (ended - started) / SECOND
    return Distribution(
        started=started,
        ended=ended,
        attempts=len(flowed),
        octets=octets,
        blocks=blocks,
        octets_per_s=octets / seconds if seconds >= SHORTEST_S else None,
        blocks_per_s=blocks / seconds if seconds >= SHORTEST_S else None,
        retries=sum(one.repeated_requests for one in flowed),
        pauses=sum(len(one.resumptions) for one in flowed),
        waits=sum(one.wait_responses for one in flowed),
        waited_ns=sum(one.waited_ns for one in flowed),
    )


def _same_fault(updates: Sequence[Update], analysis: Analysis) -> Iterator[Update]:
    """Where several devices get no answer at the same octet of the same image, it is the server's file that is bad."""
    edges = {one.id: max((gap.start for gap in one.missing_ranges), default=-1) for one in analysis.transfers}
    stopped: dict[tuple[int | None, ...], list[Update]] = {}
    for one in updates:
        if one.cause == "server-silent" and one.transfer_ids and edges.get(one.transfer_ids[-1], -1) > 0:
            image = one.manufacturer_code, one.image_type, one.file_version
            stopped.setdefault((*image, edges[one.transfer_ids[-1]]), []).append(one)
    several = {
        one.id: key[-1] for key, some in stopped.items() if len({each.device for each in some}) > 1 for one in some
    }
    for one in updates:
        if one.id in several:
            reason = f"{one.reason.removesuffix('.')}; other devices stopped at octet {several[one.id]:,} of it too."
            yield msgspec.structs.replace(one, cause="file-at-fault", reason=reason)
        else:
            yield one
