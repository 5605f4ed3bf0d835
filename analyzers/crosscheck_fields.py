"""What is compared with tshark: its fields, our columns that say the same, and the faults of tshark that are known.

`FIELDS` is the one definition: by tshark's protocol, one `Field` for each of its fields. A `Fault` says of a difference
that tshark is known for it, and why. Only what the frame itself shows is compared: fields that tshark adds from other
frames have no octets, and are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from hanscope.dissectors.zigbee.zcl import AttributeRecord

ATTRIBUTE_VALUE: Final = "octets behind zbee_zcl.attr.data.type"
"""Of an attribute's value: tshark names each as its cluster or its type has it."""
Value = int | bytes
Columns = Mapping[str, Sequence[Value]]
"""Values of one frame by our column ("Layer.field"), in the order of the frame."""


class Case(NamedTuple):
    """What a fault is judged by: one frame as both sides have it."""

    ours: Columns
    shown: frozenset[str]
    """Names of all fields and protocols that tshark shows."""
    protocol: str
    """tshark's, of the field or layer that differs."""
    field: str | None
    """tshark's field; `None`: only one side has the protocol at all."""
    left: Sequence[Value]
    """Our values. Where only one side has the protocol, a 1 stands for all of it."""
    right: Sequence[Value]
    """tshark's."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A difference that is tshark's doing, or its way of showing things."""

    id: str
    reason: str
    applies: Callable[[Case], bool]


def _one(value: Value) -> list[Value]:
    return [value]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of tshark's and the columns of ours that say the same."""

    names: tuple[str, ...]
    """tshark's; with several, whichever is there. One that begins with `*` is the end of a name."""
    columns: tuple[str, ...]
    split: Callable[[Any], list[Value]] = _one
    """Makes of one value of ours those that tshark shows."""
    octets: bool = False
    """Whether the value is octets, not a number."""
    secret: bool = False
    """Whether reports leave the value out."""
    where_ours: bool = False
    """Whether it is compared only where a column of ours is: tshark has the name in other commands too."""


def _field(name: str, *columns: str) -> Field:
    return Field((name,), columns)


def _octets(name: str, *columns: str) -> Field:
    return Field((name,), columns, octets=True)


def _key(name: str, *columns: str) -> Field:
    return Field((name,), columns, octets=True, secret=True)


def _listed(name: str, column: str, split: Callable[[bytes], list[Value]]) -> Field:
    return Field((name,), (column,), split)


def _shorts(octets: bytes) -> list[Value]:
    return [int.from_bytes(octets[at : at + 2], "little") for at in range(0, len(octets), 2)]


def _eui64s(octets: bytes) -> list[Value]:
    return [int.from_bytes(octets[at : at + 8], "little") for at in range(0, len(octets), 8)]


def _from_threes(convert: Callable[[bytes], Value]) -> Callable[[bytes], list[Value]]:
    """For lists of records of three octets."""
    return lambda octets: [convert(octets[at : at + 3]) for at in range(0, len(octets), 3)]


def _short_first(record: bytes) -> Value:
    return int.from_bytes(record[:2], "little")


def _truth(value: int) -> list[Value]:
    """For whole octets of which tshark shows only whether they are zero."""
    return [int(value != 0)]


def _or_listed(convert: Callable[[bytes], Value]) -> Callable[[Value], list[Value]]:
    """For what is a number in one command and part of records of three octets in another."""
    threes = _from_threes(convert)
    return lambda value: threes(value) if isinstance(value, bytes) else [value]


def _of_attributes(*layers: str, has_status: bool) -> list[Field]:
    """Identifiers, types and values of the attributes in commands whose records are alike."""
    columns = _in("attributes", *layers)

    def each(told: Callable[[Any], Value | None]) -> Callable[[bytes], list[Value]]:
        def split(octets: bytes) -> list[Value]:
            return [value for one in _attributes(octets, has_status) if (value := told(one)) is not None]

        return split

    fields = [
        Field(("zbee_zcl.attr.id", "*.attr_id"), columns, each(lambda one: one.attribute_id), where_ours=True),
        Field(("zbee_zcl.attr.data.type",), columns, each(lambda one: one.data_type), where_ours=True),
        Field((ATTRIBUTE_VALUE,), columns, each(_packed), octets=True, where_ours=True),
    ]
    if has_status:
        fields.append(Field(("zbee_zcl.attr.status",), columns, each(lambda one: one.status), where_ours=True))
    return fields


