"""TI's Packet Sniffer 2 firmware (CC13xx, CC26xx, CatSniffer) on a serial port; it hears sub-GHz channels too.

A packet: 40 53, info (category in bits 7..6, type below), length (2, little-endian), payload, checksum over info,
length and payload, 40 45. Behind data and errors (category 3) the checksum is missing in some firmware: both are taken.
Data: clock (6, microseconds), PHY header (1 octet on 2.4 GHz, 2 on 15.4g), PSDU, RSSI in dBm, status (bit 7: FCS good).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from construct import Struct

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import (
    LARGEST_PSDU,
    LARGEST_SUN_PSDU,
    MICROSECONDS_48,
    Counts,
    Heard,
    SnifferError,
    Timebase,
)
from hanscope.captures.sniffers.channels import CHANNELS_2_4_GHZ, PAGE_2_4_GHZ, Channel
from hanscope.captures.sniffers.line import Line, SerialSniffer
from hanscope.captures.sniffers.numbers import INT8, REVERSED, UINT8, UINT16
from hanscope.dissectors.fcs import crc16

if TYPE_CHECKING:
    from collections.abc import Iterator

START: Final = b"\x40\x53"
END: Final = b"\x40\x45"
_HEAD: Final = 5
_LARGEST_PAYLOAD: Final = 2049
_FCS: Final = 2

PING: Final = 0x40
START_CAPTURE: Final = 0x41
STOP_CAPTURE: Final = 0x42
SET_FREQUENCY: Final = 0x45
SET_PHY: Final = 0x47
_RESPONSE: Final = 0x80
_DATA: Final = 0xC0
_ERROR: Final = 0xC1
_CATEGORY: Final = 0xC0
_STATUSES: Final = {
    1: "it timed out",
    2: "the checksum was wrong",
    3: "it does not know the command",
    4: "not while it listens",
}

_PING_ANSWER: Final[Any] = Struct(
    "status" / UINT8, "chip" / UINT16, "revision" / UINT8, "firmware" / UINT8, "version" / UINT16
)
_FREQUENCY: Final[Any] = Struct("mhz" / UINT16, "fraction" / UINT16)
_TAIL: Final[Any] = Struct("rssi_dbm" / INT8, "status" / UINT8)
_CLOCK: Final = 6
"""Octets."""

O_QPSK: Final = {0x00: None, 0x20: 0x00, 0x21: 0x04, 0x22: 0x04, 0x30: 0x0D, 0x40: None, 0x50: 0x12, 0x51: 0x12}
"""PHY index of 2.4 GHz O-QPSK by firmware id; tables differ from version to version, so `phy` can be given."""
ZIGBEE_100K: Final = {0x30: 0x09, 0x40: 0x09, 0x50: 0x0B, 0x51: 0x0B}
"""PHY index of ZigBee's 100 kbit/s (pages 28 to 31) by firmware id."""


class Packet(NamedTuple):
    """What stands between start and end."""

    info: int
    payload: bytes


def packet(command: int, payload: bytes = b"") -> bytes:
    """A command for the device."""
    body = bytes([command]) + len(payload).to_bytes(2, "little") + payload
    return START + body + bytes([sum(body) & 0xFF]) + END


def frequency(mhz: float) -> bytes:
    """The payload of `SET_FREQUENCY`."""
    whole = int(mhz)
    return bytes(_FREQUENCY.build({"mhz": whole, "fraction": int((mhz - whole) * 65536)}))


