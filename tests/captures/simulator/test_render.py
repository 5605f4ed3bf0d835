"""Frames that are made in bulk against published frames, against Scapy alone and against Python's own CRC."""

import binascii
from dataclasses import fields

import numpy as np
import pytest
from oracles import SMART_ENERGY, SMART_ENERGY_KEYS
from scapy.packet import Packet

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.han import Han, Node, Role
from hanscope.captures.simulator.kinds import Kind, Security
from hanscope.captures.simulator.render import append_fcs, render
from hanscope.captures.simulator.stamp import Hop, Stamp
from hanscope.dissectors.codes import Cluster, Profile
from hanscope.dissectors.crypto.ccm import seal_one
from hanscope.dissectors.fcs import crc16
from hanscope.dissectors.zigbee.aps import Aps
from hanscope.dissectors.zigbee.nwk import Nwk
from hanscope.dissectors.zigbee.security import ApsSecurity, NwkSecurity

OTA = {"manufacturer_code": 0x1168, "image_type": 1, "file_version": 0x01020304}


def han(*, extended_nonce: bool = False) -> Han:
    """The network of the published frames: `SMART_ENERGY`."""
    network_key, link_key = SMART_ENERGY_KEYS
    hub = Node(Role.HUB, 0x00158D0000C0FFEE, 0x0000)
    meter = Node(Role.ESME, 0x00158D0000123456, 0x1234, link_key=link_key, extended_nonce=extended_nonce)
    return Han((hub, meter), network_key, pan_id=0x4A5B, extended_pan_id=1)


def hop(count: int, *, to_meter: bool, **counters: object) -> Hop:
    ends = {"transmitter": 1 - to_meter, "receiver": to_meter, "origin": 1 - to_meter, "target": to_meter, "number": 0}
    given = ends | counters
    return Hop(**{one.name: np.broadcast_to(given.get(one.name, 0), count).astype(np.int64) for one in fields(Hop)})


def counters(mac: int, nwk: int, nwk_frame: int, aps: int, *, aps_frame: int = 0, zcl: int = 0) -> dict[str, int]:
    return {
        "mac_sequence": mac,
        "nwk_sequence": nwk,
        "nwk_frame_counter": nwk_frame,
        "aps_counter": aps,
        "aps_frame_counter": aps_frame,
        "zcl_sequence": zcl,
    }


