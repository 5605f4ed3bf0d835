"""`hanscope demo`: the shipped sample."""

import sys
from typing import Final

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.options import Gate
from hanscope.commands.reading import exit_code, key_ring, read

DEMO_CAPTURE: Final = "samples/demo.pcapng"
DEMO_KEYS: Final = "samples/demo.keys.toml"
"""The shipped sample, in the package `hanscope.captures`."""


@app.command(cls=Command)
def demo() -> None:
    """Analyze the shipped sample: nothing to prepare."""
    from importlib import resources  # noqa: PLC0415 - only this command needs it

    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    package = resources.files("hanscope.captures")
    with resources.as_file(package / DEMO_CAPTURE) as capture, resources.as_file(package / DEMO_KEYS) as keys:
        for file in (capture, keys):
            if not file.is_file():
                raise CommandError(f"{file}: the sample is not installed; install hanscope again", ExitCode.INPUT)
        reading = read([str(capture)], key_ring(keys, None), no_progress=False, processes=None, show_keys=False)
        console = terminal.console_for(sys.stdout)
        terminal.show_analysis(reading.analysis, console)
        terminal.show_list(
            "Try next",
            [
                f"hanscope transfers {capture} --keys {keys} --export images",
                f"hanscope analyze {capture} --keys {keys} --format json",
                "hanscope analyze YOUR-CAPTURE.pcapng --keys YOUR-KEYS.toml",
                "hanscope doctor",
            ],
            console,
        )
    raise typer.Exit(exit_code(reading.analysis, Gate.ERROR))
