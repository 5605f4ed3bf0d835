"""Other programs' capture files, through the front door by their content."""

import gzip
import io
import random
import sqlite3
import struct
import zipfile
from pathlib import Path

import pytest
from capture_files import gathered, pcap_header, pcap_record, read
from oracles import tshark

from hanscope.captures.batch import CaptureError, Fcs, FrameBatch
from hanscope.captures.files import CaptureFile

B = bytes.fromhex("030806ffffffff07")
ACK = bytes.fromhex("020006")
PSD_RECORD = bytes.fromhex("03010000000048e801000000000b000a030806ffffffff070de9")
DCF = b"""#Format=4\r
# SNA v3.0.0.7 SUS:20110101 ACT:20110101\r
1 1700000000.000005 10 030806ffffffff07ffff 200 1 -60 15 1 0 1 32767\r
2 1700000001.500000 5 020006ffff 100 1 -70 26 2 0 1 32767\r
"""


def one_batch(path: Path) -> tuple[CaptureFile, FrameBatch]:
    capture, batches = gathered(path)
    (batch,) = batches
    return capture, batch


def octets(batch: FrameBatch) -> list[bytes]:
    return [batch.frame(index) for index in range(len(batch))]


def psd(*numbers: int) -> bytes:
    return b"".join((PSD_RECORD[:1] + struct.pack("<I", n) + PSD_RECORD[5:]).ljust(151, b"\0") for n in numbers)


def test_psd_vector(tmp_path: Path) -> None:
    path = tmp_path / "whatever.bin"
    path.write_bytes(psd(1, 2))
    capture, batch = one_batch(path)
    assert (capture.format, capture.faults) == ("psd", [])
    assert octets(batch) == [B, B]
    assert (batch.rssi_dbm.tolist(), batch.lqi.tolist(), batch.fcs.tolist()) == (
        [-60, -60],
        [105, 105],
        [Fcs.VALID] * 2,
    )
    assert batch.time_ns.tolist() == [10**9, 10**9]


def test_psd_that_is_cut_or_damaged_gives_what_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    path.write_bytes(psd(1, 2, 3)[:-1])
    capture, batch = one_batch(path)
    assert (len(batch), capture.faults[0].where) == (2, "octet 302")
    damaged = bytearray(psd(1, 2, 3))
    damaged[151 + 15] = 99
    path.write_bytes(damaged)
    capture, batch = one_batch(path)
    assert (len(batch), capture.faults[0].where) == (1, "octet 151")


def test_real_psd(data: Path) -> None:
    capture, batch = one_batch(data / "captures" / "ti-star-network.psd")
    assert (len(batch), capture.faults) == (4495, [])
    # its own CRC flags: what TI's radio found damaged
    assert (batch.fcs == Fcs.INVALID).sum() == 301
    assert (batch.time_ns[1:] >= batch.time_ns[:-1]).all()


def test_dcf(tmp_path: Path) -> None:
    path = tmp_path / "daintree.txt"
    path.write_bytes(DCF)
    capture, batch = one_batch(path)
    assert (capture.format, capture.faults) == ("dcf", [])
    assert octets(batch) == [B, ACK]
    assert batch.time_ns.tolist() == [1_700_000_000_000_005_000, 1_700_000_001_500_000_000]
    assert (batch.channel.tolist(), batch.rssi_dbm.tolist(), batch.lqi.tolist()) == ([15, 26], [-60, -70], [200, 100])


def test_the_time_of_dcf_has_a_fraction(tmp_path: Path) -> None:
    """As tshark reads it since 4.4; 4.0 takes the digits for a number of microseconds."""
    path = tmp_path / "a.dcf"
    path.write_bytes(DCF.replace(b".500000", b".5"))
    assert one_batch(path)[1].time_ns[1] == 1_700_000_001_500_000_000


