"""Writes the shipped samples anew."""

from hanscope.captures.samples import DEMO, DEMO_KEYS
from hanscope.captures.simulator.demo import demo, demo_keys

if __name__ == "__main__":
    DEMO_KEYS.write_text(demo_keys(demo(DEMO)), "utf-8", newline="\n")
