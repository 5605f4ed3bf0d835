"""The Prepayment cluster 0x0705 (Smart Energy 07-5356, annex D.7): all commands of both directions."""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    ByteEnumField,
    ByteField,
    LEIntField,
    LEShortField,
    LESignedIntField,
    XByteField,
    XLEIntField,
    XLEShortField,
)

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import LayersToEnd, string, trailing_string
from hanscope.dissectors.layer import Layer, ToEnd
from hanscope.dissectors.zigbee.zcl import cluster_command, consecutive, name_attributes


def _both_ways(first: int, names: list[str]) -> dict[int, str]:
    """Attributes that come in pairs: delivered, received."""
    pairs = [f"{name}_COST_CONSUMPTION_{way}" for name in names for way in ("DELIVERED", "RECEIVED")]
    return dict(enumerate(pairs, first))


_DEBT: Final = (
    (0, "LABEL"),
    (1, "AMOUNT"),
    (2, "RECOVERY_METHOD"),
    (3, "RECOVERY_START_TIME"),
    (4, "RECOVERY_COLLECTION_TIME"),
    (6, "RECOVERY_FREQUENCY"),
    (7, "RECOVERY_AMOUNT"),
    (9, "RECOVERY_TOP_UP_PERCENTAGE"),
)
PREPAYMENT_ATTRIBUTES: Final[dict[int, str]] = {
    **consecutive(
        0x0000,
        """PAYMENT_CONTROL_CONFIGURATION CREDIT_REMAINING EMERGENCY_CREDIT_REMAINING CREDIT_STATUS
        CREDIT_REMAINING_TIMESTAMP ACCUMULATED_DEBT OVERALL_DEBT_CAP""",
    ),
    **consecutive(0x0010, "EMERGENCY_CREDIT_LIMIT_ALLOWANCE EMERGENCY_CREDIT_THRESHOLD"),
    **consecutive(0x0020, "TOTAL_CREDIT_ADDED MAX_CREDIT_LIMIT MAX_CREDIT_PER_TOP_UP"),
    **consecutive(
        0x0030,
        """FRIENDLY_CREDIT_WARNING LOW_CREDIT_WARNING IHD_LOW_CREDIT_WARNING INTERRUPT_SUSPEND_TIME
        REMAINING_FRIENDLY_CREDIT_TIME NEXT_FRIENDLY_CREDIT_PERIOD""",
    ),
    0x0040: "CUT_OFF_VALUE",
    0x0080: "TOKEN_CARRIER_ID",
    **{
        0x0100 + 16 * place + step: f"{name}_{place + 1}"
        for place in range(5)
        for step, name in enumerate(("TOP_UP_DATE_TIME", "TOP_UP_AMOUNT", "ORIGINATING_DEVICE", "TOP_UP_CODE"))
    },
    **{0x0210 + 16 * place + step: f"DEBT_{name}_{place + 1}" for place in range(3) for step, name in _DEBT},
    **consecutive(
        0x0400, "PREPAYMENT_ALARM_STATUS PREPAY_GENERIC_ALARM_MASK PREPAY_SWITCH_ALARM_MASK PREPAY_EVENT_ALARM_MASK"
    ),
    **consecutive(
        0x0500,
        "HISTORICAL_COST_CONSUMPTION_FORMATTING CONSUMPTION_UNIT_OF_MEASUREMENT CURRENCY_SCALING_FACTOR CURRENCY",
    ),
    **_both_ways(0x051C, ["CURRENT_DAY", "PREVIOUS_DAY", *(f"PREVIOUS_DAY_{day}" for day in range(2, 9))]),
    **_both_ways(0x0530, ["CURRENT_WEEK", "PREVIOUS_WEEK", *(f"PREVIOUS_WEEK_{week}" for week in range(2, 6))]),
    **_both_ways(0x0540, ["CURRENT_MONTH", "PREVIOUS_MONTH", *(f"PREVIOUS_MONTH_{month}" for month in range(2, 14))]),
    0x055C: "HISTORICAL_FREEZE_TIME",
}

