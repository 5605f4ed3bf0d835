"""The frames of captures against tshark's reading, and the worked examples that were on the air."""

from pathlib import Path

import numpy as np
import pytest
from capture_files import pcap_header, pcap_record
from oracles import HUE as HUE_FRAMES
from oracles import SMART_ENERGY, SMART_ENERGY_KEYS, key_option, octets, tshark

from hanscope.analyzers.filters import FilterError, parse
from hanscope.analyzers.framefields import COMPUTED, describe, fields_of, layer_classes, slots_of
from hanscope.analyzers.frames import open_frames
from hanscope.analyzers.keys import KeyRing, KnownKey, parse_key

LEGRAND = "bd4bee1a2f9d58e90ba1300ad59bfad6"
CATSNIFFER = "f0ff6193c6880d107f540a4179ca7ea5"
HUE_LINK = "814286865dc1c8b2c8cbc52e5d65d1b8"
HUE_TI = "3c3465cf5c9eb97dbdb187050842224e"
SILABS_LINK = "66B6900981E1EE3CA4206B6B861C02BB"

# Facts on ZigBee, section 8.1: the first frame brings the network key that opens the others.
HUE = (
    (
        "61887c803104000100080004000100013521b83001000200ce99430501881700f47c78a38c74072b1380763ae007df4346c92f7f127eba41be"
        "454ebdbe106c37ae161efe4d37181225"
    ),
    *HUE_FRAMES[1:],
)

TSHARK_FIELDS = {
    "nwk.source": "zbee_nwk.src",
    "nwk.destination": "zbee_nwk.dst",
    "nwk.sequence": "zbee_nwk.seqno",
    "aps.counter": "zbee_aps.counter",
    "zcl.sequence": "zbee_zcl.cmd.tsn",
}


def ring(*keys):
    return KeyRing().plus(known for key in keys for known in parse_key(key))


def columns(path, keys, names):
    """Each column as a list, `None` where a frame has no such field."""
    out = {name: [] for name in names}
    with open_frames(str(path), keys=keys, processes=1) as reader:
        for table in reader.tables():
            for name in names:
                values, there = table.column(name)
                assert len(values) == len(there) == len(table)
                out[name] += [value if is_there else None for value, is_there in zip(values, there, strict=True)]
    return out


def rows(path, names, keys=KeyRing(), expression=None):  # noqa: B008 - frozen
    """The frames that fulfil a filter, as tuples."""
    found = []
    with open_frames(str(path), keys=keys, processes=1) as reader:
        for table in reader.tables():
            mask = parse(expression, describe).mask(table) if expression else np.ones(len(table), np.bool_)
            cells = [table.column(name) for name in names]
            found += [tuple(c.values[row] if c.there[row] else None for c in cells) for row in np.flatnonzero(mask)]
    return found


@pytest.fixture
def capture(tmp_path):
    def write(*frames):
        path = tmp_path / "frames.pcap"
        path.write_bytes(pcap_header() + b"".join(pcap_record(at, octets=octets(one)) for at, one in enumerate(frames)))
        return path

    return write


@pytest.mark.parametrize(
    ("name", "keys", "options"),
    [
        ("legrand-page-requests.pcap", [LEGRAND], []),
        ("hue-ota-ti-metadata.pcapng", [HUE_TI, HUE_LINK], ["-o", "wpan.fcs_format:TI CC24xx metadata"]),
        ("catsniffer-ota.tap.pcap", [CATSNIFFER], []),
        ("silabs-network-key-update.pcapng", [], []),
        ("silabs-application-link-key.pcapng", [], []),
        ("silabs-install-code-join.pcapng", [SILABS_LINK], []),
        ("silabs-secured-rejoin.pcapng", [], []),
        ("join-authenticate.pcap", [], []),
        ("hue-association.tap.pcap", [HUE_LINK], []),
        ("touchlink.tap.pcap", [HUE_LINK], []),
    ],
)
def test_every_frame_reads_as_tshark_reads_it(data, name, keys, options):
    path = data / "captures" / name
    # tshark does not use a key on the frames before the one that tells it: it is given those that were learned.
    with open_frames(str(path), keys=ring(*keys)) as reader:
        learned = {key.octets for key in reader.ring.keys} | {b"ZigBeeAlliance09"}
    words = [word for key in sorted(learned) for word in key_option(key)]
    shown = [word for field in ("frame.number", *TSHARK_FIELDS.values()) for word in ("-e", field)]
    theirs = tshark("-r", path, *words, *options, "-T", "fields", "-E", "occurrence=f", *shown)
    ours = columns(path, ring(*keys), ["number", "fcs", *TSHARK_FIELDS])
    by_number = {int(number): row for row, number in enumerate(ours["number"])}
    compared = 0
    for number, *values in theirs:
        row = by_number.get(int(number))
        if row is None:
            assert not any(values), f"tshark sees ZigBee in frame {number}, and we see no 802.15.4"
            continue
        if ours["fcs"][row] == "invalid":
            continue
        for column, value in zip(TSHARK_FIELDS, values, strict=True):
            mine = ours[column][row]
            assert (None if mine is None else int(mine)) == (int(value, 0) if value else None), f"{column} of {number}"
            compared += bool(value)
    assert compared > 20


