"""Rebuilt images: what their checks and their witnesses came to (ZCL 11.4, GBCS 11.2)."""

from __future__ import annotations

from typing import Final

from hanscope.analyzers.results import Check, Image
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.model import Hit, ItemRule
from hanscope.analyzers.rules.terms import RESPONSE
from hanscope.dissectors.codes import Status

FORM: Final = frozenset({"magic", "header", "total size", "GB header", "container"})
STRUCTURE: Final = frozenset({"elements", "nested OTA file", "GB layout"})
TOLD: Final = frozenset({"query response"})
PROOF: Final = ("integrity", "signature", "hash", "CRC", "SHA")
"""Words of the names of checks that prove content."""
PRO: Final = 2


def _hits(image: Image, facts: Facts, detail: str, frames: tuple[int, ...] = ()) -> list[Hit]:
    """About an image of a capture; of files given, `hanscope image` tells."""
    transfer = facts.transfers.get(image.transfer_id or "")
    if transfer is None:
        return []
    return [Hit(frames or (transfer.first_frame, transfer.last_frame), transfer.id, detail=detail)]


def _failed(image: Image, facts: Facts, wanted: frozenset[str]) -> list[Hit]:
    failed = [check for check in image.checks if check.outcome == "invalid" and check.name in wanted]
    return [hit for check in failed for hit in _hits(image, facts, f"{check.name}: {check.detail}")]


def _proves(check: Check) -> bool:
    return any(word in check.name for word in PROOF)


def _disproved(image: Image, facts: Facts) -> list[Hit]:
    failed = [check for check in image.checks if check.outcome == "invalid" and _proves(check)]
    return [hit for check in failed for hit in _hits(image, facts, f"{check.name}: {check.detail}")]


def _verdict_contradicts(image: Image, facts: Facts) -> list[Hit]:
    """The client's verdict on a whole image is not that of the checks."""
    transfer = facts.transfers.get(image.transfer_id or "")
    if transfer is None or not transfer.complete or transfer.conflicting_bytes:
        return []
    bad = [check.name for check in image.checks if check.outcome == "invalid" and _proves(check)]
    good = [check.name for check in image.checks if check.outcome == "valid" and _proves(check)]
    if (
        transfer.end_status == Status.INVALID_IMAGE
        and good
        and not any(check.outcome == "invalid" for check in image.checks)
    ):
        return _hits(image, facts, f"rejected although valid: {', '.join(good)}", (transfer.last_frame,))
    if transfer.end_status == 0 and bad:
        return _hits(image, facts, f"accepted although invalid: {', '.join(bad)}", (transfer.last_frame,))
    return []


def _wrong_hardware(image: Image, facts: Facts) -> list[Hit]:
    header, transfer = image.header, facts.transfers.get(image.transfer_id or "")
    if header is None or transfer is None or header.minimum_hardware_version is None:
        return []
    highest = header.maximum_hardware_version if header.maximum_hardware_version is not None else 0xFFFF
    hardware = facts.hardware.get((transfer.pan_id, transfer.client.short, transfer.image_type))
    if hardware is None or header.minimum_hardware_version <= hardware <= highest:
        return []
    span = f"0x{header.minimum_hardware_version:04x} to 0x{highest:04x}"
    return _hits(image, facts, f"the client has hardware version 0x{hardware:04x}, the image is for {span}")


def _wrong_device(image: Image, facts: Facts) -> list[Hit]:
    transfer = facts.transfers.get(image.transfer_id or "")
    destination = image.header.destination_eui64 if image.header is not None else None
    if transfer is None or destination is None or transfer.client.eui64 in {None, destination}:
        return []
    return _hits(image, facts, f"the image is for {destination} only")


def _unsigned(image: Image, facts: Facts) -> list[Hit]:
    if facts.profile != "gb" or image.partial or image.layout != "zigbee-elements":
        return []
    signed = any("signature" in check.name and check.detail != NO_SIGNATURE for check in image.checks)
    return [] if signed else _hits(image, facts, "")


NO_SIGNATURE: Final = "the file has none"


def _other_file(image: Image, facts: Facts) -> list[Hit]:
    return [
        hit
        for witness in image.witnesses
        if witness.source == "other transfer" and witness.outcome == "invalid"
        for hit in _hits(image, facts, witness.detail, witness.frames)
    ]


def _stack_version(image: Image, facts: Facts) -> list[Hit]:
    if image.header is None or image.header.stack_version == PRO:
        return []
    return _hits(image, facts, f"stack version {image.header.stack_version}")


