"""DLMS payloads: the worked examples of the facts, every type of data, and what does not fit."""

import struct

import pytest

from hanscope.dissectors.gbcs import dlms
from hanscope.dissectors.gbcs.node import Node, problems, uncovered, unnamed, walk

COMMAND, RESPONSE, ALERT = 1, 2, 3


def decoded(text: str | bytes, code: int = 0, flag: int = COMMAND, decrypt=None) -> Node:
    octets = text if isinstance(text, bytes) else bytes.fromhex(text.replace("|", ""))
    # Away from the beginning, so that places are those of the message and not of the payload.
    node = dlms.decode(b"\xee" * 7 + octets + b"\xee" * 3, 7, 7 + len(octets), code, flag, decrypt)
    assert (node.start, node.stop) == (7, 7 + len(octets))
    assert uncovered(node) == []
    return node


def find(node: Node, name: str) -> Node:
    return next(one for one in walk(node) if one.name == name)


def notified(data: str) -> Node:
    """A value as the third element of an alert."""
    return decoded(f"0f200007d000 0203 128f72 090c07df0101ff000000008000ff {data}", flag=ALERT)


def test_change_of_tenancy_command():
    node = decoded("d9 200003e8 00 | 01 | 02 0001 00005e2c0302 02 | 01 | 09 0c 07de031bff0f2d20008000ff")
    assert find(node, "request 1").text == "SET change of tenancy date: value"
    assert find(node, "logical name").value == bytes.fromhex("00005e2c0302")
    assert find(node, "change of tenancy date: value").text == "2014-03-27 15:45:32"
    assert problems(node) == []


def test_firmware_version_response_and_its_error_form():
    node = decoded("da200003e80000 01 09040123abcd 01 0100", 0x59, RESPONSE)
    assert find(node, "firmware version").text == "0x0123ABCD"
    assert find(node, "result 1").text == "GET: success"
    node = decoded("da 200003ea 00 00 01 00 01 01 01", 0x59, RESPONSE)
    assert find(node, "firmware version").text == "null"
    assert find(node, "result 1").text == "GET: hardware fault"


def test_future_dated_cancellation():
    node = decoded(
        "d9 200003eb 00 02 | 02 2328 00005e2c0003 04 | 02 2328 00005e2c8007 06 | 02 |"
        "03ff | 090cffffffffffffffffff8000ff"
    )
    assert find(node, "GBCS extended data 0-0:94.44.0.3: value passive").value is True
    cancelled = find(node, "GBCS extended data 0-0:94.44.128.7: activate passive value time")
    assert cancelled.text == "never (cancelled)"


def test_future_dated_alert_names_the_instruction():
    node = decoded(
        "0f200007d600 0203 128f66 090c07ee010fff090000008000ff 0913 0043 00000000000003ec 2328 00005e2c8006 06",
        0x00CC,
        ALERT,
    )
    assert find(node, "time stamp").text == "2030-01-15 09:00:00"
    assert find(node, "alert code").text == "Future-date HAN Interface Command Successfully Actioned"
    assert find(node, "Message Code").text.startswith("ECS28a")
    assert find(node, "Originator Counter").value == 0x3EC
    assert find(node, "COSEM attribute").text.endswith("activate passive value time")


def test_receipt_alert_carries_the_image_hash():
    node = decoded("0f200007d000 0203 128f72 090c07df0101ff000000008000ff 0920" + 32 * "01", 0xCE, ALERT)
    assert find(node, "calculated manufacturer image hash").value == b"\1" * 32


@pytest.mark.parametrize(
    ("code", "data", "name", "text"),
    [
        (0x00F0, "0902 0007", "issue", "metrology firmware verification failure"),
        (0x0120, "090a 0012 00000000000003e8", "Message Code", "CS06 Activate Firmware"),
        (
            0x0114,
            "0919 90b3d51f30010000 00db1234567890a0 01 00000000000003e8",
            "Business Target ID",
            "00:db:12:34:56:78:90:a0",
        ),
    ],
)
def test_contents_of_alerts(code: int, data: str, name: str, text: str):
    node = decoded(f"0f200007d000 0203 1281a0 090c07df0101ff000000008000ff {data}", code, ALERT)
    assert find(node, name).text == text
    assert problems(node) == []


def test_contents_of_an_alert_with_another_length_are_a_problem():
    node = decoded("0f200007d000 0203 1281a0 090c07df0101ff000000008000ff 0903 000700", 0xF0, ALERT)
    assert problems(node) == ["issue code (octet 32): 3 octets instead of 2"]


PROTECTED = (
    "da 200003e8 00 00 01 | 02 02 | 01 01 02 02 16 02 02 05 | 09 09 04 00000000000003e8 | 09 08 00db1234567890a0 |"
    "09 08 90b3d51f30010000 | 09 00 | 02 02 16 02 02 02 09 01 02 09 00 | 09 2b | 31 00000000 |"
    "e3035372ddd0648adedb866dff001f09450debd034c36c6101dc | 1d3cb50d35311b344436f883 | 01 03 00"
)
PLAINTEXT = bytes.fromhex("0201 0204 06 0000000a 0202 0f00 161e 06 0000000a 0202 0f00 1620")


def test_encrypted_part_stays_octets_without_a_key():
    asked: list[bytes] = []
    node = decoded(PROTECTED, 0x27, RESPONSE, asked.append)
    assert [len(part) for part in asked] == [5 + 26 + 12]
    assert asked[0][:5] == bytes.fromhex("3100000000")
    assert find(node, "ciphertext").children == ()
    assert find(node, "originator system title").text == "00:db:12:34:56:78:90:a0"
    assert problems(node) == []


