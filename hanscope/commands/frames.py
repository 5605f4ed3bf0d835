"""`hanscope frames`: one line a frame, and one frame in full."""

from typing import Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.options import (
    Format,
    FormatOption,
    KeysFile,
    KeyTexts,
    NoProgress,
    OneCapture,
    Output,
    Processes,
    Redact,
    ShowKeys,
)
from hanscope.commands.output import key_paths, put, reporting_of
from hanscope.commands.reading import frames_exit_code, frames_of, key_ring


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope frames house.pcapng --keys keys.toml
  hanscope frames house.pcapng --filter 'layer == "ImageBlockResponse" and ota.file_offset >= 4096'
  hanscope frames house.pcapng --filter 'has(shut)' --columns number,pan,nwk.source,shut
  hanscope frames house.pcapng --format jsonl | jq 'select(.transfer == "T1") | .number'

A filter compares fields (== != < <= > >=, in (...), "Zcl" in layers, has(field)) and joins comparisons with and, or,
not and parentheses. A comparison with a field that a frame has not is false.

\b
Columns, and fields of a filter:
  number time elapsed length fcs channel lqi rssi_dbm pan source destination
  layer (the innermost) layers info malformed shut fragments transfer
  key nwk.key aps.key (fingerprints)
  mac.source nwk.frame_counter aps.cluster zcl.command zdp.sequence
  ota.file_offset tunneling.tunnel_id and the like
  Layer.field for every field of every layer: docs/layers.md lists them
""",
)
def frames(
    capture: OneCapture,
    *,
    expression: Annotated[
        str | None, typer.Option("--filter", metavar="EXPRESSION", help="Show only frames that fulfil this.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--columns", metavar="A,B,C", help="What to show of each.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Show at most N frames.")] = None,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """List the frames of a capture, one line each."""
    from hanscope.analyzers import framechoice  # noqa: PLC0415 - heavy
    from hanscope.analyzers.filters import FilterError  # noqa: PLC0415 - heavy
    from hanscope.report import frames as report  # noqa: PLC0415 - heavy
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    reporting = reporting_of(form, output, redact=redact, show_keys=False, inputs=[capture, *key_paths(keys)])
    default = report.FOR_PEOPLE if form is Format.TEXT else report.FOR_SCRIPTS
    try:
        wanted = framechoice.wanted(expression, columns, limit, default)
    except FilterError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    with frames_of(capture, key_ring(keys, key), no_progress=no_progress, processes=processes) as reader:
        chosen = framechoice.chosen(reader, wanted, octets=not redact)
        redactor = Redactor() if redact else None
        if redactor is not None:
            redactor.meet(reader.analysis)
        put(
            reporting,
            text=lambda console: report.show_frames(chosen, wanted.columns, console, redactor),
            json=lambda: report.document(chosen, wanted.columns, redactor),
            jsonl=lambda: report.lines(chosen, wanted.columns, redactor),
        )
        raise typer.Exit(frames_exit_code(reader.analysis))


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope frame house.pcapng 1234 --keys keys.toml
  hanscope frame house.pcapng 1234 --format json | jq '.layers[-1].fields'
""",
)
def frame(
    capture: OneCapture,
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="Its number, as Wireshark counts.")],
    *,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """Show one frame in full: every layer, with its octets."""
    from hanscope.analyzers.frameview import FrameError, view  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.frames import redacted_view, show_frame  # noqa: PLC0415 - heavy
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    reporting = reporting_of(form, output, redact=redact, show_keys=show_keys, inputs=[capture, *key_paths(keys)])
    with frames_of(capture, key_ring(keys, key), no_progress=no_progress, processes=processes) as reader:
        try:
            one = view(reader, number, show_keys=show_keys)
        except FrameError as error:
            raise CommandError(f"{capture}: {error}", ExitCode.USAGE) from None
        if redact:
            redactor = Redactor()
            redactor.meet(reader.analysis)
            one = redacted_view(one, redactor)
        put(
            reporting,
            text=lambda console: show_frame(one, console),
            json=lambda: [json.document(one)],
            jsonl=lambda: json.lines([one]),
        )
        raise typer.Exit(frames_exit_code(reader.analysis))
