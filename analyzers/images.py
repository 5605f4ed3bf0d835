"""What an OTA upgrade image is and whether it holds together (ZCL 11.4; GBCS section 11.2).

`examine` takes a file, or an image rebuilt from a capture together with the ranges that it lacks. Each check is valid,
invalid or unknown; a check that needs octets which were not captured is unknown and says which.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from hanscope.analyzers.gb_images import GbContent, examine_gb, examine_in_element
from hanscope.analyzers.image_content import (
    Content,
    checks_of_damaged,
    identity,
    is_unnamed,
    listed,
    of_elements,
    of_reached,
    read_header,
    recognised,
)
from hanscope.analyzers.results import Check, Image, OtaElement, OtaHeader
from hanscope.dissectors.images import elements, gbcs, legrand, ngis, ota_file, third_reality, trailing_crc
from hanscope.dissectors.images.filling import padded_with
from hanscope.dissectors.images.format import Context, Judgement, Outcome, near, octets_told
from hanscope.dissectors.images.octets import Octets, View
from hanscope.dissectors.images.ota_file import Element, Header
from hanscope.dissectors.images.vendor_elements import tag_use

if TYPE_CHECKING:
    from hanscope.analyzers.certificates import Certificates

CAPTURES: Final = {bytes.fromhex(magic) for magic in ("0a0d0d0a", "d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d")}
"""How pcapng and pcap files begin."""
SEARCHED: Final = 4096
"""Octets in front of an OTA header that a container may take."""

Layout = Literal["zigbee-elements", "gbcs-signed", "gbcs-plain", "opaque"]


def examine(
    octets: bytes | memoryview,
    *,
    transfer_id: str | None = None,
    file: str | None = None,
    missing: Sequence[tuple[int, int]] = (),
    open_ended: bool = False,
    expected_size: int | None = None,
    expected_identity: tuple[int, int, int] | None = None,
    certificates: "Certificates | None" = None,
    ca_keys: Sequence[bytes] = (),
) -> Image:
    """What the octets of an image are, with every check that can be made on them alone.

    `missing` are the ranges [start, end) that a rebuilt image lacks; what stands there in `octets` is not looked at;
    `open_ended`: nobody knows its size, so that it may lack its end too.
    `expected_size` (octets) and `expected_identity` (manufacturer code, image type, file version) are what the Query
    Next Image Response told. With `certificates` of suppliers a GB image's authorising signature is verified, with
    `ca_keys` (compressed points, 22 or 37 octets) the ECDSA signature of an OTA file. Bad content never raises: it is
    what the result says.
    """
    source = Octets(octets, missing, open_ended=open_ended)
    offset, checks = _locate(source)
    header: Header | None = None
    if offset is not None:
        header, check = _check_header(source, offset)
        checks.append(check)
    container: str | None = None
    found = GbContent("opaque", Content((), (), None, ()))
    layout: Layout = "opaque"
    if header is not None and offset is not None:
        container, surrounding = _check_surroundings(source, offset, header)
        checks += surrounding
        layout, found = _examine_content(source, offset, header, certificates, tuple(ca_keys))
    elif offset is None and source.partial:
        found = replace(found, content=_content_of_nested(source))
    if expected_size is not None or expected_identity is not None:
        checks.append(_check_query_response(header, offset or 0, expected_size, expected_identity))
    checks += found.content.checks
    return Image(
        transfer_id=transfer_id,
        file=file,
        size=source.size,
        header=_header_result(header),
        header_offset=offset or 0,
        layout=layout,
        elements=_element_results(header, found.content),
        checks=tuple(_check_result(one) for one in checks),
        manufacturer_image_sha256=_manufacturer_image_hash(source, found.manufacturer_image),
        sha256=None if source.partial else sha256(source.octets).hexdigest(),
        partial=source.partial,
        error=_unreadable(checks) if header is None else None,
        container=container,
        inner_format=found.content.main,
        vouched_octets=_vouched(checks, offset or 0, header),
    )


def _check_result(judged: Judgement) -> Check:
    covers = tuple((start, end) for start, end in judged.covers if start < end)
    return Check(name=judged.name, outcome=judged.outcome, detail=judged.detail, covers=covers)


def _unreadable(checks: list[Judgement]) -> str | None:
    """Why there is no header, unless that is only because it was not captured."""
    return next((check.detail for check in checks if check.outcome == "invalid"), None)


def _judged(name: str, problems: list[str], otherwise: str, covers: Iterable[tuple[int, int]] = ()) -> Judgement:
    """Invalid if there are problems, else valid."""
    if problems:
        return Judgement(name, "invalid", listed(problems, "; "))
    return Judgement(name, "valid", otherwise, tuple(covers))


def _vouched(checks: list[Judgement], offset: int, header: Header | None) -> int:
    """How many octets of the OTA file are covered by checks that are valid."""
    if header is None:
        return 0
    end = offset + header.total_image_size
    spans = sorted((max(start, offset), min(stop, end)) for check in checks for start, stop in check.vouches)
    total, reached = 0, offset
    for start, stop in spans:
        total += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return total


# Where the file begins


def _locate(source: Octets) -> tuple[int | None, list[Judgement]]:
    """Where the OTA header begins, if it can be told."""
    length = len(ota_file.MAGIC)
    reason = source.lacks(0, length)
    if reason is not None:
        return None, [Judgement("magic", "unknown", reason), *_note_nested_header(source, reason)]
    if bytes(source.read(0, length)) == ota_file.MAGIC:
        return 0, [Judgement("magic", "valid", "0x0BEEF11E at octet 0", ((0, length),))]
    damaged = _find_damaged(source)
    offset = _find_told(source) or (_find_header(source) if damaged != 0 else None)
    if offset is not None and (damaged is None or offset <= damaged):
        detail = f"0x0BEEF11E at octet {offset:,}, behind a container"
        return offset, [Judgement("magic", "valid", detail, ((offset, offset + length),))]
    if damaged is not None:
        detail = f"one bit of 1e f1 ee 0b is wrong, at octet {damaged:,}"
        return damaged, [Judgement("magic", "invalid", detail)]
    reason = source.lacks(0, SEARCHED + length)
    if reason is not None:
        return None, [Judgement("magic", "unknown", f"not at octet 0; whether a container comes first: {reason}")]
    return None, [Judgement("magic", "invalid", _what_else(source))]


def _what_else(source: Octets) -> str:
    """What a file is that has no OTA header."""
    begin = bytes(source.read(0, len(ota_file.MAGIC)))
    if not begin:
        return "the file is empty"
    name, _ = recognised(source.view(), Context())
    named = "" if is_unnamed(name) else f": {name}, without the OTA file that it would come in"
    if begin in CAPTURES:
        named = ": a capture; `hanscope analyze` reads those"
    searched = f" is not in its first {SEARCHED:,} octets" if source.size > SEARCHED else " is not in it"
    return f"the file begins with {begin.hex(' ')}{named}; 1e f1 ee 0b{searched}"


def _find_told(source: Octets) -> int | None:
    """Where a container says that the header is, if it is there."""
    view = source.view()
    at = ngis.offset_told(view) if ngis.is_there(view) else 0
    return at if at and view.peek(at, at + 4) == ota_file.MAGIC and read_header(source, at) is not None else None


def _find_header(source: Octets) -> int | None:
    """The first place in the searched octets where a plausible OTA header stands."""
    begin = bytes(source.read(0, SEARCHED + len(ota_file.MAGIC)))
    at = begin.find(ota_file.MAGIC)
    while at >= 0:
        if _is_plausible(source, at):
            return at
        at = begin.find(ota_file.MAGIC, at + 1)
    return None


def _find_damaged(source: Octets) -> int | None:
    """Where a header should stand and does, but for one bit of its file identifier."""
    view = source.view()
    places = [0, legrand.PREFIX, third_reality.PREFIX]
    if ngis.is_there(view):
        places.insert(0, ngis.offset_told(view))
    for at in places:
        octets = view.peek(at, at + 4)
        if octets != ota_file.MAGIC and near(octets, ota_file.MAGIC) and _is_plausible(source, at):
            return at
    return None


def _is_plausible(source: Octets, at: int) -> bool:
    """Whether a header of the right version, give or take a bit, stands there."""
    header = read_header(source, at)
    return header is not None and (header.header_version ^ ota_file.HEADER_VERSION).bit_count() <= 1


def _note_nested_header(source: Octets, reason: str) -> list[Judgement]:
    """A header further on, when the beginning is missing: clients of nested files do not fetch the outer header."""
    offset = _find_header(source)
    header = None if offset is None else read_header(source, offset)
    if header is None:
        return []
    detail = f"an OTA file stands at octet {offset} ({identity(header)}); what it is nested in is not known: {reason}"
    return [Judgement("nested OTA file", "unknown", detail)]


def _content_of_nested(source: Octets) -> Content:
    """What the nested file holds whose outer header was not captured. Its checks are not told: where it ends is not
    known.
    """
    offset = _find_header(source)
    header = None if offset is None else read_header(source, offset)
    if offset is None or header is None or offset < ota_file.NESTED_HEAD_LENGTH:
        return Content((), (), None, ())
    end = offset + header.total_image_size + ota_file.NESTED_SUFFIX_LENGTH
    name, _ = recognised(source.view(offset - ota_file.NESTED_HEAD_LENGTH, end), Context())
    return Content((), (), name, ())


# The header


def _check_header(source: Octets, offset: int) -> tuple[Header | None, Judgement]:
    header = read_header(source, offset)
    if header is None:
        # Its length is only known once the first 56 octets are; any hole up to the largest header may be the reason.
        reason = source.lacks(offset, offset + ota_file.SMALLEST_HEADER) or source.lacks(offset, offset + (1 << 16))
        if reason is not None:
            return None, Judgement("header", "unknown", reason)
        return None, Judgement("header", "invalid", f"the file ends inside the header, at octet {source.size:,}")
    extension = f", {len(header.extension)} of them reserved extension" if header.extension else ""
    detail = f"version 0x0100, {header.header_length} octets{extension}, field control 0x{header.field_control:04x}"
    return header, _judged("header", _header_problems(header), detail, [(offset + 4, offset + 6)])


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


def _check_surroundings(source: Octets, offset: int, header: Header) -> tuple[str | None, list[Judgement]]:
    """The container's name, and the checks of it and of the total size."""
    container, checks = _check_container(source, offset, header)
    behind = source.size - offset - header.total_image_size
    crc: Judgement | None = None
    if container is None and _is_crc_behind(source, offset, header, behind):
        crc = trailing_crc.check(source.view(offset))
        checks.append(crc)
        container = trailing_crc.NAME if crc.outcome == "valid" else None
    return container, [*checks, _check_total_size(source, offset, header, container, crc)]


