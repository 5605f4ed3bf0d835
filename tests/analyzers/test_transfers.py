"""Transfers rebuilt from OTA tables: small made-up dialogues, and real captures as tshark reads them."""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import tshark_table

from hanscope.analyzers import transfers
from hanscope.analyzers.imagestore import ImageStore
from hanscope.analyzers.tables import ABSENT, DEFAULT_RESPONSE, OtaTable
from hanscope.analyzers.transfers import TransferBuilder, TransferRecord

SECOND = 1_000_000_000
IMAGE = np.random.default_rng(7).integers(0, 256, 5000, dtype=np.uint8).tobytes()
ANSWERED, UNANSWERED, NEVER = "answered but not captured", "requested and never answered", "never requested"
EUI = {7: 0x000D6F000A9069E0, 0: 0x0022A40000000001}


@dataclass
class Talk:
    """Messages one after the other, as the sniffer hears them."""

    client: int = 7
    server: int = 0
    pan_id: int = 0x1A62
    version: int = 5
    eui64: bool = True
    rows: list[dict[str, int | bytes]] = field(default_factory=list)
    time: float = 0.0
    counter: int = 0
    sequence: int = 0

    def say(self, command: int, **columns: int | bytes) -> "Talk":
        self.counter += 1
        answers = columns.get("answered", ABSENT)
        by_server = (command in (0, 2, 5, 7, 9)) if command != DEFAULT_RESPONSE else answers in (1, 3, 4, 6, 8)
        source, destination = (self.server, self.client) if by_server else (self.client, self.server)
        self.rows.append(
            {
                "time_ns": int(self.time * SECOND),
                "pan_id": self.pan_id,
                "nwk_source": source,
                "nwk_destination": destination,
                "nwk_sequence": self.counter % 256,
                "mac_source": source,
                "mac_sequence": self.counter % 256,
                "nwk_frame_counter": self.counter,
                "aps_counter": self.counter % 256,
                "source_eui64": EUI.get(source, 0) if self.eui64 else 0,
                "destination_eui64": EUI.get(destination, 0) if self.eui64 else 0,
                "zcl_sequence": self.sequence % 256,
                "from_server": int(by_server),
                "command": command,
                "manufacturer_code": 0x1001,
                "image_type": 0x0101,
                "file_version": self.version,
                **columns,
            }
        )
        self.time += 0.05
        return self

    def without_identity(self, command: int, **columns: int) -> "Talk":
        return self.say(command, manufacturer_code=ABSENT, image_type=ABSENT, file_version=ABSENT, **columns)

    def query(self, **columns: int) -> "Talk":
        self.sequence += 1
        return self.say(0x01, **{"file_version": self.version - 1, **columns})

    def offer(self, size: int) -> "Talk":
        return self.say(0x02, status=0, image_size=size)

    def ask(self, offset: int, size: int = 50) -> "Talk":
        self.sequence += 1
        return self.say(0x03, file_offset=offset, data_size=size)

    def page(self, offset: int, page_size: int, size: int = 64) -> "Talk":
        self.sequence += 1
        return self.say(0x04, file_offset=offset, data_size=size, page_size=page_size)

    def block(self, offset: int, size: int = 50, data: bytes | None = None) -> "Talk":
        data = IMAGE[offset : offset + size] if data is None else data
        return self.say(0x05, status=0, file_offset=offset, data_size=len(data), data=data)

    def exchange(self, *offsets: int, size: int = 50, end: int = len(IMAGE)) -> "Talk":
        for offset in offsets:
            self.ask(offset, size).block(offset, min(size, end - offset))
        return self

    def wait(self, seconds: int, now: int = 0) -> "Talk":
        return self.without_identity(0x05, status=0x97, current_time=now, request_time=now + seconds)

    def end(self, status: int = 0) -> "Talk":
        self.sequence += 1
        return self.say(0x06, status=status)

    def upgrade(self, now: int = 0, then: int = 0) -> "Talk":
        return self.say(0x07, current_time=now, request_time=then)

    def again(self, **columns: int) -> "Talk":
        """The last message once more, with other columns here and there: a retry or a relay."""
        self.rows.append({**self.rows[-1], "time_ns": int(self.time * SECOND), **columns})
        return self

    def pause(self, seconds: float) -> "Talk":
        self.time += seconds
        return self


def table(rows: list[dict[str, int | bytes]], first: int = 0) -> OtaTable:
    data, at = b"", []
    for row in rows:
        at.append(len(data))
        data += row.get("data", b"")
    lengths = [len(row.get("data", b"")) for row in rows]
    names = {name for row in rows for name in row} - {"data", "number", "data_length"}
    columns = {name: [row.get(name, 0 if name.endswith("eui64") else ABSENT) for row in rows] for name in names}
    number = [row.get("number", first + index) for index, row in enumerate(rows, 1)]
    columns |= {"number": number, "data_at": at, "data_length": lengths}
    return OtaTable.of(len(rows), np.frombuffer(data, np.uint8), **columns)


def numbered(rows):
    return [{"number": index, **row} for index, row in enumerate(rows, 1)]


def build(*talks: Talk, ended: float | None = None, cuts: list[int] | None = None, **options) -> list[TransferRecord]:
    rows = numbered(sorted((row for talk in talks for row in talk.rows), key=lambda row: row["time_ns"]))
    builder = TransferBuilder(ImageStore(), **options)
    edges = [0, *sorted(cuts or []), len(rows)]
    for begin, end in pairwise(edges):
        if begin < end:
            builder.feed(table(rows[begin:end]))
    last = max((row["time_ns"] for row in rows), default=0)
    return builder.finish(last if ended is None else int(ended * SECOND))


