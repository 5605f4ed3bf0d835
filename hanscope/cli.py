"""The command line: says what there is to ask, and passes it on. The analyzers compute, `report` says.

Everything heavy is imported by the command that needs it, so that `hanscope --help` answers at once.

Exit codes (`ExitCode`): when several apply, interrupted comes before input (3), keys (4) and findings (1).
"""

import os
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from types import ModuleType

    from rich.console import Console

    from hanscope.analyzers.analysis import AnalysisRun
    from hanscope.analyzers.frames import FrameReader
    from hanscope.analyzers.keys import KeyRing
    from hanscope.analyzers.messages import Credentials
    from hanscope.analyzers.results import Analysis, Capture, Image, Message
    from hanscope.report.words import Tone

DEMO_CAPTURE: Final = "samples/demo.pcapng"
DEMO_KEYS: Final = "samples/demo.keys.toml"
"""The shipped sample, in the package `hanscope.captures`."""

LARGEST_IMAGE: Final = 256 * 2**20
"""Octets of an image file that are read at most."""


class ExitCode(IntEnum):
    """What scripts learn from the exit code."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    INPUT = 3
    NO_KEY = 4
    DEFECT = 70  # as sysexits.h has it
    INTERRUPTED = 130  # as a shell has it for SIGINT
    CLOSED_PIPE = 141  # as a shell has it for SIGPIPE


class CommandError(Exception):
    """Ends a command with one line (what, where, how to mend it) and an exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class Format(StrEnum):
    """Forms of a report."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


PLANNED_FORMATS: Final = ("html", "junit", "sarif", "markdown")


class Gate(StrEnum):
    """Severities of findings, ascending."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


def complain(message: str) -> None:
    """One line on standard error."""
    from hanscope.report.words import printable  # noqa: PLC0415 - only when something is wrong

    print(f"hanscope: {printable(message)}", file=sys.stderr)  # noqa: T201 - the one place for errors


@contextmanager
def during(what: str) -> Generator[None]:
    """Lets an unexpected exception say what was being done."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while {what}")
        raise


class Command(TyperCommand):
    """A command whose every end has its exit code: nothing gets through as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with during(f"running `hanscope {ctx.info_name}`"):
                try:
                    return super().invoke(ctx)
                finally:
                    sys.stdout.flush()
        except (typer.Exit, typer.Abort):
            raise
        except CommandError as error:
            complain(str(error))
            raise SystemExit(error.code) from None
        except KeyboardInterrupt:
            complain("interrupted before there was anything to report")
            raise SystemExit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            _abandon_stdout()
            raise SystemExit(ExitCode.CLOSED_PIPE) from None
        except Exception as error:
            if hasattr(error, "exit_code"):  # a usage error of typer's, which shows it itself
                raise
            report_defect(error)
            raise SystemExit(ExitCode.DEFECT) from None


def report_defect(error: Exception) -> None:
    """Asks to report an exception that should not have been; HANSCOPE_DEBUG=1 shows where it came from."""
    if os.environ.get("HANSCOPE_DEBUG"):
        import traceback  # noqa: PLC0415 - seldom needed

        traceback.print_exception(error)
    doing = ", ".join(getattr(error, "__notes__", ()))
    complain(
        f"defect in hanscope {doing}: {type(error).__name__}: {error}. Please report this line"
        " (HANSCOPE_DEBUG=1 shows the traceback)"
    )


def _abandon_stdout() -> None:
    """Whoever read standard output has gone: let the interpreter's last flush fail into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="hanscope",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help is three times as fast, and the same in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Shows why a firmware update failed in a smart-metering Home Area Network: reads radio captures, rebuilds the "
    "firmware transfers in them, checks the images, and says what happened.",
    epilog="""\b
Begin here:
  hanscope demo                                  nothing to prepare
  hanscope analyze house.pcapng --keys keys.toml
  hanscope analyze --help                        each command has examples

\b
Exit codes:
  0  well    1  findings at or above --fail-on    2  wrong usage
  3  an input could not be read, or has a fault (the rest was reported)
  4  encrypted traffic, and no key opened it
  When several apply: 3, then 4, then 1. Ctrl-C: 130. Defect of hanscope: 70.
