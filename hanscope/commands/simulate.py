"""`hanscope simulate`: captures of Home Area Networks that nobody has, faults and all."""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.output import terminal

if TYPE_CHECKING:
    from hanscope.captures.simulator.truth import Truth

_ENDINGS: Final = (".pcapng", ".pcap")
_OTHERS: Final = {
    "demo": "a house in which two of four updates fail: the sample that is shipped",
    "benchmark": "updates again and again, as many frames as --frames says (pcap)",
}
"""Scenarios without faults."""


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope simulate --list
  hanscope simulate esme-update -o x.pcapng
  hanscope simulate ppmid-update --fault lost-blocks:5% --seed 3 -o x.pcapng
  hanscope simulate gsme-update --activation future --credentials -o x.pcapng
  hanscope simulate house-update --fault server-silent:40%@GSME --fault sniffer-loss:2% -o x.pcap

\b
Then:
  hanscope analyze x.pcapng --keys x.pcapng.keys.toml

Beside the capture lie x.pcapng.json (the truth: what was sent, what the devices did, which frames the sniffer was
denied) and x.pcapng.keys.toml. The same scenario, options and seed give the same octets on every machine.

A fault is NAME, NAME:PARAMETER or, for one device of several, NAME:PARAMETER@ROLE. A share is written 5% or 0.05.
""",
)
def simulate(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="What is to happen; see --list.", show_default=False)
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The capture to write: .pcapng or .pcap.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME", help="What goes wrong; may be repeated, see --list."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another number gives another run.")] = 0,
    size: Annotated[
        int | None, typer.Option("--size", metavar="OCTETS", help="Size of the images (8,000).", show_default=False)
    ] = None,
    activation: Annotated[
        str,
        typer.Option(
            "--activation",
            metavar="immediate|future|cancelled|replaced",
            help="How the new firmware of meters is ordered to be activated.",
        ),
    ] = "immediate",
    frames: Annotated[
        int | None, typer.Option("--frames", metavar="N", min=1, help="Length of the benchmark.", show_default=False)
    ] = None,
    credentials: Annotated[
        bool,
        typer.Option(
            "--credentials",
            help="Also write FILE.certificates/ and FILE.private-keys.json, to verify the messages with.",
        ),
    ] = False,
    images: Annotated[bool, typer.Option("--images", help="Also write the images, to FILE.images/.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List scenarios and faults.")] = False,
) -> None:
    """Write the capture of a simulated HAN, and what is true of it."""
    if list_:
        _show_list()
        return
    if scenario is None:
        raise CommandError("name a SCENARIO; `hanscope simulate --list` shows them", ExitCode.USAGE)
    if output is None:
        raise CommandError("say where to with -o FILE.pcapng", ExitCode.USAGE)
    _check(output, credentials=credentials, images=images, force=force)
    truth = _run(scenario, output, fault or (), seed, size, activation, frames)
    _write_beside(truth, output, credentials=credentials, images=images)
    _show(truth, output, credentials=credentials)


def _check(output: Path, *, credentials: bool, images: bool, force: bool) -> None:
    from hanscope.captures.simulator.beside import beside  # noqa: PLC0415 - heavy

    if output.suffix not in _ENDINGS:
        raise CommandError(f"--output {output}: the name must end in {' or '.join(_ENDINGS)}", ExitCode.USAGE)
    files = [output, beside(output, "json"), beside(output, "keys.toml")]
    folders = [beside(output, "images")] if images else []
    if credentials:
        files.append(beside(output, "private-keys.json"))
        folders.append(beside(output, "certificates"))
    for path in (*files, *folders):
        if path.exists() and path.is_dir() != (path in folders):
            what = "file" if path in folders else "folder"
            raise CommandError(f"{path}: this is a {what}; name another --output", ExitCode.USAGE)
        if path.exists() and not force:
            raise CommandError(f"{path}: this is there already; --force overwrites it", ExitCode.USAGE)
    if not os.access(output.parent, os.W_OK):
        raise CommandError(f"--output {output}: its folder cannot be written or does not exist", ExitCode.USAGE)


def _run(
    scenario: str,
    output: Path,
    faults: Sequence[str],
    seed: int,
    size: int | None,
    activation: str,
    frames: int | None,
) -> "Truth":
    from hanscope.captures.simulator import scenarios  # noqa: PLC0415 - heavy
    from hanscope.captures.simulator.updates import (  # noqa: PLC0415 - heavy
        DEFAULT_SIZE,
        UPDATE_SCENARIOS,
        an_activation,
    )

    if scenario not in (*UPDATE_SCENARIOS, *_OTHERS):
        known = ", ".join((*UPDATE_SCENARIOS, *_OTHERS))
        raise CommandError(f"no scenario {scenario!r}; there are: {known}", ExitCode.USAGE)
    if scenario == "benchmark" and output.suffix != ".pcap":
        raise CommandError(f"--output {output}: the benchmark is a .pcap file", ExitCode.USAGE)
    if scenario == "demo" and output.suffix != ".pcapng":
        raise CommandError(f"--output {output}: the demo is a .pcapng file", ExitCode.USAGE)
    if scenario in _OTHERS and size is not None:
        raise CommandError(f"--size is not for {scenario}; leave it out", ExitCode.USAGE)
    if scenario != "benchmark" and frames is not None:
        raise CommandError(f"--frames is for benchmark, not for {scenario}; leave it out", ExitCode.USAGE)
    try:
        truth = scenarios.simulate(
            scenario,
            output,
            seed=seed,
            frames=frames,
            faults=faults,
            size=DEFAULT_SIZE if size is None else size,
            activation=an_activation(activation),
        )
        if scenario in _OTHERS:
            from hanscope.captures.simulator.beside import beside  # noqa: PLC0415 - heavy

            truth.write(beside(output, "json"))
    except ValueError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except OSError as error:
        with suppress(OSError):
            if output.is_file():  # its beginning alone would pass for all of it
                output.unlink()
        raise _unwritable(output, error) from error
    return truth


def _write_beside(truth: "Truth", output: Path, *, credentials: bool, images: bool) -> None:
    from hanscope.captures.simulator import beside  # noqa: PLC0415 - heavy

    try:
        beside.write_keys(truth, output)
        if credentials:
            beside.write_party_credentials(truth, output)
        if images:
            beside.write_images(truth, output)
    except OSError as error:
        raise _unwritable(output, error) from error


def _unwritable(output: Path, error: OSError) -> CommandError:
    where = error.filename or output
    return CommandError(f"{where}: cannot be written: {error.strerror or error}", ExitCode.USAGE)


def _show(truth: "Truth", output: Path, *, credentials: bool) -> None:
    from hanscope.captures.simulator.beside import beside  # noqa: PLC0415 - heavy
    from hanscope.dissectors.eui64 import eui64_text  # noqa: PLC0415 - heavy

    console = terminal().console_for(sys.stdout)
    lines = [f"{output}: {truth.frames:,} frames; {len(truth.missed.time_ns):,} more that the sniffer was denied"]
    for one in truth.devices:
        node = truth.han.nodes[one.device]
        why = f" at {one.failed_at}: {one.cause}" if one.failed_at else ""
        lines.append(f"{node.role} {eui64_text(node.eui64)}: {one.state}{why}")
    terminal().show_list("Written", lines, console)
    words = ["hanscope", "analyze", str(output), "--keys", str(beside(output, "keys.toml"))]
    if credentials:
        certificates, private_keys = beside(output, "certificates"), beside(output, "private-keys.json")
        words += ["--certificates", str(certificates), "--private-keys", str(private_keys)]
    terminal().show_list("Try next", [shlex.join(words)], console)


def _show_list() -> None:
    from hanscope.captures.simulator.faults import FAULTS  # noqa: PLC0415 - heavy
    from hanscope.captures.simulator.updates import UPDATE_SCENARIOS  # noqa: PLC0415 - heavy

    console = terminal().console_for(sys.stdout)
    explained = {name: one.explanation for name, one in UPDATE_SCENARIOS.items()} | _OTHERS
    terminal().show_explained("Scenarios", explained, console)
    faults = {f"{name}{_parameter(one.share, one.words)}": one.explanation for name, one in FAULTS.items()}
    terminal().show_explained("Faults (with their default parameter)", faults, console)


def _parameter(share: float | None, words: Sequence[str]) -> str:
    if words:
        return f":{'|'.join(words)}"
    return "" if share is None else f":{share:.0%}"
