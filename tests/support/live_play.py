"""A simulated HAN on the air: what a sniffer would hear of it, back to back as fast as the radio can carry."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sniffer_emulators import OnAir, back_to_back

from hanscope.analyzers.keys import KeyRing, load_key_file
from hanscope.captures.batch import Fcs
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import Decisions, decide, frames
from hanscope.captures.simulator.beside import write_keys
from hanscope.captures.simulator.scenarios import simulate

START_NS = 1_767_225_600 * 10**9


@cache
def scenario(name: str = "ppmid-update", size: int = 8000, seed: int = 0) -> tuple[tuple[OnAir, ...], KeyRing]:
    """The frames of a scenario, one after the other without a pause, and its keys."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcapng"
        truth = simulate(name, path, seed=seed, size=size)
        ring = load_key_file(write_keys(truth, path))
        found: list[bytes] = []
        decisions: Decisions = {}
        with open_capture(path) as capture:
            for records in capture:
                decisions = decide(records, capture.interfaces, decisions)
                batch = frames(records, decisions)
                found += [batch.frame(i) for i in range(len(batch)) if batch.fcs[i] == Fcs.VALID]
    return tuple(back_to_back(found, START_NS)), ring


def encoded(frames_on_air: tuple[OnAir, ...], encode: Callable[[OnAir], bytes]) -> list[bytes]:
    return [encode(frame) for frame in frames_on_air]
