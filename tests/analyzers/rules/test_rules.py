"""Every rule fires on the case that it was made for, and is silent on the nearest one."""

import pytest
from ota_dialogue import findings
from rule_cases import CASES

from hanscope.analyzers.rules.catalogue import RULES


def found(dialogue, cuts=1):
    return {finding.rule for finding in findings(dialogue, cuts)}


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
