"""Writes captures: pcap and pcapng, many records at once.

Records are given as columns, the way `captures.batch` holds them: their octets lie in one buffer. All records of one
length are put together as one matrix and copied to their places in the output, so that millions of records take about a
second.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hanscope.captures.batch import Int64s, Secret
from hanscope.captures.linklayer import CHANNEL, FCS_TYPE, LQI, RSS, WITH_FCS
from hanscope.captures.pcap import LARGEST
from hanscope.captures.pcapng import (
    ENHANCED_PACKET,
    INTERFACE,
    SECRETS,
    SECTION,
    STATISTICS,
    ZIGBEE_APS_KEY,
    ZIGBEE_NWK_KEY,
)
from hanscope.dissectors.columns.rows import Octets, rows

_AT_ONCE: Final = 1 << 16
"""Records that are put together before they are written."""


class _Writer:
    """An output file that is closed at the end if it was opened here."""

    def __init__(self, file: BinaryIO | Path | str) -> None:
        self._mine = isinstance(file, Path | str)
        self._file: BinaryIO = Path(file).open("wb") if isinstance(file, Path | str) else file  # noqa: SIM115 -- see close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write out everything; close the file if it was given by its name."""
        if self._mine:
            self._file.close()
        else:
            self._file.flush()


class PcapWriter(_Writer):
    """Writes a pcap file (little-endian, nanoseconds)."""

    def __init__(self, file: BinaryIO | Path | str, link_type: int = WITH_FCS) -> None:
        super().__init__(file)
        self._file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, LARGEST, link_type))

    def write(
        self, time_ns: ArrayLike, buffer: Octets, at: ArrayLike, length: ArrayLike, original: ArrayLike | None = None
    ) -> None:
        """Write the records `buffer[at : at + length]`; `original` is their length before they were cut."""
        time, begin, size = np.asarray(time_ns, np.int64), np.asarray(at, np.int64), np.asarray(length, np.int64)
        before = size if original is None else np.asarray(original, np.int64)
        for part in _parts(len(begin)):
            head = np.empty((len(begin[part]), 4), "<u4")
            head[:, 0], head[:, 1] = np.divmod(time[part], 1_000_000_000)
            head[:, 2] = size[part]
            head[:, 3] = before[part]
            self._file.write(_packed(head.view(np.uint8), buffer, begin[part], size[part]).data)

    def frame(self, time_ns: int, octets: bytes) -> None:
        """Write one record."""
        self.write([time_ns], np.frombuffer(octets, np.uint8), [0], [len(octets)])


class PcapngWriter(_Writer):
    """Writes a pcapng file (little-endian, nanoseconds, one section).

    Describe at least one interface before the first packet, and give secrets before the packets that they open.
    """

    def __init__(self, file: BinaryIO | Path | str, *, application: str = "hanscope", comment: str = "") -> None:
        super().__init__(file)
        self._interfaces = 0
        options = [(4, application.encode()), (1, comment.encode())]
        self._block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options(options))

    def interface(
        self, link_type: int = WITH_FCS, name: str = "", description: str = "", fcs_length: int | None = None
    ) -> int:
        """Describe a further interface; returns its index. `fcs_length`: as in `captures.batch.Interface`."""
        fcs = b"" if fcs_length is None else bytes([fcs_length])
        options = [(2, name.encode()), (3, description.encode()), (9, b"\x09"), (13, fcs)]
        self._block(INTERFACE, struct.pack("<HHI", link_type, 0, LARGEST) + _options(options))
        self._interfaces += 1
        return self._interfaces - 1

    def secret(self, secret: Secret) -> None:
        """Put a ZigBee key into the file."""
        self._file.write(secrets_block(secret))

    def statistics(self, interface: int, time_ns: int, received: int, dropped: int) -> None:
        """Tell, at the end, how many packets an interface delivered and lost."""
        counts = [(4, struct.pack("<Q", received)), (5, struct.pack("<Q", dropped))]
        head = struct.pack("<III", interface, time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF)
        self._block(STATISTICS, head + _options(counts))

    def write(
        self,
        time_ns: ArrayLike,
        buffer: Octets,
        at: ArrayLike,
        length: ArrayLike,
        original: ArrayLike | None = None,
        *,
        interface: ArrayLike = 0,
        comments: Iterable[tuple[int, str]] = (),
    ) -> None:
        """Write the packets `buffer[at : at + length]`; `comments` with their index into these packets."""
        time, begin, size = np.asarray(time_ns, np.int64), np.asarray(at, np.int64), np.asarray(length, np.int64)
        where = np.asarray(interface, np.int64)
        if where.size and not 0 <= where.min() <= where.max() < self._interfaces:
            raise ValueError(f"interface {where.max()} has not been described")
        before = size if original is None else np.asarray(original, np.int64)
        head = _packet_head(time, size, before, where)
        texts: dict[int, list[str]] = {}
        for index, text in comments:
            texts.setdefault(index, []).append(text)
        start = 0
        for commented in sorted(texts):
            self._run(head[start:commented], buffer, begin[start:commented], size[start:commented])
            data = _padded(buffer[begin[commented] :][: size[commented]].tobytes())
            options = _options([(1, text.encode()) for text in texts[commented]])
            self._block(ENHANCED_PACKET, head[commented, 2:].tobytes() + data + options)
            start = commented + 1
        self._run(head[start:], buffer, begin[start:], size[start:])

    def frame(self, time_ns: int, octets: bytes, *, interface: int = 0, comment: str = "") -> None:
        """Write one packet."""
        self.write(
            [time_ns],
            np.frombuffer(octets, np.uint8),
            [0],
            [len(octets)],
            interface=interface,
            comments=[(0, comment)] if comment else (),
        )

    def _run(self, head: NDArray[np.uint32], buffer: Octets, begin: Int64s, size: Int64s) -> None:
        for part in _parts(len(begin)):
            self._file.write(_packed(head[part].view(np.uint8), buffer, begin[part], size[part], closed=True).data)

    def _block(self, kind: int, body: bytes) -> None:
        self._file.write(_block(kind, body))


