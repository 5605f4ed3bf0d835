"""The shipped samples are what the simulator makes of them today."""

from pathlib import Path

from hanscope.captures.samples import DEMO, DEMO_KEYS
from hanscope.captures.simulator.demo import demo, demo_keys


def test_the_shipped_demo_is_the_simulated_one(tmp_path: Path) -> None:
    truth = demo(tmp_path / "demo.pcapng")
    assert (tmp_path / "demo.pcapng").read_bytes() == DEMO.read_bytes()
    assert demo_keys(truth) == DEMO_KEYS.read_text("utf-8")


def test_the_demo_is_small_enough_to_ship() -> None:
    assert DEMO.stat().st_size <= 600 * 1024
