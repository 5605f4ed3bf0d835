# ruff: noqa: ARG002 -- Scapy calls its fields with arguments that these have no use for
"""The envelope of GBCS messages: MAC Header, Grouping Header, signature and MAC; Routing Header and Block Transfer.

The first two octets tell what there is: `DF 09` a message without MAC (or a pre-command, that nobody signed yet),
`DD 00` a message with MAC, `DD 09` one block of a larger message. As Scapy layers:

    MacHeader / GroupingHeader / Mac        GroupingHeader        RoutingHeader / BlockTransfer

`parse` gives the same as one plain record with octet ranges: what verifies signatures and MACs, and the decoder,
work with that.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from scapy.fields import (
    BitField,
    ByteEnumField,
    ByteField,
    LongField,
    ShortField,
    StrField,
    StrLenField,
    XByteField,
    XIntField,
    XShortField,
)
from scapy.packet import Packet

from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.fields import DerivedOctet, EUI64Field, Octets, count_of
from hanscope.dissectors.gbcs.codes import CraFlag, use_case_text
from hanscope.dissectors.gbcs.node import UNNAMED, Node, undecoded
from hanscope.dissectors.gbcs.node import problems as problems_of
from hanscope.dissectors.gbcs.times import DATE_TIME_LENGTH, date_time_text
from hanscope.dissectors.gbcs.walk import View, read, shape_of
from hanscope.dissectors.layer import IfRoom, Layer, MalformedError, Undissected, When

GENERAL_CIPHERING: Final = 0xDD
GENERAL_SIGNING: Final = 0xDF
GENERAL_BLOCK_TRANSFER: Final = 0xE0
AUTHENTICATED: Final = 0x11
"""Security control: authentication only, suite 1."""
MAC_LENGTH: Final = 12
SIGNATURE_LENGTH: Final = 64
_WIDEST_LENGTH: Final = 5


def ber_length(number: int) -> bytes:
    """A length as it is written: one octet below 128, otherwise 8n and n octets."""
    if number < 0x80:
        return bytes((number,))
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def written_length(octets: bytes) -> int:
    """What `ber_length` wrote, in its shortest form or not."""
    return octets[0] if len(octets) == 1 else int.from_bytes(octets[1:], "big")


class BerLength(StrField):
    """A length in octets as BER writes it; derived if left `None`. Inside it stands as written, however wide."""

    __slots__ = ["derive"]

    def __init__(self, name: str, derive: Callable[[Any], int]) -> None:
        super().__init__(name, None)
        self.derive = derive

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        return ber_length(x) if isinstance(x, int) else x

    h2i = any2i

    def i2h(self, pkt: Packet | None, x: bytes | None) -> int | None:
        if x is None:
            return None if pkt is None else self.derive(pkt)
        return written_length(x)

    def i2repr(self, pkt: Packet | None, x: bytes | None) -> str:
        return str(self.i2h(pkt, x))

    def i2len(self, pkt: Packet | None, x: Any) -> int:
        return len(self.i2m(pkt, x))

    def i2m(self, pkt: Packet | None, x: Any) -> bytes:
        return ber_length(self.derive(pkt)) if x is None else x

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        return s + self.i2m(pkt, val)

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, bytes]:
        width = self.size_in(s, 0, len(s))
        if width > len(s):
            raise MalformedError(str(pkt.name), self.name)
        return s[width:], s[:width]

    def size_in(self, octets: bytes, at: int, stop: int) -> int:
        """Octets of the length at `at`; more than there are if it does not fit, or is no length."""
        first = octets[at] if at < stop else 0
        width = 1 + (first & 0x7F if first & 0x80 else 0)
        return stop - at + 1 if width > _WIDEST_LENGTH or first == 0x80 else width


def _identities(length_of_other_information: Callable[[Any], int]) -> list[Any]:
    """The fields that Grouping Header and Routing Header share, behind their tag."""
    return [
        ByteField("transaction_id_length", _TRANSACTION_ID_LENGTH),
        ByteEnumField("cra_flag", CraFlag.COMMAND, CraFlag),
        LongField("originator_counter", 0),
        ByteField("originator_length", _EUI64_LENGTH),
        EUI64Field("originator", 0, ">"),
        ByteField("target_length", _EUI64_LENGTH),
        EUI64Field("target", 0, ">"),
        DerivedOctet("date_time_length", count_of("date_time")),
        StrLenField("date_time", b"", length_from=lambda p: p.date_time_length),
        BerLength("other_information_length", length_of_other_information),
        XShortField("message_code", 0),
    ]


_TRANSACTION_ID_LENGTH: Final = 9
_EUI64_LENGTH: Final = 8


def _other_information_length(layer: Any) -> int:
    given = ("supplementary_remote_party", "supplementary_remote_party_counter", "supplementary_originator_counter")
    numbers = sum(layer.getfieldval(name) is not None for name in given)
    return 2 + 8 * numbers + len(layer.other_information_rest or b"")


def _other_information_rest(layer: Any) -> int:
    """Octets behind the numbers: a certificate, or what should not be there."""
    present = (at for at in (10, 18) if layer.other_information_length >= at)
    numbers = 26 if layer.other_information_length == 26 else max(present, default=2)
    return max(layer.other_information_length - numbers, 0)


class MacHeader(Layer):
    """DLMS general-ciphering with all identities left out: what follows is protected by a `Mac`."""

    fields_desc: ClassVar[list[Any]] = [
        XByteField("tag", GENERAL_CIPHERING),
        ByteField("transaction_id_length", 0),
        ByteField("originator_length", 0),
        ByteField("recipient_length", 0),
        ByteField("date_time_length", 0),
        ByteField("other_information_length", 0),
        ByteField("key_information", 0),
        BerLength("length", lambda p: 5 + len(p.payload)),
        XByteField("security_control", AUTHENTICATED),
        XIntField("invocation_counter", 0),
    ]

    def payload_class(self) -> type[Packet]:
        return GroupingHeader


class _UnlessPreCommand(IfRoom):
    """The signature's length, which only a pre-command does without: built if a signature or a MAC follows."""

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        given = val is not None or pkt.getfieldval("signature") or pkt.payload
        return self.fld.addfield(pkt, s, val) if given else s


