"""Layouts as plain data, and how they are kept between runs."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

MAXIMUM_GUARDED: Final = 192
"""Guards further into a frame than this make a frame's kind unrecordable; no HAN header comes near."""


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """Where a field lies in every frame of a layout."""

    kind: Literal["uint", "octets", "rest", "opaque"]
    """`rest`: from `start` to the frame's end less `size` octets. `opaque`: only Scapy knows what is inside."""
    start: int
    """Octets from the start of the stage's input; negative: from its end."""
    size: int = 0
    shift: int = 0
    bits: int = 0
    """A field narrower than its octet: `bits` bits, `shift` above the least significant; 0: whole octets."""
    little: bool = True


class Layout(msgspec.Struct, frozen=True):
    """One kind of frame: what all frames of the kind have in common."""

    mask: bytes
    value: bytes
    """A frame is of this kind if its first `len(mask)` octets, masked, equal `value` …"""
    least: int
    exact: bool
    """… and it has `least` octets (`exact`), or at least so many."""
    layers: tuple[str, ...]
    """Class names, outermost first."""
    slots: dict[str, Slot]
    """By "Layer.field"; a layer that occurs twice is named by its first occurrence."""
    next_stage: str | None
    payload_at: int
    """Where the next stage begins, or where the last layer ends."""
    malformed: str | None
    """The layer at which the dissection had to stop because frames of this kind are too short for it."""

    def has(self, layer: str) -> bool:
        return layer in self.layers


Layouts = dict[str, list[Layout]]
"""Known layouts by stage."""


def dump(layouts: dict[str, Iterable[Layout]], fingerprint: str) -> bytes:
    """Layouts as octets; `fingerprint` says which layers they were recorded from."""
    return msgspec.msgpack.encode({"fingerprint": fingerprint, "stages": {k: list(v) for k, v in layouts.items()}})


class _Stored(msgspec.Struct):
    fingerprint: str
    stages: Layouts


def load(octets: bytes, fingerprint: str) -> Layouts:
    """The layouts, or none if they are damaged or were recorded from other layers."""
    try:
        stored = msgspec.msgpack.decode(octets, type=_Stored)
    except msgspec.MsgspecError:
        return {}
    return stored.stages if stored.fingerprint == fingerprint else {}
