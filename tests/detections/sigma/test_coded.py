"""Batches by codes: the same rules fire on the same events however the columns are held, whatever is known before,
within a lexicon that is too small, and without kernels."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import numpy as np
import orjson
import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.formats._lazy import Derived, Json
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import parse
from detections.sigma.map import Mapper, Reader, Resolved, Source, Verbatim
from detections.sigma.rule import LogSource
from soc_core import native
from soc_core.coded import CodedColumn
from soc_core.events import EventBatch, Part
from soc_core.lexicon import Lexicon
from soc_core.table import Column, Lazy, Single, Strings, Table
from tests.detections.sigma.conftest import fired

NAMES = ("A", "B", "C")
TEXTS = ["a", "b", "A-b", "", "中文", "c:\\x.exe", "12", "mimi\u212aatz", "x" * 40, "y" * 40 + "b", "ab%20c"]
RULES = [
    {"A|contains": "b"}, {"A": None}, {"A|exists": True, "B|endswith": ".exe"}, {"A|fieldref": "B"}, {"Both": "a"},
    {"Both|contains": ["L=b", "y"]}, {"B|re": "^[a-c]+$"}, {"C|gte": 3}, {"C": [12, "a", True]}, {"C|exists": False},
    {"A|contains|all": ["a", "-"], "C|lt": 13}, ["mimikatz", "x.exe"], {"B|cased": "A-b"},
]


class Mapping:
    """Fields under their own names, and one that two columns fill, the second with a label."""

    def resolve(self, source: LogSource, field: str) -> Resolved:
        if field == "Both":
            return Resolved(Reader((Source("A"),), "", (("L", "B"),)), {})
        return Verbatim().resolve(source, field)


def rules() -> str:
    made = []
    for number, (selection, negated) in enumerate((rule, sign) for rule in RULES for sign in ("", "not ")):
        made.append(yaml.safe_dump({
            "title": f"made {number}", "id": f"00000000-0000-4000-8000-{number:012}", "status": "test",
            "logsource": {"product": "x"}, "detection": {"sel": selection, "condition": f"{negated}sel"}}))
    return "---\n".join(made)


LOADED = parse(rules())
DETECTORS = {"known": SigmaDetector(LOADED, Mapping()), "small": SigmaDetector(LOADED, Mapping(), cache_bytes=1500)}
CELLS = st.one_of(st.none(), st.sampled_from(TEXTS))
WAYS = st.lists(st.integers(0, 7), min_size=3, max_size=3)


def same(text: str) -> str:
    return text


class Lying(CodedColumn):
    """Codes of texts that lie in strings of JSON."""

    @property
    def written(self) -> Strings:
        bodies = [orjson.dumps(text or "")[1:-1] for text in self.texts]
        ends = np.cumsum([len(body) for body in bodies])
        starts = np.where([text is None for text in self.texts], -1, ends - [len(body) for body in bodies])
        return Strings(np.frombuffer(b"".join(bodies) or b"-", np.uint8), starts, ends)


def column(name: str, values: list[Any], way: int, lexicon: Lexicon) -> Column:
    """A column of texts in one of the ways in which there are some."""
    height = len(values)
    series = pl.Series(name, values, dtype=pl.String)
    codes = lexicon.codes(values)
    match way:
        case 0:
            return Column(name, height, series)
        case 1:
            return Lazy(name, height, lambda: series)
        case 2:
            return Json(name, values)
        case 3:
            return CodedColumn(name, lexicon, codes, values.__getitem__)
        case 4:
            return CodedColumn("other", lexicon, codes, values.__getitem__).named(name)
        case 5:
            return Derived(name, CodedColumn("other", lexicon, codes, values.__getitem__), same)
        case 7:
            return Lying(name, lexicon, codes, values.__getitem__)
    rows = np.arange(height)[::-1].copy()
    back = values[::-1]
    return CodedColumn(name, lexicon, lexicon.codes(back), back.__getitem__).pick(rows)


def batch(rows: list[tuple[Any, ...]], ways: list[int], lexicon: Lexicon, numbers: int) -> EventBatch:
    held: dict[str, Column] = {"sigma.logsource": Single("sigma.logsource", len(rows), ["x//"])}
    for place, (name, way) in enumerate(zip(NAMES, ways, strict=True)):
        values = [row[place] for row in rows]
        if name == "C" and numbers:
            made = pl.Series(name, [None if one is None else len(one) for one in values], dtype=pl.Int16)
            made = made > 3 if numbers > 1 else made
            held[name] = Column(name, len(rows), made)
        elif any(one is not None for one in values):
            held[name] = column(name, values, way, lexicon)
    held["event.original"] = column("event.original", [row[0] or "" for row in rows], ways[0] % 3, lexicon)
    return EventBatch(len(rows), [Part(np.arange(len(rows)), Table(len(rows), held))])


def slowly(made: EventBatch) -> dict[int, set[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.OFF, "0")
        return fired(SigmaDetector(LOADED, Mapping()), made)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8), WAYS, st.integers(0, 2)),
    min_size=1, max_size=3), st.sampled_from([20, 1 << 20]), st.sampled_from([800, 1 << 20]))
def test_equal_however_it_is_held(
    made: list[tuple[list[tuple[Any, ...]], list[int], int]], long: int, limit: int
) -> None:
    lexicon = Lexicon(long=long, limit=limit)
    plain = Lexicon()
    for rows, ways, numbers in made:
        want = slowly(batch(rows, [2, 2, 2], plain, numbers))
        for name, detector in DETECTORS.items():
            assert fired(detector, batch(rows, ways, lexicon, numbers)) == want, name
    DETECTORS["known"].forget()
    for rows, ways, numbers in made:
        want = slowly(batch(rows, [0, 0, 0], plain, numbers))
        assert fired(DETECTORS["known"], batch(rows, ways[::-1], lexicon, numbers)) == want


def test_many_of_a_kind_and_many_kinds() -> None:
    """Tables grow: thousands of values, and of signatures."""
    rows = [(f"a{number}", f"b{number % 7}.exe", str(number % 5)) for number in range(3000)]
    made = batch(rows, [0, 3, 1], Lexicon(), 0)
    assert fired(DETECTORS["known"], made) == slowly(batch(rows, [2, 2, 2], Lexicon(), 0))


def test_a_field_of_several_columns_of_the_public_mapping() -> None:
    """Hashes: one column as it was written, and others under labels."""
    mapper = Mapper()
    reader = mapper.resolve(LogSource("windows", "image_load", ""), "Hashes").reader
    assert reader.labelled
    loaded = parse(yaml.safe_dump({
        "title": "made", "id": "00000000-0000-4000-8000-000000000001", "status": "test",
        "logsource": {"product": "windows", "category": "image_load"},
        "detection": {"sel": {"Hashes|contains": ["MD5=AB", "SHA256=cd"]}, "condition": "sel"}}))
    name = next(name for label, name in reader.labelled if label == "MD5")
    detector = SigmaDetector(loaded, mapper)
    for _ in range(2):
        values = ["AB1", None, "B", "ab"]
        table = {name: CodedColumn(name, lexicon := Lexicon(), lexicon.codes(values)),
                 "winlog.event_data.Hashes": Json("winlog.event_data.Hashes", [None, "SHA256=CD", "SHA1=ab", None]),
                 "sigma.logsource": Single("sigma.logsource", 4, ["windows/image_load/"])}
        made = EventBatch(4, [Part(np.arange(4), Table(4, table))])
        assert sorted(fired(detector, made)) == [0, 1, 3]


def test_a_lexicon_that_was_let_go_is_not_kept_alive() -> None:
    detector = SigmaDetector(LOADED, Mapping())
    held = []
    for _ in range(4):
        lexicon = Lexicon()
        held.append(ref(lexicon))
        assert fired(detector, batch([("b", "b", "a")] * 3, [3, 3, 3], lexicon, 0))
        del lexicon
        gc.collect()
    assert [each() for each in held] == [None] * 4


def test_what_is_forgotten_is_given_back() -> None:
    """Every cache, not just the count of it; and the same rules fire on the same events after that."""
    detector = SigmaDetector(LOADED, Mapping())
    rows = [(f"a{number}", f"b{number % 7}.exe", str(number % 5)) for number in range(300)]

    def hits() -> dict[int, set[str]]:
        return fired(detector, batch(rows, [0, 0, 0], Lexicon(), 0))

    before = hits()
    book = ref(detector.books.lexicon)
    assert before
    assert detector.memory.used > 0
    assert any(len(field.sets) > 1 for field in detector.fields.values())
    detector.forget()
    gc.collect()
    assert book() is None
    assert detector.memory.used == 0
    assert all(len(field.sets) == len(field.numbers) == 1 for field in detector.fields.values())
    assert hits() == before
