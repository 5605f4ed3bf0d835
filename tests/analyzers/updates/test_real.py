"""Stories of real captures, as their README tells them, and of the official GBCS messages through simulated tunnels."""

from pathlib import Path

import pytest
from tunnel_messages import official, ring_of

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.keys import KeyRing, parse_key
from hanscope.analyzers.results import Update
from hanscope.captures.simulator.scenarios import gbcs


def updates(path: Path, *keys: str) -> list[Update]:
    ring = KeyRing()
    for key in keys:
        ring = ring.plus(parse_key(key))
    return list(analyze([str(path)], keys=ring, processes=1).analysis.updates)


def standing(update: Update) -> tuple[str, str | None, str | None, str]:
    return update.state, update.failed_at, update.cause, update.flow


def test_a_device_that_restarted_before_its_time_and_was_heard_no_more(data: Path) -> None:
    """CatSniffer: told to upgrade in five seconds, it rejoined within the second, with the old version."""
    (update,) = updates(data / "captures" / "catsniffer-ota.tap.pcap")
    assert standing(update) == ("undecided", None, None, "ZigBee")
    assert (update.manufacturer_code, update.image_type, update.file_version) == (0x1001, 0x1011, 0x01010110)
    assert "(soon after the order it ran 0x01010101)" in update.reason
    (order,) = update.orders
    assert (order.mode, order.fate, order.due) == ("future dated", "pending", order.time + 5 * 10**9)
    assert update.distribution is not None
    assert (update.distribution.octets, update.distribution.blocks) == (618_536, 2_474)
    declined = [step for step in update.steps if step.what == "device answered the offer with INVALID_FIELD (0x85)"]
    assert len(declined) == 4


def test_a_device_that_was_told_to_upgrade_when_the_capture_ends(data: Path) -> None:
    """Legrand: one device loads by pages; another asks and gets a status that the cluster does not know."""
    loading, asking = updates(
        data / "captures" / "legrand-page-requests.pcap", "network:bd4bee1a2f9d58e90ba1300ad59bfad6"
    )
    assert standing(loading) == ("activation ordered", None, None, "ZigBee")
    assert [(order.by, order.mode) for order in loading.orders] == [("Upgrade End Response", "immediate")]
    assert standing(asking) == ("refused", "offer", "image-refused", "ZigBee")
    assert asking.file_version is None
    assert asking.reason == "The server answered the device's query with ABORT (0x95), and offered no image."
    assert {claim.version for claim in asking.versions} == {0x00234203}


def test_a_lamp_that_lost_its_power_in_mid_transfer(data: Path) -> None:
    """Hue: the lamp acknowledges nothing for 27 seconds, announces itself anew and asks for no more octets."""
    (update,) = updates(data / "captures" / "hue-ota-ti-metadata.pcapng", "link:814286865dc1c8b2c8cbc52e5d65d1b8")
    assert standing(update) == ("failed", "distribution", "client-rebooted", "ZigBee")
    (back,) = [step for step in update.steps if step.what.startswith("device was back") and step.time > update.started]
    assert back.frames == (5978,)
    assert update.distribution is not None
    assert (update.distribution.octets, update.distribution.retries) == (49_982, 3)


@pytest.mark.parametrize(("name", "version"), [("hue-association.tap.pcap", 0x01001A00), ("touchlink.tap.pcap", None)])
def test_a_query_that_nothing_answers_to(data: Path, name: str, version: int | None) -> None:
    found = updates(data / "captures" / name, "link:814286865dc1c8b2c8cbc52e5d65d1b8")
    assert [claim.version for update in found for claim in update.versions][:1] == ([version] if version else [])


def test_official_messages_through_tunnels(data: Path, tmp_path: Path) -> None:
    """They were made one by one, so that their hashes and versions do not fit together: the checks say so."""
    names = [
        "FDRA-DLMS*ALERT*",
        "CS06_11.3_IMMEDIATE_SUCCESS_COMMAND*",
        "CS06_11.3_IMMEDIATE_SUCCESS_RESPONSE*",
        "ECS52*SUCCESS_COMMAND*",
        "ECS52*SUCCESS_RESPONSE*",
        "FDRA-ZigBee*",
        "GCS38*SUCCESS*",
        "CS08*COMMAND*",
        "CS08*RESPONSE*",
        "CS09*",
        "CCS08*",
    ]
    path = tmp_path / "house.pcapng"
    truth = gbcs(path, [message for name in names for message in official(data, name)])
    esme, gsme, ppmid = analyze([str(path)], keys=ring_of(truth), processes=1).analysis.updates
    assert [update.role for update in (esme, gsme, ppmid)] == ["ESME", "GSME", "PPMID"]
    assert [update.state for update in (esme, gsme, ppmid)] == ["activated", "receipt given", "activated"]
    assert [(order.mode, order.fate, order.outcome) for order in esme.orders] == [
        ("immediate", "carried out", "success")
    ]
    assert {check.name: check.outcome for check in esme.checks} == {
        "hash: 8F72 alert and CS06 command": "invalid",
        "hash: rebuilt image and 8F72 alert, CS06 command": "unknown",
    }
    assert [(claim.said_by, claim.version) for claim in esme.versions] == [
        ("CS06 response", 0x0123ABCE),
        ("ECS52 response", 0x0123ABCD),
    ]
    assert {step.use_case for step in ppmid.steps} == {"CS08", "CS09", "CCS08"}


@pytest.mark.parametrize(
    ("future", "alert", "expected"),
    [
        ("FUTURE_DATED_SUCCESS", "8F66_FUTURE_DATED_SUCCESS", ("activated", None, None, "ESME/GSME")),
        (
            "FUTURE_DATED_ERROR",
            "8F67_FUTURE_DATED_ERROR",
            ("failed", "activation order", "wrong-hash-ordered", "ESME/GSME"),
        ),
    ],
)
def test_official_future_dated_orders(data: Path, tmp_path: Path, future, alert, expected) -> None:
    names = [f"CS06_11.3_{future}_COMMAND*", f"CS06_11.3_{future}_RESPONSE*", f"CS06_11.3_{alert}_ALERT*"]
    path = tmp_path / "house.pcapng"
    truth = gbcs(path, [message for name in names for message in official(data, name)])
    (update,) = analyze([str(path)], keys=ring_of(truth), processes=1).analysis.updates
    assert standing(update) == expected
    assert [order.mode for order in update.orders] == ["future dated"]