class GroupingHeader(Layer):
    """DLMS general-signing: who, to whom, what about, with the payload (`content`) and its signature.

    Other-information is the message code, then up to three numbers; a command has a Key Agreement certificate in the
    place of the third. A pre-command ends behind its content.
    """

    fields_desc: ClassVar[list[Any]] = [
        XByteField("tag", GENERAL_SIGNING),
        *_identities(_other_information_length),
        When(EUI64Field("supplementary_remote_party", None, ">"), lambda p: p.other_information_length >= 10),
        When(LongField("supplementary_remote_party_counter", None), lambda p: p.other_information_length >= 18),  # pyright: ignore[reportArgumentType] -- None: not there
        When(LongField("supplementary_originator_counter", None), lambda p: p.other_information_length == 26),  # pyright: ignore[reportArgumentType] -- None: not there
        StrLenField("other_information_rest", b"", length_from=_other_information_rest),
        BerLength("content_length", lambda p: len(p.content)),
        StrLenField("content", b"", length_from=lambda p: p.content_length),
        _UnlessPreCommand(DerivedOctet("signature_length", count_of("signature"))),
        When(
            StrLenField("signature", b"", length_from=lambda p: p.signature_length),
            lambda p: p.signature_length is not None,
        ),
    ]

    def payload_class(self) -> type[Packet]:
        return Mac if isinstance(self.underlayer, MacHeader) else Undissected


class Mac(Layer):
    """The end of a message that began with a `MacHeader`."""

    fields_desc: ClassVar[list[Any]] = [Octets("mac", MAC_LENGTH)]


class RoutingHeader(Layer):
    """DLMS general-ciphering with the identities filled in, before each block of a large message."""

    fields_desc: ClassVar[list[Any]] = [
        XByteField("tag", GENERAL_CIPHERING),
        *_identities(lambda p: 2 + len(p.other_information_rest or b"")),
        StrLenField("other_information_rest", b"", length_from=lambda p: max(p.other_information_length - 2, 0)),
        ByteField("key_information", 0),
        BerLength("length", lambda p: 5 + len(p.payload)),
        XByteField("security_control", 0),
        XIntField("invocation_counter", 0),
    ]

    def payload_class(self) -> type[Packet]:
        return BlockTransfer


