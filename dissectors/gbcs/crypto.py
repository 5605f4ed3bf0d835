"""The cryptography of GBCS messages: signatures, shared secrets, derived keys, MACs and encrypted parts.

    signature   ECDSA P-256 with SHA-256, r || s (64 octets, big-endian)
    Z           ECDH P-256 of two static Key Agreement keys: the x coordinate (32 octets)
    key         first 16 octets of SHA-256( 00000001 || Z || OtherInfo )          (NIST SP 800-56A, single-step KDF)
    OtherInfo   60857406080300 || originator || 09 || use || counter || recipient
    MAC, tag    AES-128-GCM, 12 octets; IV = originator || invocation counter (always 00000000)

Pure functions over octets: who signs, which keys agree and which octets are covered is decided by those who call.
Everything here was confirmed on the official reference messages; integers are big-endian throughout.
"""

import hmac
from enum import IntEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TAG_LENGTH: Final = 12
"""Octets of a MAC, and of the tag that ends an encrypted part."""
SECURITY_HEADER_LENGTH: Final = 5
"""Security control octet and invocation counter."""
ENCRYPTED: Final = 0x31
"""Security control octet of an encrypted part: authenticated encryption, suite 1."""
INVOCATION_COUNTER: Final = bytes(4)
"""Its value is always 0: every message has a key of its own, since the key depends on the counter of the message."""

_ALGORITHM_ID: Final = bytes.fromhex("60857406080300")
"""As the reference messages have it. An ordinary DLMS object identifier would have 05 where this has 06."""
_ECDSA: Final = ECDSA(hashes.SHA256())
_NUMBER: Final = 32
"""Octets of a number of the curve P-256: r and s of a signature."""


class KeyUse(IntEnum):
    """What a derived key is for. For a MAC it equals the CRA flag of the message."""

    COMMAND_MAC = 1
    RESPONSE_MAC = 2
    ALERT_MAC = 3
    ENCRYPTION = 4


def signature_holds(public_key: EllipticCurvePublicKey, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` (r || s) belongs to the octets `signed`; anything that is not 64 octets long does not."""
    if len(signature) != 2 * _NUMBER:
        return False
    r, s = int.from_bytes(signature[:_NUMBER], "big"), int.from_bytes(signature[_NUMBER:], "big")
    try:
        public_key.verify(encode_dss_signature(r, s), signed, _ECDSA)
    except InvalidSignature:
        return False
    return True


def sign(private_key: EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """The signature of the octets `signed`: r || s, 64 octets. For simulations."""
    r, s = decode_dss_signature(private_key.sign(signed, _ECDSA))
    return r.to_bytes(_NUMBER, "big") + s.to_bytes(_NUMBER, "big")


def agree(private_key: EllipticCurvePrivateKey, public_key: EllipticCurvePublicKey) -> bytes:
    """The shared secret Z of two parties: 32 octets. Raises ValueError if the keys are not of one curve."""
    return private_key.exchange(ECDH(), public_key)


def derive_key(secret: bytes, use: KeyUse, originator: int, counter: int, recipient: int) -> bytes:
    """The AES key of one message: 16 octets.

    For a MAC `originator` and `recipient` are the Business Originator and Business Target of the Grouping Header and
    `counter` its Originator Counter, also where Z is not theirs (commands: Access Control Broker and target). For an
    encrypted part `originator` is the device, `recipient` the Supplementary Remote Party and `counter` the
    Supplementary Originator Counter; Business Target and Originator Counter where there are none.
    """
    other_info = b"".join(
        (
            _ALGORITHM_ID,
            originator.to_bytes(8, "big"),
            b"\x09",
            use.to_bytes(1, "big"),
            counter.to_bytes(8, "big"),
            recipient.to_bytes(8, "big"),
        )
    )
    return sha256(b"\x00\x00\x00\x01" + secret + other_info).digest()[:16]


def mac(key: bytes, originator: int, authenticated: bytes, invocation_counter: bytes = INVOCATION_COUNTER) -> bytes:
    """The MAC (GMAC) over the octets `authenticated`: 12 octets.

    For a message these are the security control octet, the five length octets of the MAC Header (all 00), and
    everything from the tag DF of the Grouping Header up to the MAC.
    """
    return AESGCM(key).encrypt(_iv(originator, invocation_counter), b"", authenticated)[:TAG_LENGTH]


def mac_holds(
    key: bytes, originator: int, authenticated: bytes, tag: bytes, invocation_counter: bytes = INVOCATION_COUNTER
) -> bool:
    """Whether `tag` is the MAC over `authenticated`."""
    return hmac.compare_digest(mac(key, originator, authenticated, invocation_counter), tag)


def decrypt(key: bytes, originator: int, part: bytes) -> bytes | None:
    """The plaintext of an encrypted part: security control, invocation counter, ciphertext, tag (12 octets).

    `None` if it was not encrypted with this key, was changed since, or is too short to be one. `originator` is the
    device that encrypted it.
    """
    if len(part) < SECURITY_HEADER_LENGTH + TAG_LENGTH or part[0] != ENCRYPTED:
        return None
    ciphertext, tag = part[SECURITY_HEADER_LENGTH:-TAG_LENGTH], part[-TAG_LENGTH:]
    iv = _iv(originator, part[1:SECURITY_HEADER_LENGTH])
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag, min_tag_length=TAG_LENGTH)).decryptor()
    decryptor.authenticate_additional_data(part[:1])
    try:
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag:
        return None


def encrypt(key: bytes, originator: int, plaintext: bytes) -> bytes:
    """An encrypted part with this plaintext. For simulations."""
    head = bytes([ENCRYPTED])
    sealed = AESGCM(key).encrypt(_iv(originator, INVOCATION_COUNTER), plaintext, head)
    return head + INVOCATION_COUNTER + sealed[: len(plaintext) + TAG_LENGTH]


def _iv(originator: int, invocation_counter: bytes) -> bytes:
    return originator.to_bytes(8, "big") + invocation_counter
