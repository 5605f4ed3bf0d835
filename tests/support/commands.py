"""Every registered cluster command and every ZDP command, and frames of each with values in all fields."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scapy.fields import ConditionalField, Field, StrLenField
from scapy.packet import Packet

from hanscope.dissectors.codes import Cluster, Profile, ZdpStatus
from hanscope.dissectors.fields import EUI64Field, IntegerField, LayersToEnd, ListOf, Octets, Record, RecordsToEnd
from hanscope.dissectors.layer import IfRoom, Layer, ToEnd
from hanscope.dissectors.zigbee import Aps, Zcl, Zdp, zcl
from hanscope.dissectors.zigbee.clusters.key_establishment import (
    CertificateSuite1,
    CertificateSuite2,
    InitiateKeyEstablishmentRequest,
    InitiateKeyEstablishmentResponse,
)
from hanscope.dissectors.zigbee.zdp import ZDP_COMMANDS, AddressMode, Binding


@dataclass(frozen=True, slots=True)
class Command:
    """A registered command."""

    cluster: int
    identifier: int
    server_to_client: bool
    layer: type[Layer]

    @property
    def title(self) -> str:
        return self.layer.__name__

    def frame(self, body: Packet) -> Packet:
        """An APS frame with the command."""
        aps = Aps(cluster=self.cluster, profile=Profile.SMART_ENERGY, counter=0x55)
        return aps / Zcl(transaction_sequence_number=1) / body


def registered() -> list[Command]:
    """All commands of all clusters but OTA Upgrade, which has tests of its own."""
    return [Command(*command) for command in zcl.registered_commands() if command[0] != Cluster.OTA_UPGRADE]


@dataclass(frozen=True, slots=True)
class ZdpCommand:
    """A command of the device profile."""

    cluster: int
    layer: type[Layer]

    @property
    def title(self) -> str:
        return self.layer.__name__

    def frame(self, body: Packet) -> Packet:
        """An APS frame with the command."""
        aps = Aps(cluster=self.cluster, profile=0, destination_endpoint=0, source_endpoint=0, counter=0x55)
        return aps / Zdp(transaction_sequence_number=1) / body


def zdp_registered() -> list[ZdpCommand]:
    return [ZdpCommand(cluster, layer) for cluster, layer in sorted(ZDP_COMMANDS.items())]


def zdp_bodies(command: ZdpCommand, dice: random.Random) -> Iterator[Layer]:
    """The command when all went well, with two elements in each list, with none, and when it failed."""
    for elements in (2, 0):
        body = filled(command.layer, dice, elements)
        if "associated_device_count" in body.fields:
            body.associated_device_count = elements
        if "status" in body.fields:
            body.status = ZdpStatus.SUCCESS
        yield body
    if "status" in body.fields:
        yield command.layer(status=ZdpStatus.NOT_SUPPORTED)


def number_of(fld: Any, dice: random.Random) -> int:
    """A number that fits into a field."""
    if hasattr(fld, "size"):
        return dice.randrange(1 << fld.size)
    if isinstance(fld, EUI64Field | IntegerField):
        return dice.randrange(1 << 8 * fld.sz)
    _, highest = fld.getfield(Packet(), b"\xff" * fld.sz)
    return dice.randrange(-(1 << 8 * fld.sz - 1), 1 << 8 * fld.sz - 1) if highest < 0 else dice.randrange(highest + 1)


def text_of(dice: random.Random, longest: int = 12) -> bytes:
    return bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz", k=dice.randrange(1, longest)))


def value_of(fld: Any, dice: random.Random, elements: int) -> Any:  # noqa: PLR0911 -- one for each kind of field
    """A value for a field; lists get so many elements."""
    if isinstance(fld, LayersToEnd):
        return [filled(fld.layer, dice, elements) for _ in range(elements)]
    if isinstance(fld, RecordsToEnd):
        return dice.randbytes(8 * elements)
    if isinstance(fld, ListOf):
        return [value_of(fld.field, dice, elements) for _ in range(elements)]
    if isinstance(fld, Record):
        return filled(fld.layer, dice, elements)
    if isinstance(fld, Octets):
        return dice.randbytes(fld.length_from(None))
    if isinstance(fld, StrLenField | ToEnd):
        return text_of(dice)
    assert isinstance(fld, Field)
    return number_of(fld, dice)


def filled(cls: type[Layer], dice: random.Random, elements: int = 2, *, optional: bool = True) -> Layer:
    """A layer with a value in each of its fields that is not derived from the others."""
    values: dict[str, Any] = {}
    for described in cls.fields_desc:
        fld = described.fld if isinstance(described, ConditionalField) else described
        if hasattr(fld, "derive") or (isinstance(described, IfRoom) and not optional):
            continue
        values[fld.name] = value_of(fld, dice, elements)
    if issubclass(cls, Binding):
        values["destination_address_mode"] = dice.choice(list(AddressMode))
    if not optional:
        values = {name: value for name, value in values.items() if f"{name}_length" not in _optional(cls)}
    return cls(**values)


def _optional(cls: type[Layer]) -> set[str]:
    return {described.fld.name for described in cls.fields_desc if isinstance(described, IfRoom)}


def bodies(command: Command, dice: random.Random) -> Iterator[Packet]:
    """The command with everything, with nothing that may be missing, and with empty lists."""
    if command.layer in (InitiateKeyEstablishmentRequest, InitiateKeyEstablishmentResponse):
        for suite, certificate in ((1, CertificateSuite1), (2, CertificateSuite2)):
            initiate = filled(command.layer, dice)
            initiate.suite = suite
            yield initiate / filled(certificate, dice)
        return
    yield filled(command.layer, dice)
    yield filled(command.layer, dice, optional=False)
    yield filled(command.layer, dice, elements=0)


def frames(seed: int = 0) -> list[bytes]:
    """APS frames of every command, in several forms."""
    dice = random.Random(seed)
    return [
        *(bytes(command.frame(body)) for command in registered() for body in bodies(command, dice)),
        *(bytes(command.frame(body)) for command in zdp_registered() for body in zdp_bodies(command, dice)),
    ]
