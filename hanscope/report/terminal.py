"""The report for people: the verdict first, then what it stands on.

On a terminal it is drawn with colours, block characters and marks; in a pipe or a file it is plain ASCII of the same
shape, so that `grep` and `diff` work on it. No line is wider than the terminal, or than 80 columns in a pipe.
Colours are only ever the foreground's red, green, yellow and cyan, which can be read on a light and on a dark terminal.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple, TextIO

from rich.console import Console
from rich.text import Text

from hanscope.analyzers.results import (
    Analysis,
    Capture,
    Device,
    Image,
    Key,
    MissingRange,
    Outcome,
    Transfer,
    TransferEvent,
    Unopened,
)
from hanscope.report import conversation, diagnosis, findings, images, updates, witnesses, words
from hanscope.report.words import Tone, count, moment, printable

WIDEST: Final = 100
"""Columns; longer lines are hard to read."""

MOST: Final = 50
"""Rows of one table; the JSON has them all."""
MOST_RANGES: Final = 8
MOST_REASONS: Final = 8
MOST_EVENTS: Final = 24

Part = str | tuple[str, str]
"""A piece of a line, plain or with a style."""


class Glyphs(NamedTuple):
    """What is drawn with; `strip` maps the characters of `Transfer.strip`."""

    strip: dict[str, str]
    tones: dict[Tone, str]
    outcomes: dict[Outcome, str]
    ellipsis: str


DRAWN: Final = Glyphs(
    {"#": "█", "+": "▓", ".": "░"},
    {"good": "✓", "open": "?", "bad": "✗"},
    {"valid": "✓", "unknown": "?", "invalid": "✗"},
    "…",
)
PLAIN: Final = Glyphs(
    {"#": "#", "+": "+", ".": "."},
    {"good": "OK:", "open": "UNSURE:", "bad": "PROBLEM:"},
    {"valid": "valid  ", "unknown": "unknown", "invalid": "INVALID"},
    "...",
)

_TONES: Final[dict[Tone, str]] = {"good": "bold green", "open": "yellow", "bad": "bold red"}
_OUTCOMES: Final[dict[Outcome, str]] = {"valid": "green", "unknown": "yellow", "invalid": "bold red"}
_STRIP: Final = {"#": "green", "+": "yellow", ".": "red"}


class _PipedConsole(Console):
    """A console that leaves it to the command line to end when nobody reads any more (rich would exit here, with 1)."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def console_for(stream: TextIO) -> Console:
    """A console on `stream`: colours only on a terminal and without NO_COLOR; nothing is interpreted as markup."""
    return _PipedConsole(
        file=stream,
        color_system=None if os.environ.get("NO_COLOR") or not stream.isatty() else "auto",
        width=None if stream.isatty() or "COLUMNS" in os.environ else 80,
        force_terminal=stream.isatty(),
        markup=False,
        emoji=False,
        highlight=False,
    )


