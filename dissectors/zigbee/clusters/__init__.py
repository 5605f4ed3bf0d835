"""The clusters of a HAN, one module each: their commands as layers, the names of their attributes.

Importing this package registers them all with `zcl`. The OTA Upgrade cluster is `hanscope.dissectors.zigbee.ota`.
"""

from hanscope.dissectors.zigbee.clusters import (
    basic,
    calendar,
    device_management,
    drlc,
    energy_management,
    events,
    keep_alive,
    key_establishment,
    mdu_pairing,
    messaging,
    metering,
    prepayment,
    price,
    sub_ghz,
    time,
    tunneling,
)

__all__ = [
    "basic",
    "calendar",
    "device_management",
    "drlc",
    "energy_management",
    "events",
    "keep_alive",
    "key_establishment",
    "mdu_pairing",
    "messaging",
    "metering",
    "prepayment",
    "price",
    "sub_ghz",
    "time",
    "tunneling",
]
