"""What witnesses say of images: transfers made by hand, GBCS messages of the official layout, real captures."""

import random
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from transfer_records import in_blocks, record

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.images import examine
from hanscope.analyzers.keys import KeyRing, KnownKey
from hanscope.analyzers.messages import examine as decode
from hanscope.analyzers.partial_files import Examined
from hanscope.analyzers.references import Given, ListedHash, Reference, load_reference
from hanscope.analyzers.results import Analysis, Carriage, Image, Message, Party, TransferEvent, Verdict, Witness
from hanscope.analyzers.transfers import TransferRecord
from hanscope.analyzers.witnesses import compared_with, corroborated
from hanscope.dissectors.images.gbcs import build_gb_image
from hanscope.dissectors.images.ota_file import Tag, build_ota_file

IDENTITY: dict[str, Any] = {"manufacturer_code": 0x1168, "image_type": 0x0000, "file_version": 0x01020304}
MANUFACTURER_IMAGE = random.Random(1).randbytes(500)
SIGNED = build_gb_image(
    MANUFACTURER_IMAGE, random.Random(2).randbytes(64), hardware_versions=(1, 2), header_string=b"meter", **IDENTITY
)
GB_HASH = sha256(MANUFACTURER_IMAGE).hexdigest()
METER = "00:15:8d:00:00:00:00:01"
SUPPLIER = "90:b3:d5:1f:30:01:00:00"


def image_of(one: TransferRecord) -> Image | None:
    """As the analysis examines a transfer's image."""
    transfer = one.transfer
    if one.image is None:
        return None
    return examine(
        one.image.read(),
        transfer_id=transfer.id,
        missing=[(gap.start, gap.end) for gap in transfer.missing_ranges],
        expected_size=transfer.image_size,
        expected_identity=(transfer.manufacturer_code, transfer.image_type, transfer.file_version),
    )


def analysis_of(
    *records: TransferRecord, messages: Iterable[Message] = (), given: Given | None = None
) -> dict[str, Image]:
    images = tuple(image for one in records if (image := image_of(one)) is not None)
    analysis = Analysis(
        captures=(),
        layers=(),
        unopened=(),
        devices=(),
        keys=(),
        transfers=tuple(one.transfer for one in records),
        images=images,
        messages=tuple(messages),
    )
    found = corroborated(analysis, records, given, image_of).images
    return {image.transfer_id or "": image for image in found}


def loaded(name: str, octets: bytes = SIGNED, first_frame: int = 100, without: Iterable[int] = (), **changes: Any):
    """A transfer of an image, a block a second."""
    blocks = in_blocks(octets, first_frame=first_frame, without=without)
    return record(name, blocks, len(octets), **(IDENTITY | changes))


def said_by(image: Image, source: str) -> Witness:
    (one,) = [witness for witness in image.witnesses if witness.source == source]
    return one


# GBCS messages


def message(cra: int, code: int, payload: bytes, *, at_s: int, frames: tuple[int, ...], device: str = METER) -> Message:
    """A GBCS message (facts on GBCS, 1.3) between a device and its supplier; its signature is not looked at."""
    ends = [bytes.fromhex(one.replace(":", "")) for one in (device, SUPPLIER)]
    source, target = ends if cra != 1 else reversed(ends)
    octets = b"\xdf\x09" + bytes([cra]) + (2000).to_bytes(8, "big") + b"\x08" + source + b"\x08" + target + b"\x00\x02"
    octets += code.to_bytes(2, "big") + bytes([len(payload)]) + payload + b"\x40" + bytes(64)
    way = Carriage(
        tunnel="N1",
        pan_id=0x4A5B,
        sender=Party(short=1, eui64=device),
        receiver=Party(short=0, eui64=None),
        gas_command=None,
        remaining=None,
        blocks=0,
        started=at_s * 10**9,
        ended=at_s * 10**9,
        complete=True,
    )
    decoded = decode(octets, frames=frames)
    assert decoded.error is None
    return replace(decoded, id=f"M{at_s}", carriage=way)


