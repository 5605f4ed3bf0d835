"""Analyses for the rules about results: each with one thing that deviates, or just does not."""

from msgspec.structs import replace
from ota_dialogue import analysis
from tunnel_messages import CS06_COMMAND, CS06_RESPONSE, ECS52_COMMAND, ECS52_RESPONSE
from update_stories import HASH, HUB, METER, OTHER, PAN, START, at, image, transfer

from hanscope.analyzers.conversations import exchanges
from hanscope.analyzers.messages import examine
from hanscope.analyzers.results import (
    ActivationOrder,
    AddressEvent,
    Analysis,
    Capture,
    Carriage,
    Check,
    FormerAddress,
    HashClaim,
    KeyEvent,
    Message,
    MessagePart,
    OtaHeader,
    Tunnel,
    Update,
    Verdict,
    VersionClaim,
    Witness,
)

UPGRADED, BEFORE = 0x0200, 0x0100


def header(**changes) -> OtaHeader:
    fields = {
        "header_version": 0x0100,
        "header_length": 60,
        "field_control": 4,
        "manufacturer_code": 0x1021,
        "image_type": 0,
        "file_version": UPGRADED,
        "stack_version": 2,
        "header_string": "",
        "total_image_size": 9_000,
        "security_credential_version": None,
        "destination_eui64": None,
        "minimum_hardware_version": None,
        "maximum_hardware_version": None,
    }
    return OtaHeader(**(fields | changes))


def loaded(*checks: tuple[str, str], of_transfer: dict | None = None, **changes) -> Analysis:
    """One transfer and its image with these checks."""
    found = tuple(Check(name=name, outcome=outcome, detail="") for name, outcome in checks)
    return analysis(transfers=(transfer(**(of_transfer or {})),), images=(image(checks=found, **changes),))


def two_files(outcome: str) -> Analysis:
    witness = Witness(source="other transfer", outcome=outcome, said="T2", detail="", frames=(5, 6))
    return loaded(witnesses=(witness,))


def carriage(begin: float, end: float | None = None, **changes) -> Carriage:
    fields = {
        "tunnel": "N1",
        "pan_id": PAN,
        "sender": HUB,
        "receiver": METER,
        "gas_command": None,
        "remaining": None,
        "blocks": 0,
        "started": at(begin),
        "ended": at(begin if end is None else end),
        "complete": True,
    }
    return Carriage(**(fields | changes))


def messages(*said: bytes | Message, until: float = 100.0, **changes) -> Analysis:
    """Messages of a capture, one a second; `until`: the end of the capture."""
    if "started" in changes:
        changes["ended"] = changes["started"]
    found = tuple(
        replace(
            examine(one) if isinstance(one, bytes) else one,
            id=f"M{number}",
            frames=(number,),
            carriage=carriage(number, **changes),
        )
        for number, one in enumerate(said, 1)
    )
    capture = Capture(
        path="made",
        format="pcapng",
        compressed=False,
        frames=100,
        other_frames=0,
        bad_fcs=0,
        unchecked_fcs=0,
        started=START,
        ended=at(until),
        interfaces=(),
        comments=0,
        faults=(),
    )
    pairs = exchanges(found, until=lambda *_: at(until))
    return analysis(captures=(capture,), messages=found, exchanges=pairs, tunnels=(tunnel(),))


def changed(message: bytes, at_octet: int, *octets: int) -> bytes:
    """A message with other octets in one place."""
    return message[:at_octet] + bytes(octets) + message[at_octet + len(octets) :]


def verdicts(**changes) -> Analysis:
    """A message whose signature, MAC or encrypted parts came to this."""
    return messages(replace(examine(CS06_COMMAND), **changes))


def verdict(outcome: str) -> Verdict:
    return Verdict(outcome=outcome, detail="as said")


def unsigned(message: bytes) -> bytes:
    """CS06 without its signature, with lengths to fit."""
    assert message[88] == 0x40
    return message[:7] + bytes((0x5A,)) + message[9:88] + b"\0" + message[153:]


def counter_of(message: bytes, number: int, header_at: int = 16) -> bytes:
    """The same message with another originator counter in its Grouping Header."""
    return message[:header_at] + number.to_bytes(8, "big") + message[header_at + 8 :]


def told(code: int, cra_flag: int, **values: int | str) -> Message:
    """A message that holds these parts."""
    parts = tuple(MessagePart(name.replace("_", " "), 0, 0, value) for name, value in values.items())
    return replace(
        examine(ECS52_RESPONSE),
        message_code=code,
        cra_flag=cra_flag,
        payload=MessagePart("payload", 0, 0, parts=parts),
        signature=verdict("unknown"),
        mac=Verdict(outcome="absent", detail=""),
    )