def test_the_layers_of_a_capture_count_as_its_analysis_counts_them(data):
    path = data / "captures" / "catsniffer-ota.pcapng"
    with open_frames(str(path), keys=KeyRing()) as reader:
        counted = {layer.layer: layer.frames for layer in reader.analysis.layers}
        layers = [names for table in reader.tables() for names in table.column("layers").values]
    for layer in ("Mac", "Nwk", "NwkSecurity", "Aps", "Zcl", "ImageBlockRequest", "LinkStatus", "DeviceAnnounce"):
        messages = sum(names[-1:] == ("ImageBlockResponse",) for names in layers) if layer == "Zcl" else 0
        assert sum(layer in names for names in layers) - messages == counted[layer], layer


def test_the_worked_examples_of_hue(capture):
    found = rows(
        capture(*HUE), ["layer", "aps.counter", "zcl.sequence", "ota.status", "ota.manufacturer_code"], ring(HUE_LINK)
    )
    assert found == [
        ("TransportKey", 0xB8, None, None, None),
        ("ImageNotify", 0xC6, 0xC1, None, None),
        ("Mac", None, None, None, None),
        ("DefaultResponse", 0x1D, 0xC1, None, None),
        ("QueryNextImageRequest", 0x1F, 0x00, None, 0x100B),
        ("QueryNextImageResponse", 0xC9, 0xC3, 0x98, None),
    ]


def test_the_keys_of_a_frame_secured_at_both_layers(capture):
    network, link = SMART_ENERGY_KEYS
    path = capture(*SMART_ENERGY)
    keys = KeyRing().plus([KnownKey("network", network, "test"), KnownKey("link", link, "test")])
    prints = KnownKey("network", network, "").fingerprint, KnownKey("link", link, "").fingerprint
    found = rows(path, ["layer", "nwk.key", "aps.key", "key", "nwk.frame_counter", "aps.frame_counter"], keys)
    assert found[0] == ("ImageBlockRequest", *prints, " ".join(prints), 0x3001, 0x2001)
    assert found[1] == ("Mac", None, None, None, None, None)
    assert found[2] == ("Aps", prints[0], None, prints[0], 0x4001, None)


def test_a_frame_that_stays_shut_says_why(capture):
    found = rows(capture(*SMART_ENERGY), ["number", "layer", "shut", "info"], expression="has(shut)")
    assert found[0] == (1, "SecuredPayload", "NWK: no key is known for it", "NWK: no key is known for it")
    network = KeyRing().plus([KnownKey("network", SMART_ENERGY_KEYS[0], "test")])
    found = rows(capture(*SMART_ENERGY), ["number", "layers", "shut"], network, "has(shut)")
    assert found[0] == (
        1,
        ("Mac", "Nwk", "NwkSecurity", "Aps", "ApsSecurity", "SecuredPayload"),
        "APS: no key is known for it",
    )


def test_the_layers_that_were_opened_stand_in_place_of_the_sealed_one(capture):
    keys = KeyRing().plus(
        [KnownKey("network", SMART_ENERGY_KEYS[0], "test"), KnownKey("link", SMART_ENERGY_KEYS[1], "test")]
    )
    found = rows(capture(*SMART_ENERGY), ["layers"], keys)
    assert found[0] == (("Mac", "Nwk", "NwkSecurity", "Aps", "ApsSecurity", "Zcl", "ImageBlockRequest"),)


