import subprocess
from types import SimpleNamespace

from typer.testing import CliRunner

from hanscope import doctor
from hanscope.cli import app


def texts(*, well):
    return [finding.text for finding in doctor.examine() if finding.well is well]


def test_the_packages_of_the_metadata_are_named_with_their_versions():
    import scapy  # noqa: PLC0415 - only its version

    assert f"scapy {scapy.__version__}" in texts(well=True)
    assert any(text.startswith("rich ") for text in texts(well=True))
    assert not any(text.startswith("pytest ") for text in texts(well=True))


def test_a_missing_package_comes_with_how_to_mend_it(monkeypatch):
    monkeypatch.setattr("importlib.metadata.requires", lambda _name: ["no-such-package>=1,<2", 'x>=1; extra == "dev"'])
    assert "no-such-package is missing: pip install 'no-such-package>=1,<2'" in texts(well=False)


def test_a_missing_tshark_comes_with_how_to_mend_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    (text,) = [text for text in texts(well=False) if text.startswith("tshark")]
    assert "apt install tshark" in text


def test_a_tshark_that_does_not_answer_is_told(monkeypatch):
    def hangs(*args, **options):
        raise subprocess.TimeoutExpired("tshark", 1)

    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/tshark")
    monkeypatch.setattr("subprocess.run", hangs)
    assert "tshark (/usr/bin/tshark) does not run: reinstall Wireshark" in texts(well=False)


def test_a_cache_folder_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _name: str(tmp_path / "cache"))
    assert any("cannot be written" in text and "XDG_CACHE_HOME" in text for text in texts(well=False))


def test_looking_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _name: str(tmp_path / "not" / "yet"))
    assert any(str(tmp_path / "not" / "yet") in text for text in texts(well=True))
    assert list(tmp_path.iterdir()) == []


def test_udev_rules_are_printed_as_lines_to_be_copied(monkeypatch):
    monkeypatch.setattr("hanscope.doctor.examine", lambda: iter(()))
    monkeypatch.setattr("sys.platform", "linux")
    told = CliRunner().invoke(app, ["doctor"]).output.splitlines()
    (dongle,) = [line.strip() for line in told if "0451" in line]
    assert dongle == (
        'SUBSYSTEM=="usb", ATTR{idVendor}=="0451", ATTR{idProduct}=="16ae", MODE="0660", GROUP="plugdev", '
        'TAG+="uaccess"'
    )
    (kit,) = [line.strip() for line in told if "1915" in line]
    assert kit == (
        'SUBSYSTEM=="tty", ATTRS{idVendor}=="1915", ATTRS{idProduct}=="154[ab]", MODE="0660", GROUP="dialout", '
        'TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"'
    )
    assert any("/etc/udev/rules.d/70-hanscope.rules" in line for line in told)
    assert told[-1].strip() == "sudo udevadm control --reload && sudo udevadm trigger"


def test_sniffers_are_named(monkeypatch):
    port = SimpleNamespace(device="/dev/hanscope-none", vid=0x1915, pid=0x154B, description="nRF 802154 Sniffer")
    other = SimpleNamespace(device="/dev/ttyS7", vid=None, pid=None, description="n/a")
    monkeypatch.setattr("hanscope.captures.sniffers.line.serial_ports", lambda: [port, other])
    monkeypatch.setattr("hanscope.captures.sniffers.cc2531.dongle_nodes", lambda: [("1-2.3", "/dev/hanscope-none")])
    found = texts(well=True)
    assert "nRF52840 at /dev/hanscope-none: hanscope sniff nrf52840" in found
    assert "CC2531 at 1-2.3: hanscope sniff cc2531" in found
    assert "serial port /dev/ttyS7 (n/a)" in found


def test_a_sniffer_that_may_not_be_used_is_told(monkeypatch):
    monkeypatch.setattr("hanscope.captures.sniffers.line.serial_ports", list)
    monkeypatch.setattr("hanscope.captures.sniffers.cc2531.dongle_nodes", lambda: [("1-2", "/dev/null")])
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "CC2531 at 1-2: no permission to use it; add its udev rule (below)" in texts(well=False)


def test_a_missing_libusb_is_told(monkeypatch):
    monkeypatch.setattr("hanscope.captures.sniffers.cc2531.dongle_nodes", lambda: None)
    assert any("libusb is missing" in text for text in texts(well=False))
