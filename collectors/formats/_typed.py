"""Columns of one text column in another type, and of two put together, by codes where those have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from collectors.formats._frames import integers, typed
from collectors.formats._spans import Cells
from soc_core.lexicon import NOTHING, Read
from soc_core.schema import SCHEMA
from soc_core.table import Coded, Column, Lazy, Rows, Texts

HALF = 32  # bits of a code


def of(name: str, column: Column) -> Column:
    """A text column under another name, in the type that the schema has for that."""
    if SCHEMA.dtype(name) == pl.String:
        return column.named(name)
    if isinstance(column, Cells):
        return Typed(name, column, lambda: column.typed(name))
    return Typed(name, column, lambda: typed(column.series.alias(name)))


class Joined(Column):
    r"""`left\right` of two text columns, row by row, where both have a value."""

    __slots__ = ("_coded", "_left", "_right")

    def __init__(self, name: str, left: Column, right: Column) -> None:
        super().__init__(name, left.height)
        self._left, self._right = left, right
        self._coded: Coded | None = None

    @property
    def coded(self) -> Coded | None:
        if self._coded is None and (left := self._left.coded) is not None and (right := self._right.coded) is not None:
            lexicon = left.lexicon
            if right.lexicon is lexicon and min(left.codes.min(initial=0), right.codes.min(initial=0)) >= NOTHING:
                distinct, places = np.unique(left.codes.astype(np.int64) << HALF | right.codes, return_inverse=True)
                pairs = zip(lexicon.some((distinct >> HALF).tolist()),
                            lexicon.some((distinct & (1 << HALF) - 1).tolist()), strict=True)
                self._coded = Coded(lexicon, lexicon.codes([_joint(*pair) for pair in pairs])[places])
        return self._coded

    def _make(self) -> pl.Series:
        return (self._left.series + "\\" + self._right.series).alias(self.name)

    def _list(self) -> Texts:
        return list(map(_joint, self._left.texts, self._right.texts))

    def at(self, rows: Sequence[int]) -> list[Any]:
        return super().at(rows) if self.made else list(map(_joint, self._left.at(rows), self._right.at(rows)))

    def pick(self, rows: Rows) -> Column:
        return Joined(self.name, self._left.pick(rows), self._right.pick(rows))


def _joint(left: str | None, right: str | None) -> str | None:
    return None if left is None or right is None else f"{left}\\{right}"


class Typed(Lazy):
    """A text column under another name, in the type that the schema has for that; `make` makes the Series."""

    __slots__ = ("_of",)

    def __init__(self, name: str, of: Column, make: Callable[[], pl.Series]) -> None:
        super().__init__(name, of.height, make)
        self._of = of

    @property
    def coded(self) -> Coded | None:
        read = RENDERED.get(type(self.dtype))
        return None if read is None else self._of.through(read)

    def through(self, read: Read) -> Coded | None:
        return None

    def pick(self, rows: Rows) -> Column:
        return of(self.name, self._of.pick(rows))


def _whole(text: str) -> str | None:
    """A whole number as it is written in the end."""
    if DIGITS.fullmatch(text):
        return text
    found = integers(pl.Series([text]))[0]
    return None if found is None else str(found)


def _truth(text: str) -> str | None:
    return TRUTHS.get(text.lower())


DIGITS = re.compile("0|[1-9][0-9]{0,17}")
TRUTHS = {"true": "true", "false": "false", "1": "true", "0": "false"}
RENDERED: dict[Any, Read] = {pl.Int64: _whole, pl.Boolean: _truth}  # `typed`, as texts
