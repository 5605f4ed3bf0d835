"""The comparison with tshark: captures agree, each known reason has a frame, and what is wrong is found."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from commands import frames as command_frames
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from oracles import PLAIN_APS, PLAIN_NWK_COMMANDS, octets
from tunnel_messages import LITERALS, official, ring_of

from hanscope.analyzers import crosscheck as module
from hanscope.analyzers.crosscheck import Crosscheck, NoOracleError, crosscheck
from hanscope.analyzers.crosscheck_fields import COLUMNS, FAULTS, FIELDS, TRANSFERS, Case
from hanscope.analyzers.keys import KeyRing, load_key_file, parse_key
from hanscope.captures.batch import CaptureError
from hanscope.captures.samples import DEMO, DEMO_KEYS
from hanscope.captures.simulator.scenarios import gbcs
from hanscope.captures.writer import PcapWriter
from hanscope.dissectors.columns.engine import entries
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee import values

if shutil.which("tshark") is None:
    pytest.skip("tshark is not installed", allow_module_level=True)

MAC = "618801341201000200"
NWK_DATA = "0800010002001e07"
NWK_COMMAND = "0900010002001e07"
NO_FCS = 230


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """Writes frames as a pcap file, without FCS if nothing else is said."""

    def write(frames: Sequence[bytes], link_type: int = NO_FCS) -> str:
        path = tmp_path / "frames.pcap"
        with PcapWriter(path, link_type=link_type) as writer:
            for number, frame in enumerate(frames):
                writer.frame(number * 1_000_000_000, frame)
        return str(path)

    return write


def ring(*texts: str) -> KeyRing:
    keys = KeyRing()
    for text in texts:
        keys = keys.plus(parse_key(text))
    return keys


def unexplained(result: Crosscheck) -> list[object]:
    """What a failing test shows."""
    return [one for one in (*result.differences, *result.one_sided) if one.fault is None]


def reasons(result: Crosscheck) -> set[str]:
    """The known reasons that were needed, but for the one that nearly every capture needs."""
    return {one.fault for one in result.explanations} - {"ack-format"}


def test_the_shipped_sample_has_no_unexplained_difference() -> None:
    result = crosscheck(str(DEMO), keys=load_key_file(DEMO_KEYS))
    assert unexplained(result) == []
    assert (result.unexplained, result.faults) == (0, ())
    assert result.frames == result.frames_compared + result.bad_fcs
    assert result.fields_compared > 25 * result.frames_compared
    assert reasons(result) <= {"block-period"}


@pytest.mark.parametrize(
    ("name", "keys", "needed"),
    [
        ("legrand-page-requests.pcap", ["bd4bee1a2f9d58e90ba1300ad59bfad6"], set()),
        ("hue-ota-ti-metadata.pcapng", ["814286865dc1c8b2c8cbc52e5d65d1b8"], {"attribute-field", "block-period"}),
        ("hue-association.tap.pcap", ["814286865dc1c8b2c8cbc52e5d65d1b8"], {"attribute-field"}),
        ("touchlink.tap.pcap", ["0134fe9e66908714e694f1d28403eed6"], set()),
        ("join-authenticate.pcap", [], set()),
        ("silabs-install-code-join.pcapng", ["66B6900981E1EE3CA4206B6B861C02BB"], set()),
        ("silabs-application-link-key.pcapng", [], set()),
        ("silabs-hashed-link-keys.pcapng", [], {"suppression-bit"}),
        ("silabs-network-key-update.pcapng", [], set()),
        ("silabs-secured-rejoin.pcapng", [], {"reserved-format", "compressed-alone"}),
        ("zigator-01-phy-testing.pcap", [], set()),
        ("zigator-02-mac-testing.pcap", [], {"not-zigbee"}),
        ("zigator-03-nwk-testing.pcap", [], set()),
        ("zigator-04-aps-testing.pcap", [], set()),
        ("zigator-05-zdp-testing.pcap", [], set()),
        ("zigator-06-zcl-testing.pcap", [], set()),
        ("zigator-08-thr-testing.pcap", [], {"not-zigbee"}),
        ("zigator-09-mle-testing.pcap", [], {"not-zigbee"}),
    ],
)
def test_real_captures_have_no_unexplained_difference(data: Path, name: str, keys: list[str], needed: set[str]) -> None:
    result = crosscheck(str(data / "captures" / name), keys=ring(*keys))
    assert unexplained(result) == []
    assert reasons(result) == needed


def test_an_update_in_fragments_has_no_unexplained_difference(data: Path, tmp_path: Path) -> None:
    """The first part of the capture: the whole takes tshark and pyshark half a minute."""
    part = tmp_path / "part.pcap"
    octets_ = (data / "captures" / "catsniffer-ota.tap.pcap").read_bytes()
    at = 24
    for _ in range(6000):
        at += 16 + int.from_bytes(octets_[at + 8 : at + 12], "little")
    part.write_bytes(octets_[:at])
    result = crosscheck(str(part), keys=ring("f0ff6193c6880d107f540a4179ca7ea5"))
    assert unexplained(result) == []
    assert result.frames == 6000


def test_frames_of_all_commands_have_no_unexplained_difference(written: Callable[..., str]) -> None:
    data, command = octets(MAC + NWK_DATA), octets(MAC + NWK_COMMAND)
    frames = [data + octets(frame) for frame in PLAIN_APS[:-1]]  # the last is an inter-PAN frame
    frames += [command + octets(frame) for frame in PLAIN_NWK_COMMANDS]
    frames += [data + frame for seed in range(2) for frame in command_frames(seed)]
    result = crosscheck(written(frames), keys=KeyRing())
    assert unexplained(result) == []
    assert result.frames_compared == len(frames)
    assert reasons(result) == {"block-period", "data-size"}


TYPED = {
    **{0x08 + more: bytes(range(1, 2 + more)) for more in range(8)},
    0x10: b"\x01",
    **{0x18 + more: bytes(range(0x81, 0x82 + more)) for more in range(8)},
    **{0x20 + more: bytes(range(0xF1, 0xF2 + more)) for more in range(8)},
    **{0x28 + more: bytes(range(0xF1, 0xF2 + more)) for more in (0, 1, 2, 3, 7)},
    0x30: b"\x07",
    0x31: b"\x07\x01",
    0x38: b"\x00\x3c",
    0x39: b"\x00\x00\x80\x3f",
    0x3A: bytes(6) + b"\xf0\x3f",
    0x41: b"\x03\x01\x02\x03",
    0x42: b"\x05meter",
    0xE0: b"\x01\x02\x03\x04",
    0xE1: b"\x7e\x01\x02\x03",
    0xE2: b"\x01\x02\x03\x2a",
    0xE8: b"\x02\x07",
    0xE9: b"\x04\x00",
    0xF0: bytes(range(1, 9)),
    0xF1: bytes(range(16)),
}
"""A value of each data type that tshark reads."""


def report(records: bytes) -> bytes:
    """A frame with a Report Attributes command of the cluster Metering."""
    return octets(MAC + NWK_DATA) + bytes.fromhex("0001020709010109 18070a") + records


def test_attributes_of_all_types_have_no_unexplained_difference(written: Callable[..., str]) -> None:
    frames = [report(b"\x00\x00" + bytes([kind]) + value) for kind, value in TYPED.items()]
    frames.append(report(b"".join(b"\x00\x03" + bytes([kind]) + TYPED[kind] for kind in (0x20, 0x25, 0x10, 0x41))))
    result = crosscheck(written(frames), keys=KeyRing())
    assert unexplained(result) == []
    assert result.frames_compared == len(frames)


def test_a_value_that_we_read_otherwise_is_a_difference(
    written: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "pack_value", lambda *_: b"\xff\x00")
    result = crosscheck(written([report(b"\x00\x00\x21\x34\x12")]), keys=KeyRing())
    (one,) = unexplained(result)
    assert (one.ours, one.tshark) == (("ff00",), ("3412",))


def test_gbcs_messages_in_tunnels_have_no_unexplained_difference(tmp_path: Path) -> None:
    path = tmp_path / "gbcs.pcapng"
    truth = gbcs(path, LITERALS, block=48, largest=100)
    result = crosscheck(str(path), keys=ring_of(truth))
    assert unexplained(result) == []
    assert reasons(result) == set()


def test_a_certificate_is_no_counter(data: Path, tmp_path: Path) -> None:
    """Official messages with a Key Agreement certificate, which tshark takes apart in the wrong place."""
    path = tmp_path / "gbcs.pcapng"
    messages = [one for one in official(data) if b"\x30\x82\x01\x92\x30\x82\x01\x38" in one[:80]]
    truth = gbcs(path, messages)
    result = crosscheck(str(path), keys=ring_of(truth))
    assert unexplained(result) == []
    assert reasons(result) == {"certificate"}


def test_an_address_that_was_told_too_late_for_tshark(written: Callable[..., str]) -> None:
    """Under a link key, without extended nonce: the sender's EUI-64 stands in another frame, before or behind."""
    key, eui64, counter = bytes(range(16)), octets("8877665544332211"), octets("01000000")
    header = octets("200119000401 01 55")
    nonce, level = eui64 + counter + b"\x05", b"\x05"
    sealed = AESCCM(key, tag_length=4).encrypt(nonce, octets("18010b0500"), header + level + counter)
    secured = octets(MAC + NWK_DATA) + header + b"\x00" + counter + sealed
    telling = octets(f"{MAC} 0910 0100 0200 1e 08") + eui64 + octets("0500")
    link = ring(f"link:{key.hex()}")
    early = crosscheck(written([telling, secured]), keys=link)
    late = crosscheck(written([secured, telling]), keys=link)
    assert unexplained(early) == unexplained(late) == []
    assert (reasons(early), reasons(late)) == (set(), {"late-address"})
    assert [(one.frame, one.protocol, one.only) for one in late.one_sided] == [(1, "zbee_zcl", "hanscope")]