def receipt(digest: str, *, at_s: int, alert: int = 0x8F72, **options: Any) -> Message:
    """Alert 00CE (facts on GBCS, 3.1)."""
    payload = "0f 200007d0 00 02 03 12" + f"{alert:04x}" + "09 0c 07df0101ff000000008000ff 09 20" + digest
    return message(3, 0x00CE, bytes.fromhex(payload), at_s=at_s, frames=(at_s,), **options)


def order(digest: str, *, at_s: int, **options: Any) -> Message:
    """CS06, immediate (facts on GBCS, 3.4)."""
    return message(1, 0x0012, bytes.fromhex(f"3026 0420 {digest} 0202 03e8"), at_s=at_s, frames=(at_s,), **options)


def version_read(version: int, *, at_s: int) -> Message:
    """The response of ECS52 (facts on GBCS, 1.5)."""
    payload = f"da 200007d0 00 00 01 09 04 {version:08x} 01 01 00"
    return message(2, 0x0059, bytes.fromhex(payload), at_s=at_s, frames=(at_s,))


def test_a_receipt_alert_with_the_hash_of_what_was_heard_is_a_valid_witness() -> None:
    image = analysis_of(loaded("T1"), messages=[receipt(GB_HASH, at_s=300)])["T1"]
    assert image.manufacturer_image_sha256 == GB_HASH
    witness = said_by(image, "receipt alert")
    assert (witness.outcome, witness.frames) == ("valid", (300,))
    assert witness.said == f"M300 alert 0x8F72 of {METER}, hash {GB_HASH}"
    assert witness.detail == "it is the SHA-256 of the Manufacturer Image"


def test_a_receipt_alert_with_another_hash_is_invalid_and_both_hashes_are_told() -> None:
    witness = said_by(analysis_of(loaded("T1"), messages=[receipt("ab" * 32, at_s=300)])["T1"], "receipt alert")
    assert witness.outcome == "invalid"
    assert "ab" * 32 in witness.said
    assert witness.detail == f"the Manufacturer Image that was heard has {GB_HASH}"


def test_a_device_that_refuses_the_very_image_that_was_heard_says_so() -> None:
    alert = receipt(GB_HASH, at_s=300, alert=0x8F1C)
    witness = said_by(analysis_of(loaded("T1"), messages=[alert])["T1"], "receipt alert")
    assert witness.outcome == "valid"
    assert witness.detail.endswith("; so the device refuses the very image that was heard")


def test_an_order_for_another_hash_is_invalid_but_not_while_the_image_is_still_being_loaded() -> None:
    image = analysis_of(loaded("T1"), messages=[order("cd" * 32, at_s=110), order("ef" * 32, at_s=400)])["T1"]
    early, late = (one for one in image.witnesses if one.source == "activation order")
    assert (early.outcome, late.outcome) == ("unknown", "invalid")
    assert "still being loaded" in early.detail


def test_messages_of_other_devices_and_before_the_transfer_are_no_witnesses() -> None:
    others = [receipt(GB_HASH, at_s=300, device="00:15:8d:00:00:00:00:09"), receipt(GB_HASH, at_s=50)]
    image = analysis_of(loaded("T1"), messages=others)["T1"]
    assert not [one for one in image.witnesses if one.source == "receipt alert"]


def test_messages_belong_to_the_transfer_that_was_last_begun() -> None:
    newer = build_gb_image(b"new" * 90, bytes(range(64)), **(IDENTITY | {"file_version": 0x01020305}))
    records = [
        loaded("T1"),
        loaded("T2", newer, 500, file_version=0x01020305, client=Party(short=1, eui64=METER)),
    ]
    images = analysis_of(*records, messages=[receipt(GB_HASH, at_s=300), order("12" * 32, at_s=900)])
    assert said_by(images["T1"], "receipt alert").outcome == "valid"
    assert said_by(images["T2"], "activation order").outcome == "invalid"
    assert not [one for one in images["T1"].witnesses if one.source == "activation order"]