def only(*talks: Talk, **options):
    (record,) = build(*talks, **options)
    return record.transfer


def missing(transfer) -> list[tuple[int, int, str]]:
    return [(one.start, one.end, one.reason) for one in transfer.missing_ranges]


def events(transfer) -> list[str]:
    return [event.what for event in transfer.events]


def header(total: int) -> bytes:
    """The start of an OTA file, with its total size in octets 52 to 55."""
    return bytes.fromhex("1ef1ee0b") + bytes(48) + total.to_bytes(4, "little")


# --- whole downloads ---


def test_download_in_order_with_a_short_last_block_gives_the_image_and_where_each_octet_came_from():
    talk = Talk().query().offer(120).exchange(0, 50, 100, end=120).end().upgrade(then=30)
    (record,) = build(talk)
    transfer, image = record.transfer, record.image
    assert (transfer.state, transfer.complete, transfer.image_size, transfer.image_size_source) == (
        "upgrading",
        True,
        120,
        "query response",
    )
    assert image.read() == IMAGE[:120]
    assert transfer.sha256 == sha256(IMAGE[:120]).hexdigest()
    assert [column.tolist() for column in image.provenance()] == [[0, 50, 100], [50, 100, 120], [4, 6, 8]]
    assert (transfer.block_requests, transfer.block_responses, transfer.received_bytes) == (3, 3, 120)
    assert (transfer.first_frame, transfer.last_frame, transfer.started) == (1, 10, 0)
    assert (transfer.end_status, transfer.upgrade_at, transfer.requested_from) == (0, "in 30 s", 0)
    assert transfer.client.eui64 == "00:0d:6f:00:0a:90:69:e0"
    assert (transfer.client.short, transfer.server.short, transfer.pan_id) == (7, 0, 0x1A62)
    assert missing(transfer) == []
    assert transfer.strip == "#" * 64


def test_events_carry_what_they_say():
    (record,) = build(Talk().query().offer(120).exchange(0, 50, 100, end=120).end().upgrade())
    assert [(event.kind, event.image) for event in record.transfer.events] == [
        ("query", (0x1001, 0x0101, 4)),
        ("offer", (0x1001, 0x0101, 5)),
        ("beginning", None),
        ("end", None),
        ("upgrade", None),
    ]


def test_a_clock_that_is_set_back_gives_no_negative_duration():
    talk = Talk().offer(150).exchange(0, 50)
    talk.time = -7.0
    builder = TransferBuilder(ImageStore())
    builder.feed(table(numbered(talk.query().offer(150).exchange(100).rows)))
    (record,) = builder.finish(0)
    assert (record.transfer.received_bytes, record.transfer.ended) == (150, 0)
    assert record.transfer.started < 0
    assert [one.what for one in record.transfer.resumptions] == ["went on at offset 100 after a query and 0.0 s"]


def test_parts_of_an_image_can_be_read_and_holes_are_zero():
    (record,) = build(Talk().offer(200).exchange(0).ask(50).exchange(100).ask(150))
    assert record.image.read() == IMAGE[:50] + bytes(50) + IMAGE[100:150] + bytes(50)
    assert record.image.read(40, 120) == IMAGE[40:50] + bytes(50) + IMAGE[100:120]
    assert record.image.covered.pairs() == [(0, 50), (100, 150)]


def test_size_comes_from_the_ota_header_when_no_offer_was_heard():
    first = header(100)
    talk = Talk().ask(0, 60).block(0, data=first + IMAGE[56:60]).ask(60, 60).block(60, 40)
    transfer = only(talk)
    assert (transfer.image_size, transfer.image_size_source, transfer.complete) == (100, "OTA header", True)
    assert transfer.state == "downloaded"


def test_unknown_size_reaches_as_far_as_was_seen_and_is_never_complete():
    transfer = only(Talk().exchange(0, 50).ask(100).exchange(150))
    assert (transfer.image_size, transfer.image_size_source, transfer.complete, transfer.sha256) == (
        None,
        "unknown",
        False,
        None,
    )
    assert missing(transfer) == [(100, 150, ANSWERED)]
    assert transfer.received_bytes == 150


# --- one message heard several times ---


def test_a_last_request_proves_the_block_before_it_also_where_the_size_is_unknown():
    assert missing(only(Talk().exchange(0).ask(50).ask(100))) == [(50, 100, ANSWERED)]


def test_retries_and_relays_of_one_message_count_once():
    talk = Talk().offer(150).ask(0)
    talk.again().again(mac_source=3, mac_sequence=9, nwk_frame_counter=77).block(0).again().again(mac_source=3)
    talk.exchange(50).ask(100).pause(1).again(nwk_sequence=200, nwk_frame_counter=99).block(100)
    talk.pause(2).again(nwk_sequence=201, nwk_frame_counter=100)
    transfer = only(talk)
    assert (transfer.block_requests, transfer.block_responses) == (3, 3)
    assert (transfer.repeated_requests, transfer.duplicate_blocks) == (0, 0)
    assert transfer.complete


def test_new_messages_with_the_same_content_are_repetitions():
    transfer = only(Talk().offer(150).exchange(0, 50, 50).ask(50).block(50).block(50).exchange(100))
    assert (transfer.block_requests, transfer.repeated_requests) == (5, 2)
    assert (transfer.block_responses, transfer.duplicate_blocks) == (6, 3)
    assert transfer.complete
    assert transfer.attempt == 1


def test_the_same_counters_after_more_than_ten_seconds_are_a_new_message():
    transfer = only(Talk().offer(150).ask(0).block(0).ask(50).pause(11).again())
    assert transfer.block_requests == 3


