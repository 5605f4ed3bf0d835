"""Fixtures that all tests share."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

# Programs that tests start must not take the folder `hanscope` of the repository for the package.
os.environ.setdefault("PYTHONSAFEPATH", "1")
# A run in the background may have begun with SIGINT ignored, which the programs that tests interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

SAMPLE = Path(__file__).parents[1] / "captures" / "samples" / "demo.pcapng"
SHARED = Path(os.environ.get("HANSCOPE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real captures, images and messages that is kept outside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real material (HANSCOPE_DATA or ../shared/data) is not at hand")
    return SHARED


@pytest.fixture(scope="session")
def lua_in_tshark(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips what needs Lua scripts where tshark runs none: for root 4.4 does not, unless an init.lua allows it."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed (apt install tshark)")
    script = tmp_path_factory.mktemp("lua") / "probe.lua"
    script.write_text("print('it runs')")
    words = ["tshark", "-r", SAMPLE, "-c", "1", "-X", f"lua_script:{script}"]
    if "it runs" not in subprocess.run(words, capture_output=True, text=True, check=False).stdout:
        pytest.skip("this tshark runs no Lua scripts for this user (as root it wants leave in an init.lua)")
