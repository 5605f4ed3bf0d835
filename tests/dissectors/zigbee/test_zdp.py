"""The ZigBee Device Profile. Ids like Z1 are cases that Scapy's own layers read wrong."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, Zdp

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


@pytest.mark.parametrize("cluster", ["3600", "0600", "0580"])
def test_other_commands_stay_undissected(dissect: Dissect, cluster: str) -> None:
    *_, zdp, rest = dissect(Aps, f"00 00 {cluster} 0000 00 55 01 ff00")
    assert zdp.transaction_sequence_number == 1
    assert rest.octets == bytes.fromhex("ff00")


def test_z2_without_an_aps_header_nothing_is_guessed(dissect: Dissect) -> None:
    zdp, rest = dissect(Zdp, "01 3412 00 00")
    assert zdp.transaction_sequence_number == 1
    assert isinstance(rest, Undissected)
