"""Makes `docs/layers.md`: every layer that is decoded, with its fields, from the classes themselves.

python -m hanscope.layerdocs > docs/layers.md
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from scapy.fields import BitEnumField, BitField, ConditionalField, StrField, StrFixedLenField

from hanscope.analyzers.framefields import layer_classes, unconditional
from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import EUI64Field, LayersToEnd, ListOf, Octets, Record, RecordsToEnd
from hanscope.dissectors.ieee802154 import MAC_COMMANDS
from hanscope.dissectors.layer import IfRoom, Layer, ToEnd
from hanscope.dissectors.zigbee.aps import APS_COMMANDS
from hanscope.dissectors.zigbee.nwk import NWK_COMMANDS
from hanscope.dissectors.zigbee.zcl import GENERAL_COMMANDS, cluster_commands
from hanscope.dissectors.zigbee.zdp import ZDP_COMMANDS

_TITLE: Final = """\
# Layers

What is decoded, made from the layers themselves (`python -m hanscope.layerdocs > docs/layers.md`). Each field is a
column of `hanscope frames` and can stand in its `--filter`: as `Layer.field`, or with the prefix that its section
names.

Behind a field stands its size; `?` marks one that is there only when fields before it say so, `??` one that is also
left out where the frame has no more room. A number with names can be compared with them in a filter.
"""
_HEADERS: Final = {
    "MAC": (
        "Mac",
        "HeaderInformationElement",
        "PayloadInformationElement",
        "MacBeacon",
        "BeaconPayload",
        "ZigbeeBeacon",
    ),
    "NWK": ("Nwk", "NwkSecurity", "NwkCommand"),
    "APS": ("Aps", "InterPanAps", "ApsSecurity", "ApsCommand", "Fragment"),
    "ZCL": ("Zcl",),
    "ZDP": ("Zdp",),
    "Encrypted payloads": ("SecuredPayload", "UnsupportedSecuredPayload"),
}


def page() -> str:
    """The whole page, ending in a newline."""
    lines = [_TITLE.rstrip(), *_headers()]
    lines += _commands("MAC commands", "", sorted(MAC_COMMANDS.items()))
    lines += _commands("NWK commands", "", sorted(NWK_COMMANDS.items()))
    lines += _commands("APS commands", "", sorted(APS_COMMANDS.items()))
    lines += _commands("ZDP commands", "`zdp.`; numbers are clusters", sorted(ZDP_COMMANDS.items()), digits=4)
    lines += _commands("ZCL general commands", "", sorted(GENERAL_COMMANDS.items()))
    for cluster in sorted({cluster for cluster, *_ in cluster_commands()}):
        lines += _cluster(cluster)
    return "\n".join(lines) + "\n"


def _headers() -> Iterator[str]:
    classes = layer_classes()
    for title, names in _HEADERS.items():
        yield from ("", f"## {title}")
        for name in names:
            yield from _layer(classes[name], name)


def _commands(title: str, note: str, commands: list[tuple[int, type[Layer]]], *, digits: int = 2) -> Iterator[str]:
    yield from ("", f"## {title}")
    if note:
        yield from ("", note)
    for number, cls in commands:
        yield from _layer(cls, f"0x{number:0{digits}x} {cls.__name__}")


def _cluster(cluster: int) -> Iterator[str]:
    known = cluster in frozenset(Cluster)
    name = Cluster(cluster).name if known else "unnamed"
    yield from ("", f"## Cluster 0x{cluster:04x} {name.replace('_', ' ').title()}")
    if known:
        short = {Cluster.OTA_UPGRADE: " or `ota.`", Cluster.TUNNELING: " or `tunnel.`"}.get(Cluster(cluster), "")
        yield from ("", f"Prefix `{name.lower()}.`{short}")
    for number, server_to_client, cls in ((one[1], one[2], one[3]) for one in cluster_commands() if one[0] == cluster):
        sender = "server to client" if server_to_client else "client to server"
        yield from _layer(cls, f"0x{number:02x} {cls.__name__}", sender)


def _layer(cls: type[Layer], title: str, note: str = "") -> Iterator[str]:
    yield from ("", f"### {title}")
    summary = " ".join((cls.__doc__ or "").split()) if "__doc__" in vars(cls) else ""
    if note or summary:
        yield from ("", ". ".join(filter(None, [note, summary])))
    if cls.fields_desc:
        yield ""
        yield from (f"- {_field(described)}" for described in cls.fields_desc)


def _field(described: Any) -> str:
    fld = unconditional(described)
    mark = "??" if isinstance(described, IfRoom) else "?" if isinstance(described, ConditionalField) else ""
    names = _names(fld)
    told = f": {names}" if names else ""
    return f"`{fld.name}`{mark} {_kind(fld)}{told}"


def _kind(fld: Any) -> str:
    """Size and kind of a field in a few words."""
    for classes, words in _KINDS:
        if isinstance(fld, classes):
            return words(fld)
    return _count(int(fld.sz), "octet")


def _element(fld: Any) -> str:
    return fld.field.layer.__name__ if isinstance(fld.field, Record) else _kind(fld.field)


_Words = Callable[[Any], str]
_KINDS: Final[tuple[tuple[tuple[type[Any], ...], _Words], ...]] = (
    ((EUI64Field,), lambda _: "EUI-64"),
    ((LayersToEnd,), lambda fld: f"list of {fld.layer.__name__}, up to the end"),
    ((RecordsToEnd,), lambda _: "list, up to the end"),
    ((ListOf,), lambda fld: f"list of {_element(fld)}"),
    ((ToEnd,), lambda fld: "octets, up to the end" + (f" less {fld.keep}" if fld.keep else "")),
    ((Octets,), lambda fld: _count(fld.length_from(None), "octet")),
    ((StrField, StrFixedLenField), lambda _: "octets, as many as a field before it says"),
    ((BitField, BitEnumField), lambda fld: _count(fld.size, "bit")),
)
"""What is said of fields of these classes; the first that fits."""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _names(fld: Any, most: int = 12) -> str:
    names: dict[int, str] = getattr(fld, "i2s", None) or {}
    told = [f"{number} {name}" for number, name in sorted(names.items())[:most]]
    return ", ".join(told) + (", …" if len(names) > most else "")


if __name__ == "__main__":
    sys.stdout.write(page())
