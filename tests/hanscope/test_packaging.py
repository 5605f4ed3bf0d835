"""What is installed is everything that is here."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_of_the_repository_is_installed():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = setuptools["package-dir"]
    modules = (path for folder in folders.values() for path in (ROOT / folder).rglob("*.py"))
    found = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in modules}
    under = {folder: name for name, folder in folders.items()}
    named = {".".join([under[name.split(".")[0]], *name.split(".")[1:]]) for name in found}
    assert named | {"hanscope.wireshark_plugin"} == set(setuptools["packages"])  # which is data
