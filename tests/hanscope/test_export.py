import json

import jsonschema
import msgspec
import numpy as np
import pytest

from hanscope.analyzers import results
from hanscope.analyzers.coverage import Intervals
from hanscope.analyzers.imagestore import ImageStore, StoredImage
from hanscope.analyzers.transfers import TransferRecord
from hanscope.export import ExportError, FilledMap, PartialMap, export, file_stem

WHOLE_NAME = "00158d0000c0ffee_1021-0013-00200000_T1.ota"
PARTIAL_NAME = "00158d0000c0ffee_1021-0013-00200000_T2.partial.bin"
MAP_NAME = "00158d0000c0ffee_1021-0013-00200000_T2.partial.map.json"

FILLED_NAME = "00158d0000c0ffee_1021-0013-00200000_T2.filled.ota"
FILLED_MAP_NAME = "00158d0000c0ffee_1021-0013-00200000_T2.filled.map.json"


def stored(octets: bytes, *covered: tuple[int, int, int]) -> StoredImage:
    """An image of which the ranges (start, end, frame) are there."""
    store = ImageStore()
    kept = b"".join(octets[start:end] for start, end, _ in covered)
    at = store.append(np.frombuffer(kept, np.uint8))
    starts, ends, frames = np.array(covered, np.int64).T
    runs_at = store.append(np.stack((starts, ends, frames)))
    return StoredImage(store, len(octets), Intervals(starts, ends), at, runs_at, len(covered))


@pytest.fixture
def whole(made):
    return TransferRecord(made.transfer(), stored(made.IMAGE, (0, len(made.IMAGE), 12)))


@pytest.fixture
def partial(made):
    gap = results.MissingRange(start=64, end=2048, reason="never requested")
    transfer = made.transfer(
        id="T2", complete=False, state="stalled", received_bytes=64, missing_ranges=(gap,), sha256=None
    )
    return TransferRecord(transfer, stored(made.IMAGE, (0, 32, 12), (32, 64, 14)))


