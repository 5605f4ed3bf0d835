"""Tunnels and what they carry: from Tunneling commands (Smart Energy D.6, cluster 0x0704) to whole GBCS messages.

* **One command heard several times** (MAC retry, relay by a router, APS retry: the same parties, counters and content
  within ten seconds) counts once.
* **A tunnel** is one client, one server and one tunnel identifier in one PAN, from Request Tunnel and its response to
  Close Tunnel or Tunnel Closure Notification. Whoever asks again for a tunnel that he has gets the same one (GBCS
  10.2.2). Requests without success are one entry for each client and server. Data may be all that is heard of a tunnel.
* **Data** is a GBCS message or one block of one. A gas meter's has a header before it: GET (nothing follows),
  GET-RESPONSE and the number of messages that still wait, PUT. As GBCS messages begin with DD or DF and that header
  with 01, 02 or 03, the first octet tells.
* **Blocks** (General Block Transfer) of one message have the same Routing Header and the same direction.
* **What is incomplete** says why: the APS fragments or blocks that are not in the capture. Who sent it to whom is told
  as far as its beginning tells that. A set of fragments without its beginning is reported with the block transfer that
  lacks a block of that time, if there is exactly one of the same sender to the same receiver; a block that is missing
  between two others comes before one that may be missing at an end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

from hanscope.analyzers.reassembly import Incomplete
from hanscope.analyzers.tables import ABSENT, TunnelTable
from hanscope.dissectors.codes import Cluster, TunnelProtocol

if TYPE_CHECKING:
    from hanscope.dissectors.gbcs.envelope import Block, BlockKey

SECOND: Final = 1_000_000_000
SAME_COMMAND_NS: Final = 10 * SECOND
SAME_COMMANDS: Final = 4096
"""Commands that are remembered, to know them again."""
TUNNELS_KEPT: Final = 10_000
MESSAGES_KEPT: Final = 1_000_000
TRANSFERS_KEPT: Final = 10_000
"""Block transfers, and incomplete sets of fragments."""
BLOCKS_KEPT: Final = 1024
"""Of one message."""
EVENTS_KEPT: Final = 100
"""Of one tunnel."""
NEAR_NS: Final = 10 * SECOND
"""How long before the first or after the last block heard one that is missing may have been sent."""
_CLUSTER: Final = Cluster.TUNNELING.to_bytes(2, "little")
_REQUEST, _CLOSE, _DATA, _ERROR, _ACK, _READY = range(6)
_CLOSURE: Final = 0x06
_SUCCESS: Final = 0
_GET, _GET_RESPONSE, _PUT = 1, 2, 3
_FILL: Final = 1 << 16

GasCommand = Literal["GET-RESPONSE", "PUT"]
State = Literal["open", "closed", "refused", "requested"]


class End(NamedTuple):
    """A device in one PAN."""

    short: int
    eui64: int
    """0: not known."""


class Event(NamedTuple):
    """A step of a tunnel's life."""

    time_ns: int
    frame: int
    what: str


class Identity(NamedTuple):
    """Which message it is."""

    cra_flag: int
    message_code: int
    originator: int
    target: int
    originator_counter: int


class Carrier(NamedTuple):
    """The fragments that a reassembled command came in."""

    began_ns: int
    frames: tuple[int, ...]


@dataclass(slots=True)
class Tunnel:
    """One tunnel, as far as it was heard."""

    pan_id: int
    client: End
    server: End
    state: State
    tunnel_id: int | None = None
    heard_open: bool = False
    """Whether the response that opened it was heard."""
    protocol_id: int | None = None
    manufacturer_code: int | None = None
    flow_control: bool | None = None
    client_maximum: int | None = None
    server_maximum: int | None = None
    first_frame: int = 0
    last_frame: int = 0
    to_server: int = 0
    to_client: int = 0
    """Transfer Data commands."""
    fetches: int = 0
    """GETs of a gas meter."""
    events: list[Event] = field(default_factory=list[Event])

    def tell(self, time_ns: int, frame: int, what: str) -> None:
        if len(self.events) < EVENTS_KEPT:
            self.events.append(Event(time_ns, frame, what))


