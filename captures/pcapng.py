"""Reads pcapng (draft-ietf-opsawg-pcapng): sections of blocks, each block with its length at both ends.

As Wireshark does, everything before the first damaged block is given and reading ends there; custom blocks and the like
count as records, so that record numbers are Wireshark's. Simple packet blocks carry no time: theirs is 0.

Nearly all blocks of a real file are enhanced packet blocks: those are read as columns, all others one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import (
    COMMENT_LENGTH,
    COMMENTS,
    NO_INTERFACE,
    Comment,
    Fault,
    Int64s,
    Interface,
    Notes,
    RecordBatch,
    Secret,
)
from hanscope.captures.pcap import LARGEST, LARGEST_CHUNK, SMALLEST_CHUNK
from hanscope.captures.source import Source
from hanscope.captures.walk import WINDOW, Chain, walk
from hanscope.dissectors.columns.rows import Octets, distinct, rows

MAGIC: Final = b"\x0a\x0d\x0d\x0a"
"""Block type of a section header: the same in both byte orders."""

SECTION: Final = 0x0A0D0D0A
INTERFACE: Final = 1
PACKET: Final = 2
"""Obsolete."""
SIMPLE_PACKET: Final = 3
STATISTICS: Final = 5
ENHANCED_PACKET: Final = 6
SECRETS: Final = 10
OTHER_RECORDS: Final = (9, 0xBAD, 0x40000BAD, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222)
"""Blocks that are no packets, and which Wireshark numbers like packets: journal entries, custom blocks, calls."""

ZIGBEE_NWK_KEY: Final = 0x5A4E574B
ZIGBEE_APS_KEY: Final = 0x5A415053

_LARGEST_BLOCK: Final = 134_348_832
"""Octets; as in Wireshark."""
_HELD: Final = SMALLEST_CHUNK
"""Octets; larger blocks are not held in memory."""
_LEAST: Final = {SECTION: 28, INTERFACE: 20, PACKET: 32, SIMPLE_PACKET: 16, ENHANCED_PACKET: 32, SECRETS: 20}
"""Octets of the smallest block of a type."""
_COMMENT: Final = 1
_FLAGS: Final = 2
_CRC_ERROR: Final = 1 << 24
_OPTIONS: Final = 64
"""Options of a packet that are looked at."""
_KINDS: Final = 256
"""Different block or secrets types that are counted apart; all further ones together, as type 0."""
_LATEST_S: Final = (2**63 - 1) // 1_000_000_000 - 1
"""Seconds; later (and earlier) time stamps do not fit into 64-bit nanoseconds and become this."""
_HELD_TYPES: Final = (*_LEAST, *OTHER_RECORDS)
_TOO_LARGE: Final = f"a block is larger than {_HELD} octets: the file is damaged here"
_TOO_SHORT: Final = "a block is too short for its type: the file is damaged here"
_TOO_LONG: Final = "a packet is longer than its block: the file is damaged here"
_NO_INTERFACE: Final = "a packet names an interface that the file has not described"


class _DamageError(Exception):
    """A block that cannot be read; nothing after it can be trusted."""


class _Section(msgspec.Struct):
    order: str
    """`<` or `>`."""
    interfaces: list[Interface] = msgspec.field(default_factory=list[Interface])

    @property
    def word(self) -> np.dtype[np.uint32]:
        return np.dtype(self.order + "u4")

    @property
    def chain(self) -> Chain:
        return Chain(12, 4, self.word, 0, 12, _LARGEST_BLOCK, _likely_little if self.order == "<" else _likely_big)


class _Columns(NamedTuple):
    time_ns: Int64s
    at: Int64s
    captured: Int64s
    original: Int64s
    interface: NDArray[np.uint16]
    crc_error: NDArray[np.bool_]

    @classmethod
    def of(cls, count: int) -> _Columns:
        """Columns in which nothing is filled in: records of no interface."""
        time_ns, at, captured, original = np.zeros((4, count), np.int64)
        return cls(time_ns, at, captured, original, np.full(count, NO_INTERFACE, np.uint16), np.zeros(count, np.bool_))


def read(source: Source, notes: Notes) -> Generator[RecordBatch]:
    """The records of a pcapng file, whose magic has been seen; `notes` gets everything else."""
    wanted = source.records * 96
    rest = np.zeros(0, np.uint8)
    number = 1
    section = _Section("<")
    begin = end = 0
    damage: str | None = None
    while damage is None:
        begin = source.position - len(rest)
        buffer, stop = source.chunk(rest, wanted)
        pieces: list[_Columns] = []
        end, found = 0, 0
        for item in _segments(buffer, stop, section):
            if isinstance(item, _DamageError):
                damage = str(item)
                break
            section, at, end = item
            run = _Run(buffer, at, section, notes, number + found)
            pieces.append(run.columns)
            found += len(run.columns.at)
            if run.damage is not None:
                end, damage = int(at[run.blocks]), run.damage
                break
        if found:
            columns = _Columns._make(np.concatenate(column) for column in zip(*pieces, strict=True))
            yield RecordBatch(
                number,
                columns.time_ns,
                buffer,
                columns.at,
                columns.captured,
                columns.original,
                columns.interface,
                source.path,
                begin,
                stop,
                columns.crc_error if columns.crc_error.any() else None,
            )
            number += found
            wanted = min(max(source.records * end // found, SMALLEST_CHUNK), LARGEST_CHUNK)
            del columns
        rest = buffer[end:stop].copy()
        del buffer, pieces
        if damage is None:
            rest, damage = _without_too_large(rest, section, source, notes)
        if damage is None and not source.peek(1):
            damage = source.fault or ("the file ends inside a block" if len(rest) else None)
            break
    if damage is not None:
        notes.faults.append(Fault(f"octet {begin + end}", damage))


def _segments(buffer: Octets, stop: int, section: _Section) -> Iterator[tuple[_Section, Int64s, int] | _DamageError]:
    """Runs of whole blocks of one section, as (section, positions, end); a section header begins a run of its section.

    Ends at a block that is not whole; the last item is an error when that block is impossible.
    """
    here, reach = 0, stop
    while stop - here >= 12:
        if buffer[here : here + 4].tobytes() == MAGIC:
            order = section.order
            try:
                section = _section(buffer[here : min(here + 16, stop)].tobytes())
            except _DamageError as error:
                yield error
                return
            if section.order != order:  # what was walked beyond this header was misread; it may happen again soon
                reach = 1 << 14
        window = min(stop, here + reach)
        at, end = walk(buffer, here, window, section.chain)
        reach *= 8
        if not len(at):
            if window < stop:
                continue
            break
        words = np.ndarray((len(buffer) - 3,), section.word, buffer, 0, (1,))
        headers = np.flatnonzero(words[at[1:]] == SECTION)
        if len(headers):
            at, end = at[: headers[0] + 1], int(at[headers[0] + 1])
        yield section, at, end
        here = end
    if stop - here >= 8:
        kind, length = struct.unpack_from(section.order + "II", buffer[here : here + 8].tobytes())
        if not 12 <= length <= _LARGEST_BLOCK:
            yield _DamageError(f"a block of type {kind:#x} claims {length} octets: the file is damaged here")


def _section(head: bytes) -> _Section:
    """The section that a header begins; judged by as much of the header as is there."""
    order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(head[8:12])
    if order is None:
        raise _DamageError("a section header has no byte-order magic: the file is damaged here")
    if len(head) >= 16:
        major, minor = struct.unpack_from(order + "HH", head, 12)
        if major != 1 or minor not in (0, 2):
            raise _DamageError(f"a section of pcapng version {major}.{minor}; only 1.0 is known")
    return _Section(order)


def _without_too_large(rest: Octets, section: _Section, source: Source, notes: Notes) -> tuple[Octets, str | None]:
    """Pass over a block that is too large to be held, if `rest` begins with one; what is left, and what is wrong."""
    if len(rest) < 12:
        return rest, None
    kind, length = struct.unpack_from(section.order + "II", rest[:8].tobytes())
    if length <= _HELD:
        return rest, None
    if kind in _HELD_TYPES:
        return rest, f"a block of type {kind:#x} claims {length} octets, more than {_HELD}: the file is damaged here"
    _count(notes.skipped_blocks, kind)
    left = length - len(rest)
    return rest[:0], None if source.skip(left) == left else "the file ends inside a block"


def _likely_little(window: Octets) -> NDArray[np.bool_]:
    """Where enhanced packet blocks probably begin, in little-endian sections."""
    return _likely(window, (0, 1, 2, 3))


def _likely_big(window: Octets) -> NDArray[np.bool_]:
    return _likely(window, (3, 2, 1, 0))


def _likely(window: Octets, place: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    def octet(word_at: int, significance: int) -> Octets:
        begin = word_at + place[significance]
        return window[:, begin : begin + WINDOW]

    found = octet(0, 0) == ENHANCED_PACKET
    for significance in (1, 2, 3):
        found &= octet(0, significance) == 0
    for word_at in (4, 20, 24):  # lengths of the block, captured and original
        found &= octet(word_at, 2) == 0
        found &= octet(word_at, 3) == 0
    found &= octet(4, 0) & 3 == 0
    found &= octet(8, 2) == 0  # the interface
    found &= octet(8, 3) == 0
    return found


class _Run:
    """The records among whole blocks of one section, in `columns`.

    `blocks` tells how many blocks could be used, and `damage` why not all, if so.
    """

    def __init__(self, buffer: Octets, at: Int64s, section: _Section, notes: Notes, first_number: int) -> None:
        self.blocks = len(at)
        self.damage: str | None = None
        self._buffer = buffer
        self._at = at
        self._section = section
        self._notes = notes
        self._number = first_number
        self._words = np.ndarray((len(buffer) - 3,), section.word, buffer, 0, (1,))
        """The word that begins at each octet."""
        head = rows(buffer, at, 28).view(section.word)
        kind, size = head[:, 0], head[:, 1]
        self._check(size & 3 != 0, "a block's length is no multiple of 4: the file is damaged here")
        self._check(self._words[at + size - 4] != size, "the two lengths of a block differ: the file is damaged here")
        if int(size.max()) > _HELD:
            self._check((size > _HELD) & np.isin(kind, _HELD_TYPES), _TOO_LARGE)

        singles = np.flatnonzero(kind != ENHANCED_PACKET)
        enhanced = np.flatnonzero(kind == ENHANCED_PACKET) if len(singles) else np.arange(len(at))
        if len(singles):
            head = head[enhanced]
        length, captured = head[:, 1].astype(np.int64), head[:, 5].astype(np.int64)
        known = len(section.interfaces) + np.searchsorted(singles[kind[singles] == INTERFACE], enhanced)
        self._check(length < _LEAST[ENHANCED_PACKET], _TOO_SHORT, enhanced)
        self._check(head[:, 2] >= known, _NO_INTERFACE, enhanced)
        self._check((captured > length - 32) | (captured > LARGEST), _TOO_LONG, enhanced)

        counted = np.ones(len(at), np.bool_)
        counted[singles] = np.isin(kind[singles], (PACKET, SIMPLE_PACKET, *OTHER_RECORDS))
        slot = np.cumsum(counted) - 1 if len(singles) else enhanced  # a block's place among the records
        self.columns = _Columns.of(int(slot[-1]) + 1)
        first_comment = len(notes.comments)
        for index in singles.tolist():
            if index >= self.blocks:
                break
            try:
                self._single(int(at[index]), int(size[index]), int(slot[index]))
            except _DamageError as error:
                self.blocks, self.damage = index, str(error)

        usable = int(np.searchsorted(enhanced, self.blocks))
        if usable:
            self._enhanced(slot[enhanced[:usable]], at[enhanced[:usable]], head[:usable])
            notes.comments[first_comment:] = sorted(notes.comments[first_comment:], key=lambda comment: comment.number)
        kept = int(np.count_nonzero(counted[: self.blocks]))
        self.columns = _Columns._make(column[:kept] for column in self.columns)

    def _check(self, bad: NDArray[np.bool_], damage: str, blocks: Int64s | None = None) -> None:
        """Use only what comes before the first bad block; `blocks`: which one each element is about, if not all are."""
        if bad.any():
            index = int(bad.argmax()) if blocks is None else int(blocks[bad.argmax()])
            if index < self.blocks:
                self.blocks, self.damage = index, damage

    def _enhanced(self, slot: Int64s, at: Int64s, head: NDArray[np.uint32]) -> None:
        """Fill in enhanced packet blocks; `head` is their first seven words."""
        columns, interfaces = self.columns, self._section.interfaces
        captured = head[:, 5].astype(np.int64)
        where = slice(None) if len(slot) == len(columns.at) else slot
        columns.at[where] = at + 28
        columns.captured[where] = captured
        columns.original[where] = head[:, 6]
        columns.interface[where] = head[:, 2] + interfaces[0].index
        ticks = np.left_shift(head[:, 3], 32, dtype=np.uint64) | head[:, 4]
        columns.time_ns[where] = _times(ticks, head[:, 2], interfaces)
        self._options(slot, at + 28 + (captured + 3 & ~3), at + head[:, 1] - 4)

    def _options(self, slot: Int64s, here: Int64s, stop: Int64s) -> None:
        """Comments and CRC marks among the options of packets: the n-th options of all at once."""
        half = np.ndarray((len(self._buffer) - 1,), self._section.order + "u2", self._buffer, 0, (1,))
        for _ in range(_OPTIONS):
            more = stop - here >= 4
            if not more.any():
                return
            here, stop, slot = here[more], stop[more], slot[more]
            code, size = half[here].astype(np.int64), half[here + 2].astype(np.int64)
            good = (code != 0) & (here + 4 + size <= stop)
            here, stop, slot, code, size = here[good], stop[good], slot[good], code[good], size[good]
            flags = (code == _FLAGS) & (size == 4)
            self.columns.crc_error[slot[flags]] = self._words[here[flags] + 4] & _CRC_ERROR != 0
            commented = np.flatnonzero(code == _COMMENT)
            self._notes.comment_count += len(commented)
            for index in commented[: COMMENTS - len(self._notes.comments)].tolist():
                value = self._buffer[here[index] + 4 :][: min(int(size[index]), COMMENT_LENGTH)].tobytes()
                self._notes.comments.append(Comment(self._number + int(slot[index]), _text(value)))
            here = here + 4 + (size + 3 & ~3)

    def _single(self, place: int, size: int, slot: int) -> None:
        """Look at one block that is no enhanced packet block. Raises `_DamageError`."""
        block, order = self._buffer[place : place + size].tobytes(), self._section.order
        (kind,) = struct.unpack_from(order + "I", block)
        if size < _LEAST.get(kind, 0):
            raise _DamageError(_TOO_SHORT)
        if kind == SECTION:
            _comments(_options(block[24:-4], order), self._notes)
        elif kind == INTERFACE:
            _interface(block, self._section, self._notes)
        elif kind == PACKET:
            index, high, low, captured, original = struct.unpack_from(order + "H2xIIII", block, 8)
            self._put(slot, place + 28, (captured, original), index, size - 32)
            ticks = np.array([high << 32 | low], np.uint64)
            self.columns.time_ns[slot] = _interface_times(ticks, self._section.interfaces[index])[0]
            here = np.array([place + 28 + (captured + 3 & ~3)])
            self._options(np.array([slot]), here, np.array([place + size - 4]))
        elif kind == SIMPLE_PACKET:
            (original,) = struct.unpack_from(order + "I", block, 8)
            limit = self._section.interfaces[0].snap_length if self._section.interfaces else 0
            self._put(slot, place + 12, (min(original, limit or original), original), 0, size - 16)
        elif kind == SECRETS:
            _secret(block, order, self._notes)
        elif kind not in OTHER_RECORDS:
            _count(self._notes.skipped_blocks, kind)

    def _put(self, slot: int, at: int, lengths: tuple[int, int], interface: int, room: int) -> None:
        """Fill in one packet: its captured and original length; `room` is what its block holds."""
        if interface >= len(self._section.interfaces):
            raise _DamageError(_NO_INTERFACE)
        if lengths[0] > min(room, LARGEST):
            raise _DamageError(_TOO_LONG)
        columns = self.columns
        columns.at[slot] = at
        columns.captured[slot], columns.original[slot] = lengths
        columns.interface[slot] = self._section.interfaces[interface].index


def _count(counts: dict[int, int], kind: int) -> None:
    if kind not in counts and len(counts) >= _KINDS:
        kind = 0
    counts[kind] = counts.get(kind, 0) + 1


def _options(octets: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Code and value of a block's options, up to their end or the first that does not fit."""
    at = 0
    while at + 4 <= len(octets):
        code, length = struct.unpack_from(order + "HH", octets, at)
        if code == 0 or at + 4 + length > len(octets):
            return
        yield code, octets[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)


