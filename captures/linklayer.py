"""From records to 802.15.4 frames: takes off what the link type puts around a frame, and finds out what its end is.

Whether the last two octets of a record are the frame check sequence, metadata in its place or part of the frame is not
believed from the label: sniffers write all of them under link type 195, and files labelled 230 may have an FCS.
`decide` looks at the frames of an interface and concludes, from the CRC over the frame, from frames whose length is
fixed by their header, and from values that only metadata take; `frames` applies the conclusion.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hanscope.captures.batch import NO_INTERFACE, Fcs, FrameBatch, Int64s, Interface, RecordBatch
from hanscope.dissectors import fcs
from hanscope.dissectors.columns.rows import Octets, distinct, rows

WITH_FCS: Final = 195
NONASK_PHY: Final = 215
NO_FCS: Final = 230
TAP: Final = 283
USER0: Final = 147

LINK_TYPES: Final = {
    1: "ETHERNET",
    101: "RAW",
    113: "LINUX_SLL",
    USER0: "USER0",
    191: "IEEE802_15_4_LINUX",
    WITH_FCS: "IEEE802_15_4_WITHFCS",
    NONASK_PHY: "IEEE802_15_4_NONASK_PHY",
    228: "IPV4",
    NO_FCS: "IEEE802_15_4_NOFCS",
    251: "BLUETOOTH_LE_LL",
    TAP: "IEEE802_15_4_TAP",
    292: "ZBOSS_NCP",
    297: "ZWAVE_TAP",
    298: "SILABS_DEBUG_CHANNEL",
}
"""Link types that turn up beside 802.15.4, with the names of the tcpdump group's list."""

Trailer = Literal["fcs", "ti-metadata", "none", "placeholder", "raw-lqi", "by-frame", "not-802.15.4"]

_SAMPLE: Final = 4096
"""Frames of an interface that are looked at to decide."""
_ENOUGH: Final = 20
"""Frames after which chance is no explanation."""
_RSSI_OFFSET: Final = -73
"""dB; what a CC253x adds to the RSSI register."""


class Decision(msgspec.Struct, frozen=True):
    """What the frames of one interface end with."""

    interface: int
    link_type: int
    trailer: Trailer
    evidence: str
    """Why, in a short sentence with counts."""
    sure: bool = True
    """Whether there were frames enough: a live capture, which begins with few, waits for more."""


Decisions = Mapping[int, Decision]
"""By interface."""


def link_type_name(link_type: int) -> str:
    return LINK_TYPES.get(link_type, f"LINKTYPE_{link_type}")


def decide(records: RecordBatch, interfaces: list[Interface], earlier: Decisions | None = None) -> Decisions:
    """The decisions for all interfaces met so far: the earlier ones, and those for interfaces new in this chunk."""
    decisions = dict(earlier or {})
    for index in _occurring(records):
        if index == NO_INTERFACE:
            decisions[index] = Decision(index, 0, "not-802.15.4", "blocks that are no packets")
        elif index not in decisions:
            decisions[index] = _decision(records, interfaces[index])
    return decisions


def _occurring(records: RecordBatch) -> list[int]:
    if not len(records):
        return []
    least, most = int(records.interface.min()), int(records.interface.max())
    return [least] if least == most else distinct(records.interface).tolist()


def frames(records: RecordBatch, decisions: Decisions) -> FrameBatch:
    """The 802.15.4 frames of a chunk; every interface in it is decided."""
    occurring = _occurring(records)
    parts: list[_Columns] = []
    for index in occurring:
        if decisions[index].trailer != "not-802.15.4":
            chosen = np.arange(len(records)) if len(occurring) == 1 else np.flatnonzero(records.interface == index)
            found = _finished(records.buffer, _located(records, chosen, decisions[index]), decisions[index].trailer)
            if records.crc_error is not None:
                found.fcs[(found.fcs == Fcs.NOT_CAPTURED) & records.crc_error[found.chosen]] = Fcs.INVALID
            parts.append(found)
    if len(parts) == 1:
        columns = parts[0]
    else:
        columns = _Columns._make(np.concatenate(column) for column in zip(_Columns.empty(), *parts, strict=True))
        order = np.argsort(columns.chosen, kind="stable")
        columns = _Columns._make(column[order] for column in columns)
    return FrameBatch(
        number=records.first_number + columns.chosen,
        time_ns=records.time_ns[columns.chosen],
        buffer=records.buffer,
        at=columns.at,
        length=columns.length,
        fcs=columns.fcs,
        rssi_dbm=columns.rssi_dbm,
        lqi=columns.lqi,
        channel=columns.channel,
        page=columns.page,
        source=records.interface[columns.chosen],
        truncated=columns.truncated,
        other_frames=len(records) - len(columns.chosen),
    )


