"""The kinds of frames that simulated nodes send. Each is built once, by the Scapy layers that dissect it."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache, reduce
from typing import Final

from scapy.packet import Packet

from hanscope.captures.simulator.han import Node
from hanscope.captures.simulator.render import Specimen
from hanscope.captures.simulator.specimen import specimen
from hanscope.dissectors.codes import Cluster, Profile, Status, ZdpCluster
from hanscope.dissectors.crypto.mmo import key_load_key, key_transport_key
from hanscope.dissectors.ieee802154 import (
    AssociationRequest,
    AssociationResponse,
    BeaconPayload,
    Mac,
    MacBeacon,
    MacCommand,
    MacCommandIdentifier,
    MacFrameType,
)
from hanscope.dissectors.zigbee.aps import (
    Aps,
    ApsCommand,
    ApsFrameType,
    DeliveryMode,
    Fragment,
    Fragmentation,
    KeyType,
    RequestKey,
    SwitchKey,
    TransportKey,
)
from hanscope.dissectors.zigbee.clusters.price import PublishPrice
from hanscope.dissectors.zigbee.clusters.sub_ghz import SuspendZclMessages
from hanscope.dissectors.zigbee.clusters.tunneling import (
    CloseTunnel,
    RequestTunnel,
    RequestTunnelResponse,
    TransferDataClientToServer,
    TransferDataServerToClient,
)
from hanscope.dissectors.zigbee.nwk import (
    DiscoverRoute,
    LinkStatus,
    LinkStatusEntry,
    Nwk,
    NwkCommand,
    NwkFrameType,
    RouteRecord,
    ZigbeeBeacon,
)
from hanscope.dissectors.zigbee.ota import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
)
from hanscope.dissectors.zigbee.security import ApsSecurity, KeyIdentifier, NwkSecurity
from hanscope.dissectors.zigbee.values import DataType
from hanscope.dissectors.zigbee.zcl import DefaultResponse, ReportAttributes, Zcl
from hanscope.dissectors.zigbee.zdp import DeviceAnnounce, Zdp

WELL_KNOWN_KEY: Final = b"ZigBeeAlliance09"
"""The default trust centre link key."""
ROUTERS_ONLY: Final = 0xFFFC
RECEIVERS_ON: Final = 0xFFFD
EVERYBODY: Final = 0xFFFF
SUMMATION_HEAD: Final = bytes([0x00, 0x00, DataType.UINT48])
"""CurrentSummationDelivered (Smart Energy D.3.2.2.1.1) and its type, as they stand in a report before the value."""


class Security(Enum):
    """How application traffic with a device is protected beside the network key."""

    NETWORK = "network key only"
    LINK = "link key"
    LINK_EXTENDED = "link key, extended nonce"


def security_of(node: Node) -> Security:
    """How traffic between this device and the hub is protected."""
    if node.link_key is None:
        return Security.NETWORK
    return Security.LINK_EXTENDED if node.extended_nonce else Security.LINK


@dataclass(frozen=True, eq=False)
class Kind:
    """Frames that differ only in the values of their fields."""

    name: str
    packet: Packet
    """The specimen, in plain."""
    aps_ack: "Kind | None" = None
    """What acknowledges it at the APS layer."""
    aps_key: bytes | None = None
    """What APS secures it with, if not the device's link key."""
    fixed: frozenset[str] = frozenset()
    """Slots that keep the specimen's value, although the network knows one."""
    relayed: bool = False
    """A broadcast that every router repeats."""
    continues: bool = False
    """A later APS fragment: it has the APS counter of the first one, which it `answers`."""

    @cached_property
    def specimen(self) -> Specimen:
        return specimen(self.packet)

    def slot(self, name: str) -> str:
        """The slot of the innermost layer that has a field of this name."""
        found = [slot for slot in self.specimen.slots if slot.endswith(f".{name}")]
        if not found:
            raise KeyError(f"{self.name} has no field {name}")
        return found[-1]

    def __len__(self) -> int:
        """Octets, with MICs and FCS."""
        return len(self.specimen)

    def mac_ack(self) -> bool:
        return bool(self.packet.ack_request)

    def has_nwk(self) -> bool:
        return "Nwk.sequence_number" in self.specimen.slots

    def has_zcl(self) -> bool:
        """It has a sequence number above APS."""
        return any(name.endswith(".transaction_sequence_number") for name in self.specimen.slots)

    def secures_nwk(self) -> bool:
        return self.specimen.nwk is not None

    def secures_aps(self) -> bool:
        return self.specimen.aps is not None

    def acknowledges(self) -> bool:
        """It is an APS acknowledgement."""
        aps = self.packet.getlayer(Aps)
        return aps is not None and aps.frame_type == ApsFrameType.ACKNOWLEDGEMENT

    def counts_aps(self) -> bool:
        """It takes the next APS counter."""
        return "Aps.counter" in self.specimen.slots and not self.acknowledges() and not self.continues


