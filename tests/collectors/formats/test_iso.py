"""Stamps read by position give what the expression gives, row by row."""

from __future__ import annotations

import random
from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.formats import _iso, _times

CLOCKS = ("00:00:00", "23:59:60", "24:00:00", "12:60:00", "08:24:37", "1a:00:00", "02:30:00")
DAYS = ("2026-11-23", "2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0000-01-01", "0001-01-01",
        "2026/11/23", "2026-13-01", "2026-00-10", "2026-01-32", "9999-12-31", "2026-03-29", "20261123 1", "2026-1/123")
FRACTIONS = ("", ".1", ".123456", ".123456789", ",250", ".", ".1234567890123")
ZONES = ("", "Z", "z", "UTC", " Z", "+0800", "+08:00", "-03", "+8", "+08:0", "x")


def at(texts: list[str | None], timezone: str) -> list[int | None]:
    """Microseconds of a column of stamps."""
    return _times.iso(pl.Series(texts, dtype=pl.String), timezone).to_physical().to_list()


def slow(texts: list[str], timezone: str) -> list[int | None]:
    """The same with a null below, which keeps the column from being read by position."""
    return at([*texts, None], timezone)[:-1]


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin"])
def test_every_form(timezone: str) -> None:
    forms = list(product(DAYS, "T ", CLOCKS, FRACTIONS, ZONES))
    texts = ["".join(form) for form in random.Random(7).sample(forms, 300)]
    assert [at([text], timezone)[0] for text in texts] == slow(texts, timezone)


def test_a_usual_column_is_read_by_position() -> None:
    found = _iso.uniform(pl.Series(["2026-11-23T01:00:00.5Z", "1969-12-31T23:59:59.9Z"]))
    assert found is not None
    assert (found[0].tolist(), found[1]) == ([1795395600500000, -100000], "Z")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(DAYS[:5]), st.sampled_from(CLOCKS), st.sampled_from(("+0800", "-0330"))),
    min_size=1, max_size=4))
def test_columns(rows: list[tuple[str, str, str]]) -> None:
    texts = [f"{day}T{clock}.250{zone}" for day, clock, zone in rows]
    assert at(list(texts), "UTC") == slow(texts, "UTC")
