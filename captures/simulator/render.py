"""Columns backwards: many frames of one kind at once, from a specimen and a column for each field that varies.

The column engine reads a field of many frames with one operation because all frames of a kind have it in the same
place; here the same places are written. Then all of them are secured together, first by APS, then by NWK (ZigBee
05-3474 4.3 and 4.4), and get their FCS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.columns.layout import Slot
from hanscope.dissectors.columns.rows import Octets
from hanscope.dissectors.crypto.ccm import BLOCK, MIC, BulkCcm, Nonces
from hanscope.dissectors.fcs import crc16

LEVEL: Final = 5
"""ENC-MIC-32, which is 0 on the air."""
FCS: Final = 2


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where in a specimen a secured layer begins, and where its auxiliary header and so its clear part ends."""

    begin: int
    auxiliary: int
    clear: int
    tail: int
    """Octets behind the layer's MIC."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """One frame of a kind, unsecured but with room for its MICs and FCS, and where its fields lie."""

    octets: bytes
    slots: Mapping[str, Slot]
    """By "Layer.field", counted from the start of the frame."""
    nwk: Sealed | None
    aps: Sealed | None

    def __len__(self) -> int:
        return len(self.octets)


def render(specimen: Specimen, count: int, columns: Mapping[str, Any]) -> Octets:
    """`count` frames like the specimen, not yet secured; `columns` (scalar, (n,), or (n, size) octets) fill its slots.

    `KeyError` if the specimen has no such slot.
    """
    frames = np.tile(np.frombuffer(specimen.octets, np.uint8), (count, 1))
    for name, values in columns.items():
        _write(frames, specimen.slots[name], values)
    return frames


def _write(frames: Octets, slot: Slot, values: Any) -> None:
    if slot.kind in ("octets", "rest"):
        frames[:, slot.start : slot.start + slot.size] = values
        return
    if slot.kind != "uint":
        raise KeyError("an opaque field cannot be written in bulk")
    if slot.bits:
        keep = 0xFF ^ (((1 << slot.bits) - 1) << slot.shift)
        octet = frames[:, slot.start]
        frames[:, slot.start] = (octet & keep) | (np.asarray(values) << slot.shift).astype(np.uint8)
        return
    order = "<" if slot.little else ">"
    wide = np.asarray(values).astype(f"{order}u8").reshape(-1, 1).view(np.uint8)
    frames[:, slot.start : slot.start + slot.size] = wide[:, : slot.size] if slot.little else wide[:, 8 - slot.size :]


def seal(
    frames: Octets, place: Sealed, cipher: BulkCcm, eui64: NDArray[np.uint64], frame_counter: NDArray[np.integer]
) -> None:
    """Secures one layer of rendered frames in place: AES-CCM* over what is behind its auxiliary header."""
    count, length = frames.shape
    end = length - place.tail - MIC
    size = end - place.clear
    header = frames[:, place.begin : place.clear].copy()
    header[:, place.auxiliary - place.begin] |= LEVEL
    body = np.zeros((count, -(-size // BLOCK) * BLOCK), np.uint8)
    body[:, :size] = frames[:, place.clear : end]
    control = header[:, place.auxiliary - place.begin].astype(np.uint64)
    text, mic = cipher.encrypt(
        Nonces(eui64, frame_counter.astype(np.uint64), control), header, body, np.full(count, size, np.int64)
    )
    frames[:, place.clear : end] = text[:, :size]
    frames[:, end : end + MIC] = mic


def _pairs() -> NDArray[np.uint16]:
    """What the CRC of two octets, as a little-endian number, does to a CRC of 0."""
    single = np.array([crc16(bytes([octet])) for octet in range(256)], np.uint16)
    first = single[np.arange(65536) & 0xFF]
    return ((first >> 8) ^ single[(first & 0xFF) ^ (np.arange(65536) >> 8)]).astype(np.uint16)


_PAIRS: Final = _pairs()


def append_fcs(frames: Octets) -> None:
    """Writes the FCS into the last two octets of every row."""
    body = frames[:, :-FCS]
    if body.shape[1] % 2:  # an octet of zeros in front changes nothing, as the CRC begins with 0
        body = np.pad(body, ((0, 0), (1, 0)))
    words = np.ascontiguousarray(np.ascontiguousarray(body).view("<u2").T)
    crc = np.zeros(len(frames), np.uint16)
    for word in words:
        crc = _PAIRS[crc ^ word]
    frames[:, -FCS] = crc & 0xFF
    frames[:, -1] = crc >> 8
