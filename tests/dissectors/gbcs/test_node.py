"""The tree: gaps, overlaps and octets without a name are found."""

from hanscope.dissectors.gbcs.node import Node, problems, uncovered, undecoded, unnamed, walk


def tree(*children: Node, stop: int = 4, **more) -> Node:
    return Node("all", 0, stop, children=children, **more)


def test_sound_tree_has_no_faults():
    sound = tree(Node("a", 0, 1), Node("b", 1, 1), Node("c", 1, 4))
    assert uncovered(sound) == []
    assert [one.name for one in walk(sound)] == ["all", "a", "b", "c"]


def test_gaps_and_overlaps_are_found():
    assert uncovered(tree(Node("a", 0, 1), Node("b", 2, 4))) == [(1, 2)]
    assert uncovered(tree(Node("a", 0, 3), Node("b", 2, 4))) == [(2, 3)]
    assert uncovered(tree(Node("a", 0, 3))) == [(3, 4)]
    assert uncovered(tree(Node("a", 1, 4))) == [(0, 1)]


def test_children_of_an_opened_part_count_in_its_plaintext():
    assert uncovered(tree(Node("a", 0, 2), plaintext=b"ab")) == []
    assert uncovered(tree(Node("a", 0, 4), plaintext=b"ab")) == [(2, 4)]


def test_undecoded_octets_are_named_as_such_with_the_reason():
    left = undecoded(b"\1\2\3\4", 1, 3, "nobody knows")
    assert left.value == b"\2\3"
    assert unnamed(tree(left)) == [left]
    assert problems(tree(left)) == ["undecoded octets (octet 1): nobody knows"]
