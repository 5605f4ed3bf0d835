"""The cryptography of GBCS against vectors of RFC 5903, RFC 6979, the reference messages and the GBCS parser."""

from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hanscope.dissectors.gbcs import crypto
from hanscope.dissectors.gbcs.crypto import KeyUse

SUPPLIER = 0x90B3D51F30010000
ESME = 0x00DB1234567890A0
GSME = 0x00DB1234567890A1
BROKER = 0x90B3D51F30000002
PPMID = 0x00DB1234567890A4

# Shared secrets of the parties of the reference messages.
BROKER_ESME = "ed342441df01551a6beaff3b54adc981f4c6a7e71dff4c3e1cc80b3c9f4e5ac0"
BROKER_PPMID = "9ccfe012cc5df79fe5b98e286d3d4e6a938a35c0536554c60d6b70efc6489114"
SUPPLIER_ESME = "42da8fad4c8c9d613976f39f1e79ccc88571efa43933d57146b533bc6d253e0f"
SUPPLIER_GSME = "a55d27741e5688a9f124483365eb28789248717890d0b5353035b80980d4b40b"

ECS52_COMMAND = bytes.fromhex(
    "dd000000000000471100000000df090100000000000003e80890b3d51f300100000800db1234567890a0000200591"
    "3d9200003e800010100010000000201ff02010000a25a51a93bafa5c9e2b224bd"
)
ECS52_RESPONSE = bytes.fromhex(
    "dd000000000000451100000000df090200000000000003e80800db1234567890a00890b3d51f300100000002005911"
    "da200003e800000109040123abcd010100003ba27aac07f946bfd463702f"
)
CS06_COMMAND = bytes.fromhex(
    "dd000000000000819c1100000000df090100000000000003e80890b3d51f300100000800db1234567890a000020012"
    "2830260420aa758690730934ff0685aa758690730934ff0685657788990011223344556677020203e8"
    "40af91963ab479bfc2cc602fd2cb9a313898d2a4837f938c21baf6e1185979abaa"
    "fe5d8e343af3d7d099ed6156c8739083639612fcda4755a2fe32751f5003a920"
    "9f872c379f4fe0e370440625"
)
SUPPLIER_SIGNS = (
    "0430c2ab5a0d131726ffbda80e79294cc37534432a3e424405b97a3aba0ffc79dc"
    "e729b2517563cb7d95827e4c50b48cba3d87d5893c51b96d87c345e3717f8c1e"
)
MAC_PREFIX = bytes.fromhex("110000000000")


def public_key(point: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(point))


def flips(octets: bytes) -> list[bytes]:
    """The octets with each bit changed in turn."""
    number = int.from_bytes(octets, "big")
    return [(number ^ (1 << bit)).to_bytes(len(octets), "big") for bit in range(8 * len(octets))]


# Signatures