def _attributes(octets: bytes, has_status: bool) -> "list[AttributeRecord]":  # noqa: FBT001 -- one of two layouts
    from hanscope.dissectors.zigbee import zcl  # noqa: PLC0415 -- imports Scapy

    layer = zcl.ReadAttributesResponse if has_status else zcl.ReportAttributes
    return [one for one in layer.fields_desc[0].i2h(None, octets) if isinstance(one, zcl.AttributeRecord)]


def _packed(record: "AttributeRecord") -> bytes | None:
    from hanscope.dissectors.zigbee.values import pack_value  # noqa: PLC0415 -- imports Scapy

    return None if record.data_type is None else pack_value(record.data_type, record.value)


def _capability(
    prefix: str, device: str, power: str, idle: str, security: str, allocate: str, layer: str
) -> list[Field]:
    names = {
        "alt_coord": "alternate_coordinator",
        device: "full_function_device",
        power: "mains_powered",
        idle: "receiver_on_when_idle",
        security: "security_capability",
        allocate: "allocate_address",
    }
    return [_field(f"{prefix}.{theirs}", f"{layer}.{mine}") for theirs, mine in names.items()]


def _security(layer: str) -> list[Field]:
    return [
        _field("zbee.sec.key_id", f"{layer}.key_identifier"),
        _field("zbee.sec.ext_nonce", f"{layer}.extended_nonce"),
        _field("zbee.sec.counter", f"{layer}.frame_counter"),
        _field("zbee.sec.src64", f"{layer}.source_eui64"),
        _field("zbee.sec.key_seqno", f"{layer}.key_sequence_number"),
    ]


def _in(field: str, *layers: str) -> tuple[str, ...]:
    return tuple(f"{layer}.{field}" for layer in layers)


def _aps(name: str, column: str) -> Field:
    """A field of APS frames, inter-PAN ones included."""
    return _field(f"zbee_aps.{name}", *_in(column, "Aps", "InterPanAps"))


def _time(name: str, column: str) -> Field:
    """A time of the OTA cluster, that is counted from 2000 or from now; tshark 4.6 tells these apart by the name."""
    return Field(tuple(f"{_OTA}.{name}{kind}" for kind in ("", "_utc", "_offset")), (column,))


_MIC: Final = tuple(f"MacSecuredPayload{bits}.mic" for bits in (32, 64, 128))
_WPAN: Final = (
    _field("wpan.frame_type", "Mac.frame_type"),
    _field("wpan.security", "Mac.security_enabled"),
    _field("wpan.pending", "Mac.frame_pending"),
    _field("wpan.ack_request", "Mac.ack_request"),
    _field("wpan.pan_id_compression", "Mac.pan_id_compression"),
    _field("wpan.seqno_suppression", "Mac.sequence_number_suppression"),
    _field("wpan.ie_present", "Mac.ie_present"),
    _field("wpan.dst_addr_mode", "Mac.destination_addressing_mode"),
    _field("wpan.version", "Mac.frame_version"),
    _field("wpan.src_addr_mode", "Mac.source_addressing_mode"),
    _field("wpan.seq_no", "Mac.sequence_number"),
    _field("wpan.dst_pan", "Mac.destination_pan_id"),
    _field("wpan.dst16", "Mac.destination_short"),
    _field("wpan.dst64", "Mac.destination_extended"),
    _field("wpan.src_pan", "Mac.source_pan_id"),
    _field("wpan.src16", "Mac.source_short"),
    _field("wpan.src64", "Mac.source_extended"),
    _field("wpan.aux_sec.sec_level", "Mac.security_level"),
    _field("wpan.aux_sec.key_id_mode", "Mac.key_identifier_mode"),
    _field("wpan.aux_sec.frame_counter_suppression", "Mac.frame_counter_suppression"),
    _field("wpan.aux_sec.asn_in_nonce", "Mac.asn_in_nonce"),
    _field("wpan.aux_sec.frame_counter", "Mac.frame_counter"),
    _field("wpan.aux_sec.key_index", "Mac.key_index"),
    _octets("wpan.mic", *_MIC),
    _field("wpan.superframe_order", "MacBeacon.superframe_order"),
    _field("wpan.beacon_order", "MacBeacon.beacon_order"),
    _field("wpan.assoc_permit", "MacBeacon.association_permit"),
    _field("wpan.bcn_coord", "MacBeacon.pan_coordinator"),
    _field("wpan.battery_ext", "MacBeacon.battery_life_extension"),
    _field("wpan.cap", "MacBeacon.final_cap_slot"),
    _field("wpan.gts.count", "MacBeacon.gts_descriptor_count"),
    _field("wpan.gts.permit", "MacBeacon.gts_permit"),
    _listed("wpan.gts.address", "MacBeacon.gts_list", _from_threes(_short_first)),
    _listed("wpan.pending16", "MacBeacon.pending_short", _shorts),
    _listed("wpan.pending64", "MacBeacon.pending_extended", _eui64s),
    _field("wpan.cmd", "MacCommand.command_identifier"),
    *_capability(
        "wpan.cinfo", "device_type", "power_src", "idle_rx", "sec_capable", "alloc_addr", "AssociationRequest"
    ),
    _field("wpan.asoc.addr", "AssociationResponse.assigned_short"),
    _field("wpan.assoc.status", "AssociationResponse.status"),
    _field("wpan.disassoc.reason", "DisassociationNotification.reason"),
    _field("wpan.realign.pan", "CoordinatorRealignment.new_pan_id"),
    Field(
        ("wpan.realign.addr", "wpan.realign.caddr"),  # up to 4.0 both are called addr
        ("CoordinatorRealignment.coordinator_short", "CoordinatorRealignment.assigned_short"),
    ),
    _field("wpan.realign.channel", "CoordinatorRealignment.channel"),
    _field("wpan.realign.channel_page", "CoordinatorRealignment.channel_page"),
)

