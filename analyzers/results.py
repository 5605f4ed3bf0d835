"""What an analysis concludes: frozen data, from which every report format is made and the JSON Schema is derived.

Field names are those of the design's JSON contract (schema `hanscope.analysis/1`). Nothing here computes or prints.
"""

from typing import Annotated, Final, Literal

import msgspec

FRAMES_APART: Final = 10**10
"""`Capture.frame_base` of the second capture; of the third it is twice that, and so on."""
Frame = Annotated[
    int,
    msgspec.Meta(description="A frame: its number in its capture, counted from 1, plus the capture's `frame_base`."),
]
FrameText = Annotated[
    str, msgspec.Meta(description="For people; names frames as `frame 12`, those of a second capture as `frame 2:12`.")
]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all results."""


Outcome = Literal["valid", "invalid", "unknown"]
Severity = Literal["note", "warning", "error"]


class Check(Result, frozen=True, kw_only=True):
    """One thing that was tried: `unknown` always says in `detail` what is missing."""

    name: str
    outcome: Outcome
    detail: str
    covers: tuple[tuple[int, int], ...] = ()
    """Octets [start, end) of the image that a valid outcome vouches for: were one of their bits another, it would be
    invalid."""


class Fault(Result, frozen=True, kw_only=True):
    """Something in the input that could not be read, and where."""

    where: str
    """"frame 12", "octet 4711" or a file's name."""
    what: str


class CaptureInterface(Result, frozen=True, kw_only=True):
    """One interface of a capture file."""

    index: int
    link_type: int
    link_type_name: str
    frames: int
    trailer: Literal["fcs", "ti-metadata", "none", "placeholder", "raw-lqi", "by-frame", "not-802.15.4"]
    """What the last octets of its frames are; `by-frame`: each frame says so itself (TAP)."""
    evidence: str
    """Why that was concluded, in a short sentence with counts."""


class Clock(Result, frozen=True, kw_only=True):
    """How a capture's clock differs from that of another capture which heard the same network."""

    reference: str
    """`Capture.path` of the capture whose clock all times are on."""
    offset_ns: int
    """By how much this capture's clock was ahead of the reference's when the capture began (negative: behind)."""
    drift_ppm: float | None
    """By how much it gained on the reference's while neither was set; `None`: the capture is shorter than a minute."""
    spread_ns: int
    """Nineteen of twenty common frames have times that agree within this, offset, drift and settings taken off."""
    matches: int
    """Common frames that this was concluded from."""


class ClockSetting(Result, frozen=True, kw_only=True):
    """A clock that was set while a capture ran."""

    time: int
    """On the reference's clock, nanoseconds."""
    by_ns: int
    """Negative: back. Of the clock that is the reference itself this is about right: how long nothing was heard before
    is not known."""


class Merging(Result, frozen=True, kw_only=True):
    """What one of several captures has in common with the others, which are analyzed as one stream of frames."""

    clock: Clock | None
    """`None`: it has no frames in common with another, or its own clock is the reference."""
    clock_settings: tuple[ClockSetting, ...]
    """How often its clock was set meanwhile. All times in results are as if none had been."""
    common_frames: int
    """Frames that another capture holds too. The analysis counts such a transmission once, which ..."""
    kept_frames: int
    """... so many times was this capture's copy."""
    only_here: int
    """Frames with a right FCS, or an unchecked one, that no other capture holds."""
    only_here_during_others: int
    """Of these, those during the time of another capture, which could have heard them."""
    only_here_runs: tuple[tuple[int, Frame, Frame], ...]
    """The longest runs of these: how many frames, the first and the last; at most 20."""


class Capture(Result, frozen=True, kw_only=True):
    """One capture file and how much of it could be read."""

    path: str
    format: Literal["pcap", "pcapng", "psd", "dcf", "cubx", "isd", "silabs-log", "unknown"]
    compressed: bool
    frames: int
    """802.15.4 frames."""
    other_frames: int
    """Records that are not 802.15.4."""
    bad_fcs: int
    unchecked_fcs: int
    """Frames whose FCS was not captured."""
    started: int | None
    """Unix time of the first frame, nanoseconds."""
    ended: int | None
    interfaces: tuple[CaptureInterface, ...]
    comments: int
    faults: tuple[Fault, ...]
    frame_base: int = 0
    """What is added to the numbers of its frames wherever results name them: 0 for the first capture."""
    merging: Merging | None = None
    """Of one capture of several."""


