"""The ZigBee Device Profile (05-3474, 2.4): who has which address, what it can do, and how a network is managed.

Own layers, because Scapy's know 2 of about 60 commands (fault Z1) and cannot be read without an APS header (Z2).
"""

from enum import IntEnum
from typing import Any, ClassVar, Final

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    LEShortField,
    XLEIntField,
    XLEShortField,
)
from scapy.packet import Packet

from hanscope.dissectors.codes import Cluster, Profile, ZdpCluster, ZdpStatus
from hanscope.dissectors.fields import (
    DerivedOctet,
    EUI64Field,
    LayersToEnd,
    LECodeField,
    ListOf,
    Record,
    capability_information,
    cluster_of,
    count_of,
    records_in,
)
from hanscope.dissectors.layer import IfRoom, Layer, Undissected, When


def _succeeded(layer: Any) -> bool:
    return layer.status == ZdpStatus.SUCCESS


def _status() -> Any:
    return ByteEnumField("status", ZdpStatus.SUCCESS, ZdpStatus)


class DeviceAnnounce(Layer):
    """Device_annce, 2.4.3.1.11."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("nwk_address", 0),
        EUI64Field("ieee_address", 0),
        *capability_information(),
    ]


class ParentAnnounce(Layer):
    """Parent_annce, 2.4.3.1.12: the children that a router believes to be its own."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctet("number_of_children", count_of("children")),
        ListOf("children", EUI64Field("child", 0), lambda p: p.number_of_children),
    ]


class ParentAnnounceResponse(Layer):
    """Parent_annce_rsp: those of them that another router has."""

    fields_desc: ClassVar[list[Any]] = [_status(), *ParentAnnounce.fields_desc]


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
        _status(),
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


class _OfInterest(Layer):
    """The device that the request is about, which is not always the one that answers."""

    fields_desc: ClassVar[list[Any]] = [XLEShortField("nwk_address_of_interest", 0)]


class NodeDescriptorRequest(_OfInterest):
    """Node_Desc_req, 2.4.3.1.3."""


class PowerDescriptorRequest(_OfInterest):
    """Power_Desc_req, 2.4.3.1.4."""


class SimpleDescriptorRequest(Layer):
    """Simple_Desc_req, 2.4.3.1.5."""

    fields_desc: ClassVar[list[Any]] = [XLEShortField("nwk_address_of_interest", 0), ByteField("endpoint", 1)]


class ActiveEndpointsRequest(_OfInterest):
    """Active_EP_req, 2.4.3.1.6."""


def _clusters(condition: Any = None) -> list[Any]:
    """Input and output clusters, each list with its count."""
    fields = [
        DerivedOctet("input_cluster_count", count_of("input_clusters")),
        ListOf("input_clusters", LECodeField("cluster", 0, Cluster), lambda p: p.input_cluster_count),
        DerivedOctet("output_cluster_count", count_of("output_clusters")),
        ListOf("output_clusters", LECodeField("cluster", 0, Cluster), lambda p: p.output_cluster_count),
    ]
    return fields if condition is None else [When(fld, condition) for fld in fields]