_BEACON: Final = (
    _field("zbee_beacon.protocol", "BeaconPayload.protocol_id"),
    _field("zbee_beacon.profile", "ZigbeeBeacon.stack_profile"),
    _field("zbee_beacon.version", "ZigbeeBeacon.protocol_version"),
    _field("zbee_beacon.router", "ZigbeeBeacon.router_capacity"),
    _field("zbee_beacon.depth", "ZigbeeBeacon.device_depth"),
    _field("zbee_beacon.end_dev", "ZigbeeBeacon.end_device_capacity"),
    _field("zbee_beacon.ext_panid", "ZigbeeBeacon.extended_pan_id"),
    _field("zbee_beacon.tx_offset", "ZigbeeBeacon.tx_offset"),
    _field("zbee_beacon.update_id", "ZigbeeBeacon.update_id"),
)

_NWK: Final = (
    _field("zbee_nwk.frame_type", "Nwk.frame_type"),
    _field("zbee_nwk.proto_version", "Nwk.protocol_version"),
    _field("zbee_nwk.discovery", "Nwk.discover_route"),
    _field("zbee_nwk.multicast", "Nwk.multicast"),
    _field("zbee_nwk.security", "Nwk.security"),
    _field("zbee_nwk.src_route", "Nwk.source_route"),
    _field("zbee_nwk.ext_dst", "Nwk.destination_eui64_present"),
    _field("zbee_nwk.ext_src", "Nwk.source_eui64_present"),
    _field("zbee_nwk.end_device_initiator", "Nwk.end_device_initiator"),
    _field("zbee_nwk.dst", "Nwk.destination"),
    _field("zbee_nwk.src", "Nwk.source"),
    _field("zbee_nwk.radius", "Nwk.radius"),
    _field("zbee_nwk.seqno", "Nwk.sequence_number"),
    _field("zbee_nwk.multicast.mode", "Nwk.multicast_mode"),
    _field("zbee_nwk.multicast.radius", "Nwk.non_member_radius"),
    _field("zbee_nwk.multicast.max_radius", "Nwk.maximum_non_member_radius"),
    _field("zbee_nwk.dst64", "Nwk.destination_eui64"),
    _field("zbee_nwk.src64", "Nwk.source_eui64"),
    _field("zbee_nwk.relay.count", "Nwk.relay_count"),
    _field("zbee_nwk.relay.index", "Nwk.relay_index"),
    _listed("zbee_nwk.relay", "Nwk.relays", _shorts),
    *_security("NwkSecurity"),
    _field("zbee_nwk.cmd.id", "NwkCommand.command_identifier"),
    _field("zbee_nwk.cmd.addr", "RejoinResponse.network_address"),
    _field("zbee_nwk.cmd.route.id", *_in("route_request_identifier", "RouteRequest", "RouteReply")),
    _field("zbee_nwk.cmd.route.dest", "RouteRequest.destination", "NetworkStatus.network_address"),
    _field("zbee_nwk.cmd.route.orig", "RouteReply.originator"),
    _field("zbee_nwk.cmd.route.resp", "RouteReply.responder"),
    _field("zbee_nwk.cmd.route.dest_ext", "RouteRequest.destination_eui64"),
    _field("zbee_nwk.cmd.route.orig_ext", "RouteReply.originator_eui64"),
    _field("zbee_nwk.cmd.route.resp_ext", "RouteReply.responder_eui64"),
    _field("zbee_nwk.cmd.route.cost", *_in("path_cost", "RouteRequest", "RouteReply")),
    _field("zbee_nwk.cmd.route.opts.mcast", *_in("multicast", "RouteRequest", "RouteReply")),
    _field("zbee_nwk.cmd.route.opts.dest_ext", "RouteRequest.destination_eui64_present"),
    _field("zbee_nwk.cmd.route.opts.resp_ext", "RouteReply.responder_eui64_present"),
    _field("zbee_nwk.cmd.route.opts.orig_ext", "RouteReply.originator_eui64_present"),
    _field("zbee_nwk.cmd.route.opts.many2one", "RouteRequest.many_to_one"),
    _field("zbee_nwk.cmd.status", "NetworkStatus.status"),
    _field("zbee_nwk.cmd.status.unknown_command_id", "NetworkStatus.unknown_command"),
    _field("zbee_nwk.cmd.leave.rejoin", "Leave.rejoin"),
    _field("zbee_nwk.cmd.leave.request", "Leave.request"),
    _field("zbee_nwk.cmd.leave.children", "Leave.remove_children"),
    _field("zbee_nwk.cmd.relay_count", "RouteRecord.relay_count"),
    _listed("zbee_nwk.cmd.relay_device", "RouteRecord.relays", _shorts),
    *_capability("zbee_nwk.cmd.cinfo", "ffd", "power", "on_idle", "security", "alloc", "RejoinRequest"),
    _field("zbee_nwk.cmd.rejoin_status", "RejoinResponse.status"),
    _field("zbee_nwk.cmd.link.last", "LinkStatus.last_frame"),
    _field("zbee_nwk.cmd.link.first", "LinkStatus.first_frame"),
    _field("zbee_nwk.cmd.link.count", "LinkStatus.entry_count"),
    _listed("zbee_nwk.cmd.link.address", "LinkStatus.entries", _from_threes(_short_first)),
    _listed("zbee_nwk.cmd.link.incoming_cost", "LinkStatus.entries", _from_threes(lambda record: record[2] & 7)),
    _listed("zbee_nwk.cmd.link.outgoing_cost", "LinkStatus.entries", _from_threes(lambda record: record[2] >> 4 & 7)),
    _field("zbee_nwk.cmd.report.type", "NetworkReport.report_type"),
    _field("zbee_nwk.cmd.report.count", "NetworkReport.report_information_count"),
    _field("zbee_nwk.cmd.update.type", "NetworkUpdate.update_type"),
    _field("zbee_nwk.cmd.update.count", "NetworkUpdate.update_information_count"),
    _field("zbee_nwk.cmd.update.id", "NetworkUpdate.update_id"),
    Field(("zbee_nwk.panid",), ("NetworkReport.pan_ids", "NetworkUpdate.new_pan_ids"), _shorts),
    _field("zbee_nwk.cmd.epid", *_in("extended_pan_id", "NetworkReport", "NetworkUpdate")),
    _field("zbee_nwk.cmd.ed_tmo_req", "EndDeviceTimeoutRequest.requested_timeout"),
    _field("zbee_nwk.cmd.ed_config", "EndDeviceTimeoutRequest.configuration"),
    _field("zbee_nwk.cmd.ed_tmo_rsp_status", "EndDeviceTimeoutResponse.status"),
    _field("zbee_nwk.cmd.ed_prnt_info.mac_data_poll_keepalive", "EndDeviceTimeoutResponse.data_poll_keep_alive"),
    _field("zbee_nwk.cmd.ed_prnt_info.ed_tmo_req_keepalive", "EndDeviceTimeoutResponse.timeout_request_keep_alive"),
    _field("zbee_nwk.cmd.power_negotiation_supported", "EndDeviceTimeoutResponse.power_negotiation"),
    _field("zbee_nwk.cmd.link_pwr_delta.type", "LinkPowerDelta.delta_type"),
    _field("zbee_nwk.cmd.link_pwr_delta.list_count", "LinkPowerDelta.entry_count"),
    _listed("zbee_nwk.cmd.link_pwr_delta.address", "LinkPowerDelta.entries", _from_threes(_short_first)),
    _listed(
        "zbee_nwk.cmd.link_pwr_delta.power_delta",
        "LinkPowerDelta.entries",
        _from_threes(lambda record: int.from_bytes(record[2:], "little", signed=True)),
    ),
)

