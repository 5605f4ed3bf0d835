"""One batch of frames, from the MAC header to the OTA commands: sorted, opened, reassembled and put into tables.

`Dissector` does all that needs no memory of earlier batches but keys and addresses, so that batches can be dissected by
several processes at once. What follows from one batch to the next (fragments, transfers) is done in capture order by
`hanscope.analyzers.analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.addresses import AddressBook, Evidence, Sighting, Told
from hanscope.analyzers.context import Context
from hanscope.analyzers.keyevents import KeyCommand, key_commands
from hanscope.analyzers.keys import KeyRing, KnownKey, Uses
from hanscope.analyzers.network import Traffic, traffic_of
from hanscope.analyzers.opening import Opener, Reason, Sealed, Texts, sealed_frames
from hanscope.analyzers.tables import ABSENT, DEFAULT_RESPONSE, OtaTable, Table, TunnelTable
from hanscope.captures.batch import Fcs, FrameBatch
from hanscope.dissectors.codes import Cluster, OtaCommand
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.columns.layout import Layout, Layouts
from hanscope.dissectors.columns.rows import SLACK, Index, Octets, ascending, distinct, padded, rows
from hanscope.dissectors.columns.stage import Frames, Group, Sifted

if TYPE_CHECKING:
    from hanscope.analyzers.evidence import Hearing

APS_ACKNOWLEDGEMENT: Final = 2
"""Frame type (05-3474 2.2.5.1.1.1)."""
ROUNDS: Final = 6
"""How often a batch is read again because it taught a key: a network key opens the way to a link key, and so on."""

UPDATE_DEVICE_LEFT: Final = 2
"""Status of an Update-Device command: the device has left (4.4.10.2.3)."""
_TELLERS: Final = {
    "DeviceAnnounce": Told.DEVICE_ANNOUNCE,
    "NwkAddressResponse": Told.NWK_ADDRESS_RESPONSE,
    "IeeeAddressResponse": Told.IEEE_ADDRESS_RESPONSE,
}
"""ZDP commands that tell both addresses of a device."""

TRANSPORTED: Final = 1000
"""Transport-Key commands of one kind and batch that are looked at."""

OTA_COMMANDS: Final = {one.name.title().replace("_", ""): one.value for one in OtaCommand}
"""By the name of its layer."""
_COLUMNS: Final = {
    "status": "status",
    "manufacturer_code": "manufacturer_code",
    "image_type": "image_type",
    "file_version": "file_version",
    "file_offset": "file_offset",
    "maximum_data_size": "data_size",
    "data_size": "data_size",
    "image_size": "image_size",
    "page_size": "page_size",
    "response_spacing": "response_spacing",
    "minimum_block_period": "minimum_block_period",
    "current_time": "current_time",
    "request_time": "request_time",
    "upgrade_time": "request_time",
    "hardware_version": "hardware_version",
    "payload_type": "payload_type",
    "query_jitter": "query_jitter",
}
"""Which column of `OtaTable` each field of the OTA layers goes to."""
_FIELD_CONTROL: Final = frozenset(
    {OtaCommand.QUERY_NEXT_IMAGE_REQUEST, OtaCommand.IMAGE_BLOCK_REQUEST, OtaCommand.IMAGE_PAGE_REQUEST}
)
"""Commands whose payload begins with a field control octet."""

TUNNEL_COMMANDS: Final = {
    "RequestTunnel": 0x00,
    "CloseTunnel": 0x01,
    "TransferDataClientToServer": 0x02,
    "TransferDataErrorClientToServer": 0x03,
    "AckTransferDataClientToServer": 0x04,
    "ReadyDataClientToServer": 0x05,
    "RequestTunnelResponse": 0x00,
    "TransferDataServerToClient": 0x01,
    "TransferDataErrorServerToClient": 0x02,
    "AckTransferDataServerToClient": 0x03,
    "ReadyDataServerToClient": 0x04,
    "TunnelClosureNotification": 0x06,
}
_TUNNEL_COLUMNS: Final = {
    "tunnel_id": "tunnel_id",
    "tunnel_status": "status",
    "transfer_data_status": "status",
    "protocol_id": "protocol_id",
    "manufacturer_code": "manufacturer_code",
    "flow_control_support": "flow_control_support",
    "maximum_incoming_transfer_size": "maximum_incoming_transfer_size",
    "octets_left": "octets_left",
}
"""Which column of `TunnelTable` each field of the Tunneling layers goes to."""


class Tally(msgspec.Struct):
    """Frames that had a layer, and those that end too early for it."""

    frames: int = 0
    malformed: int = 0
    first_malformed: int | None = None

    def add(self, other: Tally) -> None:
        self.frames += other.frames
        self.malformed += other.malformed
        firsts = [one for one in (self.first_malformed, other.first_malformed) if one is not None]
        self.first_malformed = min(firsts, default=None)


class Shut(NamedTuple):
    """A reason why frames stayed encrypted."""

    layer: str
    pan_id: int
    reason: Reason


class Acknowledgements(NamedTuple):
    """APS acknowledgements on cluster 0x0019."""

    key: NDArray[np.uint64]
    time_ns: Index


def ack_key(pan_id: Any, source: Any, destination: Any, counter: Any, endpoint: Any) -> Any:
    """What a message and its acknowledgement have in common; addresses and endpoint are those of the message's source
    and destination.
    """
    low = (counter & 0xFF) << 8 | (endpoint & 0xFF)
    return (pan_id & 0xFFFF) << 48 | (source & 0xFFFF) << 32 | (destination & 0xFFFF) << 16 | low


class Fragments(msgspec.Struct, frozen=True):
    """APS fragments in the clear (ZigBee 05-3474 2.2.8.4.5), one row each, in capture order."""

    context: Context
    header: Octets
    """(n, h) the APS header as it would be without fragmentation, zero padded."""
    header_length: Index
    first: NDArray[np.bool_]
    block: Index
    """First fragment: number of fragments; others: which one."""
    aps_secured: NDArray[np.bool_]
    octets: Octets
    """(n, w) zero padded."""
    length: Index

    def __len__(self) -> int:
        return len(self.block)


class Dissected(msgspec.Struct):
    """What came of one batch."""

    frames: int = 0
    other_frames: int = 0
    bad_fcs: int = 0
    unchecked_fcs: int = 0
    truncated: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    tallies: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    loose: int = 0
    """Frames of kinds beyond what the engine keeps; nothing was read from them."""
    shut: dict[Shut, list[int]] = msgspec.field(default_factory=dict[Shut, list[int]])
    """[frames, first frame]."""
    uses: Uses = msgspec.field(default_factory=dict)
    learned: tuple[KnownKey, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    key_commands: tuple[KeyCommand, ...] = ()
    traffic: Traffic | None = None
    hearing: Hearing | None = None
    acks: Acknowledgements | None = None
    damaged_ota: OtaTable | None = None
    """OTA commands that end before their fields do; nothing behind the ZCL header was read from them."""
    ota: OtaTable = msgspec.field(default_factory=lambda: OtaTable.of(0))
    tunnels: TunnelTable | None = None
    fragments: Fragments | None = None
    layouts: Layouts = msgspec.field(default_factory=dict[str, list[Layout]])
    """Layouts that this batch taught the engine."""
    ring_size: int = 0
    """How many keys were at hand: with more, what stayed shut may open."""
    addresses: int = 0
    """How many addresses were known."""

    @property
    def lacked_keys(self) -> bool:
        return any(shut.reason in (Reason.NO_KEY, Reason.MIC_FAILED) for shut in self.shut)

    @property
    def lacked_addresses(self) -> bool:
        return any(shut.reason == Reason.SOURCE_UNKNOWN for shut in self.shut)


class Part(NamedTuple):
    """A group of APS frames in the clear and where their context stands."""

    group: Group
    rows: Index
    """Row of the context for each frame of the group."""
    secured: bool
    """Whether the APS layer was secured."""


class Observer(Protocol):
    """Looks over a `Dissector`'s shoulder: sees every frame at every stage, and what became of the encrypted ones."""

    def begin(self, batch: FrameBatch) -> None:
        """A batch is read. If it was read before (it taught a key), what was seen of it then is void."""
        ...

    def sifted(self, stage: str, sifted: Sifted, number: Index) -> None:
        """What a stage found; `number`: the frame of each row.

        Stages in this order: "Mac", "Nwk", "NwkCommand", "Aps", "OpenedAps" (APS frames again that were secured, now as
        frames without security), and the last two once more for frames inside Tunnel commands.
        """
        ...

    def opened(self, key: KnownKey, number: Index, *, nwk: bool) -> None:
        """Frames that a key opened, at the NWK or the APS layer."""
        ...

    def shut(self, layer: str, number: Index, reason: NDArray[np.uint8] | NDArray[np.int64]) -> None:
        """Why frames stayed shut; `OPENED` for those that did not."""
        ...


