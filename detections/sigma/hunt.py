"""Rules over stored events: the same hits as the stream gives, correlations included, in whatever order they lie.

Rules judge each batch as it comes. What feeds a correlation is kept, as few columns as possible, and fed to it in
event time at the end; so nothing is ever too late, and the stream gives the same for what came within its lateness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from detections.sigma.correlate import Correlator
from detections.sigma.evaluate import Match, SigmaDetector
from detections.sigma.map import Mapping
from detections.sigma.rule import RuleSet
from soc_core.clock import Micros
from soc_core.events import EventBatch, Part
from soc_core.models import Finding

RULE, BARRED = "rule", "barred"  # columns that stand beside the event's own
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

    @property
    def reach(self) -> Micros:
        """How long before an event a window that it completes may begin: scan from so much earlier."""
        correlator = self.detector.correlator
        return max((_reach(correlator, each) for each in correlator.correlations), default=0)

    def run(self, batches: Iterable[EventBatch], since: Micros | None = None) -> Iterator[list[Finding]]:
        """Findings on events from `since` on; those of correlations come last."""
        for batch in batches:
            self.events += batch.height
            found = []
            feeding: dict[int, list[Match]] = {}
            for match in self.detector.matches(batch):
                if not match.rule.quiet and (since is None or match.event.at >= since):
                    found.append(self.detector.maker.finding(match.rule, match.event))
                if match.rule.id in self.detector.correlator.bases:
                    feeding.setdefault(id(match.part), []).append(match)
            self.kept += [self._keep(matches) for matches in feeding.values()]
            yield found
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
