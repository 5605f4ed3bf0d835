"""GBZ payloads: ZigBee commands in GBCS messages for devices that speak no DLMS (GSME and Gas Proxy Function).

    command, response   profile 0109 (2), number of components (1), components
    alert               profile (2), number of components (1), alert code (2), time (4), what belongs to the alert
    component           control (1), cluster (2), length (2),
                        from-date-time (4) if control has bit 4,
                        additional control (1) and frame counter (1) if control has bit 1: the payload is encrypted,
                        ZCL header (3), ZCL payload; or the length of an encrypted part (2) and the part

Everything is big-endian except the ZCL frames, whose commands are the layers of `hanscope.dissectors.zigbee`.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec.structs import replace

from hanscope.dissectors import zigbee  # registers the commands of all clusters
from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.gbcs.codes import INTEGRITY_ISSUES, alert_text, use_case_text
from hanscope.dissectors.gbcs.layers import LayerNodes, field_time_text, time_text, trace_of
from hanscope.dissectors.gbcs.node import Decryptor, Node, undecoded
from hanscope.dissectors.gbcs.walk import View, read
from hanscope.dissectors.layer import Undissected
from hanscope.dissectors.zigbee.zcl import attribute_name, of_server

PROFILE: Final = 0x0109
"""ZigBee Smart Energy."""
ENCRYPTED: Final = "encrypted"
"""The name of a node that holds an encrypted part: `31 00000000 || ciphertext || tag`."""

_FIRMWARE_VERSION: Final = (Cluster.METERING, 0x0206)
"""GBCS puts the firmware version into this attribute, most significant octet first."""
_ALERT: Final = 3
"""CRA flag."""
_MANY: Final = 256
"""Names that are kept, since the same few come again and again."""
_LAST: Final = 0x01
_IS_ENCRYPTED: Final = 0x02
_FROM_DATE_TIME: Final = 0x10
_CONTROL_BITS: Final = ((_LAST, "last component"), (_IS_ENCRYPTED, "encrypted"), (_FROM_DATE_TIME, "from-date-time"))
_MANUFACTURER_SPECIFIC: Final = 0x04
"""Bit of the ZCL frame control: the header has two octets more."""
_ZCL_HEADER: Final = 3
_SECURITY_HEADER: Final = 5
_TAG: Final = 12
_COMPONENT_HEADER: Final = 5
_HASH_ALERTS: Final = (0x8F72, 0x8F1C)
_FUTURE_DATED_ALERTS: Final = (0x8F66, 0x8F67)
_INTEGRITY_ALERT: Final = 0x81A0
_USER_INTERFACE_ALERTS: Final = (0x8161, 0x8162)


class _Below(NamedTuple):
    """What the ZCL layer sees below itself in place of an APS header."""

    cluster: int
    underlayer: None = None


class _EndError(ValueError):
    """There are fewer octets than a field needs."""


def decode(octets: bytes, start: int, stop: int, cra_flag: int, decrypt: Decryptor = lambda _: None) -> Node:
    """The tree of the GBZ payload in octets [start, stop) of a message.

    `decrypt` is asked to open each encrypted part. Never raises: what does not fit is in the tree with a problem.
    """
    front = _Front(octets, start, stop)
    problem: str | None = None
    try:
        front.number("profile", 2, lambda n: "Smart Energy" if n == PROFILE else "not Smart Energy")
        count = front.number("number_of_components", 1)
        if cra_flag == _ALERT:
            _alert(front)
        components = list(_components(front, decrypt))
        if cra_flag != _ALERT:
            problem = _miscounted(count, components)
    except _EndError as error:
        problem = str(error)
        front.rest(problem)
    return Node("GBZ", start, stop, children=tuple(front.nodes), problem=problem)


class _Front:
    """Octets [start, stop) of a message, taken off the front field by field; each field becomes a leaf."""

    def __init__(self, octets: bytes, start: int, stop: int) -> None:
        self.octets = octets
        self.at = start
        self.stop = stop
        self.nodes: list[Node] = []

    def take(self, name: str, size: int, text: str = "") -> bytes:
        """A field that is octets. Raises `_EndError`."""
        value = self._raw(name, size)
        self._add(name, size, value, text)
        return value

    def number(self, name: str, size: int, text: Callable[[int], str] = lambda _: "") -> int:
        """A field that is an unsigned number, and how it reads. Raises `_EndError`."""
        value = int.from_bytes(self._raw(name, size), "big")
        self._add(name, size, value, text(value))
        return value

    def rest(self, why: str) -> None:
        """What is left has no known meaning."""
        if self.at < self.stop:
            self.nodes.append(undecoded(self.octets, self.at, self.stop, why))
            self.at = self.stop

    def _raw(self, name: str, size: int) -> bytes:
        if self.stop - self.at < size:
            raise _EndError(f"ends inside {name}")
        return self.octets[self.at : self.at + size]

    def _add(self, name: str, size: int, value: bytes | int, text: str) -> None:
        self.nodes.append(Node(name, self.at, self.at + size, value, text))
        self.at += size


def _miscounted(count: int, components: list[int]) -> str | None:
    """What is wrong with the number of components, or with the bit that marks the last; given their control octets."""
    if count != len(components):
        return f"{count} components promised, {len(components)} found"
    marked = [place for place, control in enumerate(components, 1) if control & _LAST]
    return None if marked == [count] else f"marked as the last component: {marked or 'none'} of {count}"


def _alert(front: _Front) -> None:
    """Alert code, time, and what belongs to this alert except components."""
    code = front.number("alert_code", 2, alert_text)
    front.number("time", 4, time_text)
    if front.at == front.stop:
        return
    if code in _HASH_ALERTS:
        front.number("data_type", 1, lambda _: "octet string")
        front.take("manufacturer_image_hash", front.number("hash_length", 1))
    elif code in _FUTURE_DATED_ALERTS:
        front.number("details_length", 1)
        front.number("message_code", 2, use_case_text)
        front.number("originator_counter", 8)
        cluster = front.number("cluster", 2, _cluster_text)
        control = front.number("zcl_frame_control", 1)
        front.number("zcl_command", 1, lambda command: _command_text(cluster, control, command))
    elif code == _INTEGRITY_ALERT:
        front.number("issue_code", 2, lambda n: INTEGRITY_ISSUES[n] if n < len(INTEGRITY_ISSUES) else "unknown issue")
    elif code in _USER_INTERFACE_ALERTS and front.stop - front.at == 2:
        front.number("user_interface_command", 2)


def _components(front: _Front, decrypt: Decryptor) -> Iterator[int]:
    """Takes components up to the end, and gives their control octets."""
    while front.at < front.stop:
        if front.stop - front.at < _COMPONENT_HEADER:
            raise _EndError("ends inside the header of a component")
        node = _component(front, decrypt)
        front.nodes.append(node)
        yield front.octets[front.at]
        front.at = node.stop


def _component(front: _Front, decrypt: Decryptor) -> Node:
    length = int.from_bytes(front.octets[front.at + 3 : front.at + 5], "big")
    end = front.at + _COMPONENT_HEADER + length
    inner = _Front(front.octets, front.at, min(end, front.stop))
    problem = (
        f"{length} octets promised, {front.stop - front.at - _COMPONENT_HEADER} left" if end > front.stop else None
    )
    control = inner.number("extended_header_control", 1, _control_text)
    cluster = inner.number("cluster", 2, _cluster_text)
    inner.number("length", 2)
    try:
        if control & _FROM_DATE_TIME:
            inner.number("from_date_time", 4, field_time_text)
        if control & _IS_ENCRYPTED:
            inner.number("additional_header_control", 1)
            inner.number("frame_counter", 1)
            _encrypted(inner, cluster, decrypt)
        else:
            _plain(inner, cluster)
    except _EndError as error:
        problem = problem or str(error)
        inner.rest(str(error))
    return Node("component", front.at, inner.stop, children=tuple(inner.nodes), problem=problem)


def _plain(front: _Front, cluster: int) -> None:
    """A ZCL frame up to the end."""
    frame = _Frame(front.octets[front.at : front.stop], cluster)
    front.nodes += [*frame.header(front.at), *frame.payload(front.at)]
    front.at = front.stop
    if frame.problem is not None:
        raise _EndError(frame.problem)


def _encrypted(front: _Front, cluster: int, decrypt: Decryptor) -> None:
    """A ZCL header, and the ZCL payload as an encrypted part."""
    size = _ZCL_HEADER
    if front.at < front.stop and front.octets[front.at] & _MANUFACTURER_SPECIFIC:
        size += 2
    header = front.octets[front.at : min(front.at + size, front.stop)]
    front.nodes += _Frame(header, cluster).header(front.at)
    front.at += len(header)
    if len(header) < size:
        raise _EndError("ends inside the ZCL header")
    length = front.number("ciphered_length", 2)
    if not _SECURITY_HEADER + _TAG <= length <= front.stop - front.at:
        raise _EndError(f"an encrypted part of {length} octets can not be")
    start, stop = front.at, front.at + length
    plaintext = decrypt(front.octets[start:stop])
    if plaintext is None:
        nodes, text, problem = _sealed(front.octets, start, stop), "not decrypted", None
    else:
        frame = _Frame(header + plaintext, cluster)
        nodes, text, problem = frame.payload(-len(header)), "decrypted", frame.problem
    front.nodes.append(Node(ENCRYPTED, start, stop, None, text, tuple(nodes), problem, plaintext))
    front.at = stop
    front.rest("octets behind the encrypted part")


def _sealed(octets: bytes, start: int, stop: int) -> list[Node]:
    """An encrypted part that nobody opened."""
    part = _Front(octets, start, stop)
    part.number("security_control", 1)
    part.number("invocation_counter", 4)
    part.take("ciphertext", stop - start - _SECURITY_HEADER - _TAG)
    part.take("tag", _TAG)
    return part.nodes


class _Frame:
    """A ZCL frame; its nodes are placed by the octet of the message at which it starts."""

    def __init__(self, octets: bytes, cluster: int) -> None:
        """Raises `_EndError` if there is not even an octet."""
        if not octets:
            raise _EndError("ends before the ZCL header")
        trace, self.problem = trace_of(zigbee.Zcl, octets, _Below(cluster))
        self._octets = octets
        self._cluster = cluster
        self._header, *self._layers = trace.layers
        self._zcl = self._header.view
        self._header_stop = self._layers[0].start if self._layers else len(octets)

    def header(self, start: int) -> list[Node]:
        """The fields of the ZCL header."""
        return [
            replace(node, text=_command_name(self._zcl)) if node.name == "command_identifier" else node
            for node in LayerNodes(self._octets, start).of_fields(self._header, self._header_stop)
        ]

    def payload(self, start: int) -> list[Node]:
        """The command: a node with its fields."""
        nodes = LayerNodes(self._octets, start, self._attribute_name)
        stops = [*(layer.start for layer in self._layers[1:]), len(self._octets)]
        payload: list[Node] = []
        for layer, stop in zip(self._layers, stops, strict=False):
            if layer.layer is Undissected:
                why = "more octets than the command has" if payload else f"{_command_name(self._zcl)} is not known"
                payload.append(nodes.undecoded(layer.start, stop, why))
            elif layer.start < stop:
                place = (start + layer.start, start + stop)
                payload.append(Node(layer.layer.__name__, *place, children=nodes.of_fields(layer, stop)))
        return payload

    def _attribute_name(self, attribute_id: int) -> str | None:
        if self._zcl.manufacturer_specific:
            return None
        if (self._cluster, attribute_id) == _FIRMWARE_VERSION:
            return "CURRENT_METER_ID: FIRMWARE_VERSION"
        return attribute_name(self._cluster, attribute_id, of_server=of_server(self._zcl))


def _command_name(zcl: View) -> str:
    """The command in a ZCL header: by the layer of its payload."""
    layer = zcl.payload_class()
    if layer is not Undissected:
        return layer.__name__
    return f"command {zcl.command_identifier:#04x} of {_cluster_text(zcl.underlayer.cluster)}"


def _command_text(cluster: int, frame_control: int, command: int) -> str:
    """The command that an alert speaks of."""
    if frame_control & _MANUFACTURER_SPECIFIC:
        return "manufacturer specific"
    header = bytes([frame_control, 0, command])
    return _command_name(read(zigbee.Zcl, header, 0, len(header), _Below(cluster)).view)


@lru_cache(_MANY)
def _cluster_text(cluster: int) -> str:
    return Cluster(cluster).name if cluster in frozenset(Cluster) else f"unknown cluster {cluster:#06x}"


def _control_text(control: int) -> str:
    return ", ".join(name for bit, name in _CONTROL_BITS if control & bit)
