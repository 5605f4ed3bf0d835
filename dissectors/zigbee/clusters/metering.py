"""The Metering cluster 0x0702 (Smart Energy 07-5356, annex D.3): all commands of both directions.

A battery-powered meter is mirrored on the hub: there the roles are turned round, and the hub's answers to its reports
tell it by notification flags what waits for it, a new OTA image among them.
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    ByteEnumField,
    ByteField,
    LEIntField,
    LEShortField,
    LEThreeBytesField,
    XByteField,
    XLE3BytesField,
    XLEIntField,
    XLEShortField,
)

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import (
    DerivedOctet,
    DerivedShort,
    LayersToEnd,
    LECodeField,
    ListOf,
    RecordsToEnd,
    count_of,
)
from hanscope.dissectors.layer import Layer, ToEnd
from hanscope.dissectors.zigbee.values import take_integer
from hanscope.dissectors.zigbee.zcl import cluster_command, consecutive, name_attributes


def _both_ways(first: int, *names: str) -> dict[int, str]:
    """Attributes that come in pairs: delivered, received."""
    pairs = [f"{name}_{way}" for name in names for way in ("DELIVERED", "RECEIVED")]
    return dict(enumerate(pairs, first))


def _blocks(first: int, way: str) -> dict[int, str]:
    """Summations by tier, none first, and within each by block."""
    tiers = ("NO_TIER", *(f"TIER_{tier}" for tier in range(1, 16)))
    return {
        first + 16 * row + block: f"CURRENT_{tier}_BLOCK_{block + 1}_SUMMATION_{way}"
        for row, tier in enumerate(tiers)
        for block in range(16)
    }


def _history(first: int, consumption: str) -> dict[int, str]:
    """Days, weeks and months past, as sets that begin 0x20, 0x30 and 0x40 behind `first`."""
    return {
        **_both_ways(first + 0x20, *(f"PREVIOUS_DAY_{day}_{consumption}" for day in range(2, 9))),
        **_both_ways(first + 0x30, f"CURRENT_WEEK_{consumption}", f"PREVIOUS_WEEK_{consumption}"),
        **_both_ways(first + 0x34, *(f"PREVIOUS_WEEK_{week}_{consumption}" for week in range(2, 6))),
        **_both_ways(first + 0x40, f"CURRENT_MONTH_{consumption}", f"PREVIOUS_MONTH_{consumption}"),
        **_both_ways(first + 0x44, *(f"PREVIOUS_MONTH_{month}_{consumption}" for month in range(2, 14))),
    }


METERING_ATTRIBUTES: Final[dict[int, str]] = {
    **consecutive(
        0x0000,
        """CURRENT_SUMMATION_DELIVERED CURRENT_SUMMATION_RECEIVED CURRENT_MAX_DEMAND_DELIVERED
        CURRENT_MAX_DEMAND_RECEIVED DFT_SUMMATION DAILY_FREEZE_TIME POWER_FACTOR READING_SNAPSHOT_TIME
        CURRENT_MAX_DEMAND_DELIVERED_TIME CURRENT_MAX_DEMAND_RECEIVED_TIME DEFAULT_UPDATE_PERIOD FAST_POLL_UPDATE_PERIOD
        CURRENT_BLOCK_PERIOD_CONSUMPTION_DELIVERED DAILY_CONSUMPTION_TARGET CURRENT_BLOCK PROFILE_INTERVAL_PERIOD
        INTERVAL_READ_REPORTING_PERIOD PRESET_READING_TIME VOLUME_PER_REPORT FLOW_RESTRICTION SUPPLY_STATUS
        CURRENT_INLET_ENERGY_CARRIER_SUMMATION CURRENT_OUTLET_ENERGY_CARRIER_SUMMATION INLET_TEMPERATURE
        OUTLET_TEMPERATURE CONTROL_TEMPERATURE CURRENT_INLET_ENERGY_CARRIER_DEMAND CURRENT_OUTLET_ENERGY_CARRIER_DEMAND
        PREVIOUS_BLOCK_PERIOD_CONSUMPTION_DELIVERED CURRENT_BLOCK_PERIOD_CONSUMPTION_RECEIVED CURRENT_BLOCK_RECEIVED
        DFT_SUMMATION_RECEIVED ACTIVE_REGISTER_TIER_DELIVERED ACTIVE_REGISTER_TIER_RECEIVED LAST_BLOCK_SWITCH_TIME""",
    ),
    **_both_ways(0x0100, *(f"CURRENT_TIER_{tier}_SUMMATION" for tier in range(1, 49))),
    0x01FC: "CPP1_SUMMATION_DELIVERED",
    0x01FE: "CPP2_SUMMATION_DELIVERED",
    **consecutive(
        0x0200,
        """STATUS REMAINING_BATTERY_LIFE HOURS_IN_OPERATION HOURS_IN_FAULT EXTENDED_STATUS
        REMAINING_BATTERY_LIFE_IN_DAYS CURRENT_METER_ID AMBIENT_CONSUMPTION_INDICATOR""",
    ),
    **consecutive(
        0x0300,
        """UNIT_OF_MEASURE MULTIPLIER DIVISOR SUMMATION_FORMATTING DEMAND_FORMATTING HISTORICAL_CONSUMPTION_FORMATTING
        METERING_DEVICE_TYPE SITE_ID METER_SERIAL_NUMBER ENERGY_CARRIER_UNIT_OF_MEASURE
        ENERGY_CARRIER_SUMMATION_FORMATTING ENERGY_CARRIER_DEMAND_FORMATTING TEMPERATURE_UNIT_OF_MEASURE
        TEMPERATURE_FORMATTING MODULE_SERIAL_NUMBER OPERATING_TARIFF_LABEL_DELIVERED OPERATING_TARIFF_LABEL_RECEIVED
        CUSTOMER_ID_NUMBER ALTERNATIVE_UNIT_OF_MEASURE ALTERNATIVE_DEMAND_FORMATTING
        ALTERNATIVE_CONSUMPTION_FORMATTING""",
    ),
    **consecutive(
        0x0400,
        """INSTANTANEOUS_DEMAND CURRENT_DAY_CONSUMPTION_DELIVERED CURRENT_DAY_CONSUMPTION_RECEIVED
        PREVIOUS_DAY_CONSUMPTION_DELIVERED PREVIOUS_DAY_CONSUMPTION_RECEIVED
        CURRENT_PARTIAL_PROFILE_INTERVAL_START_TIME_DELIVERED CURRENT_PARTIAL_PROFILE_INTERVAL_START_TIME_RECEIVED
        CURRENT_PARTIAL_PROFILE_INTERVAL_VALUE_DELIVERED CURRENT_PARTIAL_PROFILE_INTERVAL_VALUE_RECEIVED
        CURRENT_DAY_MAX_PRESSURE CURRENT_DAY_MIN_PRESSURE PREVIOUS_DAY_MAX_PRESSURE PREVIOUS_DAY_MIN_PRESSURE
        CURRENT_DAY_MAX_DEMAND PREVIOUS_DAY_MAX_DEMAND CURRENT_MONTH_MAX_DEMAND CURRENT_YEAR_MAX_DEMAND
        CURRENT_DAY_MAX_ENERGY_CARRIER_DEMAND PREVIOUS_DAY_MAX_ENERGY_CARRIER_DEMAND
        CURRENT_MONTH_MAX_ENERGY_CARRIER_DEMAND CURRENT_MONTH_MIN_ENERGY_CARRIER_DEMAND
        CURRENT_YEAR_MAX_ENERGY_CARRIER_DEMAND CURRENT_YEAR_MIN_ENERGY_CARRIER_DEMAND""",
    ),
    **_history(0x0400, "CONSUMPTION"),
    0x045C: "HISTORICAL_FREEZE_TIME",
    0x0500: "MAX_NUMBER_OF_PERIODS_DELIVERED",
    **consecutive(
        0x0600,
        """CURRENT_DEMAND_DELIVERED DEMAND_LIMIT DEMAND_INTEGRATION_PERIOD NUMBER_OF_DEMAND_SUBINTERVALS
        DEMAND_LIMIT_ARM_DURATION LOAD_LIMIT_SUPPLY_STATE LOAD_LIMIT_COUNTER SUPPLY_TAMPER_STATE SUPPLY_DEPLETION_STATE
        SUPPLY_UNCONTROLLED_FLOW_STATE""",
    ),
    **_blocks(0x0700, "DELIVERED"),
    **consecutive(
        0x0800,
        """GENERIC_ALARM_MASK ELECTRICITY_ALARM_MASK GENERIC_FLOW_PRESSURE_ALARM_MASK WATER_SPECIFIC_ALARM_MASK
        HEAT_AND_COOLING_SPECIFIC_ALARM_MASK GAS_SPECIFIC_ALARM_MASK EXTENDED_GENERIC_ALARM_MASK
        MANUFACTURER_ALARM_MASK""",
    ),
    **_blocks(0x0900, "RECEIVED"),
    **consecutive(
        0x0A00,
        """BILL_TO_DATE_DELIVERED BILL_TO_DATE_TIME_STAMP_DELIVERED PROJECTED_BILL_DELIVERED
        PROJECTED_BILL_TIME_STAMP_DELIVERED BILL_DELIVERED_TRAILING_DIGIT""",
    ),
    **consecutive(
        0x0A10,
        """BILL_TO_DATE_RECEIVED BILL_TO_DATE_TIME_STAMP_RECEIVED PROJECTED_BILL_RECEIVED
        PROJECTED_BILL_TIME_STAMP_RECEIVED BILL_RECEIVED_TRAILING_DIGIT""",
    ),
    **consecutive(0x0B00, "PROPOSED_CHANGE_SUPPLY_IMPLEMENTATION_TIME PROPOSED_CHANGE_SUPPLY_STATUS"),
    **consecutive(
        0x0B10,
        """UNCONTROLLED_FLOW_THRESHOLD UNCONTROLLED_FLOW_UNIT_OF_MEASURE UNCONTROLLED_FLOW_MULTIPLIER
        UNCONTROLLED_FLOW_DIVISOR FLOW_STABILISATION_PERIOD FLOW_MEASUREMENT_PERIOD""",
    ),
    **consecutive(
        0x0C00,
        """ALTERNATIVE_INSTANTANEOUS_DEMAND CURRENT_DAY_ALTERNATIVE_CONSUMPTION_DELIVERED
        CURRENT_DAY_ALTERNATIVE_CONSUMPTION_RECEIVED PREVIOUS_DAY_ALTERNATIVE_CONSUMPTION_DELIVERED
        PREVIOUS_DAY_ALTERNATIVE_CONSUMPTION_RECEIVED CURRENT_ALTERNATIVE_PARTIAL_PROFILE_INTERVAL_START_TIME_DELIVERED
        CURRENT_ALTERNATIVE_PARTIAL_PROFILE_INTERVAL_START_TIME_RECEIVED
        CURRENT_ALTERNATIVE_PARTIAL_PROFILE_INTERVAL_VALUE_DELIVERED
        CURRENT_ALTERNATIVE_PARTIAL_PROFILE_INTERVAL_VALUE_RECEIVED CURRENT_DAY_ALTERNATIVE_MAX_PRESSURE
        CURRENT_DAY_ALTERNATIVE_MIN_PRESSURE PREVIOUS_DAY_ALTERNATIVE_MAX_PRESSURE PREVIOUS_DAY_ALTERNATIVE_MIN_PRESSURE
        CURRENT_DAY_ALTERNATIVE_MAX_DEMAND PREVIOUS_DAY_ALTERNATIVE_MAX_DEMAND CURRENT_MONTH_ALTERNATIVE_MAX_DEMAND
        CURRENT_YEAR_ALTERNATIVE_MAX_DEMAND""",
    ),
    **_history(0x0C00, "ALTERNATIVE_CONSUMPTION"),
}


class MeteringClientAttribute(IntEnum):
    """Attributes of the client: flags for which command waits; only the functional ones are numbered by the cluster."""

    FUNCTIONAL_NOTIFICATION_FLAGS = 0x0000
    NOTIFICATION_FLAGS_2 = 0x0001
    NOTIFICATION_FLAGS_3 = 0x0002
    NOTIFICATION_FLAGS_4 = 0x0003
    NOTIFICATION_FLAGS_5 = 0x0004
    NOTIFICATION_FLAGS_6 = 0x0005
    NOTIFICATION_FLAGS_7 = 0x0006
    NOTIFICATION_FLAGS_8 = 0x0007


name_attributes(Cluster.METERING, METERING_ATTRIBUTES, of_server=True)
name_attributes(Cluster.METERING, MeteringClientAttribute, of_server=False)


class MeteringClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_PROFILE = 0x00
    REQUEST_MIRROR_RESPONSE = 0x01
    MIRROR_REMOVED = 0x02
    REQUEST_FAST_POLL_MODE = 0x03
    SCHEDULE_SNAPSHOT = 0x04
    TAKE_SNAPSHOT = 0x05
    GET_SNAPSHOT = 0x06
    START_SAMPLING = 0x07
    GET_SAMPLED_DATA = 0x08
    MIRROR_REPORT_ATTRIBUTE_RESPONSE = 0x09
    RESET_LOAD_LIMIT_COUNTER = 0x0A
    CHANGE_SUPPLY = 0x0B
    LOCAL_CHANGE_SUPPLY = 0x0C
    SET_SUPPLY_STATUS = 0x0D
    SET_UNCONTROLLED_FLOW_THRESHOLD = 0x0E


class MeteringServerCommand(IntEnum):
    """Commands that the server sends."""

    GET_PROFILE_RESPONSE = 0x00
    REQUEST_MIRROR = 0x01
    REMOVE_MIRROR = 0x02
    REQUEST_FAST_POLL_MODE_RESPONSE = 0x03
    SCHEDULE_SNAPSHOT_RESPONSE = 0x04
    TAKE_SNAPSHOT_RESPONSE = 0x05
    PUBLISH_SNAPSHOT = 0x06
    GET_SAMPLED_DATA_RESPONSE = 0x07
    CONFIGURE_MIRROR = 0x08
    CONFIGURE_NOTIFICATION_SCHEME = 0x09
    CONFIGURE_NOTIFICATION_FLAGS = 0x0A
    GET_NOTIFIED_MESSAGE = 0x0B
    SUPPLY_STATUS_RESPONSE = 0x0C
    START_SAMPLING_RESPONSE = 0x0D


class SnapshotPayloadType(IntEnum):
    """What a snapshot holds."""

    TOU_DELIVERED = 0
    TOU_RECEIVED = 1
    BLOCK_TIER_DELIVERED = 2
    BLOCK_TIER_RECEIVED = 3
    TOU_DELIVERED_NO_BILLING = 4
    TOU_RECEIVED_NO_BILLING = 5
    BLOCK_TIER_DELIVERED_NO_BILLING = 6
    BLOCK_TIER_RECEIVED_NO_BILLING = 7
    DATA_UNAVAILABLE = 128


class SnapshotScheduleConfirmation(IntEnum):
    """What became of a schedule."""

    ACCEPTED = 0
    TYPE_NOT_SUPPORTED = 1
    CAUSE_NOT_SUPPORTED = 2
    SCHEDULE_NOT_CURRENTLY_AVAILABLE = 3
    SCHEDULES_NOT_SUPPORTED = 4
    INSUFFICIENT_SPACE = 5


def _client(command: MeteringClientCommand) -> Any:
    return cluster_command(Cluster.METERING, command, server_to_client=False)


def _server(command: MeteringServerCommand) -> Any:
    return cluster_command(Cluster.METERING, command, server_to_client=True)


@_client(MeteringClientCommand.GET_PROFILE)
class GetProfile(Layer):
    """Channel 0 is consumption delivered, 1 received."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("interval_channel", 0),
        LEIntField("end_time", 0),
        ByteField("number_of_periods", 0),
    ]