class LayerCount(Result, frozen=True, kw_only=True):
    """How many frames had a layer, and how many of them could not be taken apart."""

    layer: str
    frames: int
    malformed: int
    first_malformed: Frame | None
    """Frame number."""


class Unopened(Result, frozen=True, kw_only=True):
    """Encrypted frames that stayed shut, by reason."""

    layer: Literal["MAC", "NWK", "APS"]
    pan_id: int | None
    reason: str
    frames: int
    first_frame: Frame


class Device(Result, frozen=True, kw_only=True):
    """A device that was heard."""

    pan_id: int
    short: int | None
    eui64: str | None
    """"00:0d:6f:00:0a:90:69:e0"."""
    frames: int
    """Frames it transmitted (as the MAC source)."""
    first_frame: Frame
    last_frame: Frame
    lqi: float | None
    """Mean."""
    rssi_dbm: float | None
    role: str
    """What it is in the HAN ("Communications Hub", "ESME", "GSME", "HCALCS", "PPMID", "IHD", "CAD"), or in the network
    ("OTA server", "OTA client", "coordinator", "end device"); else "unknown"."""
    evidence: str
    """What the role is concluded from."""


class Key(Result, frozen=True, kw_only=True):
    """One entry of the key ledger."""

    kind: Literal["network", "link", "transport"]
    fingerprint: str
    """First 8 hex digits of the SHA-256 of the key: names the key without telling it."""
    key: str | None
    """The key itself, only when asked for."""
    source: FrameText
    """"key file", "command line", "pcapng secrets", "well-known", "frame 12 (Transport-Key)"."""
    pan_id: int | None
    sequence_number: int | None
    devices: tuple[str, ...]
    """EUI-64s of a link key's pair; empty: any."""
    nwk_frames: int
    aps_frames: int
    first_frame: Frame | None
    """The first frame that it opened."""


class Teller(Result, frozen=True, kw_only=True):
    """A frame that told both addresses of a device."""

    source: str
    """"NWK header", "auxiliary header", "association response", "rejoin response", "device announce", "NWK address
    response", "IEEE address response", "update device"."""
    frame: Frame


class FormerAddress(Result, frozen=True, kw_only=True):
    """The short address that a device had before."""

    short: int


class AddressEvent(Result, frozen=True, kw_only=True):
    """From a frame on, a short address belonged to a device."""

    frame: Frame
    time: int
    """Unix nanoseconds."""
    pan_id: int
    short: int
    eui64: str
    told_by: tuple[Teller, ...]
    """The frame that told it first, and the first command of each kind that told it again."""
    instead_of: str | None
    """EUI-64 of the device that had the short address until then."""
    before: FormerAddress | None


class Party(Result, frozen=True, kw_only=True):
    """One end of a transfer."""

    short: int
    eui64: str | None


class KeyEvent(Result, frozen=True, kw_only=True):
    """A command about a key, or the time during which a network key was in use."""

    frame: Frame
    last_frame: Frame
    """Of the repetitions of a command, of the frames under a key."""
    frames: int
    time: int
    """Unix nanoseconds."""
    pan_id: int
    what: Literal["Transport-Key", "Request-Key", "Switch-Key", "Verify-Key", "Confirm-Key", "in use"]
    """`in use`: `frames` NWK frames were secured with the key, under this key sequence number."""
    sender: Party | None
    receiver: Party | None
    device: str | None
    """EUI-64 that the command names: the key's receiver, or the one whose key is verified or confirmed."""
    partner: str | None
    """EUI-64 of the other end of an application link key."""
    key_type: str | None
    """"standard network", "trust center link", "application link", …"""
    key_sequence_number: int | None
    fingerprint: str | None
    """The key that is carried, in use, switched to, or proven; `None`: not known."""
    status: int | None
    """Of a Confirm-Key."""
    outcome: Outcome | None
    """Of a Verify-Key: whether a known link key gives its hash; `unknown`: none that is known does."""
    aps_secured: bool | None
    text: str
    """For people."""


class MissingRange(Result, array_like=True, frozen=True, kw_only=True):
    """Octets [start, end) of an image that the capture does not hold; in JSON `[start, end, reason]`."""

    start: int
    end: int
    reason: Literal["never requested", "requested and never answered", "answered but not captured"]


