"""What became of keys: every key command of real joins, proofs by hash, keys in use; as tshark has it."""

from pathlib import Path

import pytest
from oracles import key_option, tshark

from hanscope.analyzers import inputs
from hanscope.analyzers.addresses import AddressHistory
from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keyevents import KeyCommand, KeyStory
from hanscope.analyzers.keys import KeyRing, KnownKey, fingerprint, parse_key
from hanscope.analyzers.results import Analysis, KeyEvent
from hanscope.dissectors.crypto.mmo import key_load_key, key_transport_key, verify_key_hash

INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
ALLIANCE = bytes.fromhex("5A6967426565416C6C69616E63653039")
NETWORK = bytes.fromhex("321f5c2bfecd923ad71839c7b4e02f3d")
TC_LINK = bytes.fromhex("932ac561faf2d5df4b6ab40df3f61da0")
TC, NODE, OTHER = "50:32:5f:ff:fe:e7:67:72", "50:32:5f:ff:fe:e7:67:cb", "50:32:5f:ff:fe:e7:67:85"

SILABS = {
    "silabs-application-link-key.pcapng": "",
    "silabs-hashed-link-keys.pcapng": "",
    "silabs-install-code-join.pcapng": f"install:{INSTALL_CODE}",
    "silabs-network-key-update.pcapng": "",
    "silabs-secured-rejoin.pcapng": "",
}


def read(data: Path, name: str) -> Analysis:
    keys = KeyRing().plus(parse_key(SILABS[name])) if SILABS[name] else KeyRing()
    return analyze([str(data / "captures" / name)], keys=keys, show_keys=True, processes=1).analysis


def told(event: KeyEvent) -> tuple[int, str, str | None, str | None, str | None]:
    return event.frame, event.what, event.key_type, event.device, event.fingerprint


def test_the_derived_keys_are_those_of_the_specification() -> None:
    assert key_transport_key(ALLIANCE).hex().upper() == "4BAB0F173E1434A2D572E1C1EF478782"
    assert key_load_key(ALLIANCE).hex().upper() == "C5A47035C332CCBF251571D8BADED188"
    assert key_transport_key(bytes.fromhex("814286865dc1c8b2c8cbc52e5d65d1b8")).hex().upper() == (
        "B60463AAC8B663DFB08C7674F23BEB7F"
    )
    assert verify_key_hash(TC_LINK).hex() == "a0b7df4d478a16ec6606791b60728147"


def test_the_worked_frames_are_told_with_their_keys(data: Path) -> None:
    found = read(data, "silabs-application-link-key.pcapng")
    network, link = fingerprint(NETWORK), fingerprint(TC_LINK)
    events = {(event.frame, event.what): event for event in found.key_events}
    assert [told(events[place]) for place in list(events) if place[0] in {12, 31, 35, 39, 43}] == [
        (12, "Transport-Key", "standard network", NODE, network),
        (31, "Request-Key", "trust center link", None, None),
        (35, "Transport-Key", "trust center link", NODE, link),
        (39, "Verify-Key", "trust center link", NODE, link),
        (43, "Confirm-Key", "trust center link", NODE, link),
    ]
    assert (events[39, "Verify-Key"].outcome, events[39, "Verify-Key"].aps_secured) == ("valid", False)
    assert (events[43, "Confirm-Key"].status, events[43, "Confirm-Key"].aps_secured) == (0, True)
    application = fingerprint(bytes.fromhex("e9bb0bae8e63cebc5bdc00e563e38cad"))
    asked, one, other = (events[144, "Request-Key"], events[146, "Transport-Key"], events[150, "Transport-Key"])
    assert (asked.key_type, asked.partner) == ("application link", NODE)
    assert (one.fingerprint, one.receiver and one.receiver.eui64, one.partner) == (application, NODE, OTHER)
    assert (other.fingerprint, other.receiver and other.receiver.eui64, other.partner) == (application, OTHER, NODE)


def test_a_network_key_update_is_followed(data: Path) -> None:
    found = read(data, "silabs-network-key-update.pcapng")
    new = fingerprint(bytes.fromhex("fa7d761abbe036588d89fe6ff593525b"))
    sent, switched, used = [event for event in found.key_events if event.key_sequence_number == 1]
    assert (told(sent), sent.frames, sent.device, sent.aps_secured) == (
        (144, "Transport-Key", "standard network", None, new), 4, None, False,
    )  # fmt: skip
    assert (told(switched), switched.frames) == ((151, "Switch-Key", None, None, new), 4)
    assert (told(used), used.last_frame, used.frames) == ((151, "in use", "network", None, new), 155, 5)
    (before,) = [event for event in found.key_events if event.what == "in use" and event.key_sequence_number == 0]
    assert (before.frame, before.last_frame) == (1, 150)


@pytest.mark.parametrize("name", SILABS)
def test_every_key_command_that_tshark_reads_is_told(data: Path, name: str) -> None:
    found = read(data, name)
    options = [word for key in found.keys if key.key for word in key_option(bytes.fromhex(key.key))]
    rows = tshark(
        *("-r", data / "captures" / name, *options, *key_option(ALLIANCE)),
        *("-Y", "zbee_aps.cmd.id in {5,8,9,15,16}", "-T", "fields", "-e", "frame.number", "-e", "zbee_aps.cmd.id"),
        *("-e", "zbee_aps.cmd.key"),
    )
    names = {
        "0x05": "Transport-Key",
        "0x08": "Request-Key",
        "0x09": "Switch-Key",
        "0x0f": "Verify-Key",
        "0x10": "Confirm-Key",
    }
    heard = [event for event in found.key_events if event.what != "in use"]
    theirs = [(int(number), names[kind.split(",")[-1]], key) for number, kind, key in rows]
    assert len(theirs) >= 10
    for number, kind, key in theirs:
        (event,) = [one for one in heard if one.what == kind and one.frame <= number <= one.last_frame]
        if kind == "Transport-Key" and key:
            assert event.fingerprint == fingerprint(bytes.fromhex(key.split(",")[-1].replace(":", "")))
    assert sum(event.frames for event in heard) >= len(theirs)


