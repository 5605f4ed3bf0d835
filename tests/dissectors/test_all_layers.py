"""What holds for all layers together: the same reading as tshark's, any octets at all, and the trace."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.packet import Packet, Raw

from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.layer import Malformed, MalformedError, Trace, layers_of, tracing
from hanscope.dissectors.zigbee import Aps, Nwk, NwkCommand

MAC = "618801341201000200 "
NWK = MAC + "0800 0100 0200 1e07 "
OTA = NWK + "00 40 1900 0401 0b 55 "

FRAMES = {
    "acknowledgement": "020093",
    "acknowledgement, frame pending": "120093",
    "empty data": "618801341201000200",
    "beacon request": "030842 ffff ffff 07",
    "association request": "23c85b 3412 0000 ffff e0c366090000ec18 01 8e",
    "association response": "63cc43 3412 e0c366090000ec18 8877665544332211 02 0100 00",
    "data request": "6388 5c 3412 0000 0100 04",
    "disassociation": "63cc5d 3412 8877665544332211 0807060504030201 03 02",
    "orphan notification": "43c810 ffff ffff 8877665544332211 06",
    "realignment": "43cc11 ffff 8877665544332211 0000000000000001 08 3412 0000 0b 0100",
    "realignment with a page": "43cc11 ffff 8877665544332211 0000000000000001 08 3412 0000 0b 0100 1c",
    "ZigBee beacon": "008012 3412 0000 ff4f 00 00 00 2284 8877665544332211 ffffff 05",
    "both PAN ids": "218822 3412 0100 7856 0200 0800 0100 0200 1e07 1255",
    "extended addresses": "61cc22 3412 8877665544332211 0807060504030201 0800 0100 0200 1e07 1255",
    "secured NWK data": MAC + "4802 0100 0200 1e07 28 01000000 8877665544332211 00 aabbccddeeff 11223344",
    "secured NWK command": MAC + "0912 fcff 0200 0107 8877665544332211 28 02000000 8877665544332211 01 aabb 11223344",
    "both NWK EUI-64": MAC + "0818 0100 0200 1e07 8877665544332211 0807060504030201 02 40 1900 0401 0b 55",
    "end device initiator": MAC + "0820 0100 0200 1e07 02 40 1900 0401 0b 55",
    "multicast": MAC + "0801 0100 0200 1e07 0d 0c 0100 0600 0401 01 55 015500",
    "source route": MAC + "0804 0100 0200 1e07 02 01 0300 0400 02 40 1900 0401 0b 55",
    "source route and multicast": MAC + "0805 0100 0200 1e07 0d 01 00 0300 0c 0100 0600 0401 01 55 015500",
    "route request": MAC + "0900 fcff 0200 1e07 01 28 07 0300 02 8877665544332211",
    "route reply": MAC + "0900 0100 0200 1e07 02 30 07 0300 0400 02 8877665544332211 0807060504030201",
    "network status": MAC + "0900 0100 0200 1e07 03 0c 0300",
    "leave": MAC + "0900 0100 0200 1e07 04 60",
    "route record": MAC + "0900 0100 0200 1e07 05 02 0300 0400",
    "rejoin request": MAC + "0900 0100 0200 1e07 06 80",
    "rejoin response": MAC + "0900 0100 0200 1e07 07 3412 00",
    "link status": MAC + "0900 fcff 0200 0107 08 62 0300 35 0400 11",
    "network report": MAC + "0900 0100 0200 1e07 09 02 8877665544332211 3412 7856",
    "network update": MAC + "0900 0100 0200 1e07 0a 01 8877665544332211 05 3412",
    "timeout request": MAC + "0900 0100 0200 1e07 0b 03 00",
    "timeout response": MAC + "0900 0100 0200 1e07 0c 00 03",
    "APS acknowledgement": NWK + "02 40 1900 0401 0b 55",
    "APS acknowledgement of a command": NWK + "12 55",
    "APS group": NWK + "0c 0500 0600 0401 01 55 015500",
    "APS broadcast": NWK + "08 ff 1900 0401 01 55 09 01 00 03 64 6811 0100 04030201",
    "APS secured": NWK + "20 40 1900 0401 0b 55 20 01000000 8877665544332211 aabbccdd 11223344",
    "APS secured without source": NWK + "20 40 1900 0401 0b 55 00 01000000 aabbccdd 11223344",
    "APS fragment acknowledgement": NWK + "82 05 1900 0401 05 d6 01 00 ff",
    "transport key, network": NWK + "01 55 05 01 000102030405060708090a0b0c0d0e0f 07 8877665544332211 0807060504030201",
    "transport key, trust centre link": NWK
    + "01 55 05 04 000102030405060708090a0b0c0d0e0f 8877665544332211 0807060504030201",
    "transport key, application link": NWK + "01 55 05 03 000102030405060708090a0b0c0d0e0f 8877665544332211 01",
    "update device": NWK + "01 55 06 8877665544332211 3412 01",
    "remove device": NWK + "01 55 07 8877665544332211",
    "request key": NWK + "01 55 08 04",
    "request key with a partner": NWK + "01 55 08 02 8877665544332211",
    "switch key": NWK + "01 55 09 07",
    "verify key": NWK + "41 ab 0f 04 cb67e7feff5f3250 a0b7df4d478a16ec6606791b60728147",
    "confirm key": NWK + "01 55 10 00 04 8877665544332211",
    "device announce": NWK + "08 00 1300 0000 00 55 81 3412 8877665544332211 8e",
    "IEEE address request": NWK + "00 00 0100 0000 00 55 01 3412 00 00",
    "IEEE address response": NWK + "00 00 0180 0000 00 55 01 00 8877665544332211 3412",
    "NWK address request": NWK + "00 00 0000 0000 00 55 01 8877665544332211 00 00",
    "NWK address response": NWK + "00 00 0080 0000 00 55 01 00 8877665544332211 3412",
    "read attributes": NWK + "00 01 0000 0401 01 55 00 01 00 0400 0500",
    "report, manufacturer specific": NWK + "00 01 0000 0401 01 55 1c 5f11 01 0a 0100 20 05",
    "default response": OTA + "18 01 0b 05 80",
    "image notify, jitter": OTA + "19 01 00 00 64",
    "image notify, manufacturer": OTA + "19 01 00 01 64 6811",
    "image notify, image type": OTA + "19 01 00 02 64 6811 0100",
    "image notify, file version": OTA + "19 01 00 03 64 6811 0100 04030201",
    "query next image": OTA + "01 02 01 00 6811 0100 04030201",
    "query next image with hardware version": OTA + "01 02 01 01 6811 0100 04030201 0500",
    "query next image response": OTA + "19 02 02 00 6811 0100 04030201 28700900",
    "no image": OTA + "19 02 02 98",
    "image block request": OTA + "01 03 03 00 6811 0100 04030201 df000000 28",
    "image block request with address": OTA + "01 03 03 01 6811 0100 04030201 df000000 28 8877665544332211",
    "image block request with period": OTA + "01 03 03 02 6811 0100 04030201 df000000 28 f401",
    "image block request with both": OTA + "01 03 03 03 6811 0100 04030201 df000000 28 8877665544332211 f401",
    "image page request": OTA + "01 04 04 00 6811 0100 04030201 46000000 40 0001 c800",
    "image page request with address": OTA + "01 04 04 01 6811 0100 04030201 46000000 40 0001 c800 8877665544332211",
    "image block": OTA + "19 03 05 00 6811 0100 04030201 df000000 04 deadbeef",
    "wait for data": OTA + "19 03 05 97 00000000 1e000000 f401",
    "abort": OTA + "19 03 05 95",
    "upgrade end request": OTA + "01 05 06 00 6811 0100 04030201",
    "upgrade end response": OTA + "19 05 07 6811 0100 04030201 0000002f ffffffff",
    "device specific file request": OTA + "01 06 08 8877665544332211 6811 c0ff 04030201 0200",
    "device specific file response": OTA + "19 06 09 00 6811 c0ff 04030201 28700900",
    "no device specific file": OTA + "19 06 09 98",
}
"""Plain frames of every kind, written by hand, without FCS."""


def _frame(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


ORACLE = {
    "wpan.frame_type": "Mac.frame_type",
    "wpan.security": "Mac.security_enabled",
    "wpan.pending": "Mac.frame_pending",
    "wpan.ack_request": "Mac.ack_request",
    "wpan.pan_id_compression": "Mac.pan_id_compression",
    "wpan.dst_addr_mode": "Mac.destination_addressing_mode",
    "wpan.version": "Mac.frame_version",
    "wpan.src_addr_mode": "Mac.source_addressing_mode",
    "wpan.seq_no": "Mac.sequence_number",
    "wpan.dst_pan": "Mac.destination_pan_id",
    "wpan.dst16": "Mac.destination_short",
    "wpan.dst64": "Mac.destination_extended",
    "wpan.src_pan": "Mac.source_pan_id",
    "wpan.src16": "Mac.source_short",
    "wpan.cmd": "MacCommand.command_identifier",
    "wpan.cinfo.alloc_addr": "AssociationRequest.allocate_address",
    "wpan.cinfo.idle_rx": "AssociationRequest.receiver_on_when_idle",
    "wpan.cinfo.power_src": "AssociationRequest.mains_powered",
    "wpan.asoc.addr": "AssociationResponse.assigned_short",
    "wpan.assoc.status": "AssociationResponse.status",
    "wpan.disassoc.reason": "DisassociationNotification.reason",
    "wpan.realign.pan": "CoordinatorRealignment.new_pan_id",
    "wpan.realign.channel": "CoordinatorRealignment.channel",
    "wpan.realign.channel_page": "CoordinatorRealignment.channel_page",
    "wpan.beacon_order": "MacBeacon.beacon_order",
    "wpan.superframe_order": "MacBeacon.superframe_order",
    "wpan.cap": "MacBeacon.final_cap_slot",
    "wpan.battery_ext": "MacBeacon.battery_life_extension",
    "wpan.bcn_coord": "MacBeacon.pan_coordinator",
    "wpan.assoc_permit": "MacBeacon.association_permit",
    "zbee_beacon.protocol": "BeaconPayload.protocol_id",
    "zbee_beacon.profile": "ZigbeeBeacon.stack_profile",
    "zbee_beacon.version": "ZigbeeBeacon.protocol_version",
    "zbee_beacon.router": "ZigbeeBeacon.router_capacity",
    "zbee_beacon.depth": "ZigbeeBeacon.device_depth",
    "zbee_beacon.end_dev": "ZigbeeBeacon.end_device_capacity",
    "zbee_beacon.ext_panid": "ZigbeeBeacon.extended_pan_id",
    "zbee_beacon.tx_offset": "ZigbeeBeacon.tx_offset",
    "zbee_beacon.update_id": "ZigbeeBeacon.update_id",
    "zbee_nwk.frame_type": "Nwk.frame_type",
    "zbee_nwk.proto_version": "Nwk.protocol_version",
    "zbee_nwk.discovery": "Nwk.discover_route",
    "zbee_nwk.multicast": "Nwk.multicast",
    "zbee_nwk.security": "Nwk.security",
    "zbee_nwk.src_route": "Nwk.source_route",
    "zbee_nwk.ext_dst": "Nwk.destination_eui64_present",
    "zbee_nwk.ext_src": "Nwk.source_eui64_present",
    "zbee_nwk.end_device_initiator": "Nwk.end_device_initiator",
    "zbee_nwk.dst": "Nwk.destination",
    "zbee_nwk.src": "Nwk.source",
    "zbee_nwk.radius": "Nwk.radius",
    "zbee_nwk.seqno": "Nwk.sequence_number",
    "zbee_nwk.dst64": "Nwk.destination_eui64",
    "zbee_nwk.src64": "Nwk.source_eui64",
    "zbee_nwk.multicast.mode": "Nwk.multicast_mode",
    "zbee_nwk.multicast.radius": "Nwk.non_member_radius",
    "zbee_nwk.multicast.max_radius": "Nwk.maximum_non_member_radius",
    "zbee_nwk.relay.count": "Nwk.relay_count",
    "zbee_nwk.relay.index": "Nwk.relay_index",
    "zbee_nwk.cmd.id": "NwkCommand.command_identifier",
    "zbee_nwk.cmd.route.opts.many2one": "RouteRequest.many_to_one",
    "zbee_nwk.cmd.route.dest_ext": "RouteRequest.destination_eui64",
    "zbee_nwk.cmd.route.orig": "RouteReply.originator",
    "zbee_nwk.cmd.route.resp": "RouteReply.responder",
    "zbee_nwk.cmd.route.orig_ext": "RouteReply.originator_eui64",
    "zbee_nwk.cmd.route.resp_ext": "RouteReply.responder_eui64",
    "zbee_nwk.cmd.status": "NetworkStatus.status",
    "zbee_nwk.cmd.leave.rejoin": "Leave.rejoin",
    "zbee_nwk.cmd.leave.request": "Leave.request",
    "zbee_nwk.cmd.leave.children": "Leave.remove_children",
    "zbee_nwk.cmd.relay_count": "RouteRecord.relay_count",
    "zbee_nwk.cmd.cinfo.alloc": "RejoinRequest.allocate_address",
    "zbee_nwk.cmd.rejoin_status": "RejoinResponse.status",
    "zbee_nwk.cmd.link.count": "LinkStatus.entry_count",
    "zbee_nwk.cmd.link.first": "LinkStatus.first_frame",
    "zbee_nwk.cmd.link.last": "LinkStatus.last_frame",
    "zbee_nwk.cmd.update.id": "NetworkUpdate.update_id",
    "zbee.sec.key_id": "NwkSecurity.key_identifier|ApsSecurity.key_identifier",
    "zbee.sec.ext_nonce": "NwkSecurity.extended_nonce|ApsSecurity.extended_nonce",
    "zbee.sec.counter": "NwkSecurity.frame_counter|ApsSecurity.frame_counter",
    "zbee.sec.key_seqno": "NwkSecurity.key_sequence_number|ApsSecurity.key_sequence_number",
    "zbee.sec.mic": "SecuredPayload.mic",
    "zbee_aps.type": "Aps.frame_type",
    "zbee_aps.delivery": "Aps.delivery_mode",
    "zbee_aps.security": "Aps.security",
    "zbee_aps.ack_req": "Aps.ack_request",
    "zbee_aps.ext_header": "Aps.extended_header",
    "zbee_aps.dst": "Aps.destination_endpoint",
    "zbee_aps.group": "Aps.group_address",
    "zbee_aps.profile": "Aps.profile",
    "zbee_aps.src": "Aps.source_endpoint",
    "zbee_aps.counter": "Aps.counter",
    "zbee_aps.fragmentation": "Aps.fragmentation",
    "zbee_aps.block": "Aps.block_number",
    "zbee_aps.block_acks": "Aps.ack_bitfield",
    "zbee_aps.cmd.id": "ApsCommand.command_identifier",
    "zbee_aps.cmd.key": "TransportKey.key",
    "zbee_aps.cmd.init_flag": "TransportKey.initiator_flag",
    "zbee_aps.cmd.update_status": "UpdateDevice.status",
    "zbee_aps.cmd.addr": "UpdateDevice.device_short",
    "zbee_aps.cmd.seqno": "TransportKey.key_sequence_number|SwitchKey.key_sequence_number",
    "zbee_aps.cmd.key_hash": "VerifyKey.hash",
    "zbee_zdp.seqno": "Zdp.transaction_sequence_number",
    "zbee_zdp.status": "NwkAddressResponse.status|IeeeAddressResponse.status",
    "zbee_zdp.cinfo.idle_rx": "DeviceAnnounce.receiver_on_when_idle",
    "zbee_zcl.type": "Zcl.frame_type",
    "zbee_zcl.ms": "Zcl.manufacturer_specific",
    "zbee_zcl.dir": "Zcl.server_to_client",
    "zbee_zcl.ddr": "Zcl.disable_default_response",
    "zbee_zcl.cmd.mc": "Zcl.manufacturer_code",
    "zbee_zcl.cmd.tsn": "Zcl.transaction_sequence_number",
    "zbee_zcl.cmd.id.rsp": "DefaultResponse.command_identifier",
    "zbee_zcl_general.ota.payload.type": "ImageNotify.payload_type",
    "zbee_zcl_general.ota.query_jitter": "ImageNotify.query_jitter",
    "zbee_zcl_general.ota.manufacturer_code": "*.manufacturer_code",
    "zbee_zcl_general.ota.image.type": "*.image_type",
    "zbee_zcl_general.ota.file.version": "*.file_version",
    "zbee_zcl_general.ota.query_next_image_req.field_ctrl.hw_ver_present": (
        "QueryNextImageRequest.hardware_version_present"
    ),
    "zbee_zcl_general.ota.image_block_req.field_ctrl.request_node_addr_present": (
        "ImageBlockRequest.request_node_address_present"
    ),
    "zbee_zcl_general.ota.image_block_req.field_ctrl.min_block_period": (
        "ImageBlockRequest.minimum_block_period_present"
    ),
    "zbee_zcl_general.ota.hw_ver": "QueryNextImageRequest.hardware_version",
    "zbee_zcl_general.ota.status": "*.status",
    "zbee_zcl_general.ota.image.size": "*.image_size",
    "zbee_zcl_general.ota.file.offset": "*.file_offset",
    "zbee_zcl_general.ota.max_data_size": "*.maximum_data_size",
    "zbee_zcl_general.ota.min_block_period": "*.minimum_block_period",
    "zbee_zcl_general.ota.ieee_addr": "*.request_node_address",
    "zbee_zcl_general.ota.page.size": "ImagePageRequest.page_size",
    "zbee_zcl_general.ota.rsp_spacing": "ImagePageRequest.response_spacing",
    "zbee_zcl_general.ota.current_time": "*.current_time",
    "zbee_zcl_general.ota.request_time": "*.request_time",
    "zbee_zcl_general.ota.upgrade_time": "*.upgrade_time",
    "zbee_zcl_general.ota.data_size": "ImageBlockResponse.data_size",
    "zbee_zcl_general.ota.image.data": "ImageBlockResponse.image_data",
    "zbee_zcl_general.ota.zb_stack.ver": "QueryDeviceSpecificFileRequest.zigbee_stack_version",
}
"""tshark's name of a field, and ours; `*`: of the OTA command, whichever it is."""

