"""The Demand Response and Load Control cluster 0x0701 (Smart Energy 07-5356, annex D.2): all commands."""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import (
    BitField,
    ByteEnumField,
    ByteField,
    LEIntField,
    LEShortField,
    LESignedShortField,
    SignedByteField,
    XByteField,
    XLEIntField,
    XLEShortField,
)

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import trailing
from hanscope.dissectors.layer import Layer, ToEnd
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class DemandResponseClientAttribute(IntEnum):
    """Attributes of the client."""

    UTILITY_ENROLLMENT_GROUP = 0x0000
    START_RANDOMIZATION_MINUTES = 0x0001
    DURATION_RANDOMIZATION_MINUTES = 0x0002
    DEVICE_CLASS_VALUE = 0x0003


name_attributes(Cluster.DEMAND_RESPONSE, DemandResponseClientAttribute, of_server=False)


class DemandResponseClientCommand(IntEnum):
    """Commands that the client sends."""

    REPORT_EVENT_STATUS = 0x00
    GET_SCHEDULED_EVENTS = 0x01


class DemandResponseServerCommand(IntEnum):
    """Commands that the server sends."""

    LOAD_CONTROL_EVENT = 0x00
    CANCEL_LOAD_CONTROL_EVENT = 0x01
    CANCEL_ALL_LOAD_CONTROL_EVENTS = 0x02


class SignatureType(IntEnum):
    """How a report is signed."""

    NONE = 0
    ECDSA = 1


def _event_control() -> list[Any]:
    return [
        BitField("event_control_reserved", 0, 6),
        BitField("randomize_duration_time", 0, 1),
        BitField("randomize_start_time", 0, 1),
    ]


def _cancel_control() -> list[Any]:
    """1: the event ends by its randomization, 0: at once."""
    return [BitField("cancel_control_reserved", 0, 7), BitField("randomize_end_time", 0, 1)]


@cluster_command(Cluster.DEMAND_RESPONSE, DemandResponseClientCommand.REPORT_EVENT_STATUS, server_to_client=False)
class ReportEventStatus(Layer):
    """Temperatures in hundredths of a degree Celsius; 0x8000 stands for none. The signature has 42 octets."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        ByteField("event_status", 1),
        LEIntField("event_status_time", 0),
        ByteField("criticality_level_applied", 0),
        LESignedShortField("cooling_temperature_set_point_applied", -0x8000),
        LESignedShortField("heating_temperature_set_point_applied", -0x8000),
        SignedByteField("average_load_adjustment_percentage_applied", -0x80),
        ByteField("duty_cycle_applied", 0xFF),
        *_event_control(),
        ByteEnumField("signature_type", SignatureType.NONE, SignatureType),
        ToEnd("signature"),
    ]


@cluster_command(Cluster.DEMAND_RESPONSE, DemandResponseClientCommand.GET_SCHEDULED_EVENTS, server_to_client=False)
class GetScheduledEvents(Layer):
    """The event's identifier came with version 1.2b."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("start_time", 0),
        ByteField("number_of_events", 0),
        *trailing(XLEIntField("issuer_event_id", None)),
    ]


@cluster_command(Cluster.DEMAND_RESPONSE, DemandResponseServerCommand.LOAD_CONTROL_EVENT, server_to_client=True)
class LoadControlEvent(Layer):
    """Offsets in tenths, set points in hundredths of a degree Celsius."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        XLEShortField("device_class", 0),
        XByteField("utility_enrollment_group", 0),
        LEIntField("start_time", 0),
        LEShortField("duration_in_minutes", 0),
        ByteField("criticality_level", 1),
        ByteField("cooling_temperature_offset", 0xFF),
        ByteField("heating_temperature_offset", 0xFF),
        LESignedShortField("cooling_temperature_set_point", -0x8000),
        LESignedShortField("heating_temperature_set_point", -0x8000),
        SignedByteField("average_load_adjustment_percentage", -0x80),
        ByteField("duty_cycle", 0xFF),
        *_event_control(),
    ]


@cluster_command(Cluster.DEMAND_RESPONSE, DemandResponseServerCommand.CANCEL_LOAD_CONTROL_EVENT, server_to_client=True)
class CancelLoadControlEvent(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        XLEShortField("device_class", 0),
        XByteField("utility_enrollment_group", 0),
        *_cancel_control(),
        LEIntField("effective_time", 0),
    ]


@cluster_command(
    Cluster.DEMAND_RESPONSE, DemandResponseServerCommand.CANCEL_ALL_LOAD_CONTROL_EVENTS, server_to_client=True
)
class CancelAllLoadControlEvents(Layer):
    fields_desc: ClassVar[list[Any]] = _cancel_control()
