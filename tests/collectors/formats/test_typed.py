r"""Columns in another type, and `left\\right`: their codes say what their Series does, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.formats import _tokens, windows_event
from collectors.formats._typed import Joined, Typed, of
from soc_core.coded import CodedColumn
from soc_core.lexicon import Lexicon
from soc_core.native import kernels
from soc_core.table import Column, Table
from tests.collectors.formats.fixtures import CONTEXT

TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=9)
NUMBERS = st.integers(-(1 << 70), 1 << 70).map(str) | st.integers(0, 1 << 70).map(hex) | st.sampled_from(
    ["007", "-0", "0", "+5", " 5", "5 ", "1_000", "1.0", "1e3", "0x", "0X1F", "\u0663", "", "-", "80\n"])
TRUTHS = st.sampled_from(["true", "TRUE", "False", "1", "0", "yes", "", "tru\u212a", "2"])


def column(name: str, texts: Sequence[str | None], lexicon: Lexicon) -> Column:
    return CodedColumn(name, lexicon, lexicon.codes(texts), texts.__getitem__)


def told(made: Column) -> list[str | None]:
    held = made.coded
    assert held is not None
    return held.lexicon.some(held.codes.tolist())


@pytest.mark.parametrize(("name", "values"), [("source.port", NUMBERS), ("dll.code_signature.exists", TRUTHS)])
@settings(deadline=None)
@given(st.data())
def test_what_has_a_type_is_told_as_it_is_read(name: str, values: st.SearchStrategy[str], data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.none() | values | TEXTS, min_size=1, max_size=9))
    made = of(name, column("winlog.event_data.A", texts, Lexicon()))
    assert isinstance(made, Typed)
    wanted = made.series.cast(pl.String).to_list()
    assert told(made) == wanted
    places = np.flatnonzero(np.arange(len(texts)) % 2 == 0)
    picked = made.pick(places)
    assert told(picked) == [wanted[place] for place in places] == picked.series.cast(pl.String).to_list()


def test_a_type_without_texts_has_no_codes() -> None:
    made = of("event.start", column("winlog.event_data.A", ["2026-11-23T00:00:00Z"], Lexicon()))
    assert made.coded is None
    assert made.through(str.lower) is None


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=9))
def test_two_are_joined_where_both_are(pairs: list[tuple[str | None, str | None]]) -> None:
    lexicon = Lexicon()
    left, right = (column(name, [pair[side] for pair in pairs], lexicon) for side, name in enumerate("ab"))
    wanted = [None if one is None or two is None else f"{one}\\{two}" for one, two in pairs]
    made = Joined("winlog.event_data.User", left, right)
    assert told(made) == wanted
    assert made.at(range(len(pairs))) == wanted == made.texts
    assert made.series.to_list() == wanted
    assert made.series.name == "winlog.event_data.User"
    assert told(made.pick(np.array([0]))) == wanted[:1]


def test_what_is_too_long_for_a_code_has_none_joined() -> None:
    lexicon = Lexicon(long=4)
    long, short = column("a", ["abcdef", "a"], lexicon), column("b", ["b", "c"], lexicon)
    assert Joined("c", long, short).coded is None
    assert Joined("c", short, column("b", ["b", "c"], Lexicon())).coded is None
    assert Joined("c", long, short).texts == ["abcdef\\b", "a\\c"]


@pytest.mark.skipif(kernels(_tokens.TREE) is None, reason="no kernels here (numba, SOC_NATIVE)")
def test_scanned_lines_have_them_by_codes() -> None:
    ports = ["443", 80, "0x1bb", "x", None, "", "65536 "]
    lines = [orjson.dumps({"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 3, "SourcePort": ports[n % 7],
        "DestinationPort": n}) for n in range(2000)]
    lines += [orjson.dumps({"Channel": "Security", "EventID": 4688, "SubjectUserName": f"u{n % 9}",
        "SubjectDomainName": "D"}) for n in range(900)]
    held: list[Table] = [part.table for part in windows_event.parse(lines, CONTEXT).batch.parts]
    checked = 0
    for table in held:
        for name in ("source.port", "destination.port", "winlog.event_data.User"):
            if name in table:
                assert told(table.held[name]) == table[name].cast(pl.String).to_list()
                checked += table.height
    assert checked == 2 * 2000 + 900