class MatchDescriptorRequest(Layer):
    """Match_Desc_req, 2.4.3.1.7."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("nwk_address_of_interest", 0xFFFD),
        LECodeField("profile", Profile.SMART_ENERGY, Profile),
        *_clusters(),
    ]


class LogicalType(IntEnum):
    """What a node is in its network (2.3.2.3.1)."""

    COORDINATOR = 0
    ROUTER = 1
    END_DEVICE = 2


def _server_mask() -> list[Any]:
    """What a node serves its network as (2.3.2.3.10), low octet first."""
    return [
        BitField("server_mask_reserved_low", 0, 1),
        BitField("network_manager", 0, 1),
        BitField("backup_discovery_cache", 0, 1),
        BitField("primary_discovery_cache", 0, 1),
        BitField("backup_binding_table_cache", 0, 1),
        BitField("primary_binding_table_cache", 0, 1),
        BitField("backup_trust_center", 0, 1),
        BitField("primary_trust_center", 0, 1),
        BitField("stack_compliance_revision", 0, 7),
        BitField("server_mask_reserved_high", 0, 1),
    ]


class NodeDescriptorResponse(Layer):
    """Node_Desc_rsp, 2.4.4.2.3."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        XLEShortField("nwk_address_of_interest", 0),
        *(
            When(fld, _succeeded)
            for fld in (
                BitField("logical_type_reserved", 0, 3),
                BitField("user_descriptor_available", 0, 1),
                BitField("complex_descriptor_available", 0, 1),
                BitEnumField("logical_type", LogicalType.ROUTER, 3, LogicalType),
                BitField("frequency_band", 0b01000, 5),
                BitField("aps_flags", 0, 3),
                *capability_information(),
                XLEShortField("manufacturer_code", 0),
                ByteField("maximum_buffer_size", 0),
                LEShortField("maximum_incoming_transfer_size", 0),
                *_server_mask(),
                LEShortField("maximum_outgoing_transfer_size", 0),
                BitField("descriptor_capability_reserved", 0, 6),
                BitField("extended_simple_descriptor_list_available", 0, 1),
                BitField("extended_active_endpoint_list_available", 0, 1),
            )
        ),
    ]


class PowerDescriptorResponse(Layer):
    """Power_Desc_rsp, 2.4.4.2.4; of the sources each bit is one: mains, rechargeable, disposable battery."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        XLEShortField("nwk_address_of_interest", 0),
        When(BitField("available_power_sources", 0, 4), _succeeded),
        When(BitField("current_power_mode", 0, 4), _succeeded),
        When(BitField("current_power_source_level", 0, 4), _succeeded),
        When(BitField("current_power_source", 0, 4), _succeeded),
    ]


def _described(layer: Any) -> bool:
    return bool(layer.length)


def _length_of_descriptor(layer: Any) -> int:
    if layer.status != ZdpStatus.SUCCESS:
        return 0
    return 8 + 2 * (len(layer.getfieldval("input_clusters")) + len(layer.getfieldval("output_clusters")))


class SimpleDescriptorResponse(Layer):
    """Simple_Desc_rsp, 2.4.4.2.5; a length of 0 says that there is no descriptor."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        XLEShortField("nwk_address_of_interest", 0),
        DerivedOctet("length", _length_of_descriptor),
        When(ByteField("endpoint", 1), _described),
        When(LECodeField("profile", Profile.SMART_ENERGY, Profile), _described),
        When(XLEShortField("device_identifier", 0), _described),
        When(BitField("device_version_reserved", 0, 4), _described),
        When(BitField("device_version", 0, 4), _described),
        *_clusters(_described),
    ]


class _Endpoints(Layer):
    fields_desc: ClassVar[list[Any]] = [
        _status(),
        XLEShortField("nwk_address_of_interest", 0),
        DerivedOctet("endpoint_count", count_of("endpoints")),
        ListOf("endpoints", ByteField("endpoint", 0), lambda p: p.endpoint_count),
    ]


class ActiveEndpointsResponse(_Endpoints):
    """Active_EP_rsp, 2.4.4.2.6."""


class MatchDescriptorResponse(_Endpoints):
    """Match_Desc_rsp, 2.4.4.2.7."""


class SystemServerDiscoveryRequest(Layer):
    """System_Server_Discovery_req, 2.4.3.1.13."""

    fields_desc: ClassVar[list[Any]] = _server_mask()


class SystemServerDiscoveryResponse(Layer):
    """System_Server_Discovery_rsp, 2.4.4.2.10."""

    fields_desc: ClassVar[list[Any]] = [_status(), *_server_mask()]


