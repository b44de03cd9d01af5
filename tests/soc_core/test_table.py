"""Tables: a column is the same whichever way it is read, picked or spread, and made only when somebody reads it."""

from __future__ import annotations

import gc

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.formats._lazy import Derived, First, Json, Listed, Memo, Pool
from soc_core.coded import CodedColumn
from soc_core.events import EventBatch, Part
from soc_core.garbage import uncollected
from soc_core.lexicon import Lexicon
from soc_core.table import Alias, Column, Lazy, Single, Spread, Table

NAME = "process.executable"
VALUES = st.lists(st.one_of(st.none(), st.sampled_from(["a.exe", "B", ""]), st.integers(-3, 1 << 70), st.booleans()),
    min_size=1, max_size=12)


def written(value: object) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@given(VALUES, st.data())
def test_values_of_json_read_alike_as_texts_and_as_series(values: list[object], data: st.DataObject) -> None:
    want = [written(value) for value in values]
    rows = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), max_size=9)), dtype=np.int64)
    for made in (lambda: Json(NAME, values), lambda: Pool().column(NAME, values),
                 lambda: Alias(NAME, Json("winlog.event_data.Image", values))):
        assert list(made().texts) == want
        assert made().series.to_list() == want
        assert made().series.name == NAME
        assert list(made().pick(rows).texts) == [want[row] for row in rows]
        assert made().pick(rows).series.to_list() == [want[row] for row in rows]
        assert made().empty == (want.count(None) == len(want))
    upper = Derived(NAME, Json("x", values), str.upper)
    assert list(upper.texts) == upper.series.to_list() == [one and one.upper() for one in want]
    assert list(upper.pick(rows).texts) == [one and one.upper() for one in (want[row] for row in rows)]


def test_a_pool_makes_one_series_for_all_shapes() -> None:
    pool = Pool()
    first, second, other = pool.column(NAME, ["a", None]), pool.column(NAME, ["b"]), pool.column("process.pid", [7])
    assert (second.series.to_list(), first.series.to_list(), other.series.to_list()) == (["b"], ["a", None], [7])


def test_each_row_has_the_first_value_that_it_has() -> None:
    nothing, some, more = Json(NAME, [None, None]), Json(NAME, [None, "a"]), Json(NAME, ["b", "c"])
    for first, second, want in ((nothing, more, ["b", "c"]), (some, more, ["b", "a"]), (more, some, ["b", "c"]),
                                (some, nothing, [None, "a"])):
        assert First(NAME, first, second).series.to_list() == list(First(NAME, first, second).texts) == want
        assert First(NAME, first, second).at([1, 0]) == want[::-1]
        assert First(NAME, first, second).pick(np.array([1])).series.to_list() == want[1:]
        assert not First(NAME, first, second).empty
    assert First(NAME, nothing, nothing).empty
    lists = Json("dns.answers.data", [None, ["a"]]), Json("dns.answers.data", [["b"], ["c"]])
    assert First("dns.answers.data", *lists).series.to_list() == [["b"], ["a"]]


def test_codes_of_two_columns_are_of_one_lexicon_or_none_at_all() -> None:
    lexicon = Lexicon()
    some, more = (CodedColumn(NAME, lexicon, lexicon.codes(texts)) for texts in (["a", None], ["b", "c"]))
    coded = First(NAME, some, more).coded
    assert coded is not None
    assert lexicon.some(coded.codes.tolist()) == ["a", "c"]
    assert First(NAME, more, Json(NAME, ["x", "y"])).coded == more.coded
    assert First(NAME, some, CodedColumn(NAME, Lexicon(), np.zeros(2, np.int32))).coded is None


def test_a_text_is_read_once() -> None:
    asked: list[str] = []
    memo = Memo(lambda text: asked.append(text) or text.upper())  # type: ignore[func-returns-value]
    assert [memo[one] for one in ("a", None, "a", "b")] == ["A", None, "A", "B"]
    assert asked == ["a", "b"]


def test_nothing_is_made_before_it_is_read() -> None:
    def never() -> pl.Series:
        raise AssertionError("made without being asked for")

    table = Table(2, {NAME: Lazy(NAME, 2, never), "event.code": Single("event.code", 2, "1"),
        "message": Listed("message", 2, lambda: ["a", None]), "process.name": Column("process.name", 2,
            pl.Series("process.name", [None, None], dtype=pl.String))})
    batch = EventBatch(2, [Part(np.array([1, 0]), table)]).with_columns({
        "event.id": never, "soc.offset": pl.Series("soc.offset", [4, 5])})
    taken = batch.take(np.array([True, False]))
    assert taken.column("message").to_list() == [None]
    assert taken.column("soc.offset").to_list() == [4]
    assert taken.column("event.code").to_list() == ["1"]
    part = taken.parts[0].table
    assert part.held["event.code"].single == "1"
    assert part.select(["message", "event.code", "absent"]).columns == ["message", "event.code"]
    assert part.select(["event.code", "process.name"]).frame().columns == ["event.code"]
    with pytest.raises(AssertionError):
        part.frame()


def test_parts_of_a_batch_get_their_own_rows() -> None:
    tables = [Table.of(pl.DataFrame({"event.code": list(codes)})) for codes in ("ac", "b")]
    batch = EventBatch(3, [Part(np.array([0, 2]), tables[0]), Part(np.array([1]), tables[1])])
    made = batch.with_columns({"event.id": lambda: pl.Series(["0", "1", "2"]), "message": "m"})
    assert made.frame().sort("event.id").rows() == [("a", "0", "m"), ("b", "1", "m"), ("c", "2", "m")]
    assert batch.column("event.code").to_list() == ["a", "b", "c"]


def test_the_collector_is_held_back_only_meanwhile() -> None:
    assert gc.isenabled()
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_a_column_that_parts_cut_from_one_series_comes_back_whole(sizes: list[int], data: st.DataObject) -> None:
    """However the parts' rows lie, and whatever of them is taken."""
    height = sum(sizes)
    whole = pl.Series("soc.offset", list(range(100, 100 + height)), dtype=pl.Int64)
    spread, order = Spread(whole, None), np.array(data.draw(st.permutations(range(height))), dtype=np.int64)
    parts, at = [], 0
    for size in sizes:
        held = {"soc.offset": spread.cut("soc.offset", at, size), "event.code": Single("event.code", size, "1")}
        parts.append(Part(order[at : at + size], Table(size, held)))
        at += size
    batch = EventBatch(height, parts)
    want = np.empty(height, dtype=np.int64)
    want[order] = whole.to_numpy()
    assert batch.column("soc.offset").to_list() == want.tolist()
    assert batch.column("soc.offset").name == "soc.offset"
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=height, max_size=height)), dtype=bool)
    assert batch.take(mask).column("soc.offset").to_list() == want[mask].tolist()
    mixed = EventBatch.concat([batch, EventBatch.from_dicts([{"soc.offset": 7}, {"event.code": "2"}])])
    assert mixed.column("soc.offset").to_list() == [*want.tolist(), 7, None]
