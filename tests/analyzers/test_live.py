"""Live analysis: what it concludes is what the recorded file says."""

import itertools
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sniffer_emulators as emulators
from live_play import START_NS, scenario
from oracles import tshark
from sniffer_emulators import FakeUsb, OnAir, Pty

from hanscope.analyzers.analysis import AnalysisRun, analyze
from hanscope.analyzers.keys import KeyRing, load_key_file
from hanscope.analyzers.live import LiveAnalysis, Picture
from hanscope.captures.batch import CaptureError, RecordBatch
from hanscope.captures.files import open_capture
from hanscope.captures.live import Feed, FileFeed, SnifferFeed
from hanscope.captures.recorder import Recorder
from hanscope.captures.simulator.beside import write_keys
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.sniffers.base import SECOND, Dated, Sniffer
from hanscope.captures.sniffers.cc2531 import Cc2531
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.sniffers.line import SerialSniffer
from hanscope.captures.sniffers.nrf52840 import Nrf52840
from hanscope.captures.sniffers.packet_sniffer2 import PacketSniffer2
from hanscope.captures.sniffers.rcp import Rcp
from hanscope.captures.sniffers.sensniff import Sensniff
from hanscope.captures.sniffers.silabs import Silabs
from hanscope.captures.sniffers.zboss import Zboss
from hanscope.captures.sniffers.zep import Zep
from hanscope.captures.writer import PcapWriter

SERIAL: dict[type[SerialSniffer], type[emulators.Device]] = {
    Nrf52840: emulators.NrfDevice,
    PacketSniffer2: emulators.Ps2Device,
    Rcp: emulators.RcpDevice,
    Sensniff: emulators.SensniffDevice,
    Zboss: emulators.ZbossDevice,
}


@contextmanager
def cc2531(frames: tuple[OnAir, ...]) -> Iterator[Sniffer]:
    yield Cc2531(backend=FakeUsb(messages=deque(map(emulators.cc2531, frames))))


def serial(kind: type[SerialSniffer]) -> Callable[[tuple[OnAir, ...]], contextmanager]:
    @contextmanager
    def play(frames: tuple[OnAir, ...]) -> Iterator[Sniffer]:
        with Pty(SERIAL[kind](frames)) as port:
            yield kind(port.path)

    return play


@contextmanager
def zep(frames: tuple[OnAir, ...]) -> Iterator[Sniffer]:
    sniffer = Zep("127.0.0.1", 0)

    def send() -> None:
        while not sniffer._socket:
            time.sleep(0.01)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for sequence, frame in enumerate(frames):
                sender.sendto(emulators.zep(frame, sequence), ("127.0.0.1", sniffer.port))
                if sequence % 50 == 49:
                    time.sleep(0.005)  # as UDP has no way to say that it is too fast

    threading.Thread(target=send, daemon=True).start()
    yield sniffer


