"""The steps of an update in order of time, and which use case and service request each belongs to (GBCS 4.1).

CS05b (11.1) brings an image to an ESME, GSME or HCALCS, CS05c (11.4) one to a PPMID, which activates it by itself; CS06
(11.3) activates; ECS52, GCS38 and CS08 (11.2) read versions; CCS08 and CS09 are alerts without a service request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from hanscope.analyzers.results import Transfer, UpdateStage, UpdateStep
from hanscope.analyzers.tables import DEFAULT_RESPONSE
from hanscope.analyzers.transfers import first_block
from hanscope.analyzers.updates.case import WHOLE, utc
from hanscope.analyzers.updates.gathering import Story
from hanscope.analyzers.updates.orders import WAIT_FOREVER, outcome_words
from hanscope.analyzers.updates.readings import AlertCode, Kind, Reading, TransferResult
from hanscope.analyzers.updates.roles import Role
from hanscope.analyzers.updates.signs import (
    BLOCK,
    BLOCK_REQUEST,
    END,
    NOTIFY,
    OFFER,
    PAGE_REQUEST,
    QUERY,
    UPGRADE,
    Return,
    Sign,
    status_of,
)
from hanscope.dissectors.gbcs.codes import USE_CASES, alert_text

MOST_STEPS: Final = 400
"""Of one update; what is beyond are repetitions in hostile captures."""


class _Belongs(NamedTuple):
    use_case: str | None = None
    service_request: str | None = None


_DISTRIBUTION: Final = {
    "ESME/GSME": _Belongs("CS05b", "11.1"),
    "HCALCS": _Belongs("CS05b", "11.1"),
    "PPMID": _Belongs("CS05c", "11.4"),
    "ZigBee": _Belongs(),
}
_REQUESTS: Final = {
    Kind.ORDER: "11.3",
    Kind.ANSWER: "11.3",
    Kind.DATED: "11.3",
    Kind.ASKED: "11.2",
    Kind.VERSION: "11.2",
}
_STAGES: Final[dict[Kind, UpdateStage]] = {
    Kind.RECEIPT: "verification",
    Kind.CARRIED: "distribution",
    Kind.ORDER: "activation order",
    Kind.ANSWER: "activation",
    Kind.DATED: "activation",
    Kind.ACTIVATED: "activation",
    Kind.CHANGED: "activation",
    Kind.ASKED: "confirmation",
    Kind.VERSION: "confirmation",
}


def steps_of(story: Story, role: Role, turn: int | None) -> tuple[UpdateStep, ...]:
    """All steps, those at the same time in the order in which they were heard."""
    belongs = _DISTRIBUTION[role.flow]
    steps = [
        *(step for sign in story.signs for step in _sign(sign, belongs, turn)),
        *_transfers(story, belongs),
        *_stop(story, belongs),
        *(_message(reading, turn, belongs) for reading in story.readings),
        *(_mirrored(reading) for reading in story.mirrored),
        *(_returned(one, story) for one in story.returns if one.time_ns >= story.started),
    ]
    steps.sort(key=lambda one: (one.time, one.frames[:1]))
    if len(steps) > MOST_STEPS:
        first = steps[MOST_STEPS - 1]
        more = msgspec.structs.replace(first, what=f"{len(steps) - MOST_STEPS + 1:,} further steps from here on")
        return (*steps[: MOST_STEPS - 1], more)
    return tuple(steps)


def _sign(sign: Sign, belongs: _Belongs, turn: int | None) -> Iterator[UpdateStep]:
    told = _told(sign)
    if told is None:
        return
    stage, what = told
    if stage == "offer" and turn is not None and sign.time_ns >= turn:
        stage, belongs = "confirmation", _Belongs()
    yield UpdateStep(
        stage=stage,
        time=sign.time_ns,
        frames=(sign.frame,),
        what=what,
        use_case=belongs.use_case,
        service_request=belongs.service_request,
    )


def _told(sign: Sign) -> tuple[UpdateStage, str] | None:  # noqa: PLR0911 -- one line for each command
    """What an OTA command says; `None`: nothing that a transfer's own story does not tell."""
    version = f"0x{sign.identity.file_version:08x}"
    if sign.command == NOTIFY:
        return "offer", "server sent an Image Notify"
    if sign.command == QUERY:
        hardware = f" on hardware 0x{sign.hardware_version:04x}" if sign.hardware_version >= 0 else ""
        return "offer", f"device asked for a newer image, runs {version}{hardware}"
    if sign.command == OFFER:
        return (
            "offer",
            f"server offered {version}" if sign.status == 0 else f"server offered nothing: {status_of(sign)}",
        )
    if sign.command == BLOCK:
        return "distribution", f"server answered a request with {status_of(sign)}"
    if sign.command == END:
        return "verification", "device has the image" if sign.status == 0 else f"device ended with {status_of(sign)}"
    if sign.command == UPGRADE:
        return "verification" if sign.upgrade_time == WAIT_FOREVER else "activation order", _when(sign)
    if sign.command == DEFAULT_RESPONSE and sign.answered == OFFER and sign.status:
        return "offer", f"device answered the offer with {status_of(sign)}"
    if sign.command == DEFAULT_RESPONSE and sign.answered in (BLOCK_REQUEST, PAGE_REQUEST) and sign.status:
        return "distribution", f"server answered a request with {status_of(sign)}"
    return None