def test_a_partial_image_says_which_octets_a_hash_would_need() -> None:
    image = analysis_of(loaded("T1", without=[5, 9]), messages=[receipt(GB_HASH, at_s=300)])["T1"]
    witness = said_by(image, "receipt alert")
    assert witness.outcome == "unknown"
    assert witness.detail == "not compared: octets 80 to 95 and 1 more range were not captured"


def test_a_hash_needs_only_the_octets_that_it_covers() -> None:
    in_the_signature = range(36, 40)
    image = analysis_of(loaded("T1", without=in_the_signature), messages=[receipt(GB_HASH, at_s=300)])["T1"]
    assert (image.partial, image.manufacturer_image_sha256) == (True, None)
    witness = said_by(image, "receipt alert")
    assert witness.outcome == "valid"
    assert witness.detail == "it is the SHA-256 of what follows the OTA header, without the last 66 octets"


@pytest.mark.parametrize(("outcome", "expected"), [("valid", "valid"), ("unknown", "valid"), ("invalid", "unknown")])
def test_a_message_that_is_not_genuine_is_not_believed(outcome: Any, expected: str) -> None:
    alert = replace(receipt(GB_HASH, at_s=300), signature=Verdict(outcome=outcome, detail="of the test"))
    witness = said_by(analysis_of(loaded("T1"), messages=[alert])["T1"], "receipt alert")
    assert witness.outcome == expected
    assert (f", signature {outcome}, hash" in witness.said) == (outcome != "unknown")


def test_versions_before_and_after() -> None:
    asked = TransferEvent(time=99 * 10**9, frame=99, what="asked", kind="query", image=(0x1168, 0, 0x01020300))
    first = TransferEvent(time=100 * 10**9, frame=100, what="asked for octets", kind="beginning")
    one = loaded("T1", events=(asked, first), started=98 * 10**9)
    witness = said_by(analysis_of(one, messages=[version_read(0x01020304, at_s=500)])["T1"], "version read")
    assert witness.outcome == "valid"
    assert witness.said == (
        "the device ran 0x01020300 before (an OTA query), 0x01020304 after (M500 ECS52 Read ESME/Comms Hub "
        "Firmware Version)"
    )
    assert witness.frames == (99, 500)
    witness = said_by(analysis_of(one, messages=[version_read(0x01020300, at_s=500)])["T1"], "version read")
    assert (witness.outcome, witness.detail) == (
        "unknown",
        "this image is 0x01020304: not activated, as far as was heard",
    )
    witness = said_by(analysis_of(one)["T1"], "version read")
    assert (witness.outcome, witness.detail) == ("unknown", "no version was heard after the transfer")


# The offer and the header


def test_the_offer_and_the_header_speak_for_each_other() -> None:
    offered = TransferEvent(time=99 * 10**9, frame=99, what="server offered it", kind="offer")
    image = analysis_of(loaded("T1", events=(offered,)))["T1"]
    witness = said_by(image, "query response")
    assert (witness.outcome, witness.said, witness.frames) == ("valid", "server offered it", (99,))
    header = said_by(image, "OTA header")
    assert (header.outcome, header.frames) == ("valid", (100, 101, 102, 103))
    assert header.said == f"0x1168/0x0000/0x01020304, {len(SIGNED)} octets"


def test_a_header_of_another_image_is_invalid() -> None:
    image = analysis_of(loaded("T1", file_version=0x01020399))["T1"]
    header = said_by(image, "OTA header")
    assert (header.outcome, header.detail) == ("invalid", "the blocks are named 0x1168/0x0000/0x01020399")
    assert said_by(analysis_of(loaded("T1", without=[0]))["T1"], "OTA header").outcome == "unknown"


# Other transfers, and what they fill


