"""What GBCS messages say about firmware: the one place that knows in which part of which message that stands.

GBCS 11.2.6 (receipt alerts 00CE, 00CF), 11.5 (CS06 and its alert 00CA), the firmware transfer alert CCS08, the
activation alert CS09, the version reads ECS52, GCS38 and CS08, and the generic alerts 1000 and 1001 with a code about
firmware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import Final

import msgspec

from hanscope.analyzers.results import Carriage, Message, MessagePart
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs.codes import CraFlag

SECOND: Final = 1_000_000_000
CANCELS: Final = 9999
"""The year that cancels a future dated command (GBCS 3.4)."""


class Code(IntEnum):
    """Message codes of the use cases that speak about firmware."""

    ACTIVATE = 0x0012
    ECS52 = 0x0059
    GCS38 = 0x0084
    FUTURE_DATED = 0x00CA
    RECEIPT_ESME = 0x00CE
    RECEIPT_GSME = 0x00CF
    CCS08 = 0x0128
    CS08 = 0x0129
    CS09 = 0x012B
    CRITICAL_ALERT = 0x1000
    NON_CRITICAL_ALERT = 0x1001


class AlertCode(IntEnum):
    """Alert codes about firmware (GBCS 16)."""

    FAILED_AT_POWER_ON = 0x8F1B
    VERIFICATION_FAILED = 0x8F1C
    VERSION_CHANGED = 0x8F43
    CARRIED_OUT = 0x8F66
    NOT_CARRIED_OUT = 0x8F67
    VERIFICATION_SUCCESSFUL = 0x8F72
    TRANSFER_FAILED = 0x8F89
    TRANSFER_SUCCEEDED = 0x8F8A
    ACTIVATED = 0x8F8B


class Outcome(IntEnum):
    """activateImageResponseCode of CS06."""

    SUCCESS = 0
    NO_IMAGE_HELD = 1
    HASH_MISMATCH = 2
    ACTIVATION_FAILURE = 3

    @property
    def words(self) -> str:
        """As the ASN.1 of GBCS calls it."""
        head, *rest = self.name.lower().split("_")
        return head + "".join(word.capitalize() for word in rest)


class TransferResult(IntEnum):
    """firmwareTransferResponseCode of CCS08."""

    SUCCESS = 0
    IMAGE_DISCARDED = 1
    HARDWARE_VERSION_MISMATCH = 2
    TRANSFER_FAILURE = 3


class Kind(Enum):
    """What a message says."""

    RECEIPT = "receipt"
    """8F72, 8F1C."""
    ORDER = "order"
    """CS06 command."""
    ANSWER = "answer"
    """CS06 response."""
    DATED = "dated"
    """Alert 00CA: what came of a future dated CS06."""
    CARRIED = "carried"
    """CCS08: what came of a transfer."""
    ACTIVATED = "activated"
    """CS09."""
    ASKED = "asked"
    """Command of a version read."""
    VERSION = "version"
    """Its response."""
    CHANGED = "changed"
    """8F43, 8F1B in a generic alert."""

    @property
    def tells_of_update(self) -> bool:
        """Whether a device of which this is heard is being updated, or was lately; versions are read at any time."""
        return self not in (Kind.ASKED, Kind.VERSION)


class Reading(msgspec.Struct, frozen=True):
    """What one message says; `None`: it does not say that, or what says it is not in the capture."""

    kind: Kind
    message: Message
    way: Carriage
    device: str
    """EUI-64 of the device that it is about."""
    whole: bool
    """All of the message is in the capture."""
    sha256: str | None = None
    version: int | None = None
    counter: int | None = None
    """The originator counter of the command that it is, answers, or is about."""
    code: int | None = None
    """Alert code, outcome or result."""
    due: int | None = None
    cancels: bool = False

    @property
    def time(self) -> int:
        return self.way.ended

    @property
    def id(self) -> str:
        return self.message.id or ""

    @property
    def gas_meter(self) -> bool:
        """Whether it shows that its device is a gas meter."""
        code = self.message.message_code
        return self.way.gas_command is not None or code in (Code.RECEIPT_GSME, Code.GCS38)

    @property
    def mirrors_gas_meter(self) -> bool:
        """Whether it may tell what the gas proxy function knows of a gas meter."""
        return self.kind is Kind.VERSION and self.message.message_code == Code.GCS38


def part_of(part: MessagePart | None, *names: str) -> MessagePart | None:
    """The first part with one of these names, at any depth."""
    if part is None:
        return None
    if part.name in names:
        return part
    return next((found for inner in part.parts if (found := part_of(inner, *names)) is not None), None)


def number_of(part: MessagePart | None, *names: str) -> int | None:
    """The number that a part holds; of octets, the big-endian number they are."""
    found = part_of(part, *names)
    if found is None or found.problem is not None:
        return None
    match found.value:
        case bool():
            return None
        case int(number):
            return number
        case str(digits):
            try:
                return int.from_bytes(bytes.fromhex(digits), "big")
            except ValueError:
                return None
        case _:
            return None


def hash_of(part: MessagePart | None, *names: str) -> str | None:
    """The Manufacturer Image Hash that a part holds, as hexadecimal digits."""
    found = part_of(part, *names)
    value = None if found is None else found.value
    return value if isinstance(value, str) and len(value) == 64 else None


def readings(messages: tuple[Message, ...]) -> Iterator[Reading]:
    """What the messages of captures say about firmware, in their order."""
    for message in messages:
        way = message.carriage
        reader = _READERS.get(message.message_code or 0)
        if way is None or message.cra_flag is None or reader is None or (about := _device(message)) is None:
            continue
        reading = reader(message, way, about)
        if reading is not None:
            yield reading


def _device(message: Message) -> str | None:
    """The device that a message is about: the hub's CCS08 names it, else it is the business target or originator."""
    if message.message_code == Code.CCS08:
        named = number_of(message.payload, "deviceEntityIdentifier")
        return None if named is None or not 0 <= named < 1 << 64 else eui64_text(named)
    return message.target if message.cra_flag == CraFlag.COMMAND else message.originator


