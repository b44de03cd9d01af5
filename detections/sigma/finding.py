"""A rule's hit on a row → Finding: which alert it counts towards, whom it concerns, which techniques it shows.

Default alert key, when a rule names none in `citysoc: {group_by: […]}`: the owner, the system, the host, and the
source address or, without one, the account. A flood of the same kind is one alert; other victims are others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import numpy as np

from detections import attack
from detections.sigma.columns import Rows
from detections.sigma.judge import Value
from detections.sigma.map import Mapping, Reader
from detections.sigma.rule import Head, LogSource, Rule, RuleSet
from soc_core.clock import Micros
from soc_core.events import Part
from soc_core.models import REAL, Finding
from soc_core.table import Table
from soc_core.text import both

ENTITIES = (
    "source.ip", "user.name", "host.name", "destination.ip", "destination.domain", "process.executable",
    "process.hash.sha256", "file.hash.sha256", "dns.question.name", "url.domain",
)
OWNER = ("organization.id", "soc.system.id")
META = (
    "event.id", "event.ingested", "@timestamp", "soc.realm", "soc.partition", "soc.offset", "soc.source", "soc.zone",
)
FACTS = frozenset((*META, *OWNER, *ENTITIES))
BLANK = frozenset({"", "-", "::", "0.0.0.0", "localhost"})  # noqa: S104 - values that name nobody
LONGEST = 512


class Hits:
    """The rows of one part on which something fired: only these, and of them only what is asked for."""

    def __init__(self, table: Table, rows: Sequence[int], wanted: Collection[str]) -> None:
        self.table = table.select(wanted).pick(np.array(rows, dtype=np.int64))
        self.known: dict[Reader, Sequence[Any] | None] = {}
        self.feeds: dict[Any, list[Any]] = {}  # what correlations take of them, column by column (correlate.py)
        names = [name for name in table.held if name in FACTS]
        values = [table.held[name].at(rows) for name in names]
        self.plain = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)] or [{} for _ in rows]
        self.rows: Rows | None = None

    def read(self, reader: Reader) -> Sequence[Any] | None:
        if reader not in self.known:
            self.rows = self.rows or Rows(self.table)
            self.known[reader] = self.rows.read(reader)
        return self.known[reader]


class Event:
    """One row of Hits, with what findings need of it."""

    __slots__ = ("facts", "hits", "place")

    def __init__(self, hits: Hits, place: int) -> None:
        self.hits, self.place = hits, place
        self.facts: dict[str, Any] = hits.plain[place]

    @property
    def at(self) -> Micros:
        """When it happened; when it was received, where it says nothing itself."""
        return int(self.facts.get("@timestamp") or self.facts.get("event.ingested") or 0)

    def text(self, name: str) -> str:
        found = self.facts.get(name)
        return "" if found is None else str(found)

    def value(self, reader: Reader) -> Value:
        values = self.hits.read(reader)
        found: Value = values[self.place] if values is not None else None
        return found

    def entities(self) -> tuple[tuple[str, str], ...]:
        """Whom or what the event names, without placeholders such as "-"."""
        facts = self.facts
        held = [(name, facts[name]) for name in ENTITIES if facts.get(name) is not None]
        return tuple((name, str(value)[:LONGEST]) for name, value in held if str(value) not in BLANK)


@cache
def techniques(tags: tuple[str, ...]) -> tuple[str, ...]:
    """ATT&CK ids in a rule's tags, as the current version has them."""
    found = (attack.resolve(tag.removeprefix("attack.")) for tag in tags if attack.is_technique_tag(tag))
    return tuple(dict.fromkeys(known.id for known in found if known))


def title(head: Head) -> str:
    """Chinese first where the rule has one."""
    return both(head.title_zh, head.title)


def grouped(rules: RuleSet, mapping: Mapping) -> set[str]:
    """Columns that alert keys and correlations read."""
    names = {(rule.logsource, name) for rule in rules.rules for name in rule.head.group_by}
    sources = {rule.logsource for rule in rules.rules}
    for correlation in rules.correlations:
        aliased = {name for by_rule in correlation.aliases.values() for name in by_rule.values()}
        fields = {*correlation.group_by, *correlation.fields, *aliased}
        names |= {(source, name) for source in sources for name in fields}
    return {column for source, name in names for column in mapping.resolve(source, name).reader.columns}


class Maker:
    """Makes findings of one rule set."""

    def __init__(self, rules: RuleSet, mapping: Mapping) -> None:
        self.mapping = mapping
        self.columns = {*META, *OWNER, *ENTITIES} | grouped(rules, mapping)

    def events(self, part: Part, rows: Sequence[int]) -> list[Event]:
        """Events at these rows of a part."""
        hits = Hits(part.table, rows, self.columns)
        return [Event(hits, place) for place in range(len(rows))]

    def values(self, source: LogSource, event: Event, names: Sequence[str]) -> list[tuple[str, str]]:
        """Fields of an event by the rule's names; several values are joined; absent ones are left out."""
        out = []
        for name in names:
            found = event.value(self.mapping.resolve(source, name).reader)
            if found is not None:
                out.append((name, (found if isinstance(found, str) else ", ".join(found))[:LONGEST]))
        return out

    def group(self, rule: Rule, event: Event) -> tuple[tuple[str, str], ...]:
        """The key of the alert that a hit counts towards."""
        owner = tuple((name, event.text(name)) for name in OWNER if event.text(name))
        if rule.head.group_by:
            return (*owner, *self.values(rule.logsource, event, rule.head.group_by))
        who = "source.ip" if event.text("source.ip") not in BLANK else "user.name"
        named = ((name, event.text(name)[:LONGEST]) for name in ("host.name", who))
        return (*owner, *((name, value) for name, value in named if value not in BLANK))

    def finding(self, rule: Rule, event: Event) -> Finding:
        """The finding of a plain rule. Informational rules only add to the picture (building blocks)."""
        return make(rule.head, event, self.group(rule, event))


def make(
    head: Head,
    event: Event,
    group: tuple[tuple[str, str], ...],
) -> Finding:
    """A finding on an event at hand."""
    place = (int(event.facts.get("soc.partition") or 0), int(event.facts.get("soc.offset") or 0))
    owner = {name: event.text(name) for name in OWNER}
    return make_known(
        head, event.text("event.id"), event.at, group, event.entities(), event.text("soc.realm") or REAL, owner, place,
        head.description, head.tags,
    )


def make_known(
    head: Head,
    event_id: str,
    at: Micros,
    group: Sequence[tuple[str, str]],
    entities: Sequence[tuple[str, str]],
    realm: str,
    owner: dict[str, str],
    place: tuple[int, int],
    explanation: str,
    tags: tuple[str, ...],
) -> Finding:
    """A finding from what was kept of an event; `place` is the journal record that brought it about."""
    return Finding(
        rule_id=head.id, event_id=event_id, at=at, level=head.level, title=title(head), group=tuple(group),
        entities=tuple(entities), techniques=techniques(tags), organisation=owner.get("organization.id", ""),
        system=owner.get("soc.system.id", ""), realm=realm, partition=place[0], offset=place[1],
        explanation=explanation[:LONGEST], building_block=head.level == "informational",
    )
