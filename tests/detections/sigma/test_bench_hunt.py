"""bench/hunt.py in small: rules hunted one by one over its store find what the stream finds in the same events."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import hunt
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.rule import RuleSet
from detections.sigma.terms import leaves
from soc_core.access import EVERYTHING
from soc_core.protocols import Query
from soc_core.store.embedded import EmbeddedStore
from tests.corpora import corpus

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
EVENTS = 9_000


def test_rules_one_by_one_find_what_the_stream_finds(public: RuleSet, fast: SigmaDetector, tmp_path: Path) -> None:
    corpus("otrf")
    hunt.make(tmp_path, EVENTS, EVENTS // 2)
    with EmbeddedStore(tmp_path) as store:
        streamed = Counter(finding.rule_id for batch in store.scan(Query(), EVERYTHING)
                           for finding in fast.detect(batch))
    rnd = random.Random(f"{TODAY}/hunt")
    alone = replace(public, correlations=[])
    windows = [rule for rule in public.rules if rule.logsource.product == "windows" and not rule.quiet]
    searching = [rule for rule in windows if any(leaf.field is None for leaf in leaves(rule.tree))]
    anywhere = [c.rule for c in fast.program.rules if c.anchor is None and c.rule in windows]
    fired = [rule for rule in windows if rule.id in streamed]
    chosen = {rule.id: rule for some, most in ((fired, 10), (searching, 3), (anywhere, 3), (windows, 6))
              for rule in rnd.sample(some, min(len(some), most))}
    done = {each.rule.id: each for each in hunt.hunted(tmp_path, alone, list(chosen.values()))}
    assert {each.events for each in done.values()} == {EVENTS}
    assert {rule: each.found for rule, each in done.items()} == {rule: streamed[rule] for rule in chosen}, TODAY
    assert sum(each.found for each in done.values()) > 0
