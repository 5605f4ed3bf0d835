"""GBCS messages: envelope, payload, protection, and how commands and responses fit together (GBCS 5 to 7, RTDS).

What the reference test data have in all their messages counts as the form; the exceptions are those seen there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hanscope.analyzers.results import Analysis, Exchange, Message, MessagePart, Verdict
from hanscope.analyzers.rules.facts import Facts
from hanscope.analyzers.rules.limits import SECOND
from hanscope.analyzers.rules.model import Hit, ItemRule

GBCS: Final = "zbee_zcl_se.tun"
COMMAND: Final = 1
RESPONSE: Final = 2
ALERT: Final = 3
SHORTEST: Final = "shortest form"
BY_ACB: Final = ("CS02", "CS03", "CS04")
"""Use cases with variants that the ACB sends in its own name, protected otherwise."""
REPEATS_COUNTER: Final = ("CS06", "CS02b", "CS02g")
LIID: Final = 0x2000_0000


def _hit(message: Message, detail: str = "") -> Hit:
    return Hit(message.frames, subject=message.id, detail=detail)


def walk(part: MessagePart) -> Iterator[MessagePart]:
    yield part
    for inner in part.parts:
        yield from walk(inner)


def _problems(message: Message, header: str, wanted: Callable[[MessagePart], bool]) -> list[Hit]:
    """Parts of a header that have a problem."""
    return [
        _hit(message, f"{part.name}: {part.problem}")
        for top in message.headers
        if top.name == header
        for part in walk(top)
        if part.problem is not None and SHORTEST not in part.problem and wanted(part)
    ]


def _other_information(part: MessagePart) -> bool:
    return part.name.startswith("other information") or "other-information" in (part.problem or "")


def _sound(message: Message) -> bool:
    return message.error is None and message.message_code is not None


def _signature(message: Message, facts: Facts) -> list[Hit]:
    case = facts.use_case(message.message_code)
    if not _sound(message) or case is None or case.category is None or case.name.startswith(BY_ACB):
        return []
    signed = message.signature.outcome != "absent"
    expected = case.category in {"C.C", "A.C"}
    if signed == expected:
        return []
    return [_hit(message, f"{message.use_case} {'has no signature' if expected else 'has a signature'}")]


def _mac(message: Message, facts: Facts) -> list[Hit]:
    case = facts.use_case(message.message_code)
    if not _sound(message) or case is None or case.category is None or case.name.startswith(BY_ACB):
        return []
    has = message.mac.outcome != "absent"
    signed_only = (case.category == "C.C" and message.cra_flag == RESPONSE) or case.category == "A.C"
    if has != signed_only:
        return []
    return [_hit(message, f"{message.use_case} {'has a MAC' if has else 'has no MAC'}")]


def _date_time(message: Message, _: Facts) -> list[Hit]:
    dated = any(part.name == "date time" for top in message.headers for part in top.parts)
    return [_hit(message)] if dated and message.cra_flag != RESPONSE else []


def _message_code(message: Message, facts: Facts) -> list[Hit]:
    if not _sound(message):
        return []
    case = facts.use_case(message.message_code)
    if case is None:
        return [_hit(message, f"message code 0x{message.message_code:04x} is not known")]
    alert = case.category in {"A.C", "A.NC"}
    if case.category is None or alert == (message.cra_flag == ALERT):
        return []
    return [_hit(message, f"{case} with CRA flag {message.cra_flag}")]


def _payload(message: Message, _: Facts) -> list[Hit]:
    if message.payload is None:
        return []
    return [
        _hit(message, f"{part.name}: {part.problem}")
        for part in walk(message.payload)
        if part.problem is not None and SHORTEST not in part.problem
    ]


def _counter_inside(message: Message, facts: Facts) -> list[Hit]:
    case = facts.use_case(message.message_code)
    if message.payload is None or message.cra_flag != COMMAND or case is None:
        return []
    if not case.name.startswith(REPEATS_COUNTER):
        return []
    inside = [part.value for part in walk(message.payload) if part.name == "originatorCounter"]
    return [
        _hit(message, f"{value} in the payload, {message.originator_counter} in the header")
        for value in inside
        if isinstance(value, int) and value != message.originator_counter
    ]


def _invoke_id(message: Message, _: Facts) -> list[Hit]:
    if message.payload is None or message.cra_flag not in {COMMAND, RESPONSE} or message.originator_counter is None:
        return []
    expected = LIID | (message.originator_counter & 0xFF_FFFF)
    return [
        _hit(message, f"0x{part.value:08x} instead of 0x{expected:08x}")
        for part in message.payload.parts
        if part.name == "long invoke id and priority" and isinstance(part.value, int) and part.value != expected
    ]


def _invalid(*verdicts: Verdict) -> list[str]:
    return [verdict.detail for verdict in verdicts if verdict.outcome == "invalid"]


def _other_code(analysis: Analysis, _: Facts) -> list[Hit]:
    """Responses whose counter was used by another command between the same parties."""
    commands: dict[tuple[str | None, str | None, int | None], set[int]] = {}
    for message in analysis.messages:
        if message.cra_flag == COMMAND and message.message_code is not None:
            key = message.originator, message.target, message.originator_counter
            commands.setdefault(key, set()).add(message.message_code)
    return [
        _hit(message, f"the command with this counter was {', '.join(f'0x{code:04x}' for code in sorted(codes))}")
        for message in analysis.messages
        if message.cra_flag == RESPONSE and message.message_code is not None and _sound(message)
        if (codes := commands.get((message.target, message.originator, message.originator_counter)))
        and message.message_code not in codes
    ]


def _several(exchange: Exchange, facts: Facts) -> list[Hit]:
    if len(exchange.responses) < len(exchange.commands) + 1 or len(exchange.responses) < TWICE:
        return []
    frames = [frame for name in exchange.responses for frame in facts.messages[name].frames]
    return [Hit(tuple(frames), subject=exchange.responses[1])]


TWICE: Final = 2


def _counters(analysis: Analysis, _: Facts) -> list[Hit]:
    """Commands whose counter is not above all earlier ones between the same parties; the same octets are a retry."""
    highest: dict[tuple[str, str], int] = {}
    known: set[str] = set()
    found: list[Hit] = []
    for message in analysis.messages:
        if message.cra_flag != COMMAND or message.originator is None or message.target is None:
            continue
        counter = message.originator_counter
        if counter is None or message.octets in known:
            continue
        known.add(message.octets)
        pair = message.originator, message.target
        if counter <= highest.get(pair, -1):
            found.append(_hit(message, f"{counter} after {highest[pair]}"))
        highest[pair] = max(highest.get(pair, -1), counter)
    return found


def _unanswered(exchange: Exchange, facts: Facts) -> list[Hit]:
    if exchange.unanswered is None or not exchange.commands:
        return []
    message = facts.messages[exchange.commands[-1]]
    ended = facts.ended_ns
    if message.carriage is None or ended is None:
        return []
    waited = ended - message.carriage.ended
    return [_hit(message)] if waited >= int(facts.limits.fetch_seconds * SECOND) else []


RULES: Final = (
    ItemRule(
        id="gbcs.envelope.mac-header",
        source="GBCS 1",
        severity="error",
        clause="GBCS 5, RTDS",
        title="MAC Header with unusual values",
        explanation="In every message stand six zero octets, security control 0x11 and invocation counter 0 there.",
        advice="Receivers refuse the message: see who built it.",
        filter=GBCS,
        over="message",
        fires="security control 0x31",
        silent="security control 0x11",
        finds=lambda message, _: _problems(message, "MAC Header", lambda part: part.name != "length"),
    ),
    ItemRule(
        id="gbcs.envelope.mac-length",
        source="GBCS 2",
        severity="error",
        clause="GBCS 5, RTDS",
        title="MAC Header's length does not fit",
        explanation="The length in the MAC Header does not reach exactly to the end of the message.",
        advice="The message was cut, or two were put together: see who built it.",
        filter=GBCS,
        over="message",
        fires="a length one too small",
        silent="a length that reaches to the end",
        finds=lambda message, _: _problems(message, "MAC Header", lambda part: part.name == "length"),
    ),
    ItemRule(
        id="gbcs.envelope.signature",
        source="GBCS 3",
        severity="error",
        clause="GBCS 5, RTDS",
        title="Signature missing, or where none belongs",
        explanation="Critical messages are signed, others are not.",
        advice="Receivers refuse the message: see who built it.",
        filter=GBCS,
        over="message",
        fires="CS06 without a signature",
        silent="CS06 with a signature",
        finds=_signature,
    ),
    ItemRule(
        id="gbcs.envelope.mac",
        source="GBCS 4",
        severity="error",
        clause="GBCS 5, RTDS",
        title="MAC missing, or where none belongs",
        explanation="Critical responses and alerts have no MAC; all other messages on the HAN have one.",
        advice="Receivers refuse the message: see who built it.",
        filter=GBCS,
        over="message",
        fires="a critical response with a MAC",
        silent="a critical response without",
        finds=_mac,
    ),
    ItemRule(
        id="gbcs.envelope.lengths",
        source="GBCS 5",
        severity="error",
        clause="GBCS 5, RTDS",
        title="Grouping Header with unusual lengths",
        explanation="The transaction id has 9 octets, identities have 8, a date-time has 12 or is absent.",
        advice="Receivers refuse the message: see who built it.",
        filter=GBCS,
        over="message",
        fires="a transaction id of 8 octets",
        silent="a transaction id of 9 octets",
        finds=lambda message, _: _problems(
            message,
            "Grouping Header",
            lambda part: not _other_information(part) and part.name not in {"CRA flag", "Message Code"},
        ),
    ),
    ItemRule(
        id="gbcs.envelope.date-time",
        source="GBCS 5",
        severity="warning",
        clause="GBCS 5, RTDS",
        title="Date-time in a command or an alert",
        explanation="Only responses carry a date-time in their Grouping Header.",
        advice="See who built it.",
        filter=GBCS,
        over="message",
        fires="a command with a date-time",
        silent="a response with a date-time",
        finds=_date_time,
    ),
    ItemRule(
        id="gbcs.envelope.other-information",
        source="GBCS 6",
        severity="error",
        clause="GBCS 5, RTDS",
        title="Other-information of an unknown form",
        explanation="Other-information has 2, 10, 18 or 26 octets, or 18 and a certificate.",
        advice="Receivers refuse the message: see who built it.",
        filter=GBCS,
        over="message",
        fires="other-information of 5 octets",
        silent="other-information of 10 octets",
        finds=lambda message, _: _problems(message, "Grouping Header", _other_information),
    ),
    ItemRule(
        id="gbcs.envelope.message-code",
        source="GBCS 7",
        severity="warning",
        clause="GBCS 20",
        title="Message code unknown, or of another kind",
        explanation="Alert codes belong to alerts and use cases to commands and responses; unknown codes to nobody.",
        advice="A newer GBCS, or a message that was built wrong.",
        filter=GBCS,
        over="message",
        fires="the code of an alert in a command",
        silent="the code of an alert in an alert",
        finds=_message_code,
    ),
    ItemRule(
        id="gbcs.envelope.cra-flag",
        source="GBCS 7",
        severity="error",
        clause="GBCS 5",
        title="Neither command, response nor alert",
        explanation="The CRA flag is 1, 2 or 3.",
        advice="Receivers refuse the message: see who built it.",
        filter=GBCS,
        over="message",
        fires="CRA flag 4",
        silent="CRA flag 3",
        finds=lambda message, _: _problems(message, "Grouping Header", lambda part: part.name == "CRA flag"),
    ),
    ItemRule(
        id="gbcs.envelope.unreadable",
        source="GBCS 2",
        severity="error",
        clause="GBCS 5",
        title="Message that can not be read",
        explanation="All of a message was captured, and it is none that GBCS knows.",
        advice="Send the message to its maker; it may be cut short.",
        filter=GBCS,
        over="message",
        fires="a message that ends inside its header",
        silent="a message of which a frame was missed",
        finds=lambda message, _: (
            [_hit(message, message.error)]
            if message.error is not None and message.carriage is not None and message.carriage.complete
            else []
        ),
    ),
    ItemRule(
        id="gbcs.payload.form",
        source="GBCS 14, 15, 16, 17",
        severity="error",
        clause="GBCS 7, 9, RTDS",
        title="Payload of the wrong form",
        explanation="The payload does not follow the form of its use case: counts, lengths, sequence numbers, dates.",
        advice="Receivers refuse the message, or take it for another: see who built it.",
        filter=GBCS,
        over="message",
        fires="two results for one specification",
        silent="one result for one specification",
        finds=_payload,
    ),
    ItemRule(
        id="gbcs.payload.long-length",
        source="GBCS 18",
        severity="note",
        clause="RTDS",
        title="Length not in its shortest form",
        explanation="A length is written with more octets than it needs.",
        advice="Tolerated everywhere.",
        filter=GBCS,
        over="message",
        fires="a length written as 81 05",
        silent="a length written as 05",
        finds=lambda message, _: [_hit(message, problem) for problem in message.problems if SHORTEST in problem][:1],
    ),
    ItemRule(
        id="gbcs.payload.counter",
        source="GBCS 12",
        severity="error",
        clause="GBCS 7, RTDS",
        title="Counter in the payload is not the header's",
        explanation="The command repeats its originator counter in the payload, and it is another number.",
        advice="Devices refuse it: see who built it.",
        filter=GBCS,
        over="message",
        fires="CS06 with counter 7 in the header and 8 in the payload",
        silent="CS06 with counter 7 in both",
        finds=_counter_inside,
    ),
    ItemRule(
        id="gbcs.payload.invoke-id",
        source="GBCS 13",
        severity="error",
        clause="GBCS 7, RTDS",
        title="DLMS invoke id does not fit the counter",
        explanation="The long invoke id is 0x20 and the low 24 bits of the originator counter.",
        advice="Devices refuse it: see who built it.",
        filter=GBCS,
        over="message",
        fires="counter 1000 and invoke id 0x200003e9",
        silent="counter 1000 and invoke id 0x200003e8",
        finds=_invoke_id,
    ),
    ItemRule(
        id="gbcs.crypto.signature",
        source="GBCS 19",
        severity="error",
        clause="GBCS 4.3",
        title="Signature is not valid",
        explanation="The signature is not that of the party that the message names.",
        advice="Do not trust the message; check that the certificate is the right one.",
        filter=GBCS,
        over="message",
        fires="a message with one octet changed",
        silent="the same without its certificate",
        finds=lambda message, _: [_hit(message, detail) for detail in _invalid(message.signature)],
    ),
    ItemRule(
        id="gbcs.crypto.mac",
        source="GBCS 20",
        severity="error",
        clause="GBCS 4.3",
        title="MAC is not valid",
        explanation="The MAC is not the one that the two parties' keys make.",
        advice="Do not trust the message; check that the keys are the right ones.",
        filter=GBCS,
        over="message",
        fires="a message with one octet changed",
        silent="the same without the keys",
        finds=lambda message, _: [_hit(message, detail) for detail in _invalid(message.mac)],
    ),
    ItemRule(
        id="gbcs.crypto.encryption",
        source="GBCS 21",
        severity="error",
        clause="GBCS 8",
        title="Encrypted part does not open",
        explanation="The keys of the two parties do not open the encrypted part of the message.",
        advice="The message was changed, or encrypted for somebody else.",
        filter=GBCS,
        over="message",
        fires="an encrypted part with one octet changed",
        silent="the same without the keys",
        finds=lambda message, _: [_hit(message, detail) for detail in _invalid(*message.encrypted_parts)],
    ),
    ItemRule(
        id="gbcs.exchange.other-code",
        source="GBCS 9",
        severity="error",
        clause="GBCS 7, RTDS",
        title="Response of another use case than the command",
        explanation="The response has the counter of a command with another message code.",
        advice="See which of the two is mistaken; the command counts as not answered.",
        filter=GBCS,
        over="capture",
        fires="a response 0x0059 to a command 0x0012 with the same counter",
        silent="a response 0x0012 to a command 0x0012",
        finds=_other_code,
    ),
    ItemRule(
        id="gbcs.exchange.several-responses",
        source="GBCS 10",
        severity="note",
        clause="GBCS 7",
        title="More than one response",
        explanation="More responses than commands were heard with one counter.",
        advice="Often a response that was sent again because the hub did not take it.",
        filter=GBCS,
        over="exchange",
        fires="one command, two responses",
        silent="one command, one response",
        finds=_several,
    ),
    ItemRule(
        id="gbcs.exchange.counter-not-increasing",
        source="GBCS 11",
        severity="note",
        clause="GBCS 4.3.1.5",
        title="Originator counter does not increase",
        explanation="A command carries a counter that is not above those of earlier commands between the two parties.",
        advice="A replay, or commands out of order; devices refuse replays of critical commands.",
        filter=GBCS,
        unconfirmed=True,
        over="capture",
        fires="counter 1000 after 1001, in another command",
        silent="the same octets again",
        finds=_counters,
    ),
    ItemRule(
        id="gbcs.exchange.unanswered",
        source="GBCS 42",
        severity="note",
        clause="GBCS 10",
        title="Command without a response",
        explanation="No response was heard long after the command.",
        advice="A gas meter fetches its commands when it wakes; see whether the sniffer hears the device at all.",
        filter=GBCS,
        unconfirmed=True,
        over="exchange",
        fires="three hours without a response",
        silent="one hour without a response",
        finds=_unanswered,
    ),
)