_SKKE: Final = ("Skke1", "Skke2", "Skke3", "Skke4")
_APS: Final = (
    _aps("type", "frame_type"),
    _aps("delivery", "delivery_mode"),
    _aps("ack_format", "ack_format"),
    _aps("security", "security"),
    _aps("ack_req", "ack_request"),
    _aps("ext_header", "extended_header"),
    _field("zbee_aps.dst", "Aps.destination_endpoint"),
    _aps("group", "group_address"),
    Field(("zbee_aps.cluster", "zbee_aps.zdp_cluster"), _in("cluster", "Aps", "InterPanAps")),
    _aps("profile", "profile"),
    _field("zbee_aps.src", "Aps.source_endpoint"),
    _field("zbee_aps.counter", "Aps.counter"),
    _field("zbee_aps.fragmentation", "Aps.fragmentation"),
    _field("zbee_aps.block", "Aps.block_number"),
    _field("zbee_aps.block_acks", "Aps.ack_bitfield"),
    *_security("ApsSecurity"),
    _field("zbee_aps.cmd.id", "ApsCommand.command_identifier"),
    _field("zbee_aps.cmd.initiator", *_in("initiator_eui64", *_SKKE)),
    _field("zbee_aps.cmd.responder", *_in("responder_eui64", *_SKKE)),
    _octets("zbee_aps.cmd.challenge", *_in("data", *_SKKE[:2])),
    _octets("zbee_aps.cmd.mac", *_in("data", *_SKKE[2:])),
    _field("zbee_aps.cmd.key_type", *_in("key_type", "TransportKey", "RequestKey", "VerifyKey", "ConfirmKey")),
    _key("zbee_aps.cmd.key", "TransportKey.key"),
    _key("zbee_aps.cmd.key_hash", "VerifyKey.hash"),
    _field("zbee_aps.cmd.seqno", *_in("key_sequence_number", "TransportKey", "SwitchKey")),
    _field("zbee_aps.cmd.dst", *_in("destination_eui64", "TransportKey", "Tunnel", "ConfirmKey")),
    _field("zbee_aps.cmd.src", *_in("source_eui64", "TransportKey", "VerifyKey")),
    _field("zbee_aps.cmd.partner", *_in("partner_eui64", "TransportKey", "RequestKey")),
    _field("zbee_aps.cmd.init_flag", "TransportKey.initiator_flag"),
    _field("zbee_aps.cmd.device", "UpdateDevice.device_eui64", "RemoveDevice.target_eui64"),
    _field("zbee_aps.cmd.addr", "UpdateDevice.device_short"),
    _field("zbee_aps.cmd.update_status", "UpdateDevice.status"),
    _field("zbee_aps.cmd.status", "ConfirmKey.status"),
)

