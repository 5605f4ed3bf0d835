"""What each kind of sniffer sends, octet by octet. B is a beacon request with its FCS C2 31; see the comments for the
sources of the vectors.
"""

import struct

import pytest
import sniffer_emulators as emulators
from hypothesis import given
from hypothesis import strategies as st
from sniffer_emulators import OnAir

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import Heard
from hanscope.captures.sniffers.cc2531 import Cc2531Decoder
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.sniffers.nrf52840 import Nrf52840Decoder
from hanscope.captures.sniffers.packet_sniffer2 import (
    PING,
    SET_FREQUENCY,
    SET_PHY,
    PacketSniffer2Decoder,
    frequency,
    packet,
)
from hanscope.captures.sniffers.rcp import (
    MAC_FILTER_MODE,
    MONITOR,
    PHY_CHANNEL,
    PHY_ENABLED,
    RAW_STREAM_ENABLED,
    SpinelDecoder,
    set_property,
    wrapped,
)
from hanscope.captures.sniffers.sensniff import CHANNEL, SensniffDecoder, message
from hanscope.captures.sniffers.silabs import DebugChannelDecoder
from hanscope.captures.sniffers.zboss import ZbossDecoder
from hanscope.captures.sniffers.zep import ZepDecoder
from hanscope.dissectors.fcs import crc16

B = bytes.fromhex("030806ffffffff07")

CC2531_GOOD = bytes.fromhex("000f000048e8010a030806ffffffff070de9")
CC2531_BAD = bytes.fromhex("000f000048e8010a030806ffffffff07ef3c")
CC2531_TICK = bytes.fromhex("01010007")
NRF_LINE = b"received: 030806ffffffff0737dc power: -39 lqi: 220 time: 1000000\r\n"
PS2_DATA = bytes.fromhex("4053c0130040420f0000000a030806ffffffff07c231c4804045")
PS2_DATA_CHECKED = bytes.fromhex("4053c0130040420f0000000a030806ffffffff07c231c480b94045")
PS2_OK = bytes.fromhex("405380010000814045")
ZEP_V1 = bytes.fromhex("4558010f000101ff000000000000000a030806ffffffff07c231")
ZEP_V2 = bytes.fromhex("455802010f000101ffe8fe6f800000000000000007000000000000000000000a030806ffffffff07c231")
SENSNIFF = bytes.fromhex("c11ffe720200000a030806ffffffff070de9")
SPINEL = bytes.fromhex("7e8006710a00030806ffffffff07c231c49c00000a000fc840420f0000000000010000ccec7e")
ZBOSS = bytes([4 + 10, 0, 0, 0]) + B + bytes([0x0D, 0xE9])


def test_cc2531_gives_time_strength_and_quality() -> None:
    decoder = Cc2531Decoder()
    assert decoder.feed(CC2531_GOOD) == [Heard(B, Fcs.VALID, 32_000_000, -60.0, 105)]
    assert decoder.feed(CC2531_BAD) == [Heard(B, Fcs.INVALID, 32_000_000, -90.0, 60)]
    assert decoder.feed(CC2531_TICK) == []
    assert (decoder.counts.frames, decoder.counts.bad_fcs, decoder.ticks, decoder.counts.corrupt) == (2, 1, 1, 0)


def test_cc2531_drops_what_is_damaged_up_to_the_end_of_the_transfer() -> None:
    decoder = Cc2531Decoder()
    assert decoder.feed(b"\x07\x00\x01" + CC2531_GOOD) == []
    too_long = b"\x00" + struct.pack("<H", 5 + 128) + bytes(5 + 128)
    assert decoder.feed(too_long) == []
    disagreeing = bytearray(CC2531_GOOD)
    disagreeing[7] += 1
    assert decoder.feed(bytes(disagreeing)) == []
    assert decoder.counts.corrupt == 3
    assert len(decoder.feed(CC2531_GOOD)) == 1


