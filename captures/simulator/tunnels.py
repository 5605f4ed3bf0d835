"""GBCS messages through tunnels: between the Communications Hub and several devices at the same time.

A device that is no gas meter is the server of its tunnel, and messages travel as they are. A gas meter is the client:
it fetches what waits for it (GET, GET-RESPONSE) and delivers its own (PUT). A message that is too long for one transfer
goes in blocks (General Block Transfer), whatever is too long for one frame in APS fragments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scapy.packet import Packet

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import SECOND, Air
from hanscope.captures.simulator.han import HUB, Han, Role
from hanscope.captures.simulator.kinds import Security, security_of
from hanscope.captures.simulator.truth import MessageTruth
from hanscope.dissectors.gbcs.codes import USE_CASES, CraFlag
from hanscope.dissectors.gbcs.envelope import BlockTransfer, Envelope, RoutingHeader, parse
from hanscope.dissectors.zigbee.clusters.tunneling import TransferDataClientToServer, TransferDataServerToClient
from hanscope.dissectors.zigbee.zcl import Zcl

MILLISECOND: Final = 1_000_000
FRAGMENT_OCTETS: Final = 61
"""Of the message in each fragment."""
UNFRAGMENTED_OCTETS: Final = 55
"""Data of a Transfer Data that fits into one frame."""
STEP_NS: Final = 130 * MILLISECOND
"""From one fragment to the next."""
PAUSE_NS: Final = 400 * MILLISECOND
BEGIN_NS: Final = 2 * SECOND
STAGGER_NS: Final = 37 * MILLISECOND
"""One device begins so much later than the one before."""
FIRST_TAG: Final = -2
"""Of the first piece; the others' go down from here."""
_GET: Final = b"\x01"
_GET_RESPONSE: Final = b"\x02"
_PUT: Final = b"\x03"
_MOST_WAITING: Final = 255


def device_of(message: Envelope) -> tuple[int, bool]:
    """The EUI-64 of the device that a message goes to or comes from, and whether it goes there."""
    to_device = message.cra_flag == CraFlag.COMMAND
    return (message.target if to_device else message.originator), to_device


def gas_meters(messages: Sequence[Envelope]) -> frozenset[int]:
    """The devices that take part in use cases of gas meters."""
    of_gas = (one for one in messages if (case := USE_CASES.get(one.message_code)) and case.name.startswith("GCS"))
    return frozenset(device_of(one)[0] for one in of_gas)


def blocks_of(message: Envelope, size: int) -> list[bytes]:
    """The message in blocks of `size` octets, each behind its Routing Header."""
    starts = range(0, len(message.octets), size)
    return [
        bytes(
            _routing(message)
            / BlockTransfer(
                last_block=int(start == starts[-1]),
                block_number=number,
                block_data=message.octets[start : start + size],
            )
        )
        for number, start in enumerate(starts, 1)
    ]


def _routing(message: Envelope) -> Packet:
    return RoutingHeader(
        cra_flag=message.cra_flag,
        originator_counter=message.originator_counter,
        originator=message.originator,
        target=message.target,
        message_code=message.message_code,
    )


def _acknowledgement(message: Envelope, number: int) -> bytes:
    """What the receiver of a block answers."""
    return bytes(_routing(message) / BlockTransfer(block_number=0, block_number_acknowledged=number))


@dataclass(frozen=True, slots=True)
class _Said:
    """One message, and which pieces of it went on the air."""

    device: int
    to_device: bool
    octets: bytes
    blocks: int
    pieces: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class _Log:
    """What was said, and how many pieces that took."""

    said: list[_Said] = field(default_factory=list[_Said])
    pieces: int = 0

    def truth(self, heard: Mapping[int, int]) -> tuple[MessageTruth, ...]:
        """`heard`: the first intact frame of each piece that has one."""
        return tuple(
            MessageTruth(
                device=one.device,
                to_device=one.to_device,
                octets=one.octets,
                blocks=one.blocks,
                frames=tuple(sorted(heard[piece] for piece in one.pieces if piece in heard)),
                lost=sum(piece not in heard for piece in one.pieces),
            )
            for one in self.said
        )


class Conversation:
    """Carries messages, each device's in the order given, all devices at the same time."""

    def __init__(
        self, messages: Sequence[bytes], han: Han, *, block: int, largest: int = kinds.LARGEST_TRANSFER
    ) -> None:
        """`block`: octets of a block; messages of more than `largest` go in blocks.

        `EnvelopeError` if one is no message.
        """
        self._han = han
        self._block = block
        self._largest = largest
        self._log = _Log()
        self._by_node: dict[int, list[Envelope]] = {}
        places = {node.eui64: place for place, node in enumerate(han.nodes)}
        for octets in messages:
            message = parse(octets)
            self._by_node.setdefault(places[device_of(message)[0]], []).append(message)
        self.end_ns = max((self._talk(None, place) for place in self._by_node), default=0)
        """When the last of it will have been sent."""
        self._log = _Log()

    def begin(self, air: Air) -> None:
        """Sends everything."""
        for place in self._by_node:
            self._talk(air, place)

    def truth(self, heard: Mapping[int, int]) -> tuple[MessageTruth, ...]:
        """What was sent; `heard`: the first intact frame of each piece that has one."""
        return self._log.truth(heard)

    def _talk(self, air: Air | None, place: int) -> int:
        """One device's tunnel from beginning to end; returns its end. Without `air` nothing is sent."""
        line = _Line(air, self._han, place, BEGIN_NS + place * STAGGER_NS)
        line.open()
        messages = self._by_node[place]
        waiting = sum(device_of(one)[1] for one in messages)
        for message in messages:
            waiting -= device_of(message)[1]
            _say(line, self._log, message, waiting, block=self._block, largest=self._largest)
            line.at_ns += PAUSE_NS
        line.close()
        return line.at_ns


