"""Names of COSEM classes, objects and attributes that GBCS uses (DLMS Blue Book; object names after GBCS use cases)."""

from typing import Final, NamedTuple

from hanscope.dissectors.gbcs.node import Node


class CosemClass(NamedTuple):
    """An interface class: attributes from 2 on (1 is always the logical name), methods from 1 on."""

    name: str
    attributes: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


CLASSES: Final = {
    1: CosemClass("Data", ("value",)),
    3: CosemClass("Register", ("value", "scaler and unit"), ("reset",)),
    4: CosemClass("Extended register", ("value", "scaler and unit", "status", "capture time"), ("reset",)),
    5: CosemClass(
        "Demand register",
        (
            "current average value",
            "last average value",
            "scaler and unit",
            "status",
            "capture time",
            "start time current",
            "period",
            "number of periods",
        ),
        ("reset", "next period"),
    ),
    7: CosemClass(
        "Profile generic",
        (
            "buffer",
            "capture objects",
            "capture period",
            "sort method",
            "sort object",
            "entries in use",
            "profile entries",
        ),
        ("reset", "capture"),
    ),
    8: CosemClass(
        "Clock",
        (
            "time",
            "time zone",
            "status",
            "daylight savings begin",
            "daylight savings end",
            "daylight savings deviation",
            "daylight savings enabled",
            "clock base",
        ),
        (
            "adjust to quarter",
            "adjust to measuring period",
            "adjust to minute",
            "adjust to preset time",
            "preset adjusting time",
            "shift time",
        ),
    ),
    9: CosemClass("Script table", ("scripts",), ("execute",)),
    10: CosemClass("Schedule", ("entries",), ("enable/disable", "insert", "delete")),
    11: CosemClass("Special days table", ("entries",), ("insert", "delete")),
    20: CosemClass(
        "Activity calendar",
        (
            "calendar name active",
            "season profile active",
            "week profile table active",
            "day profile table active",
            "calendar name passive",
            "season profile passive",
            "week profile table passive",
            "day profile table passive",
            "activate passive calendar time",
        ),
        ("activate passive calendar",),
    ),
    21: CosemClass("Register monitor", ("thresholds", "monitored value", "actions")),
    22: CosemClass("Single action schedule", ("executed script", "type", "execution time")),
    30: CosemClass(
        "Data protection",
        ("protection buffer", "protection object list", "protection parameters get", "protection parameters set"),
        ("get protected attributes", "set protected attributes", "invoke protected method"),
    ),
    70: CosemClass(
        "Disconnect control",
        ("output state", "control state", "control mode"),
        ("remote disconnect", "remote reconnect"),
    ),
    71: CosemClass(
        "Limiter",
        (
            "monitored value",
            "threshold active",
            "threshold normal",
            "threshold emergency",
            "minimum over threshold duration",
            "minimum under threshold duration",
            "emergency profile",
            "emergency profile group id list",
            "emergency profile active",
            "actions",
        ),
    ),
    104: CosemClass(
        "ZigBee network control",
        ("enable/disable joining", "join timeout", "active devices"),
        ("register device", "unregister device", "unregister all devices", "backup PAN", "restore PAN"),
    ),
    111: CosemClass(
        "Account",
        (
            "account mode and status",
            "current credit in use",
            "current credit status",
            "available credit",
            "amount to clear",
            "clearance threshold",
            "aggregated debt",
            "credit reference list",
            "charge reference list",
            "credit charge configuration",
            "token gateway configuration",
            "account activation time",
            "account closure time",
            "currency",
            "low credit threshold",
            "next credit available threshold",
            "max provision",
            "max provision period",
        ),
        ("activate account", "close account", "reset account"),
    ),
    112: CosemClass(
        "Credit",
        (
            "current credit amount",
            "credit type",
            "priority",
            "warning threshold",
            "limit",
            "credit configuration",
            "credit status",
            "preset credit amount",
            "credit available threshold",
            "period",
        ),
        ("update amount", "set amount to value", "invoke credit"),
    ),
    113: CosemClass(
        "Charge",
        (
            "total amount paid",
            "charge type",
            "priority",
            "unit charge active",
            "unit charge passive",
            "unit charge activation time",
            "period",
            "charge configuration",
            "last collection time",
            "last collection amount",
            "total amount remaining",
            "proportion",
        ),
        ("update unit charge", "activate passive unit charge", "collect", "update total amount remaining"),
    ),
    115: CosemClass(
        "Token gateway",
        ("token", "token time", "token description", "token delivery method", "token status"),
        ("enter",),
    ),
    9000: CosemClass(
        "GBCS extended data",
        (
            "value active",
            "scaler and unit active",
            "value passive",
            "scaler and unit passive",
            "activate passive value time",
        ),
    ),
}