@_client(MeteringClientCommand.REQUEST_MIRROR_RESPONSE)
class RequestMirrorResponse(Layer):
    """Endpoint 0xFFFF: there is no room."""

    fields_desc: ClassVar[list[Any]] = [XLEShortField("endpoint_id", 0)]


@_client(MeteringClientCommand.MIRROR_REMOVED)
class MirrorRemoved(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEShortField("removed_endpoint_id", 0)]


@_client(MeteringClientCommand.REQUEST_FAST_POLL_MODE)
class RequestFastPollMode(Layer):
    """Period in seconds, duration in minutes."""

    fields_desc: ClassVar[list[Any]] = [ByteField("fast_poll_update_period", 0), ByteField("duration", 0)]


class SnapshotSchedule(Layer):
    """One schedule."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("snapshot_schedule_id", 0),
        LEIntField("snapshot_start_time", 0),
        XLE3BytesField("snapshot_schedule", 0),
        ByteEnumField("snapshot_payload_type", SnapshotPayloadType.TOU_DELIVERED, SnapshotPayloadType),
        XLEIntField("snapshot_cause", 0),
    ]


@_client(MeteringClientCommand.SCHEDULE_SNAPSHOT)
class ScheduleSnapshot(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        LayersToEnd("snapshot_schedules", SnapshotSchedule),
    ]


@_client(MeteringClientCommand.TAKE_SNAPSHOT)
class TakeSnapshot(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEIntField("snapshot_cause", 0)]


@_client(MeteringClientCommand.GET_SNAPSHOT)
class GetSnapshot(Layer):
    fields_desc: ClassVar[list[Any]] = [
        LEIntField("earliest_start_time", 0),
        LEIntField("latest_end_time", 0),
        ByteField("snapshot_offset", 0),
        XLEIntField("snapshot_cause", 0),
    ]


@_client(MeteringClientCommand.START_SAMPLING)
class StartSampling(Layer):
    """The interval in seconds."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("start_sampling_time", 0),
        ByteField("sample_type", 0),
        LEShortField("sample_request_interval", 0),
        LEShortField("maximum_number_of_samples", 0),
    ]