def test_wrong_direction_bit_changes_nothing():
    talk = Talk().query().offer(100).exchange(0, 50).end()
    right = only(talk)
    for row in talk.rows:
        row["from_server"] = 1
    assert only(talk) == right


# --- conflicts ---


def test_octets_with_different_values_keep_the_first_and_are_listed():
    other = bytearray(IMAGE[50:100])
    other[10:13] = bytes(value ^ 0xFF for value in other[10:13])
    other[40] ^= 1
    talk = Talk().offer(100).exchange(0, 50).ask(50).block(50, data=bytes(other))
    (record,) = build(talk)
    assert record.image.read() == IMAGE[:100]
    assert record.transfer.conflicting_bytes == 4
    assert record.transfer.conflicts == ((60, 63, 5, 7), (90, 91, 5, 7))
    assert record.transfer.duplicate_blocks == 0


def test_a_copy_of_a_message_with_other_data_is_a_conflict_too():
    talk = Talk().offer(50).exchange(0)
    talk.again(data=bytes([IMAGE[0] ^ 1]) + IMAGE[1:50])
    (record,) = build(talk)
    assert record.transfer.conflicts == ((0, 1, 3, 4),)
    assert record.transfer.block_responses == 1


def test_overlapping_blocks_of_other_sizes_are_compared_octet_by_octet():
    wrong = bytearray(IMAGE[30:90])
    wrong[5] ^= 1
    talk = Talk().offer(120).exchange(0).ask(30, 60).block(30, data=bytes(wrong)).ask(90, 30).block(90, 30)
    talk.ask(20, 40).block(20, 40)
    (record,) = build(talk)
    assert record.image.read() == IMAGE[:120]
    assert record.transfer.conflicts == ((35, 36, 3, 5),)
    assert record.transfer.duplicate_blocks == 1
    assert [column.tolist() for column in record.image.provenance()] == [[0, 50, 90], [50, 90, 120], [3, 5, 7]]


# --- attempts ---


def test_going_on_after_a_pause_is_a_resumption():
    talk = Talk().offer(200).exchange(0, 50).pause(600).exchange(50, 100, 150).end()
    transfer = only(talk)
    assert transfer.complete
    assert [(one.frame, one.what) for one in transfer.resumptions] == [(6, "went on at offset 50 after 600.0 s")]


def test_going_on_after_a_query_in_mid_transfer_is_a_resumption():
    transfer = only(Talk().offer(200).exchange(0, 50).query().offer(200).exchange(100, 150))
    assert transfer.complete
    assert [one.frame for one in transfer.resumptions] == [8]


def test_a_wait_that_the_server_asked_for_is_no_resumption():
    transfer = only(Talk().offer(100).exchange(0).ask(50).wait(300).pause(310).exchange(50))
    assert transfer.resumptions == ()
    assert (transfer.wait_responses, transfer.waited_ns) == (1, 300 * SECOND)


def test_restart_at_zero_starts_a_new_attempt():
    talk = Talk().offer(200).exchange(0, 50, 100).exchange(0, 50, 100, 150).end()
    first, second = (record.transfer for record in build(talk))
    assert (first.id, first.attempt, first.state, first.received_bytes) == ("T1", 1, "superseded", 150)
    assert (second.id, second.attempt, second.state, second.received_bytes) == ("T2", 2, "ended", 200)
    assert first.image_size == second.image_size == 200
    assert (first.last_frame, second.first_frame) == (7, 8)


def test_asking_for_the_first_block_again_is_no_restart():
    transfer = only(Talk().offer(100).ask(0).pause(5).ask(0).pause(5).exchange(0, 50))
    assert (transfer.block_requests, transfer.repeated_requests, transfer.complete) == (4, 2, True)


def test_a_restart_whose_request_was_missed_is_seen_by_the_answer():
    talk = Talk().offer(200).exchange(0, 50, 100)
    talk.sequence += 1
    talk.block(0).exchange(50, 100, 150)
    assert [record.transfer.received_bytes for record in build(talk)] == [150, 200]


def test_restart_when_only_the_server_is_heard():
    talk = Talk().offer(100).exchange(0, 50).exchange(0, 50)
    talk.rows = [row for row in talk.rows if row["command"] != 3]
    assert [record.transfer.attempt for record in build(talk)] == [1, 2]


def test_the_same_image_after_an_end_is_a_new_attempt_and_the_old_one_keeps_its_state():
    talk = Talk().offer(100).exchange(0, 50).end().upgrade().pause(30).query().offer(100).exchange(0, 50).end(0x96)
    first, second = (record.transfer for record in build(talk))
    assert (first.state, second.state, second.attempt) == ("upgrading", "rejected", 2)
    assert second.first_frame == 8
    assert second.end_status == 0x96


def test_a_first_request_that_is_answered_with_another_block_and_asked_again_is_no_restart():
    transfer = only(Talk().offer(200).ask(100).block(150).pause(3).exchange(100, 150).end())
    assert (transfer.attempt, transfer.requested_from, transfer.received_bytes) == (1, 100, 100)
    assert missing(transfer) == [(0, 100, NEVER)]


def test_a_block_that_comes_again_after_the_end_fills_its_hole_and_begins_nothing():
    """The server repeats it as it did not hear the acknowledgement; the sniffer had missed it before."""
    talk = Talk().offer(150).exchange(0).ask(50)
    late = talk.sequence
    talk.exchange(100).end().upgrade(then=0xFFFFFFFF)
    talk.sequence = late
    transfer = only(talk.block(50))
    assert (transfer.state, transfer.complete, transfer.sha256) == ("waiting", True, sha256(IMAGE[:150]).hexdigest())


