"""`hanscope gbcs` on a folder of GBCS messages: whole processes, wall clock, beside tshark's GBCS dissector.

    python benchmarks/gbcs.py ../shared/data/gbcs-messages

The folder holds `messages`, `certificates` and `test-party-keys.json`. The messages are decoded to JSON as they are,
and ten times as many of them in a temporary folder; without and with verification. tshark (which verifies nothing)
gets the same messages in a pcap file, and writes JSON too. Start-up is the run on one message. At the end: what takes
the time inside one process, by family of payload.
"""

import argparse
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from against_peers import Run, timed
from rich.console import Console
from rich.table import Table

from hanscope.analyzers.certificates import read_certificates, read_private_keys
from hanscope.analyzers.messages import Credentials, examine
from hanscope.dissectors.gbcs.envelope import parse

TARGETS = {"hanscope": 2000, "hanscope, verifying": 300}
"""Messages a second that are asked for."""
TIMES = 10
USER_LINK = 147
"""DLT_USER0."""
FAMILIES = {b"\x01": "GBZ", b"\xd9": "DLMS", b"\xda": "DLMS", b"\x0f": "DLMS"}


def octets_of(folder: Path) -> list[bytes]:
    """The messages below a folder, in the order of their files."""
    return [bytes.fromhex(file.read_text("ascii")) for file in sorted(folder.rglob("*")) if file.is_file()]


def write_folder(messages: list[bytes], folder: Path) -> Path:
    """One hexadecimal file for each message."""
    folder.mkdir()
    for number, octets in enumerate(messages):
        (folder / f"{number:06}.hex").write_text(octets.hex(), "ascii")
    return folder


def write_capture(messages: list[bytes], file: Path) -> Path:
    """A pcap file that holds nothing but the messages."""
    records = [struct.pack("<IIII", at, 0, len(one), len(one)) + one for at, one in enumerate(messages)]
    file.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, USER_LINK) + b"".join(records))
    return file


def best(command: list[str], scratch: Path, runs: int) -> Run:
    """The fastest of several runs, after one that fills the caches of the file system and of Python."""
    timed(command, scratch / "output")
    return min((timed(command, scratch / "output") for _ in range(runs)), key=lambda run: run.seconds)


def seconds(work: Callable[[], object], runs: int) -> float:
    """CPU seconds of the fastest run."""
    taken: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def processes(data: Path, messages: list[bytes], scratch: Path, runs: int) -> Table:
    """Each program on each number of messages."""
    decode = [sys.executable, "-m", "hanscope", "gbcs", "--format", "jsonl"]
    keys = ["--certificates", str(data / "certificates"), "--private-keys", str(data / "test-party-keys.json")]
    many = messages * TIMES
    sets = [
        (messages, data / "messages", messages[:1], write_folder(messages[:1], scratch / "one")),
        (many, write_folder(many, scratch / "many"), messages[:1], scratch / "one"),
    ]
    table = Table("messages", "program", "messages/s", "asked for", "wall s", "CPU s", "start-up s", "peak MiB")
    for given, folder, first, single in sets:
        for name, command in (("hanscope", decode), ("hanscope, verifying", [*decode, *keys])):
            start_up = best([*command, str(single)], scratch, runs)
            run = best([*command, str(folder)], scratch, runs)
            table.add_row(*row(len(given), name, run, start_up))
        if shutil.which("tshark") is None:
            continue
        dissector = ["-o", f'uat:user_dlts:"User 0 (DLT={USER_LINK})","gbcs_message","0","","0",""', "-T", "ek"]
        captures = [write_capture(one, scratch / f"{len(one)}.pcap") for one in (first, given)]
        start_up, run = (best(["tshark", *dissector, "-r", str(one)], scratch, runs) for one in captures)
        table.add_row(*row(len(given), "tshark -T ek (verifies nothing)", run, start_up))
    return table


def row(count: int, name: str, run: Run, start_up: Run) -> list[str]:
    """One line of the table."""
    numbers = (f"{run.seconds:.3f}", f"{run.cpu_seconds:.3f}", f"{start_up.seconds:.3f}", f"{run.peak_mib:.0f}")
    return [f"{count:,}", name, f"{count / run.seconds:,.0f}", str(TARGETS.get(name, "")), *numbers]


def inside(messages: list[bytes], held: Credentials | None, runs: int) -> Table:
    """What takes the time in one process that is up already: CPU time of each step on the whole folder."""
    families: dict[str, list[bytes]] = {}
    for octets in messages:
        first = octets[parse(octets).payload.start :][:1]
        families.setdefault(FAMILIES.get(first, "ASN.1"), []).append(octets)
    table = Table("step, in one process", "messages", "CPU ms", "messages/s")
    results = [examine(octets) for octets in messages]
    steps: list[tuple[str, list[bytes], Callable[[list[bytes]], object]]] = [
        ("headers, signature and MAC located", messages, lambda some: [parse(one) for one in some]),
        *((f"decoded: {name}", some, lambda some: [examine(one) for one in some]) for name, some in families.items()),
        ("decoded: all", messages, lambda some: [examine(one) for one in some]),
        ("decoded and verified: all", messages, lambda some: [examine(one, credentials=held) for one in some]),
        ("written as JSON", messages, lambda _: [msgspec.json.encode(one) for one in results]),
    ]
    for name, some, work in steps:
        taken = seconds(lambda work=work, some=some: work(some), runs)
        table.add_row(name, f"{len(some):,}", f"{1000 * taken:.0f}", f"{len(some) / taken:,.0f}")
    return table


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with messages, certificates and test-party-keys.json")
    parser.add_argument("--runs", type=int, default=5, help="of which the best counts")
    arguments = parser.parse_args()
    data: Path = arguments.data
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as after an installation: modules are compiled once
    messages = octets_of(data / "messages")
    held = Credentials(read_certificates([data / "certificates"]), read_private_keys([data / "test-party-keys.json"]))
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        console.print(processes(data, messages, Path(folder), arguments.runs))
    console.print(inside(messages, held, arguments.runs))


if __name__ == "__main__":
    main()
