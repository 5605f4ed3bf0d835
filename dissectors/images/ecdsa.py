"""The ECDSA signature of an OTA file (tags 0001, 0002, 0005, 0006; ZCL 11.4.3, Smart Energy annex C).

Signed are all octets of the file but r and s themselves: header, elements, certificate, and of the signature element
tag, length and signer. The digest is AES-MMO. The signer's key comes from its implicit certificate and the key of the
certificate authority, which is in no file: without it a signature stays unverified.

    signature      signer EUI-64 (8, little-endian), r, s (21 each in suite 1, 36 in suite 2)
    certificate 1  reconstruction point 22, subject EUI-64 8 (big-endian), issuer 8, attributes 10
    certificate 2  type, serial 8, curve, hash, issuer 8, from 5, lifetime 4, subject EUI-64 8, key usage, point 37
"""

from typing import Final

import msgspec

from hanscope.dissectors.crypto.binary_curves import SECT163K1, SECT283K1, Curve, NotOnCurveError
from hanscope.dissectors.crypto.mmo import Mmo, mmo
from hanscope.dissectors.images import ota_file
from hanscope.dissectors.images.format import Format, Judgement, Ranges, near
from hanscope.dissectors.images.integrity_code import LARGEST_HASHED
from hanscope.dissectors.images.octets import Octets
from hanscope.dissectors.images.ota_file import Element, Tag

NAME: Final = "signature"
SIGNER_LENGTH: Final = 8
MOST_KEYS: Final = 64
"""Keys of certificate authorities that are tried."""
CERTIFICATE_2_HEAD: Final = (0x00, 0x0D, 0x08)
"""Type, curve (sect283k1) and hash (AES-MMO) of a certificate of suite 2."""
SIGNS: Final = 0x80
"""Bit of the key usage."""


class Suite(msgspec.Struct, frozen=True):
    """A cryptographic suite of Smart Energy."""

    number: int
    curve: Curve
    signature_tag: Tag
    certificate_tag: Tag
    number_length: int
    """Octets of r, and of s."""
    subject_at: int
    issuer_at: int
    point_at: int

    @property
    def point_length(self) -> int:
        return self.curve.octets + 1


SUITES: Final = (
    Suite(1, SECT163K1, Tag.ECDSA_SIGNATURE_1, Tag.ECDSA_CERTIFICATE_1, 21, subject_at=22, issuer_at=30, point_at=0),
    Suite(2, SECT283K1, Tag.ECDSA_SIGNATURE_2, Tag.ECDSA_CERTIFICATE_2, 36, subject_at=28, issuer_at=11, point_at=37),
)


def check(source: Octets, offset: int, elements: tuple[Element, ...], ca_keys: tuple[bytes, ...] = ()) -> Judgement:
    """`ca_keys` are compressed points of certificate authorities: 22 octets for suite 1, 37 for suite 2."""
    tags = {element.tag for element in elements}
    found = [suite for suite in SUITES if tags & {suite.signature_tag, suite.certificate_tag}]
    if not found:
        return check_unreached(source)
    if len(found) > 1:
        return Judgement(NAME, "invalid", "elements of both suites in one file")
    return _check_suite(source, offset, found[0], elements, ca_keys)


def _check_suite(
    source: Octets, offset: int, suite: Suite, elements: tuple[Element, ...], ca_keys: tuple[bytes, ...]
) -> Judgement:
    signatures = [element for element in elements if element.tag == suite.signature_tag]
    certificates = [element for element in elements if element.tag == suite.certificate_tag]
    if not signatures:
        return Judgement(NAME, "invalid", "a signing certificate without a signature")
    problems = _structure(elements, signatures, certificates)
    if problems:
        return Judgement(NAME, "invalid", "; ".join(problems))
    at = signatures[0].offset
    told = f"suite {suite.number}, {_signer(source, at)}"
    if not certificates:
        if len(elements) > 1 and _is_near(source, elements[-2].start, suite.certificate_tag):
            return Judgement(NAME, "invalid", f"{told}; one bit of its certificate's tag is wrong")
        return Judgement(NAME, "unknown", f"{told}, without signing certificate; not verified: nothing holds its key")
    return _judge(source, offset, suite, signatures[0], certificates[0], ca_keys, f"{told}, with signing certificate")


def check_unreached(source: Octets) -> Judgement:
    """When no element is a signature: damage must not hide one that stands at the end of the file."""
    for suite in SUITES:
        start = source.size - ota_file.FIXED_LENGTHS[suite.signature_tag] - ota_file.ELEMENT_HEAD_LENGTH
        if _is_near(source, start, suite.signature_tag):
            return Judgement(NAME, "invalid", f"suite {suite.number}, at the end of the file; no element reaches it")
    return Judgement(NAME, "unknown", "the file carries none")


def _is_near(source: Octets, start: int, tag: Tag) -> bool:
    """Whether the head of such an element stands there, or one that is a bit off."""
    end = start + ota_file.ELEMENT_HEAD_LENGTH
    if start < ota_file.SMALLEST_HEADER or source.lacks(start, end) is not None:
        return False
    head = ota_file.build_element(tag, bytes(ota_file.FIXED_LENGTHS[tag]))[: ota_file.ELEMENT_HEAD_LENGTH]
    return near(bytes(source.read(start, end)), head)


