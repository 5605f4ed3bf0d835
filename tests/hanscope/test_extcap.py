"""`hanscope extcap` as Wireshark uses it: tshark lists our sniffers and captures from an emulated one."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import sniffer_emulators as emulators
from live_play import scenario
from oracles import tshark
from sniffer_emulators import Pty
from typer.testing import CliRunner

from hanscope.captures.files import open_capture
from hanscope.cli import app
from hanscope.wireshark import folders, install

LAUNCHER = Path(__file__).parents[2] / "wireshark_plugin" / "extcap" / "hanscope-extcap"
INTERFACE = "hanscope-nrf52840"
OPTION = "extcap.hanscope_nrf52840"


def asked(*words: str) -> list[str]:
    done = CliRunner().invoke(app, ["extcap", *words])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.fixture(scope="module")
def wireshark(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who installed our launcher: where to, depends on the version of Wireshark."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        patch.delenv("WIRESHARK_CONFIG_DIR", raising=False)
        where = folders()
        assert where.extcap.is_relative_to(home)
        assert {step.deed for step in install(where)} == {"installed"}
        return dict(os.environ)


def run(wireshark: dict[str, str], *words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["tshark", *map(str, words)], env=wireshark, capture_output=True, text=True, check=False, timeout=60
    )


def test_launcher_is_executable() -> None:
    assert os.access(LAUNCHER, os.X_OK)


def test_interfaces_are_answered_quickly() -> None:
    begun = time.monotonic()
    lines = asked("--extcap-interfaces", "--extcap-version=4.0")
    assert time.monotonic() - begun < 1
    assert lines[0].startswith("extcap {version=")
    values = [line.split("{value=")[1].split("}")[0] for line in lines[1:]]
    assert {f"hanscope-{model}" for model in ("cc2531", "nrf52840", "packet-sniffer-2", "zep")} <= set(values)
    assert len(values) == len(set(values))
    assert not any(" " in value for value in values)


def test_link_type_is_tap() -> None:
    (line,) = asked("--extcap-dlts", "--extcap-interface", INTERFACE)
    assert line.startswith("dlt {number=283}{name=IEEE802_15_4_TAP}")


def test_options_number_their_arguments_and_have_a_default_channel() -> None:
    lines = asked("--extcap-config", "--extcap-interface", "hanscope-packet-sniffer-2", "--extcap-future-word", "x")
    arguments = [line for line in lines if line.startswith("arg ")]
    assert [line.split("{number=")[1].split("}")[0] for line in arguments] == [str(n) for n in range(len(arguments))]
    assert "{call=--channel}" in arguments[0]
    assert "{default=11}" in arguments[0]
    assert "value {arg=0}{value=28/0}{display=28/0 (863.25 MHz)}" in lines
    calls = [line.split("{call=")[1].split("}")[0] for line in arguments]
    assert calls == ["--channel", "--port", "--phy", "--key", "--keys"]


def test_tshark_lists_our_interfaces(wireshark: dict[str, str]) -> None:
    listed = run(wireshark, "-D").stdout
    assert "hanscope-cc2531 (hanscope: TI CC2531 dongle" in listed
    assert "hanscope-nrf52840 (hanscope: nRF52840" in listed


def test_tshark_captures_from_a_sniffer_and_decodes(wireshark: dict[str, str], tmp_path: Path) -> None:
    frames, keys = scenario()
    network = next(key for key in keys.keys if key.kind == "network")
    path = tmp_path / "out.pcapng"
    with Pty(emulators.NrfDevice(frames)) as port:
        options = {"port": port.path, "channel": "20", "key": network.octets.hex()}
        words = [word for name, value in options.items() for word in ("-o", f"{OPTION}.{name}:{value}")]
        done = run(wireshark, "-i", INTERFACE, *words, "-a", "duration:5", "-w", path)
        assert f"{len(frames)} packets captured" in done.stderr
        assert port.device.channel == 20
        end = time.monotonic() + 5
        while port.device.listening and time.monotonic() < end:
            time.sleep(0.05)
        assert not port.device.listening, "the sniffer was told to sleep when tshark had enough"
    told = tshark("-r", path, "-T", "fields", "-e", "wpan-tap.ch_num", "-e", "wpan.fcs_ok", "-e", "zbee_nwk.src")
    assert len(told) == len(frames)
    assert {tuple(line[:2]) for line in told} == {("20", "1")}
    assert any(line[2] for line in told)
    with open_capture(path) as capture:
        assert sum(len(records) for records in capture) == len(frames)
        assert [secret.key for secret in capture.secrets] == [network.octets] * 2, "as network and as link key"


@pytest.mark.parametrize("port", ["/dev/hanscope-has-none", ""])
def test_device_error_ends_tshark_with_our_sentence(wireshark: dict[str, str], port: str, tmp_path: Path) -> None:
    words = ["-o", f"{OPTION}.port:{port}"] if port else []
    done = run(wireshark, "-i", INTERFACE, *words, "-a", "duration:20", "-w", tmp_path / "out.pcapng")
    assert ("there is no such port" if port else "no nrf52840 is plugged in") in done.stderr


def test_keys_of_both_kinds_go_into_the_capture(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    fifo.write_bytes(b"")
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[network]]\nkey = "{"11" * 16}"\npan_id = 0x1a2b\n[[link]]\nkey = "{"22" * 16}"\n')
    words = ["--fifo", str(fifo), "--port", "/dev/hanscope-has-none", "--key", "33" * 16, "--keys", str(keys)]
    done = CliRunner().invoke(app, ["extcap", "--capture", "--extcap-interface", INTERFACE, *words])
    assert (done.exit_code, "there is no such port" in done.output) == (3, True)
    with open_capture(fifo) as capture:
        assert list(capture) == []
        told = [(one.kind, one.key[0], one.pan_id, one.devices) for one in capture.secrets]
    any_pan, any_pair = 0xFFFF, (0xFFFF, 0xFFFF)
    assert told == [
        ("nwk", 0x11, 0x1A2B, ()),
        ("nwk", 0x33, any_pan, ()),
        ("aps", 0x22, any_pan, any_pair),
        ("aps", 0x33, any_pan, any_pair),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--phy", "x"), "--phy x: this is no number"),
        (("--channel", "99"), "there is no channel 99"),
        (("--key", "xyz"), "--key"),
        (("--keys", "/hanscope/has/none"), "/hanscope/has/none"),
        (("--port", "/dev/hanscope-has-none", "--channel"), "there is no such port"),
    ],
)
def test_every_error_comes_after_the_header(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    """tshark waits without end for a program that ends before it wrote one."""
    fifo = tmp_path / "fifo"
    fifo.write_bytes(b"")
    first = ["extcap", "--capture", "--extcap-interface", "hanscope-packet-sniffer-2", "--fifo", str(fifo)]
    done = CliRunner().invoke(app, [*first, *words])
    assert done.exit_code in (2, 3)
    assert (told in done.output, done.output.count("\n")) == (True, 1), done.output
    assert fifo.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_pipe_that_is_not_there_is_one_line() -> None:
    words = ["extcap", "--capture", "--extcap-interface", INTERFACE, "--fifo", "/hanscope/has/none"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.output.count("\n"), "defect" in done.output) == (2, 1, False)


def test_interface_that_is_gone(wireshark: dict[str, str], tmp_path: Path) -> None:
    assert wireshark
    fifo = tmp_path / "fifo"
    fifo.write_bytes(b"")
    words = ["extcap", "--capture", "--extcap-interface", "hanscope-cc2531-9-9", "--fifo", str(fifo)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 3
    assert "it is not there" in done.output
    assert fifo.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
