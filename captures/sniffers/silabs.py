"""Silicon Labs' kits and adapters (WSTK, ISA3): by TCP, what the radio of the node that is plugged in hears and sends.

The debug channel (port 4905) is a stream of `[`, length (2, of itself and the message), message, `]`. A message of
version 2: version (2), time (6, microseconds), type (2), sequence (1), data; of version 3: version, time (8,
nanoseconds), type, flags (4), sequence (2), data.

Types 29 and 2A are what an EFR32 sent and received: F8, FC or F0; the PHR; frame with FCS; F9, FA, FD or FE; then, to
be read backwards: configuration octet, status, radio info, and before them RSSI and radio configuration. Type 25 is
what an EM35x received. The FCS is judged from the octets: cut and joined frames occur.
"""

from __future__ import annotations

import socket
from typing import ClassVar, Final

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import (
    LARGEST_PSDU,
    LARGEST_SUN_PSDU,
    POLL_S,
    SECOND,
    Counts,
    Heard,
    Sniffer,
    SnifferError,
    Timebase,
    Unplugged,
)
from hanscope.captures.sniffers.channels import CHANNELS_2_4_GHZ, Channel, of_gb863_index
from hanscope.dissectors.fcs import crc16

PORT: Final = 4905
EFR_TX: Final = 0x29
EFR_RX: Final = 0x2A
EM350_RX: Final = 0x25

_BEGIN: Final = b"["
_END: Final = b"]"
_LENGTH: Final = 2
_HEAD: Final = {2: 11, 3: 18}
"""Octets before the data, by version."""
_LARGEST: Final = 4096
_CONNECTING_S: Final = 3.0
_AT_ONCE: Final = 1 << 16


