"""Certificates and private keys from files, sound, odd and broken."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from gbcs_parties import (
    AGREES,
    BROKER,
    ESME,
    GSME,
    SIGNS,
    SUPPLIER,
    build_certificate,
    device,
    hardware_module_name,
    key_of,
    key_usage,
    organisation,
    organisation_name,
    pem,
    private_pem,
)

from hanscope.analyzers.certificates import (
    LARGEST_FILE,
    CredentialError,
    Usage,
    parse_certificate,
    read_certificates,
    read_private_keys,
)

ONE, TWO, THREE = key_of(11), key_of(12), key_of(13)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


# Certificates


def test_organisation_certificate_in_pem(tmp_path: Path) -> None:
    (tmp_path / "supplier.pem").write_bytes(pem(organisation(SUPPLIER, "02", SIGNS, ONE)))
    certificates = read_certificates([tmp_path])
    (found,) = certificates.usable
    assert (found.eui64, found.role, found.usage, found.is_device) == (SUPPLIER, 2, Usage.DIGITAL_SIGNATURE, False)
    assert found.public_key.key == ONE.public_key()
    assert found.owner == "90:b3:d5:1f:30:01:00:00 (supplier)"
    assert certificates.faults == ()
    assert certificates.of(SUPPLIER, Usage.DIGITAL_SIGNATURE) == (found,)
    assert certificates.of(SUPPLIER, Usage.KEY_AGREEMENT) == ()


def test_device_certificate_in_der(tmp_path: Path) -> None:
    (tmp_path / "meter.der").write_bytes(device(ESME, AGREES, ONE))
    (found,) = read_certificates([tmp_path / "meter.der"]).usable
    assert (found.eui64, found.role, found.usage, found.is_device) == (ESME, None, Usage.KEY_AGREEMENT, True)
    assert found.owner == "00:db:12:34:56:78:90:a0 (device)"


def test_several_certificates_in_one_file_and_a_broken_one_among_them(tmp_path: Path) -> None:
    first, second = pem(device(ESME, SIGNS, ONE)), pem(device(GSME, SIGNS, TWO))
    broken = first.replace(b"\nMII", b"\nAAA")
    cut = first[:200]
    (tmp_path / "all.pem").write_bytes(b"# comment\n" + first + broken + second + cut)
    certificates = read_certificates([tmp_path])
    assert [found.eui64 for found in certificates.usable] == [ESME, GSME]
    assert [fault.what for fault in certificates.faults] == ["not an X.509 certificate, or a broken one", "broken PEM"]


def test_only_parties_with_the_role_are_access_control_brokers(tmp_path: Path) -> None:
    (tmp_path / "a.der").write_bytes(organisation(SUPPLIER, "02", AGREES, ONE))
    (tmp_path / "b.der").write_bytes(organisation(BROKER, "04", AGREES, TWO))
    (tmp_path / "c.der").write_bytes(organisation(BROKER + 1, "04", SIGNS, TWO))
    (tmp_path / "d.der").write_bytes(device(4, AGREES, THREE))
    assert read_certificates([tmp_path]).access_control_brokers == (BROKER,)


def test_renewed_certificates_stand_side_by_side_but_not_those_for_top_ups(tmp_path: Path) -> None:
    for name, key in (("old", ONE), ("new", TWO), ("90b3d51f30010000-pp-ka", THREE)):
        (tmp_path / f"{name}.pem").write_bytes(pem(organisation(SUPPLIER, "02", AGREES, key)))
    certificates = read_certificates([tmp_path])
    assert len(certificates.usable) == 3
    found = certificates.of(SUPPLIER, Usage.KEY_AGREEMENT)
    assert [one.public_key.key for one in found] == [TWO.public_key(), ONE.public_key()]


def test_the_certificate_counts_when_its_file_is_called_otherwise(tmp_path: Path) -> None:
    (tmp_path / "90-B3-D5-1F-30-01-00-00_DS.pem").write_bytes(pem(organisation(BROKER, "04", AGREES, ONE)))
    certificates = read_certificates([tmp_path])
    assert certificates.access_control_brokers == (BROKER,)
    assert [fault.what for fault in certificates.faults] == [
        "its name says otherwise, but it is the certificate of 90:b3:d5:1f:30:00:00:02: used as that",
        "its name says otherwise, but its key is for keyAgreement: used as that",
    ]


@pytest.mark.parametrize("role", ["7F", "2b"])
def test_role_without_a_name_is_kept(role: str) -> None:
    found = parse_certificate(organisation(SUPPLIER, role, SIGNS, ONE))
    assert found is not None
    assert found.role == int(role, 16)


P384 = ec.derive_private_key(5, ec.SECP384R1()).public_key()
RSA = rsa.RSAPublicNumbers(65537, (1 << 1023) + 9).public_key()
PARTY = organisation_name(SUPPLIER, "02")
NAMELESS = x509.Name([])


@pytest.mark.parametrize(
    ("key", "subject", "extensions", "why"),
    [
        (P384, PARTY, [key_usage(SIGNS)], "P-256"),
        (RSA, PARTY, [key_usage(SIGNS)], "P-256"),
        (ONE.public_key(), PARTY, [], "does not say what its key is for"),
        (ONE.public_key(), PARTY, [key_usage(SIGNS, AGREES)], "either digitalSignature or keyAgreement"),
        (ONE.public_key(), PARTY, [key_usage("key_encipherment")], "either digitalSignature or keyAgreement"),
        (ONE.public_key(), NAMELESS, [key_usage(SIGNS)], "names no EUI-64"),
        (ONE.public_key(), organisation_name(SUPPLIER, None), [key_usage(SIGNS)], "without a role"),
        (ONE.public_key(), organisation_name(SUPPLIER, "supplier"), [key_usage(SIGNS)], "without a role"),
        (ONE.public_key(), organisation_name(None, "02"), [key_usage(SIGNS)], "names no EUI-64"),
        (ONE.public_key(), PARTY, [key_usage(SIGNS), hardware_module_name(ESME)], "at once"),
    ],
)
def test_certificate_that_is_of_no_use(
    tmp_path: Path, key: Any, subject: x509.Name, extensions: list[x509.ExtensionType], why: str
) -> None:
    (tmp_path / "odd.der").write_bytes(der(build_certificate(key, subject, *extensions)))
    certificates = read_certificates([tmp_path])
    assert certificates.usable == ()
    (fault,) = certificates.faults
    assert fault.where.endswith("odd.der")
    assert why in fault.what


def test_certificates_of_authorities_are_passed_over(tmp_path: Path) -> None:
    authority = organisation_name(SUPPLIER, "07")
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    (tmp_path / "ca.der").write_bytes(der(build_certificate(ONE.public_key(), authority, key_usage("key_cert_sign"))))
    (tmp_path / "root.der").write_bytes(der(build_certificate(ONE.public_key(), authority, constraints)))
    (tmp_path / "meter.der").write_bytes(device(ESME, SIGNS, TWO))
    certificates = read_certificates([tmp_path])
    assert [found.eui64 for found in certificates.usable] == [ESME]
    assert certificates.faults == ()


def test_changed_certificates_are_read_or_refused_but_never_crash() -> None:
    chance = random.Random(1)
    refused = 0
    for sound in (organisation(SUPPLIER, "02", AGREES, ONE), device(ESME, SIGNS, TWO)):
        assert parse_certificate(sound) is not None
        for _ in range(3000):
            changed = bytearray(sound)
            for _ in range(chance.randint(1, 3)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            try:
                parse_certificate(bytes(changed[: chance.choice((None, chance.randrange(len(changed))))]))
            except CredentialError:
                refused += 1
    assert refused > 1000


# Files


def test_files_that_are_no_certificates_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    (tmp_path / "b.der").write_bytes(b"\x30\x82\x01\x00")
    (tmp_path / "c.bin").write_bytes(bytes(LARGEST_FILE + 1))
    (tmp_path / "d.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")
    (tmp_path / "e.pem").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "key.pem").write_bytes(private_pem(ONE))  # for the other option: nothing to complain about
    certificates = read_certificates([tmp_path])
    assert certificates.usable == ()
    assert [(Path(fault.where).name, fault.what) for fault in certificates.faults] == [
        ("a.txt", "neither a PEM nor a DER certificate"),
        ("b.der", "not an X.509 certificate, or a broken one"),
        ("c.bin", "more than 1,048,576 octets: neither a certificate nor a key"),
        ("d.pem", "broken PEM"),
        ("e.pem", "neither a PEM nor a DER certificate"),
    ]


@pytest.mark.parametrize("read", [read_certificates, read_private_keys])
def test_path_that_is_not_there_is_reported(tmp_path: Path, read: Any) -> None:
    found = read([tmp_path / "nowhere"])
    assert found.usable == ()
    assert [fault.what for fault in found.faults] == ["cannot be read: No such file or directory"]


def test_folder_without_any_is_reported(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(private_pem(ONE))
    assert [fault.what for fault in read_certificates([tmp_path]).faults] == ["no certificate in it"]
    (tmp_path / "key.pem").write_bytes(pem(device(ESME, SIGNS, ONE)))
    assert [fault.what for fault in read_private_keys([tmp_path]).faults] == ["no private key in it"]


# Private keys


@pytest.mark.parametrize(
    ("name", "eui64", "usage", "prepayment"),
    [
        ("90b3d51f30010000-ka.pem", SUPPLIER, Usage.KEY_AGREEMENT, False),
        ("90-B3-D5-1F-30-01-00-00-DS.key", SUPPLIER, Usage.DIGITAL_SIGNATURE, False),
        ("supplier_00:db:12:34:56:78:90:a0_keyAgreement", ESME, Usage.KEY_AGREEMENT, False),
        ("90b3d51f30010000-pp-ka.pem", SUPPLIER, Usage.KEY_AGREEMENT, True),
    ],
)
def test_private_key_is_named_by_its_file(
    tmp_path: Path, name: str, eui64: int, usage: Usage, *, prepayment: bool
) -> None:
    (tmp_path / name).write_bytes(private_pem(ONE))
    keys = read_private_keys([tmp_path])
    (found,) = keys.usable
    assert (found.eui64, found.usage, found.prepayment) == (eui64, usage, prepayment)
    assert keys.of(eui64, usage) == (() if prepayment else (found,))
    assert keys.faults == ()


def test_private_keys_from_a_json_list(tmp_path: Path) -> None:
    number = "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"
    good = {"party": "90b3d51f30010000", "prepayment": False, "usage": "keyAgreement", "curve": "P-256"}
    entries = [
        {**good, "private_value": number},
        {**good, "private_value": number, "party": "00:db:12:34:56:78:90:a0", "usage": "digitalSignature"},
        {**good, "private_value": number, "prepayment": True},
        {**good, "private_value": number, "curve": "P-384"},
        {**good, "private_value": number[:-1]},
        {**good, "private_value": "00" * 32},
        {**good, "private_value": "ff" * 32},
        {**good, "private_value": 7},
        {**good, "private_value": number, "usage": "signing"},
        {**good, "private_value": number, "party": "90b3d51f"},
        good,
        number,
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(entries))
    keys = read_private_keys([file])
    assert [(key.eui64, key.usage, key.prepayment) for key in keys.usable] == [
        (SUPPLIER, Usage.KEY_AGREEMENT, False),
        (ESME, Usage.DIGITAL_SIGNATURE, False),
        (SUPPLIER, Usage.KEY_AGREEMENT, True),
    ]
    # The public key is that of RFC 5903, 8.1.
    assert (
        keys.usable[0].public_key.point.hex().upper().startswith("04DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF")
    )
    assert [fault.where for fault in keys.faults] == [f"{file}, entry {at}" for at in range(4, 13)]
    assert number[:12] not in repr(keys).lower()
    assert str(int(number, 16))[:12] not in repr(keys)


@pytest.mark.parametrize("text", ["[", "{}", '{"party": 1}', "[" * 100_000])
def test_json_that_is_no_list_of_keys_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    keys = read_private_keys([tmp_path])
    assert keys.usable == ()
    assert [fault.what for fault in keys.faults] in (["not JSON"], ["not a JSON list of keys"])


@pytest.mark.parametrize(
    ("name", "octets", "why"),
    [
        ("supplier-ka.pem", private_pem(ONE), "whose key this is stands in the name of the file"),
        ("90b3d51f30010000.pem", private_pem(ONE), "whose key this is stands in the name of the file"),
        ("90b3d51f30010000-ka.pem", private_pem(ONE, b"password"), "protected by a password"),
        ("90b3d51f30010000-ka.pem", private_pem(ONE)[:60], "neither a PEM file with one private key nor a JSON list"),
        ("90b3d51f30010000-ka.pem", private_pem(ONE) * 2, "neither a PEM file with one private key nor a JSON list"),
        ("90b3d51f30010000-ka.pem", private_pem(ONE).replace(b"MIG", b"AAA"), "not a private key, or a broken one"),
        ("90b3d51f30010000-ka.pem", private_pem(ec.derive_private_key(5, ec.SECP384R1())), "P-256"),
        ("90b3d51f30010000-ka.pem", b"hello", "neither a PEM file with one private key nor a JSON list"),
    ],
)
def test_private_key_that_is_of_no_use(tmp_path: Path, name: str, octets: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(octets)
    keys = read_private_keys([tmp_path])
    assert keys.usable == ()
    (fault,) = keys.faults
    assert why in fault.what


def test_shared_secret_is_the_same_from_both_ends(tmp_path: Path) -> None:
    (tmp_path / "90b3d51f30000002-ka.pem").write_bytes(private_pem(ONE))
    (tmp_path / "00db1234567890a0-ka.pem").write_bytes(private_pem(TWO))
    esme, broker = read_private_keys([tmp_path]).usable
    assert esme.agree(broker.public_key) == broker.agree(esme.public_key) == ONE.exchange(ec.ECDH(), TWO.public_key())
    assert esme.agree(broker.public_key) is esme.agree(broker.public_key)
    assert esme.agree(broker.public_key).hex() not in repr(esme)


# Real files


def test_certificates_and_keys_of_the_reference_messages(data: Path) -> None:
    folder = data / "gbcs-messages" / "certificates"
    certificates = read_certificates([folder])
    assert len(certificates.usable) == len(list(folder.iterdir()))
    # One file in the set holds another party's certificate.
    assert [Path(fault.where).name for fault in certificates.faults] == ["90b3d51f30000007-ka.pem"]
    assert certificates.access_control_brokers == (BROKER,)
    for found in certificates.usable:
        name = Path(found.source).stem
        assert found.is_device == name.startswith("00db")
        assert found.usage == (Usage.DIGITAL_SIGNATURE if name.endswith("ds") else Usage.KEY_AGREEMENT)
        assert found.prepayment == ("-pp-" in name)
    keys = read_private_keys([data / "gbcs-messages" / "test-party-keys.json"])
    assert len(keys.usable) == 18
    assert keys.faults == ()
    for key in keys.usable:
        for certificate in certificates.of(key.eui64, key.usage):
            assert key.prepayment or certificate.public_key.point == key.public_key.point
