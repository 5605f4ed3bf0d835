"""`hanscope gbcs`: where messages come from, and how they look to people.

An input is a file, a folder of files, `-` for standard input, or the hexadecimal digits themselves. Text may hold one
message that goes over several lines, or one message a line, with or without what GFI tools put before it
(`GBCS:DATA#0:79:`); binary may hold several messages one after the other.
"""

import gc
import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hanscope.dissectors.gbcs.envelope import EnvelopeError, parse

if TYPE_CHECKING:
    from rich.console import Console

    from hanscope.analyzers.messages import Credentials
    from hanscope.analyzers.results import Message, MessagePart, Verdict
    from hanscope.report.terminal import Page

LARGEST_FILE: Final = 64 * 2**20
"""Octets of a file that are read at most."""
STANDARD_INPUT: Final = 0
"""Its file descriptor."""
_LARGEST_MESSAGE: Final = 1 << 16
_GFI: Final = re.compile(r"^\s*GBCS:DATA#\d+:\d+:", re.IGNORECASE)
_BETWEEN_DIGITS: Final = re.compile(r"[\s:,-]|0x", re.IGNORECASE)
_BEGINNINGS: Final = (b"\xdf\x09", b"\xdd\x00", b"\xdd\x09")


class Given(NamedTuple):
    """One input: octets that should be a message, or why there are none."""

    name: str
    octets: bytes
    error: str | None = None


def read(arguments: Sequence[str]) -> Iterator[Given]:
    """Every message that the arguments name, in their order; at least one entry for each argument. Never raises."""
    for number, argument in enumerate(arguments, 1):
        octets = None if argument == "-" or _is_path(argument) else _octets(argument)
        if octets is not None:
            yield Given(f"argument {number}", octets)
        else:
            yield from _read_path(argument)