EventKind = Literal[
    "notify",
    "query",  # of the client, for a newer image than `image`
    "refusal",  # of a query
    "offer",  # of `image`
    "beginning",  # the first request or block
    "pages",  # the first page request
    "resumption",
    "wait",  # the first time that the server asked for it
    "answer",  # with a status, to another command than a query
    "end",
    "upgrade",
    "note",
]


class TransferEvent(Result, frozen=True, kw_only=True):
    """A step of a transfer's story, or of a tunnel's."""

    time: int
    """Unix nanoseconds."""
    frame: Frame
    what: str
    kind: EventKind = "note"
    image: tuple[int, int, int] | None = None
    """Manufacturer code, image type and file version."""


TransferState = Literal[
    "offered",  # a SUCCESS query response, no block yet
    "refused",  # the server had nothing, or the client did not want it
    "downloading",  # still running when the capture ends
    "stalled",  # silence long before the capture ends
    "downloaded",  # every octet heard, or proven to have reached the client; no Upgrade End Request seen
    "ended",  # Upgrade End Request SUCCESS
    "waiting",  # Upgrade End Response: wait (0xFFFFFFFF)
    "upgrading",  # Upgrade End Response: upgrade now or at a time
    "aborted",  # ABORT from either side
    "rejected",  # Upgrade End Request INVALID_IMAGE
    "more-needed",  # Upgrade End Request REQUIRE_MORE_IMAGE
    "superseded",  # a new attempt followed
]


class Transfer(Result, frozen=True, kw_only=True):
    """One attempt: one client, one server, one PAN, one image identity."""

    id: str
    """"T1", "T2", … in order of the first frame; images and findings refer to it."""
    attempt: int
    """1 for the first attempt of this client at this image."""
    client: Party
    server: Party
    pan_id: int
    manufacturer_code: int
    image_type: int
    file_version: int
    image_size: int | None
    """Octets; `None` when nothing in the capture tells."""
    image_size_source: Literal["query response", "OTA header", "unknown"]
    received_bytes: int
    """Distinct octets in the capture."""
    missing_ranges: tuple[MissingRange, ...]
    conflicting_bytes: int
    """Octets that were delivered with different values."""
    conflicts: tuple[tuple[int, int, Frame, Frame], ...]
    """(start, end, frame kept, frame that differs); at most 100."""
    state: TransferState
    complete: bool
    """Every octet of the image is here."""
    sha256: str | None
    """Of the whole image file; `None` unless complete."""
    first_frame: Frame
    last_frame: Frame
    started: int
    """Unix nanoseconds."""
    ended: int
    block_requests: int
    block_responses: int
    page_requests: int
    wait_responses: int
    waited_ns: int
    """Sum of what WAIT_FOR_DATA responses asked for."""
    repeated_requests: int
    """The same offset asked for again with a new ZCL sequence number."""
    duplicate_blocks: int
    """Octet ranges that came again with equal data."""
    resumptions: tuple[TransferEvent, ...]
    end_status: int | None
    """Status of the Upgrade End Request."""
    upgrade_at: str | None
    """What the Upgrade End Response told: "now", "in 30 s", "wait for a further command", …"""
    requested_from: int | None
    """Lowest offset that was requested."""
    events: tuple[TransferEvent, ...]
    strip: str
    """Coverage in 64 characters: `#` all there, `+` part, `.` nothing."""

    @property
    def flowed(self) -> bool:
        """Whether blocks were asked for, or came."""
        return bool(self.block_requests or self.block_responses or self.page_requests)

    @property
    def uncaptured_bytes(self) -> int:
        """Octets that reached the client and that the sniffer missed."""
        return sum(gap.end - gap.start for gap in self.missing_ranges if gap.reason == "answered but not captured")

    @property
    def delivered_bytes(self) -> int:
        """Octets that reached the client, also those that the sniffer missed."""
        return self.received_bytes + self.uncaptured_bytes


class OtaHeader(Result, frozen=True, kw_only=True):
    """The header of an OTA file (ZCL 11.4.2)."""

    header_version: int
    header_length: int
    field_control: int
    manufacturer_code: int
    image_type: int
    file_version: int
    stack_version: int
    header_string: str
    total_image_size: int
    security_credential_version: int | None
    destination_eui64: str | None
    minimum_hardware_version: int | None
    maximum_hardware_version: int | None


