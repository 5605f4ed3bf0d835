"""Turns any capture that can be read into pcapng with records of link type 283: channel, strength and quality with each
frame, its FCS behind it, times in nanoseconds. Keys in the capture come along; what does not is counted.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hanscope.captures.batch import Comment, Fault, Fcs, FrameBatch, RecordBatch
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import TAP, Decisions, decide, frames, link_type_name
from hanscope.captures.tap import FCS_LENGTH, of_frames
from hanscope.captures.writer import PcapngWriter


@dataclass(slots=True)
class Converted:
    """What became of a capture."""

    format: str = ""
    frames: int = 0
    other_records: int = 0
    """That are no 802.15.4 frames: left out."""
    truncated: int = 0
    """Frames of which octets were missing; they are marked as cut."""
    unchecked: int = 0
    """Frames without an FCS, before and after."""
    comments_lost: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])


def convert(path: Path | str, out: BinaryIO) -> Converted:
    """Writes the frames of the capture at `path` to `out`. Raises `CaptureError` when it cannot be read at all.

    The capture is read twice: keys have to stand before what they open, and comments are known only at the end.
    """
    with open_capture(path) as capture:
        for _ in capture:
            pass
        secrets, comments, interfaces = capture.secrets, capture.comments, capture.interfaces
        done = Converted(capture.format, faults=list(capture.faults))
        of_file = [comment.text for comment in comments if not comment.number]
        done.comments_lost = capture.notes.comment_count - len(of_file)
    writer = PcapngWriter(out, comment="\n".join(of_file))
    for one in interfaces:
        told = [one.description, f"converted from {capture.format}, {link_type_name(one.link_type)}"]
        writer.interface(TAP, one.name, "; ".join(filter(None, told)))
    for secret in secrets:
        writer.secret(secret)
    decisions: Decisions = {}
    with open_capture(path) as again:
        for records in again:
            decisions = decide(records, again.interfaces, decisions)
            _write(writer, records, frames(records, decisions), decisions, comments, done)
    writer.close()
    return done


def _write(
    writer: PcapngWriter,
    records: RecordBatch,
    batch: FrameBatch,
    decisions: Decisions,
    comments: list[Comment],
    done: Converted,
) -> None:
    done.frames += len(batch)
    done.other_records += batch.other_frames
    done.truncated += int(batch.truncated.sum())
    done.unchecked += int((batch.fcs == Fcs.NOT_CAPTURED).sum())
    made = of_frames(batch, decisions)
    row = batch.number - records.first_number
    # Of a cut frame nobody knows what followed; a record longer than what is there is how pcapng says so.
    missing = np.where(batch.truncated, np.maximum(records.original[row] - records.captured[row], FCS_LENGTH), 0)
    places = {number: place for place, number in enumerate(batch.number.tolist())} if comments else {}
    noted = [(places[comment.number], comment.text) for comment in comments if comment.number in places]
    done.comments_lost -= len(noted)
    writer.write(
        batch.time_ns,
        made.buffer,
        made.at,
        made.length,
        made.length + missing,
        interface=batch.source,
        comments=noted,
    )