_OTA: Final = "zbee_zcl_general.ota"
_OTA_REQUESTS: Final = ("QueryNextImageRequest", "ImageBlockRequest", "ImagePageRequest")
_SPECIFIC: Final = ("QueryDeviceSpecificFileRequest", "QueryDeviceSpecificFileResponse")
_OTA_IDENTIFIED: Final = (
    "ImageNotify",
    *_OTA_REQUESTS,
    "QueryNextImageResponse",
    "ImageBlockResponse",
    "UpgradeEndRequest",
    "UpgradeEndResponse",
    *_SPECIFIC,
)
_TUNNEL: Final = "zbee_zcl_se.tun"
_DATA: Final = ("TransferDataClientToServer", "TransferDataServerToClient")
_DATA_ERROR: Final = ("TransferDataErrorClientToServer", "TransferDataErrorServerToClient")
_OCTETS_LEFT: Final = (
    "AckTransferDataClientToServer",
    "AckTransferDataServerToClient",
    "ReadyDataClientToServer",
    "ReadyDataServerToClient",
)
_PROTOCOLS: Final = "SupportedTunnelProtocolsResponse.protocols"
_ZCL_COMMANDS: Final = (
    "zbee_zcl.cmd.id",
    "zbee_zcl.cs.cmd.id",
    "*.cmd.srv_rx.id",
    "*.cmd.srv_tx.id",
    "zbee_zcl_general.groups.cmd_srv_rx.id",
    "zbee_zcl_general.touchlink.rx_cmd_id",
    "zbee_zcl_general.touchlink.tx_cmd_id",
)
"""The command's identifier: each cluster has a field of its own."""
_ZCL: Final = (
    _field("zbee_zcl.type", "Zcl.frame_type"),
    _field("zbee_zcl.ms", "Zcl.manufacturer_specific"),
    _field("zbee_zcl.dir", "Zcl.server_to_client"),
    _field("zbee_zcl.ddr", "Zcl.disable_default_response"),
    _field("zbee_zcl.cmd.mc", "Zcl.manufacturer_code"),
    _field("zbee_zcl.cmd.tsn", "Zcl.transaction_sequence_number"),
    Field(_ZCL_COMMANDS, ("Zcl.command_identifier",)),
    _field("zbee_zcl.cmd.id.rsp", "DefaultResponse.command_identifier"),
    Field(("zbee_zcl.attr.id", "*.attr_id"), ("ReadAttributes.attribute_ids",), _shorts, where_ours=True),
    *_of_attributes("ReadAttributesResponse", has_status=True),
    *_of_attributes(
        "ReportAttributes", "WriteAttributes", "WriteAttributesUndivided", "WriteAttributesNoResponse", has_status=False
    ),
    _field(f"{_OTA}.payload.type", "ImageNotify.payload_type"),
    _field(f"{_OTA}.query_jitter", "ImageNotify.query_jitter"),
    _field(f"{_OTA}.manufacturer_code", *_in("manufacturer_code", *_OTA_IDENTIFIED)),
    _field(f"{_OTA}.image.type", *_in("image_type", *_OTA_IDENTIFIED)),
    _field(f"{_OTA}.file.version", *_in("file_version", *_OTA_IDENTIFIED)),
    _field(f"{_OTA}.query_next_image_req.field_ctrl.hw_ver_present", "QueryNextImageRequest.hardware_version_present"),
    _field(
        f"{_OTA}.image_block_req.field_ctrl.request_node_addr_present", "ImageBlockRequest.request_node_address_present"
    ),
    _field(f"{_OTA}.image_block_req.field_ctrl.min_block_period", "ImageBlockRequest.minimum_block_period_present"),
    _field(
        f"{_OTA}.query_next_image_req.field_ctrl.request_node_addr_present",
        "ImagePageRequest.request_node_address_present",
    ),
    _field(f"{_OTA}.hw_ver", "QueryNextImageRequest.hardware_version"),
    _field(
        f"{_OTA}.status",
        *_in("status", "QueryNextImageResponse", "ImageBlockResponse", "UpgradeEndRequest", _SPECIFIC[1]),
    ),
    _field(f"{_OTA}.image.size", *_in("image_size", "QueryNextImageResponse", _SPECIFIC[1])),
    _field(f"{_OTA}.file.offset", *_in("file_offset", "ImageBlockRequest", "ImagePageRequest", "ImageBlockResponse")),
    _field(f"{_OTA}.max_data_size", *_in("maximum_data_size", "ImageBlockRequest", "ImagePageRequest")),
    _field(f"{_OTA}.min_block_period", *_in("minimum_block_period", "ImageBlockRequest", "ImageBlockResponse")),
    _field(f"{_OTA}.ieee_addr", *_in("request_node_address", "ImageBlockRequest", "ImagePageRequest", _SPECIFIC[0])),
    _field(f"{_OTA}.page.size", "ImagePageRequest.page_size"),
    _field(f"{_OTA}.rsp_spacing", "ImagePageRequest.response_spacing"),
    _field(f"{_OTA}.current_time", *_in("current_time", "ImageBlockResponse", "UpgradeEndResponse")),
    _time("request_time", "ImageBlockResponse.request_time"),
    _time("upgrade_time", "UpgradeEndResponse.upgrade_time"),
    _field(f"{_OTA}.zb_stack.ver", "QueryDeviceSpecificFileRequest.zigbee_stack_version"),
    _field(f"{_OTA}.data_size", "ImageBlockResponse.data_size"),
    _octets(f"{_OTA}.image.data", "ImageBlockResponse.image_data"),
    Field(
        (f"{_TUNNEL}.protocol_id",),
        ("RequestTunnel.protocol_id", _PROTOCOLS),
        _or_listed(lambda record: record[2]),
    ),
    Field((f"{_TUNNEL}.manufacturer_code",), ("RequestTunnel.manufacturer_code", _PROTOCOLS), _or_listed(_short_first)),
    Field((f"{_TUNNEL}.flow_control_supported",), ("RequestTunnel.flow_control_support",), _truth),
    _field(
        f"{_TUNNEL}.max_in_transfer_size",
        *_in("maximum_incoming_transfer_size", "RequestTunnel", "RequestTunnelResponse"),
    ),
    _field(
        f"{_TUNNEL}.tunnel_id",
        *_in(
            "tunnel_id",
            "CloseTunnel",
            "RequestTunnelResponse",
            "TunnelClosureNotification",
            *_DATA,
            *_DATA_ERROR,
            *_OCTETS_LEFT,
        ),
    ),
    _field(f"{_TUNNEL}.transfer_status", "RequestTunnelResponse.tunnel_status"),
    _field(f"{_TUNNEL}.transfer_data_status", *_in("transfer_data_status", *_DATA_ERROR)),
    _field(f"{_TUNNEL}.octets_left", *_in("octets_left", *_OCTETS_LEFT)),
    _field(f"{_TUNNEL}.protocol_offset", "GetSupportedTunnelProtocols.protocol_offset"),
    Field((f"{_TUNNEL}.protocol_list_complete",), ("SupportedTunnelProtocolsResponse.protocol_list_complete",), _truth),
    _field(f"{_TUNNEL}.protocol_count", "SupportedTunnelProtocolsResponse.protocol_count"),
)


