"""Writes a capture again with comments on some of its packets, with ZigBee keys, or with both.

Of a pcapng file every block is copied octet by octet; only packets that get a comment, and section headers (whose
sections become longer), are changed: `opt_comment` (pcapng, 3.5) goes before the packet's other options. Keys go behind
the interfaces that the first section begins with, as Wireshark writes them: its editcap and mergecap do not take a file
in which they come first. Any other capture becomes a pcapng file. Records are counted as the reader counts them
(`captures.pcapng`), and as Wireshark does.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from hanscope.captures.batch import CaptureError, Interface, Secret
from hanscope.captures.files import open_capture
from hanscope.captures.pcapng import ENHANCED_PACKET, INTERFACE, MAGIC, OTHER_RECORDS, PACKET, SECTION, SIMPLE_PACKET
from hanscope.captures.source import Source
from hanscope.captures.writer import PcapngWriter, secrets_block

_AT_ONCE: Final = 1 << 20
LONGEST: Final = 4_096
"""Octets of a comment; longer ones are cut."""
_HELD: Final = 1 << 20
"""Octets of a block that is looked at; larger ones are copied as they are."""
_LEAST: Final = 12
_SECTION: Final = 28
"""Octets of a section header without options."""
_FIXED: Final = 20
"""Octets between a packet's head and its data, in enhanced and obsolete packet blocks alike."""
_COMMENT: Final = 1


class Written(NamedTuple):
    """What became of the comments and the keys."""

    comments: int
    left_out: int
    """On packets whose blocks have no room for any, or that are not there."""
    secrets: int
    """That were not there already."""


def write_commented(
    path: Path | str, out: BinaryIO, comments: Mapping[int, str], secrets: Sequence[Secret] = ()
) -> Written:
    """Writes the capture at `path` to `out`; `comments` by record number, from 1.

    Raises `CaptureError` when the capture cannot be read.
    """
    with open_capture(path) as capture:
        form, interfaces = capture.format, capture.interfaces
        if secrets or form != "pcapng":
            for _ in capture:
                pass
        new = list(dict.fromkeys(one for one in secrets if one not in capture.secrets))
    texts = {number: _cut(text) for number, text in comments.items() if text}
    written = _copied(path, out, texts, new) if form == "pcapng" else _converted(path, out, texts, new, interfaces)
    return Written(written, len(texts) - written, len(new))


def _cut(text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    return octets if len(octets) <= LONGEST else octets[: LONGEST - 3].decode("utf-8", "ignore").encode() + b"..."


def _copied(path: Path | str, out: BinaryIO, comments: Mapping[int, bytes], secrets: Sequence[Secret]) -> int:
    written = number = 0
    order = "<"
    with Source(path) as source:
        _check_header(source)
        while len(head := source.peek(_LEAST)) == _LEAST:
            is_section = head[:4] == MAGIC
            if is_section:
                order = ">" if head[8:] == b"\x1a\x2b\x3c\x4d" else "<"
            kind, length = struct.unpack_from(order + "II", head)
            if length < _LEAST or length % 4:
                break  # damaged: what follows is copied as it is
            if not is_section and kind != INTERFACE:
                out.writelines(secrets_block(secret, order) for secret in secrets)
                secrets = ()
            number += kind in {PACKET, SIMPLE_PACKET, ENHANCED_PACKET, *OTHER_RECORDS}
            comment = comments.get(number) if kind in {PACKET, ENHANCED_PACKET} else None
            if length > _HELD or not (is_section or comment):
                if not _copy(source, out, length):
                    return written
                continue
            block = bytearray(length)
            if source.fill(memoryview(block)) < length:
                out.write(block)
                return written
            if is_section and kind == SECTION and length >= _LEAST + 16:
                struct.pack_into(order + "q", block, 16, -1)  # it becomes longer: its length is left open
            with_comment = _commented(block, comment, order) if comment else None
            written += with_comment is not None
            out.write(with_comment or block)
        out.writelines(secrets_block(secret, order) for secret in secrets)
        while _copy(source, out, _AT_ONCE):
            pass
    return written


def _check_header(source: Source) -> None:
    """A capture whose first section header is damaged cannot be changed."""
    head = source.peek(_LEAST).ljust(_LEAST, b"\0")
    order = ">" if head[8:] == b"\x1a\x2b\x3c\x4d" else "<"
    (length,) = struct.unpack_from(order + "I", head, 4)
    if not _SECTION <= length <= _HELD or length % 4 or len(source.peek(length)) < length:
        raise CaptureError(f"{source.name}: its section header is damaged; convert it first (editcap -F pcapng)")


def _copy(source: Source, out: BinaryIO, length: int) -> bool:
    """Copies so many octets; whether they were all there."""
    while length:
        piece = memoryview(bytearray(min(length, _AT_ONCE)))
        got = source.fill(piece)
        out.write(piece[:got])
        if got < len(piece):
            return False
        length -= got
    return True


def _commented(block: bytearray, comment: bytes, order: str) -> bytes | None:
    """A packet block with a comment more; `None` if it is damaged."""
    end = len(block) - 4
    if len(block) < 8 + _FIXED + 4:
        return None
    (captured,) = struct.unpack_from(order + "I", block, 20)
    options_at = 8 + _FIXED + (captured + 3 & ~3)
    if options_at > end:
        return None
    options = bytes(block[options_at:end]) or bytes(4)
    option = struct.pack(order + "HH", _COMMENT, len(comment)) + comment + bytes(-len(comment) % 4)
    body = bytes(block[8:options_at]) + option + options
    length = struct.pack(order + "I", len(body) + 12)
    return bytes(block[:4]) + length + body + length


def _converted(
    path: Path | str,
    out: BinaryIO,
    comments: Mapping[int, bytes],
    secrets: Sequence[Secret],
    interfaces: Sequence[Interface],
) -> int:
    written = 0
    writer = PcapngWriter(out)
    for one in interfaces:
        writer.interface(one.link_type, one.name, one.description, one.fcs_length)
    for secret in secrets:
        writer.secret(secret)
    with open_capture(path) as capture:
        for records in capture:
            here = [
                (number - records.first_number, text.decode())
                for number, text in comments.items()
                if 0 <= number - records.first_number < len(records)
            ]
            writer.write(
                records.time_ns,
                records.buffer,
                records.at,
                records.captured,
                records.original,
                interface=records.interface,
                comments=here,
            )
            written += len(here)
    return written