class PacketSniffer2Decoder:
    """Octets in, frames out; answers to commands are kept in `answers` until somebody takes them."""

    def __init__(self, *, sub_ghz: bool = False) -> None:
        self.counts = Counts()
        self.sub_ghz = sub_ghz
        """The PHY header has two octets, and the order of bits in an octet is whichever makes the FCS right."""
        self.answers: list[bytes] = []
        self._rest = b""
        self._turned = False
        """Octets came with their bits in the order of the air when the FCS was right last."""

    def feed(self, octets: bytes) -> list[Heard]:
        found: list[Heard] = []
        for one in self._packets(octets):
            if one.info == _DATA:
                heard = self._heard(one.payload)
                if heard is None:
                    self.counts.corrupt += 1
                else:
                    found.append(heard)
            elif one.info == _ERROR:
                self.counts.lost += 1
            else:
                self.counts.ignored += 1
                if one.info == _RESPONSE:
                    self.answers = [*self.answers[-15:], one.payload]
        self.counts.add(found)
        return found

    def _packets(self, octets: bytes) -> Iterator[Packet]:
        data = self._rest + octets
        at = 0
        while True:
            begin = data.find(START, at)
            if begin < 0:
                self._skipped(data[at:-1] if data.endswith(START[:1]) else data[at:])
                at = len(data) - data.endswith(START[:1])
                break
            self._skipped(data[at:begin])
            at = begin
            if len(data) < begin + _HEAD:
                break
            length = int.from_bytes(data[begin + 3 : begin + _HEAD], "little")
            tail = begin + _HEAD + length
            if length > _LARGEST_PAYLOAD:
                self.counts.corrupt += 1
                at = begin + len(START)
                continue
            if len(data) < tail + len(END) + 1 and not (len(data) >= tail + len(END) and data[tail:].startswith(END)):
                break
            end = _end(data, tail, data[begin + 2])
            if end is None:
                self.counts.corrupt += 1
                at = begin + len(START)
                continue
            yield Packet(data[begin + 2], data[begin + _HEAD : tail])
            at = end
        self._rest = data[at:]

    def _skipped(self, octets: bytes) -> None:
        self.counts.corrupt += bool(octets)

    def _heard(self, payload: bytes) -> Heard | None:
        header = 2 if self.sub_ghz else 1
        begin, end = _CLOCK + header, len(payload) - 2
        if end < begin + _FCS:
            return None
        ticks = int.from_bytes(payload[:_CLOCK], "little")
        tail = _TAIL.parse(payload[end:])
        psdu = payload[begin:end]
        if self.sub_ghz:
            psdu = self._in_order(psdu)
        elif payload[_CLOCK] & 0x7F != len(psdu):
            return None
        if len(psdu) > (LARGEST_SUN_PSDU if self.sub_ghz else LARGEST_PSDU):
            return None
        good = bool(tail.status & 0x80)
        return Heard(
            psdu[:-_FCS],
            Fcs.VALID if good else Fcs.INVALID,
            ticks,
            float(tail.rssi_dbm),
            trailer=psdu[-_FCS:],
        )

    def _in_order(self, psdu: bytes) -> bytes:
        """The PSDU with the bits of each octet in the order in which its FCS is right, or was in the last good one."""
        either = psdu, psdu.translate(REVERSED)
        for turned, candidate in enumerate(either):
            if crc16(candidate) == 0:
                self._turned = bool(turned)
                return candidate
        return either[self._turned]


def _end(data: bytes, tail: int, info: int) -> int | None:
    """Where a packet ends whose payload ends at `tail`; `None` if it does not. More octets than needed may be there."""
    with_checksum = data[tail + 1 : tail + 1 + len(END)] == END
    if info & _CATEGORY == _DATA & _CATEGORY:
        if data.startswith(END, tail):
            return tail + len(END)
        return tail + 1 + len(END) if with_checksum else None
    return tail + 1 + len(END) if with_checksum else None


class PacketSniffer2(SerialSniffer):
    """A board with this firmware."""

    model = "packet-sniffer-2"
    timebase: ClassVar[Timebase | None] = MICROSECONDS_48
    bauds = (3_000_000, 921_600)

    def __init__(self, port: str | None = None, baud: int | None = None, phy: int | None = None) -> None:
        """`phy`: index of the PHY in the firmware's table, where ours does not fit it."""
        super().__init__(port, baud)
        self._phy = phy
        self._firmware: int | None = None

    def _decoder(self) -> PacketSniffer2Decoder:
        self._packets = PacketSniffer2Decoder()
        return self._packets

    def _wake(self) -> bool:
        self.line.write(packet(STOP_CAPTURE))
        self.line.drain()
        answer = self._command(PING)
        if answer is None:
            return False
        if len(answer) >= _PING_ANSWER.sizeof():
            self._firmware = int(_PING_ANSWER.parse(answer).firmware)
        return True

    def _command(self, command: int, payload: bytes = b"") -> bytes | None:
        """The answer; `None` if none came."""
        self._packets.answers = []
        asked = self._asked(packet(command, payload), lambda: bool(self._packets.answers))
        return self._packets.answers[-1] if asked else None

    def _listen(self) -> None:
        channel = self.channel or Channel(CHANNELS_2_4_GHZ[0])
        phy = self._phy if self._phy is not None else self._phy_of(channel)
        self.channel = channel
        self._packets.sub_ghz = channel.page != PAGE_2_4_GHZ
        steps = (
            (STOP_CAPTURE, b"", "stop"),
            (SET_PHY, bytes([phy]), f"take PHY {phy:#04x}"),
            (SET_FREQUENCY, frequency(channel.frequency_mhz), f"tune to {channel.frequency_mhz:g} MHz"),
            (START_CAPTURE, b"", "start"),
        )
        for command, payload, what in steps:
            answer = self._command(command, payload)
            status = answer[0] if answer else 1
            if status and command != STOP_CAPTURE:
                why = _STATUSES.get(status, f"status {status}")
                raise SnifferError(
                    f"{self.name}: it does not {what} ({why})",
                    "name the PHY by the firmware's own table (--phy N)",
                )

    def _phy_of(self, channel: Channel) -> int:
        table = O_QPSK if channel.page == PAGE_2_4_GHZ else ZIGBEE_100K
        phy = table.get(self._firmware if self._firmware is not None else -1)
        if phy is None:
            known = "an unknown firmware" if self._firmware is None else f"firmware {self._firmware:#04x}"
            raise SnifferError(
                f"{self.name}: which PHY hears channel {channel} with {known} is not known",
                "name it by the firmware's own table (--phy N)",
            )
        return phy

    def _rest(self, line: Line) -> None:
        line.write(packet(STOP_CAPTURE))
        line.drain()
