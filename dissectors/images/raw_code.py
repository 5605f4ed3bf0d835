"""Raw code without a header of its own, told by its table of interrupt vectors: Arm Cortex-M and Atmel AVR."""

from collections.abc import Sequence
from typing import Final

from hanscope.dissectors.images.format import Context, Inner, InnerFormat, octets_told, unverifiable
from hanscope.dissectors.images.octets import View

PREFIXES: Final = (0, 4, 8, 12, 16, 20, 24, 32, 48, 64, 128, 256, 512, 1024)
"""Octets that vendors put in front of the table."""
RAM: Final = (range(0x20000000, 0x20200000), range(0x10000000, 0x10100000), range(0x1FFE0000, 0x20000000))
CODE_END: Final = 0x20200000
"""Some code (of boot loaders) runs in RAM."""
HANDLERS: Final = 4
"""Reset, NMI, hard fault and one more."""
NEAR: Final = 1 << 20
AVR_JUMPS: Final = 4


def read(view: View, _context: Context) -> Inner | None:
    none_known = (unverifiable("raw code; no check is known"),)
    for prefix in PREFIXES:
        words = view.peek(prefix, prefix + 4 * (1 + HANDLERS))
        if words and _is_vector_table([int.from_bytes(words[at : at + 4], "little") for at in range(0, len(words), 4)]):
            behind = f" behind {octets_told(prefix)}" if prefix else ""
            return Inner(f"Arm Cortex-M code{behind}", none_known)
    begin = view.peek(0, 4 * AVR_JUMPS)
    if len(begin) == 4 * AVR_JUMPS and all(
        begin[at] & 0x0F == 0x0C and begin[at + 1] == 0x94 for at in range(0, 16, 4)
    ):
        return Inner("AVR code", none_known)
    return None


def _is_vector_table(words: Sequence[int]) -> bool:
    """A stack in RAM and odd (Thumb) handlers not far from each other; those beyond the first may be left out (0)."""
    stack, reset, *others = words
    if stack % 4 or not any(stack in ram for ram in RAM) or not reset % 2 or reset >= CODE_END:
        return False
    used = [handler for handler in others if handler not in {0, 0xFFFFFFFF}]
    return bool(used) and all(handler % 2 and abs(handler - reset) < NEAR for handler in used)


FORMAT: Final = InnerFormat(
    name="raw code",
    vendors="any: Develco (EM35x), Lumi, NodOn (STM32) and others",
    signature="Arm: stack pointer in RAM and Thumb handlers, at the start or behind a prefix of up to 1,024 octets; "
    "AVR: four JMPs at the start",
    checks=("content: no check is known",),
    limitations="Prefixes (NodOn's 16 octets look like a hash) were not worked out.",
    source="Arm v7-M Architecture Reference Manual, B1.5; files of a survey of 1,242",
    read=read,
)
