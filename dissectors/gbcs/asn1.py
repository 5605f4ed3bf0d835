"""ASN.1 payloads of GBCS messages: BER elements (X.690), read along the schema `gbcs.asn1`.

An own reader, because every field needs its place in the message, because real messages write lengths in more octets
than they need (`30 82 00 83`), and because a broken message is to show what still stands. Names in the tree are the
names in the schema; a leaf is a whole element (tag, length and contents), and a constructed element begins with a leaf
for its tag and length.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from hanscope.dissectors.gbcs.codes import alert_text
from hanscope.dissectors.gbcs.node import Node, Value, undecoded
from hanscope.dissectors.gbcs.schema import ANY, CONSTRUCTED, UNIVERSAL, Component, Schema, Type, gbcs_schema

USE_CASES: Final[dict[int, str]] = {
    0x0008: "ProvideSecurityCredentialDetails",
    0x000A: "IssueSecurityCredentials",
    0x000B: "UpdateDeviceCertificate",
    0x000C: "ProvideDeviceCertificate",
    0x000D: "JoinDevice",
    0x000E: "JoinDevice",
    0x000F: "UnjoinDevice",
    0x0010: "UnjoinDevice",
    0x0012: "ActivateFirmware",
    0x0013: "ReadDeviceJoinDetails",
    0x007F: "SetClock",
    0x008C: "RestoreDeviceLog",
    0x00AB: "JoinDevice",
    0x00AF: "JoinDevice",
    0x00B2: "BackupDeviceLog",
    0x00CA: "ActivateFirmware",
    0x00CB: "UpdateSecurityCredentials",
    **dict.fromkeys(range(0x0100, 0x010A), "UpdateSecurityCredentials"),
    0x011B: "ProvideSecurityCredentialDetails",
    0x0124: "UpdateSecurityCredentials",
    0x0125: "UpdateSecurityCredentials",
    0x0126: "UpdateSecurityCredentials",
    0x0128: "FirmwareTransfer",
    0x0129: "ReadFirmwareVersion",
    0x012B: "FirmwareActivation",
}
"""By message code: the name under which the schema has the use case's payloads."""

_DIRECTIONS: Final = {1: "Command", 2: "Response", 3: "Alert"}
"""By CRA flag."""

HEADER: Final = "tag and length"
"""The name of the leaf at the front of a constructed element."""

_DEEPEST: Final = 16
"""Constructed elements without a schema are taken apart so deep."""
_KINDS: Final = {tag: kind for kind, tag in UNIVERSAL.items() if kind != "SEQUENCE OF"}
_HIGH_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80
_CANCELLED: Final = "9999"
"""The year of an execution time that cancels."""


class _Element(NamedTuple):
    """One element: its tag at `start`, its contents at [`body`, `stop`)."""

    identifier: int
    start: int
    body: int
    stop: int
    problem: str | None


def decode(octets: bytes, start: int, stop: int, message_code: int, cra_flag: int) -> Node:
    """The tree of the ASN.1 payload in octets [start, stop) of a message.

    Never raises: elements that do not fit the schema are in the tree with a problem, and so is a payload of which the
    schema has no definition (then taken apart by the tags alone).
    """
    schema = gbcs_schema()
    name = f"{USE_CASES.get(message_code, '')}-{_DIRECTIONS.get(cra_flag, '')}"
    reader = _Reader(octets, schema)
    if start >= stop:
        return Node(name, start, stop, problem="the payload is empty")
    known = name in schema
    definition = schema.type(name) if known else ANY
    content = reader.read(definition, _member_name(definition), start, stop)
    why = None if known else f"no ASN.1 definition for message code {message_code:#06x} with CRA flag {cra_flag}"
    if content.stop == stop and definition.kind not in ("CHOICE", "ANY"):
        return Node(name, start, stop, content.value, content.text, content.children, content.problem)
    surplus = (undecoded(octets, content.stop, stop, "more than the payload's one element"),)
    return Node(name, start, stop, children=(content, *surplus[: content.stop != stop]), problem=why)


def _member_name(definition: Type) -> str:
    """What an element is called that has no name of its own: like its type. Empty: like what it turns out to be."""
    return "" if definition.kind == "CHOICE" else definition.name[:1].lower() + definition.name[1:]


