"""All rules, in the order of the documentation."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from hanscope.analyzers.rules import (
    blocks,
    end,
    envelope,
    firmware,
    image,
    offer,
    pages,
    security,
    timing,
    transport,
    tunnel,
    waiting,
)
from hanscope.analyzers.rules.model import ItemRule, RowRule, Rule

GROUPS: Final[dict[str, tuple[Rule, ...]]] = {
    "Offer": offer.RULES,
    "Blocks": blocks.RULES,
    "Pages": pages.RULES,
    "Waiting": waiting.RULES,
    "End": end.RULES,
    "Image": image.RULES,
    "GBCS envelope": envelope.RULES,
    "GBCS firmware": firmware.RULES,
    "Tunnel": tunnel.RULES,
    "Security": security.RULES,
    "Transport": transport.RULES,
    "Timing": timing.RULES,
}
RULES: Final[dict[str, Rule]] = {rule.id: rule for group in GROUPS.values() for rule in group}
ROW_RULES: Final = tuple(rule for rule in RULES.values() if isinstance(rule, RowRule))
ITEM_RULES: Final = tuple(rule for rule in RULES.values() if isinstance(rule, ItemRule))


def named(names: Iterable[str]) -> frozenset[str]:
    """The rules that are meant: a name is that of one, or the beginning of several (`ota.block`), or has a `*`."""
    return frozenset(
        rule for name in names for rule in ([name] if name in RULES else RULES) if fnmatchcase(rule, f"{name}*")
    )
