"""The OTA Upgrade cluster: every command and every form of it, read and built."""

from collections.abc import Callable

import pytest
from scapy.packet import Packet

from hanscope.dissectors.codes import OtaCommand, Status
from hanscope.dissectors.layer import Malformed, Undissected
from hanscope.dissectors.zigbee import Aps, Zcl, ota
from hanscope.dissectors.zigbee.ota import PayloadType
from hanscope.dissectors.zigbee.zcl import ZclFrameType

Dissect = Callable[[type[Packet], str], list[Packet]]
APS = "00 40 1900 0901 0b 55 "
IMAGE = {"manufacturer_code": 0x1168, "image_type": 1, "file_version": 0x01020304}
CLIENT = "74:4d:bd:ff:fe:60:2e:2d"

FORMS = [
    ("19 01 00 00 64", ota.ImageNotify, {"query_jitter": 100}),
    ("19 01 00 01 32 6811", ota.ImageNotify, {"query_jitter": 50, "manufacturer_code": 0x1168}),
    ("19 01 00 02 64 6811 0100", ota.ImageNotify, {"manufacturer_code": 0x1168, "image_type": 1}),
    ("19 01 00 03 64 6811 0100 04030201", ota.ImageNotify, IMAGE),
    ("11 01 01 00 6811 0100 04030201", ota.QueryNextImageRequest, IMAGE),
    ("11 01 01 01 6811 0100 04030201 0101", ota.QueryNextImageRequest, {**IMAGE, "hardware_version": 0x0101}),
    ("19 01 02 00 6811 0100 04030201 28700900", ota.QueryNextImageResponse, {**IMAGE, "image_size": 618536}),
    ("19 01 02 98", ota.QueryNextImageResponse, {"status": Status.NO_IMAGE_AVAILABLE}),
    ("19 01 02 95", ota.QueryNextImageResponse, {"status": Status.ABORT}),
    (
        "11 01 03 00 6811 0100 04030201 df000000 28",
        ota.ImageBlockRequest,
        {**IMAGE, "file_offset": 0xDF, "maximum_data_size": 40},
    ),
    (
        "11 01 03 01 6811 0100 04030201 df000000 df 2d2e60feffbd4d74",
        ota.ImageBlockRequest,
        {**IMAGE, "file_offset": 0xDF, "maximum_data_size": 223, "request_node_address": CLIENT},
    ),
    (
        "11 01 03 02 6811 0100 04030201 df000000 df f401",
        ota.ImageBlockRequest,
        {**IMAGE, "file_offset": 0xDF, "maximum_data_size": 223, "minimum_block_period": 500},
    ),
    (
        "11 01 03 03 6811 0100 04030201 df000000 df 2d2e60feffbd4d74 0000",
        ota.ImageBlockRequest,
        {
            **IMAGE,
            "file_offset": 0xDF,
            "maximum_data_size": 223,
            "request_node_address": CLIENT,
            "minimum_block_period": 0,
        },
    ),
    (
        "11 01 04 00 6811 0100 04030201 46000000 40 0001 c800",
        ota.ImagePageRequest,
        {**IMAGE, "file_offset": 70, "maximum_data_size": 64, "page_size": 256, "response_spacing": 200},
    ),
    (
        "11 01 04 01 6811 0100 04030201 46000000 40 0001 c800 2d2e60feffbd4d74",
        ota.ImagePageRequest,
        {
            **IMAGE,
            "file_offset": 70,
            "maximum_data_size": 64,
            "page_size": 256,
            "response_spacing": 200,
            "request_node_address": CLIENT,
        },
    ),
    (
        "19 01 05 00 6811 0100 04030201 df000000 04 deadbeef",
        ota.ImageBlockResponse,
        {**IMAGE, "file_offset": 0xDF, "image_data": bytes.fromhex("deadbeef")},
    ),
    (
        "19 01 05 97 00000000 1e000000 f401",
        ota.ImageBlockResponse,
        {"status": Status.WAIT_FOR_DATA, "current_time": 0, "request_time": 30, "minimum_block_period": 500},
    ),
    (
        "19 01 05 97 01000000 1e000000",
        ota.ImageBlockResponse,
        {"status": Status.WAIT_FOR_DATA, "current_time": 1, "request_time": 30},
    ),
    ("19 01 05 95", ota.ImageBlockResponse, {"status": Status.ABORT}),
    ("11 01 06 00 6811 0100 04030201", ota.UpgradeEndRequest, IMAGE),
    ("11 01 06 96 6811 0100 04030201", ota.UpgradeEndRequest, {"status": Status.INVALID_IMAGE, **IMAGE}),
    ("11 01 06 95", ota.UpgradeEndRequest, {"status": Status.ABORT}),
    (
        "19 01 07 6811 0100 04030201 0000002f ffffffff",
        ota.UpgradeEndResponse,
        {**IMAGE, "current_time": 0x2F000000, "upgrade_time": 0xFFFFFFFF},
    ),
    (
        "11 01 08 2d2e60feffbd4d74 6811 c0ff 04030201 0200",
        ota.QueryDeviceSpecificFileRequest,
        {**IMAGE, "image_type": 0xFFC0, "request_node_address": CLIENT, "zigbee_stack_version": 2},
    ),
    (
        "19 01 09 00 6811 c0ff 04030201 28700900",
        ota.QueryDeviceSpecificFileResponse,
        {**IMAGE, "image_type": 0xFFC0, "image_size": 618536},
    ),
    ("19 01 09 7e", ota.QueryDeviceSpecificFileResponse, {"status": Status.NOT_AUTHORIZED}),
]
OPTIONAL = ("hardware_version", "request_node_address", "minimum_block_period", "manufacturer_code", "image_data")


