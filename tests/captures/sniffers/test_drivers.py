"""Sniffers in use: how each begins, plays at full rate, misbehaves and ends. The devices are emulated."""

import errno
import socket
import time
from collections import deque
from collections.abc import Iterator
from functools import partial

import pytest
import sniffer_emulators as emulators
from sniffer_emulators import FakeUsb, OnAir, Pty, back_to_back

from hanscope.captures.batch import Fcs
from hanscope.captures.sniffers.base import Dated, Sniffer, SnifferError, Unplugged
from hanscope.captures.sniffers.catalogue import Wanted, made
from hanscope.captures.sniffers.cc2531 import Cc2531, dongles
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.sniffers.line import Line, SerialSniffer
from hanscope.captures.sniffers.nrf52840 import Nrf52840
from hanscope.captures.sniffers.packet_sniffer2 import PacketSniffer2
from hanscope.captures.sniffers.rcp import Rcp
from hanscope.captures.sniffers.sensniff import Sensniff
from hanscope.captures.sniffers.zboss import Zboss
from hanscope.captures.sniffers.zep import Zep

SECOND = 1_000_000_000
B = bytes.fromhex("030806ffffffff07")
DATA = bytes.fromhex("618801221100000100") + bytes(100)
SOME = [B, DATA, bytes.fromhex("020001"), DATA[:40]] * 50

SERIAL: dict[type[SerialSniffer], type[emulators.Device]] = {
    Nrf52840: emulators.NrfDevice,
    PacketSniffer2: emulators.Ps2Device,
    Rcp: emulators.RcpDevice,
    Sensniff: emulators.SensniffDevice,
    Zboss: emulators.ZbossDevice,
}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Zboss, "settling_s", 0.0)


def gathered(sniffer: Sniffer, count: int) -> Dated:
    """The first so many frames that it gives, in however small pieces a busy machine delivers them."""
    found = Dated()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        dated = sniffer.dated()
        found.times_ns += dated.times_ns
        found.frames += dated.frames
        if len(found.frames) >= count:
            break
    return found


FIFTEEN = Channel(15)


def begun(sniffer: Sniffer, channel: Channel | None = FIFTEEN) -> Sniffer:
    sniffer.begin(channel)
    return sniffer


# CC2531


def test_cc2531_powers_up_tunes_and_starts_in_this_order() -> None:
    usb = FakeUsb()
    sniffer = begun(Cc2531(backend=usb), Channel(20))
    sniffer.close()
    assert usb.requests == [
        (0xC0, 0, b""),
        (0xC5, 4, b""),
        (0xC6, 0, b""),
        (0xC6, 0, b""),
        (0xD2, 0, b"\x14"),
        (0xD2, 1, b"\x00"),
        (0xD0, 0, b""),
        (0xD1, 0, b""),
        (0xC5, 0, b""),
    ]
    assert (usb.channel, sniffer.name, dongles(usb)) == (20, "cc2531 at 1-2.3", ["1-2.3"])


