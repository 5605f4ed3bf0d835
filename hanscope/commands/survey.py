"""`hanscope survey`: which networks there are."""

import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, complain
from hanscope.commands.options import Format, FormatOption
from hanscope.commands.sniffing import Baud, Phy, Port, SnifferName, channel_of, sniffer_of, until_told

if TYPE_CHECKING:
    from hanscope.analyzers.survey import Heard
    from hanscope.captures.sniffers.channels import Channel


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope survey cc2531
  hanscope survey packet-sniffer-2 --port /dev/ttyUSB0 --sub-ghz
  hanscope survey nrf52840 --channel 11 --channel 15 --dwell 10

It only listens: a network that says nothing meanwhile is not found. json and jsonl print one channel a line.
""",
)
def survey(
    sniffer: SnifferName,
    *,
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", "-c", metavar="CHANNEL", help="Only this one; may be repeated (else 11 to 26)."),
    ] = None,
    sub_ghz: Annotated[bool, typer.Option("--sub-ghz", help="The channels of pages 28 to 31 too.")] = False,
    dwell: Annotated[float, typer.Option("--dwell", metavar="S", min=0.1, help="Seconds on each channel.")] = 2.0,
    port: Port = None,
    baud: Baud = None,
    phy: Phy = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Listen on all channels in turn, and list the networks heard."""
    from hanscope.analyzers.survey import survey as run  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.base import SnifferError  # noqa: PLC0415 - heavy
    from hanscope.report.json import lines  # noqa: PLC0415 - heavy

    device = sniffer_of(sniffer, port, baud, phy)
    channels = _channels(sniffer, channel, sub_ghz=sub_ghz)
    stopping = threading.Event()
    found: list[Heard] = []
    try:
        with until_told(stopping.set):
            for heard in run(device, channels, dwell_s=dwell, stopped=stopping.is_set):
                found.append(heard)
                if form is Format.TEXT:
                    _show(heard)
                else:
                    sys.stdout.buffer.writelines(lines([heard]))
                    sys.stdout.buffer.flush()
    except SnifferError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
    if form is Format.TEXT:
        _conclude(found, len(channels))
    if problems := device.problems():
        complain(f"{device.name}: {'; '.join(problems)}")


def _channels(sniffer: str, texts: list[str] | None, *, sub_ghz: bool) -> "list[Channel]":
    from hanscope.captures.sniffers.catalogue import KINDS  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.channels import PAGE_2_4_GHZ, all_channels  # noqa: PLC0415 - heavy

    kind = KINDS[sniffer]
    if not kind.tunable:
        raise CommandError(
            f"{sniffer}: its channel is chosen elsewhere; `hanscope sniff` listens to it", ExitCode.USAGE
        )
    if sub_ghz and not kind.sub_ghz:
        raise CommandError(f"--sub-ghz: {sniffer} hears 2.4 GHz only; packet-sniffer-2 hears more", ExitCode.USAGE)
    if texts:
        return [one for text in texts if (one := channel_of(text)) is not None]
    return [one for one in all_channels() if one.page == PAGE_2_4_GHZ or sub_ghz]


def _show(heard: "Heard") -> None:
    """One line a network as soon as its channel is done."""
    from hanscope.captures.sniffers.channels import Channel  # noqa: PLC0415 - heavy
    from hanscope.report.words import count  # noqa: PLC0415 - heavy

    where = f"channel {Channel(heard.channel, heard.page)} ({heard.frequency_mhz:g} MHz)"
    beside = f", {heard.bad_fcs:,} damaged" if heard.bad_fcs else ""
    typer.echo(f"{where}: {count(heard.frames, 'frame') if heard.frames else 'nothing'}{beside}")
    for net in heard.networks:
        told = [f"  PAN 0x{net.pan_id:04x}"]
        if net.extended_pan_id is not None:
            told.append(f"extended {net.extended_pan_id}")
        told += [count(net.devices, "device"), count(net.frames, "frame")]
        if net.rssi_dbm is not None:
            told.append(f"strongest {net.rssi_dbm:.0f} dBm")
        if net.joining is not None:
            told.append("open for joining" if net.joining else "closed for joining")
        typer.echo(", ".join(told))


def _conclude(found: "list[Heard]", wanted: int) -> None:
    from hanscope.report.words import count  # noqa: PLC0415 - heavy

    networks = sum(len(heard.networks) for heard in found)
    typer.echo(f"{count(networks, 'network')} on {len(found)} of {count(wanted, 'channel')}")