class BlockTransfer(Layer):
    """DLMS general-block-transfer; an acknowledgement carries no data."""

    fields_desc: ClassVar[list[Any]] = [
        XByteField("tag", GENERAL_BLOCK_TRANSFER),
        BitField("last_block", 0, 1),
        BitField("streaming", 0, 1),
        BitField("window", 1, 6),
        ShortField("block_number", 1),
        ShortField("block_number_acknowledged", 0),
        BerLength("block_data_length", lambda p: len(p.block_data)),
        StrLenField("block_data", b"", length_from=lambda p: p.block_data_length),
    ]


def layer_for(octets: bytes) -> type[Layer]:
    """The layer that octets begin with, by the first two."""
    if octets[:1] == bytes((GENERAL_SIGNING,)):
        return GroupingHeader
    if octets[:1] == bytes((GENERAL_CIPHERING,)):
        return RoutingHeader if octets[1:2] == bytes((_TRANSACTION_ID_LENGTH,)) else MacHeader
    return Undissected


class EnvelopeError(ValueError):
    """Octets that are no GBCS message, or that end inside its headers; says where."""


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

    headers: tuple[Node, ...]
    """The decoded headers, up to the payload."""
    trailers: tuple[Node, ...]
    """What follows the payload: signature, MAC, surplus."""
    problems: tuple[str, ...]

    @property
    def is_pre_command(self) -> bool:
        """A command before it was signed and before the ACB added the MAC."""
        return self.signature is None and self.mac_header is None and self.cra_flag == CraFlag.COMMAND


def parse(octets: bytes) -> Envelope:
    """The envelope of one complete message. Raises `EnvelopeError`.

    It follows the declarations of the layers, but makes no packets: that takes a third of the time.
    """
    total = len(octets)
    kind = layer_for(octets)
    if kind is RoutingHeader:
        raise EnvelopeError("this is one block of a larger message (General Block Transfer), not a message")
    if kind is Undissected:
        raise EnvelopeError(
            f"a GBCS message begins with DF 09, DD 00 or DD 09, not with {octets[:2].hex(' ') or 'nothing'}"
        )
    has_mac = kind is MacHeader
    headers: list[Node] = []
    start = 0
    if has_mac:
        outer = _read(MacHeader, octets, 0)[1]
        start = outer["invocation_counter"].stop
        headers.append(Node("MAC Header", 0, start, children=tuple(outer.values())))
    header, inner = _read(GroupingHeader, octets, start)
    fields = header.fields
    content, signature, length = inner.pop("content"), inner.pop("signature", None), inner.pop("signature_length", None)
    headers.append(Node("Grouping Header", start, content.start, children=tuple(inner.values())))
    trailers = [leaf for leaf in (length, signature) if leaf is not None]
    end = trailers[-1].stop if trailers else content.stop
    mac = Span(end, end + MAC_LENGTH) if has_mac and total - end >= MAC_LENGTH else None
    if mac is not None:
        trailers.append(Node("MAC", mac.start, mac.stop, mac.of(octets)))
    at = end if mac is None else mac.stop
    if at < total:
        trailers.append(undecoded(octets, at, total, "no length in the headers covers these octets"))
    problems = [problem for node in (*headers, *trailers) for problem in problems_of(node)]
    if has_mac and mac is None:
        problems.append("the message ends before its MAC")
    return Envelope(
        octets=octets,
        cra_flag=fields["cra_flag"],
        originator_counter=fields["originator_counter"],
        originator=fields["originator"],
        target=fields["target"],
        date_time=fields["date_time"] or None,
        message_code=fields["message_code"],
        supplementary_remote_party=fields.get("supplementary_remote_party"),
        supplementary_remote_party_counter=fields.get("supplementary_remote_party_counter"),
        supplementary_originator_counter=fields.get("supplementary_originator_counter"),
        key_agreement_certificate=fields["other_information_rest"] if _is_certificate(header) else None,
        mac_header=Span(0, start) if has_mac else None,
        grouping_header=Span(start, content.start),
        other_information=Span(inner["message_code"].start, inner["content_length"].start),
        payload=Span(content.start, content.stop),
        signature_length=None if length is None else Span(length.start, length.stop),
        signature=None if signature is None else Span(signature.start, signature.stop),
        mac=mac,
        surplus=Span(at, total) if at < total else None,
        signed=Span(start + 1, content.stop),
        authenticated=None if mac is None else Span(start, end),
        mac_prefix=octets[start - 5 : start - 4] + octets[1:6] if has_mac else b"",
        invocation_counter=octets[start - 4 : start] if has_mac else b"",
        headers=tuple(headers),
        trailers=tuple(trailers),
        problems=tuple(problems),
    )


