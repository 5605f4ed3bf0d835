"""What kind of device updates itself, what tells so, and which flow it follows.

Messages decide (GBCS use cases are for certain devices); then the tunnel, which a gas meter opens itself; then, weakly,
the image type, which in the published samples is the COSEM device type (that this is a rule is not confirmed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from hanscope.analyzers.results import Tunnel, UpdateFlow
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.readings import Kind
from hanscope.analyzers.updates.signs import SMART_ENERGY
from hanscope.dissectors.codes import TunnelProtocol

RoleName = Literal["ESME", "GSME", "HCALCS", "PPMID", "IHD", "CAD", "unknown"]
_FLOWS: Final[dict[RoleName, UpdateFlow]] = {
    "ESME": "ESME/GSME",
    "GSME": "ESME/GSME",
    "HCALCS": "HCALCS",
    "PPMID": "PPMID",
}
_TYPES: Final[dict[int, RoleName]] = {0: "ESME", 1: "GSME", 13: "HCALCS", 128: "IHD", 130: "CAD", 132: "PPMID"}
"""COSEM device types."""
_SHOWS: Final[dict[int, frozenset[RoleName]]] = {
    0x00CE: frozenset({"ESME"}),
    0x00CF: frozenset({"GSME", "HCALCS"}),
    0x012B: frozenset({"PPMID"}),
    0x0012: frozenset({"ESME", "GSME", "HCALCS"}),
    0x0129: frozenset({"PPMID", "HCALCS"}),
    0x0059: frozenset({"ESME"}),
    0x0084: frozenset({"GSME"}),
}
"""Devices in a HAN that messages about firmware go to or come from; Communications Hubs, which ECS52 reads as well, and
gas proxies, which answer GCS38, are no clients of an update. Which receipt alert an HCALCS sends is not confirmed.
"""


class Role(NamedTuple):
    """A kind of device, and what tells so."""

    name: RoleName
    evidence: str
    flow: UpdateFlow
    outside: str | None = None


def role_of(story: Story, tunnels: Sequence[Tunnel]) -> Role:
    """The role of a story's device."""
    shown = _by_messages(story)
    if shown is not None and len(shown[0]) == 1:
        name = next(iter(shown[0]))
        return Role(name, shown[1], _FLOWS[name])
    if _opens_tunnel(story, tunnels):
        return Role("GSME", "it opened a tunnel to the Communications Hub, as only gas meters do", "ESME/GSME")
    by_type = _by_type(story)
    if shown is not None and (by_type is None or by_type[0] not in shown[0]):
        flow: UpdateFlow = "ESME/GSME" if "ESME" in shown[0] else "HCALCS"
        return Role("unknown", f"{shown[1]}, which several kinds of device take", flow)
    if by_type is not None:
        name, evidence = by_type
        return Role(name, evidence, _FLOWS.get(name, "ZigBee"), _OUTSIDE.get(name))
    layout = story.image.layout if story.image else "opaque"
    if layout == "gbcs-signed":
        return Role("unknown", "its image ends with an authorising signature, as those of meters do", "ESME/GSME")
    return Role("unknown", "nothing tells what kind of device it is", "ZigBee")


def _by_messages(story: Story) -> tuple[frozenset[RoleName], str] | None:
    """The kinds of device that take all of its messages."""
    candidates: frozenset[RoleName] | None = None
    told: list[str] = []
    for reading in story.readings:
        shows = _SHOWS.get(reading.message.message_code or 0)
        if shows is None:
            continue
        gas = frozenset[RoleName]({"GSME"})
        # A gas meter's tunnel has a header of its own before each message, nobody else's has.
        shows = shows & gas if reading.way.gas_command is not None else shows - gas or shows
        if not shows or (candidates is not None and not candidates & shows):
            continue
        if candidates is None or len(candidates & shows) < len(candidates):
            alert = reading.kind is Kind.RECEIPT  # whose name in the table of codes names a kind of meter
            told.append(f"{'a receipt alert' if alert else reading.message.use_case} ({reading.id})")
        candidates = shows if candidates is None else candidates & shows
    return None if candidates is None else (candidates, f"it takes part in {' and '.join(told)}")


def _opens_tunnel(story: Story, tunnels: Sequence[Tunnel]) -> bool:
    return any(
        tunnel.protocol_id == TunnelProtocol.GB_HRGP
        and tunnel.pan_id == story.pan_id
        and (tunnel.client.eui64 or tunnel.client.short) == (story.device.eui64 or story.device.short)
        for tunnel in tunnels
    )


def _by_type(story: Story) -> tuple[RoleName, str] | None:
    if story.identity is None or story.profile != SMART_ENERGY:
        return None
    name = _TYPES.get(story.identity.image_type)
    if name is None:
        return None
    kind = f"image type 0x{story.identity.image_type:04x} is the device type {name}"
    return name, f"{kind} (that image types are device types is not confirmed)"


_OUTSIDE: Final[dict[RoleName, str]] = {
    "IHD": "the firmware of an in-home display is updated outside of the mandated flows",
    "CAD": "the firmware of a consumer access device is updated outside of the mandated flows",
}
