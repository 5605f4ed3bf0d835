"""The command line: says what there is to ask, and passes it on. The analyzers compute, `report` says.

Everything heavy is imported by the command that needs it, so that `hanscope --help` answers at once.
"""

from importlib import import_module
from typing import Annotated, Final

import typer

from hanscope.commands import base
from hanscope.commands.base import app

COMMANDS: Final = (
    "analyze",
    "transfers",
    "image",
    "gbcs",
    "frames",
    "keys",
    "rules",
    "crosscheck",
    "sniff",
    "survey",
    "extcap",
    "convert",
    "simulate",
    "wireshark",
    "demo",
    "doctor",
)
"""The modules in `hanscope.commands`, in the order in which --help shows them; each enters its commands itself."""

for _name in (base.asked,) if base.asked in COMMANDS else COMMANDS:
    import_module(f"hanscope.commands.{_name}")


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - only this option needs it

        typer.echo(f"hanscope {version('hanscope')}")
        raise typer.Exit


@app.callback()
def hanscope(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
