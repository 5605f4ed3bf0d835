"""The TI CC2531 USB dongle with Texas Instruments' sniffer firmware (USB 0451:16ae).

Bulk messages: type, length (2, little-endian), then so many octets. Type 0 is a frame: clock (4, 32 MHz), length of the
PSDU, the frame, RSSI, CRC flag with correlation. Type 1 is a tick of the clock, twice a second, which tells that the
dongle is alive. Messages begin with a USB transfer; one that is longer than a packet of 64 octets goes on in the next.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from hanscope.captures.sniffers.base import (
    LARGEST_PSDU,
    POLL_S,
    SECOND,
    Counts,
    Heard,
    Sniffer,
    SnifferError,
    Timebase,
    Unplugged,
    on_2_4_ghz,
)
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.sniffers.ti import TRAILER, with_metadata

if TYPE_CHECKING:
    from usb.core import Device

VENDOR: Final = 0x0451
PRODUCT: Final = 0x16AE
OTHER_FIRMWARE: Final = 0x16A8
"""A CC2531 that runs something else: a ZigBee stack, ZBOSS, Contiki."""
UDEV_RULE: Final = (
    'SUBSYSTEM=="usb", ATTR{idVendor}=="0451", ATTR{idProduct}=="16ae", MODE="0660", GROUP="plugdev", TAG+="uaccess"'
)

_FRAME: Final = 0
_TICK: Final = 1
_HEAD: Final = 3
"""Octets of type and length."""
_BEFORE_FRAME: Final = 5
"""Octets of clock and PSDU length."""
_PACKET: Final = 64


class Cc2531Decoder:
    """Bulk transfers in, frames out."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.ticks = 0
        """Clock ticks that came: a sign of life."""
        self._rest = b""

    def feed(self, octets: bytes) -> list[Heard]:
        """One transfer, or part of one. After damage everything up to the end of the transfer is dropped."""
        data = self._rest + octets
        found: list[Heard] = []
        at = 0
        while at + _HEAD <= len(data):
            length = int.from_bytes(data[at + 1 : at + _HEAD], "little")
            if not _plausible(data[at], length):
                self.counts.corrupt += 1
                at = len(data)
                break
            end = at + _HEAD + length
            if end > len(data):
                break
            body = data[at + _HEAD : end]
            if data[at] == _FRAME and body[4] != length - _BEFORE_FRAME:
                self.counts.corrupt += 1
                at = len(data)
                break
            if data[at] == _FRAME:
                found.append(_heard(body))
            elif data[at] == _TICK:
                self.ticks += 1
                self.counts.ignored += 1
            at = end
        self._rest = data[at:]
        self.counts.add(found)
        return found


def _plausible(kind: int, length: int) -> bool:
    return (kind == _TICK and length == 1) or (
        kind == _FRAME and _BEFORE_FRAME + TRAILER <= length <= _BEFORE_FRAME + LARGEST_PSDU
    )


def _heard(body: bytes) -> Heard:
    return with_metadata(body[_BEFORE_FRAME:], int.from_bytes(body[:4], "little"))


_GET_IDENT: Final = 0xC0
_SET_POWER: Final = 0xC5
_GET_POWER: Final = 0xC6
_START: Final = 0xD0
_STOP: Final = 0xD1
_SET_CHANNEL: Final = 0xD2
_OUT: Final = 0x40
_IN: Final = 0xC0
_POWERED: Final = 4
_POLLS: Final = 20
_POLL_S: Final = 0.06
_CONTROL_MS: Final = 1000
_SILENCE_NS: Final = 10 * SECOND
"""The dongle tells the time twice a second."""
_ENDPOINT_IN: Final = 0x83
_DRAINED: Final = 100
"""Transfers that are passed over at most when the channel changes."""


