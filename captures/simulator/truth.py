"""What really happened in a simulated HAN: what an analysis of its capture must find out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator.firmware import Firmware
from hanscope.captures.simulator.han import Han

BLOCK_DTYPE = np.dtype([("frame", "<u4"), ("update", "<u2"), ("offset", "<u4")])
"""`frame`: 1-based number; 0: the sniffer did not hear it, or not intact."""


@dataclass(frozen=True, slots=True)
class UpdateTruth:
    """One device's attempt to update itself."""

    client: int
    """Index of the node."""
    firmware: Firmware
    outcome: str
    """"complete", "stuck", or "unfinished" when the capture ended."""
    received: int
    """Octets that were sent to the device."""
    missing: tuple[tuple[int, int], ...]
    """[start, stop) of what no intact frame of the capture carries."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything about a simulated capture."""

    scenario: str
    seed: int
    han: Han
    frames: int
    """In the capture."""
    damaged: int
    """Of these, with a wrong FCS."""
    missed: int
    """That went over the air and are not in the capture."""
    updates: tuple[UpdateTruth, ...]
    blocks: NDArray[Any]
    """`BLOCK_DTYPE`, one row for each block response on the air, in order of time."""

    def as_json(self) -> dict[str, Any]:
        """Without the single blocks."""
        nodes = self.han.nodes
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "frames": self.frames,
            "damaged": self.damaged,
            "missed": self.missed,
            "pan_id": self.han.pan_id,
            "network_key": self.han.network_key.hex(),
            "devices": [
                {
                    "role": node.role,
                    "eui64": node.eui64.to_bytes(8, "big").hex(":"),
                    "short": node.short,
                    "link_key": node.link_key.hex() if node.link_key else None,
                }
                for node in nodes
            ],
            "images": [
                {
                    "role": nodes[update.client].role,
                    "client": nodes[update.client].short,
                    "manufacturer_code": update.firmware.manufacturer_code,
                    "image_type": update.firmware.image_type,
                    "file_version": update.firmware.file_version,
                    "size": update.firmware.size,
                    "sha256": update.firmware.sha256,
                    "outcome": update.outcome,
                    "received": update.received,
                    "missing": update.missing,
                }
                for update in self.updates
            ],
        }

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n")
