"""Reads Ubiqua Protocol Analyzer's .cubx files: SQLite databases, the frames in the table Packets, keys in Keys.

The octets end with FF FF in the place of the FCS. The file's LQI is only ever 0 or 255 and is not used.
"""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from hanscope.captures.batch import Fault, Fcs, Notes, RecordBatch, Secret
from hanscope.captures.foreign import LARGEST, Found, Unreadable, chunks, described, whole
from hanscope.captures.sniffers.base import LARGEST_SUN_PSDU, Heard
from hanscope.captures.sniffers.channels import Channel, all_channels
from hanscope.captures.source import Source

MAGIC: Final = b"SQLite format 3\x00"
TABLES: Final = ("Packets", "Metadata")
_PLACEHOLDER: Final = b"\xff\xff"
_HEADER: Final = 32
"""Octets of the database's header that are looked at."""
_ANY: Final = 0xFFFF
"""PAN id and short addresses of keys that are bound to none."""
_KEYS: Final = 1000
_LARGEST_VALUE: Final = 1 << 20
_STEPS: Final = 10_000
"""Times a million steps of SQLite's machine: more are hostile."""
_STRENGTHS: Final = range(-126, 21)
"""dBm; the program writes others where it knows nothing."""
_CHANNELS: Final = frozenset(all_channels())


def read(source: Source, notes: Notes) -> Generator[RecordBatch]:
    size, total = _sizes(source.peek(_HEADER))
    if source.path is not None and (source.octets_total or 0) >= total:
        yield from chunks(_frames(source.path, notes), notes)
        return
    with tempfile.NamedTemporaryFile(prefix="hanscope-", suffix=".cubx") as copy:
        octets = whole(source)
        copy.write(octets)
        if len(octets) < total:
            # SQLite reads nothing of a file that is cut short. With empty pages for the rest it reads what is there.
            copy.truncate(len(octets) // size * size)
            copy.truncate(total)
        copy.flush()
        yield from chunks(_frames(copy.name, notes), notes)
    if len(octets) < total and not notes.faults:
        notes.faults.append(Fault(f"octet {len(octets)}", "the database is cut short"))


def _sizes(header: bytes) -> tuple[int, int]:
    """Octets of a page and of the database, by its header (SQLite file format, 1.3)."""
    if len(header) < _HEADER:
        return 1, 0
    size, pages = struct.unpack(">16xH10xI", header)
    size = 65_536 if size == 1 else max(size, 1)
    return size, min(size * pages, LARGEST)


def _frames(path: str, notes: Notes) -> Iterator[Found]:
    with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        database.text_factory = _text
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)  # a column may be computed
        left = iter(range(_STEPS))
        database.set_progress_handler(lambda: next(left, -1) < 0, 1_000_000)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not names.issuperset(TABLES):
                raise Unreadable("the table Packets", "this is a database, but no Ubiqua capture; export one as pcapng")
            described(notes, "Ubiqua", "Ubiqua Protocol Analyzer")
            keys = _read_keys(database, notes)
            comment = "Comment" if "Comment" in _columns(database) else "NULL"
            rows = database.execute(f"SELECT Id, Raw, Channel, Timestamp, RSSI, {comment} FROM Packets ORDER BY Id")  # noqa: S608 -- one of two words
            for record, (number, raw, channel, seconds, rssi, text) in enumerate(rows, 1):
                found = _found(number, raw, channel, seconds, rssi)
                if text and isinstance(text, str):
                    notes.comment(record, text)
                yield found
            if keys is not None:
                raise keys
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: the words of the former are not UTF-8
            raise Unreadable("the table Packets", f"the database cannot be read on ({error})") from None


def _columns(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM pragma_table_info('Packets')")}


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _found(number: Any, raw: Any, channel: Any, seconds: Any, rssi: Any) -> Found:
    sound = isinstance(raw, bytes) and len(raw) <= LARGEST_SUN_PSDU and isinstance(seconds, int | float)
    if not sound or not 0 <= seconds < 1 << 33:
        raise Unreadable(f"packet {number}", "a packet has no octets or no time: the database is damaged here")
    octets = raw.removesuffix(_PLACEHOLDER)
    where = Channel(channel) if isinstance(channel, int) and Channel(channel) in _CHANNELS else None
    strength = float(rssi) if isinstance(rssi, int) and rssi in _STRENGTHS else None
    # Microseconds: a double of today's seconds has no more digits.
    return Found(round(seconds * 1_000_000) * 1000, Heard(octets, Fcs.NOT_CAPTURED, None, strength, None, where))


def _read_keys(database: sqlite3.Connection, notes: Notes) -> sqlite3.Error | None:
    """Returns what is wrong with them: the packets can be read all the same."""
    try:
        if not list(database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'Keys'")):
            return None
        for key, kind in database.execute("SELECT Key, Type FROM Keys ORDER BY Id LIMIT ?", (_KEYS,)):
            if not isinstance(key, bytes) or len(key) != 16:
                continue
            if kind == "NetworkKey":
                notes.secrets.append(Secret("nwk", key, _ANY))
            elif kind == "LinkKey":
                notes.secrets.append(Secret("aps", key, _ANY, (_ANY, _ANY)))
    except sqlite3.Error as error:
        return error
    return None
