"""Keys: read from files and words, limited in use, and told about in the ledger."""

from pathlib import Path

import pytest

from hanscope.analyzers.keys import (
    KeyFileError,
    KeyRing,
    KnownKey,
    Use,
    eui64_text,
    ledger,
    load_key_file,
    parse_key,
)

HEX = "000102030405060708090a0b0c0d0e0f"
OCTETS = bytes(range(16))


def test_a_bare_key_is_tried_as_network_and_as_link_key() -> None:
    assert parse_key(HEX) == (
        KnownKey("network", OCTETS, "command line"),
        KnownKey("link", OCTETS, "command line"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"network:{HEX}", KnownKey("network", OCTETS, "command line")),
        (f"network:{HEX}@4A5B", KnownKey("network", OCTETS, "command line", pan_id=0x4A5B)),
        (f"network:{HEX}@0x4a5b", KnownKey("network", OCTETS, "command line", pan_id=0x4A5B)),
        (f"link:{HEX.upper()}", KnownKey("link", OCTETS, "command line")),
        (
            f"link:{HEX}@00:0d:6f:00:0a:90:69:e0,00158D0000123456",
            KnownKey("link", OCTETS, "command line", devices=frozenset({0x000D6F000A9069E0, 0x00158D0000123456})),
        ),
        ("network:00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f", KnownKey("network", OCTETS, "command line")),
    ],
)
def test_a_key_with_its_kind_and_scope(text: str, expected: KnownKey) -> None:
    assert parse_key(text) == (expected,)


def test_colons_between_octets_are_no_kind() -> None:
    assert [key.octets for key in parse_key("00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f")] == [OCTETS, OCTETS]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "32 hexadecimal digits, this has 0"),
        (HEX[:-1], "32 hexadecimal digits, this has 31"),
        (f"network:{HEX}@12345", "a PAN is four hexadecimal digits"),
        (f"network:{HEX}@x", "a PAN is four hexadecimal digits"),
        (f"link:{HEX}@1234", "named by its EUI-64"),
        ("zz" * 16, "32 hexadecimal digits"),
    ],
)
def test_a_wrong_key_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(KeyFileError, match=why):
        parse_key(text)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "home.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_key_file_gives_keys_with_their_limits(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"""
        [[network]]
        key = "{HEX}"
        pan_id = 0x4a5b
        sequence_number = 1
        [[network]]
        key = "{HEX}"
        [[link]]
        key = "{HEX}"
        devices = ["00:15:8d:00:00:c0:ff:ee", "00:15:8d:00:00:12:34:56"]
        """,
    )
    ring = load_key_file(path)
    assert ring.network == (
        KnownKey("network", OCTETS, "key file home.toml", pan_id=0x4A5B, sequence_number=1),
        KnownKey("network", OCTETS, "key file home.toml"),
    )
    assert ring.link[0].devices == {0x00158D0000C0FFEE, 0x00158D0000123456}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[network]]\nkey = 5", r"\[\[network\]\] number 1: the entry 'key'"),
        (f'[[network]]\nkey = "{HEX}"\n[[network]]\nkey = "12"', r"\[\[network\]\] number 2: a key is 32"),
        (f'[[network]]\nkey = "{HEX}"\npan = 1', "unknown entry 'pan'"),
        (f'[[network]]\nkey = "{HEX}"\npan_id = 70000', "'pan_id' is a number"),
        (f'[network]\nkey = "{HEX}"', r"write \[\[network\]\]"),
        ("[[networks]]", "unknown table 'networks'"),
        ("key = ", "not a TOML file"),
        (f'[[link]]\nkey = "{HEX}"\ndevices = ["1"]', "named by its EUI-64"),
        (f'[[link]]\nkey = "{HEX}"\ndevices = ["1", "2", "3"]', "one or two"),
    ],
)
def test_a_wrong_key_file_is_refused_with_place_and_reason(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(KeyFileError, match=why) as caught:
        load_key_file(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "home.toml" in str(caught.value)


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        load_key_file(tmp_path / "nothing.toml")


def test_the_same_key_is_taken_once_whatever_it_came_from() -> None:
    ring = KeyRing().plus([KnownKey("network", OCTETS, "a"), KnownKey("network", OCTETS, "b")])
    assert [key.source for key in ring.keys] == ["a"]
    assert len(ring.plus([KnownKey("network", OCTETS, "c", pan_id=1)])) == 2
    assert ring.plus([KnownKey("network", OCTETS, "d")]) is ring


def test_the_ledger_tells_what_was_opened_and_hides_keys() -> None:
    network, link = parse_key(HEX)
    ring = KeyRing((network, link))
    entries = ledger(ring, {network: Use(7, 0, 3)}, show_keys=False)
    assert [(one.kind, one.nwk_frames, one.first_frame, one.key) for one in entries] == [("network", 7, 3, None)]
    assert entries[0].fingerprint == "be45cb26"  # SHA-256 of the octets 00 to 0f begins so
    assert ledger(ring, {}, show_keys=True)[0].key == HEX
    assert len(ledger(ring, {}, show_keys=False)) == 1, "an unused key of unknown kind is one line"


def test_a_well_known_key_is_listed_only_when_it_opened_something() -> None:
    well_known = next(key for _, key in KeyRing().transport)
    assert ledger(KeyRing(), {}, show_keys=False) == ()
    assert [one.source for one in ledger(KeyRing(), {well_known: Use(0, 1, 9)}, show_keys=False)] == [well_known.source]


def test_an_eui64_is_written_as_people_do() -> None:
    assert eui64_text(0x000D6F000A9069E0) == "00:0d:6f:00:0a:90:69:e0"
