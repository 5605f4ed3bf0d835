"""The decoded tree of a GBCS message: every octet lies in exactly one leaf, and every leaf has a name.

A decoder that meets octets it cannot name says so with `undecoded`; nothing is guessed and nothing dropped. So one
generic test holds for every message: `uncovered(tree)` and `unnamed(tree)` are empty.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

UNNAMED: Final = "undecoded octets"
"""The name of a leaf that no rule gave a meaning; it always carries a problem."""

Value = int | str | bytes | bool | float | None

Decryptor = Callable[[bytes], bytes | None]
"""Opens an encrypted part: gets `31 00000000 ‖ ciphertext ‖ tag`, gives the plaintext, or `None` without the key."""


class Node(msgspec.Struct, frozen=True, gc=False):
    """A named part of a message: octets [start, stop) of it.

    Children follow one another without gap or overlap and together cover what their parent covers. A part whose
    octets are all taken by its children has no value of its own.
    """

    name: str
    start: int
    stop: int
    value: Value = None
    """Bare value for scripts."""
    text: str = ""
    """For people: names of codes, dates, versions. Empty where the value says it all."""
    children: tuple["Node", ...] = ()
    problem: str | None = None
    """What is wrong here, in a short sentence."""
    plaintext: bytes | None = None
    """Of an encrypted part that was opened: its children count their octets in here, not in the message."""


def undecoded(octets: bytes | memoryview, start: int, stop: int, why: str) -> Node:
    """The leaf for octets [start, stop) of the message that have no known meaning; `octets` is the message."""
    return Node(UNNAMED, start, stop, bytes(octets[start:stop]), problem=why)


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it, in the order of the octets."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.children))


def problems(node: Node) -> list[str]:
    """Every problem in a tree, with the place, in the order of the octets."""
    found: list[str] = []
    stack = [node]
    while stack:  # as `walk` does, but every message comes through here
        one = stack.pop()
        if one.problem is not None:
            found.append(f"{one.name} (octet {one.start}): {one.problem}")
        if one.children:
            stack.extend(one.children[::-1])
    return found


def unnamed(node: Node) -> list[Node]:
    """The leaves that have no meaning."""
    return [one for one in walk(node) if one.name == UNNAMED]


def uncovered(node: Node) -> list[tuple[int, int]]:
    """Octet ranges where children leave a gap or overlap: empty for a sound tree."""
    faults: list[tuple[int, int]] = []
    for one in walk(node):
        if not one.children:
            continue
        at, end = (one.start, one.stop) if one.plaintext is None else (0, len(one.plaintext))
        for child in one.children:
            if child.start != at or child.stop < child.start:
                faults.append((min(at, child.start), max(at, child.start)))
            at = child.stop
        if at != end:
            faults.append((min(at, end), max(at, end)))
    return faults