# -- MAC ---------------------------------------------------------------------------------------------------------------

ACK: Final = Kind("MAC acknowledgement", Mac(frame_type=MacFrameType.ACKNOWLEDGEMENT))


def _unicast() -> Packet:
    return Mac(pan_id_compression=1, ack_request=1, destination_pan_id=0, destination_short=0, source_short=0)


def _broadcast() -> Packet:
    return Mac(pan_id_compression=1, destination_pan_id=0, destination_short=EVERYBODY, source_short=0)


POLL: Final = Kind("data request", _unicast() / MacCommand(command_identifier=MacCommandIdentifier.DATA_REQUEST))
BEACON_REQUEST: Final = Kind(
    "beacon request",
    Mac(destination_pan_id=EVERYBODY, destination_short=EVERYBODY)
    / MacCommand(command_identifier=MacCommandIdentifier.BEACON_REQUEST),
    fixed=frozenset({"Mac.destination_pan_id"}),
)
BEACON: Final = Kind(
    "beacon",
    Mac(source_pan_id=0, source_short=0)
    / MacBeacon(pan_coordinator=1)
    / BeaconPayload()
    / ZigbeeBeacon(end_device_capacity=1, router_capacity=1),
)
ASSOCIATION_REQUEST: Final = Kind(
    "association request",
    Mac(ack_request=1, destination_pan_id=0, destination_short=0, source_pan_id=EVERYBODY, source_extended=0)
    / MacCommand()
    / AssociationRequest(allocate_address=1, receiver_on_when_idle=1, mains_powered=1),
    fixed=frozenset({"Mac.source_pan_id"}),
)
ASSOCIATION_RESPONSE: Final = Kind(
    "association response",
    Mac(pan_id_compression=1, ack_request=1, destination_pan_id=0, destination_extended=0, source_extended=0)
    / MacCommand()
    / AssociationResponse(),
)
ASSOCIATION_POLL: Final = Kind(
    "data request of a device without address",
    Mac(pan_id_compression=1, ack_request=1, destination_pan_id=0, destination_short=0, source_extended=0)
    / MacCommand(command_identifier=MacCommandIdentifier.DATA_REQUEST),
)


# -- NWK ---------------------------------------------------------------------------------------------------------------


def _nwk_security() -> Packet:
    return NwkSecurity(source_eui64=0, key_sequence_number=0)


@lru_cache
def link_status(neighbours: tuple[int, ...]) -> Kind:
    """A router's Link Status about these short addresses."""
    entries = [LinkStatusEntry(network_address=short, outgoing_cost=1, incoming_cost=1) for short in neighbours]
    return Kind(
        "link status",
        _broadcast()
        / Nwk(frame_type=NwkFrameType.COMMAND, destination=ROUTERS_ONLY, radius=1, source_eui64=0)
        / _nwk_security()
        / NwkCommand()
        / LinkStatus(entries=entries),
        fixed=frozenset({"Nwk.destination", "Nwk.radius"}),
    )


@lru_cache
def route_record(relays: tuple[int, ...]) -> Kind:
    """How a frame to the hub came there."""
    return Kind(
        "route record",
        _unicast() / Nwk(source_eui64=0) / _nwk_security() / NwkCommand() / RouteRecord(relays=list(relays)),
    )


# -- APS ---------------------------------------------------------------------------------------------------------------


def _aps_security(security: Security) -> Packet | None:
    if security is Security.NETWORK:
        return None
    return ApsSecurity(source_eui64=0 if security is Security.LINK_EXTENDED else None)


def _stacked(*layers: Packet | None) -> Packet:
    return reduce(Packet.__truediv__, (layer for layer in layers if layer is not None))


def _to_hub_or_device() -> Packet:
    return _unicast() / Nwk(discover_route=DiscoverRoute.ENABLE) / _nwk_security()


@lru_cache
def aps_ack(security: Security, cluster: int, profile: int) -> Kind:
    """The acknowledgement of data; secured exactly if the data were."""
    header = Aps(frame_type=ApsFrameType.ACKNOWLEDGEMENT, cluster=cluster, profile=profile)
    return Kind("APS acknowledgement", _stacked(_to_hub_or_device(), header, _aps_security(security)))


def _data(
    name: str,
    security: Security,
    cluster: int,
    content: Packet,
    *,
    acked: bool = True,
    profile: int = Profile.SMART_ENERGY,
) -> Kind:
    """Application data between the hub and a device."""
    header = Aps(frame_type=ApsFrameType.DATA, ack_request=int(acked), cluster=cluster, profile=profile)
    return Kind(
        name,
        _stacked(_to_hub_or_device(), header, _aps_security(security), content),
        aps_ack=aps_ack(security, cluster, profile) if acked else None,
    )


