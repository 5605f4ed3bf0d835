"""The fields of frames by name: where each lies in the layers, what kind of value it has, how a value reads.

A field is called `Layer.field` as in the layers themselves (`ImageBlockRequest.file_offset`), or by one of the shorter
names: `mac.…`, `nwk.…`, `aps.…`, `zcl.…`, `zdp.…` and, for the commands of a cluster, the cluster's name
(`ota.file_offset`, `tunneling.tunnel_id`) take the field from whichever layer of theirs has it.
"""

from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from scapy.fields import ConditionalField, StrField, StrFixedLenField, XByteField, XIntField, XLongField, XShortField
from scapy.packet import Packet

from hanscope.analyzers.filters import Described, FilterError, Kind
from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.columns.engine import entries
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.fields import EUI64Field
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.zcl import cluster_commands
from hanscope.dissectors.zigbee.zdp import ZDP_COMMANDS

COMPUTED: Final[dict[str, Kind]] = {
    "number": "number",
    "time": "time",
    "elapsed": "number",
    "length": "number",
    "channel": "number",
    "lqi": "number",
    "rssi_dbm": "number",
    "fcs": "text",
    "source": "text",
    "destination": "text",
    "layer": "text",
    "layers": "names",
    "info": "text",
    "malformed": "text",
    "key": "text",
    "nwk.key": "text",
    "aps.key": "text",
    "shut": "text",
    "fragments": "text",
    "transfer": "text",
}
"""Columns that are no field of a layer."""

SECRET: Final = frozenset({"TransportKey.key"})
"""Fields that hold keys."""

SHORT_ADDRESSES: Final = frozenset(
    [
        "assigned_short",
        "coordinator_short",
        "destination",
        "destination_short",
        "device_short",
        "network_address",
        "next_hop",
        "nwk_address",
        "nwk_address_of_interest",
        "nwk_manager_address",
        "originator",
        "responder",
        "source",
        "source_short",
    ]
)
"""What the layers call fields that hold the short address of a device."""

_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "pan": ("Mac.destination_pan_id", "Mac.source_pan_id"),
    "mac.source": ("Mac.source_short",),
    "mac.destination": ("Mac.destination_short",),
    "mac.source_eui64": ("Mac.source_extended",),
    "mac.destination_eui64": ("Mac.destination_extended",),
    "mac.sequence": ("Mac.sequence_number",),
    "nwk.sequence": ("Nwk.sequence_number",),
    "zcl.sequence": ("Zcl.transaction_sequence_number",),
    "zcl.command": ("Zcl.command_identifier",),
    "zdp.sequence": ("Zdp.transaction_sequence_number",),
}
_PREFIXES: Final = {
    "mac": ("Mac",),
    "nwk": ("Nwk", "NwkSecurity", "NwkCommand"),
    "aps": ("Aps", "InterPanAps", "ApsSecurity", "ApsCommand"),
    "zcl": ("Zcl",),
}
_SHORTER: Final = {"ota": Cluster.OTA_UPGRADE, "tunnel": Cluster.TUNNELING}


@cache
def layer_classes() -> dict[str, type[Layer]]:
    """Every layer that a frame can have, by its name."""
    entries()  # imports what there is
    found: dict[str, type[Layer]] = {}
    left: list[type[Layer]] = [Layer]
    while left:
        for cls in left.pop().__subclasses__():
            left.append(cls)
            home = cls.__module__.removeprefix("hanscope.dissectors.").partition(".")[0]
            if home in {"ieee802154", "zigbee", "layer"}:
                found[cls.__name__] = cls
    return found


@cache
def fields_of(layer: str) -> dict[str, Any]:
    """The Scapy fields of a layer, by name; none of a layer that there is not."""
    cls = layer_classes().get(layer)
    return {} if cls is None else {fld.name: fld for fld in map(unconditional, cls.fields_desc)}


def unconditional(described: Any) -> Any:
    """A field without the condition on which it is there."""
    return described.fld if isinstance(described, ConditionalField) else described


