"""Names of attributes and commands: those that tshark has."""

import re
import shutil
import subprocess
from collections import defaultdict

import pytest
from commands import registered

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.zigbee.zcl import attribute_name

ATTRIBUTES = {
    "zbee_zcl_general.basic.attr_id": (Cluster.BASIC, True),
    "zbee_zcl_general.time.attr_id": (Cluster.TIME, True),
    "zbee_zcl_se.calendar.attr_id": (Cluster.CALENDAR, True),
    "zbee_zcl_se.device_management.attr_client_id": (Cluster.DEVICE_MANAGEMENT, False),
    "zbee_zcl_se.device_management.attr_id": (Cluster.DEVICE_MANAGEMENT, True),
    "zbee_zcl_se.drlc.attr_client_id": (Cluster.DEMAND_RESPONSE, False),
    "zbee_zcl_se.energy_management.attr_id": (Cluster.ENERGY_MANAGEMENT, True),
    "zbee_zcl_se.ke.attr_client_id": (Cluster.KEY_ESTABLISHMENT, False),
    "zbee_zcl_se.ke.attr_id": (Cluster.KEY_ESTABLISHMENT, True),
    "zbee_zcl_se.keep_alive.attr_id": (Cluster.KEEP_ALIVE, True),
    "zbee_zcl_se.met.attr_client_id": (Cluster.METERING, False),
    "zbee_zcl_se.met.attr_id": (Cluster.METERING, True),
    "zbee_zcl_se.pp.attr_id": (Cluster.PREPAYMENT, True),
    "zbee_zcl_se.price.attr_client_id": (Cluster.PRICE, False),
    "zbee_zcl_se.price.attr_id": (Cluster.PRICE, True),
    "zbee_zcl_se.sub_ghz.attr_id": (Cluster.SUB_GHZ, True),
    "zbee_zcl_se.tun.attr_id": (Cluster.TUNNELING, True),
}
COMMANDS = {
    "zbee_zcl_general.basic.cmd.srv_rx.id": (Cluster.BASIC, False),
    "zbee_zcl_se.calendar.cmd.srv_rx.id": (Cluster.CALENDAR, False),
    "zbee_zcl_se.calendar.cmd.srv_tx.id": (Cluster.CALENDAR, True),
    "zbee_zcl_se.device_management.cmd.srv_rx.id": (Cluster.DEVICE_MANAGEMENT, False),
    "zbee_zcl_se.device_management.cmd.srv_tx.id": (Cluster.DEVICE_MANAGEMENT, True),
    "zbee_zcl_se.drlc.cmd.srv_rx.id": (Cluster.DEMAND_RESPONSE, False),
    "zbee_zcl_se.drlc.cmd.srv_tx.id": (Cluster.DEMAND_RESPONSE, True),
    "zbee_zcl_se.energy_management.cmd.srv_rx.id": (Cluster.ENERGY_MANAGEMENT, False),
    "zbee_zcl_se.energy_management.cmd.srv_tx.id": (Cluster.ENERGY_MANAGEMENT, True),
    "zbee_zcl_se.events.cmd.srv_rx.id": (Cluster.EVENTS, False),
    "zbee_zcl_se.events.cmd.srv_tx.id": (Cluster.EVENTS, True),
    "zbee_zcl_se.ke.cmd.srv_rx.id": (Cluster.KEY_ESTABLISHMENT, False),
    "zbee_zcl_se.ke.cmd.srv_tx.id": (Cluster.KEY_ESTABLISHMENT, True),
    "zbee_zcl_se.mdu_pairing.cmd.srv_rx.id": (Cluster.MDU_PAIRING, False),
    "zbee_zcl_se.mdu_pairing.cmd.srv_tx.id": (Cluster.MDU_PAIRING, True),
    "zbee_zcl_se.met.cmd.srv_rx.id": (Cluster.METERING, False),
    "zbee_zcl_se.met.cmd.srv_tx.id": (Cluster.METERING, True),
    "zbee_zcl_se.msg.cmd.srv_rx.id": (Cluster.MESSAGING, False),
    "zbee_zcl_se.msg.cmd.srv_tx.id": (Cluster.MESSAGING, True),
    "zbee_zcl_se.pp.cmd.srv_rx.id": (Cluster.PREPAYMENT, False),
    "zbee_zcl_se.pp.cmd.srv_tx.id": (Cluster.PREPAYMENT, True),
    "zbee_zcl_se.price.cmd.srv_rx.id": (Cluster.PRICE, False),
    "zbee_zcl_se.price.cmd.srv_tx.id": (Cluster.PRICE, True),
    "zbee_zcl_se.sub_ghz.cmd.srv_rx.id": (Cluster.SUB_GHZ, False),
    "zbee_zcl_se.sub_ghz.cmd.srv_tx.id": (Cluster.SUB_GHZ, True),
    "zbee_zcl_se.tun.cmd.srv_rx.id": (Cluster.TUNNELING, False),
    "zbee_zcl_se.tun.cmd.srv_tx.id": (Cluster.TUNNELING, True),
}


