"""Which transfers, OTA commands and GBCS messages tell one story: that of one device and one image.

A device is its EUI-64, or its short address in its PAN while that is all that is known. GBCS messages name devices by
EUI-64 (big-endian there, so equal as text). A message belongs to the image whose hash it carries, else to the one that
was last distributed before it. What versions a device said it runs concerns both the image before and the one after.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Final, Generic, TypeVar

import msgspec

from hanscope.analyzers.attempts import Identity
from hanscope.analyzers.evidence import Evidence
from hanscope.analyzers.results import Analysis, Image, Party, Transfer
from hanscope.analyzers.silences import Talk, talk
from hanscope.analyzers.updates.readings import Reading
from hanscope.analyzers.updates.signs import (
    BROADCAST,
    OFFER,
    QUERY,
    SECOND,
    UPGRADE,
    Course,
    Ending,
    Return,
    Sign,
    Signs,
)
from hanscope.dissectors.eui64 import eui64

NO_SHORT: Final = 0xFFFE
"""The short address of a device that has none, or whose is not known (IEEE 802.15.4)."""
FAR_PAST: Final = -(1 << 62)
FAR_FUTURE: Final = 1 << 62
_NO_VERSION: Final = 0xFFFFFFFF


class Story(msgspec.Struct, eq=False):
    """Everything in an analysis that is about one device and one image, in order of time."""

    device: Party
    pan_id: int
    identity: Identity | None
    """`None`: no transfer of the image is in the capture."""
    transfers: list[Transfer] = msgspec.field(default_factory=list[Transfer])
    refusals: list[Transfer] = msgspec.field(default_factory=list[Transfer])
    """Queries of the device that the server declined."""
    readings: list[Reading] = msgspec.field(default_factory=list[Reading])
    mirrored: list[Reading] = msgspec.field(default_factory=list[Reading])
    """Versions of a gas meter that the gas proxy function told."""
    signs: list[Sign] = msgspec.field(default_factory=list[Sign])
    returns: list[Return] = msgspec.field(default_factory=list[Return])
    image: Image | None = None
    course: Course | None = None
    ending: Ending | None = None
    """Of the device's OTA dialogue, if that ended with this image."""
    profile: int | None = None
    heard_after: bool = False
    """The device transmitted after the last frame of its transfers."""
    talk: Talk | None = None
    """Its last transfer up to the last request or block."""
    evidence: Evidence | None = None
    captured_until: int = 0
    impatience: int = 0
    """Requests that came before the time was over that the server had asked for."""
    unreadable: int = 0
    """Frames of the device after the last of its transfers that no key opened."""
    server_unreadable: int = 0
    """Such frames of its server."""
    all_heard: bool = False
    """Nothing is missing of what its server sent in the seconds after the last of its transfers."""

    @property
    def started(self) -> int:
        times = [one.started for one in [*self.transfers, *self.refusals]]
        return min(times + [one.way.started for one in self.readings], default=0)

    @property
    def begun(self) -> int:
        """When octets began to flow, or could have."""
        return self.course.first_ns if self.course else self.started


def gathered(
    analysis: Analysis, signs: Signs, said: Sequence[Reading], evidence: Evidence | None = None
) -> list[Story]:
    """The stories of an analysis, in order of their first sign."""
    who = _Who(analysis)
    stories = _of_transfers(analysis, who, signs)
    images = {one.transfer_id: one for one in analysis.images}
    by_device: dict[str, list[Story]] = {}
    for story in sorted(stories, key=lambda one: one.started):
        story.image = _image_of(story, images)
        if story.device.eui64:
            by_device.setdefault(story.device.eui64, []).append(story)
    stories += _of_messages(said, by_device, who)
    stories.sort(key=lambda one: one.started)
    index = _Index(signs)
    for story in stories:
        _complete(story, analysis, signs, who)
    for story, (begin, end) in zip(stories, _windows(stories), strict=True):
        places = who.places(story.device, story.pan_id)
        story.signs = [one for one in index.signs(story, places, begin, end) if _about(one, story.identity)]
        story.returns = index.returns(story, places, begin, end)
        if evidence is not None:
            _weigh(story, evidence, who, begin, end)
    _mirrored(said, by_device)
    return stories


