"""The Events cluster 0x0709 (Smart Energy 07-5356, annex D.11): all commands of both directions, and what happened.

The same numbers name the Device Management cluster's attributes that say what is to be done about each event.
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import BitEnumField, BitField, ByteEnumField, ByteField, LEIntField, LEShortField, XByteField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import DerivedBits, LayersToEnd, LECodeField, records_in, string
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command, consecutive


def _outcomes(first: int, commands: str) -> dict[int, str]:
    """Four events for each command."""
    return {
        first + 4 * place + step: f"{command}_{outcome}"
        for place, command in enumerate(commands.split())
        for step, outcome in enumerate(("RECEIVED", "ACTIONED", "CANCELLED", "REJECTED"))
    }


EVENTS: Final[dict[int, str]] = {
    **consecutive(
        0x0100,
        """TOU_TARIFF_ACTIVATION BLOCK_TARIFF_ACTIVATED BLOCK_TOU_TARIFF_ACTIVATED SINGLE_TARIFF_RATE_ACTIVATED
        ASYNCHRONOUS_BILLING_OCCURRED SYNCHRONOUS_BILLING_OCCURRED TARIFF_NOT_SUPPORTED PRICE_CLUSTER_NOT_FOUND
        CURRENCY_CHANGE_PASSIVE_ACTIVATED CURRENCY_CHANGE_PASSIVE_UPDATED PRICE_MATRIX_PASSIVE_ACTIVATED
        PRICE_MATRIX_PASSIVE_UPDATED TARIFF_CHANGE_PASSIVE_ACTIVATED TARIFF_CHANGE_PASSIVE_UPDATED""",
    ),
    **_outcomes(
        0x01B0,
        """PUBLISH_PRICE PUBLISH_TARIFF_INFORMATION PUBLISH_PRICE_MATRIX PUBLISH_BLOCK_THRESHOLDS
        PUBLISH_CALORIFIC_VALUE PUBLISH_CONVERSION_FACTOR PUBLISH_CO2_VALUE PUBLISH_CPP_EVENT PUBLISH_TIER_LABELS
        PUBLISH_BILLING_PERIOD PUBLISH_CONSOLIDATED_BILL PUBLISH_BLOCK_PERIOD PUBLISH_CREDIT_PAYMENT_INFO
        PUBLISH_CURRENCY_CONVERSION""",
    ),
    **consecutive(
        0x0200,
        """CHECK_METER LOW_BATTERY TAMPER_DETECT SUPPLY_STATUS SUPPLY_QUALITY LEAK_DETECT SERVICE_DISCONNECT
        REVERSE_FLOW_GENERAL METER_COVER_REMOVED METER_COVER_CLOSED STRONG_MAGNETIC_FIELD NO_STRONG_MAGNETIC_FIELD
        BATTERY_FAILURE PROGRAM_MEMORY_ERROR RAM_ERROR NV_MEMORY_ERROR LOW_VOLTAGE_L1 HIGH_VOLTAGE_L1 LOW_VOLTAGE_L2
        HIGH_VOLTAGE_L2 LOW_VOLTAGE_L3 HIGH_VOLTAGE_L3 OVER_CURRENT_L1 OVER_CURRENT_L2 OVER_CURRENT_L3
        FREQUENCY_TOO_LOW_L1 FREQUENCY_TOO_HIGH_L1 FREQUENCY_TOO_LOW_L2 FREQUENCY_TOO_HIGH_L2 FREQUENCY_TOO_LOW_L3
        FREQUENCY_TOO_HIGH_L3 GROUND_FAULT ELECTRIC_TAMPER_DETECT INCORRECT_POLARITY CURRENT_NO_VOLTAGE UNDER_VOLTAGE
        OVER_VOLTAGE NORMAL_VOLTAGE PF_BELOW_THRESHOLD PF_ABOVE_THRESHOLD TERMINAL_COVER_REMOVED
        TERMINAL_COVER_CLOSED""",
    ),
    **consecutive(
        0x0230,
        """BURST_DETECT PRESSURE_TOO_LOW PRESSURE_TOO_HIGH FLOW_SENSOR_COMMUNICATION_ERROR
        FLOW_SENSOR_MEASUREMENT_FAULT FLOW_SENSOR_REVERSE_FLOW FLOW_SENSOR_AIR_DETECT PIPE_EMPTY""",
    ),
    **consecutive(0x0250, "INLET_TEMPERATURE_SENSOR_FAULT OUTLET_TEMPERATURE_SENSOR_FAULT"),
    **consecutive(
        0x0260,
        "REVERSE_FLOW TILT_TAMPER BATTERY_COVER_REMOVED BATTERY_COVER_CLOSED EXCESS_FLOW TILT_TAMPER_ENDED",
    ),
    **consecutive(
        0x0270,
        """MEASUREMENT_SYSTEM_ERROR WATCHDOG_ERROR SUPPLY_DISCONNECT_FAILURE SUPPLY_CONNECT_FAILURE
        MEASUREMENT_SOFTWARE_CHANGED DST_ENABLED DST_DISABLED CLOCK_ADJUST_BACKWARD CLOCK_ADJUST_FORWARD CLOCK_INVALID
        COMMUNICATION_ERROR_HAN COMMUNICATION_OK_HAN METER_FRAUD_ATTEMPT POWER_LOSS UNUSUAL_HAN_TRAFFIC
        UNEXPECTED_CLOCK_CHANGE COMMS_USING_UNAUTHENTICATED_COMPONENT METERING_ERROR_REGISTER_CLEAR
        METERING_ALARM_REGISTER_CLEAR UNEXPECTED_HW_RESET UNEXPECTED_PROGRAM_EXECUTION LIMIT_THRESHOLD_EXCEEDED
        LIMIT_THRESHOLD_OK LIMIT_THRESHOLD_CHANGED MAXIMUM_DEMAND_EXCEEDED PROFILE_CLEARED LOAD_PROFILE_CLEARED
        BATTERY_WARNING WRONG_SIGNATURE NO_SIGNATURE SIGNATURE_NOT_VALID UNAUTHORIZED_ACTION_FROM_HAN
        FAST_POLLING_START FAST_POLLING_END METER_REPORTING_INTERVAL_CHANGED DISCONNECT_TO_LOAD_LIMIT
        METER_SUPPLY_STATUS_REGISTER_CHANGED METER_ALARM_STATUS_REGISTER_CHANGED
        EXTENDED_METER_ALARM_STATUS_REGISTER_CHANGED DATA_ACCESS_VIA_LOCAL_PORT CONFIGURE_MIRROR_SUCCESS
        CONFIGURE_MIRROR_FAILURE CONFIGURE_NOTIFICATION_FLAG_SCHEME_SUCCESS CONFIGURE_NOTIFICATION_FLAG_SCHEME_FAILURE
        CONFIGURE_NOTIFICATION_FLAGS_SUCCESS CONFIGURE_NOTIFICATION_FLAGS_FAILURE STAY_AWAKE_REQUEST_HAN
        STAY_AWAKE_REQUEST_WAN""",
    ),
    **{0x02B0 + place: f"MANUFACTURER_SPECIFIC_{letter}" for place, letter in enumerate("ABCDEFGHI")},
    **_outcomes(
        0x02C0,
        """GET_PROFILE REQUEST_MIRROR_RESPONSE MIRROR_REMOVED GET_SNAPSHOT TAKE_SNAPSHOT
        MIRROR_REPORT_ATTRIBUTE_RESPONSE SCHEDULE_SNAPSHOT START_SAMPLING GET_SAMPLED_DATA""",
    ),
    **consecutive(
        0x02E4,
        """SUPPLY_ON SUPPLY_ARMED SUPPLY_OFF DISCONNECTED_DUE_TO_TAMPER_DETECTED MANUAL_DISCONNECT MANUAL_CONNECT
        REMOTE_DISCONNECTION REMOTE_CONNECT LOCAL_DISCONNECTION LOCAL_CONNECT""",
    ),
    **_outcomes(0x02EE, "CHANGE_SUPPLY LOCAL_CHANGE_SUPPLY PUBLISH_UNCONTROLLED_FLOW_THRESHOLD"),
    0x0300: "MESSAGE_CONFIRMATION_SENT",
    **_outcomes(0x03C0, "DISPLAY_MESSAGE CANCEL_MESSAGE"),
    **consecutive(
        0x0400,
        """LOW_CREDIT NO_CREDIT CREDIT_EXHAUSTED EMERGENCY_CREDIT_ENABLED EMERGENCY_CREDIT_EXHAUSTED
        IHD_LOW_CREDIT_WARNING""",
    ),
    **consecutive(
        0x0420,
        """PHYSICAL_ATTACK_ON_THE_PREPAY_METER ELECTRONIC_ATTACK_ON_THE_PREPAY_METER DISCOUNT_APPLIED CREDIT_ADJUSTMENT
        CREDIT_ADJUST_FAIL DEBT_ADJUSTMENT DEBT_ADJUST_FAIL MODE_CHANGE TOPUP_CODE_ERROR TOPUP_ALREADY_USED
        TOPUP_CODE_INVALID TOPUP_ACCEPTED_VIA_REMOTE TOPUP_ACCEPTED_VIA_MANUAL_ENTRY FRIENDLY_CREDIT_IN_USE
        FRIENDLY_CREDIT_PERIOD_END_WARNING FRIENDLY_CREDIT_PERIOD_END PREPAYMENT_ERROR_REGISTER_CLEAR
        PREPAYMENT_ALARM_REGISTER_CLEAR PREPAY_CLUSTER_NOT_FOUND TOPUP_VALUE_TOO_LARGE""",
    ),
    **consecutive(0x0441, "MODE_CREDIT_2_PREPAY MODE_PREPAY_2_CREDIT MODE_DEFAULT"),
    **_outcomes(
        0x04C0,
        """SELECT_AVAILABLE_EMERGENCY_CREDIT CHANGE_DEBT EMERGENCY_CREDIT_SETUP CONSUMER_TOPUP CREDIT_ADJUSTMENT
        CHANGE_PAYMENT_MODE GET_PREPAY_SNAPSHOT GET_TOPUP_LOG SET_LOW_CREDIT_WARNING_LEVEL GET_DEBT_REPAY_LOG
        SET_MAXIMUM_CREDIT_LIMIT SET_OVERALL_DEBT_CAP""",
    ),
    **consecutive(
        0x0500, "CALENDAR_CLUSTER_NOT_FOUND CALENDAR_CHANGE_PASSIVE_ACTIVATED CALENDAR_CHANGE_PASSIVE_UPDATED"
    ),
    **_outcomes(
        0x05C0,
        "PUBLISH_CALENDAR PUBLISH_DAY_PROFILE PUBLISH_WEEK_PROFILE PUBLISH_SEASONS PUBLISH_SPECIAL_DAYS",
    ),
    **consecutive(0x0600, "PASSWORD_1_CHANGE PASSWORD_2_CHANGE PASSWORD_3_CHANGE PASSWORD_4_CHANGE EVENT_LOG_CLEARED"),
    **consecutive(
        0x0610,
        """ZIGBEE_APS_TIMEOUT ZIGBEE_IEEE_TRANSMISSION_FAILURE_OVER_THRESHOLD
        ZIGBEE_IEEE_FRAME_CHECK_SEQUENCE_THRESHOLD ERROR_CERTIFICATE ERROR_SIGNATURE ERROR_PROGRAM_STORAGE""",
    ),
    **_outcomes(0x06C0, "PUBLISH_COT PUBLISH_COS CHANGE_PASSWORD SET_EVENT_CONFIGURATION UPDATE_SITE_ID UPDATE_CIN"),
    **consecutive(0x0700, "TUNNELING_CLUSTER_NOT_FOUND UNSUPPORTED_PROTOCOL INCORRECT_PROTOCOL"),
    **{
        0x07C0 + 3 * place + step: f"{command}_{outcome}"
        for place, command in enumerate(
            (
                "REQUEST_TUNNEL",
                "CLOSE_TUNNEL",
                "TRANSFER_DATA",
                "TRANSFER_DATA_ERROR",
                "ACK_TRANSFER_DATA",
                "READY_DATA",
                "GET_SUPPORTED_TUNNEL_PROTOCOLS",
            )
        )
        for step, outcome in enumerate(("RECEIVED", "REJECTED", "GENERATED"))
    },
    **consecutive(
        0x0800,
        """FIRMWARE_READY_FOR_ACTIVATION FIRMWARE_ACTIVATED FIRMWARE_ACTIVATION_FAILURE PATCH_READY_FOR_ACTIVATION
        PATCH_ACTIVATED PATCH_FAILURE""",
    ),
    **consecutive(
        0x08C0,
        """IMAGE_NOTIFY_RECEIVED IMAGE_NOTIFY_REJECTED QUERY_NEXT_IMAGE_REQUEST_GENERATED
        QUERY_NEXT_IMAGE_RESPONSE_RECEIVED QUERY_NEXT_IMAGE_RESPONSE_REJECTED IMAGE_BLOCK_REQUEST_GENERATED
        IMAGE_PAGE_REQUEST_GENERATED IMAGE_BLOCK_RESPONSE_RECEIVED IMAGE_BLOCK_RESPONSE_REJECTED
        UPGRADE_END_REQUEST_GENERATED UPGRADE_END_RESPONSE_RECEIVED UPGRADE_END_RESPONSE_REJECTED
        QUERY_SPECIFIC_FILE_REQUEST_GENERATED QUERY_SPECIFIC_FILE_RESPONSE_RECEIVED
        QUERY_SPECIFIC_FILE_RESPONSE_REJECTED""",
    ),
}
"""Names of events; those of GBCS have other numbers."""


class EventLog(IntEnum):
    """Logs that events are kept in."""

    ALL = 0
    TAMPER = 1
    FAULT = 2
    GENERAL = 3
    SECURITY = 4
    NETWORK = 5
    GBCS_GENERAL = 6
    GBCS_SECURITY = 7


class EventsClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_EVENT_LOG = 0x00
    CLEAR_EVENT_LOG_REQUEST = 0x01


class EventsServerCommand(IntEnum):
    """Commands that the server sends."""

    PUBLISH_EVENT = 0x00
    PUBLISH_EVENT_LOG = 0x01
    CLEAR_EVENT_LOG_RESPONSE = 0x02


@cluster_command(Cluster.EVENTS, EventsClientCommand.GET_EVENT_LOG, server_to_client=False)
class GetEventLog(Layer):
    """Event 0 stands for any; `full_information` asks for the data of each event as well."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("full_information", 0, 4),
        BitEnumField("log_id", EventLog.ALL, 4, EventLog),
        LECodeField("event_id", 0, EVENTS),
        LEIntField("start_time", 0),
        LEIntField("end_time", 0xFFFFFFFF),
        ByteField("number_of_events", 0),
        LEShortField("event_offset", 0),
    ]


