"""DLMS/COSEM payloads: access-request (D9), access-response (DA) and data-notification (0F) (DLMS Green Book, A-XDR).

`Data` is a value as its own types describe it; the nodes add names: those of the attributes where the request stands
in the message, of the elements of structures that the Blue Book defines, and of the contents of alerts. Whatever has
no name of its own is called by its type.
"""

import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs.codes import INTEGRITY_ISSUES, CraFlag, alert_text, use_case_text
from hanscope.dissectors.gbcs.cosem import (
    CLASSES,
    DESCRIPTOR_LENGTH,
    OBJECTS,
    RESULTS,
    TIME_STAMP,
    UNITS,
    Descriptor,
    descriptor_nodes,
    obis_text,
)
from hanscope.dissectors.gbcs.node import Decryptor, Node, undecoded
from hanscope.dissectors.gbcs.times import (
    date_text,
    date_time_text,
    is_date,
    is_date_time,
    is_time,
    time_text,
    utc_text,
)

ACCESS_REQUEST: Final = 0xD9
ACCESS_RESPONSE: Final = 0xDA
DATA_NOTIFICATION: Final = 0x0F

_DEEPEST: Final = 24
"""Structures within structures that are followed; real messages have up to 6."""
_MOST_EMPTY: Final = 256
"""Elements beyond one for each octet: only null-data in compact arrays takes no octet."""


class Kind(IntEnum):
    """Types of data (Green Book, 9.5: Data)."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DONT_CARE = 255


_NAMES: Final = {kind: kind.name.lower().replace("_", "-") for kind in Kind}
_WIDTHS: Final = {
    Kind.BOOLEAN: 1,
    Kind.DOUBLE_LONG: 4,
    Kind.DOUBLE_LONG_UNSIGNED: 4,
    Kind.BCD: 1,
    Kind.INTEGER: 1,
    Kind.LONG: 2,
    Kind.UNSIGNED: 1,
    Kind.LONG_UNSIGNED: 2,
    Kind.LONG64: 8,
    Kind.LONG64_UNSIGNED: 8,
    Kind.ENUM: 1,
    Kind.FLOAT32: 4,
    Kind.FLOAT64: 8,
    Kind.DATE_TIME: 12,
    Kind.DATE: 5,
    Kind.TIME: 4,
    Kind.NULL_DATA: 0,
    Kind.DONT_CARE: 0,
}
_SIGNED: Final = frozenset({Kind.BCD, Kind.INTEGER, Kind.LONG, Kind.DOUBLE_LONG, Kind.LONG64})
_FLOATS: Final = {Kind.FLOAT32: ">f", Kind.FLOAT64: ">d"}
_STRINGS: Final = frozenset({Kind.OCTET_STRING, Kind.VISIBLE_STRING, Kind.UTF8_STRING})
_TIMES: Final[dict[int, Callable[[bytes], str]]] = {
    Kind.DATE_TIME: date_time_text,
    Kind.DATE: date_text,
    Kind.TIME: time_text,
}


class Data(NamedTuple):
    """A value: octets [start, stop), of which those before `body` are its type and length."""

    kind: int
    start: int
    body: int
    stop: int
    value: Any
    """A number, octets, text, or for arrays and structures `None`."""
    elements: "tuple[Data, ...]" = ()
    text: str = ""
    """Of a compact array: the type of its elements."""


class DataError(ValueError):
    """Octets that are no sound DLMS data; `at` is where it went wrong."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at = at


class _Type(NamedTuple):
    """The type of a compact array's elements."""

    kind: int
    parts: "tuple[_Type, ...]" = ()
    size: int = 0

    def __str__(self) -> str:
        name = _NAMES[Kind(self.kind)]
        if self.kind == Kind.STRUCTURE:
            return f"{name}({', '.join(map(str, self.parts))})"
        return f"{name} of {self.size} {self.parts[0]}" if self.kind == Kind.ARRAY else name