def test_a_key_never_shows_in_a_column(capture):
    path = capture(*HUE)
    found = rows(path, ["info", "TransportKey.key"], ring(HUE_LINK), 'layer == "TransportKey"')
    fingerprint = KnownKey("network", bytes.fromhex("02398409245156e31d98a92157a8a66f"), "").fingerprint
    assert found[0][1] == f"(key {fingerprint})"
    assert "02398409" not in found[0][0]
    assert f"key=(key {fingerprint})" in found[0][0]


def test_a_frame_with_a_bad_fcs_is_listed_and_not_read(capture):
    damaged = HUE[1][:-4] + "0000"
    assert rows(capture(*HUE, damaged), ["number", "fcs", "layer", "info"], expression='fcs == "invalid"') == [
        (7, "invalid", None, "the FCS is wrong")
    ]


def test_a_frame_that_ends_inside_a_layer_says_so(capture):
    # A data request: first as it should be, then without the end of its source address. Both with their FCS.
    found = rows(capture(*HUE, "63885c3412000001000473d8", "63885c34120000012a62"), ["layer", "malformed", "info"])
    assert found[6] == ("MacCommand", None, "command_identifier=DATA_REQUEST")
    assert found[7] == ("Malformed", "Mac", "ends inside Mac")


def test_reassembled_messages_are_read_in_the_frame_that_completes_them(data):
    path = data / "captures" / "catsniffer-ota.pcapng"
    found = rows(
        path,
        ["number", "layer", "fragments", "ota.file_offset", "ota.data_size", "transfer"],
        expression="154 <= number <= 158 and has(aps.fragmentation)",
    )
    assert found == [
        (154, "Fragment", None, None, None, "T1"),
        (156, "Fragment", None, None, None, "T1"),
        (158, "ImageBlockResponse", "154 156 158", 0, 223, "T1"),
    ]


def test_filters_find_what_a_transfer_is_made_of(data):
    path = data / "captures" / "legrand-page-requests.pcap"
    keys = ring(LEGRAND)
    assert len(rows(path, ["number"], keys, 'layer == "ImagePageRequest"')) == 708
    assert len(rows(path, ["number"], keys, 'layer == "ImageBlockResponse" and has(transfer)')) == 2999
    first = rows(path, ["ota.file_offset"], keys, 'layer == "ImageBlockResponse" and ota.file_offset < 134')
    assert {int(offset) for (offset,) in first} == {62, 70}


def test_every_field_of_every_layer_can_be_asked_for(capture):
    path = capture(*HUE)
    names = [f"{layer}.{field}" for layer in layer_classes() for field in fields_of(layer)]
    assert len(names) > 1000
    with open_frames(str(path), keys=ring(HUE_LINK)) as reader:
        (table,) = reader.tables()
    for name in [*names, *COMPUTED]:
        values, there = table.column(name)
        assert len(values) == len(there) == len(HUE), name


@pytest.mark.parametrize(
    ("name", "slots"),
    [
        ("pan", ("Mac.destination_pan_id", "Mac.source_pan_id")),
        ("nwk.frame_counter", ("NwkSecurity.frame_counter",)),
        ("zcl.sequence", ("Zcl.transaction_sequence_number",)),
        ("Zcl.transaction_sequence_number", ("Zcl.transaction_sequence_number",)),
        ("tunneling.octets_left", tuple(f"{one}.octets_left" for one in (
            "AckTransferDataClientToServer", "ReadyDataServerToClient", "AckTransferDataServerToClient",
            "ReadyDataClientToServer"))),
        ("nothing", ()),
        ("Zcl.nothing", ()),
    ],
)  # fmt: skip
def test_names_of_fields(name, slots):
    assert set(slots_of(name)) == set(slots)


@pytest.mark.parametrize(
    ("name", "near"),
    [("ota.ofset", "ota.file_offset"), ("Zcl.sequence", "Zcl."), ("nubmer", "number"), ("tunnelling.x", "tunneling.")],
)
def test_an_unknown_field_is_refused_with_its_neighbours(name, near):
    with pytest.raises(FilterError, match=f"there is no field '{name}'; near it are .*{near}"):
        describe(name)


def test_a_second_reading_of_a_batch_leaves_nothing_of_the_first(data: Path):
    """The Transport-Key is in the capture: what was shut at first is open in the end, and said so once."""
    path = data / "captures" / "hue-association.tap.pcap"
    found = rows(path, ["number", "key", "shut"], ring(HUE_LINK), "has(nwk.key)")
    assert found
    assert not [number for number, _, shut in found if shut and "NWK" in shut]
