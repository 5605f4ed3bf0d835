"""Devices that are not there: a CC2531 behind pyusb, serial sniffers behind ptys, and what each sends for a frame.

They can misbehave: deliver in pieces, put garbage between, fall silent, be unplugged.
"""
# ruff: noqa: ARG002, N803 -- the signatures are pyusb's

import errno
import os
import struct
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from usb.backend import IBackend
from usb.core import USBError, USBTimeoutError

from hanscope.captures.sniffers import packet_sniffer2, rcp, sensniff
from hanscope.dissectors.fcs import crc16


@dataclass(frozen=True, slots=True)
class OnAir:
    """A frame on the air."""

    time_ns: int
    octets: bytes
    """Without its FCS."""
    intact: bool = True
    rssi_dbm: int = -60
    quality: int = 105
    channel: int = 15

    @property
    def fcs(self) -> bytes:
        crc = crc16(self.octets)
        return (crc if self.intact else crc ^ 0xFFFF).to_bytes(2, "little")

    @property
    def metadata(self) -> bytes:
        """What TI's radios put in the place of the FCS."""
        return bytes([(self.rssi_dbm + 73) & 0xFF, (0x80 if self.intact else 0) | self.quality])


def airtime_ns(octets: bytes) -> int:
    """How long a frame with its FCS is on the air at 250 kbit/s, preamble included."""
    return 32_000 * (6 + len(octets) + 2)


def back_to_back(frames: Iterable[bytes], start_ns: int = 0) -> Iterator[OnAir]:
    """Frames without a pause between them: the most that the radio can carry."""
    at = start_ns
    for octets in frames:
        yield OnAir(at, octets)
        at += airtime_ns(octets)


def cc2531(frame: OnAir) -> bytes:
    ticks = frame.time_ns * 32 // 1000 & 0xFFFFFFFF
    psdu = frame.octets + frame.metadata
    return struct.pack("<BHIB", 0, 5 + len(psdu), ticks, len(psdu)) + psdu