class EndDeviceBindRequest(Layer):
    """End_Device_Bind_req, 2.4.3.2.1."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("binding_target", 0),
        EUI64Field("source_ieee_address", 0),
        ByteField("source_endpoint", 1),
        LECodeField("profile", Profile.SMART_ENERGY, Profile),
        *_clusters(),
    ]


class AddressMode(IntEnum):
    """How the destination of a binding is given (2.4.3.2.2)."""

    GROUP = 1
    EUI64_AND_ENDPOINT = 3


class Binding(Layer):
    """What is bound to what: in requests, and as an entry of the binding table."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("source_ieee_address", 0),
        ByteField("source_endpoint", 1),
        LECodeField("cluster", 0, Cluster),
        ByteEnumField("destination_address_mode", AddressMode.EUI64_AND_ENDPOINT, AddressMode),
        When(
            XLEShortField("destination_group", 0),
            lambda p: p.destination_address_mode == AddressMode.GROUP,
        ),
        When(
            EUI64Field("destination_ieee_address", 0),
            lambda p: p.destination_address_mode == AddressMode.EUI64_AND_ENDPOINT,
        ),
        When(
            ByteField("destination_endpoint", 1),
            lambda p: p.destination_address_mode == AddressMode.EUI64_AND_ENDPOINT,
        ),
    ]


class BindRequest(Binding):
    """Bind_req, 2.4.3.2.2."""


class UnbindRequest(Binding):
    """Unbind_req, 2.4.3.2.3."""


class _Status(Layer):
    """A response that says no more than how it went."""

    fields_desc: ClassVar[list[Any]] = [_status()]


class EndDeviceBindResponse(_Status):
    """End_Device_Bind_rsp, 2.4.4.3.1."""


class BindResponse(_Status):
    """Bind_rsp, 2.4.4.3.2."""


class UnbindResponse(_Status):
    """Unbind_rsp, 2.4.4.3.3."""


class _From(Layer):
    """A request for a table, from this entry on."""

    fields_desc: ClassVar[list[Any]] = [ByteField("start_index", 0)]


def _table(element: type[Layer], size: int) -> list[Any]:
    """A part of a table: how long the whole is, where the part begins, its entries."""
    return [
        _status(),
        *(
            When(fld, _succeeded)
            for fld in (
                ByteField("total_entries", 0),
                ByteField("start_index", 0),
                DerivedOctet("entry_count", count_of("entries")),
                ListOf("entries", Record(element, size), lambda p: p.entry_count),
            )
        ),
    ]


class ManagementNwkDiscoveryRequest(Layer):
    """Mgmt_NWK_Disc_req, 2.4.3.3.1."""

    fields_desc: ClassVar[list[Any]] = [
        XLEIntField("scan_channels", 0x07FFF800),
        ByteField("scan_duration", 0),
        ByteField("start_index", 0),
    ]


class NetworkDescriptor(Layer):
    """One network that was heard (2.4.4.4.1)."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("extended_pan_id", 0),
        ByteField("logical_channel", 0),
        BitField("protocol_version", 2, 4),
        BitField("stack_profile", 2, 4),
        BitField("superframe_order", 15, 4),
        BitField("beacon_order", 15, 4),
        BitField("reserved", 0, 7),
        BitField("permit_joining", 0, 1),
    ]


class ManagementNwkDiscoveryResponse(Layer):
    """Mgmt_NWK_Disc_rsp, 2.4.4.4.1."""

    fields_desc: ClassVar[list[Any]] = _table(NetworkDescriptor, 12)


class ManagementLqiRequest(_From):
    """Mgmt_Lqi_req, 2.4.3.3.2."""


class Relationship(IntEnum):
    """What a neighbour is to a device (2.4.4.4.2)."""

    PARENT = 0
    CHILD = 1
    SIBLING = 2
    NONE = 3
    PREVIOUS_CHILD = 4


class Neighbor(Layer):
    """One entry of the neighbour table (2.4.4.4.2)."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("extended_pan_id", 0),
        EUI64Field("extended_address", 0),
        XLEShortField("network_address", 0),
        BitField("reserved_low", 0, 1),
        BitEnumField("relationship", Relationship.NONE, 3, Relationship),
        BitField("receiver_on_when_idle", 2, 2),
        BitEnumField("device_type", LogicalType.ROUTER, 2, LogicalType),
        BitField("reserved_high", 0, 6),
        BitField("permit_joining", 2, 2),
        ByteField("depth", 0),
        ByteField("lqi", 0),
    ]


