"""Makes results by hand, for the tests of the application: the fixture `made` is this module."""

import sys
from hashlib import sha256
from types import ModuleType

import pytest

from hanscope.analyzers import results

HUB = "00:0d:6f:00:0a:90:69:e0"
METER = "00:15:8d:00:00:c0:ff:ee"
IMAGE = bytes(range(256)) * 8
START = 1_772_359_200 * 10**9
"""2026-03-01T10:00:00Z."""


def transfer(**changes) -> results.Transfer:
    """A complete transfer of `IMAGE`; `changes` replace its fields."""
    fields = {
        "id": "T1",
        "attempt": 1,
        "client": results.Party(short=0x3C4D, eui64=METER),
        "server": results.Party(short=0, eui64=HUB),
        "pan_id": 0x1A2B,
        "manufacturer_code": 0x1021,
        "image_type": 0x0013,
        "file_version": 0x00200000,
        "image_size": len(IMAGE),
        "image_size_source": "OTA header",
        "received_bytes": len(IMAGE),
        "missing_ranges": (),
        "conflicting_bytes": 0,
        "conflicts": (),
        "state": "upgrading",
        "complete": True,
        "sha256": sha256(IMAGE).hexdigest(),
        "first_frame": 12,
        "last_frame": 4864,
        "started": START,
        "ended": START + 1537 * 10**9,
        "block_requests": 32,
        "block_responses": 32,
        "page_requests": 0,
        "wait_responses": 0,
        "waited_ns": 0,
        "repeated_requests": 0,
        "duplicate_blocks": 0,
        "resumptions": (),
        "end_status": 0,
        "upgrade_at": "now",
        "requested_from": 0,
        "events": (
            results.TransferEvent(time=START, frame=12, what="Query Next Image Response: SUCCESS"),
            results.TransferEvent(time=START + 1537 * 10**9, frame=4864, what="Upgrade End Response: upgrade now"),
        ),
        "strip": "#" * 64,
    }
    return results.Transfer(**(fields | changes))


def capture(**changes) -> results.Capture:
    fields = {
        "path": "house.pcapng",
        "format": "pcapng",
        "compressed": False,
        "frames": 4864,
        "other_frames": 0,
        "bad_fcs": 3,
        "unchecked_fcs": 0,
        "started": START,
        "ended": START + 1537 * 10**9,
        "interfaces": (
            results.CaptureInterface(
                index=0,
                link_type=195,
                link_type_name="IEEE802_15_4_WITHFCS",
                frames=4864,
                trailer="fcs",
                evidence="the last two octets are the FCS of 4,861 of 4,864 frames",
            ),
        ),
        "comments": 0,
        "faults": (),
    }
    return results.Capture(**(fields | changes))


def image(**changes) -> results.Image:
    fields = {
        "transfer_id": "T1",
        "file": None,
        "size": len(IMAGE),
        "header": results.OtaHeader(
            header_version=0x0100,
            header_length=56,
            field_control=0,
            manufacturer_code=0x1021,
            image_type=0x0013,
            file_version=0x00200000,
            stack_version=2,
            header_string="METER FIRMWARE",
            total_image_size=len(IMAGE),
            security_credential_version=None,
            destination_eui64=None,
            minimum_hardware_version=None,
            maximum_hardware_version=None,
        ),
        "header_offset": 0,
        "layout": "zigbee-elements",
        "elements": (results.OtaElement(tag=0, name="Upgrade Image", offset=62, length=len(IMAGE) - 62),),
        "checks": (
            results.Check(name="total image size", outcome="valid", detail="2,048 octets, as the header says"),
            results.Check(name="signature", outcome="unknown", detail="the image carries none"),
        ),
        "manufacturer_image_sha256": None,
        "sha256": sha256(IMAGE).hexdigest(),
        "partial": False,
    }
    return results.Image(**(fields | changes))


def key(**changes) -> results.Key:
    fields = {
        "kind": "network",
        "fingerprint": "0badcafe",
        "key": None,
        "source": "frame 12 (Transport-Key)",
        "pan_id": 0x1A2B,
        "sequence_number": 0,
        "devices": (),
        "nwk_frames": 4321,
        "aps_frames": 0,
        "first_frame": 13,
    }
    return results.Key(**(fields | changes))