def test_dcf_is_read_as_tshark_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.dcf"
    path.write_bytes(DCF)
    told = tshark("-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "wpan.seq_no")
    _, batch = one_batch(path)
    assert [float(time) for time, _, _ in told] == [at / 1e9 for at in batch.time_ns.tolist()]
    assert [int(size) for _, size, _ in told] == batch.length.tolist()


@pytest.mark.parametrize(
    "line", [b"3 1.0 4 zzzz 1 1 1 11\n", b"3 1.0 5 0200 1 1 1 11\n", b"3\n", b"x" * 20_000 + b"\n"]
)
def test_dcf_damage(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.dcf"
    path.write_bytes(DCF + line)
    capture, batches = gathered(path)
    assert (sum(map(len, batches)), len(capture.faults)) == (2, 1)


def cubx(path: Path, packets: list[tuple[object, ...]]) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE Metadata (Key TEXT, Value TEXT)")
        database.execute(
            "CREATE TABLE Packets (Id INTEGER PRIMARY KEY, Raw BLOB, Stack, Channel, Timestamp, TimeDelta, LQI, RSSI)"
        )
        database.execute("CREATE TABLE Keys (Id INTEGER PRIMARY KEY, Key BLOB, Type TEXT)")
        database.execute("INSERT INTO Keys VALUES (1, ?, 'NetworkKey'), (2, ?, 'LinkKey')", (bytes(16), b"k" * 16))
        database.executemany("INSERT INTO Packets VALUES (?, ?, 0, ?, ?, 0, ?, ?)", packets)
    database.close()


def test_cubx_and_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "a"
    cubx(
        path, [(1, B + b"\xff\xff", 20, 1_700_000_000.25, 255, -44), (2, ACK + b"\xff\xff", 20, 1_700_000_001, 0, 127)]
    )
    for content in (path.read_bytes(), gzip.compress(path.read_bytes())):
        path.write_bytes(content)
        capture, batch = one_batch(path)
        assert (capture.format, capture.faults) == ("cubx", [])
        assert octets(batch) == [B, ACK]
        assert batch.time_ns.tolist() == [1_700_000_000_250_000_000, 1_700_000_001_000_000_000]
        assert (batch.channel.tolist(), batch.rssi_dbm[0], batch.fcs.tolist()) == ([20, 20], -44, [2, 2])
        assert [(one.kind, one.key) for one in capture.secrets] == [("nwk", bytes(16)), ("aps", b"k" * 16)]


@pytest.mark.parametrize("packet", [(2, None, 1, 1.0, 0, 0), (2, b"x" * 9999, 1, 1.0, 0, 0), (2, B, 1, None, 0, 0)])
def test_cubx_with_a_packet_that_is_none(tmp_path: Path, packet: tuple[object, ...]) -> None:
    path = tmp_path / "a"
    cubx(path, [(1, B + b"\xff\xff", 20, 1.0, 255, -44), packet])
    capture, batch = one_batch(path)
    assert (len(batch), capture.faults[0].where) == (1, "packet 2")


def test_damaged_or_foreign_database_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "a"
    cubx(path, [(1, B, 20, 1.0, 255, -44)])
    path.write_bytes(path.read_bytes()[:6000])
    capture, batches = gathered(path)
    assert (batches, [fault.where for fault in capture.faults]) == ([], ["the table Packets"])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CaptureError, match="cannot be read on"):
        gathered(path)
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(CaptureError, match="a database, but no Ubiqua capture"):
        gathered(path)


def test_cubx_with_words_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    cubx(path, [(1, B + b"\xff\xff", 20, 1.0, 255, -44)])
    octets = path.read_bytes()
    for word in (b"Metadata", b"TimeDelta", b"NetworkKey"):
        for place in (0, 3):
            at = octets.index(word) + place
            path.write_bytes(octets[:at] + b"\xfd" + octets[at + 1 :])
            try:
                gathered(path)
            except CaptureError as error:
                assert "database" in str(error)  # noqa: PT017 -- or it is well


def test_cubx_that_computes_what_it_does_not_hold(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE Metadata (Key, Value)")
        blob = "BLOB GENERATED ALWAYS AS (zeroblob(1000000000)) VIRTUAL"
        database.execute(f"CREATE TABLE Packets (Id INTEGER PRIMARY KEY, Raw {blob}, Channel, Timestamp, RSSI)")
        database.execute("INSERT INTO Packets (Id, Channel, Timestamp, RSSI) VALUES (1, 20, 1.0, -40)")
    database.close()
    capture, batches = gathered(path)
    assert (list(batches), "too big" in capture.faults[0].what) == ([], True)


def test_cubx_comments(tmp_path: Path) -> None:
    path = tmp_path / "a"
    cubx(path, [(number, B + b"\xff\xff", 20, 1.0, 255, -44) for number in (3, 5, 9)])
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE Packets ADD COLUMN Comment")
        database.execute("UPDATE Packets SET Comment = 'here' WHERE Id = 5")
        database.execute("UPDATE Packets SET Comment = '' WHERE Id = 9")
    database.close()
    capture, _ = one_batch(path)
    assert [(one.number, one.text) for one in capture.comments] == [(2, "here")]


def test_real_cubx(data: Path) -> None:
    capture, batch = one_batch(data / "captures" / "ubiqua-sample.cubx")
    assert (len(batch), len(capture.secrets), capture.faults) == (3384, 3, [])
    assert set(batch.channel.tolist()) == {20}


def event(octets_hex: str, *, at: int = 0, kind: int = 0x0102002A, node: str = "000440267967") -> str:
    spaced = " ".join(octets_hex[index : index + 2] for index in range(0, len(octets_hex), 2)).upper()
    return f"[{at} 512 {kind} Packet 0085] [{node}] [{spaced}]\r\n"


RX = "f80a" + B.hex() + "c231" + "f9" + "f6" + "04" + "05" + "49"
"""The octets of the debug channel vector: EFR32, received, channel 15, -60 dBm (0xF6 - 50)."""
LOG = "# (c) Ember - InSight Desktop\r\n"


def test_silicon_labs_log(tmp_path: Path) -> None:
    path = tmp_path / "a"
    lines = [
        event(RX, at=5),
        event("0001", kind=589_825),
        event("fc05" + ACK.hex() + "0000" + "fd040501", at=1000, kind=0x01020029),
        event(RX, at=300_000, node="other"),
        event(RX, at=300_100),
    ]
    path.write_bytes((LOG + "".join(lines)).encode())
    capture, batches = gathered(path)
    assert (capture.format, capture.faults) == ("silabs-log", [])
    assert [frame for batch in batches for frame in octets(batch)] == [B, ACK, B]
    assert [int(at) for batch in batches for at in batch.time_ns] == [5_000, 1_000_000, 300_000_000]
    assert [int(state) for batch in batches for state in batch.fcs] == [Fcs.VALID, Fcs.INVALID, Fcs.VALID]
    assert (batches[0].rssi_dbm[0], batches[0].channel[0]) == (-60, 15)
    assert [one.name for one in capture.interfaces] == ["000440267967", "other"]


def test_silicon_labs_sub_ghz_channel(tmp_path: Path) -> None:
    path = tmp_path / "a"
    # variable part: RSSI and radio configuration (GB863 is radio 5); index 36 of the 63 channels is page 30, channel 1
    path.write_text(LOG + event("f80a" + B.hex() + "c231" + "f9" + "f6" + "05" + "24" + "05" + "51"))
    _, batch = one_batch(path)
    assert (batch.channel.tolist(), batch.page.tolist(), batch.rssi_dbm.tolist()) == ([1], [30], [-60])


def test_damaged_log_gives_what_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(LOG + event(RX) + "nonsense\n")
    capture, batch = one_batch(path)
    assert (len(batch), len(capture.faults)) == (1, 1)


def test_zip_that_is_no_session(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(CaptureError, match="a ZIP archive, but no Silicon Labs session"):
        gathered(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CaptureError, match="it is cut short or damaged"):
        gathered(path)


def test_session_that_inflates_without_end_is_read_line_by_line(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(".emberVersion", "2.0")
        archive.writestr("event.log", LOG + event(RX) + "x" * 50_000_000)
    path = tmp_path / "a"
    path.write_bytes(content.getvalue())
    capture, batch = one_batch(path)
    assert len(batch) == 1
    assert "longer than" in capture.faults[0].what


def test_real_session_has_the_frames_of_its_export(data: Path) -> None:
    """The vendor's export of the same session: 155 frames; its times count from the start of the session."""
    capture, batch = one_batch(data / "captures" / "silabs-network-key-update.isd")
    _, exported = read(data / "captures" / "silabs-network-key-update.pcapng")
    assert octets(batch) == [frame for _, _, frame in exported]
    start = 1_667_410_821_641_000_000
    assert (batch.time_ns - start).tolist() == [time for time, _, _ in exported]
    assert (capture.faults, set(batch.channel.tolist())) == ([], {20})


@pytest.mark.parametrize(
    ("name", "cut", "frames", "told"),
    [
        ("silabs-network-key-update.isd", 9000, 155, "it is cut short or damaged; what could be unpacked was read"),
        ("silabs-network-key-update.isd", 4000, 90, "times count from its start, which is not told"),
        ("ubiqua-sample.cubx", 264_000, 3384, "the database is cut short"),
        ("ubiqua-sample.cubx", 150_000, 1896, "the database cannot be read on"),
    ],
)
def test_archive_or_database_that_is_cut_short_gives_what_is_there(
    data: Path, tmp_path: Path, name: str, cut: int, frames: int, told: str
) -> None:
    _, whole = one_batch(data / "captures" / name)
    path = tmp_path / "x"
    path.write_bytes((data / "captures" / name).read_bytes()[:cut])
    capture, batch = one_batch(path)
    assert len(batch) >= frames
    assert octets(batch) == octets(whole)[: len(batch)]
    assert [told in fault.what for fault in capture.faults] == [True]


def test_damage_in_the_middle_of_a_log_costs_only_what_follows(data: Path, tmp_path: Path) -> None:
    seed = bytearray((data / "captures" / "silabs-network-key-update.isd").read_bytes())
    seed[3500] ^= 0xFF
    path = tmp_path / "x"
    path.write_bytes(seed)
    capture, batch = one_batch(path)
    assert len(batch) > 60
    assert batch.time_ns[0] == 1_667_410_821_641_000_000
    assert capture.faults[0].what.startswith("it is cut short or damaged")


ZBOSS_DUMP = b"ZBOSS" + bytes([28 << 1 | 1, 3]) + bytes(4) + B + bytes([0x0D, 0xE9])
"""A frame that was sent on channel 3 of page 28, as the ZBOSS stack dumps it into link type 195."""


def test_zboss_dump_in_a_pcap_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap_header() + pcap_record(1, octets=ZBOSS_DUMP) * 2)
    _, batch = one_batch(path)
    assert octets(batch) == [B, B]
    assert (batch.channel.tolist(), batch.page.tolist()) == ([3, 3], [28, 28])
    assert (batch.rssi_dbm.tolist(), batch.fcs.tolist()) == ([-60, -60], [Fcs.VALID] * 2)
    fields = ("wpan-zboss.page", "wpan-zboss.channel", "wpan.frame_type")
    told = tshark("-r", path, "-T", "fields", *(word for name in fields for word in ("-e", name)))
    assert [[int(one, 0) for one in line] for line in told] == [[28, 3, 3]] * 2


@pytest.mark.parametrize("name", ["ti-star-network.psd", "silabs-network-key-update.isd", "ubiqua-sample.cubx"])
def test_damage_anywhere_is_a_fault_or_a_sentence(data: Path, tmp_path: Path, name: str) -> None:
    """Whatever is wrong with a file: no exception but `CaptureError`, in one line."""
    seed = (data / "captures" / name).read_bytes()[: 151 * 400 if name.endswith("psd") else None]
    dice = random.Random(7)
    path = tmp_path / "x"
    outcomes = set()
    for _ in range(60):
        octets = bytearray(seed)
        for _ in range(dice.choice([1, 3, 30])):
            octets[dice.randrange(len(octets))] = dice.randrange(256)
        path.write_bytes(octets[: dice.randrange(len(octets))] if dice.random() < 0.4 else octets)
        try:
            capture, _ = gathered(path)
            outcomes.add("faults" if capture.faults else "well")
        except CaptureError as error:
            outcomes.add(str(error))
    assert "faults" in outcomes
    assert not any("\n" in outcome for outcome in outcomes)


@pytest.mark.parametrize("lines", [LOG + event(RX, at=10**17), LOG + event(RX) + event(RX, at=-(10**17))])
def test_impossible_time_is_damage(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "x"
    path.write_text(lines)
    capture, batches = gathered(path)
    assert sum(map(len, batches)) == lines.count("\r\n[") - 1
    assert "centuries away" in capture.faults[0].what