def test_a_block_long_after_the_end_begins_an_attempt():
    talk = Talk().offer(150).exchange(0, 50, 100).end().upgrade().pause(30)
    talk.sequence += 5
    assert [record.transfer.attempt for record in build(talk.block(0).exchange(50))] == [1, 2]


def test_an_offer_after_the_end_that_nothing_follows_stays_with_the_ended_attempt():
    talk = Talk().offer(50).exchange(0).end().upgrade(then=5).query().offer(50)
    talk.without_identity(DEFAULT_RESPONSE, answered=2, status=0x85)
    transfer = only(talk)
    assert transfer.state == "upgrading"
    assert events(transfer)[-1] == "client answered Query Next Image Response with INVALID_FIELD"


def test_after_a_long_silence_only_what_was_had_can_be_resumed():
    within = Talk().offer(1000).exchange(0, 50).pause(7200).exchange(50, 100)
    assert len(build(within)) == 1
    beyond = Talk().offer(1000).exchange(0, 50).pause(7200).exchange(500, 550)
    assert [record.transfer.requested_from for record in build(beyond)] == [0, 500]
    assert len(build(beyond, silence_ns=10_000 * SECOND)) == 1


def test_two_clients_at_once_do_not_blend():
    one, two = Talk(client=7), Talk(client=8, time=0.02)
    one.offer(150).exchange(0, 50, 100).end()
    two.offer(150).ask(0).block(0, data=bytes(50)).ask(50).block(50, data=bytes(50)).end(0x95)
    first, second = build(one, two)
    assert first.image.read() == IMAGE[:150]
    assert second.image.read() == bytes(150)
    assert (first.transfer.state, second.transfer.state) == ("ended", "aborted")
    assert (first.transfer.client.short, second.transfer.client.short) == (7, 8)


def test_the_same_addresses_in_two_pans_do_not_blend():
    one, two = Talk(pan_id=1, eui64=False), Talk(pan_id=2, eui64=False, time=0.02)
    one.offer(100).exchange(0, 50)
    two.offer(100).ask(0).block(0, data=bytes(50))
    first, second = build(one, two)
    assert (first.transfer.pan_id, first.image.read()) == (1, IMAGE[:100])
    assert (second.transfer.pan_id, second.transfer.received_bytes) == (2, 50)


def test_a_client_that_changes_its_short_address_goes_on():
    talk = Talk().offer(200).exchange(0, 50)
    for row in talk.rows:
        row["source_eui64"], row["destination_eui64"] = (EUI[row["nwk_source"]], EUI[row["nwk_destination"]])
    moved = Talk(client=9, time=talk.time, counter=talk.counter, sequence=talk.sequence).exchange(100, 150)
    for row in moved.rows:
        row["source_eui64" if row["nwk_source"] == 9 else "destination_eui64"] = EUI[7]
    transfer = only(talk, moved)
    assert (transfer.complete, transfer.client.short) == (True, 9)


def test_an_eui64_that_is_learnt_late_belongs_to_the_attempt():
    talk = Talk().offer(150).exchange(0, 50, 100)
    for row in talk.rows[:4] + talk.rows[-1:]:
        row["source_eui64"] = row["destination_eui64"] = 0
    transfer = only(talk)
    assert transfer.complete
    assert transfer.client.eui64 == "00:0d:6f:00:0a:90:69:e0"


def test_an_update_to_another_version_supersedes_what_was_not_finished():
    old = Talk(version=5).offer(200).exchange(0, 50)
    new = Talk(version=6, time=old.time, counter=old.counter, sequence=old.sequence).offer(100).exchange(0, 50).end()
    first, second = (record.transfer for record in build(old, new))
    assert (first.file_version, first.state) == (5, "superseded")
    assert (second.file_version, second.state, second.attempt) == (6, "ended", 1)


# --- pages ---


def paged(talk: Talk, offset: int, page_size: int, lost: tuple[int, ...] = (), end: int = len(IMAGE)) -> Talk:
    talk.page(offset, page_size)
    for start in range(offset, min(offset + page_size, end), 64):
        if start not in lost:
            talk.block(start, min(64, offset + page_size - start, end - start))
    return talk


def test_holes_of_a_page_are_filled_by_block_requests():
    talk = paged(Talk().offer(512), 0, 256, lost=(64, 128))
    paged(talk.exchange(64, 128, size=64), 256, 256)
    transfer = only(talk)
    assert (transfer.complete, transfer.page_requests, transfer.block_requests) == (True, 2, 2)
    assert transfer.attempt == 1
    assert "page requests begin at offset 0" in events(transfer)


def test_a_page_asked_for_again_from_the_start_is_no_restart():
    talk = paged(Talk().offer(256), 0, 256, lost=(0, 64, 128, 192))
    assert only(paged(talk.pause(4.4), 0, 256)).complete


def test_a_restart_by_page_whose_request_was_missed_is_told_by_its_first_block():
    talk = paged(Talk().offer(640), 0, 256)
    paged(talk, 256, 256)
    asked_again = len(talk.rows)
    paged(talk, 0, 256, end=640)
    del talk.rows[asked_again]
    paged(paged(talk, 256, 256), 512, 128, end=640).end()
    first, second = (record.transfer for record in build(talk))
    assert (first.state, first.received_bytes, second.state, second.complete) == ("superseded", 512, "ended", True)


def test_the_first_hole_of_the_first_page_is_no_restart():
    talk = paged(Talk().offer(512), 0, 256, lost=(0,))
    assert only(paged(talk.exchange(0, size=64), 256, 256)).complete


