"""AES-CCM* as ZigBee uses it (ZigBee 05-3474 Annex A; L = 2, 4-octet MIC): for one frame and for very many.

In bulk, all counter blocks of all frames go through AES in one call, and so does each round of the CBC-MAC: rows are
ordered longest first, so that the frames that still have a block are always the first rows.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from numpy.typing import NDArray

Octets = NDArray[np.uint8]

MIC: Final = 4
"""Octets of the message integrity code at security level 5."""
BLOCK: Final = 16
SLICE: Final = 1 << 16
"""Frames that go through at a time, so that the memory for it is bounded."""

_Block = np.complex128
"""NumPy's only number of 16 octets: what copies whole blocks at once."""
_KEEP: Final = np.where(np.arange(BLOCK) < np.arange(BLOCK + 1)[:, None], 0xFF, 0).astype(np.uint8).view(_Block)[:, 0]
"""Item k keeps the first k octets of a block."""


class Nonces(msgspec.Struct, frozen=True):
    """The nonces of many frames (ZigBee 05-3474 4.5.2.2), as numbers."""

    eui64: NDArray[np.uint64]
    frame_counter: NDArray[np.uint64]
    control: NDArray[np.uint64]
    """The security control octet with the level that was in use, not the 0 that is on the air."""

    def __getitem__(self, rows: slice) -> Nonces:
        return Nonces(self.eui64[rows], self.frame_counter[rows], self.control[rows])

    def blocks(self) -> NDArray[np.uint64]:
        """Counter blocks with counter 0: flags, nonce, two zero octets; (n, 2) little-endian words."""
        out = np.empty((len(self.eui64), 2), np.uint64)
        out[:, 0] = (self.eui64 << np.uint64(8)) | np.uint64(1)
        out[:, 1] = (
            (self.eui64 >> np.uint64(56)) | (self.frame_counter << np.uint64(8)) | (self.control << np.uint64(40))
        )
        return out


def open_one(key: bytes, nonce: bytes, header: bytes, body: bytes) -> bytes | None:
    """The plaintext of `body` (ciphertext and MIC), or `None` if the MIC does not hold."""
    if len(body) < MIC:
        return None
    try:
        return AESCCM(key, tag_length=MIC).decrypt(nonce, body, header)
    except InvalidTag:
        return None


def seal_one(key: bytes, nonce: bytes, header: bytes, plain: bytes) -> bytes:
    """Ciphertext and MIC of `plain`."""
    return AESCCM(key, tag_length=MIC).encrypt(nonce, plain, header)


class _Blocks:
    """Blocks that go through AES where they lie, as (n, 2) words."""

    __slots__ = ("octets", "words")

    def __init__(self, count: int, octets: Octets | None = None) -> None:
        # The cipher wants room for one octet less than a block behind what it writes.
        self.octets = np.empty(count * BLOCK + BLOCK - 1, np.uint8) if octets is None else octets
        self.words: NDArray[np.uint64] = self.octets[: count * BLOCK].view(np.uint64).reshape(-1, 2)

    def first(self, count: int) -> _Blocks:
        """The first of these blocks, in the same place."""
        return _Blocks(count, self.octets)


