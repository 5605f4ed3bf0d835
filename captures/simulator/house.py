"""A house in which devices get new firmware: what its devices share, while each goes its own `course`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import NONE, SECOND, Air, Frames
from hanscope.captures.simulator.background import Silence
from hanscope.captures.simulator.faults import Faults
from hanscope.captures.simulator.han import HUB, Han
from hanscope.captures.simulator.messages import Speakers
from hanscope.captures.simulator.parties import Party
from hanscope.captures.simulator.truth import Blocks, DeviceTruth, MessageTruth
from hanscope.captures.simulator.tunnels import Tunnels
from hanscope.dissectors.gbcs.codes import RemotePartyRole

SUPPLIER: Final = 0x00DE4D0000005002
BROKER: Final = 0x00DE4D0000005004
"""EUI-64s of the remote parties."""
NOTE: Final = 1 << 60
"""Tags from here on number the messages whose first frame is to be known."""
_BETWEEN_KEYS_NS: Final = 300_000_000
_REPLAY_NS: Final = (2 * SECOND, 9 * SECOND)
"""A frame is replayed so much later, at least and at most."""


class Course(Protocol):
    """One device's way through its update."""

    def play(self) -> int:
        """Sends everything; returns when it is over, in nanoseconds since the start."""
        ...

    def truth(self, blocks: Blocks, heard: dict[int, int]) -> DeviceTruth:
        """What happened; `heard`: the first intact frame of each note that has one."""
        ...


@dataclass(slots=True)
class House:
    """What the courses of one house share; `begin` plays them."""

    han: Han
    faults: Faults
    seed: int
    cast: Callable[["House"], Sequence[Course]]
    """Makes the courses, once there is air."""
    silence: Silence = field(default_factory=Silence)
    notes: int = 0
    attempts: int = 0
    end_ns: int = 0
    wrong_keys: list[bytes] = field(default_factory=list[bytes])
    wan: list[bytes] = field(default_factory=list[bytes])
    deaf_from_ns: int | None = None
    """The capture ends here."""
    courses: Sequence[Course] = ()
    said: tuple[MessageTruth, ...] = ()
    """All messages; after the capture has been written."""
    _parties: dict[int, Party] = field(default_factory=dict[int, Party])
    _air: Air | None = None
    _tunnels: Tunnels | None = None
    _speakers: Speakers | None = None
    _switched: bool = False

    def begin(self, air: Air) -> None:
        """Plays all courses."""
        self._air = air
        self._tunnels = Tunnels(air)
        for node in self.han.nodes:
            self._parties[node.eui64] = Party.derived(self.seed, node.eui64)
        supplier = self._remote(SUPPLIER, RemotePartyRole.SUPPLIER)
        broker = self._remote(BROKER, RemotePartyRole.ACCESS_CONTROL_BROKER)
        self._speakers = Speakers(supplier, broker, self.party(HUB))
        self.courses = self.cast(self)
        self.end_ns = max(course.play() for course in self.courses)

    @property
    def air(self) -> Air:
        return _there(self._air)

    @property
    def tunnels(self) -> Tunnels:
        return _there(self._tunnels)

    @property
    def speakers(self) -> Speakers:
        return _there(self._speakers)

    def _remote(self, eui64: int, role: RemotePartyRole) -> Party:
        return self._parties.setdefault(eui64, Party.derived(self.seed, eui64, role))

    def party(self, node: int) -> Party:
        """A node as a GBCS device."""
        return self._parties[self.han.nodes[node].eui64]

    @property
    def parties(self) -> tuple[Party, ...]:
        return tuple(self._parties.values())

    def note(self) -> int:
        """A new note: `NOTE` and it is the tag of the message that it is about."""
        self.notes += 1
        return self.notes - 1

    def attempt(self) -> int:
        """The number of a new attempt."""
        self.attempts += 1
        return self.attempts - 1

    def renew_network_key(self, at_ns: int) -> None:
        """The hub gives everybody the next network key and then says that it holds; once."""
        if self._switched:
            return
        self._switched = True
        air, (key,) = self.air, self.han.later_keys[:1]
        for number, node in enumerate(self.han.nodes):
            if number == HUB or node.link_key is None:
                continue
            air.send(
                kinds.transport_later_key(node.link_key),
                at_ns,
                HUB,
                number,
                key=np.frombuffer(key, np.uint8).reshape(1, -1),
                key_sequence_number=self.han.key_sequence + 1,
                destination_eui64=np.uint64(node.eui64),
                source_eui64=np.uint64(self.han.nodes[HUB].eui64),
            )
            at_ns += _BETWEEN_KEYS_NS
        air.send(kinds.SWITCH_KEY, at_ns, HUB, key_sequence_number=self.han.key_sequence + 1)
        air.switch_key(at_ns + _BETWEEN_KEYS_NS)

    def heard_by_sniffer(self, frames: Frames) -> Frames:
        """The frames as the capture is to have them: with those that somebody replays, and without a cut-off end."""
        if (share := self.faults.anywhere.get("replayed-frames")) is not None:
            frames = _with_replays(frames, float(share), np.random.default_rng([self.seed, 5]))
        if self.deaf_from_ns is not None:
            in_time = frames.time_ns < self.air.start_ns + self.deaf_from_ns
            frames = replace(frames, captured=frames.captured & in_time)
        return frames

    def conclude(
        self, blocks: Blocks, pieces: dict[int, int], heard: dict[int, int]
    ) -> tuple[tuple[MessageTruth, ...], tuple[DeviceTruth, ...]]:
        """What was said and what happened; `pieces` and `heard`: the first intact frame of what has one."""
        self.said = self.tunnels.truth(pieces)
        return self.said, tuple(course.truth(blocks, heard) for course in self.courses)


def _there(thing: Any) -> Any:
    if thing is None:
        raise ValueError("the house has not begun")
    return thing


def _with_replays(frames: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Some of the hub's secured frames once more, seconds later; nobody acknowledges them."""
    secured = np.flatnonzero((frames.transmitter == HUB) & (frames.frame_counter >= 0) & frames.intact)
    chosen = secured[rng.random(len(secured)) < share]
    if not len(chosen) and share and len(secured):
        chosen = secured[len(secured) // 2 :][:1]
    late = frames.time_ns[chosen] + rng.integers(*_REPLAY_NS, len(chosen))
    time = np.concatenate((frames.time_ns, late))
    order = np.argsort(time, kind="stable")

    def again(column: NDArray[Any], values: NDArray[Any] | None = None) -> NDArray[Any]:
        return np.concatenate((column, column[chosen] if values is None else values))[order]

    return Frames(
        time_ns=time[order],
        octets=again(frames.octets),
        length=again(frames.length),
        captured=again(frames.captured),
        intact=again(frames.intact),
        transmitter=again(frames.transmitter, np.full(len(chosen), NONE)),
        tag=again(frames.tag),
        frame_counter=again(frames.frame_counter),
    )
