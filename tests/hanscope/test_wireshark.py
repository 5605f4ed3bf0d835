"""`hanscope wireshark`: what is written where, and that nothing else is touched."""

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


OLD, NEW = (4, 0), (4, 4)


@pytest.mark.parametrize(
    ("platform", "environment", "version", "plugins", "configuration", "extcap"),
    [
        ("linux", {}, OLD, ".local/lib/wireshark/plugins", ".config/wireshark", ".config/wireshark/extcap"),
        ("linux", {}, NEW, ".local/lib/wireshark/plugins", ".config/wireshark", ".local/lib/wireshark/extcap"),
        ("darwin", {}, NEW, ".local/lib/wireshark/plugins", ".config/wireshark", ".local/lib/wireshark/extcap"),
        (
            "linux",
            {"XDG_CONFIG_HOME": "/x"},
            OLD,
            ".local/lib/wireshark/plugins",
            "/x/wireshark",
            "/x/wireshark/extcap",
        ),
        ("linux", {"WIRESHARK_CONFIG_DIR": "/own"}, OLD, ".local/lib/wireshark/plugins", "/own", "/own/extcap"),
        *(
            ("win32", {"APPDATA": "/r"}, version, "/r/Wireshark/plugins", "/r/Wireshark", "/r/Wireshark/extcap")
            for version in (OLD, NEW)
        ),
    ],
)
def test_usual_folders(platform, environment, version, plugins, configuration, extcap, tmp_path):
    found = wireshark._usual_folders(platform, environment, tmp_path, version)
    assert found[:3] == (tmp_path / plugins, tmp_path / configuration, tmp_path / extcap)


TOLD = """Temp:                	/tmp
Personal configuration:	/home/joe/.config/wireshark
Personal Plugins:    	/home/joe/.local/lib/wireshark/plugins/4.x
Personal Lua Plugins:	/home/joe/.local/lib/wireshark/plugins
Global Lua Plugins:  	/usr/lib/wireshark/plugins
"""
"""As tshark 3.4 to 4.6 answer, but for the line about extcap programs."""


@pytest.mark.parametrize(
    ("line", "extcap"),
    [
        ("Extcap path:         	/usr/lib/wireshark/extcap", "/home/joe/.config/wireshark/extcap"),  # 4.0
        (
            "Personal Extcap path:	/home/joe/.local/lib/wireshark/extcap",
            "/home/joe/.local/lib/wireshark/extcap",
        ),  # 4.4
    ],
)
def test_the_folders_that_tshark_tells(line, extcap, monkeypatch):
    monkeypatch.setattr(wireshark, "program", lambda _name: "/usr/bin/tshark")
    monkeypatch.setattr(wireshark, "answer", lambda *_words: TOLD + line)
    found = wireshark.folders()
    assert found.extcap == Path(extcap)
    assert found.plugins == Path("/home/joe/.local/lib/wireshark/plugins")
    assert found.configuration == Path("/home/joe/.config/wireshark")


@pytest.mark.parametrize(
    ("version", "extcap"),
    [("Wireshark 4.6.9.", ".local/lib/wireshark"), ("Wireshark 3.6.2 (Git)", ".config/wireshark")],
)
def test_without_tshark_the_version_of_wireshark_decides(version, extcap, monkeypatch, tmp_path):
    monkeypatch.setattr(wireshark, "program", lambda name: "/usr/bin/wireshark" if name == "wireshark" else None)
    monkeypatch.setattr(wireshark, "answer", lambda *_words: version)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("WIRESHARK_CONFIG_DIR", raising=False)
    assert wireshark.folders().extcap == tmp_path / extcap / "extcap"


def test_a_plugin_that_wireshark_does_not_run_is_told(where, monkeypatch):
    listed = {"plugins": "hanscope.lua\t0.1.0\tLua script"}
    monkeypatch.setattr(wireshark, "program", lambda _name: "/usr/bin/tshark")
    monkeypatch.setattr(wireshark, "answer", lambda *words: listed[words[-1]])
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert wireshark.obstacle(where) is None, "it is not installed"
    list(wireshark.install(where))
    assert wireshark.obstacle(where) is None
    listed["plugins"] = "sip.so\t1.0\tdissector"
    shared = where._replace(shared_plugins=Path("/usr/lib/wireshark/plugins"))
    told = wireshark.obstacle(shared)
    assert "root" in told
    assert told.endswith(f"{wireshark.PERMISSION} into /usr/lib/wireshark/plugins/init.lua")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "with Lua" in wireshark.obstacle(where)


@pytest.fixture
def installed(lua_in_tshark, tmp_path, monkeypatch):
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