_GROUPING: Final = "gbcs_message.grouping_header"


def _identities(header: str, layer: str) -> list[Field]:
    return [
        _field(f"gbcs_message.{header}.cra_flag", f"{layer}.cra_flag"),
        _field(f"gbcs_message.{header}.originator_counter", f"{layer}.originator_counter"),
        _field(f"gbcs_message.{header}.business_originator_id", f"{layer}.originator"),
        _field(f"gbcs_message.{header}.business_target_id", f"{layer}.target"),
        _field(f"gbcs_message.{header}.message_code", f"{layer}.message_code"),
    ]


_GBCS: Final = (
    _field("gbcs_message.mac_header.general_ciphering", "MacHeader.tag"),
    _field("gbcs_message.mac_header.security_control_byte", "MacHeader.security_control"),
    _field("gbcs_message.mac_header.invocation_counter", "MacHeader.invocation_counter"),
    _field(f"{_GROUPING}.general_signing", "GroupingHeader.tag"),
    *_identities("grouping_header", "GroupingHeader"),
    _field(f"{_GROUPING}.supplementary_remote_party_id", "GroupingHeader.supplementary_remote_party"),
    _field(
        f"{_GROUPING}.supplementary_remote_party_counter",
        "GroupingHeader.supplementary_remote_party_counter",
    ),
    _field(
        f"{_GROUPING}.supplementary_remote_party_originator_counter",
        "GroupingHeader.supplementary_originator_counter",
    ),
    _octets("gbcs_message.krp", "GroupingHeader.signature"),
    _octets("gbcs_message.mac", "Mac.mac"),
    _field("gbcs_message.routing_header.general_ciphering", "RoutingHeader.tag"),
    *_identities("routing_header", "RoutingHeader"),
    _field("gbcs_message.routing_header.security_control_byte", "RoutingHeader.security_control"),
    _field("gbcs_message.routing_header.invocation_counter", "RoutingHeader.invocation_counter"),
    _field("gbcs_message.gbt_header.general_block_transfer", "BlockTransfer.tag"),
    _field("gbcs_message.gbt_header.block_control.last_block", "BlockTransfer.last_block"),
    _field("gbcs_message.gbt_header.block_control.streaming", "BlockTransfer.streaming"),
    _field("gbcs_message.gbt_header.block_control.window", "BlockTransfer.window"),
    _field("gbcs_message.gbt_header.block_number", "BlockTransfer.block_number"),
    _field("gbcs_message.gbt_header.block_number_ack", "BlockTransfer.block_number_acknowledged"),
)

