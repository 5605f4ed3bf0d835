"""What a finding says about the first time."""

from ota_dialogue import Dialogue, findings

from hanscope.analyzers.tables import ABSENT


def details(dialogue: Dialogue) -> dict[str, str]:
    return {finding.rule: finding.detail for finding in findings(dialogue)}


def test_fields_that_a_message_does_not_have_are_not_shown_as_numbers() -> None:
    found = details(Dialogue().query(surplus=-1, field_control=ABSENT).offer(surplus=-1, image_size=ABSENT))
    assert found["ota.query.length"] == "field control 0x?, octets missing"
    assert found["ota.offer.length"] == "octets missing"


def test_octets_beyond_a_message_are_counted() -> None:
    found = details(Dialogue().query(field_control=1, hardware_version=ABSENT).offer(surplus=2))
    assert found["ota.query.length"] == "field control 0x01, of the right length"
    assert found["ota.offer.length"] == "2 octets too many"