def test_legrand_starts_at_62_and_leaves_the_last_octet():
    size = 70 + 256 + 129
    talk = Talk().offer(size).ask(62, 8).block(62, 8)
    paged(talk, 70, 256, lost=(134,))
    paged(talk, 326, 128).end().upgrade()
    transfer = only(talk)
    assert transfer.requested_from == 62
    assert missing(transfer) == [(0, 62, NEVER), (134, 198, ANSWERED), (size - 1, size, NEVER)]
    assert (transfer.state, transfer.upgrade_at, transfer.complete) == ("upgrading", "now", False)


def test_an_answer_with_another_block_proves_nothing_of_the_one_asked_for():
    talk = Talk().offer(250).exchange(0, 50).ask(100).block(150)
    assert missing(only(talk)) == [(100, 150, UNANSWERED), (200, 250, NEVER)]


def test_success_proves_the_last_blocks_that_the_sniffer_missed():
    talk = Talk().offer(230).exchange(0, 50, 100).exchange(150, 200, end=230).end()
    talk.rows = talk.rows[:-5] + talk.rows[-1:]
    assert missing(only(talk)) == [(150, 230, ANSWERED)]


# --- waits, refusals, ends ---


@pytest.mark.parametrize(
    ("now", "then", "seconds"),
    [(0, 60, 60), (1000, 1060, 60), (1000, 1000, 0), (1000, 400, 0), (0, 0xFFFFFFFF, 86400), (ABSENT, ABSENT, 0)],
)
def test_how_long_a_wait_asks_for(now, then, seconds):
    talk = Talk().offer(100).ask(0)
    talk.without_identity(0x05, status=0x97, current_time=now, request_time=then)
    transfer = only(talk)
    assert (transfer.wait_responses, transfer.waited_ns) == (1, seconds * SECOND)


def test_waits_are_told_once_with_their_number():
    talk = Talk().offer(100)
    for _ in range(5):
        talk.ask(0).wait(30).pause(30)
    transfer = only(talk)
    assert (transfer.wait_responses, transfer.waited_ns) == (5, 150 * SECOND)
    assert "server asked to wait 30 s, the first of 5 times" in events(transfer)


def test_abort_by_the_server():
    transfer = only(Talk().offer(100).exchange(0).ask(50).without_identity(0x05, status=0x95))
    assert transfer.state == "aborted"
    assert events(transfer)[-1] == "server answered a block request with ABORT"
    assert missing(transfer) == [(50, 100, UNANSWERED)]


@pytest.mark.parametrize(
    ("status", "state"),
    [(0, "ended"), (0x95, "aborted"), (0x96, "rejected"), (0x99, "more-needed"), (0x94, "aborted")],
)
def test_how_the_client_ends(status, state):
    transfer = only(Talk().offer(50).exchange(0).end(status))
    assert (transfer.state, transfer.end_status) == (state, status)


def test_a_short_upgrade_end_request_without_identity_belongs_to_the_running_attempt():
    transfer = only(Talk().offer(50).exchange(0).without_identity(0x06, status=0x95))
    assert (transfer.state, transfer.end_status) == ("aborted", 0x95)


@pytest.mark.parametrize(
    ("now", "then", "state", "text"),
    [
        (0, 0xFFFFFFFF, "waiting", "wait for a further command"),
        (0, 0, "upgrading", "now"),
        (0, 30, "upgrading", "in 30 s"),
        (0x12345, 0x1234A, "upgrading", "in 5 s"),
        (500, 400, "upgrading", "now"),
    ],
)
def test_when_to_upgrade(now, then, state, text):
    transfer = only(Talk().offer(50).exchange(0).end().upgrade(now, then))
    assert (transfer.state, transfer.upgrade_at) == (state, text)


def test_wildcards_in_an_upgrade_end_response_mean_the_running_attempt():
    talk = Talk().offer(50).exchange(0).end()
    talk.say(0x07, manufacturer_code=0xFFFF, image_type=0xFFFF, file_version=0xFFFFFFFF, current_time=0, request_time=0)
    assert only(talk).state == "upgrading"


def test_a_broadcast_upgrade_end_response_reaches_every_client_that_ended():
    one, two, three = Talk(client=7), Talk(client=8, time=0.01), Talk(client=9, time=0.02)
    for talk in (one, two):
        talk.offer(50).exchange(0).end().upgrade(then=0xFFFFFFFF)
    three.offer(100).exchange(0)
    wide = Talk(client=0xFFFF, time=9)
    wide.say(0x07, manufacturer_code=0xFFFF, image_type=0xFFFF, file_version=0xFFFFFFFF, current_time=0, request_time=0)
    states = [record.transfer.state for record in build(one, two, three, wide)]
    assert states == ["upgrading", "upgrading", "downloading"]


@pytest.mark.parametrize(
    ("status", "name"), [(0x98, "NO_IMAGE_AVAILABLE"), (0x7E, "NOT_AUTHORIZED"), (0x80, "MALFORMED_COMMAND")]
)
def test_a_refused_block_request_is_told(status, name):
    transfer = only(Talk().offer(100).exchange(0).ask(50).without_identity(DEFAULT_RESPONSE, answered=3, status=status))
    assert events(transfer)[-1] == f"server answered Image Block Request with {name}"
    assert transfer.state == "downloading"


def test_default_responses_of_success_are_no_story():
    talk = Talk().offer(100).exchange(0)
    told = events(only(talk))
    talk.without_identity(DEFAULT_RESPONSE, answered=5, status=0)
    assert events(only(talk)) == told


