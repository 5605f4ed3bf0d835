"""What snapshots of the Metering and Prepayment clusters hold (Smart Energy 07-5356, D.3.3.2.7 and D.7.2.4.2).

A snapshot may go on over several commands, so that the commands themselves do not take it apart. The devices of GBCS
send each in one command, and then it can be.
"""

from typing import Any, ClassVar, Final

from scapy.fields import BitField, ByteField, LEIntField, LESignedIntField, XByteField

from hanscope.dissectors.codes import Cluster
from hanscope.dissectors.fields import IntegerField, ListOf, RecordsToEnd
from hanscope.dissectors.layer import Layer
from hanscope.dissectors.zigbee.values import take_integer

_SUMMATION: Final = 6
"""Octets of a summation."""


def _current() -> list[Any]:
    return [IntegerField("current_summation", 0, _SUMMATION)]


def _bill() -> list[Any]:
    """Bill to date and projected bill, with their times; the digits behind the decimal point."""
    return [
        LEIntField("bill_to_date", 0),
        LEIntField("bill_to_date_time", 0),
        LEIntField("projected_bill", 0),
        LEIntField("projected_bill_time", 0),
        BitField("bill_trailing_digit", 0, 4),
        BitField("bill_reserved", 0, 4),
    ]


def _tiers() -> list[Any]:
    return [
        ByteField("number_of_tiers_in_use", 0),
        ListOf("tier_summations", IntegerField("tier_summation", 0, _SUMMATION), lambda p: p.number_of_tiers_in_use),
    ]


def _blocks() -> list[Any]:
    """The summations go tier by tier, in each block by block."""
    return [
        XByteField("number_of_tiers_and_block_thresholds_in_use", 0),
        RecordsToEnd(
            "tier_block_summations",
            lambda octets: take_integer(octets, _SUMMATION, "summation"),
            lambda number: number.to_bytes(_SUMMATION, "little"),
        ),
    ]


class Tou(Layer):
    """By time of use, with the bill."""

    fields_desc: ClassVar[list[Any]] = [*_current(), *_bill(), *_tiers()]


class BlockTier(Layer):
    """By time of use and by block, with the bill."""

    fields_desc: ClassVar[list[Any]] = [*_current(), *_bill(), *_tiers(), *_blocks()]


class TouNoBilling(Layer):
    """By time of use."""

    fields_desc: ClassVar[list[Any]] = [*_current(), *_tiers()]


class BlockTierNoBilling(Layer):
    """By time of use and by block."""

    fields_desc: ClassVar[list[Any]] = [*_current(), *_tiers(), *_blocks()]


class DebtAndCredit(Layer):
    """What is owed and what is left of the credit, in the smallest unit of the currency."""

    fields_desc: ClassVar[list[Any]] = [
        LESignedIntField("accumulated_debt", 0),
        LEIntField("type_1_debt_remaining", 0),
        LEIntField("type_2_debt_remaining", 0),
        LEIntField("type_3_debt_remaining", 0),
        LESignedIntField("emergency_credit_remaining", 0),
        LESignedIntField("credit_remaining", 0),
    ]


_PAYLOADS: Final[dict[tuple[int, int], type[Layer]]] = {
    **{(Cluster.METERING, kind): Tou for kind in (0, 1)},
    **{(Cluster.METERING, kind): BlockTier for kind in (2, 3)},
    **{(Cluster.METERING, kind): TouNoBilling for kind in (4, 5)},
    **{(Cluster.METERING, kind): BlockTierNoBilling for kind in (6, 7)},
    (Cluster.PREPAYMENT, 0): DebtAndCredit,
}
"""By cluster and type of payload; of two numbers the first is delivered, the second received."""


def snapshot_class(cluster: int, command: Any) -> type[Layer] | None:
    """The layer of the payload of a Publish (Prepay) Snapshot; `None` if there is more of it in other commands."""
    whole = command.total_number_of_commands == 1
    return _PAYLOADS.get((cluster, command.snapshot_payload_type)) if whole else None
