"""What the OTA Upgrade commands of a capture say beside the image itself (ZCL 11.13), for the stories of updates.

`TransferBuilder` tells what came of the blocks. A story needs more: which version a device said it runs, which hardware
it said it is, when it was told to upgrade, what its last frames looked like when it fell silent, and whether it came
back after a restart. `SignBuilder` takes the same tables in the same order and keeps just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.addresses import Sighting, Told
from hanscope.analyzers.attempts import Identity
from hanscope.analyzers.coverage import among
from hanscope.analyzers.results import Party
from hanscope.analyzers.tables import DEFAULT_RESPONSE, Column, OtaTable
from hanscope.analyzers.transfers import groups
from hanscope.dissectors.codes import STATUS_NAMES, OtaCommand, Status
from hanscope.dissectors.columns.rows import ascending, distinct
from hanscope.dissectors.eui64 import eui64_text

SECOND: Final = 1_000_000_000
SMART_ENERGY: Final = 0x0109
"""The profile that Great Britain HANs use (Smart Energy 5)."""
SAME_MESSAGE_NS: Final = 10 * SECOND
MOST_SIGNS: Final = 20_000
MOST_DEVICES: Final = 4_096
TAIL: Final = 48
"""Frames of a dialogue whose end is kept."""
BROADCAST: Final = 0xFFF8

NOTIFY: Final = OtaCommand.IMAGE_NOTIFY
QUERY: Final = OtaCommand.QUERY_NEXT_IMAGE_REQUEST
OFFER: Final = OtaCommand.QUERY_NEXT_IMAGE_RESPONSE
BLOCK_REQUEST: Final = OtaCommand.IMAGE_BLOCK_REQUEST
PAGE_REQUEST: Final = OtaCommand.IMAGE_PAGE_REQUEST
BLOCK: Final = OtaCommand.IMAGE_BLOCK_RESPONSE
END: Final = OtaCommand.UPGRADE_END_REQUEST
UPGRADE: Final = OtaCommand.UPGRADE_END_RESPONSE
_BY_CLIENT: Final = (QUERY, BLOCK_REQUEST, PAGE_REQUEST, END, OtaCommand.QUERY_DEVICE_SPECIFIC_FILE_REQUEST)
LONGEST_WAIT_S: Final = 86_400
CLOCKS_NS: Final = 1 * SECOND
"""How far clocks that count in seconds may be off."""


class Sign(msgspec.Struct, frozen=True):
    """One OTA command that is neither a request for octets nor brings some; -1: the command has no such field."""

    time_ns: int
    frame: int
    pan_id: int
    client: Party
    server: Party
    command: int
    answered: int
    """By a default response."""
    status: int
    identity: Identity
    hardware_version: int
    current_time: int
    upgrade_time: int


def status_of(sign: Sign) -> str:
    """A status as ZCL 2.6.3 names it."""
    name = STATUS_NAMES.get(sign.status)
    return f"{name} (0x{sign.status:02x})" if name else f"status 0x{sign.status:02x}"


class Return(msgspec.Struct, frozen=True):
    """A device was there again: it announced itself, joined, or went on counting frames as after a restart."""

    time_ns: int
    frame: int
    pan_id: int
    short: int
    eui64: str | None
    how: str


class Course(msgspec.Struct):
    """When the blocks of one image flowed to one device."""

    first_ns: int
    first_frame: int
    last_ns: int = 0
    last_frame: int = 0


class Ending(msgspec.Struct, frozen=True):
    """The last frames of a dialogue between a client and a server."""

    unanswered: int
    """Requests, as often as the client asked anew, since the server's last word."""
    unheard: int
    """Of those, requests that were sent again and again since nobody near acknowledged them (MAC retries)."""
    repeated: int
    """Of those, requests that were sent more than once at least."""
    unheard_by_client: bool
    """The server's last frame was sent again and again, unacknowledged."""
    last_ns: int
    """When its last message was heard first; relays and retries come later."""
    last_frame: int
    answered_ns: int
    """The server's last word; where none was heard, the beginning of what is kept."""
    answered_frame: int


