"""One GBCS message, from its octets to the tree in which every octet has a name."""

from typing import Final

import msgspec

from hanscope.dissectors.gbcs import asn1, dlms, gbz
from hanscope.dissectors.gbcs.envelope import Envelope, parse
from hanscope.dissectors.gbcs.node import Decryptor, Node, problems


class GbcsMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded message."""

    envelope: Envelope
    tree: Node
    """The whole message: headers, payload, signature, MAC."""
    payload: Node
    encrypted: tuple[bytes, ...]
    """The encrypted parts of the payload as they stand in it, each from its security control to its tag."""
    problems: tuple[str, ...]


_GBZ: Final = b"\x01\x09"
_DLMS: Final = frozenset({dlms.ACCESS_REQUEST, dlms.ACCESS_RESPONSE, dlms.DATA_NOTIFICATION})


def decode(octets: bytes, decrypt: Decryptor | None = None) -> GbcsMessage:
    """The message that `octets` are. Raises `EnvelopeError` if they are none, or end inside the headers.

    Everything else that is wrong is in the tree, with its problem. `decrypt` opens encrypted parts.
    """
    return decode_payload(parse(octets), decrypt)


def decode_payload(envelope: Envelope, decrypt: Decryptor | None = None) -> GbcsMessage:
    """The message whose envelope is parsed already: it chooses the key for `decrypt`."""
    encrypted: list[bytes] = []

    def opened(part: bytes) -> bytes | None:
        encrypted.append(part)
        return None if decrypt is None else decrypt(part)

    payload = _payload(envelope, opened)
    tree = Node("GBCS message", 0, len(envelope.octets), children=(*envelope.headers, payload, *envelope.trailers))
    return GbcsMessage(
        envelope=envelope,
        tree=tree,
        payload=payload,
        encrypted=tuple(encrypted),
        problems=(*envelope.problems, *problems(payload)),
    )


def _payload(envelope: Envelope, decrypt: Decryptor) -> Node:
    """The payload's tree. Its first octets tell the family: only ASN.1 begins in none of the other two's ways."""
    octets, (start, stop) = envelope.octets, envelope.payload
    code, flag = envelope.message_code, envelope.cra_flag
    if start == stop:
        return Node("payload", start, stop, problem="the payload is empty")
    if octets[start] in _DLMS:
        return dlms.decode(octets, start, stop, code, flag, decrypt)
    if octets[start : start + 2] == _GBZ:
        return gbz.decode(octets, start, stop, flag, decrypt)
    return asn1.decode(octets, start, stop, code, flag)
