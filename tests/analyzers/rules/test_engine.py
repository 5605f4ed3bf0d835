"""How findings are put together: by transfer, within limits, by choice; and what never becomes one."""

import itertools
from functools import cached_property

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ota_dialogue import CLIENT, OTHER_CLIENT, SERVER, Dialogue, _table, analysis, findings
from rule_cases import begun, loading, times

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.dissect import Acknowledgements
from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.analyzers.rules import engine
from hanscope.analyzers.rules.catalogue import ROW_RULES, RULES, named
from hanscope.analyzers.rules.engine import Choice, RuleEngine
from hanscope.analyzers.rules.limits import Limits, LimitsError, read_limits
from hanscope.analyzers.rules.rows import NAMES, Kept, OtaRows
from hanscope.analyzers.tables import OtaTable
from hanscope.captures.simulator.scenarios import simulate

CLEAN = (
    "esme-update",
    "gsme-update",
    "hcalcs-update",
    "ppmid-update",
    "zigbee-update",
    "ihd-update",
    "page-update",
    "sub-ghz-update",
    "house-update",
)


def of(rule: str, dialogue: Dialogue, **options):
    return [finding for finding in findings(dialogue, **options) if finding.rule == rule]


def test_a_finding_carries_what_its_rule_says_and_where_it_was_seen() -> None:
    (finding,) = of("ota.block.offset-mismatch", loading().ask(50).block(100).ask(50).block(100))
    rule = RULES["ota.block.offset-mismatch"]
    assert (finding.title, finding.advice, finding.clause) == (rule.title, rule.advice, rule.clause)
    assert (finding.severity, finding.confidence, finding.count) == ("error", "confirmed", 2)
    assert finding.detail == "offset 50 was asked for, 100 came"
    assert finding.transfer_id == "T1"
    assert finding.filter == f"frame.number in {{{', '.join(map(str, finding.frames))}}}"


def test_each_attempt_has_its_own_finding() -> None:
    talk = loading().ask(50).block(100).finish(0x95)
    talk.query().offer().fetch(0, 50).ask(100).block(200).ask(100).block(200)
    found = of("ota.block.offset-mismatch", talk)
    assert [(one.transfer_id, one.count) for one in found] == [("T1", 1), ("T2", 2)]


def test_two_clients_do_not_blend() -> None:
    """Their requests alternate, and each goes its own way."""
    talk = Dialogue().hum()
    for client in (CLIENT, OTHER_CLIENT):
        talk.between(client, SERVER).hum().query().offer()
    for offset in (0, 50, 100):
        talk.between(CLIENT, SERVER).fetch(offset)
        talk.between(OTHER_CLIENT, SERVER).fetch(offset)
    assert findings(talk) == ()


def test_hits_are_counted_beyond_the_frames_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HITS_KEPT", 5)
    talk = times(30, begun(), lambda talk, _: talk.ask(0).block(0, data_length=40))
    (finding,) = of("ota.block.data-length", talk, cuts=3)
    assert (finding.count, len(finding.frames)) == (30, 5)


def test_more_conversations_than_are_kept_do_not_grow_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GROUPS_KEPT", 1)
    talk = begun().ask(0).block(0, data_length=40).between(OTHER_CLIENT, SERVER).query().offer()
    assert len(of("ota.block.data-length", talk.ask(0).block(0, data_length=40))) == 1


@pytest.mark.parametrize("pending", [0, 1])
def test_acknowledgements_of_a_live_hour_are_forgotten(pending: int) -> None:
    """Ten batches a second of traffic in which hardly a firmware message is."""
    rows = begun().rows
    rows[0]["air"]["number"] = 1
    table, nothing = _table(rows[:1]), _table([])
    judge = RuleEngine()
    judge.feed(table if pending else nothing)
    begin = int(table.time_ns[0])
    for tenth in range(36_000):
        acks = Acknowledgements(np.full(5, tenth, np.uint64), np.full(5, begin + tenth * 10**8))
        judge.feed(nothing, acks=acks)
    kept = [int(at) for acks in judge._acks for at in acks.time_ns]
    assert 150 * 50 <= len(kept) <= 160 * 50
    assert len(judge._acks) < 100