def _structure(elements: tuple[Element, ...], signatures: list[Element], certificates: list[Element]) -> list[str]:
    rules = [
        (len(signatures) > 1, f"{len(signatures)} signatures"),
        (len(certificates) > 1, f"{len(certificates)} signing certificates"),
        (elements[-1] is not signatures[-1], "the signature is not the last element"),
        (
            any(element.length != ota_file.FIXED_LENGTHS[element.tag] for element in (*signatures, *certificates)),
            "a length that the suite does not have",
        ),
    ]
    return [problem for broken, problem in rules if broken]


def _signer(source: Octets, at: int) -> str:
    if source.lacks(at, at + SIGNER_LENGTH) is not None:
        return "signer not captured"
    return f"signer {bytes(source.read(at, at + SIGNER_LENGTH))[::-1].hex(':')}"


def _judge(
    source: Octets,
    offset: int,
    suite: Suite,
    signature: Element,
    certified: Element,
    ca_keys: tuple[bytes, ...],
    told: str,
) -> Judgement:
    reason = source.lacks(certified.offset, certified.end) or source.lacks(signature.offset, signature.end)
    if reason is not None:
        return Judgement(NAME, "unknown", f"{told}; {reason}")
    certificate = bytes(source.read(certified.offset, certified.end))
    problems = _certificate_problems(suite, certificate, bytes(source.read(signature.offset, signature.offset + 8)))
    if problems:
        return Judgement(NAME, "invalid", f"{told}; {'; '.join(problems)}")
    keys = [key for key in ca_keys[:MOST_KEYS] if len(key) == suite.point_length]
    if not keys:
        return Judgement(NAME, "unknown", f"{told}; not verified: no CA key for this suite")
    reason = source.lacks(offset, signature.end)
    if reason is not None:
        return Judgement(NAME, "unknown", f"{told}; {reason}")
    if signature.end - offset > LARGEST_HASHED:
        return Judgement(NAME, "unknown", f"{told}; more than {LARGEST_HASHED:,} octets, which would take too long")
    return _verify(source, offset, suite, signature, certificate, keys, told)


def _certificate_problems(suite: Suite, certificate: bytes, signer: bytes) -> list[str]:
    problems: list[str] = []
    if certificate[suite.subject_at : suite.subject_at + SIGNER_LENGTH] != signer[::-1]:
        problems.append("the certificate is another device's than the signer's")
    if suite.number == 2:
        if (certificate[0], certificate[9], certificate[10]) != CERTIFICATE_2_HEAD:
            problems.append("type, curve or hash of the certificate are not those of suite 2")
        if not certificate[36] & SIGNS:
            problems.append("the certificate's key is not for signing")
    try:
        suite.curve.decompress(certificate[suite.point_at : suite.point_at + suite.point_length])
    except NotOnCurveError:
        problems.append("the certificate holds no point of the curve")
    return problems


def _verify(
    source: Octets,
    offset: int,
    suite: Suite,
    signature: Element,
    certificate: bytes,
    keys: list[bytes],
    told: str,
) -> Judgement:
    issuer = _issuer(certificate[suite.issuer_at : suite.issuer_at + 8])
    digest = Mmo().update(source.read(offset, signature.offset + SIGNER_LENGTH)).digest()
    numbers = bytes(source.read(signature.offset + SIGNER_LENGTH, signature.end))
    point = certificate[suite.point_at : suite.point_at + suite.point_length]
    covers: Ranges = ((offset, signature.end),)
    for ca_key in keys:
        try:
            key = suite.curve.public_key(point, mmo(certificate), ca_key)
        except NotOnCurveError:
            continue
        for order in ("big", "little"):
            r, s = (int.from_bytes(numbers[at : at + suite.number_length], order) for at in (0, suite.number_length))
            if suite.curve.verifies(key, digest, r, s):
                note = "" if order == "big" else "; r and s are little-endian, against the known implementations"
                return Judgement(NAME, "valid", f"{told} of {issuer}; verified with a given CA key{note}", covers)
    tried = "the given CA key" if len(keys) == 1 else f"any of {len(keys)} given CA keys"
    return Judgement(NAME, "invalid", f"{told} of {issuer}; does not verify with {tried}")


def _issuer(octets: bytes) -> str:
    text = "".join(chr(octet) for octet in octets if 0x20 <= octet < 0x7F)
    return f'issuer "{text}"' if len(text) == len(octets) else f"issuer {octets.hex(':')}"


FORMAT: Final = Format(
    name="ECDSA signature",
    vendors="Smart Energy devices; SberDevices (without certificate)",
    signature="elements 0001 and 0002 (suite 1, sect163k1) or 0005 and 0006 (suite 2, sect283k1)",
    checks=(
        "signature: one signature, the last element; one certificate, the signer's; verified when a CA key is given",
    ),
    limitations="No CA key is public. Integrity code and signature in one file: that the code is signed as all else "
    "is UNCONFIRMED, and so is the byte order of r and s in real files (both are tried).",
    source="ZCL 11.4.3; Smart Energy 1.4 annex C; SEC 2 and SEC 4; its test vectors",
)
