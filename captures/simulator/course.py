"""One device's way through its update: loading the image, and for Great Britain's devices what GBCS makes of it.

    every device   Image Notify, Query Next Image, blocks or pages, Upgrade End (ZCL 11.13)
    ESME, GSME     + receipt alert 8F72 or 8F1C, activation command CS06, its response (or alert 00CA), version reads
    HCALCS         the same; its version is read with CS08
    PPMID          activates by itself; + alert CS09, version read with CS08 (GBCS 11.6)

Faults strike at a share of the image, or at a step. All times are in nanoseconds since the start.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import SECOND, Int64s
from hanscope.captures.simulator.faults import Value
from hanscope.captures.simulator.firmware import (
    MILLISECOND,
    TAG,
    TRIES,
    WAIT_FOR_ACTIVATION,
    Firmware,
    Habits,
    announce,
    answer_ns,
)
from hanscope.captures.simulator.han import HUB, Role
from hanscope.captures.simulator.house import NOTE, House
from hanscope.captures.simulator.kinds import Kind, security_of
from hanscope.captures.simulator.loading import Attempt
from hanscope.captures.simulator.messages import (
    CANCEL,
    RECEIVED,
    REJECTED,
    Command,
    Speakers,
    TransferResult,
    at,
    generalized,
)
from hanscope.captures.simulator.messages import Activation as Outcome
from hanscope.captures.simulator.truth import (
    Activation,
    Blocks,
    Cause,
    DeviceTruth,
    Event,
    Flow,
    State,
    Step,
)
from hanscope.dissectors.images.gbcs import TRAILER_LENGTH, manufacturer_image_hash
from hanscope.dissectors.zigbee.codes import Cluster, Status
from hanscope.dissectors.zigbee.ota import OtaCommand

FLOWS: Final[dict[Role, Flow]] = {
    Role.ESME: "ESME/GSME",
    Role.GSME: "ESME/GSME",
    Role.HCALCS: "HCALCS",
    Role.PPMID: "PPMID",
}
RETRY_NS: Final = 3 * SECOND
PAUSE_NS: Final = 3 * SECOND
BOOT_NS: Final = 4 * SECOND
LATER_NS: Final = 40 * SECOND
"""From a future dated command to its execution."""
LAST_NS: Final = 8 * SECOND
SILENT_NS: Final = 75 * SECOND
"""The capture goes on for so long after a device has asked its last."""
PATIENT_NS: Final = 150 * SECOND
"""The same after a device has everything that it needs to be activated."""
SPACING_MS: Final = 100
PERIOD_MS: Final = 1000
"""The MinimumBlockPeriod of a server that has one; milliseconds."""
HEADER: Final = 60
_NO_KEY: Final = bytes(16)
_PROPERTIES: Final = {"hardware_version": 1}


class _StopError(Exception):
    """The update goes no further."""

    def __init__(self, state: State, failed_at: Step | None = None, cause: Cause | None = None) -> None:
        super().__init__(state)
        self.state: State = state
        self.failed_at: Step | None = failed_at
        self.cause: Cause | None = cause


def _failed(failed_at: Step, cause: Cause) -> _StopError:
    return _StopError("failed", failed_at, cause)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device is to do."""

    node: int
    firmware: Firmware
    habits: Habits
    start_ns: int
    running: int
    """The version that runs before."""
    faults: dict[str, Value]
    activation: Activation = "immediate"
    suspended: bool = False
    """The hub suspends other traffic for a while and slows the device down (sub-GHz duty cycle)."""
    shared: int | None = None
    """Others load the same image too: the place among them."""


@dataclass(frozen=True, slots=True)
class _Said:
    """An event before anybody knows its frame."""

    at_ns: int
    what: str
    note: int | None = None
    message: int | None = None