def _command(name: str, security: Packet | None, content: Packet, key: bytes, *, network: bool) -> Kind:
    header = Aps(frame_type=ApsFrameType.COMMAND)
    lower = _to_hub_or_device() if network else _unicast() / Nwk()
    return Kind(name, _stacked(lower, header, security, ApsCommand(), content), aps_key=key)


TRANSPORT_NETWORK_KEY: Final = _command(
    "transport key (network)",
    ApsSecurity(key_identifier=KeyIdentifier.KEY_TRANSPORT, source_eui64=0),
    TransportKey(key_type=KeyType.STANDARD_NETWORK, key=bytes(16)),
    key_transport_key(WELL_KNOWN_KEY),
    network=False,
)
REQUEST_KEY: Final = _command("request key", ApsSecurity(source_eui64=0), RequestKey(), WELL_KNOWN_KEY, network=True)
TRANSPORT_LINK_KEY: Final = _command(
    "transport key (link)",
    ApsSecurity(key_identifier=KeyIdentifier.KEY_LOAD, source_eui64=0),
    TransportKey(key_type=KeyType.TRUST_CENTER_LINK, key=bytes(16)),
    key_load_key(WELL_KNOWN_KEY),
    network=True,
)


@lru_cache
def transport_later_key(link_key: bytes) -> Kind:
    """A new network key for the device that has this link key."""
    return _command(
        "transport key (new network key)",
        ApsSecurity(key_identifier=KeyIdentifier.KEY_TRANSPORT, source_eui64=0),
        TransportKey(key_type=KeyType.STANDARD_NETWORK, key=bytes(16)),
        key_transport_key(link_key),
        network=True,
    )


SWITCH_KEY: Final = Kind(
    "switch key",
    _broadcast()
    / Nwk(destination=RECEIVERS_ON)
    / _nwk_security()
    / Aps(frame_type=ApsFrameType.COMMAND, delivery_mode=DeliveryMode.BROADCAST)
    / ApsCommand()
    / SwitchKey(),
    fixed=frozenset({"Nwk.destination"}),
    relayed=True,
)


# -- above APS ---------------------------------------------------------------------------------------------------------

DEVICE_ANNOUNCE: Final = Kind(
    "device announce",
    _broadcast()
    / Nwk(destination=RECEIVERS_ON)
    / _nwk_security()
    / Aps(
        frame_type=ApsFrameType.DATA,
        delivery_mode=DeliveryMode.BROADCAST,
        destination_endpoint=0,
        cluster=ZdpCluster.DEVICE_ANNOUNCE,
        profile=Profile.ZIGBEE_DEVICE,
        source_endpoint=0,
    )
    / Zdp()
    / DeviceAnnounce(allocate_address=1),
    fixed=frozenset({"Nwk.destination"}),
    relayed=True,
)


def _ota(name: str, security: Security, command: Packet, *, acked: bool = True) -> Kind:
    from_server = isinstance(command, ImageNotify | QueryNextImageResponse | ImageBlockResponse | UpgradeEndResponse)
    header = Zcl(disable_default_response=int(from_server), server_to_client=int(from_server))
    return _data(name, security, Cluster.OTA_UPGRADE, header / command, acked=acked)


@lru_cache
def image_notify(security: Security) -> Kind:
    return _ota("image notify", security, ImageNotify(manufacturer_code=0, image_type=0, file_version=0))


@lru_cache
def bare_notify(security: Security) -> Kind:
    """An Image Notify as a single device should get it: it names no image (ZCL 11.13.3)."""
    return _ota("image notify", security, ImageNotify())


@lru_cache
def query_next_image_request(security: Security) -> Kind:
    return _ota("query next image request", security, QueryNextImageRequest(hardware_version=1))


@lru_cache
def query_next_image_response(security: Security) -> Kind:
    return _ota("query next image response", security, QueryNextImageResponse())


@lru_cache
def no_image_available(security: Security) -> Kind:
    return _ota("query next image response: none", security, QueryNextImageResponse(status=Status.NO_IMAGE_AVAILABLE))


@lru_cache
def image_block_request(security: Security) -> Kind:
    return _ota("image block request", security, ImageBlockRequest())


@lru_cache
def image_page_request(security: Security) -> Kind:
    return _ota("image page request", security, ImagePageRequest())


@lru_cache
def image_block_response(security: Security, size: int, *, acked: bool = True) -> Kind:
    return _ota("image block response", security, ImageBlockResponse(image_data=bytes(size)), acked=acked)


