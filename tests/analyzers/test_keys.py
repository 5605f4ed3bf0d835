"""Keys: read from files and words, limited in use, and told about in the ledger."""

from pathlib import Path

import pytest

from hanscope.analyzers.keys import (
    KeyFileError,
    KeyRing,
    KnownKey,
    Span,
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


INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
DERIVED = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
METER = "00:15:8d:00:00:12:34:56"


@pytest.mark.parametrize(
    "text",
    [f"install:{INSTALL_CODE}", f"install:{INSTALL_CODE[:-4]}+{INSTALL_CODE[-4:]}", "install:83FE D340 7A93 2B70"],
)
def test_an_install_code_becomes_its_link_key(text: str) -> None:
    (key,) = parse_key(text)
    expected = "CD4FA064773F46941EC986C09963D1A8" if "2B70" in text else DERIVED.hex()
    assert key == KnownKey("link", bytes.fromhex(expected), "install code, command line")


def test_an_install_code_may_be_of_one_device() -> None:
    (key,) = parse_key(f"install:{INSTALL_CODE}@{METER}")
    assert (key.octets, key.devices) == (DERIVED, {0x00158D0000123456})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"install:{INSTALL_CODE[:-1]}4", "CRC of the install code"),
        (f"install:{INSTALL_CODE[2:]}", "8, 10, 14, 18 octets, this has 17"),
        (f"install:{INSTALL_CODE[:-1]}", "hexadecimal digits"),
        ("install:house", "hexadecimal digits"),
        (f"install:{INSTALL_CODE}@{METER},{METER[:-1]}7", "of one device"),
        (f"link:{HEX}@{METER},{METER[:-1]}7,{METER[:-1]}8", "of two at most"),
    ],
)
def test_a_wrong_install_code_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(KeyFileError, match=why):
        parse_key(text)


def test_a_key_file_may_hold_install_codes(tmp_path: Path) -> None:
    text = f'[[install_code]]\ncode = "{INSTALL_CODE}"\n[[install_code]]\ncode = "{INSTALL_CODE}"\ndevice = "{METER}"\n'
    anybodys, meters = load_key_file(write(tmp_path, text)).link
    assert anybodys == KnownKey("link", DERIVED, "install code, key file home.toml")
    assert meters == KnownKey(
        "link", DERIVED, "install code, key file home.toml", devices=frozenset({0x00158D0000123456})
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[install_code]]\ncode = "00"', r"\[\[install_code\]\] number 1: an install code with its CRC has"),
        ("[[install_code]]", "'code' with the code and its CRC"),
        (f'[[install_code]]\ncode = "{INSTALL_CODE}"\ndevice = "x"', "named by its EUI-64"),
        (f'[[install_code]]\ncode = "{INSTALL_CODE}"\ndevices = []', "unknown entry 'devices'"),
        ("install_code = [1]", r"write \[\[install_code\]\]"),
    ],
)
def test_a_wrong_install_code_in_a_file_is_refused_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(KeyFileError, match=why):
        load_key_file(write(tmp_path, text))


def test_wiresharks_table_is_recognised_whatever_its_name(tmp_path: Path) -> None:
    foreign, ours = OCTETS[::-1].hex(), HEX
    path = write(tmp_path, f'# made by hand\n"{foreign}","Normal","my house"\n"{ours}","Normal","network@4a5b"\n')
    ring = load_key_file(path)
    source = "Wireshark key table home.toml"
    assert ring.keys == (
        KnownKey("network", OCTETS[::-1], f'{source}, "my house"'),
        KnownKey("link", OCTETS[::-1], f'{source}, "my house"'),
        KnownKey("network", OCTETS, f'{source}, "network@4a5b"', pan_id=0x4A5B),
    )


def test_a_label_that_only_looks_like_ours_is_a_label(tmp_path: Path) -> None:
    ring = load_key_file(write(tmp_path, f'"{HEX}","Normal","link@kitchen"\n'))
    assert [key.kind for key in ring.keys] == ["network", "link"]


def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"home\.toml: line 2: a key is 32"):
        load_key_file(write(tmp_path, f'"{HEX}","Normal","x"\n"00","Normal","x"\n'))


@pytest.mark.parametrize(
    "key",
    [
        KnownKey("network", OCTETS, "s"),
        KnownKey("network", OCTETS, "s", pan_id=0x0A0B),
        KnownKey("link", OCTETS, "s"),
        KnownKey("link", OCTETS, "s", devices=frozenset({0x00158D0000123456, 1})),
    ],
)
def test_the_notation_of_a_key_is_what_the_command_line_takes(key: KnownKey) -> None:
    kind, at, scope = key.notation.partition("@")
    (read,) = parse_key(f"{kind}:{HEX}{at}{scope}")
    assert (read.kind, read.pan_id, read.devices) == (key.kind, key.pan_id, key.devices)


@pytest.mark.parametrize(
    ("devices", "served"),
    [
        (frozenset(), {(1, 2), (1, 0), (3, 4), (3, 0)}),
        (frozenset({1}), {(1, 2), (1, 0), (2, 1), (3, 0)}),
        (frozenset({1, 2}), {(1, 2), (1, 0), (2, 1)}),
    ],
)
def test_a_link_key_serves_its_devices(devices: frozenset[int], served: set[tuple[int, int]]) -> None:
    key = KnownKey("link", OCTETS, "s", devices=devices)
    ways = {(1, 2), (2, 1), (1, 0), (3, 4), (3, 0)}
    assert {way for way in ways if key.serves(*way)} == (served | {(2, 1)} if not devices else served)


def test_uses_add_up() -> None:
    total, one, other = Use(), Use(3, 0, 9), Use(4, 1, 2)
    one.sequences = {(1, 0): Span(3, 9, 12, 900)}
    other.sequences = {(1, 0): Span(4, 2, 6, 200), (1, 1): Span(1, 6, 6, 600)}
    other.pairs = {(1, 0, 5)}
    for use in (one, other):
        total.add(use)
    assert (total.nwk_frames, total.aps_frames, total.first_frame) == (7, 1, 2)
    assert total.sequences == {(1, 0): Span(7, 2, 12, 200), (1, 1): Span(1, 6, 6, 600)}
    assert total.pairs == {(1, 0, 5)}
    assert one.sequences == {(1, 0): Span(3, 9, 12, 900)}, "what was added stays as it was"


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
