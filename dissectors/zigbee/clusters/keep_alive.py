"""The Keep-Alive cluster 0x0025 (Smart Energy 07-5356): its attributes; it has no commands.

A device that reads them shows that it is alive and in range of its trust centre.
"""

from enum import IntEnum

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.zigbee.zcl import name_attributes


class KeepAliveAttribute(IntEnum):
    """Attributes of the server."""

    TC_KEEP_ALIVE_BASE = 0x0000
    """Minutes between two reads."""
    TC_KEEP_ALIVE_JITTER = 0x0001
    """Seconds that are added at random, at most."""


name_attributes(Cluster.KEEP_ALIVE, KeepAliveAttribute, of_server=True)
