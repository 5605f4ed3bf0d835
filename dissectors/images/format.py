"""What a format of firmware images is: a record that documents it, a function that reads it, and what that finds.

Each format has a module of its own with a `FORMAT`; `registry` lists them and `docs/image-formats.md` is made of them.
A format is told by its content. A signature in which a single bit is wrong is still recognised (`near`): otherwise
damage there would look like an unknown format instead of a failed check.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, Literal, ParamSpec

import msgspec

from hanscope.dissectors.images.octets import BrokenError, NotCapturedError, View

Outcome = Literal["valid", "invalid", "unknown"]
Ranges = tuple[tuple[int, int], ...]

SHORTEST_CONTENT: Final = 16
"""Octets: what covers fewer in a row checks a field, not content."""
MOST_DEPTH: Final = 3
"""Formats that one may be wrapped in and still be looked into."""
CONTENT: Final = "content"
"""The check of what carries no check of its own that is known."""


class Judgement(msgspec.Struct, frozen=True):
    """What became of one check."""

    name: str
    outcome: Outcome
    detail: str
    covers: Ranges = ()
    """Octets [start, end) of the file for which a valid outcome vouches: any bit of them changed makes it invalid."""

    @property
    def vouches(self) -> tuple[tuple[int, int], ...]:
        """What of it is content, not only a field."""
        if self.outcome != "valid":
            return ()
        return tuple(span for span in self.covers if span[1] - span[0] >= SHORTEST_CONTENT)


class Context(msgspec.Struct, frozen=True):
    """What the OTA file says about the content that is looked at."""

    manufacturer_code: int = 0
    image_type: int = 0
    file_version: int = 0
    tag: int | None = None
    """Of the element; `None`: it stands right behind the header."""
    telink_encrypted: bool = False
    """The element has Telink's two extra octets."""
    depth: int = 0
    """How many formats it is wrapped in."""


class Inner(msgspec.Struct, frozen=True):
    """What was recognised."""

    name: str
    """With its kind: "GBL 3, encrypted and signed"."""
    checks: tuple[Judgement, ...] = ()
    content: View | None = None
    """What it wraps, to be recognised in turn."""
    in_file: bool = True
    """Whether `content` are octets of the file itself, not unpacked ones."""
    behind: View | None = None
    """What follows its end and is no filling, to be recognised in turn."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """The documentation of a format, in it."""

    name: str
    vendors: str
    signature: str
    """What it is recognised by."""
    checks: tuple[str, ...]
    limitations: str
    source: str
    """Where the layout is known from."""


class InnerFormat(Format, frozen=True, kw_only=True):
    """A format of what an OTA file carries."""

    read: Callable[[View, Context], Inner | None]
    """`None`: it is another format."""


_Parameters = ParamSpec("_Parameters")
Check = Callable[Concatenate[View, _Parameters], Judgement]


def checked(name: str) -> Callable[[Check[_Parameters]], Check[_Parameters]]:
    """A check that reads a view: what is not captured makes it unknown, what is not there invalid."""

    def decorate(check: Check[_Parameters]) -> Check[_Parameters]:
        @wraps(check)
        def made(view: View, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> Judgement:
            try:
                return check(view, *args, **kwargs)
            except NotCapturedError as reason:
                return Judgement(name, "unknown", str(reason))
            except BrokenError as reason:
                return Judgement(name, "invalid", str(reason))

        return made

    return decorate


def compared(name: str, what: str, told: bytes | int, found: bytes | int, covers: Ranges) -> Judgement:
    """Valid if the sum or hash that is told is the one that was found."""
    if told == found:
        return Judgement(name, "valid", what, covers)
    return Judgement(name, "invalid", f"{what}: it says {_shown(told)}, the octets give {_shown(found)}")


def unverifiable(detail: str, name: str = CONTENT) -> Judgement:
    return Judgement(name, "unknown", detail)


def near(octets: bytes, signature: bytes) -> bool:
    """Whether the octets are the signature, or would be if one bit were not wrong."""
    if len(octets) != len(signature):
        return False
    return (int.from_bytes(octets, "big") ^ int.from_bytes(signature, "big")).bit_count() <= 1


def octets_told(octets: int) -> str:
    return f"{octets:,} octet{'' if octets == 1 else 's'}"


def _shown(value: bytes | int) -> str:
    if isinstance(value, int):
        return f"0x{value:08x}"
    return value.hex() if len(value) <= 16 else f"{value[:8].hex()}…"
