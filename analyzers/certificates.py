"""Certificates and private keys that a person gives, to verify GBCS messages with.

Organisation certificates name a party and its role, device certificates a device:

    organisation   subject: OU = role, two hexadecimal digits; x500UniqueIdentifier = BIT STRING, the EUI-64
    device         empty subject; subjectAltName: hardwareModuleName with the EUI-64 as serial number

Both hold a P-256 key that either signs or agrees on keys, never both. What a certificate says counts, not how its
file is called: a name that says otherwise is reported. The folder is trusted: neither the issuers' signatures nor
validity periods (a message has no time that could be relied on) are looked at, and certificates of certificate
authorities are passed over.

Private keys come from PEM files named by their owner and usage (`90b3d51f30010000-ka.pem`; ka Key Agreement, ds
Digital Signature, pp-ka prepayment top-ups) or from a JSON list:

    [{"party": "90b3d51f30010000", "usage": "keyAgreement", "prepayment": false, "curve": "P-256",
      "private_value": "…"}]

They are never shown, by no `repr` and no error either.
"""

import base64
import json
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from hanscope.analyzers.results import Fault
from hanscope.dissectors.eui64 import eui64 as parse_eui64
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs import crypto
from hanscope.dissectors.gbcs.codes import RemotePartyRole

LARGEST_FILE: Final = 1 << 20
"""Octets; certificates have some hundred."""
MOST_FILES: Final = 10_000

_ROLE: Final = x509.NameOID.ORGANIZATIONAL_UNIT_NAME
_ENTITY: Final = x509.NameOID.X500_UNIQUE_IDENTIFIER
_HARDWARE_MODULE_NAME: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")


_ROLE_NAMES: Final = {role.value: role.name.lower().replace("_", " ") for role in RemotePartyRole}


class Usage(StrEnum):
    """What a key is for."""

    DIGITAL_SIGNATURE = "digitalSignature"
    KEY_AGREEMENT = "keyAgreement"


class CredentialError(ValueError):
    """A certificate or a private key that is of no use; one line that says why."""


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """A P-256 key."""

    key: ec.EllipticCurvePublicKey
    point: bytes
    """04 || x || y, 65 octets."""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A certificate of a party (with a role) or of a device (without)."""

    eui64: int
    role: int | None
    """`None`: a device's."""
    usage: Usage
    prepayment: bool
    """Whether the file's name says that the key belongs to prepayment top-ups (UTRNs); the content does not tell."""
    public_key: PublicKey
    source: str
    """The file."""

    @property
    def is_device(self) -> bool:
        return self.role is None

    @property
    def owner(self) -> str:
        """As "90:b3:d5:1f:30:01:00:00 (supplier)"."""
        kind = "device" if self.role is None else _ROLE_NAMES.get(self.role, f"role 0x{self.role:02x}")
        return f"{eui64_text(self.eui64)} ({kind})"


@dataclass(frozen=True, slots=True, eq=False)
class PrivateKey:
    """A private key of a party or device."""

    eui64: int
    usage: Usage
    prepayment: bool
    source: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    public_key: PublicKey
    _agreed: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes], repr=False)

    def agree(self, other: PublicKey) -> bytes:
        """The shared secret with the other key's owner; worked out once for each."""
        if (secret := self._agreed.get(other.point)) is None:
            secret = self._agreed[other.point] = crypto.agree(self.key, other.key)
        return secret


Owned = TypeVar("Owned", Certificate, PrivateKey)


@dataclass(frozen=True)
class _Credentials(Generic[Owned]):
    usable: tuple[Owned, ...] = ()
    faults: tuple[Fault, ...] = ()
    """What could not be used, or is odd, and why."""

    @cached_property
    def _by_owner(self) -> dict[tuple[int, Usage], tuple[Owned, ...]]:
        groups: defaultdict[tuple[int, Usage], list[Owned]] = defaultdict(list)
        for one in self.usable:
            if not one.prepayment:
                groups[one.eui64, one.usage].append(one)
        return {owner: tuple(owned) for owner, owned in groups.items()}

    def of(self, eui64: int, usage: Usage) -> tuple[Owned, ...]:
        """Those of a party or device, without the ones for prepayment top-ups; several if they were renewed."""
        return self._by_owner.get((eui64, usage), ())