TSHARK_LEAVES_OUT = {("wait for data", "zbee_zcl_general.ota.min_block_period")}
"""tshark 4.0 shows the period of requests only; that of responses is checked in `zigbee/test_ota.py`."""


def _ours(packet: Packet, place: str) -> Any:
    fields = {type(layer).__name__: layer.fields for layer in layers_of(packet)}
    for one in place.split("|"):
        layer, name = one.split(".")
        if layer == "*":
            zcl = packet.getlayer("Zcl")
            layer = type(zcl.payload).__name__ if zcl and zcl.frame_type == 1 else ""
        if name in fields.get(layer, {}):
            return fields[layer][name]
    return None


def _theirs(text: str) -> Any:
    """A number or octets from tshark's text; of several values the first."""
    first = text.split(",", maxsplit=1)[0]
    if not first:
        return None
    if ":" in first:
        return int(first.replace(":", ""), 16)
    return int(first, 0) if first.startswith("0x") or first.isdigit() else bytes.fromhex(first)


def _same(ours: Any, text: str) -> bool:
    if isinstance(ours, bytes):
        return text.replace(":", "") == ours.hex()
    return ours == _theirs(text)


def test_every_field_of_every_kind_of_frame_is_what_tshark_reads(
    tshark: Callable[[list[bytes], list[str]], list[list[str]]],
) -> None:
    rows = tshark([_frame(text) for text in FRAMES.values()], ["_ws.malformed", *ORACLE])
    compared: set[str] = set()
    wrong: list[str] = []
    for (kind, text), (malformed, *values) in zip(FRAMES.items(), rows, strict=True):
        assert not malformed, kind
        packet = Mac(_frame(text))
        for (field, place), value in zip(ORACLE.items(), values, strict=True):
            ours = _ours(packet, place)
            if (kind, field) in TSHARK_LEAVES_OUT:
                assert value == ""
            elif not _same(ours, value):
                wrong.append(f"{kind}: {field} {value!r}, {place} {ours!r}")
            elif ours is not None:
                compared.add(field)
    assert not wrong, "\n".join(wrong)
    assert set(ORACLE) == compared


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_builds_the_octets_it_was_read_from(kind: str) -> None:
    octets = _frame(FRAMES[kind])
    packet = Mac(octets)
    assert bytes(packet) == octets
    assert not {"Malformed", "Raw", "Undissected"} & {type(layer).__name__ for layer in layers_of(packet)}


