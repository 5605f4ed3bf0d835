"""From capture files to an `Analysis`: the one path that everything runs through.

Chunks are read in order; each is dissected here or, when the file is large, by one of several processes; what depends
on order (reassembly, transfers) is done here, in order, so that the number of processes changes nothing in the result.
A file is read a second time when keys or addresses that were learned late may open what stayed shut before.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar

import msgspec
import numpy as np

from hanscope.analyzers import layoutcache, results
from hanscope.analyzers.addresses import AddressBook, AddressHistory, Sighting
from hanscope.analyzers.dissect import Dissected, Dissector, Part, Shut, Tally
from hanscope.analyzers.images import examine
from hanscope.analyzers.imagestore import ImageStore
from hanscope.analyzers.keyevents import KeyStory
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing, KnownKey, Use, Uses, ledger
from hanscope.analyzers.network import Heard, Transmitters
from hanscope.analyzers.reassembly import Messages, Reassembler
from hanscope.analyzers.results import (
    Analysis,
    Capture,
    CaptureInterface,
    Device,
    Fault,
    Image,
    LayerCount,
    Transfer,
    Unopened,
)
from hanscope.analyzers.tables import Table
from hanscope.analyzers.transfers import TransferBuilder, TransferRecord
from hanscope.analyzers.tunnels import Carried, Carrier, Tunnel, TunnelBuilder
from hanscope.captures.batch import RecordBatch, Secret
from hanscope.captures.files import CaptureFile, open_capture
from hanscope.captures.linklayer import Decision, Decisions, decide, frames, link_type_name
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.columns.layout import Layouts
from hanscope.dissectors.eui64 import eui64_text

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hanscope.analyzers.messages import Credentials

AHEAD: Final = 4
"""Chunks for each process that are read ahead of the one that is waited for."""
RECENT: Final = 4096
"""Sightings of addresses that a job brings along."""
POOL_FROM: Final = 24 << 20
"""Octets of a file from which more than one process is worth its start."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading of a capture is."""

    path: str
    octets_done: int
    octets_total: int | None
    frames: int
    second_pass: bool


@dataclass(frozen=True, slots=True)
class AnalysisRun:
    """An analysis and the images that go with it."""

    analysis: Analysis
    records: tuple[TransferRecord, ...]
    ring: KeyRing = field(default_factory=KeyRing)
    """The keys that were given and those that the captures taught."""
    sightings: tuple[Sighting, ...] = ()
    """Which devices had which addresses, in the order in which the captures told it."""
    uses: Uses = field(default_factory=dict[KnownKey, Use])
    """What each key opened."""


def analyze(
    paths: Sequence[str],
    *,
    keys: KeyRing,
    progress: Callable[[Progress], None] | None = None,
    processes: int | None = None,
    show_keys: bool = False,
    credentials: "Credentials | None" = None,
) -> AnalysisRun:
    """Analyzes captures one after the other; keys learned from one are used on those after it.

    `processes`: dissecting processes at most (default: one a core; 1: none besides this). Ctrl-C ends the reading; what
    was read until then is concluded from, and `Analysis.interrupted` says so. `credentials`: what GBCS messages are
    verified with. Raises `CaptureError` if a capture can
    not be read at all.
    """
    _keep_memory()
    engine = Engine(layoutcache.load())
    ring = keys
    stories: list[_Story] = []
    for path in paths:
        with Readable(path) as readable:
            reading = _Reading(readable, engine, ring, progress, processes or _cores())
            story = reading.run()
            ring = reading.ring
        stories.append(story)
        if story.interrupted:
            break
    layoutcache.save(engine)
    return _concluded(stories, ring, credentials, show_keys=show_keys)