@pytest.mark.parametrize(("text", "cls", "values"), FORMS)
def test_reading(dissect: Dissect, text: str, cls: type[Packet], values: dict[str, object]) -> None:
    *_, command = dissect(Aps, APS + text)
    assert type(command) is cls
    assert {name: getattr(command, name) for name in values} == values
    absent = [name for name in OPTIONAL if name in command.fieldtype and name not in values]
    assert [getattr(command, name) for name in absent] == [None] * len(absent)


@pytest.mark.parametrize(("text", "cls", "values"), FORMS)
def test_building(text: str, cls: type[Packet], values: dict[str, object]) -> None:
    aps = Aps(destination_endpoint=0x40, source_endpoint=0x0B, cluster=0x19, profile=0x0109, counter=0x55)
    zcl = Zcl(disable_default_response=1, transaction_sequence_number=1)
    assert bytes(aps / zcl / cls(**values)) == bytes.fromhex(APS + text)


def test_all_ten_commands_are_here() -> None:
    assert {cls for _, cls, _ in FORMS} == {
        getattr(ota, "".join(word.capitalize() for word in command.name.split("_"))) for command in OtaCommand
    }


def test_the_header_follows_from_the_command() -> None:
    zcl = Zcl() / ota.ImageBlockResponse()
    assert (zcl.frame_type, zcl.server_to_client, zcl.command_identifier) == (ZclFrameType.CLUSTER_SPECIFIC, 1, 5)
    assert (Zcl() / ota.ImageBlockRequest()).server_to_client == 0


@pytest.mark.parametrize("control", ["01", "09", "11", "19"])
def test_a_wrong_direction_bit_does_not_hide_a_command(dissect: Dissect, control: str) -> None:
    *_, zcl, end = dissect(Aps, APS + control + "07 06 00 6811 0100 04030201")
    assert isinstance(end, ota.UpgradeEndRequest)
    assert zcl.server_to_client == bool(int(control, 16) & 8)


