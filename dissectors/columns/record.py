"""Recording a layout: one specimen goes through Scapy, and what its dissection read and found becomes plain data.

This module imports Scapy; nothing else in `columns` does.
"""

from functools import cache
from typing import Any

from scapy.fields import Field
from scapy.packet import Packet

from hanscope.dissectors.columns.layout import MAXIMUM_GUARDED, Layout, Slot
from hanscope.dissectors.layer import LayerTrace, Malformed, MalformedError, Span, ToEnd, Trace, layers_of, tracing


def record(entry: type[Packet], stages: tuple[type[Packet], ...], octets: bytes) -> Layout | None:
    """The layout of the frames that are like `octets`, or `None` where they cannot have one.

    `entry` is the stage's first layer; dissection stops where a class of `stages` would begin.
    """
    trace = Trace(len(octets), stages)
    failed: str | None = None
    with tracing(trace):
        try:
            packet = entry(octets)
        except MalformedError as error:
            packet, failed = None, error.layer
    if packet is not None:
        last = list(layers_of(packet))[-1]
        if isinstance(last, Malformed):
            failed = last.getfieldval("layer").decode()
    if trace.next_stage is not None:
        trace.layers.pop()  # what stands there in place of the next stage
    mask = bytearray(len(octets))
    slots: dict[str, Slot] = {}
    for layer in trace.layers:
        for name in layer.reads:
            if (span := layer.spans.get(name)) is not None and not _guard(mask, span):
                return None
        if not layer.failed:
            _slots(layer, octets, slots)
    guarded = len(mask.rstrip(b"\0"))
    if guarded > MAXIMUM_GUARDED:
        return None
    mask = mask[:guarded]
    whole = [layer for layer in trace.layers if not layer.failed]
    return Layout(
        mask=bytes(mask),
        value=bytes(a & b for a, b in zip(octets, mask, strict=False)),
        least=len(octets) if trace.exact else trace.least,
        exact=trace.exact,
        layers=tuple(type(layer.layer).__name__ for layer in whole),
        slots=slots,
        next_stage=trace.next_stage.__name__ if trace.next_stage else None,
        payload_at=max((span.stop for layer in whole for span in layer.spans.values()), default=0),
        malformed=failed,
    )


def _guard(mask: bytearray, span: Span) -> bool:
    """Marks the bits of a field that decided something; a field without a fixed extent can not be marked."""
    if isinstance(span.field, ToEnd) or span.field.islist:
        return False
    if span.bits is None:
        mask[span.start : span.stop] = b"\xff" * (span.stop - span.start)
    else:
        shift, width = span.bits
        mask[span.start] |= ((1 << width) - 1) << shift
    return True


def _slots(layer: LayerTrace, octets: bytes, slots: dict[str, Slot]) -> None:
    """Adds where the layer's fields lie, each checked against what Scapy read there."""
    behind_rest = False
    for name, span in layer.spans.items():
        start = span.start - len(octets) if behind_rest else span.start
        slot = _slot(span, start, layer.layer.fields[name], octets)
        if isinstance(span.field, ToEnd):
            behind_rest = True
        slots.setdefault(f"{type(layer.layer).__name__}.{name}", slot)


def _slot(span: Span, start: int, value: Any, octets: bytes) -> Slot:
    size = span.stop - span.start
    raw = octets[span.start : span.stop]
    if isinstance(span.field, ToEnd):
        return Slot("rest", start, span.field.keep)
    if span.bits is not None:
        shift, bits = span.bits
        if (raw[0] >> shift) & ((1 << bits) - 1) == value:
            return Slot("uint", start, 1, shift, bits)
    elif isinstance(value, bytes):
        if raw == value:
            return Slot("octets", start, size)
    elif isinstance(value, int) and not span.field.islist and 0 < size <= 8 and not _is_signed(span.field, size):
        little = _is_little(span.field, size)
        if int.from_bytes(raw, "little" if little else "big") == value:
            return Slot("uint", start, size, little=little)
    return Slot("opaque", start, size)


@cache
def _is_little(fld: Field[Any, Any], size: int) -> bool:
    """The octet order of a field, found by having it read 01 02 03 …"""
    if size == 1:
        return True
    probe = bytes(range(1, size + 1))
    _, value = fld.getfield(Packet(), probe)
    return value == int.from_bytes(probe, "little")


@cache
def _is_signed(fld: Field[Any, Any], size: int) -> bool:
    """Whether a field can be negative, which columns of unsigned numbers cannot say: only Scapy reads it."""
    _, value = fld.getfield(Packet(), b"\xff" * size)
    return value < 0
