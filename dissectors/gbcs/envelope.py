# ruff: noqa: ARG002 -- Scapy calls its fields with arguments that these have no use for
"""The envelope of GBCS messages: MAC Header, Grouping Header, signature, MAC, Routing Header and General Block Transfer.

The first two octets tell what there is: `DF 09` a message without MAC (or a pre-command, which nobody signed yet),
`DD 00` a message with MAC, `DD 09` one block of a larger message. As Scapy layers:

    MacHeader / GroupingHeader / Mac        GroupingHeader        RoutingHeader / BlockTransfer

`parse` gives the same as one plain record with octet ranges, which is what verifies signatures and MACs.
"""

from typing import NamedTuple

import msgspec


class EnvelopeError(ValueError):
    """Octets that are no GBCS message, or one that ends inside its headers; says where."""


class Span(NamedTuple):
    """Octets [start, stop) of a message."""

    start: int
    stop: int

    def of(self, octets: bytes) -> bytes:
        return octets[self.start : self.stop]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What surrounds the payload of one complete message. EUI-64s are integers (`fields.eui64_text` shows them)."""

    octets: bytes
    """The whole message; all spans count in it."""
    cra_flag: int
    """1 Command, 2 Response, 3 Alert; other values stand as they are, with a problem."""
    originator_counter: int
    originator: int
    """Business Originator ID."""
    target: int
    """Business Target ID."""
    date_time: bytes | None
    """DLMS date-time, 12 octets."""
    message_code: int
    supplementary_remote_party: int | None
    supplementary_remote_party_counter: int | None
    supplementary_originator_counter: int | None
    """Of a response; chooses the key of encrypted parts."""
    key_agreement_certificate: bytes | None
    """Of a command: the supplementary party's, X.509 in DER."""

    mac_header: Span | None
    """`None`: a message without MAC."""
    grouping_header: Span
    """From the tag DF up to the payload's length."""
    other_information: Span
    payload: Span
    signature_length: Span | None
    """`None`: a pre-command, that ends behind its payload."""
    signature: Span | None
    """r ‖ s, 64 octets; `None` when there is none."""
    mac: Span | None
    """12 octets."""
    surplus: Span | None
    """Octets that the lengths leave over: always with a problem."""

    signed: Span
    """What the signature covers: behind the tag DF up to the end of the payload."""
    authenticated: Span | None
    """What the MAC covers in the message itself, after `mac_prefix`: from the tag DF to the end of the signature."""
    mac_prefix: bytes
    """What the MAC covers before that: security control and the five length octets of the MAC Header *as they stand
    in the message*, `11 00000000 00` in a sound one. Empty without MAC Header."""
    invocation_counter: bytes
    """4 octets, part of the IV (`00000000` in a sound message). Empty without MAC Header."""
    problems: tuple[str, ...]

    @property
    def is_pre_command(self) -> bool:
        """A command before it was signed and before the ACB added the MAC."""
        return self.signature is None and self.mac_header is None


def parse(octets: bytes) -> Envelope:
    """The envelope of one complete message. Raises `EnvelopeError`."""
    raise NotImplementedError
