"""What the operator knows of an image from elsewhere: reference files, hashes, and lists of hashes.

A list of hashes is a table of text (comma, semicolon, tab or bar between columns), such as an extract of the Central
Products List: one line a product, with its manufacturer, model, firmware version and hash. How exactly that list is
published is UNCONFIRMED, so columns are found by the names in the first line that has one for the hash; letter case,
spaces and punctuation do not matter:

| column | is one whose name is or contains |
|---|---|
| hash | manufacturer image hash, firmware hash, image hash, sha-256, hash, digest, checksum |
| manufacturer | manufacturer identifier, manufacturer code, manufacturer, vendor |
| model | model identifier, model |
| version | firmware version, file version, software version, version (not hardware or GBCS version) |

A list without such a line is taken too, if its lines hold 64 hexadecimal digits: what `sha256sum` prints, for example.
Other columns are not looked at.
"""

from __future__ import annotations

import csv
import re
from base64 import b64decode
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from hanscope.analyzers.partial_files import PartialFileError, holes_of

LARGEST_REFERENCE: Final = 256 << 20
LARGEST_LIST: Final = 64 << 20
MOST_COMPLAINTS: Final = 20
BEGINNING: Final = 1 << 14
"""Characters by which the delimiter is chosen."""
HEADER_SOUGHT: Final = 50
"""Lines in which the names of the columns may stand; titles and notices come first in some lists."""
_HASH: Final = re.compile("[0-9a-f]{64}")
_HASH_AMONG: Final = re.compile("(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", re.IGNORECASE)
_BASE64: Final = re.compile("[A-Za-z0-9+/]{43}=")
_WORKBOOKS: Final = (b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"))
"""How files of spreadsheet programs begin, new and old."""
_AS_TEXT: Final = re.compile('="(.*)"|\'(.*)')
"""How spreadsheet programs are told that digits are no number."""
_COLUMNS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "hash": (("manufacturerimagehash", "firmwarehash", "imagehash", "sha256", "hash", "digest", "checksum"), ()),
    "manufacturer": (("manufactureridentifier", "manufacturercode", "manufacturer", "vendor"), ("hash", "image")),
    "model": (("modelidentifier", "model"), ("hash",)),
    "version": (
        ("firmwareversion", "fileversion", "softwareversion", "version"),
        ("hash", "hardware", "gbcs", "specification"),
    ),
}
"""By column: what its name contains, the best first, and what it must not contain."""


class ReferenceFileError(Exception):
    """A reference or a list of hashes cannot be used; the message is one line that says which and why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that an image is compared with."""

    name: str
    octets: bytes
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges [start, end) that it lacks, being a partial image itself."""


@dataclass(frozen=True, slots=True)
class ListedHash:
    """A SHA-256 that an image may have, and what is said of it."""

    sha256: str
    where: str
    """"given on the command line", or the list's name and line."""
    asked_for: bool = False
    """It was given by itself, not in a list of many."""
    manufacturer: str = ""
    model: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        """What it stands for, in words."""
        said = [
            self.manufacturer and f"manufacturer {self.manufacturer}",
            self.model and f"model {self.model}",
            self.version and f"version {self.version}",
        ]
        return ", ".join(filter(None, said))


@dataclass(frozen=True, slots=True)
class Given:
    """All that was given to hold against images."""

    references: tuple[Reference, ...] = ()
    hashes: tuple[ListedHash, ...] = ()


def load_reference(path: Path | str) -> Reference:
    """Raises `ReferenceFileError`."""
    octets = _content(path, LARGEST_REFERENCE, "an image")
    try:
        return Reference(str(path), octets, holes_of(Path(path), len(octets)).missing)
    except PartialFileError as error:
        raise ReferenceFileError(str(error)) from None


def parse_hash(text: str) -> ListedHash:
    """A hash from the command line. Raises `ReferenceFileError`."""
    found = _hash_in(text)
    if found is None:
        raise ReferenceFileError(f"{text!r} is no SHA-256: 64 hexadecimal digits are needed")
    return ListedHash(found, "given on the command line", asked_for=True)


