"""The language of `hanscope frames --filter`: conditions on named fields, read once and evaluated on columns.

```
nwk.source == 0x1234 and ota.file_offset >= 4096 and layer == "ImageBlockResponse"
not has(key) or zcl.command in (3, 5)
"Zcl" in layers and 0 <= ota.file_offset < 1024
nwk.source_eui64 == "00:0d:6f:00:0a:90:69:e0"
ota.status == "WAIT_FOR_DATA"
time >= "2026-03-01T10:00:00Z"
```

| | |
|---|---|
| `==` `!=` `<` `<=` `>` `>=` | compare a field with a value or with another field; they can be chained |
| `in (…)`, `not in (…)` | one of several values |
| `"Zcl" in layers` | a frame has a layer |
| `has(field)` | a frame has a field |
| `and` `or` `not` `( )` | as everywhere |

Numbers are decimal, `0x…` or `0b…`; texts stand in quotation marks. A number that has names can be compared with a
name, an EUI-64 with its usual text, a time with ISO 8601 (UTC where nothing else is said) or with seconds since 1970. A
comparison with a field that the frame has not is false, whatever the operator: `not (a == 1)` holds for frames without
`a`, `a != 1` does not.

The text is taken apart by Python's own parser, and then everything that is not in this table is refused: nothing is
ever executed.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.eui64 import eui64

LONGEST: Final = 4096
"""Characters of an expression: more is an accident."""

Kind = Literal["number", "eui64", "text", "names", "time"]
"""`names`: several texts for each frame."""
Mask = NDArray[np.bool_]


class FilterError(ValueError):
    """An expression that cannot be understood; the message is one line that says where and what is wrong."""


class Column(NamedTuple):
    """A field of every frame of a table."""

    values: NDArray[Any]
    """Numbers and EUI-64s: integers or floats; times: int64, Unix nanoseconds; texts and tuples of them: objects."""
    there: Mask
    """Which frames have the field; elsewhere the value means nothing."""


class Table(Protocol):
    """What an expression is evaluated on."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> Column:
        """A field by its name."""
        ...


