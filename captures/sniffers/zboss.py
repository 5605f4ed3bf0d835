"""The ZBOSS sniffer: a CC2531 with DSR's firmware on a USB serial port (0451:16a8).

One octet to the device is the channel, FF ends. Records: length (all of it), type (0 a frame, 1 it was too long, 2 some
were lost), two octets of 0; then the frame and what TI's radio put behind it. The firmware drops frames with a wrong
CRC. It tells no times: those of arrival count.
"""

from __future__ import annotations

import time
from typing import Final

from hanscope.captures.sniffers.base import LARGEST_PSDU, Counts, Heard, on_2_4_ghz
from hanscope.captures.sniffers.line import Line, SerialSniffer
from hanscope.captures.sniffers.ti import TRAILER, with_metadata

_HEAD: Final = 4
_FRAME: Final = 0
_TOO_LONG: Final = 1
_OVERFLOW: Final = 2
_STOP: Final = b"\xff"
_SETTLING_S: Final = 2.0
"""The device does not listen to its port before."""


class ZbossDecoder:
    """Octets in, frames out."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._rest = b""

    def feed(self, octets: bytes) -> list[Heard]:
        data = self._rest + octets
        found: list[Heard] = []
        at = 0
        damaged = False
        while len(data) - at >= _HEAD:
            length, kind = data[at], data[at + 1]
            if not _plausible(length, kind, data[at + 2 : at + _HEAD]):
                self.counts.corrupt += not damaged
                damaged = True
                at += 1
                continue
            damaged = False
            if len(data) - at < length:
                break
            if kind == _FRAME:
                found.append(with_metadata(data[at + _HEAD : at + length]))
            else:
                self.counts.lost += 1
            at += length
        self._rest = data[at:]
        self.counts.add(found)
        return found


def _plausible(length: int, kind: int, zeros: bytes) -> bool:
    least = _HEAD + TRAILER + 1 if kind == _FRAME else _HEAD
    return kind in (_FRAME, _TOO_LONG, _OVERFLOW) and least <= length <= _HEAD + LARGEST_PSDU + 1 and not any(zeros)


class Zboss(SerialSniffer):
    """A dongle with this firmware."""

    model = "zboss"
    settling_s = _SETTLING_S

    def _decoder(self) -> ZbossDecoder:
        return ZbossDecoder()

    def _wake(self) -> bool:
        time.sleep(self.settling_s)
        self.line.write(_STOP)
        self.line.drain()
        return True

    def _listen(self) -> None:
        self.channel = channel = on_2_4_ghz(self.name, self.channel)
        self.line.write(_STOP)
        self.line.drain()  # what it heard on the channel before
        self.line.write(bytes([channel.number]))

    def _rest(self, line: Line) -> None:
        line.write(_STOP)