class ManagementLqiResponse(Layer):
    """Mgmt_Lqi_rsp, 2.4.4.4.2."""

    fields_desc: ClassVar[list[Any]] = _table(Neighbor, 22)


class ManagementRoutingRequest(_From):
    """Mgmt_Rtg_req, 2.4.3.3.3."""


class RouteStatus(IntEnum):
    """How far a route is known (2.4.4.4.3)."""

    ACTIVE = 0
    DISCOVERY_UNDERWAY = 1
    DISCOVERY_FAILED = 2
    INACTIVE = 3
    VALIDATION_UNDERWAY = 4


class Route(Layer):
    """One entry of the routing table (2.4.4.4.3)."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("destination", 0),
        BitField("reserved", 0, 2),
        BitField("route_record_required", 0, 1),
        BitField("many_to_one", 0, 1),
        BitField("memory_constrained", 0, 1),
        BitEnumField("route_status", RouteStatus.ACTIVE, 3, RouteStatus),
        XLEShortField("next_hop", 0),
    ]


class ManagementRoutingResponse(Layer):
    """Mgmt_Rtg_rsp, 2.4.4.4.3."""

    fields_desc: ClassVar[list[Any]] = _table(Route, 5)


class ManagementBindRequest(_From):
    """Mgmt_Bind_req, 2.4.3.3.4."""


class ManagementBindResponse(Layer):
    """Mgmt_Bind_rsp, 2.4.4.4.4."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        *(
            When(fld, _succeeded)
            for fld in (
                ByteField("total_entries", 0),
                ByteField("start_index", 0),
                DerivedOctet("entry_count", records_in("entries")),
                LayersToEnd("entries", Binding),
            )
        ),
    ]


class ManagementLeaveRequest(Layer):
    """Mgmt_Leave_req, 2.4.3.3.5; an address of 0 is the receiver itself."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("device_address", 0),
        BitField("rejoin", 0, 1),
        BitField("remove_children", 0, 1),
        BitField("reserved", 0, 6),
    ]


class ManagementLeaveResponse(_Status):
    """Mgmt_Leave_rsp, 2.4.4.4.5."""


class ManagementDirectJoinRequest(Layer):
    """Mgmt_Direct_Join_req, 2.4.3.3.6."""

    fields_desc: ClassVar[list[Any]] = [EUI64Field("device_address", 0), *capability_information()]


class ManagementDirectJoinResponse(_Status):
    """Mgmt_Direct_Join_rsp, 2.4.4.4.6."""


class ManagementPermitJoiningRequest(Layer):
    """Mgmt_Permit_Joining_req, 2.4.3.3.7; the duration in seconds, 0xFF: until further notice."""

    fields_desc: ClassVar[list[Any]] = [ByteField("permit_duration", 0), ByteField("trust_center_significance", 1)]


class ManagementPermitJoiningResponse(_Status):
    """Mgmt_Permit_Joining_rsp, 2.4.4.4.7."""


_LONGEST_SCAN: Final = 5
_CHANGE_CHANNEL: Final = 0xFE
_CHANGE_MANAGER: Final = 0xFF


def _update() -> list[Any]:
    """What a scan duration brings with it: it stands for a change if it can be none."""
    return [
        ByteField("scan_duration", _CHANGE_CHANNEL),
        When(ByteField("scan_count", 1), lambda p: p.scan_duration <= _LONGEST_SCAN),
        When(ByteField("nwk_update_id", 0), lambda p: p.scan_duration >= _CHANGE_CHANNEL),
        When(XLEShortField("nwk_manager_address", 0), lambda p: p.scan_duration == _CHANGE_MANAGER),
    ]


class ManagementNwkUpdateRequest(Layer):
    """Mgmt_NWK_Update_req, 2.4.3.3.9: to scan, to change the channel, or to change the manager."""

    fields_desc: ClassVar[list[Any]] = [XLEIntField("scan_channels", 0x07FFF800), *_update()]


class ManagementNwkEnhancedUpdateRequest(Layer):
    """Mgmt_NWK_Enhanced_Update_req, 2.4.3.3.10: as Mgmt_NWK_Update_req, with masks for several channel pages."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctet("channel_page_count", count_of("channel_pages")),
        ListOf("channel_pages", XLEIntField("channels", 0), lambda p: p.channel_page_count),
        *_update(),
    ]


