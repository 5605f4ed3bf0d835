"""ZigBee: NWK, APS, ZDP, ZCL, the OTA Upgrade cluster and (in `clusters`) the others as Scapy layers.

Importing any module of this package registers all cluster commands.
"""

from hanscope.dissectors.zigbee import clusters
from hanscope.dissectors.zigbee.aps import (
    Aps,
    ApsCommand,
    ConfirmKey,
    Fragment,
    RemoveDevice,
    RequestKey,
    SwitchKey,
    TransportKey,
    Tunnel,
    UpdateDevice,
    VerifyKey,
)
from hanscope.dissectors.zigbee.nwk import Nwk, NwkCommand, ZigbeeBeacon
from hanscope.dissectors.zigbee.ota import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
)
from hanscope.dissectors.zigbee.security import ApsSecurity, NwkSecurity, SecuredPayload, UnsupportedSecuredPayload
from hanscope.dissectors.zigbee.zcl import (
    AttributeRecord,
    DefaultResponse,
    ReadAttributes,
    ReadAttributesResponse,
    ReportAttributes,
    WriteAttributes,
    WriteAttributesResponse,
    Zcl,
)
from hanscope.dissectors.zigbee.zdp import Zdp

__all__ = [
    "Aps",
    "ApsCommand",
    "ApsSecurity",
    "AttributeRecord",
    "ConfirmKey",
    "DefaultResponse",
    "Fragment",
    "ImageBlockRequest",
    "ImageBlockResponse",
    "ImageNotify",
    "ImagePageRequest",
    "Nwk",
    "NwkCommand",
    "NwkSecurity",
    "QueryDeviceSpecificFileRequest",
    "QueryDeviceSpecificFileResponse",
    "QueryNextImageRequest",
    "QueryNextImageResponse",
    "ReadAttributes",
    "ReadAttributesResponse",
    "RemoveDevice",
    "ReportAttributes",
    "RequestKey",
    "SecuredPayload",
    "SwitchKey",
    "TransportKey",
    "Tunnel",
    "UnsupportedSecuredPayload",
    "UpdateDevice",
    "UpgradeEndRequest",
    "UpgradeEndResponse",
    "VerifyKey",
    "WriteAttributes",
    "WriteAttributesResponse",
    "Zcl",
    "Zdp",
    "ZigbeeBeacon",
    "clusters",
]