# Of objects that only one use case reads or writes, the name is what that use case is about.
_ENTRIES: Final = {
    "0-0:0.2.1.255": "firmware version",
    "0-0:1.0.0.255": "clock",
    "0-0:10.0.100.255": "tariff script table",
    "0-0:10.0.103.255": "auxiliary controller script table",
    "0-0:10.0.106.255": "load switch script table",
    "0-0:13.0.0.255": "tariff switching table",
    "0-0:13.0.1.255": "tariff switching table, secondary element",
    "0-0:15.0.0.255": "billing calendar",
    "0-0:15.1.0.255": "daily reset of the tariff block counters",
    "0-1:11.0.1.255": "secondary element special days",
    "0-1:11.0.2.255": "non-disablement calendar special days",
    "0-0:16.1.11.255": "tariff thresholds, blocks TOU 1",
    "0-0:16.1.12.255": "tariff thresholds, blocks TOU 2",
    "0-0:16.1.13.255": "tariff thresholds, blocks TOU 3",
    "0-0:16.1.14.255": "tariff thresholds, blocks TOU 4",
    "0-0:16.1.15.255": "tariff thresholds, blocks TOU 5",
    "0-0:16.1.16.255": "tariff thresholds, blocks TOU 6",
    "0-0:16.1.17.255": "tariff thresholds, blocks TOU 7",
    "0-0:16.1.18.255": "tariff thresholds, blocks TOU 8",
    "0-0:17.0.0.255": "load limit",
    "0-0:19.0.0.255": "prepayment account",
    "0-1:19.0.0.255": "payment mode and debt suspension",
    "0-0:19.10.0.255": "meter balance",
    "0-0:19.10.1.255": "emergency credit",
    "0-0:19.10.2.255": "accumulated debt",
    "0-0:19.20.0.255": "tariff price matrix",
    "0-0:19.20.1.255": "debt 1, time based",
    "0-0:19.20.2.255": "debt 2, time based",
    "0-0:19.20.3.255": "debt per payment",
    "0-0:19.20.4.255": "standing charge",
    "0-0:19.20.5.255": "tariff price matrix, secondary element",
    "0-0:19.40.0.255": "prepayment credit token",
    "0-0:30.3.0.255": "CHF device log",
    "0-0:43.2.3.255": "billing data log, protected",
    "0-0:43.2.4.255": "daily consumption log, protected",
    "0-0:43.2.5.255": "daily read log, protected",
    "0-0:43.2.6.255": "prepayment daily read log, protected",
    "0-0:43.2.8.255": "import registers, protected",
    "0-0:43.2.9.255": "tariff TOU registers, protected",
    "0-0:43.2.10.255": "tariff block TOU registers, protected",
    "0-0:63.1.1.255": "tariff threshold matrix",
    "0-0:94.44.0.4": "supply tamper state",
    "0-0:94.44.2.0": "currency unit",
    "0-0:94.44.2.10": "maximum credit threshold",
    "0-0:94.44.2.20": "maximum meter balance threshold",
    "0-0:94.44.3.1": "disable privacy PIN protection",
    "0-0:94.44.3.2": "change of tenancy date",
    "0-0:94.44.10.0": "sub-GHz configuration",
    "0-0:94.44.10.1": "sub-GHz channel scan",
    "0-0:94.44.10.2": "sub-GHz operating channel",
    "0-0:94.44.10.3": "sub-GHz channel log",
    "0-0:94.44.34.11": "MPAN",
    "0-0:94.44.34.20": "power import",
    "0-0:94.44.100.255": "time of the entry",
    "0-0:94.44.128.2": "emergency credit limit",
    "0-0:94.44.128.3": "emergency credit threshold",
    "0-0:94.44.128.9": "low credit threshold",
    "0-0:94.44.128.12": "debt recovery rate cap, amount",
    "0-0:94.44.128.13": "debt recovery rate cap, period",
    "0-0:94.44.128.22": "disablement threshold",
    "0-0:94.44.128.28": "non-disablement calendar",
    "0-0:94.44.128.29": "tariff special days",
    "0-0:94.44.128.30": "secondary element special days",
    "0-0:94.44.128.31": "non-disablement calendar special days",
    "0-0:96.13.0.255": "supplier telephone number",
    "0-0:96.13.1.255": "supplier name",
    "0-0:96.3.10.255": "load switch",
    "0-2:96.13.1.255": "supplier message",
    "0-3:96.13.1.255": "customer identification number (CIN)",
    "0-0:98.1.2.255": "billing data log",
    "0-0:98.1.8.255": "prepayment daily read log",
    "0-0:98.1.9.255": "daily read log",
    "0-0:99.1.1.255": "half hour profile, export",
    "0-0:99.1.2.255": "half hour profile, reactive import",
    "0-0:99.1.3.255": "daily consumption log",
    "0-0:99.98.0.255": "event log",
    "0-0:99.98.1.255": "security log",
    "0-17:99.98.2.255": "auxiliary load control switch event log",
    "1-0:0.0.2.255": "export MPAN",
    "1-0:1.8.0.255": "active import register",
    "1-0:2.8.0.255": "active export register",
    "1-0:3.8.0.255": "reactive import register",
    "1-0:4.8.0.255": "reactive export register",
    "1-0:1.6.0.255": "maximum demand, active import",
    "1-0:2.6.0.255": "maximum demand, active export",
    "0-1:12.0.1.255": "non-disablement calendar",
    "0-1:11.0.0.255": "tariff special days",
}


