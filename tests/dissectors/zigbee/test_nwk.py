"""The NWK layer. Ids like N1 are cases that Scapy's own layers read wrong."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.codes import Cluster, Profile
from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, Nwk, NwkCommand, NwkSecurity, SecuredPayload, Zcl
from hanscope.dissectors.zigbee.aps import InterPanAps
from hanscope.dissectors.zigbee.clusters.messaging import DisplayMessage
from hanscope.dissectors.zigbee.nwk import (
    LinkPowerDelta,
    LinkPowerDeltaEntry,
    LinkStatus,
    LinkStatusEntry,
    NetworkReport,
    NetworkStatusCode,
    NwkFrameType,
    RouteRecord,
    RouteRequest,
)

Dissect = Callable[[type[Packet], str], list[Packet]]
MAC = "618801341201000200 "


def test_n1_the_multicast_control_octet_comes_before_the_payload(dissect: Dissect) -> None:
    _, nwk, aps, _ = dissect(Mac, MAC + "0801 0100 0200 1e 07 0d 0c 0100 0600 0401 01 55 015500")
    assert (nwk.multicast_mode, nwk.non_member_radius, nwk.maximum_non_member_radius) == (1, 3, 0)
    assert (aps.frame_type, aps.group_address, aps.cluster, aps.counter) == (0, 1, 6, 0x55)


def test_n1_the_multicast_control_octet_comes_before_the_source_route(dissect: Dissect) -> None:
    _, nwk, _ = dissect(Mac, MAC + "0805 0100 0200 1e07 0d 01 00 0300 1255")
    assert (nwk.multicast_mode, nwk.relay_count, nwk.relay_index, nwk.relays) == (1, 1, 0, [3])


def test_n2_the_end_device_initiator(dissect: Dissect) -> None:
    nwk, _ = dissect(Nwk, "0820 0100 0200 1e07 1255")
    assert nwk.end_device_initiator == 1


@pytest.mark.parametrize("frame", ["8c30 78563412e0", "0400 0100 0200 1e07 00"])
def test_n3_n4_other_protocol_versions_are_not_read_as_pro(dissect: Dissect, frame: str) -> None:
    nwk, rest = dissect(Nwk, frame)
    assert nwk.destination is None
    assert rest.octets == bytes.fromhex(frame)[2:]


def test_n5_the_reserved_frame_type_stays_undissected(dissect: Dissect) -> None:
    nwk, rest = dissect(Nwk, "0a00 0100 0200 1e07 aabb")
    assert nwk.frame_type == NwkFrameType.RESERVED
    assert rest.octets == bytes.fromhex("aabb")


def test_inter_pan_frames_have_no_addresses_but_a_payload(dissect: Dissect) -> None:
    """A touchlink scan request; fault I1."""
    nwk, aps, zcl, rest = dissect(Nwk, "0b00 0b 0010 5ec0 110000 12345678 05 12")
    assert (nwk.frame_type, nwk.source) == (NwkFrameType.INTER_PAN, None)
    assert type(aps) is InterPanAps
    assert (aps.cluster, aps.profile, aps.source_endpoint, aps.counter) == (0x1000, 0xC05E, None, None)
    assert (zcl.frame_type, zcl.command_identifier) == (1, 0)
    assert rest.octets == bytes.fromhex("123456780512")


def test_an_inter_pan_frame_reaches_the_smart_energy_clusters(dissect: Dissect) -> None:
    frame = "0b00 0b 0307 0901 09 01 00 01000000 02 00000000 ffff 02 6869"
    *_, message = dissect(Nwk, frame)
    assert (message.transmission, message.message) == (2, b"hi")
    aps = InterPanAps(delivery_mode=2, cluster=Cluster.MESSAGING, profile=Profile.SMART_ENERGY)
    body = DisplayMessage(message_id=1, transmission=2, duration_in_minutes=0xFFFF, message=b"hi")
    assert bytes(Nwk() / aps / Zcl(transaction_sequence_number=1) / body) == bytes.fromhex(frame)
    grouped = InterPanAps(group_address=5, cluster=1, profile=Profile.SMART_ENERGY)
    assert bytes(grouped) == bytes.fromhex("0f 0500 0100 0901")


@pytest.mark.parametrize("aps", ["00 01 1900 0901 01 11 01 42 03", "01 55 05 01", "4b"])
def test_what_is_no_inter_pan_payload_is_not_taken_for_a_frame_of_the_network(dissect: Dissect, aps: str) -> None:
    *_, last = dissect(Nwk, "0b00" + aps)
    assert type(last) in (Undissected, Malformed)


def test_n7_counts_follow_from_the_lists() -> None:
    nwk = Nwk(destination=1, source=2, sequence_number=7, relays=[3, 4], relay_index=1) / Aps(
        frame_type=2, ack_format=1, counter=0x55
    )
    assert bytes(nwk) == bytes.fromhex("0804 0100 0200 1e07 02 01 0300 0400 1255")
    assert bytes(NwkCommand() / RouteRecord(relays=[3, 4])) == bytes.fromhex("05 02 0300 0400")
    status = LinkStatus(entries=[LinkStatusEntry(network_address=3, incoming_cost=5, outgoing_cost=3)])
    assert bytes(NwkCommand() / status) == bytes.fromhex("08 61 0300 35")
    report = NetworkReport(extended_pan_id=1, pan_ids=[0x1234, 0x5678])
    assert bytes(NwkCommand() / report) == bytes.fromhex("09 02 0100000000000000 3412 7856")
    delta = LinkPowerDelta(entries=[LinkPowerDeltaEntry(network_address=3, power_delta_db=-2)])
    assert bytes(NwkCommand() / delta) == bytes.fromhex("0d 00 01 0300 fe")


def test_n8_frame_type_and_presence_bits_follow_from_what_is_given() -> None:
    command = NwkCommand() / RouteRequest(route_request_identifier=9, destination=3, destination_eui64=5)
    nwk = Nwk(destination=0xFFFC, source=2, source_eui64="11:22:33:44:55:66:77:88") / command
    assert bytes(nwk) == bytes.fromhex("0910 fcff 0200 1e00 8877665544332211 01 20 09 0300 00 0500000000000000")
    secured = Nwk(destination=1, source=2) / NwkSecurity(source_eui64=1, key_sequence_number=0) / SecuredPayload()
    assert secured.security == 1
    assert bytes(secured)[:2] == bytes.fromhex("0802")


@pytest.mark.parametrize(
    "command", ["05 02 0300", "08 63 0300 35 04", "0d 00 02 0300 fe", "09 02 8877665544332211 3412"]
)
def test_n9_lists_that_are_cut_short_are_malformed(dissect: Dissect, command: str) -> None:
    *_, last = dissect(NwkCommand, command)
    assert isinstance(last, Malformed)
    assert last.octets == bytes.fromhex(command)[1:]


def test_a_list_may_be_longer_than_scapy_allows(dissect: Dissect) -> None:
    _, record = dissect(NwkCommand, "05 c8" + "0300" * 200)
    assert len(record.relays) == 200


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("01 28 07 0300 02 8877665544332211", {"many_to_one": 1, "destination": 3, "path_cost": 2}),
        ("02 30 07 0300 0400 02 8877665544332211 0807060504030201", {"originator": 3, "responder": 4}),
        ("03 0c 0300", {"status": NetworkStatusCode.MANY_TO_ONE_ROUTE_FAILURE, "network_address": 3}),
        ("03 13 0300 0d", {"status": NetworkStatusCode.UNKNOWN_COMMAND, "unknown_command": 0x0D}),
        ("03 13 0300", {"unknown_command": None}),
        ("04 e0", {"rejoin": 1, "request": 1, "remove_children": 1}),
        ("06 8e", {"allocate_address": 1, "receiver_on_when_idle": 1, "mains_powered": 1, "full_function_device": 1}),
        ("07 3412 02", {"network_address": 0x1234, "status": 2}),
        ("0a 01 8877665544332211 05 3412", {"update_id": 5, "new_pan_ids": [0x1234]}),
        ("0b 03 00", {"requested_timeout": 3}),
        ("0c 00 05", {"data_poll_keep_alive": 1, "timeout_request_keep_alive": 0, "power_negotiation": 1}),
    ],
)
def test_commands(dissect: Dissect, command: str, values: dict[str, object]) -> None:
    _, layer = dissect(NwkCommand, command)
    assert {name: getattr(layer, name) for name in values} == values


def test_link_status_entries(dissect: Dissect) -> None:
    _, status = dissect(NwkCommand, "08 62 0300 35 0400 11")
    assert [(e.network_address, e.incoming_cost, e.outgoing_cost) for e in status.entries] == [(3, 5, 3), (4, 1, 1)]


def test_link_power_delta_entries_are_signed(dissect: Dissect) -> None:
    _, delta = dissect(NwkCommand, "0d 02 01 0300 fe")
    assert [(e.network_address, e.power_delta_db) for e in delta.entries] == [(3, -2)]


@pytest.mark.parametrize("command", ["0e 01", "3f aabb"])
def test_unknown_commands_stay_undissected(dissect: Dissect, command: str) -> None:
    _, rest = dissect(NwkCommand, command)
    assert rest.octets == bytes.fromhex(command)[1:]


def test_a_source_route_of_a_real_frame(dissect: Dissect) -> None:
    nwk, *_ = dissect(Nwk, "0806719c00001e16 01 00 4f25 28 01000000 8877665544332211 00 aabb 11223344")
    assert nwk.relays == [0x254F]
