"""Commands find their responses and the alerts that name them; the official test messages say which belong together."""

from dataclasses import replace
from pathlib import Path

import pytest
from tunnel_messages import CS06_COMMAND, CS06_RESPONSE, CS08_COMMAND, ECS52_COMMAND, ECS52_RESPONSE, ring_of

from hanscope.analyzers.analysis import analyze
from hanscope.analyzers.certificates import read_certificates, read_private_keys
from hanscope.analyzers.conversations import exchanges, message_results, tunnel_results
from hanscope.analyzers.messages import Credentials
from hanscope.analyzers.results import Exchange, Message
from hanscope.analyzers.tunnels import Carried, End, Identity, Tunnel
from hanscope.captures.simulator.air import Noise
from hanscope.captures.simulator.scenarios import gbcs

SECOND = 1_000_000_000
HUB, METER = End(0, 0x00DE4D0000000001), End(0x1234, 0)


def messages(*given: bytes | Carried) -> list[Message]:
    """Messages that took half a second each, one every ten seconds."""
    heard = [
        one
        if isinstance(one, Carried)
        else Carried(
            octets=one,
            tunnel=None,
            pan_id=1,
            sender=HUB,
            receiver=METER,
            gas_command=None,
            remaining=None,
            blocks=0,
            began_ns=10 * place * SECOND,
            ended_ns=10 * place * SECOND + SECOND // 2,
            frames=(place,),
        )
        for place, one in enumerate(given, 1)
    ]
    return message_results(heard, [], None)


def matched(*given: bytes | Carried) -> tuple[Exchange, ...]:
    return exchanges(messages(*given), 100 * SECOND)


def test_a_response_belongs_to_the_command_with_its_counter_code_and_parties() -> None:
    one, other = matched(ECS52_COMMAND, CS06_COMMAND, CS06_RESPONSE, ECS52_RESPONSE)
    assert (one.use_case, one.commands, one.responses) == (
        "ECS52 Read ESME/Comms Hub Firmware Version",
        ("M1",),
        ("M4",),
    )
    assert (other.use_case, other.commands, other.responses) == ("CS06 Activate Firmware", ("M2",), ("M3",))
    assert (one.originator, one.target) == ("90:b3:d5:1f:30:01:00:00", "00:db:12:34:56:78:90:a0")
    assert (one.message_code, one.originator_counter) == (0x0059, 1000)
    assert (one.latency, other.latency) == (29.5 * SECOND, 9.5 * SECOND)
    assert (one.unanswered, one.alerts) == (None, ())


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("00000000000003e8", "00000000000003e9"),
        ("00db1234567890a0", "00db1234567890a3"),
        ("90b3d51f30010000", "90b3d51f30020000"),
        ("020059", "02005a"),
    ],
)
def test_what_differs_in_one_of_them_does_not(what: str, other: str) -> None:
    response = ECS52_RESPONSE.replace(bytes.fromhex(what), bytes.fromhex(other), 1)
    assert response != ECS52_RESPONSE
    command, answer = matched(ECS52_COMMAND, response)
    assert (command.responses, command.latency) == ((), None)
    assert (answer.commands, answer.responses, answer.latency, answer.unanswered) == ((), ("M2",), None, None)


def test_a_command_without_response_says_how_long_there_was_time_for_one() -> None:
    (one,) = matched(CS08_COMMAND)
    assert one.unanswered == "no response was heard in the 89.5 s until the capture's end"
    (unknown_end,) = exchanges(messages(CS08_COMMAND), None)
    assert unknown_end.unanswered == "no response was heard"


def test_a_command_sent_again_is_the_same_exchange_until_it_is_answered() -> None:
    first, second = matched(ECS52_COMMAND, ECS52_COMMAND, ECS52_RESPONSE, ECS52_COMMAND)
    assert (first.commands, first.responses, first.latency) == (("M1", "M2"), ("M3",), 19.5 * SECOND)
    assert (second.commands, second.responses) == (("M4",), ())


def test_an_incomplete_response_is_an_answer_too_if_its_beginning_tells_whose_it_is() -> None:
    part = Carried(
        octets=ECS52_RESPONSE[:40],
        tunnel=None,
        pan_id=1,
        sender=METER,
        receiver=HUB,
        gas_command=None,
        remaining=None,
        blocks=0,
        began_ns=20 * SECOND,
        ended_ns=20 * SECOND,
        frames=(9,),
        why="APS fragment 2 of 2 is not in the capture",
        identity=Identity(2, 0x0059, 0x00DB1234567890A0, 0x90B3D51F30010000, 1000),
    )
    (one,) = matched(ECS52_COMMAND, part)
    assert (one.responses, one.unanswered) == (("M2",), None)
    _, response = messages(ECS52_COMMAND, part)
    assert response.error == "incomplete: APS fragment 2 of 2 is not in the capture"
    assert (response.use_case, response.cra_flag) == ("ECS52 Read ESME/Comms Hub Firmware Version", 2)
    assert response.octets == ECS52_RESPONSE[:40].hex()
    assert response.carriage is not None
    assert not response.carriage.complete
    (alone,) = message_results([replace(part, identity=None)], [], None)
    assert (alone.use_case, alone.originator, exchanges([alone], 1)) == (None, None, ())


