"""The live view: what a sniffer hears, who talks, and how far each firmware transfer is, while it happens."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from hanscope.report.words import count, duration, party, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from hanscope.analyzers.live import Loading, Picture, Talking
    from hanscope.captures.sniffers.base import Counts

BAR: Final = 12
EUI64_WIDTH: Final = 23
_LINE_S: Final = 10.0
"""How often a line is printed where there is no terminal to draw on."""


class LiveView:
    """Call it with each `Picture`. On a terminal it draws; elsewhere it prints a line now and then."""

    def __init__(self, stream: TextIO, counts: Counts | None = None) -> None:
        """`counts`: of the sniffer, whose problems are shown."""
        from hanscope.report.terminal import console_for  # noqa: PLC0415 -- heavy

        self._console = console_for(stream)
        self._counts = counts
        self._live: Live | None = None
        self._line_due = 0.0
        self._gone = False

    def __enter__(self) -> Self:
        from rich.live import Live  # noqa: PLC0415 -- heavy

        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()

    def __call__(self, picture: Picture) -> None:
        problems = [] if self._counts is None else self._counts.problems()
        try:
            self._show(picture, problems)
        except OSError:  # the terminal has gone, or whoever read the log: the capture goes on
            self._gone = True

    def _show(self, picture: Picture, problems: list[str]) -> None:
        if self._gone:
            return
        if self._live is not None:
            self._live.update(_drawn(picture, problems), refresh=True)
        elif time.monotonic() >= self._line_due:
            self._line_due = time.monotonic() + _LINE_S
            self._console.print("; ".join(_told(picture, problems)), markup=False, highlight=False, soft_wrap=True)


def _told(picture: Picture, problems: Iterable[str]) -> list[str]:
    told = [
        f"{printable(picture.name)}, {duration(int(picture.elapsed_s * 1e9))}",
        f"{count(picture.frames, 'frame')}, {picture.rate:.0f} a second",
    ]
    if picture.bad_fcs:
        told.append(f"{picture.bad_fcs:,} damaged")
    if picture.shut:
        told.append(f"{picture.shut:,} encrypted without a key")
    told += problems
    told += [_loading(one) for one in picture.loading]
    return told


def _loading(one: Loading) -> str:
    progress = one.progress
    size = progress.image_size
    done = f"{progress.received_bytes:,} of {size:,} octets" if size else f"{progress.received_bytes:,} octets"
    return f"{party(progress.client, progress.pan_id)} loads {done}{_pace(one)}"


def _pace(one: Loading) -> str:
    if one.pace is None:
        return ""
    left = "" if one.left_s is None else f", {duration(int(one.left_s * 1e9))} left"
    return f", {one.pace:,.0f} octets/s{left}"


def _drawn(picture: Picture, problems: list[str]) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415 -- heavy
    from rich.text import Text  # noqa: PLC0415 -- heavy

    head = Text()
    head.append(printable(picture.name), "bold")
    head.append(f"  {duration(int(picture.elapsed_s * 1e9))}  {picture.rate:.0f} frames/s  ")
    head.append(f"{count(picture.frames, 'frame')}  {count(picture.device_count, 'device')}")
    if picture.path:
        head.append(f"  > {printable(picture.path)}", "dim")
    parts: list[RenderableType] = [head]
    warnings = [f"{picture.shut:,} encrypted frames that no key opens"] if picture.shut else []
    if warnings + problems:
        parts.append(Text("; ".join(warnings + problems), "yellow"))
    if picture.loading:
        parts += [Text(), _transfers(picture.loading)]
    if picture.findings:
        parts.append(Text())
        parts += [
            Text(f"{rule} x{number}: {printable(words)}", "yellow") for rule, number, words in picture.findings[-8:]
        ]
    if picture.devices:
        parts += [Text(), _devices(picture)]
    parts.append(Text("Ctrl-C ends the capture with its report", "dim"))
    return Group(*parts)


def _transfers(loading: tuple[Loading, ...]) -> RenderableType:
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 -- heavy
    from rich.table import Table  # noqa: PLC0415 -- heavy

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("firmware of", no_wrap=True, min_width=EUI64_WIDTH)
    for name in ("", "done", "octets/s", "left"):
        table.add_column(name, no_wrap=True, justify="left" if not name else "right", min_width=max(len(name), 5))
    table.add_column("manufacturer, type, version", no_wrap=True)
    for one in loading:
        progress = one.progress
        size, done = progress.image_size, progress.received_bytes
        table.add_row(
            party(progress.client, progress.pan_id),
            ProgressBar(total=size or 1, completed=done if size else 0, width=BAR),
            f"{100 * done / size:.0f} %" if size else f"{done:,}",
            "" if one.pace is None else f"{one.pace:,.0f}",
            "" if one.left_s is None else duration(int(one.left_s * 1e9)),
            f"{progress.manufacturer_code:04x} {progress.image_type:04x} {progress.file_version:08x}",
        )
    return table


def _devices(picture: Picture) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415 -- heavy

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (
        ("network", "left"),
        ("device", "left"),
        ("frames", "right"),
        ("dBm", "right"),
        ("LQI", "right"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for one in picture.devices:
        table.add_row(
            f"0x{one.pan_id:04X}" if one.pan_id >= 0 else "?",
            _address(one),
            f"{one.frames:,}",
            "" if one.rssi_dbm is None else f"{one.rssi_dbm:.0f}",
            "" if one.lqi is None else f"{one.lqi:.0f}",
        )
    more = picture.device_count - len(picture.devices)
    if more > 0:
        table.add_row("", f"and {more:,} more")
    return table


def _address(one: Talking) -> str:
    from hanscope.dissectors.eui64 import eui64_text  # noqa: PLC0415 -- beside the others

    return f"0x{one.short:04X}" if one.short >= 0 else eui64_text(one.eui64)
