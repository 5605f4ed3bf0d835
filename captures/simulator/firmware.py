"""Firmware updates: images as Great Britain devices take them, and how a device fetches one block by block.

The image is that of GBCS section 11: an OTA header (ZCL 11.4.2), the Manufacturer Image, and, but for a PPMID, the
trailer `00 40` and the Authorising Remote Party Signature. The transfer is that of ZCL 11.13, driven by the client.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import HOP_NS, SECOND, Air, Int64s
from hanscope.captures.simulator.han import HUB, Node
from hanscope.captures.simulator.parties import sign
from hanscope.dissectors.columns.rows import rows
from hanscope.dissectors.crypto.mmo import mmo
from hanscope.dissectors.images.gbcs import HEADER_FIELD_CONTROL, TRAILER_LENGTH, build_gb_image
from hanscope.dissectors.images.integrity_code import LENGTH as INTEGRITY_CODE_LENGTH
from hanscope.dissectors.images.ota_file import ELEMENT_HEAD_LENGTH, Tag, build_ota_file, length_by_field_control

MILLISECOND: Final = SECOND // 1000
HEADER_LENGTH: Final = length_by_field_control(HEADER_FIELD_CONTROL)
WAIT_FOR_ACTIVATION: Final = 0xFFFFFFFF
"""As an upgrade time: a GBCS command will come (CS06)."""
TAG: Final = 1 << 32
"""A block response is tagged with its update's number times this, plus its offset."""
SUPPLIER: Final = 0xDE30
"""The demo supplier's private key."""
TRIES: Final = 10
"""How often a client asks for one block before it gives up."""
RESTART_NS: Final = 20 * SECOND


@dataclass(frozen=True)
class Firmware:
    """One firmware image; its octets follow from the other fields."""

    manufacturer_code: int
    image_type: int
    file_version: int
    size: int
    """Of the whole file."""
    text: str
    signed: bool = True
    seed: int = 0
    supplier: int = SUPPLIER
    """The private key of whoever authorises it."""
    hardware_versions: tuple[int, int] = (0x0000, 0xFFFF)
    """Those that it is for."""
    elements: bool = False
    """It has the elements of ZCL 11.4.3, an integrity code among them, instead of the form of GBCS."""

    @property
    def octets(self) -> bytes:
        """The OTA file."""
        manufacturer_image = self.manufacturer_image
        header: dict[str, Any] = {
            "manufacturer_code": self.manufacturer_code,
            "image_type": self.image_type,
            "file_version": self.file_version,
            "header_string": self.text.encode(),
            "hardware_versions": self.hardware_versions,
        }
        if self.elements:
            return _with_integrity_code(manufacturer_image, header)
        signature = _signature(manufacturer_image, self.supplier) if self.signed else None
        return build_gb_image(manufacturer_image, signature, **header)

    @property
    def manufacturer_image(self) -> bytes:
        """What its hash and its signature are about."""
        rng = np.random.default_rng([self.seed, self.manufacturer_code, self.image_type, self.file_version])
        return rng.bytes(self.size - HEADER_LENGTH - self._around)

    @property
    def _around(self) -> int:
        """Octets beside the header and the Manufacturer Image."""
        if self.elements:
            return 2 * ELEMENT_HEAD_LENGTH + INTEGRITY_CODE_LENGTH
        return TRAILER_LENGTH if self.signed else 0

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.octets).hexdigest()


def _signature(manufacturer_image: bytes, supplier: int) -> bytes:
    """The genuine signature of a supplier whose private key everybody knows."""
    return sign(ec.derive_private_key(supplier, ec.SECP256R1()), manufacturer_image)


def _with_integrity_code(image: bytes, header: dict[str, Any]) -> bytes:
    """A file of two elements, the second the hash of what is before it (as most makers take it: ZCL 11.4.3)."""

    def file(code: bytes) -> bytes:
        elements = ((Tag.UPGRADE_IMAGE, image), (Tag.IMAGE_INTEGRITY_CODE, code))
        return build_ota_file(elements=elements, **header)

    covered = file(bytes(INTEGRITY_CODE_LENGTH))[: -INTEGRITY_CODE_LENGTH - ELEMENT_HEAD_LENGTH]
    return file(mmo(covered))