def _octets_of(obis: str) -> bytes:
    return bytes(int(number) for number in obis.replace("-", ".").replace(":", ".").split("."))


TIME_STAMP: Final = _octets_of("0-0:94.44.100.255")
"""The column of a log that holds the time of the entry, in seconds since 2000-01-01."""

OBJECTS: Final = {_octets_of(obis): name for obis, name in _ENTRIES.items()}
"""Objects with a known name, by logical name (6 octets)."""

UNITS: Final = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 10: "currency", 27: "W", 28: "VA",
    29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz", 255: "no unit",
}  # fmt: skip
"""Units of registers (Blue Book, class 3)."""

RESULTS: Final = {
    0: "success",
    1: "hardware fault",
    2: "temporary failure",
    3: "read/write denied",
    4: "object undefined",
    9: "object class inconsistent",
    11: "object unavailable",
    12: "type unmatched",
    13: "scope of access violated",
    14: "data block unavailable",
    15: "long get or action aborted",
    16: "no long get or action in progress",
    17: "long set aborted",
    18: "no long set in progress",
    19: "data block number invalid",
    250: "other reason",
}
"""What came of one request of a list."""


def obis_text(logical_name: bytes) -> str:
    """As "0-0:94.44.3.2"."""
    a, b, c, d, e, f = logical_name
    return f"{a}-{b}:{c}.{d}.{e}.{f}"


class Descriptor(NamedTuple):
    """What a request is about: an attribute, or a method, of an object."""

    class_id: int
    logical_name: bytes
    number: int
    """Of the attribute or method."""
    method: bool

    @property
    def object_name(self) -> str:
        """The object's name, or its class and OBIS code if it has none."""
        known = OBJECTS.get(self.logical_name)
        if known is not None:
            return known
        kind = CLASSES.get(self.class_id)
        return f"{kind.name if kind else f'class {self.class_id}'} {obis_text(self.logical_name)}"

    @property
    def part_name(self) -> str:
        """The name of the attribute or method, or its number."""
        kind = CLASSES.get(self.class_id)
        if not self.method and self.number == 1:
            return "logical name"
        names = () if kind is None else kind.methods if self.method else kind.attributes
        at = self.number - (1 if self.method else 2)
        return names[at] if 0 <= at < len(names) else f"{'method' if self.method else 'attribute'} {self.number}"

    def __str__(self) -> str:
        return f"{self.object_name}: {self.part_name}"


def descriptor_nodes(octets: bytes, start: int, *, method: bool = False) -> tuple[Descriptor, tuple[Node, ...]]:
    """Class, logical name and attribute (or method) in the nine octets from `start`."""
    class_id = int.from_bytes(octets[start : start + 2], "big")
    logical_name = bytes(octets[start + 2 : start + 8])
    number = int.from_bytes(octets[start + 8 : start + 9], "big", signed=True)
    descriptor = Descriptor(class_id, logical_name, number, method)
    kind = CLASSES.get(class_id)
    known = OBJECTS.get(logical_name)
    return descriptor, (
        Node("class id", start, start + 2, class_id, kind.name if kind else ""),
        Node(
            "logical name",
            start + 2,
            start + 8,
            logical_name,
            f"{obis_text(logical_name)}{f' {known}' if known else ''}",
        ),
        Node("method" if method else "attribute", start + 8, start + 9, number, descriptor.part_name),
    )


DESCRIPTOR_LENGTH: Final = 9
"""Octets of class, logical name and attribute."""
