"""Any capture as pcapng with TAP records: the same frames, and an account of what was lost."""

import io
from pathlib import Path

import pytest
from capture_files import block, gathered, interface, option, packet, pcap_header, pcap_record, section
from oracles import tshark

from hanscope.captures.batch import Fcs, FrameBatch
from hanscope.captures.convert import convert

B = bytes.fromhex("030806ffffffff07")


def rows(batches: list[FrameBatch]) -> list[tuple[object, ...]]:
    return [
        (
            int(batch.time_ns[i]),
            batch.frame(i),
            int(batch.fcs[i]),
            str(batch.rssi_dbm[i]),
            int(batch.lqi[i]),
            int(batch.channel[i]),
            max(int(batch.page[i]), 0),
            bool(batch.truncated[i]),
        )
        for batch in batches
        for i in range(len(batch))
    ]


@pytest.mark.parametrize(
    "name",
    [
        "ti-star-network.psd",
        "ubiqua-sample.cubx",
        "silabs-network-key-update.isd",
        "viessmann-zep.pcap",
        "hue-ota-ti-metadata.pcapng",
        "hue-association.tap.pcap",
        "join-authenticate.pcap",
        "legrand-page-requests.pcap",
        "silabs-install-code-join.pcapng",
        "zigator-04-aps-testing.pcap",
    ],
)
def test_real_capture_has_the_same_frames_afterwards(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.pcapng"
    with out.open("wb") as file:
        done = convert(data / "captures" / name, file)
    before, batches = gathered(data / "captures" / name)
    after, converted = gathered(out)
    assert (after.format, after.faults, after.interfaces[0].link_type) == ("pcapng", [], 283)
    assert rows(converted) == rows(batches)
    assert done.frames == len(rows(batches)) > 0
    assert after.secrets == before.secrets


def test_tshark_sees_what_is_known_of_a_frame(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    with out.open("wb") as file:
        convert(data / "captures" / "ti-star-network.psd", file)
    fields = ("frame.protocols", "wpan-tap.rss", "wpan-tap.lqi", "wpan.fcs_ok")
    told = tshark("-r", out, "-T", "fields", *(word for name in fields for word in ("-e", name)))
    assert len(told) == 4495
    assert told[0][1:] == ["-100", "87", "1"]
    states = [row[2] for row in rows(gathered(out)[1])]
    # tshark says nothing of the FCS of frames whose type it does not know
    assert all(told_ok in ("", str(state)) for (*_, told_ok), state in zip(told, states, strict=True))
    assert sum(line[3] == "1" for line in told) > 4100


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "in.pcapng"
    path.write_bytes(
        section()
        + interface(195)
        + interface(1)
        + packet(1, B + b"\xc2\x31", options=option(1, b"kept") + option(0, b""))
        + packet(2, bytes(60), 1, options=option(1, b"lost") + option(0, b""))
        + packet(3, B[:5], original=10)
        + b"\x06\x00\x00\x00"
    )
    out = io.BytesIO()
    done = convert(path, out)
    (tmp_path / "out").write_bytes(out.getvalue())
    capture, batches = gathered(tmp_path / "out")
    assert (done.frames, done.other_records, done.truncated, done.comments_lost, len(done.faults)) == (2, 1, 1, 1, 1)
    assert [one.text for one in capture.comments] == ["kept"]
    assert [row[7] for row in rows(batches)] == [False, True]


def test_order_of_several_interfaces_and_all_comments_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "in.pcapng"
    comments = b"".join(option(1, text) for text in (b"one", b"two"))
    path.write_bytes(
        section(options=option(1, b"of the file"))
        + interface(195)
        + interface(195)
        + b"".join(packet(at, index=at % 2, options=comments if at == 3 else b"") for at in range(1, 6))
    )
    out = tmp_path / "out"
    with out.open("wb") as file:
        assert convert(path, file).comments_lost == 0
    capture, batches = gathered(out)
    assert [(row[0], source) for row, source in zip(rows(batches), batches[0].source.tolist(), strict=True)] == [
        (at * 1000, at % 2) for at in range(1, 6)
    ]
    assert [(one.number, one.text) for one in capture.comments] == [(0, "of the file"), (3, "one"), (3, "two")]


def test_damaged_frame_keeps_the_fcs_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    wrong = B + b"\x12\x34"
    path.write_bytes(pcap_header() + pcap_record(1) * 9 + pcap_record(2, octets=wrong))
    out = tmp_path / "out"
    with out.open("wb") as file:
        convert(path, file)
    assert out.read_bytes()[-16:-4].startswith(wrong[-6:]) or wrong in out.read_bytes()
    _, batches = gathered(out)
    assert [row[2] for row in rows(batches)] == [Fcs.VALID] * 9 + [Fcs.INVALID]


def test_keys_come_along(tmp_path: Path) -> None:
    path = tmp_path / "in.pcapng"
    secret = block(10, (0x5A4E574B).to_bytes(4, "little") + (18).to_bytes(4, "little") + bytes(range(16)) + b"\x22\x1a")
    path.write_bytes(section() + interface(195) + packet(1) + secret)
    out = tmp_path / "out"
    with out.open("wb") as file:
        convert(path, file)
    capture, _ = gathered(out)
    assert [(one.key, one.pan_id) for one in capture.secrets] == [(bytes(range(16)), 0x1A22)]
