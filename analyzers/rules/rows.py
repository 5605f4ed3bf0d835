"""OTA commands of a batch as the rules see them: each beside what it answers, repeats or follows (ZCL 11.13).

Rows are sorted by conversation (one client, one server, one PAN), in capture order within one. Of earlier batches the
rows stay that later ones may refer to (`old`): the last few of each conversation, and the last of each command. At the
end of a capture each conversation gets a row `end`, so that what never came is noticed like what came late.

A name that ends in `_row` is a column of rows: for each row another one, or -1.

`OtaRows` has all rows. A rule is asked about some of them, `Rows`: there every member of `OtaRows` is a column over
these alone, and `of(…_row)` gives the columns of the other rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.network import numbered
from hanscope.analyzers.rules.limits import SECOND, Limits
from hanscope.analyzers.tables import ABSENT, DEFAULT_RESPONSE, Column, OtaTable
from hanscope.dissectors.codes import OtaCommand, Status
from hanscope.dissectors.columns.rows import ascending, distinct

Mask = NDArray[np.bool_]

END: Final = 0x200
"""`command` of the row that ends a conversation."""
FIRST_BROADCAST: Final = 0xFFF8
KEPT_ROWS: Final = 40
"""Last rows of a conversation that stay for the next batch."""
KEPT: Final = 8192
"""Rows that stay in all."""
SAME_MESSAGE_NS: Final = 10 * SECOND
COPIES_AMONG: Final = 3
"""How many commands of one kind and sequence number lie between a message and its repetition at most."""
QUESTIONS_OPEN: Final = 3
"""How many questions a client may have asked since the one that is answered."""
NEAR: Final = 12
"""So many messages with one sequence number are looked through for an earlier one."""
UNKNOWN_SPEAKER: Final = 10
_BY_SERVER: Final = np.array([1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0], np.bool_)
_REACH_BITS: Final = 33

NAMES: Final = (
    "number",
    "time_ns",
    "pan_id",
    "mac_source",
    "nwk_source",
    "nwk_destination",
    "nwk_frame_counter",
    "source_eui64",
    "destination_eui64",
    "source_endpoint",
    "destination_endpoint",
    "profile",
    "aps_counter",
    "aps_secured",
    "zcl_sequence",
    "from_server",
    "command",
    "data_length",
    "answered",
    "status",
    "field_control",
    "manufacturer_code",
    "image_type",
    "file_version",
    "file_offset",
    "data_size",
    "image_size",
    "page_size",
    "response_spacing",
    "minimum_block_period",
    "current_time",
    "request_time",
    "hardware_version",
    "payload_type",
    "query_jitter",
    "disable_default_response",
    "ack_request",
    "surplus",
    "reach",
)
"""Columns of the table that rules read; `reach` is kept from batch to batch besides."""


class _Heard:
    """A column of the table in the order of the rows, made when it is first asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, rows: None, owner: type) -> _Heard: ...
    @overload
    def __get__(self, rows: OtaRows, owner: type) -> Column: ...
    def __get__(self, rows: OtaRows | None, owner: type) -> _Heard | Column:
        if rows is None:
            return self
        column = rows.column(self._name)
        rows.__dict__[self._name] = column
        return column


class Kept:
    """Rows of earlier batches, or of one that waits, as columns."""

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, table: OtaTable) -> Kept:
        """What rules read of a table, without holding on to memory that others wait for (`workers`)."""
        return cls({name: _owned(getattr(table, name)) for name in NAMES if name != "reach"})

    def __len__(self) -> int:
        return len(self._columns["number"])

    def __getattr__(self, name: str) -> NDArray[Any]:
        return self._columns[name]


def _owned(column: NDArray[Any]) -> NDArray[Any]:
    """The column in memory of its own; of one value for all rows only that."""
    if column.flags.owndata:
        return column
    return column.copy() if any(column.strides) else np.broadcast_to(column[:1].copy(), column.shape)


