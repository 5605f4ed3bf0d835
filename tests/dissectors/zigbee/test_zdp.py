"""The ZigBee Device Profile. Ids like Z1 are cases that Scapy's own layers read wrong."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import ZdpCommand, zdp_bodies, zdp_registered
from hypothesis import given, settings
from hypothesis import strategies as st
from opened import opened_aps
from scapy.packet import Packet
from trees import disagreement, leaves, trees

from hanscope.dissectors.layer import Malformed, Undissected, layers_of
from hanscope.dissectors.zigbee import Aps, Zdp
from hanscope.dissectors.zigbee.zdp import ZDP_COMMANDS

COMMANDS = zdp_registered()
Dissect = Callable[[type[Packet], str], list[Packet]]


def test_z1_responses_are_read(dissect: Dissect) -> None:
    *_, zdp, response = dissect(Aps, "00 00 0080 0000 00 55 01 00 8877665544332211 3412")
    assert zdp.transaction_sequence_number == 1
    assert type(response).__name__ == "NwkAddressResponse"
    assert (response.status, response.ieee_address, response.nwk_address) == (0, "11:22:33:44:55:66:77:88", 0x1234)
    assert response.associated_device_count is None


def test_an_extended_response_lists_the_children(dissect: Dissect) -> None:
    *_, response = dissect(Aps, "00 00 0180 0000 00 55 01 00 8877665544332211 3412 02 00 0100 0200")
    assert (response.associated_device_count, response.start_index, response.associated_devices) == (2, 0, [1, 2])
    *_, response = dissect(Aps, "00 00 0180 0000 00 55 01 00 8877665544332211 3412 00")
    assert (response.associated_device_count, response.start_index) == (0, None)
    *_, last = dissect(Aps, "00 00 0180 0000 00 55 01 00 8877665544332211 3412 02 00 0100")
    assert isinstance(last, Malformed)


def test_requests(dissect: Dissect) -> None:
    *_, by_address = dissect(Aps, "00 00 0100 0000 00 55 01 3412 01 05")
    assert (by_address.nwk_address, by_address.request_type, by_address.start_index) == (0x1234, 1, 5)
    *_, by_eui64 = dissect(Aps, "08 00 0000 0000 00 55 01 8877665544332211 00 00")
    assert by_eui64.ieee_address == "11:22:33:44:55:66:77:88"


def test_a_device_announcement(dissect: Dissect) -> None:
    *_, announce = dissect(Aps, "08 00 1300 0000 00 55 81 3412 8877665544332211 80")
    assert (announce.nwk_address, announce.ieee_address) == (0x1234, "11:22:33:44:55:66:77:88")
    assert (announce.allocate_address, announce.receiver_on_when_idle) == (1, 0)


@pytest.mark.parametrize("cluster", ["1000", "3700", "1080"])
def test_other_commands_stay_undissected(dissect: Dissect, cluster: str) -> None:
    *_, zdp, rest = dissect(Aps, f"00 00 {cluster} 0000 00 55 01 ff00")
    assert zdp.transaction_sequence_number == 1
    assert rest.octets == bytes.fromhex("ff00")


def test_z2_without_an_aps_header_nothing_is_guessed(dissect: Dissect) -> None:
    zdp, rest = dissect(Zdp, "01 3412 00 00")
    assert zdp.transaction_sequence_number == 1
    assert isinstance(rest, Undissected)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.title)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_command_that_is_built_and_read_has_the_same_fields(command: ZdpCommand, seed: int) -> None:
    for body in zdp_bodies(command, random.Random(seed)):
        octets = bytes(command.frame(body))
        aps, _, read = layers_of(Aps(octets))
        assert type(read) is command.layer
        for name in read.fields:
            assert str(getattr(body, name)) == str(getattr(read, name)), name
        aps.clear_cache()
        assert bytes(aps) == octets


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.title)
def test_a_command_cut_anywhere_is_malformed_or_shorter_never_an_error(command: ZdpCommand) -> None:
    for body in zdp_bodies(command, random.Random(7)):
        octets = bytes(command.frame(body))
        for length in range(9, len(octets)):
            packet = Aps(octets[:length])
            assert bytes(packet) == octets[:length]
            packet.show(dump=True)


OTHER_NAMES = {
    "allocate_address": ("cinfo.alloc",),
    "alternate_coordinator": ("cinfo.alt_coord",),
    "backup_binding_table_cache": ("server.bak_bind",),
    "backup_discovery_cache": ("server.bak_disc", "server.bak_bind"),
    "channel_in_use": ("channel_mask",),
    "channel_pages": ("channel_mask",),
    "children": ("ext_addr",),
    "destination_endpoint": ("bind.dst_ep",),
    "destination_group": ("bind.dst",),
    "destination_ieee_address": ("bind.dst64",),
    "device_address": ("ext_addr",),
    "device_type": ("table_entry_type",),
    "entries": ("ieee_joining_list.ieee",),
    "extended_active_endpoint_list_available": ("dcf.eaela",),
    "extended_address": ("ext_addr",),
    "extended_simple_descriptor_list_available": ("dcf.esdla",),
    "full_function_device": ("cinfo.ffd",),
    "ieee_address": ("ext_addr",),
    "logical_type": ("node.type",),
    "mains_powered": ("cinfo.power",),
    "many_to_one": ("routing.status", "routing.mto"),
    "memory_constrained": ("routing.status",),
    "network_address": ("addr",),
    "network_manager": ("server.nwk_mgr",),
    "primary_binding_table_cache": ("server.pri_bind",),
    "primary_discovery_cache": ("server.pri_disc",),
    "request_type": ("req_type",),
    "route_record_required": ("routing.status", "routing.rrec_req"),
    "scan_channels": ("channel_mask",),
    "scanned_channels": ("channel_mask",),
    "source_endpoint": ("bind.src_ep",),
    "source_ieee_address": ("bind.src64", "ext_addr"),
    "total_entries": ("table_size",),
    "transmission_failures": ("tx_fail",),
}
"""tshark's names of fields whose names have no word in common with ours."""
SHOWN_IN_PARTS = ("scan_channels", "scanned_channels", "channel_pages", "channel_in_use")
"""tshark takes page and mask apart."""
TSHARK_FAULTS = {
    # It takes the counts of clusters for two octets.
    ("EndDeviceBindRequest", "input_cluster_count"),
    ("EndDeviceBindRequest", "input_clusters"),
    ("EndDeviceBindRequest", "output_cluster_count"),
    ("EndDeviceBindRequest", "output_clusters"),
    # An empty list of children is no list.
    ("NwkAddressResponse", "associated_device_count"),
    ("IeeeAddressResponse", "associated_device_count"),
    # It is read, not shown.
    ("ManagementBindResponse", "destination_address_mode"),
    # It has a field for each band, and none for the APS flags.
    ("NodeDescriptorResponse", "frequency_band"),
    ("NodeDescriptorResponse", "aps_flags"),
}
MENDED = {
    ("NwkAddressResponse", "associated_device_count"),
    ("IeeeAddressResponse", "associated_device_count"),
    ("EndDeviceBindRequest", "input_clusters"),
    ("ManagementBindResponse", "destination_address_mode"),
}
"""Of these faults 4.4 and 4.6 have no more."""
MALFORMED_TO_TSHARK = {
    "EndDeviceBindRequest",
    # The tables are left out where the status is no success; tshark wants them all the same.
    "ManagementNwkDiscoveryResponse",
    "ManagementLqiResponse",
    "ManagementRoutingResponse",
    "ManagementBindResponse",
}


