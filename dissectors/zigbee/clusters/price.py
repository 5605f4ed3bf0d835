"""The Price cluster 0x0700 (Smart Energy 07-5356, annex D.4): all commands of both directions."""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    BitField,
    ByteEnumField,
    ByteField,
    LEIntField,
    LEShortField,
    LEThreeBytesField,
    XByteField,
    XLEIntField,
    XLEShortField,
)

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import (
    DerivedBits,
    DerivedOctet,
    IntegerField,
    LayersToEnd,
    ListOf,
    count_of,
    records_in,
    string,
    trailing,
)
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command, consecutive, name_attributes


def _tiers_and_blocks(first: int, form: str, tiers: range, last_block: int) -> dict[int, str]:
    """Attributes by tier and within each by block; each tier has sixteen identifiers."""
    return {
        first + 16 * row + block - 1: form.format(tier, block)
        for row, tier in enumerate(tiers)
        for block in range(1, last_block + 1)
    }


def _each(first: int, form: str, numbers: range) -> dict[int, str]:
    return {first + place: form.format(number) for place, number in enumerate(numbers)}


PRICE_ATTRIBUTES: Final[dict[int, str]] = {
    **_each(0x0000, "TIER_{}_PRICE_LABEL", range(1, 49)),
    **_each(0x0100, "BLOCK_{}_THRESHOLD", range(1, 16)),
    0x010F: "BLOCK_THRESHOLD_COUNT",
    **_tiers_and_blocks(0x0110, "TIER_{}_BLOCK_{}_THRESHOLD", range(1, 16), 15),
    **{0x010F + 16 * tier: f"TIER_{tier}_BLOCK_THRESHOLD_COUNT" for tier in range(1, 16)},
    **consecutive(
        0x0200,
        """START_OF_BLOCK_PERIOD BLOCK_PERIOD_DURATION THRESHOLD_MULTIPLIER THRESHOLD_DIVISOR
        BLOCK_PERIOD_DURATION_TYPE""",
    ),
    **consecutive(
        0x0300,
        """COMMODITY_TYPE STANDING_CHARGE CONVERSION_FACTOR CONVERSION_FACTOR_TRAILING_DIGIT CALORIFIC_VALUE
        CALORIFIC_VALUE_UNIT CALORIFIC_VALUE_TRAILING_DIGIT""",
    ),
    **_each(0x0400, "NO_TIER_BLOCK_{}_PRICE", range(1, 17)),
    **_tiers_and_blocks(0x0410, "TIER_{}_BLOCK_{}_PRICE", range(1, 16), 16),
    **_each(0x050F, "PRICE_TIER_{}", range(16, 49)),
    **consecutive(0x05FE, "CPP_1_PRICE CPP_2_PRICE"),
    **consecutive(
        0x0610, "TARIFF_LABEL NUMBER_OF_PRICE_TIERS_IN_USE NUMBER_OF_BLOCK_THRESHOLDS_IN_USE TIER_BLOCK_MODE"
    ),
    **consecutive(0x0615, "UNIT_OF_MEASURE CURRENCY PRICE_TRAILING_DIGIT"),
    0x0619: "TARIFF_RESOLUTION_PERIOD",
    **consecutive(0x0620, "CO2 CO2_UNIT CO2_TRAILING_DIGIT"),
    **consecutive(
        0x0700,
        """CURRENT_BILLING_PERIOD_START CURRENT_BILLING_PERIOD_DURATION LAST_BILLING_PERIOD_START
        LAST_BILLING_PERIOD_DURATION LAST_BILLING_PERIOD_CONSOLIDATED_BILL""",
    ),
    **consecutive(0x0800, "CREDIT_PAYMENT_DUE_DATE CREDIT_PAYMENT_STATUS CREDIT_PAYMENT_OVER_DUE_AMOUNT"),
    **consecutive(0x080A, "PAYMENT_DISCOUNT PAYMENT_DISCOUNT_PERIOD"),
    **{
        0x0800 + 16 * number + place: f"{name}_{number}"
        for number in range(1, 6)
        for place, name in enumerate(("CREDIT_PAYMENT", "CREDIT_PAYMENT_DATE", "CREDIT_PAYMENT_REF"))
    },
    **_each(0x8000, "RECEIVED_TIER_{}_PRICE_LABEL", range(1, 49)),
    **_each(0x8100, "RECEIVED_BLOCK_{}_THRESHOLD", range(1, 16)),
    **consecutive(
        0x8200,
        """RECEIVED_START_OF_BLOCK_PERIOD RECEIVED_BLOCK_PERIOD_DURATION RECEIVED_THRESHOLD_MULTIPLIER
        RECEIVED_THRESHOLD_DIVISOR""",
    ),
    **_each(0x8400, "RECEIVED_NO_TIER_BLOCK_{}_PRICE", range(1, 17)),
    **_tiers_and_blocks(0x8410, "RECEIVED_TIER_{}_BLOCK_{}_PRICE", range(1, 16), 16),
    **_each(0x850F, "RECEIVED_PRICE_TIER_{}", range(16, 49)),
    **consecutive(
        0x8610,
        """RECEIVED_TARIFF_LABEL RECEIVED_NUMBER_OF_PRICE_TIERS_IN_USE RECEIVED_NUMBER_OF_BLOCK_THRESHOLDS_IN_USE
        RECEIVED_TIER_BLOCK_MODE""",
    ),
    0x8615: "RECEIVED_TARIFF_RESOLUTION_PERIOD",
    **consecutive(0x8625, "RECEIVED_CO2 RECEIVED_CO2_UNIT RECEIVED_CO2_TRAILING_DIGIT"),
    **consecutive(
        0x8700,
        """RECEIVED_CURRENT_BILLING_PERIOD_START RECEIVED_CURRENT_BILLING_PERIOD_DURATION
        RECEIVED_LAST_BILLING_PERIOD_START RECEIVED_LAST_BILLING_PERIOD_DURATION
        RECEIVED_LAST_BILLING_PERIOD_CONSOLIDATED_BILL""",
    ),
}


