"""Rules over stored events: the same hits as the stream gives, correlations included, in whatever order they lie.

Of stored events only the columns are read that the rules and their findings need. For few rules a sieve goes before:
it reads what the rules test, for all log sources at once, and only what passes is read and judged as in the stream.

Rules judge each batch as it comes. What feeds a correlation is kept, as few columns as possible, and fed to it in
event time at the end; so nothing is ever too late, and the stream gives the same for what came within its lateness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from detections.sigma import stack
from detections.sigma.columns import Rows
from detections.sigma.correlate import Correlator
from detections.sigma.evaluate import UNGATED, Match, SigmaDetector
from detections.sigma.map import Mapping
from detections.sigma.rule import RuleSet
from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.events import EventBatch, Part
from soc_core.models import Finding
from soc_core.protocols import EventStore, Ints, Query, Sieve

RULE, BARRED = "rule", "barred"  # columns that stand beside the event's own
FEW = 64  # rules for which a sieve pays
NOBODY: Ints = np.empty(0, np.int64)
STEP = 10_000  # events fed to the correlations at a time


class Hunt:
    """One pass of a rule set over a span of events. Use it once."""

    def __init__(self, rules: RuleSet, mapping: Mapping | None = None, cache: Path | None = None) -> None:
        self.detector = SigmaDetector(rules, mapping, cache=cache)
        self.rules = {rule.id: rule for rule in rules.rules}
        self.order = {rule: number for number, rule in enumerate(self.rules)}
        self.ids = list(self.rules)
        self.kept: list[pl.DataFrame] = []
        self.events = 0
        tested = {key for compiled in self.detector.program.rules for key in compiled.keys}
        self.tested = frozenset(column for key in tested for column in key.columns)
        self.routed = frozenset(self.detector.router.columns)
        self.open = self.detector.plan((UNGATED,)) if len(self.detector.program.rules) <= FEW else None

    @property
    def fields(self) -> frozenset[str]:
        """The columns to read of stored events."""
        return self.tested | self.routed | self.detector.maker.columns

    @property
    def sieves(self) -> list[Sieve]:
        """What tells early that an event cannot fire any rule; none where it would not pay."""
        if self.open is None:
            return []
        own = Sieve(self.tested, self._stirred)
        return [Sieve(self.routed, self._meant), own] if self.open.broad else [own]

    def _meant(self, batch: EventBatch) -> Ints:
        """Events of the rules' log sources: goes first where the rules themselves leave out few or cost much."""
        detector = self.detector
        groups = [group for part in batch.parts for group in detector.router.groups(part)]
        found = [group.part.rows for group in groups if detector.plan(group.tags)]
        self.events += batch.height
        return np.sort(np.concatenate(found)) if found else NOBODY

    def _stirred(self, batch: EventBatch) -> Ints:
        """Events that fire a rule, whatever log source it is for."""
        if self.open is None:
            return NOBODY
        if not self.open.broad:
            self.events += batch.height
        if self.detector.memory.full:
            self.detector.forget()
        units = [(self.open, Rows(part.frame, self.detector.books)) for part in batch.parts]
        fired = zip(batch.parts, stack.hits(units), strict=True)
        found = [part.rows[[row for row, _ in hits]] for part, hits in fired]
        return np.sort(np.concatenate(found)) if found else NOBODY

    @property
    def reach(self) -> Micros:
        """How long before an event a window that it completes may begin: scan from so much earlier."""
        correlator = self.detector.correlator
        return max((_reach(correlator, each) for each in correlator.correlations), default=0)

    def search(self, store: EventStore, query: Query, scope: Scope) -> Iterator[list[Finding]]:
        """Findings on the stored events of a query. A correlation also sees what lies before its span."""
        since = query.since
        early = query if since is None else query.model_copy(update={"since": max(0, since - self.reach)})
        sieves = self.sieves
        for batch, found in self._judged(store.scan(early, scope, self.fields, sieves), since):
            self.events += 0 if sieves else batch.height
            yield found
        yield from self._ended(since)

    def run(self, batches: Iterable[EventBatch], since: Micros | None = None) -> Iterator[list[Finding]]:
        """Findings on events from `since` on; those of correlations come last."""
        for batch, found in self._judged(batches, since):
            self.events += batch.height
            yield found
        yield from self._ended(since)

    def _judged(
        self, batches: Iterable[EventBatch], since: Micros | None
    ) -> Iterator[tuple[EventBatch, list[Finding]]]:
        for batch in batches:
            found = []
            feeding: dict[int, list[Match]] = {}
            for match in self.detector.matches(batch):
                if not match.rule.quiet and (since is None or match.event.at >= since):
                    found.append(self.detector.maker.finding(match.rule, match.event))
                if match.rule.id in self.detector.correlator.bases:
                    feeding.setdefault(id(match.part), []).append(match)
            self.kept += [self._keep(matches) for matches in feeding.values()]
            yield batch, found

    def _ended(self, since: Micros | None) -> Iterator[list[Finding]]:
        for found in self._correlated():
            yield [finding for finding in found if since is None or finding.at >= since]

    def _keep(self, matches: list[Match]) -> pl.DataFrame:
        """Of the events of one part, what correlations read."""
        frame = matches[0].part.frame
        names = [name for name in frame.columns if name in self.detector.maker.columns]
        return frame.select(names)[pl.Series([match.row for match in matches], dtype=pl.Int64)].with_columns(
            pl.Series(RULE, [self.order[match.rule.id] for match in matches], dtype=pl.Int32),
            pl.Series(BARRED, [",".join(sorted(match.barred)) for match in matches], dtype=pl.String),
        )

    def _correlated(self) -> Iterator[list[Finding]]:
        if not self.kept:
            return
        whole = pl.concat(self.kept, how="diagonal")
        self.kept = []
        times = [pl.col(name) for name in ("@timestamp", "event.ingested") if name in whole.columns]
        # Received as they happened: then the watermarks run with the events.
        whole = whole.with_columns(pl.coalesce(times).alias("event.ingested")).sort("event.ingested", "event.id")
        correlator = self.detector.correlator
        for start in range(0, whole.height, STEP):
            frame = whole.slice(start, STEP)
            part = Part(np.arange(frame.height, dtype=np.int64), frame)
            events = self.detector.maker.events(part, range(frame.height))
            found: list[Finding] = []
            for event, rule, barred in zip(events, frame[RULE], frame[BARRED], strict=True):
                found += correlator.match(self.ids[rule], event, frozenset(barred.split(",")))
            yield [*found, *correlator.tick(0)]
        yield correlator.settle()


def _reach(correlator: Correlator, name: str) -> Micros:
    """The span of a correlation, and of those that it correlates."""
    known = correlator.correlations.get(name)
    return known.span + max((_reach(correlator, base) for base in known.rules), default=0) if known else 0
