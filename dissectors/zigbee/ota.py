"""The OTA Upgrade cluster 0x0019 (ZigBee 095264, 6.10; ZCL 07-5123, 11.13): all ten commands.

Scapy has none of them. Every presence bit follows from the fields that are given when a command is built; a bit that is
set by hand is written as it is, so that frames of devices that promise a field and do not send it can be built too.
"""

from enum import IntEnum
from typing import Any, ClassVar

from scapy.fields import BitField, ByteEnumField, ByteField, LEIntField, LEShortField, XLEIntField, XLEShortField

from hanscope.dissectors.codes import Cluster, OtaCommand, Status
from hanscope.dissectors.fields import (
    DerivedBits,
    DerivedOctet,
    DerivedOctetEnum,
    EUI64Field,
    LECodeField,
    count_of,
    given,
)
from hanscope.dissectors.layer import IfRoom, Layer, ToEnd, When
from hanscope.dissectors.zigbee.zcl import cluster_command, name_attributes


class OtaAttribute(IntEnum):
    """Attributes; they are the client's (6.7)."""

    UPGRADE_SERVER_ID = 0x0000
    FILE_OFFSET = 0x0001
    CURRENT_FILE_VERSION = 0x0002
    CURRENT_ZIGBEE_STACK_VERSION = 0x0003
    DOWNLOADED_FILE_VERSION = 0x0004
    DOWNLOADED_ZIGBEE_STACK_VERSION = 0x0005
    IMAGE_UPGRADE_STATUS = 0x0006
    MANUFACTURER_ID = 0x0007
    IMAGE_TYPE_ID = 0x0008
    MINIMUM_BLOCK_PERIOD = 0x0009
    IMAGE_STAMP = 0x000A
    UPGRADE_ACTIVATION_POLICY = 0x000B
    UPGRADE_TIMEOUT_POLICY = 0x000C


name_attributes(Cluster.OTA_UPGRADE, OtaAttribute, of_server=False)


class PayloadType(IntEnum):
    """What an Image Notify names (6.10.3.2.1)."""

    QUERY_JITTER = 0
    MANUFACTURER_CODE = 1
    IMAGE_TYPE = 2
    FILE_VERSION = 3


class ZigbeeStackVersion(IntEnum):
    """ZigBee stack versions (6.7.6)."""

    ZIGBEE_2006 = 0
    ZIGBEE_2007 = 1
    ZIGBEE_PRO = 2
    ZIGBEE_IP = 3


def _payload_type(layer: Any) -> int:
    if given("file_version")(layer):
        return PayloadType.FILE_VERSION
    if given("image_type")(layer):
        return PayloadType.IMAGE_TYPE
    return PayloadType.MANUFACTURER_CODE if given("manufacturer_code")(layer) else PayloadType.QUERY_JITTER


def _succeeded(layer: Any) -> bool:
    return layer.status == Status.SUCCESS


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.IMAGE_NOTIFY, server_to_client=True)
class ImageNotify(Layer):
    """6.10.3; FFFF and FFFFFFFF stand for any. Of a reserved payload type only the jitter is read."""

    fields_desc: ClassVar[list[Any]] = [
        DerivedOctetEnum("payload_type", _payload_type, PayloadType),
        ByteField("query_jitter", 100),
        When(
            XLEShortField("manufacturer_code", None),
            lambda p: PayloadType.MANUFACTURER_CODE <= p.payload_type <= PayloadType.FILE_VERSION,
        ),
        When(
            XLEShortField("image_type", None),
            lambda p: PayloadType.IMAGE_TYPE <= p.payload_type <= PayloadType.FILE_VERSION,
        ),
        When(XLEIntField("file_version", None), lambda p: p.payload_type == PayloadType.FILE_VERSION),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.QUERY_NEXT_IMAGE_REQUEST, server_to_client=False)
class QueryNextImageRequest(Layer):
    """6.10.4."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("field_control_reserved", 0, 7),
        DerivedBits("hardware_version_present", given("hardware_version")),
        XLEShortField("manufacturer_code", 0),
        XLEShortField("image_type", 0),
        XLEIntField("file_version", 0),
        IfRoom(XLEShortField("hardware_version", None), lambda p: p.hardware_version_present),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.QUERY_NEXT_IMAGE_RESPONSE, server_to_client=True)
class QueryNextImageResponse(Layer):
    """6.10.5; everything behind the status only with success."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", Status.SUCCESS, Status),
        When(XLEShortField("manufacturer_code", 0), _succeeded),
        When(XLEShortField("image_type", 0), _succeeded),
        When(XLEIntField("file_version", 0), _succeeded),
        When(LEIntField("image_size", 0), _succeeded),
    ]


