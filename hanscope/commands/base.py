"""What every command ends with: exit codes, one line for whatever went wrong, and never a traceback.

Exit codes (`ExitCode`): when several apply, interrupted comes before input (3), keys (4) and findings (1).
"""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any

import typer
import typer.core
from typer.core import TyperCommand, TyperOption

# This typer escapes `[default: ...]` for rich wherever rich is installed, though plain help is asked for.
setattr(typer.core, "HAS_RICH", False)  # noqa: B010 - to the type checker it is a constant

LONGEST_SHOWN = 100
"""Of a name that is too long."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
asked: str | None = None
"""The first word of the process's command line; if it is a command, no other is loaded: all of them take as long as the
report of a small capture.
"""


class ExitCode(IntEnum):
    """What scripts learn from the exit code."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    INPUT = 3
    NO_KEY = 4
    DEFECT = 70  # as sysexits.h has it
    INTERRUPTED = 130  # as a shell has it for SIGINT
    CLOSED_PIPE = 141  # as a shell has it for SIGPIPE


class CommandError(Exception):
    """Ends a command with one line (what, where, how to mend it) and an exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def complain(message: str) -> None:
    """One line on standard error."""
    from hanscope.report.words import printable  # noqa: PLC0415 - only when something is wrong

    with suppress(OSError):  # nobody listens there: what is done goes on
        print(f"hanscope: {printable(message)}", file=sys.stderr)  # noqa: T201 - the one place for errors


@contextmanager
def during(what: str) -> Generator[None]:
    """Lets an unexpected exception say what was being done."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while {what}")
        raise


class Command(TyperCommand):
    """A command whose every end has its exit code: nothing gets through as a traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if isinstance(param, TyperOption) and param.envvar is None:
                param.show_envvar = False  # else errors speak of an environment variable None

    def invoke(self, ctx: Any) -> Any:
        try:
            with during(f"running `hanscope {ctx.info_name}`"):
                try:
                    return super().invoke(ctx)
                finally:
                    sys.stdout.flush()
        except (typer.Exit, typer.Abort):
            raise
        except CommandError as error:
            complain(str(error))
            raise SystemExit(error.code) from None
        except KeyboardInterrupt:
            complain("interrupted before there was anything to report")
            raise SystemExit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            _abandon_stdout()
            raise SystemExit(ExitCode.CLOSED_PIPE) from None
        except OSError as error:
            raise SystemExit(refused_by_system(error)) from None
        except Exception as error:
            if hasattr(error, "exit_code"):  # a usage error of typer's, which shows it itself
                raise
            report_defect(error)
            raise SystemExit(ExitCode.DEFECT) from None


def report_defect(error: Exception) -> None:
    """Asks to report an exception that should not have been; HANSCOPE_DEBUG=1 shows where it came from."""
    if os.environ.get("HANSCOPE_DEBUG"):
        import traceback  # noqa: PLC0415 - seldom needed

        traceback.print_exception(error)
    doing = ", ".join(getattr(error, "__notes__", ()))
    complain(
        f"defect in hanscope {doing}: {type(error).__name__}: {error}. Please report this line"
        " (HANSCOPE_DEBUG=1 shows the traceback)"
    )


def refused_by_system(error: OSError) -> ExitCode:
    """Tells what the system refused."""
    if error.errno == errno.ENAMETOOLONG:
        complain(f"{str(error.filename)[:LONGEST_SHOWN]}...: the system takes no names so long")
    elif error.errno in _NO_ROOM and error.filename is None:
        complain(
            f"standard output or the folder of temporary files: cannot be written ({error.strerror}); have the report "
            "go to another disk, or name another folder in TMPDIR"
        )
    elif "temporary directory" in str(error):  # from tempfile, which tries to write into all folders it knows
        complain("no folder of temporary files can be written; make room, or name one in TMPDIR")
    else:
        report_defect(error)
        return ExitCode.DEFECT
    return ExitCode.USAGE


def _abandon_stdout() -> None:
    """Whoever read standard output has gone: let the interpreter's last flush fail into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="hanscope",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help is three times as fast, and the same in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Shows why a firmware update failed in a smart-metering Home Area Network: reads radio captures, rebuilds the "
    "firmware transfers in them, checks the images, and says what happened.",
    epilog="""\b
Begin here:
  hanscope demo                                  nothing to prepare
  hanscope analyze house.pcapng --keys keys.toml
  hanscope analyze --help                        each command has examples

\b
Exit codes:
  0  well    1  findings at or above --fail-on    2  wrong usage
  3  an input could not be read, or has a fault (the rest was reported)
  4  encrypted traffic, and no key opened it
  When several apply: 3, then 4, then 1. Ctrl-C: 130. Defect of hanscope: 70.
""",
)