class OtaElement(Result, frozen=True, kw_only=True):
    """One element of an OTA file: where its value lies and how long it is."""

    tag: int
    name: str
    offset: int
    length: int
    format: str | None = None
    """What its value was recognised as; "opaque…" when nothing names it."""


class FilledRange(Result, array_like=True, frozen=True, kw_only=True):
    """Octets [start, end) of an image that another transfer brought; in JSON `[start, end, transfer_id, …]`."""

    start: int
    end: int
    transfer_id: str
    first_frame: Frame
    """The first and the last of the frames of that transfer that brought them."""
    last_frame: Frame


class Difference(Result, array_like=True, frozen=True, kw_only=True):
    """Octets [start, end) of an image that a witness has otherwise; in JSON `[start, end, frame, other_frame]`."""

    start: int
    end: int
    frame: Frame | None
    """That brought them; `None` of an image that is a file."""
    other_frame: Frame | None
    """That brought the witness's octets, if it is a transfer."""


WitnessSource = Literal[
    "query response",
    "OTA header",
    "other transfer",
    "receipt alert",
    "activation order",
    "version read",
    "reference file",
    "hash list",
]


class Witness(Result, frozen=True, kw_only=True):
    """What something that is independent of an image's octets says of the image."""

    source: WitnessSource
    outcome: Outcome
    """`valid`: they agree in all that could be compared, which `detail` tells; `unknown`: nothing could be."""
    said: str
    """What the witness says, and who it is."""
    detail: FrameText
    """What the comparison came to, or what is missing for one."""
    frames: tuple[Frame, ...] = ()
    """In which it says so."""
    compared_octets: int | None = None
    """Of a comparison octet by octet."""
    differing_octets: int = 0
    differences: tuple[Difference, ...] = ()
    """The first hundred ranges."""


class Image(Result, frozen=True, kw_only=True):
    """A rebuilt or given image and what was found about it."""

    transfer_id: str | None
    file: str | None
    size: int
    header: OtaHeader | None
    header_offset: int
    """Where the OTA header begins in the file (0 unless a container comes first)."""
    layout: Literal["zigbee-elements", "gbcs-signed", "gbcs-plain", "opaque"]
    elements: tuple[OtaElement, ...]
    checks: tuple[Check, ...]
    manufacturer_image_sha256: str | None
    """GBCS Manufacturer Image Hash; only for the `gbcs-…` layouts and a whole image."""
    sha256: str | None
    """Of the whole file; `None` for a partial image."""
    partial: bool
    filled_ranges: tuple[FilledRange, ...] = ()
    """Octets that the device's own transfer does not have in the capture: what rests on them says so."""
    witnesses: tuple[Witness, ...] = ()
    error: str | None = None
    """Why the input could not be read at all."""
    container: str | None = None
    """What surrounds the OTA file: "IKEA NGIS", "Legrand", "Third Reality", "trailing CRC-32", "unknown"."""
    inner_format: str | None = None
    """What the main content was recognised as, with all that it wraps: "XZ > Bouffalo boot image"."""
    vouched_octets: int = 0
    """How many octets of the OTA file the valid hashes, CRCs and signatures cover together."""


class QualityPeriod(Result, array_like=True, frozen=True, kw_only=True):
    """Frames of one transmitter in one period; in JSON `[started, heard, missed]`."""

    started: int
    """Unix nanoseconds."""
    heard: int
    missed: int


class CaptureQuality(Result, frozen=True, kw_only=True):
    """How much of what a device transmitted was captured, as its NWK frame counters tell."""

    pan_id: int
    short: int | None
    eui64: str | None
    heard: int
    """Secured NWK frames, each counted once."""
    missed: int
    """Counters between those of frames that were heard."""
    gaps: int
    missed_share: float
    """Of all that was transmitted, 0 to 1."""
    repeated: int
    """Frames with the counter of the one before: MAC retries."""
    late: int
    """Frames with a counter below one heard before: out of order, or replayed."""
    unreadable: int
    """Frames that were heard and stayed encrypted."""
    reboots: int
    """Jumps to a checkpoint of the counter."""
    restarts: int
    """Beginnings near 0."""
    period_ns: int
    periods: tuple[QualityPeriod, ...]


Confidence = Literal["confirmed", "probable"]


