"""ASN.1 payloads: against the official messages, asn1tools on the same schema, and `cryptography` on certificates."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hanscope.dissectors.gbcs import asn1
from hanscope.dissectors.gbcs.envelope import Envelope, parse
from hanscope.dissectors.gbcs.node import Node, problems, uncovered, unnamed, walk

HASH = bytes.fromhex("aa758690730934ff0685aa758690730934ff0685657788990011223344556677")
COMMAND, RESPONSE, ALERT = 1, 2, 3
FIRMWARE_MESSAGES = [
    (
        0x0012,
        COMMAND,
        "3026 0420" + HASH.hex() + "020203e8",
        {"manufacturerImageHash": HASH, "originatorCounter": 1000},
    ),
    (
        0x0012,
        COMMAND,
        "3037 0420" + HASH.hex() + "020203e9 180f 32303330303131353039303030305a",
        {"originatorCounter": 1001, "executionDateTime": "2030-01-15 09:00:00Z"},
    ),
    (
        0x0012,
        COMMAND,
        "3037 0420" + HASH.hex() + "020203ea 180f 39393939313233313233353935395a",
        {"executionDateTime": "9999-12-31 23:59:59Z: cancels"},
    ),
    (0x0012, RESPONSE, "0500", {"commandAccepted": None}),
    (
        0x0012,
        RESPONSE,
        "3009 020101 0404 0123abcf",
        {"activateImageResponseCode": "noImageHeld", "firmwareVersion": "0x0123abcf"},
    ),
    (
        0x00CA,
        ALERT,
        "3025 0203008f67 180f 32303330303130313030303030305a 020203ec 3009 020102 0404 0123abcf",
        {
            "alertCode": "Future-date HAN Interface Command not Successfully Actioned",
            "executionDateTime": "2030-01-01 00:00:00Z",
            "originatorCounter": 1004,
            "activateImageResponseCode": "hashMismatch",
            "firmwareVersion": "0x0123abcf",
        },
    ),
    (
        0x0128,
        ALERT,
        "3029 0203008f8a 180f 32303135303130313030303030305a 0408 00db1234567890a4 0404 0123abcd 020102",
        {
            "alertCode": "Firmware transfer alert SUCCESS",
            "alertDateTime": "2015-01-01 00:00:00Z",
            "deviceEntityIdentifier": "00:db:12:34:56:78:90:a4",
            "firmwareVersion": "0x0123abcd",
            "firmwareTransferResponseCode": "hardwareVersionMismatch",
        },
    ),
    (
        0x012B,
        ALERT,
        "301f 0203008f8b 180f 32303135303130313030303030305a 0404 1234abcd 020100",
        {"firmwareVersion": "0x1234abcd", "activateImageResponseCode": "success"},
    ),
    (
        0x0129,
        RESPONSE,
        "3009 0404 0123abcd 020100",
        {"firmwareVersion": "0x0123abcd", "readFirmwareVersionResponseCode": "success"},
    ),
]
"""Facts on GBCS, sections 3.4 to 3.6."""

CREDENTIALS = bytes.fromhex(
    "308200830500307f020204b002010330083006020103020100306c30343007020103030207800a0100040890b3d51f30020000040848cf97fa9f82"
    "7fb5040890b3d51f3002000004084238d306b6f725a230343007020103030203080a0100040890b3d51f3002000004084bc9d38d1cb49f2a0408"
    "90b3d51f300200000408483e0ad640c236c5"
)
"""A response of CS02b with lengths in more octets than they need."""


def decoded(code: int, flag: int, payload: bytes) -> Node:
    """The tree of a payload in the middle of a message."""
    tree = asn1.decode(b"\xdf\xdf" + payload + b"\x00", 2, 2 + len(payload), code, flag)
    assert uncovered(tree) == []
    assert (tree.start, tree.stop) == (2, 2 + len(payload))
    return tree


def shown(node: Node) -> Any:
    return node.text or node.value


def named(tree: Node, name: str) -> list[Node]:
    return [node for node in walk(tree) if node.name == name]


@pytest.fixture(scope="module")
def messages(data: Path) -> list[Envelope]:
    """The official messages whose payload is ASN.1."""
    paths = sorted((data / "gbcs-messages" / "messages").rglob("*.HEX"))
    envelopes = [parse(bytes.fromhex(path.read_text())) for path in paths]
    return [one for one in envelopes if one.payload.of(one.octets)[0] not in (0x01, 0xD9, 0xDA, 0x0F)]


def tree_of(message: Envelope) -> Node:
    return asn1.decode(message.octets, *message.payload, message.message_code, message.cra_flag)


@pytest.mark.parametrize(("code", "flag", "payload", "expected"), FIRMWARE_MESSAGES)
def test_firmware_messages_name_every_field(code: int, flag: int, payload: str, expected: dict[str, Any]) -> None:
    tree = decoded(code, flag, bytes.fromhex(payload))
    assert problems(tree) == []
    assert {name: shown(named(tree, name)[-1]) for name in expected} == expected


def test_values_are_numbers_where_scripts_want_numbers() -> None:
    tree = decoded(0x0128, ALERT, bytes.fromhex(FIRMWARE_MESSAGES[6][2]))
    values = {node.name: node.value for node in walk(tree)}
    assert values["deviceEntityIdentifier"] == 0x00DB1234567890A4
    assert values["firmwareVersion"] == 0x0123ABCD
    assert values["alertCode"] == 0x8F8A


def test_long_forms_of_lengths_are_accepted() -> None:
    tree = decoded(0x0103, RESPONSE, CREDENTIALS)
    assert problems(tree) == []
    assert named(tree, "credentialsReplacementMode")[0].text == "networkOperatorByNetworkOperator"
    assert [node.text for node in named(tree, "trustAnchorCellKeyUsage")] == ["digitalSignature", "keyAgreement"]
    assert [node.text for node in named(tree, "statusCode")] == ["success"] * 2


def test_all_official_messages_are_named_to_the_last_octet(messages: list[Envelope]) -> None:
    assert len(messages) > 100
    for message in messages:
        tree = tree_of(message)
        assert (tree.start, tree.stop) == message.payload
        assert (problems(tree), unnamed(tree), uncovered(tree)) == ([], [], []), tree.name


def test_certificates_are_as_cryptography_reads_them(messages: list[Envelope]) -> None:
    count = 0
    for message in messages:
        for node in walk(tree_of(message)):
            if not any(child.name == "tbsCertificate" for child in node.children):
                continue
            start = node.start
            certificate = x509.load_der_x509_certificate(message.octets[start : node.stop])
            assert named(node, "serialNumber")[0].value == certificate.serial_number
            assert named(node, "notBefore")[0].text == f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S}Z"
            assert named(node, "notAfter")[0].text == f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}Z"
            point = certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue, reportArgumentType] -- P-256 keys only
            assert named(node, "subjectPublicKey")[0].value == point
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
            texts = {
                "digitalSignature": usage.digital_signature,
                "contentCommitment": usage.content_commitment,
                "keyAgreement": usage.key_agreement,
                "keyCertSign": usage.key_cert_sign,
                "cRLSign": usage.crl_sign,
            }
            expected = ", ".join(text for text, on in texts.items() if on)
            assert named(named(node, "extensions")[0], "keyUsage")[0].text == expected
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
            assert named(node, "subjectKeyIdentifier")[0].value == identifier
            count += 1
    assert count > 20


OPEN = ("parameters", "value", "extnValue")
"""Fields that the schema leaves open: asn1tools keeps them as octets."""


def told(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What asn1tools decoded, field by field."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from told(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from told("", inner)
    elif isinstance(value, tuple) and isinstance(value[0], str):  # the alternative of a CHOICE
        yield from told(name or value[0], value[1])
    elif isinstance(value, tuple):  # octets and number of bits
        yield name, bytes(value[0])
    elif isinstance(value, datetime):
        yield name, f"{value:%Y-%m-%d %H:%M:%S}Z"
    else:
        yield name, bytes(value) if isinstance(value, bytearray) else value


def read(tree: Node, octets: bytes) -> Iterator[tuple[str, Any]]:
    """The same of our tree."""
    contents = [child for child in tree.children if child.name != asn1.HEADER]
    if tree.name == "values":
        yield from (("", octets[child.start : child.stop]) for child in contents)
    elif tree.name in OPEN:
        start = contents[0].start if tree.name == "extnValue" else tree.start
        yield tree.name, octets[start : tree.stop]
    elif tree.children:
        for child in contents:
            yield from read(child, octets)
    elif octets[tree.start] != 0x30:  # an empty list has no value
        yield tree.name, as_octets(tree)


def as_octets(leaf: Node) -> Any:
    """A value in the form that asn1tools gives it: versions and EUI-64s are octets, times are read."""
    if isinstance(leaf.value, int) and leaf.text.startswith("0x"):
        return leaf.value.to_bytes(4, "big")
    if isinstance(leaf.value, int) and leaf.text.count(":") == 7:
        return leaf.value.to_bytes(8, "big")
    return leaf.text.split(": ")[0] if str(leaf.value).endswith("Z") else leaf.value


def test_values_are_as_asn1tools_reads_them(messages: list[Envelope]) -> None:
    asn1tools: Any = pytest.importorskip("asn1tools", reason="asn1tools is the oracle here")
    text = files("hanscope.dissectors.gbcs").joinpath("gbcs.asn1").read_text(encoding="utf-8")
    theirs = asn1tools.compile_string(text, "ber", numeric_enums=True)
    for message in messages:
        tree = tree_of(message)
        expected = Counter(told("", theirs.decode(tree.name, message.payload.of(message.octets))))
        # Members of lists, and a payload that is one value, have no name with asn1tools.
        names = {name for name, _ in expected}
        ours = Counter((name if name in names else "", value) for name, value in read(tree, message.octets))
        assert ours - expected == Counter()
        assert set(expected - ours) <= DEFAULTS


DEFAULTS = {("trustAnchorCellUsage", "management"), ("critical", False), ("applyTimeBasedCPVChecks", 0)}
"""What asn1tools adds where a message has nothing."""


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("3023 0420" + HASH.hex() + "02", "originatorCounter ends inside its tag and length"),
        ("3022 0420" + HASH.hex(), "originatorCounter is missing"),
        ("3026 0420" + HASH.hex() + "020303e8", "3 octets promised, 2 left"),
        ("3026 0420" + HASH.hex() + "040203e8", "OCTET STRING where the schema has another type"),
        ("3025 041f" + HASH[1:].hex() + "020203e8", "32 octets expected, 31 found"),
        ("3029 0420" + HASH.hex() + "020203e8 020100", "more elements than the schema has"),
        ("3037 0420" + HASH.hex() + "020203e9 180f 32303330313331353039303030305a", "not a GeneralizedTime in UTC"),
        ("3026 0420" + HASH.hex() + "020203e8 00", "more than the payload's one element"),
        ("3080 0420" + HASH.hex() + "020203e8", "indefinite length"),
        ("30", "ends inside its tag and length"),
        ("", "the payload is empty"),
    ],
)
def test_what_does_not_fit_is_said_and_the_rest_still_stands(payload: str, problem: str) -> None:
    tree = decoded(0x0012, COMMAND, bytes.fromhex(payload))
    assert any(problem in one for one in problems(tree)), problems(tree)
    if HASH.hex() in payload:
        assert named(tree, "manufacturerImageHash")[0].value == HASH


def test_a_number_without_a_name_is_called_unknown() -> None:
    assert decoded(0x0010, RESPONSE, bytes.fromhex("020109")).text == "unknown value"


def test_an_unknown_message_code_is_taken_apart_by_tags_alone() -> None:
    tree = decoded(0x0127, COMMAND, bytes.fromhex("300b 02010a 3006 0401aa 0401bb"))
    assert "no ASN.1 definition for message code 0x0127" in problems(tree)[0]
    assert [node.value for node in named(tree, "OCTET STRING")] == [b"\xaa", b"\xbb"]


def test_no_depth_is_too_deep() -> None:
    nested = b""
    for _ in range(400):
        nested = b"\x30\x82" + len(nested).to_bytes(2, "big") + nested
    decoded(0x0127, COMMAND, nested)
    decoded(0x0008, RESPONSE, nested)


def test_no_flipped_bit_and_no_cut_breaks_the_tree(messages: list[Envelope]) -> None:
    vectors = [(code, flag, bytes.fromhex(payload)) for code, flag, payload, _ in FIRMWARE_MESSAGES]
    longest = max((one for one in messages if one.cra_flag == RESPONSE), key=lambda one: one.payload.stop)
    vectors.append((longest.message_code, RESPONSE, longest.payload.of(longest.octets)))
    for code, flag, payload in [*vectors, (0x0103, RESPONSE, CREDENTIALS)]:
        for bit in range(8 * len(payload)):
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            decoded(code, flag, bytes(damaged))
        for length in range(len(payload)):
            assert problems(decoded(code, flag, payload[:length])) != []
