"""The spotter: which rows may hold a literal, read from bytes, from texts or from a Series alike."""

from __future__ import annotations

import polars as pl
import pytest

from detections.sigma import multi
from soc_core.table import Column, Single, Spread
from soc_core.text import decode_all
from soc_core.written import Written

NAME = "event.original"
TEXTS = [*["nothing here"] * 60, "run MimiKatz.exe", "", "\u5bc6\u7801 mimi\u212aatz", "mimi", "katz"]
HELD = [60, 62]


def column(lines: list[bytes]) -> Column:
    made = Written(lines, lambda: pl.Series(NAME, decode_all(lines), dtype=pl.String))
    return Spread(made, None).cut(NAME, 0, len(lines))


@pytest.mark.parametrize("held", [
    pytest.param(column([text.encode() for text in TEXTS]), id="bytes"),
    pytest.param(Column(NAME, len(TEXTS), pl.Series(NAME, TEXTS)), id="series"),
])
def test_rows_that_hold_a_literal_are_spotted(held: Column) -> None:
    found = set(multi.spotter(["mimikatz"], "auto", None).rows(held))
    assert found >= set(HELD)
    if multi.available("auto"):
        assert found == set(HELD)


def test_bytes_of_another_encoding_are_read_as_their_texts() -> None:
    lines = ["\u5bc6\u7801 mimikatz \u7801".encode("gb18030"), "mimi\u212aatz".encode("gb18030"), b"\xff\xfe none"]
    held = column(lines)
    assert set(multi.spotter(["mimikatz"], "auto", None).rows(held)) >= {0, 1}
    assert held.at([1, 0]) == [held.texts[1], held.texts[0]]


def test_texts_that_are_no_series_are_spotted_without_making_one() -> None:
    held = Single(NAME, 3, "MIMIKATZ \u017f")
    assert set(multi.spotter(["mimikatz"], "auto", None).rows(held)) == {0, 1, 2}
    if multi.available("auto"):
        assert not held.made


@pytest.mark.parametrize("engine", ["auto", "re2"])
def test_a_literal_does_not_end_at_a_nul(engine: multi.EngineName) -> None:
    """`wide` and rules of binary data have such."""
    found = multi.literals(["p\0i\0", "\0", "xy"], engine, None)
    texts = [b"p", b"xp\0i\0", b"p\0", b"xy\0"]
    assert [sorted(found.scan(text)) for text in texts] == [[], [0, 1], [1], [1, 2]]
    odd = multi.expressions([multi.Expression("a\0b", ""), multi.Expression("[\0-\x02]$", "")], engine, None)
    assert [sorted(odd.scan(text)) for text in (b"a", b"a\0b", b"-\0")] == [[], [0], [1]]