""",
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - only this option needs it

        typer.echo(f"hanscope {version('hanscope')}")
        raise typer.Exit


@app.callback()
def hanscope(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _a_format(value: str) -> Format:
    if value in PLANNED_FORMATS:
        raise typer.BadParameter(f"{value} reports are not there yet; there are {', '.join(Format)}")
    try:
        return Format(value)
    except ValueError:
        raise typer.BadParameter(f"there is no format {value!r}; there are {', '.join(Format)}") from None


Captures = Annotated[
    list[str],
    typer.Argument(
        metavar="CAPTURE", help="pcap or pcapng files, plain or gzip; - is standard input.", show_default=False
    ),
]
OneCapture = Annotated[
    str,
    typer.Argument(
        metavar="CAPTURE", help="A pcap or pcapng file, plain or gzip; - is standard input.", show_default=False
    ),
]
KeysFile = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="Keys in a TOML file (see docs/usage.md), or Wireshark's key table."),
]
KeyTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="HEX",
        help="A key, may be repeated: HEX, network:HEX, network:HEX@1A2B (this PAN), link:HEX, link:HEX@EUI-64, "
        "install:CODE. Other users of the machine can see it in the list of processes; --keys FILE keeps it to "
        "yourself.",
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option(
        "--format", metavar="text|json|jsonl", parser=_a_format, help="The form of the report (text: for people)."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the report to a file.")]
FailOn = Annotated[
    Gate,
    typer.Option("--fail-on", metavar="note|warning|error", help="Exit with 1 on findings of this severity or above."),
]
Redact = Annotated[
    bool,
    typer.Option("--redact", help="Replace addresses and keys in the report by pseudonyms (images stay as they are)."),
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")]
ShowKeys = Annotated[bool, typer.Option("--show-keys", help="Print the keys themselves, not only their fingerprints.")]
Certificates = Annotated[
    list[Path] | None,
    typer.Option("--certificates", metavar="DIR", help="Certificates, PEM or DER, of organisations and devices."),
]
PrivateKeys = Annotated[
    list[Path] | None,
    typer.Option("--private-keys", metavar="FILE|DIR", help="Key agreement keys for MACs and decryption: PEM or JSON."),
]
Processes = Annotated[
    int | None,
    typer.Option("--processes", metavar="N", min=1, help="Processor cores to use (else all).", show_default=False),
]


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """Where a report goes, and in which form."""

    form: Format
    output: Path | None
    redact: bool


# The commands.


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope analyze house.pcapng
  hanscope analyze monday.pcap tuesday.pcap.gz --keys keys.toml
  hanscope analyze house.pcapng --key network:000102030405060708090a0b0c0d0e0f
  hanscope analyze house.pcapng --certificates DIR --private-keys FILE
  hanscope analyze house.pcapng --format json | jq '.transfers[].state'
  tcpdump -w - ... | hanscope analyze -

\b
A key file:
  [[network]]
  key = "000102030405060708090a0b0c0d0e0f"
  pan_id = 0x1a2b            # optional

jsonl prints one line for each item of each section, named in "section".
""",
)
def analyze(
    captures: Captures,
    *,
    keys: KeysFile = None,
    key: KeyTexts = None,
    certificates: Certificates = None,
    private_keys: PrivateKeys = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    fail_on: FailOn = Gate.ERROR,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """Report on captures: what happened, and why."""
    from hanscope.report import json  # noqa: PLC0415 - heavy

    reporting = _reporting(form, output, redact=redact, show_keys=show_keys, inputs=[*captures, *_paths(keys)])
    reading = _read(
        captures,
        _key_ring(keys, key),
        no_progress=no_progress,
        processes=processes,
        show_keys=show_keys,
        credentials=_credentials(certificates, private_keys),
    )
    analysis = _redacted(reading.analysis, reporting)
    if reading.anything or form is not Format.TEXT:
        _put(
            reporting,
            text=lambda console: _terminal().show_analysis(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.analysis_lines(analysis),
        )
    raise typer.Exit(exit_code(analysis, fail_on))


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope transfers house.pcapng --keys keys.toml
  hanscope transfers house.pcapng --export images
  hanscope transfers house.pcapng --export images --partial
  hanscope transfers house.pcapng --format jsonl | jq '{id, state}'

A whole image is written as CLIENT_MANUFACTURER-TYPE-VERSION_ID.ota. With --partial an incomplete one is written as
....partial.bin, its holes filled with zeros, and a ....partial.map.json beside it says which octets are missing, why,
and from which frame the others came.

jsonl prints one transfer a line; json is the whole analysis.
""",
)
def transfers(
    captures: Captures,
    *,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write the rebuilt images to a folder.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Export incomplete images too.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Let the export overwrite files.")] = False,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    fail_on: FailOn = Gate.ERROR,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """List or --export the firmware transfers in captures."""
    from hanscope.report import json  # noqa: PLC0415 - heavy

    if export is None and (partial or force):
        raise CommandError("--partial and --force belong to --export DIR", ExitCode.USAGE)
    reporting = _reporting(form, output, redact=redact, show_keys=show_keys, inputs=[*captures, *_paths(keys)])
    reading = _read(captures, _key_ring(keys, key), no_progress=no_progress, processes=processes, show_keys=show_keys)
    analysis = _redacted(reading.analysis, reporting)
    # The images before the report: whoever closes the report's pipe early has asked for them all the same.
    notes, failure = _export(analysis, reading.run, export, partial=partial, force=force)
    if reading.anything or form is not Format.TEXT:
        _put(
            reporting,
            text=lambda console: _terminal().show_transfers(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.lines(analysis.transfers),
        )
    if notes:
        # Beside JSON the account of the export must not stand in the same stream.
        stream = sys.stdout if form is Format.TEXT else sys.stderr
        _terminal().show_notes(f"Export to {export}", notes, _terminal().console_for(stream))
    if failure is not None:
        raise failure
    raise typer.Exit(exit_code(analysis, fail_on))


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope image meter.ota
  hanscope image *.ota --format jsonl | jq '{file, layout, sha256}'

Exit codes: 0 no check failed, 1 a check failed, 3 a file could not be read. jsonl prints one object a line, one for
each file in the order given, for an unreadable one with "error".
""",
)
def image(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="OTA image files; - is standard input.", show_default=False)
    ],
    *,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
) -> None:
    """Check OTA image files, element by element."""
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    reporting = _reporting(form, output, redact=redact, show_keys=False, inputs=files)
    images = [_examined(file) for file in files]
    if redact:
        redactor = Redactor()
        images = [redactor(one) for one in images]
    analysis = Analysis(captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=tuple(images))
    _put(
        reporting,
        text=lambda console: _terminal().show_images(images, console),
        json=lambda: [json.document(analysis)],
        jsonl=lambda: json.lines(images),
    )
    if any(one.error is not None for one in images):
        raise typer.Exit(ExitCode.INPUT)
    if any(check.outcome == "invalid" for one in images for check in one.checks):
        raise typer.Exit(ExitCode.FINDINGS)


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope gbcs message.hex
  hanscope gbcs dd000000000000471100000000df0901...
  hanscope gbcs messages/ --certificates certificates --private-keys keys.json --format jsonl

