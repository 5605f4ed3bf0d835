"""What carries the commands: lost requests, answers to repetitions, reboots and new addresses of a client."""

from typing import Final

from hanscope.analyzers.results import Transfer
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Hit, ItemRule, Mask, Quiet, RowRule
from hanscope.analyzers.rules.rows import SAME_MESSAGE_NS, Rows
from hanscope.analyzers.rules.terms import OTA, REQUEST, RESPONSE, server_answering
from hanscope.analyzers.silences import stopped


def _answered_again(t: Rows) -> Mask:
    """The same block under a new APS counter, for one request."""
    row = t.answered_before_row
    other = t.of(row)
    same = (other.image == t.image) & (other.file_offset == t.file_offset) & (other.data_size == t.data_size)
    return (row >= 0) & same & (other.aps_counter != t.aps_counter) & (t.elapsed(row) <= SAME_MESSAGE_NS)


def _rebooted(transfer: Transfer, facts: Facts) -> list[Hit]:
    """Between the first block and the last, or right after the last of a download that was not finished unheard."""
    talk = facts.talk(transfer)
    until = talk.last_ns
    if transfer.state in {"stalled", "downloading"}:
        until += AFTERWARDS_NS
    elif transfer.state == "superseded":
        later = (one.started for one in facts.story(transfer))
        until = min((started for started in later if started >= transfer.ended), default=until)
    return [
        Hit((jump.frame,), transfer.id, detail=JUMPED[jump.kind])
        for jump in facts.evidence.jumps(facts.client(transfer))
        if facts.begun(transfer) and transfer.started <= jump.before_ns < until and jump.after_ns <= until
        if jump.frame <= talk.last_frame or stopped(facts.evidence, talk, (jump.after_ns, jump.frame))
    ]


JUMPED: Final = {
    "reboot": "its frame counter went on at a checkpoint",
    "restart": "its frame counter began anew",
}
AFTERWARDS_NS: Final = 60 * SECOND


def _readdressed(transfer: Transfer, facts: Facts) -> list[Hit]:
    return [
        Hit((event.frame,), transfer.id, detail=f"0x{event.before.short:04x} became 0x{event.short:04x}")
        for event in facts.readdressed.get(transfer.client.eui64 or "", ())
        if event.before is not None and transfer.started <= event.time <= transfer.ended
    ]


def _key_switched(transfer: Transfer, facts: Facts) -> list[Hit]:
    """A Switch-Key in the network between the first frame of a download and the last."""
    return [
        Hit((event.frame,), transfer.id, detail=f"key sequence number {event.key_sequence_number}")
        for event in facts.key_switches.get(transfer.pan_id, ())
        if facts.begun(transfer) and transfer.first_frame < event.frame < facts.talk(transfer).last_frame
    ]


RULES: Final = (
    RowRule(
        id="transport.request-undelivered",
        source="V6, M01",
        severity="note",
        clause="ZigBee 2.2.8",
        title="Request did not reach the server",
        explanation="A request asked for an APS acknowledgement, and the server sent neither that nor an answer.",
        advice="The radio link between the two is bad: see link quality and MAC retries.",
        filter=REQUEST,
        fires="a request that was not acknowledged, and every frame of the server captured",
        silent="the same with an acknowledgement",
        detail="offset {other_file_offset}",
        beside=lambda t: t.prior_row,
        among="overdue",
        finds=lambda t: t.prior_row >= 0,
        unless_missed=server_answering,
        undelivered=lambda t: t.prior_row,
    ),
    RowRule(
        id="transport.answered-again",
        source="M05",
        severity="warning",
        clause="ZigBee 2.2.8.4.2",
        title="Server answered one request twice with the same",
        explanation="The server sent the same block again as a new message, although it was asked for once.",
        advice="Its APS layer passes repetitions on to the application: costs airtime.",
        filter=RESPONSE,
        fires="one request, the same block twice with different APS counters",
        silent="one request, the same block twice with one APS counter",
        detail="offset {file_offset}",
        beside=lambda t: t.answered_before_row,
        among="another_block",
        finds=_answered_again,
        unless_missed=lambda t: Quiet("client", t.answered_before_row),
    ),
    ItemRule(
        id="transport.client-rebooted",
        source="V13, R02",
        severity="note",
        clause="ZigBee 4.3.1.2",
        title="Client rebooted during the transfer",
        explanation="The client's frame counter jumped to where it is stored, or began anew.",
        advice="See whether it went on where it was; a device that reboots again and again has a fault of its own.",
        filter=OTA,
        confidence="probable",
        over="transfer",
        fires="a jump of the client's counter to 0x2000 between two blocks",
        silent="the same after the upgrade was ordered",
        finds=_rebooted,
    ),
    ItemRule(
        id="transport.client-readdressed",
        source="M08",
        severity="note",
        clause="ZigBee 3.6.1",
        title="Client got a new short address during the download",
        explanation="The client announced itself under another short address in mid-transfer.",
        advice="Usual after a rejoin; a server that goes by short addresses loses it.",
        filter="zbee_zdp",
        over="transfer",
        fires="a device announce with another address between two blocks",
        silent="the same after the end",
        finds=_readdressed,
    ),
    ItemRule(
        id="transport.key-switched",
        source="S10",
        severity="note",
        clause="ZigBee 4.3.3",
        title="Network key switched during the download",
        explanation="The trust centre switched the network to another key in mid-transfer.",
        advice="A device that missed the new key falls silent here: compare with the time at which blocks stopped.",
        filter="zbee_aps.cmd.id == 0x09",
        over="transfer",
        fires="a Switch-Key between two blocks",
        silent="a Switch-Key after the last block",
        finds=_key_switched,
    ),
)
