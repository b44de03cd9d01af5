"""SigmaDetector: all rules on every event of a batch, as a Detector (soc_core/protocols.py).

Each distinct value is judged once for all rules that read its field, each distinct combination of outcomes once for
all rules; so cost follows what is new, not events times rules. Rules apply by the event's `sigma.logsource` tags.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from detections.sigma import compile as compiling
from detections.sigma import stack
from detections.sigma.books import Books, Memory
from detections.sigma.columns import Rows
from detections.sigma.correlate import Correlator
from detections.sigma.fields import Field
from detections.sigma.finding import Event, Maker
from detections.sigma.gate import Router
from detections.sigma.map import Mapper, Mapping
from detections.sigma.multi import EngineName
from detections.sigma.plan import Plan
from detections.sigma.rule import LogSource, Rule, RuleSet
from soc_core.clock import Micros
from soc_core.events import EventBatch, Part
from soc_core.models import Finding

CACHE_BYTES = 128 << 20  # beside those of the parser's lexicon (soc_core/lexicon.py)
UNGATED = "*"  # a tag that takes every rule: for events whose log source is not known
NOTHING: frozenset[str] = frozenset()
NOBODY: dict[str, frozenset[str]] = {}


class Hit(NamedTuple):
    """A row of a part, and the rules (numbers in the program) that fire on it."""

    row: int
    rules: tuple[int, ...]


class Match(NamedTuple):
    """A rule that fires on an event, `place` in its batch, that no exception takes back.

    `barred` are the correlations that an exception keeps it from.
    """

    place: int
    part: Part
    row: int
    event: Event
    rule: Rule
    barred: frozenset[str]


class SigmaDetector:
    """Judges batches by a rule set. State: the windows of its correlations, and how often each exception held."""

    def __init__(
        self,
        rules: RuleSet,
        mapping: Mapping | None = None,
        engine: EngineName = "auto",
        cache: Path | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.mapping = mapping or Mapper()
        every = [*rules.rules, *(each.hidden for each in rules.exemptions)]
        self.program = compiling.program(every, self.mapping, engine, cache)
        hidden = {each.hidden.id: each for each in rules.exemptions}
        self.exempting = {n: hidden[c.rule.id] for n, c in enumerate(self.program.rules) if c.rule.id in hidden}
        self.suppressed: Counter[str] = Counter()
        self.spent: Counter[int] = Counter()  # nanoseconds of each rule
        self.memory = Memory(cache_bytes)
        self.books = Books(self.memory)
        self.fields: dict[Any, Field] = {}
        self.plans: dict[tuple[str, ...], Plan | None] = {}
        self.sources: dict[LogSource, list[int]] = {}  # what rules are for → their numbers
        for number, compiled in enumerate(self.program.rules):
            self.sources.setdefault(compiled.rule.logsource, []).append(number)
        self.router = Router()
        self.maker = Maker(rules, self.mapping)
        self.correlator = Correlator(rules, self.mapping)

    def hits(self, batch: EventBatch) -> Iterator[tuple[Part, list[Hit]]]:
        """Which rules fire on which rows, part by part."""
        if self.memory.full:
            self.forget()
        groups = [(group.part, plan) for part in batch.parts for group in self.router.groups(part)
                  if (plan := self.plan(group.tags)) is not None]
        judged = stack.hits([(plan, Rows(part.table, self.books)) for part, plan in groups])
        for (part, _), found in zip(groups, judged, strict=True):
            if found:
                yield part, [Hit(row, numbers) for row, numbers in found]

    def matches(self, batch: EventBatch) -> Iterator[Match]:
        """Every rule that fires, exceptions taken off (and counted)."""
        for part, hits in self.hits(batch):
            events = self.maker.events(part, [hit.row for hit in hits])
            for hit, event in zip(hits, events, strict=True):
                excused = self._excused(hit, event) if self.exempting else NOBODY
                for number in hit.rules:
                    if number in self.exempting:
                        continue
                    rule = self.program.rules[number].rule
                    barred = excused.get(rule.id, NOTHING)
                    if "" not in barred:
                        began = time.perf_counter_ns()
                        yield Match(int(part.rows[hit.row]), part, hit.row, event, rule, barred)
                        self.spent[number] += time.perf_counter_ns() - began  # what was made of it meanwhile

    def _excused(self, hit: Hit, event: Event) -> dict[str, frozenset[str]]:
        """Rules → the correlations that exceptions keep this event from; "" stands for the rule itself."""
        found: dict[str, frozenset[str]] = {}
        held = [self.exempting[number] for number in hit.rules if number in self.exempting]
        for each in held:
            if event.at < each.until:
                found[each.rule] = found.get(each.rule, NOTHING) | {each.correlation}
                self.suppressed[each.name] += 1
        return found

    def detect(self, batch: EventBatch) -> list[Finding]:
        """Findings of all rules and correlations, in the order of the rows."""
        out: list[tuple[int, Finding]] = []
        bases: list[Match] = []
        for match in self.matches(batch):
            if not match.rule.quiet:
                out.append((match.place, self.maker.finding(match.rule, match.event)))
            if match.rule.id in self.correlator.bases:
                bases.append(match)
        bases.sort(key=lambda match: match.place)  # as they came, not by shape: what is in order costs least
        for match in bases:
            found = self.correlator.match(match.rule.id, match.event, match.barred)
            out += [(match.place, each) for each in found]
        self.correlator.heard(batch)
        return [finding for _, finding in sorted(out, key=lambda pair: pair[0])]

    def tick(self, now: Micros) -> list[Finding]:
        """Let the watermark pass: windows that can no longer change are judged and forgotten."""
        return self.correlator.tick(now)

    def settle(self) -> list[Finding]:
        """At the end of all input: judge every window that was waiting for the watermark."""
        return self.correlator.settle()

    def snapshot(self) -> bytes:
        return orjson.dumps(self.correlator.state() | {"suppressed": self.suppressed})

    def restore(self, state: bytes) -> None:
        """Take up a snapshot; b"" is a fresh start. Raises ValueError on one that is not ours."""
        try:
            known = orjson.loads(state) if state else {}
            self.correlator.take(known)
            self.suppressed = Counter(known.get("suppressed", {}))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a snapshot of the Sigma detector: {error}") from None

    def plan(self, tags: tuple[str, ...]) -> Plan | None:
        """The plan for a combination of tags; None where no rule applies."""
        if tags not in self.plans:
            sources = [LogSource.parse(tag) for tag in tags]
            taken = [
                numbers for mine, numbers in self.sources.items()
                if UNGATED in tags or any(mine.takes(source) for source in sources)
            ]
            rules = sorted(number for numbers in taken for number in numbers)
            made = self.plans[tags] = (
                Plan(rules, self.program, self.fields, self.memory, self.spent) if rules else None)
            for field in made.fields if made else ():
                if field[0].jury is not None:
                    field[0].jury.ready()
        return self.plans[tags]

    def costs(self) -> dict[str, float]:
        """Seconds that each rule alone took: its condition, and what was made of what it found."""
        return {self.program.rules[number].rule.id: spent / 1e9 for number, spent in dict(self.spent).items()}

    def forget(self) -> None:
        """Empty every cache; results do not depend on them."""
        for plan in self.plans.values():
            if plan is not None:
                plan.forget()
        for field in self.fields.values():
            field.forget()
        self.books.forget()
        self.memory.used = 0
