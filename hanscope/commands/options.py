"""Options and arguments that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer


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


def a_format(value: str) -> Format:
    if value in PLANNED_FORMATS:
        raise typer.BadParameter(f"{value} reports are not there yet; there are {', '.join(Format)}")
    try:
        return Format(value)
    except ValueError:
        raise typer.BadParameter(f"there is no format {value!r}; there are {', '.join(Format)}") from None


Captures = Annotated[
    list[str],
    typer.Argument(
        metavar="CAPTURE...", help="pcap or pcapng files, plain or gzip; - is standard input.", show_default=False
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
        "--format", metavar="text|json|jsonl", parser=a_format, help="The form of the report (text: for people)."
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
References = Annotated[
    list[Path] | None,
    typer.Option("--reference", metavar="FILE", help="Compare images with this file, octet by octet; may be repeated."),
]
Hashes = Annotated[
    list[str] | None,
    typer.Option("--hash", metavar="HEX", help="The SHA-256 that an image, or its Manufacturer Image, should have."),
]
HashLists = Annotated[
    list[Path] | None,
    typer.Option(
        "--hash-list", metavar="FILE.csv", help="A list of firmware hashes, such as the Central Products List."
    ),
]
Processes = Annotated[
    int | None,
    typer.Option("--processes", metavar="N", min=1, help="Processor cores to use (else all).", show_default=False),
]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="RULE", help="Only this rule, or all that begin so; may be repeated."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="RULE", help="Not this rule, or none that begin so; may be repeated."),
]


class ProfileName(StrEnum):
    """What kind of network it is."""

    GB = "gb"
    ZIGBEE = "zigbee"


ProfileOption = Annotated[
    ProfileName | None,
    typer.Option(
        "--profile", metavar="gb|zigbee", help="Rules for a GB HAN or for any ZigBee network (else: by what is seen)."
    ),
]
Thresholds = Annotated[
    Path | None,
    typer.Option("--thresholds", metavar="FILE", help="Thresholds of the rules in a TOML file (see docs/rules.md)."),
]
