"""The same capture read by us and by tshark, compared field by field.

tshark runs under pyshark, with every key that we have in the end: it uses keys that it learns only on what comes later.
Both sides go through the capture in step, so that memory stays flat. What is compared, and which differences are
explained, stands in `hanscope.analyzers.crosscheck_fields`.

Of a frame that fails its FCS nothing is compared but that verdict.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers import layoutcache
from hanscope.analyzers.analysis import keys_of_secrets
from hanscope.analyzers.crosscheck_fields import (
    ATTRIBUTE_VALUE,
    COLUMNS,
    EVIDENCE,
    FAULTS,
    FCS_OK,
    FIELDS,
    TRANSFERS,
    Case,
    Field,
    Value,
)
from hanscope.analyzers.dissect import Dissector
from hanscope.analyzers.inputs import Progress
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing, KnownKey
from hanscope.analyzers.reassembly import Reassembler
from hanscope.analyzers.results import Fault, Result
from hanscope.captures.batch import Fcs, FrameBatch
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import (
    ETHERNET,
    IP,
    NO_FCS,
    NONASK_PHY,
    TAP,
    WITH_FCS,
    Decisions,
    decide,
    frames,
    link_type_name,
)
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.columns.rows import Index
from hanscope.dissectors.columns.stage import Group, Sifted

LISTED: Final = 500
"""Differences of each kind (unexplained, and of each known fault) that a report lists; all are counted."""
TOLD: Final = 200
"""Frames after which progress is told."""
MESSAGES_KEPT: Final = 1024
"""GBCS messages whose blocks wait for the others."""
BLOCKS_KEPT: Final = 256
"""Of one message; the longest that there are have some fifty."""

Shown = int | str
"""A number, or octets as hexadecimal digits."""


class Difference(Result, frozen=True, kw_only=True):
    """A field that the two sides read differently."""

    frame: int
    columns: tuple[str, ...]
    """Ours."""
    field: str
    """tshark's."""
    ours: tuple[Shown, ...]
    """Every value in the frame, in its order; none: we see no such field."""
    tshark: tuple[Shown, ...]
    fault: str | None
    """The known fault of tshark that explains it."""


class OneSided(Result, frozen=True, kw_only=True):
    """A frame of which only one side dissects a protocol."""

    frame: int
    protocol: str
    """tshark's name."""
    only: Literal["hanscope", "tshark"]
    fault: str | None


class Explanation(Result, frozen=True, kw_only=True):
    """A known fault of tshark that explained differences."""

    fault: str
    reason: str
    differences: int


class Crosscheck(Result, frozen=True, kw_only=True):
    """What came of the comparison."""

    schema: Literal["hanscope.crosscheck/1"] = "hanscope.crosscheck/1"
    path: str
    tshark: str
    """Its version."""
    frames: int
    """Records of the capture."""
    frames_compared: int
    bad_fcs: int
    """Frames that both sides left alone because of their FCS."""
    other_frames: int
    """Records that are no 802.15.4 frames, for us."""
    fields_compared: int
    """Fields that at least one side has."""
    faults: tuple[Fault, ...]
    """What could not be read of the capture."""
    unexplained: int
    """Differences, and frames that only one side dissects, without a known reason."""
    explanations: tuple[Explanation, ...]
    differences: tuple[Difference, ...]
    """At most `LISTED` unexplained ones and as many for each fault."""
    one_sided: tuple[OneSided, ...]
    """Likewise."""


class NoOracleError(Exception):
    """tshark cannot be asked, or not about this capture; one line that says why and what to do."""


# Our side


_Columns = dict[str, list[Value]]


