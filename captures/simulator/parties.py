"""The parties and devices of a simulated Great Britain HAN: their keys, and certificates as GBCS has them.

All keys follow from the scenario's seed, so that everybody may know them: nothing here is secret. Organisation
certificates name a party and its role, device certificates a device (GBCS 12; what exactly: `analyzers/certificates.py`
which reads them).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type  # pyright: ignore[reportPrivateUsage] -- no public name for a BIT STRING

from hanscope.dissectors.gbcs.codes import RemotePartyRole
from hanscope.dissectors.images.gbcs import P256_ORDER

_CURVE: Final = ec.SECP256R1()
_ECDSA: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
_UNTIL: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_HARDWARE_MODULE_NAME: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
_HARDWARE_TYPE: Final = bytes.fromhex("06072a820d9d8c5d01")
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
SIGNS: Final = "digital_signature"
AGREES: Final = "key_agreement"
_NAMES: Final = {SIGNS: ("ds", "digitalSignature"), AGREES: ("ka", "keyAgreement")}
"""How a usage stands in the name of a file, and in a list of private keys."""


def sign(private_key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """The signature of the octets (r || s), the same in every run (RFC 6979)."""
    r, s = utils.decode_dss_signature(private_key.sign(signed, _ECDSA))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Party:
    """A remote party (with a role) or a device (without)."""

    eui64: int
    signing: ec.EllipticCurvePrivateKey
    agreement: ec.EllipticCurvePrivateKey
    role: RemotePartyRole | None = None

    @classmethod
    def derived(cls, seed: int, eui64: int, role: RemotePartyRole | None = None) -> "Party":
        """The party with the keys that this seed gives it."""
        return cls(eui64, _key(seed, eui64, SIGNS), _key(seed, eui64, AGREES), role)

    def key(self, usage: str) -> ec.EllipticCurvePrivateKey:
        return self.signing if usage == SIGNS else self.agreement

    def certificate(self, usage: str) -> bytes:
        """Its certificate for this usage, in DER."""
        issuer = _key(0, 0, "issuer")
        builder = (
            x509.CertificateBuilder()
            .serial_number(1 + (self.eui64 << 1 | (usage == AGREES)))
            .issuer_name(_name("07", 0x00DE4D0000005007))
            .subject_name(x509.Name([]) if self.role is None else _name(f"{self.role:02x}", self.eui64))
            .public_key(self.key(usage).public_key())
            .not_valid_before(_FROM)
            .not_valid_after(_UNTIL)
            .add_extension(x509.KeyUsage(**{one: one == usage for one in _USAGES}), critical=True)
        )
        if self.role is None:
            builder = builder.add_extension(_hardware_module_name(self.eui64), critical=True)
        made = builder.sign(issuer, hashes.SHA256(), ecdsa_deterministic=True)
        return made.public_bytes(Encoding.DER)


def _key(seed: int, eui64: int, usage: str) -> ec.EllipticCurvePrivateKey:
    digest = hashlib.sha256(f"hanscope simulator {seed} {eui64:016x} {usage}".encode()).digest()
    return ec.derive_private_key(1 + int.from_bytes(digest, "big") % (P256_ORDER - 1), _CURVE)


def _name(role: str, eui64: int) -> x509.Name:
    attributes: list[x509.NameAttribute[Any]] = [
        x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, role),
        x509.NameAttribute(x509.NameOID.X500_UNIQUE_IDENTIFIER, b"\0" + eui64.to_bytes(8, "big"), _ASN1Type.BitString),
    ]
    return x509.Name(attributes)


def _hardware_module_name(eui64: int) -> x509.SubjectAlternativeName:
    value = _HARDWARE_TYPE + b"\x04\x08" + eui64.to_bytes(8, "big")
    return x509.SubjectAlternativeName([x509.OtherName(_HARDWARE_MODULE_NAME, b"\x30" + bytes((len(value),)) + value)])


def write_credentials(parties: Iterable[Party], certificates: Path, private_keys: Path) -> None:
    """Everybody's certificates into a folder, and the Key Agreement keys of the remote parties into a JSON list."""
    certificates.mkdir(parents=True, exist_ok=True)
    keys: list[dict[str, Any]] = []
    for party in parties:
        for usage, (short, name) in _NAMES.items():
            (certificates / f"{party.eui64:016x}-{short}.der").write_bytes(party.certificate(usage))
            if party.role is not None and usage == AGREES:
                value = party.agreement.private_numbers().private_value
                keys.append(
                    {"party": f"{party.eui64:016x}", "usage": name, "curve": "P-256", "private_value": f"{value:064x}"}
                )
    private_keys.write_text(json.dumps(keys, indent=1) + "\n")
