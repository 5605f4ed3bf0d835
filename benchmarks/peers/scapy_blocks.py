"""The peer that decodes with stock Scapy: every frame is dissected, decrypted with AESCCM, and its OTA block printed.

    python scapy_blocks.py CAPTURE NETWORK_KEY LINK_KEY…

Output: one line a block, tab separated: destination, manufacturer code, image type, file version, offset, data.
It does what a person would write with Scapy in an afternoon: no more checks than needed, one key search for each pair
of devices.
"""

import binascii
import logging
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from scapy.config import conf

logging.getLogger("scapy").setLevel(logging.ERROR)
conf.dot15d4_protocol = "zigbee"

from scapy.layers.dot15d4 import Dot15d4  # noqa: E402 -- the setting has to come first
from scapy.layers.zigbee import ZigbeeAppDataPayload, ZigbeeNWK, ZigbeeSecurityHeader  # noqa: E402
from scapy.utils import RawPcapReader  # noqa: E402

REVERSED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def fcs_ok(frame: bytes) -> bool:
    """The CRC of a frame and its FCS is 0; `crc_hqx` wants the bits in the other order."""
    return binascii.crc_hqx(frame.translate(REVERSED), 0) == 0


def opened(cipher: AESCCM, layer: bytes, header: int, security: ZigbeeSecurityHeader, eui64: bytes) -> bytes | None:
    control = (layer[header] & 0xF8) | 5
    body = header + 5 + (8 if security.extended_nonce else 0) + (1 if security.key_type == 1 else 0)
    nonce = eui64 + layer[header + 1 : header + 5] + bytes([control])
    lead = layer[:header] + bytes([control]) + layer[header + 1 : body]
    try:
        return cipher.decrypt(nonce, layer[body:], lead)
    except InvalidTag:
        return None


def main(path: str, network_key: str, *link_keys: str) -> None:  # noqa: C901, PLR0912 -- a peer as people write it
    network = AESCCM(bytes.fromhex(network_key), tag_length=4)
    links = [AESCCM(bytes.fromhex(key), tag_length=4) for key in link_keys]
    known: dict[tuple[int, int], AESCCM] = {}
    eui64_of: dict[int, bytes] = {}
    with RawPcapReader(path) as reader:
        for frame, _ in reader:
            if not fcs_ok(frame):
                continue
            packet = Dot15d4(frame[:-2])
            nwk = packet.getlayer(ZigbeeNWK)
            security = packet.getlayer(ZigbeeSecurityHeader)
            if nwk is None or security is None:
                continue
            layer = nwk.original
            source = security.source.to_bytes(8, "little")
            if packet.src_addr == nwk.source:
                eui64_of[nwk.source] = source
            plain = opened(network, layer, len(layer) - len(security.original), security, source)
            if plain is None or nwk.frametype != 0:
                continue
            aps = ZigbeeAppDataPayload(plain)
            if aps.aps_frametype != 0:
                continue
            inner = aps.getlayer(ZigbeeSecurityHeader)
            if inner is not None:
                header = len(plain) - len(inner.original)
                eui64 = inner.source.to_bytes(8, "little") if inner.extended_nonce else eui64_of.get(nwk.source)
                if eui64 is None:
                    continue
                pair = min(nwk.source, nwk.destination), max(nwk.source, nwk.destination)
                ciphers = [known[pair]] if pair in known else links
                for cipher in ciphers:
                    zcl = opened(cipher, plain, header, inner, eui64)
                    if zcl is not None:
                        known[pair] = cipher
                        break
                else:
                    continue
            else:
                zcl = bytes(aps.payload)
            if aps.cluster == 0x0019 and len(zcl) > 17 and zcl[0] & 3 == 1 and zcl[2] == 5 and zcl[3] == 0:
                manufacturer, image_type, version, offset, size = struct.unpack_from("<HHIIB", zcl, 4)
                data = zcl[17 : 17 + size].hex()
                print(nwk.destination, manufacturer, image_type, version, offset, data, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