REASONED = {
    "suppression-bit": "28116002007267e7feff5f32500043815ad975d8e5dad8f6ecbdbe3a12e7e8fd0e0501",
    "reserved-format": "c4b20bb743af297f4127",
    "compressed-alone": "d19290bfb40134c0c34d2f6c4c0a43d2",
    "not-zigbee": "01d880ffffffffefdb05000000009999997f3b02f04d4c4d4c61f9ff101a04800238",
    "extended-beacon": "00c00134121122334455667788ffcf00000022848877665544332211ffffff00",
    "attribute-field": f"{MAC}{NWK_DATA}000119000401 01 55 1801 01 0200 00 23 01020304",
    "block-period": f"{MAC}{NWK_DATA}400119000901 01 12 194305 97 00000000 1e000000 f401",
    "data-size": f"{MAC}{NWK_DATA}400119000901 01 12 194205 00 6811 0100 04030201 00000000 28 1ef1ee0b",
    "ack-format": f"{MAC}{NWK_DATA}000119000401 01 55 010b0500",
}
"""A frame for each reason that one frame can show."""


@pytest.mark.parametrize("fault", REASONED)
def test_every_reason_has_a_frame(written: Callable[..., str], fault: str) -> None:
    result = crosscheck(written([octets(REASONED[fault])]), keys=KeyRing())
    assert unexplained(result) == []
    assert fault in {one.fault for one in result.explanations}


