"""What is kept of OTA commands for the stories of updates."""

import numpy as np
import pytest

from hanscope.analyzers.addresses import Sighting, Told
from hanscope.analyzers.results import Party
from hanscope.analyzers.tables import DEFAULT_RESPONSE, OtaTable
from hanscope.analyzers.updates.signs import (
    BLOCK,
    BLOCK_REQUEST,
    OFFER,
    QUERY,
    UPGRADE,
    Ending,
    Identity,
    SignBuilder,
    Signs,
)

SECOND = 1_000_000_000
PAN, HUB, METER = 0x1A2B, 0x0000, 0x3C4D
EUI64 = 0x00158D0000C0FFEE
IMAGE = Identity(0x1021, 0, 0x0200)
BY_METER = (QUERY, BLOCK_REQUEST)


def row(command: int, seconds: float, sequence: int, **columns: int) -> dict[str, int]:
    """One command; by default of the side that sends such commands, heard on its first hop."""
    source, destination = (METER, HUB) if command in BY_METER else (HUB, METER)
    plain = {
        "command": command,
        "time_ns": int(seconds * SECOND),
        "number": int(seconds * 100),
        "pan_id": PAN,
        "nwk_source": source,
        "nwk_destination": destination,
        "mac_source": source,
        "mac_sequence": sequence,
        "nwk_frame_counter": 1_000 + sequence,
        "aps_counter": sequence,
        "zcl_sequence": sequence,
        "profile": 0x0109,
        "status": 0 if command in (OFFER, BLOCK) else -1,
        "manufacturer_code": IMAGE.manufacturer_code,
        "image_type": IMAGE.image_type,
        "file_version": IMAGE.file_version,
    }
    return plain | columns


def found(*rows: dict[str, int], sightings: tuple[Sighting, ...] = (), batches: int = 1) -> Signs:
    builder = SignBuilder()
    for part in np.array_split(np.arange(len(rows)), batches):
        some = [rows[at] for at in part]
        names = {name for one in some for name in one}
        columns = {name: [one.get(name, -1) for one in some] for name in names}
        builder.feed(OtaTable.of(len(some), **columns))
    return builder.finish(sightings)


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_one_message_is_one_sign_however_often_it_is_heard(batches) -> None:
    query = row(QUERY, 1, 7, file_version=0x0100, hardware_version=3)
    signs = found(query, query | {"number": 101}, query | {"time_ns": 20 * SECOND}, batches=batches).signs
    assert [(sign.time_ns, sign.identity.file_version, sign.hardware_version) for sign in signs] == [
        (SECOND, 0x0100, 3),
        (20 * SECOND, 0x0100, 3),
    ]
    assert signs[0].client == Party(short=METER, eui64=None)


def test_a_default_response_is_the_clients_when_it_answers_the_server() -> None:
    (sign,) = found(
        row(DEFAULT_RESPONSE, 1, 7, answered=OFFER, status=0x85, nwk_source=METER, nwk_destination=HUB)
    ).signs
    assert (sign.client.short, sign.server.short, sign.status) == (METER, HUB, 0x85)


def test_blocks_are_no_signs_but_have_a_course() -> None:
    signs = found(
        row(BLOCK_REQUEST, 10, 1, file_offset=0),
        row(BLOCK, 11, 1, file_offset=0),
        row(BLOCK_REQUEST, 12, 2, file_offset=50),
        row(BLOCK, 13, 2, file_offset=50),
        batches=2,
    )
    assert signs.signs == []
    (((pan_id, short, identity), course),) = signs.courses.items()
    assert (pan_id, short, identity) == (PAN, METER, IMAGE)
    assert (course.first_ns, course.first_frame, course.last_ns, course.last_frame) == (
        10 * SECOND,
        1_000,
        13 * SECOND,
        1_300,
    )


def ending(*rows: dict[str, int]) -> Ending:
    return found(*rows).endings[PAN, METER]


def test_requests_after_the_servers_last_word_are_counted_once_each() -> None:
    answered = row(BLOCK_REQUEST, 10, 1, file_offset=0), row(BLOCK, 11, 1, file_offset=0)
    asked = [row(BLOCK_REQUEST, 12 + 3 * time, 2 + time, file_offset=50) for time in range(4)]
    found_ending = ending(*answered, *asked)
    assert (found_ending.unanswered, found_ending.unheard, found_ending.last_frame) == (4, 0, 2_100)


