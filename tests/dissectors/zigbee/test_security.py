"""The auxiliary security header. Ids like S1 are cases that Scapy's own layer reads wrong."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from scapy.packet import Packet

from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.layer import Malformed
from hanscope.dissectors.zigbee import ApsSecurity, Nwk, NwkSecurity, SecuredPayload

Dissect = Callable[[type[Packet], str], list[Packet]]
NWK = "0802 0100 0200 1e 07 "


def test_s1_the_mic_is_split_off_although_the_level_on_the_air_is_0(dissect: Dissect) -> None:
    _, security, payload = dissect(Nwk, NWK + "28 01000000 8877665544332211 00 aabbccddeeff 11223344")
    assert (security.security_level, security.key_identifier, security.extended_nonce) == (0, 1, 1)
    assert (security.frame_counter, security.key_sequence_number) == (1, 0)
    assert security.source_eui64 == "11:22:33:44:55:66:77:88"
    assert payload.ciphertext == bytes.fromhex("aabbccddeeff")
    assert payload.mic == bytes.fromhex("11223344")


@pytest.mark.parametrize("rest", ["", "aa", "aabbcc"])
def test_s2_less_than_a_mic_is_malformed(dissect: Dissect, rest: str) -> None:
    *_, last = dissect(Nwk, NWK + "2d 01000000 8877665544332211 00" + rest)
    assert isinstance(last, Malformed)
    assert last.layer == b"SecuredPayload"


def test_an_empty_ciphertext_is_all_right(dissect: Dissect) -> None:
    *_, payload = dissect(Nwk, NWK + "28 01000000 8877665544332211 00 11223344")
    assert (payload.ciphertext, payload.mic) == (b"", bytes.fromhex("11223344"))


@pytest.mark.parametrize("level", [1, 2, 3, 4, 6, 7])
def test_other_levels_are_not_split(dissect: Dissect, level: int) -> None:
    *_, payload = dissect(Nwk, NWK + f"{0x28 | level:02x} 01000000 8877665544332211 00 aabbccddeeff 11223344")
    assert type(payload).__name__ == "UnsupportedSecuredPayload"
    assert len(payload.octets) == 10


def test_the_optional_fields_set_the_control_octet() -> None:
    assert bytes(NwkSecurity(frame_counter=1, source_eui64=2, key_sequence_number=3))[0] == 0x28
    assert bytes(ApsSecurity(frame_counter=1)) == bytes.fromhex("00 01000000")
    assert bytes(ApsSecurity(key_identifier=2, source_eui64=2))[0] == 0x30


def test_s3_the_layers_give_what_decryption_needs(dissect: Dissect) -> None:
    """A frame of "zigbee_philips_hue_association.pcap", with the network key that is published with it."""
    mac, nwk, security, payload = dissect(
        Mac,
        "6188938031040001004802040001001e4928fd011a00ce994305018817000003ca69a62b06959badd218211690bcc1d6",
    )
    control = bytes([bytes(security)[0] | 5])
    header = bytes(nwk)[: len(bytes(nwk)) - len(bytes(security))] + control + bytes(security)[1:14]
    nonce = security.fields["source_eui64"].to_bytes(8, "little") + bytes(security)[1:5] + control
    key = bytes.fromhex("02398409245156e31d98a92157a8a66f")
    plain = AESCCM(key, tag_length=4).decrypt(nonce, payload.ciphertext + payload.mic, header)
    assert plain == bytes.fromhex("000b1900040140c609c1000064")
    assert isinstance(payload, SecuredPayload)
    assert mac.destination_pan_id == 0x3180
