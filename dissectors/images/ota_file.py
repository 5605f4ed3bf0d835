"""The OTA upgrade file (ZigBee document 095264, clause 6.3; ZCL 11.4): header and elements.

Everything is little-endian. The formats read and write: `parse_header` and `build_header`, `read_element` and
`build_element`; `build_ota_file` puts a file together and computes its lengths.
"""

from collections.abc import Iterable
from enum import IntEnum, IntFlag
from typing import Any, Final

import msgspec
from construct import Bytes, Const, Construct, ConstructError, FormatField, If, Struct
from msgspec.structs import asdict

UINT8: Final = FormatField("<", "B")
UINT16: Final = FormatField("<", "H")
UINT32: Final = FormatField("<", "L")
UINT64: Final = FormatField("<", "Q")

FILE_IDENTIFIER: Final = 0x0BEEF11E
MAGIC: Final = FILE_IDENTIFIER.to_bytes(4, "little")
HEADER_VERSION: Final = 0x0100
SMALLEST_HEADER: Final = 56
"""Octets of a header without optional fields."""
HEADER_STRING_LENGTH: Final = 32
ELEMENT_HEAD_LENGTH: Final = 6
"""Octets of an element's tag and length."""
LAST_STACK_VERSION: Final = 0x0003
"""ZigBee 2006, 2007, PRO, IP; higher ones are reserved."""
LAST_SECURITY_CREDENTIAL_VERSION: Final = 0x03
RESERVED_IMAGE_TYPES: Final = range(0xFFC4, 0xFFFF)
ANY_MANUFACTURER: Final = 0xFFFF
ANY_IMAGE_TYPE: Final = 0xFFFF
ANY_FILE_VERSION: Final = 0xFFFFFFFF
"""The wildcards of the commands, which no file may carry."""


class OtaFileError(ValueError):
    """Octets that are not the structure they should be, or values that a structure cannot hold."""


class FieldControl(IntFlag):
    """Which optional fields the header has."""

    SECURITY_CREDENTIAL_VERSION = 0x0001
    DEVICE_SPECIFIC = 0x0002
    HARDWARE_VERSIONS = 0x0004


class Tag(IntEnum):
    """Tags of elements. 0x0007 to 0xEFFF are reserved, from 0xF000 on they belong to manufacturers."""

    UPGRADE_IMAGE = 0x0000
    ECDSA_SIGNATURE_1 = 0x0001
    ECDSA_CERTIFICATE_1 = 0x0002
    IMAGE_INTEGRITY_CODE = 0x0003
    PICTURE_DATA = 0x0004
    ECDSA_SIGNATURE_2 = 0x0005
    ECDSA_CERTIFICATE_2 = 0x0006


FIRST_MANUFACTURER_TAG: Final = 0xF000
TAG_NAMES: Final[dict[int, str]] = {
    Tag.UPGRADE_IMAGE: "Upgrade image",
    Tag.ECDSA_SIGNATURE_1: "ECDSA signature (suite 1)",
    Tag.ECDSA_CERTIFICATE_1: "ECDSA signing certificate (suite 1)",
    Tag.IMAGE_INTEGRITY_CODE: "Image integrity code",
    Tag.PICTURE_DATA: "Picture data",
    Tag.ECDSA_SIGNATURE_2: "ECDSA signature (suite 2)",
    Tag.ECDSA_CERTIFICATE_2: "ECDSA signing certificate (suite 2)",
}
FIXED_LENGTHS: Final[dict[int, int]] = {
    Tag.ECDSA_SIGNATURE_1: 50,
    Tag.ECDSA_CERTIFICATE_1: 48,
    Tag.IMAGE_INTEGRITY_CODE: 16,
    Tag.ECDSA_SIGNATURE_2: 80,
    Tag.ECDSA_CERTIFICATE_2: 74,
}
"""Octets of the values of elements that have one length only."""


def tag_name(tag: int) -> str:
    known = TAG_NAMES.get(tag)
    return known or ("Manufacturer specific" if tag >= FIRST_MANUFACTURER_TAG else "Reserved")


def _optional(flag: FieldControl, field: Construct) -> Construct:
    """A field that is there when its flag is set and the header length has room for it."""
    return If(lambda c: c.field_control & flag and c._io.tell() + field.sizeof() <= c.header_length, field)  # noqa: SLF001 -- construct's name