def test_a_late_retry_of_a_request_that_was_answered_asks_for_nothing() -> None:
    asked = row(BLOCK_REQUEST, 10, 1, file_offset=0)
    again = asked | {"time_ns": 12 * SECOND, "mac_sequence": 9, "nwk_frame_counter": 1_009}
    assert ending(asked, row(BLOCK, 11, 1, file_offset=0), again).unanswered == 0
    assert ending(row(BLOCK, 11, 1, file_offset=0), again).unanswered == 0


def test_a_block_that_is_sent_again_answers_no_later_request() -> None:
    block = row(BLOCK, 11, 1, file_offset=0)
    again = block | {"time_ns": 13 * SECOND, "mac_sequence": 9, "nwk_frame_counter": 1_009}
    asked = row(BLOCK_REQUEST, 10, 1, file_offset=0), row(BLOCK_REQUEST, 12, 2, file_offset=50)
    found_ending = ending(asked[0], block, asked[1], again)
    assert (found_ending.unanswered, found_ending.answered_ns) == (1, 11 * SECOND)


def test_a_dialogue_ends_with_a_message_not_with_its_relay() -> None:
    offer = row(OFFER, 20, 8)
    relayed = offer | {"number": 2_001, "mac_source": 0x1111, "nwk_frame_counter": 77}
    found_ending = ending(row(BLOCK_REQUEST, 10, 1, file_offset=0), row(BLOCK, 11, 1, file_offset=0), offer, relayed)
    assert found_ending.last_frame == 2_000


def test_requests_that_went_out_more_than_once_are_counted() -> None:
    asked = [row(BLOCK_REQUEST, 12 + 3 * time, 2 + time, file_offset=50) for time in range(3)]
    copies = [one | {"time_ns": one["time_ns"] + 3_000_000} for one in asked[:2]]
    found_ending = ending(row(BLOCK, 11, 1, file_offset=0), asked[0], copies[0], asked[1], copies[1], asked[2])
    assert (found_ending.unanswered, found_ending.unheard, found_ending.repeated) == (3, 0, 2)


def test_a_request_that_nobody_acknowledges_goes_out_four_times() -> None:
    asked = row(BLOCK_REQUEST, 12, 2, file_offset=50)
    copies = [asked | {"time_ns": 12 * SECOND + copy * 3_000_000} for copy in range(4)]
    found_ending = ending(row(BLOCK, 11, 1, file_offset=0), *copies)
    assert (found_ending.unanswered, found_ending.unheard) == (1, 1)


def test_a_block_that_the_client_does_not_acknowledge() -> None:
    block = row(BLOCK, 11, 1, file_offset=0)
    copies = [block | {"time_ns": 11 * SECOND + copy * 3_000_000} for copy in range(4)]
    assert ending(row(BLOCK_REQUEST, 10, 1, file_offset=0), *copies).unheard_by_client


def test_requests_before_the_time_is_over_are_counted() -> None:
    wait = row(BLOCK, 10, 1, status=0x97, current_time=0, request_time=30, file_version=-1)
    early, late = row(BLOCK_REQUEST, 15, 2, file_offset=0), row(BLOCK_REQUEST, 41, 2, file_offset=0)
    assert found(wait, early).impatience == {(PAN, METER): 1}
    assert found(wait, late).impatience == {}


def test_relays_of_an_announcement_are_one_return() -> None:
    def told(seconds: int, how: Told) -> Sighting:
        return Sighting(PAN, METER, EUI64, seconds, seconds * SECOND, how)

    sightings = told(5, Told.DEVICE_ANNOUNCE), told(6, Told.DEVICE_ANNOUNCE), told(60, Told.DEVICE_ANNOUNCE)
    returns = found(sightings=(*sightings, told(61, Told.NWK_HEADER))).returns
    assert [(one.time_ns // SECOND, one.eui64, one.how) for one in returns] == [
        (5, "00:15:8d:00:00:c0:ff:ee", "it announced itself"),
        (60, "00:15:8d:00:00:c0:ff:ee", "it announced itself"),
    ]


def test_hostile_captures_cannot_make_it_grow_without_end(monkeypatch) -> None:
    monkeypatch.setattr("hanscope.analyzers.updates.signs.MOST_SIGNS", 10)
    monkeypatch.setattr("hanscope.analyzers.updates.signs.MOST_DEVICES", 5)
    rows = [row(UPGRADE, 1, at, nwk_destination=at) for at in range(1, 40)]
    rows += [row(BLOCK, 1, at, nwk_destination=at, file_version=at) for at in range(1, 40)]
    signs = found(*rows)
    assert (len(signs.signs), len(signs.endings), len(signs.courses), signs.dropped) == (10, 5, 5, 29)
