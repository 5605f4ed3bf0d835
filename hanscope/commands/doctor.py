"""`hanscope doctor`: this machine."""

import sys
from typing import TYPE_CHECKING

from hanscope.commands.base import Command, app

if TYPE_CHECKING:
    from hanscope.report.words import Tone


@app.command(cls=Command)
def doctor() -> None:
    """What this machine can do: packages, tshark, folders, cores."""
    from hanscope import doctor as examination  # noqa: PLC0415 - heavy
    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    notes: list[tuple[Tone, str]] = [("good" if found.well else "bad", found.text) for found in examination.examine()]
    console = terminal.console_for(sys.stdout)
    terminal.show_notes("This machine", notes, console)
    if rules := examination.udev_rules():
        terminal.show_list(f"To use sniffers without root, these lines in {examination.UDEV_FILE}", rules, console)
        terminal.show_list("and then", [examination.UDEV_RELOAD], console)
