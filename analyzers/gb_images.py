"""Great Britain's images (GBCS section 11.2): layout, header against the published samples, authorising signature.

What is not confirmed about them is marked so, and never makes a check invalid.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

from hanscope.analyzers.image_content import CUT_OFF, Content, context_of, is_unnamed, of_rest, recognised
from hanscope.dissectors.images import gbcs
from hanscope.dissectors.images.elements import Walk
from hanscope.dissectors.images.format import Judgement
from hanscope.dissectors.images.octets import Octets, View
from hanscope.dissectors.images.ota_file import Element, Header, Tag

if TYPE_CHECKING:
    from hanscope.analyzers.certificates import Certificate, Certificates

LAYOUT: Final = "GB layout"
PRACTICE: Final = "GB header"
SIGNATURE: Final = "authorising signature"
FORCED: Final = b"\x01\x40"
"""forceReplace and the length of the signature; the published samples have 00 40."""
STACK_PRO: Final = 0x0002
LARGEST_USUAL: Final = 750_000
"""Octets; a figure that circulates."""
MOST_CERTIFICATES: Final = 256
"""Of suppliers, that are tried."""


class GbContent(msgspec.Struct, frozen=True):
    """What an image is that does not consist of elements."""

    layout: Literal["gbcs-signed", "gbcs-plain", "opaque"]
    content: Content
    manufacturer_image: tuple[int, int] | None = None
    """Its octets [start, end)."""


def examine_gb(
    source: Octets, offset: int, header: Header, walk: Walk, certificates: "Certificates | None"
) -> GbContent:
    """Signed or plain GBCS, or something that cannot be named by its layout."""
    start, end = offset + header.header_length, offset + header.total_image_size
    trailer_at = end - gbcs.TRAILER_LENGTH
    if start >= end or (end > source.size and not source.partial):
        rest = of_rest(source, offset, header, walk)
        return _opaque(rest, walk, "the end of the image is not there to look for a trailer")
    reason = source.lacks(max(start, trailer_at), end)
    if reason is not None:
        rest = of_rest(source, offset, header, walk)
        detail = f"{_why_no_elements(rest, walk)}; it may be a GB image, which has none: {reason}"
        checks = (Judgement("elements", "unknown", detail), Judgement(LAYOUT, "unknown", reason))
        return GbContent("opaque", replace(rest, checks=(*checks, *rest.checks)))
    octets = bytes(source.read(trailer_at, end)) if trailer_at > start else b""
    trailer = gbcs.parse_trailer(octets)
    if trailer is not None:
        return _signed(source.view(start, trailer_at), header, trailer, certificates)
    evidence = f"image type 0x{header.image_type:04x}, field control 0x{header.field_control:04x}"
    sample_header = header.field_control == gbcs.HEADER_FIELD_CONTROL
    if sample_header and header.image_type == gbcs.DeviceType.PPMID:
        return _plain(source.view(start, end), header, evidence)
    return _opaque(of_rest(source, offset, header, walk), walk, _why_opaque(octets, header, evidence))


def examine_in_element(
    source: Octets, found: Sequence[Element], certificates: "Certificates | None"
) -> tuple[tuple[Judgement, ...], tuple[int, int] | None]:
    """Checks of a trailer at the end of an Upgrade image element, and the Manufacturer Image if a signature proves it.

    The published samples have no elements, so without certificates this decides nothing.
    """
    last = found[-1]
    at = last.end - gbcs.TRAILER_LENGTH
    if last.tag != Tag.UPGRADE_IMAGE or at <= last.offset or source.lacks(at, last.end) is not None:
        return (), None
    trailer = gbcs.parse_trailer(source.read(at, last.end))
    if trailer is None:
        return (), None
    detail = "00 40 and 64 octets end the Upgrade image element; that GB images come inside elements is not confirmed"
    layout = Judgement(LAYOUT, "unknown", detail)
    if certificates is None:
        return (layout,), None
    signature = _check_signature(source.view(last.offset, at), trailer, certificates)
    return (layout, signature), (last.offset, at) if signature.outcome == "valid" else None


def _why_opaque(end: bytes, header: Header, evidence: str) -> str:
    """`end`: the octets that would be the trailer."""
    if end[:2] == FORCED:
        return "01 40 before the last 64 octets: perhaps a Communications Hub's image with forceReplace (UNCONFIRMED)"
    meters = {gbcs.DeviceType.ESME, gbcs.DeviceType.GSME, gbcs.DeviceType.HCALCS}
    if header.field_control == gbcs.HEADER_FIELD_CONTROL and header.image_type in meters:
        return f"no 00 40 before the last 64 octets, though {evidence} are those of a GB meter's image (UNCONFIRMED)"
    return f"no 00 40 before the last 64 octets; {evidence} do not speak for a PPMID's image either"


def _opaque(rest: Content, walk: Walk, detail: str) -> GbContent:
    elements = Judgement("elements", "invalid", _why_no_elements(rest, walk))
    return GbContent("opaque", replace(rest, checks=(elements, Judgement(LAYOUT, "unknown", detail), *rest.checks)))


def _why_no_elements(rest: Content, walk: Walk) -> str:
    """Some vendors leave elements out: what then stands there explains why they cannot be followed."""
    if walk.elements or rest.main is None or rest.main.endswith(CUT_OFF) or is_unnamed(rest.main):
        return walk.detail
    return f"{walk.detail}; right behind the header stands: {rest.main}"


def _signed(image: View, header: Header, trailer: gbcs.Trailer, certificates: "Certificates | None") -> GbContent:
    detail = (
        f"no elements; 00 40 and 64 octets of signature end the image; "
        f"Manufacturer Image: octets {image.start:,} to {image.end - 1:,} ({image.size:,})"
    )
    checks = (
        Judgement(LAYOUT, "valid", detail),
        _check_header(header, signed=True),
        _check_signature(image, trailer, certificates),
    )
    return GbContent("gbcs-signed", _content(image, header, checks), (image.start, image.end))


def _plain(image: View, header: Header, evidence: str) -> GbContent:
    detail = (
        f"no elements and no trailer; {evidence}, as in the published sample of a PPMID's image; "
        "that the image type tells the kind of device is UNCONFIRMED"
    )
    checks = (Judgement(LAYOUT, "unknown", detail), _check_header(header, signed=False))
    return GbContent("gbcs-plain", _content(image, header, checks), (image.start, image.end))


def _content(image: View, header: Header, checks: tuple[Judgement, ...]) -> Content:
    """With what the Manufacturer Image is, if something names it; GBCS leaves it to the manufacturer."""
    name, judged = recognised(image, context_of(header))
    return Content((), (), name, checks if is_unnamed(name) else (*checks, *judged))


def _check_header(header: Header, *, signed: bool) -> Judgement:
    """Against the published samples (service requests 11.1 of the DUIS templates); all they do may be chance."""
    largest = f"larger than {LARGEST_USUAL:,} octets (UNCONFIRMED limit)"
    unlike = [
        (header.field_control != gbcs.HEADER_FIELD_CONTROL, f"field control 0x{header.field_control:04x}, not 0x0004"),
        (header.security_credential_version is not None, "a security credential version (UNCONFIRMED whether allowed)"),
        (header.upgrade_file_destination is not None, "for one device only (UNCONFIRMED whether allowed)"),
        (header.minimum_hardware_version is None, "no hardware versions"),
        (header.stack_version != STACK_PRO, f"stack version 0x{header.stack_version:04x}, not 0x0002 (ZigBee PRO)"),
        (
            header.image_type not in frozenset(gbcs.DeviceType),
            f"image type 0x{header.image_type:04x} is no COSEM device type (UNCONFIRMED that it must be one)",
        ),
        (signed and header.image_type == gbcs.DeviceType.PPMID, "a signature, which a PPMID's image has not"),
        (header.total_image_size > LARGEST_USUAL, largest),
    ]
    found = [what for differs, what in unlike if differs]
    if found:
        detail = f"differs from the published samples: {'; '.join(found)}. That this is wrong is UNCONFIRMED"
        return Judgement(PRACTICE, "unknown", detail)
    device = gbcs.DeviceType(header.image_type).name
    detail = (
        "as in the published samples: hardware versions, no destination, ZigBee PRO; image type "
        f"0x{header.image_type:04x} is the COSEM device type of {device} (that it has to be one is UNCONFIRMED)"
    )
    return Judgement(PRACTICE, "valid", detail)


def _check_signature(image: View, trailer: gbcs.Trailer, certificates: "Certificates | None") -> Judgement:
    """ECDSA P-256 with SHA-256 over the Manufacturer Image, by the supplier's Digital Signature key."""
    if not trailer.signature_possible:
        return Judgement(SIGNATURE, "invalid", "r or s is no number that an ECDSA P-256 signature can have")
    signers = _signers(certificates)
    if not signers:
        return Judgement(SIGNATURE, "unknown", "not verified: needs the supplier's certificate")
    reason = image.lacks(0, image.size)
    if reason is not None:
        return Judgement(SIGNATURE, "unknown", reason)
    return _verify(image, trailer.signature, signers)


