"""Hand-made evidence about one device's update, for what the simulator does not play."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from hanscope.analyzers.evidence import Jump, Listening
from hanscope.analyzers.results import (
    Analysis,
    Capture,
    Carriage,
    Device,
    Image,
    Message,
    Party,
    Transfer,
    Update,
    Verdict,
)
from hanscope.analyzers.updates import telling
from hanscope.analyzers.updates.readings import Kind, Reading
from hanscope.analyzers.updates.signs import Course, Ending, Identity, Return, Sign, Signs

SECOND = 1_000_000_000
START = 1_772_359_200 * SECOND
PAN = 0x1A2B
METER = Party(short=0x3C4D, eui64="00:15:8d:00:00:c0:ff:ee")
HUB = Party(short=0x0000, eui64="00:0d:6f:00:0a:90:69:e0")
IMAGE = Identity(0x1021, 0x0000, 0x0200)
OLD = IMAGE._replace(file_version=0x0100)
HASH, OTHER = "11" * 32, "22" * 32
_CODES = {
    Kind.RECEIPT: 0x00CE,
    Kind.ORDER: 0x0012,
    Kind.ANSWER: 0x0012,
    Kind.DATED: 0x00CA,
    Kind.CARRIED: 0x0128,
    Kind.ACTIVATED: 0x012B,
    Kind.ASKED: 0x0059,
    Kind.VERSION: 0x0059,
    Kind.CHANGED: 0x1000,
}


def at(seconds: float) -> int:
    """A moment of the story."""
    return START + int(seconds * SECOND)


def transfer(**changes) -> Transfer:
    """From 10 s to 100 s, whole, told to wait."""
    fields = {
        "id": "T1",
        "attempt": 1,
        "client": METER,
        "server": HUB,
        "pan_id": PAN,
        "manufacturer_code": IMAGE.manufacturer_code,
        "image_type": IMAGE.image_type,
        "file_version": IMAGE.file_version,
        "image_size": 9_000,
        "image_size_source": "query response",
        "received_bytes": 9_000,
        "missing_ranges": (),
        "conflicting_bytes": 0,
        "conflicts": (),
        "state": "waiting",
        "complete": True,
        "sha256": "33" * 32,
        "first_frame": 10,
        "last_frame": 1_000,
        "started": at(5),
        "ended": at(101),
        "block_requests": 180,
        "block_responses": 180,
        "page_requests": 0,
        "wait_responses": 0,
        "waited_ns": 0,
        "repeated_requests": 0,
        "duplicate_blocks": 0,
        "resumptions": (),
        "end_status": 0,
        "upgrade_at": None,
        "requested_from": 0,
        "events": (),
        "strip": "#" * 64,
    }
    return Transfer(**(fields | changes))


def image(**changes) -> Image:
    fields = {
        "transfer_id": "T1",
        "file": None,
        "size": 9_000,
        "header": None,
        "header_offset": 0,
        "layout": "gbcs-signed",
        "elements": (),
        "checks": (),
        "manufacturer_image_sha256": HASH,
        "sha256": "33" * 32,
        "partial": False,
    }
    return Image(**(fields | changes))


def sign(command: int, seconds: float, identity: Identity = IMAGE, **changes) -> Sign:
    """An OTA command between the meter and the hub."""
    plain = Sign(
        time_ns=at(seconds),
        frame=int(seconds * 10),
        pan_id=PAN,
        client=METER,
        server=HUB,
        command=command,
        answered=-1,
        status=0,
        identity=identity,
        hardware_version=-1,
        current_time=-1,
        upgrade_time=-1,
    )
    return replace(plain, **changes)


def back(seconds: float) -> Return:
    """The device announces itself."""
    return Return(at(seconds), int(seconds * 10), PAN, METER.short, METER.eui64, "it announced itself")


def reading(kind: Kind, seconds: float, **changes) -> Reading:
    """A message about the meter, through its tunnel."""
    code = changes.pop("message_code", _CODES[kind])
    name = f"M{int(seconds)}"
    message = Message(
        id=name,
        file=None,
        frames=(int(seconds * 10),),
        message_code=code,
        use_case=f"use case {code:04X}",
        cra_flag=1,
        originator=METER.eui64,
        target=METER.eui64,
        originator_counter=None,
        headers=(),
        payload=None,
        trailers=(),
        signature=Verdict(outcome="absent", detail=""),
        mac=Verdict(outcome="absent", detail=""),
        encrypted_parts=(),
        problems=(),
        octets="",
    )
    way = Carriage(
        tunnel=None,
        pan_id=PAN,
        sender=changes.pop("sender", HUB),
        receiver=METER,
        gas_command=changes.pop("gas_command", None),
        remaining=None,
        blocks=0,
        started=at(seconds),
        ended=at(seconds + 0.5),
        complete=True,
    )
    device = changes.pop("device", METER.eui64)
    return Reading(kind, message, way, device, changes.pop("whole", True), **changes)


def order(seconds: float = 120, counter: int = 7, **changes) -> Reading:
    return reading(Kind.ORDER, seconds, counter=counter, **({"sha256": HASH} | changes))


def answer(seconds: float = 121, counter: int = 7, **changes) -> Reading:
    return reading(Kind.ANSWER, seconds, counter=counter, **changes)


def receipt(seconds: float = 110, **changes) -> Reading:
    return reading(Kind.RECEIPT, seconds, **({"sha256": HASH, "code": 0x8F72} | changes))


def version(number: int, seconds: float = 200, **changes) -> Reading:
    return reading(Kind.VERSION, seconds, version=number, **changes)


@dataclass
class Counters:
    """What frame counters tell, in the place of `Evidence`."""

    unread_of_meter: int = 0
    unread_of_hub: int = 0
    missed_of_each: int = 0
    """Frames, in any time."""
    restarts: tuple[Jump, ...] = ()

    def find(self, _pan_id: int, short: int, _eui64: int) -> int:
        return short

    def unread(self, who: int, *_: int) -> int:
        return self.unread_of_hub if who == HUB.short else self.unread_of_meter

    def missed(self, *_: int) -> Listening:
        return Listening("missed", self.missed_of_each) if self.missed_of_each else Listening("captured")

    def last_ns(self, _: int) -> int:
        return at(900)

    def share(self, *_: int) -> tuple[int, int]:
        return 900, 0

    def jumps(self, *_: int) -> list[Jump]:
        return list(self.restarts)


def ending_of(**changes) -> Ending:
    """The last words of the transfer: by default a block that was asked for."""
    fields = {
        "unanswered": 0,
        "unheard": 0,
        "repeated": 0,
        "unheard_by_client": False,
        "last_ns": at(101),
        "last_frame": 1_000,
        "answered_ns": at(100),
        "answered_frame": 999,
    }
    return Ending(**(fields | changes))


def told(
    monkeypatch,
    *said: Reading,
    transfers: Sequence[Transfer] = (transfer(),),
    images: Sequence[Image] = (image(),),
    signs: Sequence[Sign] = (),
    returns: Sequence[Return] = (),
    ending: Ending | None = None,
    until: float = 1_000,
    profile: int = 0x0109,
    heard_until: int = 9_000,
    evidence: "Counters | None" = None,
) -> list[Update]:
    """The updates that this evidence comes to; the capture ends at `until`."""
    monkeypatch.setattr(telling, "readings", lambda _: said)
    capture = Capture(
        path="made",
        format="pcapng",
        compressed=False,
        frames=10_000,
        other_frames=0,
        bad_fcs=0,
        unchecked_fcs=0,
        started=START,
        ended=at(until),
        interfaces=(),
        comments=0,
        faults=(),
    )
    meter = Device(
        pan_id=PAN,
        short=METER.short,
        eui64=METER.eui64,
        frames=100,
        first_frame=1,
        last_frame=heard_until,
        lqi=None,
        rssi_dbm=None,
        role="OTA client",
        evidence="",
    )
    place = PAN, METER.short
    loading = [one for one in transfers if one.block_requests]
    identities = {Identity(one.manufacturer_code, one.image_type, one.file_version) for one in loading}
    found = Signs(
        signs=list(signs),
        returns=list(returns),
        courses={(*place, one): Course(at(10), 20, at(100), 990) for one in identities},
        endings={place: ending or ending_of()},
        profiles={place: profile},
    )
    analysis = Analysis(
        captures=(capture,),
        layers=(),
        unopened=(),
        devices=(meter,),
        keys=(),
        transfers=tuple(transfers),
        images=tuple(images) if transfers else (),
    )
    return list(telling.updates_of(analysis, found, evidence))
