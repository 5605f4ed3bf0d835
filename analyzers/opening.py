"""Opening encrypted frames in bulk: which keys are tried on which frames, in what order, and why a frame stayed shut.

NWK frames (ZigBee 05-3474 4.3.1) are tried with the network keys of their PAN and key sequence number. APS frames
(4.4.1) are tried with the keys that their key identifier names; the link key that opened a pair of devices is tried
first on that pair. A MIC of 32 bits that holds is the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from hanscope.analyzers.coverage import among
from hanscope.analyzers.keys import MAXIMUM_SCOPES, KeyRing, KnownKey, Span, Use, Uses
from hanscope.dissectors.columns.rows import Index, Octets, ascending, distinct, numbers, rows
from hanscope.dissectors.columns.stage import Group
from hanscope.dissectors.crypto.ccm import BLOCK, MIC, BulkCcm, Nonces, open_one

_T = TypeVar("_T", bound=np.generic)

UNTOLD: Final = 0xFFFF
"""Stands for the key sequence number of a frame that has none."""
SEQUENCES: Final = UNTOLD + 1
LEVEL: Final = 5
"""nwkSecurityLevel of every ZigBee PRO network (4.5.1.1.1): it takes the place of the 0 on the air."""
PROBES: Final = 16
"""Frames that a key is tried on before it is tried on all of a kind, where there are many keys."""
TRIALS: Final = 20_000
"""Single trials for unknown pairs of devices in one batch; what a hostile capture asks beyond stays shut and says
so."""


class Reason(IntEnum):
    """Why a frame stayed shut."""

    OPENED = 0
    NO_KEY = 1
    MIC_FAILED = 2
    SOURCE_UNKNOWN = 3
    NOT_TRIED = 4
    LEVEL_UNSUPPORTED = 5
    MAC_SECURITY = 6
    INTER_PAN = 7

    def text(self, keys: int) -> str:
        """In words; `keys`: how many keys were tried at most."""
        return {
            Reason.OPENED: "opened",
            Reason.NO_KEY: "no key is known for it",
            Reason.MIC_FAILED: f"none of the {keys} keys opens it" if keys != 1 else "the only key does not open it",
            Reason.SOURCE_UNKNOWN: "the sender's EUI-64, part of the nonce, was never heard",
            Reason.NOT_TRIED: "not tried: too many unknown pairs of devices at once",
            Reason.LEVEL_UNSUPPORTED: "the security level is not one that ZigBee uses",
            Reason.MAC_SECURITY: "secured at the MAC layer, which ZigBee does not do",
            Reason.INTER_PAN: "secured although it comes from outside the network, for which there are no keys",
        }[self]


class Sealed(msgspec.Struct, frozen=True):
    """Encrypted frames of one layer whose headers are equally long, longest first."""

    row: Index
    """Which rows of the caller's they are."""
    header: Octets
    """(n, a) what the MIC covers besides the message, with the level filled in."""
    auxiliary: int
    """Where in the header the auxiliary security header begins."""
    buffer: Octets
    at: Index
    """Where in the buffer each ciphertext begins; the MIC follows it."""
    length: Index
    """Octets of the ciphertext."""
    eui64: NDArray[np.uint64]
    """Of the sender, as the auxiliary header tells; 0: it does not."""
    frame_counter: NDArray[np.uint64]
    control: NDArray[np.uint64]
    sequence_number: Index
    """Key sequence number; `UNTOLD`: none."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.intp]) -> Sealed:
        """Some of the frames, in the same order."""
        names = ("row", "header", "at", "length", "eui64", "frame_counter", "control", "sequence_number")
        return replace(self, **{name: getattr(self, name).take(which, axis=0) for name in names})

    @property
    def key_identifier(self) -> Index:
        return ((self.control >> np.uint64(3)) & np.uint64(3)).astype(np.int64)

    def alone(self, one: int) -> tuple[bytes, bytes, bytes]:
        """Nonce, header, and ciphertext with MIC of one frame."""
        nonce = int(self.eui64[one]).to_bytes(8, "little") + int(self.frame_counter[one]).to_bytes(4, "little")
        start = int(self.at[one])
        body = self.buffer[start : start + int(self.length[one]) + MIC]
        return nonce + bytes([int(self.control[one])]), self.header[one].tobytes(), body.tobytes()


def sealed_frames(groups: Iterator[Group], layer: str) -> list[Sealed]:
    """The encrypted frames among `groups`, by header length; `layer`: "NwkSecurity" or "ApsSecurity"."""
    by_header: dict[tuple[int, int], list[Group]] = {}
    for group in groups:
        slots = group.layout.slots
        place = slots["SecuredPayload.ciphertext"].start, slots[f"{layer}.security_level"].start
        by_header.setdefault(place, []).append(group)
    return [_sealed(members, header, auxiliary, layer) for (header, auxiliary), members in by_header.items()]


def _sealed(groups: Sequence[Group], header: int, auxiliary: int, layer: str) -> Sealed:
    length = _joined([group.length for group in groups]) - header - MIC
    order = ascending(-length)
    at = _joined([group.at for group in groups])[order]
    lead = rows(groups[0].buffer, at, header)
    lead[:, auxiliary] |= LEVEL

    def column(name: str, absent: int) -> NDArray[np.uint64]:
        # The two lengths leave one form of the auxiliary header: its fields lie in the same places in every group.
        slot = groups[0].layout.slots.get(f"{layer}.{name}")
        if slot is None:
            return np.full(len(at), absent, np.uint64)
        return numbers(lead, slot.start, slot.size, little=slot.little).astype(np.uint64)

    return Sealed(
        row=_joined([group.index for group in groups])[order],
        header=lead,
        auxiliary=auxiliary,
        buffer=groups[0].buffer,
        at=at + header,
        length=length[order],
        eui64=column("source_eui64", 0),
        frame_counter=column("frame_counter", 0),
        control=lead[:, auxiliary].astype(np.uint64),
        sequence_number=column("key_sequence_number", UNTOLD).astype(np.int64),
    )


def _joined(parts: Sequence[NDArray[_T]]) -> NDArray[_T]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _whole(octets: int) -> int:
    """So many octets in whole blocks."""
    return -(-octets // BLOCK) * BLOCK


class Texts(NamedTuple):
    """Plaintexts behind the octets of their headers that make frames without security of them."""

    which: NDArray[np.intp]
    """Which of the frames they are of."""
    table: Octets
    """(n, w): what stands before `begin` is worthless, and what stands behind a text's end."""
    begin: int


