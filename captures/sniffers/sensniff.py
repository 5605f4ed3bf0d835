"""Contiki's sensniff peripheral on a serial port (460,800 baud).

C1 1F FE 72, version (2), command, length (2, big-endian), data. Command 0: a frame that ends as TI's radios write it;
1: the channel; 2 and 3: the lowest and highest; 0x84 to the device: take this channel. What stands between is the
firmware's own talk. It tells no times: those of arrival count.
"""

from __future__ import annotations

from typing import Final

from hanscope.captures.sniffers.base import LARGEST_PSDU, Counts, Heard, SnifferError, on_2_4_ghz
from hanscope.captures.sniffers.channels import CHANNELS_2_4_GHZ, Channel
from hanscope.captures.sniffers.line import SerialSniffer
from hanscope.captures.sniffers.ti import TRAILER, with_metadata

MAGIC: Final = b"\xc1\x1f\xfe\x72"
VERSION: Final = 2
_HEAD: Final = 8
FRAME: Final = 0x00
CHANNEL: Final = 0x01
GET_CHANNEL: Final = 0x81
SET_CHANNEL: Final = 0x84
_LARGEST: Final = LARGEST_PSDU + 8


def message(command: int, data: bytes = b"") -> bytes:
    """A message in either direction."""
    return MAGIC + bytes([VERSION, command]) + len(data).to_bytes(2, "big") + data


class SensniffDecoder:
    """Octets in, frames out; `channel` is what the device last told."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.channel: int | None = None
        self._rest = b""

    def feed(self, octets: bytes) -> list[Heard]:
        data = self._rest + octets
        found: list[Heard] = []
        at = 0
        while (begin := data.find(MAGIC, at)) >= 0:
            self.counts.ignored += begin > at
            at = begin
            if len(data) < begin + _HEAD:
                break
            version, command = data[begin + 4], data[begin + 5]
            length = int.from_bytes(data[begin + 6 : begin + _HEAD], "big")
            if version != VERSION or length > _LARGEST:
                self.counts.corrupt += 1
                at = begin + len(MAGIC)
                continue
            if len(data) < begin + _HEAD + length:
                break
            at = begin + _HEAD + length
            if command == CHANNEL:
                found.clear()  # it may have been heard on the channel before
            heard = self._message(command, data[begin + _HEAD : at])
            if heard is not None:
                found.append(heard)
        else:
            keep = min(len(MAGIC) - 1, len(data) - at)
            at = len(data) - keep
        self._rest = data[at:]
        self.counts.add(found)
        return found

    def _message(self, command: int, data: bytes) -> Heard | None:
        if command == FRAME and len(data) > TRAILER:
            return with_metadata(data)
        if command == FRAME:
            self.counts.corrupt += 1
            return None
        if command == CHANNEL and data:
            self.channel = data[0]
        self.counts.ignored += 1
        return None


class Sensniff(SerialSniffer):
    """A node with this firmware."""

    model = "sensniff"
    bauds = (460_800,)

    def _decoder(self) -> SensniffDecoder:
        self._messages = SensniffDecoder()
        return self._messages

    def _wake(self) -> bool:
        self.line.drain()
        return self._told(message(GET_CHANNEL))

    def _listen(self) -> None:
        if self.channel is None:
            told = self._messages.channel
            if told is not None and told in CHANNELS_2_4_GHZ:
                self.channel = Channel(told)
            return
        wanted = on_2_4_ghz(self.name, self.channel).number
        if not self._told(message(SET_CHANNEL, bytes([wanted]))) or self._messages.channel != wanted:
            raise SnifferError(f"{self.name}: it does not take channel {self.channel}", "try another channel")

    def _told(self, question: bytes) -> bool:
        """Whether the device tells its channel when asked so."""
        self._messages.channel = None
        return self._asked(question, lambda: self._messages.channel is not None)