class Cc2531(Sniffer):
    """A dongle on USB, the first one found or the one at "bus-port" such as `1-2.3`."""

    model = "cc2531"
    timebase: ClassVar[Timebase | None] = Timebase(32_000_000, 1 << 32)

    def __init__(self, place: str | None = None, *, backend: Any = None) -> None:
        """`backend`: of pyusb, instead of libusb."""
        super().__init__()
        self._place = place
        self._backend = backend
        self._decoder = Cc2531Decoder()
        self._device: Device | None = None
        self._detached = False
        self._sign_of_life = (0, 0)

    @property
    def counts(self) -> Counts:
        return self._decoder.counts

    def begin(self, channel: Channel | None) -> None:
        self._device = device = _find(self._place, self._backend)
        self.name = f"{self.model} at {place_of(device)}"
        channel = on_2_4_ghz(self.name, channel)
        try:
            self._detach(device)
            self._ask(device, device.set_configuration)
            self._power(device)
            self.tune(channel)
        except BaseException:
            self.close()
            raise

    def tune(self, channel: Channel) -> None:
        device, channel = self._opened(), on_2_4_ghz(self.name, channel)
        if self.channel is not None:
            self._control(device, _OUT, _STOP)
            self._drain(device)
        # One octet each time: the firmware writes a longer one over its own memory.
        self._control(device, _OUT, _SET_CHANNEL, 0, bytes([channel.number]))
        self._control(device, _OUT, _SET_CHANNEL, 1, bytes([0]))
        self._control(device, _OUT, _START)
        self.channel = channel
        self._sign_of_life = (-1, self.monotonic_ns())

    def read(self) -> list[Heard]:
        from usb.core import USBError, USBTimeoutError  # noqa: PLC0415 -- only this sniffer needs it

        device = self._opened()
        found: list[Heard] = []
        begun = self.monotonic_ns()
        wait_ms = int(POLL_S * 1000)
        while self.monotonic_ns() - begun < POLL_S * SECOND:
            try:
                octets = device.read(_ENDPOINT_IN, 64 * _PACKET, wait_ms).tobytes()
            except USBTimeoutError:
                break
            except USBError as error:
                if error.errno == errno.EPIPE:
                    self._ask(device, lambda: device.clear_halt(_ENDPOINT_IN))
                    continue
                if found:
                    break  # these first: it fails again the next time
                raise _explained(error, self.name) from error
            found += self._decoder.feed(octets)
        self._check_life()
        return found

    def close(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        import usb.util  # noqa: PLC0415 -- only this sniffer needs it
        from usb.core import USBError  # noqa: PLC0415

        try:
            device.ctrl_transfer(_OUT, _STOP, timeout=_CONTROL_MS)
            device.ctrl_transfer(_OUT, _SET_POWER, timeout=_CONTROL_MS)
        except USBError:
            pass  # it is gone: there is nothing left to stop
        try:
            usb.util.dispose_resources(device)
            if self._detached:
                device.attach_kernel_driver(0)
        except (USBError, NotImplementedError):
            pass

    def _drain(self, device: Device) -> None:
        """Pass over what it heard on the channel before."""
        from usb.core import USBError  # noqa: PLC0415 -- only this sniffer needs it

        for _ in range(_DRAINED):
            try:
                self._decoder.feed(device.read(_ENDPOINT_IN, 64 * _PACKET, int(POLL_S * 1000)).tobytes())
            except USBError:
                return  # nothing is left; anything worse shows in the next step

    def _opened(self) -> Device:
        if self._device is None:
            raise ValueError("the sniffer has not begun")
        return self._device

    def _detach(self, device: Device) -> None:
        try:
            if device.is_kernel_driver_active(0):
                device.detach_kernel_driver(0)
                self._detached = True
        except NotImplementedError:
            pass  # not a matter of this operating system
        except Exception as error:
            raise _explained(error, self.name) from error

    def _power(self, device: Device) -> None:
        import time  # noqa: PLC0415 -- only here

        self._control(device, _IN, _GET_IDENT, data=256)
        self._control(device, _OUT, _SET_POWER, _POWERED)
        for _ in range(_POLLS):
            state = self._control(device, _IN, _GET_POWER, data=1)
            if len(state) and state[0] == _POWERED:
                return
            time.sleep(_POLL_S)
        raise SnifferError(f"{self.name}: its radio does not power up", "unplug the dongle, wait a second, plug it in")

    def _control(
        self, device: Device, kind: Literal[0x40, 0xC0], request: int, index: int = 0, data: bytes | int | None = None
    ) -> Any:
        return self._ask(device, lambda: device.ctrl_transfer(kind, request, 0, index, data, timeout=_CONTROL_MS))

    def _ask(self, device: Device, what: Any) -> Any:
        from usb.core import USBError  # noqa: PLC0415 -- only this sniffer needs it

        try:
            return what()
        except USBError as error:
            if error.errno == errno.EPIPE:
                raise SnifferError(
                    f"{self.name or place_of(device)}: it does not know TI's sniffer commands",
                    "flash TI's sniffer firmware (SmartRF Packet Sniffer, sniffer_fw_cc2531.hex)",
                ) from error
            raise _explained(error, self.name) from error

    def _check_life(self) -> None:
        now, told = self.monotonic_ns(), self._decoder.ticks + self.counts.frames
        if told != self._sign_of_life[0]:
            self._sign_of_life = told, now
        elif now - self._sign_of_life[1] > _SILENCE_NS:
            raise SnifferError(
                f"{self.name}: it has fallen silent, not even its clock ticks",
                "unplug the dongle, plug it in and start again",
            )


def place_of(device: Any) -> str:
    """Which one a dongle is: they have no serial numbers, only a place."""
    ports = ".".join(str(port) for port in device.port_numbers or ())
    return f"{device.bus}-{ports}"


def dongles(backend: Any = None) -> list[str]:
    """Places of the dongles that are plugged in; none where libusb is missing."""
    return [place for place, _ in dongle_nodes(backend) or ()]


def dongle_nodes(backend: Any = None) -> list[tuple[str, str]] | None:
    """Place and (on Linux) device node of the dongles that are plugged in; `None`: libusb is missing."""
    import usb.core  # noqa: PLC0415 -- only this sniffer needs it

    try:
        found: Any = usb.core.find(find_all=True, idVendor=VENDOR, idProduct=PRODUCT, backend=backend)
        return [(place_of(one), f"/dev/bus/usb/{one.bus:03d}/{one.address:03d}") for one in found]
    except usb.core.NoBackendError:
        return None
    except usb.core.USBError:
        return []


def _find(place: str | None, backend: Any) -> Any:
    import usb.core  # noqa: PLC0415 -- only this sniffer needs it

    try:
        found: Any = usb.core.find(find_all=True, idVendor=VENDOR, backend=backend)
        devices: list[Any] = list(found)
    except usb.core.NoBackendError:
        raise SnifferError(
            "libusb is missing",
            "install it (apt install libusb-1.0-0, brew install libusb; Windows: pip install libusb)",
        ) from None
    except usb.core.USBError as error:
        raise _explained(error, "USB") from error
    ours = [device for device in devices if device.idProduct == PRODUCT]
    chosen = [device for device in ours if place in (None, place_of(device))]
    if chosen:
        return chosen[0]
    if ours:
        there = ", ".join(map(place_of, ours))
        raise SnifferError(f"there is no CC2531 at {place}", f"those plugged in are at {there}")
    if any(device.idProduct == OTHER_FIRMWARE for device in devices):
        raise SnifferError(
            "a CC2531 is plugged in (0451:16a8), but not with TI's sniffer firmware",
            "flash sniffer_fw_cc2531.hex; with ZBOSS's or Contiki's sniffer on it, use `zboss` or `sensniff`",
        )
    raise SnifferError("no CC2531 is plugged in (USB 0451:16ae)", "plug it in; `hanscope doctor` shows what is seen")


def _explained(error: Exception, name: str) -> SnifferError:
    number = getattr(error, "errno", None)
    match number:
        case errno.ENODEV | errno.EIO:
            return Unplugged(f"{name}: it was unplugged", "plug it in and start again; what was captured is kept")
        case errno.EACCES:
            return SnifferError(
                f"{name}: no permission to use it",
                "add the udev rule that `hanscope doctor` prints, then plug it in again",
            )
        case errno.EBUSY:
            return SnifferError(f"{name}: something else uses it", "end the other program (or its kernel driver)")
        case errno.ETIMEDOUT:
            return SnifferError(f"{name}: it does not answer", "unplug the dongle, plug it in and start again")
        case _:
            return SnifferError(f"{name}: {error}", "unplug it, plug it in and start again")
