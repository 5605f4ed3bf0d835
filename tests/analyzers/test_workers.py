"""Processes that dissect: nothing is lost, nothing comes out of order, and memory is lent and given back."""

import gc
import os
import signal
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from hanscope.analyzers import workers
from hanscope.analyzers.dissect import Dissected, Dissector
from hanscope.analyzers.keys import KeyRing
from hanscope.analyzers.tables import OtaTable
from hanscope.analyzers.workers import Job, dissected, packed, unpacked
from hanscope.captures.batch import CaptureError, FrameBatch

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forked processes here")


class Numbers(msgspec.Struct):
    """A chunk that is only a number, with some octets that find no room in shared memory."""

    value: int
    octets: bytes = b""

    def frames(self) -> FrameBatch:
        raise NotImplementedError

    def detached(self) -> "Numbers":
        return self


class Counting:
    """A dissector that gives back what it was given."""

    ring = KeyRing()

    class Addresses:
        """Of nobody."""

        def tell(self, _: object) -> None: ...

    addresses = Addresses()


def job(value: int, octets: bytes = b"") -> Job:
    return Job(Numbers(value, octets), KeyRing(), ())


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers answer with a table that has the number of their job in every row."""

    def work(_: workers.Worker, one: Job) -> Dissected:
        chunk = one.chunk
        assert isinstance(chunk, Numbers)
        if chunk.octets == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if chunk.octets == b"gone":
            raise CaptureError("the file became shorter")
        table = OtaTable.of(1000, number=np.arange(1000), time_ns=np.full(1000, chunk.value))
        return Dissected(frames=chunk.value, ota=table, truncated=len(chunk.octets))

    monkeypatch.setattr(workers.Worker, "work", work)
    monkeypatch.setattr(workers.Worker, "__init__", lambda *_: None)


def fresh() -> Dissector:
    raise NotImplementedError


def results(jobs: Iterator[Job], processes: int = 3) -> list[Dissected]:
    return list(dissected(jobs, processes, fresh, lambda: None))


@pytest.mark.usefixtures("counting")
def test_results_come_in_the_order_of_the_jobs() -> None:
    found = [one.frames for one in dissected((job(number) for number in range(200)), 3, fresh, lambda: None)]
    assert found == list(range(200))


@pytest.mark.usefixtures("counting")
def test_what_is_kept_stays_what_it_was() -> None:
    """More tables are kept than there is memory for: the rest comes through the pipe."""
    kept = [(one.frames, one.ota) for one in dissected((job(n) for n in range(40)), 3, fresh, lambda: None)]
    for number, table in kept:
        assert (table.time_ns == number).all()
        assert (table.number == np.arange(1000)).all()


@pytest.mark.usefixtures("counting")
def test_large_jobs_go_through_the_pipe() -> None:
    large = os.urandom(9 << 20)
    found = results(job(number, large if number % 3 == 0 else b"x") for number in range(12))
    assert [one.truncated for one in found] == [len(large) if number % 3 == 0 else 1 for number in range(12)]


@pytest.mark.usefixtures("counting")
def test_an_error_of_a_worker_is_raised_here() -> None:
    with pytest.raises(CaptureError, match="became shorter"):
        results(job(number, b"gone" if number == 5 else b"") for number in range(20))


def test_the_jobs_of_a_worker_that_died_are_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()

    def work(_: workers.Worker, one: Job) -> Dissected:
        chunk = one.chunk
        assert isinstance(chunk, Numbers)
        if chunk.value in (7, 40) and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return Dissected(frames=chunk.value)

    monkeypatch.setattr(workers.Worker, "work", work)
    monkeypatch.setattr(workers.Worker, "__init__", lambda *_: None)
    assert [one.frames for one in results((job(number) for number in range(60)), 2)] == list(range(60))


@pytest.mark.usefixtures("counting")
def test_a_job_for_a_worker_that_has_died_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipe may still take the job, as the system takes apart what belonged to it piece by piece."""
    monkeypatch.setattr(workers._Member, "send", lambda *_: True)
    crew = workers._Crew(1, fresh)
    (member,) = crew._members
    crew._lost(member)
    crew._send(member, 0, job(5))
    assert crew._done[0].frames == 5
    crew.close()


def test_this_process_dissects_too_but_does_not_run_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    handed_out = 0

    def work(_: workers.Worker, one: Job) -> Dissected:
        chunk = one.chunk
        assert isinstance(chunk, Numbers)
        time.sleep(0.3 if chunk.value == 0 else 0.005)
        return Dissected(frames=chunk.value, loose=os.getpid())

    def jobs() -> Iterator[Job]:
        nonlocal handed_out
        for handed_out in range(1, 41):
            yield job(handed_out - 1)

    monkeypatch.setattr(workers.Worker, "work", work)
    monkeypatch.setattr(workers.Worker, "__init__", lambda *_: None)
    found = dissected(jobs(), 2, fresh, lambda: None)
    first = next(found)
    assert first.frames == 0
    assert first.loose != parent
    assert handed_out <= 2 * workers.AHEAD + 1
    rest = list(found)
    assert [one.frames for one in rest] == list(range(1, 40))
    assert {one.loose for one in rest} == {parent, first.loose}


@pytest.mark.usefixtures("counting")
def test_whoever_stops_early_leaves_no_process_behind() -> None:
    found = dissected((job(number) for number in range(1000)), 3, fresh, lambda: None)
    assert next(found).frames == 0
    found.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.usefixtures("counting")
def test_meanwhile_is_called_once() -> None:
    calls: list[int] = []
    assert len(list(dissected((job(number) for number in range(20)), 2, fresh, lambda: calls.append(1)))) == 20
    assert calls == [1]


def test_arrays_lie_in_the_room_as_far_as_there_is_room() -> None:
    room = bytearray(10_000)
    arrays = [np.arange(500, dtype=np.int64), np.zeros(0, np.uint8), np.arange(3000, dtype=np.int64), np.array([7, 8])]
    message = packed(arrays, memoryview(room))
    found = unpacked(message, memoryview(room))
    assert [one.tolist() for one in found] == [one.tolist() for one in arrays]
    found[0][0] = -1
    assert int.from_bytes(room[:8], "little", signed=True) == -1, "it lies there"
    assert len(message) > 24_000, "the third found no room"


def test_memory_is_given_back_when_the_last_array_has_gone() -> None:
    memory = workers._Memory(2)
    back: list[int] = []
    message = packed([np.arange(10), np.arange(20)], memory.outgoing(1))
    room = memoryview(memory.lent(1, back.append))
    found = unpacked(message, room)
    one = found[0][2:5]
    del room, found
    gc.collect()
    assert back == []
    assert one.tolist() == [2, 3, 4]
    del one
    gc.collect()
    assert back == [1]
