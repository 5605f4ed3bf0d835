"""The GBCS messages of a firmware update, as parties and devices of a simulated HAN say them.

Envelopes are the layers of `dissectors.gbcs.envelope`, signed and protected as the category of the use case wants it
(GBCS 6): a critical command has signature and MAC, a critical response or alert a signature, all else a MAC. Payloads:
CS06 and its alert (GBCS 11.5), the Firmware Distribution Receipt Alert (11.2.6), and the version reads ECS52, GCS38 and
CS08; CS09 (the PPMID's own alert) and CCS08 (the hub's, which leaves the house by the WAN).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from scapy.packet import Packet

from hanscope.captures.simulator.parties import Party, sign
from hanscope.dissectors.codes import Cluster, Profile
from hanscope.dissectors.gbcs import crypto
from hanscope.dissectors.gbcs.codes import CraFlag
from hanscope.dissectors.gbcs.crypto import KeyUse
from hanscope.dissectors.gbcs.envelope import GroupingHeader, Mac, MacHeader, ber_length
from hanscope.dissectors.zigbee.zcl import ReadAttributes, Zcl

CANCEL: Final = "99991231235959Z"
"""As an execution time."""
RECEIVED: Final = 0x8F72
"""Firmware Verification Successful."""
REJECTED: Final = 0x8F1C
"""Firmware Verification Failed."""
CARRIED_OUT: Final = 0x8F66
NOT_CARRIED_OUT: Final = 0x8F67
TRANSFER_FAILED: Final = 0x8F89
TRANSFERRED: Final = 0x8F8A
PPMID_ACTIVATED: Final = 0x8F8B
EPOCH_2000: Final = 946_684_800
"""2000-01-01 in Unix time."""

_CS06: Final = 0x0012
_CS06_ALERT: Final = 0x00CA
_ECS52: Final = 0x0059
_GCS38: Final = 0x0084
_CS08: Final = 0x0129
_CS09: Final = 0x012B
_CCS08: Final = 0x0128
_RECEIPT_DLMS: Final = 0x00CE
_RECEIPT_GBZ: Final = 0x00CF
_FIRMWARE_VERSION: Final = 0x0206
"""Attribute of the Metering cluster."""
_OCTET_STRING: Final = 0x41


class Activation(IntEnum):
    """The outcome of CS06."""

    SUCCESS = 0
    NO_IMAGE_HELD = 1
    HASH_MISMATCH = 2
    ACTIVATION_FAILURE = 3


class TransferResult(IntEnum):
    """The result in CCS08."""

    SUCCESS = 0
    IMAGE_DISCARDED = 1
    HARDWARE_VERSION_MISMATCH = 2
    FILE_TRANSFER_FAILURE = 3


@dataclass(frozen=True)
class Command:
    """A command that was sent, as much of it as its response needs."""

    octets: bytes
    code: int
    counter: int
    originator: Party
    device: Party
    supplementary: tuple[int, int] | None = None
    """Remote party and its counter."""


class Speakers:
    """Supplier, Access Control Broker and hub, each with the counters of its messages."""

    def __init__(self, supplier: Party, broker: Party, hub: Party) -> None:
        self.supplier = supplier
        self.broker = broker
        self.hub = hub
        self._counters = {supplier.eui64: 0x3E7, broker.eui64: 0x513, hub.eui64: 0xF9F}

    def _next(self, party: Party) -> int:
        counter = self._counters.setdefault(party.eui64, 0x7CF) + 1
        self._counters[party.eui64] = counter
        return counter

    # -- commands ------------------------------------------------------------------------------------------------------

    def activate(self, device: Party, image_hash: bytes, execution: str | None = None) -> Command:
        """CS06. `execution`: a GeneralizedTime; `CANCEL` cancels; without: at once."""
        counter = self._next(self.supplier)
        content = [_octets(image_hash), _integer(counter)] + ([_time(execution)] if execution else [])
        return self._critical(_CS06, counter, device, _sequence(*content))

    def read_esme(self, device: Party) -> Command:
        """ECS52."""
        counter = self._next(self.supplier)
        payload = b"\xd9" + _invoke_id(counter) + bytes.fromhex("00010100010000000201ff020100")
        return self._plain(_ECS52, counter, self.supplier, device, payload)

    def read_gsme(self, device: Party) -> Command:
        """GCS38."""
        frame = bytes(Zcl() / ReadAttributes(attribute_ids=[_FIRMWARE_VERSION]))
        return self._plain(_GCS38, self._next(self.supplier), self.supplier, device, _component(frame))

    def read_other(self, device: Party) -> Command:
        """CS08, for PPMID and HCALCS: the broker asks for the supplier."""
        party = self.supplier.eui64, self._next(self.supplier)
        return self._plain(_CS08, self._next(self.broker), self.broker, device, _NULL, party)

    # -- responses -----------------------------------------------------------------------------------------------------

    @staticmethod
    def activated(command: Command, now: datetime, outcome: Activation, version: int) -> bytes:
        """To CS06 that was to be carried out at once."""
        return Speakers._signed_response(command, now, _outcome(outcome, version))

    @staticmethod
    def accepted(command: Command, now: datetime) -> bytes:
        """To CS06 that is future dated, or cancels."""
        return Speakers._signed_response(command, now, _NULL)

    @staticmethod
    def version(command: Command, version: int) -> bytes:
        """To any of the version reads."""
        octets = version.to_bytes(4, "big")
        match command.code:
            case 0x0059:
                payload = b"\xda" + _invoke_id(command.counter) + b"\0\0\x01\x09\x04" + octets + b"\x01\x01\x00"
            case 0x0084:
                record = _FIRMWARE_VERSION.to_bytes(2, "little") + bytes((0, _OCTET_STRING, 4)) + octets
                payload = _component(b"\x08\x00\x01" + record)
            case _:
                payload = _sequence(_octets(octets), _integer(0))
        return _with_mac(
            _grouping(
                CraFlag.RESPONSE,
                command.code,
                command.counter,
                command.device,
                command.originator,
                payload,
                supplementary=command.supplementary,
            ),
            command.device,
            command.originator,
            KeyUse.RESPONSE_MAC,
            between=(command.device, command.originator),
        )

    # -- alerts --------------------------------------------------------------------------------------------------------

    def receipt(self, device: Party, now: datetime, alert: int, image_hash: bytes, *, dlms: bool) -> bytes:
        """The Firmware Distribution Receipt Alert; `alert`: `RECEIVED` or `REJECTED`."""
        counter = self._next(device)
        if dlms:
            head = b"\x0f" + _invoke_id(counter) + b"\0\x02\x03\x12" + alert.to_bytes(2, "big")
            payload = head + b"\x09\x0c" + _date_time(now) + b"\x09\x20" + image_hash
        else:
            seconds = int(now.timestamp()) - EPOCH_2000
            head = _PROFILE + b"\x01" + alert.to_bytes(2, "big") + seconds.to_bytes(4, "big")
            payload = head + b"\x09\x20" + image_hash
        code = _RECEIPT_DLMS if dlms else _RECEIPT_GBZ
        return _signed(_grouping(CraFlag.ALERT, code, counter, device, self.supplier, payload), device)

    def carried_out(self, command: Command, execution: str, outcome: Activation, version: int) -> bytes:
        """The alert of a future dated CS06."""
        alert = NOT_CARRIED_OUT if outcome else CARRIED_OUT
        payload = _sequence(_integer(alert), _time(execution), _integer(command.counter), _outcome(outcome, version))
        return self._alert(_CS06_ALERT, command.device, command.originator, payload)

    def ppmid_activated(self, device: Party, now: datetime, version: int, *, success: bool = True) -> bytes:
        """CS09."""
        payload = _sequence(
            _integer(PPMID_ACTIVATED),
            _time(generalized(now)),
            _octets(version.to_bytes(4, "big")),
            _integer(not success),
        )
        return self._alert(_CS09, device, self.broker, payload)

    def transferred(self, device: Party, now: datetime, version: int, result: TransferResult) -> bytes:
        """CCS08, which the hub sends by the WAN: it is never on the air of the HAN."""
        payload = _sequence(
            _integer(TRANSFER_FAILED if result else TRANSFERRED),
            _time(generalized(now)),
            _octets(device.eui64.to_bytes(8, "big")),
            _octets(version.to_bytes(4, "big")),
            _integer(result),
        )
        return self._alert(_CCS08, self.hub, self.broker, payload)

    # -- envelopes -----------------------------------------------------------------------------------------------------

    def _critical(self, code: int, counter: int, device: Party, payload: bytes) -> Command:
        message = _grouping(CraFlag.COMMAND, code, counter, self.supplier, device, payload)
        message.signature = sign(self.supplier.signing, _signed_octets(message))
        octets = _with_mac(message, self.supplier, device, KeyUse.COMMAND_MAC, between=(self.broker, device))
        return Command(octets, code, counter, self.supplier, device)

    def _plain(
        self,
        code: int,
        counter: int,
        originator: Party,
        device: Party,
        payload: bytes,
        supplementary: tuple[int, int] | None = None,
    ) -> Command:
        message = _grouping(CraFlag.COMMAND, code, counter, originator, device, payload, supplementary=supplementary)
        octets = _with_mac(message, originator, device, KeyUse.COMMAND_MAC, between=(self.broker, device))
        return Command(octets, code, counter, originator, device, supplementary)

    @staticmethod
    def _signed_response(command: Command, now: datetime, payload: bytes) -> bytes:
        message = _grouping(
            CraFlag.RESPONSE,
            command.code,
            command.counter,
            command.device,
            command.originator,
            payload,
            date_time=_date_time(now),
        )
        return _signed(message, command.device)

    def _alert(self, code: int, originator: Party, target: Party, payload: bytes) -> bytes:
        return _signed(_grouping(CraFlag.ALERT, code, self._next(originator), originator, target, payload), originator)


def _grouping(
    flag: CraFlag,
    code: int,
    counter: int,
    originator: Party,
    target: Party,
    payload: bytes,
    *,
    date_time: bytes = b"",
    supplementary: tuple[int, int] | None = None,
) -> Packet:
    party, its_counter = supplementary or (None, None)
    return GroupingHeader(
        cra_flag=flag,
        originator_counter=counter,
        originator=originator.eui64,
        target=target.eui64,
        date_time=date_time,
        message_code=code,
        supplementary_remote_party=party,
        supplementary_remote_party_counter=its_counter,
        content=payload,
        signature=b"",
    )


def _signed_octets(message: Packet) -> bytes:
    """What the signature of a message that has none yet covers: everything behind the tag, up to the payload's end."""
    return bytes(message)[1:]


