"""Holds a capture against the rules: row rules batch by batch, the others when everything is concluded.

What a rule finds is counted by rule and conversation; only the first frames are kept, so that no capture can make the
memory grow. A deviation that hangs on something *not* having been sent waits until the transmitter is heard again, and
is dropped unless everything in between was captured: it is undecided then, and a rule says nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from hanscope.analyzers.dissect import Acknowledgements, ack_key
from hanscope.analyzers.evidence import Evidence, Hearing
from hanscope.analyzers.results import Analysis, Confidence, Finding, Severity, Transfer
from hanscope.analyzers.rules.catalogue import ITEM_RULES, ROW_RULES, RULES
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.limits import SECOND, Limits
from hanscope.analyzers.rules.model import Hit, Mask, Profile, Quiet, RowRule, Rule
from hanscope.analyzers.rules.rows import END, Kept, OtaRows, Other, Rows
from hanscope.analyzers.silences import Course
from hanscope.analyzers.tables import ABSENT, Column, OtaTable
from hanscope.dissectors.codes import TunnelProtocol

FRAMES_SHOWN: Final = 20
HITS_KEPT: Final = 200
"""Of one rule in one conversation; further ones are counted."""
GROUPS_KEPT: Final = 4096
ALL_HITS_KEPT: Final = 100_000
JUDGED: Final = 2000
"""Hits of one rule and batch that are judged; what is beyond stays undecided."""
OVERLAPPING: Final = 8
"""Transfers of one client from one server that may go on at the same time."""
WAITING: Final = 20_000
FINDINGS_KEPT: Final = 2000
ACK_NS: Final = 5 * SECOND
ROWS_TOGETHER: Final = 1 << 15
BATCHES_TOGETHER: Final = 32
"""From so many commands or batches on they are judged, as that is faster; a live capture has ten batches a second."""
ACKS_KEPT: Final = 4
"""Batches of acknowledgements, at least …"""
ACKS_KEPT_NS: Final = 150 * SECOND
"""… and all that are not older."""
_SEVERITIES: Final[dict[Severity, int]] = {"error": 0, "warning": 1, "note": 2}


class _Group(msgspec.Struct):
    """What one rule found in one conversation."""

    count: int = 0
    hits: list[tuple[tuple[int, ...], str]] = msgspec.field(default_factory=list[tuple[tuple[int, ...], str]])


class _Acks(NamedTuple):
    """APS acknowledgements of a time."""

    key: NDArray[np.uint64]
    time_ns: Column
    first_ns: int
    last_ns: int

    @classmethod
    def of(cls, key: NDArray[np.uint64], time_ns: Column) -> _Acks:
        return cls(key, time_ns, int(time_ns.min()), int(time_ns.max()))


class _Waiting(NamedTuple):
    """A hit that counts if all was captured that a transmitter sent in a time."""

    rule: RowRule
    conversation: int
    frames: tuple[int, ...]
    detail: str
    place: tuple[int, int, int]
    span: tuple[int, int, int, int | None]
    """As `Evidence.missed` takes it: times, then frames."""


class Choice(msgspec.Struct, frozen=True):
    """Which rules count, and how."""

    profile: Profile | None = None
    """`None`: by what is seen."""
    select: frozenset[str] = frozenset()
    """None: all."""
    ignore: frozenset[str] = frozenset()
    limits: Limits = Limits()

    def takes(self, rule: Rule, profile: Profile) -> bool:
        chosen = (not self.select or rule.id in self.select) and rule.id not in self.ignore
        return chosen and rule.profile in ("both", profile)


class RuleEngine:
    """The rules over one reading of a capture."""

    def __init__(self, choice: Choice | None = None) -> None:
        self.evidence = Evidence()
        self._choice = choice or Choice()
        self._limits = self._choice.limits
        self._rules = [rule for rule in ROW_RULES if self._wanted(rule)]
        self._finders = _finders(self._rules)
        self._kept: Kept | None = None
        self._pending: list[Kept] = []
        """Batches that are judged together."""
        self._groups: dict[tuple[str, int], _Group] = {}
        self._waiting: deque[_Waiting] = deque()
        self._acks: deque[_Acks] = deque()
        self._acks_apart = 0
        """Of these, the last so many have not been put together."""
        self._smart_energy = False
        self._hardware: dict[tuple[int, int, int], int] = {}
        self._hits = 0
        self.undecided = 0
        """Hits that the capture could not decide."""

    def _wanted(self, rule: Rule) -> bool:
        return self._choice.takes(rule, rule.profile if rule.profile != "both" else "gb")

    def feed(
        self,
        table: OtaTable,
        hearing: Hearing | None = None,
        acks: Acknowledgements | None = None,
        damaged: OtaTable | None = None,
    ) -> None:
        """Take in a batch. `damaged`: commands that end before their fields do."""
        self.evidence.feed(hearing)
        if acks is not None and len(acks.key):
            self._acks.append(_Acks.of(acks.key.copy(), acks.time_ns.copy()))
            self._acks_apart += 1
        if damaged is not None and len(damaged):
            table = OtaTable.joined([table, damaged]).sorted() if len(table) else damaged
        if len(table):
            self._pending.append(Kept.of(table))
        if self._due():
            self._catch_up()
        else:
            self._decide(final=False)

    def _due(self) -> bool:
        """Whether what was taken in is much, or would soon miss its acknowledgements."""
        if sum(map(len, self._pending)) >= ROWS_TOGETHER or len(self._pending) >= BATCHES_TOGETHER:
            return True
        if self._acks_apart < BATCHES_TOGETHER:
            return False
        return not self._pending or int(self._pending[0].time_ns[0]) < self._acks[-1].last_ns - ACKS_KEPT_NS

    def _catch_up(self) -> None:
        """Judge what was taken in."""
        if self._pending:
            tables, self._pending = self._pending, []
            self._judge(tables)
        self._forget_acks()
        self._decide(final=False)

    def _forget_acks(self) -> None:
        """Those that no request waits for any more; the small ones of a live capture become one."""
        if self._acks_apart >= BATCHES_TOGETHER:
            late = [self._acks.pop() for _ in range(min(self._acks_apart, len(self._acks)))][::-1]
            keys, times = [one.key for one in late], [one.time_ns for one in late]
            self._acks.append(_Acks.of(np.concatenate(keys), np.concatenate(times)))
            self._acks_apart = 0
        while len(self._acks) > ACKS_KEPT and self._acks[0].last_ns < self._acks[-1].last_ns - ACKS_KEPT_NS:
            self._acks.popleft()

    def _judge(self, tables: Sequence[OtaTable | Kept]) -> None:
        rows = OtaRows(tables, self._kept, self._limits)
        self._smart_energy = self._smart_energy or bool((rows.profile == 0x0109).any())
        self._note_hardware(rows.among("query"))
        for rule, finds in self._finders:
            some = rows.among(rule.among)
            if len(some) and len(found := np.flatnonzero(finds(some))):
                self._hit(rule, some.only(found))
        self._kept = rows.keep()

    def _note_hardware(self, queries: Rows) -> None:
        columns = queries.pan_id, queries.client, queries.image_type, queries.hardware_version
        for *key, version in zip(*(column[:JUDGED].tolist() for column in columns), strict=True):
            if version >= 0 and (tuple(key) in self._hardware or len(self._hardware) < GROUPS_KEPT):
                self._hardware[tuple(key)] = version

    def _hit(self, rule: RowRule, found: Rows) -> None:
        if not rule.conditional:
            for conversation, mine in _by_conversation(found):
                group = self._group(rule.id, conversation)
                if group is not None:
                    kept = mine.only(slice(min(HITS_KEPT - len(group.hits), ALL_HITS_KEPT - self._hits)))
                    group.hits += _told(rule, kept)
                    self._hits += len(kept)
                    group.count += len(mine)
            return
        self.undecided += max(len(found) - JUDGED, 0)
        found = found.only(slice(JUDGED))
        found = found.only(self._received(rule, found))
        if rule.unless_missed is None:
            for conversation, hit in zip(found.conversation.tolist(), _told(rule, found), strict=True):
                self._add(rule.id, conversation, *hit)
        else:
            room = WAITING - len(self._waiting)
            self.undecided += max(len(found) - room, 0)
            self._waiting += _waiting(rule, found.only(slice(room)), rule.unless_missed)

    def _received(self, rule: RowRule, found: Rows) -> NDArray[np.intp]:
        """The hits that hang on no message whose arrival nothing proves."""
        proven = np.ones(len(found), np.bool_)
        for kind in ("received", "delivered", "undelivered"):
            if (needed := getattr(rule, kind)) is not None:
                proven &= self._proven(kind, found.all, needed(found))
        self.undecided += int((~proven).sum())
        return np.flatnonzero(proven)

    def _proven(self, kind: str, rows: OtaRows, of: Column) -> NDArray[np.bool_]:
        asked = (of >= 0) & (rows.ack_request[of] == 1)
        match kind:
            case "received":
                return (of >= 0) & self._acknowledged(rows, of)
            case "delivered":
                return ~asked | self._acknowledged(rows, of)
            case _:
                return asked & ~self._acknowledged(rows, of)

    def _acknowledged(self, rows: OtaRows, of: Column) -> NDArray[np.bool_]:
        """Whether an APS acknowledgement of the message in each of these rows was heard."""
        columns = rows.pan_id, rows.nwk_source, rows.nwk_destination, rows.aps_counter, rows.source_endpoint
        wanted = ack_key(*(column[of] for column in columns)).astype(np.uint64)
        sent = rows.time_ns[of].tolist()
        first, last = min(sent), max(sent) + ACK_NS
        in_time = [acks for acks in self._acks if acks.last_ns >= first and acks.first_ns <= last]
        near = np.zeros(1 << _SIFT_BITS, np.bool_)
        near[_sift(wanted)] = True
        kept = [np.flatnonzero(near[_sift(acks.key)]) for acks in in_time]
        key = np.concatenate([acks.key[at] for acks, at in zip(in_time, kept, strict=True)] or [wanted[:0]])
        time_ns = np.concatenate([acks.time_ns[at] for acks, at in zip(in_time, kept, strict=True)] or [of[:0]])
        order = np.lexsort((time_ns, key))
        key, time_ns = key[order], time_ns[order]
        spans = zip(np.searchsorted(key, wanted, "left"), np.searchsorted(key, wanted, "right"), strict=True)
        found = (
            (at := first + int(np.searchsorted(time_ns[first:stop], start))) < stop and time_ns[at] <= start + ACK_NS
            for (first, stop), start in zip(spans, sent, strict=True)
        )
        return np.fromiter(found, np.bool_, len(of))

    def _group(self, rule: str, conversation: int) -> _Group | None:
        """Where the hits of a rule in a conversation are counted; `None` if there are too many such."""
        group = self._groups.get((rule, conversation))
        if group is None and len(self._groups) < GROUPS_KEPT:
            group = self._groups[rule, conversation] = _Group()
        return group

    def _add(self, rule: str, conversation: int, frames: tuple[int, ...], detail: str) -> None:
        if (group := self._group(rule, conversation)) is not None:
            group.count += 1
            if len(group.hits) < HITS_KEPT and self._hits < ALL_HITS_KEPT:
                group.hits.append((frames, detail))
                self._hits += 1

    def _decide(self, *, final: bool) -> None:
        """Look at the hits whose time is over."""
        for _ in range(len(self._waiting)):
            one = self._waiting.popleft()
            who = self.evidence.find(*one.place)
            if not final and self.evidence.last_ns(who) < one.span[1]:
                self._waiting.append(one)
            elif self.evidence.missed(who, *one.span).verdict == "captured":
                self._add(one.rule.id, one.conversation, one.frames, one.detail)
            else:
                self.undecided += 1

    def end(self, until: Callable[[int, int], int]) -> None:
        """The capture is over. `until`: to when a PAN was listened to without a break from a time on."""
        self._catch_up()
        if self._kept is not None and len(self._kept):
            self._judge([_endings(OtaRows([], self._kept, self._limits), until)])
        self._kept = None
        self._decide(final=True)

    def so_far(self) -> dict[str, tuple[int, str]]:
        """While the capture runs: by rule, how often it was broken, and how the last time."""
        self._catch_up()
        found: dict[str, tuple[int, str]] = {}
        for (rule, _), group in self._groups.items():
            if group.hits:
                found[rule] = found.get(rule, (0, ""))[0] + group.count, group.hits[-1][1]
        return found

    def findings(
        self, analysis: Analysis, *, several: bool = False, courses: Mapping[Any, Course] | None = None
    ) -> tuple[Finding, ...]:
        """What deviates in what was concluded, and in the commands that led there. `several`: captures, in none of
        which the frames have the numbers that they have here. `courses`: as in `Facts`.
        """
        profile = self._choice.profile or self._profile(analysis)
        facts = Facts(analysis, self.evidence, self._limits, profile, self._hardware, courses or {})
        found = [*self._row_findings(analysis.transfers, profile), *self._item_findings(facts, profile)]
        if several:
            found = [replace(one, filter=RULES[one.rule].filter) for one in found]
        found.sort(key=lambda one: (_SEVERITIES[one.severity], one.frames[:1] or (0,), one.rule))
        return tuple(found[:FINDINGS_KEPT])

    def _profile(self, analysis: Analysis) -> Profile:
        """A GB HAN has tunnels of its own protocol, or OTA commands in the Smart Energy profile."""
        gb = self._smart_energy or any(tunnel.protocol_id == TunnelProtocol.GB_HRGP for tunnel in analysis.tunnels)
        return "gb" if gb or any(message.message_code is not None for message in analysis.messages) else "zigbee"

    def _row_findings(self, transfers: Sequence[Transfer], profile: Profile) -> Iterator[Finding]:
        rules: dict[str, list[RowRule]] = {}
        for rule in self._rules:
            if self._choice.takes(rule, profile):
                rules.setdefault(rule.finds if isinstance(rule.finds, str) else rule.id, []).append(rule)
        places = _by_place(transfers)
        for (name, conversation), group in self._groups.items():
            if name not in rules:
                continue
            for transfer_id, hits, count in _shared(group, places.get(conversation, ())):
                for rule in rules[name]:
                    if count >= rule.at_least(self._limits):
                        frames = (frame for frames, _ in hits for frame in frames)
                        yield _finding(rule, frames, count, transfer_id, detail=hits[0][1])

    def _item_findings(self, facts: Facts, profile: Profile) -> Iterator[Finding]:
        for rule in ITEM_RULES:
            if not self._choice.takes(rule, profile):
                continue
            found: dict[tuple[str | None, str | None], list[Hit]] = {}
            for hit in facts.hits(rule.over, rule.finds):
                found.setdefault((hit.transfer_id, hit.subject), []).append(hit)
            for (transfer_id, subject), hits in found.items():
                if len(hits) >= rule.at_least(self._limits):
                    frames = (frame for hit in hits for frame in hit.frames)
                    yield _finding(rule, frames, len(hits), transfer_id, subject=subject, detail=hits[0].detail)


_SIFT_BITS: Final = 16


def _sift(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Few keys have the same."""
    return (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _SIFT_BITS)


