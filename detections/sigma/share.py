"""The Sigma detector where several workers share the events: each judges its own, and sends what correlations need.

A base match travels as plain data to whoever keeps the windows of its key, for each correlation by itself; so a
correlation sees the same matches whichever workers found them. Correlations of correlations are kept in one place,
by key where all group by the same fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sys import intern
from typing import Any

import orjson
import polars as pl

from detections.sigma.correlate import AT, INGESTED, SOURCE, Correlator, Watch
from detections.sigma.evaluate import Match, SigmaDetector
from detections.sigma.map import Mapping
from detections.sigma.rule import RuleSet
from detections.sigma.shelves import PIECES, home
from detections.sigma.windows import Mark
from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.models import Finding
from soc_core.sharing import EVERYONE, Keeper, Partial

PLACE = (0, 0)  # whoever calls the keeper knows which record it was
NARROW = 2  # of a key: realm and collector zone, of which there are few


class SharingSigma(SigmaDetector):
    """protocols.Sharing over a rule set."""

    def __init__(self, rules: RuleSet, mapping: Mapping | None = None, **options: Any) -> None:
        super().__init__(rules, mapping, **options)
        self.rules = rules

    def sift(self, batch: EventBatch) -> tuple[list[Finding], list[Partial]]:
        """Findings of plain rules in the order of the rows, and the base matches of correlations."""
        found: list[tuple[int, Finding]] = []
        partials: list[Partial] = []
        for match in self.matches(batch):
            if not match.rule.quiet:
                found.append((match.place, self.maker.finding(match.rule, match.event)))
            if match.rule.id in self.correlator.bases:
                partials += self._partials(match)
        if self.correlator.waiting:
            partials += _times(batch)
        return [finding for _, finding in sorted(found, key=lambda pair: pair[0])], partials

    def _partials(self, match: Match) -> Iterator[Partial]:
        rule, event, correlator = match.rule, match.event, self.correlator
        facts = event.at, event.text("event.id"), event.text(SOURCE), int(event.facts.get(INGESTED) or 0)
        info = ""  # as text: few marks ever tell it, and a text is kept, sent and saved at a fraction of the price
        for watch in correlator.bases[rule.id]:
            name = watch.correlation.id
            if name in match.barred:
                continue
            feed = correlator._feed(watch, rule.id, rule, event)
            if feed is None:
                continue
            info = info or orjson.dumps(correlator._info(rule, event)).decode()
            key = home(correlator.families[name], feed[0])
            yield Partial(key, f"{name}/{watch.slot}/{facts[1]}", [name, watch.slot, feed[0], feed[1], facts, info])

    def passed_over(self) -> dict[str, int]:
        """Exceptions and how often they held since this was asked last."""
        found = dict(self.suppressed)
        self.suppressed.clear()
        return found

    def keeper(self) -> Keeper:
        """An empty memory for some of the keys."""
        return Windows(Correlator(self.rules, self.mapping))


def _times(batch: EventBatch) -> Iterator[Partial]:
    """How far each source has come: conditions that wait go by it, wherever they are kept."""
    for part in batch.parts:
        known = [name for name in (AT, INGESTED, SOURCE) if name in part.table]
        if AT not in known:
            continue
        frame = pl.DataFrame([part.table[name] for name in known]).select(
            pl.col(name) if name == SOURCE else pl.col(name).cast(pl.Int64) for name in known)
        named = frame if SOURCE in known else frame.with_columns(pl.lit("").alias(SOURCE))
        for row in named.group_by(SOURCE).max().iter_rows(named=True):
            facts = (row[AT] or 0, "", row[SOURCE] or "", row.get(INGESTED) or 0)
            yield Partial(EVERYONE, "", ["", 0, (), None, facts, None])


class Windows:
    """protocols.Keeper of a share of the correlations' keys."""

    def __init__(self, correlator: Correlator) -> None:
        self.correlator = correlator
        self.watches = {
            (watch.correlation.id, watch.slot): watch for watches in correlator.bases.values() for watch in watches
        }

    def take(self, bodies: Sequence[Any]) -> list[Finding]:
        """Base matches in; the findings of every window that they complete."""
        out: list[Finding] = []
        for name, slot, key, value, (at, event, source, ingested), info in bodies:
            self.correlator._passed(source, at, ingested)
            watch = self.watches.get((name, slot))
            if watch is not None:
                place = tuple(map(intern, key[:NARROW])) + tuple(key[NARROW:])
                out += self._add(watch, place, Mark(at, event, slot, value, intern(source), info))
        return out

    def _add(self, watch: Watch, key: tuple[str, ...], mark: Mark) -> list[Finding]:
        if mark.at < self.correlator._horizon(mark.source) - watch.spec.span:
            self.correlator.late += 1
            return []
        return self.correlator._add(watch, key, mark, PLACE)

    def tick(self, now: Micros, complete: Micros) -> list[Finding]:
        self.correlator.complete = complete
        return self.correlator.tick(now)

    @property
    def pieces(self) -> int:
        return PIECES

    def piece(self, number: int) -> bytes:
        return self.correlator.series.dump(number)

    def put(self, number: int, state: bytes) -> None:
        self.correlator.series.load(number, state)

    def snapshot(self) -> bytes:
        return orjson.dumps(self.correlator.head())

    def restore(self, state: bytes) -> None:
        """Take up a snapshot (one of before holds the windows too); b"" is a fresh start.

        Raises ValueError on one that is not ours.
        """
        try:
            self.correlator.take(orjson.loads(state) if state else {})
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a snapshot of correlations: {error}") from None
