"""Key establishment with the vectors of Smart Energy, annex C.5 (facts on ZigBee, section 2.9), and a real frame."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.packet import Packet

from hanscope.dissectors.codes import Cluster, Profile
from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, Zcl
from hanscope.dissectors.zigbee.clusters import key_establishment as ke

Dissect = Callable[[type[Packet], str], list[Packet]]
APS = "00 01 0008 0901 01 55 "
SUITE_1 = (
    "03045FDFC8D85FFB8B3993CB72DDCAA55F00B3E87D6D 0000000000000001 5445535453454341 01090006000000000000",
    "020615E07D30ECA2DAD58002E667D94BC1B422398307 0000000000000002 5445535453454341 01090006000000000000",
)
SUITE_2 = (
    "0084A933B37F018DEC0D081112131415161718005292A38AFFFFFFFF0A0B0C0D0E0F1012"
    "88 03076277E2F7E2252B16A0E92B6E8771BB3F207946CBD4A45D9A9DF6EDAB8C796A48E89DEC"
)
MACU, MACV = "B82F1F9774740C32F80FCFC3921B6420", "79D5F2AD1C31D4D1EE7CB719AC683C3C"
POINT_1 = "030290A1F5C08DAD5F2945E335620C7A98FAC46666A1"
POINT_2 = "03030E56F7ADE866E76372764BA20A9FF1FE4CAE522F94839E70F2ADFC1CA3E97F4DDCAF2E"


@pytest.mark.parametrize(("device", "certificate"), [(1, SUITE_1[0]), (2, SUITE_1[1])])
def test_a_certificate_of_suite_1(dissect: Dissect, device: int, certificate: str) -> None:
    *_, initiate, read = dissect(Aps, APS + "01 01 00 0100 0b 10" + certificate)
    assert type(initiate) is ke.InitiateKeyEstablishmentRequest
    assert (initiate.suite, initiate.ephemeral_data_generate_time, initiate.confirm_key_generate_time) == (1, 11, 16)
    assert type(read) is ke.CertificateSuite1
    assert read.subject == f"00:00:00:00:00:00:00:0{device}"
    assert read.issuer == b"TESTSECA"
    assert read.public_reconstruction_key.hex() == certificate[:44].lower()
    assert read.profile_attribute_data[:2] == Profile.SMART_ENERGY.to_bytes(2, "big")


def test_a_certificate_of_suite_2(dissect: Dissect) -> None:
    *_, initiate, read = dissect(Aps, APS + "09 01 00 0200 0b 10" + SUITE_2)
    assert type(initiate) is ke.InitiateKeyEstablishmentResponse
    assert type(read) is ke.CertificateSuite2
    assert (read.certificate_type, read.serial_number) == (0, 0x84A933B37F018DEC)
    assert (read.curve, read.hash_algorithm) == (ke.Curve.SECT283K1, ke.HashAlgorithm.AES_MMO)
    assert read.issuer == bytes.fromhex("1112131415161718")
    assert (read.valid_from, read.valid_to) == (0x5292A38A, 0xFFFFFFFF)
    assert read.subject == "0a:0b:0c:0d:0e:0f:10:12"
    assert (read.key_usage_agreement, read.key_usage_signature) == (1, 1)
    assert read.public_reconstruction_key.hex() == SUITE_2[-74:].lower()


def test_both_are_built_from_their_values() -> None:
    aps = Aps(cluster=Cluster.KEY_ESTABLISHMENT, profile=Profile.SMART_ENERGY, counter=0x55, destination_endpoint=0)
    initiate = ke.InitiateKeyEstablishmentRequest(ephemeral_data_generate_time=11, confirm_key_generate_time=16)
    certificate = ke.CertificateSuite1(
        public_reconstruction_key=bytes.fromhex(POINT_1),
        subject="00:0d:6f:00:0a:90:69:e0",
        issuer=b"TESTSECA",
        profile_attribute_data=bytes.fromhex("01090006000000000000"),
    )
    frame = bytes(aps / Zcl(transaction_sequence_number=1) / initiate / certificate)
    assert frame == bytes.fromhex(
        "00 00 0008 0901 01 55 01 01 00 0100 0b 10" + POINT_1 + "000d6f000a9069e0 5445535453454341 01090006000000000000"
    )
    assert len(ke.CertificateSuite1()) == 48
    assert len(ke.CertificateSuite2()) == 74
    assert len(initiate / ke.CertificateSuite2()) == 4 + 74


@pytest.mark.parametrize(("control", "name"), [("01", "EphemeralDataRequest"), ("09", "EphemeralDataResponse")])
@pytest.mark.parametrize("point", [POINT_1, POINT_2])
def test_ephemeral_data(dissect: Dissect, control: str, name: str, point: str) -> None:
    *_, command = dissect(Aps, APS + control + "02 01" + point)
    assert type(command).__name__ == name
    assert command.ephemeral_data.hex() == point.lower()


@pytest.mark.parametrize(
    ("control", "name", "mac"),
    [("01", "ConfirmKeyDataRequest", MACU), ("09", "ConfirmKeyDataResponse", MACV)],
)
def test_key_confirmation(dissect: Dissect, control: str, name: str, mac: str) -> None:
    *_, command = dissect(Aps, APS + control + "03 02" + mac)
    assert type(command).__name__ == name
    assert command.secure_message_authentication_code == bytes.fromhex(mac)


def test_termination(dissect: Dissect) -> None:
    for control, name in (("01", "ClientToServer"), ("09", "ServerToClient")):
        *_, command = dissect(Aps, APS + control + "04 03 06 1e 0200")
        assert type(command).__name__ == f"TerminateKeyEstablishment{name}"
        assert (command.status, command.wait_time, command.suite) == (ke.TerminateStatus.INVALID_CERTIFICATE, 30, 2)


@pytest.mark.parametrize("suite", ["0000", "0300", "0400"])
def test_a_certificate_of_another_suite_stays_undissected(dissect: Dissect, suite: str) -> None:
    *_, rest = dissect(Aps, APS + f"01 01 00 {suite} 0b 10" + SUITE_1[0])
    assert isinstance(rest, Undissected)
    assert len(rest.octets) == 48


@pytest.mark.parametrize(("suite", "certificate"), [("0100", SUITE_1[0]), ("0200", SUITE_2)])
def test_a_certificate_cut_short_is_malformed(dissect: Dissect, suite: str, certificate: str) -> None:
    octets = bytes.fromhex(certificate)
    for length in range(len(octets)):
        *_, last = dissect(Aps, APS + f"01 01 00 {suite} 0b 10" + octets[:length].hex())
        assert isinstance(last, Malformed)
        assert last.layer == b"CertificateSuite" + suite[1:2].encode()


def test_a_real_frame(dissect: Dissect, data: Path) -> None:
    """Of a meter, as the test suite of zsmartsystems has it."""
    text = (data / "captures" / "frames" / "zsmartsystems-se.txt").read_text()
    payload = re.search(r"cluster=0800.*payload=([0-9A-F ]+)\]", text)
    assert payload is not None
    *_, zcl, initiate, certificate = dissect(Aps, "00 01 0008 0901 01 e7" + payload[1])
    assert zcl.server_to_client == 1
    assert type(initiate) is ke.InitiateKeyEstablishmentResponse
    assert (initiate.suite, initiate.ephemeral_data_generate_time, initiate.confirm_key_generate_time) == (1, 11, 16)
    assert certificate.subject == "ee:ee:ee:ee:ee:ee:ee:ee"
    assert certificate.issuer == b"TESTSECA"
