"""Firmware distribution and activation in a GB HAN (GBCS 11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from hanscope.analyzers.results import Analysis, Transfer, Update
from hanscope.analyzers.rules.envelope import GBCS
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Hit, ItemRule
from hanscope.analyzers.rules.terms import END_RESPONSE

if TYPE_CHECKING:
    from hanscope.analyzers.updates.readings import Reading

METERS: Final = frozenset({"ESME", "GSME", "HCALCS"})
"""Activated by CS06 and never by an Upgrade End Response."""
PPMIDS: Final = frozenset({"PPMID"})
VERIFICATION_FAILED: Final = 0x8F1C
TRANSFER_FAILED: Final = 0x8F89
TRANSFER_SUCCEEDED: Final = 0x8F8A
CARRIED_OUT: Final = 0x8F66
NOT_CARRIED_OUT: Final = 0x8F67
WAITS: Final = "wait for a further command"


def _of(update: Update, frames: tuple[int, ...], detail: str = "") -> Hit:
    transfer = update.transfer_ids[-1] if update.transfer_ids else None
    return Hit(frames, transfer, None if transfer else update.id, detail)


def _hashes(update: Update, *said_by: str) -> dict[str, tuple[int, ...]]:
    """The hashes that these said, each with its frames."""
    return {claim.sha256: claim.frames for claim in update.hashes if claim.said_by in said_by}


def _receipt_hash(update: Update, _: Facts) -> list[Hit]:
    rebuilt = _hashes(update, "rebuilt image")
    return [
        _of(update, frames, f"the alert says {sha256[:16]}…, the image gives {', '.join(one[:16] for one in rebuilt)}…")
        for sha256, frames in _hashes(update, "8F72 alert").items()
        if rebuilt and sha256 not in rebuilt
    ]


def _order_hash(update: Update, _: Facts) -> list[Hit]:
    held = _hashes(update, "8F72 alert") or _hashes(update, "rebuilt image")
    return [
        _of(update, order.frames, f"ordered {order.sha256[:16]}…, held {', '.join(one[:16] for one in held)}…")
        for order in update.orders
        if order.sha256 is not None and held and order.sha256 not in held
    ]


def _other_accepted(update: Update, _: Facts) -> list[Hit]:
    held = _hashes(update, "8F72 alert") or _hashes(update, "rebuilt image")
    return [
        _of(update, order.frames)
        for order in update.orders
        if order.sha256 is not None and held and order.sha256 not in held and order.outcome == "success"
    ]


def _outcome(update: Update, outcome: str) -> list[Hit]:
    return [_of(update, order.frames) for order in update.orders if order.outcome == outcome]


def _version(update: Update, _: Facts) -> list[Hit]:
    """Versions named after an order that was carried out that are not the image's."""
    if update.file_version is None or not any(order.fate == "carried out" for order in update.orders):
        return []
    return [
        _of(
            update,
            claim.frames,
            f"{claim.said_by} says 0x{claim.version:08x}, the image is 0x{update.file_version:08x}",
        )
        for claim in update.versions
        if claim.when == "after" and claim.version != update.file_version and claim.said_by != "OTA query"
    ]


def _changed_although_refused(update: Update, _: Facts) -> list[Hit]:
    """The image's version is read although every order was refused."""
    by_command = [order for order in update.orders if order.by == "CS06" and order.mode != "cancellation"]
    if update.file_version is None or not by_command or any(order.fate != "refused" for order in by_command):
        return []
    before = {claim.version for claim in update.versions if claim.when == "before"}
    return [
        _of(update, claim.frames)
        for claim in update.versions
        if claim.when == "after" and claim.version == update.file_version and update.file_version not in before
    ]


def _timed_upgrade(update: Update, facts: Facts) -> list[Hit]:
    if update.role not in METERS:
        return []
    told: Iterator[Transfer] = (facts.transfers[name] for name in update.transfer_ids if name in facts.transfers)
    return [
        Hit((one.last_frame,), one.id, detail=f"told to upgrade {one.upgrade_at}")
        for one in told
        if one.upgrade_at is not None and one.upgrade_at != WAITS
    ]


def _to_ppmid(update: Update, _: Facts) -> list[Hit]:
    ordered = [order for order in update.orders if order.by == "CS06"]
    return [_of(update, order.frames) for order in ordered if update.role in PPMIDS]


def _readings(analysis: Analysis, facts: Facts) -> Iterator[Reading]:
    return iter(facts.readings) if analysis.messages else iter(())