def test_an_offer_that_nothing_follows_and_one_that_the_client_declines():
    assert only(Talk().query().offer(100)).state == "offered"
    talk = Talk().query().offer(100).without_identity(DEFAULT_RESPONSE, answered=2, status=0x89)
    assert only(talk).state == "refused"
    assert only(talk.query().offer(100).exchange(0)).state == "downloading"


def test_a_server_without_an_image_is_one_refusal_however_often_it_is_asked():
    talk = Talk()
    for _ in range(4):
        talk.query().without_identity(0x02, status=0x98).pause(300)
    transfer = only(talk)
    assert (transfer.state, transfer.file_version, transfer.received_bytes) == ("refused", 4, 0)
    assert build(talk)[0].image is None


def test_a_refusal_before_a_transfer_is_part_of_its_story():
    transfer = only(Talk().query().without_identity(0x02, status=0x98).pause(60).query().offer(50).exchange(0))
    assert "server answered the query with NO_IMAGE_AVAILABLE" in events(transfer)


def test_a_broadcast_notify_belongs_to_nobody():
    talk = Talk().say(0x00, nwk_destination=0xFFFF, payload_type=3)
    assert build(talk) == []


def test_silence_before_the_capture_ends_is_a_stall_unless_it_was_asked_for():
    talk = Talk().offer(100).exchange(0).ask(50)
    assert only(talk, ended=30).state == "downloading"
    assert only(talk, ended=100).state == "stalled"
    assert only(talk.wait(600), ended=100).state == "downloading"
    assert only(talk, ended=700).state == "stalled"


# --- bad input ---


def test_blocks_shorter_than_they_say_or_empty_are_not_used():
    talk = Talk().offer(100).exchange(0).ask(50)
    talk.say(0x05, status=0, file_offset=50, data_size=50, data=IMAGE[50:80]).ask(50)
    talk.say(0x05, status=0, file_offset=50, data_size=0, data=b"")
    transfer = only(talk)
    assert transfer.received_bytes == 50
    assert "block with fewer octets than it says, or none (2 in all): not used" in events(transfer)


def test_octets_beyond_the_data_size_are_not_used():
    talk = Talk().offer(100).ask(0).say(0x05, status=0, file_offset=0, data_size=20, data=IMAGE[:50])
    assert only(talk).received_bytes == 20


def test_hostile_offsets_are_counted_and_not_taken_in():
    talk = Talk().exchange(0).ask(0xFFFFFFF0).block(0xFFFFFFF0, data=bytes(50))
    (record,) = build(talk)
    assert record.image.size <= 64 << 20
    assert record.transfer.received_bytes == 50
    assert "50 octets beyond the end of the image were not used" in events(record.transfer)


def test_octets_beyond_the_offered_size_are_not_of_the_image():
    (record,) = build(Talk().offer(80).exchange(0, 50))
    assert record.image.read() == IMAGE[:80]
    assert record.transfer.received_bytes == 80
    assert "20 octets beyond the end of the image were not used" in events(record.transfer)


def test_a_hostile_image_size_costs_nothing():
    (record,) = build(Talk().offer(0xFFFFFFFF).exchange(0, 50))
    assert record.transfer.image_size == 0xFFFFFFFF
    assert missing(record.transfer) == [(100, 0xFFFFFFFF, NEVER)]
    assert record.image.read(0, 100) == IMAGE[:100]


def test_attempts_are_told_apart_only_up_to_a_limit():
    talk = Talk().offer(200)
    for _ in range(20):
        talk.exchange(0, 50, 100)
    rows = numbered(talk.rows)
    builder = TransferBuilder(ImageStore(), attempts_limit=5)
    builder.feed(table(rows))
    assert len(builder.finish()) == 5
    assert builder.refused.attempts > 0


def test_answers_that_follow_nothing_are_counted():
    talk = Talk().wait(5).without_identity(0x05, status=0x95)
    builder = TransferBuilder(ImageStore())
    builder.feed(table(numbered(talk.rows)))
    assert builder.finish() == []
    assert builder.refused.unattributed == 2


def test_nothing_at_all():
    builder = TransferBuilder(ImageStore())
    builder.feed(table([]))
    assert builder.finish() == []


def test_progress_shows_what_is_loading():
    talk = Talk().offer(200).exchange(0, 50, 50)
    builder = TransferBuilder(ImageStore())
    builder.feed(table(numbered(talk.rows)))
    (progress,) = builder.progress()
    assert (progress.client.short, progress.received_bytes, progress.image_size) == (7, 100, 200)
    builder.feed(table(numbered(Talk(time=talk.time, counter=50).end().rows)))
    assert builder.progress() == []


def test_logs_that_outgrow_memory_lie_in_the_store(monkeypatch):
    talk = Talk().offer(1000).exchange(*range(0, 1000, 50)).end()
    expected = build(talk)[0]
    monkeypatch.setattr(transfers, "JOURNAL_OCTETS", 100)
    found = build(talk, cuts=list(range(1, 43)))[0]
    assert found.transfer == expected.transfer
    assert found.image.read() == IMAGE[:1000]


# --- properties ---


@dataclass
class Schedule:
    """A client that loads in order from a lossy server, and what it had at every moment."""

    rows: list[dict[str, int | bytes]]
    size: int
    had: set[int]


