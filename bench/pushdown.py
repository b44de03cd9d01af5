"""Rules pushed down: the same (rule, event) pairs from Elasticsearch as from the stream, on public recordings.

Every convertible public rule is put as a query (detections/sigma/push.py) to a node that holds the recordings; the
node is the one of the tests (tests/servers/elastic.py) or the one that SOC_TEST_ELASTIC names. A share of the
recordings is drawn by seed: SOC_PUSHDOWN_EVENTS (default 20,000) events at least, SOC_PUSHDOWN_SEED (default: the
date). Rules that fire are asked first, then others as the seed has them, for SOC_BENCH_SECONDS (default: all).
Alone: `python -m bench.pushdown [--events N] [--seed TEXT] [--all] [--seconds N]`.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bench.equal import CORPORA, RECORDINGS, batches, figure
from detections.sigma import cache
from detections.sigma.compile import unfilled
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from detections.sigma.push import Pushed, Pusher, query
from detections.sigma.rule import Rule, RuleSet
from soc_core.access import EVERYTHING
from soc_core.events import EventBatch
from soc_core.protocols import Query, QueryError
from soc_core.store.elastic import ElasticSettings, ElasticStore, open_store
from tests.servers.elastic import running

SMALL = 8_000_000  # bytes of a recording that a drawn share may hold
SHOWN = 40
STEP = 20  # rules in one question
Pairs = dict[str, set[str]]  # rule → events


class Outcome(NamedTuple):
    """What comparing gave; `refused` are rules whose query the server would not take, with its reason."""

    events: int
    rules: int
    pairs: int
    only_stream: Pairs
    only_pushed: Pairs
    refused: dict[str, str]
    seconds: float

    @property
    def differ(self) -> int:
        return sum(map(len, [*self.only_stream.values(), *self.only_pushed.values()]))


def streamed(detector: SigmaDetector, given: Iterable[EventBatch]) -> Pairs:
    """What the stream finds."""
    found: Pairs = defaultdict(set)
    for batch in given:
        for match in detector.matches(batch):
            found[match.rule.id].add(match.event.text("event.id"))
    return found


def compare(store: ElasticStore, detector: SigmaDetector, pushed: Sequence[Pushed], given: Iterable[EventBatch],
            limit: float = float("inf"), seed: str = "") -> Outcome:
    """Store the batches; then each rule's pairs from the store beside the stream's, for so many seconds."""
    wanted: Pairs = defaultdict(set)
    held = 0
    for batch in given:
        result = store.write(batch)
        held += len(result.stored) + len(result.duplicate)
        for rule, events in streamed(detector, [batch]).items():
            wanted[rule] |= events
    began = time.perf_counter()
    found: Pairs = defaultdict(set)
    refused: dict[str, str] = {}
    gates = {each.gate: {"gate": query(each.gate)} for each in pushed}
    idle = {gate for gate, asked in gates.items() if next(store.matching(asked, Query(), EVERYTHING), None) is None}
    live = [each for each in pushed if each.gate not in idle]  # of the others no event can be found
    random.Random(seed).shuffle(live)
    live.sort(key=lambda each: each.rule.id not in wanted)
    asked = {each.rule.id for each in pushed if each.gate in idle}
    for at in range(0, len(live), STEP):
        if time.perf_counter() - began > limit:
            break
        ask(store, live[at : at + STEP], found, refused)
        asked |= {each.rule.id for each in live[at : at + STEP]}
    both = {rule: (wanted.get(rule, set()), found.get(rule, set())) for rule in asked - refused.keys()}
    pairs = sum(len(mine & got) for mine, got in both.values())
    left = {rule: mine - got for rule, (mine, got) in both.items() if mine - got}
    right = {rule: got - mine for rule, (mine, got) in both.items() if got - mine}
    return Outcome(held, len(both), pairs, left, right, refused, time.perf_counter() - began)


def ask(store: ElasticStore, some: Sequence[Pushed], found: Pairs, refused: dict[str, str]) -> None:
    """Put some rules in one question; one by one where the server does not take them together."""
    try:
        for rule, event in store.matching({each.rule.id: each.query for each in some}, Query(), EVERYTHING):
            found[rule].add(event)
    except (QueryError, OSError) as error:
        if len(some) == 1:
            refused[some[0].rule.id] = str(error)
            return
        for half in (some[: len(some) // 2], some[len(some) // 2 :]):
            ask(store, half, found, refused)


def drawn(events: int, seed: str) -> Iterator[tuple[str, Path]]:
    """(corpus, recording) in an order that the seed gives, corpus by corpus in turn."""
    rnd = random.Random(seed)
    queues = []
    for name, patterns in RECORDINGS.items():
        paths = sorted({path for pattern in patterns for path in (CORPORA / name).rglob(pattern)})
        small = [path for path in paths if path.stat().st_size <= (SMALL if events else 1 << 40)]
        rnd.shuffle(small)
        queues.append([(name, path) for path in small])
    while any(queues):
        for queue in queues:
            if queue:
                yield queue.pop()


def share(events: int, seed: str, work: Path) -> Iterator[EventBatch]:
    """Events of the drawn recordings, no fewer than `events` (0: all there are)."""
    held = 0
    for name, path in drawn(events, seed):
        for batch in batches(name, path, work):
            held += batch.height
            yield batch
        if events and held >= events:
            return


def run(events: int, seed: str, work: Path, rules: RuleSet, limit: float = float("inf")
        ) -> tuple[Outcome, list[tuple[Rule, str]]]:
    """The whole comparison, on a node of this run."""
    work.mkdir(parents=True, exist_ok=True)
    live = [rule for rule in rules.rules if not unfilled(rule)]
    pushed, left = Pusher().split(live)
    detector = SigmaDetector(rules, cache=cache.default())
    with running() as url, open_store(ElasticSettings(urls=[url], replicas="0"), f"push.{os.getpid()}") as store:
        return compare(store, detector, pushed, share(events, seed, work), limit, seed), left


def tell(found: Outcome, left: list[tuple[Rule, str]], rules: RuleSet) -> None:
    """Reasons and differences, for people."""
    for reason, count in Counter(reason for _, reason in left).most_common():
        print(f"not pushed down, {count} rules: {reason}")
    for rule, reason in found.refused.items():
        print(f"refused: {rules.head(rule).title} ({rule}): {reason[:200]}")
    for what, pairs in (("the stream alone", found.only_stream), ("the query alone", found.only_pushed)):
        for rule, ids in list(pairs.items())[:SHOWN]:
            print(f"{what}: {rules.head(rule).title} ({rule}): {len(ids)} events, {sorted(ids)[:3]}")


def public() -> RuleSet:
    """All public rules."""
    folders = [path for path in sorted((CORPORA / "sigma-rules").iterdir()) if path.is_dir()]
    return load_rules(folders, cache=cache.default())


def figures() -> list[dict[str, Any]]:
    """Pairs of the stream and of the queries side by side."""
    if not (CORPORA / "sigma-rules").exists():
        return []
    rules = public()
    work = Path(os.environ.get("SOC_BENCH_DIR") or cache.default().parent / "bench")
    seed = os.environ.get("SOC_PUSHDOWN_SEED") or datetime.now(UTC).strftime("%Y-%m-%d")
    limit = float(os.environ.get("SOC_BENCH_SECONDS", "inf"))
    found, left = run(int(os.environ.get("SOC_PUSHDOWN_EVENTS", "20000")), seed, work, rules, limit)
    tell(found, left, rules)
    return [
        figure("push-down: rules asked of the node", found.rules, "rules"),
        figure("push-down: rules that cannot be", len(left) + len(found.refused), "rules"),
        figure("push-down: events stored", found.events, "events"),
        figure("push-down: pairs found by both", found.pairs, "pairs"),
        figure("push-down: pairs that differ", found.differ, "pairs", 0, found.differ == 0),
        figure("push-down: rules a second", round(found.rules / max(found.seconds, 0.001), 1), "rules/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", default=datetime.now(UTC).strftime("%Y-%m-%d"))
    given = parser.parse_args()
    rules = public()
    found, left = run(0 if given.all else given.events, given.seed, cache.default().parent / "bench", rules,
                      given.seconds)
    tell(found, left, rules)
    print(orjson.dumps({"events": found.events, "rules": found.rules, "pairs": found.pairs, "differ": found.differ,
                        "refused": len(found.refused), "left": len(left), "seconds": round(found.seconds, 1)}).decode())


if __name__ == "__main__":
    main()
