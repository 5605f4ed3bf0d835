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


REAL = {
    "catsniffer-ota.tap.pcap": (
        "",
        {
            "ota.offer.declined": 4,  # default response 0x85, as listed in the facts
            "ota.end.clock": 1,  # a clock that says 0x12345
            "transport.client-rebooted": 2,  # between the offers that it declined and the one that it took
        },
    ),
    "legrand-page-requests.pcap": (
        "network:bd4bee1a2f9d58e90ba1300ad59bfad6",
        {
            "ota.offer.status": 1,  # 0x95
            "ota.block.end-not-fetched": 1,  # one octet behind the nested file
            "ota.notify.other-version-offered": 1,
            "ota.block.request-length": 1,  # bit 1 without a period
            "ota.notify.unicast-type": 3,
        },
    ),
    "hue-association.tap.pcap": (
        "network:02398409245156e31d98a92157a8a66f",
        {"ota.direction": 1, "ota.offer.sequence": 1},
    ),
    "hue-ota-ti-metadata.pcapng": (
        "link:814286865dc1c8b2c8cbc52e5d65d1b8",
        {
            "ota.direction": 2,  # the lamp's default responses, as in the other capture
            "ota.offer.sequence": 2,  # the bridge counts its answers itself …
            "ota.block.sequence": 778,  # … and so do its blocks
            "ota.block.unanswered": 1,  # frame 1385: no answer for ten seconds
            "ota.block.repeated": 1,
            "ota.session.stalled": 1,  # nothing more for four minutes, and the lamp is still heard
            "transport.client-rebooted": 1,  # which is why
            "ota.notify.unicast-type": 1,
        },
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_captures_have_the_deviations_that_are_known(name: str, data: Path) -> None:
    key, expected = REAL[name]
    ring = KeyRing().plus(parse_key(key)) if key else KeyRing()
    run = analyze([str(data / "captures" / name)], keys=ring, processes=1)
    assert {finding.rule: finding.count for finding in run.analysis.findings} == expected