def test_reasons_are_not_handed_out_freely(written: Callable[..., str]) -> None:
    """An ordinary frame needs none, and without its rule every reason's frame is a difference."""
    plain = octets(f"{MAC}{NWK_COMMAND}0500")
    assert crosscheck(written([plain]), keys=KeyRing()).explanations == ()
    case = Case({"Mac.frame_version": [0], "Mac.frame_type": [1]}, frozenset(), "wpan", "wpan.seq_no", [1], [2])
    assert [fault.id for fault in FAULTS if fault.applies(case)] == []


@pytest.mark.parametrize("protocol", FIELDS)
def test_a_wrong_value_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocol: str) -> None:
    """Each protocol's fields really are compared: with its columns exchanged, everything differs."""
    path = tmp_path / "gbcs.pcapng"
    if protocol == "gbcs_message":
        keys = ring_of(gbcs(path, LITERALS))
    else:
        path, keys = DEMO, load_key_file(DEMO_KEYS)
    wrong = [
        replace(field, columns=other.columns, split=other.split)
        for field, other in zip(FIELDS[protocol], FIELDS[protocol][1:], strict=False)
        if not field.octets and not other.octets
    ]
    monkeypatch.setattr(module, "FIELDS", {protocol: wrong})
    monkeypatch.setattr(module, "FAULTS", ())
    result = crosscheck(str(path), keys=keys)
    assert result.unexplained > 0
    assert {one.fault for one in result.differences} == {None}
    assert all(one.ours != one.tshark for one in result.differences)


