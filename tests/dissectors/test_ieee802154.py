"""The MAC layer. Ids like M1 are cases that Scapy's own layers read wrong."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.ieee802154 import (
    MOST_ELEMENTS,
    AddressingMode,
    AssociationRequest,
    AssociationResponse,
    GtsDescriptor,
    HeaderInformationElement,
    Mac,
    MacBeacon,
    MacCommand,
    MacCommandIdentifier,
    MacFrameType,
    PayloadInformationElement,
)
from hanscope.dissectors.layer import Malformed, MalformedError, Undissected, layers_of
from hanscope.dissectors.zigbee import Aps, Nwk, ZigbeeBeacon

Dissect = Callable[[type[Packet], str], list[Packet]]


def names(layers: list[Packet]) -> list[str]:
    return [type(layer).__name__ for layer in layers]


def test_m1_a_source_without_destination(dissect: Dissect) -> None:
    mac, command = dissect(Mac, "23800134120200 04")
    assert (mac.source_pan_id, mac.source_short) == (0x1234, 2)
    assert mac.destination_pan_id is None
    assert mac.destination_short is None
    assert command.command_identifier == MacCommandIdentifier.DATA_REQUEST


def test_m2_building_a_source_without_destination() -> None:
    packet = Mac(ack_request=1, sequence_number=1, source_pan_id=0x1234, source_short=2) / MacCommand(
        command_identifier=MacCommandIdentifier.DATA_REQUEST
    )
    assert bytes(packet) == bytes.fromhex("23800134120200 04")


def test_m3_version_2_extended_addresses_have_only_a_destination_pan(dissect: Dissect) -> None:
    mac, nwk, _ = dissect(Mac, "21ec013412 8877665544332211 1122334455667788 0800 0100 0200 1e07 1255")
    assert mac.destination_pan_id == 0x1234
    assert mac.source_pan_id is None
    assert mac.source_extended == "88:77:66:55:44:33:22:11"
    assert nwk.destination == 1


@pytest.mark.parametrize(
    ("header", "destination_pan_id", "source_pan_id"),
    [
        ("0120 01", None, None),
        ("4120 01 3412", 0x1234, None),
        ("0128 01 3412 0100", 0x1234, None),
        ("4128 01 0100", None, None),
        ("012c 01 3412 8877665544332211", 0x1234, None),
        ("412c 01 8877665544332211", None, None),
        ("01a0 01 3412 0200", None, 0x1234),
        ("41a0 01 0200", None, None),
        ("01e0 01 3412 8877665544332211", None, 0x1234),
        ("41e0 01 8877665544332211", None, None),
        ("01ec 01 3412 8877665544332211 0807060504030201", 0x1234, None),
        ("41ec 01 8877665544332211 0807060504030201", None, None),
        ("01a8 01 3412 0100 7856 0200", 0x1234, 0x5678),
        ("41a8 01 3412 0100 0200", 0x1234, None),
        ("01e8 01 3412 0100 7856 8877665544332211", 0x1234, 0x5678),
        ("41e8 01 3412 0100 8877665544332211", 0x1234, None),
        ("01ac 01 3412 8877665544332211 7856 0200", 0x1234, 0x5678),
        ("41ac 01 3412 8877665544332211 0200", 0x1234, None),
    ],
)
def test_m4_version_2_pan_ids_follow_table_7_2_of_2015(
    dissect: Dissect, tshark: Callable[..., list[list[str]]], header: str, destination_pan_id: int, source_pan_id: int
) -> None:
    (mac,) = dissect(Mac, header)
    assert (mac.destination_pan_id, mac.source_pan_id) == (destination_pan_id, source_pan_id)
    ((theirs_destination, theirs_source),) = tshark([bytes.fromhex(header)], ["wpan.dst_pan", "wpan.src_pan"])
    assert theirs_destination == ("" if destination_pan_id is None else f"0x{destination_pan_id:04x}")
    assert theirs_source == ("" if source_pan_id is None else f"0x{source_pan_id:04x}")


def test_m5_a_suppressed_sequence_number(dissect: Dissect) -> None:
    mac, nwk, _ = dissect(Mac, "61a93412010002000800010002001e07 1255")
    assert mac.sequence_number is None
    assert (mac.destination_short, mac.source_short) == (1, 2)
    assert nwk.source == 2


def test_sequence_number_suppression_means_nothing_before_version_2(dissect: Dissect) -> None:
    (mac,) = dissect(Mac, "6189 07 3412 0100 0200")
    assert mac.sequence_number == 7


def test_m6_information_elements_are_passed_over(dissect: Dissect) -> None:
    mac, end, command = dissect(Mac, "032a013412ffff 803f 07")
    assert mac.destination_short == 0xFFFF
    assert end.element_id == 0x7F
    assert command.command_identifier == MacCommandIdentifier.BEACON_REQUEST
    layers = dissect(Mac, "61aa01341201000200 0600 1b194a400005 803f 0800010002001e07 1255")
    assert names(layers) == ["Mac", "HeaderInformationElement", "HeaderInformationElement", "Nwk", "Aps"]
    assert layers[1].content == bytes.fromhex("1b194a400005")
    assert layers[2].element_id == 0x7F
    assert layers[3].source == 2


def test_payload_information_elements_are_passed_over(dissect: Dissect) -> None:
    layers = dissect(Mac, "61aa01341201000200 003f 0590 1b194a0102 00f8 0800010002001e07 1255")
    assert names(layers)[1:] == ["HeaderInformationElement", *["PayloadInformationElement"] * 2, "Nwk", "Aps"]
    assert layers[2].content == bytes.fromhex("1b194a0102")
    assert layers[2].group_id == 2


def test_payload_information_elements_that_are_promised_and_missing_are_malformed(dissect: Dissect) -> None:
    _, end, last = dissect(Mac, "032a013412ffff 003f 07")
    assert end.element_id == 0x7E
    assert (last.layer, last.octets) == (b"PayloadInformationElement", b"\x07")


def test_information_elements_build_their_lengths() -> None:
    packet = Mac(bytes.fromhex("61aa01341201000200 0600 1b194a400005"))
    packet[HeaderInformationElement].length = None
    assert packet[HeaderInformationElement].length == 6
    assert bytes(PayloadInformationElement(group_id=2, content=bytes(300))) == bytes.fromhex("2c91") + bytes(300)


def test_endless_information_elements_stop_at_a_limit() -> None:
    layers = list(layers_of(Mac(bytes.fromhex("61aa01341201000200") + bytes(2000))))
    assert names(layers) == ["Mac", *["HeaderInformationElement"] * MOST_ELEMENTS, "Undissected"]


def test_m7_an_enhanced_beacon_has_no_superframe(dissect: Dissect) -> None:
    mac, rest = dissect(Mac, "00a00134120000ffcf0000")
    assert mac.source_short == 0
    assert isinstance(rest, Undissected)
    assert rest.octets == bytes.fromhex("ffcf0000")


def test_m8_an_enhanced_acknowledgement_keeps_its_address(dissect: Dissect) -> None:
    (mac,) = dissect(Mac, "02289134120100")
    assert (mac.frame_type, mac.destination_pan_id, mac.destination_short) == (2, 0x1234, 1)


@pytest.mark.parametrize("frame", ["2501aabb", "2601aabb", "2701aabb", "2401aabb", "61b801341201000200"])
def test_m9_m10_unknown_formats_stop_behind_the_frame_control(dissect: Dissect, frame: str) -> None:
    mac, rest = dissect(Mac, frame)
    assert mac.sequence_number is None
    assert rest.octets == bytes.fromhex(frame)[2:]


def test_m11_security_of_2003_is_not_read_as_that_of_2006(dissect: Dissect) -> None:
    mac, rest = dissect(Mac, "698801341201000200 0102030405060708")
    assert mac.source_short == 2
    assert mac.frame_counter is None
    assert rest.octets == bytes.fromhex("0102030405060708")


def test_m12_a_suppressed_frame_counter(dissect: Dissect) -> None:
    mac, secured = dissect(Mac, "69a801341201000200 2d07 aabbccdd11223344")
    assert mac.frame_counter is None
    assert (mac.key_index, mac.security_level) == (7, 5)
    assert secured.ciphertext == bytes.fromhex("aabbccdd")


def test_m13_a_mic_is_no_payload(dissect: Dissect) -> None:
    mac, secured = dissect(Mac, "699801341201000200 0201000000 0800010002001e070000 aabbccddeeff0011")
    assert mac.frame_counter == 1
    assert secured.ciphertext == bytes.fromhex("0800010002001e070000")
    assert secured.mic == bytes.fromhex("aabbccddeeff0011")


@pytest.mark.parametrize(("control", "mic"), [(1, 4), (2, 8), (3, 16), (4, 0), (5, 4), (6, 8), (7, 16)])
def test_the_mic_is_as_long_as_the_security_level_says(dissect: Dissect, control: int, mic: int) -> None:
    payload = bytes(range(20))
    _, secured = dissect(Mac, f"699801341201000200 {control:02x}01000000 {payload.hex()}")
    assert secured.ciphertext == payload[: 20 - mic]
    assert (secured.mic if mic else b"") == payload[20 - mic :]


def test_key_sources(dissect: Dissect) -> None:
    mac, _ = dissect(Mac, "699801341201000200 1501000000 aabbccdd 09 01 11223344")
    assert (mac.key_source_short, mac.key_index) == (0xDDCCBBAA, 9)
    mac, _ = dissect(Mac, "699801341201000200 1d01000000 8877665544332211 09 01 11223344")
    assert (mac.key_source_extended, mac.key_index) == ("11:22:33:44:55:66:77:88", 9)


def test_m14_a_command_identifier_is_encrypted_from_2015_on(dissect: Dissect) -> None:
    layers = dissect(Mac, "6ba8013412000002000601000000aabbccddeeff00112233")
    assert names(layers) == ["Mac", "MacSecuredPayload64"]


def test_up_to_2006_a_command_identifier_is_never_encrypted(dissect: Dissect) -> None:
    """A secured data request of a Thread network: nothing between its identifier and the MIC."""
    mac, command, secured = dissect(Mac, "6b9891dec0008401840d0600000001 04 a9ed57ce")
    assert (mac.key_index, command.command_identifier, secured.ciphertext) == (1, 4, b"")
    assert secured.mic == bytes.fromhex("a9ed57ce")


def test_up_to_2006_only_the_payload_of_a_beacon_is_encrypted(dissect: Dissect) -> None:
    _, beacon, secured = dissect(Mac, "0890 01 3412 0000 0501000000 ffcf 00 00 aabb 11223344")
    assert (beacon.beacon_order, secured.ciphertext) == (15, b"\xaa\xbb")


def test_m15_gts_descriptors_come_before_the_pending_addresses(dissect: Dissect) -> None:
    _, beacon = dissect(Mac, "00800134120000ffcf 82 03 030012 040034 11 2200 8877665544332211")
    assert [(gts.device_short, gts.starting_slot, gts.length) for gts in beacon.gts_list] == [(3, 2, 1), (4, 4, 3)]
    assert beacon.gts_directions == 3
    assert beacon.pending_short == [0x22]
    assert beacon.pending_extended == [0x1122334455667788]


def test_m15_beacon_counts_are_built_from_the_lists() -> None:
    beacon = MacBeacon(gts_list=[GtsDescriptor(device_short=3)], gts_directions=1, pending_short=[1, 2])
    assert bytes(Mac(source_pan_id=0x1234, source_short=0) / beacon) == bytes.fromhex(
        "008000 3412 0000 ff0f 01 01 030000 02 0100 0200"
    )


def test_m16_a_beacon_of_another_protocol_is_not_zigbee(dissect: Dissect) -> None:
    thread = dissect(Mac, "00c089dec0010000000099999 9ff0f0000 03 91 4e657473")
    assert names(thread) == ["Mac", "MacBeacon", "BeaconPayload", "Undissected"]
    zigbee = dissect(Mac, "008012 3412 0000 ff4f 00 00 00 2284 8877665544332211 010203 05")
    assert names(zigbee)[-1] == "ZigbeeBeacon"
    assert zigbee[-1].tx_offset == 197121  # fault B1
    assert names(dissect(Mac, "008012 3412 0000 ff4f 00 00")) == ["Mac", "MacBeacon"]


def test_m17_a_reserved_addressing_mode_stops_behind_the_sequence_number(dissect: Dissect) -> None:
    mac, rest = dissect(Mac, "418401341201020008")
    assert mac.destination_addressing_mode == AddressingMode.RESERVED
    assert mac.sequence_number == 1
    assert rest.octets == bytes.fromhex("341201020008")


@pytest.mark.parametrize("frame", ["41", "4188", "418801", "41880134", "618801341201000"])
def test_m19_a_header_that_is_cut_short_says_where(frame: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Mac(bytes.fromhex(frame.ljust(len(frame) + len(frame) % 2, "0"))[: len(frame) // 2])
    assert caught.value.layer == "Mac"


def test_m22_data_that_is_not_zigbee_pro_is_not_read_as_such(dissect: Dissect) -> None:
    layers = dissect(Mac, "41d801ffffffff0201000000000000 7f33f03d")
    assert names(layers) == ["Mac", "Nwk", "Undissected"]
    assert layers[1].destination is None


def test_m23_the_command_identifier_follows_from_the_payload() -> None:
    packet = Mac(sequence_number=0x5B, ack_request=1, destination_pan_id=0x1234, destination_short=0)
    packet.source_pan_id, packet.source_extended = 0xFFFF, "00:12:4b:00:01:02:03:04"
    packet /= MacCommand() / AssociationRequest(allocate_address=1, receiver_on_when_idle=1, full_function_device=1)
    assert bytes(packet) == bytes.fromhex("23c85b 3412 0000 ffff 04030201004b1200 01 8a")
    response = MacCommand() / AssociationResponse(assigned_short=1)
    assert bytes(response) == bytes.fromhex("02 0100 00")


def test_the_frame_type_follows_from_the_payload() -> None:
    assert Mac(sequence_number=5).frame_type == MacFrameType.ACKNOWLEDGEMENT
    assert bytes(Mac(sequence_number=0x93)) == bytes.fromhex("020093")
    assert (Mac(destination_short=1) / Nwk() / Aps()).frame_type == MacFrameType.DATA
    assert (Mac() / MacBeacon()).frame_type == MacFrameType.BEACON


def test_a_data_frame_may_be_empty_but_a_command_may_not(dissect: Dissect) -> None:
    assert names(dissect(Mac, "618801341201000200")) == ["Mac"]
    _, malformed = dissect(Mac, "638801341201000200")
    assert isinstance(malformed, Malformed)


def test_a_zigbee_beacon_that_is_cut_short_is_malformed(dissect: Dissect) -> None:
    layers = dissect(Mac, "008012 3412 0000 ff4f 00 00 00 2284 8877")
    assert layers[-1].layer == b"ZigbeeBeacon"
    assert layers[-1].field == b"extended_pan_id"
    assert layers[-1].octets == bytes.fromhex("22848877")
    assert ZigbeeBeacon not in Mac(bytes(layers[0]))