RULES: Final = (
    ItemRule(
        id="image.header",
        source="I01",
        severity="error",
        clause="ZCL 11.4.2",
        title="OTA header is not sound",
        explanation="Magic number, version, lengths or field control of the image's header contradict each other.",
        advice="Compare with the file that was to be sent.",
        filter=RESPONSE,
        over="image",
        fires="a header with version 0x0200",
        silent="a header of which octets were not captured",
        finds=lambda image, facts: _failed(image, facts, FORM),
    ),
    ItemRule(
        id="image.other-than-offered",
        source="I02, Q12",
        severity="error",
        clause="ZCL 11.4, OTA 6.10.5",
        title="Image is not what was offered",
        explanation="Size or identity in the image's header are not those of the Query Next Image Response.",
        advice="The server has the wrong file under this name: mend the server.",
        filter=RESPONSE,
        over="image",
        fires="a header with another file version than the offer",
        silent="a header with the version of the offer",
        finds=lambda image, facts: _failed(image, facts, TOLD),
    ),
    ItemRule(
        id="image.wrong-hardware",
        source="I03",
        severity="error",
        clause="ZCL 11.4.2.11, 11.4.2.12",
        title="Image is for other hardware",
        explanation="The hardware version that the client named lies outside of the range in the image's header.",
        advice="Offer the image for this hardware.",
        filter=RESPONSE,
        over="image",
        fires="hardware version 5, image for 1 to 3",
        silent="hardware version 2, image for 1 to 3",
        finds=_wrong_hardware,
    ),
    ItemRule(
        id="image.other-device",
        source="I04",
        severity="error",
        clause="ZCL 11.4.2.10",
        title="Image is for one other device",
        explanation="The header names one device that the image is for, and another one loads it.",
        advice="Offer each device its own file.",
        filter=RESPONSE,
        over="image",
        fires="the header names another EUI-64 than the client's",
        silent="the header names the client",
        finds=_wrong_device,
    ),
    ItemRule(
        id="image.structure",
        source="I05",
        severity="warning",
        clause="ZCL 11.4.3",
        title="Elements do not fill the image",
        explanation="The elements of the image do not end where the image does, or have wrong lengths.",
        advice="Some makers put their own format behind the header; else the file is damaged.",
        filter=RESPONSE,
        over="image",
        fires="an element that reaches beyond the image",
        silent="an element that ends with the image",
        finds=lambda image, facts: _failed(image, facts, STRUCTURE),
    ),
    ItemRule(
        id="image.integrity",
        source="I06, GBCS 24",
        severity="error",
        clause="ZCL 11.4, 11.7; GBCS 11.2",
        title="Image fails its integrity check",
        explanation="A hash, checksum or signature of the rebuilt image is not the one that belongs to it.",
        advice="Do not install it; compare with the file that was to be sent.",
        filter=RESPONSE,
        over="image",
        fires="an image with a signature that does not verify",
        silent="the same with octets that were not captured",
        finds=_disproved,
    ),
    ItemRule(
        id="image.verdict-contradicts",
        source="E04",
        severity="error",
        clause="OTA 6.10.9",
        title="Client's verdict contradicts the image",
        explanation="The client rejected an image that is sound, or accepted one that is not.",
        advice="Ask the client's maker what it checks besides; an accepted bad image must not be activated.",
        filter=RESPONSE,
        over="image",
        fires="INVALID_IMAGE for an image whose signature is valid",
        silent="INVALID_IMAGE for an image that is not whole in the capture",
        finds=_verdict_contradicts,
    ),
    ItemRule(
        id="image.unsigned",
        source="I07",
        severity="warning",
        clause="SE, ZCL 11.7",
        title="Image without a signature",
        explanation="Smart Energy wants signed images, and this one has no signature element.",
        advice="The inner format may carry its own signature: ask the maker.",
        filter=RESPONSE,
        profile="gb",
        confidence="probable",
        over="image",
        fires="a whole image of elements without a signature",
        silent="a whole image with one",
        finds=_unsigned,
    ),
    ItemRule(
        id="image.two-files",
        source="I08, B13",
        severity="error",
        clause="integrity",
        title="Two files under one identity",
        explanation="Two devices were given different octets of what is called the same image.",
        advice="Give every build a version of its own; do not trust either file.",
        filter=RESPONSE,
        over="image",
        fires="two transfers of one identity with different octets",
        silent="two transfers of one identity with equal octets",
        finds=_other_file,
    ),
    ItemRule(
        id="image.stack-version",
        source="I09",
        severity="note",
        clause="ZCL 11.4.2.7",
        title="Image for another ZigBee stack",
        explanation="The stack version in the image's header is not that of ZigBee PRO.",
        advice="Usual for some makers.",
        filter=RESPONSE,
        over="image",
        fires="stack version 0",
        silent="stack version 2",
        finds=_stack_version,
    ),
)
