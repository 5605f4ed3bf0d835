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
from hanscope.commands.output import key_paths, put, redacted, reporting_of, terminal
from hanscope.commands.reading import exit_code, key_ring, read

if TYPE_CHECKING:
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
    from hanscope import keys_command  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy

    reporting = reporting_of(form, output, redact=redact, show_keys=show_keys, inputs=[capture, *key_paths(keys)])
    notes: list[tuple[Tone, str]] = []
    try:
        keys_command.check(capture, [("--embed", embed), ("--wireshark", wireshark)], force=force)
        ring = key_ring(keys, key)
        reading = read([capture], ring, no_progress=no_progress, processes=processes, show_keys=show_keys)
        if reading.run is not None and embed is not None:
            notes.append(keys_command.write_embedded(reading.run, capture, embed))
        if reading.run is not None and wireshark is not None:
            notes.append(keys_command.write_table(reading.run, wireshark))
    except keys_command.OutputError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    analysis = redacted(keys_command.narrowed(reading.analysis), reporting)
    if reading.anything or form is not Format.TEXT:
        put(
            reporting,
            text=lambda console: keys_command.show(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.analysis_lines(analysis),
        )
    if notes:
        # Beside JSON the account of what was written must not stand in the same stream.
        stream = sys.stdout if form is Format.TEXT else sys.stderr
        terminal().show_notes("Written", notes, terminal().console_for(stream))
    raise typer.Exit(exit_code(analysis, Gate.ERROR))
