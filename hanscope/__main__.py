"""`hanscope` and `python -m hanscope`."""

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

# Before NumPy is loaded: OpenBLAS would start a thread for each core, which takes as long as NumPy itself, and nothing
# here multiplies matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    # Modules and results are many objects and no rubbish: looking through them all the time is a tenth of a short run.
    gc.set_threshold(100_000, 50, 50)
    try:
        # A terminal or locale that lacks a character gets its number instead of a crash.
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name) or _closed(name)
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue] - text streams
        from hanscope.commands import base  # noqa: PLC0415 - Ctrl-C while it loads is caught here too

        if arguments is None:
            base.asked = next(iter(sys.argv[1:]), None)
        from hanscope.cli import app  # noqa: PLC0415 - likewise

        app(args=None if arguments is None else list(arguments), prog_name="hanscope")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # of what is no command: --help, --version
        from hanscope.commands import base  # noqa: PLC0415 - likewise

        return base.refused_by_system(error)
    return 0


def _closed(name: str) -> TextIO:
    """In the place of a stream that was closed before the start: what is said there goes nowhere."""
    stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- as long as the process
    setattr(sys, name, stream)
    return stream


def run() -> NoReturn:
    """The process: the command line, and an end without taking apart every object, which takes longer than most of the
    imports did. The system takes the memory back, and nothing else is left open.
    """
    code = main()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    # What others have registered to be done at the end.
    atexit._run_exitfuncs()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - there is no other way to call it
    os._exit(code)


if __name__ == "__main__":
    run()
