"""Keywords: looked for in the whole text of an event, not in a field."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from detections.sigma import columns
from detections.sigma.columns import Rows
from detections.sigma.compile import Program, Truth
from detections.sigma.fields import Field, Ids
from detections.sigma.finder import finder
from detections.sigma.fold import fold
from detections.sigma.terms import Part

ASCII = re.compile(r"[\x00-\x7f]+")


class Search:
    """Keywords: one scan over the texts of all rows together, then the judge for rows that may hit. Not cached."""

    def __init__(self, field: Field, wanted: Truth, program: Program) -> None:
        self.field, self.wanted = field, wanted
        mine = [test for number, test in program.tests[field.key] if number in wanted]
        literals = [_longest(test.value) for test in mine if test.kind in ("text", "cased")]
        self.finder = None
        if len(literals) == len(mine) and all(literals):
            forms = tuple(sorted({form for literal in literals for form in _forms(literal)}))
            self.finder = program.finders.get(forms) or finder(forms, program.engine, program.folder)
            program.finders[forms] = self.finder

    def ids(self, rows: Rows, height: int) -> Ids | int:
        held = {name: rows.frame.held[name] for name in columns.WHOLE if name in rows.have}
        if not held:
            return 0
        places: Sequence[int] = range(height)
        if self.finder is not None:
            places = sorted({row for column in held.values() for row in self.finder.rows(column)})
        if not places:
            return 0
        out = np.zeros(height, np.int32)
        few = {name: column.at(list(places)) for name, column in held.items()}
        for at, row in enumerate(places):
            text = columns.whole({name: texts[at] for name, texts in few.items()})
            out[row] = self.field.number(self.field.judge.judge(text) & self.wanted)
        return out


def _longest(parts: Sequence[Part]) -> str:
    """The longest run of ASCII that a text must hold for the pattern to be true of it."""
    folded = (fold(part) for part in parts if isinstance(part, str))
    return max((run for part in folded for run in ASCII.findall(part)), key=len, default="")


def _forms(literal: str) -> tuple[str, str]:
    """A literal as it may stand in a record: plain, and with the escapes of JSON."""
    return (literal, literal.replace("\\", "\\\\").replace('"', '\\"'))
