"""`hanscope convert`: any capture as pcapng."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, complain
from hanscope.commands.options import OneCapture
from hanscope.commands.output import check_target

if TYPE_CHECKING:
    from hanscope.captures.convert import Converted


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope convert session.isd session.pcapng
  hanscope convert house.psd house.pcapng --force
  hanscope convert house.cubx - | tshark -r -

Reads pcap and pcapng, TI's .psd, Daintree's .dcf, Ubiqua's .cubx, Silicon Labs' .isd and its log, plain or gzip, and
writes pcapng of link type 283 (IEEE 802.15.4 TAP), which Wireshark opens. The kind is told by the content. - stands for
standard input or output.
""",
)
def convert(
    capture: OneCapture,
    out: Annotated[Path, typer.Argument(metavar="OUT.pcapng", help="The file to write.", show_default=False)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Convert a capture of any known kind to pcapng."""
    from hanscope.analyzers.inputs import Readable  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.convert import convert as run  # noqa: PLC0415 - heavy
    from hanscope.writing import written_atomically  # noqa: PLC0415 - only here

    if capture == "-" and sys.stdin.isatty():
        raise CommandError("-: standard input is a terminal; pipe a capture in", ExitCode.USAGE)
    to_stdout = str(out) == "-"
    if not to_stdout:
        check_target("", out, [capture], force=force)
    readable = Readable(capture)
    try:
        with readable, nullcontext(sys.stdout.buffer) if to_stdout else written_atomically(out) as file:
            done = run(readable.path, file)
    except CaptureError as error:
        raise CommandError(str(error).replace(readable.path, readable.shown), ExitCode.INPUT) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror or error}", ExitCode.USAGE) from error
    _tell(readable.shown, out, done, to_stderr=to_stdout)
    raise typer.Exit(ExitCode.INPUT if done.faults else ExitCode.OK)


def _tell(capture: str, out: Path, done: "Converted", *, to_stderr: bool) -> None:
    from hanscope.report.words import count  # noqa: PLC0415 - heavy

    typer.echo(f"{out}: {count(done.frames, 'frame')} of {capture} ({done.format})", err=to_stderr)
    lost = [
        (done.other_records, "record", "left out, not being 802.15.4"),
        (done.comments_lost, "comment", "left out"),
        (done.truncated, "frame", "cut short in the capture, and so here"),
        (done.unchecked, "frame", "without an FCS in the capture, and so here"),
    ]
    for number, noun, what in lost:
        if number:
            typer.echo(f"  {count(number, noun)} {what}", err=to_stderr)
    for fault in done.faults:
        complain(f"{capture}: {fault.where}: {fault.what}; what comes before it was converted")
