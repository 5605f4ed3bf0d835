"""What an OTA upgrade image is and whether it holds together (ZCL 11.4; GBCS section 11.2).

`examine` takes a file, or an image rebuilt from a capture together with the ranges that it lacks. Each check is valid,
invalid or unknown; a check that needs octets which were not captured is unknown and says which.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Literal

from hanscope.analyzers.results import Check, Image, OtaElement, OtaHeader, Outcome
from hanscope.dissectors.crypto.mmo import Mmo
from hanscope.dissectors.images import gbcs, ota_file
from hanscope.dissectors.images.ota_file import Element, Header, OtaFileError, Tag

SEARCHED: Final = 4096
"""Octets in front of an OTA header that a container may take."""
MOST_ELEMENTS: Final = 10_000
MOST_NESTED: Final = 16
"""Upgrade image elements that are looked into for a nested file."""
MOST_LISTED: Final = 8
LARGEST_HASHED: Final = 16 << 20
"""Octets that an integrity code may cover: AES-MMO takes about 4 s for these."""

Layout = Literal["zigbee-elements", "gbcs-signed", "gbcs-plain", "opaque"]


class _Source:
    """The octets of an image and which of them are not there."""

    def __init__(self, octets: bytes | memoryview, missing: Sequence[tuple[int, int]]) -> None:
        self.octets = memoryview(octets)
        ranges = _merged(missing)
        self.size = max(len(octets), ranges[-1][1]) if ranges else len(octets)
        # Nothing may stand where a rebuilt image lacks its end, not even filling octets.
        self.missing = _merged((*ranges, (len(octets), self.size)))
        self._ends = [end for _, end in self.missing]

    @property
    def partial(self) -> bool:
        return bool(self.missing)

    def lacks(self, start: int, end: int) -> str | None:
        """Which octets of [start, end) were not captured, in words; `None` if all were, or the file simply ends."""
        if not self.missing or start >= end:
            return None
        at = bisect_right(self._ends, start)
        if at < len(self.missing) and self.missing[at][0] < end:
            first, stop = self.missing[at]
            if stop - first == 1:
                return f"octet {first:,} was not captured"
            return f"octets {first:,} to {stop - 1:,} were not captured"
        if end > self.size:
            return f"the octets from {self.size:,} on were not captured"
        return None

    def read(self, start: int, end: int) -> memoryview:
        return self.octets[start:end]


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges in order, joined where they touch; empty ones are left out."""
    merged: list[tuple[int, int]] = []
    for first, end in sorted((max(0, first), end) for first, end in ranges):
        if end <= first:
            continue
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


def examine(
    octets: bytes | memoryview,
    *,
    transfer_id: str | None = None,
    file: str | None = None,
    missing: Sequence[tuple[int, int]] = (),
    expected_size: int | None = None,
    expected_identity: tuple[int, int, int] | None = None,
) -> Image:
    """What the octets of an image are, with every check that can be made on them alone.

    `missing` are the ranges [start, end) that a rebuilt image lacks; what stands there in `octets` is not looked at.
    `expected_size` (octets) and `expected_identity` (manufacturer code, image type, file version) are what the Query
    Next Image Response told. Bad content never raises: it is what the result says.
    """
    source = _Source(octets, missing)
    offset, checks = _locate(source)
    header: Header | None = None
    if offset is not None:
        header, check = _check_header(source, offset)
        checks.append(check)
    content = _Content()
    if header is not None and offset is not None:
        container, container_checks = _check_container(source, offset, header)
        checks += container_checks
        checks.append(_check_total_size(source, offset, header, container))
        content = _examine_content(source, offset, header)
    if expected_size is not None or expected_identity is not None:
        checks.append(_check_query_response(header, expected_size, expected_identity))
    return Image(
        transfer_id=transfer_id,
        file=file,
        size=source.size,
        header=_header_result(header),
        header_offset=offset or 0,
        layout=content.layout,
        elements=tuple(
            OtaElement(
                tag=element.tag, name=ota_file.tag_name(element.tag), offset=element.offset, length=element.length
            )
            for element in content.elements
        ),
        checks=(*checks, *content.checks),
        manufacturer_image_sha256=_manufacturer_image_hash(source, content.manufacturer_image),
        sha256=None if source.partial else sha256(source.octets).hexdigest(),
        partial=source.partial,
        error=_unreadable(checks) if header is None else None,
    )