class _Ours:
    """An observer of the `Dissector` that keeps the values of the compared columns, by frame and column."""

    def __init__(self) -> None:
        self.columns: dict[int, _Columns] = {}
        self._blocks: dict[Any, list[Any]] = {}

    def begin(self, batch: FrameBatch) -> None:  # noqa: ARG002 -- an observer's signature
        self.columns = {}

    def opened(self, key: KnownKey, number: Index, *, nwk: bool) -> None: ...

    def shut(self, layer: str, number: Index, reason: NDArray[np.uint8] | NDArray[np.int64]) -> None: ...

    def sifted(self, stage: str, sifted: Sifted, number: Index) -> None:
        for group in sifted.groups:
            numbers = number[group.index].tolist()
            for name, values in _values(group):
                if stage == "OpenedAps" and name.startswith("Aps."):
                    continue  # seen when it was sealed
                for frame, value in zip(numbers, values, strict=True):
                    self.columns.setdefault(frame, {}).setdefault(name, []).append(value)

    def carried(self) -> None:
        """Adds the envelopes of the GBCS messages that tunnels carried."""
        for frame in sorted(self.columns):
            columns = self.columns[frame]
            for name in TRANSFERS:
                for data in columns.get(name, ()):
                    if isinstance(data, bytes):
                        self._message(columns, _unwrapped(data), may_be_block=True)

    def _message(self, columns: _Columns, octets: bytes, *, may_be_block: bool) -> None:
        from hanscope.dissectors.gbcs.envelope import (  # noqa: PLC0415 -- imports Scapy
            EnvelopeError,
            RoutingHeader,
            layer_for,
            parse_block,
            reassemble,
        )
        from hanscope.dissectors.layer import MalformedError, Undissected, layers_of  # noqa: PLC0415 -- likewise

        kind = layer_for(octets)
        if kind is Undissected or (kind is RoutingHeader and not may_be_block):
            return
        try:
            layers = list(layers_of(kind(octets)))
        except MalformedError:
            return
        for layer in layers:
            for name, value in layer.fields.items():
                if (column := f"{type(layer).__name__}.{name}") in COLUMNS and value is not None:
                    columns.setdefault(column, []).append(value)
        if kind is RoutingHeader:
            with suppress(EnvelopeError):
                block = parse_block(octets)
                blocks = self._blocks.setdefault(block.key, [])
                blocks.append(block)
                del blocks[:-BLOCKS_KEPT]
                if (message := reassemble(blocks).message) is not None:
                    del self._blocks[block.key]
                    self._message(columns, message, may_be_block=False)
                elif len(self._blocks) > MESSAGES_KEPT:
                    del self._blocks[next(iter(self._blocks))]


_GAS_METER_HEADERS: Final = {1: 1, 2: 2, 3: 1}
"""Octets that GET, GET-RESPONSE and PUT put before a message (GBCS 10.2.2)."""


def _unwrapped(data: bytes) -> bytes:
    """The GBCS message, or block of one, in Transfer Data."""
    return data[_GAS_METER_HEADERS.get(data[0], 0) :] if data else data


def _values(group: Group) -> Iterator[tuple[str, list[Value]]]:
    """The compared columns of a group."""
    for name in COLUMNS & group.layout.slots.keys():
        slot = group.layout.slots[name]
        if slot.kind == "uint":
            yield name, group.uint(name).tolist()
        else:
            at, length = group.extent(name)
            if slot.start < 0:
                at = group.at + group.length + slot.start
            yield name, [group.buffer[start : start + size].tobytes() for start, size in zip(at, length, strict=True)]


class _Batch(NamedTuple):
    """One chunk of the capture as we have it."""

    first: int
    """Number of the first record."""
    records: int
    fcs: dict[int, int]
    """`Fcs` of each 802.15.4 frame."""
    columns: dict[int, _Columns]