class _Reader:
    """Reads the elements of one message."""

    def __init__(self, octets: bytes, schema: Schema) -> None:
        self._octets = octets
        self._schema = schema

    def read(self, definition: Type, name: str, start: int, stop: int, identified: Type | None = None) -> Node:
        """One element of this type from the front of [start, stop).

        `identified` is the type that the last object identifier names: of an ANY, and inside an OCTET STRING. Without
        a name the element is called like the alternative of a CHOICE, or by its tag.
        """
        element = self._element(start, stop)
        if isinstance(element, str):
            return undecoded(self._octets, start, stop, f"{name or definition.kind} {element}")
        if definition.kind == "ANY":
            definition = identified or ANY
        if definition.kind == "CHOICE":
            for one in definition.components:
                if one.type.begins_with(element.identifier):
                    return self.read(one.type, name or one.name, start, stop)
        if definition is ANY or definition.kind == "CHOICE" or not definition.begins_with(element.identifier):
            wrong = None if definition is ANY else f"{_described(element.identifier)} where the schema has another type"
            return self._bare(element, name or _described(element.identifier), wrong)
        return self._defined(definition, name, element, identified)

    def _element(self, start: int, stop: int) -> _Element | str:
        """The element at the front of [start, stop), or why there is none."""
        octets = self._octets
        body = start + 1
        if octets[start] & _HIGH_TAG == _HIGH_TAG:
            while body < stop and octets[body] & 0x80:
                body += 1
            body += 1
        if body >= stop:
            return "ends inside its tag and length"
        length = octets[body]
        body += 1
        if length == _LONG_LENGTH:
            return _Element(octets[start], start, body, stop, "indefinite length")
        if length > _LONG_LENGTH:
            end = body + length - _LONG_LENGTH
            if end > stop:
                return "ends inside its tag and length"
            length = int.from_bytes(octets[body:end], "big")
            body = end
        if length > stop - body:
            return _Element(octets[start], start, body, stop, f"{length} octets promised, {stop - body} left")
        return _Element(octets[start], start, body, body + length, None)

    def _defined(self, definition: Type, name: str, element: _Element, identified: Type | None) -> Node:
        """An element whose tag is the one of its type."""
        if definition.components:
            return self._sequence(definition, name, element)
        if definition.element is not None:
            explicit = definition.kind == "EXPLICIT"
            children = tuple(self._members(definition.element, name if explicit else "", element, identified))
            wrong = "not one element inside the tag" if explicit and len(children) != 1 else None
            return self._constructed(name, element, children, wrong)
        if identified is not None and definition.kind == "OCTET STRING" and element.body < element.stop:
            return self._constructed(name, element, tuple(self._members(identified, "", element, None)))
        raw = self._octets[element.body : element.stop]
        value, text, problem = _value(definition, raw)
        if definition.kind == "OBJECT IDENTIFIER" and isinstance(value, str):
            text = self._schema.identifier_name(value) or ""
        return Node(name, element.start, element.stop, value, text, problem=element.problem or problem)

    def _sequence(self, definition: Type, name: str, element: _Element) -> Node:
        children: list[Node] = []
        problem: str | None = None
        identified: Type | None = None
        at = element.body
        for component in definition.components:
            if at == element.stop:
                if not component.optional:
                    problem = problem or f"{component.name} is missing"
                continue
            if component.optional and not self._fits(component, at):
                continue
            child = self.read(component.type, component.name, at, element.stop, identified)
            if component.type.kind == "OBJECT IDENTIFIER":
                identified = self._schema.identified(str(child.value))
            children.append(child)
            at = child.stop
        if at < element.stop:
            problem = problem or "more elements than the schema has"
            children += self._members(ANY, "unexpected element", element._replace(body=at), None)
        return self._constructed(name, element, tuple(children), problem)

    def _fits(self, component: Component, at: int) -> bool:
        return component.type.begins_with(self._octets[at])

    def _members(self, definition: Type, name: str, element: _Element, identified: Type | None) -> Iterator[Node]:
        """Elements of one type, up to the end."""
        if definition.kind == "ANY":
            definition = identified or ANY
        name = name or _member_name(definition)
        at = element.body
        while at < element.stop:
            node = self.read(definition, name, at, element.stop)
            yield node
            at = node.stop

    def _bare(self, element: _Element, name: str, problem: str | None, depth: int = 0) -> Node:
        """An element about which the schema says nothing: by its tag alone."""
        kind = _KINDS.get(element.identifier)
        if not element.identifier & CONSTRUCTED or depth >= _DEEPEST:
            value, text, wrong = _value(Type(kind or "OCTET STRING"), self._octets[element.body : element.stop])
            if kind == "OBJECT IDENTIFIER":
                text = self._schema.identifier_name(str(value)) or ""
            return Node(name, element.start, element.stop, value, text, problem=element.problem or problem or wrong)
        children: list[Node] = []
        at = element.body
        while at < element.stop:
            inner = self._element(at, element.stop)
            if isinstance(inner, str):
                children.append(undecoded(self._octets, at, element.stop, inner))
                break
            children.append(self._bare(inner, _described(inner.identifier), None, depth + 1))
            at = inner.stop
        return self._constructed(name, element, tuple(children), problem)

    def _constructed(
        self, name: str, element: _Element, children: tuple[Node, ...], problem: str | None = None
    ) -> Node:
        header = Node(HEADER, element.start, element.body, self._octets[element.start : element.body])
        problem = element.problem or problem
        return Node(name, element.start, element.stop, children=(header, *children), problem=problem)


