"""Fills and witnesses in simulated houses, against what the simulator knows to be true."""

from pathlib import Path

import pytest

from hanscope.analyzers.analysis import AnalysisRun, analyze
from hanscope.analyzers.keys import KeyRing, KnownKey
from hanscope.analyzers.references import Given, ListedHash, Reference
from hanscope.analyzers.results import Image, Witness
from hanscope.captures.simulator.scenarios import simulate
from hanscope.captures.simulator.truth import Truth
from hanscope.export import export


def played(path: Path, scenario: str, *faults: str, seed: int = 3) -> tuple[Truth, AnalysisRun]:
    truth = simulate(scenario, path / "house.pcapng", seed=seed, faults=faults)
    return truth, analyzed(path, truth)


def analyzed(path: Path, truth: Truth, given: Given | None = None) -> AnalysisRun:
    keys = [KnownKey("network", truth.han.network_key, "test")]
    keys += [KnownKey("link", node.link_key, "test") for node in truth.han.nodes if node.link_key]
    return analyze([str(path / "house.pcapng")], keys=KeyRing(tuple(keys)), processes=1, given=given)


def said_by(image: Image, source: str) -> Witness:
    (one,) = [witness for witness in image.witnesses if witness.source == source]
    return one


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_ppmids_fill_each_others_holes_with_what_was_sent(tmp_path: Path, seed: int) -> None:
    truth, run = played(tmp_path, "house-update", "sniffer-loss:6%", seed=seed)
    true = {one.firmware.file_version: one.firmware for one in truth.devices}
    images = {image.transfer_id: image for image in run.analysis.images}
    transfers = {transfer.id: transfer for transfer in run.analysis.transfers}
    filled = [image for image in images.values() if image.filled_ranges]
    assert filled
    assert {image.header.image_type for image in filled if image.header} == {0x84}
    for image in filled:
        transfer = transfers[image.transfer_id or ""]
        gaps = [(gap.start, gap.end) for gap in transfer.missing_ranges]
        inside = [any(low <= one.start and one.end <= high for low, high in gaps) for one in image.filled_ranges]
        assert all(inside), "only holes are filled, and the transfer keeps them"
        assert said_by(image, "other transfer").outcome == "valid"
        if not image.partial:
            assert image.sha256 == true[transfer.file_version].sha256
    folder = tmp_path / "images"
    written, _ = export(run.analysis.transfers, run.records, folder, partial=True, filled=True)
    of_ppmids = [one.path for one in written if ".filled." in one.path.name and one.path.suffix != ".json"]
    assert len(of_ppmids) == len(filled)
    for path in of_ppmids:
        octets, real = path.read_bytes(), true[truth.devices[-1].firmware.file_version].octets
        assert len(octets) == len(real)
        assert sum(one != other for one, other in zip(octets, real, strict=True)) <= 200, "holes of both are zero"


def test_alert_order_and_version_read_agree_with_a_meters_image(tmp_path: Path) -> None:
    truth, run = played(tmp_path, "esme-update")
    (image,) = run.analysis.images
    (device,) = truth.devices
    assert image.manufacturer_image_sha256 == device.manufacturer_image_hash.hex()
    for source in ("query response", "OTA header", "receipt alert", "activation order", "version read"):
        assert said_by(image, source).outcome == "valid", source


def test_a_hash_that_was_heard_speaks_for_octets_that_were_not(tmp_path: Path) -> None:
    truth = simulate("esme-update", tmp_path / "house.pcapng", seed=1, faults=["sniffer-loss:4%"])
    (device,) = truth.devices
    octets, digest = device.firmware.octets, device.manufacturer_image_hash.hex()
    other = bytearray(octets)
    references = [Reference("true.ota", octets)]
    (gap, *_) = analyzed(tmp_path, truth).analysis.transfers[0].missing_ranges
    other[gap.start] ^= 1
    references.append(Reference("other.ota", bytes(other)))
    listed = ListedHash(digest, "list line 2", manufacturer="Meters Ltd", version="5")
    (image,) = analyzed(tmp_path, truth, Given(tuple(references), (listed,))).analysis.images
    assert image.partial
    true, false = [one for one in image.witnesses if one.source == "reference file"]
    assert (true.outcome, false.outcome) == ("valid", "valid"), "what was heard is the same"
    assert "; the Manufacturer Image in it has the hash of M" in true.detail
    assert "(alert 0x8F72)" in true.detail
    assert "; nothing in it has the hash of M" in false.detail
    listed_as = said_by(image, "hash list")
    assert listed_as.outcome == "unknown"
    assert listed_as.detail.endswith("is listed as manufacturer Meters Ltd, version 5 (list line 2)")


def test_an_order_for_another_image_is_invalid(tmp_path: Path) -> None:
    truth, run = played(tmp_path, "esme-update", "wrong-hash")
    (image,) = run.analysis.images
    witness = said_by(image, "activation order")
    assert witness.outcome == "invalid"
    assert truth.devices[0].ordered[0].hex() in witness.said
    assert said_by(image, "receipt alert").outcome == "valid"


def test_a_device_that_kept_what_came_later_is_known_by_its_hash(tmp_path: Path) -> None:
    truth, run = played(tmp_path, "esme-update", "corrupt-blocks")
    (image,) = run.analysis.images
    assert run.analysis.transfers[0].conflicting_bytes
    witness = said_by(image, "receipt alert")
    code, digest = truth.devices[0].alert or (0, b"")
    assert witness.said.endswith(f"alert 0x{code:04X} of {run.analysis.transfers[0].client.eui64}, hash {digest.hex()}")
    assert witness.outcome == "invalid"
    assert witness.detail.endswith("with the values that came later, where octets came with different ones, it has "
                                   "the hash that is said")  # fmt: skip


def test_an_image_from_two_servers_is_what_the_device_refused(tmp_path: Path) -> None:
    _, run = played(tmp_path, "esme-update", "two-servers")
    *_, image = run.analysis.images
    assert image.filled_ranges
    other = said_by(image, "other transfer")
    assert (other.outcome, other.compared_octets) == ("unknown", 0)
    alert = said_by(image, "receipt alert")
    assert alert.outcome == "valid"
    assert "rests on octets that only T1 brought" in alert.detail
    assert alert.detail.endswith("so the device refuses the very image that was heard")