def test_nrf52840_line() -> None:
    decoder = Nrf52840Decoder()
    assert decoder.feed(b"shell echo off\r\n" + NRF_LINE) == [Heard(B, Fcs.VALID, 1_000_000, -39.0, 220)]
    assert (decoder.counts.ignored, decoder.counts.corrupt) == (1, 0)


def test_nrf52840_strips_the_raw_lqi_of_nordics_own_example() -> None:
    line = (
        b"received: 49a85d41a5fffff4110f10270000369756e65619d09428a04b301951821db234460aa5ec4ff506631ef8adb22674683700"
        b" power: -39 lqi: 220 time: 15822687\n"
    )
    (heard,) = Nrf52840Decoder().feed(line)
    assert (len(heard.octets), heard.ticks) == (47, 15_822_687)
    assert crc16(heard.octets) == 0x8B9A  # what stood in the place of 37 00 on the air


@pytest.mark.parametrize(
    "line",
    [
        b"received: 0308f power: 1 lqi: 1 time: 1\n",
        b"received: " + b"00" * 128 + b" power: 1 lqi: 1 time: 1\n",
        b"received: 030806 power: -39 lqi\n",
        b"received: 0102 power: 1 lqi: 1 time: 1\n",
    ],
)
def test_nrf52840_counts_damaged_lines(line: bytes) -> None:
    decoder = Nrf52840Decoder()
    assert decoder.feed(line) == []
    assert decoder.counts.corrupt == 1


def test_packet_sniffer_2_commands() -> None:
    assert packet(PING).hex() == "4053400000404045"
    assert packet(SET_PHY, b"\x12").hex() == "4053470100125a4045"
    assert packet(SET_FREQUENCY, frequency(2405.0)).hex() == "405345040065090000b74045"
    assert packet(SET_FREQUENCY, frequency(868.65)).hex() == "4053450400640366a6bc4045"


@pytest.mark.parametrize("octets", [PS2_DATA, PS2_DATA_CHECKED])
def test_packet_sniffer_2_data_with_and_without_checksum(octets: bytes) -> None:
    decoder = PacketSniffer2Decoder()
    heard = Heard(B, Fcs.VALID, 1_000_000, -60.0, trailer=b"\xc2\x31")
    assert decoder.feed(octets + PS2_OK + octets + PS2_OK) == [heard, heard]
    assert decoder.answers == [b"\x00", b"\x00"]
    assert decoder.counts.corrupt == 0


@pytest.mark.parametrize("reverse", [False, True])
def test_packet_sniffer_2_sub_ghz_bits_in_either_order(*, reverse: bool) -> None:
    psdu = B + b"\xc2\x31"
    on_wire = bytes(int(f"{octet:08b}"[::-1], 2) for octet in psdu) if reverse else psdu
    payload = (5).to_bytes(6, "little") + b"\x00\x0a" + on_wire + bytes([0xC4, 0x80])
    decoder = PacketSniffer2Decoder(sub_ghz=True)
    assert decoder.feed(packet(0xC0, payload)) == [Heard(B, Fcs.VALID, 5, -60.0, trailer=b"\xc2\x31")]


def test_packet_sniffer_2_sub_ghz_damaged_frame_has_the_order_of_the_good_ones() -> None:
    good, damaged = (
        emulators.ps2_sub_ghz(OnAir(0, B)),
        emulators.ps2_sub_ghz(OnAir(0, B, intact=False)),
    )
    decoder = PacketSniffer2Decoder(sub_ghz=True)
    assert [heard.octets == B for heard in decoder.feed(damaged + good + damaged)] == [False, True, True]


def test_packet_sniffer_2_finds_the_next_packet_after_garbage() -> None:
    decoder = PacketSniffer2Decoder()
    assert len(decoder.feed(b"\x40\x53\xff\xff\xff" + PS2_DATA + b"noise" + PS2_DATA + b"\x40")) == 2
    assert decoder.counts.corrupt >= 2


