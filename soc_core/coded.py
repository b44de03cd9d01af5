"""Text columns that are held as codes of a lexicon (lexicon.py): no value is a Python object before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from soc_core.lexicon import ELSEWHERE, NOTHING, Codes, Lexicon
from soc_core.table import Coded, Column, Rows, Texts

Elsewhere = Callable[[int], str | None]


class CodedColumn(Column):
    """A text column of codes. `elsewhere` gives the text of a row whose code is ELSEWHERE.

    For a column of another type make a subclass with `_make` and without `coded`.
    """

    __slots__ = ("_codes", "_elsewhere", "_lexicon")

    def __init__(self, name: str, lexicon: Lexicon, codes: Codes, elsewhere: Elsewhere | None = None) -> None:
        super().__init__(name, len(codes))
        self._lexicon, self._codes, self._elsewhere = lexicon, codes, elsewhere

    @property
    def coded(self) -> Coded | None:
        return Coded(self._lexicon, self._codes)

    @property
    def empty(self) -> bool:
        return not (self._codes != NOTHING).any()

    def _list(self) -> Texts:
        texts = list(map(self._lexicon.texts.__getitem__, self._codes.tolist()))
        for row in np.flatnonzero(self._codes == ELSEWHERE).tolist():
            texts[row] = self._other(row)
        return texts

    def _make(self) -> pl.Series:
        distinct, places = np.unique(self._codes, return_inverse=True)
        if 2 * len(distinct) >= self.height or distinct[0] == ELSEWHERE:
            return pl.Series(self.name, self.texts, dtype=pl.String)
        known = self._lexicon.texts
        return pl.Series(self.name, [known[code] for code in distinct.tolist()], dtype=pl.String).gather(places)

    def _other(self, row: int) -> str | None:
        return self._elsewhere(row) if self._elsewhere is not None else None

    def at(self, rows: Sequence[int]) -> list[Any]:
        if self._texts is not None:
            return [self._texts[row] for row in rows]
        codes = self._codes[np.array(rows, np.int64)].tolist()
        known = self._lexicon.some([max(code, NOTHING) for code in codes])
        return [
            self._other(row) if code == ELSEWHERE else text for row, code, text in zip(rows, codes, known, strict=True)
        ]

    def pick(self, rows: Rows) -> Column:
        other = self._elsewhere
        if other is None:
            return CodedColumn(self.name, self._lexicon, self._codes[rows])
        return CodedColumn(self.name, self._lexicon, self._codes[rows], lambda row: other(int(rows[row])))
