"""The key ledger for people: what the keys opened, what stayed shut, what became of the keys, and the addresses."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from hanscope.analyzers.results import Analysis, KeyEvent, Party
from hanscope.report.terminal import MOST, Page, show_keys
from hanscope.report.words import frame

MOST_EVENTS: Final = 200
"""Rows of the table of events; the JSON has them all."""


def show_ledger(analysis: Analysis, console: Console) -> None:
    """The ledger, what stayed shut, what became of the keys, and the addresses."""
    show_keys(analysis, console)
    page = Page(console, begun=True)
    if analysis.key_events:
        page.heading("What became of them", "frame by frame")
        page.table(
            [">frame", ">frames", "key", "from", "to", "what"],
            [_event(event) for event in analysis.key_events[:MOST_EVENTS]],
        )
        page.more(analysis.key_events, MOST_EVENTS, "event")
    if analysis.addresses:
        page.heading("Addresses", "from which frame on, and what told it")
        page.table(
            [">frame", "PAN", "short", "EUI-64", "told by"],
            [
                [
                    frame(one.frame),
                    f"0x{one.pan_id:04x}",
                    f"0x{one.short:04x}",
                    one.eui64,
                    "; ".join(
                        [
                            ", ".join(f"{teller.source} ({frame(teller.frame)})" for teller in one.told_by),
                            *([f"until then of {one.instead_of}"] if one.instead_of else []),
                            *([f"the device had 0x{one.before.short:04x}"] if one.before else []),
                        ]
                    ),
                ]
                for one in analysis.addresses[:MOST]
            ],
        )
        page.more(analysis.addresses, MOST, "address", indent=2)


def _event(event: KeyEvent) -> Sequence[str | tuple[str, str]]:
    named = (event.fingerprint, "cyan") if event.fingerprint else "?" if event.what != "Request-Key" else ""
    partner = f", with {event.partner}" if event.partner else ""
    device = f", for {event.device}" if event.device and _other(event.device, event.sender, event.receiver) else ""
    unsecured = ", not secured by APS" if event.aps_secured is False and event.what == "Transport-Key" else ""
    last = f", until frame {frame(event.last_frame)}" if event.what == "in use" else ""
    command = "" if event.what == "in use" else f"{event.what}: "
    return [
        frame(event.frame),
        f"{event.frames:,}",
        named,
        _short(event.sender),
        _short(event.receiver),
        f"{command}{event.text}{partner}{device}{unsecured}{last}",
    ]


def _other(device: str, *ends: Party | None) -> bool:
    return all(end is None or end.eui64 != device for end in ends)


def _short(end: Party | None) -> str:
    return "" if end is None else f"0x{end.short:04x}"
