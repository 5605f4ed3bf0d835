"""The report's sections on why updates did not succeed, and on attempts at one image side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.results import Comparison, Diagnosis
from hanscope.report import words

if TYPE_CHECKING:
    from hanscope.report.terminal import Page

MOST: Final = 50
_CONFIDENCE: Final = {"certain": "bold red", "probable": "yellow", "open": "yellow"}


def show_diagnoses(page: "Page", diagnoses: Sequence[Diagnosis]) -> None:
    """One paragraph for each update: what happened, how sure that is, what to do."""
    if not diagnoses:
        return
    page.heading("Diagnosis", words.count(len(diagnoses), "update"))
    for one in diagnoses[:MOST]:
        about = f"{one.update_id}{f' ({one.transfer_id})' if one.transfer_id else ''}"
        page.line([(about, "bold"), "  ", (f"{one.cause}, {one.confidence}", _CONFIDENCE[one.confidence])], indent=2)
        for sentence in (one.happened, one.sureness):
            page.line(sentence, indent=5, hang=2)
        page.line([("Next: ", "bold"), one.advice], indent=5, hang=2)
        if one.frames:
            page.line(words.frames(one.frames), indent=5, hang=2)
    page.more(diagnoses, MOST, "update")


def show_comparisons(page: "Page", comparisons: Sequence[Comparison]) -> None:
    """A table for each image that several attempts loaded."""
    for number, one in enumerate(comparisons[:MOST]):
        named = words.identity(one.manufacturer_code, one.image_type, one.file_version)
        page.heading("Side by side" if number == 0 else "", named)
        page.table(
            ["", "client", ">reached", ">octets/s", ">asked", ">again", ">waits", ">pauses", "state"],
            [
                [
                    (row.transfer_id, "bold"),
                    f"0x{row.client.short:04x}",
                    f"{row.reached:,}",
                    "" if row.octets_per_s is None else f"{row.octets_per_s:,.0f}",
                    f"{row.block_requests:,}",
                    f"{row.repeated_requests:,}",
                    f"{row.waits:,}",
                    f"{row.pauses:,}",
                    row.state,
                ]
                for row in one.transfers[:MOST]
            ],
        )
        page.more(one.transfers, MOST, "attempt")
        for remark in one.remarks:
            page.line(remark, indent=2, hang=2)
    page.more(comparisons, MOST, "image")
