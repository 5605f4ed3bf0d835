"""The Messaging cluster 0x0703 (Smart Energy 07-5356, annex D.5): all commands of both directions."""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import BitEnumField, BitField, LEIntField, LEShortField, XByteField, XLEIntField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import string, trailing, trailing_string
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_command


class MessagingClientCommand(IntEnum):
    """Commands that the client sends."""

    GET_LAST_MESSAGE = 0x00
    MESSAGE_CONFIRMATION = 0x01
    GET_MESSAGE_CANCELLATION = 0x02


class MessagingServerCommand(IntEnum):
    """Commands that the server sends."""

    DISPLAY_MESSAGE = 0x00
    CANCEL_MESSAGE = 0x01
    DISPLAY_PROTECTED_MESSAGE = 0x02
    CANCEL_ALL_MESSAGES = 0x03


class Transmission(IntEnum):
    """How a message may be passed on."""

    NORMAL = 0
    NORMAL_AND_INTER_PAN = 1
    INTER_PAN = 2


class Importance(IntEnum):
    """How important a message is."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


def _message_control() -> list[Any]:
    return [
        BitField("confirmation", 0, 1),
        BitField("message_control_reserved_high", 0, 1),
        BitField("enhanced_confirmation", 0, 1),
        BitField("message_control_reserved_low", 0, 1),
        BitEnumField("importance", Importance.LOW, 2, Importance),
        BitEnumField("transmission", Transmission.NORMAL, 2, Transmission),
    ]


def _client(command: MessagingClientCommand) -> Any:
    return cluster_command(Cluster.MESSAGING, command, server_to_client=False)


def _server(command: MessagingServerCommand) -> Any:
    return cluster_command(Cluster.MESSAGING, command, server_to_client=True)


@_client(MessagingClientCommand.GET_LAST_MESSAGE)
class GetLastMessage(Layer):
    fields_desc: ClassVar[list[Any]] = []


@_client(MessagingClientCommand.MESSAGE_CONFIRMATION)
class MessageConfirmation(Layer):
    """The answer to the message came with version 1.2."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("message_id", 0),
        LEIntField("confirmation_time", 0),
        *trailing(XByteField("message_confirmation_control", None)),
        *trailing_string("message_response", behind="message_confirmation_control"),
    ]


@_client(MessagingClientCommand.GET_MESSAGE_CANCELLATION)
class GetMessageCancellation(Layer):
    fields_desc: ClassVar[list[Any]] = [LEIntField("earliest_implementation_time", 0)]


class _Message(Layer):
    """A start time of 0 is now; a duration of 0xFFFF minutes lasts until the message is changed.

    The last octet came with version 1.2.
    """

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("message_id", 0),
        *_message_control(),
        LEIntField("start_time", 0),
        LEShortField("duration_in_minutes", 0),
        *string("message"),
        *trailing(XByteField("extended_message_control", None)),
    ]


@_server(MessagingServerCommand.DISPLAY_MESSAGE)
class DisplayMessage(_Message):
    """For everyone's eyes."""


@_server(MessagingServerCommand.CANCEL_MESSAGE)
class CancelMessage(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEIntField("message_id", 0), *_message_control()]


@_server(MessagingServerCommand.DISPLAY_PROTECTED_MESSAGE)
class DisplayProtectedMessage(_Message):
    """To be shown behind a password."""


@_server(MessagingServerCommand.CANCEL_ALL_MESSAGES)
class CancelAllMessages(Layer):
    fields_desc: ClassVar[list[Any]] = [LEIntField("implementation_date_time", 0)]
