"""The query tree judged row by row, slowly and obviously: what every store is held to."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import orjson

from soc_core.schema import SCHEMA
from soc_core.store import tree
from soc_core.store.tree import Wild

Row = dict[str, Any]


def matches(node: tree.Node, row: Row) -> bool:
    """Whether one event (dotted names, moments in microseconds) matches."""
    match node:
        case tree.Everything():
            return True
        case tree.And(parts):
            return all(matches(part, row) for part in parts)
        case tree.Or(parts):
            return any(matches(part, row) for part in parts)
        case tree.Not(part):
            return not matches(part, row)
        case tree.Exists(field):
            return bool(values(row, field))
        case tree.Contains(fields, pattern):
            return any(fits(pattern, v, whole=False) for field in fields for v in values(row, field))
        case tree.Like(field, pattern):
            return any(fits(pattern, v, whole=True) for v in values(row, field))
        case tree.Equal(field, value):
            return any(same(value, held) for held in values(row, field))
        case tree.Inside(field, network):
            return any((a := address(v)) is not None and mapped(network[0]) <= a <= mapped(network[-1])
                       for v in values(row, field))
        case tree.Between(field, low, high, with_low, with_high):
            return any(between(v, low, high, with_low, with_high, kind(field)) for v in values(row, field))
    raise AssertionError(node)


def kind(field: str) -> str:
    column = SCHEMA.get(field)
    return column.kind if column else "keyword"


def values(row: Row, field: str) -> list[Any]:
    held = row.get(field)
    found = held if isinstance(held, list) else [held]
    if SCHEMA.get(field) is None and row.get("overflow") is not None:
        found = [*found, *leaves(orjson.loads(row["overflow"])).get(field, [])]
    return [value for value in found if value is not None]


def leaves(value: Any, path: str = "") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if isinstance(value, dict):
        for key, item in value.items():
            for name, texts in leaves(item, f"{path}.{key}" if path else key).items():
                found.setdefault(name, []).extend(texts)
    elif isinstance(value, list):
        for item in value:
            for name, texts in leaves(item, path).items():
                found.setdefault(name, []).extend(texts)
    elif value is not None and path:
        found[path] = [{True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)]
    return found


def same(wanted: Any, held: Any) -> bool:
    if isinstance(wanted, str):
        return bool(wanted.lower() == held.lower())
    return bool(wanted == held)


def fits(pattern: tree.Pattern, held: str, whole: bool) -> bool:
    kinds = {Wild.MANY: "(.|\n)*", Wild.ONE: "(.|\n)"}
    regex = "".join(kinds[p] if isinstance(p, Wild) else re.escape(p.lower()) for p in pattern.pieces)
    found = re.fullmatch(regex, held.lower()) if whole else re.search(regex, held.lower())
    return found is not None


def mapped(given: Any) -> int:
    return int(given) if given.version == 6 else int(given) + (0xFFFF << 32)


def address(text: str) -> int | None:
    try:
        return mapped(ip_address(text))
    except ValueError:
        return None


def between(held: Any, low: Any, high: Any, with_low: bool, with_high: bool, of: str) -> bool:
    if of == "ip":
        held, low, high = address(held), low and mapped(low), high and mapped(high)
        if held is None:
            return False
    elif isinstance(held, str):
        held, low, high = held.lower().encode(), low and low.lower().encode(), high and high.lower().encode()
        low, high = (b"" if low == "" else low), (b"" if high == "" else high)
    above = low is None or (held >= low if with_low else held > low)
    below = high is None or (held <= high if with_high else held < high)
    return above and below