class DeviceCourse:
    """Plays one device's update."""

    def __init__(self, house: House, plan: Plan) -> None:
        self.house = house
        self.plan = plan
        self.air = house.air
        self.node = plan.node
        self.one = self.air.han.nodes[plan.node]
        self.flow: Flow = FLOWS.get(self.one.role, "ZigBee")
        self.firmware = plan.firmware
        self.faults = plan.faults
        self.rng = np.random.default_rng([house.seed, 7, plan.node])
        self.now = plan.start_ns
        self.running = plan.running
        self.server = HUB
        self.file = self.firmware.octets
        self.image = self.file
        """What the server sends."""
        self.held = bytearray(len(self.image))
        self.offset = 0
        self.attempts: list[Attempt] = []
        self.events: list[_Said] = []
        self.offers: dict[int, list[int]] = {}
        """Notes of the offers of each server."""
        self.state: State = "offered"
        self.failed_at: Step | None = None
        self.cause: Cause | None = None
        self.alert: tuple[int, bytes] | None = None
        self.ordered: list[bytes] = []
        self.activation: Activation | None = None
        self.too_early = False
        self.silent = False
        self.aborts = False
        self.out_of_reach = False
        self.key: bytes | None = None
        """The link key that the device has by mistake."""
        self._blocks = _Chosen(self)
        self._points = self._timetable()

    # -- the story -----------------------------------------------------------------------------------------------------

    def play(self) -> int:
        try:
            self._play()
        except _StopError as stop:
            self.state, self.failed_at, self.cause = stop.state, stop.failed_at, stop.cause
        if self.attempts:
            self.attempts[-1].ended_ns = max(self.attempts[-1].ended_ns, self.now)
        if self.cause == "still-running":
            self.house.deaf_from_ns = self.now
            return self.now
        if self.cause == "never-activated":
            return self.now + PATIENT_NS
        return self.now + (SILENT_NS if self.failed_at == "distribution" else LAST_NS)

    def _play(self) -> None:
        if self.flow != "ZigBee":
            self.now = self.house.tunnels.open(self.node, self.now) + SECOND
            self._read_version()
        self._offer()
        self._load()
        self._end()
        match self.flow:
            case "ESME/GSME" | "HCALCS":
                self._receipt()
                self._order()
            case "PPMID":
                self._activate_ppmid()
            case _:
                self._reboot()
        self.state = "activated"
        self._confirm()

    # -- what is sent --------------------------------------------------------------------------------------------------

    @cached_property
    def _answer_ns(self) -> int:
        return answer_ns(self.one)

    @property
    def _secured(self) -> kinds.Security:
        return security_of(self.air.han.nodes[max(self.node, self.server)])

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "manufacturer_code": self.firmware.manufacturer_code,
            "image_type": self.firmware.image_type,
            "file_version": self.firmware.file_version,
        }

    def _ask(self, kind: Kind, at_ns: int, *, heard: bool = True, tag: int | None = None, **columns: Any) -> Int64s:
        """The device sends to its server."""
        repeats = 0
        if self.key is not None:
            kind, repeats = _with_wrong_key(kind, self.key), 2
        extra: dict[str, Any] = {} if tag is None else {"tag": NOTE + tag}
        reached = heard and not self.out_of_reach
        return self.air.send(kind, at_ns, self.node, self.server, heard=reached, repeats=repeats, **extra, **columns)

    def _tell(self, kind: Kind, at_ns: int, asked: Int64s | None = None, **columns: Any) -> None:
        """The server sends to the device."""
        answers: dict[str, Any] = {} if asked is None else {"answers": asked}
        self.air.send(kind, at_ns, self.server, self.node, **answers, **columns)

    def _say(self, octets: bytes, what: str) -> None:
        """A GBCS message goes through the tunnel."""
        tunnels = self.house.tunnels
        self.events.append(_Said(self.now, what, message=tunnels.count))
        self.now = tunnels.say(octets, self.now) + 200 * MILLISECOND

    def _note(self, what: str) -> int:
        """An event whose frame is to be known; returns its tag."""
        note = self.house.note()
        self.events.append(_Said(self.now, what, note=note))
        return note

    @property
    def _speakers(self) -> Speakers:
        return self.house.speakers

    def _today(self) -> Any:
        return at(self.air.start_ns + self.now)

    # -- offer ---------------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        wanted = self.faults.get("refused-image")
        if self.plan.habits.notified:
            note = self._note("Image Notify")
            self._tell(kinds.bare_notify(self._secured), self.now, tag=NOTE + note)
            self.now += SECOND
        if wanted == "server":
            self._query()
            raise _StopError("refused", "offer", "image-refused")
        self._query(offered=True)
        self._begin_attempt()
        self.state = "offered"
        if wanted == "client":
            self._ask(
                kinds.default_response(self._secured, Cluster.OTA_UPGRADE),
                self.now,
                tag=self._note("offer refused"),
                command_identifier=OtaCommand.QUERY_NEXT_IMAGE_RESPONSE,
                status=Status.INVALID_FIELD,
            )
            self.now += SECOND
            raise _StopError("refused", "offer", "image-refused")
        self.now += SECOND

    def _query(self, *, offered: bool = False) -> None:
        """Query Next Image; with the answer that there is one, or none."""
        version: dict[str, Any] = self._identity | {"file_version": self.running} | _PROPERTIES
        asked = self._ask(
            kinds.query_next_image_request(self._secured),
            self.now,
            tag=self._note(f"query, running 0x{self.running:08x}"),
            **version,
        )
        self.now += self._answer_ns
        if offered:
            offer: dict[str, Any] = self._identity | {"image_size": self.firmware.size}
            note = self._note("image offered")
            self.offers.setdefault(self.server, []).append(note)
            kind = kinds.query_next_image_response(self._secured)
            self._tell(kind, self.now, asked, tag=NOTE + note, **offer)
        else:
            note = self._note("no image available")
            self._tell(kinds.no_image_available(self._secured), self.now, asked, tag=NOTE + note)
        self.now += self._answer_ns

    # -- loading -------------------------------------------------------------------------------------------------------

    def _timetable(self) -> list[tuple[int, Callable[[], None]]]:
        """What happens before which offset is asked for, ascending."""
        doings: dict[str, Callable[[], None]] = {
            "cut-short": self._cut,
            "server-silent": self._fall_silent,
            "restart-at-zero": self._restart,
            "reboot-resume": self._resume,
            "client-rebooted": self._reboot_for_good,
            "stalled-client": self._stall,
            "radio-lost": self._leave,
            "discarded-image": self._discard,
            "wrong-key": self._mistake_key,
            "key-switch": self._renew_key,
            "two-servers": self._change_server,
            "early-activation": self._order_early,
        }
        points = [(float(self.faults[name]), doing) for name, doing in doings.items() if name in self.faults]
        if self.plan.suspended:
            points += [(0.3, self._suspend), (0.6, self._go_on)]
        if self.faults.get("rate-limit-ignored") == "abort":
            points.append((0.4, self._abort_rate))
        last = (self.firmware.size - 1) // self._step * self._step
        # What strikes several devices that load the same image is no fault of one of its blocks.
        apart = 3 * self._step * (self.plan.shared or 0)
        timetable = [(min(round(share * self.firmware.size) + apart, last), doing) for share, doing in points]
        return sorted(timetable, key=lambda point: point[0])

    @property
    def _step(self) -> int:
        """Octets that the device asks for at a time."""
        return self.plan.habits.page or self.plan.habits.block

    def _load(self) -> None:
        """Fetches the image; `_StopError` if the device does not get it."""
        self.state = "distributing"
        while self.offset < self.firmware.size:
            while self._points and self.offset >= self._points[0][0]:
                self._points.pop(0)[1]()
            if self.plan.habits.page:
                self._fetch_page(self.offset)
            else:
                self._fetch(self.offset)
            self.offset += self._step

    def _begin_attempt(self) -> None:
        if self.attempts:
            self.attempts[-1].ended_ns = self.now
        number = self.house.attempt()
        attempt = Attempt(number, self.server, self.firmware.size, self.plan.habits.block)
        attempt.offers = self.offers[self.server]
        self.attempts.append(attempt)

    @property
    def _attempt(self) -> Attempt:
        return self.attempts[-1]

    def _length(self, offset: int) -> int:
        return min(self.plan.habits.block, self.firmware.size - offset)

    def _fetch(self, offset: int) -> None:
        """One block; `_StopError` if it does not come."""
        for _ in range(TRIES):
            if self._fetch_once(offset):
                self._keep(offset, self.image[offset : offset + self._length(offset)])
                pace = self.plan.habits.pace_ns
                self.now += pace + int(self.rng.integers(0, pace // 4 + 1))
                self._after_block(offset)
                return
            self.now += RETRY_NS
        if self.key is not None:
            raise _failed("distribution", "wrong-key")
        if self._blocks.unreadable(offset):
            raise _failed("distribution", "file-at-fault" if self.plan.shared is not None else "server-silent")
        raise _failed("distribution", "server-silent" if self.silent else "radio-link-lost")

    def _request(self, offset: int, *, heard: bool = True) -> Int64s:
        note = self.house.note()
        if not self._attempt.requests:
            self.events.append(_Said(self.now, f"first request, at offset {offset}", note=note))
        block = self.plan.habits.block
        self._attempt.ask(offset, self._length(offset), note, self.now, readable=self.key is None)
        return self._ask(
            kinds.image_block_request(self._secured),
            self.now,
            heard=heard,
            tag=note,
            **self._identity,
            file_offset=offset,
            maximum_data_size=block,
        )

    def _loses(self) -> bool:
        """Whether this message is lost on the radio."""
        share = float(self.faults.get("lost-blocks", 0.0))
        return share > 0 and bool(self.rng.random() < share)

    def _fetch_once(self, offset: int) -> bool:
        """One request, and what comes of it; whether the device then has the block."""
        lost = self._loses()
        request_lost = lost and bool(self.rng.random() < 0.5)
        asked = self._request(offset, heard=not request_lost)
        answer = self.now + self._answer_ns
        if request_lost or self.out_of_reach or self.silent or self.key is not None or self._blocks.unreadable(offset):
            return False
        if self.aborts:
            self._tell(kinds.abort(self._secured), answer, asked, tag=NOTE + self._note("the server aborts"))
            self.now = answer + SECOND
            raise _failed("distribution", "rate-limited" if "rate-limit-ignored" in self.faults else "image-discarded")
        if (wait := self._blocks.wait(offset)) is not None:
            seconds, period = wait
            kind = kinds.wait_for_data(self._secured)
            self._tell(kind, answer, asked, request_time=seconds, minimum_block_period=period)
            ignored = "rate-limit-ignored" in self.faults
            self.now = answer + (300 * MILLISECOND if ignored else seconds * SECOND + 300 * MILLISECOND)
            return self._fetch_once(offset)
        if self._blocks.skips(offset) and offset + self.plan.habits.block < self.firmware.size:
            self._attempt.misplaced.add(offset + self.plan.habits.block)
            self._data(offset + self.plan.habits.block, answer, asked)
            return False
        self._data(offset, answer, asked, heard=not lost)
        if self._blocks.repeats(offset):
            self._data(offset, answer + 8 * self._answer_ns, asked)
        return not lost

    def _data(
        self,
        offset: int,
        at_ns: int,
        asked: Int64s,
        *,
        heard: bool = True,
        octets: bytes | None = None,
        acked: bool = True,
    ) -> None:
        """An Image Block Response."""
        size = self._length(offset)
        data = self.image[offset : offset + size] if octets is None else octets
        self._tell(
            kinds.image_block_response(self._secured, size, acked=acked),
            at_ns,
            asked,
            tag=self._attempt.number * TAG + offset,
            heard=heard,
            **self._identity,
            file_offset=offset,
            image_data=np.frombuffer(data, np.uint8).reshape(1, -1),
        )

    def _after_block(self, offset: int) -> None:
        """The device has a block; it may ask for it once more, or find in it that it does not want the image."""
        pace = self.plan.habits.pace_ns
        if self._blocks.corrupts(offset):
            octets = bytes(octet ^ 0x5A for octet in self.image[offset : offset + self._length(offset)])
            asked = self._request(offset)
            self._data(offset, self.now + self._answer_ns, asked, octets=octets)
            self._keep(offset, octets)
            self.now += pace
        if "wrong-hardware" in self.faults and offset + self.plan.habits.block >= 2 * HEADER:
            self._refuse("image-refused: hardware", TransferResult.HARDWARE_VERSION_MISMATCH)
            raise _failed("verification", "wrong-hardware")

    def _keep(self, offset: int, octets: bytes) -> None:
        self.held[offset : offset + len(octets)] = octets
        self._attempt.got.add(offset)

    def _fetch_page(self, page: int) -> None:
        """An Image Page Request; blocks of it that do not come are asked for one by one (ZCL 11.13.7)."""
        habits, size = self.plan.habits, self.firmware.size
        length = min(habits.page, size - page)
        offsets = range(page, page + length, habits.block)
        note = self.house.note()
        if not self._attempt.requests:
            self.events.append(_Said(self.now, f"first page request, at offset {page}", note=note))
        self._attempt.ask(page, length, note, self.now, page=True, readable=self.key is None)
        asked = self._ask(
            kinds.image_page_request(self._secured),
            self.now,
            tag=note,
            **self._identity,
            file_offset=page,
            maximum_data_size=habits.block,
            page_size=length,
            response_spacing=SPACING_MS,
        )
        self.now += self._answer_ns
        lost: list[int] = []
        for offset in offsets:
            gone = self._loses()
            mute = self.silent or self.out_of_reach or self.key is not None or self.aborts
            mute = mute or self._blocks.unreadable(offset)
            if not mute:
                self._data(offset, self.now, asked, heard=not gone, acked=False)
                if self._blocks.repeats(offset):
                    self._data(offset, self.now + SPACING_MS * MILLISECOND // 2, asked, acked=False)
            if gone or mute:
                lost.append(offset)
            else:
                self._keep(offset, self.image[offset : offset + self._length(offset)])
            self.now += SPACING_MS * MILLISECOND
        self.now += habits.pace_ns
        for offset in offsets:
            if offset in lost:
                self._fetch(offset)
            else:
                self._after_block(offset)

    # -- what happens on the way ---------------------------------------------------------------------------------------

    def _cut(self) -> None:
        raise _StopError("distributing", "distribution", "still-running")

    def _fall_silent(self) -> None:
        self.silent = True

    def _restart(self) -> None:
        self._begin_attempt()
        self.now += 2 * SECOND
        self.offset = 0

    def _resume(self) -> None:
        self._reboot()
        self._query(offered=True)
        self.now += SECOND

    def _reboot_for_good(self) -> None:
        self._reboot()
        raise _failed("distribution", "client-rebooted")

    def _stall(self) -> None:
        raise _failed("distribution", "client-stalled")

    def _leave(self) -> None:
        self.out_of_reach = True
        self.house.silence.everything[self.node] = [(self.now, 1 << 62)]

    def _discard(self) -> None:
        self.aborts = True
        self._over_wan(TransferResult.IMAGE_DISCARDED)

    def _abort_rate(self) -> None:
        self.aborts = True

    def _mistake_key(self) -> None:
        self.key = self.rng.bytes(16)
        self.house.wrong_keys.append(self.key)
        self.house.silence.reports[self.node] = [(self.now, 1 << 62)]

    def _renew_key(self) -> None:
        self.house.renew_network_key(self.now)

    def _change_server(self) -> None:
        """The rest comes from the second server, of another build of the same version."""
        self.server = len(self.air.han.nodes) - 1
        note = self._note("Image Notify of a second server")
        self._tell(kinds.bare_notify(self._secured), self.now, tag=NOTE + note)
        self.now += SECOND
        self._query(offered=True)
        self.now += SECOND
        self.image = replace(self.firmware, seed=self.firmware.seed + 1_000_003).octets
        self._begin_attempt()

    def _order_early(self) -> None:
        """The activation command comes before the image is whole."""
        command = self._command(manufacturer_image_hash(self.firmware.manufacturer_image))
        self._say(
            Speakers.activated(command, self._today(), Outcome.NO_IMAGE_HELD, self.running), "CS06: no image held"
        )
        self.activation = "immediate"
        self.too_early = True

    def _suspend(self) -> None:
        """The hub comes near its duty cycle limit: no other traffic, and blocks are delayed."""
        note = self._note("ZCL messages suspended")
        self._tell(kinds.suspend(self._secured), self.now, tag=NOTE + note, period=5)
        self.house.silence.reports[self.node] = [(self.now, self.now + 300 * SECOND)]
        self._blocks.critical = True
        self.now += SECOND

    def _go_on(self) -> None:
        note = self._note("ZCL messages go on")
        self._tell(kinds.suspend(self._secured), self.now, tag=NOTE + note, period=0)
        begin = self.house.silence.reports[self.node][0][0]
        self.house.silence.reports[self.node] = [(begin, self.now)]
        self._blocks.critical = False
        self.now += SECOND

    # -- the end of the download ---------------------------------------------------------------------------------------

    @property
    def _is_meter(self) -> bool:
        return self.flow in ("ESME/GSME", "HCALCS")

    def _verdict(self) -> Cause | None:
        """Why the device does not take the image that it has."""
        if bytes(self.held) != self.file:
            return "two-servers" if self.server != HUB else "image-corrupted"
        if "bad-signature" in self.faults:
            return "image-rejected-bad"
        return "image-rejected-good" if "good-rejected" in self.faults else None

    def _end(self) -> None:
        if (cause := self._verdict()) is not None:
            self._refuse("image refused", TransferResult.FILE_TRANSFER_FAILURE)
            if self._is_meter:
                self._send_receipt(REJECTED)
            raise _failed("verification", cause)
        asked = self._end_request(Status.SUCCESS, "Upgrade End: success")
        waits = self._is_meter or "never-activated" in self.faults
        note = self._note("Upgrade End Response")
        self._tell(
            kinds.upgrade_end_response(self._secured),
            self.now,
            asked,
            tag=NOTE + note,
            **self._identity,
            upgrade_time=WAIT_FOR_ACTIVATION if waits else 0,
        )
        self._over_wan(TransferResult.SUCCESS)
        self.state = "distributed"
        self.now += PAUSE_NS
        if "never-activated" in self.faults and not self._is_meter:
            raise _StopError("distributed", "activation", "never-activated")

    def _end_request(self, status: Status, what: str) -> Int64s:
        self.now += SECOND
        note = self._note(what)
        self._attempt.end_note, self._attempt.end_status = note, int(status)
        asked = self._ask(
            kinds.upgrade_end_request(self._secured), self.now, tag=note, status=int(status), **self._identity
        )
        self._attempt.ended_ns = self.now
        self.now += self._answer_ns
        return asked

    def _refuse(self, what: str, result: TransferResult) -> None:
        asked = self._end_request(Status.INVALID_IMAGE, what)
        self._tell(
            kinds.default_response(self._secured, Cluster.OTA_UPGRADE, from_server=True),
            self.now,
            asked,
            command_identifier=OtaCommand.UPGRADE_END_REQUEST,
            status=int(Status.SUCCESS),
        )
        self._over_wan(result)
        self.now += PAUSE_NS

    def _over_wan(self, result: TransferResult) -> None:
        """CCS08: the hub tells how the transfer to a PPMID ended, by the WAN."""
        if self.flow == "PPMID":
            party = self.house.party(self.node)
            version = self.firmware.file_version
            self.house.wan.append(self._speakers.transferred(party, self._today(), version, result))

    # -- Great Britain -------------------------------------------------------------------------------------------------

    def _receipt(self) -> None:
        self._send_receipt(RECEIVED)
        self.state = "receipt given"

    def _send_receipt(self, code: int) -> None:
        signed = bytes(self.held[HEADER:-TRAILER_LENGTH])
        image_hash = manufacturer_image_hash(signed)
        self.alert = code, image_hash
        dlms = self.one.role is Role.ESME
        party = self.house.party(self.node)
        octets = self._speakers.receipt(party, self._today(), code, image_hash, dlms=dlms)
        self._say(octets, f"receipt alert {code:04X}")
        self.now += PAUSE_NS

    def _command(self, image_hash: bytes, execution: str | None = None) -> Command:
        """CS06 on its way."""
        command = self._speakers.activate(self.house.party(self.node), image_hash, execution)
        when = "at once" if execution is None else "cancelled" if execution == CANCEL else f"for {execution}"
        self.ordered.append(image_hash)
        self._say(command.octets, f"CS06: activate {when}")
        return command

    def _order(self) -> None:
        if self.too_early:
            raise _failed("activation order", "activation-too-early")
        if self.faults.get("never-activated") == "unordered":
            raise _StopError("receipt given", "activation order", "never-activated")
        image_hash = manufacturer_image_hash(self.firmware.manufacturer_image)
        if "wrong-hash" in self.faults:
            image_hash = hashlib.sha256(image_hash).digest()
        self.activation = self.plan.activation
        self.now += PAUSE_NS
        if "never-activated" in self.faults:
            self._order_in_vain(image_hash)
        if self.activation == "immediate":
            self._order_now(image_hash)
        else:
            self._order_later(image_hash)

    def _outcome(self) -> Outcome:
        if "wrong-hash" in self.faults:
            return Outcome.HASH_MISMATCH
        return Outcome.ACTIVATION_FAILURE if "activation-refused" in self.faults else Outcome.SUCCESS

    def _order_now(self, image_hash: bytes) -> None:
        command = self._command(image_hash)
        self.state = "activation ordered"
        outcome = self._outcome()
        if outcome is Outcome.SUCCESS:
            self._reboot()
        octets = Speakers.activated(command, self._today(), outcome, self.running)
        self._say(octets, f"CS06 response: {outcome.name.lower()}")
        self._judge(outcome)

    def _judge(self, outcome: Outcome) -> None:
        if outcome is Outcome.HASH_MISMATCH:
            raise _failed("activation order", "wrong-hash-ordered")
        if outcome is Outcome.ACTIVATION_FAILURE:
            raise _failed("activation", "activation-refused")

    def _order_later(self, image_hash: bytes) -> None:
        """Future dated; perhaps cancelled, or replaced by a command for another time."""
        replaced, cancelled = self.activation == "replaced", self.activation == "cancelled"
        command, execution, due = self._accept(image_hash, LATER_NS * (3 if replaced or cancelled else 1))
        self.state = "activation ordered"
        self.now += PAUSE_NS
        if cancelled:
            cancel = self._command(image_hash, CANCEL)
            self._say(Speakers.accepted(cancel, self._today()), "CS06 response: accepted")
            self.now = due + PAUSE_NS
            self._read_version()
            raise _StopError("receipt given")
        if replaced:
            command, execution, due = self._accept(image_hash, LATER_NS)
        self.now = max(self.now, due)
        outcome = self._outcome()
        if outcome is Outcome.SUCCESS:
            self._reboot()
        octets = self._speakers.carried_out(command, execution, outcome, self.running)
        self._say(octets, f"alert of the future dated CS06: {outcome.name.lower()}")
        self._judge(outcome)

    def _order_in_vain(self, image_hash: bytes) -> None:
        """Future dated, and nothing comes of it."""
        self.activation = "future"
        _, _, due = self._accept(image_hash, LATER_NS)
        self.now = due + SILENT_NS
        self._read_version()
        raise _failed("activation", "never-activated")

    def _accept(self, image_hash: bytes, later_ns: int) -> tuple[Command, str, int]:
        """A future dated CS06 and its response; returns it, its execution time, and the same in nanoseconds."""
        seconds = -(-(self.now + later_ns) // SECOND)
        execution = generalized(at(self.air.start_ns) + timedelta(seconds=seconds))
        command = self._command(image_hash, execution)
        self._say(Speakers.accepted(command, self._today()), "CS06 response: accepted")
        return command, execution, seconds * SECOND

    def _activate_ppmid(self) -> None:
        success = "activation-refused" not in self.faults
        if success:
            self._reboot()
        works = success and "version-unchanged" not in self.faults
        octets = self._speakers.ppmid_activated(self.house.party(self.node), self._today(), self.running, success=works)
        self._say(octets, "CS09: activation alert")
        if not success:
            raise _failed("activation", "activation-refused")

    def _reboot(self) -> None:
        """The device boots; after the activation with its new firmware."""
        if self.state not in ("offered", "distributing") and "version-unchanged" not in self.faults:
            self.running = self.firmware.file_version
        self.now += BOOT_NS
        self.air.reboot(self.now, self.node)
        self.events.append(_Said(self.now, "rebooted"))
        announce(self.air, self.now, self.node)
        self.now += SECOND
        if self.flow != "ZigBee":
            self.now = self.house.tunnels.open(self.node, self.now) + SECOND

    def _read_version(self) -> None:
        party = self.house.party(self.node)
        if self.flow == "ZigBee":
            return
        read = {Role.ESME: self._speakers.read_esme, Role.GSME: self._speakers.read_gsme}
        command = read.get(self.one.role, self._speakers.read_other)(party)
        self._say(command.octets, "version read")
        self._say(Speakers.version(command, self.running), f"version 0x{self.running:08x}")
        self.now += SECOND

    def _confirm(self) -> None:
        self.now += PAUSE_NS
        self._read_version()
        self._query()
        if "version-unchanged" in self.faults:
            raise _failed("confirmation", "version-unchanged")
        self.state = "confirmed"

    # -- the truth -----------------------------------------------------------------------------------------------------

    def truth(self, blocks: Blocks, heard: dict[int, int]) -> DeviceTruth:
        start = self.air.start_ns
        frames = [min(one.frames, default=0) for one in self.house.said]
        got = {offset for attempt in self.attempts for offset in attempt.got}
        whole = len(got) == -(-self.firmware.size // self.plan.habits.block)
        return DeviceTruth(
            device=self.node,
            flow=self.flow,
            state=self.state,
            failed_at=self.failed_at,
            cause=self.cause,
            firmware=self.firmware,
            manufacturer_image_hash=manufacturer_image_hash(self.firmware.manufacturer_image),
            held_sha256=hashlib.sha256(self.held).hexdigest() if whole else None,
            alert=self.alert,
            ordered=tuple(self.ordered),
            activation=self.activation,
            version_before=self.plan.running,
            version_after=self.running,
            attempts=tuple(attempt.truth(start, blocks, heard) for attempt in self.attempts),
            events=tuple(
                Event(
                    time_ns=start + one.at_ns,
                    what=one.what,
                    frame=frames[one.message] if one.message is not None else heard.get(_or_none(one.note), 0),
                )
                for one in self.events
            ),
        )


def _or_none(note: int | None) -> int:
    return -1 if note is None else note


def _with_wrong_key(kind: Kind, key: bytes) -> Kind:
    """The same with a key that the receiver does not have, so that no APS acknowledgement comes."""
    return replace(kind, aps_key=key, aps_ack=None)


class _Chosen:
    """Which blocks the faults strike; at least one of each fault that there is."""

    def __init__(self, course: DeviceCourse) -> None:
        self._course = course
        self._sets = {
            name: self._some(float(course.faults[name]))
            for name in ("corrupt-blocks", "server-repeats", "server-skips")
            if name in course.faults
        }
        self._told: set[int] = set()
        self.critical = False
        """The server is near its duty cycle limit."""

    def _some(self, share: float) -> set[int]:
        block, size = self._course.plan.habits.block, self._course.firmware.size
        offsets = np.arange(2 * block, max(size - 2 * block, 2 * block + 1), block)
        count = min(max(1, round(share * len(offsets))), len(offsets))
        return set(self._course.rng.choice(offsets, count, replace=False).tolist())

    def corrupts(self, offset: int) -> bool:
        return offset in self._sets.get("corrupt-blocks", ())

    def repeats(self, offset: int) -> bool:
        return offset in self._sets.get("server-repeats", ())

    def skips(self, offset: int) -> bool:
        """Once for each block that is chosen."""
        chosen = self._sets.get("server-skips", set[int]())
        if offset not in chosen:
            return False
        chosen.discard(offset)
        return True

    def unreadable(self, offset: int) -> bool:
        share = self._course.faults.get("file-at-fault")
        block, size = self._course.plan.habits.block, self._course.firmware.size
        return share is not None and offset <= float(share) * size < offset + block

    def wait(self, offset: int) -> tuple[int, int] | None:
        """Whether the device has to wait for this block, once: seconds, and the least time between its requests."""
        limited = "rate-limit-ignored" in self._course.faults
        if offset in self._told or not (limited or self.critical):
            return None
        number = offset // self._course.plan.habits.block
        if number % 8 or (number == 0 and not limited):
            return None
        self._told.add(offset)
        if limited:
            return (5 if number else 0), PERIOD_MS
        return 2, 0