def _unreadable(checks: list[Check]) -> str | None:
    """Why there is no header, unless that is only because it was not captured."""
    return next((check.detail for check in checks if check.outcome == "invalid"), None)


def _check(name: str, outcome: Outcome, detail: str) -> Check:
    return Check(name=name, outcome=outcome, detail=detail)


def _judged(name: str, problems: list[str], otherwise: str, outcome: Outcome = "valid") -> Check:
    """Invalid if there are problems, else `outcome`."""
    return _check(name, "invalid", _listed(problems, "; ")) if problems else _check(name, outcome, otherwise)


def _listed(items: list[str], separator: str) -> str:
    """The first few of what a hostile file could make many."""
    more = len(items) - MOST_LISTED
    return separator.join(items[:MOST_LISTED]) + (f"{separator}{more:,} more" if more > 0 else "")


# Where the file begins


def _locate(source: _Source) -> tuple[int | None, list[Check]]:
    """Where the OTA header begins, if it can be told."""
    length = len(ota_file.MAGIC)
    reason = source.lacks(0, length)
    if reason is not None:
        return None, [_check("magic", "unknown", reason), *_note_nested_header(source, reason)]
    if bytes(source.read(0, length)) == ota_file.MAGIC:
        return 0, [_check("magic", "valid", "0x0BEEF11E at octet 0")]
    offset = _find_header(source)
    if offset is not None:
        return offset, [_check("magic", "valid", f"0x0BEEF11E at octet {offset:,}, behind a container")]
    reason = source.lacks(0, SEARCHED + length)
    if reason is not None:
        return None, [_check("magic", "unknown", f"not at octet 0; whether a container comes first: {reason}")]
    begin = bytes(source.read(0, length)).hex(" ") or "nothing"
    detail = f"the file begins with {begin}; 1e f1 ee 0b is not in its first {SEARCHED:,} octets"
    return None, [_check("magic", "invalid", detail)]


def _find_header(source: _Source) -> int | None:
    """The first place in the searched octets where a plausible OTA header stands."""
    begin = bytes(source.read(0, SEARCHED + len(ota_file.MAGIC)))
    at = begin.find(ota_file.MAGIC)
    while at >= 0:
        header = _read_header(source, at)
        if (
            header is not None
            and header.header_version == ota_file.HEADER_VERSION
            and header.header_length >= ota_file.SMALLEST_HEADER
        ):
            return at
        at = begin.find(ota_file.MAGIC, at + 1)
    return None


def _read_header(source: _Source, offset: int) -> Header | None:
    """The header at `offset` if all of it is there."""
    if source.lacks(offset, offset + ota_file.SMALLEST_HEADER) is not None:
        return None
    try:
        header = ota_file.parse_header(source.octets[offset:])
    except OtaFileError:
        return None
    return None if source.lacks(offset, offset + header.header_length) is not None else header


def _note_nested_header(source: _Source, reason: str) -> list[Check]:
    """A header further on, when the beginning is missing: clients of nested files do not fetch the outer header."""
    offset = _find_header(source)
    header = None if offset is None else _read_header(source, offset)
    if header is None:
        return []
    detail = f"an OTA file stands at octet {offset} ({_identity(header)}); what it is nested in is not known: {reason}"
    return [_check("nested OTA file", "unknown", detail)]


def _identity(header: Header) -> str:
    return (
        f"manufacturer 0x{header.manufacturer_code:04x}, image type 0x{header.image_type:04x}, "
        f"file version 0x{header.file_version:08x}, {header.total_image_size:,} octets"
    )


# The header


def _check_header(source: _Source, offset: int) -> tuple[Header | None, Check]:
    header = _read_header(source, offset)
    if header is None:
        # Its length is only known once the first 56 octets are; any hole up to the largest header may be the reason.
        reason = source.lacks(offset, offset + ota_file.SMALLEST_HEADER) or source.lacks(offset, offset + (1 << 16))
        if reason is not None:
            return None, _check("header", "unknown", reason)
        return None, _check("header", "invalid", f"the file ends inside the header, at octet {source.size:,}")
    extension = f", {len(header.extension)} of them reserved extension" if header.extension else ""
    detail = f"version 0x0100, {header.header_length} octets{extension}, field control 0x{header.field_control:04x}"
    return header, _judged("header", _header_problems(header), detail)