def _finders(rules: Iterable[RowRule]) -> list[tuple[RowRule, Callable[[Rows], Mask]]]:
    """What has to be asked, each question once."""
    by_id = {rule.id: rule for rule in ROW_RULES}
    asked = {rule.finds if isinstance(rule.finds, str) else rule.id for rule in rules}
    return [(by_id[one], finds) for one in by_id if one in asked and not isinstance(finds := by_id[one].finds, str)]


def _waiting(rule: RowRule, found: Rows, quiet_of: Callable[[Rows], Quiet]) -> Iterator[_Waiting]:
    """Hits that wait until it is known whether all was captured in a time: from another row to the hit's own."""
    quiet = quiet_of(found)
    begin = found.of(quiet.since_row)
    start = begin.time_ns - quiet.early_ns
    until = found.time_ns if quiet.limit_ns is None else np.minimum(found.time_ns, start + quiet.limit_ns)
    first_frames = np.where(start < begin.time_ns, 0, begin.number)
    short = found.client if quiet.who == "client" else found.server
    eui64s = (found.all.eui64_of(row, quiet.who) for row in found.index.tolist())
    places = zip(found.pan_id.tolist(), short.tolist(), eui64s, strict=True)
    last_frames = (None if end else frame for frame, end in zip(found.number.tolist(), found.end.tolist(), strict=True))
    spans = zip(start.tolist(), until.tolist(), first_frames.tolist(), last_frames, strict=True)
    hits = _told(rule, found)
    for conversation, hit, place, span in zip(found.conversation.tolist(), hits, places, spans, strict=True):
        yield _Waiting(rule, conversation, *hit, place, span)