def test_holes_are_filled_and_everything_that_rests_on_it_says_so() -> None:
    records = [loaded("T1", without=[5, 9]), loaded("T2", first_frame=500, without=[20])]
    images = analysis_of(*records, messages=[receipt(GB_HASH, at_s=300)])
    image = images["T1"]
    assert not image.partial
    assert [(one.start, one.end, one.transfer_id) for one in image.filled_ranges] == [(80, 96, "T2"), (144, 160, "T2")]
    assert image.sha256 == sha256(SIGNED).hexdigest()
    assert image.manufacturer_image_sha256 == GB_HASH
    layout = next(one for one in image.checks if one.name == "GB layout")
    assert (layout.outcome, "rests on" in layout.detail) == ("valid", False), "header and trailer are its own"
    assert said_by(image, "receipt alert").detail == (
        "it is the SHA-256 of the Manufacturer Image; rests on octets that only T2 brought, "
        "so this device received them too"
    )
    assert records[0].transfer.missing_ranges != ()
    other = said_by(image, "other transfer")
    assert (other.outcome, other.compared_octets) == ("valid", len(SIGNED) - 3 * 16)
    assert other.said == "T2: device 00:15:8d:00:00:00:00:02 was given this image"
    assert images["T2"].filled_ranges[0].transfer_id == "T1"


def test_checks_that_only_the_filling_allows_are_marked() -> None:
    file = build_ota_file(**IDENTITY, elements=[(Tag.UPGRADE_IMAGE, bytes(200)), (0xF000, b"x")])
    images = analysis_of(loaded("T1", file, without=[16]), loaded("T2", file, 500))
    marked = {check.name: check.detail for check in images["T1"].checks if "rests on" in check.detail}
    assert marked["elements"].endswith(" (rests on octets that only T2 brought)")
    assert "header" not in marked
    assert not any("rests on" in check.detail for check in images["T2"].checks)


def test_devices_that_were_given_different_octets_contradict_each_other() -> None:
    changed = SIGNED[:200] + bytes([SIGNED[200] ^ 1, SIGNED[201] ^ 1]) + SIGNED[202:]
    images = analysis_of(loaded("T1"), loaded("T2", changed, 500))
    witness = said_by(images["T1"], "other transfer")
    assert (witness.outcome, witness.differing_octets) == ("invalid", 2)
    assert witness.detail == f"2 of {len(SIGNED)} octets differ, the first at offset 200 (frames 112 and 512)"
    assert witness.frames == (112, 512)
    assert said_by(images["T2"], "other transfer").frames == (512, 112)


def test_another_size_is_a_contradiction() -> None:
    witness = said_by(analysis_of(loaded("T1"), loaded("T2", SIGNED + b"12", 500))["T1"], "other transfer")
    assert witness.outcome == "invalid"
    assert witness.detail == f"its size is {len(SIGNED) + 2} octets there and {len(SIGNED)} here"


# References


def reference(octets: bytes, name: str = "vendor.ota") -> Given:
    return Given(references=(Reference(name, octets),))


def test_a_reference_that_equals_what_was_heard() -> None:
    witness = said_by(analysis_of(loaded("T1", without=[3]), given=reference(SIGNED))["T1"], "reference file")
    assert (witness.outcome, witness.compared_octets) == ("valid", len(SIGNED) - 16)
    assert witness.detail == f"all {len(SIGNED) - 16} octets that were heard are equal; 16 were not compared"
    witness = said_by(analysis_of(loaded("T1"), given=reference(SIGNED))["T1"], "reference file")
    assert witness.detail == f"all {len(SIGNED)} octets are equal"


def test_a_reference_that_differs_tells_where_and_which_frames() -> None:
    changed = SIGNED[:300] + bytes(16) + SIGNED[316:]
    witness = said_by(analysis_of(loaded("T1"), given=reference(changed))["T1"], "reference file")
    assert witness.outcome == "invalid"
    assert [(one.start, one.end, one.frame, one.other_frame) for one in witness.differences] == [
        (300, 304, 118, None),
        (304, 316, 119, None),
    ]
    assert witness.detail == f"16 of {len(SIGNED)} octets differ in 2 ranges, the first at offset 300 (frame 118)"
    assert witness.frames == (118, 119)