class DebugChannelDecoder:
    """Octets in, frames out."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._rest = b""
        self._sequence: tuple[int, int] | None = None
        """Version and number of the last message."""

    def feed(self, octets: bytes) -> list[Heard]:
        data = self._rest + octets
        found: list[Heard] = []
        at = 0
        damaged = False
        while at < len(data):
            end = _message_end(data, at)
            if end == 0:
                break
            if end is None:
                self.counts.corrupt += not damaged
                damaged = True
                at = data.find(_BEGIN, at + 1)
                at = len(data) if at < 0 else at
                continue
            damaged = False
            frame = self._message(data[at + 1 + _LENGTH : end - 1])
            if frame is None:
                self.counts.ignored += 1
            else:
                found.append(frame)
            at = end
        self._rest = data[at:]
        self.counts.add(found)
        return found

    def _message(self, message: bytes) -> Heard | None:
        version = message[0]
        if version == 2:
            nanoseconds = 1000 * int.from_bytes(message[2:8], "little")
            kind, sequence = int.from_bytes(message[8:10], "little"), message[10]
        else:
            nanoseconds = int.from_bytes(message[2:10], "little")
            kind, sequence = int.from_bytes(message[10:12], "little"), int.from_bytes(message[16:18], "little")
        self._follow(version, sequence)
        frame = heard(kind, message[_HEAD[version] :])
        return None if frame is None else frame._replace(ticks=nanoseconds)

    def _follow(self, version: int, sequence: int) -> None:
        period = 1 << (8 if version == 2 else 16)
        if self._sequence is not None and self._sequence[0] == version:
            gap = (sequence - self._sequence[1] - 1) % period
            self.counts.lost += gap if gap < period // 2 else 0
        self._sequence = version, sequence


def _message_end(data: bytes, at: int) -> int | None:
    """Where the message at this place ends; 0: it is not all there yet; `None`: there is none."""
    if data[at : at + 1] != _BEGIN:
        return None
    if len(data) < at + 1 + _LENGTH + 2:
        return 0
    length = int.from_bytes(data[at + 1 : at + 1 + _LENGTH], "little")
    version = int.from_bytes(data[at + 1 + _LENGTH : at + 3 + _LENGTH], "little")
    if version not in _HEAD or not _LENGTH + _HEAD[version] <= length <= _LARGEST:
        return None
    end = at + 1 + length + 1
    if len(data) < end:
        return 0
    return end if data[end - 1 : end] == _END else None


def heard(kind: int, octets: bytes) -> Heard | None:
    """The frame that the data of a message carry; `None` if its type carries none."""
    if kind == EM350_RX:
        return _em350(octets)
    return _efr(octets, received=kind == EFR_RX) if kind in (EFR_TX, EFR_RX) else None


_STARTS: Final = (0xF8, 0xFC, 0xF0)
_ENDS: Final = (0xF9, 0xFA, 0xFD, 0xFE)
_CONFIGURATIONS: Final = {1: 0, 2: 1, 3: 2, 5: 0, 6: 1, 7: 2}
"""Octets of radio configuration by the length of what stands before the radio info of a received frame; of a sent one
one octet, the RSSI, is not there."""
_GB863: Final = 5
_GB915: Final = 6


def _efr(octets: bytes, *, received: bool) -> Heard | None:
    if len(octets) < 8 or octets[0] not in _STARTS:
        return None
    configuration, index = octets[-1], octets[-3] & 0x3F
    variable = configuration >> 3 & 7
    end = len(octets) - 4 - variable
    if end < 4 or octets[end] not in _ENDS:
        return None
    told = octets[end + 1 : end + 1 + variable]
    places = _CONFIGURATIONS.get(variable if received else variable + 1, 0)
    radio = told[-places] if places and len(told) >= places else 0
    header = 4 if radio & 0x40 else 2 if radio & 0x80 else 1
    psdu = octets[1 + header : end]
    if not 2 < len(psdu) <= (LARGEST_PSDU if header == 1 else LARGEST_SUN_PSDU):
        return None
    rssi = None
    if received and told:
        rssi = float(int.from_bytes(told[:1], "little", signed=True) - (50 if configuration & 7 == 1 else 0))
    return _judged(psdu, rssi, None, _channel(radio & 7, index))


def _channel(radio: int, index: int) -> Channel | None:
    if radio == _GB863:
        return of_gb863_index(index)
    if radio == _GB915:
        return Channel(index, 31) if index < 27 else None
    return Channel(11 + index) if radio == 0 and 11 + index in CHANNELS_2_4_GHZ else None


def _em350(octets: bytes) -> Heard | None:
    """Length, frame with its FCS, LQI, RSSI, (channel - 11) · 16."""
    length = octets[0] if octets else 0
    psdu, tail = octets[1 : 1 + length], octets[1 + length :]
    if not 2 < len(psdu) <= LARGEST_PSDU or len(tail) < 3:
        return None
    rssi = float(int.from_bytes(tail[1:2], "little", signed=True))
    return _judged(psdu, rssi, tail[0], Channel(11 + (tail[2] >> 4)))


def _judged(psdu: bytes, rssi_dbm: float | None, lqi: int | None, channel: Channel | None) -> Heard:
    state = Fcs.VALID if crc16(psdu) == 0 else Fcs.INVALID
    return Heard(psdu[:-2], state, None, rssi_dbm, lqi, channel, psdu[-2:])


class Silabs(Sniffer):
    """An adapter on the network (or, by the vendor's `silink`, on this machine)."""

    model = "silabs"
    timebase: ClassVar[Timebase | None] = Timebase(SECOND, 1 << 64)

    def __init__(self, host: str, port: int = PORT) -> None:
        super().__init__()
        self._address = host, port
        self._decoder = DebugChannelDecoder()
        self._socket: socket.socket | None = None
        self.name = f"{self.model} at {host}:{port}"

    @property
    def counts(self) -> Counts:
        return self._decoder.counts

    def begin(self, channel: Channel | None) -> None:
        """`channel`: where frames are said to be that do not tell it themselves."""
        self.channel = channel
        try:
            self._socket = socket.create_connection(self._address, _CONNECTING_S)
        except OSError as error:
            raise SnifferError(
                f"{self.name}: no connection ({error.strerror or error})",
                f"check the adapter's address and that nothing else uses its port {self._address[1]}",
            ) from error
        self._socket.settimeout(POLL_S)

    def tune(self, channel: Channel) -> None:
        raise SnifferError(f"{self.name}: a channel cannot be chosen from here ({channel})", "the node's firmware does")

    def read(self) -> list[Heard]:
        if self._socket is None:
            raise ValueError("the sniffer has not begun")
        try:
            octets = self._socket.recv(_AT_ONCE)
        except TimeoutError:
            return []
        except OSError as error:
            raise self._gone() from error
        if not octets:
            raise self._gone()
        return self._decoder.feed(octets)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _gone(self) -> Unplugged:
        return Unplugged(
            f"{self.name}: the adapter closed the connection",
            "check its cable and that no other program took it, then start again; what was captured is kept",
        )
