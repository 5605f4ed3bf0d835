"""Which frames of a transmitter the sniffer missed, from made-up counters and from a real capture."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ota_dialogue import heard

from hanscope.analyzers import evidence
from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.evidence import CAPTURED, UNKNOWN, Evidence, Listening, transmitter
from hanscope.analyzers.keys import KeyRing

SECOND = 1_000_000_000
BEGIN = 1_760_000_040 * SECOND
"""On a whole minute."""
WHO, OTHER = 0x000D6F000A9069E0, 0x0022A40000000001


def frames(*counters: int, who: int = WHO, begin: int = 0, **more) -> list[dict]:
    """One frame a second."""
    return [
        {
            "number": begin + place,
            "time_ns": BEGIN + (begin + place) * SECOND,
            "mac_source": 7 if who == WHO else 0,
            "nwk_frame_counter": counter,
            "hop": who,
            **more,
        }
        for place, counter in enumerate(counters)
    ]


def evidence_of(*batches: list[dict]) -> Evidence:
    found = Evidence()
    for batch in batches:
        found.feed(heard(batch))
    return found


def missed(found: Evidence, since: float, until: float) -> Listening:
    return found.missed(WHO, BEGIN + int(since * SECOND), BEGIN + int(until * SECOND))


@pytest.mark.parametrize("cut", range(7))
def test_a_step_of_more_than_one_is_what_was_missed_wherever_a_batch_ends(cut: int) -> None:
    air = frames(10, 11, 12, 15, 16, 17)
    found = evidence_of(air[:cut], air[cut:])
    assert missed(found, 2.2, 2.8) == Listening("missed", 2)
    assert missed(found, 0.5, 1.5) == missed(found, 3.5, 4.5) == CAPTURED
    quality = found.quality()[0]
    assert (quality.heard, quality.missed, quality.gaps) == (6, 2, 1)
    assert quality.missed_share == 0.25
    assert [(period.heard, period.missed) for period in quality.periods] == [(6, 2)]


def test_nothing_is_known_before_the_first_and_after_the_last_frame() -> None:
    found = evidence_of(frames(10, 11, 12))
    assert missed(found, -1, 1) == missed(found, 1, 2.5) == UNKNOWN
    assert found.missed(OTHER, BEGIN, BEGIN) == UNKNOWN
    assert missed(found, 0.5, 1.9) == CAPTURED


def test_frames_decide_where_times_are_the_same() -> None:
    """Some sniffers write whole seconds."""
    air = [frame | {"time_ns": BEGIN} for frame in frames(10, 11, 13, 14)]
    found = evidence_of(air)
    assert found.missed(WHO, BEGIN, BEGIN, 0, 1) == CAPTURED
    assert found.missed(WHO, BEGIN, BEGIN, 1, 2) == Listening("missed", 1)
    assert found.missed(WHO, BEGIN, BEGIN, 2, 3) == CAPTURED


@pytest.mark.parametrize("cut", range(4))
def test_retries_and_stragglers_are_no_loss(cut: int) -> None:
    air = frames(10, 11, 11, 13, 12, 14)
    found = evidence_of(air[:cut], air[cut:])
    quality = found.quality()[0]
    assert quality.missed == 1
    assert quality.reboots == quality.restarts == 0


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("after", [0x12C0008, 0x12C0000, 19596353 + 500_000])
def test_a_jump_to_a_checkpoint_or_too_far_is_a_reboot(after: int, cut: int) -> None:
    """The client of the Legrand captures: 19596353, then 0x12C0008."""
    air = frames(19596352, 19596353, after, after + 1)
    found = evidence_of(air[:cut], air[cut:])
    assert missed(found, 1.2, 1.8) == UNKNOWN
    quality = found.quality()[0]
    assert (quality.missed, quality.reboots) == (0, 1)
    assert [(jump.kind, jump.frame) for jump in found.jumps(WHO)] == [("reboot", 2)]


def test_a_small_jump_to_a_checkpoint_may_as_well_be_loss() -> None:
    found = evidence_of(frames(0x3FE, 0x401))
    assert missed(found, 0.2, 0.8) == Listening("missed", 2)


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_a_counter_that_begins_anew_is_a_restart(cut: int) -> None:
    air = frames(8195, 8196, 8197, 0, 1, 2)
    found = evidence_of(air[:cut], air[cut:])
    assert found.quality()[0].restarts == 1
    assert missed(found, 2.2, 2.8) == UNKNOWN
    # At the end of a batch, the first frame of a new beginning can not be told from one that came late.
    assert missed(found, 3.2, 4.8) == (UNKNOWN if cut == 4 else CAPTURED)


def test_a_restart_whose_beginning_was_missed_is_no_replay() -> None:
    found = evidence_of(frames(8195, 8196, 8197, *range(2000, 2040)))
    assert list(found.replays()) == []
    assert found.quality()[0].restarts == 1


def test_an_old_frame_among_new_ones_is_late_and_not_a_restart() -> None:
    found = evidence_of(frames(8195, 8196, 5, 8197, 8198))
    quality = found.quality()[0]
    assert (quality.restarts, quality.late, quality.missed) == (0, 1, 0)
    assert list(found.replays()) == [(WHO, (2,), 1)]


def test_what_stayed_encrypted_leaves_an_absence_undecided_but_was_captured() -> None:
    air = [frame | {"unread": frame["number"] == 2} for frame in frames(10, 11, 12, 13, 14)]
    found = evidence_of(air)
    assert missed(found, 1.5, 2.5) == Listening("missed", 1)
    assert missed(found, 3.2, 3.8) == CAPTURED
    quality = found.quality()[0]
    assert (quality.heard, quality.missed, quality.unreadable) == (5, 0, 1)


def test_a_transmitter_without_eui64_is_found_by_its_short_address() -> None:
    found = evidence_of([frame | {"hop": 0} for frame in frames(10, 11, 13)])
    assert found.find(0x1A62, 7, WHO) == transmitter(0x1A62, 7, 0)
    assert found.quality()[0].eui64 is None
    assert found.quality()[0].missed == 1


def test_transmitters_are_told_apart_and_their_number_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "TRANSMITTERS_KEPT", 1)
    found = evidence_of(frames(10, 12), frames(50, 60, who=OTHER, begin=2))
    assert [one.missed for one in found.quality()] == [1]
    assert found.ignored == 1


def test_the_oldest_gaps_are_forgotten_and_then_nothing_is_said_about_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "GAPS_KEPT", 3)
    found = evidence_of(frames(10, 12, 14), frames(16, 18, 20, begin=3))
    assert missed(found, 0.5, 0.6) == UNKNOWN
    assert missed(found, 4.2, 4.6) == Listening("missed", 1)


def test_periods_grow_when_a_capture_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "PERIODS_KEPT", 4)
    air = [frame | {"time_ns": BEGIN + 60 * SECOND * frame["number"]} for frame in frames(*range(10, 30))]
    quality = evidence_of(air).quality()[0]
    assert quality.period_ns > 60 * SECOND
    assert len(quality.periods) <= 4
    assert sum(period.heard for period in quality.periods) == 20


@given(
    lost=st.lists(st.booleans(), min_size=30, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    first=st.integers(0, 70_000),
)
def test_captured_is_only_said_of_times_without_loss(lost: list[bool], cuts: list[int], first: int) -> None:
    """Whatever frames are denied to the sniffer, wherever the batches end."""
    air = [frame for frame, gone in zip(frames(*range(first, first + len(lost))), lost, strict=False) if not gone]
    edges = [0, *sorted(cuts), 100]
    found = evidence_of(*([f for f in air if a <= f["number"] < b] for a, b in pairwise(edges)))
    heard_numbers = np.flatnonzero(~np.array(lost))
    for start in range(len(lost) - 3):
        verdict = missed(found, start + 0.5, start + 2.5).verdict
        if any(lost[start + 1 : start + 3]):
            assert verdict != "captured"
        elif len(heard_numbers) and heard_numbers[0] <= start and heard_numbers[-1] > start + 2:
            assert verdict == "captured" or lost[start] or lost[start + 3]


def test_the_losses_of_a_real_capture_are_those_that_were_counted_by_hand(data: Path) -> None:
    """CatSniffer: 437 gaps of the server, one of which is its reboot to counter 0x3000."""
    path = str(data / "captures" / "catsniffer-ota.tap.pcap")
    run = analyze([path], keys=KeyRing(), processes=1)
    server, client = run.analysis.quality
    assert (server.short, server.gaps + server.reboots) == (0, 437)
    assert server.heard + server.missed == 11249
    assert (client.reboots, client.restarts) == (2, 1)
    assert [finding.rule for finding in run.analysis.findings if finding.rule == "ota.block.skipped"] == []


def sent(*pairs: tuple[int, int]) -> list[dict]:
    """Frames with these NWK counters and MAC sequence numbers."""
    return [
        frame | {"mac_sequence": sequence}
        for frame, (_, sequence) in zip(frames(*(c for c, _ in pairs)), pairs, strict=True)
    ]


@pytest.mark.parametrize("cut", range(5))
@pytest.mark.parametrize(("sequence", "verdict"), [((10 + 190) % 256, "missed"), (77, "unknown")])
def test_mac_sequence_numbers_tell_missed_frames_from_a_reboot(sequence: int, verdict: str, cut: int) -> None:
    """The counter jumps by 190 to a checkpoint: frames were missed if the MAC's number went on by 190 too."""
    air = sent((1857, 9), (1858, 10), (2048, sequence), (2049, sequence + 1))
    found = evidence_of(air[:cut], air[cut:])
    assert missed(found, 1.2, 1.8).verdict == verdict
    assert bool(found.jumps(WHO)) == (verdict == "unknown")