@pytest.mark.parametrize("front", [b"NGIS" + bytes(60), b"\x01\x02\x03\x04"])
def test_a_container_in_front_of_the_reference_is_no_difference(front: bytes) -> None:
    witness = said_by(analysis_of(loaded("T1"), given=reference(front + SIGNED + b"tail"))["T1"], "reference file")
    assert witness.outcome == "valid"
    assert witness.said.endswith(f"from octet {len(front)} on")


def test_a_reference_of_another_version_is_named() -> None:
    other = build_gb_image(
        MANUFACTURER_IMAGE,
        random.Random(2).randbytes(64),
        hardware_versions=(1, 2),
        header_string=b"meter",
        **(IDENTITY | {"file_version": 0x01020300}),
    )
    witness = said_by(analysis_of(loaded("T1"), given=reference(other))["T1"], "reference file")
    assert witness.outcome == "invalid"
    assert witness.detail.startswith("it is another image: 0x1168/0x0000/0x01020300; 1 of ")


def test_a_reference_is_held_against_the_image_that_it_is_of() -> None:
    other = build_ota_file(**(IDENTITY | {"image_type": 7}), elements=[(Tag.UPGRADE_IMAGE, bytes(300))])
    images = analysis_of(loaded("T1"), loaded("T2", other, 500, image_type=7), given=reference(other))
    assert not [one for one in images["T1"].witnesses if one.source == "reference file"]
    assert said_by(images["T2"], "reference file").outcome == "valid"


def test_an_image_that_misses_its_outer_header_is_laid_beside_the_reference_by_the_nested_one() -> None:
    nested = build_ota_file(**IDENTITY, elements=[(Tag.UPGRADE_IMAGE, random.Random(3).randbytes(300))])
    whole = build_ota_file(**(IDENTITY | {"image_type": 9}), elements=[(Tag.UPGRADE_IMAGE, bytes(8) + nested + b"\0")])
    in_container = len(whole).to_bytes(4, "little") + whole
    one = record(
        "T1", in_blocks(whole, first_frame=100, without=[0, 1, 2, 3]), len(whole), **(IDENTITY | {"image_type": 9})
    )
    witness = said_by(analysis_of(one, given=reference(in_container))["T1"], "reference file")
    assert (witness.outcome, witness.compared_octets) == ("valid", len(whole) - 64)


def test_a_reference_that_is_cut_off_says_nothing_of_the_rest() -> None:
    witness = said_by(analysis_of(loaded("T1"), given=reference(SIGNED[:-20]))["T1"], "reference file")
    assert witness.outcome == "valid"
    assert witness.detail == f"all {len(SIGNED) - 20} octets that were heard are equal; 20 were not compared"


# Hashes


def listed(digest: str, **changes: Any) -> ListedHash:
    return ListedHash(digest, "list.csv line 2", **changes)


def test_a_listed_hash_tells_under_which_name() -> None:
    entries = (listed("00" * 32), listed(GB_HASH, manufacturer="1168", model="M2", version="01020304"))
    witness = said_by(analysis_of(loaded("T1"), given=Given(hashes=entries))["T1"], "hash list")
    assert witness.outcome == "valid"
    assert witness.said == f"{GB_HASH}, manufacturer 1168, model M2, version 01020304 (list.csv line 2)"
    assert witness.detail == "it is the SHA-256 of the Manufacturer Image"


def test_a_hash_that_is_listed_under_another_version_or_manufacturer_is_told() -> None:
    wrong = listed(GB_HASH, manufacturer="0x10DE", version="01.02.03.05")
    full = listed(GB_HASH, manufacturer="0x10DE", version="01020305")
    for entries, told in [
        ((wrong,), "; the list has it as manufacturer 0x10DE, the image says 0x1168"),
        ((full,), "1168; the list has it as version 01020305, the image says 0x01020304"),
        ((full, listed(GB_HASH, manufacturer="Meters Ltd", version="2.4")), "of the Manufacturer Image"),
    ]:
        witness = said_by(analysis_of(loaded("T1"), given=Given(hashes=entries))["T1"], "hash list")
        assert witness.outcome == "valid"
        assert witness.detail.endswith(told)


