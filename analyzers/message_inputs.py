"""Where GBCS messages outside of captures come from, and the result for each.

An input is a file, a folder of files, `-` for standard input, or the hexadecimal digits themselves. Text may hold one
message that goes over several lines, or one message a line, with or without what GFI tools put before it
(`GBCS:DATA#0:79:`); or messages in base64, alone or inside of other text, such as the GBCSPayload of a DUIS response
(XML). Binary may hold several messages one after the other.
"""

import base64
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from hanscope.analyzers.messages import Credentials, examine, undecodable
from hanscope.analyzers.results import Message
from hanscope.dissectors.gbcs.envelope import EnvelopeError, parse

LARGEST_FILE: Final = 64 * 2**20
"""Octets of a file that are read at most."""
STANDARD_INPUT: Final = 0
"""Its file descriptor."""
_LARGEST_MESSAGE: Final = 1 << 16
_GFI: Final = re.compile(r"^\s*GBCS:DATA#\d+:\d+:", re.IGNORECASE)
_BETWEEN_DIGITS: Final = re.compile(r"[\s:,-]|0x", re.IGNORECASE)
_IN_BASE64: Final = "3(?:w[k-n]|Q[A-Dk-n])"
_BASE64: Final = re.compile(rf"(?<![A-Za-z0-9+/]){_IN_BASE64}(?:[A-Za-z0-9+/]|\s+(?!{_IN_BASE64})){{30,}}")
"""What begins as a message does, in one line or over several."""
_BEGINNINGS: Final = (b"\xdf\x09", b"\xdd\x00", b"\xdd\x09")


class MessageInput(NamedTuple):
    """One input: octets that should be a message, or why there are none."""

    name: str
    octets: bytes
    error: str | None = None


def read_messages(arguments: Sequence[str]) -> Iterator[MessageInput]:
    """Every message that the arguments name, in their order; at least one entry for each argument. Never raises."""
    for number, argument in enumerate(arguments, 1):
        octets = None if argument == "-" or _is_path(argument) else _octets(argument)
        if octets is not None:
            yield MessageInput(f"argument {number}", octets)
        else:
            yield from _read_path(argument)


def _is_path(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # hexadecimal digits are too long for a name
        return False


def _read_path(argument: str) -> Iterator[MessageInput]:
    if argument != "-" and os.path.isdir(argument):  # noqa: PTH112 - no names that the system refuses, as Path has
        found = (os.path.join(folder, file) for folder, _, names in os.walk(argument) for file in names)  # noqa: PTH118 - ten times as fast
        files = sorted(filter(os.path.isfile, found))  # reading from a pipe would wait
        if not files:
            yield MessageInput(argument, b"", "the folder holds no files")
        for file in files:
            yield from _read_file(file)
        return
    yield from _read_file(argument)


def _read_file(name: str) -> Iterator[MessageInput]:
    try:
        with open(STANDARD_INPUT if name == "-" else name, "rb", closefd=name != "-") as stream:
            contents = stream.read(_LARGEST_MESSAGE)  # all there is, mostly, without room for more
            if len(contents) == _LARGEST_MESSAGE:
                contents += stream.read(LARGEST_FILE + 1 - len(contents))
    except (OSError, ValueError) as error:
        hint = "" if name == "-" else ", and it is not hexadecimal digits either"
        yield MessageInput(name, b"", f"cannot be read: {getattr(error, 'strerror', None) or error}{hint}")
        return
    if len(contents) > LARGEST_FILE:
        yield MessageInput(name, b"", f"larger than {LARGEST_FILE // 2**20} MiB; this is no file of messages")
        return
    yield from _in_contents(name, contents)


def _in_contents(name: str, contents: bytes) -> Iterator[MessageInput]:
    if contents[:2] in _BEGINNINGS:
        for message in _split(contents):
            yield MessageInput(name, message)
        return
    text = _text(contents)
    if text is None:
        yield MessageInput(name, contents)  # binary, but no message: decoding says why
        return
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        yield MessageInput(name, b"", "there is nothing in it")
    elif (whole := _one_message(lines)) is not None:
        yield MessageInput(name, whole)
    elif not any(map(_octets, lines)) and (encoded := list(_in_base64(text))):
        for number, octets in enumerate(encoded, 1):
            yield MessageInput(name if len(encoded) == 1 else f"{name} ({number})", octets)
    else:
        for number, line in enumerate(lines, 1):
            octets = _octets(line)
            place = name if len(lines) == 1 else f"{name}:{number}"
            error = None if octets else "neither binary nor hexadecimal digits, nor a message in base64"
            yield MessageInput(place, octets or b"", error)


def _text(contents: bytes) -> str | None:
    """What contents say, if they are text."""
    utf_16 = contents.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return contents.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        return None


def _in_base64(text: str) -> Iterator[bytes]:
    """The messages that stand in a text in base64."""
    for found in _BASE64.finditer(text):
        digits = "".join(found[0].split())
        with suppress(ValueError):
            yield base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)


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


def examined(inputs: Iterable[MessageInput], credentials: Credentials | None) -> Iterator[Message]:
    """The result for each input, in their order.

    In one process: handing the results from one to another takes a third of the time that making them takes, so that
    a second process gained little.
    """
    for one in inputs:
        if one.error is not None:
            yield undecodable(one.error, one.octets, file=one.name)
        else:
            yield examine(one.octets, credentials=credentials, file=one.name)