class _Payloads(NamedTuple):
    """MAC frames with whatever follows them, found inside records."""

    chosen: Int64s
    """Index of the record."""
    at: Int64s
    captured: Int64s
    original: Int64s
    rssi_dbm: NDArray[np.float32]
    lqi: NDArray[np.int16]
    channel: NDArray[np.int16]
    page: NDArray[np.int16]
    fcs_length: Int64s | None = None
    """Octets of FCS, when each frame tells."""


class _Columns(NamedTuple):
    """Columns of a `FrameBatch`."""

    chosen: Int64s
    at: Int64s
    length: Int64s
    fcs: NDArray[np.uint8]
    rssi_dbm: NDArray[np.float32]
    lqi: NDArray[np.int16]
    channel: NDArray[np.int16]
    page: NDArray[np.int16]
    truncated: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> _Columns:
        int64s, int16s = np.zeros(0, np.int64), np.zeros(0, np.int16)
        return cls(
            int64s,
            int64s,
            int64s,
            np.zeros(0, np.uint8),
            np.zeros(0, np.float32),
            int16s,
            int16s,
            int16s,
            np.zeros(0, np.bool_),
        )


# What stands before the frame


def _located(records: RecordBatch, chosen: Int64s, decision: Decision) -> _Payloads:
    """The MAC frames in the chosen records, without what the link type puts before them."""
    everything = len(chosen) == len(records)
    at, captured, original = (
        column if everything else column[chosen] for column in (records.at, records.captured, records.original)
    )
    count = len(chosen)
    unknown = np.full(count, -1, np.int16)
    found = _Payloads(
        chosen,
        at,
        captured,
        np.maximum(original, captured),  # some writers leave the original length at 0
        np.full(count, np.nan, np.float32),
        unknown,
        unknown,
        unknown,
    )
    if decision.link_type == ETHERNET or decision.link_type in IP:
        return _after_zep(records.buffer, found, decision.link_type)
    before = {
        NONASK_PHY: _after_phy_header,
        TAP: _after_tap_header,
        USER0: _after_packet_info,
        WITH_FCS: _after_zboss,
    }.get(decision.link_type)
    return found if before is None else before(records.buffer, found)


def _taken(payloads: _Payloads, wanted: NDArray[np.bool_]) -> _Payloads:
    if wanted.all():
        return payloads
    return _Payloads._make(None if column is None else column[wanted] for column in payloads)


def _after_phy_header(buffer: Octets, found: _Payloads) -> _Payloads:
    """Link type 215: four octets of preamble, the SFD, the PHR, then the PSDU."""
    head = rows(buffer, found.at, 6)
    good = (head[:, :4] == 0).all(axis=1) & (head[:, 4] == 0xA7) & (found.captured >= 6)
    psdu = (head[:, 5] & 0x7F).astype(np.int64)
    shifted = found._replace(at=found.at + 6, captured=np.minimum(found.captured - 6, psdu), original=psdu)
    return _taken(shifted, good)


_ZBOSS: Final = 11
"""Octets of the header that the ZBOSS stack puts before the frames that it dumps."""


def _after_zboss(buffer: Octets, found: _Payloads) -> _Payloads:
    """Frames that the ZBOSS stack dumped under link type 195: "ZBOSS", page · 2 and direction, channel, trace (4)."""
    beginning = rows(buffer, found.at, 4).view("<u4")[:, 0]
    if not (dumped := (beginning == int.from_bytes(b"ZBOS", "little")) & (found.captured > _ZBOSS)).any():
        return found
    head = rows(buffer, found.at, _ZBOSS)
    dumped &= head[:, 4] == ord("S")
    taken = np.where(dumped, _ZBOSS, 0)
    return found._replace(
        at=found.at + taken,
        captured=found.captured - taken,
        original=found.original - taken,
        channel=np.where(dumped, head[:, 6], found.channel).astype(np.int16),
        page=np.where(dumped, head[:, 5] >> 1, found.page).astype(np.int16),
    )


