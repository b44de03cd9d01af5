"""Trees of tests: their leaves in order, as lists and back, values as they are compared."""

from __future__ import annotations

import orjson
import pytest

from detections.sigma import terms
from detections.sigma.terms import ANY, And, Leaf, Not, Or, as_text, from_plain, leaves, to_plain

A, B, C = (Leaf(name, terms.Test("text", (name, ANY))) for name in ("a", "b", None))


@pytest.mark.parametrize("tree", [
    A, Not(A), And((A, B)), Or((A, B)), And((A, Not(Or((B, C))))), Or((And((A,)), Not(C))),
])
def test_a_tree_comes_back_from_lists(tree: And | Or | Not | Leaf) -> None:
    back = from_plain(orjson.loads(orjson.dumps(to_plain(tree))))
    assert (back, type(back)) == (tree, type(tree))
    assert to_plain(back) == to_plain(tree)
    assert repr(back) == repr(tree)  # And and Or of the same items are equal as tuples


def test_leaves_stand_from_left_to_right() -> None:
    assert list(leaves(And((A, Not(Or((B, C))), A)))) == [A, B, C, A]


@pytest.mark.parametrize(("value", "text"), [
    ("x", "x"), (True, "true"), (False, "false"), (4688, "4688"), (4688.0, "4688"), (0.5, "0.5"),
    (1e300, str(int(1e300))), (None, "None"),
])
def test_values_are_compared_as_text(value: object, text: str) -> None:
    assert as_text(value) == text
