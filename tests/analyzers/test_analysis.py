"""The whole path: what real captures are known to hold is found, and how it is run changes nothing."""

import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from capture_files import pcap_header, pcap_record
from equality import assert_group_equals_scapy
from oracles import SMART_ENERGY, SMART_ENERGY_KEYS, octets

from hanscope.analyzers import inputs
from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.inputs import OneCapture, RecordChunk
from hanscope.analyzers.keys import KeyRing, KnownKey, parse_key
from hanscope.analyzers.network import Transmitters
from hanscope.analyzers.results import Analysis, Transfer
from hanscope.captures.batch import CaptureError
from hanscope.captures.simulator.scenarios import benchmark
from hanscope.dissectors.columns.rows import Index, Octets
from hanscope.dissectors.columns.stage import Sifted, Stage

ZLL = KnownKey("link", bytes.fromhex("814286865dc1c8b2c8cbc52e5d65d1b8"), "test")
LEGRAND = KnownKey("network", bytes.fromhex("bd4bee1a2f9d58e90ba1300ad59bfad6"), "test")


def download(found: Analysis) -> Transfer:
    """The one transfer that has data."""
    (one,) = [transfer for transfer in found.transfers if transfer.received_bytes]
    return one


@pytest.mark.parametrize("name", ["catsniffer-ota.pcapng", "catsniffer-ota.tap.pcap"])
def test_catsniffer_is_rebuilt_as_its_description_says(data: Path, name: str) -> None:
    found = analyze([str(data / "captures" / name)], keys=KeyRing()).analysis
    one = download(found)
    assert (found.captures[0].frames, found.captures[0].bad_fcs) == (31_900, 32)
    assert (one.manufacturer_code, one.image_type, one.file_version) == (0x1001, 0x1011, 0x01010110)
    assert one.image_size == 618_536
    assert one.received_bytes == 551_702
    assert round(100 * one.received_bytes / one.image_size, 2) == 89.19
    assert len(one.missing_ranges) == 269
    assert {gap.reason for gap in one.missing_ranges} == {"answered but not captured"}
    assert (one.block_requests, one.block_responses) == (2638, 2474)
    assert (one.conflicting_bytes, one.end_status, one.upgrade_at) == (0, 0, "in 5 s")
    counts = {layer.layer: layer.frames for layer in found.layers}
    assert (counts["Fragment"], counts["ImageNotify"], counts["QueryNextImageResponse"]) == (7997, 9, 5)
    network, *_ = found.keys
    assert (network.nwk_frames, network.first_frame) == (16_088, 3), "frames before the key was heard are opened too"


def test_legrand_page_requests_are_rebuilt_as_their_description_says(data: Path) -> None:
    path = data / "captures" / "legrand-page-requests.pcap"
    one = download(analyze([str(path)], keys=KeyRing((LEGRAND,))).analysis)
    assert (one.manufacturer_code, one.image_type, one.file_version) == (0x1021, 0x0013, 0x00200000)
    assert one.image_size == 223_127
    assert round(100 * one.received_bytes / one.image_size, 1) == 85.4
    assert one.requested_from == 62
    first, *_, last = one.missing_ranges
    assert (first.start, first.end, first.reason) == (0, 62, "never requested")
    assert (last.start, last.end, last.reason) == (223_126, 223_127, "never requested"), "it ends one octet short"
    assert one.conflicting_bytes == 0