class PriceClientAttribute(IntEnum):
    """Attributes of the client."""

    PRICE_INCREASE_RANDOMIZE_MINUTES = 0x0000
    PRICE_DECREASE_RANDOMIZE_MINUTES = 0x0001
    COMMODITY_TYPE = 0x0002


name_attributes(Cluster.PRICE, PRICE_ATTRIBUTES, of_server=True)
name_attributes(Cluster.PRICE, PriceClientAttribute, of_server=False)


class PriceClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_CURRENT_PRICE = 0x00
    GET_SCHEDULED_PRICES = 0x01
    PRICE_ACKNOWLEDGEMENT = 0x02
    GET_BLOCK_PERIODS = 0x03
    GET_CONVERSION_FACTOR = 0x04
    GET_CALORIFIC_VALUE = 0x05
    GET_TARIFF_INFORMATION = 0x06
    GET_PRICE_MATRIX = 0x07
    GET_BLOCK_THRESHOLDS = 0x08
    GET_CO2_VALUE = 0x09
    GET_TIER_LABELS = 0x0A
    GET_BILLING_PERIOD = 0x0B
    GET_CONSOLIDATED_BILL = 0x0C
    CPP_EVENT_RESPONSE = 0x0D
    GET_CREDIT_PAYMENT = 0x0E
    GET_CURRENCY_CONVERSION = 0x0F
    GET_TARIFF_CANCELLATION = 0x10


class PriceServerCommand(IntEnum):
    """Commands that the server sends."""

    PUBLISH_PRICE = 0x00
    PUBLISH_BLOCK_PERIOD = 0x01
    PUBLISH_CONVERSION_FACTOR = 0x02
    PUBLISH_CALORIFIC_VALUE = 0x03
    PUBLISH_TARIFF_INFORMATION = 0x04
    PUBLISH_PRICE_MATRIX = 0x05
    PUBLISH_BLOCK_THRESHOLDS = 0x06
    PUBLISH_CO2_VALUE = 0x07
    PUBLISH_TIER_LABELS = 0x08
    PUBLISH_BILLING_PERIOD = 0x09
    PUBLISH_CONSOLIDATED_BILL = 0x0A
    PUBLISH_CPP_EVENT = 0x0B
    PUBLISH_CREDIT_PAYMENT = 0x0C
    PUBLISH_CURRENCY_CONVERSION = 0x0D
    CANCEL_TARIFF = 0x0E


