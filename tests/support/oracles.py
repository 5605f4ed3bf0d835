"""What several tests need: the oracles, and real frames of every kind that need no file."""

import functools
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hanscope.captures.batch import Fcs, FrameBatch
from hanscope.dissectors.columns.rows import SLACK

# Facts on ZigBee, sections 2.6, 2.7 and 8: frames that were on the air, with FCS.
HUE = (
    (
        "61887c803104000100080004000100013521b83001000200ce99430501881700f47c78a38c74072b1380763ae007df4346c92f7f127eba"
        "41be454ebdbe106c37ae161efe4d37181225"
    ),
    "6188938031040001004802040001001e4928fd011a00ce994305018817000003ca69a62b06959badd218211690bcc1d6d443",
    "020093aa13",
    "61887f8031010004004802010004001e30281200fb0233d1b90401881700008d940335e098f49cb13f4f5caba978446d0d9f",
    "6188828031010004004802010004001e33281500fb0233d1b90401881700009a9fe670e792ec8d78c2b0e3aeb80c321af9bfb937f10eb04c97",
    "6188968031040001004802040001001e4c2800021a00ce994305018817000061c6e86c3af01d098c8871b3afedce698a97",
)
SMART_ENERGY = (
    (
        "6188515b4a000034124802000034121e21280130000056341200008d15000028eed684e64c26e64e1a0456541dc40d10dbd5b6c8fa58961c5ab1"
        "aa3dad913a66bc157ac0da88997fab19d349716e6b"
    ),
    "020051b4f6",
    "6188715b4a341200004802341200001e312801400000eeffc000008d15000080bbd0a250f42707c8368f897456",
    (
        "6188725b4a341200004802341200001e322802400000eeffc000008d150000316895925a7f292d6475cec99a193750b054c08e2bcb089c089dac"
        "281cb04987e541e49f517b6db399363dd5cc222f764320f86930e9e48205cf969833455e174bcad636938332578e72c0aaceb83ce6"
    ),
    (
        "6188735b4a341200004802341200001e332803400000eeffc000008d150000c13c03d5df1c134a531eb859b082292302f5696cbd72acc0b0b736"
        "96992ebdb3bccfbad562cc487c7914cfb7ec"
    ),
    (
        "6188525b4a000034124802000034121e22280230000056341200008d150000e5764c1ece6ef17ba4924308f9de3ec82ad892a1efd7fe4702beb9"
        "43f5815033235942cf99e28c306f0d25"
    ),
    (
        "6188745b4a341200004802341200001e342804400000eeffc000008d150000bdca488ec112961fb6fe91388c50d6bc4a0c6f864dc9e930252a88"
        "fae0f53f5ba52e24d38add1ae92db354eaebececadb4c0"
    ),
)
SMART_ENERGY_KEYS = (
    bytes.fromhex("000102030405060708090A0B0C0D0E0F"),
    bytes.fromhex("86D58AAA998E2FAEFAF9FEF49606543A"),
)
"""Network key and link key of the Smart Energy frames."""

PLAIN_APS = (
    "00 0b 1900 0401 40 c6 09 c1 00 00 64",
    "00 40 1900 0401 0b 1d 18 c1 0b 00 00",
    "00 40 1900 0401 0b 1f 01 00 01 00 0b10 0c01 001a0001",
    "00 0b 1900 0401 40 c9 19 c3 02 98",
    "60 01 1900 0901 01 11 20 01200000 56341200008d1500 0142036811010004030201 00000000",
    "40 01 1900 0901 01 11 01 42 03 00 6811 0100 04030201 00000000 28",
    "40 01 1900 0901 01 12 19 42 05 00 6811 0100 04030201 00000000 28 1ef1ee0b000138000000",
    "40 01 1900 0901 01 12 19 43 05 97 00000000 1e000000 f401",
    "40 01 1900 0901 01 12 19 43 05 97 00000000 1e000000",
    "40 01 1900 0901 01 12 19 43 05 95",
    "40 01 1900 0901 01 13 01 44 06 00 6811 0100 04030201",
    "40 01 1900 0901 01 13 19 44 07 6811 0100 04030201 0000002f ffffffff",
    "40 05 1900 0401 05 4f 01 00 01 01 0110 1110 01010101 0101",
    "40 05 1900 0401 05 d4 19 00 02 00 0110 1110 10010101 28700900",
    "40 05 1900 0401 05 52 01 02 03 03 0110 1110 10010101 df000000 df 2d2e60feffbd4d74 0000",
    "40 05 1900 0401 05 52 01 06 03 02 2110 1000 00002000 3e000000 08",
    "40 05 1900 0401 05 52 01 07 04 00 2110 1000 00002000 46000000 40 0001 c800",
    "c0 05 1900 0401 05 d6 01 03 19 01 05 00 0110 1110 10010101 00000000 df 1ef1ee0b",
    "82 05 1900 0401 05 d6 01 00 ff",
    "02 01 1900 0901 01 11",
    "12 ab",
    "21 88 38 01400000 7267e7feff5f3250 3cd2a57036acb1cdb84ecd176bb55d054f8e148805b43583f4b78831a523fe245af5 4a669685",
    "01 55 05 01 321f5c2bfecd923ad71839c7b4e02f3d 00 cb67e7feff5f3250 7267e7feff5f3250",
    "01 55 05 03 e9bb0bae8e63cebc5bdc00e563e38cad 8567e7feff5f3250 00",
    "01 55 08 04",
    "01 5d 09 01",
    "41 ab 0f 04 cb67e7feff5f3250 a0b7df4d478a16ec6606791b60728147",
    "08 00 1300 0000 00 81 3c 341256341200008d15008e",
    "40 01 0207 0901 01 20 18 07 0a 0000 25 010203040506 0002 18 00",
    "40 01 0000 0401 01 20 00 07 00 0400 0500",
    "40 01 0000 0401 01 20 18 07 01 0400 00 42 05 68656c6c6f 0500 86",
    "0b 1000 5ec0 11 0000",
)
"""APS frames in the clear: every OTA command, commands, acks, fragments."""

