"""How far an update came, from evidence that the simulator does not play: parts unheard, odd orders, other devices.

What it does play is held against its truth in `tests/analyzers/test_update_truth.py`.
"""

from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from update_stories import (
    HASH,
    HUB,
    IMAGE,
    METER,
    OLD,
    OTHER,
    Counters,
    answer,
    at,
    back,
    ending_of,
    image,
    order,
    reading,
    receipt,
    sign,
    told,
    transfer,
    version,
)

from hanscope.analyzers.evidence import Jump
from hanscope.analyzers.results import MissingRange, Party, TransferState, Update, Verdict
from hanscope.analyzers.updates.readings import AlertCode, Kind, Outcome
from hanscope.analyzers.updates.signs import BLOCK, OFFER, QUERY, UPGRADE

GAS_PROXY = "00:db:12:34:56:78:90:a3"


UNDECIDED = "undecided", None, None


def standing(update: Update) -> tuple[str, str | None, str | None]:
    return update.state, update.failed_at, update.cause


def outcomes(update: Update) -> dict[str, str]:
    return {check.name: check.outcome for check in update.checks}


# Nothing but what was heard


def test_without_messages_a_meter_stands_at_distributed_and_says_what_is_missing(monkeypatch) -> None:
    (update,) = told(monkeypatch)
    assert standing(update) == ("distributed", None, None)
    assert (update.role, update.flow) == ("ESME", "ESME/GSME")
    assert "not confirmed" in update.role_evidence
    (missing,) = update.missing
    assert missing.endswith("(CS06); no GBCS message about its firmware is in the capture")


def test_an_update_of_which_only_messages_were_heard(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(), order(), answer(code=0, version=0x200), transfers=())
    assert standing(update) == ("activated", None, None)
    assert (update.device, update.file_version, update.transfer_ids) == (METER, None, ())
    assert update.missing[-1] == "the transfer of the image: it is not in the capture"
    assert outcomes(update) == {
        "hash: 8F72 alert and CS06 command": "valid",
        "hash: rebuilt image and 8F72 alert, CS06 command": "unknown",
    }


def test_an_order_of_which_not_all_was_heard_is_still_one(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(), order(sha256=None, whole=False))
    assert standing(update) == ("activation ordered", None, None)
    assert [(one.mode, one.fate, one.sha256) for one in update.orders] == [("unknown", "unanswered", None)]


def test_an_answer_without_its_order_is_an_order_too(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(), answer(code=0, version=IMAGE.file_version))
    assert standing(update) == ("activated", None, None)
    assert [(one.mode, one.fate, one.message_id) for one in update.orders] == [("unknown", "carried out", None)]
    assert outcomes(update)["version: CS06 response"] == "valid"


def test_an_order_without_an_answer_is_not_a_failure(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(), order())
    assert standing(update) == ("activation ordered", None, None)
    assert update.missing == ("the response to the CS06 command, or a version that was read after it",)


def test_an_old_version_after_an_unanswered_order_proves_nothing(monkeypatch) -> None:
    old = version(OLD.file_version, 90), version(OLD.file_version)
    (update,) = told(monkeypatch, old[0], receipt(), order(), old[1], returns=[back(150)])
    assert standing(update) == ("activation ordered", None, None)


def test_a_version_read_confirms_what_else_was_not_heard(monkeypatch) -> None:
    (update,) = told(
        monkeypatch,
        version(OLD.file_version, 2),
        version(IMAGE.file_version),
        transfers=[transfer(state="stalled", complete=False, received_bytes=8_000)],
        images=(),
        signs=[sign(QUERY, 6, OLD), sign(QUERY, 190, IMAGE)],
    )
    assert standing(update) == ("confirmed", None, None)


