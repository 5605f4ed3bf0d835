"""The MDU Pairing cluster 0x070A (Smart Energy 07-5356): who shares a hub in a house of many dwellings."""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import ByteField, LEIntField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.eui64 import eui64, eui64_text
from hanscope.dissectors.fields import EUI64Field, RecordsToEnd
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.values import take_integer
from hanscope.dissectors.zigbee.zcl import cluster_command


class MduPairingClientCommand(IntEnum):
    """Commands that the client sends."""

    PAIRING_REQUEST = 0x00


class MduPairingServerCommand(IntEnum):
    """Commands that the server sends."""

    PAIRING_RESPONSE = 0x00


def _unpack_eui64(octets: bytes) -> tuple[str, bytes]:
    number, rest = take_integer(octets, 8, "EUI-64")
    return eui64_text(number), rest


@cluster_command(Cluster.MDU_PAIRING, MduPairingClientCommand.PAIRING_REQUEST, server_to_client=False)
class PairingRequest(Layer):
    fields_desc: ClassVar[list[Any]] = [
        LEIntField("local_pairing_information_version", 0),
        EUI64Field("eui64_of_requesting_device", 0),
    ]


@cluster_command(Cluster.MDU_PAIRING, MduPairingServerCommand.PAIRING_RESPONSE, server_to_client=True)
class PairingResponse(Layer):
    """The total is that of all commands together."""

    fields_desc: ClassVar[list[Any]] = [
        LEIntField("pairing_information_version", 0),
        ByteField("total_number_of_devices", 0),
        ByteField("command_index", 0),
        ByteField("total_number_of_commands", 1),
        RecordsToEnd("eui64s", _unpack_eui64, lambda text: eui64(text).to_bytes(8, "little")),
    ]