@st.composite
def schedules(draw) -> Schedule:
    size, step = draw(st.integers(1, 400)), draw(st.integers(8, 64))
    talk, had, offset = Talk().query().offer(size), set(), 0
    while offset < size:
        happens = draw(st.sampled_from(["answer"] * 6 + ["silence", "wait", "retry", "twice", "stop"]))
        length = min(step, size - offset)
        talk.ask(offset, step)
        if happens == "stop":
            break
        if happens == "retry":
            talk.again(nwk_sequence=255)
        if happens == "wait":
            talk.wait(3).pause(3)
        elif happens == "silence":
            talk.pause(5)
        else:
            talk.block(offset, length)
            if happens == "twice":
                talk.again(nwk_sequence=254)
            had |= set(range(offset, offset + length))
            offset += length
    else:
        if draw(st.booleans()):
            talk.end()
    lost = draw(st.sets(st.integers(2, len(talk.rows) - 1))) if draw(st.booleans()) else set()
    return Schedule([row for index, row in enumerate(numbered(talk.rows)) if index not in lost], size, had)


def reference(rows, size: int) -> dict[int, str]:
    """Octet by octet and slowly: why each octet that was not heard is missing."""
    have, asked, seen = set(), [], set()
    for row in rows:
        message = (row["nwk_source"], row["aps_counter"], row["zcl_sequence"], row["command"])
        fresh, _ = message not in seen, seen.add(message)
        if row["command"] == 3 and fresh:
            asked.append((row["file_offset"], row["file_offset"] + row["data_size"]))
        if row["command"] == 5 and row["status"] == 0:
            offset = row["file_offset"]
            have |= set(range(offset, offset + len(row["data"])))
            if offset not in {start for start, _ in asked} and fresh:
                asked.append((offset, offset))
        if row["command"] == 6:
            asked.append((size, size))
    offsets = [start for start, _ in asked if start < size] or [size]
    why = {}
    for octet in set(range(size)) - have:
        over = [index for index, (start, end) in enumerate(asked) if start <= octet < end]
        later = asked[over[-1] + 1 if over else 0 :]
        if octet >= min(offsets) and any(start > octet for start, _ in later):
            why[octet] = ANSWERED
        else:
            why[octet] = UNANSWERED if over else NEVER
    return why


@settings(max_examples=150, deadline=None)
@given(schedules(), st.data())
def test_lossy_captures_in_any_pieces_give_the_octets_and_reasons_of_the_reference(schedule, data):
    rows = schedule.rows
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    talk = Talk(rows=rows)
    (record,) = build(talk, cuts=cuts)
    found = {octet: why for start, end, why in missing(record.transfer) for octet in range(start, end)}
    assert found == reference(rows, schedule.size)
    # What the client is said to have it has, and what it is said never to have asked for while it went on it has not.
    assert {octet for octet, why in found.items() if why == ANSWERED} <= schedule.had
    have = sorted(set(range(schedule.size)) - set(found))
    image = record.image.read() if record.image else b""
    assert all(image[octet] == IMAGE[octet] for octet in have)
    assert record.transfer.received_bytes == len(have)
    if record.image:
        frames = {row["number"]: row for row in rows}
        starts, ends, brought = (column.tolist() for column in record.image.provenance())
        for start, end, frame in zip(starts, ends, brought, strict=True):
            offset = frames[frame]["file_offset"]
            assert frames[frame]["command"] == 5
            assert offset <= start < end <= offset + len(frames[frame]["data"])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 150), st.data())
def test_any_messages_cut_anywhere_give_the_same_transfers(seed, count, data):
    random = np.random.default_rng(seed)
    rows, time = [], 0
    for _ in range(count):
        command = int(random.choice([0, 1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7, 8, 9, 10, DEFAULT_RESPONSE]))
        time += int(random.choice([0, 1, 1, 1, 5, 30, 100, 5000])) * SECOND // 10 * int(random.integers(0, 3))
        row = {
            "time_ns": time,
            "pan_id": int(random.choice([1, 1, 1, 2])),
            "nwk_source": int(random.choice([0, 7, 8])),
            "nwk_destination": int(random.choice([0, 7, 8, 0xFFFF])),
            "source_eui64": int(random.choice([0, 0, 11, 12])),
            "destination_eui64": int(random.choice([0, 0, 11, 12])),
            "aps_counter": int(random.integers(0, 4)),
            "zcl_sequence": int(random.integers(0, 3)),
            "command": command,
            "answered": int(random.integers(-1, 12)),
            "status": int(random.choice([0, 0, 0, 0x95, 0x96, 0x97, 0x98, -1])),
            "manufacturer_code": int(random.choice([0x1001, 0x1001, 0xFFFF, -1])),
            "image_type": 1,
            "file_version": int(random.choice([5, 5, 5, 6, 0xFFFFFFFF, -1])),
            "file_offset": int(random.choice([0, 0, 8, 16, 20, 24, 62, 0xFFFFFFF0, -1])),
            "data_size": int(random.choice([8, 8, 8, 4, 0, -1])),
            "page_size": int(random.choice([16, 24, 0])),
            "image_size": int(random.choice([32, 30, 0, 0xFFFFFFFF, -1])),
            "current_time": int(random.choice([0, 5, -1])),
            "request_time": int(random.choice([0, 9, 0xFFFFFFFF, -1])),
            "data": random.integers(0, 2, int(random.choice([8, 8, 4, 12])), dtype=np.uint8).tobytes()
            if command == 5
            else b"",
        }
        rows.append(row)
    talk = Talk(rows=rows)
    whole = build(talk)
    pieces = build(talk, cuts=data.draw(st.lists(st.integers(0, count), max_size=8)))
    assert [record.transfer for record in pieces] == [record.transfer for record in whole]
    for one, two in zip(pieces, whole, strict=True):
        assert (one.image is None) == (two.image is None)
        if one.image and two.image:
            assert one.image.covered.pairs() == two.image.covered.pairs()
            assert all((a == b).all() for a, b in zip(one.image.provenance(), two.image.provenance(), strict=True))
            assert all(one.image.read(*pair) == two.image.read(*pair) for pair in one.image.covered.pairs())


