"""SigmaDetector: all rules on every event of a batch, as a Detector (soc_core/protocols.py).

Each distinct value is judged once for all rules that read its field, each distinct combination of outcomes once for
all rules; so cost follows what is new, not events times rules. Rules apply by the event's `sigma.logsource` tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from detections.sigma import compile as compiling
from detections.sigma.columns import Rows
from detections.sigma.correlate import Correlator
from detections.sigma.finding import Maker
from detections.sigma.gate import Router
from detections.sigma.map import Mapper, Mapping
from detections.sigma.multi import EngineName
from detections.sigma.plan import Field, Memory, Plan
from detections.sigma.rule import LogSource, RuleSet
from soc_core.clock import Micros
from soc_core.events import EventBatch, Part
from soc_core.models import Finding

CACHE_BYTES = 160 << 20
UNGATED = "*"  # a tag that takes every rule: for events whose log source is not known


class Hit(NamedTuple):
    """A row of a part, and the rules (numbers in the program) that fire on it."""

    row: int
    rules: tuple[int, ...]


class SigmaDetector:
    """Judges batches by a rule set. State: the windows of its correlations."""

    def __init__(
        self,
        rules: RuleSet,
        mapping: Mapping | None = None,
        engine: EngineName = "auto",
        cache: Path | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.mapping = mapping or Mapper()
        self.program = compiling.program(rules.rules, self.mapping, engine, cache)
        self.memory = Memory(cache_bytes)
        self.fields: dict[Any, Field] = {}
        self.plans: dict[tuple[str, ...], Plan | None] = {}
        self.router = Router()
        self.maker = Maker(rules, self.mapping)
        self.correlator = Correlator(rules, self.mapping)

    def hits(self, batch: EventBatch) -> Iterator[tuple[Part, list[Hit]]]:
        """Which rules fire on which rows, part by part."""
        if self.memory.full:
            self.forget()
        for part in batch.parts:
            for group in self.router.groups(part):
                plan = self.plan(group.tags)
                if plan is not None:
                    found = plan.hits(Rows(group.part.frame))
                    if found:
                        yield group.part, [Hit(row, numbers) for row, numbers in found]

    def detect(self, batch: EventBatch) -> list[Finding]:
        """Findings of all rules and correlations, in the order of the rows."""
        out: list[tuple[int, Finding]] = []
        for part, hits in self.hits(batch):
            events = self.maker.events(part, [hit.row for hit in hits])
            for hit, event in zip(hits, events, strict=True):
                place = int(part.rows[hit.row])
                for number in hit.rules:
                    rule = self.program.rules[number].rule
                    if not rule.quiet:
                        out.append((place, self.maker.finding(rule, event)))
                    if rule.id in self.correlator.bases:
                        out += [(place, each) for each in self.correlator.match(rule.id, event)]
        return [finding for _, finding in sorted(out, key=lambda pair: pair[0])]

    def tick(self, now: Micros) -> list[Finding]:
        """Let the watermark pass: windows that can no longer change are judged and forgotten."""
        return self.correlator.tick(now)

    def settle(self) -> list[Finding]:
        """At the end of all input: judge every window that was waiting for the watermark."""
        return self.correlator.settle()

    def snapshot(self) -> bytes:
        return orjson.dumps(self.correlator.state())

    def restore(self, state: bytes) -> None:
        """Take up a snapshot; b"" is a fresh start. Raises ValueError on one that is not ours."""
        try:
            self.correlator.take(orjson.loads(state) if state else {})
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"not a snapshot of the Sigma detector: {error}") from None

    def plan(self, tags: tuple[str, ...]) -> Plan | None:
        """The plan for a combination of tags; None where no rule applies."""
        if tags not in self.plans:
            sources = [LogSource.parse(tag) for tag in tags]
            rules = [
                number for number, compiled in enumerate(self.program.rules)
                if UNGATED in tags or any(compiled.rule.logsource.takes(source) for source in sources)
            ]
            self.plans[tags] = Plan(rules, self.program, self.fields, self.memory) if rules else None
        return self.plans[tags]

    def forget(self) -> None:
        """Empty every cache; results do not depend on them."""
        for plan in self.plans.values():
            if plan is not None:
                plan.forget()
        for field in self.fields.values():
            field.forget()
        self.memory.used = 0
