"""The part of an image's report that tells what independent witnesses say of it, and what was filled from others."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.results import Difference, Image, Outcome, Witness, WitnessSource
from hanscope.report.words import count, frames

if TYPE_CHECKING:
    from hanscope.report.terminal import Page

MOST_WITNESSES: Final = 12
MOST_DIFFERENCES: Final = 3
FROM_OUTSIDE: Final = frozenset[WitnessSource]({"reference file", "hash list"})
_CHECKED: Final = frozenset[WitnessSource]({"query response", "OTA header"})
"""What they say is a check of the image as well, and told there."""
_OF_OCTETS: Final = frozenset[WitnessSource](
    {"other transfer", "receipt alert", "activation order", "reference file", "hash list"}
)
_STYLES: Final[dict[Outcome, str]] = {"valid": "green", "unknown": "yellow", "invalid": "bold red"}


def show(page: "Page", image: Image) -> None:
    """What was filled, the witnesses that spoke, and, if none did, what would be one."""
    if image.filled_ranges:
        octets: Counter[str] = Counter()
        for part in image.filled_ranges:
            octets[part.transfer_id] += part.end - part.start
        lenders = ", ".join(f"{number:,} from {name}" for name, number in octets.items())
        told = f"{count(octets.total(), 'octet')} in {count(len(image.filled_ranges), 'range')}: {lenders}"
        page.line([("filled ", "bold"), told], indent=5, hang=2)
    for outcome, source, text in _lines(page, image.witnesses):
        mark = page.glyphs.outcomes[outcome]
        page.line([(mark, _STYLES[outcome]), f" {source}: {text}"], indent=5, hang=len(mark) + 1)
    decided = any(one.outcome != "unknown" and one.source in _OF_OCTETS for one in image.witnesses)
    if image.transfer_id is not None and not decided:
        page.line([("witnesses ", "bold"), _needed(image)], indent=5, hang=2)


def agreeing(image: Image) -> list[str]:
    """Who says the same of its octets."""
    agree = [one.source for one in image.witnesses if one.outcome == "valid" and one.source in _OF_OCTETS]
    return list(dict.fromkeys(agree))


def _needed(image: Image) -> str:
    """What would decide."""
    hashes = {"receipt alert", "activation order", "hash list"}
    if any(one.source in hashes and one.outcome == "unknown" for one in image.witnesses) and image.partial:
        return (
            "whoever has the missing octets would let the hash be compared: another sniffer's capture, or another"
            " device that loads the image; --reference FILE needs no hash"
        )
    return (
        "no independent witness of its octets; --reference FILE, --hash HEX or --hash-list FILE would be one,"
        " or in the capture another device that loads it, or a GBCS receipt alert (8F72) or CS06"
    )


def _lines(page: "Page", witnesses: Iterable[Witness]) -> list[tuple[Outcome, WitnessSource, str]]:
    """One line a witness; all other transfers that agree share one."""
    spoke = [one for one in witnesses if _spoke(one)]
    agreeing = [one for one in spoke if one.source == "other transfer" and one.outcome == "valid"]
    shared = agreeing if len(agreeing) > 1 else []
    lines: list[tuple[Outcome, WitnessSource, str]] = []
    if shared:
        names = ", ".join(one.said.partition(":")[0] for one in shared)
        least = min(one.compared_octets or 0 for one in shared)
        text = f"{names} were given the same octets, wherever two were heard (at least {least:,} octets each)"
        lines.append(("valid", "other transfer", text))
    rest = [one for one in spoke if one not in shared]
    lines.extend((one.outcome, one.source, f"{one.said}: {one.detail}{_where(one)}") for one in rest[:MOST_WITNESSES])
    if len(rest) > MOST_WITNESSES:
        more = len(rest) - MOST_WITNESSES
        lines.append(("unknown", rest[-1].source, f"{page.glyphs.ellipsis} and {count(more, 'more witness', 'more')}"))
    return lines


def _spoke(one: Witness) -> bool:
    if one.source in _CHECKED:
        return False
    return one.source != "version read" or one.outcome != "unknown" or " after " in one.said


def _where(one: Witness) -> str:
    """The first ranges that differ; nothing if there is but one octet, which the detail tells."""
    if one.differing_octets < 2:
        return ""
    ranges = ", ".join(_range(part) for part in one.differences[:MOST_DIFFERENCES])
    more = len(one.differences) - MOST_DIFFERENCES
    return f": {ranges}{f' and {more:,} more' if more > 0 else ''}"


def _range(part: Difference) -> str:
    """Offsets, and the frames that brought what stands there."""
    offsets = f"{part.start:,}" if part.end == part.start + 1 else f"{part.start:,} to {part.end - 1:,}"
    brought = [number for number in (part.frame, part.other_frame) if number is not None]
    return f"{offsets} ({frames(brought)})" if brought else offsets
