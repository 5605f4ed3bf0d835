"""The Tunneling cluster 0x0704 (Smart Energy 07-5356, annex D.6): all commands of both directions.

In a GB HAN its tunnels carry GBCS messages. Transfer Data has no length of its own: the data is all that follows.
"""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import ByteEnumField, ByteField, LEShortField, XLEShortField

from hanscope.dissectors.codes import Cluster, TunnelProtocol
from hanscope.dissectors.fields import DerivedOctet, ListOf, Record, count_of, trailing
from hanscope.dissectors.layer import Layer, ToEnd
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class TunnelingAttribute(IntEnum):
    """Attributes of the server."""

    CLOSE_TUNNEL_TIMEOUT = 0x0000
    """Seconds."""


name_attributes(Cluster.TUNNELING, TunnelingAttribute, of_server=True)


class TunnelingClientCommand(IntEnum):
    """Commands that the client sends."""

    REQUEST_TUNNEL = 0x00
    CLOSE_TUNNEL = 0x01
    TRANSFER_DATA = 0x02
    TRANSFER_DATA_ERROR = 0x03
    ACK_TRANSFER_DATA = 0x04
    READY_DATA = 0x05
    GET_SUPPORTED_TUNNEL_PROTOCOLS = 0x06


class TunnelingServerCommand(IntEnum):
    """Commands that the server sends."""

    REQUEST_TUNNEL_RESPONSE = 0x00
    TRANSFER_DATA = 0x01
    TRANSFER_DATA_ERROR = 0x02
    ACK_TRANSFER_DATA = 0x03
    READY_DATA = 0x04
    SUPPORTED_TUNNEL_PROTOCOLS_RESPONSE = 0x05
    TUNNEL_CLOSURE_NOTIFICATION = 0x06


class TunnelStatus(IntEnum):
    """What became of a request for a tunnel."""

    SUCCESS = 0
    BUSY = 1
    NO_MORE_TUNNEL_IDS = 2
    PROTOCOL_NOT_SUPPORTED = 3
    FLOW_CONTROL_NOT_SUPPORTED = 4


class TransferDataStatus(IntEnum):
    """Why data was refused."""

    NO_SUCH_TUNNEL = 0
    WRONG_DEVICE = 1
    DATA_OVERFLOW = 2


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.REQUEST_TUNNEL, server_to_client=False)
class RequestTunnel(Layer):
    """The size came with version 1.1a."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("protocol_id", TunnelProtocol.GB_HRGP, TunnelProtocol),
        XLEShortField("manufacturer_code", 0xFFFF),
        ByteField("flow_control_support", 0),
        *trailing(LEShortField("maximum_incoming_transfer_size", None)),
    ]


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.CLOSE_TUNNEL, server_to_client=False)
class CloseTunnel(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEShortField("tunnel_id", 0)]


class _TransferData(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEShortField("tunnel_id", 0), ToEnd("transfer_data")]


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.TRANSFER_DATA, server_to_client=False)
class TransferDataClientToServer(_TransferData):
    """Sent by the client."""


class _TransferDataRefusal(Layer):
    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("tunnel_id", 0),
        ByteEnumField("transfer_data_status", TransferDataStatus.NO_SUCH_TUNNEL, TransferDataStatus),
    ]


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.TRANSFER_DATA_ERROR, server_to_client=False)
class TransferDataErrorClientToServer(_TransferDataRefusal):
    """Sent by the client."""


class _OctetsLeft(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEShortField("tunnel_id", 0), LEShortField("octets_left", 0)]


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.ACK_TRANSFER_DATA, server_to_client=False)
class AckTransferDataClientToServer(_OctetsLeft):
    """Sent by the client."""


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.READY_DATA, server_to_client=False)
class ReadyDataClientToServer(_OctetsLeft):
    """Sent by the client."""


@cluster_command(Cluster.TUNNELING, TunnelingClientCommand.GET_SUPPORTED_TUNNEL_PROTOCOLS, server_to_client=False)
class GetSupportedTunnelProtocols(Layer):
    fields_desc: ClassVar[list[Any]] = [ByteField("protocol_offset", 0)]


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.REQUEST_TUNNEL_RESPONSE, server_to_client=True)
class RequestTunnelResponse(Layer):
    """The tunnel identifier is 0xFFFF where there is no tunnel. The size came with version 1.1a."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("tunnel_id", 0),
        ByteEnumField("tunnel_status", TunnelStatus.SUCCESS, TunnelStatus),
        *trailing(LEShortField("maximum_incoming_transfer_size", None)),
    ]


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.TRANSFER_DATA, server_to_client=True)
class TransferDataServerToClient(_TransferData):
    """Sent by the server."""


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.TRANSFER_DATA_ERROR, server_to_client=True)
class TransferDataErrorServerToClient(_TransferDataRefusal):
    """Sent by the server."""


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.ACK_TRANSFER_DATA, server_to_client=True)
class AckTransferDataServerToClient(_OctetsLeft):
    """Sent by the server."""


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.READY_DATA, server_to_client=True)
class ReadyDataServerToClient(_OctetsLeft):
    """Sent by the server."""


class SupportedProtocol(Layer):
    """One protocol that a server supports."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("manufacturer_code", 0xFFFF),
        ByteEnumField("protocol_id", TunnelProtocol.GB_HRGP, TunnelProtocol),
    ]


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.SUPPORTED_TUNNEL_PROTOCOLS_RESPONSE, server_to_client=True)
class SupportedTunnelProtocolsResponse(Layer):
    fields_desc: ClassVar[list[Any]] = [
        ByteField("protocol_list_complete", 1),
        DerivedOctet("protocol_count", count_of("protocols")),
        ListOf("protocols", Record(SupportedProtocol, 3), lambda p: p.protocol_count),
    ]


@cluster_command(Cluster.TUNNELING, TunnelingServerCommand.TUNNEL_CLOSURE_NOTIFICATION, server_to_client=True)
class TunnelClosureNotification(Layer):
    fields_desc: ClassVar[list[Any]] = [XLEShortField("tunnel_id", 0)]