def test_a_gap_anywhere_leaves_an_absence_undecided() -> None:
    """Whichever frame of the server is missed while it should have answered."""
    for place in range(3):  # the fourth frame comes after the time in which an answer is due
        talk = loading().ask(50).ack()
        for at in range(4):
            talk.pause(1.5).hum()
            if at == place:
                talk.missed(SERVER)
        assert of("ota.block.unanswered", talk.ask(50).block(50)) == []
    talk = times(4, loading().ask(50).ack(), lambda talk, _: talk.pause(1.5).hum())
    assert len(of("ota.block.unanswered", talk.ask(50).block(50))) == 1


def test_a_server_that_counts_its_answers_itself_is_not_blamed_for_numbers_that_meet_by_chance() -> None:
    """Hue: of the answers 123, 124 and 125 to the requests 124, 125 and 126 the second was missed."""
    talk = begun().ask(0, zcl_sequence=124).block(0, zcl_sequence=123)
    talk.ask(50, zcl_sequence=125).missed(SERVER).ask(100, zcl_sequence=126).block(100, zcl_sequence=125)
    assert of("ota.block.offset-mismatch", talk) == []


def test_a_request_that_was_sent_again_late_and_not_heard_before_is_no_new_request() -> None:
    """Its repetition is acknowledged and not answered, and what was missed in between is not skipped."""
    talk = loading(0, 50).missed(CLIENT).ask(150).block(150).missed(CLIENT)
    numbers = {"zcl_sequence": talk.rows[-2]["zcl_sequence"] - 1, "aps_counter": talk.rows[-2]["aps_counter"] - 2}
    talk.ask(100, **numbers).ack().pause(2)
    assert findings(talk.fetch(250)) == ()


def test_a_block_tells_that_an_earlier_request_comes_late() -> None:
    """All between the two was missed, and the request had been answered there."""
    talk = loading(0, 50)
    talk.sequence += 3
    number = talk.sequence
    talk.missed(CLIENT, 4).missed(SERVER, 3).block(250, zcl_sequence=number + 2)
    talk.ask(150, zcl_sequence=number).ack().pause(6).hum()
    talk.sequence += 2
    assert of("ota.block.unanswered", talk.fetch(300)) == []


def test_a_stray_answer_to_a_request_that_was_missed_is_no_second_answer() -> None:
    talk = loading(0, 50).ask(100)
    number = talk.sequence
    talk.block(500, zcl_sequence=number - 40).block(100, zcl_sequence=number)
    assert [finding for finding in findings(talk) if finding.severity != "note"] == []


def test_sequence_numbers_are_a_second_opinion_on_what_was_skipped() -> None:
    """What was heard before the jump is the repetition of a request that was missed, as were the ones behind it."""
    talk = loading(0, 50).missed(CLIENT, 4)
    talk.sequence += 1
    talk.ask(150).ack()
    talk.sequence += 3
    assert of("ota.block.skipped", talk.fetch(350)) == []


def taken(talk: Dialogue, question: int) -> dict:
    """A question that the sniffer missed."""
    (row,) = (row for row in talk.rows if row["command"] == question)
    talk.rows.remove(row)
    talk.air.remove(row["air"])
    return row


def test_an_end_request_that_is_heard_only_when_it_is_sent_again_was_answered_before() -> None:
    talk = Dialogue().hum().whole().finish().upgrade(then=0xFFFFFFFF)
    missed = taken(talk, 0x06)
    talk.rows.append(missed)
    talk.again(1.5).pause(20).query()
    talk.rows.remove(missed)
    assert of("ota.end.unanswered", talk) == []


@pytest.mark.parametrize("offsets", [(), (0, 50)], ids=["all of it", "the rest"])
def test_what_was_fetched_unheard_was_fetched(offsets: tuple[int, ...]) -> None:
    talk = begun().fetch(*offsets).missed(CLIENT, 20).missed(SERVER, 20)
    assert of("ota.block.end-not-fetched", talk.finish()) == []