def _about(facts: Facts, reading: Reading, detail: str = "") -> Hit:
    """Belongs to the transfer of the update that the message is part of."""
    update = facts.update_of.get(reading.id)
    transfer = update.transfer_ids[-1] if update is not None and update.transfer_ids else None
    return Hit(reading.message.frames, transfer, reading.id or None, detail)


def _refused(analysis: Analysis, facts: Facts) -> list[Hit]:
    found = _readings(analysis, facts)
    return [_about(facts, one) for one in found if one.kind.value == "receipt" and one.code == VERIFICATION_FAILED]


def _dated_early(analysis: Analysis, facts: Facts) -> list[Hit]:
    return [
        _about(facts, one, f"{(one.due - one.time) / SECOND:.0f} s early")
        for one in _readings(analysis, facts)
        if one.kind.value == "dated" and one.due is not None and one.time + CLOCKS_NS < one.due
    ]


CLOCKS_NS: Final = 60 * SECOND
"""By how much the clocks of device and sniffer may differ."""


def _dated_code(analysis: Analysis, facts: Facts) -> list[Hit]:
    """8F66 with a failure, or 8F67 with success."""
    found: list[Hit] = []
    for one in _readings(analysis, facts):
        alert = facts.alert_code(one.message)
        if one.kind.value != "dated" or one.code is None or alert not in {CARRIED_OUT, NOT_CARRIED_OUT}:
            continue
        if (alert == CARRIED_OUT) != (one.code == 0):
            found.append(_about(facts, one, f"alert code 0x{alert:04x} with outcome {one.code}"))
    return found


def _carried_code(analysis: Analysis, facts: Facts) -> list[Hit]:
    found: list[Hit] = []
    for one in _readings(analysis, facts):
        alert = facts.alert_code(one.message)
        if one.kind.value != "carried" or one.code is None or alert not in {TRANSFER_FAILED, TRANSFER_SUCCEEDED}:
            continue
        if (alert == TRANSFER_SUCCEEDED) != (one.code == 0):
            found.append(_about(facts, one, f"alert code 0x{alert:04x} with result {one.code}"))
    return found


def _ppmid_version(update: Update, _: Facts) -> list[Hit]:
    if update.file_version is None:
        return []
    return [
        _of(update, claim.frames, f"0x{claim.version:08x}, the image is 0x{update.file_version:08x}")
        for claim in update.versions
        if claim.said_by == "CS09 alert" and claim.version != update.file_version
    ]