@cache
def _groups() -> dict[str, tuple[str, ...]]:
    """The layers that each prefix stands for."""
    groups: dict[str, list[str]] = {"zdp": ["Zdp", *(cls.__name__ for cls in ZDP_COMMANDS.values())]}
    shorter = {cluster: prefix for prefix, cluster in _SHORTER.items()}
    for cluster, _, _, layer in cluster_commands():
        if cluster in frozenset(Cluster):
            groups.setdefault(Cluster(cluster).name.lower(), []).append(layer.__name__)
            if cluster in shorter:
                groups.setdefault(shorter[Cluster(cluster)], []).append(layer.__name__)
    return _PREFIXES | {prefix: tuple(dict.fromkeys(layers)) for prefix, layers in groups.items()}


@cache
def slots_of(name: str) -> tuple[str, ...]:
    """The fields (`Layer.field`) that a name stands for, the one that is asked first in front."""
    if name in _ALIASES:
        return _ALIASES[name]
    prefix, _, field = name.partition(".")
    layers = _groups().get(prefix, (prefix,))
    return tuple(f"{layer}.{field}" for layer in layers if field in fields_of(layer))


def field_of(slot: str) -> Any:
    """The Scapy field of a `Layer.field` that there is."""
    layer, _, name = slot.partition(".")
    return fields_of(layer)[name]


@cache
def is_short_address(slot: str) -> bool:
    """Whether a `Layer.field` holds the short address of a device."""
    layer, _, name = slot.partition(".")
    return name in SHORT_ADDRESSES and getattr(fields_of(layer).get(name), "sz", 0) == 2


@cache
def describe(name: str) -> Described:
    """What a name stands for; raises `FilterError` if for nothing."""
    if name in COMPUTED:
        return Described(COMPUTED[name])
    slots = slots_of(name)
    if not slots:
        raise FilterError(_unknown(name))
    codes: dict[str, int] = {}
    for slot in slots:
        for number, meaning in _names(field_of(slot)).items():
            codes.setdefault(meaning, number)
    return Described(kind_of(field_of(slots[0])), codes)


def kind_of(fld: Any) -> Kind:
    """The kind of a field's column; of what is neither a number nor an address, the octets in hexadecimal."""
    if isinstance(fld, EUI64Field):
        return "eui64"
    return "text" if fld.islist or isinstance(fld, StrField | StrFixedLenField) else "number"


def _names(fld: Any) -> dict[int, str]:
    """The names that a field has for its numbers."""
    return getattr(fld, "i2s", None) or {}


def _unknown(name: str) -> str:
    prefix, _, field = name.partition(".")
    layers = _groups().get(prefix, (prefix,))
    there = [one for layer in layers for one in fields_of(layer)]
    if there:
        near = get_close_matches(field, there, 3) or there[:5]
        return f"there is no field {name!r}; near it are {', '.join(f'{prefix}.{one}' for one in near)}"
    known = [*COMPUTED, *_ALIASES, *(f"{prefix}." for prefix in _groups()), *layer_classes()]
    near = get_close_matches(name, known, 3) or get_close_matches(prefix, known, 3)
    return f"there is no field {name!r}" + (f"; near it are {', '.join(near)}" if near else "")


def value_text(fld: Any, value: int) -> str:
    """A number as people read it: its name, an EUI-64, hexadecimal digits where the layer says so."""
    if isinstance(fld, EUI64Field):
        return eui64_text(value)
    names = _names(fld)
    if value in names:
        return names[value]
    if isinstance(fld, XByteField | XShortField | XIntField | XLongField) or (names and fld.sz >= 1):
        return f"0x{value:0{2 * int(fld.sz)}x}"
    return str(value)


def number_in(fld: Any, octets: bytes) -> int | None:
    """The number in a field that only Scapy can read (one with a sign); `None` if it is no number."""
    if kind_of(fld) != "number":
        return None
    _, value = fld.getfield(Packet(), octets)
    return value if isinstance(value, int) else None
