"""Correlations over base matches: event_count, value_count, temporal, temporal_ordered, value_sum, value_avg,
value_percentile, value_median; chained, with aliases (Sigma Correlation Rules Specification 2.1).

Windows are by event time and by key: the group-by fields, and always realm and collector zone (private addresses
overlap between agencies). A match without one of the group-by fields belongs to no key. State is a function of the
records seen; a watermark per source evicts, later than an hour behind it nothing counts any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from detections.sigma.finding import OWNER, Event, make_known, title
from detections.sigma.judge import Value, number
from detections.sigma.map import Mapping
from detections.sigma.rule import Correlation, Rule, RuleSet
from detections.sigma.windows import Mark, Series, Spec
from soc_core.clock import DAY, HOUR, MINUTE, SECOND, Micros
from soc_core.models import REAL, Finding

LATENESS = HOUR
AHEAD = 5 * MINUTE
SWEEP_EVERY = MINUTE
MOST_MARKS = 1_000_000
NUMERIC = ("value_sum", "value_avg", "value_percentile", "value_median")
Key = tuple[str, ...]


class Watch(NamedTuple):
    """A correlation that a rule feeds, and the rule's place in it."""

    correlation: Correlation
    spec: Spec
    slot: int


class Correlator:
    """All correlations of a rule set, and the windows they have open."""

    def __init__(self, rules: RuleSet, mapping: Mapping) -> None:
        self.mapping = mapping
        self.rules = {rule.id: rule for rule in rules.rules}
        self.correlations = {correlation.id: correlation for correlation in rules.correlations}
        self.specs = {c.id: _spec(c) for c in rules.correlations}
        self.bases: dict[str, list[Watch]] = {}
        for c in rules.correlations:
            for slot, base in enumerate(c.rules):
                self.bases.setdefault(base, []).append(Watch(c, self.specs[c.id], slot))
        inner = {base for c in rules.correlations if not c.generate for base in c.rules}
        self.quiet = inner & set(self.correlations)
        self.series: dict[tuple[str, Key], Series] = {}
        self.sources: dict[str, list[Micros]] = {}  # source → latest event time, clock at its latest record
        self.clock: Micros = 0
        self.swept: Micros = 0
        self.count = 0
        self.shed = 0

    def match(self, base: str, event: Event, barred: frozenset[str] = frozenset()) -> list[Finding]:
        """Take in a base rule's match; the findings of every window that it completes. Not for those `barred`."""
        source = self._arrived(event)
        info = self._info(self.rules[base], event)
        out: list[Finding] = []
        for watch in self.bases[base]:
            if watch.correlation.id in barred:
                continue
            feed = self._feed(watch, base, self.rules[base], event)
            if feed is not None:
                mark = Mark(event.at, event.text("event.id"), watch.slot, feed[1], source, info)
                out += self._add(watch, feed[0], mark, _place(event))
        return out

    def _arrived(self, event: Event) -> str:
        """Advance the source's watermark and the clock of arrival."""
        ingested = int(event.facts.get("event.ingested") or 0)
        self.clock = max(self.clock, ingested)
        source = event.text("soc.source")
        known = self.sources.setdefault(source, [0, 0])
        known[0] = max(known[0], min(event.at, ingested + AHEAD) if ingested else event.at)
        known[1] = self.clock
        return source

    def _info(self, rule: Rule, event: Event) -> dict[str, Any]:
        """What a finding on this event needs when its window completes, perhaps much later."""
        owner = [(name, event.text(name)) for name in OWNER if event.text(name)]
        info: dict[str, Any] = {"owner": owner, "entities": event.entities(), "realm": event.text("soc.realm") or REAL}
        above = self._above(rule.id, rule, event)
        if above:
            info["above"] = above
        return info

    def _above(self, base: str, rule: Rule, event: Event) -> dict[str, Any]:
        """Keys and values for the correlations of correlations that this match may reach."""
        found: dict[str, Any] = {}
        for watch in self.bases.get(base, ()):
            for outer in self.bases.get(watch.correlation.id, ()):
                feed = self._feed(outer, watch.correlation.id, rule, event)
                if feed is not None:
                    found[outer.correlation.id] = feed
            if watch.correlation.id in self.bases:
                found.update(self._above(watch.correlation.id, rule, event))
        return found

    def _feed(self, watch: Watch, base: str, rule: Rule, event: Event) -> tuple[Key, Any] | None:
        """The key and the counted value of a match for one correlation; None when a group-by field is absent."""
        c = watch.correlation
        key = [event.text("soc.realm"), event.text("soc.zone")]
        for name in c.group_by:
            found = self._read(c.aliases.get(name, {}).get(base, name), rule, event)
            if found is None:
                return None
            key.append(found if isinstance(found, str) else "\x1f".join(found))
        value: Any = watch.slot
        if c.fields:
            values = [self._read(name, rule, event) for name in c.fields]
            if any(each is None for each in values):
                return None
            value = "\x1f".join(each if isinstance(each, str) else "\x1e".join(each or ()) for each in values)
            if c.kind in NUMERIC:
                value = number(value)
        return tuple(key), value

    def _read(self, name: str, rule: Rule, event: Event) -> Value:
        return event.value(self.mapping.resolve(rule.logsource, name).reader)

    def _add(self, watch: Watch, key: Key, mark: Mark, place: tuple[int, int]) -> list[Finding]:
        c, spec = watch.correlation, watch.spec
        if mark.at < self._horizon(mark.source) - spec.span:
            return []
        series = self.series.setdefault((c.id, key), Series())
        before = len(series.marks)
        done = series.add(mark, spec)
        self.count += len(series.marks) - before
        return self._completed(c, key, done, place)

    def _completed(self, c: Correlation, key: Key, done: Iterable[Mark], place: tuple[int, int]) -> list[Finding]:
        out = []
        for mark in done:
            info = mark.info or {}
            if c.id not in self.quiet:
                out.append(self._finding(c, key, mark, info, place))
            for outer in self.bases.get(c.id, ()):
                feed = info.get("above", {}).get(outer.correlation.id)
                if feed is not None:
                    value = feed[1] if outer.correlation.fields else outer.slot
                    above = Mark(mark.at, mark.id, outer.slot, value, mark.source, info)
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
        bound = f"{c.op} {c.count:g}"
        match c.kind:
            case "event_count":
                zh, en = f"{span} 内次数 {bound}", f"count {bound} within {span}"
            case "value_count":
                fields = ", ".join(c.fields)
                zh, en = f"{span} 内不同 {fields} 个数 {bound}", f"different {fields} {bound} within {span}"
            case "temporal":
                zh, en = f"{span} 内先后出现", f"together within {span}"
            case "temporal_ordered":
                zh, en = f"{span} 内依次出现", f"in this order within {span}"
            case _:
                fields = ", ".join(c.fields)
                zh, en = f"{span} 内 {fields} {c.kind} {bound}", f"{c.kind} of {fields} {bound} within {span}"
        return f"{zh}（{who}）：{what} · {en}"

    def _horizon(self, source: str) -> Micros:
        """Event time before which a record of the source is too late; a source long silent goes by the clock."""
        latest, seen = self.sources.get(source, (0, 0))
        if self.clock - seen > LATENESS:
            return max(latest, self.clock) - LATENESS
        return latest - LATENESS

    def tick(self, now: Micros) -> list[Finding]:
        """Judge what waits for the watermark, and evict what no window needs."""
        out = self.settle(AHEAD)
        if self.clock - self.swept > SWEEP_EVERY or self.count > MOST_MARKS:
            self._sweep()
        return out

    def settle(self, behind: Micros = 0) -> list[Finding]:
        """Judge what waits, up to each key's watermark less `behind`."""
        out = []
        for (correlation, key), series in list(self.series.items()):
            spec = self.specs[correlation]
            if spec.waits and series.marks:
                until = max(self.sources[mark.source][0] for mark in series.marks) - behind
                done = series.settle(until, spec)
                out += self._completed(self.correlations[correlation], key, done, (0, 0))
        return out

    def _sweep(self) -> None:
        self.swept = self.clock
        horizons = {source: self._horizon(source) for source in self.sources}
        for name, series in list(self.series.items()):
            span = self.specs[name[0]].span
            series.drop(lambda mark, span=span: mark.at < horizons.get(mark.source, 0) - span)  # type: ignore[misc]
            if not series.marks:
                del self.series[name]
        used = {mark.source for series in self.series.values() for mark in series.marks}
        self.sources = {
            source: times for source, times in self.sources.items()
            if source in used or self.clock - times[1] <= LATENESS
        }
        self.count = sum(len(series.marks) for series in self.series.values())
        while self.count > MOST_MARKS:  # the bound of last resort, counted: keys whose events lie furthest back
            oldest = sorted(self.series, key=lambda name: self.series[name].marks[-1].at)[: len(self.series) // 10 + 1]
            for name in oldest:
                lost = len(self.series.pop(name).marks)
                self.count -= lost
                self.shed += lost

    def state(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "clock": self.clock, "swept": self.swept, "shed": self.shed, "sources": self.sources,
            "series": [[name, list(key), [mark.plain() for mark in series.marks]]
                       for (name, key), series in self.series.items()],
        }

    def take(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave; windows of rules that are gone are dropped."""
        self.clock, self.swept = int(state.get("clock", 0)), int(state.get("swept", 0))
        self.shed = int(state.get("shed", 0))
        self.sources = {source: list(times) for source, times in state.get("sources", {}).items()}
        self.series = {}
        for name, key, marks in state.get("series", ()):
            if name in self.specs:
                self.series[name, tuple(key)] = Series([Mark(*mark) for mark in marks])
        self.count = sum(len(series.marks) for series in self.series.values())


def _spec(c: Correlation) -> Spec:
    count, op = c.count, c.op
    if c.kind == "temporal_ordered":
        op, count = "gte", len(c.rules)
    return Spec(c.kind, c.span, op, count, len(c.rules), c.percentile)


def _place(event: Event) -> tuple[int, int]:
    return int(event.facts.get("soc.partition") or 0), int(event.facts.get("soc.offset") or 0)


def _span(span: Micros) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if span % unit == 0:
            return f"{span // unit} {name}"
    return f"{span // SECOND} s"