RFC_6979_KEY = (
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
RFC_6979_SIGNATURE = bytes.fromhex(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)


def test_signature_of_rfc_6979_holds_for_its_message_only() -> None:
    key = public_key(RFC_6979_KEY)
    assert crypto.signature_holds(key, b"sample", RFC_6979_SIGNATURE)
    assert not crypto.signature_holds(key, b"test", RFC_6979_SIGNATURE)


def test_signature_of_a_reference_message() -> None:
    signed, signature = CS06_COMMAND[15:88], CS06_COMMAND[89:153]
    assert signed[:3].hex() == "090100"
    assert crypto.signature_holds(public_key(SUPPLIER_SIGNS), signed, signature)
    assert not crypto.signature_holds(public_key(RFC_6979_KEY), signed, signature)


def test_changed_signature_does_not_hold() -> None:
    key = public_key(RFC_6979_KEY)
    assert not any(crypto.signature_holds(key, b"sample", changed) for changed in flips(RFC_6979_SIGNATURE))


@pytest.mark.parametrize(
    "signature",
    [b"", RFC_6979_SIGNATURE[:-1], RFC_6979_SIGNATURE + b"\0", bytes(64), b"\xff" * 64, RFC_6979_SIGNATURE[:32] * 2],
)
def test_octets_that_are_no_signature_do_not_hold(signature: bytes) -> None:
    assert not crypto.signature_holds(public_key(RFC_6979_KEY), b"sample", signature)


def test_made_signature_holds() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signature = crypto.sign(key, b"octets")
    assert len(signature) == 64
    assert crypto.signature_holds(key.public_key(), b"octets", signature)


# Shared secrets and keys


def test_shared_secret_of_rfc_5903() -> None:
    mine = ec.derive_private_key(0xC88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433, ec.SECP256R1())
    theirs = public_key(
        "04D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
        "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"
    )
    assert (
        crypto.agree(mine, theirs).hex().upper() == "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"
    )


class Derivation(NamedTuple):
    """One key of the reference messages, or of the GBCS parser's own tests (the last three)."""

    secret: str
    use: KeyUse
    originator: int
    counter: int
    recipient: int
    key: str


@pytest.mark.parametrize(
    "case",
    [
        Derivation(BROKER_ESME, KeyUse.COMMAND_MAC, SUPPLIER, 1000, ESME, "ec1d51bd8f8bf0cdd2314cf396cc12c0"),
        Derivation(SUPPLIER_ESME, KeyUse.RESPONSE_MAC, ESME, 1000, SUPPLIER, "d288091f13f120da8d2649c3aa543058"),
        Derivation(SUPPLIER_ESME, KeyUse.ALERT_MAC, ESME, 2000, SUPPLIER, "73761d0b43493dbbaabfe474cac5974b"),
        Derivation(BROKER_PPMID, KeyUse.COMMAND_MAC, BROKER, 1300, PPMID, "d87c9e7c836010dc3ed75d0c1e1252a0"),
        Derivation(BROKER_PPMID, KeyUse.RESPONSE_MAC, PPMID, 1300, BROKER, "cfbafadb1d03cc0b4e2d06535aeabb71"),
        Derivation(SUPPLIER_GSME, KeyUse.ENCRYPTION, GSME, 1003, SUPPLIER, "5352af3bbb1a8883a0a62a340eea440a"),
        Derivation(SUPPLIER_ESME, KeyUse.ENCRYPTION, ESME, 1000, SUPPLIER, "12cb821c471ec2144c68e12a5657f9fd"),
        Derivation(BROKER_ESME, KeyUse.COMMAND_MAC, SUPPLIER, 1 << 32, ESME, "6a93e360717394015df93e031218c9a6"),
        Derivation(SUPPLIER_ESME, KeyUse.RESPONSE_MAC, ESME, 1 << 32, SUPPLIER, "03fd30815577c49eb7e3834b63ef8302"),
        Derivation(SUPPLIER_ESME, KeyUse.ALERT_MAC, ESME, 2001, SUPPLIER, "558fb1fa6660af0d9e8365c47804b8fa"),
    ],
)
def test_derived_keys_of_the_reference_messages(case: Derivation) -> None:
    secret = bytes.fromhex(case.secret)
    assert crypto.derive_key(secret, case.use, case.originator, case.counter, case.recipient).hex() == case.key


# MACs and encryption


@pytest.mark.parametrize(
    ("message", "begin", "key", "originator"),
    [
        (ECS52_COMMAND, 13, "ec1d51bd8f8bf0cdd2314cf396cc12c0", SUPPLIER),
        (ECS52_RESPONSE, 13, "d288091f13f120da8d2649c3aa543058", ESME),
        (CS06_COMMAND, 14, "ec1d51bd8f8bf0cdd2314cf396cc12c0", SUPPLIER),
    ],
    ids=["ECS52 command", "ECS52 response", "CS06 command"],
)
def test_mac_of_reference_messages(message: bytes, begin: int, key: str, originator: int) -> None:
    authenticated, tag = MAC_PREFIX + message[begin:-12], message[-12:]
    assert crypto.mac(bytes.fromhex(key), originator, authenticated) == tag
    assert crypto.mac_holds(bytes.fromhex(key), originator, authenticated, tag)
    assert not any(crypto.mac_holds(bytes.fromhex(key), originator, changed, tag) for changed in flips(authenticated))
    assert not crypto.mac_holds(bytes.fromhex(key), originator + 1, authenticated, tag)
    assert not crypto.mac_holds(bytes.fromhex(key), originator, authenticated, tag, b"\0\0\0\1")
    assert not crypto.mac_holds(bytes.fromhex(key), originator, authenticated, tag[:-1])


def test_mac_of_the_gbcs_parser() -> None:
    assert crypto.mac(bytes(range(16)), 0x90B3D51F30030000, b"helloworld").hex() == "fb3afed43b78508864f00da3"


GCS13A_PART = bytes.fromhex("31000000004b711a713941afcd706623d5612f7115956ef8966230013aaec45dbf90313ae26fce17334e")
GCS13A_KEY = bytes.fromhex("5352af3bbb1a8883a0a62a340eea440a")


def test_encrypted_parts_of_reference_messages() -> None:
    assert crypto.decrypt(GCS13A_KEY, GSME, GCS13A_PART) == bytes.fromhex(
        "0203c0 010300 22 010000 000300 30 01 000000 25 393000000000"
    )
    ecs17b = bytes.fromhex("3100000000e3035372ddd0648adedb866dff001f09450debd034c36c6101dc1d3cb50d35311b344436f883")
    assert crypto.decrypt(bytes.fromhex("12cb821c471ec2144c68e12a5657f9fd"), ESME, ecs17b) == bytes.fromhex(
        "0201 0204 060000000a 0202 0f00 161e 060000000a 0202 0f00 1620"
    )


def test_changed_part_does_not_open() -> None:
    assert [crypto.decrypt(GCS13A_KEY, GSME, changed) for changed in flips(GCS13A_PART)] == [None] * 8 * 42
    assert crypto.decrypt(GCS13A_KEY, ESME, GCS13A_PART) is None


@pytest.mark.parametrize("length", range(17))
def test_part_that_is_too_short_does_not_open(length: int) -> None:
    assert crypto.decrypt(GCS13A_KEY, GSME, GCS13A_PART[:length]) is None


@pytest.mark.parametrize("plaintext", [b"", b"one two three", bytes(1000)])
def test_made_part_opens(plaintext: bytes) -> None:
    part = crypto.encrypt(GCS13A_KEY, GSME, plaintext)
    assert part[:5].hex() == "3100000000"
    assert len(part) == 5 + len(plaintext) + 12
    assert crypto.decrypt(GCS13A_KEY, GSME, part) == plaintext


def test_made_part_of_a_reference_message() -> None:
    plaintext = crypto.decrypt(GCS13A_KEY, GSME, GCS13A_PART)
    assert plaintext is not None
    assert crypto.encrypt(GCS13A_KEY, GSME, plaintext) == GCS13A_PART
