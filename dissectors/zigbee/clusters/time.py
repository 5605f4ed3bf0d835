"""The Time cluster 0x000A (ZigBee Cluster Library 07-5123, 3.12): its attributes; it has no commands."""

from enum import IntEnum

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.zigbee.zcl import name_attributes


class TimeAttribute(IntEnum):
    """Attributes of the server; times in seconds since 2000."""

    TIME = 0x0000
    TIME_STATUS = 0x0001
    TIME_ZONE = 0x0002
    DST_START = 0x0003
    DST_END = 0x0004
    DST_SHIFT = 0x0005
    STANDARD_TIME = 0x0006
    LOCAL_TIME = 0x0007
    LAST_SET_TIME = 0x0008
    VALID_UNTIL_TIME = 0x0009


name_attributes(Cluster.TIME, TimeAttribute, of_server=True)
