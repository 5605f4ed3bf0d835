"""For every scenario and every fault of the simulator, each update's story equals what the simulator says happened.

The captures are small and each combination has its own seed, so that every run of the tests is the same. Whether an
image was genuine can only be told with the supplier's certificates or a reference: there the analysis gets both.
"""

from pathlib import Path
from zlib import crc32

import pytest

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.certificates import read_certificates, read_private_keys
from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.analyzers.messages import Credentials
from hanscope.analyzers.references import Given, ListedHash
from hanscope.analyzers.results import Analysis, Update
from hanscope.captures.simulator.faults import FAULTS, FaultError, parse_faults
from hanscope.captures.simulator.parties import write_credentials
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.simulator.truth import DeviceTruth, Truth
from hanscope.captures.simulator.updates import UPDATE_SCENARIOS, _check
from hanscope.dissectors.eui64 import eui64_text

SIZE = 3_000
JUDGED_BY_REFERENCE = ("bad-signature", "good-rejected")
ORDERED = ("esme-update", "gsme-update", "hcalcs-update")


def strikes(scenario: str, fault: str) -> bool:
    """Whether the simulator has that fault in that scenario."""
    one = UPDATE_SCENARIOS[scenario]
    try:
        _check(one, parse_faults([fault], one.roles), SIZE, "immediate")
    except FaultError:
        return False
    return True


SPOKEN = [*FAULTS, *(f"{fault.name}:{word}" for fault in FAULTS.values() for word in fault.words[1:])]
STRIKES = [(scenario, fault) for scenario in UPDATE_SCENARIOS for fault in SPOKEN if strikes(scenario, fault)]
PROGRESS = (
    "offered",
    "distributing",
    "distributed",
    "receipt given",
    "activation ordered",
    "activated",
    "confirmed",
)


def run(folder: Path, scenario: str, *faults: str, seed: int | None = None, activation: str = "immediate"):
    """A simulated capture and its analysis."""
    if seed is None:
        seed = crc32(" ".join((scenario, activation, *faults)).encode())
    path = folder / "capture.pcapng"
    truth = simulate(scenario, path, seed=seed, faults=faults, size=SIZE, activation=activation)
    keys = [f"network:{key.hex()}" for key in (truth.han.network_key, *truth.han.later_keys)]
    keys += [f"link:{node.link_key.hex()}" for node in truth.han.nodes if node.link_key]
    ring = KeyRing()
    for key in keys:
        ring = ring.plus(parse_key(key))
    judged = any(fault in JUDGED_BY_REFERENCE for fault in faults)
    credentials, given = (known(folder, truth), listed(truth)) if judged else (None, None)
    found = analyze([str(path)], keys=ring, processes=1, credentials=credentials, given=given)
    return truth, found.analysis


def known(folder: Path, truth: Truth) -> Credentials:
    certificates, private_keys = folder / "certificates", folder / "private-keys.json"
    certificates.mkdir()
    write_credentials(list(truth.parties), certificates, private_keys)
    return Credentials(read_certificates([certificates]), read_private_keys([private_keys]))


def listed(truth: Truth) -> Given:
    return Given(hashes=tuple(ListedHash(one.firmware.sha256, "the test") for one in truth.devices))


def stories(truth: Truth, analysis: Analysis) -> list[tuple[DeviceTruth, list[Update]]]:
    """What really happened to each device, and what the analysis tells of it."""
    names = [eui64_text(truth.han.nodes[one.device].eui64) for one in truth.devices]
    return [
        (one, [update for update in analysis.updates if update.device.eui64 == name])
        for one, name in zip(truth.devices, names, strict=True)
    ]


def agree(truth: Truth, analysis: Analysis) -> None:
    told = stories(truth, analysis)
    assert [[(one.flow, one.state, one.failed_at, one.cause) for one in updates] for _, updates in told] == [
        [(one.flow, one.state, one.failed_at, one.cause)] for one, _ in told
    ]
    diagnosed = {one.update_id: one.cause for one in analysis.diagnoses}
    for one, (update,) in told:
        assert diagnosed.get(update.id, one.cause) == one.cause
        assert (update.id in diagnosed) == (one.cause is not None)
        hashes_agree(one, update, all_heard=all(message.complete for message in truth.messages))
    holes_agree(truth, analysis)