def secrets_block(secret: Secret, order: str = "<") -> bytes:
    """A ZigBee key as a decryption secrets block; `order`: the section's. The key's own fields are little-endian."""
    octets = secret.key + struct.pack(f"<{1 + len(secret.devices)}H", secret.pan_id, *secret.devices)
    kind = ZIGBEE_NWK_KEY if secret.kind == "nwk" else ZIGBEE_APS_KEY
    return _block(SECRETS, struct.pack(f"{order}II", kind, len(octets)) + _padded(octets), order)


def _block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def tap_headers(
    count: int,
    *,
    fcs_type: int = 1,
    rssi_dbm: ArrayLike | None = None,
    channel: ArrayLike | None = None,
    page: ArrayLike = 0,
    lqi: ArrayLike | None = None,
) -> Octets:
    """TAP headers (link type 283) for `count` frames, count × octets; put each before its frame (with `prefixed`).

    `fcs_type`: 0 the frames have no FCS, 1 they end with a 16-bit FCS. Values that are not given are left out.
    """
    fields: list[tuple[int, int, NDArray[np.uint8]]] = []

    def add(kind: int, length: int, *columns: NDArray) -> None:
        value = np.zeros((count, 4), np.uint8)
        value[:, :length] = np.concatenate([np.ascontiguousarray(c)[:, None].view(np.uint8) for c in columns], axis=1)
        fields.append((kind, length, value))

    add(FCS_TYPE, 1, np.full(count, fcs_type, np.uint8))
    if rssi_dbm is not None:
        add(RSS, 4, np.broadcast_to(np.asarray(rssi_dbm, "<f4"), count))
    if channel is not None:
        numbers = np.broadcast_to(np.asarray(channel, "<u2"), count)
        add(CHANNEL, 3, numbers, np.broadcast_to(np.asarray(page, np.uint8), count))
    if lqi is not None:
        add(LQI, 1, np.broadcast_to(np.asarray(lqi, np.uint8), count))
    size = 4 + 8 * len(fields)
    result = np.zeros((count, size), np.uint8)
    result[:, 2] = size
    for index, (kind, length, value) in enumerate(fields):
        result[:, 4 + 8 * index : 8 + 8 * index] = np.frombuffer(struct.pack("<HH", kind, length), np.uint8)
        result[:, 8 + 8 * index : 12 + 8 * index] = value
    return result


def prefixed(head: Octets, buffer: Octets, at: ArrayLike, length: ArrayLike) -> tuple[Octets, Int64s, Int64s]:
    """Each record's octets behind its own row of `head`: a new buffer, positions and lengths, ready to be written."""
    begin, size = np.asarray(at, np.int64), np.asarray(length, np.int64)
    joined = size + head.shape[1]
    return _packed(head, buffer, begin, size), np.cumsum(joined) - joined, joined


def _parts(count: int) -> list[slice]:
    return [slice(begin, begin + _AT_ONCE) for begin in range(0, count, _AT_ONCE)]


def _packet_head(time_ns: Int64s, size: Int64s, original: Int64s, interface: Int64s) -> NDArray[np.uint32]:
    """What stands before the data of enhanced packet blocks without options."""
    head = np.empty((len(size), 7), "<u4")
    head[:, 0] = ENHANCED_PACKET
    head[:, 1] = 32 + (size + 3 & ~3)
    head[:, 2] = interface
    head[:, 3] = time_ns >> 32
    head[:, 4] = time_ns & 0xFFFFFFFF
    head[:, 5] = size
    head[:, 6] = original
    return head


def _packed(head: Octets, buffer: Octets, at: Int64s, length: Int64s, *, closed: bool = False) -> Octets:
    """Records one after the other, each its row of `head` and its octets.

    `closed`: as pcapng blocks, filled up to four octets and with their length at the end.
    """
    fixed = head.shape[1]
    sizes = fixed + ((length + 3 & ~3) + 4 if closed else length)
    places = np.cumsum(sizes) - sizes
    result = np.empty(int(sizes.sum()), np.uint8)
    order = np.argsort(length, kind="stable")
    edges = np.flatnonzero(np.diff(length[order])) + 1
    for alike in np.split(order, edges) if len(order) else []:
        data, size = int(length[alike[0]]), int(sizes[alike[0]])
        whole = np.zeros((len(alike), size), np.uint8)
        whole[:, :fixed] = head[alike]
        whole[:, fixed : fixed + data] = rows(buffer, at[alike], data)
        if closed:
            whole[:, -4:] = np.frombuffer(struct.pack("<I", size), np.uint8)
        overlapping = np.ndarray((len(result) - size + 1,), f"V{size}", result, 0, (1,))
        overlapping[places[alike]] = whole.view(f"V{size}")[:, 0]
    return result


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _options(options: list[tuple[int, bytes]]) -> bytes:
    """Options that have a value, and the end of the options; nothing at all without any."""
    found = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options if value)
    return found and found + bytes(4)