class _Who:
    """Who is who."""

    def __init__(self, analysis: Analysis) -> None:
        self.shorts: dict[str, set[tuple[int, int]]] = {}
        owners: dict[tuple[int, int], set[str]] = {}
        for event in analysis.addresses:
            self.shorts.setdefault(event.eui64, set()).add((event.pan_id, event.short))
            owners.setdefault((event.pan_id, event.short), set()).add(event.eui64)
        self._only = {place: next(iter(some)) for place, some in owners.items() if len(some) == 1}
        self.heard = {(one.pan_id, one.short): one for one in analysis.devices if one.short is not None}

    def party(self, party: Party, pan_id: int) -> Party:
        """With the EUI-64 that belongs to its short address, if only one ever did."""
        eui64 = party.eui64 or self._only.get((pan_id, party.short))
        return Party(short=party.short, eui64=eui64)

    def places(self, device: Party, pan_id: int) -> set[tuple[int, int]]:
        """The PAN and short addresses that a device had."""
        return {(pan_id, device.short)} | self.shorts.get(device.eui64 or "", set())


def _of_transfers(analysis: Analysis, who: _Who, signs: Signs) -> list[Story]:
    offers = (sign for sign in signs.signs if sign.command == OFFER and sign.status == 0)
    offered = {(sign.pan_id, sign.client.short, sign.identity) for sign in offers}
    stories: dict[tuple[int, str | int, Identity], Story] = {}
    declined: list[tuple[Transfer, Party, Identity]] = []
    for transfer in analysis.transfers:
        device = who.party(transfer.client, transfer.pan_id)
        identity = Identity(transfer.manufacturer_code, transfer.image_type, transfer.file_version)
        if transfer.state == "refused" and (transfer.pan_id, transfer.client.short, identity) not in offered:
            declined.append((transfer, device, identity))
            continue
        key = transfer.pan_id, device.eui64 or device.short, identity
        story = stories.setdefault(key, Story(device, transfer.pan_id, identity))
        story.transfers.append(transfer)
    alike: dict[tuple[object, ...], list[tuple[int, Story]]] = {}
    for story in sorted(stories.values(), key=lambda one: one.started):
        alike.setdefault(_kind(story), []).append((story.started, story))
    refused: dict[tuple[object, ...], Story] = {}
    for transfer, device, identity in declined:
        nothing = Story(device, transfer.pan_id, identity._replace(file_version=_NO_VERSION))
        kind = _kind(nothing)
        if kind in alike:
            at = bisect_right(alike[kind], transfer.started, key=itemgetter(0))
            story = alike[kind][max(at - 1, 0)][1]
        else:
            story = refused.setdefault(kind, nothing)
        story.refusals.append(transfer)
    return [*stories.values(), *refused.values()]


def _image_of(story: Story, images: Mapping[str | None, Image]) -> Image | None:
    """The best of the rebuilt images."""
    found = [image for one in story.transfers if (image := images.get(one.id)) is not None]
    return next((one for one in found if one.manufacturer_image_sha256), found[-1] if found else None)


def _of_messages(said: Sequence[Reading], by_device: dict[str, list[Story]], who: _Who) -> Iterator[Story]:
    """Hands the messages out; a device that only messages tell of gets a story of its own."""
    hashes = {
        (device, story.image.manufacturer_image_sha256): story
        for device, stories in by_device.items()
        for story in stories
        if story.image is not None
    }
    ordered: dict[tuple[str, int], Story] = {}
    for reading in said:
        stories = by_device.get(reading.device)
        if stories is None:
            if not reading.kind.tells_of_update:
                continue
            story = Story(_party_of(reading, who), reading.way.pan_id, None)
            by_device[reading.device] = [story]
            yield story
        else:
            story = (
                (hashes.get((reading.device, reading.sha256)) if reading.sha256 else None)
                or (ordered.get((reading.device, reading.counter)) if reading.counter is not None else None)
                or _latest(stories, reading.way.started)
            )
        if reading.sha256 and reading.counter is not None:
            ordered[reading.device, reading.counter] = story
        story.readings.append(reading)