def test_of_several_models_with_the_same_version_none_is_meant() -> None:
    entries = [listed(digit * 64, manufacturer="1168", model=f"M{digit}", version="01020304") for digit in "12"]
    for known, outcome in [(entries[:1], "invalid"), (entries, "unknown"), ([entries[0]] * 2, "invalid")]:
        witness = said_by(analysis_of(loaded("T1"), given=Given(hashes=tuple(known)))["T1"], "hash list")
        assert witness.outcome == outcome
    several = said_by(analysis_of(loaded("T1"), given=Given(hashes=tuple(entries)))["T1"], "hash list")
    assert "; 2 have its manufacturer and version, of several models;" in several.detail


@pytest.mark.parametrize(("version", "outcome"), [("01.02.03.04", "invalid"), ("1.2.3.4", "unknown")])
def test_a_dotted_version_is_read_by_octets(version: str, outcome: str) -> None:
    entry = listed("11" * 32, manufacturer="1168", version=version)
    assert said_by(analysis_of(loaded("T1"), given=Given(hashes=(entry,)))["T1"], "hash list").outcome == outcome


def test_the_hash_of_the_whole_file_and_of_a_form_without_trailer_are_found_too() -> None:
    whole = Given(hashes=(listed(sha256(SIGNED).hexdigest()),))
    assert (
        said_by(analysis_of(loaded("T1"), given=whole)["T1"], "hash list").detail
        == "it is the SHA-256 of the whole file"
    )
    inside = build_ota_file(**IDENTITY, elements=[(Tag.UPGRADE_IMAGE, SIGNED[60:])])
    image = compared_with([Examined(examine(inside), inside)], Given(hashes=(listed(GB_HASH),)))[0]
    assert said_by(image, "hash list").detail.endswith("of the element Upgrade image, without its last 66 octets")


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        (listed("11" * 32, asked_for=True), "invalid"),
        (listed("11" * 32), "unknown"),
        (listed("11" * 32, manufacturer="0x1168", version="01.02.03.04"), "invalid"),
        (listed("11" * 32, manufacturer="1168", version="01020305"), "unknown"),
    ],
)
def test_what_is_not_listed(entry: ListedHash, outcome: str) -> None:
    witness = said_by(analysis_of(loaded("T1"), given=Given(hashes=(entry,)))["T1"], "hash list")
    assert witness.outcome == outcome
    assert GB_HASH in witness.detail


def test_a_given_hash_is_held_against_the_one_image_that_has_no_other() -> None:
    other = build_ota_file(**(IDENTITY | {"image_type": 7}), elements=[(Tag.UPGRADE_IMAGE, bytes(300))])
    records = loaded("T1"), loaded("T2", other, 500, image_type=7)
    entries = (listed(GB_HASH, asked_for=True), listed("11" * 32, asked_for=True))
    images = analysis_of(*records, given=Given(hashes=entries))
    assert said_by(images["T1"], "hash list").outcome == "valid"
    assert said_by(images["T2"], "hash list").outcome == "invalid"
    images = analysis_of(*records, given=Given(hashes=entries[:1]))
    assert said_by(images["T2"], "hash list").outcome == "unknown", "the hash is the other image's"
    images = analysis_of(*records, given=Given(hashes=entries[1:]))
    assert {said_by(image, "hash list").outcome for image in images.values()} == {"unknown"}


def test_a_partial_image_has_no_hash() -> None:
    image = analysis_of(loaded("T1", without=[3]), given=Given(hashes=(listed(GB_HASH, asked_for=True),)))["T1"]
    assert said_by(image, "hash list").outcome == "unknown"


