"""Makes `docs/rules.md`: every rule with its cases, from the records, and the rules that are none here.

python -m hanscope.ruledocs > docs/rules.md
"""

import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from hanscope.analyzers.rules.catalogue import GROUPS
from hanscope.analyzers.rules.limits import Limits
from hanscope.analyzers.rules.model import Rule
from hanscope.analyzers.rules.uncovered import UNCOVERED

_TITLE: Final = """\
# Rules

What captures are held against, made from the rules themselves (`python -m hanscope.ruledocs > docs/rules.md`).
`hanscope rules ID` shows one of them.

* A rule says nothing when the capture cannot decide. Every secured NWK frame carries a counter of its transmitter, so
  it is known which frames the sniffer missed, and when; a deviation that hangs on something *not* having been sent
  counts only if everything was captured that could have been it. What the sniffer missed is never reported as what a
  device did wrong.
* *Severity*: an **error** breaks the protocol or harms integrity or security, a **warning** is likely to make trouble,
  a **note** is worth knowing. Rules whose source could not be confirmed are notes, and say so.
* *Confidence*: **confirmed** findings are shown by the frames; for **probable** ones nothing in the capture speaks
  against them.
* *Profile*: `gb` rules are for Great Britain HANs, `zigbee` rules for all others. Which one counts is seen from the
  capture (tunnels for GBCS, OTA commands in the Smart Energy profile), or said by `--profile`.
* `--select` and `--ignore` take rules or beginnings of rules (`ota.block`); `--fail-on` says from which severity on the
  exit code is 1.

The numbers behind each rule name it in the collections of rules that this page goes back to.
"""


def page() -> str:
    """The whole page, ending in a newline."""
    lines = [_TITLE.rstrip()]
    for title, rules in GROUPS.items():
        lines += ["", f"## {title}", "", "| rule | what | fires on | silent on |", "|---|---|---|---|"]
        lines += [_row(rule) for rule in rules]
    lines += _limits()
    lines += _real()
    lines += ["", "## What is no rule here", "", "| rule | why |", "|---|---|"]
    lines += [f"| {name} | {reason} |" for name, reason in UNCOVERED.items()]
    return "\n".join(lines) + "\n"


def _row(rule: Rule) -> str:
    marks = [rule.severity, rule.confidence if rule.confidence != "confirmed" else ""]
    marks += [f"profile `{rule.profile}`" if rule.profile != "both" else ""]
    marks += ["unconfirmed" if rule.unconfirmed else ""]
    marks += [f"from {rule.at_least(Limits())} times on" if rule.tolerated else ""]
    told = f"**{rule.title}** ({', '.join(filter(None, marks))}). {rule.explanation} *{rule.advice}* {rule.clause}"
    cells = (f"`{rule.id}` ({rule.source})", told, rule.fires, rule.silent)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _limits() -> Iterator[str]:
    yield from (
        "",
        "## Thresholds",
        "",
        "Most come from stacks or policy, not from the specification. A TOML file sets",
    )
    yield from ("others: `hanscope analyze --thresholds FILE`.", "", "```toml")
    for name, value in msgspec.to_builtins(Limits()).items():
        yield f"{name} = {value}"
    yield "```"


_REAL: Final = """\

## Real captures

What these rules find in captures that other people made (a test holds them to it):

* CatSniffer (an ESP32 that loads 618 kB): the client declined four offers with status 0x85 and rebooted twice before it
  took one; the server's clock says 0x12345. All 125 places where requests are missing are the sniffer's: no finding.
* Legrand (page requests): a query answered with status 0x95; bit 1 of the field control without a period; another
  version announced than offered; the last octet of the container never fetched.
* Hue, two captures: the lamp's default responses have the wrong direction bit, the bridge's answers have sequence
  numbers of their own. In one, a request stayed without an answer for ten seconds, and then the lamp rebooted and never
  went on.
"""


def _real() -> Iterator[str]:
    yield from _REAL.rstrip().split("\n")


if __name__ == "__main__":
    sys.stdout.write(page())