class OtaRows:
    """The rows and what follows from them; every member is a column over all rows unless it says otherwise."""

    number = _Heard()
    time_ns = _Heard()
    pan_id = _Heard()
    mac_source = _Heard()
    nwk_source = _Heard()
    nwk_destination = _Heard()
    nwk_frame_counter = _Heard()
    source_endpoint = _Heard()
    destination_endpoint = _Heard()
    profile = _Heard()
    aps_counter = _Heard()
    aps_secured = _Heard()
    zcl_sequence = _Heard()
    from_server = _Heard()
    command = _Heard()
    data_length = _Heard()
    answered = _Heard()
    status = _Heard()
    field_control = _Heard()
    manufacturer_code = _Heard()
    image_type = _Heard()
    file_version = _Heard()
    file_offset = _Heard()
    data_size = _Heard()
    image_size = _Heard()
    page_size = _Heard()
    response_spacing = _Heard()
    minimum_block_period = _Heard()
    current_time = _Heard()
    request_time = _Heard()
    hardware_version = _Heard()
    payload_type = _Heard()
    query_jitter = _Heard()
    disable_default_response = _Heard()
    ack_request = _Heard()
    surplus = _Heard()

    def __init__(self, tables: Sequence[OtaTable | Kept], kept: Kept | None, limits: Limits) -> None:
        self.limits = limits
        self._kept = kept
        self._parts: list[OtaTable | Kept] = [kept, *tables] if kept is not None else [*tables]
        self._edges = np.cumsum([0, *(len(part) for part in self._parts)])
        """Where each part begins."""
        self._order: NDArray[np.intp] | None = None
        self._some: dict[str | int, Rows] = {}
        conversation = self._conversations()
        self._member, _ = numbered(conversation.view(np.uint64))
        self._order = ascending(self._member.astype(np.int64))
        self.conversation: Column = conversation[self._order]
        """PAN, client and server in one number."""
        member = self._member[self._order]
        heads = np.append(True, member[1:] != member[:-1])[: len(member)]
        self.index = np.arange(len(member))
        """Its own number."""
        self._start = np.maximum.accumulate(np.where(heads, self.index, 0))
        self._heads = heads
        self._place = self._order
        """Of each row in all parts together."""
        self.old: Mask = self._place < len(kept or ())
        """Of an earlier batch."""

    def __len__(self) -> int:
        return len(self.index)

    def column(self, name: str) -> NDArray[Any]:
        """A column of the table, what was kept of earlier batches before it; sorted as soon as there is an order."""
        columns = [getattr(part, name) for part in self._parts]
        column = np.concatenate(columns) if len(columns) > 1 else columns[0]
        return column if self._order is None else column.take(self._order)

    def _conversations(self) -> Column:
        by_server = self._spoken_by_server(self.column("command"), self.column("answered"), self.column("from_server"))
        source, destination = self.column("nwk_source"), self.column("nwk_destination")
        client = np.where(by_server, destination, source)
        server = np.where(by_server, source, destination)
        return ((self.column("pan_id") & 0xFFFF) << 32) | ((client & 0xFFFF) << 16) | (server & 0xFFFF)

    @staticmethod
    def _spoken_by_server(command: Column, answered: Column, from_server: Column) -> Mask:
        """By the command, as devices get the direction bit wrong; of a default response by what it answers."""
        told = np.where((command >= 0) & (command < UNKNOWN_SPEAKER), command, UNKNOWN_SPEAKER)
        by_server = _BY_SERVER[told]
        default = np.flatnonzero(command == DEFAULT_RESPONSE)
        if len(default):
            what = answered[default]
            known = (what >= 0) & (what < UNKNOWN_SPEAKER)
            by_client = _BY_SERVER[np.where(known, what, UNKNOWN_SPEAKER)]
            by_server[default] = np.where(known, ~by_client, from_server[default] == 1)
        return by_server

    # Who speaks

    @cached_property
    def by_server(self) -> Mask:
        return self._spoken_by_server(self.command, self.answered, self.from_server)

    @cached_property
    def client(self) -> Column:
        return (self.conversation >> 16) & 0xFFFF

    @cached_property
    def server(self) -> Column:
        return self.conversation & 0xFFFF

    def eui64_of(self, row: int, who: str) -> int:
        """EUI-64 of the client or the server of a row, 0 unknown."""
        name = "source_eui64" if (who == "server") == bool(self.by_server[row]) else "destination_eui64"
        place = int(self._place[row])
        part = int(np.searchsorted(self._edges, place, "right")) - 1
        return int(getattr(self._parts[part], name)[place - int(self._edges[part])])

    # What was said before

    def last(self, among: Mask) -> Column:
        """For each row the latest earlier row of its conversation that is among these."""
        before = _latest_before(among)
        before[before < self._start] = -1
        return before

    def _at(self, column: Column, row: Column, absent: int = ABSENT) -> Column:
        """Of each row's other row."""
        return np.where(row >= 0, column[row], absent) if len(row) else row

    def among(self, what: str | int) -> Rows:
        """The rows that are judged now and of which a member is true, or which are this command."""
        if (some := self._some.get(what)) is None:
            mask = self.said(what) if isinstance(what, int) else getattr(self, what)
            some = self._some[what] = Rows(self, np.flatnonzero(mask & self.judged))
        return some

    @cached_property
    def _by_sequence(self) -> tuple[NDArray[np.intp], Column]:
        """The rows sorted by conversation and ZCL sequence number; where the group of each begins."""
        key = (self._member[self._order].astype(np.int64) << 8) | (self.zcl_sequence & 0xFF)
        order = ascending(key)
        ordered = key[order]
        heads = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
        return order, np.maximum.accumulate(np.where(heads, self.index, 0))

    @cached_property
    def _place_of_sequence(self) -> Column:
        """Of each row: where it stands among those sorted by sequence number."""
        order, _ = self._by_sequence
        place = np.empty(len(order), np.int64)
        place[order] = self.index
        return place

    def last_of_sequence(self, among: Mask) -> Column:
        """As `last`, with the same ZCL sequence number."""
        order, start = self._by_sequence
        before = _latest_before(among[order])
        found = np.empty(len(order), np.int64)
        found[order] = np.where(before >= start, order[before], -1)
        return found

    def earlier_of_sequence(self, rows: Column, among: Mask) -> Column:
        """As `last_of_sequence` for a few rows, and not far back."""
        order, start = self._by_sequence
        at, found = self._place_of_sequence[rows], np.full(len(rows), -1, np.int64)
        for back in range(1, NEAR + 1):
            before = np.maximum(at - back, 0)
            earlier = order[before]
            fits = (found < 0) & (at - back >= start[at]) & among[earlier]
            found[fits] = earlier[fits]
        return found

    @cached_property
    def copy(self) -> Mask:
        """The same message again: MAC retry, relay by a router, APS retry."""
        kind = np.minimum(self.command.view(np.uint64), 31).view(np.int64)
        key = (self._member[self._order].astype(np.int64) << 13) | ((self.zcl_sequence & 0xFF) << 5) | kind
        order = ascending(key)
        group = key[order]
        content = [
            column[order]
            for column in (self.command, self.aps_counter, self.status, self.file_offset, self.data_size, self.answered)
        ]
        time_ns, nobody = self.time_ns[order], self.end[order]
        copies = np.zeros(len(order), np.bool_)
        for back in range(1, COPIES_AMONG + 1):
            same = (group[back:] == group[:-back]) & (time_ns[back:] - time_ns[:-back] <= SAME_MESSAGE_NS)
            for column in content:
                same &= column[back:] == column[:-back]
            copies[back:] |= same
        found = np.empty(len(order), np.bool_)
        found[order] = copies & ~nobody
        return found | self._stale(found) | self._belated(found)

    def _stale(self, copy: Mask) -> Mask:
        """Requests that the APS layer sent again, late, and that were not heard before.

        Their numbers lie behind those of the request before, or of the block before, and they ask for nothing new.
        (After a reboot the numbers may lie anywhere, but the requests go on.)
        """
        asks = self._any_of(OtaCommand.IMAGE_BLOCK_REQUEST, OtaCommand.IMAGE_PAGE_REQUEST) & ~copy
        blocks = (self.command == OtaCommand.IMAGE_BLOCK_RESPONSE) & (self.status == Status.SUCCESS)
        asked, answered = self.last(asks), self.last(blocks)
        late = self._behind(self.zcl_sequence, asked, 32) & self._behind(self.aps_counter, asked, 64)
        stale = np.zeros(len(self), np.bool_)
        for before, behind in ((asked, asks & late), (answered, asks & self._behind(self.zcl_sequence, answered, 32))):
            rows = np.flatnonzero(behind)
            other = before[rows]
            end = self.file_offset + self.wanted if len(rows) else self.index
            again = (end[rows] <= end[other]) & (self.image[rows] == self.image[other])
            stale[rows] |= again & (self.time_ns[rows] - self.time_ns[other] <= SAME_MESSAGE_NS)
        return stale

    def _behind(self, number: Column, before: Column, most: int) -> Mask:
        """Whether a number of one octet is a little lower than that of another row."""
        return (before >= 0) & (((number[before] - number - 1) & 0xFF) < most)

    def _belated(self, copy: Mask) -> Mask:
        """Repetitions of queries, page and end requests that were answered before, and of which the first sending was
        missed.
        """
        once = OtaCommand.QUERY_NEXT_IMAGE_REQUEST, OtaCommand.IMAGE_PAGE_REQUEST, OtaCommand.UPGRADE_END_REQUEST
        asks = self._any_of(*once) & ~copy
        found = np.zeros(len(self), np.bool_)
        rows = np.flatnonzero(asks)
        if len(rows):
            answer = self.earlier_of_sequence(rows, self._responses)
            asked = self.earlier_of_sequence(rows, asks)
            soon = self.time_ns[rows] - self.time_ns[answer] <= SAME_MESSAGE_NS
            anew = (asked >= 0) & (self.time_ns[rows] - self.time_ns[asked] <= SAME_MESSAGE_NS)
            found[rows[(answer >= 0) & soon & ~anew]] = True
        return found

    @cached_property
    def fresh(self) -> Mask:
        """Heard for the first time."""
        return ~self.copy

    @cached_property
    def judged(self) -> Mask:
        """Rows that rules are asked about now."""
        return self.fresh & ~self.old

    # Commands; each only when it is heard for the first time

    def said(self, command: int) -> Mask:
        return (self.command == command) & self.fresh

    @cached_property
    def notify(self) -> Mask:
        return self.said(OtaCommand.IMAGE_NOTIFY)

    @cached_property
    def query(self) -> Mask:
        return self.said(OtaCommand.QUERY_NEXT_IMAGE_REQUEST)

    @cached_property
    def query_response(self) -> Mask:
        return self.said(OtaCommand.QUERY_NEXT_IMAGE_RESPONSE)

    @cached_property
    def offer(self) -> Mask:
        """Query Next Image Response with SUCCESS."""
        return self.query_response & (self.status == 0) & (self.surplus >= 0)

    @cached_property
    def block_request(self) -> Mask:
        return self.said(OtaCommand.IMAGE_BLOCK_REQUEST) & (self.surplus >= 0)

    @cached_property
    def page_request(self) -> Mask:
        return self.said(OtaCommand.IMAGE_PAGE_REQUEST) & (self.surplus >= 0)

    @cached_property
    def request(self) -> Mask:
        """For a block or a page."""
        return self.block_request | self.page_request

    @cached_property
    def block_response(self) -> Mask:
        return self.said(OtaCommand.IMAGE_BLOCK_RESPONSE) & (self.surplus >= 0)

    @cached_property
    def block(self) -> Mask:
        """Image Block Response with data."""
        return self.block_response & (self.status == 0)

    @cached_property
    def wait(self) -> Mask:
        """Image Block Response WAIT_FOR_DATA."""
        return self.block_response & (self.status == Status.WAIT_FOR_DATA)

    @cached_property
    def end_request(self) -> Mask:
        return self.said(OtaCommand.UPGRADE_END_REQUEST) & (self.surplus >= 0)

    @cached_property
    def end_response(self) -> Mask:
        return self.said(OtaCommand.UPGRADE_END_RESPONSE) & (self.surplus >= 0)

    @cached_property
    def default_response(self) -> Mask:
        return self.said(DEFAULT_RESPONSE)

    @cached_property
    def end(self) -> Mask:
        """Not a message: here the conversation, or the capture, is over."""
        return self.command == END

    @cached_property
    def message(self) -> Mask:
        """A message, whatever it says."""
        return self.fresh & ~self.end

    @cached_property
    def notify_or_end(self) -> Mask:
        return self.notify | self.end

    @cached_property
    def query_or_end(self) -> Mask:
        return self.query | self.end

    @cached_property
    def response(self) -> Mask:
        """To a query or a request."""
        return self.query_response | self.block_response

    @cached_property
    def unicast(self) -> Mask:
        return self.client < FIRST_BROADCAST

    # Answers

    @cached_property
    def _asks(self) -> Mask:
        return self.query | self.request | self.end_request

    @cached_property
    def latest_row(self) -> Column:
        """The client's latest question, whatever was answered to it."""
        return self.last(self._asks)

    def _any_of(self, *commands: OtaCommand) -> Mask:
        found = self.command == commands[0]
        for command in commands[1:]:
            found |= self.command == command
        return found

    @cached_property
    def _responses(self) -> Mask:
        return self._any_of(
            OtaCommand.QUERY_NEXT_IMAGE_RESPONSE, OtaCommand.IMAGE_BLOCK_RESPONSE, OtaCommand.UPGRADE_END_RESPONSE
        )

    @cached_property
    def _answers(self) -> Mask:
        return self._responses | ((self.command == DEFAULT_RESPONSE) & self.by_server)

    @cached_property
    def asked_row(self) -> Column:
        """Of an answer: the question with its ZCL sequence number; of a block of a page, the page request.

        There are servers that count their answers themselves. So it must be the latest question, or, of a server whose
        answer before had its question's number, one of the last few that nothing followed but the next question.
        """
        found = self.last_of_sequence(self._asks)
        known = self._answers & (found >= 0)
        asked = np.where(known & (found == self.latest_row), found, -1)
        others = np.flatnonzero(known & (found != self.latest_row))
        if len(others):
            late = others[self._late(others, found[others])]
            asked[late] = found[late]
        return asked

    def _late(self, rows: Column, asked: Column) -> Mask:
        """Which of these answers come late: to a recent question that nothing followed but the next question."""
        asks = self._asks
        number, answered = np.cumsum(asks, dtype=np.int64), np.cumsum(self._answers & self.fresh)
        placed = np.flatnonzero(asks)
        following = np.searchsorted(placed, asked, "right")
        until = np.append(placed, len(self) - 1)[following]
        silent = answered[until] == answered[asked]
        answer = self.last(self._answers & self.fresh)[rows]
        its_question = self.latest_row[answer]
        echoes = (answer >= 0) & (its_question >= 0) & (self.zcl_sequence[its_question] == self.zcl_sequence[answer])
        return (number[self.latest_row[rows]] - number[asked] <= QUESTIONS_OPEN) & silent & echoes

    @cached_property
    def asked_block_row(self) -> Column:
        """Of a block response: the block request that it answers."""
        row = np.where(self.command == OtaCommand.IMAGE_BLOCK_RESPONSE, self.asked_row, -1)
        return np.where((row >= 0) & self.block_request[row], row, -1)

    @cached_property
    def asked_page_row(self) -> Column:
        """Of a block response: the page request that it answers."""
        row = np.where(self.command == OtaCommand.IMAGE_BLOCK_RESPONSE, self.asked_row, -1)
        return np.where((row >= 0) & self.page_request[row], row, -1)

    @cached_property
    def answer_row(self) -> Column:
        """Of a question: the first answer to it. What fits none by its number is taken for that of the latest one."""
        asked = np.where(self._answers & (self.asked_row < 0), self.latest_row, self.asked_row)
        answers = np.flatnonzero((asked >= 0) & self.fresh)[::-1]
        first = np.full(len(self), -1, np.int64)
        first[asked[answers]] = answers
        return first

    @cached_property
    def answer(self) -> Mask:
        """An answer whose question is known."""
        return self.message & (self.asked_row >= 0)

    @cached_property
    def unasked_block(self) -> Mask:
        """Blocks that answer no question that is known."""
        return self.block & (self.asked_row < 0)

    @cached_property
    def another_block(self) -> Mask:
        """Blocks that are not the first answer to their request."""
        asked = self.asked_row
        return self.block & ((asked < 0) | (self.answer_row[asked] != self.index))

    @cached_property
    def answered_before_row(self) -> Column:
        """Of such a block: the one before it that has its sequence number, and no request in between."""
        again = np.flatnonzero(self.another_block)
        found = np.full(len(self), -1, np.int64)
        if len(again):
            before = self.earlier_of_sequence(again, self.block)
            anew = self.earlier_of_sequence(again, self.request) >= before
            found[again] = np.where(anew, -1, before)
        return found

    def _unanswered_until(self, row: Column) -> Mask:
        """Whether the request in another row had no answer when this row came."""
        answer = self._at(self.answer_row, row)
        return (row >= 0) & ((answer < 0) | (answer > self.index))

    @cached_property
    def overdue(self) -> Mask:
        """At the next request, or at the end: the request before is unanswered still."""
        asked = self.prior_row
        patient = np.where(self.end, int(self.limits.response_seconds * SECOND), SECOND)
        elapsed = self.time_ns - self.time_ns[asked] if len(self) else self.time_ns
        late = (self.request | self.end) & self._unanswered_until(asked) & (elapsed >= patient)
        return late & ~self.late_copy(asked) if late.any() else late

    @cached_property
    def end_overdue(self) -> Mask:
        """At the client's next message, or at the end: the Upgrade End Request is unanswered still."""
        asked = self.end_request_row
        next_one = ~self.by_server & self.fresh & (self.client_row == asked)
        return next_one & self._unanswered_until(asked)

    def late_copy(self, row: Column) -> Mask:
        """Whether the question in another row was answered before: its first sending was missed, this is a retry."""
        answer = self.last_of_sequence(self._answers & self.fresh)
        elapsed = self.time_ns - self.time_ns[answer]
        late = (answer >= 0) & (elapsed <= SAME_MESSAGE_NS) & (self.asked_row[answer] < 0)
        return (row >= 0) & late[row]

    # A client's way through an image

    @cached_property
    def image(self) -> Column:
        """Manufacturer, image type and version in one number; -1 if the row names none."""
        code = (
            ((self.manufacturer_code & 0x7FFF) << 48)
            | ((self.image_type & 0xFFFF) << 32)
            | (self.file_version & 0xFFFFFFFF)
        )
        return np.where(self.file_version >= 0, code, -1)

    @cached_property
    def prior_row(self) -> Column:
        """The request (block or page) before."""
        return self.last(self.request)

    @cached_property
    def same_image(self) -> Mask:
        """The request before was for the same image."""
        return (self.prior_row >= 0) & (self._at(self.image, self.prior_row) == self.image)

    @cached_property
    def wanted(self) -> Column:
        """Octets that a request asks for."""
        return np.where(self.command == OtaCommand.IMAGE_PAGE_REQUEST, self.page_size, self.data_size)

    @cached_property
    def reach(self) -> Column:
        """How far the client had asked for this image, this row included; 0: nothing was asked for.

        Requests that were missed count too: what blocks answered, and a page of which the client fetches what it lacks.
        """
        counts = self.request | (self.block & self.same_image)
        upto = np.where(counts, np.maximum(self.file_offset + self.wanted, 0), 0)
        if len(pages := np.flatnonzero(self.page_request)):
            member = self._member[self._order]
            largest = np.zeros(int(member.max()) + 1, np.int64)
            np.maximum.at(largest, member[pages], self.page_size[pages])
            after_gap = np.where(self.same_image, ~self.next_number, self.file_offset > 0)
            upto += np.where(self.block_request & after_gap, largest[member], 0)
        if self._kept is not None:
            before = np.zeros(len(self), np.int64)
            before[self.old] = self._kept.reach[self._place[self.old]]
            upto = np.maximum(upto, before)
        changes = self._heads | (self.request & (self.prior_row >= 0) & ~self.same_image)
        segment = np.cumsum(changes, dtype=np.int64) << _REACH_BITS
        return np.maximum.accumulate(segment | np.minimum(upto, (1 << _REACH_BITS) - 1)) - segment

    @cached_property
    def reach_before(self) -> Column:
        """`reach` at the request before."""
        return self._at(self.reach, self.prior_row)

    @cached_property
    def skip(self) -> Mask:
        """Requests beyond all that was asked for of this image until then."""
        return self.request & self.same_image & (self.file_offset > self.reach_before) & self.next_number

    @cached_property
    def next_number(self) -> Mask:
        """The ZCL sequence number is the one after the request before: a second opinion that there was none between.

        Frame counters do not tell when that one was the late repetition of a request that was missed.
        """
        return ((self.zcl_sequence - self._at(self.zcl_sequence, self.prior_row)) & 0xFF) == 1

    @cached_property
    def first_request(self) -> Mask:
        """Of an image: the request before, if there was one, was for another."""
        return self.request & ~self.same_image

    @cached_property
    def with_period(self) -> Mask:
        """Block requests that name a minimum block period."""
        return self.block_request & (self.minimum_block_period >= 0)

    @cached_property
    def again(self) -> Mask:
        """Block requests for what was just asked for, as messages of their own."""
        prior = self.prior_row
        return (
            self.block_request
            & self.same_image
            & (self.file_offset == self._at(self.file_offset, prior))
            & (self._at(self.command, prior) == OtaCommand.IMAGE_BLOCK_REQUEST)
            & (self.zcl_sequence != self._at(self.zcl_sequence, prior))
        )

    # What the other side does, and what the client does next

    @cached_property
    def client_row(self) -> Column:
        """The client's message before, of any kind."""
        return self.last(~self.by_server & ~self.end & self.fresh)

    @cached_property
    def server_row(self) -> Column:
        """The server's message before, of any kind."""
        return self.last(self.by_server & self.fresh)

    @cached_property
    def block_row(self) -> Column:
        """The block before."""
        return self.last(self.block)

    @cached_property
    def page_block(self) -> Mask:
        """Blocks that answer a page request."""
        return self.block & (self.asked_page_row >= 0)

    @cached_property
    def after_page(self) -> Mask:
        """The next request after a page request."""
        return self.request & (self._at(self.command, self.prior_row) == OtaCommand.IMAGE_PAGE_REQUEST)

    @cached_property
    def blocks_of_page(self) -> Column:
        """How many blocks answered a page request."""
        return np.bincount(self.asked_page_row[self.page_block], minlength=len(self))

    @cached_property
    def notify_row(self) -> Column:
        """The unicast Image Notify before."""
        return self.last(self.notify & self.unicast)

    @cached_property
    def naming_row(self) -> Column:
        """The unicast Image Notify before that named a version."""
        return self.last(self.notify & self.unicast & (self.payload_type == 3))

    @cached_property
    def broadcast_row(self) -> Column:
        """The broadcast Image Notify of this server before; it stands in a conversation of its own."""
        among = self.notify & ~self.unicast
        if not among.any():
            return np.full(len(self), -1, np.int64)
        whose = (self.pan_id << 16) | self.server
        order = np.lexsort((self.number, whose))
        ordered = whose[order]
        index = np.arange(len(order))
        heads = np.append(True, ordered[1:] != ordered[:-1])
        start = np.maximum.accumulate(np.where(heads, index, 0))
        latest = np.maximum.accumulate(np.where(among[order], index, -1))
        before = np.append(-1, latest[:-1])
        found = np.empty(len(order), np.int64)
        found[order] = np.where(before >= start, order[before], -1)
        return found

    @cached_property
    def query_row(self) -> Column:
        """The query before."""
        return self.last(self.query)

    @cached_property
    def query_response_row(self) -> Column:
        return self.last(self.query_response)

    @cached_property
    def end_request_row(self) -> Column:
        return self.last(self.end_request)

    @cached_property
    def end_response_row(self) -> Column:
        return self.last(self.end_response)

    @cached_property
    def after_end_response(self) -> Mask:
        """The client's next message after an Upgrade End Response, or the end."""
        return ~self.by_server & self.fresh & (self.client_row < self.end_response_row)

    @cached_property
    def any_wait_row(self) -> Column:
        """The WAIT_FOR_DATA before."""
        return self.last(self.wait)

    @cached_property
    def told_row(self) -> Column:
        """Of a default response: the command that it answers, by identifier and ZCL sequence number."""
        found = self.last_of_sequence(self.fresh & (self.command < UNKNOWN_SPEAKER))
        right = (self.command == DEFAULT_RESPONSE) & (self._at(self.command, found) == self.answered)
        return np.where(right, found, -1)

    # Offers and waits

    @cached_property
    def offer_row(self) -> Column:
        """The latest offer."""
        return self.last(self.offer)

    @cached_property
    def offered_size(self) -> Column:
        """Of this row's image, if the latest offer was of it."""
        same = (self.offer_row >= 0) & (self._at(self.image, self.offer_row) == self.image) & (self.image >= 0)
        return np.where(same, self._at(self.image_size, self.offer_row), ABSENT)

    @cached_property
    def wait_row(self) -> Column:
        """Of a request: the WAIT_FOR_DATA that answered the request before, if that was the answer."""
        answer = self._at(self.answer_row, self.prior_row)
        return np.where((answer >= 0) & (answer < self.index) & self.wait[answer], answer, -1)

    @cached_property
    def after_wait(self) -> Mask:
        """Requests for the same image after a WAIT_FOR_DATA."""
        return self.request & self.same_image & (self.wait_row >= 0)

    @cached_property
    def wait_s(self) -> Column:
        """What a WAIT_FOR_DATA asks for; negative if it lies in the past."""
        return np.where(self.wait, self.request_time - np.maximum(self.current_time, 0), 0)

    @cached_property
    def waited_s(self) -> Column:
        """Of a request after a WAIT_FOR_DATA: whole seconds since then."""
        return np.where(self.wait_row >= 0, (self.time_ns - self.time_ns[self.wait_row]) // SECOND, 0)

    def keep(self) -> Kept:
        """The columns of the rows that the next batch may refer to; of these rows no others are asked for any more."""
        self._some.clear()  # they hold on to these rows in turn, which would stay until the garbage collector comes
        fresh = np.flatnonzero(self.fresh)
        kind = np.where(self.command == DEFAULT_RESPONSE, 10, np.clip(self.command, 0, 11))[fresh] * 2
        latest = np.full((int(self._member.max(initial=-1)) + 1) * 24, -1, np.int64)
        latest[self._member[self._order][fresh] * 24 + kind + (self.status[fresh] > 0)] = fresh
        heads = np.flatnonzero(self._heads)
        last_few = [
            np.arange(max(head, end - KEPT_ROWS), end)
            for head, end in zip(heads.tolist(), [*heads[1:].tolist(), len(self)], strict=True)
        ]
        rows = distinct(np.concatenate([latest[latest >= 0], *last_few]))
        rows = rows[~self.end[rows]]
        if len(rows) > KEPT:
            rows = np.sort(rows[np.argsort(self.number[rows], kind="stable")[-KEPT:]])
        place = self._place[rows]
        part = np.searchsorted(self._edges, place, "right") - 1
        mine = [np.flatnonzero(part == one) for one in range(len(self._parts))]
        of_part = [place[at] - edge for at, edge in zip(mine, self._edges.tolist(), strict=False)]
        order = np.argsort(np.concatenate(mine))
        columns: dict[str, NDArray[Any]] = {"reach": self.reach[rows]}
        for name in NAMES:
            if name in self.__dict__:
                columns.setdefault(name, self.__dict__[name][rows])
            elif name not in columns:
                # Without making all of the column.
                found = [getattr(one, name)[at] for one, at in zip(self._parts, of_part, strict=True)]
                columns[name] = np.concatenate(found)[order]
        return Kept(columns)


class Rows:
    """Some of the rows: each member of `OtaRows` as a column over these alone, made when it is first asked for."""

    limits: Limits

    def __init__(self, rows: OtaRows, index: NDArray[np.intp]) -> None:
        self.all = rows
        self.index = index
        """Their numbers among all."""
        self.limits = rows.limits
        self._others: dict[tuple[int, int], Other] = {}

    def __len__(self) -> int:
        return len(self.index)

    def __getattr__(self, name: str) -> NDArray[Any]:
        column = getattr(self.all, name).take(self.index)
        setattr(self, name, column)
        return column

    def only(self, found: NDArray[np.intp] | slice) -> Rows:
        """Some of these."""
        return Rows(self.all, self.index[found])

    def of(self, row: Column, absent: int = ABSENT) -> Other:
        """For each row the columns of another one; `absent` where there is none. Many rules ask for the same."""
        if (other := self._others.get((id(row), absent))) is None:
            other = self._others[id(row), absent] = Other(self.all, row, absent)
        return other

    def elapsed(self, row: Column) -> Column:
        """Nanoseconds since another row; 0 if there is none."""
        return np.where(row >= 0, self.time_ns - self.of(row).time_ns, 0)

    def same_kind(self, row: Column) -> Mask:
        """Whether the other row is of the same manufacturer and image type."""
        other = self.of(row)
        same_manufacturer = other.manufacturer_code == self.manufacturer_code
        return (row >= 0) & same_manufacturer & (other.image_type == self.image_type)


class Other:
    """For each of some rows another one: its members as columns."""

    def __init__(self, rows: OtaRows, row: Column, absent: int) -> None:
        self._all, self._absent = rows, absent
        self._row = row
        """It is kept, as `Rows` finds this by it."""
        self._nowhere = np.flatnonzero(row < 0)

    def __getattr__(self, name: str) -> NDArray[Any]:
        column = getattr(self._all, name).take(self._row)
        column[self._nowhere] = column.dtype != np.bool_ and self._absent
        setattr(self, name, column)
        return column


def _latest_before(among: Mask) -> Column:
    """For each row the latest one before it that is among these; -1: none."""
    placed = np.flatnonzero(among)
    edges = np.concatenate([[0], placed + 1, [len(among)]])
    return np.repeat(np.append(-1, placed), np.diff(edges))
