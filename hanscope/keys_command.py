"""`hanscope keys`: which keys there are, what became of them, what stayed shut; and files that carry the keys on.

Files with keys in them can be read by their owner alone, and are there whole or not at all.
"""

import os
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec.structs import replace

from hanscope.analyzers.analysis import AnalysisRun, secrets_of_uses
from hanscope.analyzers.keys import KnownKey
from hanscope.analyzers.results import Analysis, KeyEvent, Party
from hanscope.analyzers.wireshark_keys import TableEntry, format_key_table
from hanscope.captures.batch import CaptureError
from hanscope.captures.embed import embed
from hanscope.report.terminal import MOST, Page, show_keys
from hanscope.report.words import count, frame

if TYPE_CHECKING:
    from rich.console import Console

    from hanscope.report.words import Tone

MOST_EVENTS: Final = 200
"""Rows of the tables of events; the JSON has them all."""


class OutputError(Exception):
    """A file was not written; the message is one line that says why and how to mend it."""


def check(capture: str, targets: Iterable[tuple[str, Path | None]], *, force: bool) -> None:
    """Refuses targets (option and path) that cannot be written, or that should not be. Raises `OutputError`."""
    for option, path in targets:
        if path is None:
            continue
        if capture == "-" and option == "--embed":
            raise OutputError("--embed: the capture is read twice, so it cannot be standard input; save it to a file")
        if path.exists() and not path.is_file():
            raise OutputError(f"{option} {path}: this is no file; name one")
        if path.exists() and Path(capture).exists() and path.samefile(capture):
            raise OutputError(f"{option} {path}: this is the capture itself; name another file")
        if path.exists() and not force:
            raise OutputError(f"{option} {path}: the file is there already; name another or add --force")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{option} {path}: its folder cannot be written or does not exist")


@contextmanager
def _kept_private(path: Path) -> Generator[BinaryIO]:
    """A file that its owner alone can read, and that takes its name when it is whole."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def write_embedded(run: AnalysisRun, capture: str, path: Path) -> "tuple[Tone, str]":
    """Writes the capture with every key that opened something in it. Raises `OutputError`."""
    secrets = secrets_of_uses(run.uses)
    if not secrets:
        return "open", f"{path} not written: no key opened anything"
    try:
        with _kept_private(path) as file:
            added = embed(capture, file, secrets)
    except (OSError, CaptureError) as error:
        raise OutputError(f"--embed {path}: {getattr(error, 'strerror', None) or error}") from None
    return (
        "good",
        f"{path}  the capture with {count(added, 'key entry', 'key entries')}; whoever has it can read it all",
    )


def write_table(run: AnalysisRun, path: Path) -> "tuple[Tone, str]":
    """Writes all keys as Wireshark's table. Raises `OutputError`."""
    entries = table_entries(run)
    if not entries:
        return "open", f"{path} not written: there are no keys"
    try:
        with _kept_private(path) as file:
            file.write(format_key_table(entries).encode())
    except OSError as error:
        raise OutputError(f"--wireshark {path}: {error.strerror or error}") from None
    return "good", f"{path}  {count(len(entries), 'key')}; copy it to zigbee_pc_keys in Wireshark's preferences folder"


def table_entries(run: AnalysisRun) -> list[TableEntry]:
    """Each key once, those that opened something first; its label is its kind and scope as far as they are sure."""
    by_octets: dict[bytes, list[KnownKey]] = {}
    for key in [*run.uses, *run.ring.keys]:
        by_octets.setdefault(key.octets, []).append(key)
    entries: list[TableEntry] = []
    for octets, keys in by_octets.items():
        sure = [key for key in keys if key in run.uses] or keys
        labels, kinds = {key.notation for key in sure}, {key.kind for key in sure}
        label = labels.pop() if len(labels) == 1 else next(iter(kinds)) if len(kinds) == 1 else ""
        entries.append(TableEntry(octets, label))
    return entries


def narrowed(analysis: Analysis) -> Analysis:
    """What this command is about, and nothing else."""
    return replace(
        Analysis(captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=()),
        captures=analysis.captures,
        unopened=analysis.unopened,
        keys=analysis.keys,
        key_events=analysis.key_events,
        addresses=analysis.addresses,
        interrupted=analysis.interrupted,
    )


# The report for people.


def show(analysis: Analysis, console: "Console") -> None:
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


def _event(event: KeyEvent) -> "Sequence[str | tuple[str, str]]":
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
