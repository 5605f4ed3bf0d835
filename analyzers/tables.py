"""The tables that analyzers work on: columns of one kind of message, all of one length, in capture order.

A column is an int64 array in which `ABSENT` (-1) says that the message has no such field. Addresses, codes and versions
are the numbers of the specification; EUI-64s are uint64 arrays in which 0 says *not known*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.dissectors.columns.rows import ascending

ABSENT: Final = -1
DEFAULT_RESPONSE: Final = 0x100
"""`OtaTable.command` of a ZCL default response on cluster 0x0019; which command it answers is in `answered`."""

Column = NDArray[np.int64]


class Table(msgspec.Struct, frozen=True, eq=False):
    """What the tables of all commands have in common; one row a *frame heard*.

    A frame that was sent again (MAC retry, relay by a router, APS retry) is a row each time. What a row carries beside
    numbers lies in one buffer, `buffer[data_at[i] : data_at[i] + data_length[i]]` for row i, and `data_at` ascends.
    """

    buffer_name: ClassVar[str]
    """What the table calls its buffer."""

    number: Column
    """Frame number, 1-based. For a reassembled APS message: of the fragment that completed it."""
    time_ns: Column
    pan_id: Column
    mac_source: Column
    """Short address of the transmitter of this hop; ABSENT if it used an extended address."""
    mac_sequence: Column
    nwk_source: Column
    nwk_destination: Column
    nwk_sequence: Column
    nwk_frame_counter: Column
    """Of the hop's transmitter; ABSENT if the NWK frame was not secured."""
    source_eui64: NDArray[np.uint64]
    destination_eui64: NDArray[np.uint64]
    source_endpoint: Column
    destination_endpoint: Column
    profile: Column
    aps_counter: Column
    aps_secured: Column
    """1 if the APS layer was secured, else 0."""
    zcl_sequence: Column
    from_server: Column
    """ZCL direction: 1 server to client, 0 client to server."""
    command: Column
    """The command's identifier in its cluster, or `DEFAULT_RESPONSE`."""
    data_at: Column
    data_length: Column
    """Octets of data present in the frame (in an `OtaTable` they may differ from `data_size` in a bad frame)."""

    @property
    def buffer(self) -> NDArray[np.uint8]:
        return getattr(self, self.buffer_name)

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def columns(cls) -> list[str]:
        """The names of the columns."""
        return [name for name in cls.__struct_fields__ if name != cls.buffer_name]

    def __reduce__(self) -> tuple[object, ...]:
        """For its way from one process to another a table is made small: of a column of one value, only that."""
        columns = {name: _packed(getattr(self, name)) for name in self.columns()}
        return _unpacked, (type(self), len(self), columns, self.buffer)

    @classmethod
    def of(cls, rows: int, buffer: NDArray[np.uint8] | None = None, **columns: object) -> Self:
        """A table of `rows` rows; columns that are not given are ABSENT (EUI-64s: 0)."""
        values: dict[str, object] = {}
        # One value for all rows takes no memory, and nobody writes into columns.
        absent = np.broadcast_to(np.int64(ABSENT), (rows,))
        unknown = np.broadcast_to(np.uint64(0), (rows,))
        values[cls.buffer_name] = np.zeros(0, np.uint8) if buffer is None else buffer
        for name in cls.columns():
            is_eui64 = name.endswith("eui64")
            given = columns.pop(name, None)
            if given is None:
                values[name] = unknown if is_eui64 else absent
            else:
                column = np.asarray(given, np.uint64 if is_eui64 else np.int64)
                values[name] = column if column.shape == (rows,) else np.broadcast_to(column, (rows,))
        if columns:
            raise TypeError(f"no such column: {', '.join(columns)}")
        return cls(**values)  # pyright: ignore[reportArgumentType] -- built from the class's own fields

    @classmethod
    def joined(cls, tables: Sequence[Self]) -> Self:
        """One after the other, buffers included."""
        starts = np.cumsum([0, *(len(table.buffer) for table in tables)])
        columns: dict[str, NDArray[np.generic]] = {
            name: np.concatenate([getattr(table, name) for table in tables]) for name in cls.__struct_fields__
        }
        columns["data_at"] = np.concatenate(
            [
                np.where(table.data_at >= 0, table.data_at + start, ABSENT)
                for table, start in zip(tables, starts, strict=False)
            ]
        )
        return cls(**columns)  # pyright: ignore[reportArgumentType] -- the class's own fields

    def sorted(self) -> Self:
        """In capture order, and the buffer too."""
        table = self.take(ascending(self.number))
        carriers = np.flatnonzero(table.data_at >= 0)
        at, length = table.data_at[carriers], table.data_length[carriers]
        if (at[1:] >= at[:-1]).all():
            return table
        ends = np.cumsum(length)
        data = table.buffer[np.repeat(at - (ends - length), length) + np.arange(int(ends[-1]))]
        data_at = table.data_at.copy()
        data_at[carriers] = ends - length
        return msgspec.structs.replace(table, data_at=data_at, **{self.buffer_name: data})

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """The chosen rows; the buffer is shared, not copied."""
        return msgspec.structs.replace(self, **{name: getattr(self, name)[rows] for name in self.columns()})


class OtaTable(Table, frozen=True, eq=False):
    """OTA Upgrade commands (ZCL 11.13: 0x00 to 0x09) and default responses on cluster 0x0019."""

    buffer_name: ClassVar[str] = "image_data"

    answered: Column
    """Default response: the command it answers."""
    status: Column
    field_control: Column
    manufacturer_code: Column
    image_type: Column
    file_version: Column
    file_offset: Column
    data_size: Column
    """`data_size` of a block response; `maximum_data_size` of a block or page request."""
    image_size: Column
    page_size: Column
    response_spacing: Column
    minimum_block_period: Column
    current_time: Column
    request_time: Column
    """`request_time` of WAIT_FOR_DATA; `upgrade_time` of an Upgrade End Response."""
    hardware_version: Column
    payload_type: Column
    query_jitter: Column
    disable_default_response: Column
    ack_request: Column
    """1 if an APS acknowledgement was asked for, else 0."""
    surplus: Column
    """Octets behind the command's last field; -1: the command ends before its fields do, none of which was read."""
    image_data: NDArray[np.uint8]


class TunnelTable(Table, frozen=True, eq=False):
    """Tunneling commands (Smart Energy D.6, cluster 0x0704); `from_server` tells which of the two command sets."""

    buffer_name: ClassVar[str] = "transfer_data"

    tunnel_id: Column
    status: Column
    """`tunnel_status` of a Request Tunnel Response, `transfer_data_status` of a Transfer Data Error."""
    protocol_id: Column
    manufacturer_code: Column
    flow_control_support: Column
    maximum_incoming_transfer_size: Column
    octets_left: Column
    transfer_data: NDArray[np.uint8]


def _packed(column: NDArray[np.generic]) -> NDArray[np.generic] | int:
    """One number if all values of the column are that."""
    if len(column) and (column.strides == (0,) or (column[0] == column[-1] and (column == column[0]).all())):
        return int(column[0])
    return column


def _unpacked(kind: type[Table], rows: int, packed: dict[str, object], buffer: NDArray[np.uint8]) -> Table:
    return kind.of(rows, buffer, **packed)
