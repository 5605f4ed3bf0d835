"""Firmware transfers: what the OTA Upgrade commands of a capture (ZCL 11.13, cluster 0x0019) come to.

One *attempt* is one client, one server, one PAN, one image identity (manufacturer code, image type, file version), from
the first sign to the end, a restart or silence. The rules:

* **Parties.** Who is client and who server follows from the command id (ZCL 11.13.1: 00, 02, 05, 07, 09 are the
  server's, the others the client's; a default response is the opposite of what it answers), not from the ZCL direction
  bit, which real devices get wrong. A device is its EUI-64; while that is not known, its short address in its PAN. A
  broadcast Image Notify belongs to nobody.
* **One message heard several times** (MAC retry, relay by a router, APS retry: the same parties, APS counter, ZCL
  sequence number and content within ten seconds and 4,096 messages) counts once. Its image octets are compared all the
  same.
* **Answers without an identity** (Image Block Response WAIT_FOR_DATA and ABORT, default responses; ZCL 11.13.8) belong
  to the image that this client last asked this server for.
* **Restart.** A request at or below the lowest offset that the attempt asked for, after a request beyond what it asks
  for itself, and not with the sequence number that began the attempt, begins a new attempt; so does any request at the
  lowest offset after an Upgrade End Request or ABORT, and any request at all after SUCCESS, an Upgrade End Response or
  a new offer. Some clients begin at an offset other than 0 on purpose. A block response whose request was not heard
  stands for it; once pages are asked for, only where the image begins.
* **Silence** longer than `silence_ns` and then a block or request that lies outside of what was had begins a new
  attempt.
* **Resumption.** Everything else that follows a pause (`pause_ns`, and longer than the wait asked for) or a query in
  mid-transfer joins.
* **Image size.** From the Query Next Image Response to this client (ZCL 11.13.5), else from octets 52 to 55 of the OTA
  header (ZCL 11.4.2) if octets 0 to 3 are its magic number, else unknown: then the image reaches as far as blocks or
  requests were seen. Octets beyond the image, or beyond `image_limit`, are counted in an event and not used.
* **Blocks** (ZCL 11.13.8) that hold fewer octets than their data size says, or none, are counted in an event and not
  used.
* **Missing octets**: the table in `coverage.py`. Upgrade End Request SUCCESS (ZCL 11.13.9) proves all that lies before
  the image's end, unless the client shortened its last request so that it ends before: then it never asked for the rest
  (clients exist that leave the last octet). A block response whose request was not heard proves that the client had
  come to its offset, as long as the client uses no page requests. One that carries the sequence number of the last
  request is its answer, whatever it brings.
* **WAIT_FOR_DATA** (ZCL 11.13.8.2): with current time 0 the request time counts in seconds from now, else the
  difference counts; a request time in the past counts as 0, and nothing counts for more than a day.
* **Offers** that no block follows make a transfer `offered`, or `refused` when the client declined it; after an end
  they only belong to the ended attempt. A query that the server declines makes one transfer `refused` with the version
  that the client has, unless it loads such an image later, or has just loaded that very version: then the query shows
  that the upgrade worked, and ends the attempt's story.
* **State.** The last word of the Upgrade End exchange or an ABORT; statuses of an Upgrade End Request that the cluster
  does not know count as aborted. `downloaded`: every octet was received, or is proven to have reached the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.attempts import (
    BAD_BLOCK,
    BLOCK_AGAIN,
    BLOCK_HEARD,
    CONTROL,
    CONTROL_AGAIN,
    EVENTS_KEPT,
    IGNORED,
    NO_OFFSET,
    PAGE,
    REPEATED,
    REQUEST,
    SAME_MESSAGE_NS,
    SECOND,
    WAIT,
    WAIT_AGAIN,
    Attempt,
    Device,
    Identity,
    Rows,
    Sign,
    Step,
    state_of,
)
from hanscope.analyzers.coverage import Positions
from hanscope.analyzers.imagestore import ImageStore, StoredImage
from hanscope.analyzers.results import Party, Transfer, TransferEvent
from hanscope.analyzers.tables import DEFAULT_RESPONSE, OtaTable
from hanscope.dissectors.codes import STATUS_NAMES, OtaCommand, Status

ROWS_AT_ONCE: Final = 1 << 16
SAME_MESSAGE_ROWS: Final = 4096
FIRST_BROADCAST: Final = 0xFFF8
PRELUDE_KEPT: Final = 16
PRELUDE_NS: Final = 600 * SECOND
"""How long before an offer or a first request a notify or query still belongs to it."""
LONGEST_WAIT_NS: Final = 86_400 * SECOND
JOURNAL_OCTETS: Final = 8 << 20
"""Logs of running attempts grow to this in memory before they go to the store."""
_QUERIES: Final = (OtaCommand.QUERY_NEXT_IMAGE_REQUEST, OtaCommand.QUERY_DEVICE_SPECIFIC_FILE_REQUEST)
_OFFERS: Final = (OtaCommand.QUERY_NEXT_IMAGE_RESPONSE, OtaCommand.QUERY_DEVICE_SPECIFIC_FILE_RESPONSE)
_KIND: Final = np.array([CONTROL, CONTROL, CONTROL, REQUEST, PAGE, BLOCK_HEARD, *[CONTROL] * 4, IGNORED], np.uint8)
_AGAIN: Final = np.arange(CONTROL_AGAIN + 1, dtype=np.uint8)
"""By kind: the kind of such a row when its message was heard before."""
_AGAIN[[REQUEST, PAGE, BAD_BLOCK]] = REPEATED
_AGAIN[[BLOCK_HEARD, WAIT, CONTROL]] = BLOCK_AGAIN, WAIT_AGAIN, CONTROL_AGAIN
_BY_SERVER: Final = np.array([1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0], np.bool_)


class TransferRecord(msgspec.Struct, frozen=True):
    """A transfer and its image; `image` is `None` when not one octet of it was captured."""

    transfer: Transfer
    image: StoredImage | None


class Progress(msgspec.Struct, frozen=True):
    """How far a running attempt has come."""

    client: Party
    pan_id: int
    manufacturer_code: int
    image_type: int
    file_version: int
    received_bytes: int
    image_size: int | None


class Refused(msgspec.Struct):
    """What was not taken in, because bad or hostile frames would have made it too much."""

    attempts: int = 0
    """Restarts that were not made attempts of their own, and offers or refusals that were not kept."""
    unattributed: int = 0
    """Answers without an identity that follow no request."""


class _Track(msgspec.Struct, eq=False):
    """All attempts of one client at one image from one server."""

    identity: Identity
    attempts: list[Attempt] = msgspec.field(default_factory=list[Attempt])
    size: int | None = None
    offers: list[Step] = msgspec.field(default_factory=list[Step])
    """Offers after the last attempt was over: they begin the next one, if there is one."""


class _Dialogue(msgspec.Struct, eq=False):
    """What one client and one server say to each other."""

    client: Device
    server: Device
    tracks: dict[Identity, _Track] = msgspec.field(default_factory=dict[Identity, _Track])
    current: _Track | None = None
    """Of the image last asked for."""
    offered: _Track | None = None
    query: tuple[Sign, Identity] | None = None
    prelude: list[Step] = msgspec.field(default_factory=list[Step])
    """Notifies, queries and refusals that an attempt may still follow."""
    refusals: dict[Identity, Attempt] = msgspec.field(default_factory=dict[Identity, Attempt])

    def running(self) -> Attempt | None:
        """The attempt that is loading now."""
        attempt = self.current.attempts[-1] if self.current and self.current.attempts else None
        return attempt if attempt and attempt.begun and not attempt.over else None

    def tell(self, step: Step) -> None:
        """Note something that concerns no particular image."""
        running = self.running()
        if running:
            running.tell(step)
        else:
            self.prelude = [*self.prelude[1 - PRELUDE_KEPT :], step]

    def hand_over(self, attempt: Attempt) -> None:
        """Give what led to an attempt to it."""
        for step in self.prelude:
            if attempt.first[1] - step.sign[1] <= PRELUDE_NS:
                attempt.tell(step)
        self.prelude = []


class TransferBuilder:
    """Takes OTA tables in capture order and gives the transfers in them.

    `silence_ns`: after so long an attempt only goes on where it had stopped. `pause_ns`: after so long its going on is
    listed as a resumption. `stalled_ns`: an attempt that is silent for so long at the capture's end has stalled.
    `image_limit`: octets at or beyond this offset are not taken in. `attempts_limit`: no more attempts are told apart.
    """

    def __init__(
        self,
        store: ImageStore,
        *,
        silence_ns: int = 3600 * SECOND,
        pause_ns: int = 60 * SECOND,
        stalled_ns: int = 60 * SECOND,
        image_limit: int = 64 << 20,
        attempts_limit: int = 4096,
    ) -> None:
        self.refused = Refused()
        self._store = store
        self._silence_ns = silence_ns
        self._pause_ns = pause_ns
        self._stalled_ns = stalled_ns
        self._limit = image_limit
        self._attempts_limit = attempts_limit
        self._attempts = 0
        self._rows = 0
        self._last_time = 0
        self._journal_octets = 0
        self._copies = _Copies()
        self._devices = _Devices()
        self._dialogues: dict[tuple[int, int], _Dialogue] = {}

    def feed(self, table: OtaTable) -> None:
        """Take in the next rows of the capture."""
        for begin in range(0, len(table), ROWS_AT_ONCE):
            self._feed(table.take(slice(begin, begin + ROWS_AT_ONCE)))

    def _feed(self, table: OtaTable) -> None:
        told = _told(table)
        by_server = _BY_SERVER[told]
        batch = self._columns(table, told)
        self._rows += len(table)
        self._last_time = max(self._last_time, int(table.time_ns.max()))
        source_eui64, destination_eui64 = self._devices.fill(table)
        client = np.where(by_server, table.nwk_destination, table.nwk_source)
        server = np.where(by_server, table.nwk_source, table.nwk_destination)
        client_eui64 = np.where(by_server, destination_eui64, source_eui64)
        server_eui64 = np.where(by_server, source_eui64, destination_eui64)
        talkers = groups(_mix(_link(table.pan_id, client, server), client_eui64, server_eui64))
        for last in sorted(int(rows[-1]) for rows in talkers):
            pan_id = int(table.pan_id[last])
            self._devices.learn(pan_id, int(table.nwk_source[last]), int(source_eui64[last]))
            self._devices.learn(pan_id, int(table.nwk_destination[last]), int(destination_eui64[last]))
        talks: dict[int, tuple[_Dialogue, list[Positions]]] = {}
        to_all: list[tuple[Device, Positions]] = []
        for rows in _heard(talkers, batch.kind):
            one, last = rows[0], int(batch.row[rows[-1]])
            pan_id = int(table.pan_id[one])
            host = self._devices.find(pan_id, int(server[one]), int(server_eui64[one]), last)
            if client[one] >= FIRST_BROADCAST:
                to_all.append((host, rows))
                continue
            guest = self._devices.find(pan_id, int(client[one]), int(client_eui64[one]), last)
            dialogue = self._dialogue(guest, host)
            if dialogue is not None:
                talks.setdefault(id(dialogue), (dialogue, []))[1].append(rows)
        for host, rows in to_all:
            for dialogue in self._dialogues.values():
                if dialogue.server is host:
                    talks.setdefault(id(dialogue), (dialogue, []))[1].append(rows)
        for dialogue, parts in talks.values():
            rows = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
            self._converse(dialogue, table, batch.part(rows))
        if self._journal_octets > JOURNAL_OCTETS:
            self._flush()

    def _dialogue(self, client: Device, server: Device) -> _Dialogue | None:
        key = id(client), id(server)
        dialogue = self._dialogues.get(key)
        if dialogue is None:
            if len(self._dialogues) >= self._attempts_limit:
                self.refused.attempts += 1
                return None
            dialogue = self._dialogues[key] = _Dialogue(client, server)
        return dialogue

    def _columns(self, table: OtaTable, told: Positions) -> Rows:
        kind = _KIND[told]
        kind[(table.command == DEFAULT_RESPONSE) & (table.status == Status.SUCCESS)] = IGNORED
        # A broadcast Image Notify is for nobody in particular, an Upgrade End Response for all clients of its server.
        kind[(table.nwk_destination >= FIRST_BROADCAST) & (told != OtaCommand.UPGRADE_END_RESPONSE)] = IGNORED
        block = kind == BLOCK_HEARD
        kind[block & (table.status != Status.SUCCESS)] = CONTROL
        kind[block & (table.status == Status.WAIT_FOR_DATA)] = WAIT
        nowhere = table.file_offset < 0
        short = (table.data_length < table.data_size) | (table.data_size <= 0)
        kind[(kind == BLOCK_HEARD) & (short | nowhere)] = BAD_BLOCK
        kind[(kind <= PAGE) & nowhere] = IGNORED
        at = self._spool(table, np.flatnonzero(kind == BLOCK_HEARD))
        wait = _waits(table, kind)
        copies = self._copies.among(table)
        kind[copies] = _AGAIN[kind[copies]]
        octets = np.where(told == OtaCommand.IMAGE_PAGE_REQUEST, table.page_size, table.data_size)
        return Rows(
            row=np.arange(self._rows, self._rows + len(table)),
            number=table.number,
            time=table.time_ns,
            kind=kind,
            offset=np.clip(table.file_offset, 0, 0xFFFFFFFF),
            length=np.clip(octets, 0, 0xFFFF),
            sequence=table.zcl_sequence & 0xFF,
            at=at,
            wait=wait,
            identity=((table.manufacturer_code & 0xFFFF) << 48)
            | ((table.image_type & 0xFFFF) << 32)
            | (table.file_version & 0xFFFFFFFF),
        )

    def _spool(self, table: OtaTable, blocks: Positions) -> Positions:
        """Put the image octets of a batch into the store; where each row's are."""
        if not len(blocks):
            return table.data_at
        at = table.data_at[blocks]
        begin, end = int(at.min()), int((at + table.data_length[blocks]).max())
        return table.data_at + (self._store.append(table.image_data[begin:end]) - begin)

    def _flush(self) -> None:
        self._journal_octets = 0
        for attempt in self._all():
            attempt.blocks.flush(self._store)
            attempt.asked.flush(self._store)

    def _all(self) -> Iterator[Attempt]:
        for dialogue in self._dialogues.values():
            for track in dialogue.tracks.values():
                yield from track.attempts

    def _converse(self, dialogue: _Dialogue, table: OtaTable, rows: Rows) -> None:
        if int(rows.kind.max()) == CONTROL_AGAIN:
            rows = rows.part(np.flatnonzero(rows.kind != CONTROL_AGAIN))
        begin = 0
        for signal in np.flatnonzero(rows.kind == CONTROL).tolist():
            if begin < signal:
                self._stream(dialogue, rows.part(slice(begin, signal)))
            self._signal(dialogue, table, rows, signal)
            begin = signal + 1
        if begin < len(rows):
            self._stream(dialogue, rows.part(slice(begin, None)))

    def _stream(self, dialogue: _Dialogue, rows: Rows) -> None:
        """Requests, blocks and waits between two messages that steer."""
        identity = rows.identity
        named = rows.kind < WAIT
        if not named.all():
            known = np.maximum.accumulate(np.where(named, np.arange(len(rows)), -1))
            identity = identity[known]
            lost = known < 0
            if dialogue.current is not None:
                identity[lost] = dialogue.current.identity.code
            elif lost.any():
                self.refused.unattributed += int(lost.sum())
                rows, identity = rows.part(np.flatnonzero(~lost)), identity[~lost]
        while dialogue.prelude and len(rows):  # whoever begins first gets it, so go on in order
            changes = np.flatnonzero(identity != identity[0])
            many = int(changes[0]) if len(changes) else len(rows)
            track = self._advance(dialogue, Identity.of(int(identity[0])), rows.part(slice(many)))
            dialogue.current = track or dialogue.current
            rows, identity = rows.part(slice(many, None)), identity[many:]
        images = groups(identity)
        for group in images:
            part = rows if len(images) == 1 else rows.part(group)
            track = self._advance(dialogue, Identity.of(int(identity[group[0]])), part)
            if group[-1] == len(rows) - 1:
                dialogue.current = track or dialogue.current

    def _advance(self, dialogue: _Dialogue, identity: Identity, rows: Rows) -> _Track | None:
        """Rows of one image: share them out among attempts."""
        track = self._track(dialogue, identity)
        if track is None:
            return None
        attempt = self._latest(dialogue, track, rows.sign(0))
        while len(rows):
            steps = attempt.steps(rows)
            cut = attempt.begins_anew(rows, steps, self._silence_ns)
            if cut < len(rows) and not self._room():
                cut = len(rows)
            if cut:
                if attempt.begun is None:
                    dialogue.hand_over(attempt)
                grown = attempt.take(rows.part(slice(cut)), steps[steps < cut], self._pause_ns)
                self._journal_octets += grown
            rows = rows.part(slice(cut, None))
            if len(rows):
                attempt.superseded = True
                attempt.conclude(self._store, self._limit)
                attempt = self._begin(dialogue, track, rows.sign(0))
        return track

    def _track(self, dialogue: _Dialogue, identity: Identity) -> _Track | None:
        """Of that image; `None` if there are too many already."""
        track = dialogue.tracks.get(identity)
        if track is None:
            if not self._room():
                return None
            track = dialogue.tracks[identity] = _Track(identity)
        return track

    def _room(self) -> bool:
        """Whether one more attempt may be told apart."""
        if self._attempts < self._attempts_limit:
            return True
        self.refused.attempts += 1
        return False

    def _latest(self, dialogue: _Dialogue, track: _Track, sign: Sign) -> Attempt:
        return track.attempts[-1] if track.attempts else self._begin(dialogue, track, sign)

    def _begin(self, dialogue: _Dialogue, track: _Track, sign: Sign) -> Attempt:
        attempt = Attempt(dialogue.client, dialogue.server, track.identity, sign, sign, track.size)
        self._attempts += 1
        track.attempts.append(attempt)
        for offer in track.offers:
            attempt.tell(offer)
        track.offers.clear()
        dialogue.hand_over(attempt)
        return attempt

    def _signal(self, dialogue: _Dialogue, table: OtaTable, rows: Rows, index: int) -> None:
        """One message that steers: everything but requests, blocks and waits."""
        sign = rows.sign(index)
        row = sign[0] - (self._rows - len(table))
        command, status = int(table.command[row]), int(table.status[row])
        identity = Identity.of(int(rows.identity[index])) if table.file_version[row] >= 0 else None
        if command == OtaCommand.IMAGE_NOTIFY:
            dialogue.tell(Step(sign, "notify", "server sent an Image Notify"))
        elif command in _QUERIES:
            self._query(dialogue, sign, identity)
        elif command in _OFFERS:
            if status == Status.SUCCESS and identity is not None:
                self._offer(dialogue, sign, identity, int(table.image_size[row]))
            else:
                self._refuse(dialogue, sign, status)
        elif command == OtaCommand.IMAGE_BLOCK_RESPONSE:
            step = Step(sign, "answer", f"server answered a block request with {_status(status)}")
            self._trouble(dialogue, step, status == Status.ABORT)
        elif command == OtaCommand.UPGRADE_END_REQUEST:
            self._end(dialogue, sign, identity, status)
        elif command == OtaCommand.UPGRADE_END_RESPONSE:
            times = int(table.current_time[row]), int(table.request_time[row])
            running = dialogue.current.attempts[-1:] if dialogue.current else []
            waits = bool(running) and running[0].end_status == Status.SUCCESS
            if table.nwk_destination[row] >= FIRST_BROADCAST and not waits:
                return
            self._upgrade(dialogue, sign, identity, *times)
        else:
            self._default_response(dialogue, sign, int(table.answered[row]), status)

    def _query(self, dialogue: _Dialogue, sign: Sign, identity: Identity | None) -> None:
        dialogue.tell(_asked(sign, identity))
        if identity is not None:
            dialogue.query = sign, identity
        running = dialogue.running()
        if running:
            running.queried = True

    def _offer(self, dialogue: _Dialogue, sign: Sign, identity: Identity, size: int) -> None:
        track = self._track(dialogue, identity)
        if track is None:
            return
        dialogue.offered = track
        track.size = size if size >= 0 else None
        octets = f", {size:,} octets" if size >= 0 else ""
        offer = Step(sign, "offer", f"server offered {identity}{octets}", identity)
        attempt = track.attempts[-1] if track.attempts else None
        if attempt is not None and attempt.over:
            track.offers = [*track.offers[1 - PRELUDE_KEPT :], offer]
            attempt.finished = True
            attempt.size = track.size if attempt.size is None else attempt.size
            return
        if attempt is None:
            attempt = self._begin(dialogue, track, sign)
        elif attempt.begun is None:
            dialogue.hand_over(attempt)
        attempt.size = track.size if track.size is not None else attempt.size
        attempt.queried = attempt.begun is not None
        attempt.declined = False
        attempt.offered = True
        attempt.tell(offer)

    def _refuse(self, dialogue: _Dialogue, sign: Sign, status: int) -> None:
        """The server has nothing. Whom that concerns only the query tells."""
        step = Step(sign, "refusal", f"server answered the query with {_status(status)}")
        dialogue.tell(step)
        if dialogue.query is None or sign[1] - dialogue.query[0][1] > self._pause_ns:
            return
        asked, identity = dialogue.query
        refusal = dialogue.refusals.get(identity)
        if refusal is None:
            if not self._room():
                return
            self._attempts += 1
            refusal = Attempt(dialogue.client, dialogue.server, identity, asked, sign, declined=True)
            refusal.tell(_asked(asked, identity))
            dialogue.refusals[identity] = refusal
        refusal.tell(step)

    def _end(self, dialogue: _Dialogue, sign: Sign, identity: Identity | None, status: int) -> None:
        attempt = self._meant(dialogue, sign, identity)
        if attempt is None:
            return
        attempt.tell(Step(sign, "end", f"client ended with {_status(status)}"))
        attempt.over, attempt.end_status = True, status
        attempt.aborted, attempt.upgrade, attempt.upgrade_at = False, None, None
        attempt.finished = status == Status.SUCCESS
        if status == Status.SUCCESS:
            attempt.succeeded_row = sign[0]

    def _upgrade(self, dialogue: _Dialogue, sign: Sign, identity: Identity | None, now: int, then: int) -> None:
        attempt = self._meant(dialogue, sign, identity)
        if attempt is None:
            return
        if then == 0xFFFFFFFF:
            attempt.upgrade, attempt.upgrade_at = "waiting", "wait for a further command"
        else:
            attempt.upgrade = "upgrading"
            attempt.upgrade_at = "now" if then <= now else f"in {then - max(now, 0)} s"
        attempt.over = attempt.finished = True
        attempt.tell(Step(sign, "upgrade", f"server answered when to upgrade: {attempt.upgrade_at}"))

    def _meant(self, dialogue: _Dialogue, sign: Sign, identity: Identity | None) -> Attempt | None:
        """The attempt of an Upgrade End Request or Response; without an identity (or with wildcards) the current."""
        current = dialogue.current
        if identity is None or (current and identity.covers(current.identity)):
            track = current
        else:
            track = self._track(dialogue, identity)
        if track is None:
            self.refused.unattributed += 1
            return None
        dialogue.current = track
        return self._latest(dialogue, track, sign)

    def _trouble(self, dialogue: _Dialogue, step: Step, aborts: bool) -> None:  # noqa: FBT001 -- a fact
        track = dialogue.current
        if track is None or not track.attempts:
            self.refused.unattributed += 1
            return
        attempt = track.attempts[-1]
        attempt.tell(step)
        if aborts:
            attempt.over = attempt.aborted = True

    def _default_response(self, dialogue: _Dialogue, sign: Sign, answered: int, status: int) -> None:
        who = "client" if 0 <= answered <= 9 and _BY_SERVER[answered] else "server"
        step = Step(sign, "answer", f"{who} answered {_command(answered)} with {_status(status)}")
        if OtaCommand.IMAGE_BLOCK_REQUEST <= answered <= OtaCommand.UPGRADE_END_RESPONSE:
            self._trouble(dialogue, step, status == Status.ABORT)
        elif answered in _OFFERS and dialogue.offered is not None and dialogue.offered.attempts:
            track = dialogue.offered
            attempt = track.attempts[-1]
            if track.offers:
                track.offers = [*track.offers[1 - PRELUDE_KEPT :], step]
            else:
                attempt.declined = attempt.begun is None
                attempt.tell(step)
        else:
            dialogue.tell(step)

    def progress(self) -> list[Progress]:
        """The attempts that are loading now, with what has been captured of them."""
        found: list[Progress] = []
        for dialogue in self._dialogues.values():
            attempt = dialogue.running()
            if attempt:
                identity = attempt.identity
                found.append(
                    Progress(
                        attempt.client.party(),
                        attempt.client.pan_id,
                        identity.manufacturer_code,
                        identity.image_type,
                        identity.file_version,
                        attempt.received(self._store),
                        attempt.size,
                    )
                )
        return found

    def finish(
        self, capture_ended_ns: int | None = None, *, until: Callable[[int, int], int] | None = None
    ) -> list[TransferRecord]:
        """All transfers, in order of their first frame. The builder takes nothing more after that.

        `capture_ended_ns`: time of the capture's last frame of any kind; without it, of the last OTA message. `until`
        (instead): until when a PAN was listened to from a time on.
        """
        ended = max(self._last_time, capture_ended_ns or 0)
        for dialogue in self._dialogues.values():
            for track in dialogue.tracks.values():
                self._place_late_offers(dialogue, track)
        attempts = list(self._all())
        _mark_superseded(attempts)
        for dialogue in self._dialogues.values():
            for refusal in dialogue.refusals.values():
                if not any(_follows(attempt, refusal) or _upgraded(attempt, refusal) for attempt in attempts):
                    attempts.append(refusal)
        attempts.sort(key=lambda attempt: (attempt.first[2], attempt.first[0]))
        counts: dict[tuple[int, Identity], int] = {}
        records: list[TransferRecord] = []
        for index, attempt in enumerate(attempts, 1):
            if attempt.conclusion is None:
                attempt.conclude(self._store, self._limit)
            key = id(attempt.client), attempt.identity
            counts[key] = counts.get(key, 0) + 1
            heard_until = ended if until is None else until(attempt.client.pan_id, attempt.last[1])
            records.append(self._record(attempt, f"T{index}", counts[key], heard_until))
        return records

    def _place_late_offers(self, dialogue: _Dialogue, track: _Track) -> None:
        """Offers after an end that nothing followed: still part of that story, or, long after, one of their own."""
        if not track.offers:
            return
        old = track.attempts[-1]
        if track.offers[0].sign[1] - old.last[1] <= self._silence_ns:
            for step in track.offers:
                old.note(step)
        else:
            self._begin(dialogue, track, track.offers[0].sign).offered = True

    def _record(self, attempt: Attempt, name: str, number: int, ended: int) -> TransferRecord:
        found = attempt.conclusion
        assert found is not None  # noqa: S101 -- concluded just now
        events = list(attempt.events)
        if attempt.first_wait:
            sign, asked = attempt.first_wait
            many = f", the first of {attempt.waits} times" if attempt.waits > 1 else ""
            events.append(Step(sign, "wait", f"server asked to wait {asked / SECOND:g} s{many}").event())
        if attempt.first_bad:
            what = f"block with fewer octets than it says, or none ({attempt.bad_blocks} in all): not used"
            events.append(Step(attempt.first_bad, "note", what).event())
        events += [Step(attempt.last, "note", note).event() for note in found.notes]
        events += attempt.resumptions
        events.sort(key=lambda event: (event.time, event.frame))
        transfer = Transfer(
            id=name,
            attempt=number,
            client=attempt.client.party(),
            server=attempt.server.party(),
            pan_id=attempt.client.pan_id,
            manufacturer_code=attempt.identity.manufacturer_code,
            image_type=attempt.identity.image_type,
            file_version=attempt.identity.file_version,
            image_size=found.image_size,
            image_size_source=found.image_size_source,
            received_bytes=found.received,
            missing_ranges=found.missing,
            conflicting_bytes=found.conflicting,
            conflicts=found.conflicts,
            state=state_of(attempt, found, ended, self._stalled_ns),
            complete=found.sha256 is not None,
            sha256=found.sha256,
            first_frame=attempt.first[2],
            last_frame=attempt.last[2],
            started=min(attempt.first[1], attempt.last[1]),  # a clock may have been set back
            ended=max(attempt.first[1], attempt.last[1]),
            block_requests=attempt.block_requests,
            block_responses=attempt.block_responses,
            page_requests=attempt.page_requests,
            wait_responses=attempt.waits,
            waited_ns=attempt.waited_ns,
            repeated_requests=found.repeated_requests,
            duplicate_blocks=found.duplicate_blocks,
            resumptions=tuple(attempt.resumptions),
            end_status=attempt.end_status,
            upgrade_at=attempt.upgrade_at,
            requested_from=attempt.low if attempt.low < NO_OFFSET else None,
            events=tuple(events[:EVENTS_KEPT]),
            strip=found.strip,
        )
        return TransferRecord(transfer, found.image)


