"""`hanscope sniff`: capture and analyze while it happens."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, complain
from hanscope.commands.options import (
    Certificates,
    FailOn,
    Format,
    FormatOption,
    Gate,
    KeysFile,
    KeyTexts,
    Output,
    PrivateKeys,
    Redact,
    ShowKeys,
)
from hanscope.commands.output import key_paths, put, redacted, reporting_of, terminal
from hanscope.commands.reading import credentials_of, exit_code, key_ring
from hanscope.commands.sniffing import (
    Baud,
    ChannelText,
    Phy,
    Port,
    begin,
    channel_of,
    recorder_of,
    sniffer_of,
    until_told,
)

if TYPE_CHECKING:
    from hanscope.captures.live import Feed

_FILE: Final = "file:"
_MIB: Final = 1 << 20


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope sniff cc2531 --channel 11 --write house.pcapng --keys keys.toml
  hanscope sniff nrf52840 --port /dev/ttyACM0 --channel 20 -w house.pcapng
  hanscope sniff packet-sniffer-2 --port /dev/ttyUSB0 --channel 28/3 -w house.pcapng --rotate-time 3600
  hanscope sniff zep --port 17754 -w house.pcapng
  hanscope sniff silabs --port 192.168.1.7 -w house.pcapng
  hanscope sniff file:house.pcapng --follow           a file that another program writes
  dumpcap -q -i - -w - ... | hanscope sniff -

Ctrl-C ends the capture with the report on what was captured. What was captured is in the file at once: nothing more is
lost than a tenth of a second when the machine fails. With --rotate-size or --rotate-time the files are named
house_00001.pcapng, house_00002.pcapng, and so on.
""",
)
def sniff(
    sniffer: Annotated[
        str,
        typer.Argument(
            metavar="SNIFFER",
            help="cc2531, nrf52840, packet-sniffer-2, rcp, sensniff, silabs, zboss, zep, file:PATH, or - for a pipe.",
            show_default=False,
        ),
    ],
    *,
    channel: ChannelText = None,
    port: Port = None,
    baud: Baud = None,
    phy: Phy = None,
    write: Annotated[Path | None, typer.Option("--write", "-w", metavar="FILE", help="Write a pcapng file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    rotate_size: Annotated[
        int, typer.Option("--rotate-size", metavar="MIB", min=0, help="Begin a new file after so many MiB.")
    ] = 0,
    rotate_time: Annotated[
        float, typer.Option("--rotate-time", metavar="S", min=0, help="Begin a new file after so many seconds.")
    ] = 0,
    seconds: Annotated[
        float, typer.Option("--duration", metavar="S", min=0, help="End after so many seconds (else with Ctrl-C).")
    ] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Of file:PATH: wait for more at its end.")] = False,
    quiet: Annotated[bool, typer.Option("--no-view", help="Show nothing until the report.")] = False,
    keys: KeysFile = None,
    key: KeyTexts = None,
    certificates: Certificates = None,
    private_keys: PrivateKeys = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    fail_on: FailOn = Gate.ERROR,
    redact: Redact = False,
    show_keys: ShowKeys = False,
) -> None:
    """Capture live, show what happens, and report at the end."""
    from hanscope.analyzers.live import LiveAnalysis  # noqa: PLC0415 - heavy
    from hanscope.captures.live import FileFeed, SnifferFeed  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.live import LiveView  # noqa: PLC0415 - heavy

    of_file = sniffer == "-" or sniffer.startswith(_FILE)
    _check(
        of_file=of_file,
        standard_input=sniffer == "-",
        file_only=follow,
        sniffer_only=any((channel, port, baud, phy)),
        write=write,
        rotate=bool(rotate_size or rotate_time),
    )
    source = sniffer.removeprefix(_FILE)
    reporting = reporting_of(form, output, redact=redact, show_keys=show_keys, inputs=[source, *key_paths(keys)])
    ring, credentials = key_ring(keys, key), credentials_of(certificates, private_keys)
    tuned = channel_of(channel)
    device = None if of_file else sniffer_of(sniffer, port, baud, phy)
    recorder = recorder_of(write, rotate_size * _MIB, rotate_time, force=force)
    feed = FileFeed(source, recorder, follow=follow) if device is None else SnifferFeed(device, tuned, recorder)
    counts = None if device is None else device.counts
    view = nullcontext() if quiet else LiveView(sys.stderr, counts)

    def stop() -> None:
        if not feed.begun:
            raise KeyboardInterrupt
        feed.stop()

    with until_told(stop):
        begin(feed)
        with _at_most(feed, seconds), view as show:
            run = LiveAnalysis(feed, show).run(ring, show_keys=show_keys, credentials=credentials)
    _tell(feed, [] if device is None else device.problems())
    analysis = redacted(run.analysis, reporting)
    put(
        reporting,
        text=lambda console: terminal().show_analysis(analysis, console),
        json=lambda: [json.document(analysis)],
        jsonl=lambda: json.analysis_lines(analysis),
    )
    code = exit_code(analysis, fail_on)
    failed = feed.failure is not None or feed.notes.faults
    raise typer.Exit(ExitCode.INPUT if failed and code is not ExitCode.INTERRUPTED else code)


def _check(
    *, of_file: bool, standard_input: bool, file_only: bool, sniffer_only: bool, write: Path | None, rotate: bool
) -> None:
    if of_file and sniffer_only:
        raise CommandError("--channel, --port, --baud and --phy are for sniffers, not for files", ExitCode.USAGE)
    if standard_input and sys.stdin.isatty():
        raise CommandError("-: standard input is a terminal; pipe a capture in", ExitCode.USAGE)
    if file_only and not of_file:
        raise CommandError("--follow is for file:PATH", ExitCode.USAGE)
    if write is not None and str(write) == "-":
        raise CommandError("--write -: standard output is for the report; name a file or a named pipe", ExitCode.USAGE)
    if rotate and write is None:
        raise CommandError("--rotate-size and --rotate-time belong to --write FILE", ExitCode.USAGE)


@contextmanager
def _at_most(feed: "Feed", seconds: float) -> Generator[None]:
    """The end of the time ends the capture; 0: there is none."""
    timer = threading.Timer(seconds, feed.stop)
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell(feed: "Feed", problems: list[str]) -> None:
    if feed.recorder is not None:
        for path in feed.recorder.paths:
            with suppress(OSError):  # nobody listens there
                print(f"{path}: written", file=sys.stderr)  # noqa: T201 - beside the report
    if problems:
        complain(f"{feed.name}: {'; '.join(problems)}")
    if feed.recorder is not None:
        for fault in feed.notes.faults:  # which the report, that of what was written, does not know
            complain(f"{feed.name}: {fault.where}: {fault.what}")
    if feed.failure is not None:
        complain(str(feed.failure))
    elif not feed.frames and feed.nothing_heard:
        complain(f"{feed.name}: {feed.nothing_heard}")
