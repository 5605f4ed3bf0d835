"""What the Wireshark plugin costs: processor time and memory of tshark with it and without, run in turn.

    python -P benchmarks/wireshark_plugin.py [--frames 100000] [--runs 5] [--script hanscope.lua]

Beside the plugin stands the least that any such script costs: a post-dissector that reads the octets of the NWK, APS
and ZCL layers of each OTA command and adds two fields, and follows nothing. For each way to call tshark the table has
the best processor time (user and system) of all runs, and what it is above tshark alone: best to best, and the median
of the runs, each compared with that of tshark alone right before it (which a busy machine troubles less).
"""

import argparse
import os
import statistics
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hanscope.captures.simulator.scenarios import benchmark
from hanscope.wireshark import plugin_script

LEAST = """
local zcl, aps, nwk = Field.new("zbee_zcl"), Field.new("zbee_aps"), Field.new("zbee_nwk")
local least = Proto("least", "The least")
local number, share = ProtoField.uint32("least.number", "Number"), ProtoField.double("least.share", "Share")
least.fields = { number, share }
function least.dissector(_, pinfo, root)
    local command = zcl()
    local header = command and aps().range:raw()
    if header and header:byte(3) == 0x19 and header:byte(4) == 0x00 then
        local octets = #command.range:raw() + #nwk().source:raw()
        root:add(number, octets)
        root:add(share, pinfo.abs_ts)
    end
end
register_postdissector(least)
"""
FRAMES = ["-T", "fields", "-e", "frame.number"]
OTA = [
    word
    for name in ("image.type", "file.version", "file.offset", "data_size", "image.data")
    for word in ("-e", f"zbee_zcl_general.ota.{name}")
]
FIELDS = {
    "plugin": ["-e", "hanscope.transfer", "-e", "hanscope.progress"],
    "least": ["-e", "least.number", "-e", "least.share"],
    "tshark": [],
}
WAYS = {
    "nothing of the plugin's (-T fields)": ([*FRAMES, *OTA], False),
    "details (-V)": (["-V"], False),
    "two fields": (FRAMES, True),
    "two fields beside those of OTA": ([*FRAMES, *OTA], True),
    "two fields in two passes": (["-2", "-R", "frame", *FRAMES], True),
    "the report (-q)": (["-q", "-z", "io,phs"], False),
}
REPORT = ["-o", "hanscope.report:TRUE"]


class Cost(NamedTuple):
    processor_s: float
    memory_mib: float


def run(words: list[str]) -> Cost:
    """Runs a program to its end."""
    nobody = {**os.environ, "HOME": "/nowhere", "WIRESHARK_CONFIG_DIR": "/nowhere"}
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=nobody)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(words)} failed: {child.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--frames", type=int, default=100_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--script", type=Path, default=plugin_script(), help="the plugin, or another state of it")
    options = options.parse_args()
    with TemporaryDirectory() as folder:
        capture, least = Path(folder, "benchmark.pcap"), Path(folder, "least.lua")
        least.write_text(LEAST)
        han = benchmark(capture, frames=options.frames, seed=1).han
        keys = [han.network_key, *(node.link_key for node in han.nodes if node.link_key)]
        tshark = ["tshark", "-n", "-r", str(capture)]
        tshark += [word for key in keys for word in ("-o", f'uat:zigbee_pc_keys:"{key.hex()}","Normal",""')]
        scripts = {
            "tshark": [],
            "least": ["-X", f"lua_script:{least}"],
            "plugin": ["-X", f"lua_script:{options.script}"],
        }
        print(f"{options.frames:,} frames, best of {options.runs}{'':20} processor time        memory")
        for way, (words, has_fields) in WAYS.items():
            show(way, measured(tshark, scripts, words, has_fields=has_fields, runs=options.runs))


def measured(
    tshark: list[str], scripts: dict[str, list[str]], words: list[str], *, has_fields: bool, runs: int
) -> dict[str, list[Cost]]:
    """The costs of each script, in turn."""
    costs: dict[str, list[Cost]] = {name: [] for name in scripts}
    for _ in range(runs):
        for name, script in scripts.items():
            more = FIELDS[name] if has_fields else REPORT if name == "plugin" and "-q" in words else []
            costs[name].append(run([*tshark, *script, *words, *more]))
    return costs


def show(way: str, costs: dict[str, list[Cost]]) -> None:
    alone = costs["tshark"]
    best = min(one.processor_s for one in alone)
    for name, found in costs.items():
        processor_s, memory_mib = min(one.processor_s for one in found), min(one.memory_mib for one in found)
        pairs = [one.processor_s / other.processor_s for one, other in zip(found, alone, strict=True)]
        more_mib = memory_mib - min(one.memory_mib for one in alone)
        more = 100 * (processor_s / best - 1), 100 * (statistics.median(pairs) - 1)
        print(
            f"{way if name == 'tshark' else '':36} {name:7} {processor_s:6.2f} s"
            f" {more[0]:+5.0f} % (median {more[1]:+5.0f} %) {memory_mib:6.1f} MiB {more_mib:+6.1f}"
        )


if __name__ == "__main__":
    main()
