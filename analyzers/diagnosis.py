"""Why an update did not succeed, in at most three sentences: what happened, how sure that is, and what to do next.

Nothing is found out here. The update's story names the cause; `CAUSES` says of each cause what the story rests on, what
findings bear it out, and what to do. How sure the story is follows from what it rests on: a device's own word is
certain; a silence is as certain as the capture is whole at that time and place (`CaptureQuality`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from hanscope.analyzers.results import (
    Analysis,
    CaptureQuality,
    Cause,
    Device,
    Diagnosis,
    Finding,
    Party,
    Transfer,
    Update,
    UpdateStep,
)

MOST_FRAMES: Final = 20
SECOND: Final = 1_000_000_000
AROUND_NS: Final = 60 * SECOND
"""How long before and after a silence began the capture's quality counts for it."""
FEW: Final = 20
"""Frames from which less says nothing about a share."""
GOOD_SHARE: Final = 0.9
"""Of a device's frames, captured: then its silence is its own."""
POOR_SHARE: Final = 0.5

Confidence = Literal["certain", "probable", "open"]
Basis = Literal[
    "said", "shown", "unheard", "silence of the client", "silence of the server", "silence of both", "shut", "nothing"
]


class Telling(NamedTuple):
    """How a cause is told."""

    basis: Basis
    """What the update's story rests on when it names this cause."""
    advice: str
    rules: tuple[str, ...] = ()
    """Beginnings of the ids of findings that bear it out."""
    plain: str = ""
    """The advice outside of GB HANs, where it is another."""


CAUSES: Final[dict[Cause, Telling]] = {
    "client-rebooted": Telling(
        "shown",
        "Find out why the device restarted (its supply, its watchdog, its log); its next query should resume the "
        "download.",
        ("transport.client-rebooted", "ota.end.early-reboot", "ota.session.restarted"),
    ),
    "client-stalled": Telling(
        "silence of the client",
        "Announce the image to the device again, and look at its log: nothing on the air explains why it stopped.",
        ("ota.timing.stall", "ota.session.stalled"),
    ),
    "server-silent": Telling(
        "silence of the server",
        "Look whether the Communications Hub still holds the image for this device, and at its log of that time.",
        ("ota.block.unanswered", "ota.page.unanswered", "ota.end.unanswered"),
        "Look whether the server still holds the image for this device, and at its log of that time.",
    ),
    "radio-link-lost": Telling(
        "unheard",
        "Measure the link between the device and its parent (signal, interference, distance); a capture beside the "
        "silent side would show whether it still transmits.",
        ("transport.request-undelivered",),
    ),
    "image-refused": Telling(
        "said",
        "If an image was due that the device does not run already, compare manufacturer code, image type, version and "
        "hardware version of its query with those of the image at the server.",
        ("ota.offer.",),
    ),
    "image-rejected-bad": Telling(
        "said",
        "The image is bad as it was delivered, so a repetition will fail too: have it replaced at its source.",
        ("image.", "ota.end.rejected", "gbcs.firmware.refused"),
    ),
    "image-rejected-good": Telling(
        "said",
        "The image is genuine as it was delivered: look at the device, its supplier certificate and its memory.",
        ("image.verdict-contradicts", "ota.end.rejected", "gbcs.firmware.refused"),
        "The image is genuine as it was delivered: look at the device and its memory.",
    ),
    "image-corrupted": Telling(
        "said",
        "Distribute the image again, and hold the rebuilt one against its original (--reference FILE) to see which "
        "octets the server changed.",
        ("ota.block.conflict", "ota.block.offset-mismatch", "image.integrity", "image.two-files", "ota.end.rejected"),
    ),
    "wrong-hardware": Telling(
        "said",
        "Have an image for the device's hardware version distributed, or correct the range in the header of this one.",
        ("image.wrong-hardware", "ota.end.rejected"),
    ),
    "image-discarded": Telling(
        "said",
        "Distribute the image again; ask the Communications Hub's operator why it was discarded.",
        ("ota.session.server-aborted", "ota.end.aborted", "gbcs.firmware.refused"),
        "See in the server's log why it discarded the image, and offer it again.",
    ),
    "file-at-fault": Telling(
        "shown",
        "Several devices stop at the same octet, so do not look at the devices: have the file at the server examined "
        "there, and replaced.",
        ("ota.block.unanswered", "ota.session.stalled"),
    ),
    "rate-limited": Telling(
        "said",
        "Let the device keep to the minimum block period that the server sets, or have the server's limit relaxed.",
        ("ota.wait.",),
    ),
    "wrong-key": Telling(
        "shut",
        "Check whether the device and the hub hold the same link key; a new key establishment would settle it.",
        plain="Check whether the device and the server hold the same keys; a rejoin would settle it.",
    ),
    "two-servers": Telling(
        "shown",
        "Find the second server in the network and silence it: a device must take an image from one server alone.",
        ("security.two-servers", "ota.block.conflict", "image.two-files"),
    ),
    "never-activated": Telling(
        "silence of both",
        "Order the activation (service request 11.3), or for a device that activates by itself read its version "
        "(service request 11.2).",
        ("gbcs.exchange.unanswered", "gbcs.firmware."),
        "Have the server tell the device to upgrade (Upgrade End Response with a time), or read its version.",
    ),
    "activation-too-early": Telling(
        "said",
        "Order the activation again now, after the device has said that the image is whole (alert 8F72).",
        ("gbcs.firmware.order-too-early",),
    ),
    "wrong-hash-ordered": Telling(
        "said",
        "Order the activation again with the hash that the device's receipt alert (8F72) gives.",
        ("gbcs.firmware.order-hash",),
    ),
    "activation-refused": Telling(
        "said",
        "Look at the device's log and at its state (supply, valve, credit), then order the activation again.",
        ("gbcs.firmware.activation-failed",),
    ),
    "version-unchanged": Telling(
        "said",
        "Read the version again later; if it stays, the device fell back to its old firmware: ask its maker.",
        ("ota.end.version-unchanged", "gbcs.firmware.version"),
    ),
    "still-running": Telling("nothing", "Capture on until the transfer ends."),
    "inconclusive": Telling("nothing", "A longer capture, taken nearer to the device, would show more."),
}

