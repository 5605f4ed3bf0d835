"""The picture in README.md, of what `hanscope demo` prints: `python -P -m hanscope.picture > docs/report.svg`."""

import sys
from io import StringIO
from typing import Final

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import load_key_file
from hanscope.captures.samples import DEMO, DEMO_KEYS
from hanscope.report.terminal import show_analysis

WIDTH: Final = 80
_SHOWN: Final = ("Updates", "Diagnosis", "  T4 ")
"""How the parts begin that the picture shows behind the verdict."""


def shortened(*, colours: bool) -> str:
    """The report on the shipped sample with a few parts of it; where others are left out stand three points."""
    page = StringIO()
    colour_system = "standard" if colours else None
    console = Console(file=page, force_terminal=True, width=WIDTH, color_system=colour_system, no_color=False)
    show_analysis(analyze([str(DEMO)], keys=load_key_file(DEMO_KEYS), processes=1).analysis, console)
    verdict, *parts = page.getvalue().rstrip("\n").split("\n\n")
    shown = [verdict]
    for part in parts:
        if Text.from_ansi(part).plain.startswith(_SHOWN):
            shown.append(part)
        elif shown[-1] != "  ...":
            shown.append("  ...")
    return "\n\n".join(shown)


def picture() -> str:
    """The shortened report as SVG."""
    console = Console(file=StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(Text.from_ansi(shortened(colours=True)))
    return console.export_svg(title="hanscope demo", theme=DEFAULT_TERMINAL_THEME, unique_id="hanscope")


if __name__ == "__main__":
    sys.stdout.write(picture())
