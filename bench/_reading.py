"""The reference evaluator over many events at once: each item of a rule once for each distinct value of its field.

Only what is asked of the reference is shared between events with equal values; every answer is the reference's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detections.sigma.map import Mapper, Reader
from detections.sigma.rule import LogSource
from tests.detections.sigma import events, reference

Mask = npt.NDArray[np.bool_]
Values = tuple[str, ...] | None
Column = tuple[npt.NDArray[np.int64], list[Any]]  # codes by row, and what they stand for
Read = Callable[[str], Column]
TEXTS = ""  # the name under which a row's texts are read


def columns(rows: Sequence[dict[str, Any]], mapper: Mapper, source: LogSource, known: dict[Any, Column]) -> Read:
    """Fields of these rows by the rule's names; what was read once is kept in `known`."""
    def read(field: str) -> Column:
        if field == TEXTS:
            key: Any = TEXTS
        else:
            reader, values = mapper.resolve(source, field)
            key = (reader, tuple(values.items()))
        if key not in known:
            known[key] = coded([tuple(events.texts(row)) for row in rows] if field == TEXTS else
                               [written(row, reader, values) for row in rows])
        return known[key]

    return read


def written(row: dict[str, Any], reader: Reader, values: dict[str, str]) -> Values:
    """A field's values as the rule writes them."""
    found = events.read(row, reader)
    if found is None:
        return None
    back = {column: rule for rule, column in values.items()}
    return tuple(back.get(text, text) for text in found)


def coded(values: Sequence[Any]) -> Column:
    """Dictionary-encode."""
    numbers: dict[Any, int] = {}
    codes = np.fromiter((numbers.setdefault(value, len(numbers)) for value in values), np.int64, len(values))
    return codes, list(numbers)


class Plain:
    """One rule as it is written."""

    def __init__(self, rule: dict[str, Any]) -> None:
        self.detection = rule["detection"]
        self.names = [name for name in self.detection if name not in ("condition", "timeframe")]
        given = self.detection["condition"]
        self.conditions = given if isinstance(given, list) else [given]

    def rows(self, read: Read, height: int) -> list[int]:
        """The rows on which it fires."""
        met = np.stack([selection(self.detection[name], read, height) for name in self.names])
        kinds, codes = np.unique(met, axis=1, return_inverse=True)
        fires = [self.fires(dict(zip(self.names, map(bool, kind), strict=True))) for kind in kinds.T]
        found: list[int] = np.flatnonzero(np.array(fires)[codes.reshape(-1)]).tolist()
        return found

    def fires(self, met: dict[str, bool]) -> bool:
        return any(reference.condition(text, self.detection, met.__getitem__) for text in self.conditions)


def selection(node: Any, read: Read, height: int) -> Mask:
    """reference.selection, over all rows."""
    if isinstance(node, dict | list):
        out = np.full(height, isinstance(node, dict))
        for each in node:
            if isinstance(node, dict):
                out &= item(each, node[each], read)
            else:
                out |= selection(each, read, height)
        return out
    codes, texts = read(TEXTS)
    return np.array([reference.keyword(node, list(each), []) for each in texts])[codes]


def item(key: str, raw: Any, read: Read) -> Mask:
    """reference.item, over all rows."""
    field, *modifiers = key.split("|")
    if not field:
        codes, texts = read(TEXTS)
        return np.array([reference.item(key, raw, lambda _: None, list(each)) for each in texts])[codes]
    codes, found = read(field)
    if "fieldref" in modifiers:
        others = {name: read(name) for name in map(str, raw if isinstance(raw, list) else [raw])}
        rows = zip(codes, *(other[0] for other in others.values()), strict=True)
        return np.array([
            reference.item(key, raw, {
                field: listed(found[mine]),
                **{name: listed(others[name][1][at]) for name, at in zip(others, rest, strict=True)},
            }.get, [])
            for mine, *rest in rows
        ])
    return np.array([reference.item(key, raw, {field: listed(each)}.get, []) for each in found])[codes]


def listed(values: Values) -> list[str] | None:
    return None if values is None else list(values)