def _check_container(source: Octets, offset: int, header: Header) -> tuple[str | None, list[Judgement]]:
    view, size = source.view(), header.total_image_size
    if offset == 0:
        return None, []
    if ngis.is_there(view):
        return ngis.NAME, [ngis.check(view, offset, size), ngis.check_hashes(view, offset)]
    if offset == legrand.PREFIX:
        return legrand.NAME, [legrand.check(view, size)]
    if offset == third_reality.PREFIX:
        return third_reality.NAME, [third_reality.check(view)]
    detail = f"what comes first ({octets_told(offset)}) is no known container"
    return "unknown", [Judgement("container", "unknown", detail)]


def _is_crc_behind(source: Octets, offset: int, header: Header, behind: int) -> bool:
    """Whether 4 octets that are no filling follow the file, as its header or, should that be damaged, as its elements
    tell.
    """
    if padded_with(source.view(max(0, source.size - trailing_crc.LENGTH)).peek(0, trailing_crc.LENGTH)) is not None:
        return False
    if behind == trailing_crc.LENGTH:
        return True
    if source.partial or header.header_length < ota_file.SMALLEST_HEADER:
        return False
    return source.size - elements.end_of_elements(source, offset + header.header_length) == trailing_crc.LENGTH


def _check_total_size(
    source: Octets, offset: int, header: Header, container: str | None, crc: Judgement | None
) -> Judgement:
    name = "total size"
    end = offset + header.total_image_size
    behind = source.size - end
    told = f"the header says {header.total_image_size:,} octets"
    covers = ((offset + 52, offset + 56),)
    if behind < 0:
        if source.partial:
            return Judgement(name, "unknown", f"{told}; {source.lacks(source.size, end)}")
        return Judgement(name, "invalid", f"{told}; the file ends {octets_told(-behind)} before")
    if behind == 0 and container == ngis.NAME:
        return Judgement(name, "invalid", f"{told}: that leaves no room for the signature of IKEA's container")
    if behind == 0 and crc is not None:
        detail = f"{told}: the file ends there, but its elements end {trailing_crc.LENGTH} octets before: {crc.detail}"
        return Judgement(name, crc.outcome, detail)
    if behind == 0:
        before = f", behind {offset:,} octets of container" if offset else ""
        return Judgement(name, "valid", f"{told} and the file ends there{before}", covers)
    outcome, explanation = _explain_octets_behind(source.view(end), container, crc)
    more = f"{behind:,} more octet{' follows' if behind == 1 else 's follow'}"
    detail = f"{told}; {more}: {explanation}"
    return Judgement(name, outcome, detail, covers if outcome == "valid" else ())