@pytest.fixture(scope="module")
def values() -> dict[str, dict[int, str]]:
    """tshark's tables: by field, by number."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    done = subprocess.run([program, "-G", "values"], capture_output=True, text=True, check=True, timeout=120)
    tables: dict[str, dict[int, str]] = defaultdict(dict)
    for line in re.findall(r"^V\t(zbee_zcl_.*)$", done.stdout, re.MULTILINE):
        field, number, name = line.split("\t")
        tables[field][int(number, 0)] = name
    return tables


SHORT = {
    "Daylight Saving Time": "DST",
    "Software Build": "SW Build",
    "Keep-Alive": "TC Keep Alive",
    "Rx ": "Received ",
    " Command ": " ",
    "Reverse Flow (Gas, Water, Heat/Cooling)": "Reverse Flow General",
    "Tariff Changed Passive": "Tariff Change Passive",
    "No Credit (Zero Credit)": "No Credit",
    "Deprecated": "Interval Read Reporting Period",
    "Number of Tariff Tiers in Use": "Number of Price Tiers in Use",
}
"""Where tshark puts the same in other words, ours."""
BOTH_WAYS = ("ClientToServer", "ServerToClient")
"""What our layers of commands have behind their names that both sides send."""


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _theirs(name: str) -> str:
    for theirs, ours in SHORT.items():
        name = name.replace(theirs, ours)
    return _letters(name)


def _title(name: str) -> str:
    for ending in BOTH_WAYS:
        name = name.removesuffix(ending)
    return _letters(name.replace("ReportManagedEvent", "ReportEvent"))


@pytest.mark.parametrize("table", ATTRIBUTES)
def test_attributes_have_the_names_that_tshark_has(values: dict[str, dict[int, str]], table: str) -> None:
    cluster, of_server = ATTRIBUTES[table]
    wrong = {}
    for number, name in values[table].items():
        ours = attribute_name(cluster, number, of_server=of_server)
        if not name.lower().startswith("reserved") and (ours is None or _letters(ours) != _theirs(name)):
            wrong[number] = (ours, name)
    assert not wrong
    assert values[table]


@pytest.mark.parametrize("table", COMMANDS)
def test_commands_have_the_names_that_tshark_has(values: dict[str, dict[int, str]], table: str) -> None:
    cluster, server_to_client = COMMANDS[table]
    ours = {
        command.identifier: command.title
        for command in registered()
        if (command.cluster, command.server_to_client) == (cluster, server_to_client)
    }
    assert {n: _title(title) for n, title in ours.items()} == {n: _theirs(name) for n, name in values[table].items()}


def test_an_attribute_of_the_other_side_has_no_name() -> None:
    assert attribute_name(Cluster.KEEP_ALIVE, 0, of_server=True) == "TC_KEEP_ALIVE_BASE"
    assert attribute_name(Cluster.KEEP_ALIVE, 0, of_server=False) is None
    assert attribute_name(0xFC00, 0, of_server=True) is None
    assert attribute_name(0xFC00, 0xFFFD, of_server=True) == "CLUSTER_REVISION"
