"""The Energy Management cluster 0x0706 (Smart Energy 07-5356): all commands of both directions."""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import (
    BitField,
    ByteField,
    LEIntField,
    LESignedShortField,
    SignedByteField,
    XByteField,
    XLEIntField,
    XLEShortField,
)

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class EnergyManagementAttribute(IntEnum):
    """Attributes of the server."""

    LOAD_CONTROL_STATE = 0x0000
    CURRENT_EVENT_ID = 0x0001
    CURRENT_EVENT_STATUS = 0x0002
    CONFORMANCE_LEVEL = 0x0003
    MINIMUM_OFF_TIME = 0x0004
    MINIMUM_ON_TIME = 0x0005
    MINIMUM_CYCLE_PERIOD = 0x0006


name_attributes(Cluster.ENERGY_MANAGEMENT, EnergyManagementAttribute, of_server=True)


class EnergyManagementClientCommand(IntEnum):
    """Commands that the client sends."""

    MANAGE_EVENT = 0x00


class EnergyManagementServerCommand(IntEnum):
    """Commands that the server sends."""

    REPORT_EVENT_STATUS = 0x00


@cluster_command(Cluster.ENERGY_MANAGEMENT, EnergyManagementClientCommand.MANAGE_EVENT, server_to_client=False)
class ManageEvent(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        XLEShortField("device_class", 0),
        XByteField("utility_enrollment_group", 0),
        ByteField("action_required", 0),
    ]


@cluster_command(Cluster.ENERGY_MANAGEMENT, EnergyManagementServerCommand.REPORT_EVENT_STATUS, server_to_client=True)
class ReportManagedEventStatus(Layer):
    """Report Event Status, as Demand Response has it but without a signature."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        ByteField("event_status", 1),
        LEIntField("event_status_time", 0),
        ByteField("criticality_level_applied", 0),
        LESignedShortField("cooling_temperature_set_point_applied", -0x8000),
        LESignedShortField("heating_temperature_set_point_applied", -0x8000),
        SignedByteField("average_load_adjustment_percentage_applied", -0x80),
        ByteField("duty_cycle_applied", 0xFF),
        BitField("event_control_reserved", 0, 6),
        BitField("randomize_duration_time", 0, 1),
        BitField("randomize_start_time", 0, 1),
    ]