def _is_path(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # hexadecimal digits are too long for a name
        return False


def _read_path(argument: str) -> Iterator[Given]:
    if argument != "-" and os.path.isdir(argument):  # noqa: PTH112 - no names that the system refuses, as Path has
        found = (os.path.join(folder, file) for folder, _, names in os.walk(argument) for file in names)  # noqa: PTH118 - ten times as fast
        files = sorted(filter(os.path.isfile, found))  # reading from a pipe would wait
        if not files:
            yield Given(argument, b"", "the folder holds no files")
        for file in files:
            yield from _read_file(file)
        return
    yield from _read_file(argument)


def _read_file(name: str) -> Iterator[Given]:
    try:
        with open(STANDARD_INPUT if name == "-" else name, "rb", closefd=name != "-") as stream:
            contents = stream.read(_LARGEST_MESSAGE)  # all there is, mostly, without room for more
            if len(contents) == _LARGEST_MESSAGE:
                contents += stream.read(LARGEST_FILE + 1 - len(contents))
    except (OSError, ValueError) as error:
        hint = "" if name == "-" else ", and it is not hexadecimal digits either"
        yield Given(name, b"", f"cannot be read: {getattr(error, 'strerror', None) or error}{hint}")
        return
    if len(contents) > LARGEST_FILE:
        yield Given(name, b"", f"larger than {LARGEST_FILE // 2**20} MiB; this is no file of messages")
        return
    yield from _in_contents(name, contents)


def _in_contents(name: str, contents: bytes) -> Iterator[Given]:
    if contents[:2] in _BEGINNINGS:
        for message in _split(contents):
            yield Given(name, message)
        return
    try:
        lines = [line for line in contents.decode("ascii").splitlines() if line.strip()]
    except UnicodeDecodeError:
        yield Given(name, contents)  # binary, but no message: decoding says why
        return
    if not lines:
        yield Given(name, b"", "there is nothing in it")
    elif (whole := _one_message(lines)) is not None:
        yield Given(name, whole)
    else:
        for number, line in enumerate(lines, 1):
            octets = _octets(line)
            place = name if len(lines) == 1 else f"{name}:{number}"
            yield Given(place, octets or b"", None if octets else "neither binary nor hexadecimal digits")


def _octets(text: str) -> bytes | None:
    """The octets that a text of hexadecimal digits stands for; `None` if it is something else, or empty."""
    with suppress(ValueError):  # mostly there are digits and nothing else
        return bytes.fromhex(text) or None
    with suppress(ValueError):
        return bytes.fromhex(_BETWEEN_DIGITS.sub("", _GFI.sub("", text))) or None
    return None


def _one_message(lines: Sequence[str]) -> bytes | None:
    """The message that lines are together, if they are one."""
    if len(lines) == 1:
        return _octets(lines[0])
    if sum(map(len, lines)) > 4 * _LARGEST_MESSAGE or (octets := _octets("".join(lines))) is None:
        return None
    try:
        envelope = parse(octets)
    except EnvelopeError:
        return None
    return octets if envelope.surplus is None else None


def _split(octets: bytes) -> Iterator[bytes]:
    """Messages that stand one behind the other."""
    while octets:
        try:
            surplus = parse(octets).surplus
        except EnvelopeError:
            surplus = None
        if surplus is None or octets[surplus.start : surplus.start + 2] not in _BEGINNINGS:
            yield octets
            return
        yield octets[: surplus.start]
        octets = octets[surplus.start :]


@contextmanager
def _loading() -> Generator[None]:
    """Keeps the garbage collector from what is loaded inside: that stays, and looking through it takes as long as 200
    messages.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def credentials(certificates: Sequence[Path], private_keys: Sequence[Path]) -> "tuple[Credentials | None, list[str]]":
    """What messages are verified with, `None` if nothing was given, and what is wrong with it."""
    if not certificates and not private_keys:
        return None, []
    with _loading():
        from hanscope.analyzers.certificates import read_certificates, read_private_keys  # noqa: PLC0415 - heavy
        from hanscope.analyzers.messages import Credentials  # noqa: PLC0415 - heavy

    held = Credentials(read_certificates(certificates), read_private_keys(private_keys))
    faults = (*held.certificates.faults, *held.private_keys.faults)
    return held, [f"{fault.where}: {fault.what}" for fault in faults]


class Tally:
    """Notes of the messages that pass by whether any was undecodable, or not what it should be."""

    def __init__(self) -> None:
        self.undecodable = False
        self.invalid = False

    def watching(self, messages: "Iterable[Message]") -> "Iterator[Message]":
        for message in messages:
            self.undecodable |= message.error is not None
            verdicts = (message.signature, message.mac, *message.encrypted_parts)
            self.invalid |= any(verdict.outcome == "invalid" for verdict in verdicts)
            yield message


def examined(given: Iterable[Given], credentials: "Credentials | None") -> "Iterator[Message]":
    """The result for each input, in their order.

    In one process: handing the results from one to another takes a third of the time that making them takes, so that
    a second process gained little.
    """
    with _loading():
        from hanscope.analyzers.messages import examine, undecodable  # noqa: PLC0415 - heavy

    for one in given:
        if one.error is not None:
            yield undecodable(one.error, one.octets, file=one.name)
        else:
            yield examine(one.octets, credentials=credentials, file=one.name)


# The report for people.


def show(messages: "Iterable[Message]", console: "Console") -> None:
    """Each message with its verdicts and its tree."""
    from hanscope.report.terminal import Page  # noqa: PLC0415 - heavy

    page = Page(console)
    for message in messages:
        _show(page, message)


_CRA: Final = {1: "command", 2: "response", 3: "alert"}


def _show(page: "Page", message: "Message") -> None:
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


def _show_verdict(page: "Page", what: str, verdict: "Verdict") -> None:
    detail = f" ({verdict.detail})" if verdict.detail else ""
    page.line([f"{what}: ", (verdict.outcome, _TONES[verdict.outcome]), detail], indent=2, hang=2)


def _show_part(page: "Page", part: "MessagePart", indent: int) -> None:
    said = _said(part)
    page.verbatim(f"{part.name}: {said}" if said else part.name, indent=indent)
    for inner in part.parts:
        _show_part(page, inner, indent + 2)


def _said(part: "MessagePart") -> str:
    """What stands behind a part's name: its text, its value if that adds something, its problem."""
    value = "" if part.value is None else str(part.value)
    said = part.text or value
    if part.text and isinstance(part.value, int) and value not in part.text:
        number = f"0x{part.value:04X}" if part.name.lower().endswith("code") else value
        said = f"{part.text} ({number})"
    return f"{said}  !! {part.problem}" if part.problem else said
