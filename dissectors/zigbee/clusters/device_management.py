"""The Device Management cluster 0x0708 (Smart Energy 07-5356, annex D.10): all commands of both directions.

The client's attributes say what is to be done about each event; their identifiers are the events' numbers.
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    LEIntField,
    LEShortField,
    XByteField,
    XLEIntField,
    XLEShortField,
)

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import DerivedOctet, LayersToEnd, LECodeField, ListOf, count_of, string
from hanscope.dissectors.layer import Layer, When
from hanscope.dissectors.zigbee.clusters.events import EVENTS, EventLog
from hanscope.dissectors.zigbee.clusters.price import TariffType
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class DeviceManagementAttribute(IntEnum):
    """Attributes of the server."""

    PROVIDER_ID = 0x0100
    PROVIDER_NAME = 0x0101
    PROVIDER_CONTACT_DETAILS = 0x0102
    PROPOSED_PROVIDER_ID = 0x0110
    PROPOSED_PROVIDER_NAME = 0x0111
    PROPOSED_PROVIDER_CHANGE_DATE_TIME = 0x0112
    PROPOSED_PROVIDER_CHANGE_CONTROL = 0x0113
    PROPOSED_PROVIDER_CONTACT_DETAILS = 0x0114
    RECEIVED_PROVIDER_ID = 0x0120
    RECEIVED_PROVIDER_NAME = 0x0121
    RECEIVED_PROVIDER_CONTACT_DETAILS = 0x0122
    RECEIVED_PROPOSED_PROVIDER_ID = 0x0130
    RECEIVED_PROPOSED_PROVIDER_NAME = 0x0131
    RECEIVED_PROPOSED_PROVIDER_CHANGE_DATE_TIME = 0x0132
    RECEIVED_PROPOSED_PROVIDER_CHANGE_CONTROL = 0x0133
    RECEIVED_PROPOSED_PROVIDER_CONTACT_DETAILS = 0x0134
    CHANGE_OF_TENANCY_UPDATE_DATE_TIME = 0x0200
    PROPOSED_TENANCY_CHANGE_CONTROL = 0x0201
    WAN_STATUS = 0x0300
    LOW_MEDIUM_THRESHOLD = 0x0400
    MEDIUM_HIGH_THRESHOLD = 0x0401


DEVICE_MANAGEMENT_CLIENT_ATTRIBUTES: Final[dict[int, str]] = {
    0x0000: "PROVIDER_ID",
    0x0010: "RECEIVED_PROVIDER_ID",
    **EVENTS,
}

name_attributes(Cluster.DEVICE_MANAGEMENT, DeviceManagementAttribute, of_server=True)
name_attributes(Cluster.DEVICE_MANAGEMENT, DEVICE_MANAGEMENT_CLIENT_ATTRIBUTES, of_server=False)


class DeviceManagementClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_CHANGE_OF_TENANCY = 0x00
    GET_CHANGE_OF_SUPPLIER = 0x01
    REQUEST_NEW_PASSWORD = 0x02
    GET_SITE_ID = 0x03
    REPORT_EVENT_CONFIGURATION = 0x04
    GET_CIN = 0x05


class DeviceManagementServerCommand(IntEnum):
    """Commands that the server sends."""

    PUBLISH_CHANGE_OF_TENANCY = 0x00
    PUBLISH_CHANGE_OF_SUPPLIER = 0x01
    REQUEST_NEW_PASSWORD_RESPONSE = 0x02
    UPDATE_SITE_ID = 0x03
    SET_EVENT_CONFIGURATION = 0x04
    GET_EVENT_CONFIGURATION = 0x05
    UPDATE_CIN = 0x06


class PasswordType(IntEnum):
    """Which of four levels of access a password is for."""

    PASSWORD_1 = 1
    PASSWORD_2 = 2
    PASSWORD_3 = 3
    PASSWORD_4 = 4


class ConfigurationControl(IntEnum):
    """Which events a configuration is for."""

    BY_LIST = 0
    BY_EVENT_GROUP = 1
    BY_LOG_TYPE = 2
    BY_CONFIGURATION_MATCH = 3


def _client(command: DeviceManagementClientCommand) -> Any:
    return cluster_command(Cluster.DEVICE_MANAGEMENT, command, server_to_client=False)


def _server(command: DeviceManagementServerCommand) -> Any:
    return cluster_command(Cluster.DEVICE_MANAGEMENT, command, server_to_client=True)


def _event_configuration() -> list[Any]:
    """What is to be done about an event: where it is logged, and who is told."""
    return [
        BitField("event_configuration_reserved", 0, 1),
        BitField("raise_alarm_physical", 0, 1),
        BitField("raise_alarm_zigbee", 0, 1),
        BitField("push_event_to_han", 0, 1),
        BitField("push_event_to_wan", 0, 1),
        BitEnumField("logging", EventLog.ALL, 3, EventLog),
    ]


@_client(DeviceManagementClientCommand.GET_CHANGE_OF_TENANCY)
class GetChangeOfTenancy(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_client(DeviceManagementClientCommand.GET_CHANGE_OF_SUPPLIER)
class GetChangeOfSupplier(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_client(DeviceManagementClientCommand.REQUEST_NEW_PASSWORD)
class RequestNewPassword(Layer):
    fields_desc: ClassVar[list[Any]] = [ByteEnumField("password_type", PasswordType.PASSWORD_1, PasswordType)]


@_client(DeviceManagementClientCommand.GET_SITE_ID)
class GetSiteId(Layer):
    fields_desc: ClassVar[list[Any]] = []


class EventConfiguration(Layer):
    """What is to be done about one event."""

    fields_desc: ClassVar[list[Any]] = [LECodeField("event_id", 0, EVENTS), *_event_configuration()]


@_client(DeviceManagementClientCommand.REPORT_EVENT_CONFIGURATION)
class ReportEventConfiguration(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        LayersToEnd("event_configurations", EventConfiguration),
    ]


@_client(DeviceManagementClientCommand.GET_CIN)
class GetCin(Layer):
    """Asks for the customer identification number."""

    fields_desc: ClassVar[list[Any]] = []


@_server(DeviceManagementServerCommand.PUBLISH_CHANGE_OF_TENANCY)
class PublishChangeOfTenancy(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        ByteEnumField("tariff_type", TariffType.DELIVERED, TariffType),
        LEIntField("implementation_date_time", 0),
        XLEIntField("proposed_tenancy_change_control", 0),
    ]


@_server(DeviceManagementServerCommand.PUBLISH_CHANGE_OF_SUPPLIER)
class PublishChangeOfSupplier(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("current_provider_id", 0),
        XLEIntField("issuer_event_id", 0),
        ByteEnumField("tariff_type", TariffType.DELIVERED, TariffType),
        XLEIntField("proposed_provider_id", 0),
        LEIntField("provider_change_implementation_time", 0),
        XLEIntField("provider_change_control", 0),
        *string("proposed_provider_name"),
        *string("proposed_provider_contact_details"),
    ]


@_server(DeviceManagementServerCommand.REQUEST_NEW_PASSWORD_RESPONSE)
class RequestNewPasswordResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("implementation_date_time", 0),
        LEShortField("duration_in_minutes", 0),
        ByteEnumField("password_type", PasswordType.PASSWORD_1, PasswordType),
        *string("password"),
    ]


@_server(DeviceManagementServerCommand.UPDATE_SITE_ID)
class UpdateSiteId(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("site_id_time", 0),
        XLEIntField("provider_id", 0),
        *string("site_id"),
    ]


def _applies(control: ConfigurationControl) -> Any:
    return lambda p: p.configuration_control == control


@_server(DeviceManagementServerCommand.SET_EVENT_CONFIGURATION)
class SetEventConfiguration(Layer):
    """Which events are meant is told in one of four ways; of another one nothing is read."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("start_date_time", 0),
        *_event_configuration(),
        ByteEnumField("configuration_control", ConfigurationControl.BY_LIST, ConfigurationControl),
        When(DerivedOctet("number_of_events", count_of("event_ids")), _applies(ConfigurationControl.BY_LIST)),
        When(
            ListOf("event_ids", LECodeField("event_id", 0, EVENTS), lambda p: p.number_of_events),
            _applies(ConfigurationControl.BY_LIST),
        ),
        When(XLEShortField("event_group_id", 0), _applies(ConfigurationControl.BY_EVENT_GROUP)),
        When(ByteEnumField("log_id", EventLog.ALL, EventLog), _applies(ConfigurationControl.BY_LOG_TYPE)),
        When(XByteField("configuration_value_match", 0), _applies(ConfigurationControl.BY_CONFIGURATION_MATCH)),
    ]


@_server(DeviceManagementServerCommand.GET_EVENT_CONFIGURATION)
class GetEventConfiguration(Layer):
    fields_desc: ClassVar[list[Any]] = [LECodeField("event_id", 0, EVENTS)]


@_server(DeviceManagementServerCommand.UPDATE_CIN)
class UpdateCin(Layer):
    """The customer identification number."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("issuer_event_id", 0),
        LEIntField("implementation_time", 0),
        XLEIntField("provider_id", 0),
        *string("customer_id_number"),
    ]
