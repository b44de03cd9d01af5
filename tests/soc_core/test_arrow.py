"""The bytes of a column read where they lie are those of its values."""

from __future__ import annotations

import gc

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soc_core import arrow, native
from soc_core.lexicon import Lexicon

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["", "x" * 12, "x" * 13, "中" * 4])))
NUMBERS = st.lists(st.one_of(st.none(), st.integers(-(1 << 31), (1 << 31) - 1)))


@pytest.fixture(autouse=True)
def _native() -> None:
    if native.kernels(arrow.KERNELS) is None:
        pytest.skip("no kernels here")


def cuts(made: pl.Series, data: st.DataObject) -> list[pl.Series]:
    """The column whole, a piece, in pieces, gathered."""
    at = data.draw(st.integers(0, len(made)))
    rows = data.draw(st.lists(st.integers(0, max(len(made) - 1, 0)), max_size=len(made)))
    return [made, made.slice(at), made.head(at), pl.concat([made.slice(at), made], rechunk=False), made.gather(rows)]


def read(columns: list[pl.Series]) -> list[tuple[int, bytes] | None]:
    """(kind, bytes) of every value."""
    found = arrow.spans(columns)
    assert found is not None
    spans, kinds = found
    told = zip(spans.starts.tolist(), spans.ends.tolist(), kinds.tolist(), strict=True)
    return [None if start < 0 else (kind, arrow.MEMORY[start:end].tobytes()) for start, end, kind in told]


@settings(deadline=None)
@given(TEXTS, st.data())
def test_texts(values: list[str | None], data: st.DataObject) -> None:
    for series in cuts(pl.Series("a", values, dtype=pl.String), data):
        assert [one and one[1].decode() for one in read([series])] == series.to_list()
        found, lexicon = arrow.spans([series]), Lexicon()
        assert found is not None
        spans = found[0]
        codes = lexicon.encode(arrow.MEMORY, spans.starts, spans.ends)
        assert [lexicon.texts[code] for code in codes] == series.to_list()


@settings(deadline=None)
@given(NUMBERS, st.lists(st.sampled_from([pl.Int64, pl.Int32, pl.UInt16, pl.Int8, pl.String]), min_size=1), st.data())
def test_columns_together(values: list[int | None], types: list[type[pl.DataType]], data: st.DataObject) -> None:
    columns = [data.draw(st.sampled_from(cuts(pl.Series("a", values).cast(kind, strict=False), data)[::3]))
               for kind in types]
    if len({len(column) for column in columns}) != 1:
        columns = columns[:1]
    told = {arrow.TEXT: bytes.decode, arrow.SIGNED: lambda data: str(int.from_bytes(data, "little", signed=True)),
            arrow.UNSIGNED: lambda data: str(int.from_bytes(data, "little"))}
    want = [text for column in columns for text in column.cast(pl.String).to_list()]
    assert [one and told[one[0]](one[1]) for one in read(columns)] == want


LISTS = st.one_of(st.none(), st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ab" * 9, "ab" * 8 + "b"])),
    max_size=2))


@settings(deadline=None)
@given(st.lists(LISTS, min_size=1, max_size=3), st.integers(1, 4), st.data())
def test_lists_that_are_all_the_same(some: list[list[str | None] | None], times: int, data: st.DataObject) -> None:
    for values in (some, some[:1] * times, [["a", "b"], ["ab"]], [["a"], ["b"]]):
        for series in cuts(pl.Series("a", values, dtype=pl.List(pl.String)), data)[:3]:
            held = series.to_list()
            same = all(one == held[0] for one in held) and None not in held and not any(None in one for one in held)
            assert arrow.uniform(series) == same
    assert not arrow.uniform(pl.Series([[1], [1]]))


@given(st.lists(st.binary(max_size=40)))
def test_lines(values: list[bytes]) -> None:
    spans = arrow.lines(values)
    places = zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
    assert [arrow.MEMORY[start:end].tobytes() for start, end in places] == values


def test_others_have_none() -> None:
    assert [arrow.known(kind) for kind in (pl.String(), pl.Int8(), pl.Float64(), pl.Boolean(), pl.List(pl.String))] == [
        True, True, False, False, False]


def test_memory_is_given_back() -> None:
    """Many columns, each held for a moment: what they take does not grow."""
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def once() -> None:
        assert arrow.spans([pl.Series(["y" * 100_000] * 20 + [str(np.random.default_rng(1).random())])])

    for _ in range(20):
        once()
    before = peak()
    for _ in range(200):
        once()
    assert peak() - before < 100 << 10  # KiB, of some 400 MB made


def test_columns_of_several_heights() -> None:
    found = arrow.spans([pl.Series(["a"]), pl.Series(["b", "c"]), pl.Series([], dtype=pl.String), pl.Series([7])])
    if found is None:
        pytest.skip("no kernels here")
    (starts, ends, _), kinds = found
    held = [arrow.MEMORY[start:end].tobytes() for start, end in zip(starts, ends, strict=True)]
    assert held == [b"a", b"b", b"c", (7).to_bytes(8, "little")]
    assert kinds.tolist() == [arrow.TEXT] * 3 + [arrow.SIGNED]


def test_lines_stay_though_their_list_is_emptied() -> None:
    values = [b"line %d" % number for number in range(1000)]
    spans = arrow.lines(values)
    values.clear()
    gc.collect()
    others = [b"xxxx %d" % number for number in range(1000)]
    assert arrow.MEMORY[spans.starts[7] : spans.ends[7]].tobytes() == b"line 7"
    assert len(others) == 1000