def test_a_promised_period_that_is_not_sent_leaves_the_rest_readable(dissect: Dissect) -> None:
    """Every request of Legrand's devices."""
    *_, request = dissect(Aps, APS + "01 06 03 | 02 2110 1000 00002000 3e000000 08")
    assert request.minimum_block_period_present == 1
    assert request.minimum_block_period is None
    assert (request.file_offset, request.maximum_data_size) == (62, 8)
    built = ota.ImageBlockRequest(minimum_block_period_present=1, file_offset=62, maximum_data_size=8)
    assert bytes(built) == bytes.fromhex("02 0000 0000 00000000 3e000000 08")


def test_what_is_too_short_for_the_address_is_not_taken_for_the_period(dissect: Dissect) -> None:
    *_, request, rest = dissect(Aps, APS + "01 06 03 | 03 2110 1000 00002000 3e000000 08 | f401")
    assert request.request_node_address is None
    assert request.minimum_block_period is None
    assert rest.octets == bytes.fromhex("f401")


def test_a_data_size_that_is_wrong_is_kept_beside_the_data(dissect: Dissect) -> None:
    *_, response = dissect(Aps, APS + "19 01 05 00 6811 0100 04030201 df000000 20 deadbeef")
    assert (response.data_size, response.image_data) == (32, bytes.fromhex("deadbeef"))


def test_an_image_block_without_data(dissect: Dissect) -> None:
    *_, response = dissect(Aps, APS + "19 01 05 00 6811 0100 04030201 df000000 00")
    assert (response.data_size, response.image_data) == (0, b"")


def test_of_a_reserved_payload_type_only_the_jitter_is_read(dissect: Dissect) -> None:
    *_, notify, rest = dissect(Aps, APS + "19 01 00 04 64 6811 0100")
    assert (notify.payload_type, notify.query_jitter, notify.manufacturer_code) == (4, 100, None)
    assert isinstance(rest, Undissected)


def test_the_payload_type_can_be_set_by_hand() -> None:
    assert bytes(ota.ImageNotify(payload_type=PayloadType.MANUFACTURER_CODE)) == bytes.fromhex("01 64 0000")


def test_octets_behind_a_command_stay_undissected(dissect: Dissect) -> None:
    *_, response, rest = dissect(Aps, APS + "19 01 02 98 6811 0100")
    assert response.manufacturer_code is None
    assert rest.octets == bytes.fromhex("68110100")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("11 01 01 00 6811 0100 0403", b"file_version"),
        ("19 01 02 00 6811", b"image_type"),
        ("11 01 03 00 6811 0100 04030201 df00", b"file_offset"),
        ("11 01 04 00 6811 0100 04030201 46000000 40 00", b"page_size"),
        ("19 01 05 97 00000000 1e00", b"request_time"),
        ("19 01 05 00 6811 0100 04030201 df000000", b"data_size"),
        ("11 01 06 00 6811 0100 0403", b"file_version"),
        ("19 01 07 6811 0100 04030201 0000002f ffff", b"upgrade_time"),
        ("19 01 09 00 6811 c0ff 04030201 2870", b"image_size"),
        ("19 01 00", b"payload_type"),
    ],
)
def test_a_command_that_is_cut_short_is_malformed(dissect: Dissect, text: str, field: bytes) -> None:
    *_, last = dissect(Aps, APS + text)
    assert isinstance(last, Malformed)
    assert last.field == field


@pytest.mark.parametrize("zcl", ["05 5f11 01 03 00", "11 01 0a 00", "13 01 03 00"])
def test_what_is_no_command_of_the_cluster_stays_undissected(dissect: Dissect, zcl: str) -> None:
    *_, rest = dissect(Aps, APS + zcl)
    assert isinstance(rest, Undissected)


def test_attributes_show_with_their_names(dissect: Dissect) -> None:
    """They are the client's: its report goes from client to server."""
    *_, report = dissect(Aps, APS + "00 01 0a 0600 30 01")
    assert "[IMAGE_UPGRADE_STATUS AttributeRecord" in report.show(dump=True)
    *_, read = dissect(Aps, APS + "08 01 00 0200")
    assert "[CURRENT_FILE_VERSION 2]" in read.show(dump=True)
