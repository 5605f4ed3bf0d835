"""`hanscope image`: OTA image files."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, complain, during
from hanscope.commands.options import (
    Certificates,
    Format,
    FormatOption,
    Hashes,
    HashLists,
    NoProgress,
    Output,
    Redact,
    References,
)
from hanscope.commands.output import paths_of, put, reporting_of, terminal
from hanscope.commands.reading import credentials_of, disappointed, given_of

if TYPE_CHECKING:
    from hanscope.analyzers.certificates import Certificates as CertificatesAtHand
    from hanscope.analyzers.partial_files import Examined, Holes
    from hanscope.analyzers.references import Given
    from hanscope.analyzers.results import Image


LARGEST_IMAGE: Final = 256 * 2**20
"""Octets of an image file that are read at most."""


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope image meter.ota
  hanscope image meter.ota --certificates DIR
  hanscope image meter.ota --reference vendor.ota
  hanscope image meter.ota --hash-list products.csv
  hanscope image *.ota --format jsonl | jq '{file, layout, sha256}'

Exit codes: 0 no check failed, 1 a check failed or an image is not what --reference or --hash says, 3 a file could not
be read. jsonl prints one object a line, one for each file in the order given, for an unreadable one with "error".
""",
)
def image(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="OTA image files; - is standard input.", show_default=False)
    ],
    *,
    certificates: Certificates = None,
    ca_key: Annotated[
        list[str] | None,
        typer.Option("--ca-key", metavar="HEX", help="A CA's public key (compressed point) for signed OTA files."),
    ] = None,
    reference: References = None,
    hash_: Hashes = None,
    hash_list: HashLists = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
    no_progress: NoProgress = False,
) -> None:
    """Check OTA image files, element by element."""
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    reporting = reporting_of(
        form, output, redact=redact, show_keys=False, inputs=[*files, *paths_of(reference, hash_list)]
    )
    credentials = credentials_of(certificates, None)
    proofs = _Proofs(
        given_of(reference, hash_, hash_list),
        None if credentials is None else credentials.certificates,
        [_ca_key(text) for text in ca_key or ()],
    )
    images = _all_examined(files, proofs, shown=not no_progress and sys.stderr.isatty())
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
    if disappointed(images) or any(check.outcome == "invalid" for one in images for check in one.checks):
        raise typer.Exit(ExitCode.FINDINGS)


def _holes(file: str, size: int) -> "Holes":
    """What a file lacks that is the export of a partial image."""
    from hanscope.analyzers.partial_files import Holes, PartialFileError, holes_of  # noqa: PLC0415 - heavy

    try:
        return holes_of(Path(file), size)
    except PartialFileError as error:
        complain(f"{error}; it is looked at as it stands")
        return Holes()


class _Proofs(NamedTuple):
    """What images are verified with and held against."""

    given: "Given | None"
    certificates: "CertificatesAtHand | None"
    ca_keys: list[bytes]


_CA_KEY_LENGTHS: Final = {22, 37}
"""Octets of compressed points on the curves of suites 1 and 2 (sect163k1, sect283k1)."""


def _ca_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) not in _CA_KEY_LENGTHS:
        raise CommandError(
            f"--ca-key {text}: 22 or 37 octets in hexadecimal digits are needed (suite 1 or 2)", ExitCode.USAGE
        )
    return key


def _all_examined(files: list[str], proofs: _Proofs, *, shown: bool) -> "list[Image]":
    from hanscope.report.progress import ProgressBar  # noqa: PLC0415 - heavy

    found: list[Examined] = []
    with ProgressBar(sys.stderr) if shown else nullcontext() as bar:
        for number, file in enumerate(files):
            if bar is not None:
                bar.file(number, len(files), file)
            one = _examined(file, proofs)
            # The octets are only needed to compare them.
            found.append(one._replace(octets=b"") if proofs.given is None else one)
    if proofs.given is None:
        return [one.image for one in found]
    from hanscope.analyzers.witnesses import compared_with  # noqa: PLC0415 - heavy

    return compared_with(found, proofs.given)


def _examined(file: str, proofs: _Proofs) -> "Examined":
    from hanscope.analyzers.images import examine  # noqa: PLC0415 - heavy
    from hanscope.analyzers.partial_files import Examined  # noqa: PLC0415 - heavy
    from hanscope.analyzers.results import Image  # noqa: PLC0415 - heavy

    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as stream:
            octets = stream.read(LARGEST_IMAGE + 1)
        why = f"larger than {LARGEST_IMAGE // 2**20} MiB; this is no OTA image" if len(octets) > LARGEST_IMAGE else None
    except IsADirectoryError:
        octets, why = b"", f"cannot be read: it is a folder; name the files in it, for example {file.rstrip('/')}/*"
    except (OSError, ValueError) as error:
        octets, why = b"", f"cannot be read: {getattr(error, 'strerror', None) or error}"
    if why is None:
        with during(f"examining {file}"):
            holes = _holes(file, len(octets))
            image = examine(
                octets,
                file=file,
                missing=holes.missing,
                open_ended=holes.open_ended,
                certificates=proofs.certificates,
                ca_keys=proofs.ca_keys,
            )
            return Examined(image, octets, holes.missing)
    complain(f"{file}: {why}")
    image = Image(
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
    return Examined(image, b"")
