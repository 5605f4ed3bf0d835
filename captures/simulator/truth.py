"""What really happened in a simulated HAN: what an analysis of its capture must find out."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator.firmware import Firmware
from hanscope.captures.simulator.han import Han
from hanscope.captures.simulator.parties import Party
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
    outcome: Literal["complete", "unfinished"]
    """`unfinished`: the capture ended before."""
    received: int
    """Octets that were sent to the device."""
    missing: tuple[tuple[int, int], ...]
    """[start, stop) of what no intact frame of the capture carries."""


Reason = Literal["never requested", "requested and never answered", "answered but not captured"]
Flow = Literal["ESME/GSME", "HCALCS", "PPMID", "ZigBee"]
State = Literal[
    "offered",
    "refused",
    "distributing",
    "distributed",
    "receipt given",
    "activation ordered",
    "activated",
    "confirmed",
    "failed",
    "undecided",
]
Step = Literal["offer", "distribution", "verification", "activation order", "activation", "confirmation"]
Cause = Literal[
    "client-rebooted",
    "client-stalled",
    "server-silent",
    "radio-link-lost",
    "image-refused",
    "image-rejected-bad",
    "image-rejected-good",
    "image-corrupted",
    "wrong-hardware",
    "image-discarded",
    "file-at-fault",
    "rate-limited",
    "wrong-key",
    "two-servers",
    "never-activated",
    "activation-too-early",
    "wrong-hash-ordered",
    "activation-refused",
    "version-unchanged",
    "still-running",
]
Activation = Literal["immediate", "future", "cancelled", "replaced"]


@dataclass(frozen=True, slots=True)
class Hole:
    """Octets [start, end) of an image that the capture does not hold, and why."""

    start: int
    end: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class AttemptTruth:
    """One attempt to load the image: from one server, without beginning anew."""

    number: int
    """As in `Blocks.update`."""
    server: int
    """Index of the node."""
    started_ns: int
    """Unix time of its first request."""
    ended_ns: int
    requested_from: int
    """The lowest offset that was asked for."""
    size_shown: bool
    """Whether a captured frame tells the size of the image: an offer of this server, or the header's first blocks."""
    requests: int
    """Block and page requests, APS and MAC repetitions not counted."""
    received: tuple[tuple[int, int], ...]
    """What the device got, whatever the sniffer heard."""
    missing: tuple[Hole, ...]
    """What no intact frame of the capture carries, with the reason that the captured frames can show."""
    missing_really: tuple[Hole, ...]
    """The same octets, with the reason that was the true one."""
    end_status: int | None
    """Of the Upgrade End Request."""


@dataclass(frozen=True, slots=True)
class Event:
    """A step of a device's story."""

    time_ns: int
    """Unix time."""
    what: str
    frame: int
    """The first intact frame in the capture that shows it; 0: there is none."""


@dataclass(frozen=True, slots=True)
class DeviceTruth:
    """One device's update."""

    device: int
    """Index of the node."""
    flow: Flow
    state: State
    failed_at: Step | None
    cause: Cause | None
    firmware: Firmware
    """What was offered, or was there to be offered."""
    manufacturer_image_hash: bytes
    held_sha256: str | None
    """SHA-256 of the file that the device held in the end, if it had one as large as the image."""
    alert: tuple[int, bytes] | None
    """The code (8F72, 8F1C) and the hash of the receipt alert."""
    ordered: tuple[bytes, ...]
    """The hashes of the activation commands."""
    activation: Activation | None
    """How it was ordered."""
    version_before: int
    version_after: int
    """What ran in the end."""
    attempts: tuple[AttemptTruth, ...]
    events: tuple[Event, ...]


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
    devices: tuple[DeviceTruth, ...] = ()
    """Of the scenarios that play whole updates."""
    faults: tuple[str, ...] = ()
    parties: tuple[Party, ...] = ()
    """Everybody who says GBCS messages, with their keys."""
    replayed: tuple[int, ...] = ()
    """Numbers of frames that somebody sent again."""
    wrong_keys: tuple[bytes, ...] = ()
    """Link keys that devices used although the hub does not know them."""
    wan_messages: tuple[bytes, ...] = ()
    """GBCS messages that the hub sent by the WAN, so that they are not in the capture (CCS08)."""

    def as_json(self) -> dict[str, Any]:
        """Without the single blocks."""
        nodes = self.han.nodes
        played = self._played() if self.devices else {}
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
            **played,
        }

    def _played(self) -> dict[str, Any]:
        """What only the scenarios that play whole updates have."""
        nodes, missed = self.han.nodes, self.missed
        return {
            "faults": self.faults,
            "later_network_keys": [key.hex() for key in self.han.later_keys],
            "wrong_keys": [key.hex() for key in self.wrong_keys],
            "updates": [self._update(one) for one in self.devices],
            "replayed_frames": self.replayed,
            "denied": [
                {
                    "time_ns": time,
                    "transmitter": None if node < 0 else nodes[node].short,
                    "frame_counter": None if counter < 0 else counter,
                }
                for time, node, counter in zip(
                    missed.time_ns.tolist(), missed.transmitter.tolist(), missed.frame_counter.tolist(), strict=True
                )
            ],
            "wan_messages": [message.hex() for message in self.wan_messages],
            "parties": [
                {"eui64": eui64_text(party.eui64), "role": None if party.role is None else party.role.name.lower()}
                for party in self.parties
            ],
        }

    def _update(self, one: DeviceTruth) -> dict[str, Any]:
        nodes, firmware = self.han.nodes, one.firmware
        node = nodes[one.device]
        return {
            "role": node.role,
            "short": node.short,
            "eui64": eui64_text(node.eui64),
            "flow": one.flow,
            "state": one.state,
            "failed_at": one.failed_at,
            "cause": one.cause,
            "image": {
                "manufacturer_code": firmware.manufacturer_code,
                "image_type": firmware.image_type,
                "file_version": firmware.file_version,
                "size": firmware.size,
                "sha256": firmware.sha256,
                "manufacturer_image_sha256": one.manufacturer_image_hash.hex(),
            },
            "held_sha256": one.held_sha256,
            "alert": None if one.alert is None else {"code": one.alert[0], "hash": one.alert[1].hex()},
            "ordered_hashes": [ordered.hex() for ordered in one.ordered],
            "activation": one.activation,
            "version_before": one.version_before,
            "version_after": one.version_after,
            "attempts": [asdict(attempt) | {"server": nodes[attempt.server].short} for attempt in one.attempts],
            "events": [asdict(event) for event in one.events],
        }

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n")