class Dissector:
    """Dissects batches; keeps the engine's layouts, the keys and the addresses between them."""

    def __init__(
        self,
        engine: Engine,
        ring: KeyRing,
        addresses: AddressBook | None = None,
        observer: Observer | None = None,
        *,
        judged: bool = True,
    ) -> None:
        self.engine = engine
        self.ring = ring
        self.addresses = addresses or AddressBook()
        self._judged = judged
        """Whether what only rules need is wanted: who was heard how well, acknowledgements, damaged commands."""
        self._observer = observer
        self._opener = Opener(None if observer is None else observer.opened)
        self._unread: list[Index] = []
        """Frames of this batch whose NWK or APS payload stayed encrypted, or was never looked at."""

    @property
    def fresh(self) -> Callable[[], Dissector]:
        """Makes a dissector that knows the same layouts, and no keys and addresses yet."""
        return partial(_fresh, self.engine.layouts(), judged=self._judged)

    def dissect(self, batch: FrameBatch) -> Dissected:
        """Everything about one batch. A key that it teaches is used on the whole of it."""
        result = Dissected()
        before = {name: len(layouts) for name, layouts in self.engine.learned.items()}
        learned: tuple[KnownKey, ...] = ()
        sightings: tuple[Sighting, ...] = ()
        for _ in range(ROUNDS):
            result = self._once(batch)
            sightings += result.sightings
            ring = self.ring.plus(result.learned)
            learned += ring.keys[len(self.ring) :]
            again = len(ring) > len(self.ring) and result.lacked_keys
            self.ring = ring
            if not again:
                break
        result.learned, result.sightings = learned, sightings
        result.layouts = {name: layouts[before.get(name, 0) :] for name, layouts in self.engine.learned.items()}
        return result

    def _once(self, batch: FrameBatch) -> Dissected:
        self._opener.begin()
        self._unread = []
        if self._observer is not None:
            self._observer.begin(batch)
        result = Dissected(
            frames=len(batch),
            other_frames=batch.other_frames,
            bad_fcs=int((batch.fcs == Fcs.INVALID).sum()),
            unchecked_fcs=int((batch.fcs == Fcs.NOT_CAPTURED).sum()),
            truncated=int(batch.truncated.sum()),
            first_ns=int(batch.time_ns.min()) if len(batch) else None,
            last_ns=int(batch.time_ns.max()) if len(batch) else None,
            ring_size=len(self.ring),
        )
        good = batch.fcs != Fcs.INVALID
        frame = np.arange(len(batch), dtype=np.int64) if good.all() else np.flatnonzero(good)
        mac = self.engine.mac.sift(batch.buffer, batch.at[frame], batch.length[frame])
        self._count(result, mac, batch.number[frame], "Mac")
        self._associated(batch, frame, mac)
        context, nwk_at, nwk_length, mac_eui64 = self._mac(result, batch, frame, mac)
        if len(context):
            nwk = self.engine.nwk.sift(batch.buffer, nwk_at, nwk_length)
            self._count(result, nwk, context.number, "Nwk")
            self._nwk(result, nwk, context, mac_eui64)
        result.sightings = self.addresses.news()
        result.uses = self._opener.uses
        for span in (one for use in result.uses.values() for one in use.sequences.values()):
            span.first_ns = int(batch.time_ns[np.searchsorted(batch.number, span.first_frame)])
        result.addresses = len(self.addresses)
        return result

    def _count(self, result: Dissected, sifted: Sifted, number: Index, stage: str) -> None:
        """Adds to the tallies; frames too short to be sorted at all are malformed at the stage's first layer."""
        if self._observer is not None:
            self._observer.sifted(stage, sifted, number)
        tallies = result.tallies
        for group in sifted.groups:
            for layer in group.layout.layers:
                if layer != "Undissected":
                    tallies.setdefault(layer, Tally()).frames += len(group)
            if group.layout.malformed:
                one = Tally(0, len(group), int(number[group.index].min()))
                tallies.setdefault(group.layout.malformed, Tally()).add(one)
        if len(sifted.loose):
            short = sifted.loose[sifted.length[sifted.loose] < 2]
            if len(short):
                tallies.setdefault(stage, Tally()).add(Tally(0, len(short), int(number[short].min())))
            result.loose += len(sifted.loose) - len(short)

    def _mac(
        self, result: Dissected, batch: FrameBatch, frame: Index, mac: Sifted
    ) -> tuple[Context, Index, Index, NDArray[np.uint64]]:
        """The frames that carry NWK: their context as far as the MAC tells, and where their NWK header begins."""
        nwk_groups = [group for group in mac.groups if group.layout.next_stage == "Nwk"]
        result.traffic = traffic_of(batch, frame, mac)
        for group in mac.groups:
            if any(layer.startswith("MacSecuredPayload") for layer in group.layout.layers):
                pan = _column([group], "Mac.destination_pan_id")
                self._shut(
                    result, "MAC", pan, np.full(len(group), Reason.MAC_SECURITY), batch.number[frame[group.index]]
                )
        index = _joined([group.index for group in nwk_groups])
        at = _joined([group.at + group.layout.payload_at for group in nwk_groups])
        length = _joined([group.length - group.layout.payload_at for group in nwk_groups])
        here = frame[index]
        pan_id = _column(nwk_groups, "Mac.destination_pan_id")
        missing = pan_id < 0
        if missing.any():
            pan_id[missing] = _column(nwk_groups, "Mac.source_pan_id")[missing]
        unknown = np.full(len(index), -1, np.int64)
        context = Context(
            number=batch.number[here],
            time_ns=batch.time_ns[here],
            pan_id=pan_id,
            mac_source=_column(nwk_groups, "Mac.source_short"),
            mac_sequence=_column(nwk_groups, "Mac.sequence_number"),
            nwk_source=unknown,
            nwk_destination=unknown,
            nwk_sequence=unknown,
            nwk_frame_counter=unknown,
            source_eui64=np.zeros(len(index), np.uint64),
            destination_eui64=np.zeros(len(index), np.uint64),
        )
        return context, at, length, _wide(nwk_groups, "Mac.source_extended")

    def _nwk(self, result: Dissected, nwk: Sifted, context: Context, mac_eui64: NDArray[np.uint64]) -> None:
        source, destination = nwk.column("Nwk.source"), nwk.column("Nwk.destination")
        source_eui64, destination_eui64 = nwk.wide("Nwk.source_eui64"), nwk.wide("Nwk.destination_eui64")
        hop_eui64 = nwk.wide("NwkSecurity.source_eui64")
        # The auxiliary header names the hop's transmitter; that is the originator only if the MAC source is.
        own = (context.mac_source == source) & (source_eui64 == 0)
        source_eui64 = np.where(own, hop_eui64, source_eui64)
        self._sight(context, source, source_eui64, destination, destination_eui64, hop_eui64)
        book = self.addresses
        source_eui64 = book.fill(context.pan_id, source, source_eui64, context.number)
        destination_eui64 = book.fill(context.pan_id, destination, destination_eui64, context.number)
        full = Context(
            number=context.number,
            time_ns=context.time_ns,
            pan_id=context.pan_id,
            mac_source=context.mac_source,
            mac_sequence=context.mac_sequence,
            nwk_source=source,
            nwk_destination=destination,
            nwk_sequence=nwk.column("Nwk.sequence_number"),
            nwk_frame_counter=nwk.column("NwkSecurity.frame_counter"),
            source_eui64=source_eui64,
            destination_eui64=destination_eui64,
        )
        self._unopenable(result, nwk, full)
        payloads = _Payloads()
        for group in nwk.groups:
            if group.layout.next_stage in ("Aps", "NwkCommand"):
                at = group.at + group.layout.payload_at
                payloads.plain(
                    group.index,
                    group.buffer,
                    at,
                    group.length - group.layout.payload_at,
                    data=group.layout.next_stage == "Aps",
                )
        secured = nwk.with_slot("SecuredPayload.ciphertext", "rest")
        own_layer = (group for group in secured if not group.layout.has("ApsSecurity"))
        for sealed in sealed_frames(own_layer, "NwkSecurity"):
            self._fill_source(sealed, hop_eui64, mac_eui64, full)
            pan_id, number = full.pan_id[sealed.row], full.number[sealed.row]
            found = self._opener.nwk(sealed, pan_id, number, self.ring)
            self._shut(result, "NWK", pan_id, found.reason, number)
            payloads.opened(sealed, found.texts)
        buffer, data, commands = payloads.sorted()
        if len(commands.row):
            sifted = self.engine.command.sift(buffer, commands.at, commands.length)
            self._count(result, sifted, full.number[commands.row], "NwkCommand")
            for group in sifted.with_slot("RejoinResponse.network_address"):
                mine = commands.row[group.index]
                accepted = group.uint("RejoinResponse.status") == 0
                short = np.where(accepted, group.uint("RejoinResponse.network_address").astype(np.int64), -1)
                self._told(Told.REJOIN_RESPONSE, full, mine, short, full.destination_eui64[mine])
        if len(data.row):
            self.read(result, full, self._aps(result, full, buffer, data))
        if not self._judged:
            return
        from hanscope.analyzers.evidence import hearing_of  # noqa: PLC0415 -- for whoever judges

        self._unread.append(full.number[nwk.loose])
        result.hearing = hearing_of(full, self._hops(full, hop_eui64, mac_eui64), _joined(self._unread))

    def _unopenable(self, result: Dissected, nwk: Sifted, context: Context) -> None:
        """Frames that are secured in a way for which there can be no key are shut, with the reason."""
        for group in nwk.groups:
            if group.layout.has("ApsSecurity"):
                layer, reason = "APS", Reason.INTER_PAN
            elif group.layout.has("UnsupportedSecuredPayload"):
                layer, reason = "NWK", Reason.LEVEL_UNSUPPORTED
            else:
                continue
            rows = group.index
            self._shut(result, layer, context.pan_id[rows], np.full(len(rows), reason), context.number[rows])

    def _fill_source(
        self, sealed: Sealed, hop_eui64: NDArray[np.uint64], mac_eui64: NDArray[np.uint64], context: Context
    ) -> None:
        """NWK frames without extended nonce: the transmitter's EUI-64 from the MAC header or the address book."""
        if not sealed.eui64.all():
            fallback = self._hops(context, hop_eui64, mac_eui64)[sealed.row]
            sealed.eui64[:] = np.where(sealed.eui64 == 0, fallback, sealed.eui64)

    def _hops(
        self, context: Context, hop_eui64: NDArray[np.uint64], mac_eui64: NDArray[np.uint64]
    ) -> NDArray[np.uint64]:
        """The EUI-64 of each frame's transmitter on this hop, 0 if nothing tells it."""
        told = np.where(mac_eui64 != 0, mac_eui64, hop_eui64)
        return self.addresses.fill(context.pan_id, context.mac_source, told, context.number)

    def _sight(
        self,
        context: Context,
        source: Index,
        source_eui64: NDArray[np.uint64],
        destination: Index,
        destination_eui64: NDArray[np.uint64],
        hop_eui64: NDArray[np.uint64],
    ) -> None:
        pan_id, number, time_ns = context.pan_id, context.number, context.time_ns
        self.addresses.learn(
            Evidence(Told.NWK_HEADER, pan_id, source, source_eui64, number, time_ns),
            Evidence(Told.NWK_HEADER, pan_id, destination, destination_eui64, number, time_ns),
            Evidence(Told.AUXILIARY_HEADER, pan_id, context.mac_source, hop_eui64, number, time_ns),
        )

    def _told(self, told: Told, context: Context, row: Index, short: Index, eui64: NDArray[np.uint64]) -> None:
        """Takes in addresses that a command told; `row`: of the context, for each."""
        self.addresses.learn(
            Evidence(told, context.pan_id[row], short, eui64, context.number[row], context.time_ns[row])
        )

    def _associated(self, batch: FrameBatch, frame: Index, mac: Sifted) -> None:
        """Short addresses that association responses gave (802.15.4-2006 7.3.2); `frame`: the batch's row of each."""
        for group in mac.with_slot("AssociationResponse.assigned_short"):
            if "Mac.destination_extended" not in group.layout.slots:
                continue
            name = "Mac.source_pan_id" if "Mac.source_pan_id" in group.layout.slots else "Mac.destination_pan_id"
            mine = frame[group.index]
            accepted = group.uint("AssociationResponse.status") == 0
            short = np.where(accepted, group.uint("AssociationResponse.assigned_short").astype(np.int64), -1)
            eui64 = group.uint("Mac.destination_extended").astype(np.uint64)
            evidence = Evidence(
                Told.ASSOCIATION_RESPONSE,
                _column([group], name),
                short,
                eui64,
                batch.number[mine],
                batch.time_ns[mine],
            )
            self.addresses.learn(evidence)

    def _aps(self, result: Dissected, context: Context, buffer: Octets, frames: Frames, depth: int = 0) -> list[Part]:
        """APS frames in the clear, of `buffer` and of what could be opened in it, tunnelled ones included.

        The rows of `frames` are those of `context`.
        """
        row = frames.row
        sifted = self.engine.aps.sift(buffer, frames.at, frames.length)
        self._unread.append(context.number[row[sifted.loose]])
        self._count(result, sifted, context.number[row], "Aps")
        parts = [Part(group, row[group.index], secured=False) for group in sifted.groups]
        for group in sifted.groups:
            if group.layout.has("UnsupportedSecuredPayload"):
                mine = row[group.index]
                none = np.full(len(mine), Reason.LEVEL_UNSUPPORTED)
                self._shut(result, "APS", context.pan_id[mine], none, context.number[mine])
        opened: list[tuple[Frames, Octets]] = []
        for sealed in sealed_frames(sifted.with_slot("SecuredPayload.ciphertext", "rest"), "ApsSecurity"):
            mine = row[sealed.row]
            sealed.eui64[:] = np.where(sealed.eui64 == 0, context.source_eui64[mine], sealed.eui64)
            pair = _pairs(context, mine)
            control = sealed.header[:, 0]
            # An acknowledgement (type 2) of a command has its format bit set.
            is_data = ((control & 3) == 0) | (((control & 3) == 2) & ((control & 0x10) == 0))
            # The outer frame of a Tunnel command is not for the device that the inner one is for.
            receiver = np.zeros(len(mine), np.uint64) if depth else context.destination_eui64[mine]
            found = self._opener.aps(sealed, pair, receiver, is_data, context.number[mine], self.ring)
            self._shut(result, "APS", context.pan_id[mine], found.reason, context.number[mine])
            for text in found.texts:
                text.table[:, text.begin] &= 0xDF
                length = sealed.length[text.which] + sealed.auxiliary
                opened.append(_laid(mine[text.which], text.table, text.begin, length))
        if opened:
            clear, again = _flat(opened)
            second = self.engine.aps.sift(clear, again.at, again.length)
            self._count_opened(result, second, context.number[again.row])
            parts += [Part(group, again.row[group.index], secured=True) for group in second.groups]
        for part in [part for part in parts if part.group.layout.has("Tunnel")]:
            # A Tunnel command (4.4.10.6) carries a whole APS frame; within that, there is no further one.
            if depth == 0:
                inner = Frames(part.rows, *part.group.extent("Tunnel.tunnelled_frame"))
                parts += self._aps(result, context, part.group.buffer, inner, depth=1)
        return parts

    def _count_opened(self, result: Dissected, sifted: Sifted, number: Index) -> None:
        """As `_count`, but the APS header itself was counted when it was still sealed."""
        self._count(result, sifted, number, "OpenedAps")
        result.tallies["Aps"].frames -= sum(len(group) for group in sifted.groups if group.layout.has("Aps"))

    def read(self, result: Dissected, context: Context, parts: Sequence[Part]) -> None:
        """Takes from clear APS frames what analyzers need: OTA and tunnel commands, fragments, keys, addresses."""
        kinds: dict[str, list[Part]] = {}
        for part in parts:
            kinds.setdefault(_kind(part.group.layout), []).append(part)
        for part in kinds.get("zdp", ()):
            self._discovered(context, part)
        self._commanded(result, context, kinds.get("command", ()))
        ota = [*kinds.get("ota", ()), *filter(None, map(_of_ota, kinds.get("default", ())))]
        result.ota = ota_table(ota, context)
        result.tunnels = tunnel_table(kinds["tunnel"], context) if "tunnel" in kinds else None
        result.fragments = _fragments(kinds["fragment"], context) if "fragment" in kinds else None
        if not self._judged:
            return
        result.acks = _acknowledgements(kinds.get("acknowledgement", ()), context)
        if "damaged" in kinds:
            result.damaged_ota = _table(OtaTable, kinds["damaged"], context, _damaged_columns, frozenset())

    def _commanded(self, result: Dissected, context: Context, parts: Sequence[Part]) -> None:
        """What APS commands tell: keys, what became of them, addresses."""
        heard = sorted((one for part in parts for one in _transported(part, context)), key=_by_number)
        result.learned += tuple(key for _, key in heard)
        for part in parts:
            result.key_commands += tuple(key_commands(part.group, part.rows, context, secured=part.secured))
            if part.group.layout.has("UpdateDevice") and not part.group.layout.malformed:
                short = part.group.uint("UpdateDevice.device_short").astype(np.int64)
                left = part.group.uint("UpdateDevice.status") == UPDATE_DEVICE_LEFT
                eui64 = part.group.uint("UpdateDevice.device_eui64").astype(np.uint64)
                self._told(Told.UPDATE_DEVICE, context, part.rows, np.where(left, -1, short), eui64)

    def _discovered(self, context: Context, part: Part) -> None:
        """The addresses that ZDP commands tell."""
        slots = part.group.layout.slots
        for layer, told in _TELLERS.items():
            if f"{layer}.nwk_address" in slots and f"{layer}.ieee_address" in slots:
                short = part.group.uint(f"{layer}.nwk_address").astype(np.int64)
                if f"{layer}.status" in slots:
                    short[part.group.uint(f"{layer}.status") != 0] = -1
                eui64 = part.group.uint(f"{layer}.ieee_address").astype(np.uint64)
                self._told(told, context, part.rows, short, eui64)

    def _shut(
        self, result: Dissected, layer: str, pan_id: Index, reason: NDArray[np.uint8] | NDArray[np.int64], number: Index
    ) -> None:
        """Counts the frames that stayed shut, by PAN and reason."""
        if self._observer is not None:
            self._observer.shut(layer, number, reason)
        which = np.flatnonzero(reason != Reason.OPENED)
        self._unread.append(number[which])
        for pan in distinct(pan_id[which])[:1000]:
            for code in distinct(reason[which]):
                mine = which[(pan_id[which] == pan) & (reason[which] == code)]
                if len(mine):
                    entry = result.shut.setdefault(
                        Shut(layer, int(pan), Reason(int(code))), [0, int(number[mine].min())]
                    )
                    entry[0] += len(mine)
                    entry[1] = min(entry[1], int(number[mine].min()))