class _Reading:
    """Our reading: once for the keys and addresses, and once more to compare."""

    def __init__(self, path: str, ring: KeyRing) -> None:
        self.path = path
        self._engine = Engine(layoutcache.load())
        self._dissector = Dissector(self._engine, ring)
        self.decisions: Decisions = {}
        self.records = 0
        self.faults: list[Fault] = []

    @property
    def ring(self) -> KeyRing:
        return self._dissector.ring

    def learn(self, progress: Callable[[Progress], None] | None) -> None:
        """Reads the capture for its keys and addresses."""
        for _ in self._pass(self._dissector, progress):
            pass
        layoutcache.save(self._engine)

    def batches(self) -> Iterator[_Batch]:
        """Reads it again with everything that is known by then."""
        ours = _Ours()
        dissector = Dissector(self._engine, self.ring, self._dissector.addresses, ours)
        reassembler = Reassembler()
        for first, records, batch, result in self._pass(dissector, None):
            if result.fragments is not None and (messages := reassembler.feed(result.fragments)) is not None:
                sifted = self._engine.aps.sift(messages.buffer, messages.at, messages.length)
                ours.sifted("OpenedAps", sifted, messages.context.number)
            ours.carried()
            fcs = dict(zip(batch.number.tolist(), batch.fcs.tolist(), strict=True))
            yield _Batch(first, records, fcs, ours.columns)

    def _pass(
        self, dissector: Dissector, progress: Callable[[Progress], None] | None
    ) -> Iterator[tuple[int, int, FrameBatch, Any]]:
        self.records = 0
        with open_capture(self.path) as capture:
            for records in capture:
                self.decisions = decide(records, capture.interfaces, self.decisions)
                dissector.ring = dissector.ring.plus(keys_of_secrets(capture.secrets))
                batch = frames(records, self.decisions)
                self.records += len(records)
                yield records.first_number, len(records), batch, dissector.dissect(batch)
                if progress is not None:
                    progress(Progress(self.path, capture.octets_read, capture.octets_total, self.records, False))
            self.faults = [Fault(where=fault.where, what=fault.what) for fault in capture.faults]


# tshark's side


class _Packet(NamedTuple):
    """One record as tshark has it."""

    number: int
    fields: dict[str, dict[str, list[Any]]]
    """By protocol and name: fields that have octets in the frame."""
    shown: frozenset[str]


class _Tshark:
    """tshark's reading of a capture, under pyshark; to be closed."""

    def __init__(self, path: str, options: Sequence[str]) -> None:
        import pyshark  # noqa: PLC0415 -- heavy, and only this needs it

        # With a loop of its own pyshark sets no child watcher, which newer Pythons do not have any more.
        self._loop = asyncio.new_event_loop()
        self._capture = pyshark.FileCapture(
            path,
            keep_packets=False,
            eventloop=self._loop,
            disable_protocol="lwm",  # it takes unsecured NWK frames for its own
            custom_parameters=[*options, "-J", " ".join(("frame", *FIELDS, *EVIDENCE))],
        )
        self._packets: Any = None

    def __enter__(self) -> "_Tshark":
        return self

    def __exit__(self, *_: object) -> None:
        from pyshark.capture.capture import TSharkCrashException  # noqa: PLC0415 -- heavy

        running = self._capture._running_processes  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        processes = list(running)
        with suppress(TSharkCrashException):  # of a damaged capture it says so, having read what comes before
            if self._packets is not None:
                self._packets.close()  # left half read, it would clean up when the loop is gone
        with suppress(TSharkCrashException):
            self._capture.close()
        running.clear()  # what tshark's complaint left in there pyshark would end again, without the loop
        for process in processes:  # pyshark ends them, and leaves their pipes open
            self._loop.run_until_complete(process.communicate())
        self._loop.close()

    def __iter__(self) -> Iterator[_Packet]:
        from pyshark.capture.capture import TSharkCrashException  # noqa: PLC0415 -- heavy

        packets: Any = iter(self._capture)
        self._packets = packets
        try:
            for packet in packets:
                yield _packet(packet)
        except TSharkCrashException:
            return