@dataclass(frozen=True, slots=True)
class Habits:
    """How a device goes about an update; shares of 1 of its block requests."""

    block: int
    """Octets it asks for at a time."""
    pace_ns: int
    """From one block request to the next."""
    told_to_wait: float = 0.0
    """The server says WAIT_FOR_DATA."""
    unanswered: float = 0.0
    """The server says nothing; the device asks again."""
    unheard: float = 0.0
    """The answer does not reach the device, however often it is sent; the device asks again."""
    page: int = 0
    """Octets it asks for with one Image Page Request, a multiple of `block`; 0: it asks for each block."""
    notified: bool = True
    """The hub announces the image with an Image Notify."""


_DATA, _WAIT, _UNANSWERED, _UNHEARD = range(4)
_RETRY_NS: Final = 3 * SECOND
"""After an answer did not come."""
_WAIT_S: Final = 2


@dataclass(slots=True)
class Update:
    """One device's update, which goes on from one window to the next."""

    client: int
    firmware: Firmware
    habits: Habits
    number: int
    """By which the truth knows it."""
    next_ns: int
    """When the device does its next step."""
    upgrade_time: int = WAIT_FOR_ACTIVATION
    """What the server says to a complete download."""
    restarts: bool = False
    """The device then runs the new firmware, within the time of the capture."""
    offset: int = 0
    stage: Literal["query", "blocks", "end", "restart", "complete"] = "query"
    image: NDArray[np.uint8] | None = None
    """While blocks are sent."""

    @property
    def over(self) -> bool:
        return self.stage == "complete"

    def advance(self, air: Air, until_ns: int) -> None:
        """Does everything that the device begins before `until_ns`."""
        while self.next_ns < until_ns and not self.over:
            match self.stage:
                case "query":
                    self._query(air)
                case "blocks":
                    self._blocks(air, until_ns)
                case "end":
                    self._end(air)
                case _:
                    self._restart(air)
        if self.over:
            self.image = None

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "manufacturer_code": self.firmware.manufacturer_code,
            "image_type": self.firmware.image_type,
            "file_version": self.firmware.file_version,
        }

    def _answer_ns(self, air: Air) -> int:
        return answer_ns(air.han.nodes[self.client])

    def _query(self, air: Air) -> None:
        secured = kinds.security_of(air.han.nodes[self.client])
        at = self.next_ns
        if self.habits.notified:
            air.send(kinds.image_notify(secured), at, HUB, self.client, **self._identity)
            at += self._answer_ns(air) + 20 * HOP_NS
        old: dict[str, Any] = self._identity | {"file_version": self.firmware.file_version - 1}
        asked = air.send(kinds.query_next_image_request(secured), at, self.client, HUB, **old)
        at += self._answer_ns(air)
        offer: dict[str, Any] = self._identity | {"image_size": self.firmware.size}
        air.send(kinds.query_next_image_response(secured), at, HUB, self.client, answers=asked, **offer)
        self.next_ns = at + self._answer_ns(air) + SECOND
        self.stage = "blocks"

    def _blocks(self, air: Air, until_ns: int) -> None:
        habits, rng = self.habits, air.rng
        room = (until_ns - self.next_ns) // habits.pace_ns + 1
        offsets = np.arange(self.offset, self.firmware.size, habits.block)[:room]
        outcome = rng.choice(
            4,
            len(offsets),
            p=[
                1 - habits.told_to_wait - habits.unanswered - habits.unheard,
                habits.told_to_wait,
                habits.unanswered,
                habits.unheard,
            ],
        )
        # An offset whose first request went wrong is asked for a second time.
        times = np.where(outcome == _DATA, 1, 2)
        last = np.cumsum(times) - 1
        offsets = np.repeat(offsets, times)
        outcome = np.repeat(outcome, times)
        outcome[last] = _DATA
        pause = np.array([0, _WAIT_S * SECOND, _RETRY_NS, _RETRY_NS])[outcome]
        pause = pause + habits.pace_ns + rng.integers(0, habits.pace_ns // 4 + 1, len(offsets))
        at = self.next_ns + np.cumsum(pause) - pause
        now = at < until_ns
        done = int(now.sum())
        self.next_ns = int(at[done - 1] + pause[done - 1])
        self.offset = int(offsets[done]) if done < len(offsets) else int(offsets[-1]) + habits.block
        self._exchange(air, at[now], offsets[now], outcome[now])
        if self.offset >= self.firmware.size:
            self.stage = "end"

    def _exchange(self, air: Air, at: Int64s, offset: Int64s, outcome: Int64s) -> None:
        """Block requests at these times, and what the server answers."""
        secured = kinds.security_of(air.han.nodes[self.client])
        asked = air.send(
            kinds.image_block_request(secured),
            at,
            self.client,
            HUB,
            **self._identity,
            file_offset=offset,
            maximum_data_size=self.habits.block,
        )
        answered = at + self._answer_ns(air)
        waits = np.flatnonzero(outcome == _WAIT)
        if len(waits):
            air.send(
                kinds.wait_for_data(secured),
                answered[waits],
                HUB,
                self.client,
                answers=asked[waits],
                request_time=_WAIT_S,
            )
        for which, heard in ((_DATA, True), (_UNHEARD, False)):
            those = np.flatnonzero(outcome == which)
            self._data(air, answered[those], offset[those], asked[those], heard=heard)

    def _data(self, air: Air, at: Int64s, offset: Int64s, answers: Int64s, *, heard: bool = True) -> None:
        """Image Block Responses."""
        if self.image is None:
            self.image = np.frombuffer(self.firmware.octets, np.uint8)
        secured = kinds.security_of(air.han.nodes[self.client])
        sizes = np.minimum(self.habits.block, self.firmware.size - offset)
        for size in np.unique(sizes).tolist():
            those = np.flatnonzero(sizes == size)
            air.send(
                kinds.image_block_response(secured, size),
                at[those],
                HUB,
                self.client,
                answers=answers[those],
                tag=self.number * TAG + offset[those],
                heard=heard,
                **self._identity,
                file_offset=offset[those],
                image_data=rows(self.image, offset[those], size),
            )

    def _end(self, air: Air) -> None:
        secured = kinds.security_of(air.han.nodes[self.client])
        at = self.next_ns + SECOND
        asked = air.send(kinds.upgrade_end_request(secured), at, self.client, HUB, **self._identity)
        at += self._answer_ns(air)
        air.send(
            kinds.upgrade_end_response(secured),
            at,
            HUB,
            self.client,
            answers=asked,
            **self._identity,
            upgrade_time=self.upgrade_time,
        )
        self.next_ns = at + RESTART_NS
        self.stage = "restart" if self.restarts else "complete"

    def _restart(self, air: Air) -> None:
        """The new firmware runs: frame counters have jumped, the device says that it is back and asks for more."""
        secured = kinds.security_of(air.han.nodes[self.client])
        air.reboot(self.next_ns, self.client)
        announce(air, self.next_ns, self.client)
        at = self.next_ns + SECOND
        asked = air.send(kinds.query_next_image_request(secured), at, self.client, HUB, **self._identity)
        air.send(kinds.no_image_available(secured), at + self._answer_ns(air), HUB, self.client, answers=asked)
        self.next_ns = at + SECOND
        self.stage = "complete"


def answer_ns(node: Node) -> int:
    """From this device's request to the answer: there must be time for the acknowledgement to come first."""
    return (3 if node.parent == HUB else 5) * HOP_NS + (6 * HOP_NS if node.sleepy else 0)


def announce(air: Air, at_ns: int, node: int) -> None:
    """Device_annce: everybody may know the node's addresses."""
    one = air.han.nodes[node]
    air.send(
        kinds.DEVICE_ANNOUNCE,
        at_ns,
        node,
        nwk_address=one.short,
        ieee_address=np.uint64(one.eui64),
        receiver_on_when_idle=int(not one.sleepy),
        mains_powered=int(not one.sleepy),
        full_function_device=int(one.router),
    )
