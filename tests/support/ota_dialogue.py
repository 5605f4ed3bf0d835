"""Made-up OTA dialogues as the rules get them: the commands, and every frame counter that the sniffer heard."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from hanscope.analyzers.context import Context
from hanscope.analyzers.dissect import Acknowledgements, ack_key
from hanscope.analyzers.evidence import hearing_of
from hanscope.analyzers.imagestore import ImageStore
from hanscope.analyzers.results import Analysis, Finding, Image, Update
from hanscope.analyzers.rules.engine import Choice, RuleEngine
from hanscope.analyzers.tables import ABSENT, DEFAULT_RESPONSE, OtaTable
from hanscope.analyzers.transfers import TransferBuilder

SECOND = 1_000_000_000
BEGIN = 1_760_000_000 * SECOND
"""October 2025; 813,315,200 s after 2000."""
UTC = 813_315_200
IMAGE = bytes(range(251)) * 8
SIZE = 1000
CLIENT, SERVER, OTHER_SERVER, OTHER_CLIENT = 7, 0, 9, 8
EUI = {CLIENT: 0x000D6F000A9069E0, SERVER: 0x0022A40000000001, OTHER_SERVER: 0x0022A40000000002, OTHER_CLIENT: 5}
BY_SERVER = (0x00, 0x02, 0x05, 0x07, 0x09)
PAN = 0x1A62


@dataclass
class Dialogue:
    """Messages one after the other; every one takes a frame counter of whoever transmits it."""

    client: int = CLIENT
    server: int = SERVER
    profile: int = 0x0104
    version: int = 5
    secured: int = 0
    rows: list[dict] = field(default_factory=list)
    air: list[dict] = field(default_factory=list)
    acks: list[tuple] = field(default_factory=list)
    counters: dict = field(default_factory=lambda: {CLIENT: 1000, SERVER: 5000, OTHER_SERVER: 9000, OTHER_CLIENT: 300})
    images: tuple[Image, ...] = ()
    updates: tuple[Update, ...] = ()
    """What came of it."""
    time: float = 0.0
    aps: int = 0
    sequence: int = 0

    def hum(self) -> "Dialogue":
        """Both ends send something that is no OTA command."""
        for who in (self.client, self.server):
            self._transmit(who)
        return self

    def _transmit(self, who: int) -> dict:
        self.counters[who] += 1
        self.air.append(
            {
                "time_ns": BEGIN + int(self.time * SECOND),
                "mac_source": who,
                "nwk_frame_counter": self.counters[who],
                "hop": EUI[who],
            }
        )
        self.time += 0.05
        return self.air[-1]

    def missed(self, who: int = CLIENT, frames: int = 1) -> "Dialogue":
        """The sniffer does not hear the next frames of somebody."""
        self.counters[who] += frames
        self.time += 0.05 * frames
        return self

    def reboot(self, who: int = CLIENT) -> "Dialogue":
        """The counter goes on at what was stored of it."""
        self.counters[who] = (self.counters[who] // 0x1000 + 1) * 0x1000
        return self

    def say(self, command: int, **columns) -> "Dialogue":
        answered = columns.get("answered", ABSENT)
        by_server = command in BY_SERVER if command != DEFAULT_RESPONSE else answered not in BY_SERVER
        source, destination = (self.server, self.client) if by_server else (self.client, self.server)
        if "to" in columns:
            destination = columns.pop("to")
        frame = self._transmit(source)
        self.aps += 1
        self.rows.append(
            {
                "air": frame,
                "time_ns": frame["time_ns"],
                "pan_id": PAN,
                "nwk_source": source,
                "nwk_destination": destination,
                "mac_source": source,
                "nwk_frame_counter": frame["nwk_frame_counter"],
                "aps_counter": self.aps % 256,
                "source_eui64": EUI[source],
                "destination_eui64": EUI.get(destination, 0),
                "source_endpoint": 1 if by_server else 2,
                "destination_endpoint": 2 if by_server else 1,
                "profile": self.profile,
                "aps_secured": self.secured,
                "zcl_sequence": self.sequence % 256,
                "from_server": int(by_server),
                "command": command,
                "manufacturer_code": 0x1001,
                "image_type": 0x0101,
                "file_version": self.version,
                "disable_default_response": 1,
                "ack_request": 1,
                "surplus": 0,
                **columns,
            }
        )
        return self

    def ack(self) -> "Dialogue":
        """The last message is acknowledged."""
        row = self.rows[-1]
        frame = self._transmit(row["nwk_destination"])
        key = ack_key(PAN, row["nwk_source"], row["nwk_destination"], row["aps_counter"], row["source_endpoint"])
        self.acks.append((key, frame["time_ns"]))
        return self

    def again(self, seconds: float = 0.01, **columns) -> "Dialogue":
        """The last message once more: a retry."""
        self.time += seconds
        row = self.rows[-1]
        frame = self._transmit(row["nwk_source"])
        timed = {"air": frame, "time_ns": frame["time_ns"], "nwk_frame_counter": frame["nwk_frame_counter"]}
        self.rows.append(row | timed | columns)
        return self

    def notify(self, **columns) -> "Dialogue":
        self.sequence += 1
        return self.say(0x00, **{"payload_type": 3, "query_jitter": 100, **columns})

    def query(self, **columns) -> "Dialogue":
        self.sequence += 1
        return self.say(0x01, **{"file_version": self.version - 1, "field_control": 0, **columns})

    def offer(self, size: int = SIZE, **columns) -> "Dialogue":
        return self.say(0x02, **{"status": 0, "image_size": size, **columns})

    def refuse(self, status: int = 0x98, **columns) -> "Dialogue":
        nothing = dict.fromkeys(("manufacturer_code", "image_type", "file_version"), ABSENT)
        return self.say(0x02, **{"status": status, **nothing, **columns})

    def ask(self, offset: int, size: int = 50, **columns) -> "Dialogue":
        self.sequence += 1
        return self.say(0x03, **{"file_offset": offset, "data_size": size, "field_control": 0, **columns})

    def page(self, offset: int, page_size: int = 256, size: int = 64, spacing: int = 100, **columns) -> "Dialogue":
        self.sequence += 1
        asked = {"file_offset": offset, "data_size": size, "page_size": page_size, "response_spacing": spacing}
        return self.say(0x04, **{**asked, "field_control": 0, **columns})

    def block(self, offset: int, size: int = 50, data: bytes | None = None, **columns) -> "Dialogue":
        data = IMAGE[offset : offset + size] if data is None else data
        return self.say(0x05, **{"status": 0, "file_offset": offset, "data_size": len(data), "data": data, **columns})

    def fetch(self, *offsets: int, size: int = 50, end: int = SIZE) -> "Dialogue":
        for offset in offsets:
            self.ask(offset, size).block(offset, min(size, end - offset))
        return self

    def whole(self, size: int = SIZE, step: int = 50) -> "Dialogue":
        """A download without fault."""
        return self.query().offer(size).fetch(*range(0, size, step), size=step, end=size)

    def wait(self, seconds: int, now: int = 0, period: int = 0) -> "Dialogue":
        nothing = dict.fromkeys(("manufacturer_code", "image_type", "file_version"), ABSENT)
        times = {"current_time": now, "request_time": now + seconds, "minimum_block_period": period}
        return self.say(0x05, status=0x97, **nothing, **times)

    def finish(self, status: int = 0, **columns) -> "Dialogue":
        self.sequence += 1
        return self.say(0x06, **{"status": status, **columns})

    def upgrade(self, now: int = 0, then: int = 0, **columns) -> "Dialogue":
        return self.say(0x07, **{"current_time": now, "request_time": then, **columns})

    def default(self, answered: int, status: int = 0, **columns) -> "Dialogue":
        nothing = dict.fromkeys(("manufacturer_code", "image_type", "file_version"), ABSENT)
        return self.say(DEFAULT_RESPONSE, **{"answered": answered, "status": status, **nothing, **columns})

    def pause(self, seconds: float) -> "Dialogue":
        self.time += seconds
        return self

    def between(self, client: int = CLIENT, server: int = SERVER) -> "Dialogue":
        """From now on others talk."""
        self.client, self.server = client, server
        return self


def findings(dialogue: Dialogue, cuts: int = 1, choice: Choice | None = None) -> tuple[Finding, ...]:
    """What the rules find in a dialogue that comes in so many batches; it is heard for half a minute more."""
    for _ in range(3):
        dialogue.pause(10).hum()
    for number, frame in enumerate(dialogue.air, 1):
        frame["number"] = number
    engine = RuleEngine(choice or Choice(profile="gb" if dialogue.profile == 0x0109 else "zigbee"))
    builder = TransferBuilder(ImageStore())
    edges = [len(dialogue.air) * cut // cuts + 1 for cut in range(cuts + 1)]
    for begin, end in pairwise(edges):
        air = [frame for frame in dialogue.air if begin <= frame["number"] < end]
        table = _table([row for row in dialogue.rows if begin <= row["air"]["number"] < end])
        acks = [one for one in dialogue.acks if air and air[0]["time_ns"] <= one[1] <= air[-1]["time_ns"]]
        damaged = table.take(table.surplus < 0)
        table = table.take(table.surplus >= 0)
        engine.feed(table, heard(air), _acknowledgements(acks), damaged)
        engine.so_far()  # else it would wait for more and judge all batches at once
        if len(table):
            builder.feed(table)
    last = dialogue.air[-1]["time_ns"]
    engine.end(lambda *_: last)
    transfers = tuple(record.transfer for record in builder.finish(until=lambda *_: last))
    return engine.findings(analysis(transfers=transfers, images=dialogue.images, updates=dialogue.updates))


def heard(air: list[dict]):
    """What the evidence gets of frames on the air."""
    if not air:
        return None
    columns = {name: np.array([frame[name] for frame in air]) for name in ("number", "time_ns", "mac_source")}
    counter = np.array([frame["nwk_frame_counter"] for frame in air])
    none = np.full(len(air), -1)
    nobody = np.zeros(len(air), np.uint64)
    context = Context(
        **columns,
        pan_id=np.full(len(air), PAN),
        mac_sequence=np.array([frame.get("mac_sequence", -1) for frame in air], np.int64),
        nwk_source=none,
        nwk_destination=none,
        nwk_sequence=none,
        nwk_frame_counter=counter,
        source_eui64=nobody,
        destination_eui64=nobody,
    )
    unread = np.array([frame["number"] for frame in air if frame.get("unread")], np.int64)
    return hearing_of(context, np.array([frame["hop"] for frame in air], np.uint64), unread)


def _acknowledgements(acks: list[tuple]) -> Acknowledgements | None:
    if not acks:
        return None
    return Acknowledgements(np.array([key for key, _ in acks], np.uint64), np.array([time for _, time in acks]))


def _table(rows: list[dict]) -> OtaTable:
    data, at = b"", []
    for row in rows:
        at.append(len(data))
        data += row.get("data", b"")
    names = {name for row in rows for name in row} - {"data", "air", "data_length"}
    columns = {name: [row.get(name, 0 if name.endswith("eui64") else ABSENT) for row in rows] for name in names}
    columns |= {
        "number": [row["air"]["number"] for row in rows],
        "data_at": at,
        "data_length": [row.get("data_length", len(row.get("data", b""))) for row in rows],
    }
    return OtaTable.of(len(rows), np.frombuffer(data, np.uint8), **columns)


def analysis(**sections) -> Analysis:
    """An analysis of nothing but these sections."""
    empty = dict.fromkeys(("captures", "layers", "unopened", "devices", "keys", "transfers", "images"), ())
    return Analysis(**{**empty, **sections})
