"""The scenarios that play whole updates: which devices are in the house, and what each of them loads."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from hanscope.captures.simulator.air import SECOND, Air, Noise
from hanscope.captures.simulator.course import DeviceCourse
from hanscope.captures.simulator.device import Plan
from hanscope.captures.simulator.faults import FaultError, Faults, Value, parse_faults
from hanscope.captures.simulator.firmware import MILLISECOND, Firmware, Habits
from hanscope.captures.simulator.han import HUB, Han, Node, Role
from hanscope.captures.simulator.house import SUPPLIER, House
from hanscope.captures.simulator.parties import Party
from hanscope.captures.simulator.simulation import Scenario, Writer, run
from hanscope.captures.simulator.truth import Activation, Truth
from hanscope.captures.writer import PcapngWriter, PcapWriter, prefixed, tap_headers
from hanscope.dissectors.gbcs.codes import RemotePartyRole
from hanscope.dissectors.images.gbcs import DeviceType

MANUFACTURER: Final = 0x10DE
"""Of all devices; nobody's."""
DEFAULT_SIZE: Final = 8000
LEAST_SIZE: Final = 2000
LARGEST_SIZE: Final = 1 << 20
ACTIVATIONS: Final[tuple[Activation, ...]] = get_args(Activation)
NOISE: Final = Noise(damaged=0.002, resent=0.01, aps_retried=0.003)
_IHD_TYPE: Final = 0x0080
_TAP: Final = 283
_COMMENT: Final = "A simulated Home Area Network: no real devices, no real keys."


@dataclass(frozen=True, slots=True)
class _Device:
    """A kind of device in a house."""

    role: Role
    image_type: int
    block: int
    pace_ms: int
    sleepy: bool = False
    notified: bool = True


_DEVICES: Final = {
    one.role: one
    for one in (
        _Device(Role.ESME, DeviceType.ESME, 48, 200),
        _Device(Role.GSME, DeviceType.GSME, 56, 400, sleepy=True, notified=False),
        _Device(Role.HCALCS, DeviceType.HCALCS, 48, 250),
        _Device(Role.PPMID, DeviceType.PPMID, 40, 200),
        _Device(Role.IHD, _IHD_TYPE, 48, 200),
        _Device(Role.REPEATER, 0x0100, 48, 200),
    )
}
_SIGNED: Final = (Role.ESME, Role.GSME, Role.HCALCS)
_PLAIN: Final = (Role.IHD, Role.REPEATER)
"""They take plain ZigBee images."""
_METERS_ONLY: Final = ("wrong-hash", "early-activation")
_GB_ONLY: Final = ("activation-refused",)
_SIGNED_ONLY: Final = ("bad-signature",)
_NOT_SLEEPY: Final = ("two-servers",)
_ALONE_ONLY: Final = ("cut-short",)
_BLOCKS_ONLY: Final = ("server-skips", "rate-limit-ignored")
"""Faults that are about Image Block Requests."""


@dataclass(frozen=True, slots=True)
class UpdateScenario:
    """One scenario."""

    name: str
    explanation: str
    roles: tuple[Role, ...]
    """Of the devices that update themselves."""
    others: tuple[Role, ...] = ()
    """Also in the house."""
    relayed: tuple[Role, ...] = ()
    """Devices behind the repeater."""
    page: int = 0
    """Blocks in an Image Page Request; 0: each block is asked for."""
    sub_ghz: bool = False


UPDATE_SCENARIOS: Final = {
    one.name: one
    for one in (
        UpdateScenario("esme-update", "an electricity meter: alert 8F72, CS06, ECS52", (Role.ESME,), (Role.PPMID,)),
        UpdateScenario(
            "gsme-update",
            "a sleepy gas meter, which fetches its messages: 8F72, CS06, GCS38",
            (Role.GSME,),
            (Role.ESME,),
        ),
        UpdateScenario(
            "hcalcs-update",
            "a load control switch behind a repeater: 8F72, CS06, CS08",
            (Role.HCALCS,),
            (Role.REPEATER, Role.ESME),
            (Role.HCALCS,),
        ),
        UpdateScenario(
            "ppmid-update", "a prepayment display, which activates by itself: CS09, CS08", (Role.PPMID,), (Role.ESME,)
        ),
        UpdateScenario("zigbee-update", "a repeater by plain ZigBee, without GBCS", (Role.REPEATER,), (Role.ESME,)),
        UpdateScenario("ihd-update", "an in-home display by plain ZigBee, outside GBCS", (Role.IHD,), (Role.ESME,)),
        UpdateScenario("page-update", "an electricity meter that asks for pages", (Role.ESME,), (Role.PPMID,), page=8),
        UpdateScenario(
            "sub-ghz-update",
            "a gas meter in a sub-GHz band, whose hub nears its duty cycle limit (0x070B)",
            (Role.GSME,),
            sub_ghz=True,
        ),
        UpdateScenario(
            "house-update",
            "everybody at the same time, two PPMIDs with the same image among them",
            (Role.ESME, Role.GSME, Role.HCALCS, Role.PPMID, Role.PPMID),
            (Role.REPEATER,),
            (Role.HCALCS,),
        ),
    )
}


