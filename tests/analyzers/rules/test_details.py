"""What a finding says about the first time."""

import pytest
from ota_dialogue import Dialogue, findings

from hanscope.analyzers.rules.catalogue import RULES, named
from hanscope.analyzers.rules.engine import Choice
from hanscope.analyzers.rules.limits import Limits
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


def repeated(times: int) -> Dialogue:
    dialogue = Dialogue().hum().query().offer().fetch(0)
    for _ in range(times + 1):
        dialogue.ask(50)
    return dialogue


def rules(dialogue: Dialogue, choice: Choice) -> set[str]:
    return {finding.rule for finding in findings(dialogue, choice=choice)}


def test_thresholds_say_from_how_many_times_on_something_is_reported() -> None:
    often = "ota.block.repeated-often"
    assert often in rules(repeated(3), Choice(limits=Limits(repeated_requests=2)))
    assert often not in rules(repeated(2), Choice(limits=Limits(repeated_requests=2)))
    assert often not in rules(repeated(3), Choice())


def test_a_rule_that_counts_the_hits_of_another_may_be_chosen_alone() -> None:
    assert rules(repeated(11), Choice(select=named(["ota.block.repeated-often"]))) == {"ota.block.repeated-often"}
    assert rules(repeated(11), Choice(select=named(["ota.block"]), ignore=named(["ota.block.repeated-often"]))) == {
        "ota.block.repeated"
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ota.page", {rule for rule in RULES if rule.startswith("ota.page.")}),
        ("ota.page.*", {rule for rule in RULES if rule.startswith("ota.page.")}),
        ("*.page.repeated", {"ota.page.repeated", "ota.page.repeated-often"}),
        ("ota.page.repeated", {"ota.page.repeated"}),  # and not the one that is called so too, but longer
        ("ota.page.repeated*", {"ota.page.repeated", "ota.page.repeated-often"}),
        ("ota.nothing", set()),
    ],
)
def test_a_name_is_of_one_rule_or_the_beginning_of_several(name: str, meant: set[str]) -> None:
    assert named([name]) == meant
