"""The Calendar cluster 0x0707 (Smart Energy 07-5356, annex D.9): all commands of both directions."""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import ByteEnumField, ByteField, LEIntField, LEShortField, XLEIntField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import LayersToEnd, string
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class CalendarAttribute(IntEnum):
    """Attributes of the server."""

    AUX_SWITCH_1_LABEL = 0x0000
    AUX_SWITCH_2_LABEL = 0x0001
    AUX_SWITCH_3_LABEL = 0x0002
    AUX_SWITCH_4_LABEL = 0x0003
    AUX_SWITCH_5_LABEL = 0x0004
    AUX_SWITCH_6_LABEL = 0x0005
    AUX_SWITCH_7_LABEL = 0x0006
    AUX_SWITCH_8_LABEL = 0x0007


name_attributes(Cluster.CALENDAR, CalendarAttribute, of_server=True)


class CalendarClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_CALENDAR = 0x00
    GET_DAY_PROFILES = 0x01
    GET_WEEK_PROFILES = 0x02
    GET_SEASONS = 0x03
    GET_SPECIAL_DAYS = 0x04
    GET_CALENDAR_CANCELLATION = 0x05


class CalendarServerCommand(IntEnum):
    """Commands that the server sends."""

    PUBLISH_CALENDAR = 0x00
    PUBLISH_DAY_PROFILE = 0x01
    PUBLISH_WEEK_PROFILE = 0x02
    PUBLISH_SEASONS = 0x03
    PUBLISH_SPECIAL_DAYS = 0x04
    CANCEL_CALENDAR = 0x05


class CalendarType(IntEnum):
    """What a calendar is for."""

    DELIVERED = 0
    RECEIVED = 1
    DELIVERED_AND_RECEIVED = 2
    FRIENDLY_CREDIT = 3
    AUXILIARY_LOAD_SWITCH = 4


class TimeReference(IntEnum):
    """Which clock a calendar goes by."""

    UTC = 0
    STANDARD = 1
    LOCAL = 2


def _client(command: CalendarClientCommand) -> Any:
    return cluster_command(Cluster.CALENDAR, command, server_to_client=False)


def _server(command: CalendarServerCommand) -> Any:
    return cluster_command(Cluster.CALENDAR, command, server_to_client=True)


def _calendar_type() -> Any:
    return ByteEnumField("calendar_type", CalendarType.DELIVERED, CalendarType)


def _calendar() -> list[Any]:
    return [XLEIntField("provider_id", 0), XLEIntField("issuer_event_id", 0), XLEIntField("issuer_calendar_id", 0)]


def _commands() -> list[Any]:
    """Which of several commands this is, that together say what one has no room for."""
    return [ByteField("command_index", 0), ByteField("total_number_of_commands", 1)]


def _date() -> list[Any]:
    """A date of the library (07-5123, 2.6.2.15): years since 1900, Monday is 1; FF of each stands for any."""
    return [
        ByteField("year", 0xFF),
        ByteField("month", 0xFF),
        ByteField("day_of_month", 0xFF),
        ByteField("day_of_week", 0xFF),
    ]


@_client(CalendarClientCommand.GET_CALENDAR)
class GetCalendar(Layer):
    fields_desc: ClassVar[list[Any]] = [
        LEIntField("earliest_start_time", 0),
        XLEIntField("minimum_issuer_event_id", 0),
        ByteField("number_of_calendars", 0),
        _calendar_type(),
        XLEIntField("provider_id", 0xFFFFFFFF),
    ]


@_client(CalendarClientCommand.GET_DAY_PROFILES)
class GetDayProfiles(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_calendar_id", 0),
        ByteField("start_day_id", 1),
        ByteField("number_of_days", 0),
    ]


@_client(CalendarClientCommand.GET_WEEK_PROFILES)
class GetWeekProfiles(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_calendar_id", 0),
        ByteField("start_week_id", 1),
        ByteField("number_of_weeks", 0),
    ]


@_client(CalendarClientCommand.GET_SEASONS)
class GetSeasons(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEIntField("provider_id", 0), XLEIntField("issuer_calendar_id", 0)]


@_client(CalendarClientCommand.GET_SPECIAL_DAYS)
class GetSpecialDays(Layer):
    fields_desc: ClassVar[list[Any]] = [
        LEIntField("start_time", 0),
        ByteField("number_of_events", 0),
        _calendar_type(),
        XLEIntField("provider_id", 0xFFFFFFFF),
        XLEIntField("issuer_calendar_id", 0),
    ]


@_client(CalendarClientCommand.GET_CALENDAR_CANCELLATION)
class GetCalendarCancellation(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_server(CalendarServerCommand.PUBLISH_CALENDAR)
class PublishCalendar(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_calendar(),
        LEIntField("start_time", 0),
        _calendar_type(),
        ByteEnumField("calendar_time_reference", TimeReference.UTC, TimeReference),
        *string("calendar_name"),
        ByteField("number_of_seasons", 0),
        ByteField("number_of_week_profiles", 0),
        ByteField("number_of_day_profiles", 0),
    ]


class DayScheduleEntry(Layer):
    """From when, in minutes after midnight, a price tier, friendly credit or load switch state holds."""

    fields_desc: ClassVar[list[Any]] = [
        LEShortField("start_time", 0),
        ByteField("active_price_tier_or_state", 0),
    ]


@_server(CalendarServerCommand.PUBLISH_DAY_PROFILE)
class PublishDayProfile(Layer):
    """What the entries switch is said by the calendar type."""

    fields_desc: ClassVar[list[Any]] = [
        *_calendar(),
        ByteField("day_id", 0),
        ByteField("total_number_of_schedule_entries", 0),
        *_commands(),
        _calendar_type(),
        LayersToEnd("schedule_entries", DayScheduleEntry),
    ]


@_server(CalendarServerCommand.PUBLISH_WEEK_PROFILE)
class PublishWeekProfile(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_calendar(),
        ByteField("week_id", 0),
        ByteField("day_id_ref_monday", 0),
        ByteField("day_id_ref_tuesday", 0),
        ByteField("day_id_ref_wednesday", 0),
        ByteField("day_id_ref_thursday", 0),
        ByteField("day_id_ref_friday", 0),
        ByteField("day_id_ref_saturday", 0),
        ByteField("day_id_ref_sunday", 0),
    ]


class SeasonEntry(Layer):
    """From when a week profile holds."""

    fields_desc: ClassVar[list[Any]] = [*_date(), ByteField("week_id_ref", 0)]


@_server(CalendarServerCommand.PUBLISH_SEASONS)
class PublishSeasons(Layer):
    fields_desc: ClassVar[list[Any]] = [*_calendar(), *_commands(), LayersToEnd("seasons", SeasonEntry)]


class SpecialDayEntry(Layer):
    """A day that has a profile of its own."""

    fields_desc: ClassVar[list[Any]] = [*_date(), ByteField("day_id_ref", 0)]


@_server(CalendarServerCommand.PUBLISH_SPECIAL_DAYS)
class PublishSpecialDays(Layer):
    fields_desc: ClassVar[list[Any]] = [
        *_calendar(),
        LEIntField("start_time", 0),
        _calendar_type(),
        ByteField("total_number_of_special_days", 0),
        *_commands(),
        LayersToEnd("special_days", SpecialDayEntry),
    ]


@_server(CalendarServerCommand.CANCEL_CALENDAR)
class CancelCalendar(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("provider_id", 0),
        XLEIntField("issuer_calendar_id", 0),
        _calendar_type(),
    ]
