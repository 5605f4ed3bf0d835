"""What live analysis costs while the radio channel is full: 250 kbit/s, frames back to back, ten batches a second.

    python -P benchmarks/live.py [--seconds 600] [--scenario ppmid-update] [--view]

Plays simulated traffic (firmware transfers again and again, or one update) faster than in reality, through the same
path as `hanscope sniff -w`: frames of an emulated CC2531, the recorder, live analysis with all keys and rules and, with
--view, the live view.
Prints the processor time for each second of radio time, and the memory along the way.
"""

import argparse
import io
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hanscope.analyzers.keys import load_key_file
from hanscope.analyzers.live import LiveAnalysis, Picture
from hanscope.captures.batch import Interface, RecordBatch
from hanscope.captures.linklayer import TAP
from hanscope.captures.live import BATCH_S, Feed
from hanscope.captures.pcapng import ENHANCED_PACKET
from hanscope.captures.recorder import Recorder
from hanscope.captures.simulator.beside import write_keys
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.simulator.updates import LARGEST_SIZE
from hanscope.captures.sniffers.cc2531 import Cc2531Decoder
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.tap import of_heard
from hanscope.dissectors.fcs import crc16

PREAMBLE = 6
"""Octets on the air before a frame: synchronisation and PHY header."""
FCS = 2
INTACT, DAMAGED = b"\x0d\xe9", b"\x0d\x69"
"""RSSI, then CRC flag and correlation."""
OCTET_NS = 32_000
IMAGE_A_SECOND = 2_500
"""Octets of an image that take more than a second of radio time."""
START_NS = 1_767_225_600 * 10**9


class FullChannel(Feed):
    """A capture as a CC2531 would send it if its frames came without a pause."""

    def __init__(self, path: Path, recorder: Recorder, seconds: int) -> None:
        super().__init__("benchmark", recorder)
        self._capture = path
        self._recorder = recorder
        self._seconds = seconds
        self.radio_s = 0.0
        self.memory: list[tuple[float, float]] = []

    def batches(self, wait_s: float = 0.0) -> Iterator[RecordBatch | None]:  # noqa: ARG002 -- it never waits
        recorder = self._recorder
        self.notes.interfaces.append(Interface(0, TAP, resolution=9))
        recorder.interface("benchmark", "")
        decoder = Cc2531Decoder()
        number, at_ns, due_ns = 1, 0, int(BATCH_S * 1e9)
        times, messages = [], []
        for psdu in self._frames():
            octets, size = psdu[:-FCS], len(psdu)
            ticks = at_ns * 32 // 1000 & 0xFFFFFFFF
            head = bytes([0, 5 + size, 0]) + ticks.to_bytes(4, "little") + bytes([size])
            messages.append(head + octets + (INTACT if crc16(psdu) == 0 else DAMAGED))
            times.append(START_NS + at_ns)
            at_ns += OCTET_NS * (PREAMBLE + size)
            if at_ns < due_ns:
                continue
            due_ns += int(BATCH_S * 1e9)
            heard = [one for message in messages for one in decoder.feed(message)]
            records = of_heard(times, heard, Channel(15), first_number=number)
            recorder.write(records)
            number += len(records)
            self.frames = number - 1
            self.radio_s = at_ns / 1e9
            yield records
            times, messages = [], []
            if int(self.radio_s) % 60 == 0 and (not self.memory or self.radio_s - self.memory[-1][0] > 30):
                self.memory.append((self.radio_s, resident_mib()))
            if self.radio_s >= self._seconds:
                break
        recorder.close()

    def _frames(self) -> Iterator[bytes]:
        # Not by hanscope's reader: its buffers of a whole file would be mistaken for what live analysis needs.
        with self._capture.open("rb") as file:
            if self._capture.suffix == ".pcap":
                file.read(24)
                while head := file.read(16):
                    yield file.read(int.from_bytes(head[8:12], "little"))
            while head := file.read(8):
                block = file.read(int.from_bytes(head[4:], "little") - len(head))
                if head[0] == ENHANCED_PACKET:
                    yield block[20:][: int.from_bytes(block[12:16], "little")]

    def _run(self) -> None:
        raise NotImplementedError


def resident_mib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600, help="of radio time (600)")
    parser.add_argument("--scenario", default="benchmark", help="of the simulator (benchmark)")
    parser.add_argument("--view", action="store_true", help="with the live view, drawn twice a second of radio time")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        if options.scenario == "benchmark":
            path = Path(folder) / "traffic.pcap"
            truth = simulate("benchmark", path, frames=max(options.seconds * 800, 5000))
        else:
            path = Path(folder) / "traffic.pcapng"
            truth = simulate(options.scenario, path, size=min(options.seconds * IMAGE_A_SECOND, LARGEST_SIZE))
        ring = load_key_file(write_keys(truth, path))
        feed = FullChannel(path, Recorder(Path(folder) / "out.pcapng"), options.seconds)
        show = drawing() if options.view else None
        begun = time.process_time()
        run = LiveAnalysis(feed, show, monotonic=lambda: feed.radio_s).run(ring)
        spent = time.process_time() - begun
    print(f"{feed.frames:,} frames in {feed.radio_s:,.0f} s of radio time ({feed.frames / feed.radio_s:,.0f} a second)")
    print(f"{spent:.1f} s of processor time: {100 * spent / feed.radio_s:.1f} % of one core (the aim: below 25 %)")
    complete = sum(one.complete for one in run.analysis.transfers)
    print(f"{len(run.analysis.transfers)} transfers, {complete} complete")
    for at, mib in feed.memory[:: max(len(feed.memory) // 10, 1)]:
        print(f"  {at / 60:6.1f} min  {mib:7.1f} MiB")


def drawing() -> Callable[[Picture], None]:
    """Draws as a terminal would be drawn, twice a second of radio time."""
    from rich.console import Console  # noqa: PLC0415 -- only with --view

    from hanscope.report.live import drawn  # noqa: PLC0415

    page = io.StringIO()
    console = Console(file=page, force_terminal=True, width=120)

    def show(picture: Picture) -> None:
        console.print(drawn(picture, []))
        page.seek(0)

    return show


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