def test_a_device_that_runs_what_it_was_offered_did_not_refuse_it(monkeypatch) -> None:
    """Its query before the offer was not heard, nor what followed; later there was nothing newer for it."""
    offered = transfer(state="refused", complete=False, received_bytes=0, block_requests=0, block_responses=0)
    signs = [sign(OFFER, 11), sign(QUERY, 190, IMAGE), sign(OFFER, 191, status=0x98)]
    (update,) = told(monkeypatch, transfers=[offered], images=(), signs=signs)
    assert (update.state, update.cause) == ("undecided", None)
    assert "which it had been offered" in update.reason


def test_a_transfer_that_began_before_the_capture(monkeypatch) -> None:
    gap = MissingRange(start=0, end=4_000, reason="never requested")
    (update,) = told(monkeypatch, transfers=[transfer(missing_ranges=(gap,), complete=False)], images=())
    assert update.missing[-1] == "the beginning of the transfer, 4,000 octets: the capture begins after it"


def test_silence_that_the_capture_does_not_explain_is_undecided(monkeypatch) -> None:
    (update,) = told(
        monkeypatch,
        transfers=[transfer(state="stalled", complete=False, received_bytes=800)],
        images=(),
        ending=ending_of(unanswered=1),
    )
    assert standing(update) == ("undecided", None, None)
    assert update.missing


def test_a_device_that_is_never_heard_again_is_undecided(monkeypatch) -> None:
    stalled = transfer(state="stalled", complete=False, received_bytes=800)
    (update,) = told(monkeypatch, transfers=[stalled], images=(), heard_until=1_000)
    assert standing(update) == ("undecided", None, None)
    assert "nothing more was heard of the device" in update.reason


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        (Counters(unread_of_meter=20), ("failed", "distribution", "wrong-key")),
        (Counters(unread_of_meter=20, unread_of_hub=20), ("undecided", None, None)),
        (Counters(), ("failed", "distribution", "server-silent")),
        (Counters(missed_of_each=1_000), ("undecided", None, None)),
        (
            Counters(restarts=(Jump("reboot", at(150), at(160), 1_600),)),
            ("failed", "distribution", "client-rebooted"),
        ),
    ],
)
def test_frame_counters_decide_what_a_silence_is(monkeypatch, counters, expected) -> None:
    """Keys that only the analyst lacks are nobody's fault, nor is an answer that the sniffer may have missed."""
    (update,) = told(
        monkeypatch,
        transfers=[transfer(state="stalled", complete=False, received_bytes=800)],
        images=(),
        ending=ending_of(unanswered=1),
        evidence=counters,
    )
    assert standing(update) == expected


STALLED = transfer(state="stalled", complete=False, received_bytes=800, block_requests=20, block_responses=16)


@pytest.mark.parametrize(
    ("unheard", "repeated", "cause"),
    [
        (0, 0, "server-silent"),
        (0, 1, "server-silent"),
        (0, 2, None),
        (1, 4, None),
        (2, 2, "radio-link-lost"),
    ],
)
def test_requests_that_were_sent_again_may_not_have_been_heard(monkeypatch, unheard, repeated, cause) -> None:
    """A frame goes out again when nobody near acknowledges it; the sniffer may have missed some of its copies."""
    ending = ending_of(unanswered=4, unheard=unheard, repeated=repeated)
    (update,) = told(monkeypatch, transfers=[STALLED], images=(), ending=ending, evidence=Counters())
    assert (update.state, update.cause) == ("failed" if cause else "undecided", cause)


@pytest.mark.parametrize(
    ("missed", "words", "missing"),
    [(0, "asked for none of it", ()), (1, "no request for it was heard", ("what the device sent after the offer",))],
)
def test_an_offer_that_nothing_was_heard_to_follow(monkeypatch, missed, words, missing) -> None:
    offered = transfer(
        state="offered", complete=False, received_bytes=0, block_requests=0, block_responses=0, sha256=None
    )
    (update,) = told(monkeypatch, transfers=[offered], images=(), evidence=Counters(missed_of_each=missed))
    assert (update.state, update.missing) == ("offered", missing)
    assert words in update.reason