def test_encrypted_part_is_decoded_with_a_key():
    node = find(decoded(PROTECTED, 0x27, RESPONSE, lambda _: PLAINTEXT), "ciphertext")
    assert node.plaintext == PLAINTEXT
    assert [one.text for one in walk(node) if one.name == "unit"] == ["Wh", "varh"]
    assert uncovered(node) == []


def test_octets_behind_a_plaintext_are_not_dropped():
    node = decoded(PROTECTED, 0x27, RESPONSE, lambda _: PLAINTEXT + b"\x99")
    assert [one.value for one in unnamed(node)] == [b"\x99"]


def test_part_of_a_log_is_asked_for_by_time():
    node = decoded(
        "d9200003eb00 01 04 0007 0000630102ff 02 01"
        "0204 0204 120001 0906 00005e2c64ff 0f02 120000 06 1bbe7f10 06 1bbfd090 0100 | 01 00"
    )
    assert find(node, "from time").text == "2014-10-01 09:00:00 UTC"
    assert find(node, "request 1").text.startswith("GET with selection")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", None),
        ("03 00", False),
        ("03 01", True),
        ("04 0b a5e0", "10100101111"),
        ("05 fffffffe", -2),
        ("06 fffffffe", 0xFFFFFFFE),
        ("09 03 0102ff", b"\x01\x02\xff"),
        ("09 81 03 0102ff", b"\x01\x02\xff"),
        ("0a 02 4142", "AB"),
        ("0c 03 e282ac", "€"),
        ("0d 19", 0x19),
        ("0f ff", -1),
        ("10 ff00", -256),
        ("11 ff", 255),
        ("12 ff00", 0xFF00),
        ("14 ffffffffffffffff", -1),
        ("15 ffffffffffffffff", 2**64 - 1),
        ("16 1e", 30),
        ("17 40490fdb", struct.unpack(">f", bytes.fromhex("40490fdb"))[0]),
        ("18 400921fb54442d18", struct.unpack(">d", bytes.fromhex("400921fb54442d18"))[0]),
        ("ff", None),
    ],
)
def test_every_simple_type(data: str, value: object):
    node = notified(data)
    body = find(node, "notification body").children
    assert body[3].value == value
    assert problems(node) == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("19 07e9060fff0a1e00ff8000ff", "2025-06-15 10:30:00"),
        ("1a 07e9060f07", "2025-06-15 Sunday"),
        ("1b 0a1e0032", "10:30:00.50"),
        ("090c 0000000000000000008000ff", "immediately (no date)"),
        ("090c 48656c6c6f20576f726c6421", '"Hello World!"'),
    ],
)
def test_dates_and_texts_are_readable(data: str, text: str):
    assert find(notified(data), "notification body").children[3].text == text


def test_compact_array_of_structures():
    node = notified("13 02 03 12 11 09 | 0d | 0001 02 02 aabb | 0003 04 03 ccddee")
    rows = [one for one in walk(node) if one.name in ("element 1", "element 2")]
    assert [[part.value for part in row.children] for row in rows] == [[1, 2, b"\xaa\xbb"], [3, 4, b"\xcc\xdd\xee"]]
    assert find(node, "compact-array").text == "2 × structure(long-unsigned, unsigned, octet-string)"
    assert problems(node) == []


def test_compact_array_of_arrays():
    node = notified("13 01 0002 11 | 04 | 01 02 03 04")
    assert [one.value for one in walk(node) if one.name == "element 2" and not one.children] == [2, 4]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("07", "no type of data has the number 7"),
        ("06 0000", "4 octets promised, 2 left"),
        ("09 ff 00", "127 octets promised"),
        ("01 82ffff 00", "65535 elements promised"),
        ("13 00 01 aa", "take no octets"),
        ("13 01 ffff 00 01 aa", "elements promised"),
        ("13 13 11 01 aa", "compact array has the number 19"),
        (30 * "0201", "nested too deeply"),
        ("13" + 40 * "0201", "nested too deeply"),
        ("13" + 12 * "01ffff" + "00 01 aa", "elements promised"),
    ],
)
def test_broken_data_are_undecoded_octets_with_the_reason(data: str, why: str):
    node = notified(data)
    assert len(unnamed(node)) == 1
    assert any(why in problem for problem in problems(node))


def test_what_was_read_before_an_error_is_kept():
    node = decoded("d9 200003e8 00 02 02 0001 00005e2c0302 02 07 0001")
    assert find(node, "request 1").text.startswith("SET")
    assert [one.value for one in unnamed(node)] == [bytes.fromhex("070001")]


def test_surplus_is_undecoded():
    node = decoded("da200003e80000 01 09040123abcd 01 0100 ee", 0x59, RESPONSE)
    assert problems(node) == ["undecoded octets (octet 24): more than the payload's own structure holds"]


@pytest.mark.parametrize("text", ["", "aa 01 02", "d9", "da 20"])
def test_other_octets_are_a_problem(text: str):
    assert problems(decoded(text)) != []


def test_service_of_another_direction_is_a_problem():
    assert problems(decoded("da200003e80000 01 09040123abcd 01 0100", 0x59, ALERT)) != []


def test_request_list_may_be_repeated_in_a_response():
    node = decoded("da200003e800 01 01 01 0001 0000000201ff 02 01 09040123abcd 01 0100", 0x59, RESPONSE)
    assert find(node, "request 1").text == "GET firmware version: value"
    assert problems(node) == []
