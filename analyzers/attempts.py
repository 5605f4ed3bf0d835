"""One attempt to load one image: what is noted while it runs, and what it comes to. The rules: `transfers.py`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.coverage import Intervals, Positions, among, missing
from hanscope.analyzers.imagestore import BLOCK, ImageStore, StoredImage, assemble
from hanscope.analyzers.results import EventKind, MissingRange, Party, TransferEvent, TransferState
from hanscope.analyzers.tables import ABSENT
from hanscope.dissectors.codes import Status
from hanscope.dissectors.columns.rows import distinct

SECOND: Final = 1_000_000_000
SAME_MESSAGE_NS: Final = 10 * SECOND
"""So long a message can be heard again (retries, relays)."""
EVENTS_KEPT: Final = 200
NO_OFFSET: Final = 1 << 32
PIECES: Final = 64
"""Small arrays of a log that are put together."""
ENDS: Final[dict[int, TransferState]] = {
    Status.SUCCESS: "ended",
    Status.ABORT: "aborted",
    Status.INVALID_IMAGE: "rejected",
    Status.REQUIRE_MORE_IMAGE: "more-needed",
}
"""Other statuses, which the cluster does not allow but devices send, say that the client gave up: aborted."""

IGNORED, REQUEST, PAGE, BLOCK_HEARD, BLOCK_AGAIN, BAD_BLOCK = range(6)
REPEATED, WAIT, WAIT_AGAIN, CONTROL, CONTROL_AGAIN = range(6, 11)
"""Kinds of rows. CONTROL is all that does not come by the thousand. `..._AGAIN` and REPEATED: heard before. Their order
lets one comparison choose: requests up to PAGE, what is new up to BLOCK_HEARD, all blocks up to BLOCK_AGAIN; from WAIT
to WAIT_AGAIN rows have no identity.
"""
ASKED: Final = np.dtype(
    [("row", "<i8"), ("offset", "<u4"), ("length", "<u2"), ("sequence", "u1"), ("page", "?")],
)


class Device(msgspec.Struct, eq=False):
    pan_id: int
    short: int
    eui64: int
    row: int
    """Of the last message from or to it."""

    def party(self) -> Party:
        text = ":".join(f"{octet:02x}" for octet in self.eui64.to_bytes(8, "big")) if self.eui64 else None
        return Party(short=self.short, eui64=text)


class Identity(NamedTuple):
    """What names an image (ZCL 11.4.2)."""

    manufacturer_code: int
    image_type: int
    file_version: int

    @classmethod
    def of(cls, code: int) -> Identity:
        return cls(code >> 48 & 0xFFFF, code >> 32 & 0xFFFF, code & 0xFFFFFFFF)

    @property
    def code(self) -> int:
        """All of it in one signed number of 64 bits, as in `Rows.identity`."""
        return (self.manufacturer_code ^ 0x8000) - 0x8000 << 48 | self.image_type << 32 | self.file_version

    def covers(self, other: Identity) -> bool:
        """Whether it is that image, or names it by wildcards (ZCL 11.13.9.6)."""
        return (
            self.manufacturer_code in (0xFFFF, other.manufacturer_code)
            and self.image_type in (0xFFFF, other.image_type)
            and self.file_version in (0xFFFFFFFF, other.file_version)
        )

    def __str__(self) -> str:
        return f"0x{self.manufacturer_code:04x}/0x{self.image_type:04x}/0x{self.file_version:08x}"


class Rows(msgspec.Struct, eq=False):
    """The columns that attempts are built from, of some messages in capture order."""

    row: Positions
    number: Positions
    time: Positions
    kind: NDArray[np.uint8]
    offset: Positions
    length: Positions
    """Octets asked for or brought."""
    sequence: Positions
    at: Positions
    wait: Positions
    """Nanoseconds that a WAIT_FOR_DATA asks for."""
    identity: Positions

    def __len__(self) -> int:
        return len(self.row)

    def part(self, which: slice | Positions) -> Rows:
        """Some of the messages; a slice copies nothing."""
        return Rows(
            self.row[which],
            self.number[which],
            self.time[which],
            self.kind[which],
            self.offset[which],
            self.length[which],
            self.sequence[which],
            self.at[which],
            self.wait[which],
            self.identity[which],
        )

    def sign(self, index: np.intp | int) -> Sign:
        return int(self.row[index]), int(self.time[index]), int(self.number[index])


class Journal:
    """A growing log of records of one kind, most of which may lie in the store."""

    def __init__(self, kind: np.dtype[np.void]) -> None:
        self.kind = kind
        self.recent: list[NDArray[np.void]] = []
        self.stored: list[tuple[int, int]] = []
        self._small = 0
        """Arrays at the end of `recent` that have not been put together."""

    def add(self, **columns: NDArray[np.generic]) -> int:
        """Append records given as columns; returns their size in octets."""
        rows = len(columns["row"])
        if not rows:
            return 0
        records = np.empty(rows, self.kind)
        for name, column in columns.items():
            records[name] = column
        self.recent.append(records)
        self._small += 1
        if self._small == PIECES:  # a live capture adds a few records at a time, and arrays cost more than they hold
            self.recent[-PIECES:] = [_together(self.recent[-PIECES:])]
            self._small = 0
        return records.nbytes

    def flush(self, store: ImageStore) -> None:
        if self.recent:
            records = _together(self.recent)
            self.stored.append((store.append(records), records.nbytes))
            self.recent.clear()
            self._small = 0

    def load(self, store: ImageStore) -> NDArray[np.void]:
        parts = [store.read(at, size) for at, size in self.stored]
        octets = [np.empty(0, np.uint8), *parts, *(records.view(np.uint8) for records in self.recent)]
        return np.concatenate(octets).view(self.kind)  # records themselves would be joined field by field

    def clear(self) -> None:
        self.recent.clear()
        self.stored.clear()
        self._small = 0


def _together(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    kind = parts[0].dtype
    return np.concatenate([records.view(np.uint8) for records in parts]).view(kind)


Sign = tuple[int, int, int]
"""Row, time and frame number of a message."""


class Step(msgspec.Struct, frozen=True):
    """A step of an attempt's story."""

    sign: Sign
    kind: EventKind
    what: str
    image: Identity | None = None

    def event(self) -> TransferEvent:
        _, time, frame = self.sign
        return TransferEvent(time=time, frame=frame, what=self.what, kind=self.kind, image=self.image)


