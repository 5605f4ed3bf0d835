"""The sample that is shipped: a minute and a half of a small house in which not everything goes well."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import SECOND, Air
from hanscope.captures.simulator.beside import link_entries
from hanscope.captures.simulator.firmware import MILLISECOND, announce
from hanscope.captures.simulator.han import HUB, Role
from hanscope.captures.simulator.truth import Truth
from hanscope.captures.simulator.updates import NOISE, UpdateScenario, play

_HOUSE: Final = UpdateScenario(
    "demo",
    "the sample that is shipped",
    (Role.ESME, Role.HCALCS, Role.PPMID, Role.GSME),
    (Role.REPEATER,),
    (Role.HCALCS,),
)
_FAULTS: Final = ("wrong-hash@ESME", "server-silent:85%@GSME")
_SIZE: Final = 4000
_DEAF_S: Final = (44.6, 45.8)
"""When the sniffer hears nothing: the gas meter is still loading, alone."""


def demo(path: Path | str, *, seed: int = 0) -> Truth:
    """Writes the shipped sample, a pcapng file.

    A PPMID joins; the network key and its link key are in the capture, under the well-known key. Everybody gets new
    firmware; HCALCS and PPMID come to run it. The supplier orders the ESME to activate another image than it has. The
    hub stops answering the GSME, and of what the GSME did get the sniffer missed some.
    """
    return play(
        _HOUSE,
        path,
        seed=seed,
        faults=_FAULTS,
        size=_SIZE,
        noise=replace(NOISE, deaf=(_DEAF_S,)),
        story=_join,
    )


def demo_keys(truth: Truth) -> str:
    """The key file of the demo (TOML): the link keys that the capture itself does not give away."""
    nodes = truth.han.nodes
    lines = ["# Keys for demo.pcapng. The network key and the PPMID's link key are in the capture itself."]
    others = [node for node in nodes if node.role in _HOUSE.roles and node.role is not Role.PPMID]
    for entry in link_entries(nodes[HUB], others):
        lines += ["", *entry]
    return "\n".join(lines) + "\n"


def _join(air: Air) -> None:
    """The PPMID joins the HAN and gets the network key, then a link key of its own."""
    at = (SECOND // 2 + np.arange(12) * 30 * MILLISECOND).tolist()
    ppmid = [node.role for node in air.han.nodes].index(Role.PPMID)
    node = air.han.nodes[ppmid]
    ends: dict[str, Any] = {
        "destination_eui64": np.uint64(node.eui64),
        "source_eui64": np.uint64(air.han.nodes[HUB].eui64),
    }
    air.send(kinds.BEACON_REQUEST, at[0], ppmid)
    air.send(kinds.BEACON, at[1], HUB, association_permit=1)
    air.send(kinds.ASSOCIATION_REQUEST, at[2], ppmid, HUB)
    air.send(kinds.ASSOCIATION_POLL, at[5], ppmid, HUB)
    air.send(kinds.ASSOCIATION_RESPONSE, at[6], HUB, ppmid, assigned_short=node.short)
    air.send(kinds.TRANSPORT_NETWORK_KEY, at[7], HUB, ppmid, key=_row(air.han.network_key), **ends)
    announce(air, at[8], ppmid)
    air.send(kinds.REQUEST_KEY, at[10], ppmid, HUB)
    air.send(kinds.TRANSPORT_LINK_KEY, at[11], HUB, ppmid, key=_row(node.link_key or b""), **ends)


def _row(octets: bytes) -> NDArray[np.uint8]:
    """A column of one row."""
    return np.frombuffer(octets, np.uint8).reshape(1, -1)
