"""GBCS messages as results: decoded, and verified where certificates and private keys are given."""

from typing import TYPE_CHECKING, Final

import msgspec

from hanscope.analyzers.results import Message, MessagePart, Verdict
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs.codes import use_case_text
from hanscope.dissectors.gbcs.envelope import Envelope, EnvelopeError, parse
from hanscope.dissectors.gbcs.message import GbcsMessage, decode_payload
from hanscope.dissectors.gbcs.node import Node

if TYPE_CHECKING:  # heavy, and needed only for verification
    from hanscope.analyzers.certificates import Certificates, PrivateKeys

_ABSENT: Final = Verdict(outcome="absent", detail="")
_NOT_ASKED: Final = Verdict(outcome="unknown", detail="not verified: no certificates were given")
_LARGEST_INTEGER: Final = 1 << 64
"""Beyond this JSON readers lose digits, and msgspec refuses."""


class Credentials(msgspec.Struct, frozen=True):
    """What messages are verified with."""

    certificates: "Certificates"
    private_keys: "PrivateKeys"


def examine(
    octets: bytes, *, credentials: Credentials | None = None, file: str | None = None, frames: tuple[int, ...] = ()
) -> Message:
    """Decodes a message and verifies it, if there is something to do that with. Never raises."""
    try:
        envelope = parse(octets)
    except EnvelopeError as error:
        return undecodable(str(error), octets, file=file, frames=frames)
    if credentials is None:
        decoded = decode_payload(envelope)
        signature = _ABSENT if envelope.signature is None else _NOT_ASKED
        mac = _ABSENT if envelope.mac_header is None else _NOT_ASKED
        opened: tuple[Verdict, ...] = (_NOT_ASKED,) * len(decoded.encrypted)
    else:
        from hanscope.analyzers.gbcs_verify import verify  # noqa: PLC0415 - heavy

        decoded, opened = _opened(envelope, credentials)
        found = verify(envelope, credentials.certificates, credentials.private_keys)
        signature, mac = found.signature, found.mac
    return Message(
        file=file,
        frames=frames,
        message_code=envelope.message_code,
        use_case=use_case_text(envelope.message_code),
        cra_flag=envelope.cra_flag,
        originator=eui64_text(envelope.originator),
        target=eui64_text(envelope.target),
        originator_counter=envelope.originator_counter,
        headers=tuple(map(part_of, envelope.headers)),
        payload=part_of(decoded.payload),
        trailers=tuple(map(part_of, envelope.trailers)),
        signature=signature,
        mac=mac,
        encrypted_parts=opened,
        problems=decoded.problems,
        octets=octets.hex(),
    )


def _opened(envelope: Envelope, credentials: Credentials) -> tuple[GbcsMessage, tuple[Verdict, ...]]:
    """A decoded message, its encrypted parts opened where they can be, and what became of each."""
    from hanscope.analyzers.gbcs_verify import open_part  # noqa: PLC0415 - heavy

    verdicts: list[Verdict] = []

    def opened(part: bytes) -> bytes | None:
        found = open_part(envelope, part, credentials.certificates, credentials.private_keys)
        verdicts.append(Verdict(outcome=found.outcome, detail=found.detail))
        return found.plaintext

    return decode_payload(envelope, opened), tuple(verdicts)


def undecodable(why: str, octets: bytes = b"", *, file: str | None = None, frames: tuple[int, ...] = ()) -> Message:
    """The result for octets, or for an input, that are no message."""
    return Message(
        file=file,
        frames=frames,
        message_code=None,
        use_case=None,
        cra_flag=None,
        originator=None,
        target=None,
        originator_counter=None,
        headers=(),
        payload=None,
        trailers=(),
        signature=Verdict(outcome="unknown", detail="not decoded"),
        mac=Verdict(outcome="unknown", detail="not decoded"),
        encrypted_parts=(),
        problems=(),
        octets=octets.hex(),
        error=why,
    )


def part_of(node: Node) -> MessagePart:
    """A node, and all below it, as a result."""
    value = node.value
    # By position and with the common types first: hundreds of thousands of these are made in a second.
    return MessagePart(
        node.name,
        node.start,
        node.stop,
        value.hex() if isinstance(value, bytes) else _large(value) if type(value) is int and value >> 63 else value,
        node.text,
        node.problem,
        None if node.plaintext is None else node.plaintext.hex(),
        tuple([part_of(child) for child in node.children]) if node.children else (),
    )


def _large(value: int) -> int | str:
    """A number as JSON can hold it: one of more than 64 bits becomes hexadecimal digits."""
    return value if -_LARGEST_INTEGER // 2 <= value < _LARGEST_INTEGER else hex(value)