@pytest.mark.parametrize(("heard_until", "cause"), [(9_000, "client-stalled"), (1_000, "radio-link-lost")])
def test_a_device_that_is_heard_after_its_last_block_came_several_times_is_in_reach(
    monkeypatch, heard_until, cause
) -> None:
    ending = ending_of(unheard_by_client=True)
    (update,) = told(
        monkeypatch, transfers=[STALLED], images=(), ending=ending, evidence=Counters(), heard_until=heard_until
    )
    assert standing(update) == ("failed", "distribution", cause)


def test_an_order_that_came_too_early_is_not_why_the_image_never_came(monkeypatch) -> None:
    early = order(50), answer(51, code=Outcome.NO_IMAGE_HELD)
    (whole,) = told(monkeypatch, *early)
    assert standing(whole) == ("failed", "activation order", "activation-too-early")
    (stopped,) = told(
        monkeypatch, *early, transfers=[STALLED], images=(), ending=ending_of(unanswered=4), evidence=Counters()
    )
    assert standing(stopped) == ("failed", "distribution", "server-silent")


@pytest.mark.parametrize(("missed", "told_part"), [(0, "after 8,900 of 9,000"), (9, "after at least 8,900 of 9,000")])
def test_of_an_image_that_was_rejected_more_may_have_been_loaded_than_was_heard(monkeypatch, missed, told_part) -> None:
    rejected = transfer(state="rejected", complete=False, received_bytes=8_900, end_status=0x96)
    (update,) = told(monkeypatch, transfers=[rejected], images=(), evidence=Counters(missed_of_each=missed))
    assert standing(update) == ("failed", "verification", "inconclusive")
    assert told_part in update.reason


OTHER_HUB = Party(short=0x2222, eui64="00:0d:6f:00:0a:90:69:e1")


@pytest.mark.parametrize(("unanswered", "cause"), [(0, "two-servers"), (4, "server-silent")])
def test_a_second_server_is_no_reason_where_it_fell_silent(monkeypatch, unanswered, cause) -> None:
    (update,) = told(
        monkeypatch,
        transfers=[STALLED, replace(STALLED, id="T2", server=OTHER_HUB)],
        images=(),
        ending=ending_of(unanswered=unanswered),
        evidence=Counters(),
    )
    assert standing(update) == ("failed", "distribution", cause)


@pytest.mark.parametrize(("missed", "expected"), [(0, ("failed", "distribution", "client-stalled")), (1, UNDECIDED)])
def test_a_stall_may_have_had_a_reason_that_was_not_heard(monkeypatch, missed, expected) -> None:
    """Where the last request and what answered it may have been missed, that answer may have been an ABORT."""
    (update,) = told(monkeypatch, transfers=[STALLED], images=(), evidence=Counters(missed_of_each=missed))
    assert standing(update) == expected


# Orders


def test_a_future_dated_order_is_open_until_its_time(monkeypatch) -> None:
    later = order(due=at(5_000))
    (update,) = told(monkeypatch, receipt(), later, answer())
    assert standing(update) == ("activation ordered", None, None)
    assert [(one.mode, one.fate, one.due) for one in update.orders] == [("future dated", "pending", at(5_000))]


def test_a_future_dated_order_that_nothing_came_of(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(), order(due=at(500)), answer())
    assert standing(update) == ("failed", "activation", "never-activated")


def test_a_future_dated_order_of_whose_outcome_a_part_was_heard_is_undecided(monkeypatch) -> None:
    part = reading(Kind.DATED, 501, whole=False)
    (update,) = told(monkeypatch, receipt(), order(due=at(500)), answer(), part)
    assert standing(update) == ("undecided", None, None)


