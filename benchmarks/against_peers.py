"""hanscope beside its peers: the same capture, the same work, whole processes, in one run.

    python benchmarks/against_peers.py --frames 100000 1000000 10000000

For each size a capture is simulated; hanscope, tshark (its fastest way and its usual one) and, on a small sample, a
program on stock Scapy take every firmware block out of it, in turn. The images are put together from what each found
and compared with the simulation's truth. Printed: frames a second (whole process, wall clock, best of the runs),
ratios, peak memory of a process.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hanscope.captures.simulator.scenarios import benchmark

BLOCKS = "zbee_zcl_general.ota.image.data"
FIELDS = (
    "zbee_nwk.dst",
    "zbee_zcl_general.ota.manufacturer_code",
    "zbee_zcl_general.ota.image.type",
    "zbee_zcl_general.ota.file.version",
    "zbee_zcl_general.ota.file.offset",
    BLOCKS,
)


@dataclass(frozen=True)
class Run:
    """One finished process."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    """Of the process that used most."""


def timed(command: list[str], output: Path) -> Run:
    """Runs a command to its end, its output in a file."""
    with output.open("wb") as file:
        start = time.perf_counter()
        # Peers write warnings by the thousand; what matters of a failure is seen by running the command by hand.
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: ended with {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def images_from_rows(path: Path, base: int) -> dict[tuple[int, int, int, int], str]:
    """SHA-256 of each image put together from rows of blocks, by (destination, manufacturer, type, version)."""
    images: dict[tuple[int, int, int, int], bytearray] = {}
    with path.open() as rows:
        for row in rows:
            *identity, offset, data = row.rstrip("\n").split("\t")
            image = images.setdefault(tuple(int(one, base) for one in identity), bytearray())
            octets = bytes.fromhex(data.replace(":", ""))
            at = int(offset, base)
            if len(image) < at + len(octets):
                image.extend(bytes(at + len(octets) - len(image)))
            image[at : at + len(octets)] = octets
    return {identity: hashlib.sha256(image).hexdigest() for identity, image in images.items()}


def images_from_report(path: Path) -> dict[tuple[int, int, int, int], str]:
    """The same from hanscope's report: the whole images."""
    return {
        (one["client"]["short"], one["manufacturer_code"], one["image_type"], one["file_version"]): one["sha256"]
        for one in json.loads(path.read_text())["transfers"]
        if one["sha256"]
    }


def keys_of(truth: dict) -> list[str]:
    """Network key first."""
    return [truth["network_key"], *(device["link_key"] for device in truth["devices"] if device["link_key"])]


def measure(frames: int, runs: int, sample: int, folder: Path, console: Console) -> None:
    capture = folder / f"{frames}.pcap"
    start = time.perf_counter()
    benchmark(capture, frames=frames, seed=1)
    console.print(
        f"{frames:,} frames simulated in {time.perf_counter() - start:.1f} s, {capture.stat().st_size >> 20} MiB"
    )
    truth = json.loads(Path(f"{capture}.json").read_text())
    expected = {
        (one["client"], one["manufacturer_code"], one["image_type"], one["file_version"]): one["sha256"]
        for one in truth["images"]
        if one["outcome"] == "complete"
    }
    keys = keys_of(truth)
    hanscope = [shutil.which("hanscope", path=Path(sys.executable).parent) or "hanscope", "transfers", str(capture)]
    hanscope += [word for n, key in enumerate(keys) for word in ("--key", f"{'link' if n else 'network'}:{key}")]
    hanscope += ["--format", "json", "--no-progress"]
    tshark = ["tshark", "-n", "-r", str(capture), "-T", "fields"]
    tshark += [word for field in FIELDS for word in ("-e", field)]
    tshark += [word for key in keys for word in ("-o", f'uat:zigbee_pc_keys:"{key}","Normal",""')]
    programs: dict[str, list[str]] = {
        "hanscope": hanscope,
        "hanscope, one process": [*hanscope, "--processes", "1"],
        "tshark -2 -R (its fastest way)": [*tshark, "-2", "-R", BLOCKS],
        "tshark -Y (the usual way)": [*tshark, "-Y", BLOCKS],
    }
    if not shutil.which("tshark"):
        console.print("tshark is not installed: nothing to compare with")
        programs = {name: command for name, command in programs.items() if "tshark" not in name}
    best: dict[str, Run] = {}
    spread: dict[str, list[float]] = {}
    for turn in range(runs):
        for name, command in programs.items():
            output = folder / "output"
            words = [*command, "--export", str(folder / f"images-{turn}"), "--force"] if "hanscope" in name else command
            run = timed(words, output)
            found = images_from_report(output) if "hanscope" in name else images_from_rows(output, 0)
            wrong = [identity for identity, digest in expected.items() if found.get(identity) != digest]
            if wrong:
                sys.exit(f"{name}: {len(wrong)} of {len(expected)} images differ from the truth")
            spread.setdefault(name, []).append(run.seconds)
            if name not in best or run.seconds < best[name].seconds:
                best[name] = run
    rates = {name: frames / run.seconds for name, run in best.items()}
    if sample:
        small = folder / "sample.pcap"
        benchmark(small, frames=sample, seed=2)
        sample_keys = keys_of(json.loads(Path(f"{small}.json").read_text()))
        script = Path(__file__).parent / "peers" / "scapy_blocks.py"
        run = timed([sys.executable, str(script), str(small), *sample_keys], folder / "output")
        name = f"stock Scapy + AESCCM ({sample:,} frames)"
        best[name], rates[name], spread[name] = run, sample / run.seconds, [run.seconds]
    table = Table(title=f"{frames:,} frames, {len(expected)} whole images, all equal to the truth")
    for heading in ("program", "s (best)", "s (all)", "cpu s", "frames/s", "hanscope is", "one process is", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for name, run in best.items():
        table.add_row(
            name,
            f"{run.seconds:.2f}",
            " ".join(f"{seconds:.2f}" for seconds in spread[name]),
            f"{run.cpu_seconds:.2f}",
            f"{rates[name]:,.0f}",
            f"{rates['hanscope'] / rates[name]:.1f} ×",
            f"{rates['hanscope, one process'] / rates[name]:.1f} ×",
            f"{run.peak_mib:.0f}",
        )
    console.print(table)
    capture.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3, help="how often each program runs, in turn (default 3)")
    parser.add_argument("--sample", type=int, default=10_000, help="frames for the program on Scapy; 0: leave it out")
    words = parser.parse_args()
    # Compiled modules are kept, as everywhere by default: else each start of a Python program compiles it once more.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    console = Console(width=130)
    with tempfile.TemporaryDirectory(prefix="hanscope-benchmark-") as folder:
        for frames in words.frames:
            measure(frames, words.runs, words.sample, Path(folder), console)


if __name__ == "__main__":
    main()