def test_hue_equals_the_vendors_file(data: Path) -> None:
    path = data / "captures" / "hue-ota-ti-metadata.pcapng"
    run = analyze([str(path)], keys=KeyRing((ZLL,)))
    assert run.analysis.captures[0].interfaces[0].trailer == "ti-metadata"
    one = download(run.analysis)
    assert (one.manufacturer_code, one.image_type, one.file_version) == (0x100B, 0x010C, 0x01001A02)
    assert one.image_size == 267_452
    assert round(100 * one.received_bytes / one.image_size, 2) == 18.66
    # The last OTA frame is 117 s before the capture's end, while the lamp goes on answering reads.
    assert (one.state, one.wait_responses) == ("stalled", 1)
    (record,) = [record for record in run.records if record.transfer.id == one.id]
    assert record.image is not None
    rebuilt = np.frombuffer(record.image.read(), np.uint8)
    vendors = np.frombuffer((data / "captures" / "hue-ota-ti-metadata.reference.zigbee").read_bytes(), np.uint8)
    there = np.ones(len(vendors), np.bool_)
    for gap in one.missing_ranges:
        there[gap.start : gap.end] = False
    assert there.sum() == one.received_bytes
    assert (rebuilt[there] == vendors[there]).all()


def test_columns_equal_scapy_behind_the_keys_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: dict[str, int] = defaultdict(int)
    sift = Stage.sift

    def watched(self: Stage, buffer: Octets, at: Index, length: Index) -> Sifted:
        sifted = sift(self, buffer, at, length)
        if self.name in ("Aps", "NwkCommand"):
            for group in sifted.groups:
                some = group.index[:20]
                inputs = {int(row): buffer[at[row] : at[row] + length[row]].tobytes() for row in some}
                few = type(group)(group.layout, some, group.at[:20], group.length[:20], group.buffer)
                compared[self.name] += assert_group_equals_scapy(self.name, few, inputs)
        return sifted

    monkeypatch.setattr(Stage, "sift", watched)
    for name in ("hue-ota-ti-metadata.pcapng", "silabs-application-link-key.pcapng", "catsniffer-ota.tap.pcap"):
        analyze([str(data / "captures" / name)], keys=KeyRing((ZLL,)))
    assert compared["Aps"] > 5000
    assert compared["NwkCommand"] > 200


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KeyRing]:
    path = tmp_path_factory.mktemp("simulated") / "home.pcap"
    benchmark(path, frames=150_000, seed=3)
    truth = json.loads(Path(f"{path}.json").read_text())
    ring = KeyRing().plus(parse_key(f"network:{truth['network_key']}"))
    for device in truth["devices"]:
        if device["link_key"]:
            ring = ring.plus(parse_key(f"link:{device['link_key']}"))
    return path, ring


def test_every_simulated_image_is_rebuilt(simulated: tuple[Path, KeyRing]) -> None:
    path, ring = simulated
    found = analyze([str(path)], keys=ring, processes=1).analysis
    truth = json.loads(Path(f"{path}.json").read_text())
    assert found.unopened == ()
    assert found.captures[0].bad_fcs == truth["damaged"]
    whole = {(one.client.short, one.file_version): one.sha256 for one in found.transfers if one.complete}
    expected = {
        (one["client"], one["file_version"]): one["sha256"] for one in truth["images"] if one["outcome"] == "complete"
    }
    assert expected
    assert whole == expected


def test_several_processes_conclude_the_same(simulated: tuple[Path, KeyRing], monkeypatch: pytest.MonkeyPatch) -> None:
    path, ring = simulated
    alone = analyze([str(path)], keys=ring, processes=1).analysis
    monkeypatch.setattr(inputs, "POOL_FROM", 0)
    together = analyze([str(path)], keys=ring, processes=3).analysis
    assert together == alone


def test_gzip_changes_nothing(simulated: tuple[Path, KeyRing], tmp_path: Path) -> None:
    path, ring = simulated
    packed = tmp_path / "home.pcap.gz"
    with path.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)
    plain = analyze([str(path)], keys=ring, processes=1).analysis
    found = analyze([str(packed)], keys=ring).analysis
    assert found.captures[0].compressed
    assert found.transfers == plain.transfers


def pcap(frames: list[bytes], link_type: int = 195) -> bytes:
    """A pcap file, one frame a second."""
    out = bytes.fromhex("d4c3b2a1020004000000000000000000ffff0000") + link_type.to_bytes(4, "little")
    for second, frame in enumerate(frames, 1):
        head = (second, 0, len(frame), len(frame))
        out += b"".join(number.to_bytes(4, "little") for number in head) + frame
    return out