@lru_cache
def wait_for_data(security: Security) -> Kind:
    command = ImageBlockResponse(status=Status.WAIT_FOR_DATA, minimum_block_period=0)
    return _ota("image block response: wait", security, command)


@lru_cache
def abort(security: Security) -> Kind:
    return _ota("image block response: abort", security, ImageBlockResponse(status=Status.ABORT))


@lru_cache
def upgrade_end_request(security: Security) -> Kind:
    return _ota("upgrade end request", security, UpgradeEndRequest(manufacturer_code=0))


@lru_cache
def upgrade_end_response(security: Security) -> Kind:
    return _ota("upgrade end response", security, UpgradeEndResponse())


@lru_cache
def default_response(security: Security, cluster: int, *, from_server: bool = False) -> Kind:
    header = Zcl(disable_default_response=1, server_to_client=int(from_server))
    return _data("default response", security, cluster, header / DefaultResponse())


@lru_cache
def suspend(security: Security) -> Kind:
    """The hub suspends ZCL traffic in a sub-GHz band, or lets it go on (period 0)."""
    content = Zcl(disable_default_response=1, server_to_client=1) / SuspendZclMessages()
    return _data("suspend ZCL messages", security, Cluster.SUB_GHZ, content)


@lru_cache
def metering_report(security: Security) -> Kind:
    """A meter's CurrentSummationDelivered: `SUMMATION_HEAD` and six octets."""
    content = Zcl(disable_default_response=1, server_to_client=1) / ReportAttributes(
        attributes=SUMMATION_HEAD + bytes(6)
    )
    return _data("report attributes", security, Cluster.METERING, content)


@lru_cache
def publish_price(security: Security) -> Kind:
    """One tier in pence, for half an hour from now."""
    content = Zcl(disable_default_response=1, server_to_client=1) / PublishPrice(
        provider_id=1,
        rate_label=b"demo",
        issuer_event_id=1,
        currency=826,
        price_trailing_digit=5,
        price_tier=1,
        number_of_price_tiers=1,
        duration_in_minutes=30,
        price=28_430,
    )
    return _data("publish price", security, Cluster.PRICE, content)


# Tunnels.

LARGEST_TRANSFER: Final = 1500
"""Octets of data that both ends of a tunnel take at once (GBCS 10.2.2)."""


def _tunneling(name: str, security: Security, command: Packet, *, from_server: bool) -> Kind:
    header = Zcl(disable_default_response=1, server_to_client=int(from_server))
    return _data(name, security, Cluster.TUNNELING, header / command)


@lru_cache
def request_tunnel(security: Security) -> Kind:
    command = RequestTunnel(maximum_incoming_transfer_size=LARGEST_TRANSFER)
    return _tunneling("request tunnel", security, command, from_server=False)


@lru_cache
def request_tunnel_response(security: Security) -> Kind:
    command = RequestTunnelResponse(maximum_incoming_transfer_size=LARGEST_TRANSFER)
    return _tunneling("request tunnel response", security, command, from_server=True)


@lru_cache
def close_tunnel(security: Security) -> Kind:
    return _tunneling("close tunnel", security, CloseTunnel(), from_server=False)


@lru_cache
def transfer_data(security: Security, size: int, *, from_server: bool) -> Kind:
    """Data that need no fragments."""
    layer = TransferDataServerToClient if from_server else TransferDataClientToServer
    return _tunneling("transfer data", security, layer(transfer_data=bytes(size)), from_server=from_server)


@lru_cache
def fragment(security: Security, size: int, *, first: bool) -> Kind:
    """An APS fragment of tunneling, with so many octets of the message; windows are of one fragment."""
    step = Fragmentation.FIRST if first else Fragmentation.LATER
    header = Aps(
        frame_type=ApsFrameType.DATA,
        ack_request=1,
        cluster=Cluster.TUNNELING,
        profile=Profile.SMART_ENERGY,
        fragmentation=step,
        block_number=0,
    )
    return Kind(
        "fragment",
        _stacked(_to_hub_or_device(), header, _aps_security(security), Fragment(octets=bytes(size))),
        aps_ack=_fragment_ack(security, step),
        continues=not first,
    )


@lru_cache
def _fragment_ack(security: Security, step: Fragmentation) -> Kind:
    header = Aps(
        frame_type=ApsFrameType.ACKNOWLEDGEMENT,
        cluster=Cluster.TUNNELING,
        profile=Profile.SMART_ENERGY,
        fragmentation=step,
        block_number=0,
        ack_bitfield=0xFF,
    )
    return Kind("APS acknowledgement of a fragment", _stacked(_to_hub_or_device(), header, _aps_security(security)))
