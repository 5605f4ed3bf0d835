"""The field classes that the layers share."""

from typing import Any, ClassVar

import pytest
from scapy.fields import BitField, ByteField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import DerivedBits, EUI64Field, LECodeField, eui64, eui64_text, given
from hanscope.dissectors.layer import Layer, When


class Example(Layer):
    fields_desc: ClassVar[list[Any]] = [
        BitField("reserved", 0, 7),
        DerivedBits("address_present", given("address")),
        When(EUI64Field("address"), lambda p: p.address_present),
        LECodeField("cluster", 0, Cluster),
        ByteField("last", 0),
    ]


def test_an_eui64_is_a_number_inside_and_text_for_people() -> None:
    packet = Example(bytes.fromhex("01 e069900a006f0d00 1900 00"))
    assert packet.fields["address"] == 0x000D6F000A9069E0
    assert packet.address == "00:0d:6f:00:0a:90:69:e0"
    assert "00:0d:6f:00:0a:90:69:e0" in packet.show(dump=True)


def test_an_eui64_below_65536_keeps_its_eight_octets() -> None:
    assert eui64_text(5) == "00:00:00:00:00:00:00:05"  # fault M20


@pytest.mark.parametrize("value", ["00:0d:6f:00:0a:90:69:e0", "000d6f000a9069e0", 0x000D6F000A9069E0])
def test_an_eui64_can_be_given_as_text_or_number(value: str | int) -> None:
    assert bytes(Example(address=value)) == bytes.fromhex("01 e069900a006f0d00 0000 00")


@pytest.mark.parametrize("text", ["", "00:0d", "00:0d:6f:00:0a:90:69:e0:00", "not an address"])
def test_text_that_is_no_eui64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"EUI-64|hexadecimal"):
        eui64(text)


def test_a_presence_bit_follows_from_the_field_unless_it_is_set_by_hand() -> None:
    assert bytes(Example()) == bytes.fromhex("00 0000 00")
    assert Example(address=1).address_present == 1
    assert bytes(Example(address=1, address_present=0)) == bytes.fromhex("00 0000 00")


def test_a_code_without_a_name_shows_in_hexadecimal() -> None:
    assert "cluster   = OTA_UPGRADE" in Example(cluster=0x19).show(dump=True)
    assert "cluster   = 0xfc01" in Example(cluster=0xFC01).show(dump=True)