def _by_conversation(found: Rows) -> Iterator[tuple[int, Rows]]:
    """The rows found in each conversation; they come sorted by it."""
    whose = found.conversation
    edges = np.flatnonzero(np.append(True, whose[1:] != whose[:-1])).tolist()
    for begin, end in zip(edges, [*edges[1:], len(found)], strict=True):
        yield int(whose[begin]), found.only(slice(begin, end))


def _told(rule: RowRule, found: Rows) -> list[tuple[tuple[int, ...], str]]:
    """The frames of each hit, and the rule's sentence about it."""
    beside = rule.beside(found) if rule.beside is not None else np.full(len(found), -1)
    other = found.of(beside)
    numbers = zip(other.number.tolist(), np.where(found.end, -1, found.number).tolist(), strict=True)
    frames = [tuple(sorted({number for number in pair if number >= 0})) for pair in numbers]
    return [(one, rule.detail and rule.detail.format_map(_Values(found, other, at))) for at, one in enumerate(frames)]


class _Values(dict[str, Any]):
    """The columns of a row, and of the one beside it as `other_…`, by name."""

    def __init__(self, rows: Rows, other: Other, at: int) -> None:
        super().__init__()
        self._rows, self._other, self._at = rows, other, at

    def __missing__(self, name: str) -> _Value | str:
        if name == "length":
            return _length(int(self._rows.surplus[self._at]))
        rows = self._other if name.startswith("other_") else self._rows
        return _Value(getattr(rows, name.removeprefix("other_"))[self._at])