def _text(value: bytes) -> str:
    return value[:COMMENT_LENGTH].decode("utf-8", "replace").rstrip("\0")


def _comments(options: Iterable[tuple[int, bytes]], notes: Notes) -> None:
    """Note the comments of a section or an interface."""
    for code, value in options:
        if code == _COMMENT:
            notes.comment(0, _text(value))


def _interface(block: bytes, section: _Section, notes: Notes) -> None:
    order = section.order
    if len(notes.interfaces) >= NO_INTERFACE:
        raise _DamageError(f"more than {NO_INTERFACE} interfaces")
    link_type, snap_length = struct.unpack_from(order + "H2xI", block, 8)
    options = list(_options(block[16:-4], order))
    _comments(options, notes)
    values = dict(reversed(options))
    resolution, offset, fcs_length = values.get(9, b""), values.get(14, b""), values.get(13, b"")
    interface = Interface(
        len(notes.interfaces),
        link_type,
        snap_length,
        _text(values.get(2, b"")),
        _text(values.get(3, b"")),
        resolution[0] if len(resolution) == 1 else 6,
        struct.unpack(order + "q", offset)[0] if len(offset) == 8 else 0,
        fcs_length[0] if len(fcs_length) == 1 else None,
    )
    section.interfaces.append(interface)
    notes.interfaces.append(interface)


