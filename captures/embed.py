"""Puts ZigBee keys into a capture: the same records, with decryption secrets blocks in front of them.

A pcapng file is copied octet by octet, so that nothing about it changes: interfaces, times, comments, blocks that
nobody here knows. The secrets go behind its first section header. A pcap file becomes a pcapng file with one interface.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from hanscope.captures.batch import CaptureError, Interface, Secret
from hanscope.captures.files import open_capture
from hanscope.captures.pcapng import MAGIC
from hanscope.captures.source import Source
from hanscope.captures.writer import PcapngWriter, secrets_block

COPIED_AT_ONCE: Final = 1 << 20
_LARGEST_HEADER: Final = 1 << 24
"""Octets of a section header, comments included."""
_HEADER: Final = 24
"""Octets of a section header before its options."""


def embed(path: Path | str, out: BinaryIO, secrets: Sequence[Secret]) -> int:
    """Writes the capture at `path` (a file, plain or gzip) with `secrets` to `out`; those that it has already are not
    added again. Returns how many were added. Raises `CaptureError` when the capture cannot be read.
    """
    with open_capture(path) as capture:
        for _ in capture:
            pass
        present = set(capture.secrets)
        form, interfaces = capture.format, capture.interfaces
    new = [one for one in dict.fromkeys(secrets) if one not in present]
    if form == "pcapng":
        _copied(path, out, new)
    else:
        _converted(path, out, new, interfaces)
    return len(new)


def _copied(path: Path | str, out: BinaryIO, secrets: Sequence[Secret]) -> None:
    with Source(path) as source:
        head = source.peek(12).ljust(12, b"\0")
        order = ">" if head[8:] == b"\x1a\x2b\x3c\x4d" else "<"
        (length,) = struct.unpack_from(order + "I", head, 4)
        sound = head[:4] == MAGIC and _HEADER + 4 <= length <= _LARGEST_HEADER
        header = bytearray(length if sound else 0)
        if source.fill(memoryview(header)) < length or not sound:
            raise CaptureError(f"{source.name}: its section header is damaged; convert it first (editcap -F pcapng)")
        struct.pack_into(order + "q", header, 16, -1)  # the section becomes longer: its length is left open
        out.write(header)
        out.writelines(secrets_block(secret, order) for secret in secrets)
        piece = memoryview(bytearray(COPIED_AT_ONCE))
        while got := source.fill(piece):
            out.write(piece[:got])


def _converted(path: Path | str, out: BinaryIO, secrets: Sequence[Secret], interfaces: Sequence[Interface]) -> None:
    writer = PcapngWriter(out)
    for secret in secrets:
        writer.secret(secret)
    for one in interfaces:
        writer.interface(one.link_type, one.name, one.description, one.fcs_length)
    with open_capture(path) as capture:
        for records in capture:
            writer.write(records.time_ns, records.buffer, records.at, records.captured, records.original)