class _UpdateNotify(Layer):
    """What a scan found: an energy for each channel of the mask."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        XLEIntField("scanned_channels", 0),
        LEShortField("total_transmissions", 0),
        LEShortField("transmission_failures", 0),
        DerivedOctet("scanned_channel_count", count_of("energy_values")),
        ListOf("energy_values", ByteField("energy", 0), lambda p: p.scanned_channel_count),
    ]


class ManagementNwkUpdateNotify(_UpdateNotify):
    """Mgmt_NWK_Update_notify, 2.4.4.4.9."""


class ManagementNwkEnhancedUpdateNotify(_UpdateNotify):
    """Mgmt_NWK_Enhanced_Update_notify."""


class ManagementNwkUnsolicitedEnhancedUpdateNotify(Layer):
    """Mgmt_NWK_Unsolicited_Enhanced_Update_notify, 2.4.4.4.12: how well a channel does, without being asked."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        XLEIntField("channel_in_use", 0),
        LEShortField("mac_tx_unicast_total", 0),
        LEShortField("mac_tx_unicast_failures", 0),
        LEShortField("mac_tx_unicast_retries", 0),
        ByteField("period_of_time_for_results", 0),
    ]


class ManagementNwkIeeeJoiningListRequest(_From):
    """Mgmt_NWK_IEEE_Joining_List_req, 2.4.3.3.11."""


class ManagementNwkIeeeJoiningListResponse(Layer):
    """Mgmt_NWK_IEEE_Joining_List_rsp, 2.4.4.4.11; the start and the entries only if there are any."""

    fields_desc: ClassVar[list[Any]] = [
        _status(),
        *(
            When(fld, _succeeded)
            for fld in (
                ByteField("ieee_joining_list_update_id", 0),
                ByteField("joining_policy", 0),
                ByteField("total_entries", 0),
            )
        ),
        When(ByteField("start_index", 0), lambda p: _succeeded(p) and p.total_entries),
        When(DerivedOctet("entry_count", count_of("entries")), lambda p: _succeeded(p) and p.total_entries),
        When(
            ListOf("entries", EUI64Field("ieee_address", 0), lambda p: p.entry_count),
            lambda p: _succeeded(p) and p.total_entries,
        ),
    ]