def test_the_old_version_long_after_the_time_of_an_accepted_order(monkeypatch) -> None:
    old = version(OLD.file_version, 90), version(OLD.file_version, 900)
    (update,) = told(monkeypatch, old[0], receipt(), order(due=at(500)), answer(), old[1])
    assert standing(update) == ("failed", "activation", "never-activated")


def test_a_cancelled_order_leaves_the_image_where_it_was(monkeypatch) -> None:
    cancelled = order(130, 8, cancels=True), answer(131, 8)
    (update,) = told(monkeypatch, receipt(), order(due=at(500)), answer(), *cancelled)
    assert standing(update) == ("receipt given", None, None)
    assert [one.fate for one in update.orders] == ["cancelled", "accepted"]


def test_a_refused_order_leaves_the_pending_one_in_force(monkeypatch) -> None:
    refused = order(130, 8, sha256=OTHER), answer(131, 8, code=Outcome.HASH_MISMATCH)
    done = reading(Kind.DATED, 502, counter=7, code=0, version=IMAGE.file_version)
    (update,) = told(monkeypatch, receipt(), order(due=at(500)), answer(), *refused, done)
    assert [one.fate for one in update.orders] == ["carried out", "refused"]


@pytest.mark.parametrize(
    ("sha256", "expected"),
    [(OTHER, ("failed", "activation order", "wrong-hash-ordered")), (HASH, ("failed", "activation", "inconclusive"))],
)
def test_a_hash_mismatch_is_the_orders_fault_only_if_its_hash_is_another(monkeypatch, sha256, expected) -> None:
    (update,) = told(monkeypatch, receipt(), order(sha256=sha256), answer(code=Outcome.HASH_MISMATCH))
    assert standing(update) == expected


def test_an_order_before_the_image_is_there_is_too_early(monkeypatch) -> None:
    (update,) = told(monkeypatch, order(50), answer(51, code=Outcome.NO_IMAGE_HELD))
    assert standing(update) == ("failed", "activation order", "activation-too-early")


@pytest.mark.parametrize(("missed", "cause"), [(0, "activation-too-early"), (1_000, "wrong-hash-ordered")])
def test_a_hash_mismatch_does_not_mean_too_early_where_the_rest_may_have_come_unheard(
    monkeypatch, missed, cause
) -> None:
    begun = transfer(state="downloading", complete=False, received_bytes=200, sha256=None)
    late = order(300, sha256=OTHER), answer(301, code=Outcome.HASH_MISMATCH)
    (update,) = told(monkeypatch, *late, transfers=[begun], images=(), evidence=Counters(missed_of_each=missed))
    assert standing(update) == ("failed", "activation order", cause)


def test_no_image_held_although_the_receipt_was_given(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(), order(), answer(code=Outcome.NO_IMAGE_HELD))
    assert standing(update) == ("failed", "activation", "image-discarded")


def test_an_upgrade_end_response_does_not_activate_a_meter(monkeypatch) -> None:
    now = sign(UPGRADE, 102, upgrade_time=0, current_time=0)
    (update,) = told(monkeypatch, receipt(), signs=[now], until=115)
    assert standing(update) == ("receipt given", None, None)
    assert update.orders == ()


# Witnesses


def test_every_hash_is_held_against_every_other(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(sha256=OTHER), order(), answer(code=0, version=0x0200))
    assert outcomes(update) == {
        "hash: rebuilt image and 8F72 alert": "invalid",
        "hash: rebuilt image and CS06 command": "valid",
        "hash: 8F72 alert and CS06 command": "invalid",
        "version: CS06 response": "valid",
    }


def test_an_8f1c_of_another_hash_shows_that_the_device_got_something_else(monkeypatch) -> None:
    (update,) = told(monkeypatch, receipt(sha256=OTHER, code=AlertCode.VERIFICATION_FAILED))
    assert standing(update) == ("failed", "verification", "image-corrupted")


