"""Captures with keys put into them: the same records, as tshark and we read them, and nothing lost."""

import gzip
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from capture_files import FRAME, block, gathered, interface, option, packet, pcap_header, pcap_record, read, section
from oracles import tshark

from hanscope.captures.batch import CaptureError, Secret
from hanscope.captures.comments import write_commented

NETWORK = Secret("nwk", bytes(range(16)), 0x4A5B)
LINK = Secret("aps", bytes(range(16, 32)), 0x4A5B, (0, 0x1234))
COMMENT = option(1, b"the meter was moved") + bytes(4)


def embedded(tmp_path: Path, content: bytes, *secrets: Secret) -> tuple[Path, Path, int]:
    path, out = tmp_path / "before", tmp_path / "after.pcapng"
    path.write_bytes(content)
    stream = io.BytesIO()
    added = write_commented(path, stream, {}, secrets or (NETWORK, LINK)).secrets
    out.write_bytes(stream.getvalue())
    return path, out, added


def seen(path: Path) -> list[list[str]]:
    names = ("number", "time_epoch", "len", "cap_len", "interface_id", "interface_name", "comment")
    return tshark(
        "-r", path, "-T", "fields", *(word for name in names for word in ("-e", f"frame.{name}")), "-e", "wpan.fcs"
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_file_keeps_everything(tmp_path: Path, order: str) -> None:
    first = section(order, COMMENT if order == "<" else b"")
    first += interface(230, option(2, b"kitchen", order) + option(9, b"\x09", order), order)
    content = first + packet(1_700_000_000_000_000_001, FRAME[:-2], order=order, original=99)
    content += block(0x4711, b"something that nobody knows", order)
    content += interface(195, option(2, b"loft", order), order)
    content += packet(1_700_000_000_000_001, index=1, options=option(1, b"odd", order) + bytes(4), order=order)
    content += section(order) + interface(283, order=order) + packet(5, order=order)
    before, after, added = embedded(tmp_path, content)
    assert added == 2
    capture, records = read(after)
    assert records == read(before)[1]
    assert capture.secrets == [NETWORK, LINK]
    assert capture.interfaces == read(before)[0].interfaces
    assert capture.comments == read(before)[0].comments
    assert seen(after) == seen(before)
    assert after.read_bytes().endswith(content[len(first) :]), "copied octet by octet"


@pytest.mark.skipif(shutil.which("editcap") is None, reason="editcap is not installed")
def test_wiresharks_tools_take_the_file(tmp_path: Path) -> None:
    """They do not where secrets stand before the first interface."""
    for content in (section() + interface() + packet(1), pcap_header() + pcap_record(1)):
        _, after, _ = embedded(tmp_path, content)
        again = tmp_path / "again.pcapng"
        subprocess.run(["editcap", after, again], check=True)
        assert read(again)[1] == read(after)[1]
        assert seen(again) == seen(after)


def test_the_length_of_the_section_is_left_open(tmp_path: Path) -> None:
    rest = interface() + packet(1)
    content = bytearray(section() + rest)
    content[16:24] = len(rest).to_bytes(8, "little")
    _, after, _ = embedded(tmp_path, bytes(content))
    assert after.read_bytes()[16:24] == b"\xff" * 8
    assert len(read(after)[1]) == 1


def test_keys_that_are_there_already_are_not_added(tmp_path: Path) -> None:
    _, first, _ = embedded(tmp_path, section() + interface() + packet(1), NETWORK)
    _, second, added = embedded(tmp_path, first.read_bytes(), NETWORK, LINK, LINK)
    assert added == 1
    assert sorted(one.kind for one in read(second)[0].secrets) == ["aps", "nwk"]


@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_a_pcap_file_becomes_pcapng(tmp_path: Path, magic: int) -> None:
    content = pcap_header(magic=magic) + pcap_record(1_700_000_000, 999_999) + pcap_record(3, 7, FRAME[:4], original=10)
    before, after, _ = embedded(tmp_path, content)
    capture, records = read(after)
    assert capture.format == "pcapng"
    assert records == read(before)[1]
    assert capture.secrets == [NETWORK, LINK]
    assert [one.link_type for one in capture.interfaces] == [195]
    wanted = ("number", "len", "cap_len")
    fields = [word for name in wanted for word in ("-e", f"frame.{name}")]
    assert tshark("-r", after, "-T", "fields", *fields) == tshark("-r", before, "-T", "fields", *fields)


def test_an_empty_pcap_file_keeps_its_interface(tmp_path: Path) -> None:
    _, after, _ = embedded(tmp_path, pcap_header(link=230))
    capture, records = read(after)
    assert (records, [one.link_type for one in capture.interfaces]) == ([], [230])


def test_what_the_file_says_of_its_fcs_is_kept(tmp_path: Path) -> None:
    header = pcap_header(link=195 | 0x24000000)  # FCS length 2, given
    before, after, _ = embedded(tmp_path, header + pcap_record(1))
    assert read(before)[0].interfaces[0].fcs_length == read(after)[0].interfaces[0].fcs_length


@pytest.mark.parametrize("content", [section() + interface() + packet(1), pcap_header() + pcap_record(1)])
def test_compressed_captures_are_unpacked(tmp_path: Path, content: bytes) -> None:
    before, after, _ = embedded(tmp_path, gzip.compress(content))
    assert read(after)[1] == read(before)[1]
    assert not read(after)[0].compressed


def test_damage_stays_where_it_was(tmp_path: Path) -> None:
    before, after, _ = embedded(tmp_path, section() + interface() + packet(1) + packet(2)[:-9])
    assert read(after)[1] == read(before)[1]
    assert [fault.what for fault in read(after)[0].faults] == [fault.what for fault in read(before)[0].faults]


@pytest.mark.parametrize("content", [b"", b"no capture at all", section()[:10]])
def test_what_is_no_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CaptureError):
        embedded(tmp_path, content)


def test_other_programs_files_keep_their_interfaces(tmp_path: Path) -> None:
    """A log of Silicon Labs' in which two nodes heard a beacon request in turns."""
    before, out = tmp_path / "before", tmp_path / "out"
    event = "[{} 512 16908330 Packet 1] [{}] [f80a030806ffffffff07c231f9f604{:02d}49]\n"
    told = [event.format(1000 * number, f"node{number % 2}", 5) for number in range(6)]
    before.write_text("# (c) Ember - InSight Desktop\n" + "".join(told))
    with out.open("wb") as file:
        write_commented(before, file, {2: "here"}, [NETWORK])
    (capture, (records,)), (again, (copied,)) = gathered(before), gathered(out)
    assert [one.name for one in again.interfaces] == [one.name for one in capture.interfaces] == ["node0", "node1"]
    assert copied.source.tolist() == records.source.tolist() == [0, 1] * 3
    assert [(one.number, one.text) for one in again.comments] == [(2, "here")]
