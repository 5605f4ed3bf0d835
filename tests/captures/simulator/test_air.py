"""What goes over the air, read back with the layers: counters, acknowledgements, retries, polls, relays."""

from collections.abc import Iterator

import numpy as np
import pytest
from scapy.packet import Packet

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import ACK_NS, OCTET_NS, TURNAROUND_NS, Air, Frames, Noise
from hanscope.captures.simulator.han import HUB, Han, Node, Role
from hanscope.captures.simulator.kinds import Security
from hanscope.dissectors.crypto.ccm import open_one
from hanscope.dissectors.fcs import crc16
from hanscope.dissectors.fields import eui64_text
from hanscope.dissectors.ieee802154 import Mac
from hanscope.dissectors.zigbee.aps import Aps
from hanscope.dissectors.zigbee.nwk import Nwk
from hanscope.dissectors.zigbee.security import NwkSecurity
from hanscope.dissectors.zigbee.zcl import Zcl

REPEATER, HCALCS, GSME = 1, 2, 3
HAN = Han(
    (
        Node(Role.HUB, 0x00DE4D0000000001, 0x0000),
        Node(Role.REPEATER, 0x00DE4D0000000002, 0x2222),
        Node(Role.HCALCS, 0x00DE4D0000000003, 0x3333, parent=REPEATER),
        Node(Role.GSME, 0x00DE4D0000000004, 0x4444, sleepy=True),
    ),
    network_key=bytes(range(16)),
    pan_id=0x1234,
    extended_pan_id=1,
)
REQUEST = kinds.image_block_request(Security.NETWORK)
RESPONSE = kinds.image_block_response(Security.NETWORK, 8)


def air(**noise: float) -> Air:
    return Air(HAN, np.random.default_rng(1), 0, Noise(**noise))


def octets(frames: Frames) -> list[bytes]:
    return [row[:length].tobytes() for row, length in zip(frames.octets, frames.length, strict=True)]


def dissected(frames: Frames) -> Iterator[Packet]:
    """Each frame with its NWK layer opened, the APS frame in the place of the ciphertext."""
    for frame in octets(frames):
        packet = Mac(frame[:-2])
        if (security := packet.getlayer(NwkSecurity)) is not None:
            header = bytearray(bytes(packet[Nwk])[: -len(security.payload)])
            header[-14] |= 5
            nonce = bytes(header[-9:-1]) + bytes(header[-13:-9]) + bytes(header[-14:-13])
            plain = open_one(HAN.network_key, nonce, bytes(header), bytes(security.payload))
            assert plain is not None
            security.remove_payload()
            security.add_payload(Aps(plain))
        yield packet


def is_ack(packet: Packet) -> bool:
    return packet.frame_type == 2


def test_every_frame_that_wants_an_acknowledgement_has_it_after_the_turnaround() -> None:
    one = air()
    one.send(REQUEST, np.arange(20) * 50_000_000, REPEATER, HUB)
    frames = one.flush()
    packets = list(dissected(frames))
    assert [is_ack(packet) for packet in packets] == [False, True] * 40
    for at in range(0, 80, 2):
        end = frames.time_ns[at] + (6 + frames.length[at]) * OCTET_NS
        assert frames.time_ns[at + 1] == end + TURNAROUND_NS
        assert packets[at + 1].sequence_number == packets[at].sequence_number


def test_frames_never_overlap_even_when_all_want_the_air_at_once() -> None:
    one = air(resent=0.2, damaged=0.1)
    for node in (REPEATER, HCALCS, GSME):
        one.send(REQUEST, np.zeros(50), node, HUB)
    frames = one.flush()
    ends = frames.time_ns + (6 + frames.length) * OCTET_NS
    assert (frames.time_ns[1:] > ends[:-1]).all()


def test_the_next_window_begins_when_the_last_frame_of_this_one_has_ended() -> None:
    one = air()
    one.send(REQUEST, np.zeros(10), REPEATER, HUB)
    first = one.flush()
    one.send(REQUEST, [0], REPEATER, HUB)
    assert one.flush().time_ns[0] > first.time_ns[-1] + ACK_NS


def test_mac_retries_are_the_same_octets_before_one_acknowledgement() -> None:
    one = air(resent=1.0)
    one.send(REQUEST, [0], REPEATER, HUB)
    first, second, *rest = octets(one.flush())
    assert first == second
    assert len(rest[-1]) == 5


def test_what_nobody_hears_is_sent_four_times_and_not_acknowledged() -> None:
    one = air()
    one.send(RESPONSE, [0], HUB, GSME, heard=False)
    sent = octets(one.flush())
    assert len(sent) == 4
    assert len(set(sent)) == 1


def test_counters_of_each_node_go_on_one_by_one_through_windows() -> None:
    one = air()
    seen: dict[tuple[str, int], list[int]] = {}
    for _ in range(2):
        for node in (REPEATER, HCALCS):
            one.send(REQUEST, np.arange(200) * 40_000_000, node, HUB)
        for packet in dissected(one.flush()):
            if is_ack(packet):
                continue
            nwk = packet[Nwk]
            seen.setdefault(("mac", packet.source_short), []).append(packet.sequence_number)
            seen.setdefault(("security", packet.source_short), []).append(packet[NwkSecurity].frame_counter)
            if packet.source_short == nwk.source:
                seen.setdefault(("nwk", nwk.source), []).append(nwk.sequence_number)
                if Zcl in packet:
                    seen.setdefault(("aps", nwk.source), []).append(packet[Aps].counter)
                    seen.setdefault(("zcl", nwk.source), []).append(packet[Zcl].transaction_sequence_number)
    assert len(seen) == 3 * 3 + 2 * 2
    for (name, _), values in seen.items():
        steps = np.diff(values) if name == "security" else np.diff(values) % 256
        assert (steps == 1).all(), name