def test_an_8f1c_of_an_image_that_was_not_rebuilt_is_inconclusive(monkeypatch) -> None:
    failed = receipt(code=AlertCode.VERIFICATION_FAILED)
    (update,) = told(monkeypatch, failed, images=[image(partial=True, manufacturer_image_sha256=None)])
    assert standing(update) == ("failed", "verification", "inconclusive")


def test_loading_again_after_an_8f1c_begins_anew(monkeypatch) -> None:
    failed = receipt(code=AlertCode.VERIFICATION_FAILED)
    again = transfer(id="T2", attempt=2, state="downloading", started=at(300), ended=at(400))
    (update,) = told(monkeypatch, failed, transfers=[transfer(), again])
    assert standing(update) == ("distributing", "distribution", "still-running")


def test_a_version_that_is_neither_the_old_nor_the_new(monkeypatch) -> None:
    (update,) = told(monkeypatch, version(0x100, 2), receipt(), order(), answer(code=0), version(0x999))
    assert standing(update) == ("activated", None, None)
    assert outcomes(update)["version: ECS52 response"] == "invalid"
    assert update.missing


@pytest.mark.parametrize("outcome", ["valid", "invalid"])
def test_signatures_that_were_verified_are_witnesses_too(monkeypatch, outcome) -> None:
    signed = receipt()
    verdict = Verdict(outcome=outcome, detail="by the device's certificate")
    signed = replace(signed, message=replace(signed.message, signature=verdict))
    (update,) = told(monkeypatch, signed)
    assert outcomes(update)["signature: use case 00CE M110"] == outcome


# Whose message is it?


def test_a_version_of_the_hub_says_nothing_about_the_meter(monkeypatch) -> None:
    hubs = version(0x999, device=HUB.eui64)
    (update,) = told(monkeypatch, receipt(), order(), answer(code=0), hubs)
    assert standing(update) == ("activated", None, None)
    assert "M200" not in update.message_ids


def test_the_gas_proxys_mirror_confirms_the_new_version_but_an_old_one_may_be_stale(monkeypatch) -> None:
    gas = {"gas_command": "PUT"}
    said = receipt(message_code=0x00CF, **gas), order(**gas), answer(code=0, **gas)
    for number, state in ((IMAGE.file_version, "confirmed"), (OLD.file_version, "activated")):
        mirror = version(number, device=GAS_PROXY, message_code=0x0084)
        (update,) = told(monkeypatch, *said, mirror)
        assert (update.role, update.state) == ("GSME", state)
        assert update.versions[-1].said_by == "GCS38 response of a gas proxy"


def test_ccs08_speaks_of_the_device_that_it_names(monkeypatch) -> None:
    (update,) = told(monkeypatch, reading(Kind.CARRIED, 105, code=2, sender=HUB))
    assert standing(update) == ("failed", "verification", "wrong-hardware")


def test_messages_go_to_the_image_whose_hash_they_carry(monkeypatch) -> None:
    second = transfer(id="T2", file_version=0x0300, started=at(300), ended=at(400), first_frame=2_000, last_frame=3_000)
    images = [image(), image(transfer_id="T2", manufacturer_image_sha256=OTHER)]
    one, other = told(
        monkeypatch, receipt(), order(500), receipt(450, sha256=OTHER), transfers=[transfer(), second], images=images
    )
    assert (one.message_ids, other.message_ids) == (("M110", "M500"), ("M450",))


def test_a_device_known_only_by_its_short_address(monkeypatch) -> None:
    nameless = Party(short=METER.short, eui64=None)
    (update,) = told(monkeypatch, transfers=[transfer(client=nameless)], signs=[sign(QUERY, 6, OLD)])
    assert (update.device, update.state) == (nameless, "distributed")
    assert [claim.version for claim in update.versions] == [OLD.file_version]


# Plain ZigBee and PPMID


def zigbee(**changes):
    return transfer(image_type=0x0300, state="upgrading", **changes)


