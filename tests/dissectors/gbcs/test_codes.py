"""The code tables against tshark's own and against each other."""

import shutil
import subprocess

import pytest

from hanscope.dissectors.gbcs.codes import ALERTS, USE_CASES, Category, Role, alert_text, use_case_text


def _of_tshark(field: str) -> set[int]:
    """The numbers that tshark has a name for."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    done = subprocess.run([program, "-G", "values"], capture_output=True, text=True, check=True)
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {int(row[2], 0) for row in rows if row[:2] == ["V", field]}


def test_every_message_code_that_tshark_knows_has_a_use_case():
    known = _of_tshark("gbcs_message.grouping_header.message_code")
    assert len(known) > 200
    assert known <= set(USE_CASES)


def test_table_says_who_and_what():
    case = USE_CASES[0x0012]
    assert str(case) == "CS06 Activate Firmware"
    assert case.category is Category.CRITICAL
    case = USE_CASES[0x0059]
    assert (case.targets, case.roles) == (
        ("CHF", "ESME"),
        (Role.SUPPLIER, Role.NETWORK_OPERATOR, Role.ACCESS_CONTROL_BROKER),
    )
    assert USE_CASES[0x0019].future_datable
    assert not USE_CASES[0x0059].replay_protected
    assert USE_CASES[0x1000].name == ""


def test_alerts_of_firmware_updates_have_names():
    assert alert_text(0x8F72) == "Firmware Verification Successful"
    assert alert_text(0x8F1C) == "Firmware Verification Failed"
    assert len(ALERTS) == 190
    assert all(name.strip() == name and name for name in ALERTS.values())


def test_unknown_codes_are_shown_as_numbers():
    assert use_case_text(0x0FFF) == "unknown message code 0x0FFF"
    assert alert_text(0x0001) == "unknown alert 0x0001"