def _signed(message: Packet, signer: Party) -> bytes:
    message.signature = sign(signer.signing, _signed_octets(message))
    return bytes(message)


def _with_mac(message: Packet, originator: Party, target: Party, use: KeyUse, *, between: tuple[Party, Party]) -> bytes:
    """The message behind a MAC Header and before its MAC; `between`: whose Key Agreement keys make the key."""
    one, other = between
    secret = crypto.agree(one.agreement, other.agreement.public_key())
    key = crypto.derive_key(secret, use, originator.eui64, message.originator_counter, target.eui64)
    whole = bytes(MacHeader() / message / Mac(mac=bytes(12)))
    start = whole.index(b"\xdf\x09")
    authenticated = b"\x11" + bytes(5) + whole[start:-12]
    return whole[:-12] + crypto.mac(key, originator.eui64, authenticated)


# -- payloads ----------------------------------------------------------------------------------------------------------

_NULL: Final = b"\x05\x00"
_PROFILE: Final = Profile.SMART_ENERGY.to_bytes(2, "big")


def generalized(time: datetime) -> str:
    """A time as ASN.1 writes it."""
    return f"{time:%Y%m%d%H%M%S}Z"


def at(unix_ns: int) -> datetime:
    """A time of the simulation."""
    return datetime.fromtimestamp(unix_ns // 1_000_000_000, UTC)


def _date_time(time: datetime) -> bytes:
    """DLMS: weekday, hundredths and deviation not specified."""
    return time.year.to_bytes(2, "big") + bytes(
        (time.month, time.day, 0xFF, time.hour, time.minute, time.second, 0, 0x80, 0, 0xFF)
    )


def _invoke_id(counter: int) -> bytes:
    return b"\x20" + (counter & 0xFFFFFF).to_bytes(3, "big")


def _component(frame: bytes) -> bytes:
    """A GBZ payload of one component about metering."""
    return _PROFILE + b"\x01\x01" + Cluster.METERING.to_bytes(2, "big") + len(frame).to_bytes(2, "big") + frame


def _der(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + ber_length(len(content)) + content


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _octets(content: bytes) -> bytes:
    return _der(0x04, content)


def _time(text: str) -> bytes:
    return _der(0x18, text.encode())


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _outcome(outcome: Activation, version: int) -> bytes:
    return _sequence(_integer(outcome), _octets(version.to_bytes(4, "big")))
