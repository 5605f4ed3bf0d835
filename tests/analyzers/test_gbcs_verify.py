"""Signatures, MACs and encrypted parts: of the reference messages, and of messages made here, with keys missing."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gbcs_parties import AGREES, BROKER, ESME, GSME, PPMID, SIGNS, SUPPLIER, device, key_of, organisation

from hanscope.analyzers.certificates import (
    Certificates,
    PrivateKey,
    PrivateKeys,
    PublicKey,
    Usage,
    parse_certificate,
    read_certificates,
    read_private_keys,
)
from hanscope.analyzers.gbcs_verify import EncryptedPart, Verification, open_part, verify
from hanscope.dissectors.gbcs import crypto
from hanscope.dissectors.gbcs.crypto import KeyUse
from hanscope.dissectors.gbcs.envelope import EnvelopeError, parse

COMMAND, RESPONSE, ALERT = 1, 2, 3
CS06, ECS52, PCS02, ECS21B = 0x0012, 0x0059, 0x0090, 0x0034
COUNTER = 1000
PAYLOAD = bytes.fromhex("d9200003e800010100010000000201ff02010000")

SUPPLIER_SIGNS, SUPPLIER_AGREES, BROKER_AGREES = key_of(21), key_of(22), key_of(23)
ESME_SIGNS, ESME_AGREES, PPMID_AGREES, GSME_AGREES = key_of(24), key_of(25), key_of(26), key_of(27)

SUPPLIER_DS = organisation(SUPPLIER, "02", SIGNS, SUPPLIER_SIGNS)
SUPPLIER_KA = organisation(SUPPLIER, "02", AGREES, SUPPLIER_AGREES)
BROKER_KA = organisation(BROKER, "04", AGREES, BROKER_AGREES)
ESME_DS = device(ESME, SIGNS, ESME_SIGNS)
ESME_KA = device(ESME, AGREES, ESME_AGREES)
PPMID_KA = device(PPMID, AGREES, PPMID_AGREES)
GSME_KA = device(GSME, AGREES, GSME_AGREES)
EVERYONE = (SUPPLIER_DS, SUPPLIER_KA, BROKER_KA, ESME_DS, ESME_KA, PPMID_KA, GSME_KA)


def certificates(*ders: bytes) -> Certificates:
    return Certificates(tuple(found for der in ders if (found := parse_certificate(der)) is not None))


def private_keys(*owned: tuple[int, ec.EllipticCurvePrivateKey]) -> PrivateKeys:
    return PrivateKeys(tuple(private_key(eui64, key) for eui64, key in owned))


def private_key(eui64: int, key: ec.EllipticCurvePrivateKey) -> PrivateKey:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public = PublicKey(key.public_key(), point)
    return PrivateKey(eui64=eui64, usage=Usage.KEY_AGREEMENT, prepayment=False, source="", key=key, public_key=public)


def grouping(cra: int, code: int, originator: int, target: int, supplementary: bytes = b"") -> bytes:
    """Grouping Header and payload."""
    other_information = code.to_bytes(2, "big") + supplementary
    return b"".join(
        (
            bytes((0xDF, 9, cra)),
            COUNTER.to_bytes(8, "big"),
            b"\x08" + originator.to_bytes(8, "big"),
            b"\x08" + target.to_bytes(8, "big"),
            b"\0",
            bytes((len(other_information),)) + other_information,
            bytes((len(PAYLOAD),)) + PAYLOAD,
        )
    )


def signed(octets: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    return octets + b"\x40" + crypto.sign(key, octets[1:])


def with_mac(
    octets: bytes, one: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePrivateKey, ends: tuple[int, int]
) -> bytes:
    """`ends`: Business Originator and Target."""
    originator, target = ends
    secret = one.exchange(ec.ECDH(), other.public_key())
    key = crypto.derive_key(secret, KeyUse(octets[2]), originator, COUNTER, target)
    length = 5 + len(octets) + 12
    header = bytes(7) + (bytes((length,)) if length < 0x80 else bytes((0x81, length)))
    tag = crypto.mac(key, originator, bytes.fromhex("110000000000") + octets)
    return b"\xdd" + header[1:] + bytes.fromhex("1100000000") + octets + tag


CRITICAL_COMMAND = with_mac(
    signed(grouping(COMMAND, CS06, SUPPLIER, ESME), SUPPLIER_SIGNS), BROKER_AGREES, ESME_AGREES, (SUPPLIER, ESME)
)
CRITICAL_RESPONSE = signed(grouping(RESPONSE, CS06, ESME, SUPPLIER), ESME_SIGNS)
COMMAND_WITH_MAC = with_mac(
    grouping(COMMAND, ECS52, SUPPLIER, ESME) + b"\0", BROKER_AGREES, ESME_AGREES, (SUPPLIER, ESME)
)
RESPONSE_WITH_MAC = with_mac(
    grouping(RESPONSE, ECS52, ESME, SUPPLIER) + b"\0", ESME_AGREES, SUPPLIER_AGREES, (ESME, SUPPLIER)
)
ALERT_WITH_MAC = with_mac(
    grouping(ALERT, ECS52, ESME, SUPPLIER) + b"\0", ESME_AGREES, SUPPLIER_AGREES, (ESME, SUPPLIER)
)
BETWEEN_DEVICES = with_mac(grouping(COMMAND, PCS02, PPMID, GSME) + b"\0", PPMID_AGREES, GSME_AGREES, (PPMID, GSME))


def outcomes(octets: bytes, known: Certificates, keys: PrivateKeys) -> tuple[str, str]:
    found = verify(parse(octets), known, keys)
    return found.signature.outcome, found.mac.outcome


# Who signs, and who makes the MAC with whom


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (CRITICAL_COMMAND, ("valid", "valid")),
        (CRITICAL_RESPONSE, ("valid", "absent")),
        (COMMAND_WITH_MAC, ("absent", "valid")),
        (RESPONSE_WITH_MAC, ("absent", "valid")),
        (ALERT_WITH_MAC, ("absent", "valid")),
        (BETWEEN_DEVICES, ("absent", "valid")),
        (grouping(COMMAND, CS06, SUPPLIER, ESME), ("absent", "absent")),
    ],
    ids=["critical command", "critical response", "command", "response", "alert", "between devices", "pre-command"],
)
def test_message_of_each_kind(octets: bytes, expected: tuple[str, str]) -> None:
    keys = private_keys((BROKER, BROKER_AGREES), (SUPPLIER, SUPPLIER_AGREES), (PPMID, PPMID_AGREES))
    assert outcomes(octets, certificates(*EVERYONE), keys) == expected


def test_the_keys_of_the_devices_do_as_well() -> None:
    known = certificates(*EVERYONE)
    keys = private_keys((ESME, ESME_AGREES), (GSME, GSME_AGREES))
    for octets in (COMMAND_WITH_MAC, RESPONSE_WITH_MAC, ALERT_WITH_MAC, BETWEEN_DEVICES):
        assert outcomes(octets, known, keys) == ("absent", "valid")


def test_a_private_key_gives_its_public_key_too() -> None:
    keys = private_keys((ESME, ESME_AGREES), (SUPPLIER, SUPPLIER_AGREES))
    assert outcomes(RESPONSE_WITH_MAC, Certificates(), keys) == ("absent", "valid")


def test_verdicts_say_who() -> None:
    found = verify(parse(CRITICAL_COMMAND), certificates(*EVERYONE), private_keys((BROKER, BROKER_AGREES)))
    assert found.signature.detail == "signed by 90:b3:d5:1f:30:01:00:00 (supplier)"
    assert found.mac.detail == "made with the key of 90:b3:d5:1f:30:00:00:02 and 00:db:12:34:56:78:90:a0"


# What is missing is named


def detail_of_mac(octets: bytes, known: Certificates, keys: PrivateKeys) -> str:
    found = verify(parse(octets), known, keys).mac
    assert found.outcome == "unknown"
    return found.detail


def test_missing_certificate_of_the_signer_is_named() -> None:
    found = verify(parse(CRITICAL_COMMAND), certificates(SUPPLIER_KA), PrivateKeys()).signature
    assert found.outcome == "unknown"
    assert found.detail == "no digitalSignature certificate of the organisation 90:b3:d5:1f:30:01:00:00"
    found = verify(parse(CRITICAL_RESPONSE), certificates(SUPPLIER_DS), PrivateKeys()).signature
    assert found.outcome == "unknown"
    assert found.detail == "no digitalSignature certificate of the device 00:db:12:34:56:78:90:a0"


@pytest.mark.parametrize(
    ("octets", "signer"),
    [
        (CRITICAL_COMMAND, device(SUPPLIER, SIGNS, SUPPLIER_SIGNS)),
        (CRITICAL_RESPONSE, organisation(ESME, "02", SIGNS, ESME_SIGNS)),
    ],
    ids=["command", "response"],
)
def test_only_organisations_sign_commands_and_only_devices_the_rest(octets: bytes, signer: bytes) -> None:
    assert verify(parse(octets), certificates(signer), PrivateKeys()).signature.outcome == "unknown"


def test_missing_keys_of_a_mac_are_named() -> None:
    broker, esme, supplier = "90:b3:d5:1f:30:00:00:02", "00:db:12:34:56:78:90:a0", "90:b3:d5:1f:30:01:00:00"
    known, none = certificates(*EVERYONE), PrivateKeys()
    assert detail_of_mac(COMMAND_WITH_MAC, known, none) == f"no keyAgreement private key of {broker} or {esme}"
    assert detail_of_mac(RESPONSE_WITH_MAC, known, none) == f"no keyAgreement private key of {esme} or {supplier}"
    keys = private_keys((BROKER, BROKER_AGREES), (SUPPLIER, SUPPLIER_AGREES))
    known = certificates(BROKER_KA)
    assert detail_of_mac(COMMAND_WITH_MAC, known, keys) == f"no keyAgreement certificate of {esme}"
    assert detail_of_mac(RESPONSE_WITH_MAC, known, keys) == f"no keyAgreement certificate of {esme}"
    keys = private_keys((ESME, ESME_AGREES))
    assert detail_of_mac(RESPONSE_WITH_MAC, known, keys) == f"no keyAgreement certificate of {supplier}"
    expected = "no keyAgreement certificate of an Access Control Broker"
    assert detail_of_mac(COMMAND_WITH_MAC, certificates(ESME_KA), keys) == expected


def test_mac_with_an_unknown_cra_flag_is_unknown() -> None:
    octets = COMMAND_WITH_MAC[:15] + b"\x07" + COMMAND_WITH_MAC[16:]
    keys = private_keys((BROKER, BROKER_AGREES))
    assert detail_of_mac(octets, certificates(*EVERYONE), keys) == "CRA flag 7 chooses no key"


def test_message_cut_before_its_mac_is_invalid() -> None:
    found = verify(parse(COMMAND_WITH_MAC[:-1]), certificates(*EVERYONE), private_keys((BROKER, BROKER_AGREES))).mac
    assert (found.outcome, found.detail) == ("invalid", "the message ends before its MAC")


# Renewed and wrong keys


def test_one_of_several_certificates_is_enough() -> None:
    old_ds, old_ka = organisation(SUPPLIER, "02", SIGNS, key_of(31)), device(ESME, AGREES, key_of(32))
    keys = private_keys((BROKER, key_of(33)), (BROKER, BROKER_AGREES))
    known = certificates(old_ds, SUPPLIER_DS, old_ka, ESME_KA, BROKER_KA)
    assert outcomes(CRITICAL_COMMAND, known, keys) == ("valid", "valid")


def test_other_keys_make_it_invalid() -> None:
    known = certificates(organisation(SUPPLIER, "02", SIGNS, key_of(31)), device(ESME, AGREES, key_of(32)), BROKER_KA)
    found = verify(parse(CRITICAL_COMMAND), known, private_keys((BROKER, BROKER_AGREES)))
    assert (found.signature.outcome, found.mac.outcome) == ("invalid", "invalid")
    assert found.signature.detail == "not a signature of 90:b3:d5:1f:30:01:00:00 (supplier)"
    assert found.mac.detail == "not made with the key of 90:b3:d5:1f:30:00:00:02 and 00:db:12:34:56:78:90:a0"


def test_another_broker_whose_key_is_missing_leaves_it_unknown() -> None:
    other = organisation(BROKER + 7, "04", AGREES, key_of(34))
    keys = private_keys((BROKER + 7, key_of(34)))
    detail = detail_of_mac(COMMAND_WITH_MAC, certificates(BROKER_KA, other, ESME_KA), keys)
    assert detail == "no keyAgreement private key of 90:b3:d5:1f:30:00:00:02 or 00:db:12:34:56:78:90:a0"


# Encrypted parts


class Encryption(NamedTuple):
    supplementary: bytes
    recipient: int
    counter: int


THIRD_PARTY = 0x90B3D51F30010008


@pytest.mark.parametrize(
    "case",
    [
        Encryption(b"", SUPPLIER, COUNTER),
        Encryption(THIRD_PARTY.to_bytes(8, "big") + bytes(7) + b"\x05", THIRD_PARTY, COUNTER),
        Encryption(THIRD_PARTY.to_bytes(8, "big") + bytes(7) + b"\x05" + bytes(7) + b"\x09", THIRD_PARTY, 9),
    ],
    ids=["business target", "supplementary party", "supplementary counter"],
)
def test_encrypted_part_opens_with_its_recipients_key_and_counter(case: Encryption) -> None:
    envelope = parse(grouping(RESPONSE, ECS21B, ESME, SUPPLIER, case.supplementary) + b"\0")
    recipient_key = key_of(41)
    secret = ESME_AGREES.exchange(ec.ECDH(), recipient_key.public_key())
    key = crypto.derive_key(secret, KeyUse.ENCRYPTION, ESME, case.counter, case.recipient)
    part = crypto.encrypt(key, ESME, b"half-hourly readings")
    keys = private_keys((case.recipient, recipient_key))
    opened = open_part(envelope, part, certificates(ESME_KA), keys)
    assert (opened.outcome, opened.plaintext) == ("valid", b"half-hourly readings")
    assert verify(envelope, certificates(ESME_KA), keys, [part]).encrypted_parts == (opened,)
    changed = open_part(envelope, part[:-1] + bytes((part[-1] ^ 1,)), certificates(ESME_KA), keys)
    assert (changed.outcome, changed.plaintext) == ("invalid", None)
    missing = open_part(envelope, part, Certificates(), keys)
    assert missing == EncryptedPart(
        outcome="unknown", detail="no keyAgreement certificate of 00:db:12:34:56:78:90:a0", plaintext=None
    )


# Changed messages


def covered_by_mac(octets: bytes) -> set[int]:
    """Length octets of the MAC Header, security control, invocation counter, and the rest up to the end."""
    start = octets.index(b"\xdf\x09") if octets[0] == 0xDD else len(octets)
    return {*range(1, 6), *range(start - 5, len(octets))} if start < len(octets) else set()


def covered_by_signature(octets: bytes) -> set[int]:
    envelope = parse(octets)
    signature = range(0) if envelope.signature is None else range(*envelope.signature)
    return {*range(*envelope.signed), *signature} if signature else set()


def wrongly_valid(octets: bytes, bits: Iterator[int], check: Callable[[bytes], Verification]) -> list[int]:
    """Those of the bits that, when changed, leave a signature or MAC valid that covers them."""
    mac, signature = covered_by_mac(octets), covered_by_signature(octets)
    found: list[int] = []
    for bit in bits:
        at = bit // 8
        changed = octets[:at] + bytes((octets[at] ^ (1 << bit % 8),)) + octets[at + 1 :]
        try:
            result = check(changed)
        except EnvelopeError:
            continue
        if (result.mac.outcome == "valid" and at in mac) or (result.signature.outcome == "valid" and at in signature):
            found.append(bit)
    return found


@pytest.mark.parametrize(
    "octets",
    [CRITICAL_COMMAND, CRITICAL_RESPONSE, RESPONSE_WITH_MAC, BETWEEN_DEVICES],
    ids=["critical command", "critical response", "response", "between devices"],
)
def test_a_message_with_any_bit_changed_is_never_valid(octets: bytes) -> None:
    keys = private_keys((BROKER, BROKER_AGREES), (SUPPLIER, SUPPLIER_AGREES), (PPMID, PPMID_AGREES))
    known = certificates(*EVERYONE)
    assert wrongly_valid(octets, iter(range(8 * len(octets))), lambda one: verify(parse(one), known, keys)) == []


# The reference messages


class Reference(NamedTuple):
    messages: dict[str, bytes]
    certificates: Certificates
    private_keys: PrivateKeys


@pytest.fixture(scope="module")
def reference(data: Path) -> Reference:
    folder = data / "gbcs-messages"
    files = sorted(path for path in (folder / "messages").rglob("*") if path.is_file())
    return Reference(
        {path.stem: bytes.fromhex(path.read_text()) for path in files},
        read_certificates([folder / "certificates"]),
        read_private_keys([folder / "test-party-keys.json"]),
    )


def encrypted_parts(octets: bytes) -> list[bytes]:
    """Found by their beginning and the length in front of it: BER after 09 in DLMS, two octets in GBZ."""
    parts: list[bytes] = []
    for found in re.finditer(b"\x31\0\0\0\0", octets):
        at = found.start()
        for width, tag in ((4, b"\x09\x82"), (3, b"\x09\x81"), (2, b"\x09"), (2, b"")):
            if octets[at - width :].startswith(tag):
                length = int.from_bytes(octets[at - width + len(tag) : at], "big")
                break
        else:
            raise AssertionError(octets[at - 4 : at].hex())
        parts.append(octets[at : at + length])
    return parts


def test_every_signature_and_mac_of_the_reference_messages(reference: Reference) -> None:
    signatures, macs = Counter[str](), Counter[str]()
    for name, octets in reference.messages.items():
        found = verify(parse(octets), reference.certificates, reference.private_keys)
        between_devices = name.startswith(("PCS01", "PCS02"))
        assert found.signature.outcome in {"valid", "absent"}, name
        assert found.mac.outcome == "unknown" if between_devices else found.mac.outcome in {"valid", "absent"}, name
        signatures[found.signature.outcome] += 1
        macs[found.mac.outcome] += 1
        is_bare = (found.signature.outcome, found.mac.outcome) == ("absent", "absent")
        assert is_bare == ("_PRECOMMAND_" in name), name
    assert signatures["valid"] >= 263
    assert macs["valid"] >= 438


def test_every_encrypted_part_of_the_reference_messages(reference: Reference) -> None:
    opened = 0
    for name, octets in reference.messages.items():
        for part in encrypted_parts(octets):
            found = open_part(parse(octets), part, reference.certificates, reference.private_keys)
            assert found.outcome == "valid", name
            assert found.plaintext is not None
            assert len(found.plaintext) == len(part) - 17
            opened += 1
    assert opened >= 38


def test_reference_messages_with_a_bit_changed_are_never_valid(reference: Reference) -> None:
    chance = random.Random(4)
    for name, octets in reference.messages.items():
        bits = (chance.randrange(8 * len(octets)) for _ in range(12))
        wrong = wrongly_valid(
            octets, bits, lambda one: verify(parse(one), reference.certificates, reference.private_keys)
        )
        assert wrong == [], name
