"""The frame check sequence of IEEE 802.15.4 (7.2.10): the 16-bit ITU-T CRC, least significant bit first, begun with 0.

The CRC is the remainder of the frame, read as a polynomial, modulo P = x^16 + x^12 + x^5 + 1. Modulo 2, squaring a
sum squares its terms, so P^(2^k) = x^(16·2^k) + x^(12·2^k) + x^(5·2^k) + 1 is a multiple of P for every k: a bit may be
added to the bits 4·2^k, 11·2^k and 16·2^k places after it and be forgotten. With k = 5 that folds 64 octets onto the
next 64, with k = 4 it folds 32 octets, … until 16 bits are left: the remainder. All steps are shifts and XORs of whole
columns; no table is looked up.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 8192
"""Frames that are folded together: small enough for the columns to stay in the processor's cache."""

_Words = NDArray[np.uint64]


def _table() -> tuple[int, ...]:
    entries: list[int] = []
    for octet in range(256):
        entry = octet
        for _ in range(8):
            entry = entry >> 1 ^ (0x8408 if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)


_TABLE: Final = _table()


def crc16(octets: bytes) -> int:
    """The CRC of a frame without its FCS; sent low octet first. Over a frame with a valid FCS it is 0."""
    crc = 0
    for octet in octets:
        crc = crc >> 8 ^ _TABLE[(crc ^ octet) & 0xFF]
    return crc


def valid(buffer: NDArray[np.uint8], at: NDArray[np.integer], length: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether the frames at `buffer[at : at + length]`, each with its FCS as its last two octets, are intact.

    Frames shorter than three octets are not valid: they have nothing to check.
    """
    return (remainders(buffer, at, length) == 0) & (length > 2)


def remainders(buffer: NDArray[np.uint8], at: NDArray[np.integer], length: NDArray[np.integer]) -> NDArray[np.uint16]:
    """What the frames at `buffer[at : at + length]`, each with its last two octets, leave modulo P.

    0 for a frame that ends with its FCS. For a frame with two octets of 0 in the place of the FCS: the FCS.
    """
    result = np.zeros(len(at), np.uint16)
    words = (length.astype(np.int64) + 7) >> 3
    ends = at.astype(np.int64) + length
    # The longest first: then the frames that have a k-th word from their end are the first ones of each block.
    order = np.argsort(-words.astype(np.int16), kind="stable")
    for begin in range(0, len(order), _BLOCK):
        chosen = order[begin : begin + _BLOCK]
        result[chosen] = _block(buffer, ends[chosen], length[chosen], words[chosen])
    return result


def _block(
    buffer: NDArray[np.uint8], ends: NDArray[np.int64], length: NDArray[np.integer], words: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """`remainders` of a few thousand frames in order of descending `words`."""
    most = max(int(words[0]), 1)
    width = 8 * most
    begins = ends - width
    outside = np.flatnonzero(begins < 0)  # a wide row would begin before the buffer does
    begins[outside] = 0
    if len(buffer) < width:
        buffer = np.concatenate([buffer, np.zeros(width, np.uint8)])
    gathered = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, 0, (1,))[begins]
    table = gathered.view("<u8").reshape(len(ends), most)
    # columns[k]: the k-th word from the end, of those frames that have one
    counts = np.searchsorted(-words, -np.arange(most), side="left").tolist()
    columns: list[_Words] = []
    keep = _KEEP[length & 7]
    for k in range(most):
        column = table[: counts[k], most - 1 - k].copy()
        inner = counts[k + 1] if k + 1 < most else 0
        column[inner:] &= keep[inner : counts[k]]
        columns.append(column)
    remainder = _fold(columns)
    result = np.zeros(len(ends), np.uint16)
    result[: len(remainder)] = remainder
    for index in outside.tolist():
        end = int(ends[index])
        octets = buffer[end - int(length[index]) : end].tobytes()
        result[index] = crc16(octets[:-2]) ^ int.from_bytes(octets[-2:], "little")
    return result


_KEEP: Final = np.array([(2**64 - 1) << (8 * (8 - n) % 64) & (2**64 - 1) for n in range(8)], np.uint64)
"""By the length modulo 8: the bits of a frame's first word that belong to the frame."""


def _fold(columns: list[_Words]) -> NDArray[np.uint16]:
    """The remainders of frames given as words counted from their ends; uses up the columns.

    A word holds its first octet in its lowest bits: to go n places on is to shift left by n bits.
    """
    while (k := len(columns) - 1) > 0:
        word = columns.pop()
        n = len(word)
        if k >= 8:  # 16, 44 and 64 octets on
            columns[k - 2][:n] ^= word
            columns[k - 8][:n] ^= word
            columns[k - 5][:n] ^= word << 32
            columns[k - 6][:n] ^= word >> 32
        elif k >= 4:  # 8, 22 and 32 octets on
            columns[k - 1][:n] ^= word
            columns[k - 4][:n] ^= word
            columns[k - 2][:n] ^= word << 48
            columns[k - 3][:n] ^= word >> 16
        elif k >= 2:  # 4, 11 and 16 octets on; the first four land in the same word
            word ^= word << 32
            columns[k - 1][:n] ^= word >> 32 ^ word << 24
            columns[k - 2][:n] ^= word >> 40 ^ word
        else:  # 16, 44 and 64 bits on, within the word until all have left it
            word ^= word << 16 ^ word << 32 ^ word << 48 ^ word << 44
            columns[0][:n] ^= word >> 48 ^ word >> 20 ^ word
    last = columns[0].view("<u4")
    half = last[::2]  # 8, 22 and 32 bits on
    half = half ^ half << 8 ^ half << 16 ^ half << 24 ^ half << 22
    word32 = last[1::2] ^ half >> 24 ^ half >> 10 ^ half
    quarter = (word32 & 0xFFFF).astype(np.uint16)  # 4, 11 and 16 bits on
    quarter ^= quarter << 4 ^ quarter << 8 ^ quarter << 12 ^ quarter << 11
    quarter ^= quarter >> 12 ^ quarter >> 5
    return quarter ^ (word32 >> 16).astype(np.uint16)
