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

BAR, SHORT_BAR = 12, 6
WIDE, NARROW = 80, 66
"""Columns of a terminal from which transfers are shown with all there is to say, and below which with the least."""
EUI64_WIDTH: Final = 23
FINDINGS: Final = 8
"""Broken rules that are shown."""
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
                self._live.update("")  # its last picture may be higher than the terminal
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
            self._live.update(drawn(picture, problems, self._console.width), refresh=True)
        elif time.monotonic() >= self._line_due:
            self._line_due = time.monotonic() + _LINE_S
            self._console.print("; ".join(_told(picture, problems)), markup=False, highlight=False, soft_wrap=True)


def _told(picture: Picture, problems: Iterable[str]) -> list[str]:
    told = [
        ", ".join(filter(None, (printable(picture.name), picture.tuned, duration(int(picture.elapsed_s * 1e9))))),
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


def drawn(picture: Picture, problems: list[str], width: int = WIDE) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415 -- heavy
    from rich.text import Text  # noqa: PLC0415 -- heavy

    head = Text()
    head.append(printable(picture.name), "bold")
    head.append(f"  {picture.tuned}" if picture.tuned else "", "bold")
    head.append(f"  {duration(int(picture.elapsed_s * 1e9))}")
    if picture.path:
        head.append(f"  > {printable(picture.path)}", "dim")
    heard = f"{picture.rate:.0f} frames/s  {count(picture.frames, 'frame')}  {count(picture.device_count, 'device')}"
    parts: list[RenderableType] = [head, Text(heard)]
    warnings = [f"{picture.shut:,} encrypted frames that no key opens"] if picture.shut else []
    if warnings + problems:
        parts.append(Text("; ".join(warnings + problems), "yellow"))
    if picture.loading:
        parts += [Text(), _transfers(picture.loading, width)]
    if picture.findings:
        parts.append(Text())
        shown = picture.findings[:FINDINGS]
        parts += [Text(f"{rule} x{number}: {printable(words)}", "yellow") for rule, number, words in shown]
        if more := len(picture.findings) - len(shown):
            parts.append(Text(f"and {count(more, 'rule')} more", "yellow"))
    if picture.devices:
        parts += [Text(), _devices(picture)]
    parts.append(Text("Ctrl-C ends the capture with its report", "dim"))
    return Group(*parts)


def _transfers(loading: tuple[Loading, ...], width: int) -> RenderableType:
    """What has no room is left out, so that the device, how far it is and the time left always stand there."""
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 -- heavy
    from rich.table import Table  # noqa: PLC0415 -- heavy

    table = Table(box=None, pad_edge=False, header_style="dim")
    wide, narrow = width >= WIDE, width < NARROW
    bar = BAR if not wide or width >= WIDE + SHORT_BAR else SHORT_BAR
    names = ["firmware of", "done", "left"] if narrow else ["firmware of", "", "done", "octets/s", "left"]
    for name in names + ["mfr, type, version"] * wide:
        least = EUI64_WIDTH if name == names[0] else max(len(name), 5)
        right = name in ("done", "octets/s", "left")
        table.add_column(name, no_wrap=True, justify="right" if right else "left", min_width=least)
    for one in loading:
        progress = one.progress
        size, done = progress.image_size, progress.received_bytes
        cells: dict[str, RenderableType] = {
            "firmware of": party(progress.client, progress.pan_id),
            "": ProgressBar(total=size or 1, completed=done if size else 0, width=bar),
            "done": f"{100 * done / size:.0f} %" if size else f"{done:,}",
            "octets/s": "" if one.pace is None else f"{one.pace:,.0f}",
            "left": "" if one.left_s is None else duration(int(one.left_s * 1e9)),
        }
        ids = f"{progress.manufacturer_code:04x} {progress.image_type:04x} {progress.file_version:08x}"
        table.add_row(*(cells[name] for name in names), *[ids] * wide)
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
