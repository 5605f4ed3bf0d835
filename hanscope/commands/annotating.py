"""`--annotate`: the capture again, with what was concluded as comments on its packets."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import CommandError, ExitCode, complain
from hanscope.commands.output import check_target

if TYPE_CHECKING:
    from hanscope.analyzers.analysis import AnalysisRun
    from hanscope.analyzers.results import Analysis

Annotate = Annotated[
    Path | None,
    typer.Option(
        "--annotate",
        metavar="OUT.pcapng",
        help="Write the capture again, with findings and transfers as packet comments that every Wireshark shows.",
    ),
]
AnnotateKeys = Annotated[
    bool, typer.Option("--annotate-keys", help="Put the keys that opened something into --annotate's file too.")
]


def check_annotated(captures: Sequence[str], path: Path) -> None:
    """Refuses what cannot be, before the work."""
    if len(captures) != 1 or captures[0] == "-":
        raise CommandError("--annotate: needs one capture, and from a file: it is read twice", ExitCode.USAGE)
    check_target("--annotate", path, captures)


def write_annotated(
    run: "AnalysisRun", analysis: "Analysis", captures: Sequence[str], path: Path, *, with_keys: bool
) -> None:
    """Writes the capture with comments; what they say is `analysis` (which may be redacted)."""
    from hanscope.analyzers.analysis import secrets_of_uses  # noqa: PLC0415 - heavy
    from hanscope.annotate import comments_of  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.comments import write_commented  # noqa: PLC0415 - heavy
    from hanscope.writing import written_atomically  # noqa: PLC0415 - only here

    secrets = secrets_of_uses(run.uses) if with_keys else []
    try:
        with written_atomically(path, private=with_keys) as file:
            written = write_commented(captures[0], file, comments_of(analysis), secrets)
    except (OSError, CaptureError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(f"--annotate {path}: cannot be written: {why}", ExitCode.USAGE) from None
    if written.left_out:
        complain(f"--annotate {path}: {written.left_out} comments had no room in their packets' blocks")