def _header_problems(header: Header) -> list[str]:
    """What the header says that no header may say."""
    needed = ota_file.length_by_field_control(header.field_control)
    credentials = header.security_credential_version
    lowest, highest = header.minimum_hardware_version, header.maximum_hardware_version
    rules = [
        (header.header_version != ota_file.HEADER_VERSION, f"version 0x{header.header_version:04x} is not 0x0100"),
        (
            header.header_length < needed,
            f"{header.header_length} octets are too few for field control 0x{header.field_control:04x} ({needed})",
        ),
        (header.field_control > 0x0007, f"field control 0x{header.field_control:04x} has reserved bits"),
        (header.manufacturer_code == ota_file.ANY_MANUFACTURER, "manufacturer code 0xffff is the wildcard"),
        (header.image_type == ota_file.ANY_IMAGE_TYPE, "image type 0xffff is the wildcard"),
        (
            header.image_type in ota_file.RESERVED_IMAGE_TYPES,
            f"image type 0x{header.image_type:04x} is reserved",
        ),
        (header.file_version == ota_file.ANY_FILE_VERSION, "file version 0xffffffff is the wildcard"),
        (
            header.stack_version > ota_file.LAST_STACK_VERSION,
            f"stack version 0x{header.stack_version:04x} is reserved",
        ),
        (
            credentials is not None and credentials > ota_file.LAST_SECURITY_CREDENTIAL_VERSION,
            f"security credential version {credentials} is reserved",
        ),
        (
            lowest is not None and highest is not None and lowest > highest,
            "the minimum hardware version is above the maximum",
        ),
        (
            header.total_image_size < header.header_length,
            f"the total size of {header.total_image_size} octets ends inside the header",
        ),
    ]
    return [problem for broken, problem in rules if broken]


def _header_result(header: Header | None) -> OtaHeader | None:
    if header is None:
        return None
    destination = header.upgrade_file_destination
    return OtaHeader(
        header_version=header.header_version,
        header_length=header.header_length,
        field_control=header.field_control,
        manufacturer_code=header.manufacturer_code,
        image_type=header.image_type,
        file_version=header.file_version,
        stack_version=header.stack_version,
        header_string=_text(header.header_string),
        total_image_size=header.total_image_size,
        security_credential_version=header.security_credential_version,
        destination_eui64=None if destination is None else destination.to_bytes(8, "big").hex(":"),
        minimum_hardware_version=header.minimum_hardware_version,
        maximum_hardware_version=header.maximum_hardware_version,
    )


def _text(octets: bytes) -> str:
    r"""Octets up to the padding, those that are no printable ASCII as \xNN: a terminal must not obey a file."""
    return "".join(chr(o) if 0x20 <= o < 0x7F else f"\\x{o:02x}" for o in octets.rstrip(b"\0"))


# What surrounds the file

_Container = Literal["none", "IKEA", "Legrand", "unknown"]


def _check_container(source: _Source, offset: int, header: Header) -> tuple[_Container, list[Check]]:
    if offset == 0:
        return "none", []
    ikea = ota_file.parse_ikea_container(source.read(0, offset))
    if ikea is not None:
        problems: list[str] = []
        if ikea.offset != offset:
            problems.append(f"the NGIS container puts the file at octet {ikea.offset:,}, it is at {offset:,}")
        if ikea.size != header.total_image_size:
            problems.append(f"the NGIS container says {ikea.size:,} octets, the header {header.total_image_size:,}")
        return "IKEA", [_judged("container", problems, "IKEA's NGIS container tells the place and size of the file")]
    if offset == ota_file.LEGRAND_PREFIX_LENGTH:
        prefix = ota_file.parse_legrand_prefix(source.read(0, offset))
        if prefix == header.total_image_size:
            return "Legrand", [_check("container", "valid", "Legrand's length prefix tells the size of the file")]
        detail = (
            f"4 octets come first, as in Legrand's files; they say {prefix:,}, the header {header.total_image_size:,}"
        )
        return "Legrand", [_check("container", "unknown", detail)]
    return "unknown", [_check("container", "unknown", f"what comes first ({offset:,} octets) is no known container")]


