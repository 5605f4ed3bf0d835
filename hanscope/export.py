"""Writes images that were rebuilt: whole ones as OTA files, partial ones under a name that says so, with a map.

Images whose holes other transfers of the same image fill are written too when that is asked for, under a name that says
so, with a map of which octets came from which device.

Everything is planned before anything is written, so that a name that is taken stops the export before it began. A file
appears under its name only when all of it is written.
"""

import os
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

from hanscope.analyzers.filling import Filled, side_by_side
from hanscope.analyzers.imagestore import StoredImage
from hanscope.analyzers.results import FilledRange, MissingRange, Party, Result, Transfer
from hanscope.analyzers.transfers import TransferRecord
from hanscope.writing import write_atomically


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


class FilledRun(Result, frozen=True, array_like=True, kw_only=True):
    """Octets [start, end) came from one frame of one transfer; in JSON `[start, end, frame, transfer_id]`."""

    start: int
    end: int
    frame: int
    transfer_id: str


class Source(Result, frozen=True, kw_only=True):
    """A transfer that octets came from."""

    transfer_id: str
    client: Party
    pan_id: int
    octets: int


class FilledMap(Result, frozen=True, kw_only=True):
    """What stands beside a filled image: which of its octets this device received, and who received the others."""

    schema: Literal["hanscope.filled/1"] = "hanscope.filled/1"
    file: str
    transfer_id: str
    manufacturer_code: int
    image_type: int
    file_version: int
    size: int
    received_bytes: int
    """By this device, as far as was heard."""
    filled_ranges: tuple[FilledRange, ...]
    missing_ranges: tuple[MissingRange, ...]
    """What no transfer has; the file has zeros there."""
    sources: tuple[Source, ...]
    runs: tuple[FilledRun, ...]
    sha256: str | None
    """Of the file; `None` while octets are missing."""


class Written(msgspec.Struct, frozen=True):
    """One file that was written, and what it is."""

    path: Path
    what: str


class LeftOut(msgspec.Struct, frozen=True):
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


class _Planned(msgspec.Struct, frozen=True):
    """One image that is to be written."""

    transfer: Transfer
    image: StoredImage
    target: Path
    filled: Filled | None = None

    @property
    def map(self) -> Path | None:
        """The path of the map that belongs beside it, unless it is whole by itself."""
        return None if self.target.stem == file_stem(self.transfer) else self.target.with_suffix(".map.json")


def export(
    transfers: Iterable[Transfer],
    records: Iterable[TransferRecord],
    folder: Path,
    *,
    partial: bool = False,
    filled: bool = False,
    force: bool = False,
) -> tuple[tuple[Written, ...], tuple[LeftOut, ...]]:
    """Writes the images of `transfers` into `folder`, which is made if need be.

    `transfers` give the names (they may be redacted), `records` of the same ids the octets. `filled`: holes are filled
    from other transfers of the same image. Raises `ExportError` when a file is there already and `force` is not given
    (then nothing is written), and when a file cannot be written.
    """
    records = tuple(records)
    transfers = tuple(transfers)
    images: Mapping[str, StoredImage | None] = {record.transfer.id: record.image for record in records}
    fillings = {
        name: one.filled
        for name, one in (side_by_side(records) if any(not one.complete for one in transfers) else {}).items()
        if one.filled is not None
    }
    plan: list[_Planned] = []
    left_out: list[LeftOut] = []
    for transfer in transfers:
        filling = fillings.get(transfer.id)
        one = _planned(transfer, images.get(transfer.id), filling, folder, partial=partial, filled=filled)
        if isinstance(one, _Planned):
            plan.append(one)
        else:
            left_out.append(LeftOut(transfer.id, one))
    targets = [path for one in plan for path in (one.target, one.map) if path is not None]
    if not force and (taken := [path for path in targets if os.path.lexists(path)]):
        what = f"{taken[0]} exists" if len(taken) == 1 else f"{taken[0]} and {len(taken) - 1} more exist"
        raise ExportError(f"{what} already; nothing was written. --force overwrites")
    named = {transfer.id: transfer for transfer in transfers}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = tuple(file for one in plan for file in _write_image(one, named))
    except OSError as error:
        raise ExportError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error
    return written, tuple(left_out)