@dataclass(frozen=True, slots=True)
class Carried:
    """One message that was carried; `why` says what made it incomplete."""

    octets: bytes
    """Of an incomplete one its beginning, as far as it is there."""
    tunnel: Tunnel | None
    """`None`: the part that names it is missing."""
    pan_id: int
    sender: End
    receiver: End
    gas_command: GasCommand | None
    remaining: int | None
    blocks: int
    """In how many blocks it came, or of how many anything was heard; 0: whole."""
    began_ns: int
    ended_ns: int
    frames: tuple[int, ...]
    why: str | None = None
    identity: Identity | None = None
    """Of an incomplete one, if its beginning tells."""


class _Row(NamedTuple):
    """A command that was heard first."""

    number: int
    time_ns: int
    pan_id: int
    sender: End
    receiver: End
    from_server: bool
    command: int
    zcl_sequence: int
    tunnel_id: int
    status: int
    data: bytes

    @property
    def client(self) -> End:
        return self.receiver if self.from_server else self.sender

    @property
    def server(self) -> End:
        return self.sender if self.from_server else self.receiver


class _Lack(IntEnum):
    """Whether a block is missing that may have been sent at some time."""

    NONE = 0
    NEAR = 1
    """Before the first or after the last that was heard."""
    WITHIN = 2
    """Between two that were heard: it was sent then."""


@dataclass(slots=True)
class _BlockTransfer:
    """The blocks of one message."""

    tunnel: Tunnel | None
    pan_id: int
    sender: End
    receiver: End
    key: BlockKey
    gas_command: GasCommand | None
    remaining: int | None
    began_ns: int
    ended_ns: int
    blocks: list[Block] = field(default_factory=list["Block"])
    frames: set[int] = field(default_factory=set[int])
    begins: dict[int, int] = field(default_factory=dict[int, int])
    """When each block began of which anything was heard."""
    end: int | None = None
    """The number of the last block, once that is known."""
    broken: dict[int, str] = field(default_factory=dict[int, str])
    """Why a block did not come."""
    strays: list[str] = field(default_factory=list[str])
    """Frames of what may have been one of the blocks that did not come."""
    overflow: bool = False

    def sent(self, number: int, last: bool, began_ns: int, ended_ns: int) -> None:  # noqa: FBT001 -- as in the header
        self.begins.setdefault(number, began_ns)
        self.began_ns = min(self.began_ns, began_ns)
        self.ended_ns = max(self.ended_ns, ended_ns)
        if last:
            self.end = number

    def silent(self) -> list[int]:
        """The blocks of which nothing was heard, as far as their number is known."""
        highest = max(self.begins, default=0) if self.end is None else self.end
        return [number for number in range(1, highest + 1) if number not in self.begins]

    def lacked(self, at_ns: int) -> _Lack:
        """Whether a block of which nothing was heard may have begun at this time."""
        earlier, earlier_ns = 0, self.began_ns - NEAR_NS
        for number, began_ns in sorted(self.begins.items()):
            if number > earlier + 1 and earlier_ns <= at_ns <= began_ns:
                return _Lack.WITHIN if earlier else _Lack.NEAR
            earlier, earlier_ns = number, began_ns
        is_after = self.end != earlier and earlier_ns <= at_ns <= self.ended_ns + NEAR_NS
        return _Lack.NEAR if is_after else _Lack.NONE


class _Wrapped(NamedTuple):
    """What Transfer Data carries, and the gas meter's header before it."""

    gas_command: GasCommand | None
    remaining: int | None
    message: bytes


