"""The ZCL header and general commands. Ids like L1 are cases that Scapy's own layers read wrong."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, AttributeRecord, ReadAttributes, ReportAttributes, Zcl
from hanscope.dissectors.zigbee.values import DataType
from hanscope.dissectors.zigbee.zcl import ReadAttributesResponse, WriteAttributesResponse, WriteStatus, ZclFrameType

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