def exported(records, folder, **options):
    return export([record.transfer for record in records], records, folder, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_image_is_written_octet_for_octet(made, whole, tmp_path):
    written, left_out = exported([whole], tmp_path / "new" / "folder")
    assert [file.path.name for file in written] == [WHOLE_NAME]
    assert made.transfer().sha256 in written[0].what
    assert written[0].path.read_bytes() == made.IMAGE
    assert left_out == ()


def test_a_partial_image_is_left_out_and_the_reason_told(whole, partial, tmp_path):
    written, (left,) = exported([whole, partial], tmp_path)
    assert len(written) == 1
    assert left.transfer_id == "T2"
    assert left.why == (
        "not complete (1,984 octets are missing); --partial writes what there is or --filled, which takes 1,984 of"
        " them from other transfers"
    )
    assert names(tmp_path) == [WHOLE_NAME]
    _, (left,) = exported([partial], tmp_path)
    assert left.why == "not complete (1,984 octets are missing); --partial writes what there is"


def test_a_partial_image_comes_with_a_map_of_its_holes_and_sources(made, partial, tmp_path):
    exported([partial], tmp_path, partial=True)
    assert names(tmp_path) == [PARTIAL_NAME, MAP_NAME]
    assert (tmp_path / PARTIAL_NAME).read_bytes() == made.IMAGE[:64] + bytes(2048 - 64)
    beside = json.loads((tmp_path / MAP_NAME).read_bytes())
    assert beside["file"] == PARTIAL_NAME
    assert beside["size"] == 2048
    assert beside["sha256"] is None
    assert beside["missing_ranges"] == [[64, 2048, "never requested"]]
    assert beside["runs"] == [[0, 32, 12], [32, 64, 14]]
    jsonschema.validate(beside, msgspec.json.schema(PartialMap))


def test_a_filled_image_has_a_name_that_says_so_and_a_map_of_who_received_what(made, whole, partial, tmp_path):
    written, left_out = exported([whole, partial], tmp_path, filled=True)
    assert names(tmp_path) == sorted([WHOLE_NAME, FILLED_NAME, FILLED_MAP_NAME])
    assert left_out == ()
    assert (tmp_path / FILLED_NAME).read_bytes() == made.IMAGE
    assert "filled with 1,984 octets from T1" in written[-1].what
    beside = json.loads((tmp_path / FILLED_MAP_NAME).read_bytes())
    assert (beside["received_bytes"], beside["missing_ranges"]) == (64, [])
    assert beside["filled_ranges"] == [[64, 2048, "T1", 12, 12]]
    assert beside["runs"] == [[0, 32, 12, "T2"], [32, 64, 14, "T2"], [64, 2048, 12, "T1"]]
    assert [(one["transfer_id"], one["octets"]) for one in beside["sources"]] == [("T2", 64), ("T1", 1984)]
    assert beside["sources"][1]["client"] == {"short": 0x3C4D, "eui64": "00:15:8d:00:00:c0:ff:ee"}
    assert beside["sha256"] == made.transfer().sha256
    jsonschema.validate(beside, msgspec.json.schema(FilledMap))


def test_a_filled_image_with_holes_is_a_partial_one(made, partial, tmp_path):
    other = TransferRecord(made.transfer(id="T3", complete=False, received_bytes=100), stored(made.IMAGE, (0, 100, 90)))
    _, left_out = exported([partial, other], tmp_path, filled=True)
    assert [left.why.partition(";")[0] for left in left_out] == [
        "not complete (1,984 octets are missing, 36 of which other transfers have)",
        "not complete (the size of the image is not known)",
    ]
    exported([partial, other], tmp_path, filled=True, partial=True)
    assert FILLED_NAME not in names(tmp_path)
    name = FILLED_NAME.replace(".ota", ".partial.bin")
    assert (tmp_path / name).read_bytes() == made.IMAGE[:100] + bytes(2048 - 100)
    beside = json.loads((tmp_path / name).with_suffix(".map.json").read_bytes())
    assert beside["missing_ranges"] == [[100, 2048, "never requested"]]
    assert beside["sha256"] is None


def test_a_transfer_without_an_octet_is_left_out(made, tmp_path):
    record = TransferRecord(made.transfer(complete=False, received_bytes=0, sha256=None), None)
    written, (left,) = exported([record], tmp_path, partial=True)
    assert written == ()
    assert left.why == "no octet of the image is in the capture"


@pytest.mark.parametrize("taken", [WHOLE_NAME, PARTIAL_NAME, MAP_NAME])
def test_nothing_at_all_is_written_when_one_name_is_taken(whole, partial, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ExportError, match=r"exists already; nothing was written\. --force overwrites"):
        exported([whole, partial], tmp_path, partial=True)
    assert names(tmp_path) == [taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_of_several_names_that_are_taken_one_is_told(whole, partial, tmp_path):
    for name in (PARTIAL_NAME, MAP_NAME):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ExportError, match="and 1 more exist already"):
        exported([whole, partial], tmp_path, partial=True)


def test_a_dangling_link_is_a_taken_name(whole, tmp_path):
    (tmp_path / WHOLE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExportError):
        exported([whole], tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_force_overwrites(made, whole, tmp_path):
    (tmp_path / WHOLE_NAME).write_text("mine")
    exported([whole], tmp_path, force=True)
    assert (tmp_path / WHOLE_NAME).read_bytes() == made.IMAGE


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(whole, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError) as error:
        exported([whole], tmp_path / "file" / "folder")
    assert "cannot be written" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_client_without_eui64_is_named_by_pan_and_address(made):
    transfer = made.transfer(client=results.Party(short=0x3C4D, eui64=None))
    assert file_stem(transfer) == "pan1a2b-3c4d_1021-0013-00200000_T1"


def test_no_name_leads_out_of_the_folder(made):
    assert "/" not in file_stem(made.transfer(id="../../T1", client=results.Party(short=1, eui64="../evil")))
