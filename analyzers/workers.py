"""Processes that dissect: chunks go out to whoever is free, what came of them comes back in the order of the chunks.

Where processes can be forked, arrays travel through memory that all of them share. Nothing is copied for the reader:
the arrays that come out lie in that memory, and a piece of it is used again when the last of them has gone. Pipes carry
the rest. Whoever hands the chunks out dissects too when nothing has come back and everybody else has enough to do: so
there are no more processes than cores, which would take each other's caches away. Elsewhere the standard library's pool
does the same, more slowly.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import select
import signal
import struct
import sys
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from hanscope.analyzers.addresses import Sighting
from hanscope.analyzers.dissect import Dissected, Dissector
from hanscope.analyzers.inputs import Chunk
from hanscope.analyzers.keys import KeyRing

if TYPE_CHECKING:
    from concurrent.futures import Future

Fresh = Callable[[], Dissector]
"""Makes a dissector that knows the same layouts, and no keys and addresses yet; can be sent to another process."""
MOST: Final = 8
"""Processes that are worth having: one can only take in what so many dissect."""
AHEAD: Final = 2
"""Jobs that a process has at most: one that it works on, and the next; and results that wait for an earlier one before
this process stops making more.
"""
_IN: Final = 4 << 20
_OUT: Final = 8 << 20
"""Octets of shared memory for a job and for what comes of it; arrays that find no room go through the pipe."""
_SMALL: Final = 1 << 14
"""A message of so many octets always finds room in a pipe."""
_ALIGNED: Final = 64
_NOWHERE: Final = -1
"""The slot of what goes through the pipe altogether."""
_HEAD: Final = struct.Struct("<qqq")
"""Job, slot, octets of the message."""
_LENGTH: Final = struct.Struct("<I")


class Job(msgspec.Struct, frozen=True):
    """One chunk, and what has to be known of those before it."""

    chunk: Chunk
    ring: KeyRing
    sightings: tuple[Sighting, ...]

    def detached(self) -> Job:
        """Small, to be sent to another process."""
        return Job(self.chunk.detached(), self.ring, self.sightings)


class Worker:
    """What a dissecting process keeps between jobs."""

    def __init__(self, fresh: Fresh) -> None:
        self._dissector = fresh()

    def work(self, job: Job) -> Dissected:
        self._dissector.ring = self._dissector.ring | job.ring
        self._dissector.addresses.tell(job.sightings)
        return self._dissector.dissect(job.chunk.frames())


def dissected(jobs: Iterator[Job], processes: int, fresh: Fresh, meanwhile: Callable[[], None]) -> Generator[Dissected]:
    """What comes of the jobs, in their order. Jobs are asked for only as far ahead as the processes can work.

    `processes`: this one among them, at least 2. `meanwhile` is called when the first jobs are out and nothing has come
    back yet.
    """
    if sys.platform == "linux":
        return _forked(jobs, min(processes - 1, MOST), fresh, meanwhile)
    return _spawned(jobs, min(processes, MOST), fresh)


def _forked(jobs: Iterator[Job], count: int, fresh: Fresh, meanwhile: Callable[[], None]) -> Generator[Dissected]:
    crew = _Crew(count, fresh)
    try:
        yield from crew.results(jobs, meanwhile)
    finally:
        crew.close()


class _Crew:
    """Forked workers and the memory that they share."""

    def __init__(self, count: int, fresh: Fresh) -> None:
        self._free = list(range(AHEAD * count + AHEAD))
        self._memory = _Memory(len(self._free))
        self._members: list[_Member] = []
        self._own = Worker(fresh)
        for _ in range(count):
            self._members.append(_Member(self._memory, self._own, self._members))
        self._in_hand: dict[int, tuple[_Member, int, Job]] = {}
        """By job: who has it, and which piece of memory."""
        self._done: dict[int, Dissected] = {}

    def results(self, jobs: Iterator[Job], meanwhile: Callable[[], None]) -> Generator[Dissected]:
        sent = wanted = 0
        more = idle = True
        while more or wanted < sent:
            self._collect(wait=False)
            # If whoever takes the results keeps all the memory, what is left goes through the pipes, one by one.
            while more and (member := self._idlest()) is not None and (self._free or not self._in_hand):
                if (job := next(jobs, None)) is None:
                    more = False
                else:
                    self._send(member, sent, job.detached())
                    sent += 1
            if wanted in self._done:
                yield self._done.pop(wanted)
                wanted += 1
            elif idle:
                meanwhile()
                idle = False
            elif more and len(self._done) < AHEAD:
                if (job := next(jobs, None)) is None:
                    more = False
                else:
                    self._done[sent] = self._own.work(job)
                    sent += 1
            else:
                self._collect(wait=True)

    def close(self) -> None:
        for member in self._members:
            member.close()

    def _idlest(self) -> _Member | None:
        """Who is to have the next job; `None`: they all have enough, or nobody is left."""
        able = (one for one in self._members if one.alive and one.jobs < AHEAD)
        return min(able, key=lambda one: one.jobs, default=None)

    def _send(self, member: _Member, index: int, job: Job) -> None:
        slot = self._free.pop() if self._free else _NOWHERE
        message = packed(job, self._memory.incoming(slot))
        # Who works on a job does not read; who is sent more than a pipe holds meanwhile might wait for us in turn.
        while member.alive and member.jobs and len(message) > _SMALL:
            self._collect(wait=True)
        self._in_hand[index] = member, slot, job
        member.jobs += 1
        # The pipe of one that has just died may still take a job.
        if not (member.alive and member.send(index, slot, message)):
            self._lost(member)

    def _collect(self, *, wait: bool) -> None:
        """Takes what the workers have done, at least one thing if `wait`."""
        busy = {member.output: member for member in self._members if member.alive and member.jobs}
        if not busy:
            return
        poll = select.poll()
        for descriptor in busy:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(None if wait else 0):
            member = busy[descriptor]
            received = member.receive()
            if received is None:
                self._lost(member)
                continue
            index, slot, message = received
            member.jobs -= 1
            del self._in_hand[index]
            self._done[index] = self._opened(message, slot)

    def _opened(self, message: bytes, slot: int) -> Dissected:
        """What a worker says; its piece of memory is free again when nothing that lies in it is used any more."""
        memory = b"" if slot == _NOWHERE else self._memory.lent(slot, self._free.append)
        result = unpacked(message, memoryview(memory))
        if isinstance(result, Exception):
            raise result
        return result

    def _lost(self, member: _Member) -> None:
        """A worker has died (the system may have been short of memory): its jobs are done here."""
        member.alive = False
        for index, (owner, slot, job) in list(self._in_hand.items()):
            if owner is member:
                del self._in_hand[index]
                if slot != _NOWHERE:
                    self._free.append(slot)
                self._done[index] = self._own.work(job)


class _Memory:
    """Memory that this process shares with those that it forks, in pieces."""

    def __init__(self, slots: int) -> None:
        self._octets = mmap.mmap(-1, slots * (_IN + _OUT))
        self._room: Any = type("Room", (ctypes.c_char * _OUT,), {})
        self._lent: dict[int, weakref.ref[Any]] = {}

    def incoming(self, slot: int) -> memoryview:
        """Where a job lies."""
        return self._piece(slot, 0, _IN)

    def outgoing(self, slot: int) -> memoryview:
        """Where lies what came of it."""
        return self._piece(slot, _IN, _IN + _OUT)

    def _piece(self, slot: int, begin: int, end: int) -> memoryview:
        if slot == _NOWHERE:
            return memoryview(bytearray())
        start = slot * (_IN + _OUT)
        return memoryview(self._octets)[start + begin : start + end]

    def lent(self, slot: int, back: Any) -> Any:
        """The second half of a piece as an object of its own: `back` is called when nobody refers to it any more."""
        room = self._room.from_buffer(self._octets, slot * (_IN + _OUT) + _IN)
        self._lent[slot] = weakref.ref(room, lambda _: back(slot))
        return room


class _Member:
    """One worker, as its parent sees it."""

    def __init__(self, memory: _Memory, worker: Worker, others: list[_Member]) -> None:
        self.jobs = 0
        self.alive = True
        jobs_out, jobs_in = os.pipe()
        results_out, results_in = os.pipe()
        self.output = results_out
        self._process = os.fork()
        if not self._process:
            try:
                for descriptor in (jobs_in, results_out, *(d for one in others for d in one.descriptors)):
                    os.close(descriptor)
                _serve(os.fdopen(jobs_out, "rb"), os.fdopen(results_in, "wb"), memory, worker)
            finally:
                os._exit(0)
        os.close(jobs_out)
        os.close(results_in)
        self._jobs = os.fdopen(jobs_in, "wb", buffering=0)
        self._results = os.fdopen(results_out, "rb", buffering=0)

    @property
    def descriptors(self) -> tuple[int, int]:
        return self._jobs.fileno(), self._results.fileno()

    def send(self, index: int, slot: int, message: bytes) -> bool:
        """Whether it could be sent."""
        try:
            _put(self._jobs, index, slot, message)
        except OSError:
            return False
        return True

    def receive(self) -> tuple[int, int, bytes] | None:
        try:
            return _get(self._results)
        except OSError:
            return None

    def close(self) -> None:
        """Its pipe is closed, at which it ends."""
        self._jobs.close()
        self._results.close()
        os.waitpid(self._process, 0)


def _serve(jobs: BinaryIO, results: BinaryIO, memory: _Memory, worker: Worker) -> None:
    """What a forked process does all its life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (received := _get(jobs)) is not None:
        index, slot, message = received
        try:
            result: object = worker.work(unpacked(message, memory.incoming(slot)))
        except Exception as error:  # noqa: BLE001 -- it is the parent's
            result = error
        _put(results, index, slot, packed(result, memory.outgoing(slot)))


