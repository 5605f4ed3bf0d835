"""Diagnoses: what a cause is told with, and how sure it is; simulated updates whose truth is known."""

import re
from pathlib import Path
from typing import get_args

import pytest
from rule_items import order

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.diagnosis import CAUSES, diagnoses_of
from hanscope.analyzers.keys import KeyRing, KnownKey
from hanscope.analyzers.results import (
    Analysis,
    CaptureQuality,
    Cause,
    Diagnosis,
    Party,
    QualityPeriod,
    Update,
    UpdateStep,
)
from hanscope.analyzers.rules.catalogue import RULES
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.simulator.truth import Truth

MINUTE = 60 * 10**9
DEVICE = Party(short=0x1234, eui64="00:de:4d:00:00:00:00:01")


def update(cause: Cause | None, **more: object) -> Update:
    step = UpdateStep(stage="distribution", time=10 * MINUTE, frames=(7, 9), what="blocks")
    values: dict[str, object] = {
        "id": "U1",
        "device": DEVICE,
        "pan_id": 0x1A2B,
        "role": "unknown",
        "role_evidence": "",
        "flow": "ZigBee",
        "outside": None,
        "manufacturer_code": 1,
        "image_type": 2,
        "file_version": 3,
        "transfer_ids": (),
        "message_ids": (),
        "state": "failed",
        "failed_at": "distribution",
        "cause": cause,
        "reason": "It stopped.",
        "missing": (),
        "started": 0,
        "ended": 10 * MINUTE,
        "steps": (step,),
        "distribution": None,
        "orders": (),
        "hashes": (),
        "versions": (),
        "checks": (),
    }
    return Update(**(values | more))  # pyright: ignore[reportArgumentType]


def diagnosed(one: Update, heard: int = 0, missed: int = 0, at: int = 10 * MINUTE) -> tuple[Diagnosis, ...]:
    quality = CaptureQuality(
        pan_id=0x1A2B,
        short=0x1234,
        eui64=DEVICE.eui64,
        heard=heard,
        missed=missed,
        gaps=1,
        missed_share=0.0,
        repeated=0,
        late=0,
        unreadable=0,
        reboots=0,
        restarts=0,
        period_ns=MINUTE,
        periods=(QualityPeriod(started=at, heard=heard, missed=missed),),
    )
    return diagnoses_of(
        Analysis(
            captures=(),
            layers=(),
            unopened=(),
            devices=(),
            keys=(),
            transfers=(),
            images=(),
            updates=(one,),
            quality=(quality,),
        )
    )


def test_every_cause_has_its_telling():
    assert set(CAUSES) == set(get_args(Cause))


def test_every_rule_that_bears_a_cause_out_exists():
    named = {one for telling in CAUSES.values() for one in telling.rules}
    assert not {one for one in named if not any(rule.startswith(one) for rule in RULES)}


@pytest.mark.parametrize(
    ("heard", "missed", "confidence"),
    [(95, 5, "certain"), (90, 10, "certain"), (89, 11, "probable"), (50, 50, "probable"), (49, 51, "open")],
)
def test_a_silence_is_as_sure_as_the_capture_is_whole(heard: int, missed: int, confidence: str):
    (one,) = diagnosed(update("client-stalled"), heard, missed)
    assert one.confidence == confidence
    assert f"{heard}% of what the device sent" in one.sureness


def test_few_frames_leave_a_silence_probable():
    (one,) = diagnosed(update("client-stalled"), heard=19)
    assert one.confidence == "probable"


def test_only_the_minutes_around_the_end_count():
    (one,) = diagnosed(update("client-stalled"), heard=0, missed=100, at=20 * MINUTE)
    assert one.confidence == "probable"


def test_what_a_device_said_needs_no_good_capture():
    (one,) = diagnosed(update("wrong-hardware"), heard=1, missed=99)
    assert one.confidence == "certain"


