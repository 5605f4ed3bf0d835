"""`hanscope image`: OTA image files."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hanscope.commands.base import Command, ExitCode, app, complain, during
from hanscope.commands.options import Format, FormatOption, Output, Redact
from hanscope.commands.output import put, reporting_of, terminal

if TYPE_CHECKING:
    from hanscope.analyzers.results import Image


LARGEST_IMAGE: Final = 256 * 2**20
"""Octets of an image file that are read at most."""


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope image meter.ota
  hanscope image *.ota --format jsonl | jq '{file, layout, sha256}'

Exit codes: 0 no check failed, 1 a check failed, 3 a file could not be read. jsonl prints one object a line, one for
each file in the order given, for an unreadable one with "error".
""",
)
def image(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="OTA image files; - is standard input.", show_default=False)
    ],
    *,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
) -> None:
    """Check OTA image files, element by element."""
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    reporting = reporting_of(form, output, redact=redact, show_keys=False, inputs=files)
    images = [_examined(file) for file in files]
    if redact:
        redactor = Redactor()
        images = [redactor(one) for one in images]
    analysis = Analysis(captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=tuple(images))
    put(
        reporting,
        text=lambda console: terminal().show_images(images, console),
        json=lambda: [json.document(analysis)],
        jsonl=lambda: json.lines(images),
    )
    if any(one.error is not None for one in images):
        raise typer.Exit(ExitCode.INPUT)
    if any(check.outcome == "invalid" for one in images for check in one.checks):
        raise typer.Exit(ExitCode.FINDINGS)


def _examined(file: str) -> "Image":
    from hanscope.analyzers.images import examine  # noqa: PLC0415 - heavy
    from hanscope.analyzers.results import Image  # noqa: PLC0415 - heavy

    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as stream:
            octets = stream.read(LARGEST_IMAGE + 1)
        why = f"larger than {LARGEST_IMAGE // 2**20} MiB; this is no OTA image" if len(octets) > LARGEST_IMAGE else None
    except (OSError, ValueError) as error:
        octets, why = b"", f"cannot be read: {getattr(error, 'strerror', None) or error}"
    if why is None:
        with during(f"examining {file}"):
            return examine(octets, file=file)
    complain(f"{file}: {why}")
    return Image(
        transfer_id=None,
        file=file,
        size=0,
        header=None,
        header_offset=0,
        layout="opaque",
        elements=(),
        checks=(),
        manufacturer_image_sha256=None,
        sha256=None,
        partial=False,
        error=why,
    )
