"""Correlations over base matches: event_count, value_count, temporal, temporal_ordered, value_sum, value_avg,
value_percentile, value_median; chained, with aliases (Sigma Correlation Rules Specification 2.1).

Windows are by event time and by key: the group-by fields, and always realm and collector zone (private addresses
overlap between agencies). A match without one of the group-by fields belongs to no key.

State is a function of the records seen. A record is in time while it lies at most LATENESS behind the latest event of
its source. Until every source that keeps up (at most HOLD behind the time of receipt) has come that far beyond a
window, and so has what is known to wait elsewhere (`complete`), nothing of it is evicted, and a condition that a later
record can undo is not judged. So records in time give the same findings in any order, however they are cut into
batches; later ones may come too late, and are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson
import polars as pl

from detections.sigma import bounds
from detections.sigma.agenda import Horizons
from detections.sigma.finding import OWNER, Event, Hits, make_known, title
from detections.sigma.judge import Value, number
from detections.sigma.map import Mapping, Reader
from detections.sigma.rule import Correlation, Rule, RuleSet, read_as
from detections.sigma.shelves import PIECES, Shelves, families
from detections.sigma.windows import Mark, Spec
from soc_core.clock import DAY, HOUR, LATEST, MINUTE, SECOND, Micros
from soc_core.events import EventBatch
from soc_core.models import REAL, Finding

LATENESS = HOUR
HOLD = 6 * HOUR  # a source further behind (old recordings, a wrong clock) keeps its own time and delays no other
AHEAD = 5 * MINUTE
SWEEP_EVERY = SECOND
AT_ONCE = 20_000  # keys that a step may look at, about
MOST_MARKS = 1_000_000
AT, INGESTED, SOURCE = "@timestamp", "event.ingested", "soc.source"
NO_PLACE = (-1, 0)  # of findings that no record brings about, but time: they count once by event id
Key = tuple[str, ...]


class Watch(NamedTuple):
    """A correlation that a rule feeds, and the rule's place in it."""

    correlation: Correlation
    spec: Spec
    slot: int
    name: str  # the correlation's id


