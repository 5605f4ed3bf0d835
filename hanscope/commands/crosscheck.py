"""`hanscope crosscheck`: our reading against tshark's."""

import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, during
from hanscope.commands.options import Format, FormatOption, KeysFile, KeyTexts, NoProgress, Output, Redact
from hanscope.commands.output import key_paths, put, reporting_of
from hanscope.commands.reading import key_ring


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope crosscheck house.pcapng --keys keys.toml
  hanscope crosscheck house.pcapng --format jsonl | jq 'select(.fault == null)'

tshark is given every key, those found in the capture too, on its command line: other users of the machine can see them
in the list of processes.

Exit codes: 0 every difference has a known reason (docs/crosscheck.md), 1 one has not, 3 there is no tshark, or the
capture cannot be read by both. --redact leaves out the values that differ. jsonl prints the totals, then one
difference a line.
""",
)
def crosscheck(
    capture: Annotated[str, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file.", show_default=False)],
    *,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
    no_progress: NoProgress = False,
) -> None:
    """Compare our reading with tshark's, field by field."""
    from hanscope.analyzers.crosscheck import NoOracleError  # noqa: PLC0415 - heavy
    from hanscope.analyzers.crosscheck import crosscheck as compare  # noqa: PLC0415 - heavy
    from hanscope.analyzers.inputs import is_pipe  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.report import crosscheck as report  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.progress import ProgressBar  # noqa: PLC0415 - heavy

    reporting = reporting_of(form, output, redact=redact, show_keys=False, inputs=[capture, *key_paths(keys)])
    if capture == "-" or is_pipe(capture):
        raise CommandError(f"{capture}: tshark reads the capture too, so it has to be a file; save it", ExitCode.USAGE)
    shown = not no_progress and sys.stderr.isatty()
    try:
        with during(f"comparing {capture}"), ProgressBar(sys.stderr) if shown else nullcontext() as bar:
            result = compare(capture, keys=key_ring(keys, key), progress=bar)
    except (CaptureError, NoOracleError) as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
    if redact:
        result = report.redacted(result)
    put(
        reporting,
        text=lambda console: report.show_crosscheck(result, console),
        json=lambda: [json.document(result)],
        jsonl=lambda: json.lines(report.lines(result)),
    )
    if result.faults:
        raise typer.Exit(ExitCode.INPUT)
    raise typer.Exit(ExitCode.FINDINGS if result.unexplained else ExitCode.OK)