class Signs(msgspec.Struct):
    """All that was kept of a capture."""

    signs: list[Sign] = msgspec.field(default_factory=list[Sign])
    returns: list[Return] = msgspec.field(default_factory=list[Return])
    courses: dict[tuple[int, int, Identity], Course] = msgspec.field(
        default_factory=dict[tuple[int, int, Identity], Course]
    )
    """By PAN, short address of the client, and image."""
    endings: dict[tuple[int, int], Ending] = msgspec.field(default_factory=dict[tuple[int, int], Ending])
    """By PAN and short address of the client."""
    impatience: dict[tuple[int, int], int] = msgspec.field(default_factory=dict[tuple[int, int], int])
    """By PAN and short address of the client: how often it asked before the time was over that the server asked for."""
    dropped: int = 0
    """Commands that were one too many."""
    profiles: dict[tuple[int, int], int] = msgspec.field(default_factory=dict[tuple[int, int], int])
    """By PAN and short address of the client: the profile that it used last."""


class SignBuilder:
    """Takes OTA tables in capture order."""

    def __init__(self) -> None:
        self._found = Signs()
        self._heard: dict[tuple[int, ...], int] = {}
        self._tails: dict[tuple[int, int], Column] = {}
        """Rows of `_tail`."""

    def feed(self, table: OtaTable) -> None:
        """Takes in the next rows of the capture."""
        if not len(table):
            return
        by_client = _by_client(table)
        client = np.where(by_client, table.nwk_source, table.nwk_destination)
        steers = (table.command < BLOCK_REQUEST) | (table.command > BLOCK)
        steers |= (table.command == BLOCK) & (table.status != 0x00) & (table.status != Status.WAIT_FOR_DATA)
        for row in np.flatnonzero(steers).tolist():
            self._sign(table, row, by_client=bool(by_client[row]))
        self._courses(table, client)
        named = np.flatnonzero(client < BROADCAST)
        for part in groups((table.pan_id[named] << 16) ^ client[named]):
            rows = named[part]
            key = int(table.pan_id[rows[0]]), int(client[rows[0]])
            if key not in self._tails and len(self._tails) >= MOST_DEVICES:
                continue
            self._found.profiles[key] = int(table.profile[rows[-1]])
            self._impatience(table, rows, key)
            latest = _tail(table, rows[-TAIL:], key[1])
            if len(latest) < TAIL and (before := self._tails.get(key)) is not None:
                latest = np.concatenate((before, latest))[-TAIL:]
            self._tails[key] = latest

    def _sign(self, table: OtaTable, row: int, *, by_client: bool) -> None:
        """One message that was heard several times (retries, relays) is one sign."""
        time_ns = int(table.time_ns[row])
        columns = (table.pan_id, table.nwk_source, table.nwk_destination, table.aps_counter, table.zcl_sequence)
        columns += (table.command, table.answered, table.status, table.file_version)
        message = tuple(int(column[row]) for column in columns)
        before = self._heard.get(message)
        self._heard[message] = time_ns
        if before is not None and time_ns - before <= SAME_MESSAGE_NS:
            return
        if len(self._found.signs) >= MOST_SIGNS:
            self._found.dropped += 1
            return
        source = _party(table.nwk_source[row], table.source_eui64[row])
        destination = _party(table.nwk_destination[row], table.destination_eui64[row])
        client, server = (source, destination) if by_client else (destination, source)
        self._found.signs.append(
            Sign(
                time_ns=time_ns,
                frame=int(table.number[row]),
                pan_id=int(table.pan_id[row]),
                client=client,
                server=server,
                command=int(table.command[row]),
                answered=int(table.answered[row]),
                status=int(table.status[row]),
                identity=Identity(
                    int(table.manufacturer_code[row]), int(table.image_type[row]), int(table.file_version[row])
                ),
                hardware_version=int(table.hardware_version[row]),
                current_time=int(table.current_time[row]),
                upgrade_time=int(table.request_time[row]),
            )
        )
        if len(self._heard) > 2 * MOST_SIGNS:
            self._heard.clear()

    def _courses(self, table: OtaTable, client: NDArray[np.int64]) -> None:
        moving = (table.command >= BLOCK_REQUEST) & (table.command <= BLOCK) & (table.file_version >= 0)
        rows = np.flatnonzero(moving & (client < BROADCAST))
        if not len(rows):
            return
        image = (table.manufacturer_code[rows] << 48) ^ (table.image_type[rows] << 32) ^ table.file_version[rows]
        who = (table.pan_id[rows] << 16) ^ client[rows]
        for part in groups(image.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ who.view(np.uint64)):
            first, last = rows[part[0]], rows[part[-1]]
            identity = Identity(
                int(table.manufacturer_code[first]), int(table.image_type[first]), int(table.file_version[first])
            )
            key = int(table.pan_id[first]), int(client[first]), identity
            course = self._found.courses.get(key)
            if course is None:
                if len(self._found.courses) >= MOST_DEVICES:
                    continue
                course = self._found.courses[key] = Course(int(table.time_ns[first]), int(table.number[first]))
            # A clock may have been set back.
            course.first_ns = min(course.first_ns, int(table.time_ns[last]))
            course.last_ns = max(course.last_ns, course.first_ns, int(table.time_ns[last]))
            course.last_frame = int(table.number[last])

    def _impatience(self, table: OtaTable, rows: NDArray[np.intp], key: tuple[int, int]) -> None:
        """Counts requests that came before the time was over that a WAIT_FOR_DATA asked for, or faster than it said."""
        waits = np.flatnonzero((table.command[rows] == BLOCK) & (table.status[rows] == Status.WAIT_FOR_DATA))
        if not len(waits):
            return
        asks = np.flatnonzero((table.command[rows] == BLOCK_REQUEST) | (table.command[rows] == PAGE_REQUEST))
        following = np.searchsorted(asks, waits)
        waits, following = waits[following < len(asks)], following[following < len(asks)]
        said, asked = rows[waits], rows[asks[following]]
        seconds = table.request_time[said] - np.maximum(table.current_time[said], 0)
        due = np.clip(seconds, 0, LONGEST_WAIT_S) * SECOND - CLOCKS_NS
        early = int((table.time_ns[asked] - table.time_ns[said] < due).sum())
        if early:
            self._found.impatience[key] = self._found.impatience.get(key, 0) + early

    def finish(self, sightings: Iterable[Sighting]) -> Signs:
        """All that was kept, with the devices' announcements among the sightings of addresses."""
        self._found.returns += _announcements(sightings)
        self._found.returns.sort(key=lambda one: (one.time_ns, one.frame))
        for key, tail in self._tails.items():
            self._found.endings[key] = _ending(tail)
        return self._found


