"""What an analysis concludes: frozen data, from which every report format is made and the JSON Schema is derived.

Field names are those of the design's JSON contract (schema `hanscope.analysis/1`). Nothing here computes or prints.
"""

from typing import Literal

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all results."""


Outcome = Literal["valid", "invalid", "unknown"]
Severity = Literal["note", "warning", "error"]


class Check(Result, frozen=True, kw_only=True):
    """One thing that was tried: `unknown` always says in `detail` what is missing."""

    name: str
    outcome: Outcome
    detail: str


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


class Capture(Result, frozen=True, kw_only=True):
    """One capture file and how much of it could be read."""

    path: str
    format: Literal["pcap", "pcapng", "unknown"]
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


class LayerCount(Result, frozen=True, kw_only=True):
    """How many frames had a layer, and how many of them could not be taken apart."""

    layer: str
    frames: int
    malformed: int
    first_malformed: int | None
    """Frame number."""


class Unopened(Result, frozen=True, kw_only=True):
    """Encrypted frames that stayed shut, by reason."""

    layer: Literal["MAC", "NWK", "APS"]
    pan_id: int | None
    reason: str
    frames: int
    first_frame: int


class Device(Result, frozen=True, kw_only=True):
    """A device that was heard."""

    pan_id: int
    short: int | None
    eui64: str | None
    """"00:0d:6f:00:0a:90:69:e0"."""
    frames: int
    """Frames it transmitted (as the MAC source)."""
    first_frame: int
    last_frame: int
    lqi: float | None
    """Mean."""
    rssi_dbm: float | None
    role: str
    """"coordinator", "OTA server", "OTA client", "router", "end device", "unknown"."""
    evidence: str
    """What the role is concluded from."""


class Key(Result, frozen=True, kw_only=True):
    """One entry of the key ledger."""

    kind: Literal["network", "link", "transport"]
    fingerprint: str
    """First 8 hex digits of the SHA-256 of the key: names the key without telling it."""
    key: str | None
    """The key itself, only when asked for."""
    source: str
    """"key file", "command line", "pcapng secrets", "well-known", "frame 12 (Transport-Key)"."""
    pan_id: int | None
    sequence_number: int | None
    devices: tuple[str, ...]
    """EUI-64s of a link key's pair; empty: any."""
    nwk_frames: int
    aps_frames: int
    first_frame: int | None
    """The first frame that it opened."""


class Teller(Result, frozen=True, kw_only=True):
    """A frame that told both addresses of a device."""

    source: str
    """"NWK header", "auxiliary header", "association response", "rejoin response", "device announce", "NWK address
    response", "IEEE address response", "update device"."""
    frame: int


class FormerAddress(Result, frozen=True, kw_only=True):
    """The short address that a device had before."""

    short: int


class AddressEvent(Result, frozen=True, kw_only=True):
    """From a frame on, a short address belonged to a device."""

    frame: int
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

    frame: int
    last_frame: int
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


class TransferEvent(Result, frozen=True, kw_only=True):
    """A step of a transfer's story."""

    time: int
    """Unix nanoseconds."""
    frame: int
    what: str


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
    conflicts: tuple[tuple[int, int, int, int], ...]
    """(start, end, frame kept, frame that differs); at most 100."""
    state: TransferState
    complete: bool
    """Every octet of the image is here."""
    sha256: str | None
    """Of the whole image file; `None` unless complete."""
    first_frame: int
    last_frame: int
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
    error: str | None = None
    """Why the input could not be read at all."""


class Finding(Result, frozen=True, kw_only=True):
    """A deviation from a rule."""

    rule: str
    severity: Severity
    clause: str
    explanation: str
    frames: tuple[int, ...]
    transfer_id: str | None


class Diagnosis(Result, frozen=True, kw_only=True):
    """Why an update did not succeed, in at most three sentences."""

    transfer_id: str | None
    text: str
    frames: tuple[int, ...]


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
    first_frame: int
    last_frame: int
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
    """A GBCS message. Of one that could not be decoded all is `None` or empty but `octets` and `error`, and what the
    beginning of an incomplete one tells.
    """

    id: str | None = None
    """"M1", "M2", … in order of the first frame, of those in captures; exchanges refer to it."""
    file: str | None
    """Where it was read from, when that was no capture: a file, `-`, or `argument 2` of the command line."""
    frames: tuple[int, ...]
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


class Update(Result, frozen=True, kw_only=True):
    """The story of one device's update (none yet: the update analyzer fills it)."""

    device: Party


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
    diagnoses: tuple[Diagnosis, ...] = ()
    interrupted: bool = False
    """Ctrl-C ended the reading; the rest stands for what had been read."""