def test_differences_beyond_the_cap_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTED", 3)
    monkeypatch.setattr(module, "FAULTS", ())
    result = crosscheck(str(DEMO), keys=KeyRing())
    assert len(result.differences) == 3
    assert result.unexplained > 100


def test_a_key_that_differs_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = (field for field in FIELDS["zbee_aps"] if field.names == ("zbee_aps.cmd.key",))
    assert key.secret
    other = replace(key, columns=("VerifyKey.hash",))
    monkeypatch.setattr(module, "FIELDS", {"zbee_aps": [other, *FIELDS["zbee_aps"][:3]]})
    result = crosscheck(str(DEMO), keys=load_key_file(DEMO_KEYS))
    shown = [one for one in result.differences if one.field == "zbee_aps.cmd.key"]
    assert shown
    assert all(isinstance(value, str) and len(value) == 8 for one in shown for value in one.tshark)


def test_a_damaged_capture_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    part = tmp_path / "part.pcapng"
    part.write_bytes(Path(DEMO).read_bytes()[:100_000])
    result = crosscheck(str(part), keys=load_key_file(DEMO_KEYS))
    assert result.unexplained == 0
    assert result.frames > 1000
    assert [fault.where for fault in result.faults] == [result.faults[0].where]


def test_captures_that_tshark_cannot_be_told_about(data: Path, written: Callable[..., str]) -> None:
    with pytest.raises(NoOracleError, match="USER0"):
        crosscheck(str(data / "captures" / "catsniffer-ota.pcapng"), keys=KeyRing())
    with pytest.raises(NoOracleError, match=r"no 802\.15\.4 frames"):
        crosscheck(written([bytes(60)], link_type=1), keys=KeyRing())
    with pytest.raises(CaptureError):
        crosscheck("/nowhere.pcap", keys=KeyRing())


def test_without_tshark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoOracleError, match="install it"):
        crosscheck(str(DEMO), keys=KeyRing())


def test_progress_is_told_and_an_interruption_leaves_nothing_behind() -> None:
    told: list[tuple[int, bool]] = []

    def progress(one: object) -> None:
        told.append((one.frames, one.second_pass))
        if one.second_pass:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crosscheck(str(DEMO), keys=KeyRing(), progress=progress)
    assert [second for _, second in told] == [False] * (len(told) - 1) + [True]


def test_all_columns_are_those_of_layers() -> None:
    """A column that no layer has would never be compared."""
    entries()  # imports the layers
    names: set[str] = set()

    def collect(cls: type[Layer]) -> None:
        names.update(f"{cls.__name__}.{getattr(field, 'fld', field).name}" for field in cls.fields_desc)
        for inner in cls.__subclasses__():
            collect(inner)

    collect(Layer)
    assert set(TRANSFERS) <= COLUMNS
    assert COLUMNS - names == set()
