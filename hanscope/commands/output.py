"""Brings a report in its form to its place."""

import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from hanscope.commands.base import CommandError, ExitCode
from hanscope.commands.options import Format

if TYPE_CHECKING:
    from types import ModuleType

    from rich.console import Console

    from hanscope.analyzers.results import Analysis


class Reporting(NamedTuple):
    """Where a report goes, and in which form."""

    form: Format
    output: Path | None
    redact: bool


def key_paths(keys: Path | None) -> list[str]:
    return [] if keys is None else [str(keys)]


def paths_of(*lists: Sequence[Path] | None) -> list[str]:
    return [str(path) for paths in lists for path in paths or ()]


def reporting_of(
    form: Format, output: Path | None, *, redact: bool, show_keys: bool, inputs: Sequence[str]
) -> Reporting:
    """Checks before the work what would be a pity to find out after it."""
    if redact and show_keys:
        raise CommandError("--redact and --show-keys contradict each other; leave one out", ExitCode.USAGE)
    if output is not None:
        check_target("--output", output, inputs)
    return Reporting(form=form, output=output, redact=redact)


def check_target(option: str, target: Path, inputs: Sequence[str], *, force: bool = True) -> None:
    """Refuses a file that cannot be written, or that should not be: `inputs` never, others only with `force`.

    `option` is what named it; empty, if it was an argument.
    """
    named = f"{option} {target}".lstrip()
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = 0
    if any(path != "-" and mode and Path(path).exists() and target.samefile(path) for path in inputs):
        raise CommandError(f"{named}: this is an input; name another file", ExitCode.USAGE)
    if stat.S_ISDIR(mode):
        raise CommandError(f"{named}: this is a folder; name a file in it", ExitCode.USAGE)
    if not force and stat.S_ISREG(mode):
        raise CommandError(f"{named}: the file is there already; name another or add --force", ExitCode.USAGE)
    if mode and not stat.S_ISREG(mode):
        if not os.access(target, os.W_OK):
            raise CommandError(f"{named}: this device cannot be written", ExitCode.USAGE)
    elif not os.access(target.parent, os.W_OK):  # files are written beside their place first
        raise CommandError(f"{named}: its folder cannot be written or does not exist", ExitCode.USAGE)


def redacted(analysis: "Analysis", reporting: Reporting) -> "Analysis":
    if not reporting.redact:
        return analysis
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    return Redactor()(analysis)


def terminal() -> "ModuleType":
    """The terminal report, imported when it is shown: who asks for JSON does not wait for rich."""
    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    return terminal


def put(
    reporting: Reporting,
    *,
    text: "Callable[[Console], None]",
    json: Callable[[], Iterable[bytes]],
    jsonl: Callable[[], Iterable[bytes]],
) -> None:
    """Brings the report in its form to its place."""
    if reporting.form is not Format.TEXT:
        pieces = json() if reporting.form is Format.JSON else jsonl()
        if reporting.output is None:
            sys.stdout.flush()
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _write(reporting.output, b"".join(pieces))
        return
    from hanscope.report.terminal import console_for  # noqa: PLC0415 - heavy

    if reporting.output is None:
        text(console_for(sys.stdout))
        return
    from io import StringIO  # noqa: PLC0415 - only here

    page = StringIO()
    text(console_for(page))
    _write(reporting.output, page.getvalue().encode("utf-8", "backslashreplace"))


def _write(path: Path, octets: bytes) -> None:
    from hanscope.writing import write_atomically  # noqa: PLC0415 - only here

    try:
        write_atomically(path, octets)
    except BrokenPipeError:
        raise
    except OSError as error:
        _fail_output(path, error)


def _fail_output(path: Path, error: OSError) -> NoReturn:
    raise CommandError(f"--output {path}: cannot be written: {error.strerror or error}", ExitCode.USAGE) from error