class BulkCcm:
    """CCM* over many frames with one key."""

    def __init__(self, key: bytes) -> None:
        # CCM* is built from single blocks, which is what ECB gives.
        self._aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305

    def _encrypt(self, blocks: _Blocks) -> None:
        """AES of every block, in its place."""
        self._aes.update_into(blocks.octets.data[: blocks.words.nbytes], blocks.octets.data)

    def decrypt(
        self,
        nonces: Nonces,
        header: Octets,
        body: Octets,
        length: NDArray[np.int64],
        mic: Octets,
        out: Octets | None = None,
    ) -> tuple[Octets, NDArray[np.bool_]]:
        """Opens frames that share a header length, **longest first**.

        header (n, a): the authenticated octets; body (n, w): ciphertext without the MIC, arbitrary octets behind its
        end, w a multiple of 16 that holds every `length` (n,); mic (n, 4); out (n, w): where the plaintext goes, if the
        caller has a place for it. Returns the plaintext (n, w), arbitrary behind its end, and which MICs hold (n,)
        bool; the plaintext of a frame whose MIC does not hold is worthless.
        """
        out = np.empty(body.shape, np.uint8) if out is None else out
        tag = self._in_slices(nonces, header, body, length, out, seal=False)
        return out, tag.view(np.uint32)[:, 0] == np.ascontiguousarray(mic).view(np.uint32)[:, 0]

    def encrypt(
        self, nonces: Nonces, header: Octets, plain: Octets, length: NDArray[np.int64]
    ) -> tuple[Octets, Octets]:
        """Seals frames; arguments as in `decrypt`. Returns ciphertext (n, w) and MIC (n, 4)."""
        out = np.empty(plain.shape, np.uint8)
        return out, self._in_slices(nonces, header, plain, length, out, seal=True)

    def _in_slices(
        self, nonces: Nonces, header: Octets, body: Octets, length: NDArray[np.int64], out: Octets, *, seal: bool
    ) -> Octets:
        if (length[1:] > length[:-1]).any():
            raise ValueError("frames must be ordered longest first")
        tag = np.empty((len(body), MIC), np.uint8)
        for start in range(0, len(body), SLICE):
            rows = slice(start, start + SLICE)
            tag[rows] = self._transform(nonces[rows], header[rows], body[rows], length[rows], out[rows], seal=seal)
        return tag

    def _transform(
        self, nonces: Nonces, header: Octets, body: Octets, length: NDArray[np.int64], out: Octets, *, seal: bool
    ) -> Octets:
        """Fills `out` with the other text; returns the MIC."""
        count, width = body.shape
        # Rows that have a j-th block; the first of them, down to the rows of j + 1, have it whole.
        alive = np.searchsorted(-length, -np.arange(0, width, BLOCK), "left").tolist()
        base = nonces.blocks()

        stream = _Blocks(count + sum(alive))
        at = 0
        for j, rows in enumerate([count, *alive]):
            stream.words[at : at + rows] = base[:rows]
            stream.words[at : at + rows, 1] |= np.uint64(((j & 0xFF) << 56) | ((j >> 8) << 48))
            at += rows
        self._encrypt(stream)

        state = _Blocks(count)
        flags = 0x49 if header.shape[1] else 0x09
        state.words[:, 0] = base[:, 0] ^ np.uint64(flags ^ 1)
        size = length.astype(np.uint64)
        size = ((size & np.uint64(0xFF)) << np.uint64(56)) | ((size >> np.uint64(8)) << np.uint64(48))
        state.words[:, 1] = base[:, 1] | size
        self._encrypt(state)
        if header.shape[1]:
            lead = np.zeros((count, -(-(2 + header.shape[1]) // BLOCK) * BLOCK), np.uint8)
            lead[:, 0] = header.shape[1] >> 8
            lead[:, 1] = header.shape[1] & 0xFF
            lead[:, 2 : 2 + header.shape[1]] = header
            for j in range(lead.shape[1] // BLOCK):
                state.words ^= _block(lead, j, count)
                self._encrypt(state)
        at = count
        for j, rows in enumerate(alive):
            if not rows:
                break
            given = _block(body, j, rows)
            made = stream.words[at : at + rows]
            made ^= given
            at += rows
            last = alive[j + 1] if j + 1 < len(alive) else 0
            keep = _KEEP[length[last:rows] - j * BLOCK].view(np.uint64).reshape(-1, 2)
            plain = given if seal else made
            plain[last:] &= keep
            out.view(_Block)[:rows, j] = made.view(_Block)[:, 0]
            begun = state.first(rows)
            begun.words ^= plain
            self._encrypt(begun)
        return (state.words ^ stream.words[:count]).view(np.uint8)[:, :MIC]


def _block(table: Octets, j: int, rows: int) -> NDArray[np.uint64]:
    """The j-th block of the first rows as (rows, 2) words, copied."""
    return np.ascontiguousarray(table.view(_Block)[:rows, j]).view(np.uint64).reshape(-1, 2)