def test_secrets_in_the_capture_open_it(tmp_path: Path) -> None:
    """A pcapng file with a decryption secrets block (ZigBee NWK key, ZigBee APS key) before its packets."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = (12 + len(body)).to_bytes(4, "little")
        return kind.to_bytes(4, "little") + size + body + size

    network, link = SMART_ENERGY_KEYS
    content = block(0x0A0D0D0A, bytes.fromhex("4d3c2b1a01000000ffffffffffffffff"))
    content += block(1, bytes.fromhex("c3000000ffff0000"))
    for kind, secret in (
        (0x5A4E574B, network + bytes.fromhex("5b4a")),
        (0x5A415053, link + bytes.fromhex("5b4a00003412")),
    ):
        content += block(10, kind.to_bytes(4, "little") + len(secret).to_bytes(4, "little") + secret)
    for frame in map(octets, SMART_ENERGY):
        size = len(frame).to_bytes(4, "little")
        content += block(6, bytes(12) + size + size + frame)
    path = tmp_path / "secrets.pcapng"
    path.write_bytes(content)
    found = analyze([str(path)], keys=KeyRing()).analysis
    assert found.unopened == ()
    assert [(key.kind, key.source, key.nwk_frames, key.aps_frames) for key in found.keys] == [
        ("network", "pcapng secrets", 6, 0),
        ("link", "pcapng secrets", 0, 5),
    ]


def test_a_capture_is_read_again_when_keys_come_late(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In small chunks, so that the Transport-Key is in a later one than the frames that it opens."""
    path = data / "captures" / "catsniffer-ota.tap.pcap"
    whole = analyze([str(path)], keys=KeyRing()).analysis
    chunks = OneCapture.__iter__

    def small(self: OneCapture) -> Iterator[RecordChunk]:
        for chunk in chunks(self):
            records = chunk.records
            for start in range(0, len(records), 100):
                part = slice(start, start + 100)
                few = type(records)(
                    first_number=records.first_number + start,
                    time_ns=records.time_ns[part],
                    buffer=records.buffer,
                    at=records.at[part],
                    captured=records.captured[part],
                    original=records.original[part],
                    interface=records.interface[part],
                )
                yield RecordChunk(few, chunk.decisions)

    monkeypatch.setattr(OneCapture, "__iter__", small)
    found = analyze([str(path)], keys=KeyRing()).analysis
    assert found.keys[0].first_frame == 3
    assert found.keys[0].nwk_frames == 16_088
    assert found.transfers == whole.transfers
    assert found.unopened == whole.unopened


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no capture")
    with pytest.raises(CaptureError, match="not a capture file"):
        analyze([str(text)], keys=KeyRing())


def test_a_cut_capture_yields_what_is_there_and_the_fault(tmp_path: Path) -> None:
    content = pcap([octets(frame) for frame in SMART_ENERGY])
    path = tmp_path / "cut.pcap"
    path.write_bytes(content[:-5])
    ring = KeyRing(
        tuple(KnownKey(kind, key, "t") for kind, key in zip(("network", "link"), SMART_ENERGY_KEYS, strict=True))
    )
    found = analyze([str(path)], keys=ring).analysis
    (capture,) = found.captures
    assert capture.frames == len(SMART_ENERGY) - 1
    assert len(capture.faults) == 1
    assert found.transfers[0].received_bytes == 40


def test_what_is_in_no_result_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transmitters, "LIMIT", 0)
    path = tmp_path / "cut.pcap"
    whole = octets(SMART_ENERGY[0])
    path.write_bytes(
        pcap_header() + pcap_record(1, octets=whole) + pcap_record(2, octets=whole[:20], original=len(whole))
    )
    found = analyze([str(path)], keys=KeyRing(), processes=1).analysis
    assert found.devices == ()
    assert [(one.count, one.what.partition(":")[0]) for one in found.left_out] == [
        (1, "frames of which the capture holds only the beginning"),
        (2, "frames of devices beyond the first 0"),
    ]
