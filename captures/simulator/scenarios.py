"""Simulated HANs that are shipped, measured and tested with."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import SECOND, Noise
from hanscope.captures.simulator.demo import demo
from hanscope.captures.simulator.firmware import MILLISECOND, Firmware, Habits, Update
from hanscope.captures.simulator.han import HUB, Han, Node, Role
from hanscope.captures.simulator.simulation import Scenario, run
from hanscope.captures.simulator.truth import Activation, Truth
from hanscope.captures.simulator.tunnels import Conversation, device_of, gas_meters
from hanscope.captures.simulator.updates import DEFAULT_SIZE, UPDATE_SCENARIOS, update
from hanscope.captures.writer import PcapngWriter, PcapWriter
from hanscope.dissectors.gbcs.envelope import Envelope, parse
from hanscope.dissectors.images.gbcs import DeviceType

MANUFACTURER: Final = 0x10DE
"""Of the demo's devices; nobody's."""
IMAGE_TYPES: Final = {
    Role.ESME: DeviceType.ESME,
    Role.PPMID: DeviceType.PPMID,
    Role.GSME: DeviceType.GSME,
    Role.HCALCS: DeviceType.HCALCS,
}
USUAL_NOISE: Final = Noise(damaged=0.003, resent=0.012, aps_retried=0.004)
_LARGEST_IMAGE: Final = 512 * 1024
_LEAST_IMAGE: Final = 4096


def benchmark(path: Path | str, *, frames: int, seed: int = 0) -> Truth:
    """A pcap file (link type 195) of exactly so many frames, in which four devices update themselves again and again.

    Images have about 512 KiB, less in a capture too short to hold some of that size. What is in it says `PATH.json`.
    """
    size = min(_LARGEST_IMAGE, max(_LEAST_IMAGE, frames * 2 // 5))
    rng = np.random.default_rng([seed, 1])
    han = _benchmark_han(rng)
    number = count()
    usual = Habits(block=40, pace_ns=150 * MILLISECOND, told_to_wait=0.003, unanswered=0.002, unheard=0.004)
    habits = {
        2: usual,
        3: replace(usual, block=48),
        4: replace(usual, block=56, pace_ns=260 * MILLISECOND, notified=False),
        5: replace(usual, block=64, pace_ns=420 * MILLISECOND),
    }
    scenario = Scenario(
        name="benchmark",
        seed=seed,
        han=han,
        updates=[
            _again_and_again(han, node, one, size + 111 * node, number=number, seed=seed)
            for node, one in habits.items()
        ],
        noise=USUAL_NOISE,
        window_s=min(480, max(20, frames // 200)),
    )
    with PcapWriter(path) as writer:
        truth = run(scenario, writer, frames=frames)
    truth.write(Path(f"{path}.json"))
    return truth


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
    han: Han, node: int, habits: Habits, size: int, *, number: "count[int]", seed: int
) -> Iterator[Update]:
    """A device that gets a new version whenever it runs the last one."""
    role = han.nodes[node].role
    for version in count(0x0200):
        firmware = Firmware(
            manufacturer_code=MANUFACTURER,
            image_type=IMAGE_TYPES[role],
            file_version=version << 16 | 0x0203,
            size=size,
            text=f"demo {role} firmware",
            signed=role is not Role.PPMID,
            seed=seed,
        )
        yield Update(node, firmware, habits, next(number), 3 * node * SECOND, upgrade_time=0, restarts=True)


def gbcs(
    path: Path | str,
    messages: Sequence[bytes],
    *,
    seed: int = 0,
    noise: Noise = USUAL_NOISE,
    block: int = 1200,
    largest: int = kinds.LARGEST_TRANSFER,
) -> Truth:
    """A pcapng file in which these messages go through tunnels, those of different devices at the same time.

    Each device that a message names is in the HAN: gas meters are asleep and fetch theirs, some of the others are
    behind a repeater. Messages of more than `largest` octets go in blocks of `block`. The truth is in `PATH.json`, keys
    and all. `EnvelopeError` if one is no message, `ValueError` if there is none.
    """
    if not messages:
        raise ValueError("no messages: there is nothing to carry")
    envelopes = [parse(octets) for octets in messages]
    han = _gbcs_han(envelopes, np.random.default_rng([seed, 3]))
    conversation = Conversation(messages, han, block=block, largest=largest)
    seconds = conversation.end_ns // SECOND + 10
    scenario = Scenario(
        name="gbcs", seed=seed, han=han, updates=[], noise=noise, window_s=seconds, conversation=conversation
    )
    comment = "A simulated Home Area Network: no real devices, no real keys."
    with PcapngWriter(path, application="hanscope simulator", comment=comment) as writer:
        writer.interface(name="simulated", description=f"2.4 GHz, channel {han.channel}")
        truth = run(scenario, writer, seconds=seconds)
    truth.write(Path(f"{path}.json"))
    return truth


def _gbcs_han(messages: Sequence[Envelope], rng: np.random.Generator) -> Han:
    gas = gas_meters(messages)
    devices = sorted({device_of(one)[0] for one in messages})
    nodes = [Node(Role.HUB, 0x00DE_4D00_0000_0001, 0x0000), Node(Role.REPEATER, 0x00DE_4D00_0000_0002, 0x1A2B)]
    for number, eui64 in enumerate(devices):
        nodes.append(
            Node(
                Role.GSME if eui64 in gas else Role.ESME,
                eui64,
                0x2000 + 0x101 * number,
                link_key=rng.bytes(16),
                extended_nonce=bool(number % 2),
                sleepy=eui64 in gas,
                parent=1 if number % 3 == 2 and eui64 not in gas else HUB,
            )
        )
    return Han(tuple(nodes), network_key=rng.bytes(16), pan_id=0x6BC5, extended_pan_id=0x00DE_4D00_0000_0001)


SCENARIOS: Final = ("benchmark", "demo", "gbcs", *UPDATE_SCENARIOS)


def simulate(
    scenario: str,
    path: Path | str,
    *,
    seed: int = 0,
    frames: int | None = None,
    messages: Sequence[bytes] = (),
    faults: Sequence[str] = (),
    size: int = DEFAULT_SIZE,
    activation: Activation = "immediate",
) -> Truth:
    """Writes the capture of a scenario; `PATH.json` says what is in it.

    `frames` is for scenarios of any length (`benchmark`), `messages` are what `gbcs` carries; `faults`, `size` and
    `activation` (immediate, future, cancelled, replaced) are for `UPDATE_SCENARIOS`. `ValueError` if there is no such
    scenario, or not with that; `FaultError`, which is one, if a fault is unknown.
    """
    if scenario in UPDATE_SCENARIOS and frames is None:
        return update(scenario, path, seed=seed, faults=faults, size=size, activation=activation)
    if scenario in SCENARIOS and (faults or activation != "immediate"):
        raise ValueError(f"faults and activations are for: {', '.join(UPDATE_SCENARIOS)}")
    if scenario == "gbcs" and frames is None:
        return gbcs(path, messages, seed=seed)
    if scenario == "benchmark":
        return benchmark(path, frames=100_000 if frames is None else frames, seed=seed)
    if scenario == "demo" and frames is None:
        return demo(path, seed=seed)
    known = ", ".join(SCENARIOS)
    raise ValueError(
        f"no scenario {scenario!r}" + (" of a length of your choice" if frames else "") + f"; there are: {known}"
    )
