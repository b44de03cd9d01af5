"""The bytes of a column read where they lie are those of its values."""

from __future__ import annotations

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


@settings(deadline=None)
@given(TEXTS, st.data())
def test_texts(values: list[str | None], data: st.DataObject) -> None:
    for series in cuts(pl.Series("a", values, dtype=pl.String), data):
        found = arrow.spans(series)
        if found is None:
            assert not len(series)
            continue
        spans = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
        read = [None if start < 0 else found.data[start:end].tobytes().decode() for start, end in spans]
        assert read == series.to_list()
        lexicon = Lexicon()
        codes = lexicon.encode(found.data, found.starts, found.ends)
        assert [lexicon.texts[code] for code in codes] == series.to_list()


@settings(deadline=None)
@given(NUMBERS, st.sampled_from([pl.Int64, pl.Int32, pl.UInt16, pl.Int8]), st.data())
def test_numbers(values: list[int | None], kind: type[pl.DataType], data: st.DataObject) -> None:
    for series in cuts(pl.Series("a", values).cast(kind, strict=False), data):
        found = arrow.spans(series)
        if found is None:
            assert not len(series)
            continue
        spans = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
        read = [None if start < 0 else
                int.from_bytes(found.data[start:end].tobytes(), "little", signed=kind is not pl.UInt16)
                for start, end in spans]
        assert read == series.to_list()


def test_others_have_none() -> None:
    assert arrow.spans(pl.Series([["a"]])) is None
    assert arrow.spans(pl.Series([1.5])) is None
    assert arrow.spans(pl.Series([True])) is None


def test_memory_is_given_back() -> None:
    """Many columns, each held for a moment: what they take does not grow."""
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def once() -> None:
        found = arrow.spans(pl.Series(["y" * 100_000] * 20 + [str(np.random.default_rng(1).random())]))
        assert found is not None

    for _ in range(20):
        once()
    before = peak()
    for _ in range(200):
        once()
    assert peak() - before < 100 << 10  # KiB, of some 400 MB made
