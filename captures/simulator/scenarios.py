"""Simulated HANs that are shipped, measured and tested with."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from hanscope.captures.simulator.air import Noise
from hanscope.captures.simulator.firmware import SECOND, WAIT_FOR_ACTIVATION, Firmware, Habits, Update
from hanscope.captures.simulator.han import HUB, Han, Node, Role
from hanscope.captures.simulator.simulation import Scenario, run
from hanscope.captures.simulator.truth import Truth
from hanscope.captures.writer import PcapWriter
from hanscope.dissectors.images.gbcs import DeviceType

MANUFACTURER: Final = 0x10DE
"""Of the demo's devices; nobody's."""
IMAGE_TYPES: Final = {
    Role.ESME: DeviceType.ESME,
    Role.PPMID: DeviceType.PPMID,
    Role.GSME: DeviceType.GSME,
    Role.HCALCS: DeviceType.HCALCS,
}
MILLISECOND: Final = SECOND // 1000
_LARGEST_IMAGE: Final = 512 * 1024
_LEAST_IMAGE: Final = 4096


def benchmark(path: Path | str, *, frames: int, seed: int = 0) -> Truth:
    """A pcap file (link type 195) of exactly so many frames, in which four devices update themselves again and again.

    Images have about 512 KiB, fewer in a capture too short to hold some of that size. Beside the file, `PATH.json` says what
    is in it.
    """
    size = min(_LARGEST_IMAGE, max(_LEAST_IMAGE, frames * 2 // 5))
    rng = np.random.default_rng([seed, 1])
    han = _benchmark_han(rng)
    number = count()
    scenario = Scenario(
        name="benchmark",
        seed=seed,
        han=han,
        updates=[
            _again_and_again(node, place, habits, size + extra, seed, number)
            for place, (node, habits, extra) in enumerate(
                [
                    (2, Habits(40, 150 * MILLISECOND, **_HICCUPS), 0),
                    (3, Habits(48, 150 * MILLISECOND, **_HICCUPS), 1111),
                    (4, Habits(56, 260 * MILLISECOND, notified=False, **_HICCUPS), -777),
                    (5, Habits(64, 420 * MILLISECOND, **_HICCUPS), 333),
                ]
            )
        ],
        noise=Noise(damaged=0.003, resent=0.012, aps_retried=0.004),
        window_s=min(480, max(20, frames // 200)),
    )
    with PcapWriter(path) as writer:
        truth = run(scenario, writer, frames=frames)
    truth.write(Path(f"{path}.json"))
    return truth


_HICCUPS: Final = {"told_to_wait": 0.003, "unanswered": 0.002, "repeated": 0.004}


def _benchmark_han(rng: np.random.Generator) -> Han:
    def eui64() -> int:
        return 0x00DE_4D00_0000_0000 | int(rng.integers(1 << 40))

    return Han(
        nodes=(
            Node(Role.HUB, eui64(), 0x0000),
            Node(Role.REPEATER, eui64(), 0x1A2B),
            Node(Role.ESME, eui64(), 0x3C4D, link_key=rng.bytes(16), extended_nonce=True),
            Node(Role.PPMID, eui64(), 0x5E6F, link_key=rng.bytes(16), extended_nonce=True),
            Node(Role.GSME, eui64(), 0x7A8B, link_key=rng.bytes(16), sleepy=True),
            Node(Role.HCALCS, eui64(), 0x9CAD, parent=1),
        ),
        network_key=rng.bytes(16),
        pan_id=0x4A5B,
        extended_pan_id=eui64(),
    )


def _again_and_again(
    node: int, place: int, habits: Habits, size: int, seed: int, number: "count[int]"
) -> Iterator[Update]:
    """A device that gets a new version whenever it runs the last one."""
    role = [Role.ESME, Role.PPMID, Role.GSME, Role.HCALCS][place]
    for version in count(2):
        firmware = Firmware(
            manufacturer_code=MANUFACTURER,
            image_type=IMAGE_TYPES[role],
            file_version=version << 24 | 0x0203,
            size=size,
            text=f"demo {role} firmware",
            signed=role is not Role.PPMID,
            seed=seed,
        )
        start = (2 + 3 * place) * SECOND
        yield Update(node, firmware, habits, next(number), start, upgrade_time=0, restarts=True)