def test_an_answer_repeats_the_zcl_sequence_and_an_acknowledgement_the_aps_counter() -> None:
    one = air()
    asked = one.send(REQUEST, np.arange(30) * 100_000_000, REPEATER, HUB)
    one.send(RESPONSE, np.arange(30) * 100_000_000 + 40_000_000, HUB, REPEATER, answers=asked)
    packets = [packet for packet in dissected(one.flush()) if not is_ack(packet)]
    for request, request_ack, response, response_ack in zip(*(packets[at::4] for at in range(4)), strict=True):
        assert response[Zcl].transaction_sequence_number == request[Zcl].transaction_sequence_number
        assert (request_ack[Aps].frame_type, request_ack[Aps].counter) == (2, request[Aps].counter)
        assert (response_ack[Aps].frame_type, response_ack[Aps].counter) == (2, response[Aps].counter)


def test_an_aps_retry_keeps_aps_and_zcl_and_takes_new_numbers_below() -> None:
    one = air(aps_retried=1.0)
    one.send(REQUEST, [0], REPEATER, HUB)
    first, again, acknowledgement = (packet for packet in dissected(one.flush()) if not is_ack(packet))
    assert bytes(first[Aps]) == bytes(again[Aps])
    assert again[Nwk].sequence_number == (first[Nwk].sequence_number + 1) % 256
    assert again[NwkSecurity].frame_counter == first[NwkSecurity].frame_counter + 1
    assert acknowledgement[Aps].counter == first[Aps].counter


def test_a_relayed_frame_is_the_same_message_from_another_transmitter() -> None:
    one = air()
    one.send(REQUEST, [0], HCALCS, HUB)
    first, second, *_ = (packet for packet in dissected(one.flush()) if not is_ack(packet))
    assert (first.source_short, first.destination_short) == (0x3333, 0x2222)
    assert (second.source_short, second.destination_short) == (0x2222, 0x0000)
    assert first[Nwk].sequence_number == second[Nwk].sequence_number
    assert (first[Nwk].source, second[Nwk].source) == (0x3333, 0x3333)
    assert second[Nwk].radius == first[Nwk].radius - 1
    assert first[NwkSecurity].source_eui64 == eui64_text(HAN.nodes[HCALCS].eui64)
    assert second[NwkSecurity].source_eui64 == eui64_text(HAN.nodes[REPEATER].eui64)
    assert bytes(first[Aps]) == bytes(second[Aps])


def test_a_sleepy_device_asks_before_it_is_given_anything() -> None:
    one = air()
    one.send(RESPONSE, [0], HUB, GSME)
    one.poll([5_000_000_000], GSME)
    packets = list(dissected(one.flush()))
    assert [packet.summary().split(" / ")[1] if packet.payload else "" for packet in packets][:3] == [
        "MacCommand",
        "",
        "Nwk",
    ]
    assert (packets[1].frame_pending, packets[-1].frame_pending) == (1, 0)


def test_a_broadcast_is_repeated_by_each_router_and_by_nobody_else() -> None:
    one = air()
    one.send(kinds.DEVICE_ANNOUNCE, [0], HCALCS, nwk_address=0x3333)
    sent = list(dissected(one.flush()))
    assert sorted(packet.source_short for packet in sent) == [0x0000, 0x2222, 0x3333]
    assert len({packet[Nwk].sequence_number for packet in sent}) == 1


def test_frame_counters_jump_after_a_reboot() -> None:
    one = air()
    one.send(REQUEST, np.arange(10) * 1_000_000_000, REPEATER, HUB)
    one.reboot(4_500_000_000, REPEATER)
    sent = [packet for packet in dissected(one.flush()) if not is_ack(packet)]
    counters = [packet[NwkSecurity].frame_counter for packet in sent if packet.source_short == 0x2222]
    assert counters[5] % 0x1000 == 0
    assert counters[5] > counters[4]
    assert np.diff(counters[5:]).tolist() == [1] * 4


def test_damage_is_always_found_by_the_fcs() -> None:
    one = air(garbled=0.5)
    one.send(REQUEST, np.zeros(500), REPEATER, HUB)
    frames = one.flush()
    intact = [crc16(frame) == 0 for frame in octets(frames)]
    assert intact == frames.intact.tolist()
    assert 0.4 < np.mean(intact) < 0.6


def test_a_deaf_sniffer_captures_nothing() -> None:
    one = Air(HAN, np.random.default_rng(1), 1000, Noise(deaf=((1.0, 2.0),)))
    one.send(REQUEST, np.arange(30) * 100_000_000, REPEATER, HUB)
    frames = one.flush()
    outside = (frames.time_ns - 1000 < 1_000_000_000) | (frames.time_ns - 1000 >= 2_000_000_000)
    assert frames.captured.tolist() == outside.tolist()
    assert 0 < outside.sum() < len(outside)


def test_a_frame_that_cannot_be_secured_is_a_mistake() -> None:
    one = air()
    one.send(kinds.image_block_request(Security.LINK), [0], REPEATER, HUB)
    with pytest.raises(ValueError, match="no link key"):
        one.flush()
