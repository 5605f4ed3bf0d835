"""What the network itself writes into every frame: addresses, counters, security and FCS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator.han import Han
from hanscope.captures.simulator.kinds import Kind
from hanscope.captures.simulator.render import append_fcs, render, seal
from hanscope.dissectors.columns.rows import Octets
from hanscope.dissectors.crypto.ccm import BulkCcm

Int64s = NDArray[np.int64]

ALL_NODES: Final = 0xFFFF
RADIUS: Final = 30


@dataclass(frozen=True, slots=True)
class Hop:
    """Who sends frames to whom, and their counters; one row a frame. Nodes by index; -1: all of them."""

    transmitter: Int64s
    receiver: Int64s
    origin: Int64s
    target: Int64s
    number: Int64s
    """0: the originator transmits, 1: a relay."""
    mac_sequence: Int64s
    nwk_sequence: Int64s
    nwk_frame_counter: Int64s
    aps_counter: Int64s
    aps_frame_counter: Int64s
    zcl_sequence: Int64s
    key: Int64s
    """Which network key: 0 the first, 1 the one after a switch, ..."""


class Stamp:
    """Completes the frames of one HAN."""

    def __init__(self, han: Han) -> None:
        self.han = han
        self._network = [BulkCcm(key) for key in (han.network_key, *han.later_keys)]
        self._link = cache(BulkCcm)

    def frames(self, kind: Kind, hop: Hop, columns: Mapping[str, Any]) -> Octets:
        """Finished frames of one kind, (n, length of the kind); `columns` are what the sender decides."""
        slots = kind.specimen.slots
        known = {name: of(self.han, hop) for name, of in _FIELDS.items() if name in slots and name not in kind.fixed}
        frames = render(kind.specimen, len(hop.transmitter), known | dict(columns))
        if kind.specimen.aps is not None:
            keys = self._aps_keys(kind, hop)
            for device in np.unique(keys):
                rows = np.flatnonzero(keys == device)
                key = kind.aps_key or self.han.nodes[device].link_key
                if key is None:
                    raise ValueError(f"{kind.name}: {self.han.nodes[device].role} has no link key")
                part = frames[rows]
                seal(
                    part,
                    kind.specimen.aps,
                    self._link(key),
                    self.han.eui64[hop.origin[rows]],
                    hop.aps_frame_counter[rows],
                )
                frames[rows] = part
        if kind.specimen.nwk is not None:
            for key in np.unique(hop.key):
                rows = np.flatnonzero(hop.key == key)
                part, counter = frames[rows], hop.nwk_frame_counter[rows]
                seal(part, kind.specimen.nwk, self._network[key], self.han.eui64[hop.transmitter[rows]], counter)
                frames[rows] = part
        append_fcs(frames)
        return frames

    @staticmethod
    def _aps_keys(kind: Kind, hop: Hop) -> Int64s:
        """The device whose key with the hub secures each frame."""
        return np.zeros(len(hop.origin), np.int64) if kind.aps_key else np.maximum(hop.origin, hop.target)


def _short(han: Han, nodes: Int64s) -> Int64s:
    return np.where(nodes < 0, ALL_NODES, han.short[nodes])


_FIELDS: Final[Mapping[str, Callable[[Han, Hop], Any]]] = {
    "Mac.sequence_number": lambda _, hop: hop.mac_sequence,
    "Mac.destination_pan_id": lambda han, _: han.pan_id,
    "Mac.destination_short": lambda han, hop: _short(han, hop.receiver),
    "Mac.destination_extended": lambda han, hop: han.eui64[hop.receiver],
    "Mac.source_pan_id": lambda han, _: han.pan_id,
    "Mac.source_short": lambda han, hop: _short(han, hop.transmitter),
    "Mac.source_extended": lambda han, hop: han.eui64[hop.transmitter],
    "ZigbeeBeacon.extended_pan_id": lambda han, _: han.extended_pan_id,
    "Nwk.destination": lambda han, hop: _short(han, hop.target),
    "Nwk.source": lambda han, hop: _short(han, hop.origin),
    "Nwk.radius": lambda _, hop: RADIUS - hop.number,
    "Nwk.source_eui64": lambda han, hop: han.eui64[hop.origin],
    "Nwk.sequence_number": lambda _, hop: hop.nwk_sequence,
    "NwkSecurity.frame_counter": lambda _, hop: hop.nwk_frame_counter,
    "NwkSecurity.source_eui64": lambda han, hop: han.eui64[hop.transmitter],
    "NwkSecurity.key_sequence_number": lambda han, hop: han.key_sequence + hop.key,
    "Aps.counter": lambda _, hop: hop.aps_counter,
    "ApsSecurity.frame_counter": lambda _, hop: hop.aps_frame_counter,
    "ApsSecurity.source_eui64": lambda han, hop: han.eui64[hop.origin],
    "Zcl.transaction_sequence_number": lambda _, hop: hop.zcl_sequence,
    "Zdp.transaction_sequence_number": lambda _, hop: hop.zcl_sequence,
}