BLOCK = np.frombuffer(bytes.fromhex("1ef1ee0b000138000000681101000403020102 00") + b"GBCS DEMO METER FIRM", np.uint8)
PUBLISHED = {
    "block request": (
        0,
        kinds.image_block_request(Security.LINK_EXTENDED),
        hop(1, to_meter=False, **counters(0x51, 0x21, 0x3001, 0x11, aps_frame=0x2001, zcl=0x42)),
        OTA | {"file_offset": 0, "maximum_data_size": 40},
    ),
    "APS acknowledgement": (
        2,
        kinds.aps_ack(Security.NETWORK, Cluster.OTA_UPGRADE, Profile.SMART_ENERGY),
        hop(1, to_meter=True, **counters(0x71, 0x31, 0x4001, 0x11)),
        {},
    ),
    "block response": (
        3,
        kinds.image_block_response(Security.LINK, 40),
        hop(1, to_meter=True, **counters(0x72, 0x32, 0x4002, 0x12, aps_frame=0x5001, zcl=0x42)),
        OTA | {"file_offset": 0, "image_data": BLOCK},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_frames_are_made_octet_for_octet(name: str) -> None:
    place, kind, one, columns = PUBLISHED[name]
    named = {kind.slot(field): value for field, value in columns.items()}
    assert Stamp(han()).frames(kind, one, named).tobytes().hex() == SMART_ENERGY[place]


def every_kind() -> list[Kind]:
    ota = [
        kinds.image_notify,
        kinds.query_next_image_request,
        kinds.query_next_image_response,
        kinds.no_image_available,
        kinds.image_block_request,
        kinds.image_page_request,
        kinds.wait_for_data,
        kinds.upgrade_end_request,
        kinds.upgrade_end_response,
        kinds.metering_report,
        kinds.publish_price,
    ]
    return [
        kinds.ACK,
        kinds.POLL,
        kinds.BEACON_REQUEST,
        kinds.BEACON,
        kinds.ASSOCIATION_REQUEST,
        kinds.ASSOCIATION_POLL,
        kinds.ASSOCIATION_RESPONSE,
        kinds.TRANSPORT_NETWORK_KEY,
        kinds.REQUEST_KEY,
        kinds.TRANSPORT_LINK_KEY,
        kinds.DEVICE_ANNOUNCE,
        kinds.link_status((0x1234, 0x5678)),
        kinds.route_record((0x5678,)),
        *(make(security) for make in ota for security in Security),
        *(kinds.image_block_response(security, size) for security in Security for size in (1, 40, 48)),
        *(kinds.aps_ack(security, Cluster.OTA_UPGRADE, Profile.SMART_ENERGY) for security in Security),
    ]


@pytest.mark.parametrize("kind", every_kind(), ids=lambda kind: f"{kind.name}-{len(kind)}")
def test_bulk_frames_equal_what_scapy_builds_one_by_one(kind: Kind) -> None:
    rng = np.random.default_rng(len(kind))
    columns = {
        name: rng.integers(0, 1 << (slot.bits or 8 * slot.size), 5, np.uint64)
        for name, slot in kind.specimen.slots.items()
        if slot.kind == "uint" and not decides_the_layout(kind, name)
    } | {
        name: rng.integers(0, 256, (5, slot.size), np.uint8)
        for name, slot in kind.specimen.slots.items()
        if slot.kind == "octets"
    }
    home = han(extended_nonce=True)
    secured = {"nwk_frame_counter": "NwkSecurity.frame_counter", "aps_frame_counter": "ApsSecurity.frame_counter"}
    numbers = {field: columns[name] for field, name in secured.items() if name in columns}
    columns |= {
        name: np.full(5, home.nodes[1].eui64, np.uint64)
        for name in ("NwkSecurity.source_eui64", "ApsSecurity.source_eui64")
        if name in columns
    }
    made = Stamp(home).frames(kind, hop(5, to_meter=False, **numbers), columns)
    for row in range(5):
        values = {name: column[row] for name, column in columns.items()}
        assert made[row].tobytes() == built(kind, values, home)


def decides_the_layout(kind: Kind, name: str) -> bool:
    """Whether another value would make another kind of frame."""
    field = name.partition(".")[2]
    free = {"sequence_number", "counter", "frame_counter", "source_eui64", "file_offset", "transaction_sequence_number"}
    addresses = {"destination_pan_id", "destination_short", "source_short", "destination", "source", "radius"}
    addresses |= {"destination_extended", "source_pan_id", "source_extended", "extended_pan_id"}
    values = {"manufacturer_code", "image_type", "file_version", "image_size", "request_time", "upgrade_time"}
    return field not in free | addresses | values


def built(kind: Kind, values: dict[str, object], home: Han) -> bytes:
    """The frame by Scapy, secured by `cryptography`, with an FCS."""
    packet: Packet = kind.packet.copy()
    for name, value in values.items():
        layer, _, field = name.partition(".")
        inner = next(one for one in layers(packet) if type(one).__name__ == layer)
        inner.setfieldval(field, value.tobytes() if isinstance(value, np.ndarray) else int(value))  # type: ignore[call-overload]
    frame = bytes(packet)
    for below, header, key in (
        (Aps, ApsSecurity, kind.aps_key or home.nodes[1].link_key),
        (Nwk, NwkSecurity, home.network_key),
    ):
        if (security := packet.getlayer(header)) is None:
            continue
        begin, auxiliary, clear = (
            len(bytes(packet)) - len(bytes(part)) for part in (packet[below], security, security.payload)
        )
        lead, opened = bytearray(frame[begin:clear]), frame[clear:]
        lead[auxiliary - begin] |= 5
        eui64 = home.nodes[1].eui64.to_bytes(8, "little")
        nonce = eui64 + frame[auxiliary + 1 : auxiliary + 5] + lead[auxiliary - begin : auxiliary - begin + 1]
        frame = frame[:clear] + seal_one(key or b"", nonce, bytes(lead), opened)
    return frame + crc16(frame).to_bytes(2, "little")


def layers(packet: Packet) -> list[Packet]:
    found: list[Packet] = []
    while packet:
        found.append(packet)
        packet = packet.payload
    return found


@pytest.mark.parametrize("length", [3, 5, 10, 125, 127])
def test_the_fcs_is_the_crc_that_python_computes_from_mirrored_bits(length: int) -> None:
    frames = np.random.default_rng(length).integers(0, 256, (20, length), np.uint8)
    append_fcs(frames)
    for frame in frames:
        mirrored = binascii.crc_hqx(bytes(int(f"{octet:08b}"[::-1], 2) for octet in frame[:-2]), 0)
        assert int.from_bytes(frame[-2:].tobytes(), "little") == int(f"{mirrored:016b}"[::-1], 2)


def test_a_field_that_the_kind_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        render(kinds.POLL.specimen, 1, {"Zcl.command_identifier": 0})
    with pytest.raises(KeyError, match="has no field"):
        kinds.POLL.slot("file_offset")