class TunnelBuilder:
    """Takes tunneling commands in capture order; what they come to says `finish`."""

    def __init__(self) -> None:
        self.overlooked = 0
        """Commands and messages beyond what is kept."""
        self._same: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._tunnels: list[Tunnel] = []
        self._by_id: dict[tuple[int, int, int, int], Tunnel] = {}
        self._asking: dict[tuple[int, int, int], Tunnel] = {}
        self._carried: list[Carried] = []
        self._transfers: dict[tuple[int, int, int, BlockKey], _BlockTransfer] = {}
        self._whole: dict[tuple[int, int, int, BlockKey], bytes] = {}
        """Messages that block transfers came to, to know blocks again that are sent once more."""
        self._broken: list[Incomplete] = []

    def feed(self, table: TunnelTable, carriers: Mapping[int, Carrier]) -> None:
        """Takes the commands of one batch; `carriers` by the number of the frame that completed a reassembled one."""
        for at in range(len(table)):
            row = _row(table, at)
            if self._is_repeated(table, at, row):
                continue
            if row.command == _REQUEST:
                (self._answered if row.from_server else self._requested)(table, at, row)
            else:
                self._within(table, at, row, carriers)

    def broken(self, fragments: Incomplete) -> None:
        """Takes fragments of an APS message that stayed incomplete, whatever it was."""
        # Tunneling is unicast: the octets before the cluster are frame control and endpoint.
        if fragments.header[2:4] == _CLUSTER and not fragments.header[0] & 0x0C:
            if len(self._broken) < TRANSFERS_KEPT:
                self._broken.append(fragments)
            else:
                self.overlooked += 1

    def finish(self) -> tuple[list[Tunnel], list[Carried]]:
        """All tunnels, and all messages in the order in which they began."""
        headless = [one for one in self._broken if not self._understand(one)]
        lacking = [one for one in self._transfers.values() if not self._is_repetition(one)]
        for fragments in headless:
            self._attribute(fragments, lacking)
        self._carried.extend(map(_lacking, lacking))
        self._carried.sort(key=lambda one: (one.began_ns, one.frames))
        tunnels = sorted((*self._tunnels, *self._asking.values()), key=lambda one: one.first_frame)
        return tunnels, self._carried

    def _is_repeated(self, table: TunnelTable, at: int, row: _Row) -> bool:
        key = (
            row.pan_id,
            row.sender.short,
            row.receiver.short,
            int(table.aps_counter[at]),
            row.zcl_sequence,
            row.from_server,
            row.command,
            row.tunnel_id,
            row.status,
            row.data,
        )
        heard = self._same.pop(key, None)
        self._same[key] = row.time_ns
        if len(self._same) > SAME_COMMANDS:
            self._same.popitem(last=False)
        return heard is not None and row.time_ns - heard <= SAME_COMMAND_NS

    # -- the life of tunnels -------------------------------------------------------------------------------------------

    def _requested(self, table: TunnelTable, at: int, row: _Row) -> None:
        tunnel = self._asked(row)
        tunnel.protocol_id = _or_none(int(table.protocol_id[at]))
        tunnel.manufacturer_code = _or_none(int(table.manufacturer_code[at]))
        tunnel.flow_control = bool(table.flow_control_support[at] > 0)
        tunnel.client_maximum = _or_none(int(table.maximum_incoming_transfer_size[at]))
        tunnel.tell(row.time_ns, row.number, "requested")

    def _asked(self, row: _Row) -> Tunnel:
        """The entry for what this client asks of this server."""
        place = row.pan_id, row.client.short, row.server.short
        tunnel = self._asking.get(place)
        if tunnel is None:
            tunnel = _tunnel_of(row, "requested")
            if len(self._asking) < TUNNELS_KEPT:
                self._asking[place] = tunnel
            else:
                self.overlooked += 1
        tunnel.last_frame = row.number
        return tunnel

    def _answered(self, table: TunnelTable, at: int, row: _Row) -> None:
        asked = self._asked(row)
        if row.status != _SUCCESS:
            asked.state = "refused"
            asked.tell(row.time_ns, row.number, f"refused: {_status_text('TunnelStatus', row.status)}")
            return
        self._asking.pop((row.pan_id, row.client.short, row.server.short), None)
        place = row.pan_id, row.client.short, row.server.short, row.tunnel_id
        known = self._by_id.get(place)
        if known is not None and known.state == "open":
            for event in asked.events:
                known.tell(*event)
            known.protocol_id = known.protocol_id if asked.protocol_id is None else asked.protocol_id
            what = "given again" if known.heard_open else "given"
        else:
            known, what = asked, "opened"
            known.tunnel_id, known.state = row.tunnel_id, "open"
            self._list(place, known)
        known.heard_open = True
        known.server_maximum = _or_none(int(table.maximum_incoming_transfer_size[at]))
        known.last_frame = row.number
        known.tell(row.time_ns, row.number, what)

    def _list(self, place: tuple[int, int, int, int], tunnel: Tunnel) -> None:
        if len(self._tunnels) < TUNNELS_KEPT:
            self._tunnels.append(tunnel)
            self._by_id[place] = tunnel
        else:
            self.overlooked += 1

    def _tunnel(self, row: _Row) -> Tunnel:
        """The tunnel that a command is about, whether its beginning was heard or not."""
        place = row.pan_id, row.client.short, row.server.short, row.tunnel_id
        known = self._by_id.get(place)
        if known is None:
            known = _tunnel_of(row, "open")
            known.tunnel_id = row.tunnel_id
            self._list(place, known)
        known.last_frame = row.number
        return known

    def _within(self, table: TunnelTable, at: int, row: _Row, carriers: Mapping[int, Carrier]) -> None:
        """A command about a tunnel that is, or should be, there."""
        if row.tunnel_id == ABSENT:
            return  # cut off: counted as malformed
        tunnel = self._tunnel(row)
        who = "server" if row.from_server else "client"
        command = row.command + 1 if row.from_server and row.command != _CLOSURE else row.command
        if command == _DATA:
            if row.from_server:
                tunnel.to_client += 1
            else:
                tunnel.to_server += 1
            if tunnel.state == "closed":
                tunnel.tell(row.time_ns, row.number, f"data of the {who} after it was closed")
            self._data(tunnel, row, carriers.get(row.number))
        elif command == _ERROR:
            why = _status_text("TransferDataStatus", row.status)
            tunnel.tell(row.time_ns, row.number, f"data refused by the {who}: {why}")
        elif command in (_ACK, _READY):
            left = int(table.octets_left[at])
            what = "acknowledged data" if command == _ACK else "is ready for data"
            tunnel.tell(row.time_ns, row.number, f"the {who} {what}, {left} octets left")
        else:  # Close Tunnel, Tunnel Closure Notification
            tunnel.state = "closed"
            tunnel.tell(row.time_ns, row.number, f"closed by the {who}")

    # -- what they carry -----------------------------------------------------------------------------------------------

    def _data(self, tunnel: Tunnel, row: _Row, carrier: Carrier | None) -> None:
        if tunnel.protocol_id not in (None, TunnelProtocol.GB_HRGP):
            return
        if row.data[:1] == bytes((_GET,)):
            tunnel.fetches += 1
            return
        wrapped = _unwrapped(row.data)
        if not wrapped.message:
            return
        began_ns, frames = carrier or Carrier(row.time_ns, (row.number,))
        if wrapped.message[:2] == b"\xdd\x09":
            self._block(tunnel, row, wrapped, began_ns, frames)
        else:
            self._keep(_carried(tunnel, row, wrapped, began_ns, frames))

    def _keep(self, carried: Carried) -> None:
        if len(self._carried) < MESSAGES_KEPT:
            self._carried.append(carried)
        else:
            self.overlooked += 1

    def _block(self, tunnel: Tunnel, row: _Row, wrapped: _Wrapped, began_ns: int, frames: tuple[int, ...]) -> None:
        """One block of a larger message; the last one that was missing completes it."""
        from hanscope.dissectors.gbcs.envelope import EnvelopeError, parse_block, reassemble  # noqa: PLC0415 -- Scapy

        try:
            block = parse_block(wrapped.message)
        except EnvelopeError as error:
            self._keep(_carried(tunnel, row, wrapped, began_ns, frames, why=str(error)))
            return
        if not block.data:
            return  # an acknowledgement
        place = row.pan_id, row.sender.short, row.receiver.short, block.key
        transfer = self._transfer(place, tunnel, row.sender, row.receiver, wrapped, began_ns)
        transfer.sent(block.number, block.last, began_ns, row.time_ns)
        transfer.frames.update(frames)
        if len(transfer.blocks) >= BLOCKS_KEPT:
            transfer.overflow = True
            return
        transfer.blocks.append(block)
        if transfer.end is None or len(transfer.blocks) < transfer.end:
            return
        message = reassemble(transfer.blocks).message
        if message is None:
            return
        del self._transfers[place]
        if len(self._whole) < TRANSFERS_KEPT:
            self._whole[place] = message
        self._keep(_of_blocks(transfer, message, None))

    def _transfer(
        self,
        place: tuple[int, int, int, BlockKey],
        tunnel: Tunnel | None,
        sender: End,
        receiver: End,
        wrapped: _Wrapped,
        began_ns: int,
    ) -> _BlockTransfer:
        transfer = self._transfers.get(place)
        if transfer is None:
            pan_id, _, _, key = place
            command, remaining, _ = wrapped
            transfer = _BlockTransfer(
                tunnel, pan_id, sender, receiver, key, command, remaining, began_ns, ended_ns=began_ns
            )
            if len(self._transfers) < TRANSFERS_KEPT:
                self._transfers[place] = transfer
            else:
                self.overlooked += 1
        return transfer

    # -- what is incomplete --------------------------------------------------------------------------------------------

    def _is_repetition(self, transfer: _BlockTransfer) -> bool:
        """Whether a message came whole, and these blocks of it were sent once more."""
        from hanscope.dissectors.gbcs.envelope import reassemble  # noqa: PLC0415 -- imports Scapy

        whole = self._whole.get((transfer.pan_id, transfer.sender.short, transfer.receiver.short, transfer.key))
        conflicting = reassemble(transfer.blocks).conflicting
        return whole is not None and not conflicting and all(block.data in whole for block in transfer.blocks)

    def _understand(self, fragments: Incomplete) -> bool:
        """Whether the beginning of an incomplete set is there; then it stands for a message, or a block of one."""
        if 0 not in fragments.blocks:
            return False
        command = _beginning(fragments)
        if command is None:
            return True
        sender, receiver, from_server, tunnel_id, data = command
        wrapped = _unwrapped(data)
        client, server = (receiver, sender) if from_server else (sender, receiver)
        tunnel = self._by_id.get((fragments.pan_id, client.short, server.short, tunnel_id))
        why = _missing_fragments(fragments)
        if (block := _told(wrapped.message, _block_identity)) is not None:
            key, number, last = block
            place = fragments.pan_id, sender.short, receiver.short, key
            transfer = self._transfer(place, tunnel, sender, receiver, wrapped, fragments.began_ns)
            transfer.sent(number, last, fragments.began_ns, fragments.heard_ns)
            transfer.broken[number] = why
            transfer.frames.update(fragments.frames.values())
            return True
        self._keep(
            Carried(
                octets=wrapped.message,
                tunnel=tunnel,
                pan_id=fragments.pan_id,
                sender=sender,
                receiver=receiver,
                gas_command=wrapped.gas_command,
                remaining=wrapped.remaining,
                blocks=0,
                began_ns=fragments.began_ns,
                ended_ns=fragments.heard_ns,
                frames=tuple(sorted(fragments.frames.values())),
                why=why,
                identity=_told(wrapped.message, _message_identity),
            )
        )
        return True

    def _attribute(self, fragments: Incomplete, lacking: Sequence[_BlockTransfer]) -> None:
        """Fragments that do not tell what they belong to: with the one block transfer that they fit, or alone."""
        frames = tuple(sorted(fragments.frames.values()))
        ends = fragments.pan_id, fragments.source, fragments.destination
        near = [
            (lack, one)
            for one in lacking
            if (one.pan_id, one.sender.short, one.receiver.short) == ends and (lack := one.lacked(fragments.began_ns))
        ]
        best = max((lack for lack, _ in near), default=_Lack.NONE)
        fitting = [one for lack, one in near if lack is best]
        if len(fitting) == 1:
            (transfer,) = fitting
            transfer.strays.append(_listed(frames))
            transfer.frames.update(frames)
            return
        self._keep(
            Carried(
                octets=b"",
                tunnel=None,
                pan_id=fragments.pan_id,
                sender=End(fragments.source, fragments.source_eui64),
                receiver=End(fragments.destination, fragments.destination_eui64),
                gas_command=None,
                remaining=None,
                blocks=0,
                began_ns=fragments.began_ns,
                ended_ns=fragments.heard_ns,
                frames=frames,
                why="the first APS fragment, which tells what it is, is not in the capture",
            )
        )