def _latest(stories: Sequence[Story], time: int) -> Story:
    """The last that had begun by then, or else the first."""
    return next((one for one in reversed(stories) if one.begun <= time), stories[0])


def _party_of(reading: Reading, who: _Who) -> Party:
    """The device that a message is about, with the short address that it has, if that can be told."""
    for end in (reading.way.sender, reading.way.receiver):
        if end.eui64 == reading.device:
            return end
    here = [short for pan_id, short in sorted(who.shorts.get(reading.device, ())) if pan_id == reading.way.pan_id]
    return Party(short=here[-1] if here else NO_SHORT, eui64=reading.device)


def _complete(story: Story, analysis: Analysis, signs: Signs, who: _Who) -> None:
    """What concerns the device as such."""
    places = who.places(story.device, story.pan_id)
    story.captured_until = max((one.ended for one in analysis.captures if one.ended is not None), default=0)
    for place in places:
        story.profile = signs.profiles.get(place, story.profile)
        story.impatience += signs.impatience.get(place, 0)
        if story.identity is not None and (course := signs.courses.get((*place, story.identity))) is not None:
            story.course = course if story.course is None else _both(story.course, course)
    last_frame = max((one.last_frame for one in story.transfers), default=0)
    endings = [one for place in places if (one := signs.endings.get(place)) is not None]
    story.ending = next((one for one in endings if one.last_frame <= last_frame), None)
    heard = [device.last_frame for place in places if (device := who.heard.get(place)) is not None]
    story.heard_after = max(heard, default=0) > last_frame


class _Index:
    """What was kept of OTA commands and returns, by device and in order of time."""

    def __init__(self, signs: Signs) -> None:
        self._signs = _Timed(
            (sign, sign.time_ns, sign.client.eui64, (sign.pan_id, sign.client.short)) for sign in signs.signs
        )
        self._returns = _Timed((one, one.time_ns, one.eui64, (one.pan_id, one.short)) for one in signs.returns)

    def signs(self, story: Story, places: set[tuple[int, int]], begin: int, end: int) -> list[Sign]:
        """Those of a story's device, and Upgrade End Responses to everybody."""
        everybody = {(story.pan_id, short) for short in range(BROADCAST, 0x10000)}
        told = (one for one in self._signs.of(None, everybody, begin, end) if one.command == UPGRADE)
        found = [*self._signs.of(story.device.eui64, places, begin, end), *told]
        return sorted(found, key=lambda one: (one.time_ns, one.frame))

    def returns(self, story: Story, places: set[tuple[int, int]], begin: int, end: int) -> list[Return]:
        return self._returns.of(story.device.eui64, places, begin, end)


Thing = TypeVar("Thing")


class _Timed(Generic[Thing]):
    """Things with a time, found by EUI-64 or, where they or who asks have none, by place."""

    def __init__(self, things: Iterable[tuple[Thing, int, str | None, tuple[int, int]]]) -> None:
        self._by_eui64: dict[str, list[tuple[int, Thing]]] = {}
        self._by_place: dict[tuple[int, int], list[tuple[int, Thing]]] = {}
        self._nameless: dict[tuple[int, int], list[tuple[int, Thing]]] = {}
        for thing, time_ns, name, place in sorted(things, key=itemgetter(1)):
            entry = time_ns, thing
            self._by_place.setdefault(place, []).append(entry)
            if name:
                self._by_eui64.setdefault(name, []).append(entry)
            else:
                self._nameless.setdefault(place, []).append(entry)

    def of(self, eui64: str | None, places: Iterable[tuple[int, int]], begin: int, end: int) -> list[Thing]:
        """Those from `begin` to `end`, in order of time for each name."""
        if eui64:
            lists = [self._by_eui64.get(eui64, []), *(self._nameless.get(place, []) for place in places)]
        else:
            lists = [self._by_place.get(place, []) for place in places]
        found: list[Thing] = []
        for entries in lists:
            first = bisect_left(entries, begin, key=itemgetter(0))
            found += [thing for _, thing in entries[first : bisect_right(entries, end, key=itemgetter(0))]]
        return found