def _kind(layout: Layout) -> str:
    """What analyzers take from APS frames of this layout; empty: nothing."""
    for layer, kind in (("Fragment", "fragment"), ("ApsCommand", "command"), ("Zdp", "zdp")):
        if layout.has(layer):
            return kind
    if not layout.has("Zcl"):
        return "acknowledgement" if "Aps.cluster" in layout.slots else ""
    for commands, kind in ((OTA_COMMANDS, "ota"), (TUNNEL_COMMANDS, "tunnel")):
        if any(layer in commands for layer in layout.layers):
            return kind
    if layout.malformed in OTA_COMMANDS:
        return "damaged"
    return "default" if layout.has("DefaultResponse") else ""


def _of_ota(part: Part) -> Part | None:
    """The default responses on the OTA cluster."""
    mine = np.flatnonzero(part.group.uint("Aps.cluster") == Cluster.OTA_UPGRADE)
    if len(mine) == len(part.group):
        return part
    return Part(part.group.take(mine), part.rows[mine], part.secured) if len(mine) else None


def _fresh(known: Layouts, *, judged: bool) -> Dissector:
    return Dissector(Engine(known), KeyRing(), judged=judged)


class _Payloads:
    """NWK payloads in the clear, whether they were opened or never sealed, until they become one buffer for stages."""

    def __init__(self) -> None:
        self._laid: list[tuple[Frames, Octets]] = []
        self._data: list[NDArray[np.bool_]] = []

    def plain(self, row: Index, buffer: Octets, at: Index, length: Index, *, data: bool) -> None:
        width = -(-int(length.max(initial=1)) // 16) * 16
        self._laid.append(_laid(row, padded(buffer, at, length, width), 0, length))
        self._data.append(np.full(len(row), data))

    def opened(self, sealed: Sealed, texts: Iterable[Texts]) -> None:
        for text in texts:
            self._laid.append(_laid(sealed.row[text.which], text.table, text.begin, sealed.length[text.which]))
            self._data.append((sealed.header[text.which, 0] & 3) == 0)

    def sorted(self) -> tuple[Octets, Frames, Frames]:
        """The buffer, and where in it lie APS frames and NWK commands."""
        buffer, frames = _flat(self._laid)
        data = np.concatenate([*self._data, np.zeros(0, np.bool_)])
        return buffer, frames.take(np.flatnonzero(data)), frames.take(np.flatnonzero(~data))


def _laid(row: Index, table: Octets, begin: int, length: Index) -> tuple[Frames, Octets]:
    """Frames that lie in a table, `begin` octets from the beginning of each row."""
    return Frames(row, begin + np.arange(len(table), dtype=np.int64) * table.shape[1], length), table


def _flat(laid: Sequence[tuple[Frames, Octets]]) -> tuple[Octets, Frames]:
    """Tables one after the other in one flat buffer."""
    buffer = np.concatenate([*(table.reshape(-1) for _, table in laid), np.zeros(SLACK, np.uint8)])
    starts = accumulate((table.size for _, table in laid), initial=0)
    return buffer, Frames(
        _joined([frames.row for frames, _ in laid]),
        _joined([frames.at + start for (frames, _), start in zip(laid, starts, strict=False)]),
        _joined([frames.length for frames, _ in laid]),
    )


def _joined(parts: Sequence[Index]) -> Index:
    if not parts:
        return np.zeros(0, np.int64)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _column(groups: Iterable[Group], name: str) -> Index:
    return _joined(
        [
            group.uint(name).astype(np.int64) if name in group.layout.slots else np.full(len(group), -1, np.int64)
            for group in groups
        ]
    )


def _wide(groups: Iterable[Group], name: str) -> NDArray[np.uint64]:
    parts = [
        group.uint(name).astype(np.uint64) if name in group.layout.slots else np.zeros(len(group), np.uint64)
        for group in groups
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _pairs(context: Context, row: Index) -> Index:
    """A number for each pair of devices, the same in both directions."""
    one, other = context.nwk_source[row], context.nwk_destination[row]
    return (context.pan_id[row] << 32) | (np.minimum(one, other) << 16) | np.maximum(one, other)


def _fragments(parts: Sequence[Part], context: Context) -> Fragments:
    """The fragments of several groups in capture order."""
    row = _joined([part.rows for part in parts])
    order = ascending(row)
    count = len(row)
    extents = [part.group.extent("Fragment.octets") for part in parts]
    # The extended header is the control octet and the block number: without them the frame was never fragmented.
    ends = [part.group.layout.slots["Aps.block_number"].start - 1 for part in parts]
    header = np.zeros((count, max(ends)), np.uint8)
    octets = np.zeros((count, max(int(length.max(initial=1)) for _, length in extents)), np.uint8)
    start = 0
    for part, (at, length), end in zip(parts, extents, ends, strict=True):
        here = slice(start, start + len(part.rows))
        start = here.stop
        header[here, :end] = part.group.rows(end)[:, :end]
        octets[here] = padded(part.group.buffer, at, length, octets.shape[1])
    header[:, 0] &= 0x7F
    return Fragments(
        context=context.take(row[order]),
        header=header[order],
        header_length=np.repeat(ends, [len(part.rows) for part in parts])[order],
        first=(_column([part.group for part in parts], "Aps.fragmentation") == 1)[order],
        block=_column([part.group for part in parts], "Aps.block_number")[order],
        aps_secured=np.repeat([part.secured for part in parts], [len(part.rows) for part in parts])[order],
        octets=octets[order],
        length=_joined([length for _, length in extents])[order],
    )


def _by_number(heard: tuple[int, KnownKey]) -> int:
    return heard[0]


def _transported(part: Part, context: Context) -> Iterator[tuple[int, KnownKey]]:
    """The keys of Transport-Key commands (ZigBee 05-3474 4.4.10.1), each with its frame."""
    group = part.group
    slots = group.layout.slots
    if "TransportKey.key" not in slots:
        return
    kinds = group.uint("TransportKey.key_type")
    keys = group.octets("TransportKey.key")
    number, pan_id = context.number[part.rows], context.pan_id[part.rows]
    network = "TransportKey.key_sequence_number" in slots
    sequence = group.uint("TransportKey.key_sequence_number") if network else kinds
    ends = [
        group.uint(name)
        for name in ("TransportKey.destination_eui64", "TransportKey.source_eui64", "TransportKey.partner_eui64")
        if name in slots
    ]
    for at in range(min(len(group), TRANSPORTED)):
        frame, octets = int(number[at]), keys[at].tobytes()
        source = f"frame {frame} (Transport-Key)"
        if network:
            yield frame, KnownKey("network", octets, source, int(pan_id[at]), int(sequence[at]))
        else:
            # A trust centre link key names both ends, an application link key its receiver's partner.
            devices = frozenset(int(end[at]) for end in ends) - {0, 0xFFFFFFFFFFFFFFFF}
            yield frame, KnownKey("link", octets, source, devices=devices, shared=True)


def ota_table(parts: Sequence[Part], context: Context) -> OtaTable:
    """OTA commands and default responses of several groups as one table in capture order."""
    return _table(OtaTable, parts, context, _ota_columns, frozenset({"ImageBlockResponse.image_data"}))


def tunnel_table(parts: Sequence[Part], context: Context) -> TunnelTable:
    """Tunneling commands of several groups as one table in capture order."""
    return _table(TunnelTable, parts, context, _tunnel_columns, _TRANSFERRED)


_TRANSFERRED: Final = frozenset(
    {"TransferDataClientToServer.transfer_data", "TransferDataServerToClient.transfer_data"}
)
_T = TypeVar("_T", bound=Table)
_Columns = Iterator[tuple[str, NDArray[Any] | int]]


def _table(
    kind: type[_T],
    parts: Sequence[Part],
    context: Context,
    columns_of: Callable[[Part], _Columns],
    data_slots: frozenset[str],
) -> _T:
    """Commands of several groups as one table; `data_slots` name what goes to its buffer."""
    row = _joined([part.rows for part in parts])
    total = len(row)
    if not total:
        return kind.of(0)
    order = ascending(context.number[row])
    place = np.empty(total, np.int64)
    place[order] = np.arange(total)
    columns: dict[str, Index] = {}

    def column(name: str) -> Index:
        if name not in columns:
            columns[name] = np.full(total, ABSENT, np.int64)
        return columns[name]

    data: list[tuple[Index, Octets]] = []
    start = 0
    for part in parts:
        here = place[start : start + len(part.group)]
        start += len(part.group)
        for name, values in columns_of(part):
            column(name)[here] = values
        for slot in data_slots & part.group.layout.slots.keys():
            at, length = part.group.extent(slot)
            column("data_length")[here] = length
            data.append((here, rows(part.group.buffer, at, int(length.max(initial=0)))))
    buffer: Octets | None = None
    if data:
        # One row of the buffer for each message that has data, in capture order too.
        width = max(table.shape[1] for _, table in data)
        carrier = np.concatenate([here for here, _ in data])
        among = ascending(carrier)
        blocks = np.zeros((len(carrier), width), np.uint8)
        target = np.empty(len(carrier), np.int64)
        target[among] = np.arange(len(carrier))
        start = 0
        for here, table in data:
            blocks[target[start : start + len(here)], : table.shape[1]] = table
            start += len(here)
        column("data_at")[carrier] = target * width
        buffer = blocks.reshape(-1)
    return kind.of(total, buffer, **context.take(row[order]).columns(), **columns)


def _common_columns(part: Part) -> _Columns:
    """What the ZCL and APS headers of one group tell, as columns of a `Table`."""
    group = part.group
    yield "aps_secured", int(part.secured)
    yield "from_server", group.uint("Zcl.server_to_client")
    yield "zcl_sequence", group.uint("Zcl.transaction_sequence_number")
    yield "aps_counter", group.uint("Aps.counter")
    yield "profile", group.uint("Aps.profile")
    yield "source_endpoint", group.uint("Aps.source_endpoint")
    if "Aps.destination_endpoint" in group.layout.slots:
        yield "destination_endpoint", group.uint("Aps.destination_endpoint")


def _damaged_columns(part: Part) -> _Columns:
    """Of an OTA command that ends too early: what stands before it."""
    yield "command", OTA_COMMANDS[part.group.layout.malformed or ""]
    yield "surplus", -1
    yield from _common_columns(part)


def _acknowledgements(parts: Sequence[Part], context: Context) -> Acknowledgements | None:
    keys: list[NDArray[np.uint64]] = []
    times: list[Index] = []
    for part in parts:
        group = part.group
        kind, cluster = group.uint("Aps.frame_type"), group.uint("Aps.cluster")
        mine = np.flatnonzero((kind == APS_ACKNOWLEDGEMENT) & (cluster == Cluster.OTA_UPGRADE))
        if not len(mine):
            continue
        row = part.rows[mine]
        # An acknowledgement goes the other way, and its endpoints are swapped.
        key = ack_key(
            context.pan_id[row],
            context.nwk_destination[row],
            context.nwk_source[row],
            group.uint("Aps.counter")[mine].astype(np.int64),
            group.uint("Aps.destination_endpoint")[mine].astype(np.int64),
        )
        keys.append(key.astype(np.uint64))
        times.append(context.time_ns[row])
    return Acknowledgements(np.concatenate(keys), np.concatenate(times)) if keys else None


def _tunnel_columns(part: Part) -> _Columns:
    group = part.group
    layer = next(one for one in group.layout.layers if one in TUNNEL_COMMANDS)
    yield "command", TUNNEL_COMMANDS[layer]
    yield from _common_columns(part)
    for name, target in _TUNNEL_COLUMNS.items():
        if f"{layer}.{name}" in group.layout.slots:
            yield target, group.uint(f"{layer}.{name}")


def _ota_columns(part: Part) -> _Columns:
    group = part.group
    layout, slots = group.layout, group.layout.slots
    layer = next((one for one in layout.layers if one in OTA_COMMANDS), "DefaultResponse")
    command = OTA_COMMANDS.get(layer, DEFAULT_RESPONSE)
    yield "command", command
    yield from _common_columns(part)
    if layer == "DefaultResponse":
        yield "answered", group.uint("DefaultResponse.command_identifier")
    yield "disable_default_response", group.uint("Zcl.disable_default_response")
    yield "ack_request", group.uint("Aps.ack_request")
    yield "surplus", group.extent("Undissected.octets")[1] if "Undissected.octets" in slots else 0
    if command in _FIELD_CONTROL:
        at = slots[f"{layer}.manufacturer_code"].start - 1
        yield "field_control", group.rows(at + 1)[:, at]
    for name, target in _COLUMNS.items():
        if f"{layer}.{name}" in slots:
            yield target, group.uint(f"{layer}.{name}")