def test_zep_version_1_and_2() -> None:
    decoder = ZepDecoder()
    assert decoder.feed(ZEP_V1) == [Heard(B, Fcs.VALID, None, None, 255, Channel(15), b"\xc2\x31", 1)]
    seconds_since_1900 = 1_700_000_000 + 2_208_988_800
    ticks = seconds_since_1900 << 32
    assert decoder.feed(ZEP_V2) == [Heard(B, Fcs.VALID, ticks, None, 255, Channel(15), b"\xc2\x31", 1)]
    assert decoder.feed(bytes.fromhex("4558020200000007")) == []
    assert (decoder.counts.ignored, decoder.counts.corrupt) == (1, 0)


def test_zep_counts_datagrams_that_were_lost() -> None:
    decoder = ZepDecoder()
    decoder.feed(ZEP_V2)
    later = bytearray(ZEP_V2)
    later[20] = 10
    decoder.feed(bytes(later))
    assert decoder.counts.lost == 2


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 15, 16, 20, 24])
def test_zep_counts_what_is_no_zep(cut: int) -> None:
    decoder = ZepDecoder()
    assert decoder.feed(ZEP_V1[:cut]) == []
    assert decoder.counts.corrupt == 1


def test_sensniff_frame_and_text_between() -> None:
    decoder = SensniffDecoder()
    assert decoder.feed(b"booting\n" + SENSNIFF) == [Heard(B, Fcs.VALID, None, -60.0, 105)]
    assert decoder.feed(SENSNIFF + message(CHANNEL, b"\x0f")) == []
    assert decoder.channel == 15


def test_spinel_commands() -> None:
    assert set_property(PHY_ENABLED, 1).hex() == "7e81032001d5107e"
    assert set_property(MAC_FILTER_MODE, MONITOR).hex() == "7e810338021f797e"
    assert set_property(PHY_CHANNEL, 15).hex() == "7e8103210f73e07e"
    assert set_property(RAW_STREAM_ENABLED, 1).hex() == "7e810337014cc87e"


def test_spinel_stream() -> None:
    decoder = SpinelDecoder()
    assert decoder.feed(SPINEL) == [Heard(B, Fcs.VALID, 1_000_000, -60.0, 200, Channel(15))]


def test_spinel_whose_fcs_is_meaningless_is_unchecked() -> None:
    inner = bytearray(SPINEL[1:-3])
    inner[inner.index(b"\xc2\x31") : inner.index(b"\xc2\x31") + 2] = b"\x00\x00"
    (heard,) = SpinelDecoder().feed(wrapped(bytes(inner)))
    assert heard.fcs == Fcs.NOT_CAPTURED


def test_spinel_damage_is_counted() -> None:
    decoder = SpinelDecoder()
    damaged = bytearray(SPINEL)
    damaged[10] ^= 1
    assert decoder.feed(bytes(damaged)) == []
    assert decoder.counts.corrupt == 1
    assert len(decoder.feed(SPINEL)) == 1


def test_zboss_record_and_overflow() -> None:
    decoder = ZbossDecoder()
    found = decoder.feed(ZBOSS + bytes([4, 2, 0, 0]) + b"\xff\xff" + ZBOSS)
    assert found == [Heard(B, Fcs.VALID, None, -60.0, 105)] * 2
    assert (decoder.counts.lost, decoder.counts.corrupt) == (1, 1)


SILABS = bytes.fromhex("5b1e00020040420f0000002a0005f80a030806ffffffff07c231f9f60405495d")


def silabs_v3(sequence: int, data: bytes = SILABS[14:-1], kind: int = 0x2A) -> bytes:
    message = struct.pack("<HQHIH", 3, 1_500_000_000_001, kind, 0, sequence) + data
    return b"[" + (2 + len(message)).to_bytes(2, "little") + message + b"]"


def test_silicon_labs_debug_channel() -> None:
    decoder = DebugChannelDecoder()
    heard = Heard(B, Fcs.VALID, 1_000_000_000, -60.0, None, Channel(15), b"\xc2\x31")
    assert decoder.feed(SILABS) == [heard]
    assert decoder.feed(silabs_v3(7)) == [heard._replace(ticks=1_500_000_000_001)]
    assert decoder.feed(silabs_v3(8, b"text", kind=2)) == []
    assert (decoder.counts.ignored, decoder.counts.lost, decoder.counts.corrupt) == (1, 0, 0)


