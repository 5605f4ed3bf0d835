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
* `--select` and `--ignore` take a rule, or the beginning of several (`ota.block`, `*.length`); `--fail-on` says from
  which severity on the exit code is 1.

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


CATSNIFFER: Final = "catsniffer-ota.tap.pcap"
LEGRAND: Final = "legrand-page-requests.pcap"
HUE_JOINS: Final = "hue-association.tap.pcap"
HUE: Final = "hue-ota-ti-metadata.pcapng"
REAL: Final[dict[str, dict[str, tuple[int, str]]]] = {
    CATSNIFFER: {
        "ota.offer.declined": (
            4,
            "the client answers four offers with 0x85 and takes the same one later, after a rejoin",
        ),
        "ota.end.clock": (1, "the server's clock says 0x12345"),
        "transport.client-rebooted": (2, "between the offers that it declined and the one that it took"),
    },
    LEGRAND: {
        "ota.offer.status": (1, "a query of another device is answered with 0x95, which it calls malformed"),
        "ota.block.end-not-fetched": (1, "the last octet of the maker's container, behind the file inside"),
        "ota.notify.other-version-offered": (1, "0x00230000 is announced, 0x00200000 offered"),
        "ota.block.request-length": (1, "bit 1 of the field control without a period: a fault of these clients"),
        "ota.block.late-start": (1, "offset 62: the client takes the two headers in front of the file for granted"),
        "ota.notify.unicast-type": (3, "payload type 3 to one client, as this maker does"),
    },
    HUE_JOINS: {
        "ota.direction": (1, "the lamp's default response says server to client"),
        "ota.offer.sequence": (1, "the bridge counts its answers itself"),
    },
    HUE: {
        "ota.direction": (2, "the lamp's default responses, as in the other capture"),
        "ota.offer.sequence": (2, "the bridge counts its answers itself …"),
        "ota.block.sequence": (778, "… and so do its blocks"),
        "ota.block.unanswered": (1, "frame 1385: acknowledged, all frames of the bridge captured, no answer for 10 s"),
        "ota.block.repeated": (1, "which is why it is asked for again"),
        "ota.session.stalled": (1, "no more requests for four minutes, and the lamp is still heard"),
        "transport.client-rebooted": (1, "after which it announces itself and does not go on"),
        "ota.notify.unicast-type": (1, "payload type 2 to one client"),
    },
}
"""What the rules find in captures that other people made, how often, and what it is."""
_REAL: Final = """\

## Real captures

All that these rules find in captures that other people made (a test holds them to it), and what it is. In the first one
requests are missing at 125 places: all of them are the sniffer's, so there is no finding. The capture that Legrand's
devices are in has no query after the upgrade, so that their numbering of versions does not show.

| capture | rule | times | what it is |
|---|---|---|---|
"""


def _real() -> Iterator[str]:
    yield from _REAL.rstrip().split("\n")
    for capture, found in REAL.items():
        yield from (f"| {capture} | `{rule}` | {times:,} | {what} |" for rule, (times, what) in found.items())


if __name__ == "__main__":
    sys.stdout.write(page())