PLAIN_NWK_COMMANDS = (
    "01 08 37 fcff 00",
    "02 30 37 0000 3412 02 eeffc000008d1500 56341200008d1500",
    "03 13 3412 0d",
    "04 20",
    "05 02 3412 7856",
    "06 8e",
    "07 3412 00",
    "08 62 0000 11 3412 75",
    "0b 08 00",
    "0c 00 03",
    "0d 00 01 3412 fe",
    "ff 01 02",
)


def packed(frames: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Frames as a stage takes them: one buffer, where each begins, how long it is."""
    length = np.array([len(frame) for frame in frames], np.int64)
    buffer = np.frombuffer(b"".join(frames) + bytes(SLACK), np.uint8)
    return buffer, np.cumsum(length) - length, length


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def tshark(*words: str | Path) -> list[list[str]]:
    """Runs tshark and returns its lines, split at tabs; skips the test where there is no tshark."""
    return [[plain(cell) for cell in line.split("\t")] for line in tshark_text(*words).splitlines()]


def tshark_table(fields: Sequence[str], *words: str | Path) -> list[list[str]]:
    """tshark's values of these fields, a row a frame; skips the test where there is no tshark."""
    names = [_spellings(field) for field in fields]
    wanted = [word for spellings in names for name in spellings for word in ("-e", name)]
    rows = map(iter, tshark(*words, "-T", "fields", *wanted))
    return [[max(next(row) for _ in spellings) for spellings in names] for row in rows]


def _spellings(field: str) -> list[str]:
    """What this tshark calls a field: 4.6 has several names for a time, by what it is counted from."""
    kinds = ("", "_utc", "_offset") if field.startswith("zbee_") and field.endswith("_time") else ()
    return [field + kind for kind in kinds if field + kind in _known()] or [field]


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(line.split("\t")[2] for line in tshark_text("-G", "fields").splitlines() if line[:2] == "F\t")


def plain(cell: str) -> str:
    """Values as tshark 4.0 writes them: it had no truths and no dates for ZigBee's seconds since 2000."""
    return ",".join(map(_plain, cell.split(",")))


def _plain(text: str) -> str:
    if text in ("True", "False"):
        return str(int(text == "True"))
    return str(int((datetime.fromisoformat(text) - ZIGBEE_EPOCH).total_seconds())) if DATE.fullmatch(text) else text


DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|\+0000)")
"""A time as tshark 4.6 writes it."""
ZIGBEE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def tshark_text(*words: str | Path) -> str:
    """What tshark prints; skips the test where there is no tshark."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    return subprocess.run([program, *map(str, words), "-n"], capture_output=True, text=True, check=False).stdout


def key_option(key: bytes) -> tuple[str, str]:
    """tshark's words for one ZigBee key."""
    return "-o", f'uat:zigbee_pc_keys:"{key.hex()}","Normal",""'


def batch(frames: tuple[bytes, ...]) -> FrameBatch:
    """Frames without FCS, 10 ms apart."""
    length = np.array([len(frame) for frame in frames], np.int64)
    count = len(frames)
    return FrameBatch(
        number=np.arange(1, count + 1),
        time_ns=np.arange(count) * 10_000_000,
        buffer=np.frombuffer(b"".join(frames) + bytes(SLACK), np.uint8),
        at=np.cumsum(length) - length,
        length=length,
        fcs=np.full(count, Fcs.VALID, np.uint8),
        rssi_dbm=np.full(count, np.nan, np.float32),
        lqi=np.full(count, -1, np.int16),
        channel=np.full(count, -1, np.int16),
        page=np.full(count, -1, np.int16),
        source=np.zeros(count, np.uint16),
        truncated=np.zeros(count, np.bool_),
    )


SMART_ENERGY_FRAMES = tuple(octets(frame)[:-2] for frame in SMART_ENERGY)