class Finding(Result, frozen=True, kw_only=True):
    """A deviation from a rule: all of it in one transfer."""

    rule: str
    """Stable and readable: "ota.block.offset-mismatch"; `hanscope rules` explains it."""
    severity: Severity
    clause: str
    explanation: str
    frames: tuple[Frame, ...]
    """That show it, at most twenty."""
    transfer_id: str | None
    title: str = ""
    advice: str = ""
    """What to do about it."""
    detail: str = ""
    """About the first time."""
    confidence: Confidence = "confirmed"
    """`probable`: nothing in the capture speaks against it, but it does not prove it either."""
    count: int = 1
    """How often it was seen."""
    subject: str | None = None
    """What it is about, if that is no transfer: the id of a message or a tunnel, an EUI-64."""
    filter: str = ""
    """Wireshark display filter that shows the frames."""
    unconfirmed: bool = False
    """The rule's source could not be confirmed."""


class Diagnosis(Result, frozen=True, kw_only=True):
    """Why an update did not succeed, or where it stands when the capture ends, in at most three sentences."""

    update_id: str
    transfer_id: str | None
    """The last attempt."""
    cause: "Cause"
    confidence: Literal["certain", "probable", "open"]
    """`open`: the capture does not decide; `advice` says which would."""
    happened: str
    sureness: str
    """How sure that is, and what makes it so."""
    advice: str
    """What would settle it, or what to do next."""
    text: str
    """The three sentences."""
    frames: tuple[Frame, ...]
    rules: tuple[str, ...]
    """Of the findings that bear it out."""


class ComparedTransfer(Result, frozen=True, kw_only=True):
    """One attempt beside others at the same image."""

    transfer_id: str
    client: "Party"
    attempt: int
    reached: int
    """Octets from the beginning that the client has, as far as its requests show."""
    state: "TransferState"
    duration_ns: int
    octets_per_s: float | None
    """Distinct octets captured, over the time of the transfer."""
    block_requests: int
    repeated_requests: int
    waits: int
    pauses: int


class Comparison(Result, frozen=True, kw_only=True):
    """All attempts at one image, side by side."""

    manufacturer_code: int
    image_type: int
    file_version: int
    image_size: int | None
    transfers: tuple[ComparedTransfer, ...]
    remarks: tuple[str, ...]
    """What the attempts have in common, and what sets one apart."""


class MessagePart(Result, frozen=True, omit_defaults=True, gc=False):
    """A named part of a GBCS message: octets [start, stop) of it. Members with their default value are left out."""

    name: str
    start: int
    stop: int
    value: str | int | float | bool | None = None
    """Octets as hexadecimal digits, EUI-64s as text."""
    text: str = ""
    """For people: names of codes, dates, versions."""
    problem: str | None = None
    plaintext: str | None = None
    """Of an encrypted part that was opened; its parts count their octets in here."""
    parts: tuple["MessagePart", ...] = ()


class Verdict(Result, frozen=True, kw_only=True):
    """What became of a signature or a MAC."""

    outcome: Literal["valid", "invalid", "absent", "unknown"]
    detail: str
    """Whose certificate or keys decided; what is missing when unknown."""


class Tunnel(Result, frozen=True, kw_only=True):
    """A tunnel between two devices (Smart Energy D.6)."""

    id: str
    """"N1", "N2", … in order of the first frame; messages refer to it."""
    pan_id: int
    client: Party
    server: Party
    tunnel_id: int | None
    """`None`: there never was one."""
    state: Literal["open", "closed", "refused", "requested"]
    """At the end of the capture; `requested`: nobody was heard to answer."""
    heard_open: bool
    """Whether the response that opened it is in the capture."""
    protocol_id: int | None
    """6: GB-HRGP."""
    manufacturer_code: int | None
    flow_control: bool | None
    client_maximum: int | None
    """Octets of data that the client takes at once."""
    server_maximum: int | None
    to_server: int
    """Transfer Data commands."""
    to_client: int
    fetches: int
    """GETs of a gas meter."""
    first_frame: Frame
    last_frame: Frame
    events: tuple[TransferEvent, ...]


