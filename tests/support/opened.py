"""Real APS frames, opened one by one with `cryptography`'s CCM*, which is none of ours."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hanscope.captures.batch import Fcs
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import decide, frames
from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.layer import MalformedError
from hanscope.dissectors.zigbee import Nwk, NwkSecurity

LEVEL = 5
"""ENC-MIC-32, which is 0 on the air."""


def opened_aps(path: Path, network_key: bytes, most: int = 3000) -> Iterator[bytes]:
    """The APS frames among the first frames of each chunk that the network key opens."""
    ccm = AESCCM(network_key, tag_length=4)
    with open_capture(path) as capture:
        decisions = {}
        for records in capture:
            decisions = decide(records, capture.interfaces, decisions)
            batch = frames(records, decisions)
            for row in np.flatnonzero(batch.fcs != Fcs.INVALID)[:most]:
                try:
                    packet = Mac(batch.frame(int(row)))
                except MalformedError:
                    continue
                if NwkSecurity in packet and packet[Nwk].frame_type == 0:
                    yield from _opened(ccm, packet[Nwk].original, packet[NwkSecurity].original)


def _opened(ccm: AESCCM, nwk: bytes, security: bytes) -> Iterator[bytes]:
    at = len(nwk) - len(security)
    control = security[0] | LEVEL
    header = nwk[:at] + bytes([control]) + security[1:14]
    try:
        yield ccm.decrypt(security[5:13] + security[1:5] + bytes([control]), security[14:], header)
    except InvalidTag:
        return
