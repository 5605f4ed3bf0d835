"""Frames written by hand after facts on ZigBee, sections 6.3 to 6.6, cluster by cluster: octets, and what they say."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.codes import Cluster, Profile, TunnelProtocol
from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, Zcl
from hanscope.dissectors.zigbee.clusters import (
    basic,
    calendar,
    device_management,
    drlc,
    events,
    mdu_pairing,
    messaging,
    metering,
    prepayment,
    price,
    sub_ghz,
    tunneling,
)

Dissect = Callable[[type[Packet], str], list[Packet]]
TO_SERVER, TO_CLIENT = "01", "09"
FORMS: list[tuple[int, str, str, type[Packet], dict[str, object]]] = [
    (Cluster.BASIC, TO_SERVER, "00", basic.ResetToFactoryDefaults, {}),
    # Tunneling with the values of GBCS: manufacturer FFFF, protocol 6, no flow control, 1500 octets.
    (
        Cluster.TUNNELING,
        TO_SERVER,
        "00 | 06 ffff 00 dc05",
        tunneling.RequestTunnel,
        {
            "protocol_id": TunnelProtocol.GB_HRGP,
            "manufacturer_code": 0xFFFF,
            "flow_control_support": 0,
            "maximum_incoming_transfer_size": 1500,
        },
    ),
    (
        Cluster.TUNNELING,
        TO_SERVER,
        "00 | 06 ffff 00",
        tunneling.RequestTunnel,
        {"protocol_id": 6, "manufacturer_code": 0xFFFF, "flow_control_support": 0},
    ),
    (
        Cluster.TUNNELING,
        TO_CLIENT,
        "00 | ffff 03 dc05",
        tunneling.RequestTunnelResponse,
        {
            "tunnel_id": 0xFFFF,
            "tunnel_status": tunneling.TunnelStatus.PROTOCOL_NOT_SUPPORTED,
            "maximum_incoming_transfer_size": 1500,
        },
    ),
    (
        Cluster.TUNNELING,
        TO_SERVER,
        "02 | 0100 03deadbeef",
        tunneling.TransferDataClientToServer,
        {"tunnel_id": 1, "transfer_data": bytes.fromhex("03deadbeef")},
    ),
    (
        Cluster.TUNNELING,
        TO_CLIENT,
        "01 | 0100",
        tunneling.TransferDataServerToClient,
        {"tunnel_id": 1, "transfer_data": b""},
    ),
    (
        Cluster.TUNNELING,
        TO_CLIENT,
        "02 | 0100 02",
        tunneling.TransferDataErrorServerToClient,
        {"tunnel_id": 1, "transfer_data_status": tunneling.TransferDataStatus.DATA_OVERFLOW},
    ),
    (Cluster.TUNNELING, TO_SERVER, "01 | 0100", tunneling.CloseTunnel, {"tunnel_id": 1}),
    (Cluster.TUNNELING, TO_CLIENT, "06 | 0100", tunneling.TunnelClosureNotification, {"tunnel_id": 1}),
    (
        Cluster.METERING,
        TO_SERVER,
        "09 | 00 01000000 03000000",
        metering.MirrorReportAttributeResponse,
        {"notification_scheme": 0, "notification_flags": [1, 3]},
    ),
    (Cluster.METERING, TO_CLIENT, "01", metering.RequestMirror, {}),
    (Cluster.METERING, TO_SERVER, "01 | 0200", metering.RequestMirrorResponse, {"endpoint_id": 2}),
    (
        Cluster.METERING,
        TO_CLIENT,
        "08 | 04030201 080700 01 02",
        metering.ConfigureMirror,
        {
            "issuer_event_id": 0x01020304,
            "reporting_interval": 1800,
            "mirror_notification_reporting": 1,
            "notification_scheme": 2,
        },
    ),
    (
        Cluster.METERING,
        TO_CLIENT,
        "00 | 0000002f 00 02 02 010000 ffffff",
        metering.GetProfileResponse,
        {
            "end_time": 0x2F000000,
            "status": 0,
            "profile_interval_period": 2,
            "number_of_periods_delivered": 2,
            "intervals": [1, 0xFFFFFF],
        },
    ),
    (
        Cluster.PRICE,
        TO_CLIENT,
        "00 | 01000000 03 616263 02000000 0000002f 00 3a03 25 01 00000000 ffff e8030000 ff ffffffff ff",
        price.PublishPrice,
        {
            "provider_id": 1,
            "rate_label": b"abc",
            "issuer_event_id": 2,
            "current_time": 0x2F000000,
            "unit_of_measure": 0,
            "currency": 826,
            "price_trailing_digit": 2,
            "price_tier": 5,
            "number_of_price_tiers": 0,
            "register_tier": 1,
            "start_time": 0,
            "duration_in_minutes": 0xFFFF,
            "price": 1000,
            "price_ratio": 0xFF,
            "generation_price": 0xFFFFFFFF,
            "generation_price_ratio": 0xFF,
        },
    ),
    (
        Cluster.PREPAYMENT,
        TO_CLIENT,
        "03 | 00 18fcffff 00 e8030000",
        prepayment.ConsumerTopUpResponse,
        {"result_type": 0, "top_up_value": -1000, "source_of_top_up": 0, "credit_remaining": 1000},
    ),
    (
        Cluster.DEVICE_MANAGEMENT,
        TO_CLIENT,
        "04 | 01000000 00000000 13 00 02 0008 0108",
        device_management.SetEventConfiguration,
        {
            "issuer_event_id": 1,
            "start_date_time": 0,
            "push_event_to_han": 1,
            "logging": events.EventLog.GENERAL,
            "configuration_control": device_management.ConfigurationControl.BY_LIST,
            "number_of_events": 2,
            "event_ids": [0x0800, 0x0801],
        },
    ),
    (
        Cluster.DEVICE_MANAGEMENT,
        TO_CLIENT,
        "04 | 01000000 00000000 00 02 05",
        device_management.SetEventConfiguration,
        {
            "issuer_event_id": 1,
            "start_date_time": 0,
            "configuration_control": device_management.ConfigurationControl.BY_LOG_TYPE,
            "log_id": events.EventLog.NETWORK,
        },
    ),
    (
        Cluster.EVENTS,
        TO_SERVER,
        "00 | 17 728f 00000000 ffffffff 0a 0000",
        events.GetEventLog,
        {
            "full_information": 1,
            "log_id": events.EventLog.GBCS_SECURITY,
            "event_id": 0x8F72,
            "start_time": 0,
            "end_time": 0xFFFFFFFF,
            "number_of_events": 10,
            "event_offset": 0,
        },
    ),
    (
        Cluster.EVENTS,
        TO_CLIENT,
        "00 | 05 c008 0000002f 00 ff",
        events.PublishEvent,
        {"log_id": 5, "event_id": 0x08C0, "event_time": 0x2F000000, "event_control": 0, "event_data_length": 0xFF},
    ),
    (
        Cluster.DEMAND_RESPONSE,
        TO_CLIENT,
        "00 | 01000000 0008 00 00000000 3c00 04 ff ff 0080 60f0 f6 64 03",
        drlc.LoadControlEvent,
        {
            "issuer_event_id": 1,
            "device_class": 0x0800,
            "utility_enrollment_group": 0,
            "start_time": 0,
            "duration_in_minutes": 60,
            "criticality_level": 4,
            "cooling_temperature_offset": 0xFF,
            "heating_temperature_offset": 0xFF,
            "cooling_temperature_set_point": -0x8000,
            "heating_temperature_set_point": -4000,
            "average_load_adjustment_percentage": -10,
            "duty_cycle": 100,
            "randomize_duration_time": 1,
            "randomize_start_time": 1,
        },
    ),
    (
        Cluster.MESSAGING,
        TO_CLIENT,
        "00 | 01000000 a9 00000000 ffff 05 68656c6c6f 00",
        messaging.DisplayMessage,
        {
            "message_id": 1,
            "confirmation": 1,
            "enhanced_confirmation": 1,
            "importance": messaging.Importance.HIGH,
            "transmission": messaging.Transmission.NORMAL_AND_INTER_PAN,
            "start_time": 0,
            "duration_in_minutes": 0xFFFF,
            "message": b"hello",
            "extended_message_control": 0,
        },
    ),
    (Cluster.MESSAGING, TO_SERVER, "00", messaging.GetLastMessage, {}),
    (
        Cluster.CALENDAR,
        TO_CLIENT,
        "05 | 01000000 02000000 03",
        calendar.CancelCalendar,
        {"provider_id": 1, "issuer_calendar_id": 2, "calendar_type": calendar.CalendarType.FRIENDLY_CREDIT},
    ),
    (
        Cluster.MDU_PAIRING,
        TO_CLIENT,
        "00 | 01000000 02 00 01 8877665544332211 cb67e7feff5f3250",
        mdu_pairing.PairingResponse,
        {
            "pairing_information_version": 1,
            "total_number_of_devices": 2,
            "command_index": 0,
            "total_number_of_commands": 1,
            "eui64s": ["11:22:33:44:55:66:77:88", "50:32:5f:ff:fe:e7:67:cb"],
        },
    ),
    (Cluster.SUB_GHZ, TO_SERVER, "00", sub_ghz.GetSuspendZclMessagesStatus, {}),
    (Cluster.SUB_GHZ, TO_CLIENT, "00 | 0a", sub_ghz.SuspendZclMessages, {"period": 10}),
]


def _frame(cluster: int, control: str, command: str) -> str:
    return f"00 01 {cluster.to_bytes(2, 'little').hex()} 0901 01 55 {control} 01 {command}"


@pytest.mark.parametrize(("cluster", "control", "command", "cls", "values"), FORMS)
def test_reading(
    dissect: Dissect, cluster: int, control: str, command: str, cls: type[Packet], values: dict[str, object]
) -> None:
    *_, read = dissect(Aps, _frame(cluster, control, command))
    assert type(read) is cls
    assert {name: getattr(read, name) for name in values} == values
    told = [name for name, value in read.fields.items() if value and not name.endswith("_length")]
    assert set(told) <= set(values)


@pytest.mark.parametrize(("cluster", "control", "command", "cls", "values"), FORMS)
def test_building(cluster: int, control: str, command: str, cls: type[Packet], values: dict[str, object]) -> None:
    aps = Aps(cluster=cluster, profile=Profile.SMART_ENERGY, counter=0x55, destination_endpoint=1)
    octets = bytes.fromhex(_frame(cluster, control, command).replace("|", ""))
    assert bytes(aps / Zcl(transaction_sequence_number=1) / cls(**values)) == octets


def test_records_of_a_log(dissect: Dissect) -> None:
    """Two events, the second with four octets of data."""
    log = "01 | 0200 00 01 20 | 05 c008 0000002f 00 | 07 728f 0100002f 04 01020304"
    *_, read = dissect(Aps, _frame(Cluster.EVENTS, TO_CLIENT, log))
    assert (read.total_number_of_matching_events, read.number_of_events) == (2, 2)
    first, second = read.events
    assert (first.log_id, first.event_id, first.event_data) == (5, 0x08C0, b"")
    assert (second.log_id, second.event_id, second.event_data) == (7, 0x8F72, bytes([1, 2, 3, 4]))
    assert "IMAGE_NOTIFY_RECEIVED" in first.show(dump=True)
    built = events.PublishEventLog(
        total_number_of_matching_events=2,
        events=[
            events.LoggedEvent(log_id=5, event_id=0x08C0, event_time=0x2F000000),
            events.LoggedEvent(log_id=7, event_id=0x8F72, event_time=0x2F000001, event_data=bytes([1, 2, 3, 4])),
        ],
    )
    assert bytes(built) == bytes.fromhex(log[4:].replace("|", ""))


def test_a_record_that_is_cut_short_keeps_its_octets(dissect: Dissect) -> None:
    log = "01 | 0200 00 01 20 | 05 c008 0000002f 00 | 07 728f 0100002f 04 0102"
    *_, read = dissect(Aps, _frame(Cluster.EVENTS, TO_CLIENT, log))
    assert read.events[0].event_id == 0x08C0
    assert (read.events[1].layer, read.events[1].field) == (b"LoggedEvent", b"event_data")
    assert read.events[1].octets == bytes.fromhex("07728f0100002f040102")


def test_what_later_versions_added_is_read_as_far_as_it_goes(dissect: Dissect) -> None:
    short = "00 | 01000000 00 02000000 0000002f 00 3a03 25 01 00000000 ffff e8030000 ff ffffffff ff"
    *_, read, rest = dissect(Aps, _frame(Cluster.PRICE, TO_CLIENT, short + "01000000"[:6]))
    assert read.alternate_cost_delivered is None
    assert read.alternate_cost_unit is None
    assert rest.octets == bytes.fromhex("010000")
    *_, read = dissect(Aps, _frame(Cluster.PRICE, TO_CLIENT, short + "01000000 00 00"))
    assert (read.alternate_cost_delivered, read.alternate_cost_trailing_digit) == (1, 0)
    assert read.number_of_block_thresholds is None


def test_counts_and_lengths_follow_from_what_is_given() -> None:
    protocols = [tunneling.SupportedProtocol(), tunneling.SupportedProtocol(protocol_id=0, manufacturer_code=0x1168)]
    supported = tunneling.SupportedTunnelProtocolsResponse(protocols=protocols)
    assert bytes(supported) == bytes.fromhex("01 02 ffff06 681100")
    labels = price.PublishTierLabels(tier_labels=[price.TierLabel(tier_id=1, tier_label=b"day")])
    assert bytes(labels)[12:] == bytes.fromhex("00 01 01 01 03 646179")
    thresholds = price.PublishBlockThresholds(
        tier_block_thresholds=[price.BlockThresholdsEntry(tier=1, block_thresholds=[1, 2])]
    )
    assert bytes(thresholds)[19:] == bytes.fromhex("12 010000000000 020000000000")
    answered = messaging.MessageConfirmation(message_confirmation_control=1, message_response=b"no")
    assert bytes(answered)[8:] == bytes.fromhex("01 02 6e6f")
    flags = metering.ConfigureNotificationFlags(command_ids=[1, 2, 3])
    assert bytes(flags)[-4:] == bytes.fromhex("03 010203")


def test_a_string_that_says_it_is_none_has_no_octets(dissect: Dissect) -> None:
    *_, read = dissect(Aps, _frame(Cluster.PREPAYMENT, TO_SERVER, "04 | 00 ff"))
    assert (read.top_up_code_length, read.top_up_code) == (0xFF, b"")


@pytest.mark.parametrize("command", ["04 | 00 05 6162", "04 | 00"])
def test_a_string_that_is_cut_short_is_malformed(dissect: Dissect, command: str) -> None:
    *_, last = dissect(Aps, _frame(Cluster.PREPAYMENT, TO_SERVER, command))
    assert isinstance(last, Malformed)
    assert last.layer == b"ConsumerTopUp"


@pytest.mark.parametrize(
    ("cluster", "control", "command"),
    [
        (Cluster.TUNNELING, TO_SERVER, "07 | 00"),
        (Cluster.PREPAYMENT, TO_SERVER, "0d | 00"),
        (Cluster.KEEP_ALIVE, TO_SERVER, "00 | 00"),
        (0x0750, TO_SERVER, "00 | 00"),
    ],
)
def test_what_is_no_command_of_the_cluster_stays_undissected(
    dissect: Dissect, cluster: int, control: str, command: str
) -> None:
    *_, rest = dissect(Aps, _frame(cluster, control, command))
    assert isinstance(rest, Undissected)


def test_a_command_without_fields_is_there_all_the_same(dissect: Dissect) -> None:
    *_, zcl, cancellation = dissect(Aps, _frame(Cluster.PRICE, TO_SERVER, "10"))
    assert zcl.command_identifier == 0x10
    assert type(cancellation) is price.GetTariffCancellation
    *_, cancellation, rest = dissect(Aps, _frame(Cluster.PRICE, TO_SERVER, "10 | aa"))
    assert type(cancellation) is price.GetTariffCancellation
    assert rest.octets == b"\xaa"
