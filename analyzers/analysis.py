"""From capture files to an `Analysis`: the one path that everything runs through.

Several captures become one stream of frames first (`hanscope.analyzers.several`). Chunks are read in order; each is
dissected here or, when the input is large, by one of several processes; what depends on order (reassembly, transfers)
is done here, in order, so that the number of processes changes nothing in the result. The input is read a second time
when keys or addresses that were learned late may open what stayed shut before.
"""

import ctypes
import mmap
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from functools import cached_property, partial
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, TypedDict, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from hanscope.analyzers import layoutcache, results
from hanscope.analyzers.addresses import AddressBook, AddressHistory, Sighting
from hanscope.analyzers.devices import devices_of, with_hubs
from hanscope.analyzers.dissect import Dissected, Dissector, Part, Tally
from hanscope.analyzers.imagestore import ImageStore
from hanscope.analyzers.inputs import Chunk, Input, OneCapture, Opening, Progress, Readable, Tell
from hanscope.analyzers.keyevents import KeyStory
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing, KnownKey, Use, Uses, ledger
from hanscope.analyzers.listening import Listening
from hanscope.analyzers.network import Transmitters
from hanscope.analyzers.reassembly import Incomplete, Messages, Reassembler
from hanscope.analyzers.results import Analysis, Image, LayerCount, LeftOut, Unopened
from hanscope.analyzers.tables import Table
from hanscope.analyzers.transfers import Refused, TransferBuilder, TransferRecord
from hanscope.captures.batch import Secret
from hanscope.dissectors.columns.engine import Engine

if TYPE_CHECKING:
    from hanscope.analyzers.certificates import Certificates
    from hanscope.analyzers.judge import Judge
    from hanscope.analyzers.messages import Credentials
    from hanscope.analyzers.references import Given
    from hanscope.analyzers.rules.engine import Choice, RuleEngine
    from hanscope.analyzers.tunnels import Carried, Carrier, Tunnel, TunnelBuilder
    from hanscope.captures.clocks import Survey

Scope = Literal["all", "transfers"]
"""How much is wanted: everything, or what is in the captures without rules, updates and diagnoses."""
_HEAP: Final = 1 << 27
"""Octets of address space for arrays: about what a process ever needs."""
RECENT: Final = 4096
"""Sightings of addresses that a job brings along."""


class AnalysisRun(msgspec.Struct, frozen=True):
    """An analysis and the images that go with it."""

    analysis: Analysis
    records: tuple[TransferRecord, ...]
    ring: KeyRing = msgspec.field(default_factory=KeyRing)
    """The keys that were given and those that the captures taught."""
    sightings: tuple[Sighting, ...] = ()
    """Which devices had which addresses, in the order in which the captures told it."""
    uses: Uses = msgspec.field(default_factory=dict[KnownKey, Use])
    """What each key opened."""


def analyze(
    paths: Sequence[str],
    *,
    keys: KeyRing,
    progress: Tell | None = None,
    processes: int | None = None,
    show_keys: bool = False,
    credentials: "Credentials | None" = None,
    given: "Given | None" = None,
    choice: "Choice | None" = None,
    scope: Scope = "all",
) -> AnalysisRun:
    """Analyzes captures, several as one: what one of them teaches or holds serves all.

    `processes`: dissecting processes at most (default: one a core; 1: none besides this). Ctrl-C ends the reading; what
    was read until then is concluded from, and `Analysis.interrupted` says so. `credentials`: what GBCS messages are
    verified with; `given`: what images are held against; `choice`: which rules count. Raises `CaptureError` if a
    capture can not be read at all.
    """
    with ExitStack() as stack:
        readables = [stack.enter_context(Readable(path)) for path in paths]
        run = analyze_input(
            _Opening(readables, progress),
            keys=keys,
            progress=progress,
            processes=processes or _cores(),
            show_keys=show_keys,
            credentials=credentials,
            given=given,
            choice=choice,
            scope=scope,
        )
    if any(one.interrupted for one in readables):
        return replace(run, analysis=replace(run.analysis, interrupted=True))
    return run


def analyze_input(
    opening: Opening,
    *,
    keys: KeyRing,
    progress: Tell | None = None,
    processes: int = 1,
    show_keys: bool = False,
    credentials: "Credentials | None" = None,
    given: "Given | None" = None,
    choice: "Choice | None" = None,
    watch: "Watch | None" = None,
    scope: Scope = "all",
) -> AnalysisRun:
    """As `analyze`, of whatever can be read; `watch` sees how far it is after every chunk."""
    _keep_memory()
    engine = Engine(layoutcache.load())
    reading = _Reading(opening, engine, keys, progress, processes, watch, lambda: _judge(scope, choice))
    story = reading.run()
    layoutcache.save(engine)
    return _concluded(story, reading.ring, credentials, given, show_keys=show_keys)