def _row(table: TunnelTable, at: int) -> _Row:
    data_at, length = int(table.data_at[at]), int(table.data_length[at])
    return _Row(
        number=int(table.number[at]),
        time_ns=int(table.time_ns[at]),
        pan_id=int(table.pan_id[at]),
        sender=End(int(table.nwk_source[at]), int(table.source_eui64[at])),
        receiver=End(int(table.nwk_destination[at]), int(table.destination_eui64[at])),
        from_server=bool(table.from_server[at]),
        command=int(table.command[at]),
        zcl_sequence=int(table.zcl_sequence[at]),
        tunnel_id=int(table.tunnel_id[at]),
        status=int(table.status[at]),
        data=table.transfer_data[data_at : data_at + length].tobytes() if data_at >= 0 else b"",
    )


def _tunnel_of(row: _Row, state: State) -> Tunnel:
    return Tunnel(row.pan_id, row.client, row.server, state, first_frame=row.number, last_frame=row.number)


def _unwrapped(data: bytes) -> _Wrapped:
    """Takes the gas meter's header off."""
    match data[0] if data else None:
        case 2:
            return _Wrapped("GET-RESPONSE", data[1] if len(data) > 1 else None, data[2:])
        case 3:
            return _Wrapped("PUT", None, data[1:])
        case _:
            return _Wrapped(None, None, data)


