"""What became of keys over time: carried, asked for, switched to, verified, confirmed, in use.

The commands are those of ZigBee 05-3474 4.4.10; a Verify-Key carries a hash of the link key that its sender holds
(4.4.11.7), which is compared with all keys that are known in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.addresses import AddressHistory
from hanscope.analyzers.context import Context
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing, Uses, fingerprint
from hanscope.analyzers.results import KeyEvent, Party
from hanscope.dissectors.columns.rows import Index
from hanscope.dissectors.columns.stage import Group
from hanscope.dissectors.crypto.mmo import verify_key_hash
from hanscope.dissectors.eui64 import eui64_text

COMMANDS: Final = 1000
"""Commands of one layout and batch that are looked at."""
EVENTS: Final = 65_536
"""Commands of one capture that are kept."""
AGAIN_NS: Final = 10 * 10**9
"""The same command with the same counter is taken for a repetition within this time (MAC, NWK and APS retries)."""

What = Literal["Transport-Key", "Request-Key", "Switch-Key", "Verify-Key", "Confirm-Key"]

LAYERS: Final[dict[str, What]] = {
    "TransportKey": "Transport-Key",
    "RequestKey": "Request-Key",
    "SwitchKey": "Switch-Key",
    "VerifyKey": "Verify-Key",
    "ConfirmKey": "Confirm-Key",
}
_DEVICE: Final = {
    "TransportKey": "destination_eui64",
    "VerifyKey": "source_eui64",
    "ConfirmKey": "destination_eui64",
}
"""The field that names the device which a command is about."""
KEY_TYPES: Final = {
    0: "trust center master",
    1: "standard network",
    2: "application master",
    3: "application link",
    4: "trust center link",
    5: "high-security network",
}
REQUESTED: Final = {2: "application link", 4: "trust center link"}
"""What a Request-Key may ask for; its types are others (4.4.10.4)."""
_NOBODY: Final = frozenset({0, 0xFFFFFFFFFFFFFFFF})
"""EUI-64s that stand for all devices, or for a trust centre that a distributed network does not have."""


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """One command about a key as it was heard; -1 and empty: the command does not tell."""

    what: What
    pan_id: int
    sender: int
    receiver: int
    counter: int
    """Of the APS frame."""
    secured: bool
    key_type: int
    sequence_number: int
    device: int
    partner: int
    status: int
    octets: bytes = field(repr=False)
    """The key of a Transport-Key, the hash of a Verify-Key."""
    number: int = field(compare=False)
    time_ns: int = field(compare=False)


def key_commands(group: Group, row: Index, context: Context, *, secured: bool) -> Iterator[KeyCommand]:
    """The commands about keys among APS frames of one layout; `row`: of the context, for each frame."""
    layer = next((one for one in group.layout.layers if one in LAYERS), None)
    if layer is None or group.layout.malformed:
        return
    slots = group.layout.slots
    count = min(len(group), COMMANDS)

    def column(name: str, absent: int = -1) -> NDArray[np.generic] | list[int]:
        return group.uint(f"{layer}.{name}")[:count] if f"{layer}.{name}" in slots else [absent] * count

    carried = next((name for name in (f"{layer}.key", f"{layer}.hash") if name in slots), None)
    octets = group.octets(carried)[:count] if carried else None
    device = column(_DEVICE.get(layer, ""), 0)
    columns = zip(
        group.uint("Aps.counter")[:count],
        column("key_type"),
        column("key_sequence_number"),
        device,
        column("partner_eui64", 0),
        column("status"),
        strict=True,
    )
    for at, (counter, key_type, sequence, named, partner, status) in enumerate(columns):
        here = int(row[at])
        yield KeyCommand(
            LAYERS[layer],
            int(context.pan_id[here]),
            int(context.nwk_source[here]),
            int(context.nwk_destination[here]),
            int(counter),
            secured,
            int(key_type),
            int(sequence),
            int(named),
            int(partner),
            int(status),
            octets[at].tobytes() if octets is not None else b"",
            int(context.number[here]),
            int(context.time_ns[here]),
        )


class _Heard(msgspec.Struct):
    command: KeyCommand
    last: KeyCommand
    frames: int = 1


class KeyStory:
    """Commands of one capture, in any order, repetitions together."""

    def __init__(self) -> None:
        self._commands: list[KeyCommand] = []

    def add(self, commands: Sequence[KeyCommand]) -> None:
        self._commands.extend(commands[: EVENTS - len(self._commands)])

    def _heard(self) -> list[_Heard]:
        latest: dict[KeyCommand, _Heard] = {}
        heard: list[_Heard] = []
        for one in sorted(self._commands, key=lambda one: one.number):
            known = latest.get(one)
            if known is not None and one.time_ns - known.last.time_ns <= AGAIN_NS:
                known.last = one
                known.frames += 1
            else:
                latest[one] = _Heard(one, one)
                heard.append(latest[one])
        return heard

    def results(self, ring: KeyRing, uses: Uses, history: AddressHistory) -> tuple[KeyEvent, ...]:
        """The events in order of their first frames. `ring`: every key that is known in the end."""
        events = [*_Telling(ring, history).commands(self._heard()), *_in_use(uses)]
        return tuple(sorted(events, key=lambda event: event.frame))


class _Telling:
    """Puts commands into results."""

    def __init__(self, ring: KeyRing, history: AddressHistory) -> None:
        self._ring = ring
        self._history = history
        self._hashes: dict[bytes, bytes] | None = None
        self._proven: dict[tuple[int, int], str] = {}
        """By PAN and EUI-64: fingerprint of the key that the device has proven to hold."""

    def commands(self, heard: Iterable[_Heard]) -> Iterator[KeyEvent]:
        for one in heard:
            command = one.command
            types = REQUESTED if command.what == "Request-Key" else KEY_TYPES
            key_type = types.get(command.key_type, f"type {command.key_type}") if command.key_type >= 0 else None
            named, outcome = self._named(command)
            receiver = self._party(command, command.receiver)
            device = None if command.device in _NOBODY else eui64_text(command.device)
            yield KeyEvent(
                frame=command.number,
                last_frame=one.last.number,
                frames=one.frames,
                time=command.time_ns,
                pan_id=command.pan_id,
                what=command.what,
                sender=self._party(command, command.sender),
                receiver=receiver,
                device=device,
                partner=None if command.partner in _NOBODY else eui64_text(command.partner),
                key_type=key_type,
                key_sequence_number=command.sequence_number if command.sequence_number >= 0 else None,
                fingerprint=named,
                status=command.status if command.status >= 0 else None,
                outcome=outcome,
                aps_secured=command.secured,
                text=_text(command, key_type, outcome),
            )

    def _party(self, command: KeyCommand, short: int) -> Party:
        known = self._history.eui64(command.pan_id, short, command.number)
        return Party(short=short, eui64=None if known is None else eui64_text(known))

    def _named(self, command: KeyCommand) -> tuple[str | None, Literal["valid", "unknown"] | None]:
        """Fingerprint of the key that a command is about, and what became of a verification."""
        place = command.pan_id, command.device
        match command.what:
            case "Transport-Key":
                return fingerprint(command.octets) if command.octets else None, None
            case "Verify-Key":
                key = self._key_of(command.octets)
                if key is None:
                    self._proven.pop(place, None)
                    return None, "unknown"
                self._proven[place] = fingerprint(key)
                return self._proven[place], "valid"
            case "Confirm-Key":
                return self._proven.get(place), None
            case "Switch-Key":
                switched = {
                    key.octets
                    for key in self._ring.network
                    if key.sequence_number == command.sequence_number and key.pan_id in {None, command.pan_id}
                }
                return fingerprint(switched.pop()) if len(switched) == 1 else None, None
            case _:
                return None, None

    def _key_of(self, hashed: bytes) -> bytes | None:
        """The link key with a Verify-Key hash."""
        if self._hashes is None:
            known = dict.fromkeys([*(key.octets for key in self._ring.link), *WELL_KNOWN])
            self._hashes = {verify_key_hash(octets): octets for octets in known}
        return self._hashes.get(hashed)


def _text(command: KeyCommand, key_type: str | None, outcome: str | None) -> str:
    kind = f"{key_type} key" if key_type else "key"
    match command.what:
        case "Transport-Key":
            sequence = f", sequence number {command.sequence_number}" if command.sequence_number >= 0 else ""
            return f"{kind} carried{sequence}"
        case "Request-Key":
            return f"{kind} asked for"
        case "Switch-Key":
            return f"the network goes on with key sequence number {command.sequence_number}"
        case "Verify-Key":
            if outcome == "valid":
                return f"the device proves that it holds the {kind}"
            return "the device shows a hash that no known link key gives"
        case "Confirm-Key":
            return f"{kind} confirmed" if command.status == 0 else f"{kind} refused: status 0x{command.status:02x}"


def _in_use(uses: Uses) -> Iterator[KeyEvent]:
    """Which network keys, under which sequence numbers, secured NWK frames."""
    for key, use in uses.items():
        for (pan_id, sequence), span in use.sequences.items():
            number = f" under sequence number {sequence}" if sequence >= 0 else ""
            yield KeyEvent(
                frame=span.first_frame,
                last_frame=span.last_frame,
                frames=span.frames,
                time=span.first_ns,
                pan_id=pan_id,
                what="in use",
                sender=None,
                receiver=None,
                device=None,
                partner=None,
                key_type="network",
                key_sequence_number=sequence if sequence >= 0 else None,
                fingerprint=key.fingerprint,
                status=None,
                outcome=None,
                aps_secured=None,
                text=f"network key in use{number}",
            )
