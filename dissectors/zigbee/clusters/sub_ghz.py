"""The Sub-GHz cluster 0x070B (Smart Energy 07-5356): how a hub keeps its sub-GHz network below the duty cycle."""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import ByteField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class SubGhzAttribute(IntEnum):
    """Attributes of the server."""

    CHANNEL_CHANGE = 0x0000
    PAGE_28_CHANNEL_MASK = 0x0001
    PAGE_29_CHANNEL_MASK = 0x0002
    PAGE_30_CHANNEL_MASK = 0x0003
    PAGE_31_CHANNEL_MASK = 0x0004


name_attributes(Cluster.SUB_GHZ, SubGhzAttribute, of_server=True)


class SubGhzClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_SUSPEND_ZCL_MESSAGES_STATUS = 0x00


class SubGhzServerCommand(IntEnum):
    """Commands that the server sends."""

    SUSPEND_ZCL_MESSAGES = 0x00


@cluster_command(Cluster.SUB_GHZ, SubGhzClientCommand.GET_SUSPEND_ZCL_MESSAGES_STATUS, server_to_client=False)
class GetSuspendZclMessagesStatus(Layer):
    fields_desc: ClassVar[list[Any]] = []


@cluster_command(Cluster.SUB_GHZ, SubGhzServerCommand.SUSPEND_ZCL_MESSAGES, server_to_client=True)
class SuspendZclMessages(Layer):
    """The period in minutes; 0: go on. This cluster and OTA Upgrade are not suspended."""

    fields_desc: ClassVar[list[Any]] = [ByteField("period", 0)]