def _carried(
    tunnel: Tunnel, row: _Row, wrapped: _Wrapped, began_ns: int, frames: tuple[int, ...], why: str | None = None
) -> Carried:
    return Carried(
        octets=wrapped.message,
        tunnel=tunnel,
        pan_id=row.pan_id,
        sender=row.sender,
        receiver=row.receiver,
        gas_command=wrapped.gas_command,
        remaining=wrapped.remaining,
        blocks=0,
        began_ns=began_ns,
        ended_ns=row.time_ns,
        frames=frames,
        why=why,
    )


def _of_blocks(transfer: _BlockTransfer, octets: bytes, why: str | None) -> Carried:
    key = transfer.key
    identity = Identity(key.cra_flag, key.message_code, key.originator, key.target, key.originator_counter)
    return Carried(
        octets=octets,
        tunnel=transfer.tunnel,
        pan_id=transfer.pan_id,
        sender=transfer.sender,
        receiver=transfer.receiver,
        gas_command=transfer.gas_command,
        remaining=transfer.remaining,
        blocks=len(transfer.begins),
        began_ns=transfer.began_ns,
        ended_ns=transfer.ended_ns,
        frames=tuple(sorted(transfer.frames)),
        why=why,
        identity=None if why is None else identity,
    )


def _lacking(transfer: _BlockTransfer) -> Carried:
    """A block transfer that stayed incomplete, and why."""
    from hanscope.dissectors.gbcs.envelope import reassemble  # noqa: PLC0415 -- imports Scapy

    found = reassemble(transfer.blocks)
    told = [f"block {number}: {why}" for number, why in sorted(transfer.broken.items())]
    if silent := transfer.silent():
        told.append(f"{_numbered('block', silent)} not in the capture")
    if transfer.end is None and not transfer.overflow:
        told.append("the last block is not in the capture")
    if transfer.strays:
        told.append(f"what came in {', and '.join(transfer.strays)} without its beginning may have been of it")
    if found.conflicting:
        told.append(f"{_numbered('block', found.conflicting)} contradictory")
    if transfer.overflow:
        told.append(f"more than {BLOCKS_KEPT} blocks")
    parts = {block.number: block.data for block in reversed(transfer.blocks)}
    reach = next((number for number in range(1, len(parts) + 2) if number not in parts), 1)
    return _of_blocks(transfer, b"".join(parts[number] for number in range(1, reach)), "; ".join(told))