def _packet(packet: Any) -> _Packet:
    fields: dict[str, dict[str, list[Any]]] = {}
    shown: set[str] = set()
    for layer in packet.layers:
        here = fields.setdefault(layer.layer_name, {})
        shown.add(layer.layer_name)
        # pyshark's own way to ask for a field that is not there compares all names, one by one.
        for name, container in layer._all_fields.items():  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            shown.add(name)
            # What has no octets tshark knows from other frames.
            found = [one for one in container.all_fields if one.size != "0"]
            if found:
                here.setdefault(name, []).extend(found)
        if _TYPES in here:
            values = here[ATTRIBUTE_VALUE] = list(_attribute_values(here))
            places = {one.pos for one in values}  # a value can be the identifier of an attribute
            for identifiers in (name for name in here if name.endswith(_IDENTIFIERS)):
                here[identifiers] = [one for one in here[identifiers] if int(one.pos) not in places]
    return _Packet(int(packet.number), fields, frozenset(shown))


_TYPES: Final = "zbee_zcl.attr.data.type"
_IDENTIFIERS: Final = ("zbee_zcl.attr.id", ".attr_id")
"""How the names of fields end that hold the identifier of an attribute."""
_IN_FOUR_PARTS: Final = ("e0", "e1")
"""Time of day and date: tshark has fields for hours, minutes, years, months and so on."""


class _Octets(NamedTuple):
    """Octets that tshark dissects as a field, in the shape in which pyshark gives fields."""

    pos: int
    raw_value: str
    """Hexadecimal digits."""


def _attribute_values(fields: dict[str, list[Any]]) -> Iterator[_Octets]:
    """Behind each data type the longest field that begins there, however it is called."""
    behind: dict[int, _Octets] = {}
    for one in (one for found in fields.values() for one in found):
        octets: str = one.unmaskedvalue or one.raw_value or ""  # of bits, those of the whole field
        place = int(one.pos)
        if len(octets) == 2 * int(one.size) and (place not in behind or len(octets) > len(behind[place].raw_value)):
            behind[place] = _Octets(place, octets)
    for one in fields[_TYPES]:
        place = int(one.pos) + 1
        if one.raw_value in _IN_FOUR_PARTS:
            parts = [behind[at].raw_value for at in range(place, place + 4) if at in behind]
            yield _Octets(place, "".join(parts))
        elif place in behind:
            yield behind[place]


def _parsed(field: Field, shown: Any) -> Value:
    """The value of one field as pyshark gives it."""
    if field.octets:
        return bytes.fromhex(shown.raw_value)
    text: str = shown.show
    if text[4:5] == "-":  # a date, as which tshark 4.6 shows ZigBee's seconds since 2000
        return int.from_bytes(bytes.fromhex(shown.raw_value), "little")
    if text in ("True", "False"):
        return int(text == "True")
    if text.count(":") == _EUI64_COLONS:
        return int(text.replace(":", ""), 16)
    return int(text, 0)


_EUI64_COLONS: Final = 7


def tshark_version() -> str:
    """Which tshark there is. Raises `NoOracleError` if there is none."""
    from pyshark.tshark.tshark import TSharkNotFoundException, get_tshark_version  # noqa: PLC0415 -- heavy

    try:
        return str(get_tshark_version())
    except (TSharkNotFoundException, OSError):
        raise NoOracleError(
            "tshark: not found; install it (apt install tshark, brew install wireshark, or from wireshark.org)"
        ) from None


def options_for(path: str, *, keys: KeyRing) -> list[str]:
    """What tshark or Wireshark has to be told to read a capture as we do: keys (learned ones too) and trailers.

    Raises `CaptureError` if it cannot be read, `NoOracleError` if it cannot be told.
    """
    reading = _Reading(path, keys)
    reading.learn(None)
    return _options(path, reading.decisions, reading.ring)


_READ_ALIKE: Final = {
    (TAP, "by-frame"),
    (NO_FCS, "none"),
    (WITH_FCS, "fcs"),
    (NONASK_PHY, "fcs"),
    # ZEP says in each frame what it ends with.
    *((link, trailer) for link in (ETHERNET, *IP) for trailer in ("fcs", "ti-metadata")),
}
"""Link types and trailers that tshark reads as we do without being told."""