@contextmanager
def silabs(frames: tuple[OnAir, ...]) -> Iterator[Sniffer]:
    """A server, as the adapter is."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                for sequence, frame in enumerate(frames):
                    connection.sendall(emulators.silabs(frame, sequence))
                connection.recv(1)  # until the other side closes

        threading.Thread(target=serve, daemon=True).start()
        yield Silabs("127.0.0.1", server.getsockname()[1])


PLAYERS = {"cc2531": cc2531, "zep": zep, "silabs": silabs} | {kind.model: serial(kind) for kind in SERIAL}


def ended_after(feed: Feed, frames: int, show: Callable[[Picture], None] | None = None) -> LiveAnalysis:
    """Stops the feed when so many frames have come."""

    def stop() -> None:
        end = time.monotonic() + 60
        while feed.frames < frames and time.monotonic() < end:
            time.sleep(0.01)
        feed.stop()

    threading.Thread(target=stop, daemon=True).start()
    return LiveAnalysis(feed, show)


FIFTEEN = Channel(15)


def recorded(sniffer: Sniffer, path: Path, frames: int, keys: KeyRing, channel: Channel = FIFTEEN) -> AnalysisRun:
    feed = SnifferFeed(sniffer, channel, Recorder(path))
    feed.begin()
    run = ended_after(feed, frames).run(keys)
    assert feed.failure is None
    return run


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Zboss, "settling_s", 0.0)


@pytest.mark.parametrize("model", PLAYERS)
def test_live_report_is_the_report_of_the_file_that_it_wrote(model: str, tmp_path: Path) -> None:
    frames, keys = scenario()
    path = tmp_path / "out.pcapng"
    with PLAYERS[model](frames) as sniffer:
        live = recorded(sniffer, path, len(frames), keys)
    offline = analyze([str(path)], keys=keys)
    assert live.analysis == offline.analysis
    (capture,) = live.analysis.captures
    assert (capture.frames, capture.bad_fcs, capture.faults) == (len(frames), 0, ())
    assert live.analysis.transfers[0].complete
    assert [record.transfer for record in live.records] == [record.transfer for record in offline.records]


def test_times_and_metadata_in_the_file_are_those_of_the_air(tmp_path: Path) -> None:
    frames, keys = scenario()
    path = tmp_path / "out.pcapng"
    with cc2531(frames) as sniffer:
        recorded(sniffer, path, len(frames), keys)
    fields = ("frame.time_epoch", "wpan-tap.ch_num", "wpan-tap.rss", "wpan-tap.lqi", "wpan.fcs_ok")
    told = tshark("-r", path, "-T", "fields", *(word for name in fields for word in ("-e", name)))
    assert [line[1:] for line in told] == [["15", "-60", "105", "1"]] * len(frames)
    times = [int(line[0].replace(".", "")) for line in told]
    ticks = [frame.time_ns * 32 // 1000 for frame in frames]
    assert [at - times[0] for at in times] == [(tick - ticks[0]) * 1000 // 32 for tick in ticks]


def test_update_during_which_the_sniffers_clock_wraps_twice(tmp_path: Path) -> None:
    """The counter of a CC2531 has 32 bits at 32 MHz: 134.217728 s. The HAN is silent for a while twice."""
    wrap_ns = (1 << 32) * 1000 // 32
    played, keys = scenario()
    third = len(played) // 3
    pauses = [min(index // third, 2) * 130 * 10**9 for index in range(len(played))]
    begin = START_NS // wrap_ns * wrap_ns + wrap_ns - 10**9
    frames = [
        OnAir(begin + one.time_ns - START_NS + pause, one.octets) for one, pause in zip(played, pauses, strict=True)
    ]
    assert (frames[-1].time_ns // wrap_ns) - (frames[0].time_ns // wrap_ns) == 2
    messages = deque(map(emulators.cc2531, frames))
    for place in (2 * third, third):
        messages.insert(place, b"")
    usb = FakeUsb(messages=messages)
    sniffer = Cc2531(backend=usb)
    sniffer.monotonic_ns = lambda: frames[max(usb.served - 1, 0)].time_ns
    path = tmp_path / "out.pcapng"
    live = recorded(sniffer, path, len(frames), keys)
    assert live.analysis == analyze([str(path)], keys=keys).analysis
    assert live.analysis.transfers[0].complete
    told = [int(line[0].replace(".", "")) for line in tshark("-r", path, "-T", "fields", "-e", "frame.time_epoch")]
    ticks = [frame.time_ns * 32 // 1000 for frame in frames]
    assert [at - told[0] for at in told] == [(tick - ticks[0]) * 1000 // 32 for tick in ticks]


def test_full_channel_across_two_wraps_of_the_sniffers_clock(tmp_path: Path) -> None:
    """Without any pause: an update, and between its halves a neighbour that fills the channel for two minutes."""
    wrap_ns = (1 << 32) * 1000 // 32
    played, keys = scenario()
    begin = START_NS // wrap_ns * wrap_ns + wrap_ns - SECOND
    half, neighbour = len(played) // 2, bytes.fromhex("418801221100000100") + bytes(110)
    many = wrap_ns // emulators.airtime_ns(neighbour)
    octets = [one.octets for one in played]
    frames = tuple(emulators.back_to_back([*octets[:half], *[neighbour] * many, *octets[half:]], begin))
    assert frames[-1].time_ns // wrap_ns - frames[0].time_ns // wrap_ns == 2
    usb = FakeUsb(messages=deque(map(emulators.cc2531, frames)))
    sniffer = Cc2531(backend=usb)
    sniffer.monotonic_ns = lambda: frames[max(usb.served - 1, 0)].time_ns
    path = tmp_path / "out.pcapng"
    live = recorded(sniffer, path, len(frames), keys)
    assert live.analysis == analyze([str(path)], keys=keys).analysis
    assert live.analysis.transfers[0].complete
    with open_capture(path) as capture:
        told = [int(at) for records in capture for at in records.time_ns]
    ticks = [frame.time_ns * 32 // 1000 for frame in frames]
    assert [at - told[0] for at in told] == [(tick - ticks[0]) * 1000 // 32 for tick in ticks]
    assert (len(told) > 30_000, sniffer.counts.clock_resets, sniffer.counts.corrupt) == (True, 0, 0)


def test_update_during_which_a_serial_sniffers_clock_wraps_twice(tmp_path: Path) -> None:
    """The counter of an nRF52840 with old firmware has 32 bits: 71.6 min. The HAN is silent for hours in between."""
    wrap_ns = (1 << 32) * 1000
    played, keys = scenario()
    third = -(-len(played) // 3)
    begin = START_NS // wrap_ns * wrap_ns + wrap_ns - SECOND
    frames = [
        OnAir(begin + one.time_ns - START_NS + index // third * (wrap_ns - SECOND), one.octets)
        for index, one in enumerate(played)
    ]
    assert frames[-1].time_ns // wrap_ns - frames[0].time_ns // wrap_ns == 2
    taken = 0

    def paused() -> Iterator[OnAir]:
        for index, frame in enumerate(frames):
            while index % third == 0 and taken < index:  # a silence begins when all before it have been taken
                time.sleep(0.001)
            yield frame

    class Counting(Nrf52840):
        def dated(self) -> Dated:
            nonlocal taken
            dated = super().dated()
            taken += len(dated.frames)
            return dated

    class OneByOne(emulators.NrfDevice):
        at_once = 1

    path = tmp_path / "out.pcapng"
    with Pty(OneByOne(paused())) as port:
        sniffer = Counting(port.path)
        sniffer.monotonic_ns = lambda: frames[min(taken, len(frames) - 1)].time_ns + SECOND // 100
        live = recorded(sniffer, path, len(frames), keys)
    assert live.analysis == analyze([str(path)], keys=keys).analysis
    with open_capture(path) as capture:
        told = [int(at) for records in capture for at in records.time_ns]
    assert [at - told[0] for at in told] == [(one.time_ns - frames[0].time_ns) // 1000 * 1000 for one in frames]


def test_sub_ghz_update_is_heard_on_its_channel_and_page(tmp_path: Path) -> None:
    frames, keys = scenario("sub-ghz-update")
    path = tmp_path / "out.pcapng"
    with Pty(emulators.Ps2SubGhzDevice(frames)) as port:
        live = recorded(PacketSniffer2(port.path), path, len(frames), keys, Channel(3, 28))
    assert live.analysis == analyze([str(path)], keys=keys).analysis
    assert live.analysis.transfers[0].complete
    told = tshark("-r", path, "-T", "fields", "-e", "wpan-tap.ch_page", "-e", "wpan-tap.ch_num", "-e", "wpan.fcs_ok")
    assert told == [["28", "3", "1"]] * len(frames)


def test_keys_that_come_late_open_the_beginning_too(tmp_path: Path) -> None:
    frames, _ = scenario("house-update")
    path = tmp_path / "out.pcapng"
    with cc2531(frames) as sniffer:
        live = recorded(sniffer, path, len(frames), KeyRing())
    assert live.analysis == analyze([str(path)], keys=KeyRing()).analysis


def test_following_a_file_that_grows(tmp_path: Path) -> None:
    frames, keys = scenario()
    whole, growing = tmp_path / "whole.pcapng", tmp_path / "growing.pcapng"
    with cc2531(frames) as sniffer:
        recorded(sniffer, whole, len(frames), keys)
    octets = whole.read_bytes()
    growing.write_bytes(octets[:1])

    def grow() -> None:
        with growing.open("ab", buffering=0) as file:
            for at in range(1, len(octets), 7919):
                time.sleep(0.01)
                file.write(octets[at : at + 7919])

    threading.Thread(target=grow, daemon=True).start()
    feed = FileFeed(str(growing), None, follow=True)
    feed.begin()
    live = ended_after(feed, len(frames)).run(keys)
    assert live.analysis == analyze([str(growing)], keys=keys).analysis
    assert live.analysis.captures[0].frames == len(frames)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize(("link_type", "trailer"), [(195, "metadata"), (195, "fcs"), (230, "fcs"), (230, "")])
def test_what_frames_end_with_is_not_decided_by_the_first_few(
    link_type: int, trailer: str, tmp_path: Path, *, record: bool
) -> None:
    """Records come one by one at first. Other programs' files do not say what stands behind a frame."""
    frames, keys = scenario()
    growing, copy = tmp_path / "growing.pcap", tmp_path / "copy.pcapng"
    records = [getattr(frame, trailer) if trailer else b"" for frame in frames]
    with PcapWriter(growing, link_type) as writer:
        writer.frame(frames[0].time_ns, frames[0].octets + records[0])
    feed = FileFeed(str(growing), Recorder(copy) if record else None, follow=True)
    feed.begin()

    def grow() -> None:
        with growing.open("ab", buffering=0) as file:
            for number, (frame, end) in enumerate(zip(frames[1:], records[1:], strict=True)):
                octets = frame.octets + end
                seconds, nanoseconds = divmod(frame.time_ns, SECOND)
                file.write(struct.pack("<IIII", seconds, nanoseconds, len(octets), len(octets)) + octets)
                time.sleep(0.01 if number < 40 else 0)

    threading.Thread(target=grow, daemon=True).start()
    live = ended_after(feed, len(frames)).run(keys)
    assert live.analysis == analyze([str(copy if record else growing)], keys=keys).analysis
    assert live.analysis.transfers[0].complete


