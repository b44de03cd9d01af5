"""The engine decides as the reference evaluator does: on real recordings, another sample each day."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from detections.sigma.compile import unfilled
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.map import Mapper
from detections.sigma.rule import RuleSet
from soc_cli import reading
from soc_core.documents import LOADER
from soc_core.events import EventBatch
from tests.corpora import corpus
from tests.detections.sigma import events, reference
from tests.detections.sigma.conftest import fired, some

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
OTHERS = 40  # rules that did not fire, judged beside those that did
MAPPER = Mapper()


@cache
def raw(path: str) -> dict[str, Any]:
    """The rule as it is written."""
    loaded: dict[str, Any] = yaml.load(Path(path).read_text(), Loader=LOADER)
    return loaded


def compare(batch: EventBatch, fast: SigmaDetector, public: RuleSet, rnd: random.Random, size: int) -> tuple[int, int]:
    """(pairs, positives) judged equal; fails on the first that is not."""
    found = fired(fast, batch)
    rows = events.rows(batch)
    picked = set(rnd.sample(sorted(found), min(len(found), size))) | set(
        rnd.sample(range(len(rows)), min(len(rows), size))
    )
    pairs = positives = 0
    for number in sorted(picked):
        row = rows[number]
        rules = [rule for rule in public.rules if events.gated(row, rule.logsource) and not unfilled(rule)]
        hit = found.get(number, set())
        assert hit <= {rule.id for rule in rules}
        chosen = [rule for rule in rules if rule.id in hit] + rnd.sample(rules, min(len(rules), OTHERS))
        for rule in chosen:
            want = reference.fires(raw(rule.head.path), events.lookup(row, MAPPER, rule.logsource), events.texts(row))
            assert want == (rule.id in hit), f"{rule.head.title} ({rule.id}) on event {number}, seed {TODAY}"
            pairs, positives = pairs + 1, positives + want
    return pairs, positives


@pytest.mark.parametrize(
    ("name", "pattern", "files", "size"),
    [
        ("evtx-attack-samples", "*.evtx.gz", 8, 4),
        ("otrf", "*.jsonl.gz", 1, 25),
    ],
)
def test_equal_on_recordings(
    name: str, pattern: str, files: int, size: int, fast: SigmaDetector, public: RuleSet
) -> None:
    rnd = random.Random(f"{TODAY}/{name}")
    paths = [path for path in some(corpus(name), pattern) if path.stat().st_size < 600_000]
    pairs = positives = 0
    for path in rnd.sample(paths, files):
        for batch in islice(reading.read([path]), 1):
            found = compare(batch, fast, public, rnd, size)
            pairs, positives = pairs + found[0], positives + found[1]
    assert pairs > 100
    assert positives > 0


def test_engines_agree(fast: SigmaDetector, public: RuleSet) -> None:
    """google-re2 fires the same rules on the same events as Hyperscan."""
    pytest.importorskip("hyperscan")
    rnd = random.Random(f"{TODAY}/engines")
    slow = SigmaDetector(public, engine="re2")
    total = 0
    for path in rnd.sample(some(corpus("evtx-attack-samples"), "*.evtx.gz"), 8):
        for batch in reading.read([path]):
            left, right = fired(fast, batch), fired(slow, batch)
            assert left == right, f"{path.name}, seed {TODAY}"
            total += len(left)
    assert total > 0


def test_order_batches_and_caches_change_nothing(fast: SigmaDetector, public: RuleSet) -> None:
    """Rows shuffled, batches cut, caches emptied at every batch: the same rules on the same events."""
    path = some(corpus("evtx-attack-samples") / "Execution", "*sysmon*.evtx.gz")[0]
    batch = EventBatch.concat(list(reading.read([path])))
    whole = fired(fast, batch)
    assert whole
    forgetful = SigmaDetector(public, cache=fast.program.folder, cache_bytes=0)
    frame = batch.frame()
    order = random.Random(7).sample(range(batch.height), batch.height)
    for start in range(0, min(len(order), 24), 3):
        rows = order[start : start + 3]
        part = EventBatch.of(frame[rows])
        assert fired(forgetful, part) == {n: whole[row] for n, row in enumerate(rows) if row in whole}