@_client(MeteringClientCommand.GET_SAMPLED_DATA)
class GetSampledData(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("sample_id", 0),
        LEIntField("earliest_sample_time", 0),
        ByteField("sample_type", 0),
        LEShortField("number_of_samples", 0),
    ]


@_client(MeteringClientCommand.MIRROR_REPORT_ATTRIBUTE_RESPONSE)
class MirrorReportAttributeResponse(Layer):
    """With the two schemes of the specification the flags are those of the client's attributes, in order."""

    fields_desc: ClassVar[list[Any]] = [
        XByteField("notification_scheme", 0),
        RecordsToEnd(
            "notification_flags",
            lambda octets: take_integer(octets, 4, "notification flags"),
            lambda number: number.to_bytes(4, "little"),
        ),
    ]


@_client(MeteringClientCommand.RESET_LOAD_LIMIT_COUNTER)
class ResetLoadLimitCounter(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEIntField("provider_id", 0), XLEIntField("issuer_event_id", 0)]


@_client(MeteringClientCommand.CHANGE_SUPPLY)
class ChangeSupply(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        LEIntField("request_date_time", 0),
        LEIntField("implementation_date_time", 0),
        ByteField("proposed_supply_status", 0),
        XByteField("supply_control_bits", 0),
    ]


@_client(MeteringClientCommand.LOCAL_CHANGE_SUPPLY)
class LocalChangeSupply(Layer):
    fields_desc: ClassVar[list[Any]] = [ByteField("proposed_supply_status", 0)]


