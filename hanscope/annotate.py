"""Puts what was concluded into the capture: comments on packets, which every Wireshark shows without a plugin.

A frame gets a comment when a transfer begins or ends there, when a step of one or of an update's story happens there,
or when a finding or a diagnosis names it.
"""

from collections.abc import Iterator
from typing import Final

from hanscope.analyzers.results import Analysis, Finding, Party, Transfer
from hanscope.report.words import printable

LINES: Final = 20
"""Of one packet's comment."""
RANGES: Final = 5
"""Missing ranges that are named."""


def comments_of(analysis: Analysis, frame_base: int = 0, frames: int = 10**10) -> dict[int, str]:
    """The comments of one capture, by frame number; `frame_base` and `frames` are that capture's."""
    lines: dict[int, list[str]] = {}
    for frame, line in _lines(analysis):
        number = frame - frame_base
        if not 0 < number <= frames:
            continue
        here = lines.setdefault(number, [])
        if line not in here and len(here) < LINES:
            here.append(line)
    return {number: "\n".join(f"hanscope: {printable(line)}" for line in here) for number, here in lines.items()}


def _lines(analysis: Analysis) -> Iterator[tuple[int, str]]:
    """Frames and what is to be said of them, the weightiest first."""
    for diagnosis in analysis.diagnoses:
        for frame in diagnosis.frames:
            yield frame, f"diagnosis {diagnosis.update_id}: {diagnosis.text}"
    for finding in analysis.findings:
        for place, frame in enumerate(finding.frames):
            yield frame, _of_finding(finding, first=place == 0)
    for transfer in analysis.transfers:
        yield transfer.first_frame, f"transfer {transfer.id} begins: {_of_transfer(transfer)}"
        for event in (*transfer.events, *transfer.resumptions):
            yield event.frame, f"transfer {transfer.id}: {event.what}"
        yield transfer.last_frame, f"transfer {transfer.id} was last heard here: {_outcome(transfer)}"
    for update in analysis.updates:
        for step in update.steps:
            for frame in step.frames[:1]:
                yield frame, f"update {update.id}, {step.stage}: {step.what}"


def _of_finding(finding: Finding, *, first: bool) -> str:
    where = f" ({finding.transfer_id or finding.subject})" if finding.transfer_id or finding.subject else ""
    more = f" {finding.detail}" if first and finding.detail else ""
    sure = "" if finding.confidence == "confirmed" else f", {finding.confidence}"
    return f"{finding.severity}{sure}: {finding.title or finding.explanation} [{finding.rule}]{where}{more}"


def _of_transfer(transfer: Transfer) -> str:
    image = f"0x{transfer.manufacturer_code:04x}/0x{transfer.image_type:04x}/0x{transfer.file_version:08x}"
    size = "of unknown size" if transfer.image_size is None else f"{transfer.image_size:,} octets"
    attempt = "" if transfer.attempt == 1 else f", attempt {transfer.attempt}"
    return f"image {image}, {size}, from {_party(transfer.server)} to {_party(transfer.client)}{attempt}"


def _outcome(transfer: Transfer) -> str:
    received = f"{transfer.state}, {transfer.received_bytes:,} octets received"
    if transfer.sha256:
        return f"{received}, complete, SHA-256 {transfer.sha256}"
    gaps = [f"{gap.start:,}-{gap.end - 1:,} {gap.reason}" for gap in transfer.missing_ranges[:RANGES]]
    more = len(transfer.missing_ranges) - RANGES
    listed = "; ".join([*gaps, *([f"{more} more"] if more > 0 else [])])
    return f"{received}; missing: {listed}" if listed else received


def _party(party: Party) -> str:
    return f"{party.eui64} (0x{party.short:04x})" if party.eui64 else f"0x{party.short:04x}"