class _Value(int):
    """A number of a message that may not have it."""

    def __format__(self, form: str) -> str:
        return "?" if self == ABSENT else super().__format__(form)


def _length(surplus: int) -> str:
    if surplus < 0:
        return "octets missing"
    return f"{surplus} octets too many" if surplus else "of the right length"


def _endings(rows: OtaRows, until: Callable[[int, int], int]) -> OtaTable:
    """The row `END` of each conversation."""
    lasts = np.flatnonzero(np.append(rows.conversation[1:] != rows.conversation[:-1], True))
    client, server = rows.client[lasts], rows.server[lasts]
    eui64s = [[rows.eui64_of(row, who) for row in lasts.tolist()] for who in ("client", "server")]
    times = zip(rows.pan_id[lasts].tolist(), rows.time_ns[lasts].tolist(), strict=True)
    return OtaTable.of(
        len(lasts),
        number=rows.number[lasts],
        time_ns=[until(pan_id, time_ns) for pan_id, time_ns in times],
        pan_id=rows.pan_id[lasts],
        nwk_source=client,
        nwk_destination=server,
        source_eui64=np.array(eui64s[0], np.uint64),
        destination_eui64=np.array(eui64s[1], np.uint64),
        command=END,
        surplus=0,
    )


def _by_place(transfers: Sequence[Transfer]) -> dict[int, list[Transfer]]:
    """The transfers of each conversation, in order of their first frames."""
    found: dict[int, list[Transfer]] = {}
    for one in sorted(transfers, key=lambda one: one.first_frame):
        conversation = one.pan_id << 32 | one.client.short << 16 | one.server.short
        found.setdefault(conversation, []).append(one)
    return found