@_client(MeteringClientCommand.SET_SUPPLY_STATUS)
class SetSupplyStatus(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        ByteField("supply_tamper_state", 0),
        ByteField("supply_depletion_state", 0),
        ByteField("supply_uncontrolled_flow_state", 0),
        ByteField("load_limit_supply_state", 0),
    ]


@_client(MeteringClientCommand.SET_UNCONTROLLED_FLOW_THRESHOLD)
class SetUncontrolledFlowThreshold(Layer):
    """Periods in tenths of seconds and in seconds."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        LEShortField("uncontrolled_flow_threshold", 0),
        XByteField("unit_of_measure", 0),
        LEShortField("multiplier", 1),
        LEShortField("divisor", 1),
        ByteField("stabilisation_period", 0),
        LEShortField("measurement_period", 0),
    ]


@_server(MeteringServerCommand.GET_PROFILE_RESPONSE)
class GetProfileResponse(Layer):
    """The newest interval first."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("end_time", 0),
        ByteField("status", 0),
        ByteField("profile_interval_period", 0),
        DerivedOctet("number_of_periods_delivered", count_of("intervals")),
        ListOf("intervals", LEThreeBytesField("interval", 0), lambda p: p.number_of_periods_delivered),
    ]


@_server(MeteringServerCommand.REQUEST_MIRROR)
class RequestMirror(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_server(MeteringServerCommand.REMOVE_MIRROR)
class RemoveMirror(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_server(MeteringServerCommand.REQUEST_FAST_POLL_MODE_RESPONSE)
class RequestFastPollModeResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteField("applied_update_period", 0),
        LEIntField("fast_poll_mode_end_time", 0),
    ]


class SnapshotScheduleResponse(Layer):
    """What became of one schedule."""

    fields_desc: ClassVar[list[Any]] = [
        ByteField("snapshot_schedule_id", 0),
        ByteEnumField("snapshot_schedule_confirmation", 0, SnapshotScheduleConfirmation),
    ]


@_server(MeteringServerCommand.SCHEDULE_SNAPSHOT_RESPONSE)
class ScheduleSnapshotResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LayersToEnd("snapshot_responses", SnapshotScheduleResponse),
    ]