PACKET_INFO: Final = 20
"""Octets of the TI Packet Sniffer 2 header as CatSniffer writes it, with the length octet that ends it."""


def _is_packet_info(buffer: Octets, at: Int64s, captured: Int64s) -> NDArray[np.bool_]:
    """Whether records of the private link type 147 begin with a header of TI's Packet Sniffer 2."""
    head = rows(buffer, at, PACKET_INFO)
    length = head[:, 1].astype(np.int64) | head[:, 2].astype(np.int64) << 8
    # Real files have records with more behind the frame than either length says; the two lengths agree even there.
    return (captured > PACKET_INFO) & (head[:, 0] == 0) & (length == (head[:, 19] & 0x7F) + 9)


def _after_packet_info(buffer: Octets, found: _Payloads) -> _Payloads:
    """TI Packet Sniffer 2: version, length (2), interface type, interface id (2), protocol, PHY, frequency in MHz (4),
    channel (2), RSSI, status, three octets that repeat the frame's, its length, the frame with its FCS.
    """
    good = _is_packet_info(buffer, found.at, found.captured)
    head = rows(buffer, found.at, PACKET_INFO)
    psdu = (head[:, 19] & 0x7F).astype(np.int64)
    shifted = found._replace(
        at=found.at + PACKET_INFO,
        captured=np.minimum(found.captured - PACKET_INFO, psdu),
        original=psdu,
        rssi_dbm=head[:, 14].view(np.int8).astype(np.float32),
        channel=head[:, 12].astype(np.int16) | head[:, 13].astype(np.int16) << 8,
    )
    return _taken(shifted, good)


ETHERNET: Final = 1
IP: Final = (101, 228)
_ZEP_PORT: Final = 17754
_ZEP_HEADER: Final = {1: 16, 2: 32}
"""Octets of a ZEP header, by version (version 3 is as 2); its last octet is the frame's length."""
_BEFORE_ZEP: Final = 14 + 60 + 8
"""Octets of Ethernet, the longest IPv4 header and UDP."""


def _after_zep(buffer: Octets, found: _Payloads, link_type: int) -> _Payloads:
    """ZigBee Encapsulation Protocol in UDP over IPv4: records that are none, and ZEP acknowledgements, are no frames.

    "EX", version, then in version 1 channel, device (2), mode, LQI, 7 reserved octets, length; in version 2 type,
    channel, device (2), mode, LQI, time (8), sequence (4), 10 reserved octets, length. Numbers are big-endian.
    """
    head = rows(buffer, found.at, _BEFORE_ZEP + max(_ZEP_HEADER.values()))
    every = np.arange(len(head))
    ip = 14 if link_type == ETHERNET else 0
    good = (head[:, ip] >> 4 == 4) & (head[:, ip + 9] == 17) & (head[:, ip + 6] & 0x1F == 0) & (head[:, ip + 7] == 0)
    if ip:
        good &= (head[:, 12] == 0x08) & (head[:, 13] == 0)
    udp = ip + 4 * (head[:, ip] & 0x0F).astype(np.int64)
    ports = [head[every, udp + at].astype(np.int64) << 8 | head[every, udp + at + 1] for at in (0, 2)]
    zep = udp + 8
    version = head[every, zep + 2]
    good &= (udp >= ip + 20) & ((ports[0] == _ZEP_PORT) | (ports[1] == _ZEP_PORT))
    good &= (head[every, zep] == 0x45) & (head[every, zep + 1] == 0x58)
    good &= (version == 1) | (((version == 2) | (version == 3)) & (head[every, zep + 3] == 1))
    start = zep + np.where(version == 1, _ZEP_HEADER[1], _ZEP_HEADER[2])
    good &= found.captured >= start
    channel, page = _of_logical(head[every, zep + np.where(version == 1, 3, 4)])
    lqi = head[every, zep + np.where(version == 1, 7, 8)].astype(np.int16)
    psdu = (head[every, start - 1] & 0x7F).astype(np.int64)
    shifted = found._replace(
        at=found.at + start,
        captured=np.minimum(found.captured - start, psdu),
        original=psdu,
        channel=channel,
        page=page,
        lqi=lqi,
    )
    return _taken(shifted, good)


