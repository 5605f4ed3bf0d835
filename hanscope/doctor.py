"""What this machine can do: each thing hanscope uses, whether it is there, and how to mend it if not."""

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hanscope import wireshark

MINIMUM_PYTHON: Final = (3, 11)
UDEV_FILE: Final = "/etc/udev/rules.d/70-hanscope.rules"
UDEV_RELOAD: Final = "sudo udevadm control --reload && sudo udevadm trigger"
PORTS_SHOWN: Final = 16


class Finding(NamedTuple):
    """One line of the examination."""

    well: bool
    text: str


def examine() -> Iterator[Finding]:
    """Looks at everything, the most needed first; finds out, changes nothing."""
    yield _python()
    yield from _packages()
    yield _cores()
    yield _cache()
    yield from _tshark()
    yield from _sniffers()


def _python() -> Finding:
    told = f"Python {platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < MINIMUM_PYTHON:
        return Finding(well=False, text=f"{told} is too old: install Python 3.11 or newer")
    return Finding(well=True, text=told)


def _packages() -> Iterator[Finding]:
    """The packages that hanscope's own metadata name."""
    for requirement in importlib.metadata.requires("hanscope") or ():
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
        try:
            yield Finding(well=True, text=f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding(well=False, text=f"{name} is missing: pip install '{requirement}'")


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding(well=True, text=f"{cores} processor core{'' if cores == 1 else 's'} (--processes N uses fewer)")


def _cache() -> Finding:
    import platformdirs  # noqa: PLC0415 - only this command needs it

    folder = Path(platformdirs.user_cache_dir("hanscope"))
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Finding(well=True, text=f"cache folder {folder}")
    except OSError as error:
        mend = "hanscope works, but starts slower; make it writable or set XDG_CACHE_HOME"
        return Finding(well=False, text=f"cache folder {folder} cannot be written ({error.strerror}): {mend}")


def _tshark() -> Iterator[Finding]:
    """Analyzing does without tshark: it is the second opinion, and Wireshark's folders take our plugin."""
    tshark = wireshark.program("tshark")
    if tshark is None:
        yield Finding(
            well=False,
            text="tshark is missing (only comparisons need it): apt install tshark, or brew install wireshark",
        )
        return
    version = wireshark.answer(tshark, "--version")
    if version is None:
        yield Finding(well=False, text=f"tshark ({tshark}) does not run: reinstall Wireshark")
        return
    first = version.splitlines()[0] if version else ""
    number = re.search(r"\d+\.\d+\.\d+", first)
    yield Finding(well=True, text=f"tshark {number[0] if number else first} ({tshark})")
    where = wireshark.folders()
    for name, path in (("Lua plugins", where.plugins), ("extcap", where.extcap)):
        there = "" if path.is_dir() else " (not there yet)"
        yield Finding(well=True, text=f"Wireshark's personal {name} folder {path}{there}")
    if (why := wireshark.obstacle(where)) is not None:
        yield Finding(well=False, text=f"Wireshark's plugin is installed, but {why}")


def _sniffers() -> Iterator[Finding]:
    """Sniffers that are plugged in, and whether they may be used."""
    from hanscope.captures.sniffers import cc2531, nrf52840  # noqa: PLC0415 - only this command needs them
    from hanscope.captures.sniffers.line import serial_ports  # noqa: PLC0415 - likewise

    dongles = cc2531.dongle_nodes()
    if dongles is None:
        mend = "apt install libusb-1.0-0, or brew install libusb"
        yield Finding(well=False, text=f"libusb is missing (only the CC2531 needs it): {mend}")
    found = [("CC2531", f"at {place}", "cc2531", node) for place, node in dongles or ()]
    found += [
        ("nRF52840", f"at {port.device}", "nrf52840", port.device)
        for port in serial_ports()
        if (port.vid, port.pid) in nrf52840.Nrf52840.usb
    ]
    for name, where, model, node in found:
        if Path(node).exists() and not os.access(node, os.R_OK | os.W_OK):
            yield Finding(well=False, text=f"{name} {where}: no permission to use it; add its udev rule (below)")
        else:
            yield Finding(well=True, text=f"{name} {where}: hanscope sniff {model}")
    others = [port for port in serial_ports() if (port.vid, port.pid) not in nrf52840.Nrf52840.usb]
    for port in others[:PORTS_SHOWN]:
        yield Finding(well=True, text=f"serial port {port.device} ({port.description})")
    if not found:
        yield Finding(well=True, text="no CC2531 or nRF52840 sniffer is plugged in")


def udev_rules() -> list[str]:
    """The lines of `UDEV_FILE` that let everybody who sits at this machine use sniffers; none but on Linux."""
    from hanscope.captures.sniffers import cc2531, nrf52840  # noqa: PLC0415 - only this command needs them

    return [cc2531.UDEV_RULE, nrf52840.UDEV_RULE] if sys.platform == "linux" else []
