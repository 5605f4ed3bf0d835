"""Reads an ASN.1 schema (X.680): the subset that `gbcs.asn1` is written in.

Assignments are read when they are first asked for, so that a schema costs what is used of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Final

UNIVERSAL: Final[dict[str, int]] = {
    "BOOLEAN": 0x01,
    "INTEGER": 0x02,
    "BIT STRING": 0x03,
    "OCTET STRING": 0x04,
    "NULL": 0x05,
    "OBJECT IDENTIFIER": 0x06,
    "ENUMERATED": 0x0A,
    "UTF8String": 0x0C,
    "PrintableString": 0x13,
    "TeletexString": 0x14,
    "IA5String": 0x16,
    "UTCTime": 0x17,
    "GeneralizedTime": 0x18,
    "SEQUENCE": 0x30,
    "SEQUENCE OF": 0x30,
    "SET OF": 0x31,
}
"""First octet of the encoding of each type that has one of its own."""

_CONTEXT: Final = 0x80
CONSTRUCTED: Final = 0x20
_TOKEN: Final = re.compile(r"::=|\.\.|[A-Za-z][A-Za-z0-9-]*|\d+|[{}()\[\],]")
_COMMENT: Final = re.compile(r"--.*?(?:--|$)", re.MULTILINE)
_TWO_WORDS: Final = {"BIT": "STRING", "OCTET": "STRING", "OBJECT": "IDENTIFIER"}


class SchemaError(ValueError):
    """The schema is not written in the subset that this module reads."""


@dataclass(frozen=True, slots=True)
class Component:
    """One member of a SEQUENCE, or one alternative of a CHOICE."""

    name: str
    type: "Type"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """What one encoded element looks like."""

    kind: str
    """A key of `UNIVERSAL`, `CHOICE`, `ANY`, or `EXPLICIT` (a tag around `element`)."""
    name: str = ""
    """Of its assignment, the innermost one; empty for a type that is written in place."""
    tag: int | None = None
    """First octet of the encoding; `None` where several can be (CHOICE, ANY)."""
    components: tuple[Component, ...] = ()
    element: "Type | None" = None
    """Of a SEQUENCE OF, a SET OF and an explicit tag."""
    names: Mapping[int, str] = field(default_factory=dict[int, str])
    """Of numbers, or of bits."""
    size: int | None = None
    """Octets of an OCTET STRING, where the schema fixes them."""

    def begins_with(self, identifier: int) -> bool:
        """Whether an encoding of this type can begin with this octet."""
        if self.kind == "CHOICE":
            return any(one.type.begins_with(identifier) for one in self.components)
        return self.tag is None or self.tag == identifier


ANY: Final = Type("ANY")


class Schema:
    """The assignments of one module."""

    def __init__(self, text: str) -> None:
        tokens = _TOKEN.findall(_COMMENT.sub("", text))
        tokens = tokens[tokens.index("BEGIN") + 1 : -1]
        self._assignments: dict[str, list[str]] = {}
        self._types: dict[str, Type] = {}
        self._identifiers: dict[str, str] = {}
        # `Name ::= type`, or `name OBJECT IDENTIFIER ::= { 1 2 3 }`; each ends where the next begins.
        signs = [at for at, word in enumerate(tokens) if word == "::="]
        starts = [at - (3 if tokens[at - 1] == "IDENTIFIER" else 1) for at in signs]
        for start, sign, end in zip(starts, signs, [*starts[1:], len(tokens)], strict=True):
            if sign - start == 1:
                self._assignments[tokens[start]] = tokens[sign + 1 : end]
            else:
                self._identifiers[".".join(tokens[sign + 2 : end - 1])] = tokens[start]

    def __contains__(self, name: str) -> bool:
        return name in self._assignments

    def __iter__(self) -> Iterator[str]:
        return iter(self._assignments)

    def type(self, name: str) -> Type:
        """The type of this name. Raises `SchemaError`."""
        if name not in self._types:
            if name not in self._assignments:
                raise SchemaError(f"no type {name}")
            reader = _Reader(self, self._assignments[name])
            found = reader.type()
            if not reader.at_end():
                raise SchemaError(f"{name}: more than one type")
            self._types[name] = found if found.name else replace(found, name=name)
        return self._types[name]

    def identifier_name(self, identifier: str) -> str | None:
        """What the schema calls an object identifier (`2.5.29.15`)."""
        return self._identifiers.get(identifier)

    def identified(self, identifier: str) -> Type | None:
        """The type of values that stand under an object identifier: `id-ce-keyUsage` names `KeyUsage`."""
        _, _, name = self._identifiers.get(identifier, "").removeprefix("id-").partition("-")
        name = name[:1].upper() + name[1:]
        return self.type(name) if name in self else None


class _Reader:
    """Reads one type from its tokens."""

    def __init__(self, schema: Schema, tokens: list[str]) -> None:
        self._schema = schema
        self._tokens = tokens
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._tokens)

    def _next(self) -> str:
        if self.at_end():
            raise SchemaError(f"ends too early: {' '.join(self._tokens)}")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, *tokens: str) -> bool:
        """Goes past these tokens if they come next."""
        there = tuple(self._tokens[self._at : self._at + len(tokens)]) == tokens
        self._at += len(tokens) * there
        return there

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise SchemaError(f"{token} expected behind {' '.join(self._tokens[: self._at])}")

    def type(self) -> Type:
        if not self._take("["):
            return self._untagged()
        number = _CONTEXT | int(self._next())
        self._expect("]")
        implicit = self._take("IMPLICIT")
        inner = self._untagged()
        if implicit and inner.tag is not None:
            return replace(inner, tag=number | inner.tag & CONSTRUCTED)
        return Type("EXPLICIT", tag=number | CONSTRUCTED, element=inner)

    def _untagged(self) -> Type:
        word = self._next()
        if word in _TWO_WORDS:
            self._expect(_TWO_WORDS[word])
            word = f"{word} {_TWO_WORDS[word]}"
        if word in ("SEQUENCE", "SET") and self._take("OF"):
            return Type(f"{word} OF", tag=UNIVERSAL[f"{word} OF"], element=self.type())
        if word in ("SEQUENCE", "CHOICE"):
            return Type(word, tag=UNIVERSAL.get(word), components=self._components())
        if word == "ANY":
            if self._take("DEFINED", "BY"):
                self._next()
            return ANY
        if word not in UNIVERSAL:
            return self._schema.type(word)
        names = self._names()
        return Type(word, tag=UNIVERSAL[word], names=names, size=self._size())

    def _components(self) -> tuple[Component, ...]:
        components: list[Component] = []
        self._expect("{")
        while not self._take("}"):
            components.append(Component(self._next(), self.type(), self._optional()))
            self._take(",")
        return tuple(components)

    def _optional(self) -> bool:
        default = self._take("DEFAULT")
        if default:
            self._next()
        return default or self._take("OPTIONAL")

    def _names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        if self._take("{"):
            while not self._take("}"):
                name = self._next()
                self._expect("(")
                names[int(self._next())] = name
                self._expect(")")
                self._take(",")
        return names

    def _size(self) -> int | None:
        if not self._take("("):
            return None
        if self._take("SIZE", "("):
            size = int(self._next())
            self._expect(")")
            self._expect(")")
            return size
        while self._next() != ")":  # a range of values
            pass
        return None


@cache
def gbcs_schema() -> Schema:
    """The schema of the ASN.1 payloads."""
    return Schema(files("hanscope.dissectors.gbcs").joinpath("gbcs.asn1").read_text(encoding="utf-8"))
