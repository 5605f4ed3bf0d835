"""`hanscope keys`: the key ledger."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.options import (
    Format,
    FormatOption,
    Gate,
    KeysFile,
    KeyTexts,
    NoProgress,
    Output,
    Processes,
    Redact,
    ShowKeys,
)
from hanscope.commands.output import check_target, key_paths, put, redacted, reporting_of, terminal
from hanscope.commands.reading import exit_code, key_ring, read, tell_faults

if TYPE_CHECKING:
    from hanscope.analyzers.analysis import AnalysisRun
    from hanscope.analyzers.results import Analysis
    from hanscope.report.words import Tone


@app.command(
    "keys",
    cls=Command,
    epilog="""\b
Examples:
  hanscope keys house.pcapng --keys keys.toml
  hanscope keys house.pcapng --key install:83FED3407A932B70
  hanscope keys house.pcapng --embed with-keys.pcapng
  hanscope keys house.pcapng --wireshark ~/.config/wireshark/zigbee_pc_keys

With --embed the same capture is written as pcapng with its keys in front, for hanscope; today's Wireshark knows such
keys but does not use them, it needs --wireshark. jsonl prints one line for each item, named in "section".
""",
)
def key_ledger(
    capture: Annotated[str, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file.", show_default=False)],
    *,
    embed: Annotated[
        Path | None, typer.Option("--embed", metavar="OUT.pcapng", help="Write the capture with its keys in it.")
    ] = None,
    wireshark: Annotated[
        Path | None, typer.Option("--wireshark", metavar="FILE", help="Write the keys as Wireshark's ZigBee key table.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --embed and --wireshark overwrite files.")] = False,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """Keys found, what became of them, and what they open."""
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.keys import show_ledger  # noqa: PLC0415 - heavy

    inputs = [capture, *key_paths(keys)]
    reporting = reporting_of(form, output, redact=redact, show_keys=show_keys, inputs=inputs)
    if embed is not None:
        if capture == "-":
            raise CommandError(
                "--embed: the capture is read twice, so it cannot be standard input; save it to a file", ExitCode.USAGE
            )
        check_target("--embed", embed, inputs, force=force)
    if wireshark is not None:
        check_target("--wireshark", wireshark, [capture], force=force)
    reading = read([capture], key_ring(keys, key), no_progress=no_progress, processes=processes, show_keys=show_keys)
    notes: list[tuple[Tone, str]] = []
    if reading.run is not None and embed is not None:
        notes.append(_write_embedded(reading.run, capture, embed))
    if reading.run is not None and wireshark is not None:
        notes.append(_write_table(reading.run, wireshark))
    analysis = redacted(_narrowed(reading.analysis), reporting)
    if reading.anything:
        tell_faults(analysis, capture)
    if reading.anything or form is not Format.TEXT:
        put(
            reporting,
            text=lambda console: show_ledger(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.analysis_lines(analysis),
        )
    if notes:
        # Beside JSON the account of what was written must not stand in the same stream.
        stream = sys.stdout if form is Format.TEXT else sys.stderr
        terminal().show_notes("Written", notes, terminal().console_for(stream))
    raise typer.Exit(exit_code(analysis, Gate.ERROR))


def _write_embedded(run: "AnalysisRun", capture: str, path: Path) -> "tuple[Tone, str]":
    """Writes the capture with every key that opened something in it; what is to be told about it."""
    from hanscope.analyzers.analysis import secrets_of_uses  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.comments import write_commented  # noqa: PLC0415 - only here
    from hanscope.report.words import count  # noqa: PLC0415 - heavy
    from hanscope.writing import written_atomically  # noqa: PLC0415 - only here

    secrets = secrets_of_uses(run.uses)
    if not secrets:
        return "open", f"{path} not written: no key opened anything"
    try:
        with written_atomically(path, private=True) as file:
            added = write_commented(capture, file, {}, secrets).secrets
    except (OSError, CaptureError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(f"--embed {path}: cannot be written: {why}", ExitCode.USAGE) from None
    entries = count(added, "key entry", "key entries")
    return "good", f"{path}  the capture with {entries}; whoever has it can read it all"


def _write_table(run: "AnalysisRun", path: Path) -> "tuple[Tone, str]":
    """Writes all keys as Wireshark's table; what is to be told about it."""
    from hanscope.analyzers.keys import table_entries  # noqa: PLC0415 - heavy
    from hanscope.analyzers.wireshark_keys import format_key_table  # noqa: PLC0415 - heavy
    from hanscope.report.words import count  # noqa: PLC0415 - heavy
    from hanscope.writing import written_atomically  # noqa: PLC0415 - only here

    entries = table_entries(run.uses, run.ring)
    if not entries:
        return "open", f"{path} not written: there are no keys"
    try:
        with written_atomically(path, private=True) as file:
            file.write(format_key_table(entries).encode())
    except OSError as error:
        raise CommandError(
            f"--wireshark {path}: cannot be written: {error.strerror or error}", ExitCode.USAGE
        ) from None
    return "good", f"{path}  {count(len(entries), 'key')}; copy it to zigbee_pc_keys in Wireshark's preferences folder"


def _narrowed(analysis: "Analysis") -> "Analysis":
    """What this command is about, and nothing else."""
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy

    return Analysis(
        captures=analysis.captures,
        layers=(),
        unopened=analysis.unopened,
        devices=(),
        keys=analysis.keys,
        transfers=(),
        images=(),
        key_events=analysis.key_events,
        addresses=analysis.addresses,
        interrupted=analysis.interrupted,
    )
