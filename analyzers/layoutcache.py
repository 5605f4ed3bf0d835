"""Where known layouts are kept between runs, so that Scapy need not be imported for kinds of frames that were met
before.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from hanscope.dissectors.columns.engine import Engine, fingerprint
from hanscope.dissectors.columns.layout import Layouts, dump
from hanscope.dissectors.columns.layout import load as parse

_NAME: Final = "known.layouts"


def _file() -> Path:
    if chosen := os.environ.get("HANSCOPE_CACHE"):
        return Path(chosen) / _NAME
    from platformdirs import user_cache_path  # noqa: PLC0415 -- only where nothing is chosen

    return user_cache_path("hanscope") / _NAME


def load() -> Layouts:
    """The layouts of the user's cache; none, if there is none for these layers."""
    with suppress(OSError):
        return parse(_file().read_bytes(), fingerprint())
    return {}


def save(engine: Engine) -> None:
    """Keeps what the engine learned; a cache that cannot be written is no fault."""
    if not engine.learned:
        return
    file = _file()
    content = dump(dict(engine.layouts()), fingerprint())
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(content)
        part.replace(file)
