"""The comparison that holds the column engine and Scapy together, used wherever a layer is tested."""

from collections.abc import Sequence

import numpy as np
from oracles import packed
from scapy.packet import Packet

from hanscope.dissectors.columns.engine import Engine, entries
from hanscope.dissectors.columns.stage import Group, Sifted, Stage
from hanscope.dissectors.layer import Malformed, MalformedError, layers_of


def stage_of(engine: Engine, name: str) -> Stage:
    return next(stage for stage in engine.stages if stage.name == name)


def scapy_layers(stage: str, frame: bytes) -> tuple[list[Packet], str | None]:
    """The layers of a stage as Scapy sees them, up to where the next stage begins; and where it gave up."""
    try:
        packet = entries()[stage](frame)
    except MalformedError as error:
        return [], error.layer
    found: list[Packet] = []
    for layer in layers_of(packet):
        if isinstance(layer, Malformed):
            return found, layer.getfieldval("layer").decode()
        if found and type(layer) in entries().values():
            break
        found.append(layer)
    return found, None


def assert_group_equals_scapy(stage: str, group: Group, inputs: Sequence[bytes]) -> int:
    """Compares every column of a group with Scapy's values; returns how many values were compared."""
    expected = [scapy_layers(stage, inputs[int(row)]) for row in group.index]
    for row, (layers, malformed) in zip(group.index, expected, strict=True):
        if malformed is None or group.layout.malformed is None:
            # Where the next stage begins Scapy may find it malformed; that is the next stage's business.
            assert malformed is None or group.layout.next_stage is not None, inputs[int(row)].hex()
        names = [type(layer).__name__ for layer in layers]
        if malformed is not None and group.layout.next_stage is None:
            assert group.layout.malformed == malformed, inputs[int(row)].hex()
        assert names == list(group.layout.layers), inputs[int(row)].hex()
    compared = 0
    for name, slot in group.layout.slots.items():
        layer, field = name.split(".")
        values = [next(one for one in layers if type(one).__name__ == layer).fields[field] for layers, _ in expected]
        if slot.kind == "uint":
            column = [int(value) for value in group.uint(name)]
        elif slot.kind == "opaque":
            continue
        else:
            at, length = group.extent(name) if slot.kind == "rest" else (None, None)
            column = (
                [group.buffer[a : a + n].tobytes() for a, n in zip(at, length, strict=True)]
                if at is not None and length is not None
                else [row.tobytes() for row in group.octets(name)]
            )
        assert column == values, f"{name} of {inputs[int(group.index[0])].hex()}"
        compared += len(values)
    return compared


def assert_equal(stage: str, engine: Engine, inputs: Sequence[bytes]) -> tuple[Sifted, int]:
    sifted = stage_of(engine, stage).sift(*packed(inputs))
    rows = np.concatenate([sifted.loose, *(group.index for group in sifted.groups)])
    assert sorted(rows) == list(range(len(inputs))), "every frame is in exactly one group, or loose"
    return sifted, sum(assert_group_equals_scapy(stage, group, inputs) for group in sifted.groups)
