"""Whether the signature and the MAC of a GBCS message hold, and what its encrypted parts say.

    signature         the Business Originator's Digital Signature key; an organisation's for commands, else a device's
    MAC of a command  Access Control Broker and target device; originator and target for messages between HAN devices
    MAC of others     the device and the Business Target
    encrypted part    the device and the Supplementary Remote Party, or the Business Target where there is none; the
                      Supplementary Originator Counter, or the Originator Counter where there is none

Key agreement needs the private key of one end and the certificate of the other. *Invalid* is said only when all that is
needed was there; what is missing makes it *unknown*, and is named.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from hanscope.analyzers.certificates import Certificates, PrivateKeys, PublicKey, Usage
from hanscope.analyzers.results import Result, Verdict
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs import crypto
from hanscope.dissectors.gbcs.codes import USE_CASES, Category, CraFlag
from hanscope.dissectors.gbcs.crypto import KeyUse
from hanscope.dissectors.gbcs.envelope import Envelope


class EncryptedPart(Result, frozen=True, kw_only=True):
    """What became of one encrypted part of the payload."""

    outcome: Literal["valid", "invalid", "unknown"]
    detail: str
    plaintext: bytes | None
    """When valid."""


class Verification(Result, frozen=True, kw_only=True):
    """What became of all that protects one message."""

    signature: Verdict
    mac: Verdict
    encrypted_parts: tuple[EncryptedPart, ...]
    """In the order in which they were given."""


ABSENT: Final = Verdict(outcome="absent", detail="")


def verify(
    envelope: Envelope, certificates: Certificates, private_keys: PrivateKeys, encrypted: Iterable[bytes] = ()
) -> Verification:
    """Verifies a message and decrypts the `encrypted` parts of its payload (each from its security control on)."""
    return Verification(
        signature=_signature(envelope, certificates),
        mac=_mac(envelope, certificates, private_keys),
        encrypted_parts=tuple(open_part(envelope, part, certificates, private_keys) for part in encrypted),
    )


def _signature(envelope: Envelope, certificates: Certificates) -> Verdict:
    if envelope.signature is None:
        return ABSENT
    from_device = envelope.cra_flag != CraFlag.COMMAND
    candidates = [
        certificate
        for certificate in certificates.of(envelope.originator, Usage.DIGITAL_SIGNATURE)
        if certificate.is_device == from_device
    ]
    if not candidates:
        kind = "device" if from_device else "organisation"
        missing = f"no digitalSignature certificate of the {kind} {eui64_text(envelope.originator)}"
        return Verdict(outcome="unknown", detail=missing)
    signed, signature = envelope.signed.of(envelope.octets), envelope.signature.of(envelope.octets)
    for certificate in candidates:
        if crypto.signature_holds(certificate.public_key.key, signed, signature):
            return Verdict(outcome="valid", detail=f"signed by {certificate.owner}")
    return Verdict(outcome="invalid", detail=f"not a signature of {candidates[0].owner}")


def _mac(envelope: Envelope, certificates: Certificates, private_keys: PrivateKeys) -> Verdict:
    if envelope.mac_header is None:
        return ABSENT
    if envelope.mac is None or envelope.authenticated is None:
        return Verdict(outcome="invalid", detail="the message ends before its MAC")
    use = _MAC_USES.get(envelope.cra_flag)
    if use is None:
        return Verdict(outcome="unknown", detail=f"CRA flag {envelope.cra_flag} chooses no key")
    ends = _ends(envelope, certificates)
    authenticated = envelope.mac_prefix + envelope.authenticated.of(envelope.octets)
    tag = envelope.mac.of(envelope.octets)
    missing = [] if ends else ["no keyAgreement certificate of an Access Control Broker"]
    for one, other in ends:
        secrets, lacking = _secrets(one, other, certificates, private_keys)
        missing += [lacking] if lacking else []
        for secret in secrets:
            key = crypto.derive_key(secret, use, envelope.originator, envelope.originator_counter, envelope.target)
            if crypto.mac_holds(key, envelope.originator, authenticated, tag, envelope.invocation_counter):
                return Verdict(outcome="valid", detail=f"made with the key of {_pair(one, other)}")
    if missing:
        return Verdict(outcome="unknown", detail="; ".join(missing))
    return Verdict(outcome="invalid", detail=f"not made with the key of {' or '.join(_pair(*pair) for pair in ends)}")


def _ends(envelope: Envelope, certificates: Certificates) -> list[tuple[int, int]]:
    """The pairs of which one made the key of the MAC: one, or as many as there are Access Control Brokers."""
    use_case = USE_CASES.get(envelope.message_code)
    between_devices = use_case is not None and use_case.category is Category.HAN_ONLY
    if envelope.cra_flag != CraFlag.COMMAND or between_devices:
        return [(envelope.originator, envelope.target)]
    return [(broker, envelope.target) for broker in certificates.access_control_brokers]


def open_part(envelope: Envelope, part: bytes, certificates: Certificates, private_keys: PrivateKeys) -> EncryptedPart:
    """Decrypts one encrypted part of the payload: security control, invocation counter, ciphertext, tag."""
    device = envelope.originator
    recipient = _or_else(envelope.supplementary_remote_party, envelope.target)
    counter = _or_else(envelope.supplementary_originator_counter, envelope.originator_counter)
    secrets, missing = _secrets(device, recipient, certificates, private_keys)
    for secret in secrets:
        key = crypto.derive_key(secret, KeyUse.ENCRYPTION, device, counter, recipient)
        if (plaintext := crypto.decrypt(key, device, part)) is not None:
            detail = f"opened with the key of {_pair(device, recipient)}"
            return EncryptedPart(outcome="valid", detail=detail, plaintext=plaintext)
    if missing:
        return EncryptedPart(outcome="unknown", detail=missing, plaintext=None)
    detail = f"does not open with the key of {_pair(device, recipient)}"
    return EncryptedPart(outcome="invalid", detail=detail, plaintext=None)


_MAC_USES: Final[dict[int, KeyUse]] = {
    CraFlag.COMMAND: KeyUse.COMMAND_MAC,
    CraFlag.RESPONSE: KeyUse.RESPONSE_MAC,
    CraFlag.ALERT: KeyUse.ALERT_MAC,
}


def _secrets(
    one: int, other: int, certificates: Certificates, private_keys: PrivateKeys
) -> tuple[tuple[bytes, ...], str]:
    """The secrets that two parties may share (several after a renewal); what is missing if there is none."""
    secrets: dict[bytes, None] = {}
    for mine, theirs in ((one, other), (other, one)):
        for private_key in private_keys.of(mine, Usage.KEY_AGREEMENT):
            for public_key in _public_keys(theirs, certificates, private_keys):
                secrets[private_key.agree(public_key)] = None
    if secrets:
        return tuple(secrets), ""
    for mine, theirs in ((one, other), (other, one)):
        if private_keys.of(mine, Usage.KEY_AGREEMENT):
            return (), f"no keyAgreement certificate of {eui64_text(theirs)}"
    return (), f"no keyAgreement private key of {eui64_text(one)} or {eui64_text(other)}"


def _public_keys(eui64: int, certificates: Certificates, private_keys: PrivateKeys) -> Iterator[PublicKey]:
    for held in (*certificates.of(eui64, Usage.KEY_AGREEMENT), *private_keys.of(eui64, Usage.KEY_AGREEMENT)):
        yield held.public_key


def _pair(one: int, other: int) -> str:
    return f"{eui64_text(one)} and {eui64_text(other)}"


def _or_else(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