def _options(path: str, decisions: Decisions, ring: KeyRing) -> list[str]:
    """What tshark has to be told of the capture, in its words. Raises `NoOracleError` where it cannot be told."""
    octets = sorted({key.octets for key in ring.keys} | set(WELL_KNOWN))
    options = [word for key in octets for word in ("-o", f'uat:zigbee_pc_keys:"{key.hex()}","Normal",""')]
    for decision in decisions.values():
        if decision.trailer == "not-802.15.4":
            continue
        name = link_type_name(decision.link_type)
        if (decision.link_type, decision.trailer) in _READ_ALIKE:
            continue
        match decision.link_type, decision.trailer:
            case (link, "ti-metadata") if link == WITH_FCS:
                options += ["-o", "wpan.fcs_format:TI CC24xx metadata"]
            case (link, "placeholder" | "raw-lqi") if link == WITH_FCS:
                options += ["-o", "wpan.802154_fcs_ok:FALSE"]
            case _:
                raise NoOracleError(
                    f"{path}: tshark cannot read link type {name} with the trailer {decision.trailer!r} as we do;"
                    " convert the capture to link type 283 (TAP) or 195 first"
                )
    if len({decision.trailer for decision in decisions.values() if decision.link_type == WITH_FCS}) > 1:
        raise NoOracleError(f"{path}: its interfaces end their frames differently; split it, one interface a file")
    if all(decision.trailer == "not-802.15.4" for decision in decisions.values()):
        raise NoOracleError(f"{path}: there are no 802.15.4 frames in it that could be compared")
    return options


# The comparison


class _Tally:
    """Counts everything, and lists what is to be listed."""

    def __init__(self) -> None:
        self.frames = self.compared = self.bad_fcs = self.other = self.fields = self.unexplained = 0
        self.explained: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self.one_sided: list[OneSided] = []
        self._listed: Counter[tuple[str, str | None]] = Counter()

    def judge(self, case: Case) -> str | None:
        """The fault that explains a difference; counts it."""
        fault = next((fault.id for fault in FAULTS if fault.applies(case)), None)
        if fault is None:
            self.unexplained += 1
        else:
            self.explained[fault] += 1
        return fault

    def has_room(self, kind: str, fault: str | None) -> bool:
        self._listed[kind, fault] += 1
        return self._listed[kind, fault] <= LISTED


def crosscheck(path: str, *, keys: KeyRing, progress: Callable[[Progress], None] | None = None) -> Crosscheck:
    """Compares our reading of a capture with tshark's.

    Raises `CaptureError` if the capture cannot be read, `NoOracleError` if there is no tshark or if it cannot read this
    kind of capture.
    """
    version = tshark_version()
    reading = _Reading(path, keys)
    reading.learn(progress)
    options = _options(path, reading.decisions, reading.ring)
    total = reading.records
    tally = _Tally()
    with _Tshark(path, options) as tshark:
        packets = iter(tshark)
        for batch in reading.batches():
            for number in range(batch.first, batch.first + batch.records):
                packet = next(packets, None)
                if packet is None or packet.number != number:
                    break
                _compare(tally, number, batch, packet)
                if progress is not None and number % TOLD == 0:
                    progress(Progress(path, number, total, number, True))
    faults = reading.faults
    if tally.frames < total:
        faults.append(Fault(where=f"frame {tally.frames + 1}", what=f"tshark does not show it; there are {total}"))
    return Crosscheck(
        path=path,
        tshark=version,
        frames=tally.frames,
        frames_compared=tally.compared,
        bad_fcs=tally.bad_fcs,
        other_frames=tally.other,
        fields_compared=tally.fields,
        faults=tuple(faults),
        unexplained=tally.unexplained,
        explanations=tuple(
            Explanation(fault=fault.id, reason=fault.reason, differences=tally.explained[fault.id])
            for fault in FAULTS
            if tally.explained[fault.id]
        ),
        differences=tuple(tally.differences),
        one_sided=tuple(tally.one_sided),
    )


