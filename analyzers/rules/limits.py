"""The thresholds of the rules, with their defaults: the one place for them. A TOML file may set any of them."""

from pathlib import Path
from typing import Annotated, Final

import msgspec

SECOND: Final = 1_000_000_000
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=10_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is still taken for normal. Most come from stacks or from policy, not from the specification."""

    response_seconds: Seconds = 5.0
    """Within which a request is answered (stacks: 3 to 5 s)."""
    reaction_seconds: Seconds = 60.0
    """Within which a client reacts to a notify or an offer, sleepy ones included."""
    repeated_requests: Count = 10
    """Times that a client may ask for the same block again in one transfer."""
    size_changes: Count = 10
    """Times that a client may change the block size it asks for in one transfer."""
    early_seconds: Seconds = 1.0
    """By how much a client may be early after WAIT_FOR_DATA …"""
    early_share: Share = 0.05
    """… or by this share of the wait."""
    longest_wait_seconds: Seconds = 86_400.0
    period_tolerance: Share = 0.125
    """Of the minimum block period (as test servers allow it)."""
    spacing_tolerance: Share = 0.5
    """Of the response spacing of a page: radio delays shift single frames."""
    fast_pages: Count = 10
    """Responses of a page that may be closer together than asked for."""
    page_repeats: Count = 3
    stall_seconds: Seconds = 120.0
    """Without a request in mid-transfer, when no wait was asked for."""
    query_seconds: Seconds = 300.0
    """Between two queries that nothing called for."""
    end_repeat_seconds: Seconds = 600.0
    """Between two Upgrade End Requests while the client was told to wait."""
    activation_seconds: Seconds = 10.0
    """How long after the time of the upgrade a client may still name its old version."""
    clock_seconds: Seconds = 86_400.0
    """By how much a server's clock may differ from the capture's."""
    fetch_seconds: Seconds = 7200.0
    """Within which a GBCS command is answered; a gas meter fetches its commands every half hour."""


class LimitsError(Exception):
    """A file of thresholds that can not be used; the text says why."""


def read_limits(path: Path) -> Limits:
    """The thresholds of a TOML file; what it does not name keeps its default."""
    import tomllib  # noqa: PLC0415 -- most keep the defaults

    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Limits)
    except OSError as error:
        raise LimitsError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise LimitsError(f"{path}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise LimitsError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise LimitsError(f"{path}: {error}") from None