def dated(alert: int, outcome: int, when: str) -> Message:
    """Alert 00CA. Its parts have the names of the ASN.1, so without spaces."""
    return told(
        0x00CA, 3, alertCode=alert, activateImageResponseCode=outcome, executionDateTime=when, originatorCounter=1000
    )


def carried(alert: int, result: int) -> Message:
    """CCS08."""
    device = int(METER.eui64.replace(":", ""), 16).to_bytes(8, "big").hex()
    return told(0x0128, 3, alertCode=alert, firmwareTransferResponseCode=result, deviceEntityIdentifier=device)


def tunnel(**changes) -> Tunnel:
    fields = {
        "id": "N1",
        "pan_id": PAN,
        "client": HUB,
        "server": METER,
        "tunnel_id": 1,
        "state": "open",
        "heard_open": True,
        "protocol_id": 6,
        "manufacturer_code": 0xFFFF,
        "flow_control": False,
        "client_maximum": 1500,
        "server_maximum": 1500,
        "to_server": 0,
        "to_client": 0,
        "fetches": 0,
        "first_frame": 1,
        "last_frame": 9,
        "events": (),
    }
    return Tunnel(**(fields | changes))


def tunnelled(**changes) -> Analysis:
    return analysis(tunnels=(tunnel(**changes),))


def order(**changes) -> ActivationOrder:
    fields = {
        "by": "CS06",
        "mode": "immediate",
        "time": at(120),
        "frames": (1200,),
        "message_id": "M4",
        "originator_counter": 7,
        "sha256": HASH,
        "due": None,
        "fate": "carried out",
        "outcome": "success",
    }
    return ActivationOrder(**(fields | changes))


def claim(said_by: str, sha256: str = HASH) -> HashClaim:
    return HashClaim(said_by=said_by, sha256=sha256, time=at(110), frames=(1100,), source="M3")


def version(number: int, said_by: str = "ECS52 response", when: str = "after") -> VersionClaim:
    return VersionClaim(said_by=said_by, version=number, when=when, time=at(200), frames=(2000,), message_id="M9")


def update(**changes) -> Analysis:
    """The story of one meter."""
    fields = {
        "id": "U1",
        "device": METER,
        "pan_id": PAN,
        "role": "ESME",
        "role_evidence": "",
        "flow": "ESME/GSME",
        "outside": None,
        "manufacturer_code": 0x1021,
        "image_type": 0,
        "file_version": UPGRADED,
        "transfer_ids": ("T1",),
        "message_ids": (),
        "state": "confirmed",
        "failed_at": None,
        "cause": None,
        "reason": "",
        "missing": (),
        "started": START,
        "ended": at(300),
        "steps": (),
        "distribution": None,
        "orders": (),
        "hashes": (),
        "versions": (),
        "checks": (),
    }
    of_transfer = changes.pop("of_transfer", {})
    return analysis(transfers=(transfer(**of_transfer),), updates=(Update(**(fields | changes)),))


def switched(frame: int) -> Analysis:
    """A Switch-Key; the transfer goes from frame 10 to 1000."""
    event = KeyEvent(
        frame=frame,
        last_frame=frame,
        frames=1,
        time=at(50),
        pan_id=PAN,
        what="Switch-Key",
        sender=HUB,
        receiver=None,
        device=None,
        partner=None,
        key_type=None,
        key_sequence_number=1,
        fingerprint=None,
        status=None,
        outcome=None,
        aps_secured=False,
        text="",
    )
    return analysis(transfers=(transfer(),), key_events=(event,))


def readdressed(seconds: float) -> Analysis:
    """The client of a transfer that ends after 101 s gets a new address."""
    event = AddressEvent(
        frame=77,
        time=at(seconds),
        pan_id=PAN,
        short=0x1234,
        eui64=METER.eui64,
        told_by=(),
        instead_of=None,
        before=FormerAddress(short=METER.short),
    )
    return analysis(transfers=(transfer(),), addresses=(event,))


RECEIPT = claim("8F72 alert")
REBUILT = claim("rebuilt image")
WRONG = {"sha256": OTHER}