def test_an_abort_does_not_say_why():
    aborted = update("image-discarded")
    whole = update(
        "image-discarded", steps=(UpdateStep(stage="offer", time=0, frames=(1,), what="offer"), *aborted.steps)
    )
    sureness = [diagnosed(whole, 100), diagnosed(whole, 97, 3), diagnosed(aborted, 100)]
    assert [(one.confidence, one.sureness.partition("not: ")[2]) for (one,) in sureness] == [
        ("certain", ""),
        ("probable", "3 frames of the two went unheard then."),
        ("probable", "the transfer had begun before the capture."),
    ]


def test_an_open_diagnosis_names_what_would_decide():
    (one,) = diagnosed(update(None, state="undecided", failed_at=None, missing=("the first minute",)))
    assert one.cause == "inconclusive"
    assert one.confidence == "open"
    assert one.advice == "To decide it, the capture would have to hold the first minute."


def test_a_diagnosis_is_three_sentences_and_shows_frames():
    (one,) = diagnosed(update("client-stalled"), heard=100)
    assert one.text == f"It stopped. {one.sureness} {one.advice}"
    assert one.frames == (7, 9)


def test_what_may_be_among_what_was_missed_is_not_certain():
    (one,) = diagnosed(update("never-activated", missing=("an order",)), heard=95, missed=5)
    assert one.confidence == "probable"
    assert one.sureness.endswith(
        "95% of what the device sent in those minutes was captured, and what would contradict it may be in the rest."
    )


def test_advice_fits_the_kind_of_network():
    (plain,) = diagnosed(update("server-silent", flow="ZigBee"), heard=100)
    (mandated,) = diagnosed(update("server-silent", flow="PPMID"), heard=100)
    assert "Communications Hub" in mandated.advice
    assert "Communications Hub" not in plain.advice


def test_what_was_ordered_is_not_told_to_be_ordered():
    (one,) = diagnosed(update("never-activated", orders=(order(),)), heard=100)
    assert one.advice.startswith("Read the version again, then order the activation anew")


def test_a_confirmed_update_has_none():
    assert diagnosed(update(None, state="confirmed", failed_at=None)) == ()


def ring_of(truth: Truth) -> KeyRing:
    keys = [KnownKey("network", truth.han.network_key, "test")]
    keys += [KnownKey("link", one.link_key, "test") for one in truth.han.nodes if one.link_key]
    return KeyRing(tuple(keys))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("scenario", "fault"),
    [
        ("esme-update", "server-silent"),
        ("ppmid-update", "stalled-client"),
        ("ppmid-update", "radio-lost"),
        ("zigbee-update", "wrong-key"),
        ("hcalcs-update", "wrong-hash"),
        ("esme-update", "early-activation"),
        ("gsme-update", "wrong-hardware"),
        ("house-update", "file-at-fault"),
        ("zigbee-update", "two-servers"),
        ("ppmid-update", "refused-image"),
        ("esme-update", "never-activated"),
        ("hcalcs-update", "version-unchanged"),
        ("ppmid-update", "corrupt-blocks"),
    ],
)
def test_the_diagnosis_is_the_truth(tmp_path: Path, scenario: str, fault: str, seed: int):
    truth = simulate(scenario, tmp_path / "x.pcapng", seed=seed, faults=(fault,))
    analysis = analyze([str(tmp_path / "x.pcapng")], keys=ring_of(truth), processes=1).analysis
    told = {one.id: one for one in analysis.updates}
    found = {told[one.update_id].device.eui64: one.cause for one in analysis.diagnoses}
    nodes = truth.han.nodes
    wanted = {f"{nodes[one.device].eui64:016x}": one.cause for one in truth.devices if one.cause}
    assert {(eui64 or "").replace(":", ""): cause for eui64, cause in found.items()} == wanted
    assert all(one.frames for one in analysis.diagnoses)
    assert all(len(re.findall(r"[.!?](?= |$)", one.text)) == 3 for one in analysis.diagnoses)
