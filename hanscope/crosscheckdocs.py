"""The tables of docs/crosscheck.md: `python -P -m hanscope.crosscheckdocs` prints them."""

import sys
from collections.abc import Sequence

from hanscope.analyzers.crosscheck_fields import FAULTS, FIELDS


def page() -> str:
    """The tables of docs/crosscheck.md: what explains differences, and what is compared (Markdown)."""
    parts = ["## Known reasons for differences", "", "| name | why |", "|---|---|"]
    parts += [f"| `{fault.id}` | {fault.reason} |" for fault in FAULTS]
    for protocol, fields in FIELDS.items():
        parts += ["", f"## Fields of `{protocol}`", "", "| tshark | hanscope |", "|---|---|"]
        parts += [f"| {_code(field.names)} | {_code(field.columns)} |" for field in fields]
    return "\n".join(parts) + "\n"


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(page())
