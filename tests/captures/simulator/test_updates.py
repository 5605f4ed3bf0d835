"""Whole updates: that a run does what its truth says, as tshark, the GBCS verifier and the analyzers read it."""

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from oracles import key_option, tshark
from tunnel_messages import ring_of

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.certificates import read_certificates, read_private_keys
from hanscope.analyzers.gbcs_verify import verify
from hanscope.captures.files import open_capture
from hanscope.captures.simulator.faults import FAULTS, FaultError
from hanscope.captures.simulator.han import HUB, Role
from hanscope.captures.simulator.parties import write_credentials
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.simulator.truth import AttemptTruth, DeviceTruth, Truth
from hanscope.captures.simulator.updates import ACTIVATIONS, UPDATE_SCENARIOS
from hanscope.dissectors.gbcs.envelope import parse

Key = tuple[str, tuple[str, ...], str, int]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> "Runs":
    return Runs(tmp_path_factory.mktemp("updates"))


class Runs:
    """Each run once, however many tests look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._truths: dict[Key, tuple[Path, Truth]] = {}

    def __call__(self, scenario: str, *faults: str, activation: str = "immediate", seed: int = 3) -> tuple[Path, Truth]:
        key = scenario, faults, activation, seed
        if key not in self._truths:
            path = self.folder / f"{len(self._truths)}.pcapng"
            self._truths[key] = path, simulate(scenario, path, seed=seed, faults=faults, activation=activation)
        return self._truths[key]


def only(truth: Truth) -> DeviceTruth:
    (device,) = truth.devices
    return device


def role(truth: Truth, device: DeviceTruth) -> Role:
    return truth.han.nodes[device.device].role


def records(path: Path) -> list[tuple[int, bytes]]:
    """Time and octets of every frame."""
    found: list[tuple[int, bytes]] = []
    with open_capture(path) as capture:
        for batch in capture:
            for time, at, length in zip(
                batch.time_ns.tolist(), batch.at.tolist(), batch.captured.tolist(), strict=True
            ):
                found.append((time, batch.buffer[at : at + length].tobytes()))
    return found


def fields(path: Path, truth: Truth, condition: str, *names: str) -> list[list[str]]:
    han = truth.han
    keys = [han.network_key, *han.later_keys, *truth.wrong_keys, *(node.link_key for node in han.nodes)]
    options = [word for key in keys if key for word in key_option(key)]
    wanted = [word for name in names for word in ("-e", name)]
    return tshark("-r", path, *options, "-Y", condition, "-T", "fields", *wanted)


# What happens.


@pytest.mark.parametrize("scenario", UPDATE_SCENARIOS)
def test_without_a_fault_every_device_ends_with_the_new_version(runs: Runs, scenario: str) -> None:
    _, truth = runs(scenario)
    assert sorted(role(truth, one) for one in truth.devices) == sorted(UPDATE_SCENARIOS[scenario].roles)
    for one in truth.devices:
        assert (one.state, one.failed_at, one.cause) == ("confirmed", None, None)
        assert (one.version_before, one.version_after) == (one.firmware.file_version - 4, one.firmware.file_version)
        assert one.held_sha256 == one.firmware.sha256
        (attempt,) = one.attempts
        assert attempt.received == ((0, one.firmware.size),)
        assert (attempt.missing, attempt.missing_really, attempt.end_status) == ((), (), 0)
        assert all(event.frame for event in one.events if event.what != "rebooted")
    assert all(message.complete for message in truth.messages)
    assert not truth.missed.time_ns.size


METERS = {Role.ESME, Role.GSME, Role.HCALCS}


@pytest.mark.parametrize("scenario", UPDATE_SCENARIOS)
def test_each_flow_says_its_messages_in_order(runs: Runs, scenario: str) -> None:
    _, truth = runs(scenario)
    for one in truth.devices:
        codes = [parse(message.octets).message_code for message in truth.messages if message.device == one.device]
        assert codes == {
            Role.ESME: [0x59, 0x59, 0xCE, 0x12, 0x12, 0x59, 0x59],
            Role.GSME: [0x84, 0x84, 0xCF, 0x12, 0x12, 0x84, 0x84],
            Role.HCALCS: [0x129, 0x129, 0xCF, 0x12, 0x12, 0x129, 0x129],
            Role.PPMID: [0x129, 0x129, 0x12B, 0x129, 0x129],
        }.get(role(truth, one), [])
        meter = role(truth, one) in METERS
        assert one.alert == ((0x8F72, one.manufacturer_image_hash) if meter else None)
        assert one.ordered == ((one.manufacturer_image_hash,) if meter else ())
        assert (one.activation, one.flow) == (
            ("immediate" if meter else None),
            {Role.ESME: "ESME/GSME", Role.GSME: "ESME/GSME", Role.HCALCS: "HCALCS", Role.PPMID: "PPMID"}.get(
                role(truth, one), "ZigBee"
            ),
        )
    ppmids = sum(role(truth, one) is Role.PPMID for one in truth.devices)
    assert [parse(octets).message_code for octets in truth.wan_messages] == [0x128] * ppmids


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_ordered_as_asked(runs: Runs, activation: str) -> None:
    _, truth = runs("esme-update", activation=activation)
    one = only(truth)
    said = [parse(message.octets) for message in truth.messages]
    codes = [message.message_code for message in said if message.message_code in (0x12, 0xCA)]
    orders = {"immediate": 2, "future": 2, "cancelled": 4, "replaced": 4}[activation]
    assert codes == [0x12] * orders + [0xCA] * (activation in ("future", "replaced"))
    assert len(one.ordered) == orders // 2
    assert one.activation == activation
    cancelled = activation == "cancelled"
    assert one.state == ("receipt given" if cancelled else "confirmed")
    assert one.version_after == (one.version_before if cancelled else one.firmware.file_version)
    if codes[-1] == 0xCA:
        alert = next(message for message in said if message.message_code == 0xCA)
        last = [message for message in said if message.message_code == 0x12 and message.cra_flag == 1][-1]
        counter = last.originator_counter.to_bytes(2, "big").hex()
        assert f"0202{counter}" in alert.payload.of(alert.octets).hex(), (
            "the alert names the command that was carried out"
        )


OUTCOMES = {
    "lost-blocks": ("confirmed", None, None),
    "lost-blocks:100%": ("failed", "distribution", "radio-link-lost"),
    "sniffer-loss": ("confirmed", None, None),
    "corrupt-blocks": ("failed", "verification", "image-corrupted"),
    "server-repeats": ("confirmed", None, None),
    "server-skips": ("confirmed", None, None),
    "server-silent": ("failed", "distribution", "server-silent"),
    "server-silent:0%": ("failed", "distribution", "server-silent"),
    "server-silent:100%": ("failed", "distribution", "server-silent"),
    "restart-at-zero": ("confirmed", None, None),
    "reboot-resume": ("confirmed", None, None),
    "client-rebooted": ("failed", "distribution", "client-rebooted"),
    "stalled-client": ("failed", "distribution", "client-stalled"),
    "radio-lost": ("failed", "distribution", "radio-link-lost"),
    "discarded-image": ("failed", "distribution", "image-discarded"),
    "wrong-key": ("failed", "distribution", "wrong-key"),
    "key-switch": ("confirmed", None, None),
    "two-servers": ("failed", "verification", "two-servers"),
    "file-at-fault": ("failed", "distribution", "server-silent"),
    "rate-limit-ignored": ("confirmed", None, None),
    "rate-limit-ignored:abort": ("failed", "distribution", "rate-limited"),
    "refused-image": ("refused", "offer", "image-refused"),
    "refused-image:server": ("refused", "offer", "image-refused"),
    "wrong-hardware": ("failed", "verification", "wrong-hardware"),
    "bad-signature": ("failed", "verification", "image-rejected-bad"),
    "good-rejected": ("failed", "verification", "image-rejected-good"),
    "downgrade": ("confirmed", None, None),
    "wrong-hash": ("failed", "activation order", "wrong-hash-ordered"),
    "early-activation": ("failed", "activation order", "activation-too-early"),
    "activation-refused": ("failed", "activation", "activation-refused"),
    "never-activated": ("receipt given", "activation order", "never-activated"),
    "never-activated:unexecuted": ("failed", "activation", "never-activated"),
    "version-unchanged": ("failed", "confirmation", "version-unchanged"),
    "replayed-frames": ("confirmed", None, None),
    "cut-short": ("distributing", "distribution", "still-running"),
}


def test_every_fault_has_an_outcome_here() -> None:
    assert {name.partition(":")[0] for name in OUTCOMES} == FAULTS.keys()


@pytest.mark.parametrize("fault", OUTCOMES)
def test_a_fault_ends_an_update_where_it_should(runs: Runs, fault: str) -> None:
    _, truth = runs("esme-update", fault)
    one = only(truth)
    assert (one.state, one.failed_at, one.cause) == OUTCOMES[fault]
    assert truth.faults == (fault,)
    runs_new = one.state == "confirmed" or one.cause == "version-unchanged"
    expected = one.firmware.file_version if runs_new and one.cause is None else one.version_before
    assert one.version_after == expected
    whole = one.failed_at not in ("offer", "distribution") and one.cause != "wrong-hardware"
    assert (one.held_sha256 is not None) == whole
    if one.held_sha256 is not None:
        assert (one.held_sha256 == one.firmware.sha256) == (one.cause not in ("image-corrupted", "two-servers"))


def test_what_devices_hold_is_what_they_tell_of(runs: Runs) -> None:
    for fault in ("corrupt-blocks", "two-servers", "bad-signature", "good-rejected"):
        one = only(runs("esme-update", fault)[1])
        assert one.alert is not None
        code, image_hash = one.alert
        assert code == 0x8F1C
        good = fault not in ("corrupt-blocks", "two-servers")
        assert (image_hash == one.manufacturer_image_hash) == good
    assert hashlib.sha256(one.firmware.manufacturer_image).digest() == one.manufacturer_image_hash
    wrong = only(runs("esme-update", "wrong-hash")[1])
    assert wrong.ordered != (wrong.manufacturer_image_hash,)
    assert wrong.alert == (0x8F72, wrong.manufacturer_image_hash)


def test_attempts_are_told_apart(runs: Runs) -> None:
    again = only(runs("esme-update", "restart-at-zero:40%")[1]).attempts
    assert [(one.requested_from, one.received) for one in again] == [(0, ((0, 3216),)), (0, ((0, 8000),))]
    (resumed,) = only(runs("esme-update", "reboot-resume")[1]).attempts
    assert resumed.received == ((0, 8000),)
    _, truth = runs("esme-update", "two-servers:50%")
    first, second = only(truth).attempts
    assert (first.server, first.received, first.end_status) == (HUB, ((0, 4032),), None)
    assert truth.han.nodes[second.server].role is Role.SECOND_SERVER
    assert (second.requested_from, second.received, second.end_status) == (4032, ((4032, 8000),), 0x96)


def test_a_file_that_cannot_be_read_fails_at_one_offset_on_both_devices_that_load_it(runs: Runs) -> None:
    _, truth = runs("house-update", "file-at-fault@PPMID")
    states = {(role(truth, one), one.state, one.cause) for one in truth.devices}
    assert states == {(role, "confirmed", None) for role in METERS} | {(Role.PPMID, "failed", "file-at-fault")}
    ends = {one.attempts[0].received for one in truth.devices if one.cause}
    assert len(ends) == 1


def test_a_silent_server_is_no_fault_of_the_file(runs: Runs) -> None:
    for share in ("0%", "60%", "100%"):
        _, truth = runs("house-update", f"server-silent:{share}")
        ppmids = [one for one in truth.devices if role(truth, one) is Role.PPMID]
        assert {one.cause for one in truth.devices} == {"server-silent"}
        assert len({one.attempts[0].received for one in ppmids}) == 2, "two devices, two offsets"


def test_a_file_may_be_unreadable_at_its_very_end(runs: Runs) -> None:
    (attempt,) = only(runs("esme-update", "file-at-fault:100%")[1]).attempts
    assert attempt.received == ((0, 7968),)


def test_faults_combine(runs: Runs) -> None:
    _, truth = runs("gsme-update", "lost-blocks:10%", "reboot-resume:30%", "restart-at-zero:60%", "wrong-hash")
    one = only(truth)
    assert (one.cause, len(one.attempts)) == ("wrong-hash-ordered", 2)
    assert one.attempts[1].requests > one.firmware.size / 56
    _, truth = runs("house-update", "radio-lost@HCALCS", "key-switch", "server-silent:40%@GSME")
    causes = {role(truth, one): one.cause for one in truth.devices}
    assert causes == {
        Role.ESME: None,
        Role.PPMID: None,
        Role.HCALCS: "radio-link-lost",
        Role.GSME: "server-silent",
    }


# What is on the air.

TROUBLE = "_ws.malformed || zbee_sec.encrypted_payload || _ws.expert.severity >= 0x00600000"
PLAYED = [
    *((scenario, ()) for scenario in UPDATE_SCENARIOS),
    ("house-update", ("key-switch", "lost-blocks", "server-repeats", "replayed-frames")),
    ("gsme-update", ("wrong-key", "server-skips")),
    ("ppmid-update", ("discarded-image", "sniffer-loss")),
    ("ihd-update", ("two-servers", "rate-limit-ignored")),
    ("page-update", ("corrupt-blocks", "lost-blocks")),
    ("esme-update", ("refused-image",)),
    ("esme-update", ("radio-lost", "early-activation:20%")),
    ("hcalcs-update", ("wrong-hardware",)),
]


@pytest.mark.parametrize(("scenario", "faults"), PLAYED, ids=str)
def test_tshark_reads_every_frame_and_finds_the_blocks_where_the_truth_says(
    runs: Runs, scenario: str, faults: tuple[str, ...]
) -> None:
    path, truth = runs(scenario, *faults)
    offset = "zbee_zcl_general.ota.file.offset"
    condition = f"({TROUBLE}) || (zbee_zcl_general.ota.image.data)"
    names = ("frame.number", "zbee_nwk.src", "zbee_nwk.dst", offset, "zbee_zcl_general.ota.image.data")
    rows = fields(path, truth, condition, *names)
    troubled = [int(number) for number, *_, data in rows if not data]
    assert troubled == truth.damaged.tolist()
    nodes = truth.han.nodes
    ends = {
        attempt.number: (nodes[attempt.server].short, nodes[one.device].short)
        for one in truth.devices
        for attempt in one.attempts
    }
    heard = truth.blocks.frame > 0
    told = zip(
        truth.blocks.frame[heard].tolist(),
        truth.blocks.update[heard].tolist(),
        truth.blocks.offset[heard].tolist(),
        strict=True,
    )
    assert {
        int(number): (int(source, 0), int(target, 0), int(at, 0)) for number, source, target, at, data in rows if data
    } == {frame: (*ends[attempt], at) for frame, attempt, at in told}


def test_blocks_make_the_image_and_corrupt_ones_another(runs: Runs) -> None:
    for fault, same in (("lost-blocks", True), ("corrupt-blocks", False)):
        path, truth = runs("page-update", fault)
        one = only(truth)
        octets, versions = bytearray(one.firmware.size), defaultdict[int, set[bytes]](set)
        names = ("zbee_zcl_general.ota.file.offset", "zbee_zcl_general.ota.image.data")
        for offset, data in fields(path, truth, names[1], *names):
            block = bytes.fromhex(data.replace(":", ""))
            octets[int(offset, 0) : int(offset, 0) + len(block)] = block
            versions[int(offset, 0)].add(block)
        assert hashlib.sha256(octets).hexdigest() == one.held_sha256
        assert (one.held_sha256 == one.firmware.sha256) is same
        assert (Counter(map(len, versions.values()))[2] == 0) is same


def test_a_network_key_that_is_renewed_secures_the_rest(runs: Runs) -> None:
    path, truth = runs("esme-update", "key-switch")
    rows = fields(path, truth, "zbee.sec.key_seqno", "zbee.sec.key_seqno", "zbee_zcl_general.ota.image.data")
    sequence = [int(row[0].split(",")[0]) for row in rows]
    assert sequence == sorted(sequence)
    assert set(sequence) == {0, 1}
    assert all(any(row[1] for row, number in zip(rows, sequence, strict=True) if number == which) for which in (0, 1))


def test_replayed_frames_are_frames_that_were_there_before(runs: Runs) -> None:
    path, truth = runs("esme-update", "replayed-frames")
    assert truth.replayed
    frames = [octets for _, octets in records(path)]
    for number in truth.replayed:
        assert frames[number - 1] in frames[: number - 1]
    copies = [number for number, count in Counter(frames).items() if count > 1]
    assert len(copies) >= len(set(truth.replayed)) - 2


def test_a_sub_ghz_capture_names_page_and_channel_and_suspends_reports(runs: Runs) -> None:
    path, truth = runs("sub-ghz-update")
    rows = fields(
        path, truth, "wpan-tap.ch_page", "wpan-tap.ch_page", "wpan-tap.ch_num", "frame.time_epoch", "zbee_aps.cluster"
    )
    assert len(rows) == truth.frames
    assert {(page, channel) for page, channel, *_ in rows} == {("28", "0")}
    suspended, again = (int(one.frame) for one in only(truth).events if one.what.startswith("ZCL messages"))
    between = {cluster for *_, cluster in rows[suspended - 1 : again]}
    assert between <= {"", "0x0019", "0x070b"}


def test_a_pcap_file_holds_the_same_frames(runs: Runs, tmp_path: Path) -> None:
    for scenario in ("ppmid-update", "sub-ghz-update"):
        plain = tmp_path / f"{scenario}.pcap"
        simulate(scenario, plain, seed=3)
        assert records(plain) == records(runs(scenario)[0])


# What the sniffer was denied.


def test_the_sniffer_misses_frames_that_nobody_else_does(runs: Runs) -> None:
    whole, deaf = runs("gsme-update", "lost-blocks"), runs("gsme-update", "lost-blocks", "sniffer-loss:20%")
    everything, heard = records(whole[0]), records(deaf[0])
    assert set(heard) < set(everything)
    denied = sorted(time for time, _ in set(everything) - set(heard))
    assert denied == deaf[1].missed.time_ns.tolist()
    assert 0.15 < len(denied) / len(everything) < 0.25
    first, second = only(whole[1]), only(deaf[1])
    assert first.state == second.state == "confirmed"
    assert [one.received for one in first.attempts] == [one.received for one in second.attempts]
    assert not any(one.missing for one in first.attempts)
    assert second.attempts[0].missing


LOSSES = [
    (scenario, fault, seed)
    for seed, (scenario, fault) in enumerate(
        (scenario, fault)
        for scenario in ("esme-update", "page-update", "house-update")
        for fault in (None, "lost-blocks:15%", "server-silent:70%", "restart-at-zero", "stalled-client")
    )
]


@pytest.mark.parametrize(("scenario", "fault", "seed"), LOSSES)
def test_the_capture_shows_missing_octets_and_reasons_as_the_truth_says(
    tmp_path: Path, scenario: str, fault: str | None, seed: int
) -> None:
    path = tmp_path / "x.pcapng"
    truth = simulate(scenario, path, seed=seed, faults=[*([fault] if fault else []), "sniffer-loss:10%"])
    found = analyze([str(path)], keys=ring_of(truth), processes=1).analysis
    read = {
        (one.client.short, one.first_frame): [(hole.start, hole.end, hole.reason) for hole in one.missing_ranges]
        for one in found.transfers
        if one.image_size_source != "unknown"
    }
    told: list[AttemptTruth] = [attempt for one in truth.devices for attempt in one.attempts if attempt.size_shown]
    expected = [[(hole.start, hole.end, hole.reason) for hole in attempt.missing] for attempt in told]
    assert any(expected)
    assert len(read) == len(expected)
    assert sorted(read.values()) == sorted(expected)


def test_the_true_reason_of_a_missing_block_may_be_another_than_the_one_that_shows(runs: Runs) -> None:
    kinds = Counter(
        (shown.reason, true.reason)
        for fault in ("server-silent:50%", "stalled-client", "wrong-key")
        for attempt in only(runs("esme-update", fault, "sniffer-loss:30%")[1]).attempts
        for shown, true in zip(attempt.missing, attempt.missing_really, strict=False)
    )
    assert kinds[("answered but not captured", "answered but not captured")]
    (attempt,) = only(runs("esme-update", "wrong-key")[1]).attempts
    assert [hole.reason for hole in attempt.missing] == ["never requested"]
    assert [hole.reason for hole in attempt.missing_really] == ["requested and never answered", "never requested"]


# GBCS.


@pytest.mark.parametrize(
    ("scenario", "faults", "activation"),
    [
        ("house-update", (), "immediate"),
        ("esme-update", (), "future"),
        ("gsme-update", (), "replaced"),
        ("hcalcs-update", (), "cancelled"),
        ("esme-update", ("corrupt-blocks", "early-activation"), "immediate"),
        ("gsme-update", ("wrong-hash",), "future"),
        ("ppmid-update", ("version-unchanged",), "immediate"),
    ],
)
def test_every_message_verifies(
    runs: Runs, tmp_path: Path, scenario: str, faults: tuple[str, ...], activation: str
) -> None:
    _, truth = runs(scenario, *faults, activation=activation)
    write_credentials(truth.parties, tmp_path / "certificates", tmp_path / "keys.json")
    credentials = read_certificates([tmp_path / "certificates"]), read_private_keys([tmp_path / "keys.json"])
    assert truth.messages
    for octets in (*(message.octets for message in truth.messages), *truth.wan_messages):
        message = parse(octets)
        assert not message.problems
        found = verify(message, *credentials)
        assert {found.signature.outcome, found.mac.outcome} in ({"valid"}, {"valid", "absent"})


def test_the_image_carries_the_suppliers_signature(runs: Runs, tmp_path: Path) -> None:
    from hanscope.dissectors.gbcs.crypto import signature_holds  # noqa: PLC0415 -- only here

    for fault, holds in ((), True), (("bad-signature",), False):
        _, truth = runs("esme-update", *fault)
        firmware = only(truth).firmware
        supplier = next(party for party in truth.parties if party.role is not None and party.role.name == "SUPPLIER")
        signature = firmware.octets[-64:]
        assert signature_holds(supplier.signing.public_key(), firmware.manufacturer_image, signature) is holds


def test_a_gas_meter_fetches_what_is_for_it(runs: Runs) -> None:
    path, truth = runs("gsme-update")
    rows = fields(path, truth, "gbcs_tunnel", "gbcs_tunnel.command", "zbee_nwk.dst")
    counts = Counter(int(command, 0) for command, _ in rows)
    assert counts[1] >= counts[2] == 3, "GET and GET-RESPONSE: two version reads and CS06"
    assert counts[3] == 4, "PUT: their responses and the alert"


# Everything.


def test_the_same_seed_gives_the_same_octets_and_another_seed_others(runs: Runs, tmp_path: Path) -> None:
    faults = ("lost-blocks", "key-switch", "replayed-frames", "corrupt-blocks", "sniffer-loss")
    path, _ = runs("house-update", *faults)
    again = tmp_path / "again.pcapng"
    simulate("house-update", again, seed=3, faults=faults)
    assert again.read_bytes() == path.read_bytes()
    assert Path(f"{again}.json").read_text() == Path(f"{path}.json").read_text()
    assert runs("house-update", *faults, seed=4)[0].read_bytes() != path.read_bytes()


def test_the_truth_beside_the_capture_says_the_same(runs: Runs) -> None:
    path, truth = runs("house-update", "file-at-fault@PPMID", "sniffer-loss:1%")
    written = json.loads(Path(f"{path}.json").read_text())
    assert (written["frames"], written["seed"]) == (truth.frames, 3)
    assert len(written["denied"]) == written["missed"] == len(truth.missed.time_ns)
    for told, one in zip(written["updates"], truth.devices, strict=True):
        assert (told["state"], told["failed_at"], told["cause"]) == (one.state, one.failed_at, one.cause)
        assert told["image"]["sha256"] == one.firmware.sha256
        assert told["image"]["manufacturer_image_sha256"] == one.manufacturer_image_hash.hex()
        holes = [
            [(hole["start"], hole["end"], hole["reason"]) for hole in part["missing"]] for part in told["attempts"]
        ]
        assert holes == [[(hole.start, hole.end, hole.reason) for hole in part.missing] for part in one.attempts]
    assert [one["octets"] for one in written["messages"]] == [one.octets.hex() for one in truth.messages]


def test_other_sizes_are_other_images(tmp_path: Path) -> None:
    for size in (2000, 20_000):
        truth = simulate("ihd-update", tmp_path / f"{size}.pcap", size=size)
        assert 0 <= only(truth).firmware.size - size < 400
        assert only(truth).state == "confirmed"


@pytest.mark.parametrize(
    ("scenario", "options", "why"),
    [
        ("esme-update", {"faults": ["gremlins"]}, "no fault 'gremlins'"),
        ("ppmid-update", {"faults": ["wrong-hash"]}, "cannot strike PPMID"),
        ("ppmid-update", {"faults": ["never-activated:unexecuted"]}, "cannot strike PPMID"),
        ("gsme-update", {"faults": ["two-servers"]}, "cannot strike GSME"),
        ("house-update", {"faults": ["cut-short"]}, "one device"),
        ("page-update", {"faults": ["server-skips"]}, "page requests"),
        ("esme-update", {"size": 100}, "out of range"),
        ("esme-update", {"activation": "soon"}, "no activation 'soon'"),
        ("ppmid-update", {"activation": "future"}, "nobody in ppmid-update"),
        ("demo", {"faults": ["wrong-hash"]}, "faults and activations are for"),
        ("esme-update", {"frames": 7}, "of a length of your choice"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, scenario: str, options: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        simulate(scenario, tmp_path / "x.pcapng", **options)
    assert isinstance(caught.value, FaultError) or "faults" not in options or scenario == "demo"
    assert not list(tmp_path.iterdir())


def test_hops_of_a_relayed_device_go_through_the_repeater(runs: Runs) -> None:
    path, truth = runs("hcalcs-update")
    device = truth.han.nodes[only(truth).device]
    repeater = truth.han.nodes[device.parent]
    assert repeater.role is Role.REPEATER
    rows = fields(path, truth, f"zbee_nwk.dst == {device.short}", "wpan.dst16")
    hops = Counter(int(row[0], 0) for row in rows)
    assert np.isclose(hops[device.short], hops[repeater.short], rtol=0.1)