_RETURNS: Final = {
    Told.DEVICE_ANNOUNCE: "it announced itself",
    Told.REJOIN_RESPONSE: "it rejoined",
    Told.ASSOCIATION_RESPONSE: "it joined",
}


def _announcements(sightings: Iterable[Sighting]) -> Iterator[Return]:
    """Relays and retries of one announcement are one."""
    heard: dict[tuple[int, int, Told], int] = {}
    for one in sorted(set(sightings), key=lambda one: (one.time_ns, one.number)):
        if one.told not in _RETURNS:
            continue
        who = one.pan_id, one.eui64, one.told
        if who not in heard or one.time_ns - heard[who] > SAME_MESSAGE_NS:
            yield Return(one.time_ns, one.number, one.pan_id, one.short, eui64_text(one.eui64), _RETURNS[one.told])
        heard[who] = one.time_ns


def _by_client(table: OtaTable) -> NDArray[np.bool_]:
    """Who speaks follows from the command; a default response's speaker is the other side of what it answers."""
    told = np.where(table.command == DEFAULT_RESPONSE, table.answered, table.command)
    return np.isin(told, _BY_CLIENT) ^ (table.command == DEFAULT_RESPONSE)


def _party(short: np.int64, eui64: np.uint64) -> Party:
    return Party(short=int(short), eui64=eui64_text(int(eui64)) if eui64 else None)


