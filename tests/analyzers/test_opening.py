"""What is opened: everything that tshark opens, by the right key, and a reason for everything else."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from oracles import SMART_ENERGY_FRAMES, SMART_ENERGY_KEYS, batch, key_option, tshark

from hanscope.analyzers.addresses import AddressBook
from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.dissect import Dissected, Dissector
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing, KnownKey, Span
from hanscope.analyzers.opening import Opener, Reason
from hanscope.dissectors.columns.engine import Engine

NETWORK, LINK = SMART_ENERGY_KEYS
TOUCHLINK = bytes.fromhex("0134fe9e66908714e694f1d28403eed6")
ZLL = bytes.fromhex("814286865dc1c8b2c8cbc52e5d65d1b8")
INSTALL_CODE = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
LEGRAND = bytes.fromhex("bd4bee1a2f9d58e90ba1300ad59bfad6")

CAPTURES = {
    "catsniffer-ota.tap.pcap": (),
    "legrand-page-requests.pcap": (KnownKey("network", LEGRAND, "test"),),
    "hue-ota-ti-metadata.pcapng": (KnownKey("link", ZLL, "test"),),
    "hue-association.tap.pcap": (KnownKey("link", ZLL, "test"),),
    "touchlink.tap.pcap": (KnownKey("network", TOUCHLINK, "test"),),
    "silabs-application-link-key.pcapng": (),
    "silabs-hashed-link-keys.pcapng": (),
    "silabs-install-code-join.pcapng": (KnownKey("link", INSTALL_CODE, "test"),),
    "silabs-network-key-update.pcapng": (),
    "silabs-secured-rejoin.pcapng": (),
}


def dissect(frames: tuple[bytes, ...], *keys: KnownKey) -> Dissected:
    return Dissector(Engine(), KeyRing(keys), AddressBook()).dissect(batch(frames))


def test_the_smart_energy_frames_open_and_tell_their_ota_commands() -> None:
    result = dissect(SMART_ENERGY_FRAMES, KnownKey("network", NETWORK, "n"), KnownKey("link", LINK, "l"))
    assert result.shut == {}
    table = result.ota
    assert table.number.tolist() == [1, 4, 5, 6, 7]
    assert table.command.tolist() == [3, 5, 5, 6, 7]
    assert table.aps_secured.tolist() == [1] * 5
    assert table.zcl_sequence.tolist() == [0x42, 0x42, 0x43, 0x44, 0x44]
    assert table.file_version.tolist() == [0x01020304, 0x01020304, -1, 0x01020304, 0x01020304]
    assert table.data_size.tolist() == [0x28, 0x28, -1, -1, -1]
    assert table.minimum_block_period.tolist() == [-1, -1, 500, -1, -1]
    assert table.request_time.tolist() == [-1, -1, 30, -1, 0xFFFFFFFF]
    assert table.source_eui64.tolist()[0] == 0x00158D0000123456
    at = table.data_at[1]
    assert table.image_data[at : at + 4].tobytes() == b"\x1e\xf1\xee\x0b"
    assert table.image_data[at + 20 : at + table.data_length[1]].tobytes() == b"GBCS DEMO METER FIRM"


def test_without_keys_each_frame_says_why_it_stayed_shut() -> None:
    assert {(shut.layer, shut.reason): n for shut, (n, _) in dissect(SMART_ENERGY_FRAMES).shut.items()} == {
        ("NWK", Reason.NO_KEY): 6
    }
    only_network = dissect(SMART_ENERGY_FRAMES, KnownKey("network", NETWORK, "n"))
    # Of the six, the APS acknowledgement is not secured at APS.
    assert {(shut.layer, shut.reason): n for shut, (n, _) in only_network.shut.items()} == {("APS", Reason.NO_KEY): 5}
    wrong = dissect(SMART_ENERGY_FRAMES, KnownKey("network", LINK, "n"))
    assert {(shut.layer, shut.reason): n for shut, (n, _) in wrong.shut.items()} == {("NWK", Reason.MIC_FAILED): 6}


def test_a_key_for_another_pan_or_sequence_number_is_not_tried() -> None:
    other_pan = dissect(SMART_ENERGY_FRAMES, KnownKey("network", NETWORK, "n", pan_id=0x1111))
    assert {shut.reason for shut in other_pan.shut} == {Reason.NO_KEY}
    other_sequence = dissect(SMART_ENERGY_FRAMES, KnownKey("network", NETWORK, "n", sequence_number=3))
    assert {shut.reason for shut in other_sequence.shut} == {Reason.NO_KEY}
    right = dissect(SMART_ENERGY_FRAMES, KnownKey("network", NETWORK, "n", pan_id=0x4A5B, sequence_number=0))
    assert not any(shut.layer == "NWK" for shut in right.shut)


def test_a_link_key_of_other_devices_is_not_tried() -> None:
    network = KnownKey("network", NETWORK, "n")
    theirs = KnownKey("link", LINK, "l", devices=frozenset({1, 2}))
    assert {shut.layer for shut in dissect(SMART_ENERGY_FRAMES, network, theirs).shut} == {"APS"}
    ours = KnownKey("link", LINK, "l", devices=frozenset({0x00158D0000123456, 0x00158D0000C0FFEE}))
    assert dissect(SMART_ENERGY_FRAMES, network, ours).shut == {}


def test_a_key_that_was_heard_on_its_way_to_others_is_tried_too_but_later() -> None:
    network = KnownKey("network", NETWORK, "n")
    theirs = KnownKey("link", LINK, "heard", devices=frozenset({1, 2}), shared=True)
    ours = KnownKey("link", LINK, "ours", devices=frozenset({0x00158D0000123456, 0x00158D0000C0FFEE}), shared=True)
    for keys, source in (((theirs,), "heard"), ((theirs, ours), "ours")):
        result = dissect(SMART_ENERGY_FRAMES, network, *keys)
        assert result.shut == {}
        assert {key.source for key in result.uses} == {"n", source}


def test_a_key_of_one_device_opens_what_goes_to_it_and_comes_from_it() -> None:
    network = KnownKey("network", NETWORK, "n")
    one = KnownKey("link", LINK, "l", devices=frozenset({0x00158D0000123456}))
    assert dissect(SMART_ENERGY_FRAMES, network, one).shut == {}


def test_what_a_key_opened_is_told_with_its_place() -> None:
    uses = dissect(SMART_ENERGY_FRAMES, KnownKey("network", NETWORK, "n"), KnownKey("link", LINK, "l")).uses
    by_source = {key.source: use for key, use in uses.items()}
    assert by_source["n"].sequences == {(0x4A5B, 0): Span(6, 1, 7, 0)}
    assert by_source["n"].pairs == set()
    assert (by_source["l"].sequences, by_source["l"].pairs) == ({}, {(0x4A5B, 0x0000, 0x1234)})


def test_the_right_key_is_found_among_many() -> None:
    wrong = [KnownKey(kind, n.to_bytes(16, "big"), "w") for kind in ("network", "link") for n in range(100)]
    result = dissect(SMART_ENERGY_FRAMES * 30, *wrong, KnownKey("network", NETWORK, "n"), KnownKey("link", LINK, "l"))
    assert result.shut == {}
    assert {key.source: (use.nwk_frames, use.aps_frames) for key, use in result.uses.items()} == {
        "n": (180, 0),
        "l": (0, 150),
    }


def test_well_known_keys_never_open_data() -> None:
    well_known = next(iter(WELL_KNOWN))
    ring = KeyRing()
    assert well_known in {octets for octets, _ in ring.command}
    assert ring.data == ()
    assert {key.octets for _, key in ring.transport} == set(WELL_KNOWN)


@pytest.mark.parametrize("name", CAPTURES)
def test_everything_that_tshark_opens_is_opened(data: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Counter[tuple[str, int]] = Counter()
    used = Opener._used

    def note(self: Opener, key: KnownKey, number: np.ndarray, *, nwk: bool) -> None:
        opened.update(("nwk" if nwk else "aps", int(one)) for one in number)
        used(self, key, number, nwk=nwk)

    monkeypatch.setattr(Opener, "_used", note)
    path = data / "captures" / name
    run = analyze([str(path)], keys=KeyRing(CAPTURES[name]), show_keys=True)
    given = {bytes.fromhex(key.key) for key in run.analysis.keys if key.key} | set(WELL_KNOWN)
    options = [word for key in given for word in key_option(key)]
    if "ti-metadata" in name:
        options += ["-o", "wpan.fcs_format:TI CC24xx metadata"]
    rows = tshark(
        *("-r", path, *options, "-Y", "zbee.sec.key", "-T", "fields"),
        *("-e", "frame.number", "-e", "zbee_nwk.security", "-e", "zbee.sec.key"),
    )
    theirs = set()
    for number, secured, keys in rows:
        layers = ("nwk", "aps") if secured == "1" else ("aps",)
        theirs.update((layer, int(number)) for layer, _ in zip(layers, keys.split(","), strict=False))
    assert theirs
    assert theirs <= set(opened)
