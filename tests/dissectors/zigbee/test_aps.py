"""The APS layer. Ids like A1 are cases that Scapy's own layers read wrong; EUI-64s of 50:32:5f are from real frames."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import (
    Aps,
    ApsCommand,
    ApsSecurity,
    DefaultResponse,
    Fragment,
    SecuredPayload,
    SwitchKey,
    TransportKey,
    Zcl,
)
from hanscope.dissectors.zigbee.aps import (
    ApsCommandIdentifier,
    ApsFrameType,
    DeliveryMode,
    Fragmentation,
    KeyType,
    RequestedKeyType,
    Skke1,
    Skke3,
)

Dissect = Callable[[type[Packet], str], list[Packet]]

NODE = "50:32:5f:ff:fe:e7:67:cb"
TRUST_CENTRE = "50:32:5f:ff:fe:e7:67:72"


def names(layers: list[Packet]) -> list[str]:
    return [type(layer).__name__ for layer in layers]


def test_a1_fragments_are_not_taken_apart(dissect: Dissect) -> None:
    aps, first = dissect(Aps, "c0 05 1900 0401 05 d6 | 01 03 | 19 01 05 00 0110 1110 10010101 00000000 df")
    assert (aps.fragmentation, aps.block_number, aps.counter) == (Fragmentation.FIRST, 3, 0xD6)
    assert first.octets == bytes.fromhex("1901050001101110 10010101 00000000 df")
    aps, later = dissect(Aps, "c0 05 1900 0401 05 d6 | 02 02 | aabbccddee")
    assert (aps.fragmentation, aps.block_number) == (Fragmentation.LATER, 2)
    assert isinstance(later, Fragment)


def test_an_acknowledgement_of_fragments(dissect: Dissect) -> None:
    (aps,) = dissect(Aps, "82 05 1900 0401 05 d6 | 01 00 ff")
    assert (aps.frame_type, aps.block_number, aps.ack_bitfield) == (ApsFrameType.ACKNOWLEDGEMENT, 0, 0xFF)


def test_an_extended_header_without_fragmentation(dissect: Dissect) -> None:
    aps, zcl, _ = dissect(Aps, "80 40 1900 0401 0b 55 00 18 01 0b 05 80")
    assert aps.block_number is None
    assert zcl.command_identifier == 0x0B


def test_a2_the_reserved_fragmentation_value_has_a_block_number(dissect: Dissect) -> None:
    aps, zcl, _ = dissect(Aps, "80 01 0600 0401 01 55 03 01 18 01 0b 05 80")
    assert (aps.fragmentation, aps.block_number) == (3, 1)
    assert zcl.transaction_sequence_number == 1


def test_a3_the_extended_header_of_a_command(dissect: Dissect) -> None:
    aps, command, key = dissect(Aps, "81 55 00 0804")
    assert aps.fragmentation == Fragmentation.NONE
    assert command.command_identifier == 8
    assert key.key_type == RequestedKeyType.TRUST_CENTER_LINK


@pytest.mark.parametrize("control", ["04", "06"])
def test_a4_indirect_delivery_is_not_guessed(dissect: Dissect, control: str) -> None:
    aps, rest = dissect(Aps, control + "01 0600 0401 01 55 0102")
    assert aps.delivery_mode == DeliveryMode.INDIRECT
    assert aps.cluster is None
    assert rest.octets == bytes.fromhex("010600040101550102")


def test_a5_an_acknowledgement_to_a_group(dissect: Dissect) -> None:
    (aps,) = dissect(Aps, "0e 0100 0600 0401 01 55")
    assert (aps.group_address, aps.destination_endpoint, aps.cluster) == (1, None, 6)


def test_a6_an_inter_pan_frame_has_no_endpoints_and_no_counter(dissect: Dissect) -> None:
    aps, zcl, rest = dissect(Aps, "0b 0010 5ec0 110000 12345678 05 12")
    assert (aps.cluster, aps.profile, aps.counter, aps.source_endpoint) == (0x1000, 0xC05E, None, None)
    assert (zcl.transaction_sequence_number, zcl.command_identifier) == (0, 0)
    assert isinstance(rest, Undissected)


def test_a7_a_built_frame_is_not_marked_secured() -> None:
    aps = Aps(cluster=0x19, counter=0x55, destination_endpoint=0x40, source_endpoint=0x0B)
    packet = (
        aps
        / Zcl(transaction_sequence_number=1, disable_default_response=1)
        / DefaultResponse(command_identifier=5, status=0x80)
    )
    assert bytes(packet) == bytes.fromhex("00 40 1900 0401 0b 55 10 01 0b 05 80")


def test_a8_a_built_command_is_a_command() -> None:
    assert bytes(Aps(counter=0x55) / ApsCommand() / SwitchKey(key_sequence_number=7)) == bytes.fromhex("01 55 09 07")
    secured = Aps(counter=0x55) / ApsSecurity(frame_counter=1) / SecuredPayload(ciphertext=b"\xaa", mic=bytes(4))
    assert bytes(secured) == bytes.fromhex("20 01 0000 0401 01 55 00 01000000 aa 00000000")
    assert bytes(Aps(counter=0x55, fragmentation=1, block_number=3) / Fragment(octets=b"\xaa")) == bytes.fromhex(
        "80 01 0000 0401 01 55 01 03 aa"
    )
    assert bytes(Aps(group_address=5, counter=0x55, cluster=6) / Zcl()) == bytes.fromhex(
        "0c 0500 0600 0401 01 55 00 00 00"
    )


@pytest.mark.parametrize("profile", ["017f", "ffff"])
def test_a9_only_profiles_with_a_cluster_library_carry_it(dissect: Dissect, profile: str) -> None:
    aps, rest = dissect(Aps, f"00 f0 0100 {profile} f0 55 0a0b0c")
    assert aps.profile == int.from_bytes(bytes.fromhex(profile), "little")
    assert isinstance(rest, Undissected)


@pytest.mark.parametrize("profile", ["0401", "0901", "5ec0", "0501", "e0a1"])
def test_public_profiles_carry_the_cluster_library(dissect: Dissect, profile: str) -> None:
    assert names(dissect(Aps, f"00 01 1900 {profile} 01 55 10 01 0b 05 80")) == ["Aps", "Zcl", "DefaultResponse"]


@pytest.mark.parametrize("control", ["12 ab", "32 89 00 01800100 8a7b2fc1"])
def test_acknowledgements_of_commands(dissect: Dissect, control: str) -> None:
    aps, *rest = dissect(Aps, control)
    assert (aps.ack_format, aps.cluster) == (1, None)
    assert names(rest) == (["ApsSecurity", "SecuredPayload"] if rest else [])


def test_octets_behind_an_acknowledgement_stay_undissected(dissect: Dissect) -> None:
    assert names(dissect(Aps, "12 ab cc")) == ["Aps", "Undissected"]


def test_c1_switch_key_has_one_octet(dissect: Dissect) -> None:
    *_, switch = dissect(Aps, "01 55 09 07")
    assert switch.key_sequence_number == 7
    *_, switch = dissect(Aps, "09 5d 09 01")
    assert switch.key_sequence_number == 1


def test_c2_of_an_unknown_key_type_only_the_type_is_read(dissect: Dissect) -> None:
    *_, key, rest = dissect(Aps, "01 55 05 07" + "11" * 16)
    assert (key.key_type, key.key) == (7, None)
    assert len(rest.octets) == 16


def test_c3_key_type_2_asks_for_an_application_link_key(dissect: Dissect) -> None:
    *_, request = dissect(Aps, "01 55 08 02 8877665544332211")
    assert request.partner_eui64 == "11:22:33:44:55:66:77:88"
    assert "key_type  = APPLICATION_LINK" in request.show(dump=True)


def test_c5_a_tunnelled_frame_is_an_aps_frame_of_its_own(dissect: Dissect) -> None:
    *_, tunnel = dissect(Aps, "01 42 0e 8567e7feff5f3250 21 43 30 03200000 7267e7feff5f3250 aabbccdd 11223344")
    assert tunnel.destination_eui64 == "50:32:5f:ff:fe:e7:67:85"
    inner, security, payload = dissect(Aps, tunnel.tunnelled_frame.hex())
    assert (inner.frame_type, inner.counter) == (ApsFrameType.COMMAND, 0x43)
    assert (security.key_identifier, security.frame_counter, security.source_eui64) == (2, 0x2003, TRUST_CENTRE)
    assert payload.mic == bytes.fromhex("11223344")


def test_transport_of_the_network_key(dissect: Dissect) -> None:
    *_, key = dissect(Aps, "01 86 05 01 321f5c2bfecd923ad71839c7b4e02f3d 00 cb67e7feff5f3250 7267e7feff5f3250")
    assert key.key_type == KeyType.STANDARD_NETWORK
    assert key.key == bytes.fromhex("321f5c2bfecd923ad71839c7b4e02f3d")
    assert (key.key_sequence_number, key.destination_eui64, key.source_eui64) == (0, NODE, TRUST_CENTRE)


def test_a_new_network_key_for_all(dissect: Dissect) -> None:
    *_, key = dissect(Aps, "09 5c | 05 01 fa7d761abbe036588d89fe6ff593525b 01 0000000000000000 7267e7feff5f3250")
    assert key.fields["destination_eui64"] == 0
    assert key.key_sequence_number == 1


def test_transport_of_a_trust_centre_link_key(dissect: Dissect) -> None:
    *_, key = dissect(Aps, "01 88 05 04 932ac561faf2d5df4b6ab40df3f61da0 cb67e7feff5f3250 7267e7feff5f3250")
    assert (key.key_type, key.destination_eui64) == (KeyType.TRUST_CENTER_LINK, NODE)
    assert key.key_sequence_number is None


def test_transport_of_an_application_link_key(dissect: Dissect) -> None:
    *_, key = dissect(Aps, "01 88 05 03 e9bb0bae8e63cebc5bdc00e563e38cad 8567e7feff5f3250 00")
    assert (key.partner_eui64, key.initiator_flag) == ("50:32:5f:ff:fe:e7:67:85", 0)
    assert key.destination_eui64 is None


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("08 04", {"key_type": 4, "partner_eui64": None}),
        ("0f 04 cb67e7feff5f3250 a0b7df4d478a16ec6606791b60728147", {"key_type": 4, "source_eui64": NODE}),
        ("10 00 04 cb67e7feff5f3250", {"status": 0, "key_type": 4, "destination_eui64": NODE}),
        ("06 cb67e7feff5f3250 282b 01", {"device_eui64": NODE, "device_short": 0x2B28, "status": 1}),
        ("07 cb67e7feff5f3250", {"target_eui64": NODE}),
    ],
)
def test_other_commands(dissect: Dissect, command: str, values: dict[str, object]) -> None:
    *_, layer = dissect(Aps, "01 55" + command)
    assert {name: getattr(layer, name) for name in values} == values


def test_symmetric_key_establishment(dissect: Dissect) -> None:
    *_, command, skke = dissect(Aps, "01 55 03 8877665544332211 cb67e7feff5f3250" + "a0" * 16)
    assert command.command_identifier == ApsCommandIdentifier.SKKE_3
    assert type(skke) is Skke3
    assert (skke.initiator_eui64, skke.responder_eui64) == ("11:22:33:44:55:66:77:88", NODE)
    assert skke.data == b"\xa0" * 16
    assert bytes(ApsCommand() / Skke1(initiator_eui64=1, data=bytes(16))) == b"\1\1" + bytes(31)
    *_, last = dissect(Aps, "01 55 01 8877665544332211 cb67e7feff5f3250" + "a0" * 15)
    assert last.field == b"data"


@pytest.mark.parametrize(("command", "name"), [("0a", "INITIATOR_CHALLENGE"), ("11", "RELAY_DOWNSTREAM")])
def test_commands_that_are_not_taken_apart_have_names(dissect: Dissect, command: str, name: str) -> None:
    _, header, rest = dissect(Aps, f"01 55 {command} 0102")
    assert name in header.show(dump=True)
    assert rest.octets == b"\1\2"


@pytest.mark.parametrize("command", ["0a 00", "11 00", "ff 00"])
def test_unknown_commands_stay_undissected(dissect: Dissect, command: str) -> None:
    assert names(dissect(Aps, "01 55" + command)) == ["Aps", "ApsCommand", "Undissected"]


def test_a_key_that_is_cut_short_is_malformed(dissect: Dissect) -> None:
    *_, last = dissect(Aps, "01 55 05 01 321f5c2bfecd923ad71839c7b4e02f")
    assert isinstance(last, Malformed)
    assert (last.layer, last.field) == (b"TransportKey", b"key")


def test_a_secured_command_of_a_real_frame(dissect: Dissect) -> None:
    layers = dissect(
        Mac,
        "61885a76c2ebab00000800ebab00001e4e 2186 30 00400000 7267e7feff5f3250"
        "498ccc159af46c877967c1652896fc124af01e5e5240f3a325ceece94f9502e0206c33 5623a352",
    )
    assert names(layers) == ["Mac", "Nwk", "Aps", "ApsSecurity", "SecuredPayload"]
    assert (layers[2].frame_type, layers[2].counter) == (ApsFrameType.COMMAND, 0x86)
    assert (layers[3].frame_counter, layers[3].source_eui64) == (0x4000, TRUST_CENTRE)
    assert layers[4].mic == bytes.fromhex("5623a352")


def test_building_a_transport_key() -> None:
    key = TransportKey(key=bytes(range(16)), key_sequence_number=7, destination_eui64=NODE, source_eui64=TRUST_CENTRE)
    assert bytes(Aps(counter=0x55) / ApsCommand() / key) == bytes.fromhex(
        "01 55 05 01 000102030405060708090a0b0c0d0e0f 07 cb67e7feff5f3250 7267e7feff5f3250"
    )