class Page:
    """Lays lines out on a console; every text that comes here is made harmless (`words.printable`)."""

    def __init__(self, console: Console, *, begun: bool = False) -> None:
        self._console = console
        self._begun = begun
        self._width = min(console.width, WIDEST)
        self._plain = console.color_system is None and not console.is_terminal and not console.record
        """Whether a line's text is all that is written of it."""
        self.glyphs = DRAWN if console.is_terminal and _can_draw(console.encoding) else PLAIN

    def heading(self, title: str, note: str = "") -> None:
        if self._begun:
            self._console.print()
        self.line([(title, "bold"), f"  {note}" if note else ""])

    def line(self, parts: Sequence[Part] | str, *, indent: int = 0, hang: int = 0) -> None:
        """A paragraph, wrapped at words; `hang`: by how much more its further lines are indented."""
        text = _text([parts] if isinstance(parts, str) else parts)
        if text.cell_len <= self._width - indent:
            self._print(" " * indent, text)
            return
        first = text.wrap(self._console, max(self._width - indent, 1))[:1]
        if not first or len(first[0]) >= len(text.plain.rstrip()):
            self._print(" " * indent, text)
            return
        rest = text[len(first[0]) :]
        self._print(" " * indent, first[0])
        rest = text[len(text.plain) - len(rest.plain.lstrip()) :]
        for line in rest.wrap(self._console, max(self._width - indent - hang, 1)):
            self._print(" " * (indent + hang), line)

    def verbatim(self, line: str, *, indent: int = 0) -> None:
        """A line that stays one, however long it is."""
        self._print(" " * indent, _text([line]))

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[Part]], *, indent: int = 2) -> None:
        """Columns without rules; a title that begins with `>` sets its column right. What is too wide for the page is
        wrapped in the last column, then in the widest one.
        """
        right = [title.startswith(">") for title in titles]
        cells = [[_text([part]) for part in row] for row in rows]
        heads = [Text(title.removeprefix(">"), "bold") for title in titles]
        widths = [max(row[column].cell_len for row in [heads, *cells]) for column in range(len(titles))]
        room = self._width - indent - 2 * (len(widths) - 1)
        for column in (len(widths) - 1, max(range(len(widths)), key=widths.__getitem__)):
            if (excess := sum(widths) - room) > 0:
                words_ = (word for row in [heads, *cells] for word in row[column].plain.split())
                widths[column] = max(widths[column] - excess, max(map(len, words_), default=0))
        for row in [heads, *cells]:
            lines = [self._wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
            for number in range(max(map(len, lines))):
                whole = Text()
                for line, width, is_right in zip(lines, widths, right, strict=True):
                    cell = line[number] if number < len(line) else Text()
                    pad = " " * (width - cell.cell_len)
                    whole.append_text(Text.assemble(pad, cell, "  ") if is_right else Text.assemble(cell, pad, "  "))
                self._print(" " * indent, whole)

    def _wrapped(self, cell: Text, width: int) -> Sequence[Text]:
        if cell.cell_len <= width:
            return [cell]
        lines = list(cell.wrap(self._console, width))
        for line in lines:
            line.rstrip()
        return lines

    def more(self, items: Sequence[object], shown: int, noun: str, *, indent: int = 2) -> None:
        """Says how many of `items` were not shown."""
        if len(items) > shown:
            self.line(f"{self.glyphs.ellipsis} and {count(len(items) - shown, f'more {noun}')}", indent=indent)

    def _print(self, lead: str, text: Text) -> None:
        self._begun = True
        if self._plain:  # what rich would come to as well, after a while
            self._console.file.write(f"{lead}{text.plain}".rstrip() + "\n")
            return
        whole = Text(lead) + text
        whole.rstrip()
        self._console.print(whole, soft_wrap=True)


def _can_draw(encoding: str) -> bool:
    drawn = "".join([*DRAWN.strip.values(), *DRAWN.tones.values(), *DRAWN.outcomes.values(), DRAWN.ellipsis])
    try:
        drawn.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _text(parts: Iterable[Part]) -> Text:
    text = Text()
    for part in parts:
        said, style = (part, "") if isinstance(part, str) else part
        text.append(printable(said), style or None)
    return text


# The reports of the commands.


def show_analysis(analysis: Analysis, console: Console) -> None:
    """Everything: the report of `hanscope analyze`."""
    page = Page(console)
    _verdict(page, analysis)
    updates.show(page, analysis)
    _diagnoses(page, analysis)
    _devices(page, analysis.devices)
    _transfers(page, analysis.transfers)
    diagnosis.show_comparisons(page, analysis.comparisons)
    images.show(page, analysis.images, MOST)
    conversation.show(page, analysis)
    _keys(page, analysis.keys)
    _unopened(page, analysis.unopened)
    findings.show_quality(page, analysis.quality)
    _captures(page, analysis)


def show_transfers(analysis: Analysis, console: Console) -> None:
    """The verdict and the transfers: the report of `hanscope transfers`; images if they were held against something."""
    page = Page(console)
    _verdict(page, analysis)
    _transfers(page, analysis.transfers)
    if any(one.source in witnesses.FROM_OUTSIDE for image in analysis.images for one in image.witnesses):
        images.show(page, analysis.images, MOST)


def show_keys(analysis: Analysis, console: Console) -> None:
    """The key ledger and what stayed shut: the beginning of the report of `hanscope keys`."""
    page = Page(console)
    if not analysis.keys:
        page.heading("Keys", "none were given, and none were heard")
    _keys(page, analysis.keys)
    _unopened(page, analysis.unopened)


def show_images(given: Sequence[Image], console: Console) -> None:
    """Images and their checks, all that were asked for: the report of `hanscope image`."""
    page = Page(console)
    images.show(page, given, len(given))
    if len(given) > 1:
        images.show_overview(page, given)


def show_notes(title: str, notes: Sequence[tuple[Tone, str]], console: Console) -> None:
    """A heading and marked lines: what was exported, what this machine can do."""
    page = Page(console, begun=True)
    page.heading(title)
    for tone, note in notes:
        mark = page.glyphs.tones[tone]
        page.line([(mark, _TONES[tone]), " ", note], indent=2, hang=len(mark) + 1)


def show_list(title: str, lines: Sequence[str], console: Console) -> None:
    """A heading and lines to be copied: these are not wrapped."""
    page = Page(console, begun=True)
    page.heading(title)
    for line in lines:
        page.verbatim(line, indent=2)


def show_explained(title: str, explained: Mapping[str, str], console: Console) -> None:
    """A heading, and names with what they mean."""
    page = Page(console, begun=True)
    page.heading(title)
    width = max(map(len, explained)) + 2
    for name, text in explained.items():
        page.line(f"{name:{width}}{text}", indent=2, hang=width)


# The sections.


def _verdict(page: Page, analysis: Analysis) -> None:
    tone, sentences = words.verdict(analysis)
    mark = page.glyphs.tones[tone]
    page.line([(mark, _TONES[tone]), " ", (sentences[0] if sentences else "", "bold")], hang=2)
    for sentence in sentences[1:]:
        page.line(sentence, indent=2)


def _diagnoses(page: Page, analysis: Analysis) -> None:
    diagnosis.show_diagnoses(page, analysis.diagnoses)
    findings.show_findings(page, analysis.findings)


def _devices(page: Page, devices: Sequence[Device]) -> None:
    if not devices:
        return
    page.heading("Devices", f"{len(devices):,}")
    measured = [
        (title, told)
        for title, told in ((">LQI", _lqi), (">dBm", _rssi_dbm))
        if any(told(device) for device in devices[:MOST])
    ]
    page.table(
        ["PAN", "short", "EUI-64", ">frames", *(title for title, _ in measured), "role"],
        [
            [
                f"0x{device.pan_id:04x}",
                "?" if device.short is None else f"0x{device.short:04x}",
                (device.eui64 or "?", "cyan"),
                f"{device.frames:,}",
                *(told(device) for _, told in measured),
                device.role,
            ]
            for device in devices[:MOST]
        ],
    )
    page.more(devices, MOST, "device")
    because = list(dict.fromkeys(f"{device.role}: {device.evidence}" for device in devices if device.role != "unknown"))
    for reason in because[:MOST_REASONS]:
        page.line(reason, indent=2, hang=2)
    page.more(because, MOST_REASONS, "reason")


def _lqi(device: Device) -> str:
    return "" if device.lqi is None else f"{device.lqi:.0f}"


def _rssi_dbm(device: Device) -> str:
    return "" if device.rssi_dbm is None else f"{device.rssi_dbm:.0f}"


def _transfers(page: Page, transfers: Sequence[Transfer]) -> None:
    if not transfers:
        return
    page.heading("Transfers", f"{len(transfers):,}")
    for number, transfer in enumerate(transfers[:MOST]):
        if number:
            page.line("")
        _transfer(page, transfer)
    page.more(transfers, MOST, "transfer")


def _transfer(page: Page, transfer: Transfer) -> None:
    tone: Tone = "good" if words.succeeded(transfer) else "bad" if words.failed(transfer) else "open"
    pan_id = transfer.pan_id
    attempt = f", attempt {transfer.attempt}" if transfer.attempt > 1 else ""
    page.line(
        [
            (transfer.id, "bold"),
            " ",
            (words.party(transfer.client, pan_id), "bold cyan"),
            f" from {words.party(transfer.server, pan_id)}{attempt}",
        ],
        indent=2,
        hang=3,
    )
    named = words.identity(transfer.manufacturer_code, transfer.image_type, transfer.file_version)
    page.line(f"image {named}", indent=5, hang=2)
    page.line(["state ", (words.state(transfer), _TONES[tone])], indent=5, hang=2)
    page.line(_strip(page, transfer.strip), indent=5)
    complete = "complete, " if transfer.complete else ""
    page.line(f"{complete}{words.coverage(transfer)}", indent=5, hang=2)
    page.line(
        f"{moment(transfer.started)}, {words.duration(transfer.ended - transfer.started)}, "
        f"frames {words.frame(transfer.first_frame)} to {words.frame(transfer.last_frame)}",
        indent=5,
        hang=2,
    )
    page.line(_exchange(transfer), indent=5, hang=2)
    if transfer.sha256:
        page.line(f"sha256 {transfer.sha256}", indent=5)
    if transfer.conflicting_bytes:
        told = "; ".join(
            f"{start:,} to {end:,}: frame {words.frame(kept)} kept, frame {words.frame(other)} differs"
            for start, end, kept, other in transfer.conflicts[:3]
        )
        page.line(
            [(f"{count(transfer.conflicting_bytes, 'octet')} came with different values", "bold red"), f" ({told})"],
            indent=5,
            hang=2,
        )
    _missing(page, transfer.missing_ranges)
    _events(page, transfer.events)


def _strip(page: Page, strip: str) -> list[Part]:
    return [
        (page.glyphs.strip.get(sign, sign) * len(list(same)), _STRIP.get(sign, "")) for sign, same in groupby(strip)
    ]


def _exchange(transfer: Transfer) -> str:
    """How the blocks were asked for and came, in one sentence; what did not happen is not told."""
    told = [
        count(transfer.block_requests, "block request"),
        count(transfer.page_requests, "page request") if transfer.page_requests else "",
        count(transfer.block_responses, "block response"),
        f"{transfer.repeated_requests:,} asked again" if transfer.repeated_requests else "",
        count(transfer.duplicate_blocks, "duplicate block") if transfer.duplicate_blocks else "",
        f"told to wait {count(transfer.wait_responses, 'time')} ({words.duration(transfer.waited_ns)})"
        if transfer.wait_responses
        else "",
        count(len(transfer.resumptions), "resumption") if transfer.resumptions else "",
    ]
    return ", ".join(filter(None, told))


def _missing(page: Page, ranges: Sequence[MissingRange]) -> None:
    if not ranges:
        return
    octets: Counter[str] = Counter()
    for gap in ranges:
        octets[gap.reason] += gap.end - gap.start
    page.line(
        [
            ("missing ", "bold"),
            f"{count(octets.total(), 'octet')} in {count(len(ranges), 'range')}: ",
            "; ".join(f"{number:,} {reason}" for reason, number in octets.most_common()),
        ],
        indent=5,
        hang=2,
    )
    page.table(
        [">from", ">to", ">octets", "reason"],
        [[f"{gap.start:,}", f"{gap.end:,}", f"{gap.end - gap.start:,}", gap.reason] for gap in ranges[:MOST_RANGES]],
        indent=7,
    )
    page.more(ranges, MOST_RANGES, "range", indent=7)


def _events(page: Page, events: Sequence[TransferEvent]) -> None:
    """The story: its beginning and, if it is long, its end."""
    if not events:
        return
    one_day = len({moment(event.time).partition("T")[0] for event in events}) == 1
    when = words.clock if one_day else moment
    frame_width = max(len(words.frame(event.frame)) for event in events)
    ending = MOST_EVENTS // 3 if len(events) > MOST_EVENTS else 0
    beginning = MOST_EVENTS - ending
    page.line([("story", "bold"), f"  {moment(events[0].time).partition('T')[0]} UTC" if one_day else ""], indent=5)
    for place, event in enumerate(events):
        if ending and place == beginning:
            page.line(f"{page.glyphs.ellipsis} {count(len(events) - MOST_EVENTS, 'more step')}", indent=7)
        if place < beginning or place >= len(events) - ending:
            lead = f"{when(event.time)}  frame {words.frame(event.frame):>{frame_width}}  "
            page.line([lead, event.what], indent=7, hang=len(lead))


def _keys(page: Page, keys: Sequence[Key]) -> None:
    if not keys:
        return
    page.heading("Keys", "named by the first digits of their SHA-256")
    page.table(
        ["key", "kind", ">NWK", ">APS", "from"],
        [
            [(key.fingerprint, "cyan"), key.kind, f"{key.nwk_frames:,}", f"{key.aps_frames:,}", _key_source(key)]
            for key in keys[:MOST]
        ],
    )
    page.more(keys, MOST, "key")
    for key in keys[:MOST]:
        if key.key is not None:
            page.line(f"{key.fingerprint} is {key.key}", indent=2)


def _key_source(key: Key) -> str:
    told = [
        key.source,
        f"PAN 0x{key.pan_id:04x}" if key.pan_id is not None else "",
        f"sequence number {key.sequence_number}" if key.sequence_number is not None else "",
        f"between {' and '.join(key.devices)}" if key.devices else "",
        f"first opened frame {words.frame(key.first_frame)}" if key.first_frame is not None else "opened nothing",
    ]
    return ", ".join(filter(None, told))


def _unopened(page: Page, unopened: Sequence[Unopened]) -> None:
    if not unopened:
        return
    page.heading("Unopened", "encrypted frames that stayed shut")
    page.table(
        ["layer", "PAN", ">frames", ">first", "reason"],
        [
            [
                entry.layer,
                "?" if entry.pan_id is None else f"0x{entry.pan_id:04x}",
                f"{entry.frames:,}",
                words.frame(entry.first_frame),
                entry.reason,
            ]
            for entry in unopened[:MOST]
        ],
    )
    page.more(unopened, MOST, "reason")


def _captures(page: Page, analysis: Analysis) -> None:
    page.heading("Captures", f"{len(analysis.captures):,}")
    for capture in analysis.captures[:MOST]:
        _capture(page, capture)
    page.more(analysis.captures, MOST, "capture")
    malformed = [layer for layer in analysis.layers if layer.malformed]
    for layer in malformed[:MOST]:
        first = "" if layer.first_malformed is None else f" (the first is frame {words.frame(layer.first_malformed)})"
        page.line(
            [
                ("malformed ", "yellow"),
                f"{layer.layer} in {layer.malformed:,} of {count(layer.frames, 'frame')}{first}",
            ],
            indent=2,
            hang=2,
        )
    for one in analysis.left_out:
        page.line([("left out ", "yellow"), f"{one.count:,} {one.what}"], indent=2, hang=2)


def _capture(page: Page, capture: Capture) -> None:
    page.line([(capture.path, "bold")], indent=2)
    span = ""
    if capture.started is not None and capture.ended is not None:
        span = f", {moment(capture.started)}, {words.duration(capture.ended - capture.started)}"
    form = f"{capture.format}{' (gzip)' if capture.compressed else ''}"
    page.line(f"{form}, {count(capture.frames, 'frame')}{span}", indent=4, hang=2)
    told = [
        f"{count(capture.bad_fcs, 'frame')} with a bad FCS" if capture.bad_fcs else "",
        f"{count(capture.unchecked_fcs, 'frame')} without a captured FCS" if capture.unchecked_fcs else "",
        f"{count(capture.other_frames, 'record')} not IEEE 802.15.4" if capture.other_frames else "",
        count(capture.comments, "comment") if capture.comments else "",
    ]
    if any(told):
        page.line(", ".join(filter(None, told)), indent=4, hang=2)
    for told in words.merging(capture):
        page.line(told, indent=4, hang=2)
    for interface in capture.interfaces[:MOST]:
        page.line(
            f"interface {interface.index}: link type {interface.link_type} ({interface.link_type_name}), "
            f"{count(interface.frames, 'frame')}, trailer {interface.trailer}: {interface.evidence}",
            indent=4,
            hang=2,
        )
    page.more(capture.interfaces, MOST, "interface", indent=4)
    for fault in capture.faults[:MOST]:
        page.line([("fault ", "bold red"), f"{fault.where}: {fault.what}"], indent=4, hang=2)
    page.more(capture.faults, MOST, "fault", indent=4)
