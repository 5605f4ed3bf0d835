"""One frame in full: the worked examples with the plaintext that the facts on ZigBee (section 8) give for them."""

import itertools
import random

import commands
import pytest
from capture_files import pcap_header, pcap_record
from oracles import HUE as HUE_FRAMES
from oracles import SMART_ENERGY, octets

from hanscope.analyzers.framefields import COMPUTED
from hanscope.analyzers.frames import open_frames
from hanscope.analyzers.frameview import FrameError, FrameView, view
from hanscope.analyzers.keys import KeyRing, KnownKey, parse_key
from hanscope.analyzers.results import MessagePart

# Section 8.1.
HUE_KEYS = ("network:02398409245156e31d98a92157a8a66f", "link:814286865dc1c8b2c8cbc52e5d65d1b8")
TRANSPORT_KEY = (
    "61887c803104000100080004000100013521b83001000200ce99430501881700f47c78a38c74072b1380763ae007df4346c92f7f127eba41be"
    "454ebdbe106c37ae161efe4d37181225"
)
SMART_ENERGY_KEYS = ("network:000102030405060708090A0B0C0D0E0F", "link:86D58AAA998E2FAEFAF9FEF49606543A")
# Sections 8.3 and 8.4; the FCS is as it was on the air.
CATSNIFFER = "network:f0ff6193c6880d107f540a4179ca7ea5"
LEGRAND = "network:bd4bee1a2f9d58e90ba1300ad59bfad6"


@pytest.fixture
def seen(tmp_path):
    def look(frames, keys, number, **options) -> FrameView:
        path = tmp_path / "frames.pcap"
        path.write_bytes(pcap_header() + b"".join(pcap_record(at, octets=octets(one)) for at, one in enumerate(frames)))
        ring = KeyRing().plus(known for key in keys for known in parse_key(key))
        with open_frames(str(path), keys=ring) as reader:
            return view(reader, number, **options)

    return look


def source(one, name):
    return next(source.octets for source in one.octets if source.name == name)


def leaves(parts):
    for part in parts:
        if part.parts:
            yield from leaves(part.parts)
        else:
            yield part


def values(one, layer):
    """The fields of a layer by name; bits that share an octet are one."""
    return {part.name: part.value for named in one.layers if named.layer == layer for part in leaves(named.fields)}


def hexadecimal(text):
    return bytes.fromhex(text).hex()


PLAINTEXTS = [
    (HUE_FRAMES[1], HUE_KEYS, "000b1900040140c6 09c1000064"),
    (HUE_FRAMES[3], HUE_KEYS, "004019000401 0b1d 18c10b0000"),
    (HUE_FRAMES[4], HUE_KEYS, "004019000401 0b1f 010001 000b100c01001a0001"),
    (HUE_FRAMES[5], HUE_KEYS, "000b19000401 40c9 19c30298"),
    (SMART_ENERGY[2], SMART_ENERGY_KEYS, "020119000901 0111"),
    (
        (
            "6188329cd3000029f7481a000029f71e07fd3060feffbd4d742d2e60feffbd4d7428070000002d2e60feffbd4d7400e3b41139394773aa853090f59a"
            "8fe441fb89b5a1af550d3374ea38fe"
        ),
        [CATSNIFFER],
        "400519000401 054f 010001 01 0110 1110 01010101 0101",
    ),
    (
        (
            "6188a89cd329f70000481a29f700001e1d2d2e60feffbd4d74fd3060feffbd4d742822300000fd3060feffbd4d7400f2b2bc55710cc642808bc35a19"
            "fd0006f33321c146ec13e441b029745644"
        ),
        [CATSNIFFER],
        "400519000401 05d4 190002 00 0110 1110 10010101 28700900",
    ),
    (
        (
            "6188389cd3000029f7483a000029f71e0dfd3060feffbd4d742d2e60feffbd4d74280d0000002d2e60feffbd4d7400657c78ca67044d89db6e1b4df0"
            "51bedaaa1a3c4775c755be90d1a2d3909c0d82ddd95f4d44a2442640"
        ),
        [CATSNIFFER],
        "400519000401 0552 010203 03 0110 1110 10010101 df000000 df 2d2e60feffbd4d74 0000",
    ),
    (
        (
            "6188ebf18c000010ca4802000010ca1443287d002b0180581e000074040000b97fd456525980be2ea61ac9120fde4588332e3a99d2cbdcb0cb4f221c"
            "4548"
        ),
        [LEGRAND],
        "010603 02 2110 1000 00002000 3e000000 08",
    ),
    (
        (
            "61881df18c10ca0000480210ca000014d2286c011600760519000074040000bd8949c7ac9054dcce2a942e9bb8291bd723a05c8bd88bfd5daf96f953"
            "2bce3f52d3e8ad4a27ab"
        ),
        [LEGRAND],
        "190605 00 2110 1000 00002000 3e000000 08 00100000d06b0300",
    ),
    (
        (
            "6188edf18c000010ca4802000010ca1445287f002b0180581e0000740400006ed723f7b70bb60a2ae61bd92df02e94a997d7c71b1e50b152434304db"
            "6a71e114bb1f"
        ),
        [LEGRAND],
        "010704 00 2110 1000 00002000 46000000 40 0001 c800",
    ),
]