class Tunnels:
    """Carries messages that are handed over one at a time, each when its time has come."""

    def __init__(self, air: Air) -> None:
        self._air = air
        self._lines: dict[int, _Line] = {}
        self._log = _Log()
        self._places = {node.eui64: place for place, node in enumerate(air.han.nodes)}

    def open(self, place: int, at_ns: int) -> int:
        """Opens the tunnel with this node (anew, if it has forgotten it); returns when that is done."""
        line = self._lines.setdefault(place, _Line(self._air, self._air.han, place, at_ns))
        line.at_ns = max(line.at_ns, at_ns)
        line.open()
        return line.at_ns

    def say(self, octets: bytes, at_ns: int) -> int:
        """Carries a message through its device's tunnel, which is open; returns when it has arrived."""
        message = parse(octets)
        line = self._lines[self._places[device_of(message)[0]]]
        line.at_ns = max(line.at_ns, at_ns)
        _say(line, self._log, message, 0, block=kinds.LARGEST_TRANSFER, largest=kinds.LARGEST_TRANSFER)
        return line.at_ns

    @property
    def count(self) -> int:
        """Messages so far; the next one has this place in the truth."""
        return len(self._log.said)

    def truth(self, heard: Mapping[int, int]) -> tuple[MessageTruth, ...]:
        """What was sent; `heard`: the first intact frame of each piece that has one."""
        return self._log.truth(heard)


def _say(line: "_Line", log: _Log, message: Envelope, waiting: int, *, block: int, largest: int) -> None:
    """Sends one message and logs it; `waiting`: messages that the hub has for the device after it."""
    octets, to_device = message.octets, device_of(message)[1]
    in_blocks = len(octets) > largest
    bodies = blocks_of(message, block) if in_blocks else [octets]
    said = _Said(line.place, to_device, octets, len(bodies) if in_blocks else 0)
    for number, body in enumerate(bodies, 1):
        if line.gas and to_device:
            line.transfer(_GET, to_device=False)
            body = _GET_RESPONSE + bytes((min(waiting, _MOST_WAITING),)) + body  # noqa: PLW2901
        elif line.gas:
            body = _PUT + body  # noqa: PLW2901
        count = line.transfer(body, to_device=to_device, first_piece=log.pieces)
        said.pieces.extend(range(log.pieces, log.pieces + count))
        log.pieces += count
        if in_blocks and not line.gas:
            line.transfer(_acknowledgement(message, number), to_device=not to_device)
    if line.sends:
        log.said.append(said)


class _Line:
    """The tunnel between the hub and one device, and how far its time has come."""

    def __init__(self, air: Air | None, han: Han, place: int, at_ns: int) -> None:
        self.place = place
        self.at_ns = at_ns
        self.gas = han.nodes[place].role is Role.GSME
        self._air = air
        self._security: Security = security_of(han.nodes[place])
        self._tunnel_id = place
        self._client, self._server = (place, HUB) if self.gas else (HUB, place)
        self._zcl = 0

    @property
    def sends(self) -> bool:
        """Whether anything really goes on the air."""
        return self._air is not None

    def open(self) -> None:
        asked = self._send(kinds.request_tunnel(self._security), self._client, self._server)
        self._send(
            kinds.request_tunnel_response(self._security),
            self._server,
            self._client,
            answers=asked,
            tunnel_id=self._tunnel_id,
        )

    def close(self) -> None:
        self._send(kinds.close_tunnel(self._security), self._client, self._server, tunnel_id=self._tunnel_id)

    def transfer(self, data: bytes, *, to_device: bool, first_piece: int | None = None) -> int:
        """Sends data; returns how many pieces that took. `first_piece`: the number of the first."""
        source, destination = (HUB, self.place) if to_device else (self.place, HUB)
        from_server = source == self._server

        def tag(piece: int) -> int:
            return -1 if first_piece is None else FIRST_TAG - first_piece - piece

        if len(data) <= UNFRAGMENTED_OCTETS:
            kind = kinds.transfer_data(self._security, len(data), from_server=from_server)
            self._send(kind, source, destination, tag=tag(0), tunnel_id=self._tunnel_id, transfer_data=_row(data))
            return 1
        pieces = list(_cut(self._frame(data, from_server=from_server)))
        first: Any = -1
        for number, piece in enumerate(pieces):
            sent = self._send(
                kinds.fragment(self._security, len(piece), first=not number),
                source,
                destination,
                answers=first,
                tag=tag(number),
                acknowledgement={"block_number": number},
                block_number=number or len(pieces),
                octets=_row(piece),
            )
            first = sent if not number else first
        return len(pieces)

    def _frame(self, data: bytes, *, from_server: bool) -> bytes:
        """The ZCL frame that is fragmented."""
        self._zcl = (self._zcl + 1) % 256
        header = Zcl(
            disable_default_response=1, server_to_client=int(from_server), transaction_sequence_number=self._zcl
        )
        layer = TransferDataServerToClient if from_server else TransferDataClientToServer
        return bytes(header / layer(tunnel_id=self._tunnel_id, transfer_data=data))

    def _send(self, kind: kinds.Kind, source: int, destination: int, **columns: Any) -> Any:
        at_ns = self.at_ns
        self.at_ns += STEP_NS
        return None if self._air is None else self._air.send(kind, at_ns, source, destination, **columns)


def _cut(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets), FRAGMENT_OCTETS):
        yield octets[start : start + FRAGMENT_OCTETS]


def _row(octets: bytes) -> NDArray[np.uint8]:
    """A column of one row."""
    return np.frombuffer(octets, np.uint8).reshape(1, -1)
