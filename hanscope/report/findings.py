"""The report's sections on deviations and on how much was captured, and what `hanscope rules` says."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hanscope.analyzers.results import CaptureQuality, Finding, Severity
from hanscope.analyzers.rules.limits import Limits
from hanscope.report import words

if TYPE_CHECKING:
    from hanscope.analyzers.rules.model import Rule
    from hanscope.report.terminal import Page

MOST: Final = 50
MOST_DEVICES: Final = 20
STYLES: Final[dict[Severity, str]] = {"note": "cyan", "warning": "yellow", "error": "bold red"}


def show_findings(page: "Page", findings: Sequence[Finding]) -> None:
    """One paragraph for each: what, where, how often, what to do."""
    if not findings:
        return
    page.heading("Findings", words.count(len(findings), "finding"))
    for one in findings[:MOST]:
        about = " ".join(filter(None, (one.transfer_id, one.subject)))
        times = f", {one.count:,} times" if one.count > 1 else ""
        sure = "" if one.confidence == "confirmed" else ", probable"
        sure += ", rule unconfirmed" if one.unconfirmed else ""
        named = f"  {one.rule}{f'  {about}' if about else ''}{times}{sure}"
        page.line([(one.severity, STYLES[one.severity]), named], indent=2, hang=2)
        page.line(f"{one.explanation} ({one.clause})", indent=5, hang=2)
        seen = ": ".join(filter(None, [words.frames(one.frames) if one.frames else "", one.detail]))
        if seen:
            page.line(seen, indent=5, hang=2)
        if one.severity != "note" and one.advice:
            page.line([("Next: ", "bold"), one.advice], indent=5, hang=2)
    page.more(findings, MOST, "finding")
    page.line("`hanscope rules ID` explains a rule.", indent=2)


def show_quality(page: "Page", quality: Sequence[CaptureQuality]) -> None:
    """How much of each device's frames was captured, and where the most was missed."""
    if not quality:
        return
    ordered = sorted(quality, key=lambda one: -(one.heard + one.missed))
    page.heading("Capture quality", "of secured NWK frames, as their counters tell")
    page.table(
        ["PAN", "short", "EUI-64", ">heard", ">missed", ">share", "worst time"],
        [
            [
                f"0x{one.pan_id:04x}",
                "?" if one.short is None else f"0x{one.short:04x}",
                (one.eui64 or "?", "cyan"),
                f"{one.heard:,}",
                f"{one.missed:,}",
                words.share(one.missed, one.heard + one.missed),
                _worst(one),
            ]
            for one in ordered[:MOST_DEVICES]
        ],
    )
    page.more(quality, MOST_DEVICES, "device")


def _worst(one: CaptureQuality) -> str:
    """The period in which the greatest part was missed, if it is much worse than the rest."""
    worst = max(one.periods, key=lambda period: period.missed, default=None)
    if worst is None or not worst.missed:
        return ""
    lost = words.share(worst.missed, worst.heard + worst.missed)
    return f"{words.clock(worst.started)}: {worst.missed:,} missed ({lost})"


def show_rules(page: "Page", groups: "dict[str, Sequence[Rule]]") -> None:
    """The list of the rules."""
    for title, rules in groups.items():
        page.heading(title, words.count(len(rules), "rule"))
        page.table(
            ["rule", "severity", "what"],
            [[(one.id, "bold"), (one.severity, STYLES[one.severity]), one.title] for one in rules],
        )


def show_rule(page: "Page", rule: "Rule") -> None:
    """All about one rule."""
    page.heading(rule.id, rule.title)
    page.line(rule.explanation, indent=2)
    for name, said in _about(rule):
        page.line([(f"{name} ", "bold"), said], indent=2, hang=2)


def _about(rule: "Rule") -> Iterable[tuple[str, str]]:
    facts = entry(rule)
    yield "severity", rule.severity + (", at most: the source is unconfirmed" if rule.unconfirmed else "")
    yield "confidence", rule.confidence
    yield (
        "profile",
        {"both": "GB HANs and other ZigBee networks", "gb": "GB HANs", "zigbee": "not in GB HANs"}[rule.profile],
    )
    if rule.tolerated:
        yield "reported from", f"{facts['at_least']} times in one transfer (threshold {rule.tolerated})"
    for name in ("clause", "source", "advice", "fires", "silent"):
        yield {"advice": "what to do", "fires": "fires on", "silent": "silent on"}.get(name, name), facts[name]
    yield "Wireshark filter", rule.filter


def entry(rule: "Rule") -> dict[str, Any]:
    """A rule as JSON has it."""
    names = ("id", "source", "severity", "confidence", "profile", "unconfirmed", "clause", "title")
    said = {name: getattr(rule, name) for name in (*names, "explanation", "advice", "filter", "fires", "silent")}
    return said | {"at_least": rule.at_least(Limits())}
