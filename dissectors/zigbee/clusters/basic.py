"""The Basic cluster 0x0000 (ZigBee Cluster Library 07-5123, 3.2): its attributes and its one command."""

from enum import IntEnum
from typing import Any, ClassVar

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class BasicAttribute(IntEnum):
    """Attributes of the server."""

    ZCL_VERSION = 0x0000
    APPLICATION_VERSION = 0x0001
    STACK_VERSION = 0x0002
    HW_VERSION = 0x0003
    MANUFACTURER_NAME = 0x0004
    MODEL_IDENTIFIER = 0x0005
    DATE_CODE = 0x0006
    POWER_SOURCE = 0x0007
    LOCATION_DESCRIPTION = 0x0010
    PHYSICAL_ENVIRONMENT = 0x0011
    DEVICE_ENABLED = 0x0012
    ALARM_MASK = 0x0013
    DISABLE_LOCAL_CONFIG = 0x0014
    SW_BUILD_ID = 0x4000


name_attributes(Cluster.BASIC, BasicAttribute, of_server=True)


class BasicCommand(IntEnum):
    """Commands that the client sends."""

    RESET_TO_FACTORY_DEFAULTS = 0x00


@cluster_command(Cluster.BASIC, BasicCommand.RESET_TO_FACTORY_DEFAULTS, server_to_client=False)
class ResetToFactoryDefaults(Layer):
    fields_desc: ClassVar[list[Any]] = []
