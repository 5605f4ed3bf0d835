"""What Wireshark asks an extcap program, and the answers: interfaces, link types, options (Wireshark Developer's Guide,
"Adding capture interfaces and log sources using extcap").

One sentence a line, `kind {key=value}{key=value}`. Nothing here opens a device: Wireshark asks at every start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hanscope.captures.linklayer import TAP
from hanscope.captures.sniffers.catalogue import KINDS, Kind, Wanted
from hanscope.captures.sniffers.channels import PAGE_2_4_GHZ, Channel, all_channels

PREFIX: Final = "hanscope-"
DEFAULT_CHANNEL: Final = Channel(11)


class Offer(NamedTuple):
    """An interface that Wireshark shows."""

    identifier: str
    display: str
    kind: Kind
    place: str | None
    """Of a device that is plugged in; `None`: its port is an option."""


def offers() -> list[Offer]:
    """The devices that are plugged in, then each kind by itself."""
    found: list[Offer] = []
    for kind in KINDS.values():
        for place in kind.present():
            name = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in place).strip("-")
            found.append(Offer(f"{PREFIX}{kind.model}-{name}", f"{kind.title}, at {place}", kind, place))
    found += [Offer(PREFIX + kind.model, kind.title, kind, None) for kind in KINDS.values()]
    return list({offer.identifier: offer for offer in reversed(found)}.values())[::-1]


def offer_of(identifier: str) -> Offer | None:
    return next((offer for offer in offers() if offer.identifier == identifier), None)


def wanted(offer: Offer, port: str | None, phy: int | None) -> Wanted:
    return Wanted(offer.kind.model, port or offer.place, None, phy)


def interfaces(version: str) -> Iterator[str]:
    yield _sentence("extcap", version=version, display="hanscope sniffers")
    for offer in offers():
        yield _sentence("interface", value=offer.identifier, display=f"hanscope: {offer.display}")


def link_types() -> Iterator[str]:
    yield _sentence("dlt", number=str(TAP), name="IEEE802_15_4_TAP", display="IEEE 802.15.4 with channel and quality")


def options(offer: Offer) -> Iterator[str]:
    for number, (call, display, told) in enumerate(_arguments(offer)):
        yield _sentence("arg", number=str(number), call=call, display=display, **told)
        if call == "--channel":
            yield from _channels(offer, str(number))


def _arguments(offer: Offer) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Of each option: how the program is told, what is shown, and the rest."""
    if offer.kind.tunable:
        default = {"type": "selector", "default": str(DEFAULT_CHANNEL)}
        yield "--channel", "Channel", {"tooltip": "Where to listen", **default}
    if offer.place is None:
        yield "--port", "Port", {"type": "string", "tooltip": f"Its {offer.kind.place}"}
    if offer.kind.model == "packet-sniffer-2":
        told = "By the firmware's own table, if it is not found by itself"
        yield "--phy", "PHY", {"type": "integer", "range": "0,255", "tooltip": told}
    key = "Network or link key: 32 hexadecimal digits, or as hanscope's --key; it is put into the capture for hanscope"
    yield "--key", "Key", {"type": "string", "tooltip": key, "group": "Keys"}
    file = {"type": "fileselect", "mustexist": "true"}
    yield "--keys", "Key file", {"tooltip": "Keys in a TOML file, as hanscope's --keys", "group": "Keys", **file}


def _channels(offer: Offer, argument: str) -> Iterator[str]:
    for channel in all_channels():
        if channel.page == PAGE_2_4_GHZ or offer.kind.sub_ghz:
            where = f"{channel} ({channel.frequency_mhz:g} MHz)"
            told = {"default": "true"} if channel == DEFAULT_CHANNEL else {}
            yield _sentence("value", arg=argument, value=str(channel), display=where, **told)


def _sentence(kind: str, **values: str) -> str:
    # What is shown may come from a device's descriptor: braces would end a group.
    harmless = {key: value.replace("{", "(").replace("}", ")") for key, value in values.items()}
    return kind + " " + "".join(f"{{{key}={value}}}" for key, value in harmless.items())