@dataclass(frozen=True)
class Certificates(_Credentials[Certificate]):
    """The certificates at hand."""

    @cached_property
    def access_control_brokers(self) -> tuple[int, ...]:
        """EUI-64s of the parties that have this role and agree on keys."""
        brokers = [
            certificate.eui64
            for certificate in self.usable
            if certificate.role == RemotePartyRole.ACCESS_CONTROL_BROKER and certificate.usage is Usage.KEY_AGREEMENT
        ]
        return tuple(dict.fromkeys(brokers))


@dataclass(frozen=True)
class PrivateKeys(_Credentials[PrivateKey]):
    """The private keys at hand."""


def read_certificates(paths: Iterable[Path]) -> Certificates:
    """The certificates in files and folders (not in folders inside them), PEM or DER; never raises."""
    usable, faults = _read_all(paths, _certificates_in, "certificate")
    return Certificates(usable, faults)


def read_private_keys(paths: Iterable[Path]) -> PrivateKeys:
    """The private keys in files and folders (not in folders inside them), PEM or JSON; never raises."""
    usable, faults = _read_all(paths, _private_keys_in, "private key")
    return PrivateKeys(usable, faults)


def parse_certificate(der: bytes, source: str = "") -> Certificate | None:
    """A certificate; `None` for that of a certificate authority. Raises CredentialError if it is of no use."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities that later versions of the library will refuse
            return _described(x509.load_der_x509_certificate(der), source)
    except CredentialError:
        raise
    except _LIBRARY_ERRORS as error:
        raise CredentialError("not an X.509 certificate, or a broken one") from error


_LIBRARY_ERRORS: Final = (
    KeyError,  # up to version 49, of a string of an unknown type
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


# Files

_Found = Iterator[Owned | Fault]


def _read_all(
    paths: Iterable[Path], read: Callable[[str, bytes], _Found[Owned]], what: str
) -> tuple[tuple[Owned, ...], tuple[Fault, ...]]:
    usable: list[Owned] = []
    faults: list[Fault] = []
    for path in paths:
        before = len(usable), len(faults)
        for found in _read_path(path, read):
            if isinstance(found, Fault):
                faults.append(found)
            else:
                usable.append(found)
        if before == (len(usable), len(faults)):
            faults.append(Fault(where=str(path), what=f"no {what} in it"))
    return tuple(usable), tuple(faults)


def _read_path(path: Path, read: Callable[[str, bytes], _Found[Owned]]) -> _Found[Owned]:
    try:
        files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    except OSError as error:
        yield Fault(where=str(path), what=f"cannot be read: {error.strerror}")
        return
    if len(files) > MOST_FILES:
        yield Fault(where=str(path), what=f"{len(files):,} files; only the first {MOST_FILES:,} are read")
    for file in files[:MOST_FILES]:
        try:
            with file.open("rb") as opened:
                octets = opened.read(LARGEST_FILE + 1)
        except OSError as error:
            yield Fault(where=str(file), what=f"cannot be read: {error.strerror}")
            continue
        if len(octets) > LARGEST_FILE:
            yield Fault(where=str(file), what=f"more than {LARGEST_FILE:,} octets: neither a certificate nor a key")
        else:
            yield from read(str(file), octets)


@dataclass(frozen=True, slots=True)
class _FileName:
    """What the name of a file says about the certificate or key in it."""

    eui64: int | None
    usage: Usage | None
    prepayment: bool


_EUI64: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{2}(?:[-:_ ]?[0-9a-f]{2}){7}(?![0-9a-f])")
_USAGES: Final = {
    "ka": Usage.KEY_AGREEMENT,
    "keyagreement": Usage.KEY_AGREEMENT,
    "ds": Usage.DIGITAL_SIGNATURE,
    "digitalsignature": Usage.DIGITAL_SIGNATURE,
}
_PREPAYMENT: Final = frozenset({"pp", "prepayment"})


def _parse_name(file: str) -> _FileName:
    name = Path(file).stem.lower()
    found = _EUI64.search(name)
    words = re.split(r"[^a-z0-9]+", name[: found.start()] + " " + name[found.end() :] if found else name)
    return _FileName(
        eui64=int(re.sub(r"[^0-9a-f]", "", found[0]), 16) if found else None,
        usage=next((_USAGES[word] for word in words if word in _USAGES), None),
        prepayment=not _PREPAYMENT.isdisjoint(words),
    )


# Certificates

_PEM_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----(.*?)(?:-----END CERTIFICATE-----|(?=-----BEGIN)|\Z)", re.DOTALL
)
_DER_SEQUENCE: Final = b"\x30"


def _certificates_in(file: str, octets: bytes) -> _Found[Certificate]:
    blocks = _PEM_CERTIFICATE.findall(octets)
    if not blocks and b"PRIVATE KEY-----" in octets:
        return
    if not blocks and not octets.startswith(_DER_SEQUENCE):
        yield Fault(where=file, what="neither a PEM nor a DER certificate")
        return
    name = _parse_name(file)
    for block in blocks or [None]:
        try:
            der = octets if block is None else _unwrapped(block)
            certificate = parse_certificate(der, file)
        except CredentialError as error:
            yield Fault(where=file, what=str(error))
            continue
        if certificate is not None:
            yield replace(certificate, prepayment=name.prepayment)
            yield from _contradictions(name, certificate)


def _unwrapped(block: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(block.split()), validate=True)
    except ValueError as error:
        raise CredentialError("broken PEM") from error


def _contradictions(name: _FileName, certificate: Certificate) -> Iterator[Fault]:
    """Where the file's name says something else than the certificate, which counts."""
    if name.eui64 not in {None, certificate.eui64}:
        what = f"its name says otherwise, but it is the certificate of {eui64_text(certificate.eui64)}: used as that"
        yield Fault(where=certificate.source, what=what)
    if name.usage not in {None, certificate.usage}:
        what = f"its name says otherwise, but its key is for {certificate.usage}: used as that"
        yield Fault(where=certificate.source, what=what)