def test_silicon_labs_sub_ghz_frame_has_its_page() -> None:
    # RSSI and radio configuration 5 (GB863) before radio info 36: channel 1 of page 30
    data = b"\xf8\x0a" + B + b"\xc2\x31" + bytes([0xF9, 0xF6, 0x05, 36, 0x05, 0x51])
    (heard,) = DebugChannelDecoder().feed(silabs_v3(0, data))
    assert heard.channel == Channel(1, 30)


def test_silicon_labs_adapter_tells_its_losses_and_damage_is_passed_over() -> None:
    decoder = DebugChannelDecoder()
    wrong_end = SILABS[:-1] + b"}"
    stream = silabs_v3(65_535) + b"noise [" + silabs_v3(2) + wrong_end + silabs_v3(3)
    assert len(decoder.feed(stream)) == 3
    assert (decoder.counts.lost, decoder.counts.corrupt) == (2, 2)


STREAMS = {
    DebugChannelDecoder: SILABS,
    Cc2531Decoder: CC2531_GOOD,
    Nrf52840Decoder: NRF_LINE,
    PacketSniffer2Decoder: PS2_DATA_CHECKED,
    SensniffDecoder: SENSNIFF,
    SpinelDecoder: SPINEL,
    ZbossDecoder: ZBOSS,
}


@pytest.mark.parametrize("kind", STREAMS, ids=lambda kind: kind.__name__)
def test_any_split_of_the_stream_gives_the_same_frames(kind: type) -> None:
    stream = STREAMS[kind] * 5
    for size in (1, 2, 3, 5, 7, 11, 64):
        decoder = kind()
        found = [heard for at in range(0, len(stream), size) for heard in decoder.feed(stream[at : at + size])]
        assert [heard.octets for heard in found] == [B] * 5
        assert (decoder.counts.frames, decoder.counts.corrupt) == (5, 0)


ENCODED = {
    DebugChannelDecoder: emulators.silabs,
    Cc2531Decoder: emulators.cc2531,
    Nrf52840Decoder: emulators.nrf52840,
    PacketSniffer2Decoder: emulators.ps2,
    SensniffDecoder: emulators.contiki,
    SpinelDecoder: emulators.spinel,
    ZbossDecoder: emulators.zboss,
}


@pytest.mark.parametrize("kind", ENCODED, ids=lambda kind: kind.__name__)
def test_cut_at_every_octet_the_stream_gives_the_same_frames(kind: type) -> None:
    """Frames of all lengths with octets that look like the beginning and the end of records."""
    bait = b"\x7e\x7d\x40\x53\x40\x45\xc1\x1f\xfe\x72\x0e\x00\x00\x00\r\nreceived: "
    octets = [B, bait, bytes(3), bait * 4, bytes(range(125)), b"\xff" * 60]
    frames = [OnAir(number * 10**7, one, rssi_dbm=-40 - number) for number, one in enumerate(octets)]
    stream = b"".join(map(ENCODED[kind], frames))
    whole = kind().feed(stream)
    assert [heard.octets for heard in whole] == octets
    for cut in range(len(stream)):
        decoder = kind()
        assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == whole, cut
        assert decoder.counts.corrupt == 0


@pytest.mark.parametrize("kind", [*STREAMS, ZepDecoder], ids=lambda kind: kind.__name__)
@given(pieces=st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_is_survived_and_forgotten(kind: type, pieces: list[bytes]) -> None:
    decoder = kind()
    for piece in pieces:
        decoder.feed(piece)
    stream = {**STREAMS, ZepDecoder: ZEP_V1}[kind]
    if kind is not ZepDecoder:
        decoder.feed(b"\x7e\n" + bytes(600))  # whatever the garbage began is over by now
        decoder.feed(b"\x7e\n")
    assert any(heard.octets == B for _ in range(3) for heard in decoder.feed(stream))
