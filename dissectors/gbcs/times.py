"""Times as GBCS writes them, for people to read."""

from calendar import day_name
from datetime import UTC, datetime, timedelta
from typing import Final

DATE_TIME_LENGTH: Final = 12
"""Octets: year (2), month, day, weekday, hour, minute, second, hundredths, deviation (2), clock status."""
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_UNSPECIFIED: Final = 0xFF
_IMMEDIATELY: Final = bytes(9)
_NEVER: Final = b"\xff" * 9
_CLOCK_STATUS: Final = (
    (0x01, "invalid"),
    (0x02, "doubtful"),
    (0x04, "different clock base"),
    (0x80, "daylight saving"),
)
_DAYS: Final = {0xFF: "*", 0xFE: "last", 0xFD: "second to last"}


def utc_text(seconds: int) -> str:
    """A ZigBee UTC time (seconds since 2000-01-01): "2030-01-15 09:00:00 UTC"."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"


def is_date(octets: bytes) -> bool:
    """Whether 5 octets can be a DLMS date."""
    if len(octets) != 5:
        return False
    year, month, day, weekday = int.from_bytes(octets[:2], "big"), *octets[2:]
    return (
        (2000 <= year < 2200 or year == 0xFFFF)
        and (1 <= month <= 12 or month >= 0xFD)
        and (1 <= day <= 31 or day >= 0xFD)
        and (1 <= weekday <= 7 or weekday == _UNSPECIFIED)
    )


def is_time(octets: bytes) -> bool:
    """Whether 4 octets can be a DLMS time."""
    return len(octets) == 4 and all(
        octet < limit or octet == _UNSPECIFIED for octet, limit in zip(octets, (24, 60, 60, 100), strict=True)
    )


def is_date_time(octets: bytes) -> bool:
    """Whether 12 octets can be a DLMS date-time, "immediately" and "never" among them."""
    if len(octets) != DATE_TIME_LENGTH:
        return False
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    sound = -720 <= deviation <= 840 or deviation == -0x8000
    return sound and (octets[:9] in (_IMMEDIATELY, _NEVER) or (is_date(octets[:5]) and is_time(octets[5:9])))


def date_text(octets: bytes) -> str:
    """A DLMS date (5 octets): "2030-01-15", with `*` for what is left open."""
    year = int.from_bytes(octets[:2], "big")
    month, day, weekday = octets[2:5]
    parts = [
        "*" if year == 0xFFFF else f"{year:04}",
        {0xFF: "*", 0xFE: "DST begins", 0xFD: "DST ends"}.get(month, f"{month:02}"),
        _DAYS.get(day, f"{day:02}"),
    ]
    named = f" {day_name[weekday - 1]}" if 1 <= weekday <= 7 else ""
    return "-".join(parts) + named


def time_text(octets: bytes) -> str:
    """A DLMS time (4 octets): "09:00:00", with `*` for what is left open."""
    text = ":".join("*" if octet == _UNSPECIFIED else f"{octet:02}" for octet in octets[:3])
    hundredths = octets[3]
    return text if hundredths in (0, _UNSPECIFIED) else f"{text}.{hundredths:02}"


def date_time_text(octets: bytes) -> str:
    """A DLMS date-time (12 octets): "2030-01-15 09:00:00".

    As the time at which something is to be carried out, zeros mean immediately and FF everywhere means never.
    """
    if octets[:9] == _IMMEDIATELY:
        return "immediately (no date)"
    if octets[:9] == _NEVER:
        return "never (cancelled)"
    text = f"{date_text(octets)} {time_text(octets[5:])}"
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    if deviation != -0x8000:
        text += f" UTC{-deviation:+} min"
    status = octets[11]
    if status not in (0, _UNSPECIFIED):
        text += f" (clock status {status:02X}: {_status_text(status)})"
    return text


def _status_text(status: int) -> str:
    names = [name for bit, name in _CLOCK_STATUS if status & bit]
    return ", ".join(names) or "bits without a known meaning"