def test_what_is_no_message_takes_part_in_nothing() -> None:
    (one,) = messages(b"\xc0\x01\x02")
    assert one.error is not None
    assert exchanges([one], 1) == ()


def test_tunnels_and_messages_are_numbered_and_refer_to_each_other() -> None:
    tunnels = [Tunnel(1, HUB, METER, "open", tunnel_id=4), Tunnel(1, METER, HUB, "refused")]
    (given, other) = tunnel_results(tunnels, 5)
    assert (given.id, other.id, given.client.eui64, given.server.eui64) == ("N5", "N6", "00:de:4d:00:00:00:00:01", None)
    carried = Carried(ECS52_COMMAND, tunnels[0], 1, HUB, METER, None, None, 0, 1, 2, (3,))
    (message,) = message_results([carried], tunnels, None, 7, 5)
    assert message.carriage is not None
    assert (message.id, message.carriage.tunnel, message.frames) == ("M7", "N5", (3,))


def _file(data: Path, name: str) -> bytes:
    (file,) = (data / "gbcs-messages" / "messages").rglob(name)
    return bytes.fromhex("".join(file.read_text().split()))


@pytest.mark.parametrize(
    ("command", "response", "alert"),
    [
        (
            "CS06_11.3_FUTURE_DATED_SUCCESS_COMMAND_GBCS.HEX",
            "CS06_11.3_FUTURE_DATED_SUCCESS_RESPONSE_GBCS.HEX",
            "CS06_11.3_8F66_FUTURE_DATED_SUCCESS_ALERT_GBCS.HEX",
        ),
        (
            "ECS01c_1.1.2_*FUTURE_DATED_SUCCESS_COMMAND_GBCS.HEX",
            None,
            "ECS01c_*8F66*SUCCESS_ALERT_PRICE_MATRIX_GBCS.HEX",
        ),
        (
            "GCS01a_1.1.1_FUTURE_DATED_BLOCK_SUCCESS_COMMAND_GBCS.HEX",
            "GCS01a_1.1.1_FUTURE_DATED_BLOCK_SUCCESS_RESPONSE_GBCS.HEX",
            "GCS01a_1.1.1_8F66_FUTURE_DATED_BLOCK_SUCCESS_ALERT_PUBLISH_CALENDAR_GBCS.HEX",
        ),
        (
            "CS02bSupplierByTransCoS_6.23_FUTURE_DATED_SUCCESS_COMMAND_GBCS.HEX",
            "CS02bSupplierByTransCoS_6.23_FUTURE_DATED_SUCCESS_RESPONSE_GBCS.HEX",
            "CS02bSupplierByTransCoS_6.23_8F66_FUTURE_DATED_SUCCESS_ALERT_GBCS.HEX",
        ),
    ],
)
def test_an_alert_about_a_future_dated_command_names_it(
    data: Path, command: str, response: str | None, alert: str
) -> None:
    given = [_file(data, name) for name in (command, response, alert) if name is not None]
    (one,) = matched(*given)
    assert one.commands == ("M1",)
    assert one.alerts == (f"M{len(given)}",)
    (alone, *rest) = messages(given[-1])
    assert (rest, exchanges([alone], 1)) == ([], ()), "an alert is no exchange of its own"


def test_messages_from_the_air_are_verified_with_the_credentials_that_are_given(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "house.pcapng"
    truth = gbcs(path, [CS06_COMMAND, CS06_RESPONSE], noise=Noise())
    folder = data / "gbcs-messages"
    credentials = Credentials(
        read_certificates([folder / "certificates"]), read_private_keys([folder / "test-party-keys.json"])
    )
    verified = analyze([str(path)], keys=ring_of(truth), credentials=credentials).analysis
    assert [(one.signature.outcome, one.mac.outcome) for one in verified.messages] == [
        ("valid", "valid"),
        ("valid", "absent"),
    ]
    (exchange,) = verified.exchanges
    assert exchange.latency is not None
    assert 0 < exchange.latency < 2 * SECOND
    alone = analyze([str(path)], keys=ring_of(truth)).analysis
    assert {one.signature.outcome for one in alone.messages} == {"unknown"}
    twice = analyze([str(path), str(path)], keys=ring_of(truth)).analysis
    assert twice.messages == alone.messages, "what two captures both hold was said once"
