"""Rules over stored events give what the stream gave, whatever the order in which the events were stored."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

from detections.sigma.evaluate import SigmaDetector
from detections.sigma.hunt import Hunt
from detections.sigma.load import load_rules, parse
from detections.sigma.rule import RuleSet
from soc_cli import hunting, reading
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.models import Finding
from soc_core.protocols import Query
from soc_core.store.embedded import EmbeddedStore
from tests.corpora import corpus
from tests.detections.sigma.conftest import some

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
SOME = 600  # public rules


def pairs(found: list[Finding]) -> list[tuple[str, str]]:
    return sorted((finding.rule_id, finding.event_id) for finding in found)


def streamed(rules: RuleSet, batches: list[EventBatch]) -> list[tuple[str, str]]:
    detector = SigmaDetector(rules)
    found = [finding for batch in batches for finding in detector.detect(batch)]
    return pairs([*found, *detector.settle()])


def hunted(rules: RuleSet, batches: list[EventBatch], folder: Path) -> list[tuple[str, str]]:
    """Through a store that gets the events in another order, cut otherwise."""
    with EmbeddedStore(folder) as store:
        for batch in batches:
            store.write(batch)
        store.compact(clock.now())
        return pairs(list(hunting.findings(Hunt(rules), store, Query())))


def test_the_same_pairs_as_the_stream_on_recordings(public: RuleSet, tmp_path: Path) -> None:
    rnd = random.Random(f"{TODAY}/hunt")
    rules = load_rules(Settings().rules)
    rules.rules += rnd.sample([rule for rule in public.rules if rule.logsource.product in ("windows", "linux")], SOME)
    paths = [path for path in some(corpus("evtx-attack-samples"), "*.evtx.gz") if path.stat().st_size < 600_000]
    logs = some(corpus("beats-oss-modules") / "system" / "auth", "*.log*")
    picked = [*rnd.sample(paths, 12), *logs]
    batches = list(reading.read(picked))
    want = streamed(rules, batches)
    correlations = {correlation.id for correlation in rules.correlations}
    assert any(rule in correlations for rule, _ in want), "the sample must reach a correlation"
    rnd.shuffle(batches)
    assert hunted(rules, batches, tmp_path) == want, f"seed {TODAY}"


RULES = """title: failed
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: linux}
detection: {s: {event.outcome: failure}, condition: s}
---
title: many
id: 00000000-0000-4000-8000-000000000002
name: many
correlation:
    {type: event_count, rules: [failed], group-by: [source.ip], timespan: 2h, condition: {gte: 3}}
---
title: seldom
id: 00000000-0000-4000-8000-000000000003
correlation:
    {type: event_count, rules: [failed], group-by: [source.ip], timespan: 30m, condition: {lt: 2}}
---
title: twice many
id: 00000000-0000-4000-8000-000000000004
correlation:
    {type: event_count, rules: [many], group-by: [source.ip], timespan: 1d, condition: {gte: 2}, generate: true}
"""
START = 1_790_000_000_000_000
MINUTE = 60_000_000


def failures(minutes: list[int], address: str, source: str) -> list[dict[str, object]]:
    return [
        {"event.id": f"{source}{minute:031d}", "@timestamp": START + minute * MINUTE, "soc.source": source,
         "event.ingested": START + minute * MINUTE, "source.ip": address, "event.outcome": "failure",
         "sigma.logsource": ["linux//"], "soc.offset": minute, "soc.partition": 0, "soc.realm": "real"}
        for minute in minutes
    ]


def test_windows_longer_than_the_lateness_sources_that_fall_silent_and_any_order(tmp_path: Path) -> None:
    rows = failures([0, 80, 115, 121, 240], "192.0.2.1", "a") + failures(list(range(0, 300, 5)), "192.0.2.2", "b")
    rows.sort(key=lambda row: (row["@timestamp"], row["event.id"]))
    rules = parse(RULES)
    detector = SigmaDetector(rules)
    found = []
    for row in rows:
        found += detector.detect(EventBatch.from_dicts([row]))
        found += detector.tick(0)
    want = pairs([*found, *detector.settle()])
    mine = [(rule[-1], int(event[1:])) for rule, event in want if event[0] == "a"]
    assert mine == [("2", 115), ("2", 121), *(("3", minute) for minute in (0, 80, 115, 240)), ("4", 121)]
    random.Random(7).shuffle(rows)
    batches = [EventBatch.from_dicts(rows[start : start + 7]) for start in range(0, len(rows), 7)]
    assert pairs([f for each in Hunt(rules).run(batches) for f in each]) == want
    with EmbeddedStore(tmp_path) as store:
        for batch in batches:
            store.write(batch)
        assert store.search(Query(), EVERYTHING).total == len(rows)
        late = Query(since=START + 116 * MINUTE)
        held = [row["event.id"] for row in rows if row["@timestamp"] >= late.since]  # type: ignore[operator]
        assert pairs(list(hunting.findings(Hunt(rules), store, late))) == [each for each in want if each[1] in held]