def _compare(tally: _Tally, number: int, batch: _Batch, packet: _Packet) -> None:
    """One record."""
    tally.frames += 1
    fcs = batch.fcs.get(number)
    if fcs is None:
        tally.other += 1
        return
    seen = packet.fields.get("wpan", {}).get(FCS_OK)
    theirs_ok = seen is not None and seen[0].show in ("1", "True")
    if fcs == Fcs.INVALID and not theirs_ok:
        tally.bad_fcs += 1
        return
    tally.compared += 1
    ours = batch.columns.get(number, {})
    if fcs != Fcs.NOT_CAPTURED and seen is not None and bool(fcs) != theirs_ok:
        case = Case(ours, packet.shown, "wpan", FCS_OK, [fcs], [int(theirs_ok)])
        _differ(tally, number, _FCS_FIELD, case)
        return
    for protocol, fields in FIELDS.items():
        _compare_protocol(tally, number, protocol, fields, Case(ours, packet.shown, protocol, None, (), ()), packet)


_FCS_FIELD: Final = Field((FCS_OK,), ("FrameBatch.fcs",))


def _compare_protocol(
    tally: _Tally, number: int, protocol: str, fields: Sequence[Field], case: Case, packet: _Packet
) -> None:
    theirs = packet.fields.get(protocol, {})
    mine = any(column in case.ours for field in fields for column in field.columns)
    if not mine and not any(_names(field, theirs) for field in fields):
        return  # not there, or, of what is cut short, nothing that either side could read
    if not mine or not theirs:
        tally.fields += 1
        fault = tally.judge(case._replace(left=[1] if mine else [], right=[] if mine else [1]))
        if tally.has_room("one-sided", fault):
            only: Literal["hanscope", "tshark"] = "hanscope" if mine else "tshark"
            tally.one_sided.append(OneSided(frame=number, protocol=protocol, only=only, fault=fault))
        return
    for field in fields:
        left = [
            value for column in field.columns for one in case.ours.get(column, ()) for value in _divided(field, one)
        ]
        if not left and field.where_ours:
            continue
        names = _names(field, theirs)
        there = [one for name in names for one in theirs[name]]
        if len(names) > 1:
            there.sort(key=lambda one: int(one.pos))
        right = [_parsed(field, one) for one in there]
        if not left and not right:
            continue
        tally.fields += 1
        if left != right:
            _differ(tally, number, field, case._replace(field=field.names[0], left=left, right=right))


def _divided(field: Field, value: Value) -> list[Value]:
    # Octets of which there are none are nothing to tshark.
    return [one for one in field.split(value) if one != b""]


def _names(field: Field, theirs: dict[str, list[Any]]) -> list[str]:
    """The names of a field that tshark shows."""
    return [
        name
        for wanted in field.names
        for name in ([wanted] if wanted in theirs else theirs if wanted.startswith("*") else ())
        if name == wanted or (wanted.startswith("*") and name.endswith(wanted[1:]))
    ]


def _differ(tally: _Tally, number: int, field: Field, case: Case) -> None:
    fault = tally.judge(case)
    if tally.has_room("difference", fault):
        tally.differences.append(
            Difference(
                frame=number,
                columns=field.columns,
                field=field.names[0],
                ours=_shown(field, case.left),
                tshark=_shown(field, case.right),
                fault=fault,
            )
        )


def _shown(field: Field, values: Sequence[Value]) -> tuple[Shown, ...]:
    if field.secret:
        return tuple(KnownKey("link", value, "").fingerprint for value in values if isinstance(value, bytes))
    return tuple(value.hex() if isinstance(value, bytes) else value for value in values)
