"""Writes images that were rebuilt: whole ones as OTA files, partial ones under a name that says so, with a map.

Everything is planned before anything is written, so that a name that is taken stops the export before it began. A file
appears under its name only when all of it is on the disk.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from hanscope.analyzers.imagestore import StoredImage
from hanscope.analyzers.results import MissingRange, Result, Transfer
from hanscope.analyzers.transfers import TransferRecord


class ProvenanceRun(Result, frozen=True, array_like=True, kw_only=True):
    """Octets [start, end) came from one frame; in JSON `[start, end, frame]`."""

    start: int
    end: int
    frame: int


class PartialMap(Result, frozen=True, kw_only=True):
    """What stands beside a partial image: which of its octets are the image's, and where each came from."""

    schema: Literal["hanscope.partial/1"] = "hanscope.partial/1"
    file: str
    transfer_id: str
    manufacturer_code: int
    image_type: int
    file_version: int
    size: int
    """Octets of the file beside this map."""
    image_size: int | None
    """Octets of the whole image, if known."""
    received_bytes: int
    fill: Literal[0] = 0
    """What stands in the file where octets are missing."""
    missing_ranges: tuple[MissingRange, ...]
    runs: tuple[ProvenanceRun, ...]
    sha256: None = None
    """Never: the hash of a partial image names nothing."""


@dataclass(frozen=True)
class Written:
    """One file that was written, and what it is."""

    path: Path
    what: str


@dataclass(frozen=True)
class LeftOut:
    """One transfer of which nothing was written, and why."""

    transfer_id: str
    why: str


class ExportError(Exception):
    """The export was not done; the message is one line that says why and how to mend it."""


_UNFIT: Final = re.compile(r"[^A-Za-z0-9]+")


def file_stem(transfer: Transfer) -> str:
    """The name of a transfer's files: client, manufacturer-type-version, id; the same for the same capture."""
    client = transfer.client
    device = _UNFIT.sub("", client.eui64) if client.eui64 else f"pan{transfer.pan_id:04x}-{client.short:04x}"
    identity = f"{transfer.manufacturer_code:04x}-{transfer.image_type:04x}-{transfer.file_version:08x}"
    return f"{device}_{identity}_{_UNFIT.sub('', transfer.id)}"


def export(
    transfers: Iterable[Transfer],
    records: Iterable[TransferRecord],
    folder: Path,
    *,
    partial: bool = False,
    force: bool = False,
) -> tuple[tuple[Written, ...], tuple[LeftOut, ...]]:
    """Writes the images of `transfers` into `folder`, which is made if need be.

    `transfers` give the names (they may be redacted), `records` of the same ids the octets. Raises `ExportError` when a
    file is there already and `force` is not given (then nothing is written), and when a file cannot be written.
    """
    images: Mapping[str, StoredImage | None] = {record.transfer.id: record.image for record in records}
    plan: list[tuple[Transfer, StoredImage, Path]] = []
    left_out: list[LeftOut] = []
    for transfer in transfers:
        image = images.get(transfer.id)
        if image is None or transfer.received_bytes == 0:
            left_out.append(LeftOut(transfer.id, "no octet of the image is in the capture"))
        elif transfer.complete:
            plan.append((transfer, image, folder / f"{file_stem(transfer)}.ota"))
        elif partial:
            plan.append((transfer, image, folder / f"{file_stem(transfer)}.partial.bin"))
        else:
            missing = sum(gap.end - gap.start for gap in transfer.missing_ranges)
            amount = f"{missing:,} octets are missing" if missing else "the size of the image is not known"
            left_out.append(LeftOut(transfer.id, f"not complete ({amount}); --partial writes what there is"))
    targets = [path for _, _, target in plan for path in (target, *_map_path(target))]
    if not force and (taken := [path for path in targets if os.path.lexists(path)]):
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ExportError(f"{taken[0]}{more} exists already; nothing was written. --force overwrites")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = tuple(file for entry in plan for file in _write_image(*entry))
    except OSError as error:
        raise ExportError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error
    return written, tuple(left_out)


def write_atomically(path: Path, octets: bytes) -> None:
    """Writes a file so that it is there whole or not at all. Raises `OSError`."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _map_path(target: Path) -> tuple[Path, ...]:
    """The path of the map that belongs beside a partial image."""
    return (target.with_suffix(".map.json"),) if target.name.endswith(".partial.bin") else ()


def _write_image(transfer: Transfer, image: StoredImage, target: Path) -> Iterable[Written]:
    octets = image.read()
    # The map first: a partial image never lies there without it.
    for path in _map_path(target):
        beside = PartialMap(
            file=target.name,
            transfer_id=transfer.id,
            manufacturer_code=transfer.manufacturer_code,
            image_type=transfer.image_type,
            file_version=transfer.file_version,
            size=len(octets),
            image_size=transfer.image_size,
            received_bytes=transfer.received_bytes,
            missing_ranges=transfer.missing_ranges,
            runs=tuple(
                ProvenanceRun(start=start, end=end, frame=frame)
                for start, end, frame in zip(*(column.tolist() for column in image.provenance()), strict=True)
            ),
        )
        write_atomically(path, msgspec.json.format(msgspec.json.encode(beside), indent=1) + b"\n")
        yield Written(path, f"{transfer.id}: map of what is missing")
    write_atomically(target, octets)
    if transfer.complete:
        yield Written(target, f"{transfer.id}: whole image, {len(octets):,} octets, sha256 {transfer.sha256}")
    else:
        yield Written(
            target,
            f"{transfer.id}: partial image, {transfer.received_bytes:,} of {len(octets):,} octets, holes are zero",
        )
