"""The section of the terminal report that tells what the hub and each device said to each other in GBCS messages."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.results import Analysis, Exchange, Message, Party, Tunnel, Verdict
from hanscope.report.words import clock, count, duration, frame, moment, party

if TYPE_CHECKING:
    from hanscope.report.terminal import Page, Part

MOST_DEVICES: Final = 20
MOST_MESSAGES: Final = 50
"""Of one device."""
MOST_EVENTS: Final = 8
_KINDS: Final = {1: "command", 2: "response", 3: "alert"}
_ORDINARY: Final = frozenset({"requested", "opened", "given", "given again", "closed by the client"})
"""Steps of a tunnel's life that its line tells anyway."""
_HUB: Final = 0x0000


def show(page: "Page", analysis: Analysis) -> None:
    """Tunnels and messages, device by device; nothing where there are none."""
    if not analysis.tunnels and not analysis.messages:
        return
    through = f" through {count(len(analysis.tunnels), 'tunnel')}"
    page.heading("Conversation", f"{count(len(analysis.messages), 'GBCS message')}{through}")
    answers = {command: one for one in analysis.exchanges for command in one.commands}
    tunnels: dict[tuple[int, int], list[Tunnel]] = {}
    messages: dict[tuple[int, int], list[Message]] = {}
    names: dict[tuple[int, int], Party] = {}
    for tunnel in analysis.tunnels:
        device = _device(tunnel.client, tunnel.server)
        tunnels.setdefault((tunnel.pan_id, device.short), []).append(tunnel)
        names[tunnel.pan_id, device.short] = device
    for message in analysis.messages:
        if (way := message.carriage) is not None:
            device = _device(way.sender, way.receiver)
            messages.setdefault((way.pan_id, device.short), []).append(message)
            names[way.pan_id, device.short] = device
    for place, name in list(names.items())[:MOST_DEVICES]:
        page.line([(party(name, place[0]), "bold cyan")], indent=2)
        _tunnels(page, tunnels.get(place, ()))
        _messages(page, messages.get(place, ()), answers, name)
    page.more(list(names), MOST_DEVICES, "device")


def _device(one: Party, other: Party) -> Party:
    """The end that is not the hub."""
    return other if one.short == _HUB else one


def _tunnels(page: "Page", tunnels: Sequence[Tunnel]) -> None:
    for tunnel in tunnels[:MOST_EVENTS]:
        named = "no tunnel" if tunnel.tunnel_id is None else f"tunnel {tunnel.tunnel_id}"
        told = [
            f"{named} {tunnel.state}"
            if tunnel.heard_open or tunnel.tunnel_id is None
            else f"{named}, its opening not heard",
            f"{tunnel.to_server:,} to the server",
            f"{tunnel.to_client:,} to the client",
            count(tunnel.fetches, "GET") if tunnel.fetches else "",
            f"frames {frame(tunnel.first_frame)} to {frame(tunnel.last_frame)}",
        ]
        page.line(", ".join(filter(None, told)), indent=5, hang=2)
        unusual = [event for event in tunnel.events if event.what not in _ORDINARY]
        for event in unusual[:MOST_EVENTS]:
            page.line(f"{clock(event.time)}  frame {frame(event.frame)}  {event.what}", indent=7, hang=2)
        page.more(unusual, MOST_EVENTS, "event", indent=7)
    page.more(tunnels, MOST_EVENTS, "tunnel", indent=5)


def _messages(page: "Page", messages: Sequence[Message], answers: dict[str, Exchange], device: Party) -> None:
    if not messages:
        return
    rows: list[list[Part]] = []
    for message in messages[:MOST_MESSAGES]:
        if (way := message.carriage) is None:
            continue
        rows.append(
            [
                message.id or "",
                clock(way.started),
                frame(message.frames[0]) if message.frames else "",
                "from" if way.sender.short == device.short else "to",
                _answer(answers.get(message.id or "")),
                "; ".join(_told(message)),
            ]
        )
    first = messages[0].carriage
    if first is not None:
        page.line(f"{moment(first.started).partition('T')[0]} UTC", indent=5)
    page.table(["id", "time", ">frame", "", ">answered", "message"], rows, indent=5)
    page.more(messages, MOST_MESSAGES, "message", indent=5)


def _answer(exchange: Exchange | None) -> str:
    """How long a command waited for its response."""
    if exchange is None:
        return ""
    return "no" if exchange.latency is None else f"in {duration(max(exchange.latency, 0))}"


def _told(message: Message) -> Iterable[str]:
    """What a message is, and what of it is not as it should be."""
    if message.use_case is None:
        yield "unknown"
    else:
        counter = message.originator_counter
        yield f"{message.use_case}: {_KINDS.get(message.cra_flag or 0, 'message')}, counter {counter}"
    if message.error is not None:
        yield message.error
        return
    verdicts = [("signature", message.signature), ("MAC", message.mac)]
    verdicts += [("encrypted part", verdict) for verdict in message.encrypted_parts]
    told = [f"{name} {verdict.outcome}" for name, verdict in verdicts if _decided(verdict)]
    if told:
        yield ", ".join(dict.fromkeys(told))
    if message.problems:
        yield count(len(message.problems), "problem")


def _decided(verdict: Verdict) -> bool:
    return verdict.outcome in ("valid", "invalid")