def update(
    name: str,
    path: Path | str,
    *,
    seed: int = 0,
    faults: Sequence[str] = (),
    size: int = DEFAULT_SIZE,
    activation: Activation = "immediate",
    truth_beside: bool = True,
) -> Truth:
    """Writes the capture of one of `UPDATE_SCENARIOS` (pcap if the path says so, else pcapng), and what is true of it.

    The truth goes to `PATH.json`. `size`: octets of the images, about. `FaultError` if a fault is none, or can strike
    no device of the scenario; `ValueError` if the size or the activation is none.
    """
    truth = play(UPDATE_SCENARIOS[name], path, seed=seed, faults=faults, size=size, activation=activation)
    if truth_beside:
        truth.write(Path(f"{path}.json"))
    return truth


def play(
    scenario: UpdateScenario,
    path: Path | str,
    *,
    seed: int = 0,
    faults: Sequence[str] = (),
    size: int = DEFAULT_SIZE,
    activation: Activation = "immediate",
    noise: Noise = NOISE,
    story: Callable[[Air], None] | None = None,
) -> Truth:
    """Writes the capture of a scenario, also of one that is not in the list; errors as `update`.

    `noise`: how good air and sniffer are; `story`: sends what else there is to send.
    """
    given = parse_faults(faults, scenario.roles)
    _check(scenario, given, size, an_activation(activation))
    rng = np.random.default_rng([seed, 11])
    han = _han(scenario, rng, given)
    house = House(han, given, seed, lambda house: _courses(scenario, house, size, activation))
    whole = Scenario(
        name=scenario.name,
        seed=seed,
        han=han,
        updates=(),
        noise=replace(noise, missed=float(given.anywhere.get("sniffer-loss", 0.0))),
        window_s=0,
        story=story,
        house=house,
        faults=tuple(faults),
    )
    with _writer(Path(path), han) as writer:
        return run(whole, writer)


def an_activation(text: str) -> Activation:
    """`ValueError` if it is none."""
    for one in ACTIVATIONS:
        if one == text:
            return one
    raise ValueError(f"no activation {text!r}; there are: {', '.join(ACTIVATIONS)}")


def _check(scenario: UpdateScenario, given: Faults, size: int, activation: str) -> None:
    if not LEAST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError(f"an image of {size} octets is out of range: {LEAST_SIZE} to {LARGEST_SIZE}")
    if activation != "immediate" and not any(role in _SIGNED for role in scenario.roles):
        raise ValueError(
            f"nobody in {scenario.name} is activated by a command: leave the activation {activation!r} out"
        )
    for fault, value, whose in given.given:
        if fault in _ALONE_ONLY and len(scenario.roles) > 1:
            raise FaultError(f"fault {fault} needs a scenario with one device, not {scenario.name}")
        if scenario.page and fault in _BLOCKS_ONLY:
            raise FaultError(f"fault {fault} is about block requests; {scenario.name} has page requests")
        roles = scenario.roles if whose is None else (whose,)
        if not any(_strikes(fault, value, role) for role in roles):
            raise FaultError(f"fault {fault} cannot strike {' or '.join(sorted(set(roles)))}")


def _strikes(fault: str, value: Value, role: Role) -> bool:
    if fault in _METERS_ONLY or fault in _SIGNED_ONLY or (fault, value) == ("never-activated", "unexecuted"):
        return role in _SIGNED
    if fault in _GB_ONLY:
        return role in _SIGNED or role is Role.PPMID
    return not (fault in _NOT_SLEEPY and _DEVICES[role].sleepy)