class _Beginning(NamedTuple):
    sender: End
    receiver: End
    from_server: bool
    tunnel_id: int
    data: bytes


def _beginning(fragments: Incomplete) -> _Beginning | None:
    """What the first fragments say, up to the first gap, if they are Transfer Data of a known tunnel protocol."""
    from hanscope.dissectors.layer import MalformedError  # noqa: PLC0415 -- imports Scapy
    from hanscope.dissectors.zigbee.aps import Aps  # noqa: PLC0415
    from hanscope.dissectors.zigbee.clusters.tunneling import (  # noqa: PLC0415
        TransferDataClientToServer,
        TransferDataServerToClient,
    )

    blocks = fragments.blocks
    reach = next(number for number in range(len(blocks) + 1) if number not in blocks)
    try:
        packet = Aps(fragments.header + b"".join(blocks[number] for number in range(reach)))
    except MalformedError:
        return None
    sender = End(fragments.source, fragments.source_eui64)
    receiver = End(fragments.destination, fragments.destination_eui64)
    for layer, from_server in ((TransferDataClientToServer, False), (TransferDataServerToClient, True)):
        if (found := packet.getlayer(layer)) is not None:
            return _Beginning(sender, receiver, from_server, found.tunnel_id, bytes(found.transfer_data))
    return None


