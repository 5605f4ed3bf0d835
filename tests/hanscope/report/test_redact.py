import msgspec
import pytest

from hanscope.report import json
from hanscope.report.redact import Redactor


def test_no_address_and_no_key_is_left_anywhere(made, rich_analysis):
    analysis = msgspec.structs.replace(
        rich_analysis,
        keys=(*rich_analysis.keys, made.key(key="00112233445566778899aabbccddeeff")),
        diagnoses=(made.diagnosis(text=f"{made.METER.upper()} (0x3C4D), 00158d0000c0ffee, stopped"),),
    )
    text = json.document(Redactor()(analysis)).decode().lower()
    for told in (
        made.METER,
        made.HUB,
        "00158d0000c0ffee",
        "0x3c4d",
        str(0x3C4D),
        str(0x77AA),
        "0badcafe",
        "00112233445566778899aabbccddeeff",
    ):
        assert told not in text
    assert '"text": "02:00:00:00:00:00:00:01 (0x0001), 02:00:00:00:00:00:00:01, stopped"' in text


@pytest.mark.parametrize("text", ["{}: stopped", "client:{}", "of {}, hash", "({})", "{}."])
def test_an_address_is_found_whatever_stands_beside_it(made, text):
    redacted = Redactor().text(text.format(made.METER))
    assert redacted == text.format("02:00:00:00:00:00:00:01")


def test_longer_rows_of_octets_are_no_address(made):
    octets = f"{made.METER}:12"
    assert Redactor().text(octets) == octets


def test_the_same_device_has_the_same_pseudonym_everywhere(rich_analysis):
    redacted = Redactor()(rich_analysis)
    assert redacted.devices[0].eui64 == redacted.transfers[0].client.eui64
    assert redacted.devices[0].short == redacted.transfers[0].client.short
    assert redacted.transfers[0].client != redacted.transfers[1].client
    assert redacted.transfers[0].server == redacted.transfers[1].server


def test_pseudonyms_are_stable_from_report_to_report(rich_analysis):
    assert Redactor()(rich_analysis) == Redactor()(rich_analysis)


def test_addresses_that_name_nobody_stay(made):
    devices = tuple(made.device(short=short) for short in (0, 0xFFFF, 0xFFFE, None))
    assert [device.short for device in Redactor()(made.analysis(devices=devices)).devices] == [0, 0xFFFF, 0xFFFE, None]


def test_everything_else_stays(made):
    analysis = made.analysis()
    redacted = Redactor()(analysis)
    assert redacted.images == analysis.images
    assert redacted.captures == analysis.captures
    assert redacted.transfers[0].sha256 == made.transfer().sha256
    assert redacted.transfers[0].events == analysis.transfers[0].events


def test_codes_in_texts_stay_unless_they_are_a_known_address(made):
    redactor = Redactor()
    redactor(made.analysis())
    assert redactor.text("0x3c4d asked for type 0x0013 of 0x00200000") == "0x0001 asked for type 0x0013 of 0x00200000"


def test_a_time_is_not_taken_for_an_address():
    assert Redactor().text("at 10:00:00 to 10:25:37") == "at 10:00:00 to 10:25:37"