def _is_certificate(header: View) -> bool:
    """Whether other-information ends with a certificate, which follows both numbers of the supplementary party."""
    fields = header.fields
    return "supplementary_remote_party_counter" in fields and fields["other_information_rest"][:1] == b"\x30"


# What the headers' fields are called, what they must be, and how they read.

_TITLES: Final = {
    "cra_flag": "CRA flag",
    "originator": "Business Originator ID",
    "target": "Business Target ID",
    "supplementary_remote_party": "Supplementary Remote Party ID",
    "supplementary_remote_party_counter": "Supplementary Remote Party Counter",
    "supplementary_originator_counter": "Supplementary Originator Counter",
    "originator_counter": "Originator Counter",
    "message_code": "Message Code",
    "content_length": "payload length",
    "content": "payload",
}

_SIZES_OF_OTHER_INFORMATION: Final = (2, 10, 18, 26)

_CONSTANTS: Final[dict[type[Packet], dict[str, tuple[int, ...]]]] = {
    MacHeader: {
        "tag": (GENERAL_CIPHERING,),
        "transaction_id_length": (0,),
        "originator_length": (0,),
        "recipient_length": (0,),
        "date_time_length": (0,),
        "other_information_length": (0,),
        "key_information": (0,),
        "security_control": (AUTHENTICATED,),
        "invocation_counter": (0,),
    },
    GroupingHeader: {
        "tag": (GENERAL_SIGNING,),
        "transaction_id_length": (_TRANSACTION_ID_LENGTH,),
        "cra_flag": tuple(CraFlag),
        "originator_length": (_EUI64_LENGTH,),
        "target_length": (_EUI64_LENGTH,),
        "date_time_length": (0, DATE_TIME_LENGTH),
        "signature_length": (0, SIGNATURE_LENGTH),
    },
}


_TAGS: Final = {GENERAL_CIPHERING: "general-ciphering", GENERAL_SIGNING: "general-signing"}

_FLAGS: Final[dict[int, str]] = {flag: flag.name.capitalize() for flag in CraFlag}

_WORDS: Final[dict[str, Callable[[Any], str]]] = {
    "cra_flag": lambda value: _FLAGS.get(value, ""),
    "message_code": use_case_text,
    "tag": lambda value: _TAGS.get(value, ""),
    "security_control": lambda value: "authentication only, suite 1" if value == AUTHENTICATED else "",
    "date_time": lambda value: date_time_text(value) if len(value) == DATE_TIME_LENGTH else "",
}


class _Meaning(NamedTuple):
    """What a header's field is called, must be, and says."""

    title: str
    allowed: tuple[int, ...]
    """Empty: any."""
    words: Callable[[Any], str] | None
    is_length: bool
    is_eui64: bool


def _meanings(layer: type[Layer]) -> dict[str, _Meaning]:
    """By the names of the fields."""
    meanings: dict[str, _Meaning] = {}
    for step in shape_of(layer).steps:
        fld = step.field
        if step.unpack is not None and fld.sz > 1 and fld.fmt[0] not in "!>":
            raise AssertionError(f"{fld.name}: not big-endian")
        meanings[fld.name] = _Meaning(
            title=_TITLES.get(fld.name) or fld.name.replace("_", " "),
            allowed=_CONSTANTS[layer].get(fld.name, ()),
            words=_WORDS.get(fld.name),
            is_length=isinstance(fld, BerLength),
            is_eui64=isinstance(fld, EUI64Field),
        )
    return meanings


_MEANINGS: Final[dict[type[Layer], dict[str, _Meaning]]] = {
    layer: _meanings(layer) for layer in (MacHeader, GroupingHeader)
}