def _period_may_follow(layer: Any) -> bool:
    """Whether the period is promised, and what stands before it was not already left out for want of room."""
    return bool(layer.minimum_block_period_present) and (
        not layer.request_node_address_present or "request_node_address" in layer.fields
    )


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.IMAGE_BLOCK_REQUEST, server_to_client=False)
class ImageBlockRequest(Layer):
    """6.10.6; Legrand's devices promise a period and do not send it."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("field_control_reserved", 0, 6),
        DerivedBits("minimum_block_period_present", given("minimum_block_period")),
        DerivedBits("request_node_address_present", given("request_node_address")),
        XLEShortField("manufacturer_code", 0),
        XLEShortField("image_type", 0),
        XLEIntField("file_version", 0),
        LEIntField("file_offset", 0),
        ByteField("maximum_data_size", 0),
        IfRoom(EUI64Field("request_node_address"), lambda p: p.request_node_address_present),
        IfRoom(LEShortField("minimum_block_period", None), _period_may_follow),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.IMAGE_PAGE_REQUEST, server_to_client=False)
class ImagePageRequest(Layer):
    """6.10.7; the spacing is in milliseconds."""

    fields_desc: ClassVar[list[Any]] = [
        BitField("field_control_reserved", 0, 7),
        DerivedBits("request_node_address_present", given("request_node_address")),
        XLEShortField("manufacturer_code", 0),
        XLEShortField("image_type", 0),
        XLEIntField("file_version", 0),
        LEIntField("file_offset", 0),
        ByteField("maximum_data_size", 0),
        LEShortField("page_size", 0),
        LEShortField("response_spacing", 0),
        IfRoom(EUI64Field("request_node_address"), lambda p: p.request_node_address_present),
    ]


def _must_wait(layer: Any) -> bool:
    return layer.status == Status.WAIT_FOR_DATA


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.IMAGE_BLOCK_RESPONSE, server_to_client=True)
class ImageBlockResponse(Layer):
    """6.10.8: data, or when to ask again (WAIT_FOR_DATA; before revision 19 without the period), or only a status.

    `image_data` is whatever follows; whether `data_size` agrees with it is for the reader to compare. So blocks of all
    sizes have one layout.
    """

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", Status.SUCCESS, Status),
        When(LEIntField("current_time", 0), _must_wait),
        When(LEIntField("request_time", 0), _must_wait),
        IfRoom(LEShortField("minimum_block_period", None), _must_wait),
        When(XLEShortField("manufacturer_code", 0), _succeeded),
        When(XLEShortField("image_type", 0), _succeeded),
        When(XLEIntField("file_version", 0), _succeeded),
        When(LEIntField("file_offset", 0), _succeeded),
        When(DerivedOctet("data_size", count_of("image_data")), _succeeded),
        When(ToEnd("image_data"), _succeeded),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.UPGRADE_END_REQUEST, server_to_client=False)
class UpgradeEndRequest(Layer):
    """6.10.9; some devices send nothing but the status when it is not success."""

    fields_desc: ClassVar[list[Any]] = [
        ByteEnumField("status", Status.SUCCESS, Status),
        IfRoom(XLEShortField("manufacturer_code", None)),
        When(XLEShortField("image_type", 0), lambda p: "manufacturer_code" in p.fields),
        When(XLEIntField("file_version", 0), lambda p: "manufacturer_code" in p.fields),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.UPGRADE_END_RESPONSE, server_to_client=True)
class UpgradeEndResponse(Layer):
    """6.10.9; times in seconds since 2000 UTC, or relative if `current_time` is 0."""

    fields_desc: ClassVar[list[Any]] = [
        XLEShortField("manufacturer_code", 0),
        XLEShortField("image_type", 0),
        XLEIntField("file_version", 0),
        LEIntField("current_time", 0),
        LEIntField("upgrade_time", 0),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.QUERY_DEVICE_SPECIFIC_FILE_REQUEST, server_to_client=False)
class QueryDeviceSpecificFileRequest(Layer):
    """6.10.10."""

    fields_desc: ClassVar[list[Any]] = [
        EUI64Field("request_node_address", 0),
        XLEShortField("manufacturer_code", 0),
        XLEShortField("image_type", 0),
        XLEIntField("file_version", 0),
        LECodeField("zigbee_stack_version", ZigbeeStackVersion.ZIGBEE_PRO, ZigbeeStackVersion),
    ]


@cluster_command(Cluster.OTA_UPGRADE, OtaCommand.QUERY_DEVICE_SPECIFIC_FILE_RESPONSE, server_to_client=True)
class QueryDeviceSpecificFileResponse(QueryNextImageResponse):
    """6.10.10; the same form as a Query Next Image Response."""