class Carriage(Result, frozen=True, kw_only=True):
    """How a message was carried through a tunnel."""

    tunnel: str | None
    """`Tunnel.id`; `None`: what names it is not in the capture."""
    pan_id: int
    sender: Party
    receiver: Party
    gas_command: Literal["GET-RESPONSE", "PUT"] | None
    """Of the header before a gas meter's messages."""
    remaining: int | None
    """Messages that still wait for the gas meter, as a GET-RESPONSE says."""
    blocks: int
    """Of a General Block Transfer; 0: it was carried whole."""
    started: int
    """Unix nanoseconds: the first of its frames."""
    ended: int
    complete: bool
    """All of it is in the capture; else `Message.error` says what is missing."""


class Exchange(Result, frozen=True, kw_only=True):
    """A command and what came of it: the same parties, message code and originator counter."""

    message_code: int
    use_case: str
    originator: str
    """Of the command."""
    target: str
    originator_counter: int
    commands: tuple[str, ...]
    """`Message.id`s; several: it was sent again, or passed on to another device. None: it was not heard."""
    responses: tuple[str, ...]
    alerts: tuple[str, ...]
    """Later alerts of the target that name this command (future dated commands)."""
    latency: int | None
    """From the end of the first command to the beginning of the first response, nanoseconds."""
    unanswered: str | None
    """That no response was heard, and for how long there was time for one."""


class Message(Result, frozen=True, kw_only=True):
    """A GBCS message; one that could not be decoded has only `octets`, `error` and what its beginning told."""

    id: str | None = None
    """"M1", "M2", … in order of the first frame, of those in captures; exchanges refer to it."""
    file: str | None
    """Where it was read from, when that was no capture: a file, `-`, or `argument 2` of the command line."""
    frames: tuple[Frame, ...]
    """That carried it."""
    message_code: int | None
    use_case: str | None
    """"CS06 Activate Firmware"."""
    cra_flag: int | None
    """1 Command, 2 Response, 3 Alert."""
    originator: str | None
    target: str | None
    originator_counter: int | None
    headers: tuple[MessagePart, ...]
    """MAC Header and Grouping Header."""
    payload: MessagePart | None
    trailers: tuple[MessagePart, ...]
    """Signature and MAC, as they stand in the message."""
    signature: Verdict
    mac: Verdict
    encrypted_parts: tuple[Verdict, ...]
    """`valid`: it was opened."""
    problems: tuple[str, ...]
    octets: str
    """The whole message in hexadecimal digits."""
    error: str | None = None
    carriage: Carriage | None = None
    """Of messages in captures."""


UpdateFlow = Literal["ESME/GSME", "HCALCS", "PPMID", "ZigBee"]
"""How firmware is updated: the three mandated flows of Great Britain, and plain ZigBee."""

UpdateState = Literal[
    "offered",  # the server offered the image
    "refused",  # the server had none for the device, or the device did not want it
    "distributing",  # blocks flow
    "distributed",  # the device has the image
    "receipt given",  # and said that it is genuine (8F72)
    "activation ordered",  # CS06, or an Upgrade End Response that says when
    "activated",  # the device said so, or came back after the order
    "confirmed",  # the new version was read or reported after that
    "failed",  # in the stage `failed_at`, for `cause`
    "undecided",  # the capture does not tell; `missing` says what would
]

UpdateStage = Literal["offer", "distribution", "verification", "activation order", "activation", "confirmation"]

Cause = Literal[
    "client-rebooted",
    "client-stalled",
    "server-silent",
    "radio-link-lost",
    "image-refused",
    "image-rejected-bad",
    "image-rejected-good",
    "image-corrupted",
    "wrong-hardware",
    "image-discarded",
    "file-at-fault",
    "rate-limited",
    "wrong-key",
    "two-servers",
    "never-activated",
    "activation-too-early",
    "wrong-hash-ordered",
    "activation-refused",
    "version-unchanged",
    "still-running",
    "inconclusive",
]
"""Why an update did not succeed."""


class UpdateStep(Result, frozen=True, kw_only=True):
    """One step of an update's timeline."""

    stage: UpdateStage
    time: int
    """Unix nanoseconds."""
    until: int | None = None
    """Of steps that last."""
    frames: tuple[Frame, ...]
    what: str
    use_case: str | None = None
    """"CS05b", "CS06"; `None`: plain ZigBee."""
    service_request: str | None = None
    """"11.1"."""
    transfer_id: str | None = None
    message_id: str | None = None


class HashClaim(Result, frozen=True, kw_only=True):
    """Who said which Manufacturer Image Hash."""

    said_by: Literal["rebuilt image", "8F72 alert", "8F1C alert", "CS06 command"]
    sha256: str
    time: int
    frames: tuple[Frame, ...]
    source: str
    """`Transfer.id` or `Message.id`."""


