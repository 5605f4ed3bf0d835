import subprocess

from hanscope import doctor


def texts(*, well):
    return [finding.text for finding in doctor.examine() if finding.well is well]


def test_the_packages_of_the_metadata_are_named_with_their_versions():
    import scapy  # noqa: PLC0415 - only its version

    assert f"scapy {scapy.__version__}" in texts(well=True)
    assert any(text.startswith("rich ") for text in texts(well=True))
    assert not any(text.startswith("pytest ") for text in texts(well=True))


def test_a_missing_package_comes_with_how_to_mend_it(monkeypatch):
    monkeypatch.setattr("importlib.metadata.requires", lambda _name: ["no-such-package>=1,<2", 'x>=1; extra == "dev"'])
    assert "no-such-package is missing: pip install 'no-such-package>=1,<2'" in texts(well=False)


def test_a_missing_tshark_comes_with_how_to_mend_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    (text,) = [text for text in texts(well=False) if text.startswith("tshark")]
    assert "apt install tshark" in text


def test_a_tshark_that_does_not_answer_is_told(monkeypatch):
    def hangs(*args, **options):
        raise subprocess.TimeoutExpired("tshark", 1)

    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/tshark")
    monkeypatch.setattr("subprocess.run", hangs)
    assert "tshark (/usr/bin/tshark) does not run: reinstall Wireshark" in texts(well=False)


def test_a_cache_folder_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _name: str(tmp_path / "cache"))
    assert any("cannot be written" in text and "XDG_CACHE_HOME" in text for text in texts(well=False))


def test_looking_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _name: str(tmp_path / "not" / "yet"))
    assert any(str(tmp_path / "not" / "yet") in text for text in texts(well=True))
    assert list(tmp_path.iterdir()) == []