@pytest.mark.parametrize("way", ["replaced", "emptied", "truncated"])
def test_following_ends_when_another_file_begins(way: str, tmp_path: Path) -> None:
    """As log rotation does: a new file under the old name, or the same file from its beginning."""
    frames, keys = scenario()
    whole, growing = tmp_path / "whole.pcapng", tmp_path / "growing.pcapng"
    with cc2531(frames) as sniffer:
        recorded(sniffer, whole, len(frames), keys)
    octets = whole.read_bytes()
    growing.write_bytes(octets[:50_000])
    feed = FileFeed(str(growing), None, follow=True)
    feed.begin()

    def begin_anew() -> None:
        while feed.frames < 100:
            time.sleep(0.01)
        if way == "replaced":
            with growing.open("ab") as last:
                growing.rename(tmp_path / "old.pcapng")
                last.write(octets[50_000:])
        if way == "truncated":
            os.truncate(growing, 1000)
        else:
            growing.write_bytes(octets[:1000])

    threading.Thread(target=begin_anew, daemon=True).start()
    live = LiveAnalysis(feed).run(keys)
    (capture,) = live.analysis.captures
    told = "another file has taken its place" if way == "replaced" else "the file was begun anew"
    assert [fault.what.startswith(told) for fault in capture.faults] == [True]
    assert (capture.frames == len(frames)) == (way == "replaced")
    assert capture.frames > 100