@pytest.mark.parametrize("name", SILABS)
def test_every_hash_proves_the_key_that_the_device_was_given(data: Path, name: str) -> None:
    found = read(data, name)
    given: dict[str | None, str | None] = {}
    proofs = 0
    for event in found.key_events:
        if event.what == "Transport-Key" and event.key_type == "trust center link":
            given[event.device] = event.fingerprint
        elif event.what == "Verify-Key":
            proofs += 1
            assert (event.outcome, event.fingerprint) == ("valid", given[event.device])
        elif event.what == "Confirm-Key":
            assert (event.status, event.fingerprint) == (0, given[event.device])
    assert proofs == 2


def test_the_join_opens_with_its_install_code_alone(data: Path) -> None:
    shut = analyze([str(data / "captures/silabs-install-code-join.pcapng")], keys=KeyRing(), processes=1).analysis
    assert not any(key.nwk_frames for key in shut.keys)
    found = read(data, "silabs-install-code-join.pcapng")
    assert found.unopened == ()
    (code,) = [key for key in found.keys if "install code" in key.source]
    assert (code.key, code.aps_frames) == ("66b6900981e1ee3ca4206b6b861c02bb", 6)


def test_an_install_code_of_one_device_opens_its_own_join_only(data: Path) -> None:
    keys = KeyRing().plus(parse_key(f"install:{INSTALL_CODE}@{NODE}"))
    found = analyze([str(data / "captures/silabs-install-code-join.pcapng")], keys=keys, processes=1).analysis
    carried = [event.device for event in found.key_events if event.what == "Transport-Key"]
    assert set(carried) == {NODE}


def test_addresses_are_told_by_the_frames_of_the_join(data: Path) -> None:
    found = read(data, "silabs-secured-rejoin.pcapng")
    assert [
        (one.frame, one.short, one.eui64, [(by.source, by.frame) for by in one.told_by]) for one in found.addresses
    ] == [
        (1, 0x0000, TC, [("NWK header", 1)]),
        (11, 0x2133, NODE, [("association response", 11), ("device announce", 15)]),
        (65, 0xD60F, OTHER, [("association response", 65), ("device announce", 71), ("rejoin response", 155)]),
    ]
    hashed = read(data, "silabs-hashed-link-keys.pcapng")
    assert ("update device", 71) in [(by.source, by.frame) for one in hashed.addresses for by in one.told_by]


def test_several_processes_tell_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data / "captures/silabs-hashed-link-keys.pcapng"
    alone = analyze([str(path)], keys=KeyRing(), processes=1).analysis
    monkeypatch.setattr(inputs, "POOL_FROM", 0)
    together = analyze([str(path)], keys=KeyRing(), processes=2).analysis
    assert (together.key_events, together.addresses) == (alone.key_events, alone.addresses)
    assert alone.key_events


# Commands made by hand.


def command(number: int, what: str = "Verify-Key", *, octets: bytes = b"", **changes) -> KeyCommand:
    fields = {
        "what": what, "pan_id": 0x4A5B, "sender": 0x1234, "receiver": 0, "counter": 1, "secured": True, "key_type": 4,
        "sequence_number": -1, "device": 0x00158D0000123456, "partner": 0, "status": -1, "octets": octets,
        "number": number, "time_ns": number * 10**9,
    }  # fmt: skip
    return KeyCommand(**(fields | changes))


def events(*commands: KeyCommand, ring: KeyRing = KeyRing()) -> tuple[KeyEvent, ...]:  # noqa: B008 -- frozen
    story = KeyStory()
    story.add(commands)
    return story.results(ring, {}, AddressHistory(()))


def test_an_unknown_hash_proves_nothing() -> None:
    (one,) = events(command(1, octets=bytes(16)))
    assert (one.outcome, one.fingerprint) == ("unknown", None)


def test_a_confirmation_after_an_unknown_hash_names_no_key() -> None:
    ring = KeyRing((KnownKey("link", TC_LINK, "test"),))
    proof = command(1, octets=verify_key_hash(TC_LINK))
    strange = command(100, octets=bytes(16), counter=2)
    confirmed = command(101, "Confirm-Key", status=0)
    assert [one.fingerprint for one in events(proof, confirmed, ring=ring)] == [fingerprint(TC_LINK)] * 2
    assert [one.fingerprint for one in events(proof, strange, confirmed, ring=ring)][1:] == [None, None]


def test_repetitions_within_ten_seconds_are_one_event() -> None:
    made = events(command(1), command(5), command(15), command(26), command(27, counter=2))
    assert [(one.frame, one.last_frame, one.frames) for one in made] == [(1, 15, 3), (26, 26, 1), (27, 27, 1)]


def test_a_switch_names_a_key_only_when_one_fits() -> None:
    one, two = (KnownKey("network", bytes([n] * 16), "test", pan_id=0x4A5B, sequence_number=1) for n in (1, 2))
    switch = command(1, "Switch-Key", key_type=-1, sequence_number=1, device=0)
    assert events(switch)[0].fingerprint is None
    assert events(switch, ring=KeyRing((one,)))[0].fingerprint == one.fingerprint
    assert events(switch, ring=KeyRing((one, two)))[0].fingerprint is None


def test_a_refused_confirmation_says_so() -> None:
    (one,) = events(command(1, "Confirm-Key", status=0xAD))
    assert (one.status, one.text) == (0xAD, "trust center link key refused: status 0xad")
