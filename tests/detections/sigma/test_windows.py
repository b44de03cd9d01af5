"""Correlation windows: order of arrival, batches, restarts and thinning change nothing; checked by hand-made truth."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detections.sigma import windows
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import parse
from detections.sigma.windows import Mark, Series, Spec
from soc_core.clock import SECOND
from soc_core.events import EventBatch

SPAN = 10 * SECOND
SPECS = [
    Spec("event_count", SPAN, (("gte", 3),), 1),
    Spec("event_count", SPAN, (("gt", 1),), 1),
    Spec("value_count", SPAN, (("gte", 2),), 1),
    Spec("value_count", SPAN, (("gte", 3),), 1),
    Spec("temporal", SPAN, (("gte", 3),), 3),
    Spec("temporal_ordered", SPAN, (("gte", 2),), 2),
    Spec("temporal_ordered", SPAN, (("gte", 3),), 3),
    Spec("temporal_ordered", SPAN, (("gte", 2),), 3),
    Spec("value_sum", SPAN, (("gte", 6),), 1),
    Spec("temporal", SPAN, (), 3, None, ("or", (("and", (0, 1)), 2))),
    Spec("temporal_ordered", SPAN, (), 3, None, ("and", (("or", (0, 1)), 2))),
    Spec("temporal_ordered", SPAN, (), 3, None, ("or", (("and", (1, 0, 1)), ("and", (2, 0))))),
]
SEEN = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), min_size=1, max_size=40)


def marks(seen: list[tuple[int, int]], spec: Spec) -> list[Mark]:
    slots = spec.kind in ("temporal", "temporal_ordered")
    return [
        Mark(
            second * SECOND,
            f"{number:04d}",
            value % spec.slots if slots else 0,
            value % spec.slots if slots else value,
            "s",
            {},
        )
        for number, (second, value) in enumerate(seen)
    ]


def truth(all_marks: list[Mark], spec: Spec) -> set[str]:
    """The definition, over the whole sorted set at once."""
    ordered = sorted(all_marks, key=windows.order)
    out = set()
    for place, mark in enumerate(ordered):
        window = [other for other in ordered[: place + 1] if mark.at - other.at <= spec.span]
        slots = [other.slot for other in window]
        if spec.expression is not None:
            full = any(slots[-1] == run[-1] and contains(slots, run) for run in runs(spec.expression)) if (
                spec.kind == "temporal_ordered") else any(set(run) <= set(slots) for run in runs(spec.expression))
        elif spec.kind == "event_count":
            full = len(window) >= spec.need
        elif spec.kind == "value_sum":
            full = sum(other.value for other in window) >= spec.bounds[0][1]
        elif spec.kind == "temporal_ordered":
            ways = itertools.combinations(range(spec.slots), spec.need)
            full = any(way[-1] == slots[-1] and contains(slots, way) for way in ways)
        else:
            full = len({other.value for other in window}) >= spec.need
        if full:
            out.add(mark.id)
    return out


def contains(slots: list[int], run: Sequence[int]) -> bool:
    """Whether the rules appear in this order."""
    rest = iter(slots)
    return all(wanted in rest for wanted in run)


def runs(node: Any) -> list[tuple[int, ...]]:
    """Every sequence of rules that meets an expression without `not`."""
    if isinstance(node, int):
        return [(node,)]
    inner = [runs(each) for each in node[1]]
    if node[0] == "or":
        return [run for each in inner for run in each]
    return [tuple(itertools.chain.from_iterable(way)) for way in itertools.product(*inner)]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@settings(max_examples=60, deadline=None)
@given(seen=SEEN, seed=st.integers(0, 999))
def test_any_order_completes_the_same_events(spec: Spec, seen: list[tuple[int, int]], seed: int) -> None:
    expected = truth(marks(seen, spec), spec)
    for order in (None, random.Random(seed)):
        arriving = marks(seen, spec)
        if order:
            order.shuffle(arriving)
        series, done = Series(), []
        for mark in arriving:
            done += series.add(mark, spec)
            assert series.add(Mark(*mark.plain()), spec) == []  # met again, it changes nothing
        assert [mark.id for mark in done].count("") == 0
        assert len(done) == len({mark.id for mark in done})
        assert {mark.id for mark in done} == expected


@pytest.mark.parametrize(("kind", "values"), [("event_count", 1), ("value_count", 5000), ("value_count", 3)])
def test_a_flood_stays_small(kind: str, values: int) -> None:
    spec = Spec(kind, SPAN, (("gte", 10),), 1)
    series, done = Series(), 0
    for number in range(20_000):
        done += len(series.add(Mark(number * 1000, f"{number:06d}", 0, number % values, "s", {}), spec))
    assert len(series.marks) <= (3 * 2 * spec.need if kind == "event_count" else 3 * windows.CROWD)
    assert done == {1: 19_991, 5000: 19_991, 3: 0}[values]


def test_conditions_that_a_later_event_can_undo_wait_for_the_watermark() -> None:
    spec = Spec("event_count", SPAN, (("lt", 2),), 1)
    series = Series()
    for second in (0, 1, 30):
        assert series.add(Mark(second * SECOND, f"{second:02d}", 0, 0, "s", {}), spec) == []
    assert [mark.id for mark in series.settle({"s": 20 * SECOND}, spec)] == ["00"]
    assert [mark.id for mark in series.settle({"s": 60 * SECOND}, spec)] == ["30"]
    assert series.settle(None, spec) == []


@pytest.mark.parametrize(
    ("kind", "fires"), [("value_avg", {"03"}), ("value_median", {"03"}), ("value_percentile", {"03"})]
)
def test_measures(kind: str, fires: set[str]) -> None:
    spec = Spec(kind, SPAN, (("gt", 3),), 1, 50)
    series = Series()
    for number, value in enumerate((1.0, 2.0, 3.0, 20.0)):
        series.add(Mark(number * 6 * SECOND, f"{number:02d}", 0, value, "s", {}), spec)
    assert {mark.id for mark in series.settle(None, spec)} == fires


RULES = """title: failure
name: failure
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux}
detection: {selection: {event.outcome: failure}, condition: selection}
---
title: success
name: success
id: 00000000-0000-4000-8000-000000000002
logsource: {product: linux}
detection: {selection: {event.outcome: success}, condition: selection}
---
title: many
name: many
id: 00000000-0000-4000-8000-000000000003
correlation: {type: event_count, rules: [failure], group-by: [source.ip], timespan: 10s, condition: {gte: 3}}
---
title: then success
id: 00000000-0000-4000-8000-000000000004
correlation:
    type: temporal_ordered
    rules: [many, success]
    group-by: [who]
    aliases:
        who: {many: source.ip, success: destination.ip}
    timespan: 30s
