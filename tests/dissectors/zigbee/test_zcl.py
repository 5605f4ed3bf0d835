"""The ZCL header and general commands. Ids like L1 are cases that Scapy's own layers read wrong."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet
from trees import trees

from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, AttributeRecord, ReadAttributes, ReportAttributes, Zcl
from hanscope.dissectors.zigbee.values import DataType
from hanscope.dissectors.zigbee.zcl import (
    GENERAL_COMMANDS,
    DiscoveredAttribute,
    GeneralCommand,
    ReadAttributesResponse,
    ReportedAttribute,
    ReportingConfiguration,
    ReportingDirection,
    StructuredAttribute,
    WriteAttributesResponse,
    WriteStatus,
    ZclFrameType,
)

Dissect = Callable[[type[Packet], str], list[Packet]]


def record(attribute_id: int, data_type: int, value: object, status: int | None = None) -> AttributeRecord:
    return AttributeRecord(attribute_id=attribute_id, data_type=data_type, value=value, status=status)


def test_the_header(dissect: Dissect) -> None:
    zcl, report = dissect(Zcl, "1c 5f11 01 0a 0100 20 05")
    assert (zcl.server_to_client, zcl.disable_default_response, zcl.manufacturer_specific) == (1, 1, 1)
    assert (zcl.manufacturer_code, zcl.transaction_sequence_number, zcl.command_identifier) == (0x115F, 1, 0x0A)
    assert report.attributes == [record(1, DataType.UINT8, 5)]


def test_l1_the_length_of_long_strings_is_little_endian(dissect: Dissect) -> None:
    _, response = dissect(Zcl, "1855010400 00 44 0300 616263 0500 00 20 07")
    assert response.attributes == [record(4, 0x44, "abc", 0), record(5, 0x20, 7, 0)]


@pytest.mark.parametrize("string", ["44 ffff", "43 ffff", "42 ff", "41 ff"])
def test_l2_an_invalid_string_has_no_octets(dissect: Dissect, string: str) -> None:
    _, response = dissect(Zcl, f"1855010400 00 {string} 0500 00 20 07")
    assert [attribute.value for attribute in response.attributes] == [None, 7]


def test_l3_what_follows_an_array_is_not_lost(dissect: Dissect) -> None:
    _, response = dissect(Zcl, "1855010400 00 48 20 0200 0102 0500 00 20 07")
    assert response.attributes[0].value.elements == (1, 2)
    assert response.attributes[1].value == 7


def test_l5_write_attributes(dissect: Dissect) -> None:
    _, write = dissect(Zcl, "005503 0000 20 03")
    assert write.attributes == [record(0, 0x20, 3)]
    _, response = dissect(Zcl, "185504 00")
    assert response.statuses == [WriteStatus(status=0)]
    _, response = dissect(Zcl, "185504 86 0100 88 0200")
    assert response.statuses == [WriteStatus(status=0x86, attribute_id=1), WriteStatus(status=0x88, attribute_id=2)]


def test_l6_values_are_typed(dissect: Dissect) -> None:
    _, response = dissect(Zcl, "1855010000 00 21 0102")
    assert response.attributes == [record(0, 0x21, 0x0201, 0)]


def test_l7_a_record_that_is_cut_short_keeps_its_octets(dissect: Dissect) -> None:
    _, response = dissect(Zcl, "185501 0100 00 20 05 0000 00 23 0102")
    assert response.attributes[0] == record(1, 0x20, 5, 0)
    assert isinstance(response.attributes[1], Malformed)
    assert response.attributes[1].octets == bytes.fromhex("000000230102")
    _, read = dissect(Zcl, "005500 0000 0400 aa")
    assert read.attribute_ids[:2] == [0, 4]
    assert read.attribute_ids[2].octets == b"\xaa"


def test_a_record_of_an_unknown_type_is_kept_with_all_behind_it(dissect: Dissect) -> None:
    _, report = dissect(Zcl, "18550a 0100 20 05 0200 77 0102 0300 20 06")
    assert report.attributes[0] == record(1, 0x20, 5)
    assert isinstance(report.attributes[1], Undissected)
    assert report.attributes[1].octets == bytes.fromhex("02007701020300 2006")


def test_a_failed_read_has_no_value(dissect: Dissect) -> None:
    _, response = dissect(Zcl, "185501 0400 86 0500 00 20 07")
    assert response.attributes == [AttributeRecord(attribute_id=4, status=0x86), record(5, 0x20, 7, 0)]


def test_records_are_built_from_values() -> None:
    zcl = Zcl(transaction_sequence_number=0x55)
    report = ReportAttributes(attributes=[record(4, DataType.CHARACTER_STRING, "abc"), record(5, DataType.INT16, -2)])
    assert bytes(zcl / report) == bytes.fromhex("00550a 0400 42 03616263 0500 29 feff")
    assert bytes(zcl / ReadAttributes(attribute_ids=[0, 4])) == bytes.fromhex("005500 0000 0400")
    answers = [AttributeRecord(attribute_id=4, status=0x86), record(5, 0x20, 7, 0)]
    assert bytes(zcl / ReadAttributesResponse(attributes=answers)) == bytes.fromhex("005501 0400 86 0500 00 20 07")
    statuses = WriteAttributesResponse(statuses=[WriteStatus(status=0x86, attribute_id=1)])
    assert bytes(zcl / statuses) == bytes.fromhex("005504 86 0100")


def test_records_that_were_read_build_the_same_octets_again() -> None:
    octets = bytes.fromhex("18550a 0100 20 05 0200 77 0102")
    report = Zcl(octets)[ReportAttributes]
    assert bytes(Zcl(octets[:3]) / ReportAttributes(attributes=report.attributes))[3:] == octets[3:]


def test_l8_a_cluster_command_is_not_named_from_the_general_table(dissect: Dissect) -> None:
    *_, zcl, rest = dissect(Aps, "00 01 0600 0401 01 55 0155 00 01")
    assert zcl.frame_type == ZclFrameType.CLUSTER_SPECIFIC
    assert "command_identifier= 0\n" in zcl.show(dump=True)
    assert isinstance(rest, Undissected)


def test_l12_the_direction_can_be_read(dissect: Dissect) -> None:
    zcl, *_ = dissect(Zcl, "0955 00 01")
    assert zcl.server_to_client == 1


def test_l13_a_status_of_the_newer_tables_has_a_name(dissect: Dissect) -> None:
    _, response = dissect(Zcl, "1855 0b 05 c4")
    assert (response.command_identifier, response.status) == (5, 0xC4)
    assert "LIMIT_REACHED" in response.show(dump=True)


def test_z2_without_an_aps_header_nothing_is_guessed(dissect: Dissect) -> None:
    zcl, rest = dissect(Zcl, "01550100")
    assert zcl.command_identifier == 1
    assert isinstance(rest, Undissected)


@pytest.mark.parametrize("command", ["17", "40", "ff"])
def test_other_general_commands_stay_undissected(dissect: Dissect, command: str) -> None:
    _, rest = dissect(Zcl, f"0055{command} 00 0000 10 0a00 3c00")
    assert isinstance(rest, Undissected)


def test_a_default_response_that_is_cut_short_is_malformed(dissect: Dissect) -> None:
    _, last = dissect(Zcl, "18550b 05")
    assert (last.layer, last.field, last.octets) == (b"DefaultResponse", b"status", b"\x05")


SEND, RECEIVE = ReportingDirection.SEND, ReportingDirection.RECEIVE
GENERAL: list[tuple[str, str, list[object]]] = [
    # Only analog types have a reportable change (fault L4).
    (
        "005506 00 0000 10 0a00 3c00 00 0100 20 0a00 3c00 05",
        "configurations",
        [
            ReportingConfiguration(
                direction=SEND, attribute_id=0, data_type=0x10, minimum_interval=10, maximum_interval=60
            ),
            ReportingConfiguration(
                direction=SEND,
                attribute_id=1,
                data_type=0x20,
                minimum_interval=10,
                maximum_interval=60,
                reportable_change=5,
            ),
        ],
    ),
    (
        "005506 01 0000 2c01 00 0004 2a 0100 ffff f6ffff",
        "configurations",
        [
            ReportingConfiguration(direction=RECEIVE, attribute_id=0, timeout=300),
            ReportingConfiguration(
                direction=SEND,
                attribute_id=0x0400,
                data_type=DataType.INT24,
                minimum_interval=1,
                maximum_interval=0xFFFF,
                reportable_change=-10,
            ),
        ],
    ),
    ("185507 00", "statuses", [ReportedAttribute(status=0)]),
    (
        "185507 8c 00 0000 86 01 0100",
        "statuses",
        [
            ReportedAttribute(status=0x8C, direction=SEND, attribute_id=0),
            ReportedAttribute(status=0x86, direction=RECEIVE, attribute_id=1),
        ],
    ),
    (
        "005508 00 0000 01 0004",
        "attributes",
        [
            ReportedAttribute(direction=SEND, attribute_id=0),
            ReportedAttribute(direction=RECEIVE, attribute_id=0x0400),
        ],
    ),
    (
        "185509 86 00 0000 00 00 0100 10 0a00 3c00 00 01 0200 2c01",
        "configurations",
        [
            ReportingConfiguration(status=0x86, direction=SEND, attribute_id=0),
            ReportingConfiguration(
                status=0, direction=SEND, attribute_id=1, data_type=0x10, minimum_interval=10, maximum_interval=60
            ),
            ReportingConfiguration(status=0, direction=RECEIVE, attribute_id=2, timeout=300),
        ],
    ),
    (
        "18550d 01 0000 20 0400 42",
        "attributes",
        [DiscoveredAttribute(attribute_id=0, data_type=0x20), DiscoveredAttribute(attribute_id=4, data_type=0x42)],
    ),
    (
        "00550e 0000 00 0100 02 0100 0200",
        "attributes",
        [StructuredAttribute(attribute_id=0), StructuredAttribute(attribute_id=1, indexes=(1, 2))],
    ),
    (
        "00550f 0000 00 20 05 0100 11 0300 21 0102",
        "attributes",
        [
            StructuredAttribute(attribute_id=0, data_type=0x20, value=5),
            StructuredAttribute(attribute_id=1, action=1, indexes=(3,), data_type=0x21, value=0x0201),
        ],
    ),
    ("185510 00", "statuses", [StructuredAttribute(status=0)]),
    ("185510 86 0100 01 0200", "statuses", [StructuredAttribute(status=0x86, attribute_id=1, indexes=(2,))]),
    ("185512 01 00 01 08", "command_ids", [0, 1, 8]),
    ("185514 00 02", "command_ids", [2]),
    (
        "185516 00 0000 20 03 0004 2a 05",
        "attributes",
        [
            DiscoveredAttribute(attribute_id=0, data_type=0x20, access=3),
            DiscoveredAttribute(attribute_id=0x0400, data_type=0x2A, access=5),
        ],
    ),
]


@pytest.mark.parametrize(("frame", "field", "records"), GENERAL)
def test_general_commands_are_read_and_built(dissect: Dissect, frame: str, field: str, records: list[object]) -> None:
    zcl, command = dissect(Zcl, frame)
    assert getattr(command, field) == records
    fixed = {name: value for name, value in command.fields.items() if name != field}
    built = Zcl(bytes(zcl)[:3]) / type(command)(**fixed, **{field: records})
    assert bytes(built) == bytes.fromhex(frame)


@pytest.mark.parametrize(("command", "name"), [("0c", "DiscoverAttributes"), ("15", "DiscoverAttributesExtended")])
def test_the_discovery_of_attributes(dissect: Dissect, command: str, name: str) -> None:
    _, read = dissect(Zcl, f"0055{command} 0004 10")
    assert type(read).__name__ == name
    assert (read.start_attribute_id, read.maximum_identifiers) == (0x0400, 16)


@pytest.mark.parametrize(("command", "name"), [("11", "DiscoverCommandsReceived"), ("13", "DiscoverCommandsGenerated")])
def test_the_discovery_of_commands(dissect: Dissect, command: str, name: str) -> None:
    _, read = dissect(Zcl, f"0055{command} 02 10")
    assert type(read).__name__ == name
    assert (read.start_command_id, read.maximum_identifiers) == (2, 16)


def test_there_is_a_layer_for_each_general_command() -> None:
    assert set(GENERAL_COMMANDS) == set(GeneralCommand) == set(range(0x17))


@pytest.mark.parametrize("frame", [frame for frame, *_ in GENERAL])
def test_a_general_command_cut_anywhere_is_no_error(frame: str) -> None:
    octets = bytes.fromhex(frame)
    for length in range(3, len(octets)):
        packet = Zcl(octets[:length])
        packet.show(dump=True)
        packet.clear_cache()
        assert bytes(packet) == octets[:length]


@pytest.mark.parametrize("frame", ["005506 02 0000 20 0a00", "005506 00 0000 77 0a00 3c00", "00550f 0000 00 77 05"])
def test_a_record_of_an_unknown_kind_is_kept_with_all_behind_it(dissect: Dissect, frame: str) -> None:
    _, command = dissect(Zcl, frame)
    (name,) = command.fields
    (record,) = getattr(command, name)
    assert isinstance(record, Undissected)
    assert record.octets == bytes.fromhex(frame)[3:]


def test_attributes_show_with_their_names(dissect: Dissect) -> None:
    """A read goes to the side that has the attributes, a report comes from it."""
    *_, read = dissect(Aps, "00 01 0207 0901 01 55 00 01 00 0000 0402 0c99")
    assert "[CURRENT_SUMMATION_DELIVERED 0, EXTENDED_STATUS 516, 39180]" in read.show(dump=True)
    *_, report = dissect(Aps, "00 01 0207 0901 01 55 08 01 0a 0000 25 010000000000")
    assert "[CURRENT_SUMMATION_DELIVERED AttributeRecord" in report.show(dump=True)
    *_, report = dissect(Aps, "00 01 0207 0901 01 55 00 01 0a 0000 1b 01000000")
    assert "[FUNCTIONAL_NOTIFICATION_FLAGS AttributeRecord" in report.show(dump=True)
    *_, report = dissect(Aps, "00 01 0207 0901 01 55 0c 6811 01 0a 0000 1b 01000000")
    assert "[AttributeRecord" in report.show(dump=True)
    _, report = dissect(Zcl, "08 01 0a 0000 25 010000000000")
    assert "[AttributeRecord" in report.show(dump=True)


TSHARK_NAMES = {
    "attribute_id": "zbee_zcl_general.onoff.attr_id",
    "data_type": "zbee_zcl.attr.data.type",
    "minimum_interval": "zbee_zcl.attr.minint",
    "maximum_interval": "zbee_zcl.attr.maxint",
    "timeout": "zbee_zcl.attr.timeout",
    "status": "zbee_zcl.attr.status",
    "direction": "zbee_zcl.attr.dir",
}


def test_general_commands_are_read_as_tshark_reads_them() -> None:
    """As far as it goes: 11 and beyond have no records there, and 0E to 10 no selectors."""
    frames = [bytes.fromhex("00 01 0600 0401 01 55" + frame) for frame, *_ in GENERAL if int(frame[4:6], 16) <= 0x0D]
    for frame, shown in zip(frames, trees(frames), strict=True):
        assert not shown.malformed, frame.hex()
        command = Zcl(frame[8:]).payload
        (records,) = (getattr(command, name) for name in command.fields if name != "discovery_complete")
        for name, field in TSHARK_NAMES.items():
            ours = [value for record in records if (value := getattr(record, name, None)) is not None]
            assert ours == [int(one.text, 0) for one in shown.fields if one.name == field], (name, frame.hex())