def _shared(
    group: _Group, transfers: Sequence[Transfer]
) -> Iterator[tuple[str | None, list[tuple[tuple[int, ...], str]], int]]:
    """Hits by transfer, with their number."""
    shares: dict[str | None, list[tuple[tuple[int, ...], str]]] = {}
    for hit in group.hits or [((), "")]:
        shares.setdefault(_transfer_at(hit[0][-1] if hit[0] else 0, transfers), []).append(hit)
    further = group.count - sum(map(len, shares.values()))
    for at, (transfer_id, hits) in enumerate(shares.items(), 1):
        yield transfer_id, hits, len(hits) + (further if at == len(shares) else 0)


def _transfer_at(frame: int, transfers: Sequence[Transfer]) -> str | None:
    """The one that goes on at a frame (of several that overlap, one of the latest begun), else the next, else the
    last.
    """
    begun = bisect_right(transfers, frame, key=lambda one: one.first_frame)
    for one in reversed(transfers[max(begun - OVERLAPPING, 0) : begun]):
        if frame <= one.last_frame:
            return one.id
    return next((one.id for one in (*transfers[begun : begun + 1], *transfers[-1:])), None)


def _finding(
    rule: Rule,
    frames: Iterable[int],
    count: int,
    transfer_id: str | None,
    *,
    subject: str | None = None,
    detail: str = "",
) -> Finding:
    shown = tuple(dict.fromkeys(frames))[:FRAMES_SHOWN]
    confidence: Confidence = "probable" if rule.unconfirmed else rule.confidence
    return Finding(
        rule=rule.id,
        severity="note" if rule.unconfirmed else rule.severity,
        clause=rule.clause,
        explanation=rule.explanation,
        frames=shown,
        transfer_id=transfer_id,
        title=rule.title,
        advice=rule.advice,
        detail=detail,
        confidence=confidence,
        count=count,
        subject=subject,
        filter=frame_filter(shown),
        unconfirmed=rule.unconfirmed,
    )


def frame_filter(frames: Sequence[int]) -> str:
    """A Wireshark display filter that shows these frames."""
    return f"frame.number in {{{', '.join(map(str, frames))}}}" if frames else ""