@pytest.mark.parametrize(("frame", "keys", "plaintext"), PLAINTEXTS)
def test_the_opened_payload_of_the_worked_examples(seen, frame, keys, plaintext):
    # The answer of another frame goes before, so that the file tells what its frames end with.
    one = seen([*HUE_FRAMES[1:], frame], keys, 6)
    assert source(one, "opened NWK payload").endswith(hexadecimal(plaintext))
    assert one.shut == ()
    assert one.problems == ()
    assert [key.layer for key in one.keys] == ["NWK"]


SECURED = [
    (0, "014203 00 6811 0100 04030201 00000000 28"),
    (3, "194205 00 6811 0100 04030201 00000000 28 1ef1ee0b00013800000068110100040302010200 "
     + b"GBCS DEMO METER FIRM".hex()),
    (4, "194305 97 00000000 1e000000 f401"),
    (5, "014406 00 6811 0100 04030201"),
    (6, "194407 6811 0100 04030201 0000002f ffffffff"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "plaintext"), SECURED)
def test_the_opened_aps_payload_of_the_worked_examples(seen, place, plaintext):
    one = seen(SMART_ENERGY, SMART_ENERGY_KEYS, place + 1)
    assert source(one, "opened APS payload") == hexadecimal(plaintext)
    assert [key.layer for key in one.keys] == ["NWK", "APS"]
    assert [layer.layer for layer in one.layers][:6] == [
        "Mac", "Nwk", "NwkSecurity", "SecuredPayload", "Aps", "ApsSecurity"]  # fmt: skip


def test_fields_have_the_values_that_the_facts_give(seen):
    one = seen(SMART_ENERGY, SMART_ENERGY_KEYS, 1)
    assert values(one, "ImageBlockRequest") | {} == {
        "field_control_reserved, minimum_block_period_present, request_node_address_present": 0,
        "manufacturer_code": 0x1168,
        "image_type": 1,
        "file_version": 0x01020304,
        "file_offset": 0,
        "maximum_data_size": 40,
    }
    assert values(one, "Nwk")["source"] == 0x1234
    assert values(one, "NwkSecurity")["source_eui64"] == 0x00158D0000123456
    assert values(one, "Aps")["counter"] == 0x11
    assert values(one, "ApsSecurity")["frame_counter"] == 0x2001


@pytest.mark.parametrize("number", range(1, 8))
def test_every_octet_lies_in_a_field(seen, number):
    one = seen(SMART_ENERGY, SMART_ENERGY_KEYS, number)
    for place, octets_ in enumerate(one.octets):
        taken = [(part.start, part.stop) for layer in one.layers if layer.octets == place for part in layer.fields]
        assert taken[0][0] == 0
        assert taken[-1][1] == len(octets_.octets) // 2
        assert all(before[1] == after[0] for before, after in itertools.pairwise(taken))


def test_a_key_is_hidden_until_it_is_asked_for(seen):
    hidden = seen([TRANSPORT_KEY, *HUE_FRAMES[1:]], HUE_KEYS, 1)
    print_ = KnownKey("network", bytes.fromhex("02398409245156e31d98a92157a8a66f"), "").fingerprint
    assert source(hidden, "opened APS payload") == "0501" + "**" * 16 + "0033d1b90401881700ffffffffffffffff"
    (key,) = [part for layer in hidden.layers for part in layer.fields if part.name == "key"]
    assert key == MessagePart("key", 2, 18, None, f"(key {print_})")
    shown = seen([TRANSPORT_KEY, *HUE_FRAMES[1:]], HUE_KEYS, 1, show_keys=True)
    plain = hexadecimal("05 01 02398409245156e31d98a92157a8a66f 00 33d1b90401881700 ffffffffffffffff")
    assert source(shown, "opened APS payload") == plain
    assert values(shown, "TransportKey")["key"] == "02398409245156e31d98a92157a8a66f"


def test_a_frame_that_stays_shut_shows_what_is_in_the_clear_and_why(seen):
    one = seen(SMART_ENERGY, SMART_ENERGY_KEYS[:1], 1)
    assert one.shut == ("APS: no key is known for it",)
    assert [layer.layer for layer in one.layers][-1] == "SecuredPayload"
    assert [octets_.name for octets_ in one.octets] == ["frame", "opened NWK payload"]


def test_a_frame_with_a_wrong_fcs_is_read_with_a_warning(seen):
    one = seen([*HUE_FRAMES[1:], HUE_FRAMES[1][:-4] + "0000"], HUE_KEYS, 6)
    assert one.fcs == "invalid"
    assert one.problems == ("the FCS is wrong: what follows was read from damaged octets",)
    assert one.layers[-1].layer == "ImageNotify"


