"""tshark's view of a frame as a tree, and ours beside it: places as well as names and values."""

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from oracles import DATE, ZIGBEE_EPOCH
from scapy.packet import Packet

from hanscope.dissectors.fields import LayersToEnd, ListOf, Record, RecordsToEnd
from hanscope.dissectors.layer import Trace, tracing
from hanscope.dissectors.zigbee import Aps

NETWORK = bytes.fromhex("618801341201000200" + "0800010002001e07")
"""MAC and NWK header, so that tshark reads on."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A field that tshark shows: octets [start, stop) of the APS frame, its name and its text."""

    start: int
    stop: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownFrame:
    fields: tuple[Shown, ...]
    malformed: bool


def trees(frames: list[bytes]) -> list[ShownFrame]:
    """Has tshark read APS frames in the clear; skips the test where there is no tshark."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    whole = [NETWORK + frame for frame in frames]
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 230)
    records = (struct.pack("<IIII", n, 0, len(f), len(f)) + f for n, f in enumerate(whole))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frames.pcap"
        file.write_bytes(header + b"".join(records))
        words = ["-n", "-r", str(file), "--disable-protocol", "lwm", "-d", "wpan.panid==0x1234,zbee_nwk", "-T", "pdml"]
        done = subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=120)
    packets = ET.fromstring(done.stdout).findall("packet")  # noqa: S314 -- tshark's own output
    assert len(packets) == len(frames)
    return [_shown(packet) for packet in packets]


def _shown(packet: ET.Element) -> ShownFrame:
    fields: list[Shown] = []
    for element in packet.iter("field"):
        start, size = int(element.get("pos", "0")) - len(NETWORK), int(element.get("size", "0"))
        fields.append(Shown(start, start + size, element.get("name", ""), element.get("show", "")))
    malformed = any("malformed" in str(element.get("name")) for element in packet.iter())
    return ShownFrame(tuple(fields), malformed)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field of ours: octets [start, stop) of the APS frame; lists are taken apart into their elements."""

    name: str
    start: int
    stop: int
    value: Any
    """`None`: only the place is to be compared."""
    is_bits: bool = False


def leaves(frame: bytes, command: type[Packet]) -> Iterator[Leaf]:
    """The fields of a command and of what is inside it."""
    trace = Trace(len(frame))
    with tracing(trace):
        Aps(frame)
    inside = False
    for layer in trace.layers:
        inside = inside or type(layer.layer) is command
        if inside:
            spans = {name: (span.start, span.stop, span.field) for name, span in layer.spans.items()}
            yield from _leaves(layer.layer, 0, spans)


def _leaves(layer: Packet, start: int, spans: dict[str, tuple[int, int, Any]]) -> Iterator[Leaf]:
    for name, (at, stop, fld) in spans.items():
        value = layer.fields[name]
        if isinstance(fld, ListOf) and isinstance(fld.field, Record):
            yield from _elements(value, start + at)
        elif isinstance(fld, ListOf):
            for place, element in enumerate(value):
                first = start + at + fld.field.sz * place
                yield Leaf(name, first, first + fld.field.sz, element)
        elif isinstance(fld, LayersToEnd):
            yield from _elements(getattr(layer, name), start + at)
        elif isinstance(fld, RecordsToEnd):
            count = len(getattr(layer, name))
            for place in range(count):
                size = (stop - at) // count
                yield Leaf(name, start + at + size * place, start + at + size * (place + 1), None)
        elif f"{name}_length" in layer.fields:
            yield Leaf(name, start + at - 1, start + stop, value)  # tshark's strings have their length octet
        elif not (name.endswith("_length") and name.removesuffix("_length") in layer.fields):
            yield Leaf(name, start + at, start + stop, value, hasattr(fld, "size"))


def _elements(layers: list[Packet], at: int) -> Iterator[Leaf]:
    for element in layers:
        octets = bytes(element)
        trace = Trace(len(octets))
        with tracing(trace):
            type(element)(octets)
        spans = {name: (span.start, span.stop, span.field) for name, span in trace.layers[0].spans.items()}
        yield from _leaves(element, at, spans)
        at += len(octets)


UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COMMON: frozenset[str] = frozenset({"of", "number", "type", "id", "time"})
"""Words that say nothing of which field is meant."""


def _words(name: str) -> set[str]:
    return {word.removesuffix("s") for word in re.split("[._]", name.lower())} - COMMON


def _agrees(name: str, value: Any, text: str) -> bool:
    """Whether tshark's text is our value."""
    if isinstance(value, bytes):
        return text in (value.decode("latin-1"), value.hex(":"), bytes([len(value)]).hex() + ":" + value.hex(":"))
    if re.fullmatch(r"-?\d+", text):
        return int(text) == (value + 1900 if name == "year" else value)
    if text.startswith("0x"):
        return int(text, 16) == value
    if re.fullmatch(r"([0-9a-f]{2}:){7}[0-9a-f]{2}", text):
        return value in (int(text.replace(":", ""), 16), text)
    if text.endswith(" UTC"):
        moment = datetime.strptime(re.sub(r"\.-?\d+ UTC$", "+0000", text), "%b %d, %Y %H:%M:%S%z")
    elif DATE.fullmatch(text):
        moment = datetime.fromisoformat(text)
    else:
        return text in ("True", "False") and (text == "True") == value
    return moment - timedelta(seconds=value) in (ZIGBEE_EPOCH, UNIX_EPOCH)  # some tshark counts from 1970


def disagreement(leaf: Leaf, frame: bytes, shown: ShownFrame, other_names: Mapping[str, tuple[str, ...]]) -> str | None:
    """Why tshark has no such field there, or `None` if it has.

    The names have to share a word that says something, or to be a pair of `other_names` (without the protocol).
    """
    if leaf.is_bits:
        here = [one for one in shown.fields if one.start <= leaf.start < leaf.stop <= one.stop <= one.start + 2]
    else:
        here = [one for one in shown.fields if (one.start, one.stop) == (leaf.start, leaf.stop)]
    if here and leaf.is_bits and "reserved" in leaf.name:
        return None
    for one in here:
        own = one.name.partition(".")[2]
        words = _words(own.partition(".")[2] if one.name.startswith("zbee_zcl") else own)
        # Where tshark leaves octets of bits whole, they are what it has.
        ours = [leaf.value, int.from_bytes(frame[one.start : one.stop], "little")] if leaf.is_bits else [leaf.value]
        named_alike = own in other_names.get(leaf.name, ()) or _words(leaf.name) & words
        if named_alike and (leaf.value is None or any(_agrees(leaf.name, value, one.text) for value in ours)):
            return None
    return f"{leaf.name} [{leaf.start}, {leaf.stop}) {leaf.value!r}: {[(one.name, one.text) for one in here]}"
