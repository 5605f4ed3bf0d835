"""GBCS messages for people: the verdicts on each, and its tree of named parts."""

from collections.abc import Iterable
from typing import Final

from rich.console import Console

from hanscope.analyzers.results import Message, MessagePart, Verdict
from hanscope.report.terminal import Page


def show_messages(messages: Iterable[Message], console: Console) -> None:
    """Each message with its verdicts and its tree."""
    page = Page(console)
    for message in messages:
        _show(page, message)


_CRA: Final = {1: "command", 2: "response", 3: "alert"}


def _show(page: Page, message: Message) -> None:
    if message.error is not None:
        page.heading("No message", message.file or "")
        page.line(message.error, indent=2)
        return
    kind = _CRA.get(message.cra_flag or 0, f"CRA flag {message.cra_flag}")
    page.heading(f"{message.use_case}: {kind}", message.file or "")
    page.line(
        f"message code 0x{message.message_code:04X}, counter {message.originator_counter}, "
        f"from {message.originator} to {message.target}",
        indent=2,
    )
    _show_verdict(page, "signature", message.signature)
    _show_verdict(page, "MAC", message.mac)
    for verdict in message.encrypted_parts:
        _show_verdict(page, "encrypted part", verdict)
    for problem in message.problems:
        page.line([("problem: ", "yellow"), problem], indent=2, hang=2)
    for part in (*message.headers, *([] if message.payload is None else [message.payload]), *message.trailers):
        _show_part(page, part, 2)


_TONES: Final = {"valid": "green", "invalid": "bold red", "unknown": "yellow", "absent": "dim"}


def _show_verdict(page: Page, what: str, verdict: Verdict) -> None:
    detail = f" ({verdict.detail})" if verdict.detail else ""
    page.line([f"{what}: ", (verdict.outcome, _TONES[verdict.outcome]), detail], indent=2, hang=2)


def _show_part(page: Page, part: MessagePart, indent: int) -> None:
    said = _said(part)
    page.verbatim(f"{part.name}: {said}" if said else part.name, indent=indent)
    for inner in part.parts:
        _show_part(page, inner, indent + 2)


def _said(part: MessagePart) -> str:
    """What stands behind a part's name: its text, its value if that adds something, its problem."""
    value = "" if part.value is None else str(part.value)
    said = part.text or value
    if part.text and isinstance(part.value, int) and value not in part.text:
        number = f"0x{part.value:04X}" if part.name.lower().endswith("code") else value
        said = f"{part.text} ({number})"
    return f"{said}  !! {part.problem}" if part.problem else said