class Correlator:
    """All correlations of a rule set, and the windows they have open."""

    def __init__(self, rules: RuleSet, mapping: Mapping) -> None:
        self.mapping = mapping
        self.rules = {rule.id: rule for rule in rules.rules}
        self.correlations = {correlation.id: correlation for correlation in rules.correlations}
        self.specs = {c.id: _spec(c) for c in rules.correlations}
        self.spans = {name: spec.span for name, spec in self.specs.items()}
        self.bases: dict[str, list[Watch]] = {}
        for c in rules.correlations:
            for slot, base in enumerate(c.rules):
                self.bases.setdefault(base, []).append(Watch(c, self.specs[c.id], slot, c.id))
        shown = {base for c in rules.correlations if c.generate for base in c.rules}
        inner = {base for c in rules.correlations if not c.generate for base in c.rules}
        self.quiet = (inner - shown) & set(self.correlations)
        self.chained = any(base in self.correlations for c in rules.correlations for base in c.rules)
        self.families = families(rules.correlations)
        self.waiting = [name for name in _inner_first(self.correlations) if self.specs[name].waits]
        self.timed = set(self.waiting)  # and what correlates these: when they fill depends on when they were judged
        for name in _inner_first(self.correlations):
            if self.timed.intersection(self.correlations[name].rules):
                self.timed.add(name)
        self.readers: dict[tuple[str, str, str], tuple[tuple[Reader, ...], tuple[Reader, ...]]] = {}
        self.told: tuple[Event | None, dict[str, Any]] = (None, {})  # the event at hand, as its findings need it
        self.series = Shelves(self.families, self.waiting)
        self.sources: dict[str, list[Micros]] = {}  # source → latest event time; clock at its last record, receipt
        self.clock: Micros = 0
        self.reached: Micros = 0  # the latest event time of any source
        self.complete: Micros = LATEST  # what was received before has been seen here
        self.swept: Micros = 0
        self.next = 0  # the shelf to sweep next
        self.shed = 0
        self.late = 0

    @property
    def count(self) -> int:
        """Marks remembered."""
        return self.series.count

    def match(self, base: str, event: Event, barred: frozenset[str] = frozenset()) -> list[Finding]:
        """Take in a base rule's match; the findings of every window that it completes. Not for those `barred`."""
        source = self._arrived(event)
        horizon, at = self._horizon(source), event.at
        rule, place = self.rules[base], _place(event)
        info = self._info(rule, event)
        out: list[Finding] = []
        for watch in self.bases[base]:
            if watch.name in barred:
                continue
            if at < horizon - watch.spec.span:
                self.late += 1
                continue
            feed = self._feed(watch, base, rule, event)
            if feed is not None:
                mark = Mark(at, event.text("event.id"), watch.slot, feed[1], source, info)
                out += self._add(watch, feed[0], mark, place)
        return out

    def _arrived(self, event: Event) -> str:
        """Advance the source's watermark and the clock of arrival."""
        source = event.text(SOURCE)
        self._passed(source, event.at, int(event.facts.get(INGESTED) or 0))
        return source

    def _passed(self, source: str, at: Micros, ingested: Micros) -> None:
        self.clock = max(self.clock, ingested)
        known = self.sources.setdefault(source, [0, 0, 0])
        known[0] = max(known[0], min(at, ingested + AHEAD) if ingested else at)
        known[1:] = self.clock, ingested
        self.reached = max(self.reached, known[0])

    def _info(self, rule: Rule, event: Event) -> dict[str, Any]:
        """What a finding on this event needs when its window completes, perhaps much later."""
        if self.told[0] is not event:
            owner = [(name, event.text(name)) for name in OWNER if event.text(name)]
            realm = event.text("soc.realm") or REAL
            self.told = event, {"owner": owner, "entities": event.entities(), "realm": realm}
        info = self.told[1]
        above = self._above(rule.id, rule, event) if self.chained else None
        return {**info, "above": above} if above else info

    def _above(self, base: str, rule: Rule, event: Event) -> dict[str, Any]:
        """Keys and values for the correlations of correlations that this match may reach."""
        found: dict[str, Any] = {}
        for watch in self.bases.get(base, ()):
            for outer in self.bases.get(watch.name, ()):
                feed = self._feed(outer, watch.name, rule, event)
                if feed is not None:
                    found[outer.name] = feed
            if watch.name in self.bases:
                found.update(self._above(watch.name, rule, event))
        return found

    def _feed(self, watch: Watch, base: str, rule: Rule, event: Event) -> tuple[Key, Any] | None:
        """The key and the counted value of a match for one correlation; None when a group-by field is absent."""
        name = (watch.name, base, rule.head.id)
        known = event.hits.feeds.get(name)
        if known is None:
            known = event.hits.feeds[name] = self._feeds(watch, base, rule, event.hits)
        return known[event.place]

    def _feeds(self, watch: Watch, base: str, rule: Rule, hits: Hits) -> list[tuple[Key, Any] | None]:
        """The same for all hits at once: columns are read, not rows."""
        grouping, counted = ([hits.read(reader) for reader in readers] for readers in self._readers(watch, base, rule))
        height = len(hits.plain)
        if any(column is None for column in (*grouping, *counted)):
            return [None] * height
        where = [[_text(facts.get(name)) for facts in hits.plain] for name in ("soc.realm", "soc.zone")]
        keys = list(zip(*where, *(_joined(column, "\x1f") for column in grouping), strict=True))
        if not counted:
            return [None if None in key else (key, watch.slot) for key in keys]
        values = zip(*(_joined(column, "\x1e") for column in counted), strict=True)
        told: Iterable[Any] = [None if None in value else "\x1f".join(value) for value in values]
        numeric = watch.spec.numeric
        return [
            None if None in key or value is None else (key, number(value) if numeric else value)
            for key, value in zip(keys, told, strict=True)
        ]

    def _readers(self, watch: Watch, base: str, rule: Rule) -> tuple[tuple[Reader, ...], tuple[Reader, ...]]:
        """Where the group-by fields and the counted fields of a correlation are read in a rule's matches."""
        name = (watch.name, base, rule.head.id)
        known = self.readers.get(name)
        if known is None:
            c = watch.correlation
            grouping = [read_as(c, field, base, rule.id) for field in c.group_by]
            known = self.readers[name] = (
                tuple(self.mapping.resolve(rule.logsource, field).reader for field in grouping),
                tuple(self.mapping.resolve(rule.logsource, field).reader for field in c.fields),
            )
        return known

    def _add(self, watch: Watch, key: Key, mark: Mark, place: tuple[int, int]) -> list[Finding]:
        name = watch.name, key
        series, done = self.series.add(name, mark, watch.spec)
        if series.lost:
            self.shed += series.lost
            series.lost = 0
        return self._completed(watch.correlation, key, done, place) if done else []

    def _completed(self, c: Correlation, key: Key, done: Iterable[Mark], place: tuple[int, int]) -> list[Finding]:
        out = []
        for mark in done:
            info = orjson.loads(mark.info) if isinstance(mark.info, str) else mark.info or {}
            if c.id not in self.quiet:
                out.append(self._finding(c, key, mark, info, NO_PLACE if c.id in self.timed else place))
            for outer in self.bases.get(c.id, ()):
                feed = info.get("above", {}).get(outer.name)
                if feed is not None:
                    value = feed[1] if outer.correlation.fields else outer.slot
                    above = Mark(mark.at, mark.id, outer.slot, value, mark.source, mark.info)
                    out += self._add(outer, tuple(feed[0]), above, place)
            mark.info = None
        return out

    def _finding(self, c: Correlation, key: Key, mark: Mark, info: dict[str, Any], place: tuple[int, int]) -> Finding:
        named = list(zip(c.group_by, key[2:], strict=True))
        owner = [tuple(pair) for pair in info["owner"]]
        return make_known(
            c.head, mark.id, mark.at, (*owner, *named), [tuple(pair) for pair in info["entities"]],
            info["realm"], dict(owner), place, self._words(c, named), self._tags(c),
        )

    def _tags(self, c: Correlation) -> tuple[str, ...]:
        """A correlation without tags shows the techniques of what it correlates."""
        if c.head.tags:
            return c.head.tags
        heads = [self.rules[base].head for base in c.rules if base in self.rules]
        return tuple(dict.fromkeys(tag for head in heads for tag in head.tags))

    def _words(self, c: Correlation, named: list[tuple[str, str]]) -> str:
        """Why, in Chinese and English."""
        span = _span(c.span)
        who = ", ".join(f"{name}={value}" for name, value in named) or "—"
        heads = [(self.rules.get(base) or self.correlations[base]).head for base in c.rules]
        what = ", ".join(title(head) for head in heads)
        bound = " ".join(f"{op} {count:g}" for op, count in c.bounds)
        match c.kind:
            case "event_count":
                zh, en = f"{span} 内次数 {bound}", f"count {bound} within {span}"
            case "value_count":
                fields = ", ".join(c.fields)
                zh, en = f"{span} 内不同 {fields} 个数 {bound}", f"different {fields} {bound} within {span}"
            case "temporal" | "temporal_ordered" if c.expression is not None:
                names = {base: title(head) for base, head in zip(c.rules, heads, strict=True)}
                what = bounds.worded(bounds.renamed(c.expression, names))
                zh, en = f"{span} 内条件成立", f"met within {span}"
            case "temporal":
                zh, en = f"{span} 内先后出现", f"together within {span}"
            case "temporal_ordered":
                zh, en = f"{span} 内依次出现", f"in this order within {span}"
            case _:
                fields = ", ".join(c.fields)
                zh, en = f"{span} 内 {fields} {c.kind} {bound}", f"{c.kind} of {fields} {bound} within {span}"
        return f"{zh}（{who}）：{what} · {en}"

    def _horizon(self, source: str) -> Micros:
        """Event time before which a record of the source is too late; a source long silent goes by the clock, but
        not beyond where any source has come: a clock that leaps ahead makes nothing late."""
        latest, seen, _ = self.sources.get(source, (0, 0, 0))
        if self._silent(seen):
            return max(latest, min(self.clock, self.reached)) - LATENESS
        return latest - LATENESS

    def _silent(self, seen: Micros) -> bool:
        """Whether a source has sent nothing for long, as far as all that it may have sent is known."""
        return min(self.clock, self.complete) - seen > LATENESS

    def _horizons(self) -> Horizons:
        """By source, the event time before which neither it nor a source that keeps up brings anything in time.

        What is complete is so by our clock, by which a source may be behind, or all are when it has leapt.
        """
        own = {source: self._horizon(source) for source in self.sources}
        timely = [own[source] for source, (latest, _, received) in self.sources.items() if received - latest <= HOLD]
        silent = max(0, min(self.clock, self.reached)) - LATENESS
        common = min(min(timely, default=max(silent, *own.values(), 0)), self.complete - LATENESS)
        return Horizons(((source, min(own[source], common, self.complete - max(0, received - latest) - LATENESS))
                         for source, (latest, _, received) in self.sources.items()), min(silent, common))

    def heard(self, batch: EventBatch) -> None:
        """Let time pass by all events, and know their sources, though no rule matched them."""
        if not self.bases or AT not in batch.fields:
            return
        told = {name: batch.column(name) for name in (AT, INGESTED, SOURCE)}
        frame = pl.DataFrame([one if name == SOURCE else one.cast(pl.Int64) for name, one in told.items()])
        for row in frame.group_by(SOURCE).max().iter_rows(named=True):
            if row[AT] is not None:
                self._passed(row[SOURCE] or "", row[AT], row[INGESTED] or 0)

    def tick(self, now: Micros) -> list[Finding]:
        """Judge what waited until nothing in time can come, and evict what no window needs."""
        out = self._settle(self._horizons()) if self.waiting else []
        self._sweep()
        return out

    def settle(self) -> list[Finding]:
        """At the end of all input: judge everything that waits."""
        return self._settle(None)

    def _settle(self, until: Horizons | None) -> list[Finding]:
        """Judge what waits; what a correlation correlates comes before it."""
        out = []
        for name in self.waiting:
            spec, correlation = self.specs[name], self.correlations[name]
            for (_, key), series in self.series.ripe(name, until):
                out += self._completed(correlation, key, series.settle(until, spec), NO_PLACE)
        return out

    def _sweep(self) -> None:
        """Evict what is due, every SWEEP_EVERY; where it is much, what is left waits for the next time."""
        if self.clock >= self.swept + SWEEP_EVERY:
            if self.clock // MINUTE > self.swept // MINUTE:
                self._forget_silent()
            self.swept, looked = self.clock, 0
            horizons = self._horizons()
            for _ in range(PIECES):
                looked += self.series.sweep(self.next, horizons, self.spans)
                self.next = (self.next + 1) % PIECES
                if looked > AT_ONCE:
                    break
        while self.count > MOST_MARKS:  # the bound of last resort, counted
            self.shed += self.series.shed()

    def _forget_silent(self) -> None:
        """A source long silent goes by the clock, as one that was never heard: nothing need be known of it."""
        self.sources = {source: times for source, times in self.sources.items() if not self._silent(times[1])}

    def state(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return self.head() | {
            "series": [[name, list(key), [mark.plain() for mark in series.marks]]
                       for (name, key), series in self.series.items()],
        }

    def head(self) -> dict[str, Any]:
        """Everything but the windows."""
        return {"clock": self.clock, "swept": self.swept, "next": self.next, "shed": self.shed, "late": self.late,
                "sources": self.sources}

    def take(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave, where windows of rules that are gone are dropped; or what `head` gave."""
        self.clock, self.swept, self.next = (int(state.get(name, 0)) for name in ("clock", "swept", "next"))
        self.shed, self.late = int(state.get("shed", 0)), int(state.get("late", 0))
        # a source has three times; the code of before saved two: what was heard then stands for the receipt
        self.sources = {source: [*times, times[1]][:3] for source, times in state.get("sources", {}).items()}
        self.reached = max((times[0] for times in self.sources.values()), default=0)
        if "series" in state or not state:
            self.series = Shelves(self.families, self.waiting)
            for name, key, marks in state.get("series", ()):
                self.series.put((name, tuple(key)), [Mark(*mark) for mark in marks])


def _spec(c: Correlation) -> Spec:
    places = {rule: slot for slot, rule in enumerate(c.rules)}
    tree = None if c.expression is None else bounds.renamed(c.expression, places)
    return Spec(c.kind, c.span, c.bounds, len(c.rules), c.percentile, tree)


def _inner_first(correlations: dict[str, Correlation]) -> list[str]:
    """Names, each after those that it correlates."""
    out: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in correlations and name not in out:
            for base in correlations[name].rules:
                visit(base)
            out[name] = None

    for name in correlations:
        visit(name)
    return list(out)


def _text(found: Any) -> str:
    return "" if found is None else str(found)


def _joined(column: Sequence[Value] | None, between: str) -> list[str | None]:
    """Each value as one text."""
    return [each if each is None or isinstance(each, str) else between.join(each) for each in column or ()]


def _place(event: Event) -> tuple[int, int]:
    return int(event.facts.get("soc.partition") or 0), int(event.facts.get("soc.offset") or 0)


def _span(span: Micros) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if span % unit == 0:
            return f"{span // unit} {name}"
    return f"{span // SECOND} s"
