"""Fixtures that all tests share."""

import importlib
import os
import sys
from pathlib import Path

import pytest

# The helpers beside this file are on the path (pyproject.toml), and so tests/hanscope would pass for the package:
# once the package itself is imported, nothing else is taken for it.
_HERE = str(Path(__file__).parent)
if _HERE in sys.path:
    sys.path.remove(_HERE)
    importlib.import_module("hanscope")
    sys.path.insert(0, _HERE)

SHARED = Path(os.environ.get("HANSCOPE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real captures, images and messages that is kept outside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real material (HANSCOPE_DATA or ../shared/data) is not at hand")
    return SHARED