class Opened(msgspec.Struct):
    """What came of trying keys on some frames."""

    reason: NDArray[np.uint8]
    """`Reason` of each frame."""
    texts: list[Texts] = msgspec.field(default_factory=list[Texts])


class Opener:
    """Tries keys on frames; remembers which key belongs to which pair of devices."""

    def __init__(self, opened: Callable[..., None] | None = None) -> None:
        """`opened` is told of each use: `opened(key, number, nwk=...)`, the key and the frames that it opened."""
        self.uses: Uses = {}
        self._opened = opened
        self._ciphers: dict[bytes, BulkCcm] = {}
        self._pairs: dict[int, tuple[bytes, KnownKey]] = {}
        self._trials = 0

    def begin(self) -> None:
        """Before each batch: the counts start anew."""
        self.uses = {}
        self._trials = TRIALS

    def _cipher(self, key: bytes) -> BulkCcm:
        if key not in self._ciphers:
            self._ciphers[key] = BulkCcm(key)
        return self._ciphers[key]

    def _try(self, key: bytes, frames: Sealed, kept: int = 0) -> tuple[Octets, NDArray[np.bool_]]:
        """The plaintexts, behind whole blocks of which the last `kept` octets are from the header; which MICs hold."""
        nonces = Nonces(frames.eui64, frames.frame_counter, frames.control)
        width = _whole(int(frames.length[0]))
        begin = _whole(kept)
        table = np.empty((len(frames), begin + width), np.uint8)
        table[:, begin - kept : begin] = frames.header[:, :kept]
        body = rows(frames.buffer, frames.at, width)
        mic = rows(frames.buffer, frames.at + frames.length, MIC)
        _, ok = self._cipher(key).decrypt(nonces, frames.header, body, frames.length, mic, table[:, begin:])
        return table, ok

    def _in_sequence(self, key: KnownKey, kinds: Index, number: Index) -> None:
        """Notes with which PANs and key sequence numbers a key was in use, for the frames that it opened."""
        if not len(kinds):
            return
        alike = int(kinds.min()) == int(kinds.max())
        for kind in kinds[:1] if alike else distinct(kinds)[:MAXIMUM_SCOPES]:
            mine = number if alike else number[kinds == kind]
            pan_id, sequence = divmod(int(kind), SEQUENCES)
            span = Span(len(mine), int(mine.min()), int(mine.max()))
            place = pan_id, sequence if sequence < UNTOLD else -1
            self.uses.setdefault(key, Use()).add(Use(sequences={place: span}))

    def _between(self, key: KnownKey, pairs: Index) -> None:
        """Notes whose APS frames a key opened."""
        if len(pairs):
            known = self.uses.setdefault(key, Use())
            known.add(Use(pairs={(one >> 32, one >> 16 & 0xFFFF, one & 0xFFFF) for one in distinct(pairs).tolist()}))

    def _used(self, key: KnownKey, number: Index, *, nwk: bool) -> None:
        if len(number):
            count = len(number)
            if self._opened is not None:
                self._opened(key, number, nwk=nwk)
            use = Use(count if nwk else 0, 0 if nwk else count, int(number.min()))
            self.uses.setdefault(key, Use()).add(use)

    def nwk(self, frames: Sealed, pan_id: Index, number: Index, ring: KeyRing) -> Opened:
        """Opens NWK frames. `pan_id`, `number` (frame numbers): one for each."""
        found = Opened(np.full(len(frames), Reason.NO_KEY, np.uint8))
        reason = found.reason
        reason[frames.eui64 == 0] = Reason.SOURCE_UNKNOWN
        kinds = pan_id * SEQUENCES + frames.sequence_number
        for key in ring.network:
            left = (reason == Reason.NO_KEY) | (reason == Reason.MIC_FAILED)
            if key.pan_id is not None:
                left &= pan_id == key.pan_id
            if key.sequence_number is not None:
                left &= frames.sequence_number == key.sequence_number
            which = np.flatnonzero(left)
            if len(ring.network) > 4 and len(which) > 4 * PROBES:
                which = self._promising(key.octets, frames, which, kinds, reason)
            if len(which):
                self._open(key.octets, key, frames, which, number, found, nwk=True)
                opened = which[reason[which] == Reason.OPENED]
                self._in_sequence(key, kinds[opened], number[opened])
        return found

    def _open(
        self,
        octets: bytes,
        key: KnownKey,
        frames: Sealed,
        which: NDArray[np.intp],
        number: Index,
        found: Opened,
        *,
        nwk: bool,
    ) -> None:
        """Tries one key on some frames and enters what came of it."""
        kept = 0 if nwk else frames.auxiliary
        table, ok = self._try(octets, frames if len(which) == len(frames) else frames.take(which), kept)
        if not ok.all():
            found.reason[which[~ok]] = Reason.MIC_FAILED
            good = np.flatnonzero(ok)
            which, table = which[good], table.take(good, axis=0)
        if len(which):
            found.reason[which] = Reason.OPENED
            found.texts.append(Texts(which, table, _whole(kept) - kept))
            self._used(key, number[which], nwk=nwk)

    def _promising(
        self, key: bytes, frames: Sealed, which: NDArray[np.intp], kinds: Index, reason: NDArray[np.uint8]
    ) -> NDArray[np.intp]:
        """Of many frames and many keys: the frames of those kinds of which the key opens one of a sample."""
        keep: list[NDArray[np.intp]] = []
        for kind in distinct(kinds[which])[:256]:
            mine = which[kinds[which] == kind]
            sample = mine[distinct(np.linspace(0, len(mine) - 1, PROBES).astype(np.intp))]
            if self._try(key, frames.take(sample))[1].any():
                keep.append(mine)
            else:
                reason[mine] = Reason.MIC_FAILED
        return np.sort(np.concatenate(keep)) if keep else which[:0]

    def aps(
        self,
        frames: Sealed,
        pair: Index,
        receiver: NDArray[np.uint64],
        is_data: NDArray[np.bool_],
        number: Index,
        ring: KeyRing,
    ) -> Opened:
        """Opens APS frames. `pair`: a number for each pair of devices (PAN id and two short addresses, the lower first,
        in 16 bits each); `receiver`: EUI-64s, 0 unknown; `is_data`: no command, nor the ack of one.
        """
        found = Opened(np.full(len(frames), Reason.NO_KEY, np.uint8))
        reason = found.reason
        unknown = frames.eui64 == 0
        identifier = frames.key_identifier
        classes: tuple[tuple[NDArray[np.bool_], Sequence[tuple[bytes, KnownKey]]], ...] = (
            ((identifier == 0) & is_data, ring.data),
            ((identifier == 0) & ~is_data, ring.command),
            (identifier == 1, tuple((key.octets, key) for key in ring.network)),
            (identifier == 2, ring.transport),
            (identifier == 3, ring.load),
        )
        for members, keys in classes:
            which = np.flatnonzero(members & ~unknown)
            if len(which) and keys:
                reason[which] = Reason.MIC_FAILED
                self._by_pair(frames, which, pair, receiver, number, keys, found)
        reason[unknown] = Reason.SOURCE_UNKNOWN
        return found

    def _by_pair(
        self,
        frames: Sealed,
        which: NDArray[np.intp],
        pair: Index,
        receiver: NDArray[np.uint64],
        number: Index,
        keys: Sequence[tuple[bytes, KnownKey]],
        found: Opened,
    ) -> None:
        mine = pair[which]
        remembered = {one: known for one, known in self._pairs.items() if known in keys}
        for octets, key in dict.fromkeys(remembered.values()):
            theirs = [one for one, known in remembered.items() if known == (octets, key)]
            members = which[(mine == theirs[0]) if len(theirs) == 1 else among(mine, np.array(theirs))]
            if len(members):
                self._open(octets, key, frames, members, number, found, nwk=False)
                self._between(key, pair[members[found.reason[members] == Reason.OPENED]])
        shut = which[found.reason[which] != Reason.OPENED]
        for one in distinct(pair[shut]):
            # A pair may change its key in the middle of a batch, so the search goes on while it finds something.
            for _ in range(4):
                if not self._search(frames, shut[pair[shut] == one], int(one), receiver, number, keys, found):
                    break

    def _search(
        self,
        frames: Sealed,
        mine: NDArray[np.intp],
        pair: int,
        receiver: NDArray[np.uint64],
        number: Index,
        keys: Sequence[tuple[bytes, KnownKey]],
        found: Opened,
    ) -> bool:
        """Looks for the key of one pair with a few single trials; opens all its frames if there is one."""
        reason = found.reason
        left = mine[reason[mine] != Reason.OPENED]
        if not len(left):
            return False
        for at in left[distinct(np.linspace(0, len(left) - 1, 4).astype(np.intp))]:
            one = int(at)
            nonce, header, body = frames.alone(one)
            if self._trials < len(keys):
                reason[left] = Reason.NOT_TRIED
                return False
            ends = int(frames.eui64[one]), int(receiver[one])
            likely = [known for known in keys if known[1].serves(*ends)]
            likely.sort(key=lambda known: -known[1].ends(*ends))
            for octets, key in likely:
                self._trials -= 1
                if open_one(octets, nonce, header, body) is not None:
                    self._pairs[pair] = octets, key
                    self._open(octets, key, frames, left, number, found, nwk=False)
                    self._between(key, np.array([pair]))
                    return True
        return False
