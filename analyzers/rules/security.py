"""Security of OTA commands, replays, servers that must not be obeyed (SE 5.4, ZigBee 4.3, OTA 6.7.1)."""

from typing import Final

from hanscope.analyzers.results import Analysis, Transfer
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.model import Hit, ItemRule, RowRule
from hanscope.analyzers.rules.terms import NOTIFY, OTA, REQUEST
from hanscope.dissectors.eui64 import eui64_text

SMART_ENERGY: Final = 0x0109
EUI64S: Final = 0xFFFF_FFFF << 32
"""What names a transmitter from here on is a short address."""


def _replays(_: Analysis, facts: Facts) -> list[Hit]:
    return [
        Hit(frames, subject=eui64_text(who) if who < EUI64S else None, detail=f"{count} frames")
        for who, frames, count in facts.evidence.replays()
    ]


def _two_servers(transfer: Transfer, facts: Facts) -> list[Hit]:
    """Another server's transfer of the same image to the same client, begun before this one had ended well."""
    return [
        Hit((one.first_frame, transfer.first_frame), transfer.id)
        for one in facts.story(transfer)
        if one.server != transfer.server
        and facts.begun(one)
        and facts.begun(transfer)
        and one.started < transfer.started
        and (one.end_status is None or transfer.started < one.ended)
    ]


RULES: Final = (
    RowRule(
        id="security.ota-without-aps",
        source="S01",
        severity="error",
        clause="SE 5.4.6",
        title="OTA command without APS security",
        explanation="In the Smart Energy profile every OTA command to one device has to be secured with a link key.",
        advice="Anyone with the network key could have sent it: mend the sender.",
        filter=f"{OTA} && zbee_aps.security == 0",
        fires="a block response in profile 0x0109, secured by the network key alone",
        silent="the same in profile 0x0104",
        detail="first command 0x{command:02x}",
        among="message",
        finds=lambda t: t.unicast & (t.profile == SMART_ENERGY) & (t.aps_secured == 0),
    ),
    RowRule(
        id="security.broadcast-with-aps",
        source="S02",
        severity="note",
        clause="SE 5.4.6",
        title="Broadcast notify with APS security",
        explanation="An Image Notify to all can not be secured with a link key.",
        advice="No receiver can open it: mend the server.",
        filter=NOTIFY,
        fires="a broadcast Image Notify with APS security",
        silent="a broadcast Image Notify without",
        among="notify",
        finds=lambda t: ~t.unicast & (t.aps_secured == 1),
    ),
    RowRule(
        id="security.ota-without-nwk",
        source="S03",
        severity="error",
        clause="ZigBee 4.3",
        title="OTA command without any network security",
        explanation="The NWK frame of an OTA command was not secured.",
        advice="Anyone near could have sent it; routers must not pass it on.",
        filter=f"{OTA} && zbee_nwk.security == 0",
        fires="a block response in an unsecured NWK frame",
        silent="the same in a secured one",
        among="message",
        finds=lambda t: t.nwk_frame_counter < 0,
    ),
    ItemRule(
        id="security.replay",
        source="S05, S06",
        severity="warning",
        clause="ZigBee 4.3.1.2",
        title="Frames with old frame counters",
        explanation="Frames came with NWK frame counters far below ones that their sender had used before.",
        advice="A replay, or frames of a capture in the wrong order: compare their time stamps.",
        filter="zbee.sec.counter",
        confidence="probable",
        fires="counters 500, 501, 450, 502",
        silent="counters 500, 502, 501, 503",
        over="capture",
        finds=_replays,
    ),
    ItemRule(
        id="security.two-servers",
        source="S08",
        severity="warning",
        clause="OTA 6.7.1",
        title="Two servers for one client",
        explanation="The client loads one image from two servers, although it may obey only its own.",
        advice="See which one is meant to serve; the parts may be of different files.",
        filter=REQUEST,
        fires="blocks from one server, then from another, no end in between",
        silent="a whole download from one server, later one from another",
        over="transfer",
        finds=_two_servers,
    ),
)
