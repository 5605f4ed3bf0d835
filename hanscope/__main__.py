"""`hanscope` and `python -m hanscope`."""

import gc
import os
import sys
from collections.abc import Sequence

# Before NumPy is loaded: OpenBLAS would start a thread for each core, which takes as long as NumPy itself, and nothing
# here multiplies matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    # Modules and results are many objects and no rubbish: looking through them all the time is a tenth of a short run.
    gc.set_threshold(100_000, 50, 50)
    try:
        # A terminal or locale that lacks a character gets its number instead of a crash.
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue] - text streams
        from hanscope.cli import app  # noqa: PLC0415 - Ctrl-C while it loads is caught here too

        app(args=None if arguments is None else list(arguments), prog_name="hanscope")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
