"""The front door to capture files: finds out what a file is, and reads it in chunks."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from hanscope.captures import pcap, pcapng
from hanscope.captures.batch import CaptureError, Comment, Fault, Interface, Notes, RecordBatch, Secret
from hanscope.captures.source import Source

_NOT_OURS: Final = {
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it first (unzstd)",
    b"\x04\x22\x4d\x18": "compressed with lz4; decompress it first (unlz4)",
    b"\xfd7zXZ\x00": "compressed with xz; decompress it first (unxz)",
    b"BZh": "compressed with bzip2; decompress it first (bunzip2)",
    b"PK\x03\x04": "a ZIP archive (or a Silicon Labs .isd session); unpack it, or export the session as pcapng",
    b"SQLite format 3\x00": "a database (or a Ubiqua .cubx session); export the session as pcap",
    b"GMBU": "a NetMon capture; convert it (editcap -F pcapng)",
    b"#Format=4": "a Daintree capture; convert it (editcap -F pcapng)",
    **dict.fromkeys(pcap.MODIFIED, "a pcap file of the modified kind; convert it (editcap -F pcapng)"),
}
"""How files begin that people may well try."""


class CaptureFile:
    """A capture file that is being read: iterate over it, once, for its chunks.

    The lists and numbers grow while it is read; after the last chunk they are complete.
    """

    def __init__(self, source: Source, form: Literal["pcap", "pcapng"]) -> None:
        self.format: Literal["pcap", "pcapng"] = form
        self.notes = Notes()
        self._source = source
        reader = pcap.read if form == "pcap" else pcapng.read
        self._batches = reader(source, self.notes)

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


def open_capture(path: Path | str) -> CaptureFile:
    """Open a pcap or pcapng file, plain or gzip; `"-"` is standard input. The kind is told by the content.

    Raises `CaptureError` when nothing can be read from it at all. Damage further on is no exception: what comes before
    it is read, and it becomes one of `CaptureFile.faults`.
    """
    source = Source(path)
    try:
        return CaptureFile(source, _format(source))
    except BaseException:
        source.__exit__(None, None, None)
        raise


def _format(source: Source) -> Literal["pcap", "pcapng"]:
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
    raise CaptureError(f"{source.name}: not a capture file (pcap or pcapng); give one that Wireshark opens")
