"""What GBCS messages say about firmware, by the official test messages."""

from pathlib import Path

import pytest
from tunnel_messages import CS06_COMMAND, CS06_RESPONSE, CS08_RESPONSE, ECS52_COMMAND, ECS52_RESPONSE, official

from hanscope.analyzers.conversations import message_results
from hanscope.analyzers.tunnels import Carried, End, Identity
from hanscope.analyzers.updates.readings import Kind, Outcome, Reading, readings

SECOND = 1_000_000_000
ESME, GSME, PPMID, HCALCS = (f"00:db:12:34:56:78:90:a{digit}" for digit in "0145")
HUB, METER = End(0, 0x00DE4D0000000001), End(0x1234, 0)
FUTURE = 1894698000 * SECOND
"""2030-01-15 09:00:00 UTC."""


def read(*octets: bytes) -> list[Reading]:
    carried = [
        Carried(
            octets=one,
            tunnel=None,
            pan_id=1,
            sender=HUB,
            receiver=METER,
            gas_command=None,
            remaining=None,
            blocks=0,
            began_ns=place * SECOND,
            ended_ns=place * SECOND + SECOND // 2,
            frames=(place,),
        )
        for place, one in enumerate(octets, 1)
    ]
    return list(readings(tuple(message_results(carried, [], None))))


def said(reading: Reading) -> tuple[Kind, str, int | None, int | None]:
    return reading.kind, reading.device, reading.version, reading.code


def test_orders_and_answers_of_the_literature() -> None:
    order, answer = read(CS06_COMMAND, CS06_RESPONSE)
    assert (order.kind, order.device, order.counter, order.due, order.cancels) == (Kind.ORDER, ESME, 1000, None, False)
    assert order.sha256 == "aa758690730934ff0685aa758690730934ff0685657788990011223344556677"
    assert (*said(answer), answer.counter) == (Kind.ANSWER, ESME, 0x0123ABCE, Outcome.SUCCESS, 1000)
    assert (order.id, order.time, answer.id) == ("M1", SECOND * 3 // 2, "M2")


def test_versions_that_were_read() -> None:
    asked, esme, ppmid = read(ECS52_COMMAND, ECS52_RESPONSE, CS08_RESPONSE)
    assert said(asked) == (Kind.ASKED, ESME, None, None)
    assert said(esme) == (Kind.VERSION, ESME, 0x0123ABCD, None)
    assert said(ppmid) == (Kind.VERSION, PPMID, 0x0123ABCD, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FDRA-DLMS_NA_8F72_ALERT_GBCS", (Kind.RECEIPT, ESME, None, 0x8F72)),
        ("FDRA-ZigBee_NA_8F72_ALERT_GBCS", (Kind.RECEIPT, GSME, None, 0x8F72)),
        ("CCS08_NA_NA_ALERT_GBCS", (Kind.CARRIED, PPMID, 0x0123ABCD, 0)),
        ("CS09_NA_8F8B_ALERT_GBCS", (Kind.ACTIVATED, PPMID, 0x1234ABCD, 0)),
        ("GCS38_11.2_SUCCESS_RESPONSE_GBCS", (Kind.VERSION, GSME, 0x0123ABCD, None)),
        ("GCS38_11.2_ERROR_RESPONSE_GBCS", (Kind.VERSION, GSME, None, None)),
        ("ECS52_11.2_ERROR_RESPONSE_GBCS", (Kind.VERSION, ESME, None, None)),
        ("CS08_11.2_ERROR_RESPONSE_GBCS", (Kind.VERSION, HCALCS, None, None)),
        ("CS06_11.3_IMMEDIATE_ERROR_RESPONSE_GBCS", (Kind.ANSWER, ESME, 0x0123ABCF, Outcome.NO_IMAGE_HELD)),
        ("CS06_11.3_FUTURE_DATED_SUCCESS_RESPONSE_GBCS", (Kind.ANSWER, ESME, None, None)),
        ("CS06_11.3_8F66_FUTURE_DATED_SUCCESS_ALERT_GBCS", (Kind.DATED, ESME, 0x0123ABCF, Outcome.SUCCESS)),
        ("CS06_11.3_8F67_FUTURE_DATED_ERROR_ALERT_GBCS", (Kind.DATED, ESME, 0x0123ABCF, Outcome.HASH_MISMATCH)),
    ],
)
def test_official_messages(data: Path, name: str, expected: tuple[Kind, str, int | None, int | None]) -> None:
    (reading,) = read(*official(data, name))
    assert said(reading) == expected


def test_the_hashes_of_receipts(data: Path) -> None:
    esme, gsme = read(*official(data, "FDRA-DLMS*"), *official(data, "FDRA-ZigBee*"))
    assert (esme.sha256, gsme.sha256) == ("01" * 32, "a1" * 32)


def test_dates_of_orders(data: Path) -> None:
    later, never = read(
        *official(data, "CS06_11.3_FUTURE_DATED_SUCCESS_COMMAND_GBCS"),
        *official(data, "CS06_11.3_CANCELLATION_SUCCESS_COMMAND_GBCS"),
    )
    assert (later.due, later.cancels, later.counter) == (FUTURE, False, 1001)
    assert (never.due, never.cancels, never.counter) == (None, True, 1002)


def test_a_future_dated_outcome_names_the_command_it_is_about(data: Path) -> None:
    (alert,) = read(*official(data, "CS06_11.3_8F66*"))
    assert (alert.counter, alert.due) == (1001, FUTURE)


def test_messages_about_anything_else_say_nothing(data: Path) -> None:
    assert read(*official(data, "ECS80*"), *official(data, "GCA-DLMS*")) == []


def test_every_official_message_is_read_without_a_fault(data: Path) -> None:
    found = read(*official(data))
    assert {reading.kind for reading in found} == set(Kind) - {Kind.CHANGED}


def test_an_incomplete_order_says_that_it_is_one_and_nothing_more() -> None:
    carried = Carried(
        octets=CS06_COMMAND[:60],
        tunnel=None,
        pan_id=1,
        sender=HUB,
        receiver=METER,
        gas_command=None,
        remaining=None,
        blocks=0,
        began_ns=SECOND,
        ended_ns=SECOND,
        frames=(1,),
        why="fragments 2 and 3 of 3 are missing",
        identity=Identity(1, 0x0012, 0x90B3D51F30010000, 0x00DB1234567890A0, 1000),
    )
    (order,) = readings(tuple(message_results([carried], [], None)))
    assert (order.kind, order.device, order.counter) == (Kind.ORDER, ESME, 1000)
    assert (order.whole, order.sha256, order.due) == (False, None, None)
