"""What really happened in a simulated HAN: what an analysis of its capture must find out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator.firmware import Firmware
from hanscope.captures.simulator.han import Han
from hanscope.dissectors.eui64 import eui64_text


@dataclass(frozen=True, slots=True)
class Blocks:
    """Columns: one row for each block response on the air, each hop and each retry of it, in order of time."""

    frame: NDArray[np.uint32]
    """1-based number in the capture; 0: the sniffer did not hear it, or not intact."""
    update: NDArray[np.uint32]
    """`UpdateTruth.number`."""
    offset: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Missed:
    """Columns: the frames that went over the air and are not in the capture, in order of time."""

    time_ns: NDArray[np.int64]
    transmitter: NDArray[np.int64]
    """Index of the node."""
    frame_counter: NDArray[np.int64]
    """Of the NWK layer; -1: a frame without security."""


@dataclass(frozen=True, slots=True)
class UpdateTruth:
    """One device's attempt to update itself."""

    number: int
    client: int
    """Index of the node."""
    firmware: Firmware
    outcome: Literal["complete", "stuck", "unfinished"]
    """`unfinished`: the capture ended before."""
    received: int
    """Octets that were sent to the device."""
    missing: tuple[tuple[int, int], ...]
    """[start, stop) of what no intact frame of the capture carries."""


@dataclass(frozen=True, slots=True)
class MessageTruth:
    """One GBCS message that was sent through a tunnel."""

    device: int
    """Index of the node; the hub is at the other end."""
    to_device: bool
    octets: bytes
    blocks: int
    """In how many blocks (General Block Transfer); 0: whole."""
    frames: tuple[int, ...]
    """Of each of its fragments the first intact frame in the capture, ascending."""
    lost: int
    """Fragments of which no intact frame is in the capture."""

    @property
    def complete(self) -> bool:
        return not self.lost


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything about a simulated capture."""

    scenario: str
    seed: int
    han: Han
    frames: int
    """In the capture."""
    damaged: NDArray[np.int64]
    """Numbers of those whose FCS is wrong."""
    missed: Missed
    updates: tuple[UpdateTruth, ...]
    blocks: Blocks
    messages: tuple[MessageTruth, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Without the single blocks."""
        nodes = self.han.nodes
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "frames": self.frames,
            "damaged": len(self.damaged),
            "missed": len(self.missed.time_ns),
            "pan_id": self.han.pan_id,
            "network_key": self.han.network_key.hex(),
            "devices": [
                {
                    "role": node.role,
                    "eui64": eui64_text(node.eui64),
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
            "messages": [
                {
                    "device": nodes[message.device].short,
                    "to_device": message.to_device,
                    "octets": message.octets.hex(),
                    "blocks": message.blocks,
                    "frames": message.frames,
                    "complete": message.complete,
                }
                for message in self.messages
            ],
        }

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n")
