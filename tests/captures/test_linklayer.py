import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from capture_files import FRAME, interface, option, packet, pcap_header, pcap_record, section
from oracles import tshark

from hanscope.captures.batch import Fcs, FrameBatch
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import Decision, Decisions, decide, frames, link_type_name
from hanscope.captures.writer import PcapWriter
from hanscope.dissectors.fcs import crc16

BODY = FRAME[:-2]
ACK = bytes.fromhex("020006")
DATA = bytes.fromhex("6188515b4a000034124802000034121e21280130000056341200008d1500")


def with_fcs(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


def taken(path: Path) -> tuple[list[FrameBatch], Decisions]:
    decisions: Decisions = {}
    found: list[FrameBatch] = []
    with open_capture(path) as capture:
        for batch in capture:
            decisions = decide(batch, capture.interfaces, decisions)
            found.append(frames(batch, decisions))
    return found, decisions


def one(path: Path) -> tuple[FrameBatch, Decision]:
    (batch,), decisions = taken(path)
    (decision,) = decisions.values()
    return batch, decision


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture"


def bodies(batch: FrameBatch) -> list[bytes]:
    found = [batch.frame(index) for index in range(len(batch))]
    padded = batch.octets
    assert padded.shape == (len(batch), max(map(len, found), default=0))
    for row, body in zip(padded, found, strict=True):
        assert row.tobytes().rstrip(b"\0") == body.rstrip(b"\0")
    return found


def pcap(link: int, *records: bytes) -> bytes:
    return pcap_header(link=link) + b"".join(pcap_record(n, octets=octets) for n, octets in enumerate(records))


@pytest.mark.parametrize("link", [195, 230])
def test_a_right_crc_in_half_of_the_frames_is_an_fcs_whatever_the_label(path: Path, link: int) -> None:
    """Some sniffers write 0000 instead of the FCS of bad frames."""
    path.write_bytes(pcap(link, with_fcs(BODY), with_fcs(DATA), DATA + bytes(2), BODY + b"\1\2"))
    batch, decision = one(path)
    assert decision.trailer == "fcs"
    assert decision.evidence == "the CRC is right in 2 of the first 4 frames"
    assert bodies(batch) == [BODY, DATA, DATA, BODY]
    assert batch.fcs.tolist() == [Fcs.VALID, Fcs.VALID, Fcs.INVALID, Fcs.INVALID]
    assert np.isnan(batch.rssi_dbm).all()
    assert (batch.lqi == -1).all()
    assert (batch.channel == -1).all()
    assert (batch.page == -1).all()


@pytest.mark.parametrize("link", [195, 230])
def test_frames_that_end_where_their_header_says_have_no_fcs(path: Path, link: int) -> None:
    """As in a public capture that is labelled 195 and has none."""
    path.write_bytes(pcap(link, *[BODY] * 18, *[DATA] * 30))
    batch, decision = one(path)
    assert (decision.trailer, bodies(batch)[17:19]) == ("none", [BODY, DATA])
    assert decision.evidence.startswith("18 of 18 frames of fixed length end where their header says")
    assert set(batch.fcs.tolist()) == {Fcs.NOT_CAPTURED}


def test_padded_acknowledgements_prove_nothing_beside_commands(path: Path) -> None:
    """As in a public capture labelled 230 whose acknowledgements are padded to five octets."""
    path.write_bytes(pcap(230, *[bytes.fromhex("02000c000c")] * 9, *[BODY] * 3, *[DATA] * 30))
    batch, decision = one(path)
    assert (decision.trailer, bodies(batch)[0]) == ("none", bytes.fromhex("02000c000c"))


def test_bare_acknowledgements_prove_that_there_is_no_fcs(path: Path) -> None:
    path.write_bytes(pcap(195, *[ACK] * 9, *[DATA] * 9))
    assert one(path)[1].trailer == "none"


def test_metadata_in_place_of_the_fcs(path: Path) -> None:
    good = [DATA + bytes([13, 0x80 | 105])] * 25
    cut_off = pcap_record(0, octets=DATA, original=len(DATA) + 2)
    path.write_bytes(pcap(195, *good, DATA + bytes([0xEF, 60])) + cut_off)
    batch, decision = one(path)
    assert decision.trailer == "ti-metadata"
    assert bodies(batch) == [DATA] * 27
    assert batch.rssi_dbm[[0, 25]].tolist() == [-60, -90]
    assert np.isnan(batch.rssi_dbm[26])
    assert batch.lqi[[0, 25, 26]].tolist() == [105, 60, -1]
    assert batch.fcs[[0, 25, 26]].tolist() == [Fcs.VALID, Fcs.INVALID, Fcs.NOT_CAPTURED]
    assert batch.rssi_dbm.dtype == np.float32


def test_a_few_frames_that_look_like_metadata_do_not_decide_alone(path: Path) -> None:
    """Three in ten random pairs do; with a frame of fixed length that has two octets more they do."""
    path.write_bytes(pcap(195, *[DATA + b"\x0d\xe9"] * 5))
    batch, decision = one(path)
    assert decision.trailer == "fcs"
    assert decision.evidence.startswith("not clear: the CRC is right in 0 of the first 5 frames; link type 195")
    assert set(batch.fcs.tolist()) == {Fcs.INVALID}
    path.write_bytes(pcap(195, *[DATA + b"\x0d\xe9"] * 5, BODY + b"\x0d\xe9"))
    assert one(path)[1].trailer == "ti-metadata"


@pytest.mark.parametrize("end", [b"\xff\xff", b"\0\0"])
def test_placeholders(path: Path, end: bytes) -> None:
    path.write_bytes(pcap(195, *[DATA + end] * 10, BODY + end))
    batch, decision = one(path)
    assert (decision.trailer, bodies(batch)[0]) == ("placeholder", DATA)
    assert set(batch.fcs.tolist()) == {Fcs.NOT_CAPTURED}


def test_a_raw_link_quality_in_place_of_the_fcs(path: Path) -> None:
    path.write_bytes(pcap(195, *[DATA + bytes([55, 0])] * 10, BODY + bytes([64, 0])))
    batch, decision = one(path)
    assert (decision.trailer, bodies(batch)[0]) == ("raw-lqi", DATA)
    assert batch.lqi[[0, 10]].tolist() == [220, 255]


def test_an_fcs_that_was_cut_off(path: Path) -> None:
    content = pcap_header()
    for n, (octets, missing) in enumerate([(DATA, 2), (DATA + b"\1", 1), (DATA[:-1], 3), (with_fcs(DATA), 0)]):
        content += pcap_record(n, octets=octets, original=len(octets) + missing)
    path.write_bytes(content)
    batch, decision = one(path)
    assert decision.trailer == "fcs"
    assert bodies(batch) == [DATA, DATA, DATA[:-1], DATA]
    assert batch.fcs.tolist() == [Fcs.NOT_CAPTURED] * 3 + [Fcs.VALID]
    assert batch.truncated.tolist() == [False, False, True, False]
    path.write_bytes(pcap_header() + pcap_record(1, octets=DATA, original=len(DATA) + 2))
    assert one(path)[1].evidence == "no whole frame to judge by; link type 195 says so"


def test_tiny_records_are_frames_of_no_octets(path: Path) -> None:
    path.write_bytes(pcap(195, with_fcs(BODY), b"", b"\1", b"\0\0", b"\1\2\3"))
    batch, _ = one(path)
    assert bodies(batch) == [BODY, b"", b"", b"", b"\1"]
    assert batch.fcs.tolist() == [Fcs.VALID, Fcs.NOT_CAPTURED, Fcs.NOT_CAPTURED, Fcs.INVALID, Fcs.INVALID]


def tap(*fields: tuple[int, bytes], version: int = 0, length: int | None = None) -> bytes:
    body = b"".join(struct.pack("<HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in fields)
    return struct.pack("<BBH", version, 0, len(body) + 4 if length is None else length) + body


FCS_NONE, FCS_16, FCS_32 = (0, b"\0"), (0, b"\1"), (0, b"\2")


def test_tap_headers_of_every_shape(path: Path) -> None:
    import zlib  # noqa: PLC0415 -- only here

    rss, channel, lqi = (1, struct.pack("<f", -60.5)), (3, struct.pack("<HB", 15, 28)), (10, b"\xc8")
    wide = DATA + zlib.crc32(DATA).to_bytes(4, "little")
    others = [(2, bytes(4)), (5, bytes(8)), (11, bytes(4)), (12, bytes(10)), (13, b"\1\0\10\0\x2a"), (999, b"odd")]
    records = [
        tap(FCS_16, rss, channel, lqi) + with_fcs(DATA),
        tap(channel, FCS_16) + with_fcs(BODY),
        tap() + DATA,
        tap(FCS_NONE, lqi) + DATA,
        tap(*others, rss, FCS_32) + wide,
        tap(FCS_32) + wide[:-1] + bytes([wide[-1] ^ 1]),
        tap(FCS_16) + DATA + b"\1\2",
        tap(rss, (1, struct.pack("<f", -40.0)), (1, b"\1\2")) + DATA,  # repeated, and too short
        tap((0, b"\1"), (3, b"\5"), length=24) + bytes(4) + DATA,  # a value too short; a length beyond the fields
        tap((0, b"\1")) + FRAME,
    ]
    path.write_bytes(pcap(283, *records))
    batch, decision = one(path)
    assert decision.trailer == "by-frame"
    assert decision.evidence == "TAP: 7 of the first 10 frames say that they end with an FCS"
    assert bodies(batch)[:8] == [DATA, BODY, DATA, DATA, DATA, DATA, DATA, DATA]
    v, i, n = Fcs.VALID, Fcs.INVALID, Fcs.NOT_CAPTURED
    assert batch.fcs.tolist() == [v, v, n, n, v, i, i, n, i, v]
    assert np.nan_to_num(batch.rssi_dbm, nan=0).tolist() == [-60.5, 0, 0, 0, -60.5, 0, 0, -40, 0, 0]
    assert batch.channel.tolist() == [15, 15, -1, -1, -1, -1, -1, -1, -1, -1]
    assert batch.page.tolist() == [28, 28, -1, -1, -1, -1, -1, -1, -1, -1]
    assert batch.lqi.tolist() == [200, -1, -1, 200, -1, -1, -1, -1, -1, -1]
    words = ("-T", "fields", "-e", "wpan-tap.rss", "-e", "wpan-tap.ch_num", "-e", "wpan-tap.lqi", "-e", "wpan.fcs_ok")
    seen = tshark("-r", path, *words)
    assert [row[3] for row in seen[:8]] == ["1", "1", "1", "1", "1", "0", "0", "1"]  # 1 also where there is no FCS
    assert [row[:3] for row in seen[:4]] == [["-60.5", "15", "200"], ["", "15", ""], ["", "", ""], ["", "", "200"]]


def test_records_that_are_no_tap_are_counted(path: Path) -> None:
    records = [tap(FCS_16) + FRAME, tap(version=1) + FRAME, tap(length=3), tap(length=200) + FRAME, b"", b"\0\0\4"]
    path.write_bytes(pcap(283, *records))
    batch, _ = one(path)
    assert batch.number.tolist() == [1]
    assert batch.other_frames == 5


def test_a_hundred_shapes_of_tap_headers_are_all_read(path: Path) -> None:
    random = np.random.default_rng(4)
    records: list[bytes] = []
    for n in range(1_000):
        kinds = random.permutation([2, 5, 7, 8, 11, 12, 999])[: int(random.integers(0, 7))]
        fields = [(int(kind), bytes(8)) for kind in kinds]
        fields.insert(int(random.integers(0, len(fields) + 1)), (10, bytes([n % 256])))
        records.append(tap(*fields) + DATA)
    path.write_bytes(pcap(283, *records))
    batch, _ = one(path)
    assert batch.lqi.tolist() == [n % 256 for n in range(1_000)]
    assert bodies(batch) == [DATA] * 1_000


def test_the_phy_header_of_link_type_215(path: Path) -> None:
    record = bytes(4) + b"\xa7" + bytes([len(FRAME)]) + FRAME
    noisy = bytes(4) + b"\xa7" + bytes([0x80 | len(FRAME)]) + FRAME + b"behind"
    path.write_bytes(pcap(215, record, noisy, b"\1" + record[1:], record[:5], record[:-4]))
    batch, decision = one(path)
    assert decision.trailer == "fcs"
    assert batch.number.tolist() == [1, 2, 5]
    assert bodies(batch) == [BODY, BODY, FRAME[:-4]]
    assert batch.fcs.tolist() == [Fcs.VALID, Fcs.VALID, Fcs.NOT_CAPTURED]
    assert batch.truncated.tolist() == [False, False, True]
    assert batch.other_frames == 2


def test_other_link_types_are_counted_and_named(path: Path) -> None:
    path.write_bytes(pcap(1, b"ethernet", b"frames"))
    batch, decision = one(path)
    assert (len(batch), batch.other_frames) == (0, 2)
    assert decision.trailer == "not-802.15.4"
    assert decision.evidence == "link type 1 (ETHERNET) without ZEP in the first 2 records"
    assert batch.octets.shape == (0, 0)
    assert link_type_name(9_999) == "LINKTYPE_9999"


def test_a_private_link_type_is_judged_by_its_records(path: Path) -> None:
    path.write_bytes(pcap(147, b"something else" * 3))
    assert one(path)[1].trailer == "not-802.15.4"


def test_interfaces_are_decided_one_by_one_and_frames_stay_in_order(path: Path) -> None:
    content = section() + interface(195) + interface(230) + interface(1) + interface(283)
    expected: list[tuple[int, bytes]] = []
    for n in range(40):
        index = (n * 7) % 4
        octets = [FRAME, BODY, b"ip", tap(FCS_16) + FRAME][index]
        content += packet(n, octets, index)
        if index != 2:
            expected.append((n + 1, BODY))
    path.write_bytes(content)
    (batch,), decisions = taken(path)
    assert [decisions[index].trailer for index in range(4)] == ["fcs", "none", "not-802.15.4", "by-frame"]
    assert list(zip(batch.number.tolist(), bodies(batch), strict=True)) == expected
    assert batch.source.tolist() == [(number - 1) * 7 % 4 for number, _ in expected]
    assert (batch.time_ns == (batch.number - 1) * 1000).all()
    assert batch.other_frames == 10
    assert pickle.loads(pickle.dumps((batch, decisions)))[1] == decisions  # noqa: S301 -- our own


def test_decisions_stand_and_new_interfaces_are_added(path: Path) -> None:
    path.write_bytes(section() + interface(195) + packet(1) + interface(230) + packet(2, BODY, 1))
    earlier = {0: Decision(0, 195, "placeholder", "told")}
    with open_capture(path) as capture:
        (batch,) = capture
    decisions = decide(batch, capture.interfaces, earlier)
    assert decisions[0] == earlier[0]
    assert decisions[1].trailer == "none"
    assert len(earlier) == 1


def test_a_crc_error_mark_speaks_where_no_fcs_was_captured(path: Path) -> None:
    mark = option(2, struct.pack("<I", 1 << 24))
    path.write_bytes(section() + interface(230) + packet(1, BODY) + packet(2, BODY, options=mark))
    assert one(path)[0].fcs.tolist() == [Fcs.NOT_CAPTURED, Fcs.INVALID]


def test_custom_blocks_are_no_frames(path: Path) -> None:
    from capture_files import block  # noqa: PLC0415 -- only here

    path.write_bytes(section() + interface() + block(0xBAD, bytes(8)) + packet(1))
    (batch,), _ = taken(path)
    assert (batch.number.tolist(), batch.other_frames) == ([2], 1)


REAL = {
    "catsniffer-ota.tap.pcap": "by-frame",
    "hue-association.tap.pcap": "by-frame",
    "touchlink.tap.pcap": "by-frame",
    "legrand-page-requests.pcap": "fcs",
    "hue-ota-ti-metadata.pcapng": "ti-metadata",
    "join-authenticate.pcap": "none",
    "silabs-application-link-key.pcapng": "none",
    "silabs-hashed-link-keys.pcapng": "none",
    "silabs-install-code-join.pcapng": "none",
    "silabs-network-key-update.pcapng": "none",
    "silabs-secured-rejoin.pcapng": "none",
    "viessmann-zep.pcap": "ti-metadata",
    "zigator-02-mac-testing.pcap": "fcs",
    "zigator-03-nwk-testing.pcap": "fcs",
}


@pytest.mark.parametrize(("name", "trailer"), REAL.items())
def test_real_captures_are_judged_rightly(data: Path, name: str, trailer: str) -> None:
    found, decisions = taken(data / "captures" / name)
    assert [decision.trailer for decision in decisions.values()] == [trailer]
    words = ("-T", "fields", "-e", "frame.number", "-e", "wpan.fcs_ok", "-e", "wpan.seq_no")
    options = ("-o", "wpan.fcs_format:TI CC24xx metadata") if trailer == "ti-metadata" else ()
    # Damaged frames that tshark cannot make sense of have no value there.
    seen = [row for row in tshark("-r", data / "captures" / name, *options, *words) if row[1] and row[2]]
    state = {"1": Fcs.NOT_CAPTURED if trailer == "none" else Fcs.VALID, "0": Fcs.INVALID}
    sequence = {int(row[0]): int(row[2]) for row in seen}
    expected = {int(row[0]): state[row[1]] for row in seen}
    for batch in found:
        for number, fcs, at in zip(batch.number.tolist(), batch.fcs.tolist(), batch.at.tolist(), strict=True):
            if number in expected:
                assert fcs == expected[number], number
                if fcs != Fcs.INVALID:
                    assert batch.buffer[at + 2] == sequence[number], number
    assert 2 * len(seen) > sum(map(len, found))  # most frames were compared


def test_the_ti_packet_sniffer_record_gives_the_frames_of_its_conversion(data: Path) -> None:
    """The same session as TAP; in four records serial messages ran together, of which the first is the frame."""
    private, decisions = taken(data / "captures/catsniffer-ota.pcapng")
    assert [decision.trailer for decision in decisions.values()] == ["fcs"]
    converted, _ = taken(data / "captures/catsniffer-ota.tap.pcap")
    assert sum(batch.other_frames for batch in private) == 0

    def table(batches: list[FrameBatch]) -> dict[int, tuple[bytes, int, float, int]]:
        return {
            number: (batch.frame(index), fcs, rssi, channel)
            for batch in batches
            for index, (number, fcs, rssi, channel) in enumerate(
                zip(
                    batch.number.tolist(),
                    batch.fcs.tolist(),
                    batch.rssi_dbm.tolist(),
                    batch.channel.tolist(),
                    strict=True,
                )
            )
        }

    one_way, other_way = table(private), table(converted)
    assert len(one_way) == 31_900
    assert {number for number, row in one_way.items() if row != other_way[number]} == set()


def test_zep_gives_the_frames_that_tshark_finds(data: Path) -> None:
    path = data / "captures/viessmann-zep.pcap"
    batches, decisions = taken(path)
    assert [decision.trailer for decision in decisions.values()] == ["ti-metadata"]
    rows = tshark(
        *("-r", path, "-T", "fields", "-e", "frame.number", "-e", "wpan.seq_no", "-e", "zep.channel_id"),
        *("-e", "zep.lqi", "-e", "wpan.frame_length", "-e", "zep.length"),
    )
    found = {
        number: (batch.buffer[at + 2], channel, lqi, length + 2)
        for batch in batches
        for number, at, channel, lqi, length in zip(
            batch.number.tolist(),
            batch.at.tolist(),
            batch.channel.tolist(),
            batch.lqi.tolist(),
            batch.length.tolist(),
            strict=True,
        )
    }
    assert len(found) == 152
    assert {int(row[0]): (int(row[1]), int(row[2]), int(row[5])) for row in rows} == {
        number: (sequence, channel, length) for number, (sequence, channel, _, length) in found.items()
    }


@pytest.mark.parametrize(
    ("zep", "channel", "page"),
    [
        ("4558010f000101ff000000000000000a030806ffffffff07c231", 15, 0),
        ("455802010f000101ffe8fe6f800000000000000007000000000000000000000a030806ffffffff07c231", 15, 0),
        ("45580183000101ff000000000000000a030806ffffffff07c231", 3, 28),
        ("455801da000101ff000000000000000a030806ffffffff07c231", 26, 30),
        ("45580100000101ff000000000000000a030806ffffffff07c231", -1, -1),
    ],
)
def test_zep_of_both_versions_by_octets(zep: str, channel: int, page: int, tmp_path: Path) -> None:
    payload = bytes.fromhex(zep)
    udp = bytes.fromhex("115c455a") + (8 + len(payload)).to_bytes(2, "big") + b"\0\0" + payload
    ip = (
        bytes.fromhex("4500")
        + (20 + len(udp)).to_bytes(2, "big")
        + bytes.fromhex("00000000 4011 0000 0a000001 0a000002")
    )
    frame = bytes(12) + b"\x08\x00" + ip + udp
    other = bytes(12) + b"\x08\x06" + bytes(40)
    path = tmp_path / "zep.pcap"
    with PcapWriter(path, 1) as writer:
        for octets in (frame, other, frame[:-5]):
            writer.frame(1_000_000_000, octets)
    batches, decisions = taken(path)
    assert decisions[0].trailer == "fcs"
    (batch,) = batches
    assert (batch.number.tolist(), batch.other_frames) == ([1, 3], 1)
    assert batch.frame(0) == bytes.fromhex("030806ffffffff07")
    assert (batch.fcs[0], batch.channel[0], batch.page[0]) == (Fcs.VALID, channel, page)
    assert batch.truncated.tolist() == [False, True]
