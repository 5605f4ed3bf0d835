"""The words that all reports share: numbers, times, names, states and the verdict, as text without layout or colour."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from hanscope.analyzers.results import (
    FRAMES_APART,
    Analysis,
    Capture,
    Image,
    Party,
    Transfer,
    TransferState,
    Update,
    UpdateState,
)

LONGEST_TEXT: Final = 500
"""Characters of one text from a capture that a report shows; the JSON has all of them."""

Tone = Literal["good", "open", "bad"]


class Verdict(NamedTuple):
    """The answer in plain sentences: `good` all is well, `open` the capture cannot say, `bad` something failed."""

    tone: Tone
    sentences: tuple[str, ...]


def printable(text: str) -> str:
    r"""`text` with everything that could steer a terminal (controls, direction marks, lone surrogates) shown as `\x1b`.

    Captures, image headers and file names are written by strangers.
    """
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]} (and {len(text) - LONGEST_TEXT:,} more characters)"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 frame`, `26,775 frames`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def frame(number: int) -> str:
    """A frame as people find it again: `1,234`, and `2:1,234` for the second of several captures."""
    capture, own = divmod(number, FRAMES_APART)
    return f"{capture + 1}:{own:,}" if capture else f"{own:,}"


def frames(numbers: Sequence[int], most: int = 5) -> str:
    """`frame 12`, `frames 12, 15 and 7 more`."""
    more = f" and {len(numbers) - most:,} more" if len(numbers) > most else ""
    return f"{'frame' if len(numbers) == 1 else 'frames'} {', '.join(map(frame, numbers[:most]))}{more}"


def share(part: int, whole: int) -> str:
    """`part` of `whole` as a percentage, rounded down: what is not whole never reads as 100%."""
    if whole <= 0:
        return "0%"
    hundredths = min(part, whole) * 10_000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02}".rstrip("0").rstrip(".") + "%"


def moment(time_ns: int | None) -> str:
    """UTC in ISO 8601, to the second; a time stamp that no calendar holds is shown as the number it is."""
    if time_ns is None:
        return "unknown time"
    try:
        return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"


def clock(time_ns: int) -> str:
    """The time of day of `moment`, for stories whose date is told."""
    return moment(time_ns).partition("T")[2].removesuffix("Z") or moment(time_ns)


def duration(time_ns: int) -> str:
    """`350 ms`, `9 s`, `25 min 37 s`, `2 h 5 min`, `3 d 4 h`."""
    sign, seconds = ("-", -time_ns // 10**9) if time_ns < 0 else ("", time_ns // 10**9)
    if seconds == 0:
        return f"{sign}{abs(time_ns) // 10**6} ms"
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{sign}{days} d {hour} h"
    if hours:
        return f"{sign}{hours} h {minute} min"
    return f"{sign}{minutes} min {second} s" if minutes else f"{sign}{second} s"


def identity(manufacturer_code: int, image_type: int, file_version: int) -> str:
    """An image's three numbers as the field writes them."""
    return f"manufacturer 0x{manufacturer_code:04x}, type 0x{image_type:04x}, version 0x{file_version:08x}"


def party(end: Party, pan_id: int) -> str:
    """The lasting name of a device: its EUI-64, or else its address in its PAN."""
    return end.eui64 or f"0x{end.short:04x} in PAN 0x{pan_id:04x}"


STATES: Final[dict[TransferState, str]] = {
    "offered": "offered, no block requested",
    "refused": "refused",
    "downloading": "still loading at the end of the capture",
    "stalled": "stalled",
    "downloaded": "all requested, no Upgrade End Request seen",
    "ended": "the client reported success",
    "waiting": "loaded, told to wait for the upgrade",
    "upgrading": "loaded, told to upgrade",
    "aborted": "aborted",
    "rejected": "the client rejected the image",
    "more-needed": "the client needs more images",
    "superseded": "given up for a new attempt",
}
"""What each state of a transfer means, in the words of the reports."""

_FAILED: Final = frozenset[TransferState]({"refused", "stalled", "aborted", "rejected"})


def succeeded(transfer: Transfer) -> bool:
    """Whether the capture holds the whole image and nothing says that the transfer failed."""
    return transfer.complete and not failed(transfer)


