"""`hanscope wireshark`: what is written where, and that nothing else is touched."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hanscope import wireshark
from hanscope.wireshark import Folders, InstallError

SAMPLES = Path(__file__).parents[2] / "captures" / "samples"


@pytest.fixture
def where(tmp_path):
    return Folders(tmp_path / "lib" / "plugins", tmp_path / "wireshark", tmp_path / "wireshark" / "extcap", "a test")


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def deeds(steps):
    return {(step.part, step.deed) for step in steps}


def test_install_writes_plugin_profile_and_launcher(where):
    assert deeds(wireshark.install(where)) == {
        ("plugin", "installed"),
        ("profile", "installed"),
        ("extcap", "installed"),
    }
    assert (where.plugins / "hanscope" / "hanscope.lua").is_file()
    assert (where.plugins / "hanscope" / "hanscope_tracker.lua").is_file()
    assert "hanscope.transfer" in (where.configuration / "profiles" / "hanscope" / "preferences").read_text()
    launcher = where.extcap / "hanscope-extcap"
    assert launcher.stat().st_mode & 0o111
    assert launcher.read_text().startswith("#!/bin/sh\n")


def test_installing_again_changes_nothing(where, tmp_path):
    list(wireshark.install(where))
    before = everything(tmp_path)
    assert {step.deed for step in wireshark.install(where)} == {"unchanged"}
    assert everything(tmp_path) == before


def test_uninstall_leaves_what_was_there_before(where, tmp_path):
    other = where.plugins / "other.lua"
    other.parent.mkdir(parents=True)
    other.write_text("-- somebody's\n")
    (where.plugins / "hanscope").mkdir()
    (where.plugins / "hanscope" / "notes.txt").write_text("mine")
    before = everything(tmp_path)
    list(wireshark.install(where))
    assert everything(tmp_path) != before
    assert {step.deed for step in wireshark.uninstall(where)} == {"removed"}
    assert everything(tmp_path) == before


def test_a_changed_profile_is_kept_and_a_changed_plugin_is_renewed(where):
    list(wireshark.install(where))
    colours = where.configuration / "profiles" / "hanscope" / "colorfilters"
    colours.write_text("# my own\n")
    plugin = where.plugins / "hanscope" / "hanscope.lua"
    plugin.write_text("-- old\n")
    stale = where.plugins / "hanscope" / "hanscope_old.lua"
    stale.write_text("-- of an earlier version\n")
    found = {step.path: step.deed for step in wireshark.install(where)}
    assert (found[colours], found[plugin], found[stale]) == ("kept", "updated", "removed")
    assert colours.read_text() == "# my own\n"
    assert {step.path: step.deed for step in wireshark.uninstall(where)}[colours] == "kept"
    assert colours.read_text() == "# my own\n"


def test_status_tells_and_touches_nothing(where, tmp_path):
    assert {step.deed for step in wireshark.status(where)} == {"absent"}
    assert everything(tmp_path) == {}
    list(wireshark.install(where))
    (where.extcap / "hanscope-extcap").write_text("#!/bin/sh\n")
    assert deeds(wireshark.status(where)) == {("plugin", "installed"), ("profile", "installed"), ("extcap", "differs")}


def test_a_folder_that_cannot_be_written_is_one_line(where):
    where.plugins.parent.mkdir(parents=True)
    where.plugins.write_text("a file where a folder should be")
    with pytest.raises(InstallError, match="cannot be written"):
        list(wireshark.install(where))


def test_the_launcher_of_windows(where):
    launcher = next(item for item in wireshark.items(where, windows=True) if item.part == "extcap")
    assert launcher.target.name == "hanscope-extcap.bat"
    assert b"-P -m hanscope extcap %*" in launcher.octets
    assert not launcher.executable


@pytest.mark.parametrize(
    ("platform", "environment", "plugins", "configuration"),
    [
        ("linux", {}, ".local/lib/wireshark/plugins", ".config/wireshark"),
        ("darwin", {}, ".local/lib/wireshark/plugins", ".config/wireshark"),
        ("linux", {"XDG_CONFIG_HOME": "/xdg"}, ".local/lib/wireshark/plugins", "/xdg/wireshark"),
        ("linux", {"WIRESHARK_CONFIG_DIR": "/own"}, ".local/lib/wireshark/plugins", "/own"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming/Wireshark/plugins", "/roaming/Wireshark"),
    ],
)
def test_usual_folders(platform, environment, plugins, configuration, tmp_path):
    found = wireshark._usual_folders(platform, environment, tmp_path)
    assert found.plugins == tmp_path / plugins
    assert found.configuration == tmp_path / configuration
    assert found.extcap == found.configuration / "extcap"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed (apt install tshark)")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(tmp_path / "configuration"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return wireshark.folders()


def test_tshark_tells_the_folders_and_finds_what_is_installed(installed, tmp_path):
    assert installed.configuration == tmp_path / "configuration"
    assert installed.plugins.is_relative_to(tmp_path)
    list(wireshark.install(installed))
    plugins = subprocess.run(["tshark", "-G", "plugins"], capture_output=True, text=True, check=True)
    assert "hanscope.lua" in plugins.stdout
    assert "Error" not in plugins.stderr
    fields = ["-T", "fields", "-e", "frame.number", "-e", "hanscope.rule"]
    done = subprocess.run(
        ["tshark", "-r", SAMPLES / "demo.pcapng", "-C", "hanscope", "-c", "3", *fields],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "2", "3"]


def test_every_filter_of_the_profile_is_understood(installed):
    list(wireshark.install(installed))
    profile = installed.configuration / "profiles" / "hanscope"
    lines = (profile / "dfilter_buttons").read_text().splitlines()[1:]
    filters = [line.split('","')[2] for line in lines]
    filters += [line.split("@")[2] for line in (profile / "colorfilters").read_text().splitlines()[1:]]
    assert len(filters) > 15
    for one in filters:
        subprocess.run(["tshark", "-r", SAMPLES / "demo.pcapng", "-c", "1", "-Y", one], capture_output=True, check=True)


def test_command_names_profile_and_plugin_only_where_they_are(where, monkeypatch):
    monkeypatch.setattr(wireshark, "program", lambda name: f"/usr/bin/{name}")
    words = wireshark.command(Path("x.pcap"), ["-o", "a:b"], "zbee_zcl", where)
    assert words[:7] == ["/usr/bin/wireshark", "-r", "x.pcap", "-o", "a:b", "-Y", "zbee_zcl"]
    assert words[7:] == ["-X", f"lua_script:{wireshark.plugin_script()}"]
    list(wireshark.install(where))
    assert wireshark.command(Path("x.pcap"), [], "", where) == ["/usr/bin/wireshark", "-r", "x.pcap", "-C", "hanscope"]
    monkeypatch.setattr(wireshark, "program", lambda name: None)  # noqa: ARG005 - as the original
    with pytest.raises(InstallError, match="not installed"):
        wireshark.command(Path("x.pcap"), [], "", where)
