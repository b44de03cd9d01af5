"""The lines of bytes that the texts of a column are read from, before these are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from soc_core import arrow
from soc_core.arrow import Spans


class Written:
    """What makes a Series of texts, and the lines of bytes that it would read."""

    __slots__ = ("_spans", "lines", "make")

    def __init__(self, lines: Sequence[bytes], make: Callable[[], pl.Series]) -> None:
        self.lines, self.make = lines, make
        self._spans: Spans | None = None

    @property
    def spans(self) -> Spans | None:
        """Where the lines lie, if all of them are bytes."""
        if self._spans is None and set(map(type, self.lines)) <= {bytes}:
            self._spans = arrow.lines(self.lines)
        return self._spans

    def __call__(self) -> pl.Series:
        return self.make()
