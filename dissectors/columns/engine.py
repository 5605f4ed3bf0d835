"""The engine: the four stages over our layers, whose Scapy side is imported only when an unknown kind of frame turns
up.

| stage | begins at | sees |
|---|---|---|
| `Mac` | the PSDU without FCS | MAC header, commands, beacons |
| `Nwk` | the MAC payload | NWK header, security header |
| `NwkCommand` | an opened or plain NWK payload | NWK commands |
| `Aps` | an opened or plain NWK payload | APS header and commands, ZDP, ZCL, OTA |

Plaintext that was opened goes back into a stage as a frame without security, so that stages add up and do not multiply.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hanscope.dissectors.columns.layout import Layout, Layouts
from hanscope.dissectors.columns.stage import Stage

if TYPE_CHECKING:
    from scapy.packet import Packet

STAGES: Final = ("Mac", "Nwk", "NwkCommand", "Aps")

_SOURCES: Final = (
    "layer.py",
    "fields.py",
    "codes.py",
    "ieee802154.py",
    "columns/layout.py",
    "columns/record.py",
    "zigbee",
    "zigbee/clusters",
)
"""Files and folders of `dissectors` that decide what a recorded layout says."""


@lru_cache(maxsize=1)
def entries() -> dict[str, "type[Packet]"]:
    """The first layer class of each stage (imports Scapy)."""
    from hanscope.dissectors.ieee802154 import Mac  # noqa: PLC0415 -- importing Scapy costs more than most captures
    from hanscope.dissectors.zigbee.aps import Aps  # noqa: PLC0415
    from hanscope.dissectors.zigbee.nwk import Nwk, NwkCommand  # noqa: PLC0415

    return {"Mac": Mac, "Nwk": Nwk, "NwkCommand": NwkCommand, "Aps": Aps}


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """What the recorded layouts depend on: our layers' sources and Scapy's version."""
    here = Path(__file__).parents[1]
    digest = hashlib.sha256(_scapy_version())
    for name in _SOURCES:
        place = here / name
        for file in [place] if place.suffix else sorted(place.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _scapy_version() -> bytes:
    """Scapy's version, without importing Scapy (nor `importlib.metadata`, which takes as long as a small capture)."""
    found = find_spec("scapy")
    with suppress(OSError):
        if found is not None and found.origin is not None:
            return (Path(found.origin).parent / "VERSION").read_bytes().strip()
    from importlib import metadata  # noqa: PLC0415 -- see above

    return metadata.version("scapy").encode()


class Engine:
    """The stages and their layouts. Not thread-safe: one for each process."""

    def __init__(self, known: Layouts | None = None) -> None:
        known = known or {}
        self.mac, self.nwk, self.command, self.aps = (
            Stage(name, _recorder(name), known.get(name, ())) for name in STAGES
        )

    @property
    def stages(self) -> tuple[Stage, Stage, Stage, Stage]:
        return self.mac, self.nwk, self.command, self.aps

    @property
    def learned(self) -> Layouts:
        """The layouts that nobody knew before."""
        return {stage.name: stage.learned for stage in self.stages if stage.learned}

    def know(self, layouts: Layouts) -> None:
        """Takes over what another engine learned."""
        for stage in self.stages:
            stage.know(layouts.get(stage.name, ()))

    def layouts(self) -> Layouts:
        """All layouts, to be kept for the next run."""
        return {stage.name: stage.layouts for stage in self.stages}


def _recorder(name: str) -> Callable[[bytes], Layout | None]:
    def recorder(octets: bytes) -> Layout | None:
        from hanscope.dissectors.columns.record import record  # noqa: PLC0415 -- see `entries`

        classes = entries()
        return record(classes[name], tuple(classes.values()), octets)

    return recorder
