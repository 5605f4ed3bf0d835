"""Hashes and lists of hashes as people write them."""

from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanscope.analyzers import references
from hanscope.analyzers.references import (
    MOST_COMPLAINTS,
    ListedHash,
    ReferenceFileError,
    load_hash_list,
    load_reference,
    parse_hash,
)

A, B = "a1" * 32, "b2" * 32


def loaded(tmp_path: Path, content: str | bytes) -> tuple[tuple[ListedHash, ...], tuple[str, ...]]:
    path = tmp_path / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    hashes, complaints = load_hash_list(path)
    return hashes, tuple(one.removeprefix(str(tmp_path)).lstrip("/") for one in complaints)


@pytest.mark.parametrize("text", [A, A.upper(), f"0x{A}", ":".join(["a1"] * 32), " ".join(["a1"] * 32), f" {A}\n"])
def test_a_hash_may_be_written_in_any_usual_way(text: str) -> None:
    assert parse_hash(text) == ListedHash(A, "given on the command line", asked_for=True)


@pytest.mark.parametrize("text", ["", "a1", A + "00", "g1" * 32, "é" * 64, "a" * 100_000])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ReferenceFileError, match="64 hexadecimal digits are needed"):
        parse_hash(text)


@pytest.mark.parametrize(
    "line",
    [
        f"'1168,'01020304,'{A}",
        f'="1168",="01020304",="{A}"',
        f'"1168"," 01020304\n","{A.upper()}"',
        f"1168,01020304,{b64encode(bytes.fromhex(A)).decode()}",
        f"1168,01020304,\u00a00x{A}\u00a0",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_cells_are_read_as_spreadsheet_programs_write_them(tmp_path: Path, line: str, encoding: str) -> None:
    (one,), complaints = loaded(tmp_path, f"Mfr Manufacturer,FW Version,Digest\r\n{line}\r\n".encode(encoding))
    assert (one.sha256, one.manufacturer, one.version, complaints) == (A, "1168", "01020304", ())


@pytest.mark.parametrize("begin", [b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")])
def test_a_workbook_is_refused_with_advice(tmp_path: Path, begin: bytes) -> None:
    with pytest.raises(ReferenceFileError, match="saved as CSV"):
        loaded(tmp_path, begin + A.encode())


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_titles_full_of_commas_do_not_choose_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    names, line = ("vendor", "model", "SHA-256"), ("1168", "a, b, or c", A)
    content = f"{'Notice, '.join('x' * 40)}\r\n{delimiter.join(names)}\r\n{delimiter.join(line)}\r\n"
    (one,), complaints = loaded(tmp_path, content)
    assert (one.manufacturer, one.model, complaints) == ("1168", "a, b, or c", ())


def test_other_text_is_taken_for_the_hashes_in_it(tmp_path: Path) -> None:
    hashes, _ = loaded(tmp_path, f'[{{"model": "M2", "hash": "{A}"}},\n{{"model": "M3", "hash": "{B}"}}]\n')
    assert [one.sha256 for one in hashes] == [A, B]


def test_what_sha256sum_prints_is_a_list(tmp_path: Path) -> None:
    hashes, complaints = loaded(tmp_path, f"{A}  meter-2.3.ota\n{B} *meter 2.4.ota\n")
    assert [(one.sha256, one.model) for one in hashes] == [(A, "meter-2.3.ota"), (B, "meter 2.4.ota")]
    assert complaints == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_are_found_by_their_names(tmp_path: Path, delimiter: str) -> None:
    names = ["Device Type", "Manufacturer Identifier", "Model Identifier", "Hardware Version.Revision"]
    names += ["Firmware Version", "GBCS version", "Manufacturer Image Hash"]
    lines = [names, ["ESME", "1168", "0002", "01.00", "01020304", "3.2", A], ["GSME", "121D", "M3", "", "0A", "4.0", B]]
    hashes, complaints = loaded(tmp_path, "\n".join(delimiter.join(line) for line in lines))
    assert complaints == ()
    assert [(one.sha256, one.manufacturer, one.model, one.version) for one in hashes] == [
        (A, "1168", "0002", "01020304"),
        (B, "121D", "M3", "0A"),
    ]
    assert hashes[0].name == "manufacturer 1168, model 0002, version 01020304"
    assert hashes[1].where.endswith("list.csv line 3")


def test_titles_may_stand_before_the_names_and_a_byte_order_mark_before_all(tmp_path: Path) -> None:
    titles = '\ufeffCentral Products List,,\r\n,,\r\n"Extract, of 2026",,\r\n'
    content = f'{titles}vendor,SHA-256,version\r\n"Meters, Ltd",{A},2\r\n'
    (one,), complaints = loaded(tmp_path, content)
    assert (one.sha256, one.manufacturer, one.version, complaints) == (A, "Meters, Ltd", "2", ())


def test_a_list_without_names_is_taken_for_its_hashes(tmp_path: Path) -> None:
    hashes, _ = loaded(tmp_path, f"{A}  meter-2.3.ota\n{B}  meter-2.4.ota\n".replace("  ", ","))
    assert [(one.sha256, one.model) for one in hashes] == [(A, "meter-2.3.ota"), (B, "meter-2.4.ota")]
    hashes, _ = loaded(tmp_path, f"{A}\n")
    assert [one.sha256 for one in hashes] == [A]


def test_lines_that_cannot_be_used_are_told_and_the_others_taken(tmp_path: Path) -> None:
    content = f"manufacturer,hash\n1168,{A}\n1169,\n116A,12345\n116B\n1168,{B}\n"
    hashes, complaints = loaded(tmp_path, content)
    assert [one.sha256 for one in hashes] == [A, B]
    assert complaints == (
        "list.csv line 3: no hash",
        "list.csv line 4: '12345' is no SHA-256",
        "list.csv line 5: no hash",
    )


def test_very_many_bad_lines_are_counted(tmp_path: Path) -> None:
    _, complaints = loaded(tmp_path, f"manufacturer,hash\n1168,{A}\n" + "x,y\n" * 1000)
    assert len(complaints) == MOST_COMPLAINTS + 1
    assert complaints[-1] == "list.csv: 980 more lines without a usable hash"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", "there is no hash in it"),
        (b"\xff\xfe\x00", "there is no hash in it"),
    ],
)
def test_a_file_without_hashes_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ReferenceFileError, match=says):
        loaded(tmp_path, content)


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    for load in (load_reference, load_hash_list):
        with pytest.raises(ReferenceFileError, match=r"cannot be read: No such file or directory$"):
            load(tmp_path / "none")
        with pytest.raises(ReferenceFileError, match="cannot be read"):
            load(tmp_path)


def test_a_list_in_an_older_encoding(tmp_path: Path) -> None:
    (one,), _ = loaded(tmp_path, f"vendor,hash\nM\xfcller,{A}\n".encode("latin-1"))
    assert one.manufacturer == "Müller"


def test_a_cell_without_an_end_does_not_swallow_what_comes_before(tmp_path: Path) -> None:
    hashes, complaints = loaded(tmp_path, f'manufacturer,hash\n1168,{A}\n1169,"{"x" * 300_000}\n')
    assert [one.sha256 for one in hashes] == [A]
    assert len(complaints) == 1


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "LARGEST_LIST", 1 << 20)
    with pytest.raises(ReferenceFileError, match="larger than 1 MiB; this is not a list"):
        loaded(tmp_path, bytes((1 << 20) + 1))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(min_size=1), st.text(alphabet=f',;"\t\n\r|hash{A[:2]}\0', min_size=1).map(str.encode)))
def test_no_list_is_too_strange(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "strange.csv"
    path.write_bytes(content + b"\n" + A.encode() + b"\n")
    with suppress(ReferenceFileError):
        hashes, _ = load_hash_list(path)
        assert all(len(one.sha256) == 64 for one in hashes)