def test_ending_inside_a_record_is_told_as_by_a_reading_of_the_file(tmp_path: Path) -> None:
    frames, keys = scenario()
    growing = tmp_path / "growing.pcapng"
    with cc2531(frames) as sniffer:
        recorded(sniffer, growing, len(frames), keys)
    growing.write_bytes(growing.read_bytes()[:-100])
    feed = FileFeed(str(growing), None, follow=True)
    feed.begin()
    live = ended_after(feed, len(frames) - 2).run(keys)
    assert live.analysis == analyze([str(growing)], keys=keys).analysis
    assert live.analysis.captures[0].faults[0].what == "the file ends inside a block"


def test_recording_what_is_followed(tmp_path: Path) -> None:
    frames, keys = scenario()
    whole, copy = tmp_path / "whole.pcapng", tmp_path / "copy.pcapng"
    with cc2531(frames) as sniffer:
        recorded(sniffer, whole, len(frames), keys)
    feed = FileFeed(str(whole), Recorder(copy), follow=False)
    feed.begin()
    live = LiveAnalysis(feed).run(keys)
    assert live.analysis == analyze([str(copy)], keys=keys).analysis


@pytest.mark.parametrize("into", ["copy.pcapng", "/dev/null"])
def test_recording_what_is_followed_in_another_form(tmp_path: Path, into: str) -> None:
    """Of link type 195, recorded as 283; a device that keeps nothing is no file to read a second time."""
    whole = tmp_path / "whole.pcapng"
    truth = simulate("gsme-update", whole, size=2000, faults=["key-switch"])
    keys = load_key_file(write_keys(truth, whole))
    feed = FileFeed(str(whole), Recorder(tmp_path / into), follow=False)
    feed.begin()
    (transfer,) = LiveAnalysis(feed).run(keys).analysis.transfers
    (expected,) = analyze([str(whole)], keys=keys).analysis.transfers
    assert transfer == expected
    assert not Path("/dev/null").is_file()