class _Reader:
    """Takes data off octets [at, stop)."""

    def __init__(self, octets: bytes, start: int, stop: int) -> None:
        self.octets = octets
        self.at = start
        self.stop = stop
        self._room = stop - start + _MOST_EMPTY

    def take(self, count: int) -> int:
        """Moves on by so many octets; where they begin."""
        at = self.at
        if at + count > self.stop:
            raise DataError(at, f"{count} octets promised, {self.stop - at} left")
        self.at = at + count
        return at

    def octet(self) -> int:
        return self.octets[self.take(1)]

    def length(self) -> int:
        """A length or count as BER writes it."""
        first = self.octet()
        if first < 0x80:
            return first
        at = self.take(first & 0x7F)
        if not 0x81 <= first <= 0x84:
            raise DataError(at - 1, f"no length begins with {first:02X}")
        return int.from_bytes(self.octets[at : self.at], "big")

    def data(self, depth: int = 0) -> Data:
        """One value with its type in front."""
        start = self.at
        kind = self.octet()
        if kind == Kind.COMPACT_ARRAY:
            return self._compact_array(start, depth)
        if kind in (Kind.ARRAY, Kind.STRUCTURE):
            count = self.length()
            self._check(start, depth, count)
            body = self.at
            elements = tuple([self.data(depth + 1) for _ in range(count)])
            return Data(kind, start, body, self.at, None, elements)
        return self._simple(kind, start)

    def _check(self, start: int, depth: int, count: int) -> None:
        if depth >= _DEEPEST:
            raise DataError(start, "structures are nested too deeply")
        self._room -= count
        if count > self.stop - self.at + _MOST_EMPTY or self._room < 0:
            raise DataError(start, f"{count} elements promised, {self.stop - self.at} octets left")

    def _simple(self, kind: int, start: int) -> Data:
        if kind in _STRINGS:
            count = self.length()
            body = self.take(count)
            raw = self.octets[body : self.at]
            if kind != Kind.OCTET_STRING:
                return Data(kind, start, body, self.at, raw.decode("utf-8", "backslashreplace"))
            return Data(kind, start, body, self.at, raw)
        if kind == Kind.BIT_STRING:
            bits = self.length()
            body = self.take((bits + 7) // 8)
            digits = "".join(f"{octet:08b}" for octet in self.octets[body : self.at])
            return Data(kind, start, body, self.at, digits[:bits])
        width = _WIDTHS.get(kind)  # pyright: ignore[reportArgumentType, reportCallIssue] -- an IntEnum's key is found by its number
        if width is None:
            raise DataError(start, f"no type of data has the number {kind}")
        body = self.take(width)
        return Data(kind, start, body, self.at, _number(kind, self.octets[body : self.at]))

    def _compact_array(self, start: int, depth: int) -> Data:
        element = self._type(depth + 1)
        length = self.length()
        body = self.take(length)
        inner = _Reader(self.octets, body, self.at)
        inner._room = self._room
        elements: list[Data] = []
        while inner.at < inner.stop:
            before = inner.at
            elements.append(inner._typed(element, depth + 1))
            if inner.at == before:
                raise DataError(before, "elements of a compact array take no octets")
        self._room = inner._room - len(elements)
        return Data(Kind.COMPACT_ARRAY, start, body, self.at, None, tuple(elements), str(element))

    def _type(self, depth: int) -> _Type:
        start = self.at
        kind = self.octet()
        if kind == Kind.STRUCTURE:
            count = self.length()
            self._check(start, depth, count)
            return _Type(kind, tuple([self._type(depth + 1) for _ in range(count)]))
        if kind == Kind.ARRAY:
            at = self.take(2)
            count = int.from_bytes(self.octets[at : self.at], "big")
            self._check(start, depth, 0)
            return _Type(kind, (self._type(depth + 1),), count)
        if kind not in _WIDTHS and kind not in _STRINGS and kind != Kind.BIT_STRING:
            raise DataError(start, f"no type of data in a compact array has the number {kind}")
        return _Type(kind)

    def _typed(self, element: _Type, depth: int) -> Data:
        """One value whose type stands elsewhere."""
        start = self.at
        if element.kind not in (Kind.STRUCTURE, Kind.ARRAY):
            return self._simple(element.kind, start)
        parts = element.parts if element.kind == Kind.STRUCTURE else element.parts * min(element.size, self._room + 1)
        self._check(start, depth, len(parts))
        elements = tuple([self._typed(part, depth + 1) for part in parts])
        return Data(element.kind, start, start, self.at, None, elements)


def _number(kind: int, raw: bytes) -> Any:
    if kind in _FLOATS:
        return struct.unpack(_FLOATS[Kind(kind)], raw)[0]
    if kind in _TIMES:
        return raw
    if not raw:
        return None
    number = int.from_bytes(raw, "big", signed=kind in _SIGNED)
    return bool(number) if kind == Kind.BOOLEAN else number


# From data to nodes: names and texts.


def _shape(data: Data) -> tuple[tuple[int, int], ...]:
    """Types of a structure's elements, with the length of octet strings (0 for everything else)."""
    return tuple([(one.kind, len(one.value) if one.kind == Kind.OCTET_STRING else 0) for one in data.elements])


_U8, _U16, _I8, _ENUM = (Kind.UNSIGNED, 0), (Kind.LONG_UNSIGNED, 0), (Kind.INTEGER, 0), (Kind.ENUM, 0)
_RECORD = (Kind.STRUCTURE, 0)


def _string(length: int) -> tuple[int, int]:
    return (Kind.OCTET_STRING, length)


_OBIS: Final = _string(6)
_DAY_ACTION: Final = (_string(4), _OBIS, _U16)
_OBJECT: Final = ("class id", "logical name", "attribute", "data index")
_STRUCTURES: Final[dict[tuple[tuple[int, int], ...], tuple[str, ...]]] = {
    # Blue Book: scal_unit_type, capture object, object definition, action specification, calendar and schedule entries
    (_I8, _ENUM): ("scaler", "unit"),
    (_U16, _OBIS, _I8, _U16): _OBJECT,
    (_U16, _OBIS, _I8, _U16, _RECORD): (*_OBJECT, "restriction"),
    (_U16, _OBIS, _I8): _OBJECT[:3],
    (_U16, _OBIS): _OBJECT[:2],
    (_OBIS, _U16): ("script logical name", "script selector"),
    _DAY_ACTION: ("start time", "script logical name", "script selector"),
    (_U16, _string(5), _U8): ("index", "special day date", "day id"),
    # GBCS: how data are protected, as in class 30
    (_string(9), _string(8), _string(8), _string(0), _RECORD): (
        "transaction id",
        "originator system title",
        "recipient system title",
        "other information",
        "key information",
    ),
}
"""Structures that are known by the types of their elements."""
_PARTS_OF: Final = {
    "restriction": ("restriction type", "restriction value"),
    "restriction value": ("from", "to"),
    "protection": ("protection type", "protection options"),
    "key information": ("key information type", "agreed key"),
    "agreed key": ("key parameters", "key ciphered data"),
}
"""Structures that are known by where they stand."""
_BY_ENTRY: Final = (*[Kind.DOUBLE_LONG_UNSIGNED] * 2, *[Kind.LONG_UNSIGNED] * 2)
"""Which entries and columns of a buffer are asked for (class 7, selector 2)."""
_WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _element_names(data: Data, name: str) -> tuple[str, ...]:  # noqa: PLR0911 -- a table of cases
    """What the elements of the structure `name` are called; nothing if that is not known."""
    if len(named := _PARTS_OF.get(name, ())) == len(data.elements):
        return named
    shape = _shape(data)
    if shape in _STRUCTURES:
        return _STRUCTURES[shape]
    kinds = tuple([kind for kind, _ in shape])
    if name == "selection":
        return _selection_names(data, kinds)
    if shape[:4] == (_ENUM, _U16, _OBIS, _I8) and len(shape) == 5:
        return ("service", "class id", "logical name", "index", "parameter")
    if kinds == (Kind.OCTET_STRING, *[Kind.UNSIGNED] * 7):
        return ("week profile name", *_WEEK)
    if kinds == (Kind.OCTET_STRING,) * 3 and shape[1][1] == 12:
        return ("season profile name", "season start", "week name")
    if kinds == (Kind.UNSIGNED, Kind.ARRAY) and _all_shaped(data.elements[1], _DAY_ACTION):
        return ("day id", "day schedule")
    return ()


def _selection_names(data: Data, kinds: tuple[int, ...]) -> tuple[str, ...]:
    if kinds == _BY_ENTRY:
        return ("from entry", "to entry", "from column", "to column")
    if kinds[:1] == (Kind.STRUCTURE,) and kinds[3:] == (Kind.ARRAY,):
        what = "time" if _is_of(TIME_STAMP, data.elements[0]) else "value"
        return ("restricting object", f"from {what}", f"to {what}", "selected values")
    return ()


def _all_shaped(array: Data, shape: tuple[tuple[int, int], ...]) -> bool:
    return bool(array.elements) and all(_shape(one) == shape for one in array.elements)


def _is_protection_parameters(data: Data) -> bool:
    """An array whose elements say how what follows is protected (class 30)."""
    return bool(data.elements) and all(
        len(one.elements) == 2
        and one.elements[0].kind == Kind.ENUM
        and _shape(one.elements[1])[:3] == (_string(9), _string(8), _string(8))
        for one in data.elements
    )


_SECURITY_HEADER: Final = 5
_TAG: Final = 12


def _is_of(logical_name: bytes, data: Data) -> bool:
    """Whether a structure names this object."""
    return len(data.elements) > 1 and data.elements[1].value == logical_name


class _Nodes:
    """Makes nodes of data."""

    def __init__(self, octets: bytes, decrypt: Decryptor | None) -> None:
        self._octets = octets
        self._decrypt = decrypt

    def of(self, data: Data, name: str) -> Node:
        """The node of one value."""
        if data.kind not in (Kind.ARRAY, Kind.STRUCTURE, Kind.COMPACT_ARRAY):
            return Node(name, data.start, data.stop, data.value, _text_of(data, name))
        head: tuple[Node, ...] = ()
        if data.body > data.start:
            count = len(data.elements)
            head = (
                Node(_NAMES[Kind(data.kind)], data.start, data.body, count, data.text and f"{count} × {data.text}"),
            )
        return Node(name, data.start, data.stop, children=(*head, *self._elements(data, name)))

    def _elements(self, data: Data, name: str) -> list[Node]:
        names = _element_names(data, name) if data.kind == Kind.STRUCTURE else ()
        if names:
            return [self.of(one, title) for one, title in zip(data.elements, names, strict=True)]
        if data.kind == Kind.STRUCTURE:
            return self.of_parts(data.elements, ())
        if name == "protection parameters":
            return [self.of(one, "protection") for one in data.elements]
        return [self.of(one, f"element {at}") for at, one in enumerate(data.elements, 1)]

    def of_parts(self, parts: tuple[Data, ...], names: tuple[str, ...]) -> list[Node]:
        """The nodes of a structure's elements: the first ones have these names, the others are called by their type."""
        nodes: list[Node] = []
        protected = False
        for at, one in enumerate(parts):
            if protected and one.kind == Kind.OCTET_STRING:
                nodes.append(self._encrypted(one))
            else:
                kind = _NAMES[Kind(one.kind)]
                named = names[at] if at < len(names) else f"{kind} {at + 1}"
                before = protected
                protected = one.kind == Kind.ARRAY and _is_protection_parameters(one)
                if protected and not before:
                    named = "protection parameters"
                elif at == 0 and len(parts) > 1 and parts[1].kind == Kind.ARRAY and _is_protection_parameters(parts[1]):
                    named = "protected objects"
                nodes.append(self.of(one, named))
        return nodes

    def _encrypted(self, data: Data) -> Node:
        """An octet string with `31 00000000`, ciphertext and tag."""
        start, stop = data.body, data.stop
        if stop - start < _SECURITY_HEADER + _TAG:
            return Node(
                "encrypted data", data.start, stop, data.value, problem="too short for its security header and tag"
            )
        plaintext = None if self._decrypt is None else self._decrypt(bytes(data.value))
        cipher_start, cipher_stop = start + _SECURITY_HEADER, stop - _TAG
        ciphertext = self._octets[cipher_start:cipher_stop]
        children: tuple[Node, ...] = ()
        if plaintext is not None:
            children = _payload(plaintext, 0, len(plaintext), _Nodes(plaintext, None).plain)
        return Node(
            "encrypted data",
            data.start,
            stop,
            children=(
                Node("octet-string length", data.start, start, stop - start),
                Node("security control", start, start + 1, self._octets[start]),
                Node(
                    "invocation counter",
                    start + 1,
                    cipher_start,
                    int.from_bytes(self._octets[start + 1 : cipher_start], "big"),
                ),
                Node(
                    "ciphertext",
                    cipher_start,
                    cipher_stop,
                    ciphertext,
                    "" if plaintext is not None else "encrypted",
                    children,
                    plaintext=plaintext,
                ),
                Node("authentication tag", cipher_stop, stop, self._octets[cipher_stop:stop]),
            ),
        )

    def plain(self, reader: _Reader) -> Iterator[Node]:
        """The contents of an encrypted part: one structure with the attributes that were asked for, in their order."""
        yield self.of(reader.data(), "protected attributes")

    def access_request(self, reader: _Reader) -> Iterator[Node]:
        yield from self._head(reader, "access-request")
        descriptors: list[Descriptor] = []
        yield (counted := self._count(reader, "number of requests"))
        for number in range(1, int(counted.value or 0) + 1):
            descriptor, node = self._request(reader, number)
            descriptors.append(descriptor)
            yield node
        yield (counted := self._count(reader, "number of data"))
        for number in range(1, int(counted.value or 0) + 1):
            about = descriptors[number - 1] if number <= len(descriptors) else None
            data = reader.data()
            yield self.of(data, f"data {number}" if about is None else str(about))

    def _request(self, reader: _Reader, number: int) -> tuple[Descriptor, Node]:
        start = reader.at
        service = reader.octet()
        if service not in _SERVICES:
            raise DataError(start, f"no service has the number {service}")
        at = reader.take(DESCRIPTOR_LENGTH)
        descriptor, leaves = descriptor_nodes(reader.octets, at, method=service == _ACTION)
        children = [Node("service", start, at, service, _SERVICES[service]), *leaves]
        if service in _WITH_SELECTION:
            at = reader.take(1)
            children.append(Node("selector", at, at + 1, reader.octets[at]))
            children.append(self.of(reader.data(), "selection"))
        text = f"{_SERVICES[service]} {descriptor}"
        return descriptor, Node(f"request {number}", start, reader.at, None, text, tuple(children))

    def access_response(self, reader: _Reader, names: tuple[str, ...]) -> Iterator[Node]:
        yield from self._head(reader, "access-response")
        at = reader.take(1)
        repeated = reader.octets[at]
        yield Node("request list repeated", at, at + 1, repeated, "yes" if repeated else "no")
        if repeated:
            yield (counted := self._count(reader, "number of requests"))
            for number in range(1, int(counted.value or 0) + 1):
                yield self._request(reader, number)[1]
        yield (counted := self._count(reader, "number of data"))
        for number in range(1, int(counted.value or 0) + 1):
            yield self.of(reader.data(), names[number - 1] if number <= len(names) else f"data {number}")
        yield (counted := self._count(reader, "number of results"))
        for number in range(1, int(counted.value or 0) + 1):
            at = reader.take(2)
            service, result = reader.octets[at], reader.octets[at + 1]
            words = RESULTS.get(result, "unknown result")
            yield Node(
                f"result {number}",
                at,
                at + 2,
                None,
                f"{_SERVICES.get(service, f'service {service}')}: {words}",
                (
                    Node("service", at, at + 1, service, _SERVICES.get(service, "")),
                    Node("result", at + 1, at + 2, result, words),
                ),
            )

    def notification(self, reader: _Reader, message_code: int) -> Iterator[Node]:
        yield from self._head(reader, "data-notification")
        body = reader.data()
        if body.kind != Kind.STRUCTURE:
            yield self.of(body, "notification body")
            return
        nodes: list[Node] = [Node("structure", body.start, body.body, len(body.elements))]
        nodes.extend(self.of_parts(body.elements, ("alert code", "time stamp", *_ALERT_CONTENTS.get(message_code, ()))))
        parts = _ALERT_PARTS.get(message_code)
        if parts is not None and len(body.elements) == 3 and body.elements[2].kind == Kind.OCTET_STRING:
            nodes[3] = _split(body.elements[2], nodes[3].name, self._octets, parts)
        yield Node("notification body", body.start, body.stop, children=tuple(nodes))

    def _head(self, reader: _Reader, name: str) -> Iterator[Node]:
        at = reader.take(1)
        yield Node("DLMS service", at, at + 1, reader.octets[at], name)
        at = reader.take(4)
        yield Node(
            "long invoke id and priority",
            at,
            at + 4,
            int.from_bytes(reader.octets[at : at + 4], "big"),
            reader.octets[at : at + 4].hex(),
        )
        at = reader.at
        count = reader.length()
        yield Node("date-time length", at, reader.at, count)
        if count:
            at = reader.take(count)
            raw = reader.octets[at : reader.at]
            yield Node("date-time", at, reader.at, raw, date_time_text(raw) if is_date_time(raw) else "")

    @staticmethod
    def _count(reader: _Reader, name: str) -> Node:
        at = reader.at
        count = reader.length()
        return Node(name, at, reader.at, count)


_ACTION: Final = 3
_SERVICES: Final = {1: "GET", 2: "SET", 3: "ACTION", 4: "GET with selection", 5: "SET with selection"}
_WITH_SELECTION: Final = (4, 5)

_RESPONSE_DATA: Final = {0x0059: ("firmware version",)}
"""What the data of a response are where every command of the use case asks for the same."""


def _text_of(data: Data, name: str) -> str:  # noqa: PLR0911 -- a table of cases
    """What a simple value says to people, where the number alone does not."""
    value = data.value
    if data.kind == Kind.OCTET_STRING:
        return _text_of_octets(value, name)
    if data.kind in _TIMES:
        return _TIMES[data.kind](value)
    if data.kind == Kind.NULL_DATA:
        return "null"
    if name == "unit":
        return UNITS.get(value, "")
    if name == "class id":
        return CLASSES[value].name if value in CLASSES else ""
    if name in ("from time", "to time") and data.kind == Kind.DOUBLE_LONG_UNSIGNED:
        return utc_text(value)
    if name == "alert code" and data.kind == Kind.LONG_UNSIGNED:
        return alert_text(value)
    return ""


def _text_of_octets(raw: bytes, name: str) -> str:  # noqa: PLR0911 -- a table of cases
    if name.endswith("logical name") and len(raw) == 6:
        known = OBJECTS.get(raw)
        return f"{obis_text(raw)} {known}" if known else obis_text(raw)
    if name == "firmware version" and len(raw) == 4:
        return f"0x{raw.hex().upper()}"
    if name.endswith("system title") and len(raw) == 8:
        return eui64_text(int.from_bytes(raw, "big"))
    if is_date_time(raw):
        return date_time_text(raw)
    if name == "special day date" and is_date(raw):
        return date_text(raw)
    if name == "start time" and is_time(raw):
        return time_text(raw)
    if len(raw) > 1 and all(0x20 <= octet < 0x7F for octet in raw):
        return f'"{raw.decode("ascii")}"'
    return ""


# Alerts: what follows alert code and time stamp.

_ALERT_CONTENTS: Final[dict[int, tuple[str, ...]]] = {
    0x0018: ("device log",),
    0x0067: ("supply outage started", "supply restored"),
    0x00CC: ("instruction carried out",),
    0x00CE: ("calculated manufacturer image hash",),
    0x00D5: ("message not delivered",),
    0x00F0: ("issue code",),
    0x0111: ("channels",),
    0x0113: ("sub-GHz configuration",),
    0x0114: ("message discarded",),
    0x0120: ("command not supported",),
    0x0121: ("APC level command",),
    0x0122: ("APC level command",),
    0x0123: ("operational update",),
}
"""Names of the elements behind the time stamp, by message code."""


class _Part(NamedTuple):
    """One fixed part of an octet string."""

    name: str
    length: int
    text: Callable[[int], str] = str


_COMMAND_NUMBER: Final = _Part("Originator Counter", 8)
_CODE: Final = _Part("Message Code", 2, use_case_text)
_UNDELIVERED: Final = (
    _Part("Business Originator ID", 8, eui64_text),
    _Part("Business Target ID", 8, eui64_text),
    _Part("CRA flag", 1, lambda number: CraFlag(number).name.capitalize() if number in tuple(CraFlag) else ""),
    _COMMAND_NUMBER,
)
_DESCRIPTOR: Final = _Part("COSEM attribute", DESCRIPTOR_LENGTH)
_ALERT_PARTS: Final = {
    0x00CC: (_CODE, _COMMAND_NUMBER, _DESCRIPTOR),
    0x00D5: _UNDELIVERED,
    0x00F0: (
        _Part("issue", 2, lambda issue: INTEGRITY_ISSUES[issue] if issue < len(INTEGRITY_ISSUES) else "unknown issue"),
    ),
    0x0114: _UNDELIVERED,
    0x0120: (_CODE, _COMMAND_NUMBER),
}
"""Alerts whose third element is an octet string of fixed parts."""


def _split(data: Data, name: str, octets: bytes, parts: tuple[_Part, ...]) -> Node:
    """An octet string taken apart; as one leaf if its length is another than that of its parts."""
    expected = sum(part.length for part in parts)
    if data.stop - data.body != expected:
        problem = f"{data.stop - data.body} octets instead of {expected}"
        return Node(name, data.start, data.stop, data.value, problem=problem)
    children = [Node("octet-string length", data.start, data.body, expected)]
    at = data.body
    for part in parts:
        if part is _DESCRIPTOR:
            descriptor, leaves = descriptor_nodes(octets, at)
            children.append(Node(part.name, at, at + part.length, None, str(descriptor), leaves))
        else:
            number = int.from_bytes(octets[at : at + part.length], "big")
            children.append(Node(part.name, at, at + part.length, number, part.text(number)))
        at += part.length
    return Node(name, data.start, data.stop, children=tuple(children))


def _payload(octets: bytes, start: int, stop: int, read: Callable[[_Reader], Iterator[Node]]) -> tuple[Node, ...]:
    """The nodes that `read` finds in octets [start, stop), and what is left when it cannot go on or has done."""
    reader = _Reader(octets, start, stop)
    nodes: list[Node] = []
    why = None
    try:
        nodes.extend(read(reader))  # keeps the nodes that were made before an error
    except DataError as error:
        why = f"octet {error.at}: {error}"
    done = nodes[-1].stop if nodes else start
    if why is not None or done < stop:
        nodes.append(undecoded(octets, done, stop, why or "more than the payload's own structure holds"))
    return tuple(nodes)


def decode(
    octets: bytes, start: int, stop: int, message_code: int, cra_flag: int, decrypt: Decryptor | None = None
) -> Node:
    """The tree of the DLMS payload in octets [start, stop) of a message. Never raises.

    Encrypted parts are opened with `decrypt`; without it, or if it has no key, they stay octets.
    """
    nodes = _Nodes(octets, decrypt)
    readers: dict[int, tuple[str, Callable[[_Reader], Iterator[Node]]]] = {
        ACCESS_REQUEST: ("DLMS access-request", nodes.access_request),
        ACCESS_RESPONSE: (
            "DLMS access-response",
            lambda reader: nodes.access_response(reader, _RESPONSE_DATA.get(message_code, ())),
        ),
        DATA_NOTIFICATION: ("DLMS data-notification", lambda reader: nodes.notification(reader, message_code)),
    }
    if start >= stop:
        return Node("DLMS payload", start, stop, problem="the payload is empty")
    if octets[start] not in readers:
        unknown = undecoded(octets, start, stop, f"no DLMS service begins with {octets[start]:02X}")
        return Node("DLMS payload", start, stop, children=(unknown,))
    name, read = readers[octets[start]]
    children = _payload(octets, start, stop, read)
    wrong = None if _CRA_FLAGS[octets[start]] == cra_flag else f"not what a message with CRA flag {cra_flag} carries"
    return Node(name, start, stop, children=children, problem=wrong)


_CRA_FLAGS: Final = {
    ACCESS_REQUEST: CraFlag.COMMAND,
    ACCESS_RESPONSE: CraFlag.RESPONSE,
    DATA_NOTIFICATION: CraFlag.ALERT,
}
