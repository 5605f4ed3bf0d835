"""What Texas Instruments' radios (CC253x and kin) put in the place of the FCS: RSSI, then CRC flag and correlation.

The RSSI octet is signed; dBm = octet - 73. Bit 7 of the last octet says that the CRC was right, the others are the
correlation of the first symbols (about 50 poor, 110 good), used as link quality.
"""

from typing import Final

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import Heard
from hanscope.captures.sniffers.channels import Channel

RSSI_OFFSET: Final = -73
"""dB."""
TRAILER: Final = 2
"""Octets."""


def with_metadata(psdu: bytes, ticks: int | None = None, channel: Channel | None = None) -> Heard:
    """A frame that ends with these two octets."""
    rssi, flags = psdu[-2], psdu[-1]
    signed = rssi - 256 if rssi >= 0x80 else rssi
    return Heard(
        psdu[:-TRAILER],
        Fcs.VALID if flags & 0x80 else Fcs.INVALID,
        ticks,
        float(signed + RSSI_OFFSET),
        flags & 0x7F,
        channel,
    )
