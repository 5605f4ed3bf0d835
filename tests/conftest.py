"""Fixtures that all tests share."""

import os
import signal
from pathlib import Path

import pytest

# Programs that tests start must not take the folder `hanscope` of the repository for the package.
os.environ.setdefault("PYTHONSAFEPATH", "1")
# A run in the background may have begun with SIGINT ignored, which the programs that tests interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(os.environ.get("HANSCOPE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real captures, images and messages that is kept outside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real material (HANSCOPE_DATA or ../shared/data) is not at hand")
    return SHARED
