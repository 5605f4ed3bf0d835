"""Reports that can be passed on: addresses and keys replaced by pseudonyms.

The same address gets the same pseudonym everywhere in a report, and again in the next report of the same input.
Of GBCS messages the octets are left out, and of their parts those values that hold more than an address.
Pseudonyms count up in order of appearance; nothing of the address goes into them (a hash of a 16-bit address is undone
by trying all).

PAN ids, image identities, times and the images themselves are left as they are.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast

import msgspec

from hanscope.analyzers.results import Result

R = TypeVar("R", bound=Result)

_EUI64: Final = re.compile(
    r"(?<![0-9a-f])(?<![0-9a-f]{2}[:.-])(?:[0-9a-f]{2}([:-]?))(?:[0-9a-f]{2}\1){6}[0-9a-f]{2}(?![:-]?[0-9a-f])",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", re.IGNORECASE)
_SHORT: Final = re.compile(r"(?<![0-9a-z])0x[0-9a-f]{4}(?![0-9a-f])", re.IGNORECASE)
_HIDDEN_KEY: Final = re.compile(r"(?<=\(key )[0-9a-f]{8}(?=\))")
_HEXADECIMAL: Final = re.compile("[0-9a-f]+$")
_EUI64_DIGITS: Final = 16
"""Longer values of message parts are octets in which an EUI-64 may stand; one of this length gets a pseudonym."""
_FIRST_RESERVED: Final = 0xFFF8
"""Broadcast and "no address" (Zigbee 3.6.5, 802.15.4 7.2): like the coordinator's 0x0000 they name nobody."""


class Redactor:
    """Gives out pseudonyms; keep one for all results that belong to one report."""

    def __init__(self) -> None:
        self._eui64s: dict[str, str] = {}
        self._shorts: dict[int, int] = {}
        self._keys: dict[str, str] = {}

    def __call__(self, result: R) -> R:
        """`result` with its addresses and keys replaced, in its texts too.

        In texts every `0x1a2b` that is the number of a known short address is replaced, even if it means something
        else: a report that was to be redacted rather says too little.
        """
        plain = msgspec.to_builtins(result)
        self._meet(plain)
        return msgspec.convert(self._replaced(plain, ""), type(result))

    def meet(self, result: Result) -> None:
        """Gives every short address in a result its pseudonym, for what is redacted later."""
        self._meet(msgspec.to_builtins(result))

    def shorts(self, addresses: Iterable[int]) -> None:
        """Gives short addresses their pseudonyms."""
        for address in addresses:
            self._short(address)

    def number(self, value: int) -> int:
        """A number of 16 bits; the pseudonym, if it is that of a known short address."""
        return self._shorts.get(value, value)

    def key(self, fingerprint: str) -> str:
        """The pseudonym of a key."""
        return self._keys.setdefault(fingerprint, f"key-{len(self._keys) + 1:04}")

    def _meet(self, value: Any) -> None:
        """Gives every short address its pseudonym, so that texts that come before it are redacted too."""
        if isinstance(value, dict):
            for name, item in cast("dict[str, Any]", value).items():
                if name == "short" and isinstance(item, int):
                    self._short(item)
                self._meet(item)
        elif isinstance(value, (list, tuple)):
            for item in cast("list[Any]", value):
                self._meet(item)

    def _replaced(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {field: self._replaced(item, field) for field, item in cast("dict[str, Any]", value).items()}
        if isinstance(value, (list, tuple)):
            return [self._replaced(item, name) for item in cast("list[Any]", value)]
        if name == "short" and isinstance(value, int):
            return self._short(value)
        return self._told(value, name) if isinstance(value, str) else value

    def _told(self, value: str, name: str) -> str | None:
        """What takes the place of a text member."""
        if name in {"key", "plaintext"}:
            return None
        if name == "octets":  # of a GBCS message: addresses could be read from them
            return ""
        if name == "fingerprint":
            return self.key(value)
        if name == "value" and len(value) > _EUI64_DIGITS and _HEXADECIMAL.match(value):
            return f"({len(value) // 2} octets)"
        return self.text(value)

    def _short(self, address: int) -> int:
        if address == 0 or address >= _FIRST_RESERVED:
            return address
        return self._shorts.setdefault(address, len(self._shorts) + 1)

    def text(self, text: str) -> str:
        """A text in which addresses and keys are replaced."""
        text = _HIDDEN_KEY.sub(lambda found: self.key(found[0]), _KEY.sub("(key)", text))
        text = _EUI64.sub(self._eui64_pseudonym, text)
        return _SHORT.sub(self._short_pseudonym, text)

    def _eui64_pseudonym(self, found: re.Match[str]) -> str:
        plain = re.sub("[:-]", "", found[0]).lower()
        # The bit for "locally administered" tells at a glance that this is no real address.
        number = (0x02 << 56) + len(self._eui64s) + 1
        return self._eui64s.setdefault(plain, number.to_bytes(8, "big").hex(":"))

    def _short_pseudonym(self, found: re.Match[str]) -> str:
        address = int(found[0], 16)
        return f"0x{self._shorts.get(address, address):04x}"