def holes_agree(truth: Truth, analysis: Analysis) -> None:
    """What is missing of each attempt, and why, is what the truth says that the capture can show."""
    read = [
        [(hole.start, hole.end, hole.reason) for hole in one.missing_ranges]
        for one in analysis.transfers
        if one.image_size_source != "unknown" and one.state not in ("offered", "refused")
    ]
    sent = [
        [(hole.start, hole.end, hole.reason) for hole in attempt.missing]
        for one in truth.devices
        for attempt in one.attempts
        if attempt.size_shown and attempt.requests
    ]
    assert sorted(read) == sorted(sent)


def hashes_agree(one: DeviceTruth, update: Update, *, all_heard: bool) -> None:
    """Each pair of witnesses is valid exactly where what they really said was the same."""
    said = {"CS06 command": one.ordered[-1]} if one.ordered else {}
    if one.alert is not None:
        said[f"{one.alert[0]:04X} alert"] = one.alert[1]
    claims = {claim.said_by: claim.sha256 for claim in update.hashes}
    assert {by: claims[by] for by in said if all_heard or by in claims} == {
        by: sha256.hex() for by, sha256 in said.items() if all_heard or by in claims
    }
    if "rebuilt image" in claims:
        said["rebuilt image"] = bytes.fromhex(claims["rebuilt image"])
        if one.held_sha256 == one.firmware.sha256:
            assert said["rebuilt image"] == one.manufacturer_image_hash
    for check in update.checks:
        by, _, other = check.name.removeprefix("hash: ").partition(" and ")
        if check.name.startswith("hash: ") and check.outcome != "unknown":
            assert check.outcome == ("valid" if said[by] == said[other] else "invalid")


def test_there_are_enough_runs() -> None:
    assert len(STRIKES) + len(UPDATE_SCENARIOS) + 3 * len(ORDERED) >= 200


@pytest.mark.parametrize(("scenario", "fault"), STRIKES)
def test_an_update_with_a_fault_is_told_as_it_was(tmp_path, scenario, fault) -> None:
    agree(*run(tmp_path, scenario, fault))


@pytest.mark.parametrize("scenario", UPDATE_SCENARIOS)
def test_an_update_without_faults_is_confirmed(tmp_path, scenario) -> None:
    truth, analysis = run(tmp_path, scenario)
    agree(truth, analysis)
    assert {finding.severity for finding in analysis.findings} <= {"note"}
    for one, (update,) in stories(truth, analysis):
        assert update.state == "confirmed"
        assert update.file_version == one.firmware.file_version
        assert update.versions[-1].version == one.version_after
        assert {check.outcome for check in update.checks} == {"valid"}
        rebuilt = [claim.sha256 for claim in update.hashes if claim.said_by == "rebuilt image"]
        assert rebuilt in ([], [one.manufacturer_image_hash.hex()])


@pytest.mark.parametrize("activation", ["future", "cancelled", "replaced"])
@pytest.mark.parametrize("scenario", ORDERED)
def test_every_kind_of_activation_is_told_as_it_was(tmp_path, scenario, activation) -> None:
    truth, analysis = run(tmp_path, scenario, activation=activation)
    agree(truth, analysis)
    ((one, (update,)),) = stories(truth, analysis)
    assert [order.sha256 for order in update.orders] == [sha256.hex() for sha256 in one.ordered]
    fates = {
        "future": ["carried out"],
        "cancelled": ["cancelled", "accepted"],
        "replaced": ["replaced", "carried out"],
    }
    assert [order.fate for order in update.orders] == fates[activation]


@pytest.mark.parametrize("loss", ["2%", "5%", "15%", "25%"])
@pytest.mark.parametrize("scenario", UPDATE_SCENARIOS)
def test_what_the_sniffer_missed_never_becomes_a_failure(tmp_path, scenario, loss) -> None:
    truth, analysis = run(tmp_path, scenario, f"sniffer-loss:{loss}")
    assert {finding.severity for finding in analysis.findings} <= {"note"}
    holes_agree(truth, analysis)
    for one, updates in stories(truth, analysis):
        for update in updates:
            assert update.state == "undecided" or PROGRESS.index(update.state) <= PROGRESS.index(one.state)
            assert update.state in (one.state, "undecided") or update.missing