def packed(value: object, room: memoryview) -> bytes:
    """A pickle whose arrays lie in `room`, as far as they find room."""
    places: list[tuple[int, int]] = []
    used = 0

    def put(buffer: pickle.PickleBuffer) -> bool:
        nonlocal used
        raw = buffer.raw()
        end = used + raw.nbytes
        if end > len(room):
            return True
        room[used:end] = raw
        places.append((used, end))
        used = -(-end // _ALIGNED) * _ALIGNED
        return False

    content = pickle.dumps(value, 5, buffer_callback=put)
    where = pickle.dumps(places)
    return _LENGTH.pack(len(where)) + where + content


def unpacked(message: bytes, room: memoryview) -> Any:
    """What was packed; its arrays lie in `room`."""
    (length,) = _LENGTH.unpack_from(message)
    where, content = message[_LENGTH.size : _LENGTH.size + length], memoryview(message)[_LENGTH.size + length :]
    places = pickle.loads(where)  # noqa: S301 -- from a process of our own
    return pickle.loads(content, buffers=[room[begin:end] for begin, end in places])  # noqa: S301 -- likewise


def _put(pipe: BinaryIO, index: int, slot: int, message: bytes) -> None:
    rest = memoryview(_HEAD.pack(index, slot, len(message)) + message)
    while rest:
        rest = rest[pipe.write(rest) :]
    pipe.flush()


def _get(pipe: BinaryIO) -> tuple[int, int, bytes] | None:
    """A message; `None`: there will be no more."""
    head = _exactly(pipe, _HEAD.size)
    if head is None:
        return None
    index, slot, size = _HEAD.unpack(head)
    message = _exactly(pipe, size)
    return None if message is None else (index, slot, message)


def _exactly(pipe: BinaryIO, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        more = pipe.read(count - len(found))
        if not more:
            return None
        found += more
    return bytes(found)


class _Elsewhere:
    """What a process of the standard library's pool keeps."""

    worker: Worker


def _begin(fresh: Fresh) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Elsewhere.worker = Worker(fresh)


def _work(job: Job) -> Dissected:
    return _Elsewhere.worker.work(job)


def _spawned(jobs: Iterator[Job], count: int, fresh: Fresh) -> Generator[Dissected]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 -- only where nothing can be forked
    from multiprocessing import get_context  # noqa: PLC0415

    waiting: deque[Future[Dissected]] = deque()
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (fresh,)) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(_work, job.detached()))
                while len(waiting) > (AHEAD + 2) * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
