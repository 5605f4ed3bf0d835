"""Rules of the collected facts that are not rules here, each with the reason."""

from typing import Final

UNCOVERED: Final[dict[str, str]] = {
    "N07": "Needs ten clients or more to be a statistic; a HAN has one or two of a kind.",
    "P08": "Pages of two clients may overlap by right; it costs only time.",
    "P09": "Is ota.block.beyond-end: blocks of pages are blocks.",
    "E10, late": "When a device restarts after the told time depends on its installation, which takes minutes.",
    "E12": "Needs the attribute UpgradeActivationPolicy, which hardly any capture has.",
    "R01": "Is ota.block.skipped: a resumption at a wrong offset leaves out octets.",
    "R02": "Is ota.block.skipped with transport.client-rebooted: what a reboot hides stays undecided.",
    "D05": "Manufacturer-specific commands are read as commands of the maker, not of the cluster.",
    "S04": "Of APS acknowledgements is kept whose they are, not how they were secured: that is up to the stack.",
    "S07": "Whether an APS retry takes a new auxiliary counter differs by stack (UNCONFIRMED).",
    "S09": "Well-known keys are tried on joins, not on data: what they would open there is told as unopened.",
    "M02": "Retries are counted for each transmitter, not for each frame.",
    "M03": "Repetitions are told apart from new messages, but not counted for each message.",
    "M04": "In a fast download all 256 APS counters go by within seconds, so a counter used twice proves nothing.",
    "M06": "Incomplete sets of fragments are part of what tunnels and transfers miss.",
    "M07": "NWK status commands are not among the tables; `hanscope frames` shows them.",
    "M09": "Is no deviation: link quality is part of the devices and of the capture quality.",
    "T03": "Is no deviation: rates are part of the transfers.",
    "X01": "The sub-GHz cluster's suspension is not among the tables.",
    "X02": "The sub-GHz cluster's suspension is not among the tables.",
    "X03": "A missing poll proves nothing: polls are not counted by any counter.",
    "X04": "Mirror flags are attributes that hardly any capture has.",
    "GBCS 8": "Who may send a use case follows from certificates, and which device answers from the device log.",
    "GBCS 22": "Part of the verification: a certificate of the wrong kind makes a signature invalid or unknown.",
    "GBCS 23": "Is image.header: the GB header is one of its checks.",
    "GBCS 32": "Is ota.offer.downgrade and ota.offer.same-version.",
    "GBCS 37": "Messages for a gas meter may be replaced in the hub at any time, so their number may do anything.",
    "GBCS 41": "Are the rules about blocks.",
}
"""By the rule's name in the collected facts."""
