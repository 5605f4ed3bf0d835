"""`hanscope gbcs`: GBCS messages."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hanscope.commands.base import Command, CommandError, ExitCode, app, during
from hanscope.commands.options import Certificates, Format, FormatOption, Output, PrivateKeys, Redact
from hanscope.commands.output import put, reporting_of
from hanscope.commands.reading import credentials_of, loading

if TYPE_CHECKING:
    from rich.console import Console

    from hanscope.analyzers.results import Analysis, Message


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope gbcs message.hex
  hanscope gbcs dd000000000000471100000000df0901...
  hanscope gbcs messages/ --certificates certificates --private-keys keys.json --format jsonl

A file is binary or hexadecimal: one message, or one a line; or a text, such as a DUIS response in XML, in which
messages stand in base64. A folder stands for all files in it.

Exit codes: 0 well, 1 a signature, a MAC or an encrypted part is invalid, 3 an input is no GBCS message. jsonl prints
one object a line, one for each message in the order given, for what is no message with "error".
""",
)
def gbcs(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="FILE|HEX...", help="GBCS messages; - is standard input.", show_default=False),
    ],
    *,
    certificates: Certificates = None,
    private_keys: PrivateKeys = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
) -> None:
    """Decode and verify GBCS messages."""
    with loading():
        from hanscope.analyzers.message_inputs import examined, read_messages  # noqa: PLC0415 - heavy
        from hanscope.report import json  # noqa: PLC0415 - heavy

    reporting = reporting_of(
        form, output, redact=redact, show_keys=False, inputs=[one for one in inputs if len(one) < 256]
    )
    if "-" in inputs and sys.stdin.isatty():
        raise CommandError("-: standard input is a terminal; pipe messages in", ExitCode.USAGE)
    credentials = credentials_of(certificates, private_keys)
    tally = _Tally()
    messages = tally.watching(examined(read_messages(inputs), credentials))
    if redact:
        from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

        redactor = Redactor()
        messages = map(redactor, messages)
    with during("decoding messages"):
        put(
            reporting,
            text=lambda console: _show(messages, console),
            json=lambda: [json.document(_of_messages(messages))],
            jsonl=lambda: json.lines(messages),
        )
    if tally.undecodable:
        raise typer.Exit(ExitCode.INPUT)
    if tally.invalid:
        raise typer.Exit(ExitCode.FINDINGS)


class _Tally:
    """Notes of the messages that pass by whether any was undecodable, or not what it should be."""

    def __init__(self) -> None:
        self.undecodable = False
        self.invalid = False

    def watching(self, messages: "Iterable[Message]") -> "Iterator[Message]":
        for message in messages:
            self.undecodable |= message.error is not None
            verdicts = (message.signature, message.mac, *message.encrypted_parts)
            self.invalid |= any(verdict.outcome == "invalid" for verdict in verdicts)
            yield message


def _show(messages: "Iterable[Message]", console: "Console") -> None:
    from hanscope.report.gbcs import show_messages  # noqa: PLC0415 - heavy, and not for JSON

    show_messages(messages, console)


def _of_messages(messages: "Iterable[Message]") -> "Analysis":
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy

    return Analysis(
        captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=(), messages=tuple(messages)
    )
