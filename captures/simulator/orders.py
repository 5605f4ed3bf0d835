"""What GBCS makes of a downloaded image: the receipt alert, the activation command CS06, the PPMID's own activation.

GBCS 11.2.6 (8F72, 8F1C), 11.5 (CS06: at once, future dated, cancelled, replaced) and 11.6 (PPMID: CS09).
"""

import hashlib
from datetime import timedelta
from typing import Final

from hanscope.captures.simulator.air import SECOND
from hanscope.captures.simulator.device import PAUSE_NS, Device, StopError, failed
from hanscope.captures.simulator.download import HEADER
from hanscope.captures.simulator.han import Role
from hanscope.captures.simulator.messages import CANCEL, RECEIVED, Activation, Command, Speakers, at, generalized
from hanscope.dissectors.images.gbcs import TRAILER_LENGTH, manufacturer_image_hash

LATER_NS: Final = 40 * SECOND
"""From a future dated command to its execution."""
VAIN_NS: Final = 75 * SECOND
"""So long nothing comes of an order before somebody looks."""


class Orders:
    """Alerts of one device, and orders to it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.too_early = False
        """An order came before the image was whole."""

    def receipt(self) -> None:
        self.send_receipt(RECEIVED)
        self.device.state = "receipt given"

    def send_receipt(self, code: int) -> None:
        device = self.device
        signed = bytes(device.held[HEADER:-TRAILER_LENGTH])
        image_hash = manufacturer_image_hash(signed)
        device.alert = code, image_hash
        dlms = device.one.role is Role.ESME
        party = device.party
        octets = device.speakers.receipt(party, device.today(), code, image_hash, dlms=dlms)
        device.say(octets, f"receipt alert {code:04X}")
        device.now += PAUSE_NS

    def _command(self, image_hash: bytes, execution: str | None = None) -> Command:
        """CS06 on its way."""
        device = self.device
        command = device.speakers.activate(device.party, image_hash, execution)
        when = "at once" if execution is None else "cancelled" if execution == CANCEL else f"for {execution}"
        device.ordered.append(image_hash)
        device.say(command.octets, f"CS06: activate {when}")
        return command

    def order_early(self) -> None:
        """The activation command comes before the image is whole."""
        device = self.device
        command = self._command(manufacturer_image_hash(device.firmware.manufacturer_image))
        device.say(
            Speakers.activated(command, device.today(), Activation.NO_IMAGE_HELD, device.running), "CS06: no image held"
        )
        device.activation = "immediate"
        self.too_early = True

    def order(self) -> None:
        device = self.device
        if self.too_early:
            raise failed("activation order", "activation-too-early")
        if device.faults.get("never-activated") == "unordered":
            raise StopError("receipt given", "activation order", "never-activated")
        image_hash = manufacturer_image_hash(device.firmware.manufacturer_image)
        if "wrong-hash" in device.faults:
            image_hash = hashlib.sha256(image_hash).digest()
        device.activation = device.plan.activation
        device.now += PAUSE_NS
        if "never-activated" in device.faults:
            self._order_in_vain(image_hash)
        if device.activation == "immediate":
            self._order_now(image_hash)
        else:
            self._order_later(image_hash)

    def _outcome(self) -> Activation:
        if "wrong-hash" in self.device.faults:
            return Activation.HASH_MISMATCH
        return Activation.ACTIVATION_FAILURE if "activation-refused" in self.device.faults else Activation.SUCCESS

    def _order_now(self, image_hash: bytes) -> None:
        device = self.device
        command = self._command(image_hash)
        device.state = "activation ordered"
        outcome = self._outcome()
        if outcome is Activation.SUCCESS:
            device.reboot()
        octets = Speakers.activated(command, device.today(), outcome, device.running)
        device.say(octets, f"CS06 response: {outcome.name.lower()}")
        self._judge(outcome)

    def _judge(self, outcome: Activation) -> None:
        if outcome is Activation.HASH_MISMATCH:
            raise failed("activation order", "wrong-hash-ordered")
        if outcome is Activation.ACTIVATION_FAILURE:
            raise failed("activation", "activation-refused")

    def _order_later(self, image_hash: bytes) -> None:
        """Future dated; perhaps cancelled, or replaced by a command for another time."""
        device = self.device
        replaced, cancelled = device.activation == "replaced", device.activation == "cancelled"
        command, execution, due = self._accept(image_hash, LATER_NS * (3 if replaced or cancelled else 1))
        device.state = "activation ordered"
        device.now += PAUSE_NS
        if cancelled:
            cancel = self._command(image_hash, CANCEL)
            device.say(Speakers.accepted(cancel, device.today()), "CS06 response: accepted")
            device.now = due + PAUSE_NS
            device.read_version()
            raise StopError("receipt given")
        if replaced:
            command, execution, due = self._accept(image_hash, LATER_NS)
        device.now = max(device.now, due)
        outcome = self._outcome()
        if outcome is Activation.SUCCESS:
            device.reboot()
        octets = device.speakers.carried_out(command, execution, outcome, device.running)
        device.say(octets, f"alert of the future dated CS06: {outcome.name.lower()}")
        self._judge(outcome)

    def _order_in_vain(self, image_hash: bytes) -> None:
        """Future dated, and nothing comes of it."""
        device = self.device
        device.activation = "future"
        _, _, due = self._accept(image_hash, LATER_NS)
        device.now = due + VAIN_NS
        device.read_version()
        raise failed("activation", "never-activated")

    def _accept(self, image_hash: bytes, later_ns: int) -> tuple[Command, str, int]:
        """A future dated CS06 and its response; returns it, its execution time, and the same in nanoseconds."""
        device = self.device
        seconds = -(-(device.now + later_ns) // SECOND)
        execution = generalized(at(device.air.start_ns) + timedelta(seconds=seconds))
        command = self._command(image_hash, execution)
        device.say(Speakers.accepted(command, device.today()), "CS06 response: accepted")
        return command, execution, seconds * SECOND

    def activate_ppmid(self) -> None:
        device = self.device
        success = "activation-refused" not in device.faults
        if success:
            device.reboot()
        octets = device.speakers.ppmid_activated(device.party, device.today(), device.running, success=success)
        device.say(octets, "CS09: activation alert")
        if not success:
            raise failed("activation", "activation-refused")