ZDP_COMMANDS: Final[dict[int, type[Layer]]] = {
    ZdpCluster.NWK_ADDRESS_REQUEST: NwkAddressRequest,
    ZdpCluster.IEEE_ADDRESS_REQUEST: IeeeAddressRequest,
    ZdpCluster.NODE_DESCRIPTOR_REQUEST: NodeDescriptorRequest,
    ZdpCluster.POWER_DESCRIPTOR_REQUEST: PowerDescriptorRequest,
    ZdpCluster.SIMPLE_DESCRIPTOR_REQUEST: SimpleDescriptorRequest,
    ZdpCluster.ACTIVE_ENDPOINTS_REQUEST: ActiveEndpointsRequest,
    ZdpCluster.MATCH_DESCRIPTOR_REQUEST: MatchDescriptorRequest,
    ZdpCluster.DEVICE_ANNOUNCE: DeviceAnnounce,
    ZdpCluster.SYSTEM_SERVER_DISCOVERY_REQUEST: SystemServerDiscoveryRequest,
    ZdpCluster.PARENT_ANNOUNCE: ParentAnnounce,
    ZdpCluster.END_DEVICE_BIND_REQUEST: EndDeviceBindRequest,
    ZdpCluster.BIND_REQUEST: BindRequest,
    ZdpCluster.UNBIND_REQUEST: UnbindRequest,
    ZdpCluster.MANAGEMENT_NWK_DISCOVERY_REQUEST: ManagementNwkDiscoveryRequest,
    ZdpCluster.MANAGEMENT_LQI_REQUEST: ManagementLqiRequest,
    ZdpCluster.MANAGEMENT_ROUTING_REQUEST: ManagementRoutingRequest,
    ZdpCluster.MANAGEMENT_BIND_REQUEST: ManagementBindRequest,
    ZdpCluster.MANAGEMENT_LEAVE_REQUEST: ManagementLeaveRequest,
    ZdpCluster.MANAGEMENT_DIRECT_JOIN_REQUEST: ManagementDirectJoinRequest,
    ZdpCluster.MANAGEMENT_PERMIT_JOINING_REQUEST: ManagementPermitJoiningRequest,
    ZdpCluster.MANAGEMENT_NWK_UPDATE_REQUEST: ManagementNwkUpdateRequest,
    ZdpCluster.MANAGEMENT_NWK_ENHANCED_UPDATE_REQUEST: ManagementNwkEnhancedUpdateRequest,
    ZdpCluster.MANAGEMENT_NWK_IEEE_JOINING_LIST_REQUEST: ManagementNwkIeeeJoiningListRequest,
    ZdpCluster.NWK_ADDRESS_RESPONSE: NwkAddressResponse,
    ZdpCluster.IEEE_ADDRESS_RESPONSE: IeeeAddressResponse,
    ZdpCluster.NODE_DESCRIPTOR_RESPONSE: NodeDescriptorResponse,
    ZdpCluster.POWER_DESCRIPTOR_RESPONSE: PowerDescriptorResponse,
    ZdpCluster.SIMPLE_DESCRIPTOR_RESPONSE: SimpleDescriptorResponse,
    ZdpCluster.ACTIVE_ENDPOINTS_RESPONSE: ActiveEndpointsResponse,
    ZdpCluster.MATCH_DESCRIPTOR_RESPONSE: MatchDescriptorResponse,
    ZdpCluster.SYSTEM_SERVER_DISCOVERY_RESPONSE: SystemServerDiscoveryResponse,
    ZdpCluster.PARENT_ANNOUNCE_RESPONSE: ParentAnnounceResponse,
    ZdpCluster.END_DEVICE_BIND_RESPONSE: EndDeviceBindResponse,
    ZdpCluster.BIND_RESPONSE: BindResponse,
    ZdpCluster.UNBIND_RESPONSE: UnbindResponse,
    ZdpCluster.MANAGEMENT_NWK_DISCOVERY_RESPONSE: ManagementNwkDiscoveryResponse,
    ZdpCluster.MANAGEMENT_LQI_RESPONSE: ManagementLqiResponse,
    ZdpCluster.MANAGEMENT_ROUTING_RESPONSE: ManagementRoutingResponse,
    ZdpCluster.MANAGEMENT_BIND_RESPONSE: ManagementBindResponse,
    ZdpCluster.MANAGEMENT_LEAVE_RESPONSE: ManagementLeaveResponse,
    ZdpCluster.MANAGEMENT_DIRECT_JOIN_RESPONSE: ManagementDirectJoinResponse,
    ZdpCluster.MANAGEMENT_PERMIT_JOINING_RESPONSE: ManagementPermitJoiningResponse,
    ZdpCluster.MANAGEMENT_NWK_UPDATE_NOTIFY: ManagementNwkUpdateNotify,
    ZdpCluster.MANAGEMENT_NWK_ENHANCED_UPDATE_NOTIFY: ManagementNwkEnhancedUpdateNotify,
    ZdpCluster.MANAGEMENT_NWK_IEEE_JOINING_LIST_RESPONSE: ManagementNwkIeeeJoiningListResponse,
    ZdpCluster.MANAGEMENT_NWK_UNSOLICITED_ENHANCED_UPDATE_NOTIFY: ManagementNwkUnsolicitedEnhancedUpdateNotify,
}


class Zdp(Layer):
    """The header of every ZDP frame; which command follows is said by the APS header's cluster."""

    fields_desc: ClassVar[list[Any]] = [ByteField("transaction_sequence_number", 0)]

    def payload_class(self) -> type[Packet]:
        return ZDP_COMMANDS.get(cluster_of(self), Undissected)