def _explain_octets_behind(rest: View, container: str | None, crc: Judgement | None) -> tuple[Outcome, str]:
    behind = rest.size
    if container == ngis.NAME and behind == ngis.SIGNATURE_LENGTH:
        return "valid", "the signature of IKEA's container (not verified)"
    if container == legrand.NAME and behind == legrand.SUFFIX:
        return "valid", "as in Legrand's container"
    if behind == trailing_crc.LENGTH and crc is not None:
        return crc.outcome, "its CRC-32" if crc.outcome == "valid" else "not its CRC-32"
    if (filler := padded_with(rest.peek(0, behind))) is not None:
        return "invalid", f"filling of 0x{filler:02x} that the header does not count"
    return "invalid", f"nothing explains {'it' if behind == 1 else 'them'}"


def _check_query_response(
    header: Header | None, offset: int, size: int | None, offered: tuple[int, int, int] | None
) -> Judgement:
    name = "query response"
    if header is None:
        return Judgement(name, "unknown", "there is no header to compare with")
    compared: list[tuple[str, int, int, str]] = []
    if size is not None:
        compared.append(("image size", size, header.total_image_size, "d"))
    covers: list[tuple[int, int]] = []
    if size is not None:
        covers.append((offset + 52, offset + 56))
    if offered is not None:
        covers.append((offset + 10, offset + 18))
        manufacturer, image_type, version = offered
        compared.append(("manufacturer code", manufacturer, header.manufacturer_code, "#06x"))
        compared.append(("image type", image_type, header.image_type, "#06x"))
        compared.append(("file version", version, header.file_version, "#010x"))
    problems = [
        f"{what}: {expected:{form}} was offered, the header says {told:{form}}"
        for what, expected, told, form in compared
        if expected != told
    ]
    return _judged(name, problems, f"the header agrees: {', '.join(what for what, *_ in compared)}", covers)


