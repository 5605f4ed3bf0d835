"""Firmware images of Great Britain's smart meters (GBCS section 11.2).

    OTA Upgrade Image = OTA Header || Upgrade Image
    Upgrade Image     = Manufacturer Image || forceReplace (00) || 40 || Authorising Remote Party Signature (64)
    Upgrade Image     = Manufacturer Image                                       (PPMID)

There is no element between the header and the Manufacturer Image. The signature is ECDSA P-256 with SHA-256, r || s,
big-endian, over the Manufacturer Image alone; the Manufacturer Image Hash is its SHA-256.
"""

from enum import IntEnum
from hashlib import sha256
from typing import Any, Final

import msgspec
from construct import Bytes, Const, ConstructError, Struct

from hanscope.dissectors.images.format import Format
from hanscope.dissectors.images.ota_file import FieldControl, OtaFileError, build_ota_file

SIGNATURE_LENGTH: Final = 64
TRAILER: Final = Struct(
    "force_replace" / Const(b"\x00"),
    "signature_length" / Const(bytes([SIGNATURE_LENGTH])),
    "signature" / Bytes(SIGNATURE_LENGTH),
)
TRAILER_LENGTH: Final = 66
HEADER_FIELD_CONTROL: Final = FieldControl.HARDWARE_VERSIONS
"""The field control of the published GB samples; that others are forbidden is not confirmed."""
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class DeviceType(IntEnum):
    """COSEM device types. The samples use them as OTA image types; that this is a rule is not confirmed."""

    ESME = 0
    GSME = 1
    HCALCS = 13
    PPMID = 132


class Trailer(msgspec.Struct, frozen=True):
    """What follows a Manufacturer Image that a remote party authorised."""

    signature: bytes
    """r || s, 32 octets each."""

    @property
    def signature_possible(self) -> bool:
        """Whether r and s are numbers that an ECDSA P-256 signature can have (1 to the order less 1)."""
        r, s = int.from_bytes(self.signature[:32], "big"), int.from_bytes(self.signature[32:], "big")
        return 0 < r < P256_ORDER and 0 < s < P256_ORDER


def parse_trailer(octets: bytes | memoryview) -> Trailer | None:
    """The trailer that the 66 octets are, or `None` when they are none."""
    if len(octets) != TRAILER_LENGTH:
        return None
    try:
        parsed: Any = TRAILER.parse(bytes(octets))
    except ConstructError:
        return None
    return Trailer(parsed.signature)


def build_trailer(signature: bytes) -> bytes:
    """Raises OtaFileError unless the signature has 64 octets."""
    if len(signature) != SIGNATURE_LENGTH:
        raise OtaFileError(f"an Authorising Remote Party Signature has {SIGNATURE_LENGTH} octets, not {len(signature)}")
    return TRAILER.build({"signature": signature})


def manufacturer_image_hash(manufacturer_image: bytes | memoryview) -> bytes:
    """The Manufacturer Image Hash that alerts (8F72) and activation commands (CS06) carry: 32 octets."""
    return sha256(manufacturer_image).digest()


def build_gb_image(
    manufacturer_image: bytes,
    signature: bytes | None,
    *,
    manufacturer_code: int,
    image_type: int,
    file_version: int,
    header_string: bytes = b"",
    hardware_versions: tuple[int, int] = (0x0000, 0xFFFF),
) -> bytes:
    """An OTA Upgrade Image; without a signature it has the form that PPMIDs take.

    Raises OtaFileError for values that do not fit into their fields.
    """
    trailer = b"" if signature is None else build_trailer(signature)
    return build_ota_file(
        manufacturer_code=manufacturer_code,
        image_type=image_type,
        file_version=file_version,
        header_string=header_string,
        hardware_versions=hardware_versions,
        body=manufacturer_image + trailer,
    )


FORMAT: Final = Format(
    name="GBCS Upgrade Image",
    vendors="meters, HAN Connected Auxiliary Load Control Switches and Prepayment Interfaces of Great Britain",
    signature="no elements behind the header: `00 40` in front of the last 64 octets; or (PPMID) image type 0x0084 and "
    "field control 0x0004",
    checks=(
        "GB layout: which octets are the Manufacturer Image, whose SHA-256 alerts and activation commands carry",
        "GB header: compared with the published samples; what differs is told, never called wrong",
        "authorising signature: ECDSA P-256 over the Manufacturer Image, verified with a supplier's certificate",
    ),
    limitations="UNCONFIRMED: that image types are COSEM device types, that other field controls are forbidden, the "
    "largest size. A trailer at the end of an Upgrade image element is told too; that they come so is UNCONFIRMED.",
    source="GBCS section 11.2 and the published samples (DUIS service request 11.1)",
)
