"""`hanscope transfers`: firmware transfers and their images."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.options import (
    Captures,
    Format,
    FormatOption,
    Gate,
    Hashes,
    HashLists,
    KeysFile,
    KeyTexts,
    NoProgress,
    Output,
    Processes,
    Redact,
    References,
    ShowKeys,
)
from hanscope.commands.output import key_paths, paths_of, put, redacted, reporting_of, terminal
from hanscope.commands.reading import exit_code, given_of, key_ring, read

if TYPE_CHECKING:
    from hanscope.analyzers.analysis import AnalysisRun
    from hanscope.analyzers.results import Analysis
    from hanscope.report.words import Tone


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope transfers house.pcapng --keys keys.toml
  hanscope transfers house.pcapng --export images
  hanscope transfers house.pcapng --export images --partial
  hanscope transfers house.pcapng --export images --filled
  hanscope transfers house.pcapng --format jsonl | jq '{id, state}'

A whole image is written as CLIENT_MANUFACTURER-TYPE-VERSION_ID.ota. With --partial an incomplete one is written as
....partial.bin, its holes filled with zeros, and a ....partial.map.json beside it says which octets are missing, why,
and from which frame the others came. With --filled an image whose holes other devices' transfers of the same image
fill is written as ....filled.ota, and a ....filled.map.json says which octets came from which device and frame.

jsonl prints one transfer a line; json is the analysis, without findings and updates unless --fail-on is given.
""",
)
def transfers(
    captures: Captures,
    *,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write the rebuilt images to a folder.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Export incomplete images too.")] = False,
    filled: Annotated[
        bool, typer.Option("--filled", help="Export images whose holes other transfers of the same image fill.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Let the export overwrite files.")] = False,
    reference: References = None,
    hash_: Hashes = None,
    hash_list: HashLists = None,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    fail_on: Annotated[
        Gate | None,
        typer.Option(
            "--fail-on",
            metavar="note|warning|error",
            help="Judge by the rules too, and exit with 1 on findings of this severity or above.",
        ),
    ] = None,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """List or --export the firmware transfers in captures."""
    from hanscope.report import json  # noqa: PLC0415 - heavy

    if export is None and (partial or filled or force):
        raise CommandError("--partial, --filled and --force belong to --export DIR", ExitCode.USAGE)
    if export is not None:
        _make(export)
    inputs = [*captures, *key_paths(keys), *paths_of(reference, hash_list)]
    reporting = reporting_of(form, output, redact=redact, show_keys=show_keys, inputs=inputs)
    reading = read(
        captures,
        key_ring(keys, key),
        no_progress=no_progress,
        processes=processes,
        show_keys=show_keys,
        given=given_of(reference, hash_, hash_list),
        scope="transfers" if fail_on is None else "all",
    )
    analysis = redacted(reading.analysis, reporting)
    # The images before the report: whoever closes the report's pipe early has asked for them all the same.
    notes, failure = _export(analysis, reading.run, export, partial=partial, filled=filled, force=force)
    if reading.anything or form is not Format.TEXT:
        put(
            reporting,
            text=lambda console: terminal().show_transfers(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.lines(analysis.transfers),
        )
    if notes:
        # Beside JSON the account of the export must not stand in the same stream.
        stream = sys.stdout if form is Format.TEXT else sys.stderr
        terminal().show_notes(f"Export to {export}", notes, terminal().console_for(stream))
    if failure is not None:
        raise failure
    raise typer.Exit(exit_code(analysis, fail_on or Gate.ERROR))


def _make(folder: Path) -> None:
    """The folder of the export: what is wrong with it is told before a long capture is read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--export {folder}: cannot be made: {error.strerror or error}", ExitCode.USAGE) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandError(f"--export {folder}: nothing can be written there; name another folder", ExitCode.USAGE)


def _export(
    analysis: "Analysis", run: "AnalysisRun | None", folder: Path | None, *, partial: bool, filled: bool, force: bool
) -> "tuple[list[tuple[Tone, str]], CommandError | None]":
    """Writes the images, if that was asked for: what is to be told about it, and what went wrong."""
    from hanscope.export import ExportError, export  # noqa: PLC0415 - heavy

    notes: list[tuple[Tone, str]] = []
    if folder is None or run is None:
        return notes, None
    try:
        written, left_out = export(analysis.transfers, run.records, folder, partial=partial, filled=filled, force=force)
    except ExportError as error:
        return notes, CommandError(f"--export {folder}: {error}", ExitCode.USAGE)
    notes.extend(("good", f"{file.path.name}  {file.what}") for file in written)
    notes.extend(("open", f"{left.transfer_id} not written: {left.why}") for left in left_out)
    return notes or [("open", "there is no transfer to export")], None
