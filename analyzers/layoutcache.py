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

_SHIPPED: Final = "known.layouts"


def _file() -> Path:
    if chosen := os.environ.get("HANSCOPE_CACHE"):
        return Path(chosen) / _SHIPPED
    from platformdirs import user_cache_path  # noqa: PLC0415 -- only where nothing is chosen

    return user_cache_path("hanscope") / _SHIPPED


def load() -> Layouts:
    """The layouts of the user's cache, else those shipped with the package, else none."""
    mark = fingerprint()
    with suppress(OSError):
        if known := parse(_file().read_bytes(), mark):
            return known
    from importlib import resources  # noqa: PLC0415 -- only until there is a cache

    with suppress(OSError):
        return parse((resources.files("hanscope.analyzers") / _SHIPPED).read_bytes(), mark)
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
