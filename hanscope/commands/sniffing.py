"""What the commands that use sniffers share: which sniffer, on which channel, and how it failed."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import CommandError, ExitCode

if TYPE_CHECKING:
    from hanscope.captures.live import Feed
    from hanscope.captures.recorder import Recorder
    from hanscope.captures.sniffers.base import Sniffer
    from hanscope.captures.sniffers.channels import Channel

SnifferName = Annotated[
    str,
    typer.Argument(
        metavar="SNIFFER",
        help="cc2531, nrf52840, packet-sniffer-2, rcp, sensniff, zboss, zep; `hanscope doctor` shows what is there.",
        show_default=False,
    ),
]
ChannelText = Annotated[
    str | None,
    typer.Option("--channel", "-c", metavar="CHANNEL", help="11 to 26, or PAGE/CHANNEL such as 28/3 (sub-GHz)."),
]
Port = Annotated[
    str | None,
    typer.Option(
        "--port",
        "-p",
        metavar="PORT",
        help="Serial port, USB place (1-2.3), UDP [ADDRESS:]PORT of zep, or HOST[:PORT] of silabs.",
    ),
]
Baud = Annotated[int | None, typer.Option("--baud", metavar="N", min=1, help="Of the serial port, if unusual.")]
Phy = Annotated[
    int | None,
    typer.Option("--phy", metavar="N", min=0, max=255, help="Of packet-sniffer-2: PHY by its firmware's own table."),
]


def channel_of(text: str | None) -> "Channel | None":
    from hanscope.captures.sniffers.channels import Channel  # noqa: PLC0415 - heavy

    try:
        return None if text is None else Channel.parse(text)
    except ValueError as error:
        raise CommandError(f"--channel: {error}", ExitCode.USAGE) from None


def sniffer_of(model: str, port: str | None, baud: int | None, phy: int | None) -> "Sniffer":
    from hanscope.captures.sniffers.base import SnifferError  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.catalogue import Wanted, made  # noqa: PLC0415 - heavy

    try:
        return made(Wanted(model, port, baud, phy))
    except SnifferError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def recorder_of(path: Path | None, octets: int, seconds: float, *, force: bool) -> "Recorder | None":
    from hanscope.captures.recorder import Recorder, RecordingError, Rotation  # noqa: PLC0415 - heavy

    if path is None:
        return None
    try:
        return Recorder(path, rotation=Rotation(octets, seconds), force=force)
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


@contextmanager
def until_told(stop: Callable[[], object]) -> Generator[None]:
    """Ctrl-C or a polite kill calls `stop`, which ends the listening and not the program; a second Ctrl-C ends both."""

    def told(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = {one: signal.signal(one, told) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def begin(feed: "Feed") -> None:
    """Begins, or ends the command with what is wrong and what to do."""
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.recorder import RecordingError  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.base import SnifferError  # noqa: PLC0415 - heavy

    try:
        feed.begin()
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except (SnifferError, CaptureError) as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
