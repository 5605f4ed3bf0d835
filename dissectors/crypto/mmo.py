"""AES-MMO, ZigBee's hash, and what is derived with it (ZigBee specification, annex B.6 and B.1.4).

The state begins as 16 zero octets; each block M of 16 octets makes it AES(key = state, M) XOR M. Every block is a
new AES key, so about 3 microseconds a block is what the library gives.
"""

from typing import Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK: Final = 16
"""Octets of a block, of the state and of the digest."""
_LONG: Final = 1 << 16
"""Messages of this many bits and more say their length in 32 bits."""
_TOO_LONG: Final = 1 << 32


class Mmo:
    """AES-MMO over a message that comes in pieces. `digest` may be asked at any time and changes nothing."""

    def __init__(self) -> None:
        self._state = bytes(BLOCK)
        self._rest = b""
        self._octets = 0

    def update(self, octets: bytes | memoryview) -> Self:
        self._octets += len(octets)
        pending = self._rest + octets
        whole = len(pending) // BLOCK * BLOCK
        self._state = _absorb(self._state, pending[:whole])
        self._rest = pending[whole:]
        return self

    def digest(self) -> bytes:
        """The 16 octets of the hash. Raises ValueError from 2**32 bits on: no form can say such a length."""
        bits = 8 * self._octets
        if bits < _LONG:
            return self.digest_with_short_length()
        if bits >= _TOO_LONG:
            raise ValueError("AES-MMO takes messages of less than 512 MiB")
        return self._padded(bits.to_bytes(4, "big") + bytes(2))

    def digest_with_short_length(self) -> bytes:
        """What implementations give that always write 16 bits of length, modulo 65,536, even for a long message."""
        return self._padded((8 * self._octets % _LONG).to_bytes(2, "big"))

    def _padded(self, length: bytes) -> bytes:
        tail = self._rest + b"\x80"
        zeros = -(len(tail) + len(length)) % BLOCK
        return _absorb(self._state, tail + bytes(zeros) + length)


def _absorb(state: bytes, blocks: bytes) -> bytes:
    one_block = modes.ECB()  # noqa: S305 -- AES is the whole of the hash here, not a mode of encryption
    for at in range(0, len(blocks), BLOCK):
        block = blocks[at : at + BLOCK]
        encrypted = Cipher(algorithms.AES(state), one_block).encryptor().update(block)
        state = (int.from_bytes(encrypted, "big") ^ int.from_bytes(block, "big")).to_bytes(BLOCK, "big")
    return state


def mmo(message: bytes | memoryview) -> bytes:
    """The AES-MMO hash, 16 octets. Raises ValueError for messages of 512 MiB and more."""
    return Mmo().update(message).digest()


def hmac_mmo(key: bytes, message: bytes) -> bytes:
    """HMAC (FIPS 198) with AES-MMO as the hash: 16 octets. A key longer than a block is hashed first."""
    if len(key) > BLOCK:
        key = mmo(key)
    key = key.ljust(BLOCK, b"\0")
    inner = mmo(bytes(octet ^ 0x36 for octet in key) + message)
    return mmo(bytes(octet ^ 0x5C for octet in key) + inner)


def key_transport_key(link_key: bytes) -> bytes:
    """The key that protects a network key on its way (APS key identifier 2; ZigBee 4.5.3)."""
    return hmac_mmo(link_key, b"\x00")


def key_load_key(link_key: bytes) -> bytes:
    """The key that protects a link key on its way (APS key identifier 3; ZigBee 4.5.3)."""
    return hmac_mmo(link_key, b"\x02")


def verify_key_hash(link_key: bytes) -> bytes:
    """What a Verify-Key command carries to prove possession of a trust centre link key (ZigBee 4.4.11.7)."""
    return hmac_mmo(link_key, b"\x03")
