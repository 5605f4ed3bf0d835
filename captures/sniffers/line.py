"""The serial line to a sniffer: pyserial with its many ways to fail turned into sentences."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hanscope.captures.sniffers.base import POLL_S, Counts, Decoder, Heard, Sniffer, SnifferError, Unplugged

if TYPE_CHECKING:
    from hanscope.captures.sniffers.channels import Channel

_AT_ONCE: Final = 1 << 14
ANSWER_S: Final = 2.0
"""How long a sniffer may take to answer a command."""


class Line:
    """An open serial port (or `socket://host:port`, or anything else that pyserial opens)."""

    def __init__(self, port: str, baud: int) -> None:
        """Raises `SnifferError` when it cannot be opened."""
        import serial  # noqa: PLC0415 -- only serial sniffers need it

        self.port = port
        self._errors = (serial.SerialException, OSError, TypeError)
        """pyserial raises the last one when its port was closed meanwhile."""
        try:
            options: dict[str, Any] = {} if "://" in port else {"exclusive": True}
            self._serial = serial.serial_for_url(port, baudrate=baud, timeout=POLL_S, write_timeout=ANSWER_S, **options)
        except (serial.SerialException, OSError, ValueError) as error:
            raise _unopened(port, error) from error

    def set_baud(self, baud: int) -> None:
        try:
            self._serial.baudrate = baud
        except (*self._errors, ValueError) as error:
            raise SnifferError(
                f"{self.port}: it cannot be set to {baud} baud ({error})", "name the firmware's rate (--baud N)"
            ) from error

    def read(self) -> bytes:
        """What has come; waits `POLL_S` for the first octet. Raises `Unplugged`."""
        try:
            first = self._serial.read(1)
            return first + self._serial.read(min(self._serial.in_waiting, _AT_ONCE)) if first else b""
        except self._errors as error:
            raise self._gone() from error

    def write(self, octets: bytes) -> None:
        try:
            self._serial.write(octets)
        except self._errors as error:
            raise self._gone() from error

    def drain(self, quiet_s: float = POLL_S) -> bytes:
        """All that comes until nothing has come for so long (two seconds at most)."""
        found = bytearray()
        end = time.monotonic() + ANSWER_S
        last = time.monotonic()
        while time.monotonic() < min(end, last + quiet_s):
            if more := self.read():
                found += more
                last = time.monotonic()
        return bytes(found)

    def close(self) -> None:
        with suppress(*self._errors):  # it is gone already
            self._serial.close()

    def _gone(self) -> Unplugged:
        return Unplugged(f"{self.port}: it was unplugged", "plug it in and start again; what was captured is kept")


def _unopened(port: str, error: Exception) -> SnifferError:
    text = str(error)
    if isinstance(error, PermissionError) or "Errno 13" in text or "Access is denied" in text:
        return SnifferError(
            f"{port}: no permission to use it",
            "join the group dialout (sudo usermod -aG dialout $USER, then log in again), "
            "or add the udev rule that `hanscope doctor` prints",
        )
    if "exclusively lock" in text or "Errno 16" in text:
        return SnifferError(f"{port}: another program uses it", "end it (ModemManager and serial terminals do that)")
    if "Inappropriate ioctl" in text:
        return SnifferError(f"{port}: this is no serial port", "`hanscope doctor` lists the ports")
    if "Errno 2]" in text or "FileNotFoundError" in text or "could not open port" in text:
        return SnifferError(f"{port}: there is no such port", "plug the sniffer in; `hanscope doctor` lists the ports")
    return SnifferError(f"{port}: {text}", "check the name of the port")


class SerialSniffer(Sniffer):
    """A sniffer on a serial line: says how to begin, to tune and to end, and brings its decoder."""

    bauds: ClassVar[tuple[int, ...]] = (115_200,)
    """Rates at which it may be set, tried in this order."""
    usb: ClassVar[tuple[tuple[int, int], ...]] = ()
    """Vendor and product by which its port is found when none is named."""

    def __init__(self, port: str | None = None, baud: int | None = None) -> None:
        super().__init__()
        self._port = port
        self._bauds = self.bauds if baud is None else (baud,)
        self._line: Line | None = None
        self.decoder = self._decoder()
        self._early: list[Heard] = []
        """Frames that came together with the answer to the last command; older ones are of the time before."""

    @property
    def counts(self) -> Counts:
        return self.decoder.counts

    @property
    def line(self) -> Line:
        if self._line is None:
            raise ValueError("the sniffer has not begun")
        return self._line

    def begin(self, channel: Channel | None) -> None:
        port = self._port or self._found()
        self.name = f"{self.model} at {port}"
        self._line = Line(port, self._bauds[0])
        try:
            self._try_bauds(self._line)
            if channel is not None:
                self.channel = channel
            self._listen()
        except BaseException:
            self.close()
            raise

    def tune(self, channel: Channel) -> None:
        self.channel = channel
        self._listen()

    def read(self) -> list[Heard]:
        early, self._early = self._early, []
        return early or self.decoder.feed(self.line.read())

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(SnifferError):  # it is gone: there is nothing left to stop
                self._rest(line)
            line.close()

    def _try_bauds(self, line: Line) -> None:
        for baud in self._bauds * 2:  # boards that start anew when their port is opened are deaf at first
            line.set_baud(baud)
            if self._wake():
                return
        raise self._silent()

    def _decoder(self) -> Decoder:
        raise NotImplementedError

    def _wake(self) -> bool:
        """Bring the device into a known state; whether it answered as it should."""
        return True

    def _listen(self) -> None:
        """Have it listen on `self.channel`."""
        raise NotImplementedError

    def _rest(self, line: Line) -> None:
        """Have it stop."""

    def _silent(self) -> SnifferError:
        return SnifferError(
            f"{self.name}: it does not answer as a {self.model} does",
            "check the port and the firmware on the device (`hanscope doctor` lists the ports)",
        )

    def _found(self) -> str:
        ports = ports_of(self.usb)
        if ports:
            return ports[0]
        known = " or ".join(f"{vendor:04x}:{product:04x}" for vendor, product in self.usb)
        what = f"no {self.model} is plugged in" + (f" (USB {known})" if known else "")
        raise SnifferError(
            what if self.usb else f"the port of the {self.model} is not known",
            "name its port (--port /dev/ttyACM0); `hanscope doctor` lists the ports",
        )

    def _asked(self, question: bytes, answered: Callable[[], bool]) -> bool:
        """Send a command; whether its answer comes in time. The decoder hears everything meanwhile."""
        self._early = []
        self.line.write(question)
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end and not answered():
            self._early = self.decoder.feed(self.line.read())
        return answered()


def ports_of(usb: tuple[tuple[int, int], ...]) -> list[str]:
    """Serial ports of USB devices with one of these vendor and product numbers."""
    return [port.device for port in serial_ports() if (port.vid, port.pid) in usb]


def serial_ports() -> list[Any]:
    """Serial ports of this machine, as pyserial describes them."""
    from serial.tools import list_ports  # noqa: PLC0415 -- only serial sniffers need it

    return sorted(list_ports.comports(), key=lambda port: port.device)
