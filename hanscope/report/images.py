"""The part of the report that tells what images are, what of them is proven, and every check of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.results import Image, OtaElement, OtaHeader, Outcome
from hanscope.report import witnesses, words
from hanscope.report.words import count

if TYPE_CHECKING:
    from hanscope.report.terminal import Page

MOST_ELEMENTS: Final = 12
LAYOUTS: Final[dict[str, str]] = {
    "zigbee-elements": "a ZigBee OTA file of elements",
    "gbcs-signed": "a GBCS Manufacturer Image with a signature",
    "gbcs-plain": "a GBCS Manufacturer Image",
    "opaque": "neither whole elements nor a GB image",
}
UNDECIDED: Final = "of a layout that cannot be told"
_OUTCOMES: Final[dict[Outcome, str]] = {"valid": "green", "unknown": "yellow", "invalid": "bold red"}


def show(page: "Page", images: Sequence[Image], most: int) -> None:
    """The first `most` images, each in full."""
    if not images:
        return
    page.heading("Images", f"{len(images):,}")
    for number, image in enumerate(images[:most]):
        if number:
            page.line("")
        _image(page, image)
    page.more(images, most, "image")


def show_overview(page: "Page", images: Sequence[Image]) -> None:
    """Which of many files are worth a look."""
    unreadable = [image for image in images if image.error is not None]
    failed = [image for image in images if image.error is None and _failed(image)]
    passed = [image for image in images if image.error is None and not _failed(image)]
    uncovered = sum(not image.vouched_octets for image in passed)
    page.heading("Overview", f"{count(len(images), 'file')}")
    if passed:
        note = f"; in {uncovered:,} of them no check covers the content" if uncovered else ""
        page.line([f"{len(passed):,} in which no check failed", note], indent=2, hang=2)
    if failed:
        page.line([(f"{len(failed):,} in which a check failed", "bold red")], indent=2)
    for image in failed:
        page.line(f"{image.file}: {', '.join(_failed(image))}", indent=4, hang=2)
    if unreadable:
        page.line([(f"{len(unreadable):,} that could not be read as an OTA file", "bold red")], indent=2)
    for image in unreadable:
        page.line(f"{image.file}: {image.error}", indent=4, hang=2)


def _failed(image: Image) -> list[str]:
    """The names of what is not as it should be."""
    checks = [check.name for check in image.checks if check.outcome == "invalid"]
    given = [one.source for one in image.witnesses if one.outcome == "invalid" and one.source in witnesses.FROM_OUTSIDE]
    return list(dict.fromkeys([*checks, *given]))


def _image(page: "Page", image: Image) -> None:
    page.line([(" ".join(filter(None, [image.transfer_id, image.file])) or "image", "bold")], indent=2, hang=3)
    if image.error is not None:
        page.line([(image.error, "bold red")], indent=5, hang=2)
        witnesses.show(page, image)
        return
    part = ", partial" if image.partial else ""
    layout = UNDECIDED if image.partial and image.layout == "opaque" else LAYOUTS[image.layout]
    page.line(f"{count(image.size, 'octet')}{part}, {layout}", indent=5, hang=2)
    if image.header:
        _header(page, image.header, image.header_offset)
        _content(page, image, image.header.total_image_size)
    if image.elements:
        page.table(
            ["element", ">offset", ">octets", "name", "holds"],
            [
                [f"0x{element.tag:04x}", f"{element.offset:,}", f"{element.length:,}", element.name, _holds(element)]
                for element in image.elements[:MOST_ELEMENTS]
            ],
            indent=5,
        )
        page.more(image.elements, MOST_ELEMENTS, "element", indent=5)
    for check in image.checks:
        mark = page.glyphs.outcomes[check.outcome]
        page.line(
            [(mark, _OUTCOMES[check.outcome]), f" {check.name}: {check.detail}" if check.detail else f" {check.name}"],
            indent=5,
            hang=len(mark) + 1,
        )
    witnesses.show(page, image)
    if image.sha256:
        page.line(f"sha256 {image.sha256}", indent=5)
    if image.manufacturer_image_sha256:
        page.line("Manufacturer Image Hash (GBCS)", indent=5)
        page.line(image.manufacturer_image_sha256, indent=7)


def _content(page: "Page", image: Image, octets: int) -> None:
    """What is in it and around it, how much of it is proven to be as it was written, and what is wrong."""
    around = f"; around the OTA file: {image.container}" if image.container else ""
    page.line(["holds ", (image.inner_format or "nothing that could be looked at", "bold"), around], indent=5, hang=2)
    proven = min(image.vouched_octets, octets)
    share = f"checks that hold cover {words.share(proven, octets)} of it"
    agree = witnesses.agreeing(image)
    told = f"; {' and '.join(agree)} agree{'s' if len(agree) == 1 else ''}" if agree else ""
    told += " with what was heard" if agree and image.partial else ""
    failed = _failed(image)
    wrong = (f"; failed: {', '.join(failed)}" if failed else "", "bold red")
    none = f"no check {'that holds' if failed else 'of its own'} covers its content"
    page.line([share if proven else none, told, wrong], indent=5, hang=2)


def _holds(element: OtaElement) -> str:
    """Its format, unless its name says it already."""
    return element.format if element.format and element.format not in element.name else ""


def _header(page: "Page", header: OtaHeader, offset: int) -> None:
    page.line(words.identity(header.manufacturer_code, header.image_type, header.file_version), indent=5, hang=2)
    told = [
        f'"{header.header_string}"' if header.header_string else "",
        f"header version 0x{header.header_version:04x} of {count(header.header_length, 'octet')}",
        f"at octet {offset:,}" if offset else "",
        f"image size {header.total_image_size:,}",
        f"stack version {header.stack_version}",
        f"for {header.destination_eui64} only" if header.destination_eui64 else "",
        _hardware(header),
    ]
    page.line(", ".join(filter(None, told)), indent=5, hang=2)


def _hardware(header: OtaHeader) -> str:
    lowest, highest = header.minimum_hardware_version, header.maximum_hardware_version
    return "" if lowest is None or highest is None else f"hardware 0x{lowest:04x} to 0x{highest:04x}"
