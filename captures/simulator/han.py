"""The Home Area Network that is simulated: its nodes, its keys and who hears whom. What happens there is in `air`."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

HUB: Final = 0
"""Index of the Communications Hub: coordinator, trust centre and OTA server."""


class Role(StrEnum):
    """Device roles of a Great Britain HAN (GBCS 4)."""

    HUB = "communications hub"
    REPEATER = "repeater"
    ESME = "ESME"
    PPMID = "PPMID"
    GSME = "GSME"
    HCALCS = "HCALCS"
    IHD = "IHD"
    SECOND_SERVER = "second OTA server"


@dataclass(frozen=True, slots=True)
class Node:
    """One device of the HAN."""

    role: Role
    eui64: int
    short: int
    link_key: bytes | None = None
    """With the hub; `None`: its application traffic has network security only."""
    extended_nonce: bool = False
    """Whether APS-secured frames between it and the hub name their sender in the auxiliary header."""
    sleepy: bool = False
    """It receives only what it asks its parent for."""
    parent: int = HUB
    """Index of the node through which it and the hub reach each other; `HUB`: directly."""

    @property
    def router(self) -> bool:
        return self.role in (Role.HUB, Role.REPEATER)


@dataclass(frozen=True)
class Han:
    """A network. All application traffic is between the hub (or a second server) and one device, as in GB."""

    nodes: tuple[Node, ...]
    """The hub first."""
    network_key: bytes
    pan_id: int
    extended_pan_id: int
    channel: int = 11
    page: int = 0
    """28 to 31: sub-GHz (ZigBee 05-3474 annex D)."""
    key_sequence: int = 0
    later_keys: tuple[bytes, ...] = ()
    """The network keys that follow, each with the next sequence number (`Air.switch_key`)."""

    def path(self, source: int, destination: int) -> list[tuple[int, int]]:
        """The hops (transmitter, receiver) of a unicast between the hub and a device."""
        device = source or destination
        relay = self.nodes[device].parent
        if relay == HUB or relay in (source, destination):
            return [(source, destination)]
        return [(source, relay), (relay, destination)]

    @cached_property
    def eui64(self) -> NDArray[np.uint64]:
        """EUI-64s by node."""
        return np.array([node.eui64 for node in self.nodes], np.uint64)

    @cached_property
    def short(self) -> NDArray[np.int64]:
        """Short addresses by node."""
        return np.array([node.short for node in self.nodes], np.int64)