class TariffType(IntEnum):
    """Which way the energy flows that a tariff is for."""

    DELIVERED = 0
    RECEIVED = 1
    DELIVERED_AND_RECEIVED = 2


def _client(command: PriceClientCommand) -> Any:
    return cluster_command(Cluster.PRICE, command, server_to_client=False)


def _server(command: PriceServerCommand) -> Any:
    return cluster_command(Cluster.PRICE, command, server_to_client=True)


def _tariff_type() -> Any:
    return ByteEnumField("tariff_type", TariffType.DELIVERED, TariffType)


def _trailing_digit(name: str) -> list[Any]:
    """How many of a number's digits stand behind the decimal point: the upper half of an octet."""
    return [BitField(name, 0, 4), BitField(f"{name}_reserved", 0, 4)]


def _issuer() -> list[Any]:
    return [XLEIntField("provider_id", 0), XLEIntField("issuer_event_id", 0)]


def _commands() -> list[Any]:
    """Which of several commands this is, that together say what one has no room for."""
    return [ByteField("command_index", 0), ByteField("total_number_of_commands", 1)]


@_client(PriceClientCommand.GET_CURRENT_PRICE)
class GetCurrentPrice(Layer):
    fields_desc: ClassVar[list[Any]] = [BitField("reserved", 0, 7), BitField("requestor_receiver_on_when_idle", 0, 1)]


@_client(PriceClientCommand.GET_SCHEDULED_PRICES)
class GetScheduledPrices(Layer):
    fields_desc: ClassVar[list[Any]] = [LEIntField("start_time", 0), ByteField("number_of_events", 0)]


@_client(PriceClientCommand.PRICE_ACKNOWLEDGEMENT)
class PriceAcknowledgement(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        LEIntField("price_acknowledgement_time", 0),
        XByteField("control", 0),
    ]


@_client(PriceClientCommand.GET_BLOCK_PERIODS)
class GetBlockPeriods(Layer):
    """The tariff type came with version 1.2."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("start_time", 0),
        ByteField("number_of_events", 0),
        *trailing(ByteEnumField("tariff_type", None, TariffType)),
    ]


class _GetFrom(Layer):
    """What is asked for by its start time and identifier."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("earliest_start_time", 0),
        XLEIntField("minimum_issuer_event_id", 0),
        ByteField("number_of_commands", 0),
    ]


class _GetTariffFrom(Layer):
    """As `_GetFrom`, of one type of tariff."""

    fields_desc: ClassVar[list[Any]] = [*_GetFrom.fields_desc, _tariff_type()]


class _GetOfTariff(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEIntField("issuer_tariff_id", 0)]


@_client(PriceClientCommand.GET_CONVERSION_FACTOR)
class GetConversionFactor(_GetFrom):
    """Answered by Publish Conversion Factor."""


@_client(PriceClientCommand.GET_CALORIFIC_VALUE)
class GetCalorificValue(_GetFrom):
    """Answered by Publish Calorific Value."""


@_client(PriceClientCommand.GET_TARIFF_INFORMATION)
class GetTariffInformation(_GetTariffFrom):
    """Answered by Publish Tariff Information."""


@_client(PriceClientCommand.GET_PRICE_MATRIX)
class GetPriceMatrix(_GetOfTariff):
    """Answered by Publish Price Matrix."""


@_client(PriceClientCommand.GET_BLOCK_THRESHOLDS)
class GetBlockThresholds(_GetOfTariff):
    """Answered by Publish Block Thresholds."""


@_client(PriceClientCommand.GET_CO2_VALUE)
class GetCo2Value(_GetTariffFrom):
    """Answered by Publish CO2 Value."""


@_client(PriceClientCommand.GET_TIER_LABELS)
class GetTierLabels(_GetOfTariff):
    """Answered by Publish Tier Labels."""


@_client(PriceClientCommand.GET_BILLING_PERIOD)
class GetBillingPeriod(_GetTariffFrom):
    """Answered by Publish Billing Period."""


@_client(PriceClientCommand.GET_CONSOLIDATED_BILL)
class GetConsolidatedBill(_GetTariffFrom):
    """Answered by Publish Consolidated Bill."""


