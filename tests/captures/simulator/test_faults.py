"""Faults as people write them."""

import pytest

from hanscope.captures.simulator.faults import FAULTS, FaultError, parse_faults
from hanscope.captures.simulator.han import Role

ROLES = (Role.ESME, Role.GSME)


def test_a_share_is_written_in_percent_or_as_a_number_and_has_a_default() -> None:
    faults = parse_faults(["lost-blocks:5%", "server-silent:0.25", "radio-lost"], ROLES)
    assert faults.of(Role.ESME) == {"lost-blocks": 0.05, "server-silent": 0.25, "radio-lost": 0.5}
    assert faults.anywhere == faults.of(Role.GSME)


def test_a_fault_may_strike_one_device_of_several() -> None:
    faults = parse_faults(["lost-blocks:5%@GSME", "wrong-hash@esme", "sniffer-loss"], ROLES)
    assert faults.of(Role.ESME) == {"wrong-hash": True, "sniffer-loss": 0.05}
    assert faults.of(Role.GSME) == {"lost-blocks": 0.05, "sniffer-loss": 0.05}


def test_a_word_is_one_of_those_that_there_are() -> None:
    words = {"rate-limit-ignored": "slow", "refused-image": "client"}
    assert parse_faults(words, ROLES).of(Role.ESME) == words
    assert parse_faults(["refused-image:server"], ROLES).of(Role.ESME) == {"refused-image": "server"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gremlins", "no fault 'gremlins'; there are: lost-blocks, "),
        ("", "no fault ''"),
        ("lost-blocks:101%", "'101%' is no share"),
        ("lost-blocks:nan", "'nan' is no share"),
        ("lost-blocks:-1", "'-1' is no share"),
        ("lost-blocks:", "'' is no share"),
        ("wrong-hash:5%", "takes no parameter, and got '5%'"),
        ("refused-image:both", "'both' is none of client, server"),
        ("wrong-hash@PPMID", "devices are: esme, gsme"),
        ("wrong-hash@", "devices are: esme, gsme"),
        ("sniffer-loss:5%@ESME", "it is nobody's in particular"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_there_is(text: str, why: str) -> None:
    with pytest.raises(FaultError, match=why.replace("(", r"\(")):
        parse_faults([text], ROLES)


def test_every_fault_says_what_it_does_in_one_line() -> None:
    for name, fault in FAULTS.items():
        assert name == fault.name
        assert 20 < len(fault.explanation) < 90
        assert not (fault.share is not None and fault.words)


def test_a_fault_is_said_once_for_each_device() -> None:
    with pytest.raises(FaultError, match="fault lost-blocks: given twice; say it once"):
        parse_faults(["lost-blocks:5%", "wrong-hash", "lost-blocks"], ROLES)
    with pytest.raises(FaultError, match="fault lost-blocks: given twice for GSME"):
        parse_faults(["lost-blocks@GSME", "lost-blocks:9%@gsme"], ROLES)
    assert parse_faults(["lost-blocks", "lost-blocks:9%@GSME"], ROLES).of(Role.GSME) == {"lost-blocks": 0.09}
