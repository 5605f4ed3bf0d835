"""Addresses over time: who told them first, what they were at a frame, and what commands tell again."""

import numpy as np
import pytest
from oracles import batch, octets

from hanscope.analyzers.addresses import AddressBook, AddressHistory, Evidence, Sighting, Told
from hanscope.analyzers.dissect import Dissector
from hanscope.analyzers.keys import KeyRing
from hanscope.dissectors.columns.engine import Engine

A, B, C = 0x00158D0000123456, 0x00158D0000C0FFEE, 0x000D6F000A9069E0
PAN = 0x4A5B


def evidence(told: Told, *rows: tuple[int, int, int]) -> Evidence:
    """Rows of (frame, short, EUI-64); a frame is a millisecond."""
    number = np.array([row[0] for row in rows], np.int64)
    return Evidence(
        told,
        np.full(len(rows), PAN, np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.uint64),
        number,
        number * 1_000_000,
    )


def filled(book: AddressBook, short: int, *frames: int) -> list[int]:
    count = len(frames)
    return book.fill(
        np.full(count, PAN), np.full(count, short), np.zeros(count, np.uint64), np.array(frames, np.int64)
    ).tolist()


def test_the_first_frame_that_tells_is_the_one_that_is_named() -> None:
    book = AddressBook()
    book.learn(
        evidence(Told.NWK_HEADER, (40, 0x1234, A)),
        evidence(Told.AUXILIARY_HEADER, (3, 0x1234, A), (50, 0x1234, A)),
    )
    assert book.news() == (Sighting(PAN, 0x1234, A, 3, 3_000_000, Told.AUXILIARY_HEADER),)


def test_headers_tell_once_and_commands_every_time() -> None:
    book = AddressBook()
    for _ in range(2):
        book.learn(evidence(Told.NWK_HEADER, (1, 0x1234, A)), evidence(Told.DEVICE_ANNOUNCE, (2, 0x1234, A)))
    assert [one.told for one in book.news()] == [Told.NWK_HEADER, Told.DEVICE_ANNOUNCE, Told.DEVICE_ANNOUNCE]
    assert len(book) == 1, "but it is only one new meaning"


def test_broadcasts_and_missing_addresses_teach_nothing() -> None:
    book = AddressBook()
    book.learn(evidence(Told.NWK_HEADER, (1, 0xFFFD, A), (2, -1, A), (3, 0x1234, 0), (4, 0x1234, 2**64 - 1)))
    assert book.news() == ()


def test_an_address_is_what_it_was_at_the_time() -> None:
    book = AddressBook()
    book.learn(evidence(Told.NWK_HEADER, (10, 0x1234, A), (20, 0x1234, B), (30, 0x1234, A), (5, 0x5678, C)))
    assert filled(book, 0x1234, 1, 10, 19, 20, 29, 30, 99) == [A, A, A, B, B, A, A]
    assert filled(book, 0x5678, 1, 99) == [C, C]
    assert filled(book, 0x9999, 1) == [0]


def test_a_book_that_was_told_answers_as_the_one_that_learned() -> None:
    book, other = AddressBook(), AddressBook()
    book.learn(evidence(Told.NWK_HEADER, (10, 0x1234, A), (20, 0x1234, B)))
    other.tell(reversed(book.news()))
    assert filled(other, 0x1234, 15, 25) == [A, B]


def history(*rows: tuple[int, int, int, Told]) -> AddressHistory:
    return AddressHistory(Sighting(PAN, short, eui64, frame, frame, told) for frame, short, eui64, told in rows)


def test_the_history_is_the_same_in_any_order_and_with_repetitions() -> None:
    rows = [
        (8, 0x1234, A, Told.ASSOCIATION_RESPONSE),
        (9, 0x1234, A, Told.NWK_HEADER),
        (12, 0x1234, A, Told.DEVICE_ANNOUNCE),
        (15, 0x1234, A, Told.DEVICE_ANNOUNCE),
        (30, 0x5678, A, Told.REJOIN_RESPONSE),
        (40, 0x1234, B, Told.UPDATE_DEVICE),
    ]
    made = list(history(*rows).results())
    assert made == list(history(*reversed(rows), *rows).results())
    assert [(one.frame, one.short, one.eui64[-2:]) for one in made] == [
        (8, 0x1234, "56"),
        (30, 0x5678, "56"),
        (40, 0x1234, "ee"),
    ]
    first, moved, taken = made
    assert [(one.source, one.frame) for one in first.told_by] == [("association response", 8), ("device announce", 12)]
    assert first.instead_of is None
    assert first.before is None
    assert moved.before is not None
    assert moved.before.short == 0x1234
    assert taken.instead_of == "00:15:8d:00:00:12:34:56"


def test_the_history_knows_whose_an_address_was() -> None:
    made = history((10, 0x1234, A, Told.NWK_HEADER), (20, 0x1234, B, Told.NWK_HEADER))
    assert [made.eui64(PAN, 0x1234, frame) for frame in (1, 10, 19, 20, 99)] == [A, A, A, B, B]
    assert made.eui64(PAN, 0x9999, 1) is None


MAC_AND_NWK = "6188515b4a00003412 0800 0000 3412 1e07 "
"""From 0x1234 to the coordinator, unsecured."""
EUI64 = "5634120000 8d1500"


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (f"{MAC_AND_NWK} 08 00 1300 0000 00 81 3c 7856 {EUI64} 8e", Told.DEVICE_ANNOUNCE),
        (f"{MAC_AND_NWK} 00 00 0080 0000 00 81 3c 00 {EUI64} 7856", Told.NWK_ADDRESS_RESPONSE),
        (f"{MAC_AND_NWK} 00 00 0180 0000 00 81 3c 00 {EUI64} 7856", Told.IEEE_ADDRESS_RESPONSE),
        (f"{MAC_AND_NWK} 00 00 0180 0000 00 81 3c 00 {EUI64} 7856 01 00 3412", Told.IEEE_ADDRESS_RESPONSE),
        (f"{MAC_AND_NWK} 00 00 0180 0000 00 81 3c 81 {EUI64} 7856", None),
        (f"{MAC_AND_NWK} 00 00 0180 0000 00 81 3c 00 {EUI64} 78", None),
        (f"{MAC_AND_NWK} 01 55 06 {EUI64} 7856 01", Told.UPDATE_DEVICE),
        (f"{MAC_AND_NWK} 01 55 06 {EUI64} 7856 02", None),
        (f"63cc015b4a {EUI64} eeffc000008d1500 02 7856 00", Told.ASSOCIATION_RESPONSE),
        (f"63cc015b4a {EUI64} eeffc000008d1500 02 ffff 01", None),
        (f"6188515b4a34120000 0908 3412 0000 1e07 {EUI64} 07 7856 00", Told.REJOIN_RESPONSE),
        (f"6188515b4a34120000 0908 3412 0000 1e07 {EUI64} 07 7856 02", None),
    ],
)
def test_every_command_that_tells_addresses_is_heard(frame: str, told: Told | None) -> None:
    result = Dissector(Engine(), KeyRing()).dissect(batch((octets(frame),)))
    heard = [one for one in result.sightings if one.told > Told.AUXILIARY_HEADER]
    assert [(one.told, one.pan_id, one.short, one.eui64) for one in heard] == ([(told, PAN, 0x5678, A)] if told else [])