def test_a_request_at_the_beginning_of_a_capture_may_have_been_answered_before_it() -> None:
    """What is heard then may be its repetition; with ten seconds of the server before it, it is none."""
    unanswered = lambda talk: of("ota.block.unanswered", talk.ask(50).ack().pause(6).hum().ask(50).block(50))  # noqa: E731
    assert not unanswered(Dialogue().hum())
    assert unanswered(Dialogue().hum().pause(11))


@pytest.mark.parametrize("heard", [0, 4], ids=["nothing", "its blocks"])
def test_what_is_fetched_of_a_page_whose_request_was_missed_begins_before_its_end(heard: int) -> None:
    """The holes of the second page, and then the third."""
    talk = (
        Dialogue().hum().query().offer().page(0).block(0, 64).block(64, 64).block(128, 64).block(192, 64).missed(CLIENT)
    )
    talk.sequence += 1
    for offset in range(256, 256 + 64 * heard, 64):
        talk.block(offset, 64)
    talk.missed(SERVER, 4 - heard).fetch(320, 448, size=64).page(512).block(512, 64)
    assert of("ota.page.skipped", talk) == []
    assert of("ota.block.skipped", talk) == []


def test_what_is_fetched_of_a_page_from_before_the_capture_begins_before_its_end() -> None:
    talk = Dialogue().hum().fetch(320, 448, size=64).page(512).block(512, 64)
    assert of("ota.page.skipped", talk) == []
    assert of("ota.block.skipped", talk) == []


def test_a_query_that_is_heard_only_when_it_is_sent_again_does_not_part_a_page_from_its_blocks() -> None:
    talk = Dialogue().hum().query().offer()
    missed = taken(talk, 0x01)
    talk.page(0).block(0, 64).block(64, 64)
    talk.rows.append(missed)
    talk.again().block(128, 64).block(192, 64).page(256).block(256, 64)
    talk.rows.remove(missed)
    assert of("ota.page.incomplete", talk) == []


def test_a_wait_that_is_heard_only_when_it_is_sent_again_had_begun_before() -> None:
    """Its first sending was missed, and the client has waited since then."""
    early = lambda talk: of("ota.wait.ignored", talk.wait(2).ack().pause(0.7).fetch(50))  # noqa: E731
    assert early(loading().ask(50))
    assert not early(loading().ask(50).missed(SERVER).pause(1.6))


def test_a_late_answer_belongs_to_its_own_request() -> None:
    """The client had given up on it and asked for something else."""
    late = []
    for _ in range(2):
        talk = loading().ask(50).pause(4)
        number = talk.sequence
        late.append(talk.ask(100).pause(2).block(50, zcl_sequence=number))
    assert of("ota.block.offset-mismatch", late[0]) == []
    assert of("ota.timing.late-answer", late[1]) != []


def test_what_comes_at_the_end_of_a_capture_is_not_judged() -> None:
    """The answer may come after the capture's end."""
    talk = loading().ask(50).ack()
    for number, frame in enumerate(talk.air, 1):
        frame["number"] = number
    assert of("ota.block.unanswered", talk) != []  # with half a minute more it is
    short = RuleEngine()
    short.end(lambda *_: 0)
    assert short.evidence.quality() == ()


def test_profiles_select_and_ignore_choose_rules() -> None:
    stalled = lambda: loading().pause(180).fetch(50)  # noqa: E731 -- made anew each time
    assert of("ota.timing.stall", stalled(), choice=Choice(profile="zigbee"))
    assert not of("ota.timing.stall", stalled(), choice=Choice(profile="gb"))
    assert not of("ota.timing.stall", stalled(), choice=Choice(profile="zigbee", ignore=named(["ota.timing"])))
    assert not of("ota.timing.stall", stalled(), choice=Choice(profile="zigbee", select=named(["ota.block"])))
    assert of("ota.timing.stall", stalled(), choice=Choice(profile="zigbee", select=named(["ota.timing"])))


def test_the_profile_follows_from_what_is_seen() -> None:
    for profile, expected in ((0x0104, True), (0x0109, False)):
        talk = Dialogue(profile=profile, secured=1).hum().query().offer().fetch(0).pause(180).fetch(50)
        assert bool(of("ota.timing.stall", talk, choice=Choice())) is expected