def _when(sign: Sign) -> str:
    if sign.upgrade_time == WAIT_FOREVER:
        return "server told the device to wait for an activation command"
    delay = sign.upgrade_time - max(sign.current_time, 0)
    return "server told the device to upgrade " + (f"in {delay} s" if delay > 0 else "now")


def _transfers(story: Story, belongs: _Belongs) -> Iterator[UpdateStep]:
    flowed = [one for one in story.transfers if one.flowed]
    for transfer in flowed:
        started, frame = transfer.started, transfer.first_frame
        ended, last = transfer.ended, transfer.last_frame
        if (began := first_block(transfer)) is not None:
            started, frame = began.time, began.frame
        elif len(flowed) == 1 and story.course is not None:
            started, frame = story.course.first_ns, story.course.first_frame
        if transfer is flowed[-1] and story.course is not None and story.course.last_ns >= started:
            ended, last = story.course.last_ns, story.course.last_frame
        yield UpdateStep(
            stage="distribution",
            time=started,
            until=ended,
            frames=(frame, last),
            what=_flowed(transfer),
            use_case=belongs.use_case,
            service_request=belongs.service_request,
            transfer_id=transfer.id,
        )
        for pause in transfer.resumptions:
            yield UpdateStep(
                stage="distribution",
                time=pause.time,
                frames=(pause.frame,),
                what=pause.what,
                use_case=belongs.use_case,
                service_request=belongs.service_request,
                transfer_id=transfer.id,
            )


def _stop(story: Story, belongs: _Belongs) -> Iterator[UpdateStep]:
    """When a transfer came to no end: what was heard last."""
    ending = story.ending
    if ending is None or not story.transfers or story.transfers[-1].state != "stalled":
        return
    time, frame, what = ending.last_ns, ending.last_frame, "last that was heard of the transfer"
    if ending.unanswered and story.transfers[-1].block_responses:
        time, frame = ending.answered_ns, ending.answered_frame
        requests = "1 more request" if ending.unanswered == 1 else f"{ending.unanswered} more requests"
        what = f"last that was heard of the server; {requests} came"
    yield UpdateStep(
        stage="distribution",
        time=time,
        frames=(frame,),
        what=what,
        use_case=belongs.use_case,
        service_request=belongs.service_request,
        transfer_id=story.transfers[-1].id,
    )