def _described(certificate: x509.Certificate, source: str) -> Certificate | None:
    extensions = certificate.extensions
    if _is_authority(extensions):
        return None
    role, party = _party(certificate.subject)
    device = _device(extensions)
    if party is not None and device is not None:
        raise CredentialError("names an organisation and a device at once")
    eui64 = device if party is None else party
    if eui64 is None:
        raise CredentialError(
            "names no EUI-64, neither an organisation's (x500UniqueIdentifier) nor a device's (hardwareModuleName)"
        )
    if party is not None and role is None:
        raise CredentialError("an organisation's certificate without a role (OU of two hexadecimal digits)")
    return Certificate(
        eui64=eui64,
        role=None if party is None else role,
        usage=_usage(extensions),
        prepayment=False,
        public_key=_public_key(certificate.public_key()),
        source=source,
    )


def _is_authority(extensions: x509.Extensions) -> bool:
    constraints = _extension(extensions, x509.BasicConstraints)
    usage = _extension(extensions, x509.KeyUsage)
    return (constraints is not None and constraints.ca) or (usage is not None and usage.key_cert_sign)


def _party(subject: x509.Name) -> tuple[int | None, int | None]:
    """Role and EUI-64 of an organisation."""
    roles = [str(attribute.value) for attribute in subject.get_attributes_for_oid(_ROLE)]
    entities = [attribute.value for attribute in subject.get_attributes_for_oid(_ENTITY)]
    role = int(roles[0], 16) if len(roles) == 1 and re.fullmatch("[0-9A-Fa-f]{2}", roles[0]) else None
    # A BIT STRING's first octet counts the bits that its last one lacks.
    if len(entities) == 1 and isinstance(entities[0], bytes) and len(entities[0]) == 9 and entities[0][0] == 0:
        return role, int.from_bytes(entities[0][1:], "big")
    return role, None


def _device(extensions: x509.Extensions) -> int | None:
    """EUI-64 of a device."""
    names = _extension(extensions, x509.SubjectAlternativeName)
    modules = (
        []
        if names is None
        else [name.value for name in names.get_values_for_type(x509.OtherName) if name.type_id == _HARDWARE_MODULE_NAME]
    )
    return _serial_number(modules[0]) if len(modules) == 1 else None