@_client(PriceClientCommand.CPP_EVENT_RESPONSE)
class CppEventResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEIntField("issuer_event_id", 0), ByteField("cpp_auth", 0)]


@_client(PriceClientCommand.GET_CREDIT_PAYMENT)
class GetCreditPayment(Layer):
    fields_desc: ClassVar[list[Any]] = [LEIntField("latest_end_time", 0), ByteField("number_of_records", 0)]


@_client(PriceClientCommand.GET_CURRENCY_CONVERSION)
class GetCurrencyConversion(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_client(PriceClientCommand.GET_TARIFF_CANCELLATION)
class GetTariffCancellation(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_server(PriceServerCommand.PUBLISH_PRICE)
class PublishPrice(Layer):
    """What comes behind the price was added by versions 1.0 to 1.2, in this order; gas meters of GBCS end there."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        *string("rate_label"),
        XLEIntField("issuer_event_id", 0),
        LEIntField("current_time", 0),
        XByteField("unit_of_measure", 0),
        XLEShortField("currency", 0),
        BitField("price_trailing_digit", 0, 4),
        BitField("price_tier", 0, 4),
        BitField("number_of_price_tiers", 0, 4),
        BitField("register_tier", 0, 4),
        LEIntField("start_time", 0),
        LEShortField("duration_in_minutes", 0),
        LEIntField("price", 0),
        *trailing(
            ByteField("price_ratio", None),
            LEIntField("generation_price", None),
            ByteField("generation_price_ratio", None),
            LEIntField("alternate_cost_delivered", None),
            XByteField("alternate_cost_unit", None),
            XByteField("alternate_cost_trailing_digit", None),
            ByteField("number_of_block_thresholds", None),
            XByteField("price_control", None),
            ByteField("number_of_generation_tiers", None),
            ByteField("generation_tier", None),
            ByteField("extended_number_of_price_tiers", None),
            ByteField("extended_price_tier", None),
            ByteField("extended_register_tier", None),
        ),
    ]


@_server(PriceServerCommand.PUBLISH_BLOCK_PERIOD)
class PublishBlockPeriod(Layer):
    """The last three came with version 1.2."""

    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        LEIntField("block_period_start_time", 0),
        LEThreeBytesField("block_period_duration", 0),
        BitField("number_of_price_tiers", 0, 4),
        BitField("number_of_block_thresholds", 0, 4),
        BitField("block_period_control_reserved", 0, 6),
        BitField("repeating_block", 0, 1),
        BitField("price_acknowledgement", 0, 1),
        *trailing(
            XByteField("block_period_duration_type", None),
            ByteEnumField("tariff_type", None, TariffType),
            ByteField("tariff_resolution_period", None),
        ),
    ]


@_server(PriceServerCommand.PUBLISH_CONVERSION_FACTOR)
class PublishConversionFactor(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("start_time", 0),
        LEIntField("conversion_factor", 0),
        *_trailing_digit("conversion_factor_trailing_digit"),
    ]


@_server(PriceServerCommand.PUBLISH_CALORIFIC_VALUE)
class PublishCalorificValue(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("start_time", 0),
        LEIntField("calorific_value", 0),
        XByteField("calorific_value_unit", 1),
        *_trailing_digit("calorific_value_trailing_digit"),
    ]


@_server(PriceServerCommand.PUBLISH_TARIFF_INFORMATION)
class PublishTariffInformation(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        XLEIntField("issuer_tariff_id", 0),
        LEIntField("start_time", 0),
        BitField("tariff_charging_scheme", 0, 4),
        BitField("tariff_type", 0, 4),
        *string("tariff_label"),
        ByteField("number_of_price_tiers_in_use", 0),
        ByteField("number_of_block_thresholds_in_use", 0),
        XByteField("unit_of_measure", 0),
        XLEShortField("currency", 0),
        *_trailing_digit("price_trailing_digit"),
        LEIntField("standing_charge", 0),
        ByteField("tier_block_mode", 0),
        LEThreeBytesField("block_threshold_multiplier", 1),
        LEThreeBytesField("block_threshold_divisor", 1),
    ]


def _sub_payload() -> list[Any]:
    return [
        *_issuer(),
        LEIntField("start_time", 0),
        XLEIntField("issuer_tariff_id", 0),
        *_commands(),
        XByteField("sub_payload_control", 0),
    ]


class PriceMatrixEntry(Layer):
    """One price; the octet is a tier and a block of four bits each, or a tier alone, by the sub-payload control."""

    fields_desc: ClassVar[list[Any]] = [XByteField("tier_block_id", 0), LEIntField("price", 0)]


@_server(PriceServerCommand.PUBLISH_PRICE_MATRIX)
class PublishPriceMatrix(Layer):
    fields_desc: ClassVar[list[Any]] = [*_sub_payload(), LayersToEnd("price_matrix", PriceMatrixEntry)]


class BlockThresholdsEntry(Layer):
    """The thresholds of a tier, or of all tiers, by the sub-payload control."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("tier", 0, 4),
        DerivedBits("number_of_block_thresholds", count_of("block_thresholds"), 4),
        ListOf("block_thresholds", IntegerField("block_threshold", 0, 6), lambda p: p.number_of_block_thresholds),
    ]


@_server(PriceServerCommand.PUBLISH_BLOCK_THRESHOLDS)
class PublishBlockThresholds(Layer):
    fields_desc: ClassVar[list[Any]] = [*_sub_payload(), LayersToEnd("tier_block_thresholds", BlockThresholdsEntry)]


@_server(PriceServerCommand.PUBLISH_CO2_VALUE)
class PublishCo2Value(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        LEIntField("start_time", 0),
        _tariff_type(),
        LEIntField("co2_value", 0),
        XByteField("co2_value_unit", 0),
        *_trailing_digit("co2_value_trailing_digit"),
    ]


class TierLabel(Layer):
    """The name of a tier."""

    fields_desc: ClassVar[list[Any]] = [ByteField("tier_id", 0), *string("tier_label")]


@_server(PriceServerCommand.PUBLISH_TIER_LABELS)
class PublishTierLabels(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        XLEIntField("issuer_tariff_id", 0),
        *_commands(),
        DerivedOctet("number_of_labels", records_in("tier_labels")),
        LayersToEnd("tier_labels", TierLabel),
    ]


def _billing_period() -> list[Any]:
    return [
        *_issuer(),
        LEIntField("billing_period_start_time", 0),
        LEThreeBytesField("billing_period_duration", 0),
        BitField("billing_period_duration_control", 0, 4),
        BitField("billing_period_duration_timebase", 0, 4),
        _tariff_type(),
    ]


@_server(PriceServerCommand.PUBLISH_BILLING_PERIOD)
class PublishBillingPeriod(Layer):
    fields_desc: ClassVar[list[Any]] = _billing_period()


@_server(PriceServerCommand.PUBLISH_CONSOLIDATED_BILL)
class PublishConsolidatedBill(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_billing_period(),
        LEIntField("consolidated_bill", 0),
        XLEShortField("currency", 0),
        *_trailing_digit("bill_trailing_digit"),
    ]


@_server(PriceServerCommand.PUBLISH_CPP_EVENT)
class PublishCppEvent(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        LEIntField("start_time", 0),
        LEShortField("duration_in_minutes", 0),
        _tariff_type(),
        ByteField("cpp_price_tier", 0),
        ByteField("cpp_auth", 0),
    ]


@_server(PriceServerCommand.PUBLISH_CREDIT_PAYMENT)
class PublishCreditPayment(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        LEIntField("credit_payment_due_date", 0),
        LEIntField("credit_payment_overdue_amount", 0),
        ByteField("credit_payment_status", 0),
        LEIntField("credit_payment", 0),
        LEIntField("credit_payment_date", 0),
        *string("credit_payment_ref"),
    ]


@_server(PriceServerCommand.PUBLISH_CURRENCY_CONVERSION)
class PublishCurrencyConversion(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_issuer(),
        LEIntField("start_time", 0),
        XLEShortField("old_currency", 0),
        XLEShortField("new_currency", 0),
        LEIntField("conversion_factor", 0),
        *_trailing_digit("conversion_factor_trailing_digit"),
        XLEIntField("currency_change_control_flags", 0),
    ]


@_server(PriceServerCommand.CANCEL_TARIFF)
class CancelTariff(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_tariff_id", 0),
        _tariff_type(),
    ]
