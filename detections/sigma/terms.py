"""What a rule asks of an event: a tree of and, or, not over tests of one field's value.

Sigma Rules Specification 2.1, "Detection" and "Value Modifiers". Trees are independent of any mapping: the fields
are the rule's own names. A value is compared as text: numbers in canonical decimal, booleans as true and false.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

ANY, ONE = 0, 1  # the wildcards * and ? within a pattern

Part = str | int
Kind = Literal["text", "cased", "regex", "cidr", "compare", "absent", "present", "time", "same", "unfilled"]


class Test(NamedTuple):
    """One question about one value.

    `text`, `cased`: a pattern, a tuple of literals, ANY and ONE. `regex`: (expression, flags out of "ims").
    `cidr`: a network. `compare`: (lt|lte|gt|gte|neq, number). `absent`, `present`: (). `time`: (unit, number).
    `same`: (the other field's name, equals|startswith|endswith|contains). `unfilled`: names of placeholders that have
    no values here; a rule that has such a test is blind and is not judged.
    """

    kind: Kind
    value: tuple[Any, ...]


class Leaf(NamedTuple):
    """A test of a field, or of the whole event's text where `field` is None (keywords)."""

    field: str | None
    test: Test


class And(NamedTuple):
    items: tuple[Any, ...]


class Or(NamedTuple):
    items: tuple[Any, ...]


class Not(NamedTuple):
    item: Any


Tree = Leaf | And | Or | Not


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Every leaf, left to right."""
    if isinstance(tree, Leaf):
        yield tree
    elif isinstance(tree, Not):
        yield from leaves(tree.item)
    else:
        for item in tree.items:
            yield from leaves(item)


def as_text(value: Any) -> str:
    """A scalar as it is compared: 4688, 4688.0 and "4688" are one; True is "true"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def to_plain(tree: Tree) -> list[Any]:
    """The tree as lists, for the disk cache."""
    if isinstance(tree, Leaf):
        return ["leaf", tree.field, tree.test.kind, list(tree.test.value)]
    if isinstance(tree, Not):
        return ["not", to_plain(tree.item)]
    return ["and" if isinstance(tree, And) else "or", [to_plain(item) for item in tree.items]]


def from_plain(plain: list[Any]) -> Tree:
    """The tree back from lists."""
    head = plain[0]
    if head == "leaf":
        return Leaf(plain[1], Test(plain[2], tuple(plain[3])))
    if head == "not":
        return Not(from_plain(plain[1]))
    items = tuple(from_plain(item) for item in plain[1])
    return And(items) if head == "and" else Or(items)
