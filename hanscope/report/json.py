"""The JSON reports: the results as they are (design, section 5), and the JSON Schema that is derived from their types.

`json` is one document, an `Analysis`. `jsonl` is one object a line: for `analyze` every item of every section with the
name of its `section` (first a line with the section `analysis` that carries the schema's name), for `transfers` and
`image` the items alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import msgspec

from hanscope.analyzers.results import Analysis, Result

SCHEMA_FILE: Final = "analysis.schema.json"


def document(result: Result) -> bytes:
    """One result as JSON that people can read too, ending in a newline."""
    return msgspec.json.format(_encoded(result), indent=2) + b"\n"


def lines(results: Iterable[Result]) -> Iterator[bytes]:
    """Each result as one line."""
    for result in results:
        yield _encoded(result) + b"\n"


def analysis_lines(analysis: Analysis) -> Iterator[bytes]:
    """Every item of every section as one line that begins with the name of its section."""
    whole = cast("dict[str, Any]", msgspec.to_builtins(analysis))
    sections = {name: items for name, items in whole.items() if isinstance(items, (list, tuple))}
    yield (
        _encoded({"section": "analysis"} | {name: value for name, value in whole.items() if name not in sections})
        + b"\n"
    )
    for section, items in sections.items():
        for item in cast("list[dict[str, Any]]", items):
            yield _encoded({"section": section} | item) + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of an `Analysis`, made from the types."""
    made = msgspec.json.schema(Analysis)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hanscope.analysis/1", **made}


def schema_text() -> str:
    """The schema as the file `SCHEMA_FILE` has it: write it there when the types have changed."""
    import json  # noqa: PLC0415 -- for whoever writes the schema

    return json.dumps(schema(), indent=1, sort_keys=False) + "\n"


def shipped_schema() -> str:
    """The schema file that was installed."""
    from importlib import resources  # noqa: PLC0415 -- not for reports

    return (resources.files("hanscope.report") / SCHEMA_FILE).read_text("utf-8")


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # the name of a file is not always text
        return msgspec.json.encode(_as_text(msgspec.to_builtins(value)))


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_as_text(item) for item in cast("list[Any]", value)]
    return value
