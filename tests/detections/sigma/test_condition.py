"""Conditions as the specification reads them, and the sentence on each that it does not allow."""

from __future__ import annotations

from typing import Any

import pytest
from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR
from sigma.exceptions import SigmaConditionError
from sigma.rule import SigmaDetections

from detections.sigma import condition
from detections.sigma.condition import DEEPEST

NAMES = ("a", "b", "notepad", "a_too")
SIGNS = {ConditionAND: " & ", ConditionOR: " | "}


def read(text: Any) -> str:
    """The tree, written with brackets around every pair."""
    return shown(condition.parse(text, SigmaDetections.from_dict({**{name: {name: 1} for name in NAMES},
                                                                  "condition": "a"})))


def shown(tree: Any) -> str:
    if isinstance(tree, ConditionNOT):
        return f"!{shown(tree.args[0])}"
    if type(tree) in SIGNS:
        return f"({SIGNS[type(tree)].join(map(shown, tree.args))})"
    return str(tree.field)


@pytest.mark.parametrize(("text", "tree"), [
    ("a", "a"),
    ("a or b and not notepad", "(a | (b & !notepad))"),
    ("not a AND b", "(!a & b)"),
    ("(a or b) and notepad", "((a | b) & notepad)"),
    ("not (a or b)", "!(a | b)"),
    ("not not a", "!!a"),
    ("notepad", "notepad"),
    ("1 of a*", "(a | a_too)"),
    ("Any of a*", "(a | a_too)"),
    ("ALL of a*", "(a & a_too)"),
    ("all of them", "(a & b & notepad & a_too)"),
    ("b and 1 of a*", "(b & (a | a_too))"),
])
def test_what_binds_first(text: str, tree: str) -> None:
    assert read(text) == tree


@pytest.mark.parametrize(("text", "why"), [
    (5, "must be a text"),
    ("a | count() > 5", "pipe"),
    ("", "ends too early"),
    ("not", "ends too early"),
    ("a and", "ends too early"),
    ("(a", "ends too early"),
    ("(a b", "bracket is not closed"),
    ("a b", "'b' is one word too many"),
    ("a)", "'\\)' is one word too many"),
    ("two of a*", "'two of' is no quantifier"),
    (") and a", "'\\)' stands where"),
    ("and a", "'and' stands where"),
    ("a and Or", "'Or' stands where"),
    ("of them", "'of' stands where"),
])
def test_what_is_none(text: Any, why: str) -> None:
    with pytest.raises(SigmaConditionError, match=why):
        read(text)


@pytest.mark.parametrize(("pattern", "named"), [
    ("s.*", {"s.a"}), ("s+*", {"s+a"}), ("s[*", {"s[a"}), ("*a", {"s.a", "sxa", "s+a", "s[a"}), ("s", {"s"}),
    ("*_a", set()), ("_*", {"_a"}), ("**", {"s.a", "sxa", "s+a", "s[a", "s"}),
])
def test_only_the_star_is_special_in_a_pattern_of_identifiers(pattern: str, named: set[str]) -> None:
    given = SigmaDetections.from_dict({**{name: {name: 1} for name in ("s", "s.a", "sxa", "s+a", "s[a", "_a")},
                                       "condition": "s"})
    found = condition.parse(f"1 of {pattern}", given)
    assert {each.field for each in getattr(found, "args", [found] if found else [])} == named


def test_depth_is_that_of_brackets_and_not_of_length() -> None:
    deep = "(" * (DEEPEST - 1) + "a" + ")" * (DEEPEST - 1)
    assert read(deep) == "a"
    assert read(" and ".join(["a"] * 3 * DEEPEST)).count("&") == 3 * DEEPEST - 1
    for text in (f"({deep})", f"{' and '.join(['a'] * 3 * DEEPEST)} and ({deep})", "not " * DEEPEST + "a"):
        with pytest.raises(SigmaConditionError, match=f"more than {DEEPEST} deep"):
            read(text)