name_attributes(Cluster.PREPAYMENT, PREPAYMENT_ATTRIBUTES, of_server=True)


class PrepaymentClientCommand(IntEnum):
    """Commands that the client sends."""

    SELECT_AVAILABLE_EMERGENCY_CREDIT = 0x00
    CHANGE_DEBT = 0x02
    EMERGENCY_CREDIT_SETUP = 0x03
    CONSUMER_TOP_UP = 0x04
    CREDIT_ADJUSTMENT = 0x05
    CHANGE_PAYMENT_MODE = 0x06
    GET_PREPAY_SNAPSHOT = 0x07
    GET_TOP_UP_LOG = 0x08
    SET_LOW_CREDIT_WARNING_LEVEL = 0x09
    GET_DEBT_REPAYMENT_LOG = 0x0A
    SET_MAXIMUM_CREDIT_LIMIT = 0x0B
    SET_OVERALL_DEBT_CAP = 0x0C


class PrepaymentServerCommand(IntEnum):
    """Commands that the server sends."""

    PUBLISH_PREPAY_SNAPSHOT = 0x01
    CHANGE_PAYMENT_MODE_RESPONSE = 0x02
    CONSUMER_TOP_UP_RESPONSE = 0x03
    PUBLISH_TOP_UP_LOG = 0x05
    PUBLISH_DEBT_LOG = 0x06


class OriginatingDevice(IntEnum):
    """Where a command came from."""

    ENERGY_SERVICE_INTERFACE = 0
    METER = 1
    IN_HOME_DISPLAY = 2


def _client(command: PrepaymentClientCommand) -> Any:
    return cluster_command(Cluster.PREPAYMENT, command, server_to_client=False)


def _server(command: PrepaymentServerCommand) -> Any:
    return cluster_command(Cluster.PREPAYMENT, command, server_to_client=True)


def _originating_device(name: str = "originating_device") -> Any:
    return ByteEnumField(name, OriginatingDevice.ENERGY_SERVICE_INTERFACE, OriginatingDevice)


@_client(PrepaymentClientCommand.SELECT_AVAILABLE_EMERGENCY_CREDIT)
class SelectAvailableEmergencyCredit(Layer):
    """Version 1.4 has left the two strings out."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("command_issue_date_time", 0),
        _originating_device(),
        *trailing_string("site_id"),
        *trailing_string("meter_serial_number", behind="site_id"),
    ]


@_client(PrepaymentClientCommand.CHANGE_DEBT)
class ChangeDebt(Layer):
    """The collection time in minutes after midnight, the percentage in hundredths."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        *string("debt_label"),
        LESignedIntField("debt_amount", 0),
        ByteField("debt_recovery_method", 0),
        ByteField("debt_amount_type", 0),
        LEIntField("debt_recovery_start_time", 0),
        LEShortField("debt_recovery_collection_time", 0),
        ByteField("debt_recovery_frequency", 0),
        LESignedIntField("debt_recovery_amount", 0),
        LEShortField("debt_recovery_balance_percentage", 0),
    ]


@_client(PrepaymentClientCommand.EMERGENCY_CREDIT_SETUP)
class EmergencyCreditSetup(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("start_time", 0),
        LEIntField("emergency_credit_limit", 0),
        LEIntField("emergency_credit_threshold", 0),
    ]


@_client(PrepaymentClientCommand.CONSUMER_TOP_UP)
class ConsumerTopUp(Layer):
    fields_desc: ClassVar[list[Any]] = [_originating_device(), *string("top_up_code")]


@_client(PrepaymentClientCommand.CREDIT_ADJUSTMENT)
class CreditAdjustment(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("start_time", 0),
        ByteField("credit_adjustment_type", 0),
        LESignedIntField("credit_adjustment_value", 0),
    ]


