"""ZEP, the ZigBee Encapsulation Protocol: frames in UDP datagrams to port 17754, as Sewio's and other sniffers send.

"EX", version; version 1: channel, device (2), mode, LQI, 7 reserved, length, PSDU. Version 2 (and 3): type 1, channel,
device (2), mode, LQI, NTP time (8), sequence (4), 10 reserved, length, PSDU; type 2 is an acknowledgement. Numbers are
big-endian. Mode 1: the PSDU ends with its FCS; mode 0: with two octets as a CC24xx writes them.
"""

from __future__ import annotations

import socket
from typing import Any, ClassVar, Final

from construct import Const, ConstructError, Padding, Struct

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import POLL_S, Counts, Heard, Sniffer, SnifferError, Timebase
from hanscope.captures.sniffers.channels import Channel, of_logical
from hanscope.captures.sniffers.numbers import BIG16, BIG32, UINT8
from hanscope.captures.sniffers.ti import TRAILER, with_metadata
from hanscope.dissectors.fcs import crc16

PORT: Final = 17754
_LARGEST: Final = 65_535
_SEQUENCES: Final = 1 << 32
_AT_ONCE: Final = 256
"""Datagrams that are taken before what they held is handed on."""
_MOST_LOST: Final = 10_000
"""A larger gap of sequence numbers is a restart, not a loss."""

_PREAMBLE: Final = b"EX"
_COMMON: Final[Any] = ("channel" / UINT8, "device" / BIG16, "mode" / UINT8, "lqi" / UINT8)
_V1: Final[Any] = Struct(Const(_PREAMBLE), Const(b"\x01"), *_COMMON, Padding(7), "length" / UINT8)
_V2: Final[Any] = Struct(
    Const(_PREAMBLE),
    "version" / UINT8,
    Const(b"\x01"),
    *_COMMON,
    "seconds" / BIG32,
    "fraction" / BIG32,
    "sequence" / BIG32,
    Padding(10),
    "length" / UINT8,
)


class ZepDecoder:
    """Datagrams in, frames out: each `feed` is one datagram."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._sequence: dict[int, int] = {}
        """By device: the last sequence number."""

    def feed(self, octets: bytes) -> list[Heard]:
        if octets[:2] != _PREAMBLE:
            self.counts.corrupt += 1
            return []
        if octets[2:4] in (b"\x02\x02", b"\x03\x02"):
            self.counts.ignored += 1
            return []
        try:
            found = [self._heard(octets)]
        except (ConstructError, ValueError):
            self.counts.corrupt += 1
            return []
        self.counts.add(found)
        return found

    def _heard(self, octets: bytes) -> Heard:
        if octets[2:3] not in (b"\x01", b"\x02", b"\x03"):
            raise ValueError("a version that is not known")
        form = _V1 if octets[2] == 1 else _V2
        head = form.parse(octets)
        psdu = octets[form.sizeof() :][: head.length & 0x7F]
        if len(psdu) < (head.length & 0x7F) or len(psdu) < TRAILER:
            raise ValueError("cut short")
        ticks = None
        if form is _V2:
            ticks = head.seconds << 32 | head.fraction
            self._follow(head.device, head.sequence)
        channel = of_logical(head.channel)
        if head.mode == 0:
            return with_metadata(psdu, ticks, channel)._replace(device=head.device)
        good = crc16(psdu) == 0
        lqi = int(head.lqi)
        state = Fcs.VALID if good else Fcs.INVALID
        return Heard(psdu[:-2], state, ticks, None, lqi, channel, psdu[-2:], head.device)

    def _follow(self, device: int, sequence: int) -> None:
        last = self._sequence.get(device)
        if last is not None and 1 < (gap := (sequence - last) % _SEQUENCES) < _MOST_LOST:
            self.counts.lost += gap - 1
        if last is not None or len(self._sequence) < 1024:
            self._sequence[device] = sequence


class Zep(Sniffer):
    """A UDP socket to which a sniffer sends."""

    model = "zep"
    timebase: ClassVar[Timebase | None] = Timebase(1 << 32, 1 << 64)

    def __init__(self, address: str = "", port: int = PORT) -> None:
        """`address`: of the interface to listen on; "": all."""
        super().__init__()
        self._address = address, port
        self._decoder = ZepDecoder()
        self._socket: socket.socket | None = None

    @property
    def counts(self) -> Counts:
        return self._decoder.counts

    @property
    def port(self) -> int:
        """The UDP port that it listens on."""
        return self._address[1] if self._socket is None else int(self._socket.getsockname()[1])

    def begin(self, channel: Channel | None) -> None:
        self.channel = channel
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._socket.bind(self._address)
        except OSError as error:
            self.close()
            raise SnifferError(
                f"UDP port {self._address[1]} cannot be used ({error.strerror})",
                "end the other program that listens there, or name another --port",
            ) from error
        self._socket.settimeout(POLL_S)
        self.name = f"{self.model} at UDP port {self.port}"

    def tune(self, channel: Channel) -> None:
        raise SnifferError(
            f"{self.name}: a channel cannot be chosen from here ({channel})", "choose it on the sending sniffer"
        )

    def read(self) -> list[Heard]:
        if self._socket is None:
            raise ValueError("the sniffer has not begun")
        found: list[Heard] = []
        try:
            found += self._decoder.feed(self._socket.recv(_LARGEST))
            self._socket.setblocking(False)
            for _ in range(_AT_ONCE):
                found += self._decoder.feed(self._socket.recv(_LARGEST))
        except (TimeoutError, BlockingIOError):
            pass
        finally:
            self._socket.settimeout(POLL_S)
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