RULES: Final = (
    ItemRule(
        id="gbcs.firmware.receipt-hash",
        source="GBCS 25",
        severity="error",
        clause="GBCS 11.2.4, 11.2.6",
        title="Receipt is for another image than was sent",
        explanation="The hash in the device's receipt alert is not that of the image that was sent to it.",
        advice="The device holds another image, or a damaged one: do not activate it.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="8F72 with another hash than the rebuilt image's",
        silent="8F72 with its hash, or an image that is not whole",
        finds=_receipt_hash,
    ),
    ItemRule(
        id="gbcs.firmware.refused",
        source="GBCS 26",
        severity="warning",
        clause="GBCS 11.2.6",
        title="Device refused the image",
        explanation="The device reported that the image did not pass its verification (8F1C).",
        advice="Compare the rebuilt image with the file that was to be sent; check its signature.",
        filter=GBCS,
        profile="gb",
        over="capture",
        fires="a receipt alert with 8F1C",
        silent="a receipt alert with 8F72",
        finds=_refused,
    ),
    ItemRule(
        id="gbcs.firmware.order-hash",
        source="GBCS 27",
        severity="warning",
        clause="GBCS 11.5",
        title="Activation of another image ordered",
        explanation="The hash in CS06 is not that of the image that the device holds.",
        advice="The device will answer hashMismatch: order the hash of its receipt.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="CS06 with another hash than the 8F72 alert's",
        silent="CS06 with its hash",
        finds=_order_hash,
    ),
    ItemRule(
        id="gbcs.firmware.other-hash-accepted",
        source="GBCS 27",
        severity="error",
        clause="GBCS 11.5",
        title="Device activated another hash than its image has",
        explanation="The device answered CS06 with success although the hash is not that of its image.",
        advice="The device does not check the hash: tell its maker.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="success for a CS06 with another hash",
        silent="hashMismatch for a CS06 with another hash",
        finds=_other_accepted,
    ),
    ItemRule(
        id="gbcs.firmware.order-too-early",
        source="GBCS 27",
        severity="warning",
        clause="GBCS 11.5",
        title="Activation ordered before there was an image",
        explanation="The device answered CS06 with noImageHeld.",
        advice="Wait for the receipt alert before ordering the activation.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="outcome noImageHeld",
        silent="outcome success",
        finds=lambda update, _: _outcome(update, "noImageHeld"),
    ),
    ItemRule(
        id="gbcs.firmware.activation-failed",
        source="GBCS 27",
        severity="warning",
        clause="GBCS 11.5",
        title="Device could not activate the image",
        explanation="The device answered CS06 with activationFailure.",
        advice="Ask the device's maker; the old version goes on running.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="outcome activationFailure",
        silent="outcome success",
        finds=lambda update, _: _outcome(update, "activationFailure"),
    ),
    ItemRule(
        id="gbcs.firmware.timed-upgrade",
        source="GBCS 28",
        severity="warning",
        clause="GBCS 11.2.1",
        title="Meter told by the OTA cluster when to upgrade",
        explanation="A meter is activated by CS06; its Upgrade End Response has to say: wait.",
        advice="The meter may upgrade without an order of its supplier: mend the hub.",
        filter=END_RESPONSE,
        profile="gb",
        over="update",
        fires="an ESME is told to upgrade now",
        silent="an ESME is told to wait",
        finds=_timed_upgrade,
    ),
    ItemRule(
        id="gbcs.firmware.version",
        source="GBCS 29",
        severity="error",
        clause="GBCS 11",
        title="Another version runs than was activated",
        explanation="After a successful activation the device names a version that is not the image's.",
        advice="The activation failed after its report, or was rolled back.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="a version read with the old version after CS06 succeeded",
        silent="a version read with the new version",
        finds=_version,
    ),
    ItemRule(
        id="gbcs.firmware.version-despite-refusal",
        source="GBCS 29",
        severity="error",
        clause="GBCS 11",
        title="New version runs although its activation was refused",
        explanation="The device refused every order to activate, and names the image's version afterwards.",
        advice="See what else activated it (an Upgrade End Response, a reboot).",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="hashMismatch, then a version read with the new version",
        silent="hashMismatch, then a version read with the old version",
        finds=_changed_although_refused,
    ),
    ItemRule(
        id="gbcs.firmware.dated-early",
        source="GBCS 30",
        severity="error",
        clause="GBCS 9.2, RTDS",
        title="Future dated activation reported before its time",
        explanation="The alert 00CA came before the date that the command had set.",
        advice="The device's clock is wrong, or it did not wait.",
        filter=GBCS,
        profile="gb",
        confidence="probable",
        over="capture",
        fires="alert 00CA an hour before executionDateTime",
        silent="alert 00CA at executionDateTime",
        finds=_dated_early,
    ),
    ItemRule(
        id="gbcs.firmware.dated-code",
        source="GBCS 30",
        severity="error",
        clause="GBCS 9.2, RTDS",
        title="Alert code and outcome contradict",
        explanation="8F66 goes with outcome 0, 8F67 with any other.",
        advice="Read the version to see what happened.",
        filter=GBCS,
        profile="gb",
        over="capture",
        fires="8F66 with outcome 2",
        silent="8F66 with outcome 0",
        finds=_dated_code,
    ),
    ItemRule(
        id="gbcs.firmware.order-to-ppmid",
        source="GBCS 31",
        severity="warning",
        clause="GBCS v4 11.6",
        title="CS06 sent to a PPMID",
        explanation="A PPMID activates its image by itself after the Upgrade End Response.",
        advice="See which device was meant.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="CS06 to a PPMID",
        silent="CS06 to an ESME",
        finds=_to_ppmid,
    ),
    ItemRule(
        id="gbcs.firmware.transfer-code",
        source="GBCS 33",
        severity="error",
        clause="RTDS",
        title="Alert code and transfer result contradict",
        explanation="8F8A goes with result 0, 8F89 with any other.",
        advice="See what the hub really stored.",
        filter=GBCS,
        profile="gb",
        over="capture",
        fires="8F8A with result 2",
        silent="8F8A with result 0",
        finds=_carried_code,
    ),
    ItemRule(
        id="gbcs.firmware.ppmid-version",
        source="GBCS 34",
        severity="warning",
        clause="GBCS v4",
        title="PPMID reports another version than it loaded",
        explanation="The version in CS09 is not the file version of the image that was sent to the PPMID.",
        advice="See whether another image was activated.",
        filter=GBCS,
        profile="gb",
        over="update",
        fires="CS09 with another version",
        silent="CS09 with the image's version",
        finds=_ppmid_version,
    ),
)