@_server(MeteringServerCommand.TAKE_SNAPSHOT_RESPONSE)
class TakeSnapshotResponse(Layer):
    """Confirmation 0 is success, 1: the cause is not supported."""

    fields_desc: ClassVar[list[Any]] = [XLEIntField("snapshot_id", 0), ByteField("snapshot_confirmation", 0)]


@_server(MeteringServerCommand.PUBLISH_SNAPSHOT)
class PublishSnapshot(Layer):
    """The payload may go on in further commands, so it is not taken apart."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("snapshot_id", 0),
        LEIntField("snapshot_time", 0),
        ByteField("total_snapshots_found", 0),
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        XLEIntField("snapshot_cause", 0),
        ByteEnumField("snapshot_payload_type", SnapshotPayloadType.TOU_DELIVERED, SnapshotPayloadType),
        ToEnd("snapshot_payload"),
    ]


@_server(MeteringServerCommand.GET_SAMPLED_DATA_RESPONSE)
class GetSampledDataResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("sample_id", 0),
        LEIntField("sample_start_time", 0),
        ByteField("sample_type", 0),
        LEShortField("sample_request_interval", 0),
        DerivedShort("number_of_samples", count_of("samples")),
        ListOf("samples", LEThreeBytesField("sample", 0), lambda p: p.number_of_samples),
    ]


@_server(MeteringServerCommand.CONFIGURE_MIRROR)
class ConfigureMirror(Layer):
    """The interval in seconds."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEThreeBytesField("reporting_interval", 0),
        ByteField("mirror_notification_reporting", 0),
        XByteField("notification_scheme", 0),
    ]


