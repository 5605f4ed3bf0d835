"""Puts our plugin, profile and extcap launcher into Wireshark's personal folders, and takes them away again.

Which folders these are `tshark -G folders` tells; without tshark they are where Wireshark's User's Guide says (appendix
B.5). Nothing else is touched: files that somebody changed in the profile stay, and folders go only when they are empty.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal, NamedTuple

ANSWER_S: Final = 20.0
"""How long tshark may take to answer; the first start on a machine is slow."""
PACKAGE: Final = "hanscope.wireshark_plugin"
PROFILE: Final = "hanscope"
PERMISSION: Final = "run_user_scripts_when_superuser = true"
"""What Wireshark wants to read in init.lua before it runs scripts as root; 4.0 comes with such a file, 4.4 does not."""
MOVED: Final = (4, 2)
"""The version in which the personal extcap folder left that of the settings, but on Windows (its release notes)."""
Part = Literal["plugin", "profile", "extcap"]
Deed = Literal["installed", "updated", "unchanged", "kept", "removed", "absent", "differs"]


class Folders(NamedTuple):
    """Wireshark's personal folders."""

    plugins: Path
    configuration: Path
    extcap: Path
    told_by: str
    """Who said so."""
    shared_plugins: Path | None = None
    """Where Lua plugins of all users are, if that was told."""


class Item(NamedTuple):
    """A file of ours, and where it belongs."""

    part: Part
    target: Path
    octets: bytes
    executable: bool


class Step(NamedTuple):
    """What became of a file."""

    part: Part
    path: Path
    deed: Deed
    why: str = ""


class InstallError(Exception):
    """Something could not be written; one line that says what, where and how to mend it."""


def program(name: str) -> str | None:
    """Where `wireshark` or `tshark` is."""
    if found := shutil.which(name):
        return found
    candidates = [
        Path("/Applications/Wireshark.app/Contents/MacOS") / ("Wireshark" if name == "wireshark" else name),
        *(
            Path(os.environ[root]) / "Wireshark" / f"{name}.exe"
            for root in ("ProgramFiles", "ProgramFiles(x86)")
            if root in os.environ
        ),
    ]
    return next((str(path) for path in candidates if path.is_file()), None)


def folders() -> Folders:
    """Wireshark's personal folders on this machine, for this user."""
    tshark = program("tshark")
    told = _told_folders(tshark) if tshark else {}
    if "Personal configuration" not in told:
        return _usual_folders(sys.platform, os.environ, Path.home(), _version())
    configuration = told["Personal configuration"]
    return Folders(
        plugins=told.get("Personal Lua Plugins", told.get("Personal Plugins", configuration / "plugins")),
        configuration=configuration,
        extcap=told.get("Personal Extcap path", configuration / "extcap"),  # up to 4.0 it is not told
        told_by=f"{tshark} -G folders",
        shared_plugins=told.get("Global Lua Plugins"),
    )


def _version() -> tuple[int, ...]:
    """Wireshark's, for those who have no tshark beside it; where that does not answer either, a new one."""
    wireshark = None if sys.platform == "win32" else program("wireshark")
    found = re.search(r"(\d+)\.(\d+)", (answer(wireshark, "--version") or "") if wireshark else "")
    return tuple(map(int, found.groups())) if found else MOVED


def _usual_folders(platform: str, environment: Mapping[str, str], home: Path, version: tuple[int, ...]) -> Folders:
    """Where the folders are when nothing else is said."""
    told_by = "usual places of this system"
    if platform == "win32":
        roaming = environment.get("APPDATA")
        base = (Path(roaming) if roaming else home / "AppData" / "Roaming") / "Wireshark"
        base = Path(environment.get("WIRESHARK_CONFIG_DIR", base))
        return Folders(base / "plugins", base, base / "extcap", told_by)
    settings = Path(environment.get("XDG_CONFIG_HOME", home / ".config")) / "wireshark"
    if not settings.is_dir() and (home / ".wireshark").is_dir():
        settings = home / ".wireshark"  # from before Wireshark kept to the XDG folders
    settings = Path(environment.get("WIRESHARK_CONFIG_DIR", settings))
    programs = home / ".local" / "lib" / "wireshark"
    return Folders(programs / "plugins", settings, (settings if version < MOVED else programs) / "extcap", told_by)


def _told_folders(tshark: str) -> dict[str, Path]:
    """What tshark says about its folders; nothing if it does not answer."""
    lines = (line.partition(":") for line in (answer(tshark, "-G", "folders") or "").splitlines())
    return {name.strip(): Path(path.strip()) for name, _, path in lines if path.strip()}


def answer(*command: str) -> str | None:
    """What Wireshark's programs print; `None` if they fail or keep silent."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=ANSWER_S, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - the path is from `program`
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def plugin_script() -> Path:
    """The plugin as it lies in the package, for Wireshark's `-X lua_script:`."""
    return Path(str(files(PACKAGE) / "hanscope" / "hanscope.lua"))


