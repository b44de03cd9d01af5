"""Rules and events that a machine makes up: the engine, with either pattern engine, and the reference agree."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import parse
from detections.sigma.map import Verbatim
from soc_core.events import EventBatch
from tests.detections.sigma import reference
from tests.detections.sigma.conftest import fired

FIELDS = ("A", "B", "C.d")
WORDS = st.text(alphabet="aAbB-/\\*?. %ßẞK\u212aé–中\n", max_size=6)
NUMBERS = st.one_of(st.integers(-3, 12), st.sampled_from([0.5, 4688, 1.0]))
VALUES = st.one_of(WORDS, NUMBERS, st.booleans())
TEXT_MODIFIERS = st.sampled_from(
    [
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|contains|all",
        "|cased",
        "|contains|cased",
        "|endswith|cased",
        "|windash",
        "|contains|windash",
        "|neq",
        "|contains|neq",
        "|startswith|all",
    ]
)
REGEXES = st.sampled_from(["^a", "b$", "a.b", "[ab]+-", "(a|B)?\\.", "a{2,3}", "\\\\", "^$", "[^a]", "a$|^-"])


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, Any]:
    field = draw(st.sampled_from(FIELDS))
    kind = draw(st.integers(0, 9))
    if kind < 5:
        modifier = draw(TEXT_MODIFIERS)
        values = draw(st.lists(WORDS if modifier else VALUES, min_size=1, max_size=3))
        return field + modifier, values if len(values) > 1 or draw(st.booleans()) else values[0]
    if kind == 5:
        return field + draw(st.sampled_from(["|re", "|re|i", "|re|m", "|re|s", "|re|i|m|s"])), draw(REGEXES)
    if kind == 6:
        return field + draw(st.sampled_from(["|lt", "|lte", "|gt", "|gte"])), draw(NUMBERS)
    if kind == 7:
        return field + "|exists", draw(st.booleans())
    if kind == 8:
        return field + draw(st.sampled_from(["|fieldref", "|fieldref|contains", "|fieldref|startswith"])), draw(
            st.sampled_from(FIELDS)
        )
    return field, None


MAPS = st.lists(entries(), min_size=1, max_size=3).map(dict)
KEYWORDS = st.lists(st.text(alphabet="aAbB-\\ *?", min_size=1, max_size=4), min_size=1, max_size=2)
SELECTIONS = st.one_of(MAPS, MAPS, st.lists(MAPS, min_size=1, max_size=2), KEYWORDS)
CONDITIONS = st.sampled_from(
    [
        "sel_a",
        "not sel_a",
        "sel_a and sel_b",
        "sel_a or sel_b",
        "sel_a and not sel_b",
        "not sel_a or sel_b and sel_c",
        "1 of sel_*",
        "all of sel_*",
        "1 of them",
        "all of them",
        "not 1 of sel_*",
        "(sel_a or sel_b) and not (sel_b and sel_c)",
        "not (not sel_a)",
        "sel_a or not all of sel_*",
    ]
)
CELLS = st.one_of(st.none(), WORDS, st.lists(WORDS, min_size=1, max_size=2), NUMBERS.map(reference.text_of))
EVENTS = st.fixed_dictionaries(dict.fromkeys(FIELDS, CELLS) | {"text": WORDS})


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    detection: dict[str, Any] = {name: draw(SELECTIONS) for name in ("sel_a", "sel_b", "sel_c")}
    return {
        "title": "made up",
        "id": "00000000-0000-4000-8000-000000000001",
        "status": "test",
        "logsource": {"product": "x"},
        "detection": detection | {"condition": draw(CONDITIONS)},
    }


def batch_of(made: list[dict[str, Any]]) -> EventBatch:
    """One part an event, so that columns may be texts here and lists there."""
    import polars as pl

    parts = []
    for event in made:
        columns = [
            pl.Series(name, [value], dtype=pl.List(pl.String) if isinstance(value, list) else pl.String)
            for name, value in event.items()
            if name != "text" and value is not None
        ]
        columns.append(pl.Series("event.original", [event["text"]], dtype=pl.String))
        columns.append(pl.Series("sigma.logsource", [["x//"]], dtype=pl.List(pl.String)))
        parts.append(EventBatch.of(pl.DataFrame(columns)))
    return EventBatch.concat(parts)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule=rules(), made=st.lists(EVENTS, min_size=1, max_size=4))
def test_equal_on_made_up_rules(rule: dict[str, Any], made: list[dict[str, Any]]) -> None:
    loaded = parse(yaml.safe_dump(rule, allow_unicode=True))
    if loaded.failed:  # what pySigma refuses (an empty keyword under a modifier …) is set aside, with a reason
        assert loaded.failed[0].reason
        return
    batch = batch_of(made)
    want = {}
    for number, event in enumerate(made):

        def lookup(field: str, event: dict[str, Any] = event) -> list[str] | None:
            value = event.get(field)
            return None if value is None else value if isinstance(value, list) else [value]

        if reference.fires(rule, lookup, [event["text"]] if event["text"] else []):
            want[number] = {rule["id"]}
    for engine in ("auto", "re2"):
        assert fired(SigmaDetector(loaded, Verbatim(), engine=engine), batch) == want  # type: ignore[arg-type]