def _reading(kind: Kind, message: Message, way: Carriage, device: str, **said: object) -> Reading:
    whole = message.error is None and message.payload is not None
    return Reading(kind, message, way, device, whole, **said)  # pyright: ignore[reportArgumentType] -- its own fields


def _receipt(message: Message, way: Carriage, device: str) -> Reading | None:
    return _reading(
        Kind.RECEIPT,
        message,
        way,
        device,
        code=number_of(message.payload, "alert code", "alert_code"),
        sha256=hash_of(message.payload, "calculated manufacturer image hash", "manufacturer_image_hash"),
    )


def _activate(message: Message, way: Carriage, device: str) -> Reading | None:
    payload, counter = message.payload, message.originator_counter
    if message.cra_flag == CraFlag.COMMAND:
        due, cancels = _moment(part_of(payload, "executionDateTime"))
        sha256 = hash_of(payload, "manufacturerImageHash")
        return _reading(Kind.ORDER, message, way, device, sha256=sha256, counter=counter, due=due, cancels=cancels)
    return _reading(
        Kind.ANSWER,
        message,
        way,
        device,
        counter=counter,
        code=number_of(payload, "activateImageResponseCode"),
        version=number_of(payload, "firmwareVersion"),
    )


def _dated(message: Message, way: Carriage, device: str) -> Reading | None:
    payload = message.payload
    due, _ = _moment(part_of(payload, "executionDateTime"))
    return _reading(
        Kind.DATED,
        message,
        way,
        device,
        due=due,
        counter=number_of(payload, "originatorCounter"),
        code=number_of(payload, "activateImageResponseCode"),
        version=number_of(payload, "firmwareVersion"),
    )


def _carried(message: Message, way: Carriage, device: str) -> Reading | None:
    payload = message.payload
    code, version = number_of(payload, "firmwareTransferResponseCode"), number_of(payload, "firmwareVersion")
    return _reading(Kind.CARRIED, message, way, device, code=code, version=version)


def _activated(message: Message, way: Carriage, device: str) -> Reading | None:
    payload = message.payload
    code, version = number_of(payload, "activateImageResponseCode"), number_of(payload, "firmwareVersion")
    return _reading(Kind.ACTIVATED, message, way, device, code=code, version=version)


def _version(message: Message, way: Carriage, device: str) -> Reading | None:
    counter = message.originator_counter
    if message.cra_flag == CraFlag.COMMAND:
        return _reading(Kind.ASKED, message, way, device, counter=counter)
    version = _version_read(message)
    return _reading(Kind.VERSION, message, way, device, counter=counter, version=version)


_FIRMWARE_VERSION: Final = 0x0206
"""Attribute of the Metering cluster."""


def _version_read(message: Message) -> int | None:
    """The version that the response to a read holds; `None`: the read failed."""
    payload = message.payload
    if message.message_code == Code.ECS52:
        return number_of(payload, "firmware version")
    if message.message_code == Code.CS08:
        failed = number_of(payload, "readFirmwareVersionResponseCode") != 0
        return None if failed else number_of(payload, "firmwareVersion")
    attributes = part_of(payload, "attributes")
    for record in () if attributes is None else attributes.parts:
        if number_of(record, "attribute_id") == _FIRMWARE_VERSION:
            return number_of(record, "value")
    return None


def _generic(message: Message, way: Carriage, device: str) -> Reading | None:
    code = number_of(message.payload, "alert code", "alert_code")
    if code in (AlertCode.VERIFICATION_SUCCESSFUL, AlertCode.VERIFICATION_FAILED):
        return _receipt(message, way, device)
    if code in (AlertCode.VERSION_CHANGED, AlertCode.FAILED_AT_POWER_ON):
        return _reading(Kind.CHANGED, message, way, device, code=code)
    return None


def _moment(part: MessagePart | None) -> tuple[int | None, bool]:
    """A GeneralizedTime as Unix nanoseconds, and whether it cancels."""
    if part is None or not isinstance(part.value, str):
        return None, False
    try:
        when = datetime.strptime(part.value, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None, False
    if when.year == CANCELS:
        return None, True
    return int(when.timestamp()) * SECOND, False


_READERS: Final[dict[int, Callable[[Message, Carriage, str], Reading | None]]] = {
    Code.ACTIVATE: _activate,
    Code.ECS52: _version,
    Code.GCS38: _version,
    Code.CS08: _version,
    Code.FUTURE_DATED: _dated,
    Code.RECEIPT_ESME: _receipt,
    Code.RECEIPT_GSME: _receipt,
    Code.CCS08: _carried,
    Code.CS09: _activated,
    Code.CRITICAL_ALERT: _generic,
    Code.NON_CRITICAL_ALERT: _generic,
}
