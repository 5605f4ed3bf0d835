"""The contents of snapshots, in the GBZ payloads that carry them."""

import pytest

from hanscope.dissectors.gbcs import gbz
from hanscope.dissectors.gbcs.node import Node, problems, uncovered, walk

METERING, PREPAYMENT = "0702", "0705"
HEAD = "00000000 0029601c 02 00 01 02000000"
"""Identifier, time, number of snapshots, command 0 of 1, cause."""


def snapshot(cluster: str, kind: int, body: str, head: str = HEAD) -> Node:
    """The tree of a payload with one Publish Snapshot or Publish Prepay Snapshot."""
    command = "06" if cluster == METERING else "01"
    frame = bytes.fromhex(f"1900{command}{head}") + bytes([kind]) + bytes.fromhex(body)
    octets = bytes.fromhex(f"01090101{cluster}") + len(frame).to_bytes(2, "big") + frame
    tree = gbz.decode(octets, 0, len(octets), 2)
    assert uncovered(tree) == []
    return tree


def values(tree: Node, name: str) -> list[object]:
    return [node.value for node in walk(tree) if node.name == name]


def summations(*numbers: int) -> str:
    return "".join(number.to_bytes(6, "little").hex() for number in numbers)


def test_block_and_tier_summations_as_an_official_message_has_them() -> None:
    body = summations(65) + "04" + summations(81, 15, 176, 126) + "14" + summations(202, 223, 121, 195)
    tree = snapshot(METERING, 6, body)
    assert values(tree, "current_summation") == [65]
    assert values(tree, "tier_summation") == [81, 15, 176, 126]
    assert values(tree, "number_of_tiers_and_block_thresholds_in_use") == [0x14]
    assert values(tree, "tier_block_summation") == [202, 223, 121, 195]
    assert problems(tree) == []


def test_tiers_without_blocks_and_with_a_bill() -> None:
    assert values(snapshot(METERING, 4, summations(9) + "01" + summations(7)), "tier_summation") == [7]
    bill = "01000000 804a371c 02000000 0029601c 30"
    tree = snapshot(METERING, 0, summations(9) + bill + "01" + summations(7))
    assert values(tree, "bill_to_date") == [1]
    assert [node.text for node in walk(tree) if node.name == "projected_bill_time"] == ["2015-02-01 00:00:00Z"]
    assert values(tree, "tier_summation") == [7]
    assert problems(tree) == []


def test_debt_and_credit_as_an_official_message_has_them() -> None:
    tree = snapshot(PREPAYMENT, 0, "23000000 b1000000 30000000 4a000000 00000000 82ffffff")
    names = ("accumulated_debt", "type_1_debt_remaining", "type_3_debt_remaining", "credit_remaining")
    assert [values(tree, name) for name in names] == [[0x23], [0xB1], [0x4A], [-126]]
    assert problems(tree) == []


@pytest.mark.parametrize(
    ("kind", "head"),
    [(128, HEAD), (6, HEAD.replace("02 00 01", "02 00 02"))],
    ids=["no form is known", "more of it in another command"],
)
def test_what_can_not_be_taken_apart_stays_octets(kind: int, head: str) -> None:
    assert values(snapshot(METERING, kind, "aabbcc", head), "snapshot_payload") == [bytes.fromhex("aabbcc")]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("aabb", "ends inside current_summation"),
        (summations(9) + "02" + summations(7), "ends inside tier_summations"),
        (summations(9) + "01" + summations(7) + "ff", "more than the snapshot has"),
    ],
)
def test_a_snapshot_that_does_not_fit_says_so(body: str, problem: str) -> None:
    assert any(problem in said for said in problems(snapshot(METERING, 4, body)))
