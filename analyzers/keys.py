"""Keys: where they come from, which frames they may open, and the ledger of what they did open.

A key comes from a file, the command line, a capture's decryption secrets or a Transport-Key command that was heard. A
file is Wireshark's table of ZigBee keys (`wireshark_keys`), or TOML:

```toml
[[network]]
key = "000102030405060708090a0b0c0d0e0f"
pan_id = 0x4a5b             # optional: only frames of this PAN
sequence_number = 0         # optional: only frames secured with this key sequence number

[[link]]
key = "86d58aaa998e2faefaf9fef49606543a"
devices = ["00:15:8d:00:00:c0:ff:ee", "00:15:8d:00:00:12:34:56"]   # optional: only between these two

[[link]]
key = "932ac561faf2d5df4b6ab40df3f61da0"
devices = ["00:15:8d:00:00:12:34:56"]   # one: between this device and any other, as a trust centre link key is

[[install_code]]
code = "83FED3407A939723A5C639B26916D505C3B5"   # with its CRC; 8, 10, 14 or 18 octets
device = "00:15:8d:00:00:12:34:56"              # optional
```
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from hanscope.analyzers.results import Key
from hanscope.analyzers.wireshark_keys import KeyTableError, TableEntry, is_key_table, parse_key_table
from hanscope.dissectors.crypto import install_codes
from hanscope.dissectors.crypto.mmo import key_load_key, key_transport_key
from hanscope.dissectors.eui64 import eui64_text

MAXIMUM_SCOPES: Final = 4096
"""Pairs of devices, or PANs and key sequence numbers, that are noted for one key."""
MAXIMUM_KEYS: Final = 4096
"""Keys held at most; a hostile capture could announce any number."""

WELL_KNOWN: Final = {
    bytes.fromhex("5A6967426565416C6C69616E63653039"): "well-known (ZigBeeAlliance09)",
    bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"): "well-known (distributed link key, certification)",
}
"""Link keys that everybody has (ZigBee 05-3474 4.4; Z3 base device). They open the commands of a join, never data."""

KeyKind = Literal["network", "link"]


class KeyFileError(ValueError):
    """A key, or a file of keys, that cannot be understood; the message is one line that says where and how to mend
    it.
    """


class KnownKey(msgspec.Struct, frozen=True):
    """A key and what limits its use."""

    kind: KeyKind
    octets: bytes
    source: str
    pan_id: int | None = None
    sequence_number: int | None = None
    devices: frozenset[int] = frozenset()
    """EUI-64s of a link key's ends; one: its other end may be any device; empty: both may."""
    shared: bool = False
    """Whether further devices may have the key too: it was only heard on its way to these."""

    @property
    def fingerprint(self) -> str:
        """Names the key without telling it."""
        return fingerprint(self.octets)

    @property
    def notation(self) -> str:
        """Kind and scope as `parse_key` understands them, without the key: `network@4a5b`, `link@EUI-64,EUI-64`."""
        scope = [f"{self.pan_id:04x}"] if self.pan_id is not None else map(eui64_text, sorted(self.devices))
        return "@".join(filter(None, (self.kind, ",".join(scope))))

    def serves(self, sender: int, receiver: int) -> bool:
        """Whether a link key may protect what goes from one EUI-64 to another; a receiver of 0 is not known."""
        if self.shared or not self.devices or sender in self.devices or receiver in self.devices:
            return True
        return receiver == 0 and len(self.devices) == 1

    def ends(self, sender: int, receiver: int) -> int:
        """How many of two EUI-64s the key is known to belong to: what it is tried in order of."""
        return len(self.devices & {sender, receiver})


