"""Certificates as GBCS parties and devices have them, made for tests with `cryptography` itself."""

from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type

SUPPLIER: Final = 0x90B3D51F30010000
BROKER: Final = 0x90B3D51F30000002
ESME: Final = 0x00DB1234567890A0
GSME: Final = 0x00DB1234567890A1
PPMID: Final = 0x00DB1234567890A4

SIGNS: Final = "digital_signature"
AGREES: Final = "key_agreement"

_CURVE: Final = ec.SECP256R1()
_ISSUER_KEY: Final = ec.derive_private_key(1, _CURVE)
_USAGES: Final = (
    SIGNS,
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    AGREES,
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def key_of(number: int) -> ec.EllipticCurvePrivateKey:
    """A private key that is the same in every run."""
    return ec.derive_private_key(number, _CURVE)


def organisation_name(eui64: int | None, role: str | None) -> x509.Name:
    attributes: list[x509.NameAttribute[Any]] = []
    if role is not None:
        attributes.append(x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, role))
    if eui64 is not None:
        octets = b"\0" + eui64.to_bytes(8, "big")
        attributes.append(x509.NameAttribute(x509.NameOID.X500_UNIQUE_IDENTIFIER, octets, _ASN1Type.BitString))
    return x509.Name(attributes)


def hardware_module_name(eui64: int) -> x509.SubjectAlternativeName:
    hardware_type = bytes.fromhex("06072a820d9d8c5d01")
    value = hardware_type + b"\x04\x08" + eui64.to_bytes(8, "big")
    oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
    return x509.SubjectAlternativeName([x509.OtherName(oid, b"\x30" + bytes([len(value)]) + value)])


def key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in usages for usage in _USAGES})


def build_certificate(public_key: Any, subject: x509.Name, *extensions: x509.ExtensionType) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .serial_number(1)
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Z1")]))
        .subject_name(subject)
        .public_key(public_key)
        .not_valid_before(datetime(2015, 10, 30, tzinfo=UTC))
        .not_valid_after(datetime(2025, 10, 29, tzinfo=UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(_ISSUER_KEY, hashes.SHA256())


def organisation(eui64: int, role: str, usage: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """In DER."""
    made = build_certificate(key.public_key(), organisation_name(eui64, role), key_usage(usage))
    return made.public_bytes(Encoding.DER)


def device(eui64: int, usage: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """In DER."""
    made = build_certificate(key.public_key(), x509.Name([]), key_usage(usage), hardware_module_name(eui64))
    return made.public_bytes(Encoding.DER)


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def private_pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