FIELDS: Final[Mapping[str, Sequence[Field]]] = {
    "wpan": _WPAN,
    "zbee_beacon": _BEACON,
    "zbee_nwk": _NWK,
    "zbee_aps": _APS,
    "zbee_zcl": _ZCL,
    "gbcs_message": _GBCS,
}
"""By tshark's protocol."""

TRANSFERS: Final = ("TransferDataClientToServer.transfer_data", "TransferDataServerToClient.transfer_data")
COLUMNS: Final = frozenset(
    {*TRANSFERS, *(column for fields in FIELDS.values() for field in fields for column in field.columns)}
)
"""All columns of ours that are needed."""
FCS_OK: Final = "wpan.fcs_ok"
EVIDENCE: Final = (
    "_ws.malformed",
    "_ws.expert",
    "data",
    "lwm",
    "6lowpan",
    "mle",
    "thread",
    "zbee_nwk_gp",
    "gbcs_tunnel",
)
"""Protocols of tshark's of which it matters that they are there."""

_UNSUPPRESSIBLE: Final = (0, 1)
"""Frame versions in which the bit for the suppression of the sequence number means nothing."""
_READ_VERSIONS: Final = (0, 1, 2)
_READ_TYPES: Final = (0, 1, 2, 3)
_RESERVED_MODE: Final = 1
_PRO: Final = 2
_NONE: Final = 0


def _has(case: Case, column: str, *values: Value) -> bool:
    """Whether one of our values of the column is one of these."""
    return any(value in values for value in case.ours.get(column, ()))


def _is_suppressed_too_early(case: Case) -> bool:
    return _has(case, "Mac.sequence_number_suppression", 1) and _has(case, "Mac.frame_version", *_UNSUPPRESSIBLE)


