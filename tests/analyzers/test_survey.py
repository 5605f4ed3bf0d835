"""Networks on several channels, heard by an emulated sniffer that is tuned from one to the other."""

import pytest
import sniffer_emulators as emulators
from sniffer_emulators import FakeUsb, OnAir, Pty, back_to_back

from hanscope.analyzers.survey import survey
from hanscope.captures.sniffers.cc2531 import Cc2531
from hanscope.captures.sniffers.channels import Channel
from hanscope.captures.sniffers.packet_sniffer2 import PacketSniffer2

BEACON = bytes.fromhex("008054e14d0000ffcf0000002284c9924d9a3f75e1c2ffffff00")
"""Of a real network: PAN 0x4de1, extended c2:e1:75:3f:9a:4d:92:c9, open for joining (0x80 in the superframe's)."""
DATA = bytes.fromhex("6188012211cdab0100") + bytes(20)
"""PAN 0x1122, from 0x0001 to 0xabcd."""
ON_AIR = {15: [BEACON, DATA, DATA], 20: [DATA], 11: []}


class Tuned(FakeUsb):
    """A dongle that hears what is on the channel on which it is."""

    def ctrl_transfer(self, dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout):  # noqa: N803
        if bRequest == 0xD0:
            frames = back_to_back(ON_AIR.get(self.channel or 0, []))
            self.messages.extend(map(emulators.cc2531, [*frames, OnAir(10**9, DATA[:9], intact=False)]))
        return super().ctrl_transfer(dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout)


def test_networks_are_found_on_their_channels() -> None:
    found = list(survey(Cc2531(backend=Tuned()), [Channel(15), Channel(11), Channel(20)], dwell_s=0.3))
    assert [(one.channel, one.frames, one.bad_fcs) for one in found] == [(15, 4, 1), (11, 1, 1), (20, 2, 1)]
    assert [[net.pan_id for net in one.networks] for one in found] == [[0x1122, 0x4DE1], [], [0x1122]]


def test_frames_of_the_channel_before_are_not_taken_for_this_one() -> None:
    """What waits in the dongle when it is tuned belongs to the channel before."""
    sniffer = Cc2531(backend=Tuned())
    sniffer.begin(Channel(15))
    sniffer.tune(Channel(11))
    assert [one.octets for one in sniffer.read()] == [DATA[:9]]


def test_networks_with_and_without_a_beacon() -> None:
    (heard,) = survey(Cc2531(backend=Tuned()), [Channel(15)], dwell_s=0.3)
    assert (heard.frames, heard.bad_fcs, heard.frequency_mhz) == (4, 1, 2425.0)
    by_pan = {one.pan_id: one for one in heard.networks}
    assert by_pan[0x4DE1].extended_pan_id == "c2:e1:75:3f:9a:4d:92:c9"
    assert by_pan[0x4DE1].joining is True
    other = by_pan[0x1122]
    assert (other.extended_pan_id, other.joining, other.frames, other.devices) == (None, None, 2, 1)
    assert other.rssi_dbm == pytest.approx(-60)


def test_sub_ghz_channels_are_stepped_through() -> None:
    device = emulators.Ps2Device()
    with Pty(device) as port:
        found = list(survey(PacketSniffer2(port.path), [Channel(26), Channel(0, 28), Channel(8, 29)], dwell_s=0.1))
    assert [(one.page, one.channel, one.frequency_mhz) for one in found] == [
        (0, 26, 2480.0),
        (28, 0, 863.25),
        (29, 8, 875.65),
    ]
    assert round(device.mhz or 0, 2) == 875.65
