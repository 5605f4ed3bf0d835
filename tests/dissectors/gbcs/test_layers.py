"""Scapy layers as nodes."""

from hanscope.dissectors.gbcs.layers import LayerNodes, field_time_text, time_text, trace_of
from hanscope.dissectors.gbcs.node import Node, problems, walk
from hanscope.dissectors.zigbee.zcl import DiscoverAttributesResponse, ReadAttributesResponse, Zcl


def nodes_of(octets: bytes, base: int = 100) -> list[tuple[Node, ...]]:
    trace, _ = trace_of(Zcl, octets)
    stops = [*(layer.start for layer in trace.layers[1:]), len(octets)]
    nodes = LayerNodes(octets, base)
    return [nodes.of_fields(layer, stop) for layer, stop in zip(trace.layers, stops, strict=True)]


def test_times_count_from_the_year_2000() -> None:
    assert time_text(0) == "2000-01-01 00:00:00Z"
    assert time_text(0x38818890) == "2030-01-15 09:00:00Z"
    assert time_text(0xFFFFFFFF) == "2136-02-07 06:28:15Z"
    assert (field_time_text(0), field_time_text(0xFFFFFFFF)) == ("now", "no time")


def test_fields_lie_at_their_place_in_the_message() -> None:
    header, fields = nodes_of(bytes.fromhex("18 2a 0b 0600"))
    assert [(node.name, node.start, node.stop, node.value) for node in (*header, *fields)] == [
        ("frame_control", 100, 101, 0x18),
        ("transaction_sequence_number", 101, 102, 0x2A),
        ("command_identifier", 102, 103, 0x0B),
        ("command_identifier", 103, 104, 6),
        ("status", 104, 105, 0),
    ]
    assert "server_to_client=1" in header[0].text
    assert fields[1].text == "SUCCESS"


def test_attributes_are_taken_apart() -> None:
    octets = ReadAttributesResponse(attributes=bytes.fromhex("0000 00 42 02 6869 0100 00 39 0000c03f 0200 86")).build()
    _, (attributes,) = nodes_of(b"\x18\x00\x01" + octets)
    read = [[(part.name, part.value, part.text) for part in one.children] for one in attributes.children]
    assert read[0][2:] == [("data_type", 0x42, "CHARACTER_STRING"), ("value", "hi", "")]
    assert read[1][-1] == ("value", bytes.fromhex("0000c03f"), "1.5")
    assert read[2][-1] == ("status", 0x86, "UNSUPPORTED_ATTRIBUTE")


def test_other_records_are_leaves_with_all_they_say() -> None:
    octets = DiscoverAttributesResponse(attributes=bytes.fromhex("0001 20 0002 29")).build()
    _, (_, attributes) = nodes_of(b"\x18\x00\x0d" + octets)
    assert [one.value for one in attributes.children] == [bytes.fromhex("000120"), bytes.fromhex("000229")]
    assert attributes.children[0].text == "attribute_id=256, data_type=32"


def test_a_record_that_is_cut_short_is_said() -> None:
    _, (attributes,) = nodes_of(bytes.fromhex("18 00 01 0000 00 20 05 0100"))
    assert [len(list(walk(one))) for one in attributes.children] == [5, 1]
    assert "status" in problems(attributes)[0]