def _planned(
    transfer: Transfer,
    image: StoredImage | None,
    filling: Filled | None,
    folder: Path,
    *,
    partial: bool,
    filled: bool,
) -> _Planned | str:
    """What is to be written of a transfer, or why nothing is."""
    stem = file_stem(transfer)
    if image is None or transfer.received_bytes == 0:
        return "no octet of the image is in the capture"
    if transfer.complete:
        return _Planned(transfer, image, folder / f"{stem}.ota")
    if filled and filling is not None and (completed := filling.record.image) is not None:
        if not filling.record.transfer.missing_ranges:
            return _Planned(transfer, completed, folder / f"{stem}.filled.ota", filling)
        if partial:
            return _Planned(transfer, completed, folder / f"{stem}.filled.partial.bin", filling)
    if partial:
        return _Planned(transfer, image, folder / f"{stem}.partial.bin")
    missing = _octets(transfer.missing_ranges)
    amount = f"{missing:,} octets are missing" if missing else "the size of the image is not known"
    lent = 0 if filling is None else _octets(filling.ranges)
    hint = f" or --filled, which takes {lent:,} of them from other transfers" if lent and not filled else ""
    others = f", {lent:,} of which other transfers have" if lent and filled else ""
    return f"not complete ({amount}{others}); --partial writes what there is{hint}"


def _octets(ranges: Iterable[MissingRange] | Iterable[FilledRange]) -> int:
    return sum(one.end - one.start for one in ranges)


def _write_image(one: _Planned, named: Mapping[str, Transfer]) -> Iterable[Written]:
    octets = one.image.read()
    transfer, name = one.transfer, one.target.name
    # The map first: an image that is not the transfer's own, or not whole, never lies there without it.
    if one.map is not None:
        beside = _partial_map(one, octets) if one.filled is None else _filled_map(one, one.filled, octets, named)
        write_atomically(one.map, msgspec.json.format(msgspec.json.encode(beside), indent=1) + b"\n")
        what = "what is missing" if one.filled is None else "which octets came from which device"
        yield Written(one.map, f"{transfer.id}: map of {what}")
    write_atomically(one.target, octets)
    if one.filled is not None:
        lent = f"{_octets(one.filled.ranges):,} octets from {_names(one.filled)}"
        holes = _octets(one.filled.record.transfer.missing_ranges)
        still = f", {holes:,} octets are missing and zero" if holes else f", sha256 {sha256(octets).hexdigest()}"
        yield Written(one.target, f"{transfer.id}: image of {len(octets):,} octets, filled with {lent}{still}")
    elif name.endswith(".ota"):
        yield Written(one.target, f"{transfer.id}: whole image, {len(octets):,} octets, sha256 {transfer.sha256}")
    else:
        yield Written(
            one.target,
            f"{transfer.id}: partial image, {transfer.received_bytes:,} of {len(octets):,} octets, holes are zero",
        )


def _names(filled: Filled) -> str:
    return ", ".join(dict.fromkeys(part.transfer_id for part in filled.ranges))


def _partial_map(one: _Planned, octets: bytes) -> PartialMap:
    transfer = one.transfer
    return PartialMap(
        file=one.target.name,
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
            for start, end, frame in zip(*(column.tolist() for column in one.image.provenance()), strict=True)
        ),
    )


def _filled_map(one: _Planned, filled: Filled, octets: bytes, named: Mapping[str, Transfer]) -> FilledMap:
    transfer = one.transfer
    runs = tuple(
        FilledRun(start=start, end=end, frame=frame, transfer_id=name)
        for start, end, frame, name in zip(
            filled.starts.tolist(), filled.ends.tolist(), filled.frames.tolist(), filled.transfers, strict=True
        )
    )
    amounts: dict[str, int] = {transfer.id: 0}
    for run in runs:
        amounts[run.transfer_id] = amounts.get(run.transfer_id, 0) + run.end - run.start
    missing = filled.record.transfer.missing_ranges
    return FilledMap(
        file=one.target.name,
        transfer_id=transfer.id,
        manufacturer_code=transfer.manufacturer_code,
        image_type=transfer.image_type,
        file_version=transfer.file_version,
        size=len(octets),
        received_bytes=transfer.received_bytes,
        filled_ranges=filled.ranges,
        missing_ranges=missing,
        sources=tuple(
            Source(transfer_id=name, client=named[name].client, pan_id=named[name].pan_id, octets=amount)
            for name, amount in amounts.items()
        ),
        runs=runs,
        sha256=None if missing else sha256(octets).hexdigest(),
    )
