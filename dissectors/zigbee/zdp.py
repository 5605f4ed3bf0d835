"""The ZigBee Device Profile (05-3474, 2.4): who has which address. Other commands stay `Undissected`.

Own layers, because Scapy's know 2 of about 60 commands (fault Z1) and cannot be read without an APS header (Z2).
"""

from typing import Any, ClassVar, Final

from scapy.fields import ByteEnumField, ByteField, XLEShortField
from scapy.packet import Packet

from hanscope.dissectors.fields import EUI64Field, ListOf, capability_information, cluster_of
from hanscope.dissectors.layer import IfRoom, Layer, Undissected, When
from hanscope.dissectors.zigbee.codes import ZdpCluster, ZdpStatus


class DeviceAnnounce(Layer):
    """Device_annce, 2.4.3.1.11."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("nwk_address", 0),
        EUI64Field("ieee_address", 0),
        *capability_information(),
    ]


class NwkAddressRequest(Layer):
    """NWK_addr_req, 2.4.3.1.1; request type 0 asks for one device, 1 for its children as well."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("ieee_address", 0),
        ByteField("request_type", 0),
        ByteField("start_index", 0),
    ]


class IeeeAddressRequest(Layer):
    """IEEE_addr_req, 2.4.3.1.2."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("nwk_address", 0),
        ByteField("request_type", 0),
        ByteField("start_index", 0),
    ]


class AddressResponse(Layer):
    """What both address responses look like (2.4.4.2.1); the list of children only answers an extended request."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", ZdpStatus.SUCCESS, ZdpStatus),
        EUI64Field("ieee_address", 0),
        XLEShortField("nwk_address", 0),
        IfRoom(ByteField("associated_device_count", None)),
        When(ByteField("start_index", 0), lambda p: p.associated_device_count),
        When(
            ListOf("associated_devices", XLEShortField("nwk_address", 0), lambda p: p.associated_device_count),
            lambda p: p.associated_device_count,
        ),
    ]


class NwkAddressResponse(AddressResponse):
    """NWK_addr_rsp."""


class IeeeAddressResponse(AddressResponse):
    """IEEE_addr_rsp."""


ZDP_COMMANDS: Final[dict[int, type[Layer]]] = {
    ZdpCluster.NWK_ADDRESS_REQUEST: NwkAddressRequest,
    ZdpCluster.IEEE_ADDRESS_REQUEST: IeeeAddressRequest,
    ZdpCluster.DEVICE_ANNOUNCE: DeviceAnnounce,
    ZdpCluster.NWK_ADDRESS_RESPONSE: NwkAddressResponse,
    ZdpCluster.IEEE_ADDRESS_RESPONSE: IeeeAddressResponse,
}


class Zdp(Layer):
    """The header of every ZDP frame; which command follows is said by the APS header's cluster."""

    fields_desc: ClassVar[list[Any]] = [ByteField("transaction_sequence_number", 0)]

    def payload_class(self) -> type[Packet]:
        return ZDP_COMMANDS.get(cluster_of(self), Undissected)
