"""Frames for people and for scripts: a table with one line for each, and one frame in full.

On a terminal the lines of the table are cut at its width; in a pipe or a file they are whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from rich.console import Console

from hanscope.analyzers.filters import Kind
from hanscope.analyzers.framechoice import Chosen
from hanscope.analyzers.framefields import (
    COMPUTED,
    SHORT_ADDRESSES,
    describe,
    field_of,
    is_short_address,
    slots_of,
    value_text,
)
from hanscope.analyzers.frameview import HIDDEN, FrameLayer, FrameReassembly, FrameView
from hanscope.analyzers.results import MessagePart
from hanscope.dissectors.eui64 import eui64_text
from hanscope.report.redact import Redactor
from hanscope.report.terminal import Page
from hanscope.report.words import count, printable

FOR_PEOPLE: Final = ("number", "elapsed", "source", "destination", "layer", "info")
"""Columns of a table."""
FOR_SCRIPTS: Final = (
    "number", "time", "length", "fcs", "pan",
    "mac.source", "mac.destination", "mac.sequence",
    "nwk.source", "nwk.destination", "nwk.sequence", "nwk.frame_counter",
    "aps.counter", "aps.cluster", "aps.profile",
    "zcl.sequence", "zcl.command",
    "layer", "layers", "info", "key", "shut", "fragments", "transfer",
)  # fmt: skip
"""Members of a JSON object."""
WIDEST_CELL: Final = 32
"""Columns of the terminal up to which cells are filled up with blanks."""
OCTETS_A_LINE: Final = 8
"""Octets of a field that stand beside it; a longer one goes on below."""
MOST_LINES: Final = 64
"""Lines of octets that one field gets."""
_KEYS: Final = frozenset({"key", "nwk.key", "aps.key"})
SCHEMA: Final = "hanscope.frames/1"


# A table.


def show_frames(
    chosen: Iterable[Chosen], columns: Sequence[str], console: Console, redactor: Redactor | None = None
) -> None:
    """One line for each frame, below a line with the names of the columns."""
    widths = [len(name) for name in columns]
    right = [describe(name).kind == "number" for name in columns]
    most = console.width if console.is_terminal else None
    begun = False
    for batch in chosen:
        if redactor is not None:
            redactor.shorts(batch.table.short_addresses())
        cells = [_texts(name, batch, redactor) for name in columns]
        widths = [
            min(max(width, max(map(len, column), default=0)), WIDEST_CELL)
            for width, column in zip(widths, cells, strict=True)
        ]
        if not begun:
            console.print(_line(columns, widths, right)[:most], style="bold", soft_wrap=True)
            begun = True
        console.file.writelines(f"{_line(row, widths, right)[:most]}\n" for row in zip(*cells, strict=True))
    if not begun:
        console.print(_line(columns, widths, right)[:most], style="bold", soft_wrap=True)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return "  ".join(
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    ).rstrip()


def _texts(name: str, batch: Chosen, redactor: Redactor | None) -> list[str]:
    values, there = batch.table.column(name)
    told = _teller(name)
    if redactor is not None:
        told = _redacting(name, told, redactor)
    known: dict[Any, str] = {}
    out: list[str] = []
    for value, is_there in zip(values[batch.rows].tolist(), there[batch.rows].tolist(), strict=True):
        if not is_there:
            out.append("")
            continue
        if value not in known:
            known[value] = told(value)
        out.append(known[value])
    return out


def _teller(name: str) -> Any:
    """How values of a column read."""
    kind = describe(name).kind
    if kind == "text":
        return printable
    if kind == "names":
        return " ".join
    if kind == "time":
        return _moment
    if name == "elapsed":
        return "{:.6f}".format
    if name in COMPUTED:
        return "{:g}".format if name == "rssi_dbm" else str
    fld = field_of(slots_of(name)[0])
    return lambda value: value_text(fld, value)


def _redacting(name: str, told: Callable[[Any], str], redactor: Redactor) -> Callable[[Any], str]:
    """How values of a column read without addresses."""
    if name in _KEYS:
        return lambda value: " ".join(map(redactor.key, value.split()))
    if _holds_addresses(name):
        return lambda value: told(redactor.number(value))
    return lambda value: redactor.text(told(value))


def _holds_addresses(name: str) -> bool:
    return name not in COMPUTED and any(map(is_short_address, slots_of(name)))


def _moment(time_ns: int) -> str:
    """UTC in ISO 8601 with microseconds; a time stamp that no calendar holds is shown as the number it is."""
    try:
        second = datetime.fromtimestamp(time_ns // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"
    return f"{second:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9 // 1000:06}Z"


def lines(chosen: Iterable[Chosen], columns: Sequence[str], redactor: Redactor | None = None) -> Iterator[bytes]:
    """One JSON object a line, its members named as the columns; `null` where a frame has no such field."""
    for batch in chosen:
        if redactor is not None:
            redactor.shorts(batch.table.short_addresses())
        cells = [_values(name, batch, redactor) for name in columns]
        for row in zip(*cells, strict=True):
            yield msgspec.json.encode(dict(zip(columns, row, strict=True))) + b"\n"


def document(chosen: Iterable[Chosen], columns: Sequence[str], redactor: Redactor | None = None) -> Iterator[bytes]:
    """The same objects as one JSON document."""
    yield b'{"schema": "%s", "frames": [' % SCHEMA.encode()
    lead = b"\n"
    for line in lines(chosen, columns, redactor):
        yield lead + line.rstrip(b"\n")
        lead = b",\n"
    yield b"\n]}\n"


def _values(name: str, batch: Chosen, redactor: Redactor | None) -> list[Any]:
    values, there = batch.table.column(name)
    kind: Kind = describe(name).kind
    told: Callable[[Any], Any] = eui64_text if kind == "eui64" else lambda value: value
    if redactor is not None and (kind in {"text", "eui64"} or _holds_addresses(name)):
        told = _redacting(name, told, redactor)
    return [
        told(value) if is_there else None
        for value, is_there in zip(values[batch.rows].tolist(), there[batch.rows].tolist(), strict=True)
    ]


# One frame.


def redacted_view(view: FrameView, redactor: Redactor) -> FrameView:
    """A frame without addresses, keys and octets: from these they could be read."""
    redactor.shorts(
        part.value
        for layer in view.layers
        for part in _all_parts(layer.fields)
        if _is_short_address(part) and isinstance(part.value, int)
    )
    return replace(
        view,
        octets=tuple(replace(one, octets=HIDDEN * (len(one.octets) // 2)) for one in view.octets),
        layers=tuple(
            replace(layer, fields=tuple(_redacted_part(part, redactor) for part in layer.fields))
            for layer in view.layers
        ),
        keys=tuple(
            replace(key, fingerprint=redactor.key(key.fingerprint), source=redactor.text(key.source))
            for key in view.keys
        ),
        shut=tuple(map(redactor.text, view.shut)),
        problems=tuple(map(redactor.text, view.problems)),
    )


def _all_parts(parts: Iterable[MessagePart]) -> Iterator[MessagePart]:
    for part in parts:
        yield part
        yield from _all_parts(part.parts)


def _is_short_address(part: MessagePart) -> bool:
    return part.name in SHORT_ADDRESSES and part.stop - part.start == 2


def _redacted_part(part: MessagePart, redactor: Redactor) -> MessagePart:
    value, text = part.value, redactor.text(part.text)
    if isinstance(value, str):  # octets, or a text that was sent
        value, text = None, f"({part.stop - part.start} octets)"
    elif _is_short_address(part) and isinstance(value, int):
        value = redactor.number(value)
    elif isinstance(value, int) and value >> 32:
        value = None
    return replace(
        part,
        value=value,
        text=text,
        problem=redactor.text(part.problem or "") or None,
        plaintext=None,
        parts=tuple(_redacted_part(one, redactor) for one in part.parts),
    )


def show_frame(view: FrameView, console: Console) -> None:
    """Everything about one frame."""
    page = Page(console)
    page.heading(f"Frame {view.number:,}", _moment(view.time))
    told = [
        f"{count(view.length, 'octet')}, FCS {view.fcs}",
        "" if view.channel is None else f"channel {view.channel}",
        "" if view.rssi_dbm is None else f"{view.rssi_dbm:g} dBm",
        "" if view.lqi is None else f"LQI {view.lqi}",
    ]
    page.line(", ".join(filter(None, told)), indent=2)
    for key in view.keys:
        page.line(
            [
                (f"{key.layer} ", "green"),
                f"opened by the {key.kind} key ",
                (key.fingerprint, "cyan"),
                f", {key.source}",
            ],
            indent=2,
            hang=2,
        )
    for why in view.shut:
        page.line([("shut  ", "yellow"), why], indent=2, hang=2)
    if view.reassembly is not None:
        page.line(_reassembled(view.reassembly, view.number), indent=2, hang=2)
    for transfer in view.transfers:
        page.line(f"part of transfer {transfer}", indent=2)
    for problem in view.problems:
        page.line([("problem  ", "bold red"), problem], indent=2, hang=2)
    shown = -1
    for layer in view.layers:
        if layer.octets != shown and layer.octets:
            page.heading(view.octets[layer.octets].name)
        shown = layer.octets
        _layer(page, layer, view.octets[layer.octets].octets)
    if not view.layers:
        _octets(page, view.octets[0].octets, 0, len(view.octets[0].octets) // 2, "", 2)


def _reassembled(reassembly: FrameReassembly, number: int) -> str:
    frames = ", ".join(f"{frame:,}" for frame in reassembly.frames[:16])
    if reassembly.whole_in is None:
        of = f" of {reassembly.fragments}" if reassembly.fragments else ""
        return f"fragment of a message that never became whole: {len(reassembly.frames)}{of} heard, in frames {frames}"
    whole = "with this frame" if reassembly.whole_in == number else f"with frame {reassembly.whole_in:,}"
    return f"fragment of a message that was whole {whole}; its fragments are in frames {frames}"


def _layer(page: Page, layer: FrameLayer, octets: str) -> None:
    page.line([(layer.layer, "bold"), f"  octets {layer.start} to {layer.stop}"], indent=2)
    for part in layer.fields:
        _part(page, part, octets, 4)


def _part(page: Page, part: MessagePart, octets: str, indent: int) -> None:
    if part.parts:
        page.verbatim(f"{'':{3 * OCTETS_A_LINE + indent}}{_titled(part)}", indent=2)
        for inner in part.parts:
            _part(page, inner, octets, indent + 2)
        return
    _octets(page, octets, part.start, part.stop, _titled(part), indent)


def _octets(page: Page, octets: str, start: int, stop: int, text: str, indent: int) -> None:
    """A text with the octets it stands for at its left."""
    digits = [octets[2 * at : 2 * at + 2] for at in range(start, stop)]
    pieces = [" ".join(digits[at : at + OCTETS_A_LINE]) for at in range(0, max(len(digits), 1), OCTETS_A_LINE)]
    for number, piece in enumerate(pieces[:MOST_LINES]):
        said = f"{'':{indent}}{text}" if number == 0 else ""
        page.verbatim(f"{piece:{3 * OCTETS_A_LINE}}{said}", indent=2)
    if len(pieces) > MOST_LINES:
        page.verbatim(f"({len(digits) - MOST_LINES * OCTETS_A_LINE} more octets)", indent=2)


def _titled(part: MessagePart) -> str:
    """A field's name and what it says; octets stand beside it already, and bits of one octet are named in its text."""
    if part.text and (part.name == "frame_control" or ", " in part.name):
        said = part.text
    else:
        said = f"{part.name}: {_said(part)}".removesuffix(": ")
    return f"{said}  !! {part.problem}" if part.problem else said


def _said(part: MessagePart) -> str:
    size = part.stop - part.start
    if isinstance(part.value, str) and len(part.value) == 2 * size and not part.text:
        return ""
    if not isinstance(part.value, int) or not part.text:
        return part.text or ("" if part.value is None else str(part.value))
    if part.text == hex(part.value):
        return f"0x{part.value:0{2 * size}x}"
    return part.text if ":" in part.text or part.text.startswith("0x") else f"{part.text} ({part.value})"