def _of_logical(octets: Octets) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Channels and pages that are written as one octet, -1 where it is none."""
    from hanscope.captures.sniffers.channels import of_logical  # noqa: PLC0415 -- only ZEP needs it

    known = [of_logical(octet) or (-1, -1) for octet in range(256)]
    channel, page = np.array(known, np.int16)[octets].T
    return channel, page


# TAP (link type 283): version, reserved, length of the header, then type-length-value fields padded to four octets

FCS_TYPE: Final = 0
RSS: Final = 1
CHANNEL: Final = 3
LQI: Final = 10
_TAP_SHAPES: Final = 32
"""Shapes of TAP headers in a chunk that are read as columns (sniffers write one or two); others: header by header."""
_LEAST_VALUE: Final = {FCS_TYPE: 1, RSS: 4, CHANNEL: 3, LQI: 1}
"""Octets of the values that are used; a shorter one is not used."""


def _after_tap_header(buffer: Octets, found: _Payloads) -> _Payloads:
    head = rows(buffer, found.at, 4)
    size = head[:, 2].astype(np.int64) | head[:, 3].astype(np.int64) << 8
    good = (head[:, 0] == 0) & (size >= 4) & (size <= found.captured)
    found, size = _taken(found, good), size[good]
    count = len(size)
    shifted = found._replace(
        at=found.at + size,
        captured=found.captured - size,
        original=found.original - size,
        rssi_dbm=np.full(count, np.nan, np.float32),
        lqi=np.full(count, -1, np.int16),
        channel=np.full(count, -1, np.int16),
        page=np.full(count, -1, np.int16),
        fcs_length=np.zeros(count, np.int64),
    )
    left = np.arange(count)
    shapes = 0
    while len(left):
        width = int(size[left[0]])
        header = buffer[found.at[left[0]] :][:width].tobytes()
        fields = _tap_fields(header)
        if shapes == _TAP_SHAPES:
            _read_tap(shifted, left[:1], np.frombuffer(header, np.uint8)[None], fields)
            left = left[1:]
            continue
        shapes += 1
        alike = np.flatnonzero(size[left] == width)
        words = rows(buffer, found.at[left[alike]], width + 3 & ~3).view("<u4")
        same = words[:, 0] == words[0, 0]
        for _, at, _ in fields:  # the word before a value is its type and length
            same &= words[:, at // 4 - 1] == words[0, at // 4 - 1]
        if not same.all():
            alike, words = alike[same], words[same]
        _read_tap(shifted, left[alike], words.view(np.uint8), fields)
        left = np.delete(left, alike) if len(alike) < len(left) else left[:0]
    return shifted


def _tap_fields(header: bytes) -> list[tuple[int, int, int]]:
    """Type, place of the value and its length, for the fields that lie wholly in the header."""
    found: list[tuple[int, int, int]] = []
    at = 4
    while at + 4 <= len(header):
        kind, length = int.from_bytes(header[at : at + 2], "little"), int.from_bytes(header[at + 2 : at + 4], "little")
        at += 4
        if at + length > len(header):
            break
        found.append((kind, at, length))
        at += (length + 3) & ~3
    return found


def _read_tap(into: _Payloads, chosen: Int64s, headers: Octets, fields: list[tuple[int, int, int]]) -> None:
    """Write what equally built TAP headers tell into the chosen rows of the columns; of a repeated field the last."""
    for kind, at, length in fields:
        if length < _LEAST_VALUE.get(kind, length + 1):
            continue
        value = headers[:, at : at + _LEAST_VALUE[kind]]
        if kind == FCS_TYPE and into.fcs_length is not None:
            into.fcs_length[chosen] = np.array([0, 2, 4, 0])[np.minimum(value[:, 0], 3)]
        elif kind == RSS:
            into.rssi_dbm[chosen] = np.ascontiguousarray(value).view("<f4")[:, 0]
        elif kind == CHANNEL:
            number = value[:, 0].astype(np.int16) | value[:, 1].astype(np.int16) << 8
            into.channel[chosen] = np.where(number < 0, -1, number)
            into.page[chosen] = value[:, 2]
        elif kind == LQI:
            into.lqi[chosen] = value[:, 0]


# What stands after the frame


_TRAILER_LENGTH: Final[dict[Trailer, int]] = {"fcs": 2, "ti-metadata": 2, "placeholder": 2, "raw-lqi": 2, "none": 0}


def _finished(buffer: Octets, found: _Payloads, trailer: Trailer) -> _Columns:
    """Take the trailer off and say what it tells."""
    strip = _TRAILER_LENGTH[trailer] if found.fcs_length is None else found.fcs_length
    length = np.minimum(found.captured, np.maximum(found.original - strip, 0))
    whole = (found.captured == found.original) & (found.captured >= strip)
    state = np.full(len(length), Fcs.NOT_CAPTURED, np.uint8)
    rssi_dbm, lqi = found.rssi_dbm, found.lqi
    if trailer == "fcs":
        # what of a frame was not captured is not looked at: a length of 0 costs nothing
        intact = fcs.valid(buffer, found.at, found.captured if whole.all() else np.where(whole, found.captured, 0))
        state[whole] = intact[whole]
    elif trailer == "ti-metadata":
        metadata = rows(buffer, found.at + length, 2)
        rssi_dbm = np.where(whole, metadata[:, 0].view(np.int8).astype(np.float32) + _RSSI_OFFSET, np.nan)
        rssi_dbm = rssi_dbm.astype(np.float32)
        lqi = np.where(whole, (metadata[:, 1] & 0x7F).astype(np.int16), -1)  # an octet cannot be -1
        state[whole] = metadata[whole, 1] >> 7
    elif trailer == "raw-lqi":
        lqi = np.where(whole, np.minimum(rows(buffer, found.at + length, 1)[:, 0].astype(np.int16) * 4, 255), -1)
        lqi = lqi.astype(np.int16)
    elif found.fcs_length is not None:
        short = whole & (found.fcs_length == 2)
        state[short] = fcs.valid(buffer, found.at[short], found.captured[short])
        for index in np.flatnonzero(whole & (found.fcs_length == 4)).tolist():
            state[index] = _valid32(buffer[found.at[index] :][: found.captured[index]].tobytes())
    return _Columns(
        found.chosen,
        found.at,
        length,
        state,
        rssi_dbm,
        lqi,
        found.channel,
        found.page,
        found.captured < found.original - strip,
    )


def _valid32(octets: bytes) -> bool:
    """Whether a frame with a 32-bit FCS (802.15.4 7.2.10) is intact; frames below four octets are extended by zeros."""
    return zlib.crc32(octets[:-4].ljust(4, b"\0")) == int.from_bytes(octets[-4:], "little")


def _decision(records: RecordBatch, interface: Interface) -> Decision:
    def decided(trailer: Trailer, evidence: str, *, sure: bool = True) -> Decision:
        return Decision(interface.index, interface.link_type, trailer, evidence, sure)

    kind = interface.link_type
    chosen = np.flatnonzero(records.interface == interface.index)[:_SAMPLE]
    if kind == USER0:
        fits = _is_packet_info(records.buffer, records.at[chosen], records.captured[chosen])
        if 10 * int(fits.sum()) < 9 * len(chosen):
            told = f"private link type; {fits.sum()} of {len(chosen)} records look like TI's"
            return decided("not-802.15.4", told, sure=len(chosen) >= _ENOUGH)
    elif kind == ETHERNET or kind in IP:
        if not len(_located(records, chosen, decided("none", "")).at):
            return decided(
                "not-802.15.4",
                f"link type {kind} ({link_type_name(kind)}) without ZEP in the first {len(chosen)} records",
                sure=len(chosen) >= _SAMPLE,
            )
    elif kind not in (WITH_FCS, NO_FCS, NONASK_PHY, TAP):
        return decided("not-802.15.4", f"link type {kind} ({link_type_name(kind)}) does not carry 802.15.4 frames")
    found = _located(records, chosen, decided("none", ""))
    if kind == WITH_FCS and 10 * (dumped := int((found.page >= 0).sum())) >= 9 * max(len(chosen), 1):
        return decided("ti-metadata", f"{dumped} of the first {len(chosen)} frames are dumps of the ZBOSS stack")
    if found.fcs_length is not None:
        told = int((found.fcs_length > 0).sum())
        return decided("by-frame", f"TAP: {told} of the first {len(found.at)} frames say that they end with an FCS")
    whole = (found.captured == found.original) & (found.captured >= 3)
    trailer, evidence, sure = _judged(records.buffer, found.at[whole], found.captured[whole], kind)
    return decided(trailer, evidence, sure=sure)


def _judged(buffer: Octets, at: Int64s, length: Int64s, link_type: int) -> tuple[Trailer, str, bool]:
    """What whole frames of three octets and more end with, why, and whether they are enough to say so."""
    surplus = _surplus(buffer, at, length)
    at, length = at[length >= 5], length[length >= 5]  # the least that has room for a header and a trailer
    count = len(at)
    intact = int(fcs.valid(buffer, at, length).sum())
    known = len(surplus)
    without, with_two = int((surplus == 0).sum()), int((surplus == 2).sum())
    last = rows(buffer, at + length - 2, 2)
    first, second = last[:, 0], last[:, 1]
    constant = int((((first == 0xFF) & (second == 0xFF)) | ((first == 0) & (second == 0))).sum())
    metadata = int(((second >= 0x80) & (second & 0x7F >= 40) & (second & 0x7F <= 115)).sum())
    raw = int(((second == 0) & (first >= 4) & (first <= 64)).sum())
    # Three in ten random pairs look like metadata: more than chance is needed, or a proof that two octets are there.
    two_are_there = 2 * with_two > known or count >= _ENOUGH
    of_count = f"of the first {count} frames"
    checked = f"the CRC is right in {intact} {of_count}"

    trailer: Trailer = "none" if link_type == NO_FCS else "fcs"
    evidence = f"not clear: {checked}; link type {link_type} says so"
    if not count and not known:
        evidence = f"no whole frame to judge by; link type {link_type} says so"
    elif count and 2 * intact >= count:
        trailer, evidence = "fcs", checked
    elif 2 * without > known:
        trailer = "none"
        evidence = f"{without} of {known} frames of fixed length end where their header says; {checked}"
    elif count and 10 * constant >= 9 * count:
        trailer, evidence = "placeholder", f"{constant} {of_count} end with FF FF or 00 00"
    elif two_are_there and 5 * metadata >= 4 * count:
        trailer, evidence = "ti-metadata", f"{metadata} {of_count} end with TI's CRC flag and correlation; {checked}"
    elif two_are_there and 5 * raw >= 4 * count:
        trailer, evidence = "raw-lqi", f"{raw} {of_count} end with a raw LQI and 00; {checked}"
    return trailer, evidence, count >= _ENOUGH or 2 * intact >= count > 0


_COMMAND_PAYLOAD: Final = np.array([-1, 1, 3, 1, 0, 0, 0, 0], np.int64)
"""Octets after the identifier of MAC commands 1 to 7 (802.15.4 7.5); -1: not a fixed number."""
_ADDRESS: Final = np.array([0, 0, 2, 8], np.int64)
"""Octets of an address, by addressing mode; mode 1 is reserved."""


def _surplus(buffer: Octets, at: Int64s, length: Int64s) -> Int64s:
    """How many octets the frames have beyond what their MAC header prescribes, for unsecured frames of a fixed length:
    MAC commands or, if there are none, acknowledgements (which some radios pad).
    """
    head = rows(buffer, at, 2)
    control = head[:, 0].astype(np.int64) | head[:, 1].astype(np.int64) << 8
    kind = control & 7
    plain = (control >> 3 & 1 == 0) & (control >> 12 & 3 < 2)
    destination, source = control >> 10 & 3, control >> 14 & 3
    plain &= (destination != 1) & (source != 1)
    header = 3 + _ADDRESS[destination] + _ADDRESS[source]
    header += 2 * (destination != 0) + 2 * ((source != 0) & (control >> 6 & 1 == 0))
    commands = np.flatnonzero(plain & (kind == 3) & (length > header))
    identifier = rows(buffer, at[commands] + header[commands], 1)[:, 0]
    payload = np.where(identifier < 8, _COMMAND_PAYLOAD[identifier & 7], -1)
    surplus = (length[commands] - header[commands] - 1 - payload)[payload >= 0]
    if len(surplus):
        return surplus
    acknowledgements = plain & (kind == 2) & (header == 3)
    return length[acknowledgements] - 3