def _secret(block: bytes, order: str, notes: Notes) -> None:
    """A decryption secrets block; the fields of ZigBee's secrets are little-endian in every section."""
    kind, length = struct.unpack_from(order + "II", block, 8)
    octets = block[16 : 16 + length]
    if length > len(block) - 20:
        raise _DamageError("decryption secrets are longer than their block: the file is damaged here")
    if kind == ZIGBEE_NWK_KEY and length >= 18:
        found = Secret("nwk", octets[:16], int.from_bytes(octets[16:18], "little"))
    elif kind == ZIGBEE_APS_KEY and length >= 22:
        pan_id, low, high = struct.unpack_from("<HHH", octets, 16)
        found = Secret("aps", octets[:16], pan_id, (low, high))
    else:
        _count(notes.other_secrets, kind)
        return
    if len(notes.secrets) < COMMENTS:
        notes.secrets.append(found)
    else:
        _count(notes.other_secrets, kind)


def _times(ticks: NDArray[np.uint64], interface: NDArray[np.uint32], interfaces: list[Interface]) -> Int64s:
    """Unix nanoseconds of time stamps of a section's interfaces."""
    if int(interface.min()) == int(interface.max()):
        return _interface_times(ticks, interfaces[int(interface[0])])
    result = np.empty(len(ticks), np.int64)
    for index in distinct(interface).tolist():
        chosen = interface == index
        result[chosen] = _interface_times(ticks[chosen], interfaces[index])
    return result