def failed(transfer: Transfer) -> bool:
    """Whether something says that the transfer failed."""
    return transfer.state in _FAILED


def state(transfer: Transfer) -> str:
    """What its state means, with what the Upgrade End commands told."""
    told = [
        f"status 0x{transfer.end_status:02x}" if transfer.end_status else "",
        transfer.upgrade_at or "",
    ]
    details = ", ".join(filter(None, told))
    return f"{STATES[transfer.state]} ({details})" if details else STATES[transfer.state]


def coverage(transfer: Transfer) -> str:
    """How much of the image the capture holds: `190,608 of 223,127 octets (85.42%)`."""
    if transfer.image_size is None:
        return f"{count(transfer.received_bytes, 'octet')} of an unknown size"
    return (
        f"{transfer.received_bytes:,} of {count(transfer.image_size, 'octet')} "
        f"({share(transfer.received_bytes, transfer.image_size)})"
    )


_TOLD: Final[dict[TransferState, str]] = {
    "offered": "Device {device} was offered an image and asked for no block of it.",
    "refused": "Device {device} got no image: the query or the offer was refused.",
    "downloading": "Device {device} was still loading when the capture ended, {reached}{heard}.",
    "stalled": "Device {device} stopped {reached}{heard}.",
    "aborted": "The transfer to device {device} was aborted {reached}{heard}.",
    "rejected": "Device {device} rejected the image as invalid; the capture holds {coverage}.",
    "superseded": "Device {device} gave attempt {attempt} up {reached} and started anew{heard}.",
}
"""What became of a transfer whose client did not get to the end of the image."""

_DONE: Final[dict[TransferState, str]] = {
    "downloaded": "; no Upgrade End Request was captured",
    "ended": " and reported success",
    "waiting": " and was told to wait with the upgrade",
    "upgrading": " and was told to upgrade",
    "more-needed": " and needs more images",
}
"""What became of a transfer whose image is whole."""


def outcome(transfer: Transfer) -> str:
    """What became of a transfer, as one sentence."""
    device = party(transfer.client, transfer.pan_id)
    if template := _TOLD.get(transfer.state):
        # How far the device came is not what the sniffer heard: what the sniffer missed was received all the same.
        held = transfer.delivered_bytes
        reached = f"after {count(held, 'octet')}"
        if transfer.image_size is not None:
            reached = f"at {share(held, transfer.image_size)}"
        heard = f"; the capture holds {coverage(transfer)}" if transfer.uncaptured_bytes else ""
        return template.format(
            device=device, attempt=transfer.attempt, reached=reached, heard=heard, coverage=coverage(transfer)
        )
    if not transfer.complete:
        said = "asked for" if transfer.state == "downloaded" else "reported that it has"
        return f"Device {device} {said} the whole image; the capture holds {coverage(transfer)}."
    return f"Device {device} loaded the whole image{_DONE.get(transfer.state, '')}."


_WELL: Final = frozenset[UpdateState]({"activated", "confirmed"})
_REACHED: Final[dict[UpdateState, str]] = {
    "offered": "was only offered",
    "refused": "was refused",
    "distributing": "was being distributed",
    "distributed": "is distributed",
    "receipt given": "is distributed and verified",
    "activation ordered": "is ordered to be activated",
    "activated": "is activated",
    "confirmed": "is confirmed",
    "failed": "failed",
    "undecided": "is undecided",
}
"""What a verdict says of one update in each state."""


def update_tone(update: Update) -> Tone:
    """How well an update went: one that just goes on after the capture is neither good nor bad, nor is having none."""
    if update.state in _WELL:
        return "good"
    nothing_new = update.state == "refused" and update.file_version is None
    return "bad" if update.state in ("failed", "refused") and not nothing_new else "open"


def update_name(update: Update) -> str:
    """The device of an update, with what kind of device it is when that is known."""
    device = party(update.device, update.pan_id)
    return f"device {device}" if update.role == "unknown" else f"{update.role} {device}"