_GENUINE: Final = (
    "The supplier's certificate (--certificates) or the image as its maker has it (--reference) tell whether the "
    "device was right."
)
ORDERED_IN_VAIN: Final = (
    "Read the version again, then order the activation anew; if the version stays, ask the device's maker why it did "
    "not carry out an order that it had accepted."
)
"""Instead of the advice to order an activation that was ordered."""

UNSUCCESSFUL: Final = frozenset({"failed", "refused", "undecided", "distributing"})


def diagnoses_of(analysis: Analysis) -> tuple[Diagnosis, ...]:
    """One for each update that did not succeed, or was still running; from its story, findings and capture quality."""
    transfers = {one.id: one for one in analysis.transfers}
    return tuple(
        _diagnosis(update, analysis, transfers)
        for update in analysis.updates
        if update.state in UNSUCCESSFUL or update.cause is not None
    )


def _diagnosis(update: Update, analysis: Analysis, transfers: dict[str, Transfer]) -> Diagnosis:
    cause = update.cause or ("still-running" if update.state == "distributing" else "inconclusive")
    telling = CAUSES[cause]
    last = next((transfers[one] for one in reversed(update.transfer_ids) if one in transfers), None)
    confidence, sureness = _sureness(update, telling.basis, last, analysis)
    bearing = [
        one
        for one in analysis.findings
        if one.transfer_id in update.transfer_ids and one.rule.startswith(telling.rules or ("\0",))
    ]
    advice = telling.plain if telling.plain and update.flow == "ZigBee" else telling.advice
    if cause == "never-activated" and update.orders:
        advice = ORDERED_IN_VAIN
    if update.failed_at == "verification" and cause == "inconclusive" and last is not None and last.complete:
        advice = _GENUINE
    if confidence == "open" and update.missing:
        advice = f"To decide it, the capture would have to hold {'; '.join(update.missing)}."
    return Diagnosis(
        update_id=update.id,
        transfer_id=last.id if last else None,
        cause=cause,
        confidence=confidence,
        happened=update.reason,
        sureness=sureness,
        advice=advice,
        text=f"{update.reason} {sureness} {advice}",
        frames=_frames(update, bearing),
        rules=tuple(dict.fromkeys(one.rule for one in bearing)),
    )


def _frames(update: Update, bearing: Sequence[Finding]) -> tuple[int, ...]:
    """Those of the update's last word, and of the findings that bear the cause out."""
    shown: list[int] = [*(last.frames if (last := _last_step(update)) else ())]
    for finding in bearing:
        shown += finding.frames[:4]
    return tuple(sorted(set(shown[:MOST_FRAMES])))


def _last_step(update: Update) -> UpdateStep | None:
    steps = [one for one in update.steps if update.failed_at in (None, one.stage)]
    return (steps or list(update.steps))[-1] if update.steps else None