def test_a_file_is_held_against_a_reference_and_a_list() -> None:
    given = Given((Reference("vendor.ota", SIGNED),), (listed(GB_HASH),))
    image = compared_with([Examined(examine(SIGNED, file="a.ota"), SIGNED)], given)[0]
    assert [(one.source, one.outcome) for one in image.witnesses] == [
        ("reference file", "valid"),
        ("hash list", "valid"),
    ]
    changed = SIGNED[:-1] + bytes([SIGNED[-1] ^ 1])
    image = compared_with([Examined(examine(changed, file="a.ota"), changed)], given)[0]
    assert [(one.source, one.outcome) for one in image.witnesses] == [
        ("reference file", "invalid"),
        ("hash list", "valid"),
    ], "the signature is not part of the Manufacturer Image"
    assert image.witnesses[0].differences[0].frame is None


@pytest.mark.parametrize("octets", [b"", b"no image at all", SIGNED[:70], bytes(5000)])
def test_what_is_no_image_can_be_held_against_anything(octets: bytes) -> None:
    given = Given((Reference("a", SIGNED), Reference("b", b"\x1e\xf1\xee\x0b")), (listed(GB_HASH),))
    (image,) = compared_with([Examined(examine(octets, file="a"), octets)], given)
    assert image.size == len(octets)


# Real captures


def test_hue_equals_the_vendors_file_where_it_was_heard(data: Path) -> None:
    key = KnownKey("link", bytes.fromhex("814286865dc1c8b2c8cbc52e5d65d1b8"), "test")
    folder = data / "captures"
    given = Given((load_reference(folder / "hue-ota-ti-metadata.reference.zigbee"),))
    found = analyze([str(folder / "hue-ota-ti-metadata.pcapng")], keys=KeyRing((key,)), given=given).analysis
    (image,) = found.images
    witness = said_by(image, "reference file")
    assert (witness.outcome, witness.compared_octets, witness.differing_octets) == ("valid", 49_918, 0)
    assert witness.detail == "all 49,918 octets that were heard are equal; 217,534 were not compared"
    assert said_by(image, "query response").outcome == "valid"
    assert (said_by(image, "version read").outcome, said_by(image, "OTA header").outcome) == ("unknown", "valid")


def test_hue_with_one_octet_changed_in_the_vendors_file(data: Path) -> None:
    key = KnownKey("link", bytes.fromhex("814286865dc1c8b2c8cbc52e5d65d1b8"), "test")
    folder = data / "captures"
    octets = bytearray((folder / "hue-ota-ti-metadata.reference.zigbee").read_bytes())
    octets[20_000] ^= 1
    run = analyze([str(folder / "hue-ota-ti-metadata.pcapng")], keys=KeyRing((key,)), given=reference(bytes(octets)))
    witness = said_by(run.analysis.images[0], "reference file")
    assert (witness.outcome, witness.differing_octets) == ("invalid", 1)
    stored = run.records[0].image
    assert stored is not None
    starts, ends, frames = stored.provenance()
    (frame,) = frames[(starts <= 20_000) & (ends > 20_000)].tolist()
    assert [(one.start, one.end, one.frame) for one in witness.differences] == [(20_000, 20_001, frame)]


def test_legrand_is_laid_beside_a_file_by_its_nested_header(data: Path) -> None:
    """No vendor's file is at hand: what was heard stands in for it, behind a container and with a header of its own."""
    key = KnownKey("network", bytes.fromhex("bd4bee1a2f9d58e90ba1300ad59bfad6"), "test")
    path = str(data / "captures" / "legrand-page-requests.pcap")
    stored = analyze([path], keys=KeyRing((key,))).records[0].image
    assert stored is not None
    octets = b"\x97\x67\x03\x00" + stored.read()
    found = analyze([path], keys=KeyRing((key,)), given=reference(octets)).analysis
    witness = said_by(found.images[0], "reference file")
    assert (witness.outcome, witness.compared_octets) == ("valid", 190_552)
    assert said_by(found.images[0], "OTA header").outcome == "unknown", "octets 0 to 61 were never asked for"
