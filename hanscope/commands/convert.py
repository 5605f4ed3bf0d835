"""`hanscope convert`: any capture as pcapng."""

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

Reads pcap and pcapng, TI's .psd, Daintree's .dcf, Ubiqua's .cubx, Silicon Labs' .isd and its log, plain or gzip, and
writes pcapng of link type 283 (IEEE 802.15.4 TAP), which Wireshark opens. The kind is told by the content.
""",
)
def convert(
    capture: OneCapture,
    out: Annotated[Path, typer.Argument(metavar="OUT.pcapng", help="The file to write.", show_default=False)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Convert a capture of any known kind to pcapng."""
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.convert import convert as run  # noqa: PLC0415 - heavy
    from hanscope.writing import written_atomically  # noqa: PLC0415 - only here

    check_target("", out, [capture], force=force)
    if capture == "-":
        raise CommandError("standard input cannot be read twice; save it to a file first", ExitCode.USAGE)
    try:
        with written_atomically(out) as file:
            done = run(capture, file)
    except CaptureError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror or error}", ExitCode.USAGE) from error
    _tell(capture, out, done)
    raise typer.Exit(ExitCode.INPUT if done.faults else ExitCode.OK)


def _tell(capture: str, out: Path, done: "Converted") -> None:
    typer.echo(f"{out}: {done.frames:,} frames of {capture} ({done.format})")
    lost = {
        "records that are no 802.15.4 frames were left out": done.other_records,
        "comments were left out": done.comments_lost,
        "frames were cut short in the capture and are so here": done.truncated,
        "frames came without an FCS and have none here": done.unchecked,
    }
    for what, count in lost.items():
        if count:
            typer.echo(f"  {count:,} {what}")
    for fault in done.faults:
        complain(f"{capture}: {fault.where}: {fault.what}; what comes before it was converted")