@_client(PrepaymentClientCommand.CHANGE_PAYMENT_MODE)
class ChangePaymentMode(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        LEIntField("implementation_date_time", 0),
        XLEShortField("proposed_payment_control_configuration", 0),
        LESignedIntField("cut_off_value", 0),
    ]


@_client(PrepaymentClientCommand.GET_PREPAY_SNAPSHOT)
class GetPrepaySnapshot(Layer):
    fields_desc: ClassVar[list[Any]] = [
        LEIntField("earliest_start_time", 0),
        LEIntField("latest_end_time", 0),
        ByteField("snapshot_offset", 0),
        XLEIntField("snapshot_cause", 0),
    ]


@_client(PrepaymentClientCommand.GET_TOP_UP_LOG)
class GetTopUpLog(Layer):
    fields_desc: ClassVar[list[Any]] = [LEIntField("latest_end_time", 0), ByteField("number_of_records", 0)]


@_client(PrepaymentClientCommand.SET_LOW_CREDIT_WARNING_LEVEL)
class SetLowCreditWarningLevel(Layer):
    fields_desc: ClassVar[list[Any]] = [LEIntField("low_credit_warning_level", 0)]


@_client(PrepaymentClientCommand.GET_DEBT_REPAYMENT_LOG)
class GetDebtRepaymentLog(Layer):
    fields_desc: ClassVar[list[Any]] = [
        LEIntField("latest_end_time", 0),
        ByteField("number_of_debts", 0),
        ByteField("debt_type", 0),
    ]


@_client(PrepaymentClientCommand.SET_MAXIMUM_CREDIT_LIMIT)
class SetMaximumCreditLimit(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        LEIntField("implementation_date_time", 0),
        LEIntField("maximum_credit_level", 0),
        LEIntField("maximum_credit_per_top_up", 0),
    ]


@_client(PrepaymentClientCommand.SET_OVERALL_DEBT_CAP)
class SetOverallDebtCap(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        LEIntField("implementation_date_time", 0),
        LESignedIntField("overall_debt_cap", 0),
    ]


@_server(PrepaymentServerCommand.PUBLISH_PREPAY_SNAPSHOT)
class PublishPrepaySnapshot(Layer):
    """The payload may go on in further commands, so it is not taken apart."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("snapshot_id", 0),
        LEIntField("snapshot_time", 0),
        ByteField("total_snapshots_found", 0),
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        XLEIntField("snapshot_cause", 0),
        ByteField("snapshot_payload_type", 0),
        ToEnd("snapshot_payload"),
    ]


@_server(PrepaymentServerCommand.CHANGE_PAYMENT_MODE_RESPONSE)
class ChangePaymentModeResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XByteField("friendly_credit", 0),
        XLEIntField("friendly_credit_calendar_id", 0),
        LEIntField("emergency_credit_limit", 0),
        LEIntField("emergency_credit_threshold", 0),
    ]


@_server(PrepaymentServerCommand.CONSUMER_TOP_UP_RESPONSE)
class ConsumerTopUpResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteField("result_type", 0),
        LESignedIntField("top_up_value", 0),
        _originating_device("source_of_top_up"),
        LESignedIntField("credit_remaining", 0),
    ]


class TopUp(Layer):
    """One top-up."""

    fields_desc: ClassVar[list[Any]] = [
        *string("top_up_code"),
        LESignedIntField("top_up_amount", 0),
        LEIntField("top_up_time", 0),
    ]


@_server(PrepaymentServerCommand.PUBLISH_TOP_UP_LOG)
class PublishTopUpLog(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        LayersToEnd("top_ups", TopUp),
    ]


class DebtRepayment(Layer):
    """One repayment."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("collection_time", 0),
        LESignedIntField("amount_collected", 0),
        ByteField("debt_type", 0),
        LEIntField("outstanding_debt", 0),
    ]


@_server(PrepaymentServerCommand.PUBLISH_DEBT_LOG)
class PublishDebtLog(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        LayersToEnd("debt_repayments", DebtRepayment),
    ]
