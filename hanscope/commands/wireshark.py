"""`hanscope wireshark install | uninstall | status | open`: our knowledge where engineers work."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, complain
from hanscope.commands.options import KeysFile, KeyTexts
from hanscope.commands.reading import key_ring

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanscope.report.words import Tone
    from hanscope.wireshark import Folders, Step

wireshark = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Wireshark's plugin and profile: install, remove, look, open.",
    epilog="""\b
Examples:
  hanscope wireshark install
  hanscope wireshark open house.pcapng --keys keys.toml
""",
)
app.add_typer(wireshark, name="wireshark")


@wireshark.command(cls=Command)
def install() -> None:
    """Install the Lua plugin, the profile and the extcap launcher into your personal Wireshark folders."""
    from hanscope import wireshark as work  # noqa: PLC0415 - only this command needs it

    where = work.folders()
    _show(where, work.install(where))
    _warn(where)
    print("Restart Wireshark; the profile is chosen with Edit > Configuration Profiles > hanscope.")  # noqa: T201 - the command's answer


@wireshark.command(cls=Command)
def uninstall() -> None:
    """Remove what `install` wrote; what was changed in the profile stays."""
    from hanscope import wireshark as work  # noqa: PLC0415 - only this command needs it

    where = work.folders()
    _show(where, work.uninstall(where))


@wireshark.command(cls=Command)
def status() -> None:
    """Tell what is installed, and where; changes nothing."""
    from hanscope import wireshark as work  # noqa: PLC0415 - only this command needs it

    where = work.folders()
    _show(where, work.status(where))
    _warn(where)


@wireshark.command(cls=Command, name="open")
def open_capture(
    capture: Annotated[Path, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file.", show_default=False)],
    *,
    keys: KeysFile = None,
    key: KeyTexts = None,
    display_filter: Annotated[
        str, typer.Option("--filter", metavar="FILTER", help="Display filter; '' shows all frames.")
    ] = "zbee_zcl && (zbee_aps.cluster == 0x0019 || zbee_aps.cluster == 0x0704)",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the command, keys and all.")] = False,
) -> None:
    """Start Wireshark with the capture, every key that opens it, and a filter.

    Keys that the capture itself teaches are passed on too: Wireshark alone would use them only on what comes later.
    They stand on Wireshark's command line, where other users of the machine can see them.
    """
    from hanscope import wireshark as work  # noqa: PLC0415 - only this command needs it
    from hanscope.analyzers.crosscheck import NoOracleError, options_for  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy

    try:
        options = options_for(str(capture), keys=key_ring(keys, key))
        words = work.command(capture, options, display_filter, work.folders())
    except CaptureError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
    except (work.InstallError, NoOracleError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if dry_run:
        import shlex  # noqa: PLC0415 - only here

        print(shlex.join(words))  # noqa: T201 - the command's answer
        return
    subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - Wireshark, by its path


def _show(where: "Folders", steps: "Iterable[Step]") -> None:
    """One line for the files of a folder that had the same fate."""
    from hanscope import wireshark as work  # noqa: PLC0415 - only this command needs it
    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    told: dict[tuple[str, str, str, Path], int] = {}
    try:
        for step in steps:
            alike = step.part, step.deed, step.why, step.path.parent
            told[alike] = told.get(alike, 0) + 1
    except work.InstallError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    finally:
        notes = [_note(*alike, files=files) for alike, files in told.items()]
        title = f"Wireshark's personal folders, as told by {where.told_by}"
        terminal.show_notes(title, notes, terminal.console_for(sys.stdout))


def _warn(where: "Folders") -> None:
    from hanscope import wireshark as work  # noqa: PLC0415 - only this command needs it

    if (why := work.obstacle(where)) is not None:
        complain(f"warning: the plugin is installed, but {why}")


def _note(part: str, deed: str, why: str, folder: Path, *, files: int) -> "tuple[Tone, str]":
    tone = "open" if deed in {"absent", "differs", "kept"} else "good"
    many = "1 file" if files == 1 else f"{files} files"
    return tone, f"{part}: {many} {deed}{f', {why}' if why else ''}: {folder}"