class VersionClaim(Result, frozen=True, kw_only=True):
    """Who said which firmware version the device runs."""

    said_by: Literal[
        "OTA query",
        "ECS52 response",
        "GCS38 response",
        "GCS38 response of a gas proxy",
        "CS08 response",
        "CS09 alert",
        "CS06 response",
        "00CA alert",
    ]
    version: int
    when: Literal["before", "after"]
    """The order to activate; without one, the end of the distribution."""
    time: int
    frames: tuple[Frame, ...]
    message_id: str | None


class ActivationOrder(Result, frozen=True, kw_only=True):
    """An order to activate an image, or to forget about one, and what came of it."""

    by: Literal["CS06", "Upgrade End Response"]
    mode: Literal["immediate", "future dated", "cancellation", "unknown"]
    time: int
    frames: tuple[Frame, ...]
    message_id: str | None
    """`None`: it was an OTA command, or only its answer was heard."""
    originator_counter: int | None
    sha256: str | None
    """Of the Manufacturer Image that is to be activated."""
    due: int | None
    """When, Unix nanoseconds."""
    fate: Literal["carried out", "refused", "pending", "cancelled", "replaced", "unanswered", "accepted"]
    """`pending`: accepted for later; `accepted`: a cancellation was."""
    outcome: str | None
    """"success", "noImageHeld", "hashMismatch", "activationFailure"."""


class Distribution(Result, frozen=True, kw_only=True):
    """How an image got to a device, over all attempts."""

    started: int
    """First request or block, Unix nanoseconds."""
    ended: int
    attempts: int
    octets: int
    """That reached the device, also those that the sniffer missed."""
    blocks: int
    """Block responses in the capture."""
    octets_per_s: float | None
    blocks_per_s: float | None
    retries: int
    """Offsets that were asked for again."""
    pauses: int
    """After which the device went on where it was."""
    waits: int
    """How often the server asked for patience."""
    waited_ns: int


class Update(Result, frozen=True, kw_only=True):
    """The story of one device and one image, from the offer to the proof that it runs."""

    id: str
    """"U1", "U2", … in order of the first sign."""
    device: Party
    pan_id: int
    role: Literal["ESME", "GSME", "HCALCS", "PPMID", "IHD", "CAD", "unknown"]
    role_evidence: str
    flow: UpdateFlow
    outside: str | None
    """That, and why, the update is none of the mandated flows of a Great Britain HAN."""
    manufacturer_code: int | None
    """`None`, as the next two: no transfer of the image was heard."""
    image_type: int | None
    file_version: int | None
    transfer_ids: tuple[str, ...]
    message_ids: tuple[str, ...]
    state: UpdateState
    failed_at: UpdateStage | None
    cause: Cause | None
    reason: str
    """Why that is its state, in one sentence."""
    missing: tuple[str, ...]
    """What the capture does not tell, and would have to."""
    started: int
    ended: int
    steps: tuple[UpdateStep, ...]
    distribution: Distribution | None
    orders: tuple[ActivationOrder, ...]
    hashes: tuple[HashClaim, ...]
    versions: tuple[VersionClaim, ...]
    checks: tuple[Check, ...]
    """Each witness against each other."""


class LeftOut(Result, frozen=True, kw_only=True):
    """What was heard and is in no result, for one reason."""

    what: str
    """What it was, and why it was left out."""
    count: int


class Analysis(Result, frozen=True, kw_only=True):
    """Everything that was concluded from one or more captures."""

    schema: Literal["hanscope.analysis/1"] = "hanscope.analysis/1"
    captures: tuple[Capture, ...]
    layers: tuple[LayerCount, ...]
    unopened: tuple[Unopened, ...]
    devices: tuple[Device, ...]
    keys: tuple[Key, ...]
    transfers: tuple[Transfer, ...]
    images: tuple[Image, ...]
    key_events: tuple[KeyEvent, ...] = ()
    addresses: tuple[AddressEvent, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    messages: tuple[Message, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    updates: tuple[Update, ...] = ()
    findings: tuple[Finding, ...] = ()
    quality: tuple[CaptureQuality, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    interrupted: bool = False
    """Ctrl-C ended the reading; the rest stands for what had been read."""
