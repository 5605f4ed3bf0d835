"""`hanscope extcap`: what Wireshark calls (hidden; `wireshark_plugin/extcap` has the launcher)."""

import signal
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.reading import key_ring
from hanscope.commands.sniffing import channel_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanscope.captures.batch import Secret
    from hanscope.captures.sniffers.extcap import Offer


@app.command(
    cls=Command,
    hidden=True,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def extcap(context: typer.Context) -> None:
    """Answer Wireshark, or capture for it."""
    asked = _parsed(context.args)
    if asked.extcap_interfaces:
        _print(_interfaces())
        return
    if asked.extcap_interface is None:
        raise CommandError("this is called by Wireshark; `hanscope sniff` captures by itself", ExitCode.USAGE)
    if asked.extcap_dlts:
        from hanscope.captures.sniffers.extcap import link_types  # noqa: PLC0415 - heavy

        _print(link_types())
    elif asked.extcap_config:
        from hanscope.captures.sniffers.extcap import options  # noqa: PLC0415 - heavy

        _print(options(_offer(asked)))
    elif asked.capture and asked.fifo:
        _capture(asked)
    else:
        raise CommandError("there is nothing to do: no --capture with --fifo", ExitCode.USAGE)


def _parsed(words: list[str]) -> Namespace:
    """Arguments that a later Wireshark adds are ignored, as the contract says."""
    parser = ArgumentParser(prog="hanscope extcap", allow_abbrev=False, add_help=False)
    for flag in ("--extcap-interfaces", "--extcap-dlts", "--extcap-config", "--capture"):
        parser.add_argument(flag, action="store_true")
    for option in ("--extcap-interface", "--fifo", "--channel", "--port", "--phy", "--key", "--keys"):
        parser.add_argument(option, nargs="?")  # as an empty field of Wireshark's dialog may come
    return parser.parse_known_args(words)[0]


def _print(sentences: "Iterable[str]") -> None:
    for sentence in sentences:
        typer.echo(sentence)


def _interfaces() -> "Iterable[str]":
    from importlib.metadata import version  # noqa: PLC0415 - only here

    from hanscope.captures.sniffers.extcap import interfaces  # noqa: PLC0415 - heavy

    return interfaces(version("hanscope"))


def _offer(asked: Namespace) -> "Offer":
    from hanscope.captures.sniffers.extcap import offer_of  # noqa: PLC0415 - heavy

    offer = offer_of(asked.extcap_interface)
    if offer is None:
        raise CommandError(f"{asked.extcap_interface}: it is not there (any longer); plug it in", ExitCode.INPUT)
    return offer


def _capture(asked: Namespace) -> None:
    """Writes to the pipe until it is closed, or until told to end.

    The pipe is opened first and gets its header at once, whatever comes: tshark waits for that without end.
    """
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.live import SnifferFeed  # noqa: PLC0415 - heavy
    from hanscope.captures.recorder import Recorder, RecordingError  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.base import SnifferError  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.catalogue import made  # noqa: PLC0415 - heavy
    from hanscope.captures.sniffers.extcap import DEFAULT_CHANNEL, wanted  # noqa: PLC0415 - heavy

    try:
        recorder = Recorder(Path(asked.fifo), force=True)
        recorder.interface(asked.extcap_interface, "")
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    try:
        offer = _offer(asked)
        for secret in _secrets(asked):
            recorder.secret(secret)
        channel = channel_of(asked.channel) if asked.channel else DEFAULT_CHANNEL
        sniffer = made(wanted(offer, asked.port or None, _phy(asked)))
        feed = SnifferFeed(sniffer, channel if offer.kind.tunable else None, recorder)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: feed.stop())
        feed.begin()
        for _ in feed.batches():
            pass  # it is written where it is read
        if feed.failure is not None and not isinstance(feed.failure.__cause__, BrokenPipeError):
            raise feed.failure
    except (SnifferError, RecordingError, CaptureError) as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
    finally:
        recorder.close()


def _phy(asked: Namespace) -> int | None:
    try:
        return int(asked.phy) if asked.phy else None
    except ValueError:
        raise CommandError(f"--phy {asked.phy}: this is no number", ExitCode.USAGE) from None


def _secrets(asked: Namespace) -> "list[Secret]":
    """The keys as the capture holds them for whoever reads it."""
    from hanscope.analyzers.analysis import ANY_PAN  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import Secret  # noqa: PLC0415 - heavy

    if not asked.key and not asked.keys:
        return []
    ring = key_ring(Path(asked.keys) if asked.keys else None, [asked.key] if asked.key else None)
    network = [Secret("nwk", one.octets, ANY_PAN if one.pan_id is None else one.pan_id) for one in ring.network]
    # A capture's secrets name a link key's devices by short addresses, which nobody knows before the capture.
    return network + [Secret("aps", one.octets, ANY_PAN, (ANY_PAN, ANY_PAN)) for one in ring.link]
