"""One device's way through its update: loading the image, and for Great Britain's devices what GBCS makes of it.

every device   Image Notify, Query Next Image, blocks or pages, Upgrade End (`download`)
ESME, GSME     + receipt alert 8F72 or 8F1C, activation command CS06, its response or alert 00CA (`orders`),
                 version reads ECS52 and GCS38
HCALCS         the same; its version is read with CS08
PPMID          activates by itself; + alert CS09, version read with CS08
"""

import hashlib
from typing import Final

from hanscope.captures.simulator.air import SECOND
from hanscope.captures.simulator.device import PAUSE_NS, Device, Plan, StopError, failed
from hanscope.captures.simulator.download import Download
from hanscope.captures.simulator.house import House
from hanscope.captures.simulator.messages import REJECTED
from hanscope.captures.simulator.orders import Orders
from hanscope.captures.simulator.truth import Blocks, Cause, DeviceTruth, Event, Step
from hanscope.dissectors.images.gbcs import manufacturer_image_hash

LAST_NS: Final = 8 * SECOND
SILENT_NS: Final = 75 * SECOND
"""The capture goes on for so long after a device has asked its last."""
PATIENT_NS: Final = 150 * SECOND
"""The same after a device has everything that it needs to be activated."""


class DeviceCourse:
    """Plays one device's update."""

    def __init__(self, house: House, plan: Plan) -> None:
        self.device = Device(house, plan)
        self.orders = Orders(self.device)
        self.download = Download(self.device, self.orders.order_early)
        self.failed_at: Step | None = None
        self.cause: Cause | None = None

    def play(self) -> int:
        device = self.device
        try:
            self._play()
        except StopError as stop:
            device.state, self.failed_at, self.cause = stop.state, stop.failed_at, stop.cause
        if device.attempts:
            device.attempts[-1].ended_ns = max(device.attempts[-1].ended_ns, device.now)
        if self.cause == "still-running":
            device.house.deaf_from_ns = device.now
            return device.now
        if self.cause == "never-activated":
            return device.now + PATIENT_NS
        return device.now + (SILENT_NS if self.failed_at == "distribution" else LAST_NS)

    def _play(self) -> None:
        device = self.device
        if device.flow != "ZigBee":
            device.now = device.house.tunnels.open(device.node, device.now) + SECOND
            device.read_version()
        self.download.offer()
        self.download.load()
        if (cause := self.download.end()) is not None:
            if device.is_meter:
                self.orders.send_receipt(REJECTED)
            raise failed("verification", cause)
        match device.flow:
            case "ESME/GSME" | "HCALCS":
                self.orders.receipt()
                self.orders.order()
            case "PPMID":
                self.orders.activate_ppmid()
            case _:
                device.reboot()
        device.state = "activated"
        self._confirm()

    def _confirm(self) -> None:
        device = self.device
        device.now += PAUSE_NS
        device.read_version()
        device.query()
        if "version-unchanged" in device.faults:
            raise failed("confirmation", "version-unchanged")
        device.state = "confirmed"

    def truth(self, blocks: Blocks, heard: dict[int, int]) -> DeviceTruth:
        device = self.device
        start = device.air.start_ns
        frames = [min(one.frames, default=0) for one in device.house.said]
        got = {offset for attempt in device.attempts for offset in attempt.got}
        whole = len(got) == -(-device.firmware.size // device.plan.habits.block)
        return DeviceTruth(
            device=device.node,
            flow=device.flow,
            state=device.state,
            failed_at=self.failed_at,
            cause=self.cause,
            firmware=device.firmware,
            manufacturer_image_hash=manufacturer_image_hash(device.firmware.manufacturer_image),
            held_sha256=hashlib.sha256(device.held).hexdigest() if whole else None,
            alert=device.alert,
            ordered=tuple(device.ordered),
            activation=device.activation,
            version_before=device.plan.running,
            version_after=device.running,
            attempts=tuple(attempt.truth(start, blocks, heard) for attempt in device.attempts),
            events=tuple(
                Event(
                    time_ns=start + one.at_ns,
                    what=one.what,
                    frame=frames[one.message] if one.message is not None else heard.get(_or_none(one.note), 0),
                )
                for one in device.events
            ),
        )


def _or_none(note: int | None) -> int:
    return -1 if note is None else note