def fingerprint(octets: bytes) -> str:
    """Names a key without telling it: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(octets).hexdigest()[:8]


class KeyRing(msgspec.Struct, frozen=True, dict=True):
    """The keys that may be used; immutable, so that every batch can say with which ring it was read."""

    keys: tuple[KnownKey, ...] = ()

    def plus(self, more: Iterable[KnownKey]) -> "KeyRing":
        """With further keys; the same key of the same kind is not taken twice, unless its limits differ."""
        seen = {self._identity(key) for key in self.keys}
        new: list[KnownKey] = []
        for key in more:
            if (identity := self._identity(key)) not in seen and len(self.keys) + len(new) < MAXIMUM_KEYS:
                seen.add(identity)
                new.append(key)
        return KeyRing(self.keys + tuple(new)) if new else self

    @staticmethod
    def _identity(key: KnownKey) -> tuple[object, ...]:
        return key.kind, key.octets, key.pan_id, key.sequence_number, key.devices

    def __len__(self) -> int:
        return len(self.keys)

    def __or__(self, other: "KeyRing") -> "KeyRing":
        return self.plus(other.keys)

    @cached_property
    def network(self) -> tuple[KnownKey, ...]:
        return tuple(key for key in self.keys if key.kind == "network")

    @cached_property
    def link(self) -> tuple[KnownKey, ...]:
        return tuple(key for key in self.keys if key.kind == "link")

    @cached_property
    def _join_keys(self) -> tuple[KnownKey, ...]:
        return self.link + tuple(KnownKey("link", octets, source) for octets, source in WELL_KNOWN.items())

    @cached_property
    def transport(self) -> tuple[tuple[bytes, KnownKey], ...]:
        """Key-transport keys (ZigBee 05-3474 4.5.3) with the link key that each is derived from."""
        return tuple((key_transport_key(key.octets), key) for key in self._join_keys)

    @cached_property
    def load(self) -> tuple[tuple[bytes, KnownKey], ...]:
        """Key-load keys, likewise."""
        return tuple((key_load_key(key.octets), key) for key in self._join_keys)

    @cached_property
    def command(self) -> tuple[tuple[bytes, KnownKey], ...]:
        """Link keys for APS commands and their acknowledgements: here the well-known ones are tried too."""
        return tuple((key.octets, key) for key in self._join_keys)

    @cached_property
    def data(self) -> tuple[tuple[bytes, KnownKey], ...]:
        """Link keys for APS data."""
        return tuple((key.octets, key) for key in self.link)


class Span(msgspec.Struct):
    """Frames of one kind, from the first to the last."""

    frames: int
    first_frame: int
    last_frame: int
    first_ns: int = 0

    def add(self, other: "Span") -> None:
        self.frames += other.frames
        self.last_frame = max(self.last_frame, other.last_frame)
        self.first_frame, self.first_ns = min((self.first_frame, self.first_ns), (other.first_frame, other.first_ns))


class Use(msgspec.Struct):
    """What one key opened."""

    nwk_frames: int = 0
    aps_frames: int = 0
    first_frame: int | None = None
    sequences: dict[tuple[int, int], Span] = msgspec.field(default_factory=dict[tuple[int, int], Span])
    """NWK frames by PAN id and key sequence number (-1: the frames do not tell)."""
    pairs: set[tuple[int, int, int]] = msgspec.field(default_factory=set[tuple[int, int, int]])
    """Whose APS frames: PAN id and two short addresses, the lower first."""

    def add(self, other: "Use") -> None:
        self.nwk_frames += other.nwk_frames
        self.aps_frames += other.aps_frames
        firsts = [frame for frame in (self.first_frame, other.first_frame) if frame is not None]
        self.first_frame = min(firsts, default=None)
        for place, span in other.sequences.items():
            if place in self.sequences:
                self.sequences[place].add(span)
            elif len(self.sequences) < MAXIMUM_SCOPES:
                self.sequences[place] = replace(span)
        self.pairs |= set(islice(other.pairs, MAXIMUM_SCOPES - len(self.pairs)))


Uses = dict[KnownKey, Use]


def ledger(ring: KeyRing, uses: Uses, *, show_keys: bool) -> tuple[Key, ...]:
    """The key ledger: every given or learned key, and the well-known ones that opened something.

    A key that was given without its kind stands in the ring as both; the kind that opened nothing is left out if the
    other did.
    """
    entries = [*ring.keys, *(key for key in uses if key not in ring.keys)]
    used = {key.octets for key in uses}
    listed: set[tuple[object, ...]] = set()
    out: list[Key] = []
    for key in entries:
        use = uses.get(key)
        if use is None and key.octets in used:
            continue
        unused_twin = (
            (key.octets, key.source) if use is None else (key.octets, key.source, key.kind, key.pan_id, key.devices)
        )
        if unused_twin in listed:
            continue
        listed.add(unused_twin)
        use = use or Use()
        out.append(
            Key(
                kind=key.kind,
                fingerprint=key.fingerprint,
                key=key.octets.hex() if show_keys else None,
                source=key.source,
                pan_id=key.pan_id,
                sequence_number=key.sequence_number,
                devices=tuple(eui64_text(device) for device in sorted(key.devices)),
                nwk_frames=use.nwk_frames,
                aps_frames=use.aps_frames,
                first_frame=use.first_frame,
            )
        )
    return tuple(out)


def _key_octets(text: str, where: str) -> bytes:
    plain = re.sub(r"[\s:-]", "", text)
    if not re.fullmatch(r"[0-9a-fA-F]{32}", plain):
        raise KeyFileError(f"{where}: a key is 32 hexadecimal digits, this has {len(plain)} characters")
    return bytes.fromhex(plain)


def _install_code(text: str, where: str) -> bytes:
    """The link key that an install code stands for."""
    plain = re.sub(r"[\s:+-]", "", text)
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", plain):
        raise KeyFileError(f"{where}: an install code is written in hexadecimal digits, its CRC at the end")
    try:
        return install_codes.link_key(bytes.fromhex(plain))
    except install_codes.InstallCodeError as error:
        raise KeyFileError(f"{where}: {error}") from None


def _eui64(text: str, where: str) -> int:
    plain = re.sub(r"[\s:-]", "", text)
    if not re.fullmatch(r"[0-9a-fA-F]{16}", plain):
        raise KeyFileError(
            f"{where}: a device is named by its EUI-64, such as 00:0d:6f:00:0a:90:69:e0, not by {text!r}"
        )
    return int(plain, 16)


def _number(text: str, where: str) -> int:
    try:
        number = int(text, 16)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise KeyFileError(f"{where}: a PAN is four hexadecimal digits, not {text!r}")
    return number


def parse_key(text: str) -> tuple[KnownKey, ...]:
    """Keys from the command line.

    `HEX` (tried as network and as link key), `network:HEX`, `network:HEX@1A2B` (only PAN 0x1A2B), `link:HEX`,
    `link:HEX@00:0d:6f:00:0a:90:69:e0` or `…@EUI-64,EUI-64`, `install:CODE` (with its CRC) or `install:CODE@EUI-64`.
    Raises `KeyFileError`.
    """
    return _written_key(text, "--key", "command line")


def _written_key(text: str, where: str, source: str) -> tuple[KnownKey, ...]:
    kind, colon, rest = text.partition(":")
    if not colon or kind not in {"network", "link", "install"}:
        kind, rest = "", text
    digits, at, scope = rest.partition("@")
    if kind in {"link", "install"}:
        devices = frozenset(_eui64(one, where) for one in scope.split(",")) if at else frozenset[int]()
        if len(devices) > (2 if kind == "link" else 1):
            raise KeyFileError(f"{where}: an install code is of one device, a link key of two at most")
        if kind == "install":
            return (KnownKey("link", _install_code(digits, where), f"install code, {source}", devices=devices),)
        return (KnownKey("link", _key_octets(digits, where), source, devices=devices),)
    octets = _key_octets(digits, where)
    pan_id = _number(scope, where) if at else None
    network = KnownKey("network", octets, source, pan_id=pan_id)
    return (network,) if kind else (network, KnownKey("link", octets, source))


def load_key_file(path: str | Path) -> KeyRing:
    """Keys from a TOML file (its form: see the module), or from Wireshark's table, told by the content.

    Raises `KeyFileError`.
    """
    import tomllib  # noqa: PLC0415 -- not every key comes from a file

    path = Path(path)
    try:
        text = path.read_text("utf-8")
        if is_key_table(text):
            return KeyRing().plus(_from_table(parse_key_table(text), path))
        content = tomllib.loads(text)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from None
    except KeyTableError as error:
        raise KeyFileError(f"{path}: {error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KeyFileError(f"{path}: not a TOML file: {error}") from None
    if unknown := content.keys() - _ENTRIES.keys():
        *kinds, last = (f"[[{kind}]]" for kind in _ENTRIES)
        raise KeyFileError(f"{path}: unknown table {min(unknown)!r}; there are {', '.join(kinds)} and {last}")
    keys: list[KnownKey] = []
    for kind, read in _ENTRIES.items():
        entries = content.get(kind, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise KeyFileError(f"{path}: write [[{kind}]], with two brackets")
        keys.extend(
            read(entry, f"{path}: [[{kind}]] number {place}", f"key file {path.name}")
            for place, entry in enumerate(entries, 1)
        )
    return KeyRing().plus(keys)


def _from_table(entries: Iterable[TableEntry], path: Path) -> Iterator[KnownKey]:
    """A table does not tell what its keys are for, unless hanscope wrote it and the label says so."""
    for entry in entries:
        label = f', "{entry.label}"' if entry.label else ""
        source = f"Wireshark key table {path.name}{label}"
        kind, at, scope = entry.label.partition("@")
        text = entry.key.hex()
        if kind in {"network", "link"}:
            try:
                yield from _written_key(f"{kind}:{text}{at}{scope}", str(path), source)
                continue
            except KeyFileError:
                pass  # somebody else's label
        yield from _written_key(text, str(path), source)


def table_entries(opened: Iterable[KnownKey], ring: KeyRing) -> list[TableEntry]:
    """Each key once, those that opened something first; its label is its kind and scope as far as they are sure."""
    useful = dict.fromkeys(opened)
    by_octets: dict[bytes, list[KnownKey]] = {}
    for key in (*useful, *ring.keys):
        by_octets.setdefault(key.octets, []).append(key)
    entries: list[TableEntry] = []
    for octets, keys in by_octets.items():
        sure = [key for key in keys if key in useful] or keys
        labels, kinds = {key.notation for key in sure}, {key.kind for key in sure}
        label = labels.pop() if len(labels) == 1 else kinds.pop() if len(kinds) == 1 else ""
        entries.append(TableEntry(octets, label))
    return entries


def _check_names(entry: dict[str, Any], where: str, needed: str, digits: str, *others: str) -> str:
    """The entry that must be there; refuses names that are not known."""
    allowed = {needed, *others, "comment"}
    if unknown := entry.keys() - allowed:
        raise KeyFileError(f"{where}: unknown entry {min(unknown)!r}; known are {', '.join(sorted(allowed))}")
    if not isinstance(entry.get(needed), str):
        raise KeyFileError(f"{where}: the entry {needed!r} with {digits} is missing")
    return entry[needed]


def _network_entry(entry: dict[str, Any], where: str, source: str) -> KnownKey:
    text = _check_names(entry, where, "key", "32 hexadecimal digits", "pan_id", "sequence_number")
    made = KnownKey("network", _key_octets(text, where), source)
    for name, limit in (("pan_id", 0xFFFF), ("sequence_number", 0xFF)):
        if name in entry:
            number = entry[name]
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= limit:
                raise KeyFileError(f"{where}: {name!r} is a number from 0 to {limit:#x}")
            made = replace(made, **{name: number})
    return made


def _link_entry(entry: dict[str, Any], where: str, source: str) -> KnownKey:
    text = _check_names(entry, where, "key", "32 hexadecimal digits", "devices")
    devices: Sequence[str] = entry.get("devices", [])
    if not isinstance(devices, list) or len(devices) > 2:
        raise KeyFileError(f"{where}: 'devices' is a list of one or two EUI-64s")
    octets = _key_octets(text, where)
    return KnownKey("link", octets, source, devices=frozenset(_eui64(str(device), where) for device in devices))


def _install_code_entry(entry: dict[str, Any], where: str, source: str) -> KnownKey:
    text = _check_names(entry, where, "code", "the code and its CRC in hexadecimal digits", "device")
    devices = frozenset([_eui64(str(entry["device"]), where)]) if "device" in entry else frozenset[int]()
    return KnownKey("link", _install_code(text, where), f"install code, {source}", devices=devices)


_ENTRIES: Final[dict[str, Callable[[dict[str, Any], str, str], KnownKey]]] = {
    "network": _network_entry,
    "link": _link_entry,
    "install_code": _install_code_entry,
}
"""How each table of a key file is read."""
