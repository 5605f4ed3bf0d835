"""All kinds of sniffers by name, and which of them are plugged in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from hanscope.captures.sniffers.base import Sniffer, SnifferError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sniffer somebody asks for."""

    model: str
    place: str | None = None
    """Serial port, USB place, UDP port, address of an adapter."""
    baud: int | None = None
    phy: int | None = None
    """For Packet Sniffer 2."""


class Kind(NamedTuple):
    """One kind of sniffer."""

    model: str
    title: str
    place: str
    """What its place is called: "USB place", "serial port", "UDP port"."""
    make: Callable[[Wanted], Sniffer]
    present: Callable[[], list[str]]
    """Places at which one is plugged in, as far as that can be seen."""
    sub_ghz: bool = False
    tunable: bool = True


def _cc2531(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.cc2531 import Cc2531  # noqa: PLC0415 -- one of many

    return Cc2531(wanted.place)


def _cc2531s() -> list[str]:
    from hanscope.captures.sniffers.cc2531 import dongles  # noqa: PLC0415 -- imports pyusb

    return dongles()


def _nrf52840(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.nrf52840 import Nrf52840  # noqa: PLC0415 -- one of many

    return Nrf52840(wanted.place, wanted.baud)


def _nrf52840s() -> list[str]:
    from hanscope.captures.sniffers.line import ports_of  # noqa: PLC0415 -- imports pyserial
    from hanscope.captures.sniffers.nrf52840 import Nrf52840  # noqa: PLC0415

    return ports_of(Nrf52840.usb)


def _packet_sniffer2(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.packet_sniffer2 import PacketSniffer2  # noqa: PLC0415 -- one of many

    return PacketSniffer2(wanted.place, wanted.baud, wanted.phy)


def _rcp(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.rcp import Rcp  # noqa: PLC0415 -- one of many

    return Rcp(wanted.place, wanted.baud)


def _sensniff(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.sensniff import Sensniff  # noqa: PLC0415 -- one of many

    return Sensniff(wanted.place, wanted.baud)


def _silabs(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.silabs import PORT, Silabs  # noqa: PLC0415 -- one of many

    if wanted.place is None:
        raise SnifferError("the address of the adapter is not known", "name it (--port 192.168.1.7)")
    try:
        told = urlsplit(f"//{wanted.place}")
        return Silabs(told.hostname or "", told.port or PORT)
    except ValueError:
        raise SnifferError(f"{wanted.place!r} is no address", f"give --port HOST or --port HOST:{PORT}") from None


def _zboss(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.zboss import Zboss  # noqa: PLC0415 -- one of many

    return Zboss(wanted.place, wanted.baud)


def _zep(wanted: Wanted) -> Sniffer:
    from hanscope.captures.sniffers.zep import PORT, Zep  # noqa: PLC0415 -- one of many

    if wanted.place is None:
        return Zep()
    address, _, port = wanted.place.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise SnifferError(f"{wanted.place!r} is no UDP port", f"give --port {PORT} or --port 127.0.0.1:{PORT}")
    return Zep(address, int(port))


KINDS: Final = {
    kind.model: kind
    for kind in (
        Kind("cc2531", "TI CC2531 dongle, TI's sniffer firmware", "USB place", _cc2531, _cc2531s),
        Kind("nrf52840", "nRF52840, Nordic's nRF Sniffer firmware", "serial port", _nrf52840, _nrf52840s),
        Kind("packet-sniffer-2", "TI Packet Sniffer 2 (CC13xx, CC26xx)", "serial port", _packet_sniffer2, list, True),
        Kind("rcp", "OpenThread radio co-processor", "serial port", _rcp, list),
        Kind("sensniff", "Contiki's sensniff", "serial port", _sensniff, list),
        Kind("silabs", "Silicon Labs adapter (WSTK, ISA3)", "address", _silabs, list, True, False),
        Kind("zboss", "ZBOSS sniffer firmware", "serial port", _zboss, list),
        Kind("zep", "ZEP over UDP (Sewio and others)", "UDP port", _zep, list, True, False),
    )
}


def made(wanted: Wanted) -> Sniffer:
    """The sniffer that is asked for, not yet opened. Raises `SnifferError` when there is no such kind."""
    kind = KINDS.get(wanted.model)
    if kind is None:
        raise SnifferError(f"there is no sniffer {wanted.model!r}", f"there are {', '.join(KINDS)}, file:PATH and -")
    return kind.make(wanted)
