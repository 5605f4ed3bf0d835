"""What can go wrong in a simulated update, by name.

A fault is written `NAME`, `NAME:PARAMETER`, and in a house with several devices `NAME@ROLE` or `NAME:PARAMETER@ROLE` if
it is to strike only one of them: `lost-blocks:5%`, `server-silent@GSME`, `refused-image:server`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hanscope.captures.simulator.han import Role

Value = float | str | bool
"""A share of 1, a word, or just that the fault is there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, and what it does."""

    name: str
    explanation: str
    share: float | None = None
    """The default of a parameter that is a share."""
    words: tuple[str, ...] = ()
    """What the parameter may be; the first is the default."""
    of_house: bool = False
    """It is nobody's in particular."""


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("lost-blocks", "this share of block requests and responses is lost on the radio; asked again", 0.05),
        Fault(
            "sniffer-loss", "the sniffer does not hear this share of all frames; nobody else notices", 0.05, (), True
        ),
        Fault("corrupt-blocks", "this share of blocks comes again with other octets; the image is refused", 0.03),
        Fault("server-repeats", "this share of block responses is sent twice; harmless", 0.05),
        Fault("server-skips", "this share of requests is first answered with the block after; asked again", 0.05),
        Fault("server-silent", "after this share of the image the server answers no more", 0.6),
        Fault("restart-at-zero", "after this share of the image the device begins again at offset 0", 0.4),
        Fault("reboot-resume", "after this share of the image the device reboots, and goes on where it was", 0.5),
        Fault("client-rebooted", "after this share of the image the device reboots, and asks for no more of it", 0.5),
        Fault("stalled-client", "after this share of the image the device asks for no more of it", 0.5),
        Fault("radio-lost", "after this share of the image the device is out of reach for good", 0.5),
        Fault("discarded-image", "after this share of the image the hub has discarded it and aborts", 0.5),
        Fault("wrong-key", "after this share of the image the device secures with another link key", 0.5),
        Fault("key-switch", "after this share of the image the network key is renewed; harmless", 0.5),
        Fault(
            "two-servers", "after this share of the image the rest comes from a second server, of another build", 0.5
        ),
        Fault(
            "file-at-fault", "at this share of the image the hub cannot read its file; every device gives up there", 0.5
        ),
        Fault(
            "rate-limit-ignored",
            "the device asks faster than the server allows; `abort`: until the server aborts",
            words=("slow", "abort"),
        ),
        Fault(
            "refused-image", "the device does not want the offer; `server`: there is none", words=("client", "server")
        ),
        Fault("wrong-hardware", "the image is for other hardware; the device finds out in its header"),
        Fault("bad-signature", "somebody else than the supplier signed the image; the device refuses it"),
        Fault("good-rejected", "the device refuses an image that is good"),
        Fault("downgrade", "the image is older than what runs; the device takes it"),
        Fault("wrong-hash", "the activation command orders another hash"),
        Fault("early-activation", "the activation command comes after this share of the image", 0.5),
        Fault("activation-refused", "the device cannot activate the image"),
        Fault(
            "never-activated",
            "nobody orders the activation; `unexecuted`: nothing comes of a future dated order",
            words=("unordered", "unexecuted"),
        ),
        Fault("version-unchanged", "after the activation the old version still runs"),
        Fault("replayed-frames", "somebody sends this share of the hub's frames again, seconds later", 0.02, (), True),
        Fault("cut-short", "the capture ends when this share of the first image has been sent", 0.5),
    )
}


class FaultError(ValueError):
    """A fault that there is not, or with a parameter that it does not take; says what there is."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Those of one run."""

    given: tuple[tuple[str, Value, Role | None], ...] = ()

    def of(self, role: Role) -> dict[str, Value]:
        """Those that strike a device of this role."""
        return {name: value for name, value, whose in self.given if whose in (None, role)}

    @property
    def anywhere(self) -> Mapping[str, Value]:
        return {name: value for name, value, _ in self.given}


def parse_faults(texts: Iterable[str], roles: Iterable[Role]) -> Faults:
    """The faults as people write them, for a house with devices of these roles. Raises `FaultError`."""
    known = {role.name.lower(): role for role in roles}
    given = tuple(_parse(text, known) for text in texts)
    places = [(name, whose) for name, _, whose in given]
    for name, whose in places:
        if places.count((name, whose)) > 1:
            raise FaultError(f"fault {name}: given twice{f' for {whose}' if whose else ''}; say it once")
    return Faults(given)


def _parse(text: str, roles: Mapping[str, Role]) -> tuple[str, Value, Role | None]:
    rest, at, whose = text.partition("@")
    name, colon, parameter = rest.partition(":")
    fault = FAULTS.get(name)
    if fault is None:
        raise FaultError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")
    role = roles.get(whose.lower()) if at else None
    if at and (role is None or fault.of_house):
        why = "it is nobody's in particular" if fault.of_house else f"devices are: {', '.join(roles)}"
        raise FaultError(f"fault {text!r}: no such device; {why}")
    return name, _value(fault, parameter if colon else None), role


def _value(fault: Fault, parameter: str | None) -> Value:
    if fault.words:
        word = fault.words[0] if parameter is None else parameter
        if word not in fault.words:
            raise FaultError(f"fault {fault.name}: {parameter!r} is none of {', '.join(fault.words)}")
        return word
    if fault.share is None:
        if parameter is not None:
            raise FaultError(f"fault {fault.name} takes no parameter, and got {parameter!r}")
        return True
    return fault.share if parameter is None else _share(fault.name, parameter)


def _share(name: str, text: str) -> float:
    percent = text.endswith("%")
    try:
        share = float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise FaultError(f"fault {name}: {text!r} is no share; write it as 5% or 0.05")
    return share
