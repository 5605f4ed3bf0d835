"""Layers read without packets: the same as Scapy's dissection of the same layers, field by field."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from scapy.packet import NoPayload

from hanscope.dissectors import zigbee
from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import ListOf, Record, RecordsToEnd
from hanscope.dissectors.gbcs.envelope import GroupingHeader, MacHeader, parse
from hanscope.dissectors.gbcs.walk import Walked, read, shape_of, walk
from hanscope.dissectors.layer import Layer, MalformedError, Trace, tracing
from hanscope.dissectors.zigbee.zcl import GENERAL_COMMANDS, cluster_commands

Field = tuple[str, int, int, Any]
"""Name, where it begins and ends, value."""


class Below(NamedTuple):
    """An APS header, as far as ZCL looks at it."""

    cluster: int
    underlayer: None = None


def by_scapy(cls: type[Layer], octets: bytes, underlayer: Any) -> tuple[list[tuple[str, int, list[Field]]], str | None]:
    """Class, place and fields of each layer, and what is malformed: as Scapy dissects."""
    trace = Trace(len(octets))
    problem: str | None = None
    try:
        with tracing(trace):
            packet: Any = cls(octets, _underlayer=underlayer)
        while not isinstance(packet.payload, NoPayload):
            packet = packet.payload
        if type(packet).__name__ == "Malformed":
            problem = str(MalformedError(packet.layer.decode(), packet.field.decode()))
    except MalformedError as error:
        problem = str(error)
    layers = []
    for traced in trace.layers:
        fields: list[Field] = []
        for span in traced.spans.values():
            value = traced.layer.fields[span.field.name]
            if isinstance(span.field, ListOf) and isinstance(span.field.field, Record):
                value = [element.fields for element in value]
            fields.append((span.field.name, span.start, span.stop, value))
        layers.append((type(traced.layer).__name__, traced.start, fields))
    return layers, problem


def by_walk(layers: list[Walked], problem: MalformedError | None) -> Any:
    """The same as `by_scapy` gives, of what was read."""
    found = []
    for layer in layers:
        fields: list[Field] = []
        for step, start, stop, value in layer.parts:
            if step.bits:
                fields += [(fld.name, start, stop, value >> shift & mask) for fld, shift, mask in step.bits]
            elif isinstance(step.field, ListOf) and isinstance(step.field.field, Record):
                fields.append((step.name, start, stop, [element.view.fields for element in value]))
            else:
                fields.append((step.name, start, stop, value))
        found.append((layer.layer.__name__, layer.start, fields))
    return found, None if problem is None else str(problem)


def assert_same(cls: type[Layer], octets: bytes, underlayer: Any = None) -> None:
    assert by_walk(*walk(cls, octets, underlayer)) == by_scapy(cls, octets, underlayer), octets.hex()


def changed(octets: bytes, dice: random.Random) -> bytes:
    """Octets with one other value, or cut short."""
    if len(octets) > 1 and dice.random() < 0.3:
        return octets[: dice.randrange(1, len(octets))]
    at = dice.randrange(len(octets))
    return octets[:at] + bytes([dice.randrange(256)]) + octets[at + 1 :]


def frames(messages: dict[str, bytes]) -> Iterator[tuple[int, bytes]]:
    """Cluster and ZCL frame of every component that is not encrypted."""
    for octets in messages.values():
        envelope = parse(octets)
        payload = envelope.payload.of(octets)
        if payload[:2] != b"\x01\x09" or envelope.cra_flag == 3:
            continue
        at = 3
        while at < len(payload):
            control, size = payload[at], int.from_bytes(payload[at + 3 : at + 5], "big")
            start = at + 5 + (4 if control & 0x10 else 0)
            if not control & 0x02:
                yield int.from_bytes(payload[at + 1 : at + 3], "big"), payload[start : at + 5 + size]
            at += 5 + size


def test_zcl_frames_of_the_reference_messages(messages: dict[str, bytes]) -> None:
    dice = random.Random(3)
    count = 0
    for cluster, octets in frames(messages):
        below = Below(cluster)
        assert_same(zigbee.Zcl, octets, below)
        for _ in range(8):
            assert_same(zigbee.Zcl, changed(octets, dice), below)
        count += 1
    assert count > 300


def test_every_command_with_octets_by_chance() -> None:
    dice = random.Random(4)
    commands = [(cluster, command, sent, 1) for cluster, command, sent, _ in cluster_commands()]
    commands += [(Cluster.METERING, command, False, 0) for command in GENERAL_COMMANDS]
    for cluster, command, from_server, frame_type in commands:
        header = bytes([from_server << 3 | frame_type, 7, command])
        for size in (0, 1, 2, 5, 12, 40, 90):
            small = bytes(dice.choice((0, 1, 2, dice.randrange(256))) for _ in range(size))
            assert_same(zigbee.Zcl, header + small, Below(cluster))


def test_envelopes_of_the_reference_messages(messages: dict[str, bytes]) -> None:
    """Header by header, since the envelope's layers are read one by one."""
    dice = random.Random(5)
    for octets in list(messages.values())[::4]:
        inner = octets.index(b"\xdf\x09")
        headers = [(MacHeader, octets)] if inner else []
        for cls, whole in (*headers, (GroupingHeader, octets[inner:])):
            for one in (whole, *(changed(whole[:120], dice) for _ in range(6))):
                header = read(cls, one, 0, len(one))
                (layer, *_), problem = by_scapy(cls, one, None)
                read_layer, read_problem = by_walk([header], header.problem)
                assert read_layer == [layer]
                assert read_problem == (problem if problem and problem.startswith(f"{cls.__name__}:") else None)


def test_a_view_shows_what_a_packet_would() -> None:
    octets = bytes.fromhex("18 2a 0b 0600")
    header = read(zigbee.Zcl, octets, 0, len(octets), Below(Cluster.METERING)).view
    packet = zigbee.Zcl(octets)
    names = [fld.name for fld in shape_of(zigbee.Zcl).fields.values()]
    assert [getattr(header, name) for name in names] == [getattr(packet, name) for name in names]
    assert header.payload_class() is packet.payload_class()
    with pytest.raises(AttributeError):
        _ = header.no_such_field


def test_records_up_to_the_end_stay_octets() -> None:
    layers, _ = walk(zigbee.Zcl, bytes.fromhex("08 01 00 0206 0306"))
    (records,) = layers[1].parts
    assert isinstance(records.step.field, RecordsToEnd)
    assert records.value == bytes.fromhex("02060306")
    assert layers[1].view.attribute_ids == [0x0602, 0x0603]