HEADER: Final = Struct(
    "file_identifier" / Const(FILE_IDENTIFIER, UINT32),
    "header_version" / UINT16,
    "header_length" / UINT16,
    "field_control" / UINT16,
    "manufacturer_code" / UINT16,
    "image_type" / UINT16,
    "file_version" / UINT32,
    "stack_version" / UINT16,
    "header_string" / Bytes(HEADER_STRING_LENGTH),
    "total_image_size" / UINT32,
    "security_credential_version" / _optional(FieldControl.SECURITY_CREDENTIAL_VERSION, UINT8),
    "upgrade_file_destination" / _optional(FieldControl.DEVICE_SPECIFIC, UINT64),
    "minimum_hardware_version" / _optional(FieldControl.HARDWARE_VERSIONS, UINT16),
    "maximum_hardware_version" / _optional(FieldControl.HARDWARE_VERSIONS, UINT16),
    "extension" / Bytes(lambda c: max(0, c.header_length - c._io.tell())),  # noqa: SLF001 -- construct's name
)
ELEMENT_HEAD: Final = Struct("tag" / UINT16, "length" / UINT32)
CRC_LENGTH: Final = 4
"""Octets of the CRC-32 that some manufacturers put behind the file."""
TELINK_INFORMATION_LENGTH: Final = 2
"""Octets between length and data of Telink's encrypted element, which its length does not count."""
TELINK_CIPHER_BLOCK: Final = 16
NESTED_HEAD: Final = Struct("kind" / UINT32, "length" / UINT32)
"""In front of the OTA file that Legrand and Insta nest in an Upgrade image element; one octet follows that file."""
NESTED_HEAD_LENGTH: Final = 8
NESTED_SUFFIX_LENGTH: Final = 1


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The header of an OTA file; optional fields that are not there are `None`."""

    header_version: int = HEADER_VERSION
    header_length: int
    """Octets from the file identifier to the first element."""
    field_control: int
    manufacturer_code: int
    image_type: int
    file_version: int
    stack_version: int
    header_string: bytes
    """32 octets, zero padded; not necessarily text."""
    total_image_size: int
    """Octets of header and elements together."""
    security_credential_version: int | None = None
    upgrade_file_destination: int | None = None
    """EUI-64 of the only device the file is for."""
    minimum_hardware_version: int | None = None
    maximum_hardware_version: int | None = None
    extension: bytes = b""
    """Octets that the header length counts and no field claims."""


class Element(msgspec.Struct, frozen=True):
    """One element: its tag and where its value lies."""

    tag: int
    offset: int
    """Of the value, from the start of the octets that were read."""
    length: int
    """Octets of the value."""

    @property
    def start(self) -> int:
        """Offset of the tag."""
        return self.offset - ELEMENT_HEAD_LENGTH

    @property
    def end(self) -> int:
        return self.offset + self.length


class NestedHead(msgspec.Struct, frozen=True):
    """What Legrand and Insta write in front of a nested OTA file."""

    kind: int
    """0x1000, 0x1100 and 0x2000 were seen."""
    length: int
    """Octets of the nested file."""


def length_by_field_control(field_control: int) -> int:
    """How long a header is that has exactly the fields that its field control names."""
    length = SMALLEST_HEADER
    length += 1 if field_control & FieldControl.SECURITY_CREDENTIAL_VERSION else 0
    length += 8 if field_control & FieldControl.DEVICE_SPECIFIC else 0
    length += 4 if field_control & FieldControl.HARDWARE_VERSIONS else 0
    return length


def _parse(structure: Construct, octets: bytes | memoryview, what: str) -> Any:
    try:
        return structure.parse(octets)
    except ConstructError as error:
        raise OtaFileError(f"{what}: the octets end too early or are no such structure") from error


def parse_header(octets: bytes | memoryview) -> Header:
    """The header at the start of `octets`.

    An optional field that the field control names and the header length has no room for is `None`. Raises
    OtaFileError when the file identifier is another or the octets end before the header does.
    """
    parsed = _parse(HEADER, octets[: 1 << 16], "OTA header")
    return Header(**{name: parsed[name] for name in Header.__struct_fields__})


def build_header(header: Header) -> bytes:
    """The octets of a header, with whatever lengths it tells. Raises OtaFileError for values that do not fit."""
    try:
        return HEADER.build(asdict(header))
    except ConstructError as error:
        raise OtaFileError(f"OTA header: {error}") from error


def read_element(octets: bytes | memoryview, position: int) -> Element:
    """The element whose tag is at `position`; its value may reach beyond the octets.

    Raises OtaFileError when the octets end inside tag or length.
    """
    head = _parse(ELEMENT_HEAD, octets[position : position + ELEMENT_HEAD_LENGTH], f"element at octet {position}")
    return Element(head.tag, position + ELEMENT_HEAD_LENGTH, head.length)


def build_element(tag: int, value: bytes) -> bytes:
    return ELEMENT_HEAD.build({"tag": tag, "length": len(value)}) + value


def parse_nested_head(octets: bytes | memoryview) -> NestedHead:
    """The head of a nested file. Raises OtaFileError when the octets end too early."""
    parsed = _parse(NESTED_HEAD, octets, "head of a nested file")
    return NestedHead(parsed.kind, parsed.length)


def build_ota_file(
    *,
    manufacturer_code: int,
    image_type: int,
    file_version: int,
    elements: Iterable[tuple[int, bytes]] = (),
    body: bytes = b"",
    stack_version: int = 0x0002,
    header_string: bytes = b"",
    security_credential_version: int | None = None,
    upgrade_file_destination: int | None = None,
    hardware_versions: tuple[int, int] | None = None,
) -> bytes:
    """A file of header, `elements` (tag and value) and then `body` as it is; field control and lengths are computed.

    `hardware_versions` are the lowest and the highest that may take the image. Raises OtaFileError for values that
    do not fit into their fields.
    """
    if len(header_string) > HEADER_STRING_LENGTH:
        raise OtaFileError(f"a header string has at most {HEADER_STRING_LENGTH} octets, not {len(header_string)}")
    control = FieldControl(0)
    if security_credential_version is not None:
        control |= FieldControl.SECURITY_CREDENTIAL_VERSION
    if upgrade_file_destination is not None:
        control |= FieldControl.DEVICE_SPECIFIC
    if hardware_versions is not None:
        control |= FieldControl.HARDWARE_VERSIONS
    minimum, maximum = hardware_versions or (None, None)
    length = length_by_field_control(control)
    content = b"".join(build_element(tag, value) for tag, value in elements) + body
    header = Header(
        header_length=length,
        field_control=int(control),
        manufacturer_code=manufacturer_code,
        image_type=image_type,
        file_version=file_version,
        stack_version=stack_version,
        header_string=header_string.ljust(HEADER_STRING_LENGTH, b"\0"),
        total_image_size=length + len(content),
        security_credential_version=security_credential_version,
        upgrade_file_destination=upgrade_file_destination,
        minimum_hardware_version=minimum,
        maximum_hardware_version=maximum,
    )
    return build_header(header) + content
