"""The nRF52840 with Nordic's "nRF Sniffer for 802.15.4": a shell on a serial port that prints a line for each frame.

`received: <PSDU in hex> power: <dBm> lqi: <0..255> time: <microseconds>`. The radio writes the raw LQI over the last
two octets of the PSDU and hands up only frames whose FCS is right. Old firmware counts 32 bits of microseconds (and
prints them signed), newer 64.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import (
    LARGEST_PSDU,
    MICROSECONDS_32,
    Counts,
    Heard,
    SnifferError,
    Timebase,
    on_2_4_ghz,
)
from hanscope.captures.sniffers.line import Line, SerialSniffer

UDEV_RULE: Final = (
    'SUBSYSTEM=="tty", ATTRS{idVendor}=="1915", ATTRS{idProduct}=="154[ab]", MODE="0660", GROUP="dialout", '
    'TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"'
)
_FRAME: Final = re.compile(rb"received:\s+([0-9a-fA-F]+)\s+power:\s+(-?\d+)\s+lqi:\s+(\d+)\s+time:\s+(-?\d+)\s*$")
_ANSWER: Final = re.compile(rb"channel|sleep|^\W*(1[1-9]|2[0-6])\W*$", re.IGNORECASE)
"""The echo of what `_wake` asks, or the channel that is told."""
_LONGEST_LINE: Final = 4096
_NOT_FCS: Final = 2
"""Octets at the end of the PSDU that are no FCS."""
_POWERS: Final = range(-127, 128)
"""dBm; other numbers are none."""


class Nrf52840Decoder:
    """Lines in, frames out; anything else that the shell says is ignored."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.answered = False
        """Whether something came that the firmware's shell says."""
        self._rest = b""

    def feed(self, octets: bytes) -> list[Heard]:
        *lines, self._rest = (self._rest + octets).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
            self.counts.corrupt += 1
        found = [heard for line in lines if (heard := self._heard(line.strip())) is not None]
        self.answered = self.answered or bool(found)
        self.counts.add(found)
        return found

    def _heard(self, line: bytes) -> Heard | None:
        match = _FRAME.search(line)
        if match is None:
            if b"received:" in line:
                self.counts.corrupt += 1
            elif line:
                self.counts.ignored += 1
                self.answered = self.answered or _ANSWER.search(line) is not None
            return None
        digits, power, lqi, microseconds = match.groups()
        if len(digits) % 2 or not 2 * _NOT_FCS < len(digits) <= 2 * LARGEST_PSDU or len(microseconds) > 20:
            self.counts.corrupt += 1
            return None
        return Heard(
            bytes.fromhex(digits.decode())[:-_NOT_FCS],
            Fcs.VALID,
            int(microseconds),
            float(power) if len(power) <= 4 and int(power) in _POWERS else None,
            min(int(lqi[:4]), 255),
        )


class Nrf52840(SerialSniffer):
    """The dongle or the kit on its serial port."""

    model = "nrf52840"
    timebase: ClassVar[Timebase | None] = MICROSECONDS_32
    usb = ((0x1915, 0x154B), (0x1915, 0x154A))

    def _decoder(self) -> Nrf52840Decoder:
        self._lines = Nrf52840Decoder()
        return self._lines

    def _wake(self) -> bool:
        """Ends what an earlier user began. The shell echoes commands or answers `channel`: either shows it is there."""
        self.line.drain()
        alive = self._asked(b"\r\nsleep\r\nchannel\r\n", lambda: self._lines.answered)
        self.line.write(b"shell echo off\r\n")
        self.line.drain()
        return alive

    def _listen(self) -> None:
        self.channel = channel = on_2_4_ghz(self.name, self.channel)
        self.line.write(b"sleep\r\n")
        self.line.drain()  # what it heard on the channel before
        self.line.write(b"channel %d\r\n" % channel.number)
        self.line.write(b"receive\r\n")

    def _rest(self, line: Line) -> None:
        line.write(b"\r\nsleep\r\n")
        line.drain()

    def _silent(self) -> SnifferError:
        return SnifferError(
            f"{self.name}: no answer from the nRF Sniffer's shell",
            "flash Nordic's nRF Sniffer for 802.15.4 firmware, or name another --port",
        )
