"""What a correlation asks of its windows: bounds on a number, or an expression over its rules.

Sigma Correlation Rules Specification 2.1, "Condition": one criterion or several together (a range), whole numbers or
not. Expressions (`a and not b`) are what pySigma adds for temporal and temporal_ordered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sigma.conditions import ConditionAND, ConditionIdentifier, ConditionNOT, ConditionOR
from sigma.exceptions import SigmaCorrelationConditionError

from detections.sigma.condition import Words

OPERATORS = ("lt", "lte", "gt", "gte", "eq", "neq")
OURS = "citysoc_condition"  # a key of our own, under which pySigma hands through what it cannot say itself
TEMPORAL = ("temporal", "temporal_ordered")
ONE_BOUND = {"gte": 1}
Bound = tuple[str, float]
Expression = Any  # a rule's reference or place, ("not", x), ("and", (x, …)), ("or", (x, …))


def prepare(document: dict[str, Any]) -> dict[str, Any]:
    """A correlation's document as pySigma takes it, with its own condition under OURS; other documents as they are.

    pySigma knows one criterion of a whole number, and `generate` within the correlation alone. Raises
    SigmaCorrelationConditionError.
    """
    correlation = document.get("correlation")
    if not isinstance(correlation, dict):
        return document
    correlation = dict(correlation)
    document = {**document, "correlation": correlation}
    if isinstance(document.get("generate"), bool):
        correlation.setdefault("generate", document.pop("generate"))
    wanted = correlation.get("condition")
    if isinstance(wanted, dict):
        document[OURS] = {"bounds": _bounds(wanted), "percentile": _percentile(wanted)}
        rest = {name: wanted[name] for name in ("field",) if name in wanted}
        correlation["condition"] = {**ONE_BOUND, **rest}
    elif isinstance(wanted, str):
        if correlation.get("type") not in TEMPORAL:
            raise SigmaCorrelationConditionError("an expression is a condition of temporal and temporal_ordered alone")
        tree = expression(wanted)
        named = list(dict.fromkeys(references(tree)))
        listed = correlation.get("rules")
        listed = named if listed is None else [listed] if isinstance(listed, str) else listed
        odd = sorted(set(map(str, listed)) ^ set(named))
        if odd:
            raise SigmaCorrelationConditionError(f"the rules and the condition differ in '{odd[0]}'")
        document[OURS] = {"expression": tree}
        del correlation["condition"]
        correlation["rules"] = listed
    return document


def _bounds(wanted: dict[str, Any]) -> tuple[Bound, ...]:
    odd = [name for name in wanted if name not in (*OPERATORS, "field", "percentile")]
    if odd:
        raise SigmaCorrelationConditionError(f"'{odd[0]}' is no criterion: {', '.join(OPERATORS)}, field, percentile")
    found = tuple((name, wanted[name]) for name in OPERATORS if name in wanted)
    if not found:
        raise SigmaCorrelationConditionError(f"the condition has none of {', '.join(OPERATORS)}")
    for name, number in found:
        if isinstance(number, bool) or not isinstance(number, int | float) or number != number:
            raise SigmaCorrelationConditionError(f"'{name}' wants a number")
    return found


def _percentile(wanted: dict[str, Any]) -> float | None:
    found = wanted.get("percentile")
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 100:
        raise SigmaCorrelationConditionError("'percentile' wants a number from 0 to 100")
    return found


def expression(text: str) -> Expression:
    """An expression over rules, read as the conditions of rules are."""
    words = Words(text)
    found = words.either()
    if words.left:
        raise SigmaCorrelationConditionError(f"'{words.next}' is one word too many in the condition '{text}'")
    return _plain(found)


def _plain(node: Any) -> Expression:
    if isinstance(node, ConditionIdentifier):
        return node.args[0]
    if isinstance(node, ConditionNOT):
        return ("not", _plain(node.args[0]))
    if isinstance(node, ConditionAND | ConditionOR):
        return ("and" if isinstance(node, ConditionAND) else "or", tuple(_plain(each) for each in node.args))
    raise SigmaCorrelationConditionError("a condition over rules names them, without `x of`")


def references(node: Expression) -> Iterator[Any]:
    """Whatever the expression names, left to right."""
    if not isinstance(node, tuple):
        yield node
    elif node[0] == "not":
        yield from references(node[1])
    else:
        for each in node[1]:
            yield from references(each)


def renamed(node: Expression, names: dict[Any, Any]) -> Expression:
    """The expression with its names replaced."""
    if not isinstance(node, tuple):
        return names.get(node, node)
    if node[0] == "not":
        return ("not", renamed(node[1], names))
    return (node[0], tuple(renamed(each, names) for each in node[1]))


def grows(node: Expression) -> bool:
    """Whether more rules seen can never undo it."""
    if not isinstance(node, tuple):
        return True
    return node[0] != "not" and all(grows(each) for each in node[1])


def holds(node: Expression, seen: set[Any]) -> bool:
    """Whether the expression is met where these rules were seen."""
    match node:
        case ("not", item):
            return not holds(item, seen)
        case ("and", items):
            return all(holds(each, seen) for each in items)
        case ("or", items):
            return any(holds(each, seen) for each in items)
    return node in seen


def worded(node: Expression) -> str:
    """The expression as it is written."""
    match node:
        case ("not", item):
            return f"not {worded(item)}"
        case (word, items):
            return "(" + f" {word} ".join(worded(each) for each in items) + ")"
    return str(node)