# What follows the header


def _examine_content(
    source: Octets, offset: int, header: Header, certificates: "Certificates | None", ca_keys: tuple[bytes, ...]
) -> tuple[Layout, GbContent]:
    if header.header_length < ota_file.SMALLEST_HEADER:
        detail = "the header's length cannot be, so where elements would begin is not known"
        checks = (Judgement("elements", "unknown", detail), *checks_of_damaged(source, offset))
        return "opaque", GbContent("opaque", Content((), (), None, checks))
    walk = elements.walk(source, offset + header.header_length, offset + header.total_image_size)
    if walk.ends is None:
        checks = (
            Judgement("elements", "unknown", walk.detail),
            Judgement("GB layout", "unknown", "whether the image consists of elements is not known"),
        )
        reached = of_reached(source, header, walk)
        return "opaque", GbContent("opaque", replace(reached, checks=(*checks, *reached.checks)))
    if walk.ends:
        content = of_elements(source, offset, header, walk, ca_keys)
        checks, manufacturer_image = examine_in_element(source, walk.elements, certificates)
        content = replace(content, checks=(*content.checks, *checks))
        return "zigbee-elements", GbContent("opaque", content, manufacturer_image)
    found = examine_gb(source, offset, header, walk, certificates)
    return found.layout, found


def _element_results(header: Header | None, content: Content) -> tuple[OtaElement, ...]:
    return tuple(
        OtaElement(
            tag=element.tag,
            name=_element_name(header, element),
            offset=element.offset,
            length=element.length,
            format=name,
        )
        for element, name in zip(content.elements, content.formats, strict=True)
    )


def _element_name(header: Header | None, element: Element) -> str:
    use = tag_use(header.manufacturer_code, element.tag) if header else None
    return use or ota_file.tag_name(element.tag)


def _manufacturer_image_hash(source: Octets, octets: tuple[int, int] | None) -> str | None:
    if octets is None or source.lacks(*octets) is not None:
        return None
    return gbcs.manufacturer_image_hash(source.read(*octets)).hex()
