"""What a capture is made of on its way in: chunks of records, and the 802.15.4 frames among them, as columns.

A chunk has one flat buffer of octets and, for each record, where in it the record's octets begin. The buffer goes on
for at least `SLACK` zero octets after the last record, so that rows of a fixed width can be copied out of it
(`rows`) without looking at each record's length.
"""

from __future__ import annotations

import os
from enum import IntEnum
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from hanscope.dissectors.columns.rows import SLACK, Octets, narrowed, padded

NO_INTERFACE: Final = 0xFFFF
"""`RecordBatch.interface` of records that belong to none, such as custom blocks."""
COMMENTS: Final = 1_000
"""Comments that are kept; all are counted."""
COMMENT_LENGTH: Final = 4_096
"""Characters of a comment that are kept."""

Int64s = NDArray[np.int64]


class CaptureError(Exception):
    """A capture cannot be read at all; the message is one line: what, where, how to mend it."""


class Fcs(IntEnum):
    """What is known about a frame's check sequence."""

    INVALID = 0
    VALID = 1
    NOT_CAPTURED = 2


class Fault(msgspec.Struct, frozen=True):
    """Something in a capture file that could not be read."""

    where: str
    """"octet 4711": counted from 0 in the (uncompressed) file."""
    what: str


class Comment(msgspec.Struct, frozen=True):
    """A packet's or a section's comment."""

    number: int
    """Of the record; 0: of a section or an interface."""
    text: str


class Secret(msgspec.Struct, frozen=True):
    """A ZigBee key from a decryption secrets block."""

    kind: Literal["nwk", "aps"]
    key: bytes
    pan_id: int
    devices: tuple[int, ...] = ()
    """Short addresses of an APS key's two devices, the lower first."""


class Interface(msgspec.Struct, frozen=True):
    """Where the records of one interface come from, as the file describes it."""

    index: int
    """Counted over all sections of the file."""
    link_type: int
    snap_length: int = 0
    """0: no limit."""
    name: str = ""
    description: str = ""
    resolution: int = 6
    """As `if_tsresol`: 10 ** -n seconds; with bit 7 set 2 ** -(n & 127) seconds."""
    offset_s: int = 0
    """Seconds that were added to every time stamp."""
    fcs_length: int | None = None
    """Octets of FCS that the file claims at the end of each frame; `None`: it does not say."""


class Notes(msgspec.Struct):
    """What a reader finds beside the records; it grows while the records are read."""

    interfaces: list[Interface] = msgspec.field(default_factory=list[Interface])
    faults: list[Fault] = msgspec.field(default_factory=list[Fault])
    comments: list[Comment] = msgspec.field(default_factory=list[Comment])
    """The first `COMMENTS`."""
    comment_count: int = 0
    secrets: list[Secret] = msgspec.field(default_factory=list[Secret])
    other_secrets: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    """Decryption secrets that are not ZigBee's: how many of each secrets type."""
    skipped_blocks: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    """pcapng blocks that are no packets and were not looked at: how many of each block type."""

    def comment(self, number: int, text: str) -> None:
        """Note a comment; `number` as in `Comment`."""
        self.comment_count += 1
        if len(self.comments) < COMMENTS:
            self.comments.append(Comment(number, text[:COMMENT_LENGTH]))


class RecordBatch(msgspec.Struct, frozen=True):
    """One chunk of a capture, about 64k records of any link type, in file order."""

    first_number: int
    """Number of the first record; 1-based, every packet record counts, as in Wireshark."""
    time_ns: Int64s
    """Unix time."""
    buffer: Octets
    at: Int64s
    """Where each record's data begin in `buffer`."""
    captured: Int64s
    """Octets of each record that are in the file."""
    original: Int64s
    """Octets it had on the air (or so the file says)."""
    interface: NDArray[np.uint16]
    """Index over all sections of the file; `NO_INTERFACE`: a record that is no packet (a pcapng custom block)."""
    path: str | None = None
    """The file, if a worker can read the buffer from it again."""
    file_offset: int = 0
    """Where `buffer` begins in the file."""
    size: int = 0
    """Octets of `buffer` without the slack."""
    crc_error: NDArray[np.bool_] | None = None
    """Records that whoever captured them marked as having a wrong CRC; `None`: no such mark in this chunk."""

    def __len__(self) -> int:
        return len(self.at)

    def detached(self) -> RecordBatch:
        """Without the octets, when the file can give them again, and narrow: cheap to send to another process."""
        if self.path is None:
            return self
        return replace(
            self,
            buffer=np.zeros(0, np.uint8),
            at=narrowed(self.at),
            captured=narrowed(self.captured),
            original=narrowed(self.original),
        )

    def attached(self) -> RecordBatch:
        """With the octets, read again from the file if need be.

        Raises `CaptureError` when the file has become shorter or unreadable.
        """
        if self.path is None or len(self.buffer):
            return self
        buffer = np.empty(self.size + SLACK, np.uint8)
        buffer[self.size :] = 0
        got = 0
        try:
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                os.lseek(file, self.file_offset, os.SEEK_SET)
                with os.fdopen(file, "rb", buffering=0, closefd=False) as raw:
                    while got < self.size and (more := raw.readinto(buffer[got : self.size].data)):
                        got += more
            finally:
                os.close(file)
        except OSError as error:
            raise CaptureError(f"{self.path}: {error.strerror}; it was readable before") from error
        if got < self.size:
            raise CaptureError(f"{self.path}: the file became shorter while it was read; run again")
        return replace(
            self,
            buffer=buffer,
            at=self.at.astype(np.int64),
            captured=self.captured.astype(np.int64),
            original=self.original.astype(np.int64),
        )


class FrameBatch(msgspec.Struct, frozen=True):
    """The 802.15.4 frames of one chunk, in capture order. The unit that everything downstream works on."""

    number: Int64s
    """1-based, as Wireshark counts records."""
    time_ns: Int64s
    buffer: Octets
    at: Int64s
    """Where each frame begins in `buffer`."""
    length: Int64s
    """Octets of the frame that are there, without FCS or what stands in its place."""
    fcs: NDArray[np.uint8]
    """`Fcs`."""
    rssi_dbm: NDArray[np.float32]
    """NaN: unknown."""
    lqi: NDArray[np.int16]
    """-1: unknown."""
    channel: NDArray[np.int16]
    """-1: unknown."""
    page: NDArray[np.int16]
    """Channel page (802.15.4 10.1.2); -1: unknown."""
    source: NDArray[np.uint16]
    """Index of the interface."""
    truncated: NDArray[np.bool_]
    """Octets of the frame itself (not of its FCS) are missing."""
    other_frames: int = 0
    """Records of the chunk that are not 802.15.4."""

    def __len__(self) -> int:
        return len(self.at)

    @property
    def octets(self) -> Octets:
        """The frames as rows, padded with zeros: n × (length of the longest)."""
        return padded(self.buffer, self.at, self.length, int(self.length.max(initial=0)))

    def frame(self, index: int) -> bytes:
        """The octets of one frame of this batch."""
        at = int(self.at[index])
        return self.buffer[at : at + int(self.length[index])].tobytes()