PLAIN = IMAGE._replace(image_type=0x0300)
NOW = {"upgrade_time": 0, "current_time": 0}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({}, ("activation ordered", None, None)),
        ({"returns": [back(130)]}, ("activated", None, None)),
        ({"signs": [sign(QUERY, 140, PLAIN)]}, ("confirmed", None, None)),
        (
            {"returns": [back(130)], "signs": [sign(QUERY, 140, PLAIN._replace(file_version=0x100))]},
            ("failed", "confirmation", "version-unchanged"),
        ),
        ({"signs": [sign(QUERY, 105, PLAIN._replace(file_version=0x100))]}, ("activation ordered", None, None)),
        (
            {"signs": [sign(QUERY, 300, PLAIN._replace(file_version=0x100))]},
            ("failed", "activation", "never-activated"),
        ),
    ],
)
def test_what_follows_an_upgrade_now(monkeypatch, after, expected) -> None:
    before = [sign(QUERY, 6, PLAIN._replace(file_version=0x100)), sign(UPGRADE, 102, PLAIN, **NOW)]
    evidence = after | {"signs": [*before, *after.get("signs", [])]}
    (update,) = told(monkeypatch, transfers=[zigbee()], images=(), profile=0x0104, **evidence)
    assert standing(update) == expected
    assert (update.flow, update.role, update.outside) == ("ZigBee", "unknown", None)


def test_a_broadcast_upgrade_end_response_is_for_everybody(monkeypatch) -> None:
    everybody = sign(UPGRADE, 102, IMAGE._replace(image_type=0xFFFF), **NOW, client=Party(short=0xFFFF, eui64=None))
    (update,) = told(monkeypatch, transfers=[zigbee()], images=(), signs=[everybody], profile=0x0104)
    assert [one.by for one in update.orders] == ["Upgrade End Response"]


@pytest.mark.parametrize(("code", "expected"), [(0, "confirmed"), (1, "failed")])
def test_a_ppmid_tells_by_itself(monkeypatch, code, expected) -> None:
    alert = reading(Kind.ACTIVATED, 150, code=code, version=IMAGE.file_version if code == 0 else OLD.file_version)
    (update,) = told(monkeypatch, alert, transfers=[transfer(image_type=0x0084)], images=())
    assert (update.role, update.flow, update.state) == ("PPMID", "PPMID", expected)
    assert {step.use_case for step in update.steps if step.stage == "distribution"} == {"CS05c"}


def test_a_declined_offer_is_refused_and_says_by_what(monkeypatch) -> None:
    offered = sign(OFFER, 7), sign(0x100, 8, answered=OFFER, status=0x85)
    refused = transfer(state="refused", block_requests=0, block_responses=0, received_bytes=0)
    (update,) = told(monkeypatch, transfers=[refused], images=(), signs=offered)
    assert standing(update) == ("refused", "offer", "image-refused")
    assert "0x85" in update.reason


def test_a_query_that_finds_nothing_belongs_to_the_update_before_it(monkeypatch) -> None:
    later = transfer(id="T2", file_version=OLD.file_version, state="refused", started=at(800), ended=at(801))
    (update,) = told(monkeypatch, transfers=[transfer(), later], signs=[sign(QUERY, 800, OLD)])
    assert update.transfer_ids == ("T1", "T2")


def test_an_abort_by_the_server(monkeypatch) -> None:
    aborted = transfer(state="aborted", complete=False, received_bytes=800, end_status=None)
    (update,) = told(monkeypatch, transfers=[aborted], images=(), signs=[sign(BLOCK, 100, status=0x95)])
    assert standing(update) == ("failed", "distribution", "image-discarded")


# The timeline