@dataclass(frozen=True, slots=True)
class Described:
    """What an expression has to know about a field."""

    kind: Kind
    codes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Names that its numbers have."""


Describe = Callable[[str], Described | None]
"""Describes a field; `None`: there is none of this name."""
_Condition = Callable[[Table], Mask]


@dataclass(frozen=True, slots=True)
class Filter:
    """An expression that was understood."""

    text: str
    names: frozenset[str]
    """The fields that it asks for."""
    _condition: _Condition

    def mask(self, table: Table) -> Mask:
        """Which frames fulfil it."""
        return self._condition(table)


def parse(text: str, describe: Describe) -> Filter:
    """Understands an expression; raises `FilterError`."""
    if len(text) > LONGEST:
        raise FilterError(f"the expression has {len(text):,} characters; {LONGEST:,} are taken")
    line = " ".join(text.splitlines())
    lead = len(line) - len(line.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python would warn of is refused below
            tree = ast.parse(line.lstrip(), mode="eval")
        reader = _Reader(line, lead, describe)
        condition = reader.condition(tree.body)
        return Filter(text, frozenset(reader.names), condition)
    except SyntaxError as error:
        place = lead + (error.offset or 1)
        raise FilterError(f"column {place}: {_reason(error, line[place - 1 : place])}") from None
    except (RecursionError, MemoryError):
        raise FilterError("the expression is nested too deeply") from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, FilterError):
            raise
        raise FilterError(f"the expression cannot be read: {error}") from None


def _reason(error: SyntaxError, where: str) -> str:
    """What is wrong with the syntax; `where`: the character at which Python says so."""
    said = str(error.msg)
    if where == "=" or "'=='" in said:
        return "to compare, write =="
    if "never closed" in said or "unterminated" in said:
        return "what is opened here is never closed"
    return "this is no expression; see `hanscope frames --help`"


_OPERATORS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EQUALITY: Final = (ast.Eq, ast.NotEq)


class _Field(NamedTuple):
    name: str
    described: Described


class _Reader:
    """Makes conditions of syntax trees."""

    def __init__(self, line: str, lead: int, describe: Describe) -> None:
        self.names: set[str] = set()
        self._octets = line.lstrip().encode("utf-8", "surrogatepass")
        self._lead = lead
        self._describe = describe

    def _refusal(self, node: Any, why: str) -> FilterError:
        # Python counts octets of UTF-8.
        before = self._octets[: node.col_offset].decode("utf-8", "surrogatepass")
        return FilterError(f"column {self._lead + len(before) + 1}: {why}")

    def condition(self, node: ast.expr) -> _Condition:
        match node:
            case ast.BoolOp(op, values):
                parts = [self.condition(value) for value in values]
                return _all_of(parts) if isinstance(op, ast.And) else _any_of(parts)
            case ast.UnaryOp(ast.Not(), operand):
                inner = self.condition(operand)
                return lambda table: ~inner(table)
            case ast.Compare(left, ops, comparators):
                sides = [left, *comparators]
                pairs = zip(sides, ops, comparators, strict=False)
                return _all_of([self._comparison(one, op, other) for one, op, other in pairs])
            case ast.Call(ast.Name("has"), [argument], []):
                name = self._field(argument).name
                return lambda table: table.column(name).there
            case ast.Call():
                raise self._refusal(node, "the only function is has(field)")
            case ast.Name() | ast.Attribute():
                name = self._field(node).name
                raise self._refusal(node, f"a field alone is no condition; write has({name}) or compare it")
            case _:
                raise self._refusal(node, "a condition was expected here, such as `pan == 0x1a2b`")

    def _field(self, node: ast.expr) -> _Field:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self._refusal(node, "the name of a field was expected here")
        name = ".".join([inner.id, *reversed(parts)])
        try:
            described = self._describe(name)
        except FilterError as error:
            raise self._refusal(node, str(error)) from None
        if described is None:
            raise self._refusal(node, f"there is no field {name!r}")
        self.names.add(name)
        return _Field(name, described)

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Condition:
        if isinstance(op, ast.In | ast.NotIn):
            inside = self._membership(left, right)
            return inside if isinstance(op, ast.In) else self._lacking(left, right, inside)
        compare = _OPERATORS.get(type(op))
        if compare is None:
            raise self._refusal(right, "`is` is not known here; to compare, write ==")
        if _is_name(left) and _is_name(right):
            return self._fields(left, op, right, compare)
        if not _is_name(left) and not _is_name(right):
            raise self._refusal(left, "two values are compared, and no field")
        place, literal = (left, right) if _is_name(left) else (right, left)
        found = self._field(place)
        self._check_order(place, found, op)
        value = self._value(literal, found)
        mirrored = place is right

        def condition(table: Table) -> Mask:
            values, there = table.column(found.name)
            return there & _mask(compare(value, values) if mirrored else compare(values, value))

        return condition

    def _fields(self, left: ast.expr, op: ast.cmpop, right: ast.expr, compare: Callable[[Any, Any], Any]) -> _Condition:
        one, other = self._field(left), self._field(right)
        self._check_order(left, one, op)
        if one.described.kind != other.described.kind:
            raise self._refusal(
                right, f"{one.name} is {_A[one.described.kind]}, {other.name} is {_A[other.described.kind]}"
            )

        def condition(table: Table) -> Mask:
            first, second = table.column(one.name), table.column(other.name)
            return first.there & second.there & _mask(compare(first.values, second.values))

        return condition

    def _check_order(self, node: ast.expr, found: _Field, op: ast.cmpop) -> None:
        if found.described.kind == "names":
            raise self._refusal(node, f'{found.name} holds several texts; write "…" in {found.name}')
        if found.described.kind == "text" and not isinstance(op, _EQUALITY):
            raise self._refusal(node, f"{found.name} is a text, which has no order")

    def _membership(self, left: ast.expr, right: ast.expr) -> _Condition:
        if _is_name(right):
            return self._has_name(left, self._field(right), right)
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            raise self._refusal(right, "behind `in` stand values in parentheses: in (1, 2)")
        if not _is_name(left):
            raise self._refusal(left, "the name of a field was expected here")
        found = self._field(left)
        if found.described.kind == "names":
            raise self._refusal(left, f'write "…" in {found.name}')
        wanted = [self._value(element, found) for element in right.elts]

        def condition(table: Table) -> Mask:
            values, there = table.column(found.name)
            any_of = np.zeros(len(table), np.bool_)
            for value in wanted:
                any_of |= _mask(values == value)
            return there & any_of

        return condition

    def _has_name(self, left: ast.expr, found: _Field, place: ast.expr) -> _Condition:
        if found.described.kind != "names":
            raise self._refusal(
                place, f"{found.name} is {_A[found.described.kind]}; behind `in` stand values in parentheses"
            )
        if not (isinstance(left, ast.Constant) and isinstance(left.value, str)):
            raise self._refusal(left, "a text in quotation marks was expected here")
        name = left.value

        def condition(table: Table) -> Mask:
            values, there = table.column(found.name)
            out = np.zeros(len(table), np.bool_)
            out[there] = [name in value for value in values[there]]
            return out

        return condition

    def _lacking(self, left: ast.expr, right: ast.expr, inside: _Condition) -> _Condition:
        name = self._field(left if _is_name(left) else right).name
        return lambda table: table.column(name).there & ~inside(table)

    def _value(self, node: ast.expr, found: _Field) -> Any:
        """A literal, as the column of a field has it."""
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        value = node.value if isinstance(node, ast.Constant) else None
        name, described = found
        if isinstance(value, str) and sign > 0:
            return value if described.kind == "text" else self._named(node, value, found)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal(node, "a number, a text in quotation marks, or the name of a field was expected here")
        if described.kind == "text":
            raise self._refusal(node, f"{name} is a text; put the value in quotation marks")
        return _nanoseconds(sign * value) if described.kind == "time" else sign * value

    def _named(self, node: ast.expr, text: str, found: _Field) -> int:
        """The number that a text stands for."""
        name, described = found
        if described.kind == "eui64":
            try:
                return eui64(text)
            except ValueError:
                raise self._refusal(node, f"{name} is an EUI-64, such as 00:0d:6f:00:0a:90:69:e0") from None
        if described.kind == "time":
            try:
                when = datetime.fromisoformat(text)
            except ValueError:
                raise self._refusal(node, f"{name} is a time, such as 2026-03-01T10:00:00Z") from None
            return _unix_ns(when if when.tzinfo else when.replace(tzinfo=UTC))
        if text not in described.codes:
            names = ", ".join(list(described.codes)[:8])
            raise self._refusal(node, f"{name} is a number" + (f"; its names are {names}" if names else ""))
        return described.codes[text]


_A: Final[dict[Kind, str]] = {
    "number": "a number",
    "eui64": "an EUI-64",
    "text": "a text",
    "names": "a list of texts",
    "time": "a time",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _is_name(node: ast.expr) -> TypeGuard[ast.Name | ast.Attribute]:
    return isinstance(node, ast.Name | ast.Attribute)


def _unix_ns(when: datetime) -> int:
    passed = when - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1_000


def _nanoseconds(seconds: float) -> int | float:
    return seconds * 10**9 if isinstance(seconds, int) or not math.isfinite(seconds) else round(seconds * 10**9)


def _mask(compared: Any) -> Mask:
    return np.asarray(compared, np.bool_)


def _all_of(parts: list[_Condition]) -> _Condition:
    def condition(table: Table) -> Mask:
        mask = parts[0](table)
        for part in parts[1:]:
            mask = mask & part(table)  # not in place: the first may be a column's own
        return mask

    return condition


def _any_of(parts: list[_Condition]) -> _Condition:
    def condition(table: Table) -> Mask:
        mask = parts[0](table)
        for part in parts[1:]:
            mask = mask | part(table)
        return mask

    return condition