def _judge(scope: Scope, choice: "Choice | None") -> "Judge | None":
    if scope == "transfers":
        return None
    from hanscope.analyzers.judge import Judge  # noqa: PLC0415 -- not for everybody

    return Judge(choice)


def _keep_memory() -> None:
    """Tells glibc to keep freed memory: every chunk needs the same arrays again, and giving the pages back and having
    them mapped anew costs more than any one step of the dissection. Where they will lie is asked for at once, in large
    pages if Linux has some (madvise(2)): half as many page faults. Elsewhere nothing is done.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD of malloc.h
    huge_page = 14  # MADV_HUGEPAGE of mman.h
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(trim_threshold, 1 << 30)
        library.mallopt(mmap_threshold, 1 << 25)  # older versions of glibc take no more
        library.malloc.restype = library.sbrk.restype = ctypes.c_void_p
        before = library.sbrk(0)
        library.mallopt(top_pad, _HEAP)
        library.free(ctypes.c_void_p(library.malloc(1 << 24)))
        library.mallopt(top_pad, 1 << 17)
        begin = -(-before // mmap.PAGESIZE) * mmap.PAGESIZE
        library.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(max(library.sbrk(0) - begin, 0)), huge_page)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Opening:
    """Opens the input, as often as it is read."""

    def __init__(self, readables: Sequence[Readable], progress: Tell | None) -> None:
        self._readables = readables
        self._progress = progress
        self._surveys: list[Survey] = []
        self.again = True

    def prepare(self) -> None:
        """Has a first look at several captures."""
        if len(self._readables) > 1:
            from hanscope.analyzers.several import survey_all  # noqa: PLC0415 -- of several captures

            survey_all(self._readables, self._surveys, self._progress)

    def open(self) -> Input:
        if len(self._readables) == 1:
            return OneCapture(self._readables[0])
        from hanscope.analyzers.several import SeveralCaptures  # noqa: PLC0415 -- of several captures

        return SeveralCaptures(self._readables, self._surveys)


Watch = Callable[[Dissected, Transmitters, TransferBuilder, "RuleEngine"], None]
"""Sees, after every chunk, what has been found so far; it may be looked at until the next one is asked for."""


class _Story(msgspec.Struct):
    """What the input told, before it is put into results."""

    input: Input
    total: Dissected = msgspec.field(default_factory=Dissected)
    transmitters: Transmitters = msgspec.field(default_factory=Transmitters)
    keys: KeyStory = msgspec.field(default_factory=KeyStory)
    sightings: Sequence[Sighting] = ()
    listening: Listening = msgspec.field(default_factory=lambda: Listening(()))
    transfers: list[TransferRecord] = msgspec.field(default_factory=list[TransferRecord])
    tunnels: "Sequence[Tunnel]" = ()
    messages: "Sequence[Carried]" = ()
    judge: "Judge | None" = None
    refused: Refused = msgspec.field(default_factory=Refused)
    overlooked: int = 0
    """Commands of tunnels, and messages, beyond what is kept."""
    interrupted: bool = False


class _Reading:
    """Reads the input, twice if need be."""

    def __init__(
        self,
        opening: Opening,
        engine: Engine,
        ring: KeyRing,
        progress: Tell | None,
        processes: int,
        watch: "Watch | None",
        judge: 'Callable[[], "Judge | None"]',
    ) -> None:
        self.ring = ring
        self._watch = watch
        self._new_judge = judge
        self._opening = opening
        self._engine = engine
        self._progress = progress
        self._processes = processes
        self._addresses = AddressBook()
        self._sightings: list[Sighting] = []
        self._keys_lacked: int | None = None
        """The smallest ring with which something stayed shut."""
        self._addresses_lacked: int | None = None

    def run(self) -> _Story:
        try:
            self._opening.prepare()
        except KeyboardInterrupt:
            return _Story(self._opening.open(), interrupted=True)
        story = self._pass(second=False)
        late_keys = self._keys_lacked is not None and self._keys_lacked < len(self.ring)
        late_addresses = self._addresses_lacked is not None and self._addresses_lacked < len(self._addresses)
        if (late_keys or late_addresses) and self._opening.again and not story.interrupted:
            again = self._pass(second=True)
            if not again.interrupted:
                return again
            story.interrupted = True
        return story

    def _pass(self, *, second: bool) -> _Story:
        with self._opening.open() as capture:
            story = _Story(capture, sightings=self._sightings)
            builders = _Builders()
            judge = story.judge = self._new_judge()
            local = Dissector(self._engine, self.ring, self._addresses, judged=judge is not None)
            parallel = self._processes > 1 and capture.large
            source = self._pooled(capture, local) if parallel else self._alone(capture, local)
            try:
                for result in source:
                    self._take(result, story, builders, local)
                    if self._watch is not None and judge is not None:
                        self._watch(story.total, story.transmitters, builders.transfers, judge.rules)
                    if self._progress is not None:
                        self._progress(
                            Progress(
                                capture.name, capture.octets_read, capture.octets_total, story.total.frames, second
                            )
                        )
            except KeyboardInterrupt:
                story.interrupted = True
            finally:
                source.close()
            story.listening = capture.listening(story.total)
            if judge is not None:
                judge.end(story.listening, self._sightings)
            story.transfers = builders.transfers.finish(until=story.listening.until)
            builders.reassembler.finish()
            story.tunnels, story.messages = builders.finish_tunnels()
            story.refused, story.overlooked = builders.transfers.refused, builders.overlooked
            return story

    def _chunks(self, capture: Input) -> Iterator[Chunk]:
        for chunk in capture:
            self.ring = self.ring.plus(keys_of_secrets(capture.secrets))
            yield chunk

    def _alone(self, capture: Input, dissector: Dissector) -> Generator[Dissected]:
        for chunk in self._chunks(capture):
            dissector.ring = self.ring
            yield dissector.dissect(chunk.frames())

    def _pooled(self, capture: Input, local: Dissector) -> Generator[Dissected]:
        """Several processes dissect."""
        from hanscope.analyzers.workers import Job, dissected  # noqa: PLC0415 -- small captures do without

        chunks = self._chunks(capture)
        if not self._engine.layouts()["Aps"]:
            # Nothing is known of any frame yet: what the first chunk teaches, no worker has to learn again.
            for chunk in islice(chunks, 1):
                yield local.dissect(chunk.frames())
        # Which worker takes a job is not known, so each job brings all that was learned lately.
        jobs = (Job(chunk, self.ring, tuple(self._sightings[-RECENT:])) for chunk in chunks)
        with closing(dissected(jobs, self._processes, local.fresh, _get_ready)) as results_:
            yield from results_

    def _take(self, result: Dissected, story: _Story, builders: "_Builders", local: Dissector) -> None:
        """Adds the result of one batch, in capture order."""
        if result.lacked_keys and (self._keys_lacked is None or result.ring_size < self._keys_lacked):
            self._keys_lacked = result.ring_size
        if result.lacked_addresses and (self._addresses_lacked is None or result.addresses < self._addresses_lacked):
            self._addresses_lacked = result.addresses
        if result.layouts:
            self._engine.know(result.layouts)
        self.ring = self.ring.plus(result.learned)
        local.ring = self.ring
        self._sightings.extend(result.sightings)
        self._addresses.tell(result.sightings)
        ota, tunnels = [result.ota], [result.tunnels]
        carriers: dict[int, Carrier] = {}
        messages = builders.reassembler.feed(result.fragments) if result.fragments is not None else None
        if messages is not None:
            whole = self._read_whole(messages, local)
            ota.append(whole.ota)
            tunnels.append(whole.tunnels)
            if whole.tunnels is not None:
                carriers = _carriers(messages)
            self.ring = self.ring.plus(whole.learned)
        ota_table = _merged(ota)
        builders.transfers.feed(ota_table)
        if story.judge is not None:
            story.judge.feed(ota_table, result)
        if heard := [table for table in tunnels if table is not None]:
            builders.tunnels.feed(_merged(heard), carriers)
        story.keys.add(result.key_commands)
        if result.traffic is not None:
            story.transmitters.add(result.traffic)
        _add(story.total, result)

    def _read_whole(self, messages: Messages, local: Dissector) -> Dissected:
        """What reassembled messages tell, read like frames that were never fragmented."""
        sifted = self._engine.aps.sift(messages.buffer, messages.at, messages.length)
        parts: list[Part] = []
        for group in sifted.groups:
            for secured in (False, True):
                mine = np.flatnonzero(messages.aps_secured[group.index] == secured)
                if len(mine):
                    parts.append(Part(group.take(mine), group.index[mine], secured))
        whole = Dissected()
        local.read(whole, messages.context, parts)
        return whole


def _get_ready() -> None:
    """Loads what is needed in the end, while others work."""
    for name in ("images", "witnesses"):
        import_module(f"hanscope.analyzers.{name}")


def _carriers(messages: Messages) -> "dict[int, Carrier]":
    """How the messages of reassembled frames were carried, by the frame that made each whole."""
    from hanscope.analyzers.tunnels import Carrier  # noqa: PLC0415 -- not every capture has a tunnel

    ways = map(Carrier, messages.began_ns, messages.frames)
    return dict(zip(messages.context.number.tolist(), ways, strict=True))


class _Builders:
    """What takes the tables of the input, in its order."""

    def __init__(self) -> None:
        self.transfers = TransferBuilder(ImageStore())
        self.reassembler = Reassembler(self._broken)

    def _broken(self, incomplete: Incomplete) -> None:
        self.tunnels.broken(incomplete)

    @cached_property
    def tunnels(self) -> "TunnelBuilder":
        from hanscope.analyzers.tunnels import TunnelBuilder  # noqa: PLC0415 -- not every capture has one

        return TunnelBuilder()

    @property
    def overlooked(self) -> int:
        return self.tunnels.overlooked if "tunnels" in self.__dict__ else 0

    def finish_tunnels(self) -> "tuple[Sequence[Tunnel], Sequence[Carried]]":
        """Tunnels, and messages that were carried through them."""
        return self.tunnels.finish() if "tunnels" in self.__dict__ else ((), ())


ANY_PAN: Final = 0xFFFF
"""In a capture's secrets; it is no network's PAN id."""


def secrets_of_uses(uses: Uses) -> list[Secret]:
    """The secrets of a capture that make its encrypted frames readable: for each key, where it opened frames.

    Keys that everybody has are left out: what they opened at most is a join, whose keys are here themselves.
    """
    secrets: list[Secret] = []
    for key, use in uses.items():
        if key.kind == "network":
            pan_ids = sorted({pan_id if pan_id >= 0 else ANY_PAN for pan_id, _ in use.sequences}) or [ANY_PAN]
            secrets += [Secret("nwk", key.octets, pan_id) for pan_id in pan_ids]
    for key, use in uses.items():
        if key.kind == "link" and key.octets not in WELL_KNOWN:
            secrets += [Secret("aps", key.octets, pan_id, (low, high)) for pan_id, low, high in sorted(use.pairs)]
    return list(dict.fromkeys(secrets))


def keys_of_secrets(secrets: Iterable[Secret]) -> Iterator[KnownKey]:
    for secret in secrets:
        if secret.kind == "nwk":
            pan_id = secret.pan_id if secret.pan_id != ANY_PAN else None
            yield KnownKey("network", secret.key, "pcapng secrets", pan_id=pan_id)
        else:
            yield KnownKey("link", secret.key, "pcapng secrets")


_T = TypeVar("_T", bound=Table)


def _merged(tables: Sequence[_T]) -> _T:
    """Tables of one batch as one, in capture order."""
    filled = [table for table in tables if len(table)]
    if len(filled) <= 1:
        return filled[0] if filled else tables[0]
    return type(filled[0]).joined(filled).sorted()


def _add(total: Dissected, one: Dissected) -> None:
    total.frames += one.frames
    total.other_frames += one.other_frames
    total.bad_fcs += one.bad_fcs
    total.unchecked_fcs += one.unchecked_fcs
    total.truncated += one.truncated
    total.loose += one.loose
    times = [time for time in (total.first_ns, one.first_ns) if time is not None]
    total.first_ns = min(times, default=None)
    times = [time for time in (total.last_ns, one.last_ns) if time is not None]
    total.last_ns = max(times, default=None)
    for layer, tally in one.tallies.items():
        total.tallies.setdefault(layer, Tally()).add(tally)
    for shut, (count, first) in one.shut.items():
        entry = total.shut.setdefault(shut, [0, first])
        entry[0] += count
        entry[1] = min(entry[1], first)
    for key, use in one.uses.items():
        total.uses.setdefault(key, Use()).add(use)


def _concluded(
    story: _Story,
    ring: KeyRing,
    credentials: "Credentials | None",
    given: "Given | None",
    *,
    show_keys: bool,
) -> AnalysisRun:
    """Puts what the input told into results."""
    total = story.total
    history = AddressHistory(story.sightings)
    records = story.transfers
    transfers = tuple(record.transfer for record in records)
    examine = partial(_image, certificates=credentials.certificates if credentials is not None else None)
    images = tuple(image for record in records if (image := examine(record)) is not None)
    captures = story.input.captures(total)
    analysis = Analysis(
        captures=captures,
        layers=tuple(
            LayerCount(
                layer=name, frames=tally.frames, malformed=tally.malformed, first_malformed=tally.first_malformed
            )
            for name, tally in sorted(total.tallies.items())
        ),
        unopened=tuple(
            Unopened(
                layer=one.layer,  # pyright: ignore[reportArgumentType] -- "MAC", "NWK" or "APS"
                pan_id=one.pan_id if one.pan_id >= 0 else None,
                reason=one.reason.text(_tried(one.layer, ring)),
                frames=count,
                first_frame=first,
            )
            for one, (count, first) in sorted(total.shut.items(), key=lambda item: item[1][1])
        ),
        devices=tuple(devices_of(story.transmitters, story.sightings, transfers)),
        keys=ledger(ring, total.uses, show_keys=show_keys),
        transfers=transfers,
        images=images,
        key_events=story.keys.results(ring, total.uses, history),
        addresses=tuple(history.results()),
        **_conversations(story, credentials),
        left_out=tuple(_left_out(story)),
        interrupted=story.interrupted,
    )
    if analysis.tunnels:
        analysis = replace(analysis, devices=with_hubs(analysis.devices, analysis.tunnels))
    if images:
        from hanscope.analyzers.witnesses import corroborated  # noqa: PLC0415 -- not every capture has an image

        analysis = corroborated(analysis, records, given, examine)
    if story.judge is not None:
        analysis = story.judge.concluded(analysis)
    if story.input.translate is not None:
        from hanscope.analyzers.renumber import renumbered  # noqa: PLC0415 -- of several captures

        translate = story.input.translate
        plain = replace(analysis, captures=())
        analysis = replace(renumbered(plain, translate), captures=captures)
        records = [_translated(record, translate) for record in records]
    return AnalysisRun(analysis, tuple(records), ring, tuple(story.sightings), total.uses)


def _translated(record: TransferRecord, translate: Callable[[int], int]) -> TransferRecord:
    """A transfer whose frames are those of captures, as in the results."""
    from hanscope.analyzers.renumber import renumbered  # noqa: PLC0415 -- of several captures

    image = None if record.image is None else replace(record.image, translate=translate)
    return TransferRecord(renumbered(record.transfer, translate), image)


class _Conversations(TypedDict, total=False):
    tunnels: tuple[results.Tunnel, ...]
    messages: tuple[results.Message, ...]
    exchanges: tuple[results.Exchange, ...]


def _conversations(story: _Story, credentials: "Credentials | None") -> _Conversations:
    """What was said through tunnels, for which nothing is imported where there are none."""
    if not story.tunnels and not story.messages:
        return {}
    from hanscope.analyzers.conversations import exchanges, message_results, tunnel_results  # noqa: PLC0415 -- heavy

    messages = message_results(story.messages, story.tunnels, credentials)
    matched = exchanges(messages, until=story.listening.until)
    return {"tunnels": tuple(tunnel_results(story.tunnels)), "messages": tuple(messages), "exchanges": matched}


def _left_out(story: _Story) -> Iterator[LeftOut]:
    """What nothing else in the results tells of."""
    total, refused = story.total, story.refused
    for count, what in (
        (total.truncated, "frames of which the capture holds only the beginning: what it cut off is not known"),
        (total.loose, "parts of frames of too many different kinds: only `hanscope frame` reads them"),
        (
            story.transmitters.ignored,
            f"frames of devices beyond the first {Transmitters.LIMIT:,}: not in the list of devices",
        ),
        (refused.attempts, "restarts, offers or refusals beyond what is kept of one transfer"),
        (refused.unattributed, "OTA answers that belong to no image that anybody asked for"),
        (story.overlooked, "tunnel commands or messages beyond what is kept"),
    ):
        if count:
            yield LeftOut(what=what, count=count)


def _tried(layer: str, ring: KeyRing) -> int:
    return len(ring.network) if layer == "NWK" else len(ring.link)


def _image(record: TransferRecord, *, certificates: "Certificates | None") -> Image | None:
    transfer, stored = record.transfer, record.image
    if stored is None or not transfer.received_bytes:
        return None
    from hanscope.analyzers.images import examine  # noqa: PLC0415 -- not every capture has an image

    return examine(
        stored.read(end=stored.reach),
        transfer_id=transfer.id,
        missing=[(gap.start, gap.end) for gap in transfer.missing_ranges],
        open_ended=transfer.image_size is None,
        expected_size=transfer.image_size if transfer.image_size_source == "query response" else None,
        expected_identity=(transfer.manufacturer_code, transfer.image_type, transfer.file_version),
        certificates=certificates,
    )