def _mark_superseded(attempts: list[Attempt]) -> None:
    """An attempt is superseded when the client later began to load such a file, of any version, from anywhere."""
    begun: dict[tuple[int, int, int], int] = {}
    for attempt in attempts:
        if attempt.begun:
            key = attempt.kind_of_image()
            begun[key] = max(begun.get(key, -1), attempt.begun[0])
    for attempt in attempts:
        if begun.get(attempt.kind_of_image(), -1) > attempt.last[0]:
            attempt.superseded = attempt.begun is not None


def _follows(attempt: Attempt, refusal: Attempt) -> bool:
    """Whether the client loads an image of that kind after all."""
    same = attempt.kind_of_image() == refusal.kind_of_image()
    return same and attempt.begun is not None and attempt.begun[0] > refusal.first[0]


def _upgraded(attempt: Attempt, query: Attempt) -> bool:
    """Whether the client has just loaded what it now says it runs: its query then tells that the upgrade worked.

    The query becomes part of the attempt's story.
    """
    if not attempt.finished or attempt.identity != query.identity or attempt.client is not query.client:
        return False
    attempt.events += query.events[: max(EVENTS_KEPT - len(attempt.events), 0)]
    return True


def first_block(transfer: Transfer) -> TransferEvent | None:
    """The first request or block of a transfer; `None`: nothing tells, or there was none."""
    return next((event for event in transfer.events if event.kind == "beginning"), None)