def _verify(image: View, signature: bytes, signers: "list[Certificate]") -> Judgement:
    from hanscope.dissectors.gbcs import crypto  # noqa: PLC0415 - only images with certificates need it
    from hanscope.dissectors.gbcs.codes import RemotePartyRole  # noqa: PLC0415 - the same

    octets = bytes(image.take(0, image.size))
    signer = next((one for one in signers if crypto.signature_holds(one.public_key.key, octets, signature)), None)
    if signer is None:
        suppliers = [one.owner for one in signers if one.role == RemotePartyRole.SUPPLIER]
        if not suppliers:
            return Judgement(SIGNATURE, "unknown", "no Digital Signature certificate of a supplier was given")
        told = (
            suppliers[0]
            if len(suppliers) == 1
            else f"any of the {len(suppliers)} suppliers whose certificates were given"
        )
        return Judgement(SIGNATURE, "invalid", f"over the Manufacturer Image it is not that of {told}")
    if signer.role != RemotePartyRole.SUPPLIER:
        return Judgement(SIGNATURE, "invalid", f"it is that of {signer.owner}, who is no supplier")
    covers = (image.span(0, image.size), image.span(image.size + 2, image.size + gbcs.TRAILER_LENGTH))
    return Judgement(SIGNATURE, "valid", f"signed by {signer.owner}: ECDSA P-256 over the Manufacturer Image", covers)


def _signers(certificates: "Certificates | None") -> "list[Certificate]":
    """Certificates of organisations that sign, suppliers first."""
    if certificates is None:
        return []
    from hanscope.analyzers.certificates import Usage  # noqa: PLC0415 - only images with certificates need it
    from hanscope.dissectors.gbcs.codes import RemotePartyRole  # noqa: PLC0415 - the same

    signing = [one for one in certificates.usable if one.usage is Usage.DIGITAL_SIGNATURE and not one.is_device]
    return sorted(signing, key=lambda one: one.role != RemotePartyRole.SUPPLIER)[:MOST_CERTIFICATES]