def _specimens() -> Iterator[tuple[ZdpCommand, bytes]]:
    dice = random.Random(3)
    for command in COMMANDS:
        for body in zdp_bodies(command, dice):
            yield command, bytes(command.frame(body))


def test_every_field_of_every_command_lies_where_tshark_has_it_and_has_its_value() -> None:
    specimens = list(_specimens())
    wrong: list[str] = []
    faults: set[tuple[str, str]] = set()
    malformed: set[str] = set()
    compared: set[str] = set()
    for (command, frame), shown in zip(specimens, trees([frame for _, frame in specimens]), strict=True):
        if shown.malformed:
            malformed.add(command.title)
        for leaf in leaves(frame, command.layer):
            compare = replace(leaf, value=None) if leaf.name in SHOWN_IN_PARTS else leaf
            why = disagreement(compare, frame, shown, OTHER_NAMES)
            if why is None:
                compared.add(command.title)
            elif (command.title, leaf.name) in TSHARK_FAULTS:
                faults.add((command.title, leaf.name))
            else:
                wrong.append(f"{command.title}.{why}")
    assert not wrong, "\n".join(wrong)
    assert compared == {command.title for command in COMMANDS}
    assert malformed == MALFORMED_TO_TSHARK
    assert faults in (TSHARK_FAULTS, TSHARK_FAULTS - MENDED)


@pytest.mark.parametrize(
    ("name", "key", "kinds"),
    [
        ("catsniffer-ota.tap.pcap", "f0ff6193c6880d107f540a4179ca7ea5", 7),
        ("hue-association.tap.pcap", "02398409245156e31d98a92157a8a66f", 12),
        ("hue-ota-ti-metadata.pcapng", "3c3465cf5c9eb97dbdb187050842224e", 12),
        ("silabs-application-link-key.pcapng", "321f5c2bfecd923ad71839c7b4e02f3d", 4),
    ],
)
def test_real_frames_are_read_as_tshark_reads_them(data: Path, name: str, key: str, kinds: int) -> None:
    found = [
        (packet[Zdp], frame)
        for frame in opened_aps(data / "captures" / name, bytes.fromhex(key))
        if Zdp in (packet := Aps(frame))
    ]
    wrong: list[str] = []
    for (zdp, frame), shown in zip(found, trees([frame for _, frame in found]), strict=True):
        kind = type(zdp.payload)
        assert kind in ZDP_COMMANDS.values(), frame.hex()
        assert not shown.malformed
        for leaf in leaves(frame, kind):
            compare = replace(leaf, value=None) if leaf.name in SHOWN_IN_PARTS else leaf
            why = disagreement(compare, frame, shown, OTHER_NAMES)
            if why is not None and (kind.__name__, leaf.name) not in TSHARK_FAULTS:
                wrong.append(why)
    assert not wrong
    assert len({type(zdp.payload) for zdp, _ in found}) == kinds
