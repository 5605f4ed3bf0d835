"""Captures that are shipped, so that everybody has something to look at.

`demo.pcapng` is the simulator's scenario `demo` with seed 0; `demo.keys.toml` has the keys that the capture does not
give away. `python -m hanscope.captures.samples` writes both anew, octet for octet.
"""

from pathlib import Path
from typing import Final

SAMPLES: Final = Path(__file__).parent
DEMO: Final = SAMPLES / "demo.pcapng"
DEMO_KEYS: Final = SAMPLES / "demo.keys.toml"
