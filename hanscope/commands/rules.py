"""`hanscope rules`: the rules that captures are held against."""

import json
from typing import Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app
from hanscope.commands.options import Format, FormatOption, Output
from hanscope.commands.output import put, reporting_of


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope rules
  hanscope rules ota.block.offset-mismatch
  hanscope rules ota.block
  hanscope rules --format json | jq '.[] | select(.severity == "error") | .id'
""",
)
def rules(
    rule_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="A rule, or the beginning of several.", show_default=False)
    ] = None,
    *,
    form: FormatOption = Format.TEXT,
    output: Output = None,
) -> None:
    """List the rules, or explain one."""
    from hanscope.analyzers.rules.catalogue import GROUPS, RULES, named  # noqa: PLC0415 - heavy
    from hanscope.report import findings  # noqa: PLC0415 - heavy
    from hanscope.report.terminal import Page  # noqa: PLC0415 - heavy

    ids = RULES.keys() if rule_id is None else named([rule_id])
    chosen = {title: tuple(one for one in group if one.id in ids) for title, group in GROUPS.items()}
    found = [one for group in chosen.values() for one in group]
    if not found:
        raise CommandError(f"no rule begins with {rule_id!r}; `hanscope rules` lists them", ExitCode.USAGE)
    entries = [findings.entry(one) for one in found]
    exact = found[: len(found) == 1]
    put(
        reporting_of(form, output, redact=False, show_keys=False, inputs=[]),
        text=lambda console: (
            findings.show_rule(Page(console), exact[0])
            if exact
            else findings.show_rules(Page(console), {title: group for title, group in chosen.items() if group})
        ),
        json=lambda: [json.dumps(entries, indent=2, ensure_ascii=False).encode() + b"\n"],
        jsonl=lambda: (json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in entries),
    )
