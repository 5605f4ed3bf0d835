r"""Wireshark's table of ZigBee keys: the file `zigbee_pc_keys` in its folder of preferences.

One key a line, as `"KEY","Normal","label"`. The key is 32 hexadecimal digits, with `:`, `-` or blanks between octets or
without, or 16 characters in quotes of their own. `Reverse` means that its octets stand in the opposite order. Quotes
and unprintable characters inside a field are written as `\x22`. A line that begins with `#` is a comment.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

HEADER: Final = "# ZigBee keys for Wireshark, written by hanscope: copy to zigbee_pc_keys in its preferences folder\n"
_KEY_OCTETS: Final = 16
_FIELD: Final = r'"((?:[^"\\\n]|\\.)*)"'
_LINE: Final = re.compile(rf"\s*{_FIELD}\s*,\s*{_FIELD}\s*(?:,\s*{_FIELD}\s*)?")
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))")


class KeyTableError(ValueError):
    """A table that cannot be understood; the message is one line that says where and why."""


class TableEntry(NamedTuple):
    """One line of the table."""

    key: bytes
    """In normal order."""
    label: str


def is_key_table(text: str) -> bool:
    """Whether a text is such a table: what its first line that is no comment looks like."""
    first = next(_lines(text), None)
    return first is not None and _LINE.fullmatch(first[1]) is not None


def parse_key_table(text: str) -> list[TableEntry]:
    """The keys of a table. Raises `KeyTableError`."""
    entries: list[TableEntry] = []
    for number, line in _lines(text):
        found = _LINE.fullmatch(line)
        if found is None:
            raise KeyTableError(f'line {number}: not of the form "KEY","Normal","label"')
        key, order, label = (_plain(field or "") for field in found.groups())
        if order not in {b"Normal", b"Reverse"}:
            raise KeyTableError(f"line {number}: the byte order is Normal or Reverse")
        octets = _octets(key)
        if octets is None:
            raise KeyTableError(f"line {number}: a key is 32 hexadecimal digits, or 16 characters in quotes")
        entries.append(TableEntry(octets if order == b"Normal" else octets[::-1], label.decode("utf-8", "replace")))
    return entries


def format_key_table(entries: Iterable[TableEntry]) -> str:
    """The table as text, one line for each different key."""
    labels: dict[bytes, str] = {}
    for entry in entries:
        labels.setdefault(entry.key, entry.label)
    return HEADER + "".join(f'"{key.hex(":")}","Normal","{_escaped(label)}"\n' for key, label in labels.items())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _octets(key: bytes) -> bytes | None:
    if key.startswith(b'"'):
        characters = key.strip(b'"')
        return characters if len(characters) == _KEY_OCTETS else None
    digits = re.sub(rb"[\s:-]", b"", key)
    return bytes.fromhex(digits.decode("ascii")) if re.fullmatch(rb"[0-9a-fA-F]{32}", digits) else None


def _plain(field: str) -> bytes:
    """The octets of a field, whatever stands in it unescaped."""
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode("ascii")) if found[1] else found[2], field.encode())


def _escaped(label: str) -> str:
    return re.sub(r'[^ -~]|["\\]', lambda found: "".join(f"\\x{octet:02x}" for octet in found[0].encode()), label)