@pytest.mark.parametrize("split", [False, True])
def test_cc2531_times_are_right_to_the_tick_across_two_wraps(*, split: bool) -> None:
    frames = list(back_to_back([DATA, B] * 2 + [DATA] * 72_000))
    usb = FakeUsb(messages=deque(map(emulators.cc2531, frames)), split=split)
    sniffer = begun(Cc2531(backend=usb))
    # the host's clock goes with the device's
    sniffer.monotonic_ns = lambda: frames[min(usb.served, len(frames) - 1)].time_ns
    found = gathered(sniffer, len(frames))
    assert len(found.frames) == len(frames)
    assert all(one.octets == frame.octets for one, frame in zip(found.frames, frames, strict=True))
    ticks = [frame.time_ns * 32 // 1000 for frame in frames]
    assert ticks[-1] > 2 << 32
    assert [at - found.times_ns[0] for at in found.times_ns] == [(tick - ticks[0]) * 1000 // 32 for tick in ticks]
    assert (sniffer.counts.corrupt, sniffer.counts.clock_resets) == (0, 0)


def test_cc2531_counts_corrupt_frames_and_goes_on_after_damage() -> None:
    messages = [emulators.cc2531(OnAir(0, B, intact=False)), b"\x07garbage", emulators.cc2531(OnAir(0, B))]
    sniffer = begun(Cc2531(backend=FakeUsb(messages=deque(messages))))
    assert [one.fcs for one in gathered(sniffer, 2).frames] == [Fcs.INVALID, Fcs.VALID]
    assert sniffer.counts.problems() == ["1 with a wrong FCS", "1 stretches of damaged data"]


@pytest.mark.parametrize(
    ("usb", "what", "remedy"),
    [
        (FakeUsb(plugged=False), "no CC2531 is plugged in", "hanscope doctor"),
        (FakeUsb(product=0x16A8), "not with TI's sniffer firmware", "flash"),
        (FakeUsb(error=errno.EACCES), "no permission", "udev rule"),
        (FakeUsb(error=errno.EBUSY), "something else uses it", "end the other program"),
        (FakeUsb(stalls=True), "does not know TI's sniffer commands", "flash"),
        (FakeUsb(power_polls=100), "does not power up", "unplug"),
    ],
)
def test_cc2531_says_what_is_wrong_and_what_to_do(
    usb: FakeUsb, what: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanscope.captures.sniffers.cc2531._POLL_S", 0)
    with pytest.raises(SnifferError, match=what) as caught:
        Cc2531(backend=usb).begin(Channel(11))
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_cc2531_that_is_unplugged_ends_with_a_sentence() -> None:
    usb = FakeUsb(messages=deque([emulators.cc2531(OnAir(0, B))]), unplug_after=1)
    sniffer = begun(Cc2531(backend=usb))
    with pytest.raises(Unplugged, match="unplugged"):
        gathered(sniffer, 2)
    sniffer.close()


def test_cc2531_that_is_unplugged_has_delivered_all_before() -> None:
    usb = FakeUsb(messages=deque(emulators.cc2531(one) for one in back_to_back(SOME)), unplug_after=len(SOME))
    sniffer = begun(Cc2531(backend=usb))
    assert len(gathered(sniffer, len(SOME)).frames) == len(SOME)
    with pytest.raises(Unplugged):
        sniffer.read()


def test_cc2531_that_cannot_begin_is_let_go() -> None:
    usb = FakeUsb()
    with pytest.raises(SnifferError, match="28/1"):
        Cc2531(backend=usb).begin(Channel(1, 28))
    assert usb.requests == []
    sniffer = begun(Cc2531(backend=usb))
    with pytest.raises(SnifferError):
        sniffer.tune(Channel(1, 28))
    sniffer.close()
    assert not usb.started


@pytest.mark.parametrize("kind", [Nrf52840, Rcp, Sensniff, Zboss])
def test_sub_ghz_channel_is_refused_where_it_cannot_be_heard(kind: type[SerialSniffer]) -> None:
    device = SERIAL[kind]()
    with Pty(device) as port, pytest.raises(SnifferError, match=r"cannot hear channel 28/15; it hears 2\.4 GHz"):
        kind(port.path).begin(Channel(15, 28))
    assert not device.listening


def test_cc2531_that_does_not_even_tick_is_silent() -> None:
    sniffer = begun(Cc2531(backend=FakeUsb()))
    clock = iter(range(0, 100 * SECOND, SECOND))
    sniffer.monotonic_ns = lambda: next(clock)
    with pytest.raises(SnifferError, match="fallen silent"):
        gathered(sniffer, 1)


def test_cc2531_cannot_hear_sub_ghz() -> None:
    with pytest.raises(SnifferError, match="cannot hear channel 28/0"):
        Cc2531(backend=FakeUsb()).begin(Channel(0, 28))


# Serial sniffers


@pytest.mark.parametrize(("kind", "device"), SERIAL.items(), ids=lambda one: one.__name__)
def test_serial_sniffer_gives_every_frame_with_its_time(
    kind: type[SerialSniffer], device: type[emulators.Device]
) -> None:
    frames = list(back_to_back(SOME))
    with Pty(device(frames)) as port:
        sniffer = begun(kind(port.path))
        found = gathered(sniffer, len(frames))
        sniffer.close()
        assert port.device.channel == 15 or kind is PacketSniffer2
    assert [one.octets for one in found.frames] == SOME
    assert all(one.fcs == Fcs.VALID for one in found.frames)
    if kind.timebase is not None:
        told = [at - found.times_ns[0] for at in found.times_ns]
        assert told == [frame.time_ns // 1000 * 1000 for frame in frames]
    assert sniffer.counts.corrupt == 0
    assert sniffer.name == f"{kind.model} at {port.path}"


@pytest.mark.parametrize(("kind", "device"), SERIAL.items(), ids=lambda one: one.__name__)
def test_serial_sniffer_survives_pieces_and_garbage(
    kind: type[SerialSniffer], device: type[emulators.Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "at_once", 1)
    garbage = b"\x00\x17\n" if kind is not Rcp else b"\x00\x17\x7e"
    with Pty(device(back_to_back(SOME)), split=7, garbage=garbage) as port:
        sniffer = begun(kind(port.path))
        found = gathered(sniffer, len(SOME))
        sniffer.close()
    assert [one.octets for one in found.frames] == SOME
    assert sniffer.counts.corrupt + sniffer.counts.ignored >= len(SOME)


@pytest.mark.parametrize(("kind", "device"), SERIAL.items(), ids=lambda one: one.__name__)
def test_serial_sniffer_that_is_unplugged_ends_with_a_sentence(
    kind: type[SerialSniffer], device: type[emulators.Device]
) -> None:
    port = Pty(device(back_to_back(SOME)))
    with port:
        sniffer = begun(kind(port.path))
        gathered(sniffer, 1)
        port.unplug()
        with pytest.raises(Unplugged, match="unplugged"):
            gathered(sniffer, 10_000)
    sniffer.close()


@pytest.mark.parametrize("kind", [Nrf52840, PacketSniffer2, Rcp, Sensniff])
def test_silent_device_is_named_as_such(kind: type[SerialSniffer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanscope.captures.sniffers.line.ANSWER_S", 0.1)
    with Pty(emulators.SilentDevice()) as port, pytest.raises(SnifferError, match="answer") as caught:
        kind(port.path).begin(Channel(15))
    assert "firmware" in caught.value.remedy


@pytest.mark.parametrize("kind", [Nrf52840, PacketSniffer2, Rcp, Sensniff])
def test_device_that_starts_when_its_port_is_opened_is_asked_again(
    kind: type[SerialSniffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanscope.captures.sniffers.line.ANSWER_S", 0.5)
    device = SERIAL[kind](back_to_back(SOME))
    hears = device.hears
    asked: list[float] = []

    def deaf(octets: bytes) -> bytes:
        asked.append(time.monotonic())
        return hears(octets) if asked[-1] > asked[0] + 0.4 else b"boot\r\n"

    monkeypatch.setattr(device, "hears", deaf)
    with Pty(device) as port:
        sniffer = begun(kind(port.path, kind.bauds[0]))
        assert [one.octets for one in gathered(sniffer, len(SOME)).frames] == SOME
        sniffer.close()


def test_nrf52840_takes_no_talk_of_another_device_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanscope.captures.sniffers.line.ANSWER_S", 0.1)
    device = emulators.SilentDevice()
    monkeypatch.setattr(device, "hears", lambda _: b"$GPGGA,123519,4807.038,N*47\r\n")
    with Pty(device) as port, pytest.raises(SnifferError, match="no answer from the nRF Sniffer's shell"):
        Nrf52840(port.path).begin(Channel(15))


def test_port_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with Pty(emulators.NrfDevice()) as port, monkeypatch.context() as patched:
        patched.setattr("serial.serialposix.os.open", refused)
        with pytest.raises(SnifferError, match="no permission to use it") as caught:
            Nrf52840(port.path).begin(Channel(15))
    assert "dialout" in caught.value.remedy


def test_baud_rate_that_the_port_does_not_have() -> None:
    with Pty(emulators.Ps2Device()) as port:
        line = Line(port.path, 115_200)
        with pytest.raises(SnifferError, match="it cannot be set to -1 baud"):
            line.set_baud(-1)
        line.close()


def test_port_that_is_not_there_or_in_use() -> None:
    with pytest.raises(SnifferError, match="there is no such port"):
        Nrf52840("/dev/hanscope-has-no-such-port").begin(Channel(15))
    with Pty(emulators.NrfDevice()) as port:
        first = begun(Nrf52840(port.path))
        with pytest.raises(SnifferError, match="another program uses it"):
            Nrf52840(port.path).begin(Channel(15))
        first.close()


def test_port_that_is_not_named_and_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanscope.captures.sniffers.line.serial_ports", list)
    with pytest.raises(SnifferError, match="no nrf52840 is plugged in \\(USB 1915:154b or 1915:154a\\)"):
        Nrf52840().begin(Channel(15))


def test_nrf52840_times_go_on_across_two_wraps_of_its_32_bits() -> None:
    wrap = 1 << 32
    starts = [(wrap - 5_000_000) * 1000, (2 * wrap - 5_000_000) * 1000, (2 * wrap + 500_000_000) * 1000]
    frames = [frame for start in starts for frame in back_to_back([DATA] * 2000, start)]
    told: list[int] = []

    def played() -> Iterator[OnAir]:
        for number, frame in enumerate(frames):
            while number % 2000 == 0 and len(told) < number:  # nothing is sent while the host's clock advances
                time.sleep(0.001)
            yield frame

    device = emulators.NrfDevice(played())
    with Pty(device) as port:
        sniffer = begun(Nrf52840(port.path))
        sniffer.monotonic_ns = lambda: frames[min(len(told), len(frames) - 1)].time_ns + 5_000_000
        while len(told) < len(frames):
            told += sniffer.dated().times_ns
        sniffer.close()
    assert [at - told[0] for at in told] == [frame.time_ns - starts[0] for frame in frames]
    assert sniffer.counts.clock_resets == 0


def test_packet_sniffer_2_tunes_to_sub_ghz() -> None:
    device = emulators.Ps2Device()
    with Pty(device) as port:
        begun(PacketSniffer2(port.path), Channel(3, 28)).close()
    assert (device.phy, round(device.mhz or 0, 2)) == (0x0B, 863.85)


def test_packet_sniffer_2_asks_for_the_phy_where_the_firmware_is_unknown() -> None:
    with Pty(emulators.Ps2Device(firmware=0x77)) as port:
        with pytest.raises(SnifferError, match="not known") as caught:
            PacketSniffer2(port.path).begin(Channel(15))
        assert "--phy" in caught.value.remedy
        begun(PacketSniffer2(port.path, phy=0x12)).close()


# ZEP


def test_zep_gives_every_datagram_with_its_time() -> None:
    frames = list(back_to_back(SOME[:40], 1_700_000_000 * SECOND))
    sniffer = begun(Zep("127.0.0.1", 0), None)
    assert isinstance(sniffer, Zep)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for sequence, frame in enumerate(frames):
            sender.sendto(emulators.zep(frame, sequence), ("127.0.0.1", sniffer.port))
        found = gathered(sniffer, len(frames))
    sniffer.close()
    assert [one.octets for one in found.frames] == SOME[:40]
    assert [at - found.times_ns[0] for at in found.times_ns] == [f.time_ns - frames[0].time_ns for f in frames]
    assert found.frames[0].channel == Channel(15)


# Silicon Labs


def test_silabs_adapter_that_is_not_there_or_goes_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sniffer = begun(made(Wanted("silabs", f"127.0.0.1:{port}")), None)
        with server.accept()[0] as connection:
            frames = list(back_to_back(SOME))
            for sequence, frame in enumerate(frames):
                connection.sendall(emulators.silabs(frame, sequence))
        found = gathered(sniffer, len(frames))
        with pytest.raises(Unplugged, match="the adapter closed the connection"):
            sniffer.read()
        sniffer.close()
    assert [one.octets for one in found.frames] == SOME
    assert [at - found.times_ns[0] for at in found.times_ns] == [one.time_ns for one in frames]
    assert sniffer.counts.lost == 0
    with pytest.raises(SnifferError, match=f"silabs at 127.0.0.1:{port}: no connection"):
        begun(made(Wanted("silabs", f"127.0.0.1:{port}")), None)


@pytest.mark.parametrize(("place", "told"), [(None, "is not known"), ("host:99999", "is no address"), ("[", "is no")])
def test_silabs_address_that_is_none(place: str | None, told: str) -> None:
    with pytest.raises(SnifferError, match=told):
        made(Wanted("silabs", place))


def test_zep_devices_that_share_a_port_have_each_their_own_clock() -> None:
    """As Sewio's, which count from 0 when they are switched on."""
    sniffer = begun(Zep("127.0.0.1", 0), None)
    assert isinstance(sniffer, Zep)
    wall = 1_700_000_000 * SECOND
    found = Dated()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for second in range(10):
            sniffer.monotonic_ns = partial(int, second * SECOND)
            sniffer.wall_ns = partial(int, wall + second * SECOND)
            for device, began in ((1, 0), (2, 5000 * SECOND)):
                frame = OnAir(began + second * SECOND + 1000 * device, B)
                sender.sendto(emulators.zep(frame, second, device), ("127.0.0.1", sniffer.port))
            one = gathered(sniffer, 2)
            found.times_ns += one.times_ns
            found.frames += one.frames
    sniffer.close()
    assert [frame.device for frame in found.frames] == [1, 2] * 10
    assert [at - wall for at in found.times_ns] == [second * SECOND for second in range(10) for _ in range(2)]
    assert sniffer.problems() == []


def test_zep_port_in_use() -> None:
    sniffer = begun(Zep("127.0.0.1", 0), None)
    assert isinstance(sniffer, Zep)
    with pytest.raises(SnifferError, match="UDP port"):
        Zep("127.0.0.1", sniffer.port).begin(None)
    sniffer.close()
