"""What devices said to each other: carried messages as results, and commands with what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from hanscope.analyzers.messages import Credentials, examine, undecodable
from hanscope.analyzers.results import Carriage, Exchange, Message, MessagePart, Party, TransferEvent, Tunnel
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs.codes import USE_CASES, CraFlag, use_case_text

if TYPE_CHECKING:
    from hanscope.analyzers import tunnels as heard

SECOND: Final = 1_000_000_000


def tunnel_results(tunnels: Iterable[heard.Tunnel], first: int = 1) -> list[Tunnel]:
    """Tunnels as results, numbered from `first`."""
    return [
        Tunnel(
            id=f"N{number}",
            pan_id=one.pan_id,
            client=_party(one.client),
            server=_party(one.server),
            tunnel_id=one.tunnel_id,
            state=one.state,
            heard_open=one.heard_open,
            protocol_id=one.protocol_id,
            manufacturer_code=one.manufacturer_code,
            flow_control=one.flow_control,
            client_maximum=one.client_maximum,
            server_maximum=one.server_maximum,
            to_server=one.to_server,
            to_client=one.to_client,
            fetches=one.fetches,
            first_frame=one.first_frame,
            last_frame=one.last_frame,
            events=tuple(TransferEvent(time=event.time_ns, frame=event.frame, what=event.what) for event in one.events),
        )
        for number, one in enumerate(tunnels, first)
    ]


def message_results(
    carried: Iterable[heard.Carried],
    tunnels: Sequence[heard.Tunnel],
    credentials: Credentials | None,
    first_message: int = 1,
    first_tunnel: int = 1,
) -> list[Message]:
    """Carried messages, decoded and verified, numbered from `first_message`; `tunnels` are from `first_tunnel`."""
    names = {id(one): f"N{number}" for number, one in enumerate(tunnels, first_tunnel)}
    return [
        replace(
            _message(one, credentials),
            id=f"M{number}",
            carriage=Carriage(
                tunnel=names.get(id(one.tunnel)),
                pan_id=one.pan_id,
                sender=_party(one.sender),
                receiver=_party(one.receiver),
                gas_command=one.gas_command,
                remaining=one.remaining,
                blocks=one.blocks,
                started=one.began_ns,
                ended=one.ended_ns,
                complete=one.why is None,
            ),
        )
        for number, one in enumerate(carried, first_message)
    ]


def _party(end: heard.End) -> Party:
    return Party(short=end.short, eui64=eui64_text(end.eui64) if end.eui64 else None)


def _message(carried: heard.Carried, credentials: Credentials | None) -> Message:
    if carried.why is None:
        return examine(carried.octets, credentials=credentials, frames=carried.frames)
    message = undecodable(f"incomplete: {carried.why}", carried.octets, frames=carried.frames)
    if (identity := carried.identity) is None:
        return message
    return replace(
        message,
        message_code=identity.message_code,
        use_case=use_case_text(identity.message_code),
        cra_flag=identity.cra_flag,
        originator=eui64_text(identity.originator),
        target=eui64_text(identity.target),
        originator_counter=identity.originator_counter,
    )


class _Key(NamedTuple):
    """What a command and its responses have in common, from the command's side."""

    originator: str
    target: str
    message_code: int
    originator_counter: int


@dataclass(slots=True)
class _Exchange:
    key: _Key
    commands: list[Message] = field(default_factory=list[Message])
    responses: list[Message] = field(default_factory=list[Message])
    alerts: list[Message] = field(default_factory=list[Message])


def exchanges(
    messages: Sequence[Message],
    ended_ns: int | None = None,
    *,
    until: Callable[[int, int], int] | None = None,
) -> tuple[Exchange, ...]:
    """Commands with their responses, and with the alerts that name them, in the order of the first message of each.

    A command that is heard again before any response is the same exchange; after one it begins another. `ended_ns`: the
    end of what was heard; `until` (instead): until when a PAN was listened to from a time on.
    """
    found: list[_Exchange] = []
    latest: dict[_Key, _Exchange] = {}
    for message in messages:
        if message.cra_flag == CraFlag.ALERT:
            told = (one for key in _told_about(message) if (one := latest.get(key)) is not None and one.commands)
            if (known := next(told, None)) is not None:
                known.alerts.append(message)
        elif (key := _key(message)) is not None:
            known = latest.get(key)
            is_command = message.cra_flag == CraFlag.COMMAND
            if known is None or (is_command and known.responses):
                known = latest[key] = _Exchange(key)
                found.append(known)
            (known.commands if is_command else known.responses).append(message)
    return tuple(_exchange(one, _end(one, until) if until else ended_ns) for one in found)


def _end(one: _Exchange, until: Callable[[int, int], int]) -> int | None:
    last = one.commands[-1].carriage if one.commands else None
    return None if last is None else until(last.pan_id, last.ended)


def _key(message: Message) -> _Key | None:
    """The exchange that a command or response belongs to; `None` if its beginning is missing."""
    originator, target, counter = message.originator, message.target, message.originator_counter
    if originator is None or target is None or counter is None or message.message_code is None:
        return None
    if message.cra_flag == CraFlag.COMMAND:
        return _Key(originator, target, message.message_code, counter)
    return _Key(target, originator, message.message_code, counter) if message.cra_flag == CraFlag.RESPONSE else None


_TOLD_BY: Final = {0x00CA: "CS06", 0x00CB: "CS02b", 0x0124: "CS02g"}
"""Alerts about future dated commands whose payload has the command's counter but not its message code."""


def _told_about(message: Message) -> Iterator[_Key]:
    """The commands that an alert may be about: it has their counter and, in most families, their message code."""
    if message.payload is None or message.originator is None or message.target is None:
        return
    codes: list[int] = []
    counter = None
    for part in _parts(message.payload):
        match part.name.replace("_", "").replace(" ", "").lower(), part.value:
            case "messagecode", int(code):
                codes = [code]
            case (("originatorcounter" | "authorisingremotepartyseqnumber"), int(number)):
                counter = number
            case _:
                pass
    if not codes and (name := _TOLD_BY.get(message.message_code or 0)) is not None:
        codes = [code for code, use_case in USE_CASES.items() if use_case.name.startswith(name)]
    if counter is not None:
        for code in codes:
            yield _Key(message.target, message.originator, code, counter)


def _parts(part: MessagePart) -> Iterator[MessagePart]:
    yield part
    for inner in part.parts:
        yield from _parts(inner)


def _exchange(one: _Exchange, ended_ns: int | None) -> Exchange:
    key = one.key
    return Exchange(
        message_code=key.message_code,
        use_case=use_case_text(key.message_code),
        originator=key.originator,
        target=key.target,
        originator_counter=key.originator_counter,
        commands=_ids(one.commands),
        responses=_ids(one.responses),
        alerts=_ids(one.alerts),
        latency=_latency(one),
        unanswered=_unanswered(one, ended_ns),
    )


def _ids(messages: Iterable[Message]) -> tuple[str, ...]:
    return tuple(message.id for message in messages if message.id is not None)


def _latency(one: _Exchange) -> int | None:
    if not one.commands or not one.responses:
        return None
    command, response = one.commands[0].carriage, one.responses[0].carriage
    if command is None or response is None:
        return None
    return response.started - command.ended


def _unanswered(one: _Exchange, ended_ns: int | None) -> str | None:
    if one.responses or not one.commands:
        return None
    last = one.commands[-1].carriage
    if last is None or ended_ns is None:
        return "no response was heard"
    return f"no response was heard in the {(ended_ns - last.ended) / SECOND:.1f} s until the capture's end"