def test_steps_are_in_order_and_belong_to_use_cases(monkeypatch) -> None:
    (update,) = told(
        monkeypatch,
        version(OLD.file_version, 2),
        receipt(),
        order(),
        answer(code=0, version=0x200),
        version(IMAGE.file_version),
        signs=[sign(QUERY, 6, OLD), sign(OFFER, 7)],
    )
    assert [(step.stage, step.use_case, step.service_request) for step in update.steps] == [
        ("offer", "ECS52", "11.2"),
        ("offer", "CS05b", "11.1"),
        ("offer", "CS05b", "11.1"),
        ("distribution", "CS05b", "11.1"),
        ("verification", "CS05b", "11.1"),
        ("activation order", "CS06", "11.3"),
        ("activation", "CS06", "11.3"),
        ("confirmation", "ECS52", "11.2"),
    ]
    assert [step.time for step in update.steps] == sorted(step.time for step in update.steps)
    assert (update.started, update.ended) == (at(2), at(200.5))


def test_a_distribution_has_its_figures(monkeypatch) -> None:
    attempts = [transfer(repeated_requests=3, wait_responses=2, waited_ns=4 * 10**9), transfer(id="T2", attempt=2)]
    (update,) = told(monkeypatch, transfers=attempts)
    found = update.distribution
    assert found is not None
    assert (found.attempts, found.retries, found.waits, found.waited_ns) == (2, 3, 2, 4 * 10**9)
    assert (found.octets, found.octets_per_s, found.blocks_per_s) == (18_000, 200.0, 4.0)


def test_a_timeline_without_end_is_cut_and_says_so(monkeypatch) -> None:
    queries = [sign(QUERY, seconds, OLD) for seconds in range(500)]
    (update,) = told(monkeypatch, signs=queries)
    assert len(update.steps) == 400
    assert update.steps[-1].what == "102 further steps from here on"


def test_a_changed_firmware_alert_tells_of_the_activation(monkeypatch) -> None:
    changed = reading(Kind.CHANGED, 130, code=AlertCode.VERSION_CHANGED)
    (update,) = told(monkeypatch, receipt(), order(), changed)
    assert standing(update) == ("activated", None, None)


# Whatever is said