A file is binary or hexadecimal: one message, or one a line. A folder stands for all files in it.

Exit codes: 0 well, 1 a signature, a MAC or an encrypted part is invalid, 3 an input is no GBCS message. jsonl prints
one object a line, one for each message in the order given, for what is no message with "error".
""",
)
def gbcs(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="FILE|HEX", help="GBCS messages; - is standard input.", show_default=False),
    ],
    *,
    certificates: Certificates = None,
    private_keys: PrivateKeys = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
) -> None:
    """Decode and verify GBCS messages."""
    from hanscope import gbcs_command  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy

    reporting = _reporting(
        form, output, redact=redact, show_keys=False, inputs=[one for one in inputs if len(one) < 256]
    )
    if "-" in inputs and sys.stdin.isatty():
        raise CommandError("-: standard input is a terminal; pipe messages in", ExitCode.USAGE)
    credentials = _credentials(certificates, private_keys)
    tally = gbcs_command.Tally()
    messages = tally.watching(gbcs_command.examined(gbcs_command.read(inputs), credentials))
    if redact:
        from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

        redactor = Redactor()
        messages = map(redactor, messages)
    with during("decoding messages"):
        _put(
            reporting,
            text=lambda console: gbcs_command.show(messages, console),
            json=lambda: [json.document(_of_messages(messages))],
            jsonl=lambda: json.lines(messages),
        )
    if tally.undecodable:
        raise typer.Exit(ExitCode.INPUT)
    if tally.invalid:
        raise typer.Exit(ExitCode.FINDINGS)


def _of_messages(messages: "Iterable[Message]") -> "Analysis":
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy

    return Analysis(
        captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=(), messages=tuple(messages)
    )


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope frames house.pcapng --keys keys.toml
  hanscope frames house.pcapng --filter 'layer == "ImageBlockResponse" and ota.file_offset >= 4096'
  hanscope frames house.pcapng --filter 'has(shut)' --columns number,pan,nwk.source,shut
  hanscope frames house.pcapng --format jsonl | jq 'select(.transfer == "T1") | .number'

\b
A filter compares fields (== != < <= > >=, in (...), "Zcl" in layers, has(field)) and joins comparisons with and, or,
not and parentheses. A comparison with a field that a frame has not is false.

\b
Columns, and fields of a filter:
  number time elapsed length fcs channel lqi rssi_dbm pan source destination
  layer (the innermost) layers info malformed key nwk.key aps.key shut fragments transfer
  mac.source nwk.frame_counter aps.cluster zcl.command zdp.sequence ota.file_offset tunneling.tunnel_id ...
  Layer.field, every field of every layer; docs/layers.md lists them
""",
)
def frames(
    capture: OneCapture,
    *,
    expression: Annotated[
        str | None, typer.Option("--filter", metavar="EXPRESSION", help="Show only frames that fulfil this.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--columns", metavar="A,B,C", help="What to show of each.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Show at most N frames.")] = None,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """List the frames of a capture, one line each."""
    from hanscope import frames_command  # noqa: PLC0415 - heavy
    from hanscope.analyzers.filters import FilterError  # noqa: PLC0415 - heavy
    from hanscope.report import frames as report  # noqa: PLC0415 - heavy

    reporting = _reporting(form, output, redact=False, show_keys=False, inputs=[capture, *_paths(keys)])
    default = frames_command.FOR_PEOPLE if form is Format.TEXT else frames_command.FOR_SCRIPTS
    try:
        wanted = frames_command.wanted(expression, columns, limit, default)
    except FilterError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    with _frames_of(capture, _key_ring(keys, key), no_progress=no_progress, processes=processes) as reader:
        chosen = frames_command.chosen(reader, wanted)
        _put(
            reporting,
            text=lambda console: report.show_frames(chosen, wanted.columns, console),
            json=lambda: report.document(chosen, wanted.columns),
            jsonl=lambda: report.lines(chosen, wanted.columns),
        )
        raise typer.Exit(_frames_exit_code(reader.analysis))


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope frame house.pcapng 1234 --keys keys.toml
  hanscope frame house.pcapng 1234 --format json | jq '.layers[-1].fields'
""",
)
def frame(
    capture: OneCapture,
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="Its number, as Wireshark counts.")],
    *,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """Show one frame in full: every layer, with its octets."""
    from hanscope.analyzers.frameview import FrameError, view  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.frames import show_frame  # noqa: PLC0415 - heavy

    reporting = _reporting(form, output, redact=False, show_keys=show_keys, inputs=[capture, *_paths(keys)])
    with _frames_of(capture, _key_ring(keys, key), no_progress=no_progress, processes=processes) as reader:
        try:
            one = view(reader, number, show_keys=show_keys)
        except FrameError as error:
            raise CommandError(f"{capture}: {error}", ExitCode.USAGE) from None
        _put(
            reporting,
            text=lambda console: show_frame(one, console),
            json=lambda: [json.document(one)],
            jsonl=lambda: json.lines([one]),
        )
        raise typer.Exit(_frames_exit_code(reader.analysis))


@app.command(
    "keys",
    cls=Command,
    epilog="""\b
Examples:
  hanscope keys house.pcapng --keys keys.toml
  hanscope keys house.pcapng --key install:83FED3407A932B70
  hanscope keys house.pcapng --embed with-keys.pcapng
  hanscope keys house.pcapng --wireshark ~/.config/wireshark/zigbee_pc_keys

With --embed the same capture is written as pcapng with its keys in front, for hanscope; today's Wireshark knows such
keys but does not use them, it needs --wireshark. jsonl prints one line for each item, named in "section".
""",
)
def key_ledger(
    capture: Annotated[str, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file.", show_default=False)],
    *,
    embed: Annotated[
        Path | None, typer.Option("--embed", metavar="OUT.pcapng", help="Write the capture with its keys in it.")
    ] = None,
    wireshark: Annotated[
        Path | None, typer.Option("--wireshark", metavar="FILE", help="Write the keys as Wireshark's ZigBee key table.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --embed and --wireshark overwrite files.")] = False,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """Keys found, what became of them, and what they open."""
    from hanscope import keys_command  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy

    reporting = _reporting(form, output, redact=redact, show_keys=show_keys, inputs=[capture, *_paths(keys)])
    notes: list[tuple[Tone, str]] = []
    try:
        keys_command.check(capture, [("--embed", embed), ("--wireshark", wireshark)], force=force)
        ring = _key_ring(keys, key)
        reading = _read([capture], ring, no_progress=no_progress, processes=processes, show_keys=show_keys)
        if reading.run is not None and embed is not None:
            notes.append(keys_command.write_embedded(reading.run, capture, embed))
        if reading.run is not None and wireshark is not None:
            notes.append(keys_command.write_table(reading.run, wireshark))
    except keys_command.OutputError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    analysis = _redacted(keys_command.narrowed(reading.analysis), reporting)
    if reading.anything or form is not Format.TEXT:
        _put(
            reporting,
            text=lambda console: keys_command.show(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.analysis_lines(analysis),
        )
    if notes:
        # Beside JSON the account of what was written must not stand in the same stream.
        stream = sys.stdout if form is Format.TEXT else sys.stderr
        _terminal().show_notes("Written", notes, _terminal().console_for(stream))
    raise typer.Exit(exit_code(analysis, Gate.ERROR))


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope crosscheck house.pcapng --keys keys.toml
  hanscope crosscheck house.pcapng --format jsonl | jq 'select(.fault == null)'

tshark is given every key, those found in the capture too, on its command line: other users of the machine can see them
in the list of processes.

Exit codes: 0 every difference has a known reason (docs/crosscheck.md), 1 one has not, 3 there is no tshark, or the
capture cannot be read by both. jsonl prints the totals, then one difference a line.
""",
)
def crosscheck(
    capture: Annotated[str, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file.", show_default=False)],
    *,
    keys: KeysFile = None,
    key: KeyTexts = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    no_progress: NoProgress = False,
) -> None:
    """Compare our reading with tshark's, field by field."""
    from hanscope import crosscheck_command  # noqa: PLC0415 - heavy
    from hanscope.analyzers.crosscheck import NoOracleError  # noqa: PLC0415 - heavy
    from hanscope.analyzers.crosscheck import crosscheck as compare  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.report import json  # noqa: PLC0415 - heavy
    from hanscope.report.progress import ProgressBar  # noqa: PLC0415 - heavy

    reporting = _reporting(form, output, redact=False, show_keys=False, inputs=[capture, *_paths(keys)])
    if capture == "-" or Path(capture).is_fifo():
        raise CommandError(f"{capture}: tshark reads the capture too, so it has to be a file; save it", ExitCode.USAGE)
    shown = not no_progress and sys.stderr.isatty()
    try:
        with during(f"comparing {capture}"), ProgressBar(sys.stderr) if shown else nullcontext() as bar:
            result = compare(capture, keys=_key_ring(keys, key), progress=bar)
    except (CaptureError, NoOracleError) as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
    _put(
        reporting,
        text=lambda console: crosscheck_command.show(result, console),
        json=lambda: [json.document(result)],
        jsonl=lambda: json.lines(crosscheck_command.lines(result)),
    )
    if result.faults:
        raise typer.Exit(ExitCode.INPUT)
    raise typer.Exit(ExitCode.FINDINGS if result.unexplained else ExitCode.OK)


@app.command(cls=Command)
def demo() -> None:
    """Analyze the shipped sample: nothing to prepare."""
    from importlib import resources  # noqa: PLC0415 - only this command needs it

    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    package = resources.files("hanscope.captures")
    with resources.as_file(package / DEMO_CAPTURE) as capture, resources.as_file(package / DEMO_KEYS) as keys:
        for file in (capture, keys):
            if not file.is_file():
                raise CommandError(f"{file}: the sample is not installed; install hanscope again", ExitCode.INPUT)
        reading = _read([str(capture)], _key_ring(keys, None), no_progress=False, processes=None, show_keys=False)
        console = terminal.console_for(sys.stdout)
        terminal.show_analysis(reading.analysis, console)
        terminal.show_list(
            "Try next",
            [
                f"hanscope transfers {capture} --keys {keys} --export images",
                f"hanscope analyze {capture} --keys {keys} --format json",
                "hanscope analyze YOUR-CAPTURE.pcapng --keys YOUR-KEYS.toml",
                "hanscope doctor",
            ],
            console,
        )
    raise typer.Exit(exit_code(reading.analysis, Gate.ERROR))


@app.command(cls=Command)
def doctor() -> None:
    """What this machine can do: packages, tshark, folders, cores."""
    from hanscope import doctor as examination  # noqa: PLC0415 - heavy
    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    notes: list[tuple[Tone, str]] = [("good" if found.well else "bad", found.text) for found in examination.examine()]
    terminal.show_notes("This machine", notes, terminal.console_for(sys.stdout))


# What the commands share.


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What came of reading the captures."""

    analysis: "Analysis"
    run: "AnalysisRun | None"

    @property
    def anything(self) -> bool:
        """Whether any capture could be read."""
        return self.run is not None


def exit_code(analysis: "Analysis", fail_on: Gate) -> ExitCode:
    """The one exit code that an analysis comes to."""
    from hanscope.report.words import nothing_opened, of_another_kind  # noqa: PLC0415 - heavy

    gates = list(Gate)
    if analysis.interrupted:
        return ExitCode.INTERRUPTED
    if any(capture.faults or of_another_kind(capture) for capture in analysis.captures):
        return ExitCode.INPUT
    if nothing_opened(analysis):
        return ExitCode.NO_KEY
    if any(gates.index(Gate(finding.severity)) >= gates.index(fail_on) for finding in analysis.findings):
        return ExitCode.FINDINGS
    return ExitCode.OK


def _paths(keys: Path | None) -> list[str]:
    return [] if keys is None else [str(keys)]


def _reporting(form: Format, output: Path | None, *, redact: bool, show_keys: bool, inputs: Sequence[str]) -> Reporting:
    """Checks before the work what would be a pity to find out after it."""
    if redact and show_keys:
        raise CommandError("--redact and --show-keys contradict each other; leave one out", ExitCode.USAGE)
    if output is not None:
        for path in inputs:
            if path != "-" and output.exists() and Path(path).exists() and output.samefile(path):
                raise CommandError(f"--output {output}: this is an input; name another file", ExitCode.USAGE)
        if output.is_dir():
            raise CommandError(f"--output {output}: this is a folder; name a file in it", ExitCode.USAGE)
        if not os.access(output.parent, os.W_OK):
            raise CommandError(f"--output {output}: its folder cannot be written or does not exist", ExitCode.USAGE)
    return Reporting(form=form, output=output, redact=redact)


def _credentials(certificates: Sequence[Path] | None, private_keys: Sequence[Path] | None) -> "Credentials | None":
    """What GBCS messages are verified with; what is wrong with it is told."""
    if not certificates and not private_keys:
        return None
    from hanscope import gbcs_command  # noqa: PLC0415 - heavy

    credentials, complaints = gbcs_command.credentials(certificates or (), private_keys or ())
    for complaint in complaints:
        complain(complaint)
    return credentials


def _key_ring(file: Path | None, texts: Sequence[str] | None) -> "KeyRing":
    from hanscope.analyzers.keys import KeyFileError, KeyRing, load_key_file, parse_key  # noqa: PLC0415 - heavy

    try:
        ring = KeyRing() if file is None else load_key_file(file)
        for text in texts or ():
            ring = ring.plus(parse_key(text))
    except KeyFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return ring


def _read(
    paths: Sequence[str],
    keys: "KeyRing",
    *,
    no_progress: bool,
    processes: int | None,
    show_keys: bool,
    credentials: "Credentials | None" = None,
) -> Reading:
    """Analyzes the captures that can be read; those that cannot stand in the result with their fault."""
    from hanscope.analyzers.analysis import analyze as analyze_captures  # noqa: PLC0415 - heavy
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.report.progress import ProgressBar  # noqa: PLC0415 - heavy

    if paths.count("-") > 1 or ("-" in paths and sys.stdin.isatty()):
        raise CommandError(
            "-: standard input can be given once, and not from a terminal; pipe a capture in", ExitCode.USAGE
        )
    readable: list[str] = []
    unreadable: list[Capture] = []
    for path in paths:
        if why := _unreadable(path):
            complain(why)
            unreadable.append(_lost_capture(path, why))
        else:
            readable.append(path)
    run: AnalysisRun | None = None
    if readable:
        shown = not no_progress and sys.stderr.isatty()
        try:
            with during(f"reading {', '.join(readable)}"), ProgressBar(sys.stderr) if shown else nullcontext() as bar:
                run = analyze_captures(
                    readable,
                    keys=keys,
                    progress=bar,
                    processes=processes,
                    show_keys=show_keys,
                    credentials=credentials,
                )
        except CaptureError as error:  # of what can only be read once: a pipe
            complain(str(error))
            unreadable += [_lost_capture(path, str(error)) for path in readable]
    if run is None:
        empty = Analysis(captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=())
        return Reading(analysis=_with_captures(empty, unreadable), run=None)
    return Reading(analysis=_with_captures(run.analysis, unreadable), run=run)


@contextmanager
def _frames_of(path: str, keys: "KeyRing", *, no_progress: bool, processes: int | None) -> "Generator[FrameReader]":
    """A capture that was read, for its frames; its faults are told on standard error."""
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.frames_command import opened  # noqa: PLC0415 - heavy

    if path == "-" and sys.stdin.isatty():
        raise CommandError("-: standard input is a terminal; pipe a capture in", ExitCode.USAGE)
    shown = not no_progress and sys.stderr.isatty()
    try:
        with during(f"reading {path}"), opened(path, keys, progress=shown, processes=processes) as reader:
            if reader.analysis.interrupted:
                raise KeyboardInterrupt
            for fault in (fault for one in reader.analysis.captures for fault in one.faults):
                complain(f"{path}: {fault.where}: {fault.what}")
            yield reader
    except CaptureError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None


def _frames_exit_code(analysis: "Analysis") -> ExitCode:
    """As for an analysis, without its findings."""
    code = exit_code(analysis, Gate.ERROR)
    return ExitCode.OK if code is ExitCode.FINDINGS else code


def _unreadable(path: str) -> str | None:
    """Why a file cannot be read as a capture at all. Pipes are not touched: what is read from them is gone."""
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.files import open_capture  # noqa: PLC0415 - heavy

    try:
        if path == "-" or not (stat.S_ISREG(mode := Path(path).stat().st_mode) or stat.S_ISDIR(mode)):
            return None
    except (OSError, ValueError):
        pass  # open_capture says it better
    try:
        with open_capture(path):
            return None
    except CaptureError as error:
        return str(error)


def _lost_capture(path: str, why: str) -> "Capture":
    """An entry for a capture of which nothing could be read, so that reports do not pass over it."""
    from hanscope.analyzers.results import Capture, Fault  # noqa: PLC0415 - heavy

    return Capture(
        path=path,
        format="unknown",
        compressed=False,
        frames=0,
        other_frames=0,
        bad_fcs=0,
        unchecked_fcs=0,
        started=None,
        ended=None,
        interfaces=(),
        comments=0,
        faults=(Fault(where=path, what=why.removeprefix(f"{path}: ")),),
    )


def _with_captures(analysis: "Analysis", more: Sequence["Capture"]) -> "Analysis":
    import msgspec  # noqa: PLC0415 - heavy

    return msgspec.structs.replace(analysis, captures=(*analysis.captures, *more)) if more else analysis


def _redacted(analysis: "Analysis", reporting: Reporting) -> "Analysis":
    from hanscope.report.redact import Redactor  # noqa: PLC0415 - heavy

    return Redactor()(analysis) if reporting.redact else analysis


def _examined(file: str) -> "Image":
    from hanscope.analyzers.images import examine  # noqa: PLC0415 - heavy
    from hanscope.analyzers.results import Image  # noqa: PLC0415 - heavy

    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as stream:
            octets = stream.read(LARGEST_IMAGE + 1)
        why = f"larger than {LARGEST_IMAGE // 2**20} MiB; this is no OTA image" if len(octets) > LARGEST_IMAGE else None
    except (OSError, ValueError) as error:
        octets, why = b"", f"cannot be read: {getattr(error, 'strerror', None) or error}"
    if why is None:
        with during(f"examining {file}"):
            return examine(octets, file=file)
    complain(f"{file}: {why}")
    return Image(
        transfer_id=None,
        file=file,
        size=0,
        header=None,
        header_offset=0,
        layout="opaque",
        elements=(),
        checks=(),
        manufacturer_image_sha256=None,
        sha256=None,
        partial=False,
        error=why,
    )


def _export(
    analysis: "Analysis", run: "AnalysisRun | None", folder: Path | None, *, partial: bool, force: bool
) -> "tuple[list[tuple[Tone, str]], CommandError | None]":
    """Writes the images, if that was asked for: what is to be told about it, and what went wrong."""
    from hanscope.export import ExportError, export  # noqa: PLC0415 - heavy

    notes: list[tuple[Tone, str]] = []
    if folder is None or run is None:
        return notes, None
    try:
        written, left_out = export(analysis.transfers, run.records, folder, partial=partial, force=force)
    except ExportError as error:
        return notes, CommandError(f"--export {folder}: {error}", ExitCode.USAGE)
    notes.extend(("good", f"{file.path.name}  {file.what}") for file in written)
    notes.extend(("open", f"{left.transfer_id} not written: {left.why}") for left in left_out)
    return notes or [("open", "there is no transfer to export")], None


def _terminal() -> "ModuleType":
    """The terminal report, imported when it is shown: who asks for JSON does not wait for rich."""
    from hanscope.report import terminal  # noqa: PLC0415 - heavy

    return terminal


def _put(
    reporting: Reporting,
    *,
    text: "Callable[[Console], None]",
    json: Callable[[], Iterable[bytes]],
    jsonl: Callable[[], Iterable[bytes]],
) -> None:
    """Brings the report in its form to its place."""
    if reporting.form is not Format.TEXT:
        pieces = json() if reporting.form is Format.JSON else jsonl()
        if reporting.output is None:
            sys.stdout.flush()
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _write(reporting.output, b"".join(pieces))
        return
    from hanscope.report.terminal import console_for  # noqa: PLC0415 - heavy

    if reporting.output is None:
        text(console_for(sys.stdout))
        return
    from io import StringIO  # noqa: PLC0415 - only here

    page = StringIO()
    text(console_for(page))
    _write(reporting.output, page.getvalue().encode("utf-8", "backslashreplace"))


def _write(path: Path, octets: bytes) -> None:
    from hanscope.export import write_atomically  # noqa: PLC0415 - heavy

    try:
        if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
            path.write_bytes(octets)
        else:
            write_atomically(path, octets)
    except BrokenPipeError:
        raise
    except OSError as error:
        _fail_output(path, error)


def _fail_output(path: Path, error: OSError) -> NoReturn:
    raise CommandError(f"--output {path}: cannot be written: {error.strerror or error}", ExitCode.USAGE) from error
