"""The front door to capture files: finds out what a file is, and reads it in chunks."""

from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

from hanscope.captures import pcap, pcapng
from hanscope.captures.batch import CaptureError, Comment, Fault, Interface, Notes, RecordBatch, Secret
from hanscope.captures.source import RECORDS, Source

if TYPE_CHECKING:
    from hanscope.captures.foreign import Reader

_NOT_OURS: Final = {
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it first (unzstd)",
    b"\x04\x22\x4d\x18": "compressed with lz4; decompress it first (unlz4)",
    b"\xfd7zXZ\x00": "compressed with xz; decompress it first (unxz)",
    b"BZh": "compressed with bzip2; decompress it first (bunzip2)",
    b"\x1e\xf1\xee\x0b": "an OTA image; `hanscope image` checks it",
    b"\xdf\x09": "a GBCS message; `hanscope gbcs` decodes it",
    b"\xdd\x00\x00": "a GBCS message; `hanscope gbcs` decodes it",
    b"GMBU": "a NetMon capture; convert it (editcap -F pcapng)",
    **dict.fromkeys(pcap.MODIFIED, "a pcap file of the modified kind; convert it (editcap -F pcapng)"),
}
"""How files begin that people may well try."""

Format = Literal["pcap", "pcapng", "psd", "dcf", "cubx", "isd", "silabs-log"]
_FOREIGN: Final[dict[bytes, Format]] = {
    b"#Format=4": "dcf",
    b"SQLite format 3\x00": "cubx",
    b"PK\x03\x04": "isd",
    b"# (c) Ember - InSight Desktop": "silabs-log",
}
"""How files of other programs begin."""
_LONGEST_MAGIC: Final = 156
"""Octets by which every format is known; a .psd file needs most."""


class CaptureFile:
    """A capture file that is being read: iterate over it, once, for its chunks.

    The lists and numbers grow while it is read; after the last chunk they are complete.
    """

    def __init__(self, source: Source, form: Format) -> None:
        self.format: Format = form
        self.notes = Notes()
        self._source = source
        self._batches = _reader(form)(source, self.notes)
        if form not in ("pcap", "pcapng"):
            # Whether an archive or a database is a capture shows when it is read.
            self._batches = _after(next(self._batches, None), self._batches)
            if self.notes.faults and not self.notes.interfaces:
                raise CaptureError(f"{source.name}: {self.notes.faults[0].what}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batches.close()
        self._source.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[RecordBatch]:
        return self._batches

    @property
    def compressed(self) -> bool:
        return self._source.compressed

    @property
    def interfaces(self) -> list[Interface]:
        return self.notes.interfaces

    @property
    def faults(self) -> list[Fault]:
        return self.notes.faults

    @property
    def comments(self) -> list[Comment]:
        return self.notes.comments

    @property
    def secrets(self) -> list[Secret]:
        return self.notes.secrets

    @property
    def octets_read(self) -> int:
        """Octets of the file read so far (of the compressed file, if it is one)."""
        return self._source.octets_read

    @property
    def octets_total(self) -> int | None:
        """Size of the file; `None` when it cannot be known."""
        return self._source.octets_total


def open_capture(path: Path | str, name: str | None = None, records: int = RECORDS) -> CaptureFile:
    """Open a capture file, plain or gzip; `"-"` is standard input. The kind is told by the content.

    `name`: what messages call it, if not by its path; `records`: of a chunk, about. Raises `CaptureError` when nothing
    can be read from it at all. Damage further on is no exception: what comes before it is read, and it becomes one of
    `CaptureFile.faults`.
    """
    source = Source(path, name, records)
    try:
        return CaptureFile(source, _format(source))
    except BaseException:
        source.__exit__(None, None, None)
        raise


def kind_of(path: Path | str, name: str | None = None) -> Format:
    """What kind of capture begins so; more of it need not be there yet. Raises `CaptureError` when it is none."""
    with Source(path, name) as source:
        return _format(source)


def _reader(form: Format) -> "Reader":
    """Readers of other programs' files are imported when one turns up."""
    if form == "pcap":
        return pcap.read
    if form == "pcapng":
        return pcapng.read
    from hanscope.captures import cubx, dcf, isd, psd  # noqa: PLC0415 -- as said

    readers: dict[Format, Reader] = {
        "psd": psd.read,
        "dcf": dcf.read,
        "cubx": cubx.read,
        "isd": isd.read_session,
        "silabs-log": isd.read_log,
    }
    return readers[form]


def _format(source: Source) -> Format:
    head = source.peek(16)
    if head[:4] in pcap.MAGICS:
        return "pcap"
    if head[:4] == pcapng.MAGIC:
        return "pcapng"
    if source.fault:
        raise CaptureError(f"{source.name}: {source.fault}; copy or record it again")
    if not head:
        raise CaptureError(f"{source.name}: the file is empty; check that the sniffer wrote it to its end")
    for magic, what in _NOT_OURS.items():
        if head.startswith(magic):
            raise CaptureError(f"{source.name}: this is {what}")
    longer = source.peek(_LONGEST_MAGIC)
    for magic, form in _FOREIGN.items():
        if longer.startswith(magic):
            return form
    if head[1:5] == b"\x01\0\0\0" and _is_psd(longer):
        return "psd"
    raise CaptureError(f"{source.name}: not a capture file (pcap or pcapng); give one that Wireshark opens")


def _after(first: RecordBatch | None, others: Generator[RecordBatch]) -> Generator[RecordBatch]:
    """A chunk that has been read already, and the others."""
    try:
        if first is not None:
            yield first
        yield from others
    finally:
        others.close()


def _is_psd(head: bytes) -> bool:
    from hanscope.captures.psd import is_psd  # noqa: PLC0415 -- seldom needed

    return is_psd(head)
