"""A device that is to be updated: where it stands, and what it and its server say to each other.

All times are in nanoseconds since the start.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import SECOND, Int64s
from hanscope.captures.simulator.faults import Value
from hanscope.captures.simulator.firmware import MILLISECOND, Firmware, Habits, announce, answer_ns
from hanscope.captures.simulator.han import HUB, Role
from hanscope.captures.simulator.house import NOTE, House
from hanscope.captures.simulator.kinds import Kind, security_of
from hanscope.captures.simulator.loading import Attempt
from hanscope.captures.simulator.messages import Speakers, TransferResult, at
from hanscope.captures.simulator.parties import Party
from hanscope.captures.simulator.truth import Activation, Cause, Flow, State, Step

FLOWS: Final[dict[Role, Flow]] = {
    Role.ESME: "ESME/GSME",
    Role.GSME: "ESME/GSME",
    Role.HCALCS: "HCALCS",
    Role.PPMID: "PPMID",
}
PAUSE_NS: Final = 3 * SECOND
_BOOT_NS: Final = 4 * SECOND
_HARDWARE: Final = 1
"""The version of everybody's hardware."""


class StopError(Exception):
    """The update goes no further."""

    def __init__(self, state: State, failed_at: Step | None = None, cause: Cause | None = None) -> None:
        super().__init__(state)
        self.state: State = state
        self.failed_at: Step | None = failed_at
        self.cause: Cause | None = cause


def failed(failed_at: Step, cause: Cause) -> StopError:
    """The update failed."""
    return StopError("failed", failed_at, cause)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device is to do."""

    node: int
    firmware: Firmware
    habits: Habits
    start_ns: int
    running: int
    """The version that runs before."""
    faults: dict[str, Value]
    activation: Activation = "immediate"
    suspended: bool = False
    """The hub suspends other traffic for a while and slows the device down (sub-GHz duty cycle)."""
    shared: int | None = None
    """Others load the same image too: the place among them."""


@dataclass(frozen=True, slots=True)
class Said:
    """An event before anybody knows its frame."""

    at_ns: int
    what: str
    note: int | None = None
    message: int | None = None


class Device:
    """Where one device stands in its update."""

    def __init__(self, house: House, plan: Plan) -> None:
        self.house = house
        self.plan = plan
        self.air = house.air
        self.node = plan.node
        self.one = self.air.han.nodes[plan.node]
        self.flow: Flow = FLOWS.get(self.one.role, "ZigBee")
        self.firmware = plan.firmware
        self.faults = plan.faults
        self.rng = np.random.default_rng([house.seed, 7, plan.node])
        self.now = plan.start_ns
        self.running = plan.running
        self.server = HUB
        self.file = self.firmware.octets
        """What it should get."""
        self.held = bytearray(len(self.file))
        """What it has got."""
        self.attempts: list[Attempt] = []
        self.events: list[Said] = []
        self.offers: dict[int, list[int]] = {}
        """Notes of the offers of each server."""
        self.state: State = "offered"
        self.alert: tuple[int, bytes] | None = None
        self.ordered: list[bytes] = []
        self.activation: Activation | None = None
        self.out_of_reach = False
        self.key: bytes | None = None
        """The link key that it has by mistake."""

    @cached_property
    def party(self) -> Party:
        return self.house.party(self.node)

    @cached_property
    def answer_ns(self) -> int:
        return answer_ns(self.one)

    @property
    def secured(self) -> kinds.Security:
        return security_of(self.air.han.nodes[max(self.node, self.server)])

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "manufacturer_code": self.firmware.manufacturer_code,
            "image_type": self.firmware.image_type,
            "file_version": self.firmware.file_version,
        }

    @property
    def is_meter(self) -> bool:
        return self.flow in ("ESME/GSME", "HCALCS")

    @property
    def speakers(self) -> Speakers:
        return self.house.speakers

    def today(self) -> datetime:
        return at(self.air.start_ns + self.now)

    def ask(self, kind: Kind, at_ns: int, *, heard: bool = True, tag: int | None = None, **columns: Any) -> Int64s:
        """The device sends to its server."""
        repeats = 0
        if self.key is not None:
            kind, repeats = _with_wrong_key(kind, self.key), 2
        extra: dict[str, Any] = {} if tag is None else {"tag": NOTE + tag}
        reached = heard and not self.out_of_reach
        return self.air.send(kind, at_ns, self.node, self.server, heard=reached, repeats=repeats, **extra, **columns)

    def tell(self, kind: Kind, at_ns: int, asked: Int64s | None = None, **columns: Any) -> None:
        """The server sends to the device."""
        answers: dict[str, Any] = {} if asked is None else {"answers": asked}
        self.air.send(kind, at_ns, self.server, self.node, **answers, **columns)

    def say(self, octets: bytes, what: str) -> None:
        """A GBCS message goes through the tunnel."""
        tunnels = self.house.tunnels
        self.events.append(Said(self.now, what, message=tunnels.count))
        self.now = tunnels.say(octets, self.now) + 200 * MILLISECOND

    def note(self, what: str) -> int:
        """An event whose frame is to be known; returns its tag."""
        note = self.house.note()
        self.events.append(Said(self.now, what, note=note))
        return note

    def query(self, *, offered: bool = False) -> None:
        """Query Next Image; with the answer that there is one, or none."""
        version: dict[str, Any] = self.identity | {"file_version": self.running} | {"hardware_version": _HARDWARE}
        asked = self.ask(
            kinds.query_next_image_request(self.secured),
            self.now,
            tag=self.note(f"query, running 0x{self.running:08x}"),
            **version,
        )
        self.now += self.answer_ns
        if offered:
            offer: dict[str, Any] = self.identity | {"image_size": self.firmware.size}
            note = self.note("image offered")
            self.offers.setdefault(self.server, []).append(note)
            kind = kinds.query_next_image_response(self.secured)
            self.tell(kind, self.now, asked, tag=NOTE + note, **offer)
        else:
            note = self.note("no image available")
            self.tell(kinds.no_image_available(self.secured), self.now, asked, tag=NOTE + note)
        self.now += self.answer_ns

    def reboot(self) -> None:
        """The device boots; after the activation with its new firmware."""
        if self.state not in ("offered", "distributing") and "version-unchanged" not in self.faults:
            self.running = self.firmware.file_version
        self.now += _BOOT_NS
        self.air.reboot(self.now, self.node)
        self.events.append(Said(self.now, "rebooted"))
        announce(self.air, self.now, self.node)
        self.now += SECOND
        if self.flow != "ZigBee":
            self.now = self.house.tunnels.open(self.node, self.now) + SECOND

    def read_version(self) -> None:
        """With the use case that the kind of device has, if it has one."""
        if self.flow == "ZigBee":
            return
        read = {Role.ESME: self.speakers.read_esme, Role.GSME: self.speakers.read_gsme}
        command = read.get(self.one.role, self.speakers.read_other)(self.party)
        self.say(command.octets, "version read")
        self.say(Speakers.version(command, self.running), f"version 0x{self.running:08x}")
        self.now += SECOND

    def over_wan(self, result: TransferResult) -> None:
        """CCS08: the hub tells how the transfer to a PPMID ended, by the WAN."""
        if self.flow == "PPMID":
            version = self.firmware.file_version
            self.house.wan.append(self.speakers.transferred(self.party, self.today(), version, result))


def _with_wrong_key(kind: Kind, key: bytes) -> Kind:
    """The same with a key that the receiver does not have, so that no APS acknowledgement comes."""
    return replace(kind, aps_key=key, aps_ack=None)