ITEM_CASES = {
    "image.header": (lambda: loaded(("header", "invalid")), lambda: loaded(("header", "unknown"))),
    "image.other-than-offered": (
        lambda: loaded(("query response", "invalid")),
        lambda: loaded(("query response", "valid")),
    ),
    "image.other-device": (
        lambda: loaded(header=header(destination_eui64=HUB.eui64)),
        lambda: loaded(header=header(destination_eui64=METER.eui64)),
    ),
    "image.structure": (lambda: loaded(("elements", "invalid")), lambda: loaded(("elements", "valid"))),
    "image.integrity": (
        lambda: loaded(("authorising signature", "invalid")),
        lambda: loaded(("authorising signature", "unknown")),
    ),
    "image.verdict-contradicts": (
        lambda: loaded(("integrity code", "valid"), of_transfer={"end_status": 0x96}),
        lambda: loaded(("integrity code", "unknown"), of_transfer={"end_status": 0x96}),
    ),
    "image.unsigned": (
        lambda: loaded(("elements", "valid"), layout="zigbee-elements"),
        lambda: loaded(("signature", "unknown"), layout="zigbee-elements"),
    ),
    "image.two-files": (lambda: two_files("invalid"), lambda: two_files("valid")),
    "image.stack-version": (
        lambda: loaded(header=header(stack_version=0)),
        lambda: loaded(header=header(stack_version=2)),
    ),
    "gbcs.envelope.mac-header": (
        lambda: messages(changed(ECS52_COMMAND, 8, 0x31)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.envelope.mac-length": (
        lambda: messages(changed(ECS52_COMMAND, 7, 0x46)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.envelope.signature": (lambda: messages(unsigned(CS06_COMMAND)), lambda: messages(CS06_COMMAND)),
    "gbcs.envelope.mac": (
        lambda: messages(replace(examine(CS06_RESPONSE), mac=verdict("unknown"))),
        lambda: messages(CS06_RESPONSE),
    ),
    "gbcs.envelope.lengths": (
        lambda: messages(changed(ECS52_COMMAND, 14, 0x08)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.envelope.date-time": (
        lambda: messages(changed(CS06_RESPONSE, 2, 0x01)),
        lambda: messages(CS06_RESPONSE),
    ),
    "gbcs.envelope.other-information": (
        lambda: messages(changed(ECS52_COMMAND, 43, 0x05)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.envelope.message-code": (
        lambda: messages(changed(ECS52_COMMAND, 44, 0x10, 0x00)),
        lambda: messages(told(0x1000, 3)),
    ),
    "gbcs.envelope.cra-flag": (lambda: messages(changed(ECS52_COMMAND, 15, 0x04)), lambda: messages(told(0x00CE, 3))),
    "gbcs.envelope.unreadable": (
        lambda: messages(ECS52_COMMAND[:30]),
        lambda: messages(ECS52_COMMAND[:30], complete=False),
    ),
    "gbcs.payload.form": (
        lambda: messages(changed(ECS52_COMMAND, 53, 0x02)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.payload.long-length": (
        lambda: messages(changed(ECS52_COMMAND[:7] + b"\x81" + ECS52_COMMAND[7:], 8, 0x47)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.payload.counter": (
        lambda: messages(counter_of(CS06_COMMAND, 1001, 17)),
        lambda: messages(CS06_COMMAND),
    ),
    "gbcs.payload.invoke-id": (
        lambda: messages(counter_of(ECS52_COMMAND, 1001)),
        lambda: messages(ECS52_COMMAND),
    ),
    "gbcs.crypto.signature": (
        lambda: verdicts(signature=verdict("invalid")),
        lambda: verdicts(signature=verdict("unknown")),
    ),
    "gbcs.crypto.mac": (lambda: verdicts(mac=verdict("invalid")), lambda: verdicts(mac=verdict("unknown"))),
    "gbcs.crypto.encryption": (
        lambda: verdicts(encrypted_parts=(verdict("valid"), verdict("invalid"))),
        lambda: verdicts(encrypted_parts=(verdict("valid"), verdict("unknown"))),
    ),
    "gbcs.exchange.other-code": (
        lambda: messages(CS06_COMMAND, ECS52_RESPONSE),
        lambda: messages(CS06_COMMAND, CS06_RESPONSE),
    ),
    "gbcs.exchange.several-responses": (
        lambda: messages(ECS52_COMMAND, ECS52_RESPONSE, ECS52_RESPONSE),
        lambda: messages(ECS52_COMMAND, ECS52_RESPONSE),
    ),
    "gbcs.exchange.counter-not-increasing": (
        lambda: messages(counter_of(CS06_COMMAND, 1001, 17), ECS52_COMMAND),
        lambda: messages(ECS52_COMMAND, ECS52_COMMAND),
    ),
    "gbcs.exchange.unanswered": (
        lambda: messages(ECS52_COMMAND, until=10_800),
        lambda: messages(ECS52_COMMAND, until=3_600),
    ),
    "gbcs.firmware.receipt-hash": (
        lambda: update(hashes=(REBUILT, claim("8F72 alert", OTHER))),
        lambda: update(hashes=(REBUILT, RECEIPT)),
    ),
    "gbcs.firmware.refused": (
        lambda: messages(told(0x00CE, 3, alert_code=0x8F1C)),
        lambda: messages(told(0x00CE, 3, alert_code=0x8F72)),
    ),
    "gbcs.firmware.order-hash": (
        lambda: update(hashes=(RECEIPT,), orders=(order(**WRONG, outcome="hashMismatch"),)),
        lambda: update(hashes=(RECEIPT,), orders=(order(),)),
    ),
    "gbcs.firmware.other-hash-accepted": (
        lambda: update(hashes=(RECEIPT,), orders=(order(**WRONG),)),
        lambda: update(hashes=(RECEIPT,), orders=(order(**WRONG, outcome="hashMismatch", fate="refused"),)),
    ),
    "gbcs.firmware.order-too-early": (
        lambda: update(orders=(order(outcome="noImageHeld", fate="refused"),)),
        lambda: update(orders=(order(),)),
    ),
    "gbcs.firmware.activation-failed": (
        lambda: update(orders=(order(outcome="activationFailure", fate="refused"),)),
        lambda: update(orders=(order(),)),
    ),
    "gbcs.firmware.timed-upgrade": (
        lambda: update(of_transfer={"upgrade_at": "now"}),
        lambda: update(of_transfer={"upgrade_at": "wait for a further command"}),
    ),
    "gbcs.firmware.version": (
        lambda: update(orders=(order(),), versions=(version(BEFORE),)),
        lambda: update(orders=(order(),), versions=(version(UPGRADED),)),
    ),
    "gbcs.firmware.version-despite-refusal": (
        lambda: update(orders=(order(outcome="hashMismatch", fate="refused"),), versions=(version(UPGRADED),)),
        lambda: update(orders=(order(outcome="hashMismatch", fate="refused"),), versions=(version(BEFORE),)),
    ),
    "gbcs.firmware.dated-early": (
        lambda: messages(dated(0x8F66, 0, "20260301110000Z")),
        lambda: messages(dated(0x8F66, 0, "20260301100000Z")),
    ),
    "gbcs.firmware.dated-code": (
        lambda: messages(dated(0x8F66, 2, "20260301100000Z")),
        lambda: messages(dated(0x8F66, 0, "20260301100000Z")),
    ),
    "gbcs.firmware.order-to-ppmid": (
        lambda: update(role="PPMID", orders=(order(),)),
        lambda: update(orders=(order(),)),
    ),
    "gbcs.firmware.transfer-code": (
        lambda: messages(carried(0x8F8A, 2)),
        lambda: messages(carried(0x8F8A, 0)),
    ),
    "gbcs.firmware.ppmid-version": (
        lambda: update(role="PPMID", versions=(version(BEFORE, "CS09 alert"),)),
        lambda: update(role="PPMID", versions=(version(UPGRADED, "CS09 alert"),)),
    ),
    "transport.key-switched": (lambda: switched(500), lambda: switched(1_500)),
    "tunnel.not-retrieved": (
        lambda: messages(told(0x00CE, 3, alertCode=0x819D)),
        lambda: messages(told(0x00CE, 3, alertCode=0x8F72)),
    ),
    "transport.client-readdressed": (lambda: readdressed(50), lambda: readdressed(150)),
    "tunnel.request": (lambda: tunnelled(client_maximum=500), tunnelled),
    "tunnel.data-after-refusal": (
        lambda: tunnelled(state="refused", to_client=1),
        lambda: tunnelled(state="refused"),
    ),
    "tunnel.message-too-long": (
        lambda: messages(replace(examine(ECS52_COMMAND), octets="00" * 1501)),
        lambda: messages(replace(examine(ECS52_COMMAND), octets="00" * 1500)),
    ),
    "tunnel.blocks-contradict": (
        lambda: messages(replace(examine(ECS52_COMMAND), error="incomplete: block 2 contradictory")),
        lambda: messages(replace(examine(ECS52_COMMAND), error="incomplete: block 2 not in the capture")),
    ),
}
"""By rule: what it fires on, and where it is silent."""