def _han(scenario: UpdateScenario, rng: np.random.Generator, faults: Faults) -> Han:
    roles = [Role.HUB, *sorted({*scenario.others} - {*scenario.roles}, key=[*Role].index), *scenario.roles]
    repeater = roles.index(Role.REPEATER) if Role.REPEATER in roles else HUB
    if "two-servers" in faults.anywhere:
        roles.append(Role.SECOND_SERVER)
    low = int(rng.integers(1, 1 << 20)) << 8
    nodes = [
        Node(
            role,
            0x00DE_4D00_0000_0000 | low | place,
            0x0000 if place == HUB else int(rng.integers(0x1000, 0xF000)) & 0xFF00 | place,
            link_key=None if role is Role.HUB else rng.bytes(16),
            extended_nonce=bool(place % 2) and role is not Role.GSME,
            sleepy=role in _DEVICES and _DEVICES[role].sleepy,
            parent=repeater if role in scenario.relayed else HUB,
        )
        for place, role in enumerate(roles)
    ]
    return Han(
        tuple(nodes),
        network_key=rng.bytes(16),
        pan_id=int(rng.integers(1, 0xFFFE)),
        extended_pan_id=nodes[HUB].eui64,
        channel=0 if scenario.sub_ghz else 11 + int(rng.integers(15)),
        page=28 if scenario.sub_ghz else 0,
        later_keys=(rng.bytes(16),) if "key-switch" in faults.anywhere else (),
    )


def _courses(scenario: UpdateScenario, house: House, size: int, activation: Activation) -> list[DeviceCourse]:
    first = len(house.han.nodes) - len(scenario.roles) - (house.han.nodes[-1].role is Role.SECOND_SERVER)
    return [
        DeviceCourse(house, _plan(scenario, house, first + place, size, activation))
        for place in range(len(scenario.roles))
    ]


def _plan(scenario: UpdateScenario, house: House, node: int, size: int, activation: Activation) -> Plan:
    role = house.han.nodes[node].role
    device = _DEVICES[role]
    given = house.faults.of(role)
    faults: dict[str, Value] = {name: value for name, value in given.items() if _strikes(name, value, role)}
    signer = Party.derived(house.seed + ("bad-signature" in faults), SUPPLIER, RemotePartyRole.SUPPLIER)
    version = 0x0102_0000 | device.image_type << 4 | 0x5
    firmware = Firmware(
        manufacturer_code=MANUFACTURER,
        image_type=device.image_type,
        file_version=version,
        size=size + 37 * device.image_type % 400,
        text=f"simulated {role} firmware",
        signed=role in _SIGNED,
        elements=role in _PLAIN,
        seed=house.seed,
        supplier=signer.signing.private_numbers().private_value,
        hardware_versions=(5, 9) if "wrong-hardware" in faults else (0, 0xFFFF),
    )
    habits = Habits(
        block=device.block,
        pace_ns=device.pace_ms * MILLISECOND,
        page=scenario.page * device.block,
        notified=device.notified,
    )
    return Plan(
        node=node,
        firmware=firmware,
        habits=habits,
        start_ns=(2 + 3 * node) * SECOND,
        running=version + 0x100 if "downgrade" in faults else version - 0x4,
        faults=faults,
        activation=activation,
        suspended=scenario.sub_ghz,
        shared=[one.role for one in house.han.nodes[:node]].count(role) if scenario.roles.count(role) > 1 else None,
    )


class _TapWriter:
    """Puts a TAP header with channel and page before every frame."""

    def __init__(self, writer: PcapngWriter | PcapWriter, han: Han) -> None:
        self._writer = writer
        self._han = han

    def write(self, time_ns: Any, buffer: Any, at: Any, length: Any) -> None:
        head = tap_headers(len(length), channel=self._han.channel, page=self._han.page)
        self._writer.write(time_ns, *prefixed(head, buffer, at, length))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def _writer(path: Path, han: Han) -> AbstractContextManager[Writer]:
    """A pcap or pcapng file, by the end of the name; sub-GHz frames with TAP headers."""
    tap = {"link_type": _TAP} if han.page else {}
    if path.suffix == ".pcap":
        plain = PcapWriter(path, **tap)
        return _TapWriter(plain, han) if han.page else plain
    writer = PcapngWriter(path, application="hanscope simulator", comment=_COMMENT)
    band = f"sub-GHz, channel page {han.page}" if han.page else "2.4 GHz"
    writer.interface(name="simulated", description=f"{band}, channel {han.channel}", **tap)
    return _TapWriter(writer, han) if han.page else writer