def _keep_memory() -> None:
    """Tells glibc to keep freed memory: every chunk needs the same arrays again, and giving the pages back and having
    them mapped anew costs more than any one step of the dissection. Elsewhere nothing is done.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(trim_threshold, 1 << 30)
        library.mallopt(mmap_threshold, 1 << 30)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Readable:
    """A capture that can be read twice: standard input and pipes are copied to a temporary file while they are waited
    for.
    """

    def __init__(self, path: str) -> None:
        self.shown = "standard input" if path == "-" else path
        self.path = path
        self._spool: str | None = None

    def __enter__(self) -> "Readable":
        if self.path == "-" or (
            Path(self.path).exists() and not Path(self.path).is_file() and not Path(self.path).is_dir()
        ):
            descriptor, self._spool = tempfile.mkstemp(prefix="hanscope-")
            with os.fdopen(descriptor, "wb") as spool:
                if self.path == "-":
                    shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
                else:
                    with Path(self.path).open("rb") as pipe:
                        shutil.copyfileobj(pipe, spool, 1 << 20)
            self.path = self._spool
        return self

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            Path(self._spool).unlink(missing_ok=True)


@dataclass(slots=True)
class _Story:
    """What one capture told, before it is put into results."""

    path: str
    capture: CaptureFile
    decisions: Decisions = field(default_factory=dict[int, Decision])
    records: int = 0
    per_interface: dict[int, int] = field(default_factory=dict[int, int])
    total: Dissected = field(default_factory=Dissected)
    transmitters: Transmitters = field(default_factory=Transmitters)
    keys: KeyStory = field(default_factory=KeyStory)
    sightings: Sequence[Sighting] = ()
    transfers: list[TransferRecord] = field(default_factory=list[TransferRecord])
    tunnels: list[Tunnel] = field(default_factory=list[Tunnel])
    messages: list[Carried] = field(default_factory=list[Carried])
    interrupted: bool = False


class _Reading:
    """Reads one capture, twice if need be."""

    def __init__(
        self,
        readable: Readable,
        engine: Engine,
        ring: KeyRing,
        progress: Callable[[Progress], None] | None,
        processes: int,
    ) -> None:
        self.ring = ring
        self._readable = readable
        self._engine = engine
        self._progress = progress
        self._processes = processes
        self._addresses = AddressBook()
        self._sightings: list[Sighting] = []
        self._keys_lacked: int | None = None
        """The smallest ring with which something stayed shut."""
        self._addresses_lacked: int | None = None

    def run(self) -> _Story:
        story = self._pass(second=False)
        late_keys = self._keys_lacked is not None and self._keys_lacked < len(self.ring)
        late_addresses = self._addresses_lacked is not None and self._addresses_lacked < len(self._addresses)
        if (late_keys or late_addresses) and not story.interrupted:
            again = self._pass(second=True)
            if not again.interrupted:
                return again
            story.interrupted = True
        return story

    def _pass(self, *, second: bool) -> _Story:
        with open_capture(self._readable.path) as capture:
            story = _Story(self._readable.shown, capture, sightings=self._sightings)
            builders = _Builders()
            local = Dissector(self._engine, self.ring, self._addresses)
            size = capture.octets_total or 0
            parallel = self._processes > 1 and size >= POOL_FROM and not capture.compressed
            source = self._pooled(capture, story, local) if parallel else self._alone(capture, story, local)
            try:
                for result in source:
                    self._take(result, story, builders, local)
                    if self._progress is not None:
                        self._progress(
                            Progress(story.path, capture.octets_read, capture.octets_total, story.total.frames, second)
                        )
            except KeyboardInterrupt:
                story.interrupted = True
            finally:
                source.close()
            story.transfers = builders.transfers.finish(story.total.last_ns)
            builders.reassembler.finish()
            story.tunnels, story.messages = builders.tunnels.finish()
            return story

    def _chunks(self, capture: CaptureFile, story: _Story) -> Iterator[RecordBatch]:
        """The chunks of a capture, with the decisions about its interfaces made before anyone needs them."""
        for records in capture:
            story.decisions = decide(records, capture.interfaces, story.decisions)
            story.records += len(records)
            for index, count in enumerate(np.bincount(records.interface)):
                if count:
                    story.per_interface[index] = story.per_interface.get(index, 0) + int(count)
            self.ring = self.ring.plus(keys_of_secrets(capture.secrets))
            yield records

    def _alone(self, capture: CaptureFile, story: _Story, dissector: Dissector) -> Generator[Dissected, None, None]:
        for records in self._chunks(capture, story):
            dissector.ring = self.ring
            yield dissector.dissect(frames(records, story.decisions))

    def _pooled(self, capture: CaptureFile, story: _Story, local: Dissector) -> Generator[Dissected, None, None]:
        """Several processes dissect; results come back in the order of the chunks."""
        from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 -- small captures do without
        from multiprocessing import get_context  # noqa: PLC0415

        method = "fork" if sys.platform == "linux" else "spawn"
        waiting: deque[Future[Dissected]] = deque()
        chunks = self._chunks(capture, story)
        if not self._engine.layouts()["Aps"]:
            # Nothing is known of any frame yet: what the first chunk teaches, no worker has to learn again.
            for records in islice(chunks, 1):
                yield local.dissect(frames(records, story.decisions))
        with ProcessPoolExecutor(
            self._processes, get_context(method), _start_worker, (self._engine.layouts(),)
        ) as pool:
            try:
                for records in chunks:
                    # Which worker takes a job is not known, so each job brings all that was learned lately.
                    job = _Job(records.detached(), story.decisions, self.ring, tuple(self._sightings[-RECENT:]))
                    waiting.append(pool.submit(_work, job))
                    while len(waiting) > AHEAD * self._processes:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

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
                ways = map(Carrier, messages.began_ns, messages.frames)
                carriers = dict(zip(messages.context.number.tolist(), ways, strict=True))
            self.ring = self.ring.plus(whole.learned)
        builders.transfers.feed(_merged(ota))
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


class _Builders:
    """What takes the tables of one capture, in capture order."""

    def __init__(self) -> None:
        self.transfers = TransferBuilder(ImageStore())
        self.tunnels = TunnelBuilder()
        self.reassembler = Reassembler(self.tunnels.broken)


@dataclass(frozen=True, slots=True)
class _Job:
    """One chunk for a worker, and what it has to know."""

    records: RecordBatch
    decisions: Decisions
    ring: KeyRing
    sightings: tuple[Sighting, ...]


class _Worker:
    """What a dissecting process keeps between jobs."""

    dissector: Dissector


def _start_worker(known: Layouts) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.dissector = Dissector(Engine(known), KeyRing())


def _work(job: _Job) -> Dissected:
    dissector = _Worker.dissector
    dissector.ring = dissector.ring | job.ring
    dissector.addresses.tell(job.sightings)
    return dissector.dissect(frames(job.records.attached(), job.decisions))


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
    stories: Sequence[_Story], ring: KeyRing, credentials: "Credentials | None", *, show_keys: bool
) -> AnalysisRun:
    """Puts what the captures told into results."""
    tallies: dict[str, Tally] = {}
    uses: Uses = {}
    shut: dict[Shut, list[int]] = {}
    whole = Dissected(tallies=tallies, uses=uses, shut=shut)
    records: list[TransferRecord] = []
    images: list[Image] = []
    devices: list[Device] = []
    key_events: list[results.KeyEvent] = []
    addresses: list[results.AddressEvent] = []
    for story in stories:
        _add(whole, story.total)
        history = AddressHistory(story.sightings)
        addresses.extend(history.results())
        key_events.extend(story.keys.results(ring, story.total.uses, history))
        renumbered = [_renumbered(record, len(records) + place) for place, record in enumerate(story.transfers, 1)]
        records.extend(renumbered)
        images.extend(image for record in renumbered if (image := _image(record)) is not None)
        devices.extend(_devices(story, [record.transfer for record in renumbered]))
    analysis = Analysis(
        captures=tuple(_capture(story) for story in stories),
        layers=tuple(
            LayerCount(
                layer=name, frames=tally.frames, malformed=tally.malformed, first_malformed=tally.first_malformed
            )
            for name, tally in sorted(tallies.items())
        ),
        unopened=tuple(
            Unopened(
                layer=one.layer,  # pyright: ignore[reportArgumentType] -- "MAC", "NWK" or "APS"
                pan_id=one.pan_id if one.pan_id >= 0 else None,
                reason=one.reason.text(_tried(one.layer, ring)),
                frames=count,
                first_frame=first,
            )
            for one, (count, first) in sorted(shut.items(), key=lambda item: item[1][1])
        ),
        devices=tuple(devices),
        keys=ledger(ring, uses, show_keys=show_keys),
        transfers=tuple(record.transfer for record in records),
        images=tuple(images),
        key_events=tuple(key_events),
        addresses=tuple(addresses),
        **_conversations(stories, credentials),
        interrupted=any(story.interrupted for story in stories),
    )
    sightings = tuple(sighting for story in stories for sighting in story.sightings)
    return AnalysisRun(analysis, tuple(records), ring, sightings, uses)


class _Conversations(TypedDict, total=False):
    tunnels: tuple[results.Tunnel, ...]
    messages: tuple[results.Message, ...]
    exchanges: tuple[results.Exchange, ...]


def _conversations(stories: Sequence[_Story], credentials: "Credentials | None") -> _Conversations:
    """What was said through tunnels, for which nothing is imported where there are none."""
    if not any(story.tunnels or story.messages for story in stories):
        return {}
    from hanscope.analyzers.conversations import exchanges, message_results, tunnel_results  # noqa: PLC0415 -- heavy

    tunnels: list[results.Tunnel] = []
    messages: list[results.Message] = []
    for story in stories:
        places = len(messages) + 1, len(tunnels) + 1
        messages += message_results(story.messages, story.tunnels, credentials, *places)
        tunnels += tunnel_results(story.tunnels, places[1])
    last_ns = [story.total.last_ns for story in stories if story.total.last_ns is not None]
    matched = exchanges(messages, max(last_ns, default=None))
    return {"tunnels": tuple(tunnels), "messages": tuple(messages), "exchanges": matched}


def _tried(layer: str, ring: KeyRing) -> int:
    return len(ring.network) if layer == "NWK" else len(ring.link)


def _renumbered(record: TransferRecord, number: int) -> TransferRecord:
    return TransferRecord(msgspec.structs.replace(record.transfer, id=f"T{number}"), record.image)


def _image(record: TransferRecord) -> Image | None:
    transfer, stored = record.transfer, record.image
    if stored is None or not transfer.received_bytes:
        return None
    return examine(
        stored.read(),
        transfer_id=transfer.id,
        missing=[(gap.start, gap.end) for gap in transfer.missing_ranges],
        expected_size=transfer.image_size if transfer.image_size_source == "query response" else None,
        expected_identity=(transfer.manufacturer_code, transfer.image_type, transfer.file_version),
    )


def _capture(story: _Story) -> Capture:
    file, total = story.capture, story.total
    faults = [Fault(where=fault.where, what=fault.what) for fault in file.faults]
    interfaces = tuple(
        CaptureInterface(
            index=index,
            link_type=file.interfaces[index].link_type,
            link_type_name=link_type_name(file.interfaces[index].link_type),
            frames=story.per_interface[index],
            trailer=decision.trailer,
            evidence=decision.evidence,
        )
        for index, decision in sorted(story.decisions.items())
    )
    return Capture(
        path=story.path,
        format=file.format,
        compressed=file.compressed,
        frames=total.frames,
        other_frames=total.other_frames,
        bad_fcs=total.bad_fcs,
        unchecked_fcs=total.unchecked_fcs,
        started=total.first_ns,
        ended=total.last_ns,
        interfaces=interfaces,
        comments=file.notes.comment_count,
        faults=tuple(faults),
    )


def _devices(story: _Story, transfers: Sequence[Transfer]) -> Iterator[Device]:
    """The devices of one capture, with a guess at their roles and what it rests on.

    What a device sent under its EUI-64 alone (while it joined) counts with what it sent under its short address.
    """
    eui64_of = {(one.pan_id, one.short): one.eui64 for one in sorted(story.sightings, key=lambda one: one.number)}
    short_of = {eui64: place for place, eui64 in eui64_of.items()}
    servers = {(one.pan_id, one.server.short) for one in transfers}
    clients = {(one.pan_id, one.client.short) for one in transfers}
    merged: dict[tuple[int, int, int], Heard] = {}
    for (pan_id, short, eui64), heard in story.transmitters.heard.items():
        if short < 0 and (known := short_of.get(eui64)) is not None and (*known, 0) in story.transmitters.heard:
            pan_id, short, eui64 = *known, 0  # noqa: PLW2901 -- the same device
        merged.setdefault((pan_id, short, eui64), Heard(first_frame=heard.first_frame)).add(heard)
    for (pan_id, short, eui64), heard in sorted(merged.items()):
        known = eui64 or eui64_of.get((pan_id, short), 0)
        role, evidence = _role(pan_id, short, heard, servers, clients)
        yield Device(
            pan_id=pan_id,
            short=short if short >= 0 else None,
            eui64=eui64_text(known) if known else None,
            frames=heard.frames,
            first_frame=heard.first_frame,
            last_frame=heard.last_frame,
            lqi=heard.lqi_sum / heard.lqi_count if heard.lqi_count else None,
            rssi_dbm=heard.rssi_sum / heard.rssi_count if heard.rssi_count else None,
            role=role,
            evidence=evidence,
        )


def _role(
    pan_id: int, short: int, heard: Heard, servers: set[tuple[int, int]], clients: set[tuple[int, int]]
) -> tuple[str, str]:
    if (pan_id, short) in servers:
        return "OTA server", "it answers in a firmware transfer"
    if (pan_id, short) in clients:
        return "OTA client", "it asks for a firmware image"
    if short == 0:
        return "coordinator", "short address 0x0000"
    if heard.data_requests:
        times = "once" if heard.data_requests == 1 else f"{heard.data_requests} times"
        return "end device", f"it polled its parent {times}"
    return "unknown", "nothing that it sent tells"