def test_there_is_no_such_frame(seen):
    with pytest.raises(FrameError, match=r"there is no IEEE 802\.15\.4 frame 12; the last one is 5"):
        seen(HUE_FRAMES[1:], HUE_KEYS, 12)


def test_octets_that_are_no_frame_are_a_problem_and_not_a_crash(seen):
    one = seen([*HUE_FRAMES[1:], "618802a9", "ff", ""], HUE_KEYS, 7)
    assert one.length <= 1
    assert one.problems


@pytest.fixture
def cat(data):
    with open_frames(str(data / "captures" / "catsniffer-ota.pcapng"), keys=KeyRing()) as reader:
        yield reader


@pytest.mark.parametrize("number", [154, 156, 158])
def test_each_fragment_shows_the_message_that_it_belongs_to(cat, number):
    one = view(cat, number)
    assert one.reassembly is not None
    assert one.reassembly.frames == (154, 156, 158)
    assert one.reassembly.whole_in == 158
    assert one.transfers == ("T1",)
    # 3 octets of ZCL header, 14 of command, 223 of image: section 2.6 of the facts.
    message = source(one, "reassembled message")
    assert len(message) == 2 * 240
    assert message.startswith("190105000110111010010101" + "00000000df" + "1ef1ee0b000138000000")
    assert values(one, "ImageBlockResponse")["data_size"] == 223


# A Read Attributes Response of the Basic cluster in the clear: manufacturer name "ACME", model unsupported. (Its FCS is
# wrong, and it is read all the same.)
ATTRIBUTES = "618801341201000200 0800 0100 0200 1e07 00 01 0000 0401 01 55 18 07 01 0400 00 42 04 41434d45 0500 86"


def test_attributes_are_named(seen):
    one = seen([*HUE_FRAMES[1:], ATTRIBUTES + "0000"], (), 6)
    (attributes,) = one.layers[-1].fields
    first, second = attributes.parts
    assert [(part.name, part.value, part.text) for part in first.parts] == [
        ("attribute_id", 4, "MANUFACTURER_NAME"), ("status", 0, "SUCCESS"), ("data_type", 0x42, "CHARACTER_STRING"),
        ("value", "ACME", "")]  # fmt: skip
    assert [(part.name, part.value) for part in second.parts] == [("attribute_id", 5), ("status", 0x86)]
    assert second.text == "MODEL_IDENTIFIER"


# A Link Status with two neighbours: a list of records behind a count.
LINK_STATUS = "618801341201000200 0910 fcff 0200 0107 8877665544332211 08 62 0300 35 0400 11"


def test_the_elements_of_a_list_are_taken_apart(seen):
    one = seen([*HUE_FRAMES[1:], LINK_STATUS + "0000"], (), 6)
    entries = one.layers[-1].fields[-1]
    assert [[(part.name.split(", ")[-1], part.value) for part in entry.parts] for entry in entries.parts] == [
        [("network_address", 3), ("incoming_cost", 0x35)],
        [("network_address", 4), ("incoming_cost", 0x11)],
    ]
    assert [(entry.start - entries.start, entry.stop - entries.start) for entry in entries.parts] == [(0, 3), (3, 6)]


IN_NWK = bytes.fromhex("618801341201000200 0800 0100 0200 1e07")
"""MAC and NWK header in front of an APS frame in the clear."""


@pytest.fixture
def without_fcs(tmp_path):
    def write(frames):
        path = tmp_path / "plain.pcap"
        path.write_bytes(pcap_header(link=230) + b"".join(pcap_record(at, octets=one) for at, one in enumerate(frames)))
        return open_frames(str(path), keys=KeyRing())

    return write


def test_commands_of_all_clusters_are_taken_apart_without_a_rest(without_fcs):
    frames = [IN_NWK + frame for frame in commands.frames()]
    with without_fcs(frames) as reader:
        for number in range(1, len(frames) + 1, 9):
            one = view(reader, number)
            assert one.problems == (), frames[number - 1].hex()
            assert one.octets[0].octets == frames[number - 1].hex()


def test_mutated_frames_are_shown_and_never_crash(without_fcs):
    dice = random.Random(7)
    frames = [IN_NWK + frame for frame in dice.sample(commands.frames(), 60)]
    frames += [octets(frame)[:-2] for frame in (*HUE_FRAMES[1:], *SMART_ENERGY)]
    for place, frame in enumerate(frames):
        damaged = bytearray(frame[: dice.randrange(len(frame)) + 1])
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        frames[place] = bytes(damaged)
    with without_fcs(frames) as reader:
        for table in reader.tables():
            for name in COMPUTED:
                assert len(table.column(name).values) == len(table)
        for number in range(1, len(frames) + 1, 3):
            one = view(reader, number)
            assert one.octets[0].octets == frames[number - 1].hex()
            assert all(part.stop <= len(frames[number - 1]) for layer in one.layers for part in layer.fields)
