"""`hanscope analyze`: the report."""

import typer

from hanscope.commands.annotating import Annotate, AnnotateKeys, check_annotated, write_annotated
from hanscope.commands.base import Command, app
from hanscope.commands.options import (
    Captures,
    Certificates,
    FailOn,
    Format,
    FormatOption,
    Gate,
    Hashes,
    HashLists,
    Ignore,
    KeysFile,
    KeyTexts,
    NoProgress,
    Output,
    PrivateKeys,
    Processes,
    ProfileOption,
    Redact,
    References,
    Select,
    ShowKeys,
    Thresholds,
)
from hanscope.commands.output import key_paths, paths_of, put, redacted, reporting_of, terminal
from hanscope.commands.reading import choice_of, credentials_of, exit_code, given_of, key_ring, read


@app.command(
    cls=Command,
    epilog="""\b
Examples:
  hanscope analyze house.pcapng
  hanscope analyze monday.pcap tuesday.pcap.gz --keys keys.toml
  hanscope analyze house.pcapng --key network:000102030405060708090a0b0c0d0e0f
  hanscope analyze house.pcapng --certificates DIR --private-keys FILE
  hanscope analyze house.pcapng --reference meter.ota --hash-list list.csv
  hanscope analyze house.pcapng --fail-on warning --ignore ota.notify
  hanscope analyze house.pcapng --annotate commented.pcapng
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
    reference: References = None,
    hash_: Hashes = None,
    hash_list: HashLists = None,
    form: FormatOption = Format.TEXT,
    output: Output = None,
    fail_on: FailOn = Gate.ERROR,
    select: Select = None,
    ignore: Ignore = None,
    profile: ProfileOption = None,
    thresholds: Thresholds = None,
    annotate: Annotate = None,
    annotate_keys: AnnotateKeys = False,
    redact: Redact = False,
    show_keys: ShowKeys = False,
    no_progress: NoProgress = False,
    processes: Processes = None,
) -> None:
    """Report on captures: what happened, and why."""
    from hanscope.report import json  # noqa: PLC0415 - heavy

    inputs = [*captures, *key_paths(keys), *paths_of(reference, hash_list)]
    if annotate is not None:
        check_annotated(captures, annotate)
    reporting = reporting_of(form, output, redact=redact, show_keys=show_keys, inputs=inputs)
    reading = read(
        captures,
        key_ring(keys, key),
        no_progress=no_progress,
        processes=processes,
        show_keys=show_keys,
        credentials=credentials_of(certificates, private_keys),
        given=given_of(reference, hash_, hash_list),
        choice=choice_of(select, ignore, profile, thresholds),
    )
    analysis = redacted(reading.analysis, reporting)
    if annotate is not None and reading.run is not None:
        write_annotated(reading.run, analysis, captures, annotate, with_keys=annotate_keys)
    if reading.anything or form is not Format.TEXT:
        put(
            reporting,
            text=lambda console: terminal().show_analysis(analysis, console),
            json=lambda: [json.document(analysis)],
            jsonl=lambda: json.analysis_lines(analysis),
        )
    raise typer.Exit(exit_code(analysis, fail_on))