def test_thresholds_decide() -> None:
    late = lambda: begun().ask(0).pause(6).block(0)  # noqa: E731 -- made anew each time
    assert of("ota.timing.late-answer", late())
    assert not of("ota.timing.late-answer", late(), choice=Choice(limits=Limits(response_seconds=7)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("response_seconds = 0\n", "> 0"),
        ("response_seconds = 'x'\n", "Expected `float`"),
        ("other = 1\n", "unknown field `other`"),
        ("= 1\n", "line 1"),
    ],
)
def test_bad_thresholds_are_refused(text: str, said: str, tmp_path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises(LimitsError, match=r"limits\.toml") as error:
        read_limits(path)
    assert said in str(error.value)
    with pytest.raises(LimitsError, match="No such file"):
        read_limits(tmp_path / "none.toml")


def test_thresholds_that_a_file_does_not_name_keep_their_defaults(tmp_path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("page_repeats = 9\n")
    assert read_limits(path) == Limits(page_repeats=9)


def test_rows_read_no_column_that_is_not_kept() -> None:
    columns = set(OtaTable.columns())
    assert set(NAMES) - {"reach"} <= columns
    heard = {name for name, member in vars(OtaRows).items() if type(member).__name__ == "_Heard"}
    assert heard <= set(NAMES)


def test_every_rule_is_asked_about_rows_that_are_named() -> None:
    for rule in ROW_RULES:
        if not isinstance(rule.finds, str):
            assert isinstance(rule.among, int) or isinstance(vars(OtaRows)[rule.among], cached_property), rule.id


def test_what_waits_to_be_judged_holds_no_memory_of_its_batch() -> None:
    """A dissecting process waits for that memory."""
    room = np.arange(1, 7)
    batch = OtaTable.of(3, number=room[:3], status=np.broadcast_to(room[:1], 3))
    waiting = Kept.of(batch)
    assert not any(np.shares_memory(getattr(waiting, name), room) for name in NAMES if name != "reach")
    assert (waiting.number.tolist(), waiting.status.tolist()) == ([1, 2, 3], [1, 1, 1])


def test_rules_without_confirmed_source_are_notes() -> None:
    assert {rule.severity for rule in RULES.values() if rule.unconfirmed} == {"note"}


def test_every_rule_says_what_it_is() -> None:
    for rule in RULES.values():
        said = (rule.title, rule.explanation, rule.advice, rule.fires, rule.silent, rule.clause, rule.filter)
        assert all(said), rule.id
        assert rule.explanation.endswith("."), rule.id
        assert rule.advice.endswith("."), rule.id
        assert rule.id == rule.id.lower(), rule.id
    assert len({rule.title for rule in RULES.values()}) >= len(RULES) - 2  # the server's clock is told of twice


def simulated(tmp_path, scenario: str, fault: str, seed: int = 3):
    """The findings about a simulated network, whose keys are known."""
    path = tmp_path / "house.pcapng"
    truth = simulate(scenario, path, seed=seed, faults=(fault,) if fault else (), size=6000)
    ring = KeyRing().plus(parse_key(f"network:{truth.han.network_key.hex()}"))
    for node in truth.han.nodes:
        if node.link_key:
            ring = ring.plus(parse_key(f"link:{node.link_key.hex()}"))
    run = analyze([str(path)], keys=ring, processes=1)
    assert run.analysis.transfers
    return run.analysis.findings


FAULTS = {
    ("zigbee-update", "corrupt-blocks"): {"ota.block.conflict", "ota.end.rejected"},
    ("zigbee-update", "server-repeats"): {"transport.answered-again"},
    ("zigbee-update", "server-skips"): {"ota.block.offset-mismatch"},
    ("zigbee-update", "server-silent"): {"ota.block.unanswered", "ota.session.stalled"},
    ("zigbee-update", "restart-at-zero"): {"ota.session.restarted"},
    ("zigbee-update", "client-rebooted"): {"transport.client-rebooted"},
    ("zigbee-update", "stalled-client"): {"ota.session.stalled"},
    ("zigbee-update", "radio-lost"): {"transport.request-undelivered"},
    ("zigbee-update", "discarded-image"): {"ota.session.server-aborted"},
    ("zigbee-update", "two-servers"): {"security.two-servers", "image.integrity"},
    ("zigbee-update", "rate-limit-ignored"): {"ota.wait.ignored"},
    ("zigbee-update", "refused-image"): {"ota.offer.declined"},
    ("zigbee-update", "wrong-hardware"): {"image.wrong-hardware"},
    ("zigbee-update", "good-rejected"): {"image.verdict-contradicts"},
    ("zigbee-update", "downgrade"): {"ota.offer.downgrade"},
    ("zigbee-update", "replayed-frames"): {"security.replay"},
    ("page-update", "two-servers"): {"security.two-servers"},
    ("zigbee-update", "version-unchanged"): {"ota.end.version-unchanged"},
    ("esme-update", "wrong-hash"): {"gbcs.firmware.order-hash"},
    ("esme-update", "early-activation"): {"gbcs.firmware.order-too-early"},
    ("esme-update", "activation-refused"): {"gbcs.firmware.activation-failed"},
    ("esme-update", "version-unchanged"): {"gbcs.firmware.version"},
    ("esme-update", "bad-signature"): {"gbcs.firmware.refused"},
    ("ppmid-update", "version-unchanged"): {"gbcs.firmware.ppmid-version"},
}


@pytest.mark.parametrize(("scenario", "fault"), FAULTS)
def test_a_fault_of_the_simulator_is_found(scenario: str, fault: str, tmp_path) -> None:
    assert {finding.rule for finding in simulated(tmp_path, scenario, fault)} >= FAULTS[scenario, fault]


@pytest.mark.parametrize(
    ("scenario", "loss", "seed"),
    [*itertools.product(CLEAN, ("", "sniffer-loss:5%", "sniffer-loss:15%"), (11,))],
    ids=lambda value: str(value) or "all heard",
)
def test_frames_denied_to_the_sniffer_never_become_a_fault_of_a_device(
    scenario: str, loss: str, seed: int, tmp_path
) -> None:
    """The most important property of all rules."""
    blamed = [finding for finding in simulated(tmp_path, scenario, loss, seed) if finding.severity != "note"]
    assert blamed == []


COMMANDS = [*range(11), 0x20, 0x100]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 120), cuts=st.integers(1, 4))
def test_no_commands_whatever_make_the_rules_fail(seed: int, rows: int, cuts: int) -> None:
    """Hostile frames: any command, any field present or absent, any order."""
    made = np.random.default_rng(seed)
    columns = {}
    for name in OtaTable.columns():
        if name.endswith("eui64"):
            columns[name] = made.integers(0, 3, rows).astype(np.uint64)
        elif name in SMALL:
            columns[name] = made.integers(-1, SMALL[name], rows)
        else:
            columns[name] = np.where(made.random(rows) < 0.3, -1, made.integers(0, 2**32, rows))
    columns["number"] = np.arange(1, rows + 1)
    columns["time_ns"] = np.sort(made.integers(0, 10**12, rows))
    columns["command"] = made.choice(COMMANDS, rows)
    columns["data_at"] = np.full(rows, -1)
    table = OtaTable.of(rows, **columns)
    engine = RuleEngine(Choice(profile="zigbee"))
    edges = [rows * cut // cuts for cut in range(cuts + 1)]
    for begin, end in itertools.pairwise(edges):
        engine.feed(table.take(slice(begin, end)))
    engine.end(lambda _, time_ns: time_ns)
    for finding in engine.findings(analysis()):
        assert finding.rule in RULES
        assert finding.count > 0
        assert len(finding.frames) <= 20


SMALL = {
    "pan_id": 2,
    "mac_source": 3,
    "nwk_source": 3,
    "nwk_destination": 3,
    "zcl_sequence": 4,
    "aps_counter": 4,
    "answered": 12,
    "from_server": 2,
    "file_offset": 300,
    "data_size": 60,
    "image_size": 400,
    "page_size": 200,
    "file_version": 3,
    "image_type": 3,
    "manufacturer_code": 3,
    "surplus": 3,
    "ack_request": 2,
    "disable_default_response": 2,
    "profile": 0x10A,
}
"""Columns that take few values, so that rows meet."""