@cluster_command(Cluster.EVENTS, EventsClientCommand.CLEAR_EVENT_LOG_REQUEST, server_to_client=False)
class ClearEventLogRequest(Layer):
    fields_desc: ClassVar[list[Any]] = [ByteEnumField("log_id", EventLog.ALL, EventLog)]


@cluster_command(Cluster.EVENTS, EventsServerCommand.PUBLISH_EVENT, server_to_client=True)
class PublishEvent(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("log_id", EventLog.GENERAL, EventLog),
        LECodeField("event_id", 0, EVENTS),
        LEIntField("event_time", 0),
        XByteField("event_control", 0),
        *string("event_data"),
    ]


class LoggedEvent(Layer):
    """One entry of a log."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("log_id", EventLog.GENERAL, EventLog),
        LECodeField("event_id", 0, EVENTS),
        LEIntField("event_time", 0),
        *string("event_data"),
    ]


@cluster_command(Cluster.EVENTS, EventsServerCommand.PUBLISH_EVENT_LOG, server_to_client=True)
class PublishEventLog(Layer):
    """`crosses_frame_boundary`: the last event goes on in the next command."""

    fields_desc: ClassVar[list[Any]] = [
        LEShortField("total_number_of_matching_events", 0),
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        DerivedBits("number_of_events", records_in("events"), 4),
        BitField("log_payload_control_reserved", 0, 3),
        BitField("crosses_frame_boundary", 0, 1),
        LayersToEnd("events", LoggedEvent),
    ]


@cluster_command(Cluster.EVENTS, EventsServerCommand.CLEAR_EVENT_LOG_RESPONSE, server_to_client=True)
class ClearEventLogResponse(Layer):
    """A bit for each log, by its number."""

    fields_desc: ClassVar[list[Any]] = [XByteField("cleared_event_logs", 0)]
