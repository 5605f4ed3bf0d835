"""What a rule is: a record that documents itself, and one expression.

* A `RowRule` is an expression over some OTA commands of a batch as columns (`rows.Rows`), true where a row deviates.
* An `ItemRule` is an expression over one result (a transfer, an image, a message, …), true if it deviates.

`unless_missed` names a transmitter and a time: the deviation only counts if all that was sent there was captured
(`analyzers.evidence`), so that what the sniffer missed never becomes a device's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers.results import Confidence, Severity
from hanscope.analyzers.rules.limits import Limits
from hanscope.analyzers.rules.rows import Rows
from hanscope.analyzers.tables import Column

Mask = NDArray[np.bool_]
Profile = Literal["gb", "zigbee", "both"]
PROFILES: Final[tuple[Profile, ...]] = ("gb", "zigbee", "both")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What all rules say about themselves."""

    id: str
    source: str
    """The rule's name in the collected facts: "B10", "GBCS 25"."""
    severity: Severity
    clause: str
    title: str
    explanation: str
    """One sentence: what is wrong about it."""
    advice: str
    filter: str
    """Wireshark display filter of the kind of frames it is about."""
    fires: str
    """The case that it was made for …"""
    silent: str
    """… and the nearest one at which it says nothing."""
    profile: Profile = "both"
    unconfirmed: bool = False
    """Its source could not be confirmed: then it is a note at most."""
    confidence: Confidence = "confirmed"
    tolerated: str = ""
    """The threshold up to which so many hits in one transfer are not reported."""
    detail: str = ""
    """A sentence about the first hit, in which `{name}` stands for a column or field."""

    def at_least(self, limits: Limits) -> int:
        """From how many hits in one transfer on it is reported."""
        return getattr(limits, self.tolerated) + 1 if self.tolerated else 1


class Quiet(NamedTuple):
    """All of what the client or the server sent in a time must have been captured."""

    who: Literal["client", "server"]
    since_row: Column
    """From this other row to the row itself …"""
    limit_ns: int | Column | None = None
    """… or for so long, if that is over earlier."""
    early_ns: int | Column = 0
    """So much earlier than the other row it begins."""


class RowRule(Rule, frozen=True, kw_only=True):
    """A deviation that OTA commands show."""

    among: str | int = ""
    """The rows that can deviate: a member of `rows.OtaRows`, or a command. The rule is asked about these alone."""
    finds: Callable[[Rows], Mask] | str
    """Or the id of a rule whose hits it counts."""
    beside: Callable[[Rows], Column] | None = None
    """For each row another one that belongs to the deviation; -1: none."""
    unless_missed: Callable[[Rows], Quiet] | None = None
    received: Callable[[Rows], Column] | None = None
    """For each row one of which an APS acknowledgement must have been heard."""
    delivered: Callable[[Rows], Column] | None = None
    """The same, unless its sender asked for none."""
    undelivered: Callable[[Rows], Column] | None = None
    """For each row one of which an acknowledgement was asked for, and none must have been heard."""

    @property
    def conditional(self) -> bool:
        """Whether what else was captured decides."""
        conditions = (self.unless_missed, self.received, self.delivered, self.undelivered)
        return any(condition is not None for condition in conditions)


Over = Literal["transfer", "image", "message", "exchange", "tunnel", "update", "capture"]


class ItemRule(Rule, frozen=True, kw_only=True):
    """A deviation that a result shows; `capture`: the whole analysis."""

    over: Over
    finds: Callable[..., Iterable[Hit]]
    """Takes the item and `facts.Facts`."""


class Hit(NamedTuple):
    """One deviation that an `ItemRule` found."""

    frames: tuple[int, ...]
    transfer_id: str | None = None
    subject: str | None = None
    """What it is about, if that is no transfer: a message, a tunnel, a device."""
    detail: str = ""


Item = Any
