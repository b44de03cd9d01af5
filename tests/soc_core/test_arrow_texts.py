"""Series over memory that a kernel wrote."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from soc_core import arrow_texts


def made(values: list[str | None]) -> pl.Series:
    data = [(value or "").encode() for value in values]
    bounds = np.concatenate([[0], np.cumsum([len(one) for one in data])]).astype(np.int64)
    nothing = np.array([value is None for value in values], bool)
    return arrow_texts.texts(np.frombuffer(b"".join(data) + b" ", np.uint8).copy(), bounds, nothing)


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=40), max_size=40))
def test_texts_are_what_was_written(values: list[str | None]) -> None:
    series = made(values)
    assert series.dtype == pl.String
    assert series.to_list() == values
    assert series.null_count() == values.count(None)
    assert (series + "x").to_list() == [None if value is None else value + "x" for value in values]


def test_memory_is_let_go_with_the_series() -> None:
    before = len(arrow_texts._lent)
    whole = made(["a long text, longer than twelve bytes", None, "b"] * 1000)
    part = whole.slice(1500, 3)
    del whole
    assert part.to_list() == ["a long text, longer than twelve bytes", None, "b"]
    del part
    assert len(arrow_texts._lent) == before
