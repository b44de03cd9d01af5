"""Keywords: looked for in the whole text of an event, not in a field."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from detections.sigma import columns
from detections.sigma.columns import Rows
from detections.sigma.compile import Program, Truth
from detections.sigma.fields import Field, Ids
from detections.sigma.finder import Finder, finder
from detections.sigma.fold import fold
from detections.sigma.terms import Part
from soc_core.table import Column

ASCII = re.compile(r"[\x01-\x7f]+")


class Search:
    """Keywords: one scan over the texts of all rows together, then the judge for rows that may hit. Not cached."""

    def __init__(self, field: Field, wanted: Truth, program: Program) -> None:
        self.field, self.wanted = field, wanted
        mine = [test for number, test in program.tests[field.key] if number in wanted]
        literals = [_longest(test.value) for test in mine if test.kind in ("text", "cased")]
        self.finder: Finder | None = None
        if len(literals) == len(mine) and all(literals):
            forms = tuple(sorted({form for literal in literals for form in _forms(literal)}))
            self.finder = program.finders.get(forms) or finder(forms, program.engine, program.folder)
            program.finders[forms] = self.finder

    def ids(self, rows: Rows, height: int) -> Ids | int:
        return found([(self, rows)])[0]

    def judged(self, rows: Rows, places: Sequence[int]) -> Ids | int:
        """Set numbers of all rows, of which only those at the places may hold a keyword."""
        if not places:
            return 0
        out = np.zeros(rows.frame.height, np.int32)
        few = {name: column.at(list(places)) for name, column in texts(rows).items()}
        for at, row in enumerate(places):
            text = columns.whole({name: texts[at] for name, texts in few.items()})
            out[row] = self.field.number(self.field.judge.judge(text) & self.wanted)
        return out


def texts(rows: Rows) -> dict[str, Column]:
    """What keywords are looked for in."""
    return {name: rows.frame.held[name] for name in columns.WHOLE if name in rows.have}


def found(searches: Sequence[tuple[Search, Rows]]) -> list[Ids | int]:
    """Set numbers of the rows of each, or one for them all; who looks for the same literals looks at all texts at once.
    """
    out: list[Ids | int] = [0] * len(searches)
    finders: dict[int, list[int]] = {}
    for number, (search, rows) in enumerate(searches):
        if not texts(rows):
            continue
        if search.finder is None:
            out[number] = search.judged(rows, range(rows.frame.height))
        else:
            finders.setdefault(id(search.finder), []).append(number)
    for numbers in finders.values():
        own = searches[numbers[0]][0].finder
        parts = [list(texts(searches[number][1]).values()) for number in numbers]
        for number, places in zip(numbers, own.rows(parts) if own else (), strict=True):
            search, rows = searches[number]
            out[number] = search.judged(rows, sorted(places))
    return out


def _longest(parts: Sequence[Part]) -> str:
    """The longest run of ASCII that a text must hold for the pattern to be true of it."""
    folded = (fold(part) for part in parts if isinstance(part, str))
    return max((run for part in folded for run in ASCII.findall(part)), key=len, default="")


def _forms(literal: str) -> tuple[str, str]:
    """A literal as it may stand in a record: plain, and with the escapes of JSON."""
    return (literal, literal.replace("\\", "\\\\").replace('"', '\\"'))
