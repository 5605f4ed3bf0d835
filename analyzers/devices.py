"""The devices of a capture: who transmitted, and what each is, with what that is concluded from."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from hanscope.analyzers.addresses import Sighting
from hanscope.analyzers.network import Heard, Transmitters
from hanscope.analyzers.results import Device, Transfer, Tunnel, Update
from hanscope.dissectors.codes import TunnelProtocol
from hanscope.dissectors.eui64 import eui64_text

_COORDINATOR: Final = 0x0000


def devices_of(
    transmitters: Transmitters, sightings: Iterable[Sighting], transfers: Iterable[Transfer]
) -> Iterator[Device]:
    """The devices, with a guess at their roles and what it rests on.

    What a device sent under its EUI-64 alone (while it joined) counts with what it sent under its short address.
    """
    eui64_of = {(one.pan_id, one.short): one.eui64 for one in sorted(sightings, key=lambda one: one.number)}
    short_of = {eui64: place for place, eui64 in eui64_of.items()}
    transfers = tuple(transfers)
    servers = {(one.pan_id, one.server.short) for one in transfers}
    clients = {(one.pan_id, one.client.short) for one in transfers}
    merged: dict[tuple[int, int, int], Heard] = {}
    for (pan_id, short, eui64), heard in transmitters.heard.items():
        if short < 0 and (known := short_of.get(eui64)) is not None and (*known, 0) in transmitters.heard:
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
    if short == _COORDINATOR:
        return "coordinator", "short address 0x0000"
    if heard.data_requests:
        times = "once" if heard.data_requests == 1 else f"{heard.data_requests} times"
        return "end device", f"it polled its parent {times}"
    return "unknown", "nothing that it sent tells"


def with_hubs(devices: Sequence[Device], tunnels: Iterable[Tunnel]) -> tuple[Device, ...]:
    """Names Communications Hubs: the coordinators through whose tunnels GBCS messages go."""
    pans = {one.pan_id for one in tunnels if one.protocol_id == TunnelProtocol.GB_HRGP and _COORDINATOR in _ends(one)}
    evidence = "coordinator (0x0000), and an end of the tunnels for GBCS messages"
    return tuple(
        replace(one, role="Communications Hub", evidence=evidence)
        if one.pan_id in pans and one.short == _COORDINATOR
        else one
        for one in devices
    )


def _ends(tunnel: Tunnel) -> tuple[int, int]:
    return tunnel.client.short, tunnel.server.short


def with_kinds(devices: Sequence[Device], updates: Iterable[Update]) -> tuple[Device, ...]:
    """Gives devices that update themselves the kind that their updates show."""
    kinds = {(one.pan_id, one.device.short): (one.role, one.role_evidence) for one in updates if one.role != "unknown"}
    return tuple(
        one
        if (kind := kinds.get((one.pan_id, -1 if one.short is None else one.short))) is None
        else replace(one, role=kind[0], evidence=kind[1])
        for one in devices
    )