def nrf52840(frame: OnAir) -> bytes:
    """Firmware with a counter of 32 bits, printed signed."""
    microseconds = frame.time_ns // 1000 & 0xFFFFFFFF
    signed = microseconds - (1 << 32) if microseconds >> 31 else microseconds
    psdu = frame.octets + bytes([frame.quality // 4, 0])
    return b"received: %s power: %d lqi: %d time: %d\r\n" % (
        psdu.hex().encode(),
        frame.rssi_dbm,
        frame.quality,
        signed,
    )


def ps2(frame: OnAir) -> bytes:
    psdu = frame.octets + frame.fcs
    clock = (frame.time_ns // 1000 % (1 << 48)).to_bytes(6, "little")
    payload = clock + bytes([len(psdu)]) + psdu + bytes([frame.rssi_dbm & 0xFF, 0x80 if frame.intact else 0])
    return b"\x40\x53\xc0" + len(payload).to_bytes(2, "little") + payload + b"\x40\x45"


def ps2_sub_ghz(frame: OnAir) -> bytes:
    """With a PHY header of two octets, and the bits of the PSDU's octets in the order of the air."""
    psdu = bytes(int(f"{octet:08b}"[::-1], 2) for octet in frame.octets + frame.fcs)
    clock = (frame.time_ns // 1000 % (1 << 48)).to_bytes(6, "little")
    payload = clock + len(psdu).to_bytes(2, "little") + psdu + bytes([frame.rssi_dbm & 0xFF, 0x80])
    return b"\x40\x53\xc0" + len(payload).to_bytes(2, "little") + payload + b"\x40\x45"


def zep(frame: OnAir, sequence: int = 0, device: int = 1) -> bytes:
    seconds, nanoseconds = divmod(frame.time_ns, 10**9)
    # rounded up, so that a receiver that rounds down comes to the same nanosecond
    head = struct.pack(
        ">2sBBBHBBIII10x",
        b"EX",
        2,
        1,
        frame.channel,
        device,
        1,
        frame.quality,
        seconds,
        -(-(nanoseconds << 32) // 10**9),
        sequence,
    )
    psdu = frame.octets + frame.fcs
    return head + bytes([len(psdu)]) + psdu


def spinel(frame: OnAir) -> bytes:
    psdu = frame.octets + frame.fcs
    meta = struct.pack(
        "<bbHHBBQHB", frame.rssi_dbm, -100, 0, 10, frame.channel, frame.quality, frame.time_ns // 1000, 1, 0
    )
    return rcp.wrapped(b"\x80\x06\x71" + len(psdu).to_bytes(2, "little") + psdu + meta)


def contiki(frame: OnAir) -> bytes:
    return sensniff.message(sensniff.FRAME, frame.octets + frame.metadata)


def zboss(frame: OnAir) -> bytes:
    psdu = frame.octets + frame.metadata
    return bytes([4 + len(psdu), 0, 0, 0]) + psdu


def silabs(frame: OnAir, sequence: int = 0) -> bytes:
    """A message of version 2, received on 2.4 GHz."""
    psdu = frame.octets + frame.fcs
    appended = bytes([0xF9, (frame.rssi_dbm + 50) & 0xFF, frame.channel - 11, 0x05, 0x49])
    data = bytes([0xF8, len(psdu)]) + psdu + appended
    head = struct.pack("<H6sHB", 2, (frame.time_ns // 1000 % (1 << 48)).to_bytes(6, "little"), 0x2A, sequence & 0xFF)
    return b"[" + (2 + len(head) + len(data)).to_bytes(2, "little") + head + data + b"]"


# USB


def _described(length: int, kind: int, **values: Any) -> SimpleNamespace:
    return SimpleNamespace(bLength=length, bDescriptorType=kind, extra_descriptors=[], **values)


@dataclass
class FakeUsb(IBackend):
    """One CC2531 behind pyusb."""

    messages: deque[bytes] = field(default_factory=deque)  # an empty one: nothing comes for a while
    """Served one a read (in packets of 64 octets where `split`)."""
    product: int = 0x16AE
    plugged: bool = True
    split: bool = False
    error: int | None = None
    """Every use fails with this errno."""
    stalls: bool = False
    """Knows no vendor requests: other firmware."""
    unplug_after: int | None = None
    """Messages after which it is unplugged."""
    power_polls: int = 1
    requests: list[tuple[int, int, bytes]] = field(default_factory=list)
    """(request, index, data) in the order in which they came."""
    channel: int | None = None
    started: bool = False
    served: int = 0
    clock_ns: Callable[[], int] | None = None
    _piece: bytes = b""

    def __post_init__(self) -> None:
        self._device = object()
        self._power = 3

    def enumerate_devices(self) -> Iterator[object]:
        if self.plugged:
            yield self._device

    def get_parent(self, dev: object) -> None:
        return None

    def get_device_descriptor(self, dev: object) -> SimpleNamespace:
        return _described(
            18,
            1,
            bcdUSB=0x200,
            bDeviceClass=0,
            bDeviceSubClass=0,
            bDeviceProtocol=0,
            bMaxPacketSize0=32,
            idVendor=0x0451,
            idProduct=self.product,
            bcdDevice=0x2517,
            iManufacturer=1,
            iProduct=2,
            iSerialNumber=0,
            bNumConfigurations=1,
            address=4,
            bus=1,
            port_number=2,
            port_numbers=(2, 3),
            speed=2,
        )

    def get_configuration_descriptor(self, dev: object, config: int) -> SimpleNamespace:
        if config:
            raise IndexError
        return _described(
            9,
            2,
            wTotalLength=32,
            bNumInterfaces=1,
            bConfigurationValue=1,
            iConfiguration=0,
            bmAttributes=0x80,
            bMaxPower=50,
        )

    def get_interface_descriptor(self, dev: object, intf: int, alt: int, config: int) -> SimpleNamespace:
        if intf or alt or config:
            raise IndexError
        return _described(
            9,
            4,
            bInterfaceNumber=0,
            bAlternateSetting=0,
            bNumEndpoints=1,
            bInterfaceClass=0xFF,
            bInterfaceSubClass=0,
            bInterfaceProtocol=0,
            iInterface=0,
        )

    def get_endpoint_descriptor(self, dev: object, ep: int, intf: int, alt: int, config: int) -> SimpleNamespace:
        if ep or intf or alt or config:
            raise IndexError
        return _described(
            7, 5, bEndpointAddress=0x83, bmAttributes=2, wMaxPacketSize=64, bInterval=0, bRefresh=0, bSynchAddress=0
        )

    def open_device(self, dev: object) -> object:
        self._alive()
        return dev

    def close_device(self, dev_handle: object) -> None:
        pass

    def set_configuration(self, dev_handle: object, config_value: int) -> None:
        self._alive()

    def get_configuration(self, dev_handle: object) -> int:
        return 1

    def set_interface_altsetting(self, dev_handle: object, intf: int, altsetting: int) -> None:
        pass

    def claim_interface(self, dev_handle: object, intf: int) -> None:
        self._alive()

    def release_interface(self, dev_handle: object, intf: int) -> None:
        pass

    def is_kernel_driver_active(self, dev_handle: object, intf: int) -> bool:
        return False

    def clear_halt(self, dev_handle: object, ep: int) -> None:
        pass

    def ctrl_transfer(
        self, dev_handle: object, bmRequestType: int, bRequest: int, wValue: int, wIndex: int, data: Any, timeout: int
    ) -> int:
        self._alive()
        known = {(0xC0, 0xC0), (0x40, 0xC5), (0xC0, 0xC6), (0x40, 0xD0), (0x40, 0xD1), (0x40, 0xD2)}
        if self.stalls or (bmRequestType, bRequest) not in known:
            raise USBError("Pipe error", -9, errno.EPIPE)
        self.requests.append((bRequest, wIndex, bytes(data) if bmRequestType == 0x40 else b""))
        match bRequest:
            case 0xC0:
                data[0:4] = type(data)("B", b"\x31\x25\x01\x00")
                return 4
            case 0xC5:
                self._power = wIndex
            case 0xC6:
                self.power_polls -= 1
                data[0] = 3 if self.power_polls >= 0 else self._power
                return 1
            case 0xD2:
                assert len(data) == 1, "a longer one overwrites the firmware's memory"
                self.channel = data[0] if wIndex == 0 else self.channel
            case 0xD0:
                self.started = True
            case 0xD1:
                self.started = False
        return len(data)

    def bulk_read(self, dev_handle: object, ep: int, intf: int, buff: Any, timeout: int) -> int:
        self._alive()
        assert ep == 0x83
        if self.unplug_after is not None and self.served >= self.unplug_after:
            self.error = errno.ENODEV
            self._alive()
        if not self._piece:
            if not self.messages:
                time.sleep(min(timeout, 5) / 1000)
                raise USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
            self._piece = self.messages.popleft()
            if not self._piece:
                raise USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
            self.served += 1
        size = 64 if self.split else len(self._piece)
        octets, self._piece = self._piece[:size], self._piece[size:]
        assert len(octets) <= len(buff)
        buff[0 : len(octets)] = type(buff)("B", octets)
        return len(octets)

    def _alive(self) -> None:
        if self.error is not None:
            raise USBError(os.strerror(self.error), -4, self.error)


# Serial


class Pty:
    """A serial port whose other end is a program: hand the octets that come to `hears`, and play frames when it says.

    `with Pty(device) as port:` -- `port.path` is the name of the port.
    """

    def __init__(self, device: "Device", *, split: int | None = None, garbage: bytes = b"") -> None:
        self.device = device
        self._split = split
        self._garbage = garbage
        self._stop = threading.Event()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Pty":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            os.close(self._slave)
            os.close(self._master)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                heard = os.read(self._master, 4096)
            except BlockingIOError:
                heard = b""
            if heard:
                self._send(self.device.hears(heard))
            piece = self.device.plays() if self.device.listening else b""
            if piece:
                self._send(self._garbage + piece)
            elif not heard:
                time.sleep(0.002)

    def _send(self, octets: bytes) -> None:
        step = self._split or 4096
        at = 0
        while at < len(octets) and not self._stop.is_set():
            try:
                at += os.write(self._master, octets[at : at + step])
            except BlockingIOError:
                time.sleep(0.0005)


class Device:
    """What is at the other end of a serial port."""

    encode: Callable[[OnAir], bytes]
    at_once = 20

    def __init__(self, frames: Iterable[OnAir] = ()) -> None:
        self._frames = iter(frames)
        self.listening = False
        self.channel: int | None = None
        self.heard = b""
        self.over = False

    def plays(self) -> bytes:
        """The next frames, as octets."""
        out = bytearray()
        for _ in range(self.at_once):
            frame = next(self._frames, None)
            if frame is None:
                self.over = True
                break
            out += type(self).encode(frame)
        return bytes(out)

    def hears(self, octets: bytes) -> bytes:
        self.heard += octets
        return b""


class NrfDevice(Device):
    """Echoes until it is told not to."""

    encode = staticmethod(nrf52840)

    def __init__(self, frames: Iterable[OnAir] = ()) -> None:
        super().__init__(frames)
        self._line = b""
        self._echo = True

    def hears(self, octets: bytes) -> bytes:
        super().hears(octets)
        *lines, self._line = (self._line + octets).split(b"\n")
        out = b""
        for raw in lines:
            line = raw.strip()
            out += line + b"\r\n" if self._echo else b""
            match line.split():
                case [b"shell", b"echo", b"off"]:
                    self._echo = False
                case [b"channel", number]:
                    self.channel = int(number)
                case [b"channel"]:
                    out += b"channel: %d\r\n" % (self.channel or 11)
                case [b"receive"]:
                    self.listening = True
                case [b"sleep"]:
                    self.listening = False
        return out


class Ps2Device(Device):
    """Refuses settings while it listens, and frames of the wrong baud rate it never sees."""

    encode = staticmethod(ps2)

    def __init__(self, frames: Iterable[OnAir] = (), firmware: int = 0x50) -> None:
        super().__init__(frames)
        self.firmware = firmware
        self.phy: int | None = None
        self.mhz: float | None = None
        self._rest = b""

    def hears(self, octets: bytes) -> bytes:
        super().hears(octets)
        data = self._rest + octets
        out = b""
        while (begin := data.find(packet_sniffer2.START)) >= 0 and len(data) >= begin + 8:
            size = int.from_bytes(data[begin + 3 : begin + 5], "little")
            if len(data) < begin + 8 + size:
                break
            assert data[begin + 6 + size : begin + 8 + size] == packet_sniffer2.END
            out += self._answer(data[begin + 2], data[begin + 5 : begin + 5 + size])
            data = data[begin + 8 + size :]
        self._rest = data
        return out

    def _answer(self, command: int, payload: bytes) -> bytes:
        status, more = 0, b""
        match command:
            case packet_sniffer2.PING:
                more = struct.pack("<HBBH", 0x2252, 1, self.firmware, 0x0109)
            case packet_sniffer2.STOP_CAPTURE:
                self.listening = False
            case packet_sniffer2.START_CAPTURE:
                self.listening = True
            case packet_sniffer2.SET_PHY if not self.listening:
                self.phy = payload[0]
            case packet_sniffer2.SET_FREQUENCY if not self.listening:
                whole, fraction = struct.unpack("<HH", payload)
                self.mhz = whole + fraction / 65536
            case packet_sniffer2.SET_PHY | packet_sniffer2.SET_FREQUENCY:
                status = 4
            case _:
                status = 3
        return packet_sniffer2.packet(0x80, bytes([status]) + more)


class Ps2SubGhzDevice(Ps2Device):
    """The same on 863 MHz."""

    encode = staticmethod(ps2_sub_ghz)


class RcpDevice(Device):
    """Takes properties and tells them back."""

    encode = staticmethod(spinel)

    def __init__(self, frames: Iterable[OnAir] = ()) -> None:
        super().__init__(frames)
        self.properties: dict[int, int] = {}
        self._rest = b""

    def hears(self, octets: bytes) -> bytes:
        super().hears(octets)
        *commands, self._rest = (self._rest + octets).split(b"\x7e")
        out = b""
        for escaped in commands:
            if not escaped:
                continue
            body = bytearray()
            turned = False
            for octet in escaped:
                if octet == 0x7D:
                    turned = True
                else:
                    body.append(octet ^ 0x20 if turned else octet)
                    turned = False
            assert rcp.wrapped(bytes(body[:-2])) == b"\x7e" + escaped + b"\x7e"
            if body[1] == rcp.RESET:
                self.properties.clear()
                out += rcp.wrapped(b"\x80\x06\x00\x72")
            elif body[1] == rcp.SET:
                self.properties[body[2]] = body[3]
                out += rcp.wrapped(bytes([0x81, 6, body[2], body[3]]))
        wanted = {rcp.PHY_ENABLED: 1, rcp.MAC_FILTER_MODE: rcp.MONITOR, rcp.RAW_STREAM_ENABLED: 1}
        self.listening = all(self.properties.get(key) == value for key, value in wanted.items())
        self.channel = self.properties.get(rcp.PHY_CHANNEL)
        return out


class SensniffDevice(Device):
    """Always listens."""

    encode = staticmethod(contiki)

    def __init__(self, frames: Iterable[OnAir] = ()) -> None:
        super().__init__(frames)
        self.channel = 26

    def hears(self, octets: bytes) -> bytes:
        super().hears(octets)
        if octets[5] == sensniff.SET_CHANNEL:
            self.channel = octets[8]
            self.listening = True
        return sensniff.message(sensniff.CHANNEL, bytes([self.channel or 0]))


class ZbossDevice(Device):
    """Listens on the channel that it is sent."""

    encode = staticmethod(zboss)

    def hears(self, octets: bytes) -> bytes:
        super().hears(octets)
        for octet in octets:
            self.listening = octet != 0xFF
            self.channel = octet if self.listening else self.channel
        return b""


class SilentDevice(Device):
    """Says nothing, whatever it hears."""