class Conclusion(msgspec.Struct, frozen=True):
    """What only the whole of an attempt's logs tells."""

    image_size: int | None
    image_size_source: Literal["query response", "OTA header", "unknown"]
    received: int
    missing: tuple[MissingRange, ...]
    conflicting: int
    conflicts: tuple[tuple[int, int, int, int], ...]
    sha256: str | None
    repeated_requests: int
    duplicate_blocks: int
    all_there: bool
    """Every octet was received, or is proven to have reached the client."""
    notes: tuple[str, ...]
    strip: str
    image: StoredImage | None


class Attempt(msgspec.Struct, eq=False):
    client: Device
    server: Device
    identity: Identity
    first: Sign
    last: Sign
    size: int | None = None
    asked: Journal = msgspec.field(default_factory=lambda: Journal(ASKED))
    blocks: Journal = msgspec.field(default_factory=lambda: Journal(BLOCK))
    low: int = NO_OFFSET
    """The lowest offset asked for."""
    step_low: int = NO_OFFSET
    step_high: int = -1
    """The lowest and the highest offset asked for, also as far as only the answer was heard."""
    asked_last: int = -1
    asked_sequence: int = ABSENT
    block_sequence: int = ABSENT
    floor: int = NO_OFFSET
    """The lowest offset asked for or delivered."""
    edge: int = 0
    """The highest end of what was asked for or delivered."""
    begun: Sign | None = None
    """The first request or block."""
    begun_sequence: int = ABSENT
    block_requests: int = 0
    page_requests: int = 0
    block_responses: int = 0
    waits: int = 0
    waited_ns: int = 0
    wait_until: int = 0
    first_wait: tuple[Sign, int] | None = None
    bad_blocks: int = 0
    first_bad: Sign | None = None
    queried: bool = False
    """A query or an offer came in mid-transfer."""
    moved: int = 0
    """Time of the last request or block."""
    over: bool = False
    finished: bool = False
    """Over, and what comes next can not go on with it: it ended with success, or was offered anew."""
    superseded: bool = False
    end_status: int | None = None
    aborted: bool = False
    upgrade: TransferState | None = None
    upgrade_at: str | None = None
    succeeded_row: int | None = None
    offered: bool = False
    declined: bool = False
    resumptions: list[TransferEvent] = msgspec.field(default_factory=list[TransferEvent])
    events: list[TransferEvent] = msgspec.field(default_factory=list[TransferEvent])
    conclusion: Conclusion | None = None

    def kind_of_image(self) -> tuple[int, int, int]:
        return id(self.client), self.identity.manufacturer_code, self.identity.image_type

    def note(self, step: Step) -> None:
        if len(self.events) < EVENTS_KEPT:
            self.events.append(step.event())

    def tell(self, step: Step) -> None:
        """Note a message that belongs to the attempt itself."""
        self.note(step)
        self.first, self.last = min(self.first, step.sign), max(self.last, step.sign)

    def take(self, rows: Rows, steps: Positions, pause_ns: int) -> int:
        """Take in requests, blocks and waits, with the `steps` among them; returns how many octets the logs grew by."""
        kind = rows.kind
        self.last = max(self.last, rows.sign(-1))
        asked = np.flatnonzero(kind <= PAGE)
        moving = np.flatnonzero(kind <= BLOCK_AGAIN)
        waits = np.flatnonzero(kind == WAIT)
        if len(moving):
            self._find_pauses(rows, moving, waits, pause_ns)
        if len(steps):
            offset = rows.offset[steps]
            self.step_low = min(self.step_low, int(offset.min()))
            self.step_high = max(self.step_high, int(offset.max()))
        if len(waits):
            self._take_waits(rows, waits)
        if len(moving) + len(waits) < len(rows) and len(bad := np.flatnonzero(kind == BAD_BLOCK)):
            self.bad_blocks += len(bad)
            self.first_bad = self.first_bad or rows.sign(bad[0])
        grown = self._take_requests(rows, asked) if len(asked) else 0
        blocks = moving[kind[moving] > PAGE]
        return grown + self._take_blocks(rows, blocks) if len(blocks) else grown

    def _take_blocks(self, rows: Rows, blocks: Positions) -> int:
        offset, length, sequence = rows.offset[blocks], rows.length[blocks], rows.sequence[blocks]
        again = rows.kind[blocks] == BLOCK_AGAIN
        counted = np.flatnonzero(~again)
        self.block_responses += len(counted)
        if len(counted):
            self.block_sequence = int(sequence[counted[-1]])
        self.floor = min(self.floor, int(offset.min()))
        self.edge = max(self.edge, int((offset + length).max()))
        return self.blocks.add(
            row=rows.row[blocks],
            frame=rows.number[blocks],
            at=rows.at[blocks],
            offset=offset,
            length=length,
            sequence=sequence,
            copy=again,
        )

    def _take_requests(self, rows: Rows, asked: Positions) -> int:
        offset, length = rows.offset[asked], rows.length[asked]
        page = rows.kind[asked] == PAGE
        pages = int(np.count_nonzero(page))
        if pages and not self.page_requests:
            first = int(asked[int(np.argmax(page))])
            self.note(Step(rows.sign(first), "pages", f"page requests begin at offset {rows.offset[first]}"))
        self.page_requests += pages
        self.block_requests += len(asked) - pages
        self.low = min(self.low, int(offset.min()))
        self.floor = min(self.floor, self.low)
        self.asked_last, self.asked_sequence = int(offset[-1]), int(rows.sequence[asked[-1]])
        self.edge = max(self.edge, int((offset + length).max()))
        if self.over:  # it goes on although it had ended
            self.over = self.aborted = False
            self.end_status = self.upgrade = self.upgrade_at = None
            self.finished = False
        return self.asked.add(
            row=rows.row[asked], offset=offset, length=length, sequence=rows.sequence[asked], page=page
        )

    def _take_waits(self, rows: Rows, waits: Positions) -> None:
        wait = rows.wait[waits]
        if self.first_wait is None:
            self.first_wait = rows.sign(waits[0]), int(wait[0])
        self.waits += len(waits)
        self.waited_ns += int(wait.sum())
        self.wait_until = max(self.wait_until, int((rows.time[waits] + wait).max()))

    def _find_pauses(self, rows: Rows, moving: Positions, waits: Positions, pause_ns: int) -> None:
        """Begin the story, or list where it went on after a pause (that no WAIT_FOR_DATA asked for) or a query."""
        time = rows.time[moving]
        if self.begun is None:
            self.begun = rows.sign(moving[0])
            self.begun_sequence = int(rows.sequence[moving[0]])
            what = "request" if rows.kind[moving[0]] <= PAGE else "block heard"
            self.note(Step(self.begun, "beginning", f"first {what}, at offset {rows.offset[moving[0]]}"))
            self.moved, self.queried = int(time[0]), False
        before = _before(time, self.moved)
        self.moved = int(time[-1])
        pause = time - before
        if self.queried:
            pause[0] = max(int(pause[0]), pause_ns + 1)
        long = np.flatnonzero(pause > pause_ns)
        if len(long):
            until = np.maximum.accumulate(np.append(self.wait_until, rows.time[waits] + rows.wait[waits]))
            due = np.maximum(before[long], until[np.searchsorted(waits, moving[long])])
            explained = time[long] - due <= pause_ns
            if self.queried:
                explained[0] &= long[0] != 0
            for index in long[~explained][: max(EVENTS_KEPT // 2 - len(self.resumptions), 0)].tolist():
                sign = rows.sign(int(moving[index]))
                silent = max(sign[1] - int(before[index]), 0) / SECOND
                why = "a query and " if self.queried and index == 0 else ""
                what = f"went on at offset {rows.offset[moving[index]]} after {why}{silent:.1f} s"
                self.resumptions.append(Step(sign, "resumption", what).event())
        self.queried = False

    def steps(self, rows: Rows) -> Positions:
        """The requests among `rows`, and the blocks that prove a request which was not heard: blocks at another offset
        than the last request's and with a sequence number of their own. Once a page was asked for, whose blocks come
        without requests, only those prove one that lie where the image begins.
        """
        asks = rows.kind <= PAGE
        asked = np.flatnonzero(asks)
        block = np.flatnonzero(rows.kind == BLOCK_HEARD)
        if not len(block):
            return asked
        sequence = rows.sequence[block]
        before = np.cumsum(asks)[block]
        latest = np.append(self.asked_last, rows.offset[asked])[before]
        answered = np.append(self.asked_sequence, rows.sequence[asked])[before]
        alone = (rows.offset[block] != latest) & (sequence != answered)
        alone &= sequence != _before(sequence, self.block_sequence)
        if not alone.any():
            return asked
        block = block[alone]
        page = np.flatnonzero(rows.kind == PAGE)
        if self.page_requests or len(page):
            paged = 0 if self.page_requests else page[0]
            low = min(self.step_low, int(rows.offset[asked].min(initial=NO_OFFSET)))
            block = block[(block < paged) | (rows.offset[block] <= low)]
        asks[block] = True
        return np.flatnonzero(asks)

    def begins_anew(self, rows: Rows, steps: Positions, silence_ns: int) -> int:
        """The index of the first row that belongs to a new attempt; the number of rows if none does.

        `steps`: of these rows, as this attempt tells them.
        """
        cut = len(rows)
        if len(steps):
            offset = rows.offset[steps]
            fresh = steps[~self._late(rows, steps)] if self.over else steps
            if self.over and len(fresh) and (self.finished or rows.offset[fresh[0]] <= self.floor):
                return int(fresh[0])
            if offset.min() <= self.step_low:  # else none can lie as low as all before it
                cut = self._restart(rows, steps, offset)
        return min(cut, self._after_silence(rows, silence_ns))

    def _late(self, rows: Rows, steps: Positions) -> NDArray[np.bool_]:
        """Blocks soon after the end that were asked for before it: the server had not heard that they arrived."""
        end = rows.offset[steps] + rows.length[steps]
        soon = rows.time[steps] - self.moved <= SAME_MESSAGE_NS
        return (rows.kind[steps] == BLOCK_HEARD) & (end <= self.edge) & soon

    def _restart(self, rows: Rows, steps: Positions, offset: Positions) -> int:
        """The index of the first step that goes back to the beginning; or the number of rows."""
        low = np.minimum.accumulate(_before(offset, self.step_low))
        high = np.maximum.accumulate(_before(offset, self.step_high))
        restart = (offset <= low) & (high >= offset + np.maximum(rows.length[steps], 1))
        if restart.any():
            time, sequence = rows.time[steps], rows.sequence[steps]
            begun = (self.begun[1], self.begun_sequence) if self.begun else (time[0], sequence[0])
            restart &= (sequence != begun[1]) | (time - begun[0] > SAME_MESSAGE_NS)
        return int(steps[np.argmax(restart)]) if restart.any() else len(rows)

    def _after_silence(self, rows: Rows, silence_ns: int) -> int:
        """The index of the first request or block outside of what was had after a long silence; or their number."""
        first = int(rows.time.min())
        if int(rows.time.max()) - (min(self.moved, first) if self.begun else first) <= silence_ns:
            return len(rows)
        moving = np.flatnonzero(rows.kind <= BLOCK_HEARD)
        if not len(moving):
            return len(rows)
        time, offset = rows.time[moving], rows.offset[moving]
        silent = time - _before(time, self.moved if self.begun else int(time[0])) > silence_ns
        if silent.any():
            edge = np.maximum.accumulate(_before(offset + rows.length[moving], self.edge))
            floor = np.minimum.accumulate(_before(offset, self.floor))
            silent &= (offset > edge) | (offset < floor)
        return int(moving[np.argmax(silent)]) if silent.any() else len(rows)

    def received(self, store: ImageStore) -> int:
        blocks = self.blocks.load(store)
        offset = blocks["offset"].astype(np.int64)
        return Intervals.of(offset, offset + blocks["length"]).octets

    def conclude(self, store: ImageStore, limit: int) -> None:
        """Nothing more can come: put the image together and say what is missing."""
        self.conclusion = _conclude(self, store, limit)
        self.blocks.clear()
        self.asked.clear()


def _conclude(attempt: Attempt, store: ImageStore, limit: int) -> Conclusion:
    blocks, asked = attempt.blocks.load(store), attempt.asked.load(store)
    image = assemble(store, blocks, limit)
    notes: list[str] = []
    starts = asked["offset"].astype(np.int64)
    size = attempt.size
    source: Literal["query response", "OTA header", "unknown"] = "query response"
    if size is None:
        header = image.octets(0, 56)
        if header is not None and header[:4] == bytes.fromhex("1ef1ee0b"):
            size, source = int.from_bytes(header[52:56], "little"), "OTA header"
        else:
            source = "unknown"
    end = size
    if end is None:
        end = int(max(image.covered.ends.max(initial=0), starts[starts < limit].max(initial=0)))
    beyond = image.refused + image.covered.octets - image.covered.below(end).octets
    if beyond:
        notes.append(f"{beyond} octets beyond the end of the image were not used")
    covered = image.covered.below(end)
    if covered.octets == end:
        holes = []
    elif attempt.begun is None:
        holes = missing(covered, end, np.zeros(0, np.int64), np.zeros(0, np.int64), end)
    else:
        reach = end if size is not None else end + 1  # without a size the last request is not beyond the image
        holes = missing(covered, end, *_course(attempt, asked, blocks, reach), attempt.floor)
    kept = image.keep(store, min(end, limit)) if covered.octets else None
    whole = size is not None and size > 0 and covered.octets == size
    requests = distinct((asked["page"].astype(np.int64) << 40 | starts << 8) + asked["sequence"])
    return Conclusion(
        image_size=size,
        image_size_source=source,
        received=covered.octets,
        missing=tuple(MissingRange(start=low, end=high, reason=why) for low, high, why in holes),
        conflicting=image.conflicting,
        conflicts=tuple(image.conflicts),
        sha256=sha256(image.packed[:size].data).hexdigest() if whole else None,
        repeated_requests=len(requests) - len(distinct(requests >> 8)),
        duplicate_blocks=image.repeated,
        all_there=bool(size) and all(why == "answered but not captured" for _, _, why in holes),
        notes=tuple(notes),
        strip=covered.strip(end),
        image=kept,
    )


def _course(
    attempt: Attempt, asked: NDArray[np.void], blocks: NDArray[np.void], end: int
) -> tuple[Positions, Positions]:
    """The client's way through an image of `end` octets.

    That is what it asked for, in order, and as empty ranges what else proves that it had come to an offset. Requests
    beyond the image prove nothing.
    """
    inside = asked["offset"] < max(end, 1)
    if not inside.all():
        asked = asked[inside]
    starts = asked["offset"].astype(np.int64)
    ends = starts + asked["length"]
    rows, far_starts, far_ends = [asked["row"]], [starts], [ends]
    fresh = np.flatnonzero(~blocks["copy"])
    offset, sequence = blocks["offset"][fresh].astype(np.int64), blocks["sequence"][fresh]
    same_sequence = (sequence[1:] == sequence[:-1]) & (offset[1:] != offset[:-1])
    if not attempt.page_requests and not same_sequence.any():
        # One that carries the last request's sequence number is its answer, wherever it lies.
        latest = np.append(ABSENT, asked["sequence"])[np.searchsorted(asked["row"], blocks["row"][fresh])]
        alone = ~among(offset, starts) & (offset < end) & (sequence != latest)
        rows.append(blocks["row"][fresh[alone]])
        far_starts.append(offset[alone])
        far_ends.append(offset[alone])
    if attempt.succeeded_row is not None:
        at = np.array([_end_of_file(asked, ends, end)])
        rows.append(np.array([attempt.succeeded_row]))
        far_starts.append(at)
        far_ends.append(at)
    order = np.argsort(np.concatenate(rows), kind="stable")
    return np.concatenate(far_starts)[order], np.concatenate(far_ends)[order]


def _end_of_file(asked: NDArray[np.void], ends: Positions, end: int) -> int:
    """How far a client has come that reports success: to the image's end, or to where it shortened its last request."""
    last = int(ends.max(initial=0))
    if not 0 < last < end:
        return end
    final = np.flatnonzero(ends == last)[-1]
    alike = asked["length"][asked["page"] == asked["page"][final]]
    return last if asked["length"][final] < alike.max() else end


def _before(values: Positions, first: int) -> Positions:
    """For each value the one before it; `first` for the first."""
    before = np.empty_like(values)
    before[:1] = first
    before[1:] = values[:-1]
    return before


def state_of(  # noqa: PLR0911 -- the rules in their order, one line each
    attempt: Attempt, found: Conclusion, ended: int, stalled_ns: int
) -> TransferState:
    """Where an attempt stands at the end of the capture."""
    if attempt.aborted:
        return "aborted"
    if attempt.upgrade:
        return attempt.upgrade
    if attempt.end_status is not None:
        return ENDS.get(attempt.end_status, "aborted")
    if attempt.declined:
        return "refused"
    if attempt.offered and attempt.begun is None:
        return "offered"
    if attempt.superseded:
        return "superseded"
    if found.all_there:
        return "downloaded"
    silent = ended - attempt.last[1] > stalled_ns and ended > attempt.wait_until
    return "stalled" if silent else "downloading"