def _check_total_size(source: _Source, offset: int, header: Header, container: _Container) -> Check:
    end = offset + header.total_image_size
    behind = source.size - end
    told = f"the header says {header.total_image_size:,} octets"
    if behind < 0:
        if source.partial:
            return _check("total size", "unknown", f"{told}; {source.lacks(source.size, end)}")
        return _check("total size", "invalid", f"{told}; the file ends {-behind:,} octets before")
    if behind == 0:
        before = f", behind {offset:,} octets of container" if offset else ""
        return _check("total size", "valid", f"{told} and the file ends there{before}")
    outcome, explanation = _explain_octets_behind(source, offset, end, container)
    return _check("total size", outcome, f"{told}; {behind:,} more octets follow: {explanation}")


def _explain_octets_behind(source: _Source, offset: int, end: int, container: _Container) -> tuple[Outcome, str]:
    behind = source.size - end
    if container == "IKEA" and behind == ota_file.IKEA_SIGNATURE_LENGTH:
        return "valid", "the signature of IKEA's container (not verified)"
    if container == "Legrand" and behind == ota_file.LEGRAND_SUFFIX_LENGTH:
        return "valid", "as in Legrand's container"
    if behind == ota_file.CRC_LENGTH:
        return _compare_crc(source, offset, end)
    return "invalid", "nothing explains them"


def _compare_crc(source: _Source, offset: int, end: int) -> tuple[Outcome, str]:
    """Whether the 4 octets behind the file are its CRC-32, as some manufacturers append it."""
    reason = source.lacks(offset, source.size)
    if reason is not None:
        return "unknown", f"perhaps a CRC-32 of the file; {reason}"
    crc = zlib.crc32(source.read(offset, end))
    told = int.from_bytes(source.read(end, source.size), "little")
    if told == crc:
        return "valid", "the CRC-32 of the file"
    if told == crc ^ 0xFFFFFFFF:
        return "valid", "the CRC-32 of the file (without the final inversion)"
    return "invalid", "they are not the CRC-32 of the file"


def _check_query_response(header: Header | None, size: int | None, identity: tuple[int, int, int] | None) -> Check:
    name = "query response"
    if header is None:
        return _check(name, "unknown", "there is no header to compare with")
    compared: list[tuple[str, int, int, str]] = []
    if size is not None:
        compared.append(("image size", size, header.total_image_size, "d"))
    if identity is not None:
        manufacturer, image_type, version = identity
        compared.append(("manufacturer code", manufacturer, header.manufacturer_code, "#06x"))
        compared.append(("image type", image_type, header.image_type, "#06x"))
        compared.append(("file version", version, header.file_version, "#010x"))
    problems = [
        f"{what}: {offered:{form}} was offered, the header says {told:{form}}"
        for what, offered, told, form in compared
        if offered != told
    ]
    return _judged(name, problems, f"the header agrees: {', '.join(what for what, *_ in compared)}")


# What follows the header


@dataclass(frozen=True, slots=True)
class _Content:
    """What follows the header."""

    layout: Layout = "opaque"
    elements: tuple[Element, ...] = ()
    checks: tuple[Check, ...] = ()
    manufacturer_image: tuple[int, int] | None = None
    """The octets [start, end) of a GBCS Manufacturer Image."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far elements could be followed from the end of the header."""

    elements: tuple[Element, ...]
    ends: bool | None
    """Whether they end exactly at the total size; `None`: not known."""
    detail: str


def _examine_content(source: _Source, offset: int, header: Header) -> _Content:
    start, end = offset + header.header_length, offset + header.total_image_size
    if header.header_length < ota_file.SMALLEST_HEADER:
        detail = "the header's length cannot be, so where elements would begin is not known"
        return _Content(checks=(_check("elements", "unknown", detail),))
    walk = _walk(source, start, end)
    if walk.ends is None:
        checks = (
            _check("elements", "unknown", walk.detail),
            _check("GB layout", "unknown", "whether the image consists of elements is not known"),
        )
        return _Content(elements=walk.elements, checks=checks)
    if walk.ends:
        checks = (
            _check_elements(walk),
            _check_integrity_code(source, offset, walk.elements),
            _check_signature(source, walk.elements),
            *_check_nested(source, walk.elements),
            *_note_trailer_in_element(source, walk.elements),
        )
        return _Content("zigbee-elements", walk.elements, checks)
    return _examine_gb(source, header, start, end, walk)