def _flowed(transfer: Transfer) -> str:
    whole = transfer.state in WHOLE
    size = f" of {transfer.image_size:,}" if transfer.image_size is not None and not whole else ""
    octets = transfer.delivered_bytes
    again = f", {transfer.repeated_requests:,} asked for again" if transfer.repeated_requests else ""
    often = "once" if transfer.wait_responses == 1 else f"{transfer.wait_responses:,} times"
    waits = f", told to wait {often}" if transfer.wait_responses else ""
    attempt = f"attempt {transfer.attempt}: " if transfer.attempt > 1 else ""
    return f"{attempt}{octets:,}{size} octets in {transfer.block_responses:,} blocks{again}{waits}"


def _message(reading: Reading, turn: int | None, belongs: _Belongs) -> UpdateStep:
    stage = _STAGES[reading.kind]
    if stage == "confirmation" and (turn is None or reading.time < turn):
        stage = "offer"
    use_case = USE_CASES.get(reading.message.message_code or 0)
    if use_case is not None and use_case.name:
        belongs = _Belongs(use_case.name, _REQUESTS.get(reading.kind))
    elif reading.kind is not Kind.RECEIPT:  # the receipt alert is the distribution's
        belongs = _Belongs(f"{use_case.message_code:04X}" if use_case else None, _REQUESTS.get(reading.kind))
    return UpdateStep(
        stage=stage,
        time=reading.way.started,
        until=reading.way.ended,
        frames=reading.message.frames,
        what=_words(reading),
        use_case=belongs.use_case,
        service_request=belongs.service_request,
        message_id=reading.id,
    )


def _returned(one: Return, story: Story) -> UpdateStep:
    stage: UpdateStage = "offer" if one.time_ns < story.begun else "distribution"
    if story.course is not None and one.time_ns > story.course.last_ns and story.transfers[-1].state in WHOLE:
        stage = "activation"
    return UpdateStep(stage=stage, time=one.time_ns, frames=(one.frame,), what=f"device was back: {one.how}")


def _mirrored(reading: Reading) -> UpdateStep:
    version = "none" if reading.version is None else f"0x{reading.version:08x}"
    return UpdateStep(
        stage="confirmation",
        time=reading.way.started,
        until=reading.way.ended,
        frames=reading.message.frames,
        what=f"gas proxy said that the meter runs {version}",
        use_case="GCS38",
        service_request="11.2",
        message_id=reading.id,
    )


def _words(reading: Reading) -> str:  # noqa: C901, PLR0911 -- one line for each kind
    part = "" if reading.whole else " (not all of the message was heard)"
    version = "" if reading.version is None else f", version 0x{reading.version:08x}"
    match reading.kind:
        case Kind.RECEIPT:
            genuine = reading.code != AlertCode.VERIFICATION_FAILED
            name = f" {reading.code:04X}" if reading.code is not None else ""
            return f"device found the image {'genuine' if genuine else 'not genuine'} (receipt alert{name}){part}"
        case Kind.ORDER if reading.cancels:
            return f"supplier cancelled the activation{part}"
        case Kind.ORDER:
            when = f" at {utc(reading.due)}" if reading.due is not None else " at once" if reading.whole else ""
            return f"supplier ordered the activation{when}{part}"
        case Kind.ANSWER if reading.code is None:
            return f"device accepted the order{part}"
        case Kind.ANSWER | Kind.DATED:
            return f"device answered: {outcome_words(reading.code) or 'outcome unknown'}{version}{part}"
        case Kind.CARRIED:
            known = reading.code is not None and reading.code in set(TransferResult)
            result = TransferResult(reading.code or 0).name.lower().replace("_", " ") if known else "unknown"
            return f"Communications Hub about the transfer: {result}{part}"
        case Kind.ACTIVATED:
            return f"device {'activated' if reading.code == 0 else 'could not activate'} the image{version}{part}"
        case Kind.CHANGED:
            return f"device: {alert_text(reading.code or 0)}{part}"
        case Kind.ASKED:
            return f"the firmware version was asked for{part}"
        case Kind.VERSION:
            return f"device runs{version.removeprefix(', version')}" if version else f"the version was not told{part}"