def test_large_file_waits_for_who_takes_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "large.pcap"
    octets = np.frombuffer(bytes.fromhex("030806ffffffff07c231"), np.uint8)
    count = 1_000_000
    with PcapWriter(path) as writer:
        writer.write(np.arange(count), octets, np.zeros(count, int), np.full(count, len(octets)))
    feed = FileFeed(str(path), None, follow=False)
    feed.begin()
    batches = feed.batches()
    taken = len(next(batches) or ())
    time.sleep(0.5)
    assert feed.frames < count / 2
    assert taken + sum(map(len, filter(None, batches))) == feed.frames == count


@pytest.mark.parametrize("path", ["-", "fifo"])
def test_pipes_are_refused_where_nobody_can_wait_for_them(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanscope.captures.live.PIPES", False)
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    with pytest.raises(CaptureError, match="on Windows pipes cannot be followed; write to a file and follow that"):
        FileFeed(path, None, follow=False).begin()


class _Pieces(Feed):
    """A recorded file in pieces of so many frames."""

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(str(path), None)
        self._size = size
        self._path = path

    @property
    def path(self) -> str:
        return str(self._path)

    def batches(self, wait_s: float = 0) -> Iterator[RecordBatch | None]:  # noqa: ARG002 -- as the others
        with open_capture(self._path) as capture:
            for records in capture:
                self.notes = capture.notes
                for begin in range(0, len(records), self._size):
                    part = slice(begin, begin + self._size)
                    yield RecordBatch(
                        records.first_number + begin,
                        records.time_ns[part],
                        records.buffer,
                        records.at[part],
                        records.captured[part],
                        records.original[part],
                        records.interface[part],
                    )

    def _run(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("faults", [("lost-blocks:5%",), ("reboot-resume",), ("sniffer-loss:3%",), ("key-switch",)])
@pytest.mark.parametrize("size", [1, 40])
def test_report_does_not_depend_on_the_size_of_batches(faults: tuple[str, ...], size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    truth = simulate("house-update" if size > 1 else "ppmid-update", path, faults=faults)
    keys = load_key_file(write_keys(truth, path))
    live = LiveAnalysis(_Pieces(path, size)).run(keys)
    assert live.analysis == analyze([str(path)], keys=keys).analysis


def test_transfer_that_begins_anew_has_no_negative_pace(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    truth = simulate("ppmid-update", path, faults=["restart-at-zero"])
    pictures: list[Picture] = []
    seconds = itertools.count(step=1.0)
    LiveAnalysis(_Pieces(path, 50), pictures.append, monotonic=lambda: next(seconds)).run(
        load_key_file(write_keys(truth, path))
    )
    loading = [one for picture in pictures for one in picture.loading]
    received = [one.progress.received_bytes for one in loading]
    assert received != sorted(received)
    assert all((one.pace or 0) >= 0 and (one.left_s or 0) >= 0 for one in loading)


def test_pictures_show_the_transfer_under_way(tmp_path: Path) -> None:
    frames, keys = scenario()
    path = tmp_path / "out.pcapng"
    with cc2531(frames) as sniffer:
        recorded(sniffer, path, len(frames), keys)
    pictures: list[Picture] = []
    seconds = itertools.count(step=1.0)
    LiveAnalysis(_Pieces(path, 100), pictures.append, monotonic=lambda: next(seconds)).run(keys)
    loading = [one for picture in pictures for one in picture.loading]
    received = [one.progress.received_bytes for one in loading]
    assert received == sorted(received)
    assert 0 < received[0] < received[-1] <= 8_100
    assert all(one.progress.image_size for one in loading)
    assert any(one.pace and one.left_s for one in loading)
    assert pictures[-1].frames == len(frames)
    assert pictures[-1].rate == pytest.approx(100, rel=0.2)
    assert pictures[-1].devices[0].rssi_dbm == -60
    assert pictures[-1].path == str(path)
