"""`docs/rules.md` says what the rules say."""

from pathlib import Path

from hanscope.analyzers.rules.catalogue import RULES
from hanscope.analyzers.rules.uncovered import UNCOVERED
from hanscope.ruledocs import page

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_page_is_that_of_the_rules() -> None:
    """Made anew with `python -m hanscope.ruledocs > docs/rules.md`."""
    assert PAGE.read_text("utf-8") == page()


def test_every_rule_is_there_with_its_cases() -> None:
    text = page()
    for rule in RULES.values():
        assert f"| `{rule.id}` ({rule.source}) |" in text
        assert rule.fires.replace("|", "&#124;") in text
        assert rule.silent.replace("|", "&#124;") in text


def test_every_rule_of_the_facts_is_one_here_or_has_a_reason() -> None:
    """Zigbee's by their letters (113), GBCS's by their numbers (42)."""
    counts = {"N": 8, "Q": 13, "B": 18, "W": 7, "P": 10, "E": 15, "R": 2, "D": 5, "I": 9, "S": 10, "M": 9, "T": 3}
    counts["X"] = 4
    assert sum(counts.values()) == 113
    named = {f"{letter}{number:02}" for letter, many in counts.items() for number in range(1, many + 1)}
    named |= {f"GBCS {number}" for number in range(1, 43)}
    told = set(UNCOVERED)
    for rule in RULES.values():
        prefix = ""
        for name in rule.source.split(", "):
            prefix = "GBCS " if name.startswith("GBCS ") else prefix
            told.add(name if not name.isdigit() else f"{prefix}{name}")
    assert named <= told, sorted(named - told)
