"""An OpenThread radio co-processor (EFR32, nRF52840, ESP32, CC26xx …) by spinel, as a passive receiver.

HDLC-lite on a serial port: flag 7E, escape 7D (the next octet XOR 20), FCS-16 of X.25 at the end. Inside: header (0x81:
transaction 1, 0x80: unsolicited), command and property (7 bits an octet, lowest first), value. A received frame is the
property STREAM_RAW: length (2), PSDU, then metadata: RSSI, noise, flags (2), a struct (length 2) of channel, LQI and
microseconds (8), a struct of the receive error. Many chips leave the PSDU's FCS meaningless.
"""

from __future__ import annotations

import binascii
from typing import Any, ClassVar, Final

from construct import ConstructError, GreedyBytes, Prefixed, Struct

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import (
    LARGEST_PSDU,
    MICROSECONDS_64,
    Counts,
    Heard,
    SnifferError,
    Timebase,
    on_2_4_ghz,
)
from hanscope.captures.sniffers.channels import CHANNELS_2_4_GHZ, Channel
from hanscope.captures.sniffers.line import Line, SerialSniffer
from hanscope.captures.sniffers.numbers import INT8, REVERSED, UINT8, UINT16, UINT64
from hanscope.dissectors.fcs import crc16

_FLAG: Final = 0x7E
_ESCAPE: Final = 0x7D
_GOOD: Final = 0xF0B8
"""What `_x25` gives over a frame with its check."""
_LARGEST: Final = 4096
"""Octets of a spinel frame that are waited for."""

TRANSACTION: Final = 0x81
RESET: Final = 1
SET: Final = 3
IS: Final = 6
LAST_STATUS: Final = 0x00
PHY_ENABLED: Final = 0x20
PHY_CHANNEL: Final = 0x21
RAW_STREAM_ENABLED: Final = 0x37
MAC_FILTER_MODE: Final = 0x38
STREAM_RAW: Final = 0x71
MONITOR: Final = 2

_METADATA: Final[Any] = Struct(
    "rssi_dbm" / INT8,
    "noise_dbm" / INT8,
    "flags" / UINT16,
    "phy" / Prefixed(UINT16, Struct("channel" / UINT8, "lqi" / UINT8, "microseconds" / UINT64)),
    "vendor" / Prefixed(UINT16, GreedyBytes),
)


def wrapped(body: bytes) -> bytes:
    """A spinel frame as HDLC-lite sends it."""
    check = (_x25(body) ^ 0xFFFF).to_bytes(2, "little")
    inner = bytearray()
    for octet in body + check:
        if octet in (_FLAG, _ESCAPE):
            inner += bytes([_ESCAPE, octet ^ 0x20])
        else:
            inner.append(octet)
    return bytes([_FLAG, *inner, _FLAG])


def _x25(octets: bytes) -> int:
    """CRC-16/X-25 before its last inversion, by the CRC of XMODEM with all bits turned round (as `binascii` has it)."""
    return _turned(binascii.crc_hqx(octets.translate(REVERSED), 0xFFFF))


def _turned(word: int) -> int:
    return REVERSED[word >> 8] | REVERSED[word & 0xFF] << 8


def set_property(key: int, value: int) -> bytes:
    """The frame that sets a property to an octet."""
    return wrapped(bytes([TRANSACTION, SET, key, value]))


class SpinelDecoder:
    """Octets in, frames out; other properties that are told are kept in `told`."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.told: dict[int, bytes] = {}
        """The last value of each property but the stream."""
        self._inner = bytearray()
        self._escaped = False

    def feed(self, octets: bytes) -> list[Heard]:
        found: list[Heard] = []
        for octet in octets:
            if octet == _FLAG:
                if self._inner and (heard := self._complete(bytes(self._inner))) is not None:
                    found.append(heard)
                self._inner.clear()
                self._escaped = False
            elif octet == _ESCAPE:
                self._escaped = True
            elif len(self._inner) < _LARGEST:
                self._inner.append(octet ^ 0x20 if self._escaped else octet)
                self._escaped = False
        self.counts.add(found)
        return found

    def _complete(self, inner: bytes) -> Heard | None:
        if len(inner) < 5 or _x25(inner) != _GOOD:
            self.counts.corrupt += 1
            return None
        try:
            command, at = _packed(inner, 1)
            key, at = _packed(inner, at)
        except IndexError:
            self.counts.corrupt += 1
            return None
        value = inner[at:-2]
        if command != IS or key != STREAM_RAW:
            if command == IS and key < 0x4000:
                self.told[key] = value
            self.counts.ignored += 1
            return None
        heard = _heard(value)
        if heard is None:
            self.counts.corrupt += 1
        return heard


def _packed(octets: bytes, at: int) -> tuple[int, int]:
    """A packed integer and where what follows it begins."""
    value = shift = 0
    while True:
        octet = octets[at]
        value |= (octet & 0x7F) << shift
        at += 1
        if octet < 0x80:
            return value, at
        shift += 7


def _heard(value: bytes) -> Heard | None:
    length = int.from_bytes(value[:2], "little")
    psdu, rest = value[2 : 2 + length], value[2 + length :]
    if not 2 < length <= LARGEST_PSDU or len(psdu) < length:
        return None
    try:
        told = _METADATA.parse(rest)
    except ConstructError:
        return Heard(psdu[:-2], _checked(psdu))  # firmware that tells less, or in an older form
    channel = Channel(told.phy.channel) if told.phy.channel in CHANNELS_2_4_GHZ else None
    lqi = int(told.phy.lqi)
    return Heard(psdu[:-2], _checked(psdu), told.phy.microseconds, float(told.rssi_dbm), lqi, channel)


def _checked(psdu: bytes) -> Fcs:
    """Radios hand up what they found intact; not all of them hand up the FCS too."""
    return Fcs.VALID if crc16(psdu) == 0 else Fcs.NOT_CAPTURED


class Rcp(SerialSniffer):
    """A radio co-processor on its serial port."""

    model = "rcp"
    timebase: ClassVar[Timebase | None] = MICROSECONDS_64
    bauds = (460_800, 115_200, 9_600)

    def _decoder(self) -> SpinelDecoder:
        self._spinel = SpinelDecoder()
        return self._spinel

    def _wake(self) -> bool:
        self._spinel.told.clear()
        reset = wrapped(bytes([TRANSACTION, RESET]))
        return self._asked(reset, lambda: LAST_STATUS in self._spinel.told) and self._set(PHY_ENABLED, 1)

    def _listen(self) -> None:
        self.channel = channel = on_2_4_ghz(self.name, self.channel)
        steps = ((MAC_FILTER_MODE, MONITOR), (PHY_CHANNEL, channel.number), (RAW_STREAM_ENABLED, 1))
        for key, value in steps:
            if not self._set(key, value):
                raise SnifferError(
                    f"{self.name}: it does not take property {key:#04x} = {value}",
                    "flash OpenThread's RCP firmware (ot-rcp)",
                )

    def _rest(self, line: Line) -> None:
        line.write(set_property(RAW_STREAM_ENABLED, 0))
        line.write(set_property(PHY_ENABLED, 0))
        line.drain()

    def _set(self, key: int, value: int) -> bool:
        """Whether the device takes a property."""
        told = self._spinel.told
        told.pop(key, None)
        return self._asked(set_property(key, value), lambda: key in told) and told[key][:1] == bytes([value])
