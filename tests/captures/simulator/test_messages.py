"""Simulated GBCS messages: octets as the reference messages have them, and verified by those who verify real ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hanscope.analyzers.certificates import Certificates, PrivateKeys, read_certificates, read_private_keys
from hanscope.analyzers.gbcs_verify import verify
from hanscope.captures.simulator.messages import (
    CANCEL,
    RECEIVED,
    REJECTED,
    Activation,
    Command,
    Speakers,
    TransferResult,
    generalized,
)
from hanscope.captures.simulator.parties import Party, write_credentials
from hanscope.dissectors.gbcs.codes import RemotePartyRole
from hanscope.dissectors.gbcs.envelope import parse
from hanscope.dissectors.gbcs.message import decode

SUPPLIER = Party.derived(1, 0x90B3D51F30010000, RemotePartyRole.SUPPLIER)
BROKER = Party.derived(1, 0x90B3D51F30000002, RemotePartyRole.ACCESS_CONTROL_BROKER)
DEVICE = Party.derived(1, 0x00DB1234567890A0)
HUB = Party.derived(1, 0x00DB1234567890A2)
EVERYBODY = (SUPPLIER, BROKER, DEVICE, HUB)
NOW = datetime(2015, 1, 1, tzinfo=UTC)
DUMMY = bytes.fromhex("aa758690730934ff0685aa758690730934ff0685657788990011223344556677")


def payload(octets: bytes) -> str:
    message = parse(octets)
    assert not message.problems
    return message.payload.of(octets).hex()


def speakers() -> Speakers:
    return Speakers(SUPPLIER, BROKER, HUB)


def every_message() -> dict[str, bytes]:
    said = speakers()
    at_once, later = said.activate(DEVICE, DUMMY), said.activate(DEVICE, DUMMY, "20300115090000Z")
    reads = {"ECS52": said.read_esme(DEVICE), "GCS38": said.read_gsme(DEVICE), "CS08": said.read_other(DEVICE)}
    return (
        {
            "CS06": at_once.octets,
            "CS06 later": later.octets,
            "CS06 cancelled": said.activate(DEVICE, DUMMY, CANCEL).octets,
            "CS06 response": said.activated(at_once, NOW, Activation.SUCCESS, 0x0123ABCE),
            "CS06 accepted": said.accepted(later, NOW),
            "00CA": said.carried_out(later, "20300115090000Z", Activation.SUCCESS, 0x0123ABCF),
            "00CA failed": said.carried_out(later, "20300115090000Z", Activation.HASH_MISMATCH, 0x0123ABCF),
            "00CE": said.receipt(DEVICE, NOW, RECEIVED, DUMMY, dlms=True),
            "00CF": said.receipt(DEVICE, NOW, REJECTED, DUMMY, dlms=False),
            "CS09": said.ppmid_activated(DEVICE, NOW, 0x1234ABCD),
            "CCS08": said.transferred(DEVICE, NOW, 0x0123ABCD, TransferResult.SUCCESS),
        }
        | {name: read.octets for name, read in reads.items()}
        | {f"{name} response": said.version(read, 0x0123ABCD) for name, read in reads.items()}
    )


def test_payloads_are_those_of_the_reference_messages() -> None:
    said = {name: payload(octets) for name, octets in every_message().items()}
    assert said["CS06"] == f"30260420{DUMMY.hex()}020203e8"
    assert said["CS06 later"] == f"30370420{DUMMY.hex()}020203e9180f32303330303131353039303030305a"
    assert said["CS06 cancelled"].endswith("180f39393939313233313233353935395a")
    assert said["CS06 response"] == "300902010004040123abce"
    assert said["CS06 accepted"] == "0500"
    assert said["00CA"] == "30250203008f66180f32303330303131353039303030305a020203e9300902010004040123abcf"
    assert said["00CA failed"] == "30250203008f67180f32303330303131353039303030305a020203e9300902010204040123abcf"
    assert said["00CE"] == f"0f200007d2000203128f72090c07df0101ff000000008000ff0920{DUMMY.hex()}"
    assert said["00CF"] == f"0109018f1c1c374a800920{DUMMY.hex()}", "473,385,600 seconds since 2000"
    assert said["CS09"] == "301f0203008f8b180f32303135303130313030303030305a04041234abcd020100"
    assert said["CCS08"] == ("30290203008f8a180f32303135303130313030303030305a040800db1234567890a004040123abcd020100")
    assert said["ECS52"] == "d9200003ea00010100010000000201ff020100"
    assert said["ECS52 response"] == "da200003ea00000109040123abcd010100"
    assert said["GCS38"] == "01090101070200050000000602"
    assert said["GCS38 response"] == "010901010702000c08000106020041040123abcd"
    assert (said["CS08"], said["CS08 response"]) == ("0500", "300904040123abcd020100")


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificates, PrivateKeys]:
    folder = tmp_path_factory.mktemp("credentials")
    write_credentials(EVERYBODY, folder / "certificates", folder / "private-keys.json")
    return read_certificates([folder / "certificates"]), read_private_keys([folder / "private-keys.json"])


def test_credentials_are_read_without_a_fault(credentials: tuple[Certificates, PrivateKeys]) -> None:
    certificates, private_keys = credentials
    assert not certificates.faults
    assert not private_keys.faults
    assert {one.eui64: one.role for one in certificates.usable} == {party.eui64: party.role for party in EVERYBODY}
    assert len(certificates.usable) == 2 * len(EVERYBODY)
    assert {one.eui64 for one in private_keys.usable} == {SUPPLIER.eui64, BROKER.eui64}
    assert certificates.access_control_brokers == (BROKER.eui64,)


@pytest.mark.parametrize("name", every_message())
def test_signatures_and_macs_are_as_the_category_wants_them_and_hold(
    name: str, credentials: tuple[Certificates, PrivateKeys]
) -> None:
    octets = every_message()[name]
    found = verify(parse(octets), *credentials)
    read = name.split(maxsplit=1)[0] in ("ECS52", "GCS38", "CS08")
    command = name in ("CS06", "CS06 later", "CS06 cancelled")
    expected = ("absent", "valid") if read else ("valid", "valid" if command else "absent")
    assert (found.signature.outcome, found.mac.outcome) == expected
    changed = bytearray(octets)
    changed[parse(octets).payload.stop - 1] ^= 1
    again = verify(parse(bytes(changed)), *credentials)
    assert "invalid" in (again.signature.outcome, again.mac.outcome)


@pytest.mark.parametrize("name", every_message())
def test_the_decoder_has_nothing_to_complain_of(name: str) -> None:
    assert not decode(every_message()[name]).problems


def test_counters_go_up_for_each_speaker_and_a_response_repeats_its_commands() -> None:
    said = speakers()
    commands: list[Command] = [said.activate(DEVICE, DUMMY), said.read_esme(DEVICE), said.read_other(DEVICE)]
    headers = [parse(one.octets) for one in commands]
    assert [one.originator_counter for one in headers] == [1000, 1001, 1300]
    assert headers[2].supplementary_remote_party == SUPPLIER.eui64
    assert headers[2].supplementary_remote_party_counter == 1002
    response = parse(said.version(commands[2], 7))
    assert (response.originator_counter, response.originator, response.target) == (1300, DEVICE.eui64, BROKER.eui64)
    assert response.supplementary_remote_party == SUPPLIER.eui64
    alerts = [parse(said.receipt(DEVICE, NOW, RECEIVED, DUMMY, dlms=dlms)) for dlms in (True, False)]
    assert [(one.originator_counter, one.message_code) for one in alerts] == [(2000, 0x00CE), (2001, 0x00CF)]


def test_everything_is_the_same_in_every_run(tmp_path: Path) -> None:
    assert every_message() == every_message()
    for name in ("one", "two"):
        write_credentials(EVERYBODY, tmp_path / name, tmp_path / f"{name}.json")
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_times_are_written_as_asn1_wants_them() -> None:
    assert generalized(datetime(2030, 1, 15, 9, tzinfo=UTC)) == "20300115090000Z"