def _described(identifier: int) -> str:
    """What a tag says by itself."""
    if kind := _KINDS.get(identifier):
        return kind
    classes = ("UNIVERSAL ", "APPLICATION ", "", "PRIVATE ")
    return f"[{classes[identifier >> 6]}{identifier & _HIGH_TAG}]"


_Read = tuple[Value, str, str | None]
"""Value, text and problem."""


def _value(definition: Type, raw: bytes) -> _Read:
    """What a primitive element's contents say."""
    return _CONTENTS.get(definition.kind, _characters)(definition, raw)


def _number(definition: Type, raw: bytes) -> _Read:
    if not raw:
        return None, "", "a number without octets"
    number = int.from_bytes(raw, "big", signed=True)
    if definition.name == "AlertCode":
        return number, alert_text(number), None
    if definition.name == "CertificateSerialNumber":
        return number, f"{number:x}", None
    if definition.names:
        return number, definition.names.get(number, "unknown value"), None
    return number, "", None


def _octet_string(definition: Type, raw: bytes) -> _Read:
    if definition.size not in (None, len(raw)):
        return raw, "", f"{definition.size} octets expected, {len(raw)} found"
    if definition.name == "EntityIdentifier":
        return int.from_bytes(raw, "big"), raw.hex(":"), None
    if definition.name == "FirmwareVersion":
        return int.from_bytes(raw, "big"), f"0x{raw.hex()}", None
    return raw, "", None


def _bit_string(definition: Type, raw: bytes) -> _Read:
    """The value is the octets behind the first, which counts the bits that the last octet does not use."""
    if not raw or raw[0] > 7 or (raw[0] and len(raw) == 1):
        return raw, "", "a BIT STRING whose unused bits are not counted right"
    bits = raw[1:]
    if definition.names:
        on = [bit for bit in range(8 * len(bits) - raw[0]) if bits[bit // 8] & 0x80 >> bit % 8]
        return bits, ", ".join(definition.names.get(bit, f"bit {bit}") for bit in on), None
    return bits, bits.hex(":") if definition.name == "UniqueIdentifier" else "", None


def _time(definition: Type, raw: bytes) -> _Read:
    """The value is the time as written, the text as people write it (UTC)."""
    try:
        written = raw.decode("ascii")
        form = "%Y%m%d%H%M%SZ" if definition.kind == "GeneralizedTime" else "%y%m%d%H%M%SZ"
        text = f"{datetime.strptime(written, form):%Y-%m-%d %H:%M:%S}Z"  # noqa: DTZ007 -- the Z is in the text
    except ValueError:
        return raw, "", f"not a {definition.kind} in UTC"
    if definition.name == "ExecutionDateTime" and written.startswith(_CANCELLED):
        text = f"{text}: cancels"
    return written, text, None


def _null(_definition: Type, raw: bytes) -> _Read:
    return None, "", "a NULL with contents" if raw else None


def _boolean(_definition: Type, raw: bytes) -> _Read:
    return (raw != b"\x00", "", None) if len(raw) == 1 else (raw, "", "a BOOLEAN is one octet")


def _characters(definition: Type, raw: bytes) -> _Read:
    try:
        return raw.decode("utf-8"), "", None
    except UnicodeDecodeError:
        return raw, "", f"not a {definition.kind}"


def _object_identifier(_definition: Type, raw: bytes) -> _Read:
    if not raw or raw[-1] & 0x80:
        return raw, "", "an OBJECT IDENTIFIER that ends inside a number"
    numbers: list[int] = []
    number = 0
    for octet in raw:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    root = min(numbers[0] // 40, 2)
    return ".".join(map(str, (root, numbers[0] - 40 * root, *numbers[1:]))), "", None


_CONTENTS: Final[dict[str, Callable[[Type, bytes], _Read]]] = {
    "BOOLEAN": _boolean,
    "INTEGER": _number,
    "ENUMERATED": _number,
    "BIT STRING": _bit_string,
    "OCTET STRING": _octet_string,
    "NULL": _null,
    "OBJECT IDENTIFIER": _object_identifier,
    "UTCTime": _time,
    "GeneralizedTime": _time,
}
"""By kind; all others are characters."""