TIMES = st.integers(min_value=0, max_value=300)
CODES = st.none() | st.integers(min_value=0, max_value=4) | st.sampled_from([0x8F72, 0x8F1C, 0x8F43])
READINGS = st.builds(
    lambda kind, seconds, whole, options: reading(kind, seconds, whole=whole, **options),
    st.sampled_from(Kind),
    TIMES,
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "sha256": st.sampled_from([HASH, OTHER]),
            "version": st.sampled_from([OLD.file_version, IMAGE.file_version, 0x999]),
            "counter": st.integers(min_value=1, max_value=3),
            "code": CODES,
            "due": st.integers(min_value=0, max_value=1 << 62),
            "cancels": st.booleans(),
            "device": st.sampled_from([METER.eui64, HUB.eui64, GAS_PROXY]),
            "message_code": st.sampled_from([0x0084, 0x00CF, 0x0129, 0x012B]),
            "gas_command": st.sampled_from(["PUT", "GET-RESPONSE"]),
        },
    ),
)
SIGNS = st.builds(
    lambda command, seconds, identity, status, then: sign(
        command, seconds, identity, status=status, upgrade_time=then, current_time=0, answered=command
    ),
    st.sampled_from([*range(10), 0x100]),
    TIMES,
    st.sampled_from([IMAGE, OLD, IMAGE._replace(image_type=0xFFFF, file_version=0xFFFFFFFF)]),
    st.sampled_from([0, 0x95, 0x96, 0x97, 0x98]),
    st.sampled_from([0, 5, 0xFFFFFFFF, 0xFFFFFFFE]),
)
TRANSFERS = st.builds(
    lambda number, state, version, seconds, octets: transfer(
        id=f"T{number}",
        state=state,
        file_version=version,
        started=at(seconds),
        ended=at(seconds + 60),
        received_bytes=octets,
        complete=octets == 9_000,
    ),
    st.integers(min_value=1, max_value=9),
    st.sampled_from(get_args(TransferState)),
    st.sampled_from([OLD.file_version, IMAGE.file_version]),
    TIMES,
    st.sampled_from([0, 800, 9_000]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    said=st.lists(READINGS, max_size=6),
    signs=st.lists(SIGNS, max_size=6),
    transfers=st.lists(TRANSFERS, max_size=3, unique_by=lambda one: one.id),
    returns=st.lists(TIMES.map(back), max_size=2),
    until=st.integers(min_value=0, max_value=2_000),
)
def test_whatever_is_heard_makes_a_story_that_holds_together(monkeypatch, said, signs, transfers, returns, until):
    updates = told(monkeypatch, *said, signs=signs, transfers=transfers, images=[image()], returns=returns, until=until)
    assert msgspec.json.decode(msgspec.json.encode(updates), type=list[Update]) == updates
    for update in updates:
        assert update.reason.endswith(".")
        assert (update.cause is None) == (update.failed_at is None)
        assert update.state != "failed" or update.cause is not None
        assert update.state != "undecided" or update.missing
        assert [step.time for step in update.steps] == sorted(step.time for step in update.steps)
        assert len(set(update.message_ids)) <= len(said)


def test_a_transfer_of_nothing_has_no_beginning_that_was_missed(monkeypatch) -> None:
    """An offer that the device declined."""
    never = MissingRange(start=0, end=9_000, reason="never requested")
    declined = transfer(
        state="refused",
        complete=False,
        received_bytes=0,
        missing_ranges=(never,),
        block_requests=0,
        block_responses=0,
        sha256=None,
    )
    (update,) = told(monkeypatch, transfers=[declined], images=())
    assert (update.state, update.missing) == ("refused", ())


def test_when_the_server_fell_silent_stands_in_the_timeline(monkeypatch) -> None:
    left = MissingRange(start=4_000, end=9_000, reason="never requested")
    stalled = transfer(state="stalled", complete=False, received_bytes=4_000, missing_ranges=(left,), end_status=None)
    ending = ending_of(unanswered=4, answered_ns=at(60), answered_frame=600)
    (update,) = told(monkeypatch, transfers=[stalled], images=(), ending=ending)
    assert [(step.time, step.frames, step.what) for step in update.steps][-1] == (
        at(60),
        (600,),
        "last that was heard of the server; 4 more requests came",
    )


def test_a_device_that_could_not_activate_is_not_said_to_have_done_so(monkeypatch) -> None:
    """A PPMID says so (CS09), restarts, and runs what it ran."""
    (update,) = told(
        monkeypatch,
        version(OLD.file_version, 2, message_code=0x0129),
        reading(Kind.ACTIVATED, 125, code=1, version=OLD.file_version),
        version(OLD.file_version, message_code=0x0129),
        transfers=[transfer(state="upgrading")],
        signs=[sign(UPGRADE, 101, current_time=0, upgrade_time=0)],
        returns=[back(120)],
    )
    assert standing(update) == ("failed", "activation", "activation-refused")
    assert [(order.by, order.fate) for order in update.orders] == [("Upgrade End Response", "refused")]


@pytest.mark.parametrize(("signs", "missing"), [([], 1), ([sign(QUERY, 6, OLD), sign(OFFER, 7)], 0)])
def test_only_what_was_offered_unheard_had_begun_before_the_capture(monkeypatch, signs, missing) -> None:
    """A device may also ask for no more than it needs: from offset 62 on, say."""
    left_out = MissingRange(start=0, end=62, reason="never requested")
    from_62 = transfer(complete=False, received_bytes=8_938, missing_ranges=(left_out,), requested_from=62)
    (update,) = told(monkeypatch, transfers=[from_62], images=(), signs=signs)
    assert [one.startswith("the beginning of the transfer, 62 octets") for one in update.missing].count(True) == missing