def _is_of_no_format(case: Case) -> bool:
    return case.protocol == "wpan" and not (
        _has(case, "Mac.frame_version", *_READ_VERSIONS)
        and _has(case, "Mac.frame_type", *_READ_TYPES)
        and not _has(case, "Mac.destination_addressing_mode", _RESERVED_MODE)
        and not _has(case, "Mac.source_addressing_mode", _RESERVED_MODE)
    )


def _compresses_nothing(case: Case) -> bool:
    return _has(case, "Mac.pan_id_compression", 1) and (
        _has(case, "Mac.destination_addressing_mode", _NONE) or _has(case, "Mac.source_addressing_mode", _NONE)
    )


def _is_of_another_network(case: Case) -> bool:
    if case.protocol == "zbee_nwk":
        return not case.right and "Nwk.protocol_version" in case.ours and not _has(case, "Nwk.protocol_version", _PRO)
    return case.protocol == "zbee_beacon" and not case.right and not _has(case, "BeaconPayload.protocol_id", _NONE)


def _needs_an_address(case: Case) -> bool:
    return (
        not case.right
        and (case.field is None or case.field.startswith(("zbee_nwk.cmd.", "zbee_aps.cmd.")))
        and (_has(case, "ApsSecurity.extended_nonce", 0) or _has(case, "NwkSecurity.extended_nonce", 0))
    )


FAULTS: Final[Sequence[Fault]] = (
    Fault(
        "ack-format",
        "tshark shows the acknowledgement format bit of acknowledgements only.",
        lambda case: case.field == "zbee_aps.ack_format" and not any(case.left[len(case.right) :]),
    ),
    Fault(
        "suppression-bit",
        "tshark leaves out the sequence number when bit 8 of the frame control is set, in frame versions 0 and 1 too,"
        " where the bit is reserved (802.15.4-2006, 7.2.1.1); everything behind it slides by one octet.",
        _is_suppressed_too_early,
    ),
    Fault(
        "reserved-format",
        "tshark reads a sequence number, or more, in frames of a type, version or addressing mode whose format no"
        " standard defines; hanscope reads only their frame control.",
        _is_of_no_format,
    ),
    Fault(
        "compressed-alone",
        "tshark gives up on frames that compress a PAN identifier and have one address only; hanscope reads the address"
        " by the rule of 802.15.4-2006, 7.2.1.1.5: where there is no source PAN identifier, none is skipped.",
        _compresses_nothing,
    ),
    Fault(
        "not-zigbee",
        "tshark hands frames of other networks (Thread, 6LoWPAN) to their own dissectors; hanscope reads the octets"
        " that say that they are not ZigBee's.",
        _is_of_another_network,
    ),
    Fault(
        "extended-beacon",
        "tshark does not hand beacons with an extended source address to ZigBee.",
        lambda case: case.protocol == "zbee_beacon" and not case.right and "Mac.source_extended" in case.ours,
    ),
    Fault(
        "attribute-field",
        "tshark shows the values of attributes under the names of the cluster's command fields; they are compared as"
        " attributes.",
        lambda case: (
            case.protocol == "zbee_zcl"
            and str(case.field).startswith(("zbee_zcl_general.ota.", "zbee_zcl_se.tun."))
            and not case.left
            and _has(case, "Zcl.frame_type", _NONE)
        ),
    ),
    Fault(
        "block-period",
        "tshark does not know the minimum block period that an Image Block Response with WAIT_FOR_DATA ends with since"
        " revision 19 of the ZigBee OTA cluster.",
        lambda case: (
            case.field == "zbee_zcl_general.ota.min_block_period"
            and "ImageBlockResponse.minimum_block_period" in case.ours
            and not case.right
        ),
    ),
    Fault(
        "data-size",
        "tshark reads as many octets of an Image Block Response as its data size says, and none if there are fewer;"
        " hanscope gives those that are there, and its transfers tell that they are too few.",
        lambda case: (
            case.field == "zbee_zcl_general.ota.image.data" and not case.right and "_ws.malformed" in case.shown
        ),
    ),
    Fault(
        "late-address",
        "tshark opens a frame whose nonce needs the sender's EUI-64 only if an earlier frame told it; hanscope uses"
        " what the whole capture tells.",
        _needs_an_address,
    ),
    Fault(
        "certificate",
        "tshark takes the first eight octets of a Key Agreement certificate in Other Information for a Supplementary"
        " Originator Counter, and the rest for the certificate.",
        lambda case: (
            case.field == f"{_GROUPING}.supplementary_remote_party_originator_counter"
            and not case.left
            and f"{_GROUPING}.supplementary_remote_party_ka_certificate" in case.shown
        ),
    ),
)
"""The first that applies explains a difference."""
