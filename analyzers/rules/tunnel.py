"""Tunnels and what they carry (Smart Energy D.6, GBCS 10.2.2)."""

from __future__ import annotations

from typing import Final

from hanscope.analyzers.results import Message, Tunnel
from hanscope.analyzers.rules.envelope import GBCS
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.model import Hit, ItemRule
from hanscope.dissectors.codes import TunnelProtocol

NO_MANUFACTURER: Final = 0xFFFF
NOT_RETRIEVED: Final = 0x819D
LARGEST: Final = 1500
HEADER: Final = {"GET-RESPONSE": 2, "PUT": 1, None: 0}
"""Octets before a gas meter's message."""


def _fields(tunnel: Tunnel, _: Facts) -> list[Hit]:
    if tunnel.protocol_id != TunnelProtocol.GB_HRGP:
        return []
    wrong = [
        f"manufacturer code 0x{tunnel.manufacturer_code:04x}"
        if tunnel.manufacturer_code not in {None, NO_MANUFACTURER} and tunnel.manufacturer_code is not None
        else "",
        "flow control" if tunnel.flow_control else "",
        *(
            f"at most {size} octets"
            for size in {tunnel.client_maximum, tunnel.server_maximum}
            if size is not None and size != LARGEST
        ),
    ]
    said = ", ".join(filter(None, wrong))
    return [Hit((tunnel.first_frame,), subject=tunnel.id, detail=said)] if said else []


def _too_long(message: Message, facts: Facts) -> list[Hit]:
    """Carried whole, and longer than its receiver takes."""
    way = message.carriage
    tunnel = facts.tunnels.get(way.tunnel or "") if way is not None else None
    if way is None or tunnel is None or way.blocks or not way.complete:
        return []
    to_server = way.receiver == tunnel.server
    most = tunnel.server_maximum if to_server else tunnel.client_maximum
    size = len(message.octets) // 2 + HEADER[way.gas_command]
    if most is None or size <= most:
        return []
    return [Hit(message.frames, subject=message.id, detail=f"{size} octets, {most} are taken at once")]


RULES: Final = (
    ItemRule(
        id="tunnel.request",
        source="GBCS 35",
        severity="warning",
        clause="GBCS 10.2.2",
        title="Tunnel asked for with unusual fields",
        explanation="A tunnel for GBCS has no manufacturer code, no flow control, and takes 1500 octets each way.",
        advice="Messages may be cut or refused: see who asked for the tunnel.",
        filter=GBCS,
        profile="gb",
        over="tunnel",
        fires="a maximum of 500 octets",
        silent="a maximum of 1500 octets",
        finds=_fields,
    ),
    ItemRule(
        id="tunnel.data-after-refusal",
        source="GBCS 36",
        severity="error",
        clause="ZigBee SE D.6",
        title="Data through a tunnel that was refused",
        explanation="Data was sent although the request for the tunnel had been refused.",
        advice="The data is dropped: see who sent it.",
        filter=GBCS,
        over="tunnel",
        fires="a refused request, then data",
        silent="a refused request, and no data",
        finds=lambda tunnel, _: (
            [Hit((tunnel.first_frame, tunnel.last_frame), subject=tunnel.id)]
            if tunnel.state == "refused" and tunnel.to_client + tunnel.to_server
            else []
        ),
    ),
    ItemRule(
        id="tunnel.message-too-long",
        source="GBCS 38",
        severity="error",
        clause="ZigBee SE D.6, GBCS 10.2.2",
        title="Message longer than the tunnel takes",
        explanation="A message was sent whole although it is longer than what its receiver takes at once.",
        advice="The receiver refuses it; larger messages have to go as General Block Transfer.",
        filter=GBCS,
        over="message",
        fires="1501 octets where 1500 are taken",
        silent="1500 octets where 1500 are taken",
        finds=_too_long,
    ),
    ItemRule(
        id="tunnel.blocks-contradict",
        source="GBCS 39",
        severity="note",
        clause="GBCS 7.2.11",
        title="Blocks of one message contradict each other",
        explanation="Blocks of a General Block Transfer came twice with different octets, or lie outside of it.",
        advice="The message could not be put together: see who sent it.",
        filter=GBCS,
        unconfirmed=True,
        over="message",
        fires="block 2 twice with different octets",
        silent="block 2 missing",
        finds=lambda message, _: (
            [Hit(message.frames, subject=message.id, detail=message.error)]
            if "contradictory" in (message.error or "")
            else []
        ),
    ),
    ItemRule(
        id="tunnel.not-retrieved",
        source="GBCS 40",
        severity="note",
        clause="GBCS 16 (819D)",
        title="Gas meter did not fetch its messages",
        explanation="The hub reports (819D) that a message for the gas meter waited too long to be fetched.",
        advice="See whether the meter still wakes up and polls; an activation order may be among what waits.",
        filter=GBCS,
        profile="gb",
        over="message",
        fires="an alert with code 0x819d",
        silent="an alert with code 0x8f72",
        finds=lambda message, facts: (
            [Hit(message.frames, subject=message.id)] if facts.alert_code(message) == NOT_RETRIEVED else []
        ),
    ),
)
