"""The map beside a partial image: what it lacks, and what is no map of it."""

from pathlib import Path

import pytest

from hanscope.analyzers.partial_files import Holes, PartialFileError, holes_of

NAME = "meter_T1.partial.bin"
MAP = (
    '{"schema":"hanscope.partial/1","size":100,"image_size":%s,"missing_ranges":[[10,20,"never requested"]],"runs":[]}'
)


def beside(folder: Path, content: str) -> Path:
    (folder / NAME).with_suffix(".map.json").write_text(content)
    return folder / NAME


def test_a_map_tells_what_is_missing(tmp_path: Path) -> None:
    assert holes_of(beside(tmp_path, MAP % 100), 100) == Holes(((10, 20),))
    assert holes_of(beside(tmp_path, MAP % "null"), 100) == Holes(((10, 20),), open_ended=True)
    filled = (MAP % 0).replace("partial/", "filled/").replace('"image_size":0,', "")
    assert holes_of(beside(tmp_path, filled), 100) == Holes(((10, 20),))


def test_files_with_ordinary_names_lack_nothing(tmp_path: Path) -> None:
    (tmp_path / "meter.map.json").write_text(MAP % 100)
    assert holes_of(tmp_path / "meter.ota", 100) == Holes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no map of a partial image"),
        ("[]", "is no map of a partial image"),
        ((MAP % 100).replace("partial/1", "partial/2"), "is no map of a partial image"),
        ((MAP % 100).replace('"size":100', '"size":99'), "is the map of 99 octets, meter_T1.partial.bin has 100"),
        ((MAP % 100).replace("20", "101"), "octets are missing where meter_T1.partial.bin has none"),
        ((MAP % 100).replace("10,20", "20,20"), "octets are missing where"),
        ((MAP % 100).replace("10,20", "-1,20"), "octets are missing where"),
    ],
)
def test_what_is_no_map_of_the_file_is_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(PartialFileError, match=says):
        holes_of(beside(tmp_path, content), 100)


def test_a_partial_file_without_its_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        PartialFileError, match=r"No such file or directory; what meter_T1\.partial\.bin lacks is not known"
    ):
        holes_of(tmp_path / NAME, 100)
