"""`hanscope analyze --annotate`: what stands in the comments, as plain tshark shows them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import load_key_file
from hanscope.analyzers.results import FRAMES_APART
from hanscope.annotate import LINES, comments_of
from hanscope.cli import app

SAMPLES = Path(__file__).parents[2] / "captures" / "samples"
DEMO, KEYS = SAMPLES / "demo.pcapng", SAMPLES / "demo.keys.toml"


@pytest.fixture(scope="module")
def analysis():
    return analyze([str(DEMO)], keys=load_key_file(KEYS), processes=1).analysis


def test_every_transfer_begins_and_ends_in_a_comment(analysis):
    comments = comments_of(analysis)
    assert analysis.transfers
    for transfer in analysis.transfers:
        assert f"hanscope: transfer {transfer.id} begins: image 0x" in comments[transfer.first_frame]
        end = comments[transfer.last_frame]
        assert f"{transfer.id} was last heard here: {transfer.state}, {transfer.received_bytes:,} octets" in end
        assert transfer.sha256 is None or transfer.sha256 in end


def test_every_finding_is_told_at_its_frames(analysis):
    comments = comments_of(analysis)
    for finding in analysis.findings:
        for frame in finding.frames:
            assert f"[{finding.rule}]" in comments[frame] or comments[frame].count("\n") == LINES - 1


def test_frames_of_other_captures_get_none(analysis):
    assert comments_of(analysis, frame_base=FRAMES_APART) == {}
    assert max(comments_of(analysis, frames=100)) <= 100


def run(*words):
    return CliRunner().invoke(app, ["analyze", *map(str, words)])


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (apt install tshark)")
def test_plain_tshark_shows_the_comments(analysis, tmp_path):
    out = tmp_path / "commented.pcapng"
    run(DEMO, "--keys", KEYS, "--annotate", out)
    words = ["tshark", "-r", out, "-Y", "frame.comment", "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert {int(number) for number in done.stdout.split()} == comments_of(analysis).keys()


def test_keys_are_only_in_it_when_asked_for(tmp_path):
    bare, full = tmp_path / "bare.pcapng", tmp_path / "full.pcapng"
    run(DEMO, "--keys", KEYS, "--annotate", bare)
    run(DEMO, "--keys", KEYS, "--annotate", full, "--annotate-keys")
    key = bytes.fromhex(KEYS.read_text().split('key = "')[1][:32])
    assert key not in bare.read_bytes()
    assert key in full.read_bytes()
    assert full.stat().st_mode & 0o077 == 0


def test_what_cannot_be_annotated_is_said_before_the_work(tmp_path):
    for words in ((DEMO, DEMO), ("-",)):
        result = run(*words, "--annotate", tmp_path / "x.pcapng")
        assert result.exit_code == 2
    assert run(DEMO, "--annotate", DEMO).exit_code == 2
    assert run(DEMO, "--annotate", tmp_path / "no" / "x.pcapng").exit_code == 2
