"""The section of the terminal report that tells how far each device's firmware update came, step by step."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.results import ActivationOrder, Analysis, Distribution, Update, UpdateStep
from hanscope.report.words import clock, count, duration, frame, moment, party, update_tone

if TYPE_CHECKING:
    from hanscope.report.terminal import Page, Part

MOST_UPDATES: Final = 20
MOST_STEPS: Final = 24
MOST_ORDERS: Final = 6
_IN_VAIN: Final = ("never-activated", "version-unchanged")
_TONES: Final = {"good": "green", "open": "yellow", "bad": "bold red"}
_OUTCOMES: Final = {"valid": "green", "unknown": "yellow", "invalid": "bold red"}


def show(page: "Page", analysis: Analysis) -> None:
    """Update by update; nothing where there are none."""
    if not analysis.updates:
        return
    page.heading("Updates", f"{len(analysis.updates):,}")
    for number, update in enumerate(analysis.updates[:MOST_UPDATES]):
        if number:
            page.line("")
        _update(page, update)
    page.more(analysis.updates, MOST_UPDATES, "update")


def _update(page: "Page", update: Update) -> None:
    kind = "" if update.role == "unknown" else f"  {update.role}"
    page.line([(update.id, "bold"), "  ", (party(update.device, update.pan_id), "bold cyan"), kind], indent=2)
    page.line(_image(update), indent=5, hang=2)
    page.line(f"flow {update.flow}: {update.role_evidence}", indent=5, hang=2)
    if update.outside is not None:
        page.line(f"outside of the mandated flows: {update.outside}", indent=5, hang=2)
    where: list[Part] = [(update.state, _TONES[update_tone(update)])]
    if update.failed_at is not None and update.state == "failed":
        where.append(f" at {update.failed_at}")
    if update.cause is not None:
        where.append(f" ({update.cause})")
    page.line([*where, ": ", update.reason], indent=5, hang=2)
    for missing in update.missing:
        page.line([("missing ", "bold"), missing], indent=5, hang=2)
    if update.distribution is not None:
        page.line(_distributed(update.distribution), indent=5, hang=2)
    for order in update.orders[:MOST_ORDERS]:
        page.line(_order(order, in_vain=update.cause in _IN_VAIN), indent=5, hang=2)
    page.more(update.orders, MOST_ORDERS, "order", indent=5)
    _steps(page, update.steps)
    for check in update.checks:
        mark = page.glyphs.outcomes[check.outcome]
        page.line([(mark, _OUTCOMES[check.outcome]), f" {check.name}: {check.detail}"], indent=5, hang=len(mark) + 1)


def _image(update: Update) -> str:
    """Which image it is, and what ran before."""
    if update.manufacturer_code is None or update.image_type is None:
        return "no transfer of its image is in the capture"
    before = next((one.version for one in reversed(update.versions) if one.when == "before"), None)
    after = "" if update.file_version is None else f"0x{update.file_version:08x}"
    told = [f"0x{before:08x}" if before is not None else "", after]
    version = f", version {' to '.join(filter(None, told))}" if any(told) else ""
    return f"manufacturer 0x{update.manufacturer_code:04x}, type 0x{update.image_type:04x}{version}"


def _distributed(one: Distribution) -> str:
    rate = "" if one.octets_per_s is None else f", {one.octets_per_s:,.0f} octets/s"
    blocks = "" if one.blocks_per_s is None else f", {one.blocks_per_s:.1f} blocks/s"
    told = [
        f"{count(one.octets, 'octet')} in {duration(one.ended - one.started)}{rate}{blocks}",
        count(one.attempts, "attempt") if one.attempts > 1 else "",
        f"{one.retries:,} asked again" if one.retries else "",
        count(one.pauses, "pause") if one.pauses else "",
        f"told to wait {count(one.waits, 'time')}{_waited(one.waited_ns)}" if one.waits else "",
    ]
    return ", ".join(filter(None, told))


def _waited(time_ns: int) -> str:
    return f" ({duration(time_ns)})" if time_ns else ""


def _order(order: ActivationOrder, *, in_vain: bool) -> str:
    due = "" if order.due is None else f" for {moment(order.due)}"
    outcome = "" if order.outcome is None else f" ({order.outcome})"
    mode = "" if order.mode == "unknown" else f" {order.mode}"
    fate = "not carried out" if in_vain and order.fate == "pending" else order.fate
    return f"order by {order.by}:{mode}{due}, {fate}{outcome}"


def _steps(page: "Page", steps: Sequence[UpdateStep]) -> None:
    """The timeline: its beginning and, if it is long, its end; under a line for each stage."""
    if not steps:
        return
    one_day = len({moment(step.time).partition("T")[0] for step in steps}) == 1
    when = clock if one_day else moment
    width = max((len(frame(step.frames[0])) for step in steps if step.frames), default=1)
    ending = MOST_STEPS // 3 if len(steps) > MOST_STEPS else 0
    beginning = MOST_STEPS - ending
    shown = [*steps[:beginning], *steps[len(steps) - ending :]] if ending else list(steps)
    page.line([("steps", "bold"), f"  {moment(steps[0].time).partition('T')[0]} UTC" if one_day else ""], indent=5)
    place = 0
    for belongs, same in groupby(shown, key=_belongs):
        page.line([(belongs, "bold")], indent=7, hang=2)
        for step in same:
            if ending and place == beginning:
                page.line(f"{page.glyphs.ellipsis} {count(len(steps) - MOST_STEPS, 'more step')}", indent=9)
            place += 1
            first = frame(step.frames[0]) if step.frames else ""
            lead = f"{when(step.time)}  frame {first:>{width}}  "
            page.line([lead, step.what, _until(step)], indent=9, hang=len(lead))


def _belongs(step: UpdateStep) -> str:
    """The stage, with the use case and the service request it belongs to."""
    request = "" if step.service_request is None else f", service request {step.service_request}"
    return step.stage if step.use_case is None else f"{step.stage} ({step.use_case}{request})"


def _until(step: UpdateStep) -> str:
    long = step.until is not None and step.transfer_id is not None
    return f", in {duration((step.until or step.time) - step.time)}" if long else ""
