"""The download: offer, blocks or pages, Upgrade End (ZCL 11.13), and the faults that strike on the way.

Faults strike at a share of the image, or single blocks of it (`_Chosen`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from hanscope.captures.simulator import kinds
from hanscope.captures.simulator.air import SECOND, Int64s
from hanscope.captures.simulator.device import PAUSE_NS, Device, Said, StopError, failed
from hanscope.captures.simulator.firmware import MILLISECOND, TAG, TRIES, WAIT_FOR_ACTIVATION
from hanscope.captures.simulator.han import HUB
from hanscope.captures.simulator.house import NOTE
from hanscope.captures.simulator.loading import Attempt
from hanscope.captures.simulator.messages import TransferResult
from hanscope.captures.simulator.truth import Cause
from hanscope.dissectors.codes import Cluster, OtaCommand, Status

RETRY_NS: Final = 3 * SECOND
SPACING_MS: Final = 100
"""Between the responses to a page request."""
PERIOD_MS: Final = 1000
"""The MinimumBlockPeriod of a server that has one."""
_PATIENCE: Final = 2
"""So often such a server tells a device to wait before it gives up."""
HEADER: Final = 60
"""Octets."""
_FOREVER: Final = 1 << 62


class Download:
    """How one device gets its image, or does not."""

    def __init__(self, device: Device, order_early: Callable[[], None]) -> None:
        """`order_early`: what the fault of this name does."""
        self.device = device
        self._image = device.file
        """What the server sends."""
        self._offset = 0
        self._silent = False
        self._aborts = False
        self._order_early = order_early
        self._blocks = _Chosen(device)
        self._points = self._timetable()

    def offer(self) -> None:
        device = self.device
        wanted = device.faults.get("refused-image")
        if device.plan.habits.notified:
            note = device.note("Image Notify")
            device.tell(kinds.bare_notify(device.secured), device.now, tag=NOTE + note)
            device.now += SECOND
        if wanted == "server":
            device.query()
            raise StopError("refused", "offer", "image-refused")
        device.query(offered=True)
        self.begin_attempt()
        device.state = "offered"
        if wanted == "client":
            device.ask(
                kinds.default_response(device.secured, Cluster.OTA_UPGRADE),
                device.now,
                tag=device.note("offer refused"),
                command_identifier=OtaCommand.QUERY_NEXT_IMAGE_RESPONSE,
                status=Status.INVALID_FIELD,
            )
            device.now += SECOND
            raise StopError("refused", "offer", "image-refused")
        device.now += SECOND

    def _timetable(self) -> list[tuple[int, Callable[[], None]]]:
        """What happens before which offset is asked for, ascending."""
        device = self.device
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
        points = [(float(device.faults[name]), doing) for name, doing in doings.items() if name in device.faults]
        if device.plan.suspended:
            points += [(0.3, self._suspend), (0.6, self._go_on)]
        if device.faults.get("rate-limit-ignored") == "abort":
            points.append((0.4, self._abort_rate))
        last = (device.firmware.size - 1) // self._step * self._step
        # What strikes several devices that load the same image is no fault of one of its blocks.
        apart = 3 * self._step * (device.plan.shared or 0)
        timetable: list[tuple[int, Callable[[], None]]] = []
        for share, doing in points:
            offset = min(round(share * device.firmware.size), last)
            timetable.append((offset - apart if offset >= apart else offset + apart, doing))
        return sorted(timetable, key=lambda point: point[0])

    @property
    def _step(self) -> int:
        """Octets that the device asks for at a time."""
        return self.device.plan.habits.page or self.device.plan.habits.block

    def load(self) -> None:
        """Fetches the image; `StopError` if the device does not get it."""
        device = self.device
        device.state = "distributing"
        while self._offset < device.firmware.size:
            while self._points and self._offset >= self._points[0][0]:
                self._points.pop(0)[1]()
            if device.plan.habits.page:
                self._fetch_page(self._offset)
            else:
                self._fetch(self._offset)
            self._offset += self._step

    def begin_attempt(self) -> None:
        device = self.device
        if device.attempts:
            device.attempts[-1].ended_ns = device.now
        number = device.house.attempt()
        attempt = Attempt(number, device.server, device.firmware.size, device.plan.habits.block)
        attempt.offers = device.offers[device.server]
        device.attempts.append(attempt)

    @property
    def _attempt(self) -> Attempt:
        return self.device.attempts[-1]

    def _length(self, offset: int) -> int:
        return min(self.device.plan.habits.block, self.device.firmware.size - offset)

    def _block(self, offset: int) -> bytes:
        """What the server has there."""
        return self._image[offset : offset + self._length(offset)]

    def _answers(self, offset: int) -> bool:
        """Whether a request for this block comes to a server that has it."""
        device = self.device
        reached = not device.out_of_reach and device.key is None
        return reached and not self._silent and not self._blocks.unreadable(offset)

    def _fetch(self, offset: int) -> None:
        """One block; `StopError` if it does not come."""
        device = self.device
        for _ in range(TRIES):
            if self._fetch_once(offset):
                self._keep(offset, self._block(offset))
                pace = device.plan.habits.pace_ns
                device.now += pace + int(device.rng.integers(0, pace // 4 + 1))
                self._after_block(offset)
                return
            device.now += RETRY_NS
        if device.key is not None:
            raise failed("distribution", "wrong-key")
        if self._blocks.unreadable(offset):
            raise failed("distribution", "file-at-fault" if device.plan.shared is not None else "server-silent")
        raise failed("distribution", "server-silent" if self._silent else "radio-link-lost")

    def _request(self, offset: int, *, heard: bool = True) -> Int64s:
        device = self.device
        note = device.house.note()
        if not self._attempt.requests:
            device.events.append(Said(device.now, f"first request, at offset {offset}", note=note))
        block = device.plan.habits.block
        self._attempt.ask(offset, self._length(offset), note, device.now, readable=device.key is None)
        return device.ask(
            kinds.image_block_request(device.secured),
            device.now,
            heard=heard,
            tag=note,
            **device.identity,
            file_offset=offset,
            maximum_data_size=block,
        )

    def _loses(self) -> bool:
        """Whether this message is lost on the radio."""
        share = float(self.device.faults.get("lost-blocks", 0.0))
        return share > 0 and bool(self.device.rng.random() < share)

    def _fetch_once(self, offset: int) -> bool:
        """One request, and what comes of it; whether the device then has the block."""
        device = self.device
        lost = self._loses()
        request_lost = lost and bool(device.rng.random() < 0.5)
        asked = self._request(offset, heard=not request_lost)
        answer = device.now + device.answer_ns
        if request_lost or not self._answers(offset):
            return False
        if self._aborts and not self._blocks.lenient:
            device.tell(kinds.abort(device.secured), answer, asked, tag=NOTE + device.note("the server aborts"))
            device.now = answer + SECOND
            raise failed("distribution", "rate-limited" if "rate-limit-ignored" in device.faults else "image-discarded")
        if (wait := self._blocks.wait(offset)) is not None:
            seconds, period = wait
            kind = kinds.wait_for_data(device.secured)
            device.tell(kind, answer, asked, request_time=seconds, minimum_block_period=period)
            ignored = "rate-limit-ignored" in device.faults
            device.now = answer + (300 * MILLISECOND if ignored else seconds * SECOND + 300 * MILLISECOND)
            return self._fetch_once(offset)
        if self._blocks.skips(offset) and offset + device.plan.habits.block < device.firmware.size:
            self._attempt.misplaced.add(offset + device.plan.habits.block)
            self._data(offset + device.plan.habits.block, answer, asked)
            return False
        self._data(offset, answer, asked, heard=not lost)
        if self._blocks.repeats(offset):
            self._data(offset, answer + 8 * device.answer_ns, asked)
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
        device = self.device
        size = self._length(offset)
        data = self._block(offset) if octets is None else octets
        device.tell(
            kinds.image_block_response(device.secured, size, acked=acked),
            at_ns,
            asked,
            tag=self._attempt.number * TAG + offset,
            heard=heard,
            **device.identity,
            file_offset=offset,
            image_data=np.frombuffer(data, np.uint8).reshape(1, -1),
        )

    def _after_block(self, offset: int) -> None:
        """The device has a block; it may ask for it once more, or find in it that it does not want the image."""
        device = self.device
        pace = device.plan.habits.pace_ns
        if self._blocks.corrupts(offset):
            octets = bytes(octet ^ 0x5A for octet in self._block(offset))
            asked = self._request(offset)
            self._data(offset, device.now + device.answer_ns, asked, octets=octets)
            self._keep(offset, octets)
            device.now += pace
        if "wrong-hardware" in device.faults and offset + device.plan.habits.block >= 2 * HEADER:
            self._refuse("image-refused: hardware", TransferResult.HARDWARE_VERSION_MISMATCH)
            raise failed("verification", "wrong-hardware")

    def _keep(self, offset: int, octets: bytes) -> None:
        self.device.held[offset : offset + len(octets)] = octets
        self._attempt.got.add(offset)

    def _fetch_page(self, page: int) -> None:
        """An Image Page Request; blocks of it that do not come are asked for one by one (ZCL 11.13.7)."""
        device = self.device
        habits = device.plan.habits
        length = min(habits.page, device.firmware.size - page)
        offsets = range(page, page + length, habits.block)
        asked = self._request_page(page, length)
        device.now += device.answer_ns
        lost = [offset for offset in offsets if not self._send_in_page(offset, asked)]
        device.now += habits.pace_ns
        for offset in offsets:
            if offset in lost:
                self._fetch(offset)
            else:
                self._after_block(offset)

    def _request_page(self, page: int, length: int) -> Int64s:
        device = self.device
        note = device.house.note()
        if not self._attempt.requests:
            device.events.append(Said(device.now, f"first page request, at offset {page}", note=note))
        self._attempt.ask(page, length, note, device.now, page=True, readable=device.key is None)
        return device.ask(
            kinds.image_page_request(device.secured),
            device.now,
            tag=note,
            **device.identity,
            file_offset=page,
            maximum_data_size=device.plan.habits.block,
            page_size=length,
            response_spacing=SPACING_MS,
        )

    def _send_in_page(self, offset: int, asked: Int64s) -> bool:
        """One of the responses to a page request; whether the device then has the block."""
        device = self.device
        lost = self._loses()
        sent = self._answers(offset) and not self._aborts
        if sent:
            self._data(offset, device.now, asked, heard=not lost, acked=False)
            if self._blocks.repeats(offset):
                self._data(offset, device.now + SPACING_MS * MILLISECOND // 2, asked, acked=False)
        if sent and not lost:
            self._keep(offset, self._block(offset))
        device.now += SPACING_MS * MILLISECOND
        return sent and not lost

    def _cut(self) -> None:
        raise StopError("distributing", "distribution", "still-running")

    def _fall_silent(self) -> None:
        self._silent = True

    def _restart(self) -> None:
        self.begin_attempt()
        self.device.now += 2 * SECOND
        self._offset = 0

    def _resume(self) -> None:
        device = self.device
        device.reboot()
        device.query(offered=True)
        device.now += SECOND

    def _reboot_for_good(self) -> None:
        self.device.reboot()
        raise failed("distribution", "client-rebooted")

    def _stall(self) -> None:
        raise failed("distribution", "client-stalled")

    def _leave(self) -> None:
        device = self.device
        device.out_of_reach = True
        device.house.silence.everything[device.node] = [(device.now, _FOREVER)]

    def _discard(self) -> None:
        self._aborts = True
        self.device.over_wan(TransferResult.IMAGE_DISCARDED)

    def _abort_rate(self) -> None:
        self._aborts = True

    def _mistake_key(self) -> None:
        device = self.device
        device.key = device.rng.bytes(16)
        device.house.wrong_keys.append(device.key)
        device.house.silence.reports[device.node] = [(device.now, _FOREVER)]

    def _renew_key(self) -> None:
        self.device.house.renew_network_key(self.device.now)

    def _change_server(self) -> None:
        """The rest comes from the second server, of another build of the same version."""
        device = self.device
        device.server = len(device.air.han.nodes) - 1
        note = device.note("Image Notify of a second server")
        device.tell(kinds.bare_notify(device.secured), device.now, tag=NOTE + note)
        device.now += SECOND
        device.query(offered=True)
        device.now += SECOND
        self._image = replace(device.firmware, seed=device.firmware.seed + 1_000_003).octets
        self.begin_attempt()

    def _suspend(self) -> None:
        """The hub comes near its duty cycle limit: no other traffic, and blocks are delayed."""
        device = self.device
        note = device.note("ZCL messages suspended")
        device.tell(kinds.suspend(device.secured), device.now, tag=NOTE + note, period=5)
        device.house.silence.reports[device.node] = [(device.now, device.now + 300 * SECOND)]
        self._blocks.critical = True
        device.now += SECOND

    def _go_on(self) -> None:
        device = self.device
        note = device.note("ZCL messages go on")
        device.tell(kinds.suspend(device.secured), device.now, tag=NOTE + note, period=0)
        begin = device.house.silence.reports[device.node][0][0]
        device.house.silence.reports[device.node] = [(begin, device.now)]
        self._blocks.critical = False
        device.now += SECOND

    def _verdict(self) -> Cause | None:
        """Why the device does not take the image that it has."""
        device = self.device
        if bytes(device.held) != device.file:
            return "two-servers" if device.server != HUB else "image-corrupted"
        if "bad-signature" in device.faults:
            return "image-rejected-bad"
        return "image-rejected-good" if "good-rejected" in device.faults else None

    def end(self) -> Cause | None:
        """Upgrade End; returns why the device does not take the image, if so."""
        device = self.device
        if (cause := self._verdict()) is not None:
            self._refuse("image refused", TransferResult.FILE_TRANSFER_FAILURE)
            return cause
        asked = self._end_request(Status.SUCCESS, "Upgrade End: success")
        waits = device.is_meter or "never-activated" in device.faults
        note = device.note("Upgrade End Response")
        device.tell(
            kinds.upgrade_end_response(device.secured),
            device.now,
            asked,
            tag=NOTE + note,
            **device.identity,
            upgrade_time=WAIT_FOR_ACTIVATION if waits else 0,
        )
        device.over_wan(TransferResult.SUCCESS)
        device.state = "distributed"
        device.now += PAUSE_NS
        if "never-activated" in device.faults and not device.is_meter:
            raise StopError("distributed", "activation", "never-activated")
        return None

    def _end_request(self, status: Status, what: str) -> Int64s:
        device = self.device
        device.now += SECOND
        note = device.note(what)
        self._attempt.end_note, self._attempt.end_status = note, int(status)
        asked = device.ask(
            kinds.upgrade_end_request(device.secured), device.now, tag=note, status=int(status), **device.identity
        )
        self._attempt.ended_ns = device.now
        device.now += device.answer_ns
        return asked

    def _refuse(self, what: str, result: TransferResult) -> None:
        device = self.device
        asked = self._end_request(Status.INVALID_IMAGE, what)
        device.tell(
            kinds.default_response(device.secured, Cluster.OTA_UPGRADE, from_server=True),
            device.now,
            asked,
            command_identifier=OtaCommand.UPGRADE_END_REQUEST,
            status=int(Status.SUCCESS),
        )
        device.over_wan(result)
        device.now += PAUSE_NS


class _Chosen:
    """Which blocks the faults strike; at least one of each fault that there is."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._sets = {
            name: self._some(float(device.faults[name]))
            for name in ("corrupt-blocks", "server-repeats", "server-skips")
            if name in device.faults
        }
        self._told: set[int] = set()
        self.critical = False
        """The server is near its duty cycle limit."""

    def _some(self, share: float) -> set[int]:
        block, size = self._device.plan.habits.block, self._device.firmware.size
        offsets = np.arange(2 * block, max(size - 2 * block, 2 * block + 1), block)
        count = min(max(1, round(share * len(offsets))), len(offsets))
        return set(self._device.rng.choice(offsets, count, replace=False).tolist())

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
        share = self._device.faults.get("file-at-fault")
        block, size = self._device.plan.habits.block, self._device.firmware.size
        return share is not None and offset <= min(float(share) * size, size - 1) < offset + block

    @property
    def lenient(self) -> bool:
        """Whether the server has yet to tell the device to wait before it gives up."""
        return "rate-limit-ignored" in self._device.faults and len(self._told - {0}) < _PATIENCE

    def wait(self, offset: int) -> tuple[int, int] | None:
        """Whether the device has to wait for this block, once: seconds, and the least time between its requests."""
        limited = "rate-limit-ignored" in self._device.faults
        if offset in self._told or not (limited or self.critical):
            return None
        number = offset // self._device.plan.habits.block
        if number % 8 or (number == 0 and not limited):
            return None
        self._told.add(offset)
        if limited:
            return (5 if number else 0), PERIOD_MS
        return 2, 0