---
title: users
id: 00000000-0000-4000-8000-000000000005
correlation:
    {type: value_count, rules: [failure], group-by: [source.ip], timespan: 10s, condition: {field: user.name, gte: 2}}
"""
ROWS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["failure", "failure", "success"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", None]),
        st.sampled_from(["a", "b"]),
    ),
    min_size=1,
    max_size=30,
)


def rows(seen: list[tuple[int, str, Any, str]]) -> list[dict[str, Any]]:
    import datetime

    start = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    return [
        {
            "@timestamp": start + datetime.timedelta(seconds=second),
            "event.outcome": outcome,
            "user.name": user,
            "event.id": f"{number:04d}",
            "source.ip": None if outcome == "success" else ip,
            "destination.ip": ip if outcome == "success" else None,
            "soc.offset": number,
            "soc.partition": 0,
            "soc.source": "s",
            "sigma.logsource": ["linux//"],
        }
        for number, (second, outcome, ip, user) in enumerate(seen)
    ]


@settings(max_examples=60, deadline=None)
@given(seen=ROWS, seed=st.integers(0, 999))
def test_cuts_crashes_and_order_change_nothing(seen: list[tuple[int, str, Any, str]], seed: int) -> None:
    rnd = random.Random(seed)
    loaded = parse(RULES)
    assert loaded.failed == []
    events = rows(seen)
    ordered = sorted(events, key=lambda row: (row["@timestamp"], row["event.id"]))
    whole = {(f.rule_id, f.event_id, f.group) for f in SigmaDetector(loaded).detect(EventBatch.from_dicts(ordered))}
    rnd.shuffle(events)
    detector, found = SigmaDetector(loaded), []
    while events:
        size = rnd.randint(1, 7)
        batch, events = events[:size], events[size:]
        found += detector.detect(EventBatch.from_dicts(batch)) + detector.tick(0)
        if rnd.random() < 0.5:
            state = detector.snapshot()
            detector = SigmaDetector(loaded)
            detector.restore(state)
            assert detector.snapshot() == state
    assert len(found) == len({(f.rule_id, f.event_id) for f in found})
    assert {(f.rule_id, f.event_id, f.group) for f in found} == whole


def test_a_finding_names_the_record_that_completed_it() -> None:
    events = rows(
        [(0, "failure", "192.0.2.1", "a"), (8, "failure", "192.0.2.1", "a"), (4, "failure", "192.0.2.1", "a")]
    )
    alone = "---\n".join(RULES.split("---\n")[0:3:2])
    findings = SigmaDetector(parse(alone)).detect(EventBatch.from_dicts(events))
    many = [finding for finding in findings if finding.title == "many"]
    assert [(finding.event_id, finding.offset) for finding in many] == [
        ("0001", 2)
    ]  # the late one completed the latest
    assert many[0].group == (("source.ip", "192.0.2.1"),)
    assert ("source.ip", "192.0.2.1") in many[0].entities
    assert "192.0.2.1" in many[0].explanation


def test_a_foreign_snapshot_is_refused() -> None:
    with pytest.raises(ValueError, match="snapshot"):
        SigmaDetector(parse(RULES)).restore(b"not json")


def test_eviction_is_by_watermark_and_forgets_silent_sources() -> None:
    detector = SigmaDetector(parse(RULES))
    early = rows([(0, "failure", "192.0.2.1", "a")])
    detector.detect(EventBatch.from_dicts(early))
    assert detector.correlator.count == 2
    late = rows([(0, "failure", "192.0.2.2", "a")])
    import datetime

    for row in late:
        row["@timestamp"] += datetime.timedelta(hours=3)
        row["event.ingested"] = row["@timestamp"]
    detector.detect(EventBatch.from_dicts(late))
    detector.tick(0)
    assert {key[2] for _, key in detector.correlator.series} == {"192.0.2.2"}