def items(where: Folders, *, windows: bool = sys.platform == "win32") -> list[Item]:
    """Everything that belongs into the folders."""
    package = files(PACKAGE)
    plugin = [
        Item("plugin", where.plugins / "hanscope" / file.name, file.read_bytes(), executable=False)
        for file in _files_of(package / "hanscope", ".lua")
    ]
    profile = [
        Item("profile", where.configuration / "profiles" / PROFILE / file.name, file.read_bytes(), executable=False)
        for file in _files_of(package / "profile", "")
    ]
    name = "hanscope-extcap.bat" if windows else "hanscope-extcap"
    launcher = (package / "extcap" / name).read_text("utf-8")
    octets = _with_command(launcher, sys.executable, windows=windows).encode()
    return [*plugin, *profile, Item("extcap", where.extcap / name, octets, executable=not windows)]


def _files_of(folder: Traversable, ending: str) -> list[Traversable]:
    found = (file for file in folder.iterdir() if file.is_file() and file.name.endswith(ending))
    return sorted((file for file in found if not file.name.startswith(("_", "."))), key=lambda file: file.name)


def _with_command(launcher: str, python: str, *, windows: bool) -> str:
    """The launcher with the command of this installation: Wireshark's search path may lack it."""
    lines: list[str] = []
    for line in launcher.splitlines():
        if line in {'HANSCOPE="hanscope"', "set HANSCOPE=hanscope"}:
            continue
        if windows and line.startswith("%HANSCOPE%"):
            lines.append(f'"{python}" -P -m hanscope extcap %*')
        elif line.startswith("exec $HANSCOPE"):
            quoted = python.replace("'", "'\\''")
            lines.append(f"exec '{quoted}' -P -m hanscope extcap \"$@\"")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def install(where: Folders) -> Iterator[Step]:
    """Writes what is not there yet, or is of another version. What somebody changed in the profile stays."""
    wanted = items(where)
    yield from _remove_stale(where, {item.target for item in wanted})
    for item in wanted:
        try:
            yield _install(item)
        except OSError as error:
            raise InstallError(f"{item.target}: cannot be written: {error.strerror or error}") from error


def _install(item: Item) -> Step:
    there = item.target.is_file()
    if there and item.target.read_bytes() == item.octets:
        return Step(item.part, item.target, "unchanged")
    if there and item.part == "profile":
        return Step(item.part, item.target, "kept", "it was changed; delete it to get ours")
    item.target.parent.mkdir(parents=True, exist_ok=True)
    item.target.write_bytes(item.octets)
    if item.executable:
        item.target.chmod(0o755)
    return Step(item.part, item.target, "updated" if there else "installed")


def _remove_stale(where: Folders, wanted: set[Path]) -> Iterator[Step]:
    """Modules of an earlier version of the plugin."""
    for path in sorted((where.plugins / "hanscope").glob("hanscope*.lua")):
        if path not in wanted:
            path.unlink()
            yield Step("plugin", path, "removed", "of an earlier version")


def uninstall(where: Folders) -> Iterator[Step]:
    """Removes what `install` wrote, and folders of ours that are empty then."""
    wanted = items(where)
    yield from _remove_stale(where, {item.target for item in wanted})
    for item in wanted:
        try:
            yield _uninstall(item)
        except OSError as error:
            raise InstallError(f"{item.target}: cannot be removed: {error.strerror or error}") from error
    for folder in (where.plugins / "hanscope", where.configuration / "profiles" / PROFILE):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _uninstall(item: Item) -> Step:
    if not item.target.is_file():
        return Step(item.part, item.target, "absent")
    if item.part == "profile" and item.target.read_bytes() != item.octets:
        return Step(item.part, item.target, "kept", "it was changed")
    item.target.unlink()
    return Step(item.part, item.target, "removed")


def status(where: Folders) -> Iterator[Step]:
    """What is there; changes nothing."""
    for item in items(where):
        if not item.target.is_file():
            yield Step(item.part, item.target, "absent")
        elif item.target.read_bytes() == item.octets:
            yield Step(item.part, item.target, "installed")
        else:
            yield Step(item.part, item.target, "differs", "changed, or of another version")


def obstacle(where: Folders) -> str | None:
    """Why Wireshark does not run the plugin although it is installed; `None` if it does, or if that cannot be asked."""
    tshark = program("tshark")
    if tshark is None or not is_installed(where, "plugin"):
        return None
    listed = answer(tshark, "-G", "plugins")
    if listed is None or plugin_script().name in listed:
        return None
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        init = f"{where.shared_plugins or 'its global Lua plugins folder'}{os.sep}init.lua"
        return f"Wireshark runs no scripts for root: use another user, or write {PERMISSION} into {init}"
    return f'{tshark} does not run it: its --version should say "with Lua"'


def is_installed(where: Folders, part: Part) -> bool:
    """Whether all files of a part are there, of whatever version."""
    return all(item.target.is_file() for item in items(where) if item.part == part)


def command(capture: Path, options: list[str], display_filter: str, where: Folders) -> list[str]:
    """What starts Wireshark with a capture, keys and a filter. Raises `InstallError` when there is no Wireshark."""
    wireshark = program("wireshark")
    if wireshark is None:
        raise InstallError("Wireshark is not installed: apt install wireshark, brew install --cask wireshark")
    words = [wireshark, "-r", str(capture), *options]
    if display_filter:
        words += ["-Y", display_filter]
    if is_installed(where, "profile"):
        words += ["-C", PROFILE]
    if not is_installed(where, "plugin"):
        words += ["-X", f"lua_script:{plugin_script()}"]
    return words
