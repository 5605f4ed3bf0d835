"""From a Scapy packet to a specimen: its octets, and where each of its fields lies, as the column engine records it."""

from scapy.packet import Packet

from hanscope.captures.simulator.render import FCS, Sealed, Specimen
from hanscope.dissectors.columns.layout import Layout, Slot
from hanscope.dissectors.columns.record import record
from hanscope.dissectors.crypto.ccm import MIC
from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.zigbee.aps import Aps
from hanscope.dissectors.zigbee.nwk import Nwk, NwkCommand
from hanscope.dissectors.zigbee.security import ApsSecurity, NwkSecurity

_STAGES = (Mac, Nwk, NwkCommand, Aps)


def specimen(packet: Packet) -> Specimen:
    """What is needed to make frames like `packet`: a `Mac` and all its layers, what security headers hide in plain."""
    octets = bytes(packet)
    secured = [packet.getlayer(header) for header in (NwkSecurity, ApsSecurity)]
    mics = bytes(MIC * sum(header is not None for header in secured))
    slots: dict[str, Slot] = {}
    stage: Packet | None = packet
    while stage is not None:
        stage = _record(stage, len(octets) - len(bytes(stage)), slots)
    return Specimen(
        octets + mics + bytes(FCS),
        slots,
        _sealed(packet.getlayer(Nwk), secured[0], octets, FCS),
        _sealed(packet.getlayer(Aps), secured[1], octets, FCS + (MIC if secured[0] is not None else 0)),
    )


def _sealed(layer: Packet | None, header: Packet | None, octets: bytes, tail: int) -> Sealed | None:
    if layer is None or header is None:
        return None
    end = len(octets)
    return Sealed(end - len(bytes(layer)), end - len(bytes(header)), end - len(bytes(header.payload)), tail)


def _record(stage: Packet, begin: int, slots: dict[str, Slot]) -> Packet | None:
    """Adds the slots of a stage, which begins at this octet of the frame; returns the next stage."""
    for name, slot in _layout(stage).slots.items():
        if not name.startswith("SecuredPayload."):
            slots[name] = _fixed(slot, begin, len(bytes(stage)))
    header = stage.payload
    if isinstance(header, ApsSecurity):
        # What the header hides is recorded as if the header were not there.
        opened = stage.copy()
        opened.remove_payload()
        opened.add_payload(header.payload.copy())
        hidden = begin + len(bytes(stage)) - len(bytes(opened))
        for name, slot in _layout(opened).slots.items():
            if not name.startswith("Aps."):
                slots[name] = _fixed(slot, hidden, len(bytes(opened)))
    inner = stage.payload
    while inner and not isinstance(inner, _STAGES):
        inner = inner.payload
    return inner if isinstance(inner, _STAGES) else None


def _layout(stage: Packet) -> Layout:
    layout = record(type(stage), _STAGES, bytes(stage) + bytes(MIC if _is_secured(stage) else 0))
    if layout is None or layout.malformed:
        raise ValueError(f"{stage.summary()} cannot be dissected as it was built")
    return layout


def _is_secured(stage: Packet) -> bool:
    return isinstance(stage.payload, NwkSecurity | ApsSecurity)


def _fixed(slot: Slot, begin: int, length: int) -> Slot:
    """The slot counted from the start of the frame, of this frame's length."""
    if slot.kind == "rest":
        return Slot("octets", begin + slot.start, length - slot.start - slot.size)
    return Slot(slot.kind, begin + slot.start, slot.size, slot.shift, slot.bits, slot.little)