# --- real captures, as tshark reads them ---

OTA = "zbee_zcl_general.ota."
FIELDS = {
    "number": "frame.number",
    "time": "frame.time_epoch",
    "pan_id": "wpan.dst_pan",
    "nwk_source": "zbee_nwk.src",
    "nwk_destination": "zbee_nwk.dst",
    "nwk_sequence": "zbee_nwk.seqno",
    "aps_counter": "zbee_aps.counter",
    "zcl_sequence": "zbee_zcl.cmd.tsn",
    "by_server": OTA + "cmd.srv_tx.id",
    "by_client": OTA + "cmd.srv_rx.id",
    "general": "zbee_zcl.cmd.id",
    "answered": "zbee_zcl.cmd.id.rsp",
    "default_status": "zbee_zcl.attr.status",
    "status": OTA + "status",
    "manufacturer_code": OTA + "manufacturer_code",
    "image_type": OTA + "image.type",
    "file_version": OTA + "file.version",
    "image_size": OTA + "image.size",
    "file_offset": OTA + "file.offset",
    "maximum_data_size": OTA + "max_data_size",
    "page_size": OTA + "page.size",
    "current_time": OTA + "current_time",
    "request_time": OTA + "request_time",
    "upgrade_time": OTA + "upgrade_time",
    "data_size": OTA + "data_size",
    "data": OTA + "image.data",
}


def rows_by_tshark(path: Path, key: str, *options: str) -> list[dict[str, int | bytes]]:
    """The OTA commands of a capture, decrypted and taken apart by tshark."""
    words = ("-2", "-r", path, "-o", f'uat:zigbee_pc_keys:"{key}","Normal","key"', *options)
    rows = []
    for told in tshark_table(list(FIELDS.values()), *words, "-Y", "zbee_aps.cluster == 0x19 && zbee_zcl"):
        cells = dict(zip(FIELDS, told, strict=True))
        row = {
            name: int(cell.split(",")[0], 0) for name, cell in cells.items() if cell and name not in ("time", "data")
        }
        row["command"] = row.get("by_server", row.get("by_client", ABSENT))
        if row["command"] == ABSENT:
            if row.get("general") != 0x0B:
                continue
            row |= {"command": DEFAULT_RESPONSE, "status": row["default_status"]}
        row["data"] = bytes.fromhex(cells["data"].replace(":", ""))
        row["data_size"] = row.get("data_size", row.get("maximum_data_size", ABSENT))
        row["request_time"] = row.get("request_time", row.get("upgrade_time", ABSENT))
        seconds, fraction = cells["time"].split(".")
        row["time_ns"] = int(seconds) * SECOND + int(fraction[:9].ljust(9, "0"))
        for name in ("by_server", "by_client", "general", "default_status", "maximum_data_size", "upgrade_time"):
            row.pop(name, None)
        rows.append(row)
    return rows


def test_catsniffer_capture_gives_the_known_share_and_every_gap_is_the_sniffers(data):
    path = data / "captures" / "catsniffer-ota.tap.pcap"
    transfer = only(Talk(rows=rows_by_tshark(path, "f0ff6193c6880d107f540a4179ca7ea5")))
    assert (transfer.manufacturer_code, transfer.image_type, transfer.file_version) == (0x1001, 0x1011, 0x01010110)
    assert (transfer.image_size, transfer.block_requests, transfer.block_responses) == (618536, 2638, 2474)
    assert round(transfer.received_bytes / transfer.image_size * 100, 2) == 89.19
    assert Counter(why for *_, why in missing(transfer)) == {ANSWERED: 269}
    assert (transfer.state, transfer.upgrade_at, transfer.conflicting_bytes) == ("upgrading", "in 5 s", 0)


def test_legrand_capture_of_pages_from_62_to_one_octet_short(data):
    path = data / "captures" / "legrand-page-requests.pcap"
    rows = rows_by_tshark(path, "bd4bee1a2f9d58e90ba1300ad59bfad6")
    assert Counter(row["command"] for row in rows)[4] == 708
    first, second = (record.transfer for record in build(Talk(rows=rows)))
    assert (first.image_size, first.requested_from, first.state) == (223127, 62, "upgrading")
    assert round(first.received_bytes / first.image_size * 100, 1) == 85.4
    holes = missing(first)
    assert holes[0] == (0, 62, NEVER)
    assert holes[-1] == (223126, 223127, NEVER)
    assert {why for *_, why in holes[1:-1]} == {ANSWERED}
    assert second.state == "refused"


def test_hue_capture_equals_the_vendors_file_as_far_as_it_goes(data):
    path = data / "captures" / "hue-ota-ti-metadata.pcapng"
    options = ("-o", "wpan.fcs_format:TI CC24xx metadata")
    (record,) = build(Talk(rows=rows_by_tshark(path, "3c3465cf5c9eb97dbdb187050842224e", *options)))
    reference = (data / "captures" / "hue-ota-ti-metadata.reference.zigbee").read_bytes()
    transfer, image = record.transfer, record.image
    assert all(image.read(*pair) == reference[slice(*pair)] for pair in image.covered.pairs())
    assert (transfer.image_size, transfer.wait_responses, transfer.conflicting_bytes) == (267452, 1, 0)
    assert round(transfer.received_bytes / transfer.image_size * 100, 2) == 18.66
    assert missing(transfer) == [(9790, 9854, ANSWERED), (49982, 267452, NEVER)]
    assert transfer.state == "downloading"