def _interface_times(ticks: NDArray[np.uint64], interface: Interface) -> Int64s:
    """Unix nanoseconds, rounded down; exact in whole numbers for every resolution."""
    exponent = interface.resolution & 0x7F
    binary = bool(interface.resolution & 0x80)
    if not binary and exponent in (6, 9) and not interface.offset_s:
        scale = 10 ** (9 - exponent)
        if int(ticks.max()) <= (2**63 - 1) // scale:
            return ticks.astype(np.int64) * scale
    if binary:
        unit = np.uint64(min(exponent, 63))
        seconds = ticks >> unit if exponent < 64 else np.zeros_like(ticks)
        fraction = ticks - (seconds << unit) if exponent < 64 else ticks
        # fraction · 10^9 has up to 94 bits: multiply the upper and the lower 32 apart
        low = (fraction & 0xFFFFFFFF) * 1_000_000_000
        high = (fraction >> 32) * 1_000_000_000
        if exponent >= 32:
            high += low >> 32
            nanoseconds = high >> (exponent - 32) if exponent - 32 < 64 else np.zeros_like(high)
        else:
            nanoseconds = low >> exponent
    elif exponent > 19:  # one second has more ticks than 64 bits can count
        seconds = np.zeros_like(ticks)
        nanoseconds = ticks // 10 ** (exponent - 9) if exponent <= 28 else np.zeros_like(ticks)
    else:
        seconds = ticks // 10**exponent
        fraction = ticks - seconds * 10**exponent
        nanoseconds = fraction * 10 ** (9 - exponent) if exponent <= 9 else fraction // 10 ** (exponent - 9)
    offset = max(min(interface.offset_s, 2 * _LATEST_S), -2 * _LATEST_S)
    whole = np.minimum(seconds, 4 * _LATEST_S).astype(np.int64) + offset
    return np.clip(whole, -_LATEST_S, _LATEST_S) * 1_000_000_000 + nanoseconds.astype(np.int64)