class _WalkStopsError(Exception):
    """Elements cannot be followed further: there are none (`ends` False) or it is not known (`ends` None)."""

    def __init__(self, detail: str, *, ends: bool | None = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.ends = ends


def _walk(source: _Source, start: int, end: int) -> _Walk:
    """Follow elements from `start`, strictly, to `end`, which must be hit exactly."""
    if start >= end:
        return _Walk((), ends=False, detail="no element follows the header")
    elements: list[Element] = []
    position = start
    try:
        while position < end:
            elements.append(_next_element(source, len(elements), position, end))
            position = elements[-1].end
    except _WalkStopsError as stop:
        if not _is_telink_encrypted(elements, end):
            return _Walk(tuple(elements), stop.ends, stop.detail)
        data = replace(elements[0], offset=elements[0].offset + ota_file.TELINK_INFORMATION_LENGTH)
        detail = "1 element, in Telink's encrypted form: its length leaves out 2 octets between it and the data"
        return _Walk((data,), ends=True, detail=detail)
    count = "1 element ends" if len(elements) == 1 else f"{len(elements):,} elements end"
    return _Walk(tuple(elements), ends=True, detail=f"{count} exactly at the total size")


def _next_element(source: _Source, index: int, position: int, end: int) -> Element:
    """The element at `position`, which must lie within `end` and, unless parts are known to lack, within the file."""
    where = f"element {index:,} at octet {position:,}"
    head_end = position + ota_file.ELEMENT_HEAD_LENGTH
    if index == MOST_ELEMENTS:
        raise _WalkStopsError(f"more than {MOST_ELEMENTS:,} elements", ends=None)
    if head_end > end:
        raise _WalkStopsError(f"{end - position} octets are left over at octet {position:,}, too few for an element")
    reason = source.lacks(position, head_end)
    if reason is not None:
        raise _WalkStopsError(reason, ends=None)
    if head_end > source.size:
        raise _WalkStopsError(f"the file ends before {where}")
    element = ota_file.read_element(source.octets, position)
    described = f"{where} (tag 0x{element.tag:04x}, {element.length:,} octets)"
    if element.end > end:
        raise _WalkStopsError(f"{described} would end {element.end - end:,} octets beyond the total size")
    if element.tag == Tag.UPGRADE_IMAGE and element.length == 0:
        raise _WalkStopsError(f"{described} is an Upgrade image without content")
    if element.end > source.size and not source.partial:
        raise _WalkStopsError(f"the file ends inside {described}")
    return element


def _is_telink_encrypted(elements: list[Element], end: int) -> bool:
    """Whether the only element is Telink's AES-ECB form, with 2 octets that its length does not count."""
    return (
        len(elements) == 1
        and elements[0].tag == ota_file.FIRST_MANUFACTURER_TAG
        and elements[0].length > 0
        and elements[0].length % ota_file.TELINK_CIPHER_BLOCK == 0
        and end - elements[0].end == ota_file.TELINK_INFORMATION_LENGTH
    )


def _check_elements(walk: _Walk) -> Check:
    problems = [
        f"{ota_file.tag_name(element.tag)} at octet {element.start:,} has {element.length:,} octets, not {fixed}"
        for element in walk.elements
        if (fixed := ota_file.FIXED_LENGTHS.get(element.tag)) is not None and element.length != fixed
    ]
    reserved = sorted(
        {e.tag for e in walk.elements if Tag.ECDSA_CERTIFICATE_2 < e.tag < ota_file.FIRST_MANUFACTURER_TAG}
    )
    note = f"; reserved tags: {_listed([f'0x{tag:04x}' for tag in reserved], ', ')}" if reserved else ""
    return _judged("elements", problems, walk.detail + note)


def _check_integrity_code(source: _Source, offset: int, elements: tuple[Element, ...]) -> Check:
    """AES-MMO over the file up to the code; what exactly is covered differs between manufacturers."""
    name = "integrity code"
    codes = [element for element in elements if element.tag == Tag.IMAGE_INTEGRITY_CODE]
    if not codes:
        return _check(name, "unknown", "the file carries none")
    code = codes[-1]
    if code.length != ota_file.FIXED_LENGTHS[Tag.IMAGE_INTEGRITY_CODE]:
        return _check(name, "invalid", f"it has {code.length:,} octets instead of 16")
    reason = source.lacks(offset, code.end)
    if reason is not None:
        return _check(name, "unknown", reason)
    if code.start - offset > LARGEST_HASHED:
        return _check(name, "unknown", f"it covers more than {LARGEST_HASHED:,} octets, which would take too long")
    which = f" (the last of {len(codes)} codes)" if len(codes) > 1 else ""
    variant = _integrity_variant(source, offset, code)
    if variant is None:
        return _check(name, "invalid", f"it is not the AES-MMO of the file in any of the three known ways{which}")
    return _check(name, "valid", variant + which)


def _integrity_variant(source: _Source, offset: int, code: Element) -> str | None:
    """In which of the ways that were met in real files the code belongs to the octets before it."""
    told = bytes(source.read(code.offset, code.end))
    mmo = Mmo().update(source.read(offset, code.start))
    if told == mmo.digest():
        return "variant A: AES-MMO of the file up to the element"
    if told == mmo.digest_with_short_length():
        return "variant C: as A, with a length of 16 bits in the padding"
    if told == mmo.update(source.read(code.start, code.offset)).digest():
        return "variant B: AES-MMO of the file up to the code, its tag and length included"
    return None


_SUITES: Final = {
    1: (Tag.ECDSA_SIGNATURE_1, Tag.ECDSA_CERTIFICATE_1),
    2: (Tag.ECDSA_SIGNATURE_2, Tag.ECDSA_CERTIFICATE_2),
}


def _check_signature(source: _Source, elements: tuple[Element, ...]) -> Check:
    """The structure of an ECDSA signature. Verifying it needs the public key of the certificate authority."""
    name = "signature"
    signatures = {suite: [e for e in elements if e.tag == tags[0]] for suite, tags in _SUITES.items()}
    certificates = {suite: [e for e in elements if e.tag == tags[1]] for suite, tags in _SUITES.items()}
    found = [suite for suite in _SUITES if signatures[suite] or certificates[suite]]
    if not found:
        return _check(name, "unknown", "the file carries none")
    if len(found) > 1:
        return _check(name, "invalid", "elements of both suites in one file")
    suite = found[0]
    signed, certified = signatures[suite], certificates[suite]
    if not signed:
        return _check(name, "invalid", "a signing certificate without a signature")
    rules = [
        (len(signed) > 1, f"{len(signed)} signatures"),
        (len(certified) > 1, f"{len(certified)} signing certificates"),
        (elements[-1] is not signed[-1], "the signature is not the last element"),
        (
            any(element.length != ota_file.FIXED_LENGTHS[element.tag] for element in (*signed, *certified)),
            "a length that the suite does not have",
        ),
    ]
    at = signed[-1].offset
    signer = (
        "signer not captured"
        if source.lacks(at, at + 8) is not None
        else f"signer {bytes(source.read(at, at + 8))[::-1].hex(':')}"
    )
    certificate = "with" if certified else "without"
    return _judged(
        name,
        [problem for broken, problem in rules if broken],
        f"suite {suite}, {signer}, {certificate} signing certificate; not verified: no CA key",
        "unknown",
    )


def _check_nested(source: _Source, elements: tuple[Element, ...]) -> list[Check]:
    """OTA files inside Upgrade images, with a head of their own in front (Legrand, Insta)."""
    images = [element for element in elements if element.tag == Tag.UPGRADE_IMAGE][:MOST_NESTED]
    return [check for element in images for check in _check_nested_in(source, element)]


def _check_nested_in(source: _Source, element: Element) -> list[Check]:
    at = element.offset + ota_file.NESTED_HEAD_LENGTH
    header = None if at >= element.end else _read_header(source, at)
    if header is None:
        return []
    found = f"at octet {at:,}: {_identity(header)}"
    reason = source.lacks(element.offset, at)
    if reason is not None:
        return [_check("nested OTA file", "unknown", f"{found}; {reason}")]
    head = ota_file.parse_nested_head(source.read(element.offset, at))
    around = ota_file.NESTED_HEAD_LENGTH + ota_file.NESTED_SUFFIX_LENGTH
    problems: list[str] = []
    if head.length != header.total_image_size:
        problems.append(f"{found}; the head in front of it says {head.length:,} octets")
    if element.length != header.total_image_size + around:
        problems.append(f"{found}; the element has {element.length:,} octets, not {around} more than the nested file")
    return [_judged("nested OTA file", problems, f"{found}; the lengths agree")]


# Great Britain's layouts


def _note_trailer_in_element(source: _Source, elements: tuple[Element, ...]) -> list[Check]:
    """A GBCS trailer at the end of an element. The published samples have no elements, so this decides nothing."""
    last = elements[-1]
    at = last.end - gbcs.TRAILER_LENGTH
    if last.tag != Tag.UPGRADE_IMAGE or at < last.offset or source.lacks(at, last.end) is not None:
        return []
    if gbcs.parse_trailer(source.read(at, last.end)) is None:
        return []
    detail = "00 40 and 64 octets end the Upgrade image element; that GB images come inside elements is not confirmed"
    return [_check("GB layout", "unknown", detail)]


def _examine_gb(source: _Source, header: Header, start: int, end: int, walk: _Walk) -> _Content:
    """An image that does not consist of elements: signed or plain GBCS, or something that cannot be named."""

    def opaque(detail: str) -> _Content:
        checks = (_check("elements", "invalid", walk.detail), _check("GB layout", "unknown", detail))
        return _Content(elements=walk.elements, checks=checks)

    trailer_at = end - gbcs.TRAILER_LENGTH
    if start >= end or (end > source.size and not source.partial):
        return opaque("the end of the image is not there to look for a trailer")
    reason = source.lacks(max(start, trailer_at), end)
    if reason is not None:
        detail = f"{walk.detail}; it may be a GB image without elements: {reason}"
        checks = (_check("elements", "unknown", detail), _check("GB layout", "unknown", reason))
        return _Content(elements=walk.elements, checks=checks)
    trailer = gbcs.parse_trailer(source.read(trailer_at, end)) if trailer_at > start else None
    if trailer is not None:
        detail = (
            f"no elements; 00 40 and 64 octets of signature end the image; "
            f"Manufacturer Image: octets {start:,} to {trailer_at - 1:,} ({trailer_at - start:,})"
        )
        checks = (_check("GB layout", "valid", detail), _check_authorising_signature(trailer))
        return _Content("gbcs-signed", checks=checks, manufacturer_image=(start, trailer_at))
    evidence = f"image type 0x{header.image_type:04x}, field control 0x{header.field_control:04x}"
    sample_header = header.field_control == gbcs.HEADER_FIELD_CONTROL
    if sample_header and header.image_type == gbcs.DeviceType.PPMID:
        detail = (
            f"no elements and no trailer; {evidence}, as in the published sample of a PPMID's image; "
            "that the image type tells the kind of device is UNCONFIRMED"
        )
        return _Content("gbcs-plain", checks=(_check("GB layout", "unknown", detail),), manufacturer_image=(start, end))
    if sample_header and header.image_type in {gbcs.DeviceType.ESME, gbcs.DeviceType.GSME, gbcs.DeviceType.HCALCS}:
        detail = f"no 00 40 before the last 64 octets, though {evidence} are those of a GB meter's image (UNCONFIRMED)"
        return opaque(detail)
    return opaque(f"no 00 40 before the last 64 octets; {evidence} do not speak for a PPMID's image either")


def _check_authorising_signature(trailer: gbcs.Trailer) -> Check:
    problems = [] if trailer.signature_possible else ["r or s is no number that an ECDSA P-256 signature can have"]
    return _judged("authorising signature", problems, "not verified: needs the supplier's certificate", "unknown")


def _manufacturer_image_hash(source: _Source, octets: tuple[int, int] | None) -> str | None:
    if octets is None or source.lacks(*octets) is not None:
        return None
    return gbcs.manufacturer_image_hash(source.read(*octets)).hex()