def _about_updates(analysis: Analysis, most: int = 3) -> Iterable[str]:
    """How the updates went: in all, then the worst of them one by one."""
    updates = analysis.updates
    if len(updates) == 1:
        yield f"The firmware update of {update_name(updates[0])} {_REACHED[updates[0].state]}."
    else:
        states = Counter(update.state for update in updates)
        told = ", ".join(f"{states[state]:,} {state}" for state in _REACHED if states[state])
        yield f"{len(updates):,} firmware updates: {told}."
    transfers = {transfer.id: transfer for transfer in analysis.transfers}
    ordered = sorted(updates, key=lambda update: ("bad", "open", "good").index(update_tone(update)))
    for update in ordered[:most]:
        name = update_name(update)
        yield f"{name[0].upper()}{name[1:]}: {update.reason}" if len(updates) > 1 else update.reason
        last = transfers.get(update.transfer_ids[-1]) if update.transfer_ids else None
        if last is not None and not last.complete and last.received_bytes:
            yield f"The capture holds {coverage(last)} of its image."
    if len(ordered) > most:
        yield _told_below(len(ordered) - most)


def _told_below(more: int) -> str:
    return "1 more is told below." if more == 1 else f"{more:,} more are told below."


def opened_frames(analysis: Analysis) -> int:
    """Frames that any key opened, on either layer."""
    return sum(key.nwk_frames + key.aps_frames for key in analysis.keys)


def nothing_opened(analysis: Analysis) -> bool:
    """Whether there was encrypted traffic and no key opened any of it."""
    return bool(analysis.unopened) and opened_frames(analysis) == 0


def of_another_kind(capture: Capture) -> bool:
    """Whether a capture holds records, but not one of IEEE 802.15.4."""
    return capture.frames == 0 and capture.other_frames > 0


def verdict(analysis: Analysis) -> Verdict:
    """The answer to "what happened?" in a few sentences, the most important first."""
    frames = sum(capture.frames for capture in analysis.captures)
    faults = [(capture, fault) for capture in analysis.captures for fault in capture.faults]
    sentences = [*(_about_updates(analysis) if analysis.updates else _about_transfers(analysis.transfers))]
    tone = _tone(analysis)
    if not frames:
        sentences = ["The input holds no IEEE 802.15.4 frame."]
    elif not analysis.transfers and nothing_opened(analysis):
        tone = "bad"
    elif not analysis.transfers and not analysis.updates:
        sentences = [f"No firmware transfer was seen in {count(frames, 'frame')}."]
    sentences += [another_kind(capture) for capture in analysis.captures if of_another_kind(capture)][:3]
    if against := list(_against_images(analysis.images)):
        sentences = [*sentences, *against] if tone == "bad" else [*against, *sentences]
        tone = "bad"
    sentences += _about_encryption(analysis)
    if faults:
        tone = "bad" if tone == "bad" else "open"
        capture, fault = faults[0]
        more = f" and {count(len(faults) - 1, 'more fault')}" if len(faults) > 1 else ""
        sentences.append(f"Fault in {capture.path}, {fault.where}: {fault.what.rstrip('.')}{more}.")
    if analysis.interrupted:
        sentences.append("Reading was interrupted: this is what had been read by then.")
    return Verdict(tone, tuple(sentences))


def _tone(analysis: Analysis) -> Tone:
    """How the updates went or, in an analysis without them, the transfers."""
    if analysis.updates:
        tones = [update_tone(update) for update in analysis.updates]
        return "bad" if "bad" in tones else "open" if "open" in tones else "good"
    if any(failed(transfer) for transfer in analysis.transfers):
        return "bad"
    return "good" if analysis.transfers and all(succeeded(transfer) for transfer in analysis.transfers) else "open"


def _against_images(images: Sequence[Image]) -> Iterator[str]:
    if invalid := sum(check.outcome == "invalid" for image in images for check in image.checks):
        yield f"{count(invalid, 'image check')} failed."
    if contradicted := sum(map(_contradicted, images)):
        yield f"Independent witnesses disagree with {count(contradicted, 'image')}."


def _contradicted(image: Image) -> bool:
    """Whether a witness says otherwise than the image; what the image's own checks tell is told as such."""
    checked = {"query response", "OTA header"}
    return any(one.outcome == "invalid" and one.source not in checked for one in image.witnesses)


