"""Every rule fires on the case that it was made for, and is silent on the nearest one."""

from pathlib import Path

import pytest
from ota_dialogue import findings
from rule_cases import CASES
from rule_items import messages

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.analyzers.results import Analysis
from hanscope.analyzers.rules.catalogue import RULES
from hanscope.analyzers.rules.engine import Choice, RuleEngine
from hanscope.ruledocs import CATSNIFFER, HUE, HUE_JOINS, LEGRAND, REAL


def found(case, cuts=1):
    if isinstance(case, Analysis):
        return {finding.rule for finding in RuleEngine(Choice(profile="gb")).findings(case)}
    return {finding.rule for finding in findings(case, cuts)}


YEAR_2100 = 4_102_444_800 * 10**9


def test_every_rule_has_its_cases_and_every_case_a_rule() -> None:
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize("cuts", [1, 5], ids=["one batch", "five batches"])
@pytest.mark.parametrize("rule", RULES)
def test_rule_fires_on_its_case(rule: str, cuts: int) -> None:
    assert rule in found(CASES[rule].fires(), cuts)


@pytest.mark.parametrize("cuts", [1, 5], ids=["one batch", "five batches"])
@pytest.mark.parametrize("rule", RULES)
def test_rule_is_silent_on_its_near_miss(rule: str, cuts: int) -> None:
    assert rule not in found(CASES[rule].silent(), cuts)


def test_nothing_is_wrong_with_the_official_messages(data: Path) -> None:
    """All that is sent on a HAN: pre-commands are not yet protected. In blocks, so that none is too long."""
    files = sorted((data / "gbcs-messages" / "messages").rglob("*.HEX"))
    sent = [file for file in files if "PRECOMMAND" not in file.name]
    assert len(sent) > 590
    engine = RuleEngine(Choice(profile="gb"))
    for file in sent:
        octets = bytes.fromhex("".join(file.read_text().split()))
        analysis = messages(octets, blocks=2, started=YEAR_2100)
        assert engine.findings(analysis) == (), file.name


KEYS = {
    CATSNIFFER: (),  # its Transport-Key is in it
    LEGRAND: ("network:bd4bee1a2f9d58e90ba1300ad59bfad6",),
    HUE_JOINS: ("network:02398409245156e31d98a92157a8a66f",),
    HUE: ("link:814286865dc1c8b2c8cbc52e5d65d1b8",),
}


@pytest.mark.parametrize("name", REAL)
def test_real_captures_have_the_deviations_that_are_known(name: str, data: Path) -> None:
    ring = KeyRing()
    for key in KEYS[name]:
        ring = ring.plus(parse_key(key))
    run = analyze([str(data / "captures" / name)], keys=ring, processes=1)
    assert {finding.rule: finding.count for finding in run.analysis.findings} == {
        rule: times for rule, (times, _) in REAL[name].items()
    }