def _weigh(story: Story, evidence: Evidence, who: _Who, begin: int, end: int) -> None:
    """What frame counters tell: restarts, frames that stayed shut, and whether anything was missed."""
    names = {
        evidence.find(pan_id, short, eui64(story.device.eui64) if story.device.eui64 else 0)
        for pan_id, short in who.places(story.device, story.pan_id)
    }
    for name in names:
        story.returns += [
            Return(
                jump.after_ns,
                jump.frame,
                story.pan_id,
                story.device.short,
                story.device.eui64,
                "its frame counter jumped, as after a restart",
            )
            for jump in evidence.jumps(name)
            if begin <= jump.after_ns <= end
            and not any(jump.before_ns <= one.time_ns <= jump.after_ns + SAME_RETURN_NS for one in story.returns)
        ]
    story.returns.sort(key=lambda one: (one.time_ns, one.frame))
    story.evidence = evidence
    if not story.transfers:
        return
    last = story.transfers[-1]
    story.unreadable = sum(evidence.unread(name, last.ended, story.captured_until) for name in names)
    server = evidence.find(last.pan_id, last.server.short, eui64(last.server.eui64) if last.server.eui64 else 0)
    client = evidence.find(last.pan_id, last.client.short, eui64(last.client.eui64) if last.client.eui64 else 0)
    story.talk = talk(last, client, server, story.course)
    story.server_unreadable = evidence.unread(server, last.ended, story.captured_until)
    story.all_heard = evidence.missed(server, last.ended, last.ended + ANSWER_NS).verdict == "captured"


SAME_RETURN_NS: Final = 10 * SECOND
"""What a device announces so soon after its frame counter jumped is the same return."""
ANSWER_NS: Final = 5 * SECOND
"""So long a server has for an answer (what client stacks wait for)."""


def _both(one: Course, other: Course) -> Course:
    first, last = sorted((one, other), key=lambda course: course.first_ns)
    return Course(
        first.first_ns, first.first_frame, max(one.last_ns, last.last_ns), max(one.last_frame, last.last_frame)
    )


def _windows(stories: Sequence[Story]) -> Iterator[tuple[int, int]]:
    """For each story the time between the image of its kind before it and the one after it."""
    alike: dict[tuple[object, ...], list[Story]] = {}
    for story in stories:
        alike.setdefault(_kind(story), []).append(story)
    begins: dict[tuple[object, ...], list[int]] = {}
    ends: dict[tuple[object, ...], list[int]] = {}
    for kind, some in alike.items():
        some.sort(key=lambda one: one.begun)
        begins[kind] = [one.begun for one in some]
        ends[kind] = [FAR_PAST, *accumulate((one.course.last_ns if one.course else FAR_PAST for one in some), max)]
    for story in stories:
        if story.identity is None:
            yield FAR_PAST, FAR_FUTURE
            continue
        begun, kind = begins[_kind(story)], _kind(story)
        after = bisect_right(begun, story.begun)
        yield ends[kind][bisect_left(begun, story.begun)], begun[after] if after < len(begun) else FAR_FUTURE


def _kind(story: Story) -> tuple[object, ...]:
    """Stories of one device and one kind of image have this in common."""
    image = story.identity[:2] if story.identity is not None else ()
    return story.pan_id, story.device.eui64 or story.device.short, *image


def _about(sign: Sign, identity: Identity | None) -> bool:
    """Whether a command is about images of that kind: a query tells the version that runs, all else the image's."""
    manufacturer, image_type, version = sign.identity
    if manufacturer < 0 or identity is None:
        return True
    same_kind = manufacturer in (identity.manufacturer_code, 0xFFFF) and image_type in (identity.image_type, 0xFFFF)
    return same_kind and (sign.command == QUERY or version in (identity.file_version, _NO_VERSION, -1))


def _mirrored(said: Iterable[Reading], by_device: dict[str, list[Story]]) -> None:
    """Versions that another device told where there is just one gas meter: its mirror in the Communications Hub."""
    for reading in said:
        if reading.device in by_device or not reading.mirrors_gas_meter:
            continue
        meters = [
            stories
            for stories in by_device.values()
            if stories[0].pan_id == reading.way.pan_id and any(one.gas_meter for one in stories[-1].readings)
        ]
        if len(meters) == 1:
            _latest(meters[0], reading.way.started).mirrored.append(reading)