def _read(layer: type[Layer], octets: bytes, at: int) -> tuple[View, dict[str, Node]]:
    """A layer that begins at `at`, and a leaf for each of its fields that has octets."""
    total = len(octets)
    meanings = _MEANINGS[layer]
    walked = read(layer, octets, at, total)
    if walked.problem is not None:
        where = meanings[walked.problem.field_name].title
        raise EnvelopeError(f"{walked.problem.layer}: the message ends inside {where}")
    leaves: dict[str, Node] = {}
    for step, start, stop, value in walked.parts:
        name = step.name
        meaning = meanings[name]
        if name == "other_information_rest":
            if value:
                leaves[name] = _rest_of_other_information(walked.view, value, start, stop)
        elif start < stop or name == "content":
            said, problem = value, None
            if meaning.is_length:
                said, problem = _checked_length(name, value, total - stop)
            elif meaning.allowed and value not in meaning.allowed:
                problem = f"{value:#04x} instead of {' or '.join(f'{right:#04x}' for right in meaning.allowed)}"
            text = "" if meaning.words is None else meaning.words(said)
            leaves[name] = Node(
                meaning.title, start, stop, eui64_text(value) if meaning.is_eui64 else said, text, problem=problem
            )
    return walked.view, leaves


def _checked_length(name: str, written: bytes, left: int) -> tuple[int, str | None]:
    """A length and what is wrong with it; `left` octets follow it in the message."""
    value = written_length(written)
    if written != ber_length(value):
        return value, "the length is not written in its shortest form"
    if name == "length" and value != left:
        return value, f"{left} octets follow"
    if name == "other_information_length" and value not in _SIZES_OF_OTHER_INFORMATION and value < 27:
        return value, "other-information has 2, 10, 18 or 26 octets, or 18 and a certificate"
    return value, None


def _rest_of_other_information(header: View, rest: bytes, start: int, stop: int) -> Node:
    if _is_certificate(header):
        return Node("Key Agreement certificate", start, stop, rest, f"X.509, {len(rest)} octets")
    return Node(UNNAMED, start, stop, rest, problem="other-information has no such part")


# General Block Transfer.


class BlockKey(NamedTuple):
    """What the blocks of one message have in common."""

    originator: int
    target: int
    cra_flag: int
    originator_counter: int
    message_code: int


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One block of a larger message."""

    key: BlockKey
    number: int
    """From 1; 0 in an acknowledgement that sends nothing."""
    acknowledged: int
    """The last block number that the sender of this one has received."""
    last: bool
    data: bytes


class Reassembly(msgspec.Struct, frozen=True, kw_only=True):
    """What blocks of one message come to."""

    message: bytes | None
    """`None` unless every block is there and no two disagree."""
    missing: tuple[int, ...]
    """Numbers of blocks that are known to be missing; the end is not known while the last block is missing."""
    conflicting: tuple[int, ...]
    """Numbers that came with different data."""
    last_seen: bool


def parse_block(octets: bytes) -> Block:
    """One block: Routing Header and General Block Transfer. Raises `EnvelopeError`."""
    if layer_for(octets) is not RoutingHeader:
        raise EnvelopeError("a block of a larger message begins with DD 09")
    try:
        routing = RoutingHeader(octets)
    except MalformedError as error:
        raise EnvelopeError(str(error)) from None
    block = routing.payload
    if not isinstance(block, BlockTransfer):
        raise EnvelopeError("the message ends inside its General Block Transfer header")
    if block.tag != GENERAL_BLOCK_TRANSFER:
        raise EnvelopeError(f"the Routing Header is followed by {block.tag:02X}, not by E0 (General Block Transfer)")
    return Block(
        key=BlockKey(*[routing.getfieldval(name) for name in BlockKey._fields]),
        number=block.block_number,
        acknowledged=block.block_number_acknowledged,
        last=bool(block.last_block),
        data=block.block_data,
    )


def reassemble(blocks: Iterable[Block]) -> Reassembly:
    """Puts the blocks of one message together, in whatever order and however often they came.

    Blocks without data are acknowledgements. The caller keeps blocks of different keys apart.
    """
    parts: dict[int, bytes] = {}
    conflicting: set[int] = set()
    end: int | None = None
    for block in blocks:
        if not block.data:
            continue
        if parts.setdefault(block.number, block.data) != block.data:
            conflicting.add(block.number)
        if block.last:
            if end is not None and end != block.number:
                conflicting.add(block.number)
            end = block.number
    highest = max(parts, default=0) if end is None else end
    missing = tuple(number for number in range(1, highest + 1) if number not in parts)
    beyond = {number for number in parts if not 1 <= number <= highest}
    sound = end is not None and not missing and not conflicting and not beyond
    return Reassembly(
        message=b"".join(parts[number] for number in range(1, highest + 1)) if sound else None,
        missing=missing,
        conflicting=tuple(sorted(conflicting | beyond)),
        last_seen=end is not None,
    )
