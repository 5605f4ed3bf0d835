"""What came of the comparison with tshark, for people and line by line."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace
from rich.console import Console

from hanscope.analyzers.crosscheck import Crosscheck, Difference, OneSided, Shown
from hanscope.analyzers.results import Result
from hanscope.report.terminal import MOST, Page
from hanscope.report.words import count

_LONGEST: Final = 40
"""Characters of a value that are shown to people; the JSON has it all."""


def lines(result: Crosscheck) -> Iterator[Result]:
    """The result without its lists, then every item of them."""
    yield replace(result, differences=(), one_sided=())
    yield from result.differences
    yield from result.one_sided


def redacted(result: Crosscheck) -> Crosscheck:
    """The result without the values: where the two sides differ, nobody knows which of them are addresses."""
    left_out = ("(left out)",)
    return replace(
        result,
        differences=tuple(
            replace(one, ours=one.ours and left_out, tshark=one.tshark and left_out) for one in result.differences
        ),
    )


def show_crosscheck(result: Crosscheck, console: Console) -> None:
    """The verdict, what is unexplained, and what is explained."""
    page = Page(console)
    compared = f"{count(result.fields_compared, 'field')} of {count(result.frames_compared, 'frame')}"
    if result.unexplained:
        tone, verdict = "bold red", f"{count(result.unexplained, 'difference')} without a known reason"
        mark = page.glyphs.tones["bad"]
    else:
        tone, verdict, mark = "bold green", "no unexplained difference", page.glyphs.tones["good"]
    page.line([(f"{mark} {verdict}", tone), f" in {compared}"])
    page.line(f"{result.path}, beside tshark {result.tshark}", indent=2)
    if result.bad_fcs or result.other_frames:
        page.line(
            f"not compared: {count(result.bad_fcs, 'frame')} with a bad FCS, "
            f"{count(result.other_frames, 'record')} of another kind",
            indent=2,
        )
    for fault in result.faults:
        page.line([("fault: ", "yellow"), f"{fault.where}: {fault.what}"], indent=2, hang=2)
    _differences(page, [one for one in result.differences if one.fault is None])
    _one_sided(page, [one for one in result.one_sided if one.fault is None])
    if result.explanations:
        page.heading("Explained differences")
        rows = [(f"{one.differences:,}", one.fault, one.reason) for one in result.explanations]
        page.table([">differences", "fault", "why"], rows)


def _differences(page: Page, differences: Sequence[Difference]) -> None:
    if not differences:
        return
    page.heading("Unexplained differences")
    page.table(
        [">frame", "hanscope", "tshark", "field"],
        [
            (str(one.frame), _values(one.ours), _values(one.tshark), f"{one.field} ({', '.join(one.columns)})")
            for one in differences[:MOST]
        ],
    )
    page.more(differences, MOST, "difference")


def _one_sided(page: Page, one_sided: Sequence[OneSided]) -> None:
    if not one_sided:
        return
    page.heading("Frames that only one side dissects")
    page.table([">frame", "only", "protocol"], [(str(one.frame), one.only, one.protocol) for one in one_sided[:MOST]])
    page.more(one_sided, MOST, "frame")


def _values(values: Sequence[Shown]) -> str:
    said = ", ".join(value if isinstance(value, str) else f"{value} (0x{value:x})" for value in values) or "nothing"
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 3]}..."
