"""What the lower layers tell about each message: the columns that every table above NWK begins with."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.columns.rows import Index


class Context(msgspec.Struct, frozen=True):
    """One row for each NWK frame; int64 columns, -1 where a frame does not tell; EUI-64s uint64, 0 unknown."""

    number: Index
    time_ns: Index
    pan_id: Index
    mac_source: Index
    mac_sequence: Index
    nwk_source: Index
    nwk_destination: Index
    nwk_sequence: Index
    nwk_frame_counter: Index
    source_eui64: NDArray[np.uint64]
    destination_eui64: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, which: NDArray[np.intp] | NDArray[np.int64] | NDArray[np.bool_]) -> Context:
        return Context(*(getattr(self, name)[which] for name in self.__struct_fields__))

    @classmethod
    def joined(cls, parts: Sequence[Context]) -> Context:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__struct_fields__))

    def columns(self) -> dict[str, NDArray[np.int64] | NDArray[np.uint64]]:
        """By name, as `OtaTable` calls them too."""
        return {name: getattr(self, name) for name in self.__struct_fields__}