def device(**changes) -> results.Device:
    fields = {
        "pan_id": 0x1A2B,
        "short": 0x3C4D,
        "eui64": METER,
        "frames": 1234,
        "first_frame": 5,
        "last_frame": 4864,
        "lqi": 180.4,
        "rssi_dbm": -61.2,
        "role": "OTA client",
        "evidence": "it asked for image blocks",
    }
    return results.Device(**(fields | changes))


def diagnosis(**changes) -> results.Diagnosis:
    """The battery of the device of transfer T1 was low."""
    fields = {
        "update_id": "U1",
        "transfer_id": "T1",
        "cause": "client-stalled",
        "confidence": "probable",
        "happened": "The battery was low.",
        "sureness": "The device said so.",
        "advice": "Change it.",
        "text": "The battery was low. The device said so. Change it.",
        "frames": (7,),
        "rules": (),
    }
    return results.Diagnosis(**(fields | changes))


def analysis(**changes) -> results.Analysis:
    """One complete transfer; `changes` replace sections."""
    fields = {
        "captures": (capture(),),
        "layers": (results.LayerCount(layer="MAC", frames=4861, malformed=0, first_malformed=None),),
        "unopened": (),
        "devices": (
            device(),
            device(short=0, eui64=HUB, role="coordinator", evidence="it has the address 0"),
        ),
        "keys": (key(),),
        "transfers": (transfer(),),
        "images": (image(),),
    }
    return results.Analysis(**(fields | changes))


def rich_analysis() -> results.Analysis:
    """Something of everything: two transfers, one of which stopped, a failed check, shut frames and a fault."""
    stopped = transfer(
        id="T2",
        attempt=2,
        client=results.Party(short=0x77AA, eui64="00:15:8d:00:00:12:34:56"),
        received_bytes=835,
        missing_ranges=(
            results.MissingRange(start=100, end=150, reason="answered but not captured"),
            results.MissingRange(start=885, end=949, reason="requested and never answered"),
            results.MissingRange(start=949, end=2048, reason="never requested"),
        ),
        state="stalled",
        complete=False,
        sha256=None,
        page_requests=3,
        wait_responses=1,
        waited_ns=30 * 10**9,
        repeated_requests=4,
        duplicate_blocks=2,
        conflicting_bytes=16,
        conflicts=((64, 80, 100, 200),),
        end_status=None,
        upgrade_at=None,
        strip="###+" + "#" * 23 + "+" + "." * 36,
        events=tuple(
            results.TransferEvent(
                time=START + step * 10**9,
                frame=100 * (step + 1),
                what=f"block request at {step * 64}, nothing came back",
            )
            for step in range(30)
        ),
    )
    return analysis(
        captures=(
            capture(
                other_frames=2,
                comments=1,
                faults=(results.Fault(where="frame 4865", what="the record is cut short after 12 of 48 octets"),),
            ),
        ),
        layers=(results.LayerCount(layer="APS", frames=4000, malformed=2, first_malformed=77),),
        unopened=(
            results.Unopened(layer="NWK", pan_id=0x9999, reason="no key for this PAN", frames=40, first_frame=8),
        ),
        keys=(
            key(),
            key(
                kind="link", fingerprint="12345678", source="key file keys.toml", pan_id=None, sequence_number=None,
                devices=(HUB, METER), nwk_frames=0, aps_frames=17, first_frame=40,
            ),
        ),
        transfers=(transfer(), stopped),
        images=(
            image(),
            image(
                transfer_id="T2", sha256=None, partial=True,
                checks=(results.Check(name="file version", outcome="invalid", detail="0x00200000 was offered"),),
            ),
        ),
    )  # fmt: skip


@pytest.fixture(name="made")
def made_fixture() -> ModuleType:
    return sys.modules[__name__]


@pytest.fixture(name="rich_analysis")
def rich_analysis_fixture() -> results.Analysis:
    return rich_analysis()