def _sureness(update: Update, basis: Basis, last: Transfer | None, analysis: Analysis) -> tuple[Confidence, str]:
    """How sure a story is, and the sentence that says why."""
    match basis:
        case "said":
            return _of_word(update, last, analysis.quality)
        case "shown":
            return "certain", "That is certain: the frames themselves show it."
        case "unheard":
            return (
                "certain",
                f"That is certain: its frames were sent again and again{_reception(update, analysis.devices)}.",
            )
        case "shut":
            return "probable", "It is probable: a good key that this analysis was not given would look the same."
        case "nothing":
            return "open", "The capture does not say more."
        case _:
            return _of_silences(update, basis, last, analysis.quality)


def _of_word(update: Update, last: Transfer | None, quality: Sequence[CaptureQuality]) -> tuple[Confidence, str]:
    """Who says something is right, but an ABORT does not say why: a limit that was not kept may have been missed."""
    at = last.ended if last else update.ended
    parties = [update.device, last.server] if last else [update.device]
    missed = sum(_share(quality, party, update.pan_id, at)[1] for party in parties)
    unheard = f"{missed} frames of the two went unheard then" if missed else ""
    if not any(one.stage == "offer" for one in update.steps):
        unheard = "the transfer had begun before the capture"
    if update.cause != "image-discarded" or update.failed_at != "distribution" or not unheard:
        return "certain", "That is certain: the parties themselves said so."
    return "probable", f"That it did is certain, why is not: {unheard}."


def _reception(update: Update, devices: Sequence[Device]) -> str:
    """How well the sniffer heard a device, where its link layer tells."""
    for one in devices:
        if one.pan_id == update.pan_id and one.short == update.device.short:
            told = [f"mean LQI {one.lqi:.0f}"] if one.lqi is not None else []
            told += [f"{one.rssi_dbm:.0f} dBm"] if one.rssi_dbm is not None else []
            return f" (the sniffer heard the device at {', '.join(told)})" if told else ""
    return ""


def _of_silences(
    update: Update, basis: Basis, last: Transfer | None, quality: Sequence[CaptureQuality]
) -> tuple[Confidence, str]:
    """A silence is as sure as the worst heard of those that were silent."""
    at = last.ended if last else update.ended
    silent: list[tuple[str, Party]] = []
    if basis != "silence of the server":
        silent.append(("the device", update.device))
    if basis != "silence of the client" and last is not None:
        silent.append(("the server", last.server))
    worst: tuple[Confidence, str] = ("certain", "")
    for name, party in silent:
        one = _of_silence(name, _share(quality, party, update.pan_id, at))
        if _RANK[one[0]] >= _RANK[worst[0]]:
            worst = one
    if not worst[1]:
        return "probable", "How much of what was sent the sniffer missed is not known."
    if update.missing and worst[0] == "certain":
        return "probable", worst[1].replace("That is all but certain", "It is probable").replace(
            " was captured.", " was captured, and what would contradict it may be in the rest."
        )
    return worst


_RANK: Final[dict[Confidence, int]] = {"certain": 0, "probable": 1, "open": 2}


def _of_silence(name: str, heard: tuple[int, int]) -> tuple[Confidence, str]:
    captured, missed = heard
    share = captured / (captured + missed) if captured + missed else 0.0
    if captured + missed < FEW:
        return "probable", f"It is probable; too few frames of {name} were about then to tell how well it was heard."
    told = f"{share:.0%} of what {name} sent in those minutes was captured"
    if share >= GOOD_SHARE:
        return "certain", f"That is all but certain: {told}."
    if share >= POOR_SHARE:
        return "probable", f"It is probable: {told}, so some of it may have been missed."
    return "open", f"It is not sure: only {told}, so the sniffer may be too far away to say."


def _share(quality: Sequence[CaptureQuality], party: Party, pan_id: int, at_ns: int) -> tuple[int, int]:
    """Frames of a device that were captured, and missed, around a time."""
    captured = missed = 0
    for one in _of_party(quality, party, pan_id):
        for period in one.periods:
            if period.started <= at_ns + AROUND_NS and period.started + one.period_ns >= at_ns - AROUND_NS:
                captured, missed = captured + period.heard, missed + period.missed
    return captured, missed


def _of_party(quality: Sequence[CaptureQuality], party: Party, pan_id: int) -> Iterator[CaptureQuality]:
    for one in quality:
        if one.pan_id == pan_id and (
            one.eui64 == party.eui64 if one.eui64 and party.eui64 else one.short == party.short
        ):
            yield one