def _asked(sign: Sign, identity: Identity | None) -> Step:
    """A query for a newer image than that which the client has."""
    have = "" if identity is None else f", has {identity}"
    return Step(sign, "query", f"client asked for a newer image{have}", identity)


def _status(status: int) -> str:
    return STATUS_NAMES.get(status) or (f"status 0x{status:02x}" if status >= 0 else "no status")


def _command(command: int) -> str:
    """As the cluster names it."""
    return OtaCommand(command).name.replace("_", " ").title() if command in _NAMED else hex(command)


_NAMED: Final = frozenset(OtaCommand)


def _told(table: OtaTable) -> Positions:
    """The command that tells who speaks: 0 to 9, or 10 for none known.

    A default response is told by what it answers: its speaker is the other side, so it gets a command of that side.
    """
    command = np.minimum(table.command.view(np.uint64), 10).view(np.int64)  # ABSENT becomes the greatest number
    default = table.command == DEFAULT_RESPONSE
    if default.any():
        known = default & (table.answered >= 0) & (table.answered <= 9)
        spoke = _BY_SERVER[np.where(known, table.answered, 10)]
        command[known] = np.where(spoke, 0x01, 0x00)[known]
    return command


def _waits(table: OtaTable, kind: NDArray[np.uint8]) -> Positions:
    """What each WAIT_FOR_DATA asks for, nanoseconds; 0 elsewhere."""
    wait = np.zeros(len(table), np.int64)
    rows = np.flatnonzero(kind == WAIT)
    if len(rows):
        seconds = table.request_time[rows] - np.maximum(table.current_time[rows], 0)
        wait[rows] = np.clip(seconds, 0, LONGEST_WAIT_NS // SECOND) * SECOND
    return wait


def _heard(talkers: list[Positions], kind: NDArray[np.uint8]) -> list[Positions]:
    """The rows that are not ignored of each group, in order of their first ones."""
    if int(kind.min()) > IGNORED:
        return talkers
    heard = [rows[kind[rows] != IGNORED] for rows in talkers]
    return sorted((rows for rows in heard if len(rows)), key=lambda rows: int(rows[0]))


def _link(pan_id: Positions, one: Positions, other: Positions) -> Positions:
    """PAN and two short addresses in one number."""
    return (pan_id << 32) ^ (one << 16) ^ other


def _mix(*columns: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for each row, different when any of the columns differs (with as good as certainty)."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        mixed ^= column.view(np.uint64)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def groups(codes: NDArray[np.int64] | NDArray[np.uint64]) -> list[Positions]:
    """The positions of each value, ascending, in order of the values' first positions."""
    if not len(codes):
        return []
    if (codes == codes[0]).all():
        return [np.arange(len(codes))]
    key = (_mix(codes) >> np.uint64(48)).astype(np.uint16)
    order = np.argsort(key, kind="stable")  # of 16 bits: radix sort
    heads = _heads(codes[order])
    if (key[order[heads[1:]]] == key[order[heads[:-1]]]).any():  # two values with one key: they may lie mixed
        order = np.argsort(codes, kind="stable")
        heads = _heads(codes[order])
    ends = [*heads[1:].tolist(), len(codes)]
    parts = [order[head:end] for head, end in zip(heads.tolist(), ends, strict=True)]
    return sorted(parts, key=lambda part: int(part[0]))


def _heads(ordered: NDArray[np.int64] | NDArray[np.uint64]) -> Positions:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


class _Copies:
    """Tells messages that were heard before."""

    def __init__(self) -> None:
        self._mixed = np.zeros(0, np.uint64)
        self._time = np.zeros(0, np.int64)

    def among(self, table: OtaTable) -> Positions:
        """Which rows are the same message as an earlier row, of this table or of those before."""
        message = np.where(table.aps_counter >= 0, table.aps_counter, table.nwk_sequence + 256)
        fresh = _mix(
            _link(table.pan_id, table.nwk_source, table.nwk_destination),
            (message << 16) ^ (table.source_endpoint << 8) ^ table.destination_endpoint,
            (table.zcl_sequence << 40) ^ (table.command << 20) ^ (table.answered << 10) ^ table.status,
            (table.file_offset << 8) ^ table.data_size,
        )
        kept = len(self._mixed)
        mixed, time = np.append(self._mixed, fresh), np.append(self._time, table.time_ns)
        place = np.uint64((1 << 17) - 1)  # room for every row's position below its number: sorting that is fastest
        order = np.sort((mixed & ~place) | np.arange(len(mixed), dtype=np.uint64))
        same = np.flatnonzero((order[1:] ^ order[:-1]) <= place)
        earlier, later = (order[same] & place).astype(np.intp), (order[same + 1] & place).astype(np.intp)
        near = (time[later] - time[earlier] <= SAME_MESSAGE_NS) & (later - earlier <= SAME_MESSAGE_ROWS)
        copies = later[near & (mixed[later] == mixed[earlier])] - kept
        self._mixed, self._time = mixed[-SAME_MESSAGE_ROWS:].copy(), time[-SAME_MESSAGE_ROWS:].copy()
        return copies[copies >= 0]


class _Devices:
    """Devices by EUI-64, or by short address as long as that is all that is known of them."""

    def __init__(self) -> None:
        self._by_eui64: dict[tuple[int, int], Device] = {}
        self._by_short: dict[tuple[int, int], Device] = {}
        self._eui64: dict[tuple[int, int], int] = {}

    def fill(self, table: OtaTable) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The EUI-64s of source and destination; where a row has none, the last one heard with that short address."""
        if table.source_eui64.all() and table.destination_eui64.all():
            return table.source_eui64, table.destination_eui64
        short = np.column_stack((table.nwk_source, table.nwk_destination)).ravel()
        eui64 = np.column_stack((table.source_eui64, table.destination_eui64)).ravel()
        pan_id = np.repeat(table.pan_id, 2)
        for group in groups((pan_id << 16) ^ short):
            here = eui64[group]
            if here.all():
                continue
            known = np.maximum.accumulate(np.where(here != 0, np.arange(len(here)), -1))
            before = np.uint64(self._eui64.get((int(pan_id[group[0]]), int(short[group[0]])), 0))
            eui64[group] = np.where(known >= 0, here[known], before)
        return eui64[0::2].copy(), eui64[1::2].copy()

    def learn(self, pan_id: int, short: int, eui64: int) -> None:
        """Remember who has a short address now, for `fill`."""
        if eui64:
            self._eui64[pan_id, short] = eui64

    def find(self, pan_id: int, short: int, eui64: int, row: int) -> Device:
        """The device; its short address is the one it had last (`row`)."""
        address = pan_id, short
        if not eui64:
            return self._by_short.setdefault(address, Device(pan_id, short, 0, row))
        device = self._by_eui64.get((pan_id, eui64))
        if device is None:
            device = self._by_short.pop(address, None) or Device(pan_id, short, 0, row)
            device.eui64 = eui64
            self._by_eui64[pan_id, eui64] = device
        if row >= device.row:
            device.short, device.row = short, row
        return device