def _about_transfers(transfers: tuple[Transfer, ...], most: int = 3) -> Iterable[str]:
    if not transfers:
        return
    complete = sum(transfer.complete for transfer in transfers)
    if len(transfers) == 1:
        word = "complete" if complete else "not complete in the capture"
        yield f"The firmware transfer is {word}."
    elif complete == len(transfers):
        yield f"All {len(transfers):,} firmware transfers are complete."
    elif not complete:
        yield f"None of {len(transfers):,} firmware transfers is complete in the capture."
    else:
        verb = "is" if complete == 1 else "are"
        yield f"{complete:,} of {len(transfers):,} firmware transfers {verb} complete."
    told = [transfer for transfer in transfers if not succeeded(transfer)] or transfers[:1]
    yield from (outcome(transfer) for transfer in told[:most])
    if len(told) > most:
        yield _told_below(len(told) - most)


MOST_RUNS: Final = 3
_AGREE_NS: Final = 1000


def merging(capture: Capture) -> Iterable[str]:
    """What one of several captures has in common with the others, sentence by sentence."""
    if (merging := capture.merging) is None:
        return
    if (clock := merging.clock) is not None:
        drift = "" if clock.drift_ppm is None else f", drift {clock.drift_ppm:+.1f} ppm"
        ahead = "ahead of" if clock.offset_ns >= 0 else "behind"
        apart = f"{seconds(abs(clock.offset_ns))} {ahead}" if abs(clock.offset_ns) >= _AGREE_NS else "agrees with"
        yield (
            f"clock {apart} that of {clock.reference}{drift}, within "
            f"{seconds(clock.spread_ns)} ({count(clock.matches, 'common frame')} compared)"
        )
    if merging.clock_settings:
        times = ", ".join(
            f"{'back' if one.by_ns < 0 else 'forward'} {seconds(abs(one.by_ns))} at {moment(one.time)}"
            for one in merging.clock_settings[:MOST_RUNS]
        )
        more = len(merging.clock_settings) - MOST_RUNS
        others = f" and {count(more, 'more time')}" if more > 0 else ""
        yield f"its clock was set {times}{others}; times here go on"
    if merging.common_frames:
        runs = [run for run in merging.only_here_runs if run[0] > 1][:MOST_RUNS]
        longest = ", ".join(f"{frame(first)} to {frame(last)}" for _, first, last in runs)
        yield (
            f"{count(merging.common_frames, 'frame')} heard by another capture too, "
            f"{merging.only_here_during_others:,} by this one alone while another ran"
            + (f" (the longest runs: {longest})" if longest else "")
        )
    else:
        yield "no frame in common with another capture: put in order by its own clock"


def seconds(time_ns: int) -> str:
    """A short time in the unit that suits it: `12 us`, `1.5 ms`, `7.300 s`, then as `duration`."""
    if time_ns < 10**6:
        return f"{time_ns / 10**3:.0f} us"
    if time_ns < 10**9:
        return f"{time_ns / 10**6:.1f} ms"
    return f"{time_ns / 10**9:.3f} s" if time_ns < 60 * 10**9 else duration(time_ns)


def another_kind(capture: Capture) -> str:
    kinds = ", ".join(
        dict.fromkeys(f"{interface.link_type} ({interface.link_type_name})" for interface in capture.interfaces[:3])
    )
    return (
        f"{capture.path} is of link type {kinds}, {count(capture.other_frames, 'record')};"
        " capture with one of IEEE 802.15.4 (195, 215, 230 or 283)."
    )


def _about_encryption(analysis: Analysis) -> Iterable[str]:
    if not analysis.unopened:
        return
    shut = sum(entry.frames for entry in analysis.unopened)
    if nothing_opened(analysis):
        yield f"The traffic is encrypted and no key opened it ({count(shut, 'frame')})."
        yield "Give a key with --keys FILE or --key HEX, or capture a device while it joins."
    else:
        verb = "stays" if shut == 1 else "stay"
        yield f"{count(shut, 'encrypted frame')} {verb} shut."
