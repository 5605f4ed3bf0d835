"""Install codes: what is printed on a device, and the link key that it stands for (Base Device Behavior, 10.1).

A code of 6, 8, 12 or 16 octets is followed by its CRC (CRC-16/X-25, low octet first). The link key is the AES-MMO hash
of both. The devices of Great Britain's HANs have codes of 16 octets; the key serves for the join only.
"""

from typing import Final

from hanscope.dissectors.crypto.mmo import mmo
from hanscope.dissectors.fcs import crc16

LENGTHS: Final = (6, 8, 12, 16)
"""Octets of a code, without its CRC."""
CRC: Final = 2
"""Octets of the CRC."""


class InstallCodeError(ValueError):
    """Octets that are no install code; the message says why."""


def install_code_crc(code: bytes) -> bytes:
    """The two octets that follow a code (of at least two octets)."""
    # A register that begins with ones is one that begins with zeros, and the first 16 bits inverted.
    inverted = bytes(octet ^ 0xFF for octet in code[:CRC]) + code[CRC:]
    return (crc16(inverted) ^ 0xFFFF).to_bytes(CRC, "little")


def link_key(code_and_crc: bytes) -> bytes:
    """The 16 octets of the link key. Raises `InstallCodeError` if the length or the CRC is wrong."""
    code, crc = code_and_crc[:-CRC], code_and_crc[-CRC:]
    if len(code) not in LENGTHS:
        wanted = ", ".join(str(length + CRC) for length in LENGTHS)
        raise InstallCodeError(f"an install code with its CRC has {wanted} octets, this has {len(code_and_crc)}")
    if crc != install_code_crc(code):
        raise InstallCodeError("the CRC of the install code, its last two octets, is wrong: compare it with the label")
    return mmo(code_and_crc)