_TIME, _NUMBER, _BY_CLIENT_ITSELF, _ASKS, _WHAT, _FRAME = range(6)
"""Columns of a tail: when, frame number, whether the client is the NWK source, whether it asks for octets, ZCL sequence
number and offset in one number, MAC sequence number and NWK frame counter in one number (-1: of a relay).
"""


def _tail(table: OtaTable, rows: NDArray[np.intp], client: int) -> Column:
    """What `_ending` needs of some rows."""
    first_hop = table.mac_source[rows] == table.nwk_source[rows]
    return np.column_stack(
        (
            table.time_ns[rows],
            table.number[rows],
            table.nwk_source[rows] == client,
            (table.command[rows] == BLOCK_REQUEST) | (table.command[rows] == PAGE_REQUEST),
            (table.zcl_sequence[rows] << 32) | (table.file_offset[rows] & 0xFFFFFFFF),
            np.where(first_hop, (table.mac_sequence[rows] << 32) | (table.nwk_frame_counter[rows] & 0xFFFFFFFF), -1),
        )
    )


def _ending(tail: Column) -> Ending:
    """How a dialogue ended: what was asked and not answered, and whether anybody acknowledged it."""
    by_client, asks = tail[:, _BY_CLIENT_ITSELF] == 1, tail[:, _ASKS] == 1
    answers = np.flatnonzero(~by_client)
    answers = answers[_first_times(tail[answers, _WHAT])]  # what it says again is no answer to what was asked since
    after = int(answers[-1]) + 1 if len(answers) else 0
    open_requests = tail[after:][(by_client & asks)[after:]]
    # An APS retry of a request that the server has long answered asks for nothing, even if only the answer was heard.
    open_requests = open_requests[~among(open_requests[:, _WHAT], tail[:after, _WHAT])]
    frames = open_requests[:, _FRAME]
    copies = {frame: int((frames == frame).sum()) for frame in distinct(frames[frames >= 0]).tolist()}
    in_vain = [frame for frame, count in copies.items() if count > _MAC_RETRIES]
    blocks = tail[~by_client, _FRAME]
    last = blocks[-1] if len(blocks) else -1
    said_last = int(np.argmax((tail[:, _WHAT] == tail[-1, _WHAT]) & (by_client == by_client[-1])))
    return Ending(
        unanswered=len(distinct(open_requests[:, _WHAT])),
        unheard=len(distinct(open_requests[among(frames, np.array(in_vain, np.int64)), _WHAT])),
        repeated=sum(count > 1 for count in copies.values()),
        unheard_by_client=bool(last >= 0 and (blocks == last).sum() > _MAC_RETRIES),
        last_ns=int(tail[said_last, _TIME]),
        last_frame=int(tail[said_last, _NUMBER]),
        answered_ns=int(tail[max(after - 1, 0), _TIME]),
        answered_frame=int(tail[max(after - 1, 0), _NUMBER]),
    )


def _first_times(values: Column) -> NDArray[np.bool_]:
    """Which of the values had not been there before."""
    order = ascending(values)
    first = np.zeros(len(values), np.bool_)
    first[order] = np.append(True, values[order][1:] != values[order][:-1])[: len(values)]
    return first


_MAC_RETRIES: Final = 2
"""A frame that nobody acknowledges goes out more often than this (macMaxFrameRetries is 3, so four times)."""