def load_hash_list(path: Path | str) -> tuple[tuple[ListedHash, ...], tuple[str, ...]]:
    """The hashes of a list, and its lines that could not be used, in words. Raises `ReferenceFileError`."""
    content = _content(path, LARGEST_LIST, "a list")
    if content.startswith(_WORKBOOKS):
        raise ReferenceFileError(f"{path}: this is a workbook or an archive; a list has to be text, saved as CSV")
    text = _text(content).replace("\0", "")
    rows = list(_rows(text, _delimiter(text)))
    columns, first = _columns(rows)
    hashes: list[ListedHash] = []
    complaints: list[str] = []
    for line, cells in rows[first:]:
        one = _entry(cells, columns, f"{path} line {line:,}")
        if isinstance(one, ListedHash):
            hashes.append(one)
        else:
            complaints.append(f"{path} line {line:,}: {one}")
    if not hashes:
        raise ReferenceFileError(f"{path}: there is no hash in it; a column of SHA-256 values is needed")
    if len(complaints) > MOST_COMPLAINTS:
        more = len(complaints) - MOST_COMPLAINTS
        complaints[MOST_COMPLAINTS:] = [f"{path}: {more:,} more lines without a usable hash"]
    return tuple(hashes), tuple(complaints)


def _content(path: Path | str, most: int, what: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise ReferenceFileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > most:
        raise ReferenceFileError(f"{path}: larger than {most >> 20} MiB; this is not {what}")
    if not content:
        raise ReferenceFileError(f"{path}: the file is empty")
    return content


def _text(content: bytes) -> str:
    """UTF-8, or what spreadsheet programs write else: UTF-16 with its mark, or an 8-bit encoding."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _delimiter(text: str) -> str:
    """With which the names of the columns are found, otherwise the most common one: titles may be full of commas."""
    beginning = text[:BEGINNING]
    likely = sorted(",;\t|", key=beginning.count, reverse=True)
    return next((one for one in likely if _columns(list(_rows(beginning, one)))[0]), likely[0])


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table that hold anything, with their numbers."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # a cell that does not end: the reader goes on behind it
            cells = [f"({error})"]
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [_AS_TEXT.sub(r"\1\2", " ".join(cell.split())) for cell in cells]


def _columns(rows: Sequence[tuple[int, list[str]]]) -> tuple[dict[str, int], int]:
    """Where the columns stand, and the first row behind their names; nowhere and 0 if there are no names."""
    for index, (_, cells) in enumerate(rows[:HEADER_SOUGHT]):
        if any(_hash_in(cell) or _HASH_AMONG.search(cell) for cell in cells):
            break
        names = [re.sub("[^a-z0-9]", "", cell.lower()) for cell in cells]
        columns = {column: at for column in _COLUMNS if (at := _column(names, *_COLUMNS[column])) is not None}
        if "hash" in columns and len(cells) > 1:
            return columns, index + 1
    return {}, 0


def _column(names: Sequence[str], wanted: Iterable[str], unwanted: Iterable[str]) -> int | None:
    fit = [(at, name) for at, name in enumerate(names) if not any(word in name for word in unwanted)]
    return next((at for word in wanted for at, name in fit if word in name), None)


def _entry(cells: Sequence[str], columns: dict[str, int], where: str) -> ListedHash | str:
    """The hash of a line, or what is wrong with it."""

    def cell(column: str) -> str:
        at = columns.get(column, len(cells))
        return cells[at] if at < len(cells) else ""

    if not columns:
        return _entry_anywhere(cells, where)
    if not cell("hash"):
        return "no hash"
    found = _hash_in(cell("hash"))
    if found is None:
        return f"{_shortened(cell('hash'))!r} is no SHA-256"
    return ListedHash(found, where, manufacturer=cell("manufacturer"), model=cell("model"), version=cell("version"))


def _entry_anywhere(cells: Sequence[str], where: str) -> ListedHash | str:
    """The hash of a line in which no column is known: a cell, or digits among other text."""
    for at, cell in enumerate(cells):
        if (found := _hash_in(cell)) is not None:
            return ListedHash(found, where, model=", ".join(filter(None, [*cells[:at], *cells[at + 1 :]])))
    among = next(filter(None, map(_HASH_AMONG.search, cells)), None)
    if among is None:
        return "no SHA-256 in it"
    said = _shortened(f"{among.string[: among.start()]} {among.string[among.end() :]}".strip(" *"))
    return ListedHash(among.group().lower(), where, model=said)


def _hash_in(text: str) -> str | None:
    """The digits of a SHA-256, written in any of the usual ways."""
    if len(text) > 256:
        return None
    if _BASE64.fullmatch(text):
        return b64decode(text).hex()
    digits = re.sub("[ :-]", "", text.strip().lower()).removeprefix("0x")
    return digits if _HASH.fullmatch(digits) else None


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."