_Told = TypeVar("_Told")


def _told(beginning: bytes, reader: Callable[[bytes], _Told | None]) -> _Told | None:
    """What the beginning of a message tells by itself: what does not depend on what follows."""
    from hanscope.dissectors.gbcs.envelope import EnvelopeError  # noqa: PLC0415 -- imports Scapy

    try:
        one, other = (reader(beginning + filling * _FILL) for filling in (b"\x00", b"\x7f"))
    except EnvelopeError:
        return None
    return one if one == other else None


def _message_identity(octets: bytes) -> Identity:
    from hanscope.dissectors.gbcs.envelope import parse  # noqa: PLC0415 -- imports Scapy

    found = parse(octets)
    return Identity(found.cra_flag, found.message_code, found.originator, found.target, found.originator_counter)


def _block_identity(octets: bytes) -> tuple[BlockKey, int, bool]:
    from hanscope.dissectors.gbcs.envelope import parse_block  # noqa: PLC0415 -- imports Scapy

    found = parse_block(octets)
    return found.key, found.number, found.last


def _missing_fragments(fragments: Incomplete) -> str:
    total = fragments.total or 0
    missing = [number + 1 for number in range(total) if number not in fragments.blocks]
    return f"{_numbered('APS fragment', missing, f' of {total}')} not in the capture"


def _numbered(noun: str, numbers: Sequence[int], of: str = "") -> str:
    """As the beginning of a sentence: "block 2 is", "blocks 2, 4 to 7 are"."""
    return f"{noun} {_ranges(numbers)}{of} is" if len(numbers) == 1 else f"{noun}s {_ranges(numbers)}{of} are"


def _ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers, runs of three and more as ranges."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words: list[str] = []
    for first, last in runs:
        words += [f"{first} to {last}"] if last > first + 1 else [str(number) for number in range(first, last + 1)]
    return ", ".join(words)


def _listed(frames: Sequence[int]) -> str:
    return f"frame {frames[0]}" if len(frames) == 1 else f"frames {_ranges(frames)}"


def _status_text(codes: Literal["TunnelStatus", "TransferDataStatus"], value: int) -> str:
    """A status in words."""
    from hanscope.dissectors.zigbee.clusters import tunneling  # noqa: PLC0415 -- imports Scapy

    try:
        return str(getattr(tunneling, codes)(value).name).replace("_", " ").lower()
    except ValueError:
        return f"status {value:#04x}"


def _or_none(value: int) -> int | None:
    return None if value == ABSENT else value