LONGEST_MAC_HEADER = 2 + 1 + 2 * (2 + 8)


def _read(entry: type[Packet], octets: bytes) -> Packet | None:
    try:
        return entry(octets)
    except MalformedError:
        return None


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_cut_anywhere_is_malformed_or_shorter_never_an_error(kind: str) -> None:
    octets = _frame(FRAMES[kind])
    for length in range(1, len(octets)):
        packet = _read(Mac, octets[:length])
        if packet is None:
            assert length < LONGEST_MAC_HEADER
        else:
            assert Raw not in packet
            assert bytes(packet) == octets[:length]


ANY_KIND = st.sampled_from(list(FRAMES.values())).map(_frame)
ENTRY = st.sampled_from([Mac, Nwk, Aps, NwkCommand])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame of a known kind with some octets changed, cut or added."""
    octets = bytearray(draw(ANY_KIND))
    for _ in range(draw(st.integers(0, 3))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(1, len(octets)))
    return bytes(octets[:cut]) + draw(st.binary(max_size=20))


@settings(max_examples=400, deadline=None)
@given(entry=ENTRY, octets=st.one_of(st.binary(min_size=1, max_size=130), damaged()))
def test_any_octets_are_read_without_error_and_none_are_lost(entry: type[Packet], octets: bytes) -> None:
    packet = _read(entry, octets)
    if packet is None:
        return
    packet.clear_cache()
    assert bytes(packet) == octets
    assert bytes(packet.copy()) == octets
    packet.show(dump=True)


@settings(max_examples=400, deadline=None)
@given(entry=ENTRY, octets=damaged(), stages=st.sampled_from([(), (Nwk, Aps, NwkCommand)]))
def test_the_trace_says_where_each_value_lies(
    entry: type[Packet], octets: bytes, stages: tuple[type[Packet], ...]
) -> None:
    trace = Trace(len(octets), stages)
    with tracing(trace):
        packet = _read(entry, octets)
    plain = _read(entry, octets)
    assert (packet is None) == (plain is None)
    for layer in trace.layers:
        for name, span in layer.spans.items():
            raw, value = octets[span.start : span.stop], layer.layer.fields[name]
            if span.bits is not None:
                shift, width = span.bits
                assert (raw[0] >> shift) & ((1 << width) - 1) == value
            elif isinstance(value, bytes):
                assert raw == value
            elif isinstance(value, int):
                assert int.from_bytes(raw, "little", signed=value < 0) == value
    if packet is not None and plain is not None and trace.next_stage is None:
        assert [type(layer) for layer in layers_of(packet)] == [type(layer) for layer in layers_of(plain)]


def _guards(octets: bytes) -> set[str]:
    trace = Trace(len(octets))
    with tracing(trace):
        Mac(octets)
    return {f"{type(layer.layer).__name__}.{name}" for layer in trace.layers for name in layer.reads & set(layer.spans)}


def test_a_block_response_is_guarded_by_its_control_bits_only() -> None:
    assert _guards(_frame(FRAMES["image block"])) == {
        *(f"Mac.{name}" for name in ("frame_type", "frame_version", "security_enabled", "pan_id_compression")),
        *("Mac.destination_addressing_mode", "Mac.source_addressing_mode"),
        *(f"Nwk.{name}" for name in ("frame_type", "protocol_version", "security", "multicast", "source_route")),
        *("Nwk.destination_eui64_present", "Nwk.source_eui64_present"),
        *(
            f"Aps.{name}"
            for name in ("frame_type", "delivery_mode", "security", "extended_header", "profile", "cluster")
        ),
        *(f"Zcl.{name}" for name in ("frame_type", "manufacturer_specific", "command_identifier")),
        "ImageBlockResponse.status",
    }


@pytest.mark.parametrize("kind", ["image block", "secured NWK data", "APS secured", "report, manufacturer specific"])
def test_what_reaches_to_the_end_makes_one_layout_for_all_lengths(kind: str) -> None:
    octets = _frame(FRAMES[kind])
    short, long = Trace(len(octets)), Trace(len(octets) + 7)
    with tracing(short):
        Mac(octets)
    with tracing(long):
        Mac(octets + bytes(7))
    assert not short.exact
    assert not long.exact
    assert short.least == long.least < len(octets)


def test_a_frame_that_stops_before_a_promised_payload_is_malformed() -> None:
    last = list(layers_of(Mac(_frame(OTA + "19 03 05"))))[-1]
    assert isinstance(last, Malformed)
    assert (last.octets, last.layer, last.field) == (b"", b"ImageBlockResponse", b"status")


def test_no_layer_of_scapys_own_is_imported() -> None:
    """They would double the import time, open netlink sockets and bind payloads behind our back."""
    code = "import sys, hanscope.dissectors.ieee802154; print([m for m in sys.modules if m.startswith('scapy.layers')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
