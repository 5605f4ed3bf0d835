"""What holds for every cluster command alike: complete, the same back and forth, cut anywhere, and as tshark reads it.

Each cluster's own tests are beside this file.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from commands import Command, bodies, registered
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.packet import Packet
from trees import disagreement, leaves, trees

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.layer import Layer, Malformed, MalformedError, ToEnd, layers_of
from hanscope.dissectors.zigbee import Aps

COMMANDS = registered()
TITLES = [command.title for command in COMMANDS]
IDENTIFIERS: dict[int, tuple[list[int], list[int]]] = {
    Cluster.BASIC: ([0x00], []),
    Cluster.PRICE: ([*range(0x11)], [*range(0x0F)]),
    Cluster.DEMAND_RESPONSE: ([0, 1], [0, 1, 2]),
    Cluster.METERING: ([*range(0x0F)], [*range(0x0E)]),
    Cluster.MESSAGING: ([0, 1, 2], [0, 1, 2, 3]),
    Cluster.TUNNELING: ([*range(7)], [*range(7)]),
    Cluster.PREPAYMENT: ([0x00, *range(0x02, 0x0D)], [0x01, 0x02, 0x03, 0x05, 0x06]),
    Cluster.ENERGY_MANAGEMENT: ([0], [0]),
    Cluster.CALENDAR: ([*range(6)], [*range(6)]),
    Cluster.DEVICE_MANAGEMENT: ([*range(6)], [*range(7)]),
    Cluster.EVENTS: ([0, 1], [0, 1, 2]),
    Cluster.MDU_PAIRING: ([0], [0]),
    Cluster.SUB_GHZ: ([0], [0]),
    Cluster.KEY_ESTABLISHMENT: ([0, 1, 2, 3], [0, 1, 2, 3]),
}
"""Facts on ZigBee, sections 2.9 and 6.6: the commands to the server and to the client."""


def test_every_command_of_every_cluster_is_registered() -> None:
    found: dict[int, tuple[list[int], list[int]]] = {}
    for command in COMMANDS:
        found.setdefault(command.cluster, ([], []))[command.server_to_client].append(command.identifier)
    assert found == IDENTIFIERS


def test_no_two_layers_have_the_same_name() -> None:
    """Columns are named after them."""
    assert len(set(TITLES)) == len(TITLES)


def _dissected(frame: bytes) -> list[Packet]:
    return list(layers_of(Aps(frame)))


def _plain(value: Any) -> Any:
    """A value that can be compared: layers by their octets."""
    if isinstance(value, list):
        return [_plain(element) for element in value]
    return bytes(value) if isinstance(value, Packet) else value


@pytest.mark.parametrize("command", COMMANDS, ids=TITLES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_command_that_is_built_and_read_has_the_same_fields(command: Command, seed: int) -> None:
    for body in bodies(command, random.Random(seed)):
        built = command.frame(body)
        octets = bytes(built)
        aps, zcl, *read = _dissected(octets)
        assert (zcl.frame_type, zcl.server_to_client, zcl.command_identifier) == (
            1,
            command.server_to_client,
            command.identifier,
        )
        given_layers = list(layers_of(body))
        assert [type(layer) for layer in read] == [type(layer) for layer in given_layers]
        for ours, back in zip(given_layers, read, strict=True):
            for name, value in back.fields.items():
                # What was given, or what the field says of itself: a count that was left out.
                assert _plain(ours.fields.get(name, getattr(ours, name))) == _plain(value), name
            unread = set(ours.fields) - set(back.fields)
            assert unread <= {fld.name for fld in ours.fields_desc if fld.name not in back.fields}
            assert all(not ours.get_field(name)._evalcond(back) for name in unread)
        aps.clear_cache()
        assert bytes(aps) == octets
        assert bytes(aps.copy()) == octets


@pytest.mark.parametrize("command", COMMANDS, ids=TITLES)
def test_a_command_cut_anywhere_is_malformed_or_shorter_never_an_error(command: Command) -> None:
    for body in bodies(command, random.Random(7)):
        octets = bytes(command.frame(body))
        for length in range(1, len(octets)):
            try:
                packet = Aps(octets[:length])
            except MalformedError:
                assert length < 9
                continue
            assert bytes(packet) == octets[:length]
            packet.show(dump=True)
            last = list(layers_of(packet))[-1]
            assert isinstance(last, Layer | Malformed)


WITH_FIELDS = [c for c in COMMANDS if c.layer.fields_desc and not isinstance(c.layer.fields_desc[0], ToEnd)]


@pytest.mark.parametrize("command", WITH_FIELDS, ids=lambda c: c.title)
def test_a_command_without_its_first_field_is_malformed(command: Command) -> None:
    *_, last = _dissected(bytes(command.frame(command.layer()))[:11])
    assert isinstance(last, Malformed)
    assert last.layer.decode() == command.title


@pytest.mark.parametrize("command", COMMANDS, ids=TITLES)
def test_octets_behind_a_command_are_not_lost(command: Command) -> None:
    octets = bytes(command.frame(next(bodies(command, random.Random(3)))))
    packet = Aps(octets + b"\xaa\xbb\xcc")
    packet.clear_cache()
    assert bytes(packet) == octets + b"\xaa\xbb\xcc"


# --- tshark ---------------------------------------------------------------------------------------------------------


VALID = {
    "calendar_type": 1,
    "configuration_control": 0,
    "tariff_type": 1,
    "curve": 0x0D,
    "hash_algorithm": 0x08,
    "certificate_type": 0,
    "valid_from": 0x005292A38A,
    "valid_to": 0xFFFFFFFF,
    "flow_control_support": 1,
    "mirror_notification_reporting": 1,
    "message_confirmation_control": 1,
    "protocol_list_complete": 1,
}
"""Values on which tshark makes up its mind."""


def _specimens() -> Iterator[tuple[Command, bytes]]:
    """A frame of every command with a value in every field; of event configurations and certificates, each form."""
    dice = random.Random(20)
    for command in COMMANDS:
        forms = list(bodies(command, dice))
        for body in forms if command.title.startswith("InitiateKey") else forms[:1]:
            for control in range(4) if command.title == "SetEventConfiguration" else (0,):
                for layer in layers_of(body):
                    for name, value in (VALID | {"configuration_control": control}).items():
                        if name in layer.fields:
                            setattr(layer, name, value)
                yield command, bytes(command.frame(body))


TSHARK_FAULTS = {
    # tshark misses the octet with the numbers of tiers and thresholds, so that all behind it slides; the stacks of NXP
    # and Silicon Labs have it.
    ("PublishBlockPeriod", "number_of_price_tiers"),
    ("PublishBlockPeriod", "price_acknowledgement"),
    ("PublishBlockPeriod", "block_period_duration_type"),
    ("PublishBlockPeriod", "tariff_resolution_period"),
    # tshark follows version 1.4, which left these out.
    ("SelectAvailableEmergencyCredit", "site_id"),
    ("SelectAvailableEmergencyCredit", "meter_serial_number"),
    # One octet of two, and of four.
    ("ChangeDebt", "debt_recovery_balance_percentage"),
    ("GetScheduledEvents", "issuer_event_id"),
    # The first octet only.
    ("CancelLoadControlEvent", "effective_time"),
    # Only the first schedule is read.
    ("ScheduleSnapshot", "snapshot_schedule_id"),
    ("ScheduleSnapshot", "snapshot_start_time"),
    ("ScheduleSnapshot", "snapshot_schedule"),
    ("ScheduleSnapshot", "snapshot_payload_type"),
    ("ScheduleSnapshot", "snapshot_cause"),
    # The most significant octet first.
    ("PublishChangeOfTenancy", "proposed_tenancy_change_control"),
    ("RequestNewPasswordResponse", "duration_in_minutes"),
    # A duration is shown as a date, its nanoseconds arbitrary.
    ("InitiateKeyEstablishmentRequest", "valid_to"),
    ("InitiateKeyEstablishmentResponse", "valid_to"),
}
MENDED = {("CancelLoadControlEvent", "effective_time")}
"""Of these faults 4.4 and 4.6 have no more."""
OTHER_NAMES = {
    "requestor_receiver_on_when_idle": ("price.command_options",),
    "reserved": ("price.command_options",),
    "randomize_end_time": ("drlc.cancel_control.event_in_process",),
    "confirmation": ("msg.message.ctrl.confirm", "msg.message.ctrl"),
    "enhanced_confirmation": ("msg.message.ctrl.enhconfirm", "msg.message.ctrl"),
    "importance": ("msg.message.ctrl.importance", "msg.message.ctrl"),
    "transmission": ("msg.message.ctrl.tx", "msg.message.ctrl"),
    "confirmation_time": ("msg.message.confirm_time",),
    "start_time": ("drlc.get_scheduled_events.earliest_end_time",),
    "implementation_date_time": ("msg.impl_time",),
    "calendar_type": ("calendar.type",),
    "customer_id_number": ("device_management.update_cin.customerid_number",),
    "full_information": ("events.get_event_log.event_control_log_id",),
    "crosses_frame_boundary": ("events.publish_event_log.number_of_events_log_payload_control",),
    "public_reconstruction_key": ("ke.cert.reconst",),
    "certificate_type": ("ke.cert.type",),
    "serial_number": ("ke.cert.serialno",),
    "ephemeral_data": ("ke.qeu", "ke.qev"),
    "secure_message_authentication_code": ("ke.macu", "ke.macv"),
}
"""tshark's names of fields whose names have no word in common with ours."""


def test_every_field_of_every_command_lies_where_tshark_has_it_and_has_its_value() -> None:
    specimens = list(_specimens())
    wrong: list[str] = []
    compared: set[str] = set()
    faults: set[tuple[str, str]] = set()
    for (command, frame), shown in zip(specimens, trees([frame for _, frame in specimens]), strict=True):
        if shown.malformed:
            wrong.append(f"{command.title}: malformed")
        for leaf in leaves(frame, command.layer):
            why = disagreement(leaf, frame, shown, OTHER_NAMES)
            if why is None:
                compared.add(command.title)
            elif (command.title, leaf.name) in TSHARK_FAULTS:
                faults.add((command.title, leaf.name))
            else:
                wrong.append(f"{command.title}.{why}")
    assert not wrong, "\n".join(wrong)
    assert compared == {command.title for command in COMMANDS if command.layer.fields_desc}
    assert faults in (TSHARK_FAULTS, TSHARK_FAULTS - MENDED)