@_server(MeteringServerCommand.CONFIGURE_NOTIFICATION_SCHEME)
class ConfigureNotificationScheme(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        XByteField("notification_scheme", 0),
        XLEIntField("notification_flag_order", 0),
    ]


@_server(MeteringServerCommand.CONFIGURE_NOTIFICATION_FLAGS)
class ConfigureNotificationFlags(Layer):
    """The flags stand for these commands, the lowest bit first."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        XByteField("notification_scheme", 0),
        LECodeField("notification_flag_attribute_id", 1, MeteringClientAttribute),
        LECodeField("cluster_id", 0, Cluster),
        XLEShortField("manufacturer_code", 0),
        DerivedOctet("number_of_commands", count_of("command_ids")),
        ListOf("command_ids", XByteField("command_id", 0), lambda p: p.number_of_commands),
    ]


@_server(MeteringServerCommand.GET_NOTIFIED_MESSAGE)
class GetNotifiedMessage(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XByteField("notification_scheme", 0),
        LECodeField("notification_flag_attribute_id", 0, MeteringClientAttribute),
        XLEIntField("notification_flags", 0),
    ]


@_server(MeteringServerCommand.SUPPLY_STATUS_RESPONSE)
class SupplyStatusResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        LEIntField("implementation_date_time", 0),
        ByteField("supply_status", 0),
    ]


@_server(MeteringServerCommand.START_SAMPLING_RESPONSE)
class StartSamplingResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEShortField("sample_id", 0)]