def _serial_number(module_name: bytes) -> int | None:
    """The EUI-64 in a HardwareModuleName (RFC 4108): SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTETS }."""
    found = _HARDWARE_MODULE.fullmatch(module_name)
    if found is None or found[1][0] != len(module_name) - 2 or found[2][0] != len(found[3]):
        return None
    return int.from_bytes(found[4], "big")


_HARDWARE_MODULE: Final = re.compile(rb"\x30(.)\x06(.)(.+)\x04\x08(.{8})", re.DOTALL)


def _usage(extensions: x509.Extensions) -> Usage:
    usage = _extension(extensions, x509.KeyUsage)
    if usage is None:
        raise CredentialError("does not say what its key is for (keyUsage)")
    if usage.digital_signature == usage.key_agreement:
        raise CredentialError("its key must be for either digitalSignature or keyAgreement (keyUsage)")
    return Usage.DIGITAL_SIGNATURE if usage.digital_signature else Usage.KEY_AGREEMENT


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def _extension(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _public_key(key: Any) -> PublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CredentialError("its key is not of the curve P-256")
    return PublicKey(key, key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


# Private keys

_PEM_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)


def _private_keys_in(file: str, octets: bytes) -> _Found[PrivateKey]:
    if octets.lstrip()[:1] in {b"[", b"{"}:
        yield from _json_private_keys(file, octets)
        return
    blocks = [found[0] for found in _PEM_PRIVATE_KEY.finditer(octets)]
    if not blocks and b"PRIVATE KEY-----" not in octets and b"-----BEGIN CERTIFICATE-----" in octets:
        return
    if len(blocks) != 1:
        yield Fault(where=file, what="neither a PEM file with one private key nor a JSON list of keys")
        return
    try:
        yield _pem_private_key(file, blocks[0])
    except CredentialError as error:
        yield Fault(where=file, what=str(error))


def _pem_private_key(file: str, block: bytes) -> PrivateKey:
    name = _parse_name(file)
    if name.eui64 is None or name.usage is None:
        raise CredentialError(
            'whose key this is stands in the name of the file, as in "90b3d51f30010000-ka.pem" (ka, ds or pp-ka)'
        )
    try:
        key = load_pem_private_key(block, password=None)
    except TypeError:
        raise CredentialError("protected by a password; remove it first (openssl pkey)") from None
    except _LIBRARY_ERRORS:
        raise CredentialError("not a private key, or a broken one") from None
    return _private_key(name.eui64, name.usage, name.prepayment, file, key)


def _json_private_keys(file: str, octets: bytes) -> _Found[PrivateKey]:
    try:
        entries: Any = json.loads(octets)
    except (ValueError, RecursionError):
        yield Fault(where=file, what="not JSON")
        return
    if not isinstance(entries, list):
        yield Fault(where=file, what="not a JSON list of keys")
        return
    for number, entry in enumerate(entries, 1):
        where = f"{file}, entry {number}"
        try:
            yield _json_private_key(where, entry)
        except CredentialError as error:
            yield Fault(where=where, what=str(error))


def _json_private_key(source: str, entry: Any) -> PrivateKey:
    if not isinstance(entry, dict):
        raise CredentialError("not an object")
    if entry.get("curve", "P-256") != "P-256":
        raise CredentialError("its key is not of the curve P-256")
    try:
        eui64 = parse_eui64(entry["party"].replace("-", ""))
        usage = Usage(entry["usage"])
        key = ec.derive_private_key(int.from_bytes(bytes.fromhex(entry["private_value"]), "big"), ec.SECP256R1())
    except (KeyError, AttributeError, *_LIBRARY_ERRORS):
        # Not chained: the library's words might quote the value.
        what = 'needs "party" (EUI-64), "usage" (digitalSignature or keyAgreement) and "private_value" (hexadecimal)'
        raise CredentialError(what) from None
    return _private_key(eui64, usage, entry.get("prepayment") is True, source, key)


def _private_key(eui64: int, usage: Usage, prepayment: bool, source: str, key: Any) -> PrivateKey:  # noqa: FBT001 -- a field
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CredentialError("its key is not of the curve P-256")
    return PrivateKey(
        eui64=eui64,
        usage=usage,
        prepayment=prepayment,
        source=source,
        key=key,
        public_key=_public_key(key.public_key()),
    )
