"""The plugin's logic under every Lua that Wireshark has had since 3.6, without Wireshark."""

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hanscope.analyzers.coverage import Intervals, missing
from hanscope.dissectors.eui64 import eui64_text
from hanscope.dissectors.gbcs.envelope import parse
from hanscope.wireshark import plugin_script

HERE = Path(__file__).parent
MODULES = plugin_script().parent
SOURCES = HERE.parents[1] / "wireshark_plugin"
FIRMWARE = {0x0012, 0x0059, 0x0084, 0x00CA, 0x00CE, 0x00CF, 0x0128, 0x0129, 0x012B}


@pytest.fixture(params=["lua5.2", "lua5.3", "lua5.4"])
def lua(request):
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed (apt install {request.param})")
    return found


def answers(lua, script, text=""):
    done = subprocess.run([lua, HERE / script, MODULES], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_units(lua):
    assert answers(lua, "units.lua")[-1].startswith("passed ")


def test_reasons_of_gaps_are_those_of_the_analyzer(lua):
    dice = random.Random(5)
    cases, wanted = [], []
    for _ in range(300):
        size = dice.randrange(20, 120)
        covered = Intervals.of(*_ranges(dice, size, dice.randrange(6)))
        starts, ends = _ranges(dice, size, dice.randrange(1, 12))
        floor = int(starts.min())
        gaps = covered.gaps(size).pairs()
        cases.append(f"{floor} {_text(gaps)} {_text(zip(starts.tolist(), ends.tolist(), strict=True))}")
        wanted.append(",".join(f"{a}-{b} {why}" for a, b, why in missing(covered, size, starts, ends, floor)))
    assert answers(lua, "courses.lua", "\n".join(cases) + "\n") == wanted


def _ranges(dice, size, many):
    starts = np.array([dice.randrange(size) for _ in range(many)], np.int64)
    return starts, np.minimum(starts + [dice.randrange(0, 30) for _ in range(many)], size)


def _text(pairs):
    return ",".join(f"{first}-{stop}" for first, stop in pairs)


def test_official_messages_are_read_as_the_analyzer_reads_them(lua, data):
    files = sorted((data / "gbcs-messages" / "messages").rglob("*.HEX"))
    messages = ["".join(file.read_text().split()) for file in files]
    found = answers(lua, "messages.lua", "\n".join(messages) + "\n")
    assert len(found) == len(messages)
    firmware = 0
    for file, message, line in zip(files, messages, found, strict=True):
        envelope = parse(bytes.fromhex(message))
        code, cra, counter, originator, target, name, malformed, image_hash, version = line.split("\t")
        assert int(code) == envelope.message_code, file
        assert int(cra) == envelope.cra_flag, file
        assert int(counter, 16) == envelope.originator_counter, file
        assert (originator, target) == (eui64_text(envelope.originator), eui64_text(envelope.target)), file
        assert (name != "-") == (envelope.message_code in FIRMWARE), file
        assert malformed == "-", file
        for told in (image_hash, version):
            assert told == "-" or told in message.lower(), file
        firmware += image_hash != "-" or version != "-"
    assert firmware >= 20


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed (apt install lua-check)")
def test_luacheck_finds_nothing():
    done = subprocess.run(
        ["luacheck", "--config", SOURCES / ".luacheckrc", "--no-color", "-q", SOURCES / "hanscope", HERE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
